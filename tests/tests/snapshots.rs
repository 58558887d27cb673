//! Snapshots in files: written, loaded, exchanged with real servers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use ochre_tests::{Client, Peer, Reply, Server, await_that};

const DEBUG: [&str; 2] = ["--enable-debug-command", "yes"];

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Folder> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ochre-snapshot-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    fn file(&self) -> PathBuf {
        self.0.join("dump.rdb")
    }

    fn server(&self, options: &[&str]) -> Result<Server> {
        Server::start(&[&["--dir", self.text()], &DEBUG[..], options].concat())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn digest(client: &mut Client) -> Result<String> {
    client.command(&["DEBUG", "DIGEST"])?.text()
}

fn await_saved(client: &mut Client) -> Result<()> {
    await_that("the save is over", || Ok(client.info("rdb_bgsave_in_progress")? == "0"))
}

/// Values of all types and encodings, in two databases.
fn fill(client: &mut Client) -> Result<()> {
    for line in [
        "SET text hello",
        "SET number 12345",
        "SET negative -2147483649",
        "SET soon x PX 100000000",
        "RPUSH list a b 1 -5 70000 3000000000",
        "SADD ints 1 70000 -5",
        "SADD set one two",
        "ZADD zset 1 a 2.5 b -inf c",
        "HSET hash a 1 b two",
        "XADD stream 1-1 a 1 b 2",
        "XADD stream 1-2 a 3 b 4",
        "XADD stream 2-1 c 5",
        "XDEL stream 1-2",
        "XGROUP CREATE stream group 0",
        "XREADGROUP GROUP group alice COUNT 1 STREAMS stream >",
        "SELECT 3",
        "SET other-database x",
        "EXPIREAT other-database 4102444800",
        "SELECT 0",
    ] {
        client.line(line)?;
    }
    let long = "0123456789 ".repeat(3000);
    client.command(&["SET", "long", &long])?;
    client.command(&["RPUSH", "longs", "a", &long[..9000], "b"])?;
    for start in (0..2000).step_by(100) {
        let members: Vec<String> = (start..start + 100).map(|number| format!("{:x}", number * 7919)).collect();
        for words in [vec!["RPUSH", "manylist"], vec!["SADD", "manyset"]] {
            client.command(&[words, members.iter().map(String::as_str).collect()].concat())?;
        }
        let scored = members.iter().enumerate().flat_map(|(nth, member)| [nth.to_string(), member.clone()]);
        let scored: Vec<String> = scored.collect();
        for words in [vec!["ZADD", "manyzset"], vec!["HSET", "manyhash"]] {
            client.command(&[words, scored.iter().map(String::as_str).collect()].concat())?;
        }
    }
    Ok(())
}

#[test]
fn what_was_saved_is_there_after_a_start() -> Result<()> {
    let folder = Folder::new()?;
    let server = folder.server(&[])?;
    let mut client = server.client()?;
    fill(&mut client)?;
    ensure!(client.info("rdb_changes_since_last_save")? != "0");
    let before = digest(&mut client)?;
    ensure!(client.command(&["SAVE"])? == Reply::ok());
    ensure!(client.info("rdb_changes_since_last_save")? == "0" && client.info("rdb_saves")? == "1");
    ensure!(client.command(&["DEBUG", "RELOAD"])? == Reply::ok());
    ensure!(digest(&mut client)? == before, "DEBUG RELOAD changed the data");
    for shape in ["list", "ints", "set", "zset", "hash", "manylist", "manyset", "manyzset", "manyhash"] {
        client.line(&format!("OBJECT ENCODING {shape}"))?;
    }
    // Neither what has happened since the save nor a file that was never finished.
    client.line("SET later x")?;
    drop(server);
    let names: Vec<_> = std::fs::read_dir(&folder.0)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    ensure!(names == ["dump.rdb"], "{names:?}");
    let server = folder.server(&[])?;
    let mut client = server.client()?;
    ensure!(digest(&mut client)? == before);
    ensure!(client.info("rdb_last_load_keys_loaded")? == "17" && client.info("loading")? == "0");
    Ok(())
}

#[test]
fn reload_merges_and_refuses_duplicates() -> Result<()> {
    let folder = Folder::new()?;
    let server = folder.server(&[])?;
    let mut client = server.client()?;
    client.line("SET key saved")?;
    client.line("SAVE")?;
    client.line("SET key changed")?;
    client.line("SET other x")?;
    let twice = client.command(&["DEBUG", "RELOAD", "NOSAVE", "NOFLUSH"])?;
    ensure!(matches!(&twice, Reply::Error(text) if text.starts_with("ERR Error trying to load")), "{twice:?}");
    server.wait_for_log("a key is there twice in database 0 (key \"key\")")?;
    ensure!(client.line("GET key")? == Reply::bulk("changed"));
    client.line("DEBUG RELOAD NOSAVE NOFLUSH MERGE")?;
    ensure!(client.line("GET key")? == Reply::bulk("saved"));
    ensure!(client.line("GET other")? == Reply::bulk("x"));
    client.line("DEBUG RELOAD NOSAVE")?;
    ensure!(client.line("DBSIZE")? == Reply::Integer(1));
    Ok(())
}

/// Writes a file by `from`, has `to` load it, and compares.
fn carry(fill_from: &mut Client, load_to: impl FnOnce() -> Result<Client>) -> Result<()> {
    fill(fill_from)?;
    fill_from.line("BGSAVE")?;
    await_saved(fill_from)?;
    let mut there = load_to()?;
    ensure!(digest(fill_from)? == digest(&mut there)?, "the data differ");
    for key in ["list", "ints", "set", "zset", "hash", "stream", "manylist", "manyset", "manyzset", "manyhash"] {
        let words = ["OBJECT", "ENCODING", key];
        let (here, there) = (fill_from.command(&words)?, there.command(&words)?);
        ensure!(here == there, "{key}: {here:?} {there:?}");
    }
    let words = ["XINFO", "STREAM", "stream", "FULL"];
    let (here, there) = (fill_from.command(&words)?, there.command(&words)?);
    let (Reply::Array(here), Reply::Array(there)) = (&here, &there) else { bail!("{here:?} {there:?}") };
    // How its tree is laid out, of which the first six words tell, is everybody's own affair.
    ensure!(here.get(6..) == there.get(6..), "{here:?} {there:?}");
    Ok(())
}

fn checked_by_redis(file: &Path) -> Result<()> {
    let output = Command::new("redis-check-rdb").arg(file).output().context("redis-check-rdb")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success() && text.contains("RDB looks OK"), "{text}");
    Ok(())
}

