//! Other tools' results, in every form that is read, and nccl-tests' table as we print it.
//!
//! The files of `imports/` are written for these tests; their figures are invented.

use serde_json::Value;

use crate::ranks::{Ended, Run, ranks, tesserabench};
use crate::runs::validate;

pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/imports");

/// `tesserabench import` of a file of the folder.
pub(crate) fn import(file: &str, words: &str) -> Run {
    tesserabench(&format!("import {FOLDER}/{file} {words}"))
}

/// The case with this id.
pub(crate) fn case(ended: &Ended, id: &str) -> Value {
    let report = ended.report();
    validate(&report);
    let cases = report["cases"].as_array().unwrap();
    assert!(cases.iter().all(|case| case["counts"].is_object()));
    let found = cases.iter().find(|case| case["id"] == id);
    found.unwrap_or_else(|| panic!("{id} is not among {:#?}", ended.ids())).clone()
}

/// Whether a number of the report is about this.
pub(crate) fn is(value: &Value, expected: f64) {
    let value = value.as_f64().unwrap_or_else(|| panic!("{value} is not {expected}"));
    assert!((value / expected - 1.0).abs() < 1e-9, "{value} {expected}");
}

#[test]
fn two_tests_in_one_log() {
    let ended = import("nccl-two-tests.txt", "").passes();
    assert_eq!(
        ended.ids()[..3],
        [
            "all_reduce/f32/bytes=1024,placement=out/world:0-7",
            "all_reduce/f32/bytes=1024,placement=in/world:0-7",
            "all_reduce/f32/bytes=1048576,placement=out/world:0-7",
        ]
    );
    assert_eq!(ended.ids().len(), 12);
    let mib = case(&ended, "all_reduce/f32/bytes=1048576,placement=out/world:0-7");
    is(&mib["latency"]["median"], 0.0617);
    assert_eq!(mib["latency"]["definition"], "mean_of_ranks_and_iterations");
    assert_eq!(mib["latency"]["ci"], Value::Null);
    is(&mib["metrics"]["algbw_gbps"], 1_048_576.0 / 61.7e-6 / 1e9);
    is(&mib["metrics"]["busbw_gbps"], 1.75 * 1_048_576.0 / 61.7e-6 / 1e9);
    assert_eq!(
        (&mib["iterations"], &mib["batch"], &mib["warmup"]),
        (&1.into(), &20.into(), &1.into())
    );
    assert_eq!((&mib["skew"], &mib["latency_local"]), (&Value::Null, &Value::Null));
    assert_eq!(mib["caveats"][0]["kind"], "imported");
    let slow = case(&ended, "all_reduce/f32/bytes=8589934592,placement=out/world:0-7");
    is(&slow["latency"]["median"], 42_000.0);
    let alltoall = case(&ended, "alltoall/bf16/bytes=1048576,placement=in/world:0-7");
    assert_eq!(alltoall["batch"], 200);
    let report = ended.report();
    assert_eq!(report["run"]["imported_from"][0]["tool"], "nccl-tests");
    assert_eq!(report["run"]["imported_from"][0]["version"], "2.17.6");
    assert_eq!(report["environment"]["libraries"]["nccl"], "2.27.4");
    assert_eq!(report["environment"]["nodes"][1]["host"], "node-b");
    assert_eq!(report["environment"]["ranks"][5]["local_rank"], 1);
    assert_eq!(report["environment"]["ranks"][5]["device"]["name"], "NVIDIA H100 80GB HBM3");
    assert_eq!(report["floors"], Value::Null);
    assert!(ended.out.contains("8 x NVIDIA H100 80GB HBM3"), "{}", ended.out);
    assert!(ended.out.ends_with("wrote results.json\n"), "{}", ended.out);
}

