//! The configuration in the words of the modules that do not know it.

use crate::config::{self, Config, LogFormat, LogLevel, LogTimestampFormat, ShutdownFlags, Supervised, SyslogFacility};
use crate::logging::{self, LogOptions, syslog};
use crate::net::listen::ListenOptions;
use crate::process::supervise::Supervision;
use crate::process::{limits, title};
use crate::shutdown::ShutdownRequest;
use std::path::Path;

/// Where to listen.
pub(super) fn listen(config: &Config) -> ListenOptions {
    let unixsocket = config.unixsocket.to_string_lossy().into_owned();
    ListenOptions {
        bind: config.bind.clone(),
        port: config.port,
        tls_port: config.tls_port,
        backlog: i32::try_from(config.tcp_backlog).unwrap_or(i32::MAX),
        unixsocket: (!unixsocket.is_empty()).then_some(unixsocket),
        unixsocketperm: config.unixsocketperm,
        fastopen_queue: config.tcp_fastopen as usize,
        defer_accept_s: config.tcp_defer_accept as usize,
    }
}

/// Where to answer HTTP with metrics.
pub(super) fn metrics(config: &Config) -> ListenOptions {
    ListenOptions { bind: config.metrics_bind.clone(), port: config.metrics_port, ..ListenOptions::default() }
}

/// Where to log, and how.
pub(super) fn log(config: &Config) -> LogOptions {
    let syslog = config.syslog_enabled.then(|| syslog::SyslogOptions {
        ident: config.syslog_ident.clone(),
        facility: facility(config.syslog_facility),
        socket: syslog::DEV_LOG.into(),
    });
    LogOptions {
        level: match config.loglevel {
            LogLevel::Debug => logging::LogLevel::Debug,
            LogLevel::Verbose => logging::LogLevel::Verbose,
            LogLevel::Notice => logging::LogLevel::Notice,
            LogLevel::Warning => logging::LogLevel::Warning,
            LogLevel::Nothing => logging::LogLevel::Nothing,
        },
        format: match config.log_format {
            LogFormat::Legacy => logging::LogFormat::Legacy,
            LogFormat::Logfmt => logging::LogFormat::Logfmt,
            LogFormat::Json => logging::LogFormat::Json,
        },
        timestamps: match config.log_timestamp_format {
            LogTimestampFormat::Legacy => logging::TimestampFormat::Legacy,
            LogTimestampFormat::Iso8601 => logging::TimestampFormat::Iso8601,
            LogTimestampFormat::Milliseconds => logging::TimestampFormat::Milliseconds,
        },
        file: (!config.logfile.as_os_str().is_empty()).then(|| config.logfile.clone()),
        syslog,
        ..LogOptions::default()
    }
}

fn facility(facility: SyslogFacility) -> syslog::Facility {
    match facility {
        SyslogFacility::User => syslog::Facility::User,
        SyslogFacility::Local0 => syslog::Facility::Local(0),
        SyslogFacility::Local1 => syslog::Facility::Local(1),
        SyslogFacility::Local2 => syslog::Facility::Local(2),
        SyslogFacility::Local3 => syslog::Facility::Local(3),
        SyslogFacility::Local4 => syslog::Facility::Local(4),
        SyslogFacility::Local5 => syslog::Facility::Local(5),
        SyslogFacility::Local6 => syslog::Facility::Local(6),
        SyslogFacility::Local7 => syslog::Facility::Local(7),
    }
}

/// Who is told that the server is ready.
pub(super) fn supervision(config: &Config) -> Supervision {
    match config.supervised {
        Supervised::No => Supervision::No,
        Supervised::Systemd => Supervision::Systemd,
        Supervised::Upstart => Supervision::Upstart,
        Supervised::Auto => Supervision::Auto,
    }
}

/// How a signal ends the server. `safe` and `failover` concern nodes of a cluster, which this server cannot be yet.
pub(super) fn shutdown(flags: &ShutdownFlags) -> ShutdownRequest {
    let save = match (flags.save, flags.nosave) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    };
    ShutdownRequest { save, now: flags.now, force: flags.force, is_prepared: false }
}

/// What the kernel's OOM killer is to think of a primary, a replica, and the process that stands for a job: the mode, and the
/// values.
pub(super) fn oom_score(config: &Config) -> (limits::OomScoreAdj, [i32; 3]) {
    let mode = match config.oom_score_adj {
        config::OomScoreAdj::No => limits::OomScoreAdj::No,
        config::OomScoreAdj::Relative => limits::OomScoreAdj::Relative,
        config::OomScoreAdj::Absolute => limits::OomScoreAdj::Absolute,
    };
    (mode, config.oom_score_adj_values)
}

/// The text of the process title, for a program that was started under the name `program`; `None` if none is wanted.
pub(crate) fn title(config: &Config, program: &str, config_file: Option<&Path>) -> Option<String> {
    if !config.set_proc_title {
        return None;
    }
    let unixsocket = config.unixsocket.to_string_lossy();
    let config_file = config_file.unwrap_or(Path::new("")).to_string_lossy();
    let first = config.bind.first().map(String::as_str);
    let vars = title::TitleVars {
        title: program,
        listen_addr: &title::listen_addr(first, config.port, config.tls_port, &unixsocket),
        server_mode: "",
        port: config.port,
        tls_port: config.tls_port,
        unixsocket: &unixsocket,
        config_file: &config_file,
    };
    title::expand(&config.proc_title_template, &vars)
}
