//! What a second worker is worth.
//!
//! A generator and two busy workers do not fit on two cores, so throughput says little there. What a request costs does: with
//! twice the processors and the same cost a request the server does twice as much. What the second worker takes from the
//! first (locks that are held, spinning and parking for them, cache lines that travel) makes a request dearer.

use std::io::{BufRead, BufReader, Write};

use anyhow::{Result, ensure};

use super::load::{Generator, Work};
use super::process::{Process, Program};
use super::table::{median, print};

/// Keys of each kind.
const KEYS: u64 = 1_000;
/// Fields of each hash.
const FIELDS: usize = 50;

/// Prints what a request costs with one worker and with two.
pub(crate) fn run(program: &Program, generator: &Generator, repetitions: usize) -> Result<()> {
    let generator = Generator { core: None, threads: 1, ..generator.clone() };
    let works = [
        Work::new("GET", "GET key:__rand_int__", Some(KEYS)),
        Work::new("SET", "SET key:__rand_int__ value", Some(KEYS)),
        Work::new("ZADD", "ZADD zset:__rand_int__ __rand_int__ member:__rand_int__", Some(KEYS)),
        Work::new("HGETALL 50", "HGETALL hash:__rand_int__", Some(KEYS)),
    ];
    let mut rows: Vec<[[Vec<f64>; 2]; 2]> = works.iter().map(|_| Default::default()).collect();
    for _ in 0..repetitions {
        for workers in [1, 2] {
            let server = Process::start(program, workers, None)?;
            fill_hashes(&server)?;
            for (work, row) in works.iter().zip(&mut rows) {
                // The first run makes the keys.
                generator.measure(&server, work, 16)?;
                let measured = generator.measure(&server, work, 16)?;
                let [costs, throughputs] = &mut row[workers - 1];
                costs.push(measured.cpu_us);
                throughputs.push(measured.rps);
            }
        }
    }
    let table = works.iter().zip(rows).map(|(work, row)| {
        let [[cost, throughput], [cost_of_two, throughput_of_two]] = row.map(|figures| figures.map(median));
        vec![
            work.name.into(),
            format!("{cost:.3}"),
            format!("{cost_of_two:.3}"),
            format!("{:.2}", 2.0 * cost / cost_of_two),
            format!("{throughput:.0}"),
            format!("{throughput_of_two:.0}"),
        ]
    });
    println!("\n## A second worker: 50 connections, pipeline 16, {KEYS} keys, nothing pinned\n");
    let heads = ["command", "1 worker: CPU µs", "2 workers: CPU µs", "worth", "1 worker: rps", "2 workers: rps"];
    print(&heads, &table.collect::<Vec<_>>());
    println!(
        "\nworth: how many times the work of one worker two do on cores of their own, 2 if they never disturb each other."
    );
    Ok(())
}

/// Makes the hashes that are read.
fn fill_hashes(server: &Process) -> Result<()> {
    let mut stream = server.connect()?;
    let fields: String = (0..FIELDS).map(|field| format!(" field:{field:02} value:{field:010}")).collect();
    let mut reader = BufReader::new(stream.try_clone()?);
    for key in 0..KEYS {
        // In one piece: parts would wait for one another's acknowledgements.
        stream.write_all(format!("HSET hash:{key:012}{fields}\r\n").as_bytes())?;
        let mut reply = String::new();
        reader.read_line(&mut reply)?;
        ensure!(reply == format!(":{FIELDS}\r\n"), "HSET: {reply:?}");
    }
    Ok(())
}
