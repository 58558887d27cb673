//! A hash table of entry pointers that grows and shrinks a few buckets at a time.
//!
//! While it is rehashed there are two arrays. A key is in exactly one of them: in the next one if its bucket of the
//! current one lies before `moved`, in the current one otherwise. So every look-up touches one chain.
//!
//! The table does not own the entries: its user ([`Keys`](super::keys::Keys), [`Members`](super::members::Members)) does.

mod draw;
mod shape;

pub use shape::TableShape;

use super::array::{Array, Owner};
use super::bucket::{Bucket, tag_of};
use super::hint::{Hint, Retired, prefetch, prefetch_small};
use crate::free::Core;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Entries a bucket on average, times ten, below which the table shrinks.
const FILL_MIN_TENTHS: usize = 10;
/// By how much a table must be too large or too small to be rehashed while [`Core::tables_are_held`] says that it should not.
const EXTREME: usize = 5;
/// How many buckets before it is visited the entries of a bucket are asked for.
const PREFETCH_BUCKETS: usize = 3;
/// Chains of which the entries are asked for at the end of a rehash step: as many as an insertion moves.
const PREFETCH_CHAINS: usize = 2;
/// Empty buckets passed for each bucket that a rehash step may move.
const EMPTY_PER_STEP: usize = 10;

/// Where an entry pointer stands. Valid until the table changes.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    bucket: NonNull<Bucket>,
    index: usize,
}

/// What a table's pointers lead to.
pub(super) trait Keyed {
    /// The bytes that are hashed. They must stay the same as long as the pointer is in the table.
    ///
    /// # Safety
    /// `raw` leads to a live entry of this kind, which stays alive and unchanged for 'a.
    unsafe fn key_of<'a>(raw: *mut u8) -> &'a [u8];
}

pub(super) struct Table<K: Keyed> {
    current: Array,
    next: Array,
    /// Buckets of `current` whose chains are in `next` already; 0 unless rehashing.
    moved: usize,
    len: usize,
    core: Arc<Core>,
    /// Index of the hint where the arrays are published.
    hint: Option<usize>,
    role: Role,
    /// Buckets that the longest chain of either array has had so far.
    deepest: [u16; 2],
    keyed: PhantomData<fn(K)>,
}

/// What a table is to its database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Owns the entries; its arrays are published for prefetching.
    Main,
    /// Points to the entries with a deadline; only the size of its arrays is published.
    Volatile,
    /// Part of one value; never published.
    Private,
}

// SAFETY: the table is an owner of memory reached by no other path, except for prefetching (see `hint`).
unsafe impl<K: Keyed> Send for Table<K> {}

