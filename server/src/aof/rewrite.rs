//! Rewriting: a new base, and with it an end to what was appended before.

use super::state::{Mode, Sync, report};
use crate::config::Config;
use crate::net::Worker;
use crate::persistence::file;
use crate::persistence::job::{self, JobKind, Standing};
use crate::persistence::save;
use crate::server::Server;
use ochre_persist::aof::base::write_base;
use ochre_persist::rdb::{Cut, WriteError};
use ochre_resp::encode_command;
use ochre_store::{Access, Effects, Member, Txn};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Keys, and bytes of them, that are taken under one lock of a shard: about 50 µs.
const STEP_KEYS: usize = 64;
const STEP_BYTES: usize = 64 << 10;
/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 256 << 10;
/// After so many failures in a row rewrites begin by themselves only from time to time.
const FAILURES_MAX: u64 = 3;
const DELAY_MINUTES_MAX: i64 = 60;

/// A rewrite that runs.
pub(crate) struct Running {
    is_cancelled: AtomicBool,
    /// The signal that has ended the process that stands for it; 0 if none has.
    signal: AtomicI32,
    /// The file it writes, under the name that this has until it is whole.
    temporary: OnceLock<PathBuf>,
}

impl Running {
    /// Whether it is to end early.
    fn is_over(&self) -> bool {
        self.is_cancelled.load(SeqCst) || self.signal.load(SeqCst) != 0
    }
}

/// Why no rewrite begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotBegun {
    /// A snapshot is being taken already.
    Busy,
    /// It was logged.
    Failed,
}

/// Begins to write the data set as it is now as a new base; `txn` holds all shards.
pub(crate) fn begin(server: &Server, txn: &mut Txn<'_>) -> Result<(), NotBegun> {
    let Some(shared) = server.shared() else { return Err(NotBegun::Failed) };
    if server.aof.is_rewriting() || server.persistence.running().is_some() {
        return Err(NotBegun::Busy);
    }
    let config = server.config().clone();
    let is_rdb = config.aof_use_rdb_preamble;
    let cut = if is_rdb {
        Cut::make(txn, &server.store, save::settings(server, &config), extras(server))
    } else {
        Cut::as_commands(txn, &server.store, head_of_commands(server, &config))
    };
    let cut = cut.map_err(|_| NotBegun::Busy)?;
    let aof = &server.aof;
    if aof.mode() != Mode::Off {
        let waits = aof.mode() == Mode::Waiting;
        let mut open = aof.open.lock();
        if waits {
            // What the file that is to begin holds is what follows.
            server.log.set_appends(server, true);
        } else {
            // The file reaches the disk later, while nobody waits.
            aof.flush(server, &mut open, Sync::Later);
            server.log.begin_file();
        }
        match open.files.begin_rewrite(waits) {
            Ok(name) => tracing::info!("Creating AOF incr file {name} on background rewrite"),
            Err(error) => {
                report(&error);
                if waits {
                    server.log.set_appends(server, false);
                }
                aof.figures.rewrite_failed.store(true, SeqCst);
                return Err(NotBegun::Failed);
            }
        }
    }
    let running = Arc::new(Running { is_cancelled: false.into(), signal: 0.into(), temporary: OnceLock::new() });
    let ending = running.clone();
    let standing = job::stand(server, JobKind::Rewrite, move |signal| ending.signal.store(signal, SeqCst));
    let number = standing.pid().unwrap_or_else(std::process::id);
    let temporary = running.temporary.get_or_init(|| format!("temp-rewriteaof-bg-{number}.aof").into()).clone();
    *aof.rewriting.lock() = Some(running.clone());
    aof.figures.is_scheduled.store(false, SeqCst);
    aof.figures.rewrites.fetch_add(1, Relaxed);
    aof.figures.rewrite_started_s.store(crate::clock::unix_ms() / 1000, SeqCst);
    let by_pid = standing.by_pid();
    let spawned = std::thread::Builder::new().name("aof-rewrite".into()).spawn(move || {
        crate::process::crash::prepare_thread();
        let member = shared.store.register();
        let written = write_snapshot(&shared, &member, &running, cut, &temporary);
        member.publish_memory();
        // Who sees that the rewrite is over finds no process for it.
        drop::<Standing>(standing);
        conclude(&shared, &running, written, &temporary, is_rdb);
    });
    if let Err(error) = spawned {
        tracing::warn!("Can't rewrite append only file in background: {error}");
        *server.aof.rewriting.lock() = None;
        fail(server);
        return Err(NotBegun::Failed);
    }
    tracing::info!("Background append only file rewriting started{by_pid}");
    Ok(())
}

