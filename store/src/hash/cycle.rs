//! The part of the active expiry cycle that removes fields.
//!
//! Hashes with deadlines stand in an order by the earliest of them, so that nothing is looked for: while the first of
//! a shard has passed, its fields are removed, a few under each lock.

use super::value::Hash;
use crate::clock::Clock;
use crate::effects::{Effects, EventClass, ExpiredFields};
use crate::error::Error;
use crate::expire::CycleKind;
use crate::raw::keys::EntryMut;
use crate::shard::Shard;
use crate::stats::count_many;
use crate::store::Member;
use crate::sync::{Guard, ShardSet};
use crate::txn::{Access, Around, Txn};
use std::sync::atomic::Ordering::Relaxed;

/// Fields removed under one lock.
const FIELDS_PER_LOCK: usize = 64;

/// Where the removal of fields goes on.
#[derive(Debug, Default)]
pub(crate) struct FieldCycle {
    /// Shard and database at which the time was over.
    unfinished: Option<(usize, usize)>,
}

impl FieldCycle {
    /// Whether the last cycle ended because its time was over.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.unfinished.is_some()
    }

    /// Runs a cycle over `shards` and returns the number of fields removed. A fast one only goes on with what the one
    /// before did not finish. As [`ExpireCycle::run`](crate::expire::ExpireCycle::run).
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn run(
        &mut self,
        member: &Member,
        shards: impl Iterator<Item = usize> + Clone,
        clock: Clock,
        kind: CycleKind,
        effects: &mut Effects,
        out_of_time: &mut dyn FnMut() -> bool,
        commit: &mut dyn FnMut(&mut Guard<'_, Shard>, &mut Effects),
    ) -> u64 {
        if kind == CycleKind::Fast && self.unfinished.is_none() {
            return 0;
        }
        let store = member.store();
        let now_ms = store.advance(clock.now_ms);
        let places = shards.flat_map(|shard| (0..store.databases()).map(move |db| (shard, db)));
        // Those before the place where the time was over come last.
        let from = self.unfinished.take().unwrap_or_default();
        let order = places.clone().filter(|place| *place >= from).chain(places.filter(|place| *place < from));
        let mut removed = 0;
        for (shard, db) in order {
            while store.hint(shard, db).next_field_ms.load(Relaxed) < now_ms {
                let Some(fields) = remove_some(member, shard, db, clock, effects, commit) else { break };
                removed += fields as u64;
                if out_of_time() {
                    self.unfinished = Some((shard, db));
                    return removed;
                }
            }
        }
        removed
    }
}

/// Removes expired fields of the hash whose field expires first. `None` if it is locked, or nothing has expired.
fn remove_some(
    member: &Member,
    shard: usize,
    db: usize,
    clock: Clock,
    effects: &mut Effects,
    commit: &mut dyn FnMut(&mut Guard<'_, Shard>, &mut Effects),
) -> Option<usize> {
    let store = member.store();
    let mut guard = member.party().enter().and_then(|slice| slice.try_lock(ShardSet::one(shard)))?;
    let mut txn = Txn::new(store, &mut guard, clock, effects, Access::default());
    let removed = remove_locked(&mut txn, shard, db).unwrap_or_default();
    if removed > 0 {
        commit(&mut guard, effects);
    }
    (removed > 0).then_some(removed)
}

fn remove_locked(txn: &mut Txn<'_>, shard: usize, db: usize) -> Result<usize, Error> {
    let (now_ms, store) = (txn.now_ms(), txn.store());
    let (data, _) = txn.shard(shard)?;
    let keys = data.databases.get(db).ok_or(Error::OutOfRange)?;
    let Some((_, entry)) = keys.next_field().filter(|(deadline_ms, _)| now_ms > *deadline_ms) else { return Ok(0) };
    let key = entry.key().to_vec();
    if data.pins.has(db, &key) {
        return Ok(0);
    }
    let Some((entry, around)) = txn.find_existing(db, &store.key(&key))? else { return Ok(0) };
    Ok(remove_from(entry, around))
}

fn remove_from(mut entry: EntryMut<'_>, around: Around<'_>) -> usize {
    let Some(Hash::Table(table)) = entry.get_mut::<Hash>() else { return 0 };
    let mut fields = Vec::new();
    // What expires at this very moment is still there.
    let before_ms = around.now_ms.saturating_sub(1);
    let removed = table.remove_expired(before_ms, FIELDS_PER_LOCK, &mut |field| fields.push(field.name.into()));
    let empty = table.is_empty();
    entry.update_fields();
    let (core, db, effects) = (around.core, around.db(), around.effects);
    count_many(&around.counters.expired_fields, removed);
    effects.event(EventClass::Hash, "hexpired", db, entry.key());
    effects.touched(db, entry.key());
    effects.expired_fields.push(ExpiredFields { db, key: entry.key().into(), fields });
    if empty {
        let (entry, _) = entry.remove();
        effects.event(EventClass::Generic, "del", db, entry.key());
        core.entry(entry);
    }
    removed
}
