//! Every pattern by NCCL, on ranks that share the one GPU of the stand-in.

use serde_json::Value;

use crate::cuda::{all_right, cases, emulated, on_standin, with_libraries};
use crate::ranks::tesserabench;

/// Every pattern that moves data between all ranks.
pub(crate) const COLLECTIVES: &str = "-b all_reduce -b all_gather -b all_gatherv -b reduce_scatter -b reduce_scatterv \
                           -b broadcast -b reduce -b gather -b gatherv -b scatter -b scatterv -b alltoall -b alltoallv -b sendrecv \
                           -b hypercube";

/// Every pattern of messages.
pub(crate) const MESSAGES: &str = "-b latency -b bandwidth -b bidirectional -b incast -b outcast";

pub(crate) fn is_exchanged_in_place(case: &Value) -> bool {
    let id = case["id"].as_str().unwrap();
    let exchanges =
        ["alltoall", "sendrecv", "reduce_scatterv"].iter().any(|name| id.starts_with(name));
    exchanges && id.contains("placement=in")
}

/// What ran is right and compared; `skipped` cases were skipped, each with a reason.
pub(crate) fn right_but(report: &Value, skipped: usize) {
    let (ran, left_out): (Vec<Value>, Vec<Value>) =
        cases(report).iter().cloned().partition(|case| case["outcome"] == "measured");
    all_right(&serde_json::json!({ "cases": ran }));
    assert_eq!(left_out.len(), skipped);
    for case in left_out {
        assert_eq!(case["outcome"], "skipped", "{case}");
        assert!(case["reason"].as_str().unwrap().len() > 20, "{case}");
    }
}

#[test]
fn every_collective_in_and_out_of_place() {
    for n in [2, 3, 4] {
        // An odd count, and one of several pieces and letters of the stand-in.
        let words = format!(
            "{COLLECTIVES} --problem-size bytes=1004,300012 --problem-size placement=out,in"
        );
        let report = emulated(n, &words).passes().report();
        crate::runs::validate(&report);
        let in_place = cases(&report).iter().filter(|case| is_exchanged_in_place(case)).count();
        assert_eq!(in_place, 4 * 2);
        // Three ranks are no hypercube.
        right_but(&report, in_place + if n == 3 { 4 } else { 0 });
        assert_eq!(cases(&report).len(), 15 * 2 * 2);
    }
}

#[test]
fn every_message_between_pairs_and_at_one_port() {
    for n in [2, 3, 4] {
        let words = format!("{MESSAGES} --problem-size bytes=4,20004 --problem-size window=1,5");
        let report = emulated(n, &words).passes().report();
        all_right(&report);
        assert_eq!(cases(&report).len(), 2 + 4 * 2 * 2);
    }
}

#[test]
fn nothing_and_one_element() {
    let words = format!(
        "{COLLECTIVES} {MESSAGES} --problem-size bytes=0,4 --problem-size placement=out,in"
    );
    let report = emulated(2, &words).passes().report();
    for case in cases(&report).iter().filter(|case| !is_exchanged_in_place(case)) {
        // One element is not one for each of two ranks.
        let moves_nothing =
            case["reason"].as_str().is_some_and(|reason| reason.contains("nothing would move"));
        assert_eq!(case["outcome"] == "measured", !moves_nothing, "{case}");
        assert!(!moves_nothing || case["problem"]["bytes"] == 4, "{case}");
        assert!(case["accuracy"]["wrong"].as_u64().unwrap_or(0) == 0, "{case}");
    }
    let checked =
        cases(&report).iter().filter(|case| case["accuracy"]["checked"].as_u64() > Some(0));
    // Whole buffers of one element: all_reduce, broadcast, reduce, sendrecv, alltoallv, messages.
    assert!(checked.count() >= 3 * 2 + 1 + 5);
}

