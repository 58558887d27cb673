//! A server that is killed at random moments under load comes back by itself, with all that it owes.
//!
//! `OCHRE_CRASHES` says how often it is killed under each policy.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ochre_tests::{Client, Reply, await_that, free_port, program};

const WRITERS: usize = 4;
/// Kills where nobody says how many.
const CRASHES: u64 = 5;
/// What `everysec` may lose.
const MAY_BE_LOST: Duration = Duration::from_secs(2);

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    fn log(&self) -> String {
        fs::read_to_string(self.0.join("log")).unwrap_or_default()
    }

    fn start(&self, policy: &str, preamble: &str) -> Result<Running> {
        let log = fs::File::options().append(true).create(true).open(self.0.join("log"))?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let mut command = Command::new(program()?);
        command
            .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(&self.0);
        command.args(["--appendonly", "yes", "--appendfsync", policy, "--aof-use-rdb-preamble", preamble]);
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut running = Running { child, address };
        await_that("the data set is loaded", || {
            ensure!(running.child.try_wait()?.is_none(), "it has ended");
            let Ok(mut client) = Client::connect(address) else { return Ok(false) };
            Ok(!matches!(client.command(&["DBSIZE"])?, Reply::Error(_)))
        })
        .with_context(|| self.log())?;
        Ok(running)
    }

    /// Leaves the last file as a crash of the whole machine may: with a part of a command at its end.
    /// The kill may have done so already: it ends a write between two pages.
    fn tear(&self, random: &mut Random) -> Result<()> {
        let folder = self.0.join("appendonlydir");
        let manifest = fs::read_to_string(folder.join("appendonly.aof.manifest"))?;
        let name = manifest.lines().last().and_then(|line| line.split(' ').nth(1)).context("no file")?;
        let torn =
            b"*1\r\n$5\r\nMULTI\r\n*2\r\n$4\r\nINCR\r\n$6\r\ncount0\r\n*3\r\n$5\r\nRPUSH\r\n$5\r\nlist0\r\n$1\r\n1\r\n";
        let len = 1 + random.below(torn.len() as u64 - 1) as usize;
        let path = folder.join(name);
        let written = fs::read(&path)?;
        if written.is_empty() || written.ends_with(b"*1\r\n$4\r\nEXEC\r\n") {
            fs::File::options().append(true).open(path)?.write_all(&torn[..len])?;
        }
        Ok(())
    }
}

