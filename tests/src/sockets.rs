//! Sockets of a running server, looked at from outside through duplicates of its descriptors.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::{getsockopt_impl, sockopt_impl};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use socket2::{SockRef, Socket};

use crate::{Client, Server};

sockopt_impl!(
    /// `TCP_FASTOPEN` of a listener.
    FastOpenQueue,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_FASTOPEN,
    u32
);

sockopt_impl!(
    /// `TCP_DEFER_ACCEPT` of a listener.
    DeferAccept,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_DEFER_ACCEPT,
    u32
);

/// The server's end of a client's connection. Errs when the system does not let one process look at another's sockets.
pub fn accepted(server: &Server, client: &mut Client) -> Result<Socket> {
    let info = client.command(&["CLIENT", "INFO"])?.text()?;
    let fd = info.split(' ').find_map(|field| field.strip_prefix("fd=")).context("CLIENT INFO has no fd")?;
    duplicate(server, fd.parse()?)
}

/// The server's TCP listener at `address`. Errs when there is none.
pub fn listener(server: &Server, address: SocketAddr) -> Result<Socket> {
    for entry in fs::read_dir(format!("/proc/{}/fd", server.pid()))? {
        let entry = entry?;
        let target = fs::read_link(entry.path()).unwrap_or_default();
        if !target.to_string_lossy().starts_with("socket:") {
            continue;
        }
        let socket = duplicate(server, entry.file_name().to_string_lossy().parse()?)?;
        let at = socket.local_addr()?.as_socket();
        if socket.is_listener()? && at == Some(address) {
            return Ok(socket);
        }
    }
    bail!("the server has no listener at {address}")
}

/// `TCP_FASTOPEN` and `TCP_DEFER_ACCEPT` of a listener.
pub fn listener_options(listener: &Socket) -> Result<(u32, u32)> {
    use nix::sys::socket::getsockopt;
    Ok((getsockopt(listener, FastOpenQueue)?, getsockopt(listener, DeferAccept)?))
}

/// Whether the kernel probes an idle peer: after how long, how often and how many times.
pub fn keepalive(socket: &Socket) -> Result<Option<(Duration, Duration, u32)>> {
    let socket = SockRef::from(socket);
    if !socket.keepalive()? {
        return Ok(None);
    }
    Ok(Some((socket.tcp_keepalive_time()?, socket.tcp_keepalive_interval()?, socket.tcp_keepalive_retries()?)))
}

fn duplicate(server: &Server, fd: i32) -> Result<Socket> {
    let pid = Pid::from_raw(i32::try_from(server.pid())?).context("no process id")?;
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    ensure!(fd >= 0, "{fd} is no descriptor");
    let socket: OwnedFd = pidfd_getfd(process, fd, PidfdGetfdFlags::empty())
        .context("the system does not let this test look at the server's sockets (pidfd_getfd)")?;
    Ok(socket.into())
}
