//! Bad input: one clear sentence, exit 2, and nothing started or written.

use crate::ranks::{Run, ranks, tesserabench, under_mpirun};

/// Runs it, expects exit 2 and one line with this text, and no file but those that were there.
fn refused(run: Run, expected: &str, files: usize) {
    let ended = run.fails(2);
    assert!(ended.error().contains(expected), "{}", ended.err);
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    assert_eq!(ended.out, "");
    assert_eq!(std::fs::read_dir(ended.folder()).unwrap().count(), files);
}

#[test]
fn what_cannot_be_done_is_refused_before_any_rank_starts() {
    for (words, expected) in [
        ("-b all_reduec", "did you mean 'all_reduce'?"),
        ("--mesh tp=3", "must multiply to 2"),
        ("--mesh xp=2", "did you mean 'tp'?"),
        ("--iterations 0", "0 timed iterations"),
        ("--problem-size byte=8", "did you mean 'bytes'?"),
        ("--problem-size bytes=8..4*2", "runs backwards"),
        ("--problem-size medum", "did you mean 'medium'?"),
        ("--scaling weak --scaling-ranks 1,4", "--scaling-ranks 4"),
        ("--scaling-ranks 1,2", "add --scaling"),
        ("--backend hots", "did you mean 'host'?"),
        ("--backend simulated --topology dgx-h10", "did you mean 'dgx-h100'?"),
        ("--topology dgx-h100", "--backend simulated"),
        ("--timeout -5", "write a number of 0 or more"),
        ("--timeout 0", "use a positive number"),
        ("--timeout soon", "'soon' is not a time"),
        ("-n 2", "write --iterations 2"),
        ("-g 8", "write --ranks 8"),
        ("-b 8", "write --problem-size bytes=8..64MiB*2"),
        ("-b 8 -e 1M -f 4", "write --problem-size bytes=8..1M*4"),
        ("-p 1", "write --problem-size pairs=1"),
        ("-o sum", "write --problem-size op=sum"),
        ("-c 1", "all results are checked"),
        ("--iteration 5", "did you mean '--iterations'?"),
        ("--iterations ten", "--iterations ten: it must be a whole number, 0 or more"),
        ("--iterations 5000000000", "must be a whole number from 0 to 4294967295"),
        ("--precision-quantile x", "--precision-quantile x: it must be a number"),
        ("--force --resume", "exclude each other"),
        ("--quick=5", "--quick takes no value"),
        ("--seed", "--seed needs a value"),
        ("--deadline cas=5m", "did you mean 'case'?"),
        ("-p f23", "did you mean 'f32'?"),
        ("--groups 0-9", "within the ranks 0-1"),
        ("-o results.txt", "cannot be told from its ending"),
        ("-o missing/results.json", "cannot write 'missing/results.json'"),
        ("-o /proc/results.json", "cannot write '/proc/results.json'"),
        ("--config missing.yaml", "cannot read 'missing.yaml'"),
    ] {
        refused(ranks(2, words), expected, 0);
    }
    refused(ranks(0, ""), "0 ranks", 0);
    refused(
        tesserabench("run --mesh tp=2"),
        "1 rank; the sizes must multiply to 1, or write --ranks 2",
        0,
    );
    refused(tesserabench("no-such-command"), "is no command", 0);
    refused(tesserabench("gemm"), "'gemm' is a benchmark; write run gemm", 0);
    refused(ranks(2, "--problem-size").arg("bytes=64 Mib8"), "size '64 Mib8'", 0);
}

#[test]
fn bad_configuration_files_are_refused() {
    let with = |text: &str| ranks(2, "--config c.yaml").file("c.yaml", text);
    refused(with("benchmarking: {warmup_iteration: 3}"), "did you mean 'warmup_iterations'?", 1);
    refused(with("benchmarking: {max_variance_percent: -5}"), "use a positive number", 1);
    refused(
        with("benchmarking: {timing_iterations: many}"),
        "'timing_iterations' is 'many'; it must be",
        1,
    );
    refused(with("benchmarks: 5"), "line 1: 'benchmarks' is '5'; it must be a list of names", 1);
    refused(with(&"[".repeat(10_000)), "c.yaml", 1);
    refused(with(&"x".repeat(100_000_000)), "larger than", 1);
    refused(with("mesh: {shape: 'tp=5'}"), "must multiply to 2", 1);
}

#[test]
fn under_mpirun_one_rank_speaks() {
    let ended = under_mpirun(2, "-b all_reduec").end();
    let lines: Vec<&str> = ended.err.lines().filter(|line| line.contains("all_reduec")).collect();
    assert_eq!(lines.len(), 1, "{}", ended.err);
    assert_eq!(ended.code, Some(2), "{}", ended.err);
}

#[test]
fn ranks_are_not_started_from_one_of_several() {
    let ended = under_mpirun(2, "--ranks 2").end();
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(ended.err.contains("already one of 2"), "{}", ended.err);
}

#[test]
fn a_file_that_is_no_report_has_no_verdict() {
    let verdict = |text: &str| tesserabench("verdict x.json").file("x.json", text);
    refused(verdict("{}"), "has no schema", 1);
    refused(verdict("nonsense"), "is not JSON", 1);
    refused(verdict(r#"{"schema": "tesserabench.report/9"}"#), "tesserabench.report/9", 1);
    refused(tesserabench("verdict missing.json"), "cannot read 'missing.json'", 0);
}

#[test]
fn a_fault_that_cannot_act_is_refused() {
    for fault in ["error@0:operation", "wrong@0:gather", "slow/5%@0:verify", "torn@0:measure"] {
        let run = tesserabench("run -b copy --quick").env("TESSERABENCH_FAULT", fault).fails(2);
        assert!(run.error().contains("it does nothing at"), "{fault}: {}", run.err);
    }
}
