//! Events and other effects of operations on streams. What is expected was recorded from Redis 7.0.15, Valkey 9.1.2 and, of
//! XDELEX and XACKDEL, Redis 8.2.3; only that destroying a group tells watchers is our own, as consumers that wait learn of
//! it so.

use ochre_store::stream::{
    self, Add, AddError, AppendError, Claim, Claims, Counting, Deletion, GroupError, Member as Consumer, NewGroup,
    NewId, Read, ReadFrom, References, Scan, SetId, StreamId, Trim, TrimTo,
};
use ochre_store::{Clock, Effects, Error, Event, Key, Member, Options, Store, Txn, keyspace, shards_of, string};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

const NOW_MS: i64 = 1_000;

struct World {
    store: Arc<Store>,
    member: Member,
    effects: Effects,
    /// Whether consumers are created only if there is something for them.
    only_if_served: bool,
}

impl World {
    fn new(only_if_served: bool) -> World {
        let store = Store::new(Options { shards: 1, databases: 1, hash_seed: [1, 2, 3, 4] });
        let member = store.register();
        let mut effects = Effects::default();
        effects.record_events = true;
        effects.record_touched = true;
        World { store, member, effects, only_if_served }
    }

    /// Does something to the stream `s`; returns what came of it, its events, how dirty that was, and whether watchers are
    /// told.
    fn act<R>(&mut self, action: impl FnOnce(&mut Txn<'_>, Key<'_>) -> R) -> (R, (String, u64, bool)) {
        let key = self.store.key(b"s");
        let clock = Clock { now_ms: NOW_MS };
        let done = self.member.run(shards_of(&[key]), clock, &mut self.effects, |txn| action(txn, key));
        let names: Vec<_> = self.effects.events.iter().map(|Event { name, .. }| *name).collect();
        let told = (names.join(" "), self.effects.dirty, !self.effects.touched.is_empty());
        self.effects.clear();
        (done, told)
    }

    fn add(&mut self, ms: u64, create: bool, trim: Option<Trim>) -> (String, u64, bool) {
        let entry = Add { id: NewId::Exact(id(ms)), create, trim };
        self.act(|txn, key| stream::add(txn, 0, key, &entry, [(&b"a"[..], &b"b"[..])])).1
    }

    fn consumer<'a>(&self, consumer: &'a str) -> Consumer<'a> {
        Consumer { group: b"g", consumer: consumer.as_bytes(), only_if_served: self.only_if_served }
    }

    fn read(&mut self, consumer: &str, from: ReadFrom) -> (String, u64, bool) {
        let read = Read { count: 0, no_ack: false, now_ms: NOW_MS, counting: Counting::V7_2 };
        let member = self.consumer(consumer);
        let (done, told) = self.act(|txn, key| stream::read_group(txn, 0, key, &member, from, &read, |_| ()));
        done.expect("there is such a group");
        told
    }

    fn claim(&mut self, consumer: &str, ms: u64, last_id: StreamId) -> (String, u64, bool) {
        let claim =
            Claim { now_ms: NOW_MS, min_idle_ms: 0, delivery_ms: None, deliveries: None, force: false, just_id: false };
        let (member, ids) = (self.consumer(consumer), [id(ms)]);
        let claims = Claims { ids: &ids, claim, last_id };
        let (done, told) = self.act(|txn, key| stream::claim(txn, 0, key, &member, &claims, |_, _| ()));
        done.expect("there is such a group");
        told
    }

    fn autoclaim(&mut self, consumer: &str, start: StreamId) -> (String, u64, bool) {
        let scan = Scan { start, count: 100, now_ms: NOW_MS, min_idle_ms: 0, just_id: false };
        let member = self.consumer(consumer);
        let (done, told) = self.act(|txn, key| stream::autoclaim(txn, 0, key, &member, &scan, |_, _| ()));
        done.expect("there is such a group");
        told
    }

    fn create_group(&mut self, create_stream: bool) -> (Result<(), GroupError>, (String, u64, bool)) {
        let group = NewGroup { name: b"g", last_id: None, entries_read: None };
        self.act(|txn, key| stream::create_group(txn, 0, key, &group, create_stream))
    }

    fn exists(&mut self) -> bool {
        self.act(|txn, key| keyspace::exists_for_write(txn, 0, key)).0.expect("a locked key")
    }
}

