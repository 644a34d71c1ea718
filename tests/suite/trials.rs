//! Logs as people have them: cut, coloured, prefixed, put together, of tests that died. Each is read rightly or refused in
//! one sentence.

use serde_json::Value;

use crate::ranks::{Ended, Run, tesserabench};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/trials");

/// `tesserabench` in which `@` stands for the folder of the logs.
fn with_logs(words: &str) -> Run {
    tesserabench(&words.replace('@', &format!("{FOLDER}/")))
}

/// The median of each measured case in us, out of place and in place, by bytes: `8:1.5`, `1048576:10/10.5`.
fn medians(report: &Value) -> String {
    let cases = report["cases"].as_array().unwrap();
    let mut bytes: Vec<u64> =
        cases.iter().filter_map(|case| case["problem"]["bytes"].as_u64()).collect();
    bytes.dedup();
    let of = |bytes: u64| {
        let own = cases.iter().filter(|case| case["problem"]["bytes"] == bytes);
        let median = |case: &Value| match case["latency"]["median"].as_f64() {
            Some(ms) => (1e5 * ms).round() / 100.0,
            None => f64::NAN,
        };
        let medians: Vec<String> = own.map(|case| median(case).to_string()).collect();
        format!("{bytes}:{}", medians.join("/"))
    };
    bytes.into_iter().map(of).collect::<Vec<_>>().join(" ")
}

/// Imports logs, which are read: exit code, medians, and what is said beside.
fn read(words: &str, code: i32, expected: &str, said: &str) -> Ended {
    let ended = with_logs(&format!("import {words}")).fails(code);
    assert_eq!(medians(&ended.report()), expected, "{words}");
    assert!(ended.err.contains(said), "{words}: {}", ended.err);
    assert_eq!(ended.report()["run"]["incomplete"], [9, 10].contains(&code), "{words}");
    ended
}

/// The same of what is refused, in one sentence.
fn refused(words: &str, said: &[&str]) {
    let ended = with_logs(words).fails(2);
    assert!(said.iter().all(|said| ended.error().contains(said)), "{words}: {}", ended.err);
    assert_eq!(ended.out, "", "{words}");
}

#[test]
fn unlike_runs_are_not_put_together() {
    refused("import @two-node-pairs.log", &["line 25", "line 11", "node1, node2", "node3, node4"]);
    refused("import @a100.log @h100.log -b all_reduce", &["h100.log", "a100.log has it too"]);
    refused("import @other-network.log", &["NCCL_NET=FAST there, NCCL_NET=Socket here"]);
    refused("import @graph.log", &["graph: 0 there", "graph: 20 here"]);
    refused("import @lone.log", &["on node1 there", "on node2 here", "each ran alone"]);
    let same = read("@plain.log @plain.log", 0, "1048576:10/10.5", "left out: it is the same as");
    assert_eq!(same.report()["cases"][0]["iterations"], 1);
    // A row that cannot be read is not silently that of the other run.
    let coarse = read("@coarse.txt", 0, "1:NaN 1048576:5269.09", "200.0 times");
    let reason = coarse.report()["cases"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("line 5") && reason.contains("too few digits"), "{reason}");
    let zero = read("@zero-bytes.log", 0, "0:NaN/NaN 16:6/6.1", "");
    let reason = zero.report()["cases"][0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("line 13 and line 14 are both of 0 bytes"), "{reason}");
    assert!(zero.report()["cases"][0]["metrics"].is_null());
    let words = "compare @host-memory.txt @gpu-memory.txt";
    let compared = with_logs(words).fails(6);
    assert!(compared.out.contains("NOT COMPARABLE"), "{}", compared.out);
    refused("import @host-memory.txt @gpu-memory.txt", &["has it too"]);
    // A pipe is no other pipe, though neither has a path.
    let pipes = format!(
        "exec {} compare <(cat {FOLDER}/one.txt) <(cat {FOLDER}/died.txt)",
        env!("CARGO_BIN_EXE_tesserabench")
    );
    let ended = std::process::Command::new("bash").args(["-c", &pipes]).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(!said.contains("same file"), "{said}");
}

#[test]
fn a_list_of_ranks_with_lines_missing_is_no_smaller_run() {
    refused("import @no-rank-0.log -b all_reduce", &["rank 0 is not listed", "--ranks"]);
    let four = read(
        "@no-rank-0.log -b all_reduce --ranks 4",
        0,
        "8:20/20.1 16:20.05/20.15 32:20.1/20.2",
        "",
    );
    let busbw = four.report()["cases"][0]["metrics"]["busbw_gbps"].as_f64().unwrap();
    assert!((busbw - 0.0006).abs() < 1e-9, "{busbw}");
    refused("import @last-rank.log -b all_reduce", &["ranks 0 to 2 are not listed", "--ranks"]);
    read(
        "@last-rank.log -b all_reduce --ranks 4",
        0,
        "536870912:2000/2010 1073741824:4000/4020",
        "",
    );
    refused("import @last-rank.log -b all_reduce --ranks 3", &["ranks 0 to 2 are not listed"]);
}

#[test]
fn what_a_log_says_of_itself_holds() {
    refused(
        "import @broadcast.log -b sendrecv",
        &["broadcast_perf", "sendrecv", "leave --benchmark out"],
    );
    refused("import @checked.log -b broadcast", &["'sum'", "another test"]);
    read("@in-place-first.log -b all_reduce", 0, "1048576:20/10", "");
    refused("import @two-tools.txt", &["nccl-tests", "OSU", "part them into files"]);
    let json = read("@version-4.json", 0, "1048576:10/20", "").report();
    assert_eq!(json["run"]["started"], "2026-01-02T03:04:05Z");
    assert_eq!(json["run"]["finished"], "2026-01-02T03:04:06Z");
    for command in ["analyze @no-ranks.txt", "compare @no-ranks.txt @no-ranks.txt"] {
        refused(command, &["does not print how many ranks there were", "--ranks"]);
    }
    with_logs("analyze @no-ranks.txt --ranks 4").passes();
}

