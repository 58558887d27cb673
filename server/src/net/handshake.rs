//! TLS handshakes: off the workers, for they take a millisecond of computing, and as long as the client likes.

use super::tls_stream::TlsStream;
use super::worker::{Incoming, WorkerPool};
use crate::server::Server;
use ochre_tls::rustls::ServerConnection;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// Threads that do handshakes and hand what comes of them to the workers.
pub struct Handshakes {
    server: Arc<Server>,
    pool: Arc<WorkerPool>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Started with the first handshake.
    threads: Vec<Handle>,
    /// Those under way, the oldest first.
    pending: BTreeMap<u64, AbortHandle>,
    last: u64,
}

/// Most handshakes at a time: each may take some ten kilobytes. One more ends the oldest, so that clients that do not go on
/// keep nobody out.
const PENDING_MAX: usize = 4096;

impl Handshakes {
    /// For connections to `server`, which are served by `pool`.
    pub fn new(server: &Arc<Server>, pool: &Arc<WorkerPool>) -> Arc<Handshakes> {
        Arc::new(Handshakes { server: server.clone(), pool: pool.clone(), state: Mutex::default() })
    }

    /// Begins a handshake on an accepted connection; that it goes away is all it sees of a failure.
    pub fn begin(self: &Arc<Self>, stream: TcpStream) {
        let config = self.server.config();
        let mut state = self.state.lock();
        if self.server.clients.len() + state.pending.len() >= config.maxclients as usize {
            self.server.stats.rejected_handshakes.fetch_add(1, Relaxed);
            return;
        }
        if state.pending.len() >= PENDING_MAX
            && let Some((_, oldest)) = state.pending.pop_first()
        {
            oldest.abort();
        }
        if state.threads.is_empty() {
            match start_threads(config.workers().div_ceil(2)) {
                Ok(threads) => state.threads = threads,
                Err(error) => {
                    tracing::warn!(%error, "no thread for TLS handshakes");
                    return;
                }
            }
        }
        state.last += 1;
        let number = state.last;
        let Some(thread) = state.threads.get(number as usize % state.threads.len()) else { return };
        let this = self.clone();
        let task = thread.spawn(async move {
            let peer = stream.peer_addr();
            let outcome = this.run(stream).await;
            this.state.lock().pending.remove(&number);
            match outcome {
                Ok(incoming) => this.pool.hand_over(incoming),
                Err(error) => {
                    let peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
                    tracing::warn!("Error accepting a client connection: {error} (addr={peer})");
                }
            }
        });
        // The task cannot have removed itself yet: that takes the lock held here.
        state.pending.insert(number, task.abort_handle());
    }

    async fn run(&self, stream: TcpStream) -> io::Result<Incoming> {
        let Some(config) = self.server.tls.server_config() else {
            return Err(io::Error::other("TLS is not configured"));
        };
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        stream.set_nodelay(true)?;
        let mut stream = TlsStream::new(tokio::net::TcpStream::from_std(stream)?, Box::new(session.into()));
        let timeout = Duration::from_millis(self.server.config().tls_handshake_timeout.into());
        let handshake = poll_fn(|cx| stream.poll_handshake(cx));
        match tokio::time::timeout(timeout, handshake).await {
            Ok(done) => done?,
            Err(_) => return Err(io::Error::other("the TLS handshake took too long")),
        }
        let (stream, session) = stream.into_parts()?;
        Ok(Incoming::Tls(stream, session))
    }
}

fn start_threads(count: usize) -> io::Result<Vec<Handle>> {
    let mut threads = Vec::new();
    for index in 0..count {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        threads.push(runtime.handle().clone());
        std::thread::Builder::new().name(format!("handshakes-{index}")).spawn(move || {
            crate::process::crash::prepare_thread();
            runtime.block_on(std::future::pending::<()>());
        })?;
    }
    Ok(threads)
}
