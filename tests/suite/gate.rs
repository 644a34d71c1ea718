//! Comparisons of reports: what they call worse, how they say it, and that they seldom err.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use proptest::prelude::*;
use tesserabench::analysis::{Reports, Rules, compare};
use tesserabench::config::{ComparedMetric, ComparisonConfig};
use tesserabench::random::Stream;
use tesserabench::report::{Comparison, Report, Verdict};

#[path = "../../scripts/peers/suites.rs"]
mod suites;

use suites::Side;

fn rules(threshold: f64) -> Rules {
    let config =
        ComparisonConfig { regression_threshold: Some(threshold), ..ComparisonConfig::default() };
    let mut rules = Rules::resolve(&config, 0.95, 1).unwrap();
    rules.resamples = Some(200);
    rules
}

fn compared(baseline: &Report, candidate: &Report, rules: &Rules) -> Comparison {
    let one = |report| Reports { files: &[], reports: std::slice::from_ref(report) };
    compare(one(baseline), one(candidate), rules)
}

#[test]
fn suites_in_which_nothing_changed_are_seldom_alarmed() {
    // With the hardest threshold there is. Of 60 suites at most 5 % are expected to be; Binomial(60, 0.05)
    // exceeds 10 with probability 1e-4. scripts/peers/gate.rs does it with 1000.
    let alarmed = (0..60u64).filter(|suite| {
        let mut random = Stream::new(*suite, "a/a", &[]);
        let mut side = || Side::USUAL.report(&[1.0; 50], &mut random);
        compared(&side(), &side(), &rules(0.0)).summary.regressed > 0
    });
    let alarmed = alarmed.count();
    assert!(alarmed <= 10, "{alarmed} of 60");
}

#[test]
fn what_got_much_slower_is_found_and_nothing_else() {
    let mut factors = [1.0; 20];
    let mut random = Stream::new(1, "slower", &[]);
    let baseline = Side::USUAL.report(&factors, &mut random);
    (factors[3], factors[7], factors[11]) = (1.08, 1.15, 1.3);
    factors[15] = 0.8;
    let candidate = Side::USUAL.report(&factors, &mut random);
    let comparison = compared(&baseline, &candidate, &rules(5.0));
    let of = |verdict| -> Vec<usize> {
        let cases = comparison.cases.iter().enumerate();
        cases.filter(|(_, case)| case.verdict == verdict).map(|(place, _)| place).collect()
    };
    assert_eq!(of(Verdict::Regressed), [3, 7, 11]);
    assert_eq!(of(Verdict::Improved), [15]);
    assert_eq!(of(Verdict::Equivalent).len(), 16);
    let severities = [3, 7, 11].map(|place| comparison.cases[place].severity.unwrap().name());
    assert_eq!(severities, ["mild", "moderate", "severe"]);
    assert_eq!(comparison.exit, 3);
}

#[test]
fn regressions_are_a_code_never_a_count() {
    let mut random = Stream::new(1, "many", &[]);
    let side = Side { launches: 4, iterations: 5, ..Side::USUAL };
    let baseline = side.report(&[1.0; 256], &mut random);
    let candidate = side.report(&[2.0; 256], &mut random);
    let comparison = compared(&baseline, &candidate, &rules(5.0));
    assert_eq!((comparison.summary.regressed, comparison.exit), (256, 3));
}

