//! Every kind of result in every format, as whole pages in `src/render/snapshots/`.
//!
//! `UPDATE_SNAPSHOTS=1` writes them anew; read the difference before committing it.

use serde::de::DeserializeOwned;

use super::hostile::everything;
use super::*;
use crate::analysis::{Limits, Reports, survey};
use crate::base::metric::Direction;
use crate::history::{Answer, Content};
use crate::machine::kernel::{Compilation, Function, Level, Stage, StageTime};
use crate::report::{Basis, Comparison, Efficiency, LimitCheck, LimitOutcome, Report};

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
    for width in [80, 120, 200] {
        let text = terminal::draw(document, Some(width), true);
        let widest = text.lines().max_by_key(|line| line.chars().count()).unwrap_or_default();
        assert!(widest.chars().count() <= width, "{name} at {width}: {widest}");
    }
    page(&format!("{name}.md"), &markdown::draw(document));
    page(&format!("{name}.comment.md"), &comment::draw(document, None));
    page(&format!("{name}.badge.json"), &(badge::draw(document) + "\n"));
}

/// The same of a result, and its texts in its own formats.
pub(crate) fn pages<R: Render>(name: &str, result: &R) {
    drawn(name, &result.document());
    let outline = html::outline(&Format::Html.write(result, true).unwrap());
    // The footer has versions and sizes.
    page(&format!("{name}.outline"), outline.split("    footer\n").next().unwrap_or_default());
    for format in R::OWN {
        if let Ok(text) = format.write(result, true) {
            page(&format!("{name}.{}", format.ending().unwrap_or(format.name())), &text);
        }
    }
}

/// The result whose JSON is in the file of this name, which is also how it is written.
fn read<R: Render + DeserializeOwned>(name: &str) -> R {
    let name = format!("{name}.json");
    let text = std::fs::read_to_string(Path::new("src/render/snapshots").join(&name)).unwrap();
    let result = serde_json::from_str(&text).unwrap();
    page(&name, &Format::Json.write(&result, true).unwrap());
    result
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
    report.run.id = "20260101T000000Z-01234567".to_owned();
    report.run.command = ["tesserabench", "run", "--quick"].map(str::to_owned).to_vec();
    report.run.version = "0.0.0".to_owned();
    report.run.build = "0123456789abcdef (commit 0123456789ab)".to_owned();
    report.environment.libraries.insert("nccl".to_owned(), "2.30.7".to_owned());
    let check = |limit, outcome, basis, value: Option<f64>| LimitCheck {
        limit,
        case: "gemm*".to_owned(),
        of: (limit == 2).then(|| "rank 3".to_owned()),
        rank: (limit == 2).then_some(3),
        metric: "latency".to_owned(),
        unit: "ms".to_owned(),
        direction: Direction::LowerIsBetter,
        value,
        bound: value.map(|_| 2.0),
        basis,
        outcome,
        missing_percent: value.map(|value| 50.0 * (value - 2.0)),
        why: value.is_none().then(|| "there is no fleet to hold it against".to_owned()),
    };
    let source = Some("a data sheet".to_owned());
    let ceiling = Basis::Ceiling { percent: 90.0, ceiling: Some(1.8), source };
    let compiled = report.cases.iter_mut().filter(|case| case.benchmark == "gemm");
    for case in compiled {
        case.efficiency = Some(Efficiency {
            metric: "tflops".to_owned(),
            peak: Some(66.9),
            source: Some("1980 MHz x 132 multiprocessors x 256".to_owned()),
            of_peak_percent: Some(71.25),
            of_best_percent: Some(100.0),
        });
        case.measured.iter_mut().for_each(|measured| measured.compile = Some(compilation()));
    }
    report.limits = vec![
        check(1, LimitOutcome::Kept, Basis::Absolute, Some(1.0)),
        check(2, LimitOutcome::Broken, ceiling, Some(3.0)),
        check(3, LimitOutcome::Unchecked, Basis::Fleet { percent: 95.0, members: 1 }, None),
    ];
    report
}

fn compilation() -> Compilation {
    let stage = |(stage, ms)| StageTime { stage, ms };
    let stages = [(Stage::Render, 0.02), (Stage::FrontEnd, 37.0), (Stage::Nvvm, 90.0)];
    let later = [(Stage::Ptxas, 215.0), (Stage::Other, 1.5), (Stage::Load, 0.3)];
    let function = Function { registers: 30, shared_bytes: 1024, ..Function::default() };
    let made = Compilation {
        arch: "sm_90a".to_owned(),
        compiler: "NVRTC 13.0".to_owned(),
        level: Some(Level::O3),
        cached: true,
        stages: stages.into_iter().chain(later).map(stage).collect(),
        driver_blocks: Some(8),
        ..Compilation::default()
    };
    made.launched(&function, 256, 0)
}

#[test]
fn a_report() {
    pages("report", &report());
    page("report.nccl-tests", &nccl_tests_table(&report()));
}

#[test]
fn a_comparison() {
    let comparison: Comparison = read("comparison");
    pages("comparison", &comparison);
    page("comparison.annotations", &comparison.annotations());
    page("comparison.step-summary.md", &github::step_summary(&comparison.document()));
}

#[test]
fn a_gate_of_several_results() {
    let comparison: Comparison = read("comparison");
    let exit = |code| crate::base::error::Exit::from_code(code).unwrap();
    let report = report();
    let gate = Gate::of(vec![
        Judged::new("gpu", &report, exit(report.run.exit)),
        Judged::new("cpu", &comparison, exit(comparison.exit)),
    ]);
    pages("gate", &gate);
    page("gate.json", &Format::Json.write(&gate, true).unwrap());
    page("gate.annotations", &gate.annotations());
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
    page("analysis.annotations", &analysis.annotations());
}

#[test]
fn a_history() {
    let list: Answer = read("history-list");
    let why = Format::Csv.write(&list, true).unwrap_err().message;
    assert_eq!(
        why,
        "this result cannot be written as csv, only as table, markdown, comment, html, json or badge"
    );
    pages("history-list", &list);
    let nothing = Content::List { reports: Vec::new(), damaged: Vec::new() };
    pages("history-empty", &Answer::from(nothing));
    let trend: Answer = read("history-trend");
    pages("history-trend", &trend);
    let Content::Trend { trends } = trend.content else { panic!("{trend:?}") };
    let series = trends.into_iter().map(|trend| trend.series).collect();
    pages("history-export", &Answer::from(Content::Export { series }));
}
