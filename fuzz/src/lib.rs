//! What fuzz targets share: scripts that are run with the bytes of an input.

use ochre_resp::{Protocol, ReplyWriter, Span};
use ochre_scripting::{Host, LogLevel, Names, Outcome, Refusal, Replicate, Script, Vm, VmOptions};

/// What Lua may allocate: inputs are small, and so is what they stand for.
const MEMORY_MAX: usize = 64 << 20;

/// A script that is given the parts of an input as its arguments.
pub struct Checker {
    vm: Vm,
    script: Script,
}

impl Checker {
    /// Compiles a script, which returns nothing if all is well, else what is wrong.
    ///
    /// # Panics
    /// If it does not compile.
    pub fn new(source: &str) -> Checker {
        let vm = Vm::new(&VmOptions::default()).expect("there is memory");
        let script = vm.compile(source.as_bytes()).expect("the script of a target compiles");
        Checker { vm, script }
    }

    /// Runs it.
    ///
    /// # Panics
    /// If it says that something is wrong, or fails.
    pub fn check(&self, parts: &[&[u8]]) {
        self.vm.set_memory_limit(MEMORY_MAX);
        let mut bytes = Vec::new();
        let mut reply = ReplyWriter::new(&mut bytes, Protocol::Resp3);
        let names = Names { script: "target", source: None };
        let keys = [].into_iter();
        let outcome = self.vm.run(&self.script, names, keys, parts.iter().copied(), &mut Nobody, &mut reply);
        assert!(matches!(outcome, Outcome::Replied(_)));
        assert!(bytes == b"_\r\n", "{}", String::from_utf8_lossy(&bytes));
    }
}

/// A host that knows no command.
struct Nobody;

impl Host for Nobody {
    fn call(&mut self, _: &mut Option<u16>, _: &[u8], _: &[Span], _: Protocol, _: &mut Vec<u8>) -> Result<(), Refusal> {
        Err(Refusal::Because("ERR no commands".to_owned()))
    }
    fn may_call(&mut self, _: &[u8], _: &[Span]) -> Option<bool> {
        None
    }
    fn log(&mut self, _: LogLevel, _: &[u8]) {}
    fn replicate(&mut self, _: Replicate) {}
    fn interrupt(&mut self) -> bool {
        false
    }
    fn tell(&mut self, _: Vec<Vec<u8>>) {}
    fn ask(&mut self) -> Option<Vec<Vec<u8>>> {
        None
    }
}
