//! Values of every type, as the keyspace handles them.

use crate::free::Garbage;
use crate::hash::Hash;
use crate::quicklist::List;
use crate::raw::block::PackedBox;
use crate::raw::entry::{Encoding, Str, Type};
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::stream::Stream;

/// A value that is not a string.
pub(crate) enum Value {
    List(List),
    Set(Set),
    SortedSet(SortedSet),
    Hash(Hash),
    Stream(PackedBox<Stream>),
}

/// A value of any type for reading.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// A string.
    String(Str<'a>),
    /// A list.
    List(&'a List),
    /// A set.
    Set(&'a Set),
    /// A sorted set.
    SortedSet(&'a SortedSet),
    /// A hash.
    Hash(&'a Hash),
    /// A stream.
    Stream(&'a Stream),
}

impl Value {
    pub(crate) fn kind(&self) -> Type {
        match self {
            Value::List(_) => Type::List,
            Value::Set(_) => Type::Set,
            Value::SortedSet(_) => Type::SortedSet,
            Value::Hash(_) => Type::Hash,
            Value::Stream(_) => Type::Stream,
        }
    }
}

impl Value {
    pub(crate) fn view(&self) -> ValueRef<'_> {
        match self {
            Value::List(list) => ValueRef::List(list),
            Value::Set(set) => ValueRef::Set(set),
            Value::SortedSet(set) => ValueRef::SortedSet(set),
            Value::Hash(hash) => ValueRef::Hash(hash),
            Value::Stream(stream) => ValueRef::Stream(stream),
        }
    }

    /// For the freeing thread: what takes long is freed in pieces.
    pub(crate) fn into_garbage(self) -> Garbage {
        match self {
            Value::Set(Set::Table(members)) => members.into_inner().into_garbage(),
            Value::SortedSet(SortedSet::Order(members)) => members.into_inner().into_garbage(),
            Value::Hash(Hash::Table(fields)) => fields.into_inner().into_garbage(),
            other => Garbage::value(other),
        }
    }
}

impl ValueRef<'_> {
    /// The encoding; that of a string is known elsewhere.
    pub(crate) fn encoding(self, of_string: impl FnOnce() -> Encoding) -> Encoding {
        match self {
            ValueRef::String(_) => of_string(),
            ValueRef::List(List::Pack(_)) | ValueRef::Set(Set::Pack(_)) => Encoding::Listpack,
            ValueRef::SortedSet(SortedSet::Pack(_)) | ValueRef::Hash(Hash::Pack(_)) => Encoding::Listpack,
            ValueRef::List(List::Quick(_)) => Encoding::Quicklist,
            ValueRef::Set(Set::Ints(_)) => Encoding::Intset,
            ValueRef::Set(Set::Table(_)) | ValueRef::Hash(Hash::Table(_)) => Encoding::Hashtable,
            ValueRef::SortedSet(SortedSet::Order(_)) => Encoding::Skiplist,
            ValueRef::Stream(_) => Encoding::Stream,
        }
    }

    /// Bytes of a string, elements of everything else.
    pub fn len(self) -> usize {
        match self {
            ValueRef::String(string) => string.len(),
            ValueRef::List(list) => list.len(),
            ValueRef::Set(set) => set.len(),
            ValueRef::SortedSet(set) => set.len(),
            ValueRef::Hash(hash) => hash.len(),
            ValueRef::Stream(stream) => stream.len() as usize,
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Bytes allocated for it outside of its entry; a string has none that are known here.
    pub(crate) fn memory(self) -> usize {
        match self {
            ValueRef::String(_) => 0,
            ValueRef::List(list) => list.memory(),
            ValueRef::Set(set) => set.memory(),
            ValueRef::SortedSet(set) => set.memory(),
            ValueRef::Hash(hash) => hash.memory(),
            ValueRef::Stream(stream) => stream.memory(0),
        }
    }

    /// How many allocations it takes to free it.
    pub(crate) fn pieces(self) -> usize {
        match self {
            ValueRef::List(List::Quick(list)) => list.node_count(),
            ValueRef::Set(Set::Table(members)) => members.len(),
            ValueRef::SortedSet(SortedSet::Order(members)) => members.len(),
            ValueRef::Hash(Hash::Table(fields)) => fields.len(),
            ValueRef::Stream(stream) => stream.drop_effort(),
            _ => 1,
        }
    }

    /// A copy; nothing of a string.
    pub(crate) fn duplicate(self) -> Option<Value> {
        Some(match self {
            ValueRef::String(_) => return None,
            ValueRef::List(list) => Value::List(list.clone()),
            ValueRef::Set(set) => Value::Set(set.clone()),
            ValueRef::SortedSet(set) => Value::SortedSet(set.clone()),
            ValueRef::Hash(hash) => Value::Hash(hash.clone()),
            ValueRef::Stream(stream) => Value::Stream(PackedBox::new(stream.clone())),
        })
    }
}
