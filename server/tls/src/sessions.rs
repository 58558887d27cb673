//! Sessions that clients may resume.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::server::StoresServerSessions;

/// Sessions by their id: a limited number of them, each for a limited time.
pub(crate) struct SessionCache {
    /// Most sessions; 0 is as many as the time allows.
    count_max: usize,
    lifetime: Duration,
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    by_id: HashMap<Vec<u8>, (Instant, Vec<u8>)>,
    /// Ids by age, the oldest first; some may be gone, or have been stored again.
    by_age: VecDeque<(Instant, Vec<u8>)>,
}

impl SessionCache {
    pub(crate) fn new(count_max: usize, lifetime: Duration) -> SessionCache {
        SessionCache { count_max, lifetime, sessions: Mutex::default() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Sessions) -> T) -> T {
        act(&mut self.sessions.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_fresh(&self, since: Instant) -> bool {
        since.elapsed() <= self.lifetime
    }
}

impl Sessions {
    /// Drops sessions from the old end as long as `unwanted` says so, given their number and the age of the oldest.
    fn drop_old(&mut self, unwanted: impl Fn(usize, Instant) -> bool) {
        while let Some((since, id)) = self.by_age.front() {
            let is_current = self.by_id.get(id).is_some_and(|(stored, _)| stored == since);
            if is_current && !unwanted(self.by_id.len(), *since) {
                return;
            }
            if is_current {
                self.by_id.remove(id);
            }
            self.by_age.pop_front();
        }
    }
}

impl StoresServerSessions for SessionCache {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        let now = Instant::now();
        self.with(|sessions| {
            sessions.by_age.push_back((now, id.clone()));
            sessions.by_id.insert(id, (now, session));
            let is_over = |count| self.count_max > 0 && count > self.count_max;
            sessions.drop_old(|count, since| is_over(count) || !self.is_fresh(since));
        });
        true
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        let found = self.with(|sessions| sessions.by_id.get(id).cloned());
        found.filter(|(since, _)| self.is_fresh(*since)).map(|(_, session)| session)
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        let found = self.with(|sessions| sessions.by_id.remove(id));
        found.filter(|(since, _)| self.is_fresh(*since)).map(|(_, session)| session)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

impl fmt::Debug for SessionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Sessions are secrets.
        f.debug_struct("SessionCache").field("count_max", &self.count_max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first() {
        let cache = SessionCache::new(2, Duration::from_secs(60));
        for id in 1..=3 {
            assert!(cache.put(vec![id], vec![id, id]));
        }
        assert_eq!(cache.get(&[1]), None);
        assert_eq!(cache.get(&[3]), Some(vec![3, 3]));
        assert_eq!(cache.take(&[2]), Some(vec![2, 2]));
        assert_eq!(cache.take(&[2]), None);
        for id in 4..=100 {
            cache.put(vec![id], Vec::new());
        }
        assert!(cache.with(|sessions| sessions.by_age.len()) <= 3);
    }

    #[test]
    fn they_expire() {
        let cache = SessionCache::new(0, Duration::ZERO);
        cache.put(vec![1], vec![1]);
        while cache.with(|sessions| sessions.by_age.front().is_some_and(|(since, _)| since.elapsed().is_zero())) {}
        assert_eq!(cache.get(&[1]), None);
        cache.put(vec![2], vec![2]);
        assert!(cache.with(|sessions| !sessions.by_id.contains_key([1].as_slice())));
    }
}
