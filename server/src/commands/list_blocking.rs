//! Commands that wait for elements of lists.

use super::list::{LIST_COMMAND, parse_end};
use super::list_move::{DESTINATION, MpopArgs, SOURCE, move_element, pop_name, pop_with_key};
use super::string::write_str;
use crate::blocking::{Block, Timeout, TimeoutReply, WaitKind};
use crate::command::{Begin, CommandSpec, Find, Flags, KeyFlags, KeySpec};
use crate::context::{Context, Mode};
use crate::error::CommandResult;
use ochre_store::list::{self, End};

/// What BLPOP and BRPOP declare.
const POP_COMMAND: CommandSpec = CommandSpec {
    arity: -3,
    flags: Flags::WRITE.with(Flags::BLOCKING),
    keys: &[KeySpec {
        flags: KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE),
        begin: Begin::Index(1),
        find: Find::Range { last: -2, step: 1, limit: 0 },
    }],
    since: "2.0.0",
    complexity: "O(N), N being the number of keys",
    syntax: "key [key ...] timeout",
    changed_in: &["6.0.0"],
    ..LIST_COMMAND
};

/// BLPOP
pub static BLPOP: CommandSpec = CommandSpec {
    name: "blpop",
    summary: "Takes the first element off the first of several lists that has one; waits for one if none has.",
    handler: blpop,
    ..POP_COMMAND
};

fn blpop(context: &mut Context<'_>) -> CommandResult {
    pop(context, End::Head)
}

/// BRPOP
pub static BRPOP: CommandSpec = CommandSpec {
    name: "brpop",
    summary: "Takes the last element off the first of several lists that has one; waits for one if none has.",
    handler: brpop,
    ..POP_COMMAND
};

fn brpop(context: &mut Context<'_>) -> CommandResult {
    pop(context, End::Tail)
}

fn pop(context: &mut Context<'_>, end: End) -> CommandResult {
    let last = context.argv.len() - 1;
    let timeout = Timeout::seconds(context.argv.at(last), context.now_ms())?;
    for index in 1..last {
        if !context.at_hand(index) {
            continue;
        }
        let (db, key) = (context.db(), context.key(index));
        let reply = &mut context.reply;
        let popped = list::pop(&mut context.txn, db, key, end, |element| {
            reply.array(2);
            reply.bulk(key.bytes());
            write_str(reply, element);
        })?;
        if popped.is_some() {
            context.propagate_as(&[pop_name(end), key.bytes()]);
            return Ok(());
        }
    }
    context.block(Block::on_keys(WaitKind::List, 1..last, timeout))
}

/// BLMPOP
pub static BLMPOP: CommandSpec = CommandSpec {
    name: "blmpop",
    arity: -5,
    flags: Flags::WRITE.with(Flags::BLOCKING),
    keys: &[KeySpec {
        flags: KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE),
        begin: Begin::Index(2),
        find: Find::KeyNum { count: 0, first: 1, step: 1 },
    }],
    since: "7.0.0",
    complexity: "O(N+M), N being the number of keys, M the elements returned",
    summary: "Takes elements off an end of the first of several lists that has any; waits for one if none has.",
    syntax: "timeout numkeys key [key ...] <LEFT|RIGHT> [COUNT count]",
    handler: blmpop,
    ..LIST_COMMAND
};

fn blmpop(context: &mut Context<'_>) -> CommandResult {
    let args = MpopArgs::parse(context.argv, 2)?;
    let timeout = Timeout::seconds(context.argv.at(1), context.now_ms())?;
    for index in args.keys.clone() {
        if context.at_hand(index) && pop_with_key(context, index, &args)? {
            return Ok(());
        }
    }
    context.block(Block::on_keys(WaitKind::List, args.keys, timeout))
}

/// BLMOVE
pub static BLMOVE: CommandSpec = CommandSpec {
    name: "blmove",
    arity: 6,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::BLOCKING),
    keys: &[SOURCE, DESTINATION],
    since: "6.2.0",
    summary: "Moves an element from an end of a list to an end of another and returns it; waits for one if there is none.",
    syntax: "source destination <LEFT|RIGHT> <LEFT|RIGHT> timeout",
    handler: blmove,
    ..LIST_COMMAND
};

fn blmove(context: &mut Context<'_>) -> CommandResult {
    let mut cursor = context.argv.cursor(3);
    let (from, to) = (parse_end(&mut cursor)?, parse_end(&mut cursor)?);
    wait_and_move(context, from, to, 5, b"LMOVE")
}

/// BRPOPLPUSH
pub static BRPOPLPUSH: CommandSpec = CommandSpec {
    name: "brpoplpush",
    arity: 4,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::BLOCKING),
    keys: &[SOURCE, DESTINATION],
    since: "2.2.0",
    summary: "Moves the last element of a list to the left end of another and returns it; waits for one if there is none.",
    syntax: "source destination timeout",
    changed_in: &["6.0.0"],
    handler: brpoplpush,
    ..LIST_COMMAND
};

fn brpoplpush(context: &mut Context<'_>) -> CommandResult {
    wait_and_move(context, End::Tail, End::Head, 3, b"RPOPLPUSH")
}

/// `timeout` is the last argument; without it the line is that of `plain`, which does not wait.
fn wait_and_move(context: &mut Context<'_>, from: End, to: End, timeout: usize, plain: &[u8]) -> CommandResult {
    let line = context.argv.to(timeout);
    let timeout = Timeout::seconds(context.argv.at(timeout), context.now_ms())?;
    if context.at_hand(1) && move_element(context, from, to)? {
        if context.propagates() {
            let has_waited = matches!(context.mode, Mode::Again { .. });
            let mut words: Vec<Vec<u8>> = line.iter().map(<[u8]>::to_vec).collect();
            // As Redis has them where the command has waited.
            words.iter_mut().skip(3).filter(|_| has_waited).for_each(|end| end.make_ascii_lowercase());
            let words = std::iter::once(plain).chain(words.iter().skip(1).map(Vec::as_slice));
            context.propagate_as(&words.collect::<Vec<_>>());
        }
        return Ok(());
    }
    context.block(Block {
        destination: Some(2),
        otherwise: TimeoutReply::NullIfDenied,
        ..Block::on_keys(WaitKind::List, 1..2, timeout)
    })
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&BLPOP, &BRPOP, &BLMPOP, &BLMOVE, &BRPOPLPUSH];
