//! Deadlines of keys.

use crate::args::{Argv, parse_int};
use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_store::keyspace::{self, ExpireCondition, ExpireOutcome};

const SECOND_MS: i64 = 1000;

const EXPIRE_COMMAND: CommandSpec = CommandSpec {
    flags: Flags::WRITE.with(Flags::FAST),
    acl: AclCategories::KEYSPACE,
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))],
    lock: LockClass::Keys,
    group: Group::Generic,
    ..CommandSpec::BASE
};

/// EXPIRE
pub static EXPIRE: CommandSpec = CommandSpec {
    name: "expire",
    arity: -3,
    summary: "Makes a key expire after some seconds.",
    syntax: "key seconds [NX|XX|GT|LT]",
    changed_in: &["7.0.0"],
    handler: expire,
    ..EXPIRE_COMMAND
};

fn expire(context: &mut Context<'_>) -> CommandResult {
    set_deadline(context, context.now_ms(), SECOND_MS)
}

/// PEXPIRE
pub static PEXPIRE: CommandSpec = CommandSpec {
    name: "pexpire",
    arity: -3,
    since: "2.6.0",
    summary: "Makes a key expire after some milliseconds.",
    syntax: "key milliseconds [NX|XX|GT|LT]",
    changed_in: &["7.0.0"],
    handler: pexpire,
    ..EXPIRE_COMMAND
};

fn pexpire(context: &mut Context<'_>) -> CommandResult {
    set_deadline(context, context.now_ms(), 1)
}

/// EXPIREAT
pub static EXPIREAT: CommandSpec = CommandSpec {
    name: "expireat",
    arity: -3,
    since: "1.2.0",
    summary: "Makes a key expire at a time in Unix seconds.",
    syntax: "key unix-time-seconds [NX|XX|GT|LT]",
    changed_in: &["7.0.0"],
    handler: expireat,
    ..EXPIRE_COMMAND
};

fn expireat(context: &mut Context<'_>) -> CommandResult {
    set_deadline(context, 0, SECOND_MS)
}

/// PEXPIREAT
pub static PEXPIREAT: CommandSpec = CommandSpec {
    name: "pexpireat",
    arity: -3,
    since: "2.6.0",
    summary: "Makes a key expire at a time in Unix milliseconds.",
    syntax: "key unix-time-milliseconds [NX|XX|GT|LT]",
    changed_in: &["7.0.0"],
    handler: pexpireat,
    ..EXPIRE_COMMAND
};

fn pexpireat(context: &mut Context<'_>) -> CommandResult {
    set_deadline(context, 0, 1)
}

/// TTL
pub static TTL: CommandSpec = CommandSpec {
    name: "ttl",
    arity: 2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    summary: "Tells how many seconds a key has left.",
    syntax: "key",
    tips: &["nondeterministic_output"],
    changed_in: &["2.8.0"],
    handler: ttl,
    ..EXPIRE_COMMAND
};

fn ttl(context: &mut Context<'_>) -> CommandResult {
    tell_deadline(context, |deadline, now_ms| rounded_seconds(left(deadline, now_ms)))
}

/// PTTL
pub static PTTL: CommandSpec = CommandSpec {
    name: "pttl",
    arity: 2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    since: "2.6.0",
    summary: "Tells how many milliseconds a key has left.",
    syntax: "key",
    tips: &["nondeterministic_output"],
    changed_in: &["2.8.0"],
    handler: pttl,
    ..EXPIRE_COMMAND
};

fn pttl(context: &mut Context<'_>) -> CommandResult {
    tell_deadline(context, left)
}

/// EXPIRETIME
pub static EXPIRETIME: CommandSpec = CommandSpec {
    name: "expiretime",
    arity: 2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    since: "7.0.0",
    summary: "Tells when a key expires, in Unix seconds.",
    syntax: "key",
    handler: expiretime,
    ..EXPIRE_COMMAND
};

fn expiretime(context: &mut Context<'_>) -> CommandResult {
    tell_deadline(context, |deadline, _| rounded_seconds(deadline.max(0)))
}

/// PEXPIRETIME
pub static PEXPIRETIME: CommandSpec = CommandSpec {
    name: "pexpiretime",
    arity: 2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    since: "7.0.0",
    summary: "Tells when a key expires, in Unix milliseconds.",
    syntax: "key",
    handler: pexpiretime,
    ..EXPIRE_COMMAND
};

fn pexpiretime(context: &mut Context<'_>) -> CommandResult {
    tell_deadline(context, |deadline, _| deadline.max(0))
}

/// PERSIST
pub static PERSIST: CommandSpec = CommandSpec {
    name: "persist",
    arity: 2,
    since: "2.2.0",
    summary: "Removes the deadline of a key.",
    syntax: "key",
    handler: persist,
    ..EXPIRE_COMMAND
};

