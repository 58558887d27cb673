//! Transactions: what is queued runs as one unit, and not at all if a watched key has changed.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use ochre_tests::{Client, Peer, Reply, Server, await_that};

/// The same behaviour is asked of one worker with one shard and of several with many.
const WORKERS: [&str; 2] = ["1", "3"];

fn start(workers: &str) -> Result<Server> {
    Server::start(&["--worker-threads", workers, "--enable-debug-command", "yes"])
}

/// Sends a line of words that blanks separate.
fn ask(client: &mut Client, line: &str) -> Result<Reply> {
    client.command(&line.split(' ').collect::<Vec<_>>())
}

/// Sends some such lines at once and reads all replies.
fn ask_all(client: &mut Client, lines: &[&str]) -> Result<Vec<Reply>> {
    let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    client.send(text.as_bytes())?;
    lines.iter().map(|_| client.read_reply()).collect()
}

fn queued() -> Reply {
    Reply::Simple("QUEUED".to_owned())
}

fn number(reply: &Reply) -> Result<u64> {
    match reply {
        Reply::Null => Ok(0),
        other => Ok(other.text()?.parse()?),
    }
}

fn field(line: &str, name: &str) -> Result<String> {
    let value = line.split_ascii_whitespace().find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    Ok(value.with_context(|| format!("no {name} in {line}"))?.to_owned())
}

// Every client reads a counter it watches and writes the next number. Others count on it by plain commands, or with a second
// key of another shard. One lost update, and the sum is not that of the successes.
#[test]
fn no_update_is_lost() -> Result<()> {
    const CLIENTS: usize = 12;
    const UPDATES: u64 = 400;
    for workers in WORKERS {
        let server = start(workers)?;
        let (updates, conflicts) = (AtomicU64::new(0), AtomicU64::new(0));
        let update = |client: &mut Client, kind: usize| -> Result<()> {
            if kind == 0 {
                ask(client, "INCR counter")?;
                return Ok(());
            }
            loop {
                let second = if kind == 1 { "other" } else { "counter" };
                let replies = ask_all(client, &[&format!("WATCH counter {second}"), "GET counter"])?;
                let next = number(&replies[1])? + 1;
                let lines = ["MULTI", &format!("SET counter {next}"), &format!("INCR {second}x"), "EXEC"];
                match ask_all(client, &lines)?.pop() {
                    Some(Reply::Array(_)) => return Ok(()),
                    Some(Reply::Null) => conflicts.fetch_add(1, SeqCst),
                    other => bail!("EXEC answered {other:?}"),
                };
            }
        };
        thread::scope(|scope| -> Result<()> {
            let threads: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    let mut client = server.client()?;
                    let (update, updates) = (&update, &updates);
                    Ok(scope.spawn(move || -> Result<()> {
                        for _ in 0..UPDATES {
                            update(&mut client, number % 4)?;
                            updates.fetch_add(1, SeqCst);
                        }
                        Ok(())
                    }))
                })
                .collect::<Result<_>>()?;
            threads.into_iter().try_for_each(|thread| thread.join().expect("a client panicked"))
        })?;
        let mut control = server.client()?;
        assert_eq!(number(&ask(&mut control, "GET counter")?)?, updates.into_inner());
        let conflicts = conflicts.into_inner();
        ensure!(conflicts > UPDATES, "clients were in each other's way only {conflicts} times");
        await_that("no watched key is left", || Ok(control.info("total_watched_keys")? == "0"))?;
    }
    Ok(())
}

// Two clients watch the same two keys, and each writes one of them if both are missing. Locks on the written keys alone would
// let both do so.
#[test]
fn watched_keys_are_locked_though_they_are_not_written() -> Result<()> {
    const ROUNDS: u64 = 400;
    let server = start("3")?;
    let barrier = Barrier::new(2);
    thread::scope(|scope| -> Result<()> {
        let threads: Vec<_> = (0..2)
            .map(|number| {
                let mut client = server.client()?;
                let barrier = &barrier;
                Ok(scope.spawn(move || -> Result<u64> {
                    let mut written = 0;
                    for round in 0..ROUNDS {
                        let (left, right) = (format!("left:{round}"), format!("right:{round}"));
                        ask(&mut client, &format!("WATCH {left} {right}"))?;
                        let own = if number == 0 { &left } else { &right };
                        barrier.wait();
                        let lines = ["MULTI", &format!("SET {own} x"), "EXEC"];
                        written += u64::from(ask_all(&mut client, &lines)?.pop() != Some(Reply::Null));
                        barrier.wait();
                    }
                    Ok(written)
                }))
            })
            .collect::<Result<_>>()?;
        let mut written = 0;
        for thread in threads {
            written += thread.join().expect("a client panicked")?;
        }
        ensure!(written == ROUNDS, "{written} keys were written in {ROUNDS} rounds");
        Ok(())
    })
}