#[test]
fn types_operators_and_roots_in_lines_that_a_launcher_marked() {
    let ids = import("nccl-marked.txt", "").passes().ids();
    assert_eq!(
        [&ids[0], &ids[2], &ids[4]],
        [
            "reduce/fp8e4m3/bytes=65536,placement=out/world:0-3",
            "reduce/i8/bytes=65536,op=max,root=2,placement=out/world:0-3",
            "reduce/f16/bytes=65536,op=avg,placement=out/world:0-3",
        ]
    );
}

#[test]
fn more_columns_for_iterations_and_times_of_day() {
    let ended = import("nccl-each-iteration.txt", "").passes();
    let within = case(&ended, "all_gather/f64/bytes=4194304,placement=in/world:0-3");
    is(&within["latency"]["median"], 0.0555);
}

#[test]
fn where_the_time_is_the_cpus_the_rate_tells_the_operations() {
    let ended = import("nccl-cpu-time.txt", "").passes();
    let large = case(&ended, "broadcast/f32/bytes=33554432,root=1,placement=out/world:0-1");
    // 223.70 GB/s are printed.
    is(&large["latency"]["median"], 33_554_432.0 / 223.70e9 * 1e3);
    let small = case(&ended, "broadcast/f32/bytes=1024,root=1,placement=out/world:0-1");
    assert_eq!(small["outcome"], "skipped");
    assert!(small["reason"].as_str().unwrap().contains("too few digits"));
}

#[test]
fn old_versions_do_not_name_the_test() {
    let ended = import("nccl-old.txt", "").passes();
    is(
        &case(&ended, "reduce_scatter/f32/bytes=1048576,placement=out/world:0-3")["latency"]["median"],
        0.0779,
    );
    refused(import("nccl-nameless.txt", ""), "--benchmark");
    refused(import("nccl-nameless.txt", "-b reduce"), "--ranks");
    // One that does not fit the printed rates, or the printed operator.
    refused(import("nccl-nameless.txt", "-b all_reduce --ranks 4"), "line 7: busbw is printed as");
    refused(import("nccl-nameless.txt", "-b sendrecv --ranks 2"), "sendrecv does not reduce");
    let ended = import("nccl-nameless.txt", "-b reduce --ranks 2").passes();
    assert_eq!(ended.ids()[1], "reduce/f32/bytes=1048576,placement=in/world:0-1");
    // Nor do they say which results are wrong.
    let old = std::fs::read_to_string(format!("{FOLDER}/nccl-old.txt")).unwrap();
    let failed = old.replace("values : 0 OK", "values : 2 FAILED");
    let added = tesserabench("history add log.txt").file("log.txt", &failed).fails(2);
    assert!(added.error().contains("make a report of it first"), "{}", added.err);
    let ended = tesserabench("import log.txt").file("log.txt", &failed).fails(5);
    assert!(ended.out.contains("imported at 20"), "{}", ended.out);
    assert_eq!(ended.report()["summary"]["failed"], 4);
}

#[test]
fn parts_of_a_communicator_uneven_blocks_and_wrong_results() {
    let ended = import("nccl-parts.txt", "").fails(5);
    let half = case(&ended, "hypercube/f32/bytes=4096,placement=out/groups:0-3");
    is(&half["metrics"]["algbw_gbps"], 3072.0 / 30e-6 / 1e9);
    assert!(half["caveats"][0]["time"].as_str().unwrap().contains("all 2 groups"));
    // 1008 bytes are no multiple of four floats: blocks differ.
    let uneven = case(&ended, "alltoallv/f32/bytes=1008,spread=nccl-tests,placement=out/world:0-3");
    is(&uneven["metrics"]["algbw_gbps"], 1008.0 / 25e-6 / 1e9);
    let wrong = case(&ended, "scatter/f32/bytes=4096,placement=out/world:0-3");
    assert_eq!(
        (&wrong["outcome"], &wrong["error"]["kind"]),
        (&"failed".into(), &"wrong_result".into())
    );
}

