//! The files of an append-only file, and what becomes of them.

use super::disk::{Disk, DiskFile};
use super::manifest::{Manifest, ManifestError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// All the files of an append-only file, of which one is appended to.
///
/// Whatever fails, the manifest on the disk names files that make up what was acknowledged: a file gets its name before the
/// manifest says so, and is removed after the manifest does not any more.
pub struct AofFiles {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// What the names of all files begin with.
    name: String,
    manifest: Manifest,
    current: Option<Current>,
    /// Files that are appended to no more, and have not reached the disk yet.
    retired: Vec<Box<dyn DiskFile>>,
    /// What is appended to is no part of it until there is a base.
    is_temporary: bool,
    /// A later manifest may be on the disk, which could not be brought there for certain.
    is_uncertain: bool,
}

/// A manifest is not in force.
struct NotCommitted {
    error: FilesError,
    /// All the same it may be what a crash leaves behind.
    is_named: bool,
}

/// The file that is appended to.
struct Current {
    file: Box<dyn DiskFile>,
    /// Bytes of it that are whole commands.
    len: u64,
    /// Bytes that have reached the disk.
    synced: u64,
}

/// A file to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is the base.
    pub is_base: bool,
}

/// Why something could not be done with the files.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The manifest is damaged.
    #[error("{0}")]
    Manifest(ManifestError),
    /// The disk failed.
    #[error("{action} {name}: {error}")]
    Disk {
        /// What was tried.
        action: &'static str,
        /// With which file.
        name: String,
        /// What the system says.
        error: io::Error,
    },
}

/// Why bytes were not appended.
#[derive(Debug)]
pub struct WriteFailure {
    /// What the system says.
    pub error: io::Error,
    /// How many of the bytes are in the file all the same, because they could not be taken back: they need not be written again.
    pub written: usize,
    /// Whether some had been written before it failed.
    pub was_short: bool,
}

impl AofFiles {
    /// The files in `folder` that begin with `name`, before anything is known of them.
    pub fn closed(disk: Arc<dyn Disk>, folder: &Path, name: &str) -> AofFiles {
        AofFiles {
            disk,
            folder: folder.to_owned(),
            name: name.to_owned(),
            manifest: Manifest::default(),
            current: None,
            retired: Vec::new(),
            is_temporary: false,
            is_uncertain: false,
        }
    }

    /// Reads the manifest, if there is one.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read_manifest(&mut self) -> Result<(), FilesError> {
        match self.disk.read(&self.manifest_path()) {
            Ok(text) => self.manifest = Manifest::parse(&text).map_err(FilesError::Manifest)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(self.failed("can't open the AOF manifest file", &self.manifest_name(), error)),
        }
        Ok(())
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
    /// Whether a file is open to be appended to.
    pub fn is_open(&self) -> bool {
        self.current.is_some()
    }
    /// Whether what is appended to waits for its base.
    pub fn is_temporary(&self) -> bool {
        self.is_temporary
    }
    /// Bytes in the file that is appended to.
    pub fn current_len(&self) -> u64 {
        self.current.as_ref().map_or(0, |current| current.len)
    }
    /// Whether something was appended that may not have reached the disk.
    pub fn is_unsynced(&self) -> bool {
        !self.retired.is_empty() || self.current.as_ref().is_some_and(|current| current.synced < current.len)
    }

    /// The files to be read, in order.
    pub fn parts(&self) -> Vec<Part> {
        let part = |name: &String, is_base| Part { name: name.clone(), path: self.folder.join(name), is_base };
        let base = self.manifest.base.iter().map(|entry| part(&entry.name, true));
        base.chain(self.manifest.incremental.iter().map(|entry| part(&entry.name, false))).collect()
    }

