//! `completions` and `man`: what shells and `man` know of the command line, made from the arguments themselves.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::Cli;
use crate::base::error::{Error, Exit, Result};
use crate::render::say;

/// Prints the completions of a shell.
pub(super) fn completions(shell: Shell) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tesserabench", &mut script);
    say(String::from_utf8_lossy(&script).trim_end());
    Ok(Exit::Ok)
}

/// Writes a page for the program and one for each command, such as `tesserabench-run.1`.
pub(super) fn man(folder: &Path) -> Result<Exit> {
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.map_err(|why| Error::write(folder, &why))?;
    say(&format!("wrote the pages; to read one: man -l {}/tesserabench-run.1", folder.display()));
    Ok(Exit::Ok)
}
