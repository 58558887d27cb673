//! Streams are taken node by node and group by group, while all of it changes.

use crate::keeper::DATABASES;
use crate::walk::{Pace, take, with_all};
use ochre_store::keyspace;
use ochre_store::random::Random;
use ochre_store::stream::{
    self, Add, Claim, Claims, Counting, Member, NewGroup, NewId, Read, ReadFrom, References, Scan, SetId, StreamId,
    Trim, TrimTo,
};
use ochre_store::{Key, Options, Store, Txn};
use std::sync::atomic::Ordering::SeqCst;

fn name(random: &mut Random, kind: &str, names: usize) -> String {
    format!("{kind} {}", random.below(names))
}

/// An ID that may be one of an entry.
fn some_id(txn: &mut Txn<'_>, key: Key<'_>, random: &mut Random) -> StreamId {
    let Ok(Some(stream)) = stream::get(txn, 0, key) else { return StreamId::new(1, 1) };
    let (first, last) = (stream.facts().first_id, stream.facts().last_id);
    let ms = first.ms + random.below((last.ms - first.ms) as usize + 2) as u64;
    let next = stream.range(StreamId::new(ms, 0), StreamId::MAX).next();
    next.map_or(StreamId::new(ms, random.below(3) as u64), |(id, _)| id)
}

fn change_entries(txn: &mut Txn<'_>, key: Key<'_>, random: &mut Random) {
    match random.below(20) {
        0..10 => {
            let trim = Trim {
                to: TrimTo::MaxLen(100 + random.below(300) as u64),
                approximate: random.below(2) == 0,
                limit: 0,
                references: References::Keep,
            };
            let trim = (random.below(10) == 0).then_some(trim);
            let next = stream::get(txn, 0, key).unwrap().and_then(|stream| stream.facts().last_id.next());
            for _ in 0..1 + random.below(8) {
                // Right behind the last ID, which may have gone back, or much later.
                let id = next.filter(|_| random.below(3) == 0).map_or(NewId::Auto, NewId::Exact);
                let entry = Add { id, create: true, trim };
                let value = vec![b'a' + random.below(26) as u8; 1 + random.below(40)];
                let _ = stream::add(txn, 0, key, &entry, [(&b"f"[..], &value[..])]);
            }
        }
        10..14 => {
            let ids = [some_id(txn, key, random), some_id(txn, key, random)];
            stream::delete(txn, 0, key, ids).unwrap();
        }
        14 => {
            let ids = [some_id(txn, key, random), some_id(txn, key, random)];
            let references = [References::Delete, References::Acked][random.below(2)];
            stream::delete_with(txn, 0, key, &ids, references, |_| ()).unwrap();
        }
        15 => {
            let to = if random.below(2) == 0 {
                let id = [0; 5].map(|_| some_id(txn, key, random)).into_iter().min();
                TrimTo::MinId(id.unwrap_or_default())
            } else {
                TrimTo::MaxLen(50 + random.below(300) as u64)
            };
            let references = [References::Keep, References::Delete, References::Acked][random.below(3)];
            let (approximate, limit) = (random.below(3) == 0, random.below(2) as u64 * 40);
            stream::trim(txn, 0, key, &Trim { to, approximate, limit, references }).unwrap();
        }
        16..18 => {
            // Back to where the last entries were deleted.
            let last = stream::get(txn, 0, key).unwrap().and_then(stream::Stream::last_entry_id);
            let set = SetId { last_id: last.unwrap_or_default(), below_deleted: true, ..SetId::default() };
            let _ = stream::set_id(txn, 0, key, &set);
        }
        _ => {
            // The last entries go, and with them nodes.
            let Ok(Some(stream)) = stream::get(txn, 0, key) else { return };
            let ids: Vec<_> = stream.range_reverse(StreamId::MIN, StreamId::MAX).take(12).map(|(id, _)| id).collect();
            stream::delete(txn, 0, key, ids).unwrap();
        }
    }
}

