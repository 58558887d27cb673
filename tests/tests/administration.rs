//! DEBUG, SLOWLOG, LATENCY, MONITOR, CLIENT PAUSE: watching a server and holding it up.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use ochre_tests::{Client, Reply, Server, await_that};

const DEBUG: [&str; 2] = ["--enable-debug-command", "yes"];
const TWO_WORKERS: [&str; 4] = ["--enable-debug-command", "yes", "--worker-threads", "2"];

fn array(reply: Reply) -> Result<Vec<Reply>> {
    match reply {
        Reply::Array(items) => Ok(items),
        other => bail!("not an array: {other:?}"),
    }
}

/// The arguments of the newest entry of the slow log that is not about the slow log.
fn newest_slow_argv(client: &mut Client) -> Result<Vec<String>> {
    for entry in array(client.command(&["SLOWLOG", "GET", "-1"])?)? {
        let entry = array(entry)?;
        let argv: Vec<String> = array(entry[3].clone())?.iter().map(Reply::text).collect::<Result<_>>()?;
        if argv[0] != "SLOWLOG" {
            return Ok(argv);
        }
    }
    bail!("the slow log is empty")
}

#[test]
fn digests_are_those_of_redis() -> Result<()> {
    let server = Server::start(&DEBUG)?;
    let mut client = server.client()?;
    assert_eq!(client.command(&["DEBUG", "DIGEST"])?, Reply::Simple("0".repeat(40)));
    client.command(&["SET", "a", "1"])?;
    client.command(&["SET", "b", "hello", "EX", "1000"])?;
    client.command(&["SELECT", "3"])?;
    client.command(&["SET", "c", "xx"])?;
    // Both recorded from Redis 7.0.15.
    let expected = "f2eb50fb3dd850506f1a3aff5bc3a178f68553a9";
    assert_eq!(client.command(&["DEBUG", "DIGEST"])?.text()?, expected);
    let values = array(client.command(&["DEBUG", "DIGEST-VALUE", "c", "a"])?)?;
    assert_eq!(values[0].text()?, "8cdd58fa153f93c02ce6df769dcba8f3a11f7c4b");
    assert_eq!(values[1].text()?, "0".repeat(40));
    Ok(())
}

#[test]
fn debug_is_for_those_who_may() -> Result<()> {
    let refused = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it \
                   from a local connection, otherwise you need to set this option in the configuration file, and then \
                   restart the server.";
    let server = Server::start(&[])?;
    assert_eq!(server.client()?.command(&["DEBUG", "HELP"])?, Reply::Error(refused.to_owned()));
    let server = Server::start(&["--enable-debug-command", "local"])?;
    ensure!(matches!(server.client()?.command(&["DEBUG", "HELP"])?, Reply::Array(_)));
    Ok(())
}

#[test]
fn debug_sleep_stalls_the_connections_of_all_workers() -> Result<()> {
    let server = Server::start(&TWO_WORKERS)?;
    let mut sleeper = server.client()?;
    let mut others = [server.client()?, server.client()?];
    sleeper.send(b"DEBUG SLEEP 0.4\r\n")?;
    let done = AtomicBool::new(false);
    let longest = std::thread::scope(|scope| {
        let pinging: Vec<_> = others
            .iter_mut()
            .map(|client| {
                scope.spawn(|| -> Result<Duration> {
                    let mut longest = Duration::ZERO;
                    while !done.load(SeqCst) {
                        let started = Instant::now();
                        client.command(&["PING"])?;
                        longest = longest.max(started.elapsed());
                    }
                    Ok(longest)
                })
            })
            .collect();
        let slept = sleeper.read_reply();
        done.store(true, SeqCst);
        slept?;
        pinging.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Result<Vec<_>>>()
    })?;
    ensure!(longest.iter().all(|longest| *longest > Duration::from_millis(200)), "{longest:?}");
    Ok(())
}

