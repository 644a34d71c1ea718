//! Reports over time: the program as a CI uses it, with reports of a simulated run whose dates are moved.

use serde_json::Value;

use crate::ranks::{Ended, Run, tesserabench};

const WORDS: &str = "run --backend simulated --quick -b all_reduce -b gemm -p f32 --problem-size bytes=1MiB \
                     --problem-size m=1024";

/// The commit of a day.
fn commit(day: usize) -> String {
    format!("{:010x}{:030}", day + 1, 0)
}

/// A folder `in` with a report of each of so many days; from day 20 on everything takes 20 % longer.
fn reports(days: usize) -> Ended {
    let ended = tesserabench(WORDS).passes();
    let report = ended.report();
    std::fs::create_dir(ended.path("in")).unwrap();
    for day in 0..days {
        let mut report = report.clone();
        let (month, date) = (1 + day / 28, 1 + day % 28);
        report["run"]["id"] = format!("run-{day}").into();
        report["run"]["git"] = commit(day).into();
        report["run"]["started"] = format!("2026-{month:02}-{date:02}T00:00:00Z").into();
        let factor = (1.0 + 0.01 * ((day * 7) % 5) as f64) * if day < 20 { 1.0 } else { 1.2 };
        for case in report["cases"].as_array_mut().unwrap() {
            for place in [
                "/latency/min",
                "/latency/median",
                "/latency/max",
                "/latency/ci/0",
                "/latency/ci/1",
            ] {
                let time = case.pointer_mut(place).unwrap();
                *time = (time.as_f64().unwrap() * factor).into();
            }
        }
        std::fs::write(ended.path(&format!("in/{day:03}.json")), report.to_string()).unwrap();
    }
    ended
}

/// The next command in the folder of one that has ended.
fn history(ended: Ended, words: &str) -> Run {
    tesserabench(&format!("history {words}")).after(ended)
}

/// What was printed, which the published schema allows.
fn json(ended: &Ended) -> Value {
    let schema = tesserabench("schema history").passes().out;
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let printed: Value = serde_json::from_str(&ended.out).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&printed).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    printed
}

#[test]
fn a_step_after_20_of_30_reports_is_one_change_with_its_commits() {
    let added = history(reports(30), "add in").passes();
    assert!(added.out.contains("added 30 reports"), "{}", added.out);
    assert_eq!(added.err, "");
    let trend = history(added, "trend --case *all_reduce* --format json").passes();
    let printed = json(&trend);
    assert_eq!(printed["trends"].as_array().unwrap().len(), 1);
    let found = &printed["trends"][0];
    assert_eq!(
        (&found["metric"], &found["direction"]),
        (&"latency".into(), &"lower_is_better".into())
    );
    let changes = found["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{changes:#?}");
    assert_eq!(changes[0]["effect"], "worse");
    assert_eq!(changes[0]["commits"], serde_json::json!([commit(19), commit(20)]));
    assert!((changes[0]["ratio"].as_f64().unwrap() - 1.2).abs() < 0.02, "{changes:#?}");
    let first = trend.out.clone();
    // Without its index it says the same, and that it had none.
    std::fs::remove_file(trend.path(".tesserabench/history/index.jsonl")).unwrap();
    let again = history(trend, "trend --case *all_reduce* --format json").passes();
    assert!(again.err.contains("30 files read anew"), "{}", again.err);
    assert_eq!(again.out, first);
    let table = history(again, "trend").passes();
    for text in ["% worse", &format!("{}..{}", &commit(19)[..10], &commit(20)[..10]), "▁", "█"]
    {
        assert!(table.out.contains(text), "{}", table.out);
    }
    let page = history(table, "trend --format markdown").passes();
    assert!(page.out.contains("| --- |"), "{}", page.out);
    let rows = history(page, "trend --format csv --last 12").passes();
    assert_eq!(rows.out.lines().count(), 1 + 2 * 12);
}

