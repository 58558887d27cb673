//! The end of the process: what is done before, and who is waited for.

use crate::blocking::{Outcome, WaitKind};
use crate::error;
use crate::persistence::save::{end_jobs, save_at_end};
use crate::server::Server;
use crate::shutdown::ShutdownRequest;
use ochre_store::{Access, Clock, Effects, Txn};
use std::time::Duration;

/// Does what is to be done before the process ends, as `request` says; false, if it must not end. Then all goes on as before.
pub(super) async fn prepare(server: &Server, request: ShutdownRequest) -> bool {
    let may_end = request.is_prepared || {
        let was_aborted = !request.now && !replicas_caught_up(server).await;
        server.shutdown.set_deadline(None);
        !was_aborted && finish(server, request)
    };
    if !may_end {
        server.pause.hold_writes(false, &server.attention);
        crate::pause::wake_held_back(server);
        server.shutdown.give_up();
        server.blocked.each_keyless(WaitKind::Shutdown, |waiter| {
            server.blocked.end(waiter, Outcome::Failed(error::CANNOT_END, false));
        });
    }
    may_end
}

/// Waits until replicas have all there is, for as long as the configuration says. False, if somebody has taken the wish to end
/// back meanwhile.
async fn replicas_caught_up(server: &Server) -> bool {
    let Some(deadline_ms) = wait_for_replicas(server) else { return true };
    server.shutdown.set_deadline(Some(deadline_ms));
    server.log.ask_for_acknowledgements(server);
    server.pause.hold_writes(true, &server.attention);
    server.bump_gate_epoch();
    tracing::info!("Waiting for replicas before shutting down.");
    let left_ms = deadline_ms.saturating_sub(crate::clock::unix_ms()).max(0);
    let caught_up = async {
        loop {
            let changed = server.shutdown.changed();
            if server.shutdown.is_aborted() {
                return false;
            }
            if !server.log.has_lagging_replicas() {
                return true;
            }
            changed.await;
        }
    };
    // Whoever is still behind then is not waited for any longer.
    tokio::time::timeout(Duration::from_millis(left_ms.unsigned_abs()), caught_up).await.unwrap_or(true)
}

/// Until when replicas have to be waited for, Unix milliseconds; nothing, if they need not be.
pub(crate) fn wait_for_replicas(server: &Server) -> Option<i64> {
    let seconds = i64::try_from(server.config().shutdown_timeout).unwrap_or(i64::MAX);
    let waits = seconds > 0 && server.log.has_lagging_replicas();
    waits.then(|| crate::clock::unix_ms().saturating_add(seconds.saturating_mul(1000)))
}

fn finish(server: &Server, request: ShutdownRequest) -> bool {
    let may_end = if request.save == Some(false) {
        crate::persistence::save::tell_of_replicas(server);
        end_jobs(server, request.force)
    } else {
        let member = server.store.register();
        let mut effects = Effects::default();
        let mut guard = member.party().lock_all_blocking();
        let clock = Clock { now_ms: crate::clock::unix_ms() };
        let mut txn = Txn::new(&server.store, &mut guard, clock, &mut effects, Access::default());
        save_at_end(server, &mut txn, request)
    };
    if !may_end {
        tracing::warn!("Errors trying to shut down the server. Check the logs for more information.");
    }
    may_end
}