#[test]
fn a_log_that_is_cut_says_so() {
    let ended = import("nccl-cut.txt", "").fails(10);
    assert_eq!(ended.ids().len(), 2);
    assert_eq!(ended.report()["run"]["incomplete"], true);
    assert!(ended.err.contains("line 13 is cut"), "{}", ended.err);
}

#[test]
fn json_has_every_iteration() {
    let ended = import("nccl.json", "").passes();
    let out = case(&ended, "all_reduce/f32/bytes=1048576,placement=out/world:0-7");
    assert_eq!((&out["iterations"], &out["batch"]), (&50.into(), &1.into()));
    assert_eq!(out["latency"]["definition"], "slowest_device");
    assert!(out["latency"]["ci"].is_array() && out["latency"]["max"].as_f64().unwrap() < 0.046);
    is(&out["latency_local"]["median"], 0.043);
    let report = ended.report();
    assert_eq!(report["environment"]["variables"], serde_json::json!({"NCCL_ALGO": "Ring"}));
    assert!(!ended.read("results.json").contains("hush"));
}

#[test]
fn osu_collectives_need_the_number_of_ranks() {
    refused(
        import("osu-collectives.txt", ""),
        "line 5: OSU MPI-CUDA Allreduce Latency does not print how many ranks",
    );
    let ended = import("osu-collectives.txt", "--ranks 4").passes();
    assert_eq!(
        ended.ids(),
        [
            "all_reduce/f32/bytes=4,placement=out/world:0-3",
            "all_reduce/f32/bytes=1048576,placement=out/world:0-3",
            "all_gather/i8/bytes=32,placement=out/world:0-3",
            "barrier/world:0-3",
            "gatherv/i8/bytes=64,form=persistent,spread=0,placement=out/world:0-3",
        ]
    );
    let first = case(&ended, "all_reduce/f32/bytes=4,placement=out/world:0-3");
    is(&first["latency"]["median"], 2.31e-3);
    assert_eq!((&first["batch"], &first["protocol"]), (&1000.into(), &"barrier".into()));
    let tails = case(&ended, "all_gather/i8/bytes=32,placement=out/world:0-3");
    is(&tails["latency"]["p99"], 9.9e-3);
    assert_eq!(tails["latency"]["p95"], Value::Null);
}

#[test]
fn osu_pairs() {
    let ended = import("osu-pairs.txt", "").passes();
    is(&case(&ended, "latency/i8/bytes=4096/world:0-1")["latency"]["median"], 1.5e-3);
    assert_eq!(case(&ended, "bandwidth/i8/bytes=1/world:0-1")["outcome"], "skipped");
    let bandwidth = case(&ended, "bandwidth/i8/bytes=4096/world:0-1");
    is(&bandwidth["metrics"]["busbw_gbps"], 8.0);
    is(&bandwidth["latency"]["median"], 4096.0 / 8e9 * 1e3);
    is(&case(&ended, "bidirectional/i8/bytes=4096/world:0-1")["metrics"]["algbw_gbps"], 12.0);
    let all = case(&ended, "bandwidth/i8/bytes=8,window=32/world:0-7");
    is(&all["metrics"]["messages_per_s"], 8e6);
    refused(import("osu-multi-latency.txt", ""), "--ranks");
    let ids = import("osu-multi-latency.txt", "--ranks 6").passes().ids();
    assert_eq!(ids, ["latency/i8/bytes=8/world:0-5"]);
}

#[test]
fn several_files_make_one_report() {
    let words = format!("{FOLDER}/nccl-marked.txt {FOLDER}/osu-pairs.txt -o r.json -o r.csv");
    let ended = import("nccl-marked.txt", &words).passes();
    let report: Value = serde_json::from_str(&ended.read("r.json")).unwrap();
    assert_eq!(report["run"]["imported_from"].as_array().unwrap().len(), 2);
    // The same log twice is one run.
    let cases = report["cases"].as_array().unwrap();
    assert_eq!((cases.len(), &cases[0]["iterations"]), (12, &1.into()));
    assert!(ended.err.contains("the same as"), "{}", ended.err);
    assert_eq!(ended.read("r.csv").lines().count(), 13);
    // The same case of another file is another run.
    let other = format!("{FOLDER}/nccl.json");
    refused(import("nccl-two-tests.txt", &other), "has it too, and files are runs of their own");
}

