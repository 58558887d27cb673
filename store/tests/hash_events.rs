//! Events and other effects of operations on hashes. What is expected was recorded from Valkey 9.1.2.

use ochre_store::expire::{CycleKind, ExpireCycle};
use ochre_store::hash::{self, FieldExpiry, GetFieldExpiry, Increment, KeyCondition, NamesCondition, SetFieldsOptions};
use ochre_store::keyspace::ExpireCondition;
use ochre_store::sync::Guard;
use ochre_store::{
    Clock, Effects, Encoding, Error, Event, Key, Member, Options, Shard, Store, Txn, keyspace, shards_of,
};
use std::sync::Arc;

struct World {
    store: Arc<Store>,
    member: Member,
    effects: Effects,
    now_ms: i64,
}

impl World {
    fn new() -> World {
        let store = Store::new(Options { shards: 1, databases: 1, hash_seed: [1, 2, 3, 4] });
        let member = store.register();
        let mut effects = Effects::default();
        effects.record_events = true;
        effects.record_touched = true;
        World { store, member, effects, now_ms: 1_000 }
    }

    /// Does something to a key and returns its events, how dirty that was, and whether watchers are told.
    fn act<R>(
        &mut self,
        key: &str,
        action: impl FnOnce(&mut Txn<'_>, Key<'_>) -> Result<R, Error>,
    ) -> (String, u64, bool) {
        let key = self.store.key(key.as_bytes());
        let clock = Clock { now_ms: self.now_ms };
        let done = self.member.run(shards_of(&[key]), clock, &mut self.effects, |txn| action(txn, key));
        assert!(done.is_ok());
        let told = (names(&self.effects.events), self.effects.dirty, !self.effects.touched.is_empty());
        self.effects.clear();
        told
    }

    fn set(&mut self, key: &str, line: &str) -> (String, u64, bool) {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.act(key, |txn, key| hash::set(txn, 0, key, words.chunks(2).map(|pair| (pair[0], pair[1]))))
    }

    fn set_ex(&mut self, key: &str, field: &str, expiry: FieldExpiry) -> (String, u64, bool) {
        let options = SetFieldsOptions { key: KeyCondition::Always, names: NamesCondition::Always, expiry };
        let pair = [(field.as_bytes(), &b"1"[..])];
        self.act(key, |txn, key| hash::set_with_options(txn, 0, key, pair.iter().copied(), options))
    }

    fn expire(&mut self, key: &str, fields: &str, at_ms: i64) -> (String, u64, bool) {
        let none = ExpireCondition::default();
        self.act(key, |txn, key| hash::expire_at_ms(txn, 0, key, words(fields), at_ms, none, &mut |_| ()))
    }

    fn get_ex(&mut self, key: &str, fields: &str, expiry: GetFieldExpiry) -> (String, u64, bool) {
        self.act(key, |txn, key| hash::get_and_expire(txn, 0, key, words(fields), expiry, &mut |_| ()))
    }

    fn persist(&mut self, key: &str, fields: &str) -> (String, u64, bool) {
        self.act(key, |txn, key| hash::persist(txn, 0, key, words(fields), &mut |_| ()))
    }

    fn delete(&mut self, key: &str, fields: &str) -> (String, u64, bool) {
        self.act(key, |txn, key| hash::delete(txn, 0, key, words(fields)))
    }
}

fn words(line: &str) -> impl Iterator<Item = &[u8]> {
    line.split(' ').map(str::as_bytes)
}

fn names(events: &[Event]) -> String {
    events.iter().map(|event| event.name).filter(|name| *name != "new").collect::<Vec<_>>().join(" ")
}

fn told(events: &str, dirty: u64) -> (String, u64, bool) {
    (events.to_owned(), dirty, dirty > 0)
}

