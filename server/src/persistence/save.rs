//! Writing the data set under the locks of all shards.

use super::file;
use super::state::changes_ever;
use crate::config::{Config, RdbVersion};
use crate::pause::PauseKind;
use crate::persistence::is_loading;
use crate::server::{REDIS_VERSION, Server};
use crate::shutdown::ShutdownRequest;
use ochre_persist::rdb::{self, Extras, FileSettings, WriteError};
use ochre_replication::ReplicaState;
use ochre_store::Txn;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Bytes gathered before they are written.
pub(super) const BUFFER_BYTES: usize = 256 << 10;

/// Longer than any end takes.
const PAUSE_AT_END_MS: i64 = 24 * 3_600_000;

/// Why the data set was not saved; it was logged.
#[derive(Debug)]
pub(crate) struct NotSaved;

/// Writes the data set, of which `txn` holds all shards, into the file that the configuration names.
pub(crate) fn save(server: &Server, txn: &mut Txn<'_>) -> Result<(), NotSaved> {
    let config = server.config().clone();
    // What this command itself has changed is not counted yet.
    let changes = changes_ever(server) + txn.effects().dirty;
    let path = Path::new(&config.dbfilename);
    match write(server, &config, txn, path) {
        Ok(()) => {
            tracing::info!("DB saved on disk");
            server.persistence.saved(server, changes);
            Ok(())
        }
        Err(error) => {
            tracing::warn!("Error saving the DB on disk: {error}");
            Err(NotSaved)
        }
    }
}

/// Does what `request` and the configuration want done with the data set, all shards of which `txn` holds if there is
/// anything to be saved. False, if that fails and the process must not end because of it; otherwise nothing is executed any
/// more from now on.
pub(crate) fn save_at_end(server: &Server, txn: &mut Txn<'_>, request: ShutdownRequest) -> bool {
    tell_of_replicas(server);
    if !end_jobs(server, request.force) {
        return false;
    }
    let wanted = !is_loading(server) && request.save.unwrap_or_else(|| is_wanted(server));
    if wanted {
        tracing::info!("Saving the final RDB snapshot before exiting.");
        if save(server, txn).is_err() {
            if !request.force {
                tracing::warn!("Error trying to save the DB, can't exit.");
                return false;
            }
            tracing::warn!("Error trying to save the DB, but exiting because of FORCE.");
        }
    }
    // What would be changed now is in no snapshot.
    let now_ms = crate::clock::unix_ms();
    server.pause.start(PauseKind::All, now_ms.saturating_add(PAUSE_AT_END_MS), now_ms, &server.attention);
    server.bump_gate_epoch();
    true
}

/// Ends what saves in the background, so that nothing of it is left when the process ends. False, if the process must not
/// end because the first base of the append-only file is being written.
pub(crate) fn end_jobs(server: &Server, force: bool) -> bool {
    if let Some(running) = server.persistence.running() {
        tracing::warn!("There is a save in the background. Cancelling it!");
        running.abandon();
    }
    if server.aof.writes_first_base() {
        if !force {
            tracing::warn!("Writing initial AOF, can't exit.");
            return false;
        }
        tracing::warn!("Writing initial AOF. Exit anyway.");
    }
    server.aof.abandon_rewrite(server);
    true
}

/// Says how many replicas have all there is, as the process is about to end.
pub(crate) fn tell_of_replicas(server: &Server) {
    let log = server.log.summary();
    let (replicas, now_ms) = (log.replicas.len(), crate::clock::unix_ms());
    let lagging = log.replicas.iter().map(|info| &info.replica).filter(|replica| replica.acked != log.offset);
    let in_sync = replicas - lagging.clone().count();
    for replica in lagging {
        let is_online = replica.state == ReplicaState::Online;
        tracing::warn!(
            "Lagging replica {}:{} reported offset {} behind master, lag={}, state={}.",
            replica.ip,
            replica.port,
            log.offset.saturating_sub(replica.acked),
            if is_online { (now_ms - replica.acked_ms) / 1000 } else { 0 },
            replica.state.name()
        );
    }
    if replicas > 0 {
        tracing::info!("{in_sync} of {replicas} replicas are in sync when shutting down.");
    }
}

/// Removes what is half written, when the process ends at once.
pub(crate) fn remove_temporary_files(server: &Server) {
    // There may be none.
    let _ = std::fs::remove_file(temporary_name());
    end_jobs(server, true);
}

/// The name of a file that is written while everybody waits.
fn temporary_name() -> String {
    format!("temp-{}.rdb", std::process::id())
}

/// Whether the configuration asks for saves.
pub(crate) fn is_wanted(server: &Server) -> bool {
    !server.config().save.is_empty()
}

fn write(server: &Server, config: &Config, txn: &mut Txn<'_>, path: &Path) -> Result<(), WriteError> {
    let file = file::create(&temporary_name(), config.rdb_save_incremental_fsync)?;
    let sink = BufWriter::with_capacity(BUFFER_BYTES, file);
    let delay_us = config.rdb_key_save_delay;
    let (settings, extras) = (settings(server, config), extras(server));
    let mut sink = rdb::save(txn, sink, settings, &extras, &mut || delay(delay_us))?;
    sink.flush()?;
    let file = sink.into_inner().map_err(|error| WriteError::Io(error.into_error()))?;
    Ok(file.commit(path)?)
}

/// How files are written now. Called under the locks of all shards.
pub(crate) fn settings(server: &Server, config: &Config) -> FileSettings {
    let version = match config.rdb_version {
        RdbVersion::Auto => rdb::version_of_store(&server.store, config.compatibility_level.rdb_version()),
        RdbVersion::Redis7 => 10,
        RdbVersion::Redis72 => 11,
        RdbVersion::Valkey9 => rdb::VERSION_VALKEY,
    };
    FileSettings { version, compress: config.rdbcompression, checksum: config.rdbchecksum }
}

/// What a file says beside the keys.
pub(crate) fn extras(server: &Server) -> Extras {
    let mut aux = vec![
        ("redis-ver", REDIS_VERSION.to_owned()),
        ("redis-bits", usize::BITS.to_string()),
        ("ctime", (crate::clock::unix_ms() / 1000).to_string()),
        ("used-mem", server.store.used_memory().to_string()),
        ("aof-base", "0".to_owned()),
    ];
    // What a replica has got in part is nothing that could be gone on with.
    let is_whole = !server.upstream.is_set() || server.upstream.can_continue();
    if let Some((id, offset, db)) = server.log.position().filter(|_| is_whole) {
        aux.extend([("repl-stream-db", db.to_string()), ("repl-id", id), ("repl-offset", offset.to_string())]);
    }
    let functions = server.functions.codes().iter().map(|code| code.to_vec()).collect();
    Extras { aux, functions }
}

/// Waits so many microseconds, or, if that is negative, a very short time with a chance of one in so many: for tests.
pub(crate) fn delay(micros: i32) {
    let micros = match micros {
        0 => return,
        1.. => micros.unsigned_abs(),
        _ if crate::random::number().is_multiple_of(u64::from(micros.unsigned_abs())) => 1,
        _ => return,
    };
    std::thread::sleep(std::time::Duration::from_micros(micros.into()));
}
