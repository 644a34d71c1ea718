//! The survey on reports whose times are known.

use super::*;
use crate::analysis::fixture::{analysed, empty_report, recording};

use crate::base::accuracy::{Accuracy, Checked};
use crate::base::caveat::Caveat;
use crate::base::error::{Exit, Kind};
use crate::base::failure::CaseError;
use crate::machine::device::Device;
use crate::machine::environment::{Node, Rank};
use crate::machine::telemetry::{Reading, Telemetry};
use crate::measure::Recording;
use crate::plan::config::{Config, Protocol};
use crate::plan::place::{Distance, Place};
use crate::plan::{self, Plan};
use crate::report::{
    Outcome, Over, PairMatrix, RankTimes, Replicate, Replication, Severity, SlowLink, Statistics,
};

fn planned(ranks: usize, yaml: &str) -> Plan {
    let config: Config = serde_saphyr::from_str(yaml).unwrap();
    Plan::resolve(&config, &Place::on_one_node(ranks)).unwrap()
}

/// The report of these ranks, two a node, whose cases take `nanos`.
fn report(ranks: usize, yaml: &str, nanos: impl Fn(&plan::Case) -> f64) -> Report {
    recorded(ranks, yaml, |plan, case| recording(plan, nanos(case), nanos(case)))
}

fn recorded(ranks: usize, yaml: &str, of: impl Fn(&Plan, &plan::Case) -> Recording) -> Report {
    let plan = planned(ranks, yaml);
    let mut report = empty_report(&plan);
    report.run.id = format!("{ranks}");
    let device = Device { kind: "cpu".to_owned(), name: "CPU".to_owned(), ..Device::default() };
    let rank = |rank| Rank {
        rank,
        node: rank / 2,
        local_rank: rank % 2,
        device: device.clone(),
        cores: None,
    };
    let node = |node| Node { host: format!("node{node}"), ..Node::default() };
    report.environment.ranks = (0..ranks).map(rank).collect();
    report.environment.nodes = (0..ranks.div_ceil(2)).map(node).collect();
    let cases = plan.cases.iter().map(|case| analysed(&plan, case, of(&plan, case), None));
    report.cases = cases.collect();
    report.conclude(plan.cases.len(), Exit::Ok);
    report
}

/// Ranks whose own medians are these, in us, and who are slowest in these shares of the iterations.
fn with_ranks(recording: Recording, ranks: &[(f64, f64)]) -> Recording {
    let per_rank = ranks.iter().enumerate().map(|(rank, &(us, slowest_share))| RankTimes {
        rank,
        median_ms: 1e-3 * us,
        p95_ms: None,
        slowest_share,
    });
    Recording { per_rank: per_rank.collect(), ..recording }
}

fn of(reports: &[Report]) -> Analysis {
    let files: Vec<String> = (0..reports.len()).map(|at| format!("{at}.json")).collect();
    let analysis = survey(Reports { files: &files, reports }, &Limits::default());
    // What must hold of every finding.
    for finding in &analysis.findings {
        assert!(!finding.evidence.is_empty(), "{finding:?}");
        assert!(
            finding.says.chars().any(|c| c.is_ascii_digit())
                || finding.rule == "wrong_result"
                || finding.rule == "failed_case"
                || finding.rule == "no_counts",
            "{finding:?}"
        );
        assert!(!finding.recommendation.is_empty() && !finding.reports.is_empty(), "{finding:?}");
    }
    assert!(analysis.findings.is_sorted_by_key(|finding| finding.severity));
    analysis
}

fn found<'a>(analysis: &'a Analysis, rule: &str) -> Vec<&'a Finding> {
    analysis.findings.iter().filter(|finding| finding.rule == rule).collect()
}

#[test]
fn a_rank_that_exchanges_with_nobody_leads_nothing() {
    let boards = |ranks: usize, benchmark: &str, size: &str| {
        let yaml = format!("benchmarks: {{{benchmark}: {{{size}}}}}");
        let analysis = of(&[report(ranks, &yaml, |_| 1e6)]);
        (analysis.leaderboards.len(), analysis.throughput.len())
    };
    assert_eq!(boards(1, "all_reduce", "bytes: '8,64'"), (0, 0));
    assert_eq!(boards(2, "all_reduce", "bytes: '8,64'"), (2, 1));
    assert_eq!(boards(1, "gemm", "m: '8,64'"), (2, 1));
}

