//! `ochre-check-aof` and `ochre-check-rdb` on files that are whole, and on some that are not.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ochre-check-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a tool with `y` as its input: whether it liked the file, and what it wrote.
fn run(tool: &str, options: &[&str], file: &Path) -> (bool, String) {
    let mut command = Command::new(tool);
    command.args(options).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It need not ask.
    let _ = child.stdin.take().unwrap().write_all(b"y\n");
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

fn check_aof(options: &[&str], file: &Path) -> (bool, String) {
    run(env!("CARGO_BIN_EXE_ochre-check-aof"), options, file)
}

fn set(key: &str, value: &str) -> String {
    format!("*3\r\n$3\r\nset\r\n${}\r\n{key}\r\n${}\r\n{value}\r\n", key.len(), value.len())
}

/// An RDB file of two keys, without a checksum.
fn rdb() -> Vec<u8> {
    let database = [0xfe, 0];
    let record = |key: &str| [&[0, 1], key.as_bytes(), &[5], b"value"].concat();
    [b"REDIS0010".as_slice(), &database, &record("a"), &record("b"), &[0xff], &[0; 8]].concat()
}

#[test]
fn a_torn_file_is_found_and_mended() {
    let folder = Folder::new();
    let file = folder.file("old.aof", set("foo", "hello") + "!!!");
    let (is_valid, text) = check_aof(&[], &file);
    assert!(!is_valid && text.contains("ok_up_to=33, ok_up_to_line=8, diff=3"), "{text}");
    assert!(text.contains("old.aof is not valid. Use the --fix option to try fixing it."), "{text}");
    let (is_valid, text) = check_aof(&["--fix"], &file);
    assert!(is_valid && text.contains("Successfully truncated AOF"), "{text}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), set("foo", "hello"));
    let (is_valid, text) = check_aof(&[], &file);
    assert!(is_valid && text.starts_with("Start checking Old-Style AOF\n") && text.ends_with(" is valid\n"), "{text}");
    assert!(!check_aof(&["--what"], &file).0);
}

#[test]
fn of_several_files_only_the_last_is_cut() {
    let folder = Folder::new();
    let base = folder.file("a.1.base.aof", "#TS:1\r\n".to_owned() + &set("a", "1") + "#TS:5\r\n" + &set("b", "1"));
    let last = folder.file("a.1.incr.aof", "#TS:7\r\n".to_owned() + &set("a", "2") + "#TS:9\r\n" + &set("b", "2"));
    let lines = "file a.1.base.aof seq 1 type b\nfile a.1.incr.aof seq 1 type i\n";
    let manifest = folder.file("a.manifest", lines);
    let (is_valid, text) = check_aof(&[], &manifest);
    assert!(is_valid && text.ends_with("All AOF files and manifest are valid\n"), "{text}");
    let (is_valid, text) = check_aof(&["--truncate-to-timestamp", "3"], &manifest);
    assert!(!is_valid && text.contains("because it is not the last file"), "{text}");
    let (is_valid, text) = check_aof(&["--truncate-to-timestamp", "8"], &manifest);
    assert!(is_valid && text.contains("INCR AOF") || text.contains("to timestamp 8"), "{text}");
    assert_eq!(std::fs::read_to_string(&last).unwrap(), "#TS:7\r\n".to_owned() + &set("a", "2"));
    std::fs::write(&base, set("a", "1") + "*1\r\n").unwrap();
    let (is_valid, text) = check_aof(&["--fix"], &manifest);
    assert!(
        !is_valid && text.contains("Failed to truncate AOF a.1.base.aof because it is not the last file"),
        "{text}"
    );
    std::fs::remove_file(&base).unwrap();
    let (is_valid, text) = check_aof(&[], &manifest);
    assert!(!is_valid && text.contains("Cannot open file"), "{text}");
}

#[test]
fn snapshots_are_looked_through() {
    let folder = Folder::new();
    let check_rdb = |file: &Path| run(env!("CARGO_BIN_EXE_ochre-check-rdb"), &[], file);
    let whole = folder.file("whole.rdb", rdb());
    let (is_valid, text) = check_rdb(&whole);
    assert!(is_valid && text.contains("\\o/ RDB looks OK! \\o/") && text.contains("[info] 2 keys read\n"), "{text}");
    assert!(text.ends_with("[info] 2 strings\n"), "{text}");
    let mut damaged = rdb();
    let middle = damaged.len() / 2;
    damaged.truncate(middle);
    let (is_valid, text) = check_rdb(&folder.file("torn.rdb", damaged));
    assert!(!is_valid && text.contains(&format!("RDB ERROR DETECTED ---\n[offset {middle}]")), "{text}");
    // In front of commands.
    let mixed = folder.file("mixed.aof", [rdb(), set("a", "3").into_bytes()].concat());
    let (is_valid, text) = check_aof(&[], &mixed);
    assert!(is_valid && text.contains("RDB preamble is OK, proceeding with AOF tail..."), "{text}");
    assert!(!check_rdb(&folder.0.join("missing")).0);
}
