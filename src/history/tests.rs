//! What a history keeps, finds and forgets.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::folder::{Folder, Lock};
use super::git::Git;
use super::*;
use crate::analysis::Rules;
use crate::analysis::fixture::{analysed, empty_report, plan, recording};
use crate::base::error::{Exit, Kind};
use crate::base::failure::CaseError;
use crate::base::metric::Direction;
use crate::base::random::Stream;
use crate::base::units::{format_utc, parse_utc};
use crate::plan::config::Config;
use crate::report::{Outcome, Report};
use crate::stats::autoregressive;

/// A commit of a made-up repository.
pub(super) fn commit(number: usize) -> String {
    format!("{number:040x}").chars().rev().collect()
}

/// A report that began so many days after 2026 did, whose cases take so much longer than usual.
pub(super) fn report(day: usize, git: Option<String>, factor: f64) -> Report {
    let plan = plan("mesh: {shape: 'tp=8'}\nbenchmarks: {all_reduce: {bytes: '1KiB,4KiB'}}");
    let mut report = empty_report(&plan);
    let first = parse_utc("2026-01-01T00:00:00Z").unwrap();
    report.run.started = format_utc(first + 86_400 * day as u64);
    report.run.id = format!("run-{day}");
    report.run.git = git;
    for case in &plan.cases {
        let nanos = 1e6 * factor;
        report.cases.push(analysed(&plan, case, recording(&plan, nanos, 0.9 * nanos), None));
    }
    report.conclude(plan.cases.len(), Exit::Ok);
    report
}

/// Writes a report beside the history.
pub(super) fn written(folder: &TempDir, report: &Report) -> PathBuf {
    let path = folder.path().join(format!("{}.json", report.run.id));
    std::fs::write(&path, serde_json::to_string(report).unwrap()).unwrap();
    path
}

pub(super) fn place(folder: &TempDir) -> PathBuf {
    folder.path().join("history")
}

pub(super) fn add(folder: &TempDir, reports: &[Report], label: &Label) -> Vec<Added> {
    let mut history = History::open_or_begin(&place(folder)).unwrap();
    let mut sources = Vec::new();
    for report in reports {
        sources.extend(Source::of(&written(folder, report)).unwrap());
    }
    let mut all = Vec::new();
    history.add(&sources, label, |_, added| all.push(added.clone())).unwrap();
    all
}

fn runs(reports: &[Report]) -> Vec<&str> {
    reports.iter().map(|report| report.run.id.as_str()).collect()
}

#[test]
fn a_report_is_kept_as_it_is_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let reports = [report(1, Some(commit(7)), 1.0), report(0, None, 1.0)];
    let names = ["20260102T000000Z-700000000000.json", "20260101T000000Z-0.json"];
    let added = add(&folder, &reports, &Label::default());
    assert_eq!(added, names.map(|name| Added::New(name.to_owned())));
    for (report, name) in reports.iter().zip(names) {
        let kept = std::fs::read(place(&folder).join("reports").join(name)).unwrap();
        assert_eq!(kept, std::fs::read(written(&folder, report)).unwrap());
    }
    let again = add(&folder, &reports[..1], &Label::default());
    assert_eq!(again, [Added::Known(names[0].to_owned())]);
    // The same commit in the same second.
    let mut other = report(1, Some(commit(7)), 1.0);
    other.run.id = "another".to_owned();
    let Added::New(name) = &add(&folder, &[other], &Label::default())[0] else { unreachable!() };
    assert!(name.starts_with("20260102T000000Z-700000000000-"), "{name}");
    let history = History::open(&place(&folder)).unwrap();
    let entries: Vec<&str> = history.entries().iter().map(|e| e.record.run.as_str()).collect();
    assert_eq!((entries[0], entries.len()), ("run-0", 3));
}

