//! Switches, and small things to do.

use crate::args::{parse_float, parse_int};
use crate::commands::config::rewrite_file;
use crate::context::Context;
use crate::error::{self, CommandResult};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How many patterns STRINGMATCH-TEST tries, and how long they and the texts are at most.
const PATTERNS: usize = 10_000;
const PATTERN_LEN_MAX: u64 = 32;

pub(super) fn sleep(context: &mut Context<'_>) -> CommandResult {
    let seconds = parse_float(context.argv.at(2)).ok_or(error::NOT_FLOAT)?;
    let duration = Duration::try_from_secs_f64(seconds.max(0.0)).map_err(|_| error::OUT_OF_RANGE)?;
    std::thread::sleep(duration);
    context.after.time_passed = true;
    context.reply.ok();
    Ok(())
}

pub(super) fn active_expire(context: &mut Context<'_>) -> CommandResult {
    let on = flag(context, 2)?;
    context.server.store.settings().active_expire.store(on, Relaxed);
    context.reply.ok();
    Ok(())
}

pub(super) fn skip_checksums(context: &mut Context<'_>) -> CommandResult {
    let on = flag(context, 2)?;
    context.server.switches.skips_payload_checksums.store(on, Relaxed);
    context.reply.ok();
    Ok(())
}

pub(super) fn scripts_call_anything(context: &mut Context<'_>) -> CommandResult {
    let on = flag(context, 2)?;
    context.server.switches.scripts_call_anything.store(on, Relaxed);
    context.reply.ok();
    Ok(())
}

pub(super) fn pause_cron(context: &mut Context<'_>) -> CommandResult {
    let on = flag(context, 2)?;
    context.server.switches.cron_rests.store(on, Relaxed);
    // A signal to end may have come meanwhile.
    context.server.shutdown.look_again();
    context.reply.ok();
    Ok(())
}

pub(super) fn reply_buffer(context: &mut Context<'_>) -> CommandResult {
    let (what, value) = (context.argv.at(2), context.argv.at(3));
    if what.eq_ignore_ascii_case(b"resizing") {
        let on = flag(context, 3)?;
        context.server.switches.reply_buffers_keep_size.store(!on, Relaxed);
    } else if what.eq_ignore_ascii_case(b"peak-reset-time") {
        let millis = match value.to_ascii_lowercase().as_slice() {
            b"never" => None,
            b"reset" => Some(crate::server::Server::REPLY_BUFFER_PEAK_RESET_MS),
            // As elsewhere, a negative time is none.
            _ => Some(parse_int(value).ok_or(error::NOT_INTEGER)?).filter(|millis| *millis >= 0),
        };
        context.server.set_reply_buffer_peak_reset(millis);
    } else {
        return Err(error::unknown_subcommand_or_arity("DEBUG", context.argv.at(1)));
    }
    context.reply.ok();
    Ok(())
}

pub(super) fn log(context: &mut Context<'_>) -> CommandResult {
    tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(context.argv.at(2)));
    context.reply.ok();
    Ok(())
}

pub(super) fn rewrite_all(context: &mut Context<'_>) -> CommandResult {
    rewrite_file(context, true)?;
    context.reply.ok();
    Ok(())
}

pub(super) fn match_patterns(context: &mut Context<'_>) -> CommandResult {
    let [seed, ..] = crate::random::seed();
    let mut random = seed | 1;
    for _ in 0..PATTERNS {
        let pattern = random_text(&mut random, b"*?[]^-\\ab");
        let text = random_text(&mut random, b"ab-^]");
        std::hint::black_box(crate::glob::matches(&pattern, &text, false));
    }
    context.reply.simple("All random patterns were matched without a crash");
    Ok(())
}

fn random_text(state: &mut u64, alphabet: &[u8]) -> Vec<u8> {
    let mut next = || {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    };
    let len = next() % PATTERN_LEN_MAX;
    (0..len).filter_map(|_| alphabet.get(next() as usize % alphabet.len()).copied()).collect()
}

/// A switch as an integer: 0 is off, all else is on.
fn flag(context: &Context<'_>, index: usize) -> Result<bool, error::CommandError> {
    Ok(parse_int(context.argv.at(index)).ok_or(error::NOT_INTEGER)? != 0)
}

pub(super) fn aof_flush_sleep(context: &mut Context<'_>) -> CommandResult {
    let micros = context.argv.cursor(2).int_in(0, i64::from(i32::MAX), error::NOT_INTEGER)?;
    context.server.aof.flush_delay_us.store(micros.unsigned_abs(), Relaxed);
    context.reply.ok();
    Ok(())
}
