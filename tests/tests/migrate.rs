//! MIGRATE: keys go to real servers and to others of our own, and what goes on here meanwhile.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ochre_tests::{Authority, Client, Peer, Reply, Server, await_that, free_port};

fn error(reply: Reply) -> Result<String> {
    match reply {
        Reply::Error(text) => Ok(text),
        other => bail!("no error but {other:?}"),
    }
}

/// The error that a line is answered with.
fn refusal(client: &mut Client, line: &str) -> Result<String> {
    error(client.command(&line.split(' ').collect::<Vec<_>>())?)
}

fn port(client: &Client) -> Result<u16> {
    Ok(client.stream().peer_addr()?.port())
}

/// What holds of any two servers. The replies are those of Redis 7.0.15.
fn migrates(here: &mut Client, there: &mut Client) -> Result<()> {
    let to = format!("127.0.0.1 {}", port(there)?);
    ensure!(here.line(&format!("MIGRATE {to} missing 0 1000"))? == Reply::Simple("NOKEY".into()));
    here.line("RPUSH list a b c")?;
    here.line("HSET hash f v")?;
    here.line("SET volatile x PX 100000")?;
    ensure!(here.line(&format!("MIGRATE {to} list 3 1000 COPY"))? == Reply::ok());
    ensure!(here.line("LLEN list")? == Reply::Integer(3), "a copy is to stay");
    let busy = refusal(here, &format!("MIGRATE {to} list 3 1000"))?;
    ensure!(busy == "ERR Target instance replied with error: BUSYKEY Target key name already exists.", "{busy}");
    ensure!(here.line("EXISTS list")? == Reply::Integer(1), "it has not arrived");
    ensure!(here.line(&format!("MIGRATE {to} list 3 1000 REPLACE"))? == Reply::ok());
    ensure!(here.line("EXISTS list")? == Reply::Integer(0), "it has arrived");
    // Of several those go that exist and arrive.
    there.line("SELECT 3")?;
    there.line("SET taken 1")?;
    here.line("SET taken 2")?;
    let several = format!("MIGRATE {to}  3 1000 KEYS hash missing taken volatile");
    let busy = refusal(here, &several)?;
    ensure!(busy == "ERR Target instance replied with error: BUSYKEY Target key name already exists.", "{busy}");
    ensure!(here.line("EXISTS hash taken volatile")? == Reply::Integer(1));
    ensure!(there.line("GET taken")? == Reply::bulk("1"));
    ensure!(there.line("HGET hash f")? == Reply::bulk("v"));
    ensure!(there.line("LRANGE list 0 -1")? == Reply::Array(["a", "b", "c"].map(Reply::bulk).to_vec()));
    let Reply::Integer(ttl_ms) = there.line("PTTL volatile")? else { bail!("no time to live") };
    ensure!((90_000..=100_000).contains(&ttl_ms), "{ttl_ms}");
    ensure!(refusal(here, &format!("MIGRATE {to} taken 99 1000"))?.contains("DB index is out of range"));
    // In a transaction and in a script too.
    here.line("MULTI")?;
    here.line("SET inside 1")?;
    here.line(&format!("MIGRATE {to} inside 3 1000"))?;
    let replies = here.line("EXEC")?;
    ensure!(replies == Reply::Array(vec![Reply::ok(), Reply::ok()]), "{replies:?}");
    let script = format!("redis.call('SET', 'scripted', 1) return redis.call('MIGRATE', {}, 'scripted', 3, 1000)", {
        format!("'127.0.0.1', {}", port(there)?)
    });
    ensure!(here.command(&["EVAL", &script, "0"])? == Reply::ok());
    ensure!(here.line("EXISTS inside scripted")? == Reply::Integer(0));
    ensure!(there.line("EXISTS inside scripted")? == Reply::Integer(2));
    // With a password.
    there.line("CONFIG SET requirepass secret")?;
    there.line("ACL SETUSER alice on >wonder ~* +@all")?;
    here.line("SET one 1")?;
    here.line("SET two 2")?;
    // A connection that was opened without one is not used again.
    ensure!(here.line(&format!("MIGRATE {to} one 3 1000 AUTH secret"))? == Reply::ok());
    ensure!(here.line(&format!("MIGRATE {to} two 3 1000 AUTH2 alice wonder"))? == Reply::ok());
    here.line("SET three 3")?;
    let wrong = refusal(here, &format!("MIGRATE {to} three 3 1000 AUTH wrong"))?;
    ensure!(wrong.starts_with("ERR Target instance replied with error: WRONGPASS"), "{wrong}");
    there.set_config("requirepass", "")?;
    Ok(())
}

