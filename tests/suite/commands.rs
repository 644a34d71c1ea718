//! The commands that measure nothing.

use serde_json::Value;

use crate::ranks::{ranks, tesserabench};

#[test]
fn list_benchmarks_in_its_forms() {
    let names = |filter: &str| -> Vec<String> {
        let words = format!("list-benchmarks --format names-only --filter {filter}");
        tesserabench(&words).passes().out.lines().map(str::to_owned).collect()
    };
    assert_eq!(names("softm"), ["softmax"]);
    assert_eq!(names("*scatter*"), ["reduce_scatter", "scatter", "scatterv", "reduce_scatterv"]);
    // Also by the names that people know from elsewhere.
    assert_eq!(names("bisection"), ["bidirectional"]);
    let json = tesserabench("list-benchmarks --format json").passes().out;
    let benchmarks: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(benchmarks[0]["precisions"][0], "f32");
    let all = names("*").len();
    assert!(all >= 30 && benchmarks.as_array().unwrap().len() == all);
    // A line for each, and what that leaves out where one is asked for.
    let table = tesserabench("list-benchmarks").passes().out;
    // Names for several, how many there are, and what the columns say, below.
    assert!(table.lines().count() == all + 9 && !table.contains("types: "), "{table}");
    for words in ["list-benchmarks --filter allreduce", "list-benchmarks -v"] {
        let full = tesserabench(words).passes().out;
        for text in ["(default)", "bytes: size as nccl-tests counts it", "also: allreduce"] {
            assert!(full.contains(text), "{text}: {full}");
        }
    }
    let nothing = tesserabench("list-benchmarks --filter gmm").fails(2);
    assert!(nothing.error().contains("did you mean 'gemm'?"), "{}", nothing.err);
}

#[test]
fn system_info_knows_the_machine() {
    let text = tesserabench("system-info").passes().out;
    for word in ["program", "toolchain", "host", "cpu", "memory", "MPI"] {
        assert!(text.lines().any(|line| line.starts_with(word)), "{text}");
    }
    let json: Value =
        serde_json::from_str(&tesserabench("system-info --format json").passes().out).unwrap();
    assert!(json["node"]["memory_bytes"].as_u64().unwrap() > 0);
    assert!(json["toolchain"].as_str().unwrap().starts_with("rustc"));
}

#[test]
fn a_dry_run_shows_the_cases_and_starts_nothing() {
    let ended =
        ranks(8, "--dry-run --mesh tp=2,dp=4 -b barrier -b gemm --problem-size m=64").passes();
    for text in
        ["barrier/tp:6-7", "barrier/dp:1,3,5,7", "gemm/f32/k=64,m=64,n=64/world:0-7", "7 cases"]
    {
        assert!(ended.out.contains(text), "{}", ended.out);
    }
    assert_eq!(std::fs::read_dir(ended.folder()).unwrap().count(), 0);
    // It refuses what the run would refuse.
    let refused = ranks(2, "-b barrier --dry-run --format table").fails(2);
    assert!(refused.error().contains("--format table is for a terminal"), "{}", refused.error());
}

#[test]
fn a_format_is_refused_by_the_formats_that_there_are() {
    for (words, known) in [
        ("list-benchmarks --format csv", "table, markdown, comment, html, json, badge, names-only"),
        ("history list --format csv", "table, markdown, comment, html, json, badge\n"),
        (
            "run --dry-run -b barrier --format junit",
            "table, markdown, comment, html, json, badge, csv",
        ),
    ] {
        let err = tesserabench(words).fails(2).err;
        assert!(err.contains(known), "{words}: {err}");
    }
}

#[test]
fn print_command_shows_what_would_be_started() {
    let out = ranks(2, "-b barrier --print-command").passes().out;
    assert!(
        out.contains("-n 2 ") && out.contains("tesserabench run --ranks 2 -b barrier"),
        "{out}"
    );
}

#[test]
fn every_flag_of_the_help_has_a_use_and_every_command_has_help() {
    for command in ["run", "list-benchmarks", "system-info", "history", "schema", "verdict"] {
        assert!(tesserabench(&format!("{command} --help")).passes().out.contains("Usage:"));
    }
    let short = tesserabench("run -h").env("COLUMNS", "80").passes().out;
    assert!(short.lines().count() <= 80, "{short}");
    let long = tesserabench("run --help").passes().out;
    for heading in ["What to run:", "Ranks and mesh:", "How to measure:", "Output:", "Advanced:"] {
        assert!(long.contains(heading), "{heading}");
    }
}

#[test]
fn what_cannot_be_printed_is_no_success() {
    for words in ["list-benchmarks", "schema report", "run --help", "--version"] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tesserabench"));
        let ended = command.args(words.split(' ')).stdout(full).output().unwrap();
        assert_eq!(ended.status.code(), Some(6), "{words}");
    }
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tesserabench"));
    let ended = command.arg("list-benchmarks").stdout(full).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("standard output cannot be written: No space left"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tesserabench"));
    let words = "run barrier --backend simulated --topology dgx-h100 --iterations 2 --output -";
    command.current_dir(&folder).args(words.split(' ')).stdout(full);
    let ended = command.output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(6), "{said}");
    assert!(said.contains("the report is kept as '.tesserabench/stdout.json'"), "{said}");
    assert!(folder.path().join(".tesserabench/stdout.json").exists());
    // It is not taken for the report of a run that measures nothing.
    let other = tesserabench("run barrier --backend simulated --topology x --output -");
    let other = other.file(".tesserabench/stdout.json", "earlier").fails(2);
    assert_eq!(
        (other.out.as_str(), other.read(".tesserabench/stdout.json")),
        ("", "earlier".into())
    );
}
