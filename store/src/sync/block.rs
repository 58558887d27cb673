//! Waiting for a future by stopping the thread: for background threads.

use super::platform::{Condvar, Mutex, lock};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake};

/// Polls `future` to its end, sleeping between wake-ups.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let bell = Arc::new(Bell { rung: Mutex::new(false), changed: Condvar::new() });
    let waker = bell.clone().into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        bell.wait();
    }
}

struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    fn wait(&self) {
        let mut rung = lock(&self.rung);
        if *rung {
            // The future rang its own bell: it wants the processor given to others, then another look.
            *rung = false;
            drop(rung);
            #[cfg(not(loom))]
            std::thread::yield_now();
            return;
        }
        while !*rung {
            rung = self.changed.wait(rung).unwrap_or_else(PoisonError::into_inner);
        }
        *rung = false;
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *lock(&self.rung) = true;
        self.changed.notify_one();
    }
}
