//! What can be wrong with an RDB file or a payload.

use ochre_store::Corrupt;

/// Why a value or a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("byte {offset}: {reason}{}", of_key(key))]
pub struct RdbError {
    /// Where it shows, in bytes from the start.
    pub offset: u64,
    /// What is wrong there.
    pub reason: Reason,
    /// The key whose value was being read, if it is known.
    pub key: Option<Box<[u8]>>,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The source failed.
    #[error("cannot read: {0}")]
    Io(std::io::Error),
    /// The data end in the middle.
    #[error("the data end too early")]
    Truncated,
    /// Something that cannot stand there.
    #[error("{0}")]
    Malformed(&'static str),
    /// A compact encoding that is damaged.
    #[error("{0}")]
    Encoding(Corrupt),
    /// A value without elements, which no key holds.
    #[error("a value without elements")]
    Empty,
    /// A type that is not known.
    #[error("unknown type {0}")]
    UnknownType(u8),
    /// A value of a module.
    #[error("values of modules cannot be read")]
    Module,
    /// A version that cannot be read.
    #[error("version {0} of the format is not supported")]
    Version(u32),
    /// The checksum is not that of the data.
    #[error("wrong checksum")]
    Checksum,
}

impl RdbError {
    pub(crate) fn new(offset: u64, reason: Reason) -> RdbError {
        RdbError { offset, reason, key: None }
    }

    /// Whether the data contradict themselves, rather than being of a kind that cannot be read.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        !matches!(self.reason, Reason::Io(_) | Reason::UnknownType(_) | Reason::Module | Reason::Version(_))
    }
}

fn of_key(key: &Option<Box<[u8]>>) -> String {
    key.as_ref().map_or_else(String::new, |key| format!(" (key \"{}\")", key.escape_ascii()))
}
