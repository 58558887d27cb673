//! A connection whose next command may not run yet, and one whose command sends keys elsewhere.

use super::connection::Connection;
use super::worker::Worker;
use crate::client::ClientHandle;
use crate::dispatch::{Ended, finish_transfer};
use crate::migration::{Failure, Job, Outcome};
use std::future::{Future, poll_fn};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::task::Poll;
use std::time::Duration;

impl Connection {
    /// Holds the client back until a pause ends, or until it is woken to look again.
    pub(super) async fn wait_out_pause(&mut self, worker: &Worker, until_ms: i64) {
        let millis = until_ms.saturating_sub(worker.now_ms()).max(1);
        let timer = tokio::time::sleep(Duration::from_millis(millis.unsigned_abs()));
        tokio::pin!(timer);
        let over = poll_fn(|cx| match worker.server.pause.in_force(worker.now_ms()) {
            None => Poll::Ready(()),
            Some(_) => timer.as_mut().poll(cx),
        });
        self.stand_by(worker, over).await;
    }

    /// Holds the client back until a transfer ends, or until it is woken to look again.
    pub(super) async fn wait_out_transfer(&mut self, worker: &Worker, seen: u64) {
        self.stand_by(worker, worker.server.migrations.holds.ended_since(seen)).await;
    }

    async fn stand_by(&mut self, worker: &Worker, over: impl Future<Output = ()>) {
        self.flush(worker);
        // Who ends the wait looks for this flag afterwards: if it does not see it, the end is seen below.
        self.client.handle.published.flags.fetch_or(ClientHandle::FLAG_BLOCKED, SeqCst);
        worker.server.pause.enter();
        let mut over = std::pin::pin!(over);
        let signals = poll_fn(|cx| {
            self.client.handle.waker.register(cx.waker());
            let signals = self.client.handle.signals.take();
            if signals != 0 {
                return Poll::Ready(signals);
            }
            if !self.output.is_empty() {
                // A failed write shows again at the next read.
                let _ = self.poll_write(cx, worker);
            }
            over.as_mut().poll(cx).map(|()| 0)
        })
        .await;
        worker.server.pause.leave();
        self.client.handle.published.flags.fetch_and(!ClientHandle::FLAG_BLOCKED, Relaxed);
        worker.begin_batch();
        self.on_signals(worker, signals);
    }

    /// Sends the keys of the command at `index` to another server, and ends the command. It does so even where its client is
    /// about to be closed: what has arrived there is not to stay here.
    pub(super) async fn transfer(&mut self, worker: &Worker, index: usize, job: Box<Job>) {
        let began = worker.ticks.now();
        self.flush(worker);
        let flags = &self.client.handle.published.flags;
        // Meanwhile it is not idle.
        flags.fetch_or(ClientHandle::FLAG_BLOCKED, SeqCst);
        let (keys, holds, server) = (job.keys(), job.holds, worker.server.clone());
        let sent = tokio::task::spawn_blocking(move || job.run(&server)).await;
        flags.fetch_and(!ClientHandle::FLAG_BLOCKED, Relaxed);
        let outcome = sent.unwrap_or_else(|error| {
            tracing::error!(%error, "MIGRATE: the thread that sends has failed");
            Outcome { keys, holds, arrived: Vec::new(), failure: Some(Failure::Writing) }
        });
        self.client.migrated = Some(Box::new(outcome));
        let mut set = self.batch.get(index).shards;
        loop {
            let mut guard = worker.member.party().lock(set).await;
            worker.begin_batch();
            let ended = finish_transfer(self, worker, index, &mut guard, began);
            drop(guard);
            match ended {
                Ended::Done => break,
                Ended::NeedMore(more) => set = more,
                Ended::Free(garbage) => {
                    self.free(worker, garbage).await;
                    break;
                }
            }
        }
        worker.wake_served();
    }
}
