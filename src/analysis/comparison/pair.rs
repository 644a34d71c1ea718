//! One case on two sides: what is known of it before all are seen together.

use std::collections::HashMap;

use super::differences::between;
use super::evidence::{Evidence, weigh};
use super::subject::{Subject, Unread};
use super::{Rules, sign};
use crate::base::error::Exit;
use crate::base::random::fingerprint;
use crate::base::units::counted;
use crate::benchmark::metric::HOST_PEAK;
use crate::report::{Case, Definition, Outcome, Verdict};
use crate::stats::{Shift, Sides};

/// From which probability and ratio on it is remarked that launches differ more.
const SPREAD_P: f64 = 0.01;
const SPREAD_RATIO: f64 = 2.0;

/// What differs where only one side fell back to the slowest rank's own times.
const OF_FALL_BACK: [&str; 4] = ["definition of time", "protocol", "barrier start", "local times"];

/// A subject in the baseline and in the candidate, or on the side that has it.
pub(super) struct Pair<'a> {
    sides: [Option<Subject<'a>>; 2],
    /// Whether both are compared by the slowest rank's own times, because one of them has no others.
    by_local: bool,
}

/// Those of the baseline in their order, then what only the candidate has; without what neither has measured.
pub(super) fn pairs<'a>(baseline: Vec<Subject<'a>>, candidate: Vec<Subject<'a>>) -> Vec<Pair<'a>> {
    let places: HashMap<String, usize> =
        baseline.iter().enumerate().map(|(place, subject)| (subject.id.clone(), place)).collect();
    let mut pairs: Vec<Pair<'_>> =
        baseline.into_iter().map(|subject| Pair::new([Some(subject), None])).collect();
    for subject in candidate {
        match places.get(&subject.id) {
            Some(&place) => pairs[place].sides[1] = Some(subject),
            None => pairs.push(Pair::new([None, Some(subject)])),
        }
    }
    pairs.iter_mut().for_each(Pair::share_definition);
    // What neither side can do is no difference between them.
    pairs.retain(|pair| {
        let unread = pair.sides.iter().flatten().any(|side| side.unread.launches > 0);
        pair.launches() != [0, 0] || pair.failure().is_some() || unread
    });
    pairs
}

/// What is known of a pair before all are seen together.
pub(super) struct Examined<'a> {
    pub(super) pair: &'a Pair<'a>,
    /// The verdict where no test is needed.
    pub(super) untested: Option<Verdict>,
    /// By what share it must be worse to count.
    pub(super) threshold: f64,
    /// By how much the results err more, where that is too much.
    pub(super) accuracy_drift: Option<f64>,
    pub(super) remarks: Vec<String>,
    /// What its launches say by w, where both sides have some.
    launches: Option<Sides>,
}

impl<'a> Examined<'a> {
    /// Its launches, where a test decides.
    pub(super) fn tested(&self) -> Option<&Sides> {
        self.launches.as_ref().filter(|_| self.untested.is_none())
    }

    /// With what its launches say, once the chance of its shift is known.
    pub(super) fn weighed(self, shift: Option<Shift>, rules: &Rules) -> Weighed<'a> {
        let evidence = self.launches.as_ref().map(|launches| {
            let sides = launches.values.each_ref().map(Vec::as_slice);
            weigh(sides, shift, launches.step, self.threshold.ln_1p(), rules)
        });
        Weighed { examined: self, evidence }
    }
}

/// A pair with what its launches say.
pub(super) struct Weighed<'a> {
    pub(super) examined: Examined<'a>,
    pub(super) evidence: Option<Evidence>,
}

impl Weighed<'_> {
    /// What is tested, where a test decides.
    pub(super) fn tested(&self) -> Option<&Evidence> {
        self.evidence.as_ref().filter(|_| self.examined.untested.is_none())
    }

    /// What there is to say of it beside figures.
    pub(super) fn remarks(&self) -> Vec<String> {
        let spread = self.evidence.as_ref().and_then(spread);
        let tail = self.tested().and_then(|evidence| evidence.tail);
        let tail = tail.map(|(launches, factor)| {
            let [_, all] = self.examined.pair.launches();
            let digits = usize::from(factor < 100.0);
            let up_to = if launches > 1 { "up to " } else { "" };
            format!(
                "UNSTABLE: {up_to}{factor:.digits$} times worse than usual in {launches} of the candidate's {all} launches"
            )
        });
        self.examined.remarks.iter().cloned().chain(tail).chain(spread).collect()
    }
}

