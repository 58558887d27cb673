//! Loading the data set when the process begins.

use super::load::{Loading, NotLoaded, crew, load, report};
use crate::aof::Failure;
use crate::server::{Attention, Server};
use ochre_persist::rdb::{Crew, LoadError};
use ochre_store::Member;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// A data set that is being loaded, beside workers that refuse most commands meanwhile.
pub(crate) struct Start {
    /// Comes when it is time to let clients in.
    pub(crate) admits: oneshot::Receiver<()>,
    /// Comes when all is loaded; false if that was stopped by the wish to end the process. Errs with the reason, which was
    /// logged.
    pub(crate) done: oneshot::Receiver<Result<bool, String>>,
}

/// Begins to load what the configuration names, on a thread of its own.
///
/// # Errors
/// If there can be no thread.
pub(crate) fn begin(server: &Arc<Server>) -> std::io::Result<Start> {
    let (admit, admits) = oneshot::channel();
    let (tell, done) = oneshot::channel();
    server.attention.set(Attention::LOADING, true);
    server.bump_gate_epoch();
    let server = server.clone();
    std::thread::Builder::new().name("load".into()).spawn(move || {
        crate::process::crash::prepare_thread();
        let _watch = server.watchdog.watch("load");
        let outcome = run(&server, admit);
        // What was loaded in part must not be saved.
        if outcome == Ok(true) {
            server.persistence.start_is_over(&server);
            server.bump_gate_epoch();
        }
        // Nobody listens only where the process ends already.
        let _ = tell.send(outcome);
    })?;
    Ok(Start { admits, done })
}

/// Loads the append-only file, and opens it for what comes.
fn load_aof(
    server: &Arc<Server>,
    member: &Member,
    target: &mut Crew<'_>,
    look: &mut dyn FnMut(u64) -> bool,
    started: Instant,
) -> Result<bool, String> {
    const WHY: &str = "Fatal error loading the append-only file, check server logs";
    match crate::aof::load_first(server, target, look) {
        Ok(true) => tracing::info!("DB loaded from append only file: {:.3} seconds", started.elapsed().as_secs_f64()),
        Ok(false) => {}
        Err(Failure::Stopped) => return Ok(false),
        Err(Failure::Bad) => return Err(WHY.to_owned()),
    }
    member.publish_memory();
    server.persistence.loaded(server);
    crate::aof::start_up(server, member)?;
    Ok(true)
}

fn run(server: &Arc<Server>, admit: oneshot::Sender<()>) -> Result<bool, String> {
    let started = Instant::now();
    let name = server.config().dbfilename.clone();
    let path = Path::new(&name);
    let member = server.store.register();
    let mut target = crew(&member);
    let (mut admit, mut seen) = (Some(admit), 0);
    let mut look = |offset: u64| {
        let interval = u64::from(server.config().loading_process_events_interval_bytes);
        if offset.saturating_sub(seen) >= interval {
            seen = offset;
            member.publish_memory();
            if let Some(admit) = admit.take() {
                // Nobody listens only where the process ends already.
                let _ = admit.send(());
            }
        }
        !server.shutdown.is_requested()
    };
    if !crate::aof::read_manifest(server) {
        return Err("Fatal error loading the AOF manifest, check server logs".to_owned());
    }
    if server.config().appendonly {
        return load_aof(server, &member, &mut target, &mut look, started);
    }
    let loaded = load(server, path, &mut target, Loading { merge: false, aside: None, look: &mut look });
    member.publish_memory();
    match loaded {
        Ok(loaded) => {
            tracing::info!("DB loaded from disk: {:.3} seconds", started.elapsed().as_secs_f64());
            // Who goes on with another's stream would miss what was left out.
            if loaded.expired == 0 || !server.upstream.is_set() {
                crate::upstream::recall(server);
            }
        }
        Err(NotLoaded::Missing) => {}
        Err(NotLoaded::Bad(LoadError::Stopped { .. })) => return Ok(false),
        Err(error) => {
            report(path, &error);
            let why = format!("Fatal error loading the DB, check server logs. Exiting: {}: {error}", path.display());
            tracing::warn!("{why}");
            return Err(why);
        }
    }
    server.persistence.loaded(server);
    crate::aof::start_up(server, &member)?;
    Ok(true)
}
