//! Strings as arrays of bits. Bit 0 is the highest bit of the first byte.

use crate::args::{Argv, parse_int};
use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_store::bits::{self, BitOperation, BitRange, Unit};
use ochre_store::string;
use std::sync::atomic::Ordering::Relaxed;

const BITMAP_COMMAND: CommandSpec = CommandSpec {
    acl: AclCategories::BITMAP,
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    lock: LockClass::Keys,
    group: Group::Bitmap,
    ..CommandSpec::BASE
};

/// SETBIT
pub static SETBIT: CommandSpec = CommandSpec {
    name: "setbit",
    arity: 4,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))],
    since: "2.2.0",
    summary: "Sets or clears one bit of a string and returns what it was.",
    syntax: "key offset value",
    handler: setbit,
    ..BITMAP_COMMAND
};

fn setbit(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let offset = bit_offset(context, context.argv.at(2))?;
    let on = match parse_int(context.argv.at(3)) {
        Some(bit @ 0..=1) => bit == 1,
        _ => return Err(error::BIT_VALUE),
    };
    let before = bits::set_bit(&mut context.txn, db, key, offset, on)?;
    context.reply.int(i64::from(before));
    Ok(())
}

/// GETBIT
pub static GETBIT: CommandSpec = CommandSpec {
    name: "getbit",
    arity: 3,
    flags: Flags::READONLY.with(Flags::FAST),
    since: "2.2.0",
    summary: "Returns one bit of a string.",
    syntax: "key offset",
    handler: getbit,
    ..BITMAP_COMMAND
};

fn getbit(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let offset = bit_offset(context, context.argv.at(2))?;
    let on = bits::get_bit(&mut context.txn, db, key, offset)?;
    context.reply.int(i64::from(on));
    Ok(())
}

/// BITCOUNT
pub static BITCOUNT: CommandSpec = CommandSpec {
    name: "bitcount",
    arity: -2,
    flags: Flags::READONLY,
    since: "2.6.0",
    complexity: "O(N), N being the bytes looked at",
    summary: "Counts the set bits of a string or of part of it.",
    syntax: "key [start [end [BYTE|BIT]]]",
    changed_in: &["7.0.0", "8.0.0"],
    handler: bitcount,
    ..BITMAP_COMMAND
};

fn bitcount(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let level = context.server.config().compatibility_level;
    if level.checks_bit_ranges_last() && string::get(&mut context.txn, db, key)?.is_none() {
        context.reply.int(0);
        return Ok(());
    }
    if level.bitcount_wants_an_end() && context.argv.len() == 3 {
        return Err(error::SYNTAX);
    }
    let range = match level.checks_bit_ranges_last() {
        true => parse_count_range_of_7_0(context.argv)?,
        false => parse_range(context.argv, 2)?,
    };
    let count = bits::count(&mut context.txn, db, key, range)?;
    context.reply.int(count as i64);
    Ok(())
}

/// BITPOS
pub static BITPOS: CommandSpec = CommandSpec {
    name: "bitpos",
    arity: -3,
    flags: Flags::READONLY,
    since: "2.8.7",
    complexity: "O(N), N being the bytes looked at",
    summary: "Finds the first bit of a string that is set, or clear.",
    syntax: "key bit [start [end [BYTE|BIT]]]",
    changed_in: &["7.0.0"],
    handler: bitpos,
    ..BITMAP_COMMAND
};

fn bitpos(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let bit = match context.argv.cursor(2).int()? {
        0 => false,
        1 => true,
        _ => return Err(error::BITPOS_BIT),
    };
    let checks_last = context.server.config().compatibility_level.checks_bit_ranges_last();
    if checks_last && string::get(&mut context.txn, db, key)?.is_none() {
        context.reply.int(if bit { -1 } else { 0 });
        return Ok(());
    }
    let range = parse_range(context.argv, 3)?;
    let position = bits::position(&mut context.txn, db, key, bit, range)?;
    context.reply.int(position.map_or(-1, |position| position as i64));
    Ok(())
}

/// BITOP
pub static BITOP: CommandSpec = CommandSpec {
    name: "bitop",
    arity: -4,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[
        KeySpec::one(2, KeyFlags::OW.with(KeyFlags::UPDATE)),
        KeySpec::rest(3, 1, KeyFlags::RO.with(KeyFlags::ACCESS)),
    ],
    since: "2.6.0",
    complexity: "O(N), N being the length of the longest string",
    summary: "Combines strings bit by bit and stores the result.",
    syntax: "<AND|OR|XOR|NOT|DIFF|DIFF1|ANDOR|ONE> destkey key [key ...]",
    handler: bitop,
    ..BITMAP_COMMAND
};

fn bitop(context: &mut Context<'_>) -> CommandResult {
    let db = context.db();
    let operation = parse_operation(context.argv)?;
    let target = context.key(2);
    let sources: Vec<_> = (3..context.argv.len()).map(|index| context.key(index)).collect();
    let length = bits::operate(&mut context.txn, db, operation, target, &sources)?;
    context.reply.int(length as i64);
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&SETBIT, &GETBIT, &BITCOUNT, &BITPOS, &BITOP];

/// The bit offset that `text` tells; the byte must lie below the longest length a string may have.
///
/// # Errors
/// "bit offset is not an integer or out of range".
fn bit_offset(context: &Context<'_>, text: &[u8]) -> Result<u64, CommandError> {
    let bytes_max = context.txn.settings().proto_max_bulk_len.load(Relaxed);
    let offset = parse_int(text).and_then(|offset| u64::try_from(offset).ok());
    offset.filter(|offset| offset >> 3 < bytes_max).ok_or(error::BIT_OFFSET)
}

