//! The log itself, and those who read it.

use super::{Reach, Unit};
use crate::aof::Tail;
use crate::client::{ClientHandle, ClientKind, Signals};
use crate::config::Config;
use crate::persistence::load::ExpiredStream;
use crate::server::{Attention, Server};
use ochre_replication::{Backlog, Primary, Progress, Replica, ReplicaState, Settings, SyncAnswer};
use ochre_resp::encode_command;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Whether the commands of a unit are made a transaction where they are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrap {
    /// They belong together.
    Several,
    /// Each stands for itself: what expired or was evicted.
    Never,
}

/// What every unit has changed, in order, for those who read it.
pub struct Log {
    state: Mutex<State>,
    /// Bytes allocated for the stream.
    allocated: AtomicU64,
    /// Those of them that are there for replicas alone: beyond what is to be kept anyway.
    for_replicas: AtomicU64,
    /// Bytes allocated for what is to be appended to the append-only file.
    for_file: AtomicU64,
}

struct State {
    primary: Primary,
    /// The clients that are replicas, by their ids.
    handles: HashMap<u64, Arc<ClientHandle>>,
    /// The database that the replicas are at; none: they have to be told.
    selected: Option<usize>,
    /// The database that the stream is at which this process follows.
    followed_db: usize,
    /// The order by which it does so; none: nothing comes.
    followed: Option<u64>,
    settings: Settings,
    settings_version: u64,
    /// Where a unit is encoded.
    encoded: Vec<u8>,
    /// What is appended to the append-only file; none while there is none.
    tail: Option<Tail>,
    /// Bytes that were ever appended to it.
    appended: u64,
}

/// Where the log ends.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct End {
    /// The offset of the replicas' stream.
    pub(crate) offset: u64,
    /// Bytes that were ever appended to the append-only file.
    pub(crate) appended: u64,
}

/// A replica as others see it.
pub struct ReplicaInfo {
    /// The id of its client.
    pub client: u64,
    /// What is known of it.
    pub replica: Replica,
}

/// The log as INFO shows it.
pub struct Summary {
    /// The name of the history.
    pub id: String,
    /// The name that it had before, and up to which offset.
    pub previous: Option<(String, u64)>,
    /// Bytes of the stream so far.
    pub offset: u64,
    /// The database that the stream is at, where it is another's.
    pub db: usize,
    /// Offset of the first byte that is kept, and how many are; none: nobody has asked for the stream.
    pub backlog: Option<(u64, u64)>,
    /// Bytes allocated for what is kept.
    pub allocated: usize,
    /// The replicas in the order in which they came.
    pub replicas: Vec<ReplicaInfo>,
}

impl Log {
    /// An empty one; `id` names the history.
    pub fn new(id: String, config: &Config) -> Log {
        Log {
            state: Mutex::new(State {
                primary: Primary::new(id),
                handles: HashMap::new(),
                selected: None,
                followed_db: 0,
                followed: None,
                settings: settings(config),
                settings_version: 0,
                encoded: Vec::new(),
                tail: None,
                appended: 0,
            }),
            allocated: AtomicU64::new(0),
            for_replicas: AtomicU64::new(0),
            for_file: AtomicU64::new(0),
        }
    }

    /// Bytes allocated for the stream, and of these the ones that are there for replicas alone: no key has to go for memory
    /// that only slow replicas take.
    pub fn allocated(&self) -> (u64, u64) {
        (self.allocated.load(Relaxed), self.for_replicas.load(Relaxed))
    }

    /// Bytes allocated for what is to be appended to the append-only file.
    pub fn allocated_for_file(&self) -> u64 {
        self.for_file.load(Relaxed)
    }

    /// Bytes of the stream in the connections of replicas.
    pub fn in_connections(&self, server: &Server) -> u64 {
        if server.attention.get() & Attention::PROPAGATES == 0 {
            return 0;
        }
        let state = self.state.lock();
        state.handles.values().map(|handle| handle.published.output_allocated.load(Relaxed)).sum()
    }

