//! Large values that a snapshot takes in pieces, while they change.
//!
//! When the walk comes to such a value, or somebody is about to change it before that, it is only *begun*: a [`Taking`] is
//! tied to its table of elements. From then on the walk takes some elements at a time, and who is about to change an element
//! that was not taken has it taken first, as it is.
//!
//! A list is taken node by node, a stream by nodes and groups, and a long string in pieces of some thousand bytes: see
//! `quicklist/taking.rs`, `stream/taking`, `string/taking.rs`.
//!
//! Which elements the walk has behind it follows from their hashes alone: a scan goes over the hashes in the order of their
//! reversed bits, whatever the table's size. So the table may be rehashed meanwhile, and each element is taken exactly once.
//!
//! The taking goes wherever the table goes. A table that is to be freed is handed over to the snapshot instead.

use super::cut::{Budget, Cut};
use crate::collection::Field;
use crate::free::{Garbage, LARGE_BYTES};
use crate::hash::Hash;
use crate::keyspace::record_of;
use crate::quicklist::{List, NodeView, Quicklist};
use crate::raw::block::PackedBox;
use crate::raw::element::ElementRef;
use crate::raw::entry::{Entry, Str, Type};
use crate::raw::members::Members;
use crate::raw::ordered::score_of;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::stream::{Group, GroupTaking, Stream, StreamPiece};
use crate::string::taking::{SeveredText, TextTaking};
use crate::value::{Value, ValueRef};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

/// Values of no more elements are taken at once, unless they are large otherwise.
const ELEMENTS_AT_ONCE: usize = 256;
/// Lists and streams of no more nodes are.
const NODES_AT_ONCE: usize = 8;

