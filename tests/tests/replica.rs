//! The server as a replica: of real servers, and of another of its own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ochre_tests::{Client, Peer, Reply, Server, await_that};

const DEBUG: [&str; 2] = ["--enable-debug-command", "yes"];
const LINES: &str = include_str!("../propagation/redis-7.0.txt");

/// A primary and a replica of it, and connections to both.
struct Pair {
    primary: Client,
    replica: Client,
}

impl Pair {
    /// Makes the server at `replica` a replica of the one at `primary`, and waits for the link.
    fn link(mut primary: Client, mut replica: Client) -> Result<Pair> {
        let port = primary.stream().peer_addr()?.port().to_string();
        ensure!(replica.command(&["REPLICAOF", "127.0.0.1", &port])? == Reply::ok());
        await_link(&mut replica)?;
        primary.command(&["SET", "linked", "1"])?;
        Ok(Pair { primary, replica })
    }

    /// Waits until the replica has executed all that the primary has, and compares the data.
    fn same(&mut self) -> Result<()> {
        self.caught_up()?;
        // What expires in these moments is gone in one of them a little sooner.
        await_that("both have the same data", || {
            Ok(self.primary.command(&["DEBUG", "DIGEST"])? == self.replica.command(&["DEBUG", "DIGEST"])?)
        })
    }

    fn caught_up(&mut self) -> Result<()> {
        await_that("the replica has caught up", || {
            let offset = field(&mut self.primary, "replication", "master_repl_offset")?;
            Ok(field(&mut self.replica, "replication", "slave_repl_offset")? == offset)
        })
    }
}

fn field(client: &mut Client, section: &str, name: &str) -> Result<String> {
    let info = client.command(&["INFO", section])?.text()?;
    let found = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    Ok(found.unwrap_or_default().to_owned())
}

fn await_link(replica: &mut Client) -> Result<()> {
    await_that("the link is up", || Ok(field(replica, "replication", "master_link_status")? == "up"))
}

fn fill(client: &mut Client) -> Result<()> {
    let wanted = |line: &&str| !line.is_empty() && !line.starts_with(|first: char| "#123".contains(first));
    for line in LINES.lines().filter(wanted).filter(|line| !line.starts_with("sleep") && !line.starts_with("FLUSH")) {
        client.command(&line.split(' ').collect::<Vec<_>>())?;
    }
    // What expires in these moments is there in the one and not in the other.
    let Reply::Array(keys) = client.command(&["KEYS", "*"])? else { bail!("no list of keys") };
    for key in keys {
        client.command(&["PERSIST", &key.text()?])?;
    }
    Ok(())
}

fn error(reply: Reply) -> Result<String> {
    match reply {
        Reply::Error(text) => Ok(text),
        other => bail!("no error but {other:?}"),
    }
}

/// What holds of a replica of any primary: all data come, then all changes, and after a break only what is missing.
fn follows(primary: Client, ours: &Server) -> Result<()> {
    let mut pair = Pair::link(primary, ours.client()?)?;
    pair.same()?;
    fill(&mut pair.primary)?;
    pair.same()?;
    for line in ["MULTI", "INCR counter", "SELECT 3", "SET three x", "SELECT 0", "RPUSH list a b", "EXEC"] {
        pair.primary.command(&line.split(' ').collect::<Vec<_>>())?;
    }
    let long = "x".repeat(1 << 20);
    pair.primary.command(&["SET", "long", &long])?;
    pair.same()?;
    ensure!(pair.primary.command(&["WAIT", "1", "10000"])? == Reply::Integer(1), "the replica does not answer");
    // It comes back and is sent what it lacks.
    let id = field(&mut pair.replica, "replication", "master_replid")?;
    ensure!(id == field(&mut pair.primary, "replication", "master_replid")?);
    let synced = field(&mut pair.primary, "stats", "sync_full")?;
    pair.primary.command(&["CLIENT", "KILL", "TYPE", "replica"])?;
    pair.primary.command(&["SET", "while-away", "1"])?;
    await_that("it is back", || Ok(pair.primary.command(&["WAIT", "1", "100"])? == Reply::Integer(1)))?;
    pair.same()?;
    ensure!(field(&mut pair.primary, "stats", "sync_full")? == synced, "all was sent again");
    ensure!(field(&mut pair.primary, "stats", "sync_partial_ok")? == "1");
    pair.primary.command(&["FLUSHALL"])?;
    pair.same()
}

