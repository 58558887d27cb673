//! The only unsafe code of this crate: what no safe interface of the standard library or a maintained crate offers.
//!
//! * [`TitleArea`]: `ps` and the conformance suite read the command line from the memory of the argument strings, so a title
//!   is written there. The crates with a safe interface set the thread's name of 15 bytes, which is something else.
//! * Fatal signals: a handler of SIGSEGV runs where nothing is known to be intact, so no crate offers a safe way to attach one.
//! * [`stack_of`]: a thread's stack can only be looked at by the thread itself, in the handler of a signal that it is sent.
//! * [`purge_allocator`]: jemalloc purges by a call without arguments, and the crate that wraps it only reads and writes values.
//!
//! Everything exported is safe to call from anywhere: preconditions are checked here.
#![allow(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn)]

use std::ffi::{OsString, c_int, c_void};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

pub(super) const REPORT_START: &str =
    "\n\n=== REDIS BUG REPORT START: this is a crash of Ochre, please report all that follows ===";
pub(super) const STACK_TRACE: &str = "\n------ STACK TRACE ------\n";
pub(super) const REPORT_END: &str = "\n=== REDIS BUG REPORT END ===\n";

// ---- Memory ----

/// Has jemalloc give pages that it keeps in reserve back to the system; false if it refuses.
pub fn purge_allocator() -> bool {
    // The number that stands for all arenas, MALLCTL_ARENAS_ALL.
    let name = c"arena.4096.purge";
    // SAFETY: the name is a string that ends in zero; this control neither reads nor writes a value, so both are null.
    let error = unsafe {
        tikv_jemalloc_sys::mallctl(name.as_ptr(), std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut(), 0)
    };
    error == 0
}

// ---- Arguments and environment ----

/// Whether this is the process's only thread, so that no other can look at the environment or the arguments.
fn is_single_threaded() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() == 1)
}

/// Removes a variable from the environment and returns its value. Does nothing when there is more than one thread.
pub(super) fn take_env(name: &str) -> Option<OsString> {
    let value = std::env::var_os(name)?;
    if !is_single_threaded() {
        return None;
    }
    // SAFETY: there is no other thread that could read or write the environment.
    unsafe { std::env::remove_var(name) };
    Some(value)
}

/// The memory of the strings the kernel passed at exec: arguments first, the environment behind them.
#[derive(Debug)]
pub(super) struct TitleArea {
    start: usize,
    /// Bytes that may be written, the last of which stays zero.
    length: usize,
}

impl TitleArea {
    /// Takes that memory over: the environment's strings are copied elsewhere first. `None` when there is more than one
    /// thread, or when the kernel does not tell where the memory is.
    pub(super) fn claim() -> Option<TitleArea> {
        if !is_single_threaded() {
            return None;
        }
        let (start, end) = string_area()?;
        for (name, value) in std::env::vars_os() {
            // SAFETY: there is no other thread. set_var makes libc copy the pair to memory of its own.
            unsafe { std::env::set_var(name, value) };
        }
        Some(TitleArea { start, length: end.checked_sub(start)? })
    }

    /// Shows a title, cut to the room there is.
    pub(super) fn write(&mut self, title: &[u8]) {
        let area: *mut u8 = std::ptr::with_exposed_provenance_mut(self.start);
        let length = title.len().min(self.length.saturating_sub(1));
        // SAFETY: the kernel mapped these bytes writable at exec, for the life of the process, and nothing of Rust is
        // allocated there. libc reads the environment from copies, and this crate reads arguments from its own copy
        // (`Startup::args`). `&mut self` keeps two writers apart; /proc/self/cmdline copes with any content. The title is
        // not part of the area, so the two do not overlap.
        unsafe {
            std::ptr::write_bytes(area, 0, self.length);
            std::ptr::copy_nonoverlapping(title.as_ptr(), area, length);
        }
    }
}

