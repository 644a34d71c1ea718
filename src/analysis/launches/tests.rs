//! What several launches come to.

use super::*;
use crate::analysis::fixture::{analysed, empty_report, floors, plan, recording};
use crate::analysis::{matrices, settle, studies};
use crate::base::caveat::Caveat;
use crate::base::error::Kind;
use crate::base::failure::CaseError;
use crate::measure::Recording;
use crate::plan::Plan;
use crate::plan::config::LimitConfig;
use crate::report::{Definition, Launch, LimitOutcome, Outcome, Samples};

const ONE: &str = "benchmarks: {barrier: }";

/// A launch whose cases are made of these recordings.
fn launch(plan: &Plan, recordings: impl Fn(usize) -> Recording) -> Report {
    let mut report = empty_report(plan);
    let cases = plan.cases.iter().enumerate();
    report.cases = cases.map(|(i, case)| analysed(plan, case, recordings(i), None)).collect();
    settle(plan, &floors(), &mut report.cases);
    report.scaling = studies(plan, &report.cases);
    report.pair_matrices = matrices(plan, &report.cases);
    let started = "2026-11-21T00:00:00Z".to_owned();
    report.run.launches.push(Launch {
        started,
        done: 0,
        hosts: Vec::new(),
        replicate: 0,
        run: None,
    });
    report.conclude(plan.cases.len(), Exit::Ok);
    report
}

/// Launches whose every case takes so long, ns.
fn launches(plan: &Plan, nanos: &[f64]) -> Vec<(usize, Report)> {
    let of = |nanos: &f64| launch(plan, |_| recording(plan, *nanos, 0.8 * nanos));
    nanos.iter().map(of).enumerate().collect()
}

fn fail(report: &mut Report, case: usize, kind: Kind) {
    let case = &mut report.cases[case];
    case.outcome = Outcome::Failed;
    case.measured = None;
    case.error = Some(CaseError::now(kind, "measure", "broke".to_owned()));
}

#[test]
fn the_launch_in_the_middle_speaks_for_the_others() {
    let plan = plan(ONE);
    let mut of = launches(&plan, &[3e6, 1e6, 2e6]);
    of[2].1.cases[0].samples = Samples::Sidecar { file: "f/3.gz".to_owned(), rows: 1 };
    let report = merge(of, Exit::Ok).unwrap();
    let case = &report.cases[0];
    assert_eq!(case.samples, Samples::Sidecar { file: "f/3.gz".to_owned(), rows: 1 });
    let replication = case.replication.as_ref().unwrap();
    let medians: Vec<f64> = replication.launches.iter().map(|r| r.median_ms.round()).collect();
    assert_eq!(medians, [3.0, 1.0, 2.0]);
    assert_eq!(replication.launches[1].replicate, 1);
    assert_eq!(replication.launches[1].times_ms.len(), 10);
    assert_eq!(replication.median_ms, case.measured.as_ref().unwrap().latency.median);
    // The standard deviation of 3, 1, 2 is half of their mean.
    assert!((replication.between_percent.unwrap() - 50.0).abs() < 1e-9);
    assert_eq!((replication.reproducible, replication.ci), (false, None));
    let numbers: Vec<usize> = report.run.launches.iter().map(|launch| launch.replicate).collect();
    assert_eq!(numbers, [0, 1, 2]);
    assert_eq!((report.run.incomplete, report.run.exit), (false, 0));
}

#[test]
fn of_two_the_faster_and_of_six_an_interval() {
    let plan = plan(ONE);
    let replication = |nanos: &[f64]| {
        let report = merge(launches(&plan, nanos), Exit::Ok).unwrap();
        let median = report.cases[0].measured.as_ref().unwrap().latency.median.round();
        (median, report.cases[0].replication.clone())
    };
    assert_eq!(replication(&[2e6, 1e6]).0, 1.0);
    assert_eq!(replication(&[2e6]).1, None);
    // A limit is held against all of them.
    let mut of = launches(&plan, &[2e6, 1e6]);
    let at_most = Some(1.2);
    let limit = LimitConfig { metric: "latency".to_owned(), at_most, ..Default::default() };
    of[0].1.run.config.limits = vec![LimitConfig { case: "*".to_owned(), ..limit }];
    let limits = merge(of, Exit::Ok).unwrap().limits;
    assert_eq!(limits[0].outcome, LimitOutcome::Broken, "{limits:?}");
    let six = replication(&[1e6, 1.01e6, 1.02e6, 1.03e6, 1.04e6, 1.05e6]).1.unwrap();
    let [low, high] = six.ci.unwrap();
    assert!(six.reproducible && low < 1.003 && high > 1.05, "{six:?}");
}

