//! Full synchronisations: which replicas wait for a snapshot, and what each is sent before the stream.
//!
//! A snapshot serves all who wait when it is cut. It goes to them as it is made, if all can tell its end by a mark, or into
//! the file of BGSAVE, which they are sent then.

use super::transfer::{Given, Transfer};
use crate::client::{ClientHandle, ReplicaSide, Signals};
use crate::net::{Output, Worker};
use crate::persistence::background::{self, NotStarted, Target};
use crate::persistence::{is_loading, save};
use crate::server::Server;
use ochre_persist::rdb::FileWriter;
use ochre_replication::ReplicaState;
use ochre_store::{Access, Effects, Txn};
use parking_lot::Mutex;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

/// Bytes that are handed to the output at once.
pub(crate) const PORTION: usize = 64 * 1024;

/// Replicas that wait for a snapshot, or are being sent one.
#[derive(Default)]
pub struct FullSync {
    waiting: Mutex<Vec<Waiting>>,
    /// Those whose snapshot is on its way into the file.
    for_file: Mutex<Vec<Arc<Delivery>>>,
    /// The file was made for replicas alone, and has not been sent to all of them.
    serves_replicas: AtomicBool,
}

struct Waiting {
    delivery: Arc<Delivery>,
    wants: Wants,
    since_ms: i64,
}

/// What a snapshot must be like to serve a replica.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wants {
    finds_end: bool,
    without_data: bool,
    without_functions: bool,
}

/// What one replica is sent before the stream.
pub(crate) struct Delivery {
    handle: Arc<ClientHandle>,
    /// It asked with PSYNC, and is told where the stream begins.
    is_told: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is sent first of all.
    head: Vec<u8>,
    body: Body,
}

#[derive(Default)]
enum Body {
    /// There is none yet.
    #[default]
    Awaited,
    /// As it is made; then this mark.
    Shared(Arc<Transfer>, [u8; 40]),
    /// So many bytes more of a file.
    File(File, u64),
    Whole {
        /// The replica has to say that it has seen the end before it can tell it from the stream.
        awaits_word: bool,
    },
    /// There is none.
    Failed,
}

/// What became of a look at a delivery.
pub(crate) enum Fed {
    /// The output has more, or is signalled when there is more.
    More,
    /// The replica has all of it.
    Whole {
        /// See [`put_online`](ochre_replication::Primary::put_online).
        awaits_word: bool,
    },
    Failed,
}

impl Wants {
    /// What a replica has said of itself.
    pub(crate) fn of(side: &ReplicaSide) -> Wants {
        let ReplicaSide { finds_end, without_data, without_functions, .. } = *side;
        Wants { finds_end, without_data, without_functions }
    }
    /// Whether the same snapshot serves both.
    fn agrees(self, other: Wants) -> bool {
        Wants { finds_end: true, ..self } == Wants { finds_end: true, ..other }
    }
}

impl FullSync {
    /// A replica waits from now on. `is_told`: it asked with PSYNC.
    pub(crate) fn wait(&self, handle: &Arc<ClientHandle>, wants: Wants, is_told: bool, now_ms: i64) -> Arc<Delivery> {
        let delivery = Arc::new(Delivery { handle: handle.clone(), is_told, state: Mutex::default() });
        self.waiting.lock().push(Waiting { delivery: delivery.clone(), wants, since_ms: now_ms });
        delivery
    }

    /// A replica has gone.
    pub(crate) fn leave(&self, server: &Server, delivery: &Arc<Delivery>) {
        self.waiting.lock().retain(|waiting| !Arc::ptr_eq(&waiting.delivery, delivery));
        let is_last = {
            let mut waiting = self.for_file.lock();
            let before = waiting.len();
            waiting.retain(|other| !Arc::ptr_eq(other, delivery));
            before > 0 && waiting.is_empty()
        };
        if is_last
            && server.config().save.is_empty()
            && let Some(running) = server.persistence.running()
        {
            tracing::info!("The last replica that waits for the RDB file has gone: it is not made");
            running.cancel();
        }
        if let Body::Shared(transfer, _) = &delivery.state.lock().body {
            transfer.leave(delivery.handle.id);
        }
    }

    /// The file is written, or it is not going to be.
    pub(crate) fn saved(&self, server: &Server, is_good: bool) {
        let deliveries = std::mem::take(&mut *self.for_file.lock());
        for delivery in deliveries {
            let opened = if is_good { open(Path::new(&server.config().dbfilename)) } else { Err(no_snapshot()) };
            match opened {
                Ok((file, bytes)) => {
                    let now_ms = crate::clock::unix_ms();
                    server.log.set_state(server, delivery.handle.id, ReplicaState::SendSnapshot, now_ms);
                    delivery.give(format!("${bytes}\r\n").as_bytes(), Body::File(file, bytes));
                }
                Err(error) => {
                    tracing::warn!("SYNC failed. There is no snapshot for {}: {error}", delivery.handle.addr);
                    delivery.give(b"", Body::Failed);
                }
            }
        }
    }