/// Runs it and expects exit 2, one line with this text, and no report.
pub(crate) fn refused(run: Run, expected: &str) {
    let ended = run.fails(2);
    assert!(ended.error().contains(expected), "{}", ended.err);
    assert_eq!((ended.err.lines().count(), ended.out.as_str()), (1, ""), "{}", ended.err);
    assert!(!ended.path("results.json").exists());
}

#[test]
fn what_cannot_be_read_is_named_by_its_line() {
    let good = std::fs::read_to_string(format!("{FOLDER}/nccl-two-tests.txt")).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        tesserabench("import log.txt").file("log.txt", &good.replacen(from, to, 1))
    };
    refused(changed("   61.70   16.99", "   61.70   19.99"), "line 19: algbw is printed as 19.99");
    refused(changed("   29.74       0", "   29.74"), "line 20: the row of line 19 has 12 fields");
    refused(changed("   29.74       0", "   29.74       0  0"), "line 19: the row has 14 fields");
    refused(changed("   61.70   16.99", "   6l.70   16.99"), "line 19: time '6l.70' is no number");
    refused(changed("262144     float", "262144     flaot"), "line 19: precision 'flaot'");
    refused(changed("all_reduce_perf", "ring_perf"), "'ring_perf' is no test");
    // What other programs say in between is theirs.
    let chatter = "2025-01-02 03:04:05 a message\nnode-a:1:2 [0] NCCL INFO x\n";
    let row = "     1048576        262144";
    changed(row, &format!("{chatter}{row}")).passes();
    refused(changed("Rank  7", "Rank  6"), "rank 6 is listed twice");
    refused(changed("Rank  7", "Rank  x"), "line 13: the place of a rank");
    refused(import("nccl-two-tests.txt", "--ranks 4"), "lists 8 ranks, not 4");
    refused(import("nccl-two-tests.txt", "-b all_reduec"), "did you mean 'all_reduce'?");
    let text = |text: &str| tesserabench("import log.txt").file("log.txt", text);
    refused(text("hello\n"), "not the output of nccl-tests");
    refused(text("{\"a\": 1}"), "not the output of nccl-tests");
    refused(text("{"), "not whole JSON");
    refused(text("# nThread 1 nGpus 1\n"), "has no result");
    refused(
        text("# OSU MPI_Put Bandwidth Test v7.4\n"),
        "line 1: 'OSU MPI_Put Bandwidth Test' cannot be read",
    );
    let side_by_side: String = ["0", "1"]
        .iter()
        .flat_map(|mark| good.lines().map(move |line| format!("{mark}: {line}\n")))
        .collect();
    refused(text(&side_by_side), "2 programs that ran side by side");
    refused(tesserabench("import missing.txt"), "cannot read 'missing.txt'");
}

