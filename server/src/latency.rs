//! The latency monitor: spikes by event, over time.

use parking_lot::Mutex;
use std::collections::BTreeMap;

/// A spike: Unix seconds, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When, in Unix seconds.
    pub time: i64,
    /// The worst of that second, in milliseconds.
    pub millis: u64,
}

/// The spikes of one event.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// Oldest first, at most [`LatencyMonitor::SAMPLES`], one a second.
    pub samples: Vec<Sample>,
    /// The worst ever.
    pub millis_max: u64,
}

/// Spikes above `latency-monitor-threshold`, by event.
#[derive(Default)]
pub struct LatencyMonitor {
    events: Mutex<BTreeMap<&'static str, Event>>,
}

impl LatencyMonitor {
    /// How many samples an event keeps.
    pub const SAMPLES: usize = 160;

    /// Records a spike.
    pub fn add(&self, event: &'static str, time: i64, millis: u64) {
        let mut events = self.events.lock();
        let event = events.entry(event).or_default();
        event.millis_max = event.millis_max.max(millis);
        match event.samples.last_mut() {
            Some(last) if last.time == time => last.millis = last.millis.max(millis),
            _ => {
                if event.samples.len() == Self::SAMPLES {
                    event.samples.remove(0);
                }
                event.samples.push(Sample { time, millis });
            }
        }
    }
    /// All events by name.
    pub fn events(&self) -> BTreeMap<&'static str, Event> {
        self.events.lock().clone()
    }
    /// Forgets the named events, or all where none is named; how many were forgotten.
    pub fn reset(&self, names: &[&[u8]]) -> usize {
        let mut events = self.events.lock();
        let before = events.len();
        events.retain(|name, _| !names.is_empty() && !names.iter().any(|n| n.eq_ignore_ascii_case(name.as_bytes())));
        before - events.len()
    }
}
