//! Comparisons of reports: what they call worse, how they say it, and that they seldom err.

use proptest::prelude::*;
use tesserabench::analysis::{self, Reports, Rules};
use tesserabench::base::caveat::Caveat;
use tesserabench::base::error::Exit;
use tesserabench::base::random::Stream;
use tesserabench::plan::config::{ComparedMetric, ComparisonConfig, Config, Protocol};
use tesserabench::report::{
    Comparison, Definition, Latency, Outcome, RegressionSeverity as Severity, Replicate, Report,
    Verdict,
};

use crate::ranks::{Run, ranks, tesserabench};

#[path = "../../scripts/peers/suites.rs"]
mod suites;

use suites::{Noise, Side};

fn rules(threshold: f64) -> Rules {
    let comparison =
        ComparisonConfig { regression_threshold: Some(threshold), ..ComparisonConfig::default() };
    let config = Config { comparison, ..Config::default() };
    Rules::resolve(&config).unwrap()
}

fn strict(rules: Rules) -> Rules {
    let mut rules = rules;
    rules.strict = true;
    rules
}

fn by(test: &str, rules: Rules) -> Rules {
    let mut rules = rules;
    rules.test = serde_json::from_value(test.into()).unwrap();
    rules
}

fn compared(baseline: &Report, candidate: &Report, rules: &Rules) -> Comparison {
    let one = |report| Reports { files: &[], reports: std::slice::from_ref(report) };
    analysis::compare(one(baseline), one(candidate), rules)
}

#[test]
fn suites_in_which_nothing_changed_are_seldom_alarmed() {
    // With the hardest threshold there is. Of 60 suites at most 5 % are expected to be; Binomial(60, 0.05)
    // exceeds 10 with probability 1e-4. scripts/peers/gate.rs does it with 1000.
    let told = |threshold: f64, verdict| {
        let alarmed = (0..60u64).filter(|suite| {
            let mut random = Stream::new(*suite, "a/a", &[]);
            let mut side = || Side::USUAL.report(&[1.0; 50], &mut random);
            compared(&side(), &side(), &rules(threshold)).summary[&verdict] > 0
        });
        alarmed.count()
    };
    let (regressed, shifted) = (told(0.0, Verdict::Regressed), told(1.0, Verdict::Shifted));
    assert!(regressed <= 10 && shifted <= 10, "{regressed} and {shifted} of 60");
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
    let severities = [3, 7, 11].map(|place| comparison.cases[place].severity.unwrap());
    assert_eq!(severities, [Severity::Mild, Severity::Moderate, Severity::Severe]);
    assert_eq!(comparison.exit, 3);
}

#[test]
fn regressions_are_a_code_never_a_count() {
    let mut random = Stream::new(1, "many", &[]);
    let side = Side { launches: 4, iterations: 5, ..Side::USUAL };
    let baseline = side.report(&[1.0; 256], &mut random);
    let candidate = side.report(&[2.0; 256], &mut random);
    let comparison = compared(&baseline, &candidate, &rules(5.0));
    assert_eq!((comparison.summary[&Verdict::Regressed], comparison.exit), (256, 3));
}

#[test]
fn few_launches_say_what_they_cannot_show() {
    let mut random = Stream::new(1, "few", &[]);
    let mut reach = |launches, between, test| {
        let side = Side { between, ..Side::figures(launches, Noise::Normal) };
        let [a, b] = [0, 1].map(|_| side.report(&[1.0; 13], &mut random));
        let comparison = compared(&a, &b, &strict(by(test, rules(5.0))));
        (comparison.reach, comparison.exit)
    };
    // One launch shows nothing, and --strict fails although nothing is worse.
    let (one, exit) = reach(1, 0.01, "auto");
    assert_eq!(
        (one.fewest_visible > 13, one.detectable_percent, one.launches_needed, exit),
        (true, None, 5, 4)
    );
    let (calm, exit) = reach(5, 0.003, "auto");
    assert!(calm.suffices() && calm.detectable_percent.unwrap() < 7.0, "{calm:?}");
    assert_eq!(exit, 0);
    let (noisy, exit) = reach(5, 0.15, "auto");
    assert!(!noisy.suffices() && noisy.launches_needed > 5, "{noisy:?}");
    assert_eq!(exit, 4);
    // Ranks: one of 252 orders lifts at most 12 cases.
    let (ranks, _) = reach(5, 0.003, "mannwhitney");
    assert_eq!((ranks.fewest_visible, ranks.launches_needed), (2, 6));
}

