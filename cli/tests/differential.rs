//! `ochre-cli` and the real `redis-cli` against the same real server: what they print must be the same bytes.

mod peer;

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use peer::{Server, run};

const OURS: &str = env!("CARGO_BIN_EXE_ochre-cli");
const THEIRS: &str = "redis-cli";

const STYLES: &[&[&str]] = &[&["--no-raw"], &["--raw"], &["--csv"], &["--json"], &["--quoted-json"], &[]];
const PROTOCOLS: &[&[&str]] = &[&["-2"], &["-3"]];

/// Fills the server with one key of each kind, odd bytes included.
const SEED: &[u8] = b"flushall\n\
    set text hello\n\
    set number 42\n\
    set odd \"\\x00\\x01\\a\\b\\t\\r\\n\\f\\\\\\\"'\\x7f\\x80\\xff caf\\xc3\\xa9\"\n\
    set empty \"\"\n\
    rpush list a b c d e f g h i j k\n\
    rpush single x\n\
    sadd set one\n\
    hset hash field value \"f \\\"2\\\"\" \"v\\n2\"\n\
    zadd zset 1 a 2.5 b inf c -inf d 1e300 e\n\
    xadd stream 1-1 f v\n\
    xadd stream 1-2 f v g w\n\
    geoadd geo 13.361389 38.115556 Palermo\n";

/// Commands that leave the data as it is, one a line.
const SCRIPT: &[u8] = b"get text\n\
    get number\n\
    get odd\n\
    get empty\n\
    get missing\n\
    mget text missing odd\n\
    strlen odd\n\
    incr text\n\
    nosuchcommand a b\n\
    get\n\
    lrange list 0 -1\n\
    lrange single 0 -1\n\
    lrange missing 0 -1\n\
    smembers set\n\
    smembers missing\n\
    hgetall hash\n\
    hgetall missing\n\
    zrange zset 0 -1 withscores\n\
    zscore zset b\n\
    zscore zset c\n\
    zscore zset missing\n\
    zmscore zset a missing d e\n\
    zrank zset b\n\
    zrandmember missing 3 withscores\n\
    xrange stream - +\n\
    xinfo stream stream\n\
    xread count 5 streams stream 0\n\
    geopos geo Palermo nowhere\n\
    type hash\n\
    object encoding list\n\
    ttl text\n\
    exists text missing\n\
    dbsize\n\
    scan 0 count 100 match t*\n\
    command info get set\n\
    command count\n\
    command getkeys set a b\n\
    config get maxmemory*\n\
    client getname\n\
    client setname tester\n\
    client getname\n\
    acl whoami\n\
    acl list\n\
    acl getuser default\n\
    memory doctor\n\
    lolwut version 5 1 1 1\n\
    lolwut version 5 1 1 1 \n\
    latency doctor\n\
    latency latest\n\
    debug protocol string\n\
    debug protocol integer\n\
    debug protocol double\n\
    debug protocol null\n\
    debug protocol array\n\
    debug protocol set\n\
    debug protocol map\n\
    debug protocol push\n\
    debug protocol verbatim\n\
    debug protocol true\n\
    debug protocol false\n\
    eval \"return {1,2,{3,4,{5,'six',{}}},{ok='fine'},{err='bad'},false,'x'}\" 0\n\
    eval \"redis.setresp(3); return {{map={a=1}},{map={k={1,2}}},{map={k={set={x=true}}}},{set={y=true}},{double=0.1}}\" 0\n\
    eval \"local t={} for i=1,105 do t[i]={i,{i}} end return t\" 0\n\
    echo \"quoted \\x41\\n\"\n\
    echo 'single \\' quoted'\n\
    echo \"unbalanced\n\
    get \"\"key\n\
    echo \"a\"b\n\
    \n\
    \x20\x20  get   text  \n\
    ECHO \xc3\xa9\xff\n\
    3 get text\n\
    0 get text\n\
    x3 get text\n\
    select 3\n\
    get text\n\
    select 99\n\
    select 0\n\
    multi\n\
    get text\n\
    lpush text x\n\
    select 1\n\
    get text\n\
    exec\n\
    get text\n\
    multi\n\
    discard\n\
    exec\n\
    multi\n\
    nosuch\n\
    exec\n\
    subscribe\n\
    reset\n\
    ping\n\
    ping \"with text\"\n\
    auth nobody nothing\n\
    hello 9\n\
    hgetall hash\n\
    quit\n\
    echo never\n";

