//! Scripts that broke out of servers, or broke them: none does so here. Each group names the vulnerability as it is known.

use crate::tests::{Echo, check, run_in, vm, vm_for_functions};
use ochre_resp::Protocol;

#[test]
fn known_holes_are_closed() {
    check(&[
        // CVE-2024-31449
        ("return bit.tohex(255, -2147483648)", "$8|000000FF|"),
        // CVE-2024-46981
        (
            "local p = newproxy(true) local ok = pcall(function() getmetatable(p).__gc = pairs end) return ok and 1 or 0",
            ":0|",
        ),
        (
            "local n, p = 0, newproxy(true) pcall(rawset, getmetatable(p), '__gc', function() n = 1 end) p = nil
             collectgarbage() collectgarbage() return n",
            ":0|",
        ),
        ("local p = newproxy(true) getmetatable(p).__index = {x = 5} return newproxy(p).x", ":5|"),
        // CVE-2025-49844: the name of a source is collected while it is read
        (
            "for i = 1, 300 do
                local body = {}
                for n = 1, 200 do body[n] = 'do local a = { \"' .. i .. 'x' .. n .. '\" } end ' end
                local f = loadstring('-- name ' .. i .. '\\n' .. table.concat(body) .. ' error(1)')
                local ok, e = pcall(f)
                if not string.find(e, '-- name ' .. i .. '...', 1, true) then return e end
             end
             return 1",
            ":1|",
        ),
        // CVE-2025-46817
        ("return pcall(unpack, {}, -2147483648, 2147483647) and 1 or 0", ":0|"),
        ("return pcall(unpack, {}, 0, 2147483647) and 1 or 0", ":0|"),
        ("return pcall(unpack, {}, 1, 1/0) and 1 or 0", ":0|"),
        ("return pcall(unpack, {}, 0/0, 0/0) and 1 or 0", ":0|"),
        ("return select('#', unpack({}, 2147483646, 2147483647))", ":2|"),
        ("return select('#', unpack({}, -2147483648, -2147483647))", ":2|"),
        // CVE-2025-46818
        (
            "local ok, e = pcall(function() getmetatable('').__index = nil end) return {ok=e}",
            "+user_script:1: Attempt to modify a readonly table|",
        ),
        (
            "local ok, e = pcall(function() string.rep = nil end) return {ok=e}",
            "+user_script:1: Attempt to modify a readonly table|",
        ),
        ("return pcall(rawset, getmetatable(''), '__index', pairs) and 1 or 0", ":0|"),
        ("return pcall(setmetatable, getmetatable(''), {}) and 1 or 0", ":0|"),
        (
            "for _, v in ipairs({1, true, pairs, redis.call, coroutine.create(pairs), cjson.null}) do
                 if getmetatable(v) then return 0 end end return 1",
            ":1|",
        ),
        // CVE-2025-46819
        (
            "return loadstring('return [' .. string.rep('=', 100000) .. '[x]' .. string.rep('=', 100000) .. ']')()",
            "$1|x|",
        ),
        ("return [[a]] .. [==[b]]c]==] .. [[\n\n]] --[[ x ]] --[=[ y ]=]", "$6|ab]]c\n|"),
        // CVE-2022-24834, CVE-2018-11218, CVE-2018-11219
        ("return #cjson.encode(string.rep('\\0', 1000000))", ":6000002|"),
        ("return pcall(cmsgpack.unpack, string.rep('\\145', 1000000)) and 1 or 0", ":0|"),
        ("return pcall(cmsgpack.unpack, '\\219\\255\\255\\255\\255') and 1 or 0", ":0|"),
        ("return pcall(struct.unpack, 'I' .. 2^31, 'x') and 1 or 0", ":0|"),
        ("return pcall(struct.unpack, 'c2147483647', 'x') and 1 or 0", ":0|"),
        ("return pcall(struct.unpack, 'i', 'abcd', -10) and 1 or 0", ":0|"),
        ("return pcall(cjson.decode, string.rep('[', 1000000)) and 1 or 0", ":0|"),
        // CVE-2014-5461
        (
            "local function f(p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15, p16, p17, p18, p19, p20, p21, p22, p23, p24, p25, p26, p27, p28, p29, p30, ...) local a = ... return a or 1 end return f()",
            ":1|",
        ),
        // Bytecode
        ("return loadstring(string.dump(function() return 1 end)) and 1 or 0", ":0|"),
        ("setfenv(0, {}) return 1", "-ERR Attempt to modify a readonly table script: sha, on @user_script:1.|"),
        ("rawset(_G, 'x', 1)", "-ERR Attempt to modify a readonly table script: sha, on @user_script:1.|"),
        ("return newproxy and 1", ":1|"),
        // The native stack
        ("return pcall(string.find, string.rep('a', 1e6), string.rep('a?', 1e6)) and 1 or 0", ":0|"),
        ("return pcall(string.match, string.rep('a', 1e6), string.rep('a?', 1e6)) and 1 or 0", ":0|"),
        ("return pcall(string.gmatch, string.rep('a', 1e6), string.rep('a?', 1e6)) and 1 or 0", ":0|"),
        ("return pcall(string.gsub, string.rep('a', 1e6), string.rep('(a)', 1e6), '') and 1 or 0", ":0|"),
        ("return #string.match(string.rep('a', 1e6), string.rep('a?', 1000))", ":1000|"),
        ("return string.find(string.rep('a', 5e3) .. 'b', string.rep('a', 5e3) .. 'b')", ":1|"),
        ("return string.find(string.rep('a.', 5e3) .. 'b', string.rep('a.', 5e3) .. 'b', 1, true)", ":1|"),
        ("local function f() local ok = pcall(f) return ok end return f() and 1 or 0", ":1|"),
    ]);
}