/// A report with these figures of each case, a launch each; every launch has as many equal samples as `samples`.
fn figures(cases: &[Vec<f64>], samples: usize) -> Report {
    let mut random = Stream::new(1, "figures", &[]);
    let mut report = Side::figures(1, Noise::Normal).report(&vec![1.0; cases.len()], &mut random);
    for (case, figures) in report.cases.iter_mut().zip(cases) {
        let launches = &mut case.replication.as_mut().unwrap().launches;
        let one = launches[0].clone();
        let launch = |(replicate, figure): (usize, &f64)| Replicate {
            replicate,
            median_ms: *figure,
            times_ms: vec![*figure; samples],
            ..one.clone()
        };
        *launches = figures.iter().enumerate().map(launch).collect();
    }
    report
}

/// So many cases of normal noise of 1 %; the first `slower` by `factor`.
fn noise(cases: usize, launches: usize, (slower, factor): (usize, f64), seed: u64) -> [Report; 2] {
    let mut random = Stream::new(seed, "noise", &[]);
    [0, 1].map(|side| {
        let factor = |case| if side == 1 && case < slower { factor } else { 1.0 };
        let factors: Vec<f64> = (0..cases).map(factor).collect();
        Side::figures(launches, Noise::Normal).report(&factors, &mut random)
    })
}

#[test]
fn what_is_much_slower_is_never_ok() {
    for (cases, launches, slower) in
        [(30, 3, (29, 10.0)), (4, 4, (1, 1.5)), (30, 5, (2, 10.0)), (1, 3, (1, 2.0))]
    {
        let [a, b] = noise(cases, launches, slower, 1);
        let comparison = compared(&a, &b, &rules(5.0));
        let called = |verdict| comparison.summary[&verdict];
        assert_eq!(
            (called(Verdict::Regressed), comparison.exit),
            (slower.0, 3),
            "{cases} at {launches}"
        );
    }
    // Nothing shows how far launches differ: it is named all the same.
    let [a, b] = noise(3, 1, (1, 1.7), 1);
    let comparison = compared(&a, &b, &rules(5.0));
    assert_eq!((comparison.cases[0].verdict, comparison.exit), (Verdict::Suspected, 4));
    assert_eq!(comparison.cases[1].verdict, Verdict::Inconclusive);
    let [a, b] = noise(3, 1, (1, 1.4), 1);
    assert_eq!(compared(&a, &b, &rules(5.0)).exit, 0);
}

#[test]
fn a_case_worse_by_its_own_interval_only_is_suspected() {
    let suspected = (0..20).filter(|seed| {
        let [a, b] = noise(40, 4, (1, 1.075), *seed);
        let comparison = compared(&a, &b, &rules(5.0));
        let case = &comparison.cases[0];
        let beyond = case.ci.is_some_and(|[low, _]| low > 1.05);
        let shown = case.p_adjusted.unwrap() <= 0.05;
        let suspected = case.verdict == Verdict::Suspected;
        assert_eq!(suspected, beyond && !shown, "{case:?}");
        if suspected {
            assert_eq!((comparison.exit, case.severity), (0, Some(Severity::Mild)));
            assert_eq!(compared(&a, &b, &strict(rules(5.0))).exit, 4);
        }
        suspected
    });
    assert!(suspected.count() > 2);
}

