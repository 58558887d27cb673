//! A data set as commands.

use ochre_resp::encode_command;
use ochre_store::hash::Hash;
use ochre_store::keyspace::{self, Record};
use ochre_store::quicklist::End;
use ochre_store::snapshot::Piece;
use ochre_store::stream::{Nack, StreamId, StreamPiece};
use ochre_store::{Error, Str, Txn, ValueRef};
use std::convert::Infallible;
use std::io::{self, Write};

/// Elements that one command adds.
const ELEMENTS: usize = 64;
/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 64 * 1024;

/// Writes all keys of the store whose shards `txn` holds, all of them, as commands. `each` is called after each key.
///
/// # Errors
/// Those of the sink.
pub fn write_base<W: Write>(txn: &mut Txn<'_>, sink: &mut W, each: &mut dyn FnMut()) -> io::Result<()> {
    let store = txn.store();
    let mut out = Vec::new();
    for db in 0..store.databases() {
        if store.db_len(db) == 0 {
            continue;
        }
        encode_command(&mut out, &["SELECT", &db.to_string()]);
        for shard in 0..store.shards() {
            let mut written = Ok(());
            let walked = keyspace::records_in_shard(txn, db, shard, &mut |record| {
                write_record(&record, &mut out);
                if out.len() >= BUFFER_BYTES && written.is_ok() {
                    written = sink.write_all(&out);
                    out.clear();
                }
                each();
            });
            written?;
            walked.map_err(|error: Error| io::Error::other(error.to_string()))?;
        }
    }
    sink.write_all(&out)
}

/// Appends the commands that make a key what it is.
pub fn write_record(record: &Record<'_>, out: &mut Vec<u8>) {
    let key = record.key;
    match &record.value {
        ValueRef::String(value) => encode_command(out, &[b"SET".as_slice(), key, &bytes(*value)]),
        ValueRef::List(list) => {
            let mut line = Line::new(out, &[b"RPUSH", key]);
            list.cursor(0, End::Tail).visit(list.len(), |element| line.add(&[&bytes(element)]));
            line.end();
        }
        ValueRef::Set(set) => {
            let mut line = Line::new(out, &[b"SADD", key]);
            set.for_each(|member| line.add(&[&bytes(member)]));
            line.end();
        }
        ValueRef::SortedSet(set) => {
            let mut line = Line::new(out, &[b"ZADD", key]);
            set.for_each(&mut |member, score: f64| line.add(&[score.to_string().as_bytes(), &bytes(member)]));
            line.end();
        }
        ValueRef::Hash(hash) => {
            let mut line = Line::new(out, &[b"HMSET", key]);
            hash.for_each(|name, value| line.add(&[&bytes(name), &bytes(value)]));
            line.end();
            write_deadlines(key, hash, out);
        }
        ValueRef::Stream(stream) => {
            let mut commands = StreamCommands::default();
            let written = stream.try_pieces(|piece| {
                commands.add(key, piece, out);
                Ok::<(), Infallible>(())
            });
            let Ok(()) = written;
        }
    }
    if let Some(at_ms) = record.deadline_ms {
        encode_command(out, &[b"PEXPIREAT".as_slice(), key, at_ms.to_string().as_bytes()]);
    }
}

/// Gathers elements into commands of limited length.
struct Line<'l> {
    out: &'l mut Vec<u8>,
    begin: [&'l [u8]; 2],
    words: Vec<Vec<u8>>,
    elements: usize,
}

impl<'l> Line<'l> {
    fn new(out: &'l mut Vec<u8>, begin: &[&'l [u8]; 2]) -> Line<'l> {
        Line { out, begin: *begin, words: Vec::new(), elements: 0 }
    }
    fn add(&mut self, element: &[&[u8]]) {
        self.words.extend(element.iter().map(|word| word.to_vec()));
        self.elements += 1;
        if self.elements == ELEMENTS {
            self.write();
        }
    }
    fn write(&mut self) {
        if self.elements > 0 {
            let words: Vec<&[u8]> = self.begin.into_iter().chain(self.words.iter().map(Vec::as_slice)).collect();
            encode_command(self.out, &words);
            self.words.clear();
            self.elements = 0;
        }
    }
    fn end(mut self) {
        self.write();
    }
}

