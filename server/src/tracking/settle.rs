//! From what units read and change to what clients are told. All of it happens under the locks of the unit.

use super::hub::Changed;
use super::table::KeyTable;
use crate::args::Argv;
use crate::client::Client;
use crate::command::{Command, Flags, KeyFlags, LockClass, command_keys};
use crate::net::Worker;
use crate::server::Attention;
use ochre_store::sync::{Guard, ShardSet};
use ochre_store::{Access, Effects, Shard, Txn};
use std::rc::Rc;

/// How many keys are forgotten at once while many are too many.
const KEYS_A_TURN: usize = 1000;

/// Tells who has read what a command has changed, and remembers what it has read, if its client tracks that. To be called
/// behind each handler while anybody tracks.
#[cold]
pub(crate) fn after_call(worker: &Worker, client: &Client, command: &Command, argv: Argv<'_>, txn: &mut Txn<'_>) {
    tell_touched(worker, txn, Some(client.id()));
    let reads = command.has(Flags::READONLY) && !matches!(command.spec.lock, LockClass::Script);
    if reads {
        remember(worker, client, command, argv, txn);
    }
}

/// As [`after_call`], for the commands of a script that is over.
#[cold]
pub(crate) fn after_script(worker: &Worker, client: &Client, txn: &mut Txn<'_>) {
    tell_touched(worker, txn, Some(client.id()));
}

/// Remembers that a client has read the keys of a command, if it tracks what it reads.
#[cold]
pub(crate) fn remember(worker: &Worker, client: &Client, command: &Command, argv: Argv<'_>, txn: &mut Txn<'_>) {
    if command.has(Flags::PUBSUB) || !client.tracks.is_some_and(|tracks| tracks.reads()) {
        return;
    }
    let (tracking, store) = (&worker.server.tracking, &worker.server.store);
    let keys_max = keys_max(worker);
    command_keys(command.spec, argv, |position| {
        if position.flags.has(KeyFlags::NOT_KEY) {
            return;
        }
        let key = argv.at(position.index);
        let shard = store.key(key).shard();
        let Ok(table) = txn.attached::<KeyTable>(shard) else { return };
        tracking.count_added(shard, table.add(key, client.id()));
        if tracking.keys() > keys_max {
            // What was added last goes last: there may be others in this shard.
            if table.len() > 1 {
                forget_any(worker, shard, table, 1);
            } else {
                worker.tracking_due.notify_one();
            }
        }
    });
}

/// How many keys may be remembered: none for nobody.
fn keys_max(worker: &Worker) -> usize {
    if worker.server.tracking.clients() == 0 {
        return 0;
    }
    match worker.config().tracking_table_max_keys {
        0 => usize::MAX,
        keys => usize::try_from(keys).unwrap_or(usize::MAX),
    }
}

/// Forgets some keys of a shard and tells who has read them.
fn forget_any(worker: &Worker, shard: usize, table: &mut KeyTable, keys: usize) {
    let tracking = &worker.server.tracking;
    for _ in 0..keys {
        let Some((key, readers)) = table.remove_any(crate::random::number()) else { return };
        tracking.count_removed(shard, 1, readers.len(), table.len());
        tracking.tell_readers(&key, &readers, None);
    }
}

/// Tells who has read what was touched since the last look.
fn tell_touched(worker: &Worker, txn: &mut Txn<'_>, by: Option<u64>) {
    let from = worker.told_touched.get();
    let touched = std::mem::take(&mut txn.effects().touched);
    for (_, key) in touched.get(from..).unwrap_or_default() {
        tell_readers(worker, txn, key, by);
    }
    worker.told_touched.set(touched.len());
    txn.effects().touched = touched;
}

fn tell_readers(worker: &Worker, txn: &mut Txn<'_>, key: &[u8], by: Option<u64>) {
    let (tracking, shard) = (&worker.server.tracking, worker.server.store.key(key).shard());
    if tracking.shards_among(ShardSet::one(shard)).is_empty() {
        return;
    }
    let Ok(table) = txn.attached::<KeyTable>(shard) else { return };
    let readers = table.remove(key);
    if !readers.is_empty() {
        tracking.count_removed(shard, 1, readers.len(), table.len());
        tracking.tell_readers(key, &readers, by);
    }
}

