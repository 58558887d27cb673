//! Setting fields of a hash that is open for changes.

use super::value::{Found, Hash, find_pair, is_over};
use crate::collection::FieldMap;
use crate::effects::EventClass;
use crate::listpack::{EMPTY_BYTES, Position};
use crate::open::{Fresh, Open};
use crate::raw::block::PackedBox;
use crate::raw::entry::Str;
use crate::settings::PackLimits;
use crate::stats::count_many;
use crate::store::Store;
use std::sync::atomic::Ordering::Relaxed;

/// What becomes of the deadline of a field that is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldExpiry {
    /// It has none from now on.
    #[default]
    Clear,
    /// It stays as it is.
    Keep,
    /// It is set, in ms since the Unix epoch.
    At(i64),
}

/// Sets fields of one hash.
pub(super) struct Writer<'h> {
    hash: &'h mut Hash,
    store: &'h Store,
    limits: PackLimits,
    now_ms: i64,
    /// The field of the listpack that follows the one set last.
    next: Option<Position>,
    /// Fields that were set although their deadline had passed: they count as removed and made anew.
    pub(super) expired: usize,
}

impl<'h> Writer<'h> {
    /// For a hash of which deadlines before `now_ms` have passed.
    #[inline]
    pub(super) fn new(hash: &'h mut Hash, store: &'h Store, now_ms: i64) -> Writer<'h> {
        let limits = store.settings().hash_listpack.limits();
        Writer { hash, store, limits, now_ms, next: None, expired: 0 }
    }

    /// Makes the hash a table if so many fields are set at once that it will be one anyway.
    pub(super) fn expect(&mut self, fields: usize) {
        if fields > self.limits.entries && self.store.settings().hash_presized.load(Relaxed) {
            self.hash.table(self.store, fields);
        }
    }

    /// What stands in a field, which is quickly found again by [`put`](Writer::put).
    #[inline]
    pub(super) fn get(&mut self, name: &[u8]) -> Option<Found<'_>> {
        let Hash::Pack(pack) = &*self.hash else { return self.hash.get(name, self.now_ms) };
        let (field, value) = find_pair(pack.view(), name, self.next)?;
        self.next = Some(field);
        Some(Found { value: pack.view().get(value), deadline_ms: None })
    }

    /// Sets a field. True if it is new.
    #[inline]
    pub(super) fn put(&mut self, name: &[u8], value: Str<'_>, expiry: FieldExpiry) -> bool {
        if let Hash::Pack(pack) = self.hash {
            let longest = name.len().max(if let Str::Bytes(bytes) = value { bytes.len() } else { value.len() });
            let fits = longest <= self.limits.value && pack.fits(name.len().saturating_add(value.len()));
            if fits && !matches!(expiry, FieldExpiry::At(_)) {
                return self.put_packed(name, value);
            }
        }
        let mut space = itoa::Buffer::new();
        let (value, now_ms) = (value.as_bytes(&mut space), self.now_ms);
        let old = self.hash.table(self.store, 0).set_with(name, value, |old| match expiry {
            FieldExpiry::Clear => None,
            FieldExpiry::At(at_ms) => Some(at_ms),
            FieldExpiry::Keep => old.and_then(|old| old.deadline_ms).filter(|at_ms| !is_over(Some(*at_ms), now_ms)),
        });
        match old {
            None => true,
            Some(deadline_ms) => {
                let expired = is_over(deadline_ms, now_ms);
                self.expired += usize::from(expired);
                expired
            }
        }
    }

    fn put_packed(&mut self, name: &[u8], value: Str<'_>) -> bool {
        let Hash::Pack(pack) = self.hash else { return false };
        if let Some((_, at)) = find_pair(pack.view(), name, self.next) {
            pack.replace(at, value);
            self.next = pack.view().next(at);
            self.heed_limit();
            return false;
        }
        pack.append_pair(Str::Bytes(name), value);
        self.next = None;
        self.heed_limit();
        true
    }

    /// Makes the hash a table if it has too many fields: also when none was added, since the limit may have been lowered.
    #[inline]
    fn heed_limit(&mut self) {
        if let Hash::Pack(pack) = &*self.hash
            && pack.len() / 2 > self.limits.entries
        {
            self.next = None;
            self.hash.table(self.store, 0);
        }
    }
}

/// A hash for `pairs`, which come next.
pub(super) fn new_hash<'p>(store: &Store, pairs: impl Iterator<Item = (&'p [u8], &'p [u8])>) -> Fresh<Hash> {
    let limits = store.settings().hash_listpack.limits();
    // A byte of encoding and one of the length backwards each; header and end.
    let (mut bytes, mut fields, mut packed) = (7usize, 0, true);
    for (name, value) in pairs {
        packed &= name.len() <= limits.value && value.len() <= limits.value;
        bytes = bytes.saturating_add(name.len() + value.len() + 4);
        fields += 1;
    }
    if packed && fields <= limits.entries {
        return Fresh::Pack(bytes);
    }
    if packed && !store.settings().hash_presized.load(Relaxed) {
        return Fresh::Pack(EMPTY_BYTES);
    }
    let mut table = FieldMap::new(store);
    table.reserve(fields);
    Fresh::Value(Hash::Table(PackedBox::new(table)))
}

/// Ends a change of `changes` fields with its event, after the one about fields that had expired before they were set.
pub(super) fn finish(open: &mut Open<'_, Hash>, changes: usize, expired: usize, event: &'static str) {
    open.update_fields();
    if expired > 0 {
        count_many(&open.parts().1.counters.expired_fields, expired);
        open.event(EventClass::Hash, "hexpired");
    }
    open.changed(EventClass::Hash, event);
    open.parts().1.effects.dirty += changes.saturating_sub(1) as u64;
}
