//! DUMP and RESTORE: values as bytes.

use crate::args::{Argv, parse_int};
use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::config::SanitizePayload;
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use crate::server::Server;
use ochre_persist::dump::{self, Settings, Verify};
use ochre_persist::rdb::{RdbError, Reason, TypeCode};
use ochre_store::Type;
use ochre_store::keyspace::{self, NewValue, RestoreOptions};
use std::sync::atomic::Ordering::Relaxed;

/// DUMP
pub static DUMP: CommandSpec = CommandSpec {
    name: "dump",
    arity: 2,
    flags: Flags::READONLY,
    acl: AclCategories::KEYSPACE,
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    lock: LockClass::Keys,
    since: "2.6.0",
    group: Group::Generic,
    complexity: "O(N) for a value of N bytes",
    summary: "Returns the value at a key in the format of RDB files, to be restored elsewhere.",
    syntax: "key",
    tips: &["nondeterministic_output"],
    handler: dump,
    ..CommandSpec::BASE
};

fn dump(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let settings = settings(context.server);
    let payload = keyspace::value(&mut context.txn, db, key)?.map(|value| dump::write(value, settings));
    match payload {
        Some(payload) => context.reply.bulk(&payload),
        None => context.reply.null(),
    }
    Ok(())
}

/// How payloads are written.
pub(super) fn settings(server: &Server) -> Settings {
    let config = server.config();
    Settings { version: config.compatibility_level.rdb_version(), compress: config.rdbcompression }
}

const RESTORE_COMMAND: CommandSpec = CommandSpec {
    arity: -4,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    acl: AclCategories::KEYSPACE.with(AclCategories::DANGEROUS),
    keys: &[KeySpec::one(1, KeyFlags::OW.with(KeyFlags::UPDATE))],
    lock: LockClass::Keys,
    complexity: "O(N) for a value of N bytes; O(N*log(N)) for a sorted set of N members",
    syntax: "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
    changed_in: &["3.0.0", "5.0.0"],
    handler: restore,
    ..CommandSpec::BASE
};

/// RESTORE
pub static RESTORE: CommandSpec = CommandSpec {
    name: "restore",
    since: "2.6.0",
    group: Group::Generic,
    summary: "Creates a key of what DUMP has returned.",
    ..RESTORE_COMMAND
};

/// RESTORE-ASKING
pub static RESTORE_ASKING: CommandSpec = CommandSpec {
    name: "restore-asking",
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::ASKING),
    since: "3.0.0",
    group: Group::Server,
    summary: "What MIGRATE sends to the node of a cluster that imports a slot.",
    ..RESTORE_COMMAND
};

fn restore(context: &mut Context<'_>) -> CommandResult {
    let args = RestoreArgs::parse(context.argv)?;
    let (db, key) = (context.db(), context.key(1));
    if !args.replace && keyspace::exists_for_write(&mut context.txn, db, key)? {
        return Err(error::BUSY_KEY);
    }
    let ttl = parse_int(context.argv.at(2)).ok_or(error::NOT_INTEGER)?;
    let deadline_ms = match ttl {
        ..0 => return Err(error::INVALID_TTL),
        0 => None,
        _ if args.absolute => Some(ttl),
        _ => Some(ttl.saturating_add(context.now_ms())),
    };
    let value = read(context)?;
    let options = RestoreOptions { deadline_ms, idle_seconds: args.idle_seconds, frequency: args.frequency };
    keyspace::restore(&mut context.txn, db, key, value, options)?;
    match deadline_ms {
        Some(at_ms) if at_ms <= context.now_ms() => context.propagate_deletion(key.bytes(), false),
        Some(at_ms) if !args.absolute && context.propagates() => {
            let at_ms = at_ms.to_string();
            let words =
                context.argv.iter().enumerate().map(|(index, word)| if index == 2 { at_ms.as_bytes() } else { word });
            let words: Vec<_> = words.chain([b"ABSTTL".as_slice()]).collect();
            context.propagate_as(&words);
        }
        _ => {}
    }
    context.reply.ok();
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&DUMP, &RESTORE, &RESTORE_ASKING];

