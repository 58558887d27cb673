//! Publish and subscribe: who receives what, in which order, and at what cost to others.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ochre_tests::{Bystander, Client, Peer, Reply, Server, await_that, raise_open_files};

/// The same behaviour is asked of one worker and of several.
const WORKERS: [&str; 2] = ["1", "4"];

fn start(workers: &str) -> Result<Server> {
    Server::start(&["--worker-threads", workers])
}

/// Sends a line of words that blanks separate.
fn ask(client: &mut Client, line: &str) -> Result<Reply> {
    client.command(&line.split(' ').collect::<Vec<_>>())
}

fn words(reply: &Reply) -> Result<Vec<String>> {
    let Reply::Array(parts) = reply else { bail!("no message: {reply:?}") };
    let text = |part: &Reply| match part {
        Reply::Integer(number) => Ok(number.to_string()),
        Reply::Null => Ok("nil".to_owned()),
        other => other.text(),
    };
    parts.iter().map(text).collect()
}

/// The words of the next message.
fn receive(client: &mut Client) -> Result<Vec<String>> {
    words(&client.read_reply()?)
}

#[test]
fn it_answers_as_redis_does() -> Result<()> {
    let (server, peer) = (Server::start(&["--compatibility-level", "7.0"])?, Peer::start(&[])?);
    for protocol in ["2", "3"] {
        let (mut ours, mut redis) = (server.client()?, peer.client()?);
        ours.command(&["HELLO", protocol])?;
        redis.command(&["HELLO", protocol])?;
        for (line, replies) in [
            ("SUBSCRIBE a b a", 3),
            ("PSUBSCRIBE a* [bc]", 2),
            ("SSUBSCRIBE s", 1),
            ("PING", 1),
            ("PING x", 1),
            ("PING x y", 1),
            ("SUNSUBSCRIBE t s", 2),
            ("SUNSUBSCRIBE", 1),
            ("UNSUBSCRIBE nothing a", 2),
            ("UNSUBSCRIBE", 1),
            ("PUNSUBSCRIBE [bc]", 1),
            ("PUNSUBSCRIBE", 1),
            ("UNSUBSCRIBE", 1),
            ("PING", 1),
            ("MULTI", 1),
            ("SUBSCRIBE a", 1),
            ("SSUBSCRIBE a", 1),
            ("PING", 1),
            ("EXEC", 1),
            ("CLIENT REPLY OFF", 0),
            ("PSUBSCRIBE p q", 2),
            ("CLIENT REPLY ON", 1),
            ("CLIENT NOTHING", 1),
            ("MULTI", 1),
            ("SUBSCRIBE", 1),
            ("HELLO 3", 1),
            ("RESET", 1),
            ("PING", 1),
            ("PUBSUB NUMPAT", 1),
            ("PUBSUB NUMSUB a b", 1),
            ("PUBSUB CHANNELS", 1),
            ("PUBSUB CHANNELS a b", 1),
            ("PUBSUB SHARDCHANNELS a b", 1),
            ("PUBSUB SHARDNUMSUB", 1),
            ("PUBSUB NUMPAT x", 1),
            ("PUBSUB x", 1),
            ("PUBLISH a", 1),
            ("SPUBLISH a m", 1),
        ] {
            // A client of RESP2 that listens may not turn its replies on again.
            let replies = if protocol == "2" && line == "CLIENT REPLY OFF" { 1 } else { replies };
            let bytes = format!("{line}\r\n");
            ours.send(bytes.as_bytes())?;
            redis.send(bytes.as_bytes())?;
            for _ in 0..replies {
                let (here, there) = (ours.read_reply()?, redis.read_reply()?);
                if line.starts_with("HELLO") {
                    continue;
                }
                assert_eq!(here, there, "{line} in RESP{protocol}");
            }
        }
    }
    Ok(())
}

