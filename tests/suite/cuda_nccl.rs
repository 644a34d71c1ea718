//! What NCCL and the driver do on request: registered buffers, and operations that were captured into a CUDA graph. On the
//! stand-in, whose NCCL and driver refuse what the real ones leave undefined.

use serde_json::Value;

use crate::cuda::{all_right, cases, emulated, on_standin, standin, with_libraries};
use crate::cuda_exchanges::{COLLECTIVES, MESSAGES, is_exchanged_in_place, right_but};
use crate::ranks::{Run, ranks, tesserabench};

const SUM: &str = "-b all_reduce --problem-size bytes=4004";

/// The reason why each case was left out.
fn reasons(report: &Value) -> Vec<&str> {
    let left_out = cases(report).iter().filter(|case| case["outcome"] != "measured");
    let reasons = left_out.map(|case| case["reason"].as_str().unwrap());
    reasons.inspect(|reason| assert!(!reason.contains('\n'), "{reason}")).collect()
}

fn all_say(report: &Value, count: usize, told: &str) {
    let reasons = reasons(report);
    assert_eq!(reasons.len(), count, "{reasons:?}");
    reasons.iter().for_each(|reason| assert!(reason.contains(told), "no '{told}' in {reason}"));
}

// ---- Registered buffers

#[test]
fn every_pattern_is_right_in_registered_buffers() {
    for n in [1, 2, 4] {
        let messages =
            if n > 1 { format!("{MESSAGES} --problem-size window=2") } else { String::new() };
        let words = format!(
            "{COLLECTIVES} {messages} --problem-size bytes=1004 --problem-size placement=out,in \
             --problem-size registered=local,symmetric"
        );
        let ended = emulated(n, &words).env("STANDIN_NCCL_TELLS", "1").passes();
        let report = ended.report();
        crate::runs::validate(&report);
        let in_place = cases(&report).iter().filter(|case| is_exchanged_in_place(case)).count();
        right_some(&report, in_place);
        // Of the window's buffers each is registered by itself.
        assert!(ended.err.contains("local buffer of") && ended.err.contains("symmetric buffer of"));
    }
}

/// As [`right_but`]; the root of a broadcast to nobody gets nothing that could be compared.
fn right_some(report: &Value, skipped: usize) {
    let alone = |case: &&Value| case["group_size"] == 1 && case["benchmark"] == "broadcast";
    let compared: Vec<Value> = cases(report).iter().filter(|case| !alone(case)).cloned().collect();
    right_but(&serde_json::json!({ "cases": compared }), skipped);
}

#[test]
fn calls_use_the_buffers_that_were_registered() {
    for how in ["local", "symmetric"] {
        let words = format!("{SUM} --problem-size registered={how} --problem-size offset=64");
        let ended = emulated(2, &words).env("STANDIN_NCCL_TELLS", "1").passes();
        let report = ended.report();
        all_right(&report);
        let id = cases(&report)[0]["id"].as_str().unwrap();
        assert!(id.contains(&format!("registered={how}")), "{id}");
        assert_eq!(cases(&report)[0]["problem"]["registered"], how);
        let used = format!("stand-in: {how} buffer of 4068 bytes, used by ");
        let calls =
            ended.err.lines().filter_map(|line| line.split_once(&used)?.1.split(' ').next());
        let calls: Vec<u32> = calls.map(|calls| calls.parse().unwrap()).collect();
        // Input and output on two ranks.
        assert!(calls.len() == 4 && calls.iter().all(|calls| *calls > 4), "{}", ended.err);
    }
}

#[test]
fn an_nccl_that_registers_nothing_leaves_the_case_out() {
    let words = format!("{SUM} --problem-size registered=none,local,symmetric");
    for (flag, count, told) in [
        ("-DWITHOUT_REGISTER", 2, "came with version 2."),
        ("-DWITHOUT_WINDOWS", 1, "has no ncclCommWindowRegister, which came with version 2.27"),
    ] {
        let folder = standin(&format!("standin{flag}"), &[flag]);
        let words = format!("run --backend cuda --iterations 4 --no-autotune {words}");
        let report = with_libraries(tesserabench(&words), &[&folder]).passes().report();
        all_say(&report, count, told);
        assert_eq!(report["summary"]["measured"], 3 - count);
    }
    let report = emulated(2, &words).env("STANDIN_NCCL_REGISTERS", "0").passes().report();
    all_say(&report, 2, "NCCL has not registered the buffers as registered=");
}

