//! What a handler says when it has to wait.

use crate::args::parse_float;
use crate::error::{self, CommandError};
use crate::server::Server;
use ochre_resp::reply::ReplyWriter;
use ochre_store::Type;
use std::ops::Range;

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitKind {
    /// A list among the keys. Whoever comes first takes: the others are not tried while it has to go on waiting.
    List,
    /// A sorted set among the keys, likewise.
    SortedSet,
    /// News in one of the streams, which each waiter judges for itself.
    Stream,
    /// As `Stream`, but also run again when the key is deleted or becomes another type.
    StreamGroup,
    /// No key: what replicas have applied. Ended by [`Blocked::each_keyless`](super::Blocked::each_keyless).
    Replication,
    /// No key: what has reached disks, here and those of replicas. Ended likewise.
    Durability,
    /// No key: the end of the process. CLIENT UNBLOCK does not end it.
    Shutdown,
}

impl WaitKind {
    /// Whether a key with a value of that type is what this waits for.
    pub fn wants(self, kind: Type) -> bool {
        match self {
            WaitKind::List | WaitKind::SortedSet | WaitKind::Stream | WaitKind::StreamGroup => {
                crate::commands::generic::type_name(kind) == self.type_name()
            }
            WaitKind::Replication | WaitKind::Durability | WaitKind::Shutdown => false,
        }
    }
    /// Whether only the first in the queue can profit.
    pub(crate) fn is_taken_by_one(self) -> bool {
        matches!(self, WaitKind::List | WaitKind::SortedSet)
    }
    /// Whether it is also woken by the end of its key.
    pub(crate) fn minds_absence(self) -> bool {
        self == WaitKind::StreamGroup
    }
    /// Whether CLIENT UNBLOCK ends it.
    pub(crate) fn can_be_unblocked(self) -> bool {
        self != WaitKind::Shutdown
    }
    fn type_name(self) -> &'static str {
        match self {
            WaitKind::List => "list",
            WaitKind::SortedSet => "zset",
            WaitKind::Stream | WaitKind::StreamGroup => "stream",
            WaitKind::Replication | WaitKind::Durability | WaitKind::Shutdown => "",
        }
    }
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(Option<i64>);

impl Timeout {
    /// No end.
    pub const NEVER: Timeout = Timeout(None);

    /// Reads seconds, with fractions; 0 is no end. Milliseconds are rounded up.
    ///
    /// # Errors
    /// The text of the wire: no number, negative, or beyond what the clock can tell from `now_ms`.
    pub fn seconds(text: &[u8], now_ms: i64) -> Result<Timeout, CommandError> {
        let seconds = parse_float(text).ok_or(error::TIMEOUT_NOT_FLOAT)?;
        let millis = (seconds * 1000.0).ceil();
        if millis < 0.0 {
            return Err(error::TIMEOUT_NEGATIVE);
        }
        // 2^63 is the first float that is too large.
        if millis >= 9_223_372_036_854_775_808.0 {
            return Err(error::TIMEOUT_OUT_OF_RANGE);
        }
        Timeout::of(millis as i64, now_ms)
    }
    /// Reads whole milliseconds; 0 is no end.
    ///
    /// # Errors
    /// As [`Timeout::seconds`].
    pub fn millis(text: &[u8], now_ms: i64) -> Result<Timeout, CommandError> {
        let millis = crate::args::parse_int(text).ok_or(error::TIMEOUT_NOT_INTEGER)?;
        if millis < 0 { Err(error::TIMEOUT_NEGATIVE) } else { Timeout::of(millis, now_ms) }
    }
    /// Milliseconds from now; `None`: no end.
    pub fn as_millis(self) -> Option<u64> {
        self.0.map(i64::unsigned_abs)
    }
    fn of(millis: i64, now_ms: i64) -> Result<Timeout, CommandError> {
        now_ms.checked_add(millis).ok_or(error::TIMEOUT_OUT_OF_RANGE)?;
        Ok(Timeout((millis > 0).then_some(millis)))
    }
}

