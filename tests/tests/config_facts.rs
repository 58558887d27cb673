//! CONFIG against a real Redis 7.0: the same directives, defaults, bounds and error texts.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use ochre_tests::{Client, Peer, Reply, Server};

/// Directives whose values depend on the place or on how the two servers were started, or that would end the test.
const OF_THE_PLACE: [&str; 6] = ["port", "bind", "dir", "io-threads", "maxclients", "requirepass"];

/// Directives that differ on purpose.
const DIFFERENT: [&str; 5] = [
    // Later versions know more words, and list them in the error.
    "shutdown-on-sigint",
    "shutdown-on-sigterm",
    "repl-diskless-load",
    "loglevel",
    // A size that cannot be is refused as one, not as a percentage.
    "maxmemory-clients",
];

/// Words on both sides of most bounds, and of every type.
const VALUES: [&str; 40] = [
    "",
    "yes",
    "no",
    "NO",
    "0",
    "1",
    "-1",
    "2",
    "100",
    "101",
    "65535",
    "65536",
    "1kb",
    "1GB",
    "5%",
    "101%",
    "x",
    "ip",
    "2147483647",
    "2147483648",
    "-2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "1.5",
    "a b",
    "1 2",
    "1 2 3",
    "normal 1 2 3",
    "slave 1mb 2mb 3",
    "KEA",
    "default",
    "50 99",
    "/",
    "a/b",
    "+5",
    "007",
    " 7",
    "\"a\"",
];

fn get(client: &mut Client, pattern: &str) -> Result<BTreeMap<String, String>> {
    let Reply::Array(words) = client.command(&["CONFIG", "GET", pattern])? else { bail!("CONFIG GET gives no array") };
    words.chunks(2).map(|pair| Ok((pair[0].text()?, pair.get(1).context("a name alone")?.text()?))).collect()
}

fn both() -> Result<(Server, Client, Peer, Client)> {
    let server = Server::start(&["--compatibility-level", "7.0", "--enable-protected-configs", "yes"])?;
    let client = server.client()?;
    let peer = Peer::start(&["--enable-protected-configs", "yes"])?;
    let theirs = peer.client()?;
    Ok((server, client, peer, theirs))
}

#[test]
fn it_has_the_directives_and_defaults_of_redis() -> Result<()> {
    let (_server, mut ours, _peer, mut peer) = both()?;
    let (ours, theirs) = (get(&mut ours, "*")?, get(&mut peer, "*")?);
    // Later versions hide it.
    let hidden = "aof-disable-auto-gc";
    let wrong: Vec<_> = theirs
        .iter()
        .filter(|(name, _)| !OF_THE_PLACE.contains(&name.as_str()) && *name != hidden)
        .filter(|(name, value)| ours.get(*name) != Some(value))
        .map(|(name, value)| format!("{name}: {value:?}, ours {:?}", ours.get(name)))
        .collect();
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[test]
fn it_takes_and_refuses_the_values_that_redis_does() -> Result<()> {
    let (_server, mut ours, _peer, mut peer) = both()?;
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (name, default) in get(&mut peer, "*")? {
        if OF_THE_PLACE.contains(&name.as_str()) || DIFFERENT.contains(&name.as_str()) {
            continue;
        }
        for value in VALUES {
            let command = ["CONFIG", "SET", &name, value];
            let (here, there) = (ours.command(&command)?, peer.command(&command)?);
            if matches!(&here, Reply::Error(text) if text.contains("is not supported yet")) {
                continue;
            }
            compared += 1;
            if here != there {
                wrong.push(format!("{name} {value:?}: {here:?}, Redis {there:?}"));
            } else if here == Reply::ok() {
                let (here, there) = (get(&mut ours, &name)?, get(&mut peer, &name)?);
                if here != there {
                    wrong.push(format!("{name} {value:?}: {here:?}, Redis {there:?}"));
                }
            }
        }
        let back = ["CONFIG", "SET", &name, &default];
        ours.command(&back)?;
        peer.command(&back)?;
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    ensure!(compared > 5000, "only {compared} values were compared");
    Ok(())
}

#[test]
fn it_words_its_refusals_as_redis_does() -> Result<()> {
    let (_server, mut ours, _peer, mut peer) = both()?;
    for command in [
        &["CONFIG"][..],
        &["CONFIG", "NOTHING"],
        &["CONFIG", "GET"],
        &["CONFIG", "SET", "a"],
        &["CONFIG", "SET", "a", "b", "c"],
        &["CONFIG", "SET", "a", "b"],
        &["CONFIG", "SET", "DIR", "/nonexistent"],
        &["CONFIG", "SET", "hz", "20", "nothing", "2"],
        &["CONFIG", "SET", "hz", "20", "daemonize", "yes", "nothing", "1"],
        &["CONFIG", "SET", "hz", "20", "HZ", "30"],
        &["CONFIG", "SET", "hz", "20", "slave-priority", "x"],
        &["CONFIG", "REWRITE"],
        &["CONFIG", "RESETSTAT"],
        &["CONFIG", "RESETSTAT", "x"],
        &["CONFIG", "GET", "HZ"],
    ] {
        assert_eq!(ours.command(command)?, peer.command(command)?, "{command:?}");
    }
    Ok(())
}
