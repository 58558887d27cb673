//! Figures for Prometheus.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Result, ensure};
use ochre_tests::{Reply, Server, await_that, free_port, scripts};

/// A server that answers HTTP on the returned port.
fn start(options: &[&str]) -> Result<(Server, u16)> {
    let port = free_port()?;
    let port_text = port.to_string();
    let options = [&["--metrics-port", &port_text], options].concat();
    Ok((Server::start(&options)?, port))
}

/// The answer to a request as it is, to the end of the connection.
fn exchange(port: u16, request: &[u8]) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    // What came before a reset counts.
    let _ = stream.read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn figures_are_those_of_info() -> Result<()> {
    let (server, port) = start(&["--worker-threads", "2"])?;
    scripts::python("metrics.py", &[server.address().port().to_string(), port.to_string()])
}

#[test]
fn there_is_no_listener_unless_it_is_asked_for() -> Result<()> {
    let server = Server::start(&[])?;
    let mut client = server.client()?;
    for (name, value) in [("metrics-port", "0"), ("metrics-bind", "127.0.0.1 -::1")] {
        let expected = Reply::Array(vec![Reply::bulk(name), Reply::bulk(value)]);
        assert_eq!(client.command(&["CONFIG", "GET", name])?, expected);
    }
    Ok(())
}

#[test]
fn odd_requests_are_refused() -> Result<()> {
    let (_server, port) = start(&[])?;
    ensure!(exchange(port, b"nonsense\r\n\r\n")?.starts_with("HTTP/1.1 400"));
    let long = [b"GET /", "x".repeat(40_000).as_bytes(), b" HTTP/1.1\r\n\r\n"].concat();
    let answer = exchange(port, &long)?;
    ensure!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    let answer = exchange(port, b"GET /health HTTP/1.0\r\n\r\n")?;
    ensure!(answer.starts_with("HTTP/1.0 200") && answer.ends_with("\r\n\r\nok\n"), "{answer}");
    Ok(())
}

#[test]
fn who_holds_connections_keeps_others_out_for_a_while_only() -> Result<()> {
    let (server, port) = start(&[])?;
    // As many as are served at a time, and some that wait; none of them asks for anything.
    let held: Vec<_> = (0..20).map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port))).collect::<Result<_, _>>()?;
    assert_eq!(server.client()?.command(&["PING"])?, Reply::Simple("PONG".into()));
    let answer = exchange(port, b"GET /health HTTP/1.0\r\n\r\n")?;
    ensure!(answer.ends_with("ok\n"), "{answer:?}");
    drop(held);
    Ok(())
}

#[test]
fn health_tells_of_a_stuck_worker() -> Result<()> {
    let (server, port) = start(&["--worker-threads", "2", "--enable-debug-command", "yes"])?;
    let mut client = server.client()?;
    client.send(b"DEBUG SLEEP 14\r\n")?;
    let health = || exchange(port, b"GET /health HTTP/1.0\r\n\r\n");
    await_that("the worker is reported", || Ok(health()?.starts_with("HTTP/1.0 503")))?;
    ensure!(health()?.ends_with("s at most\n"));
    ensure!(exchange(port, b"GET /metrics HTTP/1.0\r\n\r\n")?.contains("ochre_info{"));
    client.read_reply()?;
    await_that("it is well again", || Ok(health()?.ends_with("ok\n")))
}