/// Start and end of the argument strings, and of the environment's where they follow directly: proc_pid_stat(5).
fn string_area() -> Option<(usize, usize)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold anything; field 3 follows the last one.
    let fields = stat.rsplit_once(") ")?.1;
    let mut addresses = fields.split_ascii_whitespace().skip(48 - 3).map(|field| field.parse().ok());
    let mut next = || addresses.next().flatten();
    let (arg_start, arg_end): (usize, usize) = (next()?, next()?);
    let (env_start, env_end): (usize, usize) = (next()?, next()?);
    if arg_start == 0 || arg_end <= arg_start {
        return None;
    }
    let end = if env_start == arg_end && env_end > env_start { env_end } else { arg_end };
    Some((arg_start, end))
}

// ---- Fatal signals ----

const FATAL: [(c_int, &str); 5] = [
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGABRT, "SIGABRT"),
];

/// How long the handler waits for the crash reporter.
const REPORT_TIMEOUT_MS: c_int = 10_000;
const SIGNAL_STACK_BYTES: usize = 64 * 1024;
const FRAMES_MAX: usize = 100;

static LOG_FD: AtomicI32 = AtomicI32::new(1);
static REQUEST_FD: AtomicI32 = AtomicI32::new(-1);
static DONE_FD: AtomicI32 = AtomicI32::new(-1);
static REPORTER: AtomicI32 = AtomicI32::new(0);
/// The first thread that crashed; 0 while all is well.
static CRASHED: AtomicI32 = AtomicI32::new(0);
static VERSION: OnceLock<&'static str> = OnceLock::new();
/// The stack of the crashed thread.
static CRASHED_STACK: Stack = Stack::new();

/// Says where reports go.
pub(super) fn set_output(log_fd: RawFd, version: &'static str) {
    LOG_FD.store(log_fd, Ordering::SeqCst);
    let _ = VERSION.set(version);
}

/// Says how the reporter is woken and how it answers. The descriptors must stay open.
pub(super) fn set_reporter(request: RawFd, done: RawFd) {
    REQUEST_FD.store(request, Ordering::SeqCst);
    DONE_FD.store(done, Ordering::SeqCst);
}

/// Says that the calling thread is the reporter: a crash of it ends the process at once.
pub(super) fn this_thread_reports() {
    REPORTER.store(thread_id(), Ordering::SeqCst);
}

/// Writes bytes to the log's descriptor, past all buffers and locks. Safe in a signal handler.
pub(super) fn write_log(mut bytes: &[u8]) {
    let fd = LOG_FD.load(Ordering::SeqCst);
    while !bytes.is_empty() {
        // SAFETY: pointer and length are those of a live slice; a descriptor that is closed makes the call fail.
        let written = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(count) if count > 0 => bytes = bytes.get(count..).unwrap_or_default(),
            _ => return,
        }
    }
}

/// The addresses of the crashed thread's stack, from where it crashed outwards.
pub(super) fn crashed_stack() -> Vec<usize> {
    CRASHED_STACK.addresses()
}

/// Installs the handlers of all fatal signals, or gives the signals their default effect back.
pub(super) fn set_fatal_handlers(installed: bool) {
    for (signal, _) in FATAL {
        if installed {
            set_handler(signal, on_fatal_signal, libc::SA_NODEFER);
        } else {
            set_action(signal, libc::SIG_DFL, 0);
        }
    }
}

type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

fn set_handler(signal: c_int, handler: Handler, flags: c_int) {
    set_action(signal, handler as libc::sighandler_t, flags | libc::SA_SIGINFO | libc::SA_ONSTACK);
}

fn set_action(signal: c_int, action: libc::sighandler_t, flags: c_int) {
    // SAFETY: a zeroed sigaction is a valid one (the default action, an empty mask), and a handler has the signature that
    // SA_SIGINFO asks for. SA_NODEFER lets a crash inside the handler of one be seen, and the final raise work.
    unsafe {
        let mut act: libc::sigaction = std::mem::zeroed();
        act.sa_sigaction = action;
        act.sa_flags = flags;
        libc::sigaction(signal, &act, std::ptr::null_mut());
    }
}

/// Gives the calling thread a larger signal stack than the standard library's. It is never freed.
pub(super) fn use_signal_stack() {
    let memory = Box::leak(vec![0u8; SIGNAL_STACK_BYTES].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: SIGNAL_STACK_BYTES };
    // SAFETY: the memory is leaked, so it is valid as long as the thread is, and nobody else uses it.
    unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) };
}

