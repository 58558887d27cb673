//! Command line of `ochre-cli`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Parser};

use crate::endpoint::Endpoint;
use crate::format::{Delimiters, Style};
use crate::security::{Security, TlsOptions};
use crate::uri::ServerUri;

/// Options of `redis-cli` that are not there yet.
const NOT_YET: &[&str] = &[
    "--bigkeys",
    "--cluster",
    "--count",
    "--functions-rdb",
    "--hotkeys",
    "--intrinsic-latency",
    "--keystats",
    "--latency",
    "--latency-dist",
    "--latency-history",
    "--lru-test",
    "--memkeys",
    "--memkeys-samples",
    "--mono",
    "--pattern",
    "--pipe",
    "--pipe-timeout",
    "--quoted-pattern",
    "--rdb",
    "--replica",
    "--scan",
    "--slave",
    "--stat",
    "--top",
    "--vset-recall",
];

/// Talks to a server: sends the COMMAND and prints the reply, or without one reads commands line by line.
#[derive(Parser, Debug, Default, Clone)]
#[command(name = "ochre-cli", version, disable_help_flag = true, disable_version_flag = true)]
#[command(args_override_self = true, after_help = "Type \"help\" at the prompt for help on commands.")]
pub struct Arguments {
    /// Server host name or address (default: 127.0.0.1)
    #[arg(short = 'h', value_name = "hostname")]
    pub host: Option<String>,
    /// Server port (default: 6379)
    #[arg(short = 'p', value_name = "port")]
    pub port: Option<u16>,
    /// Connect timeout in seconds, with decimals; 0 leaves it to the system
    #[arg(short = 't', value_name = "timeout")]
    pub timeout: Option<f64>,
    /// Unix socket of the server, instead of host and port
    #[arg(short = 's', value_name = "socket")]
    pub socket: Option<PathBuf>,
    /// Password to log in with; the variable REDISCLI_AUTH is safer
    #[arg(short = 'a', long = "pass", value_name = "password", allow_hyphen_values = true)]
    pub password: Option<OsString>,
    /// User to log in as; needs a password
    #[arg(long, value_name = "username", allow_hyphen_values = true)]
    pub user: Option<OsString>,
    /// TLS.
    #[command(flatten)]
    pub tls: TlsOptions,
    /// Ask for the password, ignoring -a and REDISCLI_AUTH
    #[arg(long)]
    pub askpass: bool,
    /// Server URI: redis://[[user:]password@][host[:port]][/db], or the same with rediss://, valkey:// or valkeys://
    #[arg(short = 'u', value_name = "uri")]
    pub uri: Option<String>,
    /// Run the command so many times; a negative number repeats for ever
    #[arg(short = 'r', value_name = "repeat", allow_hyphen_values = true, default_value_t = 1)]
    pub repeat: i64,
    /// Wait so many seconds, with decimals, after each run of -r
    #[arg(short = 'i', value_name = "interval", default_value_t = 0.0)]
    pub interval: f64,
    /// Database number
    #[arg(short = 'n', value_name = "db", allow_hyphen_values = true)]
    pub db: Option<i64>,
    /// Speak RESP2
    #[arg(short = '2')]
    pub resp2: bool,
    /// Speak RESP3
    #[arg(short = '3')]
    pub resp3: bool,
    /// Take the last argument from standard input
    #[arg(short = 'x')]
    pub stdin_last: bool,
    /// Replace the argument <tag> by what standard input holds
    #[arg(short = 'X', value_name = "tag", allow_hyphen_values = true)]
    pub stdin_tag: Option<OsString>,
    /// Delimiter between elements in raw output (default: a line end)
    #[arg(short = 'd', value_name = "delimiter", allow_hyphen_values = true)]
    pub element_delimiter: Option<OsString>,
    /// Delimiter after each reply in raw output (default: a line end)
    #[arg(short = 'D', value_name = "delimiter", allow_hyphen_values = true)]
    pub reply_delimiter: Option<OsString>,
    /// Follow the redirections of a cluster
    #[arg(short = 'c')]
    pub cluster: bool,
    /// End with an error code when the command fails
    #[arg(short = 'e')]
    pub fail: bool,
    /// Print the bytes of replies (the default when standard output is no terminal)
    #[arg(long, overrides_with_all = ["no_raw", "csv", "json", "quoted_json"])]
    pub raw: bool,
    /// Print replies for people even when standard output is no terminal
    #[arg(long, overrides_with_all = ["raw", "csv", "json", "quoted_json"])]
    pub no_raw: bool,
    /// Take arguments as quoted strings
    #[arg(long)]
    pub quoted_input: bool,
    /// Print CSV
    #[arg(long, overrides_with_all = ["raw", "no_raw", "json", "quoted_json"])]
    pub csv: bool,
    /// Print JSON (speaks RESP3 if the server can, unless -2 is given)
    #[arg(long, overrides_with_all = ["raw", "no_raw", "csv", "quoted_json"])]
    pub json: bool,
    /// Like --json, with strings as quoted text in ASCII
    #[arg(long, overrides_with_all = ["raw", "no_raw", "csv", "json"])]
    pub quoted_json: bool,
    /// Run the script that the file holds; arguments are its keys and, behind a lone comma, further arguments
    #[arg(long, value_name = "file", allow_hyphen_values = true)]
    pub eval: Option<PathBuf>,
    /// Run the script of --eval in the debugger, which undoes in the end what it has changed
    #[arg(long)]
    pub ldb: bool,
    /// Like --ldb, but nobody else is served meanwhile, and changes stay
    #[arg(long)]
    pub ldb_sync_mode: bool,
    /// Whether to print push messages: yes (the default on a terminal) or no
    #[arg(long, value_name = "yes|no")]
    pub show_pushes: Option<String>,
    /// Accepted for scripts that give it; there is nothing more to tell
    #[arg(long)]
    pub verbose: bool,
    /// Do not warn about passwords on the command line
    #[arg(long)]
    pub no_auth_warning: bool,
    /// Print this help
    #[arg(long, action = ArgAction::Help)]
    pub help: Option<bool>,
    /// Print the version
    #[arg(short = 'v', long, action = ArgAction::Version)]
    pub version: Option<bool>,
    /// Command to send
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
}

