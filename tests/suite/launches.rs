//! Several launches of the same run, one after another.

use rustix::process::Signal;
use serde_json::Value;

use crate::ranks::{Ended, Run, ranks, tesserabench, under_mpirun};
use crate::runs::validate;

const WORDS: &str =
    "--backend simulated -b barrier -b gemm --problem-size m=16 --iterations 5 --warmup 1";

const FOLDER: &str = "results.launches";

fn two(words: &str) -> Run {
    ranks(2, &format!("{WORDS} {words}"))
}

fn read(ended: &Ended, name: &str) -> Value {
    let report = serde_json::from_str(&ended.read(name)).unwrap();
    validate(&report);
    report
}

/// The numbers of the launches that measured each case.
fn replicates(report: &Value) -> Vec<Vec<u64>> {
    let cases = report["cases"].as_array().unwrap();
    let of = |case: &Value| {
        let launches = case["replication"]["launches"].as_array();
        let numbers = launches.into_iter().flatten().map(|one| one["replicate"].as_u64().unwrap());
        numbers.collect()
    };
    cases.iter().map(of).collect()
}

/// The lines that announce launches.
fn announced(ended: &Ended) -> Vec<&str> {
    let lines = ended.err.lines();
    lines.filter_map(|line| line.strip_prefix("tesserabench: launch ")).collect()
}

/// What the sides say of each other, which is as the published schema says.
fn comparison(ended: &Ended) -> Value {
    let schema = tesserabench("schema comparison").passes().out;
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let comparison = serde_json::from_str(&ended.read("results.comparison.json")).unwrap();
    let errors: Vec<String> = validator.iter_errors(&comparison).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    comparison
}

#[test]
fn launches_stay_apart_in_one_report() {
    let ended = two("--launches 3 -o results.json -o r.csv").passes();
    let report = read(&ended, "results.json");
    assert_eq!(replicates(&report), [[0, 1, 2], [0, 1, 2]]);
    // A model takes as long each time.
    assert_eq!(report["cases"][0]["replication"]["reproducible"], true);
    for launch in report["cases"][0]["replication"]["launches"].as_array().unwrap() {
        let times = launch["times_ms"].as_array().unwrap().iter();
        let mut times: Vec<f64> = times.map(|time| time.as_f64().unwrap()).collect();
        times.sort_by(f64::total_cmp);
        assert_eq!(times.len(), 5);
        assert!((times[2] / launch["median_ms"].as_f64().unwrap() - 1.0).abs() < 1e-9, "{launch}");
    }
    assert_eq!(report["run"]["launches"][2]["replicate"], 2);
    assert_eq!(report["run"]["config"]["benchmarking"]["launches"], 3);
    assert_eq!(announced(&ended), ["1 of 3", "2 of 3", "3 of 3"]);
    assert!(
        ended.out.contains("reproducible") && ended.out.contains("3 launches"),
        "{}",
        ended.out
    );
    assert_eq!(ended.out.matches("wrote ").count(), 1, "{}", ended.out);
    assert!(ended.read("r.csv").lines().nth(1).unwrap().contains(",3,0,true,"));
    assert!(!ended.path(FOLDER).join("unfinished").exists());
    // Read beside the report they are in, they are no further launches.
    let ended = tesserabench("analyze results.json results.launches").after(ended).passes();
    let known = "is of the same run as 'results.json'";
    assert_eq!(ended.err.matches(known).count(), 3, "{}", ended.err);
    // Once more overwrites it, and fewer launches leave none of the others.
    let ended = two("--launches 2").after(ended).passes();
    assert_eq!(replicates(&read(&ended, "results.json"))[0], [0, 1]);
    assert!(!ended.path(FOLDER).join("3.json").exists());
}

#[test]
fn variables_are_swept_over_launches_of_one_rank() {
    let words = format!("run {WORDS} -o x.json --env NCCL_DEBUG=a,b/c --env OMP_NUM_THREADS=3");
    let ended = tesserabench(&words).arg("--launches=2").passes();
    for (value, name) in [("a", "a"), ("b/c", "b%2fc")] {
        let name = format!("x.NCCL_DEBUG={name},OMP_NUM_THREADS=3");
        assert_eq!(replicates(&read(&ended, &format!("{name}.json"))), [[0, 1], [0, 1]]);
        // What the launch itself has seen.
        let seen = &read(&ended, &format!("{name}.launches/2.json"))["environment"]["variables"];
        assert_eq!((&seen["NCCL_DEBUG"], &seen["OMP_NUM_THREADS"]), (&value.into(), &"3".into()));
    }
    let sides = ["a", "b/c", "b/c", "a"];
    for (line, side) in announced(&ended).iter().zip(sides) {
        assert!(line.contains(&format!("(NCCL_DEBUG={side},OMP_NUM_THREADS=3)")), "{line}");
    }
}

