//! Lists against a plain `VecDeque`, and against what a real server tells of its own.

use super::nodes::Node;
use super::{End, Limits, List, NodeView, Quicklist, Side};
use crate::raw::entry::Str;
use proptest::prelude::*;

/// Commands that Valkey 9.1 executed, and the encoding and the elements of each node (`P`: a plain one) that its DUMP
/// payload showed after each. `a*9` stands for nine times the letter. A line with limits starts anew.
const RECORDED: &str = include_str!("recorded.txt");

fn unfold(word: &str) -> Vec<u8> {
    match word.split_once('*') {
        Some((letter, times)) => letter.repeat(times.parse().expect("a number of times")).into_bytes(),
        None => word.as_bytes().to_vec(),
    }
}

fn elements(list: &List) -> Vec<Vec<u8>> {
    collect(list, 0, End::Tail)
}

fn collect(list: &List, from: usize, towards: End) -> Vec<Vec<u8>> {
    let mut cursor = list.cursor(from, towards);
    let mut values = Vec::new();
    while let Some(value) = cursor.next() {
        values.push(value.to_vec());
    }
    values
}

fn shape_of(list: &List) -> String {
    match list {
        _ if list.is_empty() => "none".into(),
        List::Pack(pack) => format!("listpack {}", pack.len()),
        List::Quick(quick) => quick.nodes.iter().fold("quicklist".into(), |line, node| match node {
            Node::Plain(_) => line + " P",
            node => format!("{line} {}", node.count()),
        }),
    }
}

/// Executes a command as the server does.
fn execute(list: &mut List, limits: &Limits, words: &[&str]) {
    let number = |word: &str| word.parse::<i64>().expect("a number");
    match *words {
        ["rpush" | "lpush", ref values @ ..] => {
            let values: Vec<_> = values.iter().map(|value| unfold(value)).collect();
            list.grow(limits, values.iter().map(Vec::len).sum(), values.len());
            let end = if words[0] == "rpush" { End::Tail } else { End::Head };
            values.iter().for_each(|value| list.push(end, Str::Bytes(value)));
        }
        ["linsert", side, pivot, value] => {
            let (pivot, value) = (unfold(pivot), unfold(value));
            list.grow(limits, value.len(), 1);
            let index = elements(list).iter().position(|value| *value == pivot).expect("a pivot in the list");
            let side = if side == "before" { Side::Before } else { Side::After };
            assert!(list.insert(index, side, Str::Bytes(&value)));
        }
        ["lset", index, value] => {
            let value = unfold(value);
            list.grow(limits, value.len(), 1);
            assert!(list.replace(number(index), Str::Bytes(&value)));
            list.shrink(limits);
        }
        ["lrem", count, value] => {
            let count = number(count);
            let limit = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
            list.remove_equal(&unfold(value), limit, if count < 0 { End::Tail } else { End::Head });
            list.shrink(limits);
        }
        ["ltrim", start, stop] => {
            let len = list.len() as i64;
            let (start, stop) = (number(start).min(len), (number(stop) + len).max(-1));
            let start = if start > stop { len } else { start };
            let kept = if start > stop { 0 } else { stop + 1 - start };
            list.delete_range(0, start as usize);
            list.delete_range(kept as usize, usize::MAX);
            list.shrink(limits);
        }
        ["lpop" | "rpop", ref count @ ..] => {
            let end = if words[0] == "lpop" { End::Head } else { End::Tail };
            let count = count.first().map_or(1, |count| number(count));
            (0..count).for_each(|_| drop(list.pop(end, |value| value.to_vec())));
            list.shrink(limits);
        }
        _ => panic!("unknown command {words:?}"),
    }
}

#[test]
fn nodes_are_those_of_valkey() {
    let (mut limits, mut list) = (Limits::default(), List::new(&Limits::default()));
    let mut commands = 0;
    for (line, text) in RECORDED.lines().enumerate() {
        if let Some(numbers) = text.strip_prefix("limits ") {
            let (fill, depth) = numbers.split_once(' ').expect("two limits");
            limits.fill = fill.parse().expect("a number");
            limits.compress_depth = depth.parse().expect("a number");
            list = List::new(&limits);
            continue;
        }
        let (command, expected) = text.split_once(" = ").expect("a line has two sides");
        let words: Vec<&str> = command.split(' ').collect();
        execute(&mut list, &limits, &words);
        assert_eq!(shape_of(&list), expected, "line {}: {text}", line + 1);
        if list.is_empty() {
            list = List::new(&limits);
        }
        commands += 1;
    }
    assert!(commands > 500);
}

#[test]
fn a_list_grows_into_a_quicklist_and_shrinks_back_at_half() {
    let limits = Limits { fill: 10, ..Limits::default() };
    let mut list = List::new(&limits);
    for number in 0..11 {
        list.grow(&limits, 2, 1);
        list.push(End::Tail, Str::Int(number));
    }
    assert_eq!(shape_of(&list), "quicklist 10 1");
    for left in (1..11).rev() {
        list.pop(End::Tail, |_| ());
        list.shrink(&limits);
        let form = if left > 5 { "quicklist" } else { "listpack" };
        assert_eq!(shape_of(&list), format!("{form} {left}"));
    }
}

#[test]
fn old_levels_have_only_quicklists() {
    let limits = Limits { short_as_listpack: false, ..Limits::default() };
    let mut list = List::new(&limits);
    list.push(End::Head, Str::Bytes(b"a"));
    list.shrink(&limits);
    list.fit(&limits);
    assert_eq!(shape_of(&list), "quicklist 1");
    let mut short = List::new(&Limits::default());
    short.push(End::Head, Str::Bytes(b"a"));
    short.grow(&limits, 1, 1);
    assert_eq!(shape_of(&short), "quicklist 1");
}

