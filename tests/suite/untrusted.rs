//! Folders and environments that somebody else has prepared.

use std::os::unix::fs::lchown;
use std::path::Path;
use std::process::Command;

use crate::ranks::{Run, tesserabench};

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
