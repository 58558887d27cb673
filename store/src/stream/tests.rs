//! Streams against what real servers answered.
//!
//! A transcript has a command and its reply a line, `COMMAND => REPLY`, and an empty line before each new session. They
//! were recorded from random sessions against one server each, with `stream-node-max-entries 4` and
//! `stream-node-max-bytes 150`. Replies are shortened: `XPENDING` to ID, consumer and number of deliveries, `XINFO` to its
//! values, errors to `ERR`. `NODES` stands for master IDs and listpacks cut from the DUMP payload. The last sessions of a
//! file were chosen by hand for edges.

use super::*;
use crate::raw::entry::Str;
use std::fmt::Write;

/// Redis 7.0.15.
const COUNTING_7_0: &str = include_str!("recorded/redis-7.0.txt");
/// Valkey 9.1.2.
const GROUPS_7_2: &str = include_str!("recorded/valkey-9.1.txt");
/// Redis 8.2.3. It counts entries read otherwise, so that `XINFO GROUPS` is compared without them. Left out is where it
/// breaks its own rules: approximate trimming does nothing with DELREF and ACKED, and ACKED still heeds a group after
/// XGROUP DESTROY.
const REFERENCES_8_2: &str = include_str!("recorded/redis-8.2.txt");

#[test]
fn counts_as_redis_7_0() {
    replay(COUNTING_7_0, Server { counting: Counting::V7_0, eager: false, counts: true });
}

#[test]
fn delivers_and_claims_as_valkey_9_1() {
    replay(GROUPS_7_2, Server { counting: Counting::V7_2, eager: true, counts: true });
}

#[test]
fn keeps_references_as_redis_8_2() {
    replay(REFERENCES_8_2, Server { counting: Counting::V7_2, eager: true, counts: false });
}

/// What differs between the servers.
#[derive(Clone, Copy)]
struct Server {
    counting: Counting,
    /// Whether XREADGROUP creates the consumer even if there is nothing to deliver.
    eager: bool,
    /// Whether entries read are looked at.
    counts: bool,
}

const NOW_MS: i64 = 1_800_000_000_000;
const LIMITS: NodeLimits = NodeLimits { bytes_max: 150, entries_max: 4 };

fn replay(transcript: &str, server: Server) {
    let mut session = Session { stream: Stream::new(), server };
    let mut lines = 0;
    for (number, line) in transcript.lines().enumerate() {
        let Some((command, expected)) = line.split_once(" => ") else {
            session.stream = Stream::new();
            continue;
        };
        let words: Vec<&str> = command.split(' ').collect();
        let reply = session.execute(&words);
        let expected = if expected.starts_with("NOGROUP") { "NOGROUP" } else { expected };
        assert_eq!(session.comparable(&words, expected), reply, "line {}: {command}", number + 1);
        lines += 1;
    }
    assert!(lines > 200);
}

fn id(text: &str) -> StreamId {
    StreamId::parse(text.as_bytes(), 0).expect("an ID")
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a number")
}

fn string(value: Str<'_>) -> String {
    String::from_utf8(value.to_vec()).expect("ASCII")
}

fn entry(id: StreamId, fields: Option<Fields<'_>>) -> String {
    let Some(fields) = fields else { return format!("[{id} nil]") };
    let words: Vec<String> = fields.flat_map(|(name, value)| [string(name), string(value)]).collect();
    format!("[{id} [{}]]", words.join(" "))
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(" "))
}

fn references(word: &str) -> References {
    match word {
        "DELREF" => References::Delete,
        "ACKED" => References::Acked,
        _ => References::Keep,
    }
}

fn deletion(deletion: Deletion) -> String {
    let number = match deletion {
        Deletion::Missing => -1,
        Deletion::Deleted => 1,
        Deletion::Referenced => 2,
    };
    number.to_string()
}

struct Session {
    stream: Stream,
    server: Server,
}

