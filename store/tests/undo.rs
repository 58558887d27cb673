//! What a unit has changed is taken back, whatever it was.

mod image;

use image::{DATABASES, differences, image_of, line, store, text, with_all};
use ochre_store::keyspace::{self, FreeMode, Record};
use ochre_store::list::{self, End};
use ochre_store::random::Random;
use ochre_store::snapshot::{Capture, Piece, Pieces, Snapshot};
use ochre_store::sorted_set::{self, AddOptions};
use ochre_store::stream::{Add, NewGroup, NewId};
use ochre_store::string::{self, SetOptions};
use ochre_store::undo::{Fate, Keep, Recorder, Undo};
use ochre_store::{Error, Str, Txn, ValueRef};
use ochre_store::{bits, hash, hyperloglog, set, stream};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// One random change, of whatever kind.
fn change(txn: &mut Txn<'_>, random: &mut Random, keys: usize) -> Result<(), Error> {
    let store = txn.store();
    let (db, other_db) = (random.below(DATABASES), random.below(DATABASES));
    // Its type lies in its name, so that most changes meet a key of their type.
    let kind = random.below(6);
    let (name, other) =
        (format!("{kind}:{}", random.below(keys)), format!("{}:{}", random.below(6), random.below(keys)));
    let (key, other) = (store.key(name.as_bytes()), store.key(other.as_bytes()));
    let element = format!("element {}", random.below(60));
    let element = element.as_bytes();
    let later_ms = txn.now_ms() + random.below(5000) as i64;
    match random.below(40) {
        0..20 => change_value(txn, random, kind, db, key, element),
        20..26 => keyspace::delete(txn, db, key).map(drop),
        26..29 => keyspace::rename(txn, db, key, other, false).map(drop),
        29..31 => keyspace::move_key(txn, db, key, other_db).map(drop),
        31..33 => keyspace::copy(txn, db, key, other, other_db, true).map(drop),
        33..37 => keyspace::expire_at_ms(txn, db, key, later_ms - 100, Default::default()).map(drop),
        37 => keyspace::persist(txn, db, key).map(drop),
        38 => string::set(txn, db, key, b"17", SetOptions::default()).map(drop),
        _ => keyspace::type_of(txn, db, key).map(drop),
    }
}

fn change_value(
    txn: &mut Txn<'_>,
    random: &mut Random,
    kind: usize,
    db: usize,
    key: ochre_store::Key<'_>,
    element: &[u8],
) -> Result<(), Error> {
    let way = random.below(4);
    match (kind, way) {
        (0, 0) => {
            let value = vec![b'a' + random.below(26) as u8; random.below(400)];
            string::set(txn, db, key, &value, SetOptions::default()).map(drop)
        }
        (0, 1) => string::append(txn, db, key, element).map(drop),
        (0, 2) => string::incr_by(txn, db, key, 7).map(drop),
        (0, _) if random.below(2) == 0 => bits::set_bit(txn, db, key, random.below(5000) as u64, true).map(drop),
        (0, _) => hyperloglog::add(txn, db, key, [element]).map(drop),
        (1, 0) => list::push(txn, db, key, End::Tail, [element, element].into_iter()).map(drop),
        (1, 1) => list::pop(txn, db, key, End::Head, |_| ()).map(drop),
        (1, 2) => list::set(txn, db, key, 0, element),
        (1, _) => list::trim(txn, db, key, 0, 3, true),
        (2, 0 | 1) => {
            let members: Vec<String> = (0..random.below(30)).map(|number| format!("{number}")).collect();
            set::add(txn, db, key, 31, members.iter().map(String::as_bytes).chain([element])).map(drop)
        }
        (2, 2) => set::pop(txn, db, key, |_| ()).map(drop),
        (2, _) => set::remove(txn, db, key, [element].into_iter()).map(drop),
        (3, 0 | 1) => {
            let pair = (random.below(100) as f64, element);
            sorted_set::add(txn, db, key, AddOptions::default(), [pair].into_iter()).map(drop)
        }
        (3, _) => sorted_set::remove(txn, db, key, [element].into_iter()).map(drop),
        (4, 0 | 1) => {
            let value = vec![b'v'; random.below(80)];
            hash::set(txn, db, key, [(element, value.as_slice())].into_iter()).map(drop)
        }
        (4, 2) => hash::delete(txn, db, key, [element].into_iter()).map(drop),
        (4, _) => {
            let at_ms = txn.now_ms() + 1 + random.below(3000) as i64;
            hash::expire_at_ms(txn, db, key, [element].into_iter(), at_ms, Default::default(), &mut |_| ())
        }
        (_, 0 | 1) => {
            let entry = Add { id: NewId::Auto, create: true, trim: None };
            let _ = stream::add(txn, db, key, &entry, [(element, element)]);
            Ok(())
        }
        _ => {
            let group = NewGroup { name: element, last_id: None, entries_read: None };
            let _ = stream::create_group(txn, db, key, &group, way == 2);
            Ok(())
        }
    }
}