#[test]
fn nothing_is_written_once_a_pause_is_confirmed() -> Result<()> {
    let server = Server::start(&TWO_WORKERS)?;
    let mut pauser = server.client()?;
    let mut writers: Vec<Client> = (0..3).map(|_| server.client()).collect::<Result<_>>()?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let done = &done;
        for (number, writer) in writers.iter_mut().enumerate() {
            scope.spawn(move || {
                // Long enough to be under way while the pause is declared; and DBSIZE takes no lock that could wait.
                for turn in (0..).take_while(|_| !done.load(SeqCst)) {
                    let pair = |key| format!(" {number}:{turn}:{key} value");
                    let pairs: String = (0..500).map(pair).collect();
                    let _ = writer.send(format!("MSET{pairs}\r\n").as_bytes()).and_then(|()| writer.read_reply());
                }
            });
        }
        let rounds = (0..20).try_for_each(|_| {
            let before = pauser.command(&["DBSIZE"])?;
            while pauser.command(&["DBSIZE"])? == before {}
            pauser.command(&["CLIENT", "PAUSE", "60000", "WRITE"])?;
            let seen = pauser.command(&["DBSIZE"])?;
            // Waits for whoever still holds a lock.
            pauser.command(&["KEYS", "nothing"])?;
            let later = pauser.command(&["DBSIZE"])?;
            pauser.command(&["CLIENT", "UNPAUSE"])?;
            ensure!(seen == later, "{seen:?} became {later:?} during a pause");
            Ok(())
        });
        let _ = pauser.command(&["CLIENT", "UNPAUSE"]);
        done.store(true, SeqCst);
        rounds
    })
}

