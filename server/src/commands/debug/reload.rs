//! Saving the data set and loading it again.

use crate::aof;
use crate::context::Context;
use crate::errand::{Errand, Outcome};
use crate::error::{self, CommandError, CommandResult};
use crate::persistence::is_loading;
use crate::persistence::load::{Loading, NotLoaded, crew, load, report};
use crate::persistence::save::save;
use crate::server::{Attention, Server};
use ochre_store::keyspace::{self, FreeMode};
use std::path::Path;

struct ReloadArgs {
    save: bool,
    flush: bool,
    merge: bool,
}

pub(super) fn reload(context: &mut Context<'_>) -> CommandResult {
    let args = parse(context)?;
    if is_loading(context.server) {
        return Err(error::LOADING);
    }
    if args.save && save(context.server, &mut context.txn).is_err() {
        return Err(error::NOT_SAVED);
    }
    context.after.time_passed = true;
    if args.flush {
        // Nothing is counted as changed: all of it comes back. But who watches a key has lost it from sight.
        let dirty = context.txn.effects().dirty;
        let flushed = keyspace::flush_all(&mut context.txn, FreeMode::Later);
        context.txn.effects().dirty = dirty;
        flushed?;
        context.server.functions.flush();
    }
    let name = context.server.config().dbfilename.clone();
    let loading = Loading { merge: args.merge, aside: None, look: &mut |_| true };
    match load(context.server, Path::new(&name), &mut context.txn, loading) {
        Ok(_) => {
            tracing::warn!("DB reloaded by DEBUG RELOAD");
            context.reply.ok();
            Ok(())
        }
        Err(error) => {
            if !matches!(error, NotLoaded::Missing) {
                report(Path::new(&name), &error);
            }
            Err(error::NOT_LOADED)
        }
    }
}

fn parse(context: &Context<'_>) -> Result<ReloadArgs, CommandError> {
    let mut cursor = context.argv.cursor(2);
    let mut args = ReloadArgs { save: true, flush: true, merge: false };
    while !cursor.is_done() {
        if cursor.token("MERGE") {
            args.merge = true;
        } else if cursor.token("NOFLUSH") {
            args.flush = false;
        } else if cursor.token("NOSAVE") {
            args.save = false;
        } else {
            return Err(error::RELOAD_OPTIONS);
        }
    }
    Ok(args)
}

/// What the append-only file holds.
pub(super) fn load_aof(context: &mut Context<'_>) -> CommandResult {
    let server = context.server;
    if is_loading(server) {
        return Err(error::LOADING);
    }
    let dirty = context.txn.effects().dirty;
    // What follows in a transaction, or comes from a primary, needs all of it.
    let at_once = context.denies_blocking() || server.upstream.is_set();
    let goes_on = if at_once { aof::reload(server, &mut context.txn) } else { aof::empty(server, &mut context.txn) };
    context.after.time_passed = true;
    // Nothing has changed that anybody would have to be told.
    let effects = context.txn.effects();
    effects.dirty = dirty;
    effects.removals_are_recorded();
    if !goes_on {
        give_up();
    }
    if at_once {
        loaded(server);
        context.reply.ok();
        return Ok(());
    }
    server.attention.set(Attention::LOADING, true);
    server.bump_gate_epoch();
    Err(CommandError::Errand(Errand::new(|server| {
        let _watch = server.watchdog.watch("load");
        let member = server.store.register();
        let mut target = crew(&member);
        match aof::read_again(server, &mut target, &mut |_| !server.shutdown.is_requested()) {
            Ok(()) => {
                loaded(server);
                server.attention.set(Attention::LOADING, false);
                server.bump_gate_epoch();
            }
            // The process ends; what was loaded in part is not saved.
            Err(aof::Failure::Stopped) => {}
            Err(aof::Failure::Bad) => give_up(),
        }
        Outcome::Done
    })))
}

fn loaded(server: &Server) {
    server.persistence.loaded(server);
    tracing::warn!("Append Only File loaded by DEBUG LOADAOF");
}

fn give_up() -> ! {
    tracing::warn!("The data set is gone. Exiting...");
    std::process::exit(1);
}