/// Runs both programs and fails unless they agree on output, errors and status.
fn compare(server: &Server, options: &[&str], input: &[u8], environment: &[(&str, &str)]) {
    let port = server.port.to_string();
    let arguments = [&["-p", &port], options].concat();
    let ours = run(OURS, &arguments, input, environment);
    let theirs = run(THEIRS, &arguments, input, environment);
    assert_same(&ours, &theirs, &format!("{options:?} {environment:?}"));
}

fn assert_same(ours: &Output, theirs: &Output, context: &str) {
    let lines = |bytes: &[u8]| -> Vec<String> {
        bytes.split(|byte| *byte == b'\n').map(|line| line.escape_ascii().to_string()).collect()
    };
    for (ours, theirs, stream) in [(&ours.stdout, &theirs.stdout, "stdout"), (&ours.stderr, &theirs.stderr, "stderr")] {
        if ours != theirs {
            let (ours, theirs) = (lines(ours), lines(theirs));
            let at = ours.iter().zip(&theirs).take_while(|(ours, theirs)| ours == theirs).count();
            let around = at.saturating_sub(3)..at + 3;
            let part = |lines: &[String]| lines[around.start..around.end.min(lines.len())].join("\n  ");
            panic!(
                "{context}: {stream} differs from line {at}\nours:\n  {}\ntheirs:\n  {}",
                part(&ours),
                part(&theirs)
            );
        }
    }
    assert_eq!(ours.status.code(), theirs.status.code(), "{context}: exit status");
}

fn seeded(options: &[&str]) -> Server {
    let server = Server::start(options);
    let port = server.port.to_string();
    let output = run(THEIRS, &["-p", &port], SEED, &[]);
    assert!(output.status.success() && !String::from_utf8_lossy(&output.stdout).contains("ERR"));
    server
}

#[test]
fn scripts_print_the_same_in_every_style_and_protocol() {
    let server = seeded(&[]);
    for style in STYLES {
        for protocol in PROTOCOLS {
            compare(&server, &[*style, *protocol].concat(), SCRIPT, &[]);
        }
    }
    compare(&server, &[], SCRIPT, &[("FAKETTY", "1")]);
    compare(&server, &["-3"], SCRIPT, &[("FAKETTY", "1")]);
    compare(&server, &["-3", "--show-pushes", "yes"], SCRIPT, &[]);
    compare(&server, &["--json"], SCRIPT, &[]);
}

#[test]
fn single_commands_print_the_same() {
    let server = seeded(&[]);
    let cases: &[(&[&str], &[u8])] = &[
        (&["get", "odd"], b""),
        (&["--no-raw", "get", "odd"], b""),
        (&["-e", "incr", "text"], b""),
        (&["incr", "text"], b""),
        (&["-n", "5", "get", "text"], b""),
        (&["-n", "99", "get", "text"], b""),
        (&["-a", "wrong", "ping"], b""),
        (&["-a", "wrong", "--no-auth-warning", "ping"], b""),
        (&["--user", "u", "--pass", "p", "ping"], b""),
        (&["-r", "3", "get", "text"], b""),
        (&["-r", "2", "-i", "0.01", "get", "text"], b""),
        (&["-r", "0", "get", "text"], b""),
        (&["-d", ", ", "-D", "|", "lrange", "list", "0", "-1"], b""),
        (&["-D", "", "--raw", "get", "odd"], b""),
        (&["-x", "echo"], b"from\nstdin\n"),
        (&["-X", "tag", "echo", "tag"], b"from stdin"),
        (&["-X", "tag", "echo", "other"], b"from stdin"),
        (&["-x", "-X", "tag", "echo"], b""),
        (&["-X"], b""),
        (&["-2", "-3"], b""),
        (&["--nosuchoption", "x"], b""),
        (&["-z"], b""),
        (&["--quoted-input", "get", "\"t\\x65xt\""], b""),
        (&["--quoted-input", "get", "\"open"], b""),
        (&["--quoted-input", "get", "\"a\" \"b\""], b""),
        (&["get", "\"text\""], b""),
        (&["--no-raw", "client", "info", "extra"], b""),
        (&["-3", "--no-raw", "hgetall", "hash"], b""),
        (&["--raw", "--no-raw", "--csv", "hgetall", "hash"], b""),
        (&["shutdown", "wrongargument"], b""),
        (&["-u", "http://nowhere", "ping"], b""),
        (&["-u", "redis://%zz@nowhere", "ping"], b""),
        (&["-c", "get", "text"], b""),
    ];
    for (options, input) in cases {
        compare(&server, options, input, &[]);
        compare(&server, options, input, &[("FAKETTY", "1")]);
    }
    compare(&server, &["ping"], b"", &[("REDISCLI_AUTH", "wrong")]);
}

