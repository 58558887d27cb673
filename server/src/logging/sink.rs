//! Where finished lines go: standard output or a file.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{dup3, write};
use parking_lot::Mutex;

/// One destination of lines, which several threads write to.
pub(crate) struct Sink {
    /// The descriptor keeps its number when the file is reopened: a crash report writes to it past all locks.
    file: Mutex<OwnedFd>,
    /// The file's absolute path, or `None` for standard output. Absolute, so that a later change of the working directory
    /// does not move the log when it is reopened.
    path: Option<PathBuf>,
    failed: AtomicU64,
}

impl Sink {
    /// Standard output, through a descriptor of its own and without the buffer of `std`.
    pub(crate) fn stdout() -> io::Result<Sink> {
        let file = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Sink { file: Mutex::new(file), path: None, failed: AtomicU64::new(0) })
    }

    /// A file that is appended to, created with mode 0644 if it is not there.
    pub(crate) fn file(path: &Path) -> io::Result<Sink> {
        let path = std::path::absolute(path)?;
        let file = open(&path)?;
        Ok(Sink { file: Mutex::new(file), path: Some(path), failed: AtomicU64::new(0) })
    }

    /// Writes whole lines at once. A failure (a full disk, a closed pipe) is counted, there is nowhere to report it.
    pub(crate) fn write(&self, lines: &[u8]) {
        let file = self.file.lock();
        let mut rest = lines;
        while !rest.is_empty() {
            match write(&*file, rest) {
                Ok(count) if count > 0 => rest = rest.get(count..).unwrap_or_default(),
                Err(Errno::EINTR) => {}
                _ => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            }
        }
    }

    /// Opens the file anew under its path, after a tool has renamed the old one. On an error the old file stays in use.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let fresh = open(path)?;
        Ok(dup3(&fresh, &mut self.file.lock(), OFlag::O_CLOEXEC)?)
    }

    /// The descriptor lines go to, the same as long as the sink lives.
    pub(crate) fn raw_fd(&self) -> RawFd {
        self.file.lock().as_raw_fd()
    }

    /// The path of the log file, or `None` for standard output.
    #[cfg(test)]
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// How many writes failed.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    OpenOptions::new().append(true).create(true).mode(0o644).open(path).map(OwnedFd::from)
}