// Readers see all of a transaction or nothing of it, whichever shards its keys are in.
#[test]
fn nobody_sees_half_a_transaction() -> Result<()> {
    let server = start("3")?;
    thread::scope(|scope| -> Result<()> {
        let mut writer = server.client()?;
        let writes = scope.spawn(move || -> Result<()> {
            for round in 0..1000 {
                let lines = [
                    "MULTI",
                    &format!("SET a {round}"),
                    &format!("SET b {round}"),
                    &format!("MSET c {round} d {round}"),
                ];
                ask_all(&mut writer, &lines)?;
                ask(&mut writer, "EXEC")?;
            }
            Ok(())
        });
        let mut readers = Vec::new();
        for _ in 0..3 {
            let mut reader = server.client()?;
            readers.push(scope.spawn(move || -> Result<()> {
                for _ in 0..500 {
                    let replies = ask_all(&mut reader, &["MULTI", "GET d", "GET b", "MGET a c", "EXEC"])?;
                    let Some(Reply::Array(seen)) = replies.last() else { bail!("EXEC answered {replies:?}") };
                    let both = Reply::Array(vec![seen[0].clone(), seen[0].clone()]);
                    ensure!(seen[0] == seen[1] && seen[2] == both, "half a transaction: {seen:?}");
                }
                Ok(())
            }));
        }
        writes.join().expect("the writer panicked")?;
        readers.into_iter().try_for_each(|reader| reader.join().expect("a reader panicked"))
    })
}

// Replies of Redis 7.0.15 and Valkey 9.1.2 to these lines.
#[test]
fn errors_are_those_of_real_servers() -> Result<()> {
    let because = "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command";
    let previous = "EXECABORT Transaction discarded because of previous errors.";
    let redis = [
        ("WATCH a", "-ERR WATCH inside MULTI is not allowed"),
        ("EXEC", "*0"),
        ("MULTI", "+OK"),
        ("MULTI", "-ERR MULTI calls can not be nested"),
        ("EXEC", "*0"),
        ("MULTI", "+OK"),
        ("SHUTDOWN NOSAVE", "-ERR Command not allowed inside a transaction"),
    ];
    let valkey = [
        ("WATCH a", "-ERR Command 'watch' not allowed inside a transaction"),
        ("EXEC", previous),
        ("MULTI", "+OK"),
        ("MULTI", "-ERR Command 'multi' not allowed inside a transaction"),
        ("EXEC", previous),
        ("MULTI", "+OK"),
        ("SHUTDOWN NOSAVE", "-ERR Command 'shutdown' not allowed inside a transaction"),
    ];
    let both = [
        ("EXEC", previous),
        ("MULTI", "+OK"),
        ("MONITOR", "+QUEUED"),
        ("EXEC", "*-ERR MONITOR isn't allowed for DENY BLOCKING client"),
        ("EXEC", "-ERR EXEC without MULTI"),
        ("DISCARD", "-ERR DISCARD without MULTI"),
        ("MULTI", "+OK"),
        ("foo", "-ERR unknown command 'foo', with args beginning with: "),
        ("GET", "-ERR wrong number of arguments for 'get' command"),
        ("EXEC", previous),
        ("MULTI", "+OK"),
        ("EXEC foo", because),
        ("EXEC", "-ERR EXEC without MULTI"),
    ];
    for (level, own) in [("7.0", redis), ("native", valkey)] {
        let server = Server::start(&["--compatibility-level", level])?;
        let mut client = server.client()?;
        assert_eq!(ask(&mut client, "MULTI")?, Reply::ok());
        for (line, expected) in own.iter().chain(&both) {
            let shown = match ask(&mut client, line)? {
                Reply::Simple(text) => format!("+{text}"),
                Reply::Error(text) => format!("-{text}"),
                Reply::Array(replies) if replies.is_empty() => "*0".to_owned(),
                Reply::Array(replies) => match &replies[0] {
                    Reply::Error(text) => format!("*-{text}"),
                    other => bail!("{other:?}"),
                },
                other => bail!("{other:?}"),
            };
            assert_eq!(shown.trim(), expected.replace("EXECABORT", "-EXECABORT").trim(), "{level}: {line}");
        }
        let stats = client.command(&["INFO", "everything"])?.text()?;
        for expected in ["errorstat_EXECABORT:count=", "cmdstat_exec:calls="] {
            ensure!(stats.contains(expected), "no {expected}");
        }
        let exec = stats.lines().find(|line| line.starts_with("cmdstat_exec:")).context("no cmdstat_exec")?;
        let expected =
            if level == "7.0" { "rejected_calls=1,failed_calls=4" } else { "rejected_calls=1,failed_calls=6" };
        ensure!(exec.ends_with(expected), "{level}: {exec}");
    }
    Ok(())
}

