//! A published message as it goes over the wire.

use ochre_resp::reply::{Protocol, ReplyWriter};
use std::sync::OnceLock;

/// One message, shared by all who receive it. The versions of the protocol differ in the first byte only.
#[derive(Debug)]
pub struct Message {
    resp2: Box<[u8]>,
    resp3: OnceLock<Box<[u8]>>,
}

/// The first byte of a push message of RESP3.
const PUSH: u8 = b'>';

impl Message {
    /// A message of these parts, the first of which names its kind.
    pub fn new(parts: &[&[u8]]) -> Message {
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 16).sum::<usize>() + 8);
        let mut writer = ReplyWriter::new(&mut bytes, Protocol::Resp2);
        writer.push(parts.len());
        parts.iter().for_each(|part| writer.bulk(part));
        drop(writer);
        Message::from_resp2(bytes)
    }
    /// A message that was written for RESP2, of parts that RESP3 writes alike.
    pub(crate) fn from_resp2(bytes: Vec<u8>) -> Message {
        Message { resp2: bytes.into(), resp3: OnceLock::new() }
    }
    /// Bytes on the wire.
    pub fn len(&self) -> usize {
        self.resp2.len()
    }
    /// Never so.
    pub fn is_empty(&self) -> bool {
        self.resp2.is_empty()
    }
    /// The whole message in one piece, made once for each version.
    pub fn bytes(&self, protocol: Protocol) -> &[u8] {
        match protocol {
            Protocol::Resp2 => &self.resp2,
            Protocol::Resp3 => self.resp3.get_or_init(|| {
                let mut bytes = Vec::with_capacity(self.len());
                self.append_to(&mut bytes, Protocol::Resp3);
                bytes.into()
            }),
        }
    }
    /// Copies the message to the end of `out`.
    pub fn append_to(&self, out: &mut Vec<u8>, protocol: Protocol) {
        let start = out.len();
        out.extend_from_slice(&self.resp2);
        if protocol == Protocol::Resp3
            && let Some(first) = out.get_mut(start)
        {
            *first = PUSH;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_differ_in_how_it_begins() {
        let message = Message::new(&[b"message", b"news", b"a\r\nb"]);
        let rest = "3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$4\r\na\r\nb\r\n";
        assert_eq!(message.bytes(Protocol::Resp2), format!("*{rest}").as_bytes());
        assert_eq!(message.bytes(Protocol::Resp3), format!(">{rest}").as_bytes());
        let mut both = b"+OK\r\n".to_vec();
        message.append_to(&mut both, Protocol::Resp3);
        message.append_to(&mut both, Protocol::Resp2);
        assert_eq!(both, format!("+OK\r\n>{rest}*{rest}").into_bytes());
        assert_eq!(message.len(), rest.len() + 1);
    }
}
