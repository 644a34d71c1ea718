//! What the launches of one case say: numbers of two sides in, numbers out.

use super::{Rules, sign};
use crate::base::random::Stream;
use crate::plan::config::StatisticalTest;
use crate::stats::{self, Estimate};

/// One case on one side: for each launch its values, all positive, in order of time.
pub(super) type Launches = Vec<Vec<f64>>;

/// How many random numbers a case is worth.
#[derive(Debug, Clone, Copy)]
pub(super) struct ResampleBudget {
    /// Behind an interval.
    pub(super) resamples: usize,
    /// Of a permutation test that has too many ways to count.
    pub(super) draws: usize,
}

/// What they say, as w = ±ln(value): larger is worse, whichever way the metric improves, and a ratio and its
/// inverse are as far from none.
pub(super) struct Evidence {
    /// How much w grew.
    pub(super) worse: f64,
    /// Its interval; none for fewer than three launches of a side.
    pub(super) interval: Option<Estimate>,
    /// Probability of as much if w grew by no more than ln(1 + threshold).
    pub(super) p_worse: f64,
    /// Probability of as much if −w did not.
    pub(super) p_better: f64,
    /// Of the values, not of w.
    pub(super) cliffs_delta: Option<f64>,
    /// Of the values' logarithms.
    pub(super) hedges_g: Option<f64>,
    /// Probability of as much if the means of w differed by ln(1 + threshold) or more.
    pub(super) p_equivalent: Option<f64>,
    /// How far the launches of each side differ, as standard deviations of w, and the probability of as much if both
    /// sides' did alike.
    pub(super) spread: Option<([f64; 2], f64)>,
}

/// Weighs a candidate against a baseline: whether it is worse by more than a share. `None` when one of them has no
/// launch.
pub(super) fn weigh(
    [baseline, candidate]: [&Launches; 2],
    threshold: f64,
    rules: &Rules,
    budget: ResampleBudget,
    seed: u64,
) -> Option<Evidence> {
    let sign = sign(rules.metric);
    let worseness = |launches: &Launches| -> Launches {
        let worse = |values: &Vec<f64>| values.iter().map(|value| sign * value.ln()).collect();
        launches.iter().map(worse).collect()
    };
    let (from, to) = (worseness(baseline), worseness(candidate));
    // Of the values, as people read it; the median of their logarithms is another where they are even in number.
    let medians = |side: &Launches| -> Option<Vec<f64>> {
        side.iter().map(|values| Some(sign * stats::median(values)?.ln())).collect()
    };
    let (before, after) = (medians(baseline)?, medians(candidate)?);
    let from: Vec<&[f64]> = from.iter().map(Vec::as_slice).collect();
    let to: Vec<&[f64]> = to.iter().map(Vec::as_slice).collect();
    let interval = stats::shift_interval(&from, &to, rules.confidence, budget.resamples, seed);
    let bound = threshold.ln_1p();
    // That the second lies above the first by no more than the bound; 1 for fewer than two launches.
    let p = |from: &[f64], to: &[f64]| match rules.test {
        StatisticalTest::Auto | StatisticalTest::Permutation => {
            let mut random = Stream::new(seed, "permutation", &[]);
            stats::permutation_p(from, to, bound, budget.draws, &mut random)
        }
        StatisticalTest::TTest => stats::welch(from, to).map_or(1.0, |welch| welch.p(bound)),
        StatisticalTest::MannWhitney if from.len().min(to.len()) < 2 => 1.0,
        StatisticalTest::MannWhitney => {
            let shifted: Vec<f64> = to.iter().map(|value| value - bound).collect();
            stats::rank_sum(from, &shifted).map_or(1.0, |sum| sum.p)
        }
    };
    Some(Evidence {
        worse: stats::hodges_lehmann(&before, &after)?,
        interval,
        p_worse: p(&before, &after),
        p_better: p(&after, &before),
        cliffs_delta: stats::cliffs_delta(&before, &after).map(|delta| sign * delta),
        hedges_g: stats::hedges_g(&before, &after).map(|g| sign * g),
        p_equivalent: stats::welch(&before, &after).map(|welch| welch.equivalence_p(bound)),
        spread: stats::brown_forsythe(&[before.as_slice(), after.as_slice()]).map(|evidence| {
            ([&before, &after].map(|side| stats::variance(side).sqrt()), evidence.p)
        }),
    })
}
