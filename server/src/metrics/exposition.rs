//! The text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write};

/// The content type of the format.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a family of samples is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// Labels of a sample: names and values.
pub(crate) type Labels<'l> = &'l [(&'static str, &'l str)];

/// A text that grows by families of samples. All samples of a family follow its head.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    text: String,
    family: &'static str,
}

impl Exposition {
    /// An empty text.
    pub(crate) fn new() -> Exposition {
        Exposition { text: String::with_capacity(64 * 1024), family: "" }
    }
    /// Begins a family.
    pub(crate) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.family = name;
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }
    /// Adds a sample to the family.
    pub(crate) fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line("", labels, None, value);
    }
    /// A family of one sample without labels that only grows.
    pub(crate) fn counter(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, Kind::Counter, help);
        self.sample(&[], value);
    }
    /// A family of one sample without labels that goes up and down.
    pub(crate) fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, Kind::Gauge, help);
        self.sample(&[], value);
    }
    /// Adds a histogram to the family: `buckets` are upper bounds and how many values each of them bounds, the smaller ones
    /// included.
    pub(crate) fn histogram(
        &mut self,
        labels: Labels<'_>,
        buckets: impl Iterator<Item = (f64, u64)>,
        count: u64,
        sum: f64,
    ) {
        for (bound, below) in buckets {
            self.line("_bucket", labels, Some(&bound.to_string()), below);
        }
        self.line("_bucket", labels, Some("+Inf"), count);
        self.line("_sum", labels, None, sum);
        self.line("_count", labels, None, count);
    }
    /// The text.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: impl Display) {
        let (text, family) = (&mut self.text, self.family);
        text.push_str(family);
        text.push_str(suffix);
        let mut separator = '{';
        for (name, value) in labels.iter().copied().chain(bound.map(|bound| ("le", bound))) {
            let _ = write!(text, "{separator}{name}=\"");
            value.chars().for_each(|letter| push_escaped(text, letter));
            text.push('"');
            separator = ',';
        }
        if separator == ',' {
            text.push('}');
        }
        let _ = writeln!(text, " {value}");
    }
}

fn push_escaped(text: &mut String, letter: char) {
    match letter {
        '\\' => text.push_str("\\\\"),
        '"' => text.push_str("\\\""),
        '\n' => text.push_str("\\n"),
        letter => text.push(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // After the examples in the description of the format.
    #[test]
    fn samples_have_labels_and_histograms_bounds() {
        let mut exposition = Exposition::new();
        exposition.gauge("up", "Whether.", 1);
        exposition.family("http_seconds", Kind::Histogram, "How long.");
        exposition.histogram(&[("path", "C:\\\"x\"\n")], [(0.05, 2), (0.1, 3)].into_iter(), 4, 0.75);
        let expected = "# HELP up Whether.\n# TYPE up gauge\nup 1\n\
                        # HELP http_seconds How long.\n# TYPE http_seconds histogram\n\
                        http_seconds_bucket{path=\"C:\\\\\\\"x\\\"\\n\",le=\"0.05\"} 2\n\
                        http_seconds_bucket{path=\"C:\\\\\\\"x\\\"\\n\",le=\"0.1\"} 3\n\
                        http_seconds_bucket{path=\"C:\\\\\\\"x\\\"\\n\",le=\"+Inf\"} 4\n\
                        http_seconds_sum{path=\"C:\\\\\\\"x\\\"\\n\"} 0.75\n\
                        http_seconds_count{path=\"C:\\\\\\\"x\\\"\\n\"} 4\n";
        assert_eq!(exposition.finish(), expected);
    }
}
