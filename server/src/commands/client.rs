//! CLIENT: who is connected, and what to do about it.

mod filter;
mod info;
mod tracking;

use crate::args::{Cursor, parse_int};
use crate::blocking::Unblock;
use crate::client::{ClientHandle, ClientKind, ReplyMode};
use crate::command::{AclCategories, CommandSpec, Flags, Group, Subcommands};
use crate::commands::connection::check_client_text;
use crate::context::Context;
use crate::error::{self, CommandResult};
use crate::pause::PauseKind;
use crate::server::Server;
use filter::Filter;
use std::sync::atomic::Ordering::Relaxed;
use tracking::{CACHING, GETREDIR, TRACKING, TRACKINGINFO};

const SUBCOMMAND: CommandSpec = CommandSpec {
    arity: 2,
    flags: Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::SENTINEL).with(Flags::ALLOW_BUSY),
    acl: AclCategories::CONNECTION,
    group: Group::Connection,
    ..CommandSpec::BASE
};
const ADMIN: Flags = Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE).with(Flags::SENTINEL);

/// CLIENT
pub static CLIENT: CommandSpec = CommandSpec {
    name: "client",
    arity: -2,
    flags: Flags::SENTINEL,
    acl: AclCategories::NONE,
    since: "2.4.0",
    summary: "Commands about client connections.",
    complexity: "That of the subcommand",
    subcommands: SUBCOMMANDS,
    ..SUBCOMMAND
};

const SUBCOMMANDS: Subcommands = &[
    &CACHING,
    &CAPA,
    &GETNAME,
    &GETREDIR,
    &HELP,
    &ID,
    &IMPORT_SOURCE,
    &INFO,
    &KILL,
    &LIST,
    &NO_EVICT,
    &NO_TOUCH,
    &PAUSE,
    &REPLY,
    &SETINFO,
    &SETNAME,
    &TRACKING,
    &TRACKINGINFO,
    &UNBLOCK,
    &UNPAUSE,
];

/// CLIENT HELP
pub static HELP: CommandSpec = CommandSpec {
    name: "help",
    flags: Flags::LOADING.with(Flags::STALE).with(Flags::SENTINEL),
    since: "5.0.0",
    summary: "Lists the subcommands.",
    handler: super::help::help,
    ..SUBCOMMAND
};

/// CLIENT ID
pub static ID: CommandSpec =
    CommandSpec { name: "id", since: "5.0.0", summary: "Tells the id of the connection.", handler: id, ..SUBCOMMAND };

fn id(context: &mut Context<'_>) -> CommandResult {
    context.reply.int(context.client.id() as i64);
    Ok(())
}

/// CLIENT GETNAME
pub static GETNAME: CommandSpec = CommandSpec {
    name: "getname",
    since: "2.6.9",
    summary: "Tells the name of the connection.",
    handler: get_name,
    ..SUBCOMMAND
};

fn get_name(context: &mut Context<'_>) -> CommandResult {
    let name = context.client.handle.name.lock();
    if name.is_empty() {
        context.reply.null()
    } else {
        context.reply.bulk(&*name)
    }
    Ok(())
}

/// CLIENT SETNAME
pub static SETNAME: CommandSpec = CommandSpec {
    name: "setname",
    arity: 3,
    since: "2.6.9",
    summary: "Names the connection.",
    syntax: "connection-name",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    handler: set_name,
    ..SUBCOMMAND
};

fn set_name(context: &mut Context<'_>) -> CommandResult {
    let name = context.argv.at(2);
    check_client_text(name).then_some(()).ok_or(error::CLIENT_NAME)?;
    *context.client.handle.name.lock() = name.to_vec();
    context.reply.ok();
    Ok(())
}

/// CLIENT SETINFO
pub static SETINFO: CommandSpec = CommandSpec {
    name: "setinfo",
    arity: 4,
    since: "7.2.0",
    summary: "Tells the server which library the client uses.",
    syntax: "<LIB-NAME libname|LIB-VER libver>",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    handler: set_info,
    ..SUBCOMMAND
};

