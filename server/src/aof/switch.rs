//! When appending begins and ends.

use super::rewrite::{self, NotBegun};
use super::state::{Mode, Sync, report};
use super::writer;
use crate::server::Server;
use ochre_store::sync::ShardSet;
use ochre_store::{Access, Clock, Effects, Member, Txn};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

/// Begins to append, once the data set is loaded. Errs with the reason, which was logged.
pub(crate) fn start_up(server: &Arc<Server>, member: &Member) -> Result<(), String> {
    writer::start(server, Arc::downgrade(server)).map_err(|error| error.to_string())?;
    if !server.config().appendonly {
        return Ok(());
    }
    let (aof, is_rdb) = (&server.aof, server.config().aof_use_rdb_preamble);
    let mut open = aof.open.lock();
    let had_some = !open.files.manifest().incremental.is_empty();
    let started = open.files.start(is_rdb, &mut |path| {
        let mut effects = Effects::default();
        let mut guard = member.party().lock_blocking(ShardSet::ALL);
        let clock = Clock { now_ms: crate::clock::unix_ms() };
        let mut txn = Txn::new(&server.store, &mut guard, clock, &mut effects, Access::default());
        rewrite::write_first(server, &mut txn, path)
    });
    let (base, name) = started.map_err(|error| {
        report(&error);
        error.to_string()
    })?;
    if let Some(base) = base {
        tracing::info!("Creating AOF base file {base} on server start");
    }
    let what = if had_some { "Opening" } else { "Creating" };
    tracing::info!("{what} AOF incr file {name} on server start");
    rewrite::remove_history(server, &mut open.files);
    drop(open);
    server.log.set_appends(server, true);
    aof.set_mode(Mode::On);
    aof.judge(server);
    Ok(())
}

/// Does what a new value of `appendonly` demands; `txn` holds all shards. Whether that went well; otherwise it was logged.
pub(crate) fn switch(server: &Server, txn: &mut Txn<'_>, on: bool, in_transaction: bool) -> bool {
    let aof = &server.aof;
    match (aof.is_enabled(), on) {
        (false, true) => begin(server, txn, in_transaction),
        (true, false) => {
            end(server);
            true
        }
        _ => true,
    }
}

fn begin(server: &Server, txn: &mut Txn<'_>, in_transaction: bool) -> bool {
    let aof = &server.aof;
    rewrite::cancel(server);
    aof.set_mode(Mode::Waiting);
    if in_transaction {
        aof.figures.is_scheduled.store(true, SeqCst);
        tracing::warn!("AOF was enabled during a transaction. An AOF background was scheduled to start when possible.");
        return true;
    }
    match rewrite::begin(server, txn) {
        Ok(()) => {
            aof.judge(server);
            true
        }
        Err(NotBegun::Busy) => {
            aof.figures.is_scheduled.store(true, SeqCst);
            tracing::warn!(
                "AOF was enabled but there is already another background operation. An AOF background was scheduled to start \
                 when possible."
            );
            true
        }
        Err(NotBegun::Failed) => {
            aof.set_mode(Mode::Off);
            tracing::warn!(
                "The AOF is to be enabled but no rewrite in the background can be started. See the lines above for the reason."
            );
            false
        }
    }
}

/// The process ends: has all that was appended reach the disk.
pub(crate) fn finish(server: &Server) {
    if server.aof.is_enabled() {
        tracing::info!("Calling fsync() on the AOF file.");
        server.aof.flush(server, &mut server.aof.open.lock(), Sync::Now);
    }
}

/// Another value of `aof-disable-auto-gc`.
pub(crate) fn tidy(server: &Server) {
    rewrite::remove_history(server, &mut server.aof.open.lock().files);
}

/// Appends to nothing any more, once all is on the disk. No unit may be executed meanwhile.
pub(crate) fn end(server: &Server) {
    let aof = &server.aof;
    if !aof.is_enabled() {
        return;
    }
    rewrite::cancel(server);
    let mut open = aof.open.lock();
    aof.flush(server, &mut open, Sync::Now);
    server.log.set_appends(server, false);
    open.files.close();
    super::Aof::forget_unwritten(&mut open);
    drop(open);
    aof.set_mode(Mode::Off);
    aof.figures.is_scheduled.store(false, SeqCst);
    aof.judge(server);
    writer::tell(server);
}
