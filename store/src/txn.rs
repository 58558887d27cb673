//! One unit's view of the shards it has locked, and how it finds keys in them.

use crate::clock::{self, Clock};
use crate::effects::{Effects, EventClass, Reason, Removal};
use crate::error::Error;
use crate::free::Core;
use crate::random::Random;
use crate::raw::entry::Entry;
use crate::raw::keys::{EntryMut, Found, Vacant};
use crate::settings::Settings;
use crate::shard::Shard;
use crate::stats::{Counters, count};
use crate::store::{Key, Store};
use crate::sync::Guard;
use std::sync::atomic::Ordering::Relaxed;

/// What becomes of a key whose deadline has passed when a command meets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expired {
    /// It is removed, and the removal recorded: on a primary.
    #[default]
    Remove,
    /// It is kept but not seen by reads (writes remove it): on a replica, which waits for its primary's deletion.
    Hide,
    /// It is seen as if alive: commands from the primary, loading.
    Show,
}

/// How a transaction looks at keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Whether access clocks are left alone.
    pub no_touch: bool,
    /// What becomes of expired keys.
    pub expired: Expired,
}

/// Shards that are locked.
pub(crate) trait Locked {
    fn shard(&mut self, number: usize) -> Option<&mut Shard>;

    /// A shard that [`shard`](Locked::shard) has given before.
    fn held(&self, number: usize) -> Option<&Shard>;

    /// A shard of whose database `db` keys are looked up.
    fn shard_for(&mut self, number: usize, db: usize) -> Option<&mut Shard> {
        let _ = db;
        self.shard(number)
    }

    /// To be called before tables of keys are exchanged or emptied. Errs if they must not be.
    fn before_tables_move(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl Locked for Guard<'_, Shard> {
    fn shard(&mut self, number: usize) -> Option<&mut Shard> {
        Guard::shard(self, number)
    }

    fn held(&self, number: usize) -> Option<&Shard> {
        Guard::held(self, number)
    }
}

/// One command's (transaction's, script's) view of the shards it has locked, at one frozen moment.
pub struct Txn<'t> {
    store: &'t Store,
    shards: &'t mut dyn Locked,
    effects: &'t mut Effects,
    now_ms: i64,
    touch: Touch,
    access: Access,
}

/// All of a [`Txn`] but its shards.
pub(crate) struct Frame<'t> {
    store: &'t Store,
    effects: &'t mut Effects,
    now_ms: i64,
    touch: Touch,
    access: Access,
}

impl Frame<'_> {
    pub(crate) fn txn<'a>(&'a mut self, shards: &'a mut dyn Locked) -> Txn<'a> {
        let Frame { store, effects, now_ms, touch, access } = self;
        Txn { store, shards, effects, now_ms: *now_ms, touch: *touch, access: *access }
    }
}

/// How an access changes the 24 access bits.
#[derive(Clone, Copy)]
enum Touch {
    Lru(u32),
    Lfu { log_factor: u32, decay_minutes: u32 },
}