#[test]
fn files_go_to_redis_and_back() -> Result<()> {
    const LEVEL: [&str; 2] = ["--compatibility-level", "7.0"];
    for version in ["auto", "10"] {
        let folder = Folder::new()?;
        let server = folder.server(&[&LEVEL[..], &["--rdb-version", version]].concat())?;
        let mut peer = None;
        carry(&mut server.client()?, || {
            checked_by_redis(&folder.file())?;
            peer.insert(Peer::start(&[&["--dir", folder.text()], &DEBUG[..]].concat())?).client()
        })
        .context("to Redis")?;
    }
    let folder = Folder::new()?;
    let peer = Peer::start(&[&["--dir", folder.text()], &DEBUG[..]].concat())?;
    let mut server = None;
    carry(&mut peer.client()?, || server.insert(folder.server(&LEVEL)?).client()).context("from Redis")
}

#[test]
fn files_go_to_valkey_and_back() -> Result<()> {
    for version in ["auto", "11", "80"] {
        let folder = Folder::new()?;
        let server = folder.server(&["--rdb-version", version])?;
        let mut peer = None;
        carry(&mut server.client()?, || {
            peer.insert(Peer::valkey(&[&["--dir", folder.text()], &DEBUG[..]].concat())?).client()
        })
        .with_context(|| format!("version {version} to Valkey"))?;
    }
    let folder = Folder::new()?;
    let peer = Peer::valkey(&[&["--dir", folder.text()], &DEBUG[..]].concat())?;
    let mut client = peer.client()?;
    let fields = ["HPEXPIREAT", "fields", "4102444800777", "FIELDS", "1", "a"];
    client.line("HSET fields a 1 b 2")?;
    client.command(&fields)?;
    let mut server = None;
    carry(&mut client, || server.insert(folder.server(&[])?).client()).context("from Valkey")?;
    let server = server.context("not started")?;
    let mut ours = server.client()?;
    let deadlines = ["HPEXPIRETIME", "fields", "FIELDS", "2", "a", "b"];
    ensure!(ours.command(&deadlines)? == client.command(&deadlines)?);
    Ok(())
}

