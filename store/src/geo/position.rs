//! Points and the scores that stand for them.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::cell::{Cell, STEP_MAX, Span};

/// The largest longitude of a point, in degrees; the smallest is its negative.
pub const LONGITUDE_MAX: f64 = 180.0;
/// The largest latitude of a point, in degrees; the smallest is its negative.
pub const LATITUDE_MAX: f64 = 85.051_128_78;

pub(super) const LONGITUDES: Span = Span { min: -LONGITUDE_MAX, max: LONGITUDE_MAX };
pub(super) const LATITUDES: Span = Span { min: -LATITUDE_MAX, max: LATITUDE_MAX };
/// The latitudes of geohashes as others write them.
const ALL_LATITUDES: Span = Span { min: -90.0, max: 90.0 };

/// A place on Earth.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Degrees, positive to the east.
    pub longitude: f64,
    /// Degrees, positive to the north.
    pub latitude: f64,
}

impl Point {
    /// Whether a score can stand for the point.
    pub fn is_valid(self) -> bool {
        LONGITUDES.contains(self.longitude) && LATITUDES.contains(self.latitude)
    }
}

/// The score that stands for a point; `None` if none can. It is an integer, below 2^52 except on the eastern and northern
/// edges of the map.
pub fn score_of(point: Point) -> Option<f64> {
    Cell::around(point, STEP_MAX).map(|cell| cell.bits as f64)
}

/// The point that a score stands for: the middle of its cell. Scores that stand for none lead to some point as well, the
/// one that Redis finds on x86-64.
pub fn point_at(score: f64) -> Point {
    let area = Cell { bits: bits_of(score), step: STEP_MAX }.area();
    Point {
        longitude: area.longitude.middle().clamp(LONGITUDES.min, LONGITUDES.max),
        latitude: area.latitude.middle().clamp(LATITUDES.min, LATITUDES.max),
    }
}

/// The geohash of a point in the form used elsewhere: 11 characters, of which the last is always `0`, because 52 bits do not
/// reach so far.
pub fn geohash_text(point: Point) -> [u8; 11] {
    const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
    let bits = Cell::within(point, STEP_MAX, LONGITUDES, ALL_LATITUDES).map_or(0, |cell| cell.bits);
    let mut text = [b'0'; 11];
    for (character, shift) in text.iter_mut().zip((2..52).step_by(5).rev()) {
        *character = ALPHABET.get((bits >> shift) as usize & 31).copied().unwrap_or(b'0');
    }
    text
}

/// The score as 64 bits: modulo 2^64, and zero from there on.
fn bits_of(score: f64) -> u64 {
    const HALF: f64 = (1u64 << 63) as f64;
    if score < HALF {
        score as i64 as u64
    } else if score < HALF * 2.0 {
        score as u64
    } else {
        0
    }
}
