//! Verdicts, once the evidence of all cases is there.

use super::evidence::Evidence;
use super::pair::Weighed;
use super::{Rules, sign};
use crate::plan::config::StatisticalTest;
use crate::report::{Compared, Reach, Verdict};
use crate::stats::{self, Magnitude};

/// Most launches that are recommended; beyond, something else than their number is wrong.
const MOST_LAUNCHES: usize = 100;

/// The adjusted p of each case that is tested, that it is not worse and that it is not better; each direction is a
/// family of its own.
pub(super) fn adjusted(cases: &[Weighed<'_>], rules: &Rules) -> Vec<Option<[f64; 2]>> {
    let family = |p: fn(&Evidence) -> f64| {
        let p: Vec<f64> = cases.iter().filter_map(|case| case.tested().map(p)).collect();
        match rules.any_dependence {
            false => stats::benjamini_hochberg(&p),
            true => stats::benjamini_yekutieli(&p),
        }
    };
    let (worse, better) =
        (family(|evidence| evidence.p_worse), family(|evidence| evidence.p_better));
    let mut both = worse.into_iter().zip(better);
    let of = |case: &Weighed<'_>| case.tested().and_then(|_| both.next()).map(|(a, b)| [a, b]);
    cases.iter().map(of).collect()
}

/// What the launches at hand can show.
pub(super) fn reach(cases: &[Weighed<'_>], rules: &Rules, draws: usize) -> Reach {
    let tested = cases.iter().filter(|case| case.tested().is_some());
    let tested: Vec<[usize; 2]> = tested.map(|case| case.pair.launches()).collect();
    let fewest = |side: usize| tested.iter().map(|launches| launches[side]).min().unwrap_or(0);
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
pub(super) fn decided(
    case: &Weighed<'_>,
    adjusted: Option<[f64; 2]>,
    rules: &Rules,
) -> Option<Verdict> {
    let rejected = |p: f64| p <= rules.false_discovery_rate;
    if adjusted.is_some_and(|[worse, _]| rejected(worse)) || case.accuracy_drift.is_some() {
        Some(Verdict::Regressed)
    } else if adjusted.is_some_and(|[_, better]| rejected(better)) {
        Some(Verdict::Improved)
    } else {
        None
    }
}

/// The case with its verdict, interval and what would tell more. `selected` of the tested cases were called
/// REGRESSED or IMPROVED; their intervals are at 1 − R·α/m (Benjamini and Yekutieli, 2005).
pub(super) fn judged(
    case: &Weighed<'_>,
    adjusted: Option<[f64; 2]>,
    rules: &Rules,
    reach: &Reach,
    selected: usize,
) -> Compared {
    let decided = decided(case, adjusted, rules);
    let (launches, tested) = (case.pair.launches(), case.tested());
    let sign = sign(rules.metric);
    let confidence = match (tested, decided) {
        (Some(_), Some(_)) => {
            1.0 - selected as f64 * (1.0 - rules.confidence) / reach.cases.max(1) as f64
        }
        _ => rules.confidence,
    };
    let all = launches[0] + launches[1];
    let shift = tested.and_then(|evidence| evidence.interval);
    let shift = shift.map(|shift| shift.at_confidence(confidence, rules.confidence, all));
    let bound = case.threshold.ln_1p();
    let verdict = case.untested.or(decided.filter(|_| tested.is_some()));
    let verdict = verdict.unwrap_or(match shift {
        Some(shift) if -bound < shift.low && shift.high < bound => Verdict::Equivalent,
        Some(shift) if shift.low > 0.0 || shift.high < 0.0 => Verdict::Shifted,
        _ => Verdict::Inconclusive,
    });
    let is_open = matches!(verdict, Verdict::Inconclusive | Verdict::Shifted);
    let open = tested.filter(|_| is_open);
    let mut remarks = case.remarks.clone();
    if open.is_some() && launches.contains(&1) {
        remarks.push("one launch says nothing of how launches differ".to_owned());
    }
    let regressed = tested.filter(|_| verdict == Verdict::Regressed);
    let evidence = case.evidence.as_ref();
    let [baseline, candidate] = case.pair.figures();
    let either = case.pair.either();
    Compared {
        id: either.id.clone(),
        benchmark: either.benchmark.to_owned(),
        verdict,
        severity: regressed.map(|evidence| rules.severity(evidence.worse.exp_m1())),
        baseline,
        candidate,
        unit: either.unit.to_owned(),
        launches,
        ratio: evidence.map(|evidence| (sign * evidence.worse).exp()),
        ci: shift.map(|shift| {
            let [a, b] = [shift.low, shift.high].map(|worse| (sign * worse).exp());
            [a.min(b), a.max(b)]
        }),
        confidence,
        worse_percent: evidence.map(|evidence| 100.0 * evidence.worse.exp_m1()),
        threshold_percent: 100.0 * case.threshold,
        accuracy_drift: case.accuracy_drift,
        p: tested.map(|evidence| evidence.p_worse),
        p_adjusted: adjusted.map(|[worse, _]| worse),
        p_improved: tested.map(|evidence| evidence.p_better),
        p_improved_adjusted: adjusted.map(|[_, better]| better),
        cliffs_delta: evidence.and_then(|evidence| evidence.cliffs_delta),
        effect: evidence.and_then(|evidence| evidence.cliffs_delta).map(Magnitude::of_delta),
        hedges_g: evidence.and_then(|evidence| evidence.hedges_g),
        p_equivalent: evidence.and_then(|evidence| evidence.p_equivalent),
        launches_needed: open.map(|evidence| needed(launches, evidence, bound, reach)),
        remarks,
    }
}

/// About how many launches of each side would tell on which side of the threshold the change lies: the interval
/// narrows by √K, and has to be as narrow as its middle is far from the threshold; changes within a quarter
/// of the threshold from it are not waited for.
fn needed(launches: [usize; 2], evidence: &Evidence, bound: f64, reach: &Reach) -> usize {
    let fewest = launches.into_iter().min().unwrap_or(0);
    let by_width = evidence.interval.map_or(0, |shift| {
        let half = (shift.high - shift.low) / 2.0;
        let distance = (evidence.worse.abs() - bound).abs().max(bound / 4.0);
        let ratio = if distance > 0.0 { (half / distance).powi(2) } else { f64::INFINITY };
        (fewest as f64 * ratio).ceil().min(MOST_LAUNCHES as f64) as usize
    });
    by_width.max(reach.launches_needed).max(fewest + 1).min(MOST_LAUNCHES)
}
