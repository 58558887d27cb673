//! What is propagated to replicas, compared with real servers, and real replicas that follow.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ochre_tests::propagation::{REDIS_LINES, VALKEY_LINES, filling};
use ochre_tests::{Client, Peer, Reply, Server, await_that};

/// Lines whose propagation differs on purpose, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("HSETEX h PXAT 5 FIELDS 2 x 1 z 2", "names a field that there was none of, too"),
    ("expired 1 the last field", "deleting the last field deletes the key: nothing more need be said"),
];

/// A command as it is propagated.
type Line = Vec<String>;

/// A connection that is sent the stream as a replica is.
struct Stream(Client);

impl Stream {
    fn attach(mut client: Client) -> Result<Stream> {
        client.synchronize()?;
        Ok(Stream(client))
    }

    /// The next command that is no ping.
    fn next(&mut self) -> Result<Line> {
        loop {
            let Reply::Array(words) = self.0.read_reply()? else { bail!("no command") };
            let line = words.iter().map(Reply::text).collect::<Result<Line>>()?;
            if !line[0].eq_ignore_ascii_case("ping") {
                return Ok(line);
            }
        }
    }

    /// What came before a mark that `client` sets now.
    fn up_to_now(&mut self, client: &mut Client) -> Result<Vec<Line>> {
        client.command(&["SETRANGE", "the-mark", "0", "x"])?;
        let mut lines = Vec::new();
        loop {
            let line = self.next()?;
            if line.get(1).is_some_and(|key| key == "the-mark") {
                return Ok(lines);
            }
            lines.push(line);
        }
    }
}

/// What one server propagates for each of the lines.
fn propagated(connect: &dyn Fn() -> Result<Client>, lines: &str) -> Result<Vec<(String, Vec<Line>)>> {
    let mut client = connect()?;
    let mut others: BTreeMap<String, Client> = BTreeMap::new();
    let mut stream = Stream::attach(connect()?)?;
    stream.up_to_now(&mut client)?;
    let (mut all, mut in_transaction, mut expired_before) = (Vec::new(), false, 0);
    for line in lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "expired" => {
                let due = expired_before + words[1].parse::<u64>()?;
                await_that("it has expired", || Ok(expired(&mut client)? >= due))?;
            }
            "passed" => {
                // Deadlines are whole milliseconds, and last to the end of theirs.
                let due = time(&mut client)? + Duration::from_millis(words[1].parse::<u64>()? + 1);
                await_that("the time has passed", || Ok(time(&mut client)? > due))?;
            }
            number if number.parse::<u32>().is_ok() => {
                // A blocked connection is not asked again before it is served.
                let other = others.entry(number.to_owned()).or_insert(connect()?);
                *other = connect()?;
                let waiting = blocked(&mut client)?;
                other.send(format!("{}\r\n", words[1..].join(" ")).as_bytes())?;
                await_that("the client waits", || Ok(blocked(&mut client)? > waiting))?;
            }
            name => {
                if !in_transaction {
                    expired_before = expired(&mut client)?;
                }
                in_transaction = name != "EXEC" && (in_transaction || name == "MULTI");
                client.command(&words)?;
            }
        }
        let lines = if in_transaction { Vec::new() } else { stream.up_to_now(&mut client)? };
        all.push((line.to_owned(), lines));
    }
    Ok(all)
}

fn blocked(client: &mut Client) -> Result<u32> {
    let info = client.command(&["INFO", "clients"])?.text()?;
    let line = info.lines().find_map(|line| line.strip_prefix("blocked_clients:")).context("no such field")?;
    Ok(line.parse()?)
}

/// How many keys and fields have expired; Redis 7.0 does not have the latter.
fn expired(client: &mut Client) -> Result<u64> {
    let info = client.command(&["INFO", "stats"])?.text()?;
    let count = |name| info.lines().find_map(|line: &str| line.strip_prefix(name)).map_or(Ok(0), str::parse::<u64>);
    Ok(count("expired_keys:")? + count("expired_fields:")?)
}

/// The server's clock.
fn time(client: &mut Client) -> Result<Duration> {
    let Reply::Array(parts) = client.command(&["TIME"])? else { bail!("no time") };
    let part = |at: usize| -> Result<u64> { Ok(parts.get(at).context("no such part")?.text()?.parse()?) };
    Ok(Duration::from_secs(part(0)?) + Duration::from_micros(part(1)?))
}