impl<'a> Pair<'a> {
    fn new(sides: [Option<Subject<'a>>; 2]) -> Self {
        Self { sides, by_local: false }
    }

    /// Where a run has fallen back to other starts or other times than the other side's, both have the slowest rank's
    /// own: these are compared, so that a noisy moment does not keep an unchanged program from being compared.
    fn share_definition(&mut self) {
        let [Some(before), Some(after)] = &mut self.sides else { return };
        let Some(first) = before.methods.first().copied() else { return };
        let all = || before.methods.iter().chain(&after.methods);
        let of_one_kind = all().all(|method| {
            method.protocol == first.protocol
                && matches!(
                    method.definition,
                    Definition::SlowestRank | Definition::LastEndMinusFirstStart
                )
        });
        let known = [&before, &after].iter().all(|side| side.local.len() == side.launches.len());
        if !of_one_kind || !known || all().all(|method| *method == first) {
            return;
        }
        self.by_local = true;
        if all().any(|method| method.definition != first.definition) {
            for side in [before, after] {
                side.launches = std::mem::take(&mut side.local);
            }
        }
    }

    pub(super) fn either(&self) -> &Subject<'a> {
        match self.sides.iter().flatten().next() {
            Some(subject) => subject,
            None => unreachable!("a pair has a side"),
        }
    }

    pub(super) fn launches(&self) -> [usize; 2] {
        self.sides.each_ref().map(|side| side.as_ref().map_or(0, |subject| subject.launches.len()))
    }

    /// The figure of each launch, by side.
    pub(super) fn of_launches(&self) -> [Vec<f64>; 2] {
        let figures = |side: &Option<Subject<'a>>| {
            side.as_ref().map_or_else(Vec::new, |subject| subject.launches.clone())
        };
        self.sides.each_ref().map(figures)
    }

    pub(super) fn figures(&self) -> [Option<f64>; 2] {
        self.sides.each_ref().map(|side| side.as_ref().and_then(Subject::figure))
    }

    /// How the candidate went wrong, and the exit that has.
    pub(super) fn failure(&self) -> Option<&(Exit, String)> {
        self.sides[1].as_ref().and_then(|subject| subject.failure.as_ref())
    }

    fn cases(&self) -> [Option<&'a Case>; 2] {
        self.sides.each_ref().map(|side| side.as_ref().and_then(|subject| subject.case))
    }

    /// What can be said of it by itself. `step` is that in which samples of other cases were read, where its own are all
    /// equal.
    pub(super) fn examined(
        &'a self,
        prevented: &[String],
        rules: &Rules,
        step: Option<f64>,
    ) -> Examined<'a> {
        let either = self.either();
        let (untested, mut remarks) = self.without_test(prevented, &rules.allow);
        let mut accuracy_drift = None;
        if let [Some(before), Some(after)] = self.cases() {
            if let Some((drift, remark)) = drift(before, after, rules) {
                accuracy_drift = Some(drift);
                remarks.push(remark);
            }
            remarks.extend(memory(before, after, rules));
        }
        remarks.extend(
            self.sides
                .iter()
                .zip(["baseline", "candidate"])
                .filter_map(|(side, name)| unread(side.as_ref()?, name)),
        );
        let sign = sign(rules.metric);
        let launches = match &self.sides {
            [Some(before), Some(after)] if self.launches().iter().all(|launches| *launches > 0) => {
                let worseness = |side: &Subject<'_>| {
                    side.launches.iter().map(|value| sign * value.ln()).collect()
                };
                let values = [worseness(before), worseness(after)];
                let step = self.step().or(step).unwrap_or(0.0);
                Some(Sides { name: fingerprint(either.id.bytes()), values, step })
            }
            _ => None,
        };
        let threshold = rules.threshold(either.benchmark);
        Examined { pair: self, untested, threshold, accuracy_drift, remarks, launches }
    }

    /// The step in which the samples of either side were read, where it shows.
    pub(super) fn step(&self) -> Option<f64> {
        self.sides.iter().flatten().filter_map(|side| side.step).reduce(f64::max)
    }

    /// The verdict where no test is needed, and why.
    fn without_test(
        &self,
        prevented: &[String],
        allow: &[String],
    ) -> (Option<Verdict>, Vec<String>) {
        if let Some((_, why)) = self.failure() {
            return (Some(Verdict::Failed), vec![why.clone()]);
        }
        let [before, after] = self.cases();
        match self.launches().map(|launches| launches > 0) {
            [true, true] => {
                let own = before.zip(after).map(|(before, after)| between(before, after));
                let own = own.into_iter().flatten();
                let counts = |name: &str| {
                    let shared = self.by_local && OF_FALL_BACK.contains(&name);
                    !shared && allow.iter().all(|allowed| allowed != name)
                };
                let own = own.filter(|(name, _)| counts(name)).map(|(_, reason)| reason);
                let reasons: Vec<String> = prevented.iter().cloned().chain(own).collect();
                if reasons.is_empty() && self.by_local {
                    let why =
                        "compared by the slowest rank's own times: one side fell back to them";
                    return (None, vec![why.to_owned()]);
                }
                ((!reasons.is_empty()).then_some(Verdict::NotComparable), reasons)
            }
            // The remark of their zeros says the rest.
            _ if self
                .sides
                .iter()
                .flatten()
                .any(|side| side.launches.is_empty() && side.unread.launches > 0) =>
            {
                (Some(Verdict::NotComparable), Vec::new())
            }
            [true, false] => (Some(Verdict::Vanished), absent(after)),
            [false, _] => (Some(Verdict::New), absent(before)),
        }
    }
}

