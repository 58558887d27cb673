//! Scripts that are run again, bound to what they use.
//!
//! A script finds `redis`, `KEYS` and `ARGV` past the guard of the globals, and gets new tables for keys and arguments, since
//! it might keep them. Most scripts do nothing with these but to read what they hold. Where the compiled code shows that, the
//! script is compiled once more, with them as locals around it, and two tables serve all its runs.

use crate::environment;
use mlua::{Function, Lua, Result, Table};
use std::cell::{Cell, OnceCell};
use std::fmt::Write;

/// What binds scripts of one state.
pub(crate) struct Binder {
    pub(crate) xpcall: Function,
    /// Says what a script has raised.
    pub(crate) handler: Function,
    /// The table `redis`, past its guard.
    pub(crate) api: Table,
}

/// The bound form of one script, once it has run.
#[derive(Default)]
pub(crate) struct Binding {
    has_run: Cell<bool>,
    bound: OnceCell<Option<Bound>>,
}

pub(crate) struct Bound {
    keys: usize,
    arguments: usize,
    /// Runs it with its keys and arguments, which are its parameters.
    pub(crate) run: Function,
    /// It changes no table, and does not tell one from another that is equal.
    pub(crate) shares_tables: bool,
}

/// Scripts with more keys and arguments are not bound.
const PARAMETERS_MAX: usize = 40;
/// As deep as functions may stand in each other, and more.
const DEPTH_MAX: usize = 250;

const BEFORE: &[u8] = b"local redis,server,KEYS,ARGV=... return function(...) ";
const AFTER: &[u8] = b"\nend";

impl Binding {
    /// The script, bound to so many keys and arguments; none where it is not bound to that.
    pub(crate) fn get(
        &self,
        (lua, binder): (&Lua, &Binder),
        (script, source): (&Function, &[u8]),
        keys: usize,
        arguments: usize,
    ) -> Option<&Bound> {
        if !self.has_run.replace(true) {
            return None;
        }
        let make = || {
            let fits = keys + arguments <= PARAMETERS_MAX;
            let uses = if fits { uses(&script.dump(true)) } else { None }?;
            let run = binder.bind(lua, source, keys, arguments).ok()?;
            Some(Bound { keys, arguments, run, shares_tables: uses.shares_tables })
        };
        let bound = self.bound.get_or_init(make).as_ref()?;
        (bound.keys == keys && bound.arguments == arguments).then_some(bound)
    }
}

impl Binder {
    fn bind(&self, lua: &Lua, source: &[u8], keys: usize, arguments: usize) -> Result<Function> {
        let code = [BEFORE, source, AFTER].concat();
        let make = environment::compile(lua, &code, "@user_script").map_err(mlua::Error::runtime)?;
        let (key_table, argument_table) = (lua.create_table()?, lua.create_table()?);
        let script: Function = make.call((&self.api, &self.api, &key_table, &argument_table))?;
        let (mut parameters, mut assignments) = (Vec::new(), String::new());
        for (table, count) in [("KEYS", keys), ("ARGV", arguments)] {
            for index in 1..=count {
                parameters.push(format!("{table}{index}"));
                let _ = write!(assignments, "{table}[{index}]={table}{index} ");
            }
        }
        let code = format!(
            "local script,KEYS,ARGV,xpcall,handler=... return function({}) {assignments} return xpcall(script,handler) end",
            parameters.join(",")
        );
        let make = environment::compile(lua, code.as_bytes(), "=sandbox").map_err(mlua::Error::runtime)?;
        make.call((script, key_table, argument_table, &self.xpcall, &self.handler))
    }
}

/// How code of Lua 5.1 begins on processors with 64 bits, least significant byte first.
const HEADER: &[u8] = b"\x1bLua\x51\x00\x01\x04\x08\x04\x08\x00";

/// What a script does with tables that it is given.
struct Uses {
    /// See [`Bound::shares_tables`].
    shares_tables: bool,
}

/// What compiled code does with tables; none if it does anything with those that are bound but to read elements of them, or
/// reaches globals by other ways.
fn uses(code: &[u8]) -> Option<Uses> {
    let mut reader = Reader { left: code.strip_prefix(HEADER)?, shares_tables: true };
    reader.function(0)?;
    Some(Uses { shares_tables: reader.shares_tables })
}

/// Reads compiled code: `ldump.c` of Lua 5.1 writes it, `lopcodes.h` describes its instructions.
struct Reader<'c> {
    left: &'c [u8],
    shares_tables: bool,
}

impl<'c> Reader<'c> {
    fn bytes(&mut self, len: usize) -> Option<&'c [u8]> {
        let (bytes, left) = self.left.split_at_checked(len)?;
        self.left = left;
        Some(bytes)
    }

    fn size(&mut self) -> Option<usize> {
        let bytes = self.bytes(size_of::<u64>())?;
        usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
    }

    fn word(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(size_of::<u32>())?.try_into().ok()?))
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.word()?).ok()
    }

    /// A string, with the zero at its end.
    fn string(&mut self) -> Option<&'c [u8]> {
        let len = self.size()?;
        self.bytes(len)
    }

    /// A function and those in it; none if it does what is not wanted.
    fn function(&mut self, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        // Its source and lines; how many upvalues, parameters and registers it has.
        self.string()?;
        self.bytes(2 * size_of::<u32>() + 4)?;
        let count = self.count()?;
        let code = self.bytes(count.checked_mul(size_of::<u32>())?)?;
        let constants = self.constants()?;
        let code = code.chunks_exact(4).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap_or_default()));
        let code = code.collect::<Vec<_>>();
        let only_reads = instructions_only_read(&code, &constants);
        self.shares_tables &= instructions_share(&code, &constants);
        for _ in 0..self.count()? {
            self.function(depth + 1)?;
        }
        // For debuggers: lines, local variables and where they live, names of upvalues.
        let lines = self.count()?;
        self.bytes(lines.checked_mul(size_of::<u32>())?)?;
        for _ in 0..self.count()? {
            self.string()?;
            self.bytes(2 * size_of::<u32>())?;
        }
        for _ in 0..self.count()? {
            self.string()?;
        }
        only_reads.then_some(())
    }

    /// Strings at their places, and nothing for other constants.
    fn constants(&mut self) -> Option<Vec<&'c [u8]>> {
        let mut constants = Vec::new();
        for _ in 0..self.count()? {
            let constant: &[u8] = match self.bytes(1)? {
                [0] => b"",
                [1] => self.bytes(1).map(|_| b"".as_slice())?,
                [3] => self.bytes(size_of::<f64>()).map(|_| b"".as_slice())?,
                [4] => self.string()?,
                _ => return None,
            };
            constants.push(constant.strip_suffix(b"\0").unwrap_or(constant));
        }
        Some(constants)
    }
}