/// `[start [end [BYTE|BIT]]]` from argument `from` on.
fn parse_range(argv: Argv<'_>, from: usize) -> Result<Option<BitRange>, CommandError> {
    let mut cursor = argv.cursor(from);
    match cursor.remaining() {
        0 => return Ok(None),
        1..=3 => {}
        _ => return Err(error::SYNTAX),
    }
    let start = cursor.int()?;
    let unit = match argv.get(from + 2) {
        None => Unit::Byte,
        Some(unit) if unit.eq_ignore_ascii_case(b"byte") => Unit::Byte,
        Some(unit) if unit.eq_ignore_ascii_case(b"bit") => Unit::Bit,
        Some(_) => return Err(error::SYNTAX),
    };
    let end = if cursor.is_done() { None } else { Some(cursor.int()?) };
    Ok(Some(BitRange { start, end, unit }))
}

/// The range of BITCOUNT as Redis 7.0 reads it: the unit last, and not at all where the range is empty anyway.
fn parse_count_range_of_7_0(argv: Argv<'_>) -> Result<Option<BitRange>, CommandError> {
    if !(4..=5).contains(&argv.len()) {
        return parse_range(argv, 2);
    }
    let mut cursor = argv.cursor(2);
    let (start, end) = (cursor.int()?, cursor.int()?);
    if start < 0 && end < 0 && start > end {
        return Ok(Some(BitRange { start, end: Some(end), unit: Unit::Byte }));
    }
    parse_range(argv, 2)
}

const OPERATIONS: [(&str, BitOperation); 8] = [
    ("AND", BitOperation::And),
    ("OR", BitOperation::Or),
    ("XOR", BitOperation::Xor),
    ("NOT", BitOperation::Not),
    ("DIFF", BitOperation::Diff),
    ("DIFF1", BitOperation::Diff1),
    ("ANDOR", BitOperation::AndOr),
    ("ONE", BitOperation::One),
];

fn parse_operation(argv: Argv<'_>) -> Result<BitOperation, CommandError> {
    let operation = argv.cursor(1).one_of(&OPERATIONS).ok_or(error::SYNTAX)?;
    let sources = argv.len().saturating_sub(3);
    match operation {
        BitOperation::Not if sources != 1 => Err(error::BITOP_NOT_SOURCES),
        BitOperation::Diff if sources < 2 => Err(error::BITOP_DIFF_SOURCES),
        BitOperation::Diff1 if sources < 2 => Err(error::BITOP_DIFF1_SOURCES),
        BitOperation::AndOr if sources < 2 => Err(error::BITOP_ANDOR_SOURCES),
        _ => Ok(operation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    // Replies of Redis 8.2.3; that the end may be left out, of Valkey 9.1.2.
    #[test]
    fn ranges() {
        let range =
            |line: &str| with_argv(line, |argv| parse_range(argv, 2).map_err(|error| error.text().into_owned()));
        assert_eq!(range("bitcount k"), Ok(None));
        assert_eq!(range("bitcount k 1"), Ok(Some(BitRange { start: 1, end: None, unit: Unit::Byte })));
        assert_eq!(range("bitcount k 1 -2"), Ok(Some(BitRange { start: 1, end: Some(-2), unit: Unit::Byte })));
        assert_eq!(range("bitcount k 1 -2 bIT"), Ok(Some(BitRange { start: 1, end: Some(-2), unit: Unit::Bit })));
        for (line, text) in [
            ("bitcount k 0 1 foo", "ERR syntax error"),
            ("bitcount k 0 a foo", "ERR syntax error"),
            ("bitcount k 0 1 bit bit", "ERR syntax error"),
            ("bitcount k a 1 foo", "ERR value is not an integer or out of range"),
            ("bitcount k 0 a bit", "ERR value is not an integer or out of range"),
        ] {
            assert_eq!(range(line), Err(text.to_owned()), "{line}");
        }
    }

    // Replies of Redis 7.0.15.
    #[test]
    fn ranges_of_7_0() {
        let range = |line: &str| {
            with_argv(line, |argv| parse_count_range_of_7_0(argv).map_err(|error| error.text().into_owned()))
        };
        assert_eq!(range("bitcount k"), Ok(None));
        assert_eq!(range("bitcount k -3 -5 x"), Ok(Some(BitRange { start: -3, end: Some(-5), unit: Unit::Byte })));
        for (line, text) in [
            ("bitcount k -5 -3 x", "ERR syntax error"),
            ("bitcount k 0 a foo", "ERR value is not an integer or out of range"),
            ("bitcount k 0 1 bit bit", "ERR syntax error"),
        ] {
            assert_eq!(range(line), Err(text.to_owned()), "{line}");
        }
    }

    // Replies of Redis 8.2.3.
    #[test]
    fn operations_want_enough_sources() {
        let operation =
            |line: &str| with_argv(line, |argv| parse_operation(argv).map_err(|error| error.text().into_owned()));
        assert_eq!(operation("bitop aNd d a"), Ok(BitOperation::And));
        assert_eq!(operation("bitop diff1 d a b"), Ok(BitOperation::Diff1));
        assert_eq!(operation("bitop one d a"), Ok(BitOperation::One));
        for (line, text) in [
            ("bitop foo d a", "ERR syntax error"),
            ("bitop not d a b", "ERR BITOP NOT must be called with a single source key."),
            ("bitop diff d a", "ERR BITOP DIFF must be called with at least two source keys."),
            ("bitop andor d a", "ERR BITOP ANDOR must be called with at least two source keys."),
        ] {
            assert_eq!(operation(line), Err(text.to_owned()), "{line}");
        }
    }
}
