//! Directives that hold lists: addresses, save points, buffer limits, scores, percentiles.

use super::choice::must_be_one_of;
use super::number::{memory_size, short_size};
use super::{Codec, Mention, Written, loose_integer, utf8};

/// The most addresses that `bind` takes.
const ADDRESSES_MAX: usize = 16;

/// A list of words; one empty word is the empty list.
pub(in super::super) struct Addresses(pub(in super::super) &'static [&'static str]);

impl Codec for Addresses {
    type Value = Vec<String>;
    const MULTIPLE: bool = true;

    fn default(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    fn parse(&self, words: &[Vec<u8>], _old: &Vec<String>, _mention: Mention) -> Result<Vec<String>, String> {
        match words {
            [only] if only.is_empty() => Ok(Vec::new()),
            words if words.len() > ADDRESSES_MAX => Err("Too many bind addresses specified.".to_owned()),
            words => words.iter().map(|word| utf8(word).map(ToOwned::to_owned)).collect(),
        }
    }

    fn render(&self, value: &Vec<String>) -> Vec<u8> {
        value.join(" ").into_bytes()
    }

    fn written(&self, value: &Vec<String>, default: &Vec<String>) -> Vec<Written> {
        if value == default {
            return Vec::new();
        }
        let arguments = if value.is_empty() { "\"\"".to_owned() } else { value.join(" ") };
        vec![Written { arguments, forced: true }]
    }

    fn shape(&self) -> String {
        format!("up to {ADDRESSES_MAX} addresses")
    }
}

/// When the data set is saved: after so many seconds if so many writes happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SavePoint {
    /// Seconds since the last save, at least 1.
    pub seconds: u64,
    /// Writes since the last save.
    pub changes: u64,
}

/// The save points. Lines of a file add up, the first one replaces the defaults, and `save ""` starts over.
pub(in super::super) struct Save;

impl Codec for Save {
    type Value = Vec<SavePoint>;
    const MULTIPLE: bool = true;

    fn default(&self) -> Vec<SavePoint> {
        [(3600, 1), (300, 100), (60, 10_000)].map(|(seconds, changes)| SavePoint { seconds, changes }).to_vec()
    }

    fn parse(&self, words: &[Vec<u8>], old: &Vec<SavePoint>, mention: Mention) -> Result<Vec<SavePoint>, String> {
        let mut points = if mention == Mention::Repeated { old.clone() } else { Vec::new() };
        if let [only] = words
            && only.is_empty()
        {
            return Ok(Vec::new());
        }
        let number = |word: &Vec<u8>, min: u64| {
            loose_integer(word).and_then(|number| u64::try_from(number).ok()).filter(|number| *number >= min)
        };
        for pair in words.chunks(2) {
            let parsed = match pair {
                [seconds, changes] => number(seconds, 1).zip(number(changes, 0)),
                _ => None,
            };
            let (seconds, changes) = parsed.ok_or("Invalid save parameters")?;
            points.push(SavePoint { seconds, changes });
        }
        Ok(points)
    }

    fn render(&self, value: &Vec<SavePoint>) -> Vec<u8> {
        let pairs: Vec<String> = value.iter().map(|point| format!("{} {}", point.seconds, point.changes)).collect();
        pairs.join(" ").into_bytes()
    }

    fn written(&self, value: &Vec<SavePoint>, _default: &Vec<SavePoint>) -> Vec<Written> {
        // Always written, as by Redis: a reader then need not know the defaults of the version that wrote it.
        if value.is_empty() {
            return vec![Written { arguments: "\"\"".to_owned(), forced: true }];
        }
        let line = |point: &SavePoint| format!("{} {}", point.seconds, point.changes);
        value.iter().map(|point| Written { arguments: line(point), forced: true }).collect()
    }

    fn shape(&self) -> String {
        "pairs of seconds and writes, or \"\"".to_owned()
    }
}

/// How much output may wait for one client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OutputLimit {
    /// Bytes at which the client is closed at once; 0 is no limit.
    pub hard: u64,
    /// Bytes at which it is closed after `soft_seconds`; 0 is no limit.
    pub soft: u64,
    /// How many seconds it may stay above `soft`.
    pub soft_seconds: u32,
}

/// [`OutputLimit`] by class of client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutputLimits {
    /// Ordinary clients.
    pub normal: OutputLimit,
    /// Replicas.
    pub replica: OutputLimit,
    /// Subscribers.
    pub pubsub: OutputLimit,
}

/// The output buffer limits; what is not named keeps its limit.
pub(in super::super) struct OutputBuffers;

