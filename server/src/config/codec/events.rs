//! The classes of keyspace events.

use super::super::line::quote;
use super::{Codec, Mention, Written, single};

/// A set of classes of keyspace events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KeyspaceEvents(u32);

/// Letters in the order they are shown, after which come the two channels and key misses.
const CLASSES: &[(u8, KeyspaceEvents)] = &[
    (b'g', KeyspaceEvents::GENERIC),
    (b'$', KeyspaceEvents::STRING),
    (b'l', KeyspaceEvents::LIST),
    (b's', KeyspaceEvents::SET),
    (b'h', KeyspaceEvents::HASH),
    (b'z', KeyspaceEvents::ZSET),
    (b'x', KeyspaceEvents::EXPIRED),
    (b'e', KeyspaceEvents::EVICTED),
    (b't', KeyspaceEvents::STREAM),
    (b'd', KeyspaceEvents::MODULE),
    (b'n', KeyspaceEvents::NEW),
    (b'K', KeyspaceEvents::KEYSPACE),
    (b'E', KeyspaceEvents::KEYEVENT),
    (b'm', KeyspaceEvents::KEY_MISS),
];

impl KeyspaceEvents {
    /// Publish to the channel of the key (`K`).
    pub const KEYSPACE: Self = Self(1);
    /// Publish to the channel of the event (`E`).
    pub const KEYEVENT: Self = Self(1 << 1);
    /// Commands of no type (`g`).
    pub const GENERIC: Self = Self(1 << 2);
    /// Strings (`$`).
    pub const STRING: Self = Self(1 << 3);
    /// Lists (`l`).
    pub const LIST: Self = Self(1 << 4);
    /// Sets (`s`).
    pub const SET: Self = Self(1 << 5);
    /// Hashes (`h`).
    pub const HASH: Self = Self(1 << 6);
    /// Sorted sets (`z`).
    pub const ZSET: Self = Self(1 << 7);
    /// Expired keys (`x`).
    pub const EXPIRED: Self = Self(1 << 8);
    /// Evicted keys (`e`).
    pub const EVICTED: Self = Self(1 << 9);
    /// Streams (`t`).
    pub const STREAM: Self = Self(1 << 10);
    /// Misses (`m`).
    pub const KEY_MISS: Self = Self(1 << 11);
    /// Modules (`d`).
    pub const MODULE: Self = Self(1 << 13);
    /// New keys (`n`).
    pub const NEW: Self = Self(1 << 14);
    /// What `A` stands for: every class but misses and new keys.
    pub const ALL: Self = Self(0b10_0111_1111_1100);

    /// Whether every class of `other` is in the set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether anything is published at all: that takes a channel as well as a class.
    #[must_use]
    pub fn publishes(self) -> bool {
        self.0 & (Self::KEYSPACE.0 | Self::KEYEVENT.0) != 0 && self.0 & !(Self::KEYSPACE.0 | Self::KEYEVENT.0) != 0
    }

    /// Whether nothing is published at all.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The letters of `notify-keyspace-events`.
pub(in super::super) struct NotifyEvents;

impl Codec for NotifyEvents {
    type Value = KeyspaceEvents;

    fn default(&self) -> KeyspaceEvents {
        KeyspaceEvents::default()
    }

    fn parse(&self, words: &[Vec<u8>], _old: &KeyspaceEvents, _mention: Mention) -> Result<KeyspaceEvents, String> {
        single(words)?.iter().try_fold(KeyspaceEvents::default(), |set, letter| match letter {
            b'A' => Ok(set.with(KeyspaceEvents::ALL)),
            letter => match CLASSES.iter().find(|(name, _)| name == letter) {
                Some((_, class)) => Ok(set.with(*class)),
                None => Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_owned()),
            },
        })
    }

    fn render(&self, value: &KeyspaceEvents) -> Vec<u8> {
        // Redis does not show `n` beside `A`.
        letters(*value, KeyspaceEvents::ALL.with(KeyspaceEvents::NEW))
    }

    fn written(&self, value: &KeyspaceEvents, default: &KeyspaceEvents) -> Vec<Written> {
        vec![Written { arguments: quote(&letters(*value, KeyspaceEvents::ALL)), forced: value != default }]
    }

    fn shape(&self) -> String {
        "letters out of Ag$lshzxeKEtmdn".to_owned()
    }
}

/// The letters of a set; what `covered` holds is left out where `A` stands.
fn letters(set: KeyspaceEvents, covered: KeyspaceEvents) -> Vec<u8> {
    let all = set.contains(KeyspaceEvents::ALL);
    let rest = CLASSES.iter().filter(|(_, class)| set.contains(*class) && !(all && covered.contains(*class)));
    all.then_some(b'A').into_iter().chain(rest.map(|(letter, _)| *letter)).collect()
}
