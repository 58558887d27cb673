//! Geo mathematics, compared with what Redis 7.0.15 and Valkey 9.1.2 reply (they agree) about the same points, and with a
//! search through all points.

use ochre_store::geo::{self, Area, Point, Shape};
use proptest::prelude::*;

/// The numbers that the replies were recorded with.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// Anywhere on the map.
    fn point(&mut self) -> Point {
        Point { longitude: longitude(self.below(360_000_001)), latitude: latitude(self.below(170_000_001)) }
    }

    /// Between 10° and 12° east, 45° and 47° north, where many points are.
    fn point_in_the_crowd(&mut self) -> Point {
        let longitude = longitude(self.below(2_000_001) + 190_000_000);
        Point { longitude, latitude: latitude(self.below(2_000_001) + 130_000_000) }
    }

    fn centre(&mut self) -> Point {
        match self.below(5) {
            0 => {
                let longitudes = [0, 360_000_000, 180_000_000, 359_999_999];
                let longitude = longitude(longitudes[self.below(4) as usize]);
                let latitudes = [0, 170_000_000, 85_000_000, 160_000_000];
                Point { longitude, latitude: latitude(latitudes[self.below(4) as usize]) }
            }
            1 | 2 => self.point_in_the_crowd(),
            _ => self.point(),
        }
    }

    fn metres(&mut self) -> f64 {
        (self.below(10) * 10u64.pow(self.below(7) as u32)) as f64
    }

    fn polygon(&mut self) -> Shape {
        let corners = 3 + self.below(5);
        self.centre(); // not used
        let is_wide = self.below(2) == 1;
        let corner = |_| match is_wide {
            true => self.point(),
            false => {
                let longitude = longitude(self.below(3_000_001) + 189_500_000);
                Point { longitude, latitude: latitude(self.below(3_000_001) + 129_500_000) }
            }
        };
        Shape::Polygon((0..corners).map(corner).collect())
    }
}

fn longitude(millionths: u64) -> f64 {
    (millionths as f64 - 180e6) / 1e6
}

fn latitude(millionths: u64) -> f64 {
    (millionths as f64 - 85e6) / 1e6
}

