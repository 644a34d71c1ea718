//! Problem sizes that are words: as large as fits a cache or the memory; and sizes by name.

use serde_json::Value;

use crate::cuda::{cases, emulated, on_standin};
use crate::ranks::{Run, ranks, tesserabench};

/// What a rank may fill.
const CAPACITY: &str = "capacity: {memory: 1MiB, l1: 32KiB, l2: 256KiB}\n";

fn with_capacity(run: Run, capacity: &str) -> Run {
    run.file("c.yaml", capacity).arg("-c").arg("c.yaml")
}

/// Of each case: the size, the word that stood for it, and the bytes of all tensors.
fn sizes(report: &Value, key: &str) -> Vec<(u64, Option<String>, u64)> {
    let of = |case: &Value| {
        let footprint = &case["footprint"];
        let word = footprint["asked"][key].as_str().map(str::to_owned);
        (case["problem"][key].as_u64().unwrap(), word, footprint["bytes"].as_u64().unwrap())
    };
    cases(report).iter().map(of).collect()
}

#[test]
fn words_are_numbers_that_fit_and_are_run() {
    let words =
        "softmax --backend host --quick --problem-size rows=1..4*2|max --problem-size cols=32";
    let report = with_capacity(ranks(2, words), CAPACITY).passes().report();
    let max = |rows| (rows, Some("max".to_owned()), 256 * rows);
    let number = |rows| (rows, None, 256 * rows);
    assert_eq!(sizes(&report, "rows"), [number(1), number(2), number(4), max(4096)]);
    assert!(cases(&report).iter().all(|case| case["outcome"] == "measured"), "{report}");
    assert_eq!(report["run"]["config"]["capacity"]["memory"], "1MiB");
    let words = "run copy --backend host --quick --problem-size array=l1,l2,llc,memory";
    let report = with_capacity(tesserabench(words), CAPACITY).passes().report();
    let asked: Vec<_> = sizes(&report, "array").into_iter().map(|(size, ..)| size).collect();
    // The last cache is the L2, which is the same case.
    assert_eq!(asked, [8 << 10, 64 << 10, 512 << 10]);
    let dry = "run copy --backend host --dry-run --problem-size array=max";
    let shown = with_capacity(tesserabench(dry), CAPACITY).passes().out;
    assert!(shown.contains("copy/f32/array=524288/world:0"), "{shown}");
}

#[test]
fn the_machine_is_asked_where_nothing_is_configured() {
    let words = "copy --backend host --dry-run --problem-size array=max";
    let array = |ranks: usize| -> u64 {
        let shown = tesserabench(&format!("run {words} --ranks {ranks}")).passes().out;
        let size = shown.split("array=").nth(1).unwrap().split('/').next().unwrap();
        size.parse().unwrap()
    };
    let [one, two] = [array(1), array(2)];
    assert!(one > 1 << 24 && two < one && 2 * two > one / 2, "{one} {two}");
    // A model has no memory that could be asked.
    let words = "run copy --backend simulated --dry-run --problem-size array=max";
    let refused = tesserabench(words).fails(2);
    assert!(refused.error().contains("set 'capacity'"), "{}", refused.err);
    // Where ranks meet, all have the sizes of rank 0's machine.
    let words = "copy --backend host --quick --problem-size array=l1";
    let report = ranks(2, words).passes().report();
    let caches = report["environment"]["ranks"][0]["device"]["caches"].as_array().unwrap();
    if !caches.is_empty() {
        assert_eq!(cases(&report)[0]["footprint"]["fits"], "l1", "{report}");
        assert_eq!(cases(&report)[0]["footprint"]["bound"], "memory");
    }
}

#[test]
fn what_does_not_fit_after_all_says_what_was_asked_and_what_is_free() {
    let words = "run copy --backend host --quick --problem-size array=max";
    let skipped = with_capacity(tesserabench(words), "capacity: {memory: 100TiB}\n").fails(7);
    let told = format!("{}{}", skipped.out, skipped.err);
    assert!(told.contains("the node has not enough free memory: 1 rank would fill "), "{told}");
    let words = "--backend cuda -b copy --problem-size array=1KiB,max";
    let run = with_capacity(on_standin(words), CAPACITY).env("STANDIN_MEMORY", "900000");
    let report = run.passes().report();
    assert_eq!(cases(&report)[0]["outcome"], "measured");
    let reason = cases(&report)[1]["reason"].as_str().unwrap();
    assert!(reason.contains("524288 bytes") && reason.contains("enough free memory ("), "{reason}");
}

#[test]
fn a_gpu_s_caches_and_memory_are_asked_and_shared() {
    let report = emulated(2, "-b copy --problem-size array=l2").passes().report();
    // 4 MiB, of which two ranks have two, and tensors one.
    assert_eq!(sizes(&report, "array"), [(512 << 10, Some("l2".to_owned()), 1 << 20)]);
    let cache = &report["environment"]["ranks"][1]["device"]["caches"][0];
    assert_eq!((&cache["level"], cache["bytes"].as_u64()), (&"l2".into(), Some(4 << 20)));
    assert_eq!(cases(&report)[0]["accuracy"]["deterministic"], true);
}

#[test]
fn sizes_go_by_names() {
    let ids = |words: &str| -> Vec<String> {
        let run = with_capacity(tesserabench(&format!("run {words} --dry-run")), CAPACITY);
        let shown = run.passes().out;
        let ids = shown.split_whitespace().filter(|word| word.contains("/world:"));
        ids.map(str::to_owned).collect()
    };
    let narrow = "layer_norm --backend host --problem-size cols=32";
    assert_eq!(
        ids(&format!("{narrow} --problem-size latency")),
        ["layer_norm/f32/cols=32,rows=1/world:0"]
    );
    let memory = ids(&format!("{narrow} --problem-size memory"));
    assert_eq!((memory.len(), &*memory[9]), (10, "layer_norm/f32/cols=32,rows=4064/world:0"));
    let suite = ids("vector_ops --backend host --problem-size vector_ops");
    assert_eq!(suite.len(), 7 * 9);
    let refused = tesserabench("run barrier --problem-size throughput").fails(2);
    assert!(refused.error().contains("barrier has no problem sizes called"), "{}", refused.err);
}
