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

/// A decoded command of a batch. Small, since it is copied before it is executed.
#[derive(Clone, Copy)]
pub(crate) struct Queued {
    /// Where its bytes begin in the query buffer; spans are relative to it.
    base: usize,
    /// The hash of its only key, in the argument at `called.only_key`.
    only_hash: u64,
    /// The first eight bytes of that key, see [`Argv::head`].
    pub(crate) key_head: u64,
    /// The shards of its keys.
    pub(crate) shards: ShardSet,
    first_span: usize,
    /// Where the hashes of several keys are: parallel to the arguments, if there are any.
    first_hash: usize,
    spans: u32,
    called: Called,
}

impl Queued {
    /// Number of arguments, the name included.
    #[inline]
    pub(crate) fn args(&self) -> usize {
        self.spans as usize
    }
    /// What it calls; `None`: no such command.
    #[inline]
    pub(crate) fn command(&self) -> Option<CommandId> {
        self.called.command
    }
    /// What it calls, if that takes as many arguments.
    #[inline]
    pub(crate) fn fitting(&self) -> Option<CommandId> {
        self.called.command.filter(|_| self.called.fits)
    }
    /// As [`fitting`](Queued::fitting), of a command that has keys and needs their locks, whatever else it is told.
    #[inline]
    pub(crate) fn plain(&self) -> Option<CommandId> {
        self.called.command.filter(|_| self.called.is_plain && !self.shards.is_empty())
    }
    #[inline]
    fn only_key_hash(&self) -> KeyHash {
        let shard = if self.called.only_key == 0 { 0 } else { self.shards.bits().trailing_zeros() as u8 + 1 };
        KeyHash { hash: self.only_hash, shard }
    }
}

/// What follows from the name and the number of arguments of a command line.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Called {
    /// `None`: no such command.
    command: Option<CommandId>,
    /// It takes as many arguments, and if it is a container, it knows the subcommand.
    fits: bool,
    /// Besides, it always needs the locks of its keys and no others.
    is_plain: bool,
    /// It has several keys, or one in no fixed place.
    has_keys: bool,
    /// The only argument that is a key; 0: there is none, or several.
    only_key: u8,
}

impl Called {
    fn new(server: &Server, argv: Argv<'_>) -> Called {
        let Some(command) = server.commands.resolve(argv) else { return Called::default() };
        let accepts = command.spec.accepts(argv.len());
        let locks = command.spec.lock;
        let by_key = accepts
            && matches!(locks, LockClass::Keys | LockClass::KeysOrAll(_) | LockClass::Transfer | LockClass::Script);
        let fits = accepts && !(command.is_container() && argv.len() > 1);
        Called {
            command: Some(command.id),
            fits,
            is_plain: fits && matches!(locks, LockClass::Keys),
            has_keys: by_key && command.only_key == 0,
            only_key: if by_key { command.only_key } else { 0 },
        }
    }
}

/// A command line as another began, which calls the same then: pipelines mostly repeat one command.
#[derive(Clone, Copy, Default)]
struct Recent {
    /// See [`Argv::short_name`].
    name: (u64, usize),
    args: usize,
    called: Called,
}

/// Decoded commands and their arguments.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) spans: Vec<Span>,
    hashes: Vec<KeyHash>,
    commands: Vec<Queued>,
    recent: Recent,
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
    /// Whether there are several commands or a command of several keys: to ask for one entry ahead of its use gains nothing.
    #[inline]
    pub(crate) fn has_several(&self) -> bool {
        self.commands.len() > 1 || !self.hashes.is_empty()
    }
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Queued {
        self.commands[index]
    }
    /// The arguments of a command, in the buffer the batch was decoded from.
    #[inline]
    pub(crate) fn argv<'b>(&'b self, queued: &Queued, buffer: &'b [u8]) -> Argv<'b> {
        let spans = &self.spans[queued.first_span..][..queued.args()];
        Argv::new(buffer.get(queued.base..).unwrap_or_default(), spans)
    }
    /// Where in the query buffer a command ends.
    pub(crate) fn end_of(&self, queued: &Queued) -> usize {
        const LINE_END_LEN: usize = 2;
        let spans = self.spans.get(queued.first_span..queued.first_span + queued.args()).unwrap_or_default();
        queued.base + spans.last().map_or(0, |last| last.end + LINE_END_LEN)
    }
    /// The hashes of a command's keys.
    #[inline]
    pub(crate) fn hashes(&self, queued: &Queued) -> KeyHashes<'_> {
        let several = if queued.called.has_keys { &self.hashes[queued.first_hash..][..queued.args()] } else { &[] };
        KeyHashes { only: (usize::from(queued.called.only_key), queued.only_key_hash()), several }
    }

    /// Adds the command whose spans from `first_span` on have just been decoded from `buffer`, which begins with it at
    /// `base`. Hashes its keys and asks the processor for their buckets in database `db`.
    #[inline]
    pub(crate) fn push(&mut self, server: &Server, db: usize, buffer: &[u8], base: usize, first_span: usize) {
        let argv = Argv::new(buffer.get(base..).unwrap_or_default(), &self.spans[first_span..]);
        let called = match argv.short_name() {
            Some(name) if name == self.recent.name && argv.len() == self.recent.args => self.recent.called,
            name => {
                let called = Called::new(server, argv);
                // Of a container the next argument tells what is called.
                if let Some(name) = name
                    && called.command.is_some_and(|id| server.commands.by_id(id).is_plain())
                {
                    self.recent = Recent { name, args: argv.len(), called };
                }
                called
            }
        };
        let mut queued = Queued {
            base,
            only_hash: 0,
            key_head: 0,
            shards: ShardSet::EMPTY,
            first_span,
            first_hash: self.hashes.len(),
            // Far fewer are let through by the decoder's limits.
            spans: argv.len() as u32,
            called,
        };
        if called.only_key != 0 {
            let index = usize::from(called.only_key);
            let key = server.store.key(argv.at(index));
            server.store.prefetch_bucket(db, &key);
            queued.only_hash = key.hash();
            queued.key_head = match key.bytes().first_chunk() {
                Some(head) => u64::from_le_bytes(*head),
                None => argv.head(index),
            };
            queued.shards = ShardSet::one(key.shard());
        } else if called.has_keys
            && let Some(id) = called.command
        {
            let first = self.hashes.len();
            self.hashes.resize(first + argv.len(), KeyHash::default());
            let command = server.commands.by_id(id);
            queued.shards = hash_keys(&mut self.hashes[first..], &server.store, db, command, argv);
        }
        self.commands.push(queued);
    }

    /// Adds a command of another batch, which was decoded from `buffer`. Its arguments are copied to the end of `bytes`.
    pub(crate) fn append(&mut self, other: &Batch, queued: &Queued, buffer: &[u8], bytes: &mut Vec<u8>) {
        let base = bytes.len();
        let (first_span, first_hash) = (self.spans.len(), self.hashes.len());
        for argument in other.argv(queued, buffer).iter() {
            let start = bytes.len() - base;
            bytes.extend_from_slice(argument);
            self.spans.push(Span { start, end: bytes.len() - base });
        }
        self.hashes.extend_from_slice(other.hashes(queued).several);
        self.commands.push(Queued { base, first_span, first_hash, ..*queued });
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
        let only = self.commands.iter().map(Queued::only_key_hash);
        for hash in only.chain(self.hashes.iter().copied()).filter(|hash| hash.is_set()) {
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
