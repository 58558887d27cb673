//! The members of one large collection: a bucket table that owns its elements.

use super::element::{Element, ElementRef};
use super::table::{Role, Slot, Table, TableShape};
use crate::free::{Core, LARGE_BYTES};
use crate::random::Random;
use crate::short::equal;
use crate::snapshot::{Budget, Severed, Taking};
use std::collections::HashSet;
use std::mem::ManuallyDrop;
use std::sync::Arc;

/// Members, each with its key and value.
///
/// Invariant: the table points to elements owned by this struct.
pub(crate) struct Members {
    table: Table<Element>,
    /// Bytes of the allocations of all elements.
    bytes: usize,
    /// How far a snapshot is that takes the elements.
    taking: Option<Box<Taking>>,
}

/// The address of an element as a token: worth nothing without the members that own it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Handle(pub(super) *mut u8);

// SAFETY: a handle gives no access by itself; who follows it says why that is sound.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Default for Handle {
    fn default() -> Handle {
        Handle(std::ptr::null_mut())
    }
}

/// What a look-up found.
pub(super) enum Found<'a> {
    Occupied(Occupied<'a>),
    Vacant(Vacant<'a>),
}

/// An element borrowed exclusively, with its place.
pub(super) struct Occupied<'a> {
    members: &'a mut Members,
    element: ManuallyDrop<Element>,
    slot: Slot,
    hash: u64,
}

/// The place of a key that is no member.
pub(super) struct Vacant<'a> {
    members: &'a mut Members,
    hash: u64,
}

impl Members {
    /// No members.
    pub(crate) fn new(core: Arc<Core>) -> Members {
        Members { table: Table::new(core, Role::Private, None), bytes: 0, taking: None }
    }

    /// Makes room for `len` members, of which it believes at most a million, in members that never were any.
    pub(crate) fn reserve(&mut self, len: usize) {
        self.table.reserve(len.min(1 << 20));
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Bytes of elements and buckets (but not of the few buckets that overflowed).
    pub(crate) fn memory(&self) -> usize {
        self.bytes + self.table.bytes()
    }

    /// Buckets of the table: current array, next array.
    pub(crate) fn buckets(&self) -> (usize, usize) {
        self.table.buckets()
    }

    /// The state of both arrays of the table.
    pub(crate) fn shapes(&self) -> [TableShape; 2] {
        self.table.shapes()
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        self.table.core()
    }

    /// The member `key`.
    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<ElementRef<'_>> {
        let slot = self.slot(self.core().hash(key), key)?;
        // SAFETY: the slot was just found; the element lives unchanged while the members are borrowed.
        Some(unsafe { ElementRef::from_raw(self.table.get(slot)) })
    }

    #[inline]
    fn slot(&self, hash: u64, key: &[u8]) -> Option<Slot> {
        // SAFETY: the table points to live elements of its own.
        self.table.find(hash, |raw| equal(unsafe { ElementRef::from_raw(raw) }.key(), key))
    }

