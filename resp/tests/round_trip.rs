//! What the writer writes the client's decoder reads, in both versions of the protocol.

use ochre_resp::{Protocol, ReplyDecoder, ReplySkipper, ReplyWriter, Value};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>().prop_filter("one line", |byte| !matches!(byte, b'\r' | b'\n')), 0..20)
}

fn value() -> impl Strategy<Value = Value> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..120);
    let leaf = prop_oneof![
        text().prop_map(Value::Simple),
        text().prop_map(Value::Error),
        any::<i64>().prop_map(Value::Int),
        (0..12i64).prop_map(Value::Int),
        bytes().prop_map(Value::Bulk),
        Just(Value::Null),
        Just(Value::NullArray),
        any::<f64>().prop_filter("a number", |number| !number.is_nan()).prop_map(|number| {
            let mut text = Vec::new();
            ochre_resp::reply::write_double(&mut text, number, Default::default());
            Value::Double(text)
        }),
        any::<bool>().prop_map(Value::Bool),
        ("[a-z]{3}", bytes())
            .prop_map(|(format, text)| Value::Verbatim { format: format.into_bytes().try_into().unwrap(), text }),
        "-?[1-9][0-9]{0,40}".prop_map(|digits| Value::BigNumber(digits.into_bytes())),
    ];
    leaf.prop_recursive(4, 60, 12, |inner| {
        let children = prop::collection::vec(inner.clone(), 0..13);
        let pairs = prop::collection::vec((inner.clone(), inner.clone()), 0..6);
        prop_oneof![
            children.clone().prop_map(Value::Array),
            children.clone().prop_map(Value::Set),
            children.prop_map(Value::Push),
            pairs.clone().prop_map(Value::Map),
            (pairs, inner).prop_map(|(pairs, value)| Value::Attribute { pairs, value: Box::new(value) }),
        ]
    })
}

/// Writes `value`; aggregates with a length known beforehand or, in every other one, filled in later.
fn write(w: &mut ReplyWriter<'_>, value: &Value, defer: bool) {
    let write_all = |w: &mut ReplyWriter<'_>, children: &[Value]| children.iter().for_each(|v| write(w, v, !defer));
    let write_pairs = |w: &mut ReplyWriter<'_>, pairs: &[(Value, Value)]| {
        for (key, value) in pairs {
            write(w, key, !defer);
            write(w, value, !defer);
        }
    };
    match value {
        Value::Simple(text) => w.simple(text),
        Value::Error(text) => w.error(text),
        Value::Int(number) => w.int(*number),
        Value::Bulk(bytes) => w.bulk(bytes),
        Value::Null => w.null(),
        Value::NullArray => w.null_array(),
        Value::Double(text) => w.double(std::str::from_utf8(text).unwrap().parse().unwrap()),
        Value::Bool(flag) => w.bool(*flag),
        Value::Verbatim { format, text } => w.verbatim(format, text),
        Value::BigNumber(digits) => w.big_number(digits),
        Value::Array(children) if defer => {
            let mark = w.deferred_array();
            write_all(w, children);
            w.set_len(mark, children.len());
        }
        Value::Array(children) => {
            w.array(children.len());
            write_all(w, children);
        }
        Value::Set(children) if defer => {
            let mark = w.deferred_set();
            write_all(w, children);
            w.set_len(mark, children.len());
        }
        Value::Set(children) => {
            w.set(children.len());
            write_all(w, children);
        }
        Value::Map(pairs) if defer => {
            let mark = w.deferred_map();
            write_pairs(w, pairs);
            w.set_len(mark, pairs.len());
        }
        Value::Map(pairs) => {
            w.map(pairs.len());
            write_pairs(w, pairs);
        }
        Value::Push(children) => {
            w.push(children.len());
            write_all(w, children);
        }
        Value::Attribute { pairs, value } => {
            if w.attribute(pairs.len()) {
                write_pairs(w, pairs);
            }
            write(w, value, defer);
        }
    }
}