/// Where the elements of a value go that is taken in pieces. Called under the lock of the value's shard: it must be quick,
/// and must not wait for anything but short locks of its own.
pub trait Pieces: Send + Sync {
    /// A piece; each comes once.
    fn piece(&mut self, piece: Piece<'_>);

    /// All pieces have come.
    fn end(&mut self);
}

/// A piece of a value: an element, which come in no order, or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Piece<'a> {
    /// A member of a set.
    Member(&'a [u8]),
    /// A member of a sorted set with its score.
    Scored(&'a [u8], f64),
    /// A field of a hash.
    Field(Field<'a>),
    /// A node of a list; these come in order.
    Node(NodeView<'a>),
    /// A piece of a stream; these come in order.
    Stream(StreamPiece<'a>),
    /// Some of the bytes of a string; these come in order.
    Bytes(&'a [u8]),
}

/// Where the pieces of a value go, and what the snapshot knows of it.
pub(crate) struct TakenPieces {
    cut: Arc<Cut>,
    pieces: Box<dyn Pieces>,
    place: Arc<Place>,
}

/// How far a snapshot is with the elements of a table.
pub(crate) struct Taking {
    pieces: TakenPieces,
    kind: Type,
    /// Where the walk goes on; see [`is_passed`].
    cursor: u64,
    /// Elements that the walk has not come to and that are not as they were, or new: it passes them over.
    ahead: Members,
}

/// A value, of which something is left to be taken, that nobody else knows any more.
pub(crate) enum Severed {
    Members(Members),
    List(Quicklist),
    Stream(Box<Stream>),
    Text(SeveredText),
    /// Nothing more is to be taken of this.
    Spent(Spent),
}

/// What was kept for a snapshot and is only to be freed, which may take long.
pub(crate) enum Spent {
    /// What has changed of a group, and the group, if it is gone.
    Group(Box<GroupTaking>, Option<Group>),
}

/// The part of a value that is taken in pieces.
pub(crate) enum Taken<'v> {
    Members(&'v mut Members),
    List(&'v mut Quicklist),
    Stream(&'v mut Stream),
    Text(&'v mut Entry),
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

/// Whether a value is to be taken in pieces.
fn is_large(value: ValueRef<'_>) -> bool {
    let members = match value {
        ValueRef::Set(Set::Table(members)) => members.members(),
        ValueRef::SortedSet(SortedSet::Order(members)) => members.members(),
        ValueRef::Hash(Hash::Table(fields)) => fields.members(),
        // A node takes as long as some hundred elements.
        ValueRef::List(List::Quick(list)) => return list.node_count() > NODES_AT_ONCE,
        ValueRef::Stream(stream) => {
            return stream.nodes_len() > NODES_AT_ONCE || stream.drop_effort() > ELEMENTS_AT_ONCE;
        }
        ValueRef::String(Str::Bytes(bytes)) => return bytes.len() >= LARGE_BYTES,
        _ => return false,
    };
    members.len() > ELEMENTS_AT_ONCE || members.memory() >= LARGE_BYTES
}

/// The part of an entry's value that is taken in pieces, if it has one.
pub(crate) fn taken_part(entry: &mut Entry) -> Option<Taken<'_>> {
    Some(match entry.kind() {
        Type::Set => match entry.get_mut::<Set>()? {
            Set::Table(members) => Taken::Members(members.members_mut()),
            _ => return None,
        },
        Type::SortedSet => match entry.get_mut::<SortedSet>()? {
            SortedSet::Order(members) => Taken::Members(members.members_mut()),
            SortedSet::Pack(_) => return None,
        },
        Type::Hash => match entry.get_mut::<Hash>()? {
            Hash::Table(fields) => Taken::Members(fields.members_mut()),
            Hash::Pack(_) => return None,
        },
        Type::List => match entry.get_mut::<List>()? {
            List::Quick(list) => Taken::List(list),
            List::Pack(_) => return None,
        },
        Type::Stream => Taken::Stream(entry.get_mut::<PackedBox<Stream>>()?),
        Type::String if entry.is_outline() => Taken::Text(entry),
        Type::String => return None,
    })
}

/// Begins to take the value of an entry in pieces, if it is a large one.
pub(super) fn begin(cut: &Arc<Cut>, db: usize, entry: &mut Entry) -> bool {
    if !is_large(entry.value()) {
        return false;
    }
    let (kind, key) = (entry.kind(), entry.key().into());
    let pieces = cut.capture.begin(db, record_of(entry));
    let place = Arc::new(Place(Mutex::new(State::Key(key))));
    let pieces = TakenPieces { cut: cut.clone(), pieces, place: place.clone() };
    cut.unfinished.fetch_add(1, SeqCst);
    cut.begun.lock().push_back(place);
    match taken_part(entry) {
        Some(Taken::Members(members)) => {
            let ahead = Members::new(members.core().clone());
            members.begin_taking(Box::new(Taking { pieces, kind, cursor: 0, ahead }));
        }
        Some(Taken::List(list)) => list.begin_taking(pieces),
        Some(Taken::Stream(stream)) => stream.begin_taking(pieces),
        Some(Taken::Text(entry)) => {
            let len = entry.value().len();
            entry.begin_taking(TextTaking::new(pieces, len));
        }
        None => unreachable!("what is large has such a part"),
    }
    true
}

/// An entry has got another key, or another place for it.
pub(crate) fn moved(entry: &mut Entry, key: &[u8]) {
    if let Some(part) = taken_part(entry)
        && let Some(pieces) = part.pieces()
    {
        *pieces.place.0.lock() = State::Key(key.into());
        pieces.cut.value_moved();
    }
}

impl Taken<'_> {
    /// Where its pieces go, if it is being taken.
    pub(crate) fn pieces(&self) -> Option<&TakenPieces> {
        match self {
            Taken::Members(members) => members.taking().map(|taking| &taking.pieces),
            Taken::List(list) => list.taken_pieces(),
            Taken::Stream(stream) => stream.taken_pieces(),
            Taken::Text(entry) => entry.text_taking().map(TextTaking::pieces),
        }
    }

    /// Has the snapshot take more of it. True if it has all of it.
    pub(crate) fn take_some(&mut self, budget: &mut Budget) -> bool {
        match self {
            Taken::Members(members) => members.take_some(budget),
            Taken::List(list) => list.take_some(budget),
            Taken::Stream(stream) => stream.take_some(budget),
            Taken::Text(entry) => entry.take_text(budget),
        }
    }
}

impl Severed {
    /// Has the snapshot take more of it. True if it has all of it.
    pub(super) fn take_some(&mut self, budget: &mut Budget) -> bool {
        match self {
            Severed::Members(members) => members.take_some(budget),
            Severed::List(list) => list.take_some(budget),
            Severed::Stream(stream) => stream.take_some(budget),
            Severed::Text(text) => text.take_some(budget),
            Severed::Spent(_) => true,
        }
    }

    /// What is to be freed; nothing if that is done.
    pub(super) fn into_garbage(self) -> Option<Garbage> {
        Some(match self {
            Severed::Members(members) => Garbage::members(members, None),
            Severed::List(list) => Garbage::value(Value::List(List::Quick(PackedBox::new(list)))),
            Severed::Stream(stream) => Garbage::value(Value::Stream(stream.into())),
            Severed::Text(text) => Garbage::buffer(text.into_bytes()),
            Severed::Spent(Spent::Group(taking, group)) => {
                drop((taking, group));
                return None;
            }
        })
    }
}

impl std::fmt::Debug for TakenPieces {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("TakenPieces")
    }
}

impl TakenPieces {
    /// Whether the snapshot knows the value by this place.
    pub(crate) fn is_at(&self, place: &Arc<Place>) -> bool {
        Arc::ptr_eq(&self.place, place)
    }

    /// Whether nobody wants the rest of it.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cut.is_cancelled.load(Relaxed)
    }

    pub(crate) fn piece(&mut self, piece: Piece<'_>) {
        self.pieces.piece(piece);
    }

    /// A piece of so many bytes is taken ahead of the walk.
    pub(crate) fn ahead(&self, bytes: usize) {
        self.cut.piece_ahead(bytes);
    }

    /// All of it was taken, or nobody wants it.
    pub(crate) fn finish(mut self) {
        self.pieces.end();
        *self.place.0.lock() = State::Over;
        self.cut.unfinished.fetch_sub(1, SeqCst);
        self.cut.value_moved();
    }

    /// Has the thread of the snapshot free something.
    pub(crate) fn spend(&self, spent: Spent) {
        self.cut.hand_over(Severed::Spent(spent));
    }

    /// The value is to be handed over to the snapshot, which is returned.
    pub(crate) fn sever(&self) -> Arc<Cut> {
        *self.place.0.lock() = State::Nowhere;
        self.cut.clone()
    }
}

impl Taking {
    /// Where the elements go.
    pub(crate) fn pieces(&self) -> &TakenPieces {
        &self.pieces
    }

    /// All of it was taken, or nobody wants it.
    pub(crate) fn finish(self) {
        self.pieces.finish();
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
        if !is_passed(hash, self.cursor) && self.ahead.insert(element.key()) && !self.pieces.is_cancelled() {
            self.pieces.ahead(element.memory());
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
}
