//! Full synchronisations, seen by a client that asks as a replica does.

use anyhow::{Context, Result, bail, ensure};
use ochre_tests::{Client, Peer, Reply, Server, await_that};

/// A snapshot as it came.
struct Received {
    /// Where the stream begins.
    offset: u64,
    rdb: Vec<u8>,
}

fn line(client: &mut Client) -> Result<String> {
    loop {
        let line = String::from_utf8(client.read_until(b"\n")?)?;
        // Keeps the connection from being given up.
        if !line.trim().is_empty() {
            return Ok(line.trim().to_owned());
        }
    }
}

/// A client that asks for everything.
fn ask(server: &Server, words: &[&[&str]]) -> Result<Client> {
    let mut client = server.client()?;
    for words in words {
        ensure!(client.command(words)? == Reply::ok(), "{words:?}");
    }
    client.send(b"PSYNC ? -1\r\n")?;
    Ok(client)
}

fn receive(client: &mut Client) -> Result<Received> {
    let answer = line(client)?;
    let offset = answer.split(' ').nth(2).context("no offset")?.parse()?;
    ensure!(answer.starts_with("+FULLRESYNC "), "{answer}");
    let head = line(client)?;
    let rdb = if let Some(mark) = head.strip_prefix("$EOF:") {
        let mut rdb = client.read_until(mark.as_bytes())?;
        rdb.truncate(rdb.len() - mark.len());
        rdb
    } else {
        client.read_exact(head.strip_prefix('$').context("no length")?.parse()?)?
    };
    ensure!(rdb.starts_with(b"REDIS"), "no snapshot");
    Ok(Received { offset, rdb })
}

const EOF: &[&str] = &["REPLCONF", "capa", "eof"];

fn field(client: &mut Client, section: &str, name: &str) -> Result<String> {
    let info = client.command(&["INFO", section])?.text()?;
    let found = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    Ok(found.with_context(|| format!("no {name}"))?.to_owned())
}

#[test]
fn one_snapshot_serves_all_who_wait() -> Result<()> {
    let server = Server::start(&["--repl-diskless-sync-delay", "3600", "--repl-diskless-sync-max-replicas", "2"])?;
    let mut writer = server.client()?;
    writer.command(&["SET", "before", "1"])?;
    let mut first = ask(&server, &[EOF])?;
    await_that("it waits", || Ok(field(&mut writer, "replication", "connected_slaves")? == "1"))?;
    ensure!(field(&mut writer, "replication", "slave0")?.contains("state=wait_bgsave"));
    writer.command(&["SET", "while-it-waits", "1"])?;
    let mut second = ask(&server, &[EOF])?;
    let (one, other) = (receive(&mut first)?, receive(&mut second)?);
    ensure!(one.offset == other.offset && one.rdb == other.rdb);
    ensure!(one.rdb.windows(14).any(|bytes| bytes == b"while-it-waits"));
    writer.command(&["SET", "after", "1"])?;
    // It says that it has seen the end, and only then is sent what follows.
    second.send(format!("REPLCONF ACK {}\r\n", other.offset).as_bytes())?;
    let Reply::Array(select) = second.read_reply()? else { bail!("no command") };
    ensure!(select.first().is_some_and(|word| word.text().is_ok_and(|word| word == "SELECT")), "{select:?}");
    ensure!(second.read_reply()? == Reply::Array(["SET", "after", "1"].map(Reply::bulk).to_vec()));
    Ok(())
}

#[test]
fn who_takes_nothing_holds_up_no_clients() -> Result<()> {
    let server = Server::start(&["--repl-diskless-sync-delay", "3600", "--repl-diskless-sync-max-replicas", "2"])?;
    let mut writer = server.client()?;
    let value = "x".repeat(100_000);
    for number in 0..400 {
        writer.command(&["SETRANGE", &format!("key{number}"), "0", &format!("{number}{value}")])?;
    }
    writer.command(&["CONFIG", "SET", "rdbcompression", "no"])?;
    let (idle, mut other) = (ask(&server, &[EOF])?, ask(&server, &[EOF])?);
    ensure!(line(&mut other)?.starts_with("+FULLRESYNC"));
    // The snapshot cannot go on, but all else does.
    for number in 0..400 {
        ensure!(matches!(writer.command(&["APPEND", &format!("key{number}"), "more"])?, Reply::Integer(_)));
    }
    ensure!(field(&mut writer, "persistence", "rdb_bgsave_in_progress")? == "1");
    drop(idle);
    let mark = line(&mut other)?.strip_prefix("$EOF:").context("no mark")?.to_owned();
    let mut rdb = other.read_exact(40_000_000)?;
    rdb.extend(other.read_until(mark.as_bytes())?);
    ensure!(!rdb.windows(5).any(|bytes| bytes == b"xmore"));
    await_that("it is over", || Ok(field(&mut writer, "persistence", "rdb_bgsave_in_progress")? == "0"))
}

