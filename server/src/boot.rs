//! Start and end of the process: configuration, log, listeners, workers, signals.

use crate::config::{Config, Effect, Invocation, Loaded, fatal_error, load, parse_arguments};
use crate::logging::{LogHandle, LogOptions, banner::Banner};
use crate::net::listen::{ListenOptions, Listener, backlog_warning, bind_all};
use crate::net::{Acceptor, WorkerPool};
use crate::process::{crash, limits, pidfile::PidFile, signals, startup, supervise, title};
use crate::server::{ProcessInfo, Server};
use crate::shutdown::ShutdownRequest;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;
use std::sync::Arc;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const USAGE: &str = "\
Usage: ochre-server [CONFIG-FILE] [--DIRECTIVE VALUE ...] [-]
       ochre-server -v | --version
       ochre-server -h | --help

A lone - reads further configuration from standard input. Every directive of
default.conf can be given as an option, for example:

       ochre-server --port 7777 --maxmemory 1gb
       ochre-server /etc/ochre.conf --loglevel verbose
";

/// Runs the server, or what else the command line asks for.
pub fn main() -> ExitCode {
    let startup = startup::begin();
    let arguments: Vec<Vec<u8>> = startup.args.iter().skip(1).cloned().map(OsStringExt::into_vec).collect();
    let launch = match parse_arguments(&arguments) {
        Invocation::Run(launch) => launch,
        Invocation::Version => {
            println!("Ochre server v={VERSION} malloc=jemalloc bits={}", usize::BITS);
            return ExitCode::SUCCESS;
        }
        Invocation::Help => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Invocation::Generate(name) => return generate(&name),
        Invocation::TestMemory => return refuse("--test-memory"),
        Invocation::CheckSystem => return refuse("--check-system"),
        Invocation::Sentinel => return refuse("--sentinel"),
    };
    let loaded = match load(&launch, &mut std::io::stdin()) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = std::env::set_current_dir(&loaded.config.dir) {
        eprintln!("{}", fatal_error(None, &format!("Can't chdir to '{}': {error}", loaded.config.dir.display())));
        return ExitCode::FAILURE;
    }
    match serve(loaded) {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => {
            eprintln!("{report}");
            ExitCode::FAILURE
        }
    }
}

fn generate(name: &str) -> ExitCode {
    match crate::config::generate(name).or_else(|| crate::commands::generate(name)) {
        Some(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("nothing to generate has the name '{name}'");
            ExitCode::FAILURE
        }
    }
}

fn refuse(option: &str) -> ExitCode {
    eprintln!("{option} is not supported yet");
    ExitCode::FAILURE
}

/// Serves until somebody asks for the end.
fn serve(loaded: Loaded) -> Result<(), String> {
    let Loaded { config, file, kept } = loaded;
    let log =
        crate::logging::init(&log_options(&config)).map_err(|error| format!("Can't open the log file: {error}"))?;
    crash::install(VERSION, log.raw_fd()).map_err(|error| format!("Can't install the crash handlers: {error}"))?;
    crash::set_enabled(config.crash_log_enabled);
    let banner = Banner { version: VERSION, mode: "standalone", port: config.port, pid: std::process::id() };
    log.announce(&banner, config.always_show_logo);
    for directive in kept {
        tracing::debug!(?directive, "kept, without effect in this version");
    }
    let process = ProcessInfo {
        run_id: crate::random::run_id(),
        started_ms: crate::clock::unix_ms(),
        config_file: file,
        executable: std::env::current_exe().unwrap_or_default(),
        port: i64::from(config.port).into(),
    };
    let listen = listen_options(&config);
    let workers = config.workers();
    let pid_file = (!config.pidfile.as_os_str().is_empty()).then(|| PidFile::create(&config.pidfile));
    let pid_file =
        pid_file.and_then(|created| created.map_err(|error| tracing::warn!(%error, "Failed to write PID file")).ok());
    if let Err(error) = limits::raise_open_files(config.maxclients) {
        tracing::warn!(error, "cannot have as many files open as clients may connect");
    }
    let server = Server::new(config, process)?;
    let listeners = bind_all(&listen).map_err(|error| {
        tracing::warn!("{error}");
        println!("{error}");
        error.to_string()
    })?;
    if let Some(warning) = backlog_warning(listen.backlog) {
        tracing::warn!("{warning}");
    }
    show_title(&server.config());
    server.changes.set_host(Box::new(host(log.clone())));
    watch_signals(&server, &log)?;
    run(&server, listeners, workers).map_err(|error| error.to_string())?;
    if let Some(pid_file) = pid_file {
        pid_file.remove();
    }
    tracing::warn!("Ochre is now ready to exit, bye bye...");
    Ok(())
}