#[test]
fn bytecode_is_not_run() {
    // CVE-2015-4335: bytecode that is made by hand gives access to any memory.
    const HEADER: &str = "'\\27Lua' .. '\\81\\0\\1\\4\\8\\4\\8\\0' .. string.rep('\\0', 64)";
    check(&[
        (&format!("return loadstring({HEADER}) and 1 or 0"), ":0|"),
        (&format!("local n = {{{HEADER}}} return load(function() return table.remove(n) end) and 1 or 0"), ":0|"),
        (
            "local f = function() return 1 end return load(function() local d = f and string.dump(f) f = nil return d end) and 1 or 0",
            ":0|",
        ),
    ]);
    let vm = vm();
    let code = b"\x1bLua\x51\0\x01\x04\x08\x04\x08\0".as_slice();
    assert!(vm.compile(code).err().unwrap().contains("unexpected symbol near"));
    let library = [b"#!lua name=l\n".as_slice(), code].concat();
    assert!(
        vm_for_functions().load_library(&library).err().unwrap().to_string().starts_with("Error compiling function: ")
    );
}

#[test]
fn numbers_in_formats_do_not_overflow() {
    // CVE-2015-8080 and CVE-2020-14147, which brought it back.
    check(&[
        ("return pcall(struct.pack, '>I2147483648', '10') and 1 or 0", ":0|"),
        ("return pcall(struct.pack, '>i4294967297', '10') and 1 or 0", ":0|"),
        ("return pcall(struct.unpack, '>I' .. string.rep('9', 100), 'x') and 1 or 0", ":0|"),
        ("return pcall(struct.size, 'i99999999999999999999') and 1 or 0", ":0|"),
        ("return pcall(struct.pack, '!2147483648 i', 1) and 1 or 0", ":0|"),
    ]);
}

#[test]
fn depth_is_limited() {
    // CVE-2021-32626: nested values fill Lua's stack where nobody looks whether there is room.
    const DEEP: &str = "local t = {} for i = 1, 100000 do t = {t} end";
    check(&[
        (&format!("{DEEP} return pcall(cjson.encode, t) and 1 or 0"), ":0|"),
        (&format!("{DEEP} return #cmsgpack.pack(t) < 100 and 1 or 0"), ":1|"),
        ("return pcall(cjson.decode, string.rep('{\"a\":', 100000)) and 1 or 0", ":0|"),
        ("return pcall(cmsgpack.unpack, string.rep('\\129\\161a', 100000)) and 1 or 0", ":0|"),
        ("return pcall(cmsgpack.unpack, string.rep('\\1', 100000)) and 1 or 0", ":0|"),
        (
            "local t = {} for i = 1, 100000 do t[i] = 'a' end return pcall(function() redis.call(unpack(t)) end) and 1 or 0",
            ":0|",
        ),
        ("local t = {} t[1] = t return pcall(cjson.encode, t) and 1 or 0", ":0|"),
    ]);
    let limited = |source: &str| {
        let reply = run_in(&vm(), source, &mut Echo::default(), Protocol::Resp2);
        assert!(
            reply.ends_with("-ERR reached lua stack limit|"),
            "{source}: …{}",
            &reply[reply.len().saturating_sub(80)..]
        );
    };
    limited(&format!("{DEEP} return t"));
    limited("local t = {} t[1] = t return t");
    let answer = "*1\\r\\n";
    let source = format!("return pcall(redis.call, 'raw', string.rep('{answer}', 100000) .. ':1\\r\\n') and 1 or 0");
    check(&[(&source, ":0|")]);
}

