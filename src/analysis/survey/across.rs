//! Scaling across reports: one thing measured on different numbers of ranks, each in launches of its own.

use std::hash::Hash;

use super::subject::{Subject, surroundings};
use crate::analysis::case::works_alone;
use crate::analysis::comparison::differences::{Facts, devices};
use crate::analysis::families::families;
use crate::analysis::scaling::{StudyPoint, scaling};
use crate::benchmark::{self, Problem, Setting};
use crate::plan::config::ScalingKind;
use crate::report::{Case, Definition, Over, Report, Scaling, Study};

/// What must be where there is more than one rank and need not be where there is one.
const OF_MANY: [&str; 2] = ["mpi", "thread level"];

/// Variables of the libraries that connect ranks, likewise.
const VARIABLES_OF_MANY: [&str; 6] = ["OMPI_", "PMIX_", "UCX_", "MPICH_", "I_MPI_", "FI_"];

/// What differs when there are more ranks.
const OF_THE_SIZE: [&str; 5] = ["mesh", "devices", "nodes", "hosts", "system"];

/// Variables that place ranks, likewise. Where they put more than one on a core, the case says so.
const PLACING: [&str; 3] = ["OMPI_MCA_hwloc_", "OMPI_MCA_rmaps_", "OMPI_MCA_mpi_oversubscribe"];

struct Candidate<'a> {
    subject: &'a Subject<'a>,
    /// The problem of all ranks together: what stays in strong scaling. None for a benchmark whose keys are not known.
    whole: Option<Problem>,
    around: &'a Around,
}

/// What is around a report: whatever its number of ranks, and as there are several.
type Around = (Facts, Facts);

/// The studies that a launch made by itself, as its report has them.
pub(super) fn within(reports: &[Report]) -> Vec<Study> {
    let all = reports.iter().zip(0..);
    let all = all.flat_map(|(report, at)| report.scaling.iter().map(move |study| (study, at)));
    let of = |(study, at): (&Scaling, usize)| Study {
        separate_launches: false,
        reports: vec![vec![at]; study.points.len()],
        local_times: false,
        ci_over: Over::Iterations,
        scaling: study.clone(),
    };
    all.map(of).collect()
}

/// The studies that reports of different numbers of ranks make together.
pub(super) fn across(reports: &[Report], subjects: &[Subject<'_>]) -> Vec<Study> {
    let around: Vec<Around> = reports.iter().map(around).collect();
    let candidates: Vec<Candidate<'_>> =
        subjects.iter().filter_map(|subject| candidate(subject, &around)).collect();
    let studies = |kind: ScalingKind| {
        let points = candidates.iter().filter(move |candidate| candidate.constant(kind).is_some());
        let families = families(points, |candidate| candidate.key(kind)).into_iter();
        families.flat_map(kin).filter_map(move |family| study(family, kind))
    };
    [ScalingKind::Weak, ScalingKind::Strong].into_iter().flat_map(studies).collect()
}

fn candidate<'a>(subject: &'a Subject<'a>, around: &'a [Around]) -> Option<Candidate<'a>> {
    let case = subject.case;
    // A matrix is a file of whoever measured.
    let fits = subject.is_of_all_ranks() && !case.problem.contains_key("matrix");
    if !fits || case.measured.is_none() || case.counts?.happens_once {
        return None;
    }
    // What is around all its reports is alike.
    Some(Candidate {
        subject,
        whole: whole(case),
        around: around.get(*subject.reports().first()?)?,
    })
}

fn whole(case: &Case) -> Option<Problem> {
    let mut whole = case.problem.clone();
    for key in benchmark::find(&case.benchmark)?.keys.iter().filter(|key| key.divides) {
        if let Some(Setting::Number(value)) = whole.get_mut(&*key.name) {
            *value = value.saturating_mul(case.group_size as u64);
        }
    }
    Some(whole)
}

