//! Arguments that commands of streams have in common, and replies.

use crate::args::{Argv, Cursor};
use crate::config::Level;
use crate::error::{self, CommandError};
use ochre_resp::reply::ReplyWriter;
use ochre_store::stream::{Bound, Fields, References, Stream, StreamId, Trim, TrimTo};
use ochre_store::{Settings, Str};
use std::sync::atomic::Ordering::Relaxed;

/// An ID, whose number is zero where it is missing; neither `-` nor `+`.
///
/// # Errors
/// "Invalid stream ID".
#[inline]
pub(super) fn parse_id(text: &[u8]) -> Result<StreamId, CommandError> {
    StreamId::parse(text, 0).ok_or(error::STREAM_ID)
}

/// The start of a range, which a `(` may leave out.
///
/// # Errors
/// "Invalid stream ID", or that the range starts behind the greatest.
pub(super) fn parse_start(text: &[u8]) -> Result<StreamId, CommandError> {
    Bound::parse(text, 0).ok_or(error::STREAM_ID)?.start().ok_or(error::RANGE_START)
}

/// The end of a range, which a `(` may leave out.
///
/// # Errors
/// "Invalid stream ID", or that the range ends before the least.
pub(super) fn parse_end(text: &[u8]) -> Result<StreamId, CommandError> {
    Bound::parse(text, u64::MAX).ok_or(error::STREAM_ID)?.end().ok_or(error::RANGE_END)
}

/// Some IDs; a few of them take no memory.
pub(super) struct Ids {
    few: [StreamId; Ids::FEW],
    many: Vec<StreamId>,
    len: usize,
}

impl Ids {
    const FEW: usize = 8;

    /// The arguments in order.
    ///
    /// # Errors
    /// "Invalid stream ID" if one of them is none.
    pub(super) fn parse<'a>(arguments: impl ExactSizeIterator<Item = &'a [u8]>) -> Result<Ids, CommandError> {
        let mut ids = Ids { few: [StreamId::MIN; Ids::FEW], many: Vec::new(), len: arguments.len() };
        if ids.len > Ids::FEW {
            ids.many = arguments.map(parse_id).collect::<Result<_, _>>()?;
        } else {
            for (to, text) in ids.few.iter_mut().zip(arguments) {
                *to = parse_id(text)?;
            }
        }
        Ok(ids)
    }

    pub(super) fn as_slice(&self) -> &[StreamId] {
        if self.len > Ids::FEW { &self.many } else { self.few.get(..self.len).unwrap_or_default() }
    }
}

/// The options by which XADD and XTRIM trim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TrimArgs {
    to: Option<TrimTo>,
    approximate: bool,
    limit: Option<u64>,
    references: Option<References>,
    /// Where the threshold stands.
    threshold: usize,
}

/// KEEPREF, DELREF and ACKED.
const REFERENCES: &[(&str, References)] =
    &[("KEEPREF", References::Keep), ("DELREF", References::Delete), ("ACKED", References::Acked)];

/// What becomes of references to entries that go, if that is what the next argument says.
pub(super) fn parse_references(cursor: &mut Cursor<'_>) -> Option<References> {
    cursor.one_of(REFERENCES)
}

impl TrimArgs {
    /// Reads an option, if the next argument is one that has its value behind it; returns whether it was.
    ///
    /// # Errors
    /// What is wrong with its value, or that another option excludes it.
    pub(super) fn parse(&mut self, cursor: &mut Cursor<'_>, level: Level) -> Result<bool, CommandError> {
        let mut options = cursor.clone();
        if options.remaining() > 1 && self.parse_valued(&mut options)? {
            *cursor = options;
            return Ok(true);
        }
        if self.references.is_none() && level.trims_stream_references() {
            self.references = parse_references(cursor);
            return Ok(self.references.is_some());
        }
        Ok(false)
    }

