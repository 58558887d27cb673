//! Commands that wait: who is served, when, and by whose hand.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ochre_tests::{Client, Reply, Server, await_that};

/// The same behaviour is asked of one worker with one shard and of several with many.
const WORKERS: [&str; 2] = ["1", "3"];

fn start(workers: &str) -> Result<Server> {
    Server::start(&["--worker-threads", workers, "--enable-debug-command", "yes"])
}

fn await_blocked(client: &mut Client, count: usize) -> Result<()> {
    await_that(&format!("{count} blocked clients"), || Ok(client.info("blocked_clients")? == count.to_string()))
}

fn request(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

/// A client that has begun to wait; `before` others wait already.
fn waiting(server: &Server, control: &mut Client, before: usize, words: &[&str]) -> Result<Client> {
    let mut client = server.client()?;
    client.send(&request(words))?;
    await_blocked(control, before + 1)?;
    Ok(client)
}

fn pair(key: &str, element: &str) -> Reply {
    Reply::Array(vec![Reply::bulk(key), Reply::bulk(element)])
}

fn id(client: &mut Client) -> Result<String> {
    match client.command(&["CLIENT", "ID"])? {
        Reply::Integer(id) => Ok(id.to_string()),
        other => anyhow::bail!("no id: {other:?}"),
    }
}

#[test]
fn waiters_are_served_in_the_order_they_came() -> Result<()> {
    for workers in WORKERS {
        let server = start(workers)?;
        let mut control = server.client()?;
        let mut waiters = Vec::new();
        for number in 0..12 {
            // Some wait for another key too, in front or behind.
            let words: &[&str] = match number % 3 {
                0 => &["BLPOP", "queue", "0"],
                1 => &["BLPOP", "other", "queue", "0"],
                _ => &["BLPOP", "queue", "queue", "another", "0"],
            };
            waiters.push(waiting(&server, &mut control, number, words)?);
        }
        assert_eq!(control.info("total_blocking_keys")?, "3");
        // One push of many, and many of one.
        let first: Vec<String> = (0..6).map(|number| number.to_string()).collect();
        let mut words = vec!["RPUSH", "queue"];
        words.extend(first.iter().map(String::as_str));
        assert_eq!(control.command(&words)?, Reply::Integer(6));
        for number in 6..12 {
            assert_eq!(control.command(&["RPUSH", "queue", &number.to_string()])?, Reply::Integer(1));
        }
        assert_eq!(control.command(&["EXISTS", "queue"])?, Reply::Integer(0));
        for (number, waiter) in waiters.iter_mut().enumerate() {
            assert_eq!(waiter.read_reply()?, pair("queue", &number.to_string()));
        }
        assert_eq!(control.info("blocked_clients")?, "0");
        await_that("no key is waited for", || Ok(control.info("total_blocking_keys")? == "0"))?;
    }
    Ok(())
}

#[test]
fn a_wait_ends_in_time() -> Result<()> {
    let server = start("2")?;
    let mut client = server.client()?;
    let started = Instant::now();
    assert_eq!(client.command(&["BLPOP", "nothing", "0.1"])?, Reply::Null);
    assert!((100..1000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    assert_eq!(client.command(&["BLMOVE", "nothing", "to", "LEFT", "LEFT", "0.01"])?, Reply::Null);
    let calls = client.info("cmdstat_blpop")?;
    ensure!(calls.starts_with("calls=1,"), "{calls}");
    assert_eq!(client.info("total_blocking_keys")?, "0");
    // What comes later is for others.
    assert_eq!(client.command(&["RPUSH", "nothing", "a"])?, Reply::Integer(1));
    assert_eq!(client.command(&["LLEN", "nothing"])?, Reply::Integer(1));
    let error = |text: &str| Reply::Error(text.to_owned());
    assert_eq!(client.command(&["BLPOP", "k", "-1"])?, error("ERR timeout is negative"));
    assert_eq!(client.command(&["BLPOP", "k", "x"])?, error("ERR timeout is not a float or out of range"));
    Ok(())
}

#[test]
fn what_follows_in_the_pipeline_waits_too() -> Result<()> {
    for workers in WORKERS {
        let server = start(workers)?;
        let mut control = server.client()?;
        let mut client = server.client()?;
        let mut bytes = request(&["SET", "x", "before"]);
        bytes.extend(request(&["BLPOP", "queue", "0"]));
        bytes.extend(request(&["SET", "x", "after"]));
        bytes.extend(request(&["BLPOP", "queue", "0"]));
        bytes.extend(request(&["GET", "x"]));
        client.send(&bytes)?;
        await_blocked(&mut control, 1)?;
        // This arrives while it waits, in pieces.
        let late = request(&["INCR", "counter"]);
        let (head, tail) = late.split_at(9);
        client.send(head)?;
        assert_eq!(client.read_reply()?, Reply::ok());
        assert_eq!(control.command(&["GET", "x"])?, Reply::bulk("before"));
        control.command(&["RPUSH", "queue", "1"])?;
        assert_eq!(client.read_reply()?, pair("queue", "1"));
        assert_eq!(client.read_reply()?, Reply::ok());
        await_blocked(&mut control, 1)?;
        client.send(tail)?;
        assert_eq!(control.command(&["GET", "x"])?, Reply::bulk("after"));
        assert_eq!(control.command(&["EXISTS", "counter"])?, Reply::Integer(0));
        control.command(&["RPUSH", "queue", "2"])?;
        assert_eq!(client.read_reply()?, pair("queue", "2"));
        assert_eq!(client.read_reply()?, Reply::bulk("after"));
        assert_eq!(client.read_reply()?, Reply::Integer(1));
    }
    Ok(())
}

#[test]
fn others_can_end_a_wait() -> Result<()> {
    for workers in WORKERS {
        let server = start(workers)?;
        let mut control = server.client()?;
        let mut client = server.client()?;
        let id = id(&mut client)?;
        let wait = request(&["BLPOP", "a", "b", "0"]);
        assert_eq!(control.command(&["CLIENT", "UNBLOCK", &id])?, Reply::Integer(0));
        for (how, expected) in [
            (None, Reply::Null),
            (Some("timeout"), Reply::Null),
            (Some("ERROR"), Reply::Error("UNBLOCKED client unblocked via CLIENT UNBLOCK".to_owned())),
        ] {
            client.send(&wait)?;
            await_blocked(&mut control, 1)?;
            let line = control.command(&["CLIENT", "LIST", "ID", &id])?.text()?;
            ensure!(line.contains(" flags=b ") && line.contains(" cmd=blpop "), "{line}");
            let mut words = vec!["CLIENT", "UNBLOCK", &id];
            words.extend(how);
            assert_eq!(control.command(&words)?, Reply::Integer(1));
            assert_eq!(control.info("blocked_clients")?, "0");
            assert_eq!(control.command(&words)?, Reply::Integer(0));
            assert_eq!(client.read_reply()?, expected);
            let line = control.command(&["CLIENT", "LIST", "ID", &id])?.text()?;
            ensure!(line.contains(" flags=N "), "{line}");
        }
        let error = |text: &str| Reply::Error(text.to_owned());
        let refused = control.command(&["CLIENT", "UNBLOCK", &id, "maybe"])?;
        assert_eq!(refused, error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
        let refused = control.command(&["CLIENT", "UNBLOCK", "x"])?;
        assert_eq!(refused, error("ERR value is not an integer or out of range"));
    }
    Ok(())
}

#[test]
fn nothing_is_given_to_those_who_are_gone() -> Result<()> {
    for workers in WORKERS {
        let server = start(workers)?;
        let mut control = server.client()?;
        for round in 0..20 {
            let mut client = server.client()?;
            let id = id(&mut client)?;
            client.send(&request(&["BLPOP", "a", "b", "0"]))?;
            await_blocked(&mut control, 1)?;
            if round % 2 == 0 {
                assert_eq!(control.command(&["CLIENT", "KILL", "ID", &id])?, Reply::Integer(1));
            } else {
                drop(client);
                await_blocked(&mut control, 0)?;
            }
            assert_eq!(control.command(&["RPUSH", "b", "element"])?, Reply::Integer(1));
            assert_eq!(control.command(&["LPOP", "b"])?, Reply::bulk("element"));
        }
        await_that("no key is waited for", || Ok(control.info("total_blocking_keys")? == "0"))?;
    }
    Ok(())
}

#[test]
fn keys_become_ready_in_many_ways() -> Result<()> {
    for workers in WORKERS {
        let server = start(workers)?;
        let mut control = server.client()?;
        let mut client = server.client()?;
        let mut wait = |control: &mut Client, steps: &[&[&str]]| -> Result<Reply> {
            client.send(&request(&["BLPOP", "queue", "0"]))?;
            await_blocked(control, 1)?;
            for step in steps {
                let reply = control.command(step)?;
                ensure!(!matches!(reply, Reply::Error(_)), "{step:?}: {reply:?}");
            }
            client.read_reply()
        };
        let push: &[&str] = &["RPUSH", "source", "1"];
        assert_eq!(wait(&mut control, &[push, &["RENAME", "source", "queue"]])?, pair("queue", "1"));
        assert_eq!(wait(&mut control, &[push, &["COPY", "source", "queue"]])?, pair("queue", "1"));
        let elsewhere: &[&[&str]] = &[&["SELECT", "1"], &["RPUSH", "queue", "2"]];
        let moved = [elsewhere, &[&["MOVE", "queue", "0"], &["SELECT", "0"]]].concat();
        assert_eq!(wait(&mut control, &moved)?, pair("queue", "2"));
        let swapped = [elsewhere, &[&["SWAPDB", "0", "1"], &["SELECT", "0"]]].concat();
        assert_eq!(wait(&mut control, &swapped)?, pair("queue", "2"));
        // A value of another type is none of its business.
        let typed: &[&[&str]] = &[&["SET", "queue", "text"], &["DEL", "queue"], &["RPUSH", "queue", "3"]];
        assert_eq!(wait(&mut control, typed)?, pair("queue", "3"));
        let flushed: &[&[&str]] = &[&["FLUSHALL"], &["RPUSH", "queue", "4"]];
        assert_eq!(wait(&mut control, flushed)?, pair("queue", "4"));
    }
    Ok(())
}

#[test]
fn an_element_passes_from_waiter_to_waiter() -> Result<()> {
    for workers in WORKERS {
        let server = start(workers)?;
        let mut control = server.client()?;
        for round in 0..10 {
            let key = |letter: &str| format!("{letter}{round}");
            let [a, b, c, d] = ["a", "b", "c", "d"].map(key);
            // The last link of the chain is there first, and the first last.
            let mut last = waiting(&server, &mut control, 0, &["BLPOP", &d, "0"])?;
            let mut third = waiting(&server, &mut control, 1, &["BLMOVE", &c, &d, "LEFT", "RIGHT", "0"])?;
            let mut second = waiting(&server, &mut control, 2, &["BLMOVE", &b, &c, "LEFT", "RIGHT", "0"])?;
            let mut first = waiting(&server, &mut control, 3, &["BLMOVE", &a, &b, "LEFT", "RIGHT", "0"])?;
            assert_eq!(control.command(&["RPUSH", &a, "x"])?, Reply::Integer(1));
            assert_eq!(control.info("blocked_clients")?, "0");
            for mover in [&mut first, &mut second, &mut third] {
                assert_eq!(mover.read_reply()?, Reply::bulk("x"));
            }
            assert_eq!(last.read_reply()?, pair(&d, "x"));
            assert_eq!(control.command(&["EXISTS", &a, &b, &c, &d])?, Reply::Integer(0));
            // In a circle.
            let mut there = waiting(&server, &mut control, 0, &["BLMOVE", &a, &b, "LEFT", "RIGHT", "0"])?;
            let mut back = waiting(&server, &mut control, 1, &["BLMOVE", &b, &a, "LEFT", "RIGHT", "0"])?;
            assert_eq!(control.command(&["RPUSH", &b, "y"])?, Reply::Integer(1));
            assert_eq!((there.read_reply()?, back.read_reply()?), (Reply::bulk("y"), Reply::bulk("y")));
            assert_eq!(control.command(&["LPOP", &b])?, Reply::bulk("y"));
        }
    }
    Ok(())
}

#[test]
fn a_destination_of_another_type_fails_the_waiter_alone() -> Result<()> {
    for workers in WORKERS {
        let server = start(workers)?;
        let mut control = server.client()?;
        let mut mover = waiting(&server, &mut control, 0, &["BLMOVE", "source", "target", "LEFT", "LEFT", "0"])?;
        let mut next = waiting(&server, &mut control, 1, &["BLPOP", "source", "0"])?;
        control.command(&["SET", "target", "text"])?;
        assert_eq!(control.command(&["RPUSH", "source", "1"])?, Reply::Integer(1));
        let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
        assert_eq!(mover.read_reply()?, Reply::Error(wrong.to_owned()));
        assert_eq!(next.read_reply()?, pair("source", "1"));
    }
    Ok(())
}

#[test]
fn replies_that_are_not_wanted_are_not_sent() -> Result<()> {
    let server = start("2")?;
    let mut control = server.client()?;
    let mut client = server.client()?;
    let mut bytes = request(&["CLIENT", "REPLY", "SKIP"]);
    bytes.extend(request(&["BLPOP", "queue", "0"]));
    bytes.extend(request(&["PING"]));
    client.send(&bytes)?;
    await_blocked(&mut control, 1)?;
    control.command(&["RPUSH", "queue", "1"])?;
    assert_eq!(client.read_reply()?, Reply::Simple("PONG".to_owned()));
    assert_eq!(control.command(&["LLEN", "queue"])?, Reply::Integer(0));
    Ok(())
}

/// Many clients pop from many keys, through a second stage of lists, while several push, on several workers.
#[test]
fn nothing_is_lost_or_doubled_among_thousands() -> Result<()> {
    const POPPERS: usize = 1600;
    const MOVERS: usize = 400;
    const PUSHERS: usize = 4;
    const ROUNDS: usize = 4;
    const KEYS: usize = 7;
    ochre_tests::raise_open_files(8192)?;
    for workers in ["1", "4"] {
        let server = start(workers)?;
        let mut control = server.client()?;
        let mut poppers = Vec::new();
        for number in 0..POPPERS {
            let mut client = server.client()?;
            // Each takes from any key, or else some would be left with nothing; but no two look in one order.
            let keys: Vec<String> = (0..KEYS).map(|step| format!("out{}", (number + step) % KEYS)).collect();
            let words: Vec<&str> = ["BLPOP"].into_iter().chain(keys.iter().map(String::as_str)).chain(["0"]).collect();
            let wait = request(&words);
            client.send(&wait.repeat(ROUNDS))?;
            poppers.push(client);
        }
        let mut movers = Vec::new();
        for number in 0..MOVERS {
            let mut client = server.client()?;
            let (from, to) = (format!("in{}", number % KEYS), format!("out{}", (number / KEYS) % KEYS));
            client.send(&request(&["BLMOVE", &from, &to, "LEFT", "RIGHT", "0"]).repeat(ROUNDS))?;
            movers.push(client);
        }
        await_blocked(&mut control, POPPERS + MOVERS)?;
        // As many go in as come out; what the movers take for each key of theirs goes there.
        let mut elements: Vec<(String, String)> = Vec::new();
        for number in 0..MOVERS * ROUNDS {
            elements.push((format!("in{}", number % MOVERS % KEYS), format!("moved{number}")));
        }
        for number in 0..(POPPERS - MOVERS) * ROUNDS {
            elements.push((format!("out{}", number % KEYS), format!("direct{number}")));
        }
        let expected: BTreeMap<String, usize> = elements.iter().map(|(_, element)| (element.clone(), 1)).collect();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        thread::scope(|scope| -> Result<()> {
            for pusher in 0..PUSHERS {
                let (mut client, elements) = (server.client()?, &elements);
                scope.spawn(move || {
                    for chunk in elements.iter().skip(pusher).step_by(PUSHERS).collect::<Vec<_>>().chunks(16) {
                        let pushes = chunk.iter().flat_map(|(key, element)| request(&["RPUSH", key, element]));
                        client.send(&pushes.collect::<Vec<u8>>()).unwrap();
                        chunk.iter().for_each(|_| assert!(matches!(client.read_reply().unwrap(), Reply::Integer(_))));
                    }
                });
            }
            for popper in &mut poppers {
                for _ in 0..ROUNDS {
                    let Reply::Array(pair) = popper.read_reply()? else { anyhow::bail!("no pair") };
                    *seen.entry(pair[1].text()?).or_default() += 1;
                }
            }
            for mover in &mut movers {
                for _ in 0..ROUNDS {
                    ensure!(mover.read_reply()?.text()?.starts_with("moved"));
                }
            }
            Ok(())
        })?;
        ensure!(seen == expected, "{} of {} elements came out as they should", seen.len(), expected.len());
        assert_eq!(control.command(&["DBSIZE"])?, Reply::Integer(0));
        assert_eq!(control.info("blocked_clients")?, "0");
        await_that("no key is waited for", || Ok(control.info("total_blocking_keys")? == "0"))?;
    }
    Ok(())
}

/// Waits that end by themselves just when somebody pushes: each element is popped once, by a waiter or at the end.
#[test]
fn a_timeout_and_a_push_do_not_both_win() -> Result<()> {
    const POPPERS: usize = 8;
    const ELEMENTS: usize = 1500;
    let server = start("3")?;
    let mut popped: Vec<String> = Vec::new();
    thread::scope(|scope| -> Result<()> {
        let mut threads = Vec::new();
        for _ in 0..POPPERS {
            let mut client = server.client()?;
            threads.push(scope.spawn(move || -> Result<Vec<String>> {
                let mut mine = Vec::new();
                let mut nothing_since = Instant::now();
                while nothing_since.elapsed() < Duration::from_millis(500) {
                    if let Reply::Array(pair) = client.command(&["BLPOP", "x", "y", "0.001"])? {
                        mine.push(pair[1].text()?);
                        nothing_since = Instant::now();
                    }
                }
                Ok(mine)
            }));
        }
        let mut pusher = server.client()?;
        for number in 0..ELEMENTS {
            pusher.command(&["RPUSH", if number % 2 == 0 { "x" } else { "y" }, &number.to_string()])?;
            // The next one comes at some moment of a wait that has begun.
            let asked = Instant::now();
            while number % 3 == 0 && pusher.info("blocked_clients")? == "0" {
                ensure!(asked.elapsed() < Duration::from_secs(20), "nobody waits for element {number}");
            }
        }
        for thread in threads {
            popped.extend(thread.join().expect("a popper panicked")?);
        }
        Ok(())
    })?;
    popped.sort_by_key(|element| element.parse::<usize>().unwrap_or(usize::MAX));
    let expected: Vec<String> = (0..ELEMENTS).map(|number| number.to_string()).collect();
    ensure!(popped == expected, "{} elements of {ELEMENTS}", popped.len());
    Ok(())
}
