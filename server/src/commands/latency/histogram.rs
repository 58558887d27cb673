//! LATENCY HISTOGRAM.

use crate::command::Command;
use crate::context::Context;
use crate::error::CommandResult;
use crate::stats::LatencyHistogram;

/// The first bucket ends after so many nanoseconds; each further one is twice as wide.
const FIRST_BUCKET_NANOS: u64 = 1024;
/// Real servers count with two significant digits: what is at most a 128th longer is counted with what a bucket ends
/// with, and the bucket named after that. Clients may know those names.
const PRECISION: u64 = 128;

/// How often a command was executed by duration, over all workers.
struct Distribution<'c> {
    command: &'c Command,
    counts: Vec<u64>,
}

pub(super) fn histogram(context: &mut Context<'_>) -> CommandResult {
    let table = &context.server.commands;
    let mut wanted: Vec<&Command> = Vec::new();
    if context.argv.len() == 2 {
        wanted.extend(table.all());
    }
    for name in context.argv.iter().skip(2) {
        let Some(command) = table.get_full(name) else { continue };
        wanted.push(command);
        wanted.extend(command.subcommands.iter().map(|id| table.by_id(*id)));
    }
    let known: Vec<_> = wanted.into_iter().filter_map(|command| distribution(context, command)).collect();
    let reply = &mut context.reply;
    reply.map(known.len());
    for Distribution { command, counts } in &known {
        reply.bulk(&command.full_name);
        reply.map(2);
        reply.bulk("calls");
        reply.int(counts.iter().sum::<u64>() as i64);
        reply.bulk("histogram_usec");
        let steps = cumulated(counts);
        reply.map(steps.len());
        for (micros, count) in steps {
            reply.int(micros as i64);
            reply.int(count as i64);
        }
    }
    Ok(())
}

/// The counts of a command; `None` if it was not executed.
fn distribution<'c>(context: &Context<'_>, command: &'c Command) -> Option<Distribution<'c>> {
    let mut counts = vec![0; LatencyHistogram::BUCKETS];
    context.server.stats.each(|worker| {
        let latency = worker.by_command.get(usize::from(command.id)).and_then(|stats| stats.latency.get());
        if let Some(latency) = latency {
            counts.iter_mut().zip(latency.counts()).for_each(|(sum, count)| *sum += u64::from(count));
        }
    });
    counts.iter().any(|count| *count > 0).then_some(Distribution { command, counts })
}

/// The buckets, by the microseconds each ends with, that hold more than those before them; counts add up.
fn cumulated(counts: &[u64]) -> Vec<(u64, u64)> {
    let mut steps = Vec::new();
    let (mut total, mut shown, mut end) = (0, 0, FIRST_BUCKET_NANOS);
    for (bucket, count) in counts.iter().enumerate() {
        while LatencyHistogram::upper_bound(bucket) > end {
            if total > shown {
                steps.push((label(end), total));
                shown = total;
            }
            end *= 2;
        }
        total += count;
    }
    if total > shown {
        steps.push((label(end), total));
    }
    steps
}

fn label(end_nanos: u64) -> u64 {
    (end_nanos + end_nanos / PRECISION - 1) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_double_and_bear_the_names_that_clients_know() {
        let histogram = LatencyHistogram::default();
        for nanos in [500, 1_000, 1_500, 20_000, 20_001, 150_000, 40_000_000] {
            histogram.record(nanos);
        }
        let counts: Vec<u64> = histogram.counts().map(u64::from).collect();
        assert_eq!(cumulated(&counts), [(1, 2), (2, 3), (33, 5), (264, 6), (67633, 7)]);
    }

    #[test]
    fn nothing_has_no_bucket() {
        assert_eq!(cumulated(&[0; LatencyHistogram::BUCKETS]), []);
    }
}