/// Runs on the crashed thread, on its signal stack. Calls nothing but system calls and the unwinder: no allocation, no lock
/// of Rust's.
extern "C" fn on_fatal_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    let me = thread_id();
    if let Err(first) = CRASHED.compare_exchange(0, me, Ordering::SeqCst, Ordering::SeqCst) {
        if first == me || me == REPORTER.load(Ordering::SeqCst) {
            write_log(b"(crashed again while reporting)\n");
            write_log(REPORT_END.as_bytes());
            die(signal);
        }
        // Another thread crashed before: wait until the process ends, but not for ever.
        wait_readable(-1, REPORT_TIMEOUT_MS * 2);
        die(signal);
    }
    // SAFETY: with SA_SIGINFO the kernel passes a valid siginfo_t.
    let info = unsafe { &*info };
    write_head(signal, info);
    write_log(STACK_TRACE.as_bytes());
    CRASHED_STACK.record(context);
    let request = REQUEST_FD.load(Ordering::SeqCst);
    // SAFETY: one byte of a live array; the pipe's ends are never closed.
    let woken = request >= 0 && unsafe { libc::write(request, [1u8].as_ptr().cast(), 1) } == 1;
    if !woken || !wait_readable(DONE_FD.load(Ordering::SeqCst), REPORT_TIMEOUT_MS) {
        write_log(b"(no names in time, the addresses:)\n");
        for address in CRASHED_STACK.recorded() {
            let mut line = Line::default();
            line.hex(address);
            line.text("\n");
            write_log(line.bytes());
        }
    }
    write_log(REPORT_END.as_bytes());
    die(signal);
}

fn write_head(signal: c_int, info: &libc::siginfo_t) {
    write_log(REPORT_START.as_bytes());
    write_log(b"\n");
    let mut line = Line::head();
    line.text("Ochre ");
    line.text(VERSION.get().copied().unwrap_or("?"));
    line.text(" crashed by signal: ");
    line.number(signal.unsigned_abs().into());
    line.text(", si_code: ");
    line.signed(info.si_code.into());
    if let Some((_, name)) = FATAL.iter().find(|(number, _)| *number == signal) {
        line.text(" (");
        line.text(name);
        line.text(")");
    }
    line.text("\n");
    write_log(line.bytes());
    if info.si_code <= 0 {
        // SAFETY: a si_code of zero or less means that a process sent the signal, and then the kernel has filled these in.
        let (pid, uid) = unsafe { (info.si_pid(), info.si_uid()) };
        let mut line = Line::head();
        line.text("Killed by PID: ");
        line.signed(pid.into());
        line.text(", UID: ");
        line.number(uid.into());
        line.text("\n");
        write_log(line.bytes());
    } else if signal == libc::SIGSEGV || signal == libc::SIGBUS {
        // SAFETY: for these signals, raised by the hardware, si_addr is filled in.
        let address = unsafe { info.si_addr() };
        let mut line = Line::head();
        line.text("Accessing address: ");
        line.hex(address.addr());
        line.text("\n");
        write_log(line.bytes());
    }
}

/// The addresses of a thread's stack, as the handler of a signal records them.
struct Stack {
    frames: [AtomicUsize; FRAMES_MAX],
    count: AtomicUsize,
    /// Where the thread was when the signal came.
    interrupted: AtomicUsize,
}

impl Stack {
    const fn new() -> Stack {
        Stack {
            frames: [const { AtomicUsize::new(0) }; FRAMES_MAX],
            count: AtomicUsize::new(0),
            interrupted: AtomicUsize::new(0),
        }
    }

    /// Records the stack of the calling thread, in a handler that was passed this context.
    fn record(&self, context: *mut c_void) {
        self.interrupted.store(program_counter(context), Ordering::SeqCst);
        let mut count = 0;
        self.count.store(count, Ordering::SeqCst);
        // SAFETY: what is not synchronised here is the use of one unwinder by several threads on systems other than Unix.
        // The unwinder itself neither allocates nor waits for a lock that the interrupted thread may hold; a crash in here
        // is caught by `CRASHED`.
        unsafe {
            backtrace::trace_unsynchronized(|frame| {
                let Some(slot) = self.frames.get(count) else { return false };
                slot.store(frame.ip().addr(), Ordering::SeqCst);
                count += 1;
                self.count.store(count, Ordering::SeqCst);
                true
            });
        }
    }