impl<K: Keyed> Table<K> {
    pub(super) fn new(core: Arc<Core>, role: Role, hint: Option<usize>) -> Table<K> {
        let (current, next) = (Array::EMPTY, Array::EMPTY);
        Table { current, next, moved: 0, len: 0, core, hint, role, deepest: [1; 2], keyed: PhantomData }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of the bucket arrays.
    pub(super) fn bytes(&self) -> usize {
        self.current.bytes() + self.next.bytes()
    }

    /// Buckets in the current and the next array.
    pub(super) fn buckets(&self) -> (usize, usize) {
        (self.current.buckets(), self.next.buckets())
    }

    pub(super) fn is_rehashing(&self) -> bool {
        self.next.buckets() != 0
    }

    /// The hint where the arrays are published.
    pub(super) fn hint(&self) -> Option<&Hint> {
        self.hint.map(|index| self.core.hints.get(index))
    }

    /// Changes where the arrays are published, and publishes them.
    pub(super) fn set_hint(&mut self, hint: Option<usize>) -> Option<usize> {
        let old = std::mem::replace(&mut self.hint, hint);
        self.publish();
        old
    }

    fn publish(&self) {
        let Some(hint) = self.hint() else { return };
        match self.role {
            Role::Main => hint.publish(&self.current, &self.next),
            Role::Volatile => hint.volatile_bytes.store(self.bytes(), Relaxed),
            Role::Private => {}
        }
    }

    /// The first bucket of the chain where `hash` belongs.
    #[inline]
    fn home(&self, hash: u64) -> Option<&Bucket> {
        if self.current.buckets() == 0 {
            return None;
        }
        Some(if self.is_moved(hash) { self.next.bucket(hash as usize) } else { self.current.bucket(hash as usize) })
    }

    /// Whether `hash` belongs in the next array; only for tables that have buckets.
    #[inline]
    fn is_moved(&self, hash: u64) -> bool {
        (hash as usize & (self.current.buckets() - 1)) < self.moved
    }

    /// The entry with this hash for which `is` holds.
    #[inline(always)]
    pub(super) fn find(&self, hash: u64, mut is: impl FnMut(*mut u8) -> bool) -> Option<Slot> {
        let mut bucket = self.home(hash)?;
        loop {
            if let Some(index) = bucket.find(tag_of(hash), &mut is) {
                return Some(Slot { bucket: NonNull::from(bucket), index });
            }
            bucket = bucket.child()?;
        }
    }

    /// The pointer in a slot.
    ///
    /// # Safety
    /// The slot came from this table, which has not changed since.
    pub(super) unsafe fn get(&self, slot: Slot) -> *mut u8 {
        // SAFETY: the bucket is alive as long as the table does not change.
        unsafe { slot.bucket.as_ref() }.get(slot.index)
    }

    /// Exchanges the pointer in a slot for one with the same hash.
    ///
    /// # Safety
    /// The slot came from this table, which has not changed since.
    pub(super) unsafe fn replace(&mut self, slot: Slot, entry: *mut u8) {
        // SAFETY: as in get().
        unsafe { slot.bucket.as_ref() }.replace(slot.index, entry);
    }

    /// Adds an entry whose key is not in the table.
    pub(super) fn insert(&mut self, hash: u64, entry: *mut u8) -> Slot {
        if self.is_rehashing() {
            self.rehash_step(2);
        } else {
            self.resize_if_needed();
        }
        self.len += 1;
        let array = usize::from(self.is_moved(hash));
        // resize_if_needed() gives an empty table a first bucket.
        let home = self.home(hash).expect("a table that was just sized has buckets");
        let (slot, depth) = add_to_chain(home, tag_of(hash), entry);
        self.deepest[array] = self.deepest[array].max(depth);
        slot
    }

    /// Takes the entry in a slot out.
    ///
    /// # Safety
    /// The slot came from this table for `hash`, and the table has not changed since.
    pub(super) unsafe fn remove(&mut self, hash: u64, slot: Slot) {
        self.len -= 1;
        let home = self.home(hash).expect("a slot came from a bucket");
        let mut parent = None;
        let mut last = home;
        while let Some(child) = last.child() {
            parent = Some(last);
            last = child;
        }
        // SAFETY: the bucket is alive as long as the table does not change.
        let bucket = unsafe { slot.bucket.as_ref() };
        bucket.clear(slot.index);
        // Fills the hole from the chain's end, so that chains do not stay longer than they need.
        if let Some(parent) = parent {
            let taken = last.taken();
            if !std::ptr::eq(bucket, last) && taken != 0 {
                let from = taken.trailing_zeros() as usize;
                bucket.put(slot.index, last.tag(from), last.get(from));
                last.clear(from);
            }
            if last.taken() == 0 {
                // SAFETY: `last` is the end of the chain and no reference to it is used below.
                unsafe { parent.drop_child() };
            }
        }
        if self.is_rehashing() {
            self.rehash_step(1);
        } else {
            self.shrink_if_needed();
        }
    }

    fn resize_if_needed(&mut self) {
        let buckets = self.current.buckets();
        if buckets == 0 {
            self.current = self.new_array(0);
            self.publish();
        } else if (self.len + 1) * 10 > buckets * self.core.bucket_fill_tenths() {
            self.grow();
        }
    }

    #[cold]
    fn grow(&mut self) {
        let buckets = self.current.buckets();
        if !self.core.tables_are_held() || self.overflows(&self.current) {
            self.start_rehash(buckets.trailing_zeros() + 1);
        }
    }

    fn shrink_if_needed(&mut self) {
        let buckets = self.current.buckets();
        if buckets > 1 && self.len * 10 < buckets * FILL_MIN_TENTHS && !self.core.tables_are_held() {
            // Leaves the table at most about half full.
            let wanted = (self.len / 3).max(1).next_power_of_two();
            if wanted < buckets {
                self.start_rehash(wanted.trailing_zeros());
            }
        }
    }

    /// Whether the array holds so much less than all entries that it must be replaced in any case.
    fn overflows(&self, array: &Array) -> bool {
        self.len / EXTREME > self.capacity(array)
    }

    /// How many entries the array is meant for.
    fn capacity(&self, array: &Array) -> usize {
        array.buckets() * self.core.bucket_fill_tenths() / 10
    }

    /// Whether a rehash that was begun has to rest.
    fn rests(&self) -> bool {
        let (from, to) = (self.current.buckets(), self.next.buckets());
        let is_extreme = from.max(to) / from.min(to).max(1) >= EXTREME || self.overflows(&self.current);
        self.core.tables_are_held() && !is_extreme
    }

    /// Gives a table that never had an entry as many buckets as it would have with `len` entries.
    pub(super) fn reserve(&mut self, len: usize) {
        if self.current.buckets() == 0 && len > 0 {
            let buckets = (len.saturating_mul(10) / self.core.bucket_fill_tenths() + 1).next_power_of_two();
            self.current = self.new_array(buckets.trailing_zeros());
            self.publish();
        }
    }

    fn new_array(&self, bits: u32) -> Array {
        let owner = if self.role == Role::Private { Owner::Value } else { Owner::Database };
        let array = Array::new(bits, owner);
        self.core.mapped(array.mapped_bytes());
        array
    }

    fn start_rehash(&mut self, bits: u32) {
        self.next = self.new_array(bits);
        self.moved = 0;
        self.publish();
        self.rehash_step(1);
    }

    /// Moves up to `count` chains, and passes some empty ones. True if there is more to do now.
    pub(super) fn rehash_step(&mut self, count: usize) -> bool {
        if !self.is_rehashing() || self.rests() {
            return false;
        }
        let mut chains = count;
        let mut visits = count.saturating_mul(EMPTY_PER_STEP);
        while chains > 0 && visits > 0 && self.moved < self.current.buckets() {
            visits -= 1;
            if self.move_chain(self.moved) {
                chains -= 1;
            }
            self.moved += 1;
        }
        if self.moved < self.current.buckets() {
            // The entries of the next chains are needed for their hashes in the next step.
            let end = (self.moved + count.min(PREFETCH_CHAINS)).min(self.current.buckets());
            for bucket in (self.moved..end).map(|at| self.current.bucket(at)) {
                bits(bucket.taken()).for_each(|index| prefetch(bucket.get(index)));
            }
            return true;
        }
        let next = std::mem::replace(&mut self.next, Array::EMPTY);
        let old = std::mem::replace(&mut self.current, next);
        self.moved = 0;
        self.deepest = [self.deepest[1], 1];
        self.publish();
        self.retire(old);
        false
    }

    /// Moves the chain of bucket `index` of the current array to the next array. False if it was empty.
    fn move_chain(&mut self, index: usize) -> bool {
        let home = self.current.bucket(index);
        // A chain has at least one bucket.
        let mut deepest = 0;
        drain_chain(home, &mut |entry| {
            // SAFETY: the table holds pointers to live entries.
            let hash = self.core.hash(unsafe { K::key_of(entry) });
            let (_, depth) = add_to_chain(self.next.bucket(hash as usize), tag_of(hash), entry);
            deepest = deepest.max(depth);
        });
        self.deepest[1] = self.deepest[1].max(deepest);
        deepest > 0
    }

    fn retire(&self, array: Array) {
        if self.role == Role::Private && array.mapped_bytes() == 0 {
            // SAFETY: never published, and the table has given it up: nobody else has seen it. Small, and the counter of
            // mapped bytes (which the thread corrects for the others) does not know of it.
            unsafe { array.free() };
        } else if array.buckets() != 0 {
            self.core.retire(Retired::new(array, self.core.hints.clone()));
        }
    }

    /// Visits the entries of a part of the table and returns the cursor of the next part; 0 starts, and 0 is returned
    /// after the last part. An entry that stays in the table from start to end is visited at least once, whatever is
    /// inserted, removed or rehashed between the calls.
    ///
    /// The cursor counts with its bits reversed, below the mask of the smaller array: what a longer mask tells apart
    /// later stands in bits that this order has already fixed (Pieter Noordhuis' algorithm, as in Redis).
    pub(super) fn scan(&self, mut cursor: u64, visit: &mut dyn FnMut(*mut u8)) -> u64 {
        if self.current.buckets() == 0 {
            return 0;
        }
        let (small, large) = if !self.is_rehashing() {
            (&self.current, None)
        } else if self.current.buckets() <= self.next.buckets() {
            (&self.current, Some(&self.next))
        } else {
            (&self.next, Some(&self.current))
        };
        let small_mask = small.buckets() as u64 - 1;
        let Some(large) = large else {
            visit_chain(small.bucket(cursor as usize), visit);
            return reverse_increment(cursor, small_mask);
        };
        let large_mask = large.buckets() as u64 - 1;
        visit_chain(small.bucket(cursor as usize), visit);
        loop {
            visit_chain(large.bucket(cursor as usize), visit);
            cursor = reverse_increment(cursor, large_mask);
            if cursor & (small_mask ^ large_mask) == 0 {
                return cursor;
            }
        }
    }

    /// Has come into the cache what [`scan`](Table::scan) visits soon after the part at `cursor`.
    pub(super) fn prefetch_scan(&self, cursor: u64) {
        const BUCKETS: u64 = 8;
        const ENTRIES: u64 = 4;
        for array in [&self.current, &self.next] {
            if let Some(mask) = (array.buckets() as u64).checked_sub(1) {
                prefetch(std::ptr::from_ref(array.bucket(reverse_add(cursor, BUCKETS, mask) as usize)).cast());
                prefetch_entries(array.bucket(reverse_add(cursor, ENTRIES, mask) as usize));
            }
        }
    }

    /// Visits all entries.
    pub(super) fn for_each(&self, visit: &mut dyn FnMut(*mut u8)) {
        for array in [&self.current, &self.next] {
            for index in 0..array.buckets() {
                prefetch_ahead(array, index);
                visit_chain(array.bucket(index), visit);
            }
        }
    }

    /// All entries.
    pub(super) fn iter(&self) -> Entries<'_> {
        Entries { arrays: [&self.current, &self.next], index: 0, bucket: None, taken: 0 }
    }

