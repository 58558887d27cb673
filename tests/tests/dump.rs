//! Payloads of DUMP, exchanged with real servers.

use anyhow::{Context, Result, ensure};
use ochre_tests::{Client, Peer, Reply, Server};

/// Keys with values of all types and encodings, and how each comes to be.
const VALUES: &[(&str, &[&str])] = &[
    ("empty", &["SET empty ''"]),
    ("text", &["SET text hello"]),
    ("small", &["SET small -129"]),
    ("int16", &["SET int16 32767"]),
    ("int32", &["SET int32 -2147483648"]),
    ("int64", &["SET int64 9223372036854775807"]),
    ("list", &["RPUSH list a b 1 -5 70000 3000000000 99999999999"]),
    ("ints", &["SADD ints 1 70000 -5"]),
    ("set", &["SADD set one"]),
    ("zset", &["ZADD zset 1 a 2 b -5 c inf d -inf e 100000000000 f"]),
    ("hash", &["HSET hash a 1 b two c 30000"]),
    (
        "stream",
        &[
            "XADD stream 1-1 a 1 b 2",
            "XADD stream 1-2 a 3 b 4",
            "XADD stream 2-1 c 5",
            "XDEL stream 1-2",
            "XGROUP CREATE stream group 1-1 ENTRIESREAD 1",
            "XGROUP CREATE stream other 0",
        ],
    ),
];

fn fill(client: &mut Client, clock: bool) -> Result<()> {
    for line in VALUES.iter().flat_map(|(_, lines)| *lines) {
        let words: Vec<&str> = line.split(' ').map(|word| if word == "''" { "" } else { word }).collect();
        let reply = client.command(&words)?;
        ensure!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
    }
    let long = "0123456789 ".repeat(3000);
    client.command(&["SET", "long", &long])?;
    client.command(&["RPUSH", "longs", "a", &long[..9000], "b"])?;
    for start in (0..2000).step_by(100) {
        let members: Vec<String> = (start..start + 100).map(|number| format!("{:x}", number * 7919)).collect();
        for command in [vec!["RPUSH", "manylist"], vec!["SADD", "manyset"]] {
            client.command(&[command, members.iter().map(String::as_str).collect()].concat())?;
        }
        let scored = members.iter().enumerate().flat_map(|(nth, member)| [nth.to_string(), member.clone()]);
        let scored: Vec<String> = scored.collect();
        for command in [vec!["ZADD", "manyzset"], vec!["HSET", "manyhash"]] {
            client.command(&[command, scored.iter().map(String::as_str).collect()].concat())?;
        }
    }
    if clock {
        client.command(&["XREADGROUP", "GROUP", "group", "alice", "STREAMS", "stream", ">"])?;
    }
    Ok(())
}

fn keys() -> Vec<&'static str> {
    let many = ["long", "longs", "manylist", "manyset", "manyzset", "manyhash"];
    VALUES.iter().map(|(key, _)| *key).chain(many).collect()
}

fn dump(client: &mut Client, key: &str) -> Result<Vec<u8>> {
    match client.command(&["DUMP", key])? {
        Reply::Bulk(payload) => Ok(payload),
        other => anyhow::bail!("DUMP {key}: {other:?}"),
    }
}

fn restore(client: &mut Client, key: &str, payload: &[u8]) -> Result<Reply> {
    restore_with(client, key, "0", payload, &["REPLACE"])
}

fn restore_with(client: &mut Client, key: &str, ttl: &str, payload: &[u8], options: &[&str]) -> Result<Reply> {
    let mut line = format!("*{}\r\n", 4 + options.len()).into_bytes();
    let words = [&b"RESTORE"[..], key.as_bytes(), ttl.as_bytes(), payload];
    for word in words.into_iter().chain(options.iter().map(|option| option.as_bytes())) {
        line.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        line.extend_from_slice(word);
        line.extend_from_slice(b"\r\n");
    }
    client.send(&line)?;
    client.read_reply()
}

