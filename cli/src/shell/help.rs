//! The commands that the client can explain, from a table that is generated from the server.

use std::fmt::Write;
use std::sync::LazyLock;

use serde_json::Value;

/// The generated table: an array of objects with name, syntax, summary, group, since and arity.
const TABLE: &str = include_str!("../commands.json");

/// One command or subcommand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Full name in upper case, such as `CLIENT KILL`.
    pub name: String,
    /// What follows the name.
    pub syntax: String,
    /// What it does, in a line.
    pub summary: String,
    /// Group, in lower case.
    pub group: String,
    /// First version that has it.
    pub since: String,
}

/// All entries, ordered by name.
static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| parse(TABLE).unwrap_or_default());

fn parse(table: &str) -> Option<Vec<Entry>> {
    let Value::Array(rows) = serde_json::from_str(table).ok()? else { return None };
    let mut entries = Vec::with_capacity(rows.len());
    for row in &rows {
        let text = |field: &str| row.get(field).and_then(Value::as_str).map(str::to_owned);
        entries.push(Entry {
            name: text("name")?,
            syntax: text("syntax")?,
            summary: text("summary")?,
            group: text("group")?,
            since: text("since")?,
        });
    }
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Some(entries)
}

/// All entries, ordered by name.
#[must_use]
pub fn entries() -> &'static [Entry] {
    &ENTRIES
}

/// The groups, each once, ordered by name.
#[must_use]
pub fn groups() -> Vec<&'static str> {
    let mut groups: Vec<&str> = entries().iter().map(|entry| entry.group.as_str()).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// The answer to `help` with these arguments: none, `@group`, or the beginning of a command's name.
#[must_use]
pub fn text(arguments: &[Vec<u8>]) -> String {
    let words: Vec<String> = arguments.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let Some(first) = words.first() else { return general() };
    let mut out = String::new();
    if let Some(group) = first.strip_prefix('@') {
        for entry in entries().iter().filter(|entry| entry.group.eq_ignore_ascii_case(group)) {
            describe(&mut out, entry, false);
        }
    } else {
        for entry in entries().iter().filter(|entry| starts_with(entry, &words)) {
            describe(&mut out, entry, true);
        }
    }
    out.push_str("\r\n");
    out
}

/// The arguments that a command line still lacks, in grey behind what is typed: the syntax of the longest command
/// name it begins with, without the arguments that are there already.
#[must_use]
pub fn missing_arguments(line: &str) -> Option<String> {
    let typed: Vec<String> =
        crate::words::split(line.as_bytes())?.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let named = |entry: &&Entry| {
        let name: Vec<&str> = entry.name.split(' ').collect();
        name.len() <= typed.len() && name.iter().zip(&typed).all(|(name, word)| name.eq_ignore_ascii_case(word))
    };
    let entry = entries().iter().filter(named).max_by_key(|entry| entry.name.split(' ').count())?;
    let mut rest = entry.syntax.as_str();
    for _ in entry.name.split(' ').count()..typed.len() {
        if rest.starts_with('[') {
            break;
        }
        rest = rest.split_once(' ').map_or("", |(_, rest)| rest);
    }
    let ends_in_blank = line.ends_with(|last: char| last.is_ascii_whitespace());
    Some(if ends_in_blank { rest.to_owned() } else { format!(" {rest}") })
}

/// Lines that complete what is typed: command names, and behind `help` groups too.
#[must_use]
pub fn completions(line: &str) -> Vec<String> {
    let (kept, typed) = match line.get(..5) {
        Some(help) if help.eq_ignore_ascii_case("help ") => {
            let topic = line.get(5..).unwrap_or_default().trim_start();
            line.split_at(line.len() - topic.len())
        }
        _ => ("", line),
    };
    let begins = |name: &str| name.get(..typed.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(typed));
    let commands = entries().iter().map(|entry| entry.name.clone());
    let topics = groups().into_iter().map(|group| format!("@{group}")).filter(|_| !kept.is_empty());
    commands.chain(topics).filter(|name| begins(name)).map(|name| format!("{kept}{name}")).collect()
}

fn starts_with(entry: &Entry, words: &[String]) -> bool {
    let mut name = entry.name.split(' ');
    words.iter().all(|word| name.next().is_some_and(|part| part.eq_ignore_ascii_case(word)))
}

fn describe(out: &mut String, entry: &Entry, with_group: bool) {
    let Entry { name, syntax, summary, group, since } = entry;
    let _ = write!(out, "\r\n  \x1b[1m{name}\x1b[0m \x1b[90m{syntax}\x1b[0m\r\n");
    let _ = write!(out, "  \x1b[33msummary:\x1b[0m {summary}\r\n");
    let _ = write!(out, "  \x1b[33msince:\x1b[0m {since}\r\n");
    if with_group {
        let _ = write!(out, "  \x1b[33mgroup:\x1b[0m {group}\r\n");
    }
}

fn general() -> String {
    format!(
        "ochre-cli {}\n\
         help <command>     explains a command, or all that begin with these words\n\
         help @<group>      lists the commands of a group: {}\n\
         help <tab>         goes through commands and groups\n\
         <number> <command> runs a command so many times\n\
         connect <host> <port>, clear, quit\n\n\
         :set hints         shows which arguments a command takes while you type it\n\
         :set nohints       does not\n\
         Such lines may stand in ~/.redisclirc (or the file that REDISCLI_RCFILE names).\n",
        env!("CARGO_PKG_VERSION"),
        groups().join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn the_embedded_table_is_whole() {
        let entries = parse(TABLE).expect("the table parses");
        assert!(entries.iter().any(|entry| entry.name == "CLIENT KILL"));
        for entry in &entries {
            assert!(!entry.summary.is_empty() && !entry.group.is_empty() && !entry.since.is_empty(), "{entry:?}");
        }
    }

    #[test]
    fn help_finds_commands_and_groups() {
        let set = text(&words("set"));
        assert!(set.contains("\x1b[1mSET\x1b[0m") && !set.contains("SETEX"), "{set}");
        assert!(text(&words("client")).contains("CLIENT KILL"));
        assert!(text(&words("@BITMAP")).contains("SETBIT") && !text(&words("@bitmap")).contains("GETRANGE"));
        assert_eq!(text(&words("nothing-like-that")), "\r\n");
        assert!(text(&[]).contains(":set hints"));
    }

    #[test]
    fn hints_shrink_as_arguments_are_typed() {
        assert_eq!(missing_arguments("setrange").as_deref(), Some(" key offset value"));
        assert_eq!(missing_arguments("setrange ").as_deref(), Some("key offset value"));
        assert_eq!(missing_arguments("setrange k 1").as_deref(), Some(" value"));
        assert_eq!(missing_arguments("setrange k 1 v more").as_deref(), Some(" "));
        assert_eq!(missing_arguments("mget a").as_deref(), Some(" [key ...]"));
        assert_eq!(missing_arguments("mget a b ").as_deref(), Some("[key ...]"));
        assert_eq!(missing_arguments("client no-evict ").as_deref(), Some("<ON|OFF>"));
        assert_eq!(missing_arguments("nothing"), None);
        assert_eq!(missing_arguments("get \"open"), None);
    }

    #[test]
    fn completion_knows_commands_and_topics() {
        assert_eq!(completions("getd"), ["GETDEL"]);
        assert_eq!(completions("client no-"), ["CLIENT NO-EVICT", "CLIENT NO-TOUCH"]);
        assert_eq!(completions("help @bi"), ["help @bitmap"]);
        assert_eq!(completions("HELP  getd"), ["HELP  GETDEL"]);
        assert!(completions("é").is_empty());
    }
}
