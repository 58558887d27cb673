//! Tests of the writer of replies.

use super::*;

fn written(protocol: Protocol, write: impl FnOnce(&mut ReplyWriter<'_>)) -> String {
    let mut out = Vec::new();
    write(&mut ReplyWriter::new(&mut out, protocol));
    String::from_utf8(out).expect("UTF-8")
}

fn both(write: impl Fn(&mut ReplyWriter<'_>)) -> [String; 2] {
    [written(Protocol::Resp2, &write), written(Protocol::Resp3, &write)]
}

/// What `DEBUG PROTOCOL <type>` of redis-server 7.0.15 answers in either version.
#[test]
#[expect(clippy::approx_constant, reason = "the number is the server's")]
fn types_look_as_the_real_server_writes_them() {
    assert_eq!(both(|w| w.bulk("Hello World")), ["$11\r\nHello World\r\n", "$11\r\nHello World\r\n"]);
    assert_eq!(both(|w| w.int(12345)), [":12345\r\n", ":12345\r\n"]);
    assert_eq!(both(|w| w.double(3.141)), ["$5\r\n3.141\r\n", ",3.141\r\n"]);
    assert_eq!(both(|w| w.null()), ["$-1\r\n", "_\r\n"]);
    assert_eq!(both(|w| w.bool(true)), [":1\r\n", "#t\r\n"]);
    assert_eq!(both(|w| w.bool(false)), [":0\r\n", "#f\r\n"]);
    assert_eq!(
        both(|w| w.big_number("1234567999999999999999999999999999999")),
        ["$37\r\n1234567999999999999999999999999999999\r\n", "(1234567999999999999999999999999999999\r\n"]
    );
    assert_eq!(
        both(|w| w.verbatim(b"txt", "This is a verbatim\nstring")),
        ["$25\r\nThis is a verbatim\nstring\r\n", "=29\r\ntxt:This is a verbatim\nstring\r\n"]
    );
    let numbers = |w: &mut ReplyWriter<'_>| (0..3).for_each(|number| w.int(number));
    assert_eq!(
        both(|w| {
            w.set(3);
            numbers(w);
        }),
        ["*3\r\n:0\r\n:1\r\n:2\r\n", "~3\r\n:0\r\n:1\r\n:2\r\n"]
    );
    let map = |w: &mut ReplyWriter<'_>| {
        w.map(3);
        for (key, value) in [(0, false), (1, true), (2, false)] {
            w.int(key);
            w.bool(value);
        }
    };
    assert_eq!(both(map), ["*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n", "%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n"]);
    let attribute = |w: &mut ReplyWriter<'_>| {
        if w.attribute(1) {
            w.bulk("key-popularity");
            w.array(2);
            w.bulk("key:123");
            w.int(90);
        }
        w.bulk("Some real reply following the attribute");
    };
    assert_eq!(
        both(attribute),
        [
            "$39\r\nSome real reply following the attribute\r\n",
            "|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n\
             $39\r\nSome real reply following the attribute\r\n"
        ]
    );
    let push = |w: &mut ReplyWriter<'_>| {
        w.push(2);
        w.bulk("server-cpu-usage");
        w.int(42);
    };
    assert_eq!(written(Protocol::Resp3, push), ">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n");
    assert_eq!(both(|w| w.null_array()), ["*-1\r\n", "_\r\n"]);
}

#[test]
fn numbers_and_lengths_of_any_size() {
    for number in [0, 1, 9, 10, 99, 100, -1, i64::MAX, i64::MIN] {
        assert_eq!(written(Protocol::Resp2, |w| w.int(number)), format!(":{number}\r\n"));
        let digits = number.to_string();
        assert_eq!(written(Protocol::Resp2, |w| w.bulk_int(number)), format!("${}\r\n{digits}\r\n", digits.len()));
    }
    for len in [0, 1, 9, 10, 99, 100, 70_000] {
        assert_eq!(written(Protocol::Resp2, |w| w.bulk("x".repeat(len))), format!("${len}\r\n{}\r\n", "x".repeat(len)));
        let array = written(Protocol::Resp2, |w| {
            w.array(len);
            (0..len).for_each(|_| w.int(1));
        });
        assert_eq!(array, format!("*{len}\r\n{}", ":1\r\n".repeat(len)));
    }
}

