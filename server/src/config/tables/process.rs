//! The process: threads, signals, title, limits.

macro_rules! process_directives {
    ($next:ident $($rest:ident)* => $($gathered:tt)*) => { $next! { $($rest)* => $($gathered)*
        "Process" {
            /// Worker threads; 0 or auto is one a core, at most 16.
            worker_threads: usize = Int::new(0, 0, 256).word("auto", 0),
                WORKS.aliases(&["io-threads"]).immutable().origin(Origin::Own);

            /// Version that is followed where versions disagree. At 7.0 killing the process that stands for a save ends it.
            compatibility_level: Level = Pick(Level::Native), WORKS.immutable().origin(Origin::Own);

            /// Whether the server goes to the background.
            daemonize: bool = Switch(false), WORKS.immutable();

            /// File that holds the process id while the server runs.
            pidfile: PathBuf = PathText { optional: true }, WORKS.immutable();

            /// Who is told when the server is ready.
            supervised: Supervised = Pick(Supervised::No), WORKS.immutable();

            /// Working directory: where data files are, and what relative paths start from.
            dir: PathBuf = Directory, WORKS.protected().deny_loading().effect(Effect::Directory);

            /// Whether the process shows a title of its own.
            set_proc_title: bool = Switch(true), WORKS.immutable();

            /// That title, with {title}, {listen-addr}, {server-mode}, {port}, {tls-port}, {unixsocket}, {config-file}.
            proc_title_template: String = Text::new("{title} {listen-addr} {server-mode}").checked(title_template),
                WORKS.effect(Effect::ProcessTitle);

            /// How often in a second timers run.
            hz: u32 = Int::new(10, 0, INT_MAX).clamped(1, 500), WORKS.effect(Effect::Store);

            /// Whether timers run more often with many clients.
            dynamic_hz: bool = Switch(true), kept("has no meaning here: each worker sweeps its own clients");

            /// Whether the kernel's OOM score is set.
            oom_score_adj: OomScoreAdj = Pick(OomScoreAdj::No), WORKS.effect(Effect::OomScore);

            /// Those scores: of a primary, a replica, and the process that stands for a save (compatibility-level 7.0).
            oom_score_adj_values: [i32; 3] = OomScores, WORKS.effect(Effect::OomScore);

            /// How SIGINT ends the server.
            shutdown_on_sigint: ShutdownFlags = ShutdownOn, WORKS;

            /// How SIGTERM ends the server.
            shutdown_on_sigterm: ShutdownFlags = ShutdownOn, WORKS;

            /// Seconds for which replicas may catch up before the server ends.
            shutdown_timeout: u64 = Int::new(10, 0, INT_MAX), WORKS;

            /// Milliseconds after which a stuck thread is logged with where it is, at least two turns of the timers; 0 is off.
            watchdog_period: u32 = Int::new(0, 0, INT_MAX), WORKS.effect(Effect::Watchdog).hidden();

            /// Whether a panic exits instead of aborting.
            use_exit_on_panic: bool = Switch(false), WORKS.effect(Effect::CrashHandlers).hidden();

            /// Cores that workers run on.
            server_cpulist: String = Text::optional(),
                not_yet("processor affinity").immutable().aliases(&["server_cpulist"]);

            /// Cores that background freeing and syncing run on.
            bio_cpulist: String = Text::optional(), not_yet("processor affinity").immutable().aliases(&["bio_cpulist"]);

            /// Cores that the rewrite of the append-only file runs on.
            aof_rewrite_cpulist: String = Text::optional(),
                not_yet("processor affinity").immutable().aliases(&["aof_rewrite_cpulist"]);

            /// Cores that saving runs on.
            bgsave_cpulist: String = Text::optional(),
                not_yet("processor affinity").immutable().aliases(&["bgsave_cpulist"]);

            /// Whether threads also read.
            io_threads_do_reads: bool = Switch(false), kept("has no meaning here: every worker reads").immutable();

            /// Whether threads stay awake.
            io_threads_always_active: bool = Switch(false),
                kept("has no meaning here: workers wake on demand").hidden().origin(Origin::Valkey);

            /// Commands whose keys are prefetched together.
            prefetch_batch_max_size: u32 = Int::new(16, 0, 128),
                kept("has no meaning here: a batch is what one read brought").origin(Origin::Later);

            /// Threads from which on replies are not copied.
            min_io_threads_avoid_copy_reply: u32 = Int::new(7, 0, INT_MAX),
                kept("has no meaning here").hidden().origin(Origin::Valkey);

            /// Length from which on a reply is not copied.
            min_string_size_avoid_copy_reply: u32 = Int::new(16384, 0, INT_MAX),
                kept("has no meaning here").hidden().origin(Origin::Valkey);

            /// The same with threads.
            min_string_size_avoid_copy_reply_threaded: u32 = Int::new(65536, 0, INT_MAX),
                kept("has no meaning here").hidden().origin(Origin::Valkey);

            /// Whether the server calls itself redis in HELLO and in error texts.
            extended_redis_compatibility: bool = Switch(false), not_yet("another name in HELLO").origin(Origin::Valkey);

            /// Zone of the data centre, as INFO shows it.
            availability_zone: String = Text::new(""), WORKS.origin(Origin::Valkey);

            /// Whether assertions that cost time are checked.
            enable_debug_assert: bool = Switch(false),
                kept("has no meaning here").immutable().hidden().origin(Origin::Valkey);
        }
    }};
}
