//! Listening sockets: from `bind`, `port` and `unixsocket` to bound listeners.
//!
//! Messages follow Redis word for word where its users' scripts look for them.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::sockopt::tune_listener;

/// Where to listen.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// `bind`: IPv4 or IPv6 addresses, host names, `*` or `::*` for all addresses; a leading `-` makes one optional.
    pub bind: Vec<String>,
    /// `port`; 0 for no TCP.
    pub port: u16,
    /// `tls-port`; 0 for no TLS.
    pub tls_port: u16,
    /// `tcp-backlog`: the length of the accept queue the kernel is asked for, also for the Unix socket.
    pub backlog: i32,
    /// `unixsocket`: a path, or a name in the abstract namespace after `@`.
    pub unixsocket: Option<String>,
    /// `unixsocketperm`: the mode of the path, 0 to leave it to the umask.
    pub unixsocketperm: u32,
    /// `TCP_FASTOPEN`: the length of its queue, 0 for off.
    pub fastopen_queue: usize,
    /// `TCP_DEFER_ACCEPT`: in seconds, 0 for off.
    pub defer_accept_s: usize,
}

impl Default for ListenOptions {
    /// Redis's defaults: all addresses, port 6379, no Unix socket.
    fn default() -> Self {
        ListenOptions {
            bind: vec!["*".into(), "-::*".into()],
            port: 6379,
            tls_port: 0,
            backlog: 511,
            unixsocket: None,
            unixsocketperm: 0,
            fastopen_queue: 0,
            defer_accept_s: 0,
        }
    }
}

/// What is spoken on a TCP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The protocol as it is.
    Plain,
    /// The same inside TLS.
    Tls,
}

impl Service {
    /// Its name in the log and in INFO.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Service::Plain => "tcp",
            Service::Tls => "tls",
        }
    }
}

/// A bound, non-blocking listener.
#[derive(Debug)]
pub enum Listener {
    /// One address of `bind`.
    Tcp(Service, TcpListener),
    /// `unixsocket`.
    Unix(UnixListener),
}

/// Why the server cannot listen. The display is the line to log before the process exits with 1.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// An address could not be bound; the reason was logged as a warning of its own.
    #[error("Failed listening on port {port} ({}), aborting.", service.name())]
    Tcp {
        /// The port.
        port: u16,
        /// What it is for.
        service: Service,
    },
    /// The Unix socket could not be bound.
    #[error("Failed opening Unix socket: {0}")]
    Unix(String),
    /// Neither `port` nor `tls-port` nor `unixsocket` yielded a listener.
    #[error("Configured to not listen anywhere, exiting.")]
    Nowhere,
}

/// Binds everything `options` asks for. Warnings go to the log.
///
/// # Errors
/// When an address that is not optional or the Unix socket cannot be bound (what was bound is closed again), or when
/// nothing is left to listen on.
pub fn bind_all(options: &ListenOptions) -> Result<Vec<Listener>, ListenError> {
    let mut listeners: Vec<_> =
        bind_tcp(options)?.into_iter().map(|(service, listener)| Listener::Tcp(service, listener)).collect();
    if let Some(name) = options.unixsocket.as_deref().filter(|name| !name.is_empty()) {
        listeners.push(Listener::Unix(bind_unix(name, options.unixsocketperm, options.backlog)?));
    }
    if listeners.is_empty() { Err(ListenError::Nowhere) } else { Ok(listeners) }
}

/// A TCP address, and what is spoken there.
pub type Place = (Service, SocketAddr);

/// A bound, non-blocking TCP listener, and what is spoken there.
pub type Bound = (Service, TcpListener);

/// Binds the TCP addresses alone. Returns nothing for port 0.
///
/// # Errors
/// When an address that is not optional cannot be bound.
pub fn bind_tcp(options: &ListenOptions) -> Result<Vec<Bound>, ListenError> {
    bind_tcp_with(options, &mut Vec::new(), &mut |line| tracing::warn!("{line}"))
}