#[test]
fn a_line_stays_one_line() {
    assert_eq!(written(Protocol::Resp2, |w| w.error("ERR a\r\nb\r\n")), "-ERR a  b\r\n");
    assert_eq!(written(Protocol::Resp2, |w| w.simple("a\r\nb")), "+a  b\r\n");
    assert_eq!(written(Protocol::Resp2, |w| w.ok()), "+OK\r\n");
    let error = ProtocolError::ExpectedBulk(b'\r');
    assert_eq!(
        written(Protocol::Resp2, |w| w.protocol_error(&error)),
        "-ERR Protocol error: expected '$', got ' '\r\n"
    );
}

#[test]
fn a_deferred_length_is_filled_in() {
    for (len, nested) in [(0, 0), (1, 3), (9, 10), (10, 9), (250, 1000)] {
        let deferred = written(Protocol::Resp2, |w| {
            w.simple("before");
            let outer = w.deferred_array();
            for _ in 0..len {
                let inner = w.deferred_array();
                (0..nested).for_each(|number| w.int(number));
                w.set_len(inner, nested as usize);
            }
            w.set_len(outer, len);
            w.simple("after");
        });
        let known = written(Protocol::Resp2, |w| {
            w.simple("before");
            w.array(len);
            for _ in 0..len {
                w.array(nested as usize);
                (0..nested).for_each(|number| w.int(number));
            }
            w.simple("after");
        });
        assert_eq!(deferred, known);
    }
    let map = |w: &mut ReplyWriter<'_>| {
        let mark = w.deferred_map();
        (0..12).for_each(|_| w.bulk("x"));
        w.set_len(mark, 6);
    };
    assert_eq!(both(map).map(|text| text[..5].to_owned()), ["*12\r\n", "%6\r\n$"]);
}

#[test]
fn rewinding_drops_an_unfinished_reply() {
    let text = written(Protocol::Resp2, |w| {
        w.ok();
        let start = w.position();
        w.array(3);
        w.int(1);
        w.rewind(start);
        w.error("ERR changed my mind");
    });
    assert_eq!(text, "+OK\r\n-ERR changed my mind\r\n");
}

#[cfg(debug_assertions)]
mod declared_children {
    use super::*;

    #[test]
    #[should_panic(expected = "within an aggregate")]
    fn too_few_are_noticed() {
        written(Protocol::Resp2, |w| {
            w.array(2);
            w.int(1);
        });
    }

    #[test]
    #[should_panic(expected = "within an aggregate")]
    fn too_few_within_a_map_are_noticed() {
        written(Protocol::Resp3, |w| {
            w.array(1);
            w.map(1);
            w.int(1);
        });
    }

    #[test]
    #[should_panic(expected = "does not fit")]
    fn a_wrong_deferred_length_is_noticed() {
        written(Protocol::Resp2, |w| {
            let mark = w.deferred_array();
            w.int(1);
            w.set_len(mark, 2);
        });
    }

    #[test]
    fn asides_and_encoded_replies_are_counted_right() {
        let text = written(Protocol::Resp3, |w| {
            w.array(3);
            w.push(1);
            w.int(1);
            w.encoded(b"+a\r\n+b\r\n", 2);
            assert!(w.attribute(1));
            w.int(1);
            w.int(2);
            w.set(0);
        });
        assert!(text.ends_with("~0\r\n"));
        written(Protocol::Resp2, |w| {
            w.array(5);
            w.hand_over();
        });
    }
}

#[test]
fn bulk_strings_of_every_length_are_whole() {
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    for len in 0..=bytes.len() {
        let (text, mut out) = (&bytes[..len], b"+before\r\n".to_vec());
        let mut writer = ReplyWriter::new(&mut out, Protocol::Resp2);
        writer.bulk(text);
        writer.int(1);
        let wanted = [b"+before\r\n$", len.to_string().as_bytes(), b"\r\n", text, b"\r\n:1\r\n"].concat();
        assert_eq!(out, wanted, "{len} bytes");
    }
}
