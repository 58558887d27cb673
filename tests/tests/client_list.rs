//! CLIENT LIST and CLIENT INFO beside those of a real Redis.

use anyhow::{Context, Result, ensure};
use ochre_tests::{Client, Peer, Server};

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