/// What a version has no form for is refused under that version, and raises the version otherwise.
#[test]
fn deadlines_of_fields_need_a_later_version() -> Result<()> {
    let folder = Folder::new()?;
    let server = folder.server(&[])?;
    let mut client = server.client()?;
    client.line("HSET fields a 1 b 2")?;
    client.command(&["HPEXPIREAT", "fields", "4102444800777", "FIELDS", "1", "a"])?;
    client.line("CONFIG SET rdb-version 11")?;
    ensure!(matches!(client.command(&["SAVE"])?, Reply::Error(_)));
    server.wait_for_log("the value needs version 80 of the format")?;
    client.line("CONFIG SET rdb-version auto")?;
    client.line("SAVE")?;
    ensure!(std::fs::read(folder.file())?.starts_with(b"VALKEY080"));
    let peer = Peer::valkey(&["--dir", folder.text()])?;
    let deadlines = ["HPEXPIRETIME", "fields", "FIELDS", "2", "a", "b"];
    ensure!(peer.client()?.command(&deadlines)? == client.command(&deadlines)?);
    Ok(())
}

/// Amounts are moved between accounts by transactions, and sums by a script of many threads; a snapshot taken meanwhile,
/// slowly, must show one moment.
#[test]
fn a_snapshot_under_load_is_of_one_moment() -> Result<()> {
    const ACCOUNTS: u32 = 400;
    let folder = Folder::new()?;
    let server = folder.server(&["--worker-threads", "2", "--rdb-key-save-delay", "300"])?;
    let mut client = server.client()?;
    for number in 0..ACCOUNTS {
        client.line(&format!("SET account:{number} 1000"))?;
        client.line(&format!("HSET moves:{number} count 0"))?;
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| -> Result<()> {
        let writers: Vec<_> = (0..4)
            .map(|seed| {
                let (server, stop) = (&server, &stop);
                scope.spawn(move || -> Result<u32> {
                    let (mut client, mut random) = (server.client()?, fastrand::Rng::with_seed(seed));
                    let mut moves = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let (from, to) = (random.u32(..ACCOUNTS), random.u32(..ACCOUNTS));
                        let amount = random.u32(..100);
                        client.line("MULTI")?;
                        client.line(&format!("DECRBY account:{from} {amount}"))?;
                        client.line(&format!("INCRBY account:{to} {amount}"))?;
                        client.line(&format!("HINCRBY moves:{from} count 1"))?;
                        client.line(&format!("HINCRBY moves:{to} count -1"))?;
                        client.line("EXEC")?;
                        moves += 1;
                    }
                    Ok(moves)
                })
            })
            .collect();
        let begun = (|| {
            client.line("BGSAVE")?;
            await_that("keys were taken ahead of changes", || {
                Ok(client.info("current_cow_size")?.parse::<u64>()? > 10_000)
            })?;
            await_saved(&mut client)
        })();
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            let moves = writer.join().map_err(|_| anyhow::anyhow!("a writer is gone"))??;
            ensure!(moves > 0, "a writer has done nothing");
        }
        begun
    })?;
    ensure!(client.info("rdb_last_bgsave_status")? == "ok");
    let loaded = folder.server(&[])?;
    let mut client = loaded.client()?;
    ensure!(client.line("DBSIZE")? == Reply::Integer(i64::from(2 * ACCOUNTS)));
    let (mut sum, mut moves) = (0, 0);
    for number in 0..ACCOUNTS {
        sum += client.line(&format!("GET account:{number}"))?.text()?.parse::<i64>()?;
        moves += client.line(&format!("HGET moves:{number} count"))?.text()?.parse::<i64>()?;
    }
    ensure!((sum, moves) == (1000 * i64::from(ACCOUNTS), 0), "sums {sum} and {moves}");
    Ok(())
}

