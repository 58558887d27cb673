//! TEMPORARY until the registry lands.
#![allow(missing_docs)]
use crate::client::ClientKind;
#[derive(Clone, Debug)]
pub struct Config { pub port: u16, pub databases: i64, pub rename_command: Vec<(String, String)>, pub worker_threads: usize, pub hz: i64, pub timeout: i64, pub request_timeout: i64, pub client_query_buffer_limit: u64, pub proto_max_bulk_len: u64, pub maxclients: i64, pub protected_mode: bool, pub requirepass: String, pub slowlog_log_slower_than: i64, pub slowlog_max_len: i64, pub latency_monitor_threshold: i64, pub latency_tracking: bool, pub lazyfree_lazy_user_del: bool }
#[derive(Clone, Copy, Debug, Default)]
pub struct OutputLimit { pub hard: u64, pub soft: u64, pub soft_seconds: i64 }
impl Default for Config { fn default() -> Self { Config { port: 6379, databases: 16, rename_command: vec![], worker_threads: 1, hz: 10, timeout: 0, request_timeout: 0, client_query_buffer_limit: 1<<30, proto_max_bulk_len: 512<<20, maxclients: 10000, protected_mode: true, requirepass: String::new(), slowlog_log_slower_than: 10000, slowlog_max_len: 128, latency_monitor_threshold: 0, latency_tracking: true, lazyfree_lazy_user_del: true } } }
impl Config {
    pub fn workers(&self) -> usize { self.worker_threads }
    pub fn output_limit(&self, _: ClientKind) -> OutputLimit { OutputLimit::default() }
}
pub mod apply { pub fn store_settings(_: &crate::server::Server, _: &super::Config) {} }
