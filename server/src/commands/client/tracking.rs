//! CLIENT TRACKING and its kin: client-side caching.

use super::SUBCOMMAND;
use crate::client::ClientHandle;
use crate::command::{CommandSpec, Flags};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use crate::tracking::{Mode, Tracks};
use std::sync::Arc;

/// Not while a script is busy.
const QUIET: Flags = SUBCOMMAND.flags.without(Flags::ALLOW_BUSY);

/// CLIENT TRACKING
pub(super) static TRACKING: CommandSpec = CommandSpec {
    name: "tracking",
    arity: -3,
    flags: QUIET,
    since: "6.0.0",
    complexity: "O(N), N being the prefixes",
    summary: "Has the connection told when keys change that it has read.",
    syntax: "<ON|OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
    handler: tracking,
    ..SUBCOMMAND
};

#[derive(Default)]
struct Options<'a> {
    redirect: Option<Arc<ClientHandle>>,
    prefixes: Vec<&'a [u8]>,
    tracks: Tracks,
    no_loop: bool,
}

fn tracking(context: &mut Context<'_>) -> CommandResult {
    let options = parse(context)?;
    match context.argv.cursor(2).one_of(&[("on", true), ("off", false)]) {
        Some(true) => {
            check(context, &options)?;
            enable(context, options);
        }
        Some(false) => context.client.stop_tracking(context.server),
        None => return Err(error::SYNTAX),
    }
    // Who reads or writes from now on knows of it.
    context.after.barrier = true;
    context.reply.ok();
    Ok(())
}

fn parse<'a>(context: &Context<'a>) -> Result<Options<'a>, CommandError> {
    let mut options = Options::default();
    let mut cursor = context.argv.cursor(3);
    while !cursor.is_done() {
        let has_more = cursor.remaining() > 1;
        if has_more && cursor.token("REDIRECT") {
            if options.redirect.is_some() {
                return Err(error::TRACKING_REDIRECTS_TWICE);
            }
            let id = cursor.int()?;
            let target = u64::try_from(id).ok().and_then(|id| context.server.clients.get(id));
            options.redirect = Some(target.ok_or(error::TRACKING_NO_SUCH_CLIENT)?);
        } else if has_more && cursor.token("PREFIX") {
            options.prefixes.push(cursor.bytes()?);
        } else if cursor.token("BCAST") {
            options.tracks.broadcast = true;
        } else if cursor.token("OPTIN") {
            options.tracks.opt_in = true;
        } else if cursor.token("OPTOUT") {
            options.tracks.opt_out = true;
        } else if cursor.token("NOLOOP") {
            options.no_loop = true;
        } else {
            return Err(error::SYNTAX);
        }
    }
    Ok(options)
}

/// Whether the options go together, and with those in force.
fn check(context: &Context<'_>, options: &Options<'_>) -> CommandResult {
    let (new, old) = (options.tracks, context.client.tracks);
    if !new.broadcast && !options.prefixes.is_empty() {
        return Err(error::TRACKING_PREFIX_WITHOUT_BCAST);
    }
    if old.is_some_and(|old| old.broadcast != new.broadcast) {
        return Err(error::TRACKING_SWITCHES_BCAST);
    }
    if new.broadcast && (new.opt_in || new.opt_out) {
        return Err(error::TRACKING_OPTIONS_WITH_BCAST);
    }
    if new.opt_in && new.opt_out {
        return Err(error::TRACKING_BOTH_OPTIONS);
    }
    if old.is_some_and(|old| new.opt_in && old.opt_out || new.opt_out && old.opt_in) {
        return Err(error::TRACKING_SWITCHES_OPTION);
    }
    let overlap = |one: &[u8], other: &[u8]| one.starts_with(other) || other.starts_with(one);
    for (number, prefix) in options.prefixes.iter().enumerate() {
        let mut known = context.client.prefixes.iter();
        if let Some(other) = known.find(|other| overlap(prefix, other)) {
            return Err(error::prefix_overlap(prefix, "an existing", other));
        }
        let mut others = options.prefixes.iter().skip(number + 1);
        if let Some(other) = others.find(|other| overlap(prefix, other)) {
            return Err(error::prefix_overlap(prefix, "another provided", other));
        }
    }
    Ok(())
}

