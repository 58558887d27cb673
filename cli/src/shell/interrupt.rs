//! Ctrl-C in interactive use: it ends a stream of messages, or the program.

use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;

use crate::endpoint::Stream;

/// Exit status when Ctrl-C ends the program.
const EXIT_INTERRUPTED: i32 = 1;

#[derive(Debug, Default)]
struct State {
    /// The connection whose messages are being read.
    stream: Option<Stream>,
    /// Ctrl-C has cut that connection.
    cut: bool,
}

/// The connection that Ctrl-C cuts, if one is set.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<Mutex<State>>);

impl Interrupt {
    /// Takes over Ctrl-C from now on.
    ///
    /// # Errors
    /// When the handler or its thread cannot be set up.
    pub fn install(&self) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT])?;
        let state = Arc::clone(&self.0);
        thread::Builder::new().name("interrupt".into()).spawn(move || {
            for _ in &mut signals {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                match &state.stream {
                    // An error means that the connection has ended by itself.
                    Some(stream) => state.cut = stream.shutdown(Shutdown::Both).is_ok(),
                    None => std::process::exit(EXIT_INTERRUPTED),
                }
            }
        })?;
        Ok(())
    }

    /// From now on Ctrl-C cuts `stream` instead of ending the program.
    pub fn watch(&self, stream: Stream) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State { stream: Some(stream), cut: false };
    }

    /// Ends [`Self::watch`] and tells whether Ctrl-C has cut the connection.
    pub fn unwatch(&self) -> bool {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).cut
    }
}
