//! The pid file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A pid file this process has written. It is removed when this is dropped or [`PidFile::remove`] is called.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    text: String,
}

impl PidFile {
    /// Writes this process's pid and a line end to `path`, replacing what was there. The path is made absolute, so that
    /// a later change of the working directory does not matter.
    ///
    /// # Errors
    /// What the file system answers. The server only warns then (`Failed to write PID file: …`) and goes on, as Redis does.
    pub fn create(path: &Path) -> io::Result<PidFile> {
        let path = std::path::absolute(path)?;
        let text = format!("{}\n", std::process::id());
        fs::write(&path, &text)?;
        Ok(PidFile { path, text })
    }

    /// Removes the file, unless another process has put its own pid there meanwhile.
    pub fn remove(self) {
        drop(self);
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if fs::read_to_string(&self.path).is_ok_and(|text| text == self.text) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("ochre-pidfile-{name}-{}", std::process::id()))
    }

    #[test]
    fn holds_the_pid_until_the_end() {
        let path = scratch("own");
        fs::write(&path, "a stale one that is longer than the new one").unwrap();
        let file = PidFile::create(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        file.remove();
        assert!(!path.exists());
    }

    #[test]
    fn another_servers_file_stays() {
        let path = scratch("other");
        let file = PidFile::create(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        file.remove();
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn an_unwritable_path_is_an_error() {
        assert!(PidFile::create(Path::new("/nonexistent/dir/pid")).is_err());
    }
}