    /// Shows others what is allocated. That less is there for replicas is shown once it is known to be free, or keys would
    /// have to go for it meanwhile.
    fn note(&self, server: &Server, state: &State) {
        let allocated = state.primary.backlog().map_or(0, Backlog::allocated) as u64;
        let for_replicas = allocated.saturating_sub(state.settings.backlog_bytes);
        if for_replicas < self.for_replicas.load(Relaxed) {
            server.store.publish_memory();
        }
        self.allocated.store(allocated, Relaxed);
        self.for_replicas.store(for_replicas, Relaxed);
    }

    /// Appends a unit whose locks are held; the end of the log then.
    pub(super) fn append(&self, server: &Server, unit: &Unit, wrap: Wrap) -> End {
        let mut state = self.state.lock();
        let State { selected, encoded, primary, tail, appended, .. } = &mut *state;
        let wraps = wrap == Wrap::Several;
        if let Some(tail) = tail {
            let before = tail.pending.len();
            if server.config().aof_timestamp_enabled {
                annotate(tail);
            }
            unit.write(Reach::All, wraps, &mut tail.selected, &mut tail.pending);
            *appended += (tail.pending.len() - before) as u64;
            self.for_file.store(tail.pending.capacity() as u64, Relaxed);
        }
        // What a replica changes by itself stays with it.
        if primary.is_recording() && !primary.follows() {
            encoded.clear();
            unit.write(Reach::Replicas, wraps, selected, encoded);
            state.feed(server);
            self.note(server, &state);
        }
        let (end, appends) = (state.end(), state.tail.is_some());
        drop(state);
        if appends {
            server.aof.wake_for_unit(server);
        }
        end
    }

    /// Where it ends.
    pub(crate) fn end(&self) -> End {
        self.state.lock().end()
    }

    /// From now on units are appended to the append-only file, which begins anew; or are not any more.
    pub(crate) fn set_appends(&self, server: &Server, appends: bool) {
        let mut state = self.state.lock();
        state.tail = appends.then(Tail::default);
        state.publish(server);
    }

    /// Has the append-only file begin with the database that commands are about: what comes goes to another file.
    pub(crate) fn begin_file(&self) {
        if let Some(tail) = &mut self.state.lock().tail {
            tail.selected = None;
        }
    }

    /// Whether something was appended that was not taken.
    pub(crate) fn has_appended(&self) -> bool {
        self.state.lock().tail.as_ref().is_some_and(|tail| !tail.pending.is_empty())
    }

    /// Bytes that were appended and not taken.
    pub fn appended_len(&self) -> usize {
        self.state.lock().tail.as_ref().map_or(0, |tail| tail.pending.len())
    }

    /// Moves what was appended to the end of `into`; where it ends. None: nothing is appended at all.
    pub(crate) fn take_appended(&self, into: &mut Vec<u8>) -> Option<End> {
        let mut state = self.state.lock();
        let end = state.end();
        let tail = state.tail.as_mut()?;
        if into.is_empty() {
            std::mem::swap(into, &mut tail.pending);
        } else {
            into.append(&mut tail.pending);
        }
        self.for_file.store(tail.pending.capacity() as u64, Relaxed);
        Some(end)
    }

    /// The end of the replicas' stream.
    pub fn offset(&self) -> u64 {
        self.state.lock().primary.offset()
    }

    /// Decides what a replica gets that has the stream of the history `id` up to an offset, and attaches it.
    pub fn attach(
        &self,
        server: &Server,
        handle: &Arc<ClientHandle>,
        has: Option<(&str, u64)>,
        replica: Replica,
    ) -> SyncAnswer {
        let mut state = self.state.lock();
        state.see_settings(server);
        let first = !state.primary.is_recording();
        if first && !state.primary.follows() {
            // Nothing that was ever recorded under the old name is known to anybody.
            state.primary.set_id(crate::random::run_id());
        }
        let answer = state.primary.answer(has);
        state.primary.attach(handle.id, answer, replica);
        state.handles.insert(handle.id, handle.clone());
        state.publish(server);
        answer
    }

    /// The snapshot of a replica shows this moment, at which all shards are locked: the name of the history, and where the
    /// stream goes on.
    pub(crate) fn begin_snapshot(&self, client: u64) -> (String, u64) {
        let mut state = self.state.lock();
        state.selected = None;
        state.primary.begin_snapshot(client);
        (state.primary.id().to_owned(), state.primary.offset())
    }

