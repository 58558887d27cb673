//! The form of COMMAND and COMMAND INFO.

use crate::command::{Begin, Command, CommandTable, Find, KeySpec, legacy_range};
use ochre_resp::reply::ReplyWriter;

/// Describes a command and its subcommands.
pub(super) fn write(reply: &mut ReplyWriter<'_>, table: &CommandTable, command: &Command) {
    let spec = command.spec;
    let ((first, last, step), _) = legacy_range(spec.keys);
    reply.array(10);
    reply.bulk(&command.full_name);
    reply.int(i64::from(spec.arity));
    names(reply, spec.shown_flags());
    reply.int(first);
    reply.int(last);
    reply.int(step);
    let categories: Vec<&str> = spec.acl_categories().names().collect();
    reply.set(categories.len());
    categories.iter().for_each(|category| reply.simple(format!("@{category}")));
    reply.set(spec.tips.len());
    spec.tips.iter().for_each(|tip| reply.bulk(tip));
    reply.set(spec.keys.len());
    spec.keys.iter().for_each(|keys| write_keys(reply, keys));
    reply.array(command.subcommands.len());
    command.subcommands.iter().for_each(|id| write(reply, table, table.by_id(*id)));
}

/// Writes a set of flag names.
pub(super) fn names<'n>(reply: &mut ReplyWriter<'_>, names: impl Iterator<Item = &'n str>) {
    let names: Vec<&str> = names.collect();
    reply.set(names.len());
    names.iter().for_each(|name| reply.simple(name));
}

fn write_keys(reply: &mut ReplyWriter<'_>, keys: &KeySpec) {
    reply.map(3);
    reply.bulk("flags");
    names(reply, keys.flags.names());
    reply.bulk("begin_search");
    match keys.begin {
        Begin::Index(index) => search(reply, "index", None, &[("index", i64::from(index))]),
        Begin::Keyword(word, from) => {
            search(reply, "keyword", Some(("keyword", word)), &[("startfrom", i64::from(from))]);
        }
        Begin::Unknown => search(reply, "unknown", None, &[]),
    }
    reply.bulk("find_keys");
    match keys.find {
        Find::Range { last, step, limit } => {
            let numbers = [("lastkey", i64::from(last)), ("keystep", i64::from(step)), ("limit", i64::from(limit))];
            search(reply, "range", None, &numbers);
        }
        Find::KeyNum { count, first, step } => {
            let numbers =
                [("keynumidx", i64::from(count)), ("firstkey", i64::from(first)), ("keystep", i64::from(step))];
            search(reply, "keynum", None, &numbers);
        }
        Find::Unknown => search(reply, "unknown", None, &[]),
    }
}

/// One of the two steps in which keys are found.
fn search(reply: &mut ReplyWriter<'_>, kind: &str, word: Option<(&str, &str)>, numbers: &[(&str, i64)]) {
    reply.map(2);
    reply.bulk("type");
    reply.bulk(kind);
    reply.bulk("spec");
    reply.map(numbers.len() + usize::from(word.is_some()));
    if let Some((name, word)) = word {
        reply.bulk(name);
        reply.bulk(word);
    }
    for (name, number) in numbers {
        reply.bulk(name);
        reply.int(*number);
    }
}
