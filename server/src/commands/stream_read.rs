//! Following streams: XREAD and XREADGROUP.

use crate::args::Argv;
use crate::blocking::{Block, Timeout, WaitKind};
use crate::command::{AclCategories, Begin, CommandSpec, Find, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::commands::stream_args::{parse_id, write_entry, write_id};
use crate::commands::stream_log::GroupLog;
use crate::context::{Context, Mode};
use crate::error::{self, CommandError, CommandResult};
use ochre_resp::reply::{Deferred, Protocol, ReplyWriter};
use ochre_store::stream::{self, Delivered, GroupError, Member, Read, ReadFrom, StreamId};

const fn streams(from: i16) -> KeySpec {
    KeySpec {
        flags: KeyFlags::RO.with(KeyFlags::ACCESS),
        begin: Begin::Keyword("STREAMS", from),
        find: Find::Range { last: -1, step: 1, limit: 2 },
    }
}

const READ_COMMAND: CommandSpec = CommandSpec {
    acl: AclCategories::STREAM,
    lock: LockClass::Keys,
    since: "5.0.0",
    group: Group::Stream,
    complexity: "O(N) for each stream, N being the entries returned; adding an entry is O(M), M being the clients that wait for it",
    ..CommandSpec::BASE
};

/// XREAD
pub static XREAD: CommandSpec = CommandSpec {
    name: "xread",
    arity: -4,
    flags: Flags::READONLY.with(Flags::BLOCKING),
    keys: &[streams(1)],
    summary: "Returns the entries of streams after given IDs, or waits for some.",
    syntax: "[COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
    handler: xread,
    ..READ_COMMAND
};

fn xread(context: &mut Context<'_>) -> CommandResult {
    let args = ReadArgs::parse(context, false)?;
    let (db, last_entry) = (context.db(), context.server.config().compatibility_level.reads_last_stream_entry());
    let start = context.reply.position();
    let mut served = Served::default();
    for index in args.keys() {
        if !args.may_serve(context, index) {
            continue;
        }
        let key = context.key(index);
        let read = stream::get(&mut context.txn, db, key).map_err(CommandError::Store).and_then(|stream| {
            let Some(from) = read_start(args.id(context.argv, index), stream, last_entry)? else { return Ok(()) };
            if let Some(stream) = stream {
                served.read(&mut context.reply, key.bytes(), stream, from, args.count);
            }
            Ok(())
        });
        if let Err(error) = read {
            context.reply.rewind(start);
            return Err(error);
        }
    }
    if served.finish(&mut context.reply) {
        return Ok(());
    }
    let Some(timeout) = args.timeout else {
        context.reply.null_array();
        return Ok(());
    };
    let rewritten = resolve(context, &args)?;
    context.block(Block { rewritten, ..Block::on_keys(WaitKind::Stream, args.keys(), timeout) })
}

/// XREADGROUP
pub static XREADGROUP: CommandSpec = CommandSpec {
    name: "xreadgroup",
    arity: -7,
    flags: Flags::WRITE.with(Flags::BLOCKING),
    keys: &[streams(4)],
    summary: "Delivers new entries of streams to a consumer of a group, or what it has not acknowledged, or waits for some.",
    syntax: "GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]",
    handler: xreadgroup,
    ..READ_COMMAND
};

fn xreadgroup(context: &mut Context<'_>) -> CommandResult {
    let args = ReadArgs::parse(context, true)?;
    let level = context.server.config().compatibility_level;
    let member =
        Member { group: args.group, consumer: args.consumer, only_if_served: level.sees_served_consumers_only() };
    let read =
        Read { count: args.count, no_ack: args.no_ack, now_ms: context.now_ms(), counting: level.stream_counting() };
    if args.streams > 1 || group_start(args.id(context.argv, args.first), level.reads_last_stream_entry()).is_err() {
        check_all(context, &args)?;
    }
    let db = context.db();
    let mut served = Served::default();
    for index in args.keys() {
        if !args.may_serve(context, index) {
            continue;
        }
        let key = context.key(index);
        let from = group_start(args.id(context.argv, index), level.reads_last_stream_entry())?;
        let mut list = None;
        let mut log = GroupLog::begin(context, index, args.group, args.consumer)?;
        let reply = &mut context.reply;
        let has_some = stream::read_group(&mut context.txn, db, key, &member, from, &read, |delivered| {
            let (_, len) = list.get_or_insert_with(|| (served.open(reply, key.bytes()), 0));
            *len += 1;
            if let (Some(log), ReadFrom::New, Some(nack)) = (&mut log, from, delivered.nack) {
                log.note(delivered.id, nack);
            }
            write_delivered(reply, delivered);
        })
        .map_err(|refused| group_error(context, refused, index, args.group))?;
        if let Some(log) = log {
            log.finish(context, true)?;
        }
        if has_some {
            let reply = &mut context.reply;
            let (list, len) = list.unwrap_or_else(|| (served.open(reply, key.bytes()), 0));
            reply.set_len(list, len);
        }
    }
    if served.finish(&mut context.reply) {
        return Ok(());
    }
    match args.timeout {
        Some(timeout) => context.block(Block::on_keys(WaitKind::StreamGroup, args.keys(), timeout)),
        None => {
            context.reply.null_array();
            Ok(())
        }
    }
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&XREAD, &XREADGROUP];

/// The arguments of XREAD and XREADGROUP.
struct ReadArgs<'a> {
    count: u64,
    timeout: Option<Timeout>,
    no_ack: bool,
    group: &'a [u8],
    consumer: &'a [u8],
    /// The first key.
    first: usize,
    streams: usize,
}