fn set_info(context: &mut Context<'_>) -> CommandResult {
    let (option, value) = (context.argv.at(2), context.argv.at(3));
    let mut library = context.client.handle.library.lock();
    let (slot, name) = if option.eq_ignore_ascii_case(b"lib-name") {
        (&mut library.0, "lib-name")
    } else if option.eq_ignore_ascii_case(b"lib-ver") {
        (&mut library.1, "lib-ver")
    } else {
        return Err(error::unrecognized_option(option));
    };
    check_client_text(value).then_some(()).ok_or_else(|| error::client_info_text(name))?;
    *slot = value.to_vec();
    context.reply.ok();
    Ok(())
}

/// CLIENT CAPA
pub static CAPA: CommandSpec = CommandSpec {
    name: "capa",
    arity: -3,
    since: "8.0.0",
    summary: "Tells the server what the client can do.",
    syntax: "capability [capability ...]",
    handler: capa,
    ..SUBCOMMAND
};

fn capa(context: &mut Context<'_>) -> CommandResult {
    // Unknown capabilities are ignored, so that newer clients can announce theirs to older servers.
    let redirect = context.argv.iter().skip(2).any(|capability| capability.eq_ignore_ascii_case(b"redirect"));
    context.client.handle.understands_redirect.fetch_or(redirect, Relaxed);
    context.reply.ok();
    Ok(())
}

/// CLIENT REPLY
pub static REPLY: CommandSpec = CommandSpec {
    name: "reply",
    arity: 3,
    flags: SUBCOMMAND.flags.with(Flags::NO_MULTI),
    since: "3.2.0",
    summary: "Turns the replies to the connection off and on.",
    syntax: "<ON|OFF|SKIP>",
    handler: reply,
    ..SUBCOMMAND
};

fn reply(context: &mut Context<'_>) -> CommandResult {
    let modes = [("on", ReplyMode::On), ("off", ReplyMode::Off), ("skip", ReplyMode::SkipNext)];
    let mode = context.argv.cursor(2).one_of(&modes).ok_or(error::SYNTAX)?;
    match mode {
        ReplyMode::On => context.reply.ok(),
        // A SKIP while replies are off changes nothing.
        ReplyMode::SkipNext if context.client.reply_mode == ReplyMode::Off => return Ok(()),
        _ => {}
    }
    context.client.reply_mode = mode;
    Ok(())
}

fn on_off(cursor: &mut Cursor<'_>) -> Result<bool, error::CommandError> {
    cursor.one_of(&[("on", true), ("off", false)]).ok_or(error::SYNTAX)
}

/// CLIENT NO-EVICT
pub static NO_EVICT: CommandSpec = CommandSpec {
    name: "no-evict",
    arity: 3,
    flags: ADMIN.with(Flags::ALLOW_BUSY),
    since: "7.0.0",
    summary: "Exempts the connection from eviction.",
    syntax: "<ON|OFF>",
    handler: no_evict,
    ..SUBCOMMAND
};

fn no_evict(context: &mut Context<'_>) -> CommandResult {
    let on = on_off(&mut context.argv.cursor(2))?;
    context.client.handle.no_evict.store(on, Relaxed);
    context.client.publish_flags();
    context.reply.ok();
    Ok(())
}

/// CLIENT NO-TOUCH
pub static NO_TOUCH: CommandSpec = CommandSpec {
    name: "no-touch",
    arity: 3,
    since: "7.2.0",
    summary: "Leaves the access times of the keys the connection uses alone.",
    syntax: "<ON|OFF>",
    handler: no_touch,
    ..SUBCOMMAND
};

fn no_touch(context: &mut Context<'_>) -> CommandResult {
    context.client.no_touch = on_off(&mut context.argv.cursor(2))?;
    context.client.publish_flags();
    context.reply.ok();
    Ok(())
}