    /// Looks `key` up to change it or to add it.
    #[inline]
    pub(super) fn find(&mut self, key: &[u8]) -> Found<'_> {
        let hash = self.core().hash(key);
        match self.slot(hash, key) {
            Some(slot) => {
                // SAFETY: the slot was just found; the exclusive borrow keeps others from the element.
                let element = ManuallyDrop::new(unsafe { Element::from_raw(self.table.get(slot)) });
                Found::Occupied(Occupied { members: self, element, slot, hash })
            }
            None => Found::Vacant(Vacant { members: self, hash }),
        }
    }

    /// Adds `key` as a member without value; false if it is one.
    pub(crate) fn insert(&mut self, key: &[u8]) -> bool {
        match self.find(key) {
            Found::Occupied(_) => false,
            Found::Vacant(vacant) => {
                vacant.insert(Element::new(key, b"", None));
                true
            }
        }
    }

    /// Takes the member `key` out.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Element> {
        match self.find(key) {
            Found::Occupied(occupied) => Some(occupied.remove()),
            Found::Vacant(_) => None,
        }
    }

    /// Takes the member `key` out and frees it. False if it is none.
    pub(crate) fn discard(&mut self, key: &[u8]) -> bool {
        let Some(element) = self.remove(key) else { return false };
        free(self.core(), element);
        true
    }

    /// All members, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = ElementRef<'_>> {
        // SAFETY: the table points to live elements, unchanged while the members are borrowed.
        self.table.iter().map(|raw| unsafe { ElementRef::from_raw(raw) })
    }

    /// Visits a part of the members; see [`Table::scan`].
    pub(crate) fn scan<'a>(&'a self, cursor: u64, visit: &mut dyn FnMut(ElementRef<'a>)) -> u64 {
        // SAFETY: as in iter().
        self.table.scan(cursor, &mut |raw| visit(unsafe { ElementRef::from_raw(raw) }))
    }

    /// A random member, each nearly as likely as any other.
    pub(crate) fn random(&self, random: &mut Random) -> Option<ElementRef<'_>> {
        // SAFETY: as in iter().
        self.table.random(random).map(|raw| unsafe { ElementRef::from_raw(raw) })
    }

    /// `count` different members chosen at random, in no order; all if there are no more.
    pub(crate) fn random_distinct(&self, count: usize, random: &mut Random) -> Vec<ElementRef<'_>> {
        let chosen = self.draw_distinct(count, random).unwrap_or_else(|| {
            // Shuffles what is wanted to the front.
            let mut all: Vec<Handle> = self.table.iter().map(Handle).collect();
            let (len, count) = (all.len(), count.min(all.len()));
            for index in 0..count {
                all.swap(index, index + random.below(len - index));
            }
            all.truncate(count);
            all
        });
        // SAFETY: as in iter().
        chosen.into_iter().map(|handle| unsafe { ElementRef::from_raw(handle.0) }).collect()
    }

    /// Draws `count` different members one after the other; nothing where that would take long.
    fn draw_distinct(&self, count: usize, random: &mut Random) -> Option<Vec<Handle>> {
        if count > self.len() / 4 {
            return None;
        }
        let mut chosen = Vec::with_capacity(count);
        let mut seen = HashSet::with_capacity_and_hasher(count, self.core().hasher().clone());
        for _ in 0..count * 4 + 64 {
            if chosen.len() == count {
                break;
            }
            let raw = self.table.random(random)?;
            if seen.insert(raw.addr()) {
                chosen.push(Handle(raw));
            }
        }
        (chosen.len() == count).then_some(chosen)
    }

    /// Takes a random member out.
    pub(crate) fn take_random(&mut self, random: &mut Random) -> Option<Element> {
        let raw = self.table.random(random)?;
        // SAFETY: the table points to live elements; this one stays unchanged until it is taken out, and alive until the
        // result is dropped.
        let key = unsafe { ElementRef::from_raw(raw) }.key();
        self.remove(key)
    }

    /// Moves up to `chains` chains if the table is being rehashed. True if there is more to do.
    pub(crate) fn rehash(&mut self, chains: usize) -> bool {
        self.table.rehash_step(chains)
    }

    /// Frees the elements of some buckets from number `from` on, for members that are not used any more. Returns where
    /// to go on, nothing after the last bucket. [`memory`](Members::memory) goes on telling what there was.
    pub(crate) fn free_some(&mut self, from: usize) -> Option<usize> {
        const BUCKETS: usize = 256;
        // SAFETY: the members own the elements, and the table gives their pointers up.
        self.table.drain(from, BUCKETS, &mut |raw| drop(unsafe { Element::from_raw(raw) }))
    }
}

impl Members {
    /// Has a snapshot take the elements, some at a time.
    pub(crate) fn begin_taking(&mut self, taking: Box<Taking>) {
        debug_assert!(self.taking.is_none());
        self.taking = Some(taking);
    }

    /// How far a snapshot is that takes the elements.
    pub(crate) fn taking(&self) -> Option<&Taking> {
        self.taking.as_deref()
    }

