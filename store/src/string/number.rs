//! Strings as numbers.

use crate::effects::EventClass;
use crate::error::Error;
use crate::raw::entry::{Contents, EMBSTR_MAX, Encoding, Entry, Str};
use crate::raw::keys::Found;
use crate::store::Key;
use crate::string::float::Extended;
use crate::txn::Txn;

/// Longest decimal form of an `i64`.
const INT_DIGITS_MAX: usize = 20;

/// The integer whose shortest decimal form `text` is: no sign but `-`, no leading zero, no blank.
pub fn parse_int(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > INT_DIGITS_MAX {
        return None;
    }
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] => {}
        _ => return None,
    }
    let mut number: u64 = 0;
    for &digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    if negative { 0i64.checked_sub_unsigned(number) } else { i64::try_from(number).ok() }
}

/// Adds `delta` to the integer at `key`, 0 if it does not exist, and returns the sum.
///
/// Errs with `NotInteger` and `IncrementOverflow`.
pub fn incr_by(txn: &mut Txn<'_>, db: usize, key: Key<'_>, delta: i64) -> Result<i64, Error> {
    let (found, mut around) = txn.write(db, &key)?;
    let sum = match found {
        Found::Vacant(vacant) => {
            vacant.insert(Entry::new(key.bytes(), Contents::Int(delta), None, around.initial_access()));
            around.created(key.bytes());
            delta
        }
        Found::Occupied(mut entry) => {
            let number = match entry.string()? {
                Str::Int(number) => number,
                Str::Bytes(bytes) => parse_int(bytes).ok_or(Error::NotInteger)?,
            };
            let sum = number.checked_add(delta).ok_or(Error::IncrementOverflow)?;
            let deadline = entry.deadline();
            around.core.replaced(entry.set(Contents::Int(sum), deadline));
            sum
        }
    };
    around.changed(key.bytes(), EventClass::String, "incrby");
    Ok(sum)
}

/// Adds the number written in `increment` to the one written at `key`, 0 if it does not exist, and stores and returns
/// the text of the sum.
///
/// Errs with `NotFloat` and `NanOrInfinity`.
pub fn incr_by_float(txn: &mut Txn<'_>, db: usize, key: Key<'_>, increment: &[u8]) -> Result<String, Error> {
    let (found, mut around) = txn.write(db, &key)?;
    let old = match &found {
        Found::Vacant(_) => Extended::parse(b"0"),
        Found::Occupied(entry) => Extended::parse(entry.string()?.as_bytes(&mut itoa::Buffer::new())),
    };
    let old = old.ok_or(Error::NotFloat)?;
    let increment = Extended::parse(increment).ok_or(Error::NotFloat)?;
    let text = old.add(increment).and_then(Extended::to_text).ok_or(Error::NanOrInfinity)?;
    // As in Redis a sum is text, also where it happens to be whole.
    let encoding = if text.len() <= EMBSTR_MAX { Encoding::Embstr } else { Encoding::Raw };
    let contents = Contents::Bytes(text.as_bytes(), encoding);
    match found {
        Found::Vacant(vacant) => {
            vacant.insert(Entry::new(key.bytes(), contents, None, around.initial_access()));
            around.created(key.bytes());
        }
        Found::Occupied(mut entry) => {
            let deadline = entry.deadline();
            around.core.replaced(entry.set(contents, deadline));
        }
    }
    around.changed(key.bytes(), EventClass::String, "incrbyfloat");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shortest_forms_are_integers() {
        for number in [0, 1, -1, 10, i64::MAX, i64::MIN, 1234567890123456789] {
            assert_eq!(parse_int(number.to_string().as_bytes()), Some(number));
        }
        for text in ["", "-", "-0", "+1", "01", "-01", " 1", "1 ", "1a", "9223372036854775808", "-9223372036854775809"]
        {
            assert_eq!(parse_int(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_int(b"99999999999999999999"), None);
        assert_eq!(parse_int(b"18446744073709551617"), None);
    }
}
