//! Every kind of result in every format, as whole pages in `src/render/snapshots/`.
//!
//! `UPDATE_SNAPSHOTS=1` writes them anew; read the difference before committing it.

use super::hostile::everything;
use super::*;
use crate::analysis::{Limits, Reports, survey};
use crate::base::metric::Direction;
use crate::history::{Answer, Change, Content, Effect, Entry, Point, Record, Series, Trend};
use crate::plan::config::{ComparedMetric, StatisticalTest};
use crate::report::{
    Basis, COMPARISON_SCHEMA, Compared, Comparison, Difference, LimitCheck, LimitOutcome, Reach,
    RegressionSeverity, Report, Side, Verdict,
};

/// Holds a page against the file of its name.
pub(crate) fn page(name: &str, text: &str) {
    let path = Path::new("src/render/snapshots").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::create_dir_all("src/render/snapshots").unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{name} is not as in {}:\n{text}", path.display());
}

/// The pages of a document: in full, as a terminal of 80 columns shows it, and in Markdown.
pub(crate) fn drawn(name: &str, document: &Document) {
    page(&format!("{name}.full.txt"), &(terminal::draw(document, None, true) + "\n"));
    page(&format!("{name}.txt"), &(terminal::draw(document, Some(80), false) + "\n"));
    page(&format!("{name}.md"), &markdown::draw(document));
}

/// The same of a result, and its texts in its own formats.
pub(crate) fn pages<R: Render>(name: &str, result: &R) {
    drawn(name, &result.document());
    for format in R::OWN {
        if let Ok(text) = format.write(result, true) {
            page(&format!("{name}.{}", format.ending().unwrap_or(format.name())), &text);
        }
    }
}

fn report() -> Report {
    let mut report = everything();
    report.cases.retain(|case| case.problem.values().all(|value| value.number() != Some(4096)));
    report.cases.drain(11..18);
    report.cases.retain(|case| case.axis != "pairs");
    report.scaling.drain(1..4);
    for error in report.cases.iter_mut().filter_map(|case| case.error.as_mut()) {
        error.time = Some("2026-01-01T00:00:30Z".to_owned());
    }
    report.conclude(report.cases.len(), crate::base::error::Exit::Ok);
    report.run.started = "2026-01-01T00:00:00Z".to_owned();
    report.run.finished = "2026-01-01T00:01:00Z".to_owned();
    report.run.build = "0123456789abcdef (commit 0123456789ab)".to_owned();
    report.environment.libraries.insert("nccl".to_owned(), "2.30.7".to_owned());
    let check = |limit, outcome, basis, value: Option<f64>| LimitCheck {
        limit,
        case: "gemm*".to_owned(),
        of: (limit == 2).then(|| "rank 3".to_owned()),
        metric: "latency".to_owned(),
        unit: "ms".to_owned(),
        direction: Direction::LowerIsBetter,
        value,
        bound: value.map(|_| 2.0),
        basis,
        outcome,
        missing_percent: value.map(|value| 50.0 * (value - 2.0)),
    };
    let source = Some("a data sheet".to_owned());
    let ceiling = Basis::Ceiling { percent: 90.0, ceiling: Some(1.8), source };
    report.limits = vec![
        check(1, LimitOutcome::Kept, Basis::Absolute, Some(1.0)),
        check(2, LimitOutcome::Broken, ceiling, Some(3.0)),
        check(3, LimitOutcome::Unchecked, Basis::Fleet { percent: 95.0, members: 1 }, None),
    ];
    report
}

