//! A disk in memory that fails where it is told to, and knows what a loss of power would leave.

use crate::aof::{Disk, DiskFile};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The disk. Clones share what it holds.
#[derive(Clone, Default)]
pub(crate) struct TestDisk(Arc<Mutex<State>>);

/// What goes wrong at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The disk is full: of a write a part gets through.
    Full,
    /// It fails, and nothing has happened.
    Error,
    /// It fails, but has happened.
    DoneAll,
}

/// What is left after the power has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// All that was written: only the process has ended.
    All,
    /// The names that files have, but of their contents only what was synced.
    Names,
    /// Only what was synced, of names and of contents.
    Synced,
}

#[derive(Clone, Default)]
struct State {
    names: BTreeMap<PathBuf, usize>,
    /// Those that a loss of power leaves.
    synced_names: BTreeMap<PathBuf, usize>,
    contents: Vec<Content>,
    steps: usize,
    fault: Option<(usize, Fault, Length)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    Once,
    UntilMended,
}

#[derive(Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    /// How many of them a loss of power leaves.
    synced: usize,
}

struct TestFile {
    disk: TestDisk,
    content: usize,
}

impl TestDisk {
    /// Has the step of this number fail, from 1 on.
    pub(crate) fn fail_at(&self, step: usize, fault: Fault) {
        self.0.lock().fault = Some((step, fault, Length::Once));
    }

    /// Has that step and all after it fail.
    pub(crate) fn fail_from(&self, step: usize, fault: Fault) {
        self.0.lock().fault = Some((step, fault, Length::UntilMended));
    }

    pub(crate) fn mend(&self) {
        self.0.lock().fault = None;
    }

    pub(crate) fn steps(&self) -> usize {
        self.0.lock().steps
    }

    /// Puts a file there that has reached the disk, though its name need not have.
    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.0.lock();
        let content = state.add(path);
        if let Some(content) = state.contents.get_mut(content) {
            *content = Content { bytes: bytes.to_vec(), synced: bytes.len() };
        }
    }

    /// The disk after the process has ended, or the power has gone.
    pub(crate) fn after_crash(&self, left: Left) -> TestDisk {
        let mut state = State { steps: 0, fault: None, ..self.0.lock().clone() };
        if left == Left::Synced {
            state.names = state.synced_names.clone();
        }
        if left != Left::All {
            state.contents.iter_mut().for_each(|content| content.bytes.truncate(content.synced));
        }
        TestDisk(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.0.lock().names.keys().cloned().collect()
    }

    fn step(&self, act: impl FnOnce(&mut State) -> io::Result<()>) -> io::Result<()> {
        let mut state = self.0.lock();
        match state.fault_now() {
            None => act(&mut state),
            Some(Fault::DoneAll) => {
                act(&mut state)?;
                Err(io::Error::other("it is said to have failed"))
            }
            Some(fault) => Err(fault.error()),
        }
    }

    fn open(&self, path: &Path, empties: bool) -> io::Result<Box<dyn DiskFile>> {
        let mut opened = 0;
        self.step(|state| {
            let known = state.names.get(path).copied();
            opened = known.unwrap_or_else(|| state.add(path));
            if empties && let Some(content) = state.contents.get_mut(opened) {
                *content = Content::default();
            }
            Ok(())
        })?;
        Ok(Box::new(TestFile { disk: self.clone(), content: opened }))
    }
}

impl Fault {
    fn error(self) -> io::Error {
        let kind = if self == Fault::Full { io::ErrorKind::StorageFull } else { io::ErrorKind::Other };
        kind.into()
    }
}

impl State {
    fn add(&mut self, path: &Path) -> usize {
        let number = self.contents.len();
        self.contents.push(Content::default());
        self.names.insert(path.to_owned(), number);
        number
    }

    fn fault_now(&mut self) -> Option<Fault> {
        self.steps += 1;
        let (step, fault, length) = self.fault?;
        let is_now = self.steps == step || self.steps > step && length == Length::UntilMended;
        is_now.then_some(fault)
    }

    fn content(&self, path: &Path) -> io::Result<&Content> {
        let found = self.names.get(path).and_then(|number| self.contents.get(*number));
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for TestDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open(path, true)
    }
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.open(path, false)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.0.lock().content(path)?.bytes.clone())
    }
    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(self.0.lock().content(path)?.bytes.len() as u64)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(|state| {
            let content = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
            state.names.insert(to.to_owned(), content);
            Ok(())
        })
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(|state| state.names.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into()))
    }
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let number = self.0.lock().names.get(path).copied().ok_or(io::ErrorKind::NotFound)?;
        TestFile { disk: self.clone(), content: number }.truncate(len)
    }
    fn create_folder(&self, _: &Path) -> io::Result<()> {
        self.step(|_| Ok(()))
    }
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.step(|state| {
            state.synced_names.retain(|name, _| name.parent() != Some(path));
            let now = state.names.iter().filter(|(name, _)| name.parent() == Some(path));
            let now: Vec<_> = now.map(|(name, content)| (name.clone(), *content)).collect();
            state.synced_names.extend(now);
            Ok(())
        })
    }
}

impl DiskFile for TestFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.0.lock();
        let fault = state.fault_now();
        let written = match fault {
            None => bytes.len().div_ceil(2),
            // Half of it is written even where the rest fails.
            Some(Fault::Full) if bytes.len() > 1 => bytes.len() / 2,
            Some(Fault::DoneAll) => bytes.len(),
            Some(fault) => return Err(fault.error()),
        };
        let content = state.contents.get_mut(self.content).ok_or(io::ErrorKind::NotFound)?;
        content.bytes.extend_from_slice(bytes.get(..written).unwrap_or_default());
        if fault == Some(Fault::DoneAll) { Err(Fault::Error.error()) } else { Ok(written) }
    }
    fn sync(&mut self) -> io::Result<()> {
        let number = self.content;
        self.disk.step(|state| {
            let content = state.contents.get_mut(number).ok_or(io::ErrorKind::NotFound)?;
            content.synced = content.bytes.len();
            Ok(())
        })
    }
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let number = self.content;
        self.disk.step(|state| {
            let content = state.contents.get_mut(number).ok_or(io::ErrorKind::NotFound)?;
            content.bytes.truncate(len as usize);
            content.synced = content.synced.min(content.bytes.len());
            Ok(())
        })
    }
}
