//! The report the log gets when the process panics or dies of a fatal signal.
//!
//! A panic is reported by the thread that panics, and ends the process: half a mutation is never served. On a fatal
//! signal the handler (in `raw`) writes what it knows with system calls alone and records the addresses of the stack; the
//! *crash reporter*, an ordinary thread that has slept since the start, gives them names and adds the server's state,
//! while the handler waits with a time limit. So nothing that allocates or locks runs inside a signal handler, and the
//! report works on a thread whose stack has overflowed.

use std::backtrace::Backtrace;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::os::fd::{IntoRawFd, RawFd};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, raise};

use super::{frames, raw};

/// Writes the state of the server for the report. It may not get far if the state is damaged or locked, and is not waited
/// for then; nor may it panic.
pub type StateReport = Box<dyn Fn(&mut dyn Write) + Send + Sync>;

/// How long a report waits for the state of the server.
const STATE_PATIENCE: Duration = Duration::from_secs(1);

static STATE: OnceLock<StateReport> = OnceLock::new();
static EXIT_ON_PANIC: AtomicBool = AtomicBool::new(false);
static ENABLED: AtomicBool = AtomicBool::new(true);

/// Sets the report up: the panic hook, the handlers of fatal signals and the crash reporter. `log_fd` is the descriptor of
/// the log (`LogHandle::raw_fd`), which stays open as long as the process lives; `version` appears in the report.
///
/// # Errors
/// When the reporter's thread or pipes cannot be made. The panic hook is set even then.
pub fn install(version: &'static str, log_fd: RawFd) -> io::Result<()> {
    raw::set_output(log_fd, version);
    std::panic::set_hook(Box::new(report_panic));
    let (mut requests, request) = io::pipe()?;
    let (done, mut answer) = io::pipe()?;
    thread::Builder::new().name("crash-reporter".into()).spawn(move || {
        raw::this_thread_reports();
        let mut byte = [0];
        if requests.read_exact(&mut byte).is_ok() {
            report_stack();
            let _ = answer.write_all(&byte);
        }
        // The process ends now; a reporter that returned would close the pipe.
        loop {
            thread::park();
        }
    })?;
    raw::set_reporter(request.into_raw_fd(), done.into_raw_fd());
    prepare_thread();
    set_enabled(true);
    Ok(())
}

/// `crash-log-enabled`: without it fatal signals kill silently, and a panic leaves one line.
pub fn set_enabled(enabled: bool) {
    ENABLED.store(enabled, Ordering::SeqCst);
    raw::set_fatal_handlers(enabled);
}

/// `use-exit-on-panic`: exit with 1 after a panic's report, instead of aborting with a core dump.
pub fn set_exit_on_panic(exit: bool) {
    EXIT_ON_PANIC.store(exit, Ordering::SeqCst);
}

/// Adds the server's state (its INFO, its clients) to reports. Only the first call counts.
pub fn set_state_report(report: StateReport) {
    let _ = STATE.set(report);
}

/// Gives the calling thread a signal stack that is large enough for the handler even after the thread's own stack has
/// overflowed. Call it once on each worker thread; it keeps 64 KB as long as the process lives.
pub fn prepare_thread() {
    raw::use_signal_stack();
}

/// Kills the process with a segmentation fault, for `DEBUG SEGFAULT`.
pub fn segfault() {
    let _ = raise(Signal::SIGSEGV);
}

fn report_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("(no message)");
    let place = info.location().map_or_else(String::new, ToString::to_string);
    let thread = thread::current();
    let name = thread.name().unwrap_or("?");
    let mut text = String::new();
    let _ = writeln!(text, "{}", raw::REPORT_START);
    let _ = writeln!(text, "=== ASSERTION FAILED ===");
    let _ = writeln!(text, "==> Guru Meditation: {message} #{place} (thread {name})");
    raw::write_log(text.as_bytes());
    if ENABLED.load(Ordering::SeqCst) {
        raw::write_log(raw::STACK_TRACE.as_bytes());
        raw::write_log(Backtrace::force_capture().to_string().as_bytes());
        report_state();
    }
    raw::write_log(raw::REPORT_END.as_bytes());
    raw::set_fatal_handlers(false);
    if EXIT_ON_PANIC.load(Ordering::SeqCst) {
        std::process::exit(1);
    }
    std::process::abort();
}

/// Names the addresses the handler has recorded, each line written at once in case the next name is never found.
fn report_stack() {
    frames::name(&raw::crashed_stack(), &mut |line| raw::write_log(line.as_bytes()));
    report_state();
}

