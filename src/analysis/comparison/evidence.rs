//! What the launches of one case say: numbers of two sides in, numbers out.

use super::{Rules, sign};
use crate::plan::config::StatisticalTest;
use crate::stats::{self, Shift};

/// A launch is unlike the others of its side where it is severely worse and lies so many standard deviations of a calm
/// launch off their centre.
const TAIL: f64 = 5.0;

/// From this ratio on a slow-down is never passed over, whatever the test says.
const MUCH_SLOWER: f64 = 1.5;

/// What they say, as w = ±ln(value): larger is worse, whichever way the metric improves, and a ratio and its
/// inverse are as far from none.
pub(super) struct Evidence {
    /// How much w grew.
    pub(super) worse: f64,
    /// The same with its chance; none where a side has fewer than two launches, or where nothing is tested.
    pub(super) shift: Option<Shift>,
    /// Probability of as much if w grew by no more than ln(1 + threshold).
    pub(super) p_worse: f64,
    /// Probability of as much if −w did not.
    pub(super) p_better: f64,
    /// Whether every launch is worse than every launch before, and all together by half and by the threshold.
    pub(super) much_slower: bool,
    /// The candidate's launches that are far worse than its others, and by what factor the worst is.
    pub(super) tail: Option<(usize, f64)>,
    /// Of the values, not of w.
    pub(super) cliffs_delta: Option<f64>,
    /// Of the values' logarithms.
    pub(super) hedges_g: Option<f64>,
    /// How far the launches of each side differ, as standard deviations of w, and the probability of as much if both
    /// sides' did alike.
    pub(super) spread: Option<([f64; 2], f64)>,
}

/// Weighs launches by w, `from` on the first side and `to` on the second: whether the second is worse by more than
/// `bound`. `step` is that in which values were read, also of w.
pub(super) fn weigh(
    [from, to]: [&[f64]; 2],
    shift: Option<Shift>,
    step: f64,
    bound: f64,
    rules: &Rules,
) -> Evidence {
    let sign = sign(rules.metric);
    // That the second lies above the first by no more than the bound; 1 where that cannot be told.
    let p = |from: &[f64], to: &[f64], model: fn(&Shift, f64) -> f64| match rules.test {
        StatisticalTest::Auto => shift.as_ref().map_or(1.0, |shift| model(shift, bound)),
        StatisticalTest::TTest => stats::welch(from, to).map_or(1.0, |welch| {
            let least = step * ((from.len() as f64).recip() + (to.len() as f64).recip()).sqrt();
            let standard_error = welch.standard_error.max(least);
            stats::Welch { standard_error, ..welch }.p(bound)
        }),
        StatisticalTest::MannWhitney if from.len().min(to.len()) < 2 => 1.0,
        StatisticalTest::MannWhitney => {
            let shifted: Vec<f64> = to.iter().map(|value| value - bound).collect();
            stats::rank_sum(from, &shifted).map_or(1.0, |sum| sum.p)
        }
    };
    let worse = stats::trimmed_mean(to) - stats::trimmed_mean(from);
    let most = from.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let apart = to.iter().all(|value| *value > most);
    Evidence {
        worse,
        p_worse: p(from, to, Shift::p_above),
        p_better: p(to, from, Shift::p_below),
        much_slower: apart && worse >= MUCH_SLOWER.ln().max(bound),
        tail: shift.as_ref().and_then(|shift| tail(to, shift, bound.max(rules.severe.ln_1p()))),
        // Of the values: w has the other sign where larger ones are better.
        cliffs_delta: stats::cliffs_delta(from, to).map(|delta| sign * delta),
        hedges_g: stats::hedges_g(from, to).map(|g| sign * g),
        spread: stats::brown_forsythe(&[from, to])
            .map(|evidence| ([from, to].map(|side| stats::variance(side).sqrt()), evidence.p)),
        shift,
    }
}

/// How many launches lie far above the others of their side, by `least` or more, and by what factor the worst does.
fn tail(launches: &[f64], shift: &Shift, least: f64) -> Option<(usize, f64)> {
    let centre = stats::trimmed_mean(launches);
    let reach = least.max(TAIL * shift.deviation);
    let far = launches.iter().map(|launch| launch - centre).filter(|above| *above > reach);
    let worst = far.clone().fold(0.0, f64::max);
    (worst > 0.0).then(|| (far.count(), worst.exp()))
}
