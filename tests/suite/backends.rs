//! Several backends in one run, on the stand-in for a GPU; see `cuda`.

use serde_json::Value;

use crate::cuda::{everything, with_libraries};
use crate::ranks::{Run, tesserabench};

const WORDS: &str =
    "run --iterations 4 --warmup 1 --no-autotune -b copy -b barrier --problem-size array=4KiB";

fn on_both(words: &str) -> Run {
    with_libraries(tesserabench(&format!("{WORDS} {words}")), &[everything()])
}

#[test]
fn what_both_have_measured_stands_side_by_side() {
    let ended = on_both("--backend cpu,cuda -o r.json").passes();
    let read = |file: &str| -> Value { serde_json::from_str(&ended.read(file)).unwrap() };
    for backend in ["host", "cuda"] {
        let report = read(&format!("r.{backend}.json"));
        assert_eq!(
            (&report["run"]["backend"], &report["summary"]["measured"]),
            (&backend.into(), &1.into())
        );
    }
    assert!(!ended.path("r.json").exists());
    let together = read("r.backends.json");
    let [case] = &together["backends"].as_array().unwrap()[..] else { panic!("{together:#}") };
    assert_eq!(case["id"], "copy/f32/array=4096/world:0");
    let times = case["times"].as_array().unwrap();
    let named: Vec<&Value> = times.iter().map(|time| &time["backend"]).collect();
    assert_eq!(named, ["host", "cuda"]);
    let number = |at: usize, key: &str| times[at][key].as_f64().unwrap();
    assert_eq!(number(0, "speedup"), 1.0);
    assert_eq!(number(1, "speedup"), number(0, "median_ms") / number(1, "median_ms"));
    // That one is slower than the other is no regression, and which clock it was is said.
    assert!(ended.out.contains("== backends") && !ended.out.contains("REGRESSED"), "{}", ended.out);
    assert!(ended.out.contains("times by different clocks"), "{}", ended.out);
    assert!(ended.read("r.backends.md").contains("as fast"));
    // The same is told of reports that were measured apart.
    let again = tesserabench("analyze r.host.json r.cuda.json").after(ended).passes();
    assert!(
        again.out.contains("as fast: time of the first backend over this one"),
        "{}",
        again.out
    );
}

#[test]
fn without_a_gpu_the_cpus_are_measured_and_the_run_fails() {
    let ended = tesserabench(&format!("{WORDS} --backend cpu,cuda")).fails(6);
    assert!(ended.err.contains("driver cannot be loaded"), "{}", ended.err);
    let report: Value = serde_json::from_str(&ended.read("results.host.json")).unwrap();
    assert_eq!(report["summary"]["measured"], 1);
    assert!(!ended.path("results.backends.json").exists());
}

#[test]
fn lists_that_make_no_sense_are_refused() {
    for (words, expected) in [
        ("--backend cpu,host", "cpu and host are the same"),
        ("--backend auto,cuda", "auto is one of them"),
        ("--backend host,simulated", "times of simulated are computed"),
        ("--backend host,cuda --env A=1,2", "use one of these"),
        ("--backend cpux", "did you mean 'cpu'?"),
    ] {
        let why = tesserabench(&format!("{WORDS} {words}")).fails(2).err;
        assert!(why.contains(expected), "{words}: {why}");
    }
}