#[test]
fn what_failed_in_one_launch_failed_and_is_told() {
    let plan = plan("benchmarks: {barrier: , gemm: {m: 8}}");
    let mut of = launches(&plan, &[1e6, 1e6, 1e6]);
    fail(&mut of[1].1, 0, Kind::CaseFailed);
    fail(&mut of[2].1, 0, Kind::WrongResult);
    of.iter_mut().for_each(|(_, report)| report.conclude(plan.cases.len(), Exit::Ok));
    let report = merge(of, Exit::Ok).unwrap();
    let case = &report.cases[0];
    assert_eq!(case.outcome, Outcome::Failed);
    assert_eq!(case.error.as_ref().unwrap().detail, "in launch 3: broke");
    assert_eq!(case.replication.as_ref().unwrap().launches.len(), 1);
    assert!(!case.replication.as_ref().unwrap().reproducible);
    assert_eq!(report.cases[1].outcome, Outcome::Measured);
    assert_eq!((report.run.exit, report.run.incomplete), (5, false));
}

#[test]
fn a_launch_that_ended_early_leaves_the_whole_incomplete() {
    let plan = plan("benchmarks: {barrier: , gemm: {m: 8}}");
    let mut of = launches(&plan, &[1e6, 1e6]);
    of[0].1.cases.truncate(1);
    of[0].1.conclude(plan.cases.len(), Exit::Interrupted);
    let report = merge(of.clone(), Exit::Ok).unwrap();
    assert_eq!((report.run.exit, report.run.incomplete), (10, true));
    let counts: Vec<usize> =
        report.cases.iter().map(|case| case.replication.as_ref().unwrap().launches.len()).collect();
    assert_eq!(counts, [2, 1]);
    // One that left no report at all.
    let report = merge(of.split_off(1), Exit::RankDied).unwrap();
    assert_eq!((report.run.exit, report.run.incomplete), (9, true));
}

#[test]
fn launches_of_different_runs_are_refused() {
    let other = plan("benchmarks: {barrier: , gemm: {m: 8}}");
    let plan = plan(ONE);
    let refused = |change: &dyn Fn(&mut Report)| {
        let mut of = launches(&plan, &[1e6, 1e6]);
        change(&mut of[1].1);
        merge(of, Exit::Ok).unwrap_err().message
    };
    let message = refused(&|report| *report = launch(&other, |_| recording(&other, 1e6, 1e6)));
    assert!(message.contains("launch 2 ") && message.contains("case gemm/f32"), "{message}");
    assert!(refused(&|report| report.run.seed = 7).contains("seed is 7, not 1"));
    assert!(refused(&|report| report.run.build = "x".to_owned()).contains("its program is x"));
    assert!(merge(Vec::new(), Exit::Ok).is_err());
}

#[test]
fn local_times_in_one_launch_are_local_times_in_all() {
    let plan = plan("benchmarks: {all_reduce: {bytes: '8,1MiB'}, barrier: }");
    let clocks = |clock_error| Recording { clock_error, ..recording(&plan, 10e3, 8e3) };
    let fine = launch(&plan, |_| clocks(0));
    let mut crude = launch(&plan, |i| clocks(if i == 0 { 510 } else { 0 }));
    // Where the sweep's second case is missing, the first decides for it all the same.
    crude.cases.truncate(1);
    crude.conclude(plan.cases.len(), Exit::Interrupted);
    let report = merge(vec![(0, fine), (1, crude)], Exit::Ok).unwrap();
    let told: Vec<(Definition, bool)> = report
        .cases
        .iter()
        .map(|case| {
            let definition = case.measured.as_ref().unwrap().latency.definition;
            (definition, case.caveats.contains(&Caveat::LocalTimes))
        })
        .collect();
    let local = (Definition::SlowestRank, true);
    assert_eq!(told, [local, local, (Definition::LastEndMinusFirstStart, false)]);
    let replication = report.cases[0].replication.as_ref().unwrap();
    assert!(replication.launches.iter().all(|replicate| replicate.median_ms < 9e-3));
    let rate = report.cases[1].measured.as_ref().unwrap().metrics.throughput_per_s.unwrap();
    assert!((rate / 125e3 - 1.0).abs() < 0.01, "{rate}");
}

