//! Tests of the decoder of replies.

use super::*;

fn decode(input: &str) -> Result<Option<Value>, ReplyError> {
    let mut decoder = ReplyDecoder::default();
    let (consumed, value) = decoder.decode(input.as_bytes())?;
    assert_eq!(consumed, input.len());
    assert_eq!(decoder.is_idle(), value.is_some() || input.is_empty());
    Ok(value)
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.into())
}

/// Every type as `DEBUG PROTOCOL <type>` of redis-server 7.0.15 writes it, and the types it has no example for.
#[test]
fn every_type_is_read() {
    for (input, expected) in [
        ("+PONG\r\n", Value::Simple(b"PONG".to_vec())),
        ("+\r\n", Value::Simple(Vec::new())),
        ("-ERR no\r\n", Value::Error(b"ERR no".to_vec())),
        ("!6\r\nERR no\r\n", Value::Error(b"ERR no".to_vec())),
        (":12345\r\n", Value::Int(12345)),
        (":-9223372036854775808\r\n", Value::Int(i64::MIN)),
        ("$11\r\nHello World\r\n", bulk("Hello World")),
        ("$0\r\n\r\n", bulk("")),
        ("$2\r\n\r\n\r\n", bulk("\r\n")),
        ("$-1\r\n", Value::Null),
        ("_\r\n", Value::Null),
        ("*-1\r\n", Value::NullArray),
        ("*0\r\n", Value::Array(Vec::new())),
        ("*2\r\n:0\r\n*1\r\n:1\r\n", Value::Array(vec![Value::Int(0), Value::Array(vec![Value::Int(1)])])),
        ("~2\r\n:0\r\n:1\r\n", Value::Set(vec![Value::Int(0), Value::Int(1)])),
        ("%1\r\n:0\r\n#f\r\n", Value::Map(vec![(Value::Int(0), Value::Bool(false))])),
        ("%0\r\n", Value::Map(Vec::new())),
        ("#t\r\n", Value::Bool(true)),
        (",3.141\r\n", Value::Double(b"3.141".to_vec())),
        (",-inf\r\n", Value::Double(b"-inf".to_vec())),
        (",-nan\r\n", Value::Double(b"-nan".to_vec())),
        (",1e-7\r\n", Value::Double(b"1e-7".to_vec())),
        (
            "(1234567999999999999999999999999999999\r\n",
            Value::BigNumber(b"1234567999999999999999999999999999999".to_vec()),
        ),
        (
            "=29\r\ntxt:This is a verbatim\nstring\r\n",
            Value::Verbatim { format: *b"txt", text: b"This is a verbatim\nstring".to_vec() },
        ),
        (">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n", Value::Push(vec![bulk("server-cpu-usage"), Value::Int(42)])),
        (
            "|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n$4\r\nreal\r\n",
            Value::Attribute {
                pairs: vec![(bulk("key-popularity"), Value::Array(vec![bulk("key:123"), Value::Int(90)]))],
                value: Box::new(bulk("real")),
            },
        ),
        (
            "*1\r\n|0\r\n:1\r\n",
            Value::Array(vec![Value::Attribute { pairs: Vec::new(), value: Box::new(Value::Int(1)) }]),
        ),
    ] {
        assert_eq!(decode(input), Ok(Some(expected)), "{input:?}");
        for end in 0..input.len() {
            assert_eq!(decode(&input[..end]), Ok(None), "{:?}", &input[..end]);
        }
    }
}

