//! Requests cut into any reads decode as they do in one piece. The first bytes of an input set limits and cuts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre_resp::{Decoded, Limits, ProtocolError, RequestDecoder};

/// The arguments of each command, the bytes consumed, and whether the stream stands between commands or how it broke.
type Outcome = (Vec<Vec<Vec<u8>>>, usize, Result<bool, ProtocolError>);

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>, limits: &Limits) -> Outcome {
    let mut decoder = RequestDecoder::new();
    let (mut buf, mut commands, mut total, mut args) = (Vec::new(), Vec::new(), 0, Vec::new());
    for piece in pieces {
        buf.extend_from_slice(piece);
        loop {
            args.clear();
            let consumed = match decoder.decode(&buf, limits, &mut args) {
                Ok(Decoded::Command { consumed }) => {
                    assert!(!args.is_empty() && args.len() <= limits.args_max);
                    assert!(args.iter().all(|span| span.start <= span.end && span.end < consumed));
                    commands.push(args.iter().map(|span| span.of(&buf).to_vec()).collect());
                    consumed
                }
                Ok(Decoded::Inline { consumed }) => {
                    assert!(decoder.inline_bytes().len() < consumed);
                    commands.push(args.iter().map(|span| span.of(decoder.inline_bytes()).to_vec()).collect());
                    consumed
                }
                Ok(Decoded::Empty { consumed }) => consumed,
                Ok(Decoded::Incomplete { needed }) => {
                    assert!(args.is_empty());
                    assert!(needed > 0 && needed <= buf.len().max(64 << 10));
                    break;
                }
                Err(error) => return (commands, total, Err(error)),
            };
            assert!(decoder.is_idle() && consumed > 0);
            buf.drain(..consumed);
            total += consumed;
        }
        assert!(decoder.memory_bytes() <= 64 * (total + buf.len()) + 64);
    }
    (commands, total, Ok(decoder.is_idle()))
}

fuzz_target!(|data: &[u8]| {
    let Some((&[flags, bulk, args, line, cut], input)) = data.split_first_chunk::<5>() else { return };
    let limits = Limits {
        bulk_len_max: if flags & 1 == 0 { 512 << 20 } else { usize::from(bulk) },
        args_max: if flags & 2 == 0 { i32::MAX as usize } else { usize::from(args) },
        inline_len_max: if flags & 4 == 0 { 64 << 10 } else { usize::from(line) },
        authenticated: flags & 8 == 0,
    };
    let whole = decode(std::iter::once(input), &limits);
    assert_eq!(decode(input.chunks(usize::from(cut).max(1)), &limits), whole);
    assert_eq!(decode(input.chunks(1), &limits), whole);
});
