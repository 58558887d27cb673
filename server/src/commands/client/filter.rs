//! The filters of CLIENT LIST and CLIENT KILL.

use super::info;
use crate::acl::Account;
use crate::args::{Cursor, parse_int};
use crate::client::{ClientHandle, ClientKind};
use crate::error::{self, CommandError};
use crate::server::Server;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

pub(super) const LIST_SYNTAX: &str = "[TYPE <NORMAL|MASTER|REPLICA|PUBSUB>] [ID client-id [client-id ...]] \
    [USER username] [ADDR ip:port] [LADDR ip:port] [SKIPME <YES|NO>] [MAXAGE maxage] [NAME name] [IDLE idle] [FLAGS flags] \
    [LIB-NAME lib-name] [LIB-VER lib-ver] [DB db] [CAPA capa] [IP ip] [NOT-TYPE <NORMAL|MASTER|REPLICA|PUBSUB>] \
    [NOT-ID not-client-id [not-client-id ...]] [NOT-USER not-username] [NOT-ADDR ip:port] [NOT-LADDR ip:port] \
    [NOT-NAME not-name] [NOT-FLAGS not-flags] [NOT-LIB-NAME not-lib-name] [NOT-LIB-VER not-lib-ver] [NOT-DB not-db] \
    [NOT-CAPA not-capa] [NOT-IP not-ip]";
pub(super) const KILL_SYNTAX: &str = "<ip:port|<ID client-id [client-id ...]|TYPE <NORMAL|MASTER|PRIMARY|SLAVE|REPLICA|PUBSUB>|\
    USER username|ADDR ip:port|LADDR ip:port|SKIPME <YES|NO>|MAXAGE maxage|NAME name|IDLE idle|FLAGS flags|\
    LIB-NAME lib-name|LIB-VER lib-ver|DB db|CAPA capa|IP ip|NOT-TYPE <NORMAL|MASTER|PRIMARY|SLAVE|REPLICA|PUBSUB>|\
    NOT-ID not-client-id [not-client-id ...]|NOT-USER not-username|NOT-ADDR ip:port|NOT-LADDR ip:port|NOT-NAME not-name|\
    NOT-FLAGS not-flags|NOT-LIB-NAME not-lib-name|NOT-LIB-VER not-lib-ver|NOT-DB not-db|NOT-CAPA not-capa|NOT-IP not-ip> ...>";

/// The letters that Valkey knows in a client's flags, also those of states that no client is in here.
const FLAG_LETTERS: &[u8] = b"ABEIMNOPRSTUbcdeirtux";

/// What a client must be like.
enum Test {
    Kind(ClientKind),
    Ids(Vec<u64>),
    Account(Arc<Account>),
    Addr(String),
    LocalAddr(String),
    Ip(String),
    Name(Vec<u8>),
    LibraryName(Vec<u8>),
    LibraryVersion(Vec<u8>),
    Flags(Vec<u8>),
    Db(u32),
    Redirect,
    AgeSeconds(i64),
    IdleSeconds(i64),
}

/// A conjunction of tests, each of which may be negated.
pub(super) struct Filter {
    tests: Vec<(bool, Test)>,
    skip_self: bool,
}

impl Filter {
    /// The old form of CLIENT KILL: one address.
    pub(super) fn of_address(address: &[u8]) -> Filter {
        let address = String::from_utf8_lossy(address).into_owned();
        Filter { tests: vec![(true, Test::Addr(address))], skip_self: false }
    }
    /// The options of CLIENT LIST: who asks is listed too unless it says otherwise.
    pub(super) fn parse_list(cursor: Cursor<'_>, server: &Server) -> Result<Filter, CommandError> {
        Filter { tests: Vec::new(), skip_self: false }.parse(cursor, server, false)
    }
    /// The options of CLIENT KILL: who asks is spared unless it says otherwise.
    pub(super) fn parse_kill(cursor: Cursor<'_>, server: &Server) -> Result<Filter, CommandError> {
        Filter { tests: Vec::new(), skip_self: true }.parse(cursor, server, true)
    }

    fn parse(mut self, mut cursor: Cursor<'_>, server: &Server, kill: bool) -> Result<Filter, CommandError> {
        while let Some(option) = cursor.peek() {
            if cursor.remaining() < 2 {
                return Err(error::SYNTAX);
            }
            if cursor.token("SKIPME") {
                self.skip_self = cursor.one_of(&[("yes", true), ("no", false)]).ok_or(error::SYNTAX)?;
                continue;
            }
            cursor.bytes()?;
            let option = option.to_ascii_lowercase();
            let negated = option.strip_prefix(b"not-").filter(|name| !matches!(*name, b"maxage" | b"idle"));
            let name = negated.unwrap_or(&option);
            let test = parse_test(name, negated.is_some(), &mut cursor, server, kill)?;
            self.add(negated.is_none(), test);
        }
        Ok(self)
    }

    /// Adds a test; one that stands already gives way to it, but ids gather.
    fn add(&mut self, wanted: bool, test: Test) {
        let same = |(known, other): &&mut (bool, Test)| {
            *known == wanted && std::mem::discriminant(other) == std::mem::discriminant(&test)
        };
        match (self.tests.iter_mut().find(same), test) {
            (Some((_, Test::Ids(known))), Test::Ids(more)) => known.extend(more),
            (Some((_, known)), test) => *known = test,
            (None, test) => self.tests.push((wanted, test)),
        }
    }

    /// Whether the client passes.
    pub(super) fn matches(&self, handle: &ClientHandle, is_self: bool, now_ms: i64) -> bool {
        !(is_self && self.skip_self) && self.tests.iter().all(|(wanted, test)| test.holds(handle, now_ms) == *wanted)
    }
}

