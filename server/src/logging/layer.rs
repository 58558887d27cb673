//! The `tracing` layer and the handle that changes it while the server runs.

use std::cell::RefCell;
use std::io;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::banner::Banner;
use super::format::{EventText, Head, LogFormat, Role, write_line};
use super::level::LogLevel;
use super::sink::Sink;
use super::stamp::{TimestampFormat, local_zone, now_ms};
use super::syslog::{Syslog, SyslogOptions};

/// A thread's line buffers are given back to the allocator when a line made them larger than this.
const KEEP_BYTES: usize = 16 * 1024;

/// What the log is made from.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// `loglevel`.
    pub level: LogLevel,
    /// `log-format`.
    pub format: LogFormat,
    /// `log-timestamp-format`.
    pub timestamps: TimestampFormat,
    /// `logfile`; `None` is standard output. A relative path is resolved when the log is opened.
    pub file: Option<PathBuf>,
    /// `syslog-*`; `None` when `syslog-enabled` is `no`. Lines go there as well as to the file or standard output.
    pub syslog: Option<SyslogOptions>,
    /// What the process is at its start.
    pub role: Role,
}

impl Default for LogOptions {
    /// Notices and warnings to standard output in Redis's own format.
    fn default() -> Self {
        LogOptions {
            level: LogLevel::Notice,
            format: LogFormat::Legacy,
            timestamps: TimestampFormat::Legacy,
            file: None,
            syslog: None,
            role: Role::Primary,
        }
    }
}

/// Opens the log and makes it the process's default subscriber of `tracing`.
///
/// # Errors
/// When the log file cannot be opened, or when a default subscriber is already installed
/// ([`io::ErrorKind::AlreadyExists`]).
pub fn init(options: &LogOptions) -> io::Result<LogHandle> {
    let (layer, handle) = RedisLayer::open(options)?;
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber)
        .map_err(|error| io::Error::new(io::ErrorKind::AlreadyExists, error))?;
    handle.apply_level();
    Ok(handle)
}

/// Changes the log of the running server. Clones are handles to the same log.
#[derive(Clone)]
pub struct LogHandle {
    log: Arc<Log>,
}

impl LogHandle {
    /// Sets `loglevel`.
    pub fn set_level(&self, level: LogLevel) {
        self.log.level.store(level as u8, Ordering::Relaxed);
        self.apply_level();
    }

    /// The `loglevel` in force.
    pub fn level(&self) -> LogLevel {
        self.log.level()
    }

    /// Sets `log-format`.
    pub fn set_format(&self, format: LogFormat) {
        self.log.format.store(format as u8, Ordering::Relaxed);
    }

    /// Sets `log-timestamp-format`.
    pub fn set_timestamps(&self, timestamps: TimestampFormat) {
        self.log.timestamps.store(timestamps as u8, Ordering::Relaxed);
    }

    /// Sets the role that lines show.
    pub fn set_role(&self, role: Role) {
        self.log.role.store(role as u8, Ordering::Relaxed);
    }

    /// Opens the log file anew after it was rotated; nothing happens for standard output.
    ///
    /// # Errors
    /// When the path cannot be opened. The old file stays in use then.
    pub fn reopen(&self) -> io::Result<()> {
        self.log.sink.reopen()
    }

    /// Prints text without a prefix to the file or standard output (not to syslog), as Redis does with its logo.
    pub fn write_raw(&self, text: &str) {
        if self.log.level() != LogLevel::Nothing {
            self.log.sink.write(text.as_bytes());
        }
    }

    /// Prints what is known of the process when it starts: the logo, or lines that say the same.
    ///
    /// The logo appears when `always_show_logo` is set or a terminal reads standard output, and only in the legacy
    /// format, for lines of the others are read by programs.
    pub fn announce(&self, banner: &Banner<'_>, always_show_logo: bool) {
        use std::io::IsTerminal;
        let on_terminal = !self.log.to_file && self.log.syslog.is_none() && io::stdout().is_terminal();
        if self.log.format() == LogFormat::Legacy && (always_show_logo || on_terminal) {
            self.write_raw(&banner.logo());
        } else {
            tracing::info!("{}", banner.mode_line());
            tracing::info!("{}", banner.pid_line());
        }
    }

