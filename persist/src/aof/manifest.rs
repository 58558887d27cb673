//! Which files make up an append-only file.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use ochre_resp::split::{quote, split_args};

/// A line of a manifest may be so long, its end included.
const LINE_LEN_MAX: usize = 1024;

/// One of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, within the folder.
    pub name: String,
    /// Its number among those of its kind.
    pub number: u64,
}

/// The files of an append-only file.
///
/// In text, one a line: `file NAME seq NUMBER type b|h|i`, the base first, then the history, then the incremental files in
/// the order in which they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The data set at some moment.
    pub base: Option<Entry>,
    /// Files that are needed no more.
    pub history: Vec<Entry>,
    /// Commands since the base.
    pub incremental: Vec<Entry>,
    base_number: u64,
    incremental_number: u64,
}

/// Why a manifest cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ManifestError {
    /// The number of the line and what it says, where one is to blame.
    pub line: Option<(usize, String)>,
    /// What is wrong.
    pub reason: &'static str,
}

const INVALID: &str = "Invalid AOF manifest file format";

impl Manifest {
    /// Reads its text.
    ///
    /// # Errors
    /// The text has another form, or names what cannot be.
    pub fn parse(text: &[u8]) -> Result<Manifest, ManifestError> {
        let bad = |line, reason| Err(ManifestError { line, reason });
        if text.is_empty() {
            return bad(None, "Found an empty AOF manifest");
        }
        let mut manifest = Manifest::default();
        for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if line.first() == Some(&b'#') {
                continue;
            }
            if line.len() > LINE_LEN_MAX || line.last() != Some(&b'\n') {
                return bad(None, "The AOF manifest file contains too long line");
            }
            let line = line.trim_ascii();
            if let Err(reason) = manifest.take(line) {
                return bad(Some((index.saturating_add(1), String::from_utf8_lossy(line).into_owned())), reason);
            }
        }
        Ok(manifest)
    }

    fn take(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        split_args(line, &mut bytes, &mut spans).map_err(|_| INVALID)?;
        let words: Vec<&[u8]> = spans.iter().map(|span| bytes.get(span.start..span.end).unwrap_or_default()).collect();
        if words.len() < 6 || !words.len().is_multiple_of(2) {
            return Err(INVALID);
        }
        let (mut name, mut number, mut kind) = (None, None, None);
        for pair in words.chunks(2) {
            let [key, value] = pair else { return Err(INVALID) };
            match key.to_ascii_lowercase().as_slice() {
                b"file" if value.contains(&b'/') || value.contains(&b'\\') => {
                    return Err("File can't be a path, just a filename");
                }
                b"file" => name = Some(String::from_utf8(value.to_vec()).map_err(|_| INVALID)?),
                b"seq" => number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()),
                b"type" => kind = value.first().copied(),
                // Later versions may say more.
                _ => {}
            }
        }
        let name = name.filter(|name| !name.is_empty());
        let (Some(name), Some(number), Some(kind)) = (name, number.filter(|number| *number > 0), kind) else {
            return Err(INVALID);
        };
        let entry = Entry { name, number };
        match kind {
            b'b' if self.base.is_some() => return Err("Found duplicate base file information"),
            b'b' => {
                self.base_number = number;
                self.base = Some(entry);
            }
            b'h' => self.history.push(entry),
            b'i' if number <= self.incremental_number => return Err("Found a non-monotonic sequence number"),
            b'i' => {
                self.incremental_number = number;
                self.incremental.push(entry);
            }
            _ => return Err("Unknown AOF file type"),
        }
        Ok(())
    }

    /// Its text.
    #[must_use]
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let kinds = [(self.base.as_slice(), 'b'), (self.history.as_slice(), 'h'), (self.incremental.as_slice(), 'i')];
        for (entries, kind) in kinds {
            for Entry { name, number } in entries {
                text.extend_from_slice(b"file ");
                write_name(&mut text, name);
                text.extend_from_slice(format!(" seq {number} type {kind}\n").as_bytes());
            }
        }
        text
    }

    /// Whether it names no file that is read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.incremental.is_empty()
    }

    /// Makes the file of that name, which was one by itself, the base.
    pub fn adopt(&mut self, name: &str) {
        self.base = Some(Entry { name: name.to_owned(), number: 1 });
        self.base_number = 1;
    }

    /// Begins a new base, which makes the old one history; the name of its file.
    pub fn new_base(&mut self, name: &str, is_rdb: bool) -> String {
        self.history.splice(0..0, self.base.take());
        self.base_number = self.base_number.saturating_add(1);
        let suffix = if is_rdb { "rdb" } else { "aof" };
        let name = format!("{name}.{}.base.{suffix}", self.base_number);
        self.base = Some(Entry { name: name.clone(), number: self.base_number });
        name
    }

    /// Begins a new incremental file; its name.
    pub fn new_incremental(&mut self, name: &str) -> String {
        self.incremental_number = self.incremental_number.saturating_add(1);
        let name = format!("{name}.{}.incr.aof", self.incremental_number);
        self.incremental.push(Entry { name: name.clone(), number: self.incremental_number });
        name
    }

    /// Makes incremental files history: all of them, or all but the last.
    pub fn retire_incremental(&mut self, keep_last: bool) {
        let kept = if keep_last { self.incremental.pop() } else { None };
        self.history.splice(0..0, self.incremental.drain(..));
        self.incremental.extend(kept);
    }
}