#[test]
fn one_slow_launch_of_eight_is_unstable_not_equivalent() {
    let calm: Vec<f64> = (0..8).map(|launch| 1.0 + 0.001 * f64::from(launch)).collect();
    let mut rare = calm.clone();
    rare[3] = 10.0;
    let rules = rules(5.0);
    let comparison = compared(&figures(&[calm], 1), &figures(&[rare], 1), &rules);
    let case = &comparison.cases[0];
    assert_eq!(case.verdict, Verdict::Unstable);
    let [low, high] = case.ci.unwrap();
    assert!(low < 1.0 && 1.0 < high && high < 1.05, "{low} {high}");
    assert!(
        case.remarks[0].contains("10.0 times worse than usual in 1 of the candidate's 8"),
        "{:?}",
        case.remarks
    );
    assert_eq!(comparison.exit, 0);
}

#[test]
fn the_order_of_launches_and_cases_does_not_matter() {
    let [a, b] = noise(3, 12, (3, 1.055), 5);
    let there = compared(&a, &b, &rules(5.0));
    let [a, b] = [a, b].map(|mut side| {
        side.cases.reverse();
        for case in &mut side.cases {
            case.replication.as_mut().unwrap().launches.reverse();
        }
        side
    });
    let back = compared(&a, &b, &rules(5.0));
    for (one, other) in there.cases.iter().zip(back.cases.iter().rev()) {
        assert_eq!((&one.id, one.verdict, one.p), (&other.id, other.verdict, other.p));
    }
}

#[test]
fn unlike_launches_raise_no_alarm() {
    let forms = [
        Noise::Normal,
        Noise::HeavyTail,
        Noise::Skewed,
        Noise::Modes(0.2),
        Noise::RareSlow(0.1),
        Noise::Drift,
        Noise::Shared(0.5),
        Noise::UnlikeCases,
    ];
    // The candidate's launches are fewer and differ three times as much. Binomial(40, 0.05) exceeds 8 with probability
    // 1e-4.
    let suites = forms.into_iter().flat_map(|noise| (0..5u64).map(move |suite| (noise, suite)));
    let alarmed = suites.filter(|(noise, suite)| {
        let mut random = Stream::new(*suite, "unlike", &[]);
        let mut side = |launches, between| {
            Side { between, ..Side::figures(launches, *noise) }.report(&[1.0; 30], &mut random)
        };
        compared(&side(9, 0.01), &side(5, 0.03), &rules(0.0)).summary[&Verdict::Regressed] > 0
    });
    let alarmed = alarmed.count();
    assert!(alarmed <= 8, "{alarmed} of 40");
}

#[test]
fn what_is_called_is_never_contradicted_by_its_interval() {
    for seed in 0..20 {
        let [a, b] = noise(10, 5, (10, 1.02), seed);
        for case in compared(&a, &b, &rules(0.0)).cases {
            let [low, _] = case.ci.unwrap();
            assert_eq!(
                case.verdict == Verdict::Regressed,
                low > 1.0 && case.p_adjusted.unwrap() <= 0.05
            );
        }
    }
}

#[test]
fn a_tick_of_the_clock_is_no_regression() {
    let mut random = Stream::new(1, "ticks", &[]);
    // Nothing changed: each median is of ten or eleven ticks.
    let mut side = || -> Report {
        let mut tick = |_| if random.unit() < 0.5 { 10.0 } else { 11.0 };
        let cases: Vec<Vec<f64>> = (0..30).map(|_| (0..3).map(&mut tick).collect()).collect();
        figures(&cases, 20)
    };
    let (a, b) = (side(), side());
    for test in ["auto", "ttest", "mannwhitney"] {
        assert_eq!(
            compared(&a, &b, &by(test, rules(0.0))).summary[&Verdict::Regressed],
            0,
            "{test}"
        );
    }
}

