//! Scripts and functions: as Redis 7.0 runs them, and on several workers at once.

use std::thread;

use anyhow::{Result, bail, ensure};
use ochre_tests::{Client, Peer, Reply, Server, await_that};

/// Each is run on both, in RESP2 and RESP3; the replies must be equal.
const SCRIPTS: &[&str] = &[
    "return {1, 2.9, 'x', true, false, {3, 'y'}, nil, 4}",
    "return {ok='fine'}",
    "return {err='MY problem'}",
    "return {double=3.5}",
    "return {map={a=1}}",
    "return {set={a=true}}",
    "return {verbatim_string={string='x', format='txt'}}",
    "return {big_number='123'}",
    "return redis.call('set', KEYS[1], ARGV[1])",
    "return redis.call('get', KEYS[1])",
    "return redis.call('incr', KEYS[1])",
    "return redis.pcall('incr', KEYS[1])",
    "return redis.pcall('incr', KEYS[1]).err",
    "local ok, e = pcall(redis.call, 'incr', KEYS[1]) return {tostring(ok), e}",
    "return redis.call('nothing')",
    "return redis.call('get')",
    "return redis.call()",
    "return redis.call({})",
    "return redis.call('subscribe', 'x')",
    "return redis.call('eval', 'return 1', 0)",
    "return redis.call('blpop', 'x', 0)",
    "return redis.call('xread', 'block', 0, 'streams', 'x', '$')",
    "redis.call('del', 'h') redis.call('hset', 'h', 'f', 'v') redis.setresp(3) return redis.call('hgetall', 'h')",
    "redis.setresp(3) return redis.call('get', 'missing')",
    "redis.setresp(3) return true",
    "redis.setresp(4)",
    "return {redis.call('set', 'n', 3.14), redis.call('get', 'n')}",
    "return {redis.call('set', 'n', 9007199254740991), redis.call('get', 'n')}",
    "return {redis.call('set', 'n', 1e20), redis.call('get', 'n')}",
    "redis.call('select', 9) redis.call('set', 'in9', 'x') return redis.call('get', 'in9')",
    "return redis.call('get', 'in9')",
    "return redis.sha1hex('')",
    "return redis.sha1hex()",
    "return redis.error_reply('A B')",
    "return redis.error_reply('-A B')",
    "return redis.error_reply('A')",
    "return redis.status_reply('A B')",
    "return redis.status_reply(1)",
    "return {redis.LOG_DEBUG, redis.LOG_WARNING, redis.REPL_ALL, redis.REPL_AOF, redis.REPL_SLAVE, redis.REPL_NONE}",
    "redis.log(redis.LOG_NOTICE, 'x')",
    "redis.log('x')",
    "redis.log(9, 'x')",
    "return redis.set_repl(8)",
    "return redis.replicate_commands()",
    "return redis.breakpoint()",
    "return redis.acl_check_cmd('set', 'a', 'b')",
    "return redis.acl_check_cmd('nothing')",
    "return tostring(redis.nothing)",
    "a = 1",
    "return a",
    "redis.x = 1",
    "setmetatable(_G, nil)",
    "getmetatable(_G).__index = 1",
    "rawset(_G, 'a', 1)",
    "table.insert(_G, 1)",
    "setmetatable(redis, {})",
    "return print",
    "return loadstring('return 5')()",
    "return loadstring(string.dump(function() return 1 end))()",
    "return load(function() return nil end)",
    "local t = setmetatable({}, {__index=function() error('x') end}) return t.x",
    "error('x', 0)",
    "error()",
    "return unpack({1, 2, 3})",
    "return string.format('%5.2f|%s', 1/3, 'x')",
    "math.randomseed(10) return {tostring(math.random()), math.random(10), math.random(5, 6)}",
    "return math.random(0)",
    "return cjson.encode({1, 2, {a='b'}, true, cjson.null})",
    "return cjson.encode({})",
    "return cjson.encode({[1]=1, [20]=2})",
    "return cjson.encode({1/0})",
    "return cjson.encode('a/b\"\\n\\1')",
    "return cjson.encode({[1.5]='x'})",
    "return cjson.encode(1e15) .. cjson.encode(0.1) .. cjson.encode(-0.0)",
    "return cjson.encode(function() end)",
    "local t = {} for i = 1, 1001 do t = {t} end return cjson.encode(t)",
    "local t = cjson.decode('{\"a\": [1, 2.5, \"x\\\\u00e9\\\\ud83d\\\\ude00\", null, true]}').a return {t[1], tostring(t[2]), t[3], tostring(t[4] == cjson.null), t[5]}",
    "return cjson.decode('[1,')",
    "return cjson.decode('{a:1}')",
    "return cjson.decode('[1] x')",
    "return cjson.decode('\"abc')",
    "return cjson.decode('\"\\\\x\"')",
    "return tostring(cjson.decode('[0x10, 1e3, -inf]')[3])",
    "return cjson.decode()",
    "return {cjson.encode_max_depth(), tostring(cjson.encode_invalid_numbers()), cjson.encode_number_precision()}",
    "return cjson.encode_max_depth(0)",
    "return cmsgpack.pack(1, -1, 300, 1.5, 'x', {1, 2}, {a=1}, true, nil)",
    "return {cmsgpack.unpack(cmsgpack.pack(1, -1, 300, 2^40, 'x', {1, 2}))}",
    "return {cmsgpack.unpack_one(cmsgpack.pack(1, 2), 0)}",
    "return {cmsgpack.unpack_limit(cmsgpack.pack(1, 2, 3), 2, 0)}",
    "return cmsgpack.unpack('\\220')",
    "return cmsgpack.unpack('\\193')",
    "return cmsgpack.pack()",
    "return struct.pack('>I2<i4!4hc3s', 1, -2, 3, 'abcd', 'xy')",
    "return {struct.unpack('>I2<i4', struct.pack('>I2<i4', 258, -5))}",
    "return struct.size('>I2!8i8')",
    "return struct.unpack('I8', 'x')",
    "return struct.pack('I99', 1)",
    "return struct.pack('!3i', 1)",
    "return struct.pack('y', 1)",
    "return {struct.unpack('Bc0', '\\3abc')}",
    "return {bit.band(0xff, 0x0f), bit.bor(1, 2), bit.bxor(7, 2), bit.bnot(0), bit.lshift(1, 31), bit.arshift(-8, 1)}",
    "return {bit.tohex(255), bit.tohex(255, -4), bit.tohex(255, 2), bit.bswap(1), bit.rol(1, 33), bit.tobit(2^32 + 1)}",
    "return bit.band()",
    "return bit.band('x')",
    "return #KEYS .. #ARGV",
    "return type(KEYS) .. tostring(_VERSION)",
    "local a = {} a[1] = a return #cmsgpack.pack(a)",
    "redis.call('del', 's') redis.call('sadd', 's', 'c', 'a', 'b', 'z1') return redis.call('sort', 's', 'by', 'nosort')",
    "#!lua\nreturn 1",
    "#!lua flags=no-writes\nreturn redis.call('set', 'a', 'b')",
    "#!python\nreturn 1",
    "#!lua flags=x\nreturn 1",
    "#!lua x=y\nreturn 1",
    "#!lua",
    "return (",
];