    /// Says to those whose snapshot takes long that the connection stands. To be called about once a second.
    pub(crate) fn tick(&self, server: &Server) {
        for waiting in self.waiting.lock().iter() {
            waiting.delivery.give_head(b"\n");
        }
        for delivery in self.for_file.lock().iter() {
            delivery.give_head(b"\n");
        }
        self.remove_file(server);
    }

    /// Removes a file that only served replicas, if that is wanted and all have it.
    fn remove_file(&self, server: &Server) {
        if !self.serves_replicas.load(SeqCst) {
            return;
        }
        let config = server.config();
        let needed = |state| matches!(state, ReplicaState::WaitSnapshot | ReplicaState::SendSnapshot);
        if server.log.summary().replicas.iter().any(|info| needed(info.replica.state)) {
            return;
        }
        self.serves_replicas.store(false, SeqCst);
        if config.rdb_del_sync_files && !config.appendonly && !save::is_wanted(server) {
            let path = &config.dbfilename;
            tracing::info!("Removing the RDB file {path} used to feed replicas in a persistence-less instance");
            if let Err(error) = std::fs::remove_file(path) {
                tracing::warn!("Cannot remove {path}: {error}");
            }
        }
    }

    /// Whether a snapshot for those who wait is due, and nothing stands in its way.
    fn is_due(&self, server: &Server, now_ms: i64) -> bool {
        let waiting = self.waiting.lock();
        let Some(first) = waiting.first() else { return false };
        if server.persistence.running().is_some() || server.store.has_snapshot() || is_loading(server) {
            return false;
        }
        let config = server.config();
        let (delay_s, enough) = (config.repl_diskless_sync_delay, config.repl_diskless_sync_max_replicas as usize);
        let goes_direct = config.repl_diskless_sync && waiting.iter().all(|waiting| waiting.wants.finds_end);
        !goes_direct || now_ms - first.since_ms >= i64::from(delay_s) * 1000 || (enough > 0 && waiting.len() >= enough)
    }

    /// Takes those who are served by the same snapshot as the first who waits.
    fn take_group(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock();
        let Some(wants) = waiting.first().map(|first| first.wants) else { return Vec::new() };
        let (group, others) = waiting.drain(..).partition(|waiting| waiting.wants.agrees(wants));
        *waiting = others;
        group
    }
}

/// Begins the next snapshot if one is due. To be called from time to time by one worker.
pub(crate) async fn look(worker: &Worker) {
    let server = &worker.server;
    if !server.full_sync.is_due(server, crate::clock::unix_ms()) {
        return;
    }
    let mut guard = worker.member.party().lock_all().await;
    worker.begin_batch();
    let mut effects = Effects::default();
    let mut txn = Txn::new(&server.store, &mut guard, worker.clock(), &mut effects, Access::default());
    begin_if_due(server, &mut txn);
}

/// Begins the next snapshot if one is due; `txn` holds all shards.
pub(crate) fn begin_if_due(server: &Server, txn: &mut Txn<'_>) {
    let now_ms = crate::clock::unix_ms();
    if !server.full_sync.is_due(server, now_ms) {
        return;
    }
    let group = server.full_sync.take_group();
    match begin(server, txn, &group) {
        Ok(()) => {}
        Err(NotStarted::Busy) => {
            let mut waiting = server.full_sync.waiting.lock();
            waiting.splice(0..0, group);
        }
        Err(NotStarted::Failed) => {
            tracing::warn!("SYNC failed. There can be no snapshot");
            group.iter().for_each(|waiting| waiting.delivery.give(b"", Body::Failed));
        }
    }
}

