//! Replies cut into any reads decode as they do in one piece, and the counter agrees with the decoder. The first byte
//! of an input sets the cuts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre_resp::client::{Counts, ReplyLimits};
use ochre_resp::{ReplyDecoder, ReplyError, ReplySkipper, Value};

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Value>, Result<bool, ReplyError>) {
    let mut decoder = ReplyDecoder::new(ReplyLimits { depth_max: 20, line_len_max: 1000, ..ReplyLimits::default() });
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

fn count<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<(Counts, bool), ReplyError> {
    let mut skipper = ReplySkipper::new();
    let mut sum = Counts::default();
    for piece in pieces {
        let counts = skipper.skip(piece)?;
        sum.replies += counts.replies;
        sum.errors += counts.errors;
        sum.pushes += counts.pushes;
    }
    Ok((sum, skipper.is_idle()))
}

fuzz_target!(|data: &[u8]| {
    let Some((&cut, input)) = data.split_first() else { return };
    let cut = usize::from(cut).max(1);
    let whole = decode(std::iter::once(input));
    assert_eq!(decode(input.chunks(cut)), whole);
    assert_eq!(decode(input.chunks(1)), whole);
    let counted = count(std::iter::once(input));
    assert_eq!(count(input.chunks(cut)), counted);
    assert_eq!(count(input.chunks(1)), counted);
    if let (replies, Ok(idle)) = whole {
        let bare: Vec<Value> = replies.into_iter().map(Value::without_attributes).collect();
        let pushes = bare.iter().filter(|reply| matches!(reply, Value::Push(_))).count() as u64;
        let errors = bare.iter().filter(|reply| matches!(reply, Value::Error(_))).count() as u64;
        let expected = Counts { replies: bare.len() as u64 - pushes, errors, pushes };
        // The counter need not wait for the end of a header line to refuse it.
        assert!(counted == Ok((expected, idle)) || (!idle && counted.is_err()), "{counted:?}, {expected:?}");
    }
});