impl Codec for OutputBuffers {
    type Value = OutputLimits;
    const MULTIPLE: bool = true;

    fn default(&self) -> OutputLimits {
        OutputLimits {
            normal: OutputLimit::default(),
            replica: OutputLimit { hard: 256 << 20, soft: 64 << 20, soft_seconds: 60 },
            pubsub: OutputLimit { hard: 32 << 20, soft: 8 << 20, soft_seconds: 60 },
        }
    }

    fn parse(&self, words: &[Vec<u8>], old: &OutputLimits, _mention: Mention) -> Result<OutputLimits, String> {
        let mut limits = *old;
        if words.len().checked_rem(4) != Some(0) {
            return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
        }
        for group in words.chunks(4) {
            let [class, hard, soft, seconds] = group else { continue };
            let target = match class.to_ascii_lowercase().as_slice() {
                b"normal" => &mut limits.normal,
                b"slave" | b"replica" => &mut limits.replica,
                b"pubsub" => &mut limits.pubsub,
                _ => return Err("Invalid client class specified in buffer limit configuration.".to_owned()),
            };
            let seconds = loose_integer(seconds).and_then(|number| u32::try_from(number).ok());
            *target = match (memory_size(hard), memory_size(soft), seconds) {
                (Some(hard), Some(soft), Some(soft_seconds)) => OutputLimit { hard, soft, soft_seconds },
                _ => {
                    let reason = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
                    return Err(reason.to_owned());
                }
            };
        }
        Ok(limits)
    }

    fn render(&self, value: &OutputLimits) -> Vec<u8> {
        // The wire keeps the old name of the class.
        let classes = [("normal", value.normal), ("slave", value.replica), ("pubsub", value.pubsub)];
        let parts =
            classes.map(|(class, limit)| format!("{class} {} {} {}", limit.hard, limit.soft, limit.soft_seconds));
        parts.join(" ").into_bytes()
    }

    fn written(&self, value: &OutputLimits, default: &OutputLimits) -> Vec<Written> {
        let classes = [
            ("normal", value.normal, default.normal),
            ("replica", value.replica, default.replica),
            ("pubsub", value.pubsub, default.pubsub),
        ];
        let line = |(class, limit, default): (&str, OutputLimit, OutputLimit)| {
            let [hard, soft] = [limit.hard, limit.soft].map(|bytes| short_size(i128::from(bytes)));
            Written { arguments: format!("{class} {hard} {soft} {}", limit.soft_seconds), forced: limit != default }
        };
        classes.map(line).to_vec()
    }

    fn shape(&self) -> String {
        "normal, replica or pubsub, hard size, soft size, seconds".to_owned()
    }
}

/// The OOM scores of primary, replica and background work.
pub(in super::super) struct OomScores;

impl Codec for OomScores {
    type Value = [i32; 3];
    const MULTIPLE: bool = true;

    fn default(&self) -> [i32; 3] {
        [0, 200, 800]
    }

    fn parse(&self, words: &[Vec<u8>], _old: &[i32; 3], _mention: Mention) -> Result<[i32; 3], String> {
        let [primary, replica, background] = words else {
            return Err("wrong number of arguments".to_owned());
        };
        let score = |word: &Vec<u8>| {
            let number = loose_integer(word).and_then(|number| i32::try_from(number).ok());
            number
                .filter(|number| (-2000..=2000).contains(number))
                .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
        };
        Ok([score(primary)?, score(replica)?, score(background)?])
    }

    fn render(&self, value: &[i32; 3]) -> Vec<u8> {
        value.map(|score| score.to_string()).join(" ").into_bytes()
    }

    fn shape(&self) -> String {
        "three numbers, -2000 to 2000".to_owned()
    }
}

/// The percentiles that `INFO latencystats` shows.
pub(in super::super) struct Percentiles;

impl Codec for Percentiles {
    type Value = Vec<f64>;
    const MULTIPLE: bool = true;

    fn default(&self) -> Vec<f64> {
        vec![50.0, 99.0, 99.9]
    }

    fn parse(&self, words: &[Vec<u8>], _old: &Vec<f64>, _mention: Mention) -> Result<Vec<f64>, String> {
        if let [only] = words
            && only.is_empty()
        {
            return Ok(Vec::new());
        }
        let percentile = |word: &Vec<u8>| match utf8(word).ok().and_then(|text| text.parse::<f64>().ok()) {
            Some(number) if (0.0..=100.0).contains(&number) => Ok(number),
            Some(number) if !number.is_nan() => {
                Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".to_owned())
            }
            _ => Err("Invalid latency-tracking-info-percentiles parameters".to_owned()),
        };
        words.iter().map(percentile).collect()
    }

