//! Elements taken from one of several lists, or moved from list to list.

use super::list::{LIST_COMMAND, parse_end, write_elements};
use super::string::write_str;
use crate::args::Argv;
use crate::command::{Begin, CommandSpec, Find, Flags, KeyFlags, KeySpec};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_store::list::{self, End};

pub(super) const SOURCE: KeySpec = KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE));
pub(super) const DESTINATION: KeySpec = KeySpec::one(2, KeyFlags::RW.with(KeyFlags::INSERT));

/// LMOVE
pub static LMOVE: CommandSpec = CommandSpec {
    name: "lmove",
    arity: 5,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[SOURCE, DESTINATION],
    since: "6.2.0",
    summary: "Moves an element from an end of a list to an end of another, and returns it.",
    syntax: "source destination <LEFT|RIGHT> <LEFT|RIGHT>",
    handler: lmove,
    ..LIST_COMMAND
};

fn lmove(context: &mut Context<'_>) -> CommandResult {
    let mut cursor = context.argv.cursor(3);
    let (from, to) = (parse_end(&mut cursor)?, parse_end(&mut cursor)?);
    if !move_element(context, from, to)? {
        context.reply.null();
    }
    Ok(())
}

/// RPOPLPUSH
pub static RPOPLPUSH: CommandSpec = CommandSpec {
    name: "rpoplpush",
    arity: 3,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[SOURCE, DESTINATION],
    since: "1.2.0",
    summary: "Moves the last element of a list to the left end of another, and returns it; LMOVE does more.",
    syntax: "source destination",
    handler: rpoplpush,
    ..LIST_COMMAND
};

fn rpoplpush(context: &mut Context<'_>) -> CommandResult {
    if !move_element(context, End::Tail, End::Head)? {
        context.reply.null();
    }
    Ok(())
}

/// LMPOP
pub static LMPOP: CommandSpec = CommandSpec {
    name: "lmpop",
    arity: -4,
    flags: Flags::WRITE,
    keys: &[KeySpec {
        flags: KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE),
        begin: Begin::Index(1),
        find: Find::KeyNum { count: 0, first: 1, step: 1 },
    }],
    since: "7.0.0",
    complexity: "O(N+M), N being the number of keys, M the elements returned",
    summary: "Takes elements off an end of the first of several lists that exists.",
    syntax: "numkeys key [key ...] <LEFT|RIGHT> [COUNT count]",
    handler: lmpop,
    ..LIST_COMMAND
};

fn lmpop(context: &mut Context<'_>) -> CommandResult {
    let args = MpopArgs::parse(context.argv, 1)?;
    for index in args.keys.clone() {
        if pop_with_key(context, index, &args)? {
            return Ok(());
        }
    }
    context.reply.null_array();
    Ok(())
}

/// Moves an element between the lists at the first two arguments and replies with it. False, and no reply, if there is
/// no list to take it from.
pub(super) fn move_element(context: &mut Context<'_>, from: End, to: End) -> Result<bool, CommandError> {
    let (db, source, destination) = (context.db(), context.key(1), context.key(2));
    let reply = &mut context.reply;
    let moved = list::move_element(&mut context.txn, db, (source, from), (destination, to), |element| {
        write_str(reply, element);
    })?;
    Ok(moved.is_some())
}

/// Takes elements off the list at an argument and replies with its key and them. False, and no reply, if there is none.
pub(super) fn pop_with_key(context: &mut Context<'_>, index: usize, args: &MpopArgs) -> Result<bool, CommandError> {
    let (db, key) = (context.db(), context.key(index));
    let reply = &mut context.reply;
    let popped = list::pop_many(&mut context.txn, db, key, args.end, args.count, |elements| {
        let count = elements.len();
        reply.array(2);
        reply.bulk(key.bytes());
        write_elements(reply, elements);
        count
    })?;
    if let Some(count) = popped {
        context.propagate_as(&[pop_name(args.end), key.bytes(), itoa::Buffer::new().format(count).as_bytes()]);
    }
    Ok(popped.is_some())
}

/// The plain command that takes elements off an end.
pub(super) fn pop_name(end: End) -> &'static [u8] {
    match end {
        End::Head => b"LPOP",
        End::Tail => b"RPOP",
    }
}

/// `numkeys key [key ...] <LEFT|RIGHT> [COUNT count]`
#[derive(Debug, PartialEq)]
pub(super) struct MpopArgs {
    /// Indexes of the arguments that are keys.
    pub(super) keys: std::ops::Range<usize>,
    pub(super) end: End,
    pub(super) count: usize,
}

impl MpopArgs {
    /// Reads the arguments from `from` on.
    pub(super) fn parse(argv: Argv<'_>, from: usize) -> Result<MpopArgs, CommandError> {
        let mut cursor = argv.cursor(from);
        let keys = cursor.int_in(1, i64::MAX, error::NUMKEYS_NOT_POSITIVE)? as usize;
        let first = cursor.position();
        let last = first.checked_add(keys).filter(|end| *end < argv.len()).ok_or(error::SYNTAX)?;
        let mut cursor = argv.cursor(last);
        let end = parse_end(&mut cursor)?;
        let mut count = None;
        while !cursor.is_done() {
            if count.is_some() || !cursor.token("count") || cursor.is_done() {
                return Err(error::SYNTAX);
            }
            count = Some(cursor.int_in(1, i64::MAX, error::COUNT_NOT_POSITIVE)? as usize);
        }
        Ok(MpopArgs { keys: first..last, end, count: count.unwrap_or(1) })
    }
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&LMOVE, &RPOPLPUSH, &LMPOP];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    // Replies of Redis 7.0.15 and Valkey 9.1.2.
    #[test]
    fn arguments_of_lmpop() {
        let parse =
            |line: &str| with_argv(line, |argv| MpopArgs::parse(argv, 1).map_err(|error| error.text().into_owned()));
        let args = |keys, end, count| Ok(MpopArgs { keys, end, count });
        assert_eq!(parse("lmpop 1 a left"), args(2..3, End::Head, 1));
        assert_eq!(parse("lmpop 2 a b Right Count 9223372036854775807"), args(2..4, End::Tail, i64::MAX as usize));
        for (line, text) in [
            ("lmpop 0 a left", "ERR numkeys should be greater than 0"),
            ("lmpop x a left", "ERR numkeys should be greater than 0"),
            ("lmpop 9223372036854775807 a left", "ERR syntax error"),
            ("lmpop 2 a left", "ERR syntax error"),
            ("lmpop 1 a up", "ERR syntax error"),
            ("lmpop 1 a left count", "ERR syntax error"),
            ("lmpop 1 a left count 0", "ERR count should be greater than 0"),
            ("lmpop 1 a left count 1 count 2", "ERR syntax error"),
            ("lmpop 1 a left foo 1", "ERR syntax error"),
        ] {
            assert_eq!(parse(line), Err(text.to_owned()), "{line}");
        }
    }
}