/// Who changes some bytes of a long string, or a long stream, while it is saved, has little copied.
#[test]
fn long_strings_and_streams_change_while_they_are_saved() -> Result<()> {
    const KEYS: [&str; 5] = ["changed", "grown", "replaced", "stream", "deleted"];
    let folder = Folder::new()?;
    let server = folder.server(&["--rdbcompression", "no"])?;
    let mut client = server.client()?;
    for key in ["changed", "grown", "replaced"] {
        client.line(&format!("SETRANGE {key} 5000000 end"))?;
    }
    let mut pipeline = String::new();
    for number in 1..=5000 {
        pipeline += &format!("XADD stream {number}-1 field value-{number}\r\nXADD deleted {number}-1 a b\r\n");
    }
    client.send(pipeline.as_bytes())?;
    (0..10_000).try_for_each(|_| client.read_reply().map(drop))?;
    client.line("XGROUP CREATE stream group 0")?;
    client.line("XREADGROUP GROUP group alice COUNT 3000 STREAMS stream >")?;
    let digests = |client: &mut Client| client.command(&[&["DEBUG", "DIGEST-VALUE"], &KEYS[..]].concat());
    let before = digests(&mut client)?;
    let pending = client.line("XPENDING stream group")?;
    // Other keys hold up the save for some seconds, wherever the walk meets them.
    client.line("DEBUG POPULATE 1000 other 10")?;
    client.line("CONFIG SET rdb-key-save-delay 5000")?;
    client.line("BGSAVE")?;
    for line in [
        "SETRANGE changed 2000000 changed",
        "SETBIT changed 32000001 1",
        "APPEND grown more",
        "SET replaced short",
        "XADD stream * field new",
        "XDEL stream 2500-1 4000-1",
        "XACK stream group 17-1 2999-1",
        "XTRIM stream MAXLEN 4000",
        "XGROUP CREATE stream other $",
        "DEL deleted",
    ] {
        ensure!(!matches!(client.line(line)?, Reply::Error(_)), "{line}");
    }
    let copied: u64 = client.info("current_cow_size")?.parse()?;
    ensure!(client.info("rdb_bgsave_in_progress")? == "1" && copied < 1_000_000, "{copied} bytes were copied");
    client.line("CONFIG SET rdb-key-save-delay 0")?;
    await_saved(&mut client)?;
    ensure!(client.info("rdb_last_bgsave_status")? == "ok");
    drop(server);
    let server = folder.server(&[])?;
    let mut client = server.client()?;
    ensure!(digests(&mut client)? == before, "the values are not those of the cut");
    ensure!(client.line("XPENDING stream group")? == pending);
    Ok(())
}

#[test]
fn a_save_in_the_background_can_be_cancelled() -> Result<()> {
    let folder = Folder::new()?;
    let server = folder.server(&["--rdb-key-save-delay", "10000000"])?;
    let mut client = server.client()?;
    ensure!(matches!(client.command(&["BGSAVE", "CANCEL"])?, Reply::Error(_)));
    ensure!(matches!(client.command(&["BGSAVE", "now"])?, Reply::Error(_)));
    client.line("DEBUG POPULATE 1000")?;
    client.line("SET x y")?;
    for cancel in ["BGSAVE CANCEL", "FLUSHALL"] {
        ensure!(client.line("BGSAVE")? == Reply::Simple("Background saving started".to_owned()));
        ensure!(matches!(client.command(&["BGSAVE"])?, Reply::Error(_)));
        ensure!(matches!(client.command(&["SAVE"])?, Reply::Error(_)));
        client.line(cancel)?;
        await_saved(&mut client)?;
        ensure!(client.info("rdb_last_bgsave_status")? == "ok");
        ensure!(client.info("rdb_changes_since_last_save")? != "0");
    }
    ensure!(std::fs::read_dir(&folder.0)?.count() == 0, "files are left");
    client.line("CONFIG SET rdb-key-save-delay 0")?;
    client.line("SET x z")?;
    client.line("BGSAVE")?;
    await_saved(&mut client)?;
    ensure!(client.info("rdb_changes_since_last_save")? == "0");
    Ok(())
}

