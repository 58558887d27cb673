//! Whom this process follows, and how far that is.

use crate::client::{ClientHandle, Push};
use crate::clock::unix_ms;
use crate::config;
use crate::server::{Attention, Server};
use ochre_resp::encode_command;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use tokio::sync::watch;

/// The primary of this process, if it has one.
pub struct Upstream {
    pub(super) state: Mutex<State>,
    /// Counts the orders to follow somebody, or nobody.
    orders: watch::Sender<u64>,
    pub(crate) own_keys: super::OwnKeys,
    /// The primary is to be told once this much of the stream is on the disk; 0: it has not asked.
    owed: AtomicU64,
}

impl Default for Upstream {
    fn default() -> Upstream {
        Upstream {
            state: Mutex::default(),
            orders: watch::Sender::new(0),
            own_keys: Default::default(),
            owed: AtomicU64::default(),
        }
    }
}

/// How far the link is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// It is to be made.
    #[default]
    Connect,
    /// The other side has not accepted it yet.
    Connecting,
    /// The two introduce each other.
    Handshake,
    /// A snapshot comes, or is being loaded.
    Transfer,
    /// The stream comes.
    Connected,
}

impl Stage {
    /// The name ROLE has for it.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Connect => "connect",
            Stage::Connecting => "connecting",
            Stage::Handshake => "handshake",
            Stage::Transfer => "sync",
            Stage::Connected => "connected",
        }
    }
}

/// How much of a snapshot has come.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// How long it is, if that was said.
    pub bytes: Option<u64>,
    /// What of it has come.
    pub received: u64,
    /// When something came last, Unix milliseconds.
    pub heard_ms: i64,
}

/// How often it was tried to make the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Since the link was lost, the one that made it included.
    pub current: u64,
    /// Since it was ordered.
    pub total: u64,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) target: Option<config::Upstream>,
    pub(super) stage: Stage,
    pub(super) link: Option<Arc<ClientHandle>>,
    /// The data are those of the history at the end of the log, so that the stream can be gone on with.
    pub(super) can_continue: bool,
    /// Since when there is no link, Unix milliseconds.
    pub(super) down_since_ms: Option<i64>,
    /// Since when there is one, Unix milliseconds.
    pub(super) up_since_ms: i64,
    /// Milliseconds that there was none between two, in all.
    pub(super) down_ms: i64,
    /// How often it was tried to make one, of late and in all.
    pub(super) attempts: Attempts,
    /// When something came over it last, Unix milliseconds.
    pub(super) heard_ms: i64,
    pub(super) transfer: Option<Transfer>,
}

/// An order to follow somebody, and which one it is.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) number: u64,
    pub(super) target: config::Upstream,
}

impl Upstream {
    /// Whether there is one: this process is a replica.
    pub fn is_set(&self) -> bool {
        self.state.lock().target.is_some()
    }
    /// How far the link is; nothing in a primary.
    pub fn stage(&self) -> Option<Stage> {
        let state = self.state.lock();
        state.target.as_ref().map(|_| state.stage)
    }
    /// The order in force, if it is to follow anybody.
    pub(super) fn order(&self) -> Option<Order> {
        let state = self.state.lock();
        let target = state.target.clone()?;
        Some(Order { number: *self.orders.borrow(), target })
    }
    /// Whether an order is still in force.
    pub(crate) fn is_current(&self, order: u64) -> bool {
        *self.orders.borrow() == order
    }
    /// Waits until another order than that one is in force.
    pub(super) async fn superseded(&self, order: u64) {
        // The sender lives as long as this does.
        let _ = self.orders.subscribe().wait_for(|number| *number != order).await;
    }
    /// Waits until there is somebody to follow.
    pub(super) async fn ordered(&self) -> Order {
        let mut orders = self.orders.subscribe();
        loop {
            if let Some(order) = self.order() {
                return order;
            }
            let _ = orders.changed().await;
        }
    }
    /// Puts a new order in force; the old link ends.
    pub(super) fn give_order(&self, target: Option<config::Upstream>) {
        let mut state = self.state.lock();
        if state.stage == Stage::Connected {
            state.down_since_ms = Some(unix_ms());
        }
        state.attempts = Attempts::default();
        state.target = target;
        state.stage = Stage::Connect;
        state.transfer = None;
        if let Some(link) = state.link.take() {
            link.kill();
        }
        self.orders.send_modify(|number| *number += 1);
    }