/// Without what differs from run to run: times near the present, and which members were chosen at random.
fn comparable(lines: &[Line], now_ms: i64) -> Vec<Line> {
    let is_near = |text: &str| text.parse::<i64>().is_ok_and(|time| (time - now_ms).abs() < 2_000_000);
    let word = |word: &String| {
        let time = word.split('-').next().unwrap_or_default();
        if time.len() > 11 && is_near(time) { "<time>".to_owned() } else { word.clone() }
    };
    let mut lines: Vec<Line> = lines.iter().map(|line| line.iter().map(word).collect()).collect();
    for line in lines.iter_mut().filter(|line| line[0] == "SREM" && line[1] == "random") {
        line[2] = "<member>".to_owned();
    }
    lines
}

fn compare(ours: &Server, theirs: &Peer, lines: &str) -> Result<usize> {
    let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() as i64;
    let here = propagated(&|| ours.client(), lines)?;
    let there = propagated(&|| theirs.client(), lines)?;
    let mut wrong = Vec::new();
    for ((line, here), (_, there)) in here.iter().zip(&there) {
        let same = comparable(here, now_ms) == comparable(there, now_ms);
        let intended = DIFFERENT.iter().any(|(known, _)| known == line);
        if !same && !intended {
            wrong.push(format!("{line}\n  ours   {here:?}\n  theirs {there:?}"));
        }
    }
    ensure!(wrong.is_empty(), "{} lines differ:\n{}", wrong.len(), wrong.join("\n"));
    Ok(here.len())
}

const DEBUG: [&str; 2] = ["--enable-debug-command", "yes"];

#[test]
fn it_propagates_as_redis_does() -> Result<()> {
    let ours = Server::start(&[&DEBUG[..], &["--compatibility-level", "7.0"]].concat())?;
    let compared = compare(&ours, &Peer::start(&DEBUG)?, REDIS_LINES)?;
    ensure!(compared > 300, "only {compared} lines");
    Ok(())
}

#[test]
fn it_propagates_new_commands_as_valkey_does() -> Result<()> {
    compare(&Server::start(&DEBUG)?, &Peer::valkey(&DEBUG)?, VALKEY_LINES)?;
    Ok(())
}

fn run_all(client: &mut Client, lines: &str) -> Result<()> {
    for line in filling(lines) {
        client.command(&line)?;
    }
    Ok(())
}

#[test]
fn a_real_replica_follows() -> Result<()> {
    let ours = Server::start(&[&DEBUG[..], &["--compatibility-level", "7.0"]].concat())?;
    let mut client = ours.client()?;
    run_all(&mut client, REDIS_LINES)?;
    let port = ours.address().port().to_string();
    let replica = Peer::start(&["--replicaof", "127.0.0.1", &port, "--enable-debug-command", "yes"])?;
    let mut follower = replica.client()?;
    await_that("the link is up", || {
        Ok(follower.command(&["INFO", "replication"])?.text()?.contains("master_link_status:up"))
    })?;
    let mut same = |client: &mut Client| -> Result<()> {
        ensure!(client.command(&["WAIT", "1", "10000"])? == Reply::Integer(1), "the replica does not answer");
        // What expires in these moments is gone in one of them a little sooner.
        await_that("both have the same data", || {
            Ok(client.command(&["DEBUG", "DIGEST"])? == follower.command(&["DEBUG", "DIGEST"])?)
        })
    };
    same(&mut client)?;
    run_all(&mut client, REDIS_LINES)?;
    let long = "x".repeat(100_000);
    for number in 0..100 {
        client.command(&["SET", &format!("long{number}"), &long])?;
    }
    same(&mut client)?;
    // It comes back and is sent what it lacks.
    ensure!(client.command(&["CLIENT", "KILL", "TYPE", "replica"])? == Reply::Integer(1));
    client.command(&["SET", "while-away", "1"])?;
    await_that("it is back", || Ok(client.command(&["WAIT", "1", "100"])? == Reply::Integer(1)))?;
    same(&mut client)?;
    let stats = client.command(&["INFO", "stats"])?.text()?;
    ensure!(stats.contains("sync_full:1\r\nsync_partial_ok:1\r\n"), "{stats}");
    client.command(&["FLUSHALL"])?;
    same(&mut client)
}