#[test]
fn a_run_that_was_gone_on_with_takes_the_place_of_its_incomplete_report() {
    let folder = tempfile::tempdir().unwrap();
    let whole = report(1, None, 1.0);
    let mut part = whole.clone();
    part.cases.truncate(1);
    part.conclude(whole.cases.len(), Exit::Interrupted);
    let file = "20260102T000000Z-1.json".to_owned();
    let one = |report: &Report| add(&folder, std::slice::from_ref(report), &Label::default());
    assert_eq!(one(&part), [Added::New(file.clone())]);
    assert_eq!(one(&part), [Added::Known(file.clone())]);
    assert_eq!(one(&whole), [Added::Completed(file.clone())]);
    assert_eq!(one(&part), [Added::Known(file.clone())]);
    let history = History::open(&place(&folder)).unwrap();
    assert_eq!((history.entries().len(), history.damaged().len()), (1, 0));
    assert!(!history.entries()[0].record.incomplete);
    let series = history.series(&Asked::default()).unwrap();
    let of_latency = series.iter().filter(|series| series.metric == "latency");
    assert_eq!(of_latency.map(|series| series.points.len()).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_change_is_found_with_its_commits_from_an_index_that_was_lost_too() {
    let folder = tempfile::tempdir().unwrap();
    let noise = |day: usize| 1.0 + 0.01 * ((day * 7) % 5) as f64;
    let level = |day: usize| if day < 20 { 1.0 } else { 1.2 };
    let reports: Vec<Report> =
        (0..30).map(|day| report(day, Some(commit(day)), level(day) * noise(day))).collect();
    add(&folder, &reports, &Label::default());
    let found = |metric: &str, last: Option<usize>| {
        let asked =
            Asked { case: Some("*bytes=1024*".to_owned()), metric: Some(metric.to_owned()), last };
        trends(History::open(&place(&folder)).unwrap().series(&asked).unwrap())
    };
    let slower = found("latency", None);
    assert_eq!((slower.len(), slower[0].changes.len()), (1, 1), "{slower:?}");
    let change = &slower[0].changes[0];
    assert_eq!((change.index, change.effect), (20, Effect::Worse));
    assert_eq!(change.commits, [Some(commit(19)), Some(commit(20))]);
    assert!((change.ratio.unwrap() - 1.2).abs() < 0.02 && change.p <= 0.01, "{change:?}");
    let [low, high] = change.ratio_ci.unwrap();
    assert!(low < 1.2 && 1.2 < high, "{change:?}");
    let less = found("throughput_per_s", None);
    assert_eq!(less[0].changes[0].effect, Effect::Worse);
    assert!(found("latency", Some(10))[0].changes.is_empty());
    std::fs::remove_file(place(&folder).join("index.jsonl")).unwrap();
    assert_eq!(found("latency", None), slower);
    for other in ["", "torn", "\"tesserabench.index/2\"\n"] {
        std::fs::write(place(&folder).join("index.jsonl"), other).unwrap();
        assert_eq!(found("latency", None), slower);
    }
    let history = History::open(&place(&folder)).unwrap();
    let asked = |metric: &str| Asked { metric: Some(metric.to_owned()), ..Asked::default() };
    assert!(history.series(&asked("latenc")).unwrap_err().message.contains("'latency'"));
    let none = Asked { case: Some("x".to_owned()), ..Asked::default() };
    assert!(history.series(&none).is_err());
}

/// A series of latencies, one a day, each of a commit of its own.
fn latencies(case: usize, values: impl IntoIterator<Item = f64>) -> Series {
    let point = |(day, value)| Point {
        started: String::new(),
        git: Some(commit(day)),
        run: String::new(),
        file: String::new(),
        value,
    };
    Series {
        case: format!("gemm/{case}"),
        metric: "latency".to_owned(),
        unit: "ms".to_owned(),
        direction: Direction::LowerIsBetter,
        machine: String::new(),
        method: String::new(),
        points: values.into_iter().enumerate().map(point).collect(),
    }
}

#[test]
fn a_change_is_held_against_what_was_looked_at() {
    let mut random = Stream::new(1, "noise", &[]);
    let levels = [2.0; 390].into_iter().chain([1.0; 260]).chain([1.2; 50]);
    let values = levels.map(|level| level * (1.0 + 0.01 * random.unit()));
    let trend = trends(vec![latencies(0, values)]).remove(0);
    assert!(trend.looked_at < 310, "the oldest level is looked at too: {}", trend.looked_at);
    let changes: Vec<(usize, Effect)> =
        trend.changes.iter().map(|change| (change.index, change.effect)).collect();
    assert_eq!(changes, [(650, Effect::Worse)]);
}

/// A case whose last values are by so much more than the others, which differ by 1 %.
fn regressed(case: usize, last: usize, more: f64) -> Series {
    let noise = autoregressive(0.0, 40, &mut Stream::new(1, "fresh", &[case as u64]));
    let level = move |day: usize| if day + last >= 40 { 1.0 + more } else { 1.0 };
    latencies(case, (0..40).map(|day| level(day) * (0.01 * noise[day]).exp()))
}

/// As many cases that are looked at together.
fn fresh(cases: usize, last: usize, more: f64) -> Vec<Trend> {
    trends((0..cases).map(|case| regressed(case, last, more)).collect())
}

#[test]
fn a_regression_in_the_last_three_reports_stands_where_it_is() {
    for trend in fresh(120, 3, 0.3) {
        let [change] = &trend.changes[..] else { panic!("{:?}", trend.changes) };
        assert_eq!((change.index, change.places, change.effect), (37, [37; 2], Effect::Worse));
        assert_eq!(change.commits, [Some(commit(36)), Some(commit(37))]);
        assert_eq!(change.since_one_of(40), None);
        assert!(change.p < 1e-6, "{change:?}");
    }
}

#[test]
fn where_the_place_is_not_known_it_is_said_so() {
    let trends: Vec<Trend> =
        (0..120).flat_map(|case| trends(vec![regressed(case, 3, 0.05)])).collect();
    let found: Vec<&Change> = trends.iter().flat_map(|trend| &trend.changes).collect();
    assert!(found.len() >= 60, "{} of 120", found.len());
    let right = found.iter().filter(|change| (change.places[0]..=change.places[1]).contains(&37));
    assert!(right.count() * 20 >= found.len() * 19);
    let vague = found.iter().find(|change| change.places[0] < change.places[1]).unwrap();
    assert_eq!(vague.since_one_of(40), Some(40 - vague.places[0]));
    assert_eq!(vague.commits, [Some(commit(vague.places[0] - 1)), Some(commit(vague.places[1]))]);
}

#[test]
fn among_more_cases_a_change_must_be_clearer() {
    let p = |cases| fresh(cases, 10, 0.05)[0].changes[0].p;
    assert!((p(30) / p(1) - 30.0).abs() < 1e-6, "{} {}", p(1), p(30));
}

#[test]
fn a_history_tells_what_changes_from_session_to_session() {
    let folder = tempfile::tempdir().unwrap();
    let of = |day, number, factor| {
        let mut report = report(day, Some(commit(number)), factor);
        report.run.simulated = false;
        report
    };
    let mut other_nccl = of(4, 1, 9.0);
    other_nccl.environment.libraries.insert("nccl".to_owned(), "2.9".to_owned());
    let again = [of(0, 1, 1.0), of(1, 1, 1.03), of(2, 2, 5.0), of(3, 2, 5.1), other_nccl];
    add(&folder, &again, &Label::default());
    let floor = |what: &str, candidate: &Report| {
        let candidate = std::slice::from_ref(candidate);
        let baseline = Baseline::find(&place(&folder), what).unwrap();
        let (_, reports) = baseline.reports(candidate).unwrap();
        let rules = Rules::resolve(&Config::default()).unwrap();
        baseline.noise_floor(&reports, candidate, &rules).unwrap()
    };
    let found = floor("run-0", &of(9, 3, 1.0)).unwrap();
    assert!((found.share - 0.03).abs() < 1e-3 && found.pairs == Some(2), "{found:?}");
    // The candidate's own commit tells of others only.
    assert_eq!(floor("run-0", &of(3, 2, 5.1)).unwrap().pairs, Some(1));
    let mut in_turns = of(0, 3, 1.0);
    in_turns.run.id = "in-turns".to_owned();
    assert_eq!(floor("run-0", &in_turns), None);
    let mut other_machine = of(9, 3, 1.0);
    other_machine.mesh.order = "dp-tp".to_owned();
    assert_eq!(floor("run-0", &other_machine), None);
}

#[test]
fn the_index_follows_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    add(&folder, &[report(0, None, 1.0), report(1, None, 1.0)], &Label::default());
    let reports = place(&folder).join("reports");
    std::fs::remove_file(reports.join("20260101T000000Z-0.json")).unwrap();
    std::fs::write(reports.join("torn.json"), "{").unwrap();
    std::fs::copy(reports.join("20260102T000000Z-1.json"), reports.join("twice.json")).unwrap();
    std::fs::write(reports.join("x.json"), serde_json::to_string(&report(5, None, 1.0)).unwrap())
        .unwrap();
    let history = History::open(&place(&folder)).unwrap();
    let files: Vec<&str> = history.entries().iter().map(|entry| entry.file.as_str()).collect();
    assert_eq!(files, ["20260102T000000Z-1.json", "x.json"]);
    let damaged = history.damaged();
    let names: Vec<&str> = damaged.iter().map(|damaged| damaged.file.as_str()).collect();
    assert_eq!(names, ["torn.json", "twice.json"]);
    assert!(damaged[1].reason.contains("'20260102T000000Z-1.json' already"), "{damaged:?}");
    assert_eq!(history.series(&Asked::default()).unwrap()[0].points.len(), 2);
    drop(history);
    // What was wrong is made good: one is the other's copy no more, one is mended; one has as many bytes as before.
    std::fs::remove_file(reports.join("20260102T000000Z-1.json")).unwrap();
    std::fs::write(
        reports.join("torn.json"),
        serde_json::to_string(&report(6, None, 1.0)).unwrap(),
    )
    .unwrap();
    std::fs::write(reports.join("x.json"), serde_json::to_string(&report(7, None, 1.0)).unwrap())
        .unwrap();
    let history = History::open(&place(&folder)).unwrap();
    let runs: Vec<&str> = history.entries().iter().map(|e| e.record.run.as_str()).collect();
    assert_eq!((runs, history.damaged()), (vec!["run-1", "run-6", "run-7"], [].as_slice()));
}

#[test]
fn the_index_grows_by_a_line_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let index = place(&folder).join("index.jsonl");
    let text = || std::fs::read_to_string(&index).unwrap();
    add(&folder, &[report(0, None, 1.0)], &Label::default());
    let one = text();
    add(&folder, &[report(1, None, 1.0), report(2, None, 1.0)], &Label::default());
    let three = text();
    assert!(three.starts_with(&one));
    assert_eq!(three.lines().count(), one.lines().count() + 2);
    let mut history = History::open(&place(&folder)).unwrap();
    let all = history.series(&Asked::default()).unwrap();
    let gone = history.entries()[..2].to_vec();
    history.remove(&gone).unwrap();
    drop(history);
    assert_eq!(text().lines().count(), one.lines().count());
    // One that can be neither read nor written is none.
    add(&folder, &[report(0, None, 1.0), report(1, None, 1.0)], &Label::default());
    std::fs::remove_file(&index).unwrap();
    std::fs::create_dir(&index).unwrap();
    assert_eq!(add(&folder, &[report(3, None, 1.0)], &Label::default()).len(), 1);
    let history = History::open(&place(&folder)).unwrap();
    assert_eq!(history.entries().len(), 4);
    assert_eq!(history.series(&Asked::default()).unwrap().len(), all.len());
}

