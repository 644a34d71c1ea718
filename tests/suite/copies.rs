//! Copies between host and GPU and within a GPU, and loads that wait for each other: on the stand-in, on CPUs, and where
//! they cannot be.

use serde_json::Value;

use crate::cuda::{all_right, cases, emulated, on_standin};
use crate::ranks::{Run, tesserabench};

const COPIES: [&str; 4] =
    ["host_to_device", "device_to_host", "host_device_bidirectional", "device_local_copy"];

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// What the rates say an operation moves, bytes.
fn moved(case: &Value, rate: &str) -> f64 {
    (number(&case["metrics"][rate]) * number(&case["latency"]["median"]) * 1e6).round()
}

#[test]
fn copies_are_compared_byte_by_byte_and_both_directions_count() {
    let words = format!(
        "--backend cuda -b {} --problem-size bytes=1,4096,100003 --problem-size memory=pinned,pageable \
         --problem-size engine=ce,sm",
        COPIES.join(",")
    );
    let ended = on_standin(&words).passes();
    let report = ended.report();
    crate::runs::validate(&report);
    let (measured, left): (Vec<&Value>, Vec<&Value>) =
        cases(&report).iter().partition(|case| case["outcome"] == "measured");
    // Of each of 3 sizes: 2 kinds of memory by 2 engines, twice; 2 engines, twice.
    assert_eq!((measured.len(), left.len()), (3 * (3 + 3 + 2 + 2), 3 * 2));
    for case in left {
        assert_eq!(case["outcome"], "skipped", "{case}");
        let reason = case["reason"].as_str().unwrap();
        assert!(reason.contains("reaches pinned memory only"), "{reason}");
    }
    for case in measured {
        let bytes = number(&case["problem"]["bytes"]);
        let ways = if case["benchmark"] == COPIES[2] { 2.0 } else { 1.0 };
        assert_eq!(case["accuracy"]["wrong"], 0, "{case}");
        // Once before it is timed, and once after.
        assert_eq!(number(&case["accuracy"]["checked"]), 2.0 * ways * bytes, "{case}");
        assert_eq!(moved(case, "algbw_gbps"), ways * bytes, "{case}");
        match case["benchmark"] == COPIES[3] {
            true => assert_eq!(moved(case, "gbps"), 2.0 * bytes, "{case}"),
            false => assert!(case["metrics"]["gbps"].is_null(), "{case}"),
        }
        // The host takes part in a copy of pageable memory, so its clock counts.
        let by_host = case["problem"]["memory"] == "pageable";
        assert_eq!(case["device_time"].is_null(), by_host, "{case}");
    }
}

#[test]
fn ranks_copy_at_once_and_their_bytes_add_up() {
    let report = emulated(2, "-b host_to_device --problem-size bytes=4KiB").passes().report();
    all_right(&report);
    assert_eq!(moved(&cases(&report)[0], "algbw_gbps"), 8192.0);
}

#[test]
fn a_copy_that_drops_bytes_is_found() {
    for benchmark in COPIES {
        let words = format!("--backend cuda -b {benchmark} --problem-size bytes=5000");
        let report = on_standin(&words).env("STANDIN_DROP", "1").fails(5).report();
        let accuracy = &cases(&report)[0]["accuracy"];
        let ways = if benchmark == COPIES[2] { 2 } else { 1 };
        assert_eq!(
            (&accuracy["wrong"], &accuracy["first_wrong"]["index"]),
            (&ways.into(), &4999.into())
        );
    }
}

#[test]
fn a_wrong_byte_is_found_before_and_while_it_is_timed() {
    for phase in ["verify", "measure"] {
        let words =
            format!("--continue-on-error -b {} --problem-size bytes=1000", COPIES.join(","));
        let report = on_standin(&words).fault(&format!("wrong@0:{phase}")).fails(5).report();
        assert_eq!(cases(&report).len(), COPIES.len());
        for case in cases(&report) {
            assert_eq!(case["accuracy"]["wrong"], 1, "{phase} {case}");
        }
    }
}

