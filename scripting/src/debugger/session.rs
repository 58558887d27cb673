//! One script that is being debugged.

use std::time::Instant;

/// Where a script stands, and where it is to stop.
pub(crate) struct Session {
    source: Vec<Vec<u8>>,
    /// The line that is about to run.
    pub(super) line: usize,
    breakpoints: Vec<usize>,
    /// It stops at the next line, and shows what commands it calls.
    pub(crate) steps: bool,
    /// It has called `redis.breakpoint`.
    pub(crate) asks_to_stop: bool,
    /// What the client is told next.
    log: Vec<Vec<u8>>,
    /// Longer values are cut; 0: none is.
    len_max: usize,
    has_hinted: bool,
    /// Since when it has run without stopping.
    pub(super) running_since: Instant,
}

/// Values are cut at this length until the client wants it otherwise.
const LEN_MAX: usize = 256;
/// No less than this may be asked for.
const LEN_MAX_MIN: usize = 60;
const BREAKPOINTS_MAX: usize = 64;
/// Lines beside the one that a listing is about.
const CONTEXT: usize = 5;

impl Session {
    pub(crate) fn new(source: &[u8]) -> Session {
        Session {
            source: source.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect(),
            line: 0,
            breakpoints: Vec::new(),
            steps: true,
            asks_to_stop: false,
            log: Vec::new(),
            len_max: LEN_MAX,
            has_hinted: false,
            running_since: Instant::now(),
        }
    }

    /// Nobody watches any more.
    pub(super) fn let_run(&mut self) {
        self.steps = false;
        self.breakpoints.clear();
    }

    pub(super) fn stops_here(&self) -> bool {
        self.breakpoints.contains(&self.line)
    }

    pub(crate) fn say(&mut self, text: impl Into<Vec<u8>>) {
        self.log.push(text.into());
    }

    /// Says a value, or as much of it as is wanted.
    pub(crate) fn say_value(&mut self, prefix: &str, value: &[u8]) {
        let mut text = [prefix.as_bytes(), value].concat();
        let is_cut = self.len_max > 0 && text.len() > self.len_max;
        if is_cut {
            text.truncate(self.len_max);
            text.extend_from_slice(b" ...");
        }
        self.say(text);
        if is_cut && !std::mem::replace(&mut self.has_hinted, true) {
            self.say("<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.");
        }
    }

    /// Says what the script itself wants said.
    pub(crate) fn say_debug(&mut self, text: &[u8]) {
        let place = format!("<debug> line {}: ", self.line);
        self.say([place.as_bytes(), text].concat());
    }

    /// What is to be told, which is forgotten.
    pub(crate) fn take_log(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.log)
    }

    /// Says a line of the source, with marks for where it stands and stops.
    pub(super) fn say_line(&mut self, number: usize) {
        let source = number.checked_sub(1).and_then(|index| self.source.get(index));
        let source = source.map_or(b"<out of range source code line>".as_slice(), Vec::as_slice);
        let mark = match (number == self.line, self.breakpoints.contains(&number)) {
            (true, true) => "->#",
            (true, false) => "-> ",
            (false, true) => "  #",
            (false, false) => "   ",
        };
        let text = [format!("{mark}{number:<3} ").as_bytes(), source].concat();
        self.say(text);
    }

    pub(super) fn list(&mut self, around: Option<usize>, context: Option<usize>) {
        let around = around.unwrap_or(self.line);
        for number in 1..=self.source.len() {
            if around.abs_diff(number) <= context.unwrap_or(CONTEXT) {
                self.say_line(number);
            }
        }
    }

    pub(super) fn set_len_max(&mut self, len: Option<&[u8]>) {
        if let Some(len) = len {
            self.has_hinted = true;
            self.len_max = match number(len).unwrap_or_default() {
                0 => 0,
                len => usize::try_from(len).unwrap_or(LEN_MAX_MIN).max(LEN_MAX_MIN),
            };
        }
        match self.len_max {
            0 => self.say("<value> replies are unlimited."),
            len => self.say(format!("<value> replies are truncated at {len} bytes.")),
        }
    }

    /// Sets, removes or lists breakpoints.
    pub(super) fn breakpoints(&mut self, arguments: &[Vec<u8>]) {
        if arguments.is_empty() {
            if self.breakpoints.is_empty() {
                return self.say("No breakpoints set. Use 'b <line>' to add one.");
            }
            self.say(format!("{} breakpoints set:", self.breakpoints.len()));
            self.breakpoints.clone().into_iter().for_each(|line| self.say_line(line));
        }
        for argument in arguments {
            match number(argument) {
                None => self.say([b"Invalid argument:'", argument.as_slice(), b"'"].concat()),
                Some(0) => {
                    self.breakpoints.clear();
                    self.say("All breakpoints removed.");
                }
                Some(line) if line > 0 => self.add_breakpoint(usize::try_from(line).unwrap_or(usize::MAX)),
                Some(line) => {
                    let before = self.breakpoints.len();
                    self.breakpoints.retain(|&known| known as u64 != line.unsigned_abs());
                    let is_gone = self.breakpoints.len() < before;
                    let missing = "No breakpoint in the specified line.";
                    self.say(if is_gone { "Breakpoint removed." } else { missing });
                }
            }
        }
    }

    fn add_breakpoint(&mut self, line: usize) {
        if self.breakpoints.len() >= BREAKPOINTS_MAX {
            return self.say("Too many breakpoints set.");
        }
        if line > self.source.len() || self.breakpoints.contains(&line) {
            return self.say("Wrong line number.");
        }
        self.breakpoints.push(line);
        self.list(Some(line), Some(1));
    }
}

/// A number in decimal digits.
pub(super) fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
