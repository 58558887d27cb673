//! What lies between the ends of lists: ranges, indexes, searches.

use super::list::{LIST_COMMAND, write_elements};
use super::string::write_str;
use crate::args::{Argv, parse_int};
use crate::command::{CommandSpec, Flags, KeyFlags, KeySpec};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_store::list::{self, End, Inserted, Search, Side};

/// LRANGE
pub static LRANGE: CommandSpec = CommandSpec {
    name: "lrange",
    arity: 4,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    complexity: "O(S+N), S being the distance of the first element from the nearer end, N the elements returned",
    summary: "Returns the elements of a list from one index to another.",
    syntax: "key start stop",
    handler: lrange,
    ..LIST_COMMAND
};

fn lrange(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let mut cursor = context.argv.cursor(2);
    let (start, stop) = (cursor.int()?, cursor.int()?);
    let elements = list::range(&mut context.txn, db, key, start, stop)?;
    write_elements(&mut context.reply, elements);
    Ok(())
}

/// LINDEX
pub static LINDEX: CommandSpec = CommandSpec {
    name: "lindex",
    arity: 3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    complexity: "O(N), N being the distance of the element from the nearer end",
    summary: "Returns the element at an index of a list.",
    syntax: "key index",
    handler: lindex,
    ..LIST_COMMAND
};

fn lindex(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let Some(index) = parse_int(context.argv.at(2)) else {
        // A missing key and a wrong type go before a wrong index.
        if list::len(&mut context.txn, db, key)? > 0 {
            return Err(error::NOT_INTEGER);
        }
        context.reply.null();
        return Ok(());
    };
    let reply = &mut context.reply;
    if list::get(&mut context.txn, db, key, index, |element| write_str(reply, element))?.is_none() {
        reply.null();
    }
    Ok(())
}

/// LSET
pub static LSET: CommandSpec = CommandSpec {
    name: "lset",
    arity: 4,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))],
    complexity: "O(N), N being the distance of the element from the nearer end",
    summary: "Gives the element at an index of a list another value.",
    syntax: "key index element",
    handler: lset,
    ..LIST_COMMAND
};

fn lset(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let Some(index) = parse_int(context.argv.at(2)) else {
        // A missing key and a wrong type go before a wrong index.
        let is_list = list::is_list(&mut context.txn, db, key)?;
        return Err(if is_list { error::NOT_INTEGER } else { error::NO_SUCH_KEY });
    };
    list::set(&mut context.txn, db, key, index, context.argv.at(3))?;
    context.reply.ok();
    Ok(())
}

/// LINSERT
pub static LINSERT: CommandSpec = CommandSpec {
    name: "linsert",
    arity: 5,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::INSERT))],
    since: "2.2.0",
    complexity: "O(N), N being the elements before the pivot",
    summary: "Adds an element to a list beside the first one of a given value.",
    syntax: "key <BEFORE|AFTER> pivot element",
    handler: linsert,
    ..LIST_COMMAND
};

fn linsert(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let side = context.argv.cursor(2).one_of(&[("before", Side::Before), ("after", Side::After)]);
    let side = side.ok_or(error::SYNTAX)?;
    let inserted = list::insert(&mut context.txn, db, key, side, context.argv.at(3), context.argv.at(4))?;
    context.reply.int(match inserted {
        Inserted::Done(len) => len as i64,
        Inserted::NoPivot => -1,
        Inserted::NoKey => 0,
    });
    Ok(())
}

/// LTRIM
pub static LTRIM: CommandSpec = CommandSpec {
    name: "ltrim",
    arity: 4,
    flags: Flags::WRITE,
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::DELETE))],
    complexity: "O(N), N being the elements removed",
    summary: "Removes all elements of a list but those from one index to another.",
    syntax: "key start stop",
    handler: ltrim,
    ..LIST_COMMAND
};

fn ltrim(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let mut cursor = context.argv.cursor(2);
    let (start, stop) = (cursor.int()?, cursor.int()?);
    let touches = context.server.config().compatibility_level.trims_touch_lists();
    list::trim(&mut context.txn, db, key, start, stop, touches)?;
    context.reply.ok();
    Ok(())
}

/// LREM
pub static LREM: CommandSpec = CommandSpec {
    name: "lrem",
    arity: 4,
    flags: Flags::WRITE,
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::DELETE))],
    complexity: "O(N+M), N being the length of the list, M the elements removed",
    summary: "Removes elements of a given value from a list, beginning at either end.",
    syntax: "key count element",
    handler: lrem,
    ..LIST_COMMAND
};

