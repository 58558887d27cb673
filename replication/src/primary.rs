//! The primary's side of replication: the stream, who reads it, and how far each has come.

use crate::backlog::Backlog;
use std::collections::BTreeMap;

/// What the operator has set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of the stream that are kept for replicas that come back.
    pub backlog_bytes: u64,
    /// Milliseconds for which they are kept while there is no replica; `None`: for ever.
    pub backlog_ttl_ms: Option<i64>,
    /// Milliseconds between two pings.
    pub ping_period_ms: i64,
    /// Milliseconds after which a replica that says nothing is given up.
    pub timeout_ms: i64,
    /// Bytes that may wait for a replica; 0: any number.
    pub waiting_max: u64,
    /// Bytes that may wait for a replica for no longer than `soft_ms`; 0: any number.
    pub soft_waiting_max: u64,
    /// See `soft_waiting_max`.
    pub soft_ms: i64,
}

/// How far a replica has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaState {
    /// Its snapshot is to be begun.
    WaitStart,
    /// Its snapshot is being made.
    WaitSnapshot,
    /// Its snapshot is being sent.
    SendSnapshot,
    /// It is sent the stream.
    Online,
}

impl ReplicaState {
    /// The name INFO has for it.
    pub fn name(self) -> &'static str {
        match self {
            ReplicaState::WaitStart | ReplicaState::WaitSnapshot => "wait_bgsave",
            ReplicaState::SendSnapshot => "send_bulk",
            ReplicaState::Online => "online",
        }
    }
}

/// A replica that is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its address.
    pub ip: String,
    /// The port it serves at; 0 if it has not said.
    pub port: u16,
    /// How far it has come.
    pub state: ReplicaState,
    /// It never says how far it has come (SYNC), so that its silence means nothing.
    pub is_silent: bool,
    /// Offset up to which the stream was handed out to it.
    pub sent: u64,
    /// Offset up to which it says it has applied the stream.
    pub acked: u64,
    /// Offset up to which it says its disk has the stream.
    pub acked_durable: u64,
    /// When it last said so, in Unix milliseconds.
    pub acked_ms: i64,
    /// It gets nothing of the stream before it has said how far it has come: it reads to the end of a snapshot whose
    /// length it does not know.
    pub awaits_word: bool,
    /// Since when more has waited for it than may for long.
    over_soft_since_ms: Option<i64>,
    /// It has been handed all there is, and is to be told when there is more.
    is_idle: bool,
}

/// How a replica stands, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Applied up to here.
    pub offset: u64,
    /// On its disk up to here, if it says.
    pub durable: Option<u64>,
}

/// What a replica that asks for the stream is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncAnswer {
    /// The stream from this offset on.
    Continue(u64),
    /// A snapshot, and the stream from there on.
    Full,
}

/// What follows from the passing of time.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// A ping is due.
    pub ping: bool,
    /// Replicas to be closed, because they have been silent for too long.
    pub timed_out: Vec<u64>,
    /// Replicas to be closed, because much has waited for them for too long.
    pub over_limit: Vec<u64>,
    /// Nobody will ask for the stream any more: its history ends, and the next one needs another name.
    pub history_ends: bool,
}

/// A primary's view of its replicas, which are known by numbers of the caller's choice.
#[derive(Debug)]
pub struct Primary {
    id: String,
    /// The name that the history had before, and up to which offset.
    previous: Option<(String, u64)>,
    /// Bytes of the stream so far.
    offset: u64,
    backlog: Option<Backlog>,
    /// The stream is another's, and is only handed on.
    follows: bool,
    replicas: BTreeMap<u64, Replica>,
    alone_since_ms: i64,
    last_ping_ms: i64,
}

