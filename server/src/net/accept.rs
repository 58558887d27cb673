//! Accepting connections and handing them to the workers.

use super::listen::Listener;
use super::worker::{Incoming, WorkerPool};
use std::io;
use std::sync::Arc;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

/// The sockets that are listened on. Dropping it stops listening.
pub struct Acceptor {
    tasks: Vec<JoinHandle<()>>,
}

impl Acceptor {
    /// Accepts on all listeners, in the runtime of the caller.
    ///
    /// # Errors
    /// If the system refuses to watch a listener.
    pub fn start(listeners: Vec<Listener>, pool: &Arc<WorkerPool>) -> io::Result<Acceptor> {
        let mut tasks = Vec::new();
        for listener in listeners {
            let pool = pool.clone();
            tasks.push(match listener {
                Listener::Tcp(listener) => tokio::spawn(accept_tcp(TcpListener::from_std(listener)?, pool)),
                Listener::Unix(listener) => tokio::spawn(accept_unix(UnixListener::from_std(listener)?, pool)),
            });
        }
        Ok(Acceptor { tasks })
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn accept_tcp(listener: TcpListener, pool: Arc<WorkerPool>) {
    loop {
        match listener.accept().await.and_then(|(stream, _)| stream.into_std()) {
            Ok(stream) => pool.hand_over(Incoming::Tcp(stream)),
            Err(error) => after_failure(&error).await,
        }
    }
}

async fn accept_unix(listener: UnixListener, pool: Arc<WorkerPool>) {
    let path = listener.local_addr().ok().and_then(|addr| addr.as_pathname().map(|path| path.display().to_string()));
    let path = path.unwrap_or_default();
    loop {
        match listener.accept().await.and_then(|(stream, _)| stream.into_std()) {
            Ok(stream) => pool.hand_over(Incoming::Unix(stream, path.clone())),
            Err(error) => after_failure(&error).await,
        }
    }
}

/// A connection that went away costs nothing; without file descriptors, waiting is all that can be done.
async fn after_failure(error: &io::Error) {
    if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) {
        return;
    }
    tracing::warn!(%error, "Accepting client connection");
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
}
