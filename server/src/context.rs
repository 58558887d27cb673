//! What a handler sees of the world.

use crate::args::Argv;
use crate::blocking::{Block, WaitKind};
use crate::client::Client;
use crate::command::Command;
use crate::error::{CommandError, CommandResult};
use crate::net::KeyHashes;
use crate::propagation::{Reach, Rewrite};
use crate::pubsub::Staged;
use crate::server::{Attention, Server};
use ochre_resp::reply::ReplyWriter;
use ochre_store::sync::Slice;
use ochre_store::{Garbage, Key, Shard, Txn, keyspace};

/// One execution of one command. Fields are public so that a handler can borrow the data and the reply side by side.
pub struct Context<'c> {
    /// The process.
    pub server: &'c Server,
    /// The connection's session.
    pub client: &'c mut Client,
    /// The command, or the subcommand.
    pub command: &'c Command,
    /// The arguments, command name first.
    pub argv: Argv<'c>,
    /// The locked part of the keyspace.
    pub txn: Txn<'c>,
    /// Where the reply goes.
    pub reply: ReplyWriter<'c>,
    /// Hashes of the arguments that are keys.
    pub(crate) hashes: KeyHashes<'c>,
    /// Where a walking handler takes its locks; none while all shards are held.
    pub(crate) slice: Option<&'c Slice<'c, Shard>>,
    /// Whether the command may wait, or is run for a client that does.
    pub(crate) mode: Mode<'c>,
    /// Things only the connection can do, once the command is over.
    pub after: &'c mut After,
}

/// Why a command is run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode<'c> {
    /// Its client has sent it.
    First,
    /// As part of something that must not wait.
    Denied,
    /// A script has called it.
    Script,
    /// Its client waits, and this key has become ready.
    Again { kind: WaitKind, key: &'c [u8] },
}

/// What the connection does after a command.
#[derive(Default)]
pub struct After {
    /// Close once the reply is sent.
    pub close: bool,
    /// What gates check has changed: before the reply goes out, nobody may be served by the old state any more.
    pub barrier: bool,
    /// Other clients were served by what the command did, and are to be woken.
    pub(crate) served: bool,
    /// The command is a subscription, whose confirmation is sent even where replies are not.
    pub(crate) confirms: bool,
    /// Its client has published something that it listens to itself, perhaps.
    pub(crate) published: bool,
    /// The command took its time: the clock is to be read again before the next one.
    pub time_passed: bool,
    /// What nearly no command has; so nearly every one is spared making it and dropping it.
    rare: Option<Box<Rare>>,
}

/// What few commands leave to be done.
#[derive(Default)]
pub struct Rare {
    /// End the process this way.
    pub shutdown: Option<crate::shutdown::ShutdownRequest>,
    /// Arguments that no log may show, by index.
    pub redacted: Vec<usize>,
    /// What the command removed and its reply waits for to be freed.
    pub garbage: Vec<Garbage>,
    /// What a script has published so far.
    pub(crate) messages: Vec<Staged>,
}

impl After {
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        // All in one, since a branch for each costs more.
        self.close | self.barrier | self.time_passed | self.served | self.published | self.rare.is_some()
    }
    /// What few commands leave, to be added to.
    pub fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
    /// Takes what few commands leave.
    pub(crate) fn take_rare(&mut self) -> Rare {
        self.rare.take().map_or_else(Rare::default, |rare| *rare)
    }
    /// Takes what a script has published.
    pub(crate) fn take_messages(&mut self) -> Vec<Staged> {
        self.rare.as_mut().map_or_else(Vec::new, |rare| std::mem::take(&mut rare.messages))
    }
    /// Arguments that no log may show, by index.
    pub(crate) fn redacted(&self) -> &[usize] {
        self.rare.as_ref().map_or(&[], |rare| &rare.redacted)
    }
    /// All arguments may be shown again.
    pub(crate) fn show_all(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.redacted.clear();
        }
    }
}

/// A key that was not known to be one when its batch was decoded. Not to be made part of every handler.
#[cold]
#[inline(never)]
fn unhashed<'k>(server: &Server, bytes: &'k [u8]) -> Key<'k> {
    server.store.key(bytes)
}

