//! A rank that fails ends the job in seconds, with a clear message and the right code, and what was finished
//! stays. The long form is `scripts/fault-campaign`.

use rustix::process::Signal;
use serde_json::Value;

use crate::ranks::{Ended, Run, ranks, tesserabench, under_mpirun};

const WORDS: &str = "-b barrier -b gemm --problem-size m=16 --iterations 5 --warmup 1";
const CASES: [&str; 2] = ["barrier/world:0-1", "gemm/f32/k=16,m=16,n=16/world:0-1"];

fn two(fault: &str) -> Run {
    ranks(2, WORDS).fault(fault)
}

/// Either way of starting ranks.
fn both(fault: &str) -> [Run; 2] {
    [two(fault), under_mpirun(2, WORDS).fault(fault)]
}

/// Some of the lines that say what is wrong names the rank and the case.
fn names(ended: &Ended, rank: usize, case: &str) {
    let told = ended.err.split_once(": error: ").map_or("", |(_, told)| told);
    assert!(told.contains(&format!("rank {rank}")) && told.contains(case), "{}", ended.err);
}

/// Whether the MPI's own launcher tells what became of the ranks. MPICH's names as dead a process that may be one it
/// killed itself, kills the others so soon that rank 0 has not noticed yet, and where it has passed a signal on
/// often ends with 0, whatever its processes, of any program, end with (4.0.2).
fn launcher_tells_the_truth() -> bool {
    tesserabench::world::mpi_library().is_some_and(|library| library.contains("Open MPI"))
}

/// The report is that of a run that did not come to its end, with these cases; the last one has the error.
fn incomplete(ended: &Ended, exit: i32, cases: &[&str]) -> Value {
    let report = ended.report();
    crate::runs::validate(&report);
    let run = &report["run"];
    assert_eq!((&run["incomplete"], &run["exit"]), (&true.into(), &exit.into()), "{}", ended.err);
    assert_eq!(ended.ids(), cases);
    report["cases"][cases.len() - 1]["error"].clone()
}

/// Resumed with the same words it comes to its end, with every case once.
fn resumes(ended: Ended) {
    let ended = ranks(2, WORDS).arg("--resume").after(ended).passes();
    assert_eq!(ended.ids(), CASES);
    let report = ended.report();
    assert_eq!((&report["run"]["incomplete"], &report["run"]["exit"]), (&false.into(), &0.into()));
    assert!(!ended.path("results.json.journal.jsonl").exists());
    // Again, as a retry loop does.
    let again = ranks(2, WORDS).arg("--resume").after(ended).passes();
    assert!(again.err.contains("'results.json' is complete"), "{}", again.err);
    assert_eq!(again.report(), report);
}

/// The last thing that is said is the command that goes on with the run.
fn tells_how_to_go_on(ended: &Ended) {
    let last = ended.err.lines().last().unwrap_or_default();
    assert!(last.starts_with("go on with: /") && last.ends_with(" --resume"), "{}", ended.err);
}

#[test]
fn a_panic_ends_the_job() {
    for phase in ["join", "parked"] {
        // Rank 2 is parked in the second case only.
        let words = "-b barrier --groups 0-1,0-2 --iterations 5 --warmup 1";
        let ended = ranks(3, words).fault(&format!("panic@2:{phase}")).fails(9);
        assert!(ended.err.contains("planted panic"), "{}", ended.err);
        names(&ended, 2, if phase == "join" { "" } else { "barrier/groups:0-1" });
    }
    for run in both("panic@0:measure") {
        let ended = run.fails(9);
        names(&ended, 0, CASES[0]);
        let error = incomplete(&ended, 9, &CASES[..1]);
        assert_eq!((&error["rank"], &error["at"]), (&0.into(), &"measure".into()));
    }
}

#[test]
fn an_error_fails_the_case_and_is_named() {
    for run in both("error@1:verify") {
        let ended = run.fails(7);
        let error = incomplete(&ended, 7, &CASES[..1]);
        assert_eq!((&error["rank"], &error["at"]), (&1.into(), &"verify".into()));
        assert!(error["detail"].as_str().unwrap().contains("rank 1"));
    }
}

#[test]
fn the_other_cases_go_on_when_told_to() {
    let stopped = two("wrong@1:verify").fails(5);
    let error = incomplete(&stopped, 5, &CASES[..1]);
    // A barrier has no elements.
    assert_eq!(error["detail"], "rank 1 left 1 ns before the last one came");
    let went_on = two("wrong@1:verify").arg("--continue-on-error").fails(5).report();
    assert_eq!(went_on["cases"].as_array().unwrap().len(), 2);
    assert_eq!(went_on["run"]["incomplete"], false);
    let words =
        "-b barrier -b gemm -b copy --problem-size m=16 --problem-size small --iterations 5";
    let run = ranks(2, words).arg("--max-failures=2").fault("error@1:prepare");
    assert_eq!(run.fails(7).ids(), [CASES[0], "copy/f32/array=1048576/world:0-1"]);
}