    /// Takes out the entries of up to `buckets` buckets from bucket number `from` on, for a table that is only to be
    /// emptied. Returns where to go on, nothing after the last bucket.
    pub(super) fn drain(&mut self, from: usize, buckets: usize, visit: &mut dyn FnMut(*mut u8)) -> Option<usize> {
        let total = self.current.buckets() + self.next.buckets();
        let to = total.min(from.saturating_add(buckets));
        let mut drained = 0;
        for index in from..to {
            let (array, index) = match index.checked_sub(self.current.buckets()) {
                Some(index) => (&self.next, index),
                None => (&self.current, index),
            };
            prefetch_ahead(array, index);
            drain_chain(array.bucket(index), &mut |entry| {
                drained += 1;
                visit(entry);
            });
        }
        self.len -= drained;
        (to < total).then_some(to)
    }

    /// What all tables of the store share.
    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }
}

/// Walks over the entries of a table.
pub(super) struct Entries<'a> {
    arrays: [&'a Array; 2],
    /// The next home bucket, counted over both arrays.
    index: usize,
    bucket: Option<&'a Bucket>,
    /// Slots of `bucket` still to be visited.
    taken: u32,
}

impl Iterator for Entries<'_> {
    type Item = *mut u8;

    fn next(&mut self) -> Option<*mut u8> {
        loop {
            if let Some(bucket) = self.bucket {
                if self.taken != 0 {
                    let slot = self.taken.trailing_zeros() as usize;
                    self.taken &= self.taken - 1;
                    return Some(bucket.get(slot));
                }
                self.bucket = bucket.child();
            }
            if self.bucket.is_none() {
                let [current, next] = self.arrays;
                let (array, index) = match self.index.checked_sub(current.buckets()) {
                    Some(index) => (next, index),
                    None => (current, self.index),
                };
                if index >= array.buckets() {
                    return None;
                }
                self.index += 1;
                self.bucket = Some(array.bucket(index));
                if index + PREFETCH_BUCKETS < array.buckets() {
                    let coming = array.bucket(index + PREFETCH_BUCKETS);
                    bits(coming.taken()).for_each(|slot| prefetch(coming.get(slot)));
                }
            }
            self.taken = self.bucket.map_or(0, Bucket::taken);
        }
    }
}

