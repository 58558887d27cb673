//! Brings a changed snapshot into force while the server runs.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::Mutex;

use super::codec::{Policy, SizeOrPercent, reason};
use super::compatibility::Level;
use super::directive::Effect;
use super::registry::Config;
use super::set::{Requester, SetError, set};
use crate::client::ClientKind;
use crate::server::{Attention, Server};

/// Does what concerns the process as a whole: listeners, log, title, limits, signals. Errs with the reason.
pub type Host = Box<dyn Fn(Effect, &Config) -> Result<(), String> + Send + Sync>;

/// Who may change the configuration, and who carries it out.
#[derive(Default)]
pub struct Changes {
    /// One change at a time, from reading the old snapshot to publishing the new one.
    turn: Mutex<()>,
    host: OnceLock<Host>,
}

impl Changes {
    /// Names the host; only the first call counts.
    pub fn set_host(&self, host: Host) {
        let _ = self.host.set(host);
    }

    /// Does something that no change may come between.
    pub(crate) fn in_turn(&self, act: impl FnOnce()) {
        let _turn = self.turn.lock();
        act();
    }
}

/// `CONFIG SET`: all of `pairs` or none. Errs with what the client is told; then everything is as before.
pub fn change(server: &Server, pairs: &[(&[u8], &[u8])], requester: Requester) -> Result<(), SetError> {
    let _turn = server.changes.turn.lock();
    let old = server.config().clone();
    let mut change = set(&old, pairs, requester)?;
    change.config.raise_watchdog_period();
    for (done, (effect, argument)) in change.effects.iter().enumerate() {
        let Err(why) = carry_out(server, *effect, &change.config) else { continue };
        tracing::warn!(argument, "Failed applying new configuration. Restoring previous settings.");
        for (effect, _) in change.effects.iter().take(done.saturating_add(1)) {
            if let Err(why) = carry_out(server, *effect, &old) {
                tracing::warn!(?effect, why, "Failed restoring the previous configuration");
            }
        }
        return Err(SetError::failed(argument, why));
    }
    server.publish_config(change.config);
    server.persistence.judge(server, &server.config());
    server.log.judge(server, crate::clock::unix_ms());
    server.aof.judge(server);
    crate::upstream::judge(server);
    Ok(())
}

/// Has the process take what its role, which `config` tells, asks for. What fails is logged.
pub(crate) fn follow_role(server: &Server, config: &Config) {
    // Whoever carries it out has said why.
    let _ = carry_out(server, Effect::OomScore, config);
}

/// Tells the store what it needs to know.
pub fn store_settings(server: &Server, config: &Config) {
    let settings = server.store.settings();
    settings.maxmemory.store(config.maxmemory, Relaxed);
    settings.set_policy(config.maxmemory_policy.into());
    settings.maxmemory_samples.store(config.maxmemory_samples, Relaxed);
    settings.lfu_log_factor.store(config.lfu_log_factor, Relaxed);
    settings.lfu_decay_time.store(config.lfu_decay_time, Relaxed);
    settings.active_expire_effort.store(config.active_expire_effort, Relaxed);
    settings.hz.store(config.hz, Relaxed);
    settings.proto_max_bulk_len.store(config.proto_max_bulk_len, Relaxed);
    settings.hll_sparse_max_bytes.store(config.hll_sparse_max_bytes, Relaxed);
    settings.list_max_listpack_size.store(config.list_max_listpack_size, Relaxed);
    settings.list_compress_depth.store(config.list_compress_depth, Relaxed);
    let oldest = config.compatibility_level == Level::V7_0;
    settings.list_short_as_listpack.store(!oldest, Relaxed);
    settings.set_max_intset_entries.store(config.set_max_intset_entries, Relaxed);
    settings.set_listpacks.store(!config.compatibility_level.small_sets_are_hashtables(), Relaxed);
    settings.set_listpack.set(config.set_max_listpack_entries, config.set_max_listpack_value);
    settings.hash_listpack.set(config.hash_max_listpack_entries, config.hash_max_listpack_value);
    settings.hash_presized.store(!oldest, Relaxed);
    settings.zset_listpack.set(config.zset_max_listpack_entries, config.zset_max_listpack_value);
    settings.stream_node_max_bytes.store(config.stream_node_max_bytes, Relaxed);
    settings.stream_node_max_entries.store(config.stream_node_max_entries, Relaxed);
    give_memory_back(config.jemalloc_bg_thread);
    server.attention.set(Attention::MAXMEMORY, config.maxmemory > 0);
    // Where memory is limited tables grow as late as they may.
    let fill = config.compatibility_level.bucket_fill_tenths().filter(|_| config.maxmemory == 0);
    server.store.set_bucket_fill_tenths(fill);
    server.attention.set(Attention::IMPORTS, config.import_mode);
    server.attention.set(Attention::NOTIFY, config.notify_keyspace_events.publishes());
}