/// CLIENT IMPORT-SOURCE
pub static IMPORT_SOURCE: CommandSpec = CommandSpec {
    name: "import-source",
    arity: 3,
    flags: SUBCOMMAND.flags.without(Flags::SENTINEL).without(Flags::ALLOW_BUSY),
    since: "8.1.0",
    summary: "Says whether the connection imports the data of another server.",
    syntax: "<ON|OFF>",
    handler: import_source,
    ..SUBCOMMAND
};

fn import_source(context: &mut Context<'_>) -> CommandResult {
    let off = context.argv.at(2).eq_ignore_ascii_case(b"off");
    if !off && !context.server.config().import_mode {
        return Err(error::NOT_IMPORTING);
    }
    context.client.import_source = on_off(&mut context.argv.cursor(2))?;
    context.client.publish_flags();
    context.reply.ok();
    Ok(())
}

/// CLIENT PAUSE
pub static PAUSE: CommandSpec = CommandSpec {
    name: "pause",
    arity: -3,
    flags: ADMIN,
    since: "3.0.0",
    summary: "Holds clients back for some milliseconds.",
    syntax: "timeout [WRITE|ALL]",
    changed_in: &["6.2.0"],
    handler: pause,
    ..SUBCOMMAND
};

fn pause(context: &mut Context<'_>) -> CommandResult {
    let mut cursor = context.argv.cursor(2);
    if cursor.remaining() > 2 {
        return Err(error::unknown_subcommand_or_arity("CLIENT", b"pause"));
    }
    let millis = cursor.bytes()?;
    let kind = match cursor.is_done() {
        true => PauseKind::All,
        false => cursor.one_of(&[("write", PauseKind::Write), ("all", PauseKind::All)]).ok_or(error::PAUSE_MODE)?,
    };
    let millis = parse_int(millis).ok_or(error::TIMEOUT_NOT_INTEGER)?;
    let now_ms = context.now_ms();
    let until_ms = match millis {
        ..0 => return Err(error::TIMEOUT_NEGATIVE),
        _ => now_ms.checked_add(millis).ok_or(error::TIMEOUT_OUT_OF_RANGE)?,
    };
    context.server.pause.start(kind, until_ms, now_ms, &context.server.attention);
    context.server.bump_gate_epoch();
    context.after.barrier = true;
    context.reply.ok();
    Ok(())
}

/// CLIENT UNBLOCK
pub static UNBLOCK: CommandSpec = CommandSpec {
    name: "unblock",
    arity: -3,
    flags: ADMIN,
    since: "5.0.0",
    summary: "Ends the wait of another client in a blocking command.",
    complexity: "O(log N), N being the clients that wait for the same keys",
    syntax: "client-id [TIMEOUT|ERROR]",
    handler: unblock,
    ..SUBCOMMAND
};

fn unblock(context: &mut Context<'_>) -> CommandResult {
    let mut cursor = context.argv.cursor(2);
    let id = cursor.bytes()?;
    let how = match cursor.is_done() {
        true => Unblock::Timeout,
        false => {
            cursor.one_of(&[("timeout", Unblock::Timeout), ("error", Unblock::Error)]).ok_or(error::UNBLOCK_REASON)?
        }
    };
    cursor.finish().map_err(|_| error::unknown_subcommand_or_arity("CLIENT", b"unblock"))?;
    let id = parse_int(id).ok_or(error::NOT_INTEGER)?;
    let client = u64::try_from(id).ok().and_then(|id| context.server.clients.get(id));
    let unblocked = client.is_some_and(|client| context.server.blocked.unblock(&client, how));
    context.reply.int(i64::from(unblocked));
    Ok(())
}

/// CLIENT UNPAUSE
pub static UNPAUSE: CommandSpec = CommandSpec {
    name: "unpause",
    flags: ADMIN,
    since: "6.2.0",
    summary: "Lets paused clients go on.",
    handler: unpause,
    ..SUBCOMMAND
};

