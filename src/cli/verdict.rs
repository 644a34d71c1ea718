//! `verdict`: a line on each finished report or comparison and their worst exit code, for scripts under launchers that
//! rewrite exit codes, and for gates that several runs lead to.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

use super::{files, marker};
use crate::base::error::{Error, Exit, Result};
use crate::base::files::{read_bounded, refuse_overwriting, write_atomically};
use crate::render::{Gate, Judged, Marker, publish_on_github, remark, say};
use crate::report::{COMPARISON_SCHEMA, Comparison, FILE_LIMIT, Report, Verdict};

#[derive(Debug, Args)]
pub(super) struct VerdictArgs {
    /// Reports and comparisons, JSON
    #[arg(required = true)]
    report: Vec<PathBuf>,
    /// File to write about all of them, in the format that its ending names; repeatable
    #[arg(long, short, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// What names a comment, so that one is updated: written with .comment.md [default: the kind of result]
    #[arg(long, value_name = "NAME", value_parser = marker, hide_short_help = true)]
    marker: Option<Marker>,
    /// Print annotations for GitHub too, and add to the step's summary
    #[arg(long)]
    github: bool,
}

pub(super) fn run(args: &VerdictArgs) -> Result<Exit> {
    let outputs = files::<Gate>(&args.output)?;
    refuse_overwriting(&args.output, &args.report)?;
    let names = names(&args.report);
    let judged = args.report.iter().zip(&names).map(|(path, name)| judge(path, name));
    let gate = Gate::of(judged.collect::<Result<_>>()?);
    gate.lines().iter().for_each(|line| say(line));
    for (path, format) in outputs {
        let text = format.write_marked(&gate, true, args.marker.as_ref())?;
        write_atomically(path, text.as_bytes())?;
        remark(&format!("wrote {}", path.display()));
    }
    if args.github {
        publish_on_github(&gate, true)?;
    }
    Ok(gate.exit())
}

fn judge(path: &Path, name: &str) -> Result<Judged> {
    // Once: a pipe gives what it has to the first who reads.
    let text = read_bounded(path, FILE_LIMIT)?;
    let known = |code: u8| {
        Exit::from_code(code)
            .ok_or_else(|| Error::file("use", path, format!("its exit code {code} is unknown")))
    };
    if !is_comparison(&text) {
        let report = Report::from_text(&text, path)?;
        return Ok(Judged::new(name, &report, known(report.run.exit)?));
    }
    let comparison: Comparison =
        serde_json::from_str(&text).map_err(|why| Error::file("use the comparison", path, why))?;
    let any = |verdict| comparison.cases.iter().any(|case| case.verdict == verdict);
    let is_bad = any(Verdict::Regressed) || any(Verdict::NotComparable);
    if is_bad && comparison.exit == Exit::Ok.code() {
        let told = "its exit code is 0, but its cases say otherwise";
        return Err(Error::file("use the comparison", path, told));
    }
    Ok(Judged::new(name, &comparison, known(comparison.exit)?))
}

/// The files' names without the folders and the name that all have: `cpu` and `gpu` of `out/cpu/results.json` and
/// `out/gpu/results.json`.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let parts: Vec<Vec<&OsStr>> = paths.iter().map(|path| path.iter().collect()).collect();
    let shortest = parts.iter().map(Vec::len).min().unwrap_or(0);
    // Whether all have the same part where `at` of its length tells.
    let same = |at: &dyn Fn(usize) -> usize| {
        let part = |of: &Vec<_>| of.get(at(of.len())).copied();
        parts.iter().all(|of| part(of) == parts.first().and_then(part))
    };
    let before = (0..shortest.saturating_sub(1)).take_while(|place| same(&|_| *place)).count();
    let after = (1..shortest - before).take_while(|place| same(&|length| length - place)).count();
    let own = parts.iter().map(|of| of[before..of.len() - after].iter().collect::<PathBuf>());
    own.map(|path| path.display().to_string()).collect()
}

fn is_comparison(text: &str) -> bool {
    /// The rest is passed over.
    #[derive(Deserialize)]
    struct Head {
        schema: String,
    }
    serde_json::from_str(text).is_ok_and(|Head { schema }| schema == COMPARISON_SCHEMA)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_called_by_what_tells_them_apart() {
        let named = |paths: &[&str]| names(&paths.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(named(&["r/cpu/a.json", "r/gpu/a.json"]), ["cpu", "gpu"]);
        assert_eq!(named(&["r/a.json", "r/b.json"]), ["a.json", "b.json"]);
        assert_eq!(named(&["r/a.json"]), ["a.json"]);
        assert_eq!(named(&["a.json", "r/a.json"]), ["a.json", "r/a.json"]);
        assert_eq!(named(&["a.json", "a.json"]), ["a.json", "a.json"]);
    }
}