#[test]
fn logging_in_and_other_addresses_print_the_same() {
    let server = Server::start(&["--requirepass", "secret"]);
    let (port, socket) = (server.port.to_string(), server.socket());
    let uri = format!("redis://default:s%65cret@127.0.0.1:{port}/2");
    for options in [
        &["-a", "secret", "-n", "2"][..],
        &["-a", "secret", "acl", "whoami"],
        &["--user", "default", "--pass", "secret", "acl", "whoami"],
        &["-u", &uri, "set", "key", "value"],
        &["-a", "wrong", "ping"],
        &["-s", &socket, "-a", "secret", "ping"],
        &["ping"],
    ] {
        compare(&server, options, b"ping\nauth secret\nping\n", &[]);
    }
    compare(&server, &["acl", "whoami"], b"", &[("REDISCLI_AUTH", "secret")]);
    assert_eq!(server.ask(&["-a", "secret", "--no-auth-warning", "-n", "2", "exists", "key"]), "1\n");
}

#[test]
fn a_server_that_is_not_there_is_reported_the_same() {
    let server = Server::start(&[]);
    let port = server.port;
    drop(server);
    let port = port.to_string();
    for (options, input) in [
        (&["-p", &port, "ping"][..], &b""[..]),
        (&["-s", "/nonexistent/socket", "ping"], b""),
        (&["-p", &port], b"ping\nping\n"),
        (&["-h", "name.invalid", "ping"], b""),
    ] {
        assert_same(&run(OURS, options, input, &[]), &run(THEIRS, options, input, &[]), &format!("{options:?}"));
    }
}

#[test]
fn the_end_of_a_server_is_reported_the_same() {
    for script in
        [&b"ping\nshutdown nosave\nping\n"[..], b"debug restart 5\nping\nping\n", b"quit\n", b"debug segfault\n"]
    {
        let ours = Server::start(&[]);
        let theirs = Server::start(&[]);
        let print = |program: &str, server: &Server| {
            let port = server.port.to_string();
            let mut output = run(program, &["-p", &port], script, &[]);
            let stderr = String::from_utf8(output.stderr).unwrap();
            output.stderr = stderr.replace(&port, "PORT").into_bytes();
            output
        };
        assert_same(&print(OURS, &ours), &print(THEIRS, &theirs), &String::from_utf8_lossy(script));
    }
}

/// Starts a program whose output is read when it has ended.
fn start(program: &str, server: &Server, options: &[&str]) -> Child {
    Command::new(program)
        .args(["-p", &server.port.to_string()])
        .args(options)
        .env_remove("FAKETTY")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "the condition did not come true in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn messages_print_the_same_as_they_come() {
    let server = Server::start(&[]);
    for options in [
        &["subscribe", "one", "two"][..],
        &["-3", "subscribe", "one", "two"],
        &["--no-raw", "subscribe", "one", "two"],
        &["--no-raw", "-3", "subscribe", "one", "two"],
        &["--csv", "subscribe", "one", "two"],
        &["--json", "subscribe", "one", "two"],
    ] {
        let (ours, theirs) = (start(OURS, &server, options), start(THEIRS, &server, options));
        wait_until(|| server.ask(&["pubsub", "numsub", "two"]) == "two\n2\n");
        server.ask(&["publish", "one", "first"]);
        server.ask(&["publish", "two", "a\tb"]);
        server.ask(&["client", "kill", "type", "pubsub"]);
        let (ours, theirs) = (ours.wait_with_output().unwrap(), theirs.wait_with_output().unwrap());
        assert!(String::from_utf8_lossy(&ours.stdout).contains("first"));
        assert_same(&ours, &theirs, &format!("{options:?}"));
    }
}

#[test]
fn monitor_prints_the_same_as_it_comes() {
    let server = Server::start(&[]);
    let (ours, theirs) = (start(OURS, &server, &["monitor"]), start(THEIRS, &server, &["monitor"]));
    wait_until(|| server.ask(&["client", "list"]).matches("cmd=monitor").count() == 2);
    server.ask(&["echo", "marker"]);
    server.ask(&["set", "key", "va\"l\nue"]);
    server.ask(&["shutdown", "nosave"]);
    let after_marker = |child: Child| {
        let mut output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        output.stdout = text.as_bytes()[text.find("marker").unwrap()..].to_vec();
        output
    };
    assert_same(&after_marker(ours), &after_marker(theirs), "monitor");
}
