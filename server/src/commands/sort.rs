//! SORT, SORT_RO.

use super::string::write_str;
use crate::args::Argv;
use crate::command::{
    AclCategories, Begin, CommandSpec, Find, Flags, Group, KeyFlags, KeyPosition, KeySpec, LockClass,
};
use crate::context::{Context, Mode};
use crate::error::{self, CommandError, CommandResult};
use ochre_store::keyspace::peek_type;
use ochre_store::sort::{self, By, Pattern, Request};
use ochre_store::{Error, Type};

const SORTED: KeySpec = KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS));
/// What BY and GET lead to.
const LED_TO: KeySpec =
    KeySpec { flags: KeyFlags::RO.with(KeyFlags::ACCESS), begin: Begin::Unknown, find: Find::Unknown };
const STORED: KeySpec =
    KeySpec { flags: KeyFlags::OW.with(KeyFlags::UPDATE), begin: Begin::Unknown, find: Find::Unknown };

const SORT_COMMAND: CommandSpec = CommandSpec {
    arity: -2,
    acl: AclCategories::SET.with(AclCategories::SORTEDSET).with(AclCategories::LIST).with(AclCategories::DANGEROUS),
    lock: LockClass::KeysOrAll(reaches_out),
    group: Group::Generic,
    complexity: "O(N+M*log(M)), N being the elements and M those that are asked for; O(N) where nothing is ordered",
    ..CommandSpec::BASE
};

/// SORT
pub static SORT: CommandSpec = CommandSpec {
    name: "sort",
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[SORTED, LED_TO, STORED],
    open_keys: Some(stored_key),
    summary: "Returns the elements of a list, set or sorted set in order, or puts them under a key.",
    syntax: "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC|DESC] [ALPHA] [STORE destination]",
    handler: |context| run(context, true),
    ..SORT_COMMAND
};

/// SORT_RO
pub static SORT_RO: CommandSpec = CommandSpec {
    name: "sort_ro",
    flags: Flags::READONLY,
    keys: &[SORTED, LED_TO],
    since: "7.0.0",
    summary: "Returns the elements of a list, set or sorted set in order.",
    syntax: "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC|DESC] [ALPHA]",
    handler: |context| run(context, false),
    ..SORT_COMMAND
};

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&SORT, &SORT_RO];

fn run(context: &mut Context<'_>, may_store: bool) -> CommandResult {
    let mut args = SortArgs::parse(context.argv, may_store)?;
    args.request.c_numbers = context.server.config().compatibility_level.sorts_c_numbers();
    check_patterns(context, &args)?;
    let (db, key) = (context.db(), context.key(1));
    let in_script = matches!(context.mode, Mode::Script);
    if in_script && args.request.by == By::Nothing && peek_type(&mut context.txn, db, key)? == Some(Type::Set) {
        // A script is to see the same order everywhere.
        (args.request.by, args.request.alpha) = (By::Itself, true);
    }
    if let Some(index) = args.store {
        let to = context.key(index);
        let stored = sort::sort_and_store(&mut context.txn, db, key, to, &args.request).map_err(to_wire)?;
        context.reply.int(stored as i64);
        return Ok(());
    }
    let sorted = sort::sort(&mut context.txn, db, key, &args.request).map_err(to_wire)?;
    let reply = &mut context.reply;
    reply.array(sorted.len());
    sorted.for_each(|value| match value {
        Some(value) => write_str(reply, value),
        None => reply.null(),
    })?;
    Ok(())
}

/// Patterns lead to any key: who uses them has to be allowed to read all.
fn check_patterns(context: &Context<'_>, args: &SortArgs<'_>) -> CommandResult {
    let by = matches!(&args.request.by, By::Value(_));
    if !by && args.request.get.is_empty() {
        return Ok(());
    }
    let client = &context.client;
    if crate::acl::may_read_all_keys(&client.user, context.command, context.argv, client.db) {
        return Ok(());
    }
    Err(if by { error::SORT_BY_DENIED } else { error::SORT_GET_DENIED })
}

fn to_wire(error: Error) -> CommandError {
    if error == Error::NotFloat { error::SORT_NOT_FLOAT } else { error.into() }
}

/// Whether a line leads to other keys than those in its arguments.
fn reaches_out(argv: Argv<'_>) -> bool {
    SortArgs::parse(argv, true).is_ok_and(|args| {
        let by = matches!(&args.request.by, By::Value(_));
        by || args.request.get.iter().any(Pattern::reaches_out)
    })
}

