//! COMMAND against real servers: a Valkey 9.1, recorded, and the Redis 7.0 of this machine.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use ochre_tests::facts::{self, CommandFacts};
use ochre_tests::{Client, Peer, Server};

/// What Valkey 9.1.2 says, recorded by the example `record_command_facts`.
const VALKEY: &str = include_str!("../facts/valkey-9.1.2-commands.txt");

/// Valkey shows the number of fields as the argument of a key.
const A_NUMBER_IS_NO_KEY: &str = "the number of fields is no key";

/// Fields that differ from both servers on purpose: command, field, and why.
const DIFFERENT: &[(&str, &str, &str)] = &[
    ("bitop", "arguments", "has the operations that Redis 8.2 added"),
    ("xadd", "arguments", "has the options about references that Redis 8.2 added"),
    ("xtrim", "arguments", "has the options about references that Redis 8.2 added"),
    ("exec", "flags", "Valkey has another name for staying out of the slow log"),
    ("cluster", "subcommands", "those that came after 7.2 wait for the cluster"),
    ("shutdown", "arguments", "waits for neither SAFE nor FAILOVER yet"),
    ("cluster|replicate", "arguments", "NO ONE is one token"),
    ("replicaof", "arguments", "NO ONE is one token"),
    ("slaveof", "arguments", "NO ONE is one token"),
    ("script|debug", "arity", "there is one engine"),
    ("script|debug", "arguments", "there is one engine"),
    ("client|kill", "arguments", "the alternatives of a choice are not optional"),
    ("hexpireat", "arguments", A_NUMBER_IS_NO_KEY),
    ("hexpiretime", "arguments", A_NUMBER_IS_NO_KEY),
    ("hgetdel", "arguments", A_NUMBER_IS_NO_KEY),
    ("hgetex", "arguments", A_NUMBER_IS_NO_KEY),
    ("hpersist", "arguments", A_NUMBER_IS_NO_KEY),
    ("hpexpire", "arguments", A_NUMBER_IS_NO_KEY),
    ("hpexpireat", "arguments", A_NUMBER_IS_NO_KEY),
    ("hpexpiretime", "arguments", A_NUMBER_IS_NO_KEY),
    ("hpttl", "arguments", A_NUMBER_IS_NO_KEY),
    ("hsetex", "arguments", A_NUMBER_IS_NO_KEY),
    ("httl", "arguments", A_NUMBER_IS_NO_KEY),
];

/// Commands that neither of them has, and who has them.
const UNKNOWN_TO_THEM: &[(&str, &str)] = &[("xackdel", "Redis 8.2"), ("xdelex", "Redis 8.2")];

fn ours() -> Result<(Server, BTreeMap<String, CommandFacts>)> {
    let server = Server::start(&[])?;
    let facts = facts::ask(&mut server.client()?)?;
    Ok((server, facts))
}

fn value<'f>(all: &'f BTreeMap<String, CommandFacts>, command: &str, field: &str) -> Option<&'f str> {
    all.get(command)?.get(field).map(String::as_str)
}