fn around(report: &Report) -> Around {
    let variable = |what: &str, prefixes: &[&str]| {
        let name = what.strip_prefix("variable ");
        name.is_some_and(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
    };
    let mut every = surroundings(report);
    every.retain(|(what, _), _| !OF_THE_SIZE.contains(&what.as_str()) && !variable(what, &PLACING));
    every.insert(("devices".to_owned(), true), devices(report).into_keys().collect());
    let (many, every) = every.into_iter().partition(|((what, _), _)| {
        OF_MANY.contains(&what.as_str()) || variable(what, &VARIABLES_OF_MANY)
    });
    (every, many)
}

impl<'a> Candidate<'a> {
    /// The problem that stays in such a study; `None` where the case can be no point of it. What ranks do together has no
    /// strong scaling of its own.
    fn constant(&self, kind: ScalingKind) -> Option<&Problem> {
        match kind {
            ScalingKind::Weak => Some(&self.subject.case.problem),
            ScalingKind::Strong => self.whole.as_ref().filter(|_| works_alone(self.subject.case)),
        }
    }

    /// What is equal in all points of a study, beside what is around those of several ranks.
    fn key(&self, kind: ScalingKind) -> impl Eq + Hash + use<'_, 'a> {
        let Case { benchmark, precision, placement, .. } = self.subject.case;
        let protocol = self.subject.report.run.config.protocol;
        (benchmark, precision, placement, protocol, self.constant(kind), &self.around.0)
    }

    fn is_alone(&self) -> bool {
        self.subject.case.group_size == 1
    }
}

/// The family parted by what is around several ranks; those of one rank go with the first part.
fn kin<'a>(family: Vec<&'a Candidate<'a>>) -> Vec<Vec<&'a Candidate<'a>>> {
    let (alone, several): (Vec<_>, Vec<_>) = family.into_iter().partition(|one| one.is_alone());
    let mut parts = families(several, |candidate| &candidate.around.1);
    match parts.first_mut() {
        Some(first) => first.extend(alone),
        None => parts.push(alone),
    }
    parts
}

/// Whether some point is held against the base.
fn is_told(study: &Scaling) -> bool {
    study.points.iter().filter(|point| point.efficiency.is_some()).count() > 1
}

/// The study of cases that belong together. `None` where all have as many ranks.
fn study(mut family: Vec<&Candidate<'_>>, kind: ScalingKind) -> Option<Study> {
    let ranks = |candidate: &Candidate<'_>| candidate.subject.case.group_size;
    family.sort_by_key(|candidate| ranks(candidate));
    let (first, last) = (family.first()?, family.last()?);
    if ranks(first) == ranks(last) {
        return None;
    }
    let Case { benchmark, precision, placement, .. } = first.subject.case;
    let problem = first.constant(kind)?;
    // Cases that are left out neither decide which times all are held by nor follow.
    let mut definitions: Vec<Definition> = family
        .iter()
        .filter(|candidate| !candidate.subject.case.is_left_out())
        .filter_map(|candidate| Some(candidate.subject.case.latency()?.definition))
        .collect();
    definitions.dedup();
    let local_times = definitions.len() > 1;
    let points = family.iter().map(|candidate| candidate.point(local_times));
    // One that does not have the times that all are held by is no point.
    let (points, over): (Vec<StudyPoint<'_>>, Vec<Option<Over>>) =
        points.collect::<Option<Vec<_>>>()?.into_iter().unzip();
    let over_launches = over.iter().all(|over| *over == Some(Over::Launches));
    Some(Study {
        separate_launches: true,
        reports: family.iter().map(|candidate| candidate.subject.reports().to_vec()).collect(),
        local_times,
        ci_over: if over_launches { Over::Launches } else { Over::Iterations },
        scaling: scaling(benchmark, kind, problem, (*precision, *placement), &points)
            .filter(is_told)?,
    })
}

impl<'a> Candidate<'a> {
    /// The point by the headline's figures, or by those of the slowest rank's own times, which all cases have; and
    /// what its interval is over.
    fn point(&self, local_times: bool) -> Option<(StudyPoint<'a>, Option<Over>)> {
        let case = self.subject.case;
        let point = StudyPoint::of(case)?;
        if local_times && !point.left_out {
            let local = case.measured.as_ref()?.by(Definition::SlowestRank)?;
            return Some((StudyPoint { median_ms: local.median, ci: local.ci, ..point }, None));
        }
        let headline = self.subject.examined.statistics.as_ref()?;
        let (median_ms, ci) = (headline.median_ms, headline.ci);
        Some((StudyPoint { median_ms, ci, ..point }, headline.ci_over))
    }
}
