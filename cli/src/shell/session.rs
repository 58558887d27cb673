//! A session with a server: connecting, sending commands and printing replies, with the messages of `redis-cli`.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use ochre_resp::Value;

use crate::connection::{Connection, ConnectionError};
use crate::endpoint::{Endpoint, plain_error};
use crate::format::{Style, format_push, format_reply, format_verbatim};
use crate::shell::debugging::{self, Debugging};
use crate::shell::help;
use crate::shell::interrupt::Interrupt;
use crate::shell::options::{Debug, Resp3, Settings};
use crate::shell::verbatim::is_text_reply;

/// Idle time after which the system probes the server.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// The program is to end with this status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quit(pub u8);

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was sent and answered, if only by an error.
    Answered,
    /// There is no connection, or there was none left to read the answer from.
    Failed,
}

/// What a reply was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    Error,
    Null,
    Other,
    /// A redirection, which was followed: the command must be sent again.
    Redirected,
    /// Ctrl-C has cut the connection, and there is a new one.
    Interrupted,
    /// The server has closed the connection.
    Lost,
}

/// Where replies of a command go on coming until something ends them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    None,
    Monitor,
    PubSub,
}

/// A connection with what must be known about it.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    connection: Option<Connection>,
    interactive: bool,
    interrupt: Interrupt,
    /// The database that is to be selected after connecting.
    db_wanted: i64,
    /// The database that is selected.
    db: i64,
    in_multi: bool,
    db_before_multi: i64,
    stream: Stream,
    /// SHUTDOWN was sent: the end of the connection is no error.
    shutting_down: bool,
    send_asking: bool,
    debugging: Debugging,
}

impl Session {
    /// A session that is not connected yet. With `interactive` the loss of a connection does not end the program.
    #[must_use]
    pub fn new(settings: Settings, interactive: bool) -> Self {
        Self {
            db_wanted: settings.db,
            settings,
            connection: None,
            interactive,
            interrupt: Interrupt::default(),
            db: 0,
            in_multi: false,
            db_before_multi: 0,
            stream: Stream::None,
            shutting_down: false,
            send_asking: false,
            debugging: Debugging::default(),
        }
    }

    /// The options.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What Ctrl-C acts upon.
    #[must_use]
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Whether the server debugs a script for this connection.
    #[must_use]
    pub fn is_debugging(&self) -> bool {
        self.debugging.is_on()
    }

    /// From now on the user types lines.
    pub fn set_interactive(&mut self) {
        self.interactive = true;
    }

