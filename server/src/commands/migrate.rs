//! MIGRATE: keys go to another server. What goes on in between is in [`migration`](crate::migration).

use super::dump::settings;
use crate::args::{Argv, parse_int};
use crate::command::{
    AclCategories, Begin, CommandSpec, Find, Flags, Group, KeyFlags, KeyPosition, KeySpec, LockClass,
};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use crate::migration::{Address, Item, Job, Outcome};
use ochre_persist::dump;
use ochre_store::keyspace;
use std::ops::Range;
use std::time::Duration;

/// MIGRATE
pub static MIGRATE: CommandSpec = CommandSpec {
    name: "migrate",
    arity: -6,
    flags: Flags::WRITE,
    acl: AclCategories::KEYSPACE.with(AclCategories::DANGEROUS),
    keys: &[
        KeySpec::one(3, SENT),
        KeySpec {
            flags: SENT.with(KeyFlags::INCOMPLETE),
            begin: Begin::Keyword("KEYS", -2),
            find: Find::Range { last: -1, step: 1, limit: 0 },
        },
    ],
    all_keys: Some(sent_keys),
    lock: LockClass::Transfer,
    since: "2.6.0",
    group: Group::Generic,
    complexity: "O(N) for values of N bytes, here and there",
    summary: "Sends keys to another server, and removes them here once they have arrived.",
    syntax: "host port <key|\"\"> destination-db timeout [COPY] [REPLACE] [AUTH password|AUTH2 username password] [KEYS key [key ...]]",
    tips: &["nondeterministic_output"],
    changed_in: &["3.0.0", "3.0.6", "4.0.7", "6.0.0"],
    handler: migrate,
    ..CommandSpec::BASE
};

const SENT: KeyFlags = KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE);

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&MIGRATE];

/// How long each step may take where nothing is said.
const PATIENCE_MS: u64 = 1000;
/// More is as good as no end.
const PATIENCE_MS_MAX: u64 = u32::MAX as u64;

fn migrate(context: &mut Context<'_>) -> CommandResult {
    let mut secrets = Vec::new();
    let args = MigrateArgs::parse(context.argv, &mut secrets);
    if !secrets.is_empty() {
        context.after.rare().redacted.extend(secrets);
    }
    let args = args?;
    if let Some(outcome) = context.client.migrated.take() {
        return finish(context, *outcome);
    }
    let Some(job) = take_copies(context, &args)? else {
        context.reply.simple("NOKEY");
        return Ok(());
    };
    if context.denies_blocking() {
        let outcome = job.run(context.server);
        context.after.time_passed = true;
        return finish(context, outcome);
    }
    if job.holds {
        context.server.migrations.holds.begin(&context.server.attention);
        for item in &job.items {
            let (db, key) = (context.db(), context.key(item.argument));
            keyspace::pin(&mut context.txn, db, key)?;
        }
    }
    Err(CommandError::Transfer(job))
}

/// What is to be sent; nothing where none of the keys exists.
fn take_copies(context: &mut Context<'_>, args: &MigrateArgs<'_>) -> Result<Option<Box<Job>>, CommandError> {
    let (db, server) = (context.db(), context.server);
    let settings = settings(server);
    let mut items = Vec::new();
    for argument in args.keys.clone() {
        let key = context.key(argument);
        let Some(payload) = keyspace::value(&mut context.txn, db, key)?.map(|value| dump::write(value, settings))
        else {
            continue;
        };
        let deadline_ms = keyspace::peek_deadline(&mut context.txn, db, key)?;
        items.push(Item { argument, key: key.bytes().to_vec(), deadline_ms, payload });
    }
    if items.is_empty() {
        return Ok(None);
    }
    let config = server.config();
    Ok(Some(Box::new(Job {
        address: Address {
            host: String::from_utf8_lossy(args.host).into_owned(),
            port: std::str::from_utf8(args.port).ok().and_then(|port| port.parse().ok()),
            tls: config.tls_cluster,
            login: args.login.map(|(user, password)| (user.map(<[u8]>::to_vec), password.to_vec())),
        },
        db: args.db,
        patience: Duration::from_millis(args.patience_ms),
        replace: args.replace,
        items,
        restore: if config.cluster_enabled { "RESTORE-ASKING" } else { "RESTORE" },
        // What is sent is the value as it is now: for a copy nobody need wait.
        holds: !args.copy,
    })))
}

