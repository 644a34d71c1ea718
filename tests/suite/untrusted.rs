//! Folders and environments that somebody else has prepared.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, lchown};
use std::path::Path;
use std::process::Command;

use crate::cuda::everything;
use crate::ranks::{Run, ranks, tesserabench};

/// A short run in virtual time.
const WORDS: &str = "run --backend simulated -b gemm --problem-size m=64 --iterations 10";

fn git(folder: &Path, words: &[&str]) -> String {
    let names = ["-c", "user.name=x", "-c", "user.email=x@localhost", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").current_dir(folder).args(names).args(words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn repository(folder: &Path) -> String {
    git(folder, &["init", "--quiet"]);
    git(folder, &["commit", "--quiet", "--allow-empty", "-m", "one"]);
    git(folder, &["rev-parse", "HEAD"])
}

/// The commit in the report.
fn commit(run: Run) -> Option<String> {
    run.passes().report()["run"]["git"].as_str().map(str::to_owned)
}

#[test]
fn the_commit_is_that_of_the_working_folder_whatever_the_environment_names() {
    let elsewhere = tempfile::tempdir().unwrap();
    repository(elsewhere.path());
    let other = elsewhere.path().join(".git").display().to_string();
    let mut own = String::new();
    let run = tesserabench(WORDS).set_up(|folder| {
        repository(folder);
        own = git(folder, &["commit-tree", "HEAD^{tree}", "-m", "own"]);
        git(folder, &["checkout", "--quiet", &own]);
    });
    let run = run.env("GIT_DIR", &other).env("GIT_WORK_TREE", "/").env("GIT_TRACE", "1");
    assert_eq!(commit(run), Some(own));
    // Nothing is there, and git is not.
    assert_eq!(commit(tesserabench(WORDS)), None);
    let run = tesserabench(WORDS).set_up(|folder| drop(repository(folder)));
    assert_eq!(commit(run.env("PATH", "/nowhere")), None);
}

#[test]
fn a_secret_is_no_commit() {
    let run = tesserabench(WORDS).file(".git/HEAD", "ref: /etc/passwd\n");
    assert_eq!(commit(run), None);
}

#[test]
fn what_another_user_has_made_is_not_believed() {
    // Only root can make something another's; and a system may trust everybody.
    let trusts = Command::new("git").args(["config", "--system", "safe.directory"]).status();
    if !rustix::process::geteuid().is_root() || trusts.is_ok_and(|status| status.success()) {
        return;
    }
    let run = tesserabench(WORDS).set_up(|folder| {
        repository(folder);
        lchown(folder.join(".git"), Some(65534), Some(65534)).unwrap();
    });
    assert_eq!(commit(run.env("HOME", "/nowhere")), None);
}

#[test]
fn a_variable_of_the_programs_own_makes_no_command_a_rank() {
    for value in ["", "1", "7f:0"] {
        let run = tesserabench(&format!("{WORDS} --dry-run")).file("results.json", "mine");
        let ended = run.env("TESSERABENCH_SUPERVISED", value).passes();
        assert_eq!(ended.read("results.json"), "mine");
        assert!(ended.err.contains("TESSERABENCH_SUPERVISED is ignored"), "{}", ended.err);
    }
    // A rank's own word, which what is started beside the rank inherits.
    let program = env!("CARGO_BIN_EXE_tesserabench");
    let wrapper = format!("#!/bin/sh\n{program} \"$@\" && {program} run --dry-run -b copy >&2\n");
    let run =
        ranks(2, "-b copy --quick --launches 1 --against ./wrapper").file("wrapper", &wrapper);
    let run = run.set_up(|folder| {
        std::fs::set_permissions(folder.join("wrapper"), Permissions::from_mode(0o755)).unwrap();
    });
    // Whatever one launch of each side says of the other.
    let ended = run.end();
    assert!(ended.err.contains("TESSERABENCH_SUPERVISED is ignored"), "{}", ended.err);
    assert!(ended.path("results.comparison.json").exists(), "{}", ended.err);
    // Wrong results are told by the exit.
    let wrong = tesserabench("run --backend host -b gemm --problem-size m=64");
    wrong.env("TESSERABENCH_SUPERVISED", "1").fault("wrong@0:verify").fails(5);
}

#[test]
fn a_planted_fault_stands_in_the_report() {
    let words = "run --backend host -b copy -b triad --problem-size small --iterations 10";
    let fault = "slow/1@0:operation@copy*";
    let ended = tesserabench(words).fault(fault).passes();
    assert!(
        ended.out.contains("planted fault: the fault 'slow/1@0:operation@copy*'"),
        "{}",
        ended.out
    );
    let report = ended.report();
    assert_eq!(report["environment"]["variables"]["TESSERABENCH_FAULT"], fault);
    let caveat = serde_json::json!({"kind": "planted_fault", "fault": fault});
    let cases = report["cases"].as_array().unwrap();
    assert!(cases.iter().all(|case| case["caveats"].as_array().unwrap().contains(&caveat)));
    let failed = tesserabench(words).after(ended).arg("--force").fault("wrong@0:verify").fails(5);
    assert_eq!(failed.report()["cases"][0]["caveats"][0]["kind"], "planted_fault");
}

#[test]
fn no_library_comes_from_a_folder_that_others_can_make() {
    let path = everything().to_str().unwrap().to_owned();
    let words = "run --backend cuda -b gemm --problem-size m=8 --iterations 4 --warmup 1";
    // In every folder for caches there is.
    let temporary = tempfile::tempdir().unwrap();
    let run = tesserabench(words)
        .env("LD_LIBRARY_PATH", &path)
        .env("TMPDIR", temporary.path().to_str().unwrap());
    let run = ["HOME", "XDG_CACHE_HOME", "TESSERABENCH_CACHE_DIR"]
        .into_iter()
        .fold(run, |run, name| run.env(name, ""));
    let ended = run.passes();
    assert!(ended.err.contains("no folder of your own"), "{}", ended.err);
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
    // In one that is open to all.
    let run = tesserabench(words).env("LD_LIBRARY_PATH", &path).set_up(|folder| {
        std::fs::create_dir(folder.join("open")).unwrap();
        std::fs::set_permissions(folder.join("open"), Permissions::from_mode(0o1777)).unwrap();
    });
    let ended = run.env("TESSERABENCH_CACHE_DIR", "open").passes();
    assert!(ended.err.contains("others may write in it"), "{}", ended.err);
}

#[test]
fn an_error_is_told_whatever_rust_log_says() {
    for filter in ["off", "tesserabench=off", "tesserabench::cli=off,info"] {
        let ended = tesserabench("verdict missing.json").env("RUST_LOG", filter).fails(2);
        assert!(ended.error().contains("missing.json"), "{}", ended.err);
    }
    let ended =
        ranks(2, "-b barrier --quick").fault("error@1:measure").env("RUST_LOG", "off").fails(7);
    assert!(ended.error().contains("planted error"), "{}", ended.err);
}

#[test]
fn names_in_a_report_command_nothing_that_reads_along() {
    let mut report = tesserabench(WORDS).passes().report();
    let name = "::stop-commands::y\n::error::z ##[error]z \u{1b}[2J\u{9b}2J\u{202e}";
    report["cases"][0]["id"] = name.into();
    report["environment"]["nodes"][0]["host"] = name.into();
    let text = report.to_string();
    report["cases"][0]["problem"]["m"] = 7.into();
    let run = tesserabench("history add a.json").file("a.json", &text);
    let mut ended = run.file("b.json", &report.to_string()).passes();
    for words in
        ["analyze a.json b.json", "compare a.json b.json --metric latency", "history trend"]
    {
        ended = tesserabench(words).after(ended).end();
        assert!(
            ended.out.contains("y\\u000a::error::z #\\u0023[error]z \\u001b[2J\\u009b2J\\u202e"),
            "{}",
            ended.out
        );
        for line in ended.out.lines().chain(ended.err.lines()) {
            let is_harmless = |c: char| !c.is_control() && c != '\u{202e}';
            assert!(line.chars().all(is_harmless), "{words}: {line:?}");
            assert!(!line.trim().starts_with("::") && !line.contains("##["), "{words}: {line}");
        }
    }
}

#[test]
fn what_is_no_file_is_passed_over_in_a_folder_and_read_where_it_is_named() {
    let report = |seed: &str| {
        let ended = tesserabench(WORDS).arg("--seed").arg(seed).passes();
        ended.read("results.json")
    };
    let (one, other) = (report("1"), report("2"));
    let with_others = |words: &str| {
        let run = tesserabench(words).file("in/a.json", &one).file("b.json", &other);
        run.set_up(|folder| {
            let fifo = Command::new("mkfifo").arg(folder.join("in/b.json")).status();
            assert!(fifo.unwrap().success());
            std::os::unix::net::UnixListener::bind(folder.join("in/c.json")).unwrap();
            std::os::unix::fs::symlink("/dev/zero", folder.join("in/d.json")).unwrap();
            std::fs::create_dir(folder.join("in/e.json")).unwrap();
        })
    };
    for (words, code, passed_over) in [
        ("analyze in", 0, "bcde"),
        ("compare b.json in", 6, "bcde"),
        // Of links nothing is kept.
        ("history --dir h add in", 0, "bce"),
    ] {
        let ended = with_others(words).end();
        assert!([0, code].contains(&ended.code.unwrap()), "{words}: {}", ended.err);
        for name in passed_over.chars() {
            let said = format!("passed over 'in/{name}.json': it is no plain file");
            assert_eq!(ended.err.matches(&said).count(), 1, "{words}: {}", ended.err);
        }
    }
    // In a history of somebody else's making nothing waits either.
    for (name, said) in [
        ("pins.json", "cannot use 'h/pins.json': it is no plain file"),
        ("index.jsonl", "the index 'h/index.jsonl' is no plain file"),
        ("lock", "'h/lock' cannot be locked (it is no plain file)"),
    ] {
        let run = tesserabench("history --dir h add in/a.json").file("in/a.json", &one);
        let run = run.file("h/reports/b.json", &other).set_up(|folder| {
            let fifo = Command::new("mkfifo").arg(folder.join("h").join(name)).status();
            assert!(fifo.unwrap().success());
        });
        let ended = run.end();
        assert!(ended.err.contains(said), "{name}: {}", ended.err);
    }
    let piped = tesserabench("verdict /dev/stdin").file("a.json", &one).behind("exec < a.json");
    piped.passes();
    // A pipe is read once, whatever may come out of it.
    let log = include_str!("imports/nccl-two-tests.txt");
    for (words, piped, said) in [
        ("verdict pipe", "a.json", "ok"),
        ("analyze pipe", "a.json", "gemm"),
        ("analyze pipe", "log", "all_reduce"),
        ("import pipe --output - --format markdown", "log", "H100"),
        ("history --dir h add pipe", "a.json", "added"),
    ] {
        let run = tesserabench(words).file("a.json", &one).file("log", log);
        let ended = run.behind(&format!("mkfifo pipe && (cat {piped} > pipe 2> err &)")).passes();
        assert!(format!("{}{}", ended.out, ended.err).contains(said), "{words}: {}", ended.err);
    }
}
