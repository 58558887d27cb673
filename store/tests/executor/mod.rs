//! A small single-threaded executor, so that tests park and wake tasks as the server does, without a runtime.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

/// A task of one thread.
pub(crate) type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Runs the tasks on this thread until all have ended.
pub(crate) fn run(tasks: Vec<Task<'_>>) {
    let inbox = Arc::new(Inbox { ready: Mutex::new((0..tasks.len()).collect()), thread: std::thread::current() });
    let waker = |task| Waker::from(Arc::new(Bell { task, inbox: inbox.clone() }));
    let mut tasks: Vec<_> = tasks.into_iter().enumerate().map(|(task, future)| Some((future, waker(task)))).collect();
    let mut left = tasks.len();
    while left > 0 {
        let Some(task) = inbox.next() else {
            std::thread::park();
            continue;
        };
        let Some((future, waker)) = &mut tasks[task] else { continue };
        if future.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
            tasks[task] = None;
            left -= 1;
        }
    }
}

/// Lets the other tasks of the thread run.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

struct Inbox {
    ready: Mutex<VecDeque<usize>>,
    thread: Thread,
}

impl Inbox {
    fn next(&self) -> Option<usize> {
        self.ready.lock().unwrap().pop_front()
    }
}

struct Bell {
    task: usize,
    inbox: Arc<Inbox>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let mut ready = self.inbox.ready.lock().unwrap();
        let was_empty = ready.is_empty();
        ready.push_back(self.task);
        drop(ready);
        if was_empty {
            self.inbox.thread.unpark();
        }
    }
}
