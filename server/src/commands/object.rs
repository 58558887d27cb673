//! OBJECT: how values are stored.

use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::commands::help::help;
use crate::context::Context;
use crate::error::{self, CommandResult};
use ochre_store::Encoding;
use ochre_store::keyspace::{self, ObjectInfo};

const OBJECT_COMMAND: CommandSpec = CommandSpec {
    flags: Flags::READONLY,
    acl: AclCategories::KEYSPACE,
    keys: &[KeySpec::one(2, KeyFlags::RO)],
    lock: LockClass::Keys,
    since: "2.2.3",
    group: Group::Generic,
    tips: &["nondeterministic_output"],
    ..CommandSpec::BASE
};

/// OBJECT
pub static OBJECT: CommandSpec = CommandSpec {
    name: "object",
    arity: -2,
    flags: Flags::NONE,
    acl: AclCategories::NONE,
    keys: &[],
    lock: LockClass::None,
    complexity: "That of the subcommand",
    summary: "Inspects how values are stored.",
    tips: &[],
    subcommands: &[&OBJECT_ENCODING, &OBJECT_FREQ, &OBJECT_HELP, &OBJECT_IDLETIME, &OBJECT_REFCOUNT],
    ..OBJECT_COMMAND
};

/// OBJECT ENCODING
pub static OBJECT_ENCODING: CommandSpec = CommandSpec {
    name: "encoding",
    arity: 3,
    summary: "Names the internal representation of a value.",
    syntax: "key",
    handler: encoding,
    ..OBJECT_COMMAND
};

fn encoding(context: &mut Context<'_>) -> CommandResult {
    inspect(context, |context, info| {
        context.reply.bulk(encoding_name(info.encoding));
        Ok(())
    })
}

/// OBJECT FREQ
pub static OBJECT_FREQ: CommandSpec = CommandSpec {
    name: "freq",
    arity: 3,
    since: "4.0.0",
    summary: "Tells how often a key is used, as a logarithmic counter.",
    syntax: "key",
    handler: freq,
    ..OBJECT_COMMAND
};

fn freq(context: &mut Context<'_>) -> CommandResult {
    inspect(context, |context, info| {
        if !context.txn.settings().policy().is_lfu() {
            return Err(error::FREQUENCY_NOT_TRACKED);
        }
        context.reply.int(i64::from(info.frequency));
        Ok(())
    })
}

/// OBJECT IDLETIME
pub static OBJECT_IDLETIME: CommandSpec = CommandSpec {
    name: "idletime",
    arity: 3,
    summary: "Tells how many seconds ago a key was used last.",
    syntax: "key",
    handler: idletime,
    ..OBJECT_COMMAND
};

fn idletime(context: &mut Context<'_>) -> CommandResult {
    inspect(context, |context, info| {
        if context.txn.settings().policy().is_lfu() {
            return Err(error::IDLE_TIME_NOT_TRACKED);
        }
        context.reply.int((info.idle_ms / 1000) as i64);
        Ok(())
    })
}

/// OBJECT REFCOUNT
pub static OBJECT_REFCOUNT: CommandSpec = CommandSpec {
    name: "refcount",
    arity: 3,
    summary: "Tells how many owners a value has.",
    syntax: "key",
    handler: refcount,
    ..OBJECT_COMMAND
};

fn refcount(context: &mut Context<'_>) -> CommandResult {
    inspect(context, |context, info| {
        context.reply.int(i64::from(info.reference_count));
        Ok(())
    })
}

/// OBJECT HELP
pub static OBJECT_HELP: CommandSpec = CommandSpec {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.with(Flags::STALE),
    keys: &[],
    lock: LockClass::None,
    since: "6.2.0",
    summary: "Lists the subcommands.",
    tips: &[],
    handler: help,
    ..OBJECT_COMMAND
};

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&OBJECT];

/// Passes what is known of the value at the key to `tell`; replies null where there is none.
fn inspect(context: &mut Context<'_>, tell: fn(&mut Context<'_>, ObjectInfo) -> CommandResult) -> CommandResult {
    let (db, key) = (context.db(), context.key(2));
    match keyspace::object(&mut context.txn, db, key)? {
        Some(info) => tell(context, info),
        None => {
            context.reply.null();
            Ok(())
        }
    }
}

/// The name by which clients know an encoding.
pub(crate) fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Int => "int",
        Encoding::Embstr => "embstr",
        Encoding::Raw => "raw",
        Encoding::Listpack => "listpack",
        Encoding::Quicklist => "quicklist",
        Encoding::Intset => "intset",
        Encoding::Hashtable => "hashtable",
        Encoding::Skiplist => "skiplist",
        Encoding::Stream => "stream",
    }
}
