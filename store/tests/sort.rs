//! SORT against sorting plainly.

use ochre_store::random::Random;
use ochre_store::sort::{self, By, Pattern, Request};
use ochre_store::string::{self, SetOptions};
use ochre_store::sync::ShardSet;
use ochre_store::{Clock, Effects, Error, Options, Store, Txn, hash, keyspace, list, set, sorted_set};

fn with_store(action: impl FnOnce(&mut Txn<'_>)) {
    let store = Store::new(Options { shards: 8, databases: 1, hash_seed: [4, 3, 2, 1] });
    let mut effects = Effects::default();
    store.register().run(ShardSet::ALL, Clock { now_ms: 0 }, &mut effects, action);
}

fn plain() -> Request<'static> {
    Request { by: By::Itself, get: vec![], alpha: false, descending: false, offset: 0, count: -1, c_numbers: false }
}

fn sorted(txn: &mut Txn<'_>, name: &[u8], request: &Request<'_>) -> Result<Vec<Option<String>>, Error> {
    let key = txn.store().key(name);
    let sorted = sort::sort(txn, 0, key, request)?;
    let mut values = Vec::new();
    sorted.for_each(|value| values.push(value.map(|value| String::from_utf8(value.to_vec()).unwrap())))?;
    assert_eq!(values.len(), sorted.len());
    Ok(values)
}

fn add(txn: &mut Txn<'_>, name: &[u8], members: &[String]) {
    let key = txn.store().key(name);
    set::add(txn, 0, key, members.len(), members.iter().map(String::as_bytes)).unwrap();
}

fn put(txn: &mut Txn<'_>, name: &str, value: &str) {
    let key = txn.store().key(name.as_bytes());
    string::set(txn, 0, key, value.as_bytes(), SetOptions::default()).unwrap();
}

#[test]
fn elements_come_in_order_and_only_those_asked_for() {
    with_store(|txn| {
        let mut random = Random::new(1);
        let mut numbers: Vec<i64> = (0..3000).map(|_| random.below(1_000_000) as i64 - 500_000).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let texts: Vec<String> = numbers.iter().map(i64::to_string).collect();
        add(txn, b"k", &texts);
        for text in &texts {
            put(txn, &format!("w:{text}"), &format!("{}.5", text.len()));
        }
        for _ in 0..200 {
            let (offset, count) = (random.below(40) as i64 - 5, random.below(30) as i64 - 3);
            let (alpha, descending) = (random.below(2) == 0, random.below(2) == 0);
            let by = if random.below(2) == 0 { By::Itself } else { By::Value(Pattern::new(b"w:*")) };
            let mut expected = texts.clone();
            match (&by, alpha) {
                (By::Itself, false) => {}
                (By::Itself, true) => expected.sort(),
                // Equal texts stay in the order of the set, which is not known.
                (_, true) => continue,
                (_, false) => expected.sort_by_key(|text| (text.len(), text.clone())),
            }
            if descending {
                expected.reverse();
            }
            let start = offset.max(0) as usize;
            let taken = if count < 0 { usize::MAX } else { count as usize };
            let expected: Vec<_> = expected.into_iter().skip(start).take(taken).map(Some).collect();
            let request = Request { by, alpha, descending, offset, count, ..plain() };
            assert_eq!(sorted(txn, b"k", &request), Ok(expected), "{request:?}");
        }
    });
}

#[test]
fn patterns_lead_to_values() {
    with_store(|txn| {
        add(txn, b"k", &["1".into(), "2".into(), "3".into()]);
        put(txn, "w:1", "30");
        put(txn, "w:2", "-1");
        let by = By::Value(Pattern::new(b"w:*"));
        let get = vec![Pattern::new(b"#"), Pattern::new(b"w:*"), Pattern::new(b"constant"), Pattern::new(b"w:*->f")];
        let values = sorted(txn, b"k", &Request { by: by.clone(), get, ..plain() }).unwrap();
        let values: Vec<_> = values.iter().map(Option::as_deref).collect();
        let (two, three, one) = (Some("2"), Some("3"), Some("1"));
        assert_eq!(values, [two, Some("-1"), None, None, three, None, None, None, one, Some("30"), None, None]);
        put(txn, "w:3", "x");
        assert_eq!(sorted(txn, b"k", &Request { by: by.clone(), ..plain() }), Err(Error::NotFloat));
        assert_eq!(sorted(txn, b"k", &Request { by: by.clone(), count: 0, ..plain() }), Err(Error::NotFloat));
        let alpha = sorted(txn, b"k", &Request { by, alpha: true, ..plain() }).unwrap();
        assert_eq!(alpha.iter().map(Option::as_deref).collect::<Vec<_>>(), [two, one, three]);
        assert_eq!(sorted(txn, b"w:1", &plain()), Err(Error::WrongType));
        assert_eq!(sorted(txn, b"nothing", &plain()), Ok(vec![]));
    });
}

