//! Libraries of functions, which all workers share.

use crate::config::Config;
use crate::server::REDIS_VERSION;
use ochre_scripting::{FunctionInfo, LibraryError, LibraryHeader, ScriptFlags, Vm, VmOptions};
use parking_lot::RwLock;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

/// A library.
pub struct Library {
    /// No other library has or had it.
    pub(crate) id: u64,
    /// Its name.
    pub name: Vec<u8>,
    /// Its code, the first line included.
    pub code: Arc<[u8]>,
    /// Its functions, in the order in which it registers them.
    pub functions: Vec<FunctionInfo>,
    /// One of its functions touches keys it does not declare, or changes what is too large to be taken back: they start under
    /// all locks.
    wide: AtomicBool,
}

/// A function of a library.
#[derive(Clone)]
pub struct Function {
    /// The library.
    pub library: Arc<Library>,
    index: usize,
}

impl Function {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        self.info().map_or(b"", |info| &info.name)
    }
    /// What it says it will do.
    pub fn flags(&self) -> ScriptFlags {
        self.info().map(|info| info.flags).unwrap_or_default()
    }
    fn info(&self) -> Option<&FunctionInfo> {
        self.library.functions.get(self.index)
    }
    /// Whether it starts under all locks.
    pub(crate) fn is_wide(&self) -> bool {
        self.library.wide.load(Relaxed)
    }
    /// From now on it starts under all locks.
    pub(crate) fn set_wide(&self) {
        self.library.wide.store(true, Relaxed);
    }
}

/// What becomes of the libraries that are there when others are restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestorePolicy {
    /// They stay; one of the same name is an error.
    #[default]
    Append,
    /// They stay, but for those of the same name.
    Replace,
    /// They go.
    Flush,
}

/// Why libraries were not taken in. The texts are those of Redis.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum LoadError {
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("Library '{0}' already exists")]
    Exists(String),
    #[error("Library {0} already exists")]
    ExistsAlready(String),
    #[error("Function {0} already exists")]
    FunctionExists(String),
}

/// All libraries.
#[derive(Default)]
pub struct Libraries {
    all: RwLock<Set>,
    ids: AtomicU64,
    /// Changes when all of them are forgotten.
    generation: AtomicU64,
}

#[derive(Clone, Default)]
struct Set {
    by_name: BTreeMap<Vec<u8>, Arc<Library>>,
    /// By the names in lower case.
    functions: HashMap<Vec<u8>, Function>,
}

thread_local! {
    /// Where libraries are tried before they are taken in.
    static TRIAL: RefCell<Option<Vm>> = const { RefCell::new(None) };
}

/// What scripts and functions are told of this server.
pub(crate) fn vm_options(config: &Config) -> VmOptions {
    VmOptions {
        redis_version: REDIS_VERSION,
        server_name: "ochre",
        server_version: env!("CARGO_PKG_VERSION"),
        seed: crate::random::seed()[0] as u32,
        doubles: config.compatibility_level.doubles(),
        insecure: config.lua_enable_insecure_api || config.lua_enable_deprecated_api,
    }
}

impl Libraries {
    /// Takes a library in, its first line included; its name.
    ///
    /// # Errors
    /// If there is something wrong with it, or what it brings is there already. Then nothing has changed.
    pub fn load(&self, code: &[u8], replace: bool) -> Result<Vec<u8>, LoadError> {
        let name = LibraryHeader::parse(code)?.name;
        let mut all = self.all.write();
        if all.by_name.contains_key(&name) && !replace {
            return Err(LoadError::Exists(text(&name)));
        }
        let library = self.try_out(name.clone(), code)?;
        let mut next = all.clone();
        next.remove(&name);
        next.add(library)?;
        *all = next;
        Ok(name)
    }

    /// Takes several libraries in: all or none.
    ///
    /// # Errors
    /// As [`load`](Libraries::load).
    pub fn restore<C: AsRef<[u8]>>(
        &self,
        codes: impl IntoIterator<Item = C>,
        policy: RestorePolicy,
    ) -> Result<(), LoadError> {
        let mut restored = Set::default();
        for code in codes {
            let name = LibraryHeader::parse(code.as_ref())?.name;
            if restored.by_name.contains_key(&name) {
                return Err(LoadError::Exists(text(&name)));
            }
            restored.add(self.try_out(name, code.as_ref())?)?;
        }
        let mut all = self.all.write();
        if policy == RestorePolicy::Flush {
            *all = restored;
            return Ok(());
        }
        let mut next = all.clone();
        for name in restored.by_name.keys() {
            if next.remove(name) && policy == RestorePolicy::Append {
                return Err(LoadError::ExistsAlready(text(name)));
            }
        }
        restored.by_name.into_values().try_for_each(|library| next.add(library))?;
        *all = next;
        Ok(())
    }

