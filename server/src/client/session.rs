//! The state of a session, owned by its connection.

use super::ClientHandle;
use ochre_resp::reply::Protocol;
use std::sync::Arc;

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// Every command is answered.
    #[default]
    On,
    /// None is.
    Off,
    /// This one is not; the next one is.
    SkipThis,
    /// The next one is not.
    SkipNext,
}

/// What a connection remembers between commands.
pub struct Client {
    /// Selected database.
    pub db: usize,
    /// RESP version of the replies.
    pub protocol: Protocol,
    /// Whether it has given its password, or needs none.
    pub authenticated: bool,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// Leave access times of keys alone (CLIENT NO-TOUCH).
    pub no_touch: bool,
    /// Runs MONITOR.
    pub monitor: bool,
    /// How others see it.
    pub handle: Arc<ClientHandle>,
}

impl Client {
    /// A fresh session on database 0, RESP2.
    pub fn new(handle: Arc<ClientHandle>, authenticated: bool) -> Client {
        Client {
            db: 0,
            protocol: Protocol::Resp2,
            authenticated,
            reply_mode: ReplyMode::On,
            no_touch: false,
            monitor: false,
            handle,
        }
    }
    /// The session as the runs of a command that waits see it.
    pub(crate) fn frozen(&self) -> Client {
        Client { handle: self.handle.clone(), ..*self }
    }
    /// Changes the protocol of the replies to come.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        let version = if protocol == Protocol::Resp3 { 3 } else { 2 };
        self.handle.published.protocol.store(version, std::sync::atomic::Ordering::Relaxed);
    }
    /// The id CLIENT ID tells.
    pub fn id(&self) -> u64 {
        self.handle.id
    }
    /// Shows the session's flags to others.
    pub fn publish_flags(&self) {
        self.handle.published.flags.store(self.flags(), std::sync::atomic::Ordering::Relaxed);
    }
    /// The bits of [`ClientHandle::FLAG_LETTERS`] that follow from the session's state.
    pub fn flags(&self) -> u32 {
        let mut flags = 0;
        if self.handle.is_unix {
            flags |= ClientHandle::FLAG_UNIX;
        }
        if self.monitor {
            flags |= ClientHandle::FLAG_MONITOR;
        }
        if self.no_touch {
            flags |= ClientHandle::FLAG_NO_TOUCH;
        }
        if self.handle.no_evict.load(std::sync::atomic::Ordering::Relaxed) {
            flags |= ClientHandle::FLAG_NO_EVICT;
        }
        flags
    }
}
