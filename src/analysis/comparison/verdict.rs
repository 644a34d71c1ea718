//! Verdicts, once the evidence of all cases is there.

use super::evidence::Evidence;
use super::pair::Weighed;
use super::{Rules, sign};
use crate::base::parallel::in_parallel;
use crate::plan::config::StatisticalTest;
use crate::report::{Compared, MUCH_WORSE, Reach, Verdict};
use crate::stats::{self, Magnitude, Shift};

/// Most launches that are recommended; beyond, something else than their number is wrong.
const MOST_LAUNCHES: usize = 100;

/// What is recommended where one launch says nothing of how launches differ.
const FEW_LAUNCHES: usize = 5;

/// How surely a regression of the size that [`Reach`] names is found.
const POWER: f64 = 0.8;

/// The tests of one question in all cases, corrected for their number.
pub(super) struct Family {
    /// The adjusted p of each case; none where it is not tested.
    adjusted: Vec<Option<f64>>,
    /// The largest p by which the question is answered with yes.
    cut: f64,
}

impl Family {
    /// Corrects the p-values of the cases that have one.
    pub(super) fn of(p: &[Option<f64>], rules: &Rules) -> Self {
        let tested: Vec<f64> = p.iter().copied().flatten().collect();
        let (adjusted, each) = match rules.any_dependence {
            false => (stats::benjamini_hochberg(&tested), rules.rate()),
            true => (
                stats::benjamini_yekutieli(&tested),
                rules.rate() / (1..=tested.len()).map(|i| (i as f64).recip()).sum::<f64>(),
            ),
        };
        let for_looks = |p: f64| (p / rules.spending.share).min(1.0);
        let adjusted: Vec<f64> = adjusted.into_iter().map(for_looks).collect();
        let rejected = adjusted.iter().filter(|p| **p <= rules.false_discovery_rate).count();
        let mut adjusted = adjusted.into_iter();
        Self {
            adjusted: p.iter().map(|p| p.and_then(|_| adjusted.next())).collect(),
            cut: rejected as f64 * each / tested.len().max(1) as f64,
        }
    }
}

/// The questions that are asked of every case.
pub(super) struct Families {
    /// Is it worse by more than its threshold?
    worse: Family,
    /// Is it better by more?
    better: Family,
    /// Has it changed at all?
    changed: Family,
}

