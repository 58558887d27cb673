//! Making the link, and keeping it up.

use super::link::Link;
use super::state::{Order, Stage};
use super::wire::Wire;
use crate::client::Origin;
use crate::net::{Connection, OnStack, Stream, TlsStream, Worker};
use crate::server::Server;
use ochre_replication::{Granted, Handshake, Heard, Introduction, Refused};
use ochre_tls::rustls::ClientConnection;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::net::{TcpSocket, TcpStream, lookup_host};

/// How long after a failure the next attempt comes, and how often the primary is told how far this one is.
const SECOND: Duration = Duration::from_secs(1);

/// Why there is no link. All of it is logged.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("Error condition on socket for SYNC: {0}")]
    Connect(io::Error),
    #[error("Timeout connecting to the MASTER...")]
    ConnectTimeout,
    #[error("Master did not respond to command during SYNC handshake: {0}")]
    Handshake(io::Error),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("I/O error reading bulk count from MASTER: {0}")]
    Header(io::Error),
    #[error(transparent)]
    Malformed(#[from] ochre_replication::Malformed),
    #[error("I/O error trying to sync with MASTER: {0}")]
    Transfer(io::Error),
    #[error(
        "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' parameter in \
         redis.conf to a larger value."
    )]
    TransferTimeout,
    #[error(
        "Write error or short write writing to the DB dump file needed for MASTER <-> REPLICA synchronization: {0}"
    )]
    File(io::Error),
    #[error("Failed trying to load the MASTER synchronization DB {0}: {1}")]
    Load(&'static str, String),
    #[error("another primary is to be followed")]
    Superseded,
}

/// Keeps up the link to whoever is to be followed, for as long as the process lives.
pub(crate) async fn follow(worker: Rc<Worker>) {
    let server = worker.server.clone();
    loop {
        let order = server.upstream.ordered().await;
        // The data set is loaded first when the process begins.
        if crate::persistence::is_loading(&server) {
            server.persistence.started(&server).await;
            continue;
        }
        let was_up = tokio::select! {
            () = server.upstream.superseded(order.number) => continue,
            was_up = attempt(&worker, &order) => was_up,
        };
        server.upstream.lost(&server, order.number);
        if was_up {
            continue;
        }
        tokio::select! {
            () = server.upstream.superseded(order.number) => {}
            () = tokio::time::sleep(SECOND) => {}
        }
    }
}

/// Makes the link and keeps it up until it ends; whether it was up.
async fn attempt(worker: &Rc<Worker>, order: &Order) -> bool {
    let server = &worker.server;
    match synchronise(worker, order).await {
        Ok(stream) => {
            carry(worker, order, stream).await;
            server.upstream.is_current(order.number)
        }
        Err(Failed::Superseded) => false,
        Err(Failed::Refused(refused @ Refused::Later(_))) => {
            tracing::info!("{refused}");
            false
        }
        Err(error) => {
            tracing::warn!("{error}");
            false
        }
    }
}

/// A link over which the stream is about to come.
pub(super) struct Ready {
    pub(super) wire: Wire,
    /// The database that it is at.
    pub(super) db: usize,
    /// Its primary wants to hear how far this one is.
    pub(super) acknowledges: bool,
    /// Its primary waits for that before it sends anything.
    pub(super) is_awaited: bool,
}

/// Connects, and does what has to be done until the stream can come.
async fn synchronise(worker: &Rc<Worker>, order: &Order) -> Result<Ready, Failed> {
    let server = &*worker.server;
    let reach = |stage| server.upstream.reach(server, order.number, stage);
    tracing::info!("Connecting to MASTER {}:{}", order.target.host, order.target.port);
    reach(Stage::Connecting);
    let mut wire = connect(worker, order).await?;
    reach(Stage::Handshake);
    tracing::info!("MASTER <-> REPLICA sync started");
    let has = server.upstream.can_continue().then(|| {
        let log = server.log.summary();
        (log.id, log.offset)
    });
    match shake_hands(server, &mut wire, has).await? {
        Granted::Continue(id) => {
            tracing::info!("Successful partial resynchronization with master.");
            let _guard = worker.member.party().lock_all().await;
            if !server.upstream.is_current(order.number) {
                return Err(Failed::Superseded);
            }
            server.log.go_on(server, order.number, id, crate::clock::unix_ms());
            let db = server.log.summary().db;
            Ok(Ready { wire, db, acknowledges: true, is_awaited: false })
        }
        Granted::Full(id, offset) => {
            tracing::info!("Full resync from master: {id}:{offset}");
            super::snapshot::take_in(worker, order, wire, Some((id, offset))).await
        }
        Granted::Old => super::snapshot::take_in(worker, order, wire, None).await,
    }
}

async fn connect(worker: &Worker, order: &Order) -> Result<Wire, Failed> {
    let server = &*worker.server;
    let config = server.config().clone();
    let patience = Duration::from_secs(config.repl_timeout.into());
    let host = &order.target.host;
    let open = async {
        let stream = open(host, order.target.port, &config.bind_source_addr).await?;
        // A socket that refuses it is slower, and serves all the same.
        let _ = stream.set_nodelay(true);
        if config.tls_replication { encrypt(server, stream, host).await } else { Ok(Stream::Tcp(stream)) }
    };
    let stream = tokio::time::timeout(patience, open).await;
    let stream = stream.map_err(|_| Failed::ConnectTimeout)?.map_err(Failed::Connect)?;
    tracing::info!("Non blocking connect for SYNC fired the event.");
    Ok(Wire::new(stream, patience, worker.stats.clone()))
}