    /// A replica has gone, and has given its memory back.
    pub fn detach(&self, server: &Server, client: u64, now_ms: i64) {
        self.give_up(server, client, now_ms);
        let mut state = self.state.lock();
        server.store.publish_memory();
        state.handles.remove(&client);
    }

    /// A replica is to go: nothing is kept for it from now on.
    pub fn give_up(&self, server: &Server, client: u64, now_ms: i64) {
        let mut state = self.state.lock();
        state.see_settings(server);
        let settings = state.settings;
        state.primary.detach(client, now_ms, &settings);
        self.note(server, &state);
        drop(state);
        self.judge(server, now_ms);
        server.shutdown.replica_moved();
    }

    /// How many replicas are in touch, if that matters for writes.
    pub fn good_replicas(&self, server: &Server, now_ms: i64) -> Option<usize> {
        let config = server.config();
        let matters = config.min_replicas_to_write > 0 && config.min_replicas_max_lag > 0 && !server.upstream.is_set();
        matters.then(|| self.state.lock().primary.good(now_ms, i64::from(config.min_replicas_max_lag) * 1000))
    }

    /// Has the dispatcher refuse writes while too few replicas are in touch. To be called whenever that may have changed.
    pub(crate) fn judge(&self, server: &Server, now_ms: i64) {
        let wanted = server.config().min_replicas_to_write as usize;
        let refuses = self.good_replicas(server, now_ms).is_some_and(|good| good < wanted);
        if refuses != (server.attention.get() & Attention::TOO_FEW_REPLICAS != 0) {
            server.attention.set(Attention::TOO_FEW_REPLICAS, refuses);
            server.bump_gate_epoch();
        }
    }

    /// Hands a replica some more of the stream; how many bytes. None: it is signalled when there is more.
    pub(crate) fn read(&self, client: u64, len_max: usize, into: &mut Vec<u8>) -> usize {
        self.state.lock().primary.read(client, len_max, into)
    }

    /// A replica is at this point.
    pub(crate) fn set_state(&self, server: &Server, client: u64, replica: ReplicaState, now_ms: i64) {
        self.state.lock().primary.set_state(client, replica, now_ms);
        self.judge(server, now_ms);
    }

    /// A replica has been sent its snapshot: see [`Primary::put_online`].
    pub(crate) fn put_online(&self, server: &Server, client: u64, awaits_word: bool, now_ms: i64) {
        self.state.lock().primary.put_online(client, awaits_word, now_ms);
        self.judge(server, now_ms);
    }

    /// A replica says how far it has come; whether it is one.
    pub fn acknowledge(&self, client: u64, progress: Progress, now_ms: i64) -> bool {
        let mut state = self.state.lock();
        let State { primary, handles, .. } = &mut *state;
        primary.acknowledge(client, progress, now_ms, || {
            if let Some(handle) = handles.get(&client) {
                handle.signal(Signals::OUTBOX);
            }
        })
    }

    /// How many replicas have applied the stream up to an offset.
    pub fn acknowledged(&self, offset: u64) -> usize {
        self.state.lock().primary.acknowledged(offset)
    }

    /// How many replicas have the stream on their disks up to an offset.
    pub fn durable(&self, offset: u64) -> usize {
        self.state.lock().primary.durable(offset)
    }

    /// Whether some replica does not have all there is.
    pub(crate) fn has_lagging_replicas(&self) -> bool {
        let state = self.state.lock();
        let offset = state.primary.offset();
        state.primary.replicas().any(|(_, replica)| replica.acked != offset)
    }

    /// Asks all replicas how far they have come.
    pub fn ask_for_acknowledgements(&self, server: &Server) {
        self.state.lock().say(server, &["REPLCONF", "GETACK", "*"]);
    }

