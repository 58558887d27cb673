//! The shapes of a log line: Redis's own, and Valkey's `log-format logfmt` and `json`.

use std::fmt::{self, Write};

use jiff::tz::TimeZone;
use tracing::field::{Field, Visit};

use super::level::LogLevel;
use super::stamp::{TimestampFormat, write_stamp};

/// A value of the directive `log-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LogFormat {
    /// `pid:role date level message key=value`, as Redis prints it.
    Legacy,
    /// `pid=1 role=primary timestamp="…" level=notice message="…" key=value`.
    Logfmt,
    /// One JSON object a line with the same members.
    Json,
}

impl LogFormat {
    /// All formats, in the order of the directive.
    pub const ALL: [LogFormat; 3] = [Self::Legacy, Self::Logfmt, Self::Json];

    /// The name used by the directive.
    pub fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Logfmt => "logfmt",
            Self::Json => "json",
        }
    }

    pub(crate) fn from_u8(value: u8) -> LogFormat {
        Self::ALL.into_iter().find(|format| *format as u8 == value).unwrap_or(Self::Legacy)
    }
}

/// What the process is, as each line shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// A primary: `M`.
    Primary,
    /// A replica: `S`.
    Replica,
    /// A helper process: `C`.
    Child,
    /// A Sentinel: `X`.
    Sentinel,
}

impl Role {
    const ALL: [Role; 4] = [Self::Primary, Self::Replica, Self::Child, Self::Sentinel];

    fn mark(self) -> char {
        match self {
            Self::Primary => 'M',
            Self::Replica => 'S',
            Self::Child => 'C',
            Self::Sentinel => 'X',
        }
    }

    fn structured_name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
            Self::Child => "RDB/AOF",
            Self::Sentinel => "sentinel",
        }
    }

    pub(crate) fn from_u8(value: u8) -> Role {
        Self::ALL.into_iter().find(|role| *role as u8 == value).unwrap_or(Self::Primary)
    }
}

/// Everything of a line but its message and fields.
pub(crate) struct Head<'a> {
    pub(crate) pid: u32,
    pub(crate) role: Role,
    pub(crate) level: LogLevel,
    pub(crate) unix_ms: i64,
    pub(crate) timestamps: TimestampFormat,
    pub(crate) zone: &'a TimeZone,
}

/// Appends a whole line with its line end to `out`. `fields` is what [`EventText`] collected for the same `format`.
pub(crate) fn write_line(out: &mut String, format: LogFormat, head: &Head<'_>, message: &str, fields: &str) {
    match format {
        LogFormat::Legacy => {
            let _ = write!(out, "{}:{} ", head.pid, head.role.mark());
            write_stamp(out, head.timestamps, head.unix_ms, head.zone);
            let _ = write!(out, " {} {message}{fields}", head.level.mark());
        }
        LogFormat::Logfmt => {
            let _ = write!(out, "pid={} role={} timestamp=\"", head.pid, head.role.structured_name());
            write_stamp(out, head.timestamps, head.unix_ms, head.zone);
            let _ = write!(out, "\" level={} message=\"", head.level.structured_name());
            write_logfmt_text(out, message);
            let _ = write!(out, "\"{fields}");
        }
        LogFormat::Json => {
            let role = head.role.structured_name();
            let _ = write!(out, "{{\"pid\":{},\"role\":\"{role}\",\"timestamp\":\"", head.pid);
            write_stamp(out, head.timestamps, head.unix_ms, head.zone);
            let _ = write!(out, "\",\"level\":\"{}\",\"message\":\"", head.level.structured_name());
            write_json_text(out, message);
            let _ = write!(out, "\"{fields}}}");
        }
    }
    out.push('\n');
}

/// Collects the message of an event and renders its other fields in the given format.
pub(crate) struct EventText<'a> {
    pub(crate) format: LogFormat,
    pub(crate) message: &'a mut String,
    pub(crate) fields: &'a mut String,
}

impl EventText<'_> {
    fn text(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
            return;
        }
        self.key(field.name());
        match self.format {
            LogFormat::Legacy if is_bare(value) => self.fields.push_str(value),
            LogFormat::Legacy => {
                let _ = write!(self.fields, "{value:?}");
            }
            LogFormat::Logfmt => {
                self.fields.push('"');
                write_logfmt_text(self.fields, value);
                self.fields.push('"');
            }
            LogFormat::Json => {
                self.fields.push('"');
                write_json_text(self.fields, value);
                self.fields.push('"');
            }
        }
    }

    /// A value that needs no quotes in any format.
    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value}");
            return;
        }
        self.key(field.name());
        let _ = write!(self.fields, "{value}");
    }

    fn key(&mut self, name: &str) {
        let _ = match self.format {
            LogFormat::Legacy | LogFormat::Logfmt => write!(self.fields, " {name}="),
            LogFormat::Json => write!(self.fields, ",\"{name}\":"),
        };
    }
}

