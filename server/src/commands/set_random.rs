//! Members of a set chosen at random: SPOP, SRANDMEMBER.

use super::set::SET_COMMAND;
use super::string::{str_bytes, write_str};
use crate::command::{CommandSpec, Flags, KeyFlags, KeySpec};
use crate::context::Context;
use crate::error::{self, CommandResult};
use crate::propagation::Rewrite;
use ochre_store::{keyspace, set};

/// SPOP
pub static SPOP: CommandSpec = CommandSpec {
    name: "spop",
    arity: -2,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE))],
    complexity: "O(N), N being the number of members asked for",
    summary: "Removes random members from a set and returns them.",
    syntax: "key [count]",
    tips: &["nondeterministic_output"],
    changed_in: &["3.2.0"],
    handler: spop,
    ..SET_COMMAND
};

fn spop(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    match context.argv.len() {
        2 => {
            let reply = &mut context.reply;
            let mut rewrite = Rewrite::of(context.client, context.server);
            let popped = set::pop(&mut context.txn, db, key, |member| {
                write_str(reply, member);
                if let Some(rewrite) = &mut rewrite {
                    rewrite.with([b"SREM".as_slice(), key.bytes(), &str_bytes(&member)]);
                }
            })?;
            if popped.is_none() {
                reply.null();
            }
        }
        3 => {
            let count = context.argv.cursor(2).int_in(0, i64::MAX, error::NOT_POSITIVE)? as usize;
            let reply = &mut context.reply;
            let mut rewrite = Rewrite::of(context.client, context.server);
            let start = reply.position();
            let list = reply.deferred_set();
            let popped = set::pop_many(&mut context.txn, db, key, count, |member| {
                write_str(reply, member);
                if let Some(rewrite) = &mut rewrite {
                    rewrite.with([b"SREM".as_slice(), key.bytes(), &str_bytes(&member)]);
                }
            });
            match popped {
                Ok(popped) => {
                    reply.set_len(list, popped);
                    if popped > 0 && context.propagates() && keyspace::peek_type(&mut context.txn, db, key)?.is_none() {
                        Rewrite::of(context.client, context.server).into_iter().for_each(Rewrite::clear);
                        context.propagate_deletion(key.bytes(), false);
                    }
                }
                Err(error) => {
                    reply.rewind(start);
                    return Err(error.into());
                }
            }
        }
        _ => return Err(error::SYNTAX),
    }
    Ok(())
}

/// SRANDMEMBER
pub static SRANDMEMBER: CommandSpec = CommandSpec {
    name: "srandmember",
    arity: -2,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    complexity: "O(N), N being the absolute value of the count",
    summary: "Returns random members of a set; with a negative count, the same one may come several times.",
    syntax: "key [count]",
    tips: &["nondeterministic_output"],
    changed_in: &["2.6.0"],
    handler: srandmember,
    ..SET_COMMAND
};

fn srandmember(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let count = match context.argv.len() {
        2 => None,
        3 => Some(Count::new(context.argv.cursor(2).int()?)?),
        _ => return Err(error::SYNTAX),
    };
    let most = context.reply_max_bytes();
    let found = set::get_to_sample(&mut context.txn, db, key)?;
    let reply = &mut context.reply;
    match (found, count) {
        (None, None) => reply.null(),
        (None, Some(_)) => reply.array(0),
        (Some((set, random)), None) => match set.random(random) {
            Some(member) => write_str(reply, member),
            None => reply.null(),
        },
        (Some((set, random)), Some(Count::Distinct(count))) => {
            reply.array(count.min(set.len()));
            set.random_distinct(count, random, |member| write_str(reply, member));
        }
        (Some((set, random)), Some(Count::Repeated(count))) => {
            // The count can be anything: who asks for more than a client may be sent is cut off for it, not served.
            reply.array(count);
            let mut shown = 0;
            set.random_repeated(count, random, |member| {
                write_str(reply, member);
                shown += 1;
                reply.position() <= most
            });
            if shown < count {
                reply.hand_over();
            }
        }
    }
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&SPOP, &SRANDMEMBER];

/// How many members SRANDMEMBER returns.
enum Count {
    /// So many different ones.
    Distinct(usize),
    /// So many, of which some may be the same.
    Repeated(usize),
}

impl Count {
    fn new(number: i64) -> Result<Count, error::CommandError> {
        match number {
            i64::MIN => Err(error::NO_NEGATIVE),
            0.. => Ok(Count::Distinct(number as usize)),
            _ => Ok(Count::Repeated(number.unsigned_abs() as usize)),
        }
    }
}