/// Ends the rewrite that runs, if there is one; it leaves nothing behind.
pub(super) fn cancel(server: &Server) {
    if let Some(running) = server.aof.rewriting.lock().take() {
        tracing::info!("Killing running AOF rewrite child");
        running.is_cancelled.store(true, SeqCst);
        server.aof.figures.rewrite_started_s.store(-1, SeqCst);
    }
}

impl super::Aof {
    /// Whether its first base is being written, without which it says nothing.
    pub(crate) fn writes_first_base(&self) -> bool {
        self.mode() == Mode::Waiting && self.is_rewriting()
    }

    /// Ends the rewrite that runs, if there is one, in a process that ends before its thread has removed its file.
    pub(crate) fn abandon_rewrite(&self, server: &Server) {
        let temporary = self.rewriting.lock().as_ref().and_then(|running| running.temporary.get().cloned());
        cancel(server);
        if let Some(temporary) = temporary {
            // There is none before it is begun.
            let _ = std::fs::remove_file(temporary);
        }
    }
}

/// Begins a rewrite that was put off or is due. To be called from time to time by one worker.
pub(crate) async fn look(worker: &Worker) {
    let server = &worker.server;
    let aof = &server.aof;
    if aof.is_rewriting() || server.persistence.running().is_some() || crate::persistence::is_loading(server) {
        return;
    }
    let is_scheduled = aof.figures.is_scheduled.load(SeqCst);
    if !is_scheduled && !is_due(server) {
        return;
    }
    let mut guard = worker.member.party().lock_all().await;
    worker.begin_batch();
    let mut effects = Effects::default();
    let mut txn = Txn::new(&server.store, &mut guard, worker.clock(), &mut effects, Access::default());
    // What is in the way passes, and failures were logged: either is tried again.
    let _ = begin(server, &mut txn);
}

/// Whether the files have grown enough to be rewritten.
fn is_due(server: &Server) -> bool {
    let (config, figures) = (server.config(), &server.aof.figures);
    if server.aof.mode() != Mode::On || config.auto_aof_rewrite_percentage == 0 {
        return false;
    }
    let (current, base) = (figures.current_size.load(Relaxed), figures.base_size.load(Relaxed).max(1));
    if current <= config.auto_aof_rewrite_min_size {
        return false;
    }
    let growth = (u128::from(current) * 100 / u128::from(base)).saturating_sub(100);
    if growth < u128::from(config.auto_aof_rewrite_percentage) || is_limited(server) {
        return false;
    }
    tracing::info!("Starting automatic rewriting of AOF on {growth}% growth");
    true
}

/// Whether rewrites have failed so often that the next one has to wait.
fn is_limited(server: &Server) -> bool {
    static NEXT_S: AtomicI64 = AtomicI64::new(0);
    static DELAY_MINUTES: AtomicI64 = AtomicI64::new(0);
    if server.aof.figures.failures.load(SeqCst) < FAILURES_MAX {
        NEXT_S.store(0, Relaxed);
        DELAY_MINUTES.store(0, Relaxed);
        return false;
    }
    let (now_s, next_s) = (crate::clock::unix_ms() / 1000, NEXT_S.load(Relaxed));
    if next_s != 0 {
        if now_s >= next_s {
            NEXT_S.store(0, Relaxed);
        }
        return now_s < next_s;
    }
    let minutes = (DELAY_MINUTES.load(Relaxed) * 2).clamp(1, DELAY_MINUTES_MAX);
    DELAY_MINUTES.store(minutes, Relaxed);
    NEXT_S.store(now_s + minutes * 60, Relaxed);
    tracing::warn!(
        "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in {minutes} minutes"
    );
    true
}

