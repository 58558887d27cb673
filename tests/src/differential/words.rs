//! Words for the names in a grammar.

use fastrand::Rng;

/// Keys of each type.
const KEYS_A_TYPE: usize = 4;
/// The types, as the grammar names them.
const TYPES: &[&str] = &["string", "list", "set", "zset", "hash", "stream", "geo", "hll", "bitmap"];
/// A moment in 2100, in seconds.
const FAR_SECONDS: i64 = 4_102_444_800;

/// A word for `name`. A key is now and then that of another type; with `!` it is always one of the type's
/// own, which `<key>` never is.
///
/// # Panics
/// When there is no such name in the grammar.
pub(super) fn word(name: &str, rng: &mut Rng) -> Vec<u8> {
    let one_of = |words: &[&str], rng: &mut Rng| words[rng.usize(..words.len())].as_bytes().to_vec();
    if let Some(kind) = name.strip_suffix('!') {
        return key(&format!("own-{kind}"), rng);
    }
    match name {
        kind if TYPES.contains(&kind) && rng.u32(..25) > 0 => key(kind, rng),
        kind if kind == "key" || TYPES.contains(&kind) => key(TYPES[rng.usize(..TYPES.len())], rng),
        "text" | "element" => element(rng),
        "member" | "field" => member(rng),
        "bounded" => (number(rng) / 2).to_string().into_bytes(),
        "number" => number(rng).to_string().into_bytes(),
        "small" | "place" => rng.i32(-3..10).to_string().into_bytes(),
        "count" => rng.i32(0..12).to_string().into_bytes(),
        "positive" => rng.i32(1..6).to_string().into_bytes(),
        "index" => index(rng),
        "float" | "score" => score(rng),
        // None makes a -0, whose sign Redis keeps or not as its encoding does.
        "weight" => one_of(&["1", "2", "0.5", "3.25", "inf", "1e3"], rng),
        "eighth" => (f64::from(rng.i32(-40..80)) / 8.0).to_string().into_bytes(),
        "min" | "max" => bound(rng),
        "lexmin" | "lexmax" => lex_bound(rng),
        "bit" => one_of(&["0", "1"], rng),
        "timeout" if rng.u32(..8) > 0 => b"0.001".to_vec(),
        "timeout" => {
            one_of(&["1e-3", "0.0005", "0x1p-10", "0X.004P0", "-1", "nan", "abc", "", " 0.001", "0.001 "], rng)
        }
        "wait" if rng.u32(..8) > 0 => b"1".to_vec(),
        "wait" => one_of(&["-1", "1.5", "abc", "", " 1", "18446744073709551616"], rng),
        "offset" => rng.u32(..200).to_string().into_bytes(),
        "bitfield" => format!("{}{}", if rng.bool() { 'i' } else { 'u' }, rng.u32(1..65)).into_bytes(),
        "id" => format!("{}-{}", rng.u32(..6), rng.u32(..4)).into_bytes(),
        "newid" => format!("{}-{}", rng.u32(1..60), rng.u32(..4)).into_bytes(),
        "idmin" | "idmax" => stream_bound(rng),
        "group" => one_of(&["g1", "g2"], rng),
        "consumer" => one_of(&["alice", "bob", "carol"], rng),
        "lon" => format!("{:.6}", rng.f64() * 20.0 - 10.0).into_bytes(),
        "lat" => format!("{:.6}", rng.f64() * 20.0 + 35.0).into_bytes(),
        "distance" => (rng.u32(1..2000)).to_string().into_bytes(),
        "unit" => one_of(&["m", "km", "ft", "mi"], rng),
        "seconds" => (FAR_SECONDS + i64::from(rng.u32(..5))).to_string().into_bytes(),
        "millis" => ((FAR_SECONDS + i64::from(rng.u32(..5))) * 1000 + 7).to_string().into_bytes(),
        "past" => rng.u32(1..5).to_string().into_bytes(),
        "pattern" => one_of(&["*", "a*", "?", "[ab]*", "x*", "list*", "*1", "[^a]", "\\*", ""], rng),
        "type" => one_of(&["string", "list", "set", "zset", "hash", "stream", "none"], rng),
        "db" => rng.u32(..3).to_string().into_bytes(),
        "odd" => one_of(
            &[
                "",
                "0",
                "-1",
                "1",
                "abc",
                "nan",
                "inf",
                "-inf",
                "1.5",
                "1e3",
                " 1",
                "9223372036854775807",
                "-9223372036854775807",
                "18446744073709551616",
                "(",
                "[",
                "COUNT",
                "WITHSCORES",
                "\r\n",
                "0-0",
                "*",
                "$",
            ],
            rng,
        ),
        other => panic!("no such name: {other}"),
    }
}

