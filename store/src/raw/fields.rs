//! A map from fields to values, each with or without a deadline.

use super::element::{Element, ElementRef};
use super::members::{Found, Handle, Members, free};
use super::table::TableShape;
use crate::free::Garbage;
use crate::order::Tree;
use crate::random::Random;
use crate::store::Store;

/// A map from fields to values: what `OBJECT ENCODING` calls `hashtable`.
///
/// A field may have a deadline. One that has passed changes nothing by itself: who reads compares it with the time, and
/// [`remove_expired`](FieldMap::remove_expired) removes what is over.
///
/// Invariant: `deadlines` has exactly the elements with a deadline, ordered by it and by their addresses. Comparisons
/// look at addresses alone, so an element that was replaced may be freed before its handle leaves; but no method returns
/// before the handle has left, since [`remove_expired`](FieldMap::remove_expired) follows the handles it finds.
pub struct FieldMap {
    members: Members,
    /// The deadline under which the keyspace lists this hash, whose business alone it is.
    pub(super) listed_ms: Option<i64>,
    deadlines: Option<Box<Tree<Handle>>>,
}

/// What stands in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The field's name.
    pub name: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// When the field expires, ms since the Unix epoch.
    pub deadline_ms: Option<i64>,
}

impl<'a> From<ElementRef<'a>> for Field<'a> {
    fn from(element: ElementRef<'a>) -> Field<'a> {
        Field { name: element.key(), value: element.value(), deadline_ms: element.deadline() }
    }
}

impl std::fmt::Debug for FieldMap {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FieldMap").field("len", &self.len()).finish()
    }
}

/// The number that orders deadlines.
fn order(deadline_ms: i64) -> u64 {
    deadline_ms as u64 ^ 1 << 63
}

impl Clone for FieldMap {
    fn clone(&self) -> FieldMap {
        let members = Members::new(self.members.core().clone());
        let mut copy = FieldMap { members, listed_ms: None, deadlines: None };
        copy.reserve(self.len());
        for field in self.iter() {
            copy.set(field.name, field.value, field.deadline_ms);
        }
        copy
    }
}

impl FieldMap {
    /// An empty map, hashed with the seed of `store` and freed by its thread.
    pub fn new(store: &Store) -> FieldMap {
        FieldMap { members: Members::new(store.core.clone()), listed_ms: None, deadlines: None }
    }

    /// Makes room for `len` fields (at most a million at once) if there has never been any, so that the table need not
    /// grow on the way there.
    pub fn reserve(&mut self, len: usize) {
        self.members.reserve(len);
    }

    /// Fields, also those whose deadline has passed.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fields with a deadline.
    pub fn volatile_len(&self) -> usize {
        self.deadlines.as_ref().map_or(0, |deadlines| deadlines.len())
    }