/// Puts the new base in force, if it was written and nobody has ended the rewrite.
fn conclude(server: &Server, running: &Arc<Running>, written: Result<(), WriteError>, temporary: &Path, is_rdb: bool) {
    // Whoever has cancelled it does not wait for it, and may have begun another one.
    let aof = &server.aof;
    let mut open = aof.open.lock();
    if !is_current(server, running) {
        drop(std::fs::remove_file(temporary));
        return;
    }
    let figures = &aof.figures;
    let started_s = figures.rewrite_started_s.swap(-1, SeqCst);
    figures.last_rewrite_s.store(crate::clock::unix_ms() / 1000 - started_s, SeqCst);
    let signal = running.signal.load(SeqCst);
    let finished = match written {
        _ if signal != 0 => {
            tracing::warn!("Background AOF rewrite terminated by signal {signal}");
            None
        }
        Ok(()) => {
            tracing::info!("Background AOF rewrite terminated with success");
            open.files.finish_rewrite(temporary, is_rdb).inspect_err(report).ok()
        }
        Err(error) => {
            tracing::warn!("Background AOF rewrite terminated with error: {error}");
            None
        }
    };
    let Some(name) = finished else {
        drop(std::fs::remove_file(temporary));
        drop(open);
        if signal == 0 || job::is_failure(signal) {
            fail(server);
        } else {
            abandon(server);
        }
        end(server, running);
        return;
    };
    if aof.mode() == Mode::Waiting {
        aof.set_mode(Mode::On);
    }
    let size = open.files.len_of(&name).unwrap_or(0) + open.files.current_len();
    figures.current_size.store(size, SeqCst);
    figures.base_size.store(size, SeqCst);
    remove_history(server, &mut open.files);
    figures.rewrite_failed.store(false, SeqCst);
    figures.failures.store(0, SeqCst);
    tracing::info!("Background AOF rewrite finished successfully");
    end(server, running);
    drop(open);
    aof.judge(server);
    super::writer::tell(server);
}

/// Whether it was not cancelled.
fn is_current(server: &Server, running: &Arc<Running>) -> bool {
    server.aof.rewriting.lock().as_ref().is_some_and(|current| Arc::ptr_eq(current, running))
}

fn end(server: &Server, running: &Arc<Running>) {
    if is_current(server, running) {
        *server.aof.rewriting.lock() = None;
    }
}

/// Removes files that are needed no more, unless they are to be kept.
pub(super) fn remove_history(server: &Server, files: &mut ochre_persist::aof::AofFiles) {
    if server.config().aof_disable_auto_gc {
        return;
    }
    match files.remove_history() {
        Ok(names) => names.iter().for_each(|name| tracing::info!("Removing the history file {name} in the background")),
        Err(error) => report(&error),
    }
}

/// A rewrite has failed.
fn fail(server: &Server) {
    let aof = &server.aof;
    aof.figures.rewrite_failed.store(true, SeqCst);
    aof.figures.failures.fetch_add(1, SeqCst);
    abandon(server);
}

/// A rewrite has ended without a new base.
fn abandon(server: &Server) {
    let aof = &server.aof;
    if aof.mode() == Mode::Waiting {
        server.log.set_appends(server, false);
        if let Some(name) = aof.open.lock().files.abandon_rewrite() {
            tracing::info!("Removing the temp incr aof file {name} in the background");
        }
        aof.figures.is_scheduled.store(true, SeqCst);
    }
}

