//! Scripts against a host that echoes.

use crate::{Host, LogLevel, Names, Outcome, Refusal, Replicate, Script, Vm, VmOptions};
use ochre_resp::{Protocol, ReplyWriter, Span};

#[derive(Default)]
pub(crate) struct Echo {
    calls: Vec<Vec<String>>,
    logged: Vec<String>,
    interrupts: u32,
    says: Vec<&'static str>,
    hears: Vec<String>,
}

impl Host for Echo {
    fn call(
        &mut self,
        known: &mut Option<u16>,
        bytes: &[u8],
        spans: &[Span],
        protocol: Protocol,
        out: &mut Vec<u8>,
    ) -> Result<(), Refusal> {
        let len = spans[0].end as u16;
        assert!(known.replace(len).is_none_or(|known| known == len), "it is not of this name");
        let argv: Vec<String> = spans.iter().map(|span| String::from_utf8_lossy(span.of(bytes)).into_owned()).collect();
        let mut reply = ReplyWriter::new(out, protocol);
        match argv[0].as_str() {
            "echo" => reply.bulk(argv[1].as_bytes()),
            "fail" => reply.error("WRONGTYPE not that"),
            "raw" => reply.encoded(argv[1].as_bytes(), 1),
            "refuse" => return Err(Refusal::Because("OOM no".to_owned())),
            "abort" => return Err(Refusal::Abort),
            "map" => {
                reply.map(1);
                reply.bulk("a");
                reply.double(1.5);
            }
            _ => reply.ok(),
        }
        self.calls.push(argv);
        Ok(())
    }
    fn may_call(&mut self, bytes: &[u8], spans: &[Span]) -> Option<bool> {
        (spans[0].of(bytes) != b"nothing").then_some(true)
    }
    fn log(&mut self, level: LogLevel, text: &[u8]) {
        self.logged.push(format!("{level:?} {}", String::from_utf8_lossy(text)));
    }
    fn replicate(&mut self, _: Replicate) {}
    fn interrupt(&mut self) -> bool {
        self.interrupts += 1;
        self.interrupts > 100
    }
    fn tell(&mut self, lines: Vec<Vec<u8>>) {
        self.hears.extend(lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()));
    }
    fn ask(&mut self) -> Option<Vec<Vec<u8>>> {
        if self.says.is_empty() {
            return None;
        }
        Some(self.says.remove(0).split(' ').map(|word| word.as_bytes().to_vec()).collect())
    }
}

fn options() -> VmOptions {
    VmOptions { insecure: true, ..VmOptions::default() }
}

pub(crate) fn vm() -> Vm {
    Vm::new(&options()).unwrap()
}

pub(crate) fn vm_for_functions() -> Vm {
    Vm::for_functions(&options()).unwrap()
}

pub(crate) fn run_in(vm: &Vm, source: &str, host: &mut Echo, protocol: Protocol) -> String {
    match vm.compile(source.as_bytes()) {
        Ok(script) => run_script(vm, &script, source, host, protocol),
        Err(error) => error,
    }
}

fn run_script(vm: &Vm, script: &Script, source: &str, host: &mut Echo, protocol: Protocol) -> String {
    let mut out = Vec::new();
    let keys = [b"k1".as_slice(), b"k2"];
    let arguments = [b"a1".as_slice()];
    let mut reply = ReplyWriter::new(&mut out, protocol);
    let names = Names { script: "sha", source: Some(source.as_bytes()) };
    match vm.run(script, names, keys.into_iter(), arguments.into_iter(), host, &mut reply) {
        Outcome::Replied(_) => String::from_utf8_lossy(&out).replace("\r\n", "|"),
        Outcome::Aborted => "aborted".to_owned(),
    }
}

#[track_caller]
pub(crate) fn check(cases: &[(&str, &str)]) {
    let vm = vm();
    for (source, expected) in cases {
        let script = match vm.compile(source.as_bytes()) {
            Ok(script) => script,
            Err(error) => {
                assert_eq!(error, *expected, "{source}");
                continue;
            }
        };
        // From the second time on it may be bound.
        // Where a script changes its own environment, that stays.
        let times: &[&str] = if source.contains("setfenv") { &["first"] } else { &["first", "second", "third"] };
        for time in times {
            let reply = run_script(&vm, &script, source, &mut Echo::default(), Protocol::Resp2);
            assert_eq!(reply, *expected, "{source}, {time} time");
        }
    }
}