// As Redis 7.0 answers: what waits is served once all of the transaction is over.
#[test]
fn waiters_are_served_after_the_whole_transaction() -> Result<()> {
    for workers in WORKERS {
        let server = start(workers)?;
        let (mut client, mut waiter, mut mover) = (server.client()?, server.client()?, server.client()?);
        waiter.send(b"BLPOP list 0\r\n")?;
        await_that("one client waits", || Ok(client.info("blocked_clients")? == "1"))?;
        mover.send(b"BLMOVE source destination LEFT RIGHT 0\r\n")?;
        await_that("two clients wait", || Ok(client.info("blocked_clients")? == "2"))?;
        let lines = ["MULTI", "RPUSH list a b c", "LPOP list", "BLPOP nothing 0", "RPUSH source x", "EXEC"];
        let replies = ask_all(&mut client, &lines)?;
        let expected = vec![Reply::Integer(3), Reply::bulk("a"), Reply::Null, Reply::Integer(1)];
        assert_eq!(replies.last(), Some(&Reply::Array(expected)));
        assert_eq!(waiter.read_reply()?, Reply::Array(vec![Reply::bulk("list"), Reply::bulk("b")]));
        assert_eq!(mover.read_reply()?, Reply::bulk("x"));
        assert_eq!(ask(&mut client, "LRANGE destination 0 -1")?, Reply::Array(vec![Reply::bulk("x")]));
    }
    Ok(())
}

// As in Redis 7.0: what has expired when the transaction is over is not given to those who wait.
#[test]
fn waiters_are_served_when_the_transaction_is_over() -> Result<()> {
    for workers in WORKERS {
        let server = start(workers)?;
        let (mut client, mut waiter) = (server.client()?, server.client()?);
        waiter.send(b"BLPOP list 0\r\n")?;
        await_that("one client waits", || Ok(client.info("blocked_clients")? == "1"))?;
        ask_all(&mut client, &["MULTI", "RPUSH list a", "PEXPIRE list 20", "DEBUG SLEEP 0.1", "EXEC"])?;
        assert_eq!(client.info("blocked_clients")?, "1");
        ask(&mut client, "RPUSH list b")?;
        assert_eq!(waiter.read_reply()?, Reply::Array(vec![Reply::bulk("list"), Reply::bulk("b")]));
    }
    Ok(())
}

#[test]
fn client_list_tells_of_transactions() -> Result<()> {
    let server = start("3")?;
    let (mut client, mut control) = (server.client()?, server.client()?);
    let Reply::Integer(id) = ask(&mut client, "CLIENT ID")? else { bail!("no id") };
    let mut line = || control.command(&["CLIENT", "LIST", "ID", &id.to_string()])?.text();
    let shown = |line: &str| -> Result<_> { Ok((field(line, "flags")?, field(line, "multi")?, field(line, "watch")?)) };
    let is = |flags: &str, multi: &str, watch: &str| (flags.to_owned(), multi.to_owned(), watch.to_owned());
    ask(&mut client, "WATCH a b")?;
    assert_eq!(shown(&line()?)?, is("N", "-1", "2"));
    ask(&mut client, "SET a 1")?;
    assert_eq!(shown(&line()?)?, is("d", "-1", "0"));
    ask(&mut client, "UNWATCH")?;
    assert_eq!(shown(&line()?)?, is("N", "-1", "0"));
    ask_all(&mut client, &["WATCH b", "MULTI", "GET a"])?;
    ask(&mut client, &format!("SET c {}", "x".repeat(10_000)))?;
    let queued = line()?;
    assert_eq!(shown(&queued)?, is("x", "2", "1"));
    ensure!(field(&queued, "multi-mem")?.parse::<u64>()? > 10_000, "{queued}");
    ask(&mut client, "RESET")?;
    let reset = line()?;
    assert_eq!(shown(&reset)?, is("N", "-1", "0"));
    assert_eq!(field(&reset, "multi-mem")?, "0");
    // Nobody watches for a client that is gone.
    ask(&mut client, "WATCH a b")?;
    drop(client);
    await_that("no watched key is left", || Ok(control.info("total_watched_keys")? == "0"))
}