impl Session {
    fn execute(&mut self, words: &[&str]) -> String {
        match words {
            ["XADD", _, new, fields @ ..] => self.add(new, fields),
            ["XDEL", _, ids @ ..] => ids.iter().filter(|text| self.stream.delete(id(text))).count().to_string(),
            ["XTRIM", _, what @ ..] => self.trim(what),
            ["XDELEX", _, how, "IDS", _, ids @ ..] => {
                list(ids.iter().map(|text| deletion(self.stream.delete_with(id(text), references(how)))))
            }
            ["XACKDEL", _, group, how, "IDS", _, ids @ ..] => list(
                ids.iter()
                    .map(|text| deletion(self.stream.ack_and_delete(group.as_bytes(), id(text), references(how)))),
            ),
            ["XSETID", _, last, options @ ..] => {
                let added = options.get(1).map(|added| number(added));
                self.stream
                    .set_id(&SetId { last_id: id(last), entries_added: added, ..SetId::default() })
                    .map_or("ERR".to_owned(), |()| "OK".to_owned())
            }
            ["XGROUP", "CREATE", _, name, at, options @ ..] => {
                let at = if *at == "$" { self.stream.facts().last_id } else { id(at) };
                let read = options.last().and_then(|read| read.parse().ok());
                let created = self.stream.create_group(name.as_bytes(), at, read);
                if created { "OK".to_owned() } else { "BUSYGROUP Consumer Group name already exists".to_owned() }
            }
            ["XGROUP", "DESTROY", _, name] => {
                usize::from(self.stream.destroy_group(name.as_bytes()).is_some()).to_string()
            }
            ["XRANGE", _, from, to] => {
                let ends = (StreamId::parse_edge(from.as_bytes(), 0), StreamId::parse_edge(to.as_bytes(), u64::MAX));
                let range = self.stream.range(ends.0.expect("an ID"), ends.1.expect("an ID"));
                list(range.map(|(id, fields)| entry(id, Some(fields))))
            }
            ["XREVRANGE", _, to, from] => {
                let ends = (StreamId::parse_edge(from.as_bytes(), 0), StreamId::parse_edge(to.as_bytes(), u64::MAX));
                let range = self.stream.range_reverse(ends.0.expect("an ID"), ends.1.expect("an ID"));
                list(range.map(|(id, fields)| entry(id, Some(fields))))
            }
            ["XINFO", "STREAM", _] => self.info(),
            ["XINFO", "GROUPS", _] => list(self.stream.groups().map(|group| self.group_info(group))),
            ["NODES"] => list(self.stream.nodes().map(|(master, bytes)| {
                let mut line = format!("{:032x}:", u128::from_be_bytes(master.to_bytes()));
                bytes.iter().for_each(|byte| write!(line, "{byte:02x}").expect("a string"));
                line
            })),
            _ => self.execute_in_group(words),
        }
    }

    fn execute_in_group(&mut self, words: &[&str]) -> String {
        let name = match words {
            ["XREADGROUP", "GROUP", name, ..] | ["XGROUP" | "XINFO", _, _, name, ..] | [_, _, name, ..] => name,
            _ => panic!("unknown command {words:?}"),
        };
        let Some(mut delivery) = self.stream.delivery(name.as_bytes()) else {
            return if words[0] == "XACK" { "0".to_owned() } else { "NOGROUP".to_owned() };
        };
        match words {
            ["XGROUP", "SETID", _, _, at, options @ ..] => {
                delivery.group_mut().set_id(id(at), options.get(1).and_then(|read| read.parse().ok()));
                "OK".to_owned()
            }
            ["XGROUP", "CREATECONSUMER", _, _, name] => {
                usize::from(delivery.group_mut().create_consumer(name.as_bytes(), NOW_MS).is_some()).to_string()
            }
            ["XGROUP", "DELCONSUMER", _, _, name] => {
                delivery.group_mut().delete_consumer(name.as_bytes()).unwrap_or(0).to_string()
            }
            ["XINFO", "CONSUMERS", ..] => list(delivery.group().consumers().map(|(_, consumer)| {
                let active = if consumer.active_ms.is_none() { "never" } else { "active" };
                format!("[{} {} {active}]", consumer.name().escape_ascii(), consumer.pending_len())
            })),
            ["XACK", _, _, ids @ ..] => {
                ids.iter().filter(|text| delivery.group_mut().ack(id(text)).is_some()).count().to_string()
            }
            ["XPENDING", ..] => list(delivery.group().pending(StreamId::MIN, StreamId::MAX).map(|pending| {
                format!("[{} {} {}]", pending.id, pending.consumer.name().escape_ascii(), pending.nack.deliveries)
            })),
            ["XREADGROUP", ..] => read(&mut delivery, self.server, &words[3..]),
            ["XCLAIM", _, _, consumer, idle, rest @ ..] => claim(&mut delivery, consumer, number(idle), rest),
            ["XAUTOCLAIM", _, _, consumer, idle, start, "COUNT", count, just_id @ ..] => {
                let scan = Scan {
                    start: id(start),
                    count: number(count),
                    now_ms: NOW_MS,
                    min_idle_ms: number(idle),
                    just_id: !just_id.is_empty(),
                };
                let consumer = consumer_of(&mut delivery, consumer);
                let (mut taken, mut gone) = (Vec::new(), Vec::new());
                let next = delivery.autoclaim(consumer, &scan, |id, claimed| match claimed {
                    Claimed::Taken(fields, _) if !scan.just_id => taken.push(entry(id, Some(fields))),
                    Claimed::Taken(..) => taken.push(id.to_string()),
                    Claimed::Gone(_) => gone.push(id.to_string()),
                    Claimed::Skipped => panic!("{id} is skipped and reported"),
                });
                format!("[{next} {} {}]", list(taken), list(gone))
            }
            _ => panic!("unknown command {words:?}"),
        }
    }