#[test]
fn it_describes_its_commands_as_valkey_does() -> Result<()> {
    let (_server, ours) = ours()?;
    let valkey = facts::read(VALKEY)?;
    ensure!(valkey.len() > 390, "only {} commands are recorded", valkey.len());
    let mut wrong = Vec::new();
    for (command, facts) in &ours {
        if !valkey.contains_key(command) {
            let known = UNKNOWN_TO_THEM.iter().any(|(name, _)| name == command);
            wrong.extend((!known).then(|| format!("{command}: Valkey has no such command")));
            continue;
        }
        for (field, here) in facts {
            let there = value(&valkey, command, field).unwrap_or_default();
            let intended = DIFFERENT.iter().any(|(name, of, _)| name == command && of == field);
            match (here == there, intended) {
                (false, false) => wrong.push(format!("{command} {field}: {here:?}, Valkey {there:?}")),
                (true, true) => wrong.push(format!("{command} {field}: does not differ any more")),
                _ => {}
            }
        }
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

/// What differs from Redis 7.0 must be what Valkey changed since.
#[test]
fn it_describes_its_commands_as_redis_does() -> Result<()> {
    let (_server, ours) = ours()?;
    let redis = facts::ask(&mut Peer::start(&[])?.client()?)?;
    let valkey = facts::read(VALKEY)?;
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (command, facts) in &ours {
        // The shape of the tree of arguments is that of 7.2 and later.
        for (field, here) in facts.iter().filter(|(field, _)| *field != "arguments") {
            let Some(there) = value(&redis, command, field) else { continue };
            compared += 1;
            let intended = DIFFERENT.iter().any(|(name, of, _)| name == command && of == field);
            if here != there && value(&valkey, command, field) != Some(here) && !intended {
                wrong.push(format!("{command} {field}: {here:?}, Redis {there:?}"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    ensure!(compared > 500, "only {compared} fields were compared");
    Ok(())
}

fn raw(client: &mut Client, line: &str, end: &[u8]) -> Result<String> {
    client.send(format!("{line}\r\n").as_bytes())?;
    Ok(String::from_utf8_lossy(&client.read_until(end)?).into_owned())
}

#[test]
fn its_replies_have_the_form_of_redis() -> Result<()> {
    let (server, peer) = (Server::start(&[])?, Peer::start(&[])?);
    let (mut ours, mut redis) = (server.client()?, peer.client()?);
    for protocol in ["2", "3"] {
        ours.command(&["HELLO", protocol])?;
        redis.command(&["HELLO", protocol])?;
        for (line, end) in [
            // Redis 7.0 shows the subcommands of a command without any as an empty set, later versions as an array.
            ("COMMAND INFO get", "limit\r\n:0\r\n"),
            ("COMMAND INFO mset", "limit\r\n:0\r\n"),
            ("COMMAND INFO nothing", if protocol == "2" { "$-1\r\n" } else { "_\r\n" }),
            ("COMMAND GETKEYSANDFLAGS get a", "access\r\n"),
            ("COMMAND GETKEYSANDFLAGS set a b", "update\r\n"),
            ("COMMAND DOCS nothing", "0\r\n"),
            ("COMMAND LIST FILTERBY PATTERN strle?", "strlen\r\n"),
        ] {
            let (here, there) = (raw(&mut ours, line, end.as_bytes())?, raw(&mut redis, line, end.as_bytes())?);
            assert_eq!(here, there, "{line} in RESP{protocol}");
            // What is left of the replies is of no interest, but must not stand before the next one.
            for client in [&mut ours, &mut redis] {
                client.send(b"ECHO over\r\n")?;
                client.read_until(b"$4\r\nover\r\n")?;
            }
        }
    }
    Ok(())
}

#[test]
fn it_words_its_refusals_as_redis_does() -> Result<()> {
    let (server, peer) = (Server::start(&[])?, Peer::start(&[])?);
    let (mut ours, mut redis) = (server.client()?, peer.client()?);
    for line in [
        "COMMAND COUNT x",
        "COMMAND NOTHING",
        "COMMAND|COUNT",
        "COMMAND GETKEYS",
        "COMMAND GETKEYS nothing a",
        "COMMAND GETKEYS echo a",
        "COMMAND GETKEYS get a b",
        "COMMAND GETKEYS client id",
        "COMMAND GETKEYS client nothing",
        "COMMAND GETKEYS client|id a",
        "COMMAND GETKEYS object help",
        "COMMAND GETKEYS object encoding k",
        "COMMAND GETKEYS bitop and d",
        "COMMAND GETKEYS bitop and d a b",
        "COMMAND GETKEYS lcs a b len",
        "COMMAND GETKEYS mset a 1 b 2",
        "COMMAND GETKEYS mset a 1 b",
        "COMMAND GETKEYSANDFLAGS copy a b db 1",
        "COMMAND GETKEYSANDFLAGS object freq k",
        "COMMAND GETKEYSANDFLAGS set a b",
        "COMMAND GETKEYSANDFLAGS set a b nx get",
        "COMMAND GETKEYSANDFLAGS bitfield a",
        "COMMAND GETKEYSANDFLAGS bitfield a get u8 0 overflow sat get u8 8",
        "COMMAND GETKEYSANDFLAGS bitfield a get u8 0 set u8 0 1",
        "COMMAND GETKEYSANDFLAGS bitfield a get u8",
        "COMMAND INFO get|x client|id|x client| |id",
        "COMMAND DOCS get|x client|",
        "COMMAND LIST x",
        "COMMAND LIST FILTERBY",
        "COMMAND LIST FILTERBY x y",
        "COMMAND LIST FILTERBY PATTERN",
        "COMMAND LIST FILTERBY PATTERN get x",
        "COMMAND LIST FILTERBY PATTERN SeT",
        "COMMAND LIST FILTERBY PATTERN no-such*",
        "COMMAND LIST FILTERBY ACLCAT no-such",
        "COMMAND LIST FILTERBY MODULE no-such",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(ours.command(&words)?, redis.command(&words)?, "{line}");
    }
    Ok(())
}
