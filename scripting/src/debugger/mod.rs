//! The debugger of scripts, which its client talks to while the script stands still.
//!
//! Lua's functions for looking at local variables are not to be had without `unsafe`: those are not shown.

mod commands;
mod session;
mod show;

pub(crate) use commands::on_event;
pub(crate) use session::Session;
pub(crate) use show::{show_reply, show_value};
