//! Writing a store while it is in use: keys are brought into the form of the file by whoever takes them for the snapshot,
//! and one thread writes.

use super::file_write::{FileSettings, FileWriter, WriteError};
use super::form::Form;
use super::save::{Extras, UsageKind};
use ochre_resp::encode_command;
use ochre_store::keyspace::Record;
use ochre_store::snapshot::{Capture, Pieces, Progress, Snapshot};
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
    form: Form,
    gathered: Mutex<Gathered>,
}

/// What waits to be written.
#[derive(Debug, Default)]
struct Gathered {
    /// With the database of its keys.
    pieces: Vec<(usize, Vec<u8>)>,
    /// Keys whose values come in pieces, of which nothing is written yet.
    begun: Vec<Arc<Begun>>,
    /// The first key that could not be brought into the form.
    failed: Option<WriteError>,
}

/// A key whose value comes in pieces.
#[derive(Debug)]
pub(super) struct Begun {
    db: usize,
    state: Mutex<BegunState>,
}

/// How much of it there is.
#[derive(Debug, Default)]
pub(super) struct BegunState {
    /// What is not written yet.
    pub(super) bytes: Vec<u8>,
    /// Behind it, a string that is compressed once it is whole.
    pub(super) text: Option<Vec<u8>>,
    /// Whether that is the last of it.
    pub(super) is_whole: bool,
}

impl Begun {
    pub(super) fn change(&self, change: impl FnOnce(&mut BegunState)) {
        change(&mut self.state.lock());
    }

    fn take(&self) -> BegunState {
        let mut state = self.state.lock();
        let text = if state.is_whole { state.text.take() } else { None };
        BegunState { bytes: std::mem::take(&mut state.bytes), text, is_whole: state.is_whole }
    }

    /// Bytes that wait to be written.
    fn waiting(&self) -> usize {
        let state = self.state.lock();
        state.bytes.len() + state.text.as_ref().map_or(0, Vec::len)
    }
}

/// A store as it was at one moment, of which nothing is written yet.
pub struct Cut {
    snapshot: Snapshot,
    collector: Arc<Collector>,
    head: Head,
}

/// What the file begins with.
enum Head {
    Rdb {
        settings: FileSettings,
        extras: Extras,
        /// Keys of each database, and of these keys with a deadline.
        counts: Vec<(u64, u64)>,
    },
    Commands(Vec<u8>),
}

/// Tells how far a snapshot is.
pub type Observer = Box<dyn Fn() -> Progress + Send + Sync>;

/// A store that is being written.
pub struct Background<W> {
    snapshot: Snapshot,
    collector: Arc<Collector>,
    file: File<W>,
    /// The database that the file is at.
    db: Option<usize>,
    /// The key whose value is being written; nothing else is before it is whole.
    current: Option<Arc<Begun>>,
}

enum File<W> {
    Rdb(FileWriter<W>),
    Commands(W),
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Collector {
    fn new(form: Form) -> Arc<Collector> {
        Arc::new(Collector { form, gathered: Mutex::default() })
    }
}

impl Capture for Collector {
    fn record(&self, db: usize, record: Record<'_>) {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            let encoded = self.form.write(scratch, record);
            let mut gathered = self.gathered.lock();
            match encoded {
                Err(error) => gathered.failed = Some(error),
                Ok(()) => match gathered.pieces.last_mut() {
                    Some((last, piece)) if *last == db && piece.len() + scratch.len() <= PIECE_BYTES => {
                        piece.extend_from_slice(scratch);
                    }
                    _ => gathered.pieces.push((db, scratch.clone())),
                },
            }
            drop(gathered);
            if scratch.capacity() > KEEP_BYTES {
                *scratch = Vec::new();
            }
        });
    }

    fn begin(&self, db: usize, record: Record<'_>) -> Box<dyn Pieces> {
        let begun = Arc::new(Begun { db, state: Mutex::default() });
        let pieces = self.form.begin(&begun, record);
        let mut gathered = self.gathered.lock();
        match pieces {
            Ok(pieces) => {
                gathered.begun.push(begun);
                pieces
            }
            Err(error) => {
                gathered.failed = Some(error);
                Box::new(Nowhere)
            }
        }
    }
}

/// Where pieces go that cannot be written.
struct Nowhere;

