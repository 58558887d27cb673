//! LATENCY: spikes by event, and how long commands take.

mod doctor;
mod graph;
mod histogram;

use crate::clock::unix_ms;
use crate::command::{CommandSpec, Flags, Group};
use crate::context::Context;
use crate::error::{self, CommandResult};
use crate::latency::Event;

const SUBCOMMAND: CommandSpec = CommandSpec {
    arity: 2,
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE),
    since: "2.8.13",
    group: Group::Server,
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    ..CommandSpec::BASE
};

/// LATENCY
pub static LATENCY: CommandSpec = CommandSpec {
    name: "latency",
    arity: -2,
    flags: Flags::NONE,
    complexity: "That of the subcommand",
    summary: "Commands about what takes long.",
    tips: &[],
    subcommands: &[&DOCTOR, &GRAPH, &HELP, &HISTOGRAM, &HISTORY, &LATEST, &RESET],
    ..SUBCOMMAND
};

/// LATENCY DOCTOR
pub static DOCTOR: CommandSpec = CommandSpec {
    name: "doctor",
    summary: "Interprets the spikes for a human reader.",
    handler: |context| {
        let report = doctor::report(&context.server.latency.events(), &context.server.config(), unix_ms() / 1000);
        context.reply.verbatim(b"txt", report);
        Ok(())
    },
    ..SUBCOMMAND
};

/// LATENCY GRAPH
pub static GRAPH: CommandSpec = CommandSpec {
    name: "graph",
    arity: 3,
    summary: "Draws the spikes of an event.",
    syntax: "event",
    handler: draw,
    ..SUBCOMMAND
};

fn draw(context: &mut Context<'_>) -> CommandResult {
    let name = context.argv.at(2);
    let (name, event) = find(context, name).ok_or_else(|| error::no_latency_samples(name))?;
    let drawing = graph::draw(name, &event, unix_ms() / 1000);
    context.reply.verbatim(b"txt", drawing);
    Ok(())
}

/// LATENCY HISTOGRAM
pub static HISTOGRAM: CommandSpec = CommandSpec {
    name: "histogram",
    arity: -2,
    since: "7.0.0",
    complexity: "O(N), N being the commands shown",
    summary: "Tells how long commands took, as cumulative counts by microseconds.",
    syntax: "[command [command ...]]",
    handler: histogram::histogram,
    ..SUBCOMMAND
};

/// LATENCY HISTORY
pub static HISTORY: CommandSpec = CommandSpec {
    name: "history",
    arity: 3,
    summary: "Lists the spikes of an event.",
    syntax: "event",
    handler: history,
    ..SUBCOMMAND
};

fn history(context: &mut Context<'_>) -> CommandResult {
    let samples = find(context, context.argv.at(2)).map(|(_, event)| event.samples).unwrap_or_default();
    context.reply.array(samples.len());
    for sample in samples {
        context.reply.array(2);
        context.reply.int(sample.time);
        context.reply.int(sample.millis as i64);
    }
    Ok(())
}

/// LATENCY LATEST
pub static LATEST: CommandSpec = CommandSpec {
    name: "latest",
    summary: "Tells the latest spike of each event, and the worst.",
    handler: latest,
    ..SUBCOMMAND
};

fn latest(context: &mut Context<'_>) -> CommandResult {
    let events = context.server.latency.events();
    let latest = || events.iter().filter_map(|(name, event)| Some((name, event.samples.last()?, event.millis_max)));
    context.reply.array(latest().count());
    for (name, sample, millis_max) in latest() {
        context.reply.array(4);
        context.reply.bulk(name);
        context.reply.int(sample.time);
        context.reply.int(sample.millis as i64);
        context.reply.int(millis_max as i64);
    }
    Ok(())
}

/// LATENCY RESET
pub static RESET: CommandSpec = CommandSpec {
    name: "reset",
    arity: -2,
    summary: "Forgets the spikes of some events, or of all.",
    syntax: "[event [event ...]]",
    tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
    handler: reset,
    ..SUBCOMMAND
};

fn reset(context: &mut Context<'_>) -> CommandResult {
    let names: Vec<&[u8]> = context.argv.iter().skip(2).collect();
    context.reply.int(context.server.latency.reset(&names) as i64);
    Ok(())
}

/// LATENCY HELP
pub static HELP: CommandSpec = CommandSpec {
    name: "help",
    flags: Flags::LOADING.with(Flags::STALE),
    summary: "Lists these subcommands.",
    tips: &[],
    handler: super::help::help,
    ..SUBCOMMAND
};

/// The commands of this file.
pub const ALL: &[&CommandSpec] = &[&LATENCY];

fn find(context: &Context<'_>, name: &[u8]) -> Option<(&'static str, Event)> {
    context.server.latency.events().into_iter().find(|(known, _)| known.as_bytes() == name)
}