#[test]
fn an_old_report_says_nothing_of_what_it_counts() {
    let yaml = "benchmarks: {gemm: {m: 64}, all_reduce: {bytes: 8}}";
    let mut reports = [2, 4].map(|ranks| report(ranks, yaml, |_| 1e6));
    let studies = |reports: &[Report]| of(reports).scaling.len();
    assert_eq!(studies(&reports), 2);
    for case in reports.iter_mut().flat_map(|report| &mut report.cases) {
        case.counts = None;
    }
    assert_eq!(studies(&reports), 0);
    let analysis = of(&reports);
    assert_eq!(found(&analysis, "no_counts")[0].cases.len(), 4);
    assert_eq!(analysis.summary.measured, 4);
    // What a kernel counts follows from its problem once the report is read.
    let read = |report: &Report| {
        let text = serde_json::to_string(report).unwrap();
        Report::parse(&text).unwrap()
    };
    let reports = reports.each_ref().map(read);
    assert_eq!(studies(&reports), 1);
    assert_eq!(found(&of(&reports), "no_counts")[0].cases.len(), 2);
}

const GEMM: &str = "benchmarks: {gemm: {m: 64}}\nbenchmarking: {timing_iterations: 40}";

#[test]
fn reports_that_are_alike_are_launches_of_one_thing() {
    let nanos = [1.3e6, 1.0e6, 1.5e6, 1.1e6, 1.2e6, 1.4e6];
    let mut reports: Vec<Report> = nanos.map(|nanos| report(2, GEMM, |_| nanos)).to_vec();
    let analysis = of(&reports);
    let [case] = &analysis.cases[..] else { panic!("{:#?}", analysis.cases) };
    let statistics = case.statistics.as_ref().unwrap();
    assert_eq!((statistics.launches, statistics.ci_over), (6, Some(Over::Launches)));
    let [low, high] = statistics.ci.unwrap();
    assert!(low < 1.01 && high > 1.49 && (1.24..1.26).contains(&statistics.median_ms));
    assert_eq!(statistics.reproducible, Some(false));
    assert_eq!((case.reports.len(), found(&analysis, "not_reproducible").len()), (6, 1));
    assert!(found(&analysis, "few_launches").is_empty());
    // The rest is of the launch in the middle, the faster of two.
    assert!(statistics.max_ms < 1.21);
    // The iterations of one tell nothing of the median of two to five.
    for count in [2, 5] {
        let analysis = of(&reports[..count]);
        let few = analysis.cases[0].statistics.as_ref().unwrap();
        assert_eq!((few.launches, few.ci, few.ci_over), (count, None, None));
        assert!(!analysis.cases[0].reliable && found(&analysis, "no_interval").is_empty());
    }
    let two = of(&reports[..2]);
    let few = two.cases[0].statistics.as_ref().unwrap();
    assert!((few.median_ms / 1.15 - 1.0).abs() < 0.01, "{few:?}");
    let rate = |statistics: &Statistics| statistics.rate.unwrap() * statistics.median_ms;
    assert!((rate(few) / rate(statistics) - 1.0).abs() < 1e-9);

    reports[0].run.build = "another".to_owned();
    let analysis = of(&reports);
    let launches: Vec<usize> =
        analysis.cases.iter().map(|case| case.statistics.as_ref().unwrap().launches).collect();
    assert_eq!(launches, [1, 5]);
    assert!(!found(&analysis, "few_launches").is_empty());
}

#[test]
fn launches_of_one_report_count_too() {
    let mut report = report(2, GEMM, |_| 1e6);
    let medians = [1.002, 1.0, 1.01, 0.99, 1.003, 1.001, 0.995, 1.004];
    let launches = medians.iter().enumerate().map(|(replicate, &median_ms)| Replicate {
        local_median_ms: None,
        replicate,
        median_ms,
        iterations: 40,
        invalid: 0,
        times_ms: vec![median_ms; 40],
    });
    report.cases[0].replication = Some(Replication {
        launches: launches.collect(),
        median_ms: 1.0015,
        ci: None,
        between_percent: Some(0.6),
        reproducible: true,
    });
    let analysis = of(&[report]);
    let statistics = analysis.cases[0].statistics.as_ref().unwrap();
    assert_eq!((statistics.launches, statistics.ci_over), (8, Some(Over::Launches)));
    assert!((statistics.median_ms - 1.0015).abs() < 1e-9);
    assert_eq!((statistics.reproducible, analysis.reports[0].launches), (Some(true), 8));
}

