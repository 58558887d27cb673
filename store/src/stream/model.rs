//! Streams against ordered maps.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Default)]
struct Model {
    entries: BTreeMap<StreamId, Pairs>,
    last_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    groups: BTreeMap<Vec<u8>, ModelGroup>,
}

#[derive(Default)]
struct ModelGroup {
    last_id: StreamId,
    /// Time, number of deliveries and consumer.
    pending: BTreeMap<StreamId, (i64, u64, u8)>,
    consumers: BTreeSet<u8>,
}

impl Model {
    fn delete(&mut self, id: StreamId) -> bool {
        let there = self.entries.remove(&id).is_some();
        if there {
            self.max_deleted_id = self.max_deleted_id.max(id);
        }
        there
    }

    fn forget(&mut self, id: StreamId) {
        for group in self.groups.values_mut() {
            group.pending.remove(&id);
        }
    }

    fn is_referenced(&self, id: StreamId) -> bool {
        self.groups.values().any(|group| group.last_id < id || group.pending.contains_key(&id))
    }

    fn pick(&self, at: usize) -> StreamId {
        let nth = self.entries.keys().nth(at % (self.entries.len() + 1));
        nth.copied().unwrap_or(StreamId::new(at as u64, 0))
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(u64, u64, Pairs),
    Delete(usize, u8),
    TrimLen(u64, u8),
    TrimId(usize, u8),
    TrimNodes(u64, u64),
    Range(usize, usize),
    CreateGroup(u8, usize),
    DestroyGroup(u8),
    SetGroupId(u8, usize),
    DeleteConsumer(u8, u8),
    Read(u8, u8, u64, bool),
    ReadAgain(u8, u8, usize, u64),
    Ack(u8, usize),
    AckDelete(u8, usize, u8),
    Claim(u8, u8, usize, Claim),
    Autoclaim(u8, u8, usize, u64, i64),
    Reload,
    Copy,
}

fn pairs() -> impl Strategy<Value = Pairs> {
    let value = prop_oneof![vec(any::<u8>(), 0..20), any::<i64>().prop_map(|number| number.to_string().into_bytes())];
    let name = prop_oneof![Just(b"f".to_vec()), Just(b"12".to_vec()), vec(any::<u8>(), 0..3)];
    prop_oneof![
        4 => value.clone().prop_map(|value| vec![(b"f".to_vec(), value)]),
        1 => vec((name, value), 1..4),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let (name, consumer, at) = (0u8..3, 0u8..3, any::<u16>().prop_map(usize::from));
    let group = name.clone();
    let idle_ms = (0i64..4).prop_map(|steps| steps * 10);
    let claim = (idle_ms.clone(), proptest::option::of(-5i64..60), proptest::option::of(0u64..9), any::<[bool; 2]>())
        .prop_map(|(min_idle_ms, delivery_ms, deliveries, [force, just_id])| Claim {
            now_ms: 0,
            min_idle_ms,
            delivery_ms,
            deliveries,
            force,
            just_id,
        });
    prop_oneof![
        12 => (0u64..3, 0u64..300, pairs()).prop_map(|(ms, seq, pairs)| Step::Append(ms, seq, pairs)),
        3 => (at.clone(), 0u8..3).prop_map(|(at, references)| Step::Delete(at, references)),
        1 => (0u64..30, 0u8..2).prop_map(|(len, references)| Step::TrimLen(len, references)),
        1 => (at.clone(), 0u8..3).prop_map(|(at, references)| Step::TrimId(at, references)),
        1 => (0u64..30, 0u64..9).prop_map(|(len, limit)| Step::TrimNodes(len, limit)),
        2 => (at.clone(), at.clone()).prop_map(|(from, to)| Step::Range(from, to)),
        1 => (name.clone(), at.clone()).prop_map(|(group, at)| Step::CreateGroup(group, at)),
        1 => name.clone().prop_map(Step::DestroyGroup),
        1 => (name.clone(), at.clone()).prop_map(|(group, at)| Step::SetGroupId(group, at)),
        1 => (name.clone(), consumer.clone()).prop_map(|(group, consumer)| Step::DeleteConsumer(group, consumer)),
        6 => (name.clone(), consumer.clone(), 0u64..6, any::<bool>())
            .prop_map(|(group, consumer, count, ack)| Step::Read(group, consumer, count, ack)),
        1 => (name.clone(), consumer.clone(), at.clone(), 0u64..4)
            .prop_map(|(group, consumer, at, count)| Step::ReadAgain(group, consumer, at, count)),
        3 => (name.clone(), at.clone()).prop_map(|(group, at)| Step::Ack(group, at)),
        1 => (name.clone(), at.clone(), 0u8..3).prop_map(|(group, at, references)| Step::AckDelete(group, at, references)),
        3 => (name, consumer.clone(), at.clone(), claim).prop_map(|(group, consumer, at, claim)| Step::Claim(group, consumer, at, claim)),
        1 => (group, consumer, at, 1u64..4, idle_ms)
            .prop_map(|(group, consumer, at, count, idle)| Step::Autoclaim(group, consumer, at, count, idle)),
        1 => Just(Step::Reload),
        1 => Just(Step::Copy),
    ]
}

const LIMITS: NodeLimits = NodeLimits { bytes_max: 120, entries_max: 5 };

fn references(number: u8) -> References {
    [References::Keep, References::Delete, References::Acked][usize::from(number)]
}

fn owned(fields: Fields<'_>) -> Pairs {
    fields.map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

fn consumer_of(group: &mut Group, consumer: u8) -> ConsumerId {
    let found = group.find_consumer(&[consumer]);
    found.or_else(|| group.create_consumer(&[consumer], 0)).expect("there is one or it can be created")
}

struct Pair {
    stream: Stream,
    model: Model,
    now_ms: i64,
}

impl Pair {
    fn apply(&mut self, step: Step) {
        self.now_ms += 10;
        let Pair { stream, model, .. } = self;
        match step {
            Step::Append(ms, seq, pairs) => {
                let id = StreamId::new(model.last_id.ms + ms, if ms == 0 { model.last_id.seq + seq } else { seq });
                let fields = pairs.iter().map(|(name, value)| (&name[..], &value[..]));
                let added = stream.append(id, fields, &LIMITS);
                assert_eq!(added.is_ok(), id > model.last_id);
                if added.is_ok() {
                    model.entries.insert(id, pairs);
                    model.last_id = id;
                    model.entries_added += 1;
                }
            }
            Step::Delete(at, how) => {
                let (id, how) = (model.pick(at), references(how));
                let expected = if how == References::Acked && model.is_referenced(id) {
                    Deletion::Referenced
                } else {
                    if how == References::Delete {
                        model.forget(id);
                    }
                    if model.delete(id) { Deletion::Deleted } else { Deletion::Missing }
                };
                assert_eq!(stream.delete_with(id, how), expected);
            }
            Step::TrimLen(..) | Step::TrimId(..) | Step::TrimNodes(..) => self.trim(step),
            Step::Range(from, to) => {
                let (from, to) = (model.pick(from), model.pick(to));
                let found: Vec<_> = stream.range(from, to).map(|(id, fields)| (id, owned(fields))).collect();
                let mut reverse: Vec<_> =
                    stream.range_reverse(from, to).map(|(id, fields)| (id, owned(fields))).collect();
                reverse.reverse();
                let range = (from <= to).then(|| model.entries.range(from..=to));
                let expected: Vec<_> = range.into_iter().flatten().map(|(&id, pairs)| (id, pairs.clone())).collect();
                assert_eq!(found, expected);
                assert_eq!(reverse, expected);
            }
            Step::Reload => self.stream = reload(stream),
            Step::Copy => {
                let copy = stream.clone();
                let old = std::mem::replace(stream, copy);
                drop(old);
            }
            _ => self.apply_to_group(step),
        }
    }

    fn trim(&mut self, step: Step) {
        let Pair { stream, model, .. } = self;
        let (to, approximate, limit, how) = match step {
            Step::TrimLen(len, how) => (TrimTo::MaxLen(len), false, 0, references(how)),
            Step::TrimId(at, how) => (TrimTo::MinId(model.pick(at)), false, 0, references(how)),
            Step::TrimNodes(len, limit) => (TrimTo::MaxLen(len), true, limit, References::Keep),
            _ => unreachable!("no trimming"),
        };
        let deleted = stream.trim(&Trim { to, approximate, limit, references: how });
        let excess = match to {
            TrimTo::MaxLen(len) => model.entries.len().saturating_sub(len as usize),
            TrimTo::MinId(id) => model.entries.range(..id).count(),
        };
        let doomed: Vec<StreamId> = if approximate {
            assert!(deleted as usize <= excess && (limit == 0 || deleted <= limit));
            let next_node = stream.nodes().next().map(|(master, _)| master);
            assert!(next_node.is_none_or(|master| model.entries.range(..master).count() == deleted as usize));
            model.entries.keys().copied().take(deleted as usize).collect()
        } else {
            model.entries.keys().copied().take(excess).collect()
        };
        let mut expected = 0;
        for id in doomed {
            if how == References::Acked && model.is_referenced(id) {
                continue;
            }
            model.entries.remove(&id);
            if how == References::Delete {
                model.forget(id);
            }
            expected += 1;
        }
        assert_eq!(deleted, expected);
    }

    fn apply_to_group(&mut self, step: Step) {
        let Pair { stream, model, now_ms } = self;
        let now_ms = *now_ms;
        match step {
            Step::CreateGroup(name, at) => {
                let id = model.pick(at);
                let created = stream.create_group(&[name], id, None);
                assert_eq!(created, !model.groups.contains_key(&vec![name]));
                model.groups.entry(vec![name]).or_insert(ModelGroup { last_id: id, ..ModelGroup::default() });
            }
            Step::DestroyGroup(name) => {
                assert_eq!(stream.destroy_group(&[name]).is_some(), model.groups.remove(&vec![name]).is_some());
            }
            Step::AckDelete(name, at, how) => {
                let (id, how) = (model.pick(at), references(how));
                let known = model.groups.get_mut(&vec![name]).and_then(|group| group.pending.remove(&id)).is_some();
                let expected = if !known {
                    Deletion::Missing
                } else if how == References::Acked && model.is_referenced(id) {
                    Deletion::Referenced
                } else {
                    if how == References::Delete {
                        model.forget(id);
                    }
                    model.delete(id);
                    Deletion::Deleted
                };
                assert_eq!(stream.ack_and_delete(&[name], id, how), expected);
            }
            Step::SetGroupId(name, at) => {
                let id = model.pick(at);
                let Some(group) = stream.group_mut(&[name]) else { return };
                group.set_id(id, None);
                model.groups.get_mut(&vec![name]).expect("the same groups").last_id = id;
            }
            Step::DeleteConsumer(name, consumer) => {
                let Some(group) = stream.group_mut(&[name]) else { return };
                let known = model.groups.get_mut(&vec![name]).expect("the same groups");
                let before = known.pending.len();
                known.pending.retain(|_, (_, _, owner)| *owner != consumer);
                let expected = known.consumers.remove(&consumer).then_some(before - known.pending.len());
                assert_eq!(group.delete_consumer(&[consumer]), expected);
            }
            Step::Ack(name, at) => {
                let id = model.pick(at);
                let Some(group) = stream.group_mut(&[name]) else { return };
                let known = model.groups.get_mut(&vec![name]).expect("the same groups").pending.remove(&id);
                assert_eq!(group.ack(id).map(|nack| (nack.delivery_ms, nack.deliveries)), known.map(|it| (it.0, it.1)));
            }
            Step::Read(name, consumer, count, ack) => self.read(name, consumer, count, ack),
            Step::ReadAgain(name, consumer, at, count) => {
                let after = model.pick(at);
                let Some(mut delivery) = stream.delivery(&[name]) else { return };
                let known = model.groups.get_mut(&vec![name]).expect("the same groups");
                let id = consumer_of(delivery.group_mut(), consumer);
                known.consumers.insert(consumer);
                let mut found = Vec::new();
                let number = delivery.read_again(id, after, count, now_ms, |delivered| {
                    found.push((delivered.id, delivered.fields.map(owned)));
                });
                assert_eq!(number as usize, found.len());
                let count = if count == 0 { usize::MAX } else { count as usize };
                let own = known.pending.iter_mut().filter(|(id, nack)| **id > after && nack.2 == consumer);
                let expected: Vec<_> = own
                    .take(count)
                    .map(|(&id, nack)| {
                        let pairs = model.entries.get(&id).cloned();
                        if pairs.is_some() {
                            (nack.0, nack.1) = (now_ms, nack.1 + 1);
                        }
                        (id, pairs)
                    })
                    .collect();
                assert_eq!(found, expected);
            }
            Step::Claim(name, consumer, at, claim) => {
                let id = model.pick(at);
                let Some(mut delivery) = stream.delivery(&[name]) else { return };
                let known = model.groups.get_mut(&vec![name]).expect("the same groups");
                let claimer = consumer_of(delivery.group_mut(), consumer);
                known.consumers.insert(consumer);
                let claim = Claim { now_ms, ..claim };
                let claimed = match delivery.claim(id, claimer, &claim) {
                    Claimed::Skipped => None,
                    Claimed::Gone(_) => Some(None),
                    Claimed::Taken(fields, _) => Some(Some(owned(fields))),
                };
                assert_eq!(claimed, known.claim(&model.entries, id, consumer, &claim));
            }
            Step::Autoclaim(name, consumer, at, count, min_idle_ms) => {
                let scan = Scan { start: model.pick(at), count, now_ms, min_idle_ms, just_id: false };
                self.autoclaim(name, consumer, &scan);
            }
            _ => unreachable!("not for a group"),
        }
    }

    fn read(&mut self, name: u8, consumer: u8, count: u64, ack: bool) {
        let Pair { stream, model, now_ms } = self;
        let Some(mut delivery) = stream.delivery(&[name]) else { return };
        let known = model.groups.get_mut(&vec![name]).expect("the same groups");
        let id = consumer_of(delivery.group_mut(), consumer);
        known.consumers.insert(consumer);
        let new = model.entries.range(known.last_id.next().expect("a small ID")..);
        assert_eq!(delivery.has_new(), new.clone().next().is_some());
        let mut found = Vec::new();
        let read = Read { count, no_ack: !ack, now_ms: *now_ms, counting: Counting::V7_2 };
        let number = delivery.read_new(id, &read, |delivered| {
            found.push((delivered.id, delivered.fields.map(owned).expect("a new entry")));
        });
        assert_eq!(number as usize, found.len());
        let count = if count == 0 { usize::MAX } else { count as usize };
        let expected: Vec<_> = new.take(count).map(|(&id, pairs)| (id, pairs.clone())).collect();
        assert_eq!(found, expected);
        for (id, _) in expected {
            known.last_id = id;
            if ack {
                known.pending.insert(id, (*now_ms, 1, consumer));
            }
        }
    }

    fn autoclaim(&mut self, name: u8, consumer: u8, scan: &Scan) {
        let Pair { stream, model, now_ms } = self;
        let Some(mut delivery) = stream.delivery(&[name]) else { return };
        let known = model.groups.get_mut(&vec![name]).expect("the same groups");
        let claimer = consumer_of(delivery.group_mut(), consumer);
        known.consumers.insert(consumer);
        let mut found = Vec::new();
        let next = delivery.autoclaim(claimer, scan, |id, claimed| {
            found.push((id, matches!(claimed, Claimed::Taken(..))));
        });
        let claim = Claim {
            now_ms: *now_ms,
            min_idle_ms: scan.min_idle_ms,
            delivery_ms: None,
            deliveries: None,
            force: false,
            just_id: false,
        };
        let (mut expected, mut left) = (Vec::new(), scan.count);
        let ids: Vec<StreamId> = known.pending.range(scan.start..).map(|(&id, _)| id).collect();
        let mut ids = ids.into_iter();
        for id in ids.by_ref().take(10 * scan.count as usize) {
            if left == 0 {
                assert_eq!(next, id);
                break;
            }
            if let Some(taken) = known.claim(&model.entries, id, consumer, &claim) {
                expected.push((id, taken.is_some()));
                left -= 1;
            }
        }
        assert_eq!(found, expected);
    }

    fn check(&self) {
        let Pair { stream, model, .. } = self;
        let expected = Facts {
            length: model.entries.len() as u64,
            last_id: model.last_id,
            first_id: model.entries.keys().next().copied().unwrap_or_default(),
            max_deleted_id: model.max_deleted_id,
            entries_added: model.entries_added,
        };
        assert_eq!(*stream.facts(), expected);
        assert_eq!(stream.last_entry_id(), model.entries.keys().next_back().copied());
        assert_eq!(stream.groups().len(), model.groups.len());
        for (group, (name, known)) in stream.groups().zip(&model.groups) {
            assert_eq!((group.name(), group.last_id()), (&name[..], known.last_id));
            let names: Vec<u8> = group.consumers().map(|(_, consumer)| consumer.name()[0]).collect();
            assert!(names.iter().eq(&known.consumers));
            let pending = |pending: Pending<'_>| {
                (pending.id, (pending.nack.delivery_ms, pending.nack.deliveries, pending.consumer.name()[0]))
            };
            let all: BTreeMap<_, _> = group.pending(StreamId::MIN, StreamId::MAX).map(pending).collect();
            assert_eq!(all, known.pending);
            assert_eq!(group.pending_len(), all.len());
            assert_eq!(group.pending_ends().map(|ends| ends.0), all.keys().next().copied());
            let mut by_consumer = BTreeMap::new();
            for (id, consumer) in group.consumers() {
                assert_eq!(consumer.pending_len(), group.pending_of(id, StreamId::MIN, StreamId::MAX).count());
                by_consumer.extend(group.pending_of(id, StreamId::MIN, StreamId::MAX).map(pending));
            }
            assert_eq!(by_consumer, all);
        }
    }
}

impl ModelGroup {
    /// What claiming an entry gives: its fields, or nothing within if it is gone.
    fn claim(
        &mut self,
        entries: &BTreeMap<StreamId, Pairs>,
        id: StreamId,
        consumer: u8,
        claim: &Claim,
    ) -> Option<Option<Pairs>> {
        let held = self.pending.get(&id).copied();
        let Some(pairs) = entries.get(&id) else { return self.pending.remove(&id).map(|_| None) };
        let deliveries = match held {
            Some((delivery_ms, deliveries, _)) => {
                if claim.now_ms - delivery_ms < claim.min_idle_ms {
                    return None;
                }
                deliveries
            }
            None if claim.force => 1,
            None => return None,
        };
        let delivery_ms = claim.delivery_ms.filter(|&ms| ms >= 0 && ms <= claim.now_ms).unwrap_or(claim.now_ms);
        let deliveries = claim.deliveries.unwrap_or(if claim.just_id { deliveries } else { deliveries + 1 });
        self.pending.insert(id, (delivery_ms, deliveries, consumer));
        Some(Some(pairs.clone()))
    }
}

/// Takes a stream apart and puts it together, as a file does.
fn reload(stream: &Stream) -> Stream {
    let mut loader = StreamLoader::new();
    stream.nodes().for_each(|(master, bytes)| loader.node(master, bytes).expect("a good node"));
    loader.facts(*stream.facts()).expect("good facts");
    for group in stream.groups() {
        let mut part = GroupLoader::new(group.name(), group.last_id(), group.entries_read());
        for pending in group.pending(StreamId::MIN, StreamId::MAX) {
            part.pending(pending.id, pending.nack.delivery_ms, pending.nack.deliveries).expect("a new one");
        }
        for (id, consumer) in group.consumers() {
            let new = part.consumer(consumer.name(), consumer.seen_ms, consumer.active_ms).expect("a new one");
            group.pending_of(id, StreamId::MIN, StreamId::MAX).for_each(|pending| {
                part.owned(pending.id, new).expect("a pending one");
            });
        }
        loader.group(part).expect("a new group");
    }
    loader.finish()
}

proptest! {
    #[test]
    fn behaves_like_ordered_maps(steps in vec(step(), 1..120)) {
        let mut pair = Pair { stream: Stream::new(), model: Model::default(), now_ms: 0 };
        for step in steps {
            pair.apply(step);
            pair.check();
        }
    }

    #[test]
    fn any_bytes_are_read_or_rejected(
        entries in vec(pairs(), 1..6),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        deleted in proptest::option::of(0u64..6),
    ) {
        let mut stream = Stream::new();
        for (seq, pairs) in (1..).zip(&entries) {
            let fields = pairs.iter().map(|(name, value)| (&name[..], &value[..]));
            stream.append(StreamId::new(7, seq), fields, &NodeLimits::default()).expect("a greater ID");
        }
        if let Some(seq) = deleted {
            stream.delete(StreamId::new(7, seq));
        }
        let Some((master, bytes)) = stream.nodes().next() else { return Ok(()) };
        let mut bytes = bytes.to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut loader = StreamLoader::new();
        if loader.node(master, &bytes).is_ok() {
            let length = loader.length();
            loader.facts(Facts { length, last_id: StreamId::MAX, ..Facts::default() }).expect("the length is right");
            let mut stream = loader.finish();
            let range = stream.range(StreamId::MIN, StreamId::MAX);
            prop_assert_eq!(range.clone().count() as u64, length);
            let ids: Vec<_> = range.map(|(id, _)| id).collect();
            let reverse = stream.range_reverse(StreamId::MIN, StreamId::MAX);
            prop_assert!(reverse.map(|(id, _)| id).eq(ids.iter().rev().copied()));
            stream.trim(&Trim { to: TrimTo::MaxLen(1), approximate: false, limit: 0, references: References::Delete });
            prop_assert!(ids.iter().filter(|&&id| stream.delete(id)).count() <= 1);
            prop_assert!(stream.is_empty());
        }
    }
}
