//! Figures of INFO that take more than one server, or that are shown to those only who ask for them.

use anyhow::{Context, Result, ensure};
use ochre_tests::{Client, Peer, Reply, Server, await_that};

/// Bytes that no snapshot makes much shorter.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // Within ASCII, so that it can stand in an argument.
        b'0' + (state >> 40) as u8 % 64
    };
    (0..len).map(|_| next()).collect()
}

const LEN: usize = 200_000;

fn figure(client: &mut Client, section: &str, name: &str) -> Result<f64> {
    let info = client.command(&["INFO", section])?.text()?;
    let found = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    found.with_context(|| format!("no {name} in {info}"))?.trim().parse().context("a number")
}

fn stat(client: &mut Client, name: &str) -> Result<f64> {
    figure(client, "stats", name)
}

/// Makes one a replica of the other, and waits until it has what that has.
fn follow(primary: &mut Client, replica: &mut Client) -> Result<()> {
    let port = primary.stream().peer_addr()?.port().to_string();
    ensure!(replica.command(&["REPLICAOF", "127.0.0.1", &port])? == Reply::ok());
    caught_up(primary, replica)
}

fn caught_up(primary: &mut Client, replica: &mut Client) -> Result<()> {
    await_that("the replica has caught up", || {
        let offset = figure(primary, "replication", "master_repl_offset")?;
        let is_up = replica.command(&["INFO", "replication"])?.text()?.contains("master_link_status:up");
        Ok(is_up && figure(replica, "replication", "slave_repl_offset")? == offset)
    })
}

#[test]
fn bytes_of_replication_are_counted_on_both_sides() -> Result<()> {
    let (primary, replica) = (Server::start(&[])?, Server::start(&[])?);
    let (mut primary, mut replica) = (primary.client()?, replica.client()?);
    let value = String::from_utf8(noise(LEN))?;
    primary.command(&["SET", "in the snapshot", &value])?;
    for client in [&mut primary, &mut replica] {
        for name in ["total_net_repl_input_bytes", "total_net_repl_output_bytes"] {
            ensure!(stat(client, name)? == 0.0, "{name} before there is a replica");
        }
    }
    follow(&mut primary, &mut replica)?;
    let (sent, read) =
        (stat(&mut primary, "total_net_repl_output_bytes")?, stat(&mut replica, "total_net_repl_input_bytes")?);
    // Random bytes of 64 kinds are at most a quarter longer than need be.
    ensure!(sent > LEN as f64 * 0.7 && read > LEN as f64 * 0.7, "the snapshot: {sent} sent, {read} read");
    primary.command(&["SET", "in the stream", &value])?;
    caught_up(&mut primary, &mut replica)?;
    let (sent, read) = (
        stat(&mut primary, "total_net_repl_output_bytes")? - sent,
        stat(&mut replica, "total_net_repl_input_bytes")? - read,
    );
    let range = LEN as f64..LEN as f64 + 1000.0;
    ensure!(range.contains(&sent) && range.contains(&read), "the stream: {sent} sent, {read} read");
    for (client, part, whole) in [
        (&mut primary, "total_net_repl_output_bytes", "total_net_output_bytes"),
        (&mut replica, "total_net_repl_input_bytes", "total_net_input_bytes"),
    ] {
        ensure!(stat(client, part)? <= stat(client, whole)?, "{part} is part of {whole}");
    }
    ensure!(stat(&mut primary, "total_net_repl_input_bytes")? == 0.0, "nobody sends the primary a stream");
    ensure!(stat(&mut replica, "total_net_repl_output_bytes")? == 0.0, "the replica has no replicas");
    await_that("rates are shown", || {
        Ok(stat(&mut primary, "instantaneous_output_repl_kbps")? > 1.0
            && stat(&mut replica, "instantaneous_input_repl_kbps")? > 1.0)
    })?;
    primary.command(&["CONFIG", "RESETSTAT"])?;
    ensure!(stat(&mut primary, "total_net_repl_output_bytes")? < 1000.0, "CONFIG RESETSTAT");
    Ok(())
}

#[test]
fn bytes_of_replication_are_those_that_redis_counts() -> Result<()> {
    let value = String::from_utf8(noise(LEN))?;
    for ours_first in [true, false] {
        let at_once = ["--repl-diskless-sync-delay", "0"];
        let ours = Server::start(&[&at_once[..], &["--compatibility-level", "7.0"]].concat())?;
        let redis = Peer::start(&at_once)?;
        let (ours, redis) = (ours.client()?, redis.client()?);
        let (mut primary, mut replica) = if ours_first { (ours, redis) } else { (redis, ours) };
        primary.command(&["SET", "key", &value])?;
        follow(&mut primary, &mut replica)?;
        primary.command(&["SET", "other", &value])?;
        caught_up(&mut primary, &mut replica)?;
        let sent = stat(&mut primary, "total_net_repl_output_bytes")?;
        let read = stat(&mut replica, "total_net_repl_input_bytes")?;
        // What was said before the snapshot counts for one of them and not for the other.
        ensure!((sent - read).abs() < 500.0 && sent > LEN as f64, "{sent} sent, {read} read, ours first: {ours_first}");
    }
    Ok(())
}

/// What Valkey 9.1.2 shows, in its order.
const DEBUG: [&str; 6] = [
    "eventloop_duration_aof_sum",
    "eventloop_duration_cron_sum",
    "eventloop_duration_max",
    "eventloop_cmd_per_cycle_max",
    "io_threaded_reads_pending",
    "io_threaded_writes_pending",
];

#[test]
fn event_loops_are_shown_to_who_asks_for_them() -> Result<()> {
    let server = Server::start(&["--appendonly", "yes", "--enable-debug-command", "yes"])?;
    let mut client = server.client()?;
    for section in ["", "all", "everything", "default"] {
        let line = ["INFO", section];
        let info = client.command(if section.is_empty() { &line[..1] } else { &line })?.text()?;
        ensure!(!info.contains("# Debug") && !info.contains("eventloop_duration_max"), "INFO {section}");
    }
    client.command(&["CONFIG", "RESETSTAT"])?;
    client.send(&b"PING\r\n".repeat(30))?;
    for _ in 0..30 {
        client.read_reply()?;
    }
    client.command(&["DEBUG", "SLEEP", "0.06"])?;
    client.command(&["SET", "key", "value"])?;
    let info = client.command(&["INFO", "debug"])?.text()?;
    let names: Vec<_> = info.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    ensure!(info.starts_with("# Debug\r\n") && names == DEBUG, "{info}");
    let mut debug = |name: &str| figure(&mut client, "debug", name);
    ensure!(debug("eventloop_cmd_per_cycle_max")? == 30.0, "{}", debug("eventloop_cmd_per_cycle_max")?);
    let longest_us = debug("eventloop_duration_max")?;
    ensure!((60_000.0..10_000_000.0).contains(&longest_us), "{longest_us}");
    await_that("the append-only file is written", || Ok(debug("eventloop_duration_aof_sum")? > 0.0))?;
    await_that("periodic work takes time", || Ok(debug("eventloop_duration_cron_sum")? > 0.0))
}
