//! Replication: primary and replica state machines, sans I/O.
#![forbid(unsafe_code)]