#[test]
fn all_subscribers_see_one_order() -> Result<()> {
    const PUBLISHERS: usize = 4;
    const MESSAGES: usize = 400;
    const SUBSCRIBERS: usize = 9;
    for workers in WORKERS {
        let server = start(workers)?;
        let mut subscribers = Vec::new();
        for number in 0..SUBSCRIBERS {
            let mut client = server.client()?;
            if number % 2 == 0 {
                ask(&mut client, "HELLO 3")?;
            }
            // Some hear of both channels by name, others by a pattern.
            if number % 3 == 0 {
                ask(&mut client, "PSUBSCRIBE even* odd*")?;
            } else {
                ask(&mut client, "SUBSCRIBE even odd")?;
            }
            client.read_reply()?;
            subscribers.push(client);
        }
        let orders = thread::scope(|scope| -> Result<BTreeSet<Vec<String>>> {
            for publisher in 0..PUBLISHERS {
                let mut client = server.client()?;
                scope.spawn(move || -> Result<()> {
                    let channel = |number: usize| if number.is_multiple_of(2) { "even" } else { "odd" };
                    let lines =
                        (0..MESSAGES).map(|number| format!("PUBLISH {} {publisher}:{number}\r\n", channel(number)));
                    client.send(lines.collect::<String>().as_bytes())?;
                    for _ in 0..MESSAGES {
                        assert_eq!(client.read_reply()?, Reply::Integer(SUBSCRIBERS as i64));
                    }
                    Ok(())
                });
            }
            let readers: Vec<_> = subscribers
                .iter_mut()
                .map(|client| {
                    scope.spawn(move || -> Result<Vec<String>> {
                        (0..PUBLISHERS * MESSAGES).map(|_| receive(client)?.pop().context("an empty message")).collect()
                    })
                })
                .collect();
            readers.into_iter().map(|reader| reader.join().expect("a reader panicked")).collect()
        })?;
        ensure!(orders.len() == 1, "{} orders with {workers} workers", orders.len());
        for publisher in 0..PUBLISHERS {
            let own = orders.iter().flatten().filter(|text| text.starts_with(&format!("{publisher}:")));
            let numbers: Vec<String> = (0..MESSAGES).map(|number| format!("{publisher}:{number}")).collect();
            ensure!(own.eq(&numbers), "the messages of publisher {publisher} came in another order");
        }
    }
    Ok(())
}

#[test]
fn messages_reach_ten_thousand_subscribers_and_nobody_stalls() -> Result<()> {
    const SUBSCRIBERS: usize = 10_000;
    const MESSAGES: usize = 5;
    raise_open_files(SUBSCRIBERS as u64 + 2000)?;
    let server = Server::start(&["--worker-threads", "4", "--maxclients", "11000"])?;
    let mut subscribers = Vec::new();
    for number in 0..SUBSCRIBERS {
        let mut client = server.client()?;
        client.send(if number % 2 == 0 { b"SUBSCRIBE news\r\n" } else { b"HELLO 3\r\nSUBSCRIBE news\r\n" })?;
        subscribers.push(client);
    }
    for (number, client) in subscribers.iter_mut().enumerate() {
        (0..=number % 2).try_for_each(|_| client.read_reply().map(drop))?;
    }
    let mut publisher = server.client()?;
    assert_eq!(publisher.info("pubsub_clients")?, SUBSCRIBERS.to_string());
    let bystander = Bystander::start(&server)?;
    let payload = "x".repeat(100);
    for number in 0..MESSAGES {
        let reply = ask(&mut publisher, &format!("PUBLISH news {number}{payload}"))?;
        assert_eq!(reply, Reply::Integer(SUBSCRIBERS as i64));
    }
    for client in &mut subscribers {
        for number in 0..MESSAGES {
            assert_eq!(receive(client)?, ["message", "news", &format!("{number}{payload}")]);
        }
    }
    bystander.stop()?.check(20, Duration::from_millis(150))?;
    drop(subscribers);
    await_that("nobody listens any more", || Ok(publisher.info("pubsub_clients")? == "0"))?;
    assert_eq!(publisher.info("pubsub_channels")?, "0");
    assert_eq!(ask(&mut publisher, "PUBLISH news x")?, Reply::Integer(0));
    Ok(())
}

#[test]
fn a_slow_subscriber_is_cut_off_and_others_are_not() -> Result<()> {
    let server = Server::start(&["--worker-threads", "2", "--client-output-buffer-limit", "pubsub", "8mb", "0", "0"])?;
    let mut admin = server.client()?;
    let (mut slow, mut quick) = (server.client()?, server.client()?);
    let id = ask(&mut slow, "CLIENT ID")?;
    ask(&mut slow, "SUBSCRIBE news")?;
    ask(&mut quick, "SUBSCRIBE news")?;
    let payload = "x".repeat(100_000);
    let started = Instant::now();
    let mut published = 0;
    loop {
        ensure!(started.elapsed() < Duration::from_secs(30), "it is still connected after {published} messages");
        let receivers = ask(&mut admin, &format!("PUBLISH news {payload}"))?;
        published += 1;
        assert_eq!(receive(&mut quick)?, ["message", "news", &payload]);
        if receivers == Reply::Integer(1) {
            break;
        }
    }
    // What its socket holds comes on top of the limit.
    ensure!(published > 80, "cut off after {published} messages already");
    ensure!(published < 400, "cut off only after {published} messages");
    server.wait_for_log("output buffer limit")?;
    let Reply::Integer(id) = id else { bail!("{id:?} is no id") };
    assert_eq!(ask(&mut admin, &format!("CLIENT LIST ID {id}"))?, Reply::bulk(""));
    assert_eq!(admin.info("client_output_buffer_limit_disconnections")?, "1");
    Ok(())
}

