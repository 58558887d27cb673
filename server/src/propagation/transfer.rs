//! A snapshot on its way to several replicas at once, without a file.

use crate::client::{ClientHandle, Signals};
use parking_lot::{Condvar, Mutex};
use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes that may wait for the slowest replica before whoever makes them has to wait.
const ROOM_BYTES: usize = 8 << 20;
/// How often those are looked for that take nothing.
const LOOK: Duration = Duration::from_millis(100);

/// Pieces of a snapshot, each of which is dropped once all replicas have taken it.
pub(crate) struct Transfer {
    pieces: Mutex<Pieces>,
    /// There is room for more, or nobody is left.
    moved: Condvar,
    /// A replica that takes nothing for so long, as is said now, is given up.
    patience: Box<dyn Fn() -> Duration + Send + Sync>,
}

#[derive(Default)]
struct Pieces {
    queue: VecDeque<Arc<[u8]>>,
    queued_bytes: usize,
    /// The number of the first piece of the queue.
    first: u64,
    takers: HashMap<u64, Taker>,
    end: Option<End>,
    /// Nobody makes more of it.
    is_stopped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Failed,
}

struct Taker {
    handle: Arc<ClientHandle>,
    /// The number of the piece that it takes next.
    next: u64,
    taken: Instant,
    is_idle: bool,
}

/// What a replica is given.
pub(super) enum Given {
    Piece(Arc<[u8]>),
    /// It is signalled when there is more.
    Nothing,
    /// It has all of it.
    Whole,
    /// There will be no more.
    Failed,
}

impl Transfer {
    pub(super) fn new(
        takers: impl Iterator<Item = Arc<ClientHandle>>,
        patience: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Arc<Transfer> {
        let taker = |handle: Arc<ClientHandle>| Taker { handle, next: 0, taken: Instant::now(), is_idle: true };
        let takers = takers.map(|handle| (handle.id, taker(handle))).collect();
        let pieces = Mutex::new(Pieces { takers, ..Pieces::default() });
        Arc::new(Transfer { pieces, moved: Condvar::new(), patience: Box::new(patience) })
    }

    /// What is written here goes to the replicas.
    pub(crate) fn sink(self: &Arc<Transfer>) -> Sink {
        Sink { transfer: self.clone() }
    }

    /// Everything was written, or it failed.
    pub(crate) fn end(&self, is_whole: bool) {
        let mut pieces = self.pieces.lock();
        pieces.end = Some(if is_whole { End::Whole } else { End::Failed });
        pieces.wake_all();
        let (up, queued) = (pieces.takers.len(), pieces.queued_bytes);
        if is_whole {
            tracing::info!(
                "Diskless rdb transfer, done reading from pipe, {up} replicas still up, {queued} bytes yet to send"
            );
        }
    }

    /// The next piece for a replica.
    pub(super) fn give(&self, client: u64) -> Given {
        let mut pieces = self.pieces.lock();
        let (first, end) = (pieces.first, pieces.end);
        let Pieces { queue, takers, .. } = &mut *pieces;
        let Some(taker) = takers.get_mut(&client) else { return Given::Failed };
        if end == Some(End::Failed) {
            return Given::Failed;
        }
        let at = (taker.next - first) as usize;
        let Some(piece) = queue.get(at).cloned() else {
            taker.is_idle = true;
            if end == Some(End::Whole) {
                pieces.leave(client);
                return Given::Whole;
            }
            return Given::Nothing;
        };
        (taker.next, taker.taken) = (taker.next + 1, Instant::now());
        if pieces.drop_taken() {
            self.moved.notify_all();
        }
        Given::Piece(piece)
    }

    /// A replica has gone.
    pub(super) fn leave(&self, client: u64) {
        let mut pieces = self.pieces.lock();
        pieces.leave(client);
        if pieces.takers.is_empty() && pieces.end.is_none() {
            tracing::warn!("Diskless rdb transfer, last replica dropped, killing fork child.");
        }
        self.moved.notify_all();
    }

    /// Whoever makes it is to end, and waits for nobody any more.
    pub(crate) fn stop(&self) {
        self.pieces.lock().is_stopped = true;
        self.moved.notify_all();
    }

    /// Errs when nobody is left who wants it.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.pieces.lock().check()
    }

