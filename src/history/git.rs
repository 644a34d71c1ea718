//! What git knows of commits: the only place where it is asked. It is a program, so a rank asks it before MPI runs:
//! under some, starting a process later is not safe.
//!
//! A folder may lie in a repository that somebody else has made. Git itself refuses those of other users; what is set
//! here keeps it from the network, from starting programs that a repository names, and from going on for ever.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::base::error::{Error, Kind, Result};

/// How far back an ancestor is looked for, commits.
const REACH: usize = 10_000;

/// How long git may take to answer, how much memory it may fill and how many bytes it may print: a reference may be a
/// pipe or `/dev/zero`.
const TIME_LIMIT: Duration = Duration::from_secs(10);
const MEMORY_LIMIT: u64 = 512 << 20;
const ANSWER_LIMIT: u64 = 64 << 20;

/// What keeps git to what lies in the repository: no hook, no monitor, no bare repository that somebody put in a folder.
const SETTINGS: [&str; 3] =
    ["core.fsmonitor=false", "core.hooksPath=/dev/null", "safe.bareRepository=explicit"];

/// The same in variables. Versions that do not know the first still may use no protocol.
const VARIABLES: [(&str, &str); 5] = [
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("LC_ALL", "C"),
];

#[derive(Debug)]
pub(super) struct Git {
    folder: PathBuf,
    limit: Duration,
}

/// A question that git is working on.
struct Question {
    words: String,
    limit: Duration,
    child: Child,
    printed: Receiver<std::io::Result<(Vec<u8>, Vec<u8>)>>,
}

/// Asks for the commit checked out in a folder. What is returned waits for the answer: `None` where there is
/// none, where the repository is another user's, and where git is not there or does not answer in time.
pub fn ask_for_commit(folder: &Path) -> impl FnOnce() -> Option<String> + use<> {
    let question = Git::at(folder).ask(&COMMIT.map(|word| word.replace("{}", "HEAD")));
    move || {
        commit_in(question.and_then(Question::answer)).unwrap_or_else(|why| {
            tracing::warn!("the report names no commit: {why}");
            None
        })
    }
}

/// What is asked for the commit of `{}`.
const COMMIT: [&str; 4] = ["rev-parse", "--verify", "--quiet", "{}^{commit}"];

/// The commit in an answer.
fn commit_in(answer: Result<String>) -> Result<Option<String>> {
    let id = known(answer)?.map(|text| text.trim().to_owned());
    Ok(id.filter(|id| is_commit(id) && id.len() >= 40))
}

/// The answer; `None` where there is none, but not because git takes too long.
fn known(answer: Result<String>) -> Result<Option<String>> {
    match answer {
        Ok(text) => Ok(Some(text)),
        Err(why) if why.kind == Kind::TimedOut => Err(why),
        Err(why) => {
            tracing::info!("{why}");
            Ok(None)
        }
    }
}

impl Git {
    pub(super) fn here() -> Self {
        Self::at(Path::new("."))
    }

    pub(super) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), limit: TIME_LIMIT }
    }

    /// The commit that a reference names; `None` when git knows no such thing, or is not there.
    pub(super) fn commit(&self, reference: &str) -> Result<Option<String>> {
        // What looks like a flag would be one.
        if reference.is_empty() || reference.starts_with('-') {
            return Ok(None);
        }
        commit_in(self.asked(&COMMIT.map(|word| word.replace("{}", reference))))
    }

    /// A commit and those before it, the nearest first; an error where git does not know it.
    pub(super) fn ancestors(&self, commit: &str) -> Result<Vec<String>> {
        let most = format!("--max-count={REACH}");
        let text = self.asked(&["rev-list", "--topo-order", &most, commit])?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// The commits that carry a tag `v*`; none where git is not there.
    pub(super) fn releases(&self) -> Result<Vec<String>> {
        // Of an annotated tag the second is the commit; of others it is empty.
        let format = "--format=%(objectname) %(*objectname)";
        let text = known(self.asked(&["tag", "--list", "v*", format]))?.unwrap_or_default();
        let commit = |line: &str| {
            let (object, peeled) = line.split_once(' ')?;
            Some(if peeled.is_empty() { object } else { peeled }.to_owned())
        };
        Ok(text.lines().filter_map(commit).collect())
    }

    fn asked<W: AsRef<str>>(&self, arguments: &[W]) -> Result<String> {
        self.ask(arguments)?.answer()
    }

    fn ask<W: AsRef<str>>(&self, arguments: &[W]) -> Result<Question> {
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        let words = arguments.join(" ");
        let mut command = Command::new("git");
        // What a hook or a shell has set may name another repository.
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"GIT_") {
                command.env_remove(name);
            }
        }
        let settings = SETTINGS.iter().flat_map(|setting| ["-c", setting]);
        command.current_dir(&self.folder).args(settings).args(arguments).envs(VARIABLES);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|why| unanswered(&words, &why.to_string()))?;
        let limit = Rlimit { current: Some(MEMORY_LIMIT), maximum: Some(MEMORY_LIMIT) };
        // Where it cannot be set, the limit of time alone holds.
        let _ = prlimit(Some(Pid::from_child(&child)), Resource::Data, limit);
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (sender, printed) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            let read = out.map(|out| out.take(ANSWER_LIMIT).read_to_end(&mut stdout));
            let read = read.and(err.map(|err| err.take(ANSWER_LIMIT).read_to_end(&mut stderr)));
            sender.send(read.transpose().map(|_| (stdout, stderr)))
        });
        Ok(Question { words, limit: self.limit, child, printed })
    }
}