#[test]
fn values_become_replies() {
    check(&[
        ("return 3.99", ":3|"),
        ("return 'x'", "$1|x|"),
        ("return true", ":1|"),
        ("return false", "$-1|"),
        ("return nil", "$-1|"),
        ("return {1,2,{3,'a'},nil,4}", "*3|:1|:2|*2|:3|$1|a|"),
        ("return {ok='fine'}", "+fine|"),
        ("return {err='MY bad'}", "-MY bad|"),
        ("return {double=1.5}", "$3|1.5|"),
        ("return {map={a=1}}", "*2|$1|a|:1|"),
        ("return {big_number='12\\r\\n3'}", "$5|12  3|"),
        ("return KEYS", "*2|$2|k1|$2|k2|"),
        ("return ARGV[1]", "$2|a1|"),
        ("return redis.status_reply('X Y')", "+X Y|"),
        ("return redis.error_reply('X Y')", "-X Y|"),
        ("return redis.error_reply('X')", "-ERR X|"),
        (
            "return print",
            "-ERR user_script:1: Script attempted to access nonexistent global variable 'print' script: sha, on @user_script:1.|",
        ),
        ("return function() end", "$-1|"),
    ]);
}

#[test]
fn replies_become_values() {
    check(&[
        ("return redis.call('echo', 'x')", "$1|x|"),
        ("return redis.call('raw', '*-1\\r\\n') == false and 1", ":1|"),
        ("return redis.call('raw', '*2\\r\\n:1\\r\\n$-1\\r\\n')", "*2|:1|$-1|"),
        ("return redis.call('raw', '+OK\\r\\n').ok", "$2|OK|"),
        ("redis.setresp(3) return redis.call('map').map.a.double * 2", ":3|"),
        ("redis.setresp(3) return redis.call('raw', '_\\r\\n') == nil", ":1|"),
        ("redis.setresp(3) return redis.call('raw', '(12\\r\\n').big_number", "$2|12|"),
        ("redis.setresp(3) return redis.call('raw', '=5\\r\\ntxt:a\\r\\n').verbatim_string.format", "$3|txt|"),
    ]);
}

#[test]
fn errors_say_where_they_arose() {
    check(&[
        ("return redis.call('fail')", "-WRONGTYPE not that script: sha, on @user_script:1.|"),
        ("\nredis.call('fail')", "-WRONGTYPE not that script: sha, on @user_script:2.|"),
        ("return redis.pcall('fail')", "-WRONGTYPE not that|"),
        ("return redis.pcall('fail').err", "$18|WRONGTYPE not that|"),
        ("local ok, e = pcall(redis.call, 'fail') return {tostring(ok), e}", "*2|$5|false|$18|WRONGTYPE not that|"),
        ("return redis.call('refuse')", "-OOM no script: sha, on @user_script:1.|"),
        (
            "return redis.call()",
            "-ERR Please specify at least one argument for this redis lib call script: sha, on @user_script:1.|",
        ),
        (
            "return redis.call('echo', {})",
            "-ERR Lua redis lib command arguments must be strings or integers script: sha, on @user_script:1.|",
        ),
        ("error('x')", "-ERR user_script:1: x script: sha, on @user_script:1.|"),
        ("error({err='A b'})", "-A b script: sha, on @user_script:1.|"),
        (
            "local x = nil + 1",
            "-ERR user_script:1: attempt to perform arithmetic on a nil value script: sha, on @user_script:1.|",
        ),
        (
            "return cjson.decode('[')",
            "-ERR user_script:1: Expected value but found T_END at character 2 script: sha, on @user_script:1.|",
        ),
        (
            "local ok, e = pcall(cjson.decode, 'x') return {ok=e}",
            "+Expected value but found invalid token at character 1|",
        ),
        ("return redis.call('abort')", "aborted"),
        ("pcall(redis.call, 'abort') return 1", "aborted"),
        ("while true do pcall(redis.call, 'abort') end", "aborted"),
        (
            "local co = coroutine.create(function() redis.call('abort') end) coroutine.resume(co) return redis.call('echo', 'x')",
            "aborted",
        ),
        ("while true do end", "-ERR Script killed by user with SCRIPT KILL... script: sha, on @user_script:1.|"),
        (
            "while true do pcall(function() while true do end end) end",
            "-ERR Script killed by user with SCRIPT KILL... script: sha, on @user_script:1.|",
        ),
        ("return 'still there'", "$11|still there|"),
    ]);
}

