//! The table of functions.

use super::{pack, unpack};
use crate::args::function;
use mlua::{Lua, Result, Table};

pub(crate) fn library(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("pack", function(lua, "pack", |args| pack::pack(&args))?)?;
    table.raw_set("unpack", function(lua, "unpack", |args| unpack::unpack(&args))?)?;
    table.raw_set("unpack_one", function(lua, "unpack_one", |args| unpack::unpack_one(&args))?)?;
    table.raw_set("unpack_limit", function(lua, "unpack_limit", |args| unpack::unpack_limit(&args))?)?;
    table.raw_set("_NAME", "cmsgpack")?;
    table.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.raw_set("_COPYRIGHT", "Copyright (C) 2012, Redis Ltd.")?;
    table.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    Ok(table)
}
