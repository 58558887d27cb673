//! Client-side caching: nobody goes on believing what has changed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use anyhow::{Result, bail, ensure};
use ochre_tests::{Client, Peer, Reply, Server};

/// Sends a line of words that blanks separate.
fn ask(client: &mut Client, line: &str) -> Result<Reply> {
    client.command(&line.split(' ').collect::<Vec<_>>())
}

/// A client that keeps what it has read until it is told that it has changed.
struct Cache {
    client: Client,
    values: HashMap<String, Reply>,
    invalidated: usize,
}

impl Cache {
    fn new(server: &Server, mode: &str) -> Result<Cache> {
        let mut client = server.client()?;
        ask(&mut client, "HELLO 3")?;
        assert_eq!(ask(&mut client, &format!("CLIENT TRACKING ON{mode}"))?, Reply::ok());
        Ok(Cache { client, values: HashMap::new(), invalidated: 0 })
    }
    /// The next reply, after all invalidations before it have been heeded.
    fn reply(&mut self) -> Result<Reply> {
        loop {
            match self.client.read_reply()? {
                Reply::Array(push) => self.forget(&push)?,
                reply => return Ok(reply),
            }
        }
    }
    fn forget(&mut self, push: &[Reply]) -> Result<()> {
        let [kind, keys] = push else { bail!("{push:?} is no invalidation") };
        ensure!(*kind == Reply::bulk("invalidate"), "{push:?} is no invalidation");
        self.invalidated += 1;
        match keys {
            Reply::Array(keys) => {
                for key in keys {
                    self.values.remove(&key.text()?);
                }
            }
            _ => self.values.clear(),
        }
        Ok(())
    }
    fn get(&mut self, key: &str) -> Result<()> {
        if !self.values.contains_key(key) {
            self.client.send(format!("GET {key}\r\n").as_bytes())?;
            let value = self.reply()?;
            self.values.insert(key.to_owned(), value);
        }
        Ok(())
    }
    /// Hears of everything that has happened so far.
    fn catch_up(&mut self) -> Result<()> {
        for _ in 0..2 {
            self.client.send(b"PING\r\n")?;
            assert_eq!(self.reply()?, Reply::Simple("PONG".to_owned()));
        }
        Ok(())
    }
}

fn write(client: &mut Client, round: usize, key: &str, other: &str) -> Result<()> {
    let lines = match round % 5 {
        0 => format!("INCR {key}\r\n"),
        1 => format!("MULTI\r\nINCR {key}\r\nGET {other}\r\nINCR {other}\r\nEXEC\r\n"),
        2 => format!("SET {key} 1 PX 1\r\n"),
        3 => format!("DEL {key} {other}\r\n"),
        _ => {
            client.command(&["EVAL", "return redis.call('incr', KEYS[1])", "1", key])?;
            return Ok(());
        }
    };
    client.send(lines.as_bytes())?;
    lines.lines().try_for_each(|_| client.read_reply().map(drop))
}

#[test]
fn no_cache_keeps_a_stale_value() -> Result<()> {
    const CACHES: usize = 6;
    const WRITERS: usize = 3;
    const ROUNDS: usize = 400;
    const KEYS: usize = 40;
    for (workers, flushes) in [("1", false), ("4", false), ("4", true)] {
        let server = Server::start(&["--worker-threads", workers])?;
        let done = AtomicBool::new(false);
        let caches = thread::scope(|scope| -> Result<Vec<Cache>> {
            let readers: Vec<_> = (0..CACHES)
                .map(|number| {
                    let mode = ["", " NOLOOP", " BCAST PREFIX key"][number % 3];
                    let mut cache = Cache::new(&server, mode)?;
                    let done = &done;
                    Ok(scope.spawn(move || -> Result<Cache> {
                        let mut round = number;
                        while !done.load(SeqCst) {
                            round += 1;
                            cache.get(&format!("key:{}", round * 7 % KEYS))?;
                            if round % 16 == 0 {
                                cache.catch_up()?;
                            }
                        }
                        Ok(cache)
                    }))
                })
                .collect::<Result<_>>()?;
            let writers: Vec<_> = (0..WRITERS)
                .map(|number| {
                    let mut client = server.client()?;
                    Ok(scope.spawn(move || -> Result<()> {
                        for round in 0..ROUNDS {
                            let key = |step: usize| format!("key:{}", (round * step + number) % KEYS);
                            write(&mut client, round, &key(3), &key(11))?;
                            if flushes && round % 100 == 99 {
                                ask(&mut client, ["FLUSHALL", "SWAPDB 0 1"][round / 100 % 2])?;
                            }
                        }
                        Ok(())
                    }))
                })
                .collect::<Result<_>>()?;
            let outcome = writers.into_iter().try_for_each(|writer| writer.join().expect("a writer panicked"));
            done.store(true, SeqCst);
            outcome?;
            readers.into_iter().map(|reader| reader.join().expect("a reader panicked")).collect()
        })?;
        let mut control = server.client()?;
        // Whatever is about to expire has done so.
        for key in 0..KEYS {
            ask(&mut control, &format!("PTTL key:{key}"))?;
            ochre_tests::await_that("it expires", || {
                Ok(matches!(ask(&mut control, &format!("PTTL key:{key}"))?, Reply::Integer(..0)))
            })?;
            ask(&mut control, &format!("GET key:{key}"))?;
        }
        let mut kept = 0;
        for mut cache in caches {
            cache.catch_up()?;
            ensure!(cache.invalidated > 20, "only {} invalidations", cache.invalidated);
            for (key, value) in &cache.values {
                assert_eq!(ask(&mut control, &format!("GET {key}"))?, *value, "{key} with {workers} workers");
                kept += 1;
            }
        }
        ensure!(kept > 0, "nothing was cached in the end");
    }
    Ok(())
}