#[test]
fn libraries_register_functions() {
    let vm = vm_for_functions();
    let code = b"#!lua name=lib\nlocal function f(keys, args) return {keys[1], args[1], redis.call('echo', 'x')} end\n\
        redis.register_function('f', f)\n\
        redis.register_function{function_name='g', callback=f, flags={'no-writes'}, description='d'}";
    let library = vm.load_library(code).unwrap();
    assert_eq!(library.functions.len(), 2);
    assert!(library.functions[1].flags.no_writes && library.functions[1].description.is_some());
    let mut out = Vec::new();
    let mut reply = ReplyWriter::new(&mut out, Protocol::Resp2);
    let (keys, arguments) = ([b"k".as_slice()], [b"a".as_slice()]);
    let script = library.script(b"f").unwrap();
    let names = Names { script: "f", source: None };
    vm.run(&script, names, keys.into_iter(), arguments.into_iter(), &mut Echo::default(), &mut reply);
    assert_eq!(String::from_utf8_lossy(&out), "*3\r\n$1\r\nk\r\n$1\r\na\r\n$1\r\nx\r\n");
    let fail = |code: &str| vm.load_library(code.as_bytes()).err().map(|error| error.to_string()).unwrap_or_default();
    for (code, error) in [
        ("return 1", "Missing library metadata"),
        ("#!lua name=a\nreturn 1", "No functions registered"),
        (
            "#!lua name=a-b\nreturn 1",
            "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
        ),
        ("#!lua name=a\nreturn (", "Error compiling function: user_function:2: unexpected symbol near '<eof>'"),
        ("#!lua name=a\na = 1", "Error registering functions: ERR user_function:2: Attempt to modify a readonly table"),
        (
            "#!lua name=a\nredis.call('x')",
            "Error registering functions: ERR user_function:2: Script attempted to access nonexistent global variable 'call'",
        ),
        (
            "#!lua name=a\nmath.floor(1)",
            "Error registering functions: ERR user_function:2: Script attempted to access nonexistent global variable 'math'",
        ),
        (
            "#!lua name=a\nredis.register_function()",
            "Error registering functions: ERR wrong number of arguments to redis.register_function",
        ),
        ("#!lua name=a\nwhile true do end", "Error registering functions: ERR FUNCTION LOAD timeout"),
    ] {
        assert_eq!(fail(code), error, "{code}");
    }
}

// Holes that Lua and the libraries of Redis have had.
#[test]
fn what_scripts_share_stays_as_it_is() {
    const REFUSED: &str = "-ERR Attempt to modify a readonly table script: sha, on @user_script:1.|";
    const REFUSED_HERE: &str =
        "-ERR user_script:1: Attempt to modify a readonly table script: sha, on @user_script:1.|";
    check(&[
        ("x = 1", REFUSED_HERE),
        ("redis = 1", REFUSED_HERE),
        ("_G.redis = 1", REFUSED_HERE),
        ("redis.call = 1", REFUSED_HERE),
        ("cjson.x = 1", REFUSED_HERE),
        ("getmetatable(_G).__index = 1", REFUSED_HERE),
        ("rawset(redis, 'call', 1)", REFUSED),
        ("setmetatable(redis, {})", REFUSED),
        ("setmetatable(_G, nil)", REFUSED),
        ("table.insert(string, 1)", REFUSED),
        ("local f, t = pairs(redis) t.x = 1", REFUSED_HERE),
        ("local f, t = pairs(redis) rawset(t, 'x', 1)", REFUSED),
        ("getfenv(pairs).x = 1", REFUSED_HERE),
        ("getfenv(0).x = 1", REFUSED_HERE),
        ("rawset(getfenv(2), 'x', 1)", REFUSED),
        (
            "setfenv(pairs, {})",
            "-ERR user_script:1: 'setfenv' cannot change environment of given object script: sha, on @user_script:1.|",
        ),
        (
            "setfenv(redis.call, {})",
            "-ERR user_script:1: 'setfenv' cannot change environment of given object script: sha, on @user_script:1.|",
        ),
        // What is there is seen all the same.
        ("local n = 0 for k in pairs(redis) do n = n + 1 end return n > 20 and 1", ":1|"),
        ("local n = 0 for k in next, string do n = n + 1 end return n > 10 and 1", ":1|"),
        ("return type(rawget(redis, 'call'))", "$8|function|"),
        ("return ('abc'):upper()", "$3|ABC|"),
        ("return getmetatable('').__index == string and 1", ":1|"),
        ("return _G._G == _G and getfenv(1) == _G and getfenv(pairs) == _G and 1", ":1|"),
        ("local env = {x = 5} local f = setfenv(function() return x end, env) return f()", ":5|"),
        ("local f = function() setfenv(2, {y = 6}) end f() return y", ":6|"),
        ("return loadstring('return redis')() == redis and 1", ":1|"),
        ("local n = 0 return load(function() n = n + 1 return ({'return ', '7'})[n] end)()", ":7|"),
        ("local f, e = load(function() redis.call('fail') end) return e", "-WRONGTYPE not that|"),
        ("collectgarbage('stop') return 1", ":1|"),
        ("return collectgarbage('count') > 0 and 1", ":1|"),
    ]);
}

