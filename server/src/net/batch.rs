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
    fn of(key: &Key<'_>) -> KeyHash {
        KeyHash { hash: key.hash(), shard: key.shard() as u8 + 1 }
    }
    #[inline]
    fn is_set(self) -> bool {
        self.shard != 0
    }
    #[inline]
    fn key(self, bytes: &[u8]) -> Key<'_> {
        Key::from_parts(bytes, self.hash, usize::from(self.shard - 1))
    }
}

/// The hashes of a command's keys, made when its batch was decoded.
#[derive(Clone, Copy, Default)]
pub(crate) struct KeyHashes<'b> {
    /// Of the only key of a command that has one in a fixed place, and which argument that is.
    only: (usize, KeyHash),
    /// Of other commands, parallel to the arguments.
    several: &'b [KeyHash],
}

impl KeyHashes<'_> {
    /// The argument at `index` as a key, if it was known to be one.
    #[inline]
    pub(crate) fn key<'a>(&self, index: usize, bytes: &'a [u8]) -> Option<Key<'a>> {
        let (place, hash) = self.only;
        let hash = if place == index { hash } else { *self.several.get(index)? };
        hash.is_set().then(|| hash.key(bytes))
    }
}

/// A decoded command of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Queued {
    /// Where its bytes begin in the query buffer; spans are relative to it.
    base: usize,
    first_span: usize,
    spans: usize,
    /// The hash of its only key, in the argument at `only_key`.
    only_hash: KeyHash,
    only_key: u8,
    /// Where the hashes of several keys are: parallel to the arguments, or none.
    first_hash: usize,
    hashes: usize,
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
    /// Arguments for which there is always room once there was.
    const ARGUMENTS_KEPT: usize = 1024;

    pub(crate) fn clear(&mut self) {
        self.spans.clear();
        self.hashes.clear();
        self.commands.clear();
    }
    /// Gives back the room that a command of very many arguments took.
    pub(crate) fn tidy(&mut self) {
        self.spans.shrink_to(Self::ARGUMENTS_KEPT);
        self.hashes.shrink_to(Self::ARGUMENTS_KEPT);
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
    /// Where in the query buffer a command ends.
    pub(crate) fn end_of(&self, queued: &Queued) -> usize {
        const LINE_END_LEN: usize = 2;
        let spans = self.spans.get(queued.first_span..queued.first_span + queued.spans).unwrap_or_default();
        queued.base + spans.last().map_or(0, |last| last.end + LINE_END_LEN)
    }
    /// The hashes of a command's keys.
    #[inline]
    pub(crate) fn hashes(&self, queued: &Queued) -> KeyHashes<'_> {
        let several = if queued.hashes == 0 { &[] } else { &self.hashes[queued.first_hash..][..queued.hashes] };
        KeyHashes { only: (usize::from(queued.only_key), queued.only_hash), several }
    }

    /// Adds the command whose spans from `first_span` on have just been decoded from `buffer`, which begins with it at
    /// `base`. Hashes its keys and asks the processor for their buckets in database `db`.
    #[inline]
    pub(crate) fn push(&mut self, server: &Server, db: usize, buffer: &[u8], base: usize, first_span: usize) {
        let argv = Argv::new(buffer.get(base..).unwrap_or_default(), &self.spans[first_span..]);
        let mut queued = Queued {
            base,
            first_span,
            spans: argv.len(),
            only_hash: KeyHash::default(),
            only_key: 0,
            first_hash: self.hashes.len(),
            hashes: 0,
            command: None,
            shards: ShardSet::EMPTY,
        };
        if let Some(command) = server.commands.resolve(argv) {
            queued.command = Some(command.id);
            let by_key = matches!(
                command.spec.lock,
                LockClass::Keys | LockClass::KeysOrAll(_) | LockClass::Transfer | LockClass::Script
            );
            let has_keys = by_key && command.spec.accepts(argv.len());
            if has_keys && command.only_key != 0 {
                let key = server.store.key(argv.at(usize::from(command.only_key)));
                server.store.prefetch_bucket(db, &key);
                queued.only_hash = KeyHash::of(&key);
                queued.only_key = command.only_key;
                queued.shards = ShardSet::one(key.shard());
            } else if has_keys {
                queued.hashes = argv.len();
                self.hashes.resize(queued.first_hash + argv.len(), KeyHash::default());
                queued.shards = hash_keys(&mut self.hashes[queued.first_hash..], &server.store, db, command, argv);
            }
        }
        self.commands.push(queued);
    }

    /// Adds a command of another batch, which was decoded from `buffer`. Its arguments are copied to the end of `bytes`.
    pub(crate) fn append(&mut self, other: &Batch, queued: &Queued, buffer: &[u8], bytes: &mut Vec<u8>) {
        let base = bytes.len();
        let copy = Queued { base, first_span: self.spans.len(), first_hash: self.hashes.len(), ..*queued };
        for argument in other.argv(queued, buffer).iter() {
            let start = bytes.len() - base;
            bytes.extend_from_slice(argument);
            self.spans.push(Span { start, end: bytes.len() - base });
        }
        self.hashes.extend_from_slice(other.hashes(queued).several);
        self.commands.push(copy);
    }
    /// Bytes it takes.
    pub(crate) fn allocated(&self) -> usize {
        self.spans.capacity() * size_of::<Span>()
            + self.hashes.capacity() * size_of::<KeyHash>()
            + self.commands.capacity() * size_of::<Queued>()
    }

    /// Asks the processor for the entries that the look-ups of this batch will touch.
    pub(crate) fn prefetch(&self, member: &Member, db: usize) {
        let prefetch = member.prefetch();
        let only = self.commands.iter().map(|queued| &queued.only_hash);
        for hash in only.chain(&self.hashes).filter(|hash| hash.is_set()) {
            prefetch.entry(db, &hash.key(&[]));
        }
    }
}

/// Hashes the arguments that are keys; which shards they are in.
fn hash_keys(hashes: &mut [KeyHash], store: &Store, db: usize, command: &Command, argv: Argv<'_>) -> ShardSet {
    let mut shards = ShardSet::EMPTY;
    command_keys(command.spec, argv, |position| {
        let Some(hash) = hashes.get_mut(position.index) else { return };
        let key = store.key(argv.at(position.index));
        store.prefetch_bucket(db, &key);
        shards.insert(key.shard());
        *hash = KeyHash::of(&key);
    });
    shards
}