/// Binds those TCP addresses that are not `open` already, as `CONFIG SET port` and `bind` need it. Returns the new
/// listeners, and which of the open addresses are wanted still.
///
/// # Errors
/// When an address that is not optional cannot be bound.
pub fn bind_tcp_beside(options: &ListenOptions, open: &[Place]) -> Result<(Vec<Bound>, Vec<Place>), ListenError> {
    let mut unwanted = open.to_vec();
    let fresh = bind_tcp_with(options, &mut unwanted, &mut |line| tracing::warn!("{line}"))?;
    Ok((fresh, open.iter().filter(|place| !unwanted.contains(place)).copied().collect()))
}

/// Whether an address of `options` cannot be bound as long as those of `open` are: one is all addresses and the other one
/// of them, or something else is spoken there.
pub fn overlaps(options: &ListenOptions, open: &[Place]) -> bool {
    let names = options.bind.iter().map(|entry| entry.strip_prefix('-').unwrap_or(entry));
    let places = names.flat_map(|name| {
        ports(options).filter_map(move |(service, port)| resolve(name, port).ok().map(|address| (service, address)))
    });
    places.into_iter().any(|(service, wanted)| {
        open.iter().any(|(old_service, old)| {
            let one_is_all = old.ip().is_unspecified() != wanted.ip().is_unspecified();
            let changes = *old == wanted && *old_service != service;
            changes || one_is_all && old.port() == wanted.port() && old.is_ipv4() == wanted.is_ipv4()
        })
    })
}

/// The ports that are not 0.
fn ports(options: &ListenOptions) -> impl Iterator<Item = (Service, u16)> {
    [(Service::Plain, options.port), (Service::Tls, options.tls_port)].into_iter().filter(|(_, port)| *port != 0)
}

/// Binds the Unix socket alone. A socket that already lies at the path is replaced.
///
/// # Errors
/// When the path cannot be bound, or when something lies there that is not a socket.
pub fn bind_unix(name: &str, mode: u32, backlog: i32) -> Result<UnixListener, ListenError> {
    let listener = match name.strip_prefix('@') {
        Some(name) => {
            UnixAddr::from_abstract_name(name).and_then(|at| UnixListener::bind_addr(&at)).map_err(during("bind"))
        }
        None => bind_path(Path::new(name), mode, backlog),
    };
    let listener = listener.map_err(ListenError::Unix)?;
    listener.set_nonblocking(true).map_err(|error| ListenError::Unix(reason(&error)))?;
    Ok(listener)
}

/// The path to remove when the server ends: none for an abstract name.
pub fn unix_path(options: &ListenOptions) -> Option<PathBuf> {
    let name = options.unixsocket.as_deref()?;
    (!name.is_empty() && !name.starts_with('@')).then(|| PathBuf::from(name))
}

/// The warning to log when the kernel caps the accept queue below `tcp-backlog`, if it does.
pub fn backlog_warning(backlog: i32) -> Option<String> {
    backlog_warning_for(backlog, &fs::read_to_string("/proc/sys/net/core/somaxconn").ok()?)
}

fn backlog_warning_for(backlog: i32, somaxconn: &str) -> Option<String> {
    let limit: i32 = somaxconn.trim().parse().ok()?;
    (limit > 0 && limit < backlog).then(|| {
        format!(
            "WARNING: The TCP backlog setting of {backlog} cannot be enforced because /proc/sys/net/core/somaxconn \
             is set to the lower value of {limit}."
        )
    })
}

/// Takes addresses that need not be bound out of `open`.
fn bind_tcp_with(
    options: &ListenOptions,
    open: &mut Vec<Place>,
    warn: &mut dyn FnMut(&str),
) -> Result<Vec<Bound>, ListenError> {
    let mut listeners = Vec::new();
    for (service, port) in ports(options) {
        for entry in &options.bind {
            let (name, optional) = match entry.strip_prefix('-') {
                Some(rest) => (rest, true),
                None => (entry.as_str(), false),
            };
            let bound = resolve(name, port).and_then(|address| {
                match open.iter().position(|known| *known == (service, address)) {
                    Some(at) => {
                        open.swap_remove(at);
                        Ok(None)
                    }
                    None => bind_address(address, options).map(Some),
                }
            });
            match bound {
                Ok(listener) => listeners.extend(listener.map(|listener| (service, listener))),
                Err(error) => {
                    let text = &error.text;
                    warn(&format!("Warning: Could not create server TCP listening socket {name}:{port}: {text}"));
                    if !error.is_forgiven(optional) {
                        return Err(ListenError::Tcp { port, service });
                    }
                }
            }
        }
    }
    Ok(listeners)
}

