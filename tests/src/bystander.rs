//! A well-behaved client that measures how long it waits while others misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::{Reply, Server};

/// Pause between two requests of a bystander.
const PAUSE: Duration = Duration::from_millis(1);

/// A client that reads and writes one key again and again until it is stopped.
#[derive(Debug)]
pub struct Bystander {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    thread: JoinHandle<Result<Vec<Duration>>>,
}

impl Bystander {
    /// Connects to the server and begins.
    pub fn start(server: &Server) -> Result<Bystander> {
        let mut client = server.client()?;
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = Arc::new(AtomicUsize::new(0));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&rounds));
        let thread = thread::spawn(move || {
            let mut taken = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let started = Instant::now();
                ensure!(client.command(&["SET", "bystander", "well"])? == Reply::ok());
                ensure!(client.command(&["GET", "bystander"])? == Reply::bulk("well"));
                taken.push(started.elapsed());
                counted.store(taken.len(), Ordering::Relaxed);
                thread::sleep(PAUSE);
            }
            Ok(taken)
        });
        Ok(Bystander { stop, rounds, thread })
    }

    /// The number of rounds so far.
    pub fn rounds(&self) -> usize {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Ends it and returns what it measured. Errs when it got an error or a wrong reply.
    pub fn stop(self) -> Result<Latencies> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(taken) => Ok(Latencies::new(taken?)),
            Err(_) => bail!("the bystander panicked"),
        }
    }
}

/// How long the rounds of a bystander took, one round being a SET and a GET.
#[derive(Debug)]
pub struct Latencies {
    sorted: Vec<Duration>,
}

impl Latencies {
    fn new(mut taken: Vec<Duration>) -> Latencies {
        taken.sort_unstable();
        Latencies { sorted: taken }
    }

    /// The number of rounds.
    pub fn rounds(&self) -> usize {
        self.sorted.len()
    }

    /// The 99th percentile.
    pub fn p99(&self) -> Duration {
        self.sorted.get(self.sorted.len() * 99 / 100).copied().unwrap_or_default()
    }

    /// Errs unless there were at least `rounds` of them and 99 in 100 took less than `bound`. The bound must leave room
    /// for a machine that other tests keep busy.
    pub fn check(&self, rounds: usize, bound: Duration) -> Result<()> {
        ensure!(self.rounds() >= rounds, "the bystander had {} rounds, not {rounds}", self.rounds());
        ensure!(self.p99() < bound, "the bystander waited {:?} (p99 of {} rounds)", self.p99(), self.rounds());
        Ok(())
    }
}
