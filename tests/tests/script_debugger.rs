//! The debugger of scripts, on the data and on what seems to be a copy of it.

use anyhow::{Context, Result, ensure};
use ochre_tests::{Client, Peer, Reply, Server, await_that};

#[test]
fn a_script_is_debugged_as_by_redis() -> Result<()> {
    const SOURCE: &str = "local a = 1\nredis.call('set', KEYS[1], 'x')\nlocal function f()\n  redis.debug(a, {1, 'y', {k = true}})\n  \
        return redis.call('get', KEYS[1])\nend\nredis.breakpoint()\nlocal r = f()\nreturn {r, redis.call('lrange', 'l', 0, -1)}";
    const SAYS: &[&str] = &[
        "s",
        "step",
        "redis get k",
        "redis lrange l 0 -1",
        "redis hgetall h",
        "redis incr k",
        "redis nope",
        "eval KEYS[1]",
        "e {1,2,{a=1}}",
        "e error('z')",
        "e (",
        "p KEYS",
        "p ARGV",
        "b",
        "b 5",
        "b 100 x",
        "b",
        "l",
        "l 2 1",
        "w",
        "maxlen 70",
        "p ARGV",
        "m",
        "t",
        "nope",
        "redis",
        "c",
        "c",
        "t",
        "b -5 -7",
        "b 0",
        "s",
        "s",
        "s",
        "s",
        "s",
        "s",
    ];
    let talk = |client: &mut Client, mode: &str| -> Result<Vec<Reply>> {
        let long = "a".repeat(200);
        for words in [&["RPUSH", "l", "1", "2"][..], &["HSET", "h", "f", "v"], &["SCRIPT", "DEBUG", mode]] {
            client.command(words)?;
        }
        let mut heard = vec![client.command(&["EVAL", SOURCE, "1", "k", &long, "b"])?];
        for words in SAYS {
            heard.push(client.command(&words.split(' ').collect::<Vec<_>>())?);
            let is_over = |line: &Reply| *line == Reply::Simple("<endsession>".to_owned());
            if matches!(heard.last(), Some(Reply::Array(lines)) if lines.last().is_some_and(is_over)) {
                break;
            }
        }
        heard.push(client.read_reply()?);
        ensure!(client.read_to_close(std::time::Duration::from_secs(10))?.is_empty(), "more than the reply");
        Ok(heard)
    };
    let (server, peer) = (Server::start(&["--compatibility-level", "7.0"])?, Peer::start(&[])?);
    for mode in ["YES", "SYNC"] {
        let (ours, real) = (talk(&mut server.client()?, mode)?, talk(&mut peer.client()?, mode)?);
        for (ours, real) in ours.iter().zip(&real) {
            ensure!(ours == real, "{mode}\nours: {ours:?}\nreal: {real:?}");
        }
        ensure!(ours.len() == real.len() && ours.len() > 30);
        let (ours, real) = (server.client()?.command(&["EXISTS", "k"])?, peer.client()?.command(&["EXISTS", "k"])?);
        ensure!(ours == real, "{mode} ours: {ours:?}, real: {real:?}");
        server.client()?.command(&["DEL", "l"])?;
        peer.client()?.command(&["DEL", "l"])?;
    }
    // What does not compile ends the session before it begins.
    let begin = |client: &mut Client, mode: &str| -> Result<Vec<Reply>> {
        client.command(&["SCRIPT", "DEBUG", mode])?;
        let replies = vec![client.command(&["EVAL", "return (", "0"])?, client.read_reply()?];
        ensure!(client.read_to_close(std::time::Duration::from_secs(10))?.is_empty(), "more than the reply");
        Ok(replies)
    };
    for mode in ["YES", "SYNC"] {
        let (ours, real) = (begin(&mut server.client()?, mode)?, begin(&mut peer.client()?, mode)?);
        ensure!(ours == real, "{mode}\nours: {ours:?}\nreal: {real:?}");
    }
    // While somebody debugs, others are told that the server is busy, and may put an end to it.
    let (mut debugs, mut other) = (server.client()?, server.client()?);
    debugs.command(&["SCRIPT", "DEBUG", "SYNC"])?;
    debugs.command(&["EVAL", "local x = 1\nwhile true do end", "0"])?;
    let busy = other.command(&["GET", "a"])?;
    ensure!(matches!(&busy, Reply::Error(text) if text.starts_with("BUSY")), "{busy:?}");
    ensure!(other.command(&["SCRIPT", "KILL"])? == Reply::ok());
    await_that("the server serves again", || Ok(other.command(&["GET", "a"])? == Reply::Null))?;
    Ok(())
}

/// Begins to debug a script.
fn begin(server: &Server, source: &str, keys: &[&str]) -> Result<Client> {
    let mut client = server.client()?;
    ensure!(client.command(&["SCRIPT", "DEBUG", "YES"])? == Reply::ok());
    let count = keys.len().to_string();
    let line = [&["EVAL", source, count.as_str()], keys].concat();
    expect_line(&client.command(&line)?, "* Stopped at 1, stop reason = step over")?;
    Ok(client)
}

fn expect_line(reply: &Reply, line: &str) -> Result<()> {
    let has = matches!(reply, Reply::Array(lines) if lines.contains(&Reply::Simple(line.to_owned())));
    ensure!(has, "no {line:?} in {reply:?}");
    Ok(())
}

/// Lets the script run to its end, and gives its reply.
fn finish(client: &mut Client) -> Result<Reply> {
    expect_line(&client.command(&["continue"])?, "<endsession>")?;
    let reply = client.read_reply()?;
    ensure!(client.read_to_close(std::time::Duration::from_secs(10))?.is_empty(), "more than the reply");
    Ok(reply)
}