/// Removes what has arrived, and answers.
fn finish(context: &mut Context<'_>, outcome: Outcome) -> CommandResult {
    let (db, server) = (context.db(), context.server);
    if !outcome.holds {
        return answer(context, outcome);
    }
    // The process may have become a replica meanwhile, whose keys only its primary removes.
    let is_kept = server.follows() && context.client.link.is_none() && server.config().replica_read_only;
    let mut removed: Vec<&[u8]> = vec![b"DEL"];
    if !is_kept {
        for argument in &outcome.arrived {
            let key = context.key(*argument);
            if keyspace::delete(&mut context.txn, db, key)? {
                removed.push(key.bytes());
            }
        }
    }
    if removed.len() > 1 {
        context.propagate_as(&removed);
    }
    if !context.denies_blocking() {
        for argument in &outcome.keys {
            let key = context.key(*argument);
            keyspace::unpin(&mut context.txn, db, key)?;
        }
        server.migrations.holds.end(server);
    }
    if is_kept && !outcome.arrived.is_empty() {
        return Err(error::replicas::READ_ONLY);
    }
    answer(context, outcome)
}

fn answer(context: &mut Context<'_>, outcome: Outcome) -> CommandResult {
    match outcome.failure {
        Some(failure) => Err(error::not_migrated(failure)),
        None => {
            context.reply.ok();
            Ok(())
        }
    }
}

/// The arguments of MIGRATE.
#[derive(Debug, PartialEq, Eq)]
struct MigrateArgs<'a> {
    host: &'a [u8],
    port: &'a [u8],
    db: i64,
    patience_ms: u64,
    /// The keys stay here, too.
    copy: bool,
    /// Keys that exist there are overwritten.
    replace: bool,
    login: Option<(Option<&'a [u8]>, &'a [u8])>,
    keys: Range<usize>,
}

