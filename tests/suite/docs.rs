//! The pages that people read: their commands are run (`scripts/test doc`), their links lead somewhere, and the flags
//! and messages that they quote are the program's.
//!
//! A command stands behind four blanks, in a fence of the language `sh`, or in a cell of a table. A comment right before
//! the block, or behind the cell's command, may say how it is followed, parted by semicolons:
//!
//! | comment | means |
//! |---|---|
//! | `<!-- not run: WHY -->` | it cannot be followed here |
//! | `<!-- ends with 3 -->` | its exit code; behind a comma may stand why |
//! | `<!-- given: a failed case -->` | what the reader has, of [`GIVEN`] |
//! | `<!-- file: NAME -->` | the block, of any language, is this file |

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::cuda::{everything, with_libraries};
use crate::ranks::{Ended, shell, tesserabench};

/// What readers have before they follow a command that names it, or whose comment does: the name, and how it is made.
const GIVEN: [(&str, &str); 14] = [
    (
        "results of jobs",
        "mkdir -p gate/results/one; for i in 1 2; do tesserabench -q run gemm --launches 2 -o $i.json; done
         tesserabench -q compare 1.json 2.json -o gate/results/one/results.comparison.json",
    ),
    (
        "a baseline of four ranks",
        "tesserabench -q run --ranks 4 --launches 2 -o before.json; tesserabench history add before.json --tag v1",
    ),
    (
        "a failed case",
        "TESSERABENCH_FAULT=wrong@0:verify tesserabench -q run copy --backend host -o results.json || (($? == 5))
         echo error >slurm-17.out",
    ),
    ("results.json", "tesserabench -q run gemm copy -o results.json"),
    ("before.json", "tesserabench -q run gemm copy --launches 2 -o before.json"),
    ("after.json", "tesserabench -q run gemm copy --launches 2 -o after.json"),
    (
        "last-release",
        "tesserabench -q run gemm --launches 2 -o old.json; tesserabench history add old.json --tag v1",
    ),
    ("healthy/", "mkdir healthy; for i in 1 2 3; do tesserabench -q run gemm -o healthy/$i.json; done"),
    ("results/", "mkdir results; for i in 1 2 3; do tesserabench -q run gemm -o results/$i.json; done"),
    ("node*.json", "for i in 1 2 3; do tesserabench -q run gemm -o node$i.json; done"),
    (
        "limits.yaml",
        "echo 'limits: [{case: \"*\", metric: latency, at_most: 1e9}]' >limits.yaml",
    ),
    ("nccl.log", "cp \"$REPOSITORY\"/tests/suite/imports/nccl-marked.txt nccl.log"),
    ("./other-build", "ln -s \"$PROGRAM\" other-build"),
    ("other.yaml", "echo 'seed: 1' >other.yaml"),
];

/// The program as pages start it. Where a page leaves that open, a run takes few iterations of small problems in virtual
/// time.
const STARTED: &str = r#"#!/usr/bin/env bash
if [[ " $* " == *" run "* && " $* " != *" --help "* ]]; then
    [[ " $*" == *" --backend"* ]] || set -- "$@" --backend simulated
    [[ " $*" == *" --iter"* || " $*" == *" --quick"* || " $*" == *" --precision-target"* ]] || set -- "$@" --iterations 5
    [[ " $*" == *" --warmup"* ]] || set -- "$@" --warmup 1
    set -- "$@" --no-autotune
    [[ " $*" =~ \ --problem-size[\ =][a-z_]+(\ |$) ]] || set -- "$@" --problem-size small
fi
exec "$PROGRAM" "$@"
"#;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tesserabench");
const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

fn text(page: &str) -> String {
    std::fs::read_to_string(page).unwrap_or_else(|why| panic!("{page}: {why}"))
}

/// A part of a page that is shown as it is typed or as it stands in a file.
struct Block {
    line: usize,
    /// Of a fence; of what stands behind blanks it is `sh`.
    language: String,
    /// What the comment before it says.
    remarks: Vec<String>,
    text: String,
}

/// What a comment says, if the line is one.
fn remarks(line: &str) -> Vec<String> {
    let comment = line.trim().strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->"));
    comment.map_or_else(Vec::new, |said| said.split(';').map(|one| one.trim().to_owned()).collect())
}

