//! What a comparison of two sides found, as data. The schema is `tesserabench.comparison/1`;
//! `tesserabench schema comparison` prints it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::metric::Direction;
use crate::plan::config::{ComparedMetric, StatisticalTest};
pub use crate::stats::Magnitude;

/// Names the format and its version.
pub const COMPARISON_SCHEMA: &str = "tesserabench.comparison/1";

/// What a comparison of a candidate with a baseline found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// `tesserabench.comparison/1`.
    pub schema: String,
    /// What the candidate is held against.
    pub baseline: Side,
    /// What is judged.
    pub candidate: Side,
    /// What is compared.
    pub metric: ComparedMetric,
    /// Which way it improves.
    pub direction: Direction,
    /// The test that gives p; `auto` is the moderated test of trimmed means.
    pub test: StatisticalTest,
    /// Expected share of false ones among the cases called REGRESSED.
    pub false_discovery_rate: f64,
    /// Confidence of the intervals; cases called REGRESSED or IMPROVED have more, because they were selected.
    pub confidence: f64,
    /// How often launches were drawn to see what chance does.
    pub resamples: usize,
    /// Seed of all random numbers.
    pub seed: u64,
    /// What the machine's own variation was found to be, percent: no threshold is below it.
    pub noise_floor_percent: Option<f64>,
    /// Pairs of measurements of one thing that tell it; null where it was given, or is not known.
    #[serde(default)]
    pub noise_floor_pairs: Option<usize>,
    /// The looks at growing numbers of launches, in their order; empty where more launches were not to be made.
    #[serde(default)]
    pub looks: Vec<Look>,
    /// What so many launches can show.
    pub reach: Reach,
    /// What differs around the two sides. Where one of these is not allowed for, nothing is comparable.
    pub differences: Vec<Difference>,
    /// The cases of either side, those of the baseline first.
    pub cases: Vec<Compared>,
    /// Cases by verdict; 0 where there is none.
    #[schemars(extend("propertyNames" = {"$ref": "#/$defs/Verdict"}, "minProperties" = 11))]
    pub summary: BTreeMap<Verdict, usize>,
    /// The exit code.
    pub exit: u8,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// The files it was read from, or how it was named.
    pub files: Vec<String>,
    /// Commit that was checked out, where all its reports say the same.
    pub git: Option<String>,
    /// The build that measured, likewise.
    pub build: Option<String>,
    /// Its machine, likewise: backend, devices, processors, nodes and mesh.
    #[serde(default)]
    pub machine: Option<String>,
    /// Its command, likewise.
    #[serde(default)]
    pub command: Option<String>,
    /// When the first of its launches began, UTC; null where a log of another tool does not tell.
    pub started: Option<String>,
    /// Launches.
    pub launches: usize,
}

/// A look at the launches that there are. What is doubtful then gets more for the next one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Look {
    /// Launches of each side that is measured, of the cases that this look is at.
    pub launches: usize,
    /// Cases that it is at: all, or those that were doubtful at the look before.
    pub cases: usize,
    /// Its share of the false discovery rate.
    pub share: f64,
}

/// What so many launches can show at best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reach {
    /// Cases that are judged together.
    pub cases: usize,
    /// Fewest launches of the baseline and of the candidate in any of these, or that it gets where it stays doubtful.
    pub launches: [usize; 2],
    /// The smallest p that these allow.
    pub smallest_p: f64,
    /// So many cases must regress together before any can be called so; 1 is as it should be.
    pub fewest_visible: usize,
    /// Launches of each side, about, with which a lone regression of the size asked for can be seen; 100 where no number
    /// would do.
    pub launches_needed: usize,
    /// By how much a lone case must get worse, percent, to be called REGRESSED in four of five comparisons: in half of
    /// the cases less does; null where the launches show nothing.
    pub detectable_percent: Option<f64>,
    /// How small a regression is asked for, percent: a severe one, or twice the threshold where that is more.
    pub wanted_percent: f64,
}

impl Reach {
    /// Whether a lone regression of the size that is asked for would be shown.
    pub fn suffices(&self) -> bool {
        let is_small = |percent: f64| percent <= self.wanted_percent;
        self.fewest_visible == 1 && self.detectable_percent.is_some_and(is_small)
    }
}

/// What a difference is called whose sides were measured in different sessions.
pub const SESSION: &str = "session";

/// Something around the measurement that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// What: `mpi`, `nccl`, `devices`, `variable NCCL_ALGO` …
    pub what: String,
    /// On the baseline's side.
    pub baseline: String,
    /// On the candidate's.
    pub candidate: String,
    /// Whether the sides cannot be compared because of it.
    pub prevents: bool,
}

