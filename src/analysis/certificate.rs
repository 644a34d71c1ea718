//! Certificates: each node of a report, held against the limits.

use std::collections::BTreeMap;

use super::comparison::Reports;
use super::limits::Limits;
use crate::base::units::counted;
use crate::benchmark::metric::Metric;
use crate::machine::environment::{Node, Rank};
use crate::plan::config::LimitConfig;
use crate::report::{
    CERTIFICATE_SCHEMA, Case, Certificate, CertifiedDevice, CertifiedLimit, Grade, LimitCheck,
    LimitOutcome, Outcome, Report,
};

/// A certificate for each node of each report. The reports are the fleet.
pub fn certificates(
    reports: Reports<'_>,
    limits: &Limits,
    configured: &[LimitConfig],
) -> Vec<Certificate> {
    let Reports { files, reports } = reports;
    let of_report = |(file, report): (&String, &Report)| {
        let checks = limits.check(report, reports);
        let of_ranks = limits.check_ranks(report);
        let nodes = report.environment.nodes.iter().enumerate();
        let certify = |(place, node): (usize, &Node)| {
            let sheet = Sheet { report, place, checks: &checks, of_ranks: &of_ranks };
            sheet.certificate(file, node, configured)
        };
        nodes.map(certify).collect::<Vec<_>>()
    };
    files.iter().zip(reports).flat_map(of_report).collect()
}

struct Sheet<'a> {
    report: &'a Report,
    place: usize,
    checks: &'a [LimitCheck],
    of_ranks: &'a [LimitCheck],
}

