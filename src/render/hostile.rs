//! What holds for every file that claims to be a report: it is refused in one sentence, or every form of it
//! can be written and none of its names does anything.

use std::path::{Component, Path};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::analysis::fixture::{analysed, empty_report, plan, recording};
use crate::analysis::{Limits, Reports, certificates, matrices, studies, summarise, survey};
use crate::base::caveat::Caveat;
use crate::base::error::Exit;
use crate::base::failure::CaseError;
use crate::base::plain::{file_name, plain_lines};
use crate::base::random::hostile::{damaged, few, foreign_word, grafted, mistyped, words};
use crate::machine::device::Device;
use crate::machine::environment::{Mpi, Node, Rank};
use crate::report::{Outcome, Replicate, Replication, Report, Samples};

/// A report with something of everything.
pub(super) fn everything() -> Report {
    let plan = plan(
        "mesh: {shape: 'tp=2,dp=4', pairs: all}\nscaling: {kind: strong, ranks: [1, 2, 4]}\nbenchmarks: {all_reduce: \
         {bytes: '1KiB,4KiB', placement: 'in,out'}, latency: {bytes: 8}, gemm: {m: 8}}\nbenchmarking: {repeat: 3}",
    );
    let mut report = empty_report(&plan);
    let host = |number: usize| format!("node{number}");
    let (os, cpu) = (Some("Linux".to_owned()), Some("CPU".to_owned()));
    let node = |number| {
        let (os, cpu) = (os.clone(), cpu.clone());
        Node {
            host: host(number),
            os,
            cpu,
            cores: Some(4),
            memory_bytes: Some(1 << 30),
            ..Node::default()
        }
    };
    let device = Device {
        kind: "cuda".to_owned(),
        name: "GPU".to_owned(),
        uuid: None,
        pci: Some("0000:01:00".to_owned()),
        memory_bytes: Some(1 << 36),
        compute_capability: Some("9.0".to_owned()),
        multiprocessors: Some(132),
        ..Device::default()
    };
    let rank = |rank| Rank {
        rank,
        node: rank / 4,
        local_rank: rank % 4,
        device: device.clone(),
        cores: None,
    };
    report.environment.nodes = vec![node(0), node(1)];
    report.environment.ranks = (0..8).map(rank).collect();
    report.environment.mpi =
        Some(Mpi { library: "MPI".to_owned(), thread_level: "single".to_owned() });
    for (i, case) in plan.cases.iter().enumerate() {
        let nanos = 1e6 * (1 + i % 7) as f64;
        let mut result = analysed(&plan, case, recording(&plan, nanos, 0.9 * nanos), None);
        match i % 9 {
            3 => {
                result.measured = None;
                result.outcome = Outcome::Skipped;
                result.reason = Some("no".to_owned());
            }
            5 => {
                result.measured = None;
                result.outcome = Outcome::Failed;
                result.error = Some(CaseError::now(
                    crate::base::error::Kind::CaseFailed,
                    "measure",
                    "broke".to_owned(),
                ));
            }
            7 => {
                result.samples =
                    Samples::Sidecar { file: "results.samples.csv.gz".to_owned(), rows: 320 }
            }
            8 => {
                let times_ms = vec![1.0, 2.0];
                let replicate = |replicate| Replicate {
                    local_median_ms: None,
                    replicate,
                    median_ms: 1.5,
                    iterations: 2,
                    invalid: 0,
                    times_ms: times_ms.clone(),
                };
                result.replication = Some(Replication {
                    launches: vec![replicate(0), replicate(1)],
                    median_ms: 1.5,
                    ci: None,
                    between_percent: Some(0.0),
                    reproducible: true,
                });
            }
            _ => {}
        }
        report.push(result, "t", true);
    }
    report.pair_matrices = matrices(&plan, &report.cases);
    report.scaling = studies(&plan, &report.cases);
    report.conclude(plan.cases.len(), Exit::Ok);
    assert!(!report.pair_matrices.is_empty() && !report.scaling.is_empty());
    report
}

fn tree() -> Value {
    serde_json::to_value(everything()).unwrap()
}