fn blocks(page: &str) -> Vec<Block> {
    let (mut blocks, mut before): (Vec<Block>, &str) = (Vec::new(), "");
    let mut lines = page.lines().enumerate().peekable();
    while let Some((at, line)) = lines.next() {
        let fence = line.strip_prefix("```");
        if fence.is_none() && !line.starts_with("    ") {
            before = if line.is_empty() { before } else { line };
            continue;
        }
        let mut text = String::new();
        if fence.is_none() {
            writeln!(text, "{}", &line[4..]).unwrap();
        }
        loop {
            let belongs = |(_, next): &(usize, &str)| match fence {
                Some(_) => !next.starts_with("```"),
                None => next.starts_with("    "),
            };
            let Some((_, next)) = lines.next_if(belongs) else { break };
            writeln!(text, "{}", if fence.is_some() { next } else { &next[4..] }).unwrap();
        }
        if fence.is_some() {
            lines.next();
        }
        let language = fence.unwrap_or("sh").to_owned();
        blocks.push(Block { line: at + 1, language, remarks: remarks(before), text });
        before = "";
    }
    blocks
}

/// A command with its page's line, as it stands in a cell of a table: whole, without what a reader would have to fill in.
fn cells(page: &str) -> Vec<Block> {
    let rows = page.lines().enumerate().filter(|(_, line)| line.starts_with("| "));
    let mut found = Vec::new();
    for (at, row) in rows {
        for (start, _) in row.match_indices("`tesserabench ") {
            let Some((code, behind)) = row[start + 1..].split_once('`') else { continue };
            let open = |word: &str| {
                word.contains(['…', '|']) || word.chars().all(|c| c.is_ascii_uppercase())
            };
            if code.split_whitespace().any(open) {
                continue;
            }
            let comment =
                behind.split_once("-->").filter(|_| behind.trim_start().starts_with("<!--"));
            let remarks = comment.map_or_else(Vec::new, |(said, _)| remarks(&format!("{said}-->")));
            let (line, language) = (at + 1, "sh".to_owned());
            found.push(Block { line, language, remarks, text: code.replace("\\|", "|") });
        }
    }
    found
}

impl Block {
    fn remark(&self, name: &str) -> Option<&str> {
        self.remarks.iter().find_map(|said| said.strip_prefix(name)).map(str::trim)
    }

    /// The commands, behind what makes the things that they take for granted.
    fn script(&self) -> String {
        let mut script = "export HOME=$PWD\n".to_owned();
        let named = |name: &str| {
            self.text.split_whitespace().any(|word| word == name)
                || self.remark("given:") == Some(name)
        };
        for (name, made) in GIVEN.iter().filter(|(name, _)| named(name)) {
            writeln!(script, "[[ -e '{name}' ]] || {{ {made}; }} >&2").unwrap();
        }
        script + &self.text
    }
}

/// A folder in which `tesserabench` is the program as pages start it.
fn started() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs");
        std::fs::create_dir_all(&folder).unwrap();
        // Another process may be starting the old one.
        let file = tempfile::NamedTempFile::new_in(&folder).unwrap();
        std::fs::write(file.path(), STARTED).unwrap();
        std::fs::set_permissions(file.path(), PermissionsExt::from_mode(0o755)).unwrap();
        file.persist(folder.join("tesserabench")).unwrap();
        folder
    })
}

/// Runs a block in the folder of those before it.
fn run(block: &Block, before: Option<Ended>) -> Ended {
    let path = format!("{}:{}", started().display(), std::env::var("PATH").unwrap());
    let shell = with_libraries(shell(&block.script()), &[everything()]);
    let shell = shell.env("PATH", &path).env("PROGRAM", PROGRAM).env("REPOSITORY", REPOSITORY);
    // A reader's GPUs; Open MPI starts as many ranks as a page says on however few cores.
    let shell = shell.env("STANDIN_DEVICES", "8").env("OMPI_MCA_rmaps_base_oversubscribe", "1");
    let shell = shell.env("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe");
    match before {
        Some(before) => shell.after(before).end(),
        None => shell.end(),
    }
}