#[test]
fn every_change_has_its_event() {
    let mut world = World::new();
    assert_eq!(world.set("h", "a 1 b 2 c 3"), told("hset", 3));
    assert_eq!(world.set("h", "a 1"), told("hset", 1));
    assert_eq!(world.act("h", |txn, key| hash::set_new(txn, 0, key, b"a", b"1")), told("", 0));
    assert_eq!(world.act("h", |txn, key| hash::set_new(txn, 0, key, b"d", b"4")), told("hset", 1));
    assert_eq!(world.act("h", |txn, key| hash::incr_by(txn, 0, key, b"n", 1)), told("hincrby", 1));
    let one = Increment::parse(b"1").expect("a number");
    assert_eq!(world.act("h", |txn, key| hash::incr_by_float(txn, 0, key, b"n", one)), told("hincrbyfloat", 1));
    assert_eq!(world.expire("h", "a b", 100_000), told("hexpire", 2));
    assert_eq!(world.persist("h", "a c"), told("hpersist", 1));
    assert_eq!(world.persist("h", "c"), told("", 0));
    assert_eq!(world.expire("h", "c", 1), told("hexpired", 1));
    assert_eq!(world.get_ex("h", "a", GetFieldExpiry::At(100_000)), told("hexpire", 1));
    assert_eq!(world.get_ex("h", "a", GetFieldExpiry::Persist), told("hpersist", 1));
    assert_eq!(world.get_ex("h", "a", GetFieldExpiry::Persist), told("", 0));
    assert_eq!(world.get_ex("h", "a", GetFieldExpiry::At(1)), told("hexpired", 1));
    assert_eq!(world.set_ex("h", "x", FieldExpiry::Clear), told("hset", 1));
    assert_eq!(world.set_ex("h", "x", FieldExpiry::At(100_000)), told("hset hexpire", 1));
    assert_eq!(world.set_ex("h", "x", FieldExpiry::Keep), told("hset", 1));
    assert_eq!(world.set_ex("h", "x", FieldExpiry::At(1)), told("hset hexpire hexpired", 1));
    assert_eq!(world.set_ex("h", "nothing", FieldExpiry::At(1)), told("hset hexpire hexpired", 0));
    let (events, dirty, _) = world.set_ex("new", "nothing", FieldExpiry::At(1));
    assert_eq!((&events[..], dirty), ("hset hexpire hexpired del", 0));
    assert_eq!(world.delete("h", "d zz"), told("hdel", 1));
    assert_eq!(world.delete("h", "n b"), told("hdel del", 2));
    assert_eq!(world.delete("h", "d q"), told("", 0));
    assert_eq!(world.store.db_len(0), 0);
    assert_eq!(world.store.stats().expired_fields, 5);
}

#[test]
fn a_field_that_is_over_expires_when_it_is_set() {
    let mut world = World::new();
    world.set("g", "a 1 b 1 c 1 d 1");
    world.expire("g", "a b c", 1_020);
    world.now_ms = 1_020;
    world.act("g", |txn, key| {
        let fields = hash::read(txn, 0, key)?.expect("a hash");
        assert!(fields.get(b"a").is_some());
        Ok(())
    });
    world.now_ms = 1_021;
    world.act("g", |txn, key| {
        let fields = hash::read(txn, 0, key)?.expect("a hash");
        assert_eq!((fields.len(), fields.get(b"a")), (4, None));
        Ok(())
    });
    assert_eq!(world.delete("g", "a"), told("", 0));
    assert_eq!(world.act("g", |txn, key| hash::set_new(txn, 0, key, b"a", b"2")), told("hexpired hset", 1));
    assert_eq!(world.set("g", "b 1 d 1"), told("hexpired hset", 2));
    assert_eq!(world.act("g", |txn, key| hash::incr_by(txn, 0, key, b"c", 5)), told("hexpired hincrby", 1));
    world.expire("g", "a b c", 1_100);
    world.now_ms = 1_200;
    assert_eq!(world.set_ex("g", "a", FieldExpiry::Keep), told("hexpired hset", 1));
    assert_eq!(world.set_ex("g", "b", FieldExpiry::At(9_000)), told("hexpired hset hexpire", 1));
    assert_eq!(world.set_ex("g", "c", FieldExpiry::At(1)), told("hset hexpire hexpired", 1));
    assert_eq!(world.store.stats().expired_fields, 6);
}

/// Runs the cycle once and returns the events, and the fields removed.
fn cycle(world: &mut World) -> (String, usize) {
    let (mut events, mut fields) = (Vec::new(), 0);
    let clock = Clock { now_ms: world.now_ms };
    let mut commit = |_: &mut Guard<'_, Shard>, effects: &mut Effects| {
        assert_eq!(effects.dirty, 0);
        events.append(&mut effects.events);
        fields += effects.expired_fields.iter().map(|expired| expired.fields.len()).sum::<usize>();
        effects.clear();
    };
    ExpireCycle::new(0, 1).run(&world.member, clock, CycleKind::Slow, &mut world.effects, &mut || 0, &mut commit);
    (names(&events), fields)
}

#[test]
fn the_cycle_removes_what_is_over_and_the_key_at_last() {
    let mut world = World::new();
    world.set("g", "a 1 b 1");
    world.expire("g", "a", 1_030);
    world.now_ms = 1_030;
    assert_eq!(cycle(&mut world), (String::new(), 0));
    world.now_ms = 1_031;
    assert_eq!(cycle(&mut world), ("hexpired".to_owned(), 1));
    assert_eq!(world.store.db_field_keys(0), 0);
    world.expire("g", "b", 1_060);
    assert_eq!(world.store.db_field_keys(0), 1);
    world.now_ms = 1_100;
    assert_eq!(cycle(&mut world), ("hexpired del".to_owned(), 1));
    assert_eq!((world.store.db_len(0), world.store.db_field_keys(0)), (0, 0));
}