/// These edits of the kernel's source, by sed.
#[test]
fn a_kernel_that_copies_wrongly_is_found() {
    for (benchmark, wrong, edit) in [
        (COPIES[0], "leaves out the rest", "s/rest < bytes/rest < 0/"),
        (COPIES[1], "leaves out vectors", "s/i < IN_FLIGHT/i < IN_FLIGHT - 1/"),
        (COPIES[2], "copies one way only", "s/is_back = .*/is_back = false;/"),
        (COPIES[3], "writes nothing", "s/vectors = bytes/vectors = 0 * bytes/"),
    ] {
        let words = format!("-b {benchmark} --problem-size bytes=70003 --problem-size engine=sm");
        let ended = on_standin(&words).env("STANDIN_SED", edit).end();
        assert_eq!(ended.code, Some(5), "{benchmark} {wrong}\n{}", ended.err);
    }
}

#[test]
fn memory_that_cannot_be_had_is_one_sentence() {
    let words = "-b host_to_device --problem-size bytes=64,1MiB --backend cuda";
    let reason = |variable: &str, value: &str, case: usize| {
        let report = on_standin(words).env(variable, value).end().report();
        cases(&report)[case]["reason"].as_str().unwrap().to_owned()
    };
    let told = reason("STANDIN_MEMORY", "200000", 1);
    assert!(told.contains("1048576 bytes") && told.contains("smaller problem"), "{told}");
    // Out of memory.
    let told = reason("STANDIN_FAIL", "cuMemHostRegister_v2:1:2", 0);
    assert!(told.contains("64 bytes of memory are not to be pinned"), "{told}");
}

#[test]
fn without_a_gpu_copies_are_skipped_and_say_why() {
    let words = format!(
        "run -b {} -b copy --problem-size bytes=64 --problem-size array=64 --quick",
        COPIES.join(",")
    );
    for (backend, told) in [("host", "has no GPU's memory"), ("simulated", "are not modelled")] {
        let report = tesserabench(&format!("{words} --backend {backend}")).passes().report();
        let reasons: Vec<&str> =
            cases(&report).iter().filter_map(|case| case["reason"].as_str()).collect();
        assert_eq!(reasons.len(), COPIES.len());
        assert!(reasons.iter().all(|reason| reason.contains(told)), "{reasons:?}");
    }
}

#[test]
fn sizes_of_nvbandwidth_have_its_name() {
    let ended =
        tesserabench("run -b h2d --problem-size nvbandwidth --backend host --dry-run").passes();
    assert!(ended.out.contains("host_to_device/bytes=536870912/"), "{}", ended.out);
    let ended = tesserabench("run -b h2d --problem-size bytes=0 --backend host").fails(2);
    assert!(ended.error().contains("bytes=0 leaves nothing to do"), "{}", ended.err);
}

#[test]
fn a_chain_of_loads_is_walked_and_each_load_has_a_time() {
    let words = "-b pointer_chase --problem-size array=8,4KiB,1MiB --problem-size stride=1,32";
    let host = tesserabench(&format!("run --backend host --iterations 4 --warmup 1 {words}"));
    let refused = |run: Run| run.fails(2).error().to_owned();
    assert!(refused(host).contains("'accesses' is 0"));
    let words = "-b pointer_chase --problem-size array=4KiB,1MiB --problem-size stride=1,32";
    let host = tesserabench(&format!("run --backend host --iterations 4 --warmup 1 {words}"));
    for run in [host, on_standin(&format!("--backend cuda {words}"))] {
        let ended = run.passes();
        let report = ended.report();
        crate::runs::validate(&report);
        all_right(&report);
        assert_eq!(cases(&report).len(), 4);
        for case in cases(&report) {
            let places =
                number(&case["problem"]["array"]) / 4.0 / number(&case["problem"]["stride"]);
            assert_eq!(number(&case["counts"]["dependent_accesses"]), places - 1.0);
            let one = number(&case["metrics"]["ns_per_access"]);
            let all = 1e6 * number(&case["latency"]["median"]);
            assert!((one * (places - 1.0) / all - 1.0).abs() < 1e-9, "{case}");
            assert!(case["metrics"]["gbps"].is_null() && case["metrics"]["tflops"].is_null());
        }
        assert!(ended.out.contains(" ns"), "{}", ended.out);
    }
    let model = tesserabench(&format!("run --backend simulated -b copy {words} --quick"));
    let report = model.passes().report();
    let reasons: Vec<&str> =
        cases(&report).iter().filter_map(|case| case["reason"].as_str()).collect();
    assert_eq!(reasons.len(), 4);
    assert!(reasons[0].contains("is not modelled"), "{reasons:?}");
}