fn persist(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let persisted = keyspace::persist(&mut context.txn, db, key)?;
    context.reply.int(i64::from(persisted));
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] =
    &[&EXPIRE, &PEXPIRE, &EXPIREAT, &PEXPIREAT, &TTL, &PTTL, &EXPIRETIME, &PEXPIRETIME, &PERSIST];

fn set_deadline(context: &mut Context<'_>, base_ms: i64, unit_ms: i64) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let condition = parse_condition(context.argv)?;
    let number = parse_int(context.argv.at(2)).ok_or(error::NOT_INTEGER)?;
    let at_ms = number.checked_mul(unit_ms).and_then(|ms| ms.checked_add(base_ms));
    let at_ms = at_ms.ok_or_else(|| error::invalid_expire(context.command.spec.name))?;
    let outcome = keyspace::expire_at_ms(&mut context.txn, db, key, at_ms, condition)?;
    match outcome {
        ExpireOutcome::Set if context.propagates() => {
            context.propagate_with(&[(0, b"PEXPIREAT"), (2, at_ms.to_string().as_bytes())]);
        }
        ExpireOutcome::Deleted if context.propagates() => {
            let lazily = context.server.config().lazyfree_lazy_expire;
            context.propagate_deletion(key.bytes(), lazily);
        }
        _ => {}
    }
    let done = matches!(outcome, ExpireOutcome::Set | ExpireOutcome::Deleted);
    context.reply.int(i64::from(done));
    Ok(())
}

/// Replies -2 where there is no key, -1 where it has no deadline, else what `tell` makes of the deadline and the time.
fn tell_deadline(context: &mut Context<'_>, tell: fn(i64, i64) -> i64) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let now_ms = context.now_ms();
    let deadline = keyspace::deadline(&mut context.txn, db, key)?;
    context.reply.int(match deadline {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline)) => tell(deadline, now_ms),
    });
    Ok(())
}

fn left(deadline: i64, now_ms: i64) -> i64 {
    deadline.saturating_sub(now_ms).max(0)
}

/// Seconds, half of one counting as a whole.
fn rounded_seconds(ms: i64) -> i64 {
    ms / SECOND_MS + i64::from(ms % SECOND_MS >= SECOND_MS / 2)
}

/// `[NX|XX|GT|LT]` from argument 3 on, of which XX goes with GT and LT.
///
/// # Errors
/// An option that does not exist, or two that exclude each other.
pub(super) fn parse_condition(argv: Argv<'_>) -> Result<ExpireCondition, CommandError> {
    let mut cursor = argv.cursor(3);
    let mut condition = ExpireCondition::default();
    while let Some(option) = cursor.peek() {
        if cursor.token("NX") {
            condition.nx = true;
        } else if cursor.token("XX") {
            condition.xx = true;
        } else if cursor.token("GT") {
            condition.gt = true;
        } else if cursor.token("LT") {
            condition.lt = true;
        } else {
            return Err(error::unsupported_option(option));
        }
    }
    if condition.nx && (condition.xx || condition.gt || condition.lt) {
        return Err(error::EXPIRE_NX);
    }
    if condition.gt && condition.lt {
        return Err(error::EXPIRE_GT_LT);
    }
    Ok(condition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    // Replies of Redis 7.0.15 and Valkey 9.1.2.
    #[test]
    fn conditions() {
        let parse =
            |line: &str| with_argv(line, |argv| parse_condition(argv).map_err(|error| error.text().into_owned()));
        assert_eq!(parse("expire k 1"), Ok(ExpireCondition::default()));
        assert_eq!(parse("expire k 1 Nx"), Ok(ExpireCondition { nx: true, ..Default::default() }));
        assert_eq!(parse("expire k 1 lt xx"), Ok(ExpireCondition { xx: true, lt: true, ..Default::default() }));
        let nx = "ERR NX and XX, GT or LT options at the same time are not compatible";
        for (line, text) in [
            ("expire k 1 foo", "ERR Unsupported option foo"),
            ("expire k 1 nx xx", nx),
            ("expire k 1 gt nx lt", nx),
            ("expire k 1 gt lt", "ERR GT and LT options at the same time are not compatible"),
        ] {
            assert_eq!(parse(line), Err(text.to_owned()), "{line}");
        }
    }

    // Replies of Redis 7.0.15 to EXPIRETIME after PEXPIREAT.
    #[test]
    fn seconds_are_rounded_to_the_nearest() {
        for (ms, seconds) in [(0, 0), (499, 0), (500, 1), (1499, 1), (1500, 2), (i64::MAX, 9_223_372_036_854_776)] {
            assert_eq!(rounded_seconds(ms), seconds, "{ms}");
        }
    }
}