fn id(ms: u64) -> StreamId {
    StreamId::new(ms, 1)
}

fn told(events: &str, dirty: u64, watchers: bool) -> (String, u64, bool) {
    (events.to_owned(), dirty, watchers)
}

fn max_len(len: u64) -> Trim {
    Trim { to: TrimTo::MaxLen(len), approximate: false, limit: 0, references: References::Keep }
}

#[test]
fn entries_come_and_go() {
    let mut world = World::new(false);
    assert_eq!(world.add(2, false, None), told("", 0, false));
    assert!(!world.exists());
    assert_eq!(world.add(1, true, None), told("new xadd", 1, true));
    assert_eq!(world.add(2, false, None), told("xadd", 1, true));
    assert_eq!(world.add(3, true, None), told("xadd", 1, true));
    assert_eq!(world.add(4, true, Some(max_len(2))), told("xadd xtrim", 1, true));
    assert_eq!(world.add(4, true, None), told("", 0, false));
    let trim = |len| move |txn: &mut Txn<'_>, key: Key<'_>| stream::trim(txn, 0, key, &max_len(len));
    assert_eq!(world.act(trim(5)), (Ok(0), told("", 0, false)));
    assert_eq!(world.act(trim(1)), (Ok(1), told("xtrim", 1, true)));
    world.add(5, true, None);
    world.add(6, true, None);
    let delete = |ids: &'static [u64]| {
        move |txn: &mut Txn<'_>, key: Key<'_>| stream::delete(txn, 0, key, ids.iter().map(|&ms| id(ms)))
    };
    assert_eq!(world.act(delete(&[9])), (Ok(0), told("", 0, false)));
    assert_eq!(world.act(delete(&[4, 5])), (Ok(2), told("xdel", 2, true)));
    assert_eq!(world.act(delete(&[6])), (Ok(1), told("xdel", 1, true)));
    assert!(world.exists());
    let set = SetId { last_id: id(7), ..SetId::default() };
    assert_eq!(world.act(|txn, key| stream::set_id(txn, 0, key, &set)), (Ok(()), told("xsetid", 1, false)));
    let low = SetId { last_id: id(5), ..SetId::default() };
    assert!(world.act(|txn, key| stream::set_id(txn, 0, key, &low)).0.is_err());
    let as_redis_7_0 = SetId { below_deleted: true, ..low };
    assert!(world.act(|txn, key| stream::set_id(txn, 0, key, &as_redis_7_0)).0.is_ok());
}

#[test]
fn a_stream_is_not_created_for_an_entry_that_it_does_not_take() {
    let mut world = World::new(false);
    let entry = Add { id: NewId::Exact(StreamId::MIN), create: true, trim: None };
    let (done, _) = world.act(|txn, key| stream::add(txn, 0, key, &entry, [(&b"a"[..], &b"b"[..])]));
    assert_eq!(done, Err(AddError::Append(AppendError::NotGreater)));
    assert!(!world.exists());
}

#[test]
fn other_types_are_left_alone() {
    let mut world = World::new(false);
    let set = world.act(|txn, key| string::set(txn, 0, key, b"x", string::SetOptions::default()).is_ok());
    assert!(set.0);
    let wrong = GroupError::Key(Error::WrongType);
    assert_eq!(world.create_group(true), (Err(wrong), told("", 0, false)));
    let ids = [id(1)];
    assert_eq!(world.act(|txn, key| stream::ack(txn, 0, key, b"g", &ids)).0, Err(Error::WrongType));
    let entry = Add { id: NewId::Auto, create: true, trim: None };
    let added = world.act(|txn, key| stream::add(txn, 0, key, &entry, [(&b"a"[..], &b"b"[..])])).0;
    assert_eq!(added, Err(AddError::Key(Error::WrongType)));
}

