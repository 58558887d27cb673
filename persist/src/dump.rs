//! Payloads of DUMP: the type of a value, the value, and a footer of the version (u16) and a checksum (u64), both little
//! endian, the checksum being that of all before it.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::crc64;
use crate::rdb::{self, Input, Output, RdbError, Reason, Writing};
use ochre_store::keyspace::NewValue;
use ochre_store::{Store, ValueRef};
use std::io::BufRead;

const VERSION_BYTES: usize = 2;
const CHECKSUM_BYTES: usize = 8;

/// How a payload is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The version of the format, if the value can be written so: see [`Writing::version`].
    pub version: u32,
    /// Whether long strings are compressed.
    pub compress: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { version: 11, compress: true }
    }
}

/// What of the footer is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// The version alone.
    Version,
    /// The checksum too.
    Checksum,
}

/// The payload of a value. A value that the version has no encoding for gets the lowest version that has one.
#[must_use]
pub fn write(value: ValueRef<'_>, settings: Settings) -> Vec<u8> {
    let version = rdb::version_needed(value, settings.version);
    let writing = Writing { version };
    let mut output = Output::new(Vec::new(), settings.compress);
    let written = output
        .raw(&[rdb::type_of(value, writing) as u8])
        .and_then(|()| rdb::write_value(&mut output, value, writing))
        .and_then(|()| output.raw(&(version as u16).to_le_bytes()));
    debug_assert!(written.is_ok(), "memory does not refuse bytes");
    let checksum = output.checksum();
    let mut payload = output.into_inner();
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
}

/// Bytes of a value in such a payload, or in a file: those of its type and the footer are not counted.
#[must_use]
pub fn value_bytes(value: ValueRef<'_>, settings: Settings) -> u64 {
    let version = rdb::version_needed(value, settings.version);
    let mut output = Output::part(std::io::sink(), settings.compress);
    let written = rdb::write_value(&mut output, value, Writing { version });
    debug_assert!(written.is_ok(), "what leads nowhere refuses no bytes");
    output.offset()
}

/// The payload of libraries of functions, given by their code.
#[must_use]
pub fn write_functions<C: AsRef<[u8]>>(codes: &[C], settings: Settings) -> Vec<u8> {
    let mut output = Output::new(Vec::new(), settings.compress);
    let mut write = || {
        for code in codes {
            output.raw(&[rdb::FUNCTION])?;
            output.string(code.as_ref())?;
        }
        output.raw(&(settings.version as u16).to_le_bytes())
    };
    let written = write();
    debug_assert!(written.is_ok(), "memory does not refuse bytes");
    let checksum = output.checksum();
    let mut payload = output.into_inner();
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
}

/// What is wrong with a payload of functions. The texts are those of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FunctionsError {
    /// It holds something else.
    #[error("given type is not a function")]
    NoFunction,
    /// It is damaged.
    #[error("failed loading the given functions payload")]
    Damaged,
}

/// The code of the libraries in a payload that [`verify`] has checked.
///
/// # Errors
/// [`FunctionsError`]
pub fn read_functions(payload: &[u8]) -> Result<Vec<Vec<u8>>, FunctionsError> {
    let body = body(payload, Verify::Version).map_err(|_| FunctionsError::Damaged)?;
    let mut input = Input::of_bytes(body);
    let mut codes = Vec::new();
    while (input.offset() as usize) < body.len() {
        match input.byte() {
            Ok(rdb::FUNCTION) => codes.push(input.string().map_err(|_| FunctionsError::Damaged)?),
            _ => return Err(FunctionsError::NoFunction),
        }
    }
    Ok(codes)
}

/// Checks the footer of a payload.
///
/// # Errors
/// If there is none, or its version cannot be read, or the checksum is wrong.
pub fn verify(payload: &[u8], verify: Verify) -> Result<(), RdbError> {
    body(payload, verify).map(|_| ())
}

/// Reads the value of a payload, made for a key of `store`.
///
/// # Errors
/// Those of [`verify`] and of [`rdb::read_value`].
pub fn read(payload: &[u8], store: &Store, verify: Verify) -> Result<NewValue, RdbError> {
    let mut input = Input::of_bytes(body(payload, verify)?);
    read_body(&mut input, store)
}

fn read_body<R: BufRead>(input: &mut Input<R>, store: &Store) -> Result<NewValue, RdbError> {
    let code = input.byte()?;
    rdb::read_value(input, code, store)
}

/// What stands before the footer.
fn body(payload: &[u8], verify: Verify) -> Result<&[u8], RdbError> {
    let error = |reason| RdbError { offset: payload.len() as u64, reason, key: None };
    let Some((rest, checksum)) = payload.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Err(error(Reason::Truncated));
    };
    let Some((body, version)) = rest.split_last_chunk::<VERSION_BYTES>() else {
        return Err(error(Reason::Truncated));
    };
    let version = u32::from(u16::from_le_bytes(*version));
    if version > rdb::VERSION_REDIS_MAX && version != rdb::VERSION_VALKEY {
        return Err(error(Reason::Version(version)));
    }
    if verify == Verify::Checksum && crc64::update(0, rest) != u64::from_le_bytes(*checksum) {
        return Err(error(Reason::Checksum));
    }
    Ok(body)
}