impl Visit for EventText<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.text(field, &format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.text(field, &value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.plain(field, value);
        } else {
            self.text(field, &value.to_string());
        }
    }
}

/// Whether a value can stand in a legacy line without quotes: nothing in it forges another field or line.
fn is_bare(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '"')
}

/// Valkey keeps a logfmt value on one line and free of quotes by substitution, not by escapes.
fn write_logfmt_text(out: &mut String, text: &str) {
    out.extend(text.chars().map(|c| match c {
        '"' => '\'',
        '\n' | '\r' => ' ',
        other => other,
    }));
}

/// Appends `text` with the escapes of RFC 8259, without the quotes around it.
fn write_json_text(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: LogFormat, role: Role, level: LogLevel, timestamps: TimestampFormat, message: &str) -> String {
        let head = Head { pid: 8654, role, level, unix_ms: 1_795_262_734_579, timestamps, zone: &TimeZone::UTC };
        let mut out = String::new();
        write_line(&mut out, format, &head, message, "");
        out
    }

    // The expected lines of these tests were printed by redis-server 7.0.15 and Valkey 9.1; only pid and time are ours.

    #[test]
    fn legacy_lines_are_redis_lines() {
        use LogFormat::Legacy;
        use TimestampFormat::{Iso8601, Legacy as Date, Milliseconds};
        assert_eq!(
            line(Legacy, Role::Primary, LogLevel::Warning, Date, "Server initialized"),
            "8654:M 21 Nov 2026 12:05:34.579 # Server initialized\n"
        );
        assert_eq!(
            line(Legacy, Role::Primary, LogLevel::Debug, Date, "The AOF directory appendonlydir doesn't exist"),
            "8654:M 21 Nov 2026 12:05:34.579 . The AOF directory appendonlydir doesn't exist\n"
        );
        assert_eq!(
            line(Legacy, Role::Primary, LogLevel::Notice, Iso8601, "Removing the unix socket file."),
            "8654:M 2026-11-21T12:05:34.579+00:00 * Removing the unix socket file.\n"
        );
        assert_eq!(
            line(Legacy, Role::Replica, LogLevel::Notice, Milliseconds, "Connecting to PRIMARY 127.0.0.1:1"),
            "8654:S 1795262734579 * Connecting to PRIMARY 127.0.0.1:1\n"
        );
        assert_eq!(
            line(Legacy, Role::Primary, LogLevel::Verbose, Milliseconds, "say \"hi\" back\\slash"),
            "8654:M 1795262734579 - say \"hi\" back\\slash\n"
        );
    }

    #[test]
    fn logfmt_lines_are_valkeys() {
        use LogFormat::Logfmt;
        use TimestampFormat::{Legacy as Date, Milliseconds};
        assert_eq!(
            line(Logfmt, Role::Primary, LogLevel::Notice, Date, "Removing the unix socket file."),
            "pid=8654 role=primary timestamp=\"21 Nov 2026 12:05:34.579\" level=notice \
             message=\"Removing the unix socket file.\"\n"
        );
        assert_eq!(
            line(Logfmt, Role::Primary, LogLevel::Warning, Milliseconds, "DEBUG LOG: say \"hi\" back\\slash"),
            "pid=8654 role=primary timestamp=\"1795262734579\" level=warning message=\"DEBUG LOG: say 'hi' back\\slash\"\n"
        );
        assert_eq!(
            line(Logfmt, Role::Replica, LogLevel::Verbose, Milliseconds, "DEBUG LOG: a\nb\rc\td"),
            "pid=8654 role=replica timestamp=\"1795262734579\" level=info message=\"DEBUG LOG: a b c\td\"\n"
        );
    }

    #[test]
    fn json_lines_are_valkeys() {
        use LogFormat::Json;
        use TimestampFormat::Milliseconds;
        assert_eq!(
            line(Json, Role::Sentinel, LogLevel::Warning, Milliseconds, "DEBUG LOG: say \"hi\" back\\slash"),
            "{\"pid\":8654,\"role\":\"sentinel\",\"timestamp\":\"1795262734579\",\"level\":\"warning\",\
             \"message\":\"DEBUG LOG: say \\\"hi\\\" back\\\\slash\"}\n"
        );
        assert_eq!(
            line(Json, Role::Primary, LogLevel::Warning, Milliseconds, "DEBUG LOG: a\nb\rc\td \u{8}\u{c}/"),
            "{\"pid\":8654,\"role\":\"primary\",\"timestamp\":\"1795262734579\",\"level\":\"warning\",\
             \"message\":\"DEBUG LOG: a\\nb\\rc\\td \\b\\f/\"}\n"
        );
    }

    #[test]
    fn json_escapes_every_control_character() {
        let mut out = String::new();
        write_json_text(&mut out, "\u{1}\u{1f}é");
        assert_eq!(out, "\\u0001\\u001fé");
    }
}
