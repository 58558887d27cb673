//! Entering what was denied into the log.

use super::check::{Denial, Reason};
use super::log::{Context as LogContext, Entry};
use crate::args::Argv;
use crate::client::Client;
use crate::command::Command;
use crate::context::Context;
use crate::server::Server;
use std::sync::Arc;

/// Logs that a command line was denied to the client.
#[cold]
pub fn log_denial(
    server: &Server,
    client: &Client,
    command: &Command,
    argv: Argv<'_>,
    denial: Denial,
    context: LogContext,
) {
    let object = match denial.reason {
        Reason::Command => command.full_name.as_bytes(),
        _ => argv.at(denial.argument),
    };
    add(server, client, denial.reason, context, object, client.user.name().clone());
}

/// Logs that somebody could not log in as `user`.
#[cold]
pub(crate) fn log_failed_login(context: &Context<'_>, user: &[u8], log_context: LogContext) {
    add(context.server, context.client, Reason::Auth, log_context, context.argv.at(0), user.into());
}

/// Logs that a certificate lets nobody in as the user it names.
#[cold]
pub(crate) fn log_failed_certificate(server: &Server, client: &Client, user: &[u8]) {
    add(server, client, Reason::Certificate, LogContext::TopLevel, b"", user.into());
}

fn add(server: &Server, client: &Client, reason: Reason, context: LogContext, object: &[u8], user: Arc<[u8]>) {
    let now_ms = crate::clock::unix_ms();
    let mut line = crate::commands::client::describe(server, &client.handle, now_ms);
    line.pop();
    let entry = Entry {
        id: 0,
        count: 1,
        reason,
        context,
        object: object.to_vec(),
        user,
        created_ms: now_ms,
        updated_ms: now_ms,
        client: line,
    };
    server.accounts.log.add(entry, usize::try_from(server.config().acllog_max_len).unwrap_or(usize::MAX));
}
