//! Command line of `ochre-benchmark`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser};

use crate::bench::suite::TestSet;
use crate::endpoint::Endpoint;
use crate::security::{Security, TlsOptions};
use crate::uri::ServerUri;

/// Most threads that can be asked for.
const THREADS_MAX: usize = 500;
/// Largest payload of the built-in tests, in bytes.
const PAYLOAD_MAX: usize = 1 << 30;

/// Drives a server with many parallel clients and reports throughput and latency.
///
/// Without a COMMAND the built-in tests run one after another. With one, that command is sent instead; inside its
/// arguments __rand_int__ stands for a random number of 12 digits below the -r range, new for every request, and
/// __data__ for a payload of -d bytes.
#[derive(Parser, Debug, Clone)]
#[command(name = "ochre-benchmark", version, disable_help_flag = true, disable_version_flag = true)]
#[command(args_override_self = true)]
pub struct Arguments {
    /// Server host name or address
    #[arg(short = 'h', value_name = "hostname", default_value = "127.0.0.1")]
    pub host: String,
    /// Server port
    #[arg(short = 'p', value_name = "port", default_value_t = 6379)]
    pub port: u16,
    /// Unix socket of the server, instead of host and port
    #[arg(short = 's', value_name = "socket")]
    pub socket: Option<PathBuf>,
    /// Password for AUTH
    #[arg(short = 'a', value_name = "password", allow_hyphen_values = true)]
    pub password: Option<OsString>,
    /// User name for AUTH; needs -a
    #[arg(long, value_name = "username", allow_hyphen_values = true)]
    pub user: Option<OsString>,
    /// Server URI: redis://[[user:]password@][host[:port]][/db], or the same with rediss://, valkey:// or valkeys://
    #[arg(short = 'u', value_name = "uri")]
    pub uri: Option<String>,
    /// Parallel connections
    #[arg(short = 'c', value_name = "clients", default_value_t = 50)]
    pub clients: usize,
    /// Requests a test in all
    #[arg(short = 'n', value_name = "requests", default_value_t = 100_000)]
    pub requests: u64,
    /// Run every test for so many seconds instead of -n requests
    #[arg(long, value_name = "seconds")]
    pub duration: Option<f64>,
    /// Payload of the tests that store something, in bytes
    #[arg(short = 'd', value_name = "size", default_value_t = 3)]
    pub payload: usize,
    /// Database to SELECT
    #[arg(long, value_name = "db", default_value_t = 0)]
    pub dbnum: i64,
    /// Speak RESP3
    #[arg(short = '3')]
    pub resp3: bool,
    /// Threads that share the connections; 0 stands for one
    #[arg(long, value_name = "num", default_value_t = 0)]
    pub threads: usize,
    /// Not supported yet
    #[arg(long, hide = true)]
    pub cluster: bool,
    /// TLS.
    #[command(flatten)]
    pub tls: TlsOptions,
    /// Send CLIENT TRACKING ON first
    #[arg(long)]
    pub enable_tracking: bool,
    /// 1 keeps connections open, 0 reconnects after every request
    #[arg(short = 'k', value_name = "boolean", default_value_t = 1)]
    pub keepalive: u8,
    /// Use random keys, members and scores out of so many; without it every request names the same key
    #[arg(short = 'r', value_name = "keyspacelen", allow_hyphen_values = true)]
    pub keyspace: Option<i64>,
    /// Requests sent at once on a connection
    #[arg(short = 'P', value_name = "numreq", default_value_t = 1)]
    pub pipeline: usize,
    /// Send so many requests a second on a fixed schedule, and count latency from the scheduled time
    #[arg(long, value_name = "rate")]
    pub rps: Option<f64>,
    /// Seed of the random numbers (default: from the clock)
    #[arg(long, value_name = "num")]
    pub seed: Option<u64>,
    /// Only print requests a second
    #[arg(short = 'q')]
    pub quiet: bool,
    /// Significant digits kept of a latency, 1 to 4
    #[arg(long, value_name = "digits", default_value_t = 3, allow_hyphen_values = true)]
    pub precision: i32,
    /// Print CSV
    #[arg(long)]
    pub csv: bool,
    /// Print one JSON object a test, each on its line
    #[arg(long)]
    pub json: bool,
    /// Repeat the tests for ever
    #[arg(short = 'l')]
    pub repeat: bool,
    /// Run only these tests, separated by commas
    #[arg(short = 't', value_name = "tests")]
    pub tests: Option<String>,
    /// Open the connections, send nothing and wait
    #[arg(short = 'I')]
    pub idle: bool,
    /// Take the last argument of COMMAND from standard input
    #[arg(short = 'x')]
    pub stdin: bool,
    /// Accepted and ignored: the first error reply always ends the run
    #[arg(short = 'e', hide = true)]
    pub show_errors: bool,
    /// Print this help
    #[arg(long, action = ArgAction::Help)]
    pub help: Option<bool>,
    /// Print the version
    #[arg(short = 'v', long, action = ArgAction::Version)]
    pub version: Option<bool>,
    /// Command to send instead of the built-in tests
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}