#[test]
fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    add(&folder, &[report(0, None, 1.0)], &Label::default());
    let history = History::open(&place(&folder)).unwrap();
    // Also where the index is not what it was.
    std::fs::remove_file(place(&folder).join("index.jsonl")).unwrap();
    let why = Lock::take(&Folder::at(&place(&folder)), 1).unwrap_err().message;
    assert!(why.starts_with("another process has had the history"), "{why}");
    drop(history);
    assert_eq!(History::open(&place(&folder)).unwrap().entries().len(), 1);
}

#[test]
fn what_cannot_be_locked_is_only_read() {
    let folder = tempfile::tempdir().unwrap();
    add(&folder, &[report(0, None, 1.0)], &Label::default());
    let lock = place(&folder).join("lock");
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    let mut history = History::open(&place(&folder)).unwrap();
    let old = history.entries().to_vec();
    assert_eq!((old.len(), history.series(&Asked::default()).unwrap()[0].points.len()), (1, 1));
    let new = Source::of(&written(&folder, &report(1, None, 1.0))).unwrap();
    let refused = [
        history.add(&new, &Label::default(), |_, _| ()),
        history.pin("golden", "run-0"),
        history.remove(&old),
    ];
    for refused in refused {
        assert!(refused.unwrap_err().message.contains("can only be read"));
    }
    assert_eq!(std::fs::read_dir(place(&folder).join("reports")).unwrap().count(), 1);
}

