//! Replies as they came, for exact comparison.

use anyhow::{Context, Result, bail};

use crate::Client;

/// A reply: its first line (and the bytes of a string), and what an aggregate holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Frame {
    head: Vec<u8>,
    items: Vec<Frame>,
}

/// How far the order of a reply's elements counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// It does.
    Counts,
    /// Elements may come in any order.
    Free,
    /// Pairs of elements may.
    FreePairs,
    /// So may the elements of the last one, behind a cursor, as the SCAN commands reply.
    FreeScan,
    /// So may the pairs of the last one, behind a cursor.
    FreeScanPairs,
    /// So may they, and how a score is written says nothing: Redis shows it as it stands in what was restored.
    FreeScanScores,
    /// Only the kind of reply is compared.
    Kind,
}

impl Frame {
    /// Reads one reply.
    pub(super) fn read(client: &mut Client) -> Result<Frame> {
        let mut head = client.read_until(b"\r\n")?;
        let line = String::from_utf8_lossy(head.get(1..).unwrap_or_default()).trim_end().to_owned();
        let count = || line.parse::<i64>().with_context(|| format!("not a length: {line:?}"));
        let mut items = Vec::new();
        match head.first() {
            Some(b'$' | b'=' | b'!') => {
                if let Ok(length) = usize::try_from(count()?) {
                    head.extend(client.read_exact(length + 2)?);
                }
            }
            Some(kind @ (b'*' | b'~' | b'>' | b'%')) => {
                let each = if *kind == b'%' { 2 } else { 1 };
                for _ in 0..count()?.max(0) * each {
                    items.push(Frame::read(client)?);
                }
            }
            Some(b'+' | b'-' | b':' | b',' | b'(' | b'#' | b'_') => {}
            other => bail!("unknown kind of reply: {other:?}"),
        }
        Ok(Frame { head, items })
    }

    /// The reply as it is compared.
    pub(super) fn normal(mut self, order: Order) -> Frame {
        // A map's pairs come in an order that says nothing.
        let is_map = self.head.first() == Some(&b'%');
        match order {
            Order::Counts => {}
            Order::Free if is_map => self.sort_pairs(),
            Order::Free => self.items.sort(),
            Order::FreePairs if self.items.iter().any(|item| !item.items.is_empty()) => self.items.sort(),
            Order::FreePairs => self.sort_pairs(),
            Order::FreeScan | Order::FreeScanPairs => {
                let inner = if order == Order::FreeScan { Order::Free } else { Order::FreePairs };
                if let Some(last) = self.items.pop() {
                    self.items.push(last.normal(inner));
                }
            }
            Order::FreeScanScores => {
                for score in self.items.iter_mut().skip(1).flat_map(|last| last.items.iter_mut().skip(1).step_by(2)) {
                    score.write_plainly();
                }
                return self.normal(Order::FreeScanPairs);
            }
            Order::Kind => {
                self.head.truncate(1);
                self.items.clear();
            }
        }
        self
    }

    /// Writes a number that is a string in the same way as others that stand for the same.
    fn write_plainly(&mut self) {
        let number = self.bytes().and_then(|text| std::str::from_utf8(text).ok()?.parse::<f64>().ok());
        if let Some(number) = number {
            self.head = format!("${number}").into_bytes();
        }
    }

    /// The reply of a transaction as it is compared: each of its replies for itself.
    pub(super) fn normal_each(mut self, orders: &[Order]) -> Frame {
        let items = std::mem::take(&mut self.items).into_iter().enumerate();
        let order = |nth| orders.get(nth).copied().unwrap_or(Order::Counts);
        self.items = items.map(|(nth, item)| item.normal(order(nth))).collect();
        self
    }

    /// Whether the replies are the same, but for what has an explanation: starts of replies, this one and the other.
    pub(super) fn agrees(&self, other: &Frame, explained: &[(&str, &str)]) -> bool {
        let has_explanation = || explained.iter().any(|(our, their)| self.starts_with(our) && other.starts_with(their));
        let same_shape = || self.head == other.head && self.items.len() == other.items.len();
        let each = || self.items.iter().zip(&other.items).all(|(item, other)| item.agrees(other, explained));
        self == other || has_explanation() || (same_shape() && each()) || self.is_as_near_as(other)
    }

    /// Whether both are decimals that stand for the same number and differ by one in the last digit: two of the shortest may
    /// be equally near, and either is right.
    fn is_as_near_as(&self, other: &Frame) -> bool {
        let number = |frame: &Frame| -> Option<(Vec<u8>, u8, f64)> {
            let lines = std::str::from_utf8(&frame.head).ok()?.strip_suffix("\r\n")?;
            let text = lines.rsplit(['\n', ',']).next().filter(|text| text.contains('.'))?;
            let (last, rest) = lines.as_bytes().split_last()?;
            Some((rest.to_vec(), *last, text.parse().ok()?))
        };
        match (number(self), number(other)) {
            (Some(one), Some(two)) => one.0 == two.0 && one.1.abs_diff(two.1) == 1 && one.2 == two.2,
            _ => false,
        }
    }

    /// The bytes of a string, if it is one.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        let rest = self.head.strip_prefix(b"$")?;
        let at = rest.iter().position(|byte| *byte == b'\n')?;
        rest.get(at + 1..)?.strip_suffix(b"\r\n")
    }

    fn sort_pairs(&mut self) {
        let items = std::mem::take(&mut self.items);
        let mut pairs: Vec<&[Frame]> = items.chunks(2).collect();
        pairs.sort();
        self.items = pairs.concat();
    }

    /// Whether the first line starts so.
    pub(super) fn starts_with(&self, text: &str) -> bool {
        self.head.starts_with(text.as_bytes())
    }

    /// The strings that an array holds.
    pub(super) fn texts(&self) -> Vec<String> {
        let text = |item: &Frame| {
            let lines = String::from_utf8_lossy(&item.head).into_owned();
            lines.split_once("\r\n").map(|(_, text)| text.trim_end_matches("\r\n").to_owned())
        };
        self.items.iter().filter_map(text).collect()
    }

    /// For people.
    pub(super) fn show(&self) -> String {
        let head = self.head.escape_ascii().to_string();
        let items: Vec<String> = self.items.iter().map(Frame::show).collect();
        if items.is_empty() { head } else { format!("{head}[{}]", items.join(" ")) }
    }
}
