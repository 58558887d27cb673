//! Who ends a wait: exactly one of those who want to.

use std::sync::atomic::{AtomicU8, Ordering::AcqRel, Ordering::Acquire};

const WAITING: u8 = 0;
/// Somebody runs the command again; nobody else may end the wait meanwhile.
const SERVING: u8 = 1;
/// As `SERVING`, and somebody else wanted to do something meanwhile.
const DISTURBED: u8 = 2;
const CLAIMED: u8 = 3;

/// The one word by which serving, timeout, CLIENT UNBLOCK and closing agree on who ends a wait.
///
/// Serving can be in vain (a stream has news, but not for this reader), so it is tried in a state of its own. Whoever
/// comes in between leaves a mark instead of waiting, and the server that gives up then has the waiter look for itself.
#[derive(Debug, Default)]
pub(crate) struct Claim(AtomicU8);

/// What came of wanting a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// It is the caller's.
    Mine,
    /// Somebody tries to serve. If that is in vain, [`Claim::give_up`] tells so.
    Busy,
    /// The wait was ended by another.
    Over,
}

impl Claim {
    /// Begins to serve. `Mine` is followed by [`serve`](Claim::serve) or [`give_up`](Claim::give_up).
    pub(crate) fn try_serve(&self) -> Claimed {
        self.want(SERVING)
    }
    /// Ends the wait without serving.
    pub(crate) fn end(&self) -> Claimed {
        self.want(CLAIMED)
    }
    /// Ends the wait, after `try_serve`. What the waiter is to find must lie there already.
    pub(crate) fn serve(&self) {
        self.0.swap(CLAIMED, AcqRel);
    }
    /// Goes back to waiting, after `try_serve`. True: somebody else came meanwhile and was sent away.
    #[must_use]
    pub(crate) fn give_up(&self) -> bool {
        self.0.swap(WAITING, AcqRel) == DISTURBED
    }
    /// Whether the wait was ended.
    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Acquire) == CLAIMED
    }

    fn want(&self, wanted: u8) -> Claimed {
        let step = |state| match state {
            WAITING => Some(wanted),
            SERVING => Some(DISTURBED),
            _ => None,
        };
        match self.0.fetch_update(AcqRel, Acquire, step) {
            Ok(WAITING) => Claimed::Mine,
            Ok(_) | Err(DISTURBED) => Claimed::Busy,
            Err(_) => Claimed::Over,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    #[test]
    fn who_is_sent_away_is_told_of() {
        let claim = Claim::default();
        assert_eq!(claim.try_serve(), Claimed::Mine);
        assert_eq!(claim.end(), Claimed::Busy);
        assert_eq!(claim.try_serve(), Claimed::Busy);
        assert!(claim.give_up() && !claim.is_over());
        assert_eq!(claim.try_serve(), Claimed::Mine);
        assert!(!claim.give_up());
        assert_eq!(claim.try_serve(), Claimed::Mine);
        claim.serve();
        assert!(claim.is_over());
        assert_eq!((claim.end(), claim.try_serve()), (Claimed::Over, Claimed::Over));
    }

    // Threads serve, in vain or not, and want to end it: one of them does, and nobody who was sent away is forgotten.
    #[test]
    fn exactly_one_ends_a_wait() {
        for round in 0..2_000 {
            let (claim, ended, told) = (Claim::default(), AtomicUsize::new(0), AtomicUsize::new(0));
            let (busy, start) = (AtomicUsize::new(0), Barrier::new(4));
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let (claim, ended, told, busy, start) = (&claim, &ended, &told, &busy, &start);
                    scope.spawn(move || {
                        start.wait();
                        for attempt in 0..3 {
                            let serves = thread < 3;
                            match if serves { claim.try_serve() } else { claim.end() } {
                                Claimed::Mine if serves && (thread + attempt + round) % 4 != 0 => {
                                    told.fetch_add(usize::from(claim.give_up()), Relaxed);
                                }
                                Claimed::Mine => {
                                    if serves {
                                        claim.serve();
                                    }
                                    ended.fetch_add(1, Relaxed);
                                }
                                Claimed::Busy => {
                                    busy.fetch_add(1, Relaxed);
                                }
                                Claimed::Over => {}
                            }
                        }
                    });
                }
            });
            let (ended, busy, told) = (ended.into_inner(), busy.into_inner(), told.into_inner());
            assert_eq!(ended, usize::from(claim.is_over()), "round {round}");
            assert!(claim.is_over() || busy == 0 || told > 0, "round {round}: somebody was forgotten");
        }
    }
}