/// Whether a connection switches to RESP3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resp3 {
    /// It does not.
    No,
    /// It tries to, and goes on with RESP2 otherwise.
    Try,
    /// It must.
    Must,
}

/// How a script is debugged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Debug {
    /// What it changes is undone in the end.
    Undone,
    /// What it changes stays.
    Kept,
}

/// What the arguments are completed from.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `REDISCLI_AUTH`.
    pub password: Option<OsString>,
    /// Whether standard output is a terminal, or is to be taken for one (`FAKETTY`).
    pub terminal: bool,
}

/// Checked options.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server.
    pub endpoint: Endpoint,
    /// What connections are secured with.
    pub security: Option<Security>,
    /// Bound on connecting.
    pub connect_timeout: Option<Duration>,
    /// User to log in as.
    pub user: Option<Vec<u8>>,
    /// Password to log in with.
    pub password: Option<Vec<u8>>,
    /// Whether to ask for the password.
    pub ask_password: bool,
    /// Whether the password stood on the command line and nobody said that this is fine.
    pub warn_password: bool,
    /// Database.
    pub db: i64,
    /// Protocol.
    pub resp3: Resp3,
    /// How often a command runs; negative: for ever.
    pub repeat: i64,
    /// Pause after each run.
    pub interval: Duration,
    /// Whether standard input holds the last argument.
    pub stdin_last: bool,
    /// The argument that standard input replaces.
    pub stdin_tag: Option<Vec<u8>>,
    /// Whether arguments are quoted strings.
    pub quoted_input: bool,
    /// Whether redirections are followed.
    pub cluster: bool,
    /// Whether an error reply ends the program with an error code.
    pub fail: bool,
    /// How replies are printed.
    pub style: Style,
    /// Delimiters of the raw style.
    pub delimiters: Delimiters,
    /// Whether push messages are printed.
    pub show_pushes: bool,
    /// Whether output may be coloured.
    pub colours: bool,
    /// The file whose script is to be run; the command holds its keys and arguments.
    pub eval: Option<PathBuf>,
    /// How it is debugged, if it is.
    pub debug: Option<Debug>,
    /// The command; empty for interactive use.
    pub command: Vec<Vec<u8>>,
}

/// Why the command line does not lead to a run.
#[derive(Debug)]
pub enum Refusal {
    /// Help or version was asked for: to be printed to standard output, then success.
    Information(clap::Error),
    /// A message for standard error, then failure.
    Mistake(String),
}

/// Reads the command line `line` (program name first).
///
/// # Errors
/// See [`Refusal`].
pub fn parse(line: &[OsString], environment: &Environment) -> Result<Settings, Refusal> {
    let arguments = Arguments::try_parse_from(line).map_err(|error| refusal(error, line))?;
    Settings::check(arguments, environment).map_err(Refusal::Mistake)
}

