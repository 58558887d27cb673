//! CLIENT LIST and CLIENT INFO beside those of a real Redis.

use anyhow::{Context, Result, bail, ensure};
use ochre_tests::{Client, Peer, Reply, Server};

/// The fields of the first line of a reply, in order.
fn fields(client: &mut Client, command: &[&str]) -> Result<Vec<(String, String)>> {
    let text = client.command(command)?.text()?;
    let line = text.lines().next().context("no line")?;
    Ok(line.split(' ').filter_map(|field| field.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
}

#[test]
fn lines_have_the_fields_of_redis_in_their_order() -> Result<()> {
    let (server, peer) = (Server::start(&["--compatibility-level", "7.0"])?, Peer::start(&[])?);
    let (mut ours, mut redis) = (server.client()?, peer.client()?);
    for command in [&["CLIENT", "INFO"][..], &["CLIENT", "LIST"], &["client", "list", "type", "normal"]] {
        let (here, there) = (fields(&mut ours, command)?, fields(&mut redis, command)?);
        let wanted: Vec<&str> = there.iter().map(|(name, _)| name.as_str()).collect();
        let shown: Vec<&str> =
            here.iter().map(|(name, _)| name.as_str()).filter(|name| wanted.contains(name)).collect();
        assert_eq!(shown, wanted, "{command:?}");
        for name in [
            "name",
            "db",
            "sub",
            "psub",
            "multi",
            "flags",
            "cmd",
            "user",
            "redir",
            "resp",
            "idle",
            "qbuf",
            "multi-mem",
            "obl",
            "oll",
            "omem",
            "events",
        ] {
            let value = |fields: &[(String, String)]| fields.iter().find(|(known, _)| known == name).cloned();
            assert_eq!(value(&here), value(&there), "{command:?}");
        }
    }
    Ok(())
}

#[test]
fn all_clients_are_listed_with_what_they_told() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut one, mut other) = (server.client()?, server.client()?);
    one.command(&["CLIENT", "SETNAME", "first"])?;
    one.command(&["CLIENT", "SETINFO", "LIB-NAME", "tests"])?;
    one.command(&["SELECT", "3"])?;
    let lines = other.command(&["CLIENT", "LIST"])?.text()?;
    ensure!(lines.lines().count() == 2, "{lines}");
    let line = lines.lines().find(|line| line.contains(" name=first ")).context("the first is not listed")?;
    ensure!(line.ends_with(" tot-cmds=3"), "{line}");
    for field in [" db=3 ", " lib-name=tests ", " lib-ver= ", " cmd=select ", " user=default "] {
        ensure!(line.contains(field), "no{field}in {line}");
    }
    Ok(())
}

#[test]
fn filters_choose_and_refuse_as_those_of_valkey() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut one, mut other) = (server.client()?, server.client()?);
    let id = |client: &mut Client| match client.command(&["CLIENT", "ID"])? {
        Reply::Integer(id) => Ok(id),
        other => bail!("no id: {other:?}"),
    };
    let (first, second) = (id(&mut one)?, id(&mut other)?);
    let mut listed = |options: &str| -> Result<usize> {
        let words: Vec<&str> = ["CLIENT", "LIST"].into_iter().chain(options.split(' ')).collect();
        Ok(one.command(&words)?.text()?.lines().count())
    };
    assert_eq!(listed(&format!("ID {first} ID {second}"))?, 2, "ids gather");
    assert_eq!(listed(&format!("NOT-ID {first} NOT-ID {second}"))?, 0);
    assert_eq!(listed("TYPE pubsub TYPE normal")?, 2, "the last type counts");
    assert_eq!(listed("FLAGS N NOT-FLAGS O")?, 2);
    for (options, refusal) in [
        ("FLAGS Nz", "ERR Unknown flags found in the provided filter: Nz"),
        ("NOT-FLAGS z", "ERR Unknown flags found in the NOT-FLAGS filter: z"),
        ("CAPA z", "ERR Unknown capa found in the provided filter: z"),
        ("DB 16", "ERR DB number should be between 0 and 15"),
        ("NOT-DB x", "ERR NOT-DB is not an integer or out of range"),
        ("IDLE 1x", "ERR idle is not an integer or out of range"),
        ("MAXAGE 0", "ERR maxage should be greater than 0"),
        ("NOT-MAXAGE 1", "ERR syntax error"),
    ] {
        let words: Vec<&str> = ["CLIENT", "LIST"].into_iter().chain(options.split(' ')).collect();
        assert_eq!(one.command(&words)?, Reply::Error(refusal.to_owned()), "{options}");
    }
    Ok(())
}
