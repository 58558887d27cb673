//! Connections: PING, ECHO, SELECT, AUTH, HELLO, RESET, QUIT.

use crate::acl::LogContext;
use crate::args::{Cursor, parse_int};
use crate::client::Client;
use crate::command::{AclCategories, CommandSpec, Flags, Group, LockClass};
use crate::context::{After, Context};
use crate::error::{self, CommandError, CommandResult};
use ochre_resp::reply::Protocol;
use std::sync::atomic::Ordering::Relaxed;

const CONNECTION: CommandSpec =
    CommandSpec { acl: AclCategories::CONNECTION, group: Group::Connection, ..CommandSpec::BASE };
/// Flags of what a client may call before it has logged in.
const OPEN: Flags = Flags::NOSCRIPT
    .with(Flags::LOADING)
    .with(Flags::STALE)
    .with(Flags::FAST)
    .with(Flags::NO_AUTH)
    .with(Flags::ALLOW_BUSY);

/// PING
pub static PING: CommandSpec = CommandSpec {
    name: "ping",
    arity: -1,
    flags: Flags::FAST.with(Flags::SENTINEL),
    summary: "Answers PONG, or the message.",
    syntax: "[message]",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    handler: ping,
    ..CONNECTION
};

fn ping(context: &mut Context<'_>) -> CommandResult {
    // Among messages a client of the old protocol would not know a simple string for what it is.
    if context.client.is_listener() && context.client.protocol == Protocol::Resp2 && context.argv.len() <= 2 {
        context.reply.array(2);
        context.reply.bulk("pong");
        context.reply.bulk(context.argv.get(1).unwrap_or_default());
        return Ok(());
    }
    match context.argv.len() {
        1 => context.reply.simple("PONG"),
        2 => context.reply.bulk(context.argv.at(1)),
        _ => return Err(error::wrong_arity("ping")),
    }
    Ok(())
}

/// ECHO
pub static ECHO: CommandSpec = CommandSpec {
    name: "echo",
    arity: 2,
    flags: Flags::LOADING.with(Flags::STALE).with(Flags::FAST),
    summary: "Answers with the message.",
    syntax: "message",
    handler: echo,
    ..CONNECTION
};

fn echo(context: &mut Context<'_>) -> CommandResult {
    context.reply.bulk(context.argv.at(1));
    Ok(())
}

/// SELECT
pub static SELECT: CommandSpec = CommandSpec {
    name: "select",
    arity: 2,
    flags: Flags::LOADING.with(Flags::STALE).with(Flags::FAST).with(Flags::ALLOW_BUSY),
    summary: "Changes the database of the connection.",
    syntax: "index",
    databases: Some(|_, found| found(1)),
    handler: select,
    ..CONNECTION
};

fn select(context: &mut Context<'_>) -> CommandResult {
    let number = parse_int(context.argv.at(1)).ok_or(error::NOT_INTEGER)?;
    let number = i32::try_from(number).map_err(|_| error::NOT_32_BITS)?;
    let db = usize::try_from(number).ok().filter(|db| *db < context.server.store.databases());
    context.client.db = db.ok_or(error::DB_OUT_OF_RANGE)?;
    context.reply.ok();
    Ok(())
}

/// AUTH
pub static AUTH: CommandSpec = CommandSpec {
    name: "auth",
    arity: -2,
    flags: OPEN.with(Flags::SENTINEL),
    summary: "Logs the connection in.",
    syntax: "[username] password",
    complexity: "O(N), N being the passwords of the user",
    changed_in: &["6.0.0"],
    handler: auth,
    ..CONNECTION
};

fn auth(context: &mut Context<'_>) -> CommandResult {
    context.after.rare().redacted.extend(1..context.argv.len());
    let (user, password) = match context.argv.len() {
        2 => (b"default".as_slice(), context.argv.at(1)),
        3 => (context.argv.at(1), context.argv.at(2)),
        _ => return Err(error::SYNTAX),
    };
    if context.argv.len() == 2 && context.server.accounts.default_account().user().needs_no_password() {
        return Err(error::AUTH_WITHOUT_PASSWORD);
    }
    log_in(context, user, password)?;
    context.reply.ok();
    Ok(())
}

/// Logs the connection in as `user`, or says that it may not.
fn log_in(context: &mut Context<'_>, user: &[u8], password: &[u8]) -> Result<(), CommandError> {
    let Some(account) = context.server.accounts.authenticate(user, password) else {
        let log_context = if context.denies_blocking() { LogContext::Transaction } else { LogContext::TopLevel };
        crate::acl::log_failed_login(context, user, log_context);
        return Err(error::WRONG_PASSWORD);
    };
    context.client.authenticated = true;
    context.client.set_account(account);
    // Who deletes the user now finds this client, or else has done so already.
    if context.client.account.is_gone() {
        context.client.log_out(&context.server.accounts);
        return Err(error::WRONG_PASSWORD);
    }
    Ok(())
}

