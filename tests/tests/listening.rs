//! Where the server listens, and how that changes while it runs.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use ochre_tests::{Client, Reply, Server, await_that, free_port, program, scripts};

/// An address that no machine has: it is for documents (RFC 5737).
const ABSENT: &str = "203.0.113.7";

fn pong() -> Reply {
    Reply::Simple("PONG".into())
}

fn ping(ip: impl Into<IpAddr>, port: u16) -> Result<()> {
    let mut client = Client::connect((ip.into(), port).into())?;
    assert_eq!(client.command(&["PING"])?, pong());
    Ok(())
}

/// Errs unless nobody listens there.
fn check_closed(ip: impl Into<IpAddr>, port: u16) -> Result<()> {
    match TcpStream::connect(SocketAddr::from((ip.into(), port))) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        other => bail!("port {port} is not closed: {other:?}"),
    }
}

fn refusal(argument: &str, text: &str) -> Reply {
    Reply::Error(format!("ERR CONFIG SET failed (possibly related to argument '{argument}') - {text}"))
}

/// Runs the server, which should end by itself with 1, and returns what it printed.
fn failed_start(options: &[&str]) -> Result<String> {
    let mut command = Command::new(program()?);
    let mut child = command.args(options).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut status = None;
    let ended = await_that("the server ends by itself", || {
        status = child.try_wait()?;
        Ok(status.is_some())
    });
    child.kill()?;
    let output = child.wait_with_output()?;
    ended?;
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(status.and_then(|status| status.code()), Some(1), "{log}");
    Ok(log)
}

#[test]
fn several_addresses_and_names_are_bound() -> Result<()> {
    let server = Server::start(&["--bind", "localhost", "127.0.0.2"])?;
    let port = server.address().port();
    ping([127, 0, 0, 1], port)?;
    ping([127, 0, 0, 2], port)?;
    check_closed([127, 0, 0, 3], port)
}

#[test]
fn ipv6_is_bound_where_there_is_any() -> Result<()> {
    let server = Server::start(&["--bind", "127.0.0.1", "-::1"])?;
    let port = server.address().port();
    ping([127, 0, 0, 1], port)?;
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        // The dash has forgiven that there is none.
        return check_closed([127, 0, 0, 2], port);
    }
    ping(Ipv6Addr::LOCALHOST, port)?;
    let mut client = Client::connect((Ipv6Addr::LOCALHOST, port).into())?;
    let info = client.command(&["CLIENT", "INFO"])?.text()?;
    ensure!(info.contains(&format!(" laddr=[::1]:{port} ")), "{info}");
    Ok(())
}

#[test]
fn all_addresses_of_both_families_are_the_default() -> Result<()> {
    let server = Server::start(&["--bind", "*", "-::*"])?;
    let port = server.address().port();
    for last in 1..4 {
        ping([127, 0, 0, last], port)?;
    }
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        ping(Ipv6Addr::LOCALHOST, port)?;
    }
    Ok(())
}

#[test]
fn a_dash_forgives_an_absent_address() -> Result<()> {
    let server = Server::start(&["--bind", "127.0.0.1", &format!("-{ABSENT}")])?;
    ping([127, 0, 0, 1], server.address().port())?;
    let port = free_port()?.to_string();
    let log = failed_start(&["--port", &port, "--bind", "127.0.0.1", ABSENT])?;
    let reason = format!("{ABSENT}:{port}: bind: Cannot assign requested address");
    ensure!(log.contains(&reason) && log.contains(&format!("Failed listening on port {port}")), "{log}");
    Ok(())
}

#[test]
fn a_busy_port_ends_the_start() -> Result<()> {
    let server = Server::start(&[])?;
    let port = server.address().port().to_string();
    let log = failed_start(&["--port", &port, "--bind", "127.0.0.1"])?;
    ensure!(log.contains(&format!("Failed listening on port {port}")), "{log}");
    Ok(())
}

#[test]
fn a_unix_socket_is_enough() -> Result<()> {
    let path = std::env::temp_dir().join(format!("ochre-unixsocket-{}", std::process::id()));
    let name = path.to_str().context("a folder with a strange name")?;
    let mut server = Server::start(&["--port", "0", "--unixsocket", name, "--unixsocketperm", "751"])?;
    check_closed(Ipv4Addr::LOCALHOST, server.address().port())?;
    assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o751);
    let mut stream = UnixStream::connect(&path)?;
    stream.write_all(b"PING\r\nCLIENT INFO\r\n")?;
    let mut reply = Vec::new();
    while !reply.ends_with(b"\n\r\n") {
        let mut chunk = [0; 1024];
        let count = stream.read(&mut chunk)?;
        ensure!(count > 0, "closed after {}", String::from_utf8_lossy(&reply));
        reply.extend_from_slice(&chunk[..count]);
    }
    let reply = String::from_utf8_lossy(&reply).into_owned();
    ensure!(reply.starts_with("+PONG\r\n") && reply.contains(&format!(" addr={name}:0 ")), "{reply}");
    ensure!(reply.contains(" flags=U "), "{reply}");
    assert_eq!(server.terminate()?, Some(0));
    ensure!(!path.exists(), "the socket is still there");
    Ok(())
}

#[test]
fn nowhere_to_listen_ends_the_start() -> Result<()> {
    let log = failed_start(&["--port", "0"])?;
    ensure!(log.contains("Configured to not listen anywhere, exiting."), "{log}");
    Ok(())
}

#[test]
fn the_backlog_is_the_configured_one() -> Result<()> {
    let server = Server::start(&["--tcp-backlog", "37"])?;
    let filter = format!("sport = :{}", server.address().port());
    let table = scripts::output(Command::new("ss").args(["-Hltn", &filter]))?;
    assert_eq!(table.split_whitespace().nth(2), Some("37"), "{table}");
    Ok(())
}

