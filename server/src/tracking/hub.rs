//! Who tracks, in the whole process.

use super::tracker::{Mode, tell};
use super::{Invalidation, table::Added};
use crate::client::ClientHandle;
use crate::server::Attention;
use crossbeam_utils::CachePadded;
use ochre_store::sync::ShardSet;
use parking_lot::RwLock;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

/// All who track. The keys that they have read lie in the shards.
#[derive(Default)]
pub struct Tracking {
    trackers: RwLock<HashMap<u64, Arc<ClientHandle>>>,
    prefixes: RwLock<Prefixes>,
    prefixes_len: AtomicUsize,
    /// Shards of which somebody has read a key, one bit each. A bit changes under the lock of its shard.
    shards: CachePadded<AtomicU64>,
    keys: AtomicIsize,
    items: AtomicIsize,
}

/// Who wants to hear of which prefixes.
#[derive(Default)]
struct Prefixes {
    clients: HashMap<Box<[u8]>, BTreeMap<u64, Arc<ClientHandle>>>,
    /// How many prefixes of each length there are.
    lengths: BTreeMap<usize, usize>,
}

/// A key that has changed, and the client that has changed it; none: it happened by itself.
pub(super) type Changed<'k> = (&'k [u8], Option<u64>);

impl Tracking {
    /// How many clients track.
    pub fn clients(&self) -> usize {
        self.trackers.read().len()
    }
    /// How many keys are remembered.
    pub fn keys(&self) -> usize {
        self.keys.load(Relaxed).max(0).unsigned_abs()
    }
    /// How many pairs of a key and a client are remembered.
    pub fn items(&self) -> usize {
        self.items.load(Relaxed).max(0).unsigned_abs()
    }
    /// How many distinct prefixes are tracked.
    pub fn prefixes(&self) -> usize {
        self.prefixes_len.load(SeqCst)
    }
    /// Whether it is to be recorded what a unit touches that holds the locks of `set`.
    pub(crate) fn wants(&self, set: ShardSet) -> bool {
        self.prefixes() > 0 || set == ShardSet::ALL || !self.shards_among(set).is_empty()
    }
    /// The shards among `set` of which somebody has read a key; to be asked while these are locked.
    pub(super) fn shards_among(&self, set: ShardSet) -> ShardSet {
        ShardSet::from_bits(self.shards.load(Relaxed) & set.bits())
    }