#[test]
fn a_host_that_is_slower_than_others_like_it_is_found() {
    let on = |host: &str, nanos: f64| {
        let mut report = report(2, GEMM, |_| nanos);
        report.environment.nodes[0].host = host.to_owned();
        report
    };
    let reports = [on("a", 1e6), on("b", 1.01e6), on("c", 1.3e6), on("d", 0.99e6)];
    let analysis = of(&reports);
    let [slow] = found(&analysis, "slow_hosts")[..] else { panic!("{:#?}", analysis.findings) };
    assert_eq!((&slow.hosts[..], &slow.reports[..]), (&["c".to_owned()][..], &[2][..]));
    assert_eq!(slow.severity, Severity::Serious);
    let places: Vec<usize> =
        analysis.leaderboards[0].entries.iter().map(|entry| entry.place).collect();
    assert_eq!((places[0], places[3]), (1, 4));
    // Of two nobody can say which is the odd one.
    assert!(found(&of(&reports[1..3]), "slow_hosts").is_empty());
    // One machine by several protocols is not several machines.
    let by = |protocol: Protocol, nanos: f64| {
        let mut report = on("a", nanos);
        report.cases[0].measured.as_mut().unwrap().protocol = protocol;
        report
    };
    let ways = [
        by(Protocol::Synchronised, 1.3e6),
        by(Protocol::Barrier, 1.0e6),
        by(Protocol::BackToBack, 0.9e6),
    ];
    assert!(found(&of(&ways), "slow_hosts").is_empty());
}

#[test]
fn what_was_not_measured_makes_no_launches_of_others() {
    let mut failed = report(2, GEMM, |_| 1e6);
    (failed.cases[0].outcome, failed.cases[0].measured) = (Outcome::Failed, None);
    let mut barrier = report(2, GEMM, |_| 2e6);
    barrier.cases[0].measured.as_mut().unwrap().protocol = Protocol::Barrier;
    let analysis = of(&[failed, report(2, GEMM, |_| 1e6), barrier]);
    let reports: Vec<&[usize]> = analysis.cases.iter().map(|case| &case.reports[..]).collect();
    assert_eq!(reports, [&[0, 1][..], &[2][..]]);
}

#[test]
fn only_enough_launches_make_a_case_reliable() {
    let reliable = |nanos: &[f64]| {
        let reports: Vec<Report> =
            nanos.iter().map(|nanos| report(2, GEMM, |_| 1e6 * nanos)).collect();
        let analysis = of(&reports);
        assert_eq!(analysis.cases.len(), 1);
        analysis.cases[0].reliable
    };
    for launches in 1..=5 {
        assert!(!reliable(&[1.0, 1.01, 0.99, 1.02, 1.0][..launches]), "{launches}");
    }
    assert!(reliable(&[1.0, 1.01, 0.99, 1.02, 1.0, 1.01]));
    assert!(!reliable(&[1.0, 1.3, 0.8, 1.2, 1.0, 1.1]));
}

#[test]
fn flags_say_what_speaks_against_a_case() {
    let mut loud = report(2, GEMM, |_| 1e6);
    let case = &mut loud.cases[0];
    case.caveats = vec![
        Caveat::Oversubscribed { ranks: 8, cores: 2 },
        Caveat::Unsteady { cv_percent: 30.0, bound_percent: 5.0 },
        Caveat::NearFloor { floor: "empty sample".to_owned(), percent: 40.0 },
        Caveat::Quick,
        Caveat::TwoModes { low_ms: 1.0, high_ms: 1.2, high_percent: 50.0, changes: 3 },
    ];
    let measured = case.measured.as_mut().unwrap();
    measured.invalid = 10;
    measured.latency.ci = Some([0.95, 1.05]);
    measured.latency.effective_samples = 9.0;
    measured.latency.p99 = Some(2.5);
    let analysis = of(&[loud]);
    let marks: Vec<&str> = analysis.cases[0].flags.iter().map(|flag| flag.mark.as_str()).collect();
    for mark in [
        "two modes",
        "oversubscribed",
        "unsteady",
        "near floor",
        "quick",
        "late starts",
        "wide interval",
        "dependent",
        "long tail",
    ] {
        assert!(marks.contains(&mark), "{mark}: {marks:?}");
    }
    assert!(!analysis.cases[0].reliable && analysis.summary.reliable == 0);
    let late = found(&analysis, "late_starts")[0];
    assert_eq!((late.evidence[2].value, late.cases.len()), (20.0, 1));
}

