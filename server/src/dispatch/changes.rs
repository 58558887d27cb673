//! What a connection sees of changes that others have made.

use crate::net::{Closing, Connection, Worker};

/// Looks at what gates check, after some of it has changed. False: the client's user is gone, and so is the connection.
#[cold]
pub(super) fn see_changes(connection: &mut Connection, worker: &Worker, epoch: u64) -> bool {
    worker.see_config();
    let client = &mut connection.client;
    client.gate_epoch = epoch;
    if client.link.as_ref().is_some_and(|link| !link.is_current(&worker.server)) {
        connection.closing = Closing::Now;
        return false;
    }
    if client.account.is_gone() {
        client.log_out(&worker.server.accounts);
        connection.closing = Closing::Now;
        return false;
    }
    client.see_user();
    true
}