fn lrem(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let count = int_with_negative(context.argv.at(2))?;
    let (limit, from) = match count {
        0 => (usize::MAX, End::Head),
        1.. => (count as usize, End::Head),
        _ => (count.unsigned_abs() as usize, End::Tail),
    };
    let removed = list::remove(&mut context.txn, db, key, context.argv.at(3), limit, from)?;
    context.reply.int(removed as i64);
    Ok(())
}

/// LPOS
pub static LPOS: CommandSpec = CommandSpec {
    name: "lpos",
    arity: -3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    since: "6.0.6",
    complexity: "O(N), N being the elements looked at",
    summary: "Returns the indexes of elements of a given value in a list.",
    syntax: "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
    handler: lpos,
    ..LIST_COMMAND
};

fn lpos(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let args = LposArgs::parse(context.argv)?;
    let (txn, reply, element) = (&mut context.txn, &mut context.reply, context.argv.at(2));
    let Some(count_max) = args.count else {
        let mut position = None;
        list::positions(txn, db, key, element, args.search, |index| {
            position = Some(index);
            false
        })?;
        match position {
            Some(index) => reply.int(index as i64),
            None => reply.null(),
        }
        return Ok(());
    };
    let (start, array) = (reply.position(), reply.deferred_array());
    let mut count = 0;
    let done = list::positions(txn, db, key, element, args.search, |index| {
        reply.int(index as i64);
        count += 1;
        count != count_max
    });
    match done {
        Ok(()) => reply.set_len(array, count),
        Err(_) => reply.rewind(start),
    }
    Ok(done?)
}

#[derive(Debug, PartialEq)]
struct LposArgs {
    search: Search,
    /// How many indexes are wanted, as an array: 0 for all. Without, it is one, by itself.
    count: Option<usize>,
}

impl LposArgs {
    fn parse(argv: Argv<'_>) -> Result<LposArgs, CommandError> {
        let mut args = LposArgs { search: Search { from: End::Head, skip: 0, look_max: u64::MAX }, count: None };
        let mut cursor = argv.cursor(3);
        while !cursor.is_done() {
            let option = [("rank", Lpos::Rank), ("count", Lpos::Count), ("maxlen", Lpos::MaxLen)];
            let option = cursor.one_of(&option).filter(|_| !cursor.is_done()).ok_or(error::SYNTAX)?;
            match option {
                Lpos::Rank => {
                    let rank = int_with_negative(cursor.bytes()?)?;
                    if rank == 0 {
                        return Err(error::LPOS_RANK_ZERO);
                    }
                    args.search.from = if rank > 0 { End::Head } else { End::Tail };
                    args.search.skip = rank.unsigned_abs() - 1;
                }
                Lpos::Count => args.count = Some(cursor.int_in(0, i64::MAX, error::LPOS_COUNT_NEGATIVE)? as usize),
                Lpos::MaxLen => {
                    let max = cursor.int_in(0, i64::MAX, error::LPOS_MAXLEN_NEGATIVE)? as u64;
                    args.search.look_max = if max == 0 { u64::MAX } else { max };
                }
            }
        }
        Ok(args)
    }
}

#[derive(Clone, Copy)]
enum Lpos {
    Rank,
    Count,
    MaxLen,
}

/// An integer that has a negative.
fn int_with_negative(text: &[u8]) -> Result<i64, CommandError> {
    match parse_int(text).ok_or(error::NOT_INTEGER)? {
        i64::MIN => Err(error::NO_NEGATIVE),
        number => Ok(number),
    }
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&LRANGE, &LINDEX, &LSET, &LINSERT, &LTRIM, &LREM, &LPOS];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    // Replies of Redis 7.0.15 and Valkey 9.1.2.
    #[test]
    fn options_of_lpos() {
        let parse =
            |line: &str| with_argv(line, |argv| LposArgs::parse(argv).map_err(|error| error.text().into_owned()));
        let args = |from, skip, look_max, count| Ok(LposArgs { search: Search { from, skip, look_max }, count });
        assert_eq!(parse("lpos k e"), args(End::Head, 0, u64::MAX, None));
        assert_eq!(parse("lpos k e rank 2 maxlen 0 count 0"), args(End::Head, 1, u64::MAX, Some(0)));
        assert_eq!(parse("lpos k e Rank -3 MaxLen 7 Rank -1"), args(End::Tail, 0, 7, None));
        for (line, text) in [
            ("lpos k e rank", "ERR syntax error"),
            ("lpos k e foo 1", "ERR syntax error"),
            ("lpos k e rank x", "ERR value is not an integer or out of range"),
            ("lpos k e count x", "ERR COUNT can't be negative"),
            ("lpos k e count -1", "ERR COUNT can't be negative"),
            ("lpos k e maxlen -1", "ERR MAXLEN can't be negative"),
        ] {
            assert_eq!(parse(line), Err(text.to_owned()), "{line}");
        }
    }
}
