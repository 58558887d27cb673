//! One worker and one connection in one process, for counting instructions: `hot_path get|set|incrby|mset|evalsha PIPELINE REQUESTS`.
//! MSET sets ten keys, EVALSHA runs a script with one GET and one SET. `get-as-user` and the like do it as a user who may
//! only use some commands and keys, the latter by ten patterns.
//!
//! The client, on the main thread, which is not counted, writes the same batch again and again and reads as many bytes as
//! it must answer. It leaves the worker time to go to sleep between batches: otherwise chance decides how often the worker
//! finds the next batch before that.
#![forbid(unsafe_code)]

use ochre_server::config::{Invocation, load, parse_arguments};
use ochre_server::net::{Incoming, WorkerPool};
use ochre_server::server::{ProcessInfo, Server};
use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread::sleep;
use std::time::Duration;

/// Longer than the worker takes from its reply to its sleep under callgrind.
const PAUSE: Duration = Duration::from_micros(500);

/// The user.
const USER: &str = "ACL SETUSER app on nopass +@read +@write +@scripting ~key:* ~cnt:* ~lst:* ~hash:* ~z* ~q:* ~set:* ~st:* \
                    ~scr* ~big*\r\nAUTH app any\r\n";

/// The script that EVALSHA runs.
const SCRIPT: &str = "local v = redis.call('GET', KEYS[1]) redis.call('SET', KEYS[1], ARGV[1]) return v";

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: hot_path get|set|incrby|mset|evalsha[-as-user] PIPELINE REQUESTS";
    let command = arguments.next().ok_or(usage)?;
    let pipeline: usize = arguments.next().ok_or(usage)?.parse()?;
    let requests: usize = arguments.next().ok_or(usage)?.parse()?;
    let (command, as_user) = command.strip_suffix("-as-user").map_or((command.as_str(), false), |name| (name, true));
    let pairs: String =
        (0..10).map(|key| format!("$16\r\nkey:00000000000{key}\r\n$16\r\nvalue:0000000000\r\n")).collect();
    let mset = format!("*21\r\n$4\r\nMSET\r\n{pairs}");
    let (request, reply) = match command {
        "get" => ("*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000000\r\n", "$16\r\nvalue:0000000000\r\n"),
        "set" => ("*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n$16\r\nvalue:0000000000\r\n", "+OK\r\n"),
        // By nothing, so that all replies are the same.
        "incrby" => ("*3\r\n$6\r\nINCRBY\r\n$5\r\ncnt:0\r\n$1\r\n0\r\n", ":0\r\n"),
        "mset" => (mset.as_str(), "+OK\r\n"),
        "evalsha" => (
            "*5\r\n$7\r\nEVALSHA\r\n$40\r\n6859df25966c787c7bd4164f4cf940916589a96f\r\n$1\r\n1\r\n$16\r\nkey:000000000000\r\n\
             $16\r\nvalue:0000000000\r\n",
            "$16\r\nvalue:0000000000\r\n",
        ),
        _ => return Err(usage.into()),
    };

    let Invocation::Run(launch) = parse_arguments(&[b"--worker-threads".into(), b"1".into()]) else {
        return Err("no server to run".into());
    };
    let loaded = load(&launch, &mut std::io::empty()).map_err(|error| error.to_string())?;
    let server = Server::new(loaded.config, ProcessInfo::default())?;
    let pool = WorkerPool::start(&server, 1)?;
    let (mut client, served) = UnixStream::pair()?;
    served.set_nonblocking(true)?;
    pool.hand_over(Incoming::Unix(served, String::new()));

    exchange(&mut client, "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n$16\r\nvalue:0000000000\r\n", "+OK\r\n")?;
    if command == "evalsha" {
        let load = format!("SCRIPT LOAD \"{SCRIPT}\"\r\n");
        exchange(&mut client, &load, "$40\r\n6859df25966c787c7bd4164f4cf940916589a96f\r\n")?;
    }
    if as_user {
        exchange(&mut client, USER, "+OK\r\n+OK\r\n")?;
    }
    let (batch, replies) = (request.repeat(pipeline), reply.repeat(pipeline));
    for _ in 0..requests / pipeline.max(1) {
        sleep(PAUSE);
        exchange(&mut client, &batch, &replies)?;
    }
    Ok(())
}

/// Sends a batch and checks its replies.
fn exchange(client: &mut UnixStream, batch: &str, replies: &str) -> Result<(), Box<dyn Error>> {
    client.write_all(batch.as_bytes())?;
    let mut answer = vec![0; replies.len()];
    client.read_exact(&mut answer)?;
    if answer != replies.as_bytes() {
        return Err(format!("unexpected reply {:?}", String::from_utf8_lossy(&answer)).into());
    }
    Ok(())
}