#[test]
fn memory_that_nccl_still_knows_is_not_given_back() {
    for (how, call) in [("local", "ncclCommDeregister"), ("symmetric", "ncclCommWindowDeregister")]
    {
        let words = format!("{SUM} --problem-size registered={how}");
        let ended = emulated(2, &words).env("STANDIN_FAIL", &format!("{call}@1")).passes();
        let told = "cannot take registered memory back, which therefore stays: NCCL says";
        assert!(ended.err.contains(told), "{}", ended.err);
        assert!(!ended.err.contains("freed while"), "{}", ended.err);
        // Memory that is freed while it is registered is found.
        let ended = emulated(2, &words).env("STANDIN_NCCL_KEEPS", "1").passes();
        assert!(
            ended.err.contains("4004 bytes were freed while they are registered"),
            "{}",
            ended.err
        );
    }
}

#[test]
fn a_registration_that_fails_on_one_rank_is_one_sentence() {
    for (how, call) in [
        ("local", "ncclMemAlloc"),
        ("local", "ncclCommRegister"),
        ("symmetric", "ncclCommWindowRegister"),
    ] {
        let words = format!("{SUM} --problem-size registered={how}");
        let ended = emulated(2, &words).env("STANDIN_FAIL", &format!("{call}@1")).fails(7);
        assert!(
            ended.err.contains("NCCL says") && !ended.err.contains("panicked"),
            "{}",
            ended.err
        );
    }
    for how in ["local", "symmetric"] {
        // Room for one buffer, but not for two.
        let words = format!("{SUM} --problem-size registered=none,{how}");
        let run = emulated(2, &words).env("STANDIN_NCCL_BYTES", "1073734000@1");
        all_say(&run.fails(7).report(), 2, "");
        let words =
            format!("-b all_reduce --problem-size bytes=4KiB --problem-size registered={how}");
        let run = emulated(2, &words).env("STANDIN_NCCL_BYTES", "1073736000@1");
        all_say(&run.fails(7).report(), 1, "Failed to CUDA malloc 4096 bytes");
    }
}

// ---- Graphs

#[test]
fn every_pattern_is_right_as_a_graph() {
    for n in [1, 2, 4] {
        let messages =
            if n > 1 { format!("{MESSAGES} --problem-size window=2") } else { String::new() };
        let words = format!(
            "{COLLECTIVES} {messages} --problem-size bytes=1004 --problem-size placement=out,in \
             --problem-size graph=3 --problem-size root=rotate"
        );
        let report = emulated(n, &words).passes().report();
        let in_place = cases(&report).iter().filter(|case| is_exchanged_in_place(case)).count();
        right_some(&report, in_place);
        for case in cases(&report).iter().filter(|case| case["outcome"] == "measured") {
            let each = match case["benchmark"].as_str().unwrap() {
                "latency" | "bandwidth" | "bidirectional" | "incast" | "outcast" => 2,
                _ => 1,
            };
            assert_eq!(case["counts"]["operations_per_run"], 3 * each, "{case}");
            assert!(case["device_time"]["median"].as_f64().unwrap() > 0.0, "{case}");
        }
    }
}

