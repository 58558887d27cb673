//! Ways to end badly, for tests of what happens then.

use crate::context::Context;
use crate::error::CommandResult;
use crate::process::crash;
use std::alloc::{Layout, handle_alloc_error};

pub(super) fn assert(_: &mut Context<'_>) -> CommandResult {
    panic!("DEBUG ASSERT");
}

pub(super) fn panic(_: &mut Context<'_>) -> CommandResult {
    panic!("DEBUG PANIC called at Unix time {}", crate::clock::unix_ms() / 1000);
}

pub(super) fn segfault(context: &mut Context<'_>) -> CommandResult {
    crash::segfault();
    // Only where the signal is blocked.
    context.reply.ok();
    Ok(())
}

pub(super) fn out_of_memory(_: &mut Context<'_>) -> CommandResult {
    handle_alloc_error(Layout::new::<[u8; 1 << 40]>());
}

pub(super) fn leak(context: &mut Context<'_>) -> CommandResult {
    std::mem::forget(context.argv.at(2).to_vec());
    context.reply.ok();
    Ok(())
}
