//! Keys, whatever they hold.

use crate::args::{Argv, parse_int};
use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_store::keyspace;
use ochre_store::{Error, Key, Txn, Type};

const GENERIC_COMMAND: CommandSpec =
    CommandSpec { acl: AclCategories::KEYSPACE, lock: LockClass::Keys, group: Group::Generic, ..CommandSpec::BASE };

/// DEL
pub static DEL: CommandSpec = CommandSpec {
    name: "del",
    arity: -2,
    flags: Flags::WRITE,
    keys: &[KeySpec::rest(1, 1, KeyFlags::RM.with(KeyFlags::DELETE))],
    complexity: "O(N), N being the number of keys",
    summary: "Deletes keys and returns how many existed.",
    syntax: "key [key ...]",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    handler: del,
    ..GENERIC_COMMAND
};

fn del(context: &mut Context<'_>) -> CommandResult {
    let lazy = context.server.config().lazyfree_lazy_user_del;
    count_keys(context, if lazy { keyspace::unlink } else { keyspace::delete })
}

/// UNLINK
pub static UNLINK: CommandSpec = CommandSpec {
    name: "unlink",
    arity: -2,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[KeySpec::rest(1, 1, KeyFlags::RM.with(KeyFlags::DELETE))],
    since: "4.0.0",
    complexity: "O(N), N being the number of keys; values are freed in the background",
    summary: "Deletes keys without waiting for their memory to be freed.",
    syntax: "key [key ...]",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    handler: unlink,
    ..GENERIC_COMMAND
};

fn unlink(context: &mut Context<'_>) -> CommandResult {
    count_keys(context, keyspace::unlink)
}

/// EXISTS
pub static EXISTS: CommandSpec = CommandSpec {
    name: "exists",
    arity: -2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: &[KeySpec::rest(1, 1, KeyFlags::RO)],
    complexity: "O(N), N being the number of keys",
    summary: "Counts which of the keys exist; a key given twice counts twice.",
    syntax: "key [key ...]",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    changed_in: &["3.0.3"],
    handler: exists,
    ..GENERIC_COMMAND
};

fn exists(context: &mut Context<'_>) -> CommandResult {
    count_keys(context, keyspace::exists)
}

/// TOUCH
pub static TOUCH: CommandSpec = CommandSpec {
    name: "touch",
    arity: -2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: &[KeySpec::rest(1, 1, KeyFlags::RO)],
    since: "3.2.1",
    complexity: "O(N), N being the number of keys",
    summary: "Marks keys as used and returns how many exist.",
    syntax: "key [key ...]",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    handler: touch,
    ..GENERIC_COMMAND
};

fn touch(context: &mut Context<'_>) -> CommandResult {
    count_keys(context, keyspace::touch)
}

/// TYPE
pub static TYPE: CommandSpec = CommandSpec {
    name: "type",
    arity: 2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    summary: "Tells the type of the value at a key.",
    syntax: "key",
    handler: type_,
    ..GENERIC_COMMAND
};

fn type_(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let kind = keyspace::type_of(&mut context.txn, db, key)?;
    context.reply.simple(kind.map_or("none", type_name));
    Ok(())
}

/// RENAME
pub static RENAME: CommandSpec = CommandSpec {
    name: "rename",
    arity: 3,
    flags: Flags::WRITE,
    keys: &[
        KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE)),
        KeySpec::one(2, KeyFlags::OW.with(KeyFlags::UPDATE)),
    ],
    summary: "Gives a key another name, replacing what bears it.",
    syntax: "key newkey",
    handler: rename,
    ..GENERIC_COMMAND
};

fn rename(context: &mut Context<'_>) -> CommandResult {
    let (db, from, to) = (context.db(), context.key(1), context.key(2));
    keyspace::rename(&mut context.txn, db, from, to, false)?;
    context.reply.ok();
    Ok(())
}

/// RENAMENX
pub static RENAMENX: CommandSpec = CommandSpec {
    name: "renamenx",
    arity: 3,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[
        KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE)),
        KeySpec::one(2, KeyFlags::OW.with(KeyFlags::INSERT)),
    ],
    summary: "Gives a key another name, if nothing bears it.",
    syntax: "key newkey",
    changed_in: &["3.2.0"],
    handler: renamenx,
    ..GENERIC_COMMAND
};

fn renamenx(context: &mut Context<'_>) -> CommandResult {
    let (db, from, to) = (context.db(), context.key(1), context.key(2));
    let renamed = keyspace::rename(&mut context.txn, db, from, to, true)?;
    context.reply.int(i64::from(renamed));
    Ok(())
}

