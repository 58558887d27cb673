//! Two servers side by side: CPU time a request, throughput and latency.

use std::collections::BTreeMap;

use anyhow::Result;

use super::load::{Generator, Measured, Work, fill};
use super::process::{Process, Program};
use super::table::{geometric_mean, median, print, spread_percent};

/// Keys of the ordinary runs, and of the large one.
const KEYS: u64 = 1_000_000;
const KEYS_LARGE: u64 = 5_000_000;
const COUNTERS: u64 = 100_000;

/// What every key holds.
const VALUE: &str = "0123456789abcdef";

/// A script of two commands, and its name.
const SCRIPT: &str = "local v = redis.call('GET', KEYS[1]) redis.call('SET', KEYS[1], ARGV[1]) return v";
const SCRIPT_SHA: &str = "6859df25966c787c7bd4164f4cf940916589a96f";

/// The pair to compare and how often each measurement is repeated.
#[derive(Debug)]
pub(crate) struct Pair<'a> {
    /// Our server first, then its peer.
    pub(crate) programs: &'a [Program; 2],
    /// The load generator.
    pub(crate) generator: &'a Generator,
    /// Repetitions, each with servers started anew.
    pub(crate) repetitions: usize,
}

/// The figures of each repetition, by row.
type Rows = BTreeMap<(usize, &'static str, usize), [Vec<Measured>; 2]>;

impl Pair<'_> {
    /// One thread each, the server on core 0 and the generator on core 1.
    pub(crate) fn pinned(&self) -> Result<()> {
        let works = works();
        let mut rows = Rows::new();
        for repetition in 0..self.repetitions {
            let live = self.start(1, Some(0), KEYS)?;
            for (order, work) in works.iter().enumerate() {
                for pipeline in [1, 16, 64] {
                    self.compare(&live, work, order, pipeline, repetition, &mut rows)?;
                }
            }
        }
        println!("\n## Pinned: one thread each, server on core 0, generator on core 1, 50 connections, {KEYS} keys\n");
        self.report(&rows);
        Ok(())
    }

    /// Memory a key with five million keys of 16 bytes and values of 16 bytes, and GET at pipeline 16 over them.
    pub(crate) fn large(&self) -> Result<()> {
        let work = Work::new("GET", "GET key:__rand_int__", Some(KEYS_LARGE));
        let mut rows = Rows::new();
        println!("\n## {KEYS_LARGE} keys of 16 bytes with values of 16 bytes, pinned\n");
        let start = |program: &Program| -> Result<Process> {
            let server = Process::start(program, 1, Some(0))?;
            let empty = server.rss_bytes()?;
            fill(&server, "key", KEYS_LARGE, VALUE)?;
            // Reading the keys lets a table that still grows come to its end.
            self.generator.measure(&server, &work, 64)?;
            let bytes = server.rss_bytes()?.saturating_sub(empty) as f64 / KEYS_LARGE as f64;
            println!("{}: {bytes:.1} bytes of resident memory a key", program.name);
            server.freeze()?;
            Ok(server)
        };
        let live = [start(&self.programs[0])?, start(&self.programs[1])?];
        println!();
        for repetition in 0..self.repetitions {
            self.compare(&live, &work, 0, 16, repetition, &mut rows)?;
        }
        self.report(&rows);
        Ok(())
    }

    /// Two workers against the better of one and two threads of the peer, nothing pinned.
    pub(crate) fn threads(&self) -> Result<()> {
        let generator = Generator { core: None, threads: 2, ..self.generator.clone() };
        println!("\n## Threads: nothing pinned, two generator threads, 50 connections\n");
        let mut table = Vec::new();
        for work in works().iter().filter(|work| ["GET", "SET"].contains(&work.name)) {
            for pipeline in [1, 16] {
                let mut best = [0.0; 2];
                for (side, threads) in [(0, 2), (1, 1), (1, 2)] {
                    let mut throughputs = Vec::new();
                    for _ in 0..self.repetitions {
                        let server = Process::start(&self.programs[side], threads, None)?;
                        fill(&server, "key", KEYS, VALUE)?;
                        throughputs.push(generator.measure(&server, work, pipeline)?.rps);
                    }
                    best[side] = f64::max(best[side], median(throughputs));
                }
                let [ours, peer] = best;
                table.push(vec![
                    work.name.into(),
                    pipeline.to_string(),
                    format!("{ours:.0}"),
                    format!("{peer:.0}"),
                    format!("{:.2}", ours / peer),
                ]);
            }
        }
        let heads = ["command", "pipeline", "ours rps", "peer rps (best of 1, 2 threads)", "ratio"];
        print(&heads, &table);
        Ok(())
    }

    /// Starts both, filled, and frozen until their turn comes.
    fn start(&self, threads: usize, core: Option<usize>, keys: u64) -> Result<[Process; 2]> {
        let start = |program: &Program| -> Result<Process> {
            let server = Process::start(program, threads, core)?;
            fill(&server, "key", keys, VALUE)?;
            fill(&server, "counter", COUNTERS, "1000")?;
            server.command(&format!("SCRIPT LOAD \"{SCRIPT}\""))?;
            // It errs if that is not its name.
            server.command(&format!("EVALSHA {SCRIPT_SHA} 1 counter:000000000000 1000"))?;
            server.freeze()?;
            Ok(server)
        };
        Ok([start(&self.programs[0])?, start(&self.programs[1])?])
    }

    /// Measures one row on both, in turning order.
    fn compare(
        &self,
        live: &[Process; 2],
        work: &Work,
        order: usize,
        pipeline: usize,
        repetition: usize,
        rows: &mut Rows,
    ) -> Result<()> {
        for turn in 0..2 {
            let side = (turn + repetition + order) % 2;
            live[side].thaw()?;
            let measured = self.generator.measure(&live[side], work, pipeline);
            live[side].freeze()?;
            rows.entry((order, work.name, pipeline)).or_default()[side].push(measured?);
        }
        Ok(())
    }

    fn report(&self, rows: &Rows) {
        let [ours, peer] = self.programs.each_ref().map(|program| program.name.as_str());
        let mut table = Vec::new();
        let mut ratios: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for ((_, name, pipeline), sides) in rows {
            let middle = |side: usize, figure: fn(&Measured) -> f64| median(sides[side].iter().map(figure).collect());
            let cpu = [0, 1].map(|side| middle(side, |m| m.cpu_us));
            let rps = [0, 1].map(|side| middle(side, |m| m.rps));
            let p99 = [0, 1].map(|side| middle(side, |m| m.p99_ms));
            let noise = sides.iter().map(|side| spread_percent(&side.iter().map(|m| m.cpu_us).collect::<Vec<_>>()));
            // PING shows the cost of the network alone and stays out of the mean.
            if *name != "PING" {
                ratios.entry(*pipeline).or_default().push(cpu[0] / cpu[1]);
            }
            table.push(vec![
                (*name).to_owned(),
                pipeline.to_string(),
                format!("{:.3}", cpu[0]),
                format!("{:.3}", cpu[1]),
                format!("{:.2}", cpu[0] / cpu[1]),
                format!("{:.0}", rps[0]),
                format!("{:.0}", rps[1]),
                format!("{:.2}", rps[0] / rps[1]),
                format!("{:.2}", p99[0]),
                format!("{:.2}", p99[1]),
                format!("{:.0}", noise.fold(0.0, f64::max)),
            ]);
        }
        let heads = [
            "command".to_owned(),
            "pipeline".to_owned(),
            format!("{ours} µs"),
            format!("{peer} µs"),
            "µs ratio".to_owned(),
            format!("{ours} rps"),
            format!("{peer} rps"),
            "rps ratio".to_owned(),
            format!("{ours} p99 ms"),
            format!("{peer} p99 ms"),
            "noise %".to_owned(),
        ];
        print(&heads.each_ref().map(String::as_str), &table);
        println!(
            "\nµs: CPU time of the server a request, all its threads; a ratio below 1 means that ours is cheaper."
        );
        for (pipeline, ratios) in ratios {
            println!(
                "pipeline {pipeline}: geometric mean of the µs ratios without PING {:.3}",
                geometric_mean(&ratios)
            );
        }
    }
}

fn works() -> Vec<Work> {
    let mset = format!("MSET{}", format!(" key:__rand_int__ {VALUE}").repeat(10));
    vec![
        Work::new("PING", "PING", None),
        Work::new("GET", "GET key:__rand_int__", Some(KEYS)),
        Work::new("SET", &format!("SET key:__rand_int__ {VALUE}"), Some(KEYS)),
        Work::new("INCR", "INCR counter:__rand_int__", Some(COUNTERS)),
        Work::new("MSET(10)", &mset, Some(KEYS)),
        Work::new("EVALSHA", &format!("EVALSHA {SCRIPT_SHA} 1 key:__rand_int__ {VALUE}"), Some(KEYS)),
    ]
}
