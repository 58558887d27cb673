//! Replies of every type, for tests of clients.

use crate::context::Context;
use crate::error::{self, CommandResult};
use ochre_resp::reply::Protocol;

pub(super) const TYPES: &str = "<string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false>";

pub(super) fn value(context: &mut Context<'_>) -> CommandResult {
    let reply = &mut context.reply;
    match context.argv.at(2).to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk("Hello World"),
        b"integer" => reply.int(12345),
        b"double" => reply.double(3141.0 / 1000.0),
        b"bignum" => reply.big_number("1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.int(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.int(number));
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.int(number);
                reply.bool(number == 1);
            }
        }
        b"attrib" => {
            if reply.attribute(1) {
                reply.bulk("key-popularity");
                reply.array(2);
                reply.bulk("key:123");
                reply.int(90);
            }
            reply.bulk("Some real reply following the attribute");
        }
        b"push" if reply.protocol() == Protocol::Resp2 => return Err(error::RESP2_NOT_SUPPORTED),
        b"push" => {
            reply.push(2);
            reply.bulk("server-cpu-usage");
            reply.int(42);
            reply.bulk("Some real reply following the push reply");
        }
        b"verbatim" => reply.verbatim(b"txt", "This is a verbatim\nstring"),
        b"true" => reply.bool(true),
        b"false" => reply.bool(false),
        _ => return Err(error::DEBUG_PROTOCOL_TYPE),
    }
    Ok(())
}

/// The message goes out as it is; it is no error of this server, so it is not counted as one.
pub(super) fn error(context: &mut Context<'_>) -> CommandResult {
    context.reply.error(context.argv.at(2));
    Ok(())
}
