//! Limits that close a client: time, memory, number.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ochre_tests::{Client, Reply, Server, await_that};

const LARGE: usize = 32 << 20;

fn is_connected(admin: &mut Client, id: &Reply) -> Result<bool> {
    let Reply::Integer(id) = id else { anyhow::bail!("{id:?} is no id") };
    Ok(!admin.command(&["CLIENT", "LIST", "ID", &id.to_string()])?.text()?.is_empty())
}

#[test]
fn idle_clients_are_closed_after_timeout() -> Result<()> {
    let server = Server::start(&["--timeout", "1"])?;
    let mut idle = server.client()?;
    idle.command(&["PING"])?;
    let mut busy = server.client()?;
    let started = Instant::now();
    let id = idle.command(&["CLIENT", "ID"])?;
    await_that("the idle client is closed", || Ok(!is_connected(&mut busy, &id)?))?;
    ensure!(started.elapsed() >= Duration::from_secs(1), "closed after {:?} already", started.elapsed());
    idle.read_to_close(Duration::from_secs(10))?;
    assert_eq!(busy.command(&["PING"])?, Reply::Simple("PONG".into()));
    Ok(())
}

#[test]
fn no_timeout_closes_nobody() -> Result<()> {
    let server = Server::start(&["--timeout", "1"])?;
    let mut admin = server.client()?;
    admin.set_config("timeout", "0")?;
    let mut idle = server.client()?;
    let id = idle.command(&["CLIENT", "ID"])?;
    let started = Instant::now();
    await_that("three seconds are over", || {
        ensure!(is_connected(&mut admin, &id)?, "closed after {:?}", started.elapsed());
        Ok(started.elapsed() > Duration::from_secs(3))
    })
}

#[test]
fn output_above_the_hard_limit_closes_at_once() -> Result<()> {
    let server = Server::start(&["--client-output-buffer-limit", "normal", "8mb", "0", "0"])?;
    let mut admin = server.client()?;
    admin.command(&["SETRANGE", "large", &(LARGE - 1).to_string(), "x"])?;
    let mut reader = server.client()?;
    reader.send(b"GET large\r\n")?;
    let got = reader.read_to_close(Duration::from_secs(10))?;
    ensure!(got.len() < LARGE, "the whole reply came");
    server.wait_for_log("output buffer limit")?;
    // Whose replies are small stays.
    assert_eq!(admin.command(&["PING"])?, Reply::Simple("PONG".into()));
    Ok(())
}

#[test]
fn a_reply_without_end_is_not_written_to_its_end() -> Result<()> {
    let server = Server::start(&["--client-output-buffer-limit", "normal", "8mb", "0", "0"])?;
    let mut admin = server.client()?;
    let mut large = vec!["SADD".to_owned(), "largeset".to_owned()];
    large.extend((0..1000).map(|number| format!("member:{number}")));
    admin.command(&large.iter().map(String::as_str).collect::<Vec<_>>())?;
    for line in ["SADD set a", "HSET hash a 1", "ZADD zset 1 a", "ZUNIONSTORE largezset 1 largeset"] {
        admin.command(&line.split(' ').collect::<Vec<_>>())?;
    }
    for line in
        ["SRANDMEMBER set", "SRANDMEMBER largeset", "HRANDFIELD hash", "ZRANDMEMBER zset", "ZRANDMEMBER largezset"]
    {
        let mut reader = server.client()?;
        reader.send(format!("{line} -4000000000000000000\r\n").as_bytes())?;
        reader.read_to_close(Duration::from_secs(10))?;
        ensure!(server.rss_bytes()? < 256 << 20, "{line} takes {} bytes", server.rss_bytes()?);
    }
    assert_eq!(admin.command(&["PING"])?, Reply::Simple("PONG".into()));
    Ok(())
}

#[test]
fn output_above_the_soft_limit_closes_in_the_end() -> Result<()> {
    let server = Server::start(&["--client-output-buffer-limit", "normal", "0", "8mb", "1"])?;
    let mut admin = server.client()?;
    admin.command(&["SETRANGE", "large", &(LARGE - 1).to_string(), "x"])?;
    let mut reader = server.client()?;
    let id = reader.command(&["CLIENT", "ID"])?;
    let started = Instant::now();
    reader.send(b"GET large\r\n")?;
    await_that("the reader is closed", || Ok(!is_connected(&mut admin, &id)?))?;
    ensure!(started.elapsed() >= Duration::from_secs(1), "closed after {:?} already", started.elapsed());
    let got = reader.read_to_close(Duration::from_secs(10))?;
    ensure!(got.len() < LARGE, "the whole reply came");
    Ok(())
}

