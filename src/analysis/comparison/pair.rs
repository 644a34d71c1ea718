//! One case on two sides: what is known of it before all are seen together.

use std::collections::HashMap;

use super::differences::between;
use super::evidence::{Evidence, TestParams, weigh};
use super::remarks::{drift, memory, spread};
use super::subject::Subject;
use super::{Rules, direction};
use crate::base::metric::Direction;
use crate::base::random::fingerprint;
use crate::report::{Compared, Outcome, Verdict};
use crate::stats::Magnitude;

/// How many random numbers a case is worth.
#[derive(Debug, Clone, Copy)]
pub(super) struct ResampleBudget {
    /// Behind an interval.
    pub(super) resamples: usize,
    /// Of a permutation test that has too many ways to count.
    pub(super) draws: usize,
}

/// A subject on both sides, or on the one that has it.
pub(super) struct Pair<'a> {
    baseline: Option<Subject<'a>>,
    /// The side that is held against it.
    pub(super) candidate: Option<Subject<'a>>,
}

/// Those of the baseline in their order, then what only the candidate has; without what neither has measured.
pub(super) fn pairs<'a>(baseline: Vec<Subject<'a>>, candidate: Vec<Subject<'a>>) -> Vec<Pair<'a>> {
    let places: HashMap<String, usize> =
        baseline.iter().enumerate().map(|(place, subject)| (subject.id.clone(), place)).collect();
    let mut pairs: Vec<Pair<'_>> = baseline
        .into_iter()
        .map(|subject| Pair { baseline: Some(subject), candidate: None })
        .collect();
    for subject in candidate {
        match places.get(&subject.id) {
            Some(&place) => pairs[place].candidate = Some(subject),
            None => pairs.push(Pair { baseline: None, candidate: Some(subject) }),
        }
    }
    // What neither side can do is no difference between them.
    let failed =
        |pair: &Pair<'_>| pair.candidate.as_ref().is_some_and(|subject| subject.failure.is_some());
    pairs
        .retain(|pair| is_measured(&pair.baseline) || is_measured(&pair.candidate) || failed(pair));
    pairs
}

fn is_measured(side: &Option<Subject<'_>>) -> bool {
    side.as_ref().is_some_and(|subject| !subject.launches.is_empty())
}

impl Pair<'_> {
    /// What is known before all cases are seen together: a verdict that needs no test, or the evidence.
    pub(super) fn weighed(
        &self,
        prevented: &[String],
        rules: &Rules,
        budget: ResampleBudget,
    ) -> (Compared, Option<Evidence>) {
        let Some(either) = self.baseline.as_ref().or(self.candidate.as_ref()) else {
            unreachable!("a pair has a side")
        };
        let launches =
            |side: &Option<Subject<'_>>| side.as_ref().map_or(0, |subject| subject.launches.len());
        let figure = |side: &Option<Subject<'_>>| side.as_ref().and_then(Subject::figure);
        let threshold = rules.threshold(either.benchmark);
        let mut case = Compared {
            id: either.id.clone(),
            benchmark: either.benchmark.to_owned(),
            verdict: Verdict::Inconclusive,
            severity: None,
            baseline: figure(&self.baseline),
            candidate: figure(&self.candidate),
            unit: either.unit.to_owned(),
            launches: [launches(&self.baseline), launches(&self.candidate)],
            ratio: None,
            ci: None,
            confidence: rules.confidence,
            worse_percent: None,
            accuracy_drift: None,
            threshold_percent: 100.0 * threshold,
            p: None,
            p_adjusted: None,
            p_improved: None,
            p_improved_adjusted: None,
            cliffs_delta: None,
            effect: None,
            hedges_g: None,
            p_equivalent: None,
            launches_needed: None,
            remarks: Vec::new(),
        };
        let (verdict, remarks) = self.without_test(prevented);
        case.remarks = remarks;
        if let (Some(baseline), Some(candidate)) = (&self.baseline, &self.candidate)
            && let (Some(before), Some(after)) = (baseline.case, candidate.case)
        {
            if let Some((drift, remark)) = drift(before, after, rules) {
                case.accuracy_drift = Some(drift);
                case.remarks.push(remark);
            }
            case.remarks.extend(memory(before, after, rules));
        }
        let larger_is_worse = direction(rules.metric) == Direction::LowerIsBetter;
        let params = TestParams {
            test: rules.test,
            larger_is_worse,
            threshold,
            confidence: rules.confidence,
            resamples: budget.resamples,
            draws: budget.draws,
            seed: rules.seed ^ fingerprint(case.id.bytes()),
        };
        let evidence = self
            .baseline
            .as_ref()
            .zip(self.candidate.as_ref())
            .and_then(|(before, after)| weigh(&before.launches, &after.launches, params));
        if let Some(evidence) = &evidence {
            let sign = if larger_is_worse { 1.0 } else { -1.0 };
            case.ratio = Some((sign * evidence.worse).exp());
            case.worse_percent = Some(100.0 * evidence.worse.exp_m1());
            case.cliffs_delta = evidence.cliffs_delta;
            case.effect = evidence.cliffs_delta.map(Magnitude::of_delta);
            case.hedges_g = evidence.hedges_g;
            case.p_equivalent = evidence.p_equivalent;
            case.remarks.extend(spread(evidence));
        }
        if let Some(verdict) = verdict {
            case.verdict = verdict;
            return (case, None);
        }
        if let Some(evidence) = &evidence {
            case.p = Some(evidence.p_worse);
            case.p_improved = Some(evidence.p_better);
        }
        (case, evidence)
    }

    /// The verdict where no test is needed, and why.
    fn without_test(&self, prevented: &[String]) -> (Option<Verdict>, Vec<String>) {
        let failure = self.candidate.as_ref().and_then(|subject| subject.failure.clone());
        match (is_measured(&self.baseline), is_measured(&self.candidate)) {
            (_, _) if failure.is_some() => {
                (Some(Verdict::Failed), failure.into_iter().map(|(_, why)| why).collect())
            }
            (true, true) => {
                let cases = self.baseline.as_ref().zip(self.candidate.as_ref());
                let cases = cases.and_then(|(before, after)| before.case.zip(after.case));
                let own = cases.map_or_else(Vec::new, |(before, after)| between(before, after));
                let reasons = [prevented, own.as_slice()].concat();
                ((!reasons.is_empty()).then_some(Verdict::NotComparable), reasons)
            }
            (true, false) => (Some(Verdict::Vanished), self.absent(&self.candidate)),
            (false, _) => (Some(Verdict::New), self.absent(&self.baseline)),
        }
    }

    /// Why a side that has a case has no figure of it.
    fn absent(&self, side: &Option<Subject<'_>>) -> Vec<String> {
        let case = side.as_ref().and_then(|subject| subject.case);
        let skipped = case.filter(|case| case.outcome == Outcome::Skipped);
        let why = skipped.map(|case| case.reason.clone().unwrap_or_default());
        why.map(|why| format!("skipped: {why}")).into_iter().collect()
    }
}
