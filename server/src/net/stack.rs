//! Stacks for connections that run scripts.
//!
//! A script that takes long lets its worker go on in between. The frames that stand above it hold locks and borrow from the
//! connection, so they cannot return; they are left where they are, on a stack of their own. A connection gets one for the
//! length of a poll, from the first script on that it runs.

use super::worker::Worker;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use scoped_tls_hkt::scoped_thread_local;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Room for Lua's deepest calls of C functions; pages that are not touched take no memory.
const STACK_BYTES: usize = 8 << 20;
/// Stacks that are kept: one for a script that takes long, and one for the other connections.
const STACKS_KEPT: usize = 2;

scoped_thread_local!(static YIELDER: Yielder<Waker, Pause>);

type Task = Pin<Box<dyn Future<Output = ()>>>;
type Run = Coroutine<Waker, Pause, (Task, Poll<()>), DefaultStack>;

/// For how long a script leaves its worker to others.
#[derive(Clone, Copy)]
enum Pause {
    /// Until they have had their turn.
    Turn,
    /// Until its connection is woken.
    Sleep,
}

/// The stacks of a worker.
#[derive(Default)]
pub(crate) struct Stacks {
    free: RefCell<Vec<DefaultStack>>,
    /// The connection that is polled wants one.
    wanted: Cell<bool>,
    /// The system gives none: scripts run as if they never took long.
    missing: Cell<bool>,
}

impl Stacks {
    /// Whether the connection that is polled should ask for a stack before it runs a script.
    pub(crate) fn should_ask(&self) -> bool {
        !YIELDER.is_set() && !self.missing.get()
    }
    /// Has the connection that is polled be polled again at once, on a stack.
    pub(crate) async fn ask(&self) {
        let mut asked = false;
        std::future::poll_fn(|_| match std::mem::replace(&mut asked, true) {
            true => Poll::Ready(()),
            false => {
                self.wanted.set(true);
                Poll::Pending
            }
        })
        .await;
    }
    fn take(&self) -> Option<DefaultStack> {
        let free = self.free.borrow_mut().pop();
        let stack = free.or_else(|| DefaultStack::new(STACK_BYTES).ok());
        self.missing.set(stack.is_none());
        stack
    }
    fn give_back(&self, stack: DefaultStack) {
        let mut free = self.free.borrow_mut();
        if free.len() < STACKS_KEPT {
            free.push(stack);
        }
    }
}

/// Lets the worker look after others for a moment; nothing if there is no stack to leave.
pub(crate) fn pause() {
    if YIELDER.is_set() {
        YIELDER.with(|yielder| {
            yielder.suspend(Pause::Turn);
        });
    }
}

/// Leaves the worker to others until the future is done; nothing if there is no stack to leave.
pub(crate) fn wait<F: Future>(future: F) -> Option<F::Output> {
    if !YIELDER.is_set() {
        return None;
    }
    let mut future = pin!(future);
    YIELDER.with(|yielder| {
        let mut waker = yielder.suspend(Pause::Turn);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return Some(output),
                Poll::Pending => waker = yielder.suspend(Pause::Sleep),
            }
        }
    })
}

/// The task of a connection, which is polled on a stack once it has asked for one.
pub(crate) struct OnStack {
    worker: Rc<Worker>,
    /// None while it is being polled, or is paused.
    task: Option<Task>,
    has_asked: bool,
    paused: Option<Run>,
}

impl OnStack {
    pub(crate) fn new(worker: Rc<Worker>, task: impl Future<Output = ()> + 'static) -> OnStack {
        OnStack { worker, task: Some(Box::pin(task)), has_asked: false, paused: None }
    }

    fn go_on(&mut self, mut run: Run, context: &mut Context<'_>) -> Poll<()> {
        match run.resume(context.waker().clone()) {
            CoroutineResult::Yield(pause) => {
                self.paused = Some(run);
                if let Pause::Turn = pause {
                    // Woken once the worker has looked for input.
                    let _ = pin!(tokio::task::yield_now()).poll(context);
                }
                Poll::Pending
            }
            CoroutineResult::Return((task, poll)) => {
                self.worker.stacks.give_back(run.into_stack());
                self.task = Some(task);
                poll
            }
        }
    }
}

impl Future for OnStack {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if let Some(run) = this.paused.take() {
            return this.go_on(run, context);
        }
        let Some(mut task) = this.task.take() else { return Poll::Ready(()) };
        if !this.has_asked {
            let poll = task.as_mut().poll(context);
            this.has_asked = this.worker.stacks.wanted.take();
            if !this.has_asked {
                this.task = Some(task);
                return poll;
            }
        }
        let Some(stack) = this.worker.stacks.take() else {
            let poll = task.as_mut().poll(context);
            this.task = Some(task);
            return poll;
        };
        let run = Coroutine::with_stack(stack, |yielder: &Yielder<Waker, Pause>, waker: Waker| {
            let poll = YIELDER.set(yielder, || task.as_mut().poll(&mut Context::from_waker(&waker)));
            (task, poll)
        });
        this.go_on(run, context)
    }
}

impl Drop for OnStack {
    fn drop(&mut self) {
        // What is on the stack of a paused script is not ours to unwind. This happens only where the process ends.
        std::mem::forget(self.paused.take());
    }
}
