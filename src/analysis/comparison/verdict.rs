//! Verdicts, once the evidence of all cases is there.

use super::evidence::Evidence;
use super::{Rules, direction};
use crate::base::metric::Direction;
use crate::plan::config::StatisticalTest;
use crate::report::{Compared, Reach, Verdict};
use crate::stats;

/// Most launches that are recommended; beyond, something else than their number is wrong.
const MOST_LAUNCHES: usize = 100;

/// Adjusts the p of all cases, each direction a family of its own.
pub(super) fn adjust(cases: &mut [(Compared, Option<Evidence>)], rules: &Rules) {
    let tested: Vec<usize> = cases
        .iter()
        .enumerate()
        .filter(|(_, (case, _))| case.p.is_some())
        .map(|(i, _)| i)
        .collect();
    let worse: Vec<f64> = tested.iter().filter_map(|&i| cases[i].0.p).collect();
    let better: Vec<f64> = tested.iter().filter_map(|&i| cases[i].0.p_improved).collect();
    let adjusted = match rules.any_dependence {
        false => stats::benjamini_hochberg,
        true => stats::benjamini_yekutieli,
    };
    let adjusted = adjusted(&worse).into_iter().zip(adjusted(&better));
    for (i, (worse, better)) in tested.into_iter().zip(adjusted) {
        cases[i].0.p_adjusted = Some(worse);
        cases[i].0.p_improved_adjusted = Some(better);
    }
}

/// What the launches at hand can show.
pub(super) fn reach(cases: &[(Compared, Option<Evidence>)], rules: &Rules, draws: usize) -> Reach {
    let tested: Vec<&Compared> =
        cases.iter().map(|(case, _)| case).filter(|case| case.p.is_some()).collect();
    let fewest = |side: usize| tested.iter().map(|case| case.launches[side]).min().unwrap_or(0);
    let launches = [fewest(0), fewest(1)];
    let (count, rate) = (tested.len(), rules.false_discovery_rate);
    let smallest = |launches: [usize; 2]| match rules.test {
        StatisticalTest::TTest => 0.0,
        _ => stats::smallest_p(launches[0], launches[1], draws),
    };
    // So many regressions at p lift p·m/R below the rate.
    let visible = |p: f64| ((p * count as f64 / rate) - 1e-9).ceil().max(1.0) as usize;
    let enough = (2..=MOST_LAUNCHES).find(|&each| visible(smallest([each, each])) == 1);
    Reach {
        cases: count,
        launches,
        smallest_p: smallest(launches),
        fewest_visible: visible(smallest(launches)),
        launches_needed: enough.unwrap_or(MOST_LAUNCHES),
    }
}

/// The verdict that the tests and the results' errors give, if any.
pub(super) fn decided(case: &Compared, rules: &Rules) -> Option<Verdict> {
    let rejected = |p: Option<f64>| p.is_some_and(|p| p <= rules.false_discovery_rate);
    if rejected(case.p_adjusted) || case.accuracy_drift.is_some() {
        Some(Verdict::Regressed)
    } else if rejected(case.p_improved_adjusted) {
        Some(Verdict::Improved)
    } else {
        None
    }
}

/// The case with its verdict, interval and what would tell more. `selected` of the tested cases were called
/// REGRESSED or IMPROVED; their intervals are at 1 − R·α/m (Benjamini and Yekutieli, 2005).
pub(super) fn judged(
    mut case: Compared,
    evidence: Option<Evidence>,
    rules: &Rules,
    reach: &Reach,
    selected: usize,
) -> Compared {
    let Some(evidence) = evidence else { return case };
    let decided = decided(&case, rules);
    let bound = (case.threshold_percent / 100.0).ln_1p();
    let all = case.launches[0] + case.launches[1];
    if decided.is_some() {
        case.confidence =
            1.0 - selected as f64 * (1.0 - rules.confidence) / reach.cases.max(1) as f64;
    }
    let shift =
        evidence.interval.map(|shift| shift.at_confidence(case.confidence, rules.confidence, all));
    case.ci = shift.map(|shift| match direction(rules.metric) {
        Direction::LowerIsBetter => [shift.low.exp(), shift.high.exp()],
        Direction::HigherIsBetter => [(-shift.high).exp(), (-shift.low).exp()],
    });
    case.verdict = decided.unwrap_or_else(|| match shift {
        Some(shift) if -bound < shift.low && shift.high < bound => Verdict::Equivalent,
        Some(shift) if shift.low > 0.0 || shift.high < 0.0 => Verdict::Shifted,
        _ => Verdict::Inconclusive,
    });
    match case.verdict {
        Verdict::Regressed => case.severity = Some(rules.severity(evidence.worse.exp_m1())),
        Verdict::Inconclusive | Verdict::Shifted => {
            let needed = needed(&case, &evidence, bound, reach);
            case.launches_needed = Some(needed);
            if case.launches.contains(&1) {
                case.remarks.push("one launch says nothing of how launches differ".to_owned());
            }
        }
        _ => {}
    }
    case
}

/// About how many launches of each side would tell on which side of the threshold the change lies: the interval
/// narrows by √K, and has to be as narrow as its middle is far from the threshold; changes within a quarter
/// of the threshold from it are not waited for.
fn needed(case: &Compared, evidence: &Evidence, bound: f64, reach: &Reach) -> usize {
    let fewest = case.launches.into_iter().min().unwrap_or(0);
    let by_width = evidence.interval.map_or(0, |shift| {
        let half = (shift.high - shift.low) / 2.0;
        let distance = (evidence.worse.abs() - bound).abs().max(bound / 4.0);
        let ratio = if distance > 0.0 { (half / distance).powi(2) } else { f64::INFINITY };
        (fewest as f64 * ratio).ceil().min(MOST_LAUNCHES as f64) as usize
    });
    by_width.max(reach.launches_needed).max(fewest + 1).min(MOST_LAUNCHES)
}