impl<K: Keyed> Drop for Table<K> {
    fn drop(&mut self) {
        for array in
            [std::mem::replace(&mut self.current, Array::EMPTY), std::mem::replace(&mut self.next, Array::EMPTY)]
        {
            for index in 0..array.buckets() {
                drain_chain(array.bucket(index), &mut |_| ());
            }
            self.retire(array);
        }
    }
}

fn bits(mut set: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let index = (set != 0).then(|| set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(index)
    })
}

/// Puts an entry into the first slot of a chain that is free, and returns which bucket of the chain that is in, from one.
fn add_to_chain(home: &Bucket, tag: u8, entry: *mut u8) -> (Slot, u16) {
    let (mut bucket, mut depth) = (home, 1u16);
    loop {
        if let Some(index) = bucket.vacancy() {
            bucket.put(index, tag, entry);
            return (Slot { bucket: NonNull::from(bucket), index }, depth);
        }
        bucket = match bucket.child() {
            Some(child) => child,
            None => bucket.add_child(),
        };
        depth = depth.saturating_add(1);
    }
}

/// Has the entries of the bucket come into the cache that is visited soon after bucket `index`.
fn prefetch_ahead(array: &Array, index: usize) {
    const BUCKETS: usize = 3;
    prefetch_entries(array.bucket(index + BUCKETS));
}

