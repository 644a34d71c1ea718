//! `schema`: JSON Schema of what is written and read.

use clap::ValueEnum;

use crate::base::error::{Error, Exit, Result};
use crate::benchmark::kernel::Manifest;
use crate::history::Answer;
use crate::plan::config::Config;
use crate::render::say;
use crate::report::{Analysis, Comparison, Profile, Report, RunSummary};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Of {
    /// The result of `run`.
    Report,
    /// The result of `compare`.
    Comparison,
    /// What `history list`, `trend` and `export` print as JSON.
    History,
    /// The result of `analyze`.
    Analysis,
    /// `summary.json` in a folder of results.
    Summary,
    /// `profile.json` in the folder of a profile.
    Profile,
    /// The file that `--config` reads.
    Configuration,
    /// `bench.yaml`, which describes a kernel in its folder.
    Kernel,
}

pub(super) fn run(of: Of) -> Result<Exit> {
    let schema = match of {
        Of::Report => schemars::schema_for!(Report),
        Of::Comparison => schemars::schema_for!(Comparison),
        Of::History => schemars::schema_for!(Answer),
        Of::Analysis => schemars::schema_for!(Analysis),
        Of::Summary => schemars::schema_for!(RunSummary),
        Of::Profile => schemars::schema_for!(Profile),
        Of::Configuration => schemars::schema_for!(Config),
        Of::Kernel => schemars::schema_for!(Manifest),
    };
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|why| Error::internal(format!("cannot print: {why}")))?;
    say(&text);
    Ok(Exit::Ok)
}