/// Writes a name, in quotes if it has anything in it that ends a word or begins quotes.
fn write_name(text: &mut Vec<u8>, name: &str) {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if !name.is_empty() && name.bytes().all(plain) {
        text.extend_from_slice(name.as_bytes());
        return;
    }
    quote(text, name.as_bytes());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn reason(text: &str) -> &'static str {
        Manifest::parse(text.as_bytes()).unwrap_err().reason
    }

    // As Redis 7.0.15 refuses them, but for the name without a letter, which it takes and cannot read again.
    #[test]
    fn what_is_no_manifest() {
        let base = "file a.1.base.rdb seq 1 type b\n";
        assert_eq!(reason(""), "Found an empty AOF manifest");
        assert_eq!(reason(&format!("{base}\n")), INVALID);
        assert_eq!(reason("filx a seq 1 type b\n"), INVALID);
        assert_eq!(reason("file a type i\n"), INVALID);
        assert_eq!(reason("file a seq 1 type i newkey\n"), INVALID);
        assert_eq!(reason("file a seq 0 type i\n"), INVALID);
        assert_eq!(reason("file \"\" seq 1 type h\n"), INVALID);
        assert_eq!(reason(&format!("{base}{base}")), "Found duplicate base file information");
        assert_eq!(reason("file a seq 2 type i\nfile b seq 1 type i\n"), "Found a non-monotonic sequence number");
        assert_eq!(reason("file a seq 2 type x\n"), "Unknown AOF file type");
        assert_eq!(reason("file ../a seq 2 type b\n"), "File can't be a path, just a filename");
        assert_eq!(reason("file a seq 1 type b"), "The AOF manifest file contains too long line");
        let long = format!("file {} seq 1 type b\n", "a".repeat(1024));
        assert_eq!(reason(&long), "The AOF manifest file contains too long line");
    }

    #[test]
    fn files_come_and_go() {
        let mut manifest = Manifest::default();
        assert_eq!(manifest.new_base("a.aof", true), "a.aof.1.base.rdb");
        assert_eq!(manifest.new_incremental("a.aof"), "a.aof.1.incr.aof");
        manifest.new_incremental("a.aof");
        manifest.new_incremental("a.aof");
        assert_eq!(manifest.new_base("a.aof", false), "a.aof.2.base.aof");
        manifest.retire_incremental(true);
        let text = "file a.aof.2.base.aof seq 2 type b\nfile a.aof.1.incr.aof seq 1 type h\nfile a.aof.2.incr.aof seq 2 \
                    type h\nfile a.aof.1.base.rdb seq 1 type h\nfile a.aof.3.incr.aof seq 3 type i\n";
        assert_eq!(String::from_utf8(manifest.to_text()).unwrap(), text);
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), manifest);
        let comment = format!("# a comment\n{}", text.replace("type b\n", "type b newkey newvalue\n"));
        assert_eq!(Manifest::parse(comment.as_bytes()).unwrap(), manifest);
    }

    #[test]
    fn names_may_be_odd() {
        let mut manifest = Manifest::default();
        manifest.new_base(" file seq \n\n.aof ", true);
        let text = "file \" file seq \\n\\n.aof .1.base.rdb\" seq 1 type b\n";
        assert_eq!(String::from_utf8(manifest.to_text()).unwrap(), text);
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), manifest);
        for name in ["''", "it's", "\""] {
            let mut manifest = Manifest::default();
            manifest.new_incremental(name);
            assert_eq!(Manifest::parse(&manifest.to_text()).as_ref(), Ok(&manifest), "{name}");
        }
    }
}
