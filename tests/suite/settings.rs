//! What is set otherwise than by flags, and what the program says of itself and of the machine.

use serde_json::Value;

use crate::ranks::tesserabench;
use crate::runs::validate;

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_configuration_of_older_documents_runs_and_names_its_run() {
    let file = "name: nightly\ndescription: after the update\n\
                hardware: {gpu_arch: auto, gpu_count: auto, memory_size_gb: auto, memory_bandwidth_gbps: auto}\n\
                benchmarking: {warmup_iterations: 1, timing_iterations: 8, autotuning_enabled: false}\n\
                precision: [fp32]\noutput_formats: [json, csv, markdown]\nbenchmarks: [copy]\n";
    let run = tesserabench("-c c.yaml run --problem-size array=4KiB").file("c.yaml", file);
    let ended = run.passes();
    let report = ended.report();
    validate(&report);
    assert_eq!(report["run"]["config"]["name"], "nightly");
    assert_eq!(report["run"]["config"]["autotuning"], false);
    let page = ended.read("results.md");
    for text in [&ended.out, &page] {
        assert!(
            text.contains("run: nightly") && text.contains("about: after the update"),
            "{text}"
        );
    }
    assert!(ended.path("results.csv").exists());
    let flags = "run --name n2 --description d2 copy --problem-size array=4KiB --quick -o r.json";
    let flags = tesserabench(flags).passes();
    assert!(flags.out.contains("run: n2") && flags.out.contains("about: d2"), "{}", flags.out);
}

#[test]
fn a_configuration_in_another_format_is_refused_by_name() {
    for name in ["c.toml", "c.ini", "c.json5"] {
        let refused = tesserabench(&format!("-c {name} run --dry-run")).file(name, "").fails(2);
        assert!(refused.err.contains("configurations are YAML or JSON"), "{}", refused.err);
    }
    tesserabench("-c c.JSON run copy --dry-run").file("c.JSON", "{\"seed\": 3}").passes();
}

#[test]
fn the_environment_sets_the_threshold_and_a_flag_overrides_it() {
    let words = "run --backend simulated -b barrier --quick --ranks 2";
    let ended = tesserabench(&format!("{words} -o a.json")).passes();
    let ended = tesserabench(&format!("{words} -o b.json --seed 2")).after(ended).passes();
    let mut last = ended;
    for (words, variable, percent) in [
        ("", "12.5", 12.5),
        ("", "10%", 10.0),
        ("", "", 8.0),
        ("--regression-threshold 3", "12.5", 3.0),
    ] {
        let words = format!("-c c.yaml compare a.json b.json --format json {words}");
        let run = tesserabench(&words).env("REGRESSION_THRESHOLD", variable).after(last);
        last = run.file("c.yaml", "comparison: {regression_threshold: 8}").end();
        let used = parsed(&last.out)["cases"][0]["threshold_percent"].as_f64().unwrap();
        assert!((used - percent).abs() < 1e-9, "{variable}: {used}");
    }
    let run = tesserabench("compare a.json b.json").env("REGRESSION_THRESHOLD", "much");
    let refused = run.after(last).fails(2);
    assert!(refused.err.contains("REGRESSION_THRESHOLD='much'"), "{}", refused.err);
}

#[test]
fn benchmarks_are_counted_with_their_sizes() {
    let list = parsed(&tesserabench("list-benchmarks --format json").passes().out);
    let all = list.as_array().unwrap();
    let sizes: u64 = all.iter().map(|it| it["sizes"].as_u64().unwrap()).sum();
    let told = tesserabench("list-benchmarks").passes().out;
    let expected = format!("{} benchmarks with {sizes} sizes in all", all.len());
    assert!(told.contains(&expected), "{told}");
    // As many as a run of it has.
    let of = |name: &str| all.iter().find(|it| it["name"] == name).unwrap()["sizes"].clone();
    let run = tesserabench("run --ranks 2 -b all_reduce --axis world --dry-run").passes().out;
    assert_eq!(of("all_reduce"), run.lines().filter(|it| it.contains("all_reduce/")).count());
}

#[test]
fn the_machine_is_told_with_paths_and_what_to_look_at() {
    let told = tesserabench("system-info --format json").passes();
    let info = parsed(&told.out);
    for key in ["node", "caches", "numa", "mpi", "gpus", "boards", "nvidia", "topologies", "checks"]
    {
        assert!(!info[key].is_null(), "{key}: {info:#}");
    }
    let paths = info["paths"].as_array().unwrap();
    let named: Vec<&str> = paths.iter().map(|place| place["what"].as_str().unwrap()).collect();
    assert_eq!(named, ["program", "cache", "results", "history"]);
    assert!(paths.iter().all(|place| place["free_bytes"].as_u64().unwrap() > 0), "{paths:#?}");
    // There is no GPU here, as far as these tests go.
    let checks = info["checks"].as_array().unwrap();
    let says = |it: &Value| it["says"].as_str().unwrap().to_owned();
    assert!(checks.iter().any(|it| it["level"] == "warning" && says(it).contains("no GPU")));
    let text = tesserabench("-c none.yaml system-info").passes().out;
    assert!(text.contains("error   there is no configuration none.yaml"), "{text}");
}

#[test]
fn only_the_figures_that_are_asked_for_are_shown() {
    let words = "run --ranks 2 -b copy,all_reduce --axis world --problem-size array=4KiB --problem-size bytes=64 --quick";
    let files = "-o r.json -o r.csv -o r.md -o r.html";
    let ended = tesserabench(&format!("{words} {files} --measure throughput,energy")).passes();
    let columns = |text: &str| text.lines().next().unwrap().to_owned();
    let csv = columns(&ended.read("r.csv"));
    for (name, is_there) in [
        ("median_ms", true),
        ("busbw_gbps", true),
        ("joules_per_gb", true),
        ("p95_ms", false),
        (",gbps", false),
        ("wrong", false),
    ] {
        assert_eq!(csv.contains(name), is_there, "{name}: {csv}");
    }
    for text in [ended.out.clone(), ended.read("r.md")] {
        assert!(text.contains("shows throughput, energy (--measure)"), "{text}");
        assert!(!text.contains("correct"), "{text}");
    }
    assert!(ended.read("r.html").contains("shows throughput, energy"));
    // The report holds all, and names the choice.
    let report = parsed(&ended.read("r.json"));
    validate(&report);
    assert_eq!(report["run"]["config"]["measure"], serde_json::json!(["throughput", "energy"]));
    let of = |name: &str| {
        let cases = report["cases"].as_array().unwrap();
        cases.iter().find(|case| case["benchmark"] == name).unwrap().clone()
    };
    assert!(of("copy")["metrics"]["gbps"].as_f64() > Some(0.0));
    assert_eq!(of("all_reduce")["accuracy"]["wrong"], 0);
    // copy moves nothing between ranks: what is left is how often it runs.
    let row = ended.out.lines().find(|line| line.starts_with("copy")).unwrap();
    assert!(row.contains("1/s") && !row.contains("GB/s"), "{row}");
    let wrong = tesserabench("run copy --dry-run --measure latncy").fails(2);
    assert!(wrong.err.contains("did you mean 'latency'?"), "{}", wrong.err);
}
