//! The sources of scripts, by their SHA-1.

use ochre_scripting::{Shebang, sha1_hex};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

/// A SHA-1 as forty lower-case hexadecimal digits.
pub type Sha = [u8; 40];

/// The source of one script.
pub struct Source {
    /// Its name.
    pub sha: Sha,
    /// Its name, as text.
    pub name: Box<str>,
    /// What the client sent.
    pub text: Box<[u8]>,
    /// What its first line says.
    pub shebang: Shebang,
    /// It was loaded on purpose and stays until somebody flushes.
    pinned: AtomicBool,
    /// It was evicted: nobody is to use it any more.
    gone: AtomicBool,
    /// It was used at that time, of `Sources::uses`.
    used: AtomicU64,
    /// It touches keys it does not declare, or changes what is too large to be taken back: it starts under all locks.
    wide: AtomicBool,
}

impl Source {
    /// What follows the line about itself.
    pub(crate) fn code(&self) -> &[u8] {
        self.text.get(self.shebang.len..).unwrap_or_default()
    }
    /// Whether it was evicted.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Relaxed)
    }
    /// Whether it starts under all locks.
    pub(crate) fn is_wide(&self) -> bool {
        self.wide.load(Relaxed)
    }
    /// From now on it starts under all locks.
    pub(crate) fn set_wide(&self) {
        self.wide.store(true, Relaxed);
    }
}

/// Scripts that EVAL brought, beyond which the one that was not used for longest is forgotten.
const EVALUATED_MAX: usize = 500;

/// All sources.
#[derive(Default)]
pub struct Sources {
    by_sha: RwLock<HashMap<Sha, Arc<Source>>>,
    /// Changes when all of them are forgotten.
    generation: AtomicU64,
    uses: AtomicU64,
    evicted: AtomicU64,
}

impl Sources {
    /// Number of scripts.
    pub fn len(&self) -> usize {
        self.by_sha.read().len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Bytes they take.
    pub fn bytes(&self) -> usize {
        let table = self.by_sha.read();
        let entry = size_of::<Source>() + 2 * size_of::<Sha>() + size_of::<Arc<Source>>();
        table.values().map(|source| source.text.len()).sum::<usize>() + table.capacity() * entry
    }
    /// How many were evicted since the process began.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Relaxed)
    }
    /// The script of that name, in lower case.
    pub fn get(&self, sha: &Sha) -> Option<Arc<Source>> {
        self.by_sha.read().get(sha).cloned()
    }
    /// Adds a script, which EVAL brought or which is to stay (`pinned`).
    pub fn add(&self, text: &[u8], shebang: Shebang, pinned: bool) -> Arc<Source> {
        let sha = sha1_hex(text);
        let mut table = self.by_sha.write();
        if let Some(known) = table.get(&sha) {
            known.pinned.fetch_or(pinned, Relaxed);
            return known.clone();
        }
        if !pinned {
            self.make_room(&mut table);
        }
        let source = Arc::new(Source {
            sha,
            name: String::from_utf8_lossy(&sha).into(),
            text: text.into(),
            shebang,
            pinned: AtomicBool::new(pinned),
            gone: AtomicBool::default(),
            used: AtomicU64::new(self.uses.fetch_add(1, Relaxed)),
            wide: AtomicBool::default(),
        });
        table.insert(sha, source.clone());
        source
    }
    fn make_room(&self, table: &mut HashMap<Sha, Arc<Source>>) {
        let evictable = || table.values().filter(|source| !source.pinned.load(Relaxed));
        if evictable().count() < EVALUATED_MAX {
            return;
        }
        let oldest = evictable().min_by_key(|source| source.used.load(Relaxed)).cloned();
        if let Some(oldest) = oldest {
            oldest.gone.store(true, Relaxed);
            table.remove(&oldest.sha);
            self.evicted.fetch_add(1, Relaxed);
        }
    }
    /// Notes that a script is used. While no script comes or goes this writes nothing that is shared.
    pub(crate) fn note_use(&self, source: &Source) {
        let uses = self.uses.load(Relaxed);
        if source.used.load(Relaxed) != uses {
            source.used.store(uses, Relaxed);
        }
    }
    /// Forgets all of them; those who compiled them too. What they were is returned, to be freed where time does not matter.
    pub fn flush(&self) -> impl Send + use<> {
        let mut table = self.by_sha.write();
        self.generation.fetch_add(1, SeqCst);
        std::mem::take(&mut *table)
    }
    /// Changes when all are forgotten.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_is_forgotten() {
        let sources = Sources::default();
        let pinned = sources.add(b"return 'pinned'", Shebang::default(), true);
        let kept = sources.add(b"return 'kept'", Shebang::default(), false);
        let first = sources.add(b"return 0", Shebang::default(), false);
        for number in 1..EVALUATED_MAX {
            sources.note_use(&kept);
            sources.add(format!("return {number}").as_bytes(), Shebang::default(), false);
        }
        assert_eq!((sources.len(), sources.evicted()), (EVALUATED_MAX + 1, 1));
        assert!(first.is_gone() && !kept.is_gone() && !pinned.is_gone());
        drop(sources.flush());
        assert_eq!((sources.len(), sources.generation()), (0, 1));
    }
}
