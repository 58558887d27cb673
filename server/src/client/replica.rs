//! A client that is, or is about to become, a replica.

use crate::net::Output;
use crate::server::Server;
use ochre_replication::ReplicaState;

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
}

/// What a replica is being sent.
struct Feed {
    /// The snapshot, and how much of it is handed out.
    snapshot: Vec<u8>,
    handed_out: usize,
}

/// Bytes that are handed to the output at once.
const PORTION: usize = 64 * 1024;

impl ReplicaSide {
    /// Whether it is being sent a snapshot or the stream.
    pub fn is_attached(&self) -> bool {
        self.feed.is_some()
    }
    /// From now on it is sent the stream, after a snapshot if there is one.
    pub fn attach(&mut self, snapshot: Vec<u8>) {
        self.feed = Some(Feed { snapshot, handed_out: 0 });
    }
    /// Puts what comes next into an output that is empty. Returns whether it is all over.
    pub(crate) fn feed(&mut self, server: &Server, client: u64, now_ms: i64, output: &mut Output) -> bool {
        let Some(feed) = &mut self.feed else { return false };
        if let Some(rest) = feed.snapshot.get(feed.handed_out..).filter(|rest| !rest.is_empty()) {
            let portion = rest.get(..PORTION).unwrap_or(rest);
            output.append(portion);
            feed.handed_out += portion.len();
            return false;
        }
        if feed.handed_out > 0 {
            (feed.snapshot, feed.handed_out) = (Vec::new(), 0);
            if self.snapshot_only {
                tracing::info!("RDB transfer completed, the replica that wants no more is closed");
                return true;
            }
            server.log.set_state(server, client, ReplicaState::Online, now_ms);
        }
        output.append_with(|bytes| server.log.read(client, PORTION, bytes));
        false
    }
}
