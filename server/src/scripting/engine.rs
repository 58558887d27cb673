//! The Lua state of a worker, and what is compiled in it.

use super::sources::{Sha, Source};
use crate::error::{self, CommandError};
use crate::net::Worker;
use crate::server::{REDIS_VERSION, Server};
use ochre_scripting::{Script, Shebang, Vm, VmOptions, sha1_hex};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// A script, ready to run.
pub(crate) struct Compiled {
    pub(crate) source: Arc<Source>,
    pub(crate) script: Script,
}

/// What one worker has for scripts. The Lua state is made when the first script comes.
#[derive(Default)]
pub(crate) struct Engine {
    vm: RefCell<Option<Rc<Vm>>>,
    compiled: RefCell<HashMap<Sha, Rc<Compiled>>>,
    /// That of the sources which `compiled` was made from.
    generation: Cell<u64>,
    /// The last source that came with EVAL, since it mostly comes again.
    memo: RefCell<Option<Memo>>,
}

/// A source and its name.
struct Memo {
    text: Vec<u8>,
    sha: Sha,
}

/// Longer sources are hashed each time.
const MEMO_LEN_MAX: usize = 64 * 1024;
/// So many compiled scripts may lie here that nobody knows any more.
const STALE_MAX: usize = 500;

impl Engine {
    /// The Lua state.
    pub(crate) fn vm(&self, worker: &Worker) -> Result<Rc<Vm>, CommandError> {
        self.see_flush(&worker.server);
        let mut vm = self.vm.borrow_mut();
        if let Some(vm) = &*vm {
            return Ok(vm.clone());
        }
        let options = VmOptions {
            redis_version: REDIS_VERSION,
            server_name: "ochre",
            server_version: env!("CARGO_PKG_VERSION"),
            seed: crate::random::seed()[0] as u32,
            doubles: worker.config().compatibility_level.doubles(),
        };
        let made = Vm::new(&options).map_err(|why| error::no_lua(&why))?;
        Ok(vm.insert(Rc::new(made)).clone())
    }

    /// The name of a source.
    pub(crate) fn sha(&self, text: &[u8]) -> Sha {
        let mut memo = self.memo.borrow_mut();
        if let Some(memo) = &*memo
            && memo.text == text
        {
            return memo.sha;
        }
        let sha = sha1_hex(text);
        if text.len() <= MEMO_LEN_MAX {
            *memo = Some(Memo { text: text.to_vec(), sha });
        }
        sha
    }

    /// The script of that name, if it is known.
    pub(crate) fn find(&self, worker: &Worker, sha: &Sha) -> Result<Option<Rc<Compiled>>, CommandError> {
        let sources = &worker.server.scripts;
        self.see_flush(&worker.server);
        let known = self.compiled.borrow().get(sha).filter(|compiled| !compiled.source.is_gone()).cloned();
        if let Some(compiled) = known {
            sources.note_use(&compiled.source);
            return Ok(Some(compiled));
        }
        match sources.get(sha) {
            Some(source) => self.compile(worker, source).map(Some),
            None => Ok(None),
        }
    }

    /// Takes a source in; as SCRIPT LOAD where it is to stay.
    pub(crate) fn load(&self, worker: &Worker, text: &[u8], stays: bool) -> Result<Rc<Compiled>, CommandError> {
        let shebang = Shebang::parse(text).map_err(|wrong| error::bad_shebang(&wrong))?;
        let vm = self.vm(worker)?;
        // Nothing is kept that does not compile.
        let code = text.get(shebang.len..).unwrap_or_default();
        let script = vm.compile(code).map_err(|why| error::script_does_not_compile(&why))?;
        let source = worker.server.scripts.add(text, shebang, stays);
        Ok(self.keep(worker, source, script))
    }

    fn compile(&self, worker: &Worker, source: Arc<Source>) -> Result<Rc<Compiled>, CommandError> {
        let code = source.text.get(source.shebang.len..).unwrap_or_default();
        let script = self.vm(worker)?.compile(code).map_err(|why| error::script_does_not_compile(&why))?;
        worker.server.scripts.note_use(&source);
        Ok(self.keep(worker, source, script))
    }

    fn keep(&self, worker: &Worker, source: Arc<Source>, script: Script) -> Rc<Compiled> {
        let mut all = self.compiled.borrow_mut();
        if all.len() >= worker.server.scripts.len() + STALE_MAX {
            all.retain(|_, compiled| !compiled.source.is_gone());
        }
        let compiled = Rc::new(Compiled { source, script });
        all.insert(compiled.source.sha, compiled.clone());
        compiled
    }

    /// SCRIPT FLUSH leaves nothing of a Lua state.
    fn see_flush(&self, server: &Server) {
        let generation = server.scripts.generation();
        if self.generation.get() != generation {
            self.generation.set(generation);
            self.compiled.borrow_mut().clear();
            *self.vm.borrow_mut() = None;
        }
    }
}