impl Sheet<'_> {
    fn certificate(&self, file: &str, node: &Node, configured: &[LimitConfig]) -> Certificate {
        let Self { report, .. } = self;
        let run = &report.run;
        let cases: Vec<&Case> = report.cases.iter().filter(|case| self.is_here(case)).collect();
        let limits = self.limits(configured);
        let devices: Vec<CertifiedDevice> = self.ranks().map(|rank| self.device(rank)).collect();
        let mut failures: Vec<String> = Vec::new();
        let broken: usize = limits.iter().map(|limit| limit.checked - limit.kept).sum();
        let of_devices: usize = devices.iter().map(|device| device.broken).sum();
        let count = |outcome| cases.iter().filter(|case| case.outcome == outcome).count();
        let checked = cases.iter().filter_map(|case| case.accuracy.as_ref());
        let wrong = checked.clone().filter(|accuracy| accuracy.wrong > 0).count();
        let failed = count(Outcome::Failed) + count(Outcome::TimedOut);
        let mut fail = |count: usize, what: &str, how: &str| {
            failures.extend((count > 0).then(|| format!("{}{how}", counted(count, what))));
        };
        fail(broken.max(of_devices), "figure", " beyond a limit");
        fail(wrong, "case", " with wrong results");
        fail(failed, "failed case", "");
        let open = self.open(&limits);
        let grade = match (failures.is_empty(), open.is_empty()) {
            (false, _) => Grade::Fail,
            (true, false) => Grade::Open,
            (true, true) => Grade::Pass,
        };
        let mut libraries = report.environment.libraries.clone();
        for (name, version) in &node.different {
            match version {
                Some(version) if !name.starts_with("variable ") => {
                    libraries.insert(name.clone(), version.clone());
                }
                _ => {
                    libraries.remove(name);
                }
            }
        }
        let mut caveats: BTreeMap<&str, usize> = BTreeMap::new();
        for caveat in cases.iter().flat_map(|case| &case.caveats) {
            *caveats.entry(caveat.mark()).or_default() += 1;
        }
        let outcomes = [Outcome::Measured, Outcome::Skipped, Outcome::Failed, Outcome::TimedOut];
        Certificate {
            schema: CERTIFICATE_SCHEMA.to_owned(),
            node: node.clone(),
            file: file.to_owned(),
            run: run.id.clone(),
            started: run.began().map(str::to_owned),
            finished: run.finished.clone(),
            build: format!("{}, build {}", run.version, run.build),
            libraries: libraries.into_iter().collect(),
            grade,
            reasons: failures.into_iter().chain(open).collect(),
            devices,
            limits,
            cases: outcomes.map(|it| (it, count(it))).into_iter().filter(|(_, n)| *n > 0).collect(),
            correct: [checked.count(), wrong],
            caveats: caveats.into_iter().map(|(mark, n)| (mark.to_owned(), n)).collect(),
        }
    }

    /// Why nothing can be certified, whatever the figures.
    fn open(&self, limits: &[CertifiedLimit]) -> Vec<String> {
        let run = &self.report.run;
        let unchecked: usize = limits.iter().map(|limit| limit.unchecked).sum();
        let nothing = limits.iter().all(|limit| limit.checked == 0);
        let reasons = [
            (run.simulated, "the figures are a model's, not this machine's".to_owned()),
            (run.emulated, "ranks shared a GPU".to_owned()),
            (run.imported_from.is_some(), "the figures are another tool's".to_owned()),
            (run.incomplete, "the run is incomplete".to_owned()),
            (nothing, "no figure of this node was held against a limit".to_owned()),
            (unchecked > 0, format!("{} could not be made", counted(unchecked, "check"))),
        ];
        reasons.into_iter().filter_map(|(is, why)| is.then_some(why)).collect()
    }

    fn ranks(&self) -> impl Iterator<Item = &Rank> {
        self.report.environment.ranks.iter().filter(|rank| rank.node == self.place)
    }

    fn is_rank_here(&self, rank: usize) -> bool {
        self.ranks().any(|known| known.rank == rank)
    }

    fn is_here(&self, case: &Case) -> bool {
        case.participants.iter().any(|rank| self.is_rank_here(*rank))
    }

    /// Whether a check is of this node: of its ranks, of a case that they are in, or of no case that there is.
    fn concerns(&self, check: &LimitCheck) -> bool {
        match check.rank {
            Some(rank) => self.is_rank_here(rank),
            None => {
                let case = self.report.cases.iter().find(|case| case.id == check.case);
                case.is_none_or(|case| self.is_here(case))
            }
        }
    }

    /// A check of a case by what this node's ranks did for it: where each works by itself, a slow one elsewhere is no fault
    /// of theirs. What no rank's own figure explains is everybody's.
    fn own<'a>(&'a self, check: &'a LimitCheck) -> Vec<&'a LimitCheck> {
        let same = |of: &&LimitCheck| (of.limit, &of.case) == (check.limit, &check.case);
        let of_ranks = || self.of_ranks.iter().filter(same);
        let is_explained = of_ranks().any(|of| of.outcome == LimitOutcome::Broken);
        if check.rank.is_some() || check.outcome == LimitOutcome::Broken && !is_explained {
            return vec![check];
        }
        let here = of_ranks().filter(|of| of.rank.is_some_and(|rank| self.is_rank_here(rank)));
        let here: Vec<&LimitCheck> = here.collect();
        if here.is_empty() { vec![check] } else { here }
    }

    fn limits(&self, configured: &[LimitConfig]) -> Vec<CertifiedLimit> {
        let of = |(number, config): (usize, &LimitConfig)| {
            let checks = self.checks.iter().filter(|it| it.limit == number && self.concerns(it));
            let checks: Vec<&LimitCheck> = checks.flat_map(|check| self.own(check)).collect();
            let count = |outcome| checks.iter().filter(|check| check.outcome == outcome).count();
            let (kept, broken) = (count(LimitOutcome::Kept), count(LimitOutcome::Broken));
            let unchecked = count(LimitOutcome::Unchecked);
            let missing = |check: &LimitCheck| check.missing_percent.unwrap_or(f64::NEG_INFINITY);
            let worst = checks.iter().max_by(|a, b| missing(a).total_cmp(&missing(b)));
            CertifiedLimit {
                limit: number,
                says: says(config),
                checked: kept + broken,
                kept,
                unchecked,
                worst: worst.map(|check| LimitCheck::clone(check)),
                grade: match (broken, unchecked, kept) {
                    (1.., ..) => Grade::Fail,
                    (0, 0, 1..) => Grade::Pass,
                    _ => Grade::Open,
                },
            }
        };
        (1..).zip(configured).map(of).filter(|limit| limit.checked + limit.unchecked > 0).collect()
    }

    /// A device by what is its own: what its rank did by itself.
    fn device(&self, rank: &Rank) -> CertifiedDevice {
        let alone = |check: &LimitCheck| {
            let case = self.report.cases.iter().find(|case| case.id == check.case);
            // A figure of the rank's own would be counted twice.
            let same = |of: &LimitCheck| (of.limit, &of.case) == (check.limit, &check.case);
            let is_own = || self.of_ranks.iter().any(|of| same(of) && of.rank == Some(rank.rank));
            let is_alone = case.is_some_and(|case| case.participants == [rank.rank]);
            check.rank.is_none() && is_alone && !is_own()
        };
        let own = self.checks.iter().filter(|check| check.rank == Some(rank.rank) || alone(check));
        let own = own.chain(self.of_ranks.iter().filter(|check| check.rank == Some(rank.rank)));
        let own = own.filter(|check| check.outcome != LimitOutcome::Unchecked);
        let (checked, broken) = own.fold((0, 0), |(checked, broken), check| {
            (checked + 1, broken + usize::from(check.outcome == LimitOutcome::Broken))
        });
        let node = self.report.environment.nodes.get(rank.node);
        CertifiedDevice {
            rank: rank.rank,
            device: rank.device.clone(),
            board: node.and_then(|it| it.boards.get(rank.local_rank).cloned()).unwrap_or_default(),
            checked,
            broken,
            grade: match (broken, checked) {
                (1.., _) => Grade::Fail,
                (0, 1..) => Grade::Pass,
                (0, 0) => Grade::Open,
            },
        }
    }
}