#[test]
fn figures_that_mean_different_things_are_series_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut other_mesh = report(1, None, 1.0);
    other_mesh.mesh.order = "tp-dp".to_owned();
    let mut barrier = report(2, None, 1.0);
    for case in &mut barrier.cases {
        case.measured.as_mut().unwrap().protocol = crate::plan::config::Protocol::Barrier;
    }
    let mut hosts = report(3, None, 1.0);
    hosts.environment.variables.insert("NCCL_ALGO".to_owned(), "Ring".to_owned());
    add(&folder, &[report(0, None, 1.0), other_mesh, barrier, hosts], &Label::default());
    let asked = Asked {
        case: Some("*bytes=1024*".to_owned()),
        metric: Some("latency".to_owned()),
        last: None,
    };
    let series = History::open(&place(&folder)).unwrap().series(&asked).unwrap();
    let lengths: Vec<usize> = series.iter().map(|series| series.points.len()).collect();
    assert_eq!(lengths, [1, 2, 1], "{series:?}");
}

#[test]
fn rates_are_at_the_median_of_all_launches() {
    let folder = tempfile::tempdir().unwrap();
    let launches = [1.0, 2.0].map(|factor| report(0, None, factor)).into_iter().enumerate();
    let merged = crate::analysis::merge(launches.collect(), Exit::Ok).unwrap();
    add(&folder, &[merged], &Label::default());
    let history = History::open(&place(&folder)).unwrap();
    let value = |metric: &str| {
        let asked = Asked { metric: Some(metric.to_owned()), ..Asked::default() };
        history.series(&asked).unwrap()[0].points[0].value
    };
    assert!((value("latency") - 1.5).abs() < 0.01, "{}", value("latency"));
    assert!((value("throughput_per_s") * value("latency") / 1e3 - 1.0).abs() < 1e-9);
}

