//! Reports read together: statistics of every case, what speaks against relying on them, how they scale, and
//! what the rules find. Everything that is flagged or found has a rule in `rules` that says its bound.

mod across;
mod findings;
mod flags;
mod hosts;
mod ranks;
mod rates;
mod rules;
mod slow;
mod statistics;
mod subject;
#[cfg(test)]
mod tests;

use self::subject::{Subject, devices, origin, subjects};
use super::comparison::Reports;
use super::limits::Limits;
use crate::report::{
    ANALYSIS_SCHEMA, Analysis, Case, Examined, Finding, Report, Severity, Source, Tally,
};

/// Reads reports together, and holds limits against each; the reports are the fleet.
pub fn survey(reports: Reports<'_>, limits: &Limits) -> Analysis {
    let Reports { files, reports } = reports;
    let subjects = subjects(reports);
    let mut cases: Vec<Examined> = subjects.iter().map(examined).collect();
    let by: Vec<&Case> = subjects.iter().map(|subject| subject.case).collect();
    ranks::find_stragglers(&mut cases, &by);
    for (case, subject) in cases.iter_mut().zip(&subjects) {
        let Some(statistics) = &case.statistics else { continue };
        case.flags = flags::flags(subject.case, statistics);
        case.reliable = case.flags.iter().all(|flag| flag.severity == Severity::Info);
    }
    let mut scaling = across::within(reports);
    scaling.extend(across::across(reports, &subjects, &cases));
    let findings = findings::findings(reports, &subjects, &cases, &scaling);
    Analysis {
        schema: ANALYSIS_SCHEMA.to_owned(),
        reports: files.iter().zip(reports).map(|(file, report)| source(file, report)).collect(),
        scaling,
        throughput: rates::throughput(&subjects, &cases),
        leaderboards: rates::leaderboards(&subjects, &cases),
        summary: tally(&cases, &findings),
        cases,
        findings,
        limits: files
            .iter()
            .zip(reports)
            .flat_map(|(file, report)| {
                let mut checks = limits.check(report, reports);
                if reports.len() > 1 {
                    checks.iter_mut().for_each(|check| check.be_of(file));
                }
                checks
            })
            .collect(),
    }
}

fn source(file: &str, report: &Report) -> Source {
    let replicates = report.cases.iter().filter_map(|case| case.replication.as_ref());
    Source {
        file: file.to_owned(),
        id: report.run.id.clone(),
        started: report.run.started.clone(),
        backend: report.run.backend.clone(),
        origin: origin(report),
        ranks: report.environment.ranks.len(),
        hosts: subject::hosts(report),
        devices: devices(report),
        launches: replicates.map(|replication| replication.launches.len()).max().unwrap_or(1),
        cases: report.summary,
        incomplete: report.run.incomplete,
        exit: report.run.exit,
    }
}

/// The case before it is known what to think of it.
fn examined(subject: &Subject<'_>) -> Examined {
    let case = subject.case;
    Examined {
        reports: subject.reports.clone(),
        id: case.id.clone(),
        benchmark: case.benchmark.clone(),
        problem: case.problem.clone(),
        precision: case.precision,
        placement: case.placement,
        axis: case.axis.clone(),
        group: case.group.clone(),
        ranks: case.group_size,
        outcome: case.outcome,
        statistics: statistics::statistics(subject),
        flags: Vec::new(),
        reliable: false,
    }
}

fn tally(cases: &[Examined], findings: &[Finding]) -> Tally {
    let found = |severity| {
        findings.iter().filter(|finding: &&Finding| finding.severity == severity).count()
    };
    Tally {
        cases: cases.len(),
        measured: cases.iter().filter(|case| case.statistics.is_some()).count(),
        reliable: cases.iter().filter(|case| case.reliable).count(),
        serious: found(Severity::Serious),
        warnings: found(Severity::Warning),
        infos: found(Severity::Info),
    }
}