/// COPY
pub static COPY: CommandSpec = CommandSpec {
    name: "copy",
    arity: -3,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS)), KeySpec::one(2, KeyFlags::OW.with(KeyFlags::UPDATE))],
    since: "6.2.0",
    complexity: "O(1) for strings; O(N) for a value of N elements",
    summary: "Copies a value to another key, of this or another database.",
    syntax: "source destination [DB destination-db] [REPLACE]",
    databases: Some(copy_databases),
    handler: copy,
    ..GENERIC_COMMAND
};

fn copy(context: &mut Context<'_>) -> CommandResult {
    let (from, to) = (context.key(1), context.key(2));
    let args = CopyArgs::parse(context.argv, context.db(), context.server.store.databases())?;
    let db = context.db();
    let copied = keyspace::copy(&mut context.txn, db, from, to, args.db, args.replace)?;
    context.reply.int(i64::from(copied));
    Ok(())
}

/// MOVE
pub static MOVE: CommandSpec = CommandSpec {
    name: "move",
    arity: 3,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))],
    summary: "Takes a key over to another database.",
    syntax: "key db",
    databases: Some(|_, found| found(2)),
    handler: move_,
    ..GENERIC_COMMAND
};

fn move_(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let target = parse_db(context.argv.at(2), context.server.store.databases())?;
    let moved = keyspace::move_key(&mut context.txn, db, key, target)?;
    context.reply.int(i64::from(moved));
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&DEL, &UNLINK, &EXISTS, &TOUCH, &TYPE, &RENAME, &RENAMENX, &COPY, &MOVE];

/// The name of a type on the wire.
pub(crate) fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::String => "string",
        Type::List => "list",
        Type::Set => "set",
        Type::SortedSet => "zset",
        Type::Hash => "hash",
        Type::Stream => "stream",
    }
}

type KeyOperation = for<'t, 'k> fn(&mut Txn<'t>, usize, Key<'k>) -> Result<bool, Error>;

/// Applies `operation` to all arguments and replies with how many times it said yes.
fn count_keys(context: &mut Context<'_>, operation: KeyOperation) -> CommandResult {
    let db = context.db();
    let mut count = 0;
    for index in 1..context.argv.len() {
        let key = context.key(index);
        count += i64::from(operation(&mut context.txn, db, key)?);
    }
    context.reply.int(count);
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CopyArgs {
    db: usize,
    replace: bool,
}

impl CopyArgs {
    /// The options of `COPY source destination …`, to database `db` unless they tell another.
    fn parse(argv: Argv<'_>, db: usize, databases: usize) -> Result<CopyArgs, CommandError> {
        let mut cursor = argv.cursor(3);
        let mut args = CopyArgs { db, replace: false };
        while !cursor.is_done() {
            if cursor.token("REPLACE") {
                args.replace = true;
            } else if cursor.token("DB") {
                args.db = parse_db(cursor.bytes()?, databases)?;
            } else {
                return Err(error::SYNTAX);
            }
        }
        Ok(args)
    }
}

/// The databases that COPY names.
fn copy_databases(argv: Argv<'_>, found: &mut dyn FnMut(usize)) {
    let is_db = |index: &usize| argv.at(index - 1).eq_ignore_ascii_case(b"db");
    (4..argv.len()).filter(is_db).for_each(found);
}

/// The number of a database, as MOVE and COPY read it.
fn parse_db(text: &[u8], databases: usize) -> Result<usize, CommandError> {
    let number = parse_int(text).ok_or(error::NOT_INTEGER)?;
    let number = i32::try_from(number).map_err(|_| error::NOT_INT32)?;
    usize::try_from(number).ok().filter(|db| *db < databases).ok_or(error::DB_OUT_OF_RANGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    // Replies of Redis 7.0.15 and Valkey 9.1.2.
    #[test]
    fn copy_options() {
        let copy = |line: &str| {
            with_argv(line, |argv| CopyArgs::parse(argv, 3, 16).map_err(|error| error.text().into_owned()))
        };
        assert_eq!(copy("copy a b"), Ok(CopyArgs { db: 3, replace: false }));
        assert_eq!(copy("copy a b replace dB 15"), Ok(CopyArgs { db: 15, replace: true }));
        assert_eq!(copy("copy a b db 1 db 2"), Ok(CopyArgs { db: 2, replace: false }));
        let range = "ERR value is out of range, value must between -2147483648 and 2147483647";
        for (line, text) in [
            ("copy a b foo", "ERR syntax error"),
            ("copy a b db", "ERR syntax error"),
            ("copy a b db x", "ERR value is not an integer or out of range"),
            ("copy a b db 16", "ERR DB index is out of range"),
            ("copy a b db -1", "ERR DB index is out of range"),
            ("copy a b db 4294967296", range),
        ] {
            assert_eq!(copy(line), Err(text.to_owned()), "{line}");
        }
    }
}
