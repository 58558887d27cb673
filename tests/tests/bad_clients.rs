//! Clients that stall, trickle, boast, flood or crowd harm nobody else.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ochre_tests::{Bystander, Client, Reply, Server, raise_open_files};

/// What 99 in 100 rounds of a bystander must stay below. A server that makes others wait for a bad client would be
/// off by a second and more. These tests run alone: see `.config/nextest.toml`.
const BYSTANDER_P99: Duration = Duration::from_millis(100);

/// How long an end of the connection is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

const MEBIBYTE: u64 = 1 << 20;

#[test]
fn half_a_command_is_cut_off_after_request_timeout() -> Result<()> {
    let server = Server::start(&["--request-timeout", "1"])?;
    let mut idle = server.client()?;
    idle.command(&["PING"])?;
    let bystander = Bystander::start(&server)?;
    let mut stalled = server.client()?;
    let started = Instant::now();
    stalled.send(b"*2\r\n$3\r\nGET\r\n$10\r\nhalf")?;
    stalled.read_to_close(PATIENCE)?;
    let taken = started.elapsed();
    ensure!(taken >= Duration::from_millis(900), "cut off after {taken:?} already");
    // A client between two commands is not one that stalls.
    assert_eq!(idle.command(&["PING"])?, Reply::Simple("PONG".into()));
    bystander.stop()?.check(100, BYSTANDER_P99)
}

#[test]
fn an_inline_command_without_its_end_is_cut_off_too() -> Result<()> {
    let server = Server::start(&["--request-timeout", "1"])?;
    let mut stalled = server.client()?;
    stalled.send(b"GET half")?;
    stalled.read_to_close(PATIENCE).map(drop)
}

/// The time-out is for the whole request: a byte now and then does not extend it.
#[test]
fn a_trickle_is_cut_off_after_request_timeout() -> Result<()> {
    let server = Server::start(&["--request-timeout", "1"])?;
    let mut slow = server.client()?;
    slow.send(b"*2\r\n$4\r\nECHO\r\n$100\r\n")?;
    let started = Instant::now();
    while slow.send(b"x").is_ok() {
        ensure!(started.elapsed() < PATIENCE, "a request of 10 seconds was not cut off");
        // The pace of this client.
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

#[test]
fn clients_that_trickle_harm_nobody_and_are_served() -> Result<()> {
    let server = Server::start(&[])?;
    let mut slow: Vec<Client> = (0..20).map(|_| server.client()).collect::<Result<_>>()?;
    let bystander = Bystander::start(&server)?;
    for byte in b"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\n" {
        for client in &mut slow {
            client.send(&[*byte])?;
        }
        // The pace of these clients.
        thread::sleep(Duration::from_millis(50));
    }
    for client in &mut slow {
        assert_eq!(client.read_reply()?, Reply::bulk("hello"));
    }
    bystander.stop()?.check(100, BYSTANDER_P99)
}

#[test]
fn declared_lengths_take_no_memory() -> Result<()> {
    let server = Server::start(&[])?;
    let bystander = Bystander::start(&server)?;
    let before = server.rss_bytes()?;
    let mut boasting: Vec<Client> = (0..50).map(|_| server.client()).collect::<Result<_>>()?;
    for client in &mut boasting {
        client.send(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$536870912\r\nx")?;
    }
    let mut wide: Vec<Client> = (0..50).map(|_| server.client()).collect::<Result<_>>()?;
    for client in &mut wide {
        client.send(b"*1048576\r\n$3\r\nDEL\r\n")?;
    }
    // A later connection is answered only after the server has seen what came before, worker by worker.
    for _ in 0..100 {
        server.client()?.command(&["PING"])?;
    }
    let grown = server.rss_bytes()?.saturating_sub(before);
    ensure!(grown < 64 * MEBIBYTE, "100 clients that sent 40 bytes take {} MiB", grown / MEBIBYTE);
    bystander.stop()?.check(10, BYSTANDER_P99)
}

#[test]
fn floods_without_reading_are_held_at_the_output_limit() -> Result<()> {
    let server = Server::start(&["--client-output-buffer-limit", "normal 32mb 0 0"])?;
    server.client()?.command(&["SET", "large", &"x".repeat(100_000)])?;
    let bystander = Bystander::start(&server)?;
    let before = server.rss_bytes()?;
    let requests = b"GET large\r\n".repeat(64);
    let end = Instant::now() + Duration::from_secs(2);
    let mut highest = 0;
    // Whether the server closes such a client or only stops reading from it: what it owes stays bounded.
    while Instant::now() < end {
        let flooding = server.client()?;
        flooding.stream().set_write_timeout(Some(Duration::from_millis(500)))?;
        while Instant::now() < end && flooding.stream().write(&requests).is_ok() {
            highest = highest.max(server.rss_bytes()?.saturating_sub(before));
        }
    }
    ensure!(highest < 200 * MEBIBYTE, "the server owed {} MiB", highest / MEBIBYTE);
    bystander.stop()?.check(20, BYSTANDER_P99)
}

#[test]
fn a_flood_of_cheap_commands_leaves_others_their_turn() -> Result<()> {
    let server = Server::start(&[])?;
    let bystander = Bystander::start(&server)?;
    let flooding = server.client()?;
    flooding.stream().set_write_timeout(Some(Duration::from_secs(1)))?;
    let requests = b"SET flood x\r\n".repeat(5_000);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(2) {
        if (&mut flooding.stream()).write(&requests).is_err() {
            break;
        }
    }
    bystander.stop()?.check(50, BYSTANDER_P99)
}

#[test]
fn ten_thousand_connections_are_served() -> Result<()> {
    const CONNECTIONS: usize = 10_000;
    raise_open_files(CONNECTIONS as u64 + 500)?;
    let server = Server::start(&["--maxclients", "10100"])?;
    let bystander = Bystander::start(&server)?;
    let mut crowd: Vec<Client> = Vec::with_capacity(CONNECTIONS);
    while crowd.len() < CONNECTIONS {
        crowd.push(server.client()?);
    }
    loop {
        for client in &mut crowd {
            client.send(b"PING\r\n")?;
        }
        for client in &mut crowd {
            assert_eq!(client.read_exact(7)?, b"+PONG\r\n");
        }
        if bystander.rounds() >= 100 {
            break;
        }
    }
    bystander.stop()?.check(100, BYSTANDER_P99)
}

#[test]
fn one_connection_too_many_is_told_so() -> Result<()> {
    let server = Server::start(&["--maxclients", "5"])?;
    let mut crowd: Vec<Client> = (0..5).map(|_| server.client()).collect::<Result<_>>()?;
    // Each has its place before the next comes: workers accept side by side.
    for client in &mut crowd {
        assert_eq!(client.command(&["PING"])?, Reply::Simple("PONG".to_owned()));
    }
    let mut late = server.client()?;
    assert_eq!(late.read_to_close(PATIENCE)?, b"-ERR max number of clients reached\r\n");
    drop(crowd);
    Ok(())
}

/// A web page may have a browser send such bytes.
#[test]
fn a_client_that_speaks_http_is_cut_off_before_its_body() -> Result<()> {
    let server = Server::start(&[])?;
    for request in ["POST / HTTP/1.1\r\nSET k v\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\nSET k v\r\n"] {
        let mut browser = server.client()?;
        browser.send(request.as_bytes())?;
        let answer = browser.read_to_close(Duration::from_secs(10))?;
        ensure!(!answer.starts_with(b"+OK"), "{:?}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(server.client()?.command(&["EXISTS", "k"])?, Reply::Integer(0));
    server.wait_for_log("Possible SECURITY ATTACK detected")
}