#[test]
fn efficiencies_stand_by_launch() {
    let plan = plan("scaling: {kind: strong, ranks: [1, 2]}\nbenchmarks: {gemm: {m: 64}}");
    // Two ranks halve the time, or save a tenth, or two fifths of it.
    let of = |two: f64| launch(&plan, |i| recording(&plan, if i == 0 { 1e6 } else { two }, 1e6));
    let of = [0.5e6, 0.9e6, 0.6e6].map(of).into_iter().enumerate().collect();
    let report = merge(of, Exit::Ok).unwrap();
    let point = &report.scaling[0].points[1];
    let percent: Vec<f64> = point.efficiencies.iter().map(|e| (e * 100.0).round()).collect();
    assert_eq!(percent, [100.0, 56.0, 83.0]);
    assert_eq!(point.efficiency, Some(point.efficiencies[2]));
    assert_eq!(point.median_ms, report.cases[1].measured.as_ref().unwrap().latency.median);
}

#[test]
fn a_link_is_slow_that_is_slow_in_most_launches() {
    let plan = plan("mesh: {pairs: all}\nbenchmarks: {latency: {bytes: 8}}");
    let of = |slow: [&'static [usize]; 2]| {
        launch(&plan, |i| {
            let is_slow = slow.contains(&&plan.cases[i].group.ranks[..]);
            let nanos = if is_slow { 2e6 } else { 1e6 };
            recording(&plan, nanos, nanos)
        })
    };
    let of = [of([&[0, 1], &[2, 3]]), of([&[0, 1], &[]]), of([&[4, 5], &[]])];
    let report = merge(of.into_iter().enumerate().collect(), Exit::Ok).unwrap();
    let matrix = &report.pair_matrices[0];
    let slow: Vec<[usize; 2]> = matrix.slow.iter().map(|link| link.ranks).collect();
    assert_eq!(slow, [[0, 1]]);
    assert!(matrix.median_ms[0][1].unwrap() > 1.9 && matrix.median_ms[2][3].unwrap() < 1.1);
}

#[test]
fn what_no_launch_can_do_is_skipped_as_in_each() {
    let plan = plan("benchmarks: {barrier: , gemm: {m: 8}}");
    let mut of = launches(&plan, &[1e6, 1e6]);
    for (_, report) in &mut of {
        let case = &mut report.cases[1];
        (case.outcome, case.measured) = (Outcome::Skipped, None);
        case.reason = Some("no".to_owned());
    }
    let case = |of| merge(of, Exit::Ok).unwrap().cases.remove(1);
    let skipped = case(of.clone());
    assert_eq!((skipped.reason.as_deref(), skipped.replication), (Some("no"), None));
    of[0].1 = launch(&plan, |_| recording(&plan, 1e6, 1e6));
    let skipped = case(of);
    assert_eq!(skipped.outcome, Outcome::Skipped);
    assert_eq!(skipped.reason.as_deref(), Some("in launch 2: no"));
}

#[test]
fn a_launch_of_doubtful_cases_adds_to_these_alone() {
    let yaml = "benchmarks: {all_reduce: {bytes: '8,64'}}";
    let mut of = launches(&plan(yaml), &[2e6, 1e6]);
    let doubtful = of[0].1.cases[1].id.clone();
    let part = plan(&format!("{yaml}\ncases: ['{doubtful}']"));
    let mut third = launches(&part, &[3e6]).remove(0).1;
    // Without being asked for fewer cases it is of another run.
    of.push((2, third.clone()));
    assert!(merge(of.clone(), Exit::Ok).unwrap_err().message.contains("lacks case"));
    third.run.config.cases = Some(vec![doubtful]);
    of[2].1 = third;
    let report = merge(of, Exit::Ok).unwrap();
    let launches = |case: usize| report.cases[case].replication.as_ref().unwrap().launches.len();
    assert_eq!((launches(0), launches(1)), (2, 3));
    assert_eq!((report.summary.cases, report.run.incomplete), (2, false));
    assert_eq!(report.run.config.cases, None);
}
