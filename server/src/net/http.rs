//! Cross-protocol requests: a web page can have a browser on the machine, or inside the network, send HTTP to this port, and
//! lines of its own choosing in the body. Such a connection is ended at its first line that no Redis client sends.

use super::{Closing, Connection, Queued, Worker};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// Least time between two warnings.
const WARNING_PERIOD_MS: i64 = 60_000;

/// Ends the connection if the command, of a name that is unknown, is one that HTTP begins a line with; says whether it was.
pub(crate) fn close_on_request(connection: &mut Connection, worker: &Worker, queued: &Queued) -> bool {
    let name = connection.batch.argv(queued, connection.argument_bytes()).at(0);
    if !name.eq_ignore_ascii_case(b"host:") && !name.eq_ignore_ascii_case(b"post") {
        return false;
    }
    if is_time_to_warn(worker.clock().now_ms) {
        let addr = &connection.client.handle.addr;
        tracing::warn!(
            addr,
            "Possible SECURITY ATTACK detected: a client sends HTTP (POST or Host:). Its connection is aborted."
        );
    }
    connection.closing = Closing::Now;
    true
}

fn is_time_to_warn(now_ms: i64) -> bool {
    static WARNED_MS: AtomicI64 = AtomicI64::new(i64::MIN);
    let warned_ms = WARNED_MS.load(Relaxed);
    now_ms.saturating_sub(warned_ms) > WARNING_PERIOD_MS
        && WARNED_MS.compare_exchange(warned_ms, now_ms, Relaxed, Relaxed).is_ok()
}
