//! The arguments of searches for places.

use super::zset_number::score;
use crate::args::{Argv, Cursor};
use crate::config::Level;
use crate::error::{self, CommandError};
use ochre_store::geo::{Area, Point, Shape, Unit, point_at};
use ochre_store::sorted_set::{Sort, SortedSet};

/// Where a command has its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// GEORADIUS: coordinates, then a radius.
    Coordinates,
    /// GEORADIUSBYMEMBER: a member, then a radius.
    Member,
    /// GEOSEARCH.
    Search,
    /// GEOSEARCHSTORE.
    SearchStore,
}

/// A search for places.
#[derive(Debug)]
pub(super) struct SearchArgs {
    /// Where; unknown if the set does not exist.
    pub(super) area: Option<Area>,
    pub(super) unit: Unit,
    pub(super) with_distance: bool,
    pub(super) with_hash: bool,
    pub(super) with_point: bool,
    pub(super) sort: Sort,
    pub(super) count: Option<usize>,
    /// Any places will do, not only the nearest or farthest.
    pub(super) any: bool,
    /// The argument that is the key to store the result under.
    pub(super) destination: Option<usize>,
    /// Distances are stored as scores.
    pub(super) stores_distance: bool,
}

/// What the arguments tell of an area, in metres.
#[derive(Default)]
struct Parts {
    centre: Option<Point>,
    from_member: bool,
    from_point: bool,
    radius: Option<f64>,
    sides: Option<(f64, f64)>,
    corners: Option<Vec<Point>>,
}

/// The command line, with what it is about.
pub(super) struct Line<'a, L> {
    pub(super) argv: Argv<'a>,
    /// The sorted set, if it exists: positions of members count as arguments.
    pub(super) set: Option<&'a SortedSet>,
    pub(super) form: Form,
    /// Whether STORE and STOREDIST are allowed.
    pub(super) may_store: bool,
    /// Asked where levels differ.
    pub(super) level: L,
}

/// A position.
///
/// # Errors
/// Where it is no number or not on the map.
pub(super) fn parse_point(longitude: &[u8], latitude: &[u8], level: impl Fn() -> Level) -> Result<Point, CommandError> {
    let longitude = score(longitude, &level).ok_or(error::NOT_FLOAT)?;
    let latitude = score(latitude, &level).ok_or(error::NOT_FLOAT)?;
    let point = Point { longitude, latitude };
    if point.is_valid() { Ok(point) } else { Err(error::invalid_position(longitude, latitude)) }
}

/// A unit of length.
///
/// # Errors
/// Where there is no such unit.
pub(super) fn parse_unit(text: &[u8]) -> Result<Unit, CommandError> {
    let units: [(&[u8], Unit); 4] =
        [(b"m", Unit::Metres), (b"km", Unit::Kilometres), (b"ft", Unit::Feet), (b"mi", Unit::Miles)];
    let unit = units.iter().find(|(name, _)| text.eq_ignore_ascii_case(name));
    unit.map(|(_, unit)| *unit).ok_or(error::GEO_UNIT)
}