#[test]
fn reports_are_kept_once_listed_pinned_and_removed_aloud() {
    let added = history(reports(3), "add in/000.json in/001.json --tag v1").passes();
    let again = history(added, "add in --git 7777777777777777777777777777777777777777").passes();
    assert!(again.out.contains("in/000.json: not added"), "{}", again.out);
    assert!(
        again.out.contains("added 1 report, had 2 reports already; now it has 3"),
        "{}",
        again.out
    );
    let pinned = history(again, "pin golden run-0").passes();
    let list = history(pinned, "list --format json").passes();
    let printed = json(&list);
    let kept = printed["reports"].as_array().unwrap();
    assert_eq!(kept.len(), 3);
    assert_eq!((&kept[0]["pins"][0], &kept[0]["tag"]), (&"golden".into(), &"v1".into()));
    assert_eq!(kept[2]["git"], "7".repeat(40));
    let table = history(list, "list --filter gold* --last 5").passes();
    assert_eq!(table.out.lines().count(), 4, "{}", table.out);
    let told = history(table, "prune --older-than 0 --dry-run").passes();
    // One is the newest, two were added as a release.
    assert!(told.out.contains("would remove 0 reports older"), "{}", told.out);
    let gone = history(told, "pin --remove golden").passes();
    history(gone, "pin --remove golden").fails(2);
    let old = history(reports(3), "add in").passes();
    let removed = history(old, "prune --older-than 0").passes();
    assert!(removed.out.contains("removed 20260101T000000Z-"), "{}", removed.out);
    let left = history(removed, "list --format json").passes();
    assert_eq!(json(&left)["reports"].as_array().unwrap().len(), 1);
}

#[test]
fn a_gate_opens_for_what_is_as_fast_as_its_baseline() {
    let words = "add in/000.json in/001.json in/002.json in/003.json in/004.json in/005.json --tag v1 --git";
    let added = history(reports(30), words).arg(&commit(0)).passes();
    let gate = |ended: Ended, days: std::ops::Range<usize>, words: &str| {
        let files: Vec<String> = days.map(|day| format!("in/{day:03}.json")).collect();
        history(ended, &format!("gate {} {words}", files.join(","))).end()
    };
    let same = gate(added, 6..12, "--format json");
    assert_eq!(same.code, Some(0), "{}{}", same.out, same.err);
    let slower = gate(same, 22..28, "");
    assert_eq!(slower.code, Some(3), "{}{}", slower.out, slower.err);
    assert!(slower.out.contains("REGRESSED"), "{}", slower.out);
    let pinned = history(slower, "pin golden").passes();
    let golden = gate(pinned, 6..12, "--baseline golden");
    assert_eq!(golden.code, Some(0), "{}{}", golden.out, golden.err);
    let nothing = history(golden, "gate in/000.json --baseline nowhere").fails(2);
    assert!(nothing.error().contains("is no pin, no file and no run"), "{}", nothing.err);
}

#[test]
fn a_gate_allows_for_what_changes_from_session_to_session() {
    let ended = reports(12);
    for day in 0..12 {
        let name = format!("in/{day:03}.json");
        let mut report: Value = serde_json::from_str(&ended.read(&name)).unwrap();
        report["run"]["simulated"] = false.into();
        report["run"]["finished"] = report["run"]["started"].clone();
        std::fs::write(ended.path(&name), report.to_string()).unwrap();
    }
    let added = history(ended, "add in/000.json --tag v1").passes();
    let gate =
        |ended: Ended, words: &str| history(ended, &format!("gate in/011.json {words}")).end();
    let unknown = gate(added, "");
    let told = "knows no noise floor";
    assert!(unknown.err.contains(told) && !unknown.out.contains("noise floor:"), "{}", unknown.err);
    let sessions = "sessions: 2026-01-01T00:00:00Z and 2026-01-12T00:00:00Z";
    assert_eq!(unknown.out.matches(sessions).count(), 1, "{}", unknown.out);
    let given = gate(unknown, "--noise-floor 3%");
    assert!(given.out.contains("noise floor: 3.00 %, what") && !given.err.contains(told));
    let refused = gate(given, "--noise-floor=-1");
    assert!(refused.code == Some(2) && refused.err.contains("no percentage"), "{}", refused.err);
    // Days 1 and 2 lie 2 % above and 4 % above day 0.
    let words = "add in/001.json in/002.json in/003.json --git";
    let more = history(refused, words).arg(&commit(0)).passes();
    let known = gate(more, "");
    assert!(known.out.contains("noise floor: 4.00 % by 6 pairs of"), "{}", known.out);
    assert!(!known.err.contains(told), "{}", known.err);
}