#[test]
fn few_launches_say_what_they_cannot_show() {
    let mut random = Stream::new(1, "few", &[]);
    for (launches, cases, fewest_visible, needed) in
        [(5, 12, 1, 5), (5, 13, 2, 6), (8, 643, 1, 8), (8, 644, 2, 9), (3, 50, 50, 7)]
    {
        let side = Side { launches, iterations: 1, ..Side::USUAL };
        let report = side.report(&vec![1.0; cases], &mut random);
        let reach = compared(&report, &report, &rules(5.0)).reach;
        let found = (reach.fewest_visible, reach.launches_needed);
        assert_eq!(found, (fewest_visible, needed), "{launches}, {cases}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Exchanging the sides turns every sign; so does the direction of the metric.
    #[test]
    fn exchanged_sides_turn_every_sign(
        seed: u64, launches in 2..9usize, factor in 0.7..1.4f64, threshold in 0.0..10.0f64,
    ) {
        let mut random = Stream::new(seed, "exchange", &[]);
        let side = Side { launches, iterations: 10, ..Side::USUAL };
        let one = side.report(&[1.0; 4], &mut random);
        let other = side.report(&[1.0, factor, 1.0 / factor, factor.powi(2)], &mut random);
        let rules = rules(threshold);
        let there = compared(&one, &other, &rules);
        let back = compared(&other, &one, &rules);
        let mirrored = |verdict| match verdict {
            Verdict::Regressed => Verdict::Improved,
            Verdict::Improved => Verdict::Regressed,
            other => other,
        };
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
        for (a, b) in there.cases.iter().zip(&back.cases) {
            prop_assert_eq!(a.verdict, mirrored(b.verdict));
            prop_assert!(close(a.ratio.unwrap() * b.ratio.unwrap(), 1.0));
            prop_assert_eq!(a.cliffs_delta.unwrap(), -b.cliffs_delta.unwrap());
            for (p, q) in [(a.p, b.p_improved), (a.p_adjusted, b.p_improved_adjusted), (a.p_improved, b.p)] {
                let (p, q) = (p.unwrap(), q.unwrap());
                prop_assert!(close(p, q) && p > 0.0 && p <= 1.0, "{p} {q}");
            }
            if let (Some([low, high]), Some([below, above])) = (a.ci, b.ci) {
                prop_assert!(close(low * above, 1.0) && close(high * below, 1.0));
                prop_assert!(low <= high);
            }
        }
    }
}

#[test]
fn a_rate_is_compared_the_other_way_round() {
    let folder = tempfile::tempdir().unwrap();
    let report = measured(folder.path(), "simulated.json", "1");
    let slower = slowed(&report, 1.5);
    let by = |metric| {
        let config = ComparisonConfig { metric: Some(metric), ..ComparisonConfig::default() };
        compared(&report, &slower, &Rules::resolve(&config, 0.95, 1).unwrap())
    };
    let (time, rate) = (by(ComparedMetric::Latency), by(ComparedMetric::Throughput));
    for (time, rate) in time.cases.iter().zip(&rate.cases) {
        assert!(
            (time.ratio.unwrap() - 1.5).abs() < 1e-9
                && (rate.ratio.unwrap() - 1.0 / 1.5).abs() < 1e-9
        );
        assert!((time.worse_percent.unwrap() - 50.0).abs() < 1e-6);
        assert!((rate.worse_percent.unwrap() - 50.0).abs() < 1e-6);
    }
}

/// A report of the simulated backend, written to a file of this name.
fn measured(folder: &Path, name: &str, seed: &str) -> Report {
    let path = folder.join(name);
    let run = program(
        folder,
        &[
            "run",
            "--backend",
            "simulated",
            "--ranks",
            "2",
            "-b",
            "all_reduce",
            "--problem-size",
            "bytes=1KiB,1MiB",
            "--iterations",
            "20",
            "--seed",
            seed,
            "-o",
            name,
        ],
    );
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    Report::load(&path).unwrap()
}

/// The same, each time longer by a factor.
fn slowed(report: &Report, factor: f64) -> Report {
    let mut slower = report.clone();
    for measured in slower.cases.iter_mut().filter_map(|case| case.measured.as_mut()) {
        measured.latency.median *= factor;
        for rate in [
            &mut measured.metrics.busbw_gbps,
            &mut measured.metrics.algbw_gbps,
            &mut measured.metrics.throughput_per_s,
        ] {
            *rate = rate.map(|rate| rate / factor);
        }
    }
    slower
}

fn program(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tesserabench"));
    command.current_dir(folder).args(arguments).env_remove("GITHUB_ACTIONS");
    command.env_remove("GITHUB_STEP_SUMMARY").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Writes a report.
fn save(folder: &Path, name: &str, report: &Report) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, serde_json::to_string(report).unwrap()).unwrap();
    path
}

/// A folder with `a.json` of 8 launches of 5 cases, and `b.json` of which case 2 is slower by half.
fn folder_with_a_regression() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Stream::new(1, "files", &[]);
    save(folder.path(), "a.json", &Side::USUAL.report(&[1.0; 5], &mut random));
    save(folder.path(), "b.json", &Side::USUAL.report(&[1.0, 1.0, 1.5, 1.0, 1.0], &mut random));
    folder
}