#[test]
fn kernels_are_right_as_a_graph() {
    let words = "--backend cuda -b copy,triad,gemm,layer_norm,adamw,launch_latency,launch_throughput \
                 --problem-size array=1000 --problem-size m=16 --problem-size graph=none,1,5";
    let run = on_standin(words).arg("--problem-size").arg(r#"{"rows":3,"cols":100}"#);
    let report = run.arg("--problem-size=parameters=1003").passes().report();
    assert_eq!(report["summary"]["measured"], 7 * 3);
    for case in cases(&report) {
        let checks = !case["benchmark"].as_str().unwrap().starts_with("launch");
        assert_eq!(case["accuracy"]["wrong"].as_u64(), checks.then_some(0), "{case}");
        let runs = case["problem"]["graph"].as_u64().unwrap_or(1);
        assert_eq!(case["counts"]["operations_per_run"], runs, "{case}");
    }
}

#[test]
fn a_wrong_element_of_a_graph_is_found() {
    for (words, rank) in [(SUM, 1), ("-b copy --problem-size array=1000", 0)] {
        for phase in ["verify", "measure"] {
            let run = emulated(2, words).arg("--problem-size=graph=3").arg("--continue-on-error");
            let report = run.fault(&format!("wrong@{rank}:{phase}")).fails(5).report();
            assert!(cases(&report)[0]["accuracy"]["wrong"].as_u64() > Some(0), "{report}");
        }
    }
}

#[test]
fn what_cannot_be_captured_is_one_sentence_and_the_stream_goes_on() {
    let told =
        "cannot capture a CUDA graph: operation failed due to a previous error during capture";
    // The second operation of the first graph.
    let run =
        |words: &str| on_standin(words).arg("--continue-on-error").env("STANDIN_CAPTURE", "2");
    let report =
        run("--backend cuda -b copy,triad --problem-size array=1000 --problem-size graph=3")
            .fails(7)
            .report();
    assert!(cases(&report)[0]["error"]["detail"].as_str().unwrap().contains(told), "{report}");
    assert_eq!(cases(&report)[1]["accuracy"]["wrong"], 0, "{report}");
    let words = format!("{SUM} --problem-size graph=3");
    let ended = emulated(2, &words).env("STANDIN_CAPTURE", "2@1").fails(7);
    assert!(ended.err.contains(told), "{}", ended.err);
}

#[test]
fn graphs_of_registered_buffers() {
    let words = format!(
        "{SUM} --problem-size graph=4 --problem-size registered=local,symmetric \
         --problem-size aggregate=2 --problem-size placement=out,in"
    );
    let report = emulated(2, &words).passes().report();
    all_right(&report);
    for case in cases(&report) {
        assert_eq!(case["counts"]["operations_per_run"], 8, "{case}");
    }
}

#[test]
fn an_error_within_a_graph_that_nccl_reports_late_ends_the_job() {
    // Verified alone, then captured twice; the graph's second one fails.
    let words = format!("{SUM} --problem-size graph=2");
    let ended = emulated(2, &words).env("STANDIN_NCCL_ERROR", "3").end();
    assert_eq!(ended.code, Some(7), "{}", ended.err);
    assert!(ended.err.contains("NCCL says"), "{}", ended.err);
}

// ---- Communicators and memory

#[test]
fn a_communicator_is_split_again_and_again() {
    for n in [1, 2, 4] {
        let words = "-b comm_init --problem-size by=id,split";
        let ended = emulated(n, words).env("STANDIN_NCCL_TELLS", "1").passes();
        let report = ended.report();
        all_right(&report);
        assert_eq!(cases(&report)[1]["problem"]["by"], "split");
        for case in cases(&report) {
            assert!(case["latency"]["median"].as_f64().unwrap() > 0.0, "{case}");
        }
        assert!(!ended.err.contains("aborted"), "{}", ended.err);
    }
    let words = "-b comm_init --mesh tp=2,dp=2 --axis tp --axis dp --problem-size by=split";
    all_right(&emulated(4, words).passes().report());
    let split = "-b comm_init --problem-size by=split";
    let report = emulated(2, split).fault("wrong@1:verify").fails(5).report();
    assert_eq!(cases(&report)[0]["accuracy"]["first_wrong"]["rank"], 1, "{report}");
    let ended = emulated(2, split).env("STANDIN_FAIL", "ncclCommSplit@1").fails(7);
    assert!(ended.err.contains("cannot split a communicator: NCCL says"), "{}", ended.err);
    let folder = standin("standin-without-split", &["-DWITHOUT_SPLIT"]);
    let words = format!("run --backend cuda --iterations 4 {split}");
    let report = with_libraries(tesserabench(&words), &[&folder]).fails(7).report();
    all_say(&report, 1, "has no ncclCommSplit, which came with version 2.18");
    let report = ranks(2, &format!("--backend host {split}")).fails(7).report();
    all_say(&report, 1, "by=split is for communicators that NCCL makes, which the host backend");
}

#[test]
fn memory_of_the_device_is_told_for_each_rank() {
    const MIB: u64 = 1 << 20;
    let words = "-b copy -b all_reduce --problem-size array=1MiB --problem-size bytes=2MiB";
    let run = emulated(2, words).env("STANDIN_NCCL_BYTES", "3145728@1");
    let report = run.env("STANDIN_NCCL_LATE_BYTES", "1048576@1").passes().report();
    crate::runs::validate(&report);
    let device = |case: usize, rank: usize, key: &str| {
        cases(&report)[case]["memory"][rank]["device"][key].as_u64().unwrap()
    };
    for rank in [0, 1] {
        let nccl = 4 * MIB * rank as u64;
        // Input and output; two arrays, with the communicator still there.
        for (case, taken) in [(0, 4 * MIB + nccl), (1, 2 * MIB)] {
            assert_eq!(device(case, rank, "total_bytes"), 1 << 30);
            let grown = device(case, rank, "used_bytes") - device(case, rank, "used_before_bytes");
            assert_eq!((grown, device(case, rank, "nccl_bytes")), (taken, nccl), "{case} {rank}");
        }
    }
    let host = ranks(2, "--backend host -b copy --problem-size array=1MiB").passes().report();
    assert!(cases(&host)[0]["memory"][0]["device"].is_null(), "{host}");
}

// ---- Where there is none

#[test]
fn other_backends_leave_it_out_with_the_reason() {
    let sizes = "--problem-size bytes=64 --problem-size array=1KiB --problem-size graph=3";
    let graph = |backend: &str| {
        format!("graph=3 is a CUDA graph, which the {backend} backend has not; leave it out")
    };
    for backend in ["host", "simulated"] {
        let words = format!("--backend {backend} -b all_reduce -b copy {sizes}");
        let report = ranks(2, &words).fails(7).report();
        all_say(&report, 2, &graph(backend));
        let words = format!("--backend {backend} {SUM} --problem-size registered=none,local");
        let report = ranks(2, &words).passes().report();
        let told = format!("registered=local is for buffers that NCCL uses, which the {backend}");
        all_say(&report, 1, &told);
    }
    let words = format!("run --backend host -b all_reduce,copy {sizes} --dry-run");
    let listed = tesserabench(&words).passes().out;
    assert!(listed.contains("is a CUDA graph"), "{listed}");
}

#[test]
fn what_is_no_registration_and_no_graph_is_refused() {
    let says = |size: &str, told: &str| {
        let run: Run = on_standin(&format!("{SUM} --problem-size {size}"));
        let ended = run.fails(2);
        assert!(ended.error().contains(told), "{}", ended.err);
    };
    says("registered=all", "registered=all is not possible");
    says("graph=0", "graph=0 is not between 1 and 1000");
    says("graph=1001", "graph=1001 is not between 1 and 1000");
    says("graph=some", "graph=some is not possible");
}

// ---- NVIDIA's headers

/// The real library has every function that is looked up, and its header gives them the types that they are called with.
#[test]
fn the_real_nccl_declares_what_is_called() {
    let library = crate::cuda::wheel("nccl/lib").join("libnccl.so.2");
    let listed =
        std::process::Command::new("nm").args(["-D", "--defined-only"]).arg(library).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let nccl = &tesserabench::machine::nvidia::NCCL;
    let newer = nccl.newer.iter().map(|(symbol, _)| symbol);
    for symbol in nccl.symbols.iter().chain(newer) {
        assert!(
            listed.lines().any(|line| line.split(' ').next_back() == Some(*symbol)),
            "{symbol}"
        );
    }
    let header = crate::cuda::wheel("nccl/include");
    let compiled = std::process::Command::new("cc")
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"])
        .args(["-Itests/suite/headers", "-I"])
        .arg(header)
        .arg("tests/suite/headers/nccl.c")
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
}