impl<'t> Txn<'t> {
    /// A view of the shards that `guard` holds. The frozen time is `clock`'s, or the latest that any earlier
    /// transaction has seen.
    pub fn new(
        store: &'t Store,
        guard: &'t mut Guard<'_, Shard>,
        clock: Clock,
        effects: &'t mut Effects,
        access: Access,
    ) -> Txn<'t> {
        let now_ms = store.advance(clock.now_ms);
        let settings = store.settings();
        let touch = if settings.policy().is_lfu() {
            Touch::Lfu {
                log_factor: settings.lfu_log_factor.load(Relaxed),
                decay_minutes: settings.lfu_decay_time.load(Relaxed),
            }
        } else {
            Touch::Lru(clock::lru_at(now_ms))
        };
        Txn { store, shards: guard, effects, now_ms, touch, access }
    }

    /// The same view at the same moment, for a part of what is done with it.
    pub fn part(&mut self) -> Txn<'_> {
        Txn {
            store: self.store,
            shards: &mut *self.shards,
            effects: &mut *self.effects,
            now_ms: self.now_ms,
            touch: self.touch,
            access: self.access,
        }
    }

    /// The view without its shards, which come beside.
    pub(crate) fn split(self) -> (&'t mut dyn Locked, Frame<'t>) {
        let Txn { store, shards, effects, now_ms, touch, access } = self;
        (shards, Frame { store, effects, now_ms, touch, access })
    }

    /// To be called before tables of keys are exchanged or emptied. Errs with `NotKept` if what there was must be kept.
    pub(crate) fn before_tables_move(&mut self) -> Result<(), Error> {
        self.shards.before_tables_move()
    }

    /// See [`Shard::attached`]. Errs if the shard is not locked.
    pub fn attached<T: Default + Send + Sync + 'static>(&mut self, shard: usize) -> Result<&mut T, Error> {
        Ok(self.shard(shard)?.0.attached())
    }

    /// The frozen time, ms since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// The store.
    pub fn store(&self) -> &'t Store {
        self.store
    }

    /// The tunables.
    pub fn settings(&self) -> &'t Settings {
        self.store.settings()
    }

    /// What was recorded so far.
    pub fn effects(&mut self) -> &mut Effects {
        self.effects
    }

    /// How keys are looked at.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Changes how keys are looked at.
    pub fn set_access(&mut self, access: Access) {
        self.access = access;
    }

    /// A locked shard, with the effects beside it.
    pub(crate) fn shard(&mut self, number: usize) -> Result<(&mut Shard, &mut Effects), Error> {
        let shard = self.shards.shard(number).ok_or(Error::NotLocked)?;
        Ok((shard, self.effects))
    }

    /// A locked shard that this unit has looked into before.
    pub(crate) fn held(&self, number: usize) -> Option<&Shard> {
        self.shards.held(number)
    }

    #[inline(always)]
    fn look(&mut self, db: usize, key: &Key<'_>) -> Result<(Found<'_>, Around<'_>), Error> {
        let shard = self.shards.shard_for(key.shard(), db).ok_or(Error::NotLocked)?;
        let Shard { databases, random, .. } = shard;
        let keys = databases.get_mut(db).ok_or(Error::OutOfRange)?;
        let around = Around {
            core: &self.store.core,
            counters: self.store.counters(key.shard()),
            effects: self.effects,
            random,
            now_ms: self.now_ms,
            touch: self.touch,
            db,
        };
        Ok((keys.find(key.hash(), key.bytes()), around))
    }

    /// Looks a key up for a read: counts a hit or miss, touches the entry.
    #[inline(always)]
    pub(crate) fn read(&mut self, db: usize, key: &Key<'_>) -> Result<Option<EntryMut<'_>>, Error> {
        Ok(self.read_with(db, key)?.map(|(entry, _)| entry))
    }

    /// As [`read`](Txn::read), with what is around the entry.
    #[inline(always)]
    pub(crate) fn read_with(&mut self, db: usize, key: &Key<'_>) -> Result<Option<(EntryMut<'_>, Around<'_>)>, Error> {
        let found = self.peek(db, key)?;
        Ok(match found {
            (Some(entry), around) => {
                count(&around.counters.hits);
                Some((entry, around))
            }
            (None, around) => {
                count(&around.counters.misses);
                around.effects.event(EventClass::KeyMiss, "keymiss", db, key.bytes());
                None
            }
        })
    }

    /// Looks a key up for a read that is not counted, but touches the entry.
    #[inline(always)]
    pub(crate) fn peek(&mut self, db: usize, key: &Key<'_>) -> Result<(Option<EntryMut<'_>>, Around<'_>), Error> {
        let access = self.access;
        let (found, mut around) = self.look(db, key)?;
        let Found::Occupied(mut entry) = found else { return Ok((None, around)) };
        if access.expired != Expired::Show && around.is_expired(&entry) {
            if access.expired == Expired::Remove {
                around.expire(entry);
            }
            return Ok((None, around));
        }
        if !access.no_touch {
            around.touch(&mut entry);
        }
        Ok((Some(entry), around))
    }

    /// Looks a key up for a write: an expired entry is removed first, a live one is touched.
    // By itself the compiler finds it a little too big: its large result then goes through memory, at 34 instructions a SET.
    #[inline(always)]
    pub(crate) fn write(&mut self, db: usize, key: &Key<'_>) -> Result<(Found<'_>, Around<'_>), Error> {
        let access = self.access;
        let (found, mut around) = self.look(db, key)?;
        let Found::Occupied(mut entry) = found else { return Ok((found, around)) };
        if access.expired != Expired::Show && around.is_expired(&entry) {
            let vacant = around.expire(entry);
            return Ok((Found::Vacant(vacant), around));
        }
        if !access.no_touch {
            around.touch(&mut entry);
        }
        Ok((Found::Occupied(entry), around))
    }

    /// Looks a key up that this operation has looked up before: nothing expires and nothing is touched.
    pub(crate) fn find(&mut self, db: usize, key: &Key<'_>) -> Result<(Found<'_>, Around<'_>), Error> {
        self.look(db, key)
    }

    /// As [`find`](Txn::find), for a key that exists.
    pub(crate) fn find_existing(
        &mut self,
        db: usize,
        key: &Key<'_>,
    ) -> Result<Option<(EntryMut<'_>, Around<'_>)>, Error> {
        Ok(match self.look(db, key)? {
            (Found::Occupied(entry), around) => Some((entry, around)),
            (Found::Vacant(_), _) => None,
        })
    }

    /// Looks a key up for a write that follows with [`find`](Txn::find).
    pub(crate) fn peek_write(&mut self, db: usize, key: &Key<'_>) -> Result<Option<EntryMut<'_>>, Error> {
        Ok(self.write_existing(db, key)?.map(|(entry, _)| entry))
    }

    /// Looks up a key that must exist for the write to do anything.
    pub(crate) fn write_existing(
        &mut self,
        db: usize,
        key: &Key<'_>,
    ) -> Result<Option<(EntryMut<'_>, Around<'_>)>, Error> {
        Ok(match self.write(db, key)? {
            (Found::Occupied(entry), around) => Some((entry, around)),
            (Found::Vacant(_), _) => None,
        })
    }
}

/// What an operation needs beside the entry it works on.
pub(crate) struct Around<'a> {
    pub(crate) core: &'a Core,
    pub(crate) counters: &'a Counters,
    pub(crate) effects: &'a mut Effects,
    pub(crate) random: &'a mut Random,
    pub(crate) now_ms: i64,
    touch: Touch,
    db: usize,
}