impl Question {
    fn answer(mut self) -> Result<String> {
        let wrong = |why: std::io::Error| unanswered(&self.words, &why.to_string());
        let Ok(printed) = self.printed.recv_timeout(self.limit) else {
            self.child.kill().and_then(|()| self.child.wait()).map_err(wrong)?;
            return Err(Error::new(
                Kind::TimedOut,
                format!(
                    "`git {}` did not answer within {} s and was ended; see what it waits for in this repository",
                    self.words,
                    self.limit.as_secs()
                ),
            ));
        };
        let (stdout, stderr) = printed.map_err(wrong)?;
        if !self.child.wait().map_err(wrong)?.success() {
            let why = String::from_utf8_lossy(&stderr);
            return Err(unanswered(&self.words, why.lines().next().unwrap_or("it fails")));
        }
        Ok(String::from_utf8_lossy(&stdout).into_owned())
    }
}

fn unanswered(words: &str, why: &str) -> Error {
    Error::usage(format!("cannot ask `git {words}`: {why}; run it in a clone that has the commit"))
}

/// Whether this is written as commits are.
pub(super) fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(super) fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::history::tests::{git, repository};

    fn head(folder: &Path) -> Option<String> {
        Git::at(folder).commit("HEAD").unwrap()
    }

    #[test]
    fn a_worktree_and_a_submodule_have_commits_of_their_own() {
        let outer = tempfile::tempdir().unwrap();
        let commits = repository(outer.path(), 2);
        git(outer.path(), &["worktree", "add", "--quiet", "--detach", "beside", "HEAD~1"]);
        assert_eq!(head(&outer.path().join("beside")), Some(commits[0].clone()));
        let inner = outer.path().join("module");
        fs::create_dir(&inner).unwrap();
        repository(&inner, 1);
        git(outer.path(), &["submodule", "--quiet", "add", "./module", "module"]);
        let own = git(&inner, &["commit-tree", "HEAD^{tree}", "-m", "own"]);
        git(&inner, &["checkout", "--quiet", &own]);
        assert_eq!(head(&inner), Some(own));
        assert_eq!(head(outer.path()), commits.last().cloned());
    }

    #[test]
    fn what_is_no_commit_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let dot_git = folder.path().join(".git");
        fs::create_dir_all(dot_git.join("refs/heads")).unwrap();
        fs::create_dir(dot_git.join("objects")).unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, "TOP SECRET").unwrap();
        let unborn = "ref: refs/heads/main".to_owned();
        for text in [unborn.clone(), format!("ref: {}", secret.display()), "8".repeat(40)] {
            fs::write(dot_git.join("HEAD"), text).unwrap();
            assert_eq!(head(folder.path()), None);
        }
        // Links to a secret, to what has no end, and to nothing.
        fs::write(dot_git.join("HEAD"), unborn).unwrap();
        for target in [&secret, Path::new("/dev/zero"), Path::new("/no/such/file")] {
            for name in ["HEAD", "refs/heads/main"] {
                let _ = fs::remove_file(dot_git.join(name));
                symlink(target, dot_git.join(name)).unwrap();
                assert_eq!(head(folder.path()), None, "{name} is a link to {target:?}");
                fs::remove_file(dot_git.join(name)).unwrap();
                fs::write(dot_git.join("HEAD"), "ref: refs/heads/main").unwrap();
            }
        }
    }

    #[test]
    fn git_is_not_waited_for_without_end() {
        let folder = tempfile::tempdir().unwrap();
        repository(folder.path(), 1);
        let head = folder.path().join(".git/HEAD");
        fs::remove_file(&head).unwrap();
        let pipe = Command::new("mkfifo").arg(&head).status().unwrap();
        assert!(pipe.success());
        let git = Git { limit: Duration::from_millis(200), ..Git::at(folder.path()) };
        let errors = [git.commit("HEAD").err(), git.releases().err(), git.ancestors("HEAD").err()];
        for why in errors {
            let why = why.unwrap();
            assert_eq!(why.kind, Kind::TimedOut);
            assert!(why.message.contains("did not answer within"), "{why}");
        }
    }

    #[test]
    fn nothing_that_a_repository_names_is_started() {
        let folder = tempfile::tempdir().unwrap();
        let commits = repository(folder.path(), 2);
        let evil = folder.path().join("evil");
        fs::write(&evil, "#!/bin/sh\necho >> executed\nexit 1\n").unwrap();
        assert!(Command::new("chmod").arg("+x").arg(&evil).status().unwrap().success());
        let evil = evil.to_str().unwrap();
        for (key, value) in [
            ("core.repositoryFormatVersion", "1"),
            ("extensions.partialClone", "origin"),
            ("remote.origin.promisor", "true"),
            ("remote.origin.url", "ssh://nowhere.invalid/x"),
            ("remote.origin.uploadpack", evil),
            ("core.sshCommand", evil),
            ("core.fsmonitor", evil),
            ("core.pager", evil),
            ("protocol.allow", "always"),
        ] {
            git(folder.path(), &["config", key, value]);
        }
        let absent = "1".repeat(40);
        let asked = Git::at(folder.path());
        assert_eq!(asked.commit("HEAD").unwrap().as_ref(), commits.last());
        assert_eq!(asked.ancestors("HEAD").unwrap().len(), 2);
        fs::write(folder.path().join(".git/refs/tags/v9"), &absent).unwrap();
        assert_eq!(asked.commit("v9").unwrap(), None);
        assert_eq!(asked.commit(&absent).unwrap(), None);
        assert!(asked.ancestors(&absent).is_err());
        asked.releases().unwrap();
        assert!(!folder.path().join("executed").exists());
    }
}