#[test]
fn groups_come_and_go() {
    let mut world = World::new(false);
    assert_eq!(world.create_group(false), (Err(GroupError::NoStream), told("", 0, false)));
    assert_eq!(world.create_group(true), (Ok(()), told("new xgroup-create", 1, true)));
    assert_eq!(world.create_group(true), (Err(GroupError::Exists), told("", 0, false)));
    let set = |name| NewGroup { name, last_id: Some(id(5)), entries_read: Some(7) };
    let set_id = |name| move |txn: &mut Txn<'_>, key: Key<'_>| stream::set_group_id(txn, 0, key, &set(name));
    assert_eq!(world.act(set_id(b"g")), (Ok(()), told("xgroup-setid", 1, false)));
    assert_eq!(world.act(set_id(b"h")), (Err(GroupError::NoGroup), told("", 0, false)));
    let create = |txn: &mut Txn<'_>, key: Key<'_>| stream::create_consumer(txn, 0, key, b"g", b"c");
    assert_eq!(world.act(create), (Ok(true), told("xgroup-createconsumer", 1, false)));
    assert_eq!(world.act(create), (Ok(false), told("", 0, false)));
    let delete = |txn: &mut Txn<'_>, key: Key<'_>| stream::delete_consumer(txn, 0, key, b"g", b"c");
    assert_eq!(world.act(delete), (Ok(0), told("xgroup-delconsumer", 1, false)));
    assert_eq!(world.act(delete), (Ok(0), told("", 0, false)));
    let destroy = |txn: &mut Txn<'_>, key: Key<'_>| stream::destroy_group(txn, 0, key, b"g");
    assert_eq!(world.act(destroy), (Ok(true), told("xgroup-destroy", 1, false)));
    assert_eq!(world.act(destroy), (Ok(false), told("", 0, false)));
}

/// A step, with what is told where consumers are created only if served, and where they always are.
type Step = (fn(&mut World) -> (String, u64, bool), (&'static str, u64), (&'static str, u64));

#[test]
fn consumers_are_created_sooner_or_later() {
    const CREATED: &str = "xgroup-createconsumer";
    const STEPS: &[Step] = &[
        (|world| world.read("d", ReadFrom::New), ("", 0), (CREATED, 1)),
        (|world| world.add(8, true, None), ("xadd", 1), ("xadd", 1)),
        (|world| world.add(9, true, None), ("xadd", 1), ("xadd", 1)),
        (|world| world.read("d", ReadFrom::New), (CREATED, 2), ("", 1)),
        (|world| world.read("e", ReadFrom::New), ("", 0), (CREATED, 1)),
        (|world| world.read("d", ReadFrom::After(StreamId::MIN)), ("", 1), ("", 1)),
        (|world| world.read("f", ReadFrom::After(StreamId::MIN)), (CREATED, 2), (CREATED, 2)),
        (|world| world.claim("x", 7, StreamId::MIN), ("", 0), (CREATED, 1)),
        (|world| world.claim("x", 8, StreamId::MIN), (CREATED, 2), ("", 1)),
        (|world| world.claim("x", 7, id(9)), ("", 0), ("", 0)),
        (|world| world.claim("x", 7, id(11)), ("", 1), ("", 1)),
        (|world| world.autoclaim("y", id(10)), ("", 0), (CREATED, 1)),
        (|world| world.autoclaim("y", StreamId::MIN), (CREATED, 3), ("", 2)),
        (|world| world.act(|txn, key| stream::ack(txn, 0, key, b"g", &[id(8), id(8), id(7)])).1, ("", 1), ("", 1)),
        (|world| world.act(|txn, key| stream::delete(txn, 0, key, [id(9)])).1, ("xdel", 1), ("xdel", 1)),
        (|world| world.claim("z", 9, StreamId::MIN), ("", 1), (CREATED, 2)),
    ];
    for only_if_served in [true, false] {
        let mut world = World::new(only_if_served);
        world.create_group(true).0.expect("a new group");
        for (number, (step, if_served, always)) in STEPS.iter().enumerate() {
            let (events, dirty) = if only_if_served { *if_served } else { *always };
            let watchers = matches!(events, "xadd" | "xdel");
            assert_eq!(step(&mut world), told(events, dirty, watchers), "step {number}, {only_if_served}");
        }
        let names = world.act(|txn, key| {
            let stream = stream::get(txn, 0, key).expect("a stream").expect("a stream");
            let group = stream.group(b"g").expect("a group");
            group.consumers().map(|(_, consumer)| String::from_utf8_lossy(consumer.name()).into_owned()).collect()
        });
        let names: Vec<String> = names.0;
        assert_eq!(names.concat(), if only_if_served { "dfxy" } else { "defxyz" });
    }
}

