//! Keys that come from elsewhere as a whole.

use crate::clock;
use crate::effects::EventClass;
use crate::error::Error;
use crate::hash::Hash;
use crate::keyspace::basic::delete;
use crate::quicklist::List;
use crate::raw::entry::{Contents, EMBED_MAX, Encoding, Entry, Str, Type};
use crate::raw::keys::{Found, Vacant};
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::store::Key;
use crate::stream::Stream;
use crate::string::basic::contents;
use crate::txn::{Expired, Txn};
use crate::value::{Value, ValueRef};

/// A value of any type that belongs to no key yet.
#[derive(Clone, Debug)]
pub enum NewValue {
    /// A string.
    String(Vec<u8>),
    /// A list.
    List(List),
    /// A set.
    Set(Set),
    /// A sorted set.
    SortedSet(SortedSet),
    /// A hash.
    Hash(Hash),
    /// A stream.
    Stream(Box<Stream>),
}

/// How [`restore`] puts a value under a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// When the key expires, ms since the Unix epoch. If that has passed the key is deleted.
    pub deadline_ms: Option<i64>,
    /// How short ago it was used last; counts unless the eviction policy is an LFU one.
    pub idle_seconds: Option<u64>,
    /// How often it is used, as a logarithmic counter; counts if the eviction policy is an LFU one.
    pub frequency: Option<u8>,
}

impl NewValue {
    /// Its type.
    pub fn kind(&self) -> Type {
        match self {
            NewValue::String(_) => Type::String,
            NewValue::List(_) => Type::List,
            NewValue::Set(_) => Type::Set,
            NewValue::SortedSet(_) => Type::SortedSet,
            NewValue::Hash(_) => Type::Hash,
            NewValue::Stream(_) => Type::Stream,
        }
    }

    /// The value for reading.
    pub fn view(&self) -> ValueRef<'_> {
        match self {
            NewValue::String(text) => ValueRef::String(Str::Bytes(text)),
            NewValue::List(list) => ValueRef::List(list),
            NewValue::Set(set) => ValueRef::Set(set),
            NewValue::SortedSet(set) => ValueRef::SortedSet(set),
            NewValue::Hash(hash) => ValueRef::Hash(hash),
            NewValue::Stream(stream) => ValueRef::Stream(stream),
        }
    }
}

/// The value at a key, whatever its type: a read. `None` if there is none.
pub fn value<'x>(txn: &'x mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<ValueRef<'x>>, Error> {
    txn.read(db, &key)?.map(|entry| entry.into_ref().into_value_ref()).transpose()
}

/// Puts a value under a key, whatever that held. Of a deadline that has passed the key is deleted instead. Whether the key
/// has changed.
pub fn restore(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    value: NewValue,
    options: RestoreOptions,
) -> Result<bool, Error> {
    let now_ms = txn.now_ms();
    if txn.access().expired == Expired::Remove && options.deadline_ms.is_some_and(|at_ms| at_ms <= now_ms) {
        return delete(txn, db, key);
    }
    let access = access_bits(txn, options);
    let (found, mut around) = txn.write(db, &key)?;
    let vacant = match found {
        Found::Vacant(vacant) => vacant,
        Found::Occupied(entry) => {
            let (old, vacant) = entry.remove();
            around.core.entry(old);
            vacant
        }
    };
    insert(vacant, key, value, options.deadline_ms, access.unwrap_or_else(|| around.initial_access()));
    around.created(key.bytes());
    around.changed(key.bytes(), EventClass::Generic, "restore");
    Ok(true)
}

/// Puts a value under a key as it comes from a file, whether or not its deadline has passed: nothing is recorded of it. If
/// there is such a key, expired or not, it is replaced if `replace`. Whether there was none.
pub fn load(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    value: NewValue,
    options: RestoreOptions,
    replace: bool,
) -> Result<bool, Error> {
    let access = access_bits(txn, options);
    let (found, around) = txn.find(db, &key)?;
    let access = access.unwrap_or_else(|| around.initial_access());
    match found {
        Found::Vacant(vacant) => {
            insert(vacant, key, value, options.deadline_ms, access);
            Ok(true)
        }
        Found::Occupied(entry) => {
            if replace {
                let (old, vacant) = entry.remove();
                around.core.entry(old);
                insert(vacant, key, value, options.deadline_ms, access);
            }
            Ok(false)
        }
    }
}

/// Gives a shard's tables of a database, unless they have ever been used, the size that they need for so many keys, of them so
/// many with deadlines.
pub fn reserve(txn: &mut Txn<'_>, db: usize, shard: usize, keys: usize, volatile: usize) -> Result<(), Error> {
    let (shard, _) = txn.shard(shard)?;
    shard.databases.get_mut(db).ok_or(Error::OutOfRange)?.reserve(keys, volatile);
    Ok(())
}

/// The access bits that the options ask for; `None`: those of a new key.
fn access_bits(txn: &Txn<'_>, options: RestoreOptions) -> Option<u32> {
    let lfu = txn.settings().policy().is_lfu();
    match (options.frequency, options.idle_seconds) {
        (Some(frequency), _) if lfu => Some(clock::lfu_bits(txn.now_ms(), frequency)),
        (_, Some(seconds)) if !lfu => Some(clock::lru_before(txn.now_ms(), seconds)),
        _ => None,
    }
}

fn insert(vacant: Vacant<'_>, key: Key<'_>, value: NewValue, deadline_ms: Option<i64>, access: u32) {
    let short;
    let contents = match value {
        // Not copied once more.
        NewValue::String(text) if text.len() > EMBED_MAX => Contents::Buffer(text, Encoding::Raw),
        NewValue::String(text) => {
            short = text;
            contents(&short)
        }
        NewValue::List(list) => Contents::Value(Value::List(list)),
        NewValue::Set(set) => Contents::Value(Value::Set(set)),
        NewValue::SortedSet(set) => Contents::Value(Value::SortedSet(set)),
        NewValue::Hash(hash) => Contents::Value(Value::Hash(hash)),
        NewValue::Stream(stream) => Contents::Value(Value::Stream(stream.into())),
    };
    vacant.insert(Entry::new(key.bytes(), contents, deadline_ms, access));
}