fn write_snapshot(
    server: &Server,
    member: &Member,
    running: &Running,
    cut: Cut,
    temporary: &Path,
) -> Result<(), WriteError> {
    let file = file::create(&temporary.to_string_lossy(), server.config().aof_rewrite_incremental_fsync)?;
    let mut file = cut.write_to(BufWriter::with_capacity(BUFFER_BYTES, file))?;
    let mut seen = 0;
    // As in a process that is forked now, and hears of no later change.
    let delay_us = server.config().rdb_key_save_delay;
    loop {
        let keys = if delay_us == 0 { STEP_KEYS } else { 1 };
        let is_done = !file.step(member, keys, STEP_BYTES)?;
        let taken = file.progress().keys;
        for _ in seen..taken {
            wait(running, delay_us);
        }
        seen = taken;
        if running.is_over() {
            return Err(io::Error::from(io::ErrorKind::Interrupted).into());
        }
        if is_done {
            break;
        }
    }
    server.aof.figures.last_bytes_ahead.store(file.progress().bytes_ahead, Relaxed);
    let mut sink = file.finish()?;
    sink.flush()?;
    let mut file = sink.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync()?;
    file.keep();
    Ok(())
}

/// Waits as after a key, for tests; no longer than until it is over.
fn wait(running: &Running, delay_us: i32) {
    const SLICE_US: i32 = 10_000;
    if delay_us < SLICE_US {
        return save::delay(delay_us);
    }
    let mut left = delay_us;
    while left > 0 && !running.is_over() {
        std::thread::sleep(Duration::from_micros(left.min(SLICE_US).unsigned_abs().into()));
        left -= SLICE_US;
    }
}

/// What stands in a base of commands before the keys.
fn head_of_commands(server: &Server, config: &Config) -> Vec<u8> {
    let mut head = Vec::new();
    if config.aof_timestamp_enabled {
        head.extend_from_slice(format!("#TS:{}\r\n", crate::clock::unix_ms() / 1000).as_bytes());
    }
    for code in server.functions.codes() {
        encode_command(&mut head, &[b"FUNCTION".as_slice(), b"LOAD", &code]);
    }
    head
}

/// Writes the data set as commands, at the start.
fn write_commands(server: &Server, config: &Config, txn: &mut Txn<'_>, path: &Path) -> io::Result<()> {
    let file = file::create(&path.to_string_lossy(), config.aof_rewrite_incremental_fsync)?;
    let mut sink = BufWriter::with_capacity(BUFFER_BYTES, file);
    sink.write_all(&head_of_commands(server, config))?;
    write_base(txn, &mut sink, &mut || ())?;
    sink.flush()?;
    let mut file = sink.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync()?;
    file.keep();
    Ok(())
}

/// What a base says beside the keys.
pub(super) fn extras(server: &Server) -> ochre_persist::rdb::Extras {
    let mut extras = save::extras(server);
    for (name, value) in &mut extras.aux {
        if *name == "aof-base" {
            *value = "1".to_owned();
        }
    }
    extras
}

/// Writes the data set that `txn` holds all shards of as the first base.
pub(super) fn write_first(server: &Server, txn: &mut Txn<'_>, path: &Path) -> io::Result<()> {
    let config = server.config().clone();
    if !config.aof_use_rdb_preamble {
        return write_commands(server, &config, txn, path);
    }
    let file = file::create(&path.to_string_lossy(), false)?;
    let sink = BufWriter::with_capacity(BUFFER_BYTES, file);
    let settings = save::settings(server, &config);
    let written = ochre_persist::rdb::save(txn, sink, settings, &extras(server), &mut || {});
    let mut sink = written.map_err(|error| match error {
        WriteError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    })?;
    sink.flush()?;
    let mut file = sink.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync()?;
    file.keep();
    Ok(())
}