/// Goes on by TLS. Who the primary is shows in its certificate, for which the authorities of the configuration vouch; as
/// elsewhere it need not bear the name that was connected to.
async fn encrypt(server: &Server, stream: TcpStream, host: &str) -> io::Result<Stream> {
    let config = server.tls.client_config().ok_or_else(|| io::Error::other("TLS is not configured"))?;
    let session = ClientConnection::new(config, ochre_tls::server_name(host)).map_err(io::Error::other)?;
    let mut stream = TlsStream::new(stream, Box::new(session.into()));
    poll_fn(|cx| stream.poll_handshake(cx)).await?;
    Ok(Stream::Tls(Box::new(stream)))
}

/// Connects to the first address of the host that accepts; from the address `from`, if there is one.
async fn open(host: &str, port: u16, from: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in lookup_host((host, port)).await? {
        match open_from(address, from).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn open_from(address: SocketAddr, from: &str) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if !from.is_empty() {
        let from = from.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(from, 0))?;
    }
    socket.connect(address).await
}

/// Introduces this process; what the primary is going to send.
async fn shake_hands(server: &Server, wire: &mut Wire, has: Option<(String, u64)>) -> Result<Granted, Failed> {
    let config = server.config().clone();
    let announced = config.replica_announce_port;
    let listening = u16::try_from(server.process.port.load(Relaxed)).unwrap_or(0);
    let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let introduction = Introduction {
        password: (!config.masterauth.is_empty()).then(|| config.masterauth.clone()),
        user: optional(&config.masteruser).map(String::into_bytes),
        port: if announced == 0 { listening } else { announced },
        address: optional(&config.replica_announce_ip),
        has: has.clone(),
    };
    match &has {
        Some((id, offset)) => {
            tracing::info!("Trying a partial resynchronization (request {id}:{}).", offset.saturating_add(1));
        }
        None => tracing::info!("Partial resynchronization not possible (no cached master)"),
    }
    let (mut handshake, mut words) = Handshake::begin(introduction);
    loop {
        wire.send(&words).await.map_err(Failed::Handshake)?;
        words.clear();
        while words.is_empty() {
            let line = wire.line().await.map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => Failed::ConnectTimeout,
                _ => Failed::Handshake(error),
            })?;
            match handshake.hear(&line)? {
                Heard::Nothing => {}
                Heard::Unknown(command, answer) => {
                    tracing::info!("(Non critical) Master does not understand {command}: {answer}");
                }
                Heard::Send(more) => words = more,
                Heard::SendSync(sync, answer) => {
                    tracing::info!("Master does not support PSYNC or is in error state (reply: {answer})");
                    tracing::info!("Retrying with SYNC...");
                    wire.send(&sync).await.map_err(Failed::Handshake)?;
                    return Ok(Granted::Old);
                }
                Heard::Granted(granted) => return Ok(granted),
            }
        }
    }
}

/// Has the stream executed for as long as the link lasts.
async fn carry(worker: &Rc<Worker>, order: &Order, ready: Ready) {
    let server = &worker.server;
    let Ready { wire, db, acknowledges, is_awaited } = ready;
    let addresses = |stream: &Stream| -> io::Result<Origin> {
        let tcp = stream.tcp().ok_or(io::ErrorKind::Unsupported)?;
        Ok(Origin {
            addr: tcp.peer_addr()?.to_string(),
            local_addr: tcp.local_addr()?.to_string(),
            ..Origin::default()
        })
    };
    // Where the socket is dead already, that shows at the first read.
    let origin = addresses(&wire.stream).unwrap_or_default();
    let connection = Connection::follow(worker, wire.stream, origin, wire.buffer, Link::new(order.number), db);
    let handle = connection.client.handle.clone();
    if !server.upstream.connected(server, order.number, &handle) {
        return;
    }
    let mut task = tokio::task::spawn_local(OnStack::new(worker.clone(), connection.run(worker.clone())));
    if is_awaited {
        server.upstream.acknowledge(server);
    }
    let (mut bytes_in, mut heard) = (handle.published.bytes_in.load(Relaxed), Instant::now());
    let mut seconds = tokio::time::interval(SECOND);
    loop {
        tokio::select! {
            _ = &mut task => break,
            _ = seconds.tick() => {}
        }
        let now = handle.published.bytes_in.load(Relaxed);
        if now != bytes_in {
            (bytes_in, heard) = (now, Instant::now());
            server.upstream.heard();
        } else if heard.elapsed() > Duration::from_secs(server.config().repl_timeout.into()) {
            tracing::warn!("MASTER timeout: no data nor PING received...");
            handle.kill();
            continue;
        }
        if acknowledges {
            server.upstream.acknowledge(server);
        }
    }
    if server.upstream.is_current(order.number) {
        tracing::warn!("Connection with master lost.");
        if acknowledges && server.upstream.can_continue() {
            tracing::info!("Caching the disconnected master state.");
        } else {
            // Where the stream has no offsets nobody can say where it is to go on.
            server.upstream.set_can_continue(false);
        }
    }
}
