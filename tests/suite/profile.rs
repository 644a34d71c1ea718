//! `profile`: ranks under profilers. Scripts in `profilers/` stand in for those of GPUs, and for a perf with counters.

use std::process::Command;

use serde_json::Value;

use crate::cuda::{everything, with_libraries};
use crate::ranks::{Ended, Run, tesserabench};

const PROFILERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/profilers");
const SMALL: &str = "-b triad --problem-size {\"array\":\"4KiB\"} --iterations 4 --warmup 1";

fn path() -> String {
    format!("{PROFILERS}:{}", std::env::var("PATH").unwrap())
}

/// A profile under a profiler that is stood in for.
fn profile(words: &str) -> Run {
    tesserabench(&format!("profile {SMALL} {words}")).env("PATH", &path())
}

/// The same on the stand-in of a GPU.
fn on_standin(words: &str) -> Run {
    with_libraries(profile(&format!("--no-autotune {words}")), &[everything()])
}

/// The summary, which the published schema allows.
fn summary(ended: &Ended) -> Value {
    let summary: Value = serde_json::from_str(&ended.read("profile/profile.json")).unwrap();
    let schema = tesserabench("schema profile").passes().out;
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    assert!(validator.is_valid(&summary), "{summary:#}");
    summary
}

/// The report of a launch.
fn report(ended: &Ended, case: usize) -> Value {
    let text = ended.read(&format!("profile/case-{case}/results.json"));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn perf_counts_the_timed_rounds_of_chosen_ranks() {
    let ended = profile("-b barrier --backend host --ranks 2 --profile-ranks 1").passes();
    let summary = summary(&ended);
    let cases = summary["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2, "{summary:#}");
    for (place, case) in cases.iter().enumerate() {
        let ids = case["cases"].as_array().unwrap();
        let measured = report(&ended, place + 1);
        // Each launch measures its own cases, and says that its times hold the profiler.
        assert_eq!(measured["cases"].as_array().unwrap().len(), ids.len());
        assert_eq!(measured["cases"][0]["id"], ids[0]);
        assert_eq!(measured["cases"][0]["caveats"][0]["kind"], "profiled", "{measured:#}");
        let ranks = case["ranks"].as_array().unwrap();
        assert_eq!((ranks.len(), &ranks[0]["rank"]), (1, &Value::from(1)));
    }
    // The barrier is on both ranks, of which one was under perf.
    let both =
        cases.iter().position(|case| case["cases"][0].as_str().unwrap().starts_with("barrier"));
    let both = both.unwrap();
    let folder = format!("profile/case-{}", both + 1);
    assert!(!ended.path(&format!("{folder}/rank-0.csv")).exists());
    assert!(!ended.path(&format!("{folder}/rank-1.control")).exists());
    let commands = ended.read(&format!("{folder}/rank-1.csv.commands"));
    let commands: Vec<&str> = commands.lines().collect();
    assert!(commands.len() >= 2 && commands.len().is_multiple_of(2), "{commands:?}");
    assert!(commands.chunks(2).all(|pair| pair == ["enable", "disable"]), "{commands:?}");
    let seen = &cases[both]["ranks"][0];
    assert!(seen["seconds"].as_f64().unwrap() > 0.0);
    let counters = &seen["counters"];
    assert_eq!(counters["simd"]["bits_512_percent"], 50.0);
    assert_eq!(counters["caches"]["l1_percent"], 90.0);
    assert_eq!(counters["caches"]["last_percent"], Value::Null);
    assert_eq!(counters["memory_read_gbps"], Value::Null);
    let remarks = summary["remarks"].to_string();
    assert!(remarks.contains("lines from memory") && !remarks.contains("L2"), "{remarks}");
    // What perf says itself is in its log.
    assert!(!ended.err.contains("Events disabled"), "{}", ended.err);
    assert!(ended.read(&format!("{folder}/rank-1.log")).contains("Events disabled"));
}

#[test]
fn the_perf_of_this_machine_counts_what_there_is() {
    let ended = tesserabench(&format!("profile {SMALL} --backend host")).end();
    let has_perf = Command::new("perf").arg("--version").output().is_ok();
    match (has_perf, ended.code) {
        (false, code) => {
            assert_eq!(code, Some(6));
            assert!(ended.error().contains("perf is not on the PATH"), "{}", ended.err);
        }
        // Where perf may not count at all, it is said in a sentence.
        (true, Some(6)) if !ended.path("profile").exists() => {
            assert!(ended.error().contains("perf_event_paranoid"), "{}", ended.err);
        }
        (true, code) => {
            let summary = summary(&ended);
            let counters = &summary["cases"][0]["ranks"][0]["counters"];
            assert!(counters["cpu_seconds"].as_f64().unwrap() > 0.0, "{summary:#}");
            let has_none = counters["instructions"].is_null() && counters["cycles"].is_null();
            assert_eq!(code, Some(if has_none { 6 } else { 0 }), "{summary:#}");
            assert_eq!(ended.out.contains("no hardware counters"), has_none, "{}", ended.out);
        }
    }
}

#[test]
fn nsys_sees_ranges_of_each_case_and_phase() {
    let tool = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("nvtx_tool.so");
    let source = format!("{PROFILERS}/nvtx_tool.c");
    let flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"];
    let built = Command::new("cc").args(flags).arg(&tool).arg(source).status();
    assert!(built.unwrap().success());
    let ended = on_standin("").env("FAKE_NVTX", tool.to_str().unwrap()).passes();
    let summary = summary(&ended);
    let case = &summary["cases"][0];
    assert_eq!((&summary["profiler"], &summary["backend"]), (&"nsys".into(), &"cuda".into()));
    let kernels = case["ranks"][0]["kernels"].as_array().unwrap();
    assert_eq!(kernels[0]["name"], "void triad<float, 4>(float *)");
    assert_eq!((&kernels[0]["launches"], &kernels[0]["total_ms"]), (&9.into(), &9.0.into()));
    let words = ended.read("profile/case-1/rank-0.words");
    assert!(words.contains("--capture-range=cudaProfilerApi"), "{words}");
    assert_eq!(ended.read("profile/case-1/rank-0.driver"), "start\nstop\n");
    let ranges = ended.read("profile/case-1/rank-0.ranges");
    let id = case["cases"][0].as_str().unwrap();
    for phase in ["prepare", "verify", "warm-up", "timed"] {
        assert!(ranges.contains(&format!("push {id}: {phase}\n")), "{ranges}");
    }
    let of = |word: &str| ranges.lines().filter(|line| line.starts_with(word)).count();
    assert_eq!(of("push"), of("pop"), "{ranges}");
}

#[test]
fn ncu_runs_kernels_alone() {
    let ended = on_standin("--profiler ncu").passes();
    let summary = summary(&ended);
    let kernel = &summary["cases"][0]["ranks"][0]["kernels"][0];
    assert_eq!((&kernel["launches"], &kernel["sm_percent"]), (&2.into(), &15.0.into()));
    assert!(ended.read("profile/case-1/rank-0.words").contains("--profile-from-start=off"));
    let told = ended.read("profile/case-1/rank-0.driver");
    let told: Vec<&str> = told.lines().collect();
    assert!(!told.is_empty() && told.chunks(2).all(|pair| pair == ["start", "stop"]), "{told:?}");
    // Nothing held the stream back, for which events on the device would be read.
    let case = &report(&ended, 1)["cases"][0];
    assert_eq!((&case["outcome"], &case["device_time"]), (&"measured".into(), &Value::Null));
    assert_eq!(case["accuracy"]["wrong"], 0);
    let refused = on_standin("--profiler ncu -b all_reduce --ranks 2 --emulate-ranks").fails(2);
    assert!(refused.error().contains("wait for each other for ever"), "{}", refused.err);
}

#[test]
fn what_cannot_be_profiled_is_one_sentence() {
    let empty = tempfile::tempdir().unwrap();
    let missing = profile("--backend host").env("PATH", empty.path().to_str().unwrap()).fails(6);
    assert!(missing.error().contains("perf is not on the PATH; install perf"), "{}", missing.err);
    let forbidden = profile("--backend host").env("FAKE_FORBIDDEN", "1").fails(6);
    assert!(forbidden.error().contains("lets perf count nothing"), "{}", forbidden.err);
    let forbidden = on_standin("--profiler ncu").env("FAKE_FORBIDDEN", "1").fails(6);
    let remarks = summary(&forbidden)["remarks"].to_string();
    assert!(remarks.contains("only administrators"), "{remarks}");
    for (words, expected) in [
        ("--profiler nvprof", "CUDA 13 has it no more; use --profiler nsys"),
        ("--profiler vtune", "--profiler"),
        ("--backend host --profiler ncu", "this run measures CPUs"),
        ("--backend simulated", "there is nothing to profile"),
        ("--backend host --profile-ranks 3", "the ranks are 0 to 0"),
    ] {
        let refused = profile(words).fails(2);
        assert!(refused.error().contains(expected), "{words}: {}", refused.err);
        assert!(!refused.path("profile").exists());
    }
    let foreign = profile("--backend host").file("profile/thesis.tex", "x").fails(2);
    assert!(
        foreign.error().contains("'thesis.tex', which no finished profile has left"),
        "{}",
        foreign.err
    );
    let like_ours = profile("--backend host").file("profile/case-1/thesis.tex", "x").fails(2);
    assert!(like_ours.error().contains("'case-1'"), "{}", like_ours.err);
    assert!(like_ours.path("profile/case-1/thesis.tex").exists());
}

#[test]
fn a_case_that_fails_ends_it_and_is_told() {
    let wrong = "--backend host -b copy";
    let ended = profile(wrong).fault("wrong@0:verify").fails(5);
    let told = summary(&ended);
    let remarks = told["remarks"].to_string();
    assert!(remarks.contains("ended with 5") && remarks.contains("1 of 2 launches"), "{remarks}");
    let ended = profile(wrong).arg("--continue-on-error").fault("wrong@0:verify@copy*").fails(5);
    let exits: Vec<Value> = summary(&ended)["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| case["exit"].clone())
        .collect();
    assert_eq!(exits, [5, 0].map(Value::from));
    // What is there is replaced.
    let again = profile("--backend host").after(ended).passes();
    assert_eq!(summary(&again)["cases"].as_array().unwrap().len(), 1);
    assert!(!again.path("profile/case-2").exists());
}

#[test]
fn the_commands_can_be_printed() {
    let printed = profile("--backend host --ranks 2 --print-command").passes();
    assert!(printed.out.contains("under-profiler perf"), "{}", printed.out);
    assert!(!printed.path("profile").exists());
}
