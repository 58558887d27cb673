//! What a handler sees of the world.

use crate::args::Argv;
use crate::client::Client;
use crate::command::Command;
use crate::net::KeyHashes;
use crate::server::Server;
use ochre_resp::reply::ReplyWriter;
use ochre_store::sync::Slice;
use ochre_store::{Garbage, Key, Shard, Txn};

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
    /// Things only the connection can do, once the command is over.
    pub after: &'c mut After,
}

/// What the connection does after a command.
#[derive(Debug, Default)]
pub struct After {
    /// Close once the reply is sent.
    pub close: bool,
    /// End the process this way.
    pub shutdown: Option<crate::shutdown::ShutdownRequest>,
    /// Arguments that no log may show, by index.
    pub redacted: Vec<usize>,
    /// What gates check has changed: before the reply goes out, nobody may be served by the old state any more.
    pub barrier: bool,
    /// What the command removed and its reply waits for to be freed.
    pub garbage: Vec<Garbage>,
    /// The command took its time: the clock is to be read again before the next one.
    pub time_passed: bool,
}

impl After {
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.close
            || self.barrier
            || self.time_passed
            || self.shutdown.is_some()
            || !self.redacted.is_empty()
            || !self.garbage.is_empty()
    }
}

impl<'c> Context<'c> {
    /// The argument at `index` as a key, hashed once a batch.
    #[inline]
    pub fn key(&self, index: usize) -> Key<'c> {
        let bytes = self.argv.at(index);
        self.hashes.key(index, bytes).unwrap_or_else(|| self.server.store.key(bytes))
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