#[test]
fn keys_go_to_redis() -> Result<()> {
    let (server, peer) = (Server::start(&["--compatibility-level", "7.0"])?, Peer::start(&[])?);
    migrates(&mut server.client()?, &mut peer.client()?)
}

#[test]
fn keys_go_to_valkey() -> Result<()> {
    let (server, peer) = (Server::start(&[])?, Peer::valkey(&[])?);
    migrates(&mut server.client()?, &mut peer.client()?)
}

#[test]
fn keys_go_to_our_own_and_come_from_redis() -> Result<()> {
    let (server, other) = (Server::start(&[])?, Server::start(&["--compatibility-level", "7.0"])?);
    let other_level = Server::start(&["--compatibility-level", "7.0"])?;
    migrates(&mut other.client()?, &mut other_level.client()?)?;
    let peer = Peer::start(&[])?;
    migrates(&mut peer.client()?, &mut server.client()?)
}

/// A server of the test's own, which answers when the test says so.
struct Target(TcpListener);

impl Target {
    fn new() -> Result<Target> {
        Ok(Target(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?))
    }
    fn migrate(&self, keys: &str, timeout_ms: u32) -> Result<String> {
        Ok(format!("MIGRATE 127.0.0.1 {} {keys} 0 {timeout_ms}", self.0.local_addr()?.port()))
    }
    /// Accepts a connection and waits for what is sent over it.
    fn receive(&self) -> Result<TcpStream> {
        let (mut stream, _) = self.0.accept()?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut received = Vec::new();
        // The version and the checksum end the payload; the line ends the command.
        while !received.windows(7).any(|window| window == b"RESTORE") || !received.ends_with(b"\r\n") {
            let mut piece = [0; 4096];
            let read = stream.read(&mut piece)?;
            ensure!(read > 0, "closed after {}", received.escape_ascii());
            received.extend_from_slice(&piece[..read]);
        }
        Ok(stream)
    }
}

fn send(client: &mut Client, line: &str) -> Result<()> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut bytes = format!("*{}\r\n", words.len());
    for word in words {
        bytes.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    client.send(bytes.as_bytes())
}

/// Waits until so many clients are held back.
fn await_blocked(client: &mut Client, count: usize) -> Result<()> {
    await_that("they are held back", || Ok(client.info("blocked_clients")? == count.to_string()))
}

/// Keys in all shards that show how far the expiry cycle is.
const WITNESSES: usize = 500;

