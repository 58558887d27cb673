//! What a script may ask of whoever runs it.

use ochre_resp::{Protocol, Span};

/// Runs commands and answers questions for a script. It is there while the script runs.
pub trait Host {
    /// Executes a command and appends its reply in that protocol version. The arguments, name first, lie at `spans` of
    /// `bytes`; there is at least one. What is left in `known` is there the next time that the script's thread calls by the
    /// same name; it begins as none.
    ///
    /// # Errors
    /// [`Refusal`] where the command is not executed, or the script must not go on.
    fn call(
        &mut self,
        known: &mut Option<u16>,
        bytes: &[u8],
        spans: &[Span],
        protocol: Protocol,
        reply: &mut Vec<u8>,
    ) -> Result<(), Refusal>;

    /// Whether the caller may run that command with these arguments; `None`: there is no such command.
    fn may_call(&mut self, bytes: &[u8], spans: &[Span]) -> Option<bool>;

    /// Writes to the server's log.
    fn log(&mut self, level: LogLevel, text: &[u8]);

    /// Where the effects of the commands that follow go.
    fn replicate(&mut self, to: Replicate);

    /// Called now and then while Lua runs. Returns whether the script is to end.
    fn interrupt(&mut self) -> bool;

    /// Tells the client something while its script is debugged.
    fn tell(&mut self, lines: Vec<Vec<u8>>);

    /// Waits for what the client of a debugged script says next, word by word; `None`: it is gone.
    fn ask(&mut self) -> Option<Vec<Vec<u8>>>;
}

/// Why a command of a script was not executed.
#[derive(Debug)]
pub enum Refusal {
    /// For this reason, code word first; it is counted already.
    Because(String),
    /// The script must end at once, whatever it catches: what it did is undone, or it is told elsewhere.
    Abort,
    /// Somebody has killed the script: it ends as if [`Host::interrupt`] had said so.
    Kill,
}

/// How important a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum LogLevel {
    Debug,
    Verbose,
    Notice,
    Warning,
}

/// Where effects go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicate {
    /// To the append-only file.
    pub file: bool,
    /// To replicas.
    pub replicas: bool,
}
