//! TEMPORARY start.
use crate::config::{Invocation, fatal_error, load, parse_arguments};
use crate::net::{Acceptor, WorkerPool, listen::Listener};
use crate::server::{ProcessInfo, Server};
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;
/// Start.
pub fn main() -> ExitCode {
    let arguments: Vec<Vec<u8>> = std::env::args_os().skip(1).map(OsStringExt::into_vec).collect();
    let launch = match parse_arguments(&arguments) {
        Invocation::Run(launch) => launch,
        Invocation::Generate(name) => {
            print!("{}", crate::config::generate(&name).unwrap_or_default());
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{}", fatal_error(None, "not supported yet"));
            return ExitCode::FAILURE;
        }
    };
    let loaded = match load(&launch, &mut std::io::stdin()) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    std::env::set_current_dir(&loaded.config.dir).unwrap();
    let (config, config_file) = (loaded.config, loaded.file);
    let port = config.port;
    let workers = config.workers();
    let server = Server::new(
        config,
        ProcessInfo {
            run_id: crate::random::run_id(),
            started_ms: crate::clock::unix_ms(),
            config_file,
            executable: std::env::current_exe().unwrap(),
            port: i64::from(port).into(),
        },
    );
    let server = match server {
        Ok(server) => server,
        Err(report) => {
            eprintln!("{report}");
            return ExitCode::FAILURE;
        }
    };
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