impl Primary {
    /// A primary without replicas, whose history has this name of forty hexadecimal digits.
    pub fn new(id: String) -> Primary {
        Primary {
            id,
            previous: None,
            offset: 0,
            backlog: None,
            follows: false,
            replicas: BTreeMap::new(),
            alone_since_ms: 0,
            last_ping_ms: 0,
        }
    }
    /// The name of the history.
    pub fn id(&self) -> &str {
        &self.id
    }
    /// The name that the history had before, and the offset up to which it had that.
    pub fn previous(&self) -> Option<(&str, u64)> {
        self.previous.as_ref().map(|(id, offset)| (id.as_str(), *offset))
    }
    /// Starts another history.
    pub fn set_id(&mut self, id: String) {
        self.id = id;
        self.previous = None;
    }
    /// Goes on under another name. What was before is still known by the old one.
    pub fn rename(&mut self, id: String) {
        let old = std::mem::replace(&mut self.id, id);
        self.previous = Some((old, self.offset));
    }
    /// Takes up the history of another at an offset. Who has followed this one has nothing more to get from here.
    pub fn take_up(&mut self, id: String, offset: u64) {
        self.set_id(id);
        self.replicas.clear();
        self.offset = offset;
        self.backlog = Some(Backlog::new(offset));
    }
    /// What lies before an offset to come is not kept.
    pub fn skip_to(&mut self, offset: u64) {
        self.offset = offset;
        self.backlog = Some(Backlog::new(offset));
    }
    /// Nobody is attached any more.
    pub fn detach_all(&mut self, now_ms: i64) {
        self.replicas.clear();
        self.alone_since_ms = now_ms;
    }
    /// Records the stream from now on, if that is not done already.
    pub fn record(&mut self) {
        self.backlog.get_or_insert_with(|| Backlog::new(self.offset));
    }
    /// Whether the stream is another's, and is only handed on: then nothing of one's own is added, and nothing forgotten
    /// for want of readers.
    pub fn follows(&self) -> bool {
        self.follows
    }
    /// See [`follows`](Primary::follows).
    pub fn set_follows(&mut self, follows: bool, now_ms: i64) {
        self.follows = follows;
        self.alone_since_ms = now_ms;
    }
    /// Bytes of the stream so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }
    /// What is kept of the stream; `None`: nobody has asked for it.
    pub fn backlog(&self) -> Option<&Backlog> {
        self.backlog.as_ref()
    }
    /// Whether the stream is recorded.
    pub fn is_recording(&self) -> bool {
        self.backlog.is_some()
    }
    /// The replicas, by their numbers.
    pub fn replicas(&self) -> impl Iterator<Item = (u64, &Replica)> {
        self.replicas.iter().map(|(number, replica)| (*number, replica))
    }
    /// Number of replicas.
    pub fn replicas_len(&self) -> usize {
        self.replicas.len()
    }

    /// What a replica gets that has the stream of the history `id` up to `offset`. From now on the stream is recorded.
    pub fn answer(&mut self, has: Option<(&str, u64)>) -> SyncAnswer {
        self.record();
        let Some(backlog) = &self.backlog else { return SyncAnswer::Full };
        let knows = |id: &str, offset: u64| {
            id == self.id || self.previous.as_ref().is_some_and(|(old, end)| id == old && offset <= *end)
        };
        match has {
            Some((id, offset)) if knows(id, offset) && (backlog.begin()..=backlog.end()).contains(&offset) => {
                SyncAnswer::Continue(offset)
            }
            _ => SyncAnswer::Full,
        }
    }

    /// Attaches a replica that is to get what it was [answered](Primary::answer).
    pub fn attach(&mut self, number: u64, answer: SyncAnswer, mut replica: Replica) {
        replica.state = match answer {
            SyncAnswer::Continue(offset) => {
                (replica.sent, replica.acked) = (offset, offset);
                ReplicaState::Online
            }
            SyncAnswer::Full => ReplicaState::WaitStart,
        };
        if self.replicas.is_empty() {
            self.last_ping_ms = replica.acked_ms;
        }
        self.replicas.insert(number, replica);
    }

    /// The snapshot of a replica shows this moment; the stream follows from here on.
    pub fn begin_snapshot(&mut self, number: u64) {
        if let Some(replica) = self.replicas.get_mut(&number) {
            (replica.sent, replica.acked) = (self.offset, self.offset);
            replica.state = ReplicaState::WaitSnapshot;
        }
    }

    /// Detaches a replica, at `now_ms`; whether it was one.
    pub fn detach(&mut self, number: u64, now_ms: i64, settings: &Settings) -> bool {
        let was = self.replicas.remove(&number).is_some();
        if was && self.replicas.is_empty() {
            self.alone_since_ms = now_ms;
        }
        self.forget(settings);
        was
    }