#[test]
fn the_cycle_takes_many_fields_in_pieces_and_ends_in_time() {
    let mut world = World::new();
    for key in 0..10 {
        let line: Vec<String> = (0..100).map(|field| format!("f{field} v")).collect();
        let fields: Vec<String> = (0..100).map(|field| format!("f{field}")).collect();
        world.set(&format!("k{key}"), &line.join(" "));
        world.expire(&format!("k{key}"), &fields.join(" "), 2_000 + key);
    }
    world.now_ms = 2_004;
    let late = ochre_store::expire::time_limit_us(&world.store, CycleKind::Slow) + 1;
    let clock = Clock { now_ms: world.now_ms };
    let mut cycle = ExpireCycle::new(0, 1);
    let mut commit = |_: &mut Guard<'_, Shard>, effects: &mut Effects| effects.clear();
    let mut run =
        |kind, elapsed: u64| cycle.run(&world.member, clock, kind, &mut world.effects, &mut || elapsed, &mut commit);
    let report = run(CycleKind::Slow, late);
    assert!(report.timed_out && report.expired_fields > 0 && report.expired_fields < 400);
    let rest = run(CycleKind::Fast, 0);
    assert_eq!(report.expired_fields + rest.expired_fields, 400);
    assert_eq!(run(CycleKind::Fast, 0).expired_fields, 0);
    assert_eq!((world.store.db_len(0), world.store.db_field_keys(0)), (6, 6));
}

/// The encoding of the key `h`.
fn encoding(world: &mut World) -> Encoding {
    let mut found = None;
    world.act("h", |txn, key| {
        found = keyspace::object(txn, 0, key)?.map(|info| info.encoding);
        Ok(())
    });
    found.expect("a key")
}

#[test]
fn the_form_follows_the_limits() {
    let mut world = World::new();
    world.store.settings().hash_listpack.set(3, 5);
    world.set("h", "a 1 b 2 c 12345");
    assert_eq!(encoding(&mut world), Encoding::Listpack);
    world.set("h", "d 4");
    assert_eq!(encoding(&mut world), Encoding::Hashtable);
    for (line, form) in [
        ("a 123456", Encoding::Hashtable),
        ("123456 a", Encoding::Hashtable),
        // Redis 7.0 counts only different fields; later versions do not look whether they are.
        ("a 1 a 2 a 3 a 4", Encoding::Hashtable),
        ("a 1 a 2 a 3", Encoding::Listpack),
    ] {
        world.act("h", |txn, key| keyspace::delete(txn, 0, key));
        world.set("h", line);
        assert_eq!(encoding(&mut world), form, "{line}");
    }
    // A limit that was lowered is heeded by the next field that is set, be it an old one.
    for change in ["c 1", "new 1"] {
        world.act("h", |txn, key| keyspace::delete(txn, 0, key));
        world.set("h", "a 1 b 2 c 3");
        world.store.settings().hash_listpack.set(2, 5);
        assert_eq!(encoding(&mut world), Encoding::Listpack);
        world.set("h", change);
        assert_eq!(encoding(&mut world), Encoding::Hashtable);
        world.store.settings().hash_listpack.set(3, 5);
    }
    world.act("h", |txn, key| keyspace::delete(txn, 0, key));
    world.store.settings().hash_presized.store(false, std::sync::atomic::Ordering::Relaxed);
    world.set("h", "a 1 a 2 a 3 a 4");
    assert_eq!(encoding(&mut world), Encoding::Listpack);
    // A condition that does not hold changes nothing, a deadline that is set does.
    world.act("h", |txn, key| {
        let xx = ExpireCondition { xx: true, ..ExpireCondition::default() };
        hash::expire_at_ms(txn, 0, key, words("a b"), 9_000, xx, &mut |_| ())
    });
    assert_eq!(encoding(&mut world), Encoding::Listpack);
    world.expire("h", "a", 9_000);
    assert_eq!(encoding(&mut world), Encoding::Hashtable);
    // Six digits are too long for a listpack here.
    world.act("h", |txn, key| keyspace::delete(txn, 0, key));
    world.act("h", |txn, key| hash::incr_by(txn, 0, key, b"n", 99_999));
    assert_eq!(encoding(&mut world), Encoding::Listpack);
    world.act("h", |txn, key| hash::incr_by(txn, 0, key, b"n", 1));
    assert_eq!(encoding(&mut world), Encoding::Hashtable);
}