#[test]
fn it_ends_with_the_last_who_wants_it() -> Result<()> {
    let server = Server::start(&["--repl-diskless-sync-delay", "0", "--rdb-key-save-delay", "1000"])?;
    let mut writer = server.client()?;
    let lines: String = (0..10_000).map(|number| format!("SET key{number} value\r\n")).collect();
    writer.send(lines.as_bytes())?;
    for _ in 0..10_000 {
        writer.read_reply()?;
    }
    let replica = ask(&server, &[EOF])?;
    await_that("it has begun", || Ok(field(&mut writer, "persistence", "rdb_bgsave_in_progress")? == "1"))?;
    drop(replica);
    await_that("it has ended", || Ok(field(&mut writer, "persistence", "rdb_bgsave_in_progress")? == "0"))?;
    ensure!(field(&mut writer, "persistence", "rdb_last_bgsave_status")? == "ok");
    Ok(())
}

#[test]
fn a_file_that_only_served_replicas_is_removed_if_that_is_wanted() -> Result<()> {
    let server = Server::start(&["--repl-diskless-sync", "no", "--rdb-del-sync-files", "yes", "--save", ""])?;
    let mut writer = server.client()?;
    writer.command(&["SET", "key", "value"])?;
    let file = server.folder().join("dump.rdb");
    let mut replica = ask(&server, &[EOF])?;
    let received = receive(&mut replica)?;
    ensure!(received.rdb.windows(5).any(|bytes| bytes == b"value"));
    await_that("the file is gone", || Ok(!file.exists()))
}

#[test]
fn functions_alone_can_be_asked_for() -> Result<()> {
    let server = Server::start(&["--repl-diskless-sync-delay", "0"])?;
    let mut client = server.client()?;
    client.command(&["SET", "key", "value"])?;
    let code = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    client.command(&["FUNCTION", "LOAD", code])?;
    let filter = |wanted| vec!["REPLCONF", "rdb-filter-only", wanted];
    let functions = receive(&mut ask(&server, &[EOF, &filter("functions")])?)?.rdb;
    let has = |rdb: &[u8], text: &[u8]| rdb.windows(text.len()).any(|bytes| bytes == text);
    ensure!(has(&functions, b"register_function") && !has(&functions, b"value"));
    let nothing = receive(&mut ask(&server, &[EOF, &filter("")])?)?.rdb;
    ensure!(!has(&nothing, b"register_function") && !has(&nothing, b"value"));
    Ok(())
}

#[test]
fn a_real_replica_takes_either_kind_while_data_change() -> Result<()> {
    for diskless in ["yes", "no"] {
        let options = ["--compatibility-level", "7.0", "--enable-debug-command", "yes"];
        let server = Server::start(
            &[&options[..], &["--repl-diskless-sync", diskless, "--repl-diskless-sync-delay", "0"]].concat(),
        )?;
        let mut writer = server.client()?;
        let lines: String = (0..20_000).map(|number| format!("SET key{number} value\r\n")).collect();
        writer.send(lines.as_bytes())?;
        for _ in 0..20_000 {
            writer.read_reply()?;
        }
        let port = server.address().port().to_string();
        let replica = Peer::start(&["--replicaof", "127.0.0.1", &port, "--enable-debug-command", "yes"])?;
        let mut follower = replica.client()?;
        let mut number = 0;
        await_that("the link is up", || {
            for _ in 0..50 {
                number = (number + 7919) % 20_000;
                writer.command(&["APPEND", &format!("key{number}"), "more"])?;
            }
            Ok(follower.command(&["INFO", "replication"])?.text()?.contains("master_link_status:up"))
        })?;
        ensure!(writer.command(&["WAIT", "1", "10000"])? == Reply::Integer(1), "the replica does not answer");
        ensure!(writer.command(&["DEBUG", "DIGEST"])? == follower.command(&["DEBUG", "DIGEST"])?, "{diskless}");
    }
    Ok(())
}
