//! The software watchdog: says in the log what a thread does that has been stuck for longer than `watchdog-period`.
//!
//! Threads that clients wait for register here and give signs of life. While the directive asks for it, a thread looks at
//! these a few times a period; one that has given none for a whole period is sent a signal, whose handler (in `raw`) records
//! the addresses of its stack, and the watchdog gives them names and writes the report. What a thread is stuck in may well
//! be the log, so the report goes past that to its descriptor.

use super::{frames, raw};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use std::{io, thread};

/// Looks in a period. Time is counted in looks: so nobody is blamed for the time in which the process as a whole stood still.
const LOOKS: u32 = 4;

/// Those who are watched, and what the directives say.
#[derive(Default)]
pub struct Watchdog {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// 0: nobody looks.
    period: Duration,
    is_running: bool,
    entries: Vec<Entry>,
}

struct Entry {
    watched: Arc<Watched>,
    /// Its signs of life at the last look, and at how many looks in a row there was no other.
    beats: u64,
    silent_looks: u32,
}

struct Watched {
    name: String,
    thread: i32,
    beats: AtomicU64,
}

/// As long as it lives a thread is watched.
pub(crate) struct Watch {
    watchdog: Arc<Watchdog>,
    watched: Arc<Watched>,
}

impl Watch {
    /// The thread gives a sign of life.
    pub(crate) fn beat(&self) {
        self.watched.beats.fetch_add(1, Relaxed);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watchdog.state.lock().entries.retain(|entry| !Arc::ptr_eq(&entry.watched, &self.watched));
    }
}

impl Watchdog {
    /// Watches the calling thread, which appears in reports under this name.
    pub(crate) fn watch(self: &Arc<Self>, name: impl Into<String>) -> Watch {
        let watched = Arc::new(Watched { name: name.into(), thread: raw::thread_id(), beats: AtomicU64::new(0) });
        self.state.lock().entries.push(Entry { watched: watched.clone(), beats: 0, silent_looks: 0 });
        Watch { watchdog: self.clone(), watched }
    }

    /// Reports who is stuck for longer than so many milliseconds; nobody for 0.
    ///
    /// # Errors
    /// When there can be no thread that looks.
    pub(crate) fn set_period(self: &Arc<Self>, period_ms: u32) -> io::Result<()> {
        let period = Duration::from_millis(period_ms.into());
        let mut state = self.state.lock();
        if state.period == period {
            return Ok(());
        }
        if !period.is_zero() && !state.is_running {
            raw::record_stacks(true)?;
            let watchdog = self.clone();
            thread::Builder::new().name("watchdog".into()).spawn(move || watchdog.run())?;
            state.is_running = true;
        }
        state.period = period;
        self.changed.notify_one();
        Ok(())
    }

    fn run(&self) {
        super::crash::prepare_thread();
        let mut state = self.state.lock();
        state.begin();
        while !state.period.is_zero() {
            let pause = state.period / LOOKS;
            if !self.changed.wait_for(&mut state, pause).timed_out() {
                state.begin();
                continue;
            }
            let stuck = state.look();
            if !stuck.is_empty() {
                let period = state.period;
                MutexGuard::unlocked(&mut state, || stuck.iter().for_each(|watched| report(watched, period)));
            }
        }
        state.is_running = false;
        if let Err(error) = raw::record_stacks(false) {
            tracing::warn!(%error, "the watchdog's signal has still a handler");
        }
    }
}

impl State {
    /// From now on time is counted.
    fn begin(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.silent_looks = 0);
    }

    /// Looks at everybody; those who have become stuck.
    fn look(&mut self) -> Vec<Arc<Watched>> {
        let mut stuck = Vec::new();
        for entry in &mut self.entries {
            let beats = entry.watched.beats.load(Relaxed);
            if beats != entry.beats {
                (entry.beats, entry.silent_looks) = (beats, 0);
                continue;
            }
            entry.silent_looks = entry.silent_looks.saturating_add(1);
            if entry.silent_looks == LOOKS {
                stuck.push(entry.watched.clone());
            }
        }
        stuck
    }
}

/// Writes where a thread is. The first and the last line are those that tools look for.
fn report(watched: &Watched, period: Duration) {
    let stack = raw::stack_of(watched.thread);
    let (head, name) = (raw::handler_head(), &watched.name);
    let millis = period.as_millis();
    raw::write_log(
        format!("{head}\n--- WATCHDOG TIMER EXPIRED ---\n{name} has been stuck for more than {millis} ms\n").as_bytes(),
    );
    let mut text = raw::STACK_TRACE.to_owned();
    match stack {
        Some(addresses) => frames::name(&addresses, &mut |line| text.push_str(line)),
        None => text.push_str("(the thread does not say where it is)\n"),
    }
    text.push_str(&format!("{head}--------\n\n"));
    raw::write_log(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(stuck: &[Arc<Watched>]) -> Vec<&str> {
        stuck.iter().map(|watched| watched.name.as_str()).collect()
    }

    #[test]
    fn who_gives_no_sign_for_a_period_is_stuck_once() {
        let watchdog = Arc::<Watchdog>::default();
        let (lively, silent) = (watchdog.watch("lively"), watchdog.watch("silent"));
        let look = || {
            lively.beat();
            watchdog.state.lock().look()
        };
        for _ in 1..LOOKS {
            assert_eq!(names(&look()), [] as [&str; 0]);
        }
        assert_eq!(names(&look()), ["silent"]);
        for _ in 0..2 * LOOKS {
            assert_eq!(names(&look()), [] as [&str; 0]);
        }
        silent.beat();
        for _ in 0..LOOKS {
            assert_eq!(names(&look()), [] as [&str; 0]);
        }
        assert_eq!(names(&look()), ["silent"]);
        drop(silent);
        assert_eq!(watchdog.state.lock().entries.len(), 1);
    }

    #[test]
    fn a_thread_is_found_where_it_is() {
        raw::record_stacks(true).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let held = thread::spawn(move || {
            tell.send(raw::thread_id()).unwrap();
            wait_for_release(&released)
        });
        let thread = told.recv().unwrap();
        // It may not have come that far yet.
        let found = (0..1000).any(|_| {
            let mut text = String::new();
            frames::name(&raw::stack_of(thread).unwrap(), &mut |line| text.push_str(line));
            text.contains("wait_for_release")
        });
        assert!(found);
        drop(release);
        assert!(held.join().unwrap());
        assert_eq!(raw::stack_of(thread), None);
    }

    #[inline(never)]
    fn wait_for_release(released: &std::sync::mpsc::Receiver<()>) -> bool {
        std::hint::black_box(released.recv()).is_err()
    }
}