impl Families {
    pub(super) fn of(cases: &[Weighed<'_>], rules: &Rules) -> Self {
        let family = |p: fn(&Evidence) -> Option<f64>| {
            let p: Vec<Option<f64>> = cases.iter().map(|case| p(case.tested()?)).collect();
            Family::of(&p, rules)
        };
        let changed = |evidence: &Evidence| {
            let shift = evidence.shift.as_ref()?;
            Some((2.0 * shift.p_above(0.0).min(shift.p_below(0.0))).min(1.0))
        };
        Self {
            worse: family(|evidence| Some(evidence.p_worse)),
            better: family(|evidence| Some(evidence.p_better)),
            changed: family(changed),
        }
    }
}

/// What the launches at hand can show.
pub(super) fn reach(cases: &[Weighed<'_>], rules: &Rules, draws: usize) -> Reach {
    let tested = || cases.iter().filter(|case| case.tested().is_some());
    // What stays doubtful gets as many as the last look has.
    let at_last = |case: &Weighed<'_>| {
        let (own, most) = (case.examined.pair.launches(), rules.spending.most);
        [0, 1].map(|side| own[side].max(most[side]))
    };
    let launches = [0, 1].map(|side| tested().map(|case| at_last(case)[side]).min().unwrap_or(0));
    let (count, rate) = (tested().count(), rules.least_rate());
    let smallest = |[from, to]: [usize; 2]| match rules.test {
        _ if from.min(to) < 2 => 1.0,
        StatisticalTest::Auto => ((draws + 1) as f64).recip(),
        StatisticalTest::TTest => 0.0,
        StatisticalTest::MannWhitney => stats::smallest_rank_sum_p(from, to),
    };
    // So many regressions at p lift p·m/R below the rate.
    let visible = |p: f64| ((p * count as f64 / rate) - 1e-9).ceil().max(1.0) as usize;
    let enough = (2..=MOST_LAUNCHES).find(|&each| visible(smallest([each, each])) == 1);
    let alone = rate / count.max(1) as f64;
    // How much worse, as w, each case must get; and by how many launches as much as is asked for would do.
    let each = in_parallel(tested().collect(), |case| {
        let shift = case.tested()?.shift.as_ref()?;
        let surely = stats::t_quantile(1.0 - alone, shift.freedom)?
            + stats::t_quantile(POWER, shift.freedom)?;
        let width = |launches: [usize; 2]| launches.map(|n| (n as f64).recip()).iter().sum::<f64>();
        let narrower = (width(at_last(case)) / width(case.examined.pair.launches())).sqrt();
        let bound = case.examined.threshold.ln_1p();
        let beyond = surely * shift.standard_error * narrower;
        let room = (rules.wanted().ln_1p() - bound).max(0.0);
        let fewest = at_last(case).into_iter().min().unwrap_or(0) as f64;
        Some((bound + beyond, fewest * (beyond / room).powi(2)))
    });
    let (detectable, needed): (Vec<f64>, Vec<f64>) = each.into_iter().flatten().unzip();
    let needed = stats::median(&needed)
        .map_or(FEW_LAUNCHES, |needed| needed.min(MOST_LAUNCHES as f64).ceil() as usize);
    Reach {
        cases: count,
        launches,
        smallest_p: smallest(launches),
        fewest_visible: visible(smallest(launches)),
        launches_needed: enough.unwrap_or(MOST_LAUNCHES).max(needed),
        detectable_percent: stats::median(&detectable).map(|worse| 100.0 * worse.exp_m1()),
        wanted_percent: 100.0 * rules.wanted(),
    }
}

/// The verdict of case number `place`, where the figures of all are there.
fn verdict(
    case: &Weighed<'_>,
    place: usize,
    families: &Families,
    interval: Option<[f64; 2]>,
    rules: &Rules,
) -> Verdict {
    if let Some(verdict) = case.examined.untested {
        return verdict;
    }
    let answered =
        |family: &Family| family.adjusted[place].is_some_and(|p| p <= rules.false_discovery_rate);
    if answered(&families.worse) || case.examined.accuracy_drift.is_some() {
        return Verdict::Regressed;
    }
    let bound = case.examined.threshold.ln_1p();
    let tail = case.tested().is_some_and(|evidence| evidence.tail.is_some());
    match interval {
        _ if case.tested().is_some_and(|evidence| evidence.much_slower) => Verdict::Suspected,
        Some([low, _]) if low > bound => Verdict::Suspected,
        _ if tail => Verdict::Unstable,
        _ if answered(&families.better) => Verdict::Improved,
        Some([low, high]) if -bound < low && high < bound => Verdict::Equivalent,
        _ if answered(&families.changed) => Verdict::Shifted,
        _ => Verdict::Inconclusive,
    }
}

/// Case number `place` with its verdict, interval and what would tell more. The interval of a case that is called
/// REGRESSED or IMPROVED is the one whose end the test looked at: each end holds with 1 − R·α/m where R of m cases were
/// called so (Benjamini and Yekutieli, 2005), so that it never reaches back over the threshold.
pub(super) fn judged(
    case: &Weighed<'_>,
    place: usize,
    families: &Families,
    rules: &Rules,
    reach: &Reach,
) -> Compared {
    let (pair, tested) = (case.examined.pair, case.tested());
    let (launches, sign) = (pair.launches(), sign(rules.metric));
    let bound = case.examined.threshold.ln_1p();
    let shift = tested.and_then(|evidence| evidence.shift.as_ref());
    let at = |confidence: f64| {
        shift.and_then(|shift| shift.interval(confidence)).map(|of| [of.low, of.high])
    };
    let usual = at(rules.confidence);
    let verdict = verdict(case, place, families, usual, rules);
    let confidence = match (verdict, rules.test) {
        (Verdict::Regressed, StatisticalTest::Auto) if families.worse.cut > 0.0 => {
            1.0 - 2.0 * families.worse.cut
        }
        (Verdict::Improved, StatisticalTest::Auto) => 1.0 - 2.0 * families.better.cut,
        _ => rules.confidence,
    };
    let interval = if confidence == rules.confidence { usual } else { at(confidence) };
    let is_open = matches!(verdict, Verdict::Suspected | Verdict::Inconclusive | Verdict::Shifted);
    let mut remarks = case.remarks();
    if is_open && launches.contains(&1) {
        remarks.push("one launch says nothing of how launches differ".to_owned());
    }
    if verdict == Verdict::Suspected && tested.is_some_and(|evidence| evidence.much_slower) {
        remarks.push(format!(
            "{MUCH_WORSE}: every launch is worse than any before, but they are too few to prove it"
        ));
    }
    let evidence = case.evidence.as_ref();
    let [baseline, candidate] = pair.figures();
    let either = pair.either();
    let adjusted = |family: &Family| family.adjusted[place];
    let needed =
        shift.filter(|_| is_open).map(|shift| needed(launches, shift, bound, rules, reach));
    Compared {
        id: either.id.clone(),
        benchmark: either.benchmark.to_owned(),
        verdict,
        severity: tested
            .filter(|_| matches!(verdict, Verdict::Regressed | Verdict::Suspected))
            .map(|evidence| rules.severity(evidence.worse.exp_m1())),
        baseline,
        candidate,
        unit: either.unit.to_owned(),
        launches,
        of_launches: pair.of_launches(),
        ratio: evidence.map(|evidence| (sign * evidence.worse).exp()),
        ci: interval.map(|ends| {
            let [a, b] = ends.map(|worse| (sign * worse).exp());
            [a.min(b), a.max(b)]
        }),
        confidence,
        worse_percent: evidence.map(|evidence| 100.0 * evidence.worse.exp_m1()),
        threshold_percent: 100.0 * case.examined.threshold,
        accuracy_drift: case.examined.accuracy_drift,
        p: tested.map(|evidence| evidence.p_worse),
        p_adjusted: adjusted(&families.worse),
        p_improved: tested.map(|evidence| evidence.p_better),
        p_improved_adjusted: adjusted(&families.better),
        cliffs_delta: evidence.and_then(|evidence| evidence.cliffs_delta),
        effect: evidence.and_then(|evidence| evidence.cliffs_delta).map(Magnitude::of_delta),
        hedges_g: evidence.and_then(|evidence| evidence.hedges_g),
        p_equivalent: shift.map(|shift| shift.p_apart(bound)),
        launches_needed: needed,
        remarks,
    }
}

/// About how many launches of each side would tell on which side of the threshold the change lies: the standard error
/// falls by √K, and has to leave room for the quantile of the verdict that is near; changes within a quarter of the
/// threshold from it are not waited for.
fn needed(launches: [usize; 2], shift: &Shift, bound: f64, rules: &Rules, reach: &Reach) -> usize {
    let fewest = launches.into_iter().min().unwrap_or(0);
    let tail = match shift.value.abs() > bound {
        true => rules.rate() / reach.cases.max(1) as f64,
        false => (1.0 - rules.confidence) / 2.0,
    };
    let distance = (shift.value.abs() - bound).abs().max(bound / 4.0);
    let quantile = stats::t_quantile(1.0 - tail, shift.freedom).unwrap_or(f64::INFINITY);
    let by_width = fewest as f64 * (quantile * shift.standard_error / distance).powi(2);
    let by_width = if by_width.is_finite() { by_width.ceil() as usize } else { MOST_LAUNCHES };
    by_width.max(fewest + 1).min(MOST_LAUNCHES)
}
