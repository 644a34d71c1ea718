//! Limits: what a run, and an analysis of several, ends in when figures are not as good as they must be.

use std::path::Path;
use std::process::{Command, Output};

fn program(folder: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_tesserabench");
    Command::new(program).current_dir(folder).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Two ranks of a described machine that exchange 1 MiB under these limits.
fn run(limits: &str, more: &[&str]) -> (Option<i32>, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("limits.yaml"), format!("limits: [{limits}]\n")).unwrap();
    let words = [
        "-c",
        "limits.yaml",
        "run",
        "--backend",
        "simulated",
        "--ranks",
        "2",
        "-b",
        "all_reduce",
        "--problem-size",
        "bytes=1MiB",
        "--iterations",
        "20",
        "-o",
        "results.json",
    ];
    let ran = program(folder.path(), &[&words, more].concat());
    (ran.status.code(), text(&ran.stdout) + &text(&ran.stderr), folder)
}

#[test]
fn a_limit_that_is_broken_ends_with_its_code_and_says_by_how_much() {
    let (code, told, folder) =
        run("{case: 'all_reduce*', metric: busbw_gbps, at_least: 100000}", &[]);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("0 of 1 kept") && told.contains("is below 100000 GB/s by"), "{told}");
    let verdict = program(folder.path(), &["verdict", "results.json"]);
    assert_eq!(verdict.status.code(), Some(3));
    let (code, told, _) = run("{case: 'all_reduce*', metric: busbw_gbps, at_least: 0.001}", &[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("1 of 1 kept"), "{told}");
}

#[test]
fn of_several_launches_all_are_held_against_it() {
    let (code, told, folder) =
        run("{case: 'all_reduce*', metric: busbw_gbps, at_least: 100000}", &["--launches", "2"]);
    assert_eq!(code, Some(3), "{told}");
    assert!(folder.path().join("results.launches/2.json").exists(), "the second launch was made");
    assert!(told.contains("BROKEN limit 1"), "{told}");
}

#[test]
fn a_share_of_a_ceiling_is_of_the_machine_it_names() {
    let limit = |machine: &str, percent: f64| {
        format!(
            "{{case: '*', metric: busbw_gbps, topology: {machine}, percent_of_ceiling: {percent}}}"
        )
    };
    assert_eq!(run(&limit("dgx-h100", 100.0), &[]).0, Some(3));
    assert_eq!(run(&limit("dgx-h100", 0.001), &[]).0, Some(0));
    // The ranks are on the usual machine, not on this one.
    let (code, told, _) = run(&limit("dgx-a100", 100.0), &[]);
    assert_eq!((code, told.contains("limits:")), (Some(0), false), "{told}");
}

#[test]
fn what_cannot_be_checked_is_said_and_fails_when_everything_must_be_sure() {
    let limit = "{case: 'gemm*', metric: tflops, at_least: 1}";
    let (code, told, _) = run(limit, &[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("tflops of gemm* was NOT CHECKED"), "{told}");
    assert_eq!(run(limit, &["--strict"]).0, Some(4));
}

#[test]
fn a_limit_that_makes_no_sense_stops_before_anything_is_measured() {
    let (code, told, folder) = run("{case: 'gemm*', metric: latency, at_least: 1}", &[]);
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.contains("limit 1 bounds latency by at_least") && told.trim().lines().count() == 1,
        "{told}"
    );
    assert!(!folder.path().join("results.json").exists());
}

#[test]
fn limits_come_from_a_fleet_and_find_its_sick_machine() {
    let (_, _, folder) = run("", &[]);
    let at = folder.path();
    let report = std::fs::read_to_string(at.join("results.json")).unwrap();
    let mut report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let busbw = report["cases"][0]["metrics"]["busbw_gbps"].as_f64().unwrap();
    std::fs::create_dir(at.join("fleet")).unwrap();
    for (machine, factor) in [1.0, 1.01, 0.99, 1.0, 0.7].into_iter().enumerate() {
        report["run"]["id"] = format!("machine-{machine}").into();
        report["cases"][0]["metrics"]["busbw_gbps"] = (busbw * factor).into();
        std::fs::write(at.join(format!("fleet/{machine}.json")), report.to_string()).unwrap();
    }
    let derived = program(at, &["analyze", "fleet", "--derive-limits", "derived.yaml"]);
    assert_eq!(derived.status.code(), Some(0), "{}", text(&derived.stderr));
    let checked = program(at, &["-c", "derived.yaml", "analyze", "fleet"]);
    let told = text(&checked.stdout);
    assert_eq!(checked.status.code(), Some(3), "{told}");
    assert!(told.contains("4 of 5 kept") && told.contains("(fleet/4.json)"), "{told}");
    let few = program(at, &["analyze", "fleet/0.json", "--derive-limits", "few.yaml"]);
    assert_eq!(few.status.code(), Some(2));
    assert!(text(&few.stderr).contains("no fleet"), "{}", text(&few.stderr));
}
