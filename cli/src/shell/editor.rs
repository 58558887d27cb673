//! Lines from a terminal with editing, completion, hints and history, or from anything else as they come.

use std::borrow::Cow;
use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::{Hint, Hinter};
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use crate::shell::{help, history};

/// Where lines come from.
pub enum Input {
    /// A terminal.
    Terminal(Box<Terminal>),
    /// A file or pipe: no prompt, no history.
    Plain(io::StdinLock<'static>),
}

impl Input {
    /// Standard input, with the history file at `history_path` if it is a terminal.
    ///
    /// # Errors
    /// When the terminal cannot be set up.
    pub fn stdin(history_path: Option<PathBuf>) -> io::Result<Self> {
        if io::stdin().is_terminal() {
            Terminal::new(history_path).map(|terminal| Self::Terminal(Box::new(terminal)))
        } else {
            Ok(Self::Plain(io::stdin().lock()))
        }
    }

    /// The next line without its end; `None` at the end, or when Ctrl-C or Ctrl-D is typed at the prompt.
    ///
    /// # Errors
    /// When reading fails.
    pub fn next(&mut self, prompt: &str) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Terminal(terminal) => terminal.next(prompt),
            Self::Plain(stdin) => {
                let mut line = Vec::new();
                if stdin.read_until(b'\n', &mut line)? == 0 {
                    return Ok(None);
                }
                if line.ends_with(b"\n") {
                    line.pop();
                }
                Ok(Some(line))
            }
        }
    }

    /// Adds a line to the history of a terminal.
    pub fn remember(&mut self, line: &[u8]) {
        if let Self::Terminal(terminal) = self {
            terminal.remember(&String::from_utf8_lossy(line));
        }
    }

    /// Turns hints on or off.
    pub fn set_hints(&mut self, shown: bool) {
        if let Self::Terminal(terminal) = self
            && let Some(helper) = terminal.editor.helper_mut()
        {
            helper.hints = shown;
        }
    }

    /// Whether lines come from a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }
}

/// A line editor on a terminal.
pub struct Terminal {
    editor: Editor<CommandHelper, MemHistory>,
    history_path: Option<PathBuf>,
}

impl Terminal {
    fn new(history_path: Option<PathBuf>) -> io::Result<Self> {
        let config = Config::builder().completion_type(CompletionType::Circular).build();
        let mut editor =
            Editor::with_history(config.clone(), MemHistory::with_config(&config)).map_err(io::Error::other)?;
        editor.set_helper(Some(CommandHelper { hints: true }));
        for entry in history_path.iter().flat_map(|path| history::load(path)) {
            editor.add_history_entry(entry).map_err(io::Error::other)?;
        }
        Ok(Self { editor, history_path })
    }

    fn next(&mut self, prompt: &str) -> io::Result<Option<Vec<u8>>> {
        match self.editor.readline(prompt) {
            Ok(line) => Ok(Some(line.into_bytes())),
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => Ok(None),
            Err(ReadlineError::Io(error)) => Err(error),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn remember(&mut self, line: &str) {
        let is_new = self.editor.add_history_entry(line).unwrap_or(false);
        if is_new && let Some(path) = &self.history_path {
            // A history that cannot be written is no reason to interrupt the user.
            let _ = history::append(path, line);
        }
    }
}

struct CommandHelper {
    hints: bool,
}

/// Text behind the cursor that cannot be taken over into the line.
struct ArgumentHint(String);

impl Hint for ArgumentHint {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for CommandHelper {
    type Hint = ArgumentHint;

    fn hint(&self, line: &str, pos: usize, _context: &Context<'_>) -> Option<ArgumentHint> {
        if !self.hints || pos < line.len() {
            return None;
        }
        help::missing_arguments(line).map(ArgumentHint)
    }
}

impl Completer for CommandHelper {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _context: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok((0, help::completions(line.get(..pos).unwrap_or(line))))
    }
}

impl Highlighter for CommandHelper {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(format!("\x1b[90m{hint}\x1b[0m"))
    }
}

impl Validator for CommandHelper {}

impl Helper for CommandHelper {}
