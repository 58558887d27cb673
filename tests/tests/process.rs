//! The server as a process: title, pid file, background, supervisor, signals, scores, crashes.

use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ochre_tests::{Client, Reply, Server, await_that, free_port, program};

/// A path in the folder for temporary files that no other test uses.
fn scratch(name: &str) -> Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("ochre-{name}-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    let _ = fs::remove_dir_all(&path);
    Ok(path)
}

fn title(server: &Server) -> Result<String> {
    let line = fs::read(format!("/proc/{}/cmdline", server.pid()))?;
    let end = line.iter().position(|byte| *byte == 0).unwrap_or(line.len());
    Ok(String::from_utf8_lossy(&line[..end]).into_owned())
}

#[test]
fn ps_shows_the_title() -> Result<()> {
    let server = Server::start(&[])?;
    let name = program()?.to_string_lossy().into_owned();
    let port = server.address().port();
    assert_eq!(title(&server)?, format!("{name} 127.0.0.1:{port}"));
    let mut client = server.client()?;
    client.set_config(
        "proc-title-template",
        "T {title} {listen-addr} {server-mode} {port} {tls-port} {unixsocket} {config-file}",
    )?;
    assert_eq!(title(&server)?, format!("T {name} 127.0.0.1:{port}  {port} 0  -"));
    let other = free_port()?;
    client.set_config("port", &other.to_string())?;
    assert_eq!(title(&server)?, format!("T {name} 127.0.0.1:{other}  {other} 0  -"));
    Ok(())
}

#[test]
fn the_title_names_the_configuration_file() -> Result<()> {
    let file = scratch("title.conf")?;
    fs::write(&file, "proc-title-template {config-file}\n")?;
    let path = file.to_str().context("a folder with a strange name")?;
    // The file must come first.
    let port = free_port()?;
    let mut server = Command::new(program()?)
        .args([path, "--port", &port.to_string(), "--bind", "127.0.0.1"])
        .stdout(Stdio::null())
        .spawn()?;
    let found = await_that("the title is the file", || {
        let line = fs::read(format!("/proc/{}/cmdline", server.id()))?;
        Ok(line.starts_with(format!("{path}\0").as_bytes()))
    });
    server.kill()?;
    server.wait()?;
    fs::remove_file(file)?;
    found
}

#[test]
fn without_a_title_the_command_line_stays() -> Result<()> {
    let server = Server::start(&["--set-proc-title", "no"])?;
    assert_eq!(title(&server)?, program()?.to_string_lossy());
    Ok(())
}

#[test]
fn the_pid_file_is_there_while_the_server_is() -> Result<()> {
    let mut server = Server::start(&["--pidfile", "server.pid"])?;
    let path = server.folder().join("server.pid");
    assert_eq!(fs::read_to_string(&path)?, format!("{}\n", server.pid()));
    assert_eq!(server.terminate()?, Some(0));
    ensure!(!path.exists(), "the pid file is still there");
    Ok(())
}

/// A server in the background, ended by its pid file.
struct Background {
    folder: PathBuf,
    port: u16,
}

