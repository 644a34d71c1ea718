//! `run`: its arguments, and the request that they make.

mod args;
mod flags;
mod foreign;
mod standard_output;
mod variation;
mod words;

pub(super) use args::{AdvancedArgs, MeasuringArgs, RankArgs, WorkArgs};
pub(super) use flags::apply_problem_sizes;
pub(super) use words::without;

use std::ffi::OsString;
use std::path::Path;

use clap::Args;

use super::compare::RuleArgs;
use crate::base::error::{Exit, Result};
use crate::plan::config::{Config, from_name};
use crate::run::{self, OnExisting, Request};
use args::{FailureArgs, OutputArgs, SeriesArgs};
pub(super) use foreign::told as foreign_flag;

#[derive(Debug, Args)]
#[command(after_help = "`tesserabench run --help` shows all flags, and more about each.")]
#[command(after_long_help = "")]
pub(super) struct RunArgs {
    #[command(flatten)]
    work: WorkArgs,
    #[command(flatten)]
    ranks: RankArgs,
    #[command(flatten)]
    measuring: MeasuringArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    failures: FailureArgs,
    #[command(flatten)]
    series: SeriesArgs,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    advanced: AdvancedArgs,
}

impl RunArgs {
    /// The configuration that these arguments make of a file's.
    pub(super) fn over(&self, config: Config) -> Result<Config> {
        self.apply(config)
    }
}

/// Runs the command: what these arguments and the configuration file ask for.
pub(super) fn run(mut args: RunArgs, file: Option<&Path>) -> Result<Exit> {
    args.refuse_foreign(file)?;
    let printed = args.redirect()?;
    let config = super::config(file);
    let ended = run::run(Request {
        ranks: args.ranks.ranks,
        launcher: from_name("--launcher", &args.ranks.launcher)?,
        sides: args.sides()?,
        on_existing: match (args.failures.resume, args.failures.force) {
            (true, _) => OnExisting::Resume,
            (_, true) => OnExisting::Overwrite,
            _ => OnExisting::Refuse,
        },
        print_command: args.ranks.print_command,
        dry_run: args.work.dry_run,
        nccl_tests_table: args.output.nccl_tests_table,
        quiet_stdout: printed.is_some(),
        arguments: match &printed {
            Some(_) => args.redirected_words()?,
            // A command that is printed prints no command when it is run.
            None => arguments().filter(|word| word != "--print-command").collect(),
        },
        config: config.and_then(|config| args.apply(config)),
        compare_baseline: args.series.compare_baseline,
    });
    if let Some(file) = printed {
        file.print()?;
    }
    ended
}

fn arguments() -> impl Iterator<Item = OsString> {
    std::env::args_os().skip(1)
}