fn is_ordinary(error: Error) -> bool {
    use Error::{
        CorruptHyperLogLog, IncrementOverflow, NoSuchKey, NotHyperLogLog, NotInteger, OutOfRange, SameKey, WrongType,
    };
    matches!(
        error,
        IncrementOverflow
            | NoSuchKey
            | NotHyperLogLog
            | NotInteger
            | OutOfRange
            | SameKey
            | WrongType
            | CorruptHyperLogLog
    )
}

/// Runs some changes as one unit that is recorded, up to what cannot be.
fn recorded(txn: &mut Txn<'_>, undo: &mut Undo, random: &mut Random, keys: usize, changes: usize) {
    undo.begin(txn, Keep::Always);
    let mut recorder = Recorder::new(txn.part(), undo);
    for _ in 0..changes {
        match change(&mut recorder.txn(), random, keys) {
            Err(Error::NotKept) => break,
            other => assert!(other.is_ok() || other.is_err_and(is_ordinary), "{other:?}"),
        }
    }
}

type Taken = Arc<Mutex<BTreeMap<(usize, Vec<u8>), String>>>;

#[derive(Default)]
struct Keeper(Taken);

/// A value that comes in pieces.
struct Parts {
    taken: Taken,
    place: (usize, Vec<u8>),
    deadline_ms: Option<i64>,
    is_list: bool,
    parts: Vec<String>,
}

impl Capture for Keeper {
    fn record(&self, db: usize, record: Record<'_>) {
        let twice = self.0.lock().unwrap().insert((db, record.key.to_vec()), line(record));
        assert!(twice.is_none(), "taken twice");
    }

    fn begin(&self, db: usize, record: Record<'_>) -> Box<dyn Pieces> {
        let (place, deadline_ms) = ((db, record.key.to_vec()), record.deadline_ms);
        let is_list = matches!(record.value, ValueRef::List(_));
        Box::new(Parts { taken: self.0.clone(), place, deadline_ms, is_list, parts: Vec::new() })
    }
}

impl Pieces for Parts {
    fn piece(&mut self, piece: Piece<'_>) {
        self.parts.push(match piece {
            Piece::Node(node) => return node.for_each(|element| self.parts.push(text(element))),
            Piece::Member(member) => text(Str::Bytes(member)),
            Piece::Scored(member, score) => format!("{}={score}", text(Str::Bytes(member))),
            Piece::Field(field) => format!("{}={}", text(Str::Bytes(field.name)), text(Str::Bytes(field.value))),
            Piece::Stream(_) | Piece::Bytes(_) => unreachable!("none is so large here"),
        });
    }

    fn end(&mut self) {
        if !self.is_list {
            self.parts.sort_unstable();
        }
        let line = format!("{} until {:?}", self.parts.join(" "), self.deadline_ms);
        let twice = self.taken.lock().unwrap().insert(self.place.clone(), line);
        assert!(twice.is_none(), "taken twice");
    }
}

