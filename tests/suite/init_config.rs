//! Configurations that are written for people, the questions before that, and what shells and `man` are told.

use std::process::Command;

use crate::ranks::{Run, tesserabench};

/// The wizard on a terminal, with these keys typed ahead.
fn asked(keys: &str) -> Run {
    let terminal = format!("printf '{keys}' | script -qec \"$0 $*\" typescript; exit");
    tesserabench("init-config --interactive").behind(&terminal)
}

#[test]
fn what_is_written_is_accepted_and_kept() {
    let ended = tesserabench("init-config --output x.yaml").passes();
    let text = ended.read("x.yaml");
    assert!(text.contains("\nbackend: host\n"), "{text}");
    assert!(ended.out.contains("to run it: tesserabench --config x.yaml run\n"), "{}", ended.out);
    let run = tesserabench("--config x.yaml run --dry-run").file("x.yaml", &text).passes();
    assert!(run.out.contains("all_reduce"), "{}", run.out);
    let again = tesserabench("init-config --output x.yaml").file("x.yaml", "seed: 3").fails(2);
    assert!(again.err.contains("'x.yaml' is there already"), "{}", again.err);
    assert_eq!(again.read("x.yaml"), "seed: 3");
    let printed = tesserabench("init-config --output -").passes();
    assert!(printed.out.contains("# max_failures: 3\n"), "{}", printed.out);
}

#[test]
fn the_wizard_asks_and_begins_where_it_ended() {
    let ended = asked(r"\r4\rtp=2,dp=2\r\r\r\r5\r\r\r \ry\r").passes();
    let text = ended.read("tesserabench.yaml");
    let set = |text: &str| -> Vec<String> {
        let set =
            text.lines().filter(|line| !line.is_empty() && !line.trim_start().starts_with('#'));
        set.map(str::to_owned).collect()
    };
    assert_eq!(
        set(&text),
        [
            "backend: host",
            "timeout: 1h",
            "benchmarking:",
            "  launches: 5",
            "mesh:",
            "  shape: \"tp=2,dp=2\"",
            "precision_policies: [f32]",
            "benchmarks: [all_reduce, barrier, copy, gemm, triad]",
            "output:",
            "  files: [results.json, results.html]",
        ]
    );
    let command = "--config tesserabench.yaml run --ranks 4 --dry-run";
    tesserabench(command).file("tesserabench.yaml", &text).passes();
    // All that was said is offered again.
    let same = asked(&r"\r".repeat(11)).file("tesserabench.yaml", &text).passes();
    assert_eq!(set(&same.read("tesserabench.yaml")), set(&text));
    // Escape, after some answers.
    let given_up = asked(r"\r2\r\033").file("tesserabench.yaml", "seed: 3").fails(10);
    assert!(given_up.out.contains("cancelled; nothing was written"), "{}", given_up.out);
    assert_eq!(given_up.read("tesserabench.yaml"), "seed: 3");
    let nobody = tesserabench("init-config --interactive").fails(2);
    assert!(nobody.err.contains("there is none; leave it out"), "{}", nobody.err);
}

#[test]
fn shells_and_man_know_every_command() {
    let script = tesserabench("completions bash").passes().out;
    let completed = format!(
        "{script}\nCOMP_WORDS=(tesserabench ini) COMP_CWORD=1\n\
                             _tesserabench tesserabench ini tesserabench; echo \"${{COMPREPLY[@]}}\""
    );
    let bash = Command::new("bash").args(["-c", &completed]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&bash.stdout).trim(), "init-config");
    for shell in ["zsh", "fish"] {
        assert!(tesserabench(&format!("completions {shell}")).passes().out.contains("init-config"));
    }
    let ended = tesserabench("man --output-dir pages").passes();
    let page = ended.read("pages/tesserabench-run.1");
    assert!(page.contains("problem\\-size"), "{page}");
}