struct Running {
    child: Child,
    address: SocketAddr,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// What a writer knows.
#[derive(Clone)]
struct Known {
    /// Transactions sent since the data set was empty.
    sent: u64,
    /// How many were acknowledged, and when.
    acknowledged: Vec<(Instant, u64)>,
}

/// Sends transactions, which count and append, some at a time, until the connection breaks.
fn write(number: usize, address: SocketAddr, mut known: Known, total: &AtomicU64, mut random: Random) -> Result<Known> {
    // It may be gone already.
    let Ok(mut client) = Client::connect(address) else { return Ok(known) };
    let (count, list) = (format!("count{number}"), format!("list{number}"));
    let unit = format!("MULTI\r\nINCR {count}\r\nRPUSH {list} x\r\nEXEC\r\n");
    loop {
        let units = 1 + random.below(8);
        known.sent += units;
        if client.send(unit.repeat(units as usize).as_bytes()).is_err() {
            return Ok(known);
        }
        for _ in 0..units {
            for _ in 0..3 {
                if client.read_reply().is_err() {
                    return Ok(known);
                }
            }
            let Ok(Reply::Array(replies)) = client.read_reply() else { return Ok(known) };
            let Some(Reply::Integer(count)) = replies.first() else { return Ok(known) };
            known.acknowledged.push((Instant::now(), u64::try_from(*count)?));
            total.fetch_add(1, SeqCst);
        }
    }
}

/// Kills the server while writers write, and now and then a rewrite runs.
fn crash(mut server: Running, known: &[Known], random: &mut Random) -> Result<(Instant, Vec<Known>)> {
    let total = Arc::new(AtomicU64::new(0));
    let writers = known.iter().cloned().enumerate().map(|(number, known)| {
        let (total, address, random) = (total.clone(), server.address, Random(1 + random.below(1 << 40)));
        std::thread::spawn(move || write(number, address, known, &total, random))
    });
    let writers: Vec<_> = writers.collect();
    // Moments are counted in writes, so that they are under load however fast this machine is.
    let (rewrite_at, kill_at) = (random.below(600), 1 + random.below(1500));
    await_that("there is some load", || Ok(total.load(SeqCst) >= rewrite_at.min(kill_at)))?;
    if rewrite_at < kill_at {
        Client::connect(server.address)?.command(&["BGREWRITEAOF"])?;
        await_that("there is more load", || Ok(total.load(SeqCst) >= kill_at))?;
    }
    if random.below(8) == 0 {
        let begun = Instant::now();
        await_that("some of it must be there", || Ok(begun.elapsed() > MAY_BE_LOST + MAY_BE_LOST / 10))?;
    }
    server.child.kill()?;
    let killed = Instant::now();
    server.child.wait()?;
    let known =
        writers.into_iter().map(|writer| writer.join().map_err(|_| anyhow::anyhow!("a writer has panicked"))?);
    Ok((killed, known.collect::<Result<_>>()?))
}

/// What the server has of a writer's transactions: as many as were owed at least, and each whole or not at all.
fn found(server: &Running, number: usize, owed: u64, known: &Known) -> Result<u64> {
    let mut client = Client::connect(server.address)?;
    let count = match client.command(&["GET", &format!("count{number}")])? {
        Reply::Null => 0,
        count => count.text()?.parse::<u64>()?,
    };
    let list = client.command(&["LLEN", &format!("list{number}")])?;
    ensure!(list == Reply::Integer(i64::try_from(count)?), "{count} counted, but the list has {list:?}");
    ensure!((owed..=known.sent).contains(&count), "{count} of {owed} owed and {} sent", known.sent);
    Ok(count)
}

fn survives(policy: &str) -> Result<()> {
    let crashes = std::env::var("OCHRE_CRASHES").map_or(Ok(CRASHES), |text| text.parse())?;
    let folder = Folder(std::env::temp_dir().join(format!("ochre-crashes-{policy}-{}", std::process::id())));
    fs::create_dir_all(&folder.0)?;
    let mut random = Random(88_172_645_463_325_252);
    let mut known = vec![Known { sent: 0, acknowledged: Vec::new() }; WRITERS];
    for round in 0..crashes {
        let preamble = if round % 2 == 0 { "yes" } else { "no" };
        let server = folder.start(policy, preamble)?;
        let killed;
        (killed, known) = crash(server, &known, &mut random)?;
        if random.below(2) == 0 {
            folder.tear(&mut random)?;
        }
        let server = folder.start(policy, preamble)?;
        for (number, known) in known.iter_mut().enumerate() {
            let counts = |at: &Instant| policy == "always" || killed.duration_since(*at) > MAY_BE_LOST;
            let owed = known.acknowledged.iter().rev().find(|(at, _)| counts(at)).map_or(0, |(_, count)| *count);
            let count =
                found(&server, number, owed, known).with_context(|| format!("round {round}: {}", folder.log()))?;
            // What is there now was not acknowledged in vain, and what is not will not come any more.
            known.sent = count;
            known.acknowledged.retain(|(_, acknowledged)| *acknowledged <= count);
        }
    }
    ensure!(known.iter().all(|known| known.sent > crashes), "there was hardly any load");
    Ok(())
}

#[test]
fn always_loses_nothing_that_was_acknowledged() -> Result<()> {
    survives("always")
}

#[test]
fn everysec_loses_two_seconds_at_most() -> Result<()> {
    survives("everysec")
}