/// HELLO
pub static HELLO: CommandSpec = CommandSpec {
    name: "hello",
    arity: -1,
    flags: OPEN.with(Flags::SENTINEL),
    since: "6.0.0",
    summary: "Chooses the protocol version, logs in, and tells about the server.",
    syntax: "[protover [AUTH username password] [SETNAME clientname]]",
    changed_in: &["6.2.0", "8.1.0"],
    handler: hello,
    ..CONNECTION
};

struct HelloArgs<'a> {
    protocol: Option<Protocol>,
    login: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

impl<'a> HelloArgs<'a> {
    /// Notes in `after` which arguments are secret, also where it fails later.
    fn parse(mut cursor: Cursor<'a>, after: &mut After) -> Result<HelloArgs<'a>, CommandError> {
        let mut parsed = HelloArgs { protocol: None, login: None, name: None };
        if cursor.is_done() {
            return Ok(parsed);
        }
        parsed.protocol = Some(match cursor.int() {
            Ok(2) => Protocol::Resp2,
            Ok(3) => Protocol::Resp3,
            Ok(_) => return Err(error::NO_PROTOCOL),
            Err(_) => return Err(error::PROTOCOL_NOT_INTEGER),
        });
        while let Some(option) = cursor.peek() {
            let remaining = cursor.remaining();
            if remaining >= 3 && cursor.token("AUTH") {
                after.rare().redacted.extend([cursor.position(), cursor.position() + 1]);
                parsed.login = Some((cursor.bytes()?, cursor.bytes()?));
            } else if remaining >= 2 && cursor.token("SETNAME") {
                let name = cursor.bytes()?;
                check_client_text(name).then_some(()).ok_or(error::CLIENT_NAME)?;
                parsed.name = Some(name);
            } else {
                return Err(error::hello_option(option));
            }
        }
        Ok(parsed)
    }
}

fn hello(context: &mut Context<'_>) -> CommandResult {
    let arguments = HelloArgs::parse(context.argv.cursor(1), context.after)?;
    if let Some((user, password)) = arguments.login {
        log_in(context, user, password)?;
    }
    if !context.client.authenticated {
        let is_old = context.server.config().compatibility_level.old_error_texts();
        return Err(if is_old { error::OLD_HELLO_NO_AUTH } else { error::HELLO_NO_AUTH });
    }
    if let Some(name) = arguments.name {
        *context.client.handle.name.lock() = name.to_vec();
    }
    if let Some(protocol) = arguments.protocol {
        context.client.set_protocol(protocol);
        context.reply.set_protocol(protocol);
    }
    let config = context.server.config();
    let zone = config.availability_zone.as_str();
    let reply = &mut context.reply;
    reply.map(7 + usize::from(!zone.is_empty()));
    reply.bulk("server");
    reply.bulk("redis");
    reply.bulk("version");
    reply.bulk(crate::server::REDIS_VERSION);
    reply.bulk("proto");
    reply.int(if context.client.protocol == Protocol::Resp3 { 3 } else { 2 });
    reply.bulk("id");
    reply.int(context.client.id() as i64);
    reply.bulk("mode");
    reply.bulk("standalone");
    reply.bulk("role");
    reply.bulk("master");
    reply.bulk("modules");
    reply.array(0);
    if !zone.is_empty() {
        reply.bulk("availability_zone");
        reply.bulk(zone);
    }
    Ok(())
}

/// RESET
pub static RESET: CommandSpec = CommandSpec {
    name: "reset",
    arity: 1,
    flags: OPEN,
    lock: LockClass::Session(Client::watched_shards),
    since: "6.2.0",
    summary: "Puts the connection back into the state of a new one.",
    handler: reset,
    ..CONNECTION
};

fn reset(context: &mut Context<'_>) -> CommandResult {
    let client = &mut *context.client;
    if client.monitor {
        context.server.monitors.remove(client.id(), &context.server.attention);
    }
    client.end_transaction();
    crate::transaction::stop_watching(context.server, client, &mut context.txn)?;
    let handle = client.handle.clone();
    client.stop_tracking(context.server);
    if let Some(mut own) = client.subscriptions.take() {
        context.server.pubsub.leave(&handle, &mut own);
        client.subscriptions_changed();
    }
    handle.name.lock().clear();
    if context.server.config().compatibility_level.reset_ends_exemption() {
        handle.no_evict.store(false, Relaxed);
    }
    *client = Client::new(handle, &context.server.accounts);
    client.set_protocol(Protocol::Resp2);
    client.publish_flags();
    context.reply.set_protocol(Protocol::Resp2);
    context.reply.simple("RESET");
    Ok(())
}

/// QUIT
pub static QUIT: CommandSpec = CommandSpec {
    name: "quit",
    arity: -1,
    flags: OPEN,
    summary: "Closes the connection after the reply.",
    handler: quit,
    ..CONNECTION
};

fn quit(context: &mut Context<'_>) -> CommandResult {
    context.after.close = true;
    context.reply.ok();
    Ok(())
}

/// Whether a text may be a client's name, or its library's: no blanks, line breaks or other control characters.
pub(crate) fn check_client_text(text: &[u8]) -> bool {
    text.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

/// The commands of this family that belong to the connection alone.
pub const ALL: &[&CommandSpec] = &[&PING, &ECHO, &SELECT, &AUTH, &HELLO, &RESET, &QUIT];
