//! Several threads that put keys into a store while another one reads the file.

use super::arrivals::Arrivals;
use super::load::{LoadError, Target, Unlocked};
use ochre_store::sync::ShardSet;
use ochre_store::{Clock, Member, Store, Txn};
use parking_lot::Mutex;
use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Batches that wait for a thread at most.
const WAITING_MAX: usize = 4;
/// Threads at most: one that reads keeps no more busy.
const THREADS_MAX: usize = 4;

/// Threads that put keys into a store, each those of some shards. Without threads, which is so on a machine with one core,
/// whoever reads puts them there.
///
/// The threads live from the first key to the end of a file.
pub struct Crew<'m> {
    own: Unlocked<'m>,
    /// To be called first by each thread.
    prepare: fn(),
    threads: usize,
    hands: Vec<Hand>,
    /// Why one of them has stopped.
    failure: Arc<Mutex<Option<LoadError>>>,
}

/// A thread of the crew.
struct Hand {
    work: SyncSender<Arrivals>,
    thread: JoinHandle<()>,
}

impl<'m> Crew<'m> {
    /// A crew for a thread that is a member, with a thread for each other core. Each of them calls `prepare` first.
    pub fn new(member: &'m Member, clock: Clock, prepare: fn()) -> Crew<'m> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Crew::with_threads(member, clock, prepare, cores.saturating_sub(1).min(THREADS_MAX))
    }

    /// As [`new`](Crew::new), with so many threads.
    pub(super) fn with_threads(member: &'m Member, clock: Clock, prepare: fn(), threads: usize) -> Crew<'m> {
        let own = Unlocked { member, clock };
        Crew { own, prepare, threads, hands: Vec::new(), failure: Arc::default() }
    }

    fn muster(&mut self) -> io::Result<()> {
        while self.hands.len() < self.threads {
            let (work, arriving) = sync_channel(WAITING_MAX);
            let (store, clock, prepare) = (self.own.member.store().clone(), self.own.clock, self.prepare);
            let failure = self.failure.clone();
            let name = format!("load-{}", self.hands.len());
            let thread = thread::Builder::new().name(name).spawn(move || {
                prepare();
                fill(&store, clock, &arriving, &failure);
            })?;
            self.hands.push(Hand { work, thread });
        }
        Ok(())
    }

    /// Waits until the threads have ended.
    fn dismiss(&mut self) {
        let threads: Vec<_> = self.hands.drain(..).map(|Hand { thread, .. }| thread).collect();
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

fn fill(store: &Arc<Store>, clock: Clock, arriving: &Receiver<Arrivals>, failure: &Mutex<Option<LoadError>>) {
    let member = store.register();
    let mut target = Unlocked { member: &member, clock };
    for arrivals in arriving {
        if let Err(error) = target.take(arrivals) {
            failure.lock().get_or_insert(error);
            return;
        }
        member.publish_memory();
    }
}

impl Target for Crew<'_> {
    fn store(&self) -> &Store {
        self.own.store()
    }

    fn with(&mut self, shards: ShardSet, act: &mut dyn FnMut(&mut Txn<'_>)) {
        self.own.with(shards, act);
    }

    fn take(&mut self, arrivals: Arrivals) -> Result<(), LoadError> {
        // Where there can be no more threads, those that there are do.
        if self.muster().is_err() {
            self.threads = self.hands.len();
        }
        if self.hands.is_empty() {
            return self.own.take(arrivals);
        }
        for (part, hand) in arrivals.split(self.hands.len()).into_iter().zip(&self.hands) {
            // A thread that has stopped has said why.
            if !part.is_empty() && hand.work.send(part).is_err() {
                return self.settle();
            }
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), LoadError> {
        self.dismiss();
        self.failure.lock().take().map_or(Ok(()), Err)
    }
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.dismiss();
        }
    }
}
