//! Tests of what only a process with one thread may do: taking over the title's memory and dividing into background and
//! foreground. The usual test harness runs each test on a second thread, so this program has a `main` of its own: without
//! `ROLE` it starts itself in each role and checks what becomes of it.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use std::{env, fs, io};

use nix::sys::signal::Signal;
use ochre_server::process::background::{self, Side};
use ochre_server::process::startup::{self, Startup};
use ochre_server::process::title;

const ROLE: &str = "OCHRE_TEST_ROLE";
const SOCKET: &str = "OCHRE_TEST_SOCKET";

const TESTS: [(&str, fn()); 2] = [
    (
        "a_child_in_the_background_has_a_session_of_its_own_and_no_streams",
        a_child_in_the_background_has_a_session_of_its_own_and_no_streams,
    ),
    (
        "ps_shows_long_and_short_titles_and_the_environment_survives",
        ps_shows_long_and_short_titles_and_the_environment_survives,
    ),
];

fn main() {
    let startup = startup::begin();
    let role = env::var(ROLE).ok();
    match role.as_deref() {
        Some("title") => set_titles(&startup),
        Some("divide") => divide(&startup),
        _ => run(&startup),
    }
}

/// Lists or runs the tests as the usual harness does, as far as `cargo test` and `cargo nextest` ask for it: `--list`,
/// `--ignored`, `--format terse`, and names, of which those count that are a test's.
fn run(startup: &Startup) {
    let has = |option: &str| startup.args.iter().any(|argument| argument == option);
    let named: Vec<_> = TESTS.iter().filter(|(name, _)| has(name)).collect();
    let all = named.is_empty() && !has("--exact");
    let chosen = if all { TESTS.iter().collect() } else { named };
    let mut passed = 0;
    for (name, test) in chosen.into_iter().filter(|_| !has("--ignored")) {
        if has("--list") {
            println!("{name}: test");
        } else {
            test();
            passed += 1;
        }
    }
    if !has("--list") {
        println!("test result: ok. {passed} passed; 0 failed");
    }
}

fn this_program(role: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(ROLE, role);
    command
}

fn ps_shows_long_and_short_titles_and_the_environment_survives() {
    let mut child =
        this_program("title").args(["a", "b c"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for expected in titles() {
        expect_line(&mut output, "title set");
        assert_eq!(shown(&child).trim_end_matches('\0'), expected);
        child.stdin.as_mut().unwrap().write_all(b"next\n").unwrap();
    }
    expect_line(&mut output, "environment kept");
    assert!(child.wait().unwrap().success());
}

fn titles() -> [String; 2] {
    ["a long title ".repeat(20).trim_end().to_owned(), "short".to_owned()]
}

fn shown(child: &Child) -> String {
    String::from_utf8(fs::read(format!("/proc/{}/cmdline", child.id())).unwrap()).unwrap()
}

fn expect_line(output: &mut BufReader<ChildStdout>, expected: &str) {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), expected);
}

fn set_titles(startup: &Startup) {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).unwrap();
    let path = env::var_os("PATH");
    assert!(path.is_some());
    let mut line = String::new();
    for text in titles() {
        assert!(title::set(&text));
        println!("title set");
        io::stdin().read_line(&mut line).unwrap();
    }
    assert_eq!(env::var_os("PATH"), path);
    // Longer than all the memory there is for it: cut, and nothing else is overwritten.
    assert!(title::set(&"x".repeat(1 << 20)));
    assert_eq!(env::var_os("PATH"), path);
    assert_eq!(env::var(ROLE).as_deref(), Ok("title"));
    assert_eq!(startup.args.get(1..), Some([OsString::from("a"), OsString::from("b c")].as_slice()));
    println!("environment kept");
}

// The background process reports through a socket: its standard streams are closed.
fn a_child_in_the_background_has_a_session_of_its_own_and_no_streams() {
    let path = env::temp_dir().join(format!("ochre-background-{}", std::process::id()));
    let _ = fs::remove_file(&path);
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let output = this_program("divide").arg("an argument").env(SOCKET, &path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut buffer = [0; 1024];
    let length = socket.recv(&mut buffer).unwrap();
    let foreground = String::from_utf8_lossy(&output.stdout).into_owned();
    let report = String::from_utf8_lossy(&buffer[..length]).into_owned();
    let expected =
        "leader=true marked=false folder=/ stdin=config stdout=/dev/null stderr=/dev/null argument=an argument";
    assert_eq!(report.rsplit_once(" pid=").unwrap().0, expected);
    assert_ne!(report.rsplit_once(" pid=").unwrap().1, foreground.trim_end());
    fs::remove_file(path).unwrap();
}

fn divide(startup: &Startup) {
    if background::enter(startup, Some(b"config"), Path::new("/")).unwrap() == Side::Parent {
        println!("{}", std::process::id());
        return;
    }
    let stream = |fd: u32| fs::read_link(format!("/proc/self/fd/{fd}")).unwrap().display().to_string();
    let report = format!(
        "leader={} marked={} folder={} stdin={} stdout={} stderr={} argument={} pid={}",
        nix::unistd::getsid(None).unwrap() == nix::unistd::getpid(),
        env::vars_os().any(|(name, _)| name == OsStr::new("OCHRE_BACKGROUND")),
        env::current_dir().unwrap().display(),
        io::read_to_string(io::stdin()).unwrap(),
        stream(1),
        stream(2),
        startup.args.get(1).unwrap().display(),
        std::process::id()
    );
    UnixDatagram::unbound().unwrap().send_to(report.as_bytes(), env::var_os(SOCKET).unwrap()).unwrap();
}
