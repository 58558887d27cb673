//! The state of the hash tables.

use crate::args::parse_int;
use crate::context::Context;
use crate::error::{self, CommandResult};
use ochre_store::keyspace::{self, TableShape};
use std::fmt::Write;

pub(super) fn of_database(context: &mut Context<'_>) -> CommandResult {
    let number = parse_int(context.argv.at(2)).ok_or(error::NOT_INTEGER)?;
    let store = context.txn.store();
    let db = usize::try_from(number).ok().filter(|db| *db < store.databases()).ok_or(error::OUT_OF_RANGE_DATABASE)?;
    let mut sums: [[TableShape; 2]; 2] = Default::default();
    for shard in 0..store.shards() {
        let tables = keyspace::tables(&mut context.txn, db, shard)?;
        for (sum, shape) in sums.iter_mut().flatten().zip(tables.iter().flatten()) {
            sum.add(shape);
        }
    }
    let [main, volatile] = sums;
    let text = format!("[Dictionary HT]\n{}[Expires HT]\n{}", describe(&main), describe(&volatile));
    context.reply.verbatim(b"txt", text);
    Ok(())
}

pub(super) fn of_key(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(2));
    let table = keyspace::value_table(&mut context.txn, db, key)?.ok_or(error::NO_SUCH_KEY)?;
    let shapes = table.ok_or(error::NOT_A_HASH_TABLE)?;
    context.reply.verbatim(b"txt", describe(&shapes));
    Ok(())
}

/// The state of a table, or the sum over several. While they are being rehashed, their entries are spread over two arrays.
fn describe(shapes: &[TableShape; 2]) -> String {
    let [main, target] = shapes;
    let mut text = describe_array(main, "0 stats (main hash table)");
    if target.buckets > 0 {
        text.push_str(&describe_array(target, "1 stats (rehashing target)"));
    }
    text
}

fn describe_array(shape: &TableShape, name: &str) -> String {
    if shape.entries == 0 {
        return format!("Hash table {name}:\nNo stats available for empty dictionaries\n");
    }
    let (entries, buckets) = (shape.entries as f64, shape.buckets.max(1) as f64);
    let TableShape { capacity, used, longest, .. } = shape;
    let mut text = format!(
        "Hash table {name}:\n table size: {capacity}\n number of elements: {}\n home buckets: {}\n different slots: {used}\n \
         max chain length: {longest}\n avg chain length (counted): {:.02}\n avg chain length (computed): {:.02}\n Chain length \
         distribution:\n",
        shape.entries,
        shape.buckets,
        entries / *used as f64,
        entries / buckets
    );
    let last = shape.lengths.len() - 1;
    for (length, chains) in shape.lengths.iter().enumerate().filter(|(_, chains)| **chains > 0) {
        let or_more = if length == last { ">= " } else { "" };
        // A string takes what is written.
        let _ = writeln!(text, "   {or_more}{length}: {chains} ({:.02}%)", *chains as f64 * 100.0 / buckets);
    }
    text
}
