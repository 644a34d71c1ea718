//! What `analyze` says of reports.

use serde_json::Value;

use crate::ranks::{Ended, ranks, tesserabench};

/// A run whose report is called so, in the folder of the one before.
fn another(before: Ended, ranks: usize, name: &str) -> Ended {
    let words = "--backend simulated --iterations 40 -b all_reduce -b gemm --problem-size bytes=64MiB \
                 --problem-size m=512";
    let run = format!("run --ranks {ranks} {words} -o {name}");
    tesserabench(&run).after(before).passes()
}

fn analysis(ended: &Ended) -> Value {
    let analysis: Value = serde_json::from_str(&ended.read("analysis.json")).unwrap();
    let schema = tesserabench("schema analysis").passes().out;
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&analysis).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    analysis
}

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap()
}

#[test]
fn reports_of_2_4_and_8_ranks_make_studies() {
    let mut ended = tesserabench("list-benchmarks --format names-only").passes();
    for (ranks, name) in [(2, "2.json"), (4, "4.json"), (8, "8.json")] {
        ended = another(ended, ranks, name);
    }
    let words = "analyze 2.json 4.json,8.json 2.json -o analysis.json -o analysis.md";
    let ended = tesserabench(words).after(ended).passes();
    assert!(ended.err.contains("is of the same run"), "{}", ended.err);
    let analysis = analysis(&ended);
    assert_eq!(array(&analysis, "reports").len(), 3);
    let studies = array(&analysis, "scaling");
    assert_eq!(studies.len(), 2, "{studies:#?}");
    for study in studies {
        assert_eq!(study["separate_launches"], true);
        let points = array(study, "points");
        let ranks: Vec<u64> = points.iter().map(|point| point["ranks"].as_u64().unwrap()).collect();
        assert_eq!(ranks, [2, 4, 8]);
        assert_eq!((&study["base"]["ranks"], &points[0]["efficiency"]), (&2.into(), &1.0.into()));
        let efficiency = points[2]["efficiency"].as_f64().unwrap();
        assert!((0.5..1.05).contains(&efficiency), "{study:#}");
    }
    let boards = array(&analysis, "leaderboards");
    assert!(
        boards
            .iter()
            .all(|board| board["origin"] == "simulated" && array(board, "entries").len() == 3)
    );
    assert!(
        ended.out.contains("SIMULATED") && ended.out.contains("can be relied on"),
        "{}",
        ended.out
    );
    assert!(ended.read("analysis.md").contains("## statistics"));
    // All statistics are for those who ask.
    assert!(!ended.out.contains("Shapiro"), "{}", ended.out);
    let ended = tesserabench("analyze 2.json --statistical-analysis").after(ended).passes();
    assert!(ended.out.contains("Shapiro-Wilk") && ended.out.contains("Tukey"), "{}", ended.out);
}

#[test]
fn a_slow_rank_is_named_with_its_host() {
    let words = "--iterations 20 --warmup 2 -b triad -b copy --problem-size array=64KiB";
    let ended = ranks(2, words).fault("slow/30@1:operation").passes();
    let host = ended.report()["environment"]["nodes"][0]["host"].clone();
    let ended = tesserabench("analyze results.json -o analysis.json").after(ended).passes();
    let analysis = analysis(&ended);
    let slow = &array(&analysis, "findings")[0];
    assert_eq!((&slow["rule"], &slow["severity"]), (&"slow_rank".into(), &"serious".into()));
    assert_eq!((&slow["ranks"][0], &slow["hosts"][0]), (&1.into(), &host));
    assert!(slow["evidence"][0]["value"].as_f64().unwrap() > 100.0, "{slow:#}");
    assert!(ended.out.contains("SERIOUS slow rank"), "{}", ended.out);
}

#[test]
fn a_run_that_failed_is_analysed_and_named() {
    let words = "--iterations 5 --continue-on-error -b triad -b copy --problem-size array=64KiB";
    let ended = ranks(2, words).fault("wrong@1:verify").fails(5);
    let ended = tesserabench("analyze results.json -o analysis.json").after(ended).passes();
    let analysis = analysis(&ended);
    let findings = array(&analysis, "findings");
    assert_eq!(findings[0]["rule"], "run_ended");
    assert_eq!(findings[0]["evidence"][0]["value"].as_f64(), Some(5.0));
    assert!(findings.iter().any(|finding| finding["rule"] == "wrong_result"), "{findings:#?}");
    assert!(ended.out.contains("EXIT 5: wrong results"), "{}", ended.out);
}

#[test]
fn what_is_no_report_is_refused() {
    let of = |words: &str| tesserabench(words).file("x.json", "{\"a\": 1}").fails(2);
    assert!(of("analyze").err.contains("REPORT"));
    assert!(of("analyze nothing.json").error().contains("nothing.json"));
    assert!(of("analyze x.json").error().contains("no schema"));
    let folder = of("analyze .");
    assert!(folder.error().contains("'.' names no report"), "{}", folder.err);
    assert!(folder.err.contains("passed over: cannot use the report './x.json'"), "{}", folder.err);
    assert!(of("analyze x.json -o x.txt").error().contains("ending"));
    // Before anything is read, so before anything is written.
    let margin = of("analyze x.json --derive-limits l.yaml --margin 100");
    assert!(margin.error().contains("leaves no limit"), "{}", margin.err);
}
