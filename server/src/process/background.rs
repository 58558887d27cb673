//! `daemonize`: going on in the background.
//!
//! fork(2) is out of reach for safe code (and for a process with threads), so the program starts itself anew with the same
//! arguments, and the child leaves the session of the terminal. Its pid is a new one, as after a fork.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::setsid;

use super::startup::Startup;

/// The environment variable that tells the child what it is. The child removes it, so that servers it starts do not see it.
pub(super) const MARK: &str = "OCHRE_BACKGROUND";

/// Which side of the division this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The process in the foreground, which should exit with 0.
    Parent,
    /// The one in the background, without a terminal, its standard streams at `/dev/null`.
    Child,
}

/// Divides the process, or finishes the division in the child.
///
/// `stdin` is the configuration that was read from standard input, if any: the child reads its own input anew. `started_in`
/// is the working directory that relative arguments start from.
///
/// # Errors
/// When the child cannot be started, or cannot leave the session.
pub fn enter(startup: &Startup, stdin: Option<&[u8]>, started_in: &Path) -> io::Result<Side> {
    if startup.background {
        setsid()?;
        return Ok(Side::Child);
    }
    let mut args = startup.args.iter();
    let name = args.next().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program name"))?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0(name).args(args).env(MARK, "1").current_dir(started_in).stdout(Stdio::null()).stderr(Stdio::null());
    command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.spawn()?;
    if let (Some(mut pipe), Some(text)) = (child.stdin.take(), stdin) {
        pipe.write_all(text)?;
    }
    Ok(Side::Parent)
}
