//! Executing commands of a file.

use super::replay_script::Scripts;
use crate::args::Argv;
use crate::client::{Client, ClientHandle, Origin};
use crate::command::command_keys;
use crate::context::{After, Context, Mode};
use crate::error::CommandError;
use crate::net::KeyHashes;
use crate::server::Server;
use ochre_persist::aof::CommandLine;
use ochre_resp::reply::ReplyWriter;
use ochre_store::Txn;
use std::sync::Arc;

/// Runs the handlers of commands that were executed once, and whose replies nobody wants.
pub(super) struct Replay<'s> {
    server: &'s Server,
    client: Client,
    replies: Vec<u8>,
    /// The commands since MULTI.
    queue: Option<Vec<CommandLine>>,
    scripts: Scripts,
}

/// Why a command is not executed.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotReplayed {
    /// There is no such command.
    #[error("Unknown command '{0}'")]
    Unknown(String),
    /// It has too many or too few arguments.
    #[error("Wrong number of arguments for '{0}'")]
    Arity(String),
    /// It names a script that cannot be run.
    #[error("Cannot execute '{0}': {1}")]
    Script(String, String),
    /// It cannot be executed here.
    #[error("Cannot execute '{0}'")]
    Impossible(String),
}

impl<'s> Replay<'s> {
    pub(super) fn new(server: &'s Server) -> Replay<'s> {
        let mut client = Client::new(Arc::new(ClientHandle::new(Origin::default())), &server.accounts);
        client.is_log = true;
        Replay { server, client, replies: Vec::new(), queue: None, scripts: Scripts::default() }
    }

    /// Whether a transaction has begun and not ended.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.queue.is_some()
    }

    /// Asks the processor for the buckets of a command's keys, some time before it is executed.
    pub(super) fn prefetch(&self, line: &CommandLine) {
        let argv = Argv::new(&line.bytes, &line.spans);
        let Some(command) = self.server.commands.resolve(argv).filter(|command| command.spec.accepts(argv.len()))
        else {
            return;
        };
        let store = &self.server.store;
        command_keys(command.spec, argv, |position| {
            store.prefetch_bucket(self.client.db, &store.key(argv.at(position.index)));
        });
    }

    /// Executes a command, all shards being those of `txn`. What belongs to a transaction is executed with its end.
    pub(super) fn command(&mut self, txn: &mut Txn<'_>, line: &mut CommandLine) -> Result<(), NotReplayed> {
        let name = line.at(0).to_ascii_lowercase();
        match (name.as_slice(), &mut self.queue) {
            (b"multi", queue) => *queue = Some(Vec::new()),
            (b"exec", queue) => {
                let queue = queue.take().unwrap_or_default();
                queue.iter().try_for_each(|line| self.execute(txn, line))?;
            }
            (_, Some(queue)) => queue.push(std::mem::take(line)),
            (_, None) => self.execute(txn, line)?,
        }
        Ok(())
    }

    fn execute(&mut self, txn: &mut Txn<'_>, line: &CommandLine) -> Result<(), NotReplayed> {
        let argv = Argv::new(&line.bytes, &line.spans);
        let name = || String::from_utf8_lossy(argv.at(0)).into_owned();
        let command = self.server.commands.resolve(argv).ok_or_else(|| NotReplayed::Unknown(name()))?;
        if !command.spec.accepts(argv.len()) {
            return Err(NotReplayed::Arity(name()));
        }
        self.replies.clear();
        let mut after = After::default();
        let result = (command.spec.handler)(&mut Context {
            server: self.server,
            command,
            argv,
            txn: txn.part(),
            reply: ReplyWriter::new(&mut self.replies, self.client.protocol),
            hashes: KeyHashes::default(),
            slice: None,
            mode: Mode::Denied,
            client: &mut self.client,
            after: &mut after,
        });
        if let Some(rewrite) = &mut self.client.rewrite {
            rewrite.clear();
        }
        match result {
            Ok(()) => Ok(()),
            Err(CommandError::Execute(_)) => Err(NotReplayed::Impossible(name())),
            Err(CommandError::Script(request)) => {
                let session = (self.server, &mut self.client);
                let ran = self.scripts.run(session, txn.part(), command, argv, request);
                ran.map_err(|why| NotReplayed::Script(name(), why))
            }
            Err(error) => {
                // It failed when it was executed first, too.
                tracing::debug!(command = name(), error = %error.text(), "a command of the append-only file failed");
                Ok(())
            }
        }
    }
}