fn unpause(context: &mut Context<'_>) -> CommandResult {
    context.server.pause.end(&context.server.attention);
    crate::pause::wake_held_back(context.server);
    context.reply.ok();
    Ok(())
}

/// CLIENT INFO
pub static INFO: CommandSpec = CommandSpec {
    name: "info",
    flags: Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::SENTINEL),
    since: "6.2.0",
    summary: "Describes the connection.",
    tips: &["nondeterministic_output"],
    handler: info_of_self,
    ..SUBCOMMAND
};

fn info_of_self(context: &mut Context<'_>) -> CommandResult {
    let line = info::line(context.server, &context.client.handle, context.now_ms(), Some(context));
    context.reply.verbatim(b"txt", line);
    Ok(())
}

/// The line of CLIENT LIST about a client.
pub(crate) fn describe(server: &Server, client: &ClientHandle, now_ms: i64) -> Vec<u8> {
    info::line(server, client, now_ms, None)
}

/// CLIENT LIST
pub static LIST: CommandSpec = CommandSpec {
    name: "list",
    arity: -2,
    flags: ADMIN,
    since: "2.4.0",
    complexity: "O(N), N being the connections",
    summary: "Describes all connections, or some of them.",
    syntax: filter::LIST_SYNTAX,
    changed_in: &["2.8.12", "5.0.0", "6.0.0", "6.2.0", "7.0.0", "7.0.3", "8.0.0", "8.1.0", "9.0.0"],
    tips: &["nondeterministic_output"],
    handler: list,
    ..SUBCOMMAND
};

fn list(context: &mut Context<'_>) -> CommandResult {
    let filter = Filter::parse_list(context.argv.cursor(2), context.server)?;
    let mut text = Vec::new();
    for handle in context.server.clients.all() {
        let is_self = handle.id == context.client.id();
        if !is_self && handle.is_leaving() {
            continue;
        }
        if filter.matches(&handle, is_self, context.now_ms()) {
            text.extend_from_slice(&info::line(context.server, &handle, context.now_ms(), Some(context)));
        }
    }
    context.reply.verbatim(b"txt", text);
    Ok(())
}

/// CLIENT KILL
pub static KILL: CommandSpec = CommandSpec {
    name: "kill",
    arity: -3,
    flags: ADMIN,
    since: "2.4.0",
    complexity: "O(N), N being the connections",
    summary: "Closes connections.",
    syntax: filter::KILL_SYNTAX,
    changed_in: &["2.8.12", "3.2.0", "5.0.0", "6.2.0", "8.0.0", "8.1.0", "9.0.0"],
    handler: kill,
    ..SUBCOMMAND
};

fn kill(context: &mut Context<'_>) -> CommandResult {
    // The old form names one address, kills also the caller, and answers OK.
    let old_form = context.argv.len() == 3;
    let filter = match old_form {
        true => Filter::of_address(context.argv.at(2)),
        false => Filter::parse_kill(context.argv.cursor(2), context.server)?,
    };
    let mut killed = 0;
    for handle in context.server.clients.all() {
        let is_self = handle.id == context.client.id();
        if !is_self && handle.is_leaving() || !filter.matches(&handle, is_self, context.now_ms()) {
            continue;
        }
        killed += 1;
        if is_self {
            context.after.close = true
        } else {
            context.server.blocked.cancel(&handle);
            if handle.kind() == ClientKind::Replica {
                context.server.log.give_up(context.server, handle.id, context.now_ms());
            }
            handle.kill()
        }
    }
    match (old_form, killed) {
        (true, 0) => return Err(error::NO_SUCH_CLIENT),
        (true, _) => context.reply.ok(),
        (false, _) => context.reply.int(killed),
    }
    Ok(())
}

/// The commands of this family.
pub const ALL: &[&CommandSpec] = &[&CLIENT];
