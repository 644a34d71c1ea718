//! Tables as terminals of several widths show them.

use crate::ranks::tesserabench;

#[test]
fn a_case_is_one_line_and_what_is_missing_is_named() {
    let words = "run --backend simulated --topology dgx-h100 --ranks 4 --mesh tp=2,dp=2 --quick -b all_reduce -b gemm";
    for columns in [80, 120, 200] {
        let ended = tesserabench(words).env("COLUMNS", &columns.to_string()).passes();
        let report = ended.report();
        let widest = ended.out.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(columns), "{columns}: {}", ended.out);
        let is_row = |line: &&str| line.starts_with("all_reduce ") || line.starts_with("gemm ");
        let rows: Vec<&str> = ended.out.lines().filter(is_row).collect();
        let cases = report["cases"].as_array().unwrap();
        assert_eq!(rows.len(), cases.len(), "{}", ended.out);
        // What is not shown is named, and where there is room ids can be copied.
        assert_eq!(ended.out.contains("not shown: "), columns < 200, "{}", ended.out);
        let has_id =
            |(row, case): (&&str, &serde_json::Value)| row.contains(case["id"].as_str().unwrap());
        assert_eq!(rows.iter().zip(cases).all(has_id), columns == 200, "{}", ended.out);
        assert!(rows.iter().all(|row| !row.contains("n<") && !row.contains("0.0000")), "{rows:?}");
    }
}

#[test]
fn cycles_are_told_at_any_width() {
    let words = "run --backend simulated -b gemm --problem-size m=64,128 --quick --repeat 40";
    for columns in ["80", "200"] {
        let out = tesserabench(words).env("COLUMNS", columns).passes().out;
        let told = "40 cycles, figures are of the first: 2 cases kept one level";
        assert!(out.contains(told), "{columns}: {out}");
    }
}

#[test]
fn ids_can_be_copied_from_a_dry_run() {
    let words = "run --dry-run --backend simulated --ranks 8 --mesh tp=2,dp=4 --quick -b all_reduce,gemm --problem-size placement=in,out \
                 -p f32,bf16";
    let ids = tesserabench(words).env("COLUMNS", "500").passes().out;
    let ids: Vec<&str> = ids.lines().filter_map(|line| line.split(' ').next()).collect();
    let ids: Vec<&str> = ids.into_iter().filter(|word| word.contains('/')).collect();
    assert!(ids.len() >= 12, "{ids:?}");
    for columns in [40, 60, 80, 120] {
        let out = tesserabench(words).env("COLUMNS", &columns.to_string()).passes().out;
        let begins = |id: &&str| out.lines().any(|line| line.split(' ').next() == Some(id));
        assert!(ids.iter().all(begins), "{columns}: {out}");
        // Nothing but an id is wider than the terminal.
        let is_wide = |line: &str| line.chars().count() > columns && line.contains(' ');
        assert!(!out.lines().any(is_wide), "{columns}: {out}");
    }
}

#[test]
fn a_study_stands_in_a_file_of_its_own_which_is_said() {
    let words = "run --backend simulated --topology dgx-h100 --ranks 4 --quick -b gemm --scaling strong -o a.csv";
    let ended = tesserabench(words).passes();
    assert!(ended.out.ends_with("wrote a.csv, a.scaling.csv\n"), "{}", ended.out);
    assert_eq!(ended.read("a.scaling.csv").lines().count(), 4);
    assert!(ended.read("a.csv").starts_with("id,") && ended.read("a.csv").contains("std_dev_ms"));
}

#[test]
fn help_is_as_wide_as_the_terminal_and_80_without_one() {
    let widest = |words: &str, columns: Option<&str>| {
        let run = tesserabench(words);
        let run = columns.into_iter().fold(run, |run, columns| run.env("COLUMNS", columns));
        let out = run.passes().out;
        out.lines().map(|line| line.trim_end().chars().count()).max().unwrap()
    };
    for command in [
        "run",
        "profile",
        "import",
        "analyze",
        "history trend",
        "compare",
        "inspect",
        "system-info",
    ] {
        let words = format!("{command} --help");
        assert!(widest(&words, None) <= 80, "{command}");
        assert!(widest(&words, Some("90")) <= 90, "{command}");
    }
    assert!((81..=100).contains(&widest("run --help", Some("200"))));
}
