//! `supervised`: telling systemd or upstart that the server is ready.
//!
//! Protocol of systemd: sd_notify(3), one datagram of `NAME=value` lines to the socket in `$NOTIFY_SOCKET`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use nix::sys::signal::{Signal, raise};

/// A value of the directive `supervised`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervision {
    /// Nobody waits for a sign.
    No,
    /// systemd, through `$NOTIFY_SOCKET`.
    Systemd,
    /// upstart, by stopping ourselves once.
    Upstart,
    /// Whichever of the two the environment shows.
    Auto,
}

/// A supervisor that was found.
#[derive(Debug)]
pub enum Supervisor {
    /// Nobody, or the one asked for is not there. The server may daemonize.
    None,
    /// systemd, at this socket.
    Systemd(OsString),
    /// upstart.
    Upstart,
}

impl Supervisor {
    /// The word of the directive `supervised` for it.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Supervisor::None => None,
            Supervisor::Systemd(_) => Some("systemd"),
            Supervisor::Upstart => Some("upstart"),
        }
    }

    /// Finds the supervisor the directive asks for and tells it that the server is loading. upstart is told by stopping the
    /// process until upstart continues it. A supervisor that is missing is logged as a warning.
    pub fn start(wanted: Supervision) -> Supervisor {
        Self::detect(wanted, env::var_os("NOTIFY_SOCKET"), env::var_os("UPSTART_JOB"))
    }

    fn detect(wanted: Supervision, socket: Option<OsString>, job: Option<OsString>) -> Supervisor {
        let socket = socket.filter(|name| !name.is_empty());
        let wanted = match wanted {
            Supervision::Auto if job.is_some() => Supervision::Upstart,
            Supervision::Auto if socket.is_some() => Supervision::Systemd,
            Supervision::Auto => Supervision::No,
            other => other,
        };
        match (wanted, socket) {
            (Supervision::Systemd, Some(socket)) => {
                let supervisor = Supervisor::Systemd(socket);
                if !supervisor.notify("STATUS=Ochre is loading...\n") {
                    return Supervisor::None;
                }
                tracing::info!("Supervised by systemd: TimeoutStartSec and TimeoutStopSec of the unit apply");
                supervisor
            }
            (Supervision::Systemd, None) => {
                tracing::warn!("systemd supervision error: NOTIFY_SOCKET not found!");
                Supervisor::None
            }
            (Supervision::Upstart, _) if job.is_some() => {
                tracing::info!("supervised by upstart, will stop to signal readiness.");
                let _ = raise(Signal::SIGSTOP);
                Supervisor::Upstart
            }
            (Supervision::Upstart, _) => {
                tracing::warn!("upstart supervision requested, but UPSTART_JOB not found!");
                Supervisor::None
            }
            _ => Supervisor::None,
        }
    }

    /// Whether a supervisor was found. A supervised server does not daemonize.
    pub fn is_some(&self) -> bool {
        !matches!(self, Supervisor::None)
    }

    /// Says that connections are accepted.
    pub fn ready(&self) {
        self.notify("STATUS=Ready to accept connections\nREADY=1\n");
    }

    /// Says that a replica with this state of its link is up. `text` must be one line.
    pub fn status(&self, text: &str) {
        self.notify(&format!("STATUS={}\n", text.replace('\n', " ")));
    }

    /// Says that the server is ending.
    pub fn stopping(&self) {
        self.notify("STOPPING=1\n");
    }

    /// Returns whether the message was handed over; a failure is logged.
    fn notify(&self, message: &str) -> bool {
        let Supervisor::Systemd(socket) = self else { return false };
        let sent = send(socket, message);
        if let Err(error) = &sent {
            tracing::warn!(%error, "systemd supervision error: sd_notify");
        }
        sent.is_ok()
    }
}

fn send(socket: &OsStr, message: &str) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let datagram = UnixDatagram::unbound()?;
    datagram.connect_addr(&address)?;
    datagram.send(message.as_bytes()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn manager(name: &str) -> (UnixDatagram, OsString) {
        let name = format!("ochre-supervise-{name}-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        (socket, format!("@{name}").into())
    }

    fn receive(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn systemd_hears_of_each_step() {
        let (socket, name) = manager("steps");
        let supervisor = Supervisor::detect(Supervision::Auto, Some(name), None);
        assert!(supervisor.is_some());
        assert_eq!(receive(&socket), "STATUS=Ochre is loading...\n");
        supervisor.ready();
        assert_eq!(receive(&socket), "STATUS=Ready to accept connections\nREADY=1\n");
        supervisor.status("a\nREADY=0");
        assert_eq!(receive(&socket), "STATUS=a READY=0\n");
        supervisor.stopping();
        assert_eq!(receive(&socket), "STOPPING=1\n");
    }

    #[test]
    fn a_path_serves_as_well() {
        let path = env::temp_dir().join(format!("ochre-notify-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        assert!(Supervisor::detect(Supervision::Systemd, Some(path.clone().into()), None).is_some());
        assert!(receive(&socket).starts_with("STATUS="));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_supervisor_that_is_missing_is_no_supervisor() {
        assert!(!Supervisor::detect(Supervision::No, Some("@x".into()), Some("job".into())).is_some());
        assert!(!Supervisor::detect(Supervision::Auto, None, None).is_some());
        assert!(!Supervisor::detect(Supervision::Systemd, None, None).is_some());
        assert!(!Supervisor::detect(Supervision::Systemd, Some("@ochre-nobody-here".into()), None).is_some());
        assert!(!Supervisor::detect(Supervision::Upstart, None, None).is_some());
    }
}
