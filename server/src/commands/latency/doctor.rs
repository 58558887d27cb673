//! LATENCY DOCTOR: what the spikes may come from, and what could be done.

use crate::config::Config;
use crate::latency::Event;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Something to try, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Advice {
    EnableSlowlog,
    LowerSlowlogThreshold,
    ReadSlowlog,
    CheckMachine,
    RaiseHz,
    SplitValues,
    AvoidPressure,
    DisableHugePages,
}

/// A report about `events` for a human reader; `now` in Unix seconds.
pub(super) fn report(events: &BTreeMap<&'static str, Event>, config: &Config, now: i64) -> String {
    let mut advice = Vec::new();
    if events.is_empty() && config.latency_monitor_threshold == 0 {
        return "Nothing is known about latency, because it is not watched. \
                Switch the monitor on with CONFIG SET latency-monitor-threshold <milliseconds>.\n"
            .to_owned();
    }
    let mut text = String::new();
    for (number, (name, event)) in events.iter().enumerate() {
        if number == 0 {
            text.push_str("Latency spikes were observed:\n\n");
        }
        let _ = writeln!(text, "{}. {}", number + 1, describe(name, event, now));
        advice.extend(advice_on(name, config));
    }
    if uses_huge_pages() {
        advice.push(Advice::DisableHugePages);
    }
    advice.sort_unstable();
    advice.dedup();
    match (events.is_empty(), advice.is_empty()) {
        (true, true) => text.push_str("No latency spike was observed since the monitor was switched on or reset.\n"),
        (false, true) => text.push_str("\nNo simple remedy for these events is known.\n"),
        (_, false) => text.push_str("\nWhat may help:\n\n"),
    }
    for advice in advice {
        let _ = writeln!(text, "- {}", wording(advice, config));
    }
    text
}

fn describe(name: &str, event: &Event, now: i64) -> String {
    let count = event.samples.len().max(1) as u64;
    let average = event.samples.iter().map(|sample| sample.millis).sum::<u64>() / count;
    let deviation = event.samples.iter().map(|sample| sample.millis.abs_diff(average)).sum::<u64>() / count;
    let oldest = event.samples.iter().map(|sample| sample.time).min().unwrap_or(now);
    let period = now.saturating_sub(oldest).max(1) as f64 / count as f64;
    format!(
        "{name}: {} latency spikes (average {average}ms, mean deviation {deviation}ms, period {period:.2} sec). \
         Worst all time event {}ms.",
        event.samples.len(),
        event.millis_max
    )
}

fn advice_on(event: &str, config: &Config) -> Vec<Advice> {
    match event {
        "command" => {
            let threshold_us = i64::try_from(config.latency_monitor_threshold.saturating_mul(1000));
            let slowlog = match config.slowlog_log_slower_than {
                ..0 => Some(Advice::EnableSlowlog),
                micros if micros > threshold_us.unwrap_or(i64::MAX) => Some(Advice::LowerSlowlogThreshold),
                _ => None,
            };
            slowlog.into_iter().chain([Advice::ReadSlowlog, Advice::SplitValues]).collect()
        }
        "fast-command" => vec![Advice::CheckMachine],
        "expire-cycle" if config.hz < 100 => vec![Advice::RaiseHz, Advice::SplitValues],
        "expire-cycle" | "eviction-del" => vec![Advice::SplitValues],
        "eviction-cycle" => vec![Advice::AvoidPressure],
        _ => Vec::new(),
    }
}

fn wording(advice: Advice, config: &Config) -> String {
    let threshold_us = config.latency_monitor_threshold.saturating_mul(1000);
    match advice {
        Advice::EnableSlowlog => format!(
            "The slow log is off, so it cannot tell which commands are slow. \
             Switch it on with CONFIG SET slowlog-log-slower-than {threshold_us}."
        ),
        Advice::LowerSlowlogThreshold => format!(
            "The slow log leaves out commands that the latency monitor counts as spikes. \
             Let it see them with CONFIG SET slowlog-log-slower-than {threshold_us}."
        ),
        Advice::ReadSlowlog => "SLOWLOG GET names the slow commands and their arguments.".to_owned(),
        Advice::CheckMachine => "Commands that do little took long: the process probably waited for a processor. \
             Look for other load on the machine, for neighbours of a virtual one, and for swapping."
            .to_owned(),
        Advice::RaiseHz => "CONFIG SET hz 100 spreads the expiry of keys over more and shorter turns.".to_owned(),
        Advice::SplitValues => "Very large values take long to work through, also when they expire or are evicted: \
             split them, and delete them with UNLINK."
            .to_owned(),
        Advice::AvoidPressure => "Memory came close to its limit in a short time, as after a lower maxmemory or a few \
             very large writes, and many keys had to be evicted at once."
            .to_owned(),
        Advice::DisableHugePages => "The kernel backs this process with transparent huge pages, which makes some \
             accesses slow. Write 'never' to /sys/kernel/mm/transparent_hugepage/enabled and restart."
            .to_owned(),
    }
}

/// Whether the kernel has given this process anonymous huge pages.
fn uses_huge_pages() -> bool {
    let summary = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let field = summary.lines().find_map(|line| line.strip_prefix("AnonHugePages:"));
    field.is_some_and(|size| size.split_ascii_whitespace().next().is_some_and(|kilobytes| kilobytes != "0"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Sample;

    #[test]
    fn each_event_is_described_and_gets_advice() {
        let samples = vec![Sample { time: 90, millis: 20 }, Sample { time: 95, millis: 40 }];
        let events = BTreeMap::from([("expire-cycle", Event { samples, millis_max: 70 })]);
        let config = Config { latency_monitor_threshold: 10, ..Config::default() };
        let text = report(&events, &config, 100);
        let line = "1. expire-cycle: 2 latency spikes (average 30ms, mean deviation 10ms, period 5.00 sec). \
                    Worst all time event 70ms.";
        assert!(text.lines().any(|found| found == line), "{text}");
        assert!(text.contains("CONFIG SET hz 100"), "{text}");
    }

    #[test]
    fn a_monitor_that_is_off_is_said_to_be() {
        let text = report(&BTreeMap::new(), &Config::default(), 100);
        assert!(text.contains("latency-monitor-threshold"), "{text}");
    }
}