#[test]
fn values_for_other_programs() {
    let added = history(reports(3), "add in").passes();
    let printed = history(added, "export").passes();
    let text = &printed.out;
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in
        ["# TYPE tesserabench_latency_seconds gauge", "# UNIT tesserabench_latency_seconds seconds"]
    {
        assert!(text.lines().any(|found| found == line), "{text}");
    }
    // 2026-01-03, the latest only.
    let values =
        |text: &str| text.lines().filter(|line| line.starts_with("tesserabench_latency")).count();
    assert!(values(text) == 2 && text.contains(" 1767398400\n"), "{text}");
    let written = history(printed, "export --all -o values.txt").passes();
    assert_eq!(values(&written.read("values.txt")), 6);
    let rows = history(written, "export --format csv --metric latency").passes();
    assert_eq!(rows.out.lines().count(), 3, "{}", rows.out);
    let all = history(rows, "export --format json --case *gemm*").passes();
    assert!(json(&all)["series"].as_array().unwrap().len() > 1);
}

#[test]
fn several_add_at_once_and_the_configuration_names_the_folder() {
    let ended = reports(4);
    let program = env!("CARGO_BIN_EXE_tesserabench");
    let start = |day: usize| {
        let mut command = std::process::Command::new(program);
        command.args(["history", "add", &format!("in/{day:03}.json"), "--dir", "kept"]);
        let command = command.current_dir(ended.folder()).stdout(std::process::Stdio::null());
        command.stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = (0..4).map(start).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    let list = history(ended, "list --format json").file("c.yaml", "history: {folder: kept}");
    let list = list.env("TESSERABENCH_CONFIG", "c.yaml").passes();
    assert_eq!(json(&list)["reports"].as_array().unwrap().len(), 4);
    assert_eq!(list.err, "");
}

#[test]
fn what_cannot_be_done_is_said_in_one_sentence() {
    let no_history = history(reports(1), "trend").fails(2);
    assert!(no_history.error().contains("history add REPORT"), "{}", no_history.err);
    let mut ended = history(no_history, "add in").passes();
    std::fs::write(ended.path("torn.json"), "{").unwrap();
    std::fs::create_dir(ended.path("empty")).unwrap();
    for (words, expected) in [
        ("add missing.json", "cannot read 'missing.json'"),
        ("add torn.json", "it is not JSON"),
        ("add empty", "no .json files"),
        ("add in/000.json --git nowhere", "git knows no commit 'nowhere'"),
        ("trend --metric latenc", "did you mean 'latency'?"),
        ("trend --case nothing", "has no values of latency for cases 'nothing'"),
        ("export --metric x", "known: latency"),
        ("pin a/b", "cannot be the name of a pin"),
        ("pin golden nowhere", "git knows no such commit"),
        ("pin golden torn.json", "it is not JSON"),
        ("pin --remove golden", "no report is pinned as 'golden'"),
    ] {
        let refused = history(ended, words).fails(2);
        assert!(refused.error().contains(expected), "{words}: {}", refused.err);
        assert_eq!(refused.err.lines().count(), 1, "{}", refused.err);
        ended = refused;
    }
    let damaged = ended.path(".tesserabench/history/reports/x.json");
    std::fs::write(damaged, "{").unwrap();
    let list = history(ended, "list").passes();
    assert!(list.err.contains("passed over") && list.err.contains("x.json"), "{}", list.err);
}