#[test]
fn references_decide_what_is_deleted() {
    let mut world = World::new(false);
    for ms in 1..=4 {
        world.add(ms, true, None);
    }
    for name in [b"g", b"h"] {
        let group = NewGroup { name, last_id: Some(StreamId::MIN), entries_read: None };
        world.act(|txn, key| stream::create_group(txn, 0, key, &group, false)).0.expect("a new group");
    }
    world.read("c", ReadFrom::New);
    let mut deletions = Vec::new();
    let ids = [id(1), id(9)];
    let acked = world.act(|txn, key| {
        stream::ack_and_delete(txn, 0, key, b"g", &ids, References::Acked, |deletion| deletions.push(deletion))
    });
    assert_eq!(acked, (Ok(()), told("", 1, false)));
    assert_eq!(deletions, [Deletion::Referenced, Deletion::Missing]);
    let ids = [id(2), id(3)];
    let acked = world.act(|txn, key| stream::ack_and_delete(txn, 0, key, b"g", &ids, References::Keep, |_| ()));
    assert_eq!(acked, (Ok(()), told("xdel", 2, true)));
    let ids = [id(1), id(4), id(9)];
    deletions.clear();
    let deleted = world.act(|txn, key| {
        stream::delete_with(txn, 0, key, &ids, References::Delete, |deletion| deletions.push(deletion))
    });
    assert_eq!(deleted, (Ok(()), told("xdel", 2, true)));
    assert_eq!(deletions, [Deletion::Deleted, Deletion::Deleted, Deletion::Missing]);
    let pending = world.act(|txn, key| {
        let stream = stream::get(txn, 0, key).expect("a stream").expect("a stream");
        stream.groups().map(stream::Group::pending_len).sum::<usize>()
    });
    assert_eq!(pending.0, 0);
}

#[test]
fn nodes_are_as_large_as_the_settings_say() {
    let mut world = World::new(false);
    world.store.settings().stream_node_max_entries.store(3, Relaxed);
    for ms in 1..=7 {
        world.add(ms, true, None);
    }
    let nodes = world.act(|txn, key| stream::get(txn, 0, key).map(|stream| stream.map(stream::Stream::nodes_len)));
    assert_eq!(nodes.0, Ok(Some(3)));
    let about = Trim { approximate: true, ..max_len(2) };
    assert_eq!(world.act(|txn, key| stream::trim(txn, 0, key, &about)), (Ok(3), told("xtrim", 3, true)));
}

#[test]
fn reading_commands_count_hits_and_misses() {
    let mut world = World::new(false);
    let count = |world: &World| (world.store.stats().keyspace_hits, world.store.stats().keyspace_misses);
    let ack = |txn: &mut Txn<'_>, key: Key<'_>| stream::ack(txn, 0, key, b"g", &[id(1)]);
    assert_eq!(world.act(ack), (Ok(0), told("keymiss", 0, false)));
    assert_eq!(count(&world), (0, 1));
    world.add(1, true, None);
    assert_eq!(count(&world), (0, 1));
    world.act(ack).0.expect("a stream");
    world.act(|txn, key| stream::get(txn, 0, key).map(|_| ())).0.expect("a stream");
    assert_eq!(count(&world), (2, 1));
}