    /// The earliest deadline, ms since the Unix epoch.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        let (order, _) = self.deadlines.as_ref()?.get(0)?;
        Some((order ^ 1 << 63) as i64)
    }

    /// What stands in the field `name`.
    pub fn get(&self, name: &[u8]) -> Option<Field<'_>> {
        self.members.get(name).map(Field::from)
    }

    /// Sets value and deadline (ms since the Unix epoch) of the field `name`. True if the field is new.
    pub fn set(&mut self, name: &[u8], value: &[u8], deadline_ms: Option<i64>) -> bool {
        self.set_with(name, value, |_| deadline_ms).is_none()
    }

    /// Sets the value of the field `name`, and the deadline to what `deadline_ms` returns, which is told the old field.
    /// Returns the old deadline; nothing at all if the field is new.
    pub fn set_with(
        &mut self,
        name: &[u8],
        value: &[u8],
        deadline_ms: impl FnOnce(Option<Field<'_>>) -> Option<i64>,
    ) -> Option<Option<i64>> {
        match self.members.find(name) {
            Found::Occupied(mut occupied) => {
                let old = (occupied.handle(), occupied.get().deadline());
                let deadline_ms = deadline_ms(Some(occupied.get().into()));
                occupied.set(value, deadline_ms);
                let new = (occupied.handle(), deadline_ms);
                self.relink(old, new);
                Some(old.1)
            }
            Found::Vacant(vacant) => {
                let deadline_ms = deadline_ms(None);
                let handle = vacant.insert(Element::new(name, value, deadline_ms));
                self.relink((handle, None), (handle, deadline_ms));
                None
            }
        }
    }

    /// Sets or clears the deadline of the field `name`. False if there is no such field.
    pub fn set_deadline(&mut self, name: &[u8], deadline_ms: Option<i64>) -> bool {
        let Found::Occupied(mut occupied) = self.members.find(name) else { return false };
        let old = (occupied.handle(), occupied.get().deadline());
        occupied.set_deadline(deadline_ms);
        let new = (occupied.handle(), deadline_ms);
        self.relink(old, new);
        true
    }

    /// Removes the field `name`. False if there is no such field.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        self.remove_if(name, |_| true)
    }

    /// Removes the field `name` if `wanted` says so. False if it does not, or there is no such field.
    pub fn remove_if(&mut self, name: &[u8], wanted: impl FnOnce(Field<'_>) -> bool) -> bool {
        let Found::Occupied(occupied) = self.members.find(name) else { return false };
        if !wanted(occupied.get().into()) {
            return false;
        }
        let old = (occupied.handle(), occupied.get().deadline());
        let element = occupied.remove();
        self.relink(old, (old.0, None));
        free(self.members.core(), element);
        true
    }

    /// Removes up to `count` fields whose deadline is not after `now_ms`, the earliest first, and lets `visit` see each.
    /// Returns how many there were.
    pub fn remove_expired(&mut self, now_ms: i64, count: usize, visit: &mut dyn FnMut(Field<'_>)) -> usize {
        let mut removed = 0;
        while removed < count
            && let Some(deadlines) = &mut self.deadlines
            && let Some((first, handle)) = deadlines.get(0)
            && first <= order(now_ms)
        {
            deadlines.remove_at(0);
            // SAFETY: by the invariant the handle is that of a live element, which is not changed before it is taken
            // out, and not freed before `element` is dropped.
            let name = unsafe { ElementRef::from_raw(handle.0) }.key();
            let element = self.members.remove(name);
            if self.deadlines.as_ref().is_some_and(|deadlines| deadlines.len() == 0) {
                self.deadlines = None;
            }
            if let Some(element) = element {
                visit(element.get().into());
                free(self.members.core(), element);
            }
            removed += 1;
        }
        removed
    }

    /// Brings `deadlines` in line after an element went from one handle and deadline to others.
    fn relink(&mut self, old: (Handle, Option<i64>), new: (Handle, Option<i64>)) {
        if old == new {
            return;
        }
        if let (handle, Some(deadline_ms)) = old
            && let Some(deadlines) = &mut self.deadlines
        {
            let sought = (order(deadline_ms), handle);
            let removed = deadlines.remove(|key, handle| (key, handle).cmp(&sought));
            assert!(removed.is_some(), "a field with a deadline stands in the index of those");
            if deadlines.len() == 0 && new.1.is_none() {
                self.deadlines = None;
            }
        }
        if let (handle, Some(deadline_ms)) = new {
            let item = (order(deadline_ms), handle);
            let deadlines = self.deadlines.get_or_insert_default();
            deadlines.insert(item.0, item.1, |key, handle| (key, handle).cmp(&item));
        }
    }

    /// All fields, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        self.members.iter().map(Field::from)
    }

    /// A random field, each nearly as likely as any other.
    pub fn random(&self, random: &mut Random) -> Option<Field<'_>> {
        self.members.random(random).map(Field::from)
    }

    /// `count` different random fields, in no order; all if there are no more.
    pub fn random_distinct(&self, count: usize, random: &mut Random) -> Vec<Field<'_>> {
        self.members.random_distinct(count, random).into_iter().map(Field::from).collect()
    }

    /// Visits a part of the fields and returns the cursor of the next part; 0 starts, and 0 is returned after the last
    /// part. A field that stays in the map all the while is visited at least once, whatever else happens to the map.
    pub fn scan<'a>(&'a self, cursor: u64, visit: &mut dyn FnMut(Field<'a>)) -> u64 {
        self.members.scan(cursor, &mut |element| visit(element.into()))
    }

    /// Goes on with the growing or shrinking of the table by up to `chains` chains. True if there is more to do.
    pub fn rehash(&mut self, chains: usize) -> bool {
        self.members.rehash(chains)
    }

    /// Buckets of the table: of the one in use, and of the one that replaces it (0 unless it grows or shrinks).
    pub fn buckets(&self) -> (usize, usize) {
        self.members.buckets()
    }

    /// The state of the table: of its array in use, and of the one that replaces it.
    pub fn shapes(&self) -> [TableShape; 2] {
        self.members.shapes()
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        let index = |deadlines: &Tree<Handle>| size_of_val(deadlines) + deadlines.bytes();
        size_of::<FieldMap>() + self.members.memory() + self.deadlines.as_deref().map_or(0, index)
    }

    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    pub(crate) fn members_mut(&mut self) -> &mut Members {
        &mut self.members
    }

    /// For [`Store::free_later`]: frees the map in pieces on the store's thread.
    pub fn into_garbage(self) -> Garbage {
        Garbage::members(self.members, self.deadlines.map(|deadlines| *deadlines))
    }
}
