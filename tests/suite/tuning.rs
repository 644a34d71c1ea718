//! The search for the fastest form of a kernel, and what is kept of it.

use serde_json::Value;

use crate::cuda::{all_right, cases, everything, with_libraries};
use crate::ranks::{Run, ranks, tesserabench};

const TRANSPOSE: &str =
    "--backend host transpose --problem-size rows=300 --problem-size cols=200 --iterations 20";

fn tuning(report: &Value) -> &Value {
    &cases(report)[0]["tuning"]
}

/// With a cache that stays.
fn cached(run: Run, folder: &std::path::Path) -> Run {
    run.env("TESSERABENCH_CACHE_DIR", folder.to_str().unwrap())
}

#[test]
fn a_form_is_searched_once_and_kept_for_the_device_and_the_problem() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &str| {
        let report = cached(tesserabench(&format!("run {words}")), folder.path()).passes().report();
        crate::runs::validate(&report);
        all_right(&report);
        report
    };
    let first = run(TRANSPOSE);
    let searched = tuning(&first);
    assert_eq!((&searched["by"], &searched["tried"]), (&"search".into(), &4.into()));
    assert!(searched["seconds"].as_f64().unwrap() > 0.0, "{searched}");
    assert!(searched["best_ms"].as_f64() <= searched["default_ms"].as_f64(), "{searched}");
    let second = run(TRANSPOSE);
    let kept = tuning(&second);
    assert_eq!((&kept["by"], &kept["choice"]), (&"cache".into(), &searched["choice"]));
    assert_eq!(kept["seconds"], 0.0);
    assert_eq!(tuning(&run(&TRANSPOSE.replace("300", "301")))["by"], "search");
    assert_eq!(tuning(&run(&format!("{TRANSPOSE} -p f64")))["by"], "search");
    // What is damaged is searched anew.
    for entry in std::fs::read_dir(folder.path().join("tuning")).unwrap() {
        std::fs::write(entry.unwrap().path(), "tesserabench cache 1\nrubbish").unwrap();
    }
    assert_eq!(tuning(&run(TRANSPOSE))["by"], "search");
}

#[test]
fn without_a_search_the_first_form_is_taken_and_that_is_said() {
    for words in [
        format!("run {TRANSPOSE} --no-autotune"),
        format!("run {TRANSPOSE} --quick"),
        format!("run {TRANSPOSE} --config c.yaml"),
    ] {
        let ended = tesserabench(&words).file("c.yaml", "autotuning_enabled: false").passes();
        let report = ended.report();
        let tuning = tuning(&report);
        assert_eq!(tuning["by"], "default", "{words}");
        assert_eq!(tuning["choice"]["tile"], 16, "{words}");
    }
    // This one has one form on CPUs.
    let report = tesserabench("run --backend host gelu --problem-size small").passes().report();
    assert_eq!(tuning(&report), &Value::Null);
}

#[test]
fn a_cache_that_is_not_ones_own_is_not_used_and_nothing_fails() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    for _ in 0..2 {
        let run = cached(tesserabench(&format!("run {TRANSPOSE}")), folder.path());
        let ended = run.passes();
        assert_eq!(tuning(&ended.report())["by"], "search");
        assert!(ended.err.contains("forms are searched anew each time"), "{}", ended.err);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn ranks_search_each_for_themselves() {
    let report = ranks(2, TRANSPOSE).passes().report();
    all_right(&report);
    assert_eq!(tuning(&report)["combinations"], 4);
}

#[test]
fn forms_for_gpus_are_compiled_and_right_whichever_is_chosen() {
    let words = "run --iterations 4 --warmup 1 --backend cuda rope --problem-size tokens=3 --problem-size heads=5 \
                 --problem-size pairs=7";
    let report = with_libraries(tesserabench(words), &[everything()]).passes().report();
    all_right(&report);
    let tuning = tuning(&report);
    assert_eq!((&tuning["by"], &tuning["tried"]), (&"search".into(), &3.into()), "{tuning}");
}

#[test]
fn algorithms_of_cublaslt_are_timed_and_the_chosen_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let run = |words: &str| {
        let words = format!(
            "run --iterations 4 --warmup 1 --backend cuda gemm --problem-size m=24 {words}"
        );
        let run = with_libraries(tesserabench(&words), &[everything()]);
        let report = cached(run, folder.path()).passes().report();
        all_right(&report);
        tuning(&report).clone()
    };
    let numbers = |tuning: &Value| {
        let choice = &tuning["choice"];
        (choice["candidate"].as_u64().unwrap(), choice["algorithm"].as_u64().unwrap())
    };
    let first = run("--no-autotune");
    assert_eq!((numbers(&first), &first["by"]), ((0, 60), &"default".into()), "{first}");
    // One of the three that are offered refuses to run.
    let searched = run("");
    assert_eq!(
        (&searched["tried"], &searched["combinations"]),
        (&2.into(), &3.into()),
        "{searched}"
    );
    let (candidate, algorithm) = numbers(&searched);
    assert!(candidate != 1 && algorithm == 60 + candidate, "{searched}");
    let kept = run("");
    assert_eq!((numbers(&kept), &kept["by"]), ((candidate, algorithm), &"cache".into()), "{kept}");
}