    /// Has a client track, or track in another way.
    pub(crate) fn enable(
        &self,
        client: &Arc<ClientHandle>,
        mode: u32,
        redirect: Option<Arc<ClientHandle>>,
        attention: &Attention,
    ) {
        client.tracker.set(mode | Mode::ON, redirect);
        let mut trackers = self.trackers.write();
        trackers.insert(client.id, client.clone());
        attention.set(Attention::TRACKING, true);
    }
    /// Has a client track no more.
    pub(crate) fn disable<'p>(
        &self,
        client: &ClientHandle,
        prefixes: impl IntoIterator<Item = &'p Box<[u8]>>,
        attention: &Attention,
    ) {
        client.tracker.set(0, None);
        for prefix in prefixes {
            self.remove_prefix(client, prefix);
        }
        let mut trackers = self.trackers.write();
        trackers.remove(&client.id);
        attention.set(Attention::TRACKING, !trackers.is_empty());
    }
    /// Has a client hear of all keys with a prefix.
    pub(crate) fn add_prefix(&self, client: &Arc<ClientHandle>, prefix: &[u8]) {
        let mut prefixes = self.prefixes.write();
        let Prefixes { clients, lengths } = &mut *prefixes;
        if !clients.contains_key(prefix) {
            *lengths.entry(prefix.len()).or_default() += 1;
        }
        clients.entry(prefix.into()).or_default().insert(client.id, client.clone());
        self.prefixes_len.store(clients.len(), SeqCst);
    }
    fn remove_prefix(&self, client: &ClientHandle, prefix: &[u8]) {
        let mut prefixes = self.prefixes.write();
        let Prefixes { clients, lengths } = &mut *prefixes;
        let Some(listeners) = clients.get_mut(prefix) else { return };
        listeners.remove(&client.id);
        if listeners.is_empty() {
            clients.remove(prefix);
            if let Some(number) = lengths.get_mut(&prefix.len()) {
                *number -= 1;
                if *number == 0 {
                    lengths.remove(&prefix.len());
                }
            }
        }
        self.prefixes_len.store(clients.len(), SeqCst);
    }

    /// A read was remembered in the table of a shard, whose lock is held.
    pub(super) fn count_added(&self, shard: usize, added: Added) {
        self.items.fetch_add(isize::from(added != Added::Nothing), Relaxed);
        if added == Added::Key {
            self.keys.fetch_add(1, Relaxed);
            self.shards.fetch_or(ShardSet::one(shard).bits(), SeqCst);
        }
    }
    /// So many keys and pairs were forgotten in the table of a shard, which has `left` keys now.
    pub(super) fn count_removed(&self, shard: usize, keys: usize, items: usize, left: usize) {
        self.keys.fetch_sub(keys as isize, Relaxed);
        self.items.fetch_sub(items as isize, Relaxed);
        if left == 0 {
            self.shards.fetch_and(!ShardSet::one(shard).bits(), SeqCst);
        }
    }

    /// Tells those who have read a key that it has changed. `by`: who has changed it.
    pub(super) fn tell_readers(&self, key: &[u8], readers: &[u64], by: Option<u64>) {
        let trackers = self.trackers.read();
        let mut what = None;
        for client in readers.iter().filter_map(|id| trackers.get(id)) {
            let mode = client.tracker.mode();
            let is_own = mode & Mode::NO_LOOP != 0 && by == Some(client.id);
            if mode & (Mode::ON | Mode::BROADCAST) == Mode::ON && !is_own {
                tell(client, what.get_or_insert_with(|| Arc::new(Invalidation::of(&[key]))));
            }
        }
    }
    /// Tells those who track prefixes which keys with them have changed, in one message for each prefix.
    pub(super) fn tell_prefixes(&self, changed: &[Changed<'_>]) {
        let prefixes = self.prefixes.read();
        let mut found: BTreeMap<&[u8], Vec<Changed<'_>>> = BTreeMap::new();
        for (key, by) in changed {
            for length in prefixes.lengths.range(..=key.len()).map(|(length, _)| *length) {
                let Some((prefix, _)) = key.get(..length).and_then(|start| prefixes.clients.get_key_value(start))
                else {
                    continue;
                };
                let keys = found.entry(prefix).or_default();
                match keys.iter_mut().find(|(known, _)| known == key) {
                    Some(known) => known.1 = *by,
                    None => keys.push((key, *by)),
                }
            }
        }
        for (prefix, keys) in found {
            let message = |keys: &mut dyn Iterator<Item = &[u8]>| {
                let keys: Vec<&[u8]> = keys.collect();
                (!keys.is_empty()).then(|| Arc::new(Invalidation::of(&keys)))
            };
            let all = message(&mut keys.iter().map(|(key, _)| *key));
            for client in prefixes.clients.get(prefix).into_iter().flat_map(BTreeMap::values) {
                let by_others = |(_, by): &&Changed<'_>| *by != Some(client.id);
                let what = match client.tracker.mode() & Mode::NO_LOOP != 0 {
                    true => message(&mut keys.iter().filter(by_others).map(|(key, _)| *key)),
                    false => all.clone(),
                };
                if let Some(what) = what {
                    tell(client, &what);
                }
            }
        }
    }
    /// Tells all who track that all keys may have changed.
    pub(super) fn tell_all(&self) {
        let what = Arc::new(Invalidation::of_all());
        self.trackers.read().values().for_each(|client| tell(client, &what));
    }
}