#[test]
fn slow_subscribers_share_what_they_have_not_received() -> Result<()> {
    const SUBSCRIBERS: usize = 40;
    const MESSAGES: usize = 24;
    let server = Server::start(&["--worker-threads", "2", "--client-output-buffer-limit", "pubsub", "0", "0", "0"])?;
    let mut admin = server.client()?;
    let mut subscribers = Vec::new();
    for number in 0..SUBSCRIBERS {
        let mut client = server.client()?;
        if number % 2 == 1 {
            ask(&mut client, "HELLO 3")?;
        }
        ask(&mut client, "SUBSCRIBE news")?;
        subscribers.push(client);
    }
    let before = server.rss_bytes()?;
    let payload = "x".repeat(1 << 20);
    for number in 0..MESSAGES {
        let reply = ask(&mut admin, &format!("PUBLISH news {number}{payload}"))?;
        assert_eq!(reply, Reply::Integer(SUBSCRIBERS as i64));
    }
    await_that("every subscriber is counted what it has not received", || {
        let list = ask(&mut admin, "CLIENT LIST TYPE pubsub")?.text()?;
        let lengths = list.lines().filter_map(|line| line.split(' ').find_map(|field| field.strip_prefix("omem=")));
        let lengths: Vec<usize> = lengths.map(str::parse).collect::<Result<_, _>>()?;
        Ok(lengths.len() == SUBSCRIBERS && lengths.iter().all(|length| *length > 10 << 20))
    })?;
    let grown = server.rss_bytes()?.saturating_sub(before);
    // Copies would take 960 MB, less what the sockets hold.
    ensure!(grown < 250 << 20, "{grown} bytes for {MESSAGES} messages of a megabyte");
    for client in subscribers.iter_mut().take(2) {
        for number in 0..MESSAGES {
            let message = receive(client)?;
            ensure!(message[2].len() >= payload.len() && message[2].starts_with(&number.to_string()));
        }
    }
    Ok(())
}

#[test]
fn nothing_comes_behind_the_end_of_a_subscription() -> Result<()> {
    for workers in WORKERS {
        let server = start(workers)?;
        let mut client = server.client()?;
        ask(&mut client, "HELLO 3")?;
        let done = std::sync::atomic::AtomicBool::new(false);
        thread::scope(|scope| -> Result<()> {
            for _ in 0..2 {
                let mut publisher = server.client()?;
                let done = &done;
                scope.spawn(move || -> Result<()> {
                    while !done.load(std::sync::atomic::Ordering::SeqCst) {
                        ask(&mut publisher, "PUBLISH news x")?;
                        ask(&mut publisher, "PUBLISH weather x")?;
                    }
                    Ok(())
                });
            }
            let outcome = (|| -> Result<usize> {
                let mut messages = 0;
                for _ in 0..300 {
                    client.send(b"SUBSCRIBE news\r\nPSUBSCRIBE w*\r\n")?;
                    let mut confirmed = 0;
                    while confirmed < 2 {
                        confirmed += usize::from(receive(&mut client)?[0].ends_with("subscribe"));
                    }
                    (0..4).try_for_each(|_| receive(&mut client).map(drop))?;
                    client.send(b"UNSUBSCRIBE news\r\nPUNSUBSCRIBE\r\n")?;
                    let mut ended = Vec::new();
                    while ended.len() < 2 {
                        let message = receive(&mut client)?;
                        ensure!(!ended.contains(message.last().context("no word")?) || message.len() == 3);
                        if message[0].ends_with("unsubscribe") {
                            ended.push(message[1].clone());
                        } else {
                            messages += 1;
                            ensure!(!ended.iter().any(|name| message[1] == *name), "{message:?} behind {ended:?}");
                        }
                    }
                    assert_eq!(ask(&mut client, "PING")?, Reply::Simple("PONG".to_owned()));
                }
                Ok(messages)
            })();
            done.store(true, std::sync::atomic::Ordering::SeqCst);
            ensure!(outcome? > 0, "nothing was published meanwhile");
            Ok(())
        })?;
    }
    Ok(())
}

