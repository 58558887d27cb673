//! Small statistics, and tables in Markdown.

/// The middle value; 0 of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), middle.checked_sub(1).and_then(|below| values.get(below))) {
        (Some(above), Some(below)) if values.len().is_multiple_of(2) => (above + below) / 2.0,
        (Some(value), _) => *value,
        (None, _) => 0.0,
    }
}

/// The geometric mean of positive values; 0 of none.
pub(crate) fn geometric_mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    (values.iter().map(|value| value.ln()).sum::<f64>() / values.len() as f64).exp()
}

/// (Largest - smallest) / median, in per cent.
pub(crate) fn spread_percent(values: &[f64]) -> f64 {
    let (low, high) = values.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(*v), high.max(*v)));
    let middle = median(values.to_vec());
    if middle > 0.0 { (high - low) / middle * 100.0 } else { 0.0 }
}

/// Prints a table with its columns lined up.
pub(crate) fn print(heads: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(String::len);
        cells.chain(heads.get(column).map(|head| head.len())).max().unwrap_or(0)
    };
    let line = |cells: Vec<String>| {
        let padded = cells.iter().enumerate().map(|(at, cell)| format!("{cell:>width$}", width = width(at)));
        println!("| {} |", padded.collect::<Vec<_>>().join(" | "));
    };
    line(heads.iter().map(|head| (*head).to_owned()).collect());
    line((0..heads.len()).map(|column| "-".repeat(width(column))).collect());
    for row in rows {
        line(row.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(vec![]), 0.0);
        assert!((geometric_mean(&[0.5, 2.0]) - 1.0).abs() < 1e-12);
        assert!((spread_percent(&[1.0, 2.0, 3.0]) - 100.0).abs() < 1e-9);
    }
}
