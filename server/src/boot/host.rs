//! The process as `CONFIG SET` changes it: listeners, log, title, limits, signals.

use super::options;
use crate::config::{Config, Effect};
use crate::logging::LogHandle;
use crate::net::listen::{ListenError, ListenOptions};
use crate::process::limits::{self, OomScore};
use crate::process::{crash, title};
use crate::server::Server;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Weak, mpsc};
use tokio::sync::mpsc::UnboundedSender;

/// What the operating system knows of this process.
pub(super) struct Host {
    /// The name the program was started under.
    pub(super) program: String,
    pub(super) config_file: Option<PathBuf>,
    pub(super) log: LogHandle,
    pub(super) oom_score: Mutex<OomScore>,
    pub(super) server: Weak<Server>,
    pub(super) relisten: UnboundedSender<Relisten>,
}

/// The wish to listen elsewhere, for the thread that owns the listeners.
pub(super) struct Relisten {
    pub(super) options: ListenOptions,
    pub(super) answer: mpsc::Sender<Result<(), ListenError>>,
}

impl Host {
    /// Does what a changed directive demands. Errs with the reason that the client is told.
    pub(super) fn carry_out(&self, effect: Effect, config: &Config) -> Result<(), String> {
        match effect {
            Effect::Port => {
                self.listen(config).map_err(|()| "Unable to listen on this port. Check server logs.".to_owned())
            }
            Effect::TlsPort => {
                self.configure_tls(config)?;
                self.listen(config).map_err(|()| "Unable to listen on this port. Check server logs.".to_owned())
            }
            Effect::Tls => self.configure_tls(config),
            Effect::Bind => self.listen(config).map_err(|()| "Failed to bind to specified addresses.".to_owned()),
            Effect::Logging => {
                let options = options::log(config);
                self.log.set_level(options.level);
                self.log.set_format(options.format);
                self.log.set_timestamps(options.timestamps);
                Ok(())
            }
            Effect::ProcessTitle => {
                self.show_title(config);
                Ok(())
            }
            Effect::CrashHandlers => {
                crash::set_enabled(config.crash_log_enabled);
                crash::set_exit_on_panic(config.use_exit_on_panic);
                Ok(())
            }
            Effect::MaxClients => self.make_room_for_clients(config),
            Effect::OomScore => self.set_oom_score(config),
            Effect::Store | Effect::SlowLog | Effect::Watchdog | Effect::Directory | Effect::DefaultPassword => Ok(()),
        }
    }

    /// Shows the process title, if the configuration wants one.
    pub(super) fn show_title(&self, config: &Config) {
        if let Some(text) = options::title(config, &self.program, self.config_file.as_deref()) {
            title::set(&text);
        }
    }

    fn configure_tls(&self, config: &Config) -> Result<(), String> {
        let Some(server) = self.server.upgrade() else { return Ok(()) };
        server.tls.configure(config).map_err(|error| {
            tracing::warn!("{error}");
            "Unable to update TLS configuration. Check server logs.".to_owned()
        })
    }

    /// Writes the OOM score, if the configuration wants it.
    pub(super) fn set_oom_score(&self, config: &Config) -> Result<(), String> {
        let (mode, [primary, replica, job]) = options::oom_score(config);
        let own = if config.replicaof.is_some() { replica } else { primary };
        let mut score = self.oom_score.lock();
        score.apply(mode, own).map_err(|error| {
            tracing::warn!(%error, "Unable to write oom_score_adj");
            "Failed to set current oom_score_adj. Check server logs.".to_owned()
        })?;
        if let Some(server) = self.server.upgrade() {
            *server.process.job_oom_score.lock() = score.value_for(mode, job);
        }
        Ok(())
    }

    /// Has the listeners changed by the thread that owns them, and waits for it.
    fn listen(&self, config: &Config) -> Result<(), ()> {
        let (answer, answered) = mpsc::channel();
        self.relisten.send(Relisten { options: options::listen(config), answer }).map_err(drop)?;
        answered.recv().map_err(drop)?.map_err(drop)?;
        if let Some(server) = self.server.upgrade() {
            let port = if config.port == 0 { config.tls_port } else { config.port };
            server.process.port.store(i64::from(port), Relaxed);
        }
        self.show_title(config);
        Ok(())
    }

    fn make_room_for_clients(&self, config: &Config) -> Result<(), String> {
        let fitting = open_files(config.maxclients)?;
        if fitting == config.maxclients {
            return Ok(());
        }
        Err(format!("The operating system is not able to handle the specified number of clients, try with {fitting}"))
    }
}

/// Raises the limit of open files for that many clients and logs what came of it; how many clients fit. Errs with the
/// reason when not even one does.
pub(super) fn open_files(maxclients: u32) -> Result<u32, String> {
    let outcome = limits::raise_open_files(maxclients)?;
    for line in &outcome.lines {
        if outcome.lowered {
            tracing::warn!("{line}");
        } else {
            tracing::info!("{line}");
        }
    }
    Ok(outcome.maxclients)
}