/// Makes commands of a key whose value comes in pieces.
pub(crate) struct CommandPieces {
    key: Vec<u8>,
    deadline_ms: Option<i64>,
    command: &'static [u8],
    words: Vec<Vec<u8>>,
    elements: usize,
    /// Fields of those elements with their deadlines.
    deadlines: Vec<(Vec<u8>, i64)>,
    stream: StreamCommands,
    /// Of a string, bytes that are to come.
    text_left: usize,
}

impl CommandPieces {
    /// Begins with a key; what is to be said before its first piece is appended.
    pub(crate) fn new(record: &Record<'_>, out: &mut Vec<u8>) -> CommandPieces {
        let command: &[u8] = match record.value {
            ValueRef::SortedSet(_) => b"ZADD",
            ValueRef::Hash(_) => b"HMSET",
            ValueRef::List(_) => b"RPUSH",
            _ => b"SADD",
        };
        let mut text_left = 0;
        if let ValueRef::String(text) = record.value {
            text_left = text.len();
            out.extend_from_slice(b"*3\r\n$3\r\nSET\r\n");
            begin_word(out, record.key.len());
            out.extend_from_slice(record.key);
            out.extend_from_slice(b"\r\n");
            begin_word(out, text_left);
        }
        CommandPieces {
            key: record.key.to_vec(),
            deadline_ms: record.deadline_ms,
            command,
            words: Vec::new(),
            elements: 0,
            deadlines: Vec::new(),
            stream: StreamCommands::default(),
            text_left,
        }
    }

    /// Appends commands, now and then, that add an element.
    pub(crate) fn add(&mut self, piece: Piece<'_>, out: &mut Vec<u8>) {
        match piece {
            Piece::Node(node) => {
                node.for_each(|element| self.element([bytes(element)], out));
                return;
            }
            Piece::Stream(piece) => return self.stream.add(&self.key, piece, out),
            Piece::Bytes(bytes) => {
                out.extend_from_slice(bytes);
                self.text_left = self.text_left.saturating_sub(bytes.len());
                if self.text_left == 0 {
                    out.extend_from_slice(b"\r\n");
                }
                return;
            }
            Piece::Member(member) => self.words.push(member.to_vec()),
            Piece::Scored(member, score) => self.words.extend([score.to_string().into_bytes(), member.to_vec()]),
            Piece::Field(field) => {
                self.words.extend([field.name.to_vec(), field.value.to_vec()]);
                self.deadlines.extend(field.deadline_ms.map(|at_ms| (field.name.to_vec(), at_ms)));
            }
        }
        self.element([], out);
    }

    /// Notes the last words of an element.
    fn element<const WORDS: usize>(&mut self, words: [Vec<u8>; WORDS], out: &mut Vec<u8>) {
        self.words.extend(words);
        self.elements += 1;
        if self.elements == ELEMENTS {
            self.write(out);
        }
    }

    /// Appends what is left to be said.
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        self.write(out);
        if let Some(at_ms) = self.deadline_ms {
            encode_command(out, &[b"PEXPIREAT".as_slice(), &self.key, at_ms.to_string().as_bytes()]);
        }
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        if self.elements == 0 {
            return;
        }
        let begin: [&[u8]; 2] = [self.command, &self.key];
        let words: Vec<&[u8]> = begin.into_iter().chain(self.words.iter().map(Vec::as_slice)).collect();
        encode_command(out, &words);
        self.deadlines.iter().for_each(|(name, at_ms)| write_deadline(&self.key, name, *at_ms, out));
        self.words.clear();
        self.deadlines.clear();
        self.elements = 0;
    }
}