    /// Adds to the stream. `wake` is told the numbers of replicas that have been waiting for more; returned are those for
    /// which too much waits.
    pub fn append(&mut self, bytes: &[u8], settings: &Settings, mut wake: impl FnMut(u64)) -> Vec<u64> {
        let Some(backlog) = &mut self.backlog else { return Vec::new() };
        backlog.append(bytes);
        self.offset = backlog.end();
        let mut over_limit = Vec::new();
        for (number, replica) in &mut self.replicas {
            if std::mem::take(&mut replica.is_idle) {
                wake(*number);
            }
            if settings.waiting_max > 0 && replica.behind(self.offset) >= settings.waiting_max {
                over_limit.push(*number);
            }
        }
        self.forget(settings);
        over_limit
    }

    /// Hands a replica more of the stream, up to about `len_max` bytes; how many. None: it is woken when there is more.
    pub fn read(&mut self, number: u64, len_max: usize, into: &mut Vec<u8>) -> usize {
        let (Some(replica), Some(backlog)) = (self.replicas.get_mut(&number), &self.backlog) else { return 0 };
        let read = if replica.awaits_word { 0 } else { backlog.read(replica.sent, len_max, into) };
        replica.sent += read as u64;
        replica.is_idle = read == 0;
        read
    }

    /// Bytes of the stream that wait for a replica.
    pub fn waiting(&self, number: u64) -> u64 {
        self.replicas.get(&number).map_or(0, |replica| replica.behind(self.offset))
    }

    /// A replica has come to this state.
    pub fn set_state(&mut self, number: u64, state: ReplicaState, now_ms: i64) {
        if let Some(replica) = self.replicas.get_mut(&number) {
            replica.state = state;
            replica.acked_ms = now_ms;
        }
    }

    /// A replica has been sent its snapshot. With `awaits_word` it gets the stream once it says that it has it.
    pub fn put_online(&mut self, number: u64, awaits_word: bool, now_ms: i64) {
        self.set_state(number, ReplicaState::Online, now_ms);
        if let Some(replica) = self.replicas.get_mut(&number) {
            replica.awaits_word = awaits_word;
        }
    }

    /// A replica says how far it has come; whether it is one. `wake` is called if it has been waiting to say so.
    pub fn acknowledge(&mut self, number: u64, progress: Progress, now_ms: i64, wake: impl FnOnce()) -> bool {
        let Some(replica) = self.replicas.get_mut(&number) else { return false };
        if replica.state == ReplicaState::Online && std::mem::take(&mut replica.awaits_word) {
            replica.is_idle = false;
            wake();
        }
        replica.acked = replica.acked.max(progress.offset);
        replica.acked_durable = replica.acked_durable.max(progress.durable.unwrap_or(0));
        replica.acked_ms = now_ms;
        true
    }

    /// How many replicas have applied the stream up to an offset.
    pub fn acknowledged(&self, offset: u64) -> usize {
        let online = self.replicas.values().filter(|replica| replica.state == ReplicaState::Online);
        online.filter(|replica| replica.acked >= offset).count()
    }

    /// How many replicas have the stream on their disks up to an offset.
    pub fn durable(&self, offset: u64) -> usize {
        let online = self.replicas.values().filter(|replica| replica.state == ReplicaState::Online);
        online.filter(|replica| replica.acked_durable >= offset).count()
    }

    /// How many replicas have been heard of within the last `lag_max_ms`.
    pub fn good(&self, now_ms: i64, lag_max_ms: i64) -> usize {
        let online = self.replicas.values().filter(|replica| replica.state == ReplicaState::Online);
        online.filter(|replica| now_ms - replica.acked_ms <= lag_max_ms).count()
    }