/// When a test ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Extent {
    /// After so many requests.
    Requests(u64),
    /// After so much time.
    Time(Duration),
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Distribution and summary of each test.
    Full,
    /// A line a test.
    Quiet,
    /// CSV with a header line.
    Csv,
    /// A JSON object a line.
    Json,
}

/// What is sent.
#[derive(Debug, Clone)]
pub enum Workload {
    /// The selected built-in tests.
    Tests(TestSet),
    /// One command, its arguments as given.
    Command(Vec<Vec<u8>>),
}

/// Checked options.
#[derive(Debug, Clone)]
pub struct Options {
    /// The server.
    pub endpoint: Endpoint,
    /// What connections are secured with.
    pub security: Option<Security>,
    /// User name for AUTH.
    pub user: Option<Vec<u8>>,
    /// Password for AUTH.
    pub password: Option<Vec<u8>>,
    /// Database to select; 0 sends no SELECT.
    pub db: i64,
    /// Whether connections switch to RESP3.
    pub resp3: bool,
    /// Whether connections turn on tracking.
    pub tracking: bool,
    /// Connections.
    pub clients: usize,
    /// Threads as asked for (0: the single-threaded mode).
    pub threads: usize,
    /// End of each test.
    pub extent: Extent,
    /// Payload in bytes.
    pub payload: usize,
    /// Whether connections are kept.
    pub keepalive: bool,
    /// Number of keys that random numbers choose from; `None` leaves placeholders as they are.
    pub keyspace: Option<u64>,
    /// Requests sent at once.
    pub pipeline: usize,
    /// Scheduled requests a second, all connections together.
    pub rps: Option<f64>,
    /// Seed of the random numbers.
    pub seed: u64,
    /// Significant digits of latencies.
    pub digits: u32,
    /// Output format.
    pub format: Format,
    /// Whether the tests repeat for ever.
    pub repeat: bool,
    /// Whether connections only idle.
    pub idle: bool,
    /// Whether the last argument comes from standard input.
    pub stdin: bool,
    /// What to send.
    pub workload: Workload,
    /// Warnings for standard error.
    pub warnings: Vec<String>,
}

impl Options {
    /// Checks what clap has parsed.
    ///
    /// # Errors
    /// A sentence for the user, without a line end.
    pub fn check(arguments: Arguments) -> Result<Self, String> {
        let mut warnings = Vec::new();
        refuse_missing_features(&arguments)?;
        if arguments.clients == 0 {
            return Err("-c needs at least one client".into());
        }
        if arguments.show_errors {
            warnings.push("WARNING: -e option has no effect: the first error reply ends the run.".into());
        }
        if arguments.keepalive == 0 {
            warnings.push(
                "WARNING: Keepalive disabled. With many requests the system may run out of local ports: \
                 consider net.ipv4.tcp_tw_reuse=1."
                    .into(),
            );
        }
        if arguments.threads > THREADS_MAX {
            warnings.push(format!("WARNING: Too many threads, limiting threads to {THREADS_MAX}."));
        }
        let workload = workload(&arguments, &mut warnings)?;
        let server = Server::of(&arguments)?;
        Ok(Self {
            endpoint: server.endpoint,
            security: server.security,
            user: server.user,
            password: server.password,
            db: server.db,
            resp3: arguments.resp3,
            tracking: arguments.enable_tracking,
            clients: arguments.clients,
            threads: arguments.threads.min(THREADS_MAX),
            extent: extent(&arguments)?,
            payload: arguments.payload.clamp(1, PAYLOAD_MAX),
            keepalive: arguments.keepalive != 0,
            keyspace: arguments.keyspace.map(|length| u64::try_from(length).unwrap_or(0)),
            pipeline: arguments.pipeline.max(1),
            rps: rate(arguments.rps)?,
            seed: arguments.seed.unwrap_or_else(clock_seed),
            digits: if arguments.precision < 0 { 3 } else { arguments.precision.clamp(1, 4).unsigned_abs() },
            format: format(&arguments),
            repeat: arguments.repeat,
            idle: arguments.idle,
            stdin: arguments.stdin,
            workload,
            warnings,
        })
    }
}

