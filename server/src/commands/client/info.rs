//! The lines of CLIENT LIST and CLIENT INFO.

use crate::client::{Client, ClientHandle};
use crate::server::Server;
use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;

/// Describes a client. `own` is its session where it is the caller's, whose figures are fresher than the published ones.
pub(super) fn line(server: &Server, handle: &ClientHandle, own: Option<&Client>, now_ms: i64) -> Vec<u8> {
    let seen = &handle.published;
    let mut line = Vec::with_capacity(320);
    let (query_len, query_free) = (seen.query_len.load(Relaxed), seen.query_free.load(Relaxed));
    let output_capacity = seen.output_capacity.load(Relaxed);
    let output_len = seen.output_len.load(Relaxed);
    // Replies beyond the capacity of the reply buffer count as a list of one node.
    let list_len = output_len.saturating_sub(output_capacity);
    let db = own.map_or_else(|| u64::from(seen.db.load(Relaxed)), |own| own.db as u64);
    let command = match seen.last_command.load(Relaxed) {
        _ if own.is_some() => None,
        0 => Some("NULL"),
        id => server.commands.all().get(id as usize - 1).map(|command| command.full_name.as_str()),
    };
    let idle = if own.is_some() { 0 } else { now_ms.saturating_sub(seen.last_active_ms.load(Relaxed)).max(0) / 1000 };
    let argv_bytes = seen.argv_bytes.load(Relaxed);
    let total = handle.buffer_bytes();
    let (library, library_version) = handle.library.lock().clone();
    let _ = write!(
        line,
        "id={} addr={} laddr={} fd={} name={} age={} idle={idle} flags={} db={db} sub=0 psub=0 ssub=0 multi=-1 watch=0 \
         qbuf={query_len} qbuf-free={query_free} argv-mem={argv_bytes} multi-mem=0 rbs={output_capacity} rbp={} obl={} \
         oll={} omem={list_len} tot-mem={total} events={} cmd={} user={} redir=-1 resp={} lib-name={} lib-ver={} \
         tot-net-in={} tot-net-out={} tot-cmds={}",
        handle.id,
        handle.addr,
        handle.local_addr,
        handle.fd,
        String::from_utf8_lossy(&handle.name.lock()),
        now_ms.saturating_sub(handle.connected_ms).max(0) / 1000,
        flags(handle),
        seen.output_peak.load(Relaxed),
        output_len.min(output_capacity),
        u8::from(list_len > 0),
        if output_len > 0 { "rw" } else { "r" },
        command.unwrap_or(if handle.published.last_command.load(Relaxed) == 0 { "NULL" } else { "client|list" }),
        handle.user.lock(),
        seen.protocol.load(Relaxed),
        String::from_utf8_lossy(&library),
        String::from_utf8_lossy(&library_version),
        seen.bytes_in.load(Relaxed),
        seen.bytes_out.load(Relaxed),
        seen.commands.load(Relaxed),
    );
    line
}

/// The letters of the client's flags, `N` where there is none.
pub(super) fn flags(handle: &ClientHandle) -> String {
    let bits = handle.published.flags.load(Relaxed);
    let letters: String =
        ClientHandle::FLAG_LETTERS.iter().filter(|(flag, _)| bits & flag != 0).map(|(_, letter)| letter).collect();
    if letters.is_empty() { "N".to_owned() } else { letters }
}
