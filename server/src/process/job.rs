//! A process that stands for a job of this one, for operators and programs that look for it, or end it.
//!
//! It does nothing: it waits until this process closes a pipe or is gone. This program is started anew for it, with a mark in
//! the environment; the job itself is done by a thread.

use super::raw;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use parking_lot::Mutex;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;

/// The environment variable that tells such a process what it is.
const MARK: &str = "OCHRE_JOB";

/// Whether this program knows what to do when it is started with the mark.
static KNOWS_MARK: AtomicBool = AtomicBool::new(false);

/// A process that stands for a job. Dropped, it is ended and reaped.
#[derive(Debug)]
pub struct Job {
    pid: Pid,
    /// Closed with this process, in whatever way that ends; the other process ends then.
    pipe: Option<ChildStdin>,
    life: Arc<Life>,
    watcher: Option<JoinHandle<()>>,
}

/// How the process lives.
#[derive(Debug, Default)]
struct Life {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// It has ended, and is about to be reaped: its number may not be used any more.
    is_over: bool,
    /// Nobody cares any more how it ends.
    is_dismissed: bool,
}

impl Job {
    /// Starts the process, which shows `title` as its command line. If it is ended by a signal, `on_signal` is called with the
    /// number of that, on a thread of its own; it must not wait for this object to be dropped.
    ///
    /// # Errors
    /// If it cannot be started, or this program has not called [`startup::begin`](super::startup::begin).
    pub fn start(title: &str, on_signal: impl FnOnce(i32) + Send + 'static) -> io::Result<Job> {
        if !KNOWS_MARK.load(SeqCst) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "this program does not stand for jobs"));
        }
        let mut command = Command::new("/proc/self/exe");
        command.arg0(title).env(MARK, "1").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let pipe = child.stdin.take();
        let pid = Pid::from_raw(child.id().try_into().map_err(io::Error::other)?);
        let mut job = Job { pid, pipe, life: Arc::default(), watcher: None };
        let life = job.life.clone();
        let watcher = std::thread::Builder::new().name("job".into());
        job.watcher = Some(watcher.spawn(move || watch(child, pid, &life, on_signal))?);
        Ok(job)
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        {
            let mut state = self.life.state.lock();
            state.is_dismissed = true;
            if !state.is_over && self.watcher.is_some() {
                // Closing the pipe would not end one that was stopped. It is not reaped before the lock is free.
                let _ = kill(self.pid, Signal::SIGKILL);
            }
        }
        drop(self.pipe.take());
        if let Some(watcher) = self.watcher.take() {
            // It does not panic; if it did, there would be nothing left to wait for.
            let _ = watcher.join();
        }
    }
}

/// Waits until the process has ended, and reaps it.
fn watch(mut child: Child, pid: Pid, life: &Life, on_signal: impl FnOnce(i32)) {
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
    let is_dismissed = {
        let mut state = life.state.lock();
        state.is_over = true;
        state.is_dismissed
    };
    let status = child.wait();
    if is_dismissed {
        return;
    }
    match status {
        Ok(status) => match status.signal() {
            Some(signal) => on_signal(signal),
            None => tracing::warn!(%status, "the process that stands for a job is gone; the job goes on"),
        },
        Err(error) => tracing::warn!(%error, "the process that stands for a job cannot be waited for; the job goes on"),
    }
}

/// Whether this process is one that stands for a job of another: then it has to call [`stand`], and nothing else.
pub(super) fn is_this() -> bool {
    KNOWS_MARK.store(true, SeqCst);
    raw::take_env(MARK).is_some()
}

/// Does nothing until the process that has started this one wants it to end, or is gone.
pub fn stand() {
    // What ends both of them is for the other process to handle.
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        // Without a handler the signal would end this process, which the other one survives.
        let _ = signal_hook::flag::register(signal, Arc::default());
    }
    // At its end, or at an error, there is nobody left.
    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
}