#[test]
fn nothing_leads_out_of_the_sandbox() {
    // CVE-2022-0543: a global that loads native libraries was left.
    check(&[
        (
            "for _, name in ipairs({'package', 'io', 'debug', 'require', 'module', 'dofile', 'loadfile', 'print', 'jit', 'ffi'}) do
                 if rawget(_G, name) ~= nil then return name end
             end
             return 1",
            ":1|",
        ),
        ("local names = '' for name in pairs(os) do names = names .. name end return names", "$5|clock|"),
        ("for name, part in pairs(_G) do if type(part) == 'userdata' then return name end end return 1", ":1|"),
        ("return pcall(function() return package.loadlib end) and 1 or 0", ":0|"),
        ("return string.gfind == nil and 1 or string.gfind == string.gmatch and 2", ":2|"),
    ]);
}

#[test]
fn no_script_plants_code_for_others() {
    // CVE-2022-24735: what another user's script calls later is put in the place of shared functions.
    let (vm, mut host) = (vm(), Echo::default());
    let planted = [
        "redis.call = function() return 'planted' end",
        "rawset(redis, 'call', function() return 'planted' end)",
        "setmetatable(redis, {__index = function() return function() return 'planted' end end})",
        "getmetatable(redis).__index = function() return function() return 'planted' end end",
        "getmetatable('').__index = {upper = function() return 'planted' end}",
        "getmetatable('').__index.upper = function() return 'planted' end",
        "getmetatable(_G).__index = nil",
        "setmetatable(_G, {__newindex = function() end})",
        "string.upper = function() return 'planted' end",
        "table.insert(table, function() end)",
        "setfenv(redis.call, {})",
        "setfenv(0, {redis = {call = function() return 'planted' end}})",
        "KEYS.planted = 1 ARGV[1] = 'planted' return 1",
        "cjson.encode = function() return 'planted' end",
        "math.random = function() return 4 end",
        "_G.pcall = nil",
        "__redis__err__handler = function() return 'planted' end",
        "debug.sethook(function() end)",
        "string.gsub('x', 'x', function() redis.call = 1 end)",
        "coroutine.wrap(function() redis.call = 1 end)()",
        "local env = getfenv(1) env.redis = {call = function() return 'planted' end}",
        "loadstring('redis = 1')()",
        "load(function() redis.call = 1 end)()",
        "select('#', pcall(rawset, _G, 'redis', 1))",
        "cmsgpack.unpack(cmsgpack.pack(setmetatable({}, {__index = function() redis = 1 end})))",
    ];
    for source in planted {
        run_in(&vm, source, &mut host, Protocol::Resp2);
        let uses = "if KEYS.planted then return 0 end
            return {redis.call('echo', ARGV[1]), ('a'):upper(), string.upper('b'), cjson.encode({}), type(pcall), type(math.random)}";
        let reply = run_in(&vm, uses, &mut host, Protocol::Resp2);
        assert_eq!(reply, "*6|$2|a1|$1|A|$1|B|$2|{}|$8|function|$8|function|", "after {source}");
    }
}

#[test]
fn odd_errors_are_replied_like_any() {
    // CVE-2022-24736: a script that fails in an unusual way makes the server follow a null pointer.
    let vm = vm();
    for source in [
        "error()",
        "error(nil)",
        "error({})",
        "error({err = 1})",
        "error({err = {}})",
        "error({err = 'x', source = {}, line = {}})",
        "error(setmetatable({}, {__tostring = function() error() end, __index = function() error() end}))",
        "error(function() end)",
        "error(coroutine.create(function() end))",
        "error(true, 100)",
        "error('\\0')",
        "return error(error)",
        "coroutine.yield()",
        "return coroutine.wrap(function() redis.call('fail') end)()",
        "return redis.error_reply()",
        "return redis.call()",
        "return redis.call(nil)",
        "return redis.pcall({})",
        "return redis.sha1hex()",
        "redis.log()",
        "redis.setresp({})",
        "local x = nil; x()",
        "return {err = {}}",
        "return {err = ''}",
        "return setmetatable({}, {__index = function() error() end})",
        "return {map = 1, set = 2, double = 'x', verbatim_string = {}, big_number = {}}",
        "string.rep('x', 1e300)",
        "xpcall(error, error)",
        "xpcall(function() error() end, nil)",
    ] {
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            let reply = run_in(&vm, source, &mut Echo::default(), protocol);
            assert!(reply.ends_with('|'), "{source}: {reply}");
            assert_eq!(run_in(&vm, "return 1", &mut Echo::default(), protocol), ":1|", "after {source}");
        }
    }
}
