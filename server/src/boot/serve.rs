//! From a configuration to a server that runs, and its end.

use super::host::{Host, Relisten, open_files};
use super::options;
use crate::config::apply::set_watchdog;
use crate::config::{Config, Loaded, fatal_error};
use crate::logging::{LogHandle, banner::Banner};
use crate::net::listen::{self, ListenOptions, Listener};
use crate::net::{Acceptor, Handshakes, WorkerPool};
use crate::persistence::startup::{self as loading, Start};
use crate::process::background::{self, Side};
use crate::process::pidfile::PidFile;
use crate::process::startup::Startup;
use crate::process::supervise::Supervisor;
use crate::process::{crash, limits, signals};
use crate::server::{ProcessInfo, Server};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot::error::RecvError;

/// The version of Ochre.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The pid file of a server in the background that names none.
const BACKGROUND_PID_FILE: &str = "/var/run/ochre.pid";

/// Serves until somebody asks for the end; `stdin` is the part of the configuration that came from standard input. Errs
/// with the line to print.
pub(super) fn serve(startup: &Startup, loaded: Loaded, stdin: Option<&[u8]>) -> Result<(), String> {
    let Loaded { mut config, file, kept } = loaded;
    let started_in = std::env::current_dir().map_err(|error| format!("Can't find the working directory: {error}"))?;
    std::env::set_current_dir(&config.dir)
        .map_err(|error| fatal_error(None, &format!("Can't chdir to '{}': {error}", config.dir.display())))?;
    let log =
        crate::logging::init(&options::log(&config)).map_err(|error| format!("Can't open the log file: {error}"))?;
    let Some(supervisor) = divide(startup, &config, stdin, &started_in)? else { return Ok(()) };
    crash::install(VERSION, log.raw_fd()).map_err(|error| format!("Can't install the crash handlers: {error}"))?;
    crash::set_enabled(config.crash_log_enabled);
    crash::set_exit_on_panic(config.use_exit_on_panic);
    let banner = Banner { version: VERSION, mode: "standalone", port: config.port, pid: std::process::id() };
    tracing::info!("{}", banner.start_line());
    for directive in kept {
        tracing::warn!(directive, "kept, without effect in this version");
    }
    config.maxclients = open_files(config.maxclients).inspect_err(|line| tracing::warn!("{line}"))?;
    if config.disable_thp
        && let Err(error) = limits::disable_huge_pages()
    {
        tracing::warn!(%error, "cannot switch transparent huge pages off");
    }
    let listening = options::listen(&config);
    let workers = config.workers();
    let pid_file = pid_file(startup, &config);
    let server = Server::new(config, process_info(&file, &supervisor))?;
    set_watchdog(&server, &server.config()).map_err(|reason| format!("Can't start the watchdog: {reason}"))?;
    if let Err(error) = crate::huge_pages::start(Arc::downgrade(&server)) {
        tracing::warn!(%error, "no thread for huge pages");
    }
    configure_tls(&server)?;
    let listeners = open(&listening)?;
    let for_metrics = open_for_metrics(&server)?;
    // Programs take the number of the process for the sign that they can connect.
    log.announce(&banner, server.config().always_show_logo);
    let (relisten, wishes) = unbounded_channel();
    let host = Host {
        program: startup.args.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        config_file: file,
        log: log.clone(),
        oom_score: Default::default(),
        server: Arc::downgrade(&server),
        relisten,
    };
    host.show_title(&server.config());
    // A score that cannot be written was logged.
    let _ = host.set_oom_score(&server.config());
    server.changes.set_host(Box::new(move |effect, config| host.carry_out(effect, config)));
    watch_signals(&server, &log)?;
    crate::metrics::http::start(for_metrics, &server).map_err(|error| format!("Can't serve metrics: {error}"))?;
    let crashing = Arc::downgrade(&server);
    crash::set_state_report(Box::new(move |report| {
        if let Some(server) = crashing.upgrade() {
            // The report goes into the log, which does not fail.
            let _ = report.write_all(crate::commands::info::everything(&server).as_bytes());
        }
    }));
    let ended = run(&server, Listening { options: listening.clone(), listeners, wishes }, workers, &supervisor);
    if let Some(path) = listen::unix_path(&listening) {
        // Somebody may have removed it already.
        let _ = std::fs::remove_file(path);
    }
    if let Some(pid_file) = pid_file {
        pid_file.remove();
    }
    ended.map_err(|error| error.to_string())?;
    tracing::warn!("Ochre is now ready to exit, bye bye...");
    Ok(())
}

/// Finds the supervisor and goes to the background, if that is wanted. `None` in the process that stays in front, which
/// has no more to do.
fn divide(
    startup: &Startup,
    config: &Config,
    stdin: Option<&[u8]>,
    started_in: &Path,
) -> Result<Option<Supervisor>, String> {
    // The process in front has looked for a supervisor and found none.
    let supervisor =
        if startup.background { Supervisor::None } else { Supervisor::start(options::supervision(config)) };
    if config.daemonize && !supervisor.is_some() {
        let side = background::enter(startup, stdin, started_in);
        if side.map_err(|error| format!("Can't go to the background: {error}"))? == Side::Parent {
            return Ok(None);
        }
    }
    Ok(Some(supervisor))
}