    /// What passes with time: to be called about once a second.
    pub(crate) fn tick(&self, server: &Server, now_ms: i64) {
        let mut state = self.state.lock();
        state.see_settings(server);
        let settings = state.settings;
        let tick = state.primary.tick(now_ms, &settings);
        for handle in tick.timed_out.iter().filter_map(|client| state.handles.get(client)) {
            tracing::warn!("Disconnecting timedout replica (streaming sync): {}", handle.addr);
            handle.kill();
        }
        tick.over_limit
            .iter()
            .filter_map(|client| state.handles.get(client))
            .for_each(|handle| close_over_limit(handle));
        // A replica does not hear of anything while clients are paused.
        if tick.ping && server.pause.in_force(now_ms).is_none() {
            state.say(server, &["PING"]);
        }
        if tick.history_ends {
            state.primary.set_id(crate::random::run_id());
            state.publish(server);
            let seconds = server.config().repl_backlog_ttl;
            tracing::info!("Replication backlog freed after {seconds} seconds without connected replicas.");
        }
        self.note(server, &state);
        drop(state);
        self.judge(server, now_ms);
    }

    /// What INFO and ROLE show.
    pub fn summary(&self) -> Summary {
        let state = self.state.lock();
        let backlog = state.primary.backlog();
        Summary {
            id: state.primary.id().to_owned(),
            previous: state.primary.previous().map(|(id, offset)| (id.to_owned(), offset)),
            db: state.followed_db,
            offset: state.primary.offset(),
            backlog: backlog.map(|backlog| (backlog.begin(), backlog.len())),
            allocated: backlog.map_or(0, Backlog::allocated),
            replicas: state
                .primary
                .replicas()
                .map(|(client, replica)| ReplicaInfo { client, replica: replica.clone() })
                .collect(),
        }
    }
}

/// What a process does that follows another's stream.
impl Log {
    /// The stream is another's from now on. To be called with all shards locked, as the others here.
    pub(crate) fn begin_following(&self, server: &Server, now_ms: i64) {
        let mut state = self.state.lock();
        if !state.primary.follows() {
            state.followed_db = state.selected.unwrap_or(0);
        }
        state.followed = None;
        state.primary.set_follows(true, now_ms);
        state.publish(server);
    }

    /// The stream is this process's own from now on, under that name. Replicas have to come again to hear of it.
    pub(crate) fn lead(&self, server: &Server, id: String, now_ms: i64) {
        let mut state = self.state.lock();
        state.primary.rename(id);
        state.primary.set_follows(false, now_ms);
        (state.followed, state.selected) = (None, None);
        state.disconnect(now_ms);
        state.publish(server);
    }

    /// Takes up the history of a primary, all of whose data have come, at an offset and a database; by this order.
    pub(crate) fn take_up(&self, server: &Server, order: u64, history: (String, u64), db: usize, now_ms: i64) {
        let mut state = self.state.lock();
        let (id, offset) = history;
        state.disconnect(now_ms);
        state.followed = Some(order);
        state.primary.take_up(id, offset);
        state.followed_db = db;
        state.publish(server);
    }

    /// The data are those of a history at an offset and a database, of which a file has told: a replica goes on there, and a
    /// primary lets replicas go on.
    pub(crate) fn recall(&self, server: &Server, id: String, offset: u64, db: usize, now_ms: i64) {
        let mut state = self.state.lock();
        let own = state.primary.id().to_owned();
        state.primary.take_up(id, offset);
        if state.primary.follows() {
            state.followed_db = db;
        } else {
            state.primary.rename(own);
            state.primary.detach_all(now_ms);
        }
        state.publish(server);
    }

    /// What had expired before the file was read is gone, as replicas are told that go on with its stream.
    pub(crate) fn add_expired(&self, server: &Server, expired: &ExpiredStream) {
        let mut state = self.state.lock();
        if state.primary.follows() || expired.len == 0 {
            return;
        }
        state.selected = expired.db;
        if expired.bytes.is_empty() {
            // Of more than is kept nothing is of use.
            let offset = state.primary.offset().saturating_add(expired.len);
            state.primary.skip_to(offset);
        } else {
            state.encoded.clear();
            state.encoded.extend_from_slice(&expired.bytes);
            state.feed(server);
        }
        self.note(server, &state);
    }

    /// The name of the history, its end, and the database it is at; nothing where there is nobody who could go on there.
    pub(crate) fn position(&self) -> Option<(String, u64, usize)> {
        let state = self.state.lock();
        let db = if state.primary.follows() { state.followed_db } else { state.selected.unwrap_or(0) };
        state.primary.is_recording().then(|| (state.primary.id().to_owned(), state.primary.offset(), db))
    }

