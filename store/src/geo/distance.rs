//! How far points are from each other, on a sphere.

use super::position::Point;

/// Mean radius of the Earth.
pub(super) const EARTH_RADIUS_M: f64 = 6_372_797.560_856;

/// A unit of length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// m
    Metres,
    /// km
    Kilometres,
    /// ft
    Feet,
    /// mi
    Miles,
}

impl Unit {
    /// Its length in metres.
    pub fn metres(self) -> f64 {
        match self {
            Unit::Metres => 1.0,
            Unit::Kilometres => 1000.0,
            Unit::Feet => 0.3048,
            Unit::Miles => 1609.34,
        }
    }
}

/// Metres between two points along the great circle, by the haversine formula.
pub fn distance_m(a: Point, b: Point) -> f64 {
    /// Sine of half an angle of about 6 nm on the ground.
    const SAME_MERIDIAN: f64 = 1e-15;
    let across = ((radians(b.longitude) - radians(a.longitude)) / 2.0).sin();
    if across.abs() <= SAME_MERIDIAN {
        return meridian_distance_m(a.latitude, b.latitude);
    }
    let (from, to) = (radians(a.latitude), radians(b.latitude));
    let along = ((to - from) / 2.0).sin();
    let square = along * along + from.cos() * to.cos() * across * across;
    2.0 * EARTH_RADIUS_M * square.sqrt().asin()
}

/// Metres between two latitudes on one meridian.
pub(super) fn meridian_distance_m(a: f64, b: f64) -> f64 {
    EARTH_RADIUS_M * (radians(b) - radians(a)).abs()
}

/// Degrees as radians; `f64::to_radians` rounds differently.
pub(super) fn radians(degrees: f64) -> f64 {
    degrees * (std::f64::consts::PI / 180.0)
}

/// Radians as degrees; `f64::to_degrees` rounds differently.
pub(super) fn degrees(radians: f64) -> f64 {
    radians / (std::f64::consts::PI / 180.0)
}