#[test]
fn it_follows_a_real_primary_that_sends_without_a_file() -> Result<()> {
    let primary = Peer::start(&[&DEBUG[..], &["--repl-diskless-sync-delay", "0"]].concat())?;
    let mut client = primary.client()?;
    fill(&mut client)?;
    let ours = Server::start(&[&DEBUG[..], &["--compatibility-level", "7.0"]].concat())?;
    follows(client, &ours)?;
    ours.wait_for_log("receiving streamed RDB from master with EOF to disk")
}

#[test]
fn it_follows_a_real_primary_that_sends_a_file() -> Result<()> {
    let primary = Peer::start(&[&DEBUG[..], &["--repl-diskless-sync", "no"]].concat())?;
    let mut client = primary.client()?;
    fill(&mut client)?;
    let load = ["--compatibility-level", "7.0", "--repl-diskless-load", "on-empty-db"];
    let ours = Server::start(&[&DEBUG[..], &load].concat())?;
    follows(client, &ours)?;
    ours.wait_for_log("bytes from master to parser")
}

#[test]
fn it_follows_valkey() -> Result<()> {
    let primary = Peer::valkey(&[&DEBUG[..], &["--repl-diskless-sync-delay", "0"]].concat())?;
    let mut client = primary.client()?;
    fill(&mut client)?;
    follows(client, &Server::start(&DEBUG)?)
}

#[test]
fn it_follows_another_of_its_own_and_is_followed() -> Result<()> {
    let (first, second, third) = (Server::start(&DEBUG)?, Server::start(&DEBUG)?, Server::start(&DEBUG)?);
    let mut client = first.client()?;
    fill(&mut client)?;
    follows(client, &second)?;
    // The replica of a replica has the history of the first.
    let mut chain = Pair::link(second.client()?, third.client()?)?;
    let mut client = first.client()?;
    client.command(&["SELECT", "5"])?;
    client.command(&["SET", "through", "all"])?;
    let digest = client.command(&["DEBUG", "DIGEST"])?;
    await_that("the change has come through", || Ok(chain.replica.command(&["DEBUG", "DIGEST"])? == digest))?;
    let id = field(&mut client, "replication", "master_replid")?;
    ensure!(field(&mut chain.replica, "replication", "master_replid")? == id);
    // It is promoted: its replica goes on where it was, and so does its old primary.
    ensure!(chain.primary.command(&["REPLICAOF", "NO", "ONE"])? == Reply::ok());
    ensure!(field(&mut chain.primary, "replication", "master_replid2")? == id);
    await_link(&mut chain.replica)?;
    let mut back = Pair::link(second.client()?, first.client()?)?;
    back.primary.command(&["SET", "after", "promotion"])?;
    back.same()?;
    chain.same()?;
    let mut promoted = second.client()?;
    ensure!(field(&mut promoted, "stats", "sync_full")? == "1", "{}", second.log());
    ensure!(field(&mut promoted, "stats", "sync_partial_ok")? == "2");
    Ok(())
}