    /// Has the snapshot take some elements that it does not have yet. True if it has all of them.
    pub(crate) fn take_some(&mut self, budget: &mut Budget) -> bool {
        let Some(mut taking) = self.taking.take() else { return true };
        while !taking.pieces().is_cancelled() {
            if !budget.is_left() {
                self.taking = Some(taking);
                return false;
            }
            let from = taking.cursor();
            self.table.prefetch_scan(from);
            let next = self.scan(from, &mut |element| {
                budget.element(element.memory());
                taking.meet(from, self.core().hash(element.key()), element);
            });
            budget.chain();
            if next == 0 {
                break;
            }
            taking.advance(next);
        }
        taking.finish();
        true
    }

    /// To be called before the members are freed: if a snapshot still takes them, it gets them, and none are left here.
    pub(crate) fn sever(&mut self) {
        let Some(taking) = self.taking.take() else { return };
        let cut = taking.pieces().sever();
        let none = Table::new(self.core().clone(), Role::Private, None);
        let table = std::mem::replace(&mut self.table, none);
        let bytes = std::mem::take(&mut self.bytes);
        cut.hand_over(Severed::Members(Members { table, bytes, taking: Some(taking) }));
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.sever();
        // SAFETY: the members own the elements, and the table is dropped next without following its pointers.
        self.table.iter().for_each(|raw| drop(unsafe { Element::from_raw(raw) }));
    }
}

impl<'a> Occupied<'a> {
    pub(super) fn get(&self) -> ElementRef<'_> {
        self.element.get()
    }

    pub(super) fn handle(&self) -> Handle {
        Handle(self.get().raw())
    }

    /// To be called before the element is changed: a snapshot that does not have it yet takes it as it is.
    #[inline(always)]
    fn before_change(&mut self) {
        if let Some(taking) = &mut self.members.taking {
            taking.before_change(self.hash, self.element.get());
        }
    }

    /// Replaces value and deadline. The element may get another handle.
    pub(super) fn set(&mut self, value: &[u8], deadline: Option<i64>) {
        self.before_change();
        let in_place = self.get().deadline().is_some() == deadline.is_some() && self.element.try_set_value(value);
        if in_place && self.element.try_set_deadline(deadline) {
            return;
        }
        let new = Element::new(self.get().key(), value, deadline);
        self.exchange(new);
    }

    /// Replaces the deadline. The element may get another handle.
    pub(super) fn set_deadline(&mut self, deadline: Option<i64>) {
        self.before_change();
        if !self.element.try_set_deadline(deadline) {
            let new = Element::new(self.get().key(), self.get().value(), deadline);
            self.exchange(new);
        }
    }

    /// Puts `new`, which has the same key, in the element's place.
    fn exchange(&mut self, new: Element) {
        self.members.bytes += new.get().memory();
        let raw = new.into_raw();
        // SAFETY: the slot was found under the exclusive borrow that self still holds; the table has not changed.
        unsafe { self.members.table.replace(self.slot, raw) };
        // SAFETY: raw is the live element in the slot.
        let old = std::mem::replace(&mut self.element, ManuallyDrop::new(unsafe { Element::from_raw(raw) }));
        self.members.bytes -= old.get().memory();
        free(self.members.core(), ManuallyDrop::into_inner(old));
    }

    /// Takes the element out.
    pub(super) fn remove(mut self) -> Element {
        self.before_change();
        self.members.bytes -= self.get().memory();
        // SAFETY: the slot was found under the exclusive borrow that self still holds; the table has not changed.
        unsafe { self.members.table.remove(self.hash, self.slot) };
        ManuallyDrop::into_inner(self.element)
    }
}

impl<'a> Vacant<'a> {
    /// Adds an element, whose key must be the one looked up.
    pub(super) fn insert(self, element: Element) -> Handle {
        if let Some(taking) = &mut self.members.taking {
            taking.before_insert(self.hash, element.get().key());
        }
        self.members.bytes += element.get().memory();
        let raw = element.into_raw();
        self.members.table.insert(self.hash, raw);
        Handle(raw)
    }
}

/// Frees an element: here if it is small.
pub(super) fn free(core: &Core, element: Element) {
    if element.get().memory() >= LARGE_BYTES {
        core.later(crate::free::Garbage::element(element));
    }
}