    /// The descriptor lines are written to, for a crash report. Reopening keeps its number.
    pub fn raw_fd(&self) -> RawFd {
        self.log.sink.raw_fd()
    }

    /// Lines that got lost: messages syslog did not take, and failed writes.
    pub fn dropped(&self) -> u64 {
        self.log.sink.failed().saturating_add(self.log.syslog.as_ref().map_or(0, Syslog::dropped))
    }

    /// Makes `tracing` ask again which call sites are of interest: it remembers the answers.
    fn apply_level(&self) {
        tracing::callsite::rebuild_interest_cache();
    }
}

/// The layer that prints events. Spans are not shown.
pub struct RedisLayer {
    log: Arc<Log>,
}

impl RedisLayer {
    /// Opens the log without installing it: for tests and programs that compose their own subscriber.
    ///
    /// # Errors
    /// When the log file cannot be opened.
    pub fn open(options: &LogOptions) -> io::Result<(RedisLayer, LogHandle)> {
        let sink = match &options.file {
            Some(path) => Sink::file(path)?,
            None => Sink::stdout()?,
        };
        let log = Arc::new(Log {
            level: AtomicU8::new(options.level as u8),
            format: AtomicU8::new(options.format as u8),
            timestamps: AtomicU8::new(options.timestamps as u8),
            role: AtomicU8::new(options.role as u8),
            pid: std::process::id(),
            to_file: options.file.is_some(),
            sink,
            syslog: options.syslog.clone().map(Syslog::open),
        });
        Ok((RedisLayer { log: Arc::clone(&log) }, LogHandle { log }))
    }
}

impl<S: Subscriber> Layer<S> for RedisLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_event() && self.log.passes(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.log.passes(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.log.level().filter())
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.log.print(event);
    }
}

/// The log itself. What can change is one atomic each, so that printing takes no lock but the sink's.
struct Log {
    level: AtomicU8,
    format: AtomicU8,
    timestamps: AtomicU8,
    role: AtomicU8,
    pid: u32,
    to_file: bool,
    sink: Sink,
    syslog: Option<Syslog>,
}

#[derive(Default)]
struct Buffers {
    message: String,
    fields: String,
    line: String,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = RefCell::default();
}

impl Log {
    fn level(&self) -> LogLevel {
        LogLevel::from_u8(self.level.load(Ordering::Relaxed))
    }

    fn format(&self) -> LogFormat {
        LogFormat::from_u8(self.format.load(Ordering::Relaxed))
    }

    fn passes(&self, metadata: &Metadata<'_>) -> bool {
        self.level().filter() >= *metadata.level()
    }

    fn print(&self, event: &Event<'_>) {
        // Borrowed already (a value whose Debug logs) or gone (a thread that ends): fresh buffers do.
        let reused = BUFFERS.try_with(|buffers| {
            let Ok(mut buffers) = buffers.try_borrow_mut() else { return false };
            self.print_with(event, &mut buffers);
            if buffers.line.capacity() > KEEP_BYTES || buffers.message.capacity() > KEEP_BYTES {
                *buffers = Buffers::default();
            }
            true
        });
        if !matches!(reused, Ok(true)) {
            self.print_with(event, &mut Buffers::default());
        }
    }

