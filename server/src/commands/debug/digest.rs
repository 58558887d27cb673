//! Hashes of values and of the whole data set, the same that the server of the compatibility level computes (`debug.c`), but
//! for scores beyond 2^53 at the later ones: two servers with the same keys, values and databases, in whatever order they
//! store them, answer the same.

use crate::context::Context;
use crate::error::CommandResult;
use ochre_resp::reply::DoubleFormat;
use ochre_store::ValueRef;
use ochre_store::keyspace::{self, Record};
use ochre_store::list::End;
use ochre_store::stream::StreamId;
use sha1::{Digest as _, Sha1};

/// A SHA-1 that further data is added to, in an order that counts or not.
#[derive(Clone, Copy, Default)]
struct Digest([u8; 20]);

impl Digest {
    /// Adds data regardless of what was added before or will be after.
    fn add_unordered(&mut self, data: &[u8]) {
        let hash = Sha1::digest(data);
        self.0.iter_mut().zip(hash).for_each(|(own, other)| *own ^= other);
    }
    /// Adds data at the end.
    fn add_next(&mut self, data: &[u8]) {
        self.add_unordered(data);
        self.0 = Sha1::digest(self.0).into();
    }
    /// Adds a value and that it expires, though not when.
    fn add_value(&mut self, record: &Record<'_>, doubles: DoubleFormat) {
        let kind = match record.value {
            ValueRef::String(_) => 0u32,
            ValueRef::List(_) => 1,
            ValueRef::Set(_) => 2,
            ValueRef::SortedSet(_) => 3,
            ValueRef::Hash(_) => 4,
            ValueRef::Stream(_) => 6,
        };
        self.add_next(&kind.to_be_bytes());
        match record.value {
            ValueRef::String(string) => self.add_next(string.as_bytes(&mut Default::default())),
            ValueRef::List(list) => list
                .cursor(0, End::Tail)
                .visit(list.len(), |element| self.add_next(element.as_bytes(&mut Default::default()))),
            ValueRef::Hash(hash) => hash.for_each(|name, value| {
                let mut pair = Digest::default();
                pair.add_next(name.as_bytes(&mut Default::default()));
                pair.add_next(value.as_bytes(&mut Default::default()));
                self.add_unordered(&pair.0);
            }),
            ValueRef::Set(set) => set.for_each(|member| self.add_unordered(member.as_bytes(&mut Default::default()))),
            ValueRef::SortedSet(set) => set.for_each(&mut |member, score| {
                let mut pair = Digest::default();
                pair.add_next(member.as_bytes(&mut Default::default()));
                let mut text = Vec::new();
                ochre_resp::reply::write_double(&mut text, score, doubles);
                pair.add_next(&text);
                self.add_unordered(&pair.0);
            }),
            ValueRef::Stream(stream) => {
                for (id, fields) in stream.range(StreamId::MIN, StreamId::MAX) {
                    self.add_next(format!("{}.{}", id.ms, id.seq).as_bytes());
                    for (name, value) in fields {
                        self.add_next(name.as_bytes(&mut Default::default()));
                        self.add_next(value.as_bytes(&mut Default::default()));
                    }
                }
            }
        }
        if record.deadline_ms.is_some() {
            self.add_unordered(b"!!expire!!");
        }
    }
    fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Of everything; zeroes where there is nothing.
pub(super) fn dataset(context: &mut Context<'_>) -> CommandResult {
    let store = context.txn.store();
    let doubles = context.server.config().compatibility_level.doubles();
    let mut digest = Digest::default();
    for db in (0..store.databases()).filter(|db| store.db_len(*db) > 0) {
        digest.add_next(&(db as u32).to_be_bytes());
        for shard in 0..store.shards() {
            keyspace::records_in_shard(&mut context.txn, db, shard, &mut |record| {
                let mut pair = Digest::default();
                pair.add_next(record.key);
                pair.add_value(&record, doubles);
                digest.add_unordered(&pair.0);
            })?;
        }
    }
    context.reply.simple(digest.to_hex());
    Ok(())
}

/// Of the values of some keys; zeroes for those that do not exist.
pub(super) fn values(context: &mut Context<'_>) -> CommandResult {
    let (db, store) = (context.db(), context.txn.store());
    let doubles = context.server.config().compatibility_level.doubles();
    let names = context.argv.iter().skip(2);
    context.reply.array(names.len());
    for name in names {
        let mut digest = Digest::default();
        keyspace::record(&mut context.txn, db, store.key(name), |record| digest.add_value(&record, doubles))?;
        context.reply.simple(digest.to_hex());
    }
    Ok(())
}