/// Tells everybody what a unit of the client `by` has changed. To be called before its effects are accounted for; these are
/// left for others to see.
#[cold]
pub(crate) fn settle(worker: &Worker, guard: &mut Guard<'_, Shard>, effects: &mut Effects, by: u64) {
    if worker.server.attention.get() & Attention::TRACKING == 0 {
        worker.told_touched.set(0);
        return;
    }
    let mut txn = Txn::new(&worker.server.store, guard, worker.clock(), effects, Access::default());
    tell_touched(worker, &mut txn, Some(by));
    worker.told_touched.set(0);
    if worker.server.tracking.prefixes() > 0 && !effects.touched.is_empty() {
        let vanished = |key: &[u8]| effects.removals.iter().any(|removal| *removal.key == *key);
        let by = |key: &[u8]| if vanished(key) { None } else { Some(by) };
        let changed: Vec<Changed<'_>> = effects.touched.iter().map(|(_, key)| (&**key, by(key))).collect();
        worker.server.tracking.tell_prefixes(&changed);
    }
    if !effects.touched_databases.is_empty() {
        forget_all(worker, guard);
    }
}

/// As [`settle`], for keys and fields that expired by themselves or were evicted.
#[cold]
pub(crate) fn settle_removals(worker: &Worker, guard: &mut Guard<'_, Shard>, effects: &mut Effects) {
    if worker.server.attention.get() & Attention::TRACKING == 0 {
        return;
    }
    let removals = effects.removals.iter().map(|removal| removal.key.clone());
    let keys: Vec<Box<[u8]>> =
        removals.chain(effects.expired_fields.iter().map(|expired| expired.key.clone())).collect();
    let mut txn = Txn::new(&worker.server.store, guard, worker.clock(), effects, Access::default());
    keys.iter().for_each(|key| tell_readers(worker, &mut txn, key, None));
    if worker.server.tracking.prefixes() > 0 {
        let changed: Vec<Changed<'_>> = keys.iter().map(|key| (&**key, None)).collect();
        worker.server.tracking.tell_prefixes(&changed);
    }
}

/// All keys of a database were removed or exchanged.
fn forget_all(worker: &Worker, guard: &mut Guard<'_, Shard>) {
    let tracking = &worker.server.tracking;
    let mut tables = Vec::new();
    for shard in tracking.shards_among(guard.set()).iter() {
        let Some(table) = guard.shard(shard).map(Shard::attached::<KeyTable>) else { continue };
        let table = std::mem::take(table);
        tracking.count_removed(shard, table.len(), table.items(), 0);
        tables.push(table);
    }
    tracking.tell_all();
    if tables.iter().map(KeyTable::len).sum::<usize>() > KEYS_A_TURN {
        // To free them takes long, and nobody is to wait for it.
        let freeing = std::thread::Builder::new().name("free-tracked".to_owned()).spawn(move || drop(tables));
        if let Err(error) = freeing {
            tracing::debug!(%error, "the table of tracked keys was freed at once");
        }
    }
}

/// Forgets keys as long as more than the limit are remembered, but not for long. `guard` holds all shards.
pub(crate) fn limit(worker: &Worker, guard: &mut Guard<'_, Shard>) {
    let tracking = &worker.server.tracking;
    let mut left = KEYS_A_TURN;
    while tracking.keys() > keys_max(worker) && left > 0 {
        let Some(shard) = tracking.shards_among(guard.set()).iter().next() else { return };
        left -= 1;
        if let Some(table) = guard.shard(shard).map(Shard::attached::<KeyTable>) {
            forget_any(worker, shard, table, 1);
        }
    }
    if left == 0 {
        worker.tracking_due.notify_one();
    }
}

/// Forgets keys while more than the limit are remembered, in pieces between the other tasks of the worker.
pub(crate) async fn keep_limit(worker: Rc<Worker>) {
    loop {
        worker.tracking_due.notified().await;
        let tracking = &worker.server.tracking;
        while tracking.keys() > keys_max(&worker) {
            let Some(shard) = tracking.shards_among(ShardSet::ALL).iter().next() else { break };
            let mut guard = worker.member.party().lock(ShardSet::one(shard)).await;
            let excess = tracking.keys().saturating_sub(keys_max(&worker));
            if let Some(table) = guard.shard(shard).map(Shard::attached::<KeyTable>) {
                forget_any(&worker, shard, table, excess.min(KEYS_A_TURN));
            }
            drop(guard);
            tokio::task::yield_now().await;
        }
    }
}
