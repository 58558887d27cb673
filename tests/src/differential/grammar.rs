//! Templates of commands.
//!
//! ```text
//! # a comment; a line is: [mark] template
//! LPUSH <list> <element>+          a placeholder, and one to four of it
//! ~ SMEMBERS <set>                 the reply's order is free; ~2 of pairs, ~s and ~s2 behind a cursor, ~z scores, ~k kind only
//! SET <key> <text> [NX|XX] [GET]   optional parts; alternatives
//! ZADD <zset> {<score> <member>}+  a group
//! ```

use super::frame::Order;
use super::words::word;
use anyhow::{Context, Result, bail};
use fastrand::Rng;

/// What stands in lines that must be sent as they are.
const NEVER_ODD: &[&str] = &[
    // A large count makes a random choice a certain one.
    "1000",
    // A cursor must be 0.
    "SCAN",
    // Valkey takes a negative offset for one from the end, but only in the larger encoding.
    "BYSCORE",
    // An ID can be the server's choice.
    "XADD",
    // Names have an order only where all scores are equal.
    "<lex!>",
    // Valkey takes 32 bits of the index in LSET, and 63 of the number of fields in HSETEX.
    "<place>",
    "HSETEX",
    // In Redis the sum overflows by which it saturates, and a very small number becomes the largest.
    "<bounded>",
    // Valkey removes at once what is set with a deadline in the past, others when they find it.
    "EXAT <seconds>",
    // It may be too long.
    "<timeout>",
    "<wait>",
    // Redis 7.0 knows no option of these.
    "ZRANK",
    "ZREVRANK",
];

/// Templates to choose from.
#[derive(Debug)]
pub struct Grammar {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    order: Order,
    /// Whether it may be sent with something missing, or with a word that does not belong there.
    may_be_odd: bool,
    template: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Literal(String),
    Placeholder(String),
    Optional(Vec<Part>),
    /// One of several.
    Choice(Vec<Vec<Part>>),
    /// One to four times.
    Repeated(Box<Part>),
}

/// A command to send.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) words: Vec<Vec<u8>>,
    pub(super) order: Order,
}

impl Command {
    /// The command on the wire.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = format!("*{}\r\n", self.words.len()).into_bytes();
        for word in &self.words {
            out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            out.extend_from_slice(word);
            out.extend_from_slice(b"\r\n");
        }
        out
    }

    /// Its name, in small letters.
    pub(super) fn name(&self) -> Vec<u8> {
        self.words.first().map(|word| word.to_ascii_lowercase()).unwrap_or_default()
    }

    /// The command for people.
    pub(super) fn show(&self) -> String {
        let words = self.words.iter().map(|word| format!("{:?}", word.escape_ascii().to_string()));
        words.collect::<Vec<_>>().join(" ")
    }
}

impl Grammar {
    /// Reads templates. Errs with the line that cannot be understood.
    pub fn parse(text: &str) -> Result<Grammar> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let lines = lines.map(|line| Line::parse(line).with_context(|| format!("template {line:?}")));
        Ok(Grammar { lines: lines.collect::<Result<_>>()? })
    }

    /// A random command; now and then one that is wrong.
    pub(super) fn command(&self, rng: &mut Rng) -> Command {
        let line = &self.lines[rng.usize(..self.lines.len())];
        let mut words = Vec::new();
        expand_all(&line.template, rng, &mut words);
        if line.may_be_odd && words.len() > 2 && rng.u32(..60) == 0 {
            let at = rng.usize(2..words.len());
            match rng.u32(..3) {
                0 => drop(words.remove(at)),
                1 => words.insert(at, word("odd", rng)),
                _ => words[at] = word("odd", rng),
            }
        }
        Command { words, order: line.order }
    }
}

impl Line {
    fn parse(line: &str) -> Result<Line> {
        let (mark, rest) = line.split_once(' ').filter(|(mark, _)| mark.starts_with('~')).unwrap_or(("", line));
        let order = match mark {
            "" => Order::Counts,
            "~" => Order::Free,
            "~2" => Order::FreePairs,
            "~s" => Order::FreeScan,
            "~s2" => Order::FreeScanPairs,
            "~z" => Order::FreeScanScores,
            "~k" => Order::Kind,
            other => bail!("unknown mark {other}"),
        };
        let mut parser = Parser { rest };
        let template = parser.sequence()?;
        if !parser.rest.is_empty() {
            bail!("unexpected {:?}", parser.rest);
        }
        let may_be_odd = !NEVER_ODD.iter().any(|word| line.contains(word));
        Ok(Line { order, may_be_odd, template })
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    /// Parts up to an end of a group.
    fn sequence(&mut self) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            let Some(next) = self.rest.chars().next() else { return Ok(parts) };
            if matches!(next, ']' | '}' | '|') {
                return Ok(parts);
            }
            let mut part = self.part(next)?;
            if let Some(rest) = self.rest.strip_prefix('+') {
                self.rest = rest;
                part = Part::Repeated(Box::new(part));
            }
            parts.push(part);
        }
    }

    fn part(&mut self, next: char) -> Result<Part> {
        Ok(match next {
            '[' => Part::Optional(vec![self.group(']')?]),
            '{' => self.group('}')?,
            '<' => {
                let (name, rest) = self.rest[1..].split_once('>').context("no end of a placeholder")?;
                self.rest = rest;
                Part::Placeholder(name.to_owned())
            }
            _ => {
                let end = self.rest.find([' ', ']', '}', '|']).unwrap_or(self.rest.len());
                let (literal, rest) = self.rest.split_at(end);
                self.rest = rest;
                Part::Literal(literal.to_owned())
            }
        })
    }

    /// Alternatives up to `end`.
    fn group(&mut self, end: char) -> Result<Part> {
        let mut choices = Vec::new();
        loop {
            self.rest = self.rest.get(1..).unwrap_or_default();
            choices.push(self.sequence()?);
            match self.rest.chars().next() {
                Some('|') => {}
                Some(found) if found == end => break,
                other => bail!("expected {end:?}, found {other:?}"),
            }
        }
        self.rest = &self.rest[1..];
        Ok(Part::Choice(choices))
    }
}

fn expand_all(parts: &[Part], rng: &mut Rng, words: &mut Vec<Vec<u8>>) {
    parts.iter().for_each(|part| expand(part, rng, words));
}

fn expand(part: &Part, rng: &mut Rng, words: &mut Vec<Vec<u8>>) {
    match part {
        Part::Literal(text) if rng.u32(..20) == 0 => words.push(text.to_lowercase().into_bytes()),
        Part::Literal(text) => words.push(text.clone().into_bytes()),
        Part::Placeholder(name)
            if rng.u32(..150) == 0
                // What a key of its own kind holds decides whether an order counts.
                && !name.ends_with('!')
                && !["key", "count", "newid", "place", "bounded", "seconds", "millis", "timeout", "wait"]
                    .contains(&name.as_str()) =>
        {
            words.push(word("odd", rng))
        }
        Part::Placeholder(name) => words.push(word(name, rng)),
        Part::Optional(parts) => {
            if rng.bool() {
                expand_all(parts, rng, words);
            }
        }
        Part::Choice(choices) => expand_all(&choices[rng.usize(..choices.len())], rng, words),
        Part::Repeated(part) => (0..rng.u32(1..5)).for_each(|_| expand(part, rng, words)),
    }
}
