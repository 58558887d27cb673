//! The mathematics of places on Earth: positions as scores of sorted sets, distances, and where to look for the members
//! that lie in an area. Pure functions, which know nothing of keys.
//!
//! A position is a 52-bit geohash, as Redis stores it: the bits of longitude (-180 to 180) and of latitude (-85.05112878 to
//! 85.05112878, the limits of the Mercator projection of EPSG:3857) alternate, longitude first. So the positions that share
//! their first bits fill a rectangle, a *cell*, and stand next to each other in the sorted set.

mod area;
mod bounds;
mod cell;
mod cover;
mod distance;
mod position;

pub use area::{Area, Shape};
pub use cover::ScoreRange;
pub use distance::{Unit, distance_m};
pub use position::{LATITUDE_MAX, LONGITUDE_MAX, Point, geohash_text, point_at, score_of};