    /// The link of an order is this far; nothing if another one is in force.
    pub(super) fn reach(&self, server: &Server, order: u64, stage: Stage) {
        {
            let mut state = self.state.lock();
            if !self.is_current(order) {
                return;
            }
            state.stage = stage;
            if stage != Stage::Transfer {
                state.transfer = None;
            }
            match stage {
                Stage::Connecting => {
                    state.attempts.current += 1;
                    state.attempts.total += 1;
                }
                Stage::Connected => {
                    let now_ms = unix_ms();
                    state.down_ms += state.down_since_ms.take().map_or(0, |since_ms| (now_ms - since_ms).max(0));
                    (state.up_since_ms, state.heard_ms) = (now_ms, now_ms);
                }
                _ => {}
            }
        }
        super::judge(server);
    }
    /// The link is up; false if another order is in force.
    pub(super) fn connected(&self, server: &Server, order: u64, link: &Arc<ClientHandle>) -> bool {
        {
            let mut state = self.state.lock();
            if !self.is_current(order) {
                return false;
            }
            state.link = Some(link.clone());
            state.can_continue = true;
        }
        self.reach(server, order, Stage::Connected);
        true
    }
    /// The link is down.
    pub(super) fn lost(&self, server: &Server, order: u64) {
        {
            let mut state = self.state.lock();
            if !self.is_current(order) {
                return;
            }
            if state.stage == Stage::Connected {
                state.down_since_ms = Some(unix_ms());
                state.attempts.current = 0;
            }
            state.link = None;
        }
        self.reach(server, order, Stage::Connect);
    }
    /// Something has come over the link.
    pub(super) fn heard(&self) {
        self.state.lock().heard_ms = unix_ms();
    }
    /// So much of a snapshot has come.
    pub(super) fn received(&self, transfer: Transfer) {
        self.state.lock().transfer = Some(transfer);
    }
    /// Whether the stream can be gone on with.
    pub(crate) fn can_continue(&self) -> bool {
        self.state.lock().can_continue
    }
    /// The data are not those of the stream any more, or are again.
    pub(super) fn set_can_continue(&self, can: bool) {
        self.state.lock().can_continue = can;
    }
    /// What the primary sends makes no sense: all is to be had anew.
    pub(crate) fn distrust(&self) {
        self.set_can_continue(false);
    }
    /// Sends the primary how much of its stream has been executed, and how much of it the disk has.
    pub(crate) fn acknowledge(&self, server: &Server) {
        let Some(link) = self.state.lock().link.clone() else { return };
        let (mut line, mut offset, mut durable) = (Vec::new(), itoa::Buffer::new(), itoa::Buffer::new());
        let ack = ["REPLCONF", "ACK", offset.format(server.log.offset())];
        match server.aof.durable_stream() {
            Some(place) => encode_command(&mut line, &[ack[0], ack[1], ack[2], "FACK", durable.format(place)]),
            None => encode_command(&mut line, &ack),
        }
        link.push(Push::Line(line.into()));
    }
    /// The primary asks how much that is. Somebody may wait there until it is on the disk: the primary hears of that, too.
    pub(crate) fn asked(&self, server: &Server) {
        let offset = server.log.offset();
        let is_behind = server.aof.durable_stream().is_some_and(|durable| durable < offset);
        self.owed.store(if is_behind { offset } else { 0 }, SeqCst);
        self.acknowledge(server);
    }
    /// The disk has more of the stream.
    pub(crate) fn is_durable(&self, server: &Server) {
        let owed = self.owed.load(SeqCst);
        if owed > 0 && server.aof.durable_stream().is_some_and(|durable| durable >= owed) {
            self.owed.store(0, SeqCst);
            self.acknowledge(server);
        }
    }
}

impl Server {
    /// Whether it is a replica: cheaper than to ask [`Upstream`].
    #[inline]
    pub(crate) fn follows(&self) -> bool {
        self.attention.get() & Attention::FOLLOWS != 0
    }
}
