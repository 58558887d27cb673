//! A client that is, or is about to become, a replica.

use crate::net::Output;
use crate::propagation::full_sync::PORTION;
use crate::propagation::{Delivery, Fed};
use crate::server::Server;
use std::sync::Arc;

/// What a replica has said of itself, and what it is being sent.
#[derive(Default)]
pub struct ReplicaSide {
    /// The port it serves at (REPLCONF listening-port).
    pub port: u16,
    /// The address it wants to be known by (REPLCONF ip-address).
    pub ip: Option<String>,
    /// It wants the snapshot alone (REPLCONF rdb-only).
    pub snapshot_only: bool,
    /// It knows that a history may change its name (REPLCONF capa psync2).
    pub follows_renaming: bool,
    /// It can tell the end of a snapshot whose length is not announced (REPLCONF capa eof).
    pub finds_end: bool,
    /// It wants nothing but functions (REPLCONF rdb-filter-only).
    pub without_data: bool,
    /// It wants no functions either.
    pub without_functions: bool,
    feed: Option<Feed>,
    /// It is attached and nobody has [asked](ReplicaSide::is_new) since.
    is_new: bool,
}

/// What a replica is being sent.
enum Feed {
    /// What comes before the stream.
    Snapshot(Arc<Delivery>),
    Stream,
}

impl ReplicaSide {
    /// Whether it is being sent a snapshot or the stream.
    pub fn is_attached(&self) -> bool {
        self.feed.is_some()
    }
    /// From now on it is sent the stream, after a snapshot if there is one.
    pub(crate) fn attach(&mut self, snapshot: Option<Arc<Delivery>>) {
        self.feed = Some(snapshot.map_or(Feed::Stream, Feed::Snapshot));
        self.is_new = true;
    }
    /// Whether it is attached; true once.
    pub(crate) fn is_new(&mut self) -> bool {
        std::mem::take(&mut self.is_new)
    }
    /// It has gone.
    pub(crate) fn detach(&mut self, server: &Server, client: u64, now_ms: i64) {
        match self.feed.take() {
            None => return,
            Some(Feed::Snapshot(delivery)) => server.full_sync.leave(server, &delivery),
            Some(Feed::Stream) => {}
        }
        server.log.detach(server, client, now_ms);
    }
    /// Puts what comes next into an output that is empty. Returns whether it is all over.
    pub(crate) fn feed(&mut self, server: &Server, client: u64, now_ms: i64, output: &mut Output) -> bool {
        match &self.feed {
            None => return false,
            Some(Feed::Stream) => {}
            Some(Feed::Snapshot(delivery)) => match delivery.feed(output) {
                Fed::More => return false,
                Fed::Failed => return true,
                Fed::Whole { .. } if self.snapshot_only => {
                    tracing::info!("RDB transfer completed, the replica that wants no more is closed");
                    return true;
                }
                Fed::Whole { awaits_word } => {
                    server.log.put_online(server, client, awaits_word, now_ms);
                    self.feed = Some(Feed::Stream);
                }
            },
        }
        output.append_with(|bytes| server.log.read(client, PORTION, bytes));
        false
    }
}
