//! Searching places.

use super::geo::{GEO_COMMAND, write_distance, write_point};
use super::geo_options::{Form, Line, SearchArgs};
use super::string::write_str;
use crate::command::{Begin, CommandSpec, Find, Flags, KeyFlags, KeySpec};
use crate::context::Context;
use crate::error::CommandResult;
use ochre_resp::reply::ReplyWriter;
use ochre_store::keyspace;
use ochre_store::sorted_set::{self, Builder, Place, Sort};

const READS: KeySpec = KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS));

const fn stores(word: &'static str, from: i16) -> KeySpec {
    KeySpec {
        flags: KeyFlags::OW.with(KeyFlags::UPDATE).with(KeyFlags::VARIABLE_FLAGS),
        begin: Begin::Keyword(word, from),
        find: Find::Range { last: 0, step: 1, limit: 0 },
    }
}

const SEARCH_COMMAND: CommandSpec = CommandSpec {
    flags: Flags::READONLY,
    keys: &[READS],
    complexity: "O(N+log(M)), N being the members in the cells around the area and M the size of the sorted set",
    ..GEO_COMMAND
};

/// GEORADIUS
pub static GEORADIUS: CommandSpec = CommandSpec {
    name: "georadius",
    arity: -6,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[READS, stores("STORE", 6), stores("STOREDIST", 6)],
    since: "3.2.0",
    summary: "Returns or stores the members within a distance of a position.",
    syntax: "key longitude latitude radius <M|KM|FT|MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC] [STORE key|STOREDIST key]",
    changed_in: &["6.2.0", "7.0.0"],
    handler: |context| search(context, Form::Coordinates, true),
    ..SEARCH_COMMAND
};

/// GEORADIUS_RO
pub static GEORADIUS_RO: CommandSpec = CommandSpec {
    name: "georadius_ro",
    arity: -6,
    since: "3.2.10",
    summary: "Returns the members within a distance of a position.",
    syntax: "key longitude latitude radius <M|KM|FT|MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC]",
    changed_in: &["6.2.0", "7.0.0"],
    handler: |context| search(context, Form::Coordinates, false),
    ..SEARCH_COMMAND
};

/// GEORADIUSBYMEMBER
pub static GEORADIUSBYMEMBER: CommandSpec = CommandSpec {
    name: "georadiusbymember",
    arity: -5,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[READS, stores("STORE", 5), stores("STOREDIST", 5)],
    since: "3.2.0",
    summary: "Returns or stores the members within a distance of a member.",
    syntax: "key member radius <M|KM|FT|MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC] [STORE key|STOREDIST key]",
    changed_in: &["6.2.0", "7.0.0"],
    handler: |context| search(context, Form::Member, true),
    ..SEARCH_COMMAND
};

/// GEORADIUSBYMEMBER_RO
pub static GEORADIUSBYMEMBER_RO: CommandSpec = CommandSpec {
    name: "georadiusbymember_ro",
    arity: -5,
    since: "3.2.10",
    summary: "Returns the members within a distance of a member.",
    syntax: "key member radius <M|KM|FT|MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC]",
    changed_in: &["6.2.0", "7.0.0"],
    handler: |context| search(context, Form::Member, false),
    ..SEARCH_COMMAND
};

/// GEOSEARCH
pub static GEOSEARCH: CommandSpec = CommandSpec {
    name: "geosearch",
    arity: -7,
    since: "6.2.0",
    summary: "Returns the members within a circle, box or polygon.",
    syntax: "key [FROMMEMBER member|FROMLONLAT longitude latitude] <<BYRADIUS radius> <M|KM|FT|MI>|<BYBOX width> height <M|KM|FT|MI>|<BYPOLYGON num-vertices> longitude latitude [longitude latitude ...]> [ASC|DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
    changed_in: &["7.0.0", "9.0.0"],
    handler: |context| search(context, Form::Search, false),
    ..SEARCH_COMMAND
};

/// GEOSEARCHSTORE
pub static GEOSEARCHSTORE: CommandSpec = CommandSpec {
    name: "geosearchstore",
    arity: -8,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[KeySpec::one(1, KeyFlags::OW.with(KeyFlags::UPDATE)), KeySpec::one(2, KeyFlags::RO.with(KeyFlags::ACCESS))],
    since: "6.2.0",
    summary: "Stores the members within a circle, box or polygon.",
    syntax: "destination source [FROMMEMBER member|FROMLONLAT longitude latitude] <<BYRADIUS radius> <M|KM|FT|MI>|<BYBOX width> height <M|KM|FT|MI>|<BYPOLYGON num-vertices> longitude latitude [longitude latitude ...]> [ASC|DESC] [COUNT count [ANY]] [STOREDIST]",
    changed_in: &["7.0.0", "9.0.0"],
    handler: |context| search(context, Form::SearchStore, true),
    ..SEARCH_COMMAND
};

/// The commands of this file.
pub static ALL: &[&CommandSpec] =
    &[&GEORADIUS, &GEORADIUS_RO, &GEORADIUSBYMEMBER, &GEORADIUSBYMEMBER_RO, &GEOSEARCH, &GEOSEARCHSTORE];

fn search(context: &mut Context<'_>, form: Form, may_store: bool) -> CommandResult {
    let (db, source) = (context.db(), context.key(if form == Form::SearchStore { 2 } else { 1 }));
    // The key is looked at before the arguments, which may name its members.
    sorted_set::get(&mut context.txn, db, source)?;
    let set = sorted_set::view(&context.txn, db, source)?;
    let level = || context.server.config().compatibility_level;
    let args = Line { argv: context.argv, set, form, may_store, level }.parse()?;
    let mut found = match (set, &args.area) {
        (Some(set), Some(area)) => {
            let enough = args.count.filter(|_| args.any).unwrap_or(usize::MAX);
            let mut found = sorted_set::places(set, area, enough);
            let sort =
                if args.count.is_some() && !args.any && args.sort == Sort::None { Sort::Nearest } else { args.sort };
            sorted_set::sort_places(&mut found, sort, args.count.unwrap_or(usize::MAX));
            found
        }
        _ => Vec::new(),
    };
    let Some(destination) = args.destination else {
        write_places(&mut context.reply, &found, &args);
        return Ok(());
    };
    let destination = context.key(destination);
    let count = found.len();
    let mut builder = Builder::new(&context.txn, count);
    sorted_set::store_places(&mut builder, &found, |place| {
        if args.stores_distance { place.distance_m / args.unit.metres() } else { place.score }
    });
    found.clear();
    if count == 0 {
        keyspace::delete(&mut context.txn, db, destination)?;
    } else {
        let event = if form == Form::SearchStore { "geosearchstore" } else { "georadiusstore" };
        builder.put(&mut context.txn, db, destination, event)?;
        context.txn.effects().dirty += count as u64 - 1;
    }
    context.reply.int(count as i64);
    Ok(())
}

fn write_places(reply: &mut ReplyWriter<'_>, places: &[Place<'_>], args: &SearchArgs) {
    let parts = usize::from(args.with_distance) + usize::from(args.with_hash) + usize::from(args.with_point);
    reply.array(places.len());
    for place in places {
        if parts > 0 {
            reply.array(parts + 1);
        }
        write_str(reply, place.member);
        if args.with_distance {
            write_distance(reply, place.distance_m, args.unit);
        }
        if args.with_hash {
            reply.int(place.score as i64);
        }
        if args.with_point {
            write_point(reply, place.point);
        }
    }
}
