//! Values as servers of earlier versions wrote them, against what Redis makes of them.

use anyhow::{Result, ensure};
use ochre_tests::{Client, Peer, Reply, Server};

/// What an entry of a ziplist may be.
enum Entry {
    Text(usize),
    Int(i64),
}
use Entry::{Int, Text};

/// Every form of an entry, with the first and the last value that has it. The texts make the lengths before the next entry
/// take one byte and five.
const ENTRIES: [Entry; 28] = [
    Text(1),
    Text(63),
    Text(64),
    Text(251),
    Int(0),
    Text(252),
    Int(12),
    Text(300),
    Text(16_383),
    Int(13),
    Text(16_384),
    Text(20_000),
    Int(-1),
    Int(127),
    Int(-128),
    Int(128),
    Int(-129),
    Int(32_767),
    Int(-32_768),
    Int(32_768),
    Int(-32_769),
    Int(8_388_607),
    Int(-8_388_608),
    Int(8_388_608),
    Int(2_147_483_647),
    Int(-2_147_483_648),
    Int(2_147_483_648),
    Int(i64::MIN),
];

fn le(number: i64, bytes: usize) -> Vec<u8> {
    number.to_le_bytes()[..bytes].to_vec()
}

/// The entry without the length before it.
fn encoded(entry: &Entry, index: usize) -> Vec<u8> {
    match *entry {
        Text(len) => {
            let head = match len {
                0..64 => vec![len as u8],
                64..16_384 => (len as u16 | 0x4000).to_be_bytes().to_vec(),
                _ => [&[0x80], &(len as u32).to_be_bytes()[..]].concat(),
            };
            [head, text(len, index)].concat()
        }
        Int(number @ 0..=12) => vec![0xf1 + number as u8],
        Int(number @ -0x80..=0x7f) => [vec![0xfe], le(number, 1)].concat(),
        Int(number @ -0x8000..=0x7fff) => [vec![0xc0], le(number, 2)].concat(),
        Int(number @ -0x80_0000..=0x7f_ffff) => [vec![0xf0], le(number, 3)].concat(),
        Int(number @ -0x8000_0000..=0x7fff_ffff) => [vec![0xd0], le(number, 4)].concat(),
        Int(number) => [vec![0xe0], le(number, 8)].concat(),
    }
}

/// A text of that length that no other entry has.
fn text(len: usize, index: usize) -> Vec<u8> {
    let letter = b'a' + (index % 26) as u8;
    vec![letter; len]
}

/// A ziplist of these entries, as ziplist.c describes it.
fn ziplist(entries: &[Vec<u8>]) -> Vec<u8> {
    let (mut all, mut before, mut last) = (Vec::new(), 0, 10);
    for entry in entries {
        last = 10 + all.len();
        let head = if before < 254 { vec![before as u8] } else { [vec![0xfe], le(before as i64, 4)].concat() };
        before = head.len() + entry.len();
        all.extend([head, entry.clone()].concat());
    }
    [le(11 + all.len() as i64, 4), le(last as i64, 4), le(entries.len() as i64, 2), all, vec![0xff]].concat()
}

/// A string as files have it.
fn string(bytes: &[u8]) -> Vec<u8> {
    [&[0x80], &(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

/// Type and bytes of values, by name.
fn values() -> Vec<(&'static str, u8, Vec<u8>)> {
    let entries: Vec<_> = ENTRIES.iter().enumerate().map(|(index, entry)| encoded(entry, index)).collect();
    let whole = ziplist(&entries);
    let scored: Vec<_> =
        (0..20).flat_map(|index| [encoded(&Text(3 + index), index), encoded(&Int(1000 * index as i64), 0)]).collect();
    let named: Vec<_> = (0..5).map(|index| text(1 + 80 * index, index)).collect();
    let zipmap: Vec<u8> = named
        .iter()
        .flat_map(|name| {
            let len =
                if name.len() < 254 { vec![name.len() as u8] } else { [vec![0xfe], le(name.len() as i64, 4)].concat() };
            // Two bytes are free behind each value.
            [len.clone(), name.clone(), len, vec![2], name.clone(), vec![0, 0]].concat()
        })
        .collect();
    let intset = |width: usize, numbers: &[i64]| {
        let numbers = numbers.iter().flat_map(|number| le(*number, width));
        string(&[le(width as i64, 4), le(3, 4), numbers.collect()].concat())
    };
    vec![
        ("list", 10, string(&whole)),
        ("quicklist", 14, [vec![2], string(&whole), string(&whole)].concat()),
        ("hash", 13, string(&whole)),
        ("zset", 12, string(&ziplist(&scored))),
        ("zipmap", 9, string(&[vec![5], zipmap, vec![0xff]].concat())),
        ("intset16", 11, intset(2, &[-32_768, 0, 32_767])),
        ("intset32", 11, intset(4, &[-2_147_483_648, 0, 2_147_483_647])),
        ("intset64", 11, intset(8, &[i64::MIN, 0, i64::MAX])),
        ("plain list", 1, [&[2], &string(b"one")[..], &[0xc1, 0x39, 0x30]].concat()),
        ("plain set", 2, [&[2], &string(b"one")[..], &[0xc0, 0xff]].concat()),
        ("plain hash", 4, [&[1], &string(b"one")[..], &[0xc2, 1, 2, 3, 4]].concat()),
        // Scores in decimal digits, and the lengths that stand for no number and for the infinities.
        ("old zset", 3, b"\x03\x01a\xfe\x01b\xff\x01c\x042.25".to_vec()),
    ]
}

/// What the server makes of all values: the reply to RESTORE, the digest and the encoding.
fn outcome(client: &mut Client) -> Result<Vec<String>> {
    ensure!(client.command(&["DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "1"])? == Reply::ok());
    let mut all = Vec::new();
    for (name, code, bytes) in values() {
        for version in [6u8, 10] {
            let payload = [&[code], &bytes[..], &[version, 0], &[0; 8]].concat();
            let head = format!("*5\r\n$7\r\nRESTORE\r\n${}\r\n{name}\r\n$1\r\n0\r\n${}\r\n", name.len(), payload.len());
            client.send(&[head.as_bytes(), &payload, b"\r\n$7\r\nREPLACE\r\n"].concat())?;
            let reply = client.read_reply()?;
            let digest = client.command(&["DEBUG", "DIGEST-VALUE", name])?;
            let encoding = client.command(&["OBJECT", "ENCODING", name])?;
            all.push(format!("{name} of version {version}: {reply:?} {digest:?} {encoding:?}"));
        }
    }
    Ok(all)
}

#[test]
fn values_of_old_servers_are_what_redis_reads() -> Result<()> {
    let peer = Peer::start(&["--enable-debug-command", "yes"])?;
    let server = Server::start(&["--compatibility-level", "7.0", "--enable-debug-command", "yes"])?;
    let (theirs, ours) = (outcome(&mut peer.client()?)?, outcome(&mut server.client()?)?);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        ensure!(!theirs.contains("Error"), "Redis refuses {theirs}");
        ensure!(ours == theirs, "{ours}\n{theirs}");
    }
    ensure!(ours.len() == theirs.len());
    Ok(())
}
