//! The end of a server whose replica lags behind, and how it is taken back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ochre_tests::{Client, Peer, Reply, Server, await_that};

fn info(client: &mut Client, field: &str) -> Result<Option<String>> {
    let text = client.command(&["INFO", "everything"])?.text()?;
    Ok(text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).map(str::to_owned))
}

/// What a Redis 7.0 can be a replica of.
fn server(timeout_s: &str) -> Result<Server> {
    Server::start(&["--compatibility-level", "7.0", "--shutdown-timeout", timeout_s])
}

/// A replica of the server, a real Redis, and its process.
fn replica_of(server: &Server) -> Result<(Peer, Pid)> {
    let port = server.address().port().to_string();
    let replica = Peer::start(&["--replicaof", "127.0.0.1", &port])?;
    let mut client = replica.client()?;
    await_that("the replica is in touch", || Ok(info(&mut client, "master_link_status")?.as_deref() == Some("up")))?;
    let pid = info(&mut client, "process_id")?.context("no process_id")?;
    Ok((replica, Pid::from_raw(pid.parse()?)))
}

/// Stops the replica, and writes what it then lacks.
fn fall_behind(client: &mut Client, replica: Pid) -> Result<()> {
    kill(replica, Signal::SIGSTOP)?;
    ensure!(client.command(&["INCR", "k"])? != Reply::ok());
    Ok(())
}

fn await_waiting(client: &mut Client) -> Result<()> {
    await_that("it waits for the replica", || Ok(info(client, "shutdown_in_milliseconds")?.is_some()))
}

#[test]
fn it_waits_for_a_replica_that_lags_and_that_can_be_taken_back() -> Result<()> {
    let mut server = server("300")?;
    let (mut client, mut asking, mut writing) = (server.client()?, server.client()?, server.client()?);
    let refused = client.command(&["SHUTDOWN", "ABORT"])?;
    ensure!(refused == Reply::Error("ERR No shutdown in progress.".to_owned()), "{refused:?}");
    let (replica, pid) = replica_of(&server)?;
    fall_behind(&mut client, pid)?;
    asking.send(b"SHUTDOWN\r\n")?;
    await_waiting(&mut client)?;
    // Writes wait meanwhile; reading goes on.
    writing.send(b"SET other 1\r\n")?;
    await_that("both clients wait", || Ok(info(&mut client, "blocked_clients")?.as_deref() == Some("2")))?;
    ensure!(client.command(&["GET", "k"])? == Reply::bulk("1"));
    ensure!(client.command(&["SHUTDOWN", "ABORT"])? == Reply::ok());
    let refused = asking.read_reply()?;
    ensure!(refused == Reply::Error("ERR Errors trying to SHUTDOWN. Check logs.".to_owned()), "{refused:?}");
    ensure!(writing.read_reply()? == Reply::ok());
    server.wait_for_log("Shutdown manually aborted.")?;
    // By a signal, and this time it catches up.
    server.signal(Signal::SIGTERM)?;
    await_waiting(&mut client)?;
    kill(pid, Signal::SIGCONT)?;
    ensure!(server.ended()?.code() == Some(0));
    server.wait_for_log("1 of 1 replicas are in sync when shutting down.")?;
    let mut replica = replica.client()?;
    await_that("the replica has all", || Ok(replica.command(&["GET", "other"])? == Reply::bulk("1")))
}

#[test]
fn it_does_not_wait_for_ever() -> Result<()> {
    // How it is asked, and whether it waits at all.
    for (how, timeout_s, waits) in [("SHUTDOWN", "1", true), ("SHUTDOWN NOW", "300", false), ("SHUTDOWN", "0", false)] {
        let mut server = server(timeout_s)?;
        let mut client = server.client()?;
        let (_replica, pid) = replica_of(&server)?;
        fall_behind(&mut client, pid)?;
        client.send(format!("{how}\r\n").as_bytes())?;
        ensure!(client.read_to_close(Duration::from_secs(30))?.is_empty(), "{how}: a reply");
        ensure!(server.ended()?.code() == Some(0));
        let log = server.log();
        ensure!(log.contains("0 of 1 replicas are in sync when shutting down."), "{how} {timeout_s}");
        ensure!(log.contains("Lagging replica 127.0.0.1:") && log.contains("Waiting for replicas") == waits);
        kill(pid, Signal::SIGCONT)?;
    }
    Ok(())
}

#[test]
fn a_signal_is_heeded_when_periodic_work_goes_on() -> Result<()> {
    let mut server = Server::start(&["--enable-debug-command", "yes"])?;
    let mut client = server.client()?;
    for aborts in [true, false] {
        ensure!(client.command(&["DEBUG", "PAUSE-CRON", "1"])? == Reply::ok());
        server.signal(Signal::SIGTERM)?;
        server.wait_for_log("Received SIGTERM scheduling shutdown...")?;
        if aborts {
            await_that("it is taken back", || Ok(client.command(&["SHUTDOWN", "ABORT"])? == Reply::ok()))?;
        }
        // The reply may be lost when the process ends at once.
        let answer = client.command(&["DEBUG", "PAUSE-CRON", "0"]);
        ensure!(!aborts || answer? == Reply::ok());
    }
    ensure!(server.ended()?.code() == Some(0));
    Ok(())
}