impl<'a> MigrateArgs<'a> {
    /// Reads a line; of `secrets` no log may show anything, even if there is something wrong with the line.
    fn parse(argv: Argv<'a>, secrets: &mut Vec<usize>) -> Result<MigrateArgs<'a>, CommandError> {
        let mut cursor = argv.cursor(6);
        let (mut copy, mut replace, mut user, mut password, mut keys) = (false, false, None, None, 3..4);
        while !cursor.is_done() {
            if cursor.token("COPY") {
                copy = true;
            } else if cursor.token("REPLACE") {
                replace = true;
            } else if cursor.token("AUTH") {
                secrets.push(cursor.position());
                password = Some(cursor.bytes()?);
            } else if cursor.token("AUTH2") {
                if cursor.remaining() < 2 {
                    return Err(error::SYNTAX);
                }
                secrets.extend([cursor.position(), cursor.position() + 1]);
                user = Some(cursor.bytes()?);
                password = Some(cursor.bytes()?);
            } else if cursor.token("KEYS") {
                if !argv.at(3).is_empty() {
                    return Err(error::KEY_BESIDE_KEYS);
                }
                keys = cursor.position()..argv.len();
                break;
            } else {
                return Err(error::SYNTAX);
            }
        }
        let timeout_ms = parse_int(argv.at(5)).ok_or(error::NOT_INTEGER)?;
        let db = parse_int(argv.at(4)).ok_or(error::NOT_INTEGER)?;
        let patience_ms = match u64::try_from(timeout_ms) {
            Ok(0) | Err(_) => PATIENCE_MS,
            Ok(millis) => millis.min(PATIENCE_MS_MAX),
        };
        let (host, port) = (argv.at(1), argv.at(2));
        let login = password.map(|password| (user, password));
        Ok(MigrateArgs { host, port, db, patience_ms, copy, replace, login, keys })
    }
}

/// The keys that a line names: those after KEYS, or else the third argument. Where there are both it is wrong and names none.
fn sent_keys(argv: Argv<'_>, found: &mut dyn FnMut(KeyPosition)) {
    let mut cursor = argv.cursor(6);
    let mut keys = 3..4;
    while !cursor.is_done() {
        if cursor.token("KEYS") {
            keys = if argv.at(3).is_empty() { cursor.position()..argv.len() } else { 0..0 };
            break;
        }
        let skipped = if cursor.token("AUTH2") {
            2
        } else {
            // One more word: the password, or else the option itself.
            let _ = cursor.token("AUTH");
            1
        };
        for _ in 0..skipped {
            // The end shows in the next look.
            let _ = cursor.bytes();
        }
    }
    keys.for_each(|index| found(KeyPosition { index, flags: SENT }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    // Replies of Redis 7.0.15.
    #[test]
    fn lines() {
        let parse = |line: &str| {
            with_argv(line, |argv| {
                let mut secrets = Vec::new();
                let parsed = MigrateArgs::parse(argv, &mut secrets);
                let parsed = parsed.map(|args| format!("{:?} {} {}", args.keys, args.db, args.patience_ms));
                (parsed.map_err(|error| error.text().into_owned()), secrets)
            })
        };
        let ok = |text: &str, secrets: &[usize]| (Ok(text.to_owned()), secrets.to_vec());
        let fails = |text: &str, secrets: &[usize]| (Err(text.to_owned()), secrets.to_vec());
        const SYNTAX: &str = "ERR syntax error";
        const NUMBER: &str = "ERR value is not an integer or out of range";
        assert_eq!(parse("migrate h 1 k 9 0 copy REPLACE"), ok("3..4 9 1000", &[]));
        assert_eq!(parse("migrate h 1 k 9 -5 auth keys"), ok("3..4 9 1000", &[7]));
        assert_eq!(parse("migrate h 1 k 9 20 auth2 u p copy"), ok("3..4 9 20", &[7, 8]));
        assert_eq!(parse("migrate h 1 k 9 x auth p"), fails(NUMBER, &[7]));
        assert_eq!(parse("migrate h 1 k x 1"), fails(NUMBER, &[]));
        assert_eq!(parse("migrate h 1 k 9 1 auth p foo"), fails(SYNTAX, &[7]));
        assert_eq!(parse("migrate h 1 k 9 1 auth2 u"), fails(SYNTAX, &[]));
        let beside = "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string";
        assert_eq!(parse("migrate h 1 k 9 1 keys a b"), fails(beside, &[]));
    }

    #[test]
    fn keys_of_a_line() {
        let keys = |words: &[&str]| {
            let mut bytes = Vec::new();
            let mut spans = Vec::new();
            for word in words {
                let start = bytes.len();
                bytes.extend_from_slice(word.as_bytes());
                spans.push(ochre_resp::request::Span { start, end: bytes.len() });
            }
            let mut keys = Vec::new();
            sent_keys(Argv::new(&bytes, &spans), &mut |position| keys.push(position.index));
            keys
        };
        assert_eq!(keys(&["migrate", "h", "1", "k", "0", "5"]), [3]);
        assert_eq!(keys(&["migrate", "h", "1", "", "0", "5", "auth", "keys", "keys", "a", "keys"]), [9, 10]);
        assert_eq!(keys(&["migrate", "h", "1", "", "0", "5", "auth2", "keys", "1", "KEYS", "a"]), [10]);
        assert!(keys(&["migrate", "h", "1", "k", "0", "5", "keys", "a"]).is_empty());
    }
}