impl<L: Fn() -> Level> Line<'_, L> {
    /// Reads everything behind the key.
    pub(super) fn parse(&self) -> Result<SearchArgs, CommandError> {
        let argv = self.argv;
        let mut parts = Parts::default();
        let mut args = SearchArgs {
            area: None,
            unit: Unit::Metres,
            with_distance: false,
            with_hash: false,
            with_point: false,
            sort: Sort::None,
            count: None,
            any: false,
            destination: (self.form == Form::SearchStore).then_some(1),
            stores_distance: false,
        };
        let first = match self.form {
            Form::Coordinates => {
                parts.centre = Some(parse_point(argv.at(2), argv.at(3), &self.level)?);
                self.read_radius(&mut argv.cursor(4), &mut parts, &mut args)?;
                6
            }
            Form::Member => {
                if self.set.is_some() {
                    parts.centre = Some(self.position(argv.at(2))?);
                    self.read_radius(&mut argv.cursor(3), &mut parts, &mut args)?;
                }
                5
            }
            Form::Search => 2,
            Form::SearchStore => 3,
        };
        let mut cursor = argv.cursor(first);
        while !cursor.is_done() {
            if !self.read_plain(&mut cursor, &mut args)? && !self.read_area(&mut cursor, &mut parts, &mut args)? {
                return Err(error::SYNTAX);
            }
        }
        self.check(&parts, &args)?;
        args.area = parts.area();
        Ok(args)
    }

    fn is_search(&self) -> bool {
        matches!(self.form, Form::Search | Form::SearchStore)
    }

    /// Where a member lies.
    fn position(&self, member: &[u8]) -> Result<Point, CommandError> {
        let score = self.set.and_then(|set| set.score(member));
        score.map(point_at).ok_or_else(|| error::geo_no_member(member, (self.level)().blames_undecodable_members()))
    }

    /// Reads an option that says nothing about the area; false if there is none.
    fn read_plain(&self, cursor: &mut Cursor<'_>, args: &mut SearchArgs) -> Result<bool, CommandError> {
        let has_value = cursor.remaining() >= 2;
        let names_destination = has_value && self.may_store && !self.is_search();
        match () {
            () if cursor.token("WITHDIST") => args.with_distance = true,
            () if cursor.token("WITHHASH") => args.with_hash = true,
            () if cursor.token("WITHCOORD") => args.with_point = true,
            () if cursor.token("ANY") => args.any = true,
            () if cursor.token("ASC") => args.sort = Sort::Nearest,
            () if cursor.token("DESC") => args.sort = Sort::Farthest,
            () if has_value && cursor.token("COUNT") => {
                let count = usize::try_from(cursor.int()?).ok().filter(|count| *count > 0);
                args.count = Some(count.ok_or(error::GEO_COUNT)?);
            }
            () if names_destination && cursor.token("STORE") => {
                (args.destination, args.stores_distance) = (Some(cursor.position()), false);
                cursor.bytes()?;
            }
            () if names_destination && cursor.token("STOREDIST") => {
                (args.destination, args.stores_distance) = (Some(cursor.position()), true);
                cursor.bytes()?;
            }
            () if self.form == Form::SearchStore && cursor.token("STOREDIST") => args.stores_distance = true,
            () => return Ok(false),
        }
        Ok(true)
    }

    /// Reads an option about the area; false if there is none.
    fn read_area(
        &self,
        cursor: &mut Cursor<'_>,
        parts: &mut Parts,
        args: &mut SearchArgs,
    ) -> Result<bool, CommandError> {
        let values = cursor.remaining().saturating_sub(1);
        let (by_radius, by_box, by_polygon) = (parts.radius.is_some(), parts.sides.is_some(), parts.corners.is_some());
        match () {
            () if !self.is_search() => return Ok(false),
            () if values >= 1 && !parts.from_point && !by_polygon && cursor.token("FROMMEMBER") => {
                let member = cursor.bytes()?;
                if self.set.is_some() {
                    parts.centre = Some(self.position(member)?);
                }
                parts.from_member = true;
            }
            () if values >= 2 && !parts.from_member && !by_polygon && cursor.token("FROMLONLAT") => {
                parts.centre = Some(parse_point(cursor.bytes()?, cursor.bytes()?, &self.level)?);
                parts.from_point = true;
            }
            () if values >= 2 && !by_box && !by_polygon && cursor.token("BYRADIUS") => {
                self.read_radius(cursor, parts, args)?;
            }
            () if values >= 3 && !by_radius && !by_polygon && cursor.token("BYBOX") => {
                self.read_box(cursor, parts, args)?;
            }
            () if values >= 2
                && !(by_radius || by_box || parts.from_member || parts.from_point)
                && (self.level)().searches_polygons()
                && cursor.token("BYPOLYGON") =>
            {
                self.read_polygon(cursor, parts, args)?;
            }
            () => return Ok(false),
        }
        Ok(true)
    }

    fn read_radius(
        &self,
        cursor: &mut Cursor<'_>,
        parts: &mut Parts,
        args: &mut SearchArgs,
    ) -> Result<(), CommandError> {
        let radius = score(cursor.bytes()?, &self.level).ok_or(error::GEO_RADIUS_NOT_FLOAT)?;
        if radius < 0.0 {
            return Err(error::GEO_RADIUS_NEGATIVE);
        }
        args.unit = parse_unit(cursor.bytes()?)?;
        parts.radius = Some(radius * args.unit.metres());
        Ok(())
    }

    fn read_box(&self, cursor: &mut Cursor<'_>, parts: &mut Parts, args: &mut SearchArgs) -> Result<(), CommandError> {
        let width = score(cursor.bytes()?, &self.level).ok_or(error::GEO_WIDTH_NOT_FLOAT)?;
        let height = score(cursor.bytes()?, &self.level).ok_or(error::GEO_HEIGHT_NOT_FLOAT)?;
        if width < 0.0 || height < 0.0 {
            return Err(error::GEO_BOX_NEGATIVE);
        }
        args.unit = parse_unit(cursor.bytes()?)?;
        parts.sides = Some((width * args.unit.metres(), height * args.unit.metres()));
        Ok(())
    }

    fn read_polygon(
        &self,
        cursor: &mut Cursor<'_>,
        parts: &mut Parts,
        args: &mut SearchArgs,
    ) -> Result<(), CommandError> {
        let int32 = (i64::from(i32::MIN), i64::from(i32::MAX));
        let count = cursor.int_in(int32.0, int32.1, error::GEO_VERTICES_NOT_INTEGER)?;
        let count = usize::try_from(count).ok().filter(|count| *count >= 3 && *count <= cursor.remaining() / 2);
        let mut corners = Vec::new();
        for _ in 0..count.ok_or(error::GEO_VERTICES_TOO_FEW)? {
            corners.push(parse_point(cursor.bytes()?, cursor.bytes()?, &self.level)?);
        }
        args.unit = Unit::Metres;
        parts.corners = Some(corners);
        Ok(())
    }

    /// Rejects what does not go together, in the order of the originals.
    fn check(&self, parts: &Parts, args: &SearchArgs) -> Result<(), CommandError> {
        if args.destination.is_some() && (args.with_distance || args.with_hash || args.with_point) {
            let is_search = self.form == Form::SearchStore;
            return Err(if is_search { error::GEOSEARCHSTORE_WITH } else { error::GEORADIUS_STORE });
        }
        let name = self.argv.at(0);
        let by_polygon = parts.corners.is_some();
        if self.is_search() && !parts.from_member && !parts.from_point && !by_polygon {
            return Err(error::geo_centre(name));
        }
        if self.is_search() && parts.radius.is_none() && parts.sides.is_none() && !by_polygon {
            return Err(error::geo_shape(name, (self.level)().searches_polygons()));
        }
        if args.any && args.count.is_none() {
            return Err(error::GEO_ANY);
        }
        Ok(())
    }
}

impl Parts {
    fn area(self) -> Option<Area> {
        let shape = match (self.centre, self.corners, self.sides, self.radius) {
            (_, Some(corners), ..) => Shape::Polygon(corners),
            (Some(centre), _, Some((width_m, height_m)), _) => Shape::Box { centre, width_m, height_m },
            (Some(centre), _, _, Some(radius_m)) => Shape::Circle { centre, radius_m },
            _ => return None,
        };
        Some(Area::new(shape))
    }
}
