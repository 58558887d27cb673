//! BITFIELD: integers of any width at bit offsets of a string.

use crate::args::{Argv, Cursor, parse_int};
use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_store::bits::{self, FieldAction, FieldOperation, Overflow};
use std::sync::atomic::Ordering::Relaxed;

const BITFIELD_COMMAND: CommandSpec =
    CommandSpec { acl: AclCategories::BITMAP, lock: LockClass::Keys, group: Group::Bitmap, ..CommandSpec::BASE };

/// BITFIELD
pub static BITFIELD: CommandSpec = CommandSpec {
    name: "bitfield",
    arity: -2,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE).with(KeyFlags::VARIABLE_FLAGS))],
    key_flags: Some(key_flags),
    since: "3.2.0",
    complexity: "O(1) for each operation",
    summary: "Reads, sets and increments integers of any width at bit offsets of a string.",
    syntax: "key [<GET encoding offset|[OVERFLOW <WRAP|SAT|FAIL>] <SET encoding offset value|INCRBY encoding offset increment>> ...]",
    handler: bitfield,
    ..BITFIELD_COMMAND
};

fn bitfield(context: &mut Context<'_>) -> CommandResult {
    let operations = parse(context.argv.cursor(2), bytes_max(context))?;
    run(context, &operations)
}

/// The key is only read where every operation is a GET.
fn key_flags(argv: Argv<'_>) -> KeyFlags {
    let mut cursor = argv.cursor(2);
    while !cursor.is_done() {
        let words = match () {
            () if cursor.token("GET") => 2,
            () if cursor.token("OVERFLOW") => 1,
            () => return KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE),
        };
        if (0..words).any(|_| cursor.bytes().is_err()) {
            return KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE);
        }
    }
    KeyFlags::RO.with(KeyFlags::ACCESS)
}

/// BITFIELD_RO
pub static BITFIELD_RO: CommandSpec = CommandSpec {
    name: "bitfield_ro",
    arity: -2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    since: "6.0.0",
    complexity: "O(1) for each operation",
    summary: "Reads integers of any width at bit offsets of a string.",
    syntax: "key [GET encoding offset [GET encoding offset ...]]",
    handler: bitfield_ro,
    ..BITFIELD_COMMAND
};

fn bitfield_ro(context: &mut Context<'_>) -> CommandResult {
    let operations = parse(context.argv.cursor(2), bytes_max(context))?;
    if operations.iter().any(|operation| operation.action != FieldAction::Get) {
        return Err(error::BITFIELD_READ_ONLY);
    }
    run(context, &operations)
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&BITFIELD, &BITFIELD_RO];

fn run(context: &mut Context<'_>, operations: &[FieldOperation]) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let results = bits::field(&mut context.txn, db, key, operations)?;
    context.reply.array(results.len());
    for result in results {
        match result {
            Some(number) => context.reply.int(number),
            None => context.reply.null(),
        }
    }
    Ok(())
}

fn bytes_max(context: &Context<'_>) -> u64 {
    context.txn.settings().proto_max_bulk_len.load(Relaxed)
}

#[derive(Clone, Copy)]
enum Word {
    Get,
    Set,
    IncrBy,
}

/// The operations on the line, in order. OVERFLOW counts for those behind it.
fn parse(mut cursor: Cursor<'_>, bytes_max: u64) -> Result<Vec<FieldOperation>, CommandError> {
    let mut operations = Vec::new();
    let mut overflow = Overflow::Wrap;
    while !cursor.is_done() {
        if cursor.token("OVERFLOW") {
            overflow = parse_overflow(&mut cursor)?;
            continue;
        }
        let words = [("GET", Word::Get), ("SET", Word::Set), ("INCRBY", Word::IncrBy)];
        let word = cursor.one_of(&words).ok_or(error::SYNTAX)?;
        let wanted = if matches!(word, Word::Get) { 2 } else { 3 };
        if cursor.remaining() < wanted {
            return Err(error::SYNTAX);
        }
        let (signed, width) = parse_type(cursor.bytes()?)?;
        let offset = parse_offset(cursor.bytes()?, width, bytes_max)?;
        let action = match word {
            Word::Get => FieldAction::Get,
            Word::Set => FieldAction::Set(cursor.int()?),
            Word::IncrBy => FieldAction::IncrBy(cursor.int()?),
        };
        operations.push(FieldOperation { action, signed, width, offset, overflow });
    }
    Ok(operations)
}