    fn parse_valued(&mut self, options: &mut Cursor<'_>) -> Result<bool, CommandError> {
        if options.token("MAXLEN") {
            self.parse_approximation(options)?;
            let len = options.int()?;
            self.to = Some(TrimTo::MaxLen(u64::try_from(len).map_err(|_| error::MAXLEN_NEGATIVE)?));
        } else if options.token("MINID") {
            self.parse_approximation(options)?;
            self.to = Some(TrimTo::MinId(parse_id(options.bytes()?)?));
        } else if options.token("LIMIT") {
            self.limit = Some(u64::try_from(options.int()?).map_err(|_| error::LIMIT_NEGATIVE)?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// `=` or `~`, if something follows it.
    fn parse_approximation(&mut self, options: &mut Cursor<'_>) -> Result<(), CommandError> {
        if self.to.is_some() {
            return Err(error::TRIM_TWICE);
        }
        if options.remaining() > 1 {
            self.approximate = options.token("~");
            if !self.approximate {
                options.token("=");
            }
        }
        self.threshold = options.position();
        Ok(())
    }

    /// Arguments that say what an approximate trim has done to a stream, for others to do the same: with their indices.
    pub(super) fn outcome(&self, stream: Option<&Stream>) -> Vec<(usize, Vec<u8>)> {
        if !self.approximate {
            return Vec::new();
        }
        let threshold = match self.to {
            Some(TrimTo::MinId(_)) => {
                // That of an entry which may be deleted already, as Redis has it.
                let first = stream.and_then(|stream| stream.nodes().next());
                first.map_or(StreamId::MAX, |(id, _)| id).text().to_vec()
            }
            _ => stream.map_or(0, Stream::len).to_string().into_bytes(),
        };
        vec![(self.threshold - 1, b"=".to_vec()), (self.threshold, threshold)]
    }

    /// How to trim, if at all; `needed`: that must be said. `is_log`: the command comes from a log, where the threshold says
    /// all.
    ///
    /// # Errors
    /// Options that do not go together.
    pub(super) fn finish(
        mut self,
        needed: bool,
        settings: &Settings,
        is_log: bool,
    ) -> Result<Option<Trim>, CommandError> {
        if is_log && self.to.is_some() && !self.approximate {
            self.limit = None;
        }
        if self.to.is_none() && self.limit.is_some_and(|limit| limit > 0) {
            return Err(error::LIMIT_WITHOUT_TRIM);
        }
        if self.to.is_none() && needed {
            return Err(error::XTRIM_WITHOUT_TRIM);
        }
        if self.limit.is_some() && !self.approximate {
            return Err(error::LIMIT_OF_EXACT_TRIM);
        }
        let Some(to) = self.to else { return Ok(None) };
        let limit = match self.limit {
            Some(limit) => limit,
            None if self.approximate => Trim::usual_limit(settings.stream_node_max_entries.load(Relaxed)),
            None => 0,
        };
        Ok(Some(Trim { to, approximate: self.approximate, limit, references: self.references.unwrap_or_default() }))
    }
}

/// The fields and values from argument `from` on.
pub(super) fn pairs<'a>(argv: Argv<'a>, from: usize) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone {
    (from..argv.len()).step_by(2).map(move |index| (argv.at(index), argv.at(index + 1)))
}

/// Writes an ID.
#[inline]
pub(super) fn write_id(reply: &mut ReplyWriter<'_>, id: StreamId) {
    reply.bulk(&*id.text());
}

/// Writes an entry: its ID, then its fields and values.
#[inline]
pub(super) fn write_entry(reply: &mut ReplyWriter<'_>, id: StreamId, fields: Fields<'_>) {
    reply.array(2);
    write_id(reply, id);
    reply.array(fields.len() * 2);
    for (field, value) in fields {
        write_value(reply, field);
        write_value(reply, value);
    }
}

/// Writes entries, `count` at most (0 means all), as an array.
pub(super) fn write_entries<'s>(
    reply: &mut ReplyWriter<'_>,
    entries: impl Iterator<Item = (StreamId, Fields<'s>)>,
    count: u64,
) {
    let list = reply.deferred_array();
    let mut written = 0;
    for (id, fields) in entries {
        write_entry(reply, id, fields);
        written += 1;
        if written as u64 == count {
            break;
        }
    }
    reply.set_len(list, written);
}

#[inline]
fn write_value(reply: &mut ReplyWriter<'_>, value: Str<'_>) {
    match value {
        Str::Int(number) => reply.bulk_int(number),
        Str::Bytes(bytes) => reply.bulk(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    fn trim(line: &str, level: Level) -> Result<Option<Trim>, String> {
        with_argv(line, |argv| {
            let (mut args, mut cursor) = (TrimArgs::default(), argv.cursor(2));
            let parsed = loop {
                match args.parse(&mut cursor, level) {
                    Ok(true) => {}
                    Ok(false) => break cursor.finish().and_then(|()| args.finish(true, &Settings::default(), false)),
                    Err(error) => break Err(error),
                }
            };
            parsed.map_err(|error| error.text().into_owned())
        })
    }

    // Replies of Redis 7.0.15 and, about references, 8.2.3 to XTRIM.
    #[test]
    fn trimming_is_asked_for_in_one_way() {
        let exact = Trim { to: TrimTo::MaxLen(1), approximate: false, limit: 0, references: References::Keep };
        let native = |line| trim(line, Level::Native);
        assert_eq!(native("xtrim k maxlen 1"), Ok(Some(exact)));
        assert_eq!(native("xtrim k maxlen = 1"), Ok(Some(exact)));
        let about = Trim { approximate: true, limit: 10_000, ..exact };
        assert_eq!(native("xtrim k maxlen ~ 1"), Ok(Some(about)));
        assert_eq!(native("xtrim k limit 0 maxlen ~ 1"), Ok(Some(Trim { limit: 0, ..about })));
        let to = TrimTo::MinId(StreamId::new(5, 0));
        assert_eq!(native("xtrim k MINID ~ 5 LIMIT 7"), Ok(Some(Trim { to, limit: 7, ..about })));
        assert_eq!(native("xtrim k acked maxlen 1"), Ok(Some(Trim { references: References::Acked, ..exact })));
        for (line, text) in [
            ("xtrim k keepref maxlen 1 delref", "ERR syntax error"),
            ("xtrim k maxlen 1 foo", "ERR syntax error"),
            ("xtrim k maxlen", "ERR syntax error"),
            ("xtrim k maxlen ~", "ERR value is not an integer or out of range"),
            ("xtrim k maxlen -1", "ERR The MAXLEN argument must be >= 0."),
            ("xtrim k minid -", "ERR Invalid stream ID specified as stream command argument"),
            ("xtrim k maxlen ~ 1 limit -1", "ERR The LIMIT argument must be >= 0."),
            ("xtrim k maxlen 1 limit 2", "ERR syntax error, LIMIT cannot be used without the special ~ option"),
            (
                "xtrim k maxlen 1 minid 2",
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ),
            ("xtrim k limit 5", "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"),
            ("xtrim k limit 0", "ERR syntax error, XTRIM must be called with a trimming strategy"),
        ] {
            assert_eq!(native(line), Err(text.to_owned()), "{line}");
        }
        assert_eq!(trim("xtrim k maxlen 1 keepref", Level::V7_0), Err("ERR syntax error".to_owned()));
    }

    #[test]
    fn few_ids_and_many() {
        let parse = |line: &str| with_argv(line, |argv| Ids::parse(argv.iter()).map(|ids| ids.as_slice().to_vec()));
        for count in [0, 1, 8, 9, 20] {
            let expected: Vec<_> = (0..count).map(|ms| StreamId::new(ms, 7)).collect();
            let line: Vec<_> = expected.iter().map(StreamId::to_string).collect();
            assert_eq!(parse(&line.join(" ")).ok(), Some(expected));
        }
        for line in ["1 x", "1 2 3 4 5 6 7 8 9 -"] {
            assert_eq!(
                parse(line).map_err(|error| error.text().into_owned()),
                Err(error::STREAM_ID.text().into_owned())
            );
        }
    }
}