    /// Has the next EVAL debugged; the error if that is refused.
    pub fn debug_next(&mut self, debug: Debug) -> Result<(), String> {
        let connection = self.connection.as_mut().ok_or("there is no connection")?;
        match connection.call(&[b"SCRIPT".as_slice(), b"DEBUG", debugging::mode(debug)]) {
            Ok(Value::Error(text)) => Err(String::from_utf8_lossy(&text).into_owned()),
            Ok(_) => {
                self.debugging = Debugging::Asked(debug);
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// The prompt: address, database unless it is 0, and whether a transaction is open.
    #[must_use]
    pub fn prompt(&self) -> String {
        if self.connection.is_none() {
            return "not connected> ".into();
        }
        if self.is_debugging() && self.settings.eval.is_some() {
            return "lua debugger> ".into();
        }
        let address = match &self.settings.endpoint {
            Endpoint::Tcp(host, port) if host.contains(':') => format!("[{host}]:{port}"),
            Endpoint::Tcp(host, port) => format!("{host}:{port}"),
            Endpoint::Unix(path) => format!("redis {}", path.display()),
        };
        let db = if self.db == 0 { String::new() } else { format!("[{}]", self.db) };
        format!("{address}{db}{}> ", if self.in_multi { "(TX)" } else { "" })
    }

    /// Turns to another server.
    pub fn set_address(&mut self, host: String, port: u16) {
        self.settings.endpoint = Endpoint::Tcp(host, port);
    }

    /// Connects anew, logs in, selects the database and the protocol. Failures are printed, those to connect only
    /// unless `quiet`. After a failure to log in the connection stays, so that the next command shows its error.
    pub fn connect(&mut self, quiet: bool) -> Outcome {
        self.connection = None;
        (self.db, self.in_multi) = (0, false);
        self.debugging = Debugging::Off;
        match Connection::open(&self.settings.endpoint, self.settings.security.as_ref(), self.settings.connect_timeout)
        {
            Ok(connection) => {
                // Without keep-alive a broken network is noticed later, no more.
                let _ = connection.stream().set_keepalive(KEEPALIVE_INTERVAL);
                self.connection = Some(connection);
            }
            Err(error) => {
                if !quiet {
                    eprintln!("Could not connect to Redis at {}: {}", self.settings.endpoint, plain_error(&error));
                }
                return Outcome::Failed;
            }
        }
        match self.log_in().and_then(|()| self.select()).and_then(|()| self.switch_protocol()) {
            Some(()) => Outcome::Answered,
            None => Outcome::Failed,
        }
    }

    /// Runs a command `repeat` times (for ever if negative), connecting first if need be.
    ///
    /// # Errors
    /// When the program must end.
    pub fn run(&mut self, arguments: &[Vec<u8>], repeat: i64) -> Result<Outcome, Quit> {
        let Some(command) = arguments.first() else { return Ok(Outcome::Answered) };
        // The debugger has a help of its own.
        if !self.is_debugging() && (command.eq_ignore_ascii_case(b"help") || command == b"?") {
            self.print(help::text(arguments.get(1..).unwrap_or_default()).as_bytes())?;
            return Ok(Outcome::Answered);
        }
        let mut reconnect = self.connection.is_none();
        loop {
            if reconnect && self.connect(false) == Outcome::Failed {
                return Ok(Outcome::Failed);
            }
            if std::mem::take(&mut self.send_asking) && self.greet("ASKING", &["ASKING"]).is_none() {
                return Ok(Outcome::Failed);
            }
            match self.repeat(arguments, repeat) {
                Ok(Reply::Redirected) => reconnect = true,
                Ok(Reply::Lost) if self.shutting_down => {
                    self.connection = None;
                    return Ok(Outcome::Answered);
                }
                Ok(Reply::Lost) => {
                    self.connection = None;
                    return Ok(Outcome::Failed);
                }
                Ok(_) => return Ok(Outcome::Answered),
                Err(quit) => return Err(quit),
            }
        }
    }

    /// Writes to standard output and flushes it.
    ///
    /// # Errors
    /// When nobody reads it any more.
    pub fn print(&self, bytes: &[u8]) -> Result<(), Quit> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|_| Quit(1))
    }

    fn log_in(&mut self) -> Option<()> {
        let Some(password) = self.settings.password.clone() else { return Some(()) };
        let mut command = vec![b"AUTH".to_vec()];
        command.extend(self.settings.user.clone());
        command.push(password);
        self.greet("AUTH", &command)
    }

    fn select(&mut self) -> Option<()> {
        if self.db_wanted != self.db {
            let number = self.db_wanted.to_string();
            self.greet(&format!("SELECT {number}"), &["SELECT", &number])?;
            self.db = self.db_wanted;
        }
        Some(())
    }

    fn switch_protocol(&mut self) -> Option<()> {
        match self.settings.resp3 {
            Resp3::No => Some(()),
            Resp3::Must => self.greet("HELLO 3", &["HELLO", "3"]),
            Resp3::Try => self.greet("HELLO 3", &["HELLO", "3"]).or(self.connection.as_ref().map(|_| ())),
        }
    }

    /// Sends a command of the client's own; `None` after printing what went wrong.
    fn greet<A: AsRef<[u8]>>(&mut self, name: &str, command: &[A]) -> Option<()> {
        match self.connection.as_mut()?.call(command) {
            Ok(Value::Error(text)) => {
                eprintln!("{name} failed: {}", String::from_utf8_lossy(&text));
                None
            }
            Ok(_) => Some(()),
            Err(_) => {
                eprintln!("\nI/O error");
                self.connection = None;
                None
            }
        }
    }

    fn repeat(&mut self, arguments: &[Vec<u8>], repeat: i64) -> Result<Reply, Quit> {
        let is = |name: &str| arguments.first().is_some_and(|command| command.eq_ignore_ascii_case(name.as_bytes()));
        if is("sync") || is("psync") {
            eprintln!("SYNC and PSYNC are not supported yet: this client cannot read a replication stream");
            return Ok(Reply::Error);
        }
        self.shutting_down = is("shutdown");
        self.debugging = self.debugging.before(arguments);
        let text_reply = is_text_reply(arguments);
        let mut left = repeat;
        let mut last = Reply::Other;
        while left != 0 {
            left = if left < 0 { left } else { left - 1 };
            if let Some(connection) = &mut self.connection
                && let Err(error) = connection.send(arguments)
            {
                return self.lost(&error);
            }
            if is("monitor") {
                return self.stream(Stream::Monitor, text_reply);
            }
            if is("subscribe") || is("psubscribe") || is("ssubscribe") {
                last = self.stream(Stream::PubSub, text_reply)?;
                continue;
            }
            last = self.read_reply(text_reply)?;
            if matches!(last, Reply::Lost | Reply::Redirected) {
                return Ok(last);
            }
            self.note_effect(arguments, last);
            if !self.settings.interval.is_zero() {
                thread::sleep(self.settings.interval);
            }
        }
        Ok(last)
    }

    /// Prints messages until an error reply or Ctrl-C ends them.
    fn stream(&mut self, kind: Stream, text_reply: bool) -> Result<Reply, Quit> {
        if kind == Stream::PubSub && self.settings.style != Style::Raw {
            self.print(b"Reading messages... (press Ctrl-C to quit)\n")?;
        }
        self.stream = kind;
        if self.interactive
            && let Some(handle) = self.connection.as_ref().and_then(|connection| connection.stream().try_clone().ok())
        {
            self.interrupt.watch(handle);
        }
        let end = loop {
            match self.read_reply(text_reply) {
                Ok(end @ (Reply::Error | Reply::Interrupted | Reply::Redirected)) => break Ok(end),
                Ok(Reply::Lost) | Err(_) => break Err(Quit(1)),
                Ok(Reply::Null | Reply::Other) => {}
            }
        };
        self.stream = Stream::None;
        self.interrupt.unwatch();
        end
    }

    /// Waits for a reply and prints it, and before it the push messages that come first.
    fn read_reply(&mut self, text_reply: bool) -> Result<Reply, Quit> {
        loop {
            let Some(connection) = &mut self.connection else { return Ok(Reply::Lost) };
            let value = match connection.receive() {
                Ok(value) => value.without_attributes(),
                Err(error) => return self.lost(&error),
            };
            if matches!(value, Value::Push(_)) && self.stream != Stream::PubSub {
                if self.settings.show_pushes {
                    self.print(&format_push(&value, self.settings.style, &self.settings.delimiters))?;
                }
                continue;
            }
            return self.show(&value, text_reply);
        }
    }

    /// Shows what the debugger says. When it has said everything the reply of the script follows.
    fn show_debugger(&mut self, value: &Value, debug: Debug) -> Result<Reply, Quit> {
        let (text, is_over) = debugging::format(value, self.settings.colours);
        self.print(&text)?;
        if !is_over {
            self.debugging = Debugging::On(debug);
            return Ok(Reply::Other);
        }
        let has_begun = self.is_debugging();
        self.debugging = Debugging::Off;
        self.settings.style = Style::Tty;
        if !has_begun {
            self.print(b"Eval debugging session can't start:\n")?;
        }
        let reply = self.read_reply(false)?;
        if has_begun {
            self.print(debugging::farewell(debug))?;
        }
        // The server ends the connection along with the session.
        if self.interactive {
            self.connect(true);
        }
        Ok(reply)
    }

    fn show(&mut self, value: &Value, text_reply: bool) -> Result<Reply, Quit> {
        match self.debugging {
            Debugging::Begins(debug) | Debugging::On(debug) if !matches!(value, Value::Error(_)) => {
                return self.show_debugger(value, debug);
            }
            Debugging::Begins(_) => self.debugging = Debugging::Off,
            _ => {}
        }
        if let Value::Error(text) = value {
            if self.settings.cluster && self.follow(text)? {
                return Ok(Reply::Redirected);
            }
            if self.settings.fail && !self.interactive {
                eprintln!("{}", String::from_utf8_lossy(text));
                return Err(Quit(1));
            }
        }
        let text = if text_reply {
            format_verbatim(value, &self.settings.delimiters)
        } else {
            format_reply(value, self.settings.style, &self.settings.delimiters)
        };
        self.print(&text)?;
        Ok(match value {
            Value::Error(_) => Reply::Error,
            Value::Null | Value::NullArray => Reply::Null,
            _ => Reply::Other,
        })
    }

    /// If the error `text` is a redirection: turns to the server it names.
    fn follow(&mut self, text: &[u8]) -> Result<bool, Quit> {
        let text = String::from_utf8_lossy(text);
        let mut words = text.split(' ');
        let (kind, slot, address) = (words.next(), words.next(), words.next());
        let (Some(kind @ ("MOVED" | "ASK")), Some(slot), Some(address)) = (kind, slot, address) else {
            return Ok(false);
        };
        let Some((host, port)) = address.rsplit_once(':') else { return Ok(false) };
        let Ok(port) = port.parse() else { return Ok(false) };
        let host = match &self.settings.endpoint {
            // An empty name stands for the server that said so.
            Endpoint::Tcp(current, _) if host.is_empty() => current.clone(),
            _ => host.to_owned(),
        };
        if self.interactive {
            self.print(format!("-> Redirected to slot [{slot}] located at {host}:{port}\n").as_bytes())?;
        }
        self.set_address(host, port);
        self.send_asking = kind == "ASK";
        Ok(true)
    }

    /// Handles the end of the connection.
    fn lost(&mut self, error: &ConnectionError) -> Result<Reply, Quit> {
        if self.interrupt.unwatch() {
            self.stream = Stream::None;
            self.connect(false);
            return Ok(Reply::Interrupted);
        }
        if self.shutting_down {
            return Ok(Reply::Lost);
        }
        self.debugging = Debugging::Off;
        eprintln!("Error: {error}");
        if self.interactive && is_recoverable(error) { Ok(Reply::Lost) } else { Err(Quit(1)) }
    }

    /// Keeps track of what the server remembers about this connection.
    fn note_effect(&mut self, arguments: &[Vec<u8>], reply: Reply) {
        let [command, rest @ ..] = arguments else { return };
        let failed = reply == Reply::Error;
        self.debugging = self.debugging.after(arguments, failed);
        match (command.to_ascii_lowercase().as_slice(), rest) {
            (b"select", [number]) if !failed => {
                self.db = leading_number(number);
                self.db_wanted = self.db;
            }
            (b"auth", [_] | [_, _]) => {
                self.select();
            }
            (b"multi", []) if !failed => {
                self.in_multi = true;
                self.db_before_multi = self.db;
            }
            (b"exec", []) if self.in_multi => {
                self.in_multi = false;
                if failed || reply == Reply::Null {
                    (self.db, self.db_wanted) = (self.db_before_multi, self.db_before_multi);
                }
            }
            (b"discard", []) if !failed => {
                self.in_multi = false;
                (self.db, self.db_wanted) = (self.db_before_multi, self.db_before_multi);
            }
            (b"reset", []) if !failed => {
                self.in_multi = false;
                (self.db, self.db_wanted) = (0, 0);
                self.settings.resp3 = Resp3::No;
            }
            _ => {}
        }
    }
}

fn is_recoverable(error: &ConnectionError) -> bool {
    match error {
        ConnectionError::Closed => true,
        ConnectionError::Io(error) => {
            matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
        }
        ConnectionError::Protocol(_) => false,
    }
}

/// The number at the beginning of `text`, as the server has understood it.
fn leading_number(text: &[u8]) -> i64 {
    std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}
