//! `compare`: is the candidate worse than the baseline?

use std::path::{Path, PathBuf};

use clap::Args;

use super::sides::{LogArgs, Side};
use super::{files, format, marker, set_name, write_marked};
use crate::analysis::{self, NoiseFloor, Rules};
use crate::base::error::{Error, Exit, Result};
use crate::base::files::refuse_overwriting;
use crate::import::Asked;
use crate::plan::config::{ComparedMetric, ComparisonConfig, Config};
use crate::render::{Format, Marker, publish_on_github, say};
use crate::report::{Comparison, Report};
use crate::run::keep_reports;

/// The variable by which jobs of CI set the threshold; a flag overrides it, and it overrides a configuration.
const THRESHOLD: &str = "REGRESSION_THRESHOLD";

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "When something is worse")]
pub(super) struct RuleArgs {
    /// What is compared: latency, throughput, efficiency [default: latency]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    metric: Option<String>,
    /// How p is computed: auto (a moderated test of trimmed means), ttest, mannwhitney (both by case, for those who
    /// know them)
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    statistical_test: Option<String>,
    /// How much worse counts, percent [default: REGRESSION_THRESHOLD of the environment, or 5]
    #[arg(long, value_name = "PERCENT")]
    regression_threshold: Option<f64>,
    /// Fail on suspected, unstable, inconclusive and vanished cases too, and where too few launches prove nothing
    #[arg(long)]
    strict: bool,
    /// Difference that does not prevent comparing, by the name that a comparison gives it; repeat for more
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    allow: Vec<String>,
}

impl RuleArgs {
    pub(super) fn apply(&self, config: &mut ComparisonConfig) -> Result<()> {
        set_name(&mut config.metric, "--metric", &self.metric)?;
        set_name(&mut config.statistical_test, "--statistical-test", &self.statistical_test)?;
        if let Some(percent) =
            self.regression_threshold.map_or_else(threshold, |it| Ok(Some(it)))?
        {
            config.regression_threshold = Some(percent);
        }
        config.strict = self.strict.then_some(true).or(config.strict);
        config.allow.extend(self.allow.iter().cloned());
        Ok(())
    }
}

/// What the environment says counts as worse, percent; `None` where it says nothing.
fn threshold() -> Result<Option<f64>> {
    let text = std::env::var_os(THRESHOLD).filter(|text| !text.is_empty());
    let Some(text) = text else { return Ok(None) };
    let text = text.to_string_lossy();
    let percent = text.trim().trim_end_matches('%').trim_end().parse::<f64>();
    percent.map(Some).map_err(|_| {
        Error::usage(format!(
            "{THRESHOLD}='{text}' of the environment is no percentage; write 10 for ten percent, or unset it"
        ))
    })
}

#[derive(Debug, Clone, Args)]
pub(super) struct NoiseArgs {
    /// What the machine changes by itself, below which no threshold is: a percentage, or another measurement of what
    /// the baseline is of, to which it is held; repeat for more
    #[arg(long, value_name = "PERCENT|REPORT")]
    noise_floor: Vec<String>,
}

impl NoiseArgs {
    /// What is asked for; `None` where nothing is.
    pub(super) fn floor(
        &self,
        baseline: &[Report],
        metric: ComparedMetric,
        asked: &Asked,
    ) -> Result<Option<NoiseFloor>> {
        let percent = |text: &String| text.trim_end_matches('%').trim_end().parse::<f64>().ok();
        match self.noise_floor.as_slice() {
            [] => return Ok(None),
            [only] => {
                if let Some(percent) = percent(only) {
                    return match percent.is_finite() && percent >= 0.0 {
                        true => Ok(Some(NoiseFloor { share: percent / 100.0, pairs: None })),
                        false => Err(Error::usage(format!(
                            "a noise floor of {only} is no percentage; write 3 for three percent"
                        ))),
                    };
                }
            }
            [..] => {}
        }
        let again: Vec<Side> =
            self.noise_floor.iter().map(|named| Side::load(named, asked)).collect::<Result<_>>()?;
        let sides = std::iter::once(baseline).chain(again.iter().map(|side| &*side.reports));
        let floor = analysis::noise_floor(&[sides.collect()], metric);
        floor.map(Some).ok_or_else(|| {
            Error::usage(
                "--noise-floor names no report with a case of the baseline; name another measurement of the same \
                 cases",
            )
        })
    }
}