#[test]
fn a_straggler_is_slower_and_more_often_than_chance() {
    let with = |us: f64, share: f64| {
        let rest = (1.0 - share) / 3.0;
        let ranks = [(1000.0, rest), (1000.0, rest), (us, share), (1000.0, rest)];
        let yaml = "benchmarks: {all_reduce: {bytes: 64}}";
        let analysis =
            of(&[recorded(4, yaml, |plan, _| with_ranks(recording(plan, 1e6, 1e6), &ranks))]);
        found(&analysis, "straggler").first().map(|finding| finding.ranks.clone())
    };
    assert_eq!(with(1200.0, 0.9), Some(vec![2]));
    assert_eq!(with(1010.0, 0.9), None);
    assert_eq!(with(1200.0, 0.3), None);
}

#[test]
fn a_slow_rank_is_slow_in_most_cases_and_a_node_with_all_its_ranks() {
    let yaml = "benchmarks: {gemm: {m: '64,128,256'}}";
    let with = |slow: &[usize], cases: usize, us: f64| {
        let report = recorded(6, yaml, |plan, case| {
            let at = plan.cases.iter().position(|other| other.id == case.id).unwrap();
            let is_slow = |rank: &usize| slow.contains(rank) && at < cases;
            let of = |rank| (if is_slow(&rank) { us } else { 1000.0 }, 0.0);
            let ranks: Vec<(f64, f64)> = (0..6).map(of).collect();
            with_ranks(recording(plan, 1e6, 1e6), &ranks)
        });
        of(&[report])
    };
    let analysis = with(&[3], 2, 1100.0);
    let [slow] = found(&analysis, "slow_rank")[..] else { panic!("{:#?}", analysis.findings) };
    assert_eq!((&slow.ranks[..], &slow.hosts[..]), (&[3][..], &["node1".to_owned()][..]));
    assert_eq!((slow.severity, slow.cases.len()), (Severity::Warning, 2));
    assert_eq!(with(&[3], 2, 1300.0).findings[0].severity, Severity::Serious);
    assert!(found(&with(&[3], 1, 1300.0), "slow_rank").is_empty());
    let analysis = with(&[2, 3], 3, 1300.0);
    assert_eq!(found(&analysis, "slow_node")[0].ranks, [2, 3]);
    assert!(found(&analysis, "slow_rank").is_empty());
}

#[test]
fn reports_of_different_sizes_make_studies() {
    // The same of each rank.
    let weak = [2, 4, 8].map(|ranks| report(ranks, GEMM, |_| if ranks == 8 { 2e6 } else { 1e6 }));
    let analysis = of(&weak);
    let [study] = &analysis.scaling[..] else { panic!("{:#?}", analysis.scaling) };
    let efficiencies: Vec<f64> =
        study.scaling.points.iter().map(|point| point.efficiency.unwrap()).collect();
    assert_eq!(efficiencies, [1.0, 1.0, 0.5]);
    assert!(study.separate_launches && study.scaling.points[1].ci.is_some());
    let low = found(&analysis, "low_efficiency");
    assert_eq!((low.len(), &low[0].reports[..]), (1, &[2][..]));

    // One problem for all: each rank has so many rows of it.
    let strong = [1, 2, 4, 8].map(|ranks| {
        let yaml = format!("benchmarks: {{gemm: {{m: {}, n: 64, k: 64}}}}", 512 / ranks);
        report(ranks, &yaml, |_| 1e6 * (1.0 / ranks as f64 + 0.02 * (ranks - 1) as f64))
    });
    let analysis = of(&strong);
    let [study] = &analysis.scaling[..] else { panic!("{:#?}", analysis.scaling) };
    assert_eq!(study.scaling.problem["m"], 512.into());
    assert_eq!(study.scaling.base.as_ref().unwrap().ranks, 1);
    assert!(study.scaling.points.iter().skip(1).all(|point| point.karp_flatt.is_some()));
    assert!(study.scaling.amdahl_serial_fraction.is_some());
    assert_eq!(found(&analysis, "rising_overhead").len(), 1);

    // The same message among more ranks, and faster than the base allows.
    let yaml = "benchmarks: {all_reduce: {bytes: 64}}";
    let bandwidth =
        [2, 4].map(|ranks| report(ranks, yaml, |_| if ranks == 2 { 1e6 } else { 1.2e6 }));
    let analysis = of(&bandwidth);
    let point = &analysis.scaling[0].scaling.points[1];
    assert!((point.efficiency.unwrap() - 1.25).abs() < 1e-9);
    assert_eq!(found(&analysis, "poor_base").len(), 1);
}