fn process_info(config_file: &Option<PathBuf>, supervisor: &Supervisor) -> ProcessInfo {
    ProcessInfo {
        run_id: crate::random::run_id(),
        started_ms: crate::clock::unix_ms(),
        config_file: config_file.clone(),
        executable: std::env::current_exe().unwrap_or_default(),
        supervisor: supervisor.name(),
        port: 0.into(),
        job_oom_score: Default::default(),
    }
}

/// Writes the pid file; a failure is logged and does not matter.
fn pid_file(startup: &Startup, config: &Config) -> Option<PidFile> {
    let path = match &config.pidfile {
        path if !path.as_os_str().is_empty() => path.as_path(),
        _ if startup.background => Path::new(BACKGROUND_PID_FILE),
        _ => return None,
    };
    PidFile::create(path).map_err(|error| tracing::warn!(%error, "Failed to write PID file")).ok()
}

/// Makes TLS ready, if it is used.
fn configure_tls(server: &Server) -> Result<(), String> {
    let config = server.config();
    server.tls.configure(&config).map_err(|error| {
        tracing::warn!("{error}");
        tracing::warn!("Failed to configure TLS. Check logs for more info.");
        format!("Failed to configure TLS: {error}")
    })
}

fn open(options: &ListenOptions) -> Result<Vec<Listener>, String> {
    let listeners = listen::bind_all(options).map_err(|error| {
        tracing::warn!("{error}");
        error.to_string()
    })?;
    if let Some(warning) = listen::backlog_warning(options.backlog) {
        tracing::warn!("{warning}");
    }
    Ok(listeners)
}

/// Binds the addresses for metrics, if there are any.
fn open_for_metrics(server: &Server) -> Result<Vec<TcpListener>, String> {
    let bound = listen::bind_tcp(&options::metrics(&server.config())).map_err(|error| {
        tracing::warn!("{error}");
        error.to_string()
    })?;
    Ok(bound.into_iter().map(|(_, listener)| listener).collect())
}

/// What is listened on, and the wishes to change it.
struct Listening {
    options: ListenOptions,
    listeners: Vec<Listener>,
    wishes: UnboundedReceiver<Relisten>,
}

fn run(server: &Arc<Server>, listening: Listening, workers: usize, supervisor: &Supervisor) -> std::io::Result<()> {
    let pool = WorkerPool::start(server, workers)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let Listening { options, listeners, mut wishes } = listening;
        let port = if options.port == 0 { options.tls_port } else { options.port };
        server.process.port.store(i64::from(port), std::sync::atomic::Ordering::Relaxed);
        let handshakes = Handshakes::new(server, &pool);
        tracing::info!("Server initialized");
        let Start { admits, mut done } = loading::begin(server)?;
        // A short load is over before anybody is let in, so that nobody is refused for it.
        let mut is_loaded = tokio::select! {
            biased;
            loaded = &mut done => finish(loaded)?,
            Ok(()) = admits => false,
        };
        if !is_loaded && server.shutdown.is_requested() {
            return Ok(());
        }
        let mut acceptor = Acceptor::start(listeners, options, &pool, &handshakes)?;
        tokio::spawn(crate::tls::reload_changed_files(server.clone()));
        if is_loaded {
            tracing::info!("Ready to accept connections");
            supervisor.ready();
        }
        loop {
            tokio::select! {
                request = server.shutdown.requested(server) => {
                    if super::ending::prepare(server, request).await {
                        break;
                    }
                }
                loaded = &mut done, if !is_loaded => {
                    is_loaded = finish(loaded)?;
                    if !is_loaded {
                        break;
                    }
                    tracing::info!("Ready to accept connections");
                    supervisor.ready();
                }
                Some(Relisten { options, answer }) = wishes.recv() => {
                    // A client that is gone by now needs no answer.
                    let _ = answer.send(acceptor.relisten(options).await);
                }
            }
        }
        supervisor.stopping();
        crate::aof::finish(server);
        Ok(())
    })
}

/// What came of loading: whether all was loaded. An error ends the process.
fn finish(loaded: Result<Result<bool, String>, RecvError>) -> std::io::Result<bool> {
    let loaded = loaded.unwrap_or_else(|_| Err("the thread that loads the data set is gone".to_owned()));
    loaded.map_err(std::io::Error::other)
}

fn watch_signals(server: &Arc<Server>, log: &LogHandle) -> Result<(), String> {
    use signals::SignalEvent;
    let (told, log) = (server.clone(), log.clone());
    let listening = signals::listen(move |event| match event {
        SignalEvent::ReopenLog => {
            if let Err(error) = log.reopen() {
                tracing::warn!(%error, "cannot reopen the log");
            }
        }
        SignalEvent::Terminate => {
            told.shutdown.request_by_signal(options::shutdown(&told.config().shutdown_on_sigterm));
        }
        SignalEvent::Interrupt => {
            told.shutdown.request_by_signal(options::shutdown(&told.config().shutdown_on_sigint));
        }
        // The process exits at once.
        SignalEvent::ForceExit => crate::persistence::save::remove_temporary_files(&told),
    });
    let signals = listening.map_err(|error| format!("Can't watch for signals: {error}"))?;
    server.shutdown.set_signals(signals);
    Ok(())
}
