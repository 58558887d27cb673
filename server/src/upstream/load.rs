//! The threads that write a snapshot to a file, or load it, while the link's task receives it.

use crate::persistence::file::{self, NewFile};
use crate::persistence::load::{Loading, crew, load, load_from};
use crate::scripting::Libraries;
use crate::server::Server;
use std::io::{self, BufRead, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Portions that may wait for a thread.
const PORTIONS_WAITING: usize = 64;

/// A thread that takes in portions of a snapshot.
pub(super) struct Consumer<T> {
    portions: mpsc::Sender<Vec<u8>>,
    outcome: oneshot::Receiver<Result<T, String>>,
}

impl<T: Send + 'static> Consumer<T> {
    /// Starts one that does that with them.
    pub(super) fn start(
        name: &str,
        work: impl FnOnce(Portions) -> Result<T, String> + Send + 'static,
    ) -> io::Result<Consumer<T>> {
        let (sender, receiver) = mpsc::channel(PORTIONS_WAITING);
        let (tell, outcome) = oneshot::channel();
        std::thread::Builder::new().name(name.into()).spawn(move || {
            crate::process::crash::prepare_thread();
            // Nobody listens where another primary is followed by now.
            let _ = tell.send(work(Portions { receiver, portion: Vec::new(), at: 0 }));
        })?;
        Ok(Consumer { portions: sender, outcome })
    }
    /// Hands it a portion; false if it takes no more.
    pub(super) async fn feed(&self, portion: Vec<u8>) -> bool {
        self.portions.send(portion).await.is_ok()
    }
    /// There is no more to come; the receiver of what came of it.
    pub(super) fn end(self) -> oneshot::Receiver<Result<T, String>> {
        self.outcome
    }
}

/// The portions as one source, which ends when there are no more to come.
pub(super) struct Portions {
    receiver: mpsc::Receiver<Vec<u8>>,
    portion: Vec<u8>,
    at: usize,
}

impl BufRead for Portions {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at >= self.portion.len() {
            match self.receiver.blocking_recv() {
                Some(portion) => (self.portion, self.at) = (portion, 0),
                None => return Ok(&[]),
            }
        }
        Ok(self.portion.get(self.at..).unwrap_or_default())
    }
    fn consume(&mut self, len: usize) {
        self.at = self.at.saturating_add(len);
    }
}

impl Read for Portions {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let waiting = self.fill_buf()?;
        let len = waiting.len().min(into.len());
        if let (Some(into), Some(from)) = (into.get_mut(..len), waiting.get(..len)) {
            into.copy_from_slice(from);
        }
        self.consume(len);
        Ok(len)
    }
}

/// Writes the portions to a file that has no lasting name yet.
pub(super) fn write(mut portions: Portions, temporary: &str, incremental: bool) -> Result<NewFile, String> {
    let mut written = || -> io::Result<NewFile> {
        let mut file = file::create(temporary, incremental)?;
        loop {
            let portion = portions.fill_buf()?;
            if portion.is_empty() {
                return Ok(file);
            }
            file.write_all(portion)?;
            let len = portion.len();
            portions.consume(len);
        }
    };
    written().map_err(|error| error.to_string())
}

/// Loads a snapshot into the store: from the file at the path, or from portions of it; or into the spares of its databases
/// and these libraries. The database that the stream is at which follows.
pub(super) fn run(
    server: &Arc<Server>,
    path: Option<PathBuf>,
    portions: Portions,
    bytes: u64,
    aside: Option<&Libraries>,
) -> Result<usize, String> {
    let _watch = server.watchdog.watch("load");
    let member = server.store.register();
    let mut target = crew(&member);
    let mut seen = 0;
    let mut look = |offset: u64| {
        let interval = u64::from(server.config().loading_process_events_interval_bytes);
        if offset.saturating_sub(seen) >= interval {
            seen = offset;
            member.publish_memory();
        }
        !server.shutdown.is_requested()
    };
    let loading = Loading { merge: false, aside, look: &mut look };
    let outcome = match path {
        Some(path) => load(server, &path, &mut target, loading).map(drop).map_err(|error| error.to_string()),
        None => {
            server.persistence.loading.begin(bytes);
            // What has expired is deleted by the primary.
            let loaded = load_from(server, portions, bytes, &mut target, loading, None);
            loaded.map(drop).map_err(|error| error.to_string())
        }
    };
    member.publish_memory();
    if let Err(why) = &outcome {
        tracing::warn!("Internal error in RDB reading: {why}");
    }
    outcome.map(|()| server.persistence.loading.stream_db.load(std::sync::atomic::Ordering::Relaxed))
}