#[test]
fn every_operator_in_every_type() {
    let types =
        ["f32", "f64", "f16", "bf16", "fp8e4m3", "fp8e5m2", "i8", "i32", "i64", "u8", "u32", "u64"];
    let types = types.map(|name| format!("-p{name}")).join(" ");
    let words = format!(
        "-b all_reduce -b reduce -b reduce_scatter -b reduce_scatterv {types} --problem-size bytes=504 \
         --problem-size op=sum,prod,max,min,avg,mulsum --problem-size placement=out,in"
    );
    let report = emulated(3, &words).passes().report();
    // reduce_scatterv has no form in place.
    right_but(&report, 12 * 6);
    assert_eq!(cases(&report).len(), 4 * 12 * 6 * 2);
}

#[test]
fn what_nccl_cannot_reduce_it_still_moves() {
    let words = "-b reduce -b gather -b broadcast -b latency -pi16 -pu16 -pfp8e4m3 --problem-size bytes=1002";
    let old = emulated(2, words).env("STANDIN_NCCL_VERSION", "22304");
    let report = old.passes().report();
    right_but(&report, 3);
    let reason = |id: &str| {
        let mut found =
            cases(&report).iter().filter(|case| case["id"].as_str().unwrap().starts_with(id));
        found.next().unwrap()["reason"].as_str().unwrap().to_owned()
    };
    assert!(reason("reduce/i16").contains("not defined for i16"));
    assert!(reason("reduce/fp8e4m3").contains("since version 2.24"));
    assert!(reason("reduce/fp8e4m3").contains("2.23.4 on a GPU of 9.0"));
    right_but(&emulated(2, words).passes().report(), 2);
}

#[test]
fn roots_rotate_operations_aggregate_and_buffers_begin_elsewhere() {
    let words = "-b broadcast -b reduce -b gather -b gatherv -b scatter -b scatterv -b incast -b outcast \
                 -b all_reduce -b alltoall --problem-size bytes=1004 --problem-size root=2,rotate \
                 --problem-size aggregate=1,3 --problem-size window=3 --problem-size offset=64 \
                 --problem-size placement=out,in";
    let report = emulated(3, words).passes().report();
    right_but(&report, 2);
    assert_eq!(cases(&report).len(), 6 * 2 * 2 * 2 + 2 * 2 + 2 * 2 * 2);
}

#[test]
fn blocks_as_a_matrix_says() {
    let words = "-b alltoallv --problem-size bytes=4004 --problem-size matrix=traffic.csv";
    let matrix = "0 5 1\n2 0 0\n1 1 9\n";
    let report = emulated(3, words).file("traffic.csv", matrix).passes().report();
    all_right(&report);
}

#[test]
fn a_communicator_is_made_again_and_again() {
    for n in [1, 3] {
        let report = emulated(n, "-b comm_init").passes().report();
        all_right(&report);
        let case = &cases(&report)[0];
        assert!(case["latency"]["median"].as_f64().unwrap() > 0.0, "{case}");
        assert_eq!(case["device_time"], Value::Null, "{case}");
    }
}

#[test]
fn what_nccl_has_not_is_one_sentence() {
    let plain = [
        ("barrier", "NCCL has no barrier"),
        ("mpi_init", "comm_init"),
        ("put", "bandwidth"),
        ("get", "bandwidth"),
        ("all_reduce", "no reduction by band"),
    ];
    let forms = [("all_reduce", "no other form"), ("bandwidth", "no other form")];
    for (lacking, keys) in
        [(&plain[..], "-pi32 --problem-size op=band"), (&forms, "--problem-size form=persistent")]
    {
        let names: String = lacking.iter().map(|(name, _)| format!("-b {name} ")).collect();
        let report =
            emulated(2, &format!("{names} {keys} --problem-size bytes=64")).fails(7).report();
        assert_eq!(cases(&report).len(), lacking.len());
        for (name, part) in lacking {
            let case = cases(&report).iter().find(|case| case["benchmark"] == *name).unwrap();
            let reason = case["reason"].as_str().unwrap_or_default();
            assert!(reason.contains(part) && !reason.contains('\n'), "{name}: {reason}");
        }
    }
}