fn enable(context: &mut Context<'_>, options: Options<'_>) {
    let (client, server) = (&mut *context.client, context.server);
    let mut mode = 0;
    if options.tracks.broadcast {
        mode |= Mode::BROADCAST;
    }
    if options.no_loop {
        mode |= Mode::NO_LOOP;
    }
    let caching = client.tracks.is_some_and(|old| old.caching);
    client.start_tracking(Tracks { caching, ..options.tracks });
    server.tracking.enable(&client.handle, mode, options.redirect, &server.attention);
    if options.tracks.broadcast {
        let all: &[&[u8]] = &[b""];
        let prefixes = if options.prefixes.is_empty() { all } else { &options.prefixes };
        for prefix in prefixes {
            server.tracking.add_prefix(&client.handle, prefix);
            client.prefixes.insert((*prefix).into());
        }
        client.publish_prefixes();
    }
}

/// CLIENT CACHING
pub(super) static CACHING: CommandSpec = CommandSpec {
    name: "caching",
    arity: 3,
    since: "6.0.0",
    summary: "Has the keys of the next command tracked, or not.",
    syntax: "<YES|NO>",
    handler: caching,
    ..SUBCOMMAND
};

fn caching(context: &mut Context<'_>) -> CommandResult {
    let Some(tracks) = &mut context.client.tracks else { return Err(error::CACHING_WITHOUT_TRACKING) };
    match context.argv.cursor(2).one_of(&[("yes", true), ("no", false)]) {
        Some(true) if !tracks.opt_in => return Err(error::CACHING_YES),
        Some(false) if !tracks.opt_out => return Err(error::CACHING_NO),
        Some(_) => tracks.caching = true,
        None => return Err(error::SYNTAX),
    }
    context.reply.ok();
    Ok(())
}

/// CLIENT GETREDIR
pub(super) static GETREDIR: CommandSpec = CommandSpec {
    name: "getredir",
    since: "6.0.0",
    summary: "Tells the id of the client that is told in place of the connection.",
    handler: get_redirect,
    ..SUBCOMMAND
};

fn get_redirect(context: &mut Context<'_>) -> CommandResult {
    context.reply.int(redirect(context));
    Ok(())
}

fn redirect(context: &Context<'_>) -> i64 {
    context.client.handle.tracker.redirect().map_or(-1, |id| id as i64)
}

/// CLIENT TRACKINGINFO
pub(super) static TRACKINGINFO: CommandSpec = CommandSpec {
    name: "trackinginfo",
    flags: QUIET,
    since: "6.2.0",
    summary: "Tells how the connection tracks keys.",
    handler: tracking_info,
    ..SUBCOMMAND
};

fn tracking_info(context: &mut Context<'_>) -> CommandResult {
    let mode = context.client.handle.tracker.mode();
    let tracks = context.client.tracks.unwrap_or_default();
    let flags = [
        (context.client.tracks.is_none(), "off"),
        (context.client.tracks.is_some(), "on"),
        (tracks.broadcast, "bcast"),
        (tracks.opt_in, "optin"),
        (tracks.opt_in && tracks.caching, "caching-yes"),
        (tracks.opt_out, "optout"),
        (tracks.opt_out && tracks.caching, "caching-no"),
        (mode & Mode::NO_LOOP != 0, "noloop"),
        (mode & Mode::BROKEN != 0, "broken_redirect"),
    ];
    let shown = || flags.iter().filter(|(is_set, _)| *is_set);
    let redirect = redirect(context);
    let reply = &mut context.reply;
    reply.map(3);
    reply.bulk("flags");
    reply.set(shown().count());
    shown().for_each(|(_, name)| reply.bulk(name));
    reply.bulk("redirect");
    reply.int(redirect);
    reply.bulk("prefixes");
    let prefixes = &context.client.prefixes;
    reply.array(prefixes.len());
    prefixes.iter().for_each(|prefix| reply.bulk(prefix));
    Ok(())
}