fn both() -> Result<(Server, Peer)> {
    let server = Server::start(&["--compatibility-level", "7.0", "--worker-threads", "2"])?;
    Ok((server, Peer::start(&[])?))
}

#[test]
fn scripts_answer_as_those_of_redis_do() -> Result<()> {
    let (server, peer) = both()?;
    let (mut ours, mut redis) = (server.client()?, peer.client()?);
    let mut wrong = Vec::new();
    for protocol in ["2", "3"] {
        for client in [&mut ours, &mut redis] {
            client.command(&["HELLO", protocol])?;
            client.command(&["FLUSHALL"])?;
        }
        for script in SCRIPTS {
            for command in ["EVAL", "EVAL_RO"] {
                let line = [command, script, "1", "key", "text"];
                let (here, there) = (ours.command(&line)?, redis.command(&line)?);
                if here != there {
                    wrong.push(format!("{command} RESP{protocol} {script}\n    ours  {here:?}\n    Redis {there:?}"));
                }
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn commands_about_scripts_answer_as_those_of_redis_do() -> Result<()> {
    let (server, peer) = both()?;
    let (mut ours, mut redis) = (server.client()?, peer.client()?);
    let sha = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
    let library = "#!lua name=lib\nredis.register_function{function_name='f', callback=function(k, a) return {k[1], a[1]} end, flags={'no-writes'}, description='d'}";
    let lines: &[&[&str]] = &[
        &["SCRIPT", "LOAD", "return 1"],
        &["SCRIPT", "LOAD", "return ("],
        &["SCRIPT", "EXISTS", sha, "x"],
        &["EVALSHA", sha, "0"],
        &["EVALSHA", "E0E1F9FABFC9D4800C877A703B823AC0578FF8DB", "0"],
        &["EVALSHA", "x", "0"],
        &["EVALSHA", "0000000000000000000000000000000000000000", "0"],
        &["EVAL", "return 1", "x"],
        &["EVAL", "return 1", "-1"],
        &["EVAL", "return 1", "2", "a"],
        &["SCRIPT", "FLUSH", "x"],
        &["SCRIPT", "FLUSH", "ASYNC"],
        &["SCRIPT", "EXISTS", sha],
        &["SCRIPT", "KILL"],
        &["FUNCTION", "KILL"],
        &["FUNCTION", "LOAD", library],
        &["FUNCTION", "LOAD", library],
        &["FUNCTION", "LOAD", "REPLACE", library],
        &["FUNCTION", "LOAD", "X", library],
        &["FUNCTION", "LOAD", "REPLACE"],
        &["FUNCTION", "LOAD", "return 1"],
        &["FUNCTION", "LOAD", "#!lua name=other\nredis.register_function('f', function() end)"],
        &["FUNCTION", "LOAD", "#!lua name=other\nredis.register_function('g', 1)"],
        &[
            "FUNCTION",
            "LOAD",
            "#!lua name=other\nredis.register_function{function_name='g', callback=function() end, flags={'x'}}",
        ],
        &["FUNCTION", "LOAD", "#!x name=other\n"],
        &["FCALL", "f", "1", "k", "a"],
        &["FCALL", "F", "1", "k", "a"],
        &["FCALL_RO", "f", "1", "k", "a"],
        &["FCALL", "g", "0"],
        &["FCALL", "f", "x"],
        &["FCALL", "f", "2", "a"],
        &["FUNCTION", "LIST"],
        &["FUNCTION", "LIST", "LIBRARYNAME", "L*", "WITHCODE"],
        &["FUNCTION", "LIST", "LIBRARYNAME"],
        &["FUNCTION", "LIST", "X"],
        &["FUNCTION", "STATS"],
        &["FUNCTION", "RESTORE", "x"],
        &["FUNCTION", "RESTORE", "x", "Y"],
        &["FUNCTION", "DELETE", "x"],
        &["FUNCTION", "DELETE", "lib"],
        &["FUNCTION", "FLUSH", "X"],
        &["FUNCTION", "FLUSH"],
    ];
    for line in lines {
        let (here, there) = (ours.command(line)?, redis.command(line)?);
        ensure!(here == there, "{line:?}: {here:?}, Redis {there:?}");
    }
    Ok(())
}

fn call(client: &mut Client, script: &str, keys: &[&str]) -> Result<Reply> {
    let count = keys.len().to_string();
    client.command(&[&["EVAL", script, &count], keys].concat())
}

// Money moves between accounts; whatever a script declares, none is lost, and nobody sees it on its way.
#[test]
fn scripts_on_several_workers_see_each_other_whole() -> Result<()> {
    const ACCOUNTS: usize = 16;
    const MOVES: usize = 300;
    const MOVE: &str = "redis.call('DECR', KEYS[1]) redis.call('INCR', ARGV[1] or KEYS[2]) return 1";
    const SUM: &str = "local sum = 0 for i = 0, 15 do sum = sum + redis.call('GET', 'account' .. i) end return sum";
    let server = Server::start(&["--worker-threads", "4"])?;
    let mut client = server.client()?;
    for account in 0..ACCOUNTS {
        client.command(&["SET", &format!("account{account}"), "100"])?;
    }
    let run = |thread: usize| -> Result<()> {
        let mut client = server.client()?;
        for step in 0..MOVES {
            let from = format!("account{}", (step + thread) % ACCOUNTS);
            let to = format!("account{}", (step * 7 + thread * 3) % ACCOUNTS);
            let reply = match (step + thread) % 4 {
                0 => call(&mut client, SUM, &[])?,
                1 => client.command(&["EVAL_RO", SUM, "1", &from])?,
                2 => client.command(&["EVAL", MOVE, "1", &from, &to])?,
                _ => call(&mut client, MOVE, &[&from, &to])?,
            };
            match ((step + thread) % 4, reply) {
                (0 | 1, Reply::Integer(1600)) | (2 | 3, Reply::Integer(1)) => {}
                (_, other) => bail!("step {step}: {other:?}"),
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || run(thread))).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result,
            Err(_) => bail!("a thread panicked"),
        })
    })?;
    ensure!(call(&mut client, SUM, &[])? == Reply::Integer(1600), "money was lost");
    Ok(())
}

#[test]
fn a_script_that_takes_long_can_be_killed() -> Result<()> {
    let server = Server::start(&["--worker-threads", "2", "--busy-reply-threshold", "20"])?;
    // Connections go to the workers in turn.
    let (mut slow, mut other) = (server.client()?, server.client()?);
    slow.send(b"EVAL \"while true do end\" 0\r\n")?;
    let is_busy = |reply: Reply| matches!(reply, Reply::Error(text) if text.starts_with("BUSY"));
    await_that("the script is busy", || Ok(is_busy(other.command(&["GET", "a"])?)))?;
    ensure!(is_busy(other.command(&["PING"])?), "PING is answered");
    ensure!(other.command(&["SCRIPT", "KILL"])? == Reply::ok(), "it cannot be killed");
    let ended = slow.read_reply()?;
    ensure!(matches!(&ended, Reply::Error(text) if text.contains("Script killed by user")), "{ended:?}");
    await_that("the server serves again", || Ok(other.command(&["GET", "a"])? == Reply::Null))?;
    Ok(())
}

#[test]
fn the_memory_of_scripts_is_limited() -> Result<()> {
    let server = Server::start(&["--lua-memory-limit", "8mb"])?;
    let mut client = server.client()?;
    let refused = call(&mut client, "return #string.rep('x', 100000000)", &[])?;
    ensure!(matches!(&refused, Reply::Error(text) if text.contains("not enough memory")), "{refused:?}");
    ensure!(call(&mut client, "return #string.rep('x', 1000000)", &[])? == Reply::Integer(1_000_000));
    Ok(())
}
