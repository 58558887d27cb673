//! Results as text: the layouts of `redis-benchmark` 7.0 and later, and JSON.

use std::fmt::Write;

use crate::bench::histogram::{Histogram, Step};

/// First line of CSV output.
pub const CSV_HEADER: &str = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
\"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"";

/// Steps of the cumulative distribution are this wide up to [`FINE_UP_TO_US`], and [`COARSE_STEP_US`] from there.
const FINE_STEP_US: u64 = 100;
const FINE_UP_TO_US: u64 = 2_000;
const COARSE_STEP_US: u64 = 1_000;

/// What was measured in one test, and under which circumstances.
#[derive(Debug)]
pub struct Outcome {
    /// Title of the test.
    pub title: String,
    /// Answered requests.
    pub requests: u64,
    /// Duration in seconds.
    pub seconds: f64,
    /// Latencies.
    pub latencies: Histogram,
    /// Connections.
    pub clients: usize,
    /// Threads asked for; 0 for the single-threaded mode.
    pub threads: usize,
    /// Requests sent at once.
    pub pipeline: usize,
    /// Payload in bytes.
    pub payload: usize,
    /// Whether connections were kept.
    pub keepalive: bool,
    /// The server's `save` and `appendonly`, if it told.
    pub server_config: Option<(String, String)>,
}

impl Outcome {
    /// Requests a second.
    #[must_use]
    pub fn rps(&self) -> f64 {
        if self.seconds > 0.0 { self.requests as f64 / self.seconds } else { 0.0 }
    }

    /// One line with throughput and median latency, without line end.
    #[must_use]
    pub fn quiet(&self) -> String {
        format!("{}: {:.2} requests per second, p50={:.3} msec", self.title, self.rps(), self.percentile_ms(50.0))
    }

    /// One line of CSV under [`CSV_HEADER`], without line end. Quotes inside the title are doubled.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut line = format!("\"{}\",\"{:.2}\"", self.title.replace('"', "\"\""), self.rps());
        for value in self.summary_ms() {
            let _ = write!(line, ",\"{value:.3}\"");
        }
        line
    }

    /// One JSON object on one line, without line end; latencies in milliseconds.
    #[must_use]
    pub fn json(&self) -> String {
        let [avg, min, p50, p95, p99, max] = self.summary_ms();
        let p999 = self.percentile_ms(99.9);
        format!(
            "{{\"test\":{title},\"requests\":{requests},\"seconds\":{seconds:.6},\"rps\":{rps:.2},\
             \"clients\":{clients},\"threads\":{threads},\"pipeline\":{pipeline},\"payload_bytes\":{payload},\
             \"latency_ms\":{{\"avg\":{avg:.4},\"min\":{min:.4},\"p50\":{p50:.4},\"p95\":{p95:.4},\
             \"p99\":{p99:.4},\"p99_9\":{p999:.4},\"max\":{max:.4}}}}}",
            title = serde_json::Value::from(self.title.as_str()),
            requests = self.requests,
            seconds = self.seconds,
            rps = self.rps(),
            clients = self.clients,
            threads = self.threads.max(1),
            pipeline = self.pipeline,
            payload = self.payload,
        )
    }

    /// The whole report, lines ended.
    #[must_use]
    pub fn full(&self) -> String {
        let mut out = format!("====== {} ======\n", self.title);
        let _ = writeln!(out, "  {} requests completed in {:.2} seconds", self.requests, self.seconds);
        let _ = writeln!(out, "  {} parallel clients", self.clients);
        let _ = writeln!(out, "  {} bytes payload", self.payload);
        let _ = writeln!(out, "  keep alive: {}", u8::from(self.keepalive));
        if let Some((save, appendonly)) = &self.server_config {
            let _ = writeln!(out, "  host configuration \"save\": {save}");
            let _ = writeln!(out, "  host configuration \"appendonly\": {appendonly}");
        }
        let _ = writeln!(out, "  multi-thread: {}", if self.threads > 0 { "yes" } else { "no" });
        if self.threads > 0 {
            let _ = writeln!(out, "  threads: {}", self.threads);
        }
        out.push_str("\nLatency by percentile distribution:\n");
        self.percentile_lines(&mut out);
        out.push_str("\nCumulative distribution of latencies:\n");
        self.cumulative_lines(&mut out);
        out.push_str("\nSummary:\n");
        let _ = writeln!(out, "  throughput summary: {:.2} requests per second", self.rps());
        out.push_str("  latency summary (msec):\n");
        let _ = writeln!(out, "    {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}", "avg", "min", "p50", "p95", "p99", "max");
        let [avg, min, p50, p95, p99, max] = self.summary_ms();
        let _ = writeln!(out, "    {avg:>9.3} {min:>9.3} {p50:>9.3} {p95:>9.3} {p99:>9.3} {max:>9.3}");
        out
    }

    /// Average, minimum, median, 95th and 99th percentile, maximum.
    fn summary_ms(&self) -> [f64; 6] {
        [
            self.latencies.mean_us() / 1000.0,
            self.latencies.min_us() as f64 / 1000.0,
            self.percentile_ms(50.0),
            self.percentile_ms(95.0),
            self.percentile_ms(99.0),
            self.latencies.max_us() as f64 / 1000.0,
        ]
    }

    fn percentile_ms(&self, percentile: f64) -> f64 {
        self.latencies.percentile_us(percentile) as f64 / 1000.0
    }

    /// Percentiles that halve the distance to 100 with each line: 0, 50, 75, 87.5 and so on.
    fn percentile_lines(&self, out: &mut String) {
        let total = self.latencies.total();
        let (mut level, mut printed) = (0.0f64, None);
        let mut last = Step { highest_us: 0, cumulative: 0 };
        for step in self.latencies.steps() {
            let reached = 100.0 * step.cumulative as f64 / total as f64;
            while level <= reached {
                if printed != Some(step.cumulative) || step.cumulative == total {
                    distribution_line(out, level, step);
                }
                printed = Some(step.cumulative);
                level += (100.0 - level) / 2.0;
                if step.cumulative == total {
                    break;
                }
            }
            last = step;
        }
        if total > 0 {
            distribution_line(out, 100.0, last);
        }
    }

    fn cumulative_lines(&self, out: &mut String) {
        let total = self.latencies.total();
        let mut steps = self.latencies.steps().peekable();
        let (mut level_us, mut cumulative, mut printed) = (FINE_STEP_US, 0, 0);
        while cumulative < total {
            while let Some(step) = steps.next_if(|step| step.highest_us <= level_us) {
                cumulative = step.cumulative;
            }
            if cumulative != printed {
                let percentile = 100.0 * cumulative as f64 / total as f64;
                distribution_line(out, percentile, Step { highest_us: level_us, cumulative });
            }
            printed = cumulative;
            level_us += if level_us > FINE_UP_TO_US { COARSE_STEP_US } else { FINE_STEP_US };
        }
    }
}

