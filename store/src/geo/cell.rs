//! Cells: the rectangles that the first bits of a geohash describe.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::position::{LATITUDES, LONGITUDES, Point};

/// Halvings in each direction that lead to the finest cells.
pub(super) const STEP_MAX: u32 = 26;

/// The bits of the longitudes, and those of the latitudes.
const EAST_BITS: u64 = 0xaaaa_aaaa_aaaa_aaaa;
const NORTH_BITS: u64 = 0x5555_5555_5555_5555;

/// Coordinates from one to another, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Span {
    pub(super) fn contains(self, coordinate: f64) -> bool {
        (self.min..=self.max).contains(&coordinate)
    }

    pub(super) fn middle(self) -> f64 {
        (self.min + self.max) / 2.0
    }

    /// Where in the span a coordinate lies, in units of which `1 << step` make up the span.
    fn grid(self, coordinate: f64, step: u32) -> u32 {
        ((coordinate - self.min) / (self.max - self.min) * units(step)) as u32
    }

    /// One unit of the grid.
    fn part(self, grid: u32, step: u32) -> Span {
        let at = |grid: u32| self.min + f64::from(grid) / units(step) * (self.max - self.min);
        Span { min: at(grid), max: at(grid.wrapping_add(1)) }
    }
}

/// A rectangle on the map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rectangle {
    pub(super) longitude: Span,
    pub(super) latitude: Span,
}

/// A cell: the map halved `step` times in each direction, 1 to 26; `bits` are twice as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) bits: u64,
    pub(super) step: u32,
}

impl Cell {
    /// The cell around a point, if that lies on the map. The eastern and northern edges are in cells of their own, outside
    /// of the grid.
    pub(super) fn around(point: Point, step: u32) -> Option<Cell> {
        Cell::within(point, step, LONGITUDES, LATITUDES)
    }

    /// As `around`, for a map of these extents.
    pub(super) fn within(point: Point, step: u32, longitudes: Span, latitudes: Span) -> Option<Cell> {
        let Point { longitude, latitude } = point;
        let is_inside = longitudes.contains(longitude) && latitudes.contains(latitude);
        is_inside.then(|| {
            let bits = spread(latitudes.grid(latitude, step)) | spread(longitudes.grid(longitude, step)) << 1;
            Cell { bits, step }
        })
    }

    /// Where on the map the cell lies.
    pub(super) fn area(self) -> Rectangle {
        Rectangle {
            longitude: LONGITUDES.part(gather(self.bits >> 1), self.step),
            latitude: LATITUDES.part(gather(self.bits), self.step),
        }
    }

    /// The cell so many cells to the east and to the north of this one, -1 to 1; the map has no edges.
    pub(super) fn neighbour(self, east: i8, north: i8) -> Cell {
        let bits = moved(self.bits, self.step, EAST_BITS, east);
        Cell { bits: moved(bits, self.step, NORTH_BITS, north), ..self }
    }

    /// The first of the finest cells in this one; of the cell behind it, for `next`.
    pub(super) fn first_bits(self, next: bool) -> u64 {
        let shift = STEP_MAX.saturating_sub(self.step).wrapping_mul(2);
        self.bits.wrapping_add(u64::from(next)) << shift
    }
}

fn units(step: u32) -> f64 {
    (1u64 << step.min(STEP_MAX)) as f64
}

/// Adds to the number that the bits of `mask` make up: the others are filled so that they pass a carry on, or a borrow.
fn moved(bits: u64, step: u32, mask: u64, by: i8) -> u64 {
    let unused = 64u32.saturating_sub(step.wrapping_mul(2));
    let (mask_used, others_used) = (mask >> unused, !mask >> unused);
    let moved = match by {
        0 => return bits,
        1.. => (bits & mask).wrapping_add(others_used.wrapping_add(1)),
        _ => (bits & mask | others_used).wrapping_sub(others_used.wrapping_add(1)),
    };
    moved & mask_used | bits & !mask
}

const HALVES: [(u32, u64); 5] = [
    (16, 0x0000_ffff_0000_ffff),
    (8, 0x00ff_00ff_00ff_00ff),
    (4, 0x0f0f_0f0f_0f0f_0f0f),
    (2, 0x3333_3333_3333_3333),
    (1, NORTH_BITS),
];

/// Puts a zero before each bit.
fn spread(number: u32) -> u64 {
    HALVES.iter().fold(u64::from(number), |bits, (shift, mask)| (bits | bits << shift) & mask)
}

/// Takes every other bit, from the lowest one on.
fn gather(bits: u64) -> u32 {
    let [shifts @ .., _] = [1u32, 2, 4, 8, 16, 32];
    let masks = HALVES.iter().rev().skip(1).map(|(_, mask)| *mask).chain([0xffff_ffff]);
    shifts.into_iter().zip(masks).fold(bits & NORTH_BITS, |bits, (shift, mask)| (bits | bits >> shift) & mask) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_spread_and_gathered() {
        assert_eq!(spread(0b1011), 0b100_0101);
        assert_eq!(spread(u32::MAX), NORTH_BITS);
        for number in [0, 1, 0x1234_5678, 0xdead_beef, u32::MAX] {
            assert_eq!(gather(spread(number) | spread(!number) << 1), number);
        }
    }

    #[test]
    fn neighbours_are_those_of_the_grid() {
        for step in 1..5u32 {
            let size = 1 << step;
            let cell = |east: u32, north: u32| Cell { bits: spread(north) | spread(east) << 1, step };
            for (east, north) in (0..size).flat_map(|east| (0..size).map(move |north| (east, north))) {
                for (x, y) in [(-1i8, -1i8), (-1, 0), (0, 1), (1, 0), (1, 1), (1, -1)] {
                    let wrapped = |place: u32, by: i8| place.wrapping_add_signed(by.into()) % size;
                    assert_eq!(cell(east, north).neighbour(x, y), cell(wrapped(east, x), wrapped(north, y)));
                }
            }
        }
    }
}