/// Follows a page from its top to its end in one folder.
fn follow(page: &str) {
    let text = text(page);
    let (mut folder, mut wrong): (Option<Ended>, String) = Default::default();
    let mut seen: Vec<String> = Vec::new();
    for block in blocks(&text).into_iter().chain(cells(&text)) {
        if let Some(name) = block.remark("file:") {
            let nothing = shell("true");
            let nothing = match folder.take() {
                Some(before) => nothing.after(before),
                None => nothing,
            };
            folder = Some(nothing.file(name, &block.text).end());
            continue;
        }
        if block.language != "sh" || block.remark("not run:").is_some() {
            continue;
        }
        // A table may sum up what stands above.
        let command = block.text.trim().to_owned();
        if seen.contains(&command) {
            continue;
        }
        seen.push(command);
        let code = block.remark("ends with").map_or(0, |code| {
            let digits = code.split(|c: char| !c.is_ascii_digit()).next();
            digits.and_then(|digits| digits.parse().ok()).expect("an exit code")
        });
        let ended = run(&block, folder.take());
        if ended.code != Some(code) {
            let (line, got) = (block.line, ended.code);
            let (out, err) = (&ended.out, &ended.err);
            writeln!(wrong, "{page}:{line} ended with {got:?}:\n{}{out}{err}", block.text).unwrap();
        }
        folder = Some(ended);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A test for each page, so that one can be followed alone.
macro_rules! pages {
    ($($name:ident $page:literal)*) => {
        const PAGES: &[&str] = &[$($page),*];
        $(#[test] #[ignore = "takes a while; scripts/test doc"] fn $name() { follow($page); })*
    };
}

pages! {
    acceptance "docs/acceptance.md"
    adding_a_kernel "docs/adding-a-kernel.md"
    adding_a_machine "docs/adding-a-machine.md"
    architecture "docs/architecture.md"
    benchmarks "docs/benchmarks.md"
    ci "docs/ci.md"
    comparing "docs/comparing.md"
    contributing "CONTRIBUTING.md"
    exit_codes "docs/exit-codes.md"
    failures "docs/failures.md"
    faq "docs/faq.md"
    figures "docs/figures.md"
    files "docs/files.md"
    first_run "docs/first-run.md"
    gpu_status "docs/gpu-status.md"
    gpus "docs/gpus.md"
    guide "docs/guide.md"
    history "docs/history.md"
    importing "docs/importing.md"
    installing "docs/installing.md"
    launches "docs/launches.md"
    measuring "docs/measuring.md"
    meshes "docs/meshes.md"
    names "docs/names.md"
    profile "docs/profile.md"
    readme "README.md"
    scaling "docs/scaling.md"
    slurm_mpi "docs/slurm-mpi.md"
    troubleshooting "docs/troubleshooting.md"
}

/// All pages in the folder.
fn all() -> Vec<String> {
    let files = std::fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path());
    let pages = files.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let mut all: Vec<String> = pages.map(|path| path.display().to_string()).collect();
    all.extend(["README.md", "CONTRIBUTING.md"].map(str::to_owned));
    all.sort();
    all
}

#[test]
fn every_page_is_followed_and_the_guide_leads_to_it() {
    let mut followed = PAGES.to_vec();
    followed.sort_unstable();
    assert_eq!(all(), followed);
    let guide = text("docs/guide.md");
    for page in PAGES
        .iter()
        .filter_map(|page| page.strip_prefix("docs/"))
        .filter(|page| *page != "guide.md")
    {
        assert!(guide.contains(&format!("]({page}")), "docs/guide.md does not lead to {page}");
    }
}

#[test]
fn blocks_are_of_known_languages_and_comments_say_what_they_mean() {
    for page in PAGES {
        let text = text(page);
        for block in blocks(&text).iter().chain(&cells(&text)) {
            let at = format!("{page}:{}", block.line);
            let known = ["sh", "text", "yaml", "toml", "json", "python", "cpp", "cuda"];
            assert!(known.contains(&&*block.language), "{at}: a block of '{}'", block.language);
            for said in &block.remarks {
                let known = ["not run: ", "ends with ", "given: ", "file: "];
                assert!(known.iter().any(|name| said.starts_with(name)), "{at}: '{said}'");
                if let Some(name) = said.strip_prefix("given: ") {
                    assert!(
                        GIVEN.iter().any(|(known, _)| known == &name),
                        "{at}: nothing makes '{name}'"
                    );
                }
            }
        }
    }
}

/// The name of a heading in a link.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere() {
    for page in PAGES {
        let text = text(page);
        // Code has such brackets, too.
        let prose: Vec<&str> = text.split("\n```").step_by(2).collect();
        let prose = prose.join("\n");
        for (at, _) in prose.match_indices("](") {
            let target = prose[at + 2..].split(')').next().unwrap();
            if target.starts_with("http") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => PathBuf::from(page),
                _ => Path::new(page).parent().unwrap().join(file),
            };
            assert!(path.exists(), "{page}: there is no {target}");
            if !heading.is_empty() {
                let other = std::fs::read_to_string(&path).unwrap();
                let mut headings = other.lines().filter(|line| line.starts_with('#'));
                let is_there =
                    headings.any(|line| anchor(line.trim_start_matches('#').trim()) == heading);
                assert!(is_there, "{page}: there is no heading for {target}");
            }
        }
    }
}

