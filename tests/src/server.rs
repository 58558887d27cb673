//! A server process that lives as long as its handle.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socket2::{Domain, Socket, Type};

use crate::Client;

/// How long a server may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a start is tried when another process took the chosen port first.
const TRIES: usize = 5;

/// A running server. Dropping it ends the process, prints its log (shown by the test runner for failed tests only) and
/// removes its folder.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
    log: Arc<Log>,
}

/// What a server has printed, growing while it runs.
#[derive(Debug, Default)]
struct Log {
    text: Mutex<LogText>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct LogText {
    text: String,
    /// How many of the two outputs have ended.
    closed: usize,
}

impl Server {
    /// Starts the server under test on a free loopback port with these further options (`["--maxclients", "10"]`), in
    /// a folder of its own, and returns once it accepts connections. The program is the one that the variable
    /// `OCHRE_SERVER` names, else `ochre-server` as cargo builds it now. Errs, with the log, when it does not start.
    pub fn start(options: &[&str]) -> Result<Server> {
        Server::start_in(&[], options)
    }

    /// The same with these variables in its environment.
    pub fn start_in(environment: &[(&str, &str)], options: &[&str]) -> Result<Server> {
        Server::start_any(environment, None, options)
    }

    /// The same with a configuration file.
    pub fn start_with_file(file: &Path, options: &[&str]) -> Result<Server> {
        Server::start_any(&[], Some(file), options)
    }

    fn start_any(environment: &[(&str, &str)], file: Option<&Path>, options: &[&str]) -> Result<Server> {
        let program = program()?;
        for _ in 1..TRIES {
            if let Some(server) = Server::try_start(&program, environment, file, options)? {
                return Ok(server);
            }
        }
        bail!("no free port after {TRIES} tries")
    }

    /// None when the port was taken in between.
    fn try_start(
        program: &Path,
        environment: &[(&str, &str)],
        file: Option<&Path>,
        options: &[&str],
    ) -> Result<Option<Server>> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let folder = std::env::temp_dir().join(format!("ochre-test-{}-{}", std::process::id(), address.port()));
        fs::create_dir_all(&folder)?;
        let mut command = Command::new(program);
        command
            .args(file)
            .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", ""])
            .arg("--dir")
            .arg(&folder);
        command
            .args(options)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let log = Arc::new(Log::default());
        log.follow(child.stdout.take());
        log.follow(child.stderr.take());
        let mut server = Server { child, address, folder, log };
        if server.wait_for_log("Ready to accept connections").is_ok() {
            return Ok(Some(server));
        }
        let taken =
            server.log().contains("Failed listening on port") || server.log().contains("Address already in use");
        if taken {
            return Ok(None);
        }
        let status = server.child.try_wait()?;
        bail!("{} did not start ({status:?}): {}", program.display(), server.log())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new connection to it.
    pub fn client(&self) -> Result<Client> {
        Client::connect(self.address)
    }

    /// The folder that it runs in (directive `dir`).
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All it has printed so far, on both outputs.
    pub fn log(&self) -> String {
        self.log.lock().text.clone()
    }

    /// Waits until `text` occurs in what it prints; errs when it ends or 30 seconds pass before that.
    pub fn wait_for_log(&self, text: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut log = self.log.lock();
        while !log.text.contains(text) {
            let left = deadline.saturating_duration_since(Instant::now());
            if log.closed == 2 || left.is_zero() {
                bail!("the log has no {text:?}: {}", log.text);
            }
            log = self.log.grown.wait_timeout(log, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// Resident memory, in bytes.
    pub fn rss_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kilobytes * 1024)
    }

    /// Sends a signal to it.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.pid())?), signal)?)
    }

    /// Asks it to end and returns its exit code; errs when it does not end within 30 seconds.
    pub fn terminate(&mut self) -> Result<Option<i32>> {
        self.signal(Signal::SIGTERM)?;
        Ok(self.ended()?.code())
    }

    /// Waits for its end; errs when that takes more than 30 seconds.
    pub fn ended(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("the server did not end: {}", self.log());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing must be left.
        let _ = self.child.kill();
        let _ = self.child.wait();
        eprintln!("--- log of the server on {}\n{}---", self.address, self.log());
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Log {
    fn lock(&self) -> std::sync::MutexGuard<'_, LogText> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Collects an output until its end, in a thread of its own.
    fn follow(self: &Arc<Self>, output: Option<impl Read + Send + 'static>) {
        let log = Arc::clone(self);
        thread::spawn(move || {
            if let Some(output) = output {
                let mut output = BufReader::new(output);
                let mut line = Vec::new();
                while output.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                    log.lock().text.push_str(&String::from_utf8_lossy(&line));
                    log.grown.notify_all();
                    line.clear();
                }
            }
            log.lock().closed += 1;
            log.grown.notify_all();
        });
    }
}

/// The program under test, for what a [`Server`] is not made for. Errs when cargo cannot build it.
pub fn program() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    if let Some(program) = std::env::var_os("OCHRE_SERVER") {
        return Ok(program.into());
    }
    let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.clone().map_err(anyhow::Error::msg)
}

/// Has cargo bring the server up to date: nothing else ties it to this test program.
fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = workspace_target()?;
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--package", "ochre-server", "--bin", "ochre-server", "--target-dir"])
        .arg(&target);
    let status = command.current_dir(env!("CARGO_MANIFEST_DIR")).status().context("cannot start cargo")?;
    if !status.success() {
        bail!("cargo cannot build ochre-server: {status}");
    }
    Ok(target.join("debug/ochre-server"))
}

/// Cargo's target folder, from where this test program lies in it (`<target>/<profile>/deps/<program>`).
pub fn workspace_target() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3).context("the test program lies outside a target folder")?;
    Ok(target.to_path_buf())
}

/// A port that nobody listened on a moment ago, on the loopback of IPv4.
pub fn free_port() -> Result<u16> {
    // It does not listen: another thread's fork would go on doing so for a moment, and take connections for the server.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    let address = socket.local_addr()?.as_socket().context("a socket without an address")?;
    Ok(address.port())
}

/// Asks until `holds`; errs, naming `what`, when it does not within 30 seconds or when asking fails.
pub fn await_that(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds()? {
        if Instant::now() > deadline {
            bail!("it never came to this: {what}");
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Raises the limit of open files of this process, and so of the servers that it starts, to at least `count`. Errs
/// when the system does not allow that.
pub fn raise_open_files(count: u64) -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < count {
        setrlimit(Resource::RLIMIT_NOFILE, count, hard.max(count))
            .with_context(|| format!("the limit of open files is {soft} (hard {hard}), this test needs {count}"))?;
    }
    Ok(())
}