fn parse_test(
    name: &[u8],
    negated: bool,
    cursor: &mut Cursor<'_>,
    server: &Server,
    kill: bool,
) -> Result<Test, CommandError> {
    let text = |cursor: &mut Cursor<'_>| Ok::<_, CommandError>(String::from_utf8_lossy(cursor.bytes()?).into_owned());
    let bytes = |cursor: &mut Cursor<'_>| cursor.bytes().map(<[u8]>::to_vec);
    Ok(match name {
        b"type" => Test::Kind(parse_kind(cursor.bytes()?)?),
        b"id" => {
            let as_redis = server.config().compatibility_level.reads_client_ids_as_redis();
            Test::Ids(parse_ids(cursor, kill, as_redis)?)
        }
        b"user" => {
            let name = cursor.bytes()?;
            Test::Account(server.accounts.get(name).ok_or_else(|| error::no_such_user(name))?)
        }
        b"addr" => Test::Addr(text(cursor)?),
        b"laddr" => Test::LocalAddr(text(cursor)?),
        b"ip" => Test::Ip(text(cursor)?),
        b"name" => Test::Name(bytes(cursor)?),
        b"lib-name" => Test::LibraryName(bytes(cursor)?),
        b"lib-ver" => Test::LibraryVersion(bytes(cursor)?),
        b"flags" => Test::Flags(parse_letters("flags", FLAG_LETTERS, negated, cursor.bytes()?)?),
        b"capa" => {
            parse_letters("capa", b"r", negated, cursor.bytes()?)?;
            Test::Redirect
        }
        b"db" => {
            let number = parse_int(cursor.bytes()?).ok_or_else(|| error::client_db_not_integer(negated))?;
            let db = usize::try_from(number).ok().filter(|db| *db < server.store.databases());
            Test::Db(db.ok_or_else(|| error::client_db_out_of_range(negated, server.store.databases()))? as u32)
        }
        b"maxage" => Test::AgeSeconds(parse_seconds(cursor, error::MAX_AGE_NOT_INTEGER, error::MAX_AGE)?),
        b"idle" => Test::IdleSeconds(parse_seconds(cursor, error::IDLE_TIME_NOT_INTEGER, error::IDLE_TIME)?),
        _ => return Err(error::SYNTAX),
    })
}

/// Letters of which each is one of the `known`.
fn parse_letters(what: &str, known: &[u8], negated: bool, letters: &[u8]) -> Result<Vec<u8>, CommandError> {
    match letters.iter().all(|letter| known.contains(letter)) {
        true => Ok(letters.to_vec()),
        false => Err(error::unknown_client_letters(what, negated, letters)),
    }
}

fn parse_seconds(
    cursor: &mut Cursor<'_>,
    not_integer: CommandError,
    not_positive: CommandError,
) -> Result<i64, CommandError> {
    let seconds = parse_int(cursor.bytes()?).ok_or(not_integer)?;
    if seconds > 0 { Ok(seconds) } else { Err(not_positive) }
}

fn parse_kind(name: &[u8]) -> Result<ClientKind, CommandError> {
    let kinds = [
        ("normal", ClientKind::Normal),
        ("slave", ClientKind::Replica),
        ("replica", ClientKind::Replica),
        ("pubsub", ClientKind::PubSub),
        ("master", ClientKind::Primary),
        ("primary", ClientKind::Primary),
    ];
    let found = kinds.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
    found.map(|(_, kind)| *kind).ok_or_else(|| error::unknown_client_type(name))
}

/// One id or several, up to the next argument that is no number. Redis knows one after KILL, and nothing else after LIST.
fn parse_ids(cursor: &mut Cursor<'_>, kill: bool, as_redis: bool) -> Result<Vec<u64>, CommandError> {
    let mut ids = Vec::new();
    while let Some(number) = cursor.peek().map(parse_int) {
        match (number, as_redis) {
            (None, false) if !ids.is_empty() => break,
            (None, false) => return Err(error::SYNTAX),
            (None, true) if !kill => return Err(error::CLIENT_ID_INVALID),
            (Some(..=0), true) if !kill => {}
            (None | Some(..=0), _) => return Err(error::CLIENT_ID_NOT_POSITIVE),
            (Some(number), _) => ids.push(number.unsigned_abs()),
        }
        cursor.bytes()?;
        if as_redis && kill {
            break;
        }
    }
    Ok(ids)
}

impl Test {
    fn holds(&self, handle: &ClientHandle, now_ms: i64) -> bool {
        let seen = &handle.published;
        match self {
            Test::Kind(kind) => handle.kind() == *kind,
            Test::Ids(ids) => ids.contains(&handle.id),
            Test::Account(account) => Arc::ptr_eq(&handle.account.lock(), account),
            Test::Addr(addr) => handle.addr == *addr,
            Test::LocalAddr(addr) => handle.local_addr == *addr,
            Test::Ip(ip) => handle.addr.rsplit_once(':').is_some_and(|(host, _)| host.trim_matches(['[', ']']) == ip),
            Test::Name(name) => *handle.name.lock() == *name,
            Test::LibraryName(name) => handle.library.lock().0 == *name,
            Test::LibraryVersion(version) => handle.library.lock().1 == *version,
            Test::Flags(flags) => {
                let has = info::flags(handle);
                flags.iter().all(|flag| has.contains(char::from(*flag)))
            }
            Test::Db(db) => seen.db.load(Relaxed) == *db,
            Test::Redirect => handle.understands_redirect.load(Relaxed),
            Test::AgeSeconds(seconds) => now_ms.saturating_sub(handle.connected_ms) / 1000 >= *seconds,
            Test::IdleSeconds(seconds) => now_ms.saturating_sub(seen.last_active_ms.load(Relaxed)) / 1000 >= *seconds,
        }
    }
}
