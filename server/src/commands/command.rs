//! COMMAND: what this server can be asked, told from the table of commands.

mod docs;
mod info;

use crate::args::{Argv, Cursor};
use crate::command::{AclCategories, Command, CommandSpec, CommandTable, Flags, Group, KeyPosition, keys_and_flags};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use crate::glob;

const INTROSPECTION: CommandSpec = CommandSpec {
    flags: Flags::LOADING.with(Flags::STALE).with(Flags::SENTINEL),
    acl: AclCategories::CONNECTION,
    since: "2.8.13",
    group: Group::Server,
    ..CommandSpec::BASE
};
const UNORDERED: &[&str] = &["nondeterministic_output_order"];

/// COMMAND
pub static COMMAND: CommandSpec = CommandSpec {
    name: "command",
    arity: -1,
    complexity: "O(N), N being the number of commands",
    summary: "Describes all commands to clients.",
    tips: UNORDERED,
    subcommands: &[&COUNT, &DOCS, &GETKEYS, &GETKEYSANDFLAGS, &HELP, &INFO, &LIST],
    handler: all,
    ..INTROSPECTION
};

fn all(context: &mut Context<'_>) -> CommandResult {
    let table = &context.server.commands;
    context.reply.array(table.callable_count());
    table.callable().for_each(|command| info::write(&mut context.reply, table, command));
    Ok(())
}

/// COMMAND COUNT
pub static COUNT: CommandSpec = CommandSpec {
    name: "count",
    arity: 2,
    summary: "Counts the commands, without subcommands.",
    handler: count,
    ..INTROSPECTION
};

fn count(context: &mut Context<'_>) -> CommandResult {
    context.reply.int(context.server.commands.callable_count() as i64);
    Ok(())
}

/// COMMAND DOCS
pub static DOCS: CommandSpec = CommandSpec {
    name: "docs",
    arity: -2,
    since: "7.0.0",
    complexity: "O(N), N being the number of commands asked for",
    summary: "Documents all commands, or those that are named.",
    syntax: "[command-name [command-name ...]]",
    tips: UNORDERED,
    handler: docs,
    ..INTROSPECTION
};

fn docs(context: &mut Context<'_>) -> CommandResult {
    let table = &context.server.commands;
    let wanted: Vec<&Command> = match context.argv.len() {
        2 => table.callable().collect(),
        _ => context.argv.iter().skip(2).filter_map(|name| table.get_full(name)).collect(),
    };
    context.reply.map(wanted.len());
    for command in wanted {
        context.reply.bulk(&command.full_name);
        docs::write(&mut context.reply, table, command);
    }
    Ok(())
}

/// COMMAND INFO
pub static INFO: CommandSpec = CommandSpec {
    name: "info",
    arity: -2,
    complexity: "O(N), N being the number of commands asked for",
    summary: "Describes all commands to clients, or those that are named.",
    syntax: "[command-name [command-name ...]]",
    tips: UNORDERED,
    changed_in: &["7.0.0"],
    handler: info,
    ..INTROSPECTION
};

fn info(context: &mut Context<'_>) -> CommandResult {
    if context.argv.len() == 2 {
        return all(context);
    }
    let table = &context.server.commands;
    context.reply.array(context.argv.len().saturating_sub(2));
    for name in context.argv.iter().skip(2) {
        match table.get_full(name) {
            Some(command) => info::write(&mut context.reply, table, command),
            None => context.reply.null(),
        }
    }
    Ok(())
}

/// COMMAND LIST
pub static LIST: CommandSpec = CommandSpec {
    name: "list",
    arity: -2,
    since: "7.0.0",
    complexity: "O(N), N being the number of commands",
    summary: "Lists the names of all commands and subcommands, or of some.",
    syntax: "[FILTERBY <MODULE module-name|ACLCAT category|PATTERN pattern>]",
    tips: UNORDERED,
    handler: list,
    ..INTROSPECTION
};

fn list(context: &mut Context<'_>) -> CommandResult {
    let filter = Filter::parse(context.argv.cursor(2))?;
    let table = &context.server.commands;
    let with_subcommands = table
        .callable()
        .flat_map(|command| std::iter::once(command).chain(command.subcommands.iter().map(|id| table.by_id(*id))));
    let found: Vec<&Command> = with_subcommands.filter(|command| filter.wants(command)).collect();
    context.reply.array(found.len());
    found.iter().for_each(|command| context.reply.bulk(&command.full_name));
    Ok(())
}