    /// Adds a piece once there is room. Errs when nobody is left who wants it, and when it is stopped.
    fn put(&self, piece: &[u8]) -> io::Result<()> {
        let mut pieces = self.pieces.lock();
        while !pieces.takers.is_empty() && !pieces.is_stopped && pieces.queued_bytes >= ROOM_BYTES {
            self.moved.wait_for(&mut pieces, LOOK);
            pieces.give_up((self.patience)());
        }
        pieces.check()?;
        pieces.queued_bytes += piece.len();
        pieces.queue.push_back(piece.into());
        pieces.wake_all();
        Ok(())
    }
}

impl Pieces {
    fn check(&self) -> io::Result<()> {
        if self.is_stopped {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "it was ended"));
        }
        let is_left = !self.takers.is_empty();
        is_left.then_some(()).ok_or_else(|| io::Error::new(io::ErrorKind::BrokenPipe, "no replica is left"))
    }

    fn wake_all(&mut self) {
        for taker in self.takers.values_mut().filter(|taker| taker.is_idle) {
            taker.is_idle = false;
            taker.handle.signal(Signals::OUTBOX);
        }
    }

    fn leave(&mut self, client: u64) {
        self.takers.remove(&client);
        self.drop_taken();
    }

    /// Closes those who have taken nothing for too long while others wait for them.
    fn give_up(&mut self, patience: Duration) {
        let last = self.first + self.queue.len() as u64;
        for taker in self.takers.values().filter(|taker| taker.next < last && taker.taken.elapsed() > patience) {
            tracing::warn!("Disconnecting timedout replica (full sync): {}", taker.handle.addr);
            taker.handle.kill();
        }
    }

    /// Drops what everybody has; whether there was any.
    fn drop_taken(&mut self) -> bool {
        let needed = self.takers.values().map(|taker| taker.next).min().unwrap_or(u64::MAX);
        let before = self.first;
        while self.first < needed {
            let Some(piece) = self.queue.pop_front() else { break };
            self.queued_bytes -= piece.len();
            self.first += 1;
        }
        self.first > before
    }
}

/// Hands what is written to the replicas.
pub(crate) struct Sink {
    transfer: Arc<Transfer>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.transfer.put(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Origin;

    fn transfer(clients: &[u64]) -> Arc<Transfer> {
        let handles = clients.iter().map(|id| Arc::new(ClientHandle::new(Origin { id: *id, ..Origin::default() })));
        Transfer::new(handles, || Duration::from_secs(60))
    }

    fn take(transfer: &Transfer, client: u64) -> Option<Vec<u8>> {
        match transfer.give(client) {
            Given::Piece(piece) => Some(piece.to_vec()),
            _ => None,
        }
    }

    #[test]
    fn all_get_all_of_it_and_what_all_have_is_dropped() {
        let transfer = transfer(&[1, 2]);
        let mut sink = transfer.sink();
        sink.write_all(b"abc").unwrap();
        sink.write_all(b"def").unwrap();
        assert_eq!(take(&transfer, 1).unwrap(), b"abc");
        assert_eq!(transfer.pieces.lock().queued_bytes, 6);
        assert_eq!(take(&transfer, 2).unwrap(), b"abc");
        assert_eq!(transfer.pieces.lock().queued_bytes, 3);
        assert_eq!(take(&transfer, 1).unwrap(), b"def");
        assert!(matches!(transfer.give(1), Given::Nothing));
        transfer.end(true);
        assert!(matches!(transfer.give(1), Given::Whole));
        assert_eq!(take(&transfer, 2).unwrap(), b"def");
        assert!(matches!(transfer.give(2), Given::Whole));
    }

    #[test]
    fn it_waits_for_the_slowest_and_ends_with_the_last() {
        let transfer = transfer(&[1, 2]);
        let mut sink = transfer.sink();
        let writer = std::thread::spawn(move || {
            let piece = vec![0; ROOM_BYTES / 2];
            std::iter::repeat_with(|| sink.write_all(&piece)).find_map(Result::err).map(|error| error.kind())
        });
        while transfer.pieces.lock().queued_bytes < ROOM_BYTES {
            std::thread::yield_now();
        }
        while take(&transfer, 1).is_some() {}
        assert_eq!(transfer.pieces.lock().queued_bytes, ROOM_BYTES);
        transfer.leave(2);
        // The writer goes on.
        for _ in 0..10 {
            while take(&transfer, 1).is_none() {
                std::thread::yield_now();
            }
        }
        transfer.leave(1);
        assert_eq!(writer.join().unwrap(), Some(io::ErrorKind::BrokenPipe));
    }
}
