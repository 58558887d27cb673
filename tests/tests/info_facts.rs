//! The fields of INFO beside those of real servers: a Valkey 9.1, recorded, and the Redis 7.0 of this machine.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use ochre_tests::{Client, Peer, Server};

/// The fields that Valkey 9.1.2 shows in every state.
const VALKEY: &str = include_str!("../facts/valkey-9.1.2-info.txt");

/// Fields that are missing on purpose, and why.
const MISSING: &[(&str, &str)] = &[
    ("valkey_version", "it is none"),
    ("valkey_release_stage", "it is none"),
    ("module", "there are no modules"),
    ("expired_keys_with_volatile_items_stale_perc", "fields that expire are not sampled but found by their deadlines"),
];

/// The names of the fields that do not depend on what was done.
fn fields(client: &mut Client) -> Result<BTreeSet<String>> {
    let text = client.command(&["INFO", "everything"])?.text()?;
    let names = text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned());
    Ok(names
        .filter(|name| !["cmdstat_", "errorstat_", "latency_percentiles_"].iter().any(|of| name.starts_with(of)))
        .collect())
}

#[test]
fn no_field_of_redis_or_valkey_is_missing() -> Result<()> {
    for options in [&[][..], &["--appendonly", "yes"]] {
        let (server, peer) = (Server::start(options)?, Peer::start(options)?);
        let ours = fields(&mut server.client()?)?;
        let redis = fields(&mut peer.client()?)?;
        ensure!(redis.len() > 130, "Redis shows {} fields only", redis.len());
        let valkey: BTreeSet<String> = VALKEY.lines().map(str::to_owned).collect();
        let missing: Vec<&String> = redis
            .union(&valkey)
            .filter(|name| !ours.contains(*name) && !MISSING.iter().any(|(known, _)| known == name))
            .collect();
        ensure!(missing.is_empty(), "missing: {missing:?}");
        let found: Vec<_> = MISSING.iter().filter(|(name, _)| ours.contains(*name)).collect();
        ensure!(found.is_empty(), "not missing any more: {found:?}");
    }
    Ok(())
}