    /// The size of a file in the folder.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn len_of(&self, name: &str) -> io::Result<u64> {
        self.disk.len(&self.folder.join(name))
    }

    /// Shortens a file in the folder.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn truncate(&self, name: &str, len: u64) -> io::Result<()> {
        self.disk.truncate(&self.folder.join(name), len)
    }

    /// Takes over a file that is an append-only file by itself, as versions before 7.0 had it, unless it was taken over
    /// already. Whether it was now.
    ///
    /// # Errors
    /// Those of the disk. It can be tried again.
    pub fn adopt(&mut self, old: &Path) -> Result<bool, FilesError> {
        let name = self.name.clone();
        if self.disk.len(old).is_err() {
            return Ok(false);
        }
        let only_base =
            self.manifest.incremental.is_empty() && self.manifest.base.as_ref().is_some_and(|base| base.name == name);
        let was_interrupted = only_base && self.len_of(&name).is_err();
        if !self.manifest.is_empty() && !was_interrupted {
            return Ok(false);
        }
        self.create_folder()?;
        let mut manifest = self.manifest.clone();
        manifest.adopt(&name);
        self.commit(manifest)?;
        let moved = self.disk.rename(old, &self.folder.join(&name));
        moved.map_err(|error| self.failed("can't move the old AOF file", &name, error))?;
        Ok(true)
    }

    /// Opens the last incremental file, or a new one, to append to it; for a new append-only file `make_base` first puts its base
    /// at a path. The names of the base, if it is new, and of the incremental file.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn start(
        &mut self,
        is_rdb: bool,
        make_base: &mut dyn FnMut(&Path) -> io::Result<()>,
    ) -> Result<(Option<String>, String), FilesError> {
        self.create_folder()?;
        let mut manifest = self.manifest.clone();
        let mut base = None;
        if manifest.is_empty() {
            let name = manifest.new_base(&self.name, is_rdb);
            let made = make_base(&self.folder.join(&name));
            made.map_err(|error| self.failed("can't create the AOF base file", &name, error))?;
            base = Some(name);
        }
        let name = match manifest.incremental.last() {
            Some(entry) => entry.name.clone(),
            None => manifest.new_incremental(&self.name),
        };
        let path = self.folder.join(&name);
        let opened = self.disk.append(&path).and_then(|file| Ok((file, self.disk.len(&path)?)));
        let (file, len) = opened.map_err(|error| self.failed("can't open the append-only file", &name, error))?;
        self.commit(manifest)?;
        self.current = Some(Current { file, len, synced: 0 });
        self.is_temporary = false;
        Ok((base, name))
    }

    /// Appends whole commands to the current file. If that fails the file is as it was before, as far as that can be had.
    ///
    /// # Errors
    /// See [`WriteFailure`].
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), WriteFailure> {
        let Some(current) = &mut self.current else { return Ok(()) };
        let mut written = 0;
        let error = loop {
            let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) else {
                current.len += bytes.len() as u64;
                return Ok(());
            };
            match current.file.write(rest) {
                Ok(0) => break io::ErrorKind::WriteZero.into(),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break error,
            }
        };
        let was_short = written > 0;
        if current.file.truncate(current.len).is_ok() {
            written = 0;
        }
        current.len += written as u64;
        Err(WriteFailure { error, written, was_short })
    }

    /// Has all that was appended reach the disk.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn sync(&mut self) -> io::Result<()> {
        while let Some(file) = self.retired.last_mut() {
            file.sync()?;
            self.retired.pop();
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        current.file.sync()?;
        current.synced = current.len;
        Ok(())
    }

    /// Appends to a new file from now on: what comes after the moment that a new base is going to hold. `waits`: there is no
    /// base that the commands go with, until the new one is there. The name of the file.
    ///
    /// # Errors
    /// Those of the disk; everything is as before then.
    pub fn begin_rewrite(&mut self, waits: bool) -> Result<String, FilesError> {
        self.create_folder()?;
        let mut manifest = self.manifest.clone();
        let name = if waits { self.temporary_name() } else { manifest.new_incremental(&self.name) };
        let file = self.disk.create(&self.folder.join(&name));
        let file = file.map_err(|error| self.failed("Can't open the append-only file", &name, error))?;
        // Waiting for a base begins a manifest of its own, once what the disk has is certain.
        self.commit(if waits { self.manifest.clone() } else { manifest })?;
        let last = self.current.replace(Current { file, len: 0, synced: 0 });
        self.retired.extend(last.filter(|last| last.synced < last.len).map(|last| last.file));
        self.is_temporary = waits;
        Ok(name)
    }

    /// Takes a finished file as the base of what was appended since [`begin_rewrite`](AofFiles::begin_rewrite). The name of
    /// the base.
    ///
    /// # Errors
    /// Those of the disk; the old base stays then.
    pub fn finish_rewrite(&mut self, base: &Path, is_rdb: bool) -> Result<String, FilesError> {
        self.create_folder()?;
        let mut manifest = self.manifest.clone();
        let name = manifest.new_base(&self.name, is_rdb);
        let path = self.folder.join(&name);
        let renamed = self.disk.rename(base, &path);
        renamed.map_err(|error| self.failed("can't rename the temporary AOF base file into", &name, error))?;
        manifest.retire_incremental(self.current.is_some() && !self.is_temporary);
        let mut incremental = None;
        if self.is_temporary && self.current.is_some() {
            let new = manifest.new_incremental(&self.name);
            let renamed = self.disk.rename(&self.folder.join(self.temporary_name()), &self.folder.join(&new));
            if let Err(error) = renamed {
                // It is named nowhere.
                let _ = self.disk.remove(&path);
                return Err(self.failed("can't rename the temporary AOF incr file into", &new, error));
            }
            incremental = Some(new);
        }
        if let Err(NotCommitted { error, is_named }) = self.try_commit(manifest) {
            // Once the manifest on the disk names them, they stay.
            if !is_named {
                let _ = self.disk.remove(&path);
                if let Some(incremental) = incremental {
                    let _ = self.disk.rename(&self.folder.join(incremental), &self.folder.join(self.temporary_name()));
                }
            }
            return Err(error);
        }
        self.is_temporary = false;
        Ok(name)
    }

    /// No base is coming: what waits for one is of no use. The name of its file, which is removed.
    pub fn abandon_rewrite(&mut self) -> Option<String> {
        if !std::mem::take(&mut self.is_temporary) {
            return None;
        }
        self.current = None;
        let name = self.temporary_name();
        // One that stays does no harm.
        let _ = self.disk.remove(&self.folder.join(&name));
        Some(name)
    }

    /// Appends to nothing any more.
    pub fn close(&mut self) {
        self.abandon_rewrite();
        self.current = None;
    }

    /// Removes the files that are needed no more; their names.
    ///
    /// # Errors
    /// Those of the disk; they are removed another time then.
    pub fn remove_history(&mut self) -> Result<Vec<String>, FilesError> {
        if self.manifest.history.is_empty() {
            return Ok(Vec::new());
        }
        let mut manifest = self.manifest.clone();
        let names: Vec<String> = manifest.history.drain(..).map(|entry| entry.name).collect();
        self.commit(manifest)?;
        for name in &names {
            // One that stays is named nowhere.
            let _ = self.disk.remove(&self.folder.join(name));
        }
        Ok(names)
    }

    fn create_folder(&self) -> Result<(), FilesError> {
        let created = self.disk.create_folder(&self.folder);
        created
            .map_err(|error| self.failed("Can't open or create append-only dir", &self.folder.to_string_lossy(), error))
    }

    /// Writes a manifest to the disk, if it differs from what is there, and goes by it then.
    fn commit(&mut self, manifest: Manifest) -> Result<(), FilesError> {
        self.try_commit(manifest).map_err(|not| not.error)
    }

    fn try_commit(&mut self, manifest: Manifest) -> Result<(), NotCommitted> {
        if manifest == self.manifest && !self.is_uncertain {
            return Ok(());
        }
        let temporary = self.folder.join(format!("temp-{}", self.manifest_name()));
        let written = self.disk.create(&temporary).and_then(|mut file| {
            let text = manifest.to_text();
            let mut rest = text.as_slice();
            while !rest.is_empty() {
                match file.write(rest) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            file.sync()
        });
        // Even a renaming that is said to have failed may have been done.
        let is_named = written.is_ok();
        let renamed = written.and_then(|()| self.disk.rename(&temporary, &self.manifest_path()));
        if let Err(error) = renamed.and_then(|()| self.disk.sync_folder(&self.folder)) {
            self.is_uncertain |= is_named;
            let error = self.failed("Error trying to write the AOF manifest file", &self.manifest_name(), error);
            return Err(NotCommitted { error, is_named });
        }
        self.is_uncertain = false;
        self.manifest = manifest;
        Ok(())
    }

    fn manifest_name(&self) -> String {
        format!("{}.manifest", self.name)
    }
    fn manifest_path(&self) -> PathBuf {
        self.folder.join(self.manifest_name())
    }
    fn temporary_name(&self) -> String {
        format!("temp-{}.incr", self.name)
    }
    fn failed(&self, action: &'static str, name: &str, error: io::Error) -> FilesError {
        FilesError::Disk { action, name: name.to_owned(), error }
    }
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