#[test]
fn unexecuted_input_has_a_limit() -> Result<()> {
    let server = Server::start(&["--client-query-buffer-limit", "1mb"])?;
    let mut client = server.client()?;
    client.send(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$8388608\r\n")?;
    // The server may close before all of it is sent.
    let _ = client.send(&vec![b'x'; 4 << 20]);
    client.read_to_close(Duration::from_secs(10))?;
    server.wait_for_log("query buffer")?;
    assert_eq!(server.client()?.command(&["EXISTS", "key"])?, Reply::Integer(0));
    Ok(())
}

#[test]
fn the_number_of_clients_is_limited_at_run_time() -> Result<()> {
    let server = Server::start(&[])?;
    let mut first = server.client()?;
    first.set_config("maxclients", "2")?;
    let mut second = server.client()?;
    second.command(&["PING"])?;
    let refused = server.client()?.read_to_close(Duration::from_secs(10))?;
    assert_eq!(refused, b"-ERR max number of clients reached\r\n");
    drop(second);
    await_that("there is room again", || {
        let mut client = server.client()?;
        Ok(client.command(&["PING"]).is_ok_and(|reply| reply == Reply::Simple("PONG".into())))
    })
}

/// The kernel's limit for a process is below four billion on every machine.
#[test]
fn more_clients_than_the_system_allows_are_refused() -> Result<()> {
    let server = Server::start(&[])?;
    let mut client = server.client()?;
    let reply = client.command(&["CONFIG", "SET", "maxclients", "4294967000"])?;
    let Reply::Error(text) = &reply else { anyhow::bail!("{reply:?}") };
    let expected = "ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able \
                    to handle the specified number of clients, try with ";
    ensure!(text.starts_with(expected), "{text}");
    let kept = client.command(&["CONFIG", "GET", "maxclients"])?;
    assert_eq!(kept, Reply::Array(vec![Reply::bulk("maxclients"), Reply::bulk("10000")]));
    Ok(())
}

/// What CLIENT LIST tells about a client.
fn field(admin: &mut Client, id: &Reply, name: &str) -> Result<Option<u64>> {
    let Reply::Integer(id) = id else { anyhow::bail!("{id:?} is no id") };
    let line = admin.command(&["CLIENT", "LIST", "ID", &id.to_string()])?.text()?;
    let value = line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    Ok(value.map(str::parse).transpose()?)
}

#[test]
fn what_a_client_announces_counts_as_taken() -> Result<()> {
    let server = Server::start(&["--maxmemory-clients", "3mb", "--worker-threads", "2"])?;
    let (mut admin, mut eager) = (server.client()?, server.client()?);
    let id = eager.command(&["CLIENT", "ID"])?;
    eager.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nbeginning")?;
    await_that("the beginning is there", || Ok(field(&mut admin, &id, "qbuf")? == Some(9)))?;
    // The name of the command and the key, with their headers.
    assert_eq!(field(&mut admin, &id, "argv-mem")?, Some(30));
    ensure!(field(&mut admin, &id, "tot-mem")? > Some(1_000_000));
    let mut greedy = server.client()?;
    let id = greedy.command(&["CLIENT", "ID"])?;
    greedy.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4000000\r\nbeginning")?;
    greedy.read_to_close(Duration::from_secs(10))?;
    ensure!(!is_connected(&mut admin, &id)?);
    Ok(())
}

#[test]
fn a_new_limit_of_all_clients_is_kept_at_once() -> Result<()> {
    for workers in ["1", "3"] {
        let server = Server::start(&["--worker-threads", workers])?;
        let mut admin = server.client()?;
        admin.command(&["CLIENT", "NO-EVICT", "ON"])?;
        let mut others = (0..10).map(|_| server.client()).collect::<Result<Vec<_>>>()?;
        for other in &mut others {
            let id = other.command(&["CLIENT", "ID"])?;
            other.send(b"*2\r\n$400000\r\n")?;
            other.send(&vec![b'x'; 400_000])?;
            await_that("all has arrived", || Ok(field(&mut admin, &id, "qbuf")? == Some(400_000)))?;
        }
        admin.set_config("maxmemory-clients", "2200000")?;
        let left = admin.command(&["CLIENT", "LIST", "SKIPME", "yes"])?.text()?.lines().count();
        assert_eq!(left, 5, "{workers} workers");
    }
    Ok(())
}

#[test]
fn complete_arguments_are_no_unexecuted_input() -> Result<()> {
    let server = Server::start(&["--client-query-buffer-limit", "1mb"])?;
    let mut client = server.client()?;
    let value = "x".repeat(700_000);
    client.send(b"*9\r\n$4\r\nMSET\r\n")?;
    for key in ["a", "b", "c", "d"] {
        client.send(format!("$1\r\n{key}\r\n${}\r\n{value}\r\n", value.len()).as_bytes())?;
    }
    assert_eq!(client.read_reply()?, Reply::ok());
    Ok(())
}