#[test]
fn a_result_takes_the_place_of_what_was_there() {
    with_store(|txn| {
        add(txn, b"k", &["b".into(), "c".into(), "a".into()]);
        put(txn, "to", "x");
        let (key, to, none) = (txn.store().key(b"k"), txn.store().key(b"to"), txn.store().key(b"none"));
        let dirty = txn.effects().dirty;
        // A set is ordered for this even if nobody asks for an order.
        let request = Request { by: By::Nothing, ..plain() };
        assert_eq!(sort::sort_and_store(txn, 0, key, to, &request), Ok(3));
        assert_eq!(txn.effects().dirty - dirty, 3);
        let texts = sorted(txn, b"to", &request).unwrap();
        assert_eq!(texts.iter().flatten().collect::<Vec<_>>(), ["a", "b", "c"]);
        let backwards =
            sorted(txn, b"to", &Request { descending: true, offset: 1, count: 1, ..request.clone() }).unwrap();
        assert_eq!(backwards, [Some("b".to_owned())]);
        assert_eq!(sort::sort_and_store(txn, 0, none, to, &request), Ok(0));
        assert_eq!(string::get(txn, 0, to), Ok(None));
        assert_eq!(txn.effects().dirty - dirty, 4);
    });
}

fn texts(txn: &mut Txn<'_>, name: &[u8], request: &Request<'_>) -> Vec<String> {
    sorted(txn, name, request).unwrap().into_iter().flatten().collect()
}

#[test]
fn lists_and_sorted_sets_have_an_order_of_their_own() {
    with_store(|txn| {
        let settings = txn.settings();
        settings.list_max_listpack_size.store(3, std::sync::atomic::Ordering::Relaxed);
        settings.list_compress_depth.store(1, std::sync::atomic::Ordering::Relaxed);
        for len in [1, 5, 40] {
            let long = "compresses well ".repeat(20);
            let elements: Vec<String> = (0..len)
                .map(|number| if number % 7 == 3 { format!("{long}{number}") } else { format!("{}", number * 7 % 40) })
                .collect();
            let (list, pack, order) = (txn.store().key(b"l"), txn.store().key(b"p"), txn.store().key(b"o"));
            list::push(txn, 0, list, list::End::Tail, elements.iter().map(String::as_bytes)).unwrap();
            for (key, entries) in [(pack, 1000), (order, 0)] {
                settings.zset_listpack.set(entries, 1000);
                let pairs = elements.iter().enumerate().map(|(score, member)| (score as f64, member.as_bytes()));
                sorted_set::add(txn, 0, key, sorted_set::AddOptions::default(), pairs).unwrap();
            }
            for name in [&b"l"[..], b"p", b"o"] {
                for (offset, count) in [(0, -1), (0, 3), (4, 2), (len - 1, 9), (len, 1), (-3, 2), (2, 0)] {
                    for descending in [false, true] {
                        for (by, alpha) in [(By::Nothing, false), (By::Itself, true)] {
                            let mut expected = elements.clone();
                            if alpha {
                                expected.sort();
                            }
                            if descending {
                                expected.reverse();
                            }
                            let taken = if count < 0 { usize::MAX } else { count as usize };
                            let expected: Vec<_> =
                                expected.into_iter().skip(offset.max(0) as usize).take(taken).collect();
                            let request =
                                Request { by, alpha, descending, offset: i64::from(offset), count, ..plain() };
                            assert_eq!(texts(txn, name, &request), expected, "{} {request:?}", name.escape_ascii());
                        }
                    }
                }
                keyspace::delete(txn, 0, txn.store().key(name)).unwrap();
            }
        }
    });
}

#[test]
fn patterns_lead_to_fields() {
    with_store(|txn| {
        add(txn, b"k", &["1".into(), "2".into(), "3".into()]);
        for (name, weight, entries) in [(&b"h:1"[..], &b"9"[..], 10), (b"h:3", b"5", 0)] {
            txn.settings().hash_listpack.set(entries, 64);
            let key = txn.store().key(name);
            hash::set(txn, 0, key, [(&b"f"[..], weight), (b"g", b"x")].into_iter()).unwrap();
        }
        put(txn, "h:2", "no hash");
        let request = Request { by: By::Value(Pattern::new(b"h:*->f")), get: vec![Pattern::new(b"h:*->g")], ..plain() };
        let x = Some("x".to_owned());
        assert_eq!(sorted(txn, b"k", &request), Ok(vec![None, x.clone(), x]));
        assert_eq!(texts(txn, b"k", &Request { get: vec![], ..request }), ["2", "3", "1"]);
    });
}
