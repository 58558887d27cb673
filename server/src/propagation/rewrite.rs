//! What a handler wants propagated in place of the line it was given.

use crate::client::Client;
use crate::server::{Attention, Server};
use ochre_resp::encode_arguments;

/// Who is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Replicas and the append-only file.
    #[default]
    All,
    /// Replicas alone: nothing has changed, or a script wants it so.
    Replicas,
    /// The append-only file alone: a script wants it so.
    File,
}

/// What stands for the command that is run.
#[derive(Default)]
pub struct Rewrite {
    /// The line is not propagated as it is.
    replaces: bool,
    /// The command is propagated though it has changed nothing.
    forced: Option<Reach>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Rewrite {
    /// That of the command which `client` runs, if anybody wants to know.
    pub fn of<'c>(client: &'c mut Client, server: &Server) -> Option<&'c mut Rewrite> {
        if server.attention.get() & Attention::PROPAGATES == 0 && !client.rehearses {
            return None;
        }
        Some(client.rewrite.get_or_insert_default())
    }
    /// Has this command propagated, after those that were named before, and not the one that is run.
    pub fn with<A: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = A, IntoIter: ExactSizeIterator>) {
        self.replaces = true;
        encode_arguments(&mut self.bytes, args.into_iter());
        self.ends.push(self.bytes.len());
    }
    /// Has only that propagated which was named.
    pub fn with_nothing(&mut self) {
        self.replaces = true;
    }
    /// Has the command propagated whatever it has changed.
    pub fn force(&mut self, reach: Reach) {
        self.forced = Some(reach);
    }
    pub(super) fn replaces(&self) -> bool {
        self.replaces
    }
    pub(super) fn forced(&self) -> Option<Reach> {
        self.forced
    }
    /// The encoded commands.
    pub(super) fn commands(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| self.bytes.get(start..*end).unwrap_or_default())
    }
    /// Forgets everything, for the next command.
    pub(crate) fn clear(&mut self) {
        self.replaces = false;
        self.forced = None;
        self.bytes.clear();
        self.bytes.shrink_to(Self::BYTES_KEPT);
        self.ends.clear();
    }
    const BYTES_KEPT: usize = 1024;
}
