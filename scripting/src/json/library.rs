//! The table of functions.

use super::options::{self, Options};
use super::{decode, encode};
use crate::args::function;
use mlua::{Lua, Result, Table, Value};
use std::rc::Rc;

/// A library with options of its own.
pub(crate) fn library(lua: &Lua) -> Result<Table> {
    let options = Rc::new(Options::default());
    let table = lua.create_table()?;
    let shared = options.clone();
    table.raw_set("encode", function(lua, "encode", move |args| encode::encode(&args, &shared))?)?;
    let shared = options.clone();
    table.raw_set("decode", function(lua, "decode", move |args| decode::decode(&args, &shared))?)?;
    table.raw_set("new", function(lua, "new", |args| library(args.lua))?)?;
    options::register(lua, &table, &options)?;
    table.raw_set("null", Value::NULL)?;
    table.raw_set("_NAME", "cjson")?;
    table.raw_set("_VERSION", "2.1.0")?;
    Ok(table)
}