#[test]
fn a_replica_is_read_only_and_says_what_it_is() -> Result<()> {
    let primary = Peer::start(&DEBUG)?;
    let ours = Server::start(&[&DEBUG[..], &["--compatibility-level", "7.0"]].concat())?;
    let mut before = ours.client()?;
    before.command(&["MULTI"])?;
    before.command(&["SET", "key", "value"])?;
    let mut waits = ours.client()?;
    waits.send(b"BLPOP nothing 0\r\n")?;
    let mut watcher = ours.client()?;
    await_that("a client waits", || Ok(field(&mut watcher, "clients", "blocked_clients")? == "1"))?;
    watcher.command(&["SET", "watched", "1"])?;
    watcher.command(&["WATCH", "watched"])?;
    let mut pair = Pair::link(primary.client()?, ours.client()?)?;
    // The texts are those of redis-server 7.0.15.
    ensure!(
        error(waits.read_reply()?)?
            == "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
    );
    let read_only = "READONLY You can't write against a read only replica.";
    ensure!(error(pair.replica.command(&["SET", "key", "value"])?)? == read_only);
    let aborted = format!("EXECABORT Transaction discarded because of: {read_only}");
    ensure!(error(before.command(&["EXEC"])?)? == aborted);
    let script = error(pair.replica.command(&["EVAL", "return redis.call('set', KEYS[1], 1)", "1", "key"])?)?;
    ensure!(script.starts_with(read_only), "{script}");
    ensure!(error(pair.replica.command(&["WAIT", "0", "0"])?)?.starts_with("ERR WAIT cannot be used with replica"));
    watcher.command(&["MULTI"])?;
    watcher.command(&["GET", "watched"])?;
    ensure!(watcher.command(&["EXEC"])? == Reply::Null, "what it has watched is gone");
    pair.caught_up()?;
    let Reply::Array(role) = pair.replica.command(&["ROLE"])? else { bail!("no role") };
    let port = pair.primary.stream().peer_addr()?.port();
    ensure!(
        role[..4]
            == [Reply::bulk("slave"), Reply::bulk("127.0.0.1"), Reply::Integer(port.into()), Reply::bulk("connected")]
    );
    let list = pair.replica.command(&["CLIENT", "LIST", "TYPE", "master"])?.text()?;
    ensure!(list.contains(" flags=M ") && list.contains(" user=(superuser) "), "{list}");
    let again = pair.replica.command(&["REPLICAOF", "127.0.0.1", &port.to_string()])?;
    ensure!(again == Reply::Simple("OK Already connected to specified master".into()), "{again:?}");
    // As Redis 8.2 counts: since the order, and since the link was lost, the one included that made it.
    let attempts = |replica: &mut Client| -> Result<(u64, u64)> {
        let [current, total] = ["master_current_sync_attempts", "master_total_sync_attempts"]
            .map(|name| field(replica, "replication", name));
        Ok((current?.parse()?, total?.parse()?))
    };
    ensure!(attempts(&mut pair.replica)? == (1, 1));
    // The link is one of the clients that can be killed, and comes back.
    ensure!(pair.replica.command(&["CLIENT", "KILL", "TYPE", "master"])? == Reply::Integer(1));
    pair.primary.command(&["SET", "after", "1"])?;
    await_link(&mut pair.replica)?;
    pair.same()?;
    let (current, total) = attempts(&mut pair.replica)?;
    ensure!(current >= 1 && total == current + 1, "{current} of {total}");
    ensure!(field(&mut pair.replica, "replication", "master_link_up_since_seconds")?.parse::<u64>()? < 60);
    // Without its primary it shows what it has, unless it must not.
    drop(primary);
    await_that("the link is down", || Ok(field(&mut pair.replica, "replication", "master_link_status")? == "down"))?;
    await_that("it has tried for a while", || {
        let away_s = field(&mut pair.replica, "replication", "total_disconnect_time_sec")?;
        Ok(attempts(&mut pair.replica)?.0 >= 2 && away_s != "0")
    })?;
    ensure!(pair.replica.command(&["GET", "after"])? == Reply::bulk("1"));
    pair.replica.set_config("replica-serve-stale-data", "no")?;
    let down = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
    ensure!(error(pair.replica.command(&["GET", "after"])?)? == down);
    ensure!(pair.replica.command(&["REPLICAOF", "NO", "ONE"])? == Reply::ok());
    ensure!(pair.replica.command(&["SET", "after", "2"])? == Reply::ok());
    Ok(())
}

