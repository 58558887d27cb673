//! Writing the data set while it is in use.

use super::file;
use super::job::{self, JobKind, Standing};
use super::save::{BUFFER_BYTES, extras, settings};
use super::state::changes_ever;
use crate::propagation::Transfer;
use crate::server::Server;
use ochre_persist::rdb::{Cut, Observer, WriteError};
use ochre_store::snapshot::Progress;
use ochre_store::{Member, Txn};
use parking_lot::{Condvar, Mutex};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Keys, and bytes of them, that are taken under one lock of a shard: about 50 µs.
const STEP_KEYS: usize = 64;
const STEP_BYTES: usize = 64 << 10;

/// A save in the background.
pub(crate) struct Running {
    /// When it began, Unix seconds.
    pub(crate) started_s: i64,
    end: Mutex<Option<End>>,
    ended: Condvar,
    observer: Observer,
    /// The file it writes, under the name that this has until it is whole.
    temporary: OnceLock<String>,
    /// The replicas it goes to instead.
    transfer: Option<Arc<Transfer>>,
}

/// Why a save is to end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Somebody has asked for it.
    Cancelled,
    /// The process that stands for it was ended by this signal.
    Signal(i32),
}

/// Why no save begins.
pub(crate) enum NotStarted {
    /// A snapshot is being taken already.
    Busy,
    /// There is no thread for it; it was logged.
    Failed,
}

/// Why a save ended early.
enum Stop {
    Ended(End),
    Failed(WriteError),
}

impl<E: Into<WriteError>> From<E> for Stop {
    fn from(error: E) -> Stop {
        Stop::Failed(error.into())
    }
}

impl Running {
    /// Ends it without a file. No file appears after this has returned.
    pub(crate) fn cancel(&self) {
        self.end(End::Cancelled);
    }

    /// As [`cancel`](Running::cancel), for a process that ends before the file is removed.
    pub(crate) fn abandon(&self) {
        self.cancel();
        if let Some(temporary) = self.temporary.get() {
            // There is none before it is begun, and after it is whole.
            let _ = std::fs::remove_file(temporary);
        }
    }

    fn end(&self, end: End) {
        self.end.lock().get_or_insert(end);
        self.ended.notify_all();
        if let Some(transfer) = &self.transfer {
            transfer.stop();
        }
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        (self.observer)()
    }

    fn check(&self) -> Result<(), Stop> {
        self.end.lock().map_or(Ok(()), |end| Err(Stop::Ended(end)))
    }

    /// Waits for so long, unless it is to end.
    fn wait(&self, duration: Duration) {
        let mut end = self.end.lock();
        if end.is_none() {
            self.ended.wait_for(&mut end, duration);
        }
    }
}

/// Where the data set goes.
pub(crate) enum Target {
    /// Into the file that the configuration names.
    File,
    /// To replicas.
    Replicas(Arc<Transfer>),
}

/// Begins to write the data set as it is now into the file that the configuration names; `txn` holds all shards.
pub(crate) fn start(server: &Server, txn: &mut Txn<'_>) -> Result<(), NotStarted> {
    start_for(server, txn, Target::File)
}

/// Begins to write the data set as it is now; `txn` holds all shards.
pub(crate) fn start_for(server: &Server, txn: &mut Txn<'_>, target: Target) -> Result<(), NotStarted> {
    let Some(shared) = server.shared().filter(|_| server.persistence.running().is_none()) else {
        return Err(NotStarted::Busy);
    };
    if matches!(target, Target::File) {
        server.persistence.is_scheduled.store(false, SeqCst);
    }
    let config = server.config().clone();
    // What this command itself has changed is not counted yet.
    let changes = changes_ever(server) + txn.effects().dirty;
    let cut = Cut::make(txn, &server.store, settings(server, &config), extras(server));
    let cut = cut.map_err(|_| NotStarted::Busy)?;
    let running = Arc::new(Running {
        started_s: crate::clock::unix_ms() / 1000,
        end: Mutex::default(),
        ended: Condvar::new(),
        observer: cut.observer(),
        temporary: OnceLock::new(),
        transfer: match &target {
            Target::File => None,
            Target::Replicas(transfer) => Some(transfer.clone()),
        },
    });
    server.persistence.begins(&running);
    let ending = running.clone();
    let standing = job::stand(server, JobKind::Save, move |signal| ending.end(End::Signal(signal)));
    let temporary = match standing.pid() {
        Some(pid) => format!("temp-{pid}.rdb"),
        // Not the name of a file that is written while everybody waits.
        None => format!("temp-bg-{}.rdb", std::process::id()),
    };
    let temporary = running.temporary.get_or_init(|| temporary).clone();
    let by_pid = standing.by_pid();
    let save = Save {
        running,
        target,
        temporary,
        path: config.dbfilename.clone().into(),
        incremental: config.rdb_save_incremental_fsync,
        delay_us: config.rdb_key_save_delay,
    };
    let is_file = matches!(save.target, Target::File);
    let what = if is_file { "saving" } else { "RDB transfer" };
    let spawned = std::thread::Builder::new().name("snapshot".into()).spawn(move || {
        crate::process::crash::prepare_thread();
        let member = shared.store.register();
        let outcome = match &save.target {
            Target::File => save.to_file(&member, cut),
            Target::Replicas(transfer) => save.to_replicas(&member, cut, transfer),
        };
        member.publish_memory();
        // Who sees that it is over finds no process for it.
        drop::<Standing>(standing);
        match &save.target {
            Target::File => report(&shared, &save.running, outcome, changes),
            Target::Replicas(transfer) => report_transfer(&shared, &save.running, transfer, outcome),
        }
    });
    match spawned {
        Ok(_) => {
            tracing::info!("Background {what} started{by_pid}");
            Ok(())
        }
        Err(error) => {
            tracing::warn!("Can't save in background: {error}");
            server.persistence.ended(server, is_file.then_some(false), 0);
            Err(NotStarted::Failed)
        }
    }
}

