//! What scripts do is done whole or not at all: where they reach beyond the keys they declare, and where they are killed.

use std::thread;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use ochre_tests::propagation::{REDIS_LINES, filling};
use ochre_tests::{Client, Reply, Server, await_that};

const ACCOUNTS: usize = 16;
const THREADS: usize = 8;
const STEPS: usize = 150;

/// Moves something of each type from one account to another, declared or not, and tells the world.
const MOVE: &str = "
    local from, to = KEYS[1], KEYS[2] or ARGV[1]
    redis.call('PUBLISH', 'moves', from)
    redis.call('DECRBY', from .. ':s', 3)
    redis.call('RPOPLPUSH', from .. ':l', to .. ':l')
    redis.call('HINCRBY', from .. ':h', 'a', -5)
    redis.call('EXPIRE', from .. ':h', 1000)
    redis.call('ZINCRBY', from .. ':z', -1, 'b')
    local member = redis.call('SPOP', from .. ':m')
    if member then redis.call('SADD', to .. ':m', member) end
    redis.call('ZINCRBY', to .. ':z', 1, 'b')
    redis.call('HINCRBY', to .. ':h', 'a', 5)
    redis.call('INCRBY', to .. ':s', 3)
    return redis.call('INCR', 'done')";

/// What all accounts hold together.
const SUM: &str = "
    local sum = {0, 0, 0, 0, 0}
    for number = 0, 15 do
        local name = '{account' .. number .. '}'
        sum[1] = sum[1] + redis.call('GET', name .. ':s')
        sum[2] = sum[2] + redis.call('LLEN', name .. ':l')
        sum[3] = sum[3] + redis.call('HGET', name .. ':h', 'a')
        sum[4] = sum[4] + redis.call('ZSCORE', name .. ':z', 'b')
        sum[5] = sum[5] + redis.call('SCARD', name .. ':m')
    end
    return sum";

fn account(number: usize) -> String {
    format!("{{account{}}}", number % ACCOUNTS)
}

fn expected_sum() -> Reply {
    let each = ACCOUNTS as i64;
    Reply::Array([100, 4, 50, 7, 2].into_iter().map(|amount| Reply::Integer(amount * each)).collect())
}

/// Runs the steps of one thread. Each text is a new script, which starts under the locks of what it declares.
fn move_around(server: &Server, number: usize) -> Result<()> {
    let mut client = server.client()?;
    for step in 0..STEPS {
        let (from, to) = (account(step + number), account(step * 7 + number * 3));
        let text = format!("{MOVE} -- {number} {step}");
        let reply = match (step + number) % 4 {
            0 => client.command(&["EVAL", SUM, "0"])?,
            1 => client.command(&["EVAL", MOVE, "2", &from, &to])?,
            2 => client.command(&["EVAL", &text, "1", &from, &to])?,
            _ => client.command(&["EVAL", &text, "2", &from, &to])?,
        };
        match reply {
            Reply::Integer(_) => {}
            sum if sum == expected_sum() => {}
            other => bail!("step {step}: {other:?}"),
        }
    }
    Ok(())
}

#[test]
fn scripts_that_reach_further_are_run_once_as_a_whole() -> Result<()> {
    let server = Server::start(&["--worker-threads", "4"])?;
    let (mut client, mut listener) = (server.client()?, server.client()?);
    for number in 0..ACCOUNTS {
        let name = account(number);
        client.command(&["SET", &format!("{name}:s"), "100"])?;
        client.command(&["RPUSH", &format!("{name}:l"), "1", "2", "3", "4"])?;
        client.command(&["HSET", &format!("{name}:h"), "a", "50"])?;
        client.command(&["ZADD", &format!("{name}:z"), "7", "b"])?;
        client.command(&["SADD", &format!("{name}:m"), &format!("{number}x"), &format!("{number}y")])?;
    }
    listener.command(&["SUBSCRIBE", "moves", "end"])?;
    listener.read_reply()?;
    thread::scope(|scope| {
        let server = &server;
        let threads: Vec<_> = (0..THREADS).map(|number| scope.spawn(move || move_around(server, number))).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result,
            Err(_) => bail!("a thread panicked"),
        })
    })?;
    let sum = client.command(&["EVAL", SUM, "0"])?;
    ensure!(sum == expected_sum(), "something was lost: {sum:?}");
    let moves = THREADS * STEPS * 3 / 4;
    let done = client.command(&["GET", "done"])?;
    ensure!(done == Reply::bulk(&moves.to_string()), "{done:?} of {moves}");
    client.command(&["PUBLISH", "end", ""])?;
    let mut told = 0;
    while let Reply::Array(words) = listener.read_reply()? {
        if words.get(1) == Some(&Reply::bulk("end")) {
            break;
        }
        told += 1;
    }
    ensure!(told == moves, "{told} messages of {moves}");
    Ok(())
}