impl Background {
    fn pid(&self) -> Result<Pid> {
        let text = fs::read_to_string(self.folder.join("server.pid"))?;
        Ok(Pid::from_raw(text.trim().parse()?))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Ok(pid) = self.pid() {
            let _ = kill(pid, Signal::SIGKILL);
        } else if let Ok(mut client) = Client::connect((Ipv4Addr::LOCALHOST, self.port).into()) {
            let _ = client.send(b"SHUTDOWN NOSAVE\r\n");
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Part of the configuration comes from standard input, which the process in the background must get too.
#[test]
fn it_goes_to_the_background() -> Result<()> {
    let folder = scratch("background")?;
    fs::create_dir(&folder)?;
    let server = Background { folder, port: free_port()? };
    let mut front = Command::new(program()?)
        .args(["-", "--daemonize", "yes", "--bind", "127.0.0.1", "--port", &server.port.to_string()])
        .current_dir(&server.folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let front_pid = front.id();
    front.stdin.take().context("no pipe")?.write_all(b"pidfile server.pid\nlogfile server.log\nmaxclients 77\n")?;
    ensure!(front.wait()?.code() == Some(0), "the process in front failed");
    let mut connected = None;
    await_that("the server in the background serves", || {
        connected = Client::connect((Ipv4Addr::LOCALHOST, server.port).into()).ok();
        Ok(connected.is_some())
    })?;
    let mut client = connected.context("not connected")?;
    let found = client.command(&["CONFIG", "GET", "maxclients"])?;
    assert_eq!(found, Reply::Array(vec![Reply::bulk("maxclients"), Reply::bulk("77")]));
    let pid = server.pid()?;
    ensure!(pid.as_raw() != i32::try_from(front_pid)?, "it stayed in front");
    // Field 6 is the session, which it leads.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(") ").context("no name")?.1.split(' ').collect::<Vec<_>>();
    assert_eq!(fields.get(3).copied(), Some(pid.to_string().as_str()));
    kill(pid, Signal::SIGTERM)?;
    await_that("the pid file is gone", || Ok(!server.folder.join("server.pid").exists()))?;
    await_that("it said good-bye", || Ok(fs::read_to_string(server.folder.join("server.log"))?.contains("bye bye")))
}

#[test]
fn systemd_hears_how_far_it_is() -> Result<()> {
    let path = scratch("notify")?;
    let systemd = UnixDatagram::bind(&path)?;
    systemd.set_read_timeout(Some(Duration::from_secs(20)))?;
    let name = path.to_str().context("a folder with a strange name")?.to_owned();
    let heard = || -> Result<String> {
        let mut buffer = [0; 512];
        let length = systemd.recv(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
    };
    for supervised in ["systemd", "auto"] {
        // A supervised server stays in front, whatever the configuration says.
        let options = ["--supervised", supervised, "--daemonize", "yes"];
        let mut server = Server::start_in(&[("NOTIFY_SOCKET", &name)], &options)?;
        ensure!(heard()?.starts_with("STATUS="), "no status");
        let ready = heard()?;
        ensure!(ready.lines().any(|line| line == "READY=1"), "{ready}");
        let info = server.client()?.command(&["INFO", "server"])?.text()?;
        ensure!(info.contains("\nprocess_supervised:systemd\r"), "{info}");
        assert_eq!(server.terminate()?, Some(0));
        ensure!(heard()?.lines().any(|line| line == "STOPPING=1"), "no good-bye");
    }
    // Nobody asked for this one to be supervised.
    let mut server = Server::start_in(&[("NOTIFY_SOCKET", &name)], &[])?;
    server.terminate()?;
    systemd.set_nonblocking(true)?;
    ensure!(heard().is_err(), "an unsupervised server notified");
    fs::remove_file(path)?;
    Ok(())
}

#[test]
fn sighup_reopens_the_log() -> Result<()> {
    let path = scratch("rotated.log")?;
    let name = path.to_str().context("a folder with a strange name")?;
    let old = path.with_extension("1");
    let port = free_port()?;
    let mut server = Command::new(program()?)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--logfile", name, "--loglevel", "verbose"])
        .spawn()?;
    let outcome = (|| {
        await_that("it is ready", || Ok(fs::read_to_string(&path).unwrap_or_default().contains("Ready to accept")))?;
        fs::rename(&path, &old)?;
        kill(Pid::from_raw(i32::try_from(server.id())?), Signal::SIGHUP)?;
        await_that("there is a new file", || Ok(path.exists()))?;
        // A broken request is logged.
        Client::connect((Ipv4Addr::LOCALHOST, port).into())?.send(b"*1\r\nx\r\n")?;
        await_that("it holds new lines", || Ok(fs::read_to_string(&path)?.contains("Protocol error")))?;
        ensure!(!fs::read_to_string(&old)?.contains("Protocol error"), "the old file grew");
        Ok(())
    })();
    server.kill()?;
    server.wait()?;
    for file in [path, old] {
        let _ = fs::remove_file(file);
    }
    outcome
}

#[test]
fn both_signals_end_it_in_order() -> Result<()> {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = Server::start(&[])?;
        let mut client = server.client()?;
        client.command(&["PING"])?;
        server.signal(signal)?;
        assert_eq!(server.ended()?.code(), Some(0));
        server.wait_for_log("bye bye")?;
        let line = format!("Received {} scheduling shutdown...", signal.as_str());
        ensure!(server.log().contains(&line), "no {line:?}");
        client.read_to_close(Duration::from_secs(10))?;
    }
    Ok(())
}

fn oom_score(server: &Server) -> Result<i32> {
    Ok(fs::read_to_string(format!("/proc/{}/oom_score_adj", server.pid()))?.trim().parse()?)
}

#[test]
fn the_oom_score_is_set_and_taken_back() -> Result<()> {
    let before = oom_score(&Server::start(&[])?)?;
    let server = Server::start(&["--oom-score-adj", "relative", "--oom-score-adj-values", "17", "20", "30"])?;
    assert_eq!(oom_score(&server)?, before + 17);
    let mut client = server.client()?;
    client.set_config("oom-score-adj-values", "19 20 30")?;
    assert_eq!(oom_score(&server)?, before + 19);
    client.set_config("oom-score-adj", "no")?;
    assert_eq!(oom_score(&server)?, before);
    client.set_config("oom-score-adj", "absolute")?;
    assert_eq!(oom_score(&server)?, 19);
    Ok(())
}

#[test]
fn huge_pages_are_refused_where_that_is_wanted_and_they_come_unasked() -> Result<()> {
    let modes = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    let refused = if modes.contains("[always]") { "0" } else { "1" };
    for (wanted, expected) in [("yes", refused), ("no", "1")] {
        let server = Server::start(&["--disable-thp", wanted])?;
        let status = fs::read_to_string(format!("/proc/{}/status", server.pid()))?;
        let found = status.lines().find_map(|line| line.strip_prefix("THP_enabled:")).context("an old kernel")?;
        assert_eq!(found.trim(), expected);
    }
    Ok(())
}

#[test]
fn a_fatal_signal_leaves_a_report_and_kills() -> Result<()> {
    let mut server = Server::start(&[])?;
    server.signal(Signal::SIGSEGV)?;
    assert_eq!(server.ended()?.signal(), Some(11));
    server.wait_for_log("REDIS BUG REPORT END")?;
    let log = server.log();
    for text in ["REDIS BUG REPORT START", "crashed by signal: 11", "STACK TRACE", "\n# Memory\r\nused_memory:"] {
        ensure!(log.contains(text), "no {text:?}");
    }
    Ok(())
}

#[test]
fn a_crash_of_a_worker_names_the_command_it_ran() -> Result<()> {
    for (command, text, signal) in
        [("SEGFAULT", "crashed by signal: 11", 11), ("PANIC", "ASSERTION FAILED", 6), ("ASSERT", "Guru Meditation", 6)]
    {
        let mut server = Server::start(&["--enable-debug-command", "yes"])?;
        server.client()?.send(format!("DEBUG {command}\r\n").as_bytes())?;
        assert_eq!(server.ended()?.signal(), Some(signal));
        server.wait_for_log("REDIS BUG REPORT END")?;
        let log = server.log();
        for text in [text, "STACK TRACE", "debug::crash::", "\n# Keyspace\r\n"] {
            ensure!(log.contains(text), "no {text:?} after DEBUG {command}");
        }
    }
    Ok(())
}

#[test]
fn a_panic_exits_where_that_is_wanted() -> Result<()> {
    let mut server = Server::start(&["--enable-debug-command", "yes"])?;
    let mut client = server.client()?;
    client.set_config("use-exit-on-panic", "yes")?;
    client.send(b"DEBUG PANIC\r\n")?;
    assert_eq!(server.ended()?.code(), Some(1));
    Ok(())
}

#[test]
fn without_a_crash_log_it_dies_silently() -> Result<()> {
    let mut server = Server::start(&[])?;
    server.client()?.set_config("crash-log-enabled", "no")?;
    server.signal(Signal::SIGSEGV)?;
    assert_eq!(server.ended()?.signal(), Some(11));
    ensure!(!server.log().contains("BUG REPORT"), "there is a report");
    Ok(())
}

#[test]
fn what_it_cannot_do_yet_it_refuses() -> Result<()> {
    for option in ["--check-system", "--test-memory", "--sentinel"] {
        let output = Command::new(program()?).arg(option).stdin(Stdio::null()).output()?;
        assert_eq!(output.status.code(), Some(1), "{option}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(text, format!("{option} is not supported yet\n"));
    }
    Ok(())
}
