//! Which scores the members in an area may have.

use super::area::Area;
use super::cell::{Cell, STEP_MAX, Span};

/// Half the length of the equator on the map, which cells are chosen by.
const MAP_HALF_M: f64 = 20_037_726.37;
/// Directions of the neighbours, in the order in which they are searched.
const NEIGHBOURS: [(i8, i8); 8] = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];

/// Scores from `min` up to but without `max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreRange {
    /// The first.
    pub min: f64,
    /// The first beyond.
    pub max: f64,
}

impl ScoreRange {
    /// Every score that stands for a point.
    const ALL: ScoreRange = ScoreRange { min: 0.0, max: (1u64 << 54) as f64 };

    fn of(cell: Cell) -> ScoreRange {
        ScoreRange { min: cell.first_bits(false) as f64, max: cell.first_bits(true) as f64 }
    }
}

impl Area {
    /// The ranges of scores that hold all members in the area, in the order in which Redis looks through them, which is the
    /// order of unsorted results. They do not overlap, are nine at most, and hold others too: ask
    /// [`distance_m`](Area::distance_m) about each member.
    pub fn score_ranges(&self) -> Vec<ScoreRange> {
        let Some(centre) = self.centre_cell() else { return vec![ScoreRange::ALL] };
        let mut cells = vec![centre];
        let mut last = None;
        for (east, north) in NEIGHBOURS.into_iter().filter(|(east, north)| self.needs(centre, *east, *north)) {
            let cell = centre.neighbour(east, north);
            // The coarsest grid is so small that neighbours on both sides are one.
            if last != Some(cell) {
                cells.push(cell);
                last = Some(cell);
            }
        }
        cells.into_iter().map(ScoreRange::of).collect()
    }

    /// The cell around the centre: so small that, with its neighbours, it just covers the area. `None` if the centre is not
    /// on the map.
    fn centre_cell(&self) -> Option<Cell> {
        let step = step_for(self.radius_m(), self.centre().latitude);
        let cell = Cell::around(self.centre(), step)?;
        match step > 1 && !self.is_covered_around(cell) {
            true => Cell::around(self.centre(), step - 1),
            false => Some(cell),
        }
    }

    /// Whether the neighbours reach as far as the area.
    fn is_covered_around(&self, cell: Cell) -> bool {
        let area = |east, north| cell.neighbour(east, north).area();
        !(area(0, 1).latitude.max < self.bounds.latitude.max
            || area(0, -1).latitude.min > self.bounds.latitude.min
            || area(1, 0).longitude.max < self.bounds.longitude.max
            || area(-1, 0).longitude.min > self.bounds.longitude.min)
    }

    /// Whether the area may reach into a neighbour of the cell around its centre.
    fn needs(&self, centre: Cell, east: i8, north: i8) -> bool {
        let area = centre.area();
        let ends_before = |direction: i8, cell: Span, bounds: Span| match direction {
            0 => false,
            1.. => cell.max > bounds.max,
            _ => cell.min < bounds.min,
        };
        centre.step < 2
            || !(ends_before(east, area.longitude, self.bounds.longitude)
                || ends_before(north, area.latitude, self.bounds.latitude))
    }
}

/// How often the map is to be halved so that nine cells cover a circle.
fn step_for(radius_m: f64, latitude: f64) -> u32 {
    if radius_m <= 0.0 {
        return STEP_MAX;
    }
    let (mut halvings, mut radius_m) = (0u32, radius_m);
    while radius_m < MAP_HALF_M {
        radius_m *= 2.0;
        halvings += 1;
    }
    // One coarser, so that most circles fit; towards the poles cells grow narrow.
    let coarser = 1 + u32::from(latitude.abs() > 66.0) + u32::from(latitude.abs() > 80.0);
    halvings.saturating_sub(coarser).clamp(1, STEP_MAX)
}