/// What the clock of a side could not tell.
fn unread(side: &Subject<'_>, name: &str) -> Option<String> {
    let Unread { samples, launches } = side.unread;
    let samples = (samples > 0).then(|| counted(samples, "sample"));
    let launches =
        (launches > 0).then(|| format!("the median of {} (left out)", counted(launches, "launch")));
    let zeros: Vec<String> = samples.into_iter().chain(launches).collect();
    (!zeros.is_empty()).then(|| {
        format!("ZERO: {} of the {name} read 0, which the clock cannot tell", zeros.join(" and "))
    })
}

/// Why a side that has a case has no figure of it.
fn absent(case: Option<&Case>) -> Vec<String> {
    let skipped = case.filter(|case| case.outcome == Outcome::Skipped);
    let why = skipped.map(|case| case.reason.clone().unwrap_or_default());
    why.map(|why| format!("skipped: {why}")).into_iter().collect()
}

/// How much more the results err, where that is too much.
fn drift(baseline: &Case, candidate: &Case, rules: &Rules) -> Option<(f64, String)> {
    let error = |case: &Case| case.accuracy.as_ref().map(|accuracy| accuracy.max_rel);
    let (before, after) = (error(baseline)?, error(candidate)?);
    (after - before > rules.accuracy_drift).then(|| {
        let remark =
            format!("ACCURACY: the largest relative error grew from {before:.2e} to {after:.2e}");
        (after - before, remark)
    })
}

/// How much more memory the hungriest rank takes, where that is worth a warning.
fn memory(baseline: &Case, candidate: &Case, rules: &Rules) -> Option<String> {
    let (before, after) = (baseline.figure(&HOST_PEAK)?, candidate.figure(&HOST_PEAK)?);
    (after > before * (1.0 + rules.memory)).then(|| {
        let (before, after) = (before / 1e6, after / 1e6);
        format!("MEMORY: a rank takes up to {after:.1} MB, {before:.1} MB before")
    })
}

/// How much more the launches differ from each other than before, where that is no accident: such a case may be faster
/// and still be worse to rely on.
fn spread(evidence: &Evidence) -> Option<String> {
    let ([before, after], p) = evidence.spread?;
    (p <= SPREAD_P && after >= SPREAD_RATIO * before).then(|| {
        let [before, after] = [before, after].map(|deviation| 100.0 * deviation);
        format!("SPREAD: launches differ by {after:.1} %, {before:.1} % before (p {p:.4})")
    })
}
