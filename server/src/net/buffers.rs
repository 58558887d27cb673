//! The buffers of a connection: their sizes, and what others see of them.

use super::connection::{Connection, READ_LEN};
use super::output::Output;
use super::worker::Worker;
use crate::client::ClientHandle;
use bytes::BytesMut;
use std::sync::atomic::Ordering::Relaxed;

/// Query buffers above this are shrunk when they are not used to the full.
const QUERY_SHRINK_LEN: usize = 32 * 1024;
/// Buffers of clients idle for longer are given back.
const IDLE_MS: i64 = 2000;

/// Whether the cron should have the connection look after its buffers.
pub(crate) fn wants_housekeeping(client: &ClientHandle, idle_ms: i64) -> bool {
    let seen = &client.published;
    let query = seen.query_capacity();
    (idle_ms > IDLE_MS && query > 0)
        || query as usize > QUERY_SHRINK_LEN
        || seen.output_capacity.load(Relaxed) > Output::CAPACITY_MIN as u64
        || seen.output_peak.load(Relaxed) >= seen.output_capacity.load(Relaxed)
        || client.waiting_bytes() > 0
}

impl Connection {
    /// Has the query buffer take so many more bytes, and not many more than these: clients are limited by its size. It grows
    /// by an eighth at least, so all copying together is in proportion to what has come.
    pub(super) fn make_room(&mut self, needed: usize) {
        let (len, capacity) = (self.query.len(), self.query.capacity());
        if capacity - len >= needed.min(READ_LEN) {
            return;
        }
        let more = needed.max(len / 8);
        if len + more >= 2 * capacity {
            self.query.reserve(more);
            return;
        }
        let mut larger = BytesMut::with_capacity(len + more);
        larger.extend_from_slice(&self.query);
        self.query = larger;
    }

    /// Gives memory back that the client does not use.
    pub(super) fn tidy(&mut self, worker: &Worker) {
        worker.begin_batch();
        let idle_ms = worker.now_ms() - self.client.handle.published.last_active_ms.load(Relaxed);
        if idle_ms > IDLE_MS && self.query.is_empty() {
            self.query = BytesMut::new();
        } else if self.query.capacity() > QUERY_SHRINK_LEN && self.query.capacity() / (self.query_peak + 1) > 2 {
            let mut smaller = BytesMut::with_capacity(self.query_peak.max(self.query.len()).max(READ_LEN));
            smaller.extend_from_slice(&self.query);
            self.query = smaller;
        }
        self.query_peak = self.query.len();
        self.batch.tidy();
        if !worker.server.switches.reply_buffers_keep_size.load(Relaxed) {
            self.output.tidy(worker.now_ms(), worker.server.reply_buffer_peak_reset(), &worker.stats);
        }
        self.flush(worker);
    }

    pub(super) fn publish_query(&self) {
        let seen = &self.client.handle.published;
        let (len, capacity) = (self.query.len(), self.query.capacity());
        let parsed = self.decoder.pending_parsed_len().min(len);
        seen.query_len.store((len - parsed) as u64, Relaxed);
        seen.query_parsed.store(parsed as u64, Relaxed);
        seen.query_free.store((capacity - len) as u64, Relaxed);
        let announced = self.decoder.pending_buffer_len().saturating_sub(capacity);
        seen.query_announced.store(announced as u64, Relaxed);
    }

    pub(super) fn publish_output(&self, worker: &Worker) {
        let seen = &self.client.handle.published;
        let allocated = self.output.allocated() as u64;
        if self.client.replica.is_some() && allocated < seen.output_allocated.load(Relaxed) {
            // No key is evicted for a replica's output: what is left of that is to be seen only once the rest is seen to be free.
            worker.member.publish_memory();
        }
        seen.output_len.store(self.output.len() as u64, Relaxed);
        seen.output_shared.store(self.output.shared_len() as u64, Relaxed);
        seen.output_capacity.store(self.output.capacity() as u64, Relaxed);
        seen.output_allocated.store(allocated, Relaxed);
        seen.output_peak.store(self.output.peak() as u64, Relaxed);
    }

    /// Publishes figures for CLIENT LIST and INFO.
    pub(super) fn publish(&self, worker: &Worker) {
        let seen = &self.client.handle.published;
        seen.last_active_ms.store(worker.now_ms(), Relaxed);
        let is_blocked = seen.flags.load(Relaxed) & ClientHandle::FLAG_BLOCKED != 0;
        let partial = if self.query.is_empty() || is_blocked {
            0
        } else {
            match seen.partial_since_ms.load(Relaxed) {
                0 => worker.now_ms(),
                since => since,
            }
        };
        seen.partial_since_ms.store(partial, Relaxed);
        self.publish_query();
        seen.bytes_out.store(self.output.sent_total(), Relaxed);
        self.publish_output(worker);
        seen.db.store(self.client.db as u32, Relaxed);
        if worker.limits_clients() {
            worker.evict_clients(&self.client.handle);
        }
    }
}