/// What a client of RESP2 sees of `value`.
fn downgraded(value: Value) -> Value {
    let all = |children: Vec<Value>| Value::Array(children.into_iter().map(downgraded).collect());
    match value {
        Value::Double(text) | Value::BigNumber(text) | Value::Verbatim { text, .. } => Value::Bulk(text),
        Value::Bool(flag) => Value::Int(i64::from(flag)),
        Value::Array(children) | Value::Set(children) | Value::Push(children) => all(children),
        Value::Map(pairs) => all(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()),
        Value::Attribute { value, .. } => downgraded(*value),
        other => other,
    }
}

/// RESP3 has but one null.
fn with_one_null(value: Value) -> Value {
    let all = |children: Vec<Value>| children.into_iter().map(with_one_null).collect();
    let all_pairs = |pairs: Vec<(Value, Value)>| {
        pairs.into_iter().map(|(key, value)| (with_one_null(key), with_one_null(value))).collect()
    };
    match value {
        Value::NullArray => Value::Null,
        Value::Array(children) => Value::Array(all(children)),
        Value::Set(children) => Value::Set(all(children)),
        Value::Push(children) => Value::Push(all(children)),
        Value::Map(pairs) => Value::Map(all_pairs(pairs)),
        Value::Attribute { pairs, value } => {
            Value::Attribute { pairs: all_pairs(pairs), value: Box::new(with_one_null(*value)) }
        }
        other => other,
    }
}

/// A push stands between replies: as a child it would be one too many for the writer's count of children.
fn without_nested_pushes(value: Value, outermost: bool) -> Value {
    let all = |children: Vec<Value>| children.into_iter().map(|v| without_nested_pushes(v, false)).collect();
    let all_pairs = |pairs: Vec<(Value, Value)>| {
        let inner = |value| without_nested_pushes(value, false);
        pairs.into_iter().map(|(key, value)| (inner(key), inner(value))).collect()
    };
    match value {
        Value::Push(children) if outermost => Value::Push(all(children)),
        Value::Array(children) | Value::Push(children) => Value::Array(all(children)),
        Value::Set(children) => Value::Set(all(children)),
        Value::Map(pairs) => Value::Map(all_pairs(pairs)),
        Value::Attribute { pairs, value } => {
            Value::Attribute { pairs: all_pairs(pairs), value: Box::new(without_nested_pushes(*value, false)) }
        }
        other => other,
    }
}

fn read_back(protocol: Protocol, value: &Value, defer: bool) -> Value {
    let mut out = Vec::new();
    write(&mut ReplyWriter::new(&mut out, protocol), value, defer);
    let counts = ReplySkipper::new().skip(&out).expect("well formed");
    assert_eq!(counts.replies + counts.pushes, 1);
    let (consumed, read) = ReplyDecoder::default().decode(&out).expect("well formed");
    assert_eq!(consumed, out.len());
    read.expect("complete")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replies_are_read_as_they_were_written(value in value(), defer: bool) {
        let value = without_nested_pushes(value, true);
        prop_assert_eq!(read_back(Protocol::Resp3, &value, defer), with_one_null(value.clone()));
        prop_assert_eq!(read_back(Protocol::Resp2, &value, defer), downgraded(value));
    }

    #[test]
    fn doubles_read_back_as_the_same_number(bits: u64) {
        let number = f64::from_bits(bits);
        prop_assume!(!number.is_nan());
        for format in [ochre_resp::reply::DoubleFormat::Shortest, ochre_resp::reply::DoubleFormat::Digits17] {
            let mut text = Vec::new();
            ochre_resp::reply::write_double(&mut text, number, format);
            let read: f64 = std::str::from_utf8(&text).unwrap().parse().unwrap();
            prop_assert_eq!(read.to_bits(), bits, "{}", String::from_utf8_lossy(&text));
        }
    }
}