/// Begins the remark on a case that is much worse where too few launches prove it.
pub const MUCH_WORSE: &str = "MUCH WORSE";

/// What is said of a case.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is worse by more than the threshold, or its results err more than before.
    Regressed,
    /// It is worse by more than the threshold by its own interval, but not so surely as the number of cases asks for; or
    /// every launch is worse than any before, by half or more, and too few show it.
    Suspected,
    /// It was measured in the baseline and failed now.
    Failed,
    /// The two figures do not mean the same.
    NotComparable,
    /// The baseline has it, the candidate does not.
    Vanished,
    /// A few of the candidate's launches are far worse than its others.
    Unstable,
    /// The launches do not suffice to tell.
    Inconclusive,
    /// It has changed, but whether by more than the threshold cannot be told.
    Shifted,
    /// It is better by more than the threshold.
    Improved,
    /// Whatever the change is, it is within the threshold.
    Equivalent,
    /// The candidate has it, the baseline does not.
    New,
}

impl Comparison {
    /// Cases whose figures of both sides were held against each other.
    pub fn compared(&self) -> usize {
        let without = [Verdict::Failed, Verdict::NotComparable, Verdict::Vanished, Verdict::New];
        self.cases.iter().filter(|case| !without.contains(&case.verdict)).count()
    }
}

impl Verdict {
    /// Every verdict, the most pressing first.
    pub const ALL: [Self; 11] = [
        Self::Regressed,
        Self::Suspected,
        Self::Failed,
        Self::NotComparable,
        Self::Vanished,
        Self::Unstable,
        Self::Inconclusive,
        Self::Shifted,
        Self::Improved,
        Self::Equivalent,
        Self::New,
    ];

    /// How many of the cases have each verdict.
    pub fn count(cases: &[Compared]) -> BTreeMap<Self, usize> {
        let of = |verdict| cases.iter().filter(|case| case.verdict == verdict).count();
        Self::ALL.map(|verdict| (verdict, of(verdict))).into()
    }
}

/// How bad a regression is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RegressionSeverity {
    /// Less than what follows.
    Mild,
    /// 10 %, unless configured otherwise.
    Moderate,
    /// 20 %, likewise.
    Severe,
}

/// One case on both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Compared {
    /// The case, or the point of a scaling study.
    pub id: String,
    /// Name of the benchmark.
    pub benchmark: String,
    /// What is said of it.
    pub verdict: Verdict,
    /// How bad it is, where it regressed or may have.
    pub severity: Option<RegressionSeverity>,
    /// The figure on the baseline's side: the median of its launches' medians.
    pub baseline: Option<f64>,
    /// Likewise on the candidate's.
    pub candidate: Option<f64>,
    /// Unit of both.
    pub unit: String,
    /// Launches on each side.
    pub launches: [usize; 2],
    /// The figure of each of them, in their order.
    #[serde(default)]
    pub of_launches: [Vec<f64>; 2],
    /// Candidate over baseline, by the trimmed means of the launches' logarithms.
    pub ratio: Option<f64>,
    /// Its interval by the same model; null for fewer than two launches of a side.
    pub ci: Option<[f64; 2]>,
    /// Confidence of that interval.
    pub confidence: f64,
    /// How much worse the candidate is, percent, whichever way the metric improves; negative for better.
    pub worse_percent: Option<f64>,
    /// Beyond which it counts, percent: what was asked for, or the noise floor.
    pub threshold_percent: f64,
    /// Growth of the largest relative error of the results, where it is more than allowed: then the case regressed.
    pub accuracy_drift: Option<f64>,
    /// Probability of as much if it were not worse by more than the threshold.
    pub p: Option<f64>,
    /// The same, adjusted for all cases (Benjamini and Hochberg) and for the look's share of the rate.
    pub p_adjusted: Option<f64>,
    /// Probability of as much if it were not better by more than the threshold.
    pub p_improved: Option<f64>,
    /// The same, adjusted.
    pub p_improved_adjusted: Option<f64>,
    /// Cliff's delta: 1 when every launch of the candidate has a larger figure than every other. Only shown.
    pub cliffs_delta: Option<f64>,
    /// That in words.
    pub effect: Option<Magnitude>,
    /// Hedges' g of the logarithms of the launches; null where they do not vary. Only shown.
    pub hedges_g: Option<f64>,
    /// Probability of as much if the sides differed by the threshold: two one-sided tests (Schuirmann). Only shown.
    pub p_equivalent: Option<f64>,
    /// Launches of each side that would tell, about; where the verdict is SUSPECTED, INCONCLUSIVE or SHIFTED.
    pub launches_needed: Option<usize>,
    /// Why it is not comparable, failed or inconclusive; and warnings.
    pub remarks: Vec<String>,
}
