//! Keys with deadlines that clients of a writable replica have made: the primary does not know them, so they expire here.

use crate::net::Worker;
use ochre_store::keyspace::{self, Presence};
use ochre_store::sync::{Guard, ShardSet};
use ochre_store::{Access, Clock, Effects, Expired, Shard, Txn};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Keys looked at under one lock.
const KEYS_A_LOOK: usize = 64;

/// What is known of them.
#[derive(Default)]
pub(crate) struct OwnKeys {
    keys: Mutex<BTreeSet<(usize, Box<[u8]>)>>,
    has_some: AtomicBool,
}

impl OwnKeys {
    /// Forgets all.
    pub(super) fn forget(&self) {
        self.keys.lock().clear();
        self.has_some.store(false, Relaxed);
    }
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.lock().len()
    }
}

/// Remembers those that a client's command has touched and that have a deadline. `effects` says which it has touched.
pub(crate) fn note(worker: &Worker, guard: &mut Guard<'_, Shard>, effects: &Effects, clock: Clock) {
    let (server, mut looked) = (&worker.server, Effects::default());
    let access = Access { no_touch: true, expired: Expired::Show };
    for (db, key) in &effects.touched {
        let mut txn = Txn::new(&server.store, guard, clock, &mut looked, access);
        let address = txn.store().key(key);
        if matches!(keyspace::deadline(&mut txn, *db, address), Ok(Some(Some(_)))) {
            server.upstream.own_keys.keys.lock().insert((*db, key.clone()));
            server.upstream.own_keys.has_some.store(true, Relaxed);
        }
    }
}

/// Removes those that have expired. To be called from time to time by one worker.
pub(crate) async fn expire(worker: &Worker) {
    let own = &worker.server.upstream.own_keys;
    if !own.has_some.load(Relaxed) || !worker.server.follows() {
        return;
    }
    let all: Vec<_> = own.keys.lock().iter().cloned().collect();
    for some in all.chunks(KEYS_A_LOOK) {
        let shards = some.iter().map(|(_, key)| ShardSet::one(worker.server.store.key(key).shard()));
        let shards = shards.fold(ShardSet::EMPTY, ShardSet::union);
        let mut guard = worker.member.party().lock(shards).await;
        worker.begin_batch();
        let mut effects = worker.effects();
        effects.record_events = crate::memory::publishes_events(worker);
        for (db, key) in some {
            let mut txn = Txn::new(&worker.server.store, &mut guard, worker.clock(), &mut effects, Access::default());
            let address = txn.store().key(key);
            let presence = keyspace::presence(&mut txn, *db, address);
            let is_volatile = matches!(keyspace::deadline(&mut txn, *db, address), Ok(Some(Some(_))));
            // Looking for it has removed it, if it has expired.
            if presence != Ok(Presence::Alive) || !is_volatile {
                own.keys.lock().remove(&(*db, key.clone()));
            }
        }
        crate::blocking::serve_removals(worker, &mut guard, &mut effects);
        drop(effects);
        drop(guard);
        worker.wake_served();
    }
    own.has_some.store(own.len() > 0, Relaxed);
}
