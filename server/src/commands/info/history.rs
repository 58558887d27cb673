//! Per command and per error: sections commandstats, errorstats and latencystats.

use super::{Lines, View};
use crate::command::Command;
use crate::stats::LatencyHistogram;

/// `# Commandstats`
pub(super) fn commandstats(lines: &mut Lines, view: &View<'_>) {
    let server = view.server;
    for (command, name) in commands(view) {
        let total = server.stats.of_command(command.id);
        if total.calls == 0 && total.rejected == 0 && total.failed == 0 {
            continue;
        }
        let micros = total.nanos / 1000;
        let micros_per_call = if total.calls == 0 { 0.0 } else { micros as f64 / total.calls as f64 };
        lines.field(
            format_args!("cmdstat_{name}"),
            format_args!(
                "calls={},usec={micros},usec_per_call={micros_per_call:.2},rejected_calls={},failed_calls={}",
                total.calls, total.rejected, total.failed
            ),
        );
    }
}

/// `# Errorstats`
pub(super) fn errorstats(lines: &mut Lines, view: &View<'_>) {
    for (code, count) in view.server.stats.errors_by_code.lock().iter() {
        lines.field(format_args!("errorstat_{}", safe(code)), format_args!("count={count}"));
    }
}

/// `# Latencystats`
pub(super) fn latencystats(lines: &mut Lines, view: &View<'_>) {
    let server = view.server;
    let config = server.config();
    if !config.latency_tracking {
        return;
    }
    for (command, name) in commands(view) {
        let counts = server.stats.latency_of_command(command.id);
        if counts.iter().all(|count| *count == 0) {
            continue;
        }
        let shown = config.latency_tracking_info_percentiles.iter().map(|percentile| {
            let micros = LatencyHistogram::percentile(&counts, *percentile) as f64 / 1000.0;
            let percentile = format!("{percentile:.6}");
            format!("p{}={micros:.3}", percentile.trim_end_matches('0').trim_end_matches('.'))
        });
        lines.field(format_args!("latency_percentiles_usec_{name}"), shown.collect::<Vec<_>>().join(","));
    }
}

/// Every command and subcommand, with its name as it can stand in a line of INFO.
fn commands<'c>(view: &View<'c>) -> impl Iterator<Item = (&'c Command, String)> {
    view.server.commands.all().iter().map(|command| (command, safe(&command.full_name)))
}

/// Replaces what would break a line of INFO or its parser.
fn safe(text: &str) -> String {
    text.replace(['#', ':', '\n', '\r'], "_")
}
