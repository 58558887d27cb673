//! Writing a store while it is in use: keys are brought into the form of the file by whoever takes them for the snapshot,
//! and one thread writes.

use super::file_write::{FileSettings, FileWriter, KeyRecord, WriteError, write_key};
use super::output::Output;
use super::save::{Extras, UsageKind};
use ochre_store::keyspace::Record;
use ochre_store::snapshot::{Capture, Progress, Snapshot};
use ochre_store::{Error, Member, Store, Txn};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::io::Write;
use std::sync::Arc;

/// Bytes of one piece, after which another one is begun.
const PIECE_BYTES: usize = 256 << 10;
/// Capacity that a thread keeps for the next key.
const KEEP_BYTES: usize = 64 << 10;

/// Gathers keys in the form of the file.
struct Collector {
    version: u32,
    compress: bool,
    usage: UsageKind,
    pieces: Mutex<Pieces>,
}

/// What waits to be written.
#[derive(Debug, Default)]
struct Pieces {
    /// With the database of its keys.
    pieces: Vec<(usize, Vec<u8>)>,
    /// The first key that could not be brought into the form.
    failed: Option<WriteError>,
}

/// A store as it was at one moment, of which nothing is written yet.
pub struct Cut {
    snapshot: Snapshot,
    collector: Arc<Collector>,
    settings: FileSettings,
    extras: Extras,
    /// Keys of each database, and of these keys with a deadline.
    counts: Vec<(u64, u64)>,
}

/// Tells how far a snapshot is.
pub type Observer = Box<dyn Fn() -> Progress + Send + Sync>;

/// A store that is being written.
pub struct Background<W> {
    snapshot: Snapshot,
    collector: Arc<Collector>,
    file: FileWriter<W>,
    /// The database that the file is at.
    db: Option<usize>,
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Collector {
    fn encode(&self, record: Record<'_>, scratch: &mut Vec<u8>) -> Result<(), WriteError> {
        let Record { key, value, deadline_ms, access } = record;
        let mut output = Output::part(scratch, self.compress);
        write_key(&mut output, self.version, KeyRecord { key, value, deadline_ms, usage: self.usage.usage(access) })
    }

    fn take(&self) -> Result<Vec<(usize, Vec<u8>)>, WriteError> {
        let mut pieces = self.pieces.lock();
        match pieces.failed.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut pieces.pieces)),
        }
    }
}

impl Capture for Collector {
    fn record(&self, db: usize, record: Record<'_>) {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            let encoded = self.encode(record, scratch);
            let mut pieces = self.pieces.lock();
            match encoded {
                Err(error) => pieces.failed = Some(error),
                Ok(()) => match pieces.pieces.last_mut() {
                    Some((last, piece)) if *last == db && piece.len() + scratch.len() <= PIECE_BYTES => {
                        piece.extend_from_slice(scratch);
                    }
                    _ => pieces.pieces.push((db, scratch.clone())),
                },
            }
            drop(pieces);
            if scratch.capacity() > KEEP_BYTES {
                *scratch = Vec::new();
            }
        });
    }
}

impl Cut {
    /// Makes the cut, for which `txn` must hold all shards; nothing is written under these locks.
    ///
    /// # Errors
    /// With `Busy` while another snapshot is being taken.
    pub fn make(txn: &mut Txn<'_>, store: &Arc<Store>, settings: FileSettings, extras: Extras) -> Result<Cut, Error> {
        let collector = Arc::new(Collector {
            version: settings.version,
            compress: settings.compress,
            usage: UsageKind::of(store.settings(), txn.now_ms()),
            pieces: Mutex::default(),
        });
        let snapshot = Snapshot::begin(txn, store, collector.clone())?;
        Ok(Cut { snapshot, collector, settings, extras, counts: counts_of(store) })
    }

    /// A look at how far it is, for others.
    #[must_use]
    pub fn observer(&self) -> Observer {
        Box::new(self.snapshot.observer())
    }

    /// Begins the file.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn write_to<W: Write>(self, sink: W) -> Result<Background<W>, WriteError> {
        let Cut { snapshot, collector, settings, extras, counts } = self;
        let mut file = FileWriter::new(sink, settings)?;
        file.extras(&extras)?;
        for (db, (keys, volatile)) in counts.into_iter().enumerate().filter(|(_, (keys, _))| *keys > 0) {
            file.database(db as u64, keys, volatile)?;
        }
        Ok(Background { snapshot, collector, file, db: None })
    }
}

impl<W: Write> Background<W> {
    /// Takes up to about `keys` keys and writes what has been taken since the last step. False if there is nothing more to
    /// take: then the file wants to be [finished](Background::finish).
    ///
    /// # Errors
    /// Those of the sink, and if the version has no encoding for a value.
    pub fn step(&mut self, member: &Member, keys: usize, bytes: usize) -> Result<bool, WriteError> {
        let more = self.snapshot.step(member, keys, bytes);
        for (db, piece) in self.collector.take()? {
            if self.db != Some(db) {
                self.file.select(db as u64)?;
                self.db = Some(db);
            }
            self.file.part(&piece)?;
        }
        Ok(more)
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.snapshot.progress()
    }

    /// Ends the file and returns the sink, which is not flushed.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn finish(self) -> Result<W, WriteError> {
        self.file.finish()
    }
}

/// Keys of each database, and of these keys with a deadline; all shards must be locked.
fn counts_of(store: &Store) -> Vec<(u64, u64)> {
    (0..store.databases()).map(|db| (store.db_len(db) as u64, store.db_volatile_len(db) as u64)).collect()
}