    /// All that was recorded, the handler included.
    fn recorded(&self) -> impl Iterator<Item = usize> {
        self.frames.iter().take(self.count.load(Ordering::SeqCst)).map(|frame| frame.load(Ordering::SeqCst))
    }

    /// From where the thread was outwards.
    fn addresses(&self) -> Vec<usize> {
        let interrupted = self.interrupted.load(Ordering::SeqCst);
        let frames: Vec<usize> = self.recorded().collect();
        match frames.iter().position(|frame| *frame == interrupted) {
            // The frames before are those of the handler.
            Some(first) => frames.into_iter().skip(first).collect(),
            None => frames,
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn program_counter(context: *mut c_void) -> usize {
    // SAFETY: with SA_SIGINFO the third argument of a handler is a valid ucontext_t.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    let register = usize::try_from(libc::REG_RIP).ok().and_then(|index| context.uc_mcontext.gregs.get(index));
    register.and_then(|value| usize::try_from(*value).ok()).unwrap_or(0)
}

#[cfg(target_arch = "aarch64")]
fn program_counter(context: *mut c_void) -> usize {
    // SAFETY: with SA_SIGINFO the third argument of a handler is a valid ucontext_t.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    usize::try_from(context.uc_mcontext.pc).unwrap_or(0)
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn program_counter(_: *mut c_void) -> usize {
    0
}

/// The number by which the system knows the calling thread.
pub(super) fn thread_id() -> i32 {
    // SAFETY: gettid has no preconditions.
    unsafe { libc::gettid() }
}

/// Waits until a descriptor is readable; returns whether it is. A negative one only waits.
fn wait_readable(fd: RawFd, timeout_ms: c_int) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid pollfd.
    unsafe { libc::poll(&mut poll, 1, timeout_ms) == 1 }
}

/// Ends the process by the signal's default effect.
fn die(signal: c_int) -> ! {
    set_action(signal, libc::SIG_DFL, 0);
    // SAFETY: neither call has preconditions.
    unsafe {
        libc::raise(signal);
        libc::_exit(128 + signal)
    }
}

// ---- The stacks of threads that go on ----

/// How long a thread may take to tell where it is.
const STACK_TIMEOUT_MS: c_int = 1000;

/// Whose stack is wanted: the number of a thread, or one of the other values.
static WANTED: AtomicI32 = AtomicI32::new(NOBODY);
const NOBODY: i32 = 0;
/// The thread is at it.
const RECORDING: i32 = -1;
static WANTED_STACK: Stack = Stack::new();
/// Where a thread says that it has recorded its stack.
static RECORDED: OnceLock<(io::PipeReader, io::PipeWriter)> = OnceLock::new();

/// Has threads record their stacks when [`stack_of`] asks for that, with SIGALRM; or has that signal ignored.
///
/// # Errors
/// When there is no pipe.
pub(super) fn record_stacks(on: bool) -> io::Result<()> {
    if !on {
        set_action(libc::SIGALRM, libc::SIG_IGN, 0);
        return Ok(());
    }
    if RECORDED.get().is_none() {
        // Somebody else may have made it meanwhile.
        let _ = RECORDED.set(io::pipe()?);
    }
    set_handler(libc::SIGALRM, on_stack_wanted, libc::SA_RESTART);
    Ok(())
}

/// Where a thread of this process is: the addresses of its stack, outwards. None if it does not say so in time, or is gone,
/// or another is asked at the moment.
pub(super) fn stack_of(thread: i32) -> Option<Vec<usize>> {
    let mut recorded = RECORDED.get().map(|(reader, _)| reader)?;
    let fd = recorded.as_raw_fd();
    if WANTED.load(Ordering::SeqCst) == RECORDING && wait_readable(fd, 0) {
        // The one that was asked before has come to an end after all.
        recorded.read_exact(&mut [0]).ok()?;
        WANTED.store(NOBODY, Ordering::SeqCst);
    }
    WANTED.compare_exchange(NOBODY, thread, Ordering::SeqCst, Ordering::SeqCst).ok()?;
    let process = libc::pid_t::try_from(std::process::id()).ok()?;
    // SAFETY: a thread that is gone makes the call fail. The signal has a handler, or is ignored.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGALRM) } == 0;
    if !sent || !wait_readable(fd, STACK_TIMEOUT_MS) {
        // If it is at it all the same, nobody else is asked until it is done.
        let _ = WANTED.compare_exchange(thread, NOBODY, Ordering::SeqCst, Ordering::SeqCst);
        return None;
    }
    let addresses = WANTED_STACK.addresses();
    recorded.read_exact(&mut [0]).ok()?;
    WANTED.store(NOBODY, Ordering::SeqCst);
    Some(addresses)
}

/// Runs on the thread whose stack is wanted, wherever that is. Calls nothing but system calls and the unwinder.
extern "C" fn on_stack_wanted(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    let error = nix::errno::Errno::last_raw();
    // Somebody else may have sent the signal, or it comes too late.
    if WANTED.compare_exchange(thread_id(), RECORDING, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
        WANTED_STACK.record(context);
        if let Some((_, recorded)) = RECORDED.get() {
            // SAFETY: one byte of a live array; the pipe's ends are never closed.
            unsafe { libc::write(recorded.as_raw_fd(), [1u8].as_ptr().cast(), 1) };
        }
    }
    nix::errno::Errno::set_raw(error);
}

/// The head of the lines that signal handlers log.
pub(super) fn handler_head() -> String {
    String::from_utf8_lossy(Line::head().bytes()).into_owned()
}

/// A line put together without allocating; what does not fit is left out.
struct Line {
    buffer: [u8; 200],
    length: usize,
}

impl Default for Line {
    fn default() -> Self {
        Line { buffer: [0; 200], length: 0 }
    }
}

impl Line {
    /// A line with the head Redis gives to what a signal handler logs.
    fn head() -> Line {
        let mut line = Line::default();
        line.number(std::process::id().into());
        line.text(":signal-handler (");
        // SAFETY: a null pointer asks for the return value alone.
        line.signed(unsafe { libc::time(std::ptr::null_mut()) });
        line.text(") ");
        line
    }

    fn text(&mut self, text: &str) {
        for (slot, byte) in self.buffer.iter_mut().skip(self.length).zip(text.bytes()) {
            *slot = byte;
            self.length += 1;
        }
    }

    fn number(&mut self, value: u64) {
        self.digits(value, 10);
    }

    fn signed(&mut self, value: i64) {
        if value < 0 {
            self.text("-");
        }
        self.number(value.unsigned_abs());
    }

    fn hex(&mut self, value: usize) {
        self.text("0x");
        self.digits(value as u64, 16);
    }

    fn digits(&mut self, mut value: u64, base: u64) {
        let mut digits = [0u8; 20];
        let mut used = 0;
        for slot in digits.iter_mut().rev() {
            // A digit is less than 16.
            *slot = char::from_digit((value % base) as u32, base as u32).map_or(b'?', |digit| digit as u8);
            used += 1;
            value /= base;
            if value == 0 {
                break;
            }
        }
        let text = digits.get(digits.len() - used..).unwrap_or_default();
        self.text(std::str::from_utf8(text).unwrap_or("?"));
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_without_allocating() {
        let mut line = Line::default();
        line.text("n ");
        line.signed(-42);
        line.text(" ");
        line.number(u64::MAX);
        line.text(" ");
        line.hex(0xbeef);
        line.number(0);
        assert_eq!(line.bytes(), b"n -42 18446744073709551615 0xbeef0");
        line.text(&"x".repeat(500));
        assert_eq!(line.bytes().len(), 200);
    }

    #[test]
    fn the_kernel_tells_where_the_strings_are() {
        let (start, end) = string_area().unwrap();
        assert!(end > start);
    }
}