#[test]
fn save_points_save_and_failures_stop_writes() -> Result<()> {
    let folder = Folder::new()?;
    let server = folder.server(&["--save", "1 2"])?;
    let mut client = server.client()?;
    client.line("SET a 1")?;
    client.line("SET b 2")?;
    await_that("a save point", || Ok(client.info("rdb_saves")? == "1"))?;
    server.wait_for_log("2 changes in 1 seconds. Saving...")?;
    std::fs::remove_dir_all(&folder.0)?;
    client.line("BGSAVE")?;
    await_saved(&mut client)?;
    ensure!(client.info("rdb_last_bgsave_status")? == "err");
    for words in [&["SET", "a", "2"][..], &["PING"]] {
        let refused = client.command(words)?;
        ensure!(
            matches!(&refused, Reply::Error(text) if text.starts_with("MISCONF Redis is configured")),
            "{refused:?}"
        );
    }
    ensure!(client.line("GET a")? == Reply::bulk("1"));
    client.line("CONFIG SET stop-writes-on-bgsave-error no")?;
    client.line("SET a 2")?;
    client.line("CONFIG SET stop-writes-on-bgsave-error yes")?;
    std::fs::create_dir_all(&folder.0)?;
    client.command(&["CONFIG", "SET", "enable-protected-configs", "yes"])?;
    let refused = client.command(&["SHUTDOWN"])?;
    ensure!(
        matches!(&refused, Reply::Error(text) if text == "ERR Errors trying to SHUTDOWN. Check logs."),
        "{refused:?}"
    );
    ensure!(client.line("GET a")? == Reply::bulk("2"));
    Ok(())
}

#[test]
fn the_end_saves_what_it_should() -> Result<()> {
    // Each end, and whether the data are there afterwards.
    let ends: [(&str, &[&str], bool); 5] = [
        ("SHUTDOWN", &["--save", "3600 1"], true),
        ("SHUTDOWN", &[], false),
        ("SHUTDOWN SAVE", &[], true),
        ("SHUTDOWN NOSAVE", &["--save", "3600 1"], false),
        ("", &["--save", "3600 1"], true),
    ];
    for (end, options, saves) in ends {
        let folder = Folder::new()?;
        let mut server = folder.server(options)?;
        let mut client = server.client()?;
        client.line("SET key value")?;
        if end.is_empty() {
            server.signal(Signal::SIGTERM)?;
        } else {
            client.send(format!("{end}\r\n").as_bytes())?;
            ensure!(client.read_to_close(Duration::from_secs(30))?.is_empty());
        }
        ensure!(server.ended()?.code() == Some(0), "{end} {options:?}");
        let server = folder.server(&[])?;
        let found = server.client()?.command(&["EXISTS", "key"])?;
        ensure!(found == Reply::Integer(i64::from(saves)), "{end} {options:?}: {found:?}");
    }
    Ok(())
}

#[test]
fn clients_are_told_while_it_loads() -> Result<()> {
    let folder = Folder::new()?;
    {
        let server = folder.server(&["--rdbcompression", "no"])?;
        let mut client = server.client()?;
        client.line("DEBUG POPULATE 2000 key 100")?;
        client.line("SAVE")?;
    }
    let slow = ["--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024"];
    let port = ochre_tests::free_port()?.to_string();
    let mut child = Command::new(ochre_tests::program()?)
        .args(["--port", &port, "--bind", "127.0.0.1", "--save", "3600 1", "--dir", folder.text()])
        .args(slow)
        .stdout(std::process::Stdio::null())
        .spawn()?;
    let loading = || -> Result<()> {
        let address = format!("127.0.0.1:{port}").parse()?;
        let mut client = None;
        await_that("it lets clients in", || {
            client = Client::connect(address).ok();
            Ok(client.is_some())
        })?;
        let mut client = client.context("no client")?;
        let refused = client.command(&["GET", "key:1"])?;
        ensure!(refused == Reply::Error("LOADING Redis is loading the dataset in memory".to_owned()), "{refused:?}");
        ensure!(client.info("loading")? == "1");
        let (total, read) = (client.info("loading_total_bytes")?, client.info("loading_loaded_bytes")?);
        ensure!(
            read.parse::<u64>()? < total.parse()? && total.parse::<u64>()? == std::fs::metadata(folder.file())?.len()
        );
        client.line("CONFIG SET key-load-delay 0")?;
        await_that("it is loaded", || Ok(client.info("loading")? == "0"))?;
        ensure!(client.line("DBSIZE")? == Reply::Integer(2000));
        Ok(())
    };
    let outcome = loading();
    let _ = child.kill();
    child.wait()?;
    outcome
}