/// Restores what `from` dumps in `to`, where it must then be what the same commands made there.
fn carry(from: &mut Client, to: &mut Client) -> Result<()> {
    for key in keys() {
        let payload = dump(from, key)?;
        let before = to.command(&["DEBUG", "DIGEST-VALUE", key])?;
        let encoding = to.command(&["OBJECT", "ENCODING", key])?;
        let reply = restore(to, key, &payload).context(key)?;
        ensure!(reply == Reply::ok(), "{key}: {reply:?} {}", payload.escape_ascii());
        ensure!(to.command(&["DEBUG", "DIGEST-VALUE", key])? == before, "{key} is another value");
        ensure!(to.command(&["OBJECT", "ENCODING", key])? == encoding, "{key} has another encoding");
        if key == "stream" {
            let groups = ["XINFO", "GROUPS", key];
            let (here, there) = (to.command(&groups)?, from.command(&groups)?);
            ensure!(here == there, "{here:?} {there:?}");
        }
    }
    Ok(())
}

/// Without compression, of which several results are right, and but for what stands in the order of a table.
#[test]
fn payloads_are_those_of_redis() -> Result<()> {
    let peer = Peer::start(&["--rdbcompression", "no"])?;
    let server = Server::start(&["--compatibility-level", "7.0", "--rdbcompression", "no"])?;
    let (mut theirs, mut ours) = (peer.client()?, server.client()?);
    fill(&mut theirs, false)?;
    fill(&mut ours, false)?;
    for key in keys().into_iter().filter(|key| !["manyset", "manyhash"].contains(key)) {
        let (theirs, ours) = (dump(&mut theirs, key)?, dump(&mut ours, key)?);
        ensure!(theirs == ours, "{key}: {} {}", ours.escape_ascii(), theirs.escape_ascii());
    }
    Ok(())
}

#[test]
fn values_go_to_redis_and_back() -> Result<()> {
    let peer = Peer::start(&["--enable-debug-command", "yes"])?;
    let server = Server::start(&["--compatibility-level", "7.0", "--enable-debug-command", "yes"])?;
    let (mut theirs, mut ours) = (peer.client()?, server.client()?);
    fill(&mut theirs, true)?;
    fill(&mut ours, true)?;
    carry(&mut ours, &mut theirs).context("to Redis")?;
    carry(&mut theirs, &mut ours).context("from Redis")
}

#[test]
fn values_go_to_valkey_and_back() -> Result<()> {
    let peer = Peer::valkey(&["--enable-debug-command", "yes"])?;
    let server = Server::start(&["--enable-debug-command", "yes"])?;
    let (mut theirs, mut ours) = (peer.client()?, server.client()?);
    fill(&mut theirs, true)?;
    fill(&mut ours, true)?;
    carry(&mut ours, &mut theirs).context("to Valkey")?;
    carry(&mut theirs, &mut ours).context("from Valkey")?;
    for client in [&mut theirs, &mut ours] {
        client.command(&["HSET", "fields", "a", "1", "b", "2"])?;
        client.command(&["HPEXPIREAT", "fields", "4102444800777", "FIELDS", "1", "a"])?;
    }
    let deadlines = ["HPEXPIRETIME", "fields", "FIELDS", "2", "a", "b"];
    let expected = theirs.command(&deadlines)?;
    let (there, here) = (dump(&mut theirs, "fields")?, dump(&mut ours, "fields")?);
    for (client, payload) in [(&mut theirs, here), (&mut ours, there)] {
        ensure!(restore(client, "fields", &payload)? == Reply::ok());
        ensure!(client.command(&deadlines)? == expected);
    }
    Ok(())
}

#[test]
fn refusals_are_those_of_redis() -> Result<()> {
    let (peer, server) = (Peer::start(&[])?, Server::start(&["--compatibility-level", "7.0"])?);
    let (mut theirs, mut ours) = (peer.client()?, server.client()?);
    let lines = [
        "SET taken x",
        "DUMP nothing",
        "RESTORE taken 0 x",
        "RESTORE new -1 x",
        "RESTORE new one x",
        "RESTORE new 0 x",
        "RESTORE new 0 x FOO",
        "RESTORE new 0 x FREQ 300",
        "RESTORE new 0 x FREQ 1 IDLETIME 1",
        "RESTORE new 0 x IDLETIME -1",
        "RESTORE new",
    ];
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        ensure!(ours.command(&words)? == theirs.command(&words)?, "{line}");
    }
    let mut payload = dump(&mut ours, "taken")?;
    *payload.last_mut().context("empty")? ^= 1;
    ensure!(restore(&mut ours, "new", &payload)? == restore(&mut theirs, "new", &payload)?);
    Ok(())
}

