//! Replies that nobody wants.

use crate::client::{Client, ReplyMode};
use crate::net::{Connection, Output};

/// CLIENT REPLY: drops the reply from `mark` on, where none is wanted.
pub(crate) fn apply_reply_mode(connection: &mut Connection, mark: usize) {
    apply_reply_mode_to(&mut connection.client, &mut connection.output, mark);
}

/// As [`apply_reply_mode`], while a connection is borrowed in parts.
pub(super) fn apply_reply_mode_to(client: &mut Client, output: &mut Output, mark: usize) {
    match client.reply_mode {
        ReplyMode::On => {}
        ReplyMode::Off => output.cut(mark),
        ReplyMode::SkipThis => {
            output.cut(mark);
            client.reply_mode = ReplyMode::On;
        }
        ReplyMode::SkipNext => client.reply_mode = ReplyMode::SkipThis,
    }
}