#[test]
fn a_replica_hides_what_has_expired_and_leaves_it_to_its_primary() -> Result<()> {
    let (primary, ours) = (Server::start(&DEBUG)?, Server::start(&DEBUG)?);
    let mut pair = Pair::link(primary.client()?, ours.client()?)?;
    // The primary removes nothing by itself meanwhile.
    pair.primary.command(&["DEBUG", "PAUSE-CRON", "1"])?;
    pair.primary.command(&["SET", "short", "lived", "PX", "50"])?;
    pair.caught_up()?;
    await_that("the key has expired", || Ok(pair.replica.command(&["GET", "short"])? == Reply::Null))?;
    ensure!(pair.replica.command(&["EXISTS", "short"])? == Reply::Integer(0));
    ensure!(pair.replica.command(&["DBSIZE"])? == Reply::Integer(2), "it is there, if nobody sees it");
    ensure!(pair.primary.command(&["GET", "short"])? == Reply::Null);
    await_that("the primary's deletion has come", || Ok(pair.replica.command(&["DBSIZE"])? == Reply::Integer(1)))?;
    // What its own clients make in a replica that they may write to is its own affair.
    pair.replica.set_config("replica-read-only", "no")?;
    pair.replica.command(&["SET", "own", "1", "PX", "50"])?;
    await_that("its own key has gone", || Ok(pair.replica.command(&["DBSIZE"])? == Reply::Integer(1)))
}

#[test]
fn a_replica_keeps_an_append_only_file_of_what_it_follows() -> Result<()> {
    let primary = Peer::start(&DEBUG)?;
    let mut client = primary.client()?;
    fill(&mut client)?;
    let ours = Server::start(&[&DEBUG[..], &["--compatibility-level", "7.0", "--appendonly", "yes"]].concat())?;
    let mut pair = Pair::link(client, ours.client()?)?;
    await_that("the file is there", || {
        let is_writing = field(&mut pair.replica, "persistence", "aof_rewrite_in_progress")? == "1";
        Ok(!is_writing && field(&mut pair.replica, "persistence", "aof_enabled")? == "1")
    })?;
    pair.primary.command(&["SET", "later", "1"])?;
    pair.same()?;
    let digest = pair.replica.command(&["DEBUG", "DIGEST"])?;
    ensure!(pair.replica.command(&["REPLICAOF", "NO", "ONE"])? == Reply::ok());
    ensure!(pair.replica.command(&["DEBUG", "LOADAOF"])? == Reply::ok());
    ensure!(pair.replica.command(&["DEBUG", "DIGEST"])? == digest);
    Ok(())
}

/// With `repl-diskless-load swapdb` what there is stays in use until the new data are whole.
#[test]
fn a_replica_keeps_its_data_until_it_has_others() -> Result<()> {
    let peer = Peer::start(&[&DEBUG[..], &["--repl-diskless-sync-delay", "0", "--rdbcompression", "no"]].concat())?;
    let mut primary = peer.client()?;
    primary.command(&["DEBUG", "POPULATE", "300", "new", "100000"])?;
    primary.command(&[
        "FUNCTION",
        "LOAD",
        "#!lua name=new\nredis.register_function('new', function() return 1 end)",
    ])?;
    primary.set_config("rdb-key-save-delay", "20000")?;
    let load = ["--compatibility-level", "7.0", "--repl-diskless-load", "swapdb"];
    let ours = Server::start(&[&DEBUG[..], &load].concat())?;
    let mut replica = ours.client()?;
    replica.command(&["SET", "old", "1"])?;
    replica.command(&[
        "FUNCTION",
        "LOAD",
        "#!lua name=old\nredis.register_function('old', function() return 1 end)",
    ])?;
    let port = primary.stream().peer_addr()?.port().to_string();
    ensure!(replica.command(&["REPLICAOF", "127.0.0.1", &port])? == Reply::ok());
    // It is another history, so that nothing is shown meanwhile.
    await_that("it loads", || Ok(field(&mut replica, "persistence", "loading")? == "1"))?;
    ensure!(error(replica.command(&["GET", "old"])?)?.starts_with("LOADING"));
    ensure!(error(replica.command(&["REPLICAOF", "NO", "ONE"])?)?.starts_with("LOADING"));
    primary.set_config("repl-diskless-sync-delay", "5")?;
    primary.command(&["CLIENT", "KILL", "TYPE", "replica"])?;
    await_that("it has given up", || Ok(field(&mut replica, "persistence", "loading")? == "0"))?;
    ensure!(replica.command(&["GET", "old"])? == Reply::bulk("1"));
    ensure!(replica.command(&["DBSIZE"])? == Reply::Integer(1));
    primary.set_config("rdb-key-save-delay", "0")?;
    primary.set_config("repl-diskless-sync-delay", "0")?;
    await_link(&mut replica)?;
    primary.command(&["SET", "linked", "1"])?;
    let mut pair = Pair { primary, replica };
    pair.same()?;
    let Reply::Array(libraries) = pair.replica.command(&["FUNCTION", "LIST"])? else { bail!("no list") };
    ensure!(libraries.len() == 1 && format!("{libraries:?}").contains(&format!("{:?}", Reply::bulk("new"))));
    Ok(())
}