#[test]
fn writers_wait_and_readers_go_on() -> Result<()> {
    for workers in ["1", "4"] {
        let server = Server::start(&["--worker-threads", workers])?;
        let target = Target::new()?;
        let mut reader = server.client()?;
        reader.line("SET sent 1")?;
        reader.line("SET volatile 1 PX 1000")?;
        reader.line("SET other 1")?;
        for number in 0..WITNESSES {
            reader.line(&format!("SET witness:{number} 1 PX 1000"))?;
        }
        let mut mover = server.client()?;
        let keys = format!("{} KEYS sent volatile", target.migrate("", 20_000)?);
        send(&mut mover, &keys)?;
        let mut stream = target.receive()?;
        let lines =
            ["APPEND sent 2", "EVAL return(redis.call('INCR','sent')) 1 sent", "COPY other sent REPLACE", "SWAPDB 0 1"];
        let mut writers = Vec::new();
        for (count, line) in lines.iter().enumerate() {
            let mut writer = server.client()?;
            send(&mut writer, line)?;
            writers.push(writer);
            await_blocked(&mut reader, count + 1)?;
        }
        let mut transaction = server.client()?;
        for queued in ["MULTI", "GET other", "DEL sent"] {
            transaction.line(queued)?;
        }
        send(&mut transaction, "EXEC")?;
        await_blocked(&mut reader, lines.len() + 1)?;
        // Everybody else goes on.
        ensure!(reader.line("GET sent")? == Reply::bulk("1"));
        ensure!(reader.line("EVAL_RO return(redis.call('GET','sent')) 1 sent")? == Reply::bulk("1"));
        ensure!(reader.line("INCR other")? == Reply::Integer(2));
        let mut popper = server.client()?;
        send(&mut popper, "BLMOVE source sent LEFT LEFT 20")?;
        await_blocked(&mut reader, lines.len() + 2)?;
        reader.line("SET source-is-no-list 1")?;
        // What has expired is neither seen nor removed.
        await_that("it has expired", || Ok(reader.line("EXISTS volatile")? == Reply::Integer(0)))?;
        await_that("the others are removed", || Ok(reader.info("expired_keys")? == WITNESSES.to_string()))?;
        ensure!(reader.line("DBSIZE")? == Reply::Integer(4), "a key that is on its way has expired");
        stream.write_all(b"+OK\r\n+OK\r\n-ERR no\r\n")?;
        ensure!(error(mover.read_reply()?)? == "ERR Target instance replied with error: ERR no");
        // They go on in any order.
        for (writer, line) in writers.iter_mut().zip(lines) {
            let reply = writer.read_reply().context(line)?;
            ensure!(!matches!(reply, Reply::Null), "{line}: {reply:?}");
        }
        ensure!(matches!(transaction.read_reply()?, Reply::Array(_)));
        drop(popper);
        await_blocked(&mut reader, 0)?;
        await_that("it is removed", || Ok(reader.info("expired_keys")? == (WITNESSES + 1).to_string()))?;
        ensure!(reader.info("migrate_cached_sockets")? == "1");
    }
    Ok(())
}

#[test]
fn who_moves_elements_to_a_key_on_its_way_waits() -> Result<()> {
    let server = Server::start(&[])?;
    let target = Target::new()?;
    let (mut admin, mut mover, mut popper) = (server.client()?, server.client()?, server.client()?);
    admin.line("RPUSH sent x")?;
    send(&mut popper, "BLMOVE source sent LEFT RIGHT 20")?;
    await_blocked(&mut admin, 1)?;
    send(&mut mover, &target.migrate("sent", 20_000)?)?;
    let mut stream = target.receive()?;
    ensure!(admin.line("RPUSH source y")? == Reply::Integer(1));
    ensure!(admin.line("LLEN source")? == Reply::Integer(1), "it was moved to a key on its way");
    ensure!(admin.line("LLEN sent")? == Reply::Integer(1));
    stream.write_all(b"+OK\r\n+OK\r\n")?;
    ensure!(mover.read_reply()? == Reply::ok());
    ensure!(popper.read_reply()? == Reply::bulk("y"));
    ensure!(admin.line("LRANGE sent 0 -1")? == Reply::Array(vec![Reply::bulk("y")]));
    Ok(())
}