    /// Goes on with what it has of the history, which has another name now if the primary says one; by this order.
    pub(crate) fn go_on(&self, server: &Server, order: u64, id: Option<String>, now_ms: i64) {
        let mut state = self.state.lock();
        state.followed = Some(order);
        if let Some(id) = id.filter(|id| id != state.primary.id()) {
            tracing::warn!("Master replication ID changed to {id}");
            state.primary.rename(id);
            state.disconnect(now_ms);
        }
        state.primary.record();
        state.publish(server);
    }

    /// Closes the connections of all replicas.
    pub(crate) fn disconnect_replicas(&self, now_ms: i64) {
        self.state.lock().disconnect(now_ms);
    }

    /// What was executed of the stream that is followed by that order becomes part of the own one. `db` is the one it is at.
    pub(crate) fn follow(&self, server: &Server, order: u64, bytes: &[u8], db: usize) {
        let mut state = self.state.lock();
        if state.followed == Some(order) {
            state.encoded.clear();
            state.encoded.extend_from_slice(bytes);
            state.followed_db = db;
            state.feed(server);
            self.note(server, &state);
        }
    }
}

/// Notes the time, once a second.
fn annotate(tail: &mut Tail) {
    let now_s = crate::clock::unix_ms() / 1000;
    if tail.annotated_s < now_s {
        tail.annotated_s = now_s;
        tail.pending.extend_from_slice(format!("#TS:{now_s}\r\n").as_bytes());
    }
}

impl State {
    fn disconnect(&mut self, now_ms: i64) {
        self.primary.detach_all(now_ms);
        self.handles.drain().for_each(|(_, handle)| handle.kill());
    }
    fn end(&self) -> End {
        End { offset: self.primary.offset(), appended: self.appended }
    }
    /// Has units recorded exactly while somebody reads them.
    fn publish(&self, server: &Server) {
        let has_replicas = self.primary.is_recording() && !self.primary.follows();
        server.attention.set(Attention::PROPAGATES, self.tail.is_some() || has_replicas);
    }
    /// Adds what was encoded to the stream.
    fn feed(&mut self, server: &Server) {
        self.see_settings(server);
        let State { primary, handles, encoded, settings, .. } = self;
        let over_limit = primary.append(encoded, settings, |client| {
            if let Some(handle) = handles.get(&client) {
                handle.signal(Signals::OUTBOX);
            }
        });
        over_limit.iter().filter_map(|client| handles.get(client)).for_each(|handle| close_over_limit(handle));
        encoded.shrink_to(64 * 1024);
    }
    /// Tells the replicas something that is no change.
    fn say(&mut self, server: &Server, words: &[&str]) {
        if self.primary.replicas_len() > 0 && !self.primary.follows() {
            self.encoded.clear();
            encode_command(&mut self.encoded, words);
            self.feed(server);
        }
    }
    fn see_settings(&mut self, server: &Server) {
        let version = server.config_version();
        if self.settings_version != version {
            self.settings_version = version;
            self.settings = settings(&server.config());
        }
    }
}

fn close_over_limit(handle: &ClientHandle) {
    if !handle.is_killed() {
        let (id, addr) = (handle.id, &handle.addr);
        tracing::warn!(
            "Client id={id} addr={addr} scheduled to be closed ASAP for overcoming of output buffer limits."
        );
        handle.kill();
    }
}

fn settings(config: &Config) -> Settings {
    let limit = config.output_limit(ClientKind::Replica);
    Settings {
        backlog_bytes: config.repl_backlog_size,
        backlog_ttl_ms: (config.repl_backlog_ttl > 0)
            .then(|| i64::try_from(config.repl_backlog_ttl).unwrap_or(i64::MAX).saturating_mul(1000)),
        ping_period_ms: i64::from(config.repl_ping_replica_period) * 1000,
        timeout_ms: i64::from(config.repl_timeout) * 1000,
        // What is kept for replicas that come back costs nothing more when it waits for one that is there.
        waiting_max: if limit.hard == 0 { 0 } else { limit.hard.max(config.repl_backlog_size) },
        soft_waiting_max: if limit.soft == 0 { 0 } else { limit.soft.max(config.repl_backlog_size) },
        soft_ms: i64::from(limit.soft_seconds) * 1000,
    }
}
