//! Scripts from files, and their debugger: `ochre-cli` and the real `redis-cli` print the same.

mod peer;

use std::path::PathBuf;

use peer::{Server, run};

const OURS: &str = env!("CARGO_BIN_EXE_ochre-cli");
const THEIRS: &str = "redis-cli";

/// A file with a script, which goes with this value.
struct Script(PathBuf);

impl Script {
    fn new(name: &str, source: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ochre-cli-{}-{name}.lua", std::process::id()));
        std::fs::write(&path, source).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Runs both programs and returns what both have printed.
fn compare(server: &Server, options: &[&str], input: &str) -> String {
    let port = server.port.to_string();
    let options = [&["-p", &port], options].concat();
    let print = |program: &str| run(program, &options, input.as_bytes(), &[("TERM", "dumb")]);
    let (ours, theirs) = (print(OURS), print(THEIRS));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(text(&ours.stdout), text(&theirs.stdout), "{options:?}, {input:?}");
    assert_eq!(text(&ours.stderr), text(&theirs.stderr), "{options:?}, {input:?}");
    assert_eq!(ours.status.code(), theirs.status.code(), "{options:?}, {input:?}");
    text(&ours.stdout)
}

#[test]
fn a_file_is_evaluated() {
    let server = Server::start(&[]);
    let script = Script::new("evaluated", "return {KEYS, ARGV, 'a\\nb'}");
    let path = script.path();
    for options in [
        &["--eval", path][..],
        &["--eval", path, "k1", "k2", ",", "a1", ",", "a2"],
        &["--eval", path, ",", "a1"],
        &["--eval", path, "k1,", "a1"],
        &["--no-raw", "--eval", path, "k1", ",", "a1"],
        &["--csv", "--eval", path, "k1", ",", "a1"],
        &["-r", "2", "--eval", path],
        &["--eval", "/nonexistent.lua", "k1"],
    ] {
        compare(&server, options, "");
    }
    let broken = Script::new("broken", "return x");
    compare(&server, &["--eval", broken.path()], "");
    let refused = run(OURS, &["--ldb"], b"", &[]);
    assert_eq!(refused.stderr, b"Options --ldb and --ldb-sync-mode require --eval.\n");
    assert_eq!(refused.status.code(), Some(1));
}

const DEBUGGED: &str = "local a = 1
local function f(b)
  redis.debug('b', b, {1, 2, {x = 3}})
  return b + 1
end
redis.call('set', KEYS[1], ARGV[1])
redis.breakpoint()
a = f(a)
return {a, redis.call('get', KEYS[1]), string.rep('x', 300)}
";

#[test]
fn a_script_is_debugged() {
    let server = Server::start(&[]);
    let script = Script::new("debugged", DEBUGGED);
    for mode in ["--ldb", "--ldb-sync-mode"] {
        let options = [mode, "--eval", script.path(), "key", ",", "value"];
        let all = "s\nn\np a\nlist\nl 3 1\nb 4\nb\nc\nc\np\ntrace\neval 1 + 1  .. 'x  y'\ne KEYS[1]\nredis get key\n\
            maxlen 80\nprint ARGV\nb -4\nb 0\nwhole\nhelp\n\"open\nnope\nc\nget key\nping\n";
        let printed = compare(&server, &options, all);
        assert!(printed.contains("(Lua debugging session ended") && printed.contains("* Stopped at 4"), "{printed}");
        // After a restart it begins anew, also once it is over.
        let printed = compare(&server, &options, "s\nrestart\ns\nc\nc\nrestart\nabort\nquit\nping\n");
        assert_eq!(printed.matches("Lua debugging session started").count(), 3, "{printed}");
        compare(&server, &options, "");
        compare(&server, &options, "quit\n");
        // What it changed is undone, or stays.
        server.ask(&["del", "key"]);
        run(OURS, &[&["-p", &server.port.to_string()], &options[..]].concat(), b"c\nc\n", &[]);
        assert_eq!(server.ask(&["get", "key"]).trim(), if mode == "--ldb" { "" } else { "value" });
    }
}

#[test]
fn what_does_not_compile_is_not_debugged() {
    let server = Server::start(&[]);
    let script = Script::new("wrong", "return (");
    let printed = compare(&server, &["--ldb", "--eval", script.path()], "s\nping\n");
    assert!(printed.contains("Eval debugging session can't start:"), "{printed}");
}

#[test]
fn the_debugger_is_entered_at_the_prompt() {
    let server = Server::start(&[]);
    let printed = compare(&server, &[], "script debug yes\neval \"local a = 1 return a\" 0\ns\ns\nping\n");
    assert!(printed.contains("-> 1   local a = 1 return a"), "{printed}");
}