#[test]
fn a_target_that_fails_keeps_nothing() -> Result<()> {
    let server = Server::start(&[])?;
    let mut client = server.client()?;
    let mut writer = server.client()?;
    client.line("SET key 1")?;
    // It never answers.
    let target = Target::new()?;
    let begun = Instant::now();
    send(&mut client, &target.migrate("key", 300)?)?;
    let _silent = target.receive()?;
    ensure!(writer.line("APPEND key 2")? == Reply::Integer(2));
    ensure!(error(client.read_reply()?)? == "IOERR error or timeout reading to target instance");
    ensure!((300..5000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    // It closes, and is tried a second time.
    send(&mut client, &target.migrate("key", 20_000)?)?;
    drop(target.receive()?);
    drop(target.receive()?);
    ensure!(error(client.read_reply()?)? == "IOERR error or timeout reading to target instance");
    // A connection that is old by now is not noticed.
    send(&mut client, &format!("{} COPY", target.migrate("key", 20_000)?))?;
    let mut kept = target.receive()?;
    kept.write_all(b"+OK\r\n+OK\r\n")?;
    ensure!(client.read_reply()? == Reply::ok());
    drop(kept);
    send(&mut client, &target.migrate("key", 20_000)?)?;
    target.receive()?.write_all(b"+OK\r\n+OK\r\n")?;
    ensure!(client.read_reply()? == Reply::ok());
    ensure!(client.line("EXISTS key")? == Reply::Integer(0));
    // It is not there.
    client.line("SET key 1")?;
    let free = free_port()?;
    for port in [free.to_string(), "none".into(), "99999".into()] {
        let refused = refusal(&mut client, &format!("MIGRATE 127.0.0.1 {port} key 0 1000"))?;
        ensure!(refused == "IOERR error or timeout connecting to the client", "{refused}");
    }
    ensure!(client.line("DEL key")? == Reply::Integer(1));
    Ok(())
}

/// What has arrived there is not to stay here, even if nobody waits for the answer any more.
#[test]
fn a_client_that_goes_away_changes_nothing() -> Result<()> {
    let server = Server::start(&[])?;
    let target = Target::new()?;
    let (mut admin, mut mover) = (server.client()?, server.client()?);
    admin.line("SET key 1")?;
    let Reply::Integer(id) = mover.line("CLIENT ID")? else { bail!("no id") };
    send(&mut mover, &target.migrate("key", 20_000)?)?;
    let mut stream = target.receive()?;
    ensure!(admin.line(&format!("CLIENT KILL ID {id}"))? == Reply::Integer(1));
    stream.write_all(b"+OK\r\n+OK\r\n")?;
    await_that("the key is gone", || Ok(admin.line("EXISTS key")? == Reply::Integer(0)))?;
    ensure!(admin.line("SET key 2")? == Reply::ok());
    Ok(())
}

#[test]
fn replicas_and_listeners_are_told_of_the_deletion() -> Result<()> {
    let (server, replica, target) = (Server::start(&[])?, Server::start(&[])?, Server::start(&[])?);
    let (mut here, mut follower, there) = (server.client()?, replica.client()?, target.client()?);
    follower.line(&format!("REPLICAOF 127.0.0.1 {}", port(&here)?))?;
    await_that("the link is up", || Ok(follower.info("master_link_status")? == "up"))?;
    here.set_config("notify-keyspace-events", "KEA")?;
    let mut listener = server.client()?;
    listener.line("SUBSCRIBE __keyevent@0__:del")?;
    here.line("MSET a 1 b 2 c 3")?;
    let to = port(&there)?;
    ensure!(
        here.command(&["MIGRATE", "127.0.0.1", &to.to_string(), "", "0", "1000", "KEYS", "a", "b"])? == Reply::ok()
    );
    for key in ["a", "b"] {
        let Reply::Array(message) = listener.read_reply()? else { bail!("no message") };
        ensure!(message.last() == Some(&Reply::bulk(key)), "{message:?}");
    }
    ensure!(here.line("WAIT 1 20000")? == Reply::Integer(1));
    ensure!(follower.line("EXISTS a b c")? == Reply::Integer(1));
    // A replica sends nothing away.
    let refused = refusal(&mut follower, &format!("MIGRATE 127.0.0.1 {to} c 0 1000"))?;
    ensure!(refused.starts_with("READONLY"), "{refused}");
    Ok(())
}

#[test]
fn keys_go_by_tls() -> Result<()> {
    let (first, second) = (free_port()?, free_port()?);
    let folder = std::env::temp_dir().join(format!("ochre-migrate-{}-{first}", std::process::id()));
    let authority = Authority::new(&folder)?;
    let start = |name: &str, port| -> Result<Server> {
        let mut options = authority.issue(name)?.server_options(&authority, port);
        options.extend(["--tls-cluster".to_owned(), "yes".to_owned()]);
        Server::start(&options.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (server, target) = (start("one", first)?, start("two", second)?);
    let (mut here, mut there) = (server.client()?, target.client()?);
    let long = "x".repeat(3 << 20);
    for _ in 0..2 {
        here.command(&["SET", "key", &long])?;
        ensure!(here.line(&format!("MIGRATE 127.0.0.1 {second} key 0 10000 REPLACE"))? == Reply::ok());
        ensure!(there.line("STRLEN key")? == Reply::Integer(3 << 20));
    }
    // There is no TLS at the other port.
    here.line("SET key 1")?;
    let plain = format!("MIGRATE 127.0.0.1 {} key 0 1000", port(&there)?);
    ensure!(refusal(&mut here, &plain)? == "IOERR error or timeout connecting to the client");
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
