//! All clients of the process.

use super::ClientHandle;
use parking_lot::Mutex;
use slab::Slab;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Every connected client. A slot is paired with the client's id, because slots are used again and ids are not.
#[derive(Default)]
pub struct Registry {
    clients: Mutex<Slab<Arc<ClientHandle>>>,
    count: AtomicUsize,
    last_id: AtomicU64,
}

/// A place in the registry, given back when dropped.
pub struct Registration {
    registry: Arc<Registry>,
    slot: usize,
    id: u64,
}

impl Registry {
    /// An id for a new client, from 1 on.
    pub fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Relaxed) + 1
    }
    /// Adds a client until the returned value is dropped; `None` if there are `limit` of them already.
    pub fn add(self: &Arc<Self>, handle: Arc<ClientHandle>, limit: usize) -> Option<Registration> {
        let id = handle.id;
        let mut clients = self.clients.lock();
        if clients.len() >= limit {
            return None;
        }
        let slot = clients.insert(handle);
        self.count.store(clients.len(), Relaxed);
        Some(Registration { registry: self.clone(), slot, id })
    }
    /// Adds a client whatever the limit.
    pub fn add_beyond_limit(self: &Arc<Self>, handle: Arc<ClientHandle>) -> Registration {
        let id = handle.id;
        let mut clients = self.clients.lock();
        let slot = clients.insert(handle);
        self.count.store(clients.len(), Relaxed);
        Registration { registry: self.clone(), slot, id }
    }
    /// The client of that id.
    pub fn get(&self, id: u64) -> Option<Arc<ClientHandle>> {
        self.clients.lock().iter().find(|(_, handle)| handle.id == id).map(|(_, handle)| handle.clone())
    }
    /// All clients, oldest first.
    pub fn all(&self) -> Vec<Arc<ClientHandle>> {
        let mut all: Vec<_> = self.clients.lock().iter().map(|(_, handle)| handle.clone()).collect();
        all.sort_unstable_by_key(|handle| handle.id);
        all
    }
    /// Number of clients.
    pub fn len(&self) -> usize {
        self.count.load(Relaxed)
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut clients = self.registry.clients.lock();
        if clients.get(self.slot).is_some_and(|handle| handle.id == self.id) {
            clients.remove(self.slot);
            self.registry.count.store(clients.len(), Relaxed);
        }
    }
}
