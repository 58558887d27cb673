//! Tests of the decoder of requests.

use super::*;

/// What one call after another finds in `input`, fed whole: the arguments of each command, then the error or `None`.
fn decode_all(input: &[u8], limits: &Limits) -> (Vec<Vec<Vec<u8>>>, Option<ProtocolError>) {
    let mut decoder = RequestDecoder::new();
    let (mut commands, mut rest, mut args) = (Vec::new(), input, Vec::new());
    loop {
        args.clear();
        match decoder.decode(rest, limits, &mut args) {
            Ok(Decoded::Command { consumed }) => {
                commands.push(args.iter().map(|span| span.of(rest).to_vec()).collect());
                rest = &rest[consumed..];
            }
            Ok(Decoded::Inline { consumed }) => {
                commands.push(args.iter().map(|span| span.of(decoder.inline_bytes()).to_vec()).collect());
                rest = &rest[consumed..];
            }
            Ok(Decoded::Empty { consumed }) => rest = &rest[consumed..],
            Ok(Decoded::Incomplete { needed }) => {
                assert!(needed > 0);
                return (commands, None);
            }
            Err(error) => return (commands, Some(error)),
        }
    }
}

fn error_text(input: &[u8], limits: &Limits) -> String {
    let mut text = Vec::new();
    if let Some(error) = decode_all(input, limits).1 {
        error.write_text(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn limits() -> Limits {
    Limits { bulk_len_max: 1 << 20, ..Limits::default() }
}

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

#[test]
fn commands_are_decoded() {
    let input = [PING, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10\r\n0123456789\r\n", b"echo 'a b'\r\nPING\n", PING].concat();
    let (commands, error) = decode_all(&input, &limits());
    assert_eq!(error, None);
    let shown: Vec<String> =
        commands.iter().map(|args| args.iter().map(|arg| format!("[{}]", arg.escape_ascii())).collect()).collect();
    assert_eq!(shown, ["[PING]", "[SET][k][0123456789]", "[echo][a b]", "[PING]", "[PING]"]);
}

#[test]
fn arguments_of_any_length_are_decoded() {
    for len in [0, 1, 9, 10, 11, 99, 100, 101, 12_345, 1 << 20] {
        let mut input = format!("*2\r\n$1\r\nx\r\n${len}\r\n").into_bytes();
        input.extend(std::iter::repeat_n(b'\r', len));
        input.extend_from_slice(b"\r\n");
        let (commands, error) = decode_all(&input, &limits());
        assert_eq!((commands.len(), error), (1, None), "{len}");
        assert_eq!(commands[0][1].len(), len);
    }
}

/// Input that redis-server 7.0.15, 8.2 and valkey-server 9.1 take for nothing at all, before a command.
#[test]
fn blank_requests_are_skipped() {
    for blank in ["\r\n", "\n", "   \r\n", "\t\n", "*0\r\n", "*-1\r\n", "*-10\r\n", "*-9223372036854775808\r\n"] {
        let (commands, error) = decode_all(&[blank.as_bytes(), PING].concat(), &limits());
        assert_eq!((commands.len(), error), (1, None), "{blank:?}");
    }
}

/// Answers of redis-server 7.0.15, 8.2 and valkey-server 9.1, all alike.
#[test]
fn errors_are_those_of_the_real_servers() {
    for (input, expected) in [
        ("*-0\r\n", "invalid multibulk length"),
        ("*00\r\n", "invalid multibulk length"),
        ("*01\r\n", "invalid multibulk length"),
        ("*+1\r\n", "invalid multibulk length"),
        ("* 1\r\n", "invalid multibulk length"),
        ("*\r\n", "invalid multibulk length"),
        ("*-\r\n", "invalid multibulk length"),
        ("*1x\r\n", "invalid multibulk length"),
        ("*2147483648\r\n", "invalid multibulk length"),
        ("*-9223372036854775809\r\n", "invalid multibulk length"),
        ("*1\n$4\r\nPING\r\n", "invalid multibulk length"),
        ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("*1\r\n$-0\r\n", "invalid bulk length"),
        ("*1\r\n$00\r\n\r\n", "invalid bulk length"),
        ("*1\r\n$\r\n", "invalid bulk length"),
        ("*1\r\n$1048577\r\n", "invalid bulk length"),
        ("*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
        ("*1\r\nfoo\r\n", "expected '$', got 'f'"),
        ("*1\r\n*1\r\n", "expected '$', got '*'"),
        ("*1\r\n\r\n", "expected '$', got ' '"),
        ("*1\r\n\nA\r\n", "expected '$', got ' '"),
        ("*1\r\nfoo\rX", "expected '$', got 'f'"),
        ("*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n", "expected '$', got 'f'"),
        ("set \"\"\"test-key\"\"\" test-value\r\nping\r\n", "unbalanced quotes in request"),
        ("*1\r\nfoo", ""),
        ("*1\r\nfoo\r", ""),
        ("*abc\r", ""),
        ("*2147483647\r\n", ""),
        ("*1\r\n$1048576\r\n", ""),
        ("*1\n$4\nPING\n", ""),
        ("PING\0abc\r\nPING\r\n", ""),
        ("\"abc\0\r\n", ""),
    ] {
        assert_eq!(error_text(input.as_bytes(), &limits()), expected, "{input:?}");
    }
}

/// Answers of valkey-server 9.1. (Redis takes any two bytes for CR LF, and waits for ever after a NUL in a header.)
#[test]
fn line_ends_are_strict_as_in_valkey() {
    for (input, expected) in [
        ("*1\rX$4\r\nPING\r\n", "invalid CRLF in request"),
        ("*1\r\r\n$4\r\nPING\r\n", "invalid CRLF in request"),
        ("*-1\rX", "invalid CRLF in request"),
        ("*abc\rX", "invalid CRLF in request"),
        ("*1\r\n$4\rXPINGXX", "invalid CRLF in request"),
        ("*1\r\n$99999999\rX", "invalid CRLF in request"),
        ("*1\r\n$4\r\nPINGXX", "invalid CRLF in request"),
        ("*1\r\n$4\r\nPING\n\r", "invalid CRLF in request"),
        ("*1\r\n$4\r\nPINGX", ""),
        ("*1\0\r\n", "invalid multibulk length"),
        ("*1\r\n$4\0\r\n", "invalid bulk length"),
        ("*1\r\n\0$4\r\n", "expected '$', got '\0'"),
    ] {
        assert_eq!(error_text(input.as_bytes(), &limits()), expected, "{input:?}");
    }
}

#[test]
fn an_unexpected_byte_is_reported_as_it_came() {
    let error = decode_all(b"*1\r\n\xff\xfeA\r\n", &limits()).1.expect("refused");
    let mut text = Vec::new();
    error.write_text(&mut text);
    assert_eq!(text, b"expected '$', got '\xff'");
    assert_eq!(error.to_string(), "expected '$', got '\u{ff}'");
}

/// The same boundaries as the real servers, which wait at 64 KiB and refuse one byte more.
#[test]
fn endless_lines_are_cut_off() {
    let kib64 = 64 << 10;
    let many = |prefix: &str, count: usize| [prefix.as_bytes(), &vec![b'1'; count]].concat();
    assert_eq!(error_text(&many("", kib64), &limits()), "");
    assert_eq!(error_text(&many("", kib64 + 1), &limits()), "too big inline request");
    assert_eq!(decode_all(&[many("", kib64), b"\n".to_vec()].concat(), &limits()).0.len(), 1);
    assert_eq!(error_text(&many("*", kib64 - 1), &limits()), "");
    assert_eq!(error_text(&many("*", kib64), &limits()), "too big mbulk count string");
    assert_eq!(error_text(&many("*1\r\n$", kib64 - 1), &limits()), "");
    assert_eq!(error_text(&many("*1\r\n$", kib64), &limits()), "too big bulk count string");
    assert_eq!(error_text(&many("*1\r\nf", kib64), &limits()), "too big bulk count string");
    assert_eq!(error_text(&many("*\0", kib64), &limits()), "too big mbulk count string");
    assert_eq!(error_text(&many("\0", kib64), &limits()), "too big inline request");
    let pipelined = [PING.repeat(10), many("*1\r\n$", kib64)].concat();
    let (commands, error) = decode_all(&pipelined, &limits());
    assert_eq!((commands.len(), error), (10, Some(ProtocolError::BulkLineTooLong)));
}

/// Answers of the real servers with `requirepass`.
#[test]
fn unauthenticated_clients_are_held_to_small_requests() {
    let strict = Limits { authenticated: false, ..limits() };
    for (input, expected) in [
        ("*10\r\n", ""),
        ("*11\r\n", "unauthenticated multibulk length"),
        ("*2147483648\r\n", "invalid multibulk length"),
        ("*1\r\n$16384\r\n", ""),
        ("*1\r\n$16385\r\n", "unauthenticated bulk length"),
        ("*1\r\n$1048577\r\n", "invalid bulk length"),
    ] {
        assert_eq!(error_text(input.as_bytes(), &strict), expected, "{input:?}");
    }
    let complete = [b"*1\r\n$16385\r\n".to_vec(), vec![b'x'; 16385], b"\r\n".to_vec()].concat();
    assert_eq!(error_text(&complete, &strict), "unauthenticated bulk length");
    assert_eq!(decode_all(&complete, &limits()).0.len(), 1);
    let eleven = [b"*11\r\n".to_vec(), b"$1\r\nx\r\n".repeat(11)].concat();
    assert_eq!(error_text(&eleven, &strict), "unauthenticated multibulk length");
    assert_eq!(decode_all(&[b"x ".repeat(20), b"\n".to_vec()].concat(), &strict).0[0].len(), 20);
}

#[test]
fn an_unfinished_command_is_described() {
    let mut decoder = RequestDecoder::new();
    let mut args = vec![Span { start: 7, end: 9 }];
    let mut buf = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2000000\r\nab".to_vec();
    let decoded = decoder.decode(&buf, &Limits::default(), &mut args);
    assert_eq!(decoded, Ok(Decoded::Incomplete { needed: HINT_BYTES_MIN }));
    assert_eq!((decoder.is_idle(), decoder.pending_args()), (false, 1));
    assert_eq!((decoder.pending_bulk_len(), decoder.pending_arg_bytes()), (Some(2_000_000), 4));
    assert_eq!(args.len(), 1, "an unfinished command adds no arguments");
    buf.resize(buf.len() + 1_999_998, b'z');
    assert_eq!(decoder.decode(&buf, &Limits::default(), &mut args), Ok(Decoded::Incomplete { needed: 2 }));
    buf.extend_from_slice(b"\r\n");
    let decoded = decoder.decode(&buf, &Limits::default(), &mut args);
    assert_eq!(decoded, Ok(Decoded::Command { consumed: buf.len() }));
    assert_eq!((args.len(), args[1].of(&buf), args[3].len()), (4, &b"SET"[..], 2_000_000));
    assert!(decoder.is_idle());
    assert_eq!((decoder.pending_args(), decoder.pending_bulk_len(), decoder.pending_arg_bytes()), (0, None, 0));
}

#[test]
fn memory_follows_what_arrived_and_is_given_back() {
    let mut decoder = RequestDecoder::new();
    let mut args = Vec::new();
    for announcement in ["*2147483647\r\n", "*2147483647\r\n$536870912\r\n"] {
        decoder.decode(announcement.as_bytes(), &Limits::default(), &mut args).expect("within limits");
        assert_eq!((decoder.memory_bytes(), args.capacity()), (0, 0));
    }
    let mut decoder = RequestDecoder::new();
    let large = [b"*100000\r\n".to_vec(), b"$0\r\n\r\n".repeat(100_000)].concat();
    decoder.decode(&large[..large.len() - 1], &Limits::default(), &mut args).expect("good so far");
    assert!(decoder.memory_bytes() >= 99_999 * size_of::<Span>());
    decoder.decode(&large, &Limits::default(), &mut args).expect("good");
    assert_eq!((args.len(), decoder.memory_bytes()), (100_000, 0));
    decoder.decode(b"ECHO hello\r\n", &Limits::default(), &mut args).expect("good");
    assert!(decoder.memory_bytes() > 0);
    decoder.shrink();
    assert_eq!(decoder.memory_bytes(), 0);
}

/// Byte by byte, no line is searched twice: the bytes searched stay below those received.
#[test]
fn bytes_are_not_searched_again() {
    let mut long_inline = vec![b'a'; 60_000];
    long_inline.push(b'\n');
    let mut long_header = vec![b'*'];
    long_header.resize(60_000, b'1');
    let many_args = [b"*20000\r\n".to_vec(), b"$11\r\nhello world\r\n".repeat(20_000)].concat();
    for input in [long_inline, long_header, many_args] {
        let mut decoder = RequestDecoder::new();
        let mut args = Vec::new();
        for end in 1..=input.len() {
            decoder.decode(&input[..end], &Limits::default(), &mut args).expect("good so far");
        }
        assert!(decoder.examined <= input.len(), "{} of {}", decoder.examined, input.len());
    }
    let mut decoder = RequestDecoder::new();
    let half_ended = [b"*".as_slice(), &[b'1'; 60_000], b"\r"].concat();
    for _ in 0..2 {
        decoder.decode(&half_ended, &Limits::default(), &mut Vec::new()).expect("good so far");
    }
    assert!(decoder.examined <= half_ended.len(), "{} of {}", decoder.examined, half_ended.len());
}
