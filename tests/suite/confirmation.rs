//! Confirmation: what is doubtful when sides are compared is measured in more launches.
//!
//! Simulated ranks take as long each time, so what is planted decides.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::ranks::{Ended, Run, ranks, tesserabench};

/// Nine cases that nothing disturbs, so that what chance does is not only what is planted in the tenth.
const WORDS: &str = "--backend simulated -b barrier -b all_reduce -b gemm --problem-size bytes=8..1KiB*2 \
                     --problem-size m=1024 --iterations 5 --warmup 1";

/// Held against a program whose gemm takes 30 % longer in every third launch, and which fails in launches of the
/// numbers in the file `failing`.
fn against(words: &str) -> Run {
    let wrapper = format!(
        "#!/bin/sh\nby=0\ncase \"$*\" in *launches/[258].json*) by=30;; esac\n\
         for n in $(cat failing 2>/dev/null); do case \"$*\" in *launches/$n.json*) exit 1;; esac; done\n\
         TESSERABENCH_FAULT=\"slow/$by%@0:operation@gemm*\" exec {} \"$@\"\n",
        env!("CARGO_BIN_EXE_tesserabench")
    );
    program(words, &wrapper)
}

fn program(words: &str, script: &str) -> Run {
    let words = format!("{WORDS} {words} --against ./wrapper --allow");
    let run = ranks(2, &words).arg("variable TESSERABENCH_FAULT").file("wrapper", script);
    run.set_up(|folder| {
        std::fs::set_permissions(folder.join("wrapper"), Permissions::from_mode(0o755)).unwrap();
    })
}

fn read(ended: &Ended, name: &str) -> Value {
    serde_json::from_str(&ended.read(name)).unwrap()
}

/// The launches of both sides at each case, barrier first, and those of each look.
fn launches(ended: &Ended) -> (Vec<Value>, Vec<u64>) {
    let comparison = read(ended, "results.comparison.json");
    let cases = comparison["cases"].as_array().unwrap();
    let looks = comparison["looks"].as_array().unwrap();
    (
        cases.iter().map(|case| case["launches"].clone()).collect(),
        looks.iter().map(|look| look["launches"].as_u64().unwrap()).collect(),
    )
}

#[test]
fn what_is_clear_is_looked_at_once() {
    let plant = "slow/0%@0:operation@gemm*,slow/50%@0:operation@gemm*";
    let run = ranks(2, &format!("{WORDS} --launches 3 --env"));
    let ended = run.arg(&format!("TESSERABENCH_FAULT={plant}")).fails(3);
    assert!(ended.out.contains("looks: 10 cases after 3 launches\n"), "{}", ended.out);
    assert!(ended.out.contains("1 REGRESSED, 9 EQUIVALENT"), "{}", ended.out);
    assert_eq!(ended.err.matches("tesserabench: launch ").count(), 6, "{}", ended.err);
}

#[test]
fn only_what_is_doubtful_is_measured_again() {
    let ended = against("--launches 3").passes();
    let (cases, looks) = launches(&ended);
    let (last, others) = cases.split_last().unwrap();
    assert_eq!(*last, serde_json::json!([9, 9]));
    assert_eq!(others, vec![serde_json::json!([3, 3]); 9]);
    assert_eq!(looks, [3, 6, 9]);
    let told = "1 of 10 cases is doubtful after 3 launches: it may be worse by more than the threshold; measuring it \
                in 3 more";
    assert!(ended.err.contains(told), "{}", ended.err);
    let facts = "looks: 10 cases after 3 launches, 1 again after 6, 1 again after 9";
    assert!(ended.out.contains(facts), "{}", ended.out);
    // One report a side, with all launches of each case.
    for side in ["results.json", "results.against.json"] {
        let report = read(&ended, side);
        let of = |case: usize| {
            report["cases"][case]["replication"]["launches"].as_array().unwrap().len()
        };
        assert_eq!((of(0), of(9), report["run"]["incomplete"].clone()), (3, 9, false.into()));
    }
    let alone = read(&ended, "results.launches/4.json");
    assert_eq!(alone["cases"].as_array().unwrap().len(), 1);
    // All that is there is kept.
    let ended = against("--launches 3 --resume").after(ended).passes();
    assert_eq!(ended.err.matches("tesserabench: launch ").count(), 0, "{}", ended.err);
    assert_eq!(launches(&ended).0, cases);
}

#[test]
fn no_more_launches_than_are_asked_for() {
    let ended = against("--launches 3 --max-launches 3").passes();
    let three = serde_json::json!([3, 3]);
    assert_eq!(launches(&ended), (vec![three; 10], vec![]));
    let ended = against("--launches 3 --max-launches 4").after(ended).passes();
    assert_eq!(launches(&ended).1, [3, 4]);
    for (words, why) in [
        ("--launches 3 --max-launches 2 --env X=1,2", "use --max-launches 3 to"),
        ("--max-launches 2", "--compare-baseline <WHAT>> is missing"),
    ] {
        let ended = ranks(2, &format!("{WORDS} {words}")).fails(2);
        assert!(ended.err.contains(why), "{}", ended.err);
    }
}

#[test]
fn an_end_between_looks_can_be_resumed() {
    let ended = against("--launches 3").file("failing", "5\n").end();
    assert_ne!(ended.code, Some(0));
    assert!(ended.err.contains("launch 5 of 6 (against)"), "{}", ended.err);
    assert_eq!(read(&ended, "results.against.json")["run"]["incomplete"], true);
    let run = against("--launches 3 --resume").after(ended).file("failing", "");
    let ended = run.passes();
    assert!(!ended.err.contains("launch 3 of 3"), "{}", ended.err);
    assert_eq!(launches(&ended).0[9], serde_json::json!([9, 9]));
    assert_eq!(read(&ended, "results.against.json")["run"]["incomplete"], false);
}

#[test]
fn a_program_that_cannot_choose_cases_is_looked_at_once() {
    let script = format!(
        "#!/bin/sh\nby=0\ncase \"$*\" in *--case*) exit 2;; *launches/2.json*) by=30;; esac\n\
         TESSERABENCH_FAULT=\"slow/$by%@0:operation@gemm*\" exec {} \"$@\"\n",
        env!("CARGO_BIN_EXE_tesserabench")
    );
    let ended = program("--launches 3", &script).passes();
    assert!(ended.err.contains("(against) does not know --case"), "{}", ended.err);
    assert_eq!(launches(&ended).1, [3]);
}

#[test]
fn cases_are_chosen_by_name() {
    let words = format!("run {WORDS} -o one.json --case");
    let ended = tesserabench(&words).arg("gemm*").passes();
    assert_eq!(read(&ended, "one.json")["cases"].as_array().unwrap().len(), 1);
    let ended = tesserabench(&words).arg("barier/world:0").fails(2);
    assert!(ended.error().contains("did you mean 'barrier/world:0'?"), "{}", ended.err);
}