// Shards are drawn anew by each process: one of three keys lies beside the first, if not all do.
#[test]
fn scripts_that_write_run_side_by_side() -> Result<()> {
    let server = Server::start(&["--worker-threads", "2", "--busy-reply-threshold", "3000"])?;
    let mut clients: Vec<Client> = (0..8).map(|_| server.client()).collect::<Result<_>>()?;
    let [slow, others @ ..] = &mut clients[..] else { bail!("no clients") };
    let endless = b"EVAL \"redis.call('SET', KEYS[1], ARGV[1]) while true do end\" 1 slow x\r\n";
    slow.send(endless)?;
    // Connections go to the workers in turn.
    let beside: Vec<&mut Client> = others.iter_mut().step_by(2).take(3).collect();
    let mut written = 0;
    for (number, client) in beside.into_iter().enumerate() {
        let key = format!("key{number}");
        client.stream().set_read_timeout(Some(Duration::from_secs(20)))?;
        match client.command(&["EVAL", "return redis.call('INCR', KEYS[1])", "1", &key])? {
            Reply::Integer(1) => written += 1,
            Reply::Error(text) if text.starts_with("BUSY") => {}
            other => bail!("{other:?}"),
        }
    }
    ensure!(written > 0, "no script ran beside the other");
    let mut other = server.client()?;
    await_killed(&mut other)?;
    ensure!(is_killed(&slow.read_reply()?), "it goes on");
    ensure!(other.command(&["EXISTS", "slow"])? == Reply::Integer(0), "it has written");
    Ok(())
}

fn is_killed(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(text) if text.contains("Script killed by user"))
}

/// Kills the script that is going to be busy.
fn await_killed(client: &mut Client) -> Result<()> {
    await_that("the script can be killed", || match client.command(&["SCRIPT", "KILL"])? {
        Reply::Error(text) if text.starts_with("NOTBUSY") => Ok(false),
        reply if reply == Reply::ok() => Ok(true),
        other => bail!("{other:?}"),
    })
}

fn encoded(words: &[&str]) -> Vec<u8> {
    let words = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), words.collect::<String>()).into_bytes()
}

