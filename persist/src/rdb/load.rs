//! Reading all of a file into a store.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::arrivals::Arrivals;
use super::error::RdbError;
use super::file_read::{FileReader, Item};
use ochre_store::keyspace;
use ochre_store::sync::ShardSet;
use ochre_store::{Access, Clock, Effects, Expired, Member, Store, Txn, Type};
use std::io::BufRead;

/// How a file is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    /// Whether its checksum is compared.
    pub verify: bool,
    /// Whether keys that exist already are replaced; otherwise they are an error.
    pub replace: bool,
    /// Keys whose deadline lies before this time, ms since the Unix epoch, are passed over.
    pub drop_expired_before_ms: Option<i64>,
    /// Whether files of unknown versions are tried.
    pub any_version: bool,
    /// Whether keys go to the spares of their databases (see [`Store::spare_of`]).
    pub into_spares: bool,
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Keys that are in the store now.
    pub keys: u64,
    /// Keys that were passed over because they have expired.
    pub expired: u64,
    /// Keys that were passed over because their values have no element.
    pub empty: u64,
}

/// Why a file was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file.
    #[error(transparent)]
    File(#[from] RdbError),
    /// A database that there is none of.
    #[error("byte {offset}: no database has the number {db}")]
    Database {
        /// Where it stands.
        offset: u64,
        /// Its number.
        db: u64,
    },
    /// A key is there twice.
    #[error("byte {offset}: a key is there twice in database {db} (key \"{}\")", key.escape_ascii())]
    Duplicate {
        /// Where its value ends.
        offset: u64,
        /// Its database.
        db: usize,
        /// Its name.
        key: Box<[u8]>,
    },
    /// A library of functions that cannot be taken.
    #[error("byte {offset}: a library of functions: {reason}")]
    Function {
        /// Where it ends.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Whoever watches has had enough.
    #[error("byte {offset}: stopped")]
    Stopped {
        /// How far it came.
        offset: u64,
    },
}

/// Where keys are loaded to.
pub trait Target {
    /// The store.
    fn store(&self) -> &Store;

    /// Shows `act` the shards of the set.
    fn with(&mut self, shards: ShardSet, act: &mut dyn FnMut(&mut Txn<'_>));

    /// Puts keys into the store, at once or soon.
    ///
    /// # Errors
    /// If one of them, or one that came before, is there already.
    fn take(&mut self, arrivals: Arrivals) -> Result<(), LoadError> {
        arrivals.prefetch(self.store());
        arrivals.put(&mut |shards, act| self.with(shards, act))
    }

    /// Waits until all keys are in the store.
    ///
    /// # Errors
    /// As [`take`](Target::take).
    fn settle(&mut self) -> Result<(), LoadError> {
        Ok(())
    }
}

/// Under locks that are held already: of all shards.
impl Target for Txn<'_> {
    fn store(&self) -> &Store {
        Txn::store(self)
    }

    fn with(&mut self, _: ShardSet, act: &mut dyn FnMut(&mut Txn<'_>)) {
        act(self);
    }
}

/// By a thread that locks the shard of each key for itself.
pub struct Unlocked<'m> {
    /// The thread's membership.
    pub member: &'m Member,
    /// The time at which keys are loaded.
    pub clock: Clock,
}

impl Target for Unlocked<'_> {
    fn store(&self) -> &Store {
        self.member.store()
    }

    fn with(&mut self, shards: ShardSet, act: &mut dyn FnMut(&mut Txn<'_>)) {
        let mut effects = Effects::default();
        let mut guard = self.member.party().lock_blocking(shards);
        let access = Access { no_touch: true, expired: Expired::Show };
        act(&mut Txn::new(self.member.store(), &mut guard, self.clock, &mut effects, access));
    }
}

/// Who looks on while a file is read.
pub trait Watch {
    /// A fact about the file.
    fn aux(&mut self, name: &[u8], value: &[u8]) {
        let _ = (name, value);
    }

    /// A library of functions.
    ///
    /// # Errors
    /// What is wrong with it; reading stops.
    fn function(&mut self, code: Vec<u8>) -> Result<(), String>;

    /// A key whose value has elements, all of which were checked, was read.
    fn checked(&mut self) {}

    /// A key that is passed over because its value has no element.
    fn empty_key(&mut self, key: &[u8]) {
        let _ = key;
    }

    /// A key that is passed over because it has expired.
    fn expired_key(&mut self, db: usize, key: &[u8]) {
        let _ = (db, key);
    }

    /// So many bytes were read, and so many keys came of it. Called after each key. False stops.
    fn progress(&mut self, offset: u64, loaded: &Loaded) -> bool {
        let _ = (offset, loaded);
        true
    }
}

/// Reads the file `source` of `bytes` bytes (0 if that is not known) into a store. Returns what came of it, and the source,
/// which stands behind the end of the file.
///
/// # Errors
/// If the file is damaged or cannot be taken. What was read before is in the store then.
pub fn load<R: BufRead>(
    source: R,
    bytes: u64,
    target: &mut dyn Target,
    options: LoadOptions,
    watch: &mut dyn Watch,
) -> Result<(Loaded, R), LoadError> {
    let mut reader = FileReader::new(source, bytes, options.verify, options.any_version)?;
    let read = read(&mut reader, target, options, watch);
    // Whatever happened: nobody is at work on the store afterwards.
    let settled = target.settle();
    let loaded = read?;
    settled?;
    Ok((loaded, reader.into_inner()))
}

fn read<R: BufRead>(
    reader: &mut FileReader<R>,
    target: &mut dyn Target,
    options: LoadOptions,
    watch: &mut dyn Watch,
) -> Result<Loaded, LoadError> {
    let mut loaded = Loaded::default();
    let mut arrivals = Arrivals::new(options.replace);
    let mut db = if options.into_spares { target.store().spare_of(0) } else { 0 };
    while let Some(item) = reader.next(target.store())? {
        let offset = reader.offset();
        match item {
            Item::Aux { name, value } => watch.aux(&name, &value),
            Item::Database(number) => {
                let known = usize::try_from(number).ok().filter(|db| *db < target.store().databases());
                let known = known.ok_or(LoadError::Database { offset, db: number })?;
                db = if options.into_spares { target.store().spare_of(known) } else { known };
            }
            Item::Function(code) => {
                watch.function(code).map_err(|reason| LoadError::Function { offset, reason })?;
            }
            Item::Key(record) => {
                if record.value.kind() != Type::String {
                    watch.checked();
                }
                let limit = options.drop_expired_before_ms;
                let is_expired = record.deadline_ms.zip(limit).is_some_and(|(deadline, limit)| deadline < limit);
                if is_expired {
                    loaded.expired = loaded.expired.saturating_add(1);
                    watch.expired_key(db, &record.key);
                } else {
                    arrivals.push(target.store(), db, *record, offset);
                    loaded.keys = loaded.keys.saturating_add(1);
                    if arrivals.are_many() {
                        target.take(std::mem::replace(&mut arrivals, Arrivals::new(options.replace)))?;
                    }
                }
            }
            Item::EmptyKey(key) => {
                loaded.empty = loaded.empty.saturating_add(1);
                watch.empty_key(&key);
            }
            Item::Sizes(keys, volatile) => reserve(target, db, reader.expected(keys), reader.expected(volatile)),
            Item::Slot { .. } | Item::ModuleAux(_) => {}
        }
        if !watch.progress(offset, &loaded) {
            return Err(LoadError::Stopped { offset });
        }
    }
    target.take(arrivals)?;
    Ok(loaded)
}

/// Gives the tables of a database the size that they will need for so many keys, of them so many with deadlines.
fn reserve(target: &mut dyn Target, db: usize, keys: usize, volatile: usize) {
    let shards = target.store().shards();
    let of_shard = |count: usize| count.checked_div(shards).unwrap_or(count);
    for shard in 0..shards {
        target.with(ShardSet::one(shard), &mut |txn| {
            // Without room tables grow step by step.
            let _ = keyspace::reserve(txn, db, shard, of_shard(keys), of_shard(volatile));
        });
    }
}
