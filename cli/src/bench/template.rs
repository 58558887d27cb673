//! Requests prepared once and sent many times, with random digits put in place.

use crate::bench::digits::{Random, WIDTH, write_digits};

/// What is replaced by a random number of twelve digits.
const PLACEHOLDER: &[u8; WIDTH] = b"__rand_int__";
/// What is replaced by a payload.
const DATA: &[u8] = b"__data__";

/// One encoded request and where its placeholders begin.
#[derive(Debug, Clone)]
pub struct Template {
    bytes: Vec<u8>,
    placeholders: Vec<usize>,
}

impl Template {
    /// A request that is sent byte for byte, apart from its placeholders.
    #[must_use]
    pub fn raw(bytes: Vec<u8>) -> Self {
        let placeholders = find_all(&bytes, PLACEHOLDER);
        Self { bytes, placeholders }
    }

    /// A command as a RESP array of bulk strings.
    #[must_use]
    pub fn command<A: AsRef<[u8]>>(arguments: &[A]) -> Self {
        Self::raw(encode(arguments))
    }

    /// Where placeholders begin.
    #[must_use]
    pub fn placeholders(&self) -> &[usize] {
        &self.placeholders
    }

    /// Length of the encoded request in bytes.
    #[must_use]
    pub fn request_len(&self) -> usize {
        self.bytes.len()
    }
}

/// A buffer with a pipeline of one template, whose random digits can be renewed in place.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    placeholders: Vec<usize>,
    request_len: usize,
    placeholders_per_request: usize,
}

impl Batch {
    /// `pipeline` copies of `template`. With `random` false the placeholders stay as they are.
    #[must_use]
    pub fn new(template: &Template, pipeline: usize, random: bool) -> Self {
        let request_len = template.bytes.len();
        let offsets: &[usize] = if random { &template.placeholders } else { &[] };
        let copies = (0..pipeline).flat_map(|copy| offsets.iter().map(move |offset| copy * request_len + offset));
        Self {
            bytes: template.bytes.repeat(pipeline),
            placeholders: copies.collect(),
            request_len,
            placeholders_per_request: offsets.len(),
        }
    }

    /// Renews the random numbers, below `keyspace`, of the first `requests` requests and returns their bytes.
    pub fn renew(&mut self, requests: usize, random: &mut Random, keyspace: u64) -> &[u8] {
        for offset in self.placeholders.iter().take(requests * self.placeholders_per_request) {
            let digits = self.bytes.get_mut(*offset..).and_then(<[u8]>::first_chunk_mut);
            if let Some(digits) = digits {
                write_digits(digits, random.below(keyspace));
            }
        }
        self.bytes.get(..requests * self.request_len).unwrap_or(&self.bytes)
    }
}

/// A command as a RESP array of bulk strings.
#[must_use]
pub fn encode<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
    let mut out = Vec::new();
    ochre_resp::encode_command(&mut out, arguments);
    out
}

/// A payload of `len` printable bytes, the same on every call.
#[must_use]
pub fn payload(len: usize) -> Vec<u8> {
    let mut random = Random::new(0x0c);
    (0..len).map(|_| b'0' + random.below(64) as u8).collect()
}

/// Replaces each `__data__` inside `argument` by a payload of `len` bytes.
#[must_use]
pub fn with_payload(argument: &[u8], len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(argument.len());
    let mut from = 0;
    for at in find_all(argument, DATA) {
        out.extend_from_slice(argument.get(from..at).unwrap_or_default());
        out.extend_from_slice(&payload(len));
        from = at + DATA.len();
    }
    out.extend_from_slice(argument.get(from..).unwrap_or_default());
    out
}

/// Where `needle` begins in `haystack`, without overlaps.
fn find_all(haystack: &[u8], needle: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = haystack.get(at..).filter(|rest| rest.len() >= needle.len()) {
        if rest.starts_with(needle) {
            found.push(at);
            at += needle.len();
        } else {
            at += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_digits_replace_every_placeholder_in_place() {
        let template = Template::command(&["SET", "key:__rand_int__", "a__rand_int__b"]);
        let mut batch = Batch::new(&template, 2, true);
        let bytes = batch.renew(2, &mut Random::new(9), 1000).to_vec();
        assert_eq!(bytes.len(), 2 * template.request_len());
        assert!(find_all(&bytes, PLACEHOLDER).is_empty());
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches("$16\r\nkey:000000000").count(), 2, "{text}");
        assert_eq!(batch.renew(1, &mut Random::new(9), 1000).len(), template.request_len());
    }

    #[test]
    fn without_a_keyspace_placeholders_stay() {
        let template = Template::command(&["GET", "key:__rand_int__"]);
        let mut batch = Batch::new(&template, 1, false);
        assert_eq!(batch.renew(1, &mut Random::new(9), 0), b"*2\r\n$3\r\nGET\r\n$16\r\nkey:__rand_int__\r\n");
    }

    #[test]
    fn data_is_replaced_by_a_payload_of_the_length() {
        assert_eq!(with_payload(b"x__data__y__data__", 4).len(), 1 + 4 + 1 + 4);
        assert_eq!(with_payload(b"plain", 4), b"plain");
        assert!(payload(10_000).iter().all(u8::is_ascii_graphic));
    }
}