fn prefetch_entries(bucket: &Bucket) {
    bits(bucket.taken()).for_each(|slot| prefetch_small(bucket.get(slot)));
}

fn visit_chain(home: &Bucket, visit: &mut dyn FnMut(*mut u8)) {
    let mut bucket = Some(home);
    while let Some(this) = bucket {
        for index in bits(this.taken()) {
            visit(this.get(index));
        }
        bucket = this.child();
    }
}

/// Empties a chain and frees its further buckets.
fn drain_chain(home: &Bucket, visit: &mut dyn FnMut(*mut u8)) {
    visit_chain(home, visit);
    // Frees from the end: only a bucket without a child may be freed.
    while home.child().is_some() {
        let mut parent = home;
        while let Some(child) = parent.child() {
            if child.child().is_none() {
                break;
            }
            parent = child;
        }
        // SAFETY: the child has no child, its entries were visited, and no reference to it is kept.
        unsafe { parent.drop_child() };
    }
    home.clear_all();
}

/// Adds one to the bits of `cursor` under `mask`, read from the highest to the lowest.
fn reverse_increment(cursor: u64, mask: u64) -> u64 {
    reverse_add(cursor, 1, mask)
}

/// The same for `summand`.
fn reverse_add(cursor: u64, summand: u64, mask: u64) -> u64 {
    let unit = (!mask).reverse_bits().wrapping_add(1);
    (cursor & mask).reverse_bits().wrapping_add(summand.wrapping_mul(unit)).reverse_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_can_look_ahead() {
        for mask in [0, 1, 7, 0xffff_ffff] {
            let mut cursor = 0;
            for steps in 0..20 {
                assert_eq!(reverse_add(0, steps, mask), cursor, "{steps} steps under {mask:x}");
                cursor = (cursor | !mask).reverse_bits().wrapping_add(1).reverse_bits();
            }
        }
    }
}