#[test]
fn what_is_no_reply_is_refused() {
    for (input, expected) in [
        ("\r\n", ReplyError::UnknownType(b'\r')),
        ("hello\r\n", ReplyError::UnknownType(b'h')),
        (":\r\n", ReplyError::BadNumber),
        (":1x\r\n", ReplyError::BadNumber),
        (":9223372036854775808\r\n", ReplyError::BadNumber),
        ("$-2\r\n", ReplyError::BadNumber),
        ("$x\r\n", ReplyError::BadNumber),
        ("!-1\r\n", ReplyError::BadNumber),
        ("~-1\r\n", ReplyError::BadNumber),
        ("*-2\r\n", ReplyError::BadNumber),
        ("%9223372036854775807\r\n", ReplyError::BadNumber),
        ("+OK\n", ReplyError::MissingCrlf),
        ("$2\r\nabcd", ReplyError::MissingCrlf),
        ("_x\r\n", ReplyError::Malformed("null")),
        ("#x\r\n", ReplyError::Malformed("boolean")),
        (",\r\n", ReplyError::Malformed("double")),
        (",infinity\r\n", ReplyError::Malformed("double")),
        (",1.2.3\r\n", ReplyError::Malformed("double")),
        ("(12a\r\n", ReplyError::Malformed("big number")),
        ("(-\r\n", ReplyError::Malformed("big number")),
        ("=3\r\ntxt\r\n", ReplyError::Malformed("verbatim")),
        ("=4\r\ntxt!\r\n", ReplyError::Malformed("verbatim")),
    ] {
        assert_eq!(decode(input), Err(expected), "{input:?}");
    }
}

#[test]
fn limits_hold() {
    let limits = ReplyLimits { depth_max: 3, line_len_max: 10, bulk_len_max: 5, children_max: 4 };
    let decode = |input: &str| ReplyDecoder::new(limits).decode(input.as_bytes()).map(|(_, value)| value.is_some());
    assert_eq!(decode("*1\r\n*1\r\n*1\r\n:1\r\n"), Ok(true));
    assert_eq!(decode("*1\r\n*1\r\n*1\r\n*1\r\n"), Err(ReplyError::TooDeep));
    assert_eq!(decode("|0\r\n|0\r\n|0\r\n|0\r\n"), Err(ReplyError::TooDeep));
    assert_eq!(decode("+23456789\r\n"), Ok(true));
    assert_eq!(decode("+234567890123\r\n"), Err(ReplyError::LineTooLong));
    assert_eq!(decode("+234567890123"), Err(ReplyError::LineTooLong));
    let mut decoder = ReplyDecoder::new(limits);
    let refused = (0..20).find_map(|taken| decoder.decode(b"+").err().map(|error| (taken, error)));
    assert_eq!(refused, Some((12, ReplyError::LineTooLong)), "a line that comes in pieces is one line");
    assert_eq!(decode("$5\r\nabcde\r\n"), Ok(true));
    assert_eq!(decode("$6\r\n"), Err(ReplyError::BadNumber));
    assert_eq!(decode("%2\r\n"), Ok(false));
    assert_eq!(decode("%3\r\n"), Err(ReplyError::BadNumber));
    assert_eq!(decode("*5\r\n"), Err(ReplyError::BadNumber));
}

#[test]
fn announcements_allocate_nothing() {
    for input in ["$9223372036854775807\r\nx", "*9223372036854775807\r\n", "%4611686018427387903\r\n"] {
        assert_eq!(decode(input), Ok(None), "{input:?}");
    }
    let nested = "*2147483647\r\n".repeat(128);
    assert_eq!(decode(&nested), Ok(None));
}

#[test]
fn replies_come_one_at_a_time() {
    let mut decoder = ReplyDecoder::default();
    assert_eq!(decoder.decode(b"+a\r\n+b\r\n"), Ok((4, Some(Value::Simple(b"a".to_vec())))));
    assert_eq!(decoder.decode(b"+b\r\n"), Ok((4, Some(Value::Simple(b"b".to_vec())))));
    assert_eq!(decoder.decode(b""), Ok((0, None)));
    let attributes = Value::Attribute { pairs: Vec::new(), value: Box::new(Value::Null) };
    let twice = Value::Attribute { pairs: Vec::new(), value: Box::new(attributes) };
    assert_eq!(twice.without_attributes(), Value::Null);
}
