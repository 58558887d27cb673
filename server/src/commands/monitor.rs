//! MONITOR: watching what others do.

use crate::command::{CommandSpec, Flags, Group};
use crate::context::Context;
use crate::error::CommandResult;

/// MONITOR
pub static MONITOR: CommandSpec = CommandSpec {
    name: "monitor",
    arity: 1,
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE),
    group: Group::Server,
    complexity: "",
    summary: "Shows every command the server executes, as it executes it.",
    handler: monitor,
    ..CommandSpec::BASE
};

fn monitor(context: &mut Context<'_>) -> CommandResult {
    if context.denies_blocking() {
        return Err(crate::error::MONITOR_DENIED);
    }
    // Who watches already gets no second answer: it could not be told from what is watched.
    if !context.client.monitor {
        context.client.monitor = true;
        context.client.publish_flags();
        context.server.monitors.add(context.client.handle.clone(), &context.server.attention);
        context.reply.ok();
    }
    Ok(())
}

/// The commands of this file.
pub const ALL: &[&CommandSpec] = &[&MONITOR];