impl<'a> Around<'a> {
    /// The database.
    pub(crate) fn db(&self) -> usize {
        self.db
    }

    /// Whether the entry's deadline has passed.
    #[inline]
    pub(crate) fn is_expired(&self, entry: &Entry) -> bool {
        entry.deadline().is_some_and(|deadline| self.now_ms > deadline)
    }

    /// Removes an expired entry and records that.
    #[cold]
    pub(crate) fn expire<'k>(&mut self, entry: EntryMut<'k>) -> Vacant<'k> {
        count(&self.counters.expired);
        self.vanish(entry, Reason::Expired, EventClass::Expired, "expired")
    }

    /// Removes an entry to make room and records that.
    pub(crate) fn evict(&mut self, entry: EntryMut<'_>) {
        count(&self.counters.evicted);
        self.vanish(entry, Reason::Evicted, EventClass::Evicted, "evicted");
    }

    fn vanish<'k>(
        &mut self,
        entry: EntryMut<'k>,
        reason: Reason,
        class: EventClass,
        event: &'static str,
    ) -> Vacant<'k> {
        let (entry, vacant) = entry.remove();
        self.effects.event(class, event, self.db, entry.key());
        self.effects.touched(self.db, entry.key());
        self.effects.removals.push(Removal { db: self.db, key: entry.key().into(), reason });
        self.core.entry(entry);
        vacant
    }

    #[inline]
    fn touch(&mut self, entry: &mut EntryMut<'_>) {
        let old = entry.access();
        let new = match self.touch {
            Touch::Lru(now) => now,
            Touch::Lfu { log_factor, decay_minutes } => {
                let counter = clock::lfu_decayed(old, self.now_ms, decay_minutes);
                clock::lfu_bits(self.now_ms, clock::lfu_grown(counter, log_factor, self.random))
            }
        };
        if new != old {
            entry.set_access(new);
        }
    }

    /// The access bits of a new entry.
    pub(crate) fn initial_access(&self) -> u32 {
        match self.touch {
            Touch::Lru(now) => now,
            Touch::Lfu { .. } => clock::lfu_bits(self.now_ms, clock::LFU_INITIAL),
        }
    }

    /// Records that a key was created.
    pub(crate) fn created(&mut self, key: &[u8]) {
        self.effects.event(EventClass::New, "new", self.db, key);
    }

    /// Records an event alone.
    pub(crate) fn event(&mut self, key: &[u8], class: EventClass, event: &'static str) {
        self.effects.event(class, event, self.db, key);
    }

    /// Records a change of a key, with its event.
    pub(crate) fn changed(&mut self, key: &[u8], class: EventClass, event: &'static str) {
        self.effects.dirty += 1;
        self.effects.touched(self.db, key);
        self.effects.event(class, event, self.db, key);
    }
}
