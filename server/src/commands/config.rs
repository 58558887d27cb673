//! CONFIG: what the server was told, and telling it otherwise.

use crate::acl::RuleSet;
use crate::args::Argv;
use crate::command::{CommandSpec, Flags, Group, LockClass};
use crate::config::apply::change;
use crate::config::{self, Requester, SetError};
use crate::context::Context;
use crate::error::{self, CommandResult};
use crate::server::Attention;

const SERVER: CommandSpec = CommandSpec { group: Group::Server, since: "2.0.0", ..CommandSpec::BASE };
const FLAGS: Flags = Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE);
const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

/// CONFIG
pub static CONFIG: CommandSpec = CommandSpec {
    name: "config",
    arity: -2,
    complexity: "That of the subcommand",
    summary: "Reads and changes the configuration.",
    subcommands: &[&GET, &HELP, &RESETSTAT, &REWRITE, &SET],
    ..SERVER
};

/// CONFIG GET
pub static GET: CommandSpec = CommandSpec {
    name: "get",
    arity: -3,
    flags: FLAGS,
    complexity: "O(N), N being the directives named",
    summary: "Answers with the directives that match a pattern, and their values.",
    syntax: "parameter [parameter ...]",
    changed_in: &["7.0.0"],
    handler: get,
    ..SERVER
};

fn get(context: &mut Context<'_>) -> CommandResult {
    let patterns: Vec<&[u8]> = context.argv.iter().skip(2).collect();
    let found = config::get(&context.server.config(), &patterns);
    context.reply.map(found.len());
    for (name, value) in &found {
        context.reply.bulk(name);
        context.reply.bulk(value);
    }
    Ok(())
}

/// CONFIG SET
pub static SET: CommandSpec = CommandSpec {
    name: "set",
    arity: -4,
    flags: FLAGS,
    complexity: "O(N), N being the directives named",
    summary: "Changes directives: all that are named, or none.",
    syntax: "parameter value [parameter value ...]",
    lock: LockClass::KeysOrAll(touches_log),
    tips: EVERYWHERE,
    changed_in: &["7.0.0"],
    handler: set,
    ..SERVER
};

fn set(context: &mut Context<'_>) -> CommandResult {
    let arguments: Vec<&[u8]> = context.argv.iter().skip(2).collect();
    let mut pairs = Vec::with_capacity(arguments.len() / 2);
    for (number, pair) in arguments.chunks(2).enumerate() {
        let &[name, value] = pair else { return Err(error::SYNTAX) };
        if config::is_sensitive(name) {
            context.after.rare().redacted.push(number * 2 + 3);
        }
        pairs.push((name, value));
    }
    let loading = context.server.attention.get() & (Attention::LOADING | Attention::LOADS_ASIDE) != 0;
    let requester = Requester { local: context.client.handle.is_local(), loading };
    match change(context.server, &pairs, requester) {
        Ok(()) => {
            if touches_log(context.argv) {
                let (server, in_transaction) = (context.server, context.denies_blocking());
                let on = server.config().appendonly;
                if !crate::aof::switch(server, &mut context.txn, on, in_transaction) {
                    // A value it had before is not refused.
                    let _ = change(server, &[(b"appendonly".as_slice(), b"no".as_slice())], requester);
                    return Err(error::AOF_NOT_ON);
                }
                crate::aof::tidy(server);
            }
            // Nobody is served by the old configuration once this client has its answer.
            context.after.barrier = true;
            context.reply.ok();
            Ok(())
        }
        Err(SetError::Loading) => Err(error::LOADING),
        Err(refusal) => Err(error::message(&refusal)),
    }
}

/// Whether a directive is named whose change needs a moment at which nothing is executed.
fn touches_log(argv: Argv<'_>) -> bool {
    let names = ["appendonly", "aof-disable-auto-gc"];
    argv.iter().skip(2).step_by(2).any(|name| names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())))
}

/// CONFIG REWRITE
pub static REWRITE: CommandSpec = CommandSpec {
    name: "rewrite",
    arity: 2,
    flags: FLAGS,
    since: "2.8.0",
    summary: "Writes the present configuration into the file the server was started with.",
    tips: EVERYWHERE,
    handler: rewrite,
    ..SERVER
};

fn rewrite(context: &mut Context<'_>) -> CommandResult {
    rewrite_file(context, false)?;
    context.reply.ok();
    Ok(())
}

/// Rewrites the configuration file; with `force_all` (DEBUG CONFIG-REWRITE-FORCE-ALL) also what is at its default.
pub(crate) fn rewrite_file(context: &Context<'_>, force_all: bool) -> CommandResult {
    let path = context.server.process.config_file.as_deref().ok_or(error::NO_CONFIG_FILE)?;
    let config = context.server.config();
    let set = RuleSet::new(&context.server.commands, &config);
    let users: Vec<String> = match config.aclfile.as_os_str().is_empty() {
        true => context.server.accounts.all().iter().map(|account| account.user().config_line(&set)).collect(),
        // They stand in a file of their own.
        false => Vec::new(),
    };
    match config::rewrite(path, &config, Some(&users), force_all) {
        Ok(()) => {
            tracing::warn!("CONFIG REWRITE executed with success.");
            Ok(())
        }
        Err(refusal) => {
            tracing::warn!(%refusal, "CONFIG REWRITE failed");
            Err(error::message(&refusal))
        }
    }
}

/// CONFIG RESETSTAT
pub static RESETSTAT: CommandSpec = CommandSpec {
    name: "resetstat",
    arity: 2,
    flags: FLAGS,
    summary: "Sets the statistics of INFO back to zero.",
    tips: EVERYWHERE,
    handler: resetstat,
    ..SERVER
};

fn resetstat(context: &mut Context<'_>) -> CommandResult {
    let server = context.server;
    server.stats.reset();
    server.store.reset_stats();
    server.rates.reset();
    server.over_limit.reset();
    server.accounts.log.reset_counts();
    context.reply.ok();
    Ok(())
}

/// CONFIG HELP
pub static HELP: CommandSpec = CommandSpec {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.with(Flags::STALE),
    since: "5.0.0",
    summary: "Lists these subcommands.",
    handler: super::help::help,
    ..SERVER
};

/// The commands of this family.
pub const ALL: &[&CommandSpec] = &[&CONFIG];
