//! What the server prints about itself when it starts.

/// The facts of a start.
#[derive(Clone, Copy, Debug)]
pub struct Banner<'a> {
    /// The server's version, such as `0.1.0`.
    pub version: &'a str,
    /// The mode as Redis names it: `standalone`, `cluster` or `sentinel`.
    pub mode: &'a str,
    /// The TCP port, 0 when there is none.
    pub port: u16,
    /// The process id.
    pub pid: u32,
}

impl Banner<'_> {
    /// One line with version and pid, as Redis prints before it reads its configuration.
    pub fn start_line(&self) -> String {
        let Banner { version, pid, .. } = self;
        format!("Ochre version={version}, bits={}, pid={pid}, just started", usize::BITS)
    }

    /// The line Redis prints instead of its logo.
    pub fn mode_line(&self) -> String {
        format!("Running mode={}, port={}.", self.mode, self.port)
    }

    /// A line with the pid in the form scripts look for where there is no logo: ` PID: 123`.
    pub fn pid_line(&self) -> String {
        format!("Server PID: {}", self.pid)
    }

    /// A small picture with the facts beside it, several lines that each end in a line end.
    pub fn logo(&self) -> String {
        let Banner { version, mode, port, pid } = self;
        format!(
            "\n\
             \x20      .-=======-.\n\
             \x20    .'  .-----.  '.      Ochre {version} ({} bit)\n\
             \x20   /  .'       '.  \\\n\
             \x20  |  /    ___    \\  |    Running in {mode} mode\n\
             \x20  |  \\    \\_/    /  |    Port: {port}\n\
             \x20   \\  '.       .'  /     PID: {pid}\n\
             \x20    '.  '-----'  .'\n\
             \x20      '-=======-'\n\
             \n",
            usize::BITS
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BANNER: Banner<'_> = Banner { version: "1.2.3", mode: "standalone", port: 6379, pid: 4321 };

    // The test suite of Redis polls the log for ` PID: <pid>`.
    #[test]
    fn logo_and_pid_line_hold_the_pid_as_scripts_look_for_it() {
        assert!(BANNER.logo().contains(" PID: 4321\n"));
        assert!(BANNER.pid_line().contains(" PID: 4321"));
        assert!(BANNER.start_line().contains("pid=4321, just started"));
        assert_eq!(BANNER.mode_line(), "Running mode=standalone, port=6379.");
    }

    #[test]
    fn the_logo_is_small() {
        assert!(BANNER.logo().lines().all(|line| line.len() <= 72) && BANNER.logo().lines().count() <= 12);
    }
}
