//! WAITAOF: what is acknowledged is on the disks that it says, here and of replicas.

use anyhow::{Result, ensure};
use ochre_tests::{Client, Peer, Reply, Server, await_that};

/// No rewrite comes in between.
const FILE: [&str; 4] = ["--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"];

/// Sends WAITAOF; what is durable here, and in how many replicas.
fn waitaof(client: &mut Client, words: &str) -> Result<(i64, i64)> {
    match client.line(&format!("WAITAOF {words}"))? {
        Reply::Array(counts) => match counts.as_slice() {
            [Reply::Integer(local), Reply::Integer(replicas)] => Ok((*local, *replicas)),
            other => anyhow::bail!("{other:?}"),
        },
        other => anyhow::bail!("{other:?}"),
    }
}

fn write(client: &mut Client) -> Result<()> {
    client.command(&["INCR", "counter"])?;
    Ok(())
}

fn await_blocked(client: &mut Client, count: &str) -> Result<()> {
    await_that("clients wait", || Ok(client.info("blocked_clients")? == count))
}

fn await_rewritten(client: &mut Client) -> Result<()> {
    await_that("the file has its base", || {
        let is_over = client.info("aof_rewrite_in_progress")? == "0" && client.info("aof_rewrite_scheduled")? == "0";
        Ok(is_over)
    })
}

fn follow(replica: &mut Client, primary: &Client) -> Result<()> {
    let port = primary.stream().peer_addr()?.port().to_string();
    ensure!(replica.command(&["REPLICAOF", "127.0.0.1", &port])? == Reply::ok());
    await_that("the link is up", || Ok(replica.info("master_link_status")? == "up"))
}

#[test]
fn it_refuses_what_valkey_refuses() -> Result<()> {
    let (server, valkey) = (Server::start(&[])?, Peer::valkey(&[])?);
    let (mut ours, mut theirs) = (server.client()?, valkey.client()?);
    let lines = ["2 0 0", "x 0 0", "0 -1 0", "0 x 0", "0 0 x", "0 0 -1", "1 0 x", "1 0 0", "0 0 0", "0 1 1", "1 1"];
    for role in ["NO ONE", "127.0.0.1 1"] {
        for client in [&mut ours, &mut theirs] {
            client.line(&format!("REPLICAOF {role}"))?;
        }
        for line in lines {
            let words: Vec<&str> = ["WAITAOF"].into_iter().chain(line.split(' ')).collect();
            assert_eq!(ours.command(&words)?, theirs.command(&words)?, "{line}, {role}");
        }
    }
    Ok(())
}

#[test]
fn it_waits_for_the_disk_whatever_the_policy() -> Result<()> {
    let server = Server::start(&[&FILE[..], &["--appendfsync", "no"]].concat())?;
    let mut client = server.client()?;
    write(&mut client)?;
    assert_eq!(waitaof(&mut client, "1 0 50")?, (0, 0));
    client.set_config("appendfsync", "everysec")?;
    assert_eq!(waitaof(&mut client, "1 0 0")?, (1, 0));
    client.set_config("appendfsync", "always")?;
    write(&mut client)?;
    assert_eq!(waitaof(&mut client, "1 0 0")?, (1, 0));
    // Where nothing may wait, it tells how it stands.
    client.command(&["MULTI"])?;
    client.line("WAITAOF 1 1 0")?;
    assert_eq!(
        client.command(&["EXEC"])?,
        Reply::Array(vec![Reply::Array(vec![Reply::Integer(1), Reply::Integer(0)])])
    );
    Ok(())
}

#[test]
fn without_a_file_nothing_is_durable() -> Result<()> {
    let server = Server::start(&[&FILE[..], &["--appendfsync", "no"]].concat())?;
    let (mut client, mut other) = (server.client()?, server.client()?);
    write(&mut client)?;
    client.send(b"WAITAOF 1 0 0\r\n")?;
    await_blocked(&mut other, "1")?;
    other.set_config("appendonly", "no")?;
    let refusal = "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";
    assert_eq!(client.read_reply()?, Reply::Error(refusal.to_owned()));
    // Until there is a base, what is appended is no data set.
    other.set_config("appendfsync", "always")?;
    other.set_config("rdb-key-save-delay", "100000000")?;
    other.set_config("appendonly", "yes")?;
    write(&mut client)?;
    assert_eq!(waitaof(&mut client, "1 0 50")?, (0, 0));
    client.send(b"WAITAOF 1 0 0\r\n")?;
    await_blocked(&mut other, "1")?;
    other.set_config("rdb-key-save-delay", "0")?;
    other.set_config("appendonly", "no")?;
    assert_eq!(client.read_reply()?, Reply::Error(refusal.to_owned()));
    other.set_config("appendonly", "yes")?;
    assert_eq!(waitaof(&mut client, "1 0 0")?, (1, 0));
    await_rewritten(&mut other)
}