fn parse_overflow(cursor: &mut Cursor<'_>) -> Result<Overflow, CommandError> {
    let kinds = [("WRAP", Overflow::Wrap), ("SAT", Overflow::Saturate), ("FAIL", Overflow::Fail)];
    let given = cursor.clone().bytes();
    let kind = cursor.one_of(&kinds);
    given?;
    kind.ok_or(error::BITFIELD_OVERFLOW)
}

/// `i16`, `u8`: whether signed, and the width.
fn parse_type(text: &[u8]) -> Result<(bool, u8), CommandError> {
    let (signed, digits, max) = match text {
        [b'i', digits @ ..] => (true, digits, 64),
        [b'u', digits @ ..] => (false, digits, 63),
        _ => return Err(error::BITFIELD_TYPE),
    };
    let bits = parse_int(digits).filter(|bits| (1..=max).contains(bits)).ok_or(error::BITFIELD_TYPE)?;
    Ok((signed, bits as u8))
}

/// An offset in bits, or behind `#` in widths of the field.
fn parse_offset(text: &[u8], width: u8, bytes_max: u64) -> Result<u64, CommandError> {
    let (digits, factor) = match text {
        [b'#', digits @ ..] => (digits, i64::from(width)),
        digits => (digits, 1),
    };
    let offset = parse_int(digits).and_then(|number| u64::try_from(number.checked_mul(factor)?).ok());
    offset.filter(|offset| offset >> 3 < bytes_max).ok_or(error::BIT_OFFSET)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    fn parsed(line: &str) -> Result<Vec<FieldOperation>, String> {
        with_argv(line, |argv| parse(argv.cursor(2), 512 << 20).map_err(|error| error.text().into_owned()))
    }

    #[test]
    fn overflow_counts_for_what_follows() {
        let operation =
            |action, signed, width, offset, overflow| FieldOperation { action, signed, width, offset, overflow };
        assert_eq!(
            parsed("bitfield k get u8 #2 overflow sat incrby i64 100 -5 OVERFLOW fail set u63 0 7"),
            Ok(vec![
                operation(FieldAction::Get, false, 8, 16, Overflow::Wrap),
                operation(FieldAction::IncrBy(-5), true, 64, 100, Overflow::Saturate),
                operation(FieldAction::Set(7), false, 63, 0, Overflow::Fail),
            ])
        );
        assert_eq!(parsed("bitfield k"), Ok(vec![]));
        assert_eq!(parsed("bitfield k overflow sat"), Ok(vec![]));
    }

    // Replies of Redis 7.0.15 and Valkey 9.1.2.
    #[test]
    fn malformed_operations() {
        let kind = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
        let offset = "ERR bit offset is not an integer or out of range";
        for (line, text) in [
            ("bitfield k get u8 0 foo", "ERR syntax error"),
            ("bitfield k get u8", "ERR syntax error"),
            ("bitfield k set u8 0", "ERR syntax error"),
            ("bitfield k overflow", "ERR syntax error"),
            ("bitfield k overflow foo", "ERR Invalid OVERFLOW type specified"),
            ("bitfield k get u64 0", kind),
            ("bitfield k get i65 0", kind),
            ("bitfield k get i0 0", kind),
            ("bitfield k get u 0", kind),
            ("bitfield k get x8 0", kind),
            ("bitfield k get u8 -1", offset),
            ("bitfield k get u8 #-1", offset),
            ("bitfield k get u8 4294967296", offset),
            ("bitfield k get u8 #9223372036854775807", offset),
            ("bitfield k set u8 0 abc", "ERR value is not an integer or out of range"),
        ] {
            assert_eq!(parsed(line), Err(text.to_owned()), "{line}");
        }
    }
}
