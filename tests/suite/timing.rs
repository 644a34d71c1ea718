//! What one number means: clocks, starts, and when measuring stops.

use serde_json::Value;

use crate::ranks::{Ended, on_two_hosts, ranks, tesserabench};

/// The cases of a run's report.
fn cases(ended: &Ended) -> Vec<Value> {
    ended.report()["cases"].as_array().unwrap().clone()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

/// Whether a case carries this caveat.
fn carries(case: &Value, kind: &str) -> bool {
    case["caveats"].as_array().unwrap().iter().any(|caveat| caveat["kind"] == kind)
}

#[test]
fn a_clock_that_is_off_and_drifts_is_seen_and_allowed_for() {
    // A thousand seconds and two percent: no machine is as busy as that.
    for fault in ["clock/1000000000000/20000@1:join", "clock/-1000000000000/-20000@0:join"] {
        let words = "-b all_reduce -b barrier --problem-size bytes=1MiB --iterations 40";
        let ended = ranks(2, words).fault(fault).passes();
        let floors = &ended.report()["floors"];
        assert_eq!(floors["clocks"], 2);
        let drift = number(&floors["clock_drift_ppm"]);
        assert!((10_000.0..30_000.0).contains(&drift), "{floors}");
        for case in cases(&ended) {
            let skew = &case["skew"];
            let error = number(&skew["clock_error_ms"]);
            // The readings of every round cross the machine in both directions: the bound is real.
            assert!(error > 0.0, "{case:#}");
            // Uncorrected, ranks would seem to start a thousand seconds apart.
            assert!(number(&skew["entry_ms"]) < 100_000.0, "{case:#}");
            let global = if case["latency"]["definition"] == "slowest_rank" {
                "latency_local"
            } else {
                "latency"
            };
            let (global, local) = (&case[global], &case["latency_local"]);
            assert!(number(&global["median"]) < number(&local["median"]) + 100_000.0, "{case:#}");
        }
    }
}

#[test]
fn ranks_of_one_node_are_found_to_share_a_clock() {
    let ended = ranks(3, "-b barrier --iterations 10").passes();
    let report = ended.report();
    assert_eq!(report["floors"]["clocks"], 1);
    assert_eq!(report["cases"][0]["skew"]["clock_error_ms"], 0.0);
}

#[test]
fn a_sweep_has_one_definition_of_time() {
    // With a clock of its own and tiny sizes beside large ones, only the large ones bear the error.
    let words = "-b all_reduce --problem-size bytes=8,4MiB --batch 1 --iterations 30";
    // An MPI that yields would leave the cases out of comparisons, and so out of the rule.
    let run = ranks(2, words).env("OMPI_MCA_mpi_yield_when_idle", "0");
    let ended = run.fault("clock/1000000/50@1:join").passes();
    let cases = cases(&ended);
    let definition = |case: &Value| case["latency"]["definition"].clone();
    assert_eq!(definition(&cases[0]), definition(&cases[1]), "{cases:#?}");
    let local = definition(&cases[0]) == "slowest_rank";
    assert!(cases.iter().all(|case| carries(case, "local_times") == local), "{cases:#?}");
}

#[test]
fn every_protocol_measures_and_says_what_it_is() {
    for (protocol, batch) in [("synchronised", 1), ("barrier", 1), ("back-to-back", 20)] {
        let words = format!(
            "-b all_reduce --problem-size bytes=256KiB --iterations 10 --protocol {protocol}"
        );
        let ended = ranks(2, &words).passes();
        let case = &cases(&ended)[0];
        if !carries(case, "barrier_start") {
            assert_eq!(case["protocol"], protocol);
        }
        assert_eq!(case["batch"], batch);
        assert_eq!(carries(case, "batched"), batch > 1);
        assert_eq!(case["iterations"], 10);
    }
    let ended = ranks(2, "-b barrier --batch 7 --iterations 6").passes();
    assert_eq!(cases(&ended)[0]["batch"], 7);
}

#[test]
fn a_precision_target_is_met_or_said_to_be_missed() {
    let words = "run --backend simulated --topology dgx-h100 -b gemm --problem-size m=1024";
    let met = tesserabench(&format!("{words} --precision-target 1%")).passes();
    let case = &cases(&met)[0];
    assert_eq!(case["latency"]["target_met"], true);
    assert!(number(&case["latency"]["half_width_percent"]) <= 1.0);
    assert!(case["iterations"].as_u64().unwrap() >= 50);
    let missed =
        tesserabench(&format!("{words} --precision-target 0.0001% --iterations 200")).passes();
    let case = &cases(&missed)[0];
    assert_eq!((&case["latency"]["target_met"], &case["iterations"]), (&false.into(), &200.into()));
    assert!(carries(case, "target_missed"));
    assert!(
        missed.out.contains("the precision target of ± 0.0001 % was not met"),
        "{}",
        missed.out
    );
    let quantile = "--precision-target 5% --precision-quantile 0.999 --max-time 100s";
    let case = &cases(&tesserabench(&format!("{words} {quantile}")).passes())[0];
    assert!(case["latency"]["quantile_ci"]["p99.9"].is_array(), "{case:#}");
    assert!(case["iterations"].as_u64().unwrap() >= 3688);
}

#[test]
fn time_can_be_the_budget() {
    let words = "-b barrier --iterations 100000 --max-time 50ms";
    let case = &cases(&ranks(2, words).passes())[0];
    assert!(carries(case, "cut_short"), "{case:#}");
    // Virtual seconds: as many as asked for, whatever the machine does, less the untimed operation that each
    // block begins with.
    let words =
        "run --backend simulated -b gemm --problem-size m=4096 --iterations 10 --min-time 1s";
    let report = tesserabench(words).passes().report();
    let case = &report["cases"][0];
    let measured = number(&case["iterations"]) * number(&case["latency"]["mean"]) * 1e-3;
    assert!((0.95..1.1).contains(&measured), "{measured}");
}

#[test]
fn two_hosts_with_a_clock_each_keep_one_time() {
    if std::env::var("TESSERABENCH_MPI").is_ok_and(|mpi| mpi != "openmpi") {
        return;
    }
    let ended = on_two_hosts("-b all_reduce --problem-size bytes=4MiB --iterations 30").end();
    if ended.code == Some(6) && ended.err.contains("two-hosts: ") {
        eprintln!("not tried: {}", ended.err);
        return;
    }
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let report = ended.report();
    let hosts = report["environment"]["nodes"].as_array().unwrap().len();
    assert_eq!((hosts, &report["floors"]["clocks"]), (2, &2.into()));
    // The clocks are 1000 s apart, and a machine may stand still for seconds.
    let skew = &report["cases"][0]["skew"];
    let (entry, error) = (number(&skew["entry_ms"]), number(&skew["clock_error_ms"]));
    assert!(entry < 100_000.0 && error > 0.0, "{skew}");
}