fn refusal(error: clap::Error, line: &[OsString]) -> Refusal {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return Refusal::Information(error);
    }
    // A lone -h has always meant help.
    if line.last().is_some_and(|last| last == "-h")
        && let Err(help) = Arguments::try_parse_from(["ochre-cli", "--help"])
    {
        return Refusal::Information(help);
    }
    match (error.kind(), error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue)) {
        (ErrorKind::ValueValidation, Some(ContextValue::String(option)), Some(ContextValue::String(value))) => {
            Refusal::Mistake(format!("Invalid value '{value}' for option '{}'", first_word(option)))
        }
        (_, Some(ContextValue::String(option)), _) => Refusal::Mistake(unrecognized(first_word(option))),
        _ => Refusal::Mistake(error.to_string()),
    }
}

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or(text)
}

fn unrecognized(option: &str) -> String {
    if NOT_YET.contains(&option) || option.starts_with("--cluster-") {
        format!("{option} is not supported yet")
    } else {
        format!("Unrecognized option or bad number of args for: '{option}'")
    }
}

impl Settings {
    fn check(arguments: Arguments, environment: &Environment) -> Result<Self, String> {
        if let Some(first) = arguments.command.first()
            && first.as_bytes().starts_with(b"-")
        {
            return Err(unrecognized(&first.to_string_lossy()));
        }
        if arguments.socket.is_some() && arguments.cluster {
            return Err("Options -c and -s are mutually exclusive.".into());
        }
        if arguments.resp2 && arguments.resp3 {
            return Err("Options -2 and -3 are mutually exclusive.".into());
        }
        if arguments.stdin_last && arguments.stdin_tag.is_some() {
            return Err("Options -x and -X are mutually exclusive.".into());
        }
        let uri = match &arguments.uri {
            Some(text) => ServerUri::parse(text).map_err(|error| error.to_string())?,
            None => ServerUri::default(),
        };
        let given = uri.password.or(arguments.password.clone().map(OsString::into_vec));
        let warn_password = given.is_some() && !arguments.no_auth_warning;
        let endpoint = match arguments.socket.clone() {
            Some(path) => Endpoint::Unix(path),
            None => Endpoint::Tcp(
                uri.host.or_else(|| arguments.host.clone()).unwrap_or_else(|| "127.0.0.1".into()),
                uri.port.or(arguments.port).unwrap_or(6379),
            ),
        };
        let style = style(&arguments, environment.terminal);
        let debug = match (arguments.ldb_sync_mode, arguments.ldb) {
            (true, _) => Some(Debug::Kept),
            (false, true) => Some(Debug::Undone),
            (false, false) => None,
        };
        if debug.is_some() && arguments.eval.is_none() {
            return Err("Options --ldb and --ldb-sync-mode require --eval.".into());
        }
        Ok(Self {
            endpoint,
            security: arguments.tls.security(uri.tls)?,
            connect_timeout: seconds("-t", arguments.timeout.unwrap_or(0.0))?.filter(|limit| !limit.is_zero()),
            user: uri.user.or(arguments.user.clone().map(OsString::into_vec)),
            password: given.or_else(|| environment.password.clone().map(OsString::into_vec)),
            ask_password: arguments.askpass,
            warn_password,
            db: uri.db.or(arguments.db).unwrap_or(0),
            resp3: resp3(&arguments),
            repeat: arguments.repeat,
            interval: seconds("-i", arguments.interval)?.unwrap_or_default(),
            stdin_last: arguments.stdin_last,
            stdin_tag: arguments.stdin_tag.clone().map(OsString::into_vec),
            quoted_input: arguments.quoted_input,
            cluster: arguments.cluster,
            fail: arguments.fail,
            style,
            delimiters: delimiters(&arguments),
            show_pushes: show_pushes(arguments.show_pushes.as_deref(), environment.terminal)?,
            colours: environment.terminal,
            eval: arguments.eval,
            debug,
            command: arguments.command.into_iter().map(OsString::into_vec).collect(),
        })
    }
}

fn style(arguments: &Arguments, terminal: bool) -> Style {
    if arguments.csv {
        Style::Csv
    } else if arguments.json {
        Style::Json
    } else if arguments.quoted_json {
        Style::QuotedJson
    } else if arguments.raw || (!arguments.no_raw && !terminal) {
        Style::Raw
    } else {
        Style::Tty
    }
}

fn resp3(arguments: &Arguments) -> Resp3 {
    if arguments.resp3 {
        Resp3::Must
    } else if (arguments.json || arguments.quoted_json) && !arguments.resp2 {
        Resp3::Try
    } else {
        Resp3::No
    }
}

