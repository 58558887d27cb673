//! CLUSTER, and what a client of a cluster says about its connection. This server is no node of a cluster, and says so.

use crate::command::{AclCategories, CommandSpec, Flags, Group, Subcommands};
use crate::error;

const CLUSTER_COMMAND: CommandSpec =
    CommandSpec { group: Group::Cluster, since: "3.0.0", handler: |_| Err(error::NO_CLUSTER), ..CommandSpec::BASE };

const CONNECTION: CommandSpec = CommandSpec { acl: AclCategories::CONNECTION, ..CLUSTER_COMMAND };

/// Of the keys in slots.
const KEYS: CommandSpec = CommandSpec { arity: 2, flags: Flags::STALE, ..CLUSTER_COMMAND };
/// Of what this node knows, also while it loads its data.
const LOOK: CommandSpec = CommandSpec { flags: KEYS.flags.with(Flags::LOADING), ..KEYS };
/// For administrators.
const ADMIN: CommandSpec = CommandSpec { flags: KEYS.flags.with(Flags::ADMIN), ..KEYS };
/// Changes the cluster.
const CHANGE: CommandSpec = CommandSpec { flags: ADMIN.flags.with(Flags::NO_ASYNC_LOADING), ..KEYS };

/// CLUSTER
pub static CLUSTER: CommandSpec = CommandSpec {
    name: "cluster",
    arity: -2,
    complexity: "That of the subcommand",
    summary: "Commands about the cluster that this server is a node of.",
    subcommands: SUBCOMMANDS,
    ..CLUSTER_COMMAND
};

const SUBCOMMANDS: Subcommands = &[
    &ADDSLOTS,
    &ADDSLOTSRANGE,
    &BUMPEPOCH,
    &COUNT_FAILURE_REPORTS,
    &COUNTKEYSINSLOT,
    &DELSLOTS,
    &DELSLOTSRANGE,
    &FAILOVER,
    &FLUSHSLOTS,
    &FORGET,
    &GETKEYSINSLOT,
    &HELP,
    &INFO,
    &KEYSLOT,
    &LINKS,
    &MEET,
    &MYID,
    &MYSHARDID,
    &NODES,
    &REPLICAS,
    &REPLICATE,
    &RESET,
    &SAVECONFIG,
    &SET_CONFIG_EPOCH,
    &SETSLOT,
    &SHARDS,
    &SLAVES,
    &SLOTS,
];

/// CLUSTER ADDSLOTS
pub static ADDSLOTS: CommandSpec = CommandSpec {
    name: "addslots",
    arity: -3,
    summary: "Gives slots to this node.",
    complexity: "O(N), N being the slots named",
    syntax: "slot [slot ...]",
    ..CHANGE
};

/// CLUSTER ADDSLOTSRANGE
pub static ADDSLOTSRANGE: CommandSpec = CommandSpec {
    name: "addslotsrange",
    arity: -4,
    since: "7.0.0",
    summary: "Gives ranges of slots to this node.",
    complexity: "O(N), N being the slots in the ranges",
    syntax: "start-slot end-slot [start-slot end-slot ...]",
    ..CHANGE
};

/// CLUSTER BUMPEPOCH
pub static BUMPEPOCH: CommandSpec = CommandSpec {
    name: "bumpepoch",
    summary: "Raises the configuration epoch of the cluster.",
    tips: &["nondeterministic_output"],
    ..CHANGE
};

/// CLUSTER COUNT-FAILURE-REPORTS
pub static COUNT_FAILURE_REPORTS: CommandSpec = CommandSpec {
    name: "count-failure-reports",
    arity: 3,
    summary: "Counts the nodes that report a node as failing.",
    complexity: "O(N), N being the reports",
    syntax: "node-id",
    tips: &["nondeterministic_output"],
    changed_in: &["9.0.0"],
    ..ADMIN
};

/// CLUSTER COUNTKEYSINSLOT
pub static COUNTKEYSINSLOT: CommandSpec =
    CommandSpec { name: "countkeysinslot", arity: 3, summary: "Counts the keys in a slot.", syntax: "slot", ..KEYS };

/// CLUSTER DELSLOTS
pub static DELSLOTS: CommandSpec = CommandSpec {
    name: "delslots",
    arity: -3,
    summary: "Takes slots from the nodes that this node knows as their owners.",
    complexity: "O(N), N being the slots named",
    syntax: "slot [slot ...]",
    ..CHANGE
};

/// CLUSTER DELSLOTSRANGE
pub static DELSLOTSRANGE: CommandSpec = CommandSpec {
    name: "delslotsrange",
    arity: -4,
    since: "7.0.0",
    summary: "Takes ranges of slots from the nodes that this node knows as their owners.",
    complexity: "O(N), N being the slots in the ranges",
    syntax: "start-slot end-slot [start-slot end-slot ...]",
    ..CHANGE
};

/// CLUSTER FAILOVER
pub static FAILOVER: CommandSpec = CommandSpec {
    name: "failover",
    arity: -2,
    summary: "Has a replica take the place of its primary.",
    syntax: "[FORCE|TAKEOVER]",
    ..CHANGE
};

/// CLUSTER FLUSHSLOTS
pub static FLUSHSLOTS: CommandSpec =
    CommandSpec { name: "flushslots", summary: "Takes all slots from this node.", ..CHANGE };

/// CLUSTER FORGET
pub static FORGET: CommandSpec = CommandSpec {
    name: "forget",
    arity: 3,
    summary: "Removes a node from those that this node knows.",
    syntax: "node-id",
    ..CHANGE
};

