//! MEMORY DOCTOR: what the figures say about the health of the memory.

use crate::metrics::memory::{MemoryReport, Proportion};

/// Below this, nothing can be said.
const USED_MIN: u64 = 5 << 20;
/// A peak so many times higher than what is used now explains much.
const PEAK_RATIO: f64 = 1.5;
/// Waste of fewer bytes is of no interest.
const WASTE_MIN: i64 = 10 << 20;
/// Buffers of a client above this are unusual.
const CLIENT_BYTES: u64 = 200 << 10;
/// Buffers of a replica above this are unusual.
const REPLICA_BYTES: u64 = 10 << 20;

/// Says what is wrong, a paragraph each.
pub(super) fn diagnosis(report: &MemoryReport) -> String {
    if report.used < USED_MIN {
        return "Too little memory is in use to tell anything from it: come back when there is more data.\n".to_owned();
    }
    let findings = findings(report);
    if findings.is_empty() {
        return "No trouble with memory was found.\n".to_owned();
    }
    let mut text = format!("Findings about memory: {}\n", findings.len());
    for finding in findings {
        text.push_str(&format!("\n * {finding}\n"));
    }
    text
}

fn findings(report: &MemoryReport) -> Vec<&'static str> {
    let is_waste = |part: Proportion, ratio_max: f64| part.ratio > ratio_max && part.bytes > WASTE_MIN;
    let checks = [
        (
            report.peak as f64 / report.used as f64 > PEAK_RATIO,
            "Peak: more than one and a half times as much memory was in use at some time than is now. Allocators do not \
             return all of it, so other figures below may only be an echo of that peak. The reserve will be used again \
             when the data grows; MEMORY PURGE returns what can be returned.",
        ),
        (
            is_waste(report.fragmentation(), 1.4),
            "Resident set: the process occupies over 1.4 times the memory that it asked for. A peak in the past causes \
             that, and so does a load that scatters small values of changing sizes.",
        ),
        (
            is_waste(report.allocator_fragmentation(), 1.1),
            "Fragmentation: the allocator's pages are used in part only, by more than a tenth. Values of changing sizes \
             cause that; rewriting the data, or a restart, packs it again.",
        ),
        (
            is_waste(report.allocator_resident(), 1.1),
            "Reserve: the allocator keeps over a tenth more pages than it uses, most likely since a peak. MEMORY PURGE \
             returns them.",
        ),
        (
            is_waste(report.resident_overhead(), 1.1),
            "Outside the allocator: over a tenth of the process's memory is not the allocator's. The tables of keys are \
             mapped by themselves and count here; beyond them it is the program and its threads.",
        ),
        (
            report.clients_normal.checked_div(report.clients).unwrap_or(0) > CLIENT_BYTES,
            "Clients: their buffers take over 200 KB each on average. Large pipelines, large replies, or subscribers that \
             read slowly cause that. CLIENT LIST tells whose they are.",
        ),
        (
            report.clients_replicas > REPLICA_BYTES,
            "Replicas: over 10 MB wait to be sent to them. Find the one that lags in INFO replication.",
        ),
    ];
    checks.into_iter().filter(|(found, _)| *found).map(|(_, text)| text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::memory::Allocator;

    #[test]
    fn only_what_is_wrong_is_found() {
        let mut report = MemoryReport { used: 1 << 20, ..MemoryReport::default() };
        assert!(diagnosis(&report).starts_with("Too little"));
        let used = 100 << 20;
        let allocator = Allocator { allocated: used, active: used, resident: used };
        report = MemoryReport { used, peak: used, resident: used, allocator, ..MemoryReport::default() };
        assert_eq!(diagnosis(&report), "No trouble with memory was found.\n");
        report.peak = 2 * used;
        report.allocator.active = used * 5 / 4;
        (report.clients, report.clients_normal) = (2, 1 << 20);
        let text = diagnosis(&report);
        assert!(text.starts_with("Findings about memory: 3\n"), "{text}");
        for word in ["Peak:", "Fragmentation:", "Clients:"] {
            assert!(text.contains(word), "{text}");
        }
    }
}
