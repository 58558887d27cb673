//! Random commands answered by this server and by a real one. The number of commands and the seed can be given:
//! `OCHRE_DIFFERENTIAL_COMMANDS=1000000 OCHRE_DIFFERENTIAL_SEED=7`.

use anyhow::{Context, Result};
use ochre_tests::differential::{Comparison, Grammar};
use ochre_tests::{Client, Peer, Server};

/// Thresholds low enough to be crossed all the time.
const TUNABLES: &[(&str, &[&str])] = &[
    ("hash-max-listpack-entries", &["4", "16", "128"]),
    ("hash-max-listpack-value", &["8", "64"]),
    ("zset-max-listpack-entries", &["4", "16", "128"]),
    ("zset-max-listpack-value", &["8", "64"]),
    ("set-max-intset-entries", &["4", "512"]),
    ("list-max-listpack-size", &["-2", "-1", "2", "5", "128"]),
    ("list-compress-depth", &["0", "1", "2"]),
    ("stream-node-max-entries", &["3", "100"]),
    ("stream-node-max-bytes", &["64", "4096"]),
    ("hll-sparse-max-bytes", &["40", "3000"]),
];

/// Starts of replies, ours and Redis 7.0's, that may differ.
const REDIS_EXPLAINED: &[(&str, &str)] = &[
    // It overflows where later versions refuse.
    ("-ERR timeout is out of range", "-ERR timeout is negative"),
    // It takes the error of an earlier command for one of this SORT: it never clears errno.
    ("*", "-ERR One or more scores can't be converted into double"),
];

/// Starts of replies, ours and Valkey's, that may differ.
const VALKEY_EXPLAINED: &[(&str, &str)] = &[
    // It keeps longer strings beside their key.
    ("$3\r\nraw", "$6\r\nembstr"),
    // It makes a hash large for a deadline that a condition then forbids.
    ("$8\r\nlistpack", "$9\r\nhashtable"),
    // Which form a stored set has depends on the order of its members in the source, which is random there.
    ("$9\r\nhashtable", "$8\r\nlistpack"),
];

/// For DEBUG DIGEST; and Redis looks as often as this whether a timeout is over.
const DEBUG: &[&str] = &["--enable-debug-command", "yes", "--hz", "500"];

fn number(name: &str, otherwise: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name}={text}")),
        Err(_) => Ok(otherwise),
    }
}

fn compare(
    grammar: &str,
    explained: &[(&'static str, &'static str)],
    ours: [Client; 2],
    theirs: [Client; 2],
) -> Result<()> {
    let seed = number("OCHRE_DIFFERENTIAL_SEED", 1)?;
    let count = number("OCHRE_DIFFERENTIAL_COMMANDS", 30_000)?;
    println!("OCHRE_DIFFERENTIAL_SEED={seed} OCHRE_DIFFERENTIAL_COMMANDS={count}");
    let mut comparison = Comparison::new(ours, theirs, seed)?;
    comparison.tunables = TUNABLES.to_vec();
    comparison.explained = explained.to_vec();
    comparison.run(&Grammar::parse(grammar)?, count as usize)
}

#[test]
fn replies_and_data_are_those_of_redis() -> Result<()> {
    let server = Server::start(&[DEBUG, &["--compatibility-level", "7.0"]].concat())?;
    let peer = Peer::start(DEBUG)?;
    let (ours, theirs) = ([server.client()?, server.client()?], [peer.client()?, peer.client()?]);
    compare(include_str!("../differential/redis-7.0.txt"), REDIS_EXPLAINED, ours, theirs)
}

#[test]
fn replies_and_data_are_those_of_valkey() -> Result<()> {
    let server = Server::start(DEBUG)?;
    let peer = Peer::valkey(DEBUG)?;
    let (ours, theirs) = ([server.client()?, server.client()?], [peer.client()?, peer.client()?]);
    compare(include_str!("../differential/valkey-9.1.txt"), VALKEY_EXPLAINED, ours, theirs)
}

#[test]
fn a_redis_agrees_with_itself_and_with_no_other() -> Result<()> {
    let (redis, same) = (Peer::start(DEBUG)?, Peer::start(DEBUG)?);
    let clients = |peer: &Peer| -> Result<[Client; 2]> { Ok([peer.client()?, peer.client()?]) };
    let run = |ours: &Peer, theirs: &Peer| {
        let mut comparison = Comparison::new(clients(ours)?, clients(theirs)?, 1)?;
        comparison.run(&Grammar::parse(include_str!("../differential/redis-7.0.txt"))?, 4_000)
    };
    run(&redis, &same)?;
    let other = Peer::start(&[DEBUG, &["--zset-max-listpack-entries", "2"]].concat())?;
    let difference = run(&redis, &other).expect_err("an encoding differs");
    assert!(format!("{difference:#}").contains("OBJECT"), "{difference:#}");
    Ok(())
}