/// Puts large values where they are changed, which snapshots take in pieces.
fn enlarge(txn: &mut Txn<'_>) {
    let names: Vec<String> = (0..400).map(|number| format!("element {number}")).collect();
    let (of_list, of_set, of_hash) = (txn.store().key(b"1:0"), txn.store().key(b"2:0"), txn.store().key(b"4:0"));
    let long = "x".repeat(200);
    let _ = list::push(
        txn,
        0,
        of_list,
        End::Tail,
        names.iter().flat_map(|name| [name.as_bytes(), long.as_bytes()]).collect::<Vec<_>>().into_iter(),
    );
    let _ = set::add(txn, 0, of_set, 400, names.iter().map(String::as_bytes));
    let _ = hash::set(txn, 0, of_hash, names.iter().map(|name| (name.as_bytes(), b"v".as_slice())));
}

// Some units stay, so that what follows meets all kinds of states; while snapshots are taken none does.
#[test]
fn everything_is_as_it_was_and_snapshots_see_nothing_of_it() {
    for seed in 1..=6u64 {
        let store = store(seed);
        let (writer, walker) = (store.register(), store.register());
        let (mut random, mut undo) = (Random::new(seed), Undo::default());
        let keys = [4, 20, 60][seed as usize % 3];
        let mut now_ms = 1_000_000;
        for _ in 0..8 {
            for _ in 0..10 {
                now_ms += random.below(100) as i64;
                with_all(&writer, now_ms, |txn| {
                    let changes = random.below(60);
                    recorded(txn, &mut undo, &mut random, keys, changes);
                    let changed = image_of(txn);
                    undo.commit(txn);
                    let found = image_of(txn);
                    assert!(found == changed, "seed {seed}: {}", differences(&found, &changed));
                });
            }
            with_all(&writer, now_ms, enlarge);
            let keeper = Arc::new(Keeper::default());
            let (mut snapshot, expected, plain) = with_all(&writer, now_ms, |txn| {
                let plain: BTreeMap<_, _> = plain_image_of(txn);
                (Snapshot::begin(txn, &store, keeper.clone()).unwrap(), image_of(txn), plain)
            });
            while snapshot.step(&walker, 1 + random.below(keys), 1 << 20) {
                with_all(&writer, now_ms, |txn| {
                    let changes = random.below(60);
                    let before = (lengths(txn), txn.effects().dirty, txn.effects().removals.len());
                    txn.effects().record_touched = true;
                    recorded(txn, &mut undo, &mut random, keys, changes);
                    assert!(undo.roll_back(txn));
                    assert!(txn.effects().touched.is_empty());
                    assert_eq!((lengths(txn), txn.effects().dirty, txn.effects().removals.len()), before);
                    let found = image_of(txn);
                    assert!(found == expected, "seed {seed}: {}", differences(&found, &expected));
                });
            }
            assert!(*keeper.0.lock().unwrap() == plain, "seed {seed}: the snapshot differs");
        }
    }
}

fn plain_image_of(txn: &mut Txn<'_>) -> BTreeMap<(usize, Vec<u8>), String> {
    let mut image = BTreeMap::new();
    for db in 0..DATABASES {
        for shard in 0..txn.store().shards() {
            let each = &mut |record: Record<'_>| drop(image.insert((db, record.key.to_vec()), line(record)));
            keyspace::records_in_shard(txn, db, shard, each).unwrap();
        }
    }
    image
}

fn lengths(txn: &Txn<'_>) -> Vec<usize> {
    (0..DATABASES).map(|db| txn.store().db_len(db)).collect()
}

