//! `history gate`: is a report worse than its baseline?

use std::path::Path;

use clap::Args;

use crate::analysis::{self, Reports, Rules};
use crate::base::error::{Exit, Result};
use crate::cli::compare::{RuleArgs, TellArgs, tell};
use crate::cli::sides::Side;
use crate::history::Baseline;
use crate::plan::config::Config;

/// Arguments of `gate`.
#[derive(Debug, Args)]
pub(super) struct GateArgs {
    /// The report, in the history or not; several launches in several files parted by commas
    report: String,
    /// What it is held against: last-release, a pin, a file, a run, or a commit, of which the nearest before it that
    /// has reports of this machine
    #[arg(long, value_name = "WHAT", default_value = "last-release")]
    baseline: String,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    tell: TellArgs,
}

/// Runs the command.
pub(super) fn run(folder: &Path, args: &GateArgs, mut config: Config) -> Result<Exit> {
    args.rules.apply(&mut config.comparison)?;
    let rules = Rules::resolve(&config)?;
    args.tell.files()?;
    let candidate = Side::load(&args.report)?;
    let (files, reports) = Baseline::find(folder, &args.baseline)?.reports(&candidate.reports)?;
    let baseline = Reports { files: &files, reports: &reports };
    tell(&analysis::compare(baseline, candidate.as_reports(), &rules), &args.tell)
}
