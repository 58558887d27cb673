//! Two servers side by side.

use super::frame::{Frame, Order};
use super::grammar::{Command, Grammar};
use super::words;
use crate::Client;
use anyhow::{Result, bail, ensure};
use fastrand::Rng;

/// Commands sent in one go.
const PIPELINE: usize = 64;
/// Commands between two comparisons of all data.
const ROUND: usize = 512;
/// Rounds after which both servers are emptied.
const ROUNDS_A_LIFE: usize = 6;
/// Of so many batches, one is made of transactions.
const BATCHES_A_TRANSACTION: u32 = 4;
/// Commands of a transaction, at most.
const TRANSACTION: usize = 8;
/// Of so many batches, one is followed by an exchange of values.
const BATCHES_AN_EXCHANGE: u32 = 4;
/// Of so many rounds, one ends with all data saved and loaded again.
const ROUNDS_A_RELOAD: u32 = 8;
/// Commands shown when a difference is found.
const HISTORY: usize = 4000;

/// A server and the one it is compared with, each with a connection for either protocol version.
pub struct Comparison {
    ours: [Client; 2],
    theirs: [Client; 2],
    rng: Rng,
    /// Directives that are set to one of these values at the start of a round.
    pub tunables: Vec<(&'static str, &'static [&'static str])>,
    /// Starts of replies, ours and theirs, that differ for a good reason.
    pub explained: Vec<(&'static str, &'static str)>,
    /// What is queued on each connection.
    queued: [Vec<Order>; 2],
    history: Vec<String>,
}

impl Comparison {
    /// Two servers, with two connections each.
    pub fn new(mut ours: [Client; 2], mut theirs: [Client; 2], seed: u64) -> Result<Comparison> {
        for clients in [&mut ours, &mut theirs] {
            clients[1].command(&["HELLO", "3"])?;
        }
        Ok(Comparison {
            ours,
            theirs,
            rng: Rng::with_seed(seed),
            tunables: Vec::new(),
            explained: Vec::new(),
            queued: Default::default(),
            history: Vec::new(),
        })
    }

    /// Sends at least `count` commands. Errs with the first difference, and with what led to it.
    pub fn run(&mut self, grammar: &Grammar, count: usize) -> Result<()> {
        for round in 0..count.div_ceil(ROUND) {
            if round % ROUNDS_A_LIFE == 0 {
                self.exactly(&["FLUSHALL"])?;
                self.history.clear();
            }
            for index in 0..self.tunables.len() {
                let (name, values) = self.tunables[index];
                let value = values[self.rng.usize(..values.len())];
                self.exactly(&["CONFIG", "SET", name, value])?;
                self.history.push(format!("CONFIG SET {name} {value}"));
            }
            for _ in 0..ROUND / PIPELINE {
                let commands = self.batch(grammar);
                self.send(&commands)?;
                if self.rng.u32(..BATCHES_AN_EXCHANGE) == 0 {
                    self.exchange()?;
                }
            }
            self.compare_data()?;
            if self.rng.u32(..ROUNDS_A_RELOAD) == 0 {
                self.history.push("DEBUG RELOAD".to_owned());
                self.exactly(&["DEBUG", "RELOAD"])?;
                self.compare_data()?;
            }
        }
        Ok(())
    }

    /// Commands for one connection, now and then in transactions.
    fn batch(&mut self, grammar: &Grammar) -> Vec<Command> {
        let mut commands: Vec<_> = (0..PIPELINE).map(|_| grammar.command(&mut self.rng)).collect();
        if self.rng.u32(..BATCHES_A_TRANSACTION) > 0 {
            return commands;
        }
        let plain = |words: &[&str]| {
            let words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
            Command { words, order: Order::Counts }
        };
        let mut at = 0;
        while at < commands.len() {
            commands.insert(at, plain(&["MULTI"]));
            at = (at + 1 + self.rng.usize(..TRANSACTION)).min(commands.len());
            let end = if self.rng.u32(..8) == 0 { "DISCARD" } else { "EXEC" };
            commands.insert(at, plain(&[end]));
            at += 1 + self.rng.usize(..TRANSACTION);
        }
        // What a command that does not belong there has left open.
        commands.push(plain(&["DISCARD"]));
        commands
    }

    fn send(&mut self, commands: &[Command]) -> Result<()> {
        let version = usize::from(self.rng.bool());
        let bytes = commands.iter().flat_map(Command::encode).collect::<Vec<_>>();
        self.ours[version].send(&bytes)?;
        self.theirs[version].send(&bytes)?;
        for command in commands {
            self.history.push(format!("{} {}", version + 2, command.show()));
            let ours = Frame::read(&mut self.ours[version]);
            let theirs = Frame::read(&mut self.theirs[version]);
            let (ours, theirs) = match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => (ours, theirs),
                (ours, theirs) => {
                    let who =
                        |reply: &Result<Frame>| reply.as_ref().map_or_else(|error| format!("{error:#}"), Frame::show);
                    bail!("no reply\n  ours:   {}\n  theirs: {}{}", who(&ours), who(&theirs), self.story());
                }
            };
            let queued = &mut self.queued[version];
            let (ours, theirs) = match command.name().as_slice() {
                b"exec" => {
                    let orders = std::mem::take(queued);
                    (ours.normal_each(&orders), theirs.normal_each(&orders))
                }
                name => {
                    if name == b"discard" {
                        queued.clear();
                    } else if theirs.starts_with("+QUEUED") {
                        queued.push(command.order);
                    }
                    (ours.normal(command.order), theirs.normal(command.order))
                }
            };
            if !ours.agrees(&theirs, &self.explained) {
                let (ours, theirs, protocol) = (ours.show(), theirs.show(), version + 2);
                bail!("RESP{protocol}: different replies\n  ours:   {ours}\n  theirs: {theirs}{}", self.story());
            }
        }
        Ok(())
    }

    /// Restores in each server what the other one has dumped.
    fn exchange(&mut self) -> Result<()> {
        let kind = words::kind(&mut self.rng);
        let [from, to] = [(); 2].map(|()| words::key(kind, &mut self.rng));
        let dump = Command { words: vec![b"DUMP".to_vec(), from], order: Order::Counts };
        let (ours, theirs) = self.both_of(&dump, &dump)?;
        let payloads = [theirs.bytes(), ours.bytes()];
        let [Some(for_us), Some(for_them)] = payloads else {
            ensure!(ours == theirs, "{}: ours {}, theirs {}{}", dump.show(), ours.show(), theirs.show(), self.story());
            return Ok(());
        };
        let mut tail: Vec<&[u8]> = Vec::new();
        if self.rng.u32(..4) > 0 {
            tail.push(b"REPLACE");
        }
        let deadline = if self.rng.u32(..4) == 0 { words::word("millis", &mut self.rng) } else { b"0".to_vec() };
        tail.push(b"ABSTTL");
        let restore = |payload: &[u8]| {
            let words = [b"RESTORE".as_slice(), &to, &deadline, payload];
            let words = words.iter().chain(&tail).map(|word| word.to_vec()).collect();
            Command { words, order: Order::Counts }
        };
        let (ours_gets, theirs_gets) = (restore(for_us), restore(for_them));
        self.history.push(format!("{} and then in the other server:", dump.show()));
        self.history.push(theirs_gets.show());
        self.history.push(format!("here: {}", ours_gets.show()));
        let (ours, theirs) = self.both_of(&ours_gets, &theirs_gets)?;
        ensure!(ours == theirs, "different replies: ours {}, theirs {}{}", ours.show(), theirs.show(), self.story());
        Ok(())
    }

    fn compare_data(&mut self) -> Result<()> {
        let digests = self.both(&["DEBUG", "DIGEST"])?;
        if digests.0 == digests.1 {
            return Ok(());
        }
        let keys = self.both(&["KEYS", "*"])?;
        let (ours, theirs) = (keys.0.normal(Order::Free), keys.1.normal(Order::Free));
        if ours != theirs {
            bail!("different keys\n  ours:   {}\n  theirs: {}{}", ours.show(), theirs.show(), self.story());
        }
        let mut different = String::new();
        for key in ours.texts() {
            for question in [&["DEBUG", "DIGEST-VALUE", &key][..], &["PEXPIRETIME", &key]] {
                let (ours, theirs) = self.both(question)?;
                if ours != theirs {
                    different += &format!("\n  {question:?}: ours {}, theirs {}", ours.show(), theirs.show());
                }
            }
        }
        for question in [&["DEBUG", "DIGEST"][..], &["INFO", "keyspace"]] {
            let (ours, theirs) = self.both(question)?;
            different += &format!("\n  {question:?}: ours {}, theirs {}", ours.show(), theirs.show());
        }
        bail!("different data{different}{}", self.story())
    }

    /// Sends a command whose replies must be the same.
    fn exactly(&mut self, words: &[&str]) -> Result<()> {
        let (ours, theirs) = self.both(words)?;
        ensure!(ours == theirs, "{words:?}: ours {}, theirs {}", ours.show(), theirs.show());
        Ok(())
    }

    fn both(&mut self, words: &[&str]) -> Result<(Frame, Frame)> {
        let words = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let command = Command { words, order: Order::Counts };
        self.both_of(&command, &command)
    }

    fn both_of(&mut self, ours: &Command, theirs: &Command) -> Result<(Frame, Frame)> {
        let ask = |client: &mut Client, command: &Command| {
            client.send(&command.encode())?;
            Frame::read(client)
        };
        Ok((ask(&mut self.ours[0], ours)?, ask(&mut self.theirs[0], theirs)?))
    }

    /// What was sent last, the last at the bottom.
    fn story(&self) -> String {
        let from = self.history.len().saturating_sub(HISTORY);
        let lines = self.history[from..].iter().map(|line| format!("\n  > {line}"));
        format!("\nafter{}", lines.collect::<String>())
    }
}
