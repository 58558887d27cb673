//! The clients whose output is held back until more has reached the disk.

use crate::client::{ClientHandle, Signals};
use crate::net::Worker;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use tokio::sync::Notify;

/// Those of one worker. It is woken once for all of them: to wake each from another thread costs a system call each.
#[derive(Default)]
pub(super) struct Held {
    /// By id.
    clients: Mutex<HashMap<u64, Arc<ClientHandle>>>,
    /// Somebody has come since the worker was last woken.
    is_new: AtomicBool,
    due: Notify,
}

impl Held {
    /// Has a client signalled the next time.
    pub(super) fn add(&self, client: &Arc<ClientHandle>) {
        self.clients.lock().insert(client.id, client.clone());
        self.is_new.store(true, SeqCst);
    }
    /// Wakes the worker, if anybody waits.
    pub(super) fn wake(&self) {
        if self.is_new.swap(false, SeqCst) {
            self.due.notify_one();
        }
    }
}

/// Signals the worker's clients whenever more has reached the disk, as long as the process lives.
pub(crate) async fn let_go(worker: Rc<Worker>) {
    let server = worker.server.clone();
    let Some(held) = server.aof.held_by(worker.index) else { return };
    loop {
        held.due.notified().await;
        let clients = std::mem::take(&mut *held.clients.lock());
        clients.values().for_each(|client| client.signal(Signals::DURABLE));
    }
}
