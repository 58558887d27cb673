//! The register of who listens where, and publishing.

use super::desk::{Delivery, Desk};
use super::{Message, Subscriptions};
use crate::client::ClientHandle;
use crate::glob;
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// A channel (SUBSCRIBE).
    Channel,
    /// A pattern of channels (PSUBSCRIBE).
    Pattern,
    /// A channel that belongs to a slot (SSUBSCRIBE).
    Shard,
}

impl Space {
    /// All of them.
    pub(super) const ALL: [Space; Space::COUNT] = [Space::Channel, Space::Pattern, Space::Shard];
    /// How many there are.
    pub(super) const COUNT: usize = 3;
}

/// A message that is to be published once a script is over.
pub(crate) struct Staged {
    pub(crate) shard: bool,
    pub(crate) channel: Box<[u8]>,
    pub(crate) payload: Box<[u8]>,
}

/// Everybody who listens, and the way to reach them.
pub struct PubSub {
    register: Mutex<Register>,
    desks: Box<[Desk]>,
    /// Subscriptions of all clients together.
    subscriptions: AtomicUsize,
    /// Clients that have any.
    clients: AtomicUsize,
    /// Distinct patterns.
    patterns: AtomicUsize,
}

/// Who listens, by worker. Its lock is also what puts messages in order.
#[derive(Default)]
struct Register {
    audiences: [HashMap<Arc<[u8]>, Audience>; Space::COUNT],
    /// All patterns, for those who look for the ones that match; made anew when it is asked for.
    patterns: Option<Patterns>,
}

type Patterns = Arc<[Arc<[u8]>]>;

/// How many clients of each worker listen to a name: pairs of worker and number.
#[derive(Default)]
struct Audience(Vec<(usize, usize)>);

/// Messages of this length and more are not copied while the register is locked.
const LONG_MESSAGE: usize = 16 * 1024;
/// How often the patterns may change while a publisher compares them, before it locks the register for that.
const TRIES: usize = 3;

impl PubSub {
    /// For so many workers.
    pub fn new(workers: usize) -> PubSub {
        PubSub {
            register: Mutex::default(),
            desks: (0..workers).map(|_| Desk::default()).collect(),
            subscriptions: AtomicUsize::new(0),
            clients: AtomicUsize::new(0),
            patterns: AtomicUsize::new(0),
        }
    }
    /// Whether anybody listens to anything.
    #[inline]
    pub fn has_listeners(&self) -> bool {
        self.subscriptions.load(SeqCst) > 0
    }
    /// How many clients listen.
    pub fn clients(&self) -> usize {
        self.clients.load(Relaxed)
    }
    /// How many distinct names are listened to.
    pub fn len(&self, space: Space) -> usize {
        self.register.lock().audiences[space as usize].len()
    }
    /// How many clients listen to a name.
    pub fn listeners(&self, space: Space, name: &[u8]) -> usize {
        self.register.lock().audiences[space as usize].get(name).map_or(0, Audience::total)
    }
    /// The names that are listened to, of those that match the pattern.
    pub fn names(&self, space: Space, pattern: Option<&[u8]>) -> Vec<Arc<[u8]>> {
        let mut names: Vec<Arc<[u8]>> = self.register.lock().audiences[space as usize].keys().cloned().collect();
        names.retain(|name| pattern.is_none_or(|pattern| glob::matches(pattern, name, false)));
        names
    }
    pub(super) fn desk(&self, worker: usize) -> Option<&Desk> {
        self.desks.get(worker)
    }
    /// Hands out what has arrived for clients of the worker, which must be the one that calls.
    pub(crate) fn hand_out(&self, worker: usize) {
        if let Some(desk) = self.desk(worker) {
            desk.hand_out_all();
        }
    }

    /// How many clients a message on a channel (with `shard`, one of a slot) would reach now.
    pub fn receivers(&self, shard: bool, channel: &[u8]) -> usize {
        if !self.has_listeners() {
            return 0;
        }
        if shard {
            return self.listeners(Space::Shard, channel);
        }
        let (register, matching) = self.matching_patterns(channel, None::<&fn(&[u8]) -> Arc<Message>>);
        let count = |space: Space, name: &[u8]| register.audiences[space as usize].get(name).map_or(0, Audience::total);
        let through: usize = matching.iter().map(|(pattern, _)| count(Space::Pattern, pattern)).sum();
        count(Space::Channel, channel) + through
    }

    /// Publishes a message on a channel (with `shard`, one of a slot) and returns how many clients will receive it, those
    /// counted twice that receive it twice.
    pub fn publish(&self, shard: bool, channel: &[u8], payload: &[u8]) -> usize {
        if !self.has_listeners() {
            return 0;
        }
        let (space, kind): (_, &[u8]) = match shard {
            false => (Space::Channel, b"message"),
            true => (Space::Shard, b"smessage"),
        };
        let direct = || Arc::new(Message::new(&[kind, channel, payload]));
        let through = |pattern: &[u8]| Arc::new(Message::new(&[b"pmessage", pattern, channel, payload]));
        let is_long = channel.len() + payload.len() >= LONG_MESSAGE;
        let ready = (is_long && self.listeners(space, channel) > 0).then(&direct);
        let mut posting = Posting { desks: &self.desks, receivers: 0, to_wake: Vec::new() };
        {
            let (register, matching) = match shard {
                true => (self.register.lock(), Vec::new()),
                false => self.matching_patterns(channel, is_long.then_some(&through)),
            };
            if let Some((name, audience)) = register.audiences[space as usize].get_key_value(channel) {
                posting.post(audience, Delivery { space, name: name.clone(), message: ready.unwrap_or_else(direct) });
            }
            for (name, message) in matching {
                if let Some(audience) = register.audiences[Space::Pattern as usize].get(&name) {
                    let message = message.unwrap_or_else(|| through(&name));
                    posting.post(audience, Delivery { space: Space::Pattern, name, message });
                }
            }
        }
        let Posting { receivers, to_wake, .. } = posting;
        to_wake.into_iter().for_each(|worker| self.desks[worker].wake());
        receivers
    }

