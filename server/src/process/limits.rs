//! What the kernel grants: open files, the out-of-memory killer's opinion, huge pages.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors the server needs besides its clients: listeners, logs, files, links.
pub const RESERVED_FDS: u64 = 32;

/// What came of the wish for open files.
#[derive(Debug, PartialEq, Eq)]
pub struct OpenFiles {
    /// The clients that fit; lower than the wish where the kernel did not grant enough.
    pub maxclients: u32,
    /// Whether `lines` are warnings (else notices).
    pub lowered: bool,
    /// What to log.
    pub lines: Vec<String>,
}

/// Raises the limit of open files to what `maxclients` needs.
///
/// # Errors
/// With the line to log before exiting, when not even one client would fit.
pub fn raise_open_files(maxclients: u32) -> Result<OpenFiles, String> {
    raise_with(maxclients, getrlimit(Resource::RLIMIT_NOFILE), |soft, hard| {
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard)
    })
}

fn raise_with(
    maxclients: u32,
    current: Result<(u64, u64), Errno>,
    mut set: impl FnMut(u64, u64) -> Result<(), Errno>,
) -> Result<OpenFiles, String> {
    let wanted = u64::from(maxclients).saturating_add(RESERVED_FDS);
    let (soft, hard) = match current {
        Ok(limits) => limits,
        Err(error) => {
            let line = format!(
                "Unable to obtain the current NOFILE limit ({}), assuming 1024 and setting the max clients \
                 configuration accordingly.",
                error.desc()
            );
            let fitting = u32::try_from(1024 - RESERVED_FDS).unwrap_or(maxclients);
            return Ok(OpenFiles { maxclients: fitting, lowered: true, lines: vec![line] });
        }
    };
    if soft >= wanted {
        return Ok(OpenFiles { maxclients, lowered: false, lines: Vec::new() });
    }
    // Raising the hard limit takes privileges; within it, it stays as it is.
    let mut raise = |limit: u64| set(limit, limit.max(hard));
    let (mut best, mut refusal) = (soft, None);
    if let Err(error) = raise(wanted) {
        refusal = Some(error);
        // Between what is granted and what is refused.
        let mut refused = wanted;
        while refused - best > 1 {
            let middle = best + (refused - best) / 2;
            match raise(middle) {
                Ok(()) => best = middle,
                Err(_) => refused = middle,
            }
        }
    } else {
        best = wanted;
    }
    if best >= wanted {
        let line = format!("Increased maximum number of open files to {wanted} (it was originally set to {soft}).");
        return Ok(OpenFiles { maxclients, lowered: false, lines: vec![line] });
    }
    if best <= RESERVED_FDS {
        return Err(format!(
            "Your current 'ulimit -n' of {soft} is not enough for the server to start. Please increase your open file \
             limit to at least {wanted}. Exiting."
        ));
    }
    let reason = refusal.map_or("unknown", |error| error.desc());
    let fitting = u32::try_from(best - RESERVED_FDS).unwrap_or(maxclients);
    let lines = vec![
        format!("You requested maxclients of {maxclients} requiring at least {wanted} max file descriptors."),
        format!("Server can't set maximum open files to {wanted} because of OS error: {reason}."),
        format!(
            "Current maximum open files is {best}. maxclients has been reduced to {fitting} to compensate for low \
             ulimit. If you need higher maxclients increase 'ulimit -n'."
        ),
    ];
    Ok(OpenFiles { maxclients: fitting, lowered: true, lines })
}

/// A value of the directive `oom-score-adj`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OomScoreAdj {
    /// Leave it, and take back what was set before.
    No,
    /// Add the configured value to what the process started with (`yes` means this too).
    Relative,
    /// Write the configured value.
    Absolute,
}

/// Sets `/proc/self/oom_score_adj` and remembers what was there, so that the directive can be taken back.
#[derive(Debug, Default)]
pub struct OomScore {
    /// The value before the first change, while a change is in force.
    base: Option<i32>,
}

/// When the system gives out huge pages; the mode in force stands in brackets.
const HUGE_PAGES_PATH: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
const OOM_SCORE_PATH: &str = "/proc/self/oom_score_adj";

impl OomScore {
    /// Applies the directive with `value`, the one of `oom-score-adj-values` for the process's role.
    ///
    /// # Errors
    /// When the file cannot be read or written: a value below the one at start takes privileges.
    pub fn apply(&mut self, mode: OomScoreAdj, value: i32) -> io::Result<()> {
        let target = match (mode, self.base) {
            (OomScoreAdj::No, None) => return Ok(()),
            (OomScoreAdj::No, Some(base)) => base,
            (_, Some(base)) => adjusted(mode, value, base),
            (_, None) => {
                let base = read_oom_score()?;
                self.base = Some(base);
                adjusted(mode, value, base)
            }
        };
        fs::write(OOM_SCORE_PATH, format!("{target}\n"))?;
        if mode == OomScoreAdj::No {
            self.base = None;
        }
        Ok(())
    }

    /// What another process is to have, for which the directive with `value` holds; nothing while none is in force.
    pub fn value_for(&self, mode: OomScoreAdj, value: i32) -> Option<i32> {
        self.base.map(|base| adjusted(mode, value, base))
    }
}