fn bytes(value: Str<'_>) -> Vec<u8> {
    value.as_bytes(&mut Default::default()).to_vec()
}

/// Commands that give fields of a hash their deadlines.
fn write_deadlines(key: &[u8], hash: &Hash, out: &mut Vec<u8>) {
    let Hash::Table(fields) = hash else { return };
    for field in fields.iter() {
        if let Some(at_ms) = field.deadline_ms {
            write_deadline(key, field.name, at_ms, out);
        }
    }
}

fn write_deadline(key: &[u8], field: &[u8], at_ms: i64, out: &mut Vec<u8>) {
    let at_ms = at_ms.to_string();
    encode_command(out, &[b"HPEXPIREAT".as_slice(), key, at_ms.as_bytes(), b"FIELDS", b"1", field]);
}

/// Begins a word of so many bytes.
fn begin_word(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(format!("${len}\r\n").as_bytes());
}

/// Makes commands of the pieces of a stream.
#[derive(Default)]
struct StreamCommands {
    /// The group and the consumer that pieces belong to.
    group: Vec<u8>,
    consumer: Vec<u8>,
}

impl StreamCommands {
    fn add(&mut self, key: &[u8], piece: StreamPiece<'_>, out: &mut Vec<u8>) {
        match piece {
            StreamPiece::Node(node) => {
                for (id, fields) in node.entries() {
                    let mut words = vec![b"XADD".to_vec(), key.to_vec(), id.text().to_vec()];
                    words.extend(fields.flat_map(|(name, value)| [bytes(name), bytes(value)]));
                    encode_command(out, &words);
                }
            }
            StreamPiece::Facts(facts, _) => {
                if facts.length == 0 {
                    // An entry that goes at once: only so does a stream without entries come to be.
                    let id = StreamId { ms: 0, seq: 1 };
                    encode_command(out, &[b"XADD".as_slice(), key, b"MAXLEN", b"0", &id.text(), b"x", b"y"]);
                }
                let (added, max_deleted) = (facts.entries_added.to_string(), facts.max_deleted_id.text());
                let options: [&[u8]; 4] = [b"ENTRIESADDED", added.as_bytes(), b"MAXDELETEDID", &max_deleted];
                let begin: [&[u8]; 3] = [b"XSETID", key, &facts.last_id.text()];
                encode_command(out, &[begin.as_slice(), &options].concat());
            }
            StreamPiece::Group(group) => {
                self.group = group.name.to_vec();
                let read = group.entries_read.map_or_else(|| "-1".to_owned(), |read| read.to_string());
                let begin: [&[u8]; 4] = [b"XGROUP", b"CREATE", key, group.name];
                let end: [&[u8]; 3] = [&group.last_id.text(), b"ENTRIESREAD", read.as_bytes()];
                encode_command(out, &[begin.as_slice(), &end].concat());
            }
            StreamPiece::Consumer(consumer) => {
                self.consumer = consumer.name.to_vec();
                let words: [&[u8]; 5] = [b"XGROUP", b"CREATECONSUMER", key, &self.group, consumer.name];
                encode_command(out, &words);
            }
            StreamPiece::Held(id, nack) => self.claim(key, id, nack, out),
            // The consumers tell of it.
            StreamPiece::Pending(..) | StreamPiece::Consumers(_) => {}
        }
    }

    fn claim(&self, key: &[u8], id: StreamId, nack: Nack, out: &mut Vec<u8>) {
        let (time, count) = (nack.delivery_ms.to_string(), nack.deliveries.to_string());
        let begin: [&[u8]; 6] = [b"XCLAIM", key, &self.group, &self.consumer, b"0", &id.text()];
        let end: [&[u8]; 6] = [b"TIME", time.as_bytes(), b"RETRYCOUNT", count.as_bytes(), b"JUSTID", b"FORCE"];
        encode_command(out, &[begin, end].concat());
    }
}