/// Has a thread of its own write the state, and waits only so long: what it asks for may be locked for ever.
fn report_state() {
    let Some(report) = STATE.get() else { return };
    raw::write_log(b"\n------ INFO OUTPUT ------\n");
    let (done, answer) = channel();
    let thread = thread::Builder::new().name("crash-state".into()).spawn(move || {
        report(&mut LogWriter);
        // Nobody waits any more if it took too long.
        let _ = done.send(());
    });
    if thread.is_err() || answer.recv_timeout(STATE_PATIENCE).is_err() {
        raw::write_log(b"(the state could not be told)\n");
    }
}

struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        raw::write_log(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::startup::tests::Child;
    use std::os::unix::process::ExitStatusExt;

    /// Lets a child crash and returns its report and how it ended.
    fn crash(how: &str) -> (String, std::process::ExitStatus) {
        let mut child = Child::start(&format!("process::crash::tests::child_{how}"));
        let report = child.wait_for_line("BUG REPORT END") + &child.rest();
        (report, child.wait())
    }

    fn install_in_child() -> bool {
        if Child::is_this() {
            install("9.9.9", 1).unwrap();
            set_state_report(Box::new(|out| out.write_all(b"state of the server\n").unwrap()));
            return true;
        }
        false
    }

    // The suite of Redis looks for REPORT START, STACK TRACE and crashed by signal.
    #[test]
    fn a_segfault_is_reported_with_a_stack_and_kills_by_its_signal() {
        let (report, status) = crash("segfaults");
        for text in ["REDIS BUG REPORT START", "9.9.9 crashed by signal: 11", "STACK TRACE", "state of the server"] {
            assert!(report.contains(text), "no {text:?} in:\n{report}");
        }
        assert!(report.contains("crash::tests::child_segfaults"), "the frame has no name:\n{report}");
        assert_eq!(status.signal(), Some(11));
    }

    #[test]
    fn child_segfaults() {
        if install_in_child() {
            segfault();
        }
    }

    #[test]
    fn an_abort_from_outside_is_reported() {
        let mut child = Child::start("process::crash::tests::child_waits");
        child.wait_for_line("child is ready");
        child.signal(Signal::SIGABRT);
        let report = child.wait_for_line("BUG REPORT END");
        assert!(report.contains("crashed by signal: 6"), "{report}");
        assert!(report.contains(&format!("Killed by PID: {}, UID: ", std::process::id())), "{report}");
        assert_eq!(child.wait().signal(), Some(6));
    }

    #[test]
    fn child_waits() {
        if install_in_child() {
            Child::ready();
            Child::sleep_forever();
        }
    }

    #[test]
    fn an_overflowing_stack_is_reported() {
        let (report, status) = crash("overflows");
        assert!(report.contains("crashed by signal: 11"), "{report}");
        assert!(report.contains("Accessing address: 0x"), "{report}");
        assert!(report.contains("tests::overflow"), "{report}");
        assert_eq!(status.signal(), Some(11));
    }

    #[test]
    fn child_overflows() {
        if install_in_child() {
            let worker = thread::spawn(|| {
                prepare_thread();
                overflow(&[0; 64])
            });
            worker.join().unwrap();
        }
    }

    #[inline(never)]
    fn overflow(outer: &[u64; 64]) -> u64 {
        let mut own = *outer;
        own[0] += 1;
        let below = if own[0] == 0 { 0 } else { overflow(std::hint::black_box(&own)) };
        below + std::hint::black_box(own)[1]
    }

    #[test]
    fn a_panic_on_any_thread_aborts_after_its_report() {
        let (report, status) = crash("panics");
        for text in ["REDIS BUG REPORT START", "ASSERTION FAILED", "worker fell over", "STACK TRACE", "child_panics"] {
            assert!(report.contains(text), "no {text:?} in:\n{report}");
        }
        assert!(!report.contains("crashed by signal"), "{report}");
        assert_eq!(status.signal(), Some(6));
    }

    #[test]
    fn child_panics() {
        if install_in_child() {
            let worker = thread::spawn(|| panic!("worker fell {}", "over"));
            let _ = worker.join();
            Child::say("still alive");
        }
    }

    #[test]
    fn a_panic_may_exit_instead() {
        let (_, status) = crash("exits");
        assert_eq!(status.code(), Some(1));
    }

    #[test]
    fn child_exits() {
        if install_in_child() {
            set_exit_on_panic(true);
            panic!("exit");
        }
    }

    #[test]
    fn a_disabled_report_kills_silently() {
        let mut child = Child::start("process::crash::tests::child_is_silent");
        child.wait_for_line("child is ready");
        child.signal(Signal::SIGSEGV);
        assert_eq!(child.wait().signal(), Some(11));
    }

    #[test]
    fn child_is_silent() {
        if install_in_child() {
            set_enabled(false);
            Child::ready();
            Child::sleep_forever();
        }
    }
}
