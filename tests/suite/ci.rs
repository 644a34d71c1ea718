//! What `ci-template` writes, run step by step as GitHub and GitLab would, with commits that get slower and faster.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::ranks::{tesserabench, turn};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tesserabench");

/// A kernel that is a program, whose times are the same on every machine.
const MANIFEST: &str = "description: prints times\nsizes: {n: {help: items, default: 10}}\nprecisions: [f32]\n\
                        command: [sh, job.sh]\n";

/// What stands for gh: it notes what it is asked to do, with the files, and filters prepared answers as gh does.
const GH: &str = r#"#!/usr/bin/env bash
printf 'gh %s\n' "$*" >>"$RECORD"
while (($#)); do
    case $1 in
        --jq) filter=$2 ;;
        body=@*) cat "${1#body=@}" >>"$RECORD" ;;
        --body-file | --notes-file) cat "$2" >>"$RECORD" ;;
        */comments) answer=comments ;;
        *issues\?*) answer=issues ;;
        view) answer=release ;;
    esac
    shift
done
[[ ! $filter ]] || jq --raw-output "$filter" "$ANSWERS/$answer.json"
"#;

/// The same for curl, which GitLab's interface is asked by.
const CURL: &str = r#"#!/usr/bin/env bash
printf 'curl %s\n' "$*" >>"$RECORD"
asks=yes
for word; do
    case $word in
        --request | --data*) asks= ;;
        *@gate/*) cat "${word#*@}" >>"$RECORD" ;;
        http*/notes\?*) answer=notes ;;
        http*/issues\?*) answer=issues ;;
        http*/releases/*) answer=releases ;;
    esac
done
[[ ! $asks ]] || cat "$ANSWERS/$answer.json"
"#;

/// A repository with three commits: fast, slow, and fast again; a server that has it, and what stands for the service.
struct Place {
    folder: TempDir,
    commits: [String; 3],
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut place = Self { folder, commits: Default::default() };
        place.write("git.conf", "[user]\nname = n\nemail = n@example.com\n[init]\ndefaultBranch = main\n[push]\ndefault = simple\n");
        place.program("bin/gh", GH);
        place.program("bin/curl", CURL);
        for (name, text) in [("comments", "[]"), ("issues", "[]"), ("notes", "[]")] {
            place.answer(name, text);
        }
        place.shell("git init --quiet --bare server/o/r && git init --quiet source");
        let start = format!(
            "#!/bin/sh\nTESSERABENCH_KERNEL_PATH=$(dirname \"$0\")/kernels exec {PROGRAM} \"$@\"\n"
        );
        place.program("source/bench", &start);
        place.write("source/kernels/job/bench.yaml", MANIFEST);
        place.commits = ["1.0", "3.0", "1.0"].map(|time| {
            let line = format!("echo '{{\"latency_ms\": {time}'$i'}}'");
            let script = format!("i=0\nwhile [ $i -lt $TESSERABENCH_ITERATIONS ]; do {line}; i=$((i + 1)); done\n");
            place.write("source/kernels/job/job.sh", &script);
            place.shell("cd source && git add --all && git commit --quiet --message change && git rev-parse HEAD")
        });
        place.shell("git -C source push --quiet ../server/o/r main");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn program(&self, name: &str, text: &str) {
        self.write(name, text);
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What the service answers when it is asked for this.
    fn answer(&self, name: &str, json: &str) {
        self.write(&format!("answers/{name}.json"), json);
    }

    /// What the service was told since the last time.
    fn told(&self) -> String {
        let text = std::fs::read_to_string(self.path("record")).unwrap_or_default();
        self.write("record", "");
        text
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Changes a file of JSON.
    fn change(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut value = serde_json::from_str(&self.read(name)).unwrap();
        change(&mut value);
        self.write(name, &value.to_string());
    }

    /// A checkout of a commit.
    fn checkout(&self, name: &str, commit: &str) {
        self.shell(&format!(
            "git clone --quiet server/o/r {name} && git -C {name} checkout --quiet {commit}"
        ));
    }

    /// Runs a script as a step of either service is run.
    fn bash(&self, script: &str, folder: &str, variables: &BTreeMap<String, String>) -> Output {
        let mut command = Command::new("bash");
        // This test may itself be run by a service.
        let own =
            |name: &str| ["GITHUB_", "CI_", "GH_", "GIT_"].iter().any(|it| name.starts_with(it));
        std::env::vars().filter(|(name, _)| own(name)).for_each(|(name, _)| {
            command.env_remove(name);
        });
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]);
        command.current_dir(self.path(folder)).env("PATH", path);
        command.env("GIT_CONFIG_GLOBAL", self.path("git.conf")).env("RECORD", self.path("record"));
        command.env("ANSWERS", self.path("answers")).envs(variables).output().unwrap()
    }

    /// Runs what must succeed; what it prints.
    fn shell(&self, script: &str) -> String {
        let ended = self.bash(script, ".", &BTreeMap::new());
        assert!(ended.status.success(), "{script}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).unwrap().trim().to_owned()
    }
}

/// The kit of a service for the repository of [`Place`].
fn kit(of: &str) -> Value {
    let words = format!("ci-template {of} --setup true --build true --program bench -o - --run");
    let run = "job --iterations 20 --launches 2 --max-launches 2";
    serde_saphyr::from_str(&tesserabench(&words).arg(run).passes().out).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A job as GitHub knows it.
struct Job<'a> {
    place: &'a Place,
    workflow: &'a Value,
    name: &'a str,
    /// Its checkout.
    folder: &'a str,
    event: &'a str,
    /// What expressions are.
    facts: &'a [(&'a str, &'a str)],
}

impl Job<'_> {
    /// Runs its steps in their order; how each ended, by name.
    fn run(&self) -> Vec<(String, i32, String)> {
        let job = &self.workflow["jobs"][self.name];
        let mut variables = BTreeMap::from(
            [
                ("GITHUB_ACTIONS", "true".to_owned()),
                ("GITHUB_ACTOR", "somebody".to_owned()),
                ("GITHUB_EVENT_NAME", self.event.to_owned()),
                ("GITHUB_ENV", self.place.path("env").display().to_string()),
                ("GITHUB_REF_NAME", "main".to_owned()),
                ("GITHUB_REPOSITORY", "o/r".to_owned()),
                ("GITHUB_SERVER_URL", format!("file://{}", self.place.path("server").display())),
                ("GITHUB_SHA", "0123456789".to_owned()),
                ("GITHUB_STEP_SUMMARY", self.place.path("summary.md").display().to_string()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        self.place.write("env", "");
        variables.extend(self.resolved(&self.workflow["env"]));
        variables.extend(self.resolved(&job["env"]));
        let mut ended = Vec::new();
        for step in job["steps"].as_array().unwrap() {
            let Some(script) = step["run"].as_str().filter(|_| self.is_due(step)) else { continue };
            // What others write must not become part of a script.
            assert!(!script.contains("${{"), "{script}");
            let mut own = variables.clone();
            own.extend(self.place.read("env").lines().map(|line| {
                let (name, value) = line.split_once('=').unwrap();
                (name.to_owned(), value.to_owned())
            }));
            own.extend(self.resolved(&step["env"]));
            let output = self.place.bash(script, self.folder, &own);
            let [out, err] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
            ended.push((text(&step["name"]), output.status.code().unwrap(), format!("{out}{err}")));
        }
        ended
    }

    /// The same where every step but those named must succeed.
    fn ends(&self, others: &[(&str, i32)]) -> String {
        let ended = self.run();
        for (step, code, told) in &ended {
            let expected =
                others.iter().find(|(name, _)| name == step).map_or(0, |(_, code)| *code);
            assert_eq!(*code, expected, "{}: {step}: {told}", self.name);
        }
        ended.into_iter().map(|(.., told)| told).collect()
    }

    fn is_due(&self, step: &Value) -> bool {
        match step["if"].as_str() {
            None | Some("${{ !cancelled() }}") => true,
            Some("${{ github.event_name == 'release' }}") => self.event == "release",
            Some("${{ github.event_name != 'release' }}") => self.event != "release",
            Some(other) => panic!("{other}"),
        }
    }

    fn resolved(&self, variables: &Value) -> Vec<(String, String)> {
        let of = |value: &Value| {
            let value = text(value);
            let mut parts = value.split("${{ ");
            let first = parts.next().unwrap_or_default().to_owned();
            parts.fold(first, |known, part| {
                let (expression, rest) = part.split_once(" }}").unwrap();
                let fact = self.facts.iter().find(|(name, _)| *name == expression);
                known + fact.unwrap_or_else(|| panic!("{expression}")).1 + rest
            })
        };
        let all = variables.as_object().into_iter().flatten();
        all.map(|(name, value)| (name.clone(), of(value))).collect()
    }
}

/// What the service knows in a run of the workflow.
const FACTS: [(&str, &str); 13] = [
    ("matrix.backend", "host"),
    ("matrix.precision", "f32"),
    ("inputs.base", ""),
    ("github.token", "token"),
    ("github.repository", "o/r"),
    ("github.server_url", "https://github.example"),
    ("github.run_id", "77"),
    ("github.event.release.tag_name", ""),
    ("github.event.pull_request.number", "7"),
    ("github.event.pull_request.head.repo.full_name", "o/r"),
    ("secrets.BENCHMARK_WEBHOOK", "https://chat.example/hook"),
    ("needs.trend.result", "skipped"),
    ("vars.REGRESSION_THRESHOLD", ""),
];

/// These, and else what is usual.
fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    more.iter().copied().chain(FACTS).collect()
}

/// What is handed from job to job.
fn hand_over_program(place: &Place, folder: &str) {
    place.shell(&format!("cd {folder} && mkdir -p gate/program && cp bench gate/program/"));
}

#[test]
fn github_catches_a_planted_regression_and_says_so() {
    let (place, workflow) = (Place::new(), kit("github"));
    let _turn = turn();
    place.checkout("work", &place.commits[1]);
    let job = |name, event, facts: &[(&str, &str)], others: &[(&str, i32)]| {
        let job = Job { place: &place, workflow: &workflow, name, folder: "work", event, facts };
        job.ends(others)
    };
    let measure = "Measure both in turns, and compare";
    // The settings of the repository say what counts as worse.
    let lenient = [("vars.REGRESSION_THRESHOLD", "900"), ("github.event.before", "")];
    job(
        "benchmark",
        "pull_request",
        &with(&[&lenient[..], &[("matrix.ranks", "1")]].concat()),
        &[],
    );
    for ranks in ["1", "2"] {
        // Each job has a checkout of its own.
        place.shell("rm -rf work/gate/base");
        let facts = with(&[("matrix.ranks", ranks), ("github.event.before", "")]);
        let told = job("benchmark", "pull_request", &facts, &[(measure, 3)]);
        assert!(told.contains(&format!("base {}", place.commits[0])), "{told}");
        assert!(
            told.contains("::error title=REGRESSED (severe)%3A job/f32/n=10/world%3A0"),
            "{told}"
        );
    }
    // A base beside the head is told apart by its commit.
    let found = place.read("work/gate/results/host-f32-2/results.comparison.json");
    let found: Value = serde_json::from_str(&found).unwrap();
    let comment = place.read("work/gate/results/host-f32-2/results.comparison.comment.md");
    assert!(comment.starts_with("<!-- tesserabench: host-f32-2 -->\n"), "{comment}");
    assert_eq!(found["baseline"]["git"], place.commits[0].as_str());
    assert_eq!(found["candidate"]["git"], place.commits[1].as_str());

    let told = job("memory", "pull_request", &FACTS, &[]);
    assert_eq!(told, "no case takes more memory than before\n");
    let remark = "MEMORY: a rank takes up to 3.0 MB, 1.0 MB before";
    place.change("work/gate/results/host-f32-1/results.comparison.json", |it| {
        it["cases"][0]["remarks"] = [remark].into()
    });
    let told = job("memory", "pull_request", &FACTS, &[]);
    assert_eq!(told, format!("::warning title=memory of job/f32/n=10/world:0::{remark}\n"));

    hand_over_program(&place, "work");
    let failed = with(&[("needs.benchmark.result", "failure")]);
    let together = "Put the verdicts of all jobs together";
    job("all-passed", "pull_request", &failed, &[(together, 3), ("Hold every job to its end", 1)]);
    assert!(
        place
            .read("summary.md")
            .contains("**Benchmarks: 2 of 2 did not pass; host-f32-1: regression: 1 REGRESSED**")
    );

    // One comment, which is updated.
    job("comment", "pull_request", &FACTS, &[]);
    let told = place.told();
    assert!(told.contains("gh api --silent --method POST repos/o/r/issues/7/comments "), "{told}");
    for text in [
        "<!-- tesserabench: benchmarks -->\n> [!CAUTION]\n> **Benchmarks: 2 of 2 did not pass;",
        "- host-f32-1: job/f32/n=10/world:0 REGRESSED (severe): 196.6 % worse, 1.018 ms before and 3.018 ms now",
        "<details><summary>host-f32-1: cases, the most urgent first (1 row)</summary>",
        "[The run](https://github.example/o/r/actions/runs/77)",
    ] {
        assert!(told.contains(text), "{text}: {told}");
    }
    let bot = r#"{"user": {"login": "github-actions[bot]"}, "body": "<!-- tesserabench: benchmarks -->\nold", "id": 5}"#;
    let other = bot.replace("github-actions[bot]", "mallory").replace('5', "4");
    place.answer("comments", &format!("[{other}, {bot}]"));
    job("comment", "pull_request", &FACTS, &[]);
    assert!(place.told().contains("--method PATCH repos/o/r/issues/comments/5 "));
    // A fork may not write.
    let fork = with(&[("github.event.pull_request.head.repo.full_name", "f/r")]);
    let told = job("comment", "pull_request", &fork, &[]);
    assert!(told.contains("::notice::no comment: a change from f/r"), "{told}");
    assert_eq!(place.told(), "");

    // On main there is an issue, and the reports are kept.
    hand_over_program(&place, "work");
    job("trend", "push", &FACTS, &[]);
    let told = place.told();
    assert!(told.contains("gh issue create --title Benchmarks of main do not pass"), "{told}");
    assert!(told.contains("<!-- tesserabench: main -->\n> [!CAUTION]"), "{told}");
    assert!(told.contains("https://chat.example/hook"), "{told}");
    let payload: Value = serde_json::from_str(&place.read("work/gate/payload.json")).unwrap();
    let said = payload["text"].as_str().unwrap();
    assert!(
        said.starts_with("Benchmarks of o/r main: 2 of 2 did not pass; host-f32-1: "),
        "{said}"
    );
    let kept = || place.shell("git -C server/o/r ls-tree -r --name-only benchmark-data");
    assert_eq!(kept().matches("history/reports/").count(), 2, "{}", kept());
    let badge = place.shell("git -C server/o/r show benchmark-data:badge.json");
    assert!(badge.contains("\"red\""), "{badge}");

    // The next commit mends it.
    place.checkout("mended", &place.commits[2]);
    let job = |name, event, facts: &[(&str, &str)]| {
        let job = Job { place: &place, workflow: &workflow, name, folder: "mended", event, facts };
        job.ends(&[])
    };
    let facts = with(&[("matrix.ranks", "1"), ("github.event.before", &place.commits[1])]);
    let told = job("benchmark", "push", &facts);
    assert!(told.contains(&format!("base {}", place.commits[1])), "{told}");
    let issue = r#"[{"number": 3, "body": "<!-- tesserabench: main -->\nold"}]"#;
    place.answer("issues", issue);
    hand_over_program(&place, "mended");
    let said = job("trend", "push", &with(&[("secrets.BENCHMARK_WEBHOOK", "")]));
    assert!(
        said.contains("no chat was told: the secret BENCHMARK_WEBHOOK holds no address"),
        "{said}"
    );
    let told = place.told();
    assert!(told.contains("gh issue close 3") && !told.contains("curl"), "{told}");
    assert_eq!(kept().matches("history/reports/").count(), 3);
    hand_over_program(&place, "mended");
    job("all-passed", "push", &with(&[("needs.benchmark.result", "success")]));

    // Where nothing was compared, nothing is told.
    hand_over_program(&place, "mended");
    place.shell("mv mended/gate/results . && rm mended/gate/main.*");
    let facts = with(&[]);
    let job_without = |name| Job {
        place: &place,
        workflow: &workflow,
        name,
        folder: "mended",
        event: "push",
        facts: &facts,
    };
    let (_, code, told) = job_without("trend").run().swap_remove(0);
    assert!(code == 2 && told.contains("results.comparison.json"), "{code}: {told}");
    place.shell("mv results mended/gate/");

    // A release has the verdict in its note, once.
    place.answer("release", r#"{"body": "New.\n<!-- tesserabench: main -->\nold"}"#);
    hand_over_program(&place, "mended");
    place.shell("rm -rf mended/gate/data");
    job("trend", "release", &with(&[("github.event.release.tag_name", "v2")]));
    let told = place.told();
    assert!(
        told.contains("gh release edit v2 ")
            && told.contains("New.\n<!-- tesserabench: main -->\n> [!TIP]"),
        "{told}"
    );
    assert!(!told.contains("old"), "{told}");
}

#[test]
fn gitlab_catches_a_planted_regression_and_says_so() {
    let (place, jobs) = (Place::new(), kit("gitlab"));
    let _turn = turn();
    place.checkout("work", &place.commits[1]);
    let https = format!(
        "[url \"file://{}/\"]\ninsteadOf = https://tesserabench:secret@gitlab.example/\n",
        place.path("server").display()
    );
    place.write("git.conf", &(place.read("git.conf") + &https));
    place.shell("cp -r server/o/r server/o/r.git");
    let run = |name: &str, more: &[(&str, &str)]| {
        let mut variables: BTreeMap<String, String> = BTreeMap::from(
            [
                ("BACKEND", "host"),
                ("PRECISION", "f32"),
                ("RANKS", "1"),
                ("CI_API_V4_URL", "https://gitlab.example/api/v4"),
                ("CI_COMMIT_REF_NAME", "main"),
                ("CI_COMMIT_SHA", "0123456789"),
                ("CI_MERGE_REQUEST_DIFF_BASE_SHA", &place.commits[0]),
                ("CI_MERGE_REQUEST_IID", "7"),
                ("CI_PIPELINE_SOURCE", "merge_request_event"),
                ("CI_PIPELINE_URL", "https://gitlab.example/o/r/-/pipelines/77"),
                ("CI_PROJECT_ID", "9"),
                ("CI_PROJECT_PATH", "o/r"),
                ("CI_SERVER_URL", "https://gitlab.example"),
                ("TESSERABENCH_TOKEN", "secret"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let shared = jobs[".benchmarks"]["variables"].as_object().unwrap().iter();
        variables
            .extend(shared.map(|(name, of)| (name.clone(), text(of.get("value").unwrap_or(of)))));
        variables.insert("CARGO_HOME".to_owned(), String::new());
        variables
            .insert("TESSERABENCH_CACHE_DIR".to_owned(), place.path("cache").display().to_string());
        variables.insert("LEGS".to_owned(), "1".to_owned());
        variables
            .extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let script = jobs[name]["script"]
            .as_array()
            .unwrap()
            .iter()
            .map(text)
            .collect::<Vec<_>>()
            .join("\n");
        let output = place.bash(&script, "work", &variables);
        let [out, err] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
        (output.status.code().unwrap(), format!("{out}{err}"))
    };
    let (code, told) = run("benchmark", &[]);
    assert!(code == 3 && told.contains(&format!("base {}", place.commits[0])), "{code}: {told}");
    let (code, told) = run("memory", &[]);
    assert_eq!((code, told.as_str()), (0, "no case takes more memory than before\n"));

    assert_eq!(run("all-passed", &[]).0, 3);
    let told = place.told();
    let notes = "https://gitlab.example/api/v4/projects/9/merge_requests/7/notes";
    assert!(
        told.contains(&format!("--data-urlencode body@gate/verdict/gate.comment.md {notes}\n")),
        "{told}"
    );
    assert!(told.contains("<!-- tesserabench: benchmarks -->\n> [!CAUTION]\n> **Comparison: regression: 1 REGRESSED**"), "{told}");
    place.answer(
        "notes",
        r#"[{"id": 4, "body": "?"}, {"id": 5, "body": "<!-- tesserabench: benchmarks -->\nold"}]"#,
    );
    run("all-passed", &[]);
    assert!(place.told().contains(&format!(
        "--request PUT --data-urlencode body@gate/verdict/gate.comment.md {notes}/5\n"
    )));
    let (code, told) = run("all-passed", &[("TESSERABENCH_TOKEN", "")]);
    assert!(
        code == 3 && told.contains("no note: the variable TESSERABENCH_TOKEN holds no token"),
        "{told}"
    );
    assert_eq!(place.told(), "");

    let branch = [("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_BRANCH", "main")];
    let (code, told) = run("trend", &branch);
    assert!(code == 0 && told.contains("no chat was told: the variable"), "{code}: {told}");
    let told = place.told();
    assert!(told.contains("--data-urlencode title=Benchmarks of main do not pass"), "{told}");
    let kept = place.shell("git -C server/o/r.git ls-tree -r --name-only benchmark-data");
    assert!(kept.contains("history/reports/") && kept.contains("badge.json"), "{kept}");
    place.answer("issues", r#"[{"iid": 3, "description": "<!-- tesserabench: main -->\nold"}]"#);
    place.shell("rm -rf work/gate/data");
    assert_eq!(run("trend", &branch).0, 0);
    assert!(place.told().contains("--request PUT --data-urlencode description@gate/main.comment.md https://gitlab.example/api/v4/projects/9/issues/3\n"));
    place.answer("releases", r#"{"description": "New.\n<!-- tesserabench: main -->\nold"}"#);
    place.shell("rm -rf work/gate/data");
    let (code, told) = run("trend", &[("CI_PIPELINE_SOURCE", "push"), ("CI_COMMIT_TAG", "v2")]);
    assert_eq!(code, 0, "{told}");
    let told = place.told();
    assert!(
        told.contains("New.\n<!-- tesserabench: main -->\n> [!CAUTION]") && !told.contains("\nold"),
        "{told}"
    );
    // A job that died is no pass.
    place.change("work/gate/results/host-f32-1/results.comparison.json", |it| {
        it["cases"][0]["verdict"] = "equivalent".into();
        it["exit"] = 0.into();
    });
    assert_eq!(run("all-passed", &[]).0, 0);
    let (code, told) = run("all-passed", &[("LEGS", "2")]);
    assert!(code == 7 && told.contains("only 1 of 2 jobs have compared"), "{code}: {told}");
    // Where nothing was compared, nothing is told.
    place.shell("rm -r work/gate/results work/gate/verdict work/gate/main.*");
    place.told();
    assert_eq!(
        (run("all-passed", &[]).0, run("trend", &branch).0, place.told()),
        (2, 2, String::new())
    );
}

/// Every script in a kit, of either service.
fn scripts(kit: &Value) -> Vec<String> {
    match kit["jobs"].as_object() {
        Some(jobs) => {
            let steps = jobs.values().flat_map(|job| job["steps"].as_array().unwrap());
            steps.filter_map(|step| step["run"].as_str().map(str::to_owned)).collect()
        }
        None => {
            let jobs = kit.as_object().unwrap().values();
            let lines = jobs.filter_map(|job| job["script"].as_array());
            lines.map(|lines| lines.iter().map(text).collect::<Vec<_>>().join("\n")).collect()
        }
    }
}

#[test]
fn kits_are_valid_yaml_and_shell_and_keep_to_few_rights() {
    for (of, count) in [("github", 12), ("gitlab", 4)] {
        let words = format!(
            "ci-template {of} --backend host,cuda --ranks 1,2,8 --runs-on self-hosted,gpu -o -"
        );
        let written = tesserabench(&words)
            .arg("--precision=f32,bf16@accum(fp32)")
            .arg("--build=echo 'it''s: #1'")
            .passes()
            .out;
        let kit: Value = serde_saphyr::from_str(&written).unwrap();
        let all = scripts(&kit);
        assert_eq!(all.len(), count);
        for script in all {
            let checked = Command::new("bash").args(["-n", "-c", &script]).output().unwrap();
            assert!(
                checked.status.success(),
                "{script}: {}",
                String::from_utf8_lossy(&checked.stderr)
            );
        }
        assert!(!written.contains("pull_request_target"));
        if of == "gitlab" {
            assert_eq!(kit["benchmark"]["parallel"]["matrix"][0]["RANKS"][2], "8");
            assert_eq!(kit["benchmark"]["tags"][1], "gpu");
            assert_eq!(kit[".benchmarks"]["variables"]["BUILD"]["value"], "echo 'it''s: #1'");
            continue;
        }
        assert_eq!(kit["env"]["BUILD"], "echo 'it''s: #1'");
        assert_eq!(
            kit["jobs"]["benchmark"]["strategy"]["matrix"]["precision"][1],
            "bf16@accum(fp32)"
        );
        assert_eq!(kit["permissions"], serde_json::json!({"contents": "read"}));
        let jobs = kit["jobs"].as_object().unwrap();
        let more: Vec<&str> = jobs
            .iter()
            .filter(|(_, job)| !job["permissions"].is_null())
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(more, ["comment", "trend"]);
    }
}

#[test]
fn the_project_uses_its_own_kit_and_pins_what_it_uses() {
    let written = tesserabench("ci-template github -o -").passes().out;
    let own = std::fs::read_to_string(".github/workflows/benchmark.yml").unwrap();
    assert!(written == own, "write it anew: tesserabench ci-template github --force");
    for file in ["benchmark.yml", "ci.yml"] {
        let text = std::fs::read_to_string(Path::new(".github/workflows").join(file)).unwrap();
        let used: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once("uses: ").map(|(_, used)| used))
            .collect();
        assert!(!used.is_empty());
        for used in used {
            let (name, version) = used.split_once("  # v").unwrap_or_else(|| panic!("{used}"));
            let (name, hash) = name.split_once('@').unwrap();
            assert!(
                name.starts_with("actions/") && version.starts_with(|c: char| c.is_ascii_digit()),
                "{used}"
            );
            assert!(
                hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{used}"
            );
        }
    }
}

#[test]
fn the_commands_of_the_page_write_kits() {
    let page = include_str!("../../docs/ci.md");
    let commands: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("    tesserabench ci-template "))
        .collect();
    assert!(commands.len() >= 3);
    let place = Place::new();
    for words in commands {
        place.shell(&format!("rm -rf kit && mkdir kit && cd kit && {PROGRAM} ci-template {words} && find . -name '*.yml' | grep -q ."));
    }
}

#[test]
fn what_no_kit_can_be_made_of_is_refused() {
    for (words, why) in [
        ("ci-template github --backend simulated -o -", "measures no known device"),
        ("ci-template github --backend tpu -o -", "'tpu' is not known"),
        ("ci-template github --precision f3 -o -", "did you mean 'f32'?"),
        ("ci-template github --image x -o -", "--image is for GitLab"),
        ("ci-template gitlab --run --bogus -o -", "'--bogus' is not known here"),
        ("ci-template gitlab --ranks 0 -o -", "0"),
    ] {
        let refused = tesserabench(words).fails(2);
        assert!(refused.error().contains(why), "{words}: {}", refused.err);
    }
    let there = tesserabench("ci-template gitlab").passes();
    let there = tesserabench("ci-template gitlab").after(there).fails(2);
    assert!(there.error().contains("is there already; --force replaces it"), "{}", there.err);
    let lines = tesserabench("ci-template github -o - --build").arg("a\nb").fails(2);
    assert!(lines.error().contains("is not one line of text"), "{}", lines.err);
}