const GET_GLOBAL: u32 = 5;
const GET_TABLE: u32 = 6;
const SET_GLOBAL: u32 = 7;
const LEN: u32 = 20;
const SET_LIST: u32 = 34;

fn instructions_only_read(code: &[u32], constants: &[&[u8]]) -> bool {
    let mut words = code.iter().copied().peekable();
    while let Some(word) = words.next() {
        let (operation, a, c) = (word & 63, word >> 6 & 255, word >> 14 & 511);
        let name = || constants.get((word >> 14) as usize).copied().unwrap_or_default();
        let is_bound = |name: &[u8]| matches!(name, b"redis" | b"server" | b"KEYS" | b"ARGV");
        match operation {
            GET_GLOBAL if is_bound(name()) => {
                // What is read takes the place of the table: nothing else ever finds that.
                let is_read =
                    |next: &u32| matches!(next & 63, GET_TABLE | LEN) && next >> 23 == a && next >> 6 & 255 == a;
                if !words.peek().is_some_and(is_read) {
                    return false;
                }
            }
            GET_GLOBAL if matches!(name(), b"_G" | b"load" | b"loadstring" | b"getfenv" | b"setfenv") => return false,
            SET_GLOBAL if is_bound(name()) => return false,
            // A number follows that did not fit in.
            SET_LIST if c == 0 => drop(words.next()),
            _ => {}
        }
    }
    true
}

const SET_TABLE: u32 = 9;
const EQ: u32 = 23;
/// From here on operands are constants.
const CONSTANT: u32 = 256;

/// Whether it makes no difference whether two tables that are equal are the same: nothing changes one, nothing is called that
/// might, and two values are never compared of which none is a constant.
fn instructions_share(code: &[u32], constants: &[&[u8]]) -> bool {
    code.iter().all(|word| match word & 63 {
        GET_GLOBAL => matches!(
            constants.get((word >> 14) as usize),
            Some(&(b"redis" | b"server" | b"KEYS" | b"ARGV" | b"tonumber" | b"tostring"))
        ),
        SET_TABLE | SET_LIST => false,
        EQ => word >> 23 >= CONSTANT || word >> 14 & 511 >= CONSTANT,
        _ => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_that_might_keep_what_they_get_are_not_bound() {
        let lua = Lua::new();
        let uses = |source: &str| {
            let script = environment::compile(&lua, source.as_bytes(), "@user_script").unwrap();
            uses(&script.dump(true))
        };
        let only_reads = |source: &str| uses(source).is_some();
        let shares = |source: &str| uses(source).is_some_and(|uses| uses.shares_tables);
        for source in [
            "local v = redis.call('GET', KEYS[1]) redis.call('SET', KEYS[1], ARGV[1]) return v",
            "for i = 1, #KEYS do redis.pcall('DEL', KEYS[i]) end",
            "local call = redis.call local function f(k) return call('GET', k or KEYS[2]) end return f(ARGV[1])",
            "local KEYS = {} KEYS[1] = 2 return (nil or ARGV[1])",
            "return {1, 2, {ok = server.REDIS_VERSION}}",
            "",
        ] {
            assert!(only_reads(source), "{source}");
        }
        for source in [
            "return KEYS",
            "return unpack(ARGV)",
            "KEYS[1] = 'x'",
            "local function f() return ARGV end",
            "local r = redis return r.call('PING')",
            "local a local k = KEYS a = k[1] k[1] = 0",
            "function redis.call() end",
            "KEYS = {}",
            "redis:call()",
            "return (ARGV[1] and KEYS or ARGV)[1]",
            "return _G.KEYS",
            "return loadstring('return KEYS')()",
            "local f = function() return function() return {ARGV} end end",
        ] {
            assert!(!only_reads(source), "{source}");
        }
        assert!(shares(
            "local v = redis.call('GET', KEYS[1]) if v == 'x' then redis.call('SET', KEYS[1], v) end return v"
        ));
        for source in [
            "local r = redis.call('SET', 'a', 1) r.ok = 'no' return r",
            "local r = redis.call('SET', 'a', 1) rawset(r, 'ok', 'no') return r",
            "local r = redis.call('SET', 'a', 1) return r == redis.call('SET', 'a', 1)",
            "return {redis.call('SET', 'a', 1)}",
        ] {
            assert!(!shares(source), "{source}");
        }
        // A number among the instructions is none: this one reads like a look at a global.
        let many = "nil,".repeat(600 * 50);
        assert!(only_reads(&format!("return {{{many}}}")));
    }
}
