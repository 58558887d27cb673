//! The first moments of the process.

use std::ffi::OsString;

use super::{background, job, raw, title};

/// What the process was started with.
#[derive(Debug)]
pub struct Startup {
    /// The arguments, the program's name first. Use these and not `std::env::args`: the process title is written over
    /// the memory those are read from.
    pub args: Vec<OsString>,
    /// Whether this process is the one that `background::enter` started to go on in the background.
    pub background: bool,
    /// Whether this process only stands for a job of the one that has started it: see `job::stand`.
    pub job: bool,
}

/// Must be the first thing `main` does: it copies the arguments, moves the environment to make room for the process title
/// and takes the marks of processes that this program has started out of the environment. All that is safe only while there is one thread;
/// with more, arguments are still copied and the rest is left alone.
pub fn begin() -> Startup {
    let args = std::env::args_os().collect();
    let background = raw::take_env(background::MARK).is_some();
    let job = job::is_this();
    title::claim();
    Startup { args, background, job }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, ExitStatus, Stdio};
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    const MARK: &str = "OCHRE_TEST_CHILD";

    /// One test of this binary, run alone in a process of its own: for what changes or ends a whole process.
    pub(crate) struct Child {
        process: std::process::Child,
        lines: Receiver<String>,
    }

    impl Child {
        /// Starts the test with this path and waits until it says that it is ready, if it ever does.
        pub(crate) fn start(test: &str) -> Child {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args([test, "--exact", "--nocapture", "--test-threads=1"]);
            let mut process = command
                .env(MARK, "1")
                .env("RUST_BACKTRACE", "0")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let stdout = BufReader::new(process.stdout.take().unwrap());
            let (sender, lines) = channel();
            std::thread::spawn(move || {
                for line in stdout.split(b'\n').map_while(Result::ok) {
                    if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                        break;
                    }
                }
            });
            Child { process, lines }
        }

        /// Whether this process is such a child.
        pub(crate) fn is_this() -> bool {
            let is_child = std::env::var_os(MARK).is_some();
            if is_child {
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).unwrap();
            }
            is_child
        }

        /// In the child: prints a line the parent can wait for.
        pub(crate) fn say(line: &str) {
            let mut stdout = std::io::stdout();
            stdout.write_all(format!("{line}\n").as_bytes()).unwrap();
            stdout.flush().unwrap();
        }

        pub(crate) fn ready() {
            Self::say("child is ready");
        }

        pub(crate) fn sleep_forever() -> ! {
            loop {
                std::thread::park();
            }
        }

        /// Waits for a line that contains `text` and returns it with all lines before it.
        pub(crate) fn wait_for_line(&mut self, text: &str) -> String {
            let mut seen = String::new();
            loop {
                match self.lines.recv_timeout(Duration::from_secs(30)) {
                    Ok(line) => {
                        seen.push_str(&line);
                        seen.push('\n');
                        if line.contains(text) {
                            return seen;
                        }
                    }
                    Err(error) => panic!("no line with {text:?} ({error}) in:\n{seen}"),
                }
            }
        }

        pub(crate) fn signal(&self, signal: Signal) {
            kill(Pid::from_raw(self.process.id().try_into().unwrap()), signal).unwrap();
        }

        /// Waits for the end of the output and returns what is left of it.
        pub(crate) fn rest(&mut self) -> String {
            self.lines.iter().collect::<Vec<_>>().join("\n")
        }

        pub(crate) fn wait(&mut self) -> ExitStatus {
            self.process.wait().unwrap()
        }
    }

    impl Drop for Child {
        fn drop(&mut self) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}
