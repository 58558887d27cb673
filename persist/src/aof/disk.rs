//! What the append-only file needs of a disk.

use std::io;
use std::path::Path;

/// Files, by their paths. Every call may fail.
pub trait Disk: Send + Sync {
    /// Opens a file for appending, which is created or emptied first.
    ///
    /// # Errors
    /// Those of the system, as everywhere here.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file for appending, which is created if there is none.
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// The contents of a small file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The size of a file in bytes.
    fn len(&self, path: &Path) -> io::Result<u64>;
    /// Gives a file another name, which may be that of an existing file.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Shortens a file.
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()>;
    /// Creates a folder, unless it is there.
    fn create_folder(&self, path: &Path) -> io::Result<()>;
    /// Has the names in a folder reach the disk.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// A file that is appended to.
pub trait DiskFile: Send {
    /// Writes some bytes at the end, at least one; how many.
    ///
    /// # Errors
    /// Those of the system, as everywhere here.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Has what was written reach the disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Shortens the file.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}
