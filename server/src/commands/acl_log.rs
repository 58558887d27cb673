//! ACL LOG.

use super::acl::ADMIN;
use crate::acl::LogEntry;
use crate::command::CommandSpec;
use crate::context::Context;
use crate::error::{self, CommandResult};
use ochre_resp::reply::ReplyWriter;

/// ACL LOG
pub static LOG: CommandSpec = CommandSpec {
    name: "log",
    arity: -2,
    complexity: "O(N), N being the entries shown",
    summary: "Shows the latest commands and logins that were denied, or forgets them.",
    syntax: "[count|RESET]",
    changed_in: &["7.2.0"],
    handler: log,
    ..ADMIN
};

/// Entries that are shown where nobody says how many.
const COUNT: usize = 10;

fn log(context: &mut Context<'_>) -> CommandResult {
    let mut cursor = context.argv.cursor(2);
    let log = &context.server.accounts.log;
    let count = match cursor.remaining() {
        0 => COUNT,
        1 if cursor.token("RESET") => {
            log.reset();
            context.reply.ok();
            return Ok(());
        }
        1 => usize::try_from(cursor.int()?).unwrap_or_default(),
        _ => return Err(error::unknown_subcommand_or_arity("ACL", context.argv.at(1))),
    };
    let numbered = context.server.config().compatibility_level.numbers_denials();
    let (entries, now_ms) = (log.latest(count), crate::clock::unix_ms());
    context.reply.array(entries.len());
    entries.iter().for_each(|entry| write(&mut context.reply, entry, now_ms, numbered));
    Ok(())
}

fn write(reply: &mut ReplyWriter<'_>, entry: &LogEntry, now_ms: i64, numbered: bool) {
    reply.map(if numbered { 10 } else { 7 });
    reply.bulk("count");
    reply.int(entry.count as i64);
    let texts: [(&str, &[u8]); 4] = [
        ("reason", entry.reason.name().as_bytes()),
        ("context", entry.context.name().as_bytes()),
        ("object", &entry.object),
        ("username", &entry.user),
    ];
    for (name, text) in texts {
        reply.bulk(name);
        reply.bulk(text);
    }
    reply.bulk("age-seconds");
    reply.double(now_ms.saturating_sub(entry.updated_ms) as f64 / 1000.0);
    reply.bulk("client-info");
    reply.bulk(&entry.client);
    if numbered {
        let numbers = [
            ("entry-id", entry.id as i64),
            ("timestamp-created", entry.created_ms),
            ("timestamp-last-updated", entry.updated_ms),
        ];
        for (name, number) in numbers {
            reply.bulk(name);
            reply.int(number);
        }
    }
}