    fn render(&self, value: &Vec<f64>) -> Vec<u8> {
        let short = |number: &f64| {
            let text = format!("{number:.6}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        value.iter().map(short).collect::<Vec<_>>().join(" ").into_bytes()
    }

    fn written(&self, value: &Vec<f64>, default: &Vec<f64>) -> Vec<Written> {
        let text = String::from_utf8_lossy(&self.render(value)).into_owned();
        let arguments = if text.is_empty() { "\"\"".to_owned() } else { text };
        vec![Written { arguments, forced: value != default }]
    }

    fn shape(&self) -> String {
        "numbers, 0.0 to 100.0".to_owned()
    }
}

/// How the server goes down on a signal; all false is the default way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShutdownFlags {
    /// Save even without save points.
    pub save: bool,
    /// Do not save.
    pub nosave: bool,
    /// Do not wait for replicas.
    pub now: bool,
    /// Go down even when saving failed.
    pub force: bool,
    /// Refuse while the process still owns slots.
    pub safe: bool,
    /// Hand over to a replica first.
    pub failover: bool,
}

/// The words of `shutdown-on-sigint` and `shutdown-on-sigterm`.
pub(in super::super) struct ShutdownOn;

const SHUTDOWN_WORDS: [&str; 7] = ["default", "save", "nosave", "now", "force", "safe", "failover"];

impl Codec for ShutdownOn {
    type Value = ShutdownFlags;
    const MULTIPLE: bool = true;

    fn default(&self) -> ShutdownFlags {
        ShutdownFlags::default()
    }

    fn parse(&self, words: &[Vec<u8>], _old: &ShutdownFlags, _mention: Mention) -> Result<ShutdownFlags, String> {
        let mut flags = ShutdownFlags::default();
        if words.is_empty() {
            return Err(must_be_one_of(SHUTDOWN_WORDS.into_iter()));
        }
        for word in words {
            match word.to_ascii_lowercase().as_slice() {
                b"default" => {}
                b"save" => flags.save = true,
                b"nosave" => flags.nosave = true,
                b"now" => flags.now = true,
                b"force" => flags.force = true,
                b"safe" => flags.safe = true,
                b"failover" => flags.failover = true,
                _ => return Err(must_be_one_of(SHUTDOWN_WORDS.into_iter())),
            }
        }
        if flags.save && flags.nosave {
            return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".to_owned());
        }
        Ok(flags)
    }

    fn render(&self, value: &ShutdownFlags) -> Vec<u8> {
        let named = [
            (value.save, "save"),
            (value.nosave, "nosave"),
            (value.now, "now"),
            (value.force, "force"),
            (value.safe, "safe"),
            (value.failover, "failover"),
        ];
        let words: Vec<&str> = named.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect();
        if words.is_empty() { b"default".to_vec() } else { words.join(" ").into_bytes() }
    }

    fn shape(&self) -> String {
        format!("words out of {}", SHUTDOWN_WORDS.join(", "))
    }
}

/// The primary that this server follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Upstream {
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// `replicaof <host> <port>` or `replicaof no one`.
pub(in super::super) struct ReplicaOf;

impl Codec for ReplicaOf {
    type Value = Option<Upstream>;
    const MULTIPLE: bool = true;

    fn default(&self) -> Option<Upstream> {
        None
    }

    fn parse(&self, words: &[Vec<u8>], _old: &Option<Upstream>, _mention: Mention) -> Result<Self::Value, String> {
        let [host, port] = words else {
            return Err("wrong number of arguments".to_owned());
        };
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            return Ok(None);
        }
        let port = loose_integer(port).and_then(|number| u16::try_from(number).ok()).ok_or("Invalid master port")?;
        Ok(Some(Upstream { host: utf8(host)?.to_owned(), port }))
    }

    fn render(&self, value: &Option<Upstream>) -> Vec<u8> {
        value.as_ref().map(|upstream| format!("{} {}", upstream.host, upstream.port)).unwrap_or_default().into_bytes()
    }

    fn written(&self, value: &Option<Upstream>, _default: &Option<Upstream>) -> Vec<Written> {
        let line = |upstream: &Upstream| format!("{} {}", upstream.host, upstream.port);
        value.iter().map(|upstream| Written { arguments: line(upstream), forced: true }).collect()
    }

    fn shape(&self) -> String {
        "host and port, or no one".to_owned()
    }
}