const EMPTY_DIGEST: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, 64 bits.
fn digest(before: u64, text: &str) -> u64 {
    text.bytes().fold(before, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

fn digest_of(lines: impl Iterator<Item = String>) -> u64 {
    lines.fold(EMPTY_DIGEST, |hash, line| digest(hash, &(line + "\n")))
}

/// A coordinate as GEOPOS prints it.
fn coordinate_text(degrees: f64) -> String {
    format!("{degrees:.17}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn position_text(point: Point) -> String {
    format!("{} {}", coordinate_text(point.longitude), coordinate_text(point.latitude))
}

fn hash_text(point: Point) -> String {
    String::from_utf8(geo::geohash_text(point).to_vec()).unwrap()
}

#[test]
fn scores_positions_and_distances_are_those_of_redis() {
    let mut numbers = Numbers(1);
    let scores: Vec<f64> = (0..1000).map(|_| geo::score_of(numbers.point()).unwrap()).collect();
    let points: Vec<Point> = scores.iter().map(|score| geo::point_at(*score)).collect();
    assert_eq!(position_text(points[1]), "132.34119325876235962 57.19286652081802913");
    assert_eq!(digest_of(scores.iter().map(f64::to_string)), 0x697e_09c5_34fe_ae11);
    assert_eq!(digest_of(points.iter().map(|point| position_text(*point))), 0xd5c6_e4dd_346b_320b);
    assert_eq!(digest_of(points.iter().map(|point| hash_text(*point))), 0x8a23_ab0a_471e_c4dc);
    let distances = points.windows(2).map(|pair| format!("{:.4}", geo::distance_m(pair[0], pair[1])));
    assert_eq!(digest_of(distances), 0x2970_2b2f_7f86_8dc3);
}

#[test]
fn edges_of_the_map_are_where_redis_has_them() {
    for (longitude, latitude, score, position, hash) in [
        (180.0, 85.05112878, 13510798882111488.0, "180 85.0511287799999991", "bp05b5048p0"),
        (-180.0, -85.05112878, 0.0, "-179.99999731779098511 -85.05112751263942528", "00bh0hbj200"),
        (0.0, 0.0, 3377699720527872.0, "0.00000268220901489 0.00000126736058093", "s0000000000"),
        (180.0, 0.0, 10133099161583616.0, "180 0.00000126736058093", "80000000000"),
        (13.361389, 38.115556, 3479099956230698.0, "13.36138933897018433 38.11555639549629859", "sqc8b49rny0"),
    ] {
        assert_eq!(geo::score_of(Point { longitude, latitude }), Some(score));
        assert_eq!(position_text(geo::point_at(score)), position);
        assert_eq!(hash_text(geo::point_at(score)), hash);
    }
    for (longitude, latitude) in [(180.1, 0.0), (0.0, 85.06), (0.0, -85.06), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
        assert_eq!(geo::score_of(Point { longitude, latitude }), None);
    }
}

#[test]
fn scores_that_are_no_positions_lead_where_redis_says() {
    for (score, position, hash) in [
        (-1.0, "180 85.0511287799999991", "bp05b5048p0"),
        (1e300, "-179.99999731779098511 -85.05112751263942528", "00bh0hbj200"),
        (-1e300, "180 -85.05112751263942528", "00bh0hbj200"),
        (4503599627370496.0, "-179.99999731779098511 85.0511287799999991", "bp05b5048p0"),
        (18446744073709549568.0, "180 85.0511287799999991", "bp05b5048p0"),
        (9223372036854775808.0, "180 -85.05112751263942528", "00bh0hbj200"),
        (1e19, "180 85.0511287799999991", "bp05b5048p0"),
        (0.5, "-179.99999731779098511 -85.05112751263942528", "00bh0hbj200"),
    ] {
        assert_eq!(position_text(geo::point_at(score)), position, "{score}");
        assert_eq!(hash_text(geo::point_at(score)), hash, "{score}");
    }
}

/// Members with their scores, ordered as a sorted set is.
fn members() -> Vec<(f64, String)> {
    let mut numbers = Numbers(2);
    let point = |number| {
        let point = match numbers.below(4) {
            0 => numbers.point_in_the_crowd(),
            1 => {
                let longitude = longitude(numbers.below(360_001) * 1000);
                let latitudes = [0, 170_000_000, 150_000_000, 85_000_000];
                Point { longitude, latitude: latitude(latitudes[numbers.below(4) as usize]) }
            }
            _ => numbers.point(),
        };
        (geo::score_of(point).unwrap(), format!("p{number}"))
    };
    let mut members: Vec<_> = (0..3000).map(point).collect();
    members.sort_by(|a, b| a.partial_cmp(b).unwrap());
    members
}

/// The members in an area with their distances, in the order in which the ranges lead to them.
fn search<'m>(members: &'m [(f64, String)], area: &Area) -> Vec<(&'m str, f64)> {
    let in_range = |range: geo::ScoreRange| {
        let start = members.partition_point(|(score, _)| *score < range.min);
        let end = members.partition_point(|(score, _)| *score < range.max);
        &members[start..end]
    };
    let found = area.score_ranges().into_iter().flat_map(in_range);
    found.filter_map(|(score, name)| Some((name.as_str(), area.distance_m(geo::point_at(*score))?))).collect()
}

/// How many members 400 searches find in all, and a digest of the replies.
fn searches(mut shape: impl FnMut(&mut Numbers) -> Shape) -> (usize, u64) {
    let members = members();
    let mut numbers = Numbers(3);
    (0..400).fold((0, EMPTY_DIGEST), |(total, hash), _| {
        let area = Area::new(shape(&mut numbers));
        // Valkey finds nothing in a polygon whose centroid is off the map; we do.
        let found = if area.centre().is_valid() { search(&members, &area) } else { vec![] };
        let hash = found.iter().fold(hash, |hash, (name, metres)| digest(hash, &format!("{name} {metres:.4}\n")));
        (total + found.len(), digest(hash, "\n"))
    })
}

#[test]
fn searches_find_what_redis_finds_in_the_same_order() {
    let circle = |numbers: &mut Numbers| Shape::Circle { centre: numbers.centre(), radius_m: numbers.metres() };
    assert_eq!(searches(circle), (60077, 0xf914_0d2d_f967_3467));
    let rectangle = |numbers: &mut Numbers| {
        let (centre, width_m) = (numbers.centre(), numbers.metres());
        Shape::Box { centre, width_m, height_m: numbers.metres() }
    };
    assert_eq!(searches(rectangle), (11387, 0xf07e_9d55_ea97_1905));
    assert_eq!(searches(Numbers::polygon), (105_257, 0xa1c9_401e_bc06_2621)); // Valkey alone
}

#[test]
fn a_polygon_around_the_pole_is_searched() {
    let corners = [(-39.467892, 46.846372), (87.682520, 66.704109), (173.090206, 44.358223)];
    let corners = corners.map(|(longitude, latitude)| Point { longitude, latitude });
    let area = Area::new(Shape::Polygon(corners.to_vec()));
    assert!(!area.centre().is_valid());
    let members = members();
    let all = members.iter().filter(|(score, _)| area.distance_m(geo::point_at(*score)).is_some());
    assert_eq!(search(&members, &area).len(), all.count());
}

/// A point where no member is ever missed: beyond, the cells grow too narrow for some areas.
fn any_point() -> impl Strategy<Value = Point> {
    (-180.0..180.0, -70.0..70.0f64).prop_map(|(longitude, latitude)| Point { longitude, latitude })
}

fn any_shape() -> impl Strategy<Value = Shape> {
    let metres = || prop_oneof![9 => 0.0..200e3, 1 => 0.0..5e6];
    let near = |centre: Point| {
        let corner = (-3.0..3.0f64, -3.0..3.0f64).prop_map(move |(east, north)| Point {
            longitude: (centre.longitude + east).clamp(-180.0, 180.0),
            latitude: centre.latitude + north,
        });
        prop::collection::vec(corner, 3..8)
    };
    prop_oneof![
        (any_point(), metres()).prop_map(|(centre, radius_m)| Shape::Circle { centre, radius_m }),
        (any_point(), metres(), metres()).prop_map(|(centre, width_m, height_m)| Shape::Box {
            centre,
            width_m,
            height_m
        }),
        any_point().prop_flat_map(near).prop_map(Shape::Polygon),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The ranges lead to every member in the area, and to each once.
    #[test]
    fn ranges_miss_nothing(
        shape in any_shape(),
        anywhere in prop::collection::vec(any_point(), 200),
        nearby in prop::collection::vec((-3.0..3.0f64, -3.0..3.0f64), 200),
    ) {
        let area = Area::new(shape);
        let nearby = nearby.into_iter().map(|(east, north)| {
            let Point { longitude, latitude } = area.centre();
            Point { longitude: (longitude + east + 540.0) % 360.0 - 180.0, latitude: latitude + north }
        });
        let points = anywhere.iter().copied().chain(nearby);
        let mut members: Vec<_> =
            points.enumerate().map(|(number, point)| (geo::score_of(point).unwrap(), number.to_string())).collect();
        members.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let inside = |score: f64| area.distance_m(geo::point_at(score)).is_some();
        let mut all: Vec<&str> =
            members.iter().filter(|(score, _)| inside(*score)).map(|(_, name)| name.as_str()).collect();
        let mut found: Vec<&str> = search(&members, &area).into_iter().map(|(name, _)| name).collect();
        all.sort_unstable();
        found.sort_unstable();
        prop_assert_eq!(found, all);
    }

    /// Whatever the numbers, nothing breaks.
    #[test]
    fn no_number_breaks_anything(score: f64, numbers: [f64; 4]) {
        let [longitude, latitude, width_m, height_m] = numbers;
        let centre = Point { longitude, latitude };
        let shapes = [
            Shape::Circle { centre, radius_m: width_m },
            Shape::Box { centre, width_m, height_m },
            Shape::Polygon(vec![centre, Point { longitude: width_m, latitude: height_m }, geo::point_at(score)]),
            Shape::Polygon(vec![]),
        ];
        for area in shapes.map(Area::new) {
            prop_assert!((1..=9).contains(&area.score_ranges().len()));
            area.distance_m(geo::point_at(score));
        }
        geo::geohash_text(centre);
    }
}
