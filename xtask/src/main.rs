//! Project automation: `cargo xtask <command>`.
#![forbid(unsafe_code)]

mod conformance;
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
    /// Check the house rules that the compiler does not know
    Tidy,
}

fn main() -> anyhow::Result<()> {
    match Line::parse().command {
        Task::Conformance(options) => conformance::run(&options),
        Task::Tidy => tidy::run(),
    }
}