fn change_groups(txn: &mut Txn<'_>, key: Key<'_>, random: &mut Random) {
    let (group, consumer) = (name(random, "group", 5), name(random, "consumer", 6));
    let (group, consumer) = (group.as_bytes(), consumer.as_bytes());
    let member = Member { group, consumer, only_if_served: random.below(2) == 0 };
    let now_ms = txn.now_ms();
    let new = NewGroup { name: group, last_id: Some(StreamId::MIN), entries_read: Some(random.below(9) as u64) };
    match random.below(100) {
        0..5 => {
            let _ = stream::create_group(txn, 0, key, &new, true);
        }
        5 => drop(stream::destroy_group(txn, 0, key, group)),
        6 => {
            let _ = stream::set_group_id(txn, 0, key, &new);
        }
        7..10 => drop(stream::create_consumer(txn, 0, key, group, consumer)),
        10..12 => drop(stream::delete_consumer(txn, 0, key, group, consumer)),
        12..40 => {
            let ids: Vec<_> = (0..1 + random.below(8)).map(|_| some_id(txn, key, random)).collect();
            stream::ack(txn, 0, key, group, &ids).unwrap();
        }
        40..70 => {
            let count = 1 + random.below(60) as u64;
            let read = Read { count, no_ack: random.below(5) == 0, now_ms, counting: Counting::V7_2 };
            let after = ReadFrom::After(some_id(txn, key, random));
            let from = if random.below(3) > 0 { ReadFrom::New } else { after };
            let _ = stream::read_group(txn, 0, key, &member, from, &read, |_| ());
        }
        70..90 => {
            let claim = Claim {
                now_ms,
                min_idle_ms: 0,
                delivery_ms: None,
                deliveries: (random.below(3) == 0).then_some(7),
                force: random.below(2) == 0,
                just_id: random.below(2) == 0,
            };
            let ids: Vec<_> = (0..1 + random.below(8)).map(|_| some_id(txn, key, random)).collect();
            let claims = Claims { ids: &ids, claim, last_id: StreamId::MIN };
            let _ = stream::claim(txn, 0, key, &member, &claims, |_, _| ());
        }
        90..95 => {
            let scan = Scan { start: some_id(txn, key, random), count: 20, now_ms, min_idle_ms: 3, just_id: false };
            let _ = stream::autoclaim(txn, 0, key, &member, &scan, |_, _| ());
        }
        _ => {
            let ids = [some_id(txn, key, random), some_id(txn, key, random)];
            stream::ack_and_delete(txn, 0, key, group, &ids, References::Delete, |_| ()).unwrap();
        }
    }
}

fn change(txn: &mut Txn<'_>, random: &mut Random) {
    let (key, other) = (name(random, "stream", 3), name(random, "stream", 4));
    let (key, other) = (txn.store().key(key.as_bytes()), txn.store().key(other.as_bytes()));
    match random.below(1000) {
        0..500 => change_entries(txn, key, random),
        500..990 => change_groups(txn, key, random),
        990..993 => drop(keyspace::rename(txn, 0, key, other, false)),
        993..996 => drop(keyspace::copy(txn, 0, key, other, 0, true)),
        996..998 => drop(keyspace::move_key(txn, 0, key, 1)),
        998 => drop(keyspace::swap_db(txn, 0, 1)),
        _ => drop(keyspace::delete(txn, 0, key)),
    }
}

#[test]
fn streams_are_as_they_were_at_the_cut() {
    let mut in_pieces = 0;
    for seed in 1..=4u64 {
        let shards = if seed % 2 == 0 { 1 } else { 4 };
        let store = Store::new(Options { shards, databases: DATABASES, hash_seed: [seed, 8, 9, 1] });
        store.settings().stream_node_max_entries.store(8, SeqCst);
        let writer = store.register();
        let mut random = Random::new(seed);
        let mut now_ms = 1_000_000;
        for round in 0..15 {
            for _ in 0..1500 {
                now_ms += random.below(2) as i64;
                with_all(&writer, now_ms, |txn| change(txn, &mut random));
            }
            let cancels_after = (round % 5 == 3).then_some(20);
            let pace = Pace { chains: 20, bytes: 3000, changes: 40, ms: 2, cancels_after };
            let keeper = take(&store, &mut random, &mut now_ms, &pace, &mut change);
            in_pieces += keeper.map_or(0, |keeper| keeper.begun.load(SeqCst));
        }
    }
    assert!(in_pieces > 60, "only {in_pieces} streams came in pieces");
}
