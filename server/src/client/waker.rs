//! Waking the task of a connection.

use parking_lot::Mutex;
use std::task::Waker;

/// The waker of a task, kept when it was used: a task hands it over once, not at each of its turns.
#[derive(Default)]
pub(crate) struct TaskWaker(Mutex<Option<Waker>>);

impl TaskWaker {
    /// Has [`wake`](TaskWaker::wake) wake by this from now on.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut known = self.0.lock();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }
    /// Wakes the task, if it has ever waited.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.0.lock() {
            waker.wake_by_ref();
        }
    }
}
