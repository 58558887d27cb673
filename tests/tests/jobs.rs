//! Processes that stand for jobs in the background, at the compatibility level of Redis 7.0.

use anyhow::{Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ochre_tests::{Client, Reply, Server, await_that};

const AT_7_0: [&str; 4] = ["--compatibility-level", "7.0", "--enable-debug-command", "yes"];
/// Microseconds a key, so that a job lasts until it is ended.
const LONG: &str = "10000000";

/// The processes that `parent` has started, also those that are not reaped yet.
fn children(parent: u32) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse() else { continue };
        // It may be gone by now.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        // The state and the parent follow the name in parentheses.
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        if fields.split(' ').nth(1) == Some(&parent.to_string()) {
            found.push(pid);
        }
    }
    Ok(found)
}

/// The process that stands for the job that runs.
fn job(server: &Server) -> Result<u32> {
    let children = children(server.pid())?;
    ensure!(children.len() == 1, "{children:?}");
    Ok(children[0])
}

fn end(pid: u32, signal: Signal) -> Result<()> {
    Ok(kill(Pid::from_raw(pid.try_into()?), signal)?)
}

fn await_idle(server: &Server, client: &mut Client, field: &str) -> Result<()> {
    await_that("the job is over", || Ok(client.info(field)? == "0"))?;
    let left = children(server.pid())?;
    ensure!(left.is_empty(), "a process is left when the job is over: {left:?}");
    Ok(())
}

#[test]
fn who_ends_the_process_ends_the_save() -> Result<()> {
    let server = Server::start(&AT_7_0)?;
    let mut client = server.client()?;
    client.line("SET a 1")?;
    client.line(&format!("CONFIG SET rdb-key-save-delay {LONG}"))?;
    client.command(&["CONFIG", "SET", "save", "900 1000"])?;
    let folder = server.folder();
    // SIGUSR1 ends it as if it had been cancelled; any other signal makes it a failure.
    for (signal, status) in [(Signal::SIGUSR1, "ok"), (Signal::SIGKILL, "err")] {
        client.line("BGSAVE")?;
        let pid = job(&server)?;
        let title = std::fs::read_to_string(format!("/proc/{pid}/cmdline"))?;
        ensure!(title.starts_with("redis-rdb-bgsave "), "{title}");
        let temporary = folder.join(format!("temp-{pid}.rdb"));
        await_that("the file is begun", || Ok(temporary.exists()))?;
        end(pid, signal)?;
        await_idle(&server, &mut client, "rdb_bgsave_in_progress")?;
        ensure!(client.info("rdb_last_bgsave_status")? == status);
        ensure!(!temporary.exists() && !folder.join("dump.rdb").exists());
        server.wait_for_log(&format!("Background saving terminated by signal {}", signal as i32))?;
    }
    let refused = client.command(&["SET", "a", "2"])?;
    ensure!(matches!(&refused, Reply::Error(text) if text.starts_with("MISCONF ")), "{refused:?}");
    ensure!(client.info("total_forks")? == "2");
    client.line("CONFIG SET rdb-key-save-delay 0")?;
    client.line("BGSAVE")?;
    await_idle(&server, &mut client, "rdb_bgsave_in_progress")?;
    ensure!(client.info("rdb_last_bgsave_status")? == "ok" && folder.join("dump.rdb").exists());
    client.line("SET a 2")?;
    Ok(())
}

#[test]
fn who_ends_the_process_ends_the_rewrite() -> Result<()> {
    let server = Server::start(&[&AT_7_0[..], &["--appendonly", "yes"]].concat())?;
    let mut client = server.client()?;
    client.line("SET a 1")?;
    client.line(&format!("CONFIG SET rdb-key-save-delay {LONG}"))?;
    for (signal, status) in [(Signal::SIGUSR1, "ok"), (Signal::SIGTERM, "ok"), (Signal::SIGKILL, "err")] {
        client.line("BGREWRITEAOF")?;
        let pid = job(&server)?;
        await_that("it has its handlers", || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default();
            Ok(u64::from_str_radix(caught.trim(), 16)? & 1 << (Signal::SIGTERM as i32 - 1) != 0)
        })?;
        end(pid, signal)?;
        if signal == Signal::SIGTERM {
            // That is for the server itself to decide about.
            ensure!(job(&server)? == pid && client.info("aof_rewrite_in_progress")? == "1");
            end(pid, Signal::SIGUSR1)?;
        }
        await_idle(&server, &mut client, "aof_rewrite_in_progress")?;
        ensure!(client.info("aof_last_bgrewrite_status")? == status);
        ensure!(!server.folder().join(format!("temp-rewriteaof-bg-{pid}.aof")).exists());
    }
    Ok(())
}

#[test]
fn the_process_ends_with_the_server_however_that_ends() -> Result<()> {
    let mut server = Server::start(&AT_7_0)?;
    let mut client = server.client()?;
    client.line("SET a 1")?;
    client.line(&format!("CONFIG SET rdb-key-save-delay {LONG}"))?;
    client.line("BGSAVE")?;
    let pid = job(&server)?;
    server.signal(Signal::SIGKILL)?;
    server.ended()?;
    // Whoever inherits it may take a while to reap it.
    await_that("it is gone", || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        Ok(stat.is_empty() || stat.contains(") Z "))
    })
}

#[test]
fn nothing_stands_for_a_save_at_other_levels() -> Result<()> {
    let server = Server::start(&[])?;
    let mut client = server.client()?;
    client.line("SET a 1")?;
    client.line(&format!("CONFIG SET rdb-key-save-delay {LONG}"))?;
    client.line("BGSAVE")?;
    ensure!(client.info("rdb_bgsave_in_progress")? == "1");
    ensure!(children(server.pid())?.is_empty());
    Ok(())
}