/// A wrong element is named on the rank that has it, on known data and after the times were taken.
#[test]
fn a_wrong_element_is_named_for_each_pattern() {
    let patterns = || COLLECTIVES.split_whitespace().chain(MESSAGES.split_whitespace());
    for (phase, rank) in [("verify", 0), ("verify", 1), ("measure", 0), ("measure", 1)] {
        // Each pattern on a rank that gets something, whatever the root.
        let here = |name: &&str| {
            let root_alone = ["reduce", "gather", "gatherv", "incast"].contains(name);
            *name != "-b" && root_alone == (rank == 0)
        };
        let mut chosen: Vec<&str> = patterns().filter(here).collect();
        if (phase, rank) == ("verify", 1) {
            chosen.push("comm_init");
        }
        let words = format!("-b {} --problem-size bytes=804", chosen.join(" -b "));
        let run = emulated(2, &words).arg("--continue-on-error");
        let report = run.fault(&format!("wrong@{rank}:{phase}")).fails(5).report();
        assert_eq!(cases(&report).len(), chosen.len());
        for case in cases(&report) {
            let accuracy = &case["accuracy"];
            assert_eq!(accuracy["first_wrong"]["rank"], rank, "{phase} {case}");
            assert!(accuracy["wrong"].as_u64() > Some(0), "{phase} {case}");
        }
    }
}

#[test]
fn a_call_that_fails_on_one_of_several_ranks_ends_the_job_in_one_sentence() {
    let work = |symbol: &str| match symbol {
        "ncclReduce" => "-b reduce",
        "ncclReduceScatter" => "-b reduce_scatter",
        "ncclBroadcast" => "-b broadcast",
        "ncclAllGather" => "-b all_gather",
        "ncclRedOpCreatePreMulSum" => "-b all_reduce --problem-size op=mulsum",
        _ => "-b sendrecv",
    };
    for symbol in [
        "ncclReduce",
        "ncclReduceScatter",
        "ncclBroadcast",
        "ncclAllGather",
        "ncclRedOpCreatePreMulSum",
        "ncclSend",
        "ncclRecv",
        "ncclGroupStart",
        "ncclGroupEnd",
    ] {
        let words = format!("{} --problem-size bytes=64", work(symbol));
        let ended = emulated(2, &words).env("STANDIN_FAIL", symbol).end();
        assert_eq!(ended.code, Some(7), "{symbol}: {}", ended.err);
        assert!(ended.err.contains("NCCL says internal error"), "{symbol}: {}", ended.err);
        assert!(!ended.err.contains("panicked"), "{symbol}: {}", ended.err);
    }
}

#[test]
fn messages_that_never_come_end_the_job() {
    let words = "-b alltoall -b latency --problem-size bytes=64";
    let late = emulated(2, words).env("STANDIN_NCCL_ERROR", "2").end();
    assert_eq!(late.code, Some(7), "{}", late.err);
    assert!(late.err.contains("NCCL says"), "{}", late.err);
    emulated(2, words).fault("kill@1:measure").fails(9);
}

#[test]
fn one_rank_alone_exchanges_with_itself() {
    let words = format!(
        "{COLLECTIVES} -b comm_init --problem-size bytes=1004 --problem-size placement=out,in"
    );
    let report = on_standin(&format!("--backend cuda {words}")).passes().report();
    // The root of a broadcast to nobody gets nothing that could be compared.
    let (nothing, gets): (Vec<Value>, Vec<Value>) =
        cases(&report).iter().cloned().partition(|case| case["benchmark"] == "broadcast");
    assert!(nothing.len() == 2 && nothing.iter().all(|case| case["outcome"] == "measured"));
    right_but(&serde_json::json!({ "cases": gets }), 4);
    let run = tesserabench("run --backend cuda -b latency --problem-size bytes=64");
    let report = with_libraries(run, &[crate::cuda::everything()]).end().report();
    let reason = cases(&report)[0]["reason"].as_str().unwrap();
    assert!(reason.contains("nobody to send to"), "{reason}");
}
