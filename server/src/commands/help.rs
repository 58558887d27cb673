//! HELP of the containers, derived from their subcommands.

use crate::context::Context;
use crate::error::CommandResult;

/// Lists the subcommands of the container the command belongs to: usage, then the summary, indented.
pub(super) fn help(context: &mut Context<'_>) -> CommandResult {
    let table = &context.server.commands;
    let container = context.command.parent.map_or(context.command, |id| table.by_id(id));
    let name = container.spec.name.to_ascii_uppercase();
    let mut lines = vec![format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")];
    for subcommand in container.subcommands.iter().map(|id| table.by_id(*id)) {
        let usage = format!("{} {}", subcommand.spec.name.to_ascii_uppercase(), subcommand.spec.syntax);
        lines.push(usage.trim_end().to_owned());
        lines.push(format!("    {}", subcommand.spec.summary));
    }
    context.reply.array(lines.len());
    lines.iter().for_each(|line| context.reply.simple(line));
    Ok(())
}
