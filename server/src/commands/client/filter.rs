//! The filters of CLIENT LIST and CLIENT KILL.

use super::info;
use crate::args::Cursor;
use crate::client::{ClientHandle, ClientKind};
use crate::error::{self, CommandError};
use crate::server::Server;
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

/// What a client must be like.
enum Test {
    Kind(ClientKind),
    Ids(Vec<u64>),
    User(String),
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
            let negated = option.len() > 4 && option[..4].eq_ignore_ascii_case(b"not-");
            let name = if negated { &option[4..] } else { option };
            let test = parse_test(&name.to_ascii_lowercase(), &mut cursor, server, kill)?;
            self.tests.push((!negated, test));
        }
        Ok(self)
    }

    /// Whether the client passes.
    pub(super) fn matches(&self, handle: &ClientHandle, is_self: bool, now_ms: i64) -> bool {
        !(is_self && self.skip_self) && self.tests.iter().all(|(wanted, test)| test.holds(handle, now_ms) == *wanted)
    }
}

fn parse_test(name: &[u8], cursor: &mut Cursor<'_>, server: &Server, kill: bool) -> Result<Test, CommandError> {
    let text = |cursor: &mut Cursor<'_>| Ok::<_, CommandError>(String::from_utf8_lossy(cursor.bytes()?).into_owned());
    let bytes = |cursor: &mut Cursor<'_>| cursor.bytes().map(<[u8]>::to_vec);
    Ok(match name {
        b"type" => Test::Kind(parse_kind(cursor.bytes()?)?),
        b"id" => Test::Ids(parse_ids(cursor, kill)?),
        b"user" => match text(cursor)? {
            user if user == "default" => Test::User(user),
            user => return Err(error::no_such_user(&user)),
        },
        b"addr" => Test::Addr(text(cursor)?),
        b"laddr" => Test::LocalAddr(text(cursor)?),
        b"ip" => Test::Ip(text(cursor)?),
        b"name" => Test::Name(bytes(cursor)?),
        b"lib-name" => Test::LibraryName(bytes(cursor)?),
        b"lib-ver" => Test::LibraryVersion(bytes(cursor)?),
        b"flags" => Test::Flags(bytes(cursor)?),
        b"db" => {
            let databases = server.store.databases() as i64 - 1;
            Test::Db(cursor.int_in(0, databases, error::DB_OUT_OF_RANGE)? as u32)
        }
        b"capa" => match bytes(cursor)? {
            capability if capability.eq_ignore_ascii_case(b"r") => Test::Redirect,
            _ => return Err(error::SYNTAX),
        },
        b"maxage" => Test::AgeSeconds(cursor.int_in(1, i64::MAX, error::MAX_AGE)?),
        b"idle" => Test::IdleSeconds(cursor.int_in(1, i64::MAX, error::IDLE_TIME)?),
        _ => return Err(error::SYNTAX),
    })
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

/// One id or several, up to the next argument that is none.
fn parse_ids(cursor: &mut Cursor<'_>, kill: bool) -> Result<Vec<u64>, CommandError> {
    let invalid = || if kill { error::CLIENT_ID_NOT_POSITIVE } else { error::CLIENT_ID_INVALID };
    let mut ids = vec![cursor.int_in(1, i64::MAX, invalid())? as u64];
    loop {
        match cursor.peek() {
            Some(next) if next.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-') => {
                ids.push(cursor.int_in(1, i64::MAX, invalid())? as u64);
            }
            Some(_) if !kill && cursor.remaining() == 1 => return Err(error::CLIENT_ID_INVALID),
            _ => return Ok(ids),
        }
    }
}

impl Test {
    fn holds(&self, handle: &ClientHandle, now_ms: i64) -> bool {
        let seen = &handle.published;
        match self {
            Test::Kind(kind) => handle.kind() == *kind,
            Test::Ids(ids) => ids.contains(&handle.id),
            Test::User(user) => *handle.user.lock() == *user,
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