#[test]
fn nobody_sees_what_a_script_changes_on_a_copy() -> Result<()> {
    const SOURCE: &str = "redis.call('incr', 'n')\n\
        redis.call('rpush', 'l', 'x')\n\
        local gone = redis.call('spop', 's')\n\
        redis.call('publish', 'c', 'm')\n\
        redis.call('pexpire', 'n', 100000)\n\
        local flushed = redis.pcall('flushall').err\n\
        redis.call('select', 1) redis.call('set', 'other', 1) redis.call('select', 0)\n\
        return {redis.call('get', 'n'), redis.call('llen', 'l'), redis.call('sismember', 's', gone),\
            redis.call('scard', 's'), flushed, redis.call('exists', 'other'), redis.call('pttl', 'n') > 0}";
    let server = Server::start(&["--worker-threads", "2", "--notify-keyspace-events", "KEA", "--appendonly", "yes"])?;
    let (mut other, mut listens, mut waits, mut watches) =
        (server.client()?, server.client()?, server.client()?, server.client()?);
    other.command(&["SADD", "s", "a", "b", "c", "d"])?;
    other.command(&["SET", "n", "0"])?;
    waits.send(b"BLPOP l 0\r\n")?;
    await_that("a client waits", || Ok(other.info("blocked_clients")? == "1"))?;
    watches.command(&["WATCH", "l", "s"])?;
    listens.command(&["PSUBSCRIBE", "*"])?;
    let figures = |client: &mut Client| -> Result<Vec<String>> {
        let fields = ["rdb_changes_since_last_save", "aof_current_size", "blocked_clients"];
        fields.iter().map(|field| client.info(field)).collect()
    };
    let before = figures(&mut other)?;
    let (mut first, mut second) = (begin(&server, SOURCE, &["n"])?, begin(&server, SOURCE, &["n"])?);
    for client in [&mut first, &mut second] {
        expect_line(&client.command(&["step"])?, "<reply> 1")?;
        expect_line(&client.command(&["redis", "get", "n"])?, "<reply> \"1\"")?;
    }
    expect_line(&first.command(&["step"])?, "<reply> 1")?;
    expect_line(&first.command(&["step"])?, "<redis> spop s")?;
    expect_line(&first.command(&["step"])?, "<reply> 1")?;
    expect_line(&first.command(&["step"])?, "<reply> 1")?;
    ensure!(other.command(&["GET", "n"])? == Reply::bulk("0"));
    ensure!(other.command(&["EXISTS", "l"])? == Reply::Integer(0));
    ensure!(other.command(&["SCARD", "s"])? == Reply::Integer(4));
    ensure!(other.command(&["PTTL", "n"])? == Reply::Integer(-1));
    ensure!(figures(&mut other)? == before, "{:?}, before {before:?}", figures(&mut other)?);
    // What others change is seen.
    ensure!(other.command(&["INCRBY", "n", "10"])? == Reply::Integer(10));
    for client in [&mut first, &mut second] {
        let Reply::Array(parts) = finish(client)? else { anyhow::bail!("no array") };
        let expected = [Reply::bulk("11"), Reply::Integer(1), Reply::Integer(0), Reply::Integer(3)];
        ensure!(parts.starts_with(&expected), "{parts:?}");
        let refused = parts.get(4).context("no fifth part")?.text()?;
        ensure!(refused.contains("cannot be debugged on a copy"), "{refused}");
        ensure!(parts.get(5..) == Some(&[Reply::Integer(0), Reply::Integer(1)]), "{parts:?}");
    }
    ensure!(other.command(&["GET", "n"])? == Reply::bulk("10"));
    ensure!(other.command(&["SCARD", "s"])? == Reply::Integer(4));
    ensure!(other.command(&["DBSIZE"])? == Reply::Integer(2));
    ensure!(other.info("blocked_clients")? == "1");
    watches.command(&["MULTI"])?;
    watches.command(&["PING"])?;
    ensure!(matches!(watches.command(&["EXEC"])?, Reply::Array(_)), "something was touched");
    // Nothing was published but what others have done.
    other.command(&["PUBLISH", "c", "last"])?;
    for (channel, payload) in [("__keyspace@0__:n", "incrby"), ("__keyevent@0__:incrby", "n"), ("c", "last")] {
        let message = ["pmessage", "*", channel, payload].map(Reply::bulk).to_vec();
        let heard = listens.read_reply()?;
        ensure!(heard == Reply::Array(message), "{heard:?} instead of {payload}");
    }
    other.command(&["RPUSH", "l", "now"])?;
    ensure!(waits.read_reply()? == Reply::Array(vec![Reply::bulk("l"), Reply::bulk("now")]));
    Ok(())
}

#[test]
fn a_session_on_a_copy_ends_with_its_client() -> Result<()> {
    let server = Server::start(&["--worker-threads", "1"])?;
    let mut other = server.client()?;
    // Its client goes away, and the script runs to its end.
    drop(begin(&server, "redis.call('set', 'a', 1)\nreturn 1", &[])?);
    // It never ends by itself, and others are served all the same.
    let mut endless = begin(&server, "redis.call('set', 'a', 1)\nwhile true do end", &[])?;
    endless.send(b"continue\r\n")?;
    ensure!(other.command(&["GET", "a"])? == Reply::Null);
    other.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])?;
    await_that("the sessions end", || Ok(other.info("connected_clients")? == "1"))?;
    // Their threads, too.
    let threads = || -> Result<bool> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid()))?;
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        Ok(!names.into_iter().any(|name| name.starts_with("debugged-script")))
    };
    await_that("their threads end", threads)?;
    ensure!(other.command(&["EXISTS", "a"])? == Reply::Integer(0));
    Ok(())
}
