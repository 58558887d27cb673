//! `ochre-cli` on a terminal: prompts, editing, history and Ctrl-C.

mod peer;

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use peer::Server;

/// The program on a terminal of its own.
struct Screen {
    child: Child,
    keyboard: File,
    output: Receiver<Vec<u8>>,
    unread: String,
}

impl Screen {
    fn open(server: &Server, history: &str) -> Self {
        Self::open_with(server, history, &[])
    }

    fn open_with(server: &Server, history: &str, options: &[&str]) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_ochre-cli"))
            .args(["-p", &server.port.to_string()])
            .args(options)
            .env("TERM", "xterm")
            .env("REDISCLI_HISTFILE", history)
            .env("REDISCLI_RCFILE", "/dev/null")
            .env_remove("REDISCLI_AUTH")
            .stdin(Stdio::from(slave.try_clone().unwrap()))
            .stdout(Stdio::from(slave.try_clone().unwrap()))
            .stderr(Stdio::from(slave))
            .spawn()
            .unwrap();
        let mut screen = File::from(master.try_clone().unwrap());
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end of the program closes the terminal, which reads as an error.
            while let Ok(len) = screen.read(&mut buffer) {
                if len == 0 || sender.send(buffer[..len].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keyboard: File::from(master), output, unread: String::new() }
    }

    /// Types a line and waits until it is taken.
    fn enter(&mut self, line: &str) {
        self.type_in(&format!("{line}\r"));
        self.wait_for("\r\n");
    }

    fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for `text` to be shown and returns what came before it.
    fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(at) = self.unread.find(text) {
                let before = self.unread[..at].to_owned();
                self.unread.drain(..at + text.len());
                return before;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.unread.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("{error} waiting for {text:?}; shown: {:?}", self.unread),
            }
        }
    }

    fn interrupt(&self) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGINT).unwrap();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn prompt_history_and_interrupts() {
    let server = Server::start(&[]);
    let history = std::env::temp_dir().join(format!("ochre-cli-terminal-{}", std::process::id()));
    // Left over from an earlier process of the same number.
    let _ = std::fs::remove_file(&history);
    let mut screen = Screen::open(&server, history.to_str().unwrap());
    let address = format!("127.0.0.1:{}", server.port);

    screen.wait_for(&format!("{address}> "));
    screen.enter("select 3");
    screen.wait_for("OK");
    screen.wait_for(&format!("{address}[3]> "));
    screen.enter("multi");
    screen.wait_for(&format!("{address}[3](TX)> "));
    screen.enter("discard");
    screen.wait_for(&format!("{address}[3]> "));
    screen.enter("config set requirepass \"\"");
    screen.wait_for("OK");
    screen.wait_for("[3]> ");

    // A hint behind what is typed, completion with the tab key, and the repetition of a command.
    screen.type_in("setrange");
    screen.wait_for(" key offset value");
    screen.type_in("\u{15}getd\t");
    screen.wait_for("GETDEL");
    screen.enter("\u{15}2 echo twice");
    screen.wait_for("\"twice\"\r\n\"twice\"\r\n");
    screen.wait_for("[3]> ");
    screen.enter(":set nohints");
    screen.wait_for("[3]> ");
    screen.enter("blpop nothing 0.6");
    screen.wait_for("(nil)\r\n(0.");
    screen.wait_for("[3]> ");

    // Ctrl-C ends a subscription: there is a new connection, on the same database.
    screen.enter("subscribe channel");
    screen.wait_for("Reading messages... (press Ctrl-C to quit)\r\n");
    screen.wait_for("3) (integer) 1\r\n");
    screen.interrupt();
    screen.wait_for(&format!("{address}[3]> "));
    screen.enter("monitor");
    screen.wait_for("OK\r\n");
    screen.interrupt();
    screen.wait_for(&format!("{address}[3]> "));
    screen.enter("ping");
    screen.wait_for("PONG");
    screen.wait_for("[3]> ");

    screen.enter("shutdown nosave");
    screen.wait_for("not connected> ");
    screen.enter("ping");
    screen.wait_for(&format!("Could not connect to Redis at {address}: Connection refused"));
    screen.wait_for("not connected> ");
    screen.enter("quit");
    assert!(screen.child.wait().unwrap().success());

    let entries = std::fs::read_to_string(&history).unwrap();
    std::fs::remove_file(&history).unwrap();
    assert!(entries.starts_with("select 3\nmulti\ndiscard\n2 echo twice\n"), "{entries}");
    assert!(entries.ends_with("shutdown nosave\nping\nquit\n") && !entries.contains("requirepass"), "{entries}");
}

#[test]
fn ctrl_c_ends_a_command_that_waits() {
    let server = Server::start(&[]);
    let mut screen = Screen::open(&server, "/dev/null");
    screen.wait_for("> ");
    screen.enter("blpop nothing 0");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !server.ask(&["client", "list"]).contains("cmd=blpop") {
        assert!(Instant::now() < deadline, "BLPOP never waited");
        std::thread::sleep(Duration::from_millis(5));
    }
    screen.interrupt();
    assert_eq!(screen.child.wait().unwrap().code(), Some(1));
}

#[test]
fn the_debugger_has_a_prompt_and_colours() {
    let server = Server::start(&[]);
    let script = std::env::temp_dir().join(format!("ochre-cli-terminal-{}.lua", std::process::id()));
    std::fs::write(&script, "local a = 1\nreturn a").unwrap();
    let mut screen = Screen::open_with(&server, "/dev/null", &["--ldb", "--eval", script.to_str().unwrap()]);
    screen.wait_for("Lua debugging session started");
    screen.wait_for("\x1b[0;33;49m-> 1   local a = 1\x1b[0m");
    screen.wait_for("lua debugger> ");
    screen.enter("step");
    screen.wait_for("-> 2   return a");
    screen.wait_for("lua debugger> ");
    screen.enter("continue");
    screen.wait_for("(integer) 1\r\n\r\n(Lua debugging session ended -- dataset changes rolled back)");
    screen.wait_for(&format!("127.0.0.1:{}> ", server.port));
    screen.enter("restart");
    screen.wait_for("lua debugger> ");
    screen.enter("quit");
    assert!(screen.child.wait().unwrap().success());
    std::fs::remove_file(&script).unwrap();
}