fn with_large<R>(act: impl FnOnce(&mut Txn<'_>, &mut Undo) -> R) -> R {
    let store = store(1);
    let member = store.register();
    with_all(&member, 1000, |txn| {
        let elements: Vec<String> = (0..1000).map(|number| format!("{number:0100}")).collect();
        let many = vec![b"many".as_slice(); 5000];
        list::push(txn, 0, store.key(b"large"), End::Tail, elements.iter().map(String::as_bytes)).unwrap();
        list::push(txn, 0, store.key(b"large"), End::Tail, many.into_iter()).unwrap();
        string::set(txn, 0, store.key(b"small"), b"1", SetOptions::default()).unwrap();
        act(txn, &mut Undo::default())
    })
}

/// Changes more in the middle of it at once than is recorded one by one.
fn change_large(txn: &mut Txn<'_>) -> Result<(), Error> {
    let key = txn.store().key(b"large");
    list::remove(txn, 0, key, b"many", usize::MAX, End::Head).map(drop)
}

fn set(txn: &mut Txn<'_>, name: &[u8]) {
    let key = txn.store().key(name);
    string::set(txn, 0, key, b"other", SetOptions::default()).unwrap();
}

#[test]
fn a_large_value_is_moved_but_never_copied() {
    with_large(|txn, undo| {
        let before = image_of(txn);
        undo.begin(txn, Keep::Always);
        let mut recorder = Recorder::new(txn.part(), undo);
        set(&mut recorder.txn(), b"large");
        set(&mut recorder.txn(), b"small");
        keyspace::delete(&mut recorder.txn(), 0, store_key(b"large", 1)).unwrap();
        assert!(undo.roll_back(txn));
        assert_eq!(image_of(txn), before);
        undo.begin(txn, Keep::Always);
        let mut recorder = Recorder::new(txn.part(), undo);
        set(&mut recorder.txn(), b"small");
        let key = store_key(b"large", 1);
        keyspace::expire_at_ms(&mut recorder.txn(), 0, key, 5000, Default::default()).unwrap();
        let handle = recorder.handle();
        assert_eq!(handle.check(), Ok(()));
        assert_eq!(change_large(&mut recorder.txn()), Err(Error::NotKept));
        assert_eq!(handle.check(), Err(Error::NotKept));
        assert!(undo.roll_back(txn));
        assert_eq!(image_of(txn), before);
    });
}

/// The key in a store with that seed.
fn store_key(name: &'static [u8], seed: u64) -> ochre_store::Key<'static> {
    store(seed).key(name)
}

/// Something that cannot be taken back.
type Action = fn(&mut Txn<'_>) -> Result<(), Error>;

#[test]
fn what_cannot_be_taken_back_stays_unless_somebody_was_promised_otherwise() {
    for is_killed in [false, true] {
        let actions: [Action; 3] = [
            change_large,
            |txn| keyspace::flush_db(txn, 0, FreeMode::Later).map(drop),
            |txn| keyspace::swap_db(txn, 0, 1),
        ];
        for action in actions {
            with_large(|txn, undo| {
                let before = image_of(txn);
                undo.begin(txn, Keep::WhilePossible);
                let fate = Arc::new(Fate::default());
                let mut recorder = Recorder::new(txn.part(), undo);
                recorder.handle().set_fate(fate.clone());
                set(&mut recorder.txn(), b"small");
                assert!(!is_killed || fate.kill());
                let done = action(&mut recorder.txn());
                assert_eq!(done, if is_killed { Err(Error::NotKept) } else { Ok(()) });
                assert_eq!(fate.kill(), is_killed);
                if !is_killed {
                    set(&mut recorder.txn(), b"small");
                }
                assert_eq!(undo.roll_back(txn), is_killed);
                assert_eq!(image_of(txn) == before, is_killed);
                // The next unit can be taken back again.
                let before = image_of(txn);
                undo.begin(txn, Keep::Always);
                set(&mut Recorder::new(txn.part(), undo).txn(), b"small");
                assert!(undo.roll_back(txn));
                assert_eq!(image_of(txn), before);
            });
        }
    }
}

#[test]
fn a_record_has_an_end() {
    with_large(|txn, undo| {
        for keep in [Keep::Always, Keep::WhilePossible] {
            undo.begin(txn, keep);
            let mut recorder = Recorder::new(txn.part(), undo);
            let handle = recorder.handle();
            let mut names = (0..).map(|number: u32| format!("{:060000}", number));
            while handle.check() == Ok(()) && !handle.is_given_up() {
                let name = names.next().unwrap();
                set(&mut recorder.txn(), name.as_bytes());
            }
            assert_eq!(handle.is_given_up(), keep == Keep::WhilePossible);
            assert_eq!(undo.roll_back(txn), keep == Keep::Always);
        }
    });
}