#[test]
fn a_log_that_is_cut_or_of_a_test_that_died_is_never_a_plain_ok() {
    read("@cut-number.txt", 10, "1:1.5", "line 5 is cut");
    read(
        "@missing-rows.log",
        10,
        "1048576:10/10.5 8388608:80/84",
        "2097152, 4194304 bytes are missing",
    );
    read("@glued.log", 0, "1048576:10/10.5 2097152:20/21 4194304:40/42", "");
    let died = read("@died.txt", 9, "1:1.5 2:1.51 4:1.52", "line 10: the program died");
    assert!(died.err.contains("signal 11") && died.out.contains("a rank died"), "{}", died.out);
    let rates =
        read("@contradiction.txt --ranks 4", 10, "1:2 2:NaN 4:2", "line 6: 0.9 MB/s are printed");
    assert_eq!(rates.report()["cases"][1]["outcome"], "skipped");
    let crash =
        read("@crash.log", 9, "1048576:10/10.5", "line 14: the program died at 2097152 B: node1");
    assert!(crash.err.contains("an illegal memory access was encountered"), "{}", crash.err);
}

#[test]
fn what_stands_around_lines_is_taken_off() {
    for log in ["kubectl.log", "pdsh.log", "colours.log", "latin-1.log", "tabs.log"] {
        let report = read(&format!("@{log}"), 0, "1048576:10/10.5", "").report();
        assert_eq!(report["environment"]["nodes"].as_array().unwrap().len(), 2, "{log}");
    }
    read("@open-mpi-times.txt", 0, "8:1.5 16:1.6", "");
    read("@byte-order-mark.txt", 0, "8:1.5", "");
    read("@byte-order-mark.json", 0, "1048576:10/20", "");
    let plain = std::fs::read_to_string(format!("{FOLDER}/byte-order-mark.txt")).unwrap();
    let strange = plain.trim_start_matches('\u{feff}').replace("# ", "~~ # ");
    let ended = tesserabench("import a.txt").file("a.txt", &strange).fails(2);
    assert!(ended.error().contains("line 1: '~~' stands before"), "{}", ended.err);
}

#[test]
fn old_forms_say_which_rows_are_wrong() {
    read("@blank-operator.log -b alltoall", 0, "1048576:10/20", "");
    let factor = read("@factor-in-algbw.log -b all_gather", 0, "1048576:10/20", "printed as busbw");
    let metrics = &factor.report()["cases"][0]["metrics"];
    assert!((metrics["algbw_gbps"].as_f64().unwrap() - 104.8576).abs() < 1e-9);
    assert!((metrics["busbw_gbps"].as_f64().unwrap() - 52.4288).abs() < 1e-9);
    let column = read("@error-column.log -b all_reduce", 5, "1048576:10/10 2097152:NaN/20", "");
    assert_eq!(column.report()["cases"][2]["error"]["kind"], "wrong_result");
    let cut = with_logs("import @asterisk.log -b all_reduce").fails(5);
    assert_eq!(medians(&cut.report()), "1048576:10/10 2097152:NaN/20");
    assert_eq!(cut.report()["run"]["incomplete"], true);
    let own = with_logs("import @own-wrong.txt").fails(5).report();
    assert_eq!((&own["summary"]["failed"], &own["summary"]["measured"]), (&2.into(), &0.into()));
    let nan = read("@nan.log", 0, "1048576:10/10.5 2097152:NaN/21", "");
    assert!(
        nan.report()["cases"][2]["reason"].as_str().unwrap().contains("algbw is printed as nan")
    );
}

#[test]
fn what_was_checked_is_told_from_what_was_not() {
    let checked = read("@checked.log -b all_reduce", 0, "1048576:10/10.5", "").report();
    let accuracy = &checked["cases"][0]["accuracy"];
    assert_eq!((&accuracy["checked"], &accuracy["wrong"]), (&262_144.into(), &0.into()));
    let unchecked = read(
        "@unchecked.log -b all_reduce",
        0,
        "1048576:10/10.5",
        "not checked when measured: 2 of 2 results",
    );
    assert!(unchecked.report()["cases"][0]["accuracy"].is_null());
    // One number has no spread.
    let one = read("@died.txt", 9, "1:1.5 2:1.51 4:1.52", "");
    let latency = &one.report()["cases"][0]["latency"];
    let spread = ["variance", "std_dev", "cv_percent"].map(|key| latency[key].clone());
    assert_eq!((spread, &latency["mean"]), (Default::default(), &latency["median"]));
    let analysis = with_logs("analyze @died.txt --format json");
    let examined: Value = serde_json::from_str(&analysis.passes().out).unwrap();
    let case = &examined["cases"][0];
    assert_eq!((&case["std_dev_ms"], &case["cv_percent"]), (&Value::Null, &Value::Null));
    let table = with_logs("analyze @died.txt --statistical-analysis").passes().out;
    assert!(
        table.contains("standard deviation -, from 1.500 us") && !table.contains("0.0 %"),
        "{table}"
    );
    // Keys of other units are not one because their numbers are equal.
    let pairs = read("@pairs.txt --ranks 16", 0, "4:0.16", "");
    assert!(pairs.out.contains("bytes=4B pairs=4"), "{}", pairs.out);
}
