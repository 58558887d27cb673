//! Accepting connections and handing them to the workers.

use super::handshake::Handshakes;
use super::listen::{self, ListenError, ListenOptions, Listener, Place, Service};
use super::worker::{Incoming, WorkerPool};
use std::io;
use std::sync::Arc;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

/// The sockets that are listened on. Dropping it stops listening.
pub struct Acceptor {
    options: ListenOptions,
    running: Vec<Running>,
    pool: Arc<WorkerPool>,
    handshakes: Arc<Handshakes>,
}

/// A listener, and the task that accepts from it.
struct Running {
    /// `None` for a Unix socket.
    place: Option<Place>,
    task: JoinHandle<()>,
}

impl Acceptor {
    /// Accepts on all listeners, which were made from `options`, in the runtime of the caller. Connections go to the
    /// workers, those for TLS after their handshake.
    ///
    /// # Errors
    /// If the system refuses to watch a listener.
    pub fn start(
        listeners: Vec<Listener>,
        options: ListenOptions,
        pool: &Arc<WorkerPool>,
        handshakes: &Arc<Handshakes>,
    ) -> io::Result<Acceptor> {
        let (pool, handshakes) = (pool.clone(), handshakes.clone());
        let mut acceptor = Acceptor { options, running: Vec::new(), pool, handshakes };
        for listener in listeners {
            match listener {
                Listener::Tcp(service, listener) => acceptor.add(service, listener)?,
                Listener::Unix(listener) => {
                    let task = tokio::spawn(accept_unix(UnixListener::from_std(listener)?, acceptor.pool.clone()));
                    acceptor.running.push(Running { place: None, task });
                }
            }
        }
        Ok(acceptor)
    }

    /// Listens on the TCP addresses of `options` instead of the present ones. What is in both stays open meanwhile.
    ///
    /// # Errors
    /// When one that is not optional cannot be bound, which is logged; then all is as before.
    pub async fn relisten(&mut self, options: ListenOptions) -> Result<(), ListenError> {
        let open: Vec<Place> = self.running.iter().filter_map(|running| running.place).collect();
        if listen::overlaps(&options, &open) {
            // They cannot be open side by side.
            return self.replace(options).await;
        }
        let (fresh, kept) = listen::bind_tcp_beside(&options, &open)?;
        self.close(|place| !kept.contains(&place)).await;
        self.add_all(fresh, &options)?;
        self.options = options;
        Ok(())
    }

    /// Closes everything first, and opens it again if what is wanted cannot be had.
    async fn replace(&mut self, options: ListenOptions) -> Result<(), ListenError> {
        self.close(|_| true).await;
        let outcome = listen::bind_tcp(&options).and_then(|fresh| self.add_all(fresh, &options));
        if outcome.is_ok() {
            self.options = options;
            return outcome;
        }
        self.close(|_| true).await;
        let old = self.options.clone();
        if let Err(error) = listen::bind_tcp(&old).and_then(|listeners| self.add_all(listeners, &old)) {
            tracing::warn!(%error, "cannot listen again where the server did before");
        }
        outcome
    }

    /// Closes the TCP listeners at the places that `unwanted` names.
    async fn close(&mut self, unwanted: impl Fn(Place) -> bool) {
        let (closing, running) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|running: &Running| running.place.is_some_and(&unwanted));
        self.running = running;
        for Running { task, .. } in closing {
            task.abort();
            // The listener is closed once its task is gone, which was asked for: no result is of interest.
            let _ = task.await;
        }
    }

    fn add_all(
        &mut self,
        listeners: Vec<(Service, std::net::TcpListener)>,
        options: &ListenOptions,
    ) -> Result<(), ListenError> {
        for (service, listener) in listeners {
            self.add(service, listener).map_err(|error| {
                tracing::warn!(%error, "a listener cannot be watched");
                let port = if service == Service::Tls { options.tls_port } else { options.port };
                ListenError::Tcp { port, service }
            })?;
        }
        Ok(())
    }

    fn add(&mut self, service: Service, listener: std::net::TcpListener) -> io::Result<()> {
        let place = Some((service, listener.local_addr()?));
        let listener = TcpListener::from_std(listener)?;
        let task = match service {
            Service::Plain => tokio::spawn(accept_tcp(listener, self.pool.clone())),
            Service::Tls => tokio::spawn(accept_tls(listener, self.handshakes.clone())),
        };
        self.running.push(Running { place, task });
        Ok(())
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.running.iter().for_each(|running| running.task.abort());
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

async fn accept_tls(listener: TcpListener, handshakes: Arc<Handshakes>) {
    loop {
        match listener.accept().await.and_then(|(stream, _)| stream.into_std()) {
            Ok(stream) => handshakes.begin(stream),
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