/// A primary that says what a test has it say.
struct Scripted(TcpStream);

impl Scripted {
    fn accept(listener: &TcpListener) -> Result<Scripted> {
        let (stream, _) = listener.accept()?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Scripted(stream))
    }
    /// Answers until the replica asks for the stream, and returns how it does.
    fn shake_hands(&mut self) -> Result<String> {
        let (mut seen, mut buffer) = (String::new(), [0; 4096]);
        loop {
            let read = self.0.read(&mut buffer)?;
            ensure!(read > 0, "the replica has gone");
            let text = std::str::from_utf8(&buffer[..read])?.to_ascii_uppercase();
            seen.push_str(&text);
            if text.contains("\r\nPSYNC\r\n") {
                return Ok(seen);
            }
            let answers = text.lines().filter(|line| line.starts_with('*')).count();
            self.0.write_all("+OK\r\n".repeat(answers).as_bytes())?;
        }
    }
    /// Reads until the replica has said that.
    fn read_until(&mut self, wanted: &str) -> Result<()> {
        let (mut seen, mut buffer) = (String::new(), [0; 4096]);
        while !seen.contains(wanted) {
            let read = self.0.read(&mut buffer).with_context(|| format!("{wanted:?} did not come: {seen}"))?;
            ensure!(read > 0, "the replica has gone");
            seen.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        Ok(())
    }
}

/// A link that breaks within a transaction goes on before it, and what came of it is not executed.
#[test]
fn half_a_transaction_is_not_executed() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port().to_string();
    let ours = Server::start(&DEBUG)?;
    let mut client = ours.client()?;
    let empty = Peer::start(&DEBUG)?;
    let Reply::Bulk(rdb) = snapshot_of(&empty)? else { bail!("no snapshot") };
    client.command(&["REPLICAOF", "127.0.0.1", &port])?;
    let id = "5".repeat(40);
    let mut link = Scripted::accept(&listener)?;
    link.shake_hands()?;
    link.0.write_all(format!("+FULLRESYNC {id} 1000\r\n\n${}\r\n", rdb.len()).as_bytes())?;
    link.0.write_all(&rdb)?;
    let whole = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
    let half = "*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n2\r\n";
    let get_ack = "*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n";
    link.0.write_all(format!("{whole}{get_ack}{half}").as_bytes())?;
    let offset = 1000 + whole.len();
    link.read_until(&format!("ACK\r\n$4\r\n{offset}\r\n"))?;
    await_that("the command is executed", || Ok(client.command(&["GET", "a"])? == Reply::bulk("1")))?;
    await_that("the rest has come", || {
        let read: usize = field(&mut client, "replication", "slave_read_repl_offset")?.parse()?;
        Ok(client.command(&["CLIENT", "LIST", "TYPE", "master"])?.text()?.contains("multi=1") && read >= offset)
    })?;
    drop(link);
    let mut link = Scripted::accept(&listener)?;
    let asked = link.shake_hands()?;
    let expected = (offset + get_ack.len() + 1).to_string();
    ensure!(asked.contains(&format!("PSYNC\r\n$40\r\n{id}\r\n$4\r\n{expected}\r\n")), "{asked}");
    link.0.write_all(format!("+CONTINUE\r\n{half}*1\r\n$4\r\nEXEC\r\n").as_bytes())?;
    await_that("the transaction is executed", || Ok(client.command(&["GET", "a"])? == Reply::bulk("2")))
}

/// The data set of a server as a replica is sent it.
fn snapshot_of(peer: &Peer) -> Result<Reply> {
    let mut client = peer.client()?;
    client.command(&["CONFIG", "SET", "repl-diskless-sync", "no"])?;
    Ok(Reply::Bulk(client.synchronize()?))
}
