//! Texts about what clients receive unasked: messages and invalidations.

use super::CommandError;

texts! {
    /// SSUBSCRIBE inside MULTI.
    SSUBSCRIBE_DENIED = "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client";
}

/// A command that a client of RESP2 may not call while it listens to channels, by its full name.
pub fn not_for_listeners(full_name: &str) -> CommandError {
    const WHO_MAY: &str = "only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
    CommandError::Message(format!("ERR Can't execute '{full_name}': {WHO_MAY}"))
}
