//! Invalidations as they go over the wire.

use ochre_resp::reply::{Protocol, ReplyWriter};

/// The channel through which a client of RESP2 hears of keys that another one tracks.
const CHANNEL: &[u8] = b"__redis__:invalidate";

/// Which keys are not to be believed any more, shared by all who are told.
#[derive(Debug)]
pub struct Invalidation {
    /// Their names as an array; none: all keys.
    keys: Option<Box<[u8]>>,
}

impl Invalidation {
    /// These keys.
    pub(super) fn of(keys: &[&[u8]]) -> Invalidation {
        let mut bytes = Vec::with_capacity(keys.iter().map(|key| key.len() + 16).sum::<usize>() + 8);
        let mut writer = ReplyWriter::new(&mut bytes, Protocol::Resp2);
        writer.array(keys.len());
        keys.iter().for_each(|key| writer.bulk(key));
        drop(writer);
        Invalidation { keys: Some(bytes.into()) }
    }
    /// All keys.
    pub(super) fn of_all() -> Invalidation {
        Invalidation { keys: None }
    }
    /// About how many bytes go over the wire.
    pub fn len(&self) -> usize {
        self.keys.as_ref().map_or(0, |keys| keys.len()) + CHANNEL.len() + 16
    }
    /// Never so.
    pub fn is_empty(&self) -> bool {
        false
    }
    /// Appends the message. A client of RESP2 can only be told on behalf of another one, while it listens to channels.
    pub fn append_to(&self, out: &mut Vec<u8>, protocol: Protocol, as_message: bool) {
        let mut writer = ReplyWriter::new(out, protocol);
        match protocol {
            Protocol::Resp3 => {
                writer.push(2);
                writer.bulk("invalidate");
            }
            Protocol::Resp2 if as_message => {
                writer.push(3);
                writer.bulk("message");
                writer.bulk(CHANNEL);
            }
            Protocol::Resp2 => return,
        }
        match &self.keys {
            Some(keys) => writer.encoded(keys, 1),
            None => writer.null(),
        }
    }
}

/// Appends the news that the client of that id, to which invalidations were redirected, is gone.
pub(crate) fn append_broken(out: &mut Vec<u8>, protocol: Protocol, id: u64) {
    if protocol == Protocol::Resp3 {
        let mut writer = ReplyWriter::new(out, protocol);
        writer.push(2);
        writer.bulk("tracking-redir-broken");
        writer.int(id as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_its_form() {
        let form = |what: &Invalidation, protocol, as_message| {
            let mut out = Vec::new();
            what.append_to(&mut out, protocol, as_message);
            String::from_utf8(out).unwrap().replace("\r\n", " ")
        };
        let keys = Invalidation::of(&[b"a", b"bc"]);
        assert_eq!(form(&keys, Protocol::Resp3, true), ">2 $10 invalidate *2 $1 a $2 bc ");
        assert_eq!(form(&keys, Protocol::Resp2, true), "*3 $7 message $20 __redis__:invalidate *2 $1 a $2 bc ");
        assert_eq!(form(&keys, Protocol::Resp2, false), "");
        assert_eq!(form(&Invalidation::of_all(), Protocol::Resp3, false), ">2 $10 invalidate _ ");
        assert_eq!(form(&Invalidation::of_all(), Protocol::Resp2, true), "*3 $7 message $20 __redis__:invalidate $-1 ");
    }
}