/// A process that is told to end while it loads must not save what it has so far.
#[test]
fn a_part_of_a_file_never_replaces_it() -> Result<()> {
    let folder = Folder::new()?;
    {
        let server = folder.server(&[])?;
        let mut client = server.client()?;
        client.line("DEBUG POPULATE 2000 key 100")?;
        client.line("SAVE")?;
    }
    let before = std::fs::read(folder.file())?;
    for interval in ["1024", "100000000"] {
        let port = ochre_tests::free_port()?.to_string();
        let mut child = Command::new(ochre_tests::program()?)
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "3600 1", "--dir", folder.text()])
            .args(["--key-load-delay", "2000", "--loading-process-events-interval-bytes", interval])
            .args(["--logfile", "log"])
            .spawn()?;
        await_that("it has begun", || {
            let log = std::fs::read_to_string(folder.0.join("log")).unwrap_or_default();
            Ok(log.contains("Loading RDB produced by"))
        })?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM)?;
        ensure!(child.wait()?.success());
        ensure!(std::fs::read(folder.file())? == before, "the file has changed");
        std::fs::remove_file(folder.0.join("log"))?;
    }
    Ok(())
}

/// As where redis-server was replaced, of which the tools are links.
#[test]
fn under_other_names_it_checks_files() -> Result<()> {
    let folder = Folder::new()?;
    {
        let server = folder.server(&[])?;
        let mut client = server.client()?;
        client.line("SET key value")?;
        client.line("SAVE")?;
    }
    std::fs::write(folder.0.join("good.aof"), "*1\r\n$4\r\nPING\r\n")?;
    std::fs::write(folder.0.join("bad.aof"), "*1\r\n$4\r\nPI")?;
    let checks = [
        ("redis-check-rdb", "dump.rdb", true, "RDB looks OK"),
        ("redis-check-rdb", "good.aof", false, "no RDB file"),
        ("valkey-check-aof", "good.aof", true, "good.aof is valid"),
        ("redis-check-aof", "bad.aof", false, "bad.aof is not valid"),
    ];
    for (name, file, is_valid, words) in checks {
        let link = folder.0.join(name);
        if !link.exists() {
            std::os::unix::fs::symlink(ochre_tests::program()?, &link)?;
        }
        let output = Command::new(&link).arg(folder.0.join(file)).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success() == is_valid && text.contains(words), "{name} {file}: {text}");
    }
    Ok(())
}

#[test]
fn a_damaged_file_is_refused() -> Result<()> {
    let folder = Folder::new()?;
    {
        let server = folder.server(&["--rdbcompression", "no"])?;
        let mut client = server.client()?;
        client.line("HSET damaged name value")?;
        client.line("SAVE")?;
    }
    let good = std::fs::read(folder.file())?;
    let checksum = good.len() - 1;
    let inside = good.windows(4).position(|bytes| bytes == b"name").context("no name in the file")? - 1;
    for (place, words) in [(checksum, "wrong checksum"), (inside, "(key \"damaged\")")] {
        let mut bad = good.clone();
        bad[place] ^= 0x55;
        std::fs::write(folder.file(), &bad)?;
        let output = Command::new(ochre_tests::program()?)
            .args(["--port", &ochre_tests::free_port()?.to_string(), "--bind", "127.0.0.1", "--dir", folder.text()])
            .output()?;
        let log = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.code() == Some(1), "{:?}: {log}", output.status);
        ensure!(log.contains("Fatal error loading the DB") && log.contains(words) && log.contains("byte "), "{log}");
        ensure!(std::fs::read(folder.file())? == bad, "the file has changed");
    }
    Ok(())
}
