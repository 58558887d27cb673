//! ACL: users and what they may do.

use crate::acl::RuleSet;
use crate::args::parse_int;
use crate::command::{AclCategories, CommandSpec, Flags, Group, Subcommands};
use crate::context::Context;
use crate::error::{self, CommandResult};

use super::acl_log::LOG;
use super::acl_users::{DELUSER, DRYRUN, GETUSER, LOAD, SAVE, SETUSER};

/// What a subcommand is that everybody may call.
pub(super) const SUBCOMMAND: CommandSpec = CommandSpec {
    arity: 2,
    flags: Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::SENTINEL),
    since: "6.0.0",
    group: Group::Server,
    ..CommandSpec::BASE
};
/// What a subcommand for administrators is.
pub(super) const ADMIN: CommandSpec = CommandSpec { flags: SUBCOMMAND.flags.with(Flags::ADMIN), ..SUBCOMMAND };
/// Tips of what changes users.
pub(super) const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

/// ACL
pub static ACL: CommandSpec = CommandSpec {
    name: "acl",
    arity: -2,
    flags: Flags::SENTINEL,
    complexity: "That of the subcommand",
    summary: "Commands about users and what they may do.",
    subcommands: SUBCOMMANDS,
    ..SUBCOMMAND
};

const SUBCOMMANDS: Subcommands =
    &[&CAT, &DELUSER, &DRYRUN, &GENPASS, &GETUSER, &HELP, &LIST, &LOAD, &LOG, &SAVE, &SETUSER, &USERS, &WHOAMI];

/// ACL CAT
pub static CAT: CommandSpec = CommandSpec {
    name: "cat",
    arity: -2,
    complexity: "O(N), N being the commands",
    summary: "Lists the categories of commands, or the commands of one.",
    syntax: "[category]",
    handler: cat,
    ..SUBCOMMAND
};

fn cat(context: &mut Context<'_>) -> CommandResult {
    let name = match context.argv.len() {
        2 => {
            let names: Vec<_> = AclCategories::all_names().collect();
            context.reply.array(names.len());
            names.iter().for_each(|name| context.reply.bulk(name));
            return Ok(());
        }
        3 => context.argv.at(2),
        _ => return Err(error::unknown_subcommand_or_arity("ACL", context.argv.at(1))),
    };
    let category = std::str::from_utf8(name).ok().and_then(AclCategories::from_name);
    let category = category.ok_or_else(|| error::unknown_category(name))?;
    let table = &context.server.commands;
    let found = table.all().iter().filter(|command| command.spec.acl_categories().has(category));
    let names: Vec<&str> = found.map(|command| command.full_name.as_str()).collect();
    context.reply.array(names.len());
    names.iter().for_each(|name| context.reply.bulk(name));
    Ok(())
}

/// ACL GENPASS
pub static GENPASS: CommandSpec = CommandSpec {
    name: "genpass",
    arity: -2,
    summary: "Makes a password: 256 random bits, or as many as are asked for, in hexadecimal digits.",
    syntax: "[bits]",
    handler: generate_password,
    ..SUBCOMMAND
};

fn generate_password(context: &mut Context<'_>) -> CommandResult {
    const BITS_MAX: i64 = 4096;
    let bits = match context.argv.len() {
        2 => 256,
        3 => parse_int(context.argv.at(2)).ok_or(error::NOT_INTEGER)?,
        _ => return Err(error::unknown_subcommand_or_arity("ACL", context.argv.at(1))),
    };
    if !(1..=BITS_MAX).contains(&bits) {
        return Err(error::PASSWORD_BITS);
    }
    let digits = (bits as usize).div_ceil(4);
    let mut bytes = vec![0; digits.div_ceil(2)];
    crate::random::secret(&mut bytes).map_err(|error| {
        tracing::error!(%error, "no randomness for a password");
        error::NO_RANDOMNESS
    })?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    context.reply.bulk(&text[..digits]);
    Ok(())
}

/// ACL HELP
pub static HELP: CommandSpec = CommandSpec {
    name: "help",
    flags: Flags::LOADING.with(Flags::STALE).with(Flags::SENTINEL),
    summary: "Lists these subcommands.",
    handler: super::help::help,
    ..SUBCOMMAND
};

/// ACL LIST
pub static LIST: CommandSpec = CommandSpec {
    name: "list",
    complexity: "O(N), N being the users",
    summary: "Describes all users, each by the line that makes it.",
    handler: list,
    ..ADMIN
};

fn list(context: &mut Context<'_>) -> CommandResult {
    let config = context.server.config();
    let set = RuleSet::new(&context.server.commands, &config);
    let all = context.server.accounts.all();
    context.reply.array(all.len());
    for account in all {
        context.reply.bulk([b"user ", account.user().line(&set).as_slice()].concat());
    }
    Ok(())
}

/// ACL USERS
pub static USERS: CommandSpec = CommandSpec {
    name: "users",
    complexity: "O(N), N being the users",
    summary: "Lists the names of all users.",
    handler: users,
    ..ADMIN
};

fn users(context: &mut Context<'_>) -> CommandResult {
    let all = context.server.accounts.all();
    context.reply.array(all.len());
    all.iter().for_each(|account| context.reply.bulk(account.name()));
    Ok(())
}

/// ACL WHOAMI
pub static WHOAMI: CommandSpec =
    CommandSpec { name: "whoami", summary: "Tells the user of the connection.", handler: whoami, ..SUBCOMMAND };

fn whoami(context: &mut Context<'_>) -> CommandResult {
    context.reply.bulk(context.client.user.name());
    Ok(())
}

/// The commands of this family.
pub const ALL: &[&CommandSpec] = &[&ACL];
