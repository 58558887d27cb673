//! `ochre-benchmark` against a real server, which is asked what it was sent.

mod peer;

use peer::{Server, run};
use serde_json::Value;

const BENCHMARK: &str = env!("CARGO_BIN_EXE_ochre-benchmark");

fn benchmark(server: &Server, options: &[&str]) -> (String, String, bool) {
    let port = server.port.to_string();
    let output = run(BENCHMARK, &[&["-p", &port], options].concat(), b"", &[]);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.success())
}

/// How often the server says it has run a command.
fn calls(server: &Server, command: &str) -> u64 {
    let stats = server.ask(&["info", "commandstats"]);
    let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn exactly_the_requested_number_is_sent() {
    let server = Server::start(&[]);
    for (options, command, expected) in [
        (&["-q", "-t", "set", "-n", "1003", "-P", "16", "-c", "7"][..], "set", 1003),
        (&["-q", "-t", "get", "-n", "5", "-c", "50", "-P", "3"], "get", 5),
        (&["-q", "-t", "incr", "-n", "2000", "--threads", "3", "-c", "4"], "incr", 2000),
        (&["-q", "-t", "lpush", "-n", "120", "-k", "0", "-c", "5"], "lpush", 120),
        (&["-q", "-t", "sadd", "-n", "500", "--rps", "5000"], "sadd", 500),
        (&["-q", "-n", "99", "-r", "10", "zadd", "z", "1", "__rand_int__"], "zadd", 99),
    ] {
        let (stdout, stderr, success) = benchmark(&server, options);
        assert!(success, "{options:?}: {stdout} {stderr}");
        assert_eq!(calls(&server, command), expected, "{options:?}");
    }
    assert_eq!(server.ask(&["get", "counter:__rand_int__"]), "2000\n");
}

#[test]
fn keys_payloads_and_connections_are_as_asked_for() {
    let server = Server::start(&[]);
    let (_, stderr, success) = benchmark(
        &server,
        &["-q", "-t", "set", "-n", "5000", "-r", "20", "-d", "77", "--dbnum", "3", "-3", "--seed", "1"],
    );
    assert!(success, "{stderr}");
    assert_eq!(server.ask(&["-n", "3", "dbsize"]), "20\n");
    assert_eq!(server.ask(&["-n", "3", "strlen", "key:000000000019"]), "77\n");
    assert_eq!(server.ask(&["dbsize"]), "0\n");
    let (_, stderr, success) = benchmark(&server, &["-q", "-n", "10", "-d", "9", "set", "x", "a__data__b"]);
    assert!(success, "{stderr}");
    assert_eq!(server.ask(&["strlen", "x"]), "11\n");
}

#[test]
fn every_built_in_test_runs() {
    let server = Server::start(&[]);
    let (stdout, stderr, success) = benchmark(&server, &["--csv", "-n", "300", "-r", "50", "-P", "4"]);
    assert!(success, "{stderr}");
    let rows: Vec<&str> = stdout.lines().collect();
    assert_eq!(rows.len(), 23, "{stdout}");
    assert!(rows.iter().all(|row| row.split("\",\"").count() == 8), "{stdout}");
    let real = run("redis-benchmark", &["-p", &server.port.to_string(), "--csv", "-n", "10", "-t", "ping"], b"", &[]);
    assert_eq!(rows[0], String::from_utf8_lossy(&real.stdout).lines().next().unwrap());
}

#[test]
fn json_adds_up() {
    let server = Server::start(&[]);
    let (stdout, _, success) = benchmark(&server, &["--json", "-t", "ping_mbulk", "-n", "4000", "-c", "3"]);
    assert!(success);
    let report: Value = serde_json::from_str(stdout.trim()).unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    assert_eq!((report["test"].as_str(), report["requests"].as_u64()), (Some("PING_MBULK"), Some(4000)));
    assert!((number(&report["rps"]) * number(&report["seconds"]) / 4000.0 - 1.0).abs() < 0.01, "{stdout}");
    let latency: Vec<f64> =
        ["min", "p50", "p95", "p99", "p99_9", "max"].iter().map(|name| number(&report["latency_ms"][name])).collect();
    assert!(latency.is_sorted() && latency[0] > 0.0, "{stdout}");
}

#[test]
fn pacing_and_duration_hold() {
    let server = Server::start(&[]);
    let (stdout, _, _) =
        benchmark(&server, &["--json", "-t", "set", "--rps", "1000", "--duration", "0.6", "--threads", "2"]);
    let report: Value = serde_json::from_str(stdout.trim()).unwrap();
    let seconds = report["seconds"].as_f64().unwrap();
    assert!((0.55..5.0).contains(&seconds), "{stdout}");
    // On a busy machine the last requests may not be sent any more, but never too many.
    assert!((100..=601).contains(&report["requests"].as_u64().unwrap()), "{stdout}");
}

#[test]
fn errors_end_the_run() {
    let server = Server::start(&[]);
    let (_, stderr, success) = benchmark(&server, &["-q", "-n", "100", "lpush", "onlykey"]);
    assert_eq!(
        (stderr.as_str(), success),
        ("Error from server: ERR wrong number of arguments for 'lpush' command\n", false)
    );
    let (_, stderr, success) = benchmark(&server, &["-t", "set,nosuchtest"]);
    assert!(stderr.contains("Unknown test 'nosuchtest'") && !success, "{stderr}");
    let (_, stderr, success) = benchmark(&server, &["-a", "wrong", "-q", "-t", "set"]);
    assert!(stderr.contains("replied with error:\nERR AUTH") && !success, "{stderr}");
    let port = server.port.to_string();
    drop(server);
    let output = run(BENCHMARK, &["-p", &port, "-q", "-t", "set"], b"", &[]);
    let expected = format!("Could not connect to Redis at 127.0.0.1:{port}: Connection refused\n");
    assert_eq!((String::from_utf8(output.stderr).unwrap(), output.status.code()), (expected, Some(1)));
}

#[test]
fn idle_connections_notice_errors() {
    let server = Server::start(&["--maxclients", "5"]);
    let (stdout, stderr, success) = benchmark(&server, &["-I", "-c", "10"]);
    assert!(stdout.starts_with("Creating 10 idle connections"), "{stdout}");
    assert_eq!((stderr.as_str(), success), ("Error from server: ERR max number of clients reached\n", false));
}
