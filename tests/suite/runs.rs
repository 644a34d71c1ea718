//! Whole runs on the host backend.

use serde_json::Value;

use crate::ranks::{Ended, ranks, tesserabench, under_mpirun};

/// The report is as the published schema says.
pub(crate) fn validate(report: &Value) {
    let schema = tesserabench("schema report").passes().out;
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(report)
        .map(|error| format!("{} {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

/// Every case measured, right and plausible.
fn sound(ended: &Ended) {
    let report = ended.report();
    validate(&report);
    for case in report["cases"].as_array().unwrap() {
        assert_eq!(case["outcome"], "measured", "{case:#}");
        assert!(case["counts"]["communicates"].is_boolean(), "{case:#}");
        let latency = &case["latency"];
        let number = |key: &str| latency[key].as_f64().unwrap();
        assert!(0.0 < number("min") && number("min") <= number("median"), "{case:#}");
        assert!(number("median") <= number("max"), "{case:#}");
        assert_eq!(
            case["per_rank"].as_array().unwrap().len(),
            case["participants"].as_array().unwrap().len()
        );
        if let Some(accuracy) = case["accuracy"].as_object() {
            assert_eq!(accuracy["wrong"], 0);
            assert!(accuracy["checked"].as_u64().unwrap() > 0);
        }
    }
    assert_eq!(report["run"]["exit"], 0);
    assert!(!ended.path("results.json.journal.jsonl").exists());
}

const SMALL: &str = "--iterations 8 --warmup 1";

#[test]
fn plain_run_is_the_one_rank_case_without_mpi() {
    let sizes = "--problem-size small --problem-size m=32";
    let ended = tesserabench(&format!("run {sizes} {SMALL}")).passes();
    let report = ended.report();
    validate(&report);
    assert!(report["environment"]["mpi"].is_null());
    let outcome = |id: &str| {
        let cases = report["cases"].as_array().unwrap();
        cases.iter().find(|case| case["id"] == id).unwrap_or_else(|| panic!("{id}"))["outcome"]
            .clone()
    };
    assert_eq!(outcome("gemm/f32/k=32,m=32,n=32/world:0"), "measured");
    assert_eq!(outcome("triad/f32/array=1048576/world:0"), "measured");
    assert_eq!(outcome("barrier/world:0"), "skipped");
    // They have one line together, and none in the table.
    let skipped = report["summary"]["skipped"].as_u64().unwrap();
    let reason = "exchanging data needs 2 ranks or more: --ranks 2 (all_reduce, barrier)";
    assert!(skipped > 1 && ended.out.contains(&format!("{skipped} cases skipped: {reason}")));
    assert_eq!(ended.out.matches("all_reduce").count(), 1, "{}", ended.out);
}

#[test]
fn mpirun_and_ranks_give_the_same_cases() {
    let words = format!(
        "--mesh tp=2,dp=2 -b all_reduce -b gemm --problem-size bytes=64 --problem-size m=16 {SMALL}"
    );
    let (own, theirs) = (ranks(4, &words).passes(), under_mpirun(4, &words).passes());
    sound(&own);
    sound(&theirs);
    assert_eq!(own.ids(), theirs.ids());
    assert_eq!(
        own.ids(),
        [
            "all_reduce/f32/bytes=64,placement=out/tp:0-1",
            "all_reduce/f32/bytes=64,placement=out/tp:2-3",
            "all_reduce/f32/bytes=64,placement=out/dp:0,2",
            "all_reduce/f32/bytes=64,placement=out/dp:1,3",
            "gemm/f32/k=16,m=16,n=16/world:0-3",
        ]
    );
    let report = own.report();
    assert_eq!(report["environment"]["mpi"]["thread_level"], "single");
    assert_eq!(report["environment"]["ranks"][3]["local_rank"], 3);
}

#[test]
fn ranks_can_be_started_from_inside_a_launch_of_one() {
    let ended = under_mpirun(1, &format!("--ranks 2 -b barrier {SMALL}")).passes();
    assert_eq!(ended.ids(), ["barrier/world:0-1"]);
}

#[test]
fn every_type_in_and_out_of_place_on_odd_counts() {
    for n in [1, 2, 3] {
        let types = "-p f32 -p f64 -p i8 -p i16 -p i32 -p i64 -p u8 -p u16 -p u32 -p u64";
        let words = format!(
            "-b all_reduce {types} --problem-size bytes=0,8,1000 --problem-size placement=out,in {SMALL}"
        );
        let ended = under_mpirun(n, &words).passes();
        assert_eq!(ended.ids().len(), 10 * 3 * 2);
        let report = ended.report();
        assert_eq!(report["summary"]["measured"], 60, "{}", ended.out);
    }
}

#[test]
fn kernels_in_both_precisions() {
    let words = format!(
        "-b gemm -b triad -b copy -b layer_norm -b softmax -p f32 -p f64 --problem-size m=33 --problem-size array=8000 \
         --problem-size rows=7 --problem-size cols=1,129 {SMALL}"
    );
    let ended = ranks(2, &words).passes();
    sound(&ended);
    assert_eq!(ended.ids().len(), 14);
    let report = ended.report();
    let gemm = report["cases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|case| case["benchmark"] == "gemm")
        .unwrap();
    let flops = 2.0 * 2.0 * 33f64.powi(3);
    let tflops = flops / (gemm["latency"]["median"].as_f64().unwrap() * 1e-3) / 1e12;
    assert!((gemm["metrics"]["tflops"].as_f64().unwrap() / tflops - 1.0).abs() < 1e-9);
}

#[test]
fn a_type_that_a_kernel_lacks_is_skipped_with_the_reason() {
    let ended = ranks(
        2,
        &format!("-b gemm -b all_reduce -p i32 --problem-size m=8 --problem-size bytes=8 {SMALL}"),
    );
    let report = ended.passes().report();
    assert_eq!(report["cases"][1]["outcome"], "skipped");
    assert_eq!(report["cases"][1]["reason"], "gemm on CPUs is not defined for i32");
    // Where nothing at all could be measured, that is not a success.
    ranks(2, &format!("-b gemm -p i32 {SMALL}")).fails(7);
}

#[test]
fn groups_named_by_hand_and_flattened_axes() {
    let words = format!("-b barrier --groups 0+2,1-3 {SMALL}");
    assert_eq!(ranks(4, &words).passes().ids(), ["barrier/groups:0,2", "barrier/groups:1-3"]);
    let words = format!("-b barrier --mesh tp=2,dp=2 --axis tp+dp --axis world {SMALL}");
    assert_eq!(ranks(4, &words).passes().ids(), ["barrier/tp+dp:0-3", "barrier/world:0-3"]);
}

#[test]
fn a_scaling_study_stands_beside_its_base() {
    let words =
        format!("-b gemm --problem-size m=64 --scaling strong --scaling-ranks 1,2,4 {SMALL}");
    let ended = ranks(4, &words).passes();
    let study = &ended.report()["scaling"][0];
    assert_eq!(study["base"]["case"], "gemm/f32/k=64,m=64,n=64/world:0");
    assert_eq!(study["points"][1]["case"], "gemm/f32/k=64,m=32,n=64/world:0-1");
    let median = |i: usize| study["points"][i]["median_ms"].as_f64().unwrap();
    if study["points"][1]["left_out"] == false {
        let efficiency = study["points"][1]["efficiency"].as_f64().unwrap();
        assert!((efficiency - median(0) / (2.0 * median(1))).abs() < 1e-12);
    }
    assert!(ended.out.contains("gemm strong"), "{}", ended.out);
}

#[test]
fn many_samples_go_to_a_compressed_file() {
    let ended = ranks(2, "-b barrier --iterations 600 --warmup 1").passes();
    let samples = &ended.report()["cases"][0]["samples"]["sidecar"];
    assert_eq!(samples["file"], "results.samples.csv.gz");
    let rows = samples["rows"].as_u64().unwrap();
    let bytes = std::fs::read(ended.path("results.samples.csv.gz")).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut text)
        .unwrap();
    assert_eq!(text.lines().count() as u64, rows + 1);
}

#[test]
fn outputs_in_every_format_and_a_verdict() {
    let words = format!(
        "-b barrier -b gemm --problem-size m=8 {SMALL} -o results.json -o r.csv -o r.md -o r --format csv"
    );
    let ended = ranks(2, &words).passes();
    assert!(ended.out.ends_with("wrote results.json, r.csv, r.md, r\n"), "{}", ended.out);
    assert!(ended.read("r.md").starts_with("# tesserabench: ok: 2 of 2 cases measured"));
    assert_eq!(ended.read("r.csv").lines().count(), 3);
    assert_eq!(ended.read("r.csv"), ended.read("r"));
    let report = ended.path("results.json");
    let verdict = tesserabench("verdict").arg(report.to_str().unwrap()).passes();
    assert_eq!(verdict.out.trim(), "ok: 2 of 2 cases measured, 0 skipped, 0 failed");
}

#[test]
fn a_report_on_standard_output_is_all_that_is_there() {
    for run in [ranks(2, "barrier --quick -o -"), under_mpirun(2, "barrier --quick -o -")] {
        let ended = run.passes();
        validate(&serde_json::from_str(&ended.out).unwrap());
        assert_eq!(std::fs::read_dir(ended.folder()).unwrap().count(), 0);
    }
    let ended = ranks(2, "barrier --quick --launches 2 --output - --format csv").passes();
    assert!(ended.out.starts_with("id,benchmark,"), "{}", ended.out);
    assert_eq!(ended.out.lines().count(), 2, "{}", ended.out);
    // What a run has measured before it dies is printed too.
    let died = ranks(2, "barrier,copy --quick -o -").fault("exit@1:measure").end();
    let report: Value = serde_json::from_str(&died.out).unwrap();
    assert_eq!((report["run"]["incomplete"].as_bool(), died.code), (Some(true), Some(9)));
    for (words, expected) in [
        ("--format table", "leave it out to see the table"),
        ("--nccl-tests-table", "both for standard output"),
        ("--env A=1,2", "there are several here"),
    ] {
        let refused = ranks(2, &format!("barrier -o - {words}")).fails(2);
        assert!(refused.error().contains(expected), "{}", refused.err);
    }
}

#[test]
fn a_line_for_each_case_where_no_terminal_is() {
    let words = "barrier,copy --backend host --problem-size array=4KiB --iterations 5 --warmup 1 --repeat 2";
    for run in [ranks(2, words), under_mpirun(2, words)] {
        let told = run.passes().err;
        let lines: Vec<&str> =
            told.lines().filter(|line| line.starts_with("tesserabench: ")).collect();
        let [barrier, copy, cycle] = &lines[..] else { panic!("{told}") };
        assert!(
            barrier.starts_with("tesserabench: 1 of 2")
                && barrier.contains(": barrier/world:0-1: "),
            "{told}"
        );
        assert!(
            copy.contains(": copy/f32/array=4096/world:0-1: ") && copy.ends_with('s'),
            "{told}"
        );
        assert!(cycle.ends_with("cycle 2 is over"), "{told}");
    }
    // Those that are skipped are counted before the next one, and at the end.
    let told = tesserabench(
        "run all_reduce,barrier,copy,latency --iterations 5 --problem-size array=4KiB",
    )
    .passes()
    .err;
    let lines = told.lines().filter_map(|line| line.strip_prefix("tesserabench: "));
    let (mut at, mut skipped) = (0, 0);
    for line in lines.filter(|line| line.contains(" of ")) {
        let (done, told) = line.split_once(": ").unwrap();
        let (done, total) = done.split_once(" of ").unwrap();
        let (done, of): (usize, usize) = (done.parse().unwrap(), total.parse().unwrap());
        let count =
            told.strip_suffix(" skipped").and_then(|told| told.split(' ').next()?.parse().ok());
        at += count.unwrap_or(1);
        skipped += count.unwrap_or(0);
        assert_eq!((at, skipped == 0, of >= at), (done, false, true), "{line}");
        assert_eq!(count.is_none(), line.contains(": copy/"), "{line}");
        assert_eq!(at == of, line.starts_with(&format!("{of} of ")), "{line}");
    }
    let cases = told.lines().rev().find_map(|line| line.split(' ').nth(3)?.strip_suffix(':'));
    assert_eq!((at.to_string().as_str(), skipped), (cases.unwrap(), at - 1), "{told}");
    let failed = ranks(2, "barrier").fault("error@1:prepare").fails(7).err;
    assert!(failed.contains("tesserabench: 1 of 1: barrier/world:0-1: failed"), "{failed}");
    let quiet = ranks(2, &format!("{words} -q")).passes();
    assert_eq!(quiet.err, "");
    let dry = ranks(2, &format!("{words} --dry-run")).passes().out;
    assert!(dry.contains("takes about 1s, by a rough guess"), "{dry}");
    let one = ranks(1, "copy --iterations 1 --problem-size array=4KiB --dry-run").passes().out;
    assert!(one.contains("1 case on 1 rank, ") && one.contains("; 1 iteration each\n"), "{one}");
}

#[test]
fn verbose_tells_what_happens_and_no_reader_need_stay() {
    let words = "copy --problem-size array=8..1KiB*8 --iterations 5 --warmup 1";
    let told = ranks(2, &format!("{words} -v")).passes().err;
    for text in [
        "tesserabench: info: starting: /",
        "case 3 of 3 begins: copy/f32/array=512/world:0-1",
        "phase measure",
        "untimed rounds in",
        "array=8..1KiB*8 ends at 512B: 1KiB is not 8 times a power of 8",
    ] {
        assert!(told.contains(text), "{text}: {told}");
    }
    let short = ranks(2, words).passes().err;
    assert!(!short.contains(": info: ") && short.matches("ends at 512B").count() == 1, "{short}");
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tesserabench"));
    command.args(["run", "-v"]).args(words.split(' ')).current_dir(&folder);
    let mut child = command
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_configuration_file_is_overridden_by_flags() {
    let config = "benchmarks:\n  gemm: {m: 16}\n  barrier:\nbenchmarking: {timing_iterations: 3, warmup_iterations: 1}\nseed: 9\n";
    let ended = ranks(2, "--config c.yaml -b gemm --seed 5").file("c.yaml", config).passes();
    assert_eq!(ended.ids(), ["gemm/f32/k=16,m=16,n=16/world:0-1"]);
    let report = ended.report();
    assert_eq!((&report["run"]["seed"], &report["cases"][0]["iterations"]), (&5.into(), &3.into()));
    assert_eq!(report["run"]["config"]["benchmarking"]["timing_iterations"], 3);
}

#[test]
fn what_an_earlier_run_has_written_is_kept() {
    let words = "run -b copy --problem-size small --quick";
    let first = tesserabench(words).passes();
    assert!(first.err.contains("no GPU: ") && first.err.contains("; measuring CPUs"));
    let first_report = first.read("results.json");
    let second = tesserabench(words).after(first).passes();
    let name = second.err.split("is kept as '").nth(1).and_then(|rest| rest.split('\'').next());
    let name = name.unwrap_or_else(|| panic!("{}", second.err));
    assert_eq!(second.read(name), first_report);
    let files = |ended: &Ended| std::fs::read_dir(ended.path("")).unwrap().count();
    assert_eq!(files(&second), 2);
    let third = tesserabench(words).arg("--force").after(second).passes();
    assert_eq!(files(&third), 2, "{}", third.err);
    let fourth = tesserabench(words).arg("--resume").after(third).passes();
    let complete = "'results.json' is complete: there is nothing to resume";
    assert!(fourth.err.contains(complete), "{}", fourth.err);
    assert!(fourth.out.is_empty(), "{}", fourth.out);
    assert_eq!(files(&fourth), 2, "{}", fourth.err);
    let fourth = tesserabench(words).arg("--resume").arg("--seed=7").after(fourth).passes();
    assert!(!fourth.err.contains("is complete"), "{}", fourth.err);
    assert!(fourth.err.contains("there is nothing to resume"), "{}", fourth.err);
    assert_eq!(files(&fourth), 3, "{}", fourth.err);
    // A series keeps the folder of its launches with it.
    let series = tesserabench(words).arg("--launches=2").after(fourth).passes();
    let again = tesserabench(words).arg("--launches=2").after(series).passes();
    assert!(again.err.contains("'results.launches' of an earlier run is kept as"), "{}", again.err);
    assert_eq!(files(&again), 7, "{}", again.err);
}

#[test]
fn what_is_computed_from_reports_replaces_none() {
    let run = |name: &str| {
        tesserabench(&format!(
            "run -b copy --problem-size small --quick -o {name} --iterations 600"
        ))
    };
    let ended = run("a.json -o old.json -o old.md -o old.csv").passes();
    let mut ended = run("b.json").after(ended).passes();
    let kept = |ended: &Ended, name: &str| -> Vec<String> {
        let (stem, ending) = name.split_once('.').unwrap();
        let names = std::fs::read_dir(ended.folder()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let is_it = |it: &String| it.starts_with(stem) && it.ends_with(ending) && it != name;
        names.filter(is_it).collect()
    };
    for (words, name) in [
        ("compare a.json b.json -o", "old.json"),
        ("compare a.json b.json -o", "old.md"),
        ("analyze a.json b.json -o", "old.json"),
        ("compare a.json b.json -o", "old.csv"),
    ] {
        let before = ended.read(name);
        let is_first = kept(&ended, name).is_empty();
        ended = tesserabench(&format!("{words} {name}")).after(ended).end();
        assert_ne!(ended.read(name), before, "{}", ended.err);
        let kept = kept(&ended, name);
        // A comparison can be made again.
        assert_eq!((kept.len(), ended.err.contains("is kept as")), (1, is_first), "{}", ended.err);
        assert!(!is_first || ended.read(&kept[0]) == before, "{kept:?}");
    }
    let before = ended.read("b.json");
    let forced = tesserabench("analyze a.json -o b.json --force").after(ended).end();
    assert_ne!(forced.read("b.json"), before);
    assert!(kept(&forced, "b.json").is_empty(), "{}", forced.err);
}

#[test]
fn two_runs_do_not_write_the_same_files() {
    // Holds the journal as a run does that is under way.
    let ended = tesserabench("run -b copy --problem-size small --quick").passes();
    let journal = std::fs::File::create(ended.path("results.json.journal.jsonl")).unwrap();
    journal.lock().unwrap();
    let report = ended.read("results.json");
    let mut ended = ended;
    for words in ["", "--force", "--resume", "--ranks 2"] {
        ended = tesserabench(&format!("run -b copy --problem-size small --quick {words}"))
            .after(ended)
            .fails(2);
        assert!(ended.error().contains("another run is writing 'results.json'"), "{}", ended.err);
        assert_eq!(ended.read("results.json"), report);
    }
    drop(journal);
    tesserabench("run -b copy --problem-size small --quick").after(ended).passes();
}

#[test]
fn links_in_the_place_of_files_are_not_followed() {
    let run = tesserabench("run -b copy --problem-size small --quick").file("victim", "untouched");
    let run = run.set_up(|folder| {
        for name in ["results.json.journal.jsonl", "results.samples.csv.gz"] {
            std::os::unix::fs::symlink("victim", folder.join(name)).unwrap();
        }
    });
    let ended = run.fails(2);
    assert!(ended.error().contains("cannot write 'results.json.journal.jsonl'"), "{}", ended.err);
    std::fs::remove_file(ended.path("results.json.journal.jsonl")).unwrap();
    let words = "run -b copy --problem-size small --iterations 1100 -o results.json";
    let ended = tesserabench(words).after(ended).passes();
    assert!(ended.path("results.samples.csv.gz").metadata().unwrap().len() > 1000);
    assert_eq!(ended.read("victim"), "untouched");
}