#[derive(Debug, Clone, Args)]
pub(super) struct TellArgs {
    /// What is printed
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = format::<Comparison>())]
    format: Format,
    /// File to write, in the format that its ending names, such as .xml for JUnit; repeatable
    #[arg(long, short, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// Replace a report of a run that stands where a file is written; else it is kept under a dated name
    #[arg(long)]
    force: bool,
    /// What names a comment, so that one is updated: written with .comment.md [default: the kind of result]
    #[arg(long, value_name = "NAME", value_parser = marker, hide_short_help = true)]
    marker: Option<Marker>,
    /// Print annotations for GitHub too, and add to the step's summary [default: under GitHub Actions]
    #[arg(long)]
    github: bool,
}

impl TellArgs {
    pub(super) fn files(&self) -> Result<Vec<(&Path, Format)>> {
        files::<Comparison>(&self.output)
    }

    pub(super) fn refuse_overwriting(
        &self,
        baseline: &[String],
        candidate: &[String],
    ) -> Result<()> {
        refuse_overwriting(&self.output, baseline.iter().chain(candidate))
    }

    pub(super) fn tell(&self, comparison: &Comparison) -> Result<Exit> {
        if self.format == Format::Table {
            say("== comparison");
        }
        if !self.force {
            keep_reports(self.output.iter().map(PathBuf::as_path))?;
        }
        write_marked(comparison, self.format, &self.files()?, false, self.marker.as_ref())?;
        publish_on_github(comparison, self.github)?;
        Exit::of(comparison.exit)
    }
}

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// The baseline: a report of several launches, a folder of reports, several parted by commas, or results of
    /// other tools
    baseline: String,
    /// What is held against it, likewise; each of several by itself
    #[arg(required = true)]
    candidate: Vec<String>,
    #[command(flatten)]
    logs: LogArgs,
    #[command(flatten)]
    rules: RuleArgs,
    #[command(flatten)]
    noise: NoiseArgs,
    #[command(flatten)]
    tell: TellArgs,
}

pub(super) fn run(args: &CompareArgs, mut config: Config) -> Result<Exit> {
    args.rules.apply(&mut config.comparison)?;
    let mut rules = Rules::resolve(&config)?;
    if args.candidate.len() > 1 && !args.tell.output.is_empty() {
        return Err(Error::usage(
            "--output is for one candidate; compare each by itself to write files",
        ));
    }
    args.tell.files()?;
    let asked = args.logs.asked()?;
    // Reading large reports takes as long as comparing them.
    let (baseline, first) = std::thread::scope(|scope| {
        let first = scope.spawn(|| Side::load(&args.candidate[0], &asked));
        (Side::load(&args.baseline, &asked), first.join())
    });
    let baseline = baseline?;
    let mut first = Some(first.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
    rules.noise_floor = args.noise.floor(&baseline.reports, rules.metric, &asked)?;
    let mut worst = Exit::Ok;
    for named in &args.candidate {
        let candidate = first.take().map_or_else(|| Side::load(named, &asked), Ok)?;
        baseline.refuse_same(&candidate)?;
        args.tell.refuse_overwriting(&baseline.files, &candidate.files)?;
        let comparison = analysis::compare(baseline.as_reports(), candidate.as_reports(), &rules);
        worst = worst.worst(args.tell.tell(&comparison)?);
    }
    Ok(worst)
}