/// What went wrong with one address, and the error number behind it where there is one.
struct AddressError {
    errno: Option<Errno>,
    text: String,
}

impl AddressError {
    fn during(step: &str) -> impl Fn(io::Error) -> AddressError {
        move |error| AddressError {
            errno: error.raw_os_error().map(Errno::from_raw),
            text: format!("{step}: {}", reason(&error)),
        }
    }

    /// An optional address may be absent, and any protocol may be missing from the kernel.
    fn is_forgiven(&self, optional: bool) -> bool {
        match self.errno {
            Some(Errno::EADDRNOTAVAIL) => optional,
            Some(
                Errno::ENOPROTOOPT
                | Errno::EPROTONOSUPPORT
                | Errno::ESOCKTNOSUPPORT
                | Errno::EPFNOSUPPORT
                | Errno::EAFNOSUPPORT,
            ) => true,
            _ => false,
        }
    }
}

fn bind_address(address: SocketAddr, options: &ListenOptions) -> Result<TcpListener, AddressError> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP)).map_err(AddressError::during("socket"))?;
    if domain == Domain::IPV6 {
        // One socket a family: else `* -::*` would bind the IPv4 port twice.
        socket.set_only_v6(true).map_err(AddressError::during("setsockopt"))?;
    }
    socket.set_reuse_address(true).map_err(AddressError::during("setsockopt SO_REUSEADDR"))?;
    socket.bind(&address.into()).map_err(AddressError::during("bind"))?;
    tune_listener(&socket, options.fastopen_queue, options.defer_accept_s)
        .map_err(AddressError::during("setsockopt"))?;
    socket.listen(options.backlog).map_err(AddressError::during("listen"))?;
    socket.set_nonblocking(true).map_err(AddressError::during("fcntl"))?;
    Ok(socket.into())
}

fn resolve(name: &str, port: u16) -> Result<SocketAddr, AddressError> {
    match name {
        "*" => return Ok((Ipv4Addr::UNSPECIFIED, port).into()),
        "::*" => return Ok((Ipv6Addr::UNSPECIFIED, port).into()),
        _ => {}
    }
    let found = (name, port).to_socket_addrs().map_err(|error| {
        // The standard library puts a sentence of its own before the resolver's.
        let text = error.to_string();
        let text = text.rsplit_once(": ").map_or(text.as_str(), |(_, tail)| tail).to_owned();
        AddressError { errno: None, text }
    })?;
    let addresses: Vec<_> = found.collect();
    // Redis looks names without a colon up as IPv4; a name that only has an IPv6 address is worth listening on too.
    let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    first.copied().ok_or_else(|| AddressError { errno: None, text: "No address associated with hostname".into() })
}

fn bind_path(path: &Path, mode: u32, backlog: i32) -> Result<UnixListener, String> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(during("unlink"))?,
        Ok(_) => return Err(format!("{} exists and is not a socket", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("bind: {}", reason(&error))),
    }
    let address = SockAddr::unix(path).map_err(|_| {
        // sun_path of unix(7) with its terminating zero.
        let longest = size_of::<libc::sockaddr_un>() - size_of::<libc::sa_family_t>();
        format!("unix socket path too long ({}), must be under {longest}", path.as_os_str().len())
    })?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(during("socket"))?;
    socket.bind(&address).map_err(during("bind"))?;
    if mode != 0 {
        // Before listen: nobody can connect while the mode is still the umask's.
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(during("chmod"))?;
    }
    socket.listen(backlog).map_err(during("listen"))?;
    Ok(socket.into())
}

fn during(step: &str) -> impl Fn(io::Error) -> String {
    move |error| format!("{step}: {}", reason(&error))
}

