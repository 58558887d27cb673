//! Changes of the role: to follow somebody, somebody else, or nobody.

use super::state::Stage;
use crate::clock::unix_ms;
use crate::config::{self, Config};
use crate::error;
use crate::server::{Attention, Server};
use ochre_store::Txn;
use std::sync::atomic::Ordering::Relaxed;

/// What the configuration says when the process begins.
pub(crate) fn start_up(server: &Server) {
    let Some(target) = server.config().replicaof.clone() else { return };
    server.attention.set(Attention::FOLLOWS, true);
    server.log.begin_following(server, unix_ms());
    server.upstream.give_order(Some(target));
    judge(server);
}

/// The data set is loaded: if the file has said where in a stream it stands, that can be gone on with.
pub(crate) fn recall(server: &Server) {
    let loading = &server.persistence.loading;
    let (Some(id), Some(offset)) = loading.history.lock().clone() else { return };
    // It is text out of a file.
    if id.len() != ochre_replication::ID_LEN || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return;
    }
    server.log.recall(server, id, offset, loading.stream_db.load(Relaxed), unix_ms());
    server.log.add_expired(server, &std::mem::take(&mut *loading.expired.lock()));
    if server.upstream.is_set() {
        server.upstream.set_can_continue(true);
    }
}

/// Follows that primary from now on. To be called with all shards locked.
pub(crate) fn set(server: &Server, target: &config::Upstream) {
    let was_primary = !server.upstream.is_set();
    server.attention.set(Attention::FOLLOWS, true);
    server.log.begin_following(server, unix_ms());
    server.upstream.give_order(Some(target.clone()));
    if was_primary {
        // Perhaps the new primary knows this one's history.
        server.upstream.set_can_continue(true);
    }
    for client in server.clients.all() {
        server.blocked.fail(&client, error::replicas::UNBLOCKED_BY_ROLE, true);
    }
    keep_in_configuration(server, Some(target.clone()));
    tracing::info!("Connecting to MASTER {}:{}", target.host, target.port);
    published(server);
}

/// Follows nobody any more, if it does now. `txn` holds all shards.
pub(crate) fn lead(server: &Server, txn: &mut Txn<'_>) {
    server.upstream.give_order(None);
    server.upstream.set_can_continue(false);
    server.attention.set(Attention::FOLLOWS, false);
    server.log.lead(server, crate::random::run_id(), unix_ms());
    server.upstream.own_keys.forget();
    keep_in_configuration(server, None);
    // A synchronisation that did not come to its end has left it closed. What fails was logged.
    if server.config().appendonly {
        crate::aof::switch(server, txn, true, false);
    }
    published(server);
}

/// Has the dispatcher refuse what the configuration wants refused. To be called whenever the link or that changes.
pub(crate) fn judge(server: &Server) {
    let is_down = server.upstream.stage().is_some_and(|stage| stage != Stage::Connected);
    let refuses = is_down && !server.config().replica_serve_stale_data;
    if refuses != (server.attention.get() & Attention::STALE != 0) {
        server.attention.set(Attention::STALE, refuses);
        server.bump_gate_epoch();
    }
}

fn published(server: &Server) {
    judge(server);
    server.log.judge(server, unix_ms());
    server.bump_gate_epoch();
}

fn keep_in_configuration(server: &Server, target: Option<config::Upstream>) {
    server.changes.in_turn(|| {
        let config = Config { replicaof: target, ..Config::clone(&server.config()) };
        config::apply::follow_role(server, &config);
        server.publish_config(config);
    });
}
