//! A real `redis-server` on a free port, and programs run against it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A server that ends with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    dir: PathBuf,
}

impl Server {
    /// Starts a server with these further options and waits until it answers.
    pub(crate) fn start(options: &[&str]) -> Self {
        for _ in 0..10 {
            if let Some(server) = Self::try_start(options) {
                return server;
            }
        }
        panic!("redis-server did not start on ten free ports");
    }

    fn try_start(options: &[&str]) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port();
        let dir = std::env::temp_dir().join(format!("ochre-cli-test-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(&dir)
            .args(["--unixsocket", "s", "--enable-debug-command", "yes"])
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("these tests need redis-server (Debian package redis-server): {error}"));
        let mut server = Self { child, port, dir };
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if server.child.try_wait().unwrap().is_some() {
                return None;
            }
            if server.answers() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let mut byte = [0];
        stream.write_all(b"PING\r\n").is_ok() && stream.read(&mut byte).is_ok_and(|len| len == 1)
    }

    /// Path of its Unix socket.
    #[allow(dead_code)]
    pub(crate) fn socket(&self) -> String {
        self.dir.join("s").display().to_string()
    }

    /// What `redis-cli` prints for a command.
    #[allow(dead_code)]
    pub(crate) fn ask(&self, command: &[&str]) -> String {
        let port = self.port.to_string();
        let output = run("redis-cli", &[&["-p", &port], command].concat(), b"", &[]);
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Runs a program with this standard input and these environment variables until it ends.
pub(crate) fn run(program: &str, arguments: &[&str], input: &[u8], environment: &[(&str, &str)]) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .env_remove("REDISCLI_AUTH")
        .env_remove("FAKETTY")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("these tests need {program} (Debian package redis-tools): {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // The program may end without having read everything.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}
