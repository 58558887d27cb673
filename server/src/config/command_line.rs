//! The command line: `ochre-server [file] [--directive value ...] [-]`.
//!
//! As with Redis, options become lines of configuration that follow those of the file and of standard input.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::line::{quote, words};

/// What the command line asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Invocation {
    /// Run the server.
    Run(Launch),
    /// `-v`, `--version`: print the version.
    Version,
    /// `-h`, `--help`: print the usage.
    Help,
    /// `--test-memory`, which is not supported.
    TestMemory,
    /// `--check-system`, which is not supported.
    CheckSystem,
    /// `--generate <name>`: print a file that is made from the tables, see [`super::generate`].
    Generate(String),
    /// `--sentinel`, which is not supported yet.
    Sentinel,
}

/// Where the configuration comes from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Launch {
    /// The configuration file, as it was written.
    pub file: Option<PathBuf>,
    /// Whether more is read from standard input.
    pub stdin: bool,
    /// Lines of configuration made from options.
    pub options: Vec<u8>,
    /// Whether the command line is empty.
    pub bare: bool,
}

/// Reads the arguments after the program's name.
///
/// A pair `--compatibility-level X` may precede everything, also the configuration file, and is taken out first, so
/// that a wrapper may fix the level without changing what the rest means.
#[must_use]
pub fn parse_arguments(arguments: &[Vec<u8>]) -> Invocation {
    if arguments.iter().any(|argument| argument == b"--sentinel") {
        return Invocation::Sentinel;
    }
    let (level, arguments) = match arguments {
        [name, level, rest @ ..] if name == b"--compatibility-level" => (Some(level), rest),
        all => (None, all),
    };
    match arguments.first().map(Vec::as_slice) {
        Some(b"-v" | b"--version") => return Invocation::Version,
        Some(b"-h" | b"--help") => return Invocation::Help,
        Some(b"--test-memory") => return Invocation::TestMemory,
        Some(b"--check-system") => return Invocation::CheckSystem,
        Some(b"--generate") => {
            let name = arguments.get(1).map(|name| String::from_utf8_lossy(name).into_owned());
            return Invocation::Generate(name.unwrap_or_default());
        }
        _ => {}
    }
    let mut launch = Launch { bare: arguments.is_empty() && level.is_none(), ..Launch::default() };
    let options = match arguments {
        [file, rest @ ..] if !file.starts_with(b"-") => {
            launch.file = Some(PathBuf::from(OsStr::from_bytes(file)));
            rest
        }
        all => all,
    };
    read_options(&mut launch, options, options.len() == arguments.len());
    if let Some(level) = level {
        if !launch.options.is_empty() {
            launch.options.push(b'\n');
        }
        launch.options.extend_from_slice(format!("compatibility-level {}", quote(level)).as_bytes());
    }
    Invocation::Run(launch)
}

/// Appends `arguments` to the launch; `leading` tells whether nothing came before them.
fn read_options(launch: &mut Launch, arguments: &[Vec<u8>], leading: bool) {
    let mut rest = arguments;
    let mut first = leading;
    // A word that follows a bare option name is its value, even one that begins with dashes.
    let mut has_value = true;
    while let Some((argument, after)) = rest.split_first() {
        let next_is_option = after.first().is_some_and(|next| next.starts_with(b"--"));
        if argument == b"-" && (first || after.is_empty()) {
            launch.stdin = true;
        } else if let Some(option) = argument.strip_prefix(b"--").filter(|_| has_value) {
            if !launch.options.is_empty() {
                launch.options.push(b'\n');
            }
            launch.options.extend_from_slice(option);
            launch.options.push(b' ');
            has_value = words(argument).is_none_or(|words| words.len() != 1);
            // `--save` without a value has always meant `--save ""`.
            if !has_value && argument.eq_ignore_ascii_case(b"--save") && (after.is_empty() || next_is_option) {
                launch.options.extend_from_slice(b"\"\"");
                has_value = true;
            }
        } else {
            launch.options.extend_from_slice(quote(argument).as_bytes());
            launch.options.push(b' ');
            has_value = true;
        }
        first = false;
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(arguments: &[&str]) -> Launch {
        let arguments: Vec<Vec<u8>> = arguments.iter().map(|argument| argument.as_bytes().to_vec()).collect();
        match parse_arguments(&arguments) {
            Invocation::Run(launch) => launch,
            other => panic!("{other:?}"),
        }
    }

    fn options(arguments: &[&str]) -> String {
        String::from_utf8(launch(arguments).options).unwrap()
    }

    #[test]
    fn options_become_lines() {
        assert_eq!(options(&["--port", "6380", "--save", "1", "2"]), "port \"6380\" \nsave \"1\" \"2\" ");
        assert_eq!(options(&["--port"]), "port ");
        assert_eq!(options(&["--port", "--loglevel", "verbose"]), "port \"--loglevel\" \"verbose\" ");
        assert_eq!(options(&["--maxmemory 700mb", "--port", "1"]), "maxmemory 700mb \nport \"1\" ");
        assert_eq!(options(&["--save", "--loglevel", "verbose"]), "save \"\"\nloglevel \"verbose\" ");
        assert_eq!(options(&["--loglevel", "verbose", "--save"]), "loglevel \"verbose\" \nsave \"\"");
        assert_eq!(
            options(&["--proc-title-template", "--save", "--save", ""]),
            "proc-title-template \"--save\" \nsave \"\" "
        );
        assert_eq!(options(&["x.conf", "loglevel", "verbose", "--port 1"]), "\"loglevel\" \"verbose\" \nport 1 ");
    }

    #[test]
    fn a_level_may_come_first() {
        let found = launch(&["--compatibility-level", "7.0", "x.conf", "--port"]);
        assert_eq!(found.file, Some(PathBuf::from("x.conf")));
        assert_eq!(found.options, b"port \ncompatibility-level \"7.0\"");
        assert!(!found.bare && launch(&[]).bare);
    }

    #[test]
    fn a_dash_reads_standard_input() {
        assert!(launch(&["-"]).stdin);
        assert!(launch(&["x.conf", "--port", "1", "-"]).stdin);
        let found = launch(&["x.conf", "-", "--port", "1"]);
        assert!(!found.stdin);
    }

    #[test]
    fn some_options_stand_alone() {
        let parse = |argument: &str| parse_arguments(&[argument.as_bytes().to_vec()]);
        assert_eq!(parse("-v"), Invocation::Version);
        assert_eq!(parse("--help"), Invocation::Help);
        assert_eq!(parse("--test-memory"), Invocation::TestMemory);
        assert_eq!(parse("--sentinel"), Invocation::Sentinel);
        assert_eq!(parse("--generate"), Invocation::Generate(String::new()));
    }
}