/// The options of RESTORE.
#[derive(Debug, Default, PartialEq, Eq)]
struct RestoreArgs {
    replace: bool,
    /// The time given is a moment, not a duration.
    absolute: bool,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

impl RestoreArgs {
    fn parse(argv: Argv<'_>) -> Result<RestoreArgs, CommandError> {
        let mut cursor = argv.cursor(4);
        let mut args = RestoreArgs::default();
        while !cursor.is_done() {
            if cursor.token("REPLACE") {
                args.replace = true;
            } else if cursor.token("ABSTTL") {
                args.absolute = true;
            } else if args.frequency.is_none() && cursor.token("IDLETIME") {
                args.idle_seconds = Some(u64::try_from(cursor.int()?).map_err(|_| error::INVALID_IDLE_TIME)?);
            } else if args.idle_seconds.is_none() && cursor.token("FREQ") {
                args.frequency = Some(u8::try_from(cursor.int()?).map_err(|_| error::INVALID_FREQUENCY)?);
            } else {
                return Err(error::SYNTAX);
            }
        }
        Ok(args)
    }
}

/// The value of the payload.
fn read(context: &Context<'_>) -> Result<NewValue, CommandError> {
    let skip = context.server.switches.skips_payload_checksums.load(Relaxed);
    let verify = if skip { Verify::Version } else { Verify::Checksum };
    let payload = context.argv.at(3);
    dump::verify(payload, verify).map_err(|_| error::BAD_PAYLOAD)?;
    // The footer was just verified.
    let value = dump::read(payload, &context.server.store, Verify::Version).map_err(|error| {
        report(payload, &error);
        error::BAD_DATA_FORMAT
    })?;
    let is_asked_for = match context.server.config().sanitize_dump_payload {
        SanitizePayload::No => false,
        SanitizePayload::Yes => true,
        SanitizePayload::Clients => context.client.link.is_none() && context.client.user.sanitize() != Some(false),
    };
    // Strings have no form that could be damaged.
    if is_asked_for && value.kind() != Type::String {
        context.server.stats.sanitizations.fetch_add(1, Relaxed);
    }
    Ok(value)
}

/// Says in the log what is wrong with a payload, in words that tools look for.
fn report(payload: &[u8], error: &RdbError) {
    let (offset, reason) = (error.offset, &error.reason);
    let what = payload.first().and_then(|code| TypeCode::from_byte(*code)).map_or("Payload", title);
    match reason {
        Reason::Empty => tracing::warn!("RESTORE: {what} at byte {offset}: {reason}"),
        _ if error.is_damage() => tracing::warn!("RESTORE: {what} integrity check failed at byte {offset}: {reason}"),
        _ => tracing::warn!("RESTORE: cannot read the payload at byte {offset}: {reason}"),
    }
}

/// What can be damaged in a value of this type.
fn title(code: TypeCode) -> &'static str {
    match code {
        TypeCode::String => "String",
        TypeCode::List => "List",
        TypeCode::Set => "Set",
        TypeCode::ZsetText | TypeCode::Zset => "Zset",
        TypeCode::Hash | TypeCode::HashDeadlines | TypeCode::HashMetadata => "Hash",
        TypeCode::HashZipmap => "Zipmap",
        TypeCode::ListZiplist | TypeCode::ListQuicklist => "Ziplist",
        TypeCode::ListQuicklist2 => "Listpack",
        TypeCode::SetIntset => "Intset",
        TypeCode::SetListpack => "Set listpack",
        TypeCode::ZsetZiplist => "Zset ziplist",
        TypeCode::ZsetListpack => "Zset listpack",
        TypeCode::HashZiplist => "Hash ziplist",
        TypeCode::HashListpack | TypeCode::HashListpackEx => "Hash listpack",
        TypeCode::Stream | TypeCode::Stream2 | TypeCode::Stream3 => "Stream listpack",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    // Replies of Redis 7.0.15.
    #[test]
    fn options() {
        let parse =
            |line: &str| with_argv(line, |argv| RestoreArgs::parse(argv).map_err(|error| error.text().into_owned()));
        assert_eq!(parse("restore k 0 x"), Ok(RestoreArgs::default()));
        let both = RestoreArgs { replace: true, absolute: true, ..Default::default() };
        assert_eq!(parse("restore k 0 x absttl Replace"), Ok(both));
        assert_eq!(parse("restore k 0 x idletime 7"), Ok(RestoreArgs { idle_seconds: Some(7), ..Default::default() }));
        assert_eq!(parse("restore k 0 x freq 255"), Ok(RestoreArgs { frequency: Some(255), ..Default::default() }));
        for (line, text) in [
            ("restore k 0 x foo", "ERR syntax error"),
            ("restore k 0 x idletime", "ERR syntax error"),
            ("restore k 0 x idletime 1 freq 1", "ERR syntax error"),
            ("restore k 0 x idletime x", "ERR value is not an integer or out of range"),
            ("restore k 0 x idletime -1", "ERR Invalid IDLETIME value, must be >= 0"),
            ("restore k 0 x freq 256", "ERR Invalid FREQ value, must be >= 0 and <= 255"),
        ] {
            assert_eq!(parse(line), Err(text.to_owned()), "{line}");
        }
    }
}