struct Server {
    endpoint: Endpoint,
    security: Option<Security>,
    user: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
    db: i64,
}

impl Server {
    fn of(arguments: &Arguments) -> Result<Self, String> {
        let bytes = |text: &OsString| text.as_bytes().to_vec();
        let uri = match &arguments.uri {
            Some(text) => ServerUri::parse(text).map_err(|error| error.to_string())?,
            None => ServerUri::default(),
        };
        let endpoint = match &arguments.socket {
            Some(path) => Endpoint::Unix(path.clone()),
            None => {
                Endpoint::Tcp(uri.host.unwrap_or_else(|| arguments.host.clone()), uri.port.unwrap_or(arguments.port))
            }
        };
        Ok(Self {
            endpoint,
            security: arguments.tls.security(uri.tls)?,
            user: uri.user.or_else(|| arguments.user.as_ref().map(bytes)),
            password: uri.password.or_else(|| arguments.password.as_ref().map(bytes)),
            db: uri.db.unwrap_or(arguments.dbnum),
        })
    }
}

fn refuse_missing_features(arguments: &Arguments) -> Result<(), String> {
    if arguments.cluster {
        return Err("--cluster is not supported yet".into());
    }
    Ok(())
}

fn workload(arguments: &Arguments, warnings: &mut Vec<String>) -> Result<Workload, String> {
    match arguments.command.first() {
        Some(first) if first.as_bytes().starts_with(b"-") => {
            Err(format!("Invalid option \"{}\" or option argument missing", first.to_string_lossy()))
        }
        Some(_) => {
            if arguments.tests.is_some() {
                warnings.push("WARNING: Option -t is ignored.".into());
            }
            Ok(Workload::Command(arguments.command.iter().map(|argument| argument.as_bytes().to_vec()).collect()))
        }
        None => match &arguments.tests {
            Some(names) => TestSet::named(names).map(Workload::Tests),
            None => Ok(Workload::Tests(TestSet::all())),
        },
    }
}

fn extent(arguments: &Arguments) -> Result<Extent, String> {
    match arguments.duration {
        None => Ok(Extent::Requests(arguments.requests)),
        Some(seconds) => match Duration::try_from_secs_f64(seconds) {
            Ok(time) if !time.is_zero() => Ok(Extent::Time(time)),
            _ => Err("--duration needs a positive number of seconds".into()),
        },
    }
}

fn rate(rps: Option<f64>) -> Result<Option<f64>, String> {
    match rps {
        Some(rate) if !(rate.is_finite() && rate > 0.0) => Err("--rps needs a positive rate".into()),
        other => Ok(other),
    }
}

fn format(arguments: &Arguments) -> Format {
    if arguments.json {
        Format::Json
    } else if arguments.csv {
        Format::Csv
    } else if arguments.quiet {
        Format::Quiet
    } else {
        Format::Full
    }
}

fn clock_seed() -> u64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since_epoch.as_nanos() as u64 ^ u64::from(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &[&str]) -> Result<Options, String> {
        let arguments = Arguments::try_parse_from([&["ochre-benchmark"], line].concat());
        Options::check(arguments.map_err(|error| error.to_string())?)
    }

    #[test]
    fn a_command_takes_the_rest_of_the_line() {
        let options = options(&["-n", "5", "-r", "10", "-P", "4", "eval", "return 1", "0", "-n", "-t"]).unwrap();
        assert_eq!(options.extent, Extent::Requests(5));
        assert_eq!((options.keyspace, options.pipeline), (Some(10), 4));
        let Workload::Command(arguments) = options.workload else { panic!("a command was given") };
        assert_eq!(arguments, [&b"eval"[..], b"return 1", b"0", b"-n", b"-t"]);
    }

    #[test]
    fn the_last_of_repeated_options_wins() {
        let options = options(&["-h", "one", "-p", "1", "-h", "two", "-p", "2", "-a", "-secret"]).unwrap();
        assert_eq!(options.endpoint, Endpoint::Tcp("two".into(), 2));
        assert_eq!(options.password.as_deref(), Some(&b"-secret"[..]));
    }

    #[test]
    fn mistakes_are_refused() {
        assert!(options(&["-z"]).unwrap_err().contains("Invalid option \"-z\""));
        assert!(options(&["-t", "set,gett"]).unwrap_err().contains("gett"));
        assert!(options(&["--cluster"]).unwrap_err().contains("not supported yet"));
        assert!(options(&["--duration", "0"]).is_err());
        assert!(options(&["--rps", "-1"]).is_err());
        assert!(options(&["--tls", "--key", "x"]).unwrap_err().contains("--cert"));
        assert!(options(&["-c"]).is_err());
    }
}
