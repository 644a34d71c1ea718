//! Bad input: one clear sentence, exit 2, and nothing started or written.

use serde_json::{Value, json};

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
        ("--timeout -5", "--timeout -5: it must not be negative"),
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
        ("--iterations ten", "--iterations ten: it must be a whole number, and not negative"),
        ("--iterations 5000000000", "must be a whole number from 0 to 4294967295"),
        ("--precision-quantile x", "--precision-quantile x: it must be a number"),
        ("--precision-target 1", "--precision-target: 1 is 100 %; did you mean 1%?"),
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
    refused(
        tesserabench("schema"),
        "<report|comparison|history|analysis|summary|profile|configuration|kernel> is",
        0,
    );
    refused(tesserabench("list-benchmarks gemm"), "write --filter gemm", 0);
    let nowhere = tesserabench("run -b copy --quick -o missing/x.json").fails(2);
    assert!(nowhere.error().contains("cannot write 'missing/x.json'"), "{}", nowhere.err);
    assert!(!nowhere.err.contains(" at path "), "{}", nowhere.err);
    assert!(!nowhere.err.contains(".tesserabench-"), "{}", nowhere.err);
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
        let run = tesserabench("run -b copy --quick").fault(fault).fails(2);
        assert!(run.error().contains("it does nothing at"), "{fault}: {}", run.err);
    }
}

#[test]
fn what_else_lies_in_a_folder_is_passed_over() {
    let run = |name: &str| {
        tesserabench(&format!("run -b copy --problem-size small --quick -o k/{name}.json"))
    };
    let ended = run("a").file("k/none.json", "{}").passes();
    let ended = run("b").after(ended).passes();
    let compare = "compare k/a.json k/b.json -o k/c.comparison.json -o c.md";
    let ended = tesserabench(compare).after(ended).end();
    for file in ["k/c.comparison.json", "c.md"] {
        assert!(ended.out.contains(&format!("wrote {file}\n")), "{}{}", ended.out, ended.err);
    }
    let ended = tesserabench("analyze k").after(ended).passes();
    for file in ["k/none.json", "k/c.comparison.json"] {
        let told = format!("passed over: cannot use the report '{file}'");
        assert!(ended.err.contains(&told), "{}", ended.err);
    }
    let ended = tesserabench("compare k/a.json k/none.json").after(ended).fails(2);
    assert!(ended.error().contains("'k/none.json'"), "{}", ended.err);
}

#[test]
fn inputs_are_not_overwritten() {
    let report = tesserabench("run -b copy --problem-size small --quick -o a.json").passes();
    let report =
        tesserabench("run -b copy --problem-size small --quick -o b.json").after(report).passes();
    let texts = ["a.json", "b.json"].map(|name| report.read(name));
    let mut ended = report;
    for words in [
        "compare a.json b.json -o a.json",
        "compare a.json b.json -o ./b.json",
        "analyze a.json b.json -o b.json",
        "analyze a.json a.json b.json --derive-limits a.json",
        "history gate b.json --baseline a.json -o a.json",
        "import a.json -o a.json",
    ] {
        ended = tesserabench(words).after(ended).fails(2);
        assert!(ended.error().contains("is read and would be overwritten"), "{}", ended.err);
        assert_eq!(["a.json", "b.json"].map(|name| ended.read(name)), texts, "{words}");
    }
    let ended = ranks(2, "--compare-baseline a.json -o a.json").after(ended).fails(2);
    assert!(ended.error().contains("is read and would be overwritten"), "{}", ended.err);
    assert_eq!(ended.read("a.json"), texts[0]);
    for (words, name) in [
        ("-c results.json --dry-run", "results.json"),
        ("-c ./c.json -o c.json", "c.json"),
        ("-b alltoallv --problem-size matrix=m.csv -o m.csv", "m.csv"),
    ] {
        let text = if name == "m.csv" { "0 1\n1 0\n" } else { "{}" };
        let ended = ranks(2, words).file(name, text).fails(2);
        assert!(ended.error().contains("is read and would be overwritten"), "{}", ended.err);
        assert_eq!(ended.read(name), text);
    }
    // The default output of an import.
    let log = tesserabench("import results.json").file("results.json", "{}").fails(2);
    assert!(log.error().contains("is read and would be overwritten"), "{}", log.err);
}

/// The report in which the value at this place is another; none where it is taken out.
fn with(mut report: Value, place: &str, value: Option<Value>) -> String {
    let (parent, key) = place.rsplit_once('/').unwrap();
    let parent = report.pointer_mut(parent).unwrap();
    match value {
        Some(value) => parent[key] = value,
        None => drop(parent.as_object_mut().unwrap().remove(key).unwrap()),
    }
    serde_json::to_string_pretty(&report).unwrap()
}

#[test]
fn a_figure_that_cannot_be_is_refused_with_its_place() {
    let words = "run --backend simulated -b gemm --problem-size m=64 --iterations 20";
    let good = tesserabench(words).passes().report();
    for (place, value, expected) in [
        ("/cases/0/warmup", Some(json!(-1)), "cases[0].warmup in line"),
        ("/cases/0/iterations", Some(json!("20")), "there is the text \"20\" where a whole number"),
        ("/cases/0/iterations", Some(json!(0)), "cases[0].iterations in line"),
        ("/cases/0/latency/max", Some(Value::Null), "cases[0].latency.max in line"),
        ("/cases/0/latency/median", Some(json!(-1.0)), "-1 is no time"),
        ("/cases/0/latency/median", Some(json!(0)), "cases[0].latency.median in line"),
        ("/cases/0/latency/ci", Some(json!([2.0, 1.0])), "is reversed"),
        ("/cases/0/latency/std_dev", Some(json!(-0.5)), "cases[0].latency.std_dev in line"),
        ("/cases/0/latency/min", Some(json!(1e9)), "cases[0].latency.min in line"),
        ("/cases/0/telemetry", None, "cases[0] in line"),
        ("/cases/0/latency", None, "it is missing, and the case was measured"),
        ("/cases/0/latency/mean", None, "'mean' is missing"),
        ("/cases/0/outcome", None, "'outcome' is missing"),
        ("/cases/0/outcome", Some(json!("failed")), "it is missing, and the case failed"),
        ("/cases/0/group_size", Some(json!(77)), "cases[0].group_size in line"),
        ("/summary/measured", Some(json!(2)), "summary in line"),
        ("/run/exit", Some(json!(99)), "99 is no exit code"),
    ] {
        let text = with(good.clone(), place, value);
        for words in ["verdict", "analyze", "compare good.json", "history gate", "history add"] {
            let run = tesserabench(&format!("{words} bad.json")).file("bad.json", &text);
            let ended = run.file("good.json", &good.to_string()).fails(2);
            assert!(ended.err.contains("'bad.json'"), "{words}, {place}: {}", ended.err);
            assert!(ended.err.contains(expected), "{words}, {place}: {}", ended.err);
        }
    }
    // The line is that of the key.
    let text = with(good.clone(), "/cases/0/latency/median", Some(json!(-12345.0)));
    let line = 1 + text.lines().position(|line| line.contains("-12345")).unwrap();
    let ended = tesserabench("verdict bad.json").file("bad.json", &text).fails(2);
    let place = format!("cases[0].latency.median in line {line}: ");
    assert!(ended.error().contains(&place), "{}", ended.err);
    // JSON has no such numbers; one that is too large is no number either.
    let text = text.replace("-12345.0", "1e999");
    tesserabench("verdict bad.json").file("bad.json", &text).fails(2);
}