/// Says what came of it.
fn report(server: &Server, running: &Running, outcome: Result<(), Stop>, changes: u64) {
    let persistence = &server.persistence;
    let bytes_ahead = running.progress().bytes_ahead;
    let is_good = match outcome {
        Ok(()) => {
            tracing::info!("Background saving terminated with success");
            persistence.saved(server, changes);
            Some(true)
        }
        Err(Stop::Ended(End::Cancelled)) => {
            tracing::warn!("Background saving cancelled");
            None
        }
        Err(Stop::Ended(End::Signal(signal))) => {
            tracing::warn!("Background saving terminated by signal {signal}");
            job::is_failure(signal).then_some(false)
        }
        Err(Stop::Failed(error)) => {
            tracing::warn!("Background saving error: {error}");
            Some(false)
        }
    };
    persistence.ended(server, is_good, bytes_ahead);
    server.full_sync.saved(server, is_good == Some(true));
}

/// The same of a transfer, which is no save.
fn report_transfer(server: &Server, running: &Running, transfer: &Transfer, outcome: Result<(), Stop>) {
    let bytes_ahead = running.progress().bytes_ahead;
    match &outcome {
        Ok(()) => tracing::info!("Background RDB transfer terminated with success"),
        Err(Stop::Ended(End::Cancelled)) => tracing::warn!("Background transfer cancelled"),
        Err(Stop::Ended(End::Signal(signal))) => {
            tracing::warn!("Background transfer terminated by signal {signal}");
        }
        Err(Stop::Failed(error)) => tracing::warn!("Background transfer error: {error}"),
    }
    transfer.end(outcome.is_ok());
    server.persistence.ended(server, None, bytes_ahead);
}

/// What the thread needs.
struct Save {
    running: Arc<Running>,
    target: Target,
    temporary: String,
    path: PathBuf,
    incremental: bool,
    delay_us: i32,
}

impl Save {
    /// Errs if nobody wants it any more.
    fn check(&self) -> Result<(), Stop> {
        self.running.check()?;
        match &self.target {
            Target::File => Ok(()),
            Target::Replicas(transfer) => Ok(transfer.check()?),
        }
    }

    /// Writes the cut into `sink`, which is returned flushed, with what it took.
    fn write<W: Write>(&self, member: &Member, cut: Cut, sink: W) -> Result<(W, Progress), Stop> {
        let mut file = cut.write_to(BufWriter::with_capacity(BUFFER_BYTES, sink))?;
        let keys = if self.delay_us == 0 { STEP_KEYS } else { 1 };
        let mut seen = 0;
        let mut is_done = false;
        while !is_done {
            is_done = !file.step(member, keys, STEP_BYTES)?;
            self.check()?;
            if self.delay_us != 0 {
                let taken = file.progress().keys;
                self.delay(taken.saturating_sub(seen));
                seen = taken;
            }
        }
        self.check()?;
        let progress = file.progress();
        let mut sink = file.finish()?;
        sink.flush()?;
        Ok((sink.into_inner().map_err(std::io::IntoInnerError::into_error)?, progress))
    }

    fn to_replicas(&self, member: &Member, cut: Cut, transfer: &Arc<Transfer>) -> Result<(), Stop> {
        let written = self.write(member, cut, transfer.sink());
        // What the replicas' side says of it is less than what is known here.
        if written.is_err() {
            self.running.check()?;
        }
        written.map(drop)
    }

    fn to_file(&self, member: &Member, cut: Cut) -> Result<(), Stop> {
        let started = Instant::now();
        let (mut file, progress) = self.write(member, cut, file::create(&self.temporary, self.incremental)?)?;
        file.sync()?;
        {
            // Whoever cancels it puts another file there, perhaps.
            let end = self.running.end.lock();
            if let Some(end) = *end {
                return Err(Stop::Ended(end));
            }
            file.rename(&self.path)?;
        }
        file::sync_name(&self.path)?;
        tracing::info!(
            "DB saved on disk: {} keys in {:.3} seconds, of which {} ({:.1} MB) were taken ahead of changes",
            progress.keys,
            started.elapsed().as_secs_f64(),
            progress.keys_ahead,
            progress.bytes_ahead as f64 / f64::from(1 << 20)
        );
        Ok(())
    }

    /// Waits as after so many keys, for tests.
    fn delay(&self, keys: u64) {
        for _ in 0..keys {
            match self.delay_us {
                1.. => self.running.wait(Duration::from_micros(self.delay_us.unsigned_abs().into())),
                _ => super::save::delay(self.delay_us),
            }
        }
    }
}