// A key is created and deleted by several clients at once: with one order of both kinds of events they alternate.
#[test]
fn keyspace_events_come_in_the_order_in_which_things_happen() -> Result<()> {
    const ROUNDS: usize = 400;
    for workers in WORKERS {
        let server = start(workers)?;
        let mut admin = server.client()?;
        admin.set_config("notify-keyspace-events", "Eng")?;
        let mut listener = server.client()?;
        ask(&mut listener, "PSUBSCRIBE __keyevent@0__:*")?;
        thread::scope(|scope| -> Result<()> {
            for number in 0..4 {
                let mut client = server.client()?;
                scope.spawn(move || -> Result<()> {
                    for _ in 0..ROUNDS {
                        match number {
                            0 => ask(&mut client, "SET key x")?,
                            1 => ask(&mut client, "DEL key")?,
                            2 => ask(&mut client, "APPEND key x")?,
                            _ => {
                                client.send(b"MULTI\r\nDEL key\r\nSET key y\r\nEXEC\r\n")?;
                                (0..3).try_for_each(|_| client.read_reply().map(drop))?;
                                client.read_reply()?
                            }
                        };
                    }
                    Ok(())
                });
            }
            Ok(())
        })?;
        ask(&mut admin, "DEL key")?;
        ask(&mut admin, "SET last x")?;
        let mut exists = false;
        let mut events = 0;
        loop {
            let event = receive(&mut listener)?;
            if event[3] == "last" {
                break;
            }
            let creates = event[2].ends_with(":new");
            ensure!(creates != exists, "event {events}, {event:?}, comes twice");
            exists = creates;
            events += 1;
        }
        ensure!(events > ROUNDS, "only {events} events");
    }
    Ok(())
}

#[test]
fn events_of_what_happens_by_itself_are_published() -> Result<()> {
    let server = start("2")?;
    let mut admin = server.client()?;
    admin.set_config("notify-keyspace-events", "KExeh")?;
    let mut listener = server.client()?;
    ask(&mut listener, "PSUBSCRIBE __key*")?;
    ask(&mut admin, "SET key x PX 20")?;
    assert_eq!(receive(&mut listener)?[2..], ["__keyspace@0__:key", "expired"]);
    assert_eq!(receive(&mut listener)?[2..], ["__keyevent@0__:expired", "key"]);
    ask(&mut admin, "SET other x")?;
    admin.set_config("maxmemory-policy", "allkeys-random")?;
    admin.set_config("maxmemory", "1")?;
    assert_eq!(receive(&mut listener)?[2..], ["__keyspace@0__:other", "evicted"]);
    admin.set_config("maxmemory", "0")?;
    assert_eq!(receive(&mut listener)?[2..], ["__keyevent@0__:evicted", "other"]);
    admin.set_config("notify-keyspace-events", "")?;
    ask(&mut admin, "SET key x PX 1")?;
    ask(&mut admin, "PUBLISH __keyspace@0__:key end")?;
    assert_eq!(receive(&mut listener)?[3], "end");
    Ok(())
}

#[test]
fn clients_are_listed_and_killed_as_subscribers() -> Result<()> {
    let server = start("2")?;
    let (mut admin, mut listener) = (server.client()?, server.client()?);
    for line in ["SUBSCRIBE a", "PSUBSCRIBE b*", "SSUBSCRIBE c"] {
        ask(&mut listener, line)?;
    }
    let line = ask(&mut admin, "CLIENT LIST TYPE pubsub")?.text()?;
    ensure!(
        line.lines().count() == 1 && line.contains(" flags=P ") && line.contains(" sub=1 psub=1 ssub=1 "),
        "{line}"
    );
    let counts = ["pubsub_channels", "pubsub_patterns", "pubsubshard_channels", "pubsub_clients"];
    for name in counts {
        assert_eq!(admin.info(name)?, "1", "{name}");
    }
    assert_eq!(ask(&mut admin, "CLIENT KILL TYPE pubsub")?, Reply::Integer(1));
    for name in counts {
        await_that(name, || Ok(admin.info(name)? == "0"))?;
    }
    listener.read_to_close(Duration::from_secs(10))?;
    Ok(())
}
