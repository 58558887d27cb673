//! Every step of every change fails once: what the disk holds then makes up all that was acknowledged.
#![allow(clippy::unwrap_used)]

use super::*;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// A disk in memory that fails at the step it is told to.
#[derive(Default)]
struct TestDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    files: BTreeMap<PathBuf, Vec<u8>>,
    steps: usize,
    /// The step that fails, and what follows until it is mended.
    fails_from: Option<usize>,
}

struct TestFile {
    disk: Arc<Mutex<State>>,
    path: PathBuf,
}

impl State {
    fn step(&mut self) -> io::Result<()> {
        self.steps += 1;
        let fails = self.fails_from.is_some_and(|from| self.steps >= from);
        if fails { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    }
    fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl TestDisk {
    fn open(&self, path: &Path, empties: bool) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.0.lock();
        state.step()?;
        let file = state.files.entry(path.to_owned()).or_default();
        if empties {
            file.clear();
        }
        Ok(Box::new(TestFile { disk: self.0.clone(), path: path.to_owned() }))
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
        self.0.lock().content(path)
    }
    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(self.0.lock().content(path)?.len() as u64)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.step()?;
        let content = state.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.files.insert(to.to_owned(), content);
        Ok(())
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.step()?;
        state.files.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        state.step()?;
        state.files.entry(path.to_owned()).or_default().truncate(len as usize);
        Ok(())
    }
    fn create_folder(&self, _: &Path) -> io::Result<()> {
        self.0.lock().step()
    }
    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        self.0.lock().step()
    }
}

impl DiskFile for TestFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.lock();
        let fails = state.step();
        // Half of it is written even where the rest fails, as on a disk that is full.
        let written = bytes.len().div_ceil(2);
        match fails {
            Err(error) if written == bytes.len() => return Err(error),
            _ => {}
        }
        // A file that was renamed is still the same.
        let path = self.path.clone();
        let renamed = Path::new("d/a.aof.1.incr.aof").to_owned();
        let path = if state.files.contains_key(&path) { path } else { renamed };
        state.files.entry(path).or_default().extend_from_slice(&bytes[..written]);
        Ok(written)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.disk.lock().step()
    }
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.step()?;
        state.files.entry(self.path.clone()).or_default().truncate(len as usize);
        Ok(())
    }
}

/// What reading the files gives: their contents one after the other. History is no part of it.
fn recovered(disk: &TestDisk) -> Vec<u8> {
    let mut files = AofFiles::closed(Arc::new(TestDisk(disk.0.clone())), Path::new("d"), "a.aof");
    files.read_manifest().unwrap();
    files.parts().iter().flat_map(|part| disk.read(&part.path).unwrap()).collect()
}

/// Appends, rewrites and appends again; stops at the first failure. Returns what was acknowledged, as the bases and commands
/// would be read: a base is `[` with all before it and `]`.
fn run(disk: &TestDisk, acknowledged: &mut Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
    let mut files = AofFiles::closed(Arc::new(TestDisk(disk.0.clone())), Path::new("d"), "a.aof");
    files.read_manifest()?;
    files.start(true, &mut |path| {
        disk.0.lock().files.insert(path.to_owned(), b"[]".to_vec());
        Ok(())
    })?;
    if acknowledged.is_empty() {
        acknowledged.extend_from_slice(b"[]");
    }
    for round in 0..3 {
        for text in [format!("<{round}a>"), format!("<{round}b>")] {
            files.append(text.as_bytes()).map_err(|failure| failure.error)?;
            files.sync()?;
            acknowledged.extend_from_slice(text.as_bytes());
        }
        files.begin_rewrite(false)?;
        let base = [b"[".as_slice(), acknowledged, b"]"].concat();
        let temporary = Path::new("temp-base");
        disk.0.lock().files.insert(temporary.to_owned(), base.clone());
        let text = format!("<{round}c>");
        files.append(text.as_bytes()).map_err(|failure| failure.error)?;
        files.sync()?;
        acknowledged.extend_from_slice(text.as_bytes());
        files.finish_rewrite(temporary, true)?;
        *acknowledged = [base, text.into_bytes()].concat();
        files.remove_history()?;
    }
    Ok(())
}