    /// Runs the code once, to see what it registers.
    fn try_out(&self, name: Vec<u8>, code: &[u8]) -> Result<Arc<Library>, LoadError> {
        let functions = TRIAL.with_borrow_mut(|trial| {
            if trial.is_none() {
                let made = Vm::for_functions(&vm_options(&Config::default()));
                *trial = Some(made.map_err(LibraryError::Compile)?);
            }
            match trial {
                Some(vm) => vm.load_library(code).map(|library| library.functions),
                None => Err(LibraryError::Empty),
            }
        })?;
        let id = self.ids.fetch_add(1, Relaxed);
        Ok(Arc::new(Library { id, name, code: code.into(), functions, wide: AtomicBool::default() }))
    }

    /// Removes a library; whether there was one of that name.
    pub fn delete(&self, name: &[u8]) -> bool {
        self.all.write().remove(name)
    }

    /// Removes all of them.
    pub fn flush(&self) {
        *self.all.write() = Set::default();
        self.generation.fetch_add(1, SeqCst);
    }

    /// Has those of another collection in place of its own.
    pub fn replace_by(&self, other: &Libraries) {
        self.ids.fetch_max(other.ids.load(Relaxed), Relaxed);
        *self.all.write() = std::mem::take(&mut *other.all.write());
        self.generation.fetch_add(1, SeqCst);
    }

    /// The function of that name, in any case.
    pub fn find(&self, name: &[u8]) -> Option<Function> {
        let all = self.all.read();
        match all.functions.get(name) {
            Some(found) => Some(found.clone()),
            None => all.functions.get(&name.to_ascii_lowercase()).cloned(),
        }
    }

    /// All libraries, by their names.
    pub fn all(&self) -> Vec<Arc<Library>> {
        self.all.read().by_name.values().cloned().collect()
    }

    /// The code of all libraries, as snapshots keep it and [`restore`](Libraries::restore) takes it.
    pub fn codes(&self) -> Vec<Arc<[u8]>> {
        self.all.read().by_name.values().map(|library| library.code.clone()).collect()
    }

    /// Number of libraries and of functions.
    pub fn len(&self) -> (usize, usize) {
        let all = self.all.read();
        (all.by_name.len(), all.functions.len())
    }

    /// Bytes they take.
    pub fn bytes(&self) -> usize {
        let all = self.all.read();
        let functions = |library: &Library| library.functions.len() * size_of::<FunctionInfo>();
        all.by_name.values().map(|library| size_of::<Library>() + library.code.len() + functions(library)).sum()
    }

    /// Changes when all are forgotten.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(SeqCst)
    }
    /// Whether a library is still there.
    pub(crate) fn has(&self, library: &Library) -> bool {
        self.all.read().by_name.get(&library.name).is_some_and(|known| known.id == library.id)
    }
}

impl Set {
    fn remove(&mut self, name: &[u8]) -> bool {
        let Some(library) = self.by_name.remove(name) else { return false };
        for function in &library.functions {
            self.functions.remove(&function.name.to_ascii_lowercase());
        }
        true
    }
    fn add(&mut self, library: Arc<Library>) -> Result<(), LoadError> {
        for (index, function) in library.functions.iter().enumerate() {
            let entry = Function { library: library.clone(), index };
            if self.functions.insert(function.name.to_ascii_lowercase(), entry).is_some() {
                return Err(LoadError::FunctionExists(text(&function.name)));
            }
        }
        self.by_name.insert(library.name.clone(), library);
        Ok(())
    }
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(name: &str, function: &str) -> String {
        format!("#!lua name={name}\nredis.register_function('{function}', function() return 1 end)")
    }

    #[test]
    fn libraries_come_and_go_whole() {
        let libraries = Libraries::default();
        assert_eq!(libraries.load(library("a", "f").as_bytes(), false).unwrap(), b"a");
        let error = |code: String, replace| libraries.load(code.as_bytes(), replace).unwrap_err().to_string();
        assert_eq!(error(library("a", "g"), false), "Library 'a' already exists");
        assert_eq!(error(library("b", "F"), false), "Function F already exists");
        assert_eq!(error("#!lua name=a\nreturn 1".to_owned(), true), "No functions registered");
        assert!(libraries.find(b"F").is_some());
        libraries.load(library("a", "g").as_bytes(), true).unwrap();
        assert!(libraries.find(b"f").is_none() && libraries.find(b"g").is_some());
        let restore = |codes: &[String], policy| libraries.restore(codes, policy).map_err(|error| error.to_string());
        let both = [library("a", "h"), library("b", "i")];
        assert_eq!(restore(&both, RestorePolicy::Append), Err("Library a already exists".to_owned()));
        assert_eq!(libraries.len(), (1, 1));
        restore(&both, RestorePolicy::Replace).unwrap();
        assert_eq!(libraries.len(), (2, 2));
        assert_eq!(restore(&[library("c", "i")], RestorePolicy::Append), Err("Function i already exists".to_owned()));
        restore(&[library("c", "i")], RestorePolicy::Flush).unwrap();
        assert_eq!(libraries.codes().len(), 1);
        assert!(libraries.delete(b"c") && !libraries.delete(b"c"));
    }
}
