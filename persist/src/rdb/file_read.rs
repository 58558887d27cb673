//! Reading whole files.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::code::{VERSION_REDIS_MAX, VERSION_VALKEY};
use super::error::{RdbError, Reason};
use super::file_write::Usage;
use super::input::Input;
use super::opcode;
use super::read::read_value;
use ochre_store::Store;
use ochre_store::keyspace::NewValue;
use std::io::BufRead;
use std::num::NonZero;

const HEADER_BYTES: usize = 9;
/// The first version that ends with a checksum.
const VERSION_CHECKSUM: u32 = 5;
/// Bytes of the smallest record: type, length of the key, and an empty string or a small number.
const KEY_BYTES_MIN: NonZero<u64> = NonZero::new(3).unwrap();
/// What stands before a part of a module's data.
const MODULE_END: u64 = 0;
const MODULE_SIGNED: u64 = 1;
const MODULE_UNSIGNED: u64 = 2;
const MODULE_FLOAT: u64 = 3;
const MODULE_DOUBLE: u64 = 4;
const MODULE_STRING: u64 = 5;
/// The characters of modules' names, of which nine of six bits each stand above the ten bits of the version.
const NAME_CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A part of a file.
#[derive(Debug)]
pub enum Item {
    /// A fact about the file.
    Aux {
        /// Its name.
        name: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// The following keys belong to this database.
    Database(u64),
    /// How many keys the database has, and how many of them have a deadline.
    Sizes(u64, u64),
    /// How many keys a slot has, of them with deadlines, and its number.
    Slot {
        /// The slot.
        slot: u64,
        /// Keys in it.
        keys: u64,
        /// Keys with a deadline.
        volatile: u64,
    },
    /// The code of a library of functions.
    Function(Vec<u8>),
    /// Data of a module that belong to no key; they are passed over.
    ModuleAux(String),
    /// A key.
    Key(Box<Record>),
    /// A key whose value has no element, as some old servers wrote by mistake. There is nothing to be kept.
    EmptyKey(Vec<u8>),
}

/// A key with its value.
#[derive(Debug)]
pub struct Record {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: NewValue,
    /// When it expires, ms since the Unix epoch.
    pub deadline_ms: Option<i64>,
    /// How it was used.
    pub usage: Option<Usage>,
}

/// Reads a file, piece by piece.
#[derive(Debug)]
pub struct FileReader<R> {
    input: Input<R>,
    version: u32,
    verify: bool,
    ended: bool,
}

impl<R: BufRead> FileReader<R> {
    /// Begins to read a file of `bytes` bytes (0 if that is not known). With `verify` its checksum is compared at the end,
    /// if it has one. With `any_version` a file of an unknown version is tried as the latest known one.
    ///
    /// # Errors
    /// If the source fails, or what it holds is no RDB file, or one of an unknown version.
    pub fn new(source: R, bytes: u64, verify: bool, any_version: bool) -> Result<FileReader<R>, RdbError> {
        let mut input = Input::new(source, bytes);
        let header = input.array::<HEADER_BYTES>()?;
        let (digits, versions) = if let Some(digits) = header.strip_prefix(b"REDIS") {
            (digits, 1..=VERSION_REDIS_MAX)
        } else if let Some(digits) = header.strip_prefix(b"VALKEY") {
            (digits, VERSION_VALKEY..=VERSION_VALKEY)
        } else {
            return Err(input.malformed("no RDB file: it does not begin with REDIS or VALKEY"));
        };
        let version = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        let version = version.ok_or_else(|| input.malformed("the version is no number"))?;
        let is_taken = versions.contains(&version) || any_version && version >= 1;
        if !is_taken {
            return Err(input.error(Reason::Version(version)));
        }
        Ok(FileReader { input, version, verify, ended: false })
    }

    /// The version of the format.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Bytes read so far.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// How many keys to make room for where `declared` are announced: the rest of the file must be able to hold them.
    pub(super) fn expected(&self, declared: u64) -> usize {
        self.input.expected_of(declared, KEY_BYTES_MIN)
    }