impl<'a> ReadArgs<'a> {
    fn parse(context: &Context<'a>, of_group: bool) -> Result<ReadArgs<'a>, CommandError> {
        let mut cursor = context.argv.cursor(1);
        let mut args =
            ReadArgs { count: 0, timeout: None, no_ack: false, group: b"", consumer: b"", first: 0, streams: 0 };
        let mut has_group = false;
        loop {
            let more = cursor.remaining().saturating_sub(1);
            if more > 0 && cursor.token("STREAMS") {
                args.first = cursor.position();
                break;
            } else if more > 0 && cursor.token("COUNT") {
                args.count = u64::try_from(cursor.int()?).unwrap_or(0);
            } else if more > 0 && cursor.token("BLOCK") {
                args.timeout = Some(Timeout::millis(cursor.bytes()?, context.now_ms())?);
            } else if more > 1 && cursor.token("GROUP") {
                if !of_group {
                    return Err(error::XREAD_GROUP);
                }
                (args.group, args.consumer, has_group) = (cursor.bytes()?, cursor.bytes()?, true);
            } else if cursor.token("NOACK") {
                if !of_group {
                    return Err(error::XREAD_NOACK);
                }
                args.no_ack = true;
            } else {
                return Err(error::SYNTAX);
            }
        }
        if !cursor.remaining().is_multiple_of(2) {
            return Err(unbalanced(context, of_group));
        }
        if of_group && !has_group {
            return Err(error::XREADGROUP_WITHOUT_GROUP);
        }
        args.streams = cursor.remaining() / 2;
        if args.count == 0 && matches!(context.mode, Mode::Again { .. }) {
            args.count = context.server.config().compatibility_level.blocked_read_count();
        }
        Ok(args)
    }

    /// The arguments that are keys.
    fn keys(&self) -> std::ops::Range<usize> {
        self.first..self.first + self.streams
    }

    /// Whether the client can be served from the key at `index` in this run.
    fn may_serve(&self, context: &mut Context<'_>, index: usize) -> bool {
        if let Mode::Again { key, .. } = context.mode
            && context.server.config().compatibility_level.serves_waiters_from_one_stream()
        {
            return self.keys().find(|&index| context.argv.at(index) == key) == Some(index);
        }
        context.at_hand(index)
    }

    /// The ID for the key at `index`.
    fn id(&self, argv: Argv<'a>, index: usize) -> &'a [u8] {
        argv.at(index + self.streams)
    }
}

#[cold]
fn unbalanced(context: &Context<'_>, of_group: bool) -> CommandError {
    if context.server.config().compatibility_level.old_error_texts() {
        return error::UNBALANCED_STREAMS;
    }
    error::unbalanced_streams(&context.command.full_name, if of_group { '>' } else { '$' })
}

/// Where XREAD starts, given the ID it has; `None` if nothing can be there.
fn read_start(id: &[u8], stream: Option<&stream::Stream>, last_entry: bool) -> Result<Option<StreamId>, CommandError> {
    match id {
        b"$" => Ok(None),
        b"+" if last_entry => Ok(stream.and_then(stream::Stream::last_entry_id)),
        b">" => Err(error::XREAD_NEW),
        id => Ok(parse_id(id)?.next()),
    }
}

/// Which entries XREADGROUP delivers, given the ID it has.
fn group_start(id: &[u8], last_entry: bool) -> Result<ReadFrom, CommandError> {
    match id {
        b">" => Ok(ReadFrom::New),
        b"$" => Err(error::meaningless_id('$')),
        b"+" if last_entry => Err(error::meaningless_id('+')),
        id => Ok(match parse_id(id)? {
            StreamId::MAX => ReadFrom::New,
            id => ReadFrom::After(id),
        }),
    }
}

/// Checks all streams of XREADGROUP and their IDs: it reads from all of them or from none.
fn check_all(context: &mut Context<'_>, args: &ReadArgs<'_>) -> CommandResult {
    let last_entry = context.server.config().compatibility_level.reads_last_stream_entry();
    for index in args.keys() {
        if args.may_serve(context, index) {
            let (db, key) = (context.db(), context.key(index));
            stream::check_group(&mut context.txn, db, key, args.group)
                .map_err(|refused| group_error(context, refused, index, args.group))?;
            group_start(args.id(context.argv, index), last_entry)?;
        }
    }
    Ok(())
}

#[cold]
fn group_error(context: &Context<'_>, refused: GroupError, key: usize, group: &[u8]) -> CommandError {
    match refused {
        GroupError::Key(error) => error.into(),
        GroupError::NoStream | GroupError::NoGroup | GroupError::Exists => {
            let has_waited = matches!(context.mode, Mode::Again { .. });
            if has_waited && context.server.config().compatibility_level.has_own_error_for_lost_stream() {
                return error::GROUP_GONE;
            }
            error::no_group_to_read(context.argv.at(key), group)
        }
    }
}

/// The IDs that `$` and `+` stand for now, with their arguments.
fn resolve(context: &mut Context<'_>, args: &ReadArgs<'_>) -> Result<Vec<(usize, Vec<u8>)>, CommandError> {
    let (db, mut resolved) = (context.db(), Vec::new());
    for index in args.keys() {
        if matches!(args.id(context.argv, index), b"$" | b"+") {
            let key = context.key(index);
            let stream = stream::get(&mut context.txn, db, key)?;
            let last_id = stream.map_or(StreamId::MIN, |stream| stream.facts().last_id);
            resolved.push((index + args.streams, last_id.text().to_vec()));
        }
    }
    Ok(resolved)
}

fn write_delivered(reply: &mut ReplyWriter<'_>, delivered: Delivered<'_>) {
    match delivered.fields {
        Some(fields) => write_entry(reply, delivered.id, fields),
        None => {
            reply.array(2);
            write_id(reply, delivered.id);
            reply.null_array();
        }
    }
}

/// The streams that there is something of, as they are written.
#[derive(Default)]
struct Served {
    list: Option<Deferred>,
    streams: usize,
}

impl Served {
    /// Starts with the next stream; its entries go into the array returned.
    fn open(&mut self, reply: &mut ReplyWriter<'_>, key: &[u8]) -> Deferred {
        let pairs = reply.protocol() == Protocol::Resp2;
        if self.list.is_none() {
            self.list = Some(if pairs { reply.deferred_array() } else { reply.deferred_map() });
        }
        if pairs {
            reply.array(2);
        }
        reply.bulk(key);
        self.streams += 1;
        reply.deferred_array()
    }

    /// Writes what the stream has from `from` on, if anything; `count` entries at most (0 means all).
    fn read(&mut self, reply: &mut ReplyWriter<'_>, key: &[u8], stream: &stream::Stream, from: StreamId, count: u64) {
        if stream.facts().last_id < from {
            return;
        }
        let mut entries = stream.range(from, StreamId::MAX);
        let Some((id, fields)) = entries.next() else { return };
        let list = self.open(reply, key);
        write_entry(reply, id, fields);
        let mut written = 1;
        while written as u64 != count
            && let Some((id, fields)) = entries.next()
        {
            write_entry(reply, id, fields);
            written += 1;
        }
        reply.set_len(list, written);
    }

    /// Ends the reply; returns whether there is one.
    fn finish(self, reply: &mut ReplyWriter<'_>) -> bool {
        let Some(list) = self.list else { return false };
        reply.set_len(list, self.streams);
        true
    }
}
