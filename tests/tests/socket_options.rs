//! What the kernel is told about the server's sockets, read back from them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ochre_tests::{Client, Reply, Server, await_that, sockets};

#[test]
fn connections_send_at_once_and_are_probed() -> Result<()> {
    let server = Server::start(&[])?;
    let mut client = server.client()?;
    let probes = |server: &Server, client: &mut Client| sockets::keepalive(&sockets::accepted(server, client)?);
    ensure!(sockets::accepted(&server, &mut client)?.tcp_nodelay()?, "TCP_NODELAY is off");
    let expected = (Duration::from_secs(300), Duration::from_secs(100), 3);
    assert_eq!(probes(&server, &mut client)?, Some(expected));
    // New connections follow the directive.
    client.set_config("tcp-keepalive", "30")?;
    let expected = (Duration::from_secs(30), Duration::from_secs(10), 3);
    assert_eq!(probes(&server, &mut server.client()?)?, Some(expected));
    client.set_config("tcp-keepalive", "0")?;
    assert_eq!(probes(&server, &mut server.client()?)?, None);
    Ok(())
}

#[test]
fn unacknowledged_data_has_a_time_limit_where_one_is_set() -> Result<()> {
    let server = Server::start(&[])?;
    let mut client = server.client()?;
    let limit = |client: &mut Client| -> Result<Duration> {
        Ok(sockets::accepted(&server, client)?.tcp_user_timeout()?.unwrap_or_default())
    };
    assert_eq!(limit(&mut client)?, Duration::ZERO);
    client.set_config("tcp-user-timeout", "12345")?;
    assert_eq!(limit(&mut server.client()?)?, Duration::from_millis(12345));
    Ok(())
}

#[test]
fn listeners_have_their_options() -> Result<()> {
    let plain = Server::start(&[])?;
    let options = |server: &Server| sockets::listener_options(&sockets::listener(server, server.address())?);
    assert_eq!(options(&plain)?, (0, 0));
    // The kernel counts whole retransmissions: 7 seconds are three of them.
    let tuned = Server::start(&["--tcp-fastopen", "37", "--tcp-defer-accept", "7"])?;
    assert_eq!(options(&tuned)?, (37, 7));
    // A deferred connection is served once it speaks.
    assert_eq!(tuned.client()?.command(&["PING"])?, Reply::Simple("PONG".into()));
    Ok(())
}

#[test]
fn a_deferred_connection_that_is_silent_is_not_accepted() -> Result<()> {
    let server = Server::start(&["--tcp-defer-accept", "30"])?;
    let mut client = server.client()?;
    let _silent = server.client()?;
    let clients =
        |client: &mut Client| Ok::<_, anyhow::Error>(client.command(&["CLIENT", "LIST"])?.text()?.lines().count());
    // A connection that came later is there already.
    let mut later = server.client()?;
    later.command(&["PING"])?;
    assert_eq!(clients(&mut client)?, 2);
    Ok(())
}

/// The kernel falls back to delayed acknowledgements whenever a reply follows a request, unless it is asked again after
/// each read.
#[test]
fn quick_acknowledgements_last() -> Result<()> {
    let server = Server::start(&[])?;
    let mut admin = server.client()?;
    let mut quick = |client: &mut Client| -> Result<bool> {
        let id = client.command(&["CLIENT", "ID"])?;
        let Reply::Integer(id) = id else { anyhow::bail!("{id:?} is no id") };
        let socket = sockets::accepted(&server, client)?;
        // Half a request is read and not answered.
        client.send(b"PI")?;
        await_that("the server has read", || {
            let line = admin.command(&["CLIENT", "LIST", "ID", &id.to_string()])?.text()?;
            Ok(line.contains(" qbuf=2 "))
        })?;
        let quick = socket.tcp_quickack()?;
        client.send(b"NG\r\n")?;
        assert_eq!(client.read_reply()?, Reply::Simple("PONG".into()));
        Ok(quick)
    };
    let mut client = server.client()?;
    ensure!(!quick(&mut client)?, "acknowledgements are quick without being asked for");
    client.set_config("tcp-quickack", "yes")?;
    ensure!(quick(&mut client)?, "acknowledgements are not quick");
    ensure!(quick(&mut server.client()?)?, "acknowledgements of a new connection are not quick");
    Ok(())
}

#[test]
fn large_replies_are_corked_until_they_are_sent() -> Result<()> {
    const LENGTH: usize = 64 << 20;
    let server = Server::start(&[])?;
    let mut admin = server.client()?;
    admin.command(&["SETRANGE", "large", &(LENGTH - 1).to_string(), "x"])?;
    for corks in [false, true] {
        admin.set_config("tcp-cork", if corks { "yes" } else { "no" })?;
        let mut reader = server.client()?;
        let socket = sockets::accepted(&server, &mut reader)?;
        reader.send(b"GET large\r\n")?;
        // Part of the reply has come, and the rest is more than sockets hold.
        reader.read_until(b"\r\n")?;
        assert_eq!(socket.tcp_cork()?, corks);
        reader.read_exact(LENGTH + 2)?;
        await_that("the cork is drawn", || Ok(!socket.tcp_cork()?))?;
        ensure!(socket.tcp_nodelay()?, "TCP_NODELAY is off afterwards");
        assert_eq!(reader.command(&["PING"])?, Reply::Simple("PONG".into()));
    }
    admin.command(&["CLIENT", "INFO"])?.text().context("still served").map(drop)
}
