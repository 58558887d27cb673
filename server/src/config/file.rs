//! Reads configuration: the file, what it includes, standard input, and the lines made from options.

use std::collections::HashSet;
use std::fmt;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::codec::{Mention, reason};
use super::command_line::Launch;
use super::compatibility::Level;
use super::directive::{Directive, Support};
use super::glob;
use super::line::words;
use super::registry::{Config, DIRECTIVES, RenameCommand, UserLine, lookup};
use crate::acl::RuleError;

/// How deeply files may include others; a file that includes itself ends here.
const INCLUDE_DEPTH_MAX: usize = 32;

/// The version that the head of a fatal error names, because supervisors look for the line.
const ERROR_VERSION: &str = "7.2.4";

/// Names that once meant something and are passed over.
const DEPRECATED: [&[u8]; 3] = [b"list-max-ziplist-entries", b"list-max-ziplist-value", b"lua-replicate-commands"];

/// What was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The snapshot; its `dir` is absolute.
    pub config: Config,
    /// The configuration file with its absolute path, for `CONFIG REWRITE` and `INFO`.
    pub file: Option<PathBuf>,
    /// Names of directives that were changed although nothing reads them yet, to be told in the log.
    pub kept: Vec<&'static str>,
}

/// Why the server cannot start. Displayed, it is what goes to standard error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LoadError {
    /// A file cannot be read.
    Open {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A line is wrong.
    Line {
        /// Its number, from 1.
        line: usize,
        /// Its text.
        text: String,
        /// The reason.
        reason: String,
    },
    /// The configuration as a whole is wrong.
    Whole(String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, reason } => {
                write!(out, "Fatal error, can't open config file '{}': {reason}", path.display())
            }
            Self::Line { line, text, reason } => out.write_str(&fatal_error(Some((*line, text)), reason)),
            Self::Whole(reason) => out.write_str(&fatal_error(None, reason)),
        }
    }
}

impl std::error::Error for LoadError {}

/// The report of a fatal error in the configuration, with the line (number, text) if one is to blame.
#[must_use]
pub fn fatal_error(line: Option<(usize, &str)>, reason: &str) -> String {
    let place = line.map(|(number, text)| format!("Reading the configuration file, at line {number}\n>>> '{text}'\n"));
    format!("\n*** FATAL CONFIG FILE ERROR (Redis {ERROR_VERSION}) ***\n{}{reason}", place.unwrap_or_default())
}

/// Reads all that `launch` names; `stdin` is standard input. Relative paths start from the working directory, or from
/// what `dir` has made of it. The caller changes to `config.dir` afterwards.
pub fn load(launch: &Launch, stdin: &mut dyn Read) -> Result<Loaded, LoadError> {
    let here = std::env::current_dir().map_err(|error| LoadError::Whole(reason(&error)))?;
    let file = launch.file.as_ref().map(|path| lexically_absolute(&here, path));
    let mut text = match &file {
        Some(path) => read_files(path)?,
        None => Vec::new(),
    };
    if launch.stdin {
        stdin.read_to_end(&mut text).map_err(|error| LoadError::Whole(reason(&error)))?;
    }
    if !launch.options.is_empty() {
        text.push(b'\n');
        text.extend_from_slice(&launch.options);
    }
    let mut config = Reader::read(Level::Native, &here, &text)?;
    if config.compatibility_level != Level::Native {
        // The level decides about defaults, and the last line that names it decides about the level.
        config = Reader::read(config.compatibility_level, &here, &text)?;
    }
    check_log_file(&config)?;
    let defaults = Config::for_level(config.compatibility_level);
    let kept = DIRECTIVES
        .iter()
        .filter(|directive| matches!(directive.attributes.support, Support::Kept(_)))
        .filter(|directive| !directive.same(&config, &defaults))
        .map(|directive| directive.name)
        .collect();
    Ok(Loaded { config, file, kept })
}

/// A snapshot in the making.
struct Reader {
    config: Config,
    mentioned: HashSet<&'static str>,
}

impl Reader {
    fn read(level: Level, here: &Path, text: &[u8]) -> Result<Config, LoadError> {
        let config = Config { dir: here.to_path_buf(), ..Config::for_level(level) };
        let mut reader = Self { config, mentioned: HashSet::new() };
        reader.lines(text, 0)?;
        Ok(reader.config)
    }

