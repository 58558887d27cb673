//! What is propagated of commands that deliver entries of streams to consumers of a group.

use crate::context::Context;
use crate::propagation::Rewrite;
use ochre_store::stream::{self, Nack, StreamId};
use ochre_store::{Error, keyspace};

/// What becomes of entries in a group, noted down while it happens.
pub(super) struct GroupLog<'a> {
    /// The argument that is the key.
    key: usize,
    group: &'a [u8],
    consumer: &'a [u8],
    had_consumer: bool,
    last_id: StreamId,
    given: Vec<(StreamId, Nack)>,
}

impl<'a> GroupLog<'a> {
    /// Looks at the group before the command does anything; `None` while nobody reads the log.
    pub(super) fn begin(
        context: &mut Context<'_>,
        key: usize,
        group: &'a [u8],
        consumer: &'a [u8],
    ) -> Result<Option<GroupLog<'a>>, Error> {
        if !context.propagates() {
            return Ok(None);
        }
        let (db, address) = (context.db(), context.key(key));
        keyspace::peek_type(&mut context.txn, db, address)?;
        let stream = stream::look(&context.txn, db, &address)?;
        let Some(found) = stream.and_then(|stream| stream.group(group)) else { return Ok(None) };
        Ok(Some(GroupLog {
            key,
            group,
            consumer,
            had_consumer: found.find_consumer(consumer).is_some(),
            last_id: found.last_id(),
            given: Vec::new(),
        }))
    }

    /// An entry was made pending for somebody, or is no longer for whom it was.
    pub(super) fn note(&mut self, id: StreamId, nack: Nack) {
        self.given.push((id, nack));
    }

    /// Says what stands for the command, which is over. `delivers`: entries have become the group's in the order in which
    /// they were noted.
    pub(super) fn finish(self, context: &mut Context<'_>, delivers: bool) -> Result<(), Error> {
        let (db, key) = (context.db(), context.key(self.key));
        let stream = stream::look(&context.txn, db, &key)?;
        let Some(group) = stream.and_then(|stream| stream.group(self.group)) else { return Ok(()) };
        let Some(rewrite) = Rewrite::of(context.client, context.server) else { return Ok(()) };
        rewrite.with_nothing();
        let is_theirs = |(_, nack): &&(StreamId, Nack)| Some(nack.consumer) == group.find_consumer(self.consumer);
        if !self.had_consumer
            && group.find_consumer(self.consumer).is_some()
            && self.given.iter().filter(is_theirs).count() == 0
        {
            rewrite.with([b"XGROUP", b"CREATECONSUMER".as_slice(), key.bytes(), self.group, self.consumer]);
        }
        for (id, nack) in &self.given {
            let consumer = group.consumer(nack.consumer).map_or(self.consumer, stream::Consumer::name);
            let (time, count) = (nack.delivery_ms.to_string(), nack.deliveries.to_string());
            let last_id = if delivers { *id } else { group.last_id() };
            rewrite.with([
                b"XCLAIM".as_slice(),
                key.bytes(),
                self.group,
                consumer,
                b"0",
                &id.text(),
                b"TIME",
                time.as_bytes(),
                b"RETRYCOUNT",
                count.as_bytes(),
                b"FORCE",
                b"JUSTID",
                b"LASTID",
                &last_id.text(),
            ]);
        }
        if self.given.is_empty() && group.last_id() != self.last_id {
            let read = group.entries_read().map_or_else(|| "-1".to_owned(), |read| read.to_string());
            rewrite.with([
                b"XGROUP".as_slice(),
                b"SETID",
                key.bytes(),
                self.group,
                &group.last_id().text(),
                b"ENTRIESREAD",
                read.as_bytes(),
            ]);
        }
        Ok(())
    }
}
