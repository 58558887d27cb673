//! Foreign clients use the server as they use Redis.

use std::process::Command;

use anyhow::{Result, ensure};
use ochre_tests::{Server, scripts};

#[test]
fn redis_py_works() -> Result<()> {
    scripts::redis_py(&Server::start(&[])?)
}

#[test]
fn ioredis_works() -> Result<()> {
    scripts::ioredis(&Server::start(&[])?)
}

#[test]
fn bullmq_works() -> Result<()> {
    scripts::node_application("bullmq.js", &Server::start(&[])?)
}

#[test]
fn locks_and_limits_of_node_work() -> Result<()> {
    scripts::node_application("limiters.js", &Server::start(&[])?)
}

#[test]
fn queues_locks_and_limits_of_python_work() -> Result<()> {
    scripts::python_application("queues.py", &Server::start(&[])?)
}

#[test]
fn redis_benchmark_works() -> Result<()> {
    let server = Server::start(&[])?;
    let port = server.address().port().to_string();
    for pipeline in ["1", "16"] {
        let mut benchmark = Command::new("redis-benchmark");
        benchmark.args(["-p", &port, "-t", "set,get,incr,mset,ping", "-n", "10000", "-P", pipeline, "-q"]);
        let report = scripts::output(&mut benchmark)?;
        for row in ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"] {
            ensure!(report.contains(&format!("{row}: ")), "no row {row} in {report}");
        }
        ensure!(!report.to_ascii_lowercase().contains("error"), "{report}");
    }
    Ok(())
}