/// The last key that the result is put under; what is no option is passed over.
fn stored_key(argv: Argv<'_>, found: &mut dyn FnMut(KeyPosition)) {
    let mut cursor = argv.cursor(2);
    let mut stored = None;
    while let Some(word) = cursor.peek() {
        let skipped = match word {
            _ if word.eq_ignore_ascii_case(b"limit") => 3,
            _ if word.eq_ignore_ascii_case(b"get") || word.eq_ignore_ascii_case(b"by") => 2,
            _ => 1,
        };
        if word.eq_ignore_ascii_case(b"store") && cursor.remaining() > 1 {
            stored = Some(cursor.position() + 1);
        }
        for _ in 0..skipped {
            // The end shows in the next look.
            let _ = cursor.bytes();
        }
    }
    if let Some(index) = stored {
        found(KeyPosition { index, flags: STORED.flags });
    }
}

/// The arguments behind the key.
#[derive(Debug)]
struct SortArgs<'a> {
    request: Request<'a>,
    /// The argument that is the key for the result.
    store: Option<usize>,
}

impl<'a> SortArgs<'a> {
    fn parse(argv: Argv<'a>, may_store: bool) -> Result<SortArgs<'a>, CommandError> {
        let request = Request {
            by: By::Itself,
            get: Vec::new(),
            alpha: false,
            descending: false,
            offset: 0,
            count: -1,
            c_numbers: false,
        };
        let mut args = SortArgs { request, store: None };
        let request = &mut args.request;
        let mut cursor = argv.cursor(2);
        while !cursor.is_done() {
            let behind = cursor.remaining() - 1;
            if cursor.token("ASC") {
                request.descending = false;
            } else if cursor.token("DESC") {
                request.descending = true;
            } else if cursor.token("ALPHA") {
                request.alpha = true;
            } else if behind >= 2 && cursor.token("LIMIT") {
                request.offset = cursor.int()?;
                request.count = cursor.int()?;
            } else if may_store && behind >= 1 && cursor.token("STORE") {
                args.store = Some(cursor.position());
                cursor.bytes()?;
            } else if behind >= 1 && cursor.token("BY") {
                // Once there is one without a place for the element, nothing is ordered any more.
                request.by = match Pattern::new(cursor.bytes()?) {
                    pattern @ Pattern::Key { .. } if request.by != By::Nothing => By::Value(pattern),
                    _ => By::Nothing,
                };
            } else if behind >= 1 && cursor.token("GET") {
                request.get.push(Pattern::new(cursor.bytes()?));
            } else {
                return Err(error::SYNTAX);
            }
        }
        Ok(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    #[test]
    fn arguments() {
        let parse = |line: &str| {
            with_argv(line, |argv| {
                let args = SortArgs::parse(argv, true).map_err(|error| error.text().into_owned())?;
                let request = &args.request;
                let limit = (request.offset, request.count);
                let by = match request.by {
                    By::Itself => "itself",
                    By::Nothing => "nothing",
                    By::Value(_) => "value",
                };
                Ok((by, limit, request.get.len(), request.descending, request.alpha, args.store))
            })
        };
        assert_eq!(parse("sort k"), Ok(("itself", (0, -1), 0, false, false, None)));
        let line = "sort k by w_* limit -3 4 get # get o_*->f desc alpha store d asc store e";
        assert_eq!(parse(line), Ok(("value", (-3, 4), 2, false, true, Some(17))));
        assert_eq!(parse("sort k by nosort by w_*"), Ok(("nothing", (0, -1), 0, false, false, None)));
        // Replies of Redis 7.0.15.
        for (line, text) in [
            ("sort k by", "ERR syntax error"),
            ("sort k limit 1", "ERR syntax error"),
            ("sort k limit 1 x", "ERR value is not an integer or out of range"),
            ("sort k store", "ERR syntax error"),
            ("sort k get", "ERR syntax error"),
            ("sort k x", "ERR syntax error"),
        ] {
            assert_eq!(parse(line), Err(text.to_owned()), "{line}");
        }
        with_argv("sort_ro k store d", |argv| assert!(SortArgs::parse(argv, false).is_err()));
    }

    #[test]
    fn lines_that_reach_out() {
        for (line, expected) in [
            ("sort k", false),
            ("sort k by nosort get #", false),
            ("sort k by w_*", true),
            ("sort k get w_*", true),
            ("sort k get w", false),
            ("sort k get w_* limit", false),
        ] {
            with_argv(line, |argv| assert_eq!(reaches_out(argv), expected, "{line}"));
        }
    }

    // Replies of Redis 7.0.15 to COMMAND GETKEYS.
    #[test]
    fn the_key_of_the_result() {
        for (line, expected) in [
            ("sort abc store def", Some(3)),
            ("sort abc store invalid store stillbad store def", Some(7)),
            ("sort abc by store store get store x", Some(5)),
            ("sort abc limit store store get store", None),
            ("sort abc store", None),
        ] {
            let mut keys = Vec::new();
            with_argv(line, |argv| stored_key(argv, &mut |key| keys.push(key.index)));
            assert_eq!(keys.first().copied(), expected, "{line}");
        }
    }
}