#[test]
fn options_do_what_they_do_in_redis() -> Result<()> {
    let (peer, server) = (Peer::start(&[])?, Server::start(&["--compatibility-level", "7.0"])?);
    let (mut theirs, mut ours) = (peer.client()?, server.client()?);
    let scenes: &[(&str, &str, &[&str], &str)] = &[
        ("new", "0", &[], "TTL"),
        ("new", "0", &[], "TTL"),
        ("new", "100000", &["REPLACE"], "TTL"),
        ("new", "4102444800000", &["REPLACE", "ABSTTL"], "PEXPIRETIME"),
        ("new", "1", &["ABSTTL", "REPLACE"], "EXISTS"),
        ("gone", "1", &["ABSTTL"], "EXISTS"),
    ];
    for client in [&mut theirs, &mut ours] {
        client.command(&["RPUSH", "source", "a", "b"])?;
        client.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"])?;
    }
    let payload = dump(&mut theirs, "source")?;
    for (key, ttl, options, question) in scenes {
        let here = (restore_with(&mut ours, key, ttl, &payload, options)?, ours.command(&[question, key])?);
        let there = (restore_with(&mut theirs, key, ttl, &payload, options)?, theirs.command(&[question, key])?);
        ensure!(here == there, "{key} {ttl} {options:?}: {here:?}, Redis {there:?}");
    }
    ensure!(restore_with(&mut ours, "idle", "0", &payload, &["IDLETIME", "1000"])? == Reply::ok());
    let Reply::Integer(idle) = ours.command(&["OBJECT", "IDLETIME", "idle"])? else { anyhow::bail!("no idle time") };
    ensure!((1000..1010).contains(&idle), "{idle}");
    Ok(())
}

#[test]
fn debug_object_tells_how_long_a_value_is_in_files() -> Result<()> {
    // Another compressor finds more or less to spare.
    let options = ["--enable-debug-command", "yes", "--rdbcompression", "no"];
    let peer = Peer::start(&options)?;
    let server = Server::start(&[&options[..], &["--compatibility-level", "7.0"]].concat())?;
    let (mut theirs, mut ours) = (peer.client()?, server.client()?);
    fill(&mut theirs, false)?;
    fill(&mut ours, false)?;
    for key in keys() {
        let (expected, found) = (serialized_length(&mut theirs, key)?, serialized_length(&mut ours, key)?);
        ensure!(expected == found, "{key}: {found}, not {expected}");
    }
    Ok(())
}

fn serialized_length(client: &mut Client, key: &str) -> Result<String> {
    let reply = format!("{:?}", client.command(&["DEBUG", "OBJECT", key])?);
    let (_, behind) = reply.split_once("serializedlength:").with_context(|| format!("{key}: {reply}"))?;
    Ok(behind.chars().take_while(char::is_ascii_digit).collect())
}

#[test]
fn checks_that_were_asked_for_are_counted_as_by_redis() -> Result<()> {
    let (server, peer) = (Server::start(&["--compatibility-level", "7.0"])?, Peer::start(&[])?);
    let counts = |mut client: Client| -> Result<Vec<String>> {
        let mut counts = Vec::new();
        client.command(&["RPUSH", "list", "a", "b"])?;
        client.command(&["HSET", "hash", "f", "v"])?;
        client.command(&["SADD", "set", "1", "2"])?;
        client.command(&["SET", "string", "text"])?;
        client.command(&["ACL", "SETUSER", "trusted", "on", "nopass", "~*", "+@all", "skip-sanitize-payload"])?;
        for asked in ["no", "yes", "clients"] {
            client.command(&["CONFIG", "SET", "sanitize-dump-payload", asked])?;
            for user in ["default", "trusted"] {
                client.command(&["AUTH", user, ""])?;
                for key in ["list", "hash", "set", "string"] {
                    let payload = dump(&mut client, key)?;
                    ensure!(restore(&mut client, key, &payload)? == Reply::ok());
                }
                counts.push(client.info("dump_payload_sanitizations")?);
            }
        }
        Ok(counts)
    };
    let (ours, theirs) = (counts(server.client()?)?, counts(peer.client()?)?);
    ensure!(theirs.last().is_some_and(|count| count != "0"), "{theirs:?}");
    ensure!(ours == theirs, "{ours:?} {theirs:?}");
    Ok(())
}