/// Whether threads of the allocator give memory back that is not needed any more; otherwise that is done now and then by
/// those who allocate, and not at all while nobody does.
fn give_memory_back(in_background: bool) {
    use tikv_jemalloc_ctl::background_thread;
    if background_thread::read().is_ok_and(|is_on| is_on == in_background) {
        return;
    }
    if let Err(error) = background_thread::write(in_background) {
        tracing::warn!(%error, "the allocator's threads cannot be switched");
    }
}

/// Has the watchdog look as the configuration says. Errs with the reason.
pub fn set_watchdog(server: &Server, config: &Config) -> Result<(), String> {
    server.watchdog.set_period(config.watchdog_period).map_err(|error| reason(&error))
}

impl Config {
    /// The time between two turns of what is periodic: `hz` come in a second.
    pub(crate) fn beat(&self) -> Duration {
        Duration::from_micros(1_000_000_u64.wrapping_div(self.hz.clamp(1, 500).into()))
    }

    /// It takes two signs of life, of which one comes with each turn, to tell that one is missing.
    pub(crate) fn raise_watchdog_period(&mut self) {
        if self.watchdog_period > 0 {
            self.watchdog_period = self.watchdog_period.max(self.beat().saturating_mul(2).as_millis() as u32);
        }
    }
}

impl Config {
    /// The output limit of a class of clients; the link to a primary has none.
    #[must_use]
    pub fn output_limit(&self, kind: ClientKind) -> super::OutputLimit {
        match kind {
            ClientKind::Normal => self.client_output_buffer_limit.normal,
            ClientKind::Replica => self.client_output_buffer_limit.replica,
            ClientKind::PubSub => self.client_output_buffer_limit.pubsub,
            ClientKind::Primary => super::OutputLimit::default(),
        }
    }
}

impl Config {
    /// Bytes that all clients together may take; `None`: as many as they like. Too little to talk to the server at all
    /// is not taken seriously.
    #[must_use]
    pub fn clients_max(&self) -> Option<u64> {
        const BYTES_MIN: u64 = 128 << 10;
        let bytes = match self.maxmemory_clients {
            SizeOrPercent::Bytes(0) => return None,
            SizeOrPercent::Bytes(bytes) => bytes,
            SizeOrPercent::Percent(_) if self.maxmemory == 0 => return None,
            SizeOrPercent::Percent(percent) => {
                u128::from(self.maxmemory).saturating_mul(percent.into()).wrapping_div(100) as u64
            }
        };
        Some(bytes.max(BYTES_MIN))
    }
}

impl From<Policy> for ochre_store::Policy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::VolatileLru => Self::VolatileLru,
            Policy::VolatileLfu => Self::VolatileLfu,
            Policy::VolatileRandom => Self::VolatileRandom,
            Policy::VolatileTtl => Self::VolatileTtl,
            Policy::AllkeysLru => Self::AllKeysLru,
            Policy::AllkeysLfu => Self::AllKeysLfu,
            Policy::AllkeysRandom => Self::AllKeysRandom,
            Policy::NoEviction => Self::NoEviction,
        }
    }
}