#[test]
fn a_regression_is_told_in_every_form() {
    let folder = folder_with_a_regression();
    let at = folder.path();
    let run = program(
        at,
        &[
            "compare", "a.json", "b.json", "-o", "c.json", "-o", "c.csv", "-o", "c.md", "-o",
            "c.xml",
        ],
    );
    assert_eq!(run.status.code(), Some(3), "{}", text(&run.stderr));
    let table = text(&run.stdout);
    assert!(
        table.contains("REGRESSED (severe)") && table.contains("1 REGRESSED, 4 EQUIVALENT"),
        "{table}"
    );
    // The most pressing stands first.
    let first = table.lines().find(|line| line.contains("case-")).unwrap();
    assert!(first.contains("case-2"), "{table}");
    let comparison: Comparison =
        serde_json::from_str(&std::fs::read_to_string(at.join("c.json")).unwrap()).unwrap();
    assert_eq!((comparison.summary.regressed, comparison.summary.equivalent), (1, 4));
    let csv = std::fs::read_to_string(at.join("c.csv")).unwrap();
    assert_eq!(csv.lines().count(), 6);
    let junit = std::fs::read_to_string(at.join("c.xml")).unwrap();
    assert!(junit.contains("tests=\"5\"") && junit.contains("failures=\"1\""), "{junit}");
    let markdown = std::fs::read_to_string(at.join("c.md")).unwrap();
    assert!(markdown.contains("| case-2 |"), "{markdown}");
    let same = program(at, &["compare", "a.json", "a.json"]);
    assert_eq!(same.status.code(), Some(0));
}

#[test]
fn github_gets_annotations_and_a_summary() {
    let folder = folder_with_a_regression();
    let summary = folder.path().join("summary.md");
    std::fs::write(&summary, "before\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tesserabench"));
    command.current_dir(folder.path()).args(["compare", "a.json", "b.json"]);
    let run = command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", &summary)
        .output()
        .unwrap();
    let out = text(&run.stdout);
    let lines: Vec<&str> = out.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(lines.len(), 1, "{out}");
    assert!(lines[0].starts_with("::error title=REGRESSED (severe)%3A case-2::case-2"), "{out}");
    let summary = std::fs::read_to_string(&summary).unwrap();
    assert!(summary.starts_with("before\n<!-- tesserabench -->\n# Comparison"), "{summary}");
}

#[test]
fn what_differs_around_the_sides_is_named() {
    let folder = folder_with_a_regression();
    let at = folder.path();
    let mut other = Report::load(&at.join("b.json")).unwrap();
    other.environment.libraries.insert("nccl".to_owned(), "2.30.7".to_owned());
    other.environment.variables.insert("NCCL_ALGO".to_owned(), "Ring".to_owned());
    save(at, "other.json", &other);
    let run = program(at, &["compare", "a.json", "other.json"]);
    let out = text(&run.stdout);
    assert_eq!(run.status.code(), Some(6), "{out}");
    assert!(out.contains("NOT COMPARABLE: nccl was - and is 2.30.7; --allow 'nccl'"), "{out}");
    assert!(out.contains("variable NCCL_ALGO"), "{out}");
    let allowed =
        program(at, &["compare", "a.json", "other.json", "--allow", "nccl", "--allow", "variable"]);
    assert_eq!(allowed.status.code(), Some(3), "{}", text(&allowed.stdout));
}