#[test]
fn a_threshold_makes_nodes_plain() {
    let limits = Limits { plain_bytes: 5, ..Limits::default() };
    let mut list = Quicklist::new(&limits);
    for value in [&b"1234"[..], b"12345", b"abcdef", b"x"] {
        list.push(End::Tail, Str::Bytes(value));
    }
    let kinds: Vec<bool> = list.nodes().map(|node| matches!(node, NodeView::Plain(_))).collect();
    assert_eq!(kinds, [false, true, true, false]);
    assert_eq!(list.get(-2, |value| value.to_vec()), Some(b"abcdef".to_vec()));
    assert_eq!(list.get(-5, |_| ()), None);
    assert_eq!(list.get(i64::MIN, |_| ()), None);
}

#[derive(Clone, Debug)]
enum Step {
    Push(bool, Vec<u8>),
    Pop(bool),
    Insert(usize, bool, Vec<u8>),
    Replace(usize, Vec<u8>),
    Delete(usize, usize),
    Remove(u8, usize, bool),
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0u8..5).prop_map(|number| number.to_string().into_bytes()),
        4 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        2 => (20usize..400).prop_map(|len| vec![b'x'; len]),
        1 => (8000usize..8400).prop_map(|len| vec![b'y'; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (any::<bool>(), value()).prop_map(|(tail, value)| Step::Push(tail, value)),
        2 => any::<bool>().prop_map(Step::Pop),
        4 => (any::<usize>(), any::<bool>(), value()).prop_map(|(at, after, value)| Step::Insert(at, after, value)),
        2 => (any::<usize>(), value()).prop_map(|(at, value)| Step::Replace(at, value)),
        1 => (any::<usize>(), 0usize..12).prop_map(|(at, count)| Step::Delete(at, count)),
        1 => (0u8..5, 1usize..4, any::<bool>()).prop_map(|(value, limit, tail)| Step::Remove(value, limit, tail)),
    ]
}

fn end(tail: bool) -> End {
    if tail { End::Tail } else { End::Head }
}

fn apply(list: &mut List, limits: &Limits, model: &mut Vec<Vec<u8>>, step: Step) {
    match step {
        Step::Push(tail, value) => {
            list.grow(limits, value.len(), 1);
            list.push(end(tail), Str::Bytes(&value));
            model.insert(if tail { model.len() } else { 0 }, value);
        }
        Step::Pop(tail) => {
            let expected = if tail { model.pop() } else { (!model.is_empty()).then(|| model.remove(0)) };
            assert_eq!(list.pop(end(tail), |value| value.to_vec()), expected);
            list.shrink(limits);
        }
        Step::Insert(index, after, value) => {
            list.grow(limits, value.len(), 1);
            let index = index % (model.len() + 1);
            let side = if after { Side::After } else { Side::Before };
            let done = list.insert(index, side, Str::Bytes(&value));
            assert_eq!(done, index < model.len());
            if done {
                model.insert(index + usize::from(after), value);
            }
        }
        Step::Replace(index, value) => {
            list.grow(limits, value.len(), 1);
            let index = index % (model.len() + 1);
            let done = list.replace(index as i64, Str::Bytes(&value));
            assert_eq!(done, index < model.len());
            if done {
                model[index] = value;
            }
            list.shrink(limits);
        }
        Step::Delete(start, count) => {
            let start = start % (model.len() + 1);
            let stop = (start + count).min(model.len());
            assert_eq!(list.delete_range(start, count), stop - start);
            model.drain(start..stop);
            list.shrink(limits);
        }
        Step::Remove(value, limit, tail) => {
            let value = value.to_string().into_bytes();
            let mut places: Vec<usize> = (0..model.len()).filter(|&at| model[at] == value).collect();
            if tail {
                places.reverse();
            }
            places.truncate(limit);
            assert_eq!(list.remove_equal(&value, limit, end(tail)), places.len());
            places.sort_unstable();
            places.iter().rev().for_each(|&at| drop(model.remove(at)));
            list.shrink(limits);
        }
    }
}

/// Checks what must hold between operations.
fn check(list: &List, model: &[Vec<u8>]) {
    assert_eq!(elements(list), model);
    assert_eq!(list.len(), model.len());
    let middle = model.len() / 2;
    assert_eq!(list.get(middle as i64, |value| value.to_vec()).as_ref(), model.get(middle));
    assert_eq!(collect(list, middle, End::Tail), model[middle..]);
    let mut backwards = collect(list, middle, End::Head);
    backwards.reverse();
    assert_eq!(backwards, model[..model.len().min(middle + 1)]);
    let List::Quick(quick) = list else { return };
    assert_eq!(quick.nodes.iter().map(Node::count).sum::<usize>(), model.len());
    let (depth, nodes) = (usize::from(quick.shape.depth), quick.nodes.len());
    for (index, node) in quick.nodes.iter().enumerate() {
        assert!(node.count() > 0);
        let inner = depth > 0 && index >= depth && index + depth < nodes;
        let compressed = matches!(node, Node::Compressed { .. });
        let mut again = node.clone();
        again.compress();
        let compressible = matches!(again, Node::Compressed { .. });
        assert_eq!(compressed, inner && compressible, "node {index} of {nodes}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn behaves_like_a_vec(
        fill in prop_oneof![Just(-1), Just(-2), Just(0), 1i32..8],
        compress_depth in 0u32..3,
        short_as_listpack: bool,
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let limits = Limits { fill, compress_depth, short_as_listpack, ..Limits::default() };
        let (mut list, mut model) = (List::new(&limits), Vec::new());
        for step in steps {
            apply(&mut list, &limits, &mut model, step);
            check(&list, &model);
        }
    }
}
