//! A connection whose last command waits.

use super::connection::{Closing, Connection};
use super::worker::Worker;
use crate::blocking::{Claimed, Outcome, Waiter};
use crate::client::Signals;
use bytes::Buf;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context as TaskContext, Poll};
use tokio::time::{Instant, Sleep};

/// What a waiting connection has to do next.
enum Event {
    /// The wait is over, and this is what came of it.
    Over(Outcome),
    /// To be served, if possible, by the connection itself.
    Again,
    /// Something others want of the connection.
    Signals(u8),
    /// Bytes were read.
    Data,
    /// The peer closed, or the socket failed.
    End,
}

/// Timers are not set further ahead than this many seconds; then they are set again.
const TIMER_MAX_S: u64 = 1 << 20;

impl Connection {
    /// Waits until the command that has just begun to wait is answered, or the connection closes. `is_last`: no other
    /// command of the batch follows.
    pub(super) async fn wait(&mut self, worker: &Worker, waiter: &Arc<Waiter>, is_last: bool) {
        if is_last {
            self.let_go_of_batch();
        }
        self.flush(worker);
        self.send_pushes(worker);
        self.publish(worker);
        let argv_bytes = waiter.argv().iter().map(|argument| argument.len() as u64).sum();
        self.client.handle.published.argv_bytes.store(argv_bytes, Relaxed);
        let mut timer = Timer::new(waiter);
        self.waits_in = Some(waiter.clone());
        while self.closing == Closing::No {
            match poll_fn(|cx| self.poll_waiting(cx, worker, waiter, &mut timer)).await {
                Event::Over(outcome) => {
                    self.waits_in = None;
                    self.leave(worker, waiter).await;
                    worker.begin_batch();
                    self.answer(worker, waiter, outcome);
                    return;
                }
                Event::Again => self.try_again(worker, waiter, &mut timer).await,
                Event::Signals(signals) => self.on_signals(worker, signals),
                Event::Data => {
                    self.is_over_query_limit(worker);
                }
                Event::End => self.closing = Closing::Now,
            }
        }
        self.waits_in = None;
        while worker.server.blocked.end_own(waiter) == Claimed::Busy {
            tokio::task::yield_now().await;
        }
        self.leave(worker, waiter).await;
    }

    /// The waiter has a copy of the command: what the batch lies in can be used for what comes.
    fn let_go_of_batch(&mut self) {
        let bytes = std::mem::take(&mut self.batch_bytes).min(self.query.len());
        self.query.advance(bytes);
        if self.query.is_empty() {
            self.query = Default::default();
        }
    }

    fn poll_waiting(
        &mut self,
        cx: &mut TaskContext<'_>,
        worker: &Worker,
        waiter: &Waiter,
        timer: &mut Timer,
    ) -> Poll<Event> {
        self.client.handle.waker.register(cx.waker());
        let signals = self.client.handle.signals.take();
        let others = signals & !(Signals::WAIT_OVER | Signals::WAIT_AGAIN);
        // What was pushed meanwhile comes behind the reply.
        if others != 0 && (signals & Signals::KILL != 0 || !waiter.is_over()) {
            // What is left is found again without its signal, or by it.
            self.client.handle.signals.raise(signals & !others);
            return Poll::Ready(Event::Signals(others));
        }
        if waiter.is_over() {
            self.client.handle.signals.raise(others);
            // Who has ended it signals once it has said how.
            return waiter.take_outcome().map_or(Poll::Pending, |outcome| Poll::Ready(Event::Over(outcome)));
        }
        if signals & Signals::WAIT_AGAIN != 0 {
            return Poll::Ready(Event::Again);
        }
        if timer.poll_over(cx) {
            match worker.server.blocked.end_own(waiter) {
                Claimed::Mine => return Poll::Ready(Event::Over(Outcome::TimedOut)),
                // Somebody serves it just now, and signals whatever comes of it.
                Claimed::Busy | Claimed::Over => {}
            }
        }
        if !self.output.is_empty() {
            match self.poll_write(cx, worker) {
                Poll::Ready(Err(_)) => return Poll::Ready(Event::End),
                Poll::Ready(Ok(())) if !self.client.handle.outbox.is_empty() => {
                    return Poll::Ready(Event::Signals(Signals::OUTBOX));
                }
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        match self.poll_read(cx, worker) {
            Poll::Ready(true) => Poll::Ready(Event::Data),
            Poll::Ready(false) => Poll::Ready(Event::End),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Serves those who wait for the same keys as this client, in their order, with all the locks that this one needs.
    async fn try_again(&mut self, worker: &Worker, waiter: &Waiter, timer: &mut Timer) {
        timer.rearm();
        if let Some(mut guard) = self.unless_killed(worker.member.party().lock(waiter.shards())).await {
            worker.begin_batch();
            crate::blocking::serve_again(worker, &mut guard, waiter);
            drop(guard);
            worker.wake_served();
        }
    }

    /// Leaves the queues it still stands in.
    async fn leave(&mut self, worker: &Worker, waiter: &Waiter) {
        let standing = waiter.standing();
        if !standing.is_empty() {
            let mut guard = worker.member.party().lock(standing).await;
            worker.server.blocked.leave(&mut guard, waiter);
        }
        *self.client.handle.waiter.lock() = None;
        self.client.handle.published.argv_bytes.store(0, Relaxed);
    }

    fn answer(&mut self, worker: &Worker, waiter: &Waiter, outcome: Outcome) {
        let mark = self.output.mark();
        let stats = &worker.stats.by_command[usize::from(waiter.command())];
        match outcome {
            Outcome::Served(reply) => {
                self.depend_on_all(&worker.server);
                self.output.append(&reply);
            }
            Outcome::TimedOut => {
                let mut reply = self.output.reply(self.client.protocol);
                waiter.otherwise().write(&worker.server, &mut reply, false);
                worker.account_call(stats, waiter.nanos());
            }
            Outcome::Failed(error, close) => {
                error.write(&mut self.output.reply(self.client.protocol));
                crate::dispatch::count_error(worker, &error);
                stats.failed.add(1);
                worker.account_call(stats, waiter.nanos());
                if close {
                    self.closing = Closing::AfterReply;
                }
            }
        }
        crate::dispatch::apply_reply_mode(self, worker, mark);
    }
}

/// When the wait ends by itself.
struct Timer {
    deadline: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    fn new(waiter: &Waiter) -> Timer {
        let deadline = waiter.timeout().and_then(|timeout| Instant::now().checked_add(timeout));
        let mut timer = Timer { deadline, sleep: None };
        timer.rearm();
        timer
    }
    /// Has it go off again, if its time is over.
    fn rearm(&mut self) {
        let furthest = Instant::now() + std::time::Duration::from_secs(TIMER_MAX_S);
        self.sleep = self.deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline.min(furthest))));
    }
    /// Whether the time is over; true once, until it is armed again.
    fn poll_over(&mut self, cx: &mut TaskContext<'_>) -> bool {
        while let Some(sleep) = &mut self.sleep {
            if sleep.as_mut().poll(cx).is_pending() {
                return false;
            }
            self.sleep = None;
            if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return true;
            }
            self.rearm();
        }
        false
    }
}