fn distribution_line(out: &mut String, percentile: f64, step: Step) {
    let value_ms = step.highest_us as f64 / 1000.0;
    let _ = writeln!(out, "{percentile:.3}% <= {value_ms:.3} milliseconds (cumulative count {})", step.cumulative);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        let mut latencies = Histogram::new(3);
        for (value_us, count) in [(50, 5), (90, 3), (250, 1), (4_000, 1)] {
            latencies.record(value_us, count);
        }
        Outcome {
            title: "SET \"x\"".into(),
            requests: 10,
            seconds: 0.5,
            latencies,
            clients: 2,
            threads: 0,
            pipeline: 1,
            payload: 3,
            keepalive: true,
            server_config: Some(("3600 1".into(), "no".into())),
        }
    }

    #[test]
    fn one_line_forms() {
        assert_eq!(outcome().quiet(), "SET \"x\": 20.00 requests per second, p50=0.050 msec");
        assert_eq!(
            outcome().csv(),
            "\"SET \"\"x\"\"\",\"20.00\",\"0.477\",\"0.050\",\"0.050\",\"4.000\",\"4.000\",\"4.000\""
        );
        assert_eq!(
            outcome().json(),
            "{\"test\":\"SET \\\"x\\\"\",\"requests\":10,\"seconds\":0.500000,\"rps\":20.00,\"clients\":2,\
             \"threads\":1,\"pipeline\":1,\"payload_bytes\":3,\"latency_ms\":{\"avg\":0.4770,\"min\":0.0500,\
             \"p50\":0.0500,\"p95\":4.0000,\"p99\":4.0000,\"p99_9\":4.0000,\"max\":4.0000}}"
        );
    }

    #[test]
    fn the_full_report_has_the_known_layout() {
        let report = outcome().full();
        let (head, distributions) = report.split_once("Latency by percentile distribution:\n").unwrap();
        assert_eq!(
            head,
            "====== SET \"x\" ======\n  10 requests completed in 0.50 seconds\n  2 parallel clients\n  \
             3 bytes payload\n  keep alive: 1\n  host configuration \"save\": 3600 1\n  \
             host configuration \"appendonly\": no\n  multi-thread: no\n\n"
        );
        let expected = "0.000% <= 0.050 milliseconds (cumulative count 5)\n\
            75.000% <= 0.090 milliseconds (cumulative count 8)\n\
            87.500% <= 0.250 milliseconds (cumulative count 9)\n\
            93.750% <= 4.001 milliseconds (cumulative count 10)\n\
            100.000% <= 4.001 milliseconds (cumulative count 10)\n\n\
            Cumulative distribution of latencies:\n\
            80.000% <= 0.100 milliseconds (cumulative count 8)\n\
            90.000% <= 0.300 milliseconds (cumulative count 9)\n\
            100.000% <= 4.100 milliseconds (cumulative count 10)\n\n";
        assert!(distributions.starts_with(expected), "{distributions}");
    }
}