/// All that is done with a report that was read; true when it could be read.
fn use_it(text: &str) -> bool {
    let Ok(report) = Report::parse(text) else { return false };
    let harmless = |text: &str| assert_eq!(plain_lines(text), text);
    harmless(&terminal::draw(&report.document(), Some(80), true));
    harmless(&terminal::draw(&report.document(), None, false));
    let page = markdown::draw(&report.document());
    harmless(&page);
    let cells = |row: &str| row.replace("\\\\", "").replace("\\|", "").matches('|').count();
    for (row, next) in page.lines().zip(page.lines().skip(1)) {
        if row.starts_with('|') && next.starts_with('|') {
            assert!(next.ends_with(" |") && cells(row) == cells(next), "{row}\n{next}");
        }
    }
    harmless(&comment::draw(&report.document(), None));
    let page = Format::Html.write(&report, true).unwrap();
    assert_eq!(plain_lines(&page), page);
    html::outline(&page);
    let files = ["a.json".to_owned(), "b.json".to_owned()];
    let both = [everything(), report.clone()];
    let analysis = survey(Reports { files: &files, reports: &both }, &Limits::default());
    harmless(&terminal::draw(&analysis.document(), None, true));
    harmless(&markdown::draw(&analysis.document()));
    html::outline(&Format::Html.write(&analysis, true).unwrap());
    assert!(analysis.findings.iter().all(|finding| !finding.evidence.is_empty()));
    for (name, text) in others(&report) {
        assert!(name.components().all(|part| matches!(part, Component::Normal(_))), "{name:?}");
        match name.extension().and_then(|ending| ending.to_str()) {
            Some("html") => drop(html::outline(&text)),
            // It has its own way to write what acts.
            Some("json") => {}
            _ => harmless(&text),
        }
    }
    let comments = |line: &str| {
        line.starts_with('#')
            || line.starts_with(' ')
            || line.starts_with(|c: char| c.is_ascii_digit())
    };
    let text = nccl_tests_table(&report);
    harmless(&text);
    assert!(text.lines().all(comments), "{text}");
    let rows = csv::report(&report).unwrap();
    let mut reader = ::csv::Reader::from_reader(rows.as_bytes());
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), report.cases.len());
    for cell in rows.iter().flatten() {
        harmless(cell);
        assert!(!cell.starts_with(['=', '+', '-', '@']) || cell.parse::<f64>().is_ok(), "{cell}");
    }
    for case in &report.cases {
        if let Samples::Sidecar { file, .. } = &case.samples {
            assert!(Path::new(file).components().all(|part| matches!(part, Component::Normal(_))));
        }
    }
    true
}

/// What is written for others: a folder of results, certificates, and the files of a support bundle.
fn others(report: &Report) -> Vec<(std::path::PathBuf, String)> {
    let files = ["a.json".to_owned()];
    let reports = Reports { files: &files, reports: std::slice::from_ref(report) };
    let analysis = survey(reports, &Limits::default());
    let mut all = folder(report, &summarise(report, &analysis, &[]), &[]).unwrap();
    for certificate in certificates(reports, &Limits::default(), &[]) {
        for format in [Format::Html, Format::Markdown] {
            let name = file_name(&certificate.node.host);
            let name = format!("{name}.{}", format.ending().unwrap());
            all.push((name.into(), format.write(&certificate, true).unwrap()));
        }
    }
    let cases: Vec<&crate::report::Case> = report.cases.iter().take(3).collect();
    let bundled = support_files(report, &cases).unwrap();
    all.extend(bundled.into_iter().map(|(name, text)| (name.into(), text)));
    all
}

#[test]
fn the_valid_one_is_valid() {
    assert!(use_it(&serde_json::to_string_pretty(&everything()).unwrap()));
}

#[test]
fn an_old_report_without_counts_can_be_read() {
    let mut tree = tree();
    for case in tree["cases"].as_array_mut().unwrap() {
        assert!(case.as_object_mut().unwrap().remove("counts").is_some_and(|it| it.is_object()));
    }
    assert!(use_it(&tree.to_string()));
}

#[test]
fn samples_lie_beside_the_report() {
    for name in ["../x", "/etc/passwd", "a/../../b", "a/", "..", ".", "", "a\\b", "a\0"] {
        let mut report = everything();
        report.cases[0].samples = Samples::Sidecar { file: name.to_owned(), rows: 1 };
        let why = Report::parse(&serde_json::to_string(&report).unwrap()).unwrap_err();
        assert!(why.contains("no name of a file"), "{name}: {why}");
    }
}

proptest! {
    #![proptest_config(few())]
    #[test]
    fn any_tree_is_refused_or_written(tree in grafted(tree())) {
        use_it(&tree.to_string());
    }

    #[test]
    fn any_text_is_refused_or_written(bytes in damaged(tree().to_string())) {
        use_it(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_name_is_only_a_name(name in words(), mut report in Just(everything())) {
        report.environment.nodes[0].host.clone_from(&name);
        report.environment.nodes[1].cpu = Some(name.clone());
        report.environment.ranks[0].device.name.clone_from(&name);
        report.environment.ranks[1].device.pci = Some(name.clone());
        report.run.started.clone_from(&name);
        report.run.backend.clone_from(&name);
        report.run.config.name = Some(name.clone());
        report.run.config.description = Some(name.clone());
        report.mesh.order.clone_from(&name);
        report.metrics[0].unit = name.clone();
        report.caveats.push(Caveat::CutShort { reason: name.clone() });
        for case in &mut report.cases {
            case.group.clone_from(&name);
            case.reason = case.reason.as_ref().map(|_| name.clone());
            if let Some(error) = &mut case.error {
                error.detail.clone_from(&name);
            }
        }
        prop_assert!(use_it(&serde_json::to_string(&report).unwrap()));
    }
}

#[test]
fn a_report_with_a_wrong_type_is_refused_in_plain_words() {
    let mut refused = 0;
    for tree in mistyped(serde_json::to_value(everything()).unwrap()) {
        let Err(why) = Report::parse(&tree.to_string()) else { continue };
        refused += 1;
        // Its place names keys.
        let told = why.split_once(": ").map_or(&*why, |(_, told)| told);
        assert_eq!(foreign_word(told), None, "{why}");
    }
    assert!(refused > 1000, "{refused}");
}