    fn lines(&mut self, text: &[u8], depth: usize) -> Result<(), LoadError> {
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = trim(line);
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let number = index.saturating_add(1);
            let blame = |reason: String| LoadError::Line {
                line: number,
                text: String::from_utf8_lossy(line).into_owned(),
                reason,
            };
            let words = words(line).ok_or_else(|| blame("Unbalanced quotes in configuration line".to_owned()))?;
            if let [name, path] = words.as_slice()
                && name.eq_ignore_ascii_case(b"include")
            {
                if depth >= INCLUDE_DEPTH_MAX {
                    return Err(blame("include is nested too deeply".to_owned()));
                }
                let path = self.config.dir.join(std::ffi::OsStr::from_bytes(path));
                self.lines(&read_files(&path)?, depth.saturating_add(1))?;
                continue;
            }
            self.line(&words, number, line).map_err(blame)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &[Vec<u8>], number: usize, text: &[u8]) -> Result<(), String> {
        let Some((name, arguments)) = line.split_first() else { return Ok(()) };
        if let Some((_, directive)) = lookup(name) {
            return self.directive(directive, arguments);
        }
        match (name.to_ascii_lowercase().as_slice(), arguments) {
            (name, [_]) if DEPRECATED.contains(&name) => Ok(()),
            (b"rename-command", [command, new]) => {
                let lossy = |word: &Vec<u8>| String::from_utf8_lossy(word).into_owned();
                let text = String::from_utf8_lossy(text).into_owned();
                let rename = RenameCommand { command: lossy(command), name: lossy(new), line: number, text };
                self.config.rename_commands.push(rename);
                Ok(())
            }
            (b"user", [name, rules @ ..]) => self.user(name, rules),
            (b"loadmodule", [_, ..]) => Err("loadmodule is not supported yet: it needs modules".to_owned()),
            (b"sentinel", []) => Ok(()),
            (b"sentinel", _) => Err("sentinel directive while not in sentinel mode".to_owned()),
            (name, []) if name.contains(&b'.') => Err("Module config specified without value".to_owned()),
            (name, _) if name.contains(&b'.') => {
                Err(format!("{} is not supported yet: it needs modules", String::from_utf8_lossy(name)))
            }
            _ => Err("Bad directive or wrong number of arguments".to_owned()),
        }
    }

    fn user(&mut self, name: &[u8], rules: &[Vec<u8>]) -> Result<(), String> {
        let refuse = |what: &[u8], reason: &str| {
            Err(format!("Error in user declaration '{}': {reason}", String::from_utf8_lossy(what)))
        };
        if self.config.users.iter().any(|user| user.name == name) {
            return refuse(name, "Duplicate user found. A user can only be defined once in config files");
        }
        match crate::acl::check_grammar(rules, self.config.compatibility_level) {
            Ok(()) => {}
            Err(RuleError::Rule(rule, fault)) => return refuse(&rule, fault.text()),
            Err(RuleError::Unmatched(word)) => return refuse(&word, "Unmatched parenthesis in acl selector"),
        }
        self.config.users.push(UserLine { name: name.to_vec(), rules: rules.to_vec() });
        Ok(())
    }

    fn directive(&mut self, directive: &'static Directive, arguments: &[Vec<u8>]) -> Result<(), String> {
        let mention = if self.mentioned.insert(directive.name) { Mention::First } else { Mention::Repeated };
        match arguments {
            [only] if directive.multiple() && !only.is_empty() => {
                // `save "900 1"` is as good as `save 900 1`.
                let split = words(only).ok_or("Unbalanced quotes in configuration line")?;
                directive.assign(&mut self.config, &split, mention)
            }
            arguments if !directive.multiple() && arguments.len() != 1 => Err("wrong number of arguments".to_owned()),
            arguments => directive.assign(&mut self.config, arguments, mention),
        }
    }
}

/// The text of the file, or of all that a pattern names: then none is enough.
fn read_files(path: &Path) -> Result<Vec<u8>, LoadError> {
    let paths =
        if glob::is_pattern(path.as_os_str().as_bytes()) { glob::files(path) } else { vec![path.to_path_buf()] };
    let mut text = Vec::new();
    for path in paths {
        let found = std::fs::read(&path);
        text.extend_from_slice(&found.map_err(|error| LoadError::Open { path, reason: reason(&error) })?);
    }
    Ok(text)
}

/// Makes sure now that the log can be opened, because later nobody would be told.
fn check_log_file(config: &Config) -> Result<(), LoadError> {
    if config.logfile.as_os_str().is_empty() {
        return Ok(());
    }
    let path = config.dir.join(&config.logfile);
    match std::fs::OpenOptions::new().append(true).create(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(LoadError::Whole(format!("Can't open the log file: {}", reason(&error)))),
    }
}

/// `path` from `here`, without the dots that lead it.
fn lexically_absolute(here: &Path, path: &Path) -> PathBuf {
    let mut out = if path.is_absolute() { PathBuf::from("/") } else { here.to_path_buf() };
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            Component::ParentDir => {
                out.pop();
            }
            Component::Normal(name) => out.push(name),
        }
    }
    out
}

fn trim(line: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = line.iter().position(|byte| !blank(byte)).unwrap_or(line.len());
    let line = line.get(start..).unwrap_or_default();
    let end = line.iter().rposition(|byte| !blank(byte)).map_or(0, |last| last.saturating_add(1));
    line.get(..end).unwrap_or_default()
}