/// What holds of any primary and any replica.
fn counts_the_disk_of_its_replica(mut primary: Client, mut other: Client, mut replica: Client) -> Result<()> {
    primary.set_config("appendfsync", "always")?;
    replica.set_config("appendfsync", "no")?;
    follow(&mut replica, &primary)?;
    await_rewritten(&mut replica)?;
    write(&mut primary)?;
    assert_eq!(waitaof(&mut primary, "0 1 100")?, (1, 0));
    for policy in ["everysec", "always"] {
        replica.set_config("appendfsync", policy)?;
        write(&mut primary)?;
        assert_eq!(waitaof(&mut primary, "1 1 0")?, (1, 1), "{policy}");
    }
    replica.set_config("appendonly", "no")?;
    write(&mut primary)?;
    assert_eq!(waitaof(&mut primary, "0 1 100")?, (1, 0));
    primary.send(b"WAITAOF 0 1 0\r\n")?;
    await_blocked(&mut other, "1")?;
    replica.set_config("appendonly", "yes")?;
    let both = Reply::Array(vec![Reply::Integer(1), Reply::Integer(1)]);
    assert_eq!(primary.read_reply()?, both);
    // What was asked for without a write is there as well.
    assert_eq!(waitaof(&mut other, "1 1 0")?, (1, 1));
    other.set_config("appendonly", "no")?;
    write(&mut primary)?;
    assert_eq!(waitaof(&mut primary, "0 1 0")?, (0, 1));
    Ok(())
}

#[test]
fn it_counts_the_disks_of_replicas() -> Result<()> {
    let (primary, replica) = (Server::start(&FILE)?, Server::start(&FILE)?);
    counts_the_disk_of_its_replica(primary.client()?, primary.client()?, replica.client()?)
}

#[test]
fn it_counts_the_disk_of_a_valkey() -> Result<()> {
    let (primary, replica) = (Server::start(&FILE)?, Peer::valkey(&FILE)?);
    counts_the_disk_of_its_replica(primary.client()?, primary.client()?, replica.client()?)
}

#[test]
fn a_valkey_counts_its_disk() -> Result<()> {
    let (primary, replica) = (Peer::valkey(&FILE)?, Server::start(&FILE)?);
    counts_the_disk_of_its_replica(primary.client()?, primary.client()?, replica.client()?)
}

#[test]
fn who_waits_is_told_of_another_role() -> Result<()> {
    let (primary, server) = (Server::start(&[])?, Server::start(&FILE)?);
    let (mut client, mut other) = (server.client()?, server.client()?);
    write(&mut client)?;
    client.send(b"WAITAOF 0 1 0\r\n")?;
    await_blocked(&mut other, "1")?;
    follow(&mut other, &primary.client()?)?;
    let Reply::Error(text) = client.read_reply()? else { anyhow::bail!("it is not refused") };
    ensure!(text.starts_with("UNBLOCKED force unblock from blocking operation"), "{text}");
    Ok(())
}

/// Offsets of two histories are not to be mixed up.
#[test]
fn a_replica_that_changes_its_primary_acknowledges_what_it_has_of_the_new_one() -> Result<()> {
    let always = [&FILE[..], &["--appendfsync", "always", "--repl-diskless-sync-delay", "0"]].concat();
    let (first, second, replica) = (Server::start(&always)?, Server::start(&always)?, Server::start(&always)?);
    let (mut first, mut second, mut replica) = (first.client()?, second.client()?, replica.client()?);
    follow(&mut replica, &first)?;
    for _ in 0..1000 {
        write(&mut first)?;
    }
    assert_eq!(waitaof(&mut first, "1 1 0")?, (1, 1));
    write(&mut second)?;
    follow(&mut replica, &second)?;
    replica.set_config("appendfsync", "no")?;
    await_rewritten(&mut replica)?;
    write(&mut second)?;
    assert_eq!(waitaof(&mut second, "1 1 100")?, (1, 0));
    replica.set_config("appendfsync", "always")?;
    assert_eq!(waitaof(&mut second, "1 1 0")?, (1, 1));
    assert_eq!(replica.command(&["GET", "counter"])?, Reply::bulk("2"));
    Ok(())
}