#[test]
fn the_slow_log_shortens_and_redacts() -> Result<()> {
    let server = Server::start(&["--slowlog-log-slower-than", "0"])?;
    let mut client = server.client()?;
    client.command(&["CLIENT", "SETNAME", "tester"])?;
    let numbers: Vec<String> = (3..34).map(|number| number.to_string()).collect();
    client.command(&["DEL", "set"].into_iter().chain(numbers.iter().map(String::as_str)).collect::<Vec<_>>())?;
    let argv = newest_slow_argv(&mut client)?;
    assert_eq!((argv.len(), argv[30].as_str(), argv[31].as_str()), (32, "31", "... (2 more arguments)"));
    client.command(&["SET", "key", &"A".repeat(129)])?;
    assert_eq!(newest_slow_argv(&mut client)?[2], format!("{}... (1 more bytes)", "A".repeat(128)));
    client.command(&["CONFIG", "SET", "masterauth", "secret", "maxclients", "100"])?;
    let expected = ["CONFIG", "SET", "masterauth", "(redacted)", "maxclients", "100"];
    assert_eq!(newest_slow_argv(&mut client)?, expected);
    client.command(&["AUTH", "somebody", "secret"])?;
    assert_eq!(newest_slow_argv(&mut client)?, ["AUTH", "(redacted)", "(redacted)"]);
    let entry = array(array(client.command(&["SLOWLOG", "GET", "1"])?)?.remove(0))?;
    assert_eq!(entry[4].text()?, client.stream().local_addr()?.to_string());
    assert_eq!(entry[5].text()?, "tester");
    // What a CONFIG SET sets is what it is judged by: only the RESET is found.
    client.command(&["SLOWLOG", "RESET"])?;
    client.command(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"])?;
    client.command(&["PING"])?;
    assert_eq!(client.command(&["SLOWLOG", "LEN"])?, Reply::Integer(1));
    Ok(())
}

#[test]
fn latency_events_are_collected() -> Result<()> {
    let server = Server::start(&["--enable-debug-command", "yes", "--latency-monitor-threshold", "1"])?;
    let mut client = server.client()?;
    client.command(&["DEBUG", "SLEEP", "0.05"])?;
    let history = array(client.command(&["LATENCY", "HISTORY", "command"])?)?;
    let Reply::Integer(millis) = array(history[0].clone())?[1] else { bail!("{history:?}") };
    ensure!((50..2000).contains(&millis), "{millis}");
    ensure!(client.command(&["LATENCY", "GRAPH", "command"])?.text()?.starts_with("command - high "));
    ensure!(client.command(&["LATENCY", "DOCTOR"])?.text()?.contains("1. command: 1 latency spikes (average "));

    client.command(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"])?;
    let sets: String = (0..50_000).map(|number| format!("SET key:{number} value PX 1\r\n")).collect();
    client.send(sets.as_bytes())?;
    (0..50_000).try_for_each(|_| client.read_reply().map(drop))?;
    client.command(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"])?;
    let started = Instant::now();
    while client.command(&["LATENCY", "HISTORY", "expire-cycle"])? == Reply::Array(Vec::new()) {
        ensure!(started.elapsed() < Duration::from_secs(10), "no expire-cycle");
    }
    ensure!(matches!(client.command(&["LATENCY", "RESET"])?, Reply::Integer(2..)));
    Ok(())
}

#[test]
fn a_monitor_sees_what_others_do_but_no_secrets() -> Result<()> {
    let server = Server::start(&TWO_WORKERS)?;
    let (mut watcher, mut client) = (server.client()?, server.client()?);
    assert_eq!(watcher.command(&["MONITOR"])?, Reply::ok());
    client.send(b"SELECT 9\r\nSET k \"\\x00\\xff 'q\\n\"\r\nAUTH secret\r\nCONFIG SET hz 11\r\nHELLO 3 AUTH me secret\r\nECHO end\r\n")?;
    let addr = client.stream().local_addr()?;
    for expected in [
        "\"SELECT\" \"9\"",
        "\"SET\" \"k\" \"\\x00\\xff 'q\\n\"",
        "\"AUTH\" \"(redacted)\"",
        "\"HELLO\" \"3\" \"AUTH\" \"(redacted)\" \"(redacted)\"",
        "\"ECHO\" \"end\"",
    ] {
        let line = watcher.read_reply()?.text()?;
        let Some((time, rest)) = line.split_once(' ') else { bail!("{line:?}") };
        let Some((seconds, micros)) = time.split_once('.') else { bail!("{line:?}") };
        ensure!(seconds.len() == 10 && micros.len() == 6, "{line:?}");
        assert_eq!(rest, format!("[9 {addr}] {expected}"));
    }
    let refused = Reply::Error("ERR Replica can't interact with the keyspace".to_owned());
    assert_eq!(watcher.command(&["GET", "k"])?, refused);
    watcher.send(b"RESET\r\nGET k\r\n")?;
    assert_eq!(watcher.read_reply()?, Reply::Simple("RESET".to_owned()));
    assert_eq!(watcher.read_reply()?, Reply::Null);
    client.command(&["ECHO", "unseen"])?;
    assert_eq!(watcher.command(&["PING"])?, Reply::Simple("PONG".to_owned()));
    Ok(())
}

#[test]
fn a_client_over_its_hard_limit_gets_nothing_more() -> Result<()> {
    let server = Server::start(&["--client-output-buffer-limit", "normal 100000 0 0"])?;
    let mut client = server.client()?;
    client.command(&["SET", "key", &"x".repeat(10_000)])?;
    client.send(&b"GET key\r\n".repeat(20))?;
    assert_eq!(client.read_to_close(Duration::from_secs(10))?, b"");
    assert_eq!(server.client()?.command(&["PING"])?, Reply::Simple("PONG".to_owned()));
    Ok(())
}

#[test]
fn nothing_expires_while_clients_are_paused() -> Result<()> {
    let server = Server::start(&DEBUG)?;
    let mut client = server.client()?;
    client.command(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"])?;
    client.command(&["SET", "key", "value", "PX", "1"])?;
    client.command(&["CLIENT", "PAUSE", "60000", "WRITE"])?;
    client.command(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"])?;
    while client.command(&["GET", "key"])? != Reply::Null {}
    assert_eq!(client.command(&["DBSIZE"])?, Reply::Integer(1));
    // With the pause over it goes by itself.
    client.command(&["CLIENT", "UNPAUSE"])?;
    let started = Instant::now();
    while client.command(&["DBSIZE"])? != Reply::Integer(0) {
        ensure!(started.elapsed() < Duration::from_secs(10), "the key did not expire");
    }
    Ok(())
}

// The lengths recorded from Valkey 9.1.
#[test]
fn large_requests_and_replies_are_remembered() -> Result<()> {
    let server = Server::start(&[])?;
    let mut client = server.client()?;
    client.set_config("commandlog-request-larger-than", "150")?;
    client.set_config("commandlog-reply-larger-than", "200")?;
    let value = "x".repeat(200);
    client.command(&["SET", "small", "x"])?;
    client.command(&["SET", "key", &value])?;
    client.command(&["GET", "key"])?;
    client.command(&["GET", "small"])?;
    let mut entries = |kind: &str| {
        let reply = array(client.command(&["COMMANDLOG", "GET", "-1", kind])?)?;
        reply.into_iter().map(|entry| array(entry).map(|entry| (entry[2].clone(), entry[3].clone()))).collect()
    };
    let words = |words: &[&str]| Reply::Array(words.iter().map(|word| Reply::bulk(word)).collect());
    let shown = format!("{}... (72 more bytes)", "x".repeat(128));
    let large_replies: Result<Vec<(Reply, Reply)>> = entries("LARGE-REPLY");
    assert_eq!(large_replies?, [(Reply::Integer(208), words(&["GET", "key"]))]);
    let large_requests: Result<Vec<(Reply, Reply)>> = entries("large-request");
    assert_eq!(large_requests?, [(Reply::Integer(230), words(&["SET", "key", &shown]))]);
    // What was just shown was large, too.
    assert_eq!(client.command(&["COMMANDLOG", "LEN", "large-reply"])?, Reply::Integer(2));
    client.set_config("commandlog-large-request-max-len", "0")?;
    assert_eq!(client.command(&["COMMANDLOG", "LEN", "large-request"])?, Reply::Integer(0));
    assert_eq!(client.command(&["COMMANDLOG", "RESET", "large-reply"])?, Reply::ok());
    client.set_config("commandlog-reply-larger-than", "-1")?;
    client.command(&["GET", "key"])?;
    assert_eq!(client.command(&["COMMANDLOG", "LEN", "large-reply"])?, Reply::Integer(0));
    let refused = Reply::Error("ERR type should be one of the following: slow, large-request, large-reply".into());
    assert_eq!(client.command(&["COMMANDLOG", "LEN", "large"])?, refused);
    Ok(())
}

// What Valkey 9.1 answers.
#[test]
fn an_import_source_decides_what_goes() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut source, mut other) = (server.client()?, server.client()?);
    let refused = Reply::Error("ERR Server is not in import mode".into());
    assert_eq!(source.command(&["CLIENT", "IMPORT-SOURCE", "ON"])?, refused);
    assert_eq!(source.command(&["CLIENT", "IMPORT-SOURCE", "OFF"])?, Reply::ok());
    other.set_config("import-mode", "yes")?;
    assert_eq!(source.command(&["CLIENT", "IMPORT-SOURCE", "ON"])?, Reply::ok());
    ensure!(source.command(&["CLIENT", "INFO"])?.text()?.contains(" flags=I "));
    source.command(&["SET", "past", "value", "PXAT", "1000"])?;
    for (line, for_source, for_other) in [
        (&["GET", "past"][..], Reply::bulk("value"), Reply::Null),
        (&["TTL", "past"], Reply::Integer(0), Reply::Integer(-2)),
        (&["EXISTS", "past"], Reply::Integer(1), Reply::Integer(0)),
        (&["KEYS", "*"], Reply::Array(vec![Reply::bulk("past")]), Reply::Array(vec![])),
        (&["EVAL", "return redis.call('GET', 'past')", "0"], Reply::bulk("value"), Reply::Null),
        (&["DBSIZE"], Reply::Integer(1), Reply::Integer(1)),
    ] {
        assert_eq!(source.command(line)?, for_source, "{line:?}");
        assert_eq!(other.command(line)?, for_other, "{line:?}");
    }
    // Whoever writes to it ends it, and nothing is evicted.
    assert_eq!(other.command(&["APPEND", "past", "x"])?, Reply::Integer(1));
    other.set_config("maxmemory-policy", "allkeys-lru")?;
    other.set_config("maxmemory", "1")?;
    let out_of_memory = Reply::Error("OOM command not allowed when used memory > 'maxmemory'.".into());
    assert_eq!(source.command(&["SET", "more", "x"])?, out_of_memory);
    assert_eq!(other.command(&["DBSIZE"])?, Reply::Integer(1));
    other.set_config("import-mode", "no")?;
    other.command(&["SET", "more", "x"])?;
    await_that("the key is evicted", || Ok(other.command(&["DBSIZE"])? == Reply::Integer(0)))
}

// As Redis 8.2 shows them.
#[test]
fn lengths_of_values_are_shown_to_whom_asks_for_them() -> Result<()> {
    let server = Server::start(&["--worker-threads", "3"])?;
    let mut client = server.client()?;
    assert_eq!(client.command(&["INFO", "keysizes"])?, Reply::bulk("# Keysizes\r\n"));
    for len in [0, 1, 2, 3, 100_000] {
        client.command(&["SET", &format!("string:{len}"), &"x".repeat(len)])?;
    }
    for len in 1..=5 {
        for item in 0..len {
            let item = item.to_string();
            client.command(&["RPUSH", &format!("list:{len}"), &item])?;
            client.command(&["SADD", &format!("set:{len}"), &item])?;
            client.command(&["ZADD", &format!("zset:{len}"), &item, &item])?;
            client.command(&["HSET", &format!("hash:{len}"), &item, &item])?;
        }
    }
    client.command(&["XADD", "stream", "*", "field", "value"])?;
    client.command(&["SELECT", "3"])?;
    client.command(&["SADD", "set", "1"])?;
    let items = ["lists", "sets", "zsets", "hashes"].map(|kind| format!("db0_distrib_{kind}_items:1=1,2=2,4=2\r\n"));
    let strings = "db0_distrib_strings_sizes:0=1,1=1,2=2,64K=1\r\n";
    let wanted = format!("# Keysizes\r\n{strings}{}db3_distrib_sets_items:1=1\r\n", items.concat());
    assert_eq!(client.command(&["INFO", "KeySizes"])?, Reply::bulk(&wanted));
    let more = client.command(&["INFO", "keysizes", "keyspace"])?.text()?;
    ensure!(more.starts_with("# Keyspace\r\n") && more.ends_with(&format!("\r\n\r\n{wanted}")), "{more}");
    // It takes its time, so nobody gets it unasked or where nothing may wait.
    ensure!(!client.command(&["INFO", "everything"])?.text()?.contains("# Keysizes"));
    client.command(&["MULTI"])?;
    client.command(&["INFO", "keysizes"])?;
    let Reply::Array(replies) = client.command(&["EXEC"])? else { anyhow::bail!("no array") };
    ensure!(matches!(replies.as_slice(), [Reply::Error(text)] if text.contains("not allowed in transactions")));
    // Commands behind it in a batch are answered behind it.
    client.send(b"INFO keysizes\r\nPING\r\n")?;
    assert_eq!(client.read_reply()?, Reply::bulk(&wanted));
    assert_eq!(client.read_reply()?, Reply::Simple("PONG".into()));
    Ok(())
}

#[test]
fn a_monitor_sees_the_commands_of_all_workers_in_order_of_time() -> Result<()> {
    let server = Server::start(&["--worker-threads", "4"])?;
    let mut watcher = server.client()?;
    watcher.command(&["MONITOR"])?;
    const CLIENTS: usize = 8;
    const ROUNDS: usize = 2000;
    std::thread::scope(|scope| -> Result<()> {
        let writers: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (server, line) = (&server, format!("INCR counter:{number}\r\n"));
                scope.spawn(move || -> Result<()> {
                    let mut client = server.client()?;
                    client.send(line.repeat(ROUNDS).as_bytes())?;
                    for _ in 0..ROUNDS {
                        client.read_reply()?;
                    }
                    Ok(())
                })
            })
            .collect();
        let mut last = String::new();
        for _ in 0..CLIENTS * ROUNDS {
            let line = watcher.read_reply()?.text()?;
            let time = line.split(' ').next().unwrap_or_default().to_owned();
            ensure!(time >= last, "{time} came after {last}");
            last = time;
        }
        writers.into_iter().try_for_each(|writer| writer.join().expect("the writer does not panic"))
    })
}
