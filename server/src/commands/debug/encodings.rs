//! The compact encodings: what is in them, and from which size an element of a list stands by itself.

use crate::config::memory_size;
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_store::hash::Hash;
use ochre_store::keyspace;
use ochre_store::list::List;
use ochre_store::listpack::Pack;
use ochre_store::quicklist::{NodeView, Quicklist};
use ochre_store::set::Set;
use ochre_store::sorted_set::SortedSet;
use ochre_store::{Str, ValueRef};
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::Ordering::Relaxed;

/// Elements of so many bytes are refused by real servers: 4 GB less 1 MB.
const THRESHOLD_MAX: u64 = (1 << 32) - (1 << 20);

pub(super) fn listpack(context: &mut Context<'_>) -> CommandResult {
    let text = look(context, |value| match value {
        ValueRef::List(List::Pack(pack)) | ValueRef::Set(Set::Pack(pack)) => Some(describe_pack(pack.view())),
        ValueRef::Hash(Hash::Pack(pack)) | ValueRef::SortedSet(SortedSet::Pack(pack)) => {
            Some(describe_pack(pack.view()))
        }
        _ => None,
    })?;
    print(&text.ok_or(error::NOT_A_LISTPACK)?);
    context.reply.simple("Listpack structure printed on stdout");
    Ok(())
}

pub(super) fn quicklist(context: &mut Context<'_>) -> CommandResult {
    let full = context.argv.get(3).is_some_and(|word| word != b"0");
    let text = look(context, |value| match value {
        ValueRef::List(List::Quick(quick)) => Some(describe_quicklist(quick, full)),
        _ => None,
    })?;
    print(&text.ok_or(error::NOT_A_QUICKLIST)?);
    context.reply.simple("Quicklist structure printed on stdout");
    Ok(())
}

pub(super) fn packed_threshold(context: &mut Context<'_>) -> CommandResult {
    let bytes = memory_size(context.argv.at(2)).filter(|bytes| *bytes <= THRESHOLD_MAX);
    let bytes = bytes.and_then(|bytes| u32::try_from(bytes).ok()).ok_or(error::PACKED_THRESHOLD)?;
    context.server.store.settings().list_plain_bytes.store(bytes, Relaxed);
    context.reply.ok();
    Ok(())
}

/// What DEBUG OBJECT adds for a quicklist.
pub(super) fn quicklist_fields(quick: &Quicklist) -> String {
    format!(
        " ql_nodes:{} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:{} ql_uncompressed_size:{}",
        quick.node_count(),
        quick.len() as f64 / quick.node_count() as f64,
        quick.fill(),
        u8::from(quick.compress_depth() > 0),
        quick.uncompressed_bytes(),
    )
}

/// Passes the value at the key to `describe`.
fn look<R>(context: &mut Context<'_>, describe: impl FnOnce(ValueRef<'_>) -> R) -> Result<R, CommandError> {
    let (db, key) = (context.db(), context.key(2));
    keyspace::record(&mut context.txn, db, key, |record| describe(record.value))?.ok_or(error::NO_SUCH_KEY)
}

fn describe_pack(pack: Pack<'_>) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "listpack of {} bytes, {} elements", pack.bytes().len(), pack.len());
    for (index, element) in pack.iter().enumerate() {
        let _ = match element {
            Str::Int(number) => writeln!(text, "  {index}: integer {number}"),
            Str::Bytes(bytes) => writeln!(text, "  {index}: {} bytes \"{}\"", bytes.len(), bytes.escape_ascii()),
        };
    }
    text
}

fn describe_quicklist(quick: &Quicklist, full: bool) -> String {
    let mut text = String::new();
    let (len, nodes) = (quick.len(), quick.node_count());
    let _ = writeln!(text, "quicklist of {len} elements in {nodes} nodes");
    for (index, node) in quick.nodes().enumerate() {
        let _ = write!(text, "node {index}: ");
        let _ = match node {
            NodeView::Packed(pack) if full => write!(text, "{}", describe_pack(pack)),
            NodeView::Packed(pack) => {
                writeln!(text, "listpack of {} bytes, {} elements", pack.bytes().len(), pack.len())
            }
            NodeView::Compressed { data, bytes } => {
                writeln!(text, "listpack of {bytes} bytes, compressed to {}", data.len())
            }
            NodeView::Plain(value) => writeln!(text, "one element of {} bytes", value.len()),
        };
    }
    text
}

/// Where nobody reads standard output, the text is lost: that is no failure.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
