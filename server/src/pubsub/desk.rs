//! Where a worker's messages arrive, and how it hands them to its clients.

use super::{Message, Space};
use crate::client::{ClientHandle, Push};
use crate::net::Worker;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Notify;

/// One message for all clients of a worker that listen to one name.
#[derive(Clone)]
pub(super) struct Delivery {
    pub(super) space: Space,
    pub(super) name: Arc<[u8]>,
    pub(super) message: Arc<Message>,
}

/// The place where the messages for one worker arrive.
#[derive(Default)]
pub(super) struct Desk {
    /// Filled under the lock of the register.
    mail: Mutex<Vec<Delivery>>,
    arrived: Notify,
    round: Mutex<Round>,
}

/// The clients of the worker, and how far it has got. Only the worker itself looks at it.
#[derive(Default)]
struct Round {
    listeners: [HashMap<Arc<[u8]>, Listeners>; Space::COUNT],
    /// What is to be handed out, the first to all clients behind `last`.
    waiting: VecDeque<Delivery>,
    last: Option<u64>,
}

/// By id.
type Listeners = BTreeMap<u64, Arc<ClientHandle>>;

/// Clients served before others have their turn.
const CLIENTS_A_TURN: usize = 64;

impl Desk {
    /// Adds a message; true if it is the first one, so that the worker must be [woken](Desk::wake).
    pub(super) fn post(&self, delivery: Delivery) -> bool {
        let mut mail = self.mail.lock();
        mail.push(delivery);
        mail.len() == 1
    }
    /// Wakes the worker.
    pub(super) fn wake(&self) {
        self.arrived.notify_one();
    }
    /// Hands out all that has arrived. To be called by the desk's own worker, as all that follows.
    pub(super) fn hand_out_all(&self) {
        self.hand_out(usize::MAX);
    }
    /// Hands messages to so many clients; whether there is more to do.
    fn hand_out(&self, clients_max: usize) -> bool {
        self.round.lock().go_on(&self.mail, clients_max)
    }
    /// Adds a listener, who gets what is published from now on. The lock of the register must be held.
    pub(super) fn add(&self, space: Space, name: &Arc<[u8]>, client: &Arc<ClientHandle>) {
        let mut round = self.round.lock();
        round.go_on(&self.mail, usize::MAX);
        round.listeners[space as usize].entry(name.clone()).or_default().insert(client.id, client.clone());
    }
    /// Takes a listener out, who has then got all that was published so far. The lock of the register must be held.
    pub(super) fn remove(&self, space: Space, name: &[u8], client: u64) {
        let mut round = self.round.lock();
        round.go_on(&self.mail, usize::MAX);
        let listeners = &mut round.listeners[space as usize];
        let Some(clients) = listeners.get_mut(name) else { return };
        clients.remove(&client);
        if clients.is_empty() {
            listeners.remove(name);
        }
    }
}

impl Round {
    fn go_on(&mut self, mail: &Mutex<Vec<Delivery>>, clients_max: usize) -> bool {
        let mut left = clients_max;
        loop {
            if self.waiting.is_empty() {
                self.waiting.extend(mail.lock().drain(..));
            }
            let Some(delivery) = self.waiting.front() else { return false };
            let from = self.last.map_or(Bound::Unbounded, Bound::Excluded);
            let listeners = self.listeners[delivery.space as usize].get(&delivery.name);
            for (id, client) in listeners.into_iter().flat_map(|clients| clients.range((from, Bound::Unbounded))) {
                if left == 0 {
                    return true;
                }
                left -= 1;
                client.push(Push::Message(delivery.message.clone()));
                self.last = Some(*id);
            }
            self.last = None;
            self.waiting.pop_front();
        }
    }
}

/// Hands out what arrives at the worker's desk, as long as the process lives.
pub(crate) async fn deliver(worker: Rc<Worker>) {
    let server = worker.server.clone();
    let Some(desk) = server.pubsub.desk(worker.index) else { return };
    loop {
        desk.arrived.notified().await;
        while desk.hand_out(CLIENTS_A_TURN) {
            tokio::task::yield_now().await;
        }
    }
}
