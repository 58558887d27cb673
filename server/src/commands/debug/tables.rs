//! The state of the hash tables.

use crate::args::parse_int;
use crate::context::Context;
use crate::error::{self, CommandResult};
use ochre_store::keyspace::{self, TableStats};
use std::fmt::Write;

pub(super) fn of_database(context: &mut Context<'_>) -> CommandResult {
    let number = parse_int(context.argv.at(2)).ok_or(error::NOT_INTEGER)?;
    let store = context.txn.store();
    let db = usize::try_from(number).ok().filter(|db| *db < store.databases()).ok_or(error::OUT_OF_RANGE_DATABASE)?;
    let mut sum = TableStats::default();
    for shard in 0..store.shards() {
        let stats = keyspace::table_stats(&mut context.txn, db, shard)?;
        sum.keys += stats.keys;
        sum.volatile += stats.volatile;
        sum.bytes += stats.bytes;
        for (sum, buckets) in [(&mut sum.buckets, stats.buckets), (&mut sum.volatile_buckets, stats.volatile_buckets)] {
            sum.0 += buckets.0;
            sum.1 += buckets.1;
        }
    }
    let mut text = String::from("[Dictionary HT]\n");
    describe(&mut text, sum.keys, sum.buckets);
    text.push_str("[Expires HT]\n");
    describe(&mut text, sum.volatile, sum.volatile_buckets);
    context.reply.verbatim(b"txt", text);
    Ok(())
}

/// Of a database, sums over all shards. While tables are being rehashed, their entries are spread over the old and the new buckets.
fn describe(text: &mut String, entries: usize, (buckets, rehash_buckets): (usize, usize)) {
    if entries == 0 {
        text.push_str("No stats available for empty dictionaries\n");
        return;
    }
    let _ = writeln!(text, "Hash table 0 stats (main hash table):\n table size: {buckets}");
    let _ = writeln!(text, " number of elements: {entries}");
    if rehash_buckets > 0 {
        let _ = writeln!(text, "Hash table 1 stats (rehashing target):\n table size: {rehash_buckets}");
    }
}

pub(super) fn of_key(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(2));
    let table = keyspace::value_table(&mut context.txn, db, key)?.ok_or(error::NO_SUCH_KEY)?;
    let (entries, buckets) = table.ok_or(error::NOT_A_HASH_TABLE)?;
    let mut text = String::new();
    describe(&mut text, entries, buckets);
    context.reply.verbatim(b"txt", text);
    Ok(())
}
