//! Expectations are what redis-cli 7.0.15 printed for the same replies of a real server.

use super::*;

fn bulk(text: &[u8]) -> Value {
    Value::Bulk(text.to_vec())
}

fn numbers(range: std::ops::RangeInclusive<i64>) -> Vec<Value> {
    range.map(Value::Int).collect()
}

fn map(key: &[u8], value: Value) -> Value {
    Value::Map(vec![(bulk(key), value)])
}

const STYLES: [Style; 5] = [Style::Tty, Style::Raw, Style::Csv, Style::Json, Style::QuotedJson];

fn check(value: &Value, expected: [&[u8]; 5]) {
    for (style, expected) in STYLES.into_iter().zip(expected) {
        let text = format_reply(value, style, &Delimiters::default());
        assert_eq!(text.escape_ascii().to_string(), expected.escape_ascii().to_string(), "{style:?}");
    }
}

#[test]
fn nested_arrays() {
    let value = Value::Array(vec![
        Value::Int(1),
        Value::Array(vec![Value::Int(2), Value::Array(vec![bulk(b"x"), Value::Array(Vec::new())])]),
        Value::Simple(b"fine".to_vec()),
        Value::Error(b"ERR bad".to_vec()),
        Value::Null,
    ]);
    let json = b"[1,[2,[\"x\",[]]],\"fine\",error:\"ERR bad\",null]\n";
    check(
        &value,
        [
            b"1) (integer) 1\n2) 1) (integer) 2\n   2) 1) \"x\"\n      2) (empty array)\n3) fine\n\
              4) (error) ERR bad\n5) (nil)\n",
            b"1\n2\nx\n\nfine\nERR bad\n\n\n",
            b"1,2,\"x\",,\"fine\",ERROR,\"ERR bad\",NULL\n",
            json,
            json,
        ],
    );
}

#[test]
fn the_types_of_resp3() {
    let value = Value::Array(vec![
        map(b"k", Value::Array(numbers(1..=2))),
        map(b"k", Value::Set(vec![bulk(b"x")])),
        map(b"one", Value::Int(1)),
        Value::Double(b"0.5".to_vec()),
        Value::Bool(true),
        Value::Map(Vec::new()),
        Value::Set(Vec::new()),
    ]);
    let json = b"[{\"k\":[1,2]},{\"k\":[\"x\"]},{\"one\":1},0.5,true,{},[]]\n";
    check(
        &value,
        [
            b"1) 1# \"k\" => \n      1) (integer) 1\n      2) (integer) 2\n2) 1# \"k\" => 1~ \"x\"\n\
              3) 1# \"one\" => (integer) 1\n4) (double) 0.5\n5) (true)\n6) (empty hash)\n7) (empty set)\n",
            b"k 1\n2\nk x\none 1\n0.5\n(true)\n\n\n",
            b"\"k\",1,2,\"k\",\"x\",\"one\",1,0.5,true,,\n",
            json,
            json,
        ],
    );
}

#[test]
fn numbers_line_up() {
    let mut elements = numbers(1..=10);
    elements[1] = Value::Array(numbers(7..=8));
    let text = format_reply(&Value::Array(elements), Style::Tty, &Delimiters::default());
    let lines: Vec<&str> = std::str::from_utf8(&text).unwrap().lines().collect();
    assert_eq!(lines[..4], [" 1) (integer) 1", " 2) 1) (integer) 7", "    2) (integer) 8", " 3) (integer) 3"]);
    assert_eq!(lines.last(), Some(&"10) (integer) 10"));
}

#[test]
fn odd_bytes() {
    check(
        &bulk(b"a\"\\\n\0\x7f\xff\xc3\xa9"),
        [
            b"\"a\\\"\\\\\\n\\x00\\x7f\\xff\\xc3\\xa9\"\n",
            b"a\"\\\n\0\x7f\xff\xc3\xa9\n",
            b"\"a\\\"\\\\\\n\\x00\\x7f\\xff\\xc3\\xa9\"\n",
            b"\"a\\\"\\\\\\n\\u0000\x7f\xff\xc3\xa9\"\n",
            b"\"a\\\\\"\\\\\\\\\\\\n\\\\x00\\\\x7f\\\\xff\\\\xc3\\\\xa9\"\n",
        ],
    );
}

#[test]
fn keys_of_json_objects_are_strings() {
    let value = Value::Map(vec![(Value::Int(0), Value::Bool(false)), (bulk(b"k"), Value::Null)]);
    let text = format_reply(&value, Style::Json, &Delimiters::default());
    assert_eq!(text, b"{\"0\":false,\"k\":null}\n");
}

#[test]
fn invalidated_keys_take_one_line() {
    let push = Value::Push(vec![bulk(b"invalidate"), Value::Array(vec![bulk(b"a"), bulk(b"b")])]);
    assert_eq!(format_push(&push, Style::Tty, &Delimiters::default()), b"-> invalidate: 'a', 'b'\n");
    assert_eq!(format_push(&push, Style::Raw, &Delimiters::default()), b"invalidate\na\nb\n");
}
