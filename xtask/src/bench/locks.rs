//! What commands that lock everything do to the others, and what one hot key does to two workers.

use anyhow::{Result, ensure};

use super::load::{Generator, Work, fill, finish, measured};
use super::process::{Process, Program};
use super::table::{median, print};

/// Few keys, so that a KEYS is short and the locks are what is measured.
const KEYS: u64 = 1_000;

/// No request of either side may wait longer: that would be a stall.
const WAIT_MAX_MS: f64 = 1_000.0;

/// Runs ordinary traffic beside commands of the lock class `all`, at 1, 10 and 100 % of its rate. Errs when either side
/// starves or stalls.
pub(crate) fn mixes(program: &Program, generator: &Generator) -> Result<()> {
    let generator = Generator { core: None, threads: 1, ..generator.clone() };
    let mut table = Vec::new();
    let mut problems = Vec::new();
    for all in [Work::new("KEYS", "KEYS nomatch", None), Work::new("FLUSHALL", "FLUSHALL", None)] {
        for ordinary in [
            Work::new("GET", "GET key:__rand_int__", Some(KEYS)),
            Work::new("SET", "SET key:__rand_int__ value", Some(KEYS)),
        ] {
            let server = Process::start(program, 2, None)?;
            fill(&server, "key", KEYS, "value")?;
            let alone = generator.measure(&server, &ordinary, 1)?;
            for percent in [1.0, 10.0, 100.0] {
                // At 100 % the other side sends as fast as it is answered.
                let rate = (percent < 100.0).then_some(alone.rps * percent / 100.0);
                let first = generator.start(&server, &ordinary, 1, 50, None)?;
                let second = generator.start(&server, &all, 1, 50, rate)?;
                let (first, second) = (measured(&finish(first)?)?, measured(&finish(second)?)?);
                for (name, side) in [(ordinary.name, first), (all.name, second)] {
                    if side.rps < 10.0 || side.max_ms > WAIT_MAX_MS {
                        problems.push(format!(
                            "{name} beside {}: {:.0} rps, worst {:.0} ms",
                            all.name, side.rps, side.max_ms
                        ));
                    }
                }
                table.push(vec![
                    format!("{} + {}", ordinary.name, all.name),
                    format!("{percent}"),
                    format!("{:.0}", alone.rps),
                    format!("{:.0}", first.rps),
                    format!("{:.2}", first.p99_ms),
                    format!("{:.2}", first.max_ms),
                    format!("{:.0}", second.rps),
                    format!("{:.2}", second.p99_ms),
                    format!("{:.2}", second.max_ms),
                ]);
            }
        }
    }
    println!("\n## Ordinary commands beside commands that lock everything: two workers, 50 connections a side\n");
    let heads = ["mix", "% all", "alone rps", "rps", "p99 ms", "worst ms", "all: rps", "all: p99 ms", "all: worst ms"];
    print(&heads, &table);
    ensure!(problems.is_empty(), "starved or stalled:\n{}", problems.join("\n"));
    Ok(())
}

/// One key for all connections, with one worker and with two.
pub(crate) fn hot_key(program: &Program, generator: &Generator, repetitions: usize) -> Result<()> {
    let generator = Generator { core: None, threads: 1, ..generator.clone() };
    let mut table = Vec::new();
    for work in [
        Work::new("GET", "GET hot", None),
        Work::new("SET", "SET hot value", None),
        Work::new("INCR", "INCR counter", None),
    ] {
        for pipeline in [1, 16] {
            let throughput = |workers: usize| -> Result<f64> {
                let server = Process::start(program, workers, None)?;
                server.command("SET hot value")?;
                let runs = (0..repetitions).map(|_| Ok(generator.measure(&server, &work, pipeline)?.rps));
                Ok(median(runs.collect::<Result<_>>()?))
            };
            let (one, two) = (throughput(1)?, throughput(2)?);
            table.push(vec![
                work.name.into(),
                pipeline.to_string(),
                format!("{one:.0}"),
                format!("{two:.0}"),
                format!("{:.2}", two / one),
            ]);
        }
    }
    println!("\n## One hot key\n");
    print(&["command", "pipeline", "1 worker rps", "2 workers rps", "ratio"], &table);
    Ok(())
}