impl Pieces for Nowhere {
    fn piece(&mut self, _piece: ochre_store::snapshot::Piece<'_>) {}
    fn end(&mut self) {}
}

impl Cut {
    /// Makes the cut for an RDB file, for which `txn` must hold all shards; nothing is written under these locks.
    ///
    /// # Errors
    /// With `Busy` while another snapshot is being taken.
    pub fn make(txn: &mut Txn<'_>, store: &Arc<Store>, settings: FileSettings, extras: Extras) -> Result<Cut, Error> {
        let usage = UsageKind::of(store.settings(), txn.now_ms());
        let collector = Collector::new(Form::Rdb { version: settings.version, compress: settings.compress, usage });
        let snapshot = Snapshot::begin(txn, store, collector.clone())?;
        Ok(Cut { snapshot, collector, head: Head::Rdb { settings, extras, counts: counts_of(store) } })
    }

    /// The same for a file of commands, which begins with `head`.
    ///
    /// # Errors
    /// As of [`make`](Cut::make).
    pub fn as_commands(txn: &mut Txn<'_>, store: &Arc<Store>, head: Vec<u8>) -> Result<Cut, Error> {
        let collector = Collector::new(Form::Commands);
        let snapshot = Snapshot::begin(txn, store, collector.clone())?;
        Ok(Cut { snapshot, collector, head: Head::Commands(head) })
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
    pub fn write_to<W: Write>(self, mut sink: W) -> Result<Background<W>, WriteError> {
        let Cut { snapshot, collector, head } = self;
        let file = match head {
            Head::Rdb { settings, extras, counts } => {
                let mut file = FileWriter::new(sink, settings)?;
                file.extras(&extras)?;
                for (db, (keys, volatile)) in counts.into_iter().enumerate().filter(|(_, (keys, _))| *keys > 0) {
                    file.database(db as u64, keys, volatile)?;
                }
                File::Rdb(file)
            }
            Head::Commands(head) => {
                sink.write_all(&head)?;
                File::Commands(sink)
            }
        };
        Ok(Background { snapshot, collector, file, db: None, current: None })
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
        if let Some(error) = self.collector.gathered.lock().failed.take() {
            return Err(error);
        }
        // What is left after the last step is whole.
        while self.write_current()? && self.write_gathered()? {}
        Ok(more)
    }

    /// Writes more of the value that is being written. Whether none is now.
    fn write_current(&mut self) -> Result<bool, WriteError> {
        let Some(current) = &self.current else { return Ok(true) };
        let state = current.take();
        self.file.part(&state.bytes)?;
        if let Some(text) = state.text {
            self.file.text(&text)?;
        }
        if state.is_whole {
            self.current = None;
        }
        Ok(state.is_whole)
    }

    /// Writes what has gathered, and begins with a value that comes in pieces. Whether there was one.
    fn write_gathered(&mut self) -> Result<bool, WriteError> {
        let (pieces, next) = {
            let mut gathered = self.collector.gathered.lock();
            // The one that the walk is at, as a rule; others grow more slowly.
            let most = gathered.begun.iter().enumerate().max_by_key(|(_, begun)| begun.waiting());
            let most = most.map(|(number, _)| number);
            (std::mem::take(&mut gathered.pieces), most.map(|number| gathered.begun.swap_remove(number)))
        };
        for (db, piece) in pieces {
            self.select(db)?;
            self.file.part(&piece)?;
        }
        if let Some(next) = &next {
            self.select(next.db)?;
        }
        let is_begun = next.is_some();
        self.current = next;
        Ok(is_begun)
    }

    fn select(&mut self, db: usize) -> Result<(), WriteError> {
        if self.db != Some(db) {
            self.file.select(db)?;
            self.db = Some(db);
        }
        Ok(())
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
        match self.file {
            File::Rdb(file) => file.finish(),
            File::Commands(sink) => Ok(sink),
        }
    }
}

impl<W: Write> File<W> {
    fn select(&mut self, db: usize) -> Result<(), WriteError> {
        match self {
            File::Rdb(file) => file.select(db as u64),
            File::Commands(sink) => {
                let mut command = Vec::new();
                encode_command(&mut command, &["SELECT", &db.to_string()]);
                Ok(sink.write_all(&command)?)
            }
        }
    }

    fn part(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        match self {
            File::Rdb(file) => file.part(bytes),
            File::Commands(sink) => Ok(sink.write_all(bytes)?),
        }
    }

    /// Writes a string that belongs to what was written last.
    fn text(&mut self, text: &[u8]) -> Result<(), WriteError> {
        match self {
            File::Rdb(file) => file.text(text),
            File::Commands(sink) => Ok(sink.write_all(text)?),
        }
    }
}

/// Keys of each database, and of these keys with a deadline; all shards must be locked.
fn counts_of(store: &Store) -> Vec<(u64, u64)> {
    (0..store.databases()).map(|db| (store.db_len(db) as u64, store.db_volatile_len(db) as u64)).collect()
}
