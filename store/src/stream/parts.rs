//! Streams from damaged parts, and what streams take.

use super::*;
use crate::corrupt::Corrupt;

fn filled(entries: u64) -> Stream {
    let mut stream = Stream::new();
    for seq in 1..=entries {
        let fields = [(&b"f"[..], &b"0123456789"[..])];
        stream.append(StreamId::new(1_700_000_000_000 + seq, 0), fields, &NodeLimits::default()).expect("a greater ID");
    }
    stream
}

#[test]
fn a_short_stream_is_small() {
    let stream = filled(5);
    assert_eq!(size_of::<Stream>(), 96);
    assert_eq!(stream.nodes().map(|(_, bytes)| bytes.len()).sum::<usize>(), 118);
    assert_eq!(stream.memory(0), 96 + 128);
}

#[test]
fn memory_is_that_of_nodes_and_groups() {
    let mut stream = filled(10_000);
    assert_eq!((stream.nodes_len(), stream.radix_nodes() > 100), (100, true));
    let nodes: usize = stream.nodes().map(|(_, bytes)| bytes.len()).sum();
    let all = stream.memory(0);
    assert!(all > nodes && all < nodes + nodes / 8 + 20_000, "{all} for {nodes}");
    assert!(stream.memory(5).abs_diff(all) < all / 50);
    stream.create_group(b"g", StreamId::MIN, None);
    let mut delivery = stream.delivery(b"g").expect("a group");
    let consumer = delivery.group_mut().create_consumer(b"c", 0).expect("a consumer");
    let read = Read { count: 0, no_ack: false, now_ms: 0, counting: Counting::V7_2 };
    assert_eq!(delivery.read_new(consumer, &read, |_| {}), 10_000);
    let pending = stream.memory(0) - all;
    assert!((56 * 10_000..130 * 10_000).contains(&pending), "{pending}");
    assert_eq!(stream.drop_effort(), 100 + 2 + 10_000);
}

#[test]
fn entries_too_large_are_refused() {
    let mut stream = filled(1);
    let half = vec![0; (1 << 29) + 1];
    let huge = [(&half[..], &half[..])];
    assert_eq!(stream.append(StreamId::MAX, huge, &NodeLimits::default()), Err(AppendError::TooLarge));
    assert_eq!((stream.len(), stream.facts().last_id), (1, StreamId::new(1_700_000_000_001, 0)));
}

#[test]
fn ids_are_made_from_clock_and_last_id() {
    let mut stream = Stream::new();
    assert_eq!(stream.next_id(NewId::Auto, 5), Ok(StreamId::new(5, 0)));
    assert_eq!(stream.next_id(NewId::Auto, 0), Ok(StreamId::new(0, 1)));
    stream.set_id(&SetId { last_id: StreamId::new(7, u64::MAX), ..SetId::default() }).expect("an empty stream");
    assert_eq!(stream.next_id(NewId::Auto, 5), Ok(StreamId::new(8, 0)));
    assert_eq!(stream.next_id(NewId::Auto, 9), Ok(StreamId::new(9, 0)));
    assert_eq!(stream.next_id(NewId::AutoSeq(7), 9), Err(AppendError::NotGreater));
    assert_eq!(stream.next_id(NewId::Millis(7), 9), Err(AppendError::NotGreater));
    stream.set_id(&SetId { last_id: StreamId::MAX, ..SetId::default() }).expect("an empty stream");
    assert_eq!(stream.next_id(NewId::Auto, 9), Err(AppendError::Exhausted));
}

#[test]
fn claims_look_at_times() {
    let mut stream = filled(2);
    let (first, last) = (stream.facts().first_id, stream.facts().last_id);
    stream.create_group(b"g", StreamId::MIN, None);
    let mut delivery = stream.delivery(b"g").expect("a group");
    let consumer = delivery.group_mut().create_consumer(b"c", 0).expect("a consumer");
    let read = Read { count: 1, no_ack: false, now_ms: 1000, counting: Counting::V7_2 };
    assert_eq!(delivery.read_new(consumer, &read, |_| {}), 1);
    let claim =
        Claim { now_ms: 1050, min_idle_ms: 51, delivery_ms: None, deliveries: None, force: false, just_id: false };
    let mut claimed = |id, claim: &Claim| match delivery.claim(id, consumer, claim) {
        Claimed::Taken(_, nack) => Some((nack.delivery_ms, nack.deliveries)),
        _ => None,
    };
    assert_eq!(claimed(first, &claim), None);
    assert_eq!(claimed(first, &Claim { min_idle_ms: 50, just_id: true, ..claim }), Some((1050, 1)));
    let any = Claim { min_idle_ms: 0, ..claim };
    assert_eq!(claimed(first, &Claim { delivery_ms: Some(0), ..any }), Some((0, 2)));
    assert_eq!(claimed(first, &Claim { delivery_ms: Some(1051), ..any }), Some((1050, 3)));
    assert_eq!(claimed(first, &Claim { delivery_ms: Some(-1), deliveries: Some(7), ..any }), Some((1050, 7)));
    assert_eq!(claimed(last, &any), None);
    assert_eq!(claimed(last, &Claim { force: true, ..claim }), Some((1050, 2)));
}

