//! The Lua state of a worker, and what is compiled in it.

use super::libraries::{Function, Library, vm_options};
use super::sources::{Sha, Source};
use crate::error::{self, CommandError};
use crate::net::Worker;
use crate::server::Server;
use ochre_scripting::{LoadedLibrary, Script, Shebang, Vm, sha1_hex};
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
    compiled: RefCell<HashMap<Sha, Rc<Compiled>, ahash::RandomState>>,
    /// The one of them that was found last.
    last: RefCell<Option<Rc<Compiled>>>,
    /// That of the sources which `compiled` was made from.
    generation: Cell<u64>,
    functions: RefCell<Option<Functions>>,
    /// The last source that came with EVAL, since it mostly comes again.
    memo: RefCell<Option<Memo>>,
}

/// The Lua state of functions, and the libraries that are loaded in it.
struct Functions {
    vm: Rc<Vm>,
    generation: u64,
    loaded: HashMap<u64, (Arc<Library>, LoadedLibrary)>,
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
        let options = vm_options(&worker.config());
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
        let is_wanted = |compiled: &&Rc<Compiled>| compiled.source.sha == *sha && !compiled.source.is_gone();
        if let Some(compiled) = self.last.borrow().as_ref().filter(is_wanted) {
            sources.note_use(&compiled.source);
            return Ok(Some(compiled.clone()));
        }
        let known = self.compiled.borrow().get(sha).filter(is_wanted).cloned();
        if let Some(compiled) = known {
            sources.note_use(&compiled.source);
            *self.last.borrow_mut() = Some(compiled.clone());
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
        let script = self.vm(worker)?.compile(source.code()).map_err(|why| error::script_does_not_compile(&why))?;
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

    /// A function, ready to run, and the Lua state for it. Its library is loaded when it is first needed.
    pub(crate) fn function(&self, worker: &Worker, function: &Function) -> Result<(Rc<Vm>, Script), CommandError> {
        let libraries = &worker.server.functions;
        let mut functions = self.functions.borrow_mut();
        // FUNCTION FLUSH leaves nothing of a Lua state.
        if functions.as_ref().is_some_and(|functions| functions.generation != libraries.generation()) {
            *functions = None;
        }
        let functions = match &mut *functions {
            Some(functions) => functions,
            none => {
                let options = vm_options(&worker.config());
                let generation = libraries.generation();
                let vm = Vm::for_functions(&options).map_err(|why| error::no_lua(&why))?;
                none.insert(Functions { vm: Rc::new(vm), generation, loaded: HashMap::new() })
            }
        };
        let library = &function.library;
        if !functions.loaded.contains_key(&library.id) {
            functions.loaded.retain(|_, (known, _)| libraries.has(known));
            let loaded = functions.vm.load_library(&library.code).map_err(|wrong| error::message(&wrong))?;
            functions.loaded.insert(library.id, (library.clone(), loaded));
        }
        let loaded = functions.loaded.get(&library.id);
        let script = loaded.and_then(|(_, loaded)| loaded.script(function.name())).ok_or(error::NO_FUNCTION)?;
        Ok((functions.vm.clone(), script))
    }

    /// SCRIPT FLUSH leaves nothing of a Lua state.
    fn see_flush(&self, server: &Server) {
        let generation = server.scripts.generation();
        if self.generation.get() != generation {
            self.generation.set(generation);
            self.compiled.borrow_mut().clear();
            *self.last.borrow_mut() = None;
            *self.vm.borrow_mut() = None;
        }
    }
}