#[test]
fn two_sides_take_turns() {
    // They are compared, and what they measured does not mean the same.
    let ended = two("--launches 2 --against c.yaml").file("c.yaml", "protocol: barrier\n").fails(6);
    let why = "the protocol is barrier in the baseline and synchronised now";
    assert!(ended.out.contains(why) && ended.out.contains("2 NOT COMPARABLE"), "{}", ended.out);
    assert_eq!(comparison(&ended)["summary"]["not_comparable"], 2);
    let protocol = |name: &str| read(&ended, name)["cases"][0]["protocol"].clone();
    assert_eq!(protocol("results.json"), "synchronised");
    assert_eq!(protocol("results.against.json"), "barrier");
    assert_eq!(announced(&ended), ["1 of 2", "1 of 2 (against)", "2 of 2 (against)", "2 of 2"]);
    // A program, which may be another than this one; five launches when nothing is said.
    let program = env!("CARGO_BIN_EXE_tesserabench");
    let shown = two("--print-command --against").arg(program).passes().out;
    let outputs: Vec<&str> =
        shown.lines().filter_map(|line| line.split("--output ").nth(1)).collect();
    assert_eq!(outputs.len(), 10);
    assert!(outputs[1].starts_with("results.against.launches/1.json"), "{}", outputs[1]);
    assert!(outputs[2].starts_with("results.against.launches/2.json"), "{}", outputs[2]);
    assert!(!shown.contains("--against") && shown.contains("-n 2 "), "{shown}");
}

#[test]
fn a_baseline_is_what_the_launches_are_held_against() {
    let ended = two("--launches 3 -o base.json").passes();
    let ended = two("--launches 3 --compare-baseline base.json").after(ended).passes();
    assert!(ended.out.contains("baseline: base.json (3 launches"), "{}", ended.out);
    assert!(ended.out.contains("ok: 2 EQUIVALENT"), "{}", ended.out);
    assert_eq!(comparison(&ended)["baseline"]["launches"], 3);
    let ended = two("--compare-baseline nowhere").after(ended).fails(2);
    assert!(ended.error().contains("nowhere") && announced(&ended).is_empty(), "{}", ended.err);
}

#[test]
fn what_cannot_be_compared_is_said_beside_what_failed() {
    // The side that the others are held against has nothing.
    let words =
        "--launches 1 --continue-on-error --env TESSERABENCH_FAULT=build@1:join,slow/1@1:operation";
    let ended = two(words).arg("--env").arg("X=1,2").fails(6);
    assert!(
        ended.err.contains("nothing is compared: no launch of what was asked for"),
        "{}",
        ended.err
    );
    assert!(ended.out.contains("TESSERABENCH_FAULT=slow/1@1:operation,X=2"), "{}", ended.out);
    assert!(!ended.out.contains("baseline:"), "{}", ended.out);
    // The baseline is of another machine, and cases fail.
    let ended = tesserabench(&format!("run {WORDS} -o one.json")).passes();
    let commit = "7".repeat(40);
    let ended = tesserabench("history add one.json --git").arg(&commit).after(ended).passes();
    let failing = two("--launches 2 --continue-on-error --compare-baseline").arg(&commit);
    let ended = failing.after(ended).fault("error@1:prepare").fails(7);
    assert!(ended.err.contains("has no report of this machine"), "{}", ended.err);
}