#[test]
fn it_answers_as_redis_does() -> Result<()> {
    let (server, peer) = (Server::start(&["--compatibility-level", "7.0"])?, Peer::start(&[])?);
    for protocol in ["2", "3"] {
        let (mut ours, mut redis) = (server.client()?, peer.client()?);
        ours.command(&["HELLO", protocol])?;
        redis.command(&["HELLO", protocol])?;
        for line in [
            "CLIENT TRACKING",
            "CLIENT TRACKING x",
            "CLIENT TRACKING ON x",
            "CLIENT TRACKING ON REDIRECT",
            "CLIENT TRACKING ON REDIRECT x",
            "CLIENT TRACKING ON REDIRECT 77777",
            "CLIENT TRACKING ON PREFIX a",
            "CLIENT TRACKING ON BCAST OPTIN",
            "CLIENT TRACKING ON OPTIN OPTOUT",
            "CLIENT TRACKING ON BCAST PREFIX FOOBAR PREFIX FOO",
            "CLIENT GETREDIR",
            "CLIENT TRACKINGINFO",
            "CLIENT CACHING YES",
            "CLIENT TRACKING ON OPTIN",
            "CLIENT CACHING NO",
            "CLIENT CACHING x",
            "CLIENT CACHING YES",
            "CLIENT TRACKINGINFO",
            "PING",
            "CLIENT TRACKINGINFO",
            "CLIENT TRACKING ON OPTOUT",
            "CLIENT TRACKING ON BCAST",
            "CLIENT TRACKING OFF",
            "CLIENT TRACKING ON OPTOUT NOLOOP",
            "CLIENT CACHING NO",
            "CLIENT TRACKINGINFO",
            "CLIENT TRACKING OFF",
            "CLIENT TRACKING ON BCAST PREFIX a PREFIX b",
            "CLIENT TRACKING ON BCAST PREFIX ab",
            "CLIENT TRACKING ON BCAST PREFIX c",
            "CLIENT TRACKINGINFO",
            "CLIENT GETREDIR",
            "RESET",
            "CLIENT TRACKINGINFO",
        ] {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(ours.command(&words)?, redis.command(&words)?, "{line} in RESP{protocol}");
        }
    }
    Ok(())
}

#[test]
fn a_client_is_told_right_behind_its_own_reply() -> Result<()> {
    let server = Server::start(&["--worker-threads", "2"])?;
    let mut client = server.client()?;
    ask(&mut client, "HELLO 3")?;
    ask(&mut client, "CLIENT TRACKING ON")?;
    client.send(b"GET a\r\nGET b\r\nSET a 1\r\nPING\r\nFLUSHALL\r\nPING\r\n")?;
    let push = |keys: Reply| Reply::Array(vec![Reply::bulk("invalidate"), keys]);
    let pong = Reply::Simple("PONG".to_owned());
    let replies = [Reply::Null, Reply::Null, Reply::ok(), push(Reply::Array(vec![Reply::bulk("a")])), pong.clone()];
    for expected in replies.into_iter().chain([Reply::ok(), push(Reply::Null), pong]) {
        assert_eq!(client.read_reply()?, expected);
    }
    Ok(())
}