    /// The source, which stands behind the end of the file if all of it was read.
    pub fn into_inner(self) -> R {
        self.input.into_inner()
    }

    /// The next part; `None` at the end. Values are made for keys of `store`.
    ///
    /// # Errors
    /// If the source fails or ends too early, or something is damaged or not known. Nothing sensible follows then.
    pub fn next(&mut self, store: &Store) -> Result<Option<Item>, RdbError> {
        let (mut deadline_ms, mut usage) = (None, None);
        if self.ended {
            return Ok(None);
        }
        loop {
            let input = &mut self.input;
            return Ok(Some(match input.byte()? {
                opcode::DEADLINE_MS => {
                    deadline_ms = Some(input.i64()?);
                    continue;
                }
                opcode::DEADLINE_SECONDS => {
                    deadline_ms = Some(i64::from(i32::from_le_bytes(input.array()?)).saturating_mul(1000));
                    continue;
                }
                opcode::IDLE => {
                    usage = Some(Usage::IdleSeconds(input.length()?));
                    continue;
                }
                opcode::FREQUENCY => {
                    usage = Some(Usage::Frequency(input.byte()?));
                    continue;
                }
                opcode::END => {
                    self.end()?;
                    return Ok(None);
                }
                opcode::DATABASE => Item::Database(input.length()?),
                opcode::SIZES => Item::Sizes(input.length()?, input.length()?),
                opcode::SLOT_INFO => {
                    Item::Slot { slot: input.length()?, keys: input.length()?, volatile: input.length()? }
                }
                opcode::AUX => Item::Aux { name: input.string()?, value: input.string()? },
                opcode::FUNCTION => Item::Function(input.string()?),
                opcode::FUNCTION_OF_CANDIDATE => {
                    return Err(input.malformed("functions of a release candidate of Redis 7.0 cannot be read"));
                }
                opcode::MODULE_AUX => Item::ModuleAux(module_aux(input)?),
                code => {
                    let key = input.string()?;
                    match read_value(input, code, store) {
                        Ok(value) => Item::Key(Box::new(Record { key, value, deadline_ms, usage })),
                        Err(RdbError { reason: Reason::Empty, .. }) => Item::EmptyKey(key),
                        Err(error) => return Err(RdbError { key: Some(key.into()), ..error }),
                    }
                }
            }));
        }
    }

    fn end(&mut self) -> Result<(), RdbError> {
        self.ended = true;
        if self.version < VERSION_CHECKSUM {
            return Ok(());
        }
        let found = self.input.checksum();
        let declared = u64::from_le_bytes(self.input.array()?);
        // Zero: the writer was told to write none.
        if self.verify && declared != 0 && declared != found {
            return Err(self.input.error(Reason::Checksum));
        }
        Ok(())
    }
}

/// Passes over data of a module and returns its name.
fn module_aux<R: BufRead>(input: &mut Input<R>) -> Result<String, RdbError> {
    let id = input.length()?;
    // When it was written: a number with what announces it.
    if input.length()? != MODULE_UNSIGNED {
        return Err(input.malformed("data of a module do not begin with when they were written"));
    }
    input.length()?;
    loop {
        match input.length()? {
            MODULE_END => break,
            MODULE_SIGNED | MODULE_UNSIGNED => {
                input.length()?;
            }
            MODULE_FLOAT => {
                input.array::<4>()?;
            }
            MODULE_DOUBLE => {
                input.array::<8>()?;
            }
            MODULE_STRING => {
                input.string()?;
            }
            _ => return Err(input.malformed("unknown part of a module's data")),
        }
    }
    let character = |place: u32| NAME_CHARACTERS.get((id >> place & 0x3f) as usize).copied().unwrap_or(b'?');
    Ok((0..9u32).map(|nth| char::from(character(58u32.saturating_sub(nth.saturating_mul(6))))).collect())
}