#[test]
fn iterations_that_took_no_time_are_counted() {
    let mut report = report(2, GEMM, |_| 1e6);
    let launches = [0.0, 1.0, 0.0].map(|first| Replicate {
        replicate: 0,
        median_ms: 1.0,
        local_median_ms: None,
        iterations: 3,
        invalid: 0,
        times_ms: vec![first, 1.0, 1.0],
    });
    let replication = Replication {
        launches: launches.to_vec(),
        median_ms: 1.0,
        ci: None,
        between_percent: Some(0.0),
        reproducible: true,
    };
    assert!(found(&of(&[report.clone()]), "zero_times").is_empty());
    report.cases[0].replication = Some(replication);
    assert_eq!(found(&of(&[report]), "zero_times")[0].evidence.last().unwrap().value, 2.0);
}

/// What 4, 8 and 16 ranks tell of a law with one tenth serial: the tenth, not what four of 4 to 16 ranks would make of it.
#[test]
fn the_serial_fraction_is_one_of_a_single_rank_whatever_the_base() {
    let at = |ranks: usize| {
        let yaml = format!("benchmarks: {{gemm: {{m: {}, n: 64, k: 64}}}}", 512 / ranks);
        report(ranks, &yaml, |_| 1e6 * (0.1 + 0.9 / ranks as f64))
    };
    for base in [1, 2, 4] {
        let analysis = of(&[base, 8, 16].map(at));
        let [study] = &analysis.scaling[..] else { panic!("{:#?}", analysis.scaling) };
        let fraction = study.scaling.amdahl_serial_fraction.unwrap();
        assert!((fraction - 0.1).abs() < 0.005, "{fraction} from {base}");
        for point in &study.scaling.points[1..] {
            let fraction = point.karp_flatt.unwrap();
            assert!((fraction - 0.1).abs() < 0.005, "{fraction} from {base} at {}", point.ranks);
        }
        assert!(found(&analysis, "rising_overhead").is_empty());
    }
}

#[test]
fn reports_of_other_machines_or_origins_make_no_study_together() {
    let [mut small, large] = [2, 4].map(|ranks| report(ranks, GEMM, |_| 1e6));
    small.run.simulated = true;
    assert!(of(&[small.clone(), large.clone()]).scaling.is_empty());
    small.run.simulated = false;
    assert_eq!(of(&[small.clone(), large.clone()]).scaling.len(), 1);
    small.environment.ranks.iter_mut().for_each(|rank| rank.device.name = "GPU".to_owned());
    assert!(of(&[small, large]).scaling.is_empty());
}

