//! Writing whole files.

use super::code::VERSION_VALKEY;
use super::opcode;
use super::output::Output;
use super::write::{Writing, type_of, version_needed, write_value};
use ochre_store::ValueRef;
use std::io::{self, Write};

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// The version of the format: see [`Writing::version`].
    pub version: u32,
    /// Whether long strings are compressed.
    pub compress: bool,
    /// Whether the file ends with a checksum; otherwise zero stands there.
    pub checksum: bool,
}

impl Default for FileSettings {
    fn default() -> FileSettings {
        FileSettings { version: 11, compress: true, checksum: true }
    }
}

/// How a key was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Last used so many seconds ago.
    IdleSeconds(u64),
    /// Used so often, as a logarithmic counter.
    Frequency(u8),
}

/// Why something cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The sink failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The value has no encoding in this version of the format.
    #[error("the value needs version {needed} of the format")]
    Version {
        /// The first version that has one.
        needed: u32,
    },
}

/// Writes a file, piece by piece: AUX fields and functions, then each database with its keys, then the end.
#[derive(Debug)]
pub struct FileWriter<W> {
    output: Output<W>,
    settings: FileSettings,
}

impl<W: Write> FileWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Those of the sink, as of all methods here.
    pub fn new(sink: W, settings: FileSettings) -> Result<FileWriter<W>, WriteError> {
        let mut output = Output::new(sink, settings.compress);
        let version = settings.version;
        let header =
            if version >= VERSION_VALKEY { format!("VALKEY{version:03}") } else { format!("REDIS{version:04}") };
        output.raw(header.as_bytes())?;
        Ok(FileWriter { output, settings })
    }

    /// Bytes written so far.
    pub fn offset(&self) -> u64 {
        self.output.offset()
    }

    /// Writes a fact about the file.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<(), WriteError> {
        self.output.raw(&[opcode::AUX])?;
        self.output.string(name)?;
        Ok(self.output.string(value)?)
    }

    /// Writes the code of a library of functions.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn function(&mut self, code: &[u8]) -> Result<(), WriteError> {
        self.output.raw(&[opcode::FUNCTION])?;
        Ok(self.output.string(code)?)
    }

    /// Begins a database of so many keys, of which so many have a deadline.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn database(&mut self, number: u64, keys: u64, volatile: u64) -> Result<(), WriteError> {
        self.output.raw(&[opcode::DATABASE])?;
        self.output.length(number)?;
        self.output.raw(&[opcode::SIZES])?;
        self.output.length(keys)?;
        Ok(self.output.length(volatile)?)
    }

    /// Writes a key of the database begun last.
    ///
    /// # Errors
    /// Those of the sink, and if the version of the file has no encoding for the value.
    pub fn key(
        &mut self,
        key: &[u8],
        value: ValueRef<'_>,
        deadline_ms: Option<i64>,
        usage: Option<Usage>,
    ) -> Result<(), WriteError> {
        let key = KeyRecord { key, value, deadline_ms, usage };
        write_key(&mut self.output, self.settings.version, key)
    }

    /// Goes on with a database that was begun before.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn select(&mut self, number: u64) -> Result<(), WriteError> {
        self.output.raw(&[opcode::DATABASE])?;
        Ok(self.output.length(number)?)
    }

    /// Writes keys of the database begun last that were brought into the form of the file elsewhere.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn part(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        Ok(self.output.raw(bytes)?)
    }

    /// Writes a string, compressed where that pays, behind such a part.
    pub(super) fn text(&mut self, text: &[u8]) -> Result<(), WriteError> {
        Ok(self.output.string(text)?)
    }

    /// Ends the file and returns the sink, which is not flushed.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.output.raw(&[opcode::END])?;
        let checksum = if self.settings.checksum { self.output.checksum() } else { 0 };
        self.output.raw(&checksum.to_le_bytes())?;
        Ok(self.output.into_inner())
    }
}

/// A key and all that is written of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyRecord<'k> {
    pub(super) key: &'k [u8],
    pub(super) value: ValueRef<'k>,
    pub(super) deadline_ms: Option<i64>,
    pub(super) usage: Option<Usage>,
}

/// Writes a key in a version of the format.
pub(super) fn write_key<W: Write>(
    output: &mut Output<W>,
    version: u32,
    record: KeyRecord<'_>,
) -> Result<(), WriteError> {
    let writing = Writing { version };
    write_key_head(output, writing, &record)?;
    Ok(write_value(output, record.value, writing)?)
}

/// Writes what stands before the value of a key.
pub(super) fn write_key_head<W: Write>(
    output: &mut Output<W>,
    writing: Writing,
    record: &KeyRecord<'_>,
) -> Result<(), WriteError> {
    let (Writing { version }, KeyRecord { key, value, deadline_ms, usage }) = (writing, *record);
    let needed = version_needed(value, version);
    if needed > version {
        return Err(WriteError::Version { needed });
    }
    if let Some(deadline_ms) = deadline_ms {
        output.raw(&[opcode::DEADLINE_MS])?;
        output.i64(deadline_ms)?;
    }
    match usage {
        Some(Usage::IdleSeconds(seconds)) => {
            output.raw(&[opcode::IDLE])?;
            output.length(seconds)?;
        }
        Some(Usage::Frequency(frequency)) => output.raw(&[opcode::FREQUENCY, frequency])?,
        None => {}
    }
    output.raw(&[type_of(value, writing) as u8])?;
    Ok(output.string(key)?)
}