/// Writes a reply from what the server knows at that moment.
pub type MakeReply = dyn Fn(&Server, &mut ReplyWriter<'_>) + Send + Sync;

/// What is answered when the time is over, or when waiting is not allowed.
pub enum TimeoutReply {
    /// A null array.
    NullArray,
    /// A null array when the time is over, a null where waiting is not allowed (BLMOVE and its kin).
    NullIfDenied,
    /// Whatever this writes, at that moment.
    Made(Box<MakeReply>),
}

impl TimeoutReply {
    /// Writes the reply; `denied`: because waiting is not allowed.
    pub(crate) fn write(&self, server: &Server, reply: &mut ReplyWriter<'_>, denied: bool) {
        match self {
            TimeoutReply::NullIfDenied if denied => reply.null(),
            TimeoutReply::NullArray | TimeoutReply::NullIfDenied => reply.null_array(),
            TimeoutReply::Made(write) => write(server, reply),
        }
    }
}

impl std::fmt::Debug for TimeoutReply {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            TimeoutReply::NullArray => "NullArray",
            TimeoutReply::NullIfDenied => "NullIfDenied",
            TimeoutReply::Made(_) => "Made",
        })
    }
}

/// A command's wish to wait; see [`Context::block`](crate::context::Context::block).
#[derive(Debug)]
pub struct Block {
    /// What it waits for.
    pub kind: WaitKind,
    /// The arguments that are keys to wait for; empty for the kinds without keys. Keys named twice do no harm.
    pub keys: Range<usize>,
    /// The argument that is a key the command writes to when it is served (BLMOVE), if any.
    pub destination: Option<usize>,
    /// How long.
    pub timeout: Timeout,
    /// The answer when the time is over.
    pub otherwise: TimeoutReply,
    /// Arguments to be replaced in the line that is run again, by index: `$` of XREAD becomes an id.
    pub rewritten: Vec<(usize, Vec<u8>)>,
}

impl Block {
    /// A wish to wait for `keys`, answered with a null array when the time is over.
    pub fn on_keys(kind: WaitKind, keys: Range<usize>, timeout: Timeout) -> Block {
        Block { kind, keys, destination: None, timeout, otherwise: TimeoutReply::NullArray, rewritten: Vec::new() }
    }
    /// A wish to wait for something that is no key, answered with what `otherwise` writes when the time is over.
    pub fn without_keys(
        kind: WaitKind,
        timeout: Timeout,
        otherwise: impl Fn(&Server, &mut ReplyWriter<'_>) + Send + Sync + 'static,
    ) -> Block {
        let otherwise = TimeoutReply::Made(Box::new(otherwise));
        Block { otherwise, ..Block::on_keys(kind, 0..0, timeout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Replies of Valkey 9.1 to BLPOP and XREAD BLOCK.
    #[test]
    fn timeouts() {
        const NOW_MS: i64 = 1_700_000_000_000;
        let text = |result: Result<Timeout, CommandError>| result.map_err(|error| error.text().into_owned());
        let negative = Err("ERR timeout is negative".to_owned());
        let out_of_range = Err("ERR timeout is out of range".to_owned());
        let not_float = Err("ERR timeout is not a float or out of range".to_owned());
        let not_integer = Err("ERR timeout is not an integer or out of range".to_owned());
        for (given, expected) in [
            ("0", Ok(Timeout::NEVER)),
            ("0.0001", Ok(Timeout(Some(1)))),
            ("1.5", Ok(Timeout(Some(1500)))),
            ("-0", Ok(Timeout::NEVER)),
            ("-1", negative.clone()),
            ("-inf", negative.clone()),
            ("inf", out_of_range.clone()),
            ("1e300", out_of_range.clone()),
            ("9223372036854775", out_of_range.clone()),
            ("nan", not_float.clone()),
            ("abc", not_float.clone()),
            ("", not_float.clone()),
            (" 1", not_float),
        ] {
            assert_eq!(text(Timeout::seconds(given.as_bytes(), NOW_MS)), expected, "{given:?}");
        }
        for (given, expected) in [
            ("0", Ok(Timeout::NEVER)),
            ("20", Ok(Timeout(Some(20)))),
            ("-1", negative),
            ("9223372036854775807", out_of_range),
            ("1.5", not_integer),
        ] {
            assert_eq!(text(Timeout::millis(given.as_bytes(), NOW_MS)), expected, "{given:?}");
        }
    }
}
