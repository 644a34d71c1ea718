//! Reports read together: statistics of every case, what speaks against relying on them, how they scale, and
//! what the rules find. Everything that is flagged or found has a rule in `rules` that says its bound.

mod across;
mod backends;
mod findings;
mod flags;
mod ranks;
mod rates;
mod rules;
mod slow;
mod subject;
#[cfg(test)]
mod tests;

use self::subject::{Subject, origin, subjects};
use super::comparison::Reports;
use super::comparison::differences::devices;
use super::limits::Limits;
use crate::report::{ANALYSIS_SCHEMA, Analysis, Finding, Fleet, Report, Severity, Source, Tally};

/// Reads reports together, and holds limits against each; the reports are the fleet.
pub fn survey(reports: Reports<'_>, limits: &Limits) -> Analysis {
    let Reports { files, reports } = reports;
    let mut subjects = subjects(reports);
    ranks::find_stragglers(&mut subjects);
    subjects.iter_mut().for_each(flags::flag_case);
    let mut scaling = across::within(reports);
    scaling.extend(across::across(reports, &subjects));
    let findings = findings::findings(reports, &subjects, &scaling);
    Analysis {
        schema: ANALYSIS_SCHEMA.to_owned(),
        reports: files.iter().zip(reports).map(|(file, report)| source(file, report)).collect(),
        scaling,
        backends: backends::across(&subjects),
        throughput: rates::throughput(&subjects),
        leaderboards: rates::leaderboards(&subjects),
        summary: tally(&subjects, &findings),
        cases: subjects.into_iter().map(|subject| subject.examined).collect(),
        findings,
        fleet: Fleet::of(reports),
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
        started: report.run.began().map(str::to_owned),
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

fn tally(subjects: &[Subject<'_>], findings: &[Finding]) -> Tally {
    let found = |severity| {
        findings.iter().filter(|finding: &&Finding| finding.severity == severity).count()
    };
    Tally {
        cases: subjects.len(),
        measured: subjects.iter().filter(|one| one.examined.statistics.is_some()).count(),
        reliable: subjects.iter().filter(|one| one.examined.reliable).count(),
        serious: found(Severity::Serious),
        warnings: found(Severity::Warning),
        infos: found(Severity::Info),
    }
}
