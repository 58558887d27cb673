//! The documents that are made from the table of commands: `docs/commands.md` and the table of the command-line client.

use super::all;
use crate::command::{CommandSpec, Flags, LockClass};
use std::fmt::Write;

const MARKDOWN_HEAD: &str = "\
# Commands

This page is generated from the specifications beside the handlers in `server/src/commands`.

**Syntax.** Words in capitals stand for themselves; `[]` encloses what may be left out, `<>` a choice, `|` separates its
alternatives, `...` means again. **Locks.** *keys*: the shards of its keys, so that commands on other keys run at the same
time; *walk*: one shard at a time; *all*: everything else waits; *none*: it touches no data.
";

/// The file that `--generate <name>` prints, of those that are made from the commands: `commands-md`, `cli-commands`.
#[must_use]
pub fn generate(name: &str) -> Option<String> {
    match name {
        "commands-md" => Some(markdown()),
        "cli-commands" => Some(client_table()),
        _ => None,
    }
}

/// Every command and subcommand by its name in capitals (`CLIENT KILL`), in order.
fn named() -> Vec<(String, &'static CommandSpec)> {
    let mut entries = Vec::new();
    for spec in all() {
        let name = spec.name.to_ascii_uppercase();
        let of_container = |sub: &&'static CommandSpec| (format!("{name} {}", sub.name.to_ascii_uppercase()), *sub);
        entries.extend(spec.subcommands.iter().map(of_container));
        entries.push((name, spec));
    }
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    entries
}

fn markdown() -> String {
    let mut entries = named();
    entries.sort_by_key(|(_, spec)| spec.group.name());
    let mut text = MARKDOWN_HEAD.to_owned();
    let mut group = "";
    for (name, spec) in entries {
        if spec.group.name() != group {
            group = spec.group.name();
            let _ = writeln!(text, "\n## {group}\n");
            text.push_str("| command | what it does | cost | kind | locks | since |\n|---|---|---|---|---|---|\n");
        }
        let usage = format!("{name} {}", spec.syntax).trim_end().replace('|', "\\|");
        let kind = match () {
            () if spec.flags.has(Flags::WRITE) => "writes",
            () if spec.flags.has(Flags::READONLY) => "reads",
            () if spec.flags.has(Flags::ADMIN) => "admin",
            () => "",
        };
        let locks = match spec.lock {
            LockClass::None => "none",
            LockClass::Keys => "keys",
            LockClass::KeysOrAll(_) => "keys, or all",
            LockClass::Transfer => "keys, one time after the other",
            LockClass::Session(_) => "keys of the session",
            LockClass::Script => "keys, or all",
            LockClass::Walk => "walk",
            LockClass::All => "all",
        };
        let CommandSpec { summary, complexity, since, .. } = spec;
        let _ = writeln!(text, "| `{usage}` | {summary} | {complexity} | {kind} | {locks} | {since} |");
    }
    text
}

/// An array of objects, one a line.
fn client_table() -> String {
    let rows: Vec<String> = named()
        .into_iter()
        .map(|(name, spec)| {
            let fields = [
                ("name", name.as_str()),
                ("syntax", spec.syntax),
                ("summary", spec.summary),
                ("group", spec.group.name()),
                ("since", spec.since),
            ];
            let fields: Vec<String> =
                fields.iter().map(|(name, text)| format!("\"{name}\": {}", serde_json::Value::from(*text))).collect();
            format!("  {{{}, \"arity\": {}}}", fields.join(", "), spec.arity)
        })
        .collect();
    format!("[\n{}\n]\n", rows.join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_described() {
        for (name, spec) in named() {
            assert!(spec.summary.ends_with('.'), "{name}: {:?}", spec.summary);
            assert!(!spec.since.is_empty(), "{name}");
            assert_eq!(spec.name, spec.name.to_ascii_lowercase());
            assert!(spec.subcommands.is_sorted_by_key(|sub| sub.name), "{name}");
        }
    }
}