    fn add(&mut self, new: &str, fields: &[&str]) -> String {
        let new = NewId::parse(new.as_bytes()).expect("an ID");
        let Ok(id) = self.stream.next_id(new, 0) else { return "ERR".to_owned() };
        let pairs = fields.chunks(2).map(|pair| (pair[0].as_bytes(), pair[1].as_bytes()));
        self.stream.append(id, pairs, &LIMITS).expect("an ID from next_id");
        id.to_string()
    }

    fn trim(&mut self, words: &[&str]) -> String {
        let [what, how, to, rest @ ..] = words else { panic!("{words:?}") };
        let approximate = *how == "~";
        let limit = match rest {
            ["LIMIT", limit, ..] => number(limit),
            _ if approximate => Trim::usual_limit(LIMITS.entries_max),
            _ => 0,
        };
        let to = if *what == "MAXLEN" { TrimTo::MaxLen(number(to)) } else { TrimTo::MinId(id(to)) };
        let references = references(rest.last().unwrap_or(&""));
        self.stream.trim(&Trim { to, approximate, limit, references }).to_string()
    }

    fn info(&self) -> String {
        let Facts { length, last_id, first_id, max_deleted_id, entries_added } = *self.stream.facts();
        let (keys, nodes) = (self.stream.nodes_len(), self.stream.radix_nodes());
        format!("[{length} {keys} {nodes} {last_id} {max_deleted_id} {entries_added} {first_id}]")
    }

    fn group_info(&self, group: &Group) -> String {
        let or_nil = |number: Option<i64>| number.map_or("nil".to_owned(), |number| number.to_string());
        let name = group.name().escape_ascii();
        let (consumers, pending, last) = (group.consumers_len(), group.pending_len(), group.last_id());
        let read = or_nil(group.entries_read().map(|read| read as i64));
        let lag = or_nil(self.stream.lag(group, self.server.counting));
        let counts = if self.server.counts { format!(" {read} {lag}") } else { String::new() };
        format!("[{name} {consumers} {pending} {last}{counts}]")
    }

    /// The reply that is expected, without what this server does otherwise.
    fn comparable(&self, words: &[&str], reply: &str) -> String {
        if !words.starts_with(&["XINFO", "GROUPS"]) || self.server.counts {
            return reply.to_owned();
        }
        let groups = reply.trim_start_matches("[[").trim_end_matches("]]").split("] [").filter(|group| *group != "[]");
        list(groups.map(|group| format!("[{}]", group.split(' ').take(4).collect::<Vec<_>>().join(" "))))
    }
}

fn consumer_of(delivery: &mut Delivery<'_>, name: &str) -> ConsumerId {
    let group = delivery.group_mut();
    group
        .find_consumer(name.as_bytes())
        .unwrap_or_else(|| group.create_consumer(name.as_bytes(), NOW_MS).expect("there was none of this name"))
}

fn read(delivery: &mut Delivery<'_>, server: Server, words: &[&str]) -> String {
    let [name, "COUNT", count, rest @ ..] = words else { panic!("{words:?}") };
    let no_ack = rest[0] == "NOACK";
    let new = rest[rest.len() - 1] == ">";
    if new && !delivery.has_new() {
        if server.eager {
            consumer_of(delivery, name);
        }
        return "nil".to_owned();
    }
    let consumer = consumer_of(delivery, name);
    let mut entries = Vec::new();
    let each = |delivered: Delivered<'_>| entries.push(entry(delivered.id, delivered.fields));
    if new {
        let read = Read { count: number(count), no_ack, now_ms: NOW_MS, counting: server.counting };
        delivery.read_new(consumer, &read, each);
    } else {
        delivery.read_again(consumer, id(rest[rest.len() - 1]), number(count), NOW_MS, each);
    }
    format!("[[s {}]]", list(entries))
}

fn claim(delivery: &mut Delivery<'_>, consumer: &str, min_idle_ms: i64, rest: &[&str]) -> String {
    let mut claim =
        Claim { now_ms: NOW_MS, min_idle_ms, delivery_ms: None, deliveries: None, force: false, just_id: false };
    let mut options = rest[2..].iter();
    while let Some(option) = options.next() {
        match *option {
            "FORCE" => claim.force = true,
            "JUSTID" => claim.just_id = true,
            "RETRYCOUNT" => claim.deliveries = options.next().map(|count| number(count)),
            "LASTID" => {
                delivery.group_mut().raise_id(id(options.next().expect("an ID")));
            }
            _ => panic!("{rest:?}"),
        }
    }
    let consumer = consumer_of(delivery, consumer);
    let mut entries = Vec::new();
    for text in &rest[..2] {
        match delivery.claim(id(text), consumer, &claim) {
            Claimed::Taken(fields, _) if !claim.just_id => entries.push(entry(id(text), Some(fields))),
            Claimed::Taken(..) => entries.push(id(text).to_string()),
            Claimed::Gone(_) | Claimed::Skipped => {}
        }
    }
    list(entries)
}
