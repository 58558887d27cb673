//! Every step of every change fails once: what the disk holds then makes up all that was acknowledged.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::test_disk::{Fault, Left, TestDisk};

fn closed(disk: &TestDisk) -> AofFiles {
    AofFiles::closed(Arc::new(disk.clone()), Path::new("d"), "a.aof")
}

/// What reading the files gives: their contents one after the other. History is no part of it.
fn recovered(disk: &TestDisk) -> Vec<u8> {
    let mut files = closed(disk);
    files.read_manifest().unwrap();
    files.parts().iter().flat_map(|part| disk.read(&part.path).unwrap()).collect()
}

/// What a process has told its clients: what is certain to be there as long as it says no more, and what it may be as well.
#[derive(Clone, Default)]
struct Told {
    acknowledged: Vec<u8>,
    attempted: Vec<u8>,
}

/// Appends, rewrites and appends again, as a server does under `appendfsync always`: it ends where an append fails or does not
/// reach the disk, and goes on where a rewrite fails. A base is `[` with all before it and `]`. Whether nothing has failed.
fn run(disk: &TestDisk, told: &mut Told) -> Result<bool, Box<dyn std::error::Error>> {
    let mut files = closed(disk);
    files.read_manifest()?;
    files.start(true, &mut |path| {
        disk.put(path, b"[]");
        Ok(())
    })?;
    let mut is_good = true;
    for round in 0..3 {
        append(&mut files, told, &format!("<{round}a>"))?;
        append(&mut files, told, &format!("<{round}b>"))?;
        let cut = told.acknowledged.clone();
        is_good &= match files.begin_rewrite(false) {
            Ok(_) => {
                append(&mut files, told, &format!("<{round}c>"))?;
                let temporary = Path::new("temp-base");
                disk.put(temporary, &[b"[".as_slice(), &cut, b"]"].concat());
                files.finish_rewrite(temporary, true).is_ok()
            }
            Err(_) => false,
        };
        append(&mut files, told, &format!("<{round}d>"))?;
        is_good &= files.remove_history().is_ok();
    }
    Ok(is_good)
}

fn append(files: &mut AofFiles, told: &mut Told, text: &str) -> io::Result<()> {
    told.attempted.extend_from_slice(text.as_bytes());
    files.append(text.as_bytes()).map_err(|failure| failure.error)?;
    files.sync()?;
    told.acknowledged.clone_from(&told.attempted);
    Ok(())
}

/// Commands in order, whatever base they are in.
fn commands(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| !b"[]".contains(byte)).collect()
}

/// Checks that all that was acknowledged is there, whatever the end leaves, and nothing that was never attempted. Then the
/// process starts again, and goes on as if nothing had been.
fn check(disk: &TestDisk, told: &Told, what: &str) {
    for left in [Left::All, Left::Names, Left::Synced] {
        let disk = disk.after_crash(left);
        let (found, acknowledged) = (commands(&recovered(&disk)), &told.acknowledged);
        let text = String::from_utf8_lossy(&found).into_owned();
        assert!(found.starts_with(acknowledged), "{what}, {left:?} is left: lost, found {text}");
        // A part of what was not acknowledged may be there as well: reading cuts that off.
        assert!(told.attempted.starts_with(&found), "{what}, {left:?} is left: too much, found {text}");
        let mut told = Told { acknowledged: found.clone(), attempted: found };
        assert!(run(&disk, &mut told).unwrap(), "{what}, {left:?}: it does not go on");
        assert_eq!(commands(&recovered(&disk)), told.acknowledged, "{what}, {left:?}: after going on");
    }
}

#[test]
fn whatever_step_fails_nothing_acknowledged_is_lost() {
    let whole = TestDisk::default();
    let mut told = Told::default();
    assert!(run(&whole, &mut told).unwrap());
    check(&whole, &told, "no fault");
    let steps = whole.steps();
    assert!(steps > 60, "{steps}");
    let mut failures = 0;
    for step in 1..=steps {
        for fault in [Fault::Full, Fault::Error, Fault::DoneAll] {
            for lasts in [false, true] {
                let (disk, mut told) = (TestDisk::default(), Told::default());
                if lasts {
                    disk.fail_from(step, fault);
                } else {
                    disk.fail_at(step, fault);
                }
                failures += usize::from(!run(&disk, &mut told).is_ok_and(|is_good| is_good));
                disk.mend();
                check(&disk, &told, &format!("step {step} of {steps}: {fault:?}, which lasts: {lasts}"));
            }
        }
    }
    // A write that is cut short goes on, and what is to be removed may stay.
    assert!(failures > steps * 3, "{failures} failures in {steps} steps");
}

#[test]
fn a_short_write_is_taken_back_and_made_good() {
    let disk = TestDisk::default();
    let mut files = closed(&disk);
    files.start(true, &mut |_| Ok(())).unwrap();
    files.append(b"<first>").unwrap();
    let steps = disk.steps();
    // The second part of the write fails; taking back what was written does not.
    disk.fail_at(steps + 2, Fault::Error);
    let failure = files.append(b"<second>").unwrap_err();
    assert!(failure.was_short);
    disk.mend();
    files.append(&b"<second>"[failure.written..]).unwrap();
    assert_eq!(disk.read(Path::new("d/a.aof.1.incr.aof")).unwrap(), b"<first><second>");
}

#[test]
fn what_waits_for_a_base_is_nothing_without_it() {
    let disk = TestDisk::default();
    let mut files = closed(&disk);
    files.begin_rewrite(true).unwrap();
    files.append(b"<lost>").unwrap();
    assert_eq!(files.abandon_rewrite().as_deref(), Some("temp-a.aof.incr"));
    assert!(recovered(&disk).is_empty() && disk.paths().is_empty());
    files.begin_rewrite(true).unwrap();
    files.append(b"<kept>").unwrap();
    disk.put(Path::new("base"), b"[]");
    files.finish_rewrite(Path::new("base"), true).unwrap();
    files.append(b"<more>").unwrap();
    assert_eq!(recovered(&disk), b"[]<kept><more>");
}

#[test]
fn a_file_by_itself_is_taken_over_once() {
    let disk = TestDisk::default();
    disk.put(Path::new("a.aof"), b"<old>");
    let mut files = closed(&disk);
    // The manifest is there, the file is not moved yet.
    disk.fail_from(8, Fault::Error);
    let _ = files.adopt(Path::new("a.aof"));
    disk.mend();
    let mut files = closed(&disk);
    files.read_manifest().unwrap();
    assert!(files.adopt(Path::new("a.aof")).unwrap());
    assert!(!files.adopt(Path::new("a.aof")).unwrap());
    assert_eq!(recovered(&disk), b"<old>");
}
