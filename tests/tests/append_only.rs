//! The append-only file: what was acknowledged comes back, whatever happened.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::mpsc;

use anyhow::{Context, Result, bail, ensure};
use ochre_tests::propagation::{REDIS_LINES, filling};
use ochre_tests::{Client, Peer, Reply, await_that, free_port, program};

/// A folder that servers are started in one after the other.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ochre-append-only-{}-{}", std::process::id(), NEXT.fetch_add(1, SeqCst));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }
    fn start(&self, options: &[&str]) -> Result<Running> {
        let log = fs::File::options().append(true).create(true).open(self.0.join("log"))?;
        let port = free_port()?;
        let mut command = Command::new(program()?);
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--enable-debug-command",
            "yes",
        ]);
        command.args(["--compatibility-level", "7.0", "--appendonly", "yes"]).arg("--dir").arg(&self.0);
        let child = command.args(options).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut running = Running { child, port };
        await_that("the data set is loaded", || {
            ensure!(!running.has_ended()?, "it has ended");
            let Ok(mut client) = running.client() else { return Ok(false) };
            Ok(!matches!(client.command(&["DBSIZE"])?, Reply::Error(_)))
        })
        .with_context(|| self.log())?;
        Ok(running)
    }
    fn log(&self) -> String {
        fs::read_to_string(self.0.join("log")).unwrap_or_default()
    }
    fn files(&self) -> PathBuf {
        self.0.join("appendonlydir")
    }
    fn manifest(&self) -> Result<String> {
        Ok(fs::read_to_string(self.files().join("appendonly.aof.manifest"))?)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Running {
    child: Child,
    port: u16,
}

impl Running {
    fn client(&self) -> Result<Client> {
        Client::connect(([127, 0, 0, 1], self.port).into())
    }
    /// Ends it as a crash does.
    fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
    fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn fill(client: &mut Client) -> Result<()> {
    for line in filling(REDIS_LINES) {
        client.command(&line)?;
    }
    Ok(())
}

/// The digest of all data, once what expires in these moments is gone: it counts while it is there, and does not come back.
fn digest(client: &mut Client) -> Result<String> {
    for database in 0..16 {
        client.command(&["SELECT", &database.to_string()])?;
        await_that("what has expired is gone", || {
            let Reply::Array(keys) = client.command(&["KEYS", "*"])? else { bail!("no list of keys") };
            let count = keys.len() as i64;
            for key in keys {
                let left_ms = client.command(&["PTTL", &key.text()?])?;
                if matches!(left_ms, Reply::Integer(0..5000)) {
                    return Ok(false);
                }
            }
            Ok(client.command(&["DBSIZE"])? == Reply::Integer(count))
        })?;
    }
    client.command(&["SELECT", "0"])?;
    client.command(&["DEBUG", "DIGEST"])?.text()
}

fn wait_for_rewrite(client: &mut Client) -> Result<()> {
    await_that("the rewrite is over", || {
        let info = client.command(&["INFO", "persistence"])?.text()?;
        Ok(info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0"))
    })
}

#[test]
fn all_of_it_comes_back_after_a_crash() -> Result<()> {
    for preamble in ["yes", "no"] {
        let folder = Folder::new()?;
        let options = ["--appendfsync", "always", "--aof-use-rdb-preamble", preamble];
        let server = folder.start(&options)?;
        let mut client = server.client()?;
        fill(&mut client)?;
        client.command(&["BGREWRITEAOF"])?;
        wait_for_rewrite(&mut client)?;
        client.command(&["SET", "after", "1"])?;
        let before = digest(&mut client)?;
        ensure!(folder.manifest()?.lines().count() == 2, "{}", folder.manifest()?);
        ensure!(client.command(&["DEBUG", "LOADAOF"])? == Reply::ok());
        ensure!(digest(&mut client)? == before, "loaded otherwise, with preamble {preamble}");
        server.kill()?;
        let server = folder.start(&options)?;
        ensure!(digest(&mut server.client()?)? == before, "preamble {preamble}: {}", folder.log());
    }
    Ok(())
}

#[test]
fn others_are_told_while_it_is_loaded_again() -> Result<()> {
    let folder = Folder::new()?;
    let server = folder.start(&["--worker-threads", "1"])?;
    let (mut client, mut other) = (server.client()?, server.client()?);
    client.command(&["DEBUG", "POPULATE", "2000", "key", "10"])?;
    client.command(&["BGREWRITEAOF"])?;
    wait_for_rewrite(&mut client)?;
    client.command(&["SET", "after", "1"])?;
    client.command(&["CONFIG", "SET", "key-load-delay", "5000"])?;
    client.send(b"DEBUG LOADAOF\r\nGET after\r\n")?;
    await_that("it is being loaded", || Ok(matches!(other.command(&["PING"])?, Reply::Error(_))))?;
    let refused = other.command(&["GET", "after"])?;
    ensure!(refused == Reply::Error("LOADING Redis is loading the dataset in memory".to_owned()), "{refused:?}");
    ensure!(other.info("loading")? == "1");
    ensure!(other.command(&["CONFIG", "SET", "key-load-delay", "0"])? == Reply::ok());
    ensure!(client.read_reply()? == Reply::ok() && client.read_reply()? == Reply::bulk("1"));
    ensure!(other.command(&["DBSIZE"])? == Reply::Integer(2001));
    Ok(())
}

#[test]
fn a_real_server_reads_it_and_it_reads_a_real_servers() -> Result<()> {
    let folder = Folder::new()?;
    let server = folder.start(&[])?;
    let mut client = server.client()?;
    fill(&mut client)?;
    client.command(&["BGREWRITEAOF"])?;
    wait_for_rewrite(&mut client)?;
    fill(&mut client)?;
    let before = digest(&mut client)?;
    ensure!(client.command(&["SHUTDOWN", "NOSAVE"]).is_err());
    await_that("it has ended", || Ok(TcpStream::connect(("127.0.0.1", server.port)).is_err()))?;
    let dir = folder.0.to_string_lossy().into_owned();
    let peer = Peer::start(&["--appendonly", "yes", "--dir", &dir, "--enable-debug-command", "yes"])?;
    let mut theirs = peer.client()?;
    await_that("it has loaded", || Ok(!matches!(theirs.command(&["DBSIZE"])?, Reply::Error(_))))?;
    ensure!(digest(&mut theirs)? == before, "the peer reads something else");
    fill(&mut theirs)?;
    theirs.command(&["BGREWRITEAOF"])?;
    wait_for_rewrite(&mut theirs)?;
    fill(&mut theirs)?;
    let before = digest(&mut theirs)?;
    let _ = theirs.command(&["SHUTDOWN", "NOSAVE"]);
    let server = folder.start(&[])?;
    ensure!(digest(&mut server.client()?)? == before, "{}", folder.log());
    Ok(())
}

#[test]
fn no_acknowledged_write_is_lost_under_always() -> Result<()> {
    let folder = Folder::new()?;
    let mut acknowledged = 0;
    for round in 0..5_u16 {
        let server = folder.start(&["--appendfsync", "always"])?;
        let mut client = server.client()?;
        let found = match client.command(&["GET", "count"])? {
            Reply::Null => 0,
            count => count.text()?.parse::<i64>()?,
        };
        // The one that was under way may have come through.
        ensure!(found == acknowledged || found == acknowledged + 1, "{found} of {acknowledged}");
        acknowledged = found;
        if round % 2 == 1 {
            client.command(&["BGREWRITEAOF"])?;
        }
        let child = server.child.id();
        let (enough, at_work) = mpsc::channel();
        let killer = std::thread::spawn(move || {
            at_work.recv()?;
            anyhow::Ok(Command::new("kill").args(["-9", &child.to_string()]).status()?)
        });
        let due = acknowledged + 10 + 7 * i64::from(round);
        while let Ok(Reply::Integer(count)) = client.command(&["INCR", "count"]) {
            acknowledged = count;
            if count == due {
                enough.send(())?;
            }
        }
        killer.join().map_err(|_| anyhow::anyhow!("no signal was sent"))??;
        drop(server);
    }
    ensure!(acknowledged > 100, "only {acknowledged} writes");
    Ok(())
}

fn last_file(folder: &Folder) -> Result<PathBuf> {
    let manifest = folder.manifest()?;
    let name = manifest.lines().last().and_then(|line| line.split(' ').nth(1)).context("no file")?;
    Ok(folder.files().join(name))
}

fn append(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write;
    Ok(fs::File::options().append(true).open(path)?.write_all(bytes)?)
}

#[test]
fn a_torn_end_is_cut_off_and_damage_is_refused() -> Result<()> {
    let folder = Folder::new()?;
    let server = folder.start(&["--appendfsync", "always"])?;
    server.client()?.command(&["SET", "kept", "1"])?;
    server.kill()?;
    let file = last_file(&folder)?;
    let len = fs::metadata(&file)?.len();
    append(&file, b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$4\r\nlost\r\n$1\r\n1\r\n*3\r\n$3\r\nSET\r\n$4\r\nlo")?;
    let server = folder.start(&["--appendfsync", "always"])?;
    let mut client = server.client()?;
    ensure!(client.command(&["EXISTS", "kept", "lost"])? == Reply::Integer(1));
    ensure!(fs::metadata(&file)?.len() == len, "{}", folder.log());
    ensure!(client.command(&["SET", "more", "1"])? == Reply::ok());
    server.kill()?;
    append(&file, b"!!!\r\n")?;
    let refused = folder.start(&["--appendfsync", "always"]);
    ensure!(refused.is_err() && folder.log().contains("Bad file format reading the append only file"));
    Ok(())
}

#[test]
fn scripts_in_the_file_are_run() -> Result<()> {
    let folder = Folder::new()?;
    let server = folder.start(&["--appendfsync", "always"])?;
    server.client()?.command(&["SET", "a", "1"])?;
    server.kill()?;
    let file = last_file(&folder)?;
    // As servers before 7.0 have written it.
    for line in [
        "*4\r\n$4\r\nEVAL\r\n$60\r\nredis.call('incrby', KEYS[1], 5) redis.call('no such thing')\r\n$1\r\n1\r\n$1\r\na\r\n",
        "*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$34\r\nreturn redis.call('incr', KEYS[1])\r\n",
        "*1\r\n$5\r\nMULTI\r\n",
        "*4\r\n$7\r\nEVALSHA\r\n$40\r\n2bab3b661081db58bd2341920e0ba7cf5dc77b25\r\n$1\r\n1\r\n$1\r\na\r\n",
        "*1\r\n$4\r\nEXEC\r\n",
    ] {
        append(&file, line.as_bytes())?;
    }
    let server = folder.start(&["--appendfsync", "always"])?;
    ensure!(server.client()?.command(&["GET", "a"])? == Reply::bulk("7"), "{}", folder.log());
    Ok(())
}

#[test]
fn what_has_not_reached_the_disk_is_not_seen() -> Result<()> {
    let folder = Folder::new()?;
    let mut server = folder.start(&["--appendfsync", "always"])?;
    let (mut writer, mut reader) = (server.client()?, server.client()?);
    writer.command(&["SET", "seen", "before"])?;
    writer.command(&["DEBUG", "AOF-FLUSH-SLEEP", "300000"])?;
    let file = last_file(&folder)?;
    let len = fs::metadata(&file)?.len();
    writer.send(b"SET seen after\r\n")?;
    // Whichever value it sees: the later one comes only once it is written.
    await_that("the write is seen", || {
        let seen = reader.command(&["GET", "seen"])?.text()?;
        ensure!(seen == "before" || fs::metadata(&file)?.len() > len, "it was seen too early");
        Ok(seen == "after")
    })?;
    // A key of another shard is read meanwhile.
    ensure!(!server.has_ended()?);
    Ok(())
}

/// As Redis does: of no policy a reply comes before the file has what it tells of.
#[test]
fn replies_come_after_the_file_has_it_at_the_levels_of_redis() -> Result<()> {
    for policy in ["everysec", "no"] {
        let folder = Folder::new()?;
        let server = folder.start(&["--appendfsync", policy, "--compatibility-level", "7.0"])?;
        let mut client = server.client()?;
        let file = last_file(&folder)?;
        for _ in 0..200 {
            let len = fs::metadata(&file)?.len();
            client.command(&["INCR", "n"])?;
            ensure!(fs::metadata(&file)?.len() > len, "a reply came too early");
        }
    }
    Ok(())
}
