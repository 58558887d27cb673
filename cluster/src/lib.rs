//! Cluster and Sentinel: slot map, bus codec, gossip and failover, sans I/O.
#![forbid(unsafe_code)]
