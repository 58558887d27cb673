//! The replies a connection has not sent yet.

use super::stream::Stream;
use crate::client::{Client, Push};
use crate::config::OutputLimit;
use crate::pubsub::Message;
use crate::stats::WorkerStats;
use ochre_resp::reply::{DoubleFormat, Protocol, ReplyWriter};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;

/// Replies in order, and how much of them is sent.
pub(crate) struct Output {
    /// A large message, which goes before the bytes.
    shared: Option<Shared>,
    bytes: Vec<u8>,
    sent: usize,
    /// The capacity the buffer goes back to when it is empty.
    capacity: usize,
    /// Most bytes waiting at once since `peak_reset_ms`.
    peak: usize,
    peak_reset_ms: i64,
    over_soft_limit_since_ms: i64,
    /// Bytes sent since the connection began.
    sent_total: u64,
    /// Whether the socket holds partial segments back until all is sent.
    corked: bool,
    /// How replies write doubles.
    doubles: DoubleFormat,
    /// What may not leave yet, and why: the bytes up to the first number, counted as `sent_total` is, depend on the place in
    /// the propagation log that the second one is.
    held: VecDeque<(u64, u64)>,
    /// Up to where bytes may leave, while some are held.
    released: u64,
}

impl Default for Output {
    fn default() -> Output {
        Output {
            shared: None,
            bytes: Vec::new(),
            sent: 0,
            capacity: Output::CAPACITY_MAX,
            peak: 0,
            peak_reset_ms: 0,
            over_soft_limit_since_ms: 0,
            sent_total: 0,
            corked: false,
            doubles: DoubleFormat::default(),
            held: VecDeque::new(),
            released: 0,
        }
    }
}

/// A message that is sent from where it lies, together with all others who receive it.
struct Shared {
    message: Arc<Message>,
    protocol: Protocol,
    sent: usize,
}

impl Shared {
    fn rest(&self) -> &[u8] {
        self.message.bytes(self.protocol).get(self.sent..).unwrap_or_default()
    }
}

/// Messages of this length and more are not copied.
const SHARED_LEN_MIN: usize = 16 * 1024;
/// What others have pushed is taken over until so much waits: what is not, stays shared.
const TAKEN_LEN_MAX: usize = 64 * 1024;

/// Replies of this length and more are corked, where that is wanted.
const CORK_BYTES: usize = 64 * 1024;

impl Output {
    /// A busy client's buffer has this capacity when nothing waits.
    pub(crate) const CAPACITY_MAX: usize = 16 * 1024;
    /// An idle client's shrinks to this.
    pub(crate) const CAPACITY_MIN: usize = 1024;

