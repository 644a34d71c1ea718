//! Scaling across reports: one thing measured on different numbers of ranks, each in launches of its own.

use crate::analysis::comparison::differences::Facts;
use crate::analysis::scaling::{Common, StudyPoint, scaling};
use crate::base::caveat::Caveat;
use crate::benchmark::{self, Counts, Problem, Setting};
use crate::plan::config::ScalingKind;
use crate::report::{Case, Definition, Examined, Measured, Over, Report, Scaling, Study};

use super::subject::{Subject, devices, surroundings};

/// What must be where there is more than one rank and need not be where there is one.
const OF_MANY: [&str; 2] = ["mpi", "thread level"];

/// Variables of the libraries that connect ranks, likewise.
const VARIABLES_OF_MANY: [&str; 6] = ["OMPI_", "PMIX_", "UCX_", "MPICH_", "I_MPI_", "FI_"];

/// What differs when there are more ranks.
const OF_THE_SIZE: [&str; 5] = ["mesh", "devices", "nodes", "hosts", "system"];

/// Variables that place ranks, likewise. Where they put more than one on a core, the case says so.
const PLACING: [&str; 3] = ["OMPI_MCA_hwloc_", "OMPI_MCA_rmaps_", "OMPI_MCA_mpi_oversubscribe"];

/// A case that may be a point.
struct Candidate<'a> {
    subject: &'a Subject<'a>,
    examined: &'a Examined,
    measured: &'a Measured,
    counts: &'a Counts,
    /// The problem of all ranks together: what stays in strong scaling. None for a benchmark whose keys are not known.
    whole: Option<Problem>,
    around: &'a Around,
}

/// What is around a report.
struct Around {
    /// Whatever its number of ranks.
    every: Facts,
    /// As there are several.
    many: Facts,
}

/// The studies that a launch made by itself, as its report has them.
pub(super) fn within(reports: &[Report]) -> Vec<Study> {
    let of = |(at, report): (usize, &Report)| -> Vec<Study> {
        let study = |study: &Scaling| Study {
            separate_launches: false,
            reports: vec![vec![at]; study.points.len()],
            local_times: false,
            ci_over: Over::Iterations,
            scaling: study.clone(),
        };
        report.scaling.iter().map(study).collect()
    };
    reports.iter().enumerate().flat_map(of).collect()
}

/// The studies that reports of different numbers of ranks make together. `subjects` and `examined` go together.
pub(super) fn across(
    reports: &[Report],
    subjects: &[Subject<'_>],
    examined: &[Examined],
) -> Vec<Study> {
    let around: Vec<Around> = reports.iter().map(around).collect();
    let candidates: Vec<Candidate<'_>> = subjects
        .iter()
        .zip(examined)
        .filter_map(|(subject, case)| candidate(subject, case, &around))
        .collect();
    let mut studies = Vec::new();
    for kind in [ScalingKind::Weak, ScalingKind::Strong] {
        let mut families: Vec<Vec<&Candidate<'_>>> = Vec::new();
        for candidate in candidates.iter().filter(|candidate| candidate.can_be(kind)) {
            let known = families
                .iter_mut()
                .find(|family| family.iter().all(|other| other.is_kin(candidate, kind)));
            match known {
                Some(family) => family.push(candidate),
                None => families.push(vec![candidate]),
            }
        }
        studies.extend(families.iter().filter_map(|family| study(family, kind)));
    }
    studies
}

fn candidate<'a>(
    subject: &'a Subject<'a>,
    examined: &'a Examined,
    around: &'a [Around],
) -> Option<Candidate<'a>> {
    let Case { problem, .. } = subject.case;
    let counts = subject.case.counts.as_ref().filter(|counts| !counts.happens_once)?;
    // A matrix is a file of whoever measured.
    if !subject.is_of_all_ranks() || problem.contains_key("matrix") {
        return None;
    }
    Some(Candidate {
        subject,
        examined,
        measured: subject.case.measured.as_ref()?,
        counts,
        whole: whole(subject.case),
        // Those of all its reports are alike.
        around: around.get(*subject.reports.first()?)?,
    })
}

/// The problem that the ranks of a case have together.
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
    let mut every = surroundings(report);
    every.retain(|(what, _), _| !OF_THE_SIZE.contains(&what.as_str()));
    let starts_with =
        |name: &str, known: &[&str]| known.iter().any(|prefix| name.starts_with(prefix));
    every.retain(|(what, _), _| {
        !what.strip_prefix("variable ").is_some_and(|name| starts_with(name, &PLACING))
    });
    let names: Vec<String> = devices(report).into_keys().collect();
    every.insert(("devices".to_owned(), true), names);
    let of_many = |what: &str| {
        OF_MANY.contains(&what)
            || what
                .strip_prefix("variable ")
                .is_some_and(|name| starts_with(name, &VARIABLES_OF_MANY))
    };
    let (many, every) = every.into_iter().partition(|((what, _), _)| of_many(what));
    Around { every, many }
}

