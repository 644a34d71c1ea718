//! A run of one rank in a process of its own, whose report is read rather than shown.

use std::ffi::OsString;
use std::path::Path;

use super::launch::{self, Command};
use super::profile::REPORT;
use super::request::{Variables, on_this_machine};
use crate::base::error::{Exit, Result};
use crate::plan::Plan;
use crate::plan::config::Config;
use crate::plan::place::Place;
use crate::render::{Format, Output, Outputs};

/// Starts this program with the words of a `run` that mean this configuration, and with these variables. The run writes its
/// report as [`REPORT`] into the folder, as its words say.
///
/// # Errors
/// As of a launch.
pub fn try_out(
    config: Config,
    words: Vec<OsString>,
    variables: Variables,
    folder: &Path,
) -> Result<Exit> {
    let plan = Plan::resolve(&on_this_machine(config, 1)?, &Place::on_one_node(1))?;
    let report = Output { path: folder.join(REPORT), format: Format::Json };
    let outputs = Outputs { files: vec![report], ..Outputs::default() };
    let command = Command {
        program: launch::this_program()?,
        arguments: words,
        wrapper: Vec::new(),
        variables,
        launcher: None,
        shows_output: false,
        of_series: true,
    };
    launch::run(&plan, &outputs, &command)
}
