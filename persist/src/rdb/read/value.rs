//! One value of any type.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::ziplist::Ziplist;
use super::zipmap::Zipmap;
use super::{elements, stream};
use crate::rdb::code::TypeCode;
use crate::rdb::error::{RdbError, Reason};
use crate::rdb::input::Input;
use ochre_store::hash::{Hash, HashLoader};
use ochre_store::intset::Intset;
use ochre_store::keyspace::NewValue;
use ochre_store::listpack::Listpack;
use ochre_store::quicklist::{End, List, Quicklist};
use ochre_store::set::Set;
use ochre_store::sorted_set::SortedSet;
use ochre_store::{Corrupt, Store, Str};
use std::io::BufRead;

/// How the node of a list is kept.
const NODE_PLAIN: u64 = 1;
const NODE_PACKED: u64 = 2;

/// Types of modules' values.
const MODULE_TYPES: [u8; 2] = [6, 7];

/// Reads a value of the type that `code` stands for, made for a key of `store`, whose settings decide about its form.
///
/// All of it is checked: what is returned breaks no rule that other code relies on.
///
/// # Errors
/// If the source fails or ends, if the type is not known or of a module, if the value is damaged or has no element.
pub fn read_value<R: BufRead>(input: &mut Input<R>, code: u8, store: &Store) -> Result<NewValue, RdbError> {
    let Some(code_known) = TypeCode::from_byte(code) else {
        let module = MODULE_TYPES.contains(&code);
        return Err(input.error(if module { Reason::Module } else { Reason::UnknownType(code) }));
    };
    let value = match code_known {
        TypeCode::String => NewValue::String(input.string()?),
        TypeCode::List => NewValue::List(elements::list(input, store)?),
        TypeCode::Set => NewValue::Set(elements::set(input, store)?),
        TypeCode::Zset | TypeCode::ZsetText => {
            NewValue::SortedSet(elements::sorted_set(input, store, code_known == TypeCode::ZsetText)?)
        }
        TypeCode::Hash => NewValue::Hash(elements::hash(input, store)?),
        TypeCode::HashDeadlines => NewValue::Hash(elements::hash_deadlines(input, store)?),
        TypeCode::HashMetadata => NewValue::Hash(elements::hash_metadata(input, store)?),
        TypeCode::HashListpackEx => NewValue::Hash(hash_listpack_ex(input, store)?),
        TypeCode::HashZipmap => NewValue::Hash(hash_zipmap(input, store)?),
        TypeCode::HashZiplist => NewValue::Hash(repacked(input, |pack| Hash::from_pack(store, pack))?),
        TypeCode::HashListpack => NewValue::Hash(packed(input, |pack| Hash::from_pack(store, pack))?),
        TypeCode::SetIntset => {
            let bytes = input.string()?;
            let ints = Intset::from_bytes(&bytes).map_err(|corrupt| input.corrupt(corrupt))?;
            NewValue::Set(Set::from_ints(store, ints))
        }
        TypeCode::SetListpack => NewValue::Set(packed(input, |pack| Set::from_pack(store, pack))?),
        TypeCode::ZsetZiplist => NewValue::SortedSet(repacked(input, |pack| SortedSet::from_pack(store, pack))?),
        TypeCode::ZsetListpack => NewValue::SortedSet(packed(input, |pack| SortedSet::from_pack(store, pack))?),
        TypeCode::ListZiplist => NewValue::List(list_ziplist(input, store)?),
        TypeCode::ListQuicklist => NewValue::List(list_nodes(input, store, false)?),
        TypeCode::ListQuicklist2 => NewValue::List(list_nodes(input, store, true)?),
        TypeCode::Stream => NewValue::Stream(Box::new(stream::read(input, stream::Version::V1)?)),
        TypeCode::Stream2 => NewValue::Stream(Box::new(stream::read(input, stream::Version::V2)?)),
        TypeCode::Stream3 => NewValue::Stream(Box::new(stream::read(input, stream::Version::V3)?)),
    };
    // Streams are the one type that may be empty, and strings.
    let empty = !matches!(value, NewValue::String(_) | NewValue::Stream(_)) && value.view().is_empty();
    if empty { Err(input.error(Reason::Empty)) } else { Ok(value) }
}

