//! Single keys, and many made at once.

use super::encodings::quicklist_fields;
use crate::args::parse_int;
use crate::commands::dump;
use crate::commands::object::encoding_name;
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_persist::dump::value_bytes;
use ochre_store::keyspace::{self, ObjectInfo};
use ochre_store::list::List;
use ochre_store::string::{self, Condition, SetOptions};
use ochre_store::{Access, Encoding, Expired, ValueRef};

pub(super) fn object(context: &mut Context<'_>) -> CommandResult {
    let settings = dump::settings(context.server);
    let (info, (serialized_len, more)) = inspect(context, |value| {
        let more = match value {
            ValueRef::List(List::Quick(quick)) => quicklist_fields(quick),
            _ => String::new(),
        };
        (value_bytes(value, settings), more)
    })?;
    context.reply.simple(format!(
        "Value at:{:#x} refcount:{} encoding:{} serializedlength:{serialized_len} lru:{} lru_seconds_idle:{}{more}",
        info.address,
        info.reference_count,
        encoding_name(info.encoding),
        info.access,
        info.idle_ms / 1000,
    ));
    Ok(())
}

pub(super) fn lengths(context: &mut Context<'_>) -> CommandResult {
    let key_len = context.argv.at(2).len();
    let (info, ()) = inspect(context, |_| ())?;
    if info.encoding == Encoding::Int {
        return Err(error::NOT_AN_SDS_STRING);
    }
    // Key and short values share one allocation, which is told once.
    let (db, key) = (context.db(), context.key(2));
    let allocated = keyspace::memory_usage(&mut context.txn, db, key)?.unwrap_or_default();
    context.reply.simple(format!(
        "key_sds_len:{key_len}, key_sds_avail:0, key_zmalloc: {}, val_sds_len:{}, val_sds_avail:{}, val_zmalloc: {}",
        allocated.saturating_sub(info.len + info.spare),
        info.len,
        info.spare,
        info.len + info.spare,
    ));
    Ok(())
}

pub(super) fn populate(context: &mut Context<'_>) -> CommandResult {
    let count = positive(context.argv.at(2))?;
    let prefix = context.argv.get(3).unwrap_or(b"key").to_vec();
    let size = context.argv.get(4).map_or(Ok(0), positive)?;
    let db = context.db();
    let store = context.txn.store();
    for number in 0..count {
        let name = [prefix.as_slice(), format!(":{number}").as_bytes()].concat();
        let mut value = format!("value:{number}").into_bytes();
        if size > 0 {
            value.resize(size, 0);
        }
        let (dirty, events) = (context.txn.effects().dirty, context.txn.effects().events.len());
        let options = SetOptions { condition: Condition::Nx, ..SetOptions::default() };
        string::set(&mut context.txn, db, store.key(&name), &value, options)?;
        // Neither replicated nor notified.
        context.txn.effects().dirty = dirty;
        context.txn.effects().events.truncate(events);
    }
    context.after.time_passed = true;
    context.reply.ok();
    Ok(())
}

fn positive(argument: &[u8]) -> Result<usize, CommandError> {
    let number = parse_int(argument).ok_or(error::NOT_INTEGER)?;
    usize::try_from(number).map_err(|_| error::NOT_POSITIVE)
}

/// What is known of the key, also if it has expired, and what `look` makes of its value.
fn inspect<R>(
    context: &mut Context<'_>,
    look: impl FnOnce(ValueRef<'_>) -> R,
) -> Result<(ObjectInfo, R), CommandError> {
    let (db, key) = (context.db(), context.key(2));
    let access = context.txn.access();
    context.txn.set_access(Access { no_touch: true, expired: Expired::Show });
    let info = keyspace::object(&mut context.txn, db, key);
    context.txn.set_access(access);
    let info = info?.ok_or(error::NO_SUCH_KEY)?;
    let looked = keyspace::record(&mut context.txn, db, key, |record| look(record.value))?;
    Ok((info, looked.ok_or(error::NO_SUCH_KEY)?))
}
