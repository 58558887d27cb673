//! The form of COMMAND DOCS.

use super::info;
use crate::command::{Argument, ArgumentKind, Command, CommandTable, arguments};
use ochre_resp::reply::ReplyWriter;

/// Documents a command and its subcommands.
pub(super) fn write(reply: &mut ReplyWriter<'_>, table: &CommandTable, command: &Command) {
    let spec = command.spec;
    let arguments = arguments(spec);
    let texts = [
        ("summary", spec.summary),
        ("since", spec.since),
        ("group", spec.group.name()),
        ("complexity", spec.complexity),
    ];
    let texts = texts.iter().filter(|(_, text)| !text.is_empty());
    reply.map(texts.clone().count() + usize::from(!arguments.is_empty()) + usize::from(command.is_container()));
    for (name, text) in texts {
        reply.bulk(name);
        reply.bulk(text);
    }
    if !arguments.is_empty() {
        reply.bulk("arguments");
        write_arguments(reply, &arguments);
    }
    if command.is_container() {
        reply.bulk("subcommands");
        reply.map(command.subcommands.len());
        for subcommand in command.subcommands.iter().map(|id| table.by_id(*id)) {
            reply.bulk(&subcommand.full_name);
            write(reply, table, subcommand);
        }
    }
}

fn write_arguments(reply: &mut ReplyWriter<'_>, arguments: &[Argument]) {
    reply.array(arguments.len());
    for argument in arguments {
        write_argument(reply, argument);
    }
}

fn write_argument(reply: &mut ReplyWriter<'_>, argument: &Argument) {
    let is_group = matches!(argument.kind, ArgumentKind::OneOf | ArgumentKind::Block);
    let flags: Vec<&str> =
        [(argument.optional, "optional"), (argument.multiple, "multiple"), (argument.multiple_token, "multiple_token")]
            .into_iter()
            .filter_map(|(set, name)| set.then_some(name))
            .collect();
    let pairs = [argument.key_spec.is_some(), argument.token.is_some(), !flags.is_empty()];
    reply.map(3 + pairs.into_iter().filter(|present| *present).count());
    reply.bulk("name");
    reply.bulk(&argument.name);
    reply.bulk("type");
    reply.bulk(argument.kind.name());
    if !is_group {
        reply.bulk("display_text");
        reply.bulk(&argument.name);
    }
    if let Some(number) = argument.key_spec {
        reply.bulk("key_spec_index");
        reply.int(number as i64);
    }
    if let Some(token) = &argument.token {
        reply.bulk("token");
        reply.bulk(token);
    }
    if !flags.is_empty() {
        reply.bulk("flags");
        info::names(reply, flags.into_iter());
    }
    if is_group {
        reply.bulk("arguments");
        write_arguments(reply, &argument.children);
    }
}
