//! Cutting a stream into reads changes nothing: neither what is decoded, nor the error, nor where it ends.

use ochre_resp::client::Counts;
use ochre_resp::{Decoded, Limits, ProtocolError, ReplyDecoder, ReplyError, ReplySkipper, RequestDecoder, Value};
use proptest::prelude::*;

/// The arguments of each command, the bytes consumed, and whether the stream stands between commands or how it broke.
type Requests = (Vec<Vec<Vec<u8>>>, usize, Result<bool, ProtocolError>);

fn decode_requests<'a>(pieces: impl Iterator<Item = &'a [u8]>, limits: &Limits) -> Requests {
    let mut decoder = RequestDecoder::new();
    let (mut buf, mut commands, mut total, mut args) = (Vec::new(), Vec::new(), 0, Vec::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            args.clear();
            let consumed = match decoder.decode(&buf, limits, &mut args) {
                Ok(Decoded::Command { consumed }) => {
                    commands.push(args.iter().map(|span| span.of(&buf).to_vec()).collect());
                    consumed
                }
                Ok(Decoded::Inline { consumed }) => {
                    commands.push(args.iter().map(|span| span.of(decoder.inline_bytes()).to_vec()).collect());
                    consumed
                }
                Ok(Decoded::Empty { consumed }) => consumed,
                Ok(Decoded::Incomplete { needed }) => {
                    assert!(args.is_empty() && needed > 0);
                    break;
                }
                Err(error) => return (commands, total, Err(error)),
            };
            assert!(decoder.is_idle() && consumed > 0);
            buf.drain(..consumed);
            total += consumed;
        }
    }
    (commands, total, Ok(decoder.is_idle()))
}

/// The replies, and whether the stream stands between replies or how it broke.
type Replies = (Vec<Value>, Result<bool, ReplyError>);

fn decode_replies<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Replies {
    let mut decoder = ReplyDecoder::default();
    let mut replies = Vec::new();
    for mut piece in pieces {
        while !piece.is_empty() {
            match decoder.decode(piece) {
                Ok((consumed, reply)) => {
                    assert!(consumed == piece.len() || reply.is_some());
                    replies.extend(reply);
                    piece = &piece[consumed..];
                }
                Err(error) => return (replies, Err(error)),
            }
        }
    }
    (replies, Ok(decoder.is_idle()))
}

fn count_replies<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Counts, Result<bool, ReplyError>) {
    let mut skipper = ReplySkipper::new();
    let mut sum = Counts::default();
    for piece in pieces {
        match skipper.skip(piece) {
            Ok(counts) => {
                sum.replies += counts.replies;
                sum.errors += counts.errors;
                sum.pushes += counts.pushes;
            }
            Err(error) => return (Counts::default(), Err(error)),
        }
    }
    (sum, Ok(skipper.is_idle()))
}

/// Cuts `input` into pieces of the lengths given, over and over.
fn cut<'a>(input: &'a [u8], lengths: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = input;
    lengths.iter().cycle().map_while(move |&len| {
        let (head, tail) = rest.split_at(len.clamp(1, rest.len().max(1)).min(rest.len()));
        rest = tail;
        (!head.is_empty()).then_some(head)
    })
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), prop::collection::vec(1..40usize, 1..8), prop::collection::vec(1..4000usize, 1..4)]
}

/// Pieces of protocol, right and wrong: joined at random they reach the decoders' corners sooner than random bytes.
fn request_piece() -> impl Strategy<Value = Vec<u8>> {
    let command = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 1..14).prop_map(|args| {
        let mut out = Vec::new();
        ochre_resp::encode_command(&mut out, &args);
        out
    });
    prop_oneof![
        6 => command,
        1 => (0..300usize).prop_map(|len| format!("*1\r\n${len}\r\n{}\r\n", "v".repeat(len)).into_bytes()),
        1 => "(PING|ECHO \"a\\\\x41 b\"|'it''s'|set k 'v w'|[ \t]{0,3})(\r\n|\n)".prop_map(String::into_bytes),
        1 => "\\*(-?[0-9]{0,3}|[0-9]{9,12}|x)\r?\n?".prop_map(String::into_bytes),
        1 => "[$](-?[0-9]{0,3}|[0-9]{9,12}|x)\r?\n?".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ]
}

fn reply_piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => "(\\+OK|-ERR no|:-?[1-9][0-9]{0,4}|_|#t|#f|,3[.]25|,-inf|\\([1-9][0-9]{20}|[$*]-1)\r\n".prop_map(String::into_bytes),
        3 => "[a-z\r\n]{0,30}".prop_map(|text| format!("${}\r\n{text}\r\n", text.len()).into_bytes()),
        1 => "[a-z\r\n]{0,30}".prop_map(|text| format!("={}\r\ntxt:{text}\r\n", text.len() + 4).into_bytes()),
        3 => "[*~>%|][0-3]\r\n".prop_map(String::into_bytes),
        1 => "[-+:$*~>%|,(#_!=]-?[0-9]{0,12}\r?\n?".prop_map(String::into_bytes),
    ]
}

fn joined(piece: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests(
        input in joined(request_piece()),
        lengths in lengths(),
        inline_len_max in prop_oneof![Just(64 << 10), 0..40usize],
        authenticated: bool,
    ) {
        let limits = Limits { bulk_len_max: 200, args_max: 12, inline_len_max, authenticated };
        prop_assert_eq!(
            decode_requests(cut(&input, &lengths), &limits),
            decode_requests(std::iter::once(input.as_slice()), &limits)
        );
    }

    #[test]
    fn random_bytes_as_requests(input in prop::collection::vec(any::<u8>(), 0..300), lengths in lengths()) {
        let limits = Limits { inline_len_max: 100, ..Limits::default() };
        prop_assert_eq!(
            decode_requests(cut(&input, &lengths), &limits),
            decode_requests(std::iter::once(input.as_slice()), &limits)
        );
    }

    #[test]
    fn encoded_commands_come_back(
        commands in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20), 0..8),
        lengths in lengths(),
    ) {
        let mut input = Vec::new();
        for args in &commands {
            ochre_resp::encode_command(&mut input, args);
        }
        let decoded = decode_requests(cut(&input, &lengths), &Limits::default());
        prop_assert_eq!(decoded, (commands, input.len(), Ok(true)));
    }

    #[test]
    fn replies(input in joined(reply_piece()), lengths in lengths()) {
        let whole = decode_replies(std::iter::once(input.as_slice()));
        prop_assert_eq!(&decode_replies(cut(&input, &lengths)), &whole);
        let counted = count_replies(std::iter::once(input.as_slice()));
        prop_assert_eq!(count_replies(cut(&input, &lengths)), counted);
        if let (replies, Ok(idle)) = whole {
            let bare = |reply: &Value| reply.clone().without_attributes();
            let pushes = replies.iter().filter(|reply| matches!(bare(reply), Value::Push(_))).count() as u64;
            let errors = replies.iter().filter(|reply| matches!(bare(reply), Value::Error(_))).count() as u64;
            let expected = Counts { replies: replies.len() as u64 - pushes, errors, pushes };
            // The counter need not wait for the end of a header line to refuse it.
            prop_assert!(counted == (expected, Ok(idle)) || (!idle && counted.1.is_err()), "{counted:?}, {expected:?}");
        }
    }
}