fn carry_out(server: &Server, effect: Effect, config: &Config) -> Result<(), String> {
    match effect {
        Effect::Store => {
            store_settings(server, config);
            // A new hz may ask for another period.
            set_watchdog(server, config)
        }
        Effect::SlowLog => {
            for (log, len_max) in [
                (&server.slowlog, config.slowlog_max_len),
                (&server.large_requests, config.commandlog_large_request_max_len),
                (&server.large_replies, config.commandlog_large_reply_max_len),
            ] {
                log.truncate(usize::try_from(len_max).unwrap_or(usize::MAX));
            }
            Ok(())
        }
        Effect::Watchdog => set_watchdog(server, config),
        Effect::DefaultPassword => {
            server.accounts.set_default_password(&config.requirepass);
            Ok(())
        }
        Effect::Directory => std::env::set_current_dir(&config.dir).map_err(|error| reason(&error)),
        effect => match server.changes.host.get() {
            Some(host) => host(effect, config),
            None => Err("this cannot be changed here while the server runs".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::server::ProcessInfo;

    fn server() -> Arc<Server> {
        Server::new(Config { worker_threads: 1, ..Config::default() }, ProcessInfo::default()).unwrap()
    }

    #[test]
    fn the_watchdog_waits_for_two_signs_of_life() {
        let raised = |watchdog_period, hz| {
            let mut config = Config { watchdog_period, hz, ..Config::default() };
            config.raise_watchdog_period();
            config.watchdog_period
        };
        assert_eq!([raised(0, 10), raised(1, 10), raised(500, 10), raised(1, 500)], [0, 200, 500, 4]);
    }

    #[test]
    fn a_failed_effect_takes_all_of_them_back() {
        let server = server();
        let seen: Arc<Mutex<Vec<(Effect, u16)>>> = Arc::default();
        let record = seen.clone();
        server.changes.set_host(Box::new(move |effect, config| {
            record.lock().push((effect, config.port));
            let busy = effect == Effect::Port && config.port == 7;
            if busy { Err("Unable to listen on this port. Check server logs.".to_owned()) } else { Ok(()) }
        }));
        let pairs: [(&[u8], &[u8]); 5] =
            [(b"loglevel", b"debug"), (b"maxmemory", b"1mb"), (b"port", b"7"), (b"bind", b"::1"), (b"hz", b"20")];
        let error = change(&server, &pairs, Requester::default()).unwrap_err();
        let expected = "CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs.";
        assert_eq!(error.to_string(), expected);
        assert_eq!(**server.config(), Config { worker_threads: 1, ..Config::default() });
        assert_eq!(server.store.settings().maxmemory.load(Relaxed), 0);
        assert_eq!(server.attention.get() & Attention::MAXMEMORY, 0);
        let done = [(Effect::Logging, 7), (Effect::Port, 7), (Effect::Logging, 6379), (Effect::Port, 6379)];
        assert_eq!(*seen.lock(), done);
    }

    #[test]
    fn a_change_reaches_the_store_and_is_published() {
        let server = server();
        let version = server.config_version();
        let pairs: [(&[u8], &[u8]); 2] = [(b"maxmemory", b"1mb"), (b"maxmemory-policy", b"allkeys-lfu")];
        change(&server, &pairs, Requester::default()).unwrap();
        assert_eq!(server.config().maxmemory, 1 << 20);
        assert_eq!(server.store.settings().maxmemory.load(Relaxed), 1 << 20);
        assert_eq!(server.store.settings().policy(), ochre_store::Policy::AllKeysLfu);
        assert_ne!(server.attention.get() & Attention::MAXMEMORY, 0);
        assert_ne!(server.config_version(), version);
        change(&server, &[(b"port", b"1")], Requester::default()).unwrap_err();
        assert_eq!(server.config().port, 6379);
    }
}
