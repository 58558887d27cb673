//! One thread of the generator: several connections behind one poll.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use crate::bench::digits::Random;
use crate::bench::error::BenchError;
use crate::bench::histogram::Histogram;
use crate::bench::link::{Connector, Link};
use crate::bench::shared::{Progress, Shared};
use crate::bench::template::Batch;

/// Size of the buffer that replies are read into.
const READ_LEN: usize = 64 * 1024;
/// Events taken from one poll.
const EVENTS_LEN: usize = 1024;
/// The poll's timeout has a resolution of a millisecond: shorter waits are spun.
const SPIN_BELOW: Duration = Duration::from_millis(1);

/// When requests are sent.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// On each connection as soon as its last batch is answered.
    Closed,
    /// On a fixed schedule, however late the answers are.
    Open {
        /// Time between two batches of this thread.
        interval: Duration,
        /// When its first batch is due, after the start of the test.
        phase: Duration,
    },
}

/// What a worker is to do.
#[derive(Debug)]
pub struct Task<'a> {
    /// Opens connections.
    pub connector: &'a Connector,
    /// What the threads share.
    pub shared: &'a Shared,
    /// This thread's counters.
    pub progress: &'a Progress,
    /// Requests of one batch.
    pub batch: Batch,
    /// Requests sent at once.
    pub pipeline: usize,
    /// Range of the random numbers.
    pub keyspace: u64,
    /// Source of the random numbers.
    pub random: Random,
    /// Whether a connection serves more than one batch.
    pub keepalive: bool,
    /// Significant digits of latencies.
    pub digits: u32,
    /// When requests are sent.
    pub pace: Pace,
}

/// Sends requests over `links` until the test is over and returns the latencies.
///
/// # Errors
/// When a connection fails or the server answers with an error; see [`BenchError`].
pub fn run(task: Task<'_>, links: Vec<Link>) -> Result<Histogram, BenchError> {
    let mut worker = Worker::new(task, links)?;
    worker.work()?;
    Ok(worker.histogram)
}

struct Worker<'a> {
    task: Task<'a>,
    links: Vec<Link>,
    poll: Poll,
    histogram: Histogram,
    /// Links that wait for work, in the order they became free.
    idle: VecDeque<usize>,
    /// Links with unanswered requests.
    busy: usize,
    /// Nothing is left to send.
    exhausted: bool,
    /// Number of the next batch of an open-loop schedule.
    scheduled: u32,
}

impl<'a> Worker<'a> {
    fn new(task: Task<'a>, mut links: Vec<Link>) -> Result<Self, BenchError> {
        let poll = Poll::new()?;
        for (index, link) in links.iter_mut().enumerate() {
            link.register(poll.registry(), Token(index))?;
        }
        let histogram = Histogram::new(task.digits);
        let idle = (0..links.len()).collect();
        Ok(Self { task, links, poll, histogram, idle, busy: 0, exhausted: false, scheduled: 0 })
    }

    fn work(&mut self) -> Result<(), BenchError> {
        let mut events = Events::with_capacity(EVENTS_LEN);
        let mut buffer = vec![0; READ_LEN];
        loop {
            let timeout = self.send_what_is_due()?;
            if self.busy == 0 && self.exhausted {
                return Ok(());
            }
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                let Token(index) = event.token();
                if event.is_writable() {
                    self.on_writable(index)?;
                }
                if event.is_readable() {
                    self.on_readable(index, &mut buffer)?;
                }
            }
        }
    }

    /// Gives work to idle links and returns how long to wait for events at most.
    fn send_what_is_due(&mut self) -> Result<Option<Duration>, BenchError> {
        loop {
            let Some(&index) = self.idle.front() else { return Ok(None) };
            if self.exhausted {
                return Ok(None);
            }
            let now = Instant::now();
            let due = self.due(now);
            if due > now {
                let wait = due.duration_since(now);
                return Ok(Some(if wait < SPIN_BELOW { Duration::ZERO } else { wait - SPIN_BELOW }));
            }
            self.send(index, now, due)?;
            self.idle.pop_front();
        }
    }

    /// When the next batch is to be sent.
    fn due(&self, now: Instant) -> Instant {
        match self.task.pace {
            Pace::Closed => now,
            Pace::Open { interval, phase } => {
                self.task.shared.start() + phase + interval.saturating_mul(self.scheduled)
            }
        }
    }

    /// Sends one batch over a link, or notes that none is left. Its latency counts from `since`.
    fn send(&mut self, index: usize, now: Instant, since: Instant) -> Result<(), BenchError> {
        let requests = self.task.shared.claim(self.task.pipeline as u64, now) as usize;
        if requests == 0 {
            self.exhausted = true;
            return Ok(());
        }
        self.scheduled = self.scheduled.saturating_add(1);
        if let Some(link) = self.links.get_mut(index) {
            let bytes = self.task.batch.renew(requests, &mut self.task.random, self.task.keyspace);
            link.send(bytes, requests, since)?;
            self.busy += 1;
        }
        Ok(())
    }

    fn on_writable(&mut self, index: usize) -> Result<(), BenchError> {
        let Some(link) = self.links.get_mut(index) else { return Ok(()) };
        if link.finish_connecting()? && matches!(self.task.pace, Pace::Closed) {
            link.set_since(Instant::now());
        }
        link.flush()
    }

    fn on_readable(&mut self, index: usize, buffer: &mut [u8]) -> Result<(), BenchError> {
        loop {
            let Some(link) = self.links.get_mut(index) else { return Ok(()) };
            let Some(len) = link.read(buffer)? else { return Ok(()) };
            let now = Instant::now();
            let answered = link.count_replies(buffer.get(..len).unwrap_or_default())?;
            if answered > 0 {
                let latency_us = u64::try_from(now.duration_since(link.since()).as_micros()).unwrap_or(u64::MAX);
                self.histogram.record(latency_us, answered);
                self.task.progress.add(answered, latency_us);
                if link.is_answered() {
                    self.busy -= 1;
                    self.on_answered(index, now)?;
                }
            }
            // The poll reports new data only: a full buffer means there may be more of the old.
            if len < buffer.len() {
                return Ok(());
            }
        }
    }

    fn on_answered(&mut self, index: usize, now: Instant) -> Result<(), BenchError> {
        if !self.task.keepalive
            && !self.exhausted
            && let Some(link) = self.links.get_mut(index)
        {
            *link = self.task.connector.start()?;
            link.register(self.poll.registry(), Token(index))?;
        }
        match self.task.pace {
            Pace::Closed if !self.exhausted => self.send(index, now, now),
            _ => {
                self.idle.push_back(index);
                Ok(())
            }
        }
    }
}
