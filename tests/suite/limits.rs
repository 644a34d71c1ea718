//! Limits: what a run, and an analysis of several, ends in when figures are not as good as they must be.

use serde_json::Value;

use crate::ranks::{Run, ranks, tesserabench};

/// Two ranks of a described machine that exchange 1 MiB under these limits.
fn limited(limits: &str, more: &str) -> Run {
    let words = "-c limits.yaml --backend simulated -b all_reduce --problem-size bytes=1MiB --iterations 20";
    ranks(2, &format!("{words} {more}")).file("limits.yaml", &format!("limits: [{limits}]\n"))
}

const TOO_FAST: &str = "{case: 'all_reduce*', metric: busbw_gbps, at_least: 100000}";

#[test]
fn a_limit_that_is_broken_ends_with_its_code_and_says_by_how_much() {
    let ended = limited(TOO_FAST, "").fails(3);
    let told = &ended.out;
    assert!(told.contains("0 of 1 kept") && told.contains("is below 100000 GB/s by"), "{told}");
    tesserabench("verdict results.json").after(ended).fails(3);
    let kept = limited("{case: 'all_reduce*', metric: busbw_gbps, at_least: 0.001}", "").passes();
    assert!(kept.out.contains("1 of 1 kept"), "{}", kept.out);
}

#[test]
fn of_several_launches_all_are_held_against_it() {
    let ended = limited(TOO_FAST, "--launches 2").fails(3);
    assert!(ended.path("results.launches/2.json").exists(), "the second launch was made");
    assert!(ended.out.contains("BROKEN limit 1"), "{}", ended.out);
}

#[test]
fn a_share_of_a_ceiling_is_of_the_machine_it_names() {
    let limit = |machine: &str, percent: f64| {
        format!(
            "{{case: '*', metric: busbw_gbps, topology: {machine}, percent_of_ceiling: {percent}}}"
        )
    };
    limited(&limit("dgx-h100", 100.0), "").fails(3);
    limited(&limit("dgx-h100", 0.001), "").passes();
    // The ranks are on the usual machine, not on this one.
    let other = limited(&limit("dgx-a100", 100.0), "").passes();
    let why = "NOT CHECKED: it does not apply: this machine is not dgx-a100";
    assert!(other.out.contains(why), "{}", other.out);
    assert!(other.out.contains("0 failed; limits: 1 not checked"), "{}", other.out);
    limited(&limit("dgx-a100", 100.0), "--strict").fails(4);
}

#[test]
fn what_cannot_be_checked_is_said_and_fails_when_everything_must_be_sure() {
    let limit = "{case: 'gemm*', metric: tflops, at_least: 1}";
    let told = limited(limit, "").passes().out;
    assert!(told.contains("tflops of gemm* was NOT CHECKED"), "{told}");
    limited(limit, "--strict").fails(4);
}

#[test]
fn a_limit_that_makes_no_sense_stops_before_anything_is_measured() {
    let ended = limited("{case: 'gemm*', metric: latency, at_least: 1}", "").fails(2);
    assert!(ended.error().contains("limit 1 bounds latency by at_least"), "{}", ended.err);
    assert!(!ended.path("results.json").exists());
}

#[test]
fn limits_come_from_a_fleet_and_find_its_sick_machine() {
    let mut report: Value = limited("", "").passes().report();
    let busbw = report["cases"][0]["metrics"]["busbw_gbps"].as_f64().unwrap();
    let mut run = tesserabench("analyze fleet --derive-limits derived.yaml");
    for (machine, factor) in [1.0, 1.01, 0.99, 1.0, 0.7].into_iter().enumerate() {
        report["run"]["id"] = format!("machine-{machine}").into();
        report["cases"][0]["metrics"]["busbw_gbps"] = (busbw * factor).into();
        run = run.file(&format!("fleet/{machine}.json"), &report.to_string());
    }
    let derived = run.passes();
    let checked = tesserabench("-c derived.yaml analyze fleet").after(derived).fails(3);
    assert!(checked.out.contains("4 of 5 kept"), "{}", checked.out);
    assert!(checked.out.contains("(fleet/4.json)"), "{}", checked.out);
    let few = tesserabench("analyze fleet/0.json --derive-limits few.yaml").after(checked);
    let few = few.fails(2);
    assert!(
        few.error().contains("it takes 3 reports of a case") && few.out.is_empty(),
        "{}",
        few.err
    );
}