    /// A writer that appends a reply.
    #[inline]
    pub(crate) fn reply(&mut self, protocol: Protocol) -> ReplyWriter<'_> {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(self.capacity);
        }
        ReplyWriter::new(&mut self.bytes, protocol).with_doubles(self.doubles)
    }
    /// The same output, with doubles in another form.
    pub(crate) fn with_doubles(self, doubles: DoubleFormat) -> Output {
        Output { doubles, ..self }
    }
    /// Where the next reply will begin, for [`Output::cut`].
    pub(crate) fn mark(&self) -> usize {
        self.bytes.len()
    }
    /// What was written after the mark.
    pub(crate) fn written_since(&self, mark: usize) -> &[u8] {
        self.bytes.get(mark..).unwrap_or_default()
    }
    /// Drops what was written after the mark.
    pub(crate) fn cut(&mut self, mark: usize) {
        self.bytes.truncate(mark);
    }
    /// Appends what others pushed, as much of it as is soon sent.
    /// Nothing as long as `holds`, which is asked while nobody can push more.
    pub(crate) fn append_outbox(&mut self, client: &Client, holds: impl Fn() -> bool) {
        let (protocol, listens) = (client.protocol, client.is_listener());
        client.handle.outbox.take_while(|push| {
            if self.len() >= TAKEN_LEN_MAX || holds() {
                return false;
            }
            match push {
                Push::Message(message) if message.len() >= SHARED_LEN_MIN => {
                    if !self.is_empty() {
                        return false;
                    }
                    self.shared = Some(Shared { message: message.clone(), protocol, sent: 0 });
                }
                push => push.append_to(&mut self.bytes, protocol, listens),
            }
            true
        });
    }
    /// Bytes waiting that are shared with other clients.
    pub(crate) fn shared_len(&self) -> usize {
        self.shared.as_ref().map_or(0, |shared| shared.rest().len())
    }
    /// Appends a reply that was made elsewhere.
    pub(crate) fn append(&mut self, reply: &[u8]) {
        self.bytes.extend_from_slice(reply);
    }
    /// Appends what `write` adds.
    pub(crate) fn append_with<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        write(&mut self.bytes)
    }
    /// What is not sent yet.
    pub(crate) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }
    /// Bytes waiting.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.sent + self.shared_len()
    }
    /// Whether all is sent.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() == self.sent && self.shared.is_none()
    }
    /// Capacity of the buffer as CLIENT LIST shows it.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }
    /// Bytes allocated for replies.
    pub(crate) fn allocated(&self) -> usize {
        self.bytes.capacity()
    }
    /// Most bytes waiting at once of late.
    pub(crate) fn peak(&self) -> usize {
        self.peak
    }

    /// Holds what was appended since the last time back until that place in the propagation log may be seen.
    pub(crate) fn hold(&mut self, position: u64) {
        let end = self.sent_total + self.len() as u64;
        match self.held.back() {
            Some((last, _)) if *last >= end => {}
            None if self.is_empty() => {}
            last => {
                if last.is_none() {
                    self.released = self.sent_total;
                }
                self.held.push_back((end, position));
            }
        }
    }
    /// Lets go of what may be seen. Whether something is still held.
    pub(crate) fn release(&mut self, may_be_seen: impl Fn(u64) -> bool) -> bool {
        while let Some((end, position)) = self.held.front().copied() {
            if !may_be_seen(position) {
                return true;
            }
            self.released = end;
            self.held.pop_front();
        }
        false
    }
    /// Whether something is held.
    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        !self.held.is_empty()
    }
    /// How many bytes may be sent.
    #[inline]
    fn sendable(&self) -> usize {
        if self.held.is_empty() {
            return usize::MAX;
        }
        usize::try_from(self.released.saturating_sub(self.sent_total)).unwrap_or(usize::MAX)
    }

    /// Has a large reply leave in full segments only, until all of it is sent.
    pub(crate) fn cork(&mut self, stream: &Stream) {
        if !self.corked && self.len() >= CORK_BYTES {
            self.corked = stream.set_cork(true);
        }
    }

    /// Writes until all is sent or the socket takes no more.
    pub(crate) fn poll_write(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
        stats: &WorkerStats,
    ) -> Poll<io::Result<()>> {
        self.peak = self.peak.max(self.len());
        let mut budget = self.sendable();
        while !self.is_empty() && budget > 0 {
            let next = self.shared.as_ref().map_or(&self.bytes[self.sent..], Shared::rest);
            let next = next.get(..budget).unwrap_or(next);
            match Pin::new(&mut *stream).poll_write(cx, next) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.advance(written);
                    budget -= written;
                    self.sent_total += written as u64;
                    stats.bytes_out.add(written as u64);
                    stats.writes.add(1);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.drop_sent();
                    return Poll::Pending;
                }
            }
        }
        if !self.is_empty() {
            self.drop_sent();
            return Poll::Pending;
        }
        if self.corked {
            self.corked = false;
            stream.set_cork(false);
        }
        self.bytes.clear();
        self.sent = 0;
        if self.bytes.capacity() > 4 * self.capacity {
            self.bytes = Vec::new();
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, written: usize) {
        match &mut self.shared {
            Some(shared) => {
                shared.sent += written;
                if shared.rest().is_empty() {
                    self.shared = None;
                }
            }
            None => self.sent += written,
        }
    }

    /// Bytes sent since the connection began.
    pub(crate) fn sent_total(&self) -> u64 {
        self.sent_total
    }
    /// Whether more waits than the hard limit allows, together with `pushes`: the bytes in the outbox.
    pub(crate) fn is_over_hard(&self, limit: OutputLimit, pushes: usize) -> bool {
        limit.hard > 0 && (self.len() + pushes) as u64 >= limit.hard
    }

    /// Whether the limit is broken: the hard one now, or the soft one for too long.
    pub(crate) fn is_over(&mut self, limit: OutputLimit, pushes: usize, now_ms: i64) -> bool {
        if self.is_over_hard(limit, pushes) {
            return true;
        }
        let waiting = (self.len() + pushes) as u64;
        if limit.soft == 0 || waiting < limit.soft {
            self.over_soft_limit_since_ms = 0;
            return false;
        }
        if self.over_soft_limit_since_ms == 0 {
            self.over_soft_limit_since_ms = now_ms;
        }
        (now_ms - self.over_soft_limit_since_ms) / 1000 > i64::from(limit.soft_seconds)
    }

    /// Fits the capacity to the peak of the last while.
    pub(crate) fn tidy(&mut self, now_ms: i64, reset_after_ms: Option<i64>, stats: &WorkerStats) {
        let was = self.capacity;
        if self.peak >= self.capacity {
            self.capacity = (self.capacity * 2).min(Self::CAPACITY_MAX);
        } else if self.peak < self.capacity / 2 {
            self.capacity = (self.capacity / 2).max(Self::CAPACITY_MIN);
        }
        if self.capacity > was {
            stats.reply_buffer_expands.add(1);
        } else if self.capacity < was {
            stats.reply_buffer_shrinks.add(1);
        }
        if self.capacity != was && self.is_empty() {
            self.bytes = Vec::new();
        }
        if reset_after_ms.is_some_and(|after| now_ms - self.peak_reset_ms >= after) {
            self.peak = self.len();
            self.peak_reset_ms = now_ms;
        }
    }

    /// Moves what is left to the front once that frees more than it costs.
    fn drop_sent(&mut self) {
        if self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }
}
