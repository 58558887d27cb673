//! INFO: everything the server knows about itself, in sections of lines `field:value`.

mod activity;
mod data;
mod history;
mod memory;
mod process;

use crate::clock::unix_ms;
use crate::command::{AclCategories, CommandSpec, Flags};
use crate::context::Context;
use crate::errand::{Errand, Outcome};
use crate::error::{self, CommandError, CommandResult};
use crate::server::Server;
use std::fmt::{Display, Write};

/// INFO
pub static INFO: CommandSpec = CommandSpec {
    name: "info",
    arity: -1,
    flags: Flags::LOADING.with(Flags::STALE),
    acl: AclCategories::DANGEROUS,
    summary: "Describes the server and counts what it did.",
    syntax: "[section [section ...]]",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    changed_in: &["7.0.0"],
    handler: info,
    ..CommandSpec::BASE
};

fn info(context: &mut Context<'_>) -> CommandResult {
    let names: Vec<&[u8]> = context.argv.iter().skip(1).collect();
    let mut text = text(&View { server: context.server, now_ms: context.now_ms() }, &names);
    // It takes long, so it is for those only who ask for it.
    if names.iter().any(|name| name.eq_ignore_ascii_case(b"keysizes")) {
        if context.denies_blocking() {
            return Err(error::SURVEY_DENIED);
        }
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        text.push_str("# Keysizes\r\n");
        return Err(CommandError::Errand(Errand::new(move |server| {
            text.push_str(&crate::metrics::key_sizes::survey(server));
            Outcome::Text(text)
        })));
    }
    context.reply.verbatim(b"txt", text);
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&INFO];

struct Section {
    /// The names it is asked for by, in lower case.
    names: &'static [&'static str],
    title: &'static str,
    shown: Shown,
    write: fn(&mut Lines, &View<'_>),
}

/// When a section is shown that is not asked for by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// By INFO without arguments.
    ByDefault,
    /// With all.
    WithAll,
    Never,
}

const fn section(name: &'static [&'static str], title: &'static str, write: fn(&mut Lines, &View<'_>)) -> Section {
    Section { names: name, title, shown: Shown::ByDefault, write }
}

const fn on_demand(name: &'static [&'static str], title: &'static str, write: fn(&mut Lines, &View<'_>)) -> Section {
    Section { names: name, title, shown: Shown::WithAll, write }
}

/// In the order in which they are shown.
const SECTIONS: &[Section] = &[
    section(&["server"], "Server", process::server),
    section(&["tls"], "TLS", process::tls),
    section(&["clients"], "Clients", process::clients),
    section(&["memory"], "Memory", memory::memory),
    section(&["persistence"], "Persistence", data::persistence),
    section(&["stats"], "Stats", activity::stats),
    section(&["replication"], "Replication", data::replication),
    section(&["cpu"], "CPU", process::cpu),
    section(&["module_list", "modules"], "Modules", |_, _| {}),
    on_demand(&["commandstats"], "Commandstats", history::commandstats),
    section(&["errorstats"], "Errorstats", history::errorstats),
    on_demand(&["latencystats"], "Latencystats", history::latencystats),
    section(&["cluster"], "Cluster", data::cluster),
    on_demand(&["scriptingengines"], "Scripting Engines", memory::scripting_engines),
    section(&["keyspace"], "Keyspace", data::keyspace),
    Section { names: &["debug"], title: "Debug", shown: Shown::Never, write: activity::debug },
];

/// All sections, for a report.
pub(crate) fn everything(server: &Server) -> String {
    text(&View { server, now_ms: unix_ms() }, &[b"everything"])
}

/// What the sections look at.
struct View<'v> {
    server: &'v Server,
    now_ms: i64,
}

/// The sections that the names ask for, each once; the default ones without any name.
fn text(view: &View<'_>, names: &[&[u8]]) -> String {
    let is_asked_for = |name: &str| names.iter().any(|asked| asked.eq_ignore_ascii_case(name.as_bytes()));
    let all = is_asked_for("all") || is_asked_for("everything");
    let default = names.is_empty() || is_asked_for("default");
    let mut lines = Lines(String::with_capacity(8 * 1024));
    for section in SECTIONS {
        let is_shown = match section.shown {
            Shown::ByDefault => all || default,
            Shown::WithAll => all,
            Shown::Never => false,
        };
        if is_shown || section.names.iter().any(|name| is_asked_for(name)) {
            if !lines.0.is_empty() {
                lines.0.push_str("\r\n");
            }
            let _ = write!(lines.0, "# {}\r\n", section.title);
            (section.write)(&mut lines, view);
        }
    }
    lines.0
}

/// The lines of INFO.
struct Lines(String);

impl Lines {
    /// Adds a line.
    fn field(&mut self, name: impl Display, value: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{name}:{value}\r\n");
    }
    /// Adds a line whose value is 0, for what this server does not do yet.
    fn zero(&mut self, name: &str) {
        self.field(name, 0);
    }
    /// Adds a number of bytes, and the same for humans as `name_human`.
    fn bytes(&mut self, name: &str, bytes: u64) {
        self.field(name, bytes);
        self.field(format_args!("{name}_human"), human(bytes));
    }
}

/// A number of bytes with two decimals in the largest unit that leaves something before the point.
pub(super) fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["K", "M", "G", "T", "P", "E"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::human;

    // As used_memory_human of Redis 7.0.15 shows these.
    #[test]
    fn bytes_for_humans() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (941_208, "919.15K"),
            (12_398_592, "11.82M"),
            (25_276_502_016, "23.54G"),
            (1 << 50, "1.00P"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