impl<'c> Context<'c> {
    /// How long a reply may become before its client is cut off for it: longer ones need not be written to their end.
    pub(crate) fn reply_max_bytes(&self) -> usize {
        let hard = self.server.config().output_limit(self.client.handle.kind()).hard;
        if hard == 0 { usize::MAX } else { usize::try_from(hard).unwrap_or(usize::MAX) }
    }
    /// The argument at `index` as a key, hashed once a batch.
    #[inline]
    pub fn key(&self, index: usize) -> Key<'c> {
        let bytes = self.argv.at(index);
        match self.hashes.key(index, bytes) {
            Some(key) => key,
            None => unhashed(self.server, bytes),
        }
    }
    /// Has the client wait, because there is nothing for it now. To be the handler's last act, without a reply.
    ///
    /// While the client waits it is sent no reply, and nothing else that it has sent is executed. When one of the keys
    /// becomes ready (some unit has touched it, and it holds what the [`WaitKind`] wants), the handler is run again with the
    /// same arguments: under the locks of that unit, before these are released, perhaps by another worker, in the order in
    /// which clients began to wait for the key. See [`at_hand`](Context::at_hand) for what it may look at then. If it calls
    /// `block` again the client keeps its place and its deadline. When the time is over, or CLIENT UNBLOCK says so, it is
    /// answered with [`Block::otherwise`] without another run.
    ///
    /// Where waiting is not allowed this writes that answer at once.
    ///
    /// # Errors
    /// [`CommandError::Blocked`], which the handler hands on, unless waiting is not allowed.
    pub fn block(&mut self, block: Block) -> CommandResult {
        if self.denies_blocking() {
            block.otherwise.write(self.server, &mut self.reply, true);
            return Ok(());
        }
        Err(CommandError::Blocked(Box::new(block)))
    }
    /// Whether waiting is not allowed: in a transaction, in a script.
    pub fn denies_blocking(&self) -> bool {
        matches!(self.mode, Mode::Denied | Mode::Script)
    }
    /// Whether the key at the argument `index` may be looked at in this run. A command that may wait asks before it looks at
    /// a key it waits for, and passes over those that are not at hand.
    ///
    /// In the first run every key is. In a run for a client that waits it is the key that became ready, and of the others
    /// those that are locked too and hold what is waited for. The rest holds nothing for this client, or else whoever makes
    /// it ready serves the client.
    pub fn at_hand(&mut self, index: usize) -> bool {
        let Mode::Again { kind, key } = self.mode else { return true };
        if self.argv.at(index) == key {
            return true;
        }
        let (db, key) = (self.db(), self.key(index));
        keyspace::peek_type(&mut self.txn, db, key).is_ok_and(|found| found.is_some_and(|found| kind.wants(found)))
    }
    /// Has another command propagated in place of the one that is run, if that has changed anything; after several calls,
    /// all that were named, in order. To be called when nothing can fail any more.
    pub fn propagate_as(&mut self, args: &[&[u8]]) {
        if let Some(rewrite) = Rewrite::of(self.client, self.server) {
            rewrite.with(args);
        }
    }
    /// Whether anybody reads what is propagated: otherwise nothing need be prepared for it.
    #[inline]
    pub fn propagates(&self) -> bool {
        self.server.attention.get() & Attention::PROPAGATES != 0 || self.client.rehearses
    }
    /// Has the deletion of a key propagated in place of the command, in the form that `lazily` says.
    pub fn propagate_deletion(&mut self, key: &[u8], lazily: bool) {
        self.propagate_as(&[if lazily { b"UNLINK" } else { b"DEL" }, key]);
    }
    /// Has the command propagated as it is but for some arguments, given with their indices.
    pub fn propagate_with(&mut self, changed: &[(usize, &[u8])]) {
        let argv = self.argv;
        if let Some(rewrite) = Rewrite::of(self.client, self.server) {
            let changed = |index| changed.iter().find(|(place, _)| *place == index).map(|(_, argument)| *argument);
            rewrite.with(argv.iter().enumerate().map(|(index, argument)| changed(index).unwrap_or(argument)));
        }
    }
    /// Has the command propagated even if it has changed nothing.
    pub fn propagate_anyway(&mut self, reach: Reach) {
        if let Some(rewrite) = Rewrite::of(self.client, self.server) {
            rewrite.force(reach);
        }
    }
    /// The selected database.
    #[inline]
    pub fn db(&self) -> usize {
        self.client.db
    }
    /// The time at which this command happens, in Unix milliseconds; it stands still while the command runs.
    #[inline]
    pub fn now_ms(&self) -> i64 {
        self.txn.now_ms()
    }
}