/// The system's text for an error, without the number the standard library appends.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sockopt::{TcpDeferAccept, TcpFastOpenQueue};
    use super::*;
    use nix::sys::socket::GetSockOpt;
    use socket2::SockRef;
    use std::net::TcpStream;
    use std::os::unix::net::UnixStream;

    /// A port that was free a moment ago, on both loopbacks.
    fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    fn options(bind: &[&str], port: u16) -> ListenOptions {
        ListenOptions { bind: bind.iter().map(|name| (*name).to_owned()).collect(), port, ..ListenOptions::default() }
    }

    fn warnings(options: &ListenOptions) -> (Vec<String>, Result<Vec<Bound>, ListenError>) {
        let mut lines = Vec::new();
        let result = bind_tcp_with(options, &mut Vec::new(), &mut |line| lines.push(line.to_owned()));
        (lines, result)
    }

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("ochre-listen-{name}-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        path
    }

    #[test]
    fn listens_on_names_and_both_families() {
        let port = free_port();
        let listeners = bind_all(&options(&["localhost", "-::1"], port)).unwrap();
        for listener in &listeners {
            let Listener::Tcp(Service::Plain, listener) = listener else { panic!("not TCP") };
            assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
            assert!(SockRef::from(listener).reuse_address().unwrap());
            let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        }
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    #[test]
    fn all_addresses_of_both_families_share_a_port() {
        let port = free_port();
        let (lines, result) = warnings(&options(&["*", "-::*"], port));
        let addresses: Vec<_> = result.unwrap().iter().map(|(_, l)| l.local_addr().unwrap().to_string()).collect();
        assert_eq!(addresses.first().unwrap(), &format!("0.0.0.0:{port}"));
        assert!(addresses.len() == 2 || lines.len() == 1, "{lines:?}");
    }

    // Recorded from redis-server 7.0.15 and Valkey 9.1 (the last line is Valkey's; Redis 7.0 writes TCP).
    #[test]
    fn a_busy_port_is_reported_as_redis_does() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let (lines, result) = warnings(&options(&["127.0.0.1", "::1"], port));
        let expected = format!(
            "Warning: Could not create server TCP listening socket 127.0.0.1:{port}: bind: Address already in use"
        );
        assert_eq!(lines, [expected]);
        assert_eq!(result.unwrap_err().to_string(), format!("Failed listening on port {port} (tcp), aborting."));
    }

    #[test]
    fn only_an_optional_address_may_be_absent() {
        let port = free_port();
        // 192.0.2.0/24 is reserved for documentation (RFC 5737).
        let text = format!(
            "Warning: Could not create server TCP listening socket 192.0.2.7:{port}: bind: Cannot assign requested address"
        );
        let (lines, result) = warnings(&options(&["-192.0.2.7", "127.0.0.1"], port));
        assert_eq!((lines.as_slice(), result.unwrap().len()), ([text.clone()].as_slice(), 1));
        let (lines, result) = warnings(&options(&["192.0.2.7", "127.0.0.1"], port));
        assert_eq!(lines, [text]);
        assert!(matches!(result, Err(ListenError::Tcp { .. })));
    }

    #[test]
    fn an_optional_address_must_not_be_busy() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let (_, result) = warnings(&options(&["-127.0.0.1"], taken.local_addr().unwrap().port()));
        assert!(result.is_err());
    }

    #[test]
    fn an_unknown_name_carries_the_resolvers_text() {
        let (lines, result) = warnings(&options(&["no-such-host.invalid"], 1));
        assert!(result.is_err());
        let head = "Warning: Could not create server TCP listening socket no-such-host.invalid:1: ";
        let text = lines.first().and_then(|line| line.strip_prefix(head)).unwrap();
        assert!(!text.contains("lookup") && !text.is_empty(), "{text}");
    }

    #[test]
    fn an_open_address_is_not_bound_again() {
        let port = free_port();
        let mut first = bind_tcp(&options(&["127.0.0.1"], port)).unwrap();
        let open = [first.remove(0)];
        let address = (Service::Plain, open[0].1.local_addr().unwrap());
        let (fresh, kept) = bind_tcp_beside(&options(&["127.0.0.1", "127.0.0.2"], port), &[address]).unwrap();
        assert_eq!((fresh.len(), kept), (1, vec![address]));
        let (_, kept) = bind_tcp_beside(&options(&["127.0.0.3"], port), &[address]).unwrap();
        assert_eq!(kept, []);
        // Named twice, it is busy the second time.
        bind_tcp_beside(&options(&["127.0.0.1", "127.0.0.1"], port), &[address]).unwrap_err();
    }

    #[test]
    fn all_addresses_overlap_each_of_their_family() {
        let open = ["0.0.0.0:7", "[::1]:7"].map(|address| (Service::Plain, address.parse().unwrap()));
        assert!(overlaps(&options(&["-127.0.0.1"], 7), &open));
        assert!(overlaps(&options(&["::*"], 7), &open));
        for (bind, port) in [("*", 7), ("::1", 7), ("127.0.0.1", 8), ("::2", 7)] {
            assert!(!overlaps(&options(&[bind], port), &open), "{bind} {port}");
        }
        // The same address for something else, and two ports of one address.
        let tls = |port, tls_port| ListenOptions { tls_port, ..options(&["::1"], port) };
        assert!(overlaps(&tls(0, 7), &open));
        assert!(!overlaps(&tls(7, 8), &open));
    }

    #[test]
    fn nothing_to_listen_on_is_an_error() {
        let error = bind_all(&options(&["127.0.0.1"], 0)).unwrap_err();
        assert_eq!(error.to_string(), "Configured to not listen anywhere, exiting.");
        let error = bind_all(&options(&["-192.0.2.7"], free_port())).unwrap_err();
        assert!(matches!(error, ListenError::Nowhere));
    }

    #[test]
    fn own_listener_options_reach_the_kernel() {
        let mut wanted = options(&["127.0.0.1"], free_port());
        let (_, plain) = bind_tcp(&wanted).unwrap().remove(0);
        assert_eq!((TcpFastOpenQueue.get(&plain).unwrap(), TcpDeferAccept.get(&plain).unwrap()), (0, 0));
        drop(plain);
        (wanted.fastopen_queue, wanted.defer_accept_s) = (37, 7);
        let (_, tuned) = bind_tcp(&wanted).unwrap().remove(0);
        assert_eq!(TcpFastOpenQueue.get(&tuned).unwrap(), 37);
        // The kernel rounds up to whole retransmissions: 1, 3, 7, 15 seconds.
        assert_eq!(TcpDeferAccept.get(&tuned).unwrap(), 7);
    }

    #[test]
    fn a_unix_socket_has_its_mode_and_replaces_a_stale_one() {
        let path = scratch("stale");
        drop(UnixListener::bind(&path).unwrap());
        let name = path.to_str().unwrap().to_owned();
        let wanted =
            ListenOptions { port: 0, unixsocket: Some(name), unixsocketperm: 0o751, ..ListenOptions::default() };
        let listeners = bind_all(&wanted).unwrap();
        assert!(matches!(listeners.as_slice(), [Listener::Unix(_)]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o751);
        UnixStream::connect(&path).unwrap();
        assert_eq!(unix_path(&wanted), Some(path.clone()));
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_in_the_way_is_left_alone() {
        let path = scratch("file");
        fs::write(&path, "precious").unwrap();
        let error = bind_unix(path.to_str().unwrap(), 0, 511).unwrap_err().to_string();
        assert!(error.starts_with("Failed opening Unix socket: ") && error.ends_with("is not a socket"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn unix_errors_are_redis_errors() {
        let error = bind_unix("/nonexistent/dir/socket", 0, 511).unwrap_err();
        assert_eq!(error.to_string(), "Failed opening Unix socket: bind: No such file or directory");
        let error = bind_unix(&"x".repeat(200), 0, 511).unwrap_err().to_string();
        assert_eq!(error, "Failed opening Unix socket: unix socket path too long (200), must be under 108");
    }

    #[test]
    fn an_abstract_name_needs_no_path() {
        let name = format!("@ochre-listen-{}", std::process::id());
        let _listener = bind_unix(&name, 0o700, 511).unwrap();
        UnixStream::connect_addr(&UnixAddr::from_abstract_name(&name[1..]).unwrap()).unwrap();
        assert!(!Path::new(&name).exists());
        let wanted = ListenOptions { unixsocket: Some(name), ..ListenOptions::default() };
        assert_eq!(unix_path(&wanted), None);
    }

    #[test]
    fn a_capped_backlog_is_worth_a_warning() {
        let text = backlog_warning_for(511, "128\n").unwrap();
        assert_eq!(
            text,
            "WARNING: The TCP backlog setting of 511 cannot be enforced because /proc/sys/net/core/somaxconn is set to \
             the lower value of 128."
        );
        assert_eq!(backlog_warning_for(511, "511\n"), None);
        assert_eq!(backlog_warning_for(511, "garbage"), None);
    }
}
