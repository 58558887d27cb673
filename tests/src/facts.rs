//! What servers say about their commands, as text that can be compared, recorded and read.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result, bail};

use crate::{Client, Reply};

/// Facts by name (`arity`, `flags`, …).
pub type CommandFacts = BTreeMap<String, String>;

/// Asks a server for the facts about all its commands and subcommands, those by names such as `client|kill`.
/// Errs when a reply does not have the form that servers since 7.0 give it.
pub fn ask(client: &mut Client) -> Result<BTreeMap<String, CommandFacts>> {
    client.command(&["HELLO", "3"])?;
    let mut all = BTreeMap::new();
    for name in array(&client.command(&["COMMAND", "LIST"])?)? {
        let name = name.text()?;
        let info = client.command(&["COMMAND", "INFO", &name])?;
        let docs = client.command(&["COMMAND", "DOCS", &name])?;
        let facts = facts_of(&info, &docs).with_context(|| format!("about {name}"))?;
        all.insert(name, facts);
    }
    Ok(all)
}

/// Facts as lines, a line a command: its name and its facts as `name=value`, with tabs between.
pub fn write(all: &BTreeMap<String, CommandFacts>) -> String {
    let mut text = String::new();
    for (name, facts) in all {
        text.push_str(name);
        for (field, value) in facts {
            let _ = write!(text, "\t{field}={value}");
        }
        text.push('\n');
    }
    text
}

/// The facts that [`write()`] wrote. Errs on a fact without a value.
pub fn read(text: &str) -> Result<BTreeMap<String, CommandFacts>> {
    let mut all = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split('\t');
        let name = words.next().unwrap_or_default().to_owned();
        let mut facts = CommandFacts::new();
        for word in words {
            let (field, value) = word.split_once('=').with_context(|| format!("not a fact about {name}: {word}"))?;
            facts.insert(field.to_owned(), value.to_owned());
        }
        all.insert(name, facts);
    }
    Ok(all)
}

fn facts_of(info: &Reply, docs: &Reply) -> Result<CommandFacts> {
    let info = array(array(info)?.first().context("no description")?)?;
    let [_, arity, flags, first, last, step, categories, tips, keys, subcommands] = info else {
        bail!("{} fields", info.len())
    };
    let key_specs: Vec<String> = array(keys)?.iter().map(key_spec).collect::<Result<_>>()?;
    let mut subcommand_names = Vec::new();
    for subcommand in array(subcommands)? {
        subcommand_names.push(array(subcommand)?.first().context("no name")?.text()?);
    }
    subcommand_names.sort();
    let Reply::Map(docs) = docs else { bail!("no map") };
    let docs = &docs.first().context("no documentation")?.1;
    let arguments = match field(docs, "arguments")? {
        Some(arguments) => tree(arguments)?,
        None => String::new(),
    };
    Ok([
        ("arity", number(arity)?),
        ("flags", words(flags)?),
        ("range", format!("{} {} {}", number(first)?, number(last)?, number(step)?)),
        ("acl", words(categories)?),
        ("tips", words(tips)?),
        ("keys", key_specs.join(", ")),
        ("subcommands", subcommand_names.join(" ")),
        ("since", field(docs, "since")?.context("no since")?.text()?),
        ("group", field(docs, "group")?.context("no group")?.text()?),
        ("arguments", arguments),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect())
}

/// `index 1 range 0 1 0 (RO access)`
fn key_spec(spec: &Reply) -> Result<String> {
    let mut text = String::new();
    for step in ["begin_search", "find_keys"] {
        let step = field(spec, step)?.context("half a key specification")?;
        text.push_str(&field(step, "type")?.context("no type")?.text()?);
        let Some(Reply::Map(values)) = field(step, "spec")? else { bail!("no spec") };
        for (_, value) in values {
            let _ = write!(text, " {}", number(value).or_else(|_| value.text())?);
        }
        text.push(' ');
    }
    let flags = field(spec, "flags")?.context("no flags")?;
    Ok(format!("{text}({})", words(flags)?))
}

/// `type/TOKEN:name#key-spec{flags}`, groups with their members in parentheses instead of a name.
fn tree(arguments: &Reply) -> Result<String> {
    let mut all = Vec::new();
    for argument in array(arguments)? {
        let text_of = |name: &str| field(argument, name)?.map_or(Ok(String::new()), Reply::text);
        let mut text = text_of("type")? + "/";
        let token = text_of("token")?;
        if !token.is_empty() {
            text = text + &token + ":";
        }
        match field(argument, "arguments")? {
            Some(members) => text = text + "(" + &tree(members)? + ")",
            None => text += &text_of("display_text")?,
        }
        if let Some(index) = field(argument, "key_spec_index")? {
            text = text + "#" + &number(index)?;
        }
        if let Some(flags) = field(argument, "flags")? {
            text = text + "{" + &words(flags)? + "}";
        }
        all.push(text);
    }
    Ok(all.join(" "))
}

fn field<'r>(map: &'r Reply, name: &str) -> Result<Option<&'r Reply>> {
    let Reply::Map(pairs) = map else { bail!("not a map: {map:?}") };
    Ok(pairs.iter().find(|(key, _)| key.text().is_ok_and(|key| key == name)).map(|(_, value)| value))
}

fn array(reply: &Reply) -> Result<&[Reply]> {
    match reply {
        Reply::Array(members) => Ok(members),
        other => bail!("not an array: {other:?}"),
    }
}

fn words(reply: &Reply) -> Result<String> {
    Ok(array(reply)?.iter().map(Reply::text).collect::<Result<Vec<_>>>()?.join(" "))
}

fn number(reply: &Reply) -> Result<String> {
    match reply {
        Reply::Integer(number) => Ok(number.to_string()),
        other => bail!("not a number: {other:?}"),
    }
}