/// A listpack, made into a value.
fn packed<R: BufRead, T>(
    input: &mut Input<R>,
    make: impl FnOnce(Listpack) -> Result<T, Corrupt>,
) -> Result<T, RdbError> {
    let bytes = input.string()?;
    Listpack::from_bytes(&bytes).and_then(make).map_err(|corrupt| input.corrupt(corrupt))
}

/// A ziplist, made into a value as the same elements in a listpack would be.
fn repacked<R: BufRead, T>(
    input: &mut Input<R>,
    make: impl FnOnce(Listpack) -> Result<T, Corrupt>,
) -> Result<T, RdbError> {
    let bytes = input.string()?;
    let pack = Ziplist::new(&bytes).and_then(Ziplist::to_listpack);
    pack.and_then(make).map_err(|corrupt| input.corrupt(corrupt))
}

fn list_ziplist<R: BufRead>(input: &mut Input<R>, store: &Store) -> Result<List, RdbError> {
    let bytes = input.string()?;
    let ziplist = Ziplist::new(&bytes).map_err(|corrupt| input.corrupt(corrupt))?;
    let limits = store.settings().list_limits();
    let mut list = List::from(Quicklist::new(&limits));
    ziplist.iter().for_each(|element| list.push(End::Tail, element));
    list.fit(&limits);
    Ok(list)
}

/// A list as a sequence of nodes: ziplists, or listpacks and long elements.
fn list_nodes<R: BufRead>(input: &mut Input<R>, store: &Store, second: bool) -> Result<List, RdbError> {
    let limits = store.settings().list_limits();
    let mut quick = Quicklist::new(&limits);
    for _ in 0..input.length()? {
        let kind = if second { input.length()? } else { NODE_PACKED };
        let bytes = match kind {
            NODE_PLAIN | NODE_PACKED => input.string()?,
            _ => return Err(input.malformed("unknown kind of a list's node")),
        };
        match kind {
            NODE_PLAIN if bytes.is_empty() => return Err(input.malformed("a list's node is empty")),
            NODE_PLAIN => quick.append_plain(bytes.into_boxed_slice()),
            _ => {
                let pack = if second {
                    Listpack::from_bytes(&bytes)
                } else {
                    Ziplist::new(&bytes).and_then(|ziplist| ziplist.to_listpack())
                };
                quick.append_pack(pack.map_err(|corrupt| input.corrupt(corrupt))?);
            }
        }
    }
    let mut list = List::from(quick);
    list.fit(&limits);
    Ok(list)
}

fn hash_zipmap<R: BufRead>(input: &mut Input<R>, store: &Store) -> Result<Hash, RdbError> {
    let bytes = input.string()?;
    let pairs = Zipmap::new(&bytes).map_err(|corrupt| input.corrupt(corrupt))?;
    let mut hash = HashLoader::new(store, pairs.len() as u64, pairs.len());
    for (name, value) in pairs.iter() {
        if !hash.push(name, Str::Bytes(value), None) {
            return Err(input.malformed("a field is there twice"));
        }
    }
    Ok(hash.finish())
}

/// Names, values and deadlines (0: none) in turn, behind the earliest deadline.
fn hash_listpack_ex<R: BufRead>(input: &mut Input<R>, store: &Store) -> Result<Hash, RdbError> {
    input.i64()?;
    let bytes = input.string()?;
    let pack = Listpack::from_bytes(&bytes).map_err(|corrupt| input.corrupt(corrupt))?;
    let mut hash = HashLoader::new(store, pack.len() as u64 / 3, pack.len() / 3);
    let mut entries = pack.view().iter();
    let mut space = itoa::Buffer::new();
    while let Some(name) = entries.next() {
        let (Some(value), Some(Str::Int(deadline_ms))) = (entries.next(), entries.next()) else {
            return Err(input.malformed("a field has no value or no deadline"));
        };
        if !hash.push(name.as_bytes(&mut space), value, Some(deadline_ms).filter(|at_ms| *at_ms != 0)) {
            return Err(input.malformed("a field is there twice"));
        }
    }
    Ok(hash.finish())
}
