//! Areas to be searched.

use super::bounds::{bounds_of, centroid};
use super::cell::Rectangle;
use super::distance::{distance_m, meridian_distance_m};
use super::position::Point;

/// The form of an area.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// All within a distance of a point.
    Circle {
        /// The point.
        centre: Point,
        /// The distance, not negative.
        radius_m: f64,
    },
    /// All within half the height to the north and south of a point and within half the width to its east and west, the
    /// latter measured at the latitude of the place in question.
    Box {
        /// The point.
        centre: Point,
        /// Its extent from west to east, not negative.
        width_m: f64,
        /// Its extent from north to south, not negative.
        height_m: f64,
    },
    /// All within a polygon with these corners, as drawn on a map whose meridians and parallels are straight lines.
    Polygon(Vec<Point>),
}

/// An area to be searched.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    shape: Shape,
    centre: Point,
    pub(super) bounds: Rectangle,
}

impl Area {
    /// The area of this form.
    pub fn new(shape: Shape) -> Area {
        let bounds = bounds_of(&shape);
        let centre = match &shape {
            Shape::Circle { centre, .. } | Shape::Box { centre, .. } => *centre,
            Shape::Polygon(corners) => centroid(corners),
        };
        Area { shape, centre, bounds }
    }

    /// The point that distances are measured from: of a polygon, the centroid of its corners.
    pub fn centre(&self) -> Point {
        self.centre
    }

    /// Metres from the centre to a point in the area; `None` if the point lies outside.
    pub fn distance_m(&self, point: Point) -> Option<f64> {
        match &self.shape {
            Shape::Circle { radius_m, .. } => {
                let distance = distance_m(self.centre, point);
                (distance <= *radius_m).then_some(distance)
            }
            Shape::Box { width_m, height_m, .. } => {
                let abeam = Point { longitude: self.centre.longitude, latitude: point.latitude };
                let is_inside = meridian_distance_m(point.latitude, self.centre.latitude) <= height_m / 2.0
                    && distance_m(point, abeam) <= width_m / 2.0;
                is_inside.then(|| distance_m(self.centre, point))
            }
            Shape::Polygon(corners) => is_within(corners, point).then(|| distance_m(self.centre, point)),
        }
    }

    /// Metres from the centre to the farthest point, or more.
    pub(super) fn radius_m(&self) -> f64 {
        match &self.shape {
            Shape::Circle { radius_m, .. } => *radius_m,
            Shape::Box { width_m, height_m, .. } => {
                let (across, along) = (width_m / 2.0, height_m / 2.0);
                (across * across + along * along).sqrt()
            }
            Shape::Polygon(_) => {
                let Rectangle { longitude, latitude } = self.bounds;
                let corner = |longitude, latitude| distance_m(self.centre, Point { longitude, latitude });
                let northern = corner(longitude.min, latitude.max).max(corner(longitude.max, latitude.max));
                let southern = corner(longitude.min, latitude.min).max(corner(longitude.max, latitude.min));
                northern.max(southern)
            }
        }
    }
}

/// Whether a line from the point to the east crosses the polygon's sides an odd number of times.
fn is_within(corners: &[Point], point: Point) -> bool {
    let before = corners.last().into_iter().chain(corners);
    let crossings = corners.iter().zip(before).filter(|(a, b)| {
        (a.latitude > point.latitude) != (b.latitude > point.latitude)
            && point.longitude
                < (b.longitude - a.longitude) * (point.latitude - a.latitude) / (b.latitude - a.latitude) + a.longitude
    });
    crossings.count() % 2 == 1
}
