//! What takes long, is done by a thread of its own, and is answered once it is done.

use crate::server::Server;
use std::fmt::{Debug, Formatter};
use std::sync::Arc;

type Act = dyn FnOnce(&Arc<Server>) -> Outcome + Send + Sync;

/// Something that a thread does without the locks of the command that asks for it. Whoever asks waits; what comes of it is
/// the reply.
pub struct Errand(Box<Act>);

/// The reply.
#[derive(Debug)]
pub enum Outcome {
    /// `OK`.
    Done,
    /// A text.
    Text(String),
}

impl Errand {
    /// Has this done.
    pub fn new(act: impl FnOnce(&Arc<Server>) -> Outcome + Send + Sync + 'static) -> Errand {
        Errand(Box::new(act))
    }

    /// Does it.
    pub(crate) fn run(self, server: &Arc<Server>) -> Outcome {
        (self.0)(server)
    }
}

impl Debug for Errand {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Errand")
    }
}
