//! Fields as numbers.

use super::fields::moment;
use super::write::{FieldExpiry, Writer, finish, new_hash};
use crate::error::Error;
use crate::raw::entry::Str;
use crate::store::Key;
use crate::string::float::Extended;
use crate::string::parse_int;
use crate::txn::Txn;

/// Adds `delta` to the integer in a field, 0 if it does not exist, and returns the sum. The field keeps its deadline.
///
/// Errs with `WrongType`, `NotInteger` and `IncrementOverflow`.
pub fn incr_by(txn: &mut Txn<'_>, db: usize, key: Key<'_>, name: &[u8], delta: i64) -> Result<i64, Error> {
    let (store, now_ms) = (txn.store(), moment(txn));
    let mut open = txn.open_or_create_fresh(db, &key, || new_hash(store, std::iter::once((name, &b""[..]))))?;
    open.keep_field(name);
    let mut writer = Writer::new(open.value(), store, now_ms);
    // A new key has no field, so that nothing errs after it was created.
    let old = match writer.get(name).map(|found| found.value) {
        None => 0,
        Some(Str::Int(number)) => number,
        Some(Str::Bytes(bytes)) => parse_int(bytes).ok_or(Error::NotInteger)?,
    };
    let sum = old.checked_add(delta).ok_or(Error::IncrementOverflow)?;
    writer.put(name, Str::Int(sum), FieldExpiry::Keep);
    let expired = writer.expired;
    finish(&mut open, 1, expired, "hincrby");
    Ok(sum)
}

/// A finite number to be added.
#[derive(Clone, Copy, Debug)]
pub struct Increment(Extended);

impl Increment {
    /// Reads a number as `strtold` does. Errs with `NotFloat`, and with `NanOrInfinity` if it is infinite.
    pub fn parse(text: &[u8]) -> Result<Increment, Error> {
        match Extended::parse(text).ok_or(Error::NotFloat)? {
            Extended::Infinite { .. } => Err(Error::NanOrInfinity),
            finite => Ok(Increment(finite)),
        }
    }
}

/// Adds `increment` to the number written in a field, 0 if it does not exist, and stores and returns
/// the text of the sum. The field keeps its deadline.
///
/// Errs with `WrongType`, `NotFloat` and `NanOrInfinity`.
pub fn incr_by_float(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    name: &[u8],
    increment: Increment,
) -> Result<String, Error> {
    let (store, now_ms) = (txn.store(), moment(txn));
    let mut open = txn.open_or_create_fresh(db, &key, || new_hash(store, std::iter::once((name, &b""[..]))))?;
    open.keep_field(name);
    let mut writer = Writer::new(open.value(), store, now_ms);
    let old = match writer.get(name) {
        None => Extended::parse(b"0"),
        Some(found) => Extended::parse(found.value.as_bytes(&mut itoa::Buffer::new())),
    };
    let sum = old.ok_or(Error::NotFloat)?.add(increment.0);
    let text = sum.and_then(Extended::to_text).ok_or(Error::NanOrInfinity)?;
    writer.put(name, Str::Bytes(text.as_bytes()), FieldExpiry::Keep);
    let expired = writer.expired;
    finish(&mut open, 1, expired, "hincrbyfloat");
    Ok(text)
}
