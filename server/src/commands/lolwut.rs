//! LOLWUT: a picture.

use crate::args::Argv;
use crate::command::{CommandSpec, Flags};
use crate::context::Context;
use crate::error::{CommandError, CommandResult};
use crate::server::REDIS_VERSION;
use ochre_store::random::Random;

/// LOLWUT
pub static LOLWUT: CommandSpec = CommandSpec {
    name: "lolwut",
    arity: -1,
    flags: Flags::READONLY.with(Flags::FAST),
    since: "5.0.0",
    complexity: "",
    summary: "Draws a picture, another one each time.",
    syntax: "[VERSION version]",
    handler: lolwut,
    ..CommandSpec::BASE
};

fn lolwut(context: &mut Context<'_>) -> CommandResult {
    let size = Size::parse(context.argv)?;
    let mut text = size.map_or(String::new(), |size| dunes(size, &mut Random::new(crate::random::number())));
    text.push_str(&format!("Ochre ver. {} (Redis ver. {REDIS_VERSION})\n", env!("CARGO_PKG_VERSION")));
    context.reply.verbatim(b"txt", text);
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&LOLWUT];

/// Characters across and lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    columns: usize,
    rows: usize,
}

impl Size {
    const COLUMNS: i64 = 72;
    const ROWS: i64 = 16;

    /// Reads `[VERSION version] [columns [rows]]`; `None`: that version has no picture.
    fn parse(argv: Argv<'_>) -> Result<Option<Size>, CommandError> {
        let mut cursor = argv.cursor(1);
        let mut has_picture = true;
        if cursor.remaining() >= 2 && cursor.token("VERSION") {
            has_picture = cursor.int()? == 1;
        }
        let columns = if cursor.is_done() { Size::COLUMNS } else { cursor.int()? };
        let rows = if cursor.is_done() { Size::ROWS } else { cursor.int()? };
        let size = Size { columns: columns.clamp(1, 200) as usize, rows: rows.clamp(1, 100) as usize };
        Ok(has_picture.then_some(size))
    }
}

/// From far to near, the tones of the ridges.
const TONES: [char; 5] = ['.', ':', '+', '#', '@'];

/// Ridges of sand one before the other: each is the sum of three waves of random length and phase.
fn dunes(size: Size, random: &mut Random) -> String {
    let mut picture = vec![vec![' '; size.columns]; size.rows];
    let (sun_column, sun_row) = (random.below(size.columns), random.below(size.rows / 4 + 1));
    picture[sun_row][sun_column] = 'O';
    for (layer, tone) in TONES.into_iter().enumerate() {
        let depth = (layer + 1) as f64 / TONES.len() as f64;
        let waves: [(f64, f64); 3] = std::array::from_fn(|wave| {
            let turns = (wave + 1) as f64 * (0.5 + random.unit());
            (turns * std::f64::consts::TAU / size.columns as f64, random.unit() * std::f64::consts::TAU)
        });
        for column in 0..size.columns {
            let height: f64 = (waves.iter().zip([0.6, 0.3, 0.1]))
                .map(|((pace, phase), weight)| weight * (column as f64 * pace + phase).sin())
                .sum();
            let ridge = (size.rows as f64 * (0.2 + 0.65 * depth - 0.15 * height)).max(0.0) as usize;
            for line in picture.iter_mut().skip(ridge) {
                line[column] = tone;
            }
        }
    }
    let mut text: String = picture.into_iter().map(|line| line.into_iter().collect::<String>() + "\n").collect();
    text.push_str("\nDunes. ");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    #[test]
    fn arguments() {
        let parse = |line: &str| with_argv(line, |argv| Size::parse(argv).map_err(|error| error.text().into_owned()));
        assert_eq!(parse("lolwut"), Ok(Some(Size { columns: 72, rows: 16 })));
        assert_eq!(parse("lolwut version 1 9999 0"), Ok(Some(Size { columns: 200, rows: 1 })));
        assert_eq!(parse("lolwut VERSION 99 1 2"), Ok(None));
        let not_integer = Err("ERR value is not an integer or out of range".to_owned());
        assert_eq!(parse("lolwut version x"), not_integer);
        assert_eq!(parse("lolwut version 1 x"), not_integer);
    }

    #[test]
    fn pictures_have_the_size_asked_for_and_differ() {
        let draw = |seed, columns, rows| dunes(Size { columns, rows }, &mut Random::new(seed));
        for (columns, rows) in [(1, 1), (72, 16), (200, 100)] {
            let picture = draw(1, columns, rows);
            let lines: Vec<&str> = picture.lines().collect();
            assert_eq!(lines.len(), rows + 2);
            assert!(lines[..rows].iter().all(|line| line.chars().count() == columns));
        }
        assert_ne!(draw(1, 72, 16), draw(2, 72, 16));
    }
}
