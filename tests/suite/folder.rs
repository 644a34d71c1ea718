//! Folders of results: what is in them, and what is kept.

use serde_json::Value;

use crate::ranks::{Ended, ranks, tesserabench};

const WORDS: &str = "--backend simulated --iterations 20 -b all_reduce -b gemm --problem-size bytes=1KiB,1MiB \
                     --problem-size m=256,512";

fn json(ended: &Ended, name: &str) -> Value {
    serde_json::from_str(&ended.read(name)).unwrap()
}

/// The summary, by its schema.
fn summary(ended: &Ended, folder: &str) -> Value {
    let summary = json(ended, &format!("{folder}/summary.json"));
    let schema = tesserabench("schema summary").passes().out;
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&summary).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    summary
}

fn names(ended: &Ended, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(ended.path(folder)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_run_writes_all_of_it_into_a_folder_that_was_not_there() {
    let ended = ranks(2, &format!("{WORDS} --output-dir out/a")).passes();
    assert!(ended.out.contains("wrote out/a/results.json, out/a/summary.md"), "{}", ended.out);
    let expected = [
        "env.json",
        "kernel_manifest.json",
        "kernels",
        "report.html",
        "results.json",
        "summary.json",
        "summary.md",
    ];
    assert_eq!(names(&ended, "out/a"), expected);
    let told = summary(&ended, "out/a");
    assert_eq!((&told["exit"], &told["regressions"]), (&0.into(), &Value::Null));
    let boards: Vec<(&str, &str)> = told["leaderboards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|board| (board["benchmark"].as_str().unwrap(), board["by"].as_str().unwrap()))
        .collect();
    let all = [("all_reduce", "rate"), ("gemm", "rate"), ("all_reduce", "p50"), ("gemm", "p50")];
    assert_eq!(boards, all);
    let manifest = json(&ended, "out/a/kernel_manifest.json");
    for kernel in manifest["kernels"].as_array().unwrap() {
        let results = json(&ended, &format!("out/a/{}", kernel["file"].as_str().unwrap()));
        assert_eq!(results["name"], kernel["name"]);
        let cases = results["cases"].as_array().unwrap();
        assert_eq!(Some(cases.len() as u64), kernel["cases"]["cases"].as_u64());
        for case in cases {
            let report = json(&ended, "out/a/results.json");
            let own =
                report["cases"].as_array().unwrap().iter().find(|own| own["id"] == case["id"]);
            assert_eq!(case["timing"]["latency"], own.unwrap()["latency"]);
            // What nobody tells is null, and is there.
            for block in ["energy", "tuning", "compile"] {
                let known = case.as_object().unwrap().get(block);
                assert_eq!(known, Some(&Value::Null), "{block}");
            }
        }
    }
    let environment = json(&ended, "out/a/env.json");
    assert_eq!(environment["environment"]["ranks"].as_array().unwrap().len(), 2);
    let page = ended.read("out/a/summary.md");
    for part in ["## environment", "## resources", "## fastest gemm f32", "## shortest gemm f32"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(ended.read("out/a/report.html").contains("Content-Security-Policy"));
}

#[test]
fn an_earlier_folder_is_kept_unless_it_is_to_be_replaced() {
    let words = format!("{WORDS} --output-dir out");
    let mut ended = ranks(2, &words).passes();
    ended = ranks(2, &words).after(ended).passes();
    let kept = names(&ended, "out");
    assert_eq!(kept.len(), 2 * 7, "{kept:?}");
    ended = ranks(2, &format!("{words} --force")).after(ended).passes();
    assert_eq!(names(&ended, "out"), kept);
    // What analyze writes is no report of a run, but its folder is one of results.
    ended = tesserabench("analyze out/results.json --output-dir out").after(ended).passes();
    assert_eq!(names(&ended, "out").len(), kept.len() + 6);
    ended = tesserabench("analyze out/results.json --output-dir out --force").after(ended).passes();
    assert_eq!(names(&ended, "out").len(), kept.len() + 6);
    // Its own files are not read and written at once.
    let refused = tesserabench("analyze x/env.json --output-dir x")
        .set_up(|folder| {
            std::fs::create_dir(folder.join("x")).unwrap();
            std::fs::copy(ended.path("out/results.json"), folder.join("x/env.json")).unwrap();
        })
        .fails(2);
    assert!(refused.error().contains("is read and would be overwritten"), "{}", refused.err);
}

#[test]
fn a_baseline_adds_what_is_worse() {
    let words = format!("{WORDS} --launches 3 --seed");
    let ended = ranks(2, &format!("{words} 1 -o before.json")).passes();
    let words = format!("{words} 2 --compare-baseline before.json --output-dir out");
    let ended = ranks(2, &words).after(ended).passes();
    assert!(ended.read("out/regressions.md").starts_with("# Comparison"));
    assert!(summary(&ended, "out")["regressions"].is_array());
    let words = "analyze out/results.json --compare-baseline before.json --output-dir again";
    let ended = tesserabench(words).after(ended).passes();
    assert!(ended.read("again/regressions.md").starts_with("# Comparison"));
    assert!(ended.read("again/summary.md").contains("## regressions"));
    let both = tesserabench("analyze before.json out/results.json --output-dir b").after(ended);
    let refused = both.fails(2);
    assert!(refused.error().contains("is of one report"), "{}", refused.err);
}

#[test]
fn results_of_another_name_may_be_there_already() {
    let ended = ranks(2, &format!("{WORDS} -o g.json")).passes();
    let ended = tesserabench("analyze g.json --output-dir out").after(ended).passes();
    let ended = ranks(2, &format!("{WORDS} --output-dir out")).after(ended).passes();
    assert_eq!(names(&ended, "out").len(), 6 + 7, "{:?}", names(&ended, "out"));
    // Samples whose report is not there are no earlier run's.
    let run = |name: &str| ranks(2, &format!("{WORDS} -o {name} --output-dir oo"));
    let ended = run("r1.json").after(ended).passes();
    let ended = run("r2.json").after(ended).file("r2.samples.csv.gz", "x").passes();
    assert_eq!(names(&ended, "oo").len(), 2 * 6);
    let all = names(&ended, ".");
    assert!(!all.iter().any(|name| name.starts_with("r2.2")), "{all:?}");
}

#[test]
fn what_is_not_of_results_stays_where_it_is() {
    let words = format!("{WORDS} --output-dir .");
    let source = "kernels/mine/bench.yaml";
    let ended = ranks(2, &words).file(source, "# mine\n").fails(2);
    assert!(ended.error().contains("kernels' holds something else than results"), "{}", ended.err);
    assert_eq!(ended.read(source), "# mine\n");
    assert!(!ended.path("results.json").exists() && !ended.path("env.json").exists());
    // Flat files without a list beside them, and with one a folder among them.
    let flat = ranks(2, &words).file("kernels/copy.json", "{}").fails(2);
    assert!(flat.error().contains("kernels' holds"), "{}", flat.err);
    let ended = ranks(2, &words).passes();
    let ended = ranks(2, &words).after(ended).file(source, "# mine\n").fails(2);
    assert!(ended.error().contains("kernels' holds"), "{}", ended.err);
    let ended = tesserabench("analyze results.json --output-dir . --force").after(ended).fails(2);
    assert!(ended.error().contains("kernels' holds"), "{}", ended.err);
    let page = ranks(2, &words).file("report.html", "<html>mine</html>").fails(2);
    assert!(page.error().contains("report.html' was not written with results"), "{}", page.err);
    assert_eq!(page.read("report.html"), "<html>mine</html>");
    // Every file of ours is known again.
    let words = format!("{WORDS} --launches 2 --compare-baseline before.json --output-dir out");
    let ended = ranks(2, &format!("{WORDS} -o before.json")).passes();
    let ended = ranks(2, &words).after(ended).end();
    let ended = ranks(2, &words).after(ended).end();
    let left = names(&ended, "out");
    assert!(left.iter().any(|name| name.starts_with("regressions.2")), "{left:?}");
}

#[test]
fn a_forced_folder_holds_nothing_of_the_run_before() {
    let ended = ranks(2, &format!("{WORDS} -o before.json")).passes();
    let words = "analyze before.json --compare-baseline before.json --output-dir out";
    let refused = tesserabench(words).after(ended).fails(2);
    std::fs::copy(refused.path("before.json"), refused.path("other.json")).unwrap();
    let mut report = json(&refused, "other.json");
    report["run"]["id"] = "other".into();
    std::fs::write(refused.path("other.json"), report.to_string()).unwrap();
    let words = "analyze before.json --compare-baseline other.json --output-dir out";
    let ended = tesserabench(words).after(refused).end();
    assert!(
        ended.path("out/regressions.md").exists() && ended.path("out/kernels/gemm.json").exists()
    );
    let words = "--backend simulated --iterations 20 -b all_reduce --problem-size bytes=1KiB --output-dir out --force";
    let ended = ranks(2, words).after(ended).file("out/kernels/note.json", "{}").passes();
    assert!(!ended.path("out/regressions.md").exists());
    assert_eq!(names(&ended, "out/kernels"), ["all_reduce.json", "note.json"]);
}