    fn print_with(&self, event: &Event<'_>, Buffers { message, fields, line }: &mut Buffers) {
        message.clear();
        fields.clear();
        line.clear();
        let format = self.format();
        event.record(&mut EventText { format, message, fields });
        let level = LogLevel::of_event(*event.metadata().level());
        let head = Head {
            pid: self.pid,
            role: Role::from_u8(self.role.load(Ordering::Relaxed)),
            level,
            unix_ms: now_ms(),
            timestamps: TimestampFormat::from_u8(self.timestamps.load(Ordering::Relaxed)),
            zone: local_zone(),
        };
        write_line(line, format, &head, message, fields);
        self.sink.write(line.as_bytes());
        if let Some(syslog) = &self.syslog {
            if format != LogFormat::Legacy {
                message.clear();
                fields.clear();
                event.record(&mut EventText { format: LogFormat::Legacy, message, fields });
            }
            message.push_str(fields);
            syslog.send(level, self.pid, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use tracing::subscriber::with_default;

    struct TestLog {
        path: PathBuf,
        handle: LogHandle,
        layer: Option<RedisLayer>,
    }

    impl TestLog {
        fn open(name: &str, change: impl FnOnce(&mut LogOptions)) -> TestLog {
            let path = std::env::temp_dir().join(format!("ochre-log-{name}-{}", std::process::id()));
            let _ = fs::remove_file(&path);
            let mut options = LogOptions {
                file: Some(path.clone()),
                timestamps: TimestampFormat::Milliseconds,
                ..LogOptions::default()
            };
            change(&mut options);
            let (layer, handle) = RedisLayer::open(&options).unwrap();
            TestLog { path, handle, layer: Some(layer) }
        }

        /// Runs `work` with this log and returns what the file at `path` holds, pid and time masked.
        fn lines(&mut self, work: impl FnOnce(&LogHandle)) -> String {
            let layer = self.layer.take().unwrap();
            with_default(tracing_subscriber::registry().with(layer), || work(&self.handle));
            masked(&self.path)
        }
    }

    impl Drop for TestLog {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.path);
        }
    }

    fn masked(path: &Path) -> String {
        let pid = std::process::id().to_string();
        let text = fs::read_to_string(path).unwrap().replace(&pid, "PID");
        let digits = |word: &str| word.len() == 13 && word.bytes().all(|b| b.is_ascii_digit());
        text.split_inclusive([' ', '"', '\n'])
            .map(|word| match word.char_indices().next_back() {
                Some((end, last)) if digits(&word[..end]) => format!("TIME{last}"),
                _ => word.to_owned(),
            })
            .collect()
    }

    #[test]
    fn events_come_out_with_level_and_fields() {
        let mut log = TestLog::open("fields", |options| options.level = LogLevel::Debug);
        let text = log.lines(|_| {
            tracing::error!("no disk");
            tracing::warn!(errno = 5, "write failed");
            tracing::info!(client = "127.0.0.1:1", age = 3u64, ok = true, "closed {}", "it");
            tracing::debug!(note = "two words", empty = "", "d");
            tracing::trace!(forged = "a\n1:M x", shown = %"plain", "t");
        });
        assert_eq!(
            text,
            "PID:M TIME # no disk\n\
             PID:M TIME # write failed errno=5\n\
             PID:M TIME * closed it client=127.0.0.1:1 age=3 ok=true\n\
             PID:M TIME - d note=\"two words\" empty=\"\"\n\
             PID:M TIME . t forged=\"a\\n1:M x\" shown=plain\n"
        );
    }

    #[test]
    fn formats_and_role_change_at_run_time() {
        let mut log = TestLog::open("formats", |_| ());
        let text = log.lines(|handle| {
            handle.set_role(Role::Replica);
            tracing::info!("a");
            handle.set_format(LogFormat::Logfmt);
            tracing::info!(bytes = 7, by = "a \"b\"", "b");
            handle.set_format(LogFormat::Json);
            handle.set_role(Role::Sentinel);
            tracing::warn!(bytes = 7, by = "a \"b\"", ratio = f64::NAN, "c");
        });
        assert_eq!(
            text,
            "PID:S TIME * a\n\
             pid=PID role=replica timestamp=\"TIME\" level=notice message=\"b\" bytes=7 by=\"a 'b'\"\n\
             {\"pid\":PID,\"role\":\"sentinel\",\"timestamp\":\"TIME\",\"level\":\"warning\",\"message\":\"c\",\
             \"bytes\":7,\"by\":\"a \\\"b\\\"\",\"ratio\":\"NaN\"}\n"
        );
    }

    #[test]
    fn the_level_changes_at_run_time() {
        let mut log = TestLog::open("level", |_| ());
        fn everything(round: u32) {
            tracing::warn!("w{round}");
            tracing::info!("i{round}");
            tracing::debug!("d{round}");
            tracing::trace!("t{round}");
        }
        let text = log.lines(|handle| {
            for (round, level) in LogLevel::ALL.into_iter().enumerate() {
                handle.set_level(level);
                assert_eq!(handle.level(), level);
                everything(u32::try_from(round).unwrap());
                handle.write_raw(&format!("raw{round}\n"));
            }
        });
        let messages: Vec<_> = text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
        let expected = "w0 i0 d0 t0 raw0 w1 i1 d1 raw1 w2 i2 raw2 w3 raw3";
        assert_eq!(messages.join(" "), expected);
    }

    #[test]
    fn a_rotated_file_is_reopened() {
        let mut log = TestLog::open("rotate", |_| ());
        let old = log.path.with_extension("1");
        let text = log.lines(|handle| {
            tracing::info!("before");
            fs::rename(handle.log_path(), &old).unwrap();
            tracing::info!("between");
            handle.reopen().unwrap();
            tracing::info!("after");
        });
        assert_eq!(text, "PID:M TIME * after\n");
        assert_eq!(masked(&old), "PID:M TIME * before\nPID:M TIME * between\n");
        let mode = fs::metadata(&log.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777 & !0o644, 0);
        fs::remove_file(old).unwrap();
    }

    #[test]
    fn an_unopenable_file_is_an_error_and_keeps_the_old_one() {
        let options = LogOptions { file: Some("/nonexistent/dir/log".into()), ..LogOptions::default() };
        assert_eq!(RedisLayer::open(&options).err().unwrap().kind(), io::ErrorKind::NotFound);
        let mut log = TestLog::open("keep", |_| ());
        let old = log.path.with_extension("1");
        let path = log.path.clone();
        log.lines(|handle| {
            fs::rename(&path, &old).unwrap();
            fs::create_dir(&path).unwrap();
            assert!(handle.reopen().is_err());
            tracing::info!("still here");
            fs::remove_dir(&path).unwrap();
            fs::rename(&old, &path).unwrap();
        });
        assert_eq!(masked(&path), "PID:M TIME * still here\n");
    }

    #[test]
    fn lines_of_many_threads_never_mix() {
        let mut log = TestLog::open("threads", |_| ());
        let text = log.lines(|_| {
            let dispatch = tracing::dispatcher::get_default(Clone::clone);
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let dispatch = dispatch.clone();
                    scope.spawn(move || {
                        tracing::dispatcher::with_default(&dispatch, || {
                            for number in 0..200 {
                                tracing::info!(thread, number, "{}", "x".repeat(300));
                            }
                        });
                    });
                }
            });
        });
        assert_eq!(text.lines().count(), 800);
        assert!(text.lines().all(|line| line.starts_with("PID:M TIME * xxx") && line.contains(" number=")));
    }

    #[test]
    fn syslog_gets_message_and_fields() {
        let socket = std::env::temp_dir().join(format!("ochre-log-syslog-{}", std::process::id()));
        let _ = fs::remove_file(&socket);
        let daemon = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
        let facility = super::super::syslog::Facility::User;
        let mut log = TestLog::open("with-syslog", |options| {
            options.format = LogFormat::Json;
            options.syslog = Some(SyslogOptions { ident: "o".into(), facility, socket: socket.clone() });
        });
        log.lines(|handle| {
            tracing::info!(a = 1, "m");
            handle.write_raw("logo\n");
            assert_eq!(handle.dropped(), 0);
        });
        daemon.set_nonblocking(true).unwrap();
        let mut buffer = [0; 512];
        let length = daemon.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]);
        assert!(text.starts_with("<13>") && text.ends_with(&format!("o[{}]: m a=1", std::process::id())), "{text}");
        assert!(daemon.recv(&mut buffer).is_err());
        fs::remove_file(socket).unwrap();
    }

    impl LogHandle {
        fn log_path(&self) -> PathBuf {
            self.log.sink.path().unwrap().to_owned()
        }
    }
}
