//! How values of directives are read, shown and written: one codec a kind of value.

mod choice;
mod events;
mod lists;
mod number;
mod text;
mod value;

pub use choice::{
    AclPubsubDefault, AppendFsync, ClientAuth, ClientAuthUser, ConfigSaveBehavior, DisklessLoad, EndpointType,
    LogFormat, LogLevel, LogTimestampFormat, OomScoreAdj, Permission, Policy, PropagationError, RdbVersion,
    RdbVersionCheck, SanitizePayload, Supervised, SyslogFacility,
};
pub(super) use choice::{Choice, Pick, Switch};
pub use events::KeyspaceEvents;
pub(super) use events::NotifyEvents;
pub(super) use lists::{Addresses, OomScores, OutputBuffers, Percentiles, ReplicaOf, Save, ShutdownOn};
pub use lists::{OutputLimit, OutputLimits, SavePoint, ShutdownFlags, Upstream};
pub use number::SizeOrPercent;
pub(crate) use number::memory_size;
pub(super) use number::{Int, Memory, MemoryOrPercent, Octal};
pub(crate) use text::reason;
pub(super) use text::{Directory, PathText, Secret, Text};
pub(super) use value::{Codec, Mention, Written};
use value::{loose_integer, single, utf8};