fn delimiters(arguments: &Arguments) -> Delimiters {
    let bytes = |given: &Option<OsString>, default: Vec<u8>| match given {
        Some(text) => OsStr::as_bytes(text).to_vec(),
        None => default,
    };
    let default = Delimiters::default();
    Delimiters {
        element: bytes(&arguments.element_delimiter, default.element),
        reply: bytes(&arguments.reply_delimiter, default.reply),
    }
}

fn show_pushes(given: Option<&str>, terminal: bool) -> Result<bool, String> {
    match given.map(|text| (text, text.bytes().next().map(|byte| byte.to_ascii_lowercase()))) {
        None => Ok(terminal),
        Some((_, Some(b'y'))) => Ok(true),
        Some((_, Some(b'n'))) => Ok(false),
        Some((text, _)) => Err(format!("Unknown --show-pushes value '{text}' (valid: '[y]es', '[n]o')")),
    }
}

fn seconds(option: &str, value: f64) -> Result<Option<Duration>, String> {
    match Duration::try_from_secs_f64(value) {
        Ok(duration) => Ok(Some(duration)),
        Err(_) => Err(format!("{option} needs a number of seconds")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(line: &[&str]) -> Result<Settings, String> {
        let line: Vec<OsString> = std::iter::once("ochre-cli").chain(line.iter().copied()).map(Into::into).collect();
        parse(&line, &Environment { password: Some("from-env".into()), terminal: true }).map_err(
            |refusal| match refusal {
                Refusal::Information(text) => text.to_string(),
                Refusal::Mistake(text) => text,
            },
        )
    }

    #[test]
    fn a_command_takes_the_rest_of_the_line() {
        let settings = settings(&["-n", "3", "set", "-n", "--raw"]).unwrap();
        assert_eq!(settings.command, [&b"set"[..], b"-n", b"--raw"]);
        assert_eq!((settings.db, settings.style), (3, Style::Tty));
    }

    #[test]
    fn the_last_style_wins() {
        assert_eq!(settings(&["--raw", "--csv"]).unwrap().style, Style::Csv);
        assert_eq!(settings(&["--json", "--no-raw"]).unwrap().style, Style::Tty);
        assert_eq!(settings(&["--csv", "--raw"]).unwrap().style, Style::Raw);
    }

    #[test]
    fn json_tries_resp3_unless_told_otherwise() {
        assert_eq!(settings(&["--json"]).unwrap().resp3, Resp3::Try);
        assert_eq!(settings(&["--json", "-2"]).unwrap().resp3, Resp3::No);
        assert_eq!(settings(&["--json", "-3"]).unwrap().resp3, Resp3::Must);
    }

    #[test]
    fn passwords_come_from_the_line_before_the_environment() {
        assert_eq!(settings(&[]).unwrap().password.as_deref(), Some(&b"from-env"[..]));
        let given = settings(&["-a", "-x"]).unwrap();
        assert_eq!((given.password.as_deref(), given.warn_password), (Some(&b"-x"[..]), true));
        assert!(!settings(&["--pass", "p", "--no-auth-warning"]).unwrap().warn_password);
        let uri = settings(&["-u", "valkey://u:p@h:1/2"]).unwrap();
        assert_eq!((uri.endpoint, uri.db, uri.warn_password), (Endpoint::Tcp("h".into(), 1), 2, true));
    }

    #[test]
    fn mistakes_are_named_as_redis_cli_names_them() {
        for (line, expected) in [
            (&["-X"][..], "Unrecognized option or bad number of args for: '-X'"),
            (&["-z"], "Unrecognized option or bad number of args for: '-z'"),
            (&["--nothing", "get"], "Unrecognized option or bad number of args for: '--nothing'"),
            (&["-x", "-X", "tag"], "Options -x and -X are mutually exclusive."),
            (&["-2", "-3"], "Options -2 and -3 are mutually exclusive."),
            (&["-c", "-s", "/x"], "Options -c and -s are mutually exclusive."),
            (&["-p", "x"], "Invalid value 'x' for option '-p'"),
            (&["--ldb"], "Options --ldb and --ldb-sync-mode require --eval."),
            (&["--bigkeys"], "--bigkeys is not supported yet"),
            (&["-p", "1", "--cluster", "info"], "--cluster is not supported yet"),
            (&["--tls", "--cert", "x"], "Options --cert and --key must be specified together."),
            (&["-i", "-1"], "-i needs a number of seconds"),
        ] {
            assert_eq!(settings(line).unwrap_err(), expected, "{line:?}");
        }
        assert!(settings(&["-h"]).unwrap_err().contains("Usage"));
    }
}