/// Commands in order, whatever base they are in.
fn commands(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| !b"[]".contains(byte)).collect()
}

#[test]
fn whatever_step_fails_nothing_acknowledged_is_lost() {
    let whole = TestDisk::default();
    let mut acknowledged = Vec::new();
    run(&whole, &mut acknowledged).unwrap();
    assert_eq!(recovered(&whole), acknowledged);
    let everything = acknowledged;
    let steps = whole.0.lock().steps;
    assert!(steps > 60, "{steps}");
    for fails_from in 1..=steps {
        let disk = TestDisk::default();
        disk.0.lock().fails_from = Some(fails_from);
        let mut acknowledged = Vec::new();
        // The last steps remove files that nothing names any more: they may fail unnoticed.
        let ended_well = run(&disk, &mut acknowledged).is_ok();
        assert_eq!(ended_well, acknowledged == everything && fails_from + 2 > steps, "step {fails_from} of {steps}");
        disk.0.lock().fails_from = None;
        let (found, expected) = (commands(&recovered(&disk)), commands(&acknowledged));
        // What was not acknowledged may be there as well, or a part of it, which reading cuts off.
        assert!(found.starts_with(&expected), "step {fails_from}: {found:?} {expected:?}");
        assert!(found.len() <= expected.len() + 4, "step {fails_from}: {found:?} {expected:?}");
    }
}

#[test]
fn a_short_write_is_taken_back_and_made_good() {
    let disk = TestDisk::default();
    let mut files = AofFiles::closed(Arc::new(TestDisk(disk.0.clone())), Path::new("d"), "a.aof");
    files.start(true, &mut |_| Ok(())).unwrap();
    files.append(b"<first>").unwrap();
    let steps = disk.0.lock().steps;
    // The second part of the write fails; taking back what was written does not.
    disk.0.lock().fails_from = Some(steps + 2);
    let failure = files.append(b"<second>").unwrap_err();
    assert!(failure.was_short);
    disk.0.lock().fails_from = None;
    files.append(&b"<second>"[failure.written..]).unwrap();
    assert_eq!(disk.read(Path::new("d/a.aof.1.incr.aof")).unwrap(), b"<first><second>");
}

#[test]
fn what_waits_for_a_base_is_nothing_without_it() {
    let disk = TestDisk::default();
    let mut files = AofFiles::closed(Arc::new(TestDisk(disk.0.clone())), Path::new("d"), "a.aof");
    files.begin_rewrite(true).unwrap();
    files.append(b"<lost>").unwrap();
    assert_eq!(files.abandon_rewrite().as_deref(), Some("temp-a.aof.incr"));
    assert!(recovered(&disk).is_empty() && disk.0.lock().files.is_empty());
    files.begin_rewrite(true).unwrap();
    files.append(b"<kept>").unwrap();
    disk.0.lock().files.insert("base".into(), b"[]".to_vec());
    files.finish_rewrite(Path::new("base"), true).unwrap();
    files.append(b"<more>").unwrap();
    assert_eq!(recovered(&disk), b"[]<kept><more>");
}

#[test]
fn a_file_by_itself_is_taken_over_once() {
    let disk = TestDisk::default();
    disk.0.lock().files.insert("a.aof".into(), b"<old>".to_vec());
    let mut files = AofFiles::closed(Arc::new(TestDisk(disk.0.clone())), Path::new("d"), "a.aof");
    // The manifest is there, the file is not moved yet.
    disk.0.lock().fails_from = Some(8);
    let _ = files.adopt(Path::new("a.aof"));
    disk.0.lock().fails_from = None;
    let mut files = AofFiles::closed(Arc::new(TestDisk(disk.0.clone())), Path::new("d"), "a.aof");
    files.read_manifest().unwrap();
    assert!(files.adopt(Path::new("a.aof")).unwrap());
    assert!(!files.adopt(Path::new("a.aof")).unwrap());
    assert_eq!(recovered(&disk), b"<old>");
}