#[test]
fn a_launch_that_fails_leaves_the_others_and_can_be_resumed() {
    let ended = two("--launches 1 --env X=1").passes();
    assert!(read(&ended, "results.X=1.json")["cases"][0]["replication"].is_null());

    let ended = two("--launches 1 --force").passes();
    assert!(!ended.path(FOLDER).exists());
    let ended = two("--launches 2").after(ended).passes();
    // Two more, of which the first comes to grief in its second case.
    let ended = two("--launches 4 --resume").after(ended).fault("kill@1:measure/2").fails(9);
    assert_eq!(announced(&ended)[0], "3 of 4");
    assert!(ended.err.contains("launch 3 of 4 ended with exit 9"), "{}", ended.err);
    let report = read(&ended, "results.json");
    assert_eq!(replicates(&report), [vec![0, 1, 2], vec![0, 1]]);
    assert_eq!((&report["run"]["incomplete"], &report["run"]["exit"]), (&true.into(), &9.into()));
    let error = report["cases"][1]["error"]["detail"].as_str().unwrap();
    assert!(error.starts_with("in launch 3: "), "{error}");

    let ended = two("--launches 4").after(ended).fails(2);
    assert!(["--resume", "--force"].iter().all(|way| ended.error().contains(way)), "{}", ended.err);
    let ended = two("--launches 4 --resume --seed 2").after(ended).fails(2);
    assert!(ended.error().contains("seed is 2, was 1"), "{}", ended.err);
    let one = ranks(1, &format!("{WORDS} --launches 4 --resume"));
    let ended = one.after(ended).fails(2);
    assert!(ended.error().contains("ranks is 1, was 2"), "{}", ended.err);
    let ended = two("--launches 4 --resume").after(ended).passes();
    assert_eq!(announced(&ended), ["3 of 4", "4 of 4"]);
    assert!(!ended.err.contains("nothing to resume"), "{}", ended.err);
    let report = read(&ended, "results.json");
    assert_eq!(replicates(&report), [[0, 1, 2, 3], [0, 1, 2, 3]]);
    assert_eq!((&report["run"]["incomplete"], &report["run"]["exit"]), (&false.into(), &0.into()));
    // What they are held against may be another.
    let file =
        "limits: [{case: 'gemm*', metric: latency, at_most: 1e9}]\ncomparison: {reproducible: 7}\n";
    let held =
        two("--launches 4 --resume --regression-threshold 9 --metric throughput --allow mpi");
    let held = held.after(ended).file("c.yaml", file).env("TESSERABENCH_CONFIG", "c.yaml");
    let ended = held.passes();
    assert!(announced(&ended).is_empty(), "{}", ended.err);
    let report = read(&ended, "results.json");
    let comparison = &report["run"]["config"]["comparison"];
    assert_eq!(comparison["regression_threshold"], 9.0);
    assert_eq!(
        (&comparison["metric"], &comparison["reproducible"]),
        (&"throughput".into(), &7.0.into())
    );
    assert_eq!(report["limits"].as_array().unwrap().len(), 1);
    // The third was started twice.
    let launches = report["run"]["launches"].as_array().unwrap();
    let numbers: Vec<u64> = launches.iter().map(|l| l["replicate"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [0, 1, 2, 2, 3]);
}

#[test]
fn the_other_launches_go_on_when_told_to() {
    let run = two("--launches 2 --continue-on-error").fault("error@1:prepare");
    let ended = run.fails(7);
    let report = read(&ended, "results.json");
    assert_eq!(
        (&report["run"]["incomplete"], &report["summary"]["failed"]),
        (&false.into(), &2.into())
    );
    assert_eq!(announced(&ended).len(), 2);
    let stopped = two("--launches 2").fault("error@1:prepare").fails(7);
    assert_eq!(announced(&stopped), ["1 of 2"]);
}

#[test]
fn a_signal_ends_the_series_after_its_launch() {
    // The second case would take half a minute.
    let words =
        "-b barrier -b gemm --problem-size m=16 --iterations 50 --warmup 1 --deadline stop=200ms";
    let run = ranks(2, &format!("{words} --launches 3")).fault("slow/500@1:operation@gemm*");
    let ended = run.end_signalled_in(Signal::TERM, 1, &format!("{FOLDER}/1.json"));
    assert_eq!(ended.code, Some(10), "{}", ended.err);
    let report = read(&ended, "results.json");
    assert_eq!((&report["run"]["incomplete"], &report["run"]["exit"]), (&true.into(), &10.into()));
    assert_eq!(ended.ids(), ["barrier/world:0-1"]);
    assert_eq!(announced(&ended)[0], "1 of 3");
    assert!(ended.out.ends_with(" --launches 3 --resume\n"), "{}", ended.out);
    assert!(!ended.path(FOLDER).join("2.json").exists());
}

#[test]
fn what_cannot_be_done_is_said() {
    let error = |run: Run| run.fails(2).error().to_owned();
    assert!(error(two("--launches 0")).contains("--launches 1 to"));
    assert!(error(two("--env A")).contains("KEY=a,b"));
    assert!(error(two("--env A=1 --against x.yaml")).contains("use one of them"));
    assert!(error(two("--against nothing")).contains("'nothing'"));
    let inner = under_mpirun(2, &format!("{WORDS} --launches 2")).end();
    assert!(inner.error().contains("already one of 2"), "{}", inner.err);
    assert!(inner.error().contains("--ranks"), "{}", inner.err);
    let dry = two("--launches 2 --dry-run").passes().out;
    for text in
        ["seed 1, and so the same data", "launch 2 of 2: ", "--output results.launches/2.json"]
    {
        assert!(dry.contains(text), "{dry}");
    }
}