fn comparison() -> Comparison {
    let side = |name: &str, git: &str| Side {
        files: vec![format!("{name}.json")],
        git: Some(git.repeat(10)),
        build: None,
        started: "2026-01-01T00:00:00Z".to_owned(),
        launches: 6,
    };
    let case = |id: &str, verdict, after: Option<f64>| Compared {
        id: id.to_owned(),
        benchmark: "all_reduce".to_owned(),
        verdict,
        severity: (verdict == Verdict::Regressed).then_some(RegressionSeverity::Severe),
        baseline: Some(1.0),
        candidate: after,
        unit: "ms".to_owned(),
        launches: [6, 6],
        ratio: after,
        ci: after.map(|after| [after - 0.01, after + 0.01]),
        confidence: 0.95,
        worse_percent: after.map(|after| 100.0 * (after - 1.0)),
        threshold_percent: 5.0,
        accuracy_drift: None,
        p: after.map(|_| 0.002),
        p_adjusted: after.map(|_| 0.00004),
        p_improved: None,
        p_improved_adjusted: None,
        cliffs_delta: after.map(|_| 1.0),
        effect: None,
        hedges_g: None,
        p_equivalent: None,
        launches_needed: (verdict == Verdict::Inconclusive).then_some(12),
        remarks: match verdict {
            Verdict::Failed => vec!["element 7 is wrong".to_owned()],
            _ => Vec::new(),
        },
    };
    let cases = vec![
        case("all_reduce/f32/bytes=8,placement=out/tp:0-1", Verdict::Equivalent, Some(1.0)),
        case("all_reduce/f32/bytes=1048576,placement=out/tp:0-1", Verdict::Regressed, Some(1.25)),
        case("all_reduce/f32/bytes=64,placement=out/tp:0-1", Verdict::Inconclusive, Some(1.04)),
        case("all_reduce/f32/bytes=512,placement=out/tp:0-1", Verdict::Vanished, None),
        case("all_reduce/f32/bytes=4096,placement=out/tp:0-1", Verdict::Failed, None),
    ];
    let differs = |what: &str, prevents| Difference {
        what: what.to_owned(),
        baseline: "2.29".to_owned(),
        candidate: "2.30".to_owned(),
        prevents,
    };
    Comparison {
        schema: COMPARISON_SCHEMA.to_owned(),
        baseline: side("before", "0123"),
        candidate: side("after", "4567"),
        metric: ComparedMetric::Latency,
        direction: Direction::LowerIsBetter,
        test: StatisticalTest::Auto,
        false_discovery_rate: 0.05,
        confidence: 0.95,
        resamples: 1000,
        seed: 1,
        noise_floor_percent: Some(2.0),
        reach: Reach {
            cases: 3,
            launches: [6, 6],
            smallest_p: 0.001,
            fewest_visible: 2,
            launches_needed: 8,
        },
        differences: vec![differs("nccl", true), differs("driver", false)],
        summary: Verdict::count(&cases),
        cases,
        exit: 3,
    }
}

fn trend() -> Trend {
    let day = |day: u32| format!("2026-01-{day:02}T00:00:00Z");
    let commit = |day: u32| Some(format!("{day:x}").repeat(40));
    let point = |at: u32| Point {
        started: day(at),
        git: commit(at),
        run: format!("run-{at}"),
        file: format!("{at}.json"),
        value: if at < 5 { 1.0 } else { 1.2 },
    };
    let change = Change {
        index: 4,
        effect: Effect::Worse,
        before: 1.0,
        after: 1.2,
        ratio: Some(1.2),
        ratio_ci: Some([1.19, 1.21]),
        p: 0.001,
        commits: [commit(4), commit(5)],
        runs: ["run-4".to_owned(), "run-5".to_owned()],
        started: [day(4), day(5)],
    };
    let series = Series {
        case: "all_reduce/f32/bytes=8,placement=out/world:0-3".to_owned(),
        metric: "latency".to_owned(),
        unit: "ms".to_owned(),
        direction: Direction::LowerIsBetter,
        machine: "host node0, 4 ranks: CPU".to_owned(),
        method: "synchronised, last_end_minus_first_start".to_owned(),
        points: (1..9).map(point).collect(),
    };
    Trend { series, looked_at: 6, changes: vec![change] }
}

#[test]
fn a_report() {
    pages("report", &report());
    page("report.nccl-tests", &nccl_tests_table(&report()));
}

#[test]
fn a_comparison() {
    pages("comparison", &comparison());
    page("comparison.annotations", &github::annotations(&comparison()));
    page("comparison.step-summary.md", &github::step_summary(&comparison()));
}

#[test]
fn an_analysis() {
    let mut second = report();
    second.run.id = "another".to_owned();
    second.run.exit = 5;
    let files = ["a.json".to_owned(), "b.json".to_owned()];
    let mut analysis =
        survey(Reports { files: &files, reports: &[report(), second] }, &Limits::default());
    analysis.limits = report().limits;
    pages("analysis", &analysis);
}

#[test]
fn a_history() {
    let entry = |day: u32| Entry {
        file: format!("{day}.json"),
        record: Record {
            run: format!("run-{day}"),
            started: format!("2026-01-{day:02}T00:00:00Z"),
            git: Some("0123456789".repeat(4)),
            machine: "host node0, 4 ranks: CPU".to_owned(),
            cases: 3,
            measured: 2,
            incomplete: day == 2,
            exit: 0,
        },
        tag: (day == 1).then(|| "v1".to_owned()),
        pins: vec!["golden".to_owned(); (day == 1).into()],
    };
    let damaged = Vec::new();
    let list = Content::List { reports: (1..4).map(entry).collect(), damaged: damaged.clone() };
    let list = Answer::from(list);
    let why = Format::Csv.write(&list, true).unwrap_err().message;
    assert_eq!(why, "this result cannot be written as csv, only as table, markdown or json");
    pages("history-list", &list);
    pages("history-empty", &Answer::from(Content::List { reports: Vec::new(), damaged }));
    pages("history-trend", &Answer::from(Content::Trend { trends: vec![trend()] }));
    pages("history-export", &Answer::from(Content::Export { series: vec![trend().series] }));
}