/// Inline code of a line.
fn codes(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Cells of the rows of a page's tables, without the head.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let lines = page.lines().filter(|line| line.starts_with("| ") && line.ends_with(" |"));
    let cells = lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect());
    cells.collect()
}

/// Every word with dashes that the program knows, and every command of it: what shells complete.
fn known_words() -> String {
    tesserabench("completions bash").passes().out
}

#[test]
fn flags_of_the_program_in_running_text_exist() {
    let known = known_words();
    let knows = |word: &str| {
        known.split(|c: char| !(c.is_alphanumeric() || c == '-')).any(|one| one == word)
    };
    assert!(knows("--problem-size") && knows("verdict") && !knows("--no-such-flag"));
    for page in PAGES {
        let text = text(page);
        // What is there now is said on that page.
        let missing = |line: &&str| line.contains("| not there");
        let lines = text.lines().filter(|line| !missing(line));
        for code in lines.flat_map(codes).filter(|code| code.starts_with("tesserabench ")) {
            let words = code.split_whitespace().skip(1).map(|word| word.split('=').next().unwrap());
            for flag in words.filter(|word| word.starts_with("--")) {
                assert!(knows(flag), "{page}: `{code}`: there is no {flag}");
            }
        }
    }
    // What stands beside a name of older documents is ours, or is said to be missing.
    for row in rows(&text("docs/names.md")) {
        let [theirs, ours] = row[..] else { panic!("{row:?}") };
        for flag in
            codes(ours).flat_map(str::split_whitespace).filter(|word| word.starts_with("--"))
        {
            assert!(knows(flag.split('=').next().unwrap()), "docs/names.md: there is no {flag}");
        }
        if let Some(code) = codes(theirs).next().filter(|_| ours.starts_with("not there")) {
            let word = code.split_whitespace().find(|word| word.starts_with("--"));
            let word = word.or(code.split_whitespace().next()).unwrap();
            assert!(!knows(word), "docs/names.md: `{code}` is there now; say what it does");
        }
    }
}

#[test]
fn messages_that_troubleshooting_quotes_are_in_the_sources() {
    let mut sources = String::new();
    let mut folders = vec![PathBuf::from("src"), PathBuf::from("launcher/src")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(ending) if ending == "rs" => {
                    sources += &std::fs::read_to_string(path).unwrap()
                }
                _ => {}
            }
        }
    }
    // A string may go on in the next line.
    let mut joined = String::new();
    for part in sources.split("\\\n") {
        joined += if joined.is_empty() { part } else { part.trim_start() };
    }
    let mut quoted = 0;
    for row in rows(&text("docs/troubleshooting.md")) {
        for message in codes(row[0]) {
            quoted += 1;
            for part in message.split('…').map(str::trim).filter(|part| part.len() > 3) {
                assert!(joined.contains(part), "the program says nowhere '{part}'");
            }
        }
    }
    assert!(quoted > 20, "{quoted}");
}
