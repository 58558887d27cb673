//! The lines of CLIENT LIST and CLIENT INFO.

use crate::client::{ClientHandle, ClientKind};
use crate::context::Context;
use crate::server::Server;
use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;

/// Describes a client by what it last published; the caller, whose `context` is given, by what it is doing right now.
pub(super) fn line(server: &Server, handle: &ClientHandle, now_ms: i64, context: Option<&Context<'_>>) -> Vec<u8> {
    let seen = &handle.published;
    let level = server.config().compatibility_level;
    let mut line = Vec::with_capacity(320);
    let capacity = seen.output_capacity.load(Relaxed);
    let waiting = handle.waiting_bytes();
    let mut db = seen.db.load(Relaxed) as usize;
    let mut idle_ms = now_ms.saturating_sub(seen.last_active_ms.load(Relaxed)).max(0);
    let mut argv_bytes = seen.argv_bytes.load(Relaxed) + seen.query_parsed.load(Relaxed);
    let mut memory = handle.claimed_bytes();
    let mut query_len = seen.query_len.load(Relaxed);
    let last = seen.last_command.load(Relaxed).checked_sub(1);
    let mut command = last.and_then(|id| server.commands.all().get(id as usize));
    if let Some(context) = context.filter(|context| handle.id == context.client.id()) {
        (db, idle_ms) = (context.client.db, 0);
        if !context.denies_blocking() {
            command = Some(context.command);
        }
        query_len = context.argv.buffer_len() as u64;
        argv_bytes = context.argv.iter().map(|argument| argument.len() as u64).sum();
        // It is not at rest, as it will be when its memory is compared with a limit.
        memory += argv_bytes;
    }
    let age_ms = now_ms.saturating_sub(handle.connected_ms).max(0);
    let _ = write!(line, "id={} addr={} laddr={} fd={} name=", handle.id, handle.addr, handle.local_addr, handle.fd);
    line.extend_from_slice(&handle.name.lock());
    let _ = write!(line, " age={} idle={} flags={}", age_ms / 1000, idle_ms / 1000, flags(handle));
    if level.shows_client_capabilities() {
        let capabilities = if handle.understands_redirect.load(Relaxed) { "r" } else { "" };
        let _ = write!(line, " capa={capabilities}");
    }
    let queued = i64::from(seen.queued.load(Relaxed)) - 1;
    let [channels, patterns, shard] = [0, 1, 2].map(|space: usize| seen.subscriptions[space].load(Relaxed));
    let _ = write!(line, " db={db} sub={channels} psub={patterns} ssub={shard} multi={queued}");
    if level.shows_watched_keys() {
        // Who has to start over anyway watches nothing any more.
        let broken = handle.watch_broken.load(Relaxed);
        let _ = write!(line, " watch={}", if broken { 0 } else { seen.watched.load(Relaxed) });
    }
    let query_free = seen.query_free.load(Relaxed);
    // Replies beyond the capacity of the reply buffer count as a list of one node.
    let list_len = waiting.saturating_sub(capacity);
    let _ = write!(
        line,
        " qbuf={query_len} qbuf-free={query_free} argv-mem={argv_bytes} multi-mem={} rbs={capacity} rbp={} obl={} \
         oll={} omem={list_len} tot-mem={} events={} cmd={} user=",
        seen.transaction_bytes.load(Relaxed),
        seen.output_peak.load(Relaxed),
        waiting.min(capacity),
        u8::from(list_len > 0),
        memory,
        if waiting > 0 { "rw" } else { "r" },
        command.map_or("NULL", |command| command.full_name.as_str()),
    );
    if handle.kind() == ClientKind::Primary {
        line.extend_from_slice(b"(superuser)");
    } else {
        line.extend_from_slice(handle.account.lock().name());
    }
    let redirect = handle.tracker.redirect().map_or(-1, |id| id as i64);
    let _ = write!(line, " redir={redirect} resp={}", seen.protocol.load(Relaxed));
    if level.shows_client_libraries() {
        let library = handle.library.lock();
        for (label, text) in [(" lib-name=", &library.0), (" lib-ver=", &library.1)] {
            line.extend_from_slice(label.as_bytes());
            line.extend_from_slice(text);
        }
    }
    if level.shows_client_traffic() {
        let (bytes_in, bytes_out) = (seen.bytes_in.load(Relaxed), seen.bytes_out.load(Relaxed));
        let commands = seen.commands.load(Relaxed);
        let _ = write!(line, " tot-net-in={bytes_in} tot-net-out={bytes_out} tot-cmds={commands}");
    }
    line.push(b'\n');
    line
}

/// The letters of the client's flags, `N` where there is none.
pub(super) fn flags(handle: &ClientHandle) -> String {
    let bits = handle.flag_bits();
    let letters: String =
        ClientHandle::FLAG_LETTERS.iter().filter(|(flag, _)| bits & flag != 0).map(|(_, letter)| letter).collect();
    if letters.is_empty() { "N".to_owned() } else { letters }
}