/// CLUSTER GETKEYSINSLOT
pub static GETKEYSINSLOT: CommandSpec = CommandSpec {
    name: "getkeysinslot",
    arity: 4,
    summary: "Lists keys in a slot.",
    complexity: "O(N), N being the keys listed",
    syntax: "slot count",
    tips: &["nondeterministic_output"],
    ..KEYS
};

/// CLUSTER HELP
pub static HELP: CommandSpec = CommandSpec { name: "help", since: "5.0.0", summary: "Lists the subcommands.", ..LOOK };

/// CLUSTER INFO
pub static INFO: CommandSpec = CommandSpec {
    name: "info",
    summary: "Describes the state of the cluster as this node sees it.",
    tips: &["nondeterministic_output"],
    ..LOOK
};

/// CLUSTER KEYSLOT
pub static KEYSLOT: CommandSpec = CommandSpec {
    name: "keyslot",
    arity: 3,
    summary: "Tells the slot of a key.",
    complexity: "O(N), N being the length of the key",
    syntax: "key",
    ..KEYS
};

/// CLUSTER LINKS
pub static LINKS: CommandSpec = CommandSpec {
    name: "links",
    since: "7.0.0",
    summary: "Lists the links to and from other nodes.",
    complexity: "O(N), N being the nodes",
    tips: &["nondeterministic_output"],
    ..KEYS
};

/// CLUSTER MEET
pub static MEET: CommandSpec = CommandSpec {
    name: "meet",
    arity: -4,
    summary: "Makes this node known to another.",
    syntax: "ip port [cluster-bus-port]",
    changed_in: &["4.0.0"],
    ..CHANGE
};

/// CLUSTER MYID
pub static MYID: CommandSpec = CommandSpec { name: "myid", summary: "Tells the id of this node.", ..LOOK };

/// CLUSTER MYSHARDID
pub static MYSHARDID: CommandSpec = CommandSpec {
    name: "myshardid",
    since: "7.2.0",
    summary: "Tells the id of the shard of this node.",
    tips: &["nondeterministic_output"],
    ..LOOK
};

/// CLUSTER NODES
pub static NODES: CommandSpec = CommandSpec {
    name: "nodes",
    summary: "Describes all nodes as this node sees them.",
    complexity: "O(N), N being the nodes",
    tips: &["nondeterministic_output"],
    ..LOOK
};

/// CLUSTER REPLICAS
pub static REPLICAS: CommandSpec = CommandSpec {
    name: "replicas",
    arity: 3,
    since: "5.0.0",
    summary: "Lists the replicas of a primary.",
    complexity: "O(N), N being the replicas",
    syntax: "node-id",
    tips: &["nondeterministic_output"],
    ..ADMIN
};

/// CLUSTER REPLICATE
pub static REPLICATE: CommandSpec = CommandSpec {
    name: "replicate",
    arity: -3,
    summary: "Makes this node a replica of another, or a primary.",
    syntax: "<node-id|NO ONE>",
    changed_in: &["9.0.0"],
    ..CHANGE
};

/// CLUSTER RESET
pub static RESET: CommandSpec = CommandSpec {
    name: "reset",
    arity: -2,
    flags: Flags::ADMIN.with(Flags::STALE).with(Flags::NOSCRIPT),
    summary: "Has this node forget the cluster.",
    complexity: "O(N), N being the nodes known, or the keys of a replica",
    syntax: "[HARD|SOFT]",
    ..CHANGE
};

/// CLUSTER SAVECONFIG
pub static SAVECONFIG: CommandSpec =
    CommandSpec { name: "saveconfig", summary: "Writes the configuration of the cluster to the disk.", ..CHANGE };

/// CLUSTER SET-CONFIG-EPOCH
pub static SET_CONFIG_EPOCH: CommandSpec = CommandSpec {
    name: "set-config-epoch",
    arity: 3,
    summary: "Sets the configuration epoch of a new node.",
    syntax: "config-epoch",
    ..CHANGE
};

/// CLUSTER SETSLOT
pub static SETSLOT: CommandSpec = CommandSpec {
    name: "setslot",
    arity: -4,
    summary: "Says what becomes of a slot.",
    syntax: "slot <IMPORTING node-id|MIGRATING node-id|NODE node-id|STABLE> [TIMEOUT timeout]",
    changed_in: &["8.0.0"],
    ..CHANGE
};

/// CLUSTER SHARDS
pub static SHARDS: CommandSpec = CommandSpec {
    name: "shards",
    since: "7.0.0",
    summary: "Lists the shards with their slots and nodes.",
    complexity: "O(N), N being the nodes",
    tips: &["nondeterministic_output"],
    changed_in: &["9.1.0"],
    ..LOOK
};

/// CLUSTER SLAVES
pub static SLAVES: CommandSpec = CommandSpec {
    name: "slaves",
    arity: 3,
    summary: "Lists the replicas of a primary.",
    complexity: "O(N), N being the replicas",
    syntax: "node-id",
    tips: &["nondeterministic_output"],
    ..ADMIN
};

/// CLUSTER SLOTS
pub static SLOTS: CommandSpec = CommandSpec {
    name: "slots",
    summary: "Lists ranges of slots with their nodes.",
    complexity: "O(N), N being the nodes",
    tips: &["nondeterministic_output"],
    changed_in: &["4.0.0", "7.0.0", "9.1.0"],
    ..LOOK
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
pub const ALL: &[&CommandSpec] = &[&ASKING, &CLUSTER, &READONLY, &READWRITE];