#[test]
fn errors_are_caught_as_tables_and_strings() {
    check(&[
        ("local ok, e = pcall(redis.call, 'fail') return type(e)", "$6|string|"),
        ("local ok, e = pcall(error, {x = 1}) return type(e)", "$5|table|"),
        (
            "local ok, e = xpcall(function() redis.call('fail') end, function(e) return e.err end) return e",
            "$18|WRONGTYPE not that|",
        ),
        (
            "local co = coroutine.create(function() redis.call('fail') end) return select(2, coroutine.resume(co)).err",
            "$18|WRONGTYPE not that|",
        ),
        (
            "local co = coroutine.wrap(function() redis.call('fail') end) return select(2, pcall(co))",
            "$18|WRONGTYPE not that|",
        ),
        ("local co = coroutine.wrap(function() coroutine.yield(5) end) return co()", ":5|"),
        (
            "local ok, e = pcall(function() return cjson.decode('[') end) return e",
            "$60|user_script:1: Expected value but found T_END at character 2|",
        ),
        (
            "table.insert(nil, 1)",
            "-ERR user_script:1: bad argument #1 to 'insert' (table expected, got nil) script: sha, on @user_script:1.|",
        ),
        (
            "for k in pairs(nil) do end",
            "-ERR user_script:1: bad argument #1 to 'pairs' (table expected, got nil) script: sha, on @user_script:1.|",
        ),
        ("return select(2, pcall(pairs, nil))", "$52|bad argument #1 to 'pairs' (table expected, got nil)|"),
    ]);
}

#[test]
fn the_collector_works_again_after_a_script_that_stopped_it() {
    let vm = vm();
    run_in(&vm, "collectgarbage('stop') return 1", &mut Echo::default(), Protocol::Resp2);
    let garbage = "for i = 1, 20000 do local x = string.rep('x', 1000) .. i end return 1";
    assert_eq!(run_in(&vm, garbage, &mut Echo::default(), Protocol::Resp2), ":1|");
    assert!(vm.used_memory() < 5_000_000, "{}", vm.used_memory());
}

#[test]
fn many_values_are_no_problem() {
    check(&[
        ("local t = {} for i = 1, 20000 do t[i] = 'x' .. i end return #cjson.encode(t)", ":168895|"),
        ("local t = {} for i = 1, 20000 do t['x' .. i] = 'y' .. i end return #cjson.encode(t)", ":337789|"),
        ("local t = {} for i = 1, 20000 do t['x' .. i] = 'y' .. i end return #cmsgpack.pack(t) > 200000 and 1", ":1|"),
        ("local t = {} for i = 1, 20000 do t[i] = 'x' .. i end return #cmsgpack.unpack(cmsgpack.pack(t))", ":20000|"),
    ]);
    let vm = vm();
    let many = run_in(
        &vm,
        "local t = {} for i = 1, 20000 do t[i] = 'x' .. i end return t",
        &mut Echo::default(),
        Protocol::Resp2,
    );
    assert!(many.starts_with("*20000|$2|x1|") && many.ends_with("$6|x20000|"));
    let map = run_in(
        &vm,
        "local t = {} for i = 1, 20000 do t['x' .. i] = 1 end return {map=t}",
        &mut Echo::default(),
        Protocol::Resp3,
    );
    assert!(map.starts_with("%20000|$"));
}

