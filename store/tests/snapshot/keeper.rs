//! Keeps what a snapshot gives, as text.

use ochre_store::keyspace::{self, Record};
use ochre_store::list::End;
use ochre_store::snapshot::{Capture, Piece, Pieces};
use ochre_store::stream::StreamPiece;
use ochre_store::{Str, Txn, ValueRef};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

pub(crate) const DATABASES: usize = 3;

pub(crate) type Image = BTreeMap<(usize, Vec<u8>), (String, Option<i64>)>;

/// Keeps what it is given, and notes whether anything came twice.
#[derive(Default)]
pub(crate) struct Keeper(Arc<Kept>);

#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) image: Mutex<Image>,
    pub(crate) twice: AtomicBool,
    /// Values that came in pieces, and lists among them.
    pub(crate) begun: AtomicUsize,
    pub(crate) lists: AtomicUsize,
}

impl std::ops::Deref for Keeper {
    type Target = Kept;
    fn deref(&self) -> &Kept {
        &self.0
    }
}

impl Kept {
    fn keep(&self, db: usize, key: &[u8], state: (String, Option<i64>)) {
        if self.image.lock().unwrap().insert((db, key.to_vec()), state).is_some() {
            self.twice.store(true, SeqCst);
        }
    }
}

impl Capture for Keeper {
    fn record(&self, db: usize, record: Record<'_>) {
        self.keep(db, record.key, (shown(record.value), record.deadline_ms));
    }

    fn begin(&self, db: usize, record: Record<'_>) -> Box<dyn Pieces> {
        let (begun, key) = (self.0.clone(), record.key.to_vec());
        self.begun.fetch_add(1, SeqCst);
        self.lists.fetch_add(usize::from(matches!(record.value, ValueRef::List(_))), SeqCst);
        Box::new(Parts {
            keeper: begun,
            db,
            key,
            deadline_ms: record.deadline_ms,
            len: record.value.len(),
            parts: Vec::new(),
            bytes: None,
            stream: StreamText::default(),
            is_list: false,
        })
    }
}

/// Puts together a value that comes in pieces.
struct Parts {
    keeper: Arc<Kept>,
    db: usize,
    key: Vec<u8>,
    deadline_ms: Option<i64>,
    len: usize,
    parts: Vec<String>,
    bytes: Option<Vec<u8>>,
    stream: StreamText,
    is_list: bool,
}

impl Pieces for Parts {
    fn piece(&mut self, piece: Piece<'_>) {
        let text = String::from_utf8_lossy;
        self.parts.push(match piece {
            Piece::Node(node) => {
                self.is_list = true;
                node.for_each(|element| self.parts.push(text(&element.to_vec()).into_owned()));
                return;
            }
            Piece::Stream(piece) => return self.stream.add(piece),
            Piece::Bytes(bytes) => return self.bytes.get_or_insert_default().extend_from_slice(bytes),
            Piece::Member(member) => text(member).into_owned(),
            Piece::Scored(member, score) => format!("{}={score}", text(member)),
            Piece::Field(field) => format!("{}={}", text(field.name), text(field.value)),
        });
    }

    fn end(&mut self) {
        if !self.is_list {
            self.parts.sort_unstable();
        }
        let stream = std::mem::take(&mut self.stream).finish();
        let shown = match &self.bytes {
            Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            None => format!("{:?}: {}{stream}", self.len, self.parts.join(" ")),
        };
        self.keeper.keep(self.db, &self.key, (shown, self.deadline_ms));
    }
}

/// A stream as text.
#[derive(Default)]
struct StreamText {
    /// The entries, then the groups and their consumers, of which each begins with its name.
    parts: Vec<String>,
    group: String,
}

impl StreamText {
    fn add(&mut self, piece: StreamPiece<'_>) {
        let text = String::from_utf8_lossy;
        let more = match piece {
            StreamPiece::Node(node) => {
                let mut entries = format!("{:?}/{} ", node.master(), node.bytes().len());
                for (id, fields) in node.entries() {
                    let fields: Vec<_> = fields.map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
                    entries += &format!("{id:?}{}", fields.iter().map(|(_, value)| text(value)).collect::<String>());
                }
                entries
            }
            StreamPiece::Facts(facts, groups) => format!("{facts:?} {groups}"),
            StreamPiece::Group(group) => {
                self.group = text(group.name).into_owned();
                self.parts.push(format!("{group:?}"));
                return;
            }
            StreamPiece::Consumer(consumer) => {
                self.parts.push(format!("{} {consumer:?}", self.group));
                return;
            }
            StreamPiece::Consumers(consumers) => format!(" {consumers}"),
            StreamPiece::Pending(id, nack) | StreamPiece::Held(id, nack) => format!(" {id:?} {nack:?}"),
        };
        match self.parts.last_mut() {
            Some(last) => last.push_str(&more),
            None => self.parts.push(more),
        }
    }

    /// Consumers of a group come in no order.
    fn finish(mut self) -> String {
        self.parts.sort_unstable();
        self.parts.join("\n")
    }
}

fn shown(value: ValueRef<'_>) -> String {
    let text = |value: Str<'_>| String::from_utf8_lossy(&value.to_vec()).into_owned();
    let mut parts = Vec::new();
    match value {
        ValueRef::String(value) => return text(value),
        ValueRef::List(list) => {
            list.cursor(0, End::Tail).visit(list.len(), |element| parts.push(text(element)));
        }
        ValueRef::Set(set) => {
            set.for_each(|member| parts.push(text(member)));
            parts.sort_unstable();
        }
        ValueRef::SortedSet(set) => {
            set.for_each(&mut |member, score| parts.push(format!("{}={score}", text(member))));
            parts.sort_unstable();
        }
        ValueRef::Hash(hash) => {
            hash.for_each(|name, value| parts.push(format!("{}={}", text(name), text(value))));
            parts.sort_unstable();
        }
        ValueRef::Stream(stream) => {
            let mut pieces = StreamText::default();
            let added: Result<(), ()> = stream.try_pieces(|piece| {
                pieces.add(piece);
                Ok(())
            });
            added.unwrap();
            parts.push(pieces.finish());
        }
    }
    format!("{:?}: {}", value.len(), parts.join(" "))
}

pub(crate) fn image_of(txn: &mut Txn<'_>) -> Image {
    let mut image = Image::new();
    for db in 0..DATABASES {
        for shard in 0..txn.store().shards() {
            keyspace::records_in_shard(txn, db, shard, &mut |record| {
                image.insert((db, record.key.to_vec()), (shown(record.value), record.deadline_ms));
            })
            .unwrap();
        }
    }
    image
}

/// What tells two images apart.
pub(crate) fn difference(found: &Image, expected: &Image) -> String {
    let lost = expected.iter().find(|(key, state)| found.get(*key) != Some(state));
    let more = found.iter().find(|(key, _)| !expected.contains_key(*key));
    let instead = lost.and_then(|(key, _)| found.get(key));
    format!("{} keys for {}; lost {lost:?},\nfound {instead:?}, of which {more:?}", found.len(), expected.len())
}
