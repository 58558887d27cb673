//! A server process under measurement.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A program to measure, with the options that make the two sides alike.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// What the tables call it.
    pub(crate) name: String,
    /// The executable.
    pub(crate) path: PathBuf,
    /// The option that sets its number of threads.
    pub(crate) threads_option: &'static str,
}

impl Program {
    /// Our own server.
    pub(crate) fn ours(path: PathBuf) -> Program {
        Program { name: "ochre".to_owned(), path, threads_option: "--worker-threads" }
    }

    /// A Redis or Valkey.
    pub(crate) fn peer(path: PathBuf) -> Program {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().replace("-server", ""));
        Program { name, path, threads_option: "--io-threads" }
    }
}

/// A running server; ended on drop.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Process {
    /// Starts the program with `threads` threads, on one core when `core` names it, without persistence, and waits until
    /// it answers.
    pub(crate) fn start(program: &Program, threads: usize, core: Option<usize>) -> Result<Process> {
        // The listener is closed again: only its number is wanted.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let folder = std::env::temp_dir().join(format!("ochre-bench-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let mut command = pinned(&program.path, core);
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.args(["--loglevel", "warning", program.threads_option, &threads.to_string()]).arg("--dir").arg(&folder);
        command.stdin(Stdio::null()).stdout(fs::File::create(folder.join("log"))?).stderr(Stdio::inherit());
        let child = command.spawn().with_context(|| format!("cannot start {}", program.path.display()))?;
        let mut process = Process { child, port, folder };
        process.wait_until_ready()?;
        Ok(process)
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// CPU time that all its threads have used, in nanoseconds. Threads that have ended are not in it.
    pub(crate) fn cpu_ns(&self) -> Result<u64> {
        let mut total = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let path = task?.path().join("schedstat");
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let running: u64 = text.split_whitespace().next().context("an empty schedstat")?.parse()?;
            total += running;
        }
        Ok(total)
    }

    /// Resident memory, in bytes.
    pub(crate) fn rss_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes * 1024)
    }

    /// Stops it for a while, so that it does not disturb the measuring of another.
    pub(crate) fn freeze(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// A connection to it.
    pub(crate) fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(stream)
    }

    /// Sends one inline command and returns the first line of the reply; errs on an error reply.
    pub(crate) fn command(&self, line: &str) -> Result<String> {
        let mut stream = self.connect()?;
        stream.write_all(format!("{line}\r\n").as_bytes())?;
        let mut reply = String::new();
        BufReader::new(stream).read_line(&mut reply)?;
        ensure!(!reply.starts_with('-') && !reply.is_empty(), "{line}: {reply:?}");
        Ok(reply.trim_end().to_owned())
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.command("PING").is_err() {
            if self.child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("the server did not start: {}", fs::read_to_string(self.folder.join("log")).unwrap_or_default());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A command that is bound to one core when one is given. `taskset` becomes the program: the process id stays.
pub(crate) fn pinned(program: &Path, core: Option<usize>) -> Command {
    match core {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["-c", &core.to_string()]).arg(program);
            command
        }
        None => Command::new(program),
    }
}
