//! A batch: the complete commands of a query buffer, decoded before the first is executed, so that all their keys can be
//! hashed and prefetched together.

use crate::args::Argv;
use crate::command::{Command, CommandId, LockClass, command_keys};
use crate::server::Server;
use ochre_resp::request::Span;
use ochre_store::sync::ShardSet;
use ochre_store::{Key, Member, Store};

/// The hash of an argument that is a key.
#[derive(Clone, Copy, Default)]
pub(crate) struct KeyHash {
    hash: u64,
    /// Shard plus one; 0: the argument is no key.
    shard: u8,
}

impl KeyHash {
    #[inline]
    pub(crate) fn is_set(self) -> bool {
        self.shard != 0
    }
    #[inline]
    pub(crate) fn key(self, bytes: &[u8]) -> Key<'_> {
        Key::from_parts(bytes, self.hash, usize::from(self.shard - 1))
    }
}

/// A decoded command of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Queued {
    /// Where its bytes begin in the query buffer; spans are relative to it.
    base: usize,
    first_span: usize,
    spans: usize,
    /// What it calls; `None`: no such command.
    pub(crate) command: Option<CommandId>,
    /// The shards of its keys.
    pub(crate) shards: ShardSet,
}

impl Queued {
    /// Number of arguments, the name included.
    #[inline]
    pub(crate) fn args(&self) -> usize {
        self.spans
    }
}

/// Decoded commands and their arguments.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) spans: Vec<Span>,
    hashes: Vec<KeyHash>,
    commands: Vec<Queued>,
}

impl Batch {
    /// Most commands in a batch.
    pub(crate) const COMMANDS_MAX: usize = 64;

    pub(crate) fn clear(&mut self) {
        self.spans.clear();
        self.hashes.clear();
        self.commands.clear();
    }
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.commands.len()
    }
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Queued {
        self.commands[index]
    }
    /// The arguments of a command, in the buffer the batch was decoded from.
    #[inline]
    pub(crate) fn argv<'b>(&'b self, queued: &Queued, buffer: &'b [u8]) -> Argv<'b> {
        let spans = &self.spans[queued.first_span..queued.first_span + queued.spans];
        Argv::new(buffer.get(queued.base..).unwrap_or_default(), spans)
    }
    /// The hashes of a command's arguments.
    #[inline]
    pub(crate) fn hashes(&self, queued: &Queued) -> &[KeyHash] {
        &self.hashes[queued.first_span..queued.first_span + queued.spans]
    }

    /// Adds the command whose spans from `first_span` on have just been decoded from `buffer`, which begins with it at
    /// `base`. Hashes its keys and asks the processor for their buckets in database `db`.
    #[inline]
    pub(crate) fn push(&mut self, server: &Server, db: usize, buffer: &[u8], base: usize, first_span: usize) {
        let spans = self.spans.len() - first_span;
        self.hashes.resize(self.spans.len(), KeyHash::default());
        let argv = Argv::new(buffer.get(base..).unwrap_or_default(), &self.spans[first_span..]);
        let mut queued = Queued { base, first_span, spans, command: None, shards: ShardSet::EMPTY };
        if let Some(command) = server.commands.resolve(argv) {
            queued.command = Some(command.id);
            queued.shards = hash_keys(&mut self.hashes[first_span..], &server.store, db, command, argv);
        }
        self.commands.push(queued);
    }

    /// Asks the processor for the entries that the look-ups of this batch will touch.
    pub(crate) fn prefetch(&self, member: &Member, db: usize) {
        let prefetch = member.prefetch();
        for hash in self.hashes.iter().filter(|hash| hash.is_set()) {
            prefetch.entry(db, &hash.key(&[]));
        }
    }
}

#[inline]
fn hash_keys(hashes: &mut [KeyHash], store: &Store, db: usize, command: &Command, argv: Argv<'_>) -> ShardSet {
    if command.spec.lock != LockClass::Keys || !command.spec.accepts(argv.len()) {
        return ShardSet::EMPTY;
    }
    let mut shards = ShardSet::EMPTY;
    let mut found = |index: usize| {
        let Some(hash) = hashes.get_mut(index) else { return };
        let key = store.key(argv.at(index));
        store.prefetch_bucket(db, &key);
        shards.insert(key.shard());
        *hash = KeyHash { hash: key.hash(), shard: key.shard() as u8 + 1 };
    };
    match command.only_key {
        0 => drop(command_keys(command.spec, argv, |position| found(position.index))),
        index => found(usize::from(index)),
    }
    shards
}