#[test]
fn samples_of_zero_are_counted_and_hide_nothing() {
    let [mut a, mut b] = noise(2, 8, (1, 1.5), 1);
    for side in [&mut a, &mut b] {
        for launch in &mut side.cases[0].replication.as_mut().unwrap().launches {
            launch.times_ms = vec![launch.median_ms, 0.0, launch.median_ms];
        }
    }
    let comparison = compared(&a, &b, &rules(5.0));
    let case = &comparison.cases[0];
    assert_eq!((case.verdict, case.launches), (Verdict::Regressed, [8, 8]));
    let zeros = case.remarks.iter().filter(|remark| remark.starts_with("ZERO: 8 samples"));
    assert_eq!(zeros.count(), 2, "{:?}", case.remarks);
    // Where nothing but zeros is left, there is no figure to compare.
    for launch in &mut b.cases[0].replication.as_mut().unwrap().launches {
        launch.median_ms = 0.0;
    }
    let comparison = compared(&a, &b, &rules(5.0));
    assert_eq!((comparison.cases[0].verdict, comparison.exit), (Verdict::NotComparable, 6));
    let told = "ZERO: 8 samples and the median of 8 launches (left out) of the candidate read 0";
    assert!(comparison.cases[0].remarks.iter().any(|remark| remark.starts_with(told)));
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
            // What is only suspected or unstable is so in one direction.
            let one_way = [Verdict::Suspected, Verdict::Unstable];
            if !one_way.contains(&a.verdict) && !one_way.contains(&b.verdict) {
                prop_assert_eq!(a.verdict, mirrored(b.verdict));
            }
            prop_assert!(close(a.ratio.unwrap() * b.ratio.unwrap(), 1.0));
            prop_assert_eq!(a.cliffs_delta.unwrap(), -b.cliffs_delta.unwrap());
            for (p, q) in [(a.p, b.p_improved), (a.p_adjusted, b.p_improved_adjusted), (a.p_improved, b.p)] {
                let (p, q) = (p.unwrap(), q.unwrap());
                // A drawn t may lie on either side of the other by rounding.
                prop_assert!((p - q).abs() < 1e-3 && p > 0.0 && p <= 1.0, "{p} {q}");
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
    let report = measured();
    let slower = slowed(&report, 1.5);
    let by = |metric| {
        let comparison = ComparisonConfig { metric: Some(metric), ..ComparisonConfig::default() };
        let config = Config { comparison, ..Config::default() };
        compared(&report, &slower, &Rules::resolve(&config).unwrap())
    };
    let (time, rate) = (by(ComparedMetric::Latency), by(ComparedMetric::Throughput));
    for (time, rate) in time.cases.iter().zip(&rate.cases) {
        assert!((time.ratio.unwrap() - 1.5).abs() < 1e-9);
        assert!((rate.ratio.unwrap() - 1.0 / 1.5).abs() < 1e-9);
        assert!((time.worse_percent.unwrap() - 50.0).abs() < 1e-6);
        assert!((rate.worse_percent.unwrap() - 50.0).abs() < 1e-6);
    }
}

#[test]
fn results_that_err_more_are_a_regression() {
    let report = measured();
    let with_error = |max_rel: f64| {
        let accuracy = serde_json::json!({"checked": 1, "wrong": 0, "max_abs": 0.0, "max_rel": max_rel,
            "rmse": 0.0, "tolerance": 1.0, "first_wrong": null});
        let mut report = report.clone();
        report.cases[0].accuracy = serde_json::from_value(accuracy).unwrap();
        report
    };
    let verdicts = |max_rel: f64| {
        let comparison = compared(&with_error(1e-4), &with_error(max_rel), &rules(5.0));
        (comparison.cases[0].verdict, comparison.exit)
    };
    assert_eq!(verdicts(1e-3), (Verdict::Inconclusive, 0));
    assert_eq!(verdicts(2e-3), (Verdict::Regressed, 3));
}

/// A report of the simulated backend.
fn measured() -> Report {
    let words = "--backend simulated -b all_reduce --problem-size bytes=1KiB,1MiB --iterations 20";
    let ended = ranks(2, words).passes();
    Report::load(&ended.path("results.json")).unwrap()
}

/// The same, each time longer by a factor.
fn slowed(report: &Report, factor: f64) -> Report {
    let mut slower = report.clone();
    for measured in slower.cases.iter_mut().filter_map(|case| case.measured.as_mut()) {
        let Latency { median, mean, min, max, ci, .. } = &mut measured.latency;
        let ends = ci.iter_mut().flatten();
        [median, mean, min, max].into_iter().chain(ends).for_each(|time| *time *= factor);
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

/// Eight launches of five cases, and as many in which case 2 is slower by half.
fn sides() -> [Report; 2] {
    let mut random = Stream::new(1, "files", &[]);
    [1.0, 1.5].map(|factor| Side::USUAL.report(&[1.0, 1.0, factor, 1.0, 1.0], &mut random))
}

/// `compare` with these words, in a folder with `a.json` and `b.json`.
fn compare(words: &str, [a, b]: &[Report; 2]) -> Run {
    let text = |report: &Report| {
        let mut report = report.clone();
        report.conclude(report.cases.len(), Exit::Ok);
        serde_json::to_string(&report).unwrap()
    };
    tesserabench(&format!("compare {words}")).file("a.json", &text(a)).file("b.json", &text(b))
}

#[test]
fn a_regression_is_told_in_every_form() {
    let words = "a.json b.json -o c.json -o c.csv -o c.md -o c.xml";
    let ended = compare(words, &sides()).fails(3);
    let table = &ended.out;
    let regressed = table.lines().find(|line| line.contains("REGRESSED")).unwrap();
    assert!(regressed.contains("severe"), "{table}");
    assert!(table.contains("1 REGRESSED, 4 EQUIVALENT"), "{table}");
    // The most pressing stands first.
    let first = table.lines().find(|line| line.contains("case-")).unwrap();
    assert!(first.contains("case-2"), "{table}");
    let comparison: Comparison = serde_json::from_str(&ended.read("c.json")).unwrap();
    assert_eq!(
        (comparison.summary[&Verdict::Regressed], comparison.summary[&Verdict::Equivalent]),
        (1, 4)
    );
    let text = ended.read("c.json");
    let told = tesserabench("verdict c.json").file("c.json", &text).fails(3).out;
    for (was, is, said) in [
        ("\"exit\": 3", "\"exit\": 0", "its exit code is 0, but its cases say otherwise"),
        ("\"exit\": 3", "\"exit\": true", "cannot use the comparison 'c.json'"),
    ] {
        assert!(text.contains(was));
        let wrong = tesserabench("verdict c.json").file("c.json", &text.replace(was, is)).fails(2);
        assert!(wrong.err.contains(said), "{}", wrong.err);
    }
    assert_eq!(told, "regression: 1 REGRESSED, 4 EQUIVALENT\n");
    assert_eq!(ended.read("c.csv").lines().count(), 6);
    let junit = ended.read("c.xml");
    assert!(junit.contains("tests=\"5\"") && junit.contains("failures=\"1\""), "{junit}");
    assert!(ended.read("c.md").contains("| case-2 |"));
}

#[test]
fn nothing_compared_is_no_success() {
    let [a, mut b] = sides();
    let same = compare("a.json a.json", &[a.clone(), b.clone()]).fails(2);
    assert!(same.error().contains("both sides are the same file"), "{}", same.err);
    compare("a.json b.json", &[a.clone(), a.clone()]).fails(2);
    b.cases.iter_mut().for_each(|case| case.id += "-new");
    let out = compare("a.json b.json", &[a, b]).fails(6).out;
    assert!(out.contains("nothing was compared: 5 VANISHED, 5 NEW"), "{out}");
}

#[test]
fn a_regression_counts_beside_what_cannot_be_compared() {
    let mut sides = sides();
    sides[1].cases[0].caveats.push(Caveat::Simulated { topology: "dgx-h100".to_owned() });
    let out = compare("a.json b.json", &sides).fails(3).out;
    assert!(out.contains("1 REGRESSED, 1 NOT COMPARABLE"), "{out}");
    compare("a.json b.json --allow simulated", &sides).fails(3);
}

#[test]
fn what_is_allowed_is_allowed_and_must_be_a_name() {
    let mut sides = sides();
    for case in &mut sides[1].cases {
        case.measured.as_mut().unwrap().protocol = Protocol::BackToBack;
    }
    let out = compare("a.json b.json", &sides).fails(6).out;
    assert!(out.contains("nothing was compared: 5 NOT COMPARABLE"), "{out}");
    compare("a.json b.json --allow protocol", &sides).fails(3);
    let refused = compare("a.json b.json --allow protocoll", &sides).fails(2);
    assert!(refused.error().contains("did you mean 'protocol'?"), "{}", refused.err);
}

#[test]
fn a_side_that_fell_back_is_compared_by_what_both_have() {
    let [a, _] = sides();
    let mut b = a.clone();
    b.run.id = "other".to_owned();
    for case in &mut b.cases {
        let measured = case.measured.as_mut().unwrap();
        measured.latency.definition = Definition::SlowestRank;
        measured.protocol = Protocol::Barrier;
        case.caveats.push(Caveat::BarrierStart);
        // By the other definition it would be half as long.
        for launch in &mut case.replication.as_mut().unwrap().launches {
            launch.local_median_ms = Some(launch.median_ms / 2.0);
            launch.median_ms /= 2.0;
        }
    }
    let mut sides = [a, b];
    compare("a.json b.json", &sides).fails(6);
    for case in &mut sides[0].cases {
        case.measured.as_mut().unwrap().latency.definition = Definition::LastEndMinusFirstStart;
        for launch in &mut case.replication.as_mut().unwrap().launches {
            launch.local_median_ms = Some(launch.median_ms / 2.0);
        }
    }
    let out = compare("a.json b.json", &sides).passes().out;
    assert!(out.contains("5 EQUIVALENT") && out.contains("fell back"), "{out}");
}

#[test]
fn github_gets_annotations_and_a_summary() {
    let run = compare("a.json b.json", &sides()).file("summary.md", "before\n");
    let run = run.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", "summary.md");
    let ended = run.fails(3);
    let lines: Vec<&str> = ended.out.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("::error title=REGRESSED (severe)%3A case-2::case-2"),
        "{lines:?}"
    );
    let summary = ended.read("summary.md");
    let begins =
        "before\n<!-- tesserabench: comparison -->\n> [!CAUTION]\n> **Comparison: regression";
    assert!(summary.starts_with(begins), "{summary}");
}

#[test]
fn what_differs_around_the_sides_is_named() {
    let mut sides = sides();
    let environment = &mut sides[1].environment;
    environment.libraries.insert("nccl".to_owned(), "2.30.7".to_owned());
    environment.variables.insert("NCCL_ALGO".to_owned(), "Ring".to_owned());
    let out = compare("a.json b.json", &sides).fails(6).out;
    assert!(out.contains("NOT COMPARABLE: nccl was - and is 2.30.7; --allow 'nccl'"), "{out}");
    assert!(out.contains("variable NCCL_ALGO"), "{out}");
    compare("a.json b.json --allow nccl --allow variable", &sides).fails(3);
}

#[test]
fn cases_that_vanish_fail_or_are_new_are_named() {
    let [a, _] = sides();
    let mut b = a.clone();
    let mut new = b.cases.remove(1);
    new.id = "brand-new".to_owned();
    b.cases.push(new);
    let mut sides = [a, b];
    let out = compare("a.json b.json", &sides).passes().out;
    assert!(out.contains("1 VANISHED, 4 EQUIVALENT, 1 NEW"), "{out}");
    compare("a.json b.json --strict", &sides).fails(4);
    let failed =
        r#"{"kind": "wrong_result", "rank": 1, "at": "verify", "detail": "element 7 is wrong"}"#;
    sides[1].cases[0].error = serde_json::from_str(failed).unwrap();
    sides[1].cases[0].outcome = Outcome::Failed;
    let out = compare("a.json b.json", &sides).fails(5).out;
    assert!(out.contains("element 7 is wrong"), "{out}");
}

#[test]
fn what_neither_side_can_do_is_no_difference() {
    let sides = sides().map(|mut report| {
        let case = &mut report.cases[2];
        (case.measured, case.replication, case.outcome) = (None, None, Outcome::Skipped);
        report
    });
    let out = compare("a.json b.json --strict", &sides).passes().out;
    assert!(out.contains("ok: 4 EQUIVALENT") && !out.contains("case-2"), "{out}");
}

#[test]
fn single_launches_in_files_of_their_own_make_a_side() {
    let report = measured();
    let sides = |words: &str| {
        let mut run = tesserabench(words);
        for launch in 0..6u32 {
            let factor = 1.0 + 0.01 * f64::from(launch % 3);
            for (side, factor) in [("a", factor), ("b", 1.3 * factor)] {
                let mut report = slowed(&report, factor);
                report.run.id = format!("{side}{launch}");
                let text = serde_json::to_string(&report).unwrap();
                run = run.file(&format!("{side}/{launch}.json"), &text);
            }
        }
        run
    };
    let out = sides("compare a b").fails(3).out;
    assert!(out.contains("(6 launches") && out.contains("2 REGRESSED"), "{out}");
    // The machine varies by itself as much as the sides differ: nothing can be said.
    let out = sides("compare a b --noise-floor b").passes().out;
    assert!(out.contains("noise floor: 30.00 %"), "{out}");
    // A copy is no further launch.
    let ended = sides("compare a,a b").fails(3);
    assert!(ended.out.contains("(6 launches"), "{}", ended.out);
    assert!(ended.err.contains("is of the same run as 'a/0.json'"), "{}", ended.err);
}

#[test]
fn what_cannot_be_shown_is_said_before_it_is_measured() {
    let told = |words: &str| {
        let words = format!(
            "--backend simulated -b all_reduce --problem-size bytes=1KiB --dry-run {words}"
        );
        let base = serde_json::to_string(&measured()).unwrap();
        ranks(2, &words).file("base.json", &base).passes().err
    };
    let told_of_base = told("--compare-baseline base.json");
    assert!(
        told_of_base.contains("1 and 15 launches are few for 2 cases: nothing can be shown"),
        "{told_of_base}"
    );
    let one = told("--env OMP_NUM_THREADS=1,2");
    assert!(one.contains("no change can be shown; --launches 5"), "{one}");
    assert_eq!(told("--env OMP_NUM_THREADS=1,2 --launches 5"), "");
}

#[test]
fn bad_input_gets_one_sentence() {
    let sides = sides();
    for (words, why) in [
        ("a.json missing.json", "missing.json"),
        ("a.json empty", "no .json file"),
        ("a.json noise.json", "schema"),
        ("a.json ,", "names no report"),
        ("a.json b.json --metric latncy", "did you mean 'latency'"),
        ("a.json b.json --statistical-test magic", "magic"),
        ("a.json b.json --regression-threshold=-5", "no percentage"),
        ("a.json b.json -o c.txt", ".xml"),
        ("a.json b.json a.json -o c.json", "one candidate"),
    ] {
        let run = compare(words, &sides).file("noise.json", "{}").file("empty/note.txt", "");
        let ended = run.fails(2);
        assert!(ended.error().contains(why), "{words}: {}", ended.err);
        assert_eq!(ended.out, "", "{words}: nothing is done before that is found");
    }
}
