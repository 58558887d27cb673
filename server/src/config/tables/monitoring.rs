//! What is measured and remembered about commands.

macro_rules! monitoring_directives {
    ($next:ident $($rest:ident)* => $($gathered:tt)*) => { $next! { $($rest)* => $($gathered)*
        "Monitoring" {
            /// Microseconds above which a command goes to the slow log; -1 is off.
            slowlog_log_slower_than: i64 = Int::new(10_000, -1, i64::MAX),
                WORKS.aliases(&["commandlog-execution-slower-than"]);

            /// Entries that the slow log keeps.
            slowlog_max_len: u64 = Int::new(128, 0, i64::MAX),
                WORKS.aliases(&["commandlog-slow-execution-max-len"]).effect(Effect::SlowLog);

            /// Bytes of a request above which it is remembered; -1 is off.
            commandlog_request_larger_than: i64 = Int::new(1_048_576, -1, i64::MAX), WORKS.origin(Origin::Valkey);

            /// Entries that are kept of those.
            commandlog_large_request_max_len: u64 = Int::new(128, 0, i64::MAX),
                WORKS.effect(Effect::SlowLog).origin(Origin::Valkey);

            /// Bytes of a reply above which it is remembered; -1 is off.
            commandlog_reply_larger_than: i64 = Int::new(1_048_576, -1, i64::MAX), WORKS.origin(Origin::Valkey);

            /// Entries that are kept of those.
            commandlog_large_reply_max_len: u64 = Int::new(128, 0, i64::MAX),
                WORKS.effect(Effect::SlowLog).origin(Origin::Valkey);

            /// Port at which HTTP answers /metrics for Prometheus, and /health; 0 opens none.
            metrics_port: u16 = Int::new(0, 0, 65535), WORKS.immutable().origin(Origin::Own);

            /// Addresses for that port.
            metrics_bind: Vec<String> = Addresses(&["127.0.0.1", "-::1"]), WORKS.immutable().origin(Origin::Own);

            /// Milliseconds from which on LATENCY remembers an event; 0 is off.
            latency_monitor_threshold: u64 = Int::new(0, 0, i64::MAX), WORKS;

            /// Whether the time of every command is counted into a histogram.
            latency_tracking: bool = Switch(true), WORKS;

            /// Percentiles of it that INFO shows.
            latency_tracking_info_percentiles: Vec<f64> = Percentiles, WORKS;
        }
    }};
}
