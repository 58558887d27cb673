//! Files that appear whole or not at all.

use crate::aof::{Disk, DiskFile};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes after which the system is asked to write, so that it need not write all at the end.
const SYNC_BYTES: u64 = 4 << 20;

/// A file that is being written under another name and takes the name of an existing file once it is whole and on the disk.
/// Dropped before, it is removed.
pub struct NewFile {
    disk: Arc<dyn Disk>,
    file: Box<dyn DiskFile>,
    temporary: PathBuf,
    is_done: bool,
    /// Bytes since the last sync; `None` where there is to be none before the end.
    unsynced: Option<u64>,
}

impl std::fmt::Debug for NewFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("NewFile").field(&self.temporary).finish()
    }
}

impl NewFile {
    /// Creates the file under the name `temporary`. With `incremental` it is synced bit by bit.
    ///
    /// # Errors
    /// Those of the disk, as of all methods here.
    pub fn create(disk: Arc<dyn Disk>, temporary: &Path, incremental: bool) -> io::Result<NewFile> {
        let file = disk.create(temporary)?;
        let unsynced = incremental.then_some(0);
        Ok(NewFile { disk, file, temporary: temporary.to_owned(), is_done: false, unsynced })
    }

    /// Has it take the name `path`, once all of it has reached the disk, and has the name reach the disk.
    ///
    /// # Errors
    /// The file of that name is as it was, unless only its name could not be brought to the disk: then it may be either.
    pub fn commit(mut self, path: &Path) -> io::Result<()> {
        self.sync()?;
        let disk = self.disk.clone();
        self.rename(path)?;
        sync_name(&*disk, path)
    }

    /// Has all of it reach the disk.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }

    /// Has it take the name `path`, which is to reach the disk later: see [`sync_name`].
    ///
    /// # Errors
    /// Those of the disk.
    pub fn rename(mut self, path: &Path) -> io::Result<()> {
        self.disk.rename(&self.temporary, path)?;
        self.is_done = true;
        Ok(())
    }

    /// Leaves it under the name it was created with.
    pub fn keep(mut self) {
        self.is_done = true;
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        if let Some(unsynced) = &mut self.unsynced {
            *unsynced += written as u64;
            if *unsynced >= SYNC_BYTES {
                *unsynced = 0;
                self.file.sync()?;
            }
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_done {
            // One that stays is named nowhere.
            let _ = self.disk.remove(&self.temporary);
        }
    }
}

/// Has the name of a file reach the disk.
///
/// # Errors
/// Those of the disk.
pub fn sync_name(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    disk.sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::{FileReader, FileSettings, FileWriter, Item};
    use crate::test_disk::{Fault, Left, TestDisk};
    use ochre_store::{Options, Store, Str, ValueRef};

    const PATH: &str = "d/dump.rdb";

    /// Writes a file of some keys, as a save does.
    fn save(disk: &TestDisk, keys: usize) -> Result<(), Box<dyn std::error::Error>> {
        let sink = NewFile::create(Arc::new(disk.clone()), Path::new("d/temp.rdb"), true)?;
        let settings = FileSettings { compress: false, ..FileSettings::default() };
        let mut file = FileWriter::new(io::BufWriter::with_capacity(64, sink), settings)?;
        file.database(0, keys as u64, 0)?;
        for number in 0..keys {
            file.key(format!("key {number}").as_bytes(), ValueRef::String(Str::Bytes(&[b'v'; 20])), None, None)?;
        }
        let mut sink = file.finish()?;
        sink.flush()?;
        sink.into_inner().map_err(io::IntoInnerError::into_error)?.commit(Path::new(PATH))?;
        Ok(())
    }

    /// The keys of a file that is whole.
    fn keys(disk: &TestDisk) -> usize {
        let bytes = disk.read(Path::new(PATH)).unwrap();
        let store = Store::new(Options { shards: 1, databases: 1, hash_seed: [1, 2, 3, 4] });
        let mut reader = FileReader::new(bytes.as_slice(), bytes.len() as u64, true, false).unwrap();
        let mut keys = 0;
        loop {
            match reader.next(&store).unwrap() {
                Some(Item::Key(_)) => keys += 1,
                Some(_) => {}
                None => return keys,
            }
        }
    }

    #[test]
    fn whatever_step_fails_a_whole_file_is_there() {
        let whole = TestDisk::default();
        save(&whole, 10).unwrap();
        let before = whole.steps();
        save(&whole, 20).unwrap();
        let steps = whole.steps() - before;
        assert!(steps > 10 && keys(&whole) == 20, "{steps} steps");
        for step in 1..=steps {
            for fault in [Fault::Full, Fault::Error, Fault::DoneAll] {
                for lasts in [false, true] {
                    let disk = TestDisk::default();
                    save(&disk, 10).unwrap();
                    if lasts {
                        disk.fail_from(before + step, fault);
                    } else {
                        disk.fail_at(before + step, fault);
                    }
                    let saved = save(&disk, 20);
                    for left in [Left::All, Left::Names, Left::Synced] {
                        let found = keys(&disk.after_crash(left));
                        let what = format!("step {step} of {steps}, {fault:?}, lasts {lasts}, {left:?}");
                        assert!(found == 20 || saved.is_err() && found == 10, "{what}: {found} keys, {saved:?}");
                    }
                    disk.mend();
                    save(&disk, 30).unwrap();
                    assert_eq!(keys(&disk.after_crash(Left::Synced)), 30);
                }
            }
        }
    }

    #[test]
    fn one_that_is_given_up_leaves_nothing() {
        let disk = TestDisk::default();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut file = NewFile::create(shared.clone(), Path::new("temp"), false).unwrap();
        file.write_all(b"text").unwrap();
        drop(file);
        assert!(disk.paths().is_empty());
        NewFile::create(shared, Path::new("temp"), false).unwrap().keep();
        assert_eq!(disk.paths(), [Path::new("temp")]);
    }
}