#[test]
fn a_wrong_element_is_named() {
    let words = "-b all_reduce -b gemm -b triad -b copy -b layer_norm -b softmax --problem-size bytes=80 --problem-size m=9 \
                 --problem-size array=80 --problem-size rows=9 --iterations 5 --continue-on-error";
    let ended = ranks(2, words).fault("wrong@1:verify").fails(5);
    let report = ended.report();
    let cases = report["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let wrong = &case["accuracy"]["first_wrong"];
        assert_eq!(
            (&case["accuracy"]["wrong"], &wrong["rank"]),
            (&1.into(), &1.into()),
            "{case:#}"
        );
        let middle = case["accuracy"]["checked"].as_u64().unwrap() / 4;
        assert_eq!(wrong["index"], middle);
        assert_ne!(wrong["expected"], wrong["got"]);
        assert!(ended.out.contains(&format!("index {middle}, expected")), "{}", ended.out);
    }
}

#[test]
fn a_rank_that_dies_is_named() {
    let killed = two("kill@0:verify").fails(9);
    incomplete(&killed, 9, &CASES[..1]);
    let left = two("exit@1:measure").fails(9);
    if !launcher_tells_the_truth() {
        assert!(killed.err.contains("a rank died silently during case"), "{}", killed.err);
        return;
    }
    names(&killed, 0, CASES[0]);
    names(&left, 1, CASES[0]);
    // A launcher has codes of its own for that; the report has ours.
    let run = under_mpirun(2, WORDS).fault("kill@1:measure/2");
    // How patient the launcher is with the others is not the question.
    let ended = run.env("OMPI_MCA_odls_base_sigkill_timeout", "20").end();
    assert!(![Some(0), None].contains(&ended.code), "{}", ended.err);
    names(&ended, 1, CASES[1]);
    assert_eq!(incomplete(&ended, 9, &CASES)["rank"], 1);
}

#[test]
fn what_was_finished_when_a_rank_died_is_kept() {
    let ended = two("kill@1:measure/2").fails(9);
    assert_eq!(ended.journal(), &CASES[..1]);
    tells_how_to_go_on(&ended);
    let error = incomplete(&ended, 9, &CASES);
    if launcher_tells_the_truth() {
        names(&ended, 1, CASES[1]);
        assert_eq!(error["rank"], 1);
    }
    let ended = ranks(2, WORDS).after(ended).fails(2);
    assert!(["--resume", "--force"].iter().all(|way| ended.error().contains(way)), "{}", ended.err);
    let ended = ranks(2, WORDS).arg("--resume").arg("--seed=2").after(ended).fails(2);
    assert!(ended.error().contains("(seed is 2, was 1)"), "{}", ended.err);
    assert_eq!(ended.journal(), &CASES[..1]);
    resumes(ended);
}

#[test]
fn a_torn_line_is_dropped_and_its_case_runs_again() {
    let ended = two("torn@0:write/2").fails(9);
    assert_eq!(ended.journal(), &CASES[..1]);
    let resumed = ranks(2, WORDS).arg("--resume").after(ended).passes();
    assert!(resumed.err.contains("of an incomplete line, which are dropped"), "{}", resumed.err);
    assert_eq!(resumed.ids(), CASES);
}

#[test]
fn a_full_disk_ends_the_run() {
    let ended = two("full@0:write/2").fails(6);
    assert!(ended.err.contains("no storage space"), "{}", ended.err);
    assert_eq!(ended.journal(), &CASES[..1]);
    incomplete(&ended, 6, &CASES);
    resumes(ended);
}

#[test]
fn a_limit_of_file_size_is_said_whatever_is_written() {
    let simulated = "run --backend simulated -b gemm --problem-size m=64,128,256 --iterations 20";
    let size = tesserabench(simulated).passes().read("results.json").len();
    let sidecar = "run --backend host -b gemm --problem-size m=16 --iterations 30000";
    // In KiB. The journal is smaller than the report.
    for (words, limit, file, cases) in [
        (simulated, 4, "results.json.journal.jsonl", 0),
        (simulated, size / 1024 - 1, "results.json'", 3),
        (sidecar, 40, "results.samples.csv.gz", 0),
    ] {
        let ended = tesserabench(words).behind(&format!("ulimit -f {limit}")).fails(6);
        let said = ended.err.lines().find(|line| line.contains("File too large")).unwrap();
        assert!(said.contains(file), "{}", ended.err);
        assert_eq!(ended.journal().len(), cases, "{}", ended.err);
    }
    let report = tesserabench(simulated).passes().read("results.json");
    for words in ["analyze a.json -o b.json", "history --dir h add a.json", "schema report > c"] {
        let (words, to) = words.split_once(" > ").unwrap_or((words, "/dev/stdout"));
        let run = tesserabench(words).file("a.json", &report);
        let ended = run.behind(&format!("exec > {to} && ulimit -f 1")).fails(6);
        assert!(ended.error().contains("File too large"), "{words}: {}", ended.err);
    }
}

#[test]
fn a_rank_that_hangs_or_is_stopped_meets_its_deadline() {
    for (fault, deadline) in
        [("hang@1:operation/3", "barrier=6s"), ("stop@1:measure", "silence=6s")]
    {
        let ended = two(fault).arg("--deadline").arg(deadline).fails(8);
        names(&ended, 1, CASES[0]);
        assert_eq!(incomplete(&ended, 8, &CASES[..1])["rank"], 1);
    }
}