fn adjusted(mode: OomScoreAdj, value: i32, base: i32) -> i32 {
    let target = if mode == OomScoreAdj::Relative { value.saturating_add(base) } else { value };
    target.clamp(-1000, 1000)
}

fn read_oom_score() -> io::Result<i32> {
    let text = fs::read_to_string(OOM_SCORE_PATH)?;
    text.trim().parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// `disable-thp`: keeps the system from giving this process huge pages that it has not asked for. Nothing is done where it
/// would not do so anyway.
///
/// # Errors
/// What prctl(2) answers.
pub fn disable_huge_pages() -> io::Result<()> {
    // Where there is no such file there are no such pages.
    if fs::read_to_string(HUGE_PAGES_PATH).is_ok_and(|modes| modes.contains("[always]")) {
        prctl::set_thp_disable(true)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(granted_max: u64) -> impl FnMut(u64, u64) -> Result<(), Errno> {
        move |soft, _| if soft <= granted_max { Ok(()) } else { Err(Errno::EPERM) }
    }

    #[test]
    fn enough_files_need_no_change() {
        let untouched = |_, _| panic!("not needed");
        let outcome = raise_with(10_000, Ok((10_032, 10_032)), untouched).unwrap();
        assert_eq!(outcome, OpenFiles { maxclients: 10_000, lowered: false, lines: vec![] });
    }

    // The texts are those of redis-server 7.0.15.
    #[test]
    fn a_raised_limit_is_noted() {
        let outcome = raise_with(10_000, Ok((1024, 4096)), limit(u64::MAX)).unwrap();
        let line = "Increased maximum number of open files to 10032 (it was originally set to 1024).";
        assert_eq!(outcome, OpenFiles { maxclients: 10_000, lowered: false, lines: vec![line.into()] });
    }

    #[test]
    fn a_refused_limit_lowers_maxclients() {
        let outcome = raise_with(10_000, Ok((1024, 4096)), limit(4096)).unwrap();
        assert_eq!((outcome.maxclients, outcome.lowered), (4096 - 32, true));
        assert_eq!(
            outcome.lines,
            [
                "You requested maxclients of 10000 requiring at least 10032 max file descriptors.",
                "Server can't set maximum open files to 10032 because of OS error: Operation not permitted.",
                "Current maximum open files is 4096. maxclients has been reduced to 4064 to compensate for low ulimit. \
                 If you need higher maxclients increase 'ulimit -n'."
            ]
        );
        assert_eq!(raise_with(10_000, Ok((1024, 1024)), limit(0)).unwrap().maxclients, 1024 - 32);
    }

    #[test]
    fn too_few_files_end_the_start() {
        let line = raise_with(100, Ok((32, 32)), limit(0)).unwrap_err();
        assert!(line.starts_with("Your current 'ulimit -n' of 32 is not enough") && line.contains("at least 132."));
    }

    #[test]
    fn an_unknown_limit_counts_as_1024() {
        let outcome = raise_with(10_000, Err(Errno::EPERM), limit(0)).unwrap();
        assert_eq!((outcome.maxclients, outcome.lowered), (992, true));
    }

    #[test]
    fn the_hard_limit_is_kept_where_it_suffices() {
        let mut asked = Vec::new();
        raise_with(100, Ok((50, 4096)), |soft, hard| {
            asked.push((soft, hard));
            Ok(())
        })
        .unwrap();
        assert_eq!(asked, [(132, 4096)]);
    }

    #[test]
    fn oom_scores_are_bounded() {
        assert_eq!(adjusted(OomScoreAdj::Relative, 800, 300), 1000);
        assert_eq!(adjusted(OomScoreAdj::Relative, -5, 3), -2);
        assert_eq!(adjusted(OomScoreAdj::Absolute, -2000, 7), -1000);
    }

    #[test]
    fn the_oom_score_is_set_and_taken_back() {
        let before = read_oom_score().unwrap();
        let mut score = OomScore::default();
        score.apply(OomScoreAdj::No, 500).unwrap();
        assert_eq!(read_oom_score().unwrap(), before);
        assert_eq!(score.value_for(OomScoreAdj::Relative, 9), None);
        score.apply(OomScoreAdj::Relative, 7).unwrap();
        assert_eq!(score.value_for(OomScoreAdj::Relative, 9), Some(adjusted(OomScoreAdj::Relative, 9, before)));
        assert_eq!(read_oom_score().unwrap(), adjusted(OomScoreAdj::Relative, 7, before));
        score.apply(OomScoreAdj::Absolute, 1000).unwrap();
        assert_eq!(read_oom_score().unwrap(), 1000);
        // Going back down takes privileges that a test need not have.
        if score.apply(OomScoreAdj::No, 0).is_ok() {
            assert_eq!(read_oom_score().unwrap(), before);
        }
    }

    #[test]
    fn huge_pages_are_disabled_where_the_system_gives_them_unasked() {
        disable_huge_pages().unwrap();
        let unasked = fs::read_to_string(HUGE_PAGES_PATH).is_ok_and(|modes| modes.contains("[always]"));
        assert_eq!(prctl::get_thp_disable().unwrap(), unasked);
    }
}
