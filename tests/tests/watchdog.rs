//! The software watchdog: who is stuck is in the log, with where it is.

use anyhow::Result;
use ochre_tests::{Reply, Server, await_that};

const EXPIRED: &str = "--- WATCHDOG TIMER EXPIRED ---";

/// Whether the server has a thread that looks after others.
fn has_watchdog(server: &Server) -> Result<bool> {
    for task in std::fs::read_dir(format!("/proc/{}/task", server.pid()))? {
        // A thread may end at any time.
        let name = std::fs::read_to_string(task?.path().join("comm")).unwrap_or_default();
        if name.trim_end() == "watchdog" {
            return Ok(true);
        }
    }
    Ok(false)
}

fn reports(server: &Server) -> usize {
    server.log().matches(EXPIRED).count()
}

#[test]
fn who_is_stuck_is_reported_once() -> Result<()> {
    let server = Server::start(&["--worker-threads", "2", "--enable-debug-command", "yes"])?;
    let mut client = server.client()?;
    assert!(!has_watchdog(&server)?);
    client.set_config("watchdog-period", "10")?;
    let shown = client.command(&["CONFIG", "GET", "watchdog-period"])?;
    assert_eq!(shown, Reply::Array(vec![Reply::bulk("watchdog-period"), Reply::bulk("200")]));
    // A thread names itself once it runs.
    await_that("the watchdog has begun", || has_watchdog(&server))?;
    assert_eq!(client.command(&["DEBUG", "SLEEP", "1"])?, Reply::ok());
    server.wait_for_log("--------\n")?;
    let log = server.log();
    let (_, report) = log.split_once(EXPIRED).unwrap_or_default();
    assert!(report.contains("STACK TRACE") && report.contains("switches::sleep"), "{log}");
    assert_eq!(reports(&server), 1, "{log}");
    client.set_config("watchdog-period", "0")?;
    await_that("the watchdog ends", || Ok(!has_watchdog(&server)?))?;
    assert_eq!(client.command(&["DEBUG", "SLEEP", "0.5"])?, Reply::ok());
    assert_eq!(reports(&server), 1);
    Ok(())
}

#[test]
fn a_script_that_lets_others_be_served_is_not_reported() -> Result<()> {
    let server = Server::start(&["--worker-threads", "1", "--watchdog-period", "500", "--busy-reply-threshold", "5"])?;
    let mut client = server.client()?;
    await_that("the watchdog has begun", || has_watchdog(&server))?;
    let script = "local start = os.clock() while os.clock() - start < 1.5 do end return 1";
    assert_eq!(client.command(&["EVAL", script, "0"])?, Reply::Integer(1));
    assert_eq!(reports(&server), 0);
    Ok(())
}