#[test]
fn a_script_is_debugged() {
    let source = "local a = {1, 'x', {y = true}}\nredis.call('echo', KEYS[1])\nlocal b = 2\nredis.debug(a, b)\nredis.breakpoint()\nreturn b";
    let vm = vm();
    let script = vm.compile(source.as_bytes()).unwrap();
    let debug = |says: &[&'static str]| {
        let mut host = Echo { says: says.to_vec(), ..Echo::default() };
        let mut out = Vec::new();
        let mut reply = ReplyWriter::new(&mut out, Protocol::Resp2);
        let names = Names { script: "sha", source: None };
        let keys = [b"k1".as_slice()];
        let none: [&[u8]; 0] = [];
        vm.debug(&script, source.as_bytes(), names, keys.into_iter(), none.into_iter(), &mut host, &mut reply);
        (host.hears, String::from_utf8_lossy(&out).into_owned())
    };
    let (hears, reply) = debug(&["s", "step", "c", "c"]);
    assert_eq!(
        hears,
        [
            "* Stopped at 1, stop reason = step over",
            "-> 1   local a = {1, 'x', {y = true}}",
            "* Stopped at 2, stop reason = step over",
            "-> 2   redis.call('echo', KEYS[1])",
            "<redis> echo k1",
            "<reply> \"k1\"",
            "* Stopped at 3, stop reason = step over",
            "-> 3   local b = 2",
            "<debug> line 4: {1; \"x\"; {[\"y\"]=true}}, 2",
            "* Stopped at 6, stop reason = redis.breakpoint() called",
            "-> 6   return b",
            "<endsession>",
        ]
    );
    assert_eq!(reply, ":2\r\n");
    let (hears, reply) =
        debug(&["b 3", "eval KEYS", "e error('x')", "redis echo x", "redis refuse", "p KEYS", "nope", "c", "t", "a"]);
    assert_eq!(
        hears[2..],
        [
            "   2   redis.call('echo', KEYS[1])",
            "  #3   local b = 2",
            "   4   redis.debug(a, b)",
            "<retval> {\"k1\"}",
            "<error> ldb_eval:1: x",
            "<redis> echo x",
            "<reply> \"x\"",
            "<redis> refuse",
            "<error> OOM no",
            "<value> {\"k1\"}",
            "<error> Unknown Redis Lua debugger command or wrong number of arguments.",
            "* Stopped at 3, stop reason = break point",
            "->#3   local b = 2",
            "In top level:",
            "->#3   local b = 2",
            "<endsession>",
        ]
    );
    assert_eq!(reply, "-ERR script aborted for user request script: sha, on @user_script:3.\r\n");
    // Nothing of it is left.
    assert_eq!(run_in(&vm, source, &mut Echo::default(), Protocol::Resp2), ":2|");
}

#[test]
fn memory_is_limited() {
    let vm = vm();
    vm.set_memory_limit(4 << 20);
    for bomb in [
        "return #string.rep('x', 100000000)",
        "local t = {} while true do t[#t + 1] = {} end",
        "local s = 'x' while true do s = s .. s end",
    ] {
        let error = run_in(&vm, bomb, &mut Echo::default(), Protocol::Resp2);
        assert!(error.starts_with("-ERR") && error.contains("not enough memory"), "{error}");
    }
    assert_eq!(run_in(&vm, "return redis.call('echo', 'x')", &mut Echo::default(), Protocol::Resp2), "$1|x|");
    vm.set_memory_limit(0);
    assert_eq!(run_in(&vm, "return #string.rep('x', 10000000)", &mut Echo::default(), Protocol::Resp2), ":10000000|");
}

#[test]
fn what_is_insecure_is_seen_only_where_it_is_wanted() {
    let vm = Vm::new(&VmOptions::default()).unwrap();
    for name in ["newproxy", "getfenv", "setfenv"] {
        let source = format!("return rawget(_G, '{name}') == nil and 1");
        assert_eq!(run_in(&vm, &source, &mut Echo::default(), Protocol::Resp2), ":1|");
    }
}

#[test]
fn a_script_that_is_bound_gets_what_it_is_given() {
    let source = "redis.call('echo', #KEYS .. #ARGV) return {KEYS[1], KEYS[2], ARGV[1] or 'none'}";
    let vm = vm();
    let script = vm.compile(source.as_bytes()).unwrap();
    let run = |keys: &[&[u8]], arguments: &[&[u8]]| {
        let (mut host, mut out) = (Echo::default(), Vec::new());
        let mut reply = ReplyWriter::new(&mut out, Protocol::Resp2);
        let names = Names { script: "sha", source: Some(source.as_bytes()) };
        vm.run(&script, names, keys.iter().copied(), arguments.iter().copied(), &mut host, &mut reply);
        format!("{} {}", host.calls[0][1], String::from_utf8_lossy(&out).replace("\r\n", "|"))
    };
    assert_eq!(run(&[b"a", b"b"], &[b"c"]), "21 *3|$1|a|$1|b|$1|c|");
    assert_eq!(run(&[b"d", b"e"], &[b"f"]), "21 *3|$1|d|$1|e|$1|f|");
    // It is bound to that many: others get tables of their own.
    assert_eq!(run(&[b"g", b"h", b"i"], &[]), "30 *3|$1|g|$1|h|$4|none|");
    assert_eq!(run(&[b"\xff", b""], &[b"j"]), "21 *3|$1|\u{fffd}|$0||$1|j|");
    assert_eq!(run(&[b"k"], &[b"l", b"m", b"n", b"o"]), "14 *1|$1|k|");
}