fn run(server: &Arc<Server>, listeners: Vec<Listener>, workers: usize) -> std::io::Result<()> {
    let pool = WorkerPool::start(server, workers)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let _acceptor = Acceptor::start(listeners, &pool)?;
        tracing::info!("Server initialized");
        tracing::info!("Ready to accept connections");
        let supervisor = supervise::Supervisor::start(supervise::Supervision::No);
        supervisor.ready();
        server.shutdown.requested().await;
        supervisor.stopping();
        Ok(())
    })
}

fn watch_signals(server: &Arc<Server>, log: &LogHandle) -> Result<(), String> {
    let (server, log) = (server.clone(), log.clone());
    signals::listen(move |event| match event {
        signals::SignalEvent::ReopenLog => {
            if let Err(error) = log.reopen() {
                tracing::warn!(%error, "cannot reopen the log");
            }
        }
        _ => server.shutdown.request(ShutdownRequest::default()),
    })
    .map(drop)
    .map_err(|error| format!("Can't watch for signals: {error}"))
}

/// Carries out what CONFIG SET changed for the process as a whole.
fn host(log: LogHandle) -> impl Fn(Effect, &Config) -> Result<(), String> {
    move |effect, config| match effect {
        Effect::Logging => {
            let options = log_options(config);
            log.set_level(options.level);
            log.set_format(options.format);
            log.set_timestamps(options.timestamps);
            Ok(())
        }
        Effect::ProcessTitle => {
            show_title(config);
            Ok(())
        }
        Effect::CrashHandlers => {
            crash::set_enabled(config.crash_log_enabled);
            Ok(())
        }
        Effect::MaxClients => {
            let wanted = config.maxclients;
            limits::raise_open_files(wanted).map(drop)
        }
        _ => Err("this cannot be changed yet while the server runs".to_owned()),
    }
}

fn show_title(config: &Config) {
    if !config.set_proc_title {
        return;
    }
    let unixsocket = config.unixsocket.to_string_lossy();
    let listen_addr = title::listen_addr(config.bind.first().map(String::as_str), config.port, 0, &unixsocket);
    let name = std::env::current_exe().unwrap_or_default();
    let vars = title::TitleVars {
        title: &name.to_string_lossy(),
        listen_addr: &listen_addr,
        server_mode: "",
        port: config.port,
        tls_port: 0,
        unixsocket: &unixsocket,
        config_file: "",
    };
    if let Some(text) = title::expand(&config.proc_title_template, &vars) {
        title::set(&text);
    }
}

fn listen_options(config: &Config) -> ListenOptions {
    let unixsocket = config.unixsocket.to_string_lossy().into_owned();
    ListenOptions {
        bind: config.bind.clone(),
        port: config.port,
        backlog: i32::try_from(config.tcp_backlog).unwrap_or(i32::MAX),
        unixsocket: (!unixsocket.is_empty()).then_some(unixsocket),
        unixsocketperm: config.unixsocketperm,
        fastopen_queue: config.tcp_fastopen as usize,
        defer_accept_s: config.tcp_defer_accept as usize,
    }
}

fn log_options(config: &Config) -> LogOptions {
    use crate::config::{LogFormat, LogLevel, LogTimestampFormat};
    use crate::logging;
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
        ..LogOptions::default()
    }
}
