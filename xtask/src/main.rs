//! The project's tasks, one file each.

mod assets;
mod bench;
mod book;
mod check;
mod check_device;
mod ci;
mod consumers;
mod parity;
mod shell;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use shell::Outcome;

/// The project's tasks.
#[derive(Parser)]
#[command(name = "cargo xtask", after_help = "Each task explains itself: cargo xtask TASK --help")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Assets(assets::Arguments),
    Bench(bench::Arguments),
    Book(book::Arguments),
    Check(check::Arguments),
    CheckDevice(check_device::Arguments),
    Ci(ci::Arguments),
    Consumers(consumers::Arguments),
    Parity(parity::Arguments),
    Table(table::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Outcome<()> {
    match task {
        Task::Assets(arguments) => assets::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Book(arguments) => book::run(&arguments),
        Task::Check(arguments) => check::run(&arguments),
        Task::CheckDevice(arguments) => check_device::run(&arguments),
        Task::Ci(arguments) => ci::run(&arguments),
        Task::Consumers(arguments) => consumers::run(&arguments),
        Task::Parity(arguments) => parity::run(&arguments),
        Task::Table(arguments) => table::run(&arguments),
    }
}