#[test]
fn eviction_and_fields_that_expire_break_a_watch() -> Result<()> {
    for workers in WORKERS {
        let server = start(workers)?;
        let (mut client, mut control) = (server.client()?, server.client()?);
        control.set_config("maxmemory-policy", "allkeys-random")?;
        ask_all(&mut client, &["SET key value", "WATCH key missing"])?;
        control.set_config("maxmemory", "1")?;
        await_that("the key is evicted", || {
            ask(&mut control, "PING")?;
            Ok(control.info("evicted_keys")? != "0")
        })?;
        control.set_config("maxmemory", "0")?;
        assert_eq!(ask_all(&mut client, &["MULTI", "PING", "EXEC"])?.pop(), Some(Reply::Null));
        ask_all(&mut client, &["HSET hash a 1 b 2", "HPEXPIRE hash 30 FIELDS 1 a", "WATCH hash"])?;
        await_that("the field expires", || Ok(control.info("expired_fields")? != "0"))?;
        assert_eq!(ask_all(&mut client, &["MULTI", "PING", "EXEC"])?.pop(), Some(Reply::Null));
        // What was not there and is not there now has not changed.
        ask(&mut client, "WATCH missing")?;
        ask_all(&mut control, &["SET other x", "FLUSHALL", "DEL missing"])?;
        ensure!(ask_all(&mut client, &["MULTI", "PING", "EXEC"])?.pop() != Some(Reply::Null));
    }
    Ok(())
}

// As in Redis and Valkey.
#[test]
fn what_happens_to_groups_breaks_no_watch() -> Result<()> {
    for workers in WORKERS {
        let server = start(workers)?;
        let (mut client, mut control) = (server.client()?, server.client()?);
        ask_all(&mut client, &["XADD stream 1-1 a b", "XGROUP CREATE stream group 0", "WATCH stream"])?;
        for line in [
            "XREADGROUP GROUP group alice STREAMS stream >",
            "XACK stream group 1-1",
            "XGROUP SETID stream group 0",
            "XGROUP CREATE stream other 0",
            "XGROUP DESTROY stream group",
        ] {
            ensure!(!matches!(ask(&mut control, line)?, Reply::Error(_)), "{line}");
        }
        assert_eq!(ask_all(&mut client, &["MULTI", "EXEC"])?.pop(), Some(Reply::Array(Vec::new())));
    }
    Ok(())
}

// As in Redis 7.0 and Valkey 9.1, where all keys go and come back.
#[test]
fn a_reload_breaks_a_watch() -> Result<()> {
    for workers in WORKERS {
        let server = start(workers)?;
        let mut client = server.client()?;
        ask_all(&mut client, &["SET key value", "WATCH key", "DEBUG RELOAD"])?;
        assert_eq!(ask_all(&mut client, &["MULTI", "PING", "EXEC"])?.pop(), Some(Reply::Null));
        ask_all(&mut client, &["WATCH missing", "DEBUG RELOAD"])?;
        ensure!(ask_all(&mut client, &["MULTI", "PING", "EXEC"])?.pop() != Some(Reply::Null));
        assert_eq!(client.info("rdb_changes_since_last_save")?, "0");
    }
    Ok(())
}

#[test]
fn a_pause_holds_back_transactions_that_write() -> Result<()> {
    let server = start("3")?;
    let (mut client, mut reader, mut control) = (server.client()?, server.client()?, server.client()?);
    assert_eq!(ask_all(&mut client, &["MULTI", "SET a 1"])?, [Reply::ok(), queued()]);
    assert_eq!(ask_all(&mut reader, &["MULTI", "GET a"])?, [Reply::ok(), queued()]);
    ask(&mut control, "CLIENT PAUSE 100000 WRITE")?;
    assert_eq!(ask(&mut reader, "EXEC")?, Reply::Array(vec![Reply::Null]));
    client.send(b"EXEC\r\n")?;
    await_that("the transaction waits", || Ok(control.info("blocked_clients")? == "1"))?;
    assert_eq!(ask(&mut control, "GET a")?, Reply::Null);
    ask(&mut control, "CLIENT UNPAUSE")?;
    assert_eq!(client.read_reply()?, Reply::Array(vec![Reply::ok()]));
    Ok(())
}

#[test]
fn a_trim_that_removes_nothing_aborts_as_in_redis() -> Result<()> {
    let (redis, valkey) = (Peer::start(&[])?, Peer::valkey(&[])?);
    let (old, new) = (Server::start(&["--compatibility-level", "7.0"])?, Server::start(&[])?);
    for (ours, theirs) in [(old.client()?, redis.client()?), (new.client()?, valkey.client()?)] {
        let [ours, theirs] = [ours, theirs].map(|mut client| -> Result<Vec<Reply>> {
            ask_all(&mut client, &["DEL l", "RPUSH l a b", "WATCH l", "LTRIM l -5 -1", "MULTI", "LLEN l", "EXEC"])
        });
        assert_eq!(ours?, theirs?);
    }
    Ok(())
}