/// A type, as the grammar names them.
pub(super) fn kind(rng: &mut Rng) -> &'static str {
    TYPES[rng.usize(..TYPES.len())]
}

/// A key of a type.
pub(super) fn key(kind: &str, rng: &mut Rng) -> Vec<u8> {
    format!("{kind}:{}", rng.usize(..KEYS_A_TYPE)).into_bytes()
}

/// A number, often near a limit of some encoding.
fn number(rng: &mut Rng) -> i64 {
    const LIMITS: &[i64] = &[0, 127, 128, 4095, 4096, 32767, 8_388_607, 2_147_483_647, 10_000, i64::MAX - 1];
    match rng.u32(..4) {
        0..=2 => i64::from(rng.i32(-20..30)),
        _ => {
            let near = LIMITS[rng.usize(..LIMITS.len())] + rng.i64(-1..2);
            if rng.bool() { near } else { -near }
        }
    }
}

fn element(rng: &mut Rng) -> Vec<u8> {
    match rng.u32(..12) {
        0..=4 => number(rng).to_string().into_bytes(),
        5..=9 => member(rng),
        10 => vec![b'v'; rng.usize(1..100)],
        _ => vec![b"xyz"[rng.usize(..3)]; rng.usize(1..400)],
    }
}

fn member(rng: &mut Rng) -> Vec<u8> {
    match rng.u32(..10) {
        0..=3 => vec![b'a' + rng.u8(..12)],
        4..=6 => rng.i32(-5..20).to_string().into_bytes(),
        7 => format!("m{}", rng.u32(..40)).into_bytes(),
        8 => vec![b'a' + rng.u8(..3); rng.usize(1..30)],
        _ => format!("{}-{}", "long".repeat(rng.usize(1..25)), rng.u32(..5)).into_bytes(),
    }
}

fn index(rng: &mut Rng) -> Vec<u8> {
    let number = match rng.u32(..12) {
        0 => i64::MAX,
        // One more overflows in some servers.
        1 => i64::MIN + 1,
        2 => -1,
        3 => 0,
        _ => i64::from(rng.i32(-12..12)),
    };
    number.to_string().into_bytes()
}

fn score(rng: &mut Rng) -> Vec<u8> {
    const ODD: &[&str] = &["inf", "-inf", "+inf", "1e10", "0.1", "3.0e-5", "1e300", "123456789012345680"];
    match rng.u32(..10) {
        0..=4 => rng.i32(-6..10).to_string().into_bytes(),
        5..=6 => format!("{}", f64::from(rng.i32(-40..40)) / 8.0).into_bytes(),
        7 => format!("{}", rng.f64() * 100.0).into_bytes(),
        8 => number(rng).to_string().into_bytes(),
        _ => ODD[rng.usize(..ODD.len())].as_bytes().to_vec(),
    }
}

fn bound(rng: &mut Rng) -> Vec<u8> {
    match rng.u32(..8) {
        0 => b"-inf".to_vec(),
        1 => b"+inf".to_vec(),
        2 | 3 => [b"(".to_vec(), score(rng)].concat(),
        _ => score(rng),
    }
}

fn lex_bound(rng: &mut Rng) -> Vec<u8> {
    match rng.u32(..8) {
        0 => b"-".to_vec(),
        1 => b"+".to_vec(),
        2..=4 => [b"(".to_vec(), member(rng)].concat(),
        _ => [b"[".to_vec(), member(rng)].concat(),
    }
}

fn stream_bound(rng: &mut Rng) -> Vec<u8> {
    match rng.u32(..8) {
        0 => b"-".to_vec(),
        1 => b"+".to_vec(),
        2 => format!("({}-{}", rng.u32(..60), rng.u32(..4)).into_bytes(),
        3 => rng.u32(..60).to_string().into_bytes(),
        _ => format!("{}-{}", rng.u32(..60), rng.u32(..4)).into_bytes(),
    }
}