#[test]
fn our_own_table_is_read_as_nccl_tests_is() {
    let words = "--nccl-tests-table --iterations 8 --warmup 1 -b all_reduce -b alltoall -b broadcast -b barrier \
                 -p f32 -p i8 --problem-size bytes=64,4KiB --problem-size root=1 --mesh tp=2,dp=1";
    let ended = ranks(2, words).passes();
    let table = &ended.out;
    for line in [
        "# Collective test starting: all_reduce_perf",
        "#       size         count      type   redop    root     time   algbw   busbw  #wrong     time   algbw   busbw  #wrong ",
        "# Out of bounds values : 0 OK",
        "# wrote results.json",
    ] {
        assert!(table.lines().any(|known| known == line), "{line}\n{table}");
    }
    assert!(table.contains("        4096          1024     float     sum      -1  "), "{table}");
    assert!(table.contains("        4096          2048      int8    none      -1  "), "{table}");
    assert!(table.contains("        4096          1024     float    none       1  "), "{table}");
    assert!(table.lines().any(|line| line.starts_with("# barrier/tp:0-1: ")), "{table}");
    let others = table.lines().filter(|line| !line.starts_with('#'));
    assert!(others.into_iter().all(|line| line.split_whitespace().count() == 13), "{table}");
    let back = tesserabench("import table.txt").file("table.txt", table).passes();
    let report = ended.report();
    let placed =
        report["cases"].as_array().unwrap().iter().filter(|case| !case["placement"].is_null());
    let mut count = 0;
    for ours in placed {
        let theirs = case(&back, ours["id"].as_str().unwrap());
        assert_eq!(theirs["latency"]["definition"], ours["latency"]["definition"]);
        let us = |case: &Value| 1e3 * case["latency"]["median"].as_f64().unwrap();
        assert!((us(ours) - us(&theirs)).abs() < 0.06 + 0.05 * us(ours), "{ours} {theirs}");
        count += 1;
    }
    assert_eq!((count, back.ids().len()), (24, 24));
}

#[test]
fn a_table_of_simulated_times_is_not_taken_for_measured() {
    let words =
        "run --backend simulated --quick --nccl-tests-table -b all_reduce --problem-size bytes=8";
    let table = tesserabench(words).passes().out;
    refused(tesserabench("import t.txt").file("t.txt", &table), "the times are simulated");
}

#[test]
fn sizes_that_are_cut_to_the_same_blocks_are_both_in_the_table() {
    let words = "--backend simulated --quick --nccl-tests-table -b all_gather -p i8 --problem-size bytes=8,9";
    let table = ranks(2, words).passes().out;
    let rows = table.lines().filter(|line| line.starts_with("           8 "));
    assert_eq!(rows.count(), 2, "{table}");
}

#[test]
fn the_time_of_import_is_no_date_of_a_log() {
    let log = |name: &str| std::fs::read_to_string(format!("{FOLDER}/{name}")).unwrap();
    let (dated, undated) = (log("nccl.json"), log("nccl-two-tests.txt"));
    let later = dated.replace("2025-02-03", "2025-02-04");
    let slower = undated.replace("14.21", "14.22");
    let compare = |a: &str, b: &str| {
        let words = "compare a b --format json -o c.md";
        let ended = tesserabench(words).file("a", a).file("b", b).end();
        let comparison: Value = serde_json::from_str(&ended.out).unwrap();
        (comparison, ended.read("c.md"))
    };
    let (comparison, page) = compare(&undated, &slower);
    for side in ["baseline", "candidate"] {
        assert_eq!(
            (&comparison[side]["started"], &comparison[side]["build"]),
            (&Value::Null, &Value::Null)
        );
    }
    assert_eq!(page.matches("date unknown").count(), 2, "{page}");
    let (comparison, page) = compare(&dated, &later);
    assert_eq!(comparison["baseline"]["started"], "2025-02-03T04:05:06Z");
    assert!(page.contains("2025-02-04T04:05:06Z") && !page.contains("date unknown"), "{page}");
    let both = tesserabench("analyze a b").file("a", &dated).file("b", &undated).end();
    // In its line, and in the table of reports.
    assert_eq!(both.out.matches("2025-02-03T04:05:06Z").count(), 2, "{}", both.out);
    assert_eq!(both.out.matches("date unknown").count(), 2, "{}", both.out);
    // Of several files that are one report, all must tell.
    let alone = import("nccl.json", "").end();
    assert!(alone.out.contains("2025-02-03T04:05:06Z to 2025-02-03T04:05:09Z, as the log tells"));
    let mixed = tesserabench("import a b").file("a", &dated).file("b", &log("osu-pairs.txt")).end();
    assert!(mixed.out.contains("; the log has no date"), "{}\n{}", mixed.out, mixed.err);
}
