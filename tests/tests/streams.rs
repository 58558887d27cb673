//! Commands that wait for streams, side by side with real servers.

use anyhow::{Context, Result};
use ochre_tests::{Client, Peer, Server, await_that};

/// Clients that begin to wait one after the other; then what another one does; then the waiters are answered.
struct Scene {
    before: &'static [&'static str],
    waiters: &'static [&'static str],
    then: &'static [&'static str],
}

const SCENES: &[Scene] = &[
    Scene {
        before: &["XADD s 1-1 a b"],
        waiters: &["XREAD BLOCK 0 STREAMS s $", "XREAD BLOCK 0 STREAMS s s 1-1 $", "XREAD BLOCK 0 STREAMS t s $ 1-1"],
        then: &["XADD s 2-1 a c", "XADD s 3-1 a d"],
    },
    // What is of another type, or has no entry for a client, does not end its wait.
    Scene {
        before: &[],
        waiters: &["XREAD BLOCK 0 STREAMS s 5-0", "XREAD BLOCK 0 COUNT 3 STREAMS s t $ $"],
        then: &[
            "SET s x",
            "DEL s",
            "XGROUP CREATE s g $ MKSTREAM",
            "XADD s 5-0 a b",
            "XADD t 1-1 a b",
            "XADD s 6-0 a c",
        ],
    },
    Scene {
        before: &["XGROUP CREATE s g $ MKSTREAM"],
        waiters: &[
            "XREADGROUP GROUP g first BLOCK 0 STREAMS s >",
            "XREADGROUP GROUP g second BLOCK 0 STREAMS s >",
            "XREAD BLOCK 0 STREAMS s $",
            "XREADGROUP GROUP g third BLOCK 0 NOACK STREAMS s >",
        ],
        then: &["XADD s 1-1 a b", "XADD s 2-1 a c", "XADD s 3-1 a d", "XPENDING s g"],
    },
    Scene {
        before: &["XGROUP CREATE s g $ MKSTREAM", "XGROUP CREATE s h $", "XGROUP CREATE t g $ MKSTREAM"],
        waiters: &[
            "XREADGROUP GROUP g c BLOCK 0 STREAMS s >",
            "XREADGROUP GROUP h c BLOCK 0 STREAMS s >",
            "XREADGROUP GROUP g d BLOCK 0 STREAMS t s > >",
        ],
        then: &["XGROUP DESTROY s g", "XADD s 1-1 a b"],
    },
    Scene {
        before: &["XGROUP CREATE s g $ MKSTREAM"],
        waiters: &["XREADGROUP GROUP g c BLOCK 0 STREAMS s >", "XREAD BLOCK 0 STREAMS s $"],
        then: &["DEL s", "XADD s 1-1 a b"],
    },
    Scene {
        before: &["XGROUP CREATE s g $ MKSTREAM"],
        waiters: &["XREADGROUP GROUP g c BLOCK 0 STREAMS s >"],
        then: &["SET s x", "DEL s"],
    },
    Scene {
        before: &["XGROUP CREATE s g $ MKSTREAM"],
        waiters: &["XREADGROUP GROUP g c BLOCK 0 STREAMS s >"],
        then: &["FLUSHALL"],
    },
    Scene {
        before: &["XGROUP CREATE s g $ MKSTREAM", "XADD t 1-1 a b"],
        waiters: &["XREADGROUP GROUP g c BLOCK 0 STREAMS s >"],
        then: &["XGROUP CREATE t g 0", "RENAME t s"],
    },
    // Who waits for what a group has not got is served what it then has not got.
    Scene {
        before: &["XADD s 1-1 a b", "XADD s 2-1 a c", "XGROUP CREATE s g $"],
        waiters: &["XREADGROUP GROUP g c BLOCK 0 STREAMS s >"],
        then: &["XGROUP SETID s g 1-1", "XADD s 3-1 a d"],
    },
    Scene { before: &[], waiters: &[], then: &["XREAD BLOCK 10 STREAMS s $", "XREAD BLOCK 10 STREAMS s t 0 0"] },
];

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

fn await_blocked(control: &mut Client, count: usize) -> Result<()> {
    await_that(&format!("{count} blocked clients"), || {
        let text = control.command(&["INFO", "clients"])?.text()?;
        Ok(text.lines().any(|line| line == format!("blocked_clients:{count}")))
    })
}

/// All replies of a scene, those of the waiters last.
fn play(scene: &Scene, protocol: &str, client: &dyn Fn() -> Result<Client>) -> Result<Vec<String>> {
    let mut control = client()?;
    control.command(&["FLUSHALL"])?;
    let mut replies = Vec::new();
    for line in scene.before {
        replies.push(format!("{:?}", control.command(&words(line))?));
    }
    let mut waiters = Vec::new();
    for line in scene.waiters {
        let mut waiter = client()?;
        waiter.command(&["HELLO", protocol])?;
        waiter.send(format!("{line}\r\n").as_bytes())?;
        waiters.push(waiter);
        await_blocked(&mut control, waiters.len())?;
    }
    for line in scene.then {
        replies.push(format!("{:?}", control.command(&words(line))?));
    }
    for (mut waiter, line) in waiters.into_iter().zip(scene.waiters) {
        replies.push(format!("{line}: {:?}", waiter.read_reply().with_context(|| format!("{line} waits"))?));
    }
    Ok(replies)
}

fn compare(level: &str, peer: &Peer) -> Result<()> {
    for workers in ["1", "3"] {
        let server = Server::start(&["--compatibility-level", level, "--worker-threads", workers])?;
        for (number, scene) in SCENES.iter().enumerate() {
            for protocol in ["2", "3"] {
                let ours = play(scene, protocol, &|| server.client())?;
                let theirs = play(scene, protocol, &|| peer.client())?;
                assert_eq!(ours, theirs, "scene {number}, {workers} workers, RESP{protocol}");
            }
        }
    }
    Ok(())
}

#[test]
fn waiters_get_what_they_get_from_redis() -> Result<()> {
    compare("7.0", &Peer::start(&[])?)
}

#[test]
fn waiters_get_what_they_get_from_valkey() -> Result<()> {
    compare("native", &Peer::valkey(&[])?)
}
