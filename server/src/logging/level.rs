//! The five values of the directive `loglevel` and how they meet the levels of `tracing`.

use tracing::Level;
use tracing::level_filters::LevelFilter;

/// A value of the directive `loglevel`, from the most to the least talkative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// Much that is rarely useful.
    Verbose,
    /// What an operator wants to see in production.
    Notice,
    /// Only what is important or critical.
    Warning,
    /// Nothing at all.
    Nothing,
}

impl LogLevel {
    /// All levels, in the order of the directive.
    pub const ALL: [LogLevel; 5] = [Self::Debug, Self::Verbose, Self::Notice, Self::Warning, Self::Nothing];

    /// The level an event of `tracing` is printed at.
    pub fn of_event(level: Level) -> LogLevel {
        match level {
            Level::ERROR | Level::WARN => Self::Warning,
            Level::INFO => Self::Notice,
            Level::DEBUG => Self::Verbose,
            Level::TRACE => Self::Debug,
        }
    }

    /// The name used by the directive.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Verbose => "verbose",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Nothing => "nothing",
        }
    }

    /// The level with this name (any case), or `None`.
    pub fn from_name(name: &str) -> Option<LogLevel> {
        Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name))
    }

    /// The character before the message in the legacy format.
    pub(crate) fn mark(self) -> char {
        match self {
            Self::Debug => '.',
            Self::Verbose => '-',
            Self::Notice => '*',
            Self::Warning | Self::Nothing => '#',
        }
    }

    /// The name in the formats `logfmt` and `json`, where Valkey calls verbose `info`.
    pub(crate) fn structured_name(self) -> &'static str {
        match self {
            Self::Verbose => "info",
            other => other.name(),
        }
    }

    /// Which events of `tracing` pass at this level.
    pub(crate) fn filter(self) -> LevelFilter {
        match self {
            Self::Debug => LevelFilter::TRACE,
            Self::Verbose => LevelFilter::DEBUG,
            Self::Notice => LevelFilter::INFO,
            Self::Warning => LevelFilter::WARN,
            Self::Nothing => LevelFilter::OFF,
        }
    }

    pub(crate) fn from_u8(value: u8) -> LogLevel {
        Self::ALL.into_iter().find(|level| *level as u8 == value).unwrap_or(Self::Notice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for level in LogLevel::ALL {
            assert_eq!(LogLevel::from_name(&level.name().to_uppercase()), Some(level));
            assert_eq!(LogLevel::from_u8(level as u8), level);
        }
        assert_eq!(LogLevel::from_name("loud"), None);
    }

    #[test]
    fn filters_pass_their_own_events() {
        for event in [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE] {
            for limit in LogLevel::ALL {
                assert_eq!(limit.filter() >= event, LogLevel::of_event(event) >= limit, "{event} at {limit:?}");
            }
        }
    }
}