    /// To be called about once a second.
    pub fn tick(&mut self, now_ms: i64, settings: &Settings) -> Tick {
        let mut tick = Tick::default();
        if self.replicas.is_empty() {
            let ends = !self.follows && settings.backlog_ttl_ms.is_some_and(|ttl| now_ms - self.alone_since_ms > ttl);
            if ends && self.backlog.take().is_some() {
                tick.history_ends = true;
            }
            return tick;
        }
        tick.ping = !self.follows && now_ms - self.last_ping_ms >= settings.ping_period_ms;
        if tick.ping {
            self.last_ping_ms = now_ms;
        }
        let is_late = |replica: &Replica| {
            replica.state == ReplicaState::Online
                && !replica.is_silent
                && now_ms - replica.acked_ms > settings.timeout_ms
        };
        for (number, replica) in &mut self.replicas {
            let is_over = settings.soft_waiting_max > 0 && replica.behind(self.offset) >= settings.soft_waiting_max;
            let since_ms = *replica.over_soft_since_ms.get_or_insert(now_ms);
            if !is_over {
                replica.over_soft_since_ms = None;
            } else if now_ms - since_ms > settings.soft_ms {
                tick.over_limit.push(*number);
            }
        }
        tick.timed_out = self.replicas().filter(|(_, replica)| is_late(replica)).map(|(number, _)| number).collect();
        tick
    }

    /// Forgets what is beyond the size of the backlog and no replica needs.
    fn forget(&mut self, settings: &Settings) {
        let needed = self.replicas.values().map(|replica| self.offset - replica.behind(self.offset)).min();
        let needed = needed.unwrap_or(self.offset);
        let kept = self.offset.saturating_sub(settings.backlog_bytes);
        if let Some(backlog) = &mut self.backlog {
            backlog.forget_before(needed.min(kept));
        }
    }
}

impl Replica {
    /// One that has just asked for the stream.
    pub fn new(ip: String, port: u16, now_ms: i64) -> Replica {
        Replica {
            ip,
            port,
            state: ReplicaState::WaitStart,
            is_silent: false,
            sent: 0,
            acked: 0,
            acked_durable: 0,
            acked_ms: now_ms,
            awaits_word: false,
            over_soft_since_ms: None,
            is_idle: false,
        }
    }

