//! A rank that fails ends the job in seconds, with one clear message and the right code.

use crate::ranks::{Ended, Run, ranks, under_mpirun};

const WORDS: &str = "-b barrier -b gemm --problem-size m=16 --iterations 5 --warmup 1";

fn named(ended: &Ended, rank: usize) {
    assert!(ended.error().contains(&format!("rank {rank}")), "{}", ended.err);
}

/// Either way of starting ranks.
fn both(n: usize, fault: &str) -> [Run; 2] {
    [ranks(n, WORDS).fault(fault), under_mpirun(n, WORDS).fault(fault)]
}

#[test]
fn a_panic_ends_the_job() {
    for phase in ["join", "prepare", "verify", "measure", "gather", "parked"] {
        // Rank 2 is parked in the second case only.
        let words = "-b barrier --groups 0-1,0-2 --iterations 5 --warmup 1";
        let run = ranks(3, words).fault(&format!("panic@2:{phase}"));
        let ended = run.fails(9);
        named(&ended, 2);
        assert!(ended.error().contains("planted panic"), "{}", ended.err);
    }
    for run in both(2, "panic@0:measure") {
        let ended = run.fails(9);
        assert!(
            ended.err.contains("rank 0") && ended.err.contains("barrier/world:0-1"),
            "{}",
            ended.err
        );
    }
}

#[test]
fn an_error_fails_the_case_and_is_named() {
    for phase in ["prepare", "verify", "measure"] {
        for run in both(2, &format!("error@1:{phase}")) {
            let ended = run.fails(7);
            let report = ended.report();
            assert_eq!(report["cases"][0]["outcome"], "failed");
            assert_eq!(report["cases"][0]["error"]["at"], phase);
            assert!(report["cases"][0]["error"]["detail"].as_str().unwrap().contains("rank 1"));
            assert_eq!(
                (&report["run"]["incomplete"], &report["run"]["exit"]),
                (&true.into(), &7.into())
            );
        }
    }
}

#[test]
fn the_other_cases_go_on_when_told_to() {
    let fault = "wrong@1:verify";
    let stopped = ranks(2, WORDS).fault(fault).fails(5).report();
    assert_eq!(stopped["cases"].as_array().unwrap().len(), 1);
    let went_on = ranks(2, WORDS).arg("--continue-on-error").fault(fault).fails(5).report();
    assert_eq!(went_on["cases"].as_array().unwrap().len(), 2);
    assert_eq!(went_on["run"]["incomplete"], false);
}

#[test]
fn a_wrong_element_is_named() {
    let kinds =
        [("all_reduce", "bytes=80"), ("gemm", "m=9"), ("triad", "array=80"), ("copy", "array=80")];
    let phases = [("verify", 1), ("measure", 2)];
    for ((benchmark, size), (phase, comparisons)) in
        kinds.into_iter().flat_map(|kind| phases.map(|phase| (kind, phase)))
    {
        let words = format!("-b {benchmark} --problem-size {size} --iterations 5");
        let ended = ranks(2, &words).fault(&format!("wrong@1:{phase}")).fails(5);
        let case = &ended.report()["cases"][0];
        assert_eq!(case["error"]["at"], phase, "{case:#}");
        let wrong = &case["accuracy"]["first_wrong"];
        assert_eq!(
            (&case["accuracy"]["wrong"], &wrong["rank"]),
            (&1.into(), &1.into()),
            "{case:#}"
        );
        let middle = case["accuracy"]["checked"].as_u64().unwrap() / (2 * comparisons) / 2;
        assert_eq!(wrong["index"], middle);
        assert_ne!(wrong["expected"], wrong["got"]);
        assert!(ended.out.contains(&format!("index {middle}, expected")), "{}", ended.out);
    }
}

#[test]
fn a_killed_rank_and_one_that_leaves_are_told() {
    for fault in ["kill@1:measure", "kill@0:verify", "exit@1:measure"] {
        let ended = ranks(2, WORDS).fault(fault).fails(9);
        assert!(
            ended.error().contains("died without a word during case barrier/world:0-1"),
            "{}",
            ended.err
        );
        // MPICH does not say which process left without finalizing.
        if fault.starts_with("kill") {
            named(&ended, usize::from(fault.contains("@1")));
            assert_ne!(under_mpirun(2, WORDS).fault(fault).end().code, Some(0));
        }
    }
}

#[test]
fn finished_cases_are_on_disk_when_a_rank_dies() {
    let words = "-b barrier --groups 0,0-1 --iterations 5 --warmup 1";
    let ended = ranks(2, words).fault("kill@1:measure").fails(9);
    let journal = ended.read("results.json.journal.jsonl");
    let lines: Vec<serde_json::Value> =
        journal.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["schema"], "tesserabench.journal/1");
    assert_eq!(lines[1]["id"], "barrier/groups:0");
    assert!(!ended.path("results.json").exists());
}

#[test]
fn mixed_builds_are_refused() {
    for run in both(3, "build@2:join") {
        let ended = run.fails(6);
        let lines: Vec<&str> =
            ended.err.lines().filter(|line| line.contains("rank 2 runs build")).collect();
        assert_eq!(lines.len(), 1, "{}", ended.err);
    }
}

#[test]
fn a_silent_singleton_is_refused() {
    // As srun does with an MPI whose start-up it does not speak: the process finds itself alone.
    let run = crate::ranks::tesserabench("run -b barrier")
        .env("SLURM_STEP_NUM_TASKS", "4")
        .env("SLURM_PROCID", "0");
    let ended = run.fails(6);
    assert!(
        ended.error().contains("srun started 4 processes, but MPI sees 1 rank"),
        "{}",
        ended.err
    );
}

#[test]
fn a_hanging_rank_meets_the_deadline() {
    let ended = ranks(2, WORDS).arg("--timeout").arg("5").fault("hang@1:measure").fails(8);
    assert!(ended.error().contains("barrier/world:0-1"), "{}", ended.err);
}

#[test]
fn a_misspelt_fault_is_no_passed_test() {
    ranks(2, WORDS).fault("panik@1:measure").fails(2);
}
