//! Two servers side by side.

use super::frame::{Frame, Order};
use super::grammar::{Command, Grammar};
use crate::Client;
use anyhow::{Result, bail, ensure};
use fastrand::Rng;

/// Commands sent in one go.
const PIPELINE: usize = 32;
/// Commands between two comparisons of all data.
const ROUND: usize = 512;
/// Rounds after which both servers are emptied.
const ROUNDS_A_LIFE: usize = 6;
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
                let commands: Vec<_> = (0..PIPELINE).map(|_| grammar.command(&mut self.rng)).collect();
                self.send(&commands)?;
            }
            self.compare_data()?;
        }
        Ok(())
    }

    fn send(&mut self, commands: &[Command]) -> Result<()> {
        let version = usize::from(self.rng.bool());
        let bytes = commands.iter().flat_map(Command::encode).collect::<Vec<_>>();
        self.ours[version].send(&bytes)?;
        self.theirs[version].send(&bytes)?;
        for command in commands {
            self.history.push(command.show());
            let ours = Frame::read(&mut self.ours[version]);
            let theirs = Frame::read(&mut self.theirs[version]);
            let (Ok(ours), Ok(theirs)) = (ours, theirs) else { bail!("no reply{}", self.story()) };
            let (ours, theirs) = (ours.normal(command.order), theirs.normal(command.order));
            if ours != theirs && !self.is_explained(&ours, &theirs) {
                let (ours, theirs, protocol) = (ours.show(), theirs.show(), version + 2);
                bail!("RESP{protocol}: different replies\n  ours:   {ours}\n  theirs: {theirs}{}", self.story());
            }
        }
        Ok(())
    }

    fn is_explained(&self, ours: &Frame, theirs: &Frame) -> bool {
        self.explained.iter().any(|(our, their)| ours.starts_with(our) && theirs.starts_with(their))
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
            let (ours, theirs) = self.both(&["DEBUG", "DIGEST-VALUE", &key])?;
            if ours != theirs {
                different += &format!("\n  {key}: ours {}, theirs {}", ours.show(), theirs.show());
            }
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
        let bytes = Command { words, order: Order::Counts }.encode();
        let ask = |client: &mut Client| {
            client.send(&bytes)?;
            Frame::read(client)
        };
        Ok((ask(&mut self.ours[0])?, ask(&mut self.theirs[0])?))
    }

    /// What was sent last, the last at the bottom.
    fn story(&self) -> String {
        let from = self.history.len().saturating_sub(HISTORY);
        let lines = self.history[from..].iter().map(|line| format!("\n  > {line}"));
        format!("\nafter{}", lines.collect::<String>())
    }
}
