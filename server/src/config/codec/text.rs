//! Text: names, secrets, paths and the working directory.

use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::super::line::quote;
use super::{Codec, Mention, Written, single, utf8};

/// Tells why a text is refused, or accepts it.
pub(in super::super) type Check = fn(&str) -> Result<(), &'static str>;

/// One word of text.
pub(in super::super) struct Text {
    default: &'static str,
    /// Whether the empty text means "not set", so that a rewritten file does not mention it.
    optional: bool,
    check: Option<Check>,
}

impl Text {
    /// A text that is `default` when nothing is said.
    pub(in super::super) const fn new(default: &'static str) -> Self {
        Self { default, optional: false, check: None }
    }

    /// A text that is not set by default.
    pub(in super::super) const fn optional() -> Self {
        Self { default: "", optional: true, check: None }
    }

    /// Refuses what `check` errs on.
    pub(in super::super) const fn checked(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }
}

impl Codec for Text {
    type Value = String;

    fn default(&self) -> String {
        self.default.to_owned()
    }

    fn parse(&self, words: &[Vec<u8>], _old: &String, _mention: Mention) -> Result<String, String> {
        let text = utf8(single(words)?)?;
        if let Some(check) = self.check {
            check(text)?;
        }
        Ok(text.to_owned())
    }

    fn render(&self, value: &String) -> Vec<u8> {
        value.clone().into_bytes()
    }

    fn written(&self, value: &String, default: &String) -> Vec<Written> {
        quoted(value.as_bytes(), self.optional, value != default)
    }

    fn shape(&self) -> String {
        "text".to_owned()
    }
}

/// A password or the like: any bytes, none by default.
pub(in super::super) struct Secret;

impl Codec for Secret {
    type Value = Vec<u8>;

    fn default(&self) -> Vec<u8> {
        Vec::new()
    }

    fn parse(&self, words: &[Vec<u8>], _old: &Vec<u8>, _mention: Mention) -> Result<Vec<u8>, String> {
        Ok(single(words)?.to_vec())
    }

    fn render(&self, value: &Vec<u8>) -> Vec<u8> {
        value.clone()
    }

    fn written(&self, value: &Vec<u8>, default: &Vec<u8>) -> Vec<Written> {
        quoted(value, true, value != default)
    }

    fn shape(&self) -> String {
        "text".to_owned()
    }
}

/// A path; the empty path is "none".
pub(in super::super) struct PathText {
    /// Whether a rewritten file leaves an empty path out.
    pub(in super::super) optional: bool,
}

impl Codec for PathText {
    type Value = PathBuf;

    fn default(&self) -> PathBuf {
        PathBuf::new()
    }

    fn parse(&self, words: &[Vec<u8>], _old: &PathBuf, _mention: Mention) -> Result<PathBuf, String> {
        Ok(PathBuf::from(std::ffi::OsString::from_vec(single(words)?.to_vec())))
    }

    fn render(&self, value: &PathBuf) -> Vec<u8> {
        value.as_os_str().as_bytes().to_vec()
    }

    fn written(&self, value: &PathBuf, default: &PathBuf) -> Vec<Written> {
        quoted(value.as_os_str().as_bytes(), self.optional, value != default)
    }

    fn shape(&self) -> String {
        "path".to_owned()
    }
}

/// The working directory. It is kept absolute, and a relative one is taken from the present one, so that later paths
/// of the same file already mean what they say.
pub(in super::super) struct Directory;

impl Codec for Directory {
    type Value = PathBuf;

    fn default(&self) -> PathBuf {
        PathBuf::from("./")
    }

    fn parse(&self, words: &[Vec<u8>], old: &PathBuf, _mention: Mention) -> Result<PathBuf, String> {
        let word = std::ffi::OsStr::from_bytes(single(words)?);
        if word.is_empty() {
            return Err(reason(&std::io::Error::from_raw_os_error(libc::ENOENT)));
        }
        let path = std::fs::canonicalize(old.join(word)).map_err(|error| reason(&error))?;
        match std::fs::metadata(&path) {
            Ok(found) if found.is_dir() => Ok(path),
            Ok(_) => Err(reason(&std::io::Error::from_raw_os_error(libc::ENOTDIR))),
            Err(error) => Err(reason(&error)),
        }
    }

    fn render(&self, value: &PathBuf) -> Vec<u8> {
        value.as_os_str().as_bytes().to_vec()
    }

    fn written(&self, value: &PathBuf, default: &PathBuf) -> Vec<Written> {
        quoted(value.as_os_str().as_bytes(), false, value != default)
    }

    fn shape(&self) -> String {
        "path".to_owned()
    }
}

/// What the system calls an error, without Rust's "(os error 2)".
pub(crate) fn reason(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => nix::errno::Errno::from_raw(code).desc().to_owned(),
        None => error.to_string(),
    }
}

fn quoted(text: &[u8], optional: bool, forced: bool) -> Vec<Written> {
    if optional && text.is_empty() { Vec::new() } else { vec![Written { arguments: quote(text), forced }] }
}
