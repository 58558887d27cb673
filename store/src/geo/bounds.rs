//! The rectangle on the map that encloses an area.

use super::area::Shape;
use super::cell::{Rectangle, Span};
use super::distance::{EARTH_RADIUS_M, degrees, radians};
use super::position::{LATITUDES, LONGITUDES, Point};

/// The enclosing rectangle of a shape, which may reach beyond the map.
pub(super) fn bounds_of(shape: &Shape) -> Rectangle {
    match shape {
        Shape::Circle { centre, radius_m } => around(*centre, *radius_m, *radius_m),
        Shape::Box { centre, width_m, height_m } => around(*centre, width_m / 2.0, height_m / 2.0),
        Shape::Polygon(corners) => Rectangle {
            longitude: extent(LONGITUDES, corners.iter().map(|corner| corner.longitude)),
            latitude: extent(LATITUDES, corners.iter().map(|corner| corner.latitude)),
        },
    }
}

/// The middle of a polygon's corners, seen from the centre of the Earth.
pub(super) fn centroid(corners: &[Point]) -> Point {
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for corner in corners {
        let (longitude, latitude) = (radians(corner.longitude), radians(corner.latitude));
        x += latitude.cos() * longitude.cos();
        y += latitude.cos() * longitude.sin();
        z += latitude.sin();
    }
    let across: f64 = x * x + y * y;
    Point { longitude: degrees(f64::atan2(y, x)), latitude: degrees(f64::atan2(z, across.sqrt())) }
}

/// So many metres to all sides of a point. Meridians converge towards the poles: the side nearer to one decides how many
/// degrees of longitude that is.
fn around(centre: Point, across_m: f64, along_m: f64) -> Rectangle {
    let latitude_delta = degrees(along_m / EARTH_RADIUS_M);
    let outer = if centre.latitude < 0.0 { -latitude_delta } else { latitude_delta };
    let longitude_delta = degrees(across_m / EARTH_RADIUS_M / radians(centre.latitude + outer).cos());
    let span = |middle: f64, delta: f64| Span { min: middle - delta, max: middle + delta };
    Rectangle { longitude: span(centre.longitude, longitude_delta), latitude: span(centre.latitude, latitude_delta) }
}

fn extent(all: Span, coordinates: impl Iterator<Item = f64>) -> Span {
    coordinates.fold(Span { min: all.max, max: all.min }, |extent, coordinate| Span {
        min: if coordinate < extent.min { coordinate } else { extent.min },
        max: if coordinate > extent.max { coordinate } else { extent.max },
    })
}
