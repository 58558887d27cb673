//! Large values that a snapshot takes in pieces, while they change.
//!
//! When the walk comes to such a value, or somebody is about to change it before that, it is only *begun*: a [`Taking`] is
//! tied to its table of elements. From then on the walk takes some elements at a time, and who is about to change an element
//! that was not taken has it taken first, as it is.
//!
//! Which elements the walk has behind it follows from their hashes alone: a scan goes over the hashes in the order of their
//! reversed bits, whatever the table's size. So the table may be rehashed meanwhile, and each element is taken exactly once.
//!
//! The taking goes wherever the table goes. A table that is to be freed is handed over to the snapshot instead.

use super::cut::Cut;
use crate::collection::Field;
use crate::keyspace::record_of;
use crate::raw::element::ElementRef;
use crate::raw::entry::{Entry, Type};
use crate::raw::members::Members;
use crate::raw::ordered::score_of;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::value::ValueRef;
use crate::{free::LARGE_BYTES, hash::Hash};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

/// Values of no more elements are taken at once, unless they are large otherwise.
const ELEMENTS_AT_ONCE: usize = 256;

/// Where the elements of a value go that is taken in pieces. Called under the lock of the value's shard: it must be quick,
/// and must not wait for anything but short locks of its own.
pub trait Pieces: Send + Sync {
    /// An element; each comes once, in no order.
    fn piece(&mut self, piece: Piece<'_>);

    /// All elements have come.
    fn end(&mut self);
}

/// An element of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Piece<'a> {
    /// A member of a set.
    Member(&'a [u8]),
    /// A member of a sorted set with its score.
    Scored(&'a [u8], f64),
    /// A field of a hash.
    Field(Field<'a>),
}

/// How far a snapshot is with the elements of a value.
pub(crate) struct Taking {
    cut: Arc<Cut>,
    kind: Type,
    /// Where the walk goes on; see [`is_passed`].
    cursor: u64,
    /// Elements that the walk has not come to and that are not as they were, or new: it passes them over.
    ahead: Members,
    pieces: Box<dyn Pieces>,
    place: Arc<Place>,
}

/// Where a value stands that is being taken in pieces.
#[derive(Default)]
pub(crate) struct Place(Mutex<State>);

#[derive(Default)]
enum State {
    /// Nowhere, or on its way.
    #[default]
    Nowhere,
    /// Under this key, in whatever database.
    Key(Box<[u8]>),
    /// All of it was taken.
    Over,
}

impl Place {
    /// The key that it stands under.
    pub(super) fn key(&self) -> Option<Box<[u8]>> {
        match &*self.0.lock() {
            State::Key(key) => Some(key.clone()),
            _ => None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(*self.0.lock(), State::Over)
    }
}

/// Whether a scan that goes on at `cursor` has elements of this hash behind it.
fn is_passed(hash: u64, cursor: u64) -> bool {
    hash.reverse_bits() < cursor.reverse_bits()
}

/// The table of elements that a value consists of, if it is one and is to be taken in pieces.
fn large_members(value: ValueRef<'_>) -> Option<&Members> {
    let members = match value {
        ValueRef::Set(Set::Table(members)) => members.members(),
        ValueRef::SortedSet(SortedSet::Order(members)) => members.members(),
        ValueRef::Hash(Hash::Table(fields)) => fields.members(),
        _ => return None,
    };
    (members.len() > ELEMENTS_AT_ONCE || members.memory() >= LARGE_BYTES).then_some(members)
}

/// The table of elements that an entry's value consists of, if it is one.
pub(crate) fn members_of(entry: &mut Entry) -> Option<&mut Members> {
    match entry.kind() {
        Type::Set => match entry.get_mut::<Set>()? {
            Set::Table(members) => Some(members.members_mut()),
            _ => None,
        },
        Type::SortedSet => match entry.get_mut::<SortedSet>()? {
            SortedSet::Order(members) => Some(members.members_mut()),
            SortedSet::Pack(_) => None,
        },
        Type::Hash => match entry.get_mut::<Hash>()? {
            Hash::Table(fields) => Some(fields.members_mut()),
            Hash::Pack(_) => None,
        },
        Type::String | Type::List | Type::Stream => None,
    }
}

/// Begins to take the value of an entry in pieces, if it is a large one.
pub(super) fn begin(cut: &Arc<Cut>, db: usize, entry: &mut Entry) -> bool {
    let Some(core) = large_members(entry.value()).map(|members| members.core().clone()) else { return false };
    let pieces = cut.capture.begin(db, record_of(entry));
    let place = Arc::new(Place(Mutex::new(State::Key(entry.key().into()))));
    let taking = Taking {
        cut: cut.clone(),
        kind: entry.kind(),
        cursor: 0,
        ahead: Members::new(core),
        pieces,
        place: place.clone(),
    };
    let Some(members) = members_of(entry) else { return false };
    members.begin_taking(Box::new(taking));
    cut.unfinished.fetch_add(1, SeqCst);
    cut.begun.lock().push_back(place);
    true
}

/// An entry has got another key, or another place for it.
pub(crate) fn moved(entry: &mut Entry, key: &[u8]) {
    if let Some(taking) = members_of(entry).and_then(|members| members.taking()) {
        *taking.place.0.lock() = State::Key(key.into());
    }
}

impl Taking {
    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    pub(crate) fn cut(&self) -> &Arc<Cut> {
        &self.cut
    }

    /// Whether nobody wants the rest of it.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cut.is_cancelled.load(Relaxed)
    }

    /// Where the walk goes on.
    pub(crate) fn cursor(&self) -> u64 {
        self.cursor
    }

    /// The walk has come to another place.
    pub(crate) fn advance(&mut self, cursor: u64) {
        self.cursor = cursor;
    }

    /// The walk meets an element.
    pub(crate) fn meet(&mut self, from: u64, hash: u64, element: ElementRef<'_>) {
        if !is_passed(hash, from) && self.ahead.get(element.key()).is_none() {
            self.take(element);
        }
    }

    /// An element is about to change or to go.
    #[cold]
    pub(crate) fn before_change(&mut self, hash: u64, element: ElementRef<'_>) {
        if !is_passed(hash, self.cursor) && self.ahead.insert(element.key()) && !self.is_cancelled() {
            self.cut.element_ahead(element.memory());
            self.take(element);
        }
    }

    /// An element is about to come.
    #[cold]
    pub(crate) fn before_insert(&mut self, hash: u64, key: &[u8]) {
        if !is_passed(hash, self.cursor) {
            self.ahead.insert(key);
        }
    }

    fn take(&mut self, element: ElementRef<'_>) {
        self.pieces.piece(match self.kind {
            Type::SortedSet => Piece::Scored(element.key(), score_of(element)),
            Type::Hash => Piece::Field(element.into()),
            _ => Piece::Member(element.key()),
        });
    }

    /// All of it was taken, or nobody wants it.
    pub(crate) fn finish(mut self) {
        self.pieces.end();
        *self.place.0.lock() = State::Over;
        self.cut.unfinished.fetch_sub(1, SeqCst);
    }

    /// The table is handed over.
    pub(crate) fn sever(&self) {
        *self.place.0.lock() = State::Nowhere;
    }
}