#[test]
fn a_case_that_failed_in_one_launch_has_no_figures() {
    let folder = tempfile::tempdir().unwrap();
    let mut failed = report(1, None, 1.0);
    failed.cases[0].outcome = Outcome::Failed;
    failed.cases[0].error = Some(CaseError::now(Kind::CaseFailed, "measure", "broke".to_owned()));
    failed.conclude(failed.summary.cases, Exit::Ok);
    add(&folder, &[report(0, None, 1.0), failed], &Label::default());
    let asked = Asked { metric: Some("latency".to_owned()), ..Asked::default() };
    let series = History::open(&place(&folder)).unwrap().series(&asked).unwrap();
    let lengths: Vec<usize> = series.iter().map(|series| series.points.len()).collect();
    assert_eq!(lengths, [1, 2]);
}

#[test]
fn what_is_old_goes_but_for_what_people_named_and_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let days = [0, 1, 2, 3, 500];
    let reports: Vec<Report> = days.iter().map(|&day| report(day, None, 1.0)).collect();
    let mut alone = report(4, None, 1.0);
    alone.run.backend = "cuda".to_owned();
    add(&folder, &reports, &Label::default());
    add(&folder, &[alone], &Label::default());
    let tag = Some("v1".to_owned());
    add(&folder, &[report(5, None, 1.0)], &Label { tag, git: None });
    let mut history = History::open(&place(&folder)).unwrap();
    history.pin("golden", "run-2").unwrap();
    let now = parse_utc("2026-01-01T00:00:00Z").unwrap() + 86_400 * 502;
    let old = history.outdated(DAYS, now);
    let names: Vec<&str> = old.iter().map(|entry| entry.record.run.as_str()).collect();
    assert_eq!(names, ["run-0", "run-1", "run-3"]);
    assert_eq!(history.outdated(1000, now), []);
    assert_eq!(history.outdated(u64::MAX, now), []);
    history.remove(&old).unwrap();
    assert_eq!(history.entries().len(), 4);
    drop(history);
    let history = History::open(&place(&folder)).unwrap();
    assert_eq!((history.entries().len(), history.damaged().len()), (4, 0));
}