/// Begins the snapshot of a group.
fn begin(server: &Server, txn: &mut Txn<'_>, group: &[Waiting]) -> Result<(), NotStarted> {
    let config = server.config();
    let Some(wants) = group.first().map(|waiting| waiting.wants) else { return Ok(()) };
    let deliveries = || group.iter().map(|waiting| &waiting.delivery);
    if wants.without_data {
        let mark = mark();
        let bytes = without_data(server, wants).map_err(|_| NotStarted::Failed)?;
        tell(server, deliveries());
        for delivery in deliveries() {
            let head = [b"$EOF:", &mark[..], b"\r\n", &bytes, &mark].concat();
            delivery.give(&head, Body::Whole { awaits_word: true });
        }
        return Ok(());
    }
    if config.repl_diskless_sync && group.iter().all(|waiting| waiting.wants.finds_end) {
        tracing::info!("Starting BGSAVE for SYNC with target: replicas sockets");
        let shared = server.shared();
        let patience = move || {
            let timeout_s = shared.as_ref().map_or(0, |server| server.config().repl_timeout);
            Duration::from_secs(timeout_s.into())
        };
        let transfer = Transfer::new(deliveries().map(|delivery| delivery.handle.clone()), patience);
        background::start_for(server, txn, Target::Replicas(transfer.clone()))?;
        tell(server, deliveries());
        let mark = mark();
        for delivery in deliveries() {
            let head = [b"$EOF:", &mark[..], b"\r\n"].concat();
            delivery.give(&head, Body::Shared(transfer.clone(), mark));
        }
        return Ok(());
    }
    tracing::info!("Starting BGSAVE for SYNC with target: disk");
    // Whoever ends the save finds them.
    server.full_sync.for_file.lock().extend(deliveries().cloned());
    if let Err(error) = background::start(server, txn) {
        server.full_sync.for_file.lock().clear();
        return Err(error);
    }
    server.full_sync.serves_replicas.store(true, SeqCst);
    tell(server, deliveries());
    Ok(())
}

/// The stream begins at this moment for these: they are told, if they understand it.
fn tell<'d>(server: &Server, deliveries: impl Iterator<Item = &'d Arc<Delivery>>) {
    for delivery in deliveries {
        let (id, offset) = server.log.begin_snapshot(delivery.handle.id);
        if delivery.is_told {
            delivery.give_head(format!("+FULLRESYNC {id} {offset}\r\n").as_bytes());
        }
    }
}

/// A file without keys.
fn without_data(server: &Server, wants: Wants) -> Result<Vec<u8>, ochre_persist::rdb::WriteError> {
    let mut extras = save::extras(server);
    if wants.without_functions {
        extras.functions.clear();
    }
    let mut file = FileWriter::new(Vec::new(), save::settings(server, &server.config()))?;
    file.extras(&extras)?;
    file.finish()
}

/// What ends a snapshot whose length is not announced.
fn mark() -> [u8; 40] {
    let mut mark = [b'0'; 40];
    for (byte, digit) in mark.iter_mut().zip(crate::random::run_id().bytes()) {
        *byte = digit;
    }
    mark
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

fn no_snapshot() -> io::Error {
    io::Error::other("the save failed")
}

impl Delivery {
    /// Sends something before anything else.
    fn give_head(&self, head: &[u8]) {
        self.state.lock().head.extend_from_slice(head);
        self.handle.signal(Signals::OUTBOX);
    }

    fn give(&self, head: &[u8], body: Body) {
        {
            let mut state = self.state.lock();
            state.head.extend_from_slice(head);
            state.body = body;
        }
        self.handle.signal(Signals::OUTBOX);
    }

    /// Puts what comes next into an output that is empty.
    pub(crate) fn feed(&self, output: &mut Output) -> Fed {
        let mut state = self.state.lock();
        if !state.head.is_empty() {
            output.append(&std::mem::take(&mut state.head));
            return Fed::More;
        }
        match &mut state.body {
            Body::Awaited => Fed::More,
            Body::Whole { awaits_word } => Fed::Whole { awaits_word: *awaits_word },
            Body::Failed => Fed::Failed,
            Body::File(_, 0) => Fed::Whole { awaits_word: false },
            Body::File(file, left) => match output.append_with(|bytes| read_some(file, *left, bytes)) {
                Ok(read) => {
                    *left -= read;
                    Fed::More
                }
                Err(error) => {
                    tracing::warn!("Read error sending DB to replica: {error}");
                    Fed::Failed
                }
            },
            Body::Shared(transfer, mark) => match transfer.give(self.handle.id) {
                Given::Piece(piece) => {
                    output.append(&piece);
                    Fed::More
                }
                Given::Nothing => Fed::More,
                Given::Whole => {
                    output.append(mark);
                    let addr = &self.handle.addr;
                    tracing::info!(
                        "Streamed replica with replica {addr} succeeded (socket). Waiting for REPLCONF ACK from replica \
                         to enable streaming"
                    );
                    state.body = Body::Whole { awaits_word: true };
                    Fed::More
                }
                Given::Failed => Fed::Failed,
            },
        }
    }
}

/// Appends the next portion of what is left of a file; how many bytes.
fn read_some(file: &mut File, left: u64, into: &mut Vec<u8>) -> io::Result<u64> {
    let read = file.take(left.min(PORTION as u64)).read_to_end(into)? as u64;
    if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
}
