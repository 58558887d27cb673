//! The connection to the primary.

use super::batch::Batch;
use super::connection::{Closing, Connection, tune};
use super::output::Output;
use super::stream::Stream;
use super::worker::Worker;
use crate::client::{Client, ClientHandle, Origin};
use bytes::BytesMut;
use ochre_resp::request::RequestDecoder;
use std::sync::Arc;

impl Connection {
    /// The connection to the primary, whose stream begins with `query` and is at the database `db`.
    pub(crate) fn follow(
        worker: &Worker,
        stream: Stream,
        origin: Origin,
        query: BytesMut,
        link: crate::upstream::Link,
        db: usize,
    ) -> Connection {
        let server = &worker.server;
        let handle = Arc::new(ClientHandle::new(Origin {
            id: server.clients.next_id(),
            fd: stream.fd(),
            connected_ms: crate::clock::unix_ms(),
            worker: worker.index,
            account: server.accounts.default_account().clone(),
            ..origin
        }));
        if let Some(tcp) = stream.tcp() {
            tune(tcp, &worker.config());
        }
        let registration = server.clients.add_beyond_limit(handle.clone());
        let mut client = Client::new(handle.clone(), &server.accounts);
        client.follow(link, db);
        Connection {
            stream,
            client,
            decoder: RequestDecoder::new(),
            query,
            query_peak: 0,
            batch: Batch::default(),
            batch_bytes: 0,
            inline: false,
            output: Output::default(),
            closing: Closing::No,
            waits_in: None,
            slot: worker.add_connection(handle),
            registered: None,
            _registration: registration,
        }
    }

    /// The batch of the primary's stream is executed, which was so long.
    #[cold]
    pub(super) fn follow_batch(&mut self, worker: &Worker, len: usize) {
        if self.inline && self.batch.len() > 0 {
            tracing::warn!(
                "WARNING: Receiving inline protocol from master, master stream corruption? Closing the master connection \
                 and discarding the cached master."
            );
            worker.server.upstream.distrust();
            self.closing = Closing::Now;
        }
        if self.closing == Closing::No {
            let Client { link, transaction, db, .. } = &mut self.client;
            if let Some(link) = link {
                link.batch_over(&worker.server, &self.query, len, transaction.is_some(), *db);
            }
        }
    }
}