/// A limit in words.
fn says(limit: &LimitConfig) -> String {
    let unit = Metric::find(&limit.metric).map_or("", |metric| metric.unit.name());
    let bounds = [
        limit.at_least.map(|bound| format!("at least {bound} {unit}")),
        limit.at_most.map(|bound| format!("at most {bound} {unit}")),
        limit.percent_of_ceiling.map(|it| format!("at least {it} % of the ceiling")),
        limit.percent_of_fleet.map(|it| format!("at least {it} % of the fleet's middle")),
    ];
    let bound = bounds.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let of = limit.topology.as_ref().map_or_else(String::new, |name| format!(" of {name}"));
    format!("{} of {}: {}{of}", limit.metric, limit.case, bound.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{analysed, empty_report, plan, recording};
    use crate::machine::device::Device;
    use crate::report::RankTimes;

    /// A kernel on four ranks of two nodes, of which rank 3 takes so many times as long.
    fn report(slower: f64) -> Report {
        let plan = plan("benchmarks: {triad: {array: 1MiB}}");
        let mut report = empty_report(&plan);
        let mut case = analysed(&plan, &plan.cases[0], recording(&plan, 1e6, 1e6), None);
        case.participants = (0..4).collect();
        let times = |rank| RankTimes {
            rank,
            median_ms: if rank == 3 { slower } else { 1.0 },
            p95_ms: None,
            slowest_share: 0.0,
        };
        let measured = case.measured.as_mut().unwrap();
        measured.per_rank = (0..4).map(times).collect();
        measured.latency.median = slower;
        report.cases = vec![case];
        let node = |host: &str| Node { host: host.to_owned(), ..Node::default() };
        report.environment.nodes = vec![node("a"), node("b")];
        let rank = |rank| Rank {
            rank,
            node: rank / 2,
            local_rank: rank % 2,
            device: Device::named("cpu", "CPU".to_owned()),
            cores: None,
        };
        report.environment.ranks = (0..4).map(rank).collect();
        (report.run.incomplete, report.run.simulated) = (false, false);
        report
    }

    fn certified(report: &Report, yaml: &str) -> Vec<Certificate> {
        let configured: Vec<LimitConfig> = serde_saphyr::from_str(yaml).unwrap();
        let limits = Limits::resolve(&configured).unwrap();
        let files = ["r.json".to_owned()];
        let reports = Reports { files: &files, reports: std::slice::from_ref(report) };
        certificates(reports, &limits, &configured)
    }

    #[test]
    fn the_slow_device_fails_and_the_others_pass() {
        let limit = "[{case: 'triad*', metric: latency, at_most: 1.1}]";
        let sheets = certified(&report(1.0), limit);
        let grades: Vec<Grade> = sheets.iter().map(|sheet| sheet.grade).collect();
        assert_eq!(grades, [Grade::Pass, Grade::Pass], "{:?}", sheets[0].reasons);
        let sheets = certified(&report(1.5), limit);
        let of = |sheet: &Certificate| {
            sheet.devices.iter().map(|device| device.grade).collect::<Vec<_>>()
        };
        assert_eq!(of(&sheets[0]), [Grade::Pass, Grade::Pass]);
        assert_eq!(of(&sheets[1]), [Grade::Pass, Grade::Fail]);
        // The case is of both nodes, but the one is not to blame.
        assert_eq!((sheets[0].grade, sheets[1].grade), (Grade::Pass, Grade::Fail));
        let mut late = report(1.5);
        let measured = late.cases[0].measured.as_mut().unwrap();
        measured.per_rank.iter_mut().for_each(|rank| rank.median_ms = 1.0);
        let sheets = certified(&late, limit);
        assert_eq!((sheets[0].grade, sheets[1].grade), (Grade::Fail, Grade::Fail));
        let fleet = "[{case: 'triad*', metric: latency, percent_of_fleet: 90}]";
        let sheets = certified(&report(1.5), fleet);
        assert_eq!((sheets[0].grade, sheets[1].grade), (Grade::Pass, Grade::Fail));
    }

    #[test]
    fn a_figure_of_one_rank_is_counted_once() {
        let limit = "[{case: 'triad*', metric: latency, at_most: 1.1}]";
        let mut report = report(1.5);
        report.environment.ranks.truncate(1);
        report.environment.nodes.truncate(1);
        report.cases[0].participants = vec![0];
        let measured = report.cases[0].measured.as_mut().unwrap();
        measured.per_rank.truncate(1);
        measured.per_rank[0].median_ms = 1.5;
        let sheet = certified(&report, limit).remove(0);
        assert_eq!((sheet.limits[0].checked, sheet.devices[0].checked), (1, 1));
        assert_eq!(sheet.devices[0].broken, 1);
        assert_eq!(sheet.reasons, ["1 figure beyond a limit"]);
        let other = Case { id: "triad/other".to_owned(), ..report.cases[0].clone() };
        report.cases.push(other);
        report.cases.iter_mut().for_each(|case| case.accuracy.get_or_insert_default().wrong = 1);
        let sheet = certified(&report, limit).remove(0);
        assert_eq!(sheet.reasons, ["2 figures beyond a limit", "2 cases with wrong results"]);
    }

    #[test]
    fn what_was_not_checked_or_not_measured_here_is_no_pass() {
        let limit = "[{case: 'triad*', metric: latency, at_most: 1.1}]";
        let grade = |change: fn(&mut Report), limit: &str| {
            let mut report = report(1.0);
            change(&mut report);
            let sheet = certified(&report, limit).remove(0);
            assert_eq!(sheet.reasons.is_empty(), sheet.grade == Grade::Pass);
            sheet.grade
        };
        assert_eq!(grade(|_| (), limit), Grade::Pass);
        assert_eq!(grade(|report| report.run.incomplete = true, limit), Grade::Open);
        assert_eq!(grade(|report| report.run.simulated = true, limit), Grade::Open);
        assert_eq!(grade(|_| (), "[]"), Grade::Open);
        let other = "[{case: 'gemm*', metric: latency, at_most: 1}]";
        assert_eq!(grade(|_| (), other), Grade::Open);
        let wrong = |report: &mut Report| {
            report.cases[0].accuracy.get_or_insert_default().wrong = 1;
        };
        assert_eq!(grade(wrong, limit), Grade::Fail);
        let failed = |report: &mut Report| {
            report.cases.push(Case {
                id: "copy".to_owned(),
                participants: vec![0],
                outcome: Outcome::Failed,
                ..Case::default()
            });
        };
        assert_eq!(grade(failed, limit), Grade::Fail);
    }
}