impl Candidate<'_> {
    /// Whether it can be a point of such a study: what ranks do together has no strong scaling of its own.
    fn can_be(&self, kind: ScalingKind) -> bool {
        kind == ScalingKind::Weak || !self.counts.communicates && self.whole.is_some()
    }

    /// The problem that stays in such a study.
    fn constant(&self, kind: ScalingKind) -> Option<&Problem> {
        match kind {
            ScalingKind::Weak => Some(&self.subject.case.problem),
            ScalingKind::Strong => self.whole.as_ref(),
        }
    }

    /// Whether both are points of one study.
    fn is_kin(&self, other: &Self, kind: ScalingKind) -> bool {
        let key = |candidate: &Self| {
            let case = candidate.subject.case;
            (case.precision, case.placement, candidate.subject.report.run.config.protocol)
        };
        let alone = self.subject.case.group_size == 1 || other.subject.case.group_size == 1;
        self.subject.case.benchmark == other.subject.case.benchmark
            && key(self) == key(other)
            && self.constant(kind) == other.constant(kind)
            && self.around.every == other.around.every
            && (alone || self.around.many == other.around.many)
    }
}

/// Whether some point is held against the base.
fn is_told(study: &Scaling) -> bool {
    study.points.iter().filter(|point| point.efficiency.is_some()).count() > 1
}

/// What a point is made of.
struct Figures {
    median_ms: f64,
    ci: Option<[f64; 2]>,
    over_launches: bool,
}

impl Candidate<'_> {
    /// The headline's figures; or those of the slowest rank's own times, which all cases have.
    fn figures(&self, headline: bool) -> Option<Figures> {
        if headline {
            let statistics = self.examined.statistics.as_ref()?;
            let over_launches = statistics.ci_over == Some(Over::Launches);
            let (median_ms, ci) = (statistics.median_ms, statistics.ci);
            return Some(Figures { median_ms, ci, over_launches });
        }
        let known = [Some(&self.measured.latency), self.measured.latency_local.as_ref()];
        let local = known
            .into_iter()
            .flatten()
            .find(|latency| latency.definition == Definition::SlowestRank)?;
        Some(Figures { median_ms: local.median, ci: local.ci, over_launches: false })
    }
}

/// The study of cases that belong together. `None` where all have as many ranks.
fn study(family: &[&Candidate<'_>], kind: ScalingKind) -> Option<Study> {
    let mut family = family.to_vec();
    family.sort_by_key(|candidate| candidate.subject.case.group_size);
    let first = family.first()?;
    let last = family.last()?;
    if first.subject.case.group_size == last.subject.case.group_size {
        return None;
    }
    let case = first.subject.case;
    let common = Common {
        benchmark: &case.benchmark,
        kind,
        problem: first.constant(kind)?,
        precision: case.precision,
        placement: case.placement,
    };
    let is_left_out = |candidate: &Candidate<'_>| {
        candidate.subject.case.caveats.iter().any(Caveat::excludes_from_scaling)
    };
    // Cases that are left out neither decide which times all are held by nor follow.
    let mut definitions: Vec<Definition> = family
        .iter()
        .filter(|candidate| !is_left_out(candidate))
        .map(|candidate| candidate.measured.latency.definition)
        .collect();
    definitions.dedup();
    let local_times = definitions.len() > 1;
    let figures: Vec<Figures> = family
        .iter()
        .filter_map(|candidate| candidate.figures(!local_times || is_left_out(candidate)))
        .collect();
    // One that does not have the times that all are held by is no point.
    if figures.len() < family.len() {
        return None;
    }
    let series: Vec<StudyPoint<'_>> = family
        .iter()
        .zip(&figures)
        .map(|(candidate, figures)| StudyPoint {
            case: &candidate.subject.case.id,
            counts: candidate.counts,
            ranks: candidate.subject.case.group_size,
            median_ms: figures.median_ms,
            ci: figures.ci,
            left_out: is_left_out(candidate),
        })
        .collect();
    let over_launches = figures.iter().all(|figures| figures.over_launches);
    Some(Study {
        separate_launches: true,
        reports: family.iter().map(|candidate| candidate.subject.reports.clone()).collect(),
        local_times,
        ci_over: if over_launches { Over::Launches } else { Over::Iterations },
        scaling: scaling(common, &series).filter(is_told)?,
    })
}