#[test]
fn the_last_id_is_set_within_bounds() {
    let mut stream = filled(3);
    let (first, last) = (stream.facts().first_id, stream.facts().last_id);
    assert_eq!(stream.set_id(&SetId { last_id: first, ..SetId::default() }), Err(SetIdError::BelowLast));
    assert_eq!(
        stream.set_id(&SetId { last_id: last, entries_added: Some(2), ..SetId::default() }),
        Err(SetIdError::AddedBelowLength)
    );
    stream.delete(last);
    assert_eq!(stream.set_id(&SetId { last_id: first, ..SetId::default() }), Err(SetIdError::BelowDeleted));
    assert_eq!(
        stream.set_id(&SetId {
            last_id: StreamId::MAX,
            entries_added: Some(9),
            max_deleted_id: Some(StreamId::MAX),
            below_deleted: false
        }),
        Ok(())
    );
    let facts = *stream.facts();
    assert_eq!((facts.last_id, facts.entries_added, facts.max_deleted_id), (StreamId::MAX, 9, StreamId::MAX));
}

/// The damage that loading names after a change.
fn damage(load: impl FnOnce(&mut StreamLoader) -> Result<(), Corrupt>) -> &'static str {
    load(&mut StreamLoader::new()).expect_err("damaged parts").reason
}

#[test]
fn damaged_nodes_are_refused() {
    let stream = filled(2);
    let (master, good) = stream.nodes().next().expect("a node");
    let with = |at: usize, byte: u8| {
        let mut bytes = good.to_vec();
        assert_ne!(bytes[at], byte);
        bytes[at] = byte;
        damage(|loader| loader.node(master, &bytes))
    };
    // Header 6, counts at 6, 8 and 10, field at 12, 0 at 15; flags at 17, time at 19, number at 21, value at 23, count at 35.
    assert_eq!(with(6, 3), "not as many entries as the node says");
    assert_eq!(with(8, 1), "not as many entries as the node says");
    assert_eq!(with(10, 0), "no end of the master entry");
    assert_eq!(with(15, 1), "the master entry does not end with 0");
    assert_eq!(with(17, 4), "unknown flags");
    assert_eq!(with(17, 3), "not as many entries as the node says");
    assert_eq!(with(17, 0), "an entry has no number of fields");
    assert_eq!(with(35, 5), "the count at the end of an entry is not that of its values");
    assert_eq!(with(19, 1), "an entry's ID is not greater than that before it");
    assert_eq!(
        damage(|loader| loader.node(master, &good[1..])),
        "the length in the header is not the length of the bytes"
    );
    assert_eq!(
        damage(|loader| loader.node(master, crate::listpack::Listpack::new().bytes())),
        "no number of live entries"
    );
    let twice = |loader: &mut StreamLoader| {
        loader.node(master, good).expect("a good node");
        loader.node(master.next().expect("a greater ID"), good)
    };
    assert_eq!(damage(twice), "a node does not follow the one before");
}

#[test]
fn damaged_facts_and_groups_are_refused() {
    let stream = filled(2);
    let loaded = |loader: &mut StreamLoader| {
        stream.nodes().for_each(|(master, bytes)| loader.node(master, bytes).expect("a good node"));
    };
    let facts = *stream.facts();
    let with = |facts: Facts| {
        damage(|loader| {
            loaded(loader);
            loader.facts(facts)
        })
    };
    assert_eq!(with(Facts { length: 3, ..facts }), "the length is not the number of entries");
    assert_eq!(with(Facts { last_id: facts.first_id, ..facts }), "the last ID is less than that of an entry");
    let group = || GroupLoader::new(b"g", StreamId::MIN, None);
    let id = facts.first_id;
    assert_eq!(
        damage(|loader| {
            loader.group(group())?;
            loader.group(group())
        }),
        "two groups have the same name"
    );
    let mut part = group();
    part.pending(id, 0, 1).expect("a new one");
    assert_eq!(part.pending(id, 0, 1).expect_err("twice").reason, "an entry is pending twice");
    let first = part.consumer(b"c", 0, None).expect("a new one");
    assert_eq!(part.consumer(b"c", 0, None).expect_err("twice").reason, "Duplicate stream consumer detected");
    let second = part.consumer(b"d", 0, None).expect("a new one");
    let missing = part.owned(StreamId::MAX, first).expect_err("not pending");
    assert_eq!(missing.reason, "a consumer's entry is not pending");
    part.owned(id, first).expect("a pending one");
    assert_eq!(part.owned(id, second).expect_err("owned").reason, "an entry is pending for two consumers");
    let mut part = group();
    part.pending(id, 0, 1).expect("a new one");
    assert_eq!(damage(|loader| loader.group(part)), "an entry is pending for no consumer");
}

#[test]
fn an_entry_that_takes_the_id_of_a_deleted_one_is_found() {
    let mut stream = Stream::new();
    let limits = NodeLimits::default();
    for seq in [1, 2, 3] {
        stream.append(StreamId::new(7, seq), [(&b"f"[..], &b"v"[..])], &limits).expect("a greater ID");
    }
    assert!(stream.delete(StreamId::new(7, 2)) && stream.delete(StreamId::new(7, 3)));
    let back = SetId { last_id: StreamId::new(7, 1), entries_added: None, max_deleted_id: None, below_deleted: true };
    stream.set_id(&back).expect("not below an entry");
    stream.append(StreamId::new(7, 2), [(&b"f"[..], &b"w"[..])], &limits).expect("a greater ID");
    assert!(stream.contains(StreamId::new(7, 2)) && stream.delete(StreamId::new(7, 2)));
    assert_eq!((stream.len(), stream.contains(StreamId::new(7, 2))), (1, false));
}
