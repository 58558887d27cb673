//! ASKING, READONLY, READWRITE: what a client of a cluster says about its connection.

use crate::command::{AclCategories, CommandSpec, Flags, Group};
use crate::error;

const CONNECTION: CommandSpec = CommandSpec {
    acl: AclCategories::CONNECTION,
    group: Group::Cluster,
    since: "3.0.0",
    handler: |_| Err(error::NO_CLUSTER),
    ..CommandSpec::BASE
};

/// ASKING
pub static ASKING: CommandSpec = CommandSpec {
    name: "asking",
    flags: Flags::FAST,
    summary: "Lets the next command use a slot that is being taken over.",
    ..CONNECTION
};

/// READONLY
pub static READONLY: CommandSpec = CommandSpec {
    name: "readonly",
    flags: Flags::FAST.with(Flags::LOADING).with(Flags::STALE),
    summary: "Lets the connection read from a replica.",
    ..CONNECTION
};

/// READWRITE
pub static READWRITE: CommandSpec = CommandSpec {
    name: "readwrite",
    flags: Flags::FAST.with(Flags::LOADING).with(Flags::STALE),
    summary: "Has the connection sent on from replicas again.",
    ..CONNECTION
};

/// The commands of this file.
pub const ALL: &[&CommandSpec] = &[&ASKING, &READONLY, &READWRITE];
