//! Project automation: `cargo xtask <command>`.
#![forbid(unsafe_code)]

mod bench;
mod ci;
mod conformance;
mod generate;
mod tidy;
mod workspace;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Project automation")]
struct Line {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the unmodified test suite of Redis 7.0.15 against our binaries
    Conformance(conformance::Options),
    /// Write the files that are derived from the server's tables
    Gen(generate::Options),
    /// Measure our server beside another one, or count instructions
    Bench(bench::Options),
    /// Run every check
    Ci,
    /// Check the house rules that the compiler does not know
    Tidy,
}

fn main() -> anyhow::Result<()> {
    match Line::parse().command {
        Task::Conformance(options) => conformance::run(&options),
        Task::Gen(options) => generate::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Ci => ci::run(),
        Task::Tidy => tidy::run(),
    }
}
