//! The command line of a rank: the user's own, without the flags that concern the whole series or profile.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{ArgAction, CommandFactory as _};

use super::super::Cli;
use crate::base::error::{Error, Result};

/// What concerns all launches together. `--nccl-tests-table` stays: it chooses cases too.
pub(super) const OF_THE_SERIES: [&str; 16] = [
    "launches",
    "max_launches",
    "against",
    "env",
    "output",
    "output_dir",
    "format",
    "marker",
    "github",
    "compare_baseline",
    "regression_threshold",
    "statistical_test",
    "metric",
    "allow",
    "dry_run",
    "print_command",
];

/// The typed words of `run`, or of a command with flags of it, without these flags and their values, every other flag by
/// its long name: words of `run`.
pub(in crate::cli) fn without(
    left_out: &[&str],
    typed: impl IntoIterator<Item = OsString>,
) -> Result<Vec<OsString>> {
    let mut command = Cli::command();
    let matches = command.try_get_matches_from_mut(typed);
    let matches = matches.map_err(|why| Error::internal(why.to_string()))?;
    let typed = matches.subcommand();
    let typed = typed.and_then(|(name, given)| Some((command.find_subcommand(name)?, given)));
    let (run, given) = typed.ok_or_else(|| Error::internal("no command was typed"))?;
    let mut words = vec![OsString::from("run")];
    for flag in run.get_arguments() {
        let id = flag.get_id().as_str();
        let is_typed = given.value_source(id) == Some(ValueSource::CommandLine);
        if !is_typed || left_out.contains(&id) {
            continue;
        }
        let Some(name) = flag.get_long().map(|name| format!("--{name}")) else {
            words.extend(given.get_raw(id).into_iter().flatten().map(OsString::from));
            continue;
        };
        match flag.get_action() {
            ArgAction::SetTrue => words.push(name.into()),
            ArgAction::Count => {
                words.extend((0..given.get_count(id)).map(|_| OsString::from(&name)));
            }
            _ => words.extend(given.get_raw(id).into_iter().flatten().map(|value| {
                let mut word = OsString::from(format!("{name}="));
                word.push(value);
                word
            })),
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_all_launches_is_left_out() {
        for (typed, expected) in [
            ("run --launches 3 --ranks 2", "run --ranks=2"),
            ("run --launches=3 -b gemm", "run --benchmark=gemm"),
            ("run gemm --launches 3 all_*", "run gemm all_*"),
            ("run -o x.json -ox.csv --output x.md --output=x -b gemm", "run --benchmark=gemm"),
            ("-q run -bo -p o -b=o", "run --benchmark=o --benchmark=o --precision=o --quiet"),
            ("run -vvoy.json -c x", "run --config=x --verbose --verbose"),
            ("run --against a.yaml --env K=a,b --env=L=c --format csv --seed 2", "run --seed=2"),
            ("run --output-dir d -b gemm --marker nightly --github", "run --benchmark=gemm"),
            ("run --compare-baseline pin --regression-threshold=5 --strict", "run --strict"),
            (
                "run --ranks 1 --print-command --dry-run --nccl-tests-table",
                "run --ranks=1 --nccl-tests-table",
            ),
            (
                "run --scaling-ranks 1,2 --timeout 5m",
                "run --scaling-ranks=1 --scaling-ranks=2 --timeout=5m",
            ),
        ] {
            let typed = ["tesserabench"].into_iter().chain(typed.split(' ')).map(OsString::from);
            let left = without(&OF_THE_SERIES, typed).unwrap();
            assert_eq!(left.join(" ".as_ref()), expected);
        }
    }
}