#[test]
fn throughput_is_work_over_time() {
    let yaml = "benchmarks: {triad: {array: '1MB,3MB'}}";
    let analysis = of(&[report(2, yaml, |_| 1e6)]);
    let [whole] = &analysis.throughput[..] else { panic!("{:#?}", analysis.throughput) };
    // 3 arrays of each of 2 ranks, of 1 and 3 MB, in 2 ms.
    assert!((whole.rate - 12.0).abs() < 0.05 && whole.unit == "GB/s", "{whole:?}");
    let analysis =
        of(&[report(2, yaml, |case| if case.id.contains("1000000") { 1e6 } else { 9e6 })]);
    // The mean of the two rates would be 4.
    assert!((analysis.throughput[0].rate - 2.4).abs() < 0.01, "{:?}", analysis.throughput);
    let board = &analysis.leaderboards[0];
    assert_eq!(board.entries.iter().map(|entry| entry.place).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn what_the_report_says_of_links_clocks_and_overlap_is_found() {
    let mut report = report(4, "benchmarks: {all_reduce: {bytes: 64}}", |_| 1e6);
    let case = &mut report.cases[0];
    let reasons = vec!["heat 30 %".to_owned()];
    case.caveats.push(Caveat::Throttled { rank: 2, reasons: reasons.clone() });
    let measured = case.measured.as_mut().unwrap();
    measured.metrics.overlap_percent = Some(20.0);
    measured.telemetry.push(Telemetry {
        rank: 2,
        before: Reading::default(),
        after: Reading::default(),
        seconds: 1.0,
        energy_joules: None,
        throttled: reasons,
    });
    report.pair_matrices.push(PairMatrix {
        benchmark: "bandwidth".to_owned(),
        problem: case.problem.clone(),
        precision: None,
        ranks: 4,
        median_ms: vec![vec![None; 4]; 4],
        busbw_gbps: vec![vec![None; 4]; 4],
        classes: Vec::new(),
        slow: vec![SlowLink {
            ranks: [1, 3],
            distance: Distance::Network,
            effect: 1.5,
            persistence: 0.9,
            case: "bandwidth/pairs:1,3".to_owned(),
        }],
    });
    let analysis = of(&[report]);
    let link = found(&analysis, "slow_link")[0];
    assert_eq!(
        (&link.ranks[..], link.hosts.len(), link.severity),
        (&[1, 3][..], 2, Severity::Serious)
    );
    let throttled = found(&analysis, "throttled")[0];
    assert_eq!((&throttled.ranks[..], throttled.detail.as_deref()), (&[2][..], Some("heat 30 %")));
    assert_eq!(found(&analysis, "low_overlap")[0].evidence[1].value, 20.0);
    assert!(!analysis.cases[0].reliable);
}

#[test]
fn what_failed_stands_first() {
    let mut broken = report(2, "benchmarks: {gemm: {m: '64,128'}}", |_| 1e6);
    let case = &mut broken.cases[0];
    (case.outcome, case.measured) = (Outcome::Failed, None);
    let mut error = CaseError::now(Kind::CaseFailed, "measure", "it broke".to_owned());
    error.rank = Some(1);
    case.error = Some(error);
    broken.cases[1].accuracy = Some(Accuracy {
        deterministic: None,
        of: Checked::Data,
        checked: 10,
        wrong: 2,
        max_abs: 1.0,
        max_rel: 1.0,
        rmse: 1.0,
        tolerance: 0.0,
        first_wrong: None,
    });
    broken.conclude(2, Exit::Ok);
    let analysis = of(&[broken]);
    let rules: Vec<&str> =
        analysis.findings.iter().take(3).map(|finding| finding.rule.as_str()).collect();
    assert_eq!(rules, ["run_ended", "failed_case", "wrong_result"]);
    let failed = found(&analysis, "failed_case")[0];
    assert_eq!(
        (failed.hosts.as_slice(), failed.detail.as_deref()),
        (&["node0".to_owned()][..], Some("it broke"))
    );
    assert_eq!((analysis.summary.cases, analysis.summary.measured), (2, 1));
}

#[test]
fn what_failed_in_one_launch_of_several_cannot_be_relied_on() {
    let mut report = report(2, "benchmarks: {gemm: {m: '64,128'}}", |_| 1e6);
    // Its times are those of the launches that did not fail.
    report.cases[0].outcome = Outcome::Failed;
    report.cases[0].error = Some(CaseError::now(Kind::CaseFailed, "measure", "broke".to_owned()));
    let analysis = of(&[report]);
    assert_eq!(analysis.cases[0].flags[0].rule, "failed_case");
    assert!(!analysis.cases[0].reliable);
    assert_eq!(analysis.cases[1].flags[0].rule, "few_launches");
    let entries = &analysis.leaderboards[0].entries;
    let marked = entries.iter().find(|entry| entry.case == analysis.cases[0].id).unwrap();
    assert_eq!(marked.marks, ["FAILED", "few launches"]);
    assert_eq!(found(&analysis, "failed_case").len(), 1);
}
