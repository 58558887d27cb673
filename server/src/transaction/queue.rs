//! What a client has queued since MULTI.

use crate::args::Argv;
use crate::command::{Command, Flags, LockClass, command_keys};
use crate::error::CommandError;
use crate::net::{Batch, KeyHashes, Queued};
use crate::server::Server;
use ochre_store::sync::ShardSet;

/// Commands queued between MULTI and EXEC, with copies of their arguments.
#[derive(Default)]
pub struct Transaction {
    bytes: Vec<u8>,
    batch: Batch,
    /// The shards that all of them together need.
    shards: ShardSet,
    /// The flags that any of them has.
    flags: Flags,
    /// One of the commands runs a script.
    has_script: bool,
    /// A command was refused instead of queued: EXEC is to do nothing.
    failed: bool,
    /// EXEC itself was refused, for this reason.
    refused: Option<CommandError>,
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Transaction({})", self.len())
    }
}

impl Transaction {
    /// Number of commands.
    pub(crate) fn len(&self) -> usize {
        self.batch.len()
    }
    /// The flags that any of the commands has.
    pub(crate) fn flags(&self) -> Flags {
        self.flags
    }
    /// Whether each of the commands has these flags.
    pub(crate) fn all_have(&self, server: &Server, flags: Flags) -> bool {
        self.iter(server).all(|(command, ..)| command.has(flags))
    }
    /// Whether one of the commands runs a script.
    pub(crate) fn has_script(&self) -> bool {
        self.has_script
    }
    /// The shards that EXEC needs for the commands.
    pub(crate) fn shards(&self) -> ShardSet {
        if self.is_doomed() { ShardSet::EMPTY } else { self.shards }
    }
    /// Whether EXEC is to do nothing, whatever happened to watched keys.
    pub(crate) fn is_doomed(&self) -> bool {
        self.failed || self.refused.is_some()
    }
    /// A command was refused instead of queued.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
    }
    /// EXEC was refused.
    pub(crate) fn refuse(&mut self, error: CommandError) {
        self.refused = Some(error);
    }
    /// Why EXEC was refused, if it was.
    pub(crate) fn take_refusal(&mut self) -> Option<CommandError> {
        self.refused.take()
    }
    /// Bytes it takes.
    pub(crate) fn allocated(&self) -> usize {
        size_of::<Transaction>() + self.bytes.capacity() + self.batch.allocated()
    }
    /// Adds a command of `batch`, which was decoded from `buffer`.
    /// Its flags may be those of a script.
    pub(crate) fn push(&mut self, command: &Command, flags: Flags, batch: &Batch, queued: &Queued, buffer: &[u8]) {
        self.flags = self.flags | flags;
        self.has_script |= matches!(command.spec.lock, LockClass::Script);
        let argv = batch.argv(queued, buffer);
        self.shards = self.shards.union(shards(command, queued, argv));
        self.batch.append(batch, queued, buffer, &mut self.bytes);
    }
    /// The command at `index`, its arguments, and the hashes of those that are keys.
    pub(crate) fn get<'t>(
        &'t self,
        server: &'t Server,
        index: usize,
    ) -> Option<(&'t Command, Argv<'t>, KeyHashes<'t>)> {
        let queued = self.batch.get(index);
        let command = server.commands.by_id(queued.command()?);
        Some((command, self.batch.argv(&queued, &self.bytes), self.batch.hashes(&queued)))
    }
    /// All commands, as [`get`](Transaction::get) returns them.
    pub(crate) fn iter<'t>(
        &'t self,
        server: &'t Server,
    ) -> impl Iterator<Item = (&'t Command, Argv<'t>, KeyHashes<'t>)> {
        (0..self.len()).filter_map(|index| self.get(server, index))
    }
}

/// The shards that a command needs when it is one of several, so that it cannot take others in the midst of them.
fn shards(command: &Command, queued: &Queued, argv: Argv<'_>) -> ShardSet {
    let reaches_out = match command.spec.lock {
        LockClass::None | LockClass::Session(_) => return ShardSet::EMPTY,
        LockClass::Keys => false,
        LockClass::KeysOrAll(reaches_out) => reaches_out(argv),
        LockClass::All | LockClass::Transfer | LockClass::Walk | LockClass::Script => true,
    };
    // Where the line makes no sense the handler may look for keys elsewhere before it finds out.
    if reaches_out || !command_keys(command.spec, argv, |_| {}) { ShardSet::ALL } else { queued.shards }
}
