//! A writer for the local syslog socket, in the format of RFC 3164.
//!
//! It never waits: the socket is non-blocking, and a message that cannot be handed over at once is counted and dropped.

use std::fmt::Write;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::level::LogLevel;
use super::stamp::{local_zone, now_ms, write_syslog_stamp};

/// Where the local syslog daemon listens.
pub const DEV_LOG: &str = "/dev/log";

/// After a failure to connect, how long messages are dropped before the next attempt.
const RETRY_MS: i64 = 1000;

/// A value of the directive `syslog-facility`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facility {
    /// `user`.
    User,
    /// `local0` to `local7`.
    Local(u8),
}

impl Facility {
    /// All values, with the name the directive gives them.
    pub const ALL: [(&'static str, Facility); 9] = [
        ("user", Facility::User),
        ("local0", Facility::Local(0)),
        ("local1", Facility::Local(1)),
        ("local2", Facility::Local(2)),
        ("local3", Facility::Local(3)),
        ("local4", Facility::Local(4)),
        ("local5", Facility::Local(5)),
        ("local6", Facility::Local(6)),
        ("local7", Facility::Local(7)),
    ];

    /// The facility with this name (any case), or `None`.
    pub fn from_name(name: &str) -> Option<Facility> {
        Self::ALL.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, facility)| facility)
    }

    fn code(self) -> u8 {
        match self {
            Self::User => 1,
            Self::Local(number) => 16 + (number & 7),
        }
    }
}

/// How to write to syslog.
#[derive(Clone, Debug)]
pub struct SyslogOptions {
    /// The program name in each message (`syslog-ident`).
    pub ident: String,
    /// `syslog-facility`.
    pub facility: Facility,
    /// The daemon's socket; [`DEV_LOG`] but in tests.
    pub socket: PathBuf,
}

/// An open (or for now unreachable) syslog.
pub(crate) struct Syslog {
    options: SyslogOptions,
    socket: Mutex<Option<UnixDatagram>>,
    /// No attempt to connect before this time.
    retry_at_ms: AtomicI64,
    dropped: AtomicU64,
}

impl Syslog {
    /// Connects at once if the daemon is there; a missing one is no error, it may come later.
    pub(crate) fn open(options: SyslogOptions) -> Syslog {
        let syslog =
            Syslog { options, socket: Mutex::new(None), retry_at_ms: AtomicI64::new(0), dropped: AtomicU64::new(0) };
        *syslog.socket.lock() = syslog.connect(now_ms());
        syslog
    }

    /// Sends one message, or counts it as dropped.
    pub(crate) fn send(&self, level: LogLevel, pid: u32, message: &str) {
        let now = now_ms();
        let mut packet = String::with_capacity(message.len().saturating_add(64));
        let _ = write!(packet, "<{}>", self.priority(level));
        write_syslog_stamp(&mut packet, now, local_zone());
        let _ = write!(packet, " {}[{pid}]: {message}", self.options.ident);
        let mut socket = self.socket.lock();
        // A daemon that was restarted refuses the old connection: one more attempt over a new one.
        for _ in 0..2 {
            if socket.is_none() {
                *socket = self.connect(now);
            }
            let Some(open) = socket.as_ref() else { break };
            match open.send(packet.as_bytes()) {
                Ok(_) => return,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => *socket = None,
            }
        }
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// How many messages could not be delivered.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn connect(&self, now: i64) -> Option<UnixDatagram> {
        if now < self.retry_at_ms.load(Ordering::Relaxed) {
            return None;
        }
        let attempt = || -> io::Result<UnixDatagram> {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            socket.connect(&self.options.socket)?;
            Ok(socket)
        };
        let socket = attempt().ok();
        if socket.is_none() {
            self.retry_at_ms.store(now.saturating_add(RETRY_MS), Ordering::Relaxed);
        }
        socket
    }

    fn priority(&self, level: LogLevel) -> u8 {
        let severity = match level {
            LogLevel::Debug => 7,
            LogLevel::Verbose => 6,
            LogLevel::Notice => 5,
            LogLevel::Warning | LogLevel::Nothing => 4,
        };
        self.options.facility.code() * 8 + severity
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("ochre-syslog-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn options(socket: PathBuf) -> SyslogOptions {
        SyslogOptions { ident: "ochre".into(), facility: Facility::Local(3), socket }
    }

    fn receive(daemon: &UnixDatagram) -> String {
        daemon.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut buffer = [0; 2048];
        let length = daemon.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn a_message_has_priority_time_and_ident() {
        let dir = directory("shape");
        let daemon = UnixDatagram::bind(dir.join("log")).unwrap();
        let syslog = Syslog::open(options(dir.join("log")));
        syslog.send(LogLevel::Notice, 77, "hello there");
        let text = receive(&daemon);
        // local3 is 19, notice is 5: RFC 3164, section 4.1.1.
        assert!(text.starts_with("<157>"), "{text}");
        assert!(text.ends_with(" ochre[77]: hello there"), "{text}");
        assert_eq!(text.len(), "<157>Nov 21 12:05:30 ochre[77]: hello there".len(), "{text}");
        syslog.send(LogLevel::Warning, 77, "w");
        assert!(receive(&daemon).starts_with("<156>"));
        assert_eq!(syslog.dropped(), 0);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_missing_daemon_counts_and_a_restarted_one_is_found_again() {
        let dir = directory("missing");
        let syslog = Syslog::open(options(dir.join("log")));
        syslog.send(LogLevel::Notice, 1, "lost");
        assert_eq!(syslog.dropped(), 1);
        let first = UnixDatagram::bind(dir.join("log")).unwrap();
        syslog.retry_at_ms.store(0, Ordering::Relaxed);
        syslog.send(LogLevel::Notice, 1, "found");
        assert!(receive(&first).ends_with("found"));
        drop(first);
        std::fs::remove_file(dir.join("log")).unwrap();
        let second = UnixDatagram::bind(dir.join("log")).unwrap();
        syslog.send(LogLevel::Notice, 1, "again");
        assert!(receive(&second).ends_with("again"));
        assert_eq!(syslog.dropped(), 1);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_daemon_that_does_not_read_never_blocks_us() {
        let dir = directory("full");
        let _daemon = UnixDatagram::bind(dir.join("log")).unwrap();
        let syslog = Syslog::open(options(dir.join("log")));
        for _ in 0..10_000 {
            syslog.send(LogLevel::Notice, 1, "flood");
        }
        assert!(syslog.dropped() > 0);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn facilities_have_the_numbers_of_the_rfc() {
        assert_eq!(Facility::from_name("USER").unwrap().code(), 1);
        assert_eq!(Facility::from_name("local0").unwrap().code(), 16);
        assert_eq!(Facility::from_name("local7").unwrap().code(), 23);
        assert_eq!(Facility::from_name("local8"), None);
    }
}
