//! Property tests: every configuration becomes a plan or an error of one sentence, in bounded time and memory.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;
use crate::base::random::hostile::{damaged, few, foreign_word, grafted, mistyped, words};

/// Every key, with values that make a plan for 8 ranks.
fn everything() -> Value {
    json!({
        "backend": "simulated",
        "topology": "dgx-h100",
        "seed": 7,
        "timeout": 100_000.0,
        "protocol": "synchronised",
        "continue_on_error": false,
        "max_failures": 2,
        "deadlines": {"startup": "10s", "communicator": 5, "case": "20m", "barrier": 5, "gather": 5, "silence": 5, "stop": 5},
        "heartbeats": true,
        "thread_level": "single",
        "benchmarking": {
            "warmup_iterations": 2, "timing_iterations": 20, "batch": 2, "precision_target": "1%",
            "precision_quantiles": [0.95], "min_time": "1ms", "max_time": 2, "repeat": 2, "check_every": 5,
            "statistical_significance": 0.95, "max_variance_percent": 5.0,
        },
        "mesh": {"shape": "tp=2,dp=4", "order": "tp-dp", "axes": ["tp", "tp+dp", "world"], "concurrent_groups": true, "pairs": "batch=2"},
        "scaling": {"kind": "weak", "ranks": [1, 2, 8]},
        "precision_policies": ["f32", "i8"],
        "preset": "small",
        "benchmarks": {
            "all_reduce": {"bytes": [8, "1KiB"], "op": "sum,max", "placement": "in,out"},
            "reduce": {"bytes": "8..64*2", "root": [0, "rotate"]},
            "alltoallv": {"bytes": "64", "spread": 20},
            "gemm": {"m": 16, "n": 8, "k": [4, 8]},
            "copy": {"array": "1MiB"},
            "latency": {"bytes": 8, "pairs": 1},
            "barrier": null,
        },
        "output": {"files": ["results.json"], "format": "json"},
    })
}

#[test]
fn a_wrong_type_is_told_in_plain_words() {
    let mut whole = everything();
    let rest = json!({
        "comparison": crate::plan::config::ComparisonConfig::default(),
        "limits": [{"case": "gemm*", "metric": "latency", "max": 1.5}],
    });
    whole.as_object_mut().unwrap().extend(rest.as_object().cloned().unwrap());
    for tree in mistyped(whole) {
        let text = tree.to_string();
        // As YAML, too.
        let yaml = serde_saphyr::to_string(&tree).unwrap();
        for text in [text, yaml] {
            let Err(why) = Config::parse(&text) else { continue };
            assert_eq!(foreign_word(&why.message), None, "{}: {text}", why.message);
        }
    }
}

/// Resolves a configuration and checks that the plan is consistent.
fn resolve(text: &str, ranks: usize) -> Result<Plan> {
    let config = Config::parse(text)?;
    let plan = Plan::resolve(&config, &Place::on_one_node(ranks))?;
    plan.check()?;
    let _ = plan.deadlines.interval(plan.ranks);
    for case in &plan.cases {
        assert!(!case.id.chars().any(char::is_control), "{:?}", case.id);
        let ranks = case.group.ranks.len();
        let _ = (case.work.footprint(ranks), case.work.counts(ranks));
        if let BackendSpec::Simulated(topology) = &plan.backend
            && case.work.check(ranks).is_ok()
        {
            let _ = crate::benchmark::model::seconds(&case.work, topology, &case.group.ranks);
        }
    }
    Ok(plan)
}

#[test]
fn the_valid_one_is_valid() {
    resolve(&everything().to_string(), 8).unwrap();
}

proptest! {
    #![proptest_config(few())]
    #[test]
    fn any_tree_becomes_a_plan_or_a_sentence(
        tree in grafted(everything()), ranks in select(&[1usize, 2, 8, 8, 8, 12, 1000][..]),
    ) {
        let _ = resolve(&tree.to_string(), ranks);
    }

    #[test]
    fn any_text_becomes_a_plan_or_a_sentence(
        bytes in damaged(serde_json::to_string_pretty(&everything()).unwrap()),
        yaml in damaged("mesh: {shape: 'tp=2', pairs: all}\nbenchmarks:\n  gemm: &a {m: [512, 1KiB]}\n  copy: *a\n  barrier:\n"),
    ) {
        let _ = resolve(&String::from_utf8_lossy(&bytes), 8);
        let _ = resolve(&String::from_utf8_lossy(&yaml), 2);
    }

    /// Every text field by itself, so that the error of one does not hide another.
    #[test]
    fn any_words_in_any_field(
        field in select(&[
            "mesh: {shape: W}", "mesh: {shape: W, order: W}", "mesh: {shape: tp=8, axes: [W, W]}", "mesh: {groups: W}",
            "mesh: {pairs: W}\nbenchmarks: {latency: }", "mesh: {groups: W, concurrent_groups: true}", "topology: W\nbackend: simulated",
            "precision_policies: [W]", "benchmarks: {W: }", "benchmarks: {all_reduce: {W: W}}", "benchmarks: {all_reduce: {bytes: W}}",
            "benchmarks: {all_reduce: {placement: W, op: W}}", "benchmarks: {reduce: {root: W, aggregate: W, form: W}}",
            "benchmarks: {alltoallv: {spread: W}}", "benchmarks: {alltoallv: {matrix: W}}", "benchmarks: {incast: {bytes: W, root: W}}",
            "benchmarks: {bandwidth: {bytes: W, window: W, pairs: W}}", "benchmarks: {gemm: {m: W, n: W}}", "benchmarks: {triad: {array: W}}",
            "benchmarking: {precision_target: W}", "benchmarking: {min_time: W, max_time: W}", "benchmarking: {duration: W}",
            "deadlines: {case: W, silence: W}", "timeout: W", "benchmarking: {statistical_significance: W, batch: W}",
        ][..]),
        words in prop::collection::vec(words(), 2),
    ) {
        // JSON's strings are YAML's.
        let quoted: Vec<String> = words.iter().map(|word| Value::from(word.as_str()).to_string()).collect();
        let mut parts = field.split('W');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for (word, part) in quoted.iter().cycle().zip(parts) {
            text += &format!("{word}{part}");
        }
        let _ = resolve(&text, 8);
    }
}
