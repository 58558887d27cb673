//! Dot files: the history of the prompt, one line an entry as other Redis clients have it, and preferences.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Entries kept when the file is read; older ones are dropped from it.
const ENTRIES_MAX: usize = 10_000;

/// The path of a dot file: what the environment variable `variable` says, else `name` in the home directory. `None`
/// when it is turned off by `/dev/null` or there is no home.
#[must_use]
pub fn dot_file(variable: &str, name: &str) -> Option<PathBuf> {
    locate(std::env::var_os(variable).map(PathBuf::from), std::env::var_os("HOME").map(PathBuf::from), name)
}

fn locate(named: Option<PathBuf>, home: Option<PathBuf>, name: &str) -> Option<PathBuf> {
    match named.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) => Some(path).filter(|path| path != Path::new("/dev/null")),
        None => home.filter(|home| !home.as_os_str().is_empty()).map(|home| home.join(name)),
    }
}

/// Reads the entries of the history file, the oldest first; none if it cannot be read. A file that has grown long is
/// cut to its newest entries.
#[must_use]
pub fn load(path: &Path) -> Vec<String> {
    let Ok(bytes) = fs::read(path) else { return Vec::new() };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let newest = lines.get(lines.len().saturating_sub(ENTRIES_MAX)..).unwrap_or_default();
    if newest.len() < lines.len() {
        // The history is a convenience: if it cannot be rewritten it stays long.
        let _ = write(OpenOptions::new().write(true).truncate(true), path, &(newest.join("\n") + "\n"));
    }
    newest.iter().map(|line| (*line).to_owned()).collect()
}

/// Adds an entry to the end of the file, which is created for its owner alone.
///
/// # Errors
/// When the file cannot be written.
pub fn append(path: &Path, entry: &str) -> io::Result<()> {
    write(OpenOptions::new().append(true).create(true), path, &format!("{entry}\n"))
}

fn write(options: &mut OpenOptions, path: &Path, text: &str) -> io::Result<()> {
    options.mode(0o600).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_comes_before_the_home_directory() {
        let home = || Some(PathBuf::from("/home/someone"));
        assert_eq!(locate(None, home(), ".x"), Some("/home/someone/.x".into()));
        assert_eq!(locate(Some("/elsewhere".into()), home(), ".x"), Some("/elsewhere".into()));
        assert_eq!(locate(Some("/dev/null".into()), home(), ".x"), None);
        assert_eq!(locate(Some("".into()), home(), ".x"), Some("/home/someone/.x".into()));
        assert_eq!(locate(None, None, ".x"), None);
    }

    #[test]
    fn entries_come_back_and_old_ones_go() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("ochre-cli-history-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        assert!(load(&path).is_empty());
        for number in 0..ENTRIES_MAX + 5 {
            append(&path, &format!("get {number}")).unwrap();
        }
        let entries = load(&path);
        assert_eq!((entries.len(), entries[0].as_str()), (ENTRIES_MAX, "get 5"));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), ENTRIES_MAX);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_file(&path).unwrap();
    }
}
