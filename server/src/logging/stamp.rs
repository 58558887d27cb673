//! The time of day at the head of a log line.

use std::fmt::Write;
use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A value of the directive `log-timestamp-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TimestampFormat {
    /// `21 Nov 2026 12:05:30.027`, in local time.
    Legacy,
    /// `2026-11-21T12:05:30.027+00:00`, local time with its offset from UTC.
    Iso8601,
    /// Milliseconds since the Unix epoch.
    Milliseconds,
}

impl TimestampFormat {
    /// All formats, in the order of the directive.
    pub const ALL: [TimestampFormat; 3] = [Self::Legacy, Self::Iso8601, Self::Milliseconds];

    /// The name used by the directive.
    pub fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Iso8601 => "iso8601",
            Self::Milliseconds => "milliseconds",
        }
    }

    pub(crate) fn from_u8(value: u8) -> TimestampFormat {
        Self::ALL.into_iter().find(|format| *format as u8 == value).unwrap_or(Self::Legacy)
    }
}

/// The machine's time zone, read once: like Redis, a change of it shows after a restart.
pub(crate) fn local_zone() -> &'static TimeZone {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    ZONE.get_or_init(TimeZone::system)
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn month_name(month: i8) -> &'static str {
    usize::try_from(month - 1).ok().and_then(|index| MONTHS.get(index)).copied().unwrap_or("???")
}

/// Appends `unix_ms` (milliseconds since the epoch) in the given format.
pub(crate) fn write_stamp(out: &mut String, format: TimestampFormat, unix_ms: i64, zone: &TimeZone) {
    if format == TimestampFormat::Milliseconds {
        let _ = write!(out, "{unix_ms}");
        return;
    }
    let at = Timestamp::from_millisecond(unix_ms).unwrap_or_default();
    let offset = zone.to_offset(at);
    let local = offset.to_datetime(at);
    let (hour, minute, second, ms) = (local.hour(), local.minute(), local.second(), local.millisecond());
    if format == TimestampFormat::Legacy {
        let (day, month, year) = (local.day(), month_name(local.month()), local.year());
        let _ = write!(out, "{day:02} {month} {year} {hour:02}:{minute:02}:{second:02}.{ms:03}");
        return;
    }
    let minutes_east = offset.seconds() / 60;
    let sign = if minutes_east < 0 { '-' } else { '+' };
    let (zone_hours, zone_minutes) = (minutes_east.abs() / 60, minutes_east.abs() % 60);
    let (year, month, day) = (local.year(), local.month(), local.day());
    let _ = write!(
        out,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}{sign}{zone_hours:02}:{zone_minutes:02}"
    );
}

/// Appends the time as RFC 3164 wants it: `Nov  7 12:05:30`, in local time, the day padded with a space.
pub(crate) fn write_syslog_stamp(out: &mut String, unix_ms: i64, zone: &TimeZone) {
    let at = Timestamp::from_millisecond(unix_ms).unwrap_or_default();
    let local = zone.to_datetime(at);
    let (month, day) = (month_name(local.month()), local.day());
    let (hour, minute, second) = (local.hour(), local.minute(), local.second());
    let _ = write!(out, "{month} {day:2} {hour:02}:{minute:02}:{second:02}");
}

/// The current time in milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::Offset;

    fn stamp(format: TimestampFormat, unix_ms: i64, zone: &TimeZone) -> String {
        let mut out = String::new();
        write_stamp(&mut out, format, unix_ms, zone);
        out
    }

    // Recorded from Valkey 9.1 on a machine in UTC.
    #[test]
    fn stamps_look_like_valkeys() {
        let ms = 1_795_262_732_823;
        assert_eq!(stamp(TimestampFormat::Milliseconds, ms, &TimeZone::UTC), "1795262732823");
        assert_eq!(stamp(TimestampFormat::Legacy, ms, &TimeZone::UTC), "21 Nov 2026 12:05:32.823");
        assert_eq!(stamp(TimestampFormat::Iso8601, ms, &TimeZone::UTC), "2026-11-21T12:05:32.823+00:00");
    }

    #[test]
    fn local_time_carries_its_offset() {
        let india = TimeZone::fixed(Offset::from_seconds(19_800).unwrap());
        assert_eq!(stamp(TimestampFormat::Iso8601, 1_795_262_732_823, &india), "2026-11-21T17:35:32.823+05:30");
        let newfoundland = TimeZone::fixed(Offset::from_seconds(-12_600).unwrap());
        assert_eq!(stamp(TimestampFormat::Iso8601, 1_795_262_732_823, &newfoundland), "2026-11-21T08:35:32.823-03:30");
        assert_eq!(stamp(TimestampFormat::Legacy, 1_796_083_200_005, &newfoundland), "30 Nov 2026 20:30:00.005");
    }

    #[test]
    fn syslog_pads_the_day_with_a_space() {
        let mut out = String::new();
        write_syslog_stamp(&mut out, 1_793_793_600_000, &TimeZone::UTC);
        assert_eq!(out, "Nov  4 12:00:00");
    }

    #[test]
    fn times_out_of_range_do_not_panic() {
        assert_eq!(stamp(TimestampFormat::Legacy, i64::MAX, &TimeZone::UTC), "01 Jan 1970 00:00:00.000");
    }
}
