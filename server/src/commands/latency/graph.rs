//! LATENCY GRAPH: bars of text.

use crate::latency::Event;

const COLUMNS: usize = 80;
const ROWS: usize = 4;
/// How a cell is filled, from little to much, and what stands below a bar's top.
const FILLS: [u8; 3] = *b"_o#";
const BELOW: u8 = b'|';

/// A bar for each sample, as high as it is above the lowest, labelled from top to bottom with the time since.
pub(super) fn draw(name: &str, event: &Event, now: i64) -> String {
    let millis = || event.samples.iter().map(|sample| sample.millis);
    let (low, high) = (millis().min().unwrap_or(0), millis().max().unwrap_or(0));
    let rule = "-".repeat(COLUMNS);
    let mut text = format!("{name} - high {high} ms, low {low} ms (all time high {} ms)\n{rule}\n", event.millis_max);
    for (number, samples) in event.samples.chunks(COLUMNS).enumerate() {
        if number > 0 {
            text.push('\n');
        }
        let heights: Vec<usize> = samples.iter().map(|sample| height(sample.millis, low, high)).collect();
        for row in (0..ROWS).rev() {
            line(&mut text, heights.iter().map(|height| cell(*height, row)));
        }
        line(&mut text, heights.iter().map(|_| b' '));
        let labels: Vec<String> = samples.iter().map(|sample| age(now.saturating_sub(sample.time))).collect();
        for row in 0..labels.iter().map(String::len).max().unwrap_or(0) {
            line(&mut text, labels.iter().map(|label| label.as_bytes().get(row).copied().unwrap_or(b' ')));
        }
    }
    text
}

fn line(text: &mut String, cells: impl Iterator<Item = u8>) {
    text.extend(cells.map(char::from));
    text.push('\n');
}

/// The height of a bar, in cells' fills above the first.
fn height(millis: u64, low: u64, high: u64) -> usize {
    let steps = ROWS * FILLS.len();
    let share = (millis - low) as f64 / (high - low).max(1) as f64;
    ((share * steps as f64) as usize).min(steps - 1)
}

/// What a bar shows in a row, counted from the bottom.
fn cell(height: usize, row: usize) -> u8 {
    match height.checked_sub(row * FILLS.len()) {
        Some(fill) => FILLS.get(fill).copied().unwrap_or(BELOW),
        None => b' ',
    }
}

fn age(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{}s", seconds.max(0)),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Sample;

    #[test]
    fn bars_are_as_high_as_their_samples() {
        let samples = vec![
            Sample { time: 900, millis: 300 },
            Sample { time: 990, millis: 400 },
            Sample { time: 999, millis: 500 },
        ];
        let text = draw("command", &Event { samples, millis_max: 900 }, 1000);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "command - high 500 ms, low 300 ms (all time high 900 ms)");
        assert_eq!(lines[1].len(), 80);
        assert_eq!(lines[2..], ["  #", " _|", " ||", "_||", "   ", "111", "m0s", " s "]);
    }
}