/// COMMAND GETKEYS
pub static GETKEYS: CommandSpec = CommandSpec {
    name: "getkeys",
    arity: -3,
    complexity: "O(N), N being the number of arguments of the command",
    summary: "Tells which arguments of a command are keys.",
    syntax: "command [arg [arg ...]]",
    handler: get_keys,
    ..INTROSPECTION
};

fn get_keys(context: &mut Context<'_>) -> CommandResult {
    let line = context.argv.from(2);
    let keys = keys_of(&context.server.commands, line)?;
    context.reply.array(keys.len());
    keys.iter().for_each(|key| context.reply.bulk(line.at(key.index)));
    Ok(())
}

/// COMMAND GETKEYSANDFLAGS
pub static GETKEYSANDFLAGS: CommandSpec = CommandSpec {
    name: "getkeysandflags",
    arity: -3,
    since: "7.0.0",
    complexity: "O(N), N being the number of arguments of the command",
    summary: "Tells which arguments of a command are keys, and what happens to them.",
    syntax: "command [arg [arg ...]]",
    handler: get_keys_and_flags,
    ..INTROSPECTION
};

fn get_keys_and_flags(context: &mut Context<'_>) -> CommandResult {
    let line = context.argv.from(2);
    let keys = keys_of(&context.server.commands, line)?;
    context.reply.array(keys.len());
    for key in keys {
        context.reply.array(2);
        context.reply.bulk(line.at(key.index));
        info::names(&mut context.reply, key.flags.names());
    }
    Ok(())
}

/// COMMAND HELP
pub static HELP: CommandSpec = CommandSpec {
    name: "help",
    arity: 2,
    since: "5.0.0",
    summary: "Lists these subcommands.",
    handler: super::help::help,
    ..INTROSPECTION
};

/// The commands of this family.
pub const ALL: &[&CommandSpec] = &[&COMMAND];

/// The keys of a command line.
fn keys_of(table: &CommandTable, line: Argv<'_>) -> Result<Vec<KeyPosition>, CommandError> {
    let command = table.get(line.at(0)).ok_or(error::NO_SUCH_COMMAND)?;
    let command = match line.get(1) {
        Some(name) if command.is_container() => table.subcommand(command, name).ok_or(error::NO_SUCH_COMMAND)?,
        _ => command,
    };
    if !command.spec.has_keys() {
        return Err(error::NO_KEY_ARGUMENTS);
    }
    if !command.spec.accepts(line.len()) {
        return Err(error::BAD_ARGUMENT_COUNT);
    }
    match keys_and_flags(command.spec, line) {
        Some(keys) => Ok(keys),
        None if command.has(Flags::NO_MANDATORY_KEYS) => Ok(Vec::new()),
        None => Err(error::BAD_ARGUMENTS),
    }
}

/// Which commands LIST shows.
#[derive(Debug, PartialEq, Eq)]
enum Filter<'a> {
    All,
    /// Those of a module: there are none.
    Module,
    /// Those in a category; none where there is no such category.
    Category(Option<AclCategories>),
    Pattern(&'a [u8]),
}

impl<'a> Filter<'a> {
    fn parse(mut cursor: Cursor<'a>) -> Result<Filter<'a>, CommandError> {
        if cursor.is_done() {
            return Ok(Filter::All);
        }
        if !cursor.token("FILTERBY") {
            return Err(error::SYNTAX);
        }
        let filter = if cursor.token("MODULE") {
            cursor.bytes()?;
            Filter::Module
        } else if cursor.token("ACLCAT") {
            let name = std::str::from_utf8(cursor.bytes()?).ok();
            Filter::Category(name.and_then(AclCategories::from_name))
        } else if cursor.token("PATTERN") {
            Filter::Pattern(cursor.bytes()?)
        } else {
            return Err(error::SYNTAX);
        };
        cursor.finish()?;
        Ok(filter)
    }

    fn wants(&self, command: &Command) -> bool {
        match self {
            Filter::All => true,
            Filter::Module => false,
            Filter::Category(category) => category.is_some_and(|wanted| command.spec.acl_categories().has(wanted)),
            Filter::Pattern(pattern) => glob::matches(pattern, command.full_name.as_bytes(), true),
        }
    }
}