    /// Locks the register and returns the patterns that match, with the message where `make` was given. Patterns are compared
    /// without the lock, unless they change all the time.
    #[expect(clippy::type_complexity, reason = "only taken apart at once")]
    fn matching_patterns(
        &self,
        channel: &[u8],
        make: Option<&impl Fn(&[u8]) -> Arc<Message>>,
    ) -> (MutexGuard<'_, Register>, Vec<(Arc<[u8]>, Option<Arc<Message>>)>) {
        if self.patterns.load(SeqCst) == 0 {
            return (self.register.lock(), Vec::new());
        }
        let compare = |patterns: &Patterns| -> Vec<_> {
            let matching = patterns.iter().filter(|pattern| glob::matches(pattern, channel, false));
            matching.map(|pattern| (pattern.clone(), make.map(|make| make(pattern)))).collect()
        };
        for _ in 0..TRIES {
            let patterns = self.register.lock().patterns();
            let matching = compare(&patterns);
            let mut register = self.register.lock();
            if Arc::ptr_eq(&register.patterns(), &patterns) {
                return (register, matching);
            }
        }
        let mut register = self.register.lock();
        let matching = compare(&register.patterns());
        (register, matching)
    }

    /// Has a client listen to a name; false if it does already. Its own worker must call.
    pub(crate) fn subscribe(
        &self,
        client: &Arc<ClientHandle>,
        own: &mut Subscriptions,
        space: Space,
        name: &[u8],
    ) -> bool {
        let Some(desk) = self.desk(client.worker) else { return false };
        if own.contains(space, name) {
            return false;
        }
        // Most of it is done before everybody else is kept from publishing.
        desk.hand_out_all();
        let mut register = self.register.lock();
        let audiences = &mut register.audiences[space as usize];
        let name = audiences.get_key_value(name).map_or_else(|| Arc::from(name), |(name, _)| Arc::clone(name));
        let is_new = !audiences.contains_key(&name);
        audiences.entry(name.clone()).or_default().add(client.worker);
        if is_new && space == Space::Pattern {
            register.patterns = None;
            self.patterns.fetch_add(1, SeqCst);
        }
        self.subscriptions.fetch_add(1, SeqCst);
        self.clients.fetch_add(usize::from(own.is_empty()), Relaxed);
        desk.add(space, &name, client);
        own.add(space, name);
        true
    }
    /// Has a client listen to a name no more; false if it did not. Its own worker must call.
    pub(crate) fn unsubscribe(
        &self,
        client: &ClientHandle,
        own: &mut Subscriptions,
        space: Space,
        name: &[u8],
    ) -> bool {
        let Some(desk) = self.desk(client.worker) else { return false };
        if !own.remove(space, name) {
            return false;
        }
        desk.hand_out_all();
        let mut register = self.register.lock();
        let audiences = &mut register.audiences[space as usize];
        if audiences.get_mut(name).is_some_and(|audience| audience.remove(client.worker)) {
            audiences.remove(name);
            if space == Space::Pattern {
                register.patterns = None;
                self.patterns.fetch_sub(1, SeqCst);
            }
        }
        self.subscriptions.fetch_sub(1, SeqCst);
        self.clients.fetch_sub(usize::from(own.is_empty()), Relaxed);
        desk.remove(space, name, client.id);
        true
    }
    /// Has a client listen to nothing any more. Its own worker must call.
    pub(crate) fn leave(&self, client: &ClientHandle, own: &mut Subscriptions) {
        for space in Space::ALL {
            let names: Vec<_> = own.names(space).cloned().collect();
            for name in names {
                self.unsubscribe(client, own, space, &name);
            }
        }
    }
}

impl Register {
    fn patterns(&mut self) -> Patterns {
        let all = &self.audiences[Space::Pattern as usize];
        self.patterns.get_or_insert_with(|| all.keys().cloned().collect()).clone()
    }
}

impl Audience {
    fn total(&self) -> usize {
        self.0.iter().map(|(_, number)| number).sum()
    }
    fn add(&mut self, worker: usize) {
        match self.0.iter_mut().find(|(known, _)| *known == worker) {
            Some((_, number)) => *number += 1,
            None => self.0.push((worker, 1)),
        }
    }
    /// True if nobody is left.
    fn remove(&mut self, worker: usize) -> bool {
        if let Some(place) = self.0.iter().position(|(known, _)| *known == worker) {
            match &mut self.0[place].1 {
                1 => drop(self.0.swap_remove(place)),
                number => *number -= 1,
            }
        }
        self.0.is_empty()
    }
}

/// The posting of one published message, under the register's lock.
struct Posting<'p> {
    desks: &'p [Desk],
    receivers: usize,
    to_wake: Vec<usize>,
}

impl Posting<'_> {
    fn post(&mut self, audience: &Audience, delivery: Delivery) {
        for &(worker, number) in &audience.0 {
            self.receivers += number;
            if self.desks.get(worker).is_some_and(|desk| desk.post(delivery.clone())) {
                self.to_wake.push(worker);
            }
        }
    }
}
