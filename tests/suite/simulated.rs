//! The simulated backend: the same bytes for the same seed, under any MPI.
//!
//! `UPDATE_GOLDEN=1` writes the golden file anew; read the difference before committing it.

use serde_json::Value;

use crate::ranks::{ranks, tesserabench, under_mpirun};

const WORDS: &str = "--backend simulated --quick --mesh tp=2,dp=2 --scaling strong -b all_reduce -b barrier \
                     -b gemm -p f32 --problem-size bytes=8,1MiB --problem-size m=1024";

/// One line a case and a study, so that a difference names what it is in.
fn cases_and_scaling(report: &Value) -> String {
    let (cases, scaling) =
        (report["cases"].as_array().unwrap(), report["scaling"].as_array().unwrap());
    cases.iter().chain(scaling).map(|value| format!("{value}\n")).collect()
}

#[test]
fn the_golden_report() {
    let path = "tests/suite/golden/simulated.json";
    let got = cases_and_scaling(&ranks(4, WORDS).passes().report());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &got).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap();
    let first =
        got.lines().zip(expected.lines()).enumerate().find(|(_, (got, expected))| got != expected);
    assert!(got == expected, "the first difference is in line {first:?}");
    assert_eq!(cases_and_scaling(&under_mpirun(4, WORDS).passes().report()), expected);
}

#[test]
fn another_seed_gives_other_times_and_a_simulated_figure_says_so() {
    let words = "--backend simulated --quick -b barrier";
    let with = |seed: &str| ranks(4, words).arg("--seed").arg(seed).passes();
    let (one, other) = (with("1"), with("2"));
    assert_ne!(one.report()["cases"], other.report()["cases"]);
    assert_eq!(one.report()["run"]["simulated"], true);
    assert!(one.out.contains("SIMULATED"), "{}", one.out);
    assert_eq!(one.report()["cases"][0]["caveats"][0]["kind"], "simulated");
}

#[test]
fn a_machine_of_ones_own() {
    let text = std::fs::read_to_string("topologies/dgx-a100.toml").unwrap();
    let mine = text.replace("devices_per_node = 8", "devices_per_node = 1");
    let words = "run --backend simulated --topology mine.toml --quick -b gemm --problem-size m=64";
    let report = tesserabench(words).file("mine.toml", &mine).passes().report();
    assert_eq!(report["topology"], "dgx-a100");
    let broken = text.replace("[intra]", "[inter2]");
    tesserabench(words).file("mine.toml", &broken).fails(2);
}
