//! Places: members of sorted sets whose scores are positions on Earth.

use super::geo_options::{parse_point, parse_unit};
use super::zset::expected;
use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_resp::reply::{DoubleFormat, ReplyWriter};
use ochre_store::geo::{Point, Unit, distance_m, geohash_text, point_at, score_of};
use ochre_store::sorted_set::{self, AddOptions, Condition};

pub(super) const GEO_COMMAND: CommandSpec =
    CommandSpec { acl: AclCategories::GEO, lock: LockClass::Keys, group: Group::Geo, ..CommandSpec::BASE };

const READ_COMMAND: CommandSpec = CommandSpec {
    arity: -2,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    since: "3.2.0",
    complexity: "O(1) for each member",
    syntax: "key [member [member ...]]",
    ..GEO_COMMAND
};

/// GEOADD
pub static GEOADD: CommandSpec = CommandSpec {
    name: "geoadd",
    arity: -5,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))],
    since: "3.2.0",
    complexity: "O(log(N)) for each member, N being the size of the sorted set",
    summary: "Adds members with their positions, or moves them.",
    syntax: "key [NX|XX] [CH] longitude latitude member [longitude latitude member ...]",
    changed_in: &["6.2.0"],
    handler: geoadd,
    ..GEO_COMMAND
};

fn geoadd(context: &mut Context<'_>) -> CommandResult {
    let argv = context.argv;
    let (mut nx, mut xx, mut counts_changes) = (false, false, false);
    let mut cursor = argv.cursor(2);
    loop {
        match () {
            () if cursor.token("NX") => nx = true,
            () if cursor.token("XX") => xx = true,
            () if cursor.token("CH") => counts_changes = true,
            () => break,
        }
    }
    if cursor.is_done() || !cursor.remaining().is_multiple_of(3) || nx && xx {
        return Err(error::SYNTAX);
    }
    let (first, count) = (cursor.position(), cursor.remaining() / 3);
    let level = || context.server.config().compatibility_level;
    let mut scores = Vec::with_capacity(count);
    for index in (0..count).map(|number| first + 3 * number) {
        let point = parse_point(argv.at(index), argv.at(index + 1), level)?;
        scores.push(score_of(point).ok_or_else(|| error::invalid_position(point.longitude, point.latitude))?);
    }
    let members = || (0..count).map(|number| argv.at(first + 3 * number + 2));
    let condition = match (nx, xx) {
        (true, _) => Condition::Nx,
        (_, true) => Condition::Xx,
        _ => Condition::Always,
    };
    let options = AddOptions { condition, expected: expected(context, members()), ..AddOptions::default() };
    if context.propagates() {
        let texts: Vec<String> = scores.iter().map(f64::to_string).collect();
        let mut line = vec![b"zadd".as_slice()];
        line.extend(argv.to(first).from(1).iter());
        line.extend(texts.iter().zip(members()).flat_map(|(score, member)| [score.as_bytes(), member]));
        context.propagate_as(&line);
    }
    let (db, key) = (context.db(), context.key(1));
    let added = sorted_set::add(&mut context.txn, db, key, options, scores.into_iter().zip(members()))?;
    context.reply.int(if counts_changes { added.added + added.updated } else { added.added } as i64);
    Ok(())
}

/// GEODIST
pub static GEODIST: CommandSpec = CommandSpec {
    name: "geodist",
    arity: -4,
    complexity: "O(1)",
    summary: "Returns the distance between two members.",
    syntax: "key member1 member2 [M|KM|FT|MI]",
    handler: geodist,
    ..READ_COMMAND
};

fn geodist(context: &mut Context<'_>) -> CommandResult {
    let argv = context.argv;
    let unit = match argv.len() {
        4 => Unit::Metres,
        5 => parse_unit(argv.at(4))?,
        _ => return Err(error::SYNTAX),
    };
    let (db, key) = (context.db(), context.key(1));
    let set = sorted_set::get(&mut context.txn, db, key)?;
    let point = |member: usize| set.and_then(|set| set.score(argv.at(member))).map(point_at);
    match point(2).zip(point(3)) {
        Some((a, b)) => write_distance(&mut context.reply, distance_m(a, b), unit),
        None => context.reply.null(),
    }
    Ok(())
}

/// GEOHASH
pub static GEOHASH: CommandSpec = CommandSpec {
    name: "geohash",
    summary: "Returns the positions of members as geohash texts.",
    handler: geohash,
    ..READ_COMMAND
};

fn geohash(context: &mut Context<'_>) -> CommandResult {
    each_position(context, |reply, point| match point {
        Some(point) => reply.bulk(geohash_text(point)),
        None => reply.null(),
    })
}

/// GEOPOS
pub static GEOPOS: CommandSpec = CommandSpec {
    name: "geopos",
    summary: "Returns the positions of members as longitude and latitude.",
    handler: geopos,
    ..READ_COMMAND
};

fn geopos(context: &mut Context<'_>) -> CommandResult {
    each_position(context, |reply, point| match point {
        Some(point) => write_point(reply, point),
        None => reply.null_array(),
    })
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&GEOADD, &GEODIST, &GEOHASH, &GEOPOS];

/// Answers with an array of what `write` writes of each member's position.
fn each_position(
    context: &mut Context<'_>,
    write: impl Fn(&mut ReplyWriter<'_>, Option<Point>),
) -> Result<(), CommandError> {
    let (db, key, members) = (context.db(), context.key(1), context.argv.from(2).iter());
    let set = sorted_set::get(&mut context.txn, db, key)?;
    context.reply.array(members.len());
    for member in members {
        write(&mut context.reply, set.and_then(|set| set.score(member)).map(point_at));
    }
    Ok(())
}

/// Writes longitude and latitude.
pub(super) fn write_point(reply: &mut ReplyWriter<'_>, point: Point) {
    reply.array(2);
    for degrees in [point.longitude, point.latitude] {
        let text = format!("{degrees:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        reply.double_text(if text == "-0" { "0" } else { text });
    }
}

/// Writes a distance with four digits behind the point.
pub(super) fn write_distance(reply: &mut ReplyWriter<'_>, metres: f64, unit: Unit) {
    let distance = metres / unit.metres();
    // Redis 7.0 rounds the number itself, later versions its ten-thousandfold.
    let text = match reply.doubles() {
        DoubleFormat::Digits17 => format!("{distance:.4}"),
        DoubleFormat::Shortest => {
            let scaled = (distance * 10_000.0).round_ties_even() as u64;
            format!("{}.{:04}", scaled / 10_000, scaled % 10_000)
        }
    };
    reply.bulk(text);
}