#[test]
fn the_port_changes_at_run_time() -> Result<()> {
    let server = Server::start(&[])?;
    let old = server.address().port();
    let mut client = server.client()?;
    let new = free_port()?;
    client.set_config("port", &new.to_string())?;
    ping(Ipv4Addr::LOCALHOST, new)?;
    check_closed(Ipv4Addr::LOCALHOST, old)?;
    // Who is connected stays connected.
    assert_eq!(client.command(&["PING"])?, pong());

    let busy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let taken = busy.local_addr()?.port().to_string();
    let expected = refusal("port", "Unable to listen on this port. Check server logs.");
    assert_eq!(client.command(&["CONFIG", "SET", "port", &taken])?, expected);
    ping(Ipv4Addr::LOCALHOST, new)?;
    assert_eq!(
        client.command(&["CONFIG", "GET", "port"])?,
        Reply::Array(vec![Reply::bulk("port"), Reply::bulk(&new.to_string())])
    );

    client.set_config("port", "0")?;
    check_closed(Ipv4Addr::LOCALHOST, new)?;
    client.set_config("port", &old.to_string())?;
    ping(Ipv4Addr::LOCALHOST, old)
}

#[test]
fn the_addresses_change_at_run_time() -> Result<()> {
    let server = Server::start(&[])?;
    let port = server.address().port();
    let mut client = server.client()?;
    let second = [127, 0, 0, 2];
    client.set_config("bind", "127.0.0.1 127.0.0.2")?;
    ping(Ipv4Addr::LOCALHOST, port)?;
    ping(second, port)?;
    client.set_config("bind", "127.0.0.2")?;
    check_closed(Ipv4Addr::LOCALHOST, port)?;
    ping(second, port)?;
    // All addresses and one of them cannot be open side by side, so this goes another way.
    client.set_config("bind", "*")?;
    ping(Ipv4Addr::LOCALHOST, port)?;
    ping(second, port)?;
    client.set_config("bind", "127.0.0.1")?;
    check_closed(second, port)?;
    client.set_config("bind", "")?;
    check_closed(Ipv4Addr::LOCALHOST, port)?;
    client.set_config("bind", "127.0.0.1")?;
    ping(Ipv4Addr::LOCALHOST, port)
}

#[test]
fn addresses_that_cannot_be_bound_change_nothing() -> Result<()> {
    let server = Server::start(&[])?;
    let port = server.address().port();
    let mut client = server.client()?;
    let expected = refusal("bind", "Failed to bind to specified addresses.");
    let second = format!("127.0.0.2 {ABSENT}");
    for bind in ["999.999.999.999", second.as_str()] {
        assert_eq!(client.command(&["CONFIG", "SET", "bind", bind])?, expected, "{bind}");
        ping(Ipv4Addr::LOCALHOST, port)?;
        check_closed([127, 0, 0, 2], port)?;
    }
    client.set_config("bind", "*")?;
    assert_eq!(client.command(&["CONFIG", "SET", "bind", &second])?, expected);
    ping([127, 0, 0, 3], port)?;
    let found = client.command(&["CONFIG", "GET", "bind"])?;
    assert_eq!(found, Reply::Array(vec![Reply::bulk("bind"), Reply::bulk("*")]));
    Ok(())
}

/// Connections that are being opened while the listeners change are not lost: what stays wanted stays open.
#[test]
fn a_listener_that_stays_wanted_is_never_closed() -> Result<()> {
    let server = Server::start(&[])?;
    let mut client = server.client()?;
    let address = server.address();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let knocking = scope.spawn(|| -> Result<()> {
            while !stop.load(Relaxed) {
                assert_eq!(Client::connect(address)?.command(&["PING"])?, pong());
            }
            Ok(())
        });
        let changed = (0..50).try_for_each(|round| {
            client.set_config("bind", if round % 2 == 0 { "127.0.0.1 127.0.0.2" } else { "127.0.0.1" })
        });
        stop.store(true, Relaxed);
        knocking.join().map_err(|_| anyhow!("a connection was lost"))??;
        changed
    })
}

/// Asks the kernel which address it would use to reach a far one; nothing is sent.
fn own_address() -> Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((ABSENT, 9)).context("this test needs an address beside the loopback")?;
    let ip = socket.local_addr()?.ip();
    ensure!(!ip.is_loopback(), "this test needs an address beside the loopback");
    Ok(ip)
}

#[test]
fn protected_mode_keeps_others_out_until_there_is_a_password() -> Result<()> {
    let server = Server::start(&["--bind", "*"])?;
    let mut local = server.client()?;
    let from_outside = || Client::connect((own_address()?, server.address().port()).into());
    let denied = || -> Result<bool> {
        let reply = from_outside()?.read_to_close(Duration::from_secs(10))?;
        Ok(reply.starts_with(b"-DENIED ") && reply.ends_with(b"\r\n"))
    };
    ensure!(denied()?, "protected mode lets strangers in");
    assert_eq!(local.command(&["PING"])?, pong());
    local.set_config("requirepass", "secret")?;
    let mut stranger = from_outside()?;
    assert_eq!(stranger.command(&["PING"])?, Reply::Error("NOAUTH Authentication required.".into()));
    assert_eq!(stranger.command(&["AUTH", "secret"])?, Reply::ok());
    local.command(&["AUTH", "secret"])?;
    local.set_config("requirepass", "")?;
    ensure!(denied()?, "protected mode does not come back");
    local.set_config("protected-mode", "no")?;
    assert_eq!(from_outside()?.command(&["PING"])?, pong());
    Ok(())
}
