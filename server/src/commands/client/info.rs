//! The lines of CLIENT LIST and CLIENT INFO.

use crate::client::{Client, ClientHandle};
use crate::command::Command;
use crate::server::Server;
use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;

/// Describes a client. `own` is its session and what it is executing, where it is the caller's: they are fresher than
/// what is published.
pub(super) fn line(server: &Server, handle: &ClientHandle, own: Option<(&Client, &Command)>, now_ms: i64) -> Vec<u8> {
    let seen = &handle.published;
    let mut line = Vec::with_capacity(320);
    let (query_len, query_free) = (seen.query_len.load(Relaxed), seen.query_free.load(Relaxed));
    let output_capacity = seen.output_capacity.load(Relaxed);
    let output_len = seen.output_len.load(Relaxed);
    // Replies beyond the capacity of the reply buffer count as a list of one node.
    let list_len = output_len.saturating_sub(output_capacity);
    let db = own.map_or_else(|| u64::from(seen.db.load(Relaxed)), |(client, _)| client.db as u64);
    let command = match (own, seen.last_command.load(Relaxed)) {
        (Some((_, command)), _) => Some(command),
        (None, 0) => None,
        (None, id) => server.commands.all().get(id as usize - 1),
    };
    let idle = if own.is_some() { 0 } else { now_ms.saturating_sub(seen.last_active_ms.load(Relaxed)).max(0) / 1000 };
    let library = handle.library.lock();
    let argv_bytes = seen.argv_bytes.load(Relaxed);
    let total = handle.buffer_bytes();
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
        command.map_or("NULL", |command| command.full_name.as_str()),
        handle.user.lock(),
        seen.protocol.load(Relaxed),
        String::from_utf8_lossy(&library.0),
        String::from_utf8_lossy(&library.1),
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