#[test]
fn names_for_runs() {
    let folder = tempfile::tempdir().unwrap();
    add(&folder, &[report(0, None, 1.0), report(1, Some(commit(1)), 1.0)], &Label::default());
    let mut history = History::open(&place(&folder)).unwrap();
    for name in ["", "a/b", "x.json", "last-release", "-x", ".x", "a b", &"x".repeat(65)] {
        assert!(history.pin(name, "run-0").is_err(), "{name}");
    }
    history.pin("golden", "run-0").unwrap();
    assert_eq!(history.one(Some("golden")).unwrap().record.run, "run-0");
    assert_eq!(history.one(None).unwrap().record.run, "run-1");
    assert_eq!(history.one(Some(&commit(1)[..9])).unwrap().record.run, "run-1");
    let path = written(&folder, &report(0, None, 1.0));
    assert_eq!(history.one(path.to_str()).unwrap().record.run, "run-0");
    let strange = written(&folder, &report(9, None, 1.0));
    assert!(history.one(strange.to_str()).unwrap_err().message.contains("history add"));
    assert!(history.one(Some("--help")).is_err());
    assert!(history.unpin("goldn").unwrap_err().message.contains("did you mean 'golden'"));
    history.unpin("golden").unwrap();
    assert!(history.entries().iter().all(|entry| entry.pins.is_empty()));
}

#[test]
fn another_history_is_taken_over_with_what_was_said_of_it() {
    let old = tempfile::tempdir().unwrap();
    let label = Label { git: Some(commit(3)), tag: Some("v3".to_owned()) };
    add(&old, &[report(0, None, 1.0)], &label);
    let new = tempfile::tempdir().unwrap();
    let mut history = History::open_or_begin(&place(&new)).unwrap();
    let sources = Source::of(&place(&old)).unwrap();
    // Its labels.json is JSON too, but no report.
    assert_eq!(sources.len(), 1);
    history.add(&sources, &Label::default(), |_, _| ()).unwrap();
    let entries = history.entries();
    assert_eq!(entries.len(), 1);
    assert_eq!((&entries[0].tag, &entries[0].record.git), (&label.tag, &label.git));
    // A commit that is none would be a path.
    let evil = r#"{"run-0": {"git": "../../evil", "tag": "v3"}}"#;
    std::fs::write(place(&old).join("labels.json"), evil).unwrap();
    let third = tempfile::tempdir().unwrap();
    let mut history = History::open_or_begin(&place(&third)).unwrap();
    history.add(&Source::of(&place(&old)).unwrap(), &Label::default(), |_, _| ()).unwrap();
    let entries = history.entries();
    assert_eq!(
        (entries[0].file.as_str(), &entries[0].record.git),
        ("20260101T000000Z-0.json", &None)
    );
    assert_eq!(entries[0].tag, label.tag);
    assert!(Source::of(new.path().parent().unwrap().join("no-such").as_path()).is_ok());
    assert!(Source::of(tempfile::tempdir().unwrap().path()).is_err());
}

