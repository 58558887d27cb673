//! The log.

macro_rules! logging_directives {
    ($next:ident $($rest:ident)* => $($gathered:tt)*) => { $next! { $($rest)* => $($gathered)*
        "Logging" {
            /// From which weight on events are logged.
            loglevel: LogLevel = Pick(LogLevel::Notice), WORKS.effect(Effect::Logging);

            /// File that the log is appended to; empty is standard output.
            logfile: PathBuf = PathText { optional: false }, WORKS.immutable();

            /// Shape of log lines.
            log_format: LogFormat = Pick(LogFormat::Legacy), WORKS.effect(Effect::Logging).origin(Origin::Valkey);

            /// How log lines show the time.
            log_timestamp_format: LogTimestampFormat = Pick(LogTimestampFormat::Legacy),
                WORKS.effect(Effect::Logging).origin(Origin::Valkey);

            /// Whether the log also goes to syslog.
            syslog_enabled: bool = Switch(false), WORKS.immutable();

            /// Name under which syslog shows it.
            syslog_ident: String = Text::new("ochre"), WORKS.immutable();

            /// Facility of syslog.
            syslog_facility: SyslogFacility = Pick(SyslogFacility::Local0), WORKS.immutable();

            /// Whether the banner is shown even when the log is not a terminal.
            always_show_logo: bool = Switch(false), WORKS.immutable();

            /// Whether a crash is reported in the log.
            crash_log_enabled: bool = Switch(true), WORKS.effect(Effect::CrashHandlers);

            /// Whether memory is tested after a crash.
            crash_memcheck_enabled: bool = Switch(true), kept("has no meaning here: no memory test follows a crash");

            /// Whether keys and values stay out of the log.
            hide_user_data_from_log: bool = Switch(true),
                kept("has no meaning here: keys and values are never logged").origin(Origin::Later);

            /// Warnings at start that are ignored.
            ignore_warnings: String = Text::new(""), kept("has no meaning here: no such warning exists");

            /// Text that a crash report shows.
            debug_context: String = Text::new(""),
                kept("takes effect with crash reports that show it").hidden().origin(Origin::Valkey);
        }
    }};
}
