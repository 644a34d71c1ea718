//! One case on two sides: what is known of it before all are seen together.

use std::collections::HashMap;

use super::differences::between;
use super::evidence::{Evidence, TestParams, weigh};
use super::remarks::{drift, memory, spread};
use super::subject::Subject;
use super::{Rules, direction};
use crate::base::metric::Direction;
use crate::base::random::fingerprint;
use crate::report::{Outcome, Verdict};

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

/// What is known of a pair before all are seen together.
pub(super) struct Weighed<'a> {
    /// The pair.
    pub(super) pair: &'a Pair<'a>,
    /// The verdict where no test is needed.
    pub(super) untested: Option<Verdict>,
    /// By what share it must be worse to count.
    pub(super) threshold: f64,
    /// By how much the results err more, where that is too much.
    pub(super) accuracy_drift: Option<f64>,
    /// What the launches say, where both sides have some.
    pub(super) evidence: Option<Evidence>,
    /// Why the verdict is what it is, and warnings.
    pub(super) remarks: Vec<String>,
}

impl Weighed<'_> {
    /// What is tested, where a test decides.
    pub(super) fn tested(&self) -> Option<&Evidence> {
        self.evidence.as_ref().filter(|_| self.untested.is_none())
    }
}

impl<'a> Pair<'a> {
    /// Either side that there is.
    pub(super) fn either(&self) -> &Subject<'a> {
        match self.baseline.as_ref().or(self.candidate.as_ref()) {
            Some(subject) => subject,
            None => unreachable!("a pair has a side"),
        }
    }

    /// Launches of each side.
    pub(super) fn launches(&self) -> [usize; 2] {
        [&self.baseline, &self.candidate]
            .map(|side| side.as_ref().map_or(0, |subject| subject.launches.len()))
    }

    /// The figure of each side.
    pub(super) fn figures(&self) -> [Option<f64>; 2] {
        [&self.baseline, &self.candidate].map(|side| side.as_ref().and_then(Subject::figure))
    }

    /// What is known before all cases are seen together.
    pub(super) fn weighed(
        &'a self,
        prevented: &[String],
        rules: &Rules,
        budget: ResampleBudget,
    ) -> Weighed<'a> {
        let either = self.either();
        let threshold = rules.threshold(either.benchmark);
        let (untested, mut remarks) = self.without_test(prevented);
        let mut accuracy_drift = None;
        if let (Some(baseline), Some(candidate)) = (&self.baseline, &self.candidate)
            && let (Some(before), Some(after)) = (baseline.case, candidate.case)
        {
            if let Some((drift, remark)) = drift(before, after, rules) {
                accuracy_drift = Some(drift);
                remarks.push(remark);
            }
            remarks.extend(memory(before, after, rules));
        }
        let params = TestParams {
            test: rules.test,
            larger_is_worse: direction(rules.metric) == Direction::LowerIsBetter,
            threshold,
            confidence: rules.confidence,
            resamples: budget.resamples,
            draws: budget.draws,
            seed: rules.seed ^ fingerprint(either.id.bytes()),
        };
        let both = self.baseline.as_ref().zip(self.candidate.as_ref());
        let evidence =
            both.and_then(|(before, after)| weigh(&before.launches, &after.launches, params));
        remarks.extend(evidence.as_ref().and_then(spread));
        Weighed { pair: self, untested, threshold, accuracy_drift, evidence, remarks }
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
