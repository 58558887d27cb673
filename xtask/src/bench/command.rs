//! The command line of `cargo xtask bench`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use super::count::{self, Mode};
use super::load::Generator;
use super::process::Program;
use super::sides::Pair;
use super::{growth, locks, peer, scaling};
use crate::workspace;

/// Options of `cargo xtask bench`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Count instructions a request instead of taking times
    #[arg(long)]
    count: bool,
    /// With --count: fail when a figure rose by more than 3 % over the committed one
    #[arg(long, requires = "count")]
    check: bool,
    /// With --count: write the figures down
    #[arg(long, requires = "count", conflicts_with = "check")]
    update: bool,
    /// Memory a key and GET over five million keys instead
    #[arg(long)]
    large: bool,
    /// The longest wait of a bystander while the table grows to twenty million keys instead
    #[arg(long)]
    growth: bool,
    /// Two workers against the peer's threads instead
    #[arg(long)]
    threads: bool,
    /// Commands that lock everything, and one hot key, instead
    #[arg(long)]
    locks: bool,
    /// What a request costs with one worker and with two instead
    #[arg(long)]
    scaling: bool,
    /// The server to measure (default: ochre-server, built in the release profile)
    #[arg(long)]
    server: Option<PathBuf>,
    /// The server to compare with (default: Valkey 9.1 through pip, else the redis-server of this machine)
    #[arg(long)]
    peer: Option<PathBuf>,
    /// The load generator (default: ochre-benchmark, built in the release profile)
    #[arg(long)]
    generator: Option<PathBuf>,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
    /// Repetitions, each with servers started anew; the median counts
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
}

/// Compares instructions a request with the committed figures; errs when one rose too far.
pub(crate) fn check_counts() -> Result<()> {
    count::run(Mode::Check)
}

/// Runs the benchmark that the options choose and prints its tables.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.count {
        return count::run(match (options.check, options.update) {
            (true, _) => Mode::Check,
            (_, true) => Mode::Update,
            _ => Mode::Show,
        });
    }
    let program = |given: &Option<PathBuf>, package: &str, name: &str| match given {
        Some(path) => workspace::find_program(path).with_context(|| format!("no program {}", path.display())),
        None => workspace::build(package, &["--bin", name], "release"),
    };
    let ours = Program::ours(program(&options.server, "ochre-server", "ochre-server")?);
    if options.growth {
        return growth::run(&ours);
    }
    let path = program(&options.generator, "ochre-cli", "ochre-benchmark")?;
    let generator = Generator { path, core: Some(1), seconds: options.seconds, threads: 1 };
    if options.scaling {
        return scaling::run(&ours, &generator, options.repetitions);
    }
    if options.locks {
        locks::mixes(&ours, &generator)?;
        return locks::hot_key(&ours, &generator, options.repetitions);
    }
    let programs = [ours, Program::peer(peer::find(options.peer.as_deref())?)];
    println!("{} against {}", programs[0].path.display(), programs[1].path.display());
    let pair = Pair { programs: &programs, generator: &generator, repetitions: options.repetitions.max(1) };
    match (options.large, options.threads) {
        (true, _) => pair.large(),
        (_, true) => pair.threads(),
        _ => pair.pinned(),
    }
}
