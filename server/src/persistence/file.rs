//! Files that appear whole or not at all.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bytes after which the system is asked to write, so that it need not write all at the end.
const SYNC_BYTES: u64 = 4 << 20;

/// A file that is being written under another name, in the working directory, and takes the name of an existing file once
/// it is whole and on the disk. Dropped before, it is removed.
pub(crate) struct NewFile {
    file: File,
    temporary: PathBuf,
    done: bool,
    /// Bytes since the last sync; `None` where there is to be none before the end.
    unsynced: Option<u64>,
}

impl NewFile {
    /// Creates the file under the name `temporary`. With `incremental` it is synced bit by bit.
    pub(crate) fn create(temporary: &str, incremental: bool) -> io::Result<NewFile> {
        let temporary = PathBuf::from(temporary);
        let file = File::create(&temporary)?;
        Ok(NewFile { file, temporary, done: false, unsynced: incremental.then_some(0) })
    }

    /// Has it take the name `path`.
    pub(crate) fn commit(self, path: &Path) -> io::Result<()> {
        self.sync()?;
        self.rename(path)?;
        sync_directory_of(path)
    }

    /// Has all of it reach the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Has it take the name `path`, which is to reach the disk later: see [`sync_directory_of`].
    pub(super) fn rename(mut self, path: &Path) -> io::Result<()> {
        std::fs::rename(&self.temporary, path)?;
        self.done = true;
        Ok(())
    }
}

impl NewFile {
    /// Leaves it under the name it was created with.
    pub(crate) fn keep(mut self) {
        self.done = true;
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        if let Some(unsynced) = &mut self.unsynced {
            *unsynced += written as u64;
            if *unsynced >= SYNC_BYTES {
                *unsynced = 0;
                self.file.sync_data()?;
            }
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.done
            && let Err(error) = std::fs::remove_file(&self.temporary)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, file = %self.temporary.display(), "a temporary file is left behind");
        }
    }
}

/// Has the name of a file reach the disk.
pub(super) fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = std::env::temp_dir().join(format!("ochre-new-file-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (temporary, path) = (folder.join("temp"), folder.join("whole"));
        let name = temporary.to_str().unwrap();
        for commits in [false, true] {
            let mut file = NewFile::create(name, true).unwrap();
            file.write_all(b"text").unwrap();
            assert!(!path.exists());
            if commits {
                file.commit(&path).unwrap();
            } else {
                drop(file);
            }
            assert!(!temporary.exists());
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"text");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