    /// Bytes of a stream that ends at `offset` which it needs and was not handed.
    fn behind(&self, offset: u64) -> u64 {
        if self.state == ReplicaState::WaitStart { 0 } else { offset - self.sent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        backlog_bytes: 20_000,
        backlog_ttl_ms: Some(1000),
        ping_period_ms: 10_000,
        timeout_ms: 60_000,
        waiting_max: 100_000,
        soft_waiting_max: 1000,
        soft_ms: 5000,
    };

    fn attached() -> Primary {
        let mut primary = Primary::new("a".repeat(40));
        let answer = primary.answer(None);
        assert_eq!(answer, SyncAnswer::Full);
        primary.attach(7, answer, Replica::new("127.0.0.1".into(), 1, 0));
        primary.append(&[1; 10], &SETTINGS, |_| {});
        assert_eq!(primary.waiting(7), 0);
        primary.begin_snapshot(7);
        primary
    }

    #[test]
    fn a_replica_reads_all_and_is_woken_once() {
        let mut primary = attached();
        let (mut read, mut woken) = (Vec::new(), 0);
        assert_eq!(primary.read(7, 100, &mut read), 0);
        assert!(primary.append(b"abc", &SETTINGS, |_| woken += 1).is_empty());
        primary.append(b"def", &SETTINGS, |_| woken += 1);
        assert_eq!((woken, primary.waiting(7)), (1, 6));
        assert_eq!((primary.read(7, 4, &mut read), primary.read(7, 4, &mut read)), (4, 2));
        assert_eq!(read, b"abcdef");
    }

    #[test]
    fn what_nobody_needs_is_forgotten_and_who_needs_too_much_is_named() {
        let mut primary = attached();
        for _ in 0..99 {
            assert!(primary.append(&[0; 1000], &SETTINGS, |_| {}).is_empty());
        }
        assert_eq!(primary.append(&[0; 1000], &SETTINGS, |_| {}), [7]);
        assert_eq!(primary.backlog().map(Backlog::begin), Some(0));
        assert!(primary.detach(7, 0, &SETTINGS));
        let begin = primary.backlog().map_or(0, Backlog::begin);
        assert!((60_000..=80_000).contains(&begin), "{begin}");
        let id = "a".repeat(40);
        assert_eq!(primary.answer(Some((&id, 80_000))), SyncAnswer::Continue(80_000));
        assert_eq!(primary.answer(Some((&id, 100_010))), SyncAnswer::Continue(100_010));
        assert_eq!(primary.answer(Some((&id, 100_011))), SyncAnswer::Full);
        assert_eq!(primary.answer(Some((&id, 0))), SyncAnswer::Full);
        assert_eq!(primary.answer(Some((&"b".repeat(40), 100_000))), SyncAnswer::Full);
    }

    #[test]
    fn it_may_have_to_say_that_it_has_the_snapshot() {
        let mut primary = attached();
        primary.put_online(7, true, 0);
        primary.append(b"abc", &SETTINGS, |_| {});
        let (mut read, mut woken) = (Vec::new(), 0);
        assert_eq!((primary.read(7, 100, &mut read), primary.waiting(7)), (0, 3));
        for _ in 0..2 {
            assert!(primary.acknowledge(7, Progress { offset: 10, durable: None }, 0, || woken += 1));
        }
        assert_eq!((primary.read(7, 100, &mut read), woken), (3, 1));
    }

    #[test]
    fn much_may_wait_for_a_while() {
        let mut primary = attached();
        primary.append(&[0; 1000], &SETTINGS, |_| {});
        assert!(primary.tick(10_000, &SETTINGS).over_limit.is_empty());
        assert!(primary.tick(15_000, &SETTINGS).over_limit.is_empty());
        assert_eq!(primary.tick(15_001, &SETTINGS).over_limit, [7]);
        primary.read(7, 1, &mut Vec::new());
        assert!(primary.tick(15_002, &SETTINGS).over_limit.is_empty());
    }

    #[test]
    fn time_passes() {
        let mut primary = attached();
        primary.put_online(7, false, 0);
        assert!(primary.tick(10_000, &SETTINGS).ping);
        assert_eq!(primary.tick(11_000, &SETTINGS), Tick::default());
        assert_eq!(primary.tick(60_001, &SETTINGS).timed_out, [7]);
        assert!(primary.acknowledge(7, Progress { offset: 0, durable: None }, 60_001, || {}));
        assert_eq!(primary.tick(60_002, &SETTINGS), Tick::default());
        assert_eq!((primary.good(61_001, 1000), primary.good(61_002, 1000)), (1, 0));
        primary.detach(7, 61_000, &SETTINGS);
        assert_eq!(primary.tick(62_000, &SETTINGS), Tick::default());
        assert!(primary.tick(62_001, &SETTINGS).history_ends && !primary.is_recording());
    }

    // As a server does that becomes a primary: Redis 7.0 calls it shifting the replication id.
    #[test]
    fn who_has_the_old_name_goes_on_up_to_where_it_was_given_up() {
        let (old, new) = ("a".repeat(40), "b".repeat(40));
        let mut primary = attached();
        primary.append(b"0123456789", &SETTINGS, |_| {});
        primary.rename(new.clone());
        primary.append(b"ab", &SETTINGS, |_| {});
        assert_eq!(primary.previous(), Some((old.as_str(), 20)));
        assert_eq!(primary.answer(Some((&old, 20))), SyncAnswer::Continue(20));
        assert_eq!(primary.answer(Some((&old, 21))), SyncAnswer::Full);
        assert_eq!(primary.answer(Some((&new, 21))), SyncAnswer::Continue(21));
    }

    #[test]
    fn who_takes_up_a_history_hands_it_on_under_its_name_and_offsets() {
        let (mut primary, id) = (attached(), "c".repeat(40));
        primary.take_up(id.clone(), 1000);
        primary.set_follows(true, 0);
        assert_eq!((primary.replicas_len(), primary.previous()), (0, None));
        primary.append(b"abc", &SETTINGS, |_| {});
        assert_eq!(primary.answer(Some((&id, 999))), SyncAnswer::Full);
        assert_eq!(primary.answer(Some((&id, 1001))), SyncAnswer::Continue(1001));
        // Nothing is forgotten for want of replicas, and nobody is pinged but by the primary.
        assert_eq!(primary.tick(1_000_000, &SETTINGS), Tick::default());
        let answer = primary.answer(None);
        primary.attach(9, answer, Replica::new("127.0.0.1".into(), 1, 1_000_000));
        assert!(!primary.tick(1_010_001, &SETTINGS).ping);
        primary.detach(9, 1_010_001, &SETTINGS);
        primary.set_follows(false, 2_000_000);
        assert_eq!(primary.tick(2_001_000, &SETTINGS), Tick::default());
        assert!(primary.tick(2_001_001, &SETTINGS).history_ends);
    }
}
