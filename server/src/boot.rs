//! TEMPORARY start.
use crate::config::Config;
use crate::net::{Acceptor, WorkerPool, listen::Listener};
use crate::server::{ProcessInfo, Server};
use std::process::ExitCode;
/// Start.
pub fn main() -> ExitCode {
    let mut config = Config::default();
    let args: Vec<String> = std::env::args().collect();
    for pair in args.windows(2) {
        match pair[0].as_str() { "--port" => config.port = pair[1].parse().unwrap(), "--worker-threads" => config.worker_threads = pair[1].parse().unwrap(), _ => {} }
    }
    let port = config.port;
    let workers = config.workers();
    let server = Server::new(config, ProcessInfo { run_id: crate::random::run_id(), started_ms: crate::clock::unix_ms(), config_file: None, executable: std::env::current_exe().unwrap(), port: 0.into() }).unwrap();
    let pool = WorkerPool::start(&server, workers).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let _acceptor = Acceptor::start(vec![Listener::Tcp(listener)], &pool).unwrap();
        println!("Ready to accept connections");
        server.shutdown.requested().await;
    });
    ExitCode::SUCCESS
}
