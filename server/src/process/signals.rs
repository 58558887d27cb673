//! The signals an operator sends: SIGTERM and SIGINT end the server, SIGHUP reopens the log.
//!
//! They are received on a thread of their own, so that a second SIGINT works even while every worker is busy. SIGPIPE is
//! ignored by Rust's runtime from the start.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What the operator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalEvent {
    /// SIGTERM: shut down as `shutdown-on-sigterm` says.
    Terminate,
    /// SIGINT: shut down as `shutdown-on-sigint` says.
    Interrupt,
    /// SIGINT while a shutdown is under way. The process exits with 1 as soon as the callback returns: it should remove
    /// temporary files and nothing more.
    ForceExit,
    /// SIGHUP: open the log file anew.
    ReopenLog,
}

impl SignalEvent {
    /// The line Redis logs for it, where it has one.
    pub fn log_line(self) -> Option<&'static str> {
        match self {
            Self::Terminate => Some("Received SIGTERM scheduling shutdown..."),
            Self::Interrupt => Some("Received SIGINT scheduling shutdown..."),
            Self::ForceExit => Some("You insist... exiting now."),
            Self::ReopenLog => None,
        }
    }
}

/// Tells the signal thread how far a shutdown has come. Clones share one state.
#[derive(Clone, Debug)]
pub struct SignalState {
    shutting_down: Arc<AtomicBool>,
}

impl SignalState {
    /// A shutdown was called off (`SHUTDOWN ABORT`, or a failed save): the next SIGINT is a first one again.
    pub fn shutdown_aborted(&self) {
        self.shutting_down.store(false, Ordering::SeqCst);
    }
}

/// Starts the signal thread. `on_event` is called on it for each signal, in order; it must not block for long.
///
/// # Errors
/// When the handlers or the thread cannot be set up.
pub fn listen(mut on_event: impl FnMut(SignalEvent) + Send + 'static) -> io::Result<SignalState> {
    let state = SignalState { shutting_down: Arc::new(AtomicBool::new(false)) };
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let shared = state.clone();
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            let event = shared.event(signal);
            if let Some(line) = event.log_line() {
                tracing::warn!("{line}");
            }
            on_event(event);
            if event == SignalEvent::ForceExit {
                std::process::exit(1);
            }
        }
    })?;
    Ok(state)
}

impl SignalState {
    fn event(&self, signal: i32) -> SignalEvent {
        match signal {
            SIGHUP => SignalEvent::ReopenLog,
            SIGINT => match self.shutting_down.swap(true, Ordering::SeqCst) {
                false => SignalEvent::Interrupt,
                true => SignalEvent::ForceExit,
            },
            _ => {
                self.shutting_down.store(true, Ordering::SeqCst);
                SignalEvent::Terminate
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::startup::tests::Child;

    #[test]
    fn a_second_interrupt_insists() {
        let state = SignalState { shutting_down: Arc::new(AtomicBool::new(false)) };
        assert_eq!(state.event(SIGHUP), SignalEvent::ReopenLog);
        assert_eq!(state.event(SIGINT), SignalEvent::Interrupt);
        state.shutdown_aborted();
        assert_eq!(state.event(SIGTERM), SignalEvent::Terminate);
        assert_eq!(state.event(SIGTERM), SignalEvent::Terminate);
        assert_eq!(state.event(SIGINT), SignalEvent::ForceExit);
    }

    #[test]
    fn signals_arrive_at_the_callback() {
        let mut child = Child::start("process::signals::tests::child_listens");
        child.wait_for_line("child is ready");
        for (signal, expected) in [
            (nix::sys::signal::SIGHUP, "ReopenLog"),
            (nix::sys::signal::SIGINT, "Interrupt"),
            (nix::sys::signal::SIGINT, "ForceExit"),
        ] {
            child.signal(signal);
            child.wait_for_line(expected);
        }
        assert_eq!(child.wait().code(), Some(1));
    }

    #[test]
    fn child_listens() {
        if !Child::is_this() {
            return;
        }
        listen(|event| Child::say(&format!("{event:?}"))).unwrap();
        Child::ready();
        Child::sleep_forever();
    }
}