#[test]
fn cases_that_vanish_fail_or_are_new_are_named() {
    let folder = folder_with_a_regression();
    let at = folder.path();
    let mut other = Report::load(&at.join("a.json")).unwrap();
    let mut new = other.cases.remove(1);
    new.id = "brand-new".to_owned();
    other.cases.push(new);
    save(at, "other.json", &other);
    let run = program(at, &["compare", "a.json", "other.json"]);
    let out = text(&run.stdout);
    assert_eq!(run.status.code(), Some(0), "{out}");
    assert!(out.contains("1 VANISHED, 4 EQUIVALENT, 1 NEW"), "{out}");
    assert_eq!(
        program(at, &["compare", "a.json", "other.json", "--strict"]).status.code(),
        Some(4)
    );
    let failed =
        r#"{"kind": "wrong_result", "rank": 1, "at": "verify", "detail": "element 7 is wrong"}"#;
    other.cases[0].error = serde_json::from_str(failed).unwrap();
    other.cases[0].outcome = tesserabench::report::Outcome::Failed;
    save(at, "failed.json", &other);
    let run = program(at, &["compare", "a.json", "failed.json"]);
    assert_eq!(run.status.code(), Some(5));
    assert!(text(&run.stdout).contains("element 7 is wrong"));
}

#[test]
fn what_neither_side_can_do_is_no_difference() {
    let folder = folder_with_a_regression();
    let at = folder.path();
    for name in ["a.json", "b.json"] {
        let mut report = Report::load(&at.join(name)).unwrap();
        report.cases[2].replication = None;
        report.cases[2].outcome = tesserabench::report::Outcome::Skipped;
        save(at, name, &report);
    }
    let run = program(at, &["compare", "a.json", "b.json", "--strict"]);
    let out = text(&run.stdout);
    assert_eq!(run.status.code(), Some(0), "{out}");
    assert!(out.contains("ok: 4 EQUIVALENT") && !out.contains("case-2"), "{out}");
}

#[test]
fn single_launches_in_files_of_their_own_make_a_side() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::create_dir(at.join("a")).unwrap();
    std::fs::create_dir(at.join("b")).unwrap();
    let report = measured(at, "one.json", "1");
    for launch in 0..6u32 {
        let factor = 1.0 + 0.01 * f64::from(launch % 3);
        save(&at.join("a"), &format!("{launch}.json"), &slowed(&report, factor));
        save(&at.join("b"), &format!("{launch}.json"), &slowed(&report, 1.3 * factor));
    }
    let run = program(at, &["compare", "a", "b"]);
    let out = text(&run.stdout);
    assert_eq!(run.status.code(), Some(3), "{out}");
    assert!(out.contains("(6 launches") && out.contains("2 REGRESSED"), "{out}");
    // The machine varies by itself as much as the sides differ: nothing can be said.
    let run = program(at, &["compare", "a", "b", "--noise-floor", "b"]);
    assert!(text(&run.stdout).contains("noise floor: 30.00 %"), "{}", text(&run.stdout));
    assert_eq!(run.status.code(), Some(0));
}

#[test]
fn bad_input_gets_one_sentence() {
    let folder = folder_with_a_regression();
    let at = folder.path();
    std::fs::create_dir(at.join("empty")).unwrap();
    std::fs::write(at.join("noise.json"), "{}").unwrap();
    for (arguments, why) in [
        (&["compare", "a.json", "missing.json"][..], "missing.json"),
        (&["compare", "a.json", "empty"], "no .json file"),
        (&["compare", "a.json", "noise.json"], "schema"),
        (&["compare", "a.json", ","], "names no report"),
        (&["compare", "a.json", "b.json", "--metric", "latncy"], "did you mean `latency`"),
        (&["compare", "a.json", "b.json", "--statistical-test", "magic"], "magic"),
        (&["compare", "a.json", "b.json", "--regression-threshold=-5"], "no percentage"),
        (&["compare", "a.json", "b.json", "-o", "c.txt"], ".xml"),
        (&["compare", "a.json", "b.json", "a.json", "-o", "c.json"], "one candidate"),
    ] {
        let run = program(at, arguments);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}: {}", text(&run.stderr));
        let said = text(&run.stderr);
        assert!(
            said.contains(why) && said.trim_end().lines().count() == 1,
            "{arguments:?}: {said}"
        );
    }
}
