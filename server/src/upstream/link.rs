//! The client that carries the primary's stream.

use crate::server::Server;

/// What the connection to the primary remembers of the stream.
#[derive(Debug)]
pub struct Link {
    /// The order that it serves.
    order: u64,
    /// Up to where the query buffer was handed on.
    taken: usize,
    /// What was executed since MULTI is handed on with EXEC, so that a link that breaks in between can go on before it.
    pending: Vec<u8>,
}

impl Link {
    pub(super) fn new(order: u64) -> Link {
        Link { order, taken: 0, pending: Vec::new() }
    }
    /// Whether it is still wanted.
    pub(crate) fn is_current(&self, server: &Server) -> bool {
        server.upstream.is_current(self.order)
    }
    /// What stands in `query` before `end` was executed: it becomes part of this process's stream. To be called under the
    /// locks of the command that ends there. `db` is the one that follows are about.
    pub(crate) fn hand_on(&mut self, server: &Server, query: &[u8], end: usize, in_transaction: bool, db: usize) {
        let bytes = query.get(self.taken..end).unwrap_or_default();
        self.taken = end.max(self.taken);
        if in_transaction {
            self.pending.extend_from_slice(bytes);
        } else if self.pending.is_empty() {
            if !bytes.is_empty() {
                server.log.follow(server, self.order, bytes, db);
            }
        } else {
            self.pending.extend_from_slice(bytes);
            server.log.follow(server, self.order, &self.pending, db);
            self.pending = Vec::new();
        }
    }
    /// The query buffer begins anew behind `end`.
    pub(crate) fn batch_over(&mut self, server: &Server, query: &[u8], end: usize, in_transaction: bool, db: usize) {
        self.hand_on(server, query, end, in_transaction, db);
        self.taken = 0;
    }
}