#[test]
fn a_slow_rank_is_found_and_foreign_connections_are_rejected() {
    let report = two("slow/5@1:operation").passes().report();
    let ranks = report["cases"][1]["per_rank"].as_array().unwrap();
    assert!(ranks[1]["slowest_share"].as_f64().unwrap() > 0.5, "{ranks:#?}");
    let ended = two("stranger@0:join").passes();
    assert!(ended.err.contains("foreign connections"), "{}", ended.err);
}

#[test]
fn a_start_of_mpi_that_fails_is_told_in_its_own_words() {
    for words in ["-b barrier --quick", "-b barrier --quick --launches 2"] {
        // Each is asked for a way to send messages that there is not: Open MPI, and MPICH over UCX or libfabric.
        let run = ranks(2, words).env("OMPI_MCA_pml", "nowhere");
        let ended = run.env("UCX_TLS", "nowhere").env("FI_PROVIDER", "nowhere").fails(6);
        // Open MPI 4.1 sometimes loses its own message, with the process that it is about: it says that too.
        let told = |words: &str| ended.err.contains(words);
        assert!(told("MPI could not start") && told("; its messages are above"), "{}", ended.err);
        let own = ["component was not found", "ORTE_ERROR_LOG", "Fatal error in internal_Init"];
        assert!(own.iter().any(|own| told(own)), "{}", ended.err);
    }
}

#[test]
fn a_start_that_hangs_ends_at_its_deadline() {
    if !launcher_tells_the_truth() {
        return;
    }
    // What MPI's files may not have makes Open MPI 4.1 fail, or its launcher wait for ever; others need none.
    for (limit, codes) in [(1, &[6, 8]), (100, &[6, 8]), (1 << 20, &[0, 0])] {
        let run = ranks(2, "-b barrier --quick --deadline startup=2s");
        let ended = run.behind(&format!("ulimit -f {limit}")).end();
        let code = ended.code.unwrap_or_default();
        assert!(codes.contains(&code) || code == 0, "{limit}: {}", ended.err);
        let is_told = |told: &str| ended.error().contains(told) && ended.err.contains("ulimit -f");
        match code {
            6 => assert!(is_told("could not start"), "{}", ended.err),
            8 => assert!(is_told("the ranks did not start within 2 s"), "{}", ended.err),
            _ => {}
        }
    }
}

#[test]
fn mixed_builds_are_refused() {
    let ended = ranks(3, WORDS).fault("build@2:join").fails(6);
    assert_eq!(ended.err.matches("rank 2 runs build").count(), 1, "{}", ended.err);
}

#[test]
fn a_configuration_that_one_rank_lacks_ends_all() {
    let script =
        r#"[ "$OMPI_COMM_WORLD_RANK$PMI_RANK" = 1 ] && exec "$@" -c nowhere.yaml; exec "$@""#;
    let ended = under_mpirun(2, WORDS).through(script).fails(2);
    assert!(ended.error().contains("rank 1 on "), "{}", ended.err);
    assert!(ended.error().contains("'nowhere.yaml'"), "{}", ended.err);
}

#[test]
fn a_signal_ends_the_run_in_good_order() {
    // The second case would take half a minute.
    let words = format!("{} --deadline stop=200ms", WORDS.replace("iterations 5", "iterations 50"));
    let fault = "slow/500@1:operation@gemm*";
    for signal in [Signal::TERM, Signal::INT, Signal::USR1] {
        let ended = ranks(2, &words).fault(fault).end_signalled(signal, 1);
        assert_eq!(ended.code, Some(10), "{}", ended.err);
        incomplete(&ended, 10, &CASES[..1]);
        let last = ended.out.lines().last().unwrap_or_default();
        assert!(last.starts_with("go on with: /"), "{last}");
        assert!(
            last.contains("tesserabench run --ranks 2 ") && last.ends_with(" --resume"),
            "{last}"
        );
    }
    // A rank that nothing has started says it itself.
    let alone = words.replace("-b barrier", "-b copy --problem-size array=4KiB");
    let alone = tesserabench(&format!("run {alone}")).fault("slow/500@0:operation@gemm*");
    let ended = alone.end_signalled(Signal::INT, 1);
    assert_eq!(ended.code, Some(10), "{}", ended.err);
    incomplete(&ended, 10, &["copy/f32/array=4096/world:0"]);
    let last = ended.out.lines().last().unwrap_or_default();
    assert!(last.starts_with("go on with: /") && last.ends_with(" --resume"), "{last}");
    let ended = under_mpirun(2, &words).fault(fault).end_signalled(Signal::USR1, 1);
    assert!(ended.out.ends_with("go on with the same command and --resume\n"), "{}", ended.out);
    assert!(ended.code != Some(0) || !launcher_tells_the_truth(), "{}", ended.err);
    incomplete(&ended, 10, &CASES[..1]);
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
fn a_misspelt_fault_is_no_passed_test() {
    two("panik@1:measure").fails(2);
}