/// Executes each argument, a line of words, and whatever comes of it goes on for ever.
const ALL_AND_ENDLESS: &str = "
    for _, line in ipairs(ARGV) do
        local words = {}
        for word in string.gmatch(line, '%S+') do words[#words + 1] = word end
        redis.pcall(unpack(words))
    end
    while true do end";

/// A line that a script can take back, and that does nothing but to the data.
fn can_be_undone(words: &[&str]) -> bool {
    !matches!(
        words,
        ["SWAPDB" | "SELECT" | "MULTI" | "EXEC" | "EVAL" | "EVALSHA" | "FCALL" | "FUNCTION" | "SCRIPT", ..]
    )
}

#[test]
fn nothing_remains_of_a_script_that_was_killed() -> Result<()> {
    let debug = ["--enable-debug-command", "yes"];
    let options = [
        &[
            "--worker-threads",
            "2",
            "--busy-reply-threshold",
            "20",
            "--appendonly",
            "yes",
            "--repl-diskless-sync-delay",
            "0",
        ][..],
        &debug,
    ]
    .concat();
    let (server, copy) = (Server::start(&options)?, Server::start(&debug)?);

    let (mut slow, mut other, mut replica) = (server.client()?, server.client()?, copy.client()?);
    for words in filling(REDIS_LINES).filter(|words| can_be_undone(words)) {
        other.command(&words)?;
    }
    // What expires meanwhile would be a difference.
    for db in (0..16).rev() {
        other.command(&["SELECT", &db.to_string()])?;
        for key in keys(&mut other)? {
            other.command(&["PERSIST", &key])?;
        }
    }
    // So would what has expired already, and is not seen any more, but still there.
    await_that("nothing is left to expire", || {
        let databases = other.command(&["INFO", "keyspace"])?.text()?;
        Ok(databases.lines().filter(|line| line.starts_with("db")).all(|line| line.contains(",expires=0,")))
    })?;
    other.command(&["EVAL", "for i = 1, 300 do redis.call('HSET', 'large', i, i) end", "0"])?;
    let port = server.address().port().to_string();
    ensure!(replica.command(&["REPLICAOF", "127.0.0.1", &port])? == Reply::ok());
    let digest = other.command(&["DEBUG", "DIGEST"])?;
    await_that("the replica has the data", || Ok(replica.command(&["DEBUG", "DIGEST"])? == digest))?;

    let (mut listener, mut watcher, mut waiter) = (server.client()?, server.client()?, server.client()?);
    other.set_config("notify-keyspace-events", "KEA")?;
    listener.command(&["PSUBSCRIBE", "*"])?;
    watcher.command(&["WATCH", "watched", "large"])?;
    waiter.send(&encoded(&["BLPOP", "awaited", "0"]))?;
    await_that("it waits", || Ok(field(&mut other, "clients", "blocked_clients")? == "1"))?;
    let before = field(&mut other, "persistence", "rdb_changes_since_last_save")?;

    let more = [
        "HSET large 1 2 f v",
        "HDEL large 200 300",
        "DEL large",
        "SET watched 1",
        "RPUSH awaited 1",
        "PUBLISH news x",
        "SET large 1",
        "XADD s * a b",
    ];
    let lines: Vec<String> =
        filling(REDIS_LINES).filter(|words| can_be_undone(words)).map(|words| words.join(" ")).collect();
    let lines = more.into_iter().chain(lines.iter().map(String::as_str));
    let words: Vec<&str> = ["EVAL", ALL_AND_ENDLESS, "1", "some"].into_iter().chain(lines).collect();
    // The second time it starts where the first has ended.
    for _ in 0..2 {
        slow.send(&encoded(&words))?;
        await_killed(&mut other)?;
        let reply = slow.read_reply()?;
        ensure!(is_killed(&reply), "{reply:?}");
        ensure!(other.command(&["DEBUG", "DIGEST"])? == digest, "the data have changed");
    }
    ensure!(field(&mut other, "persistence", "rdb_changes_since_last_save")? == before, "changes were counted");
    watcher.command(&["MULTI"])?;
    watcher.command(&["PING"])?;
    ensure!(watcher.command(&["EXEC"])? != Reply::Null, "a watched key has changed");
    ensure!(field(&mut other, "clients", "blocked_clients")? == "1", "who waited was served");
    other.command(&["PUBLISH", "end", "x"])?;
    let first = listener.read_reply()?;
    ensure!(matches!(&first, Reply::Array(words) if words.get(2) == Some(&Reply::bulk("end"))), "{first:?}");
    other.command(&["RPUSH", "awaited", "served"])?;
    let served = waiter.read_reply()?;
    ensure!(served == Reply::Array(vec![Reply::bulk("awaited"), Reply::bulk("served")]), "{served:?}");

    let digest = other.command(&["DEBUG", "DIGEST"])?;
    await_that("the replica has the same", || Ok(replica.command(&["DEBUG", "DIGEST"])? == digest))?;
    ensure!(other.command(&["DEBUG", "LOADAOF"])? == Reply::ok());
    ensure!(other.command(&["DEBUG", "DIGEST"])? == digest, "the file has something else");
    Ok(())
}

fn keys(client: &mut Client) -> Result<Vec<String>> {
    match client.command(&["KEYS", "*"])? {
        Reply::Array(keys) => keys.iter().map(Reply::text).collect(),
        other => bail!("{other:?}"),
    }
}

fn field(client: &mut Client, section: &str, name: &str) -> Result<String> {
    let info = client.command(&["INFO", section])?.text()?;
    let found = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    Ok(found.unwrap_or_default().to_owned())
}

// A script in a transaction is taken back alone.
#[test]
fn a_killed_script_leaves_the_rest_of_its_transaction() -> Result<()> {
    let server = Server::start(&["--worker-threads", "2", "--busy-reply-threshold", "20"])?;
    let (mut slow, mut other) = (server.client()?, server.client()?);
    slow.command(&["MULTI"])?;
    slow.command(&["SET", "a", "1"])?;
    slow.command(&["EVAL", "redis.call('SET', 'a', '2') redis.call('SET', 'b', '2') while true do end", "0"])?;
    slow.command(&["INCR", "a"])?;
    slow.send(&encoded(&["EXEC"]))?;
    await_killed(&mut other)?;
    let Reply::Array(replies) = slow.read_reply()? else { bail!("no replies") };
    ensure!(matches!(&replies[..], [_, killed, Reply::Integer(2)] if is_killed(killed)), "{replies:?}");
    ensure!(other.command(&["MGET", "a", "b"])? == Reply::Array(vec![Reply::bulk("2"), Reply::Null]));
    Ok(())
}

/// Makes large values.
const FILL: &str = "
    for i = 1, 1500 do
        redis.call('SADD', 'set', 'member ' .. i)
        redis.call('RPUSH', 'list', i)
        redis.call('XADD', 'stream', '*', 'field', 'a value of some length that fills the nodes of the stream')
    end";

#[test]
fn a_script_that_did_what_stays_cannot_be_killed() -> Result<()> {
    let all = [
        ("native", "redis.call('FLUSHALL')", true),
        ("native", "redis.call('SWAPDB', 0, 1)", true),
        ("native", "redis.call('RENAME', 'text', 'other')", true),
        ("native", "redis.call('APPEND', 'text', 'x')", false),
        ("native", "redis.call('SPOP', 'set', 500)", false),
        ("native", "redis.call('XADD', 'stream', '*', 'a', 'b') redis.call('XTRIM', 'stream', 'MAXLEN', 10)", false),
        ("native", "redis.call('LTRIM', 'list', 700, 800) redis.call('LREM', 'list', 0, 750)", false),
        ("native", "redis.call('HSET', 'large', 'f', 'v')", false),
        ("native", "redis.call('DEL', 'large')", false),
        ("native", "redis.call('SET', 'a', 'b')", false),
        ("7.2", "redis.call('SET', 'a', 'b')", true),
        ("7.0", "redis.call('GET', 'a')", false),
    ];
    for (level, action, stays) in all {
        let options = ["--worker-threads", "2", "--busy-reply-threshold", "20", "--compatibility-level", level];
        let server = Server::start(&options)?;
        let (mut slow, mut other) = (server.client()?, server.client()?);
        other.command(&["EVAL", "for i = 1, 1000 do redis.call('HSET', 'large', i, i) end", "0"])?;
        other.command(&["SETRANGE", "text", "100000", "x"])?;
        other.command(&["EVAL", FILL, "0"])?;
        slow.send(&encoded(&["EVAL", &format!("{action} while true do end"), "0"]))?;
        if !stays {
            await_killed(&mut other)?;
            ensure!(is_killed(&slow.read_reply()?), "{level}: {action}");
            continue;
        }
        await_that("it cannot be killed", || match other.command(&["SCRIPT", "KILL"])? {
            Reply::Error(text) if text.starts_with("NOTBUSY") => Ok(false),
            Reply::Error(text) if text.starts_with("UNKILLABLE") => Ok(true),
            reply => bail!("{level}: {action}: {reply:?}"),
        })?;
    }
    Ok(())
}