/// What git prints in a folder, as people start it.
pub(super) fn git(folder: &Path, words: &[&str]) -> String {
    let settings = [
        "user.name=x",
        "user.email=x@localhost",
        "commit.gpgsign=false",
        "protocol.file.allow=always",
    ];
    let settings = settings.iter().flat_map(|setting| ["-c", setting]);
    let output = Command::new("git").current_dir(folder).args(settings).args(words).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with these commits in a row, and their names.
pub(super) fn repository(folder: &Path, commits: usize) -> Vec<String> {
    let git = |words: &[&str]| git(folder, words);
    git(&["init", "--quiet"]);
    let commit = |number: usize| {
        git(&["commit", "--quiet", "--allow-empty", "-m", &number.to_string()]);
        if number == 1 {
            git(&["tag", "-a", "v1.0", "-m", "release"]);
        }
        git(&["rev-parse", "HEAD"])
    };
    (0..commits).map(commit).collect()
}

#[test]
fn a_baseline_is_a_file_a_pin_a_commit_or_the_last_release() {
    let folder = tempfile::tempdir().unwrap();
    let clone = tempfile::tempdir().unwrap();
    let commits = repository(clone.path(), 5);
    let git = |number: usize| Some(commits[number].clone());
    let mut elsewhere = report(30, git(3), 1.0);
    elsewhere.run.backend = "cuda".to_owned();
    let reports = [
        report(10, git(1), 1.0),
        report(20, git(2), 1.0),
        report(21, git(2), 1.0),
        elsewhere.clone(),
        report(40, git(4), 1.0),
    ];
    add(&folder, &reports, &Label::default());
    let candidate = report(40, git(4), 1.0);
    let find = |what: &str| {
        Baseline::find_by(&Git::at(clone.path()), &place(&folder), what)?
            .reports(std::slice::from_ref(&candidate))
    };
    let found = |what: &str| {
        let (files, reports) = find(what).unwrap();
        assert_eq!(files.len(), reports.len());
        runs(&reports).join(" ")
    };
    // Both of the commit; the candidate is not its own baseline; commit 3 has none of this machine.
    assert_eq!(found("HEAD~2"), "run-20 run-21");
    assert_eq!(found("HEAD"), "run-20 run-21");
    assert_eq!(found("HEAD~1"), "run-20 run-21");
    assert_eq!(found(&commits[1][..10]), "run-10");
    assert_eq!(found("last-release"), "run-10");
    assert_eq!(found("run-21"), "run-21");
    let path = written(&folder, &report(99, None, 1.0));
    assert_eq!(found(path.to_str().unwrap()), "run-99");
    let mut history = History::open(&place(&folder)).unwrap();
    history.pin("golden", "run-20").unwrap();
    history.pin("gpu", "run-30").unwrap();
    history.pin("lost", "run-77").unwrap();
    history.pin("own", "run-40").unwrap();
    drop(history);
    assert_eq!(found("golden"), "run-20 run-21");
    assert_eq!(found("gpu"), "run-30");
    for what in ["lost", "own", "no-such-ref", "--all", "", "HEAD~4", "missing.json"] {
        assert!(find(what).is_err(), "{what}");
    }
    let nothing = Baseline::find(&folder.path().join("nothing"), "golden").unwrap_err();
    assert!(nothing.message.contains("there is no history"), "{nothing}");
    // A release by its label is newer.
    let label = Label { git: None, tag: Some("2026.2".to_owned()) };
    add(&folder, &[report(35, None, 1.0)], &label);
    assert_eq!(found("last-release"), "run-35");
    // A release is held against the one before it, not the one after.
    let baseline =
        Baseline::find_by(&Git::at(clone.path()), &place(&folder), "last-release").unwrap();
    let of = |day: usize| baseline.reports(&[report(day, None, 1.0)]);
    assert_eq!(runs(&of(35).unwrap().1), ["run-10"]);
    let why = of(10).unwrap_err().message;
    assert!(why.contains("itself of a release, and the history has none before it"), "{why}");
    // The only one of its commit is there, and is the candidate's own.
    let only = report(10, git(1), 1.0);
    let first = Baseline::find_by(&Git::at(clone.path()), &place(&folder), &commits[1]).unwrap();
    let why = first.reports(&[only]).unwrap_err().message;
    assert!(why.contains("beside the candidate itself"), "{why}");
    // A pin is a pin, also where a file is called like it.
    let mut history = History::open(&place(&folder)).unwrap();
    history.pin("Cargo.toml", "run-20").unwrap();
    assert_eq!(history.one(Some("Cargo.toml")).unwrap().record.run, "run-20");
    assert!(history.one(Some("lost")).unwrap_err().message.contains("is pinned to run 'run-77'"));
}
