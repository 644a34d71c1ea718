//! The cuda backend without a GPU: against nothing, against NVIDIA's real compiler and NCCL, and against
//! a stand-in driver (`tests/standin/`) that computes on the CPU. The stand-in shows which calls are made, in
//! which order, and what follows from their errors; it says nothing about a real device.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use tesserabench::benchmark::kernel::{Cuda, KERNELS};

use crate::ranks::{Run, ranks, tesserabench};

const NAMES: [&str; 5] =
    ["libcuda.so.1", "libnvrtc.so.12", "libcublasLt.so.12", "libnccl.so.2", "libnvidia-ml.so.1"];

/// An empty folder of this name.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Libraries of these names, all of which are this one.
fn link(folder: &Path, library: &Path, names: &[&str]) {
    for name in names {
        std::os::unix::fs::symlink(library, folder.join(name)).unwrap();
    }
}

/// The stand-in under all libraries' names, in a folder of this name.
fn standin(name: &str, flags: &[&str]) -> PathBuf {
    let folder = folder(name);
    let library = folder.join("standin.so");
    let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/standin"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let sources = sources.filter(|path| path.extension().is_some_and(|ending| ending == "c"));
    let built = Command::new("cc")
        .args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"])
        .args(flags)
        .arg("-o")
        .arg(&library)
        .args(sources)
        .args(["-lm", "-ldl"])
        .status();
    assert!(built.unwrap().success());
    link(&folder, &library, &NAMES);
    folder
}

/// The folder with all of them.
pub(crate) fn everything() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| standin("standin", &[]))
}

/// A folder that `scripts/setup --nvidia` fills.
fn wheel(name: &str) -> PathBuf {
    let folder = Path::new(".local").join(name).join("lib").canonicalize();
    folder.expect("NVIDIA's libraries are not here: run scripts/setup --nvidia first")
}

pub(crate) fn with_libraries(run: Run, folders: &[&Path]) -> Run {
    let path = std::env::join_paths(folders).unwrap();
    let run = run
        .env("LD_LIBRARY_PATH", path.to_str().unwrap())
        .env("TESSERABENCH_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"));
    // As `scripts/test sanitise` asks for.
    match std::env::var("STANDIN_SANITISER") {
        Ok(library) => run
            .env("LD_PRELOAD", &library)
            .env("STANDIN_SANITISE", "1")
            .env("ASAN_OPTIONS", "detect_leaks=0"),
        Err(_) => run,
    }
}

/// What these tests look at shows in few iterations.
const FEW: &str = "--iterations 4 --warmup 1";

/// A run of one rank on the stand-in.
pub(crate) fn on_standin(words: &str) -> Run {
    with_libraries(tesserabench(&format!("run {FEW} {words}")), &[everything()])
}

/// Ranks that share the one GPU of the stand-in.
pub(crate) fn emulated(n: usize, words: &str) -> Run {
    let words = format!("--backend cuda --emulate-ranks {FEW} {words}");
    with_libraries(ranks(n, &words), &[everything()])
}

pub(crate) fn cases(report: &Value) -> &[Value] {
    report["cases"].as_array().unwrap()
}

/// Every case was measured, and every element of its result compared and found right.
pub(crate) fn all_right(report: &Value) {
    for case in cases(report) {
        assert_eq!(case["outcome"], "measured", "{case}");
        assert_eq!(case["accuracy"]["wrong"], 0, "{case}");
        assert!(case["accuracy"]["checked"].as_u64().unwrap() > 0, "{case}");
    }
}

const SOME: &str = "-b copy -b triad -b gemm -b layer_norm -b softmax --problem-size array=64KiB,1000 --problem-size m=33 \
     --problem-size rows=3 --problem-size cols=1,127,4096";

#[test]
fn without_a_driver_it_is_one_sentence_and_exit_6() {
    let ended = tesserabench("run --backend cuda -b copy").fails(6);
    assert!(ended.error().contains("libcuda.so.1"), "{}", ended.err);
    assert!(ended.error().contains("--backend host"), "{}", ended.err);
    let ended = ranks(2, "--backend cuda -b copy").fails(6);
    assert!(ended.error().contains("libcuda.so.1"), "{}", ended.err);
}

#[test]
fn without_a_gpu_auto_is_host() {
    let run = || on_standin("-b copy --problem-size array=1KiB").env("STANDIN_DEVICES", "0");
    assert_eq!(run().passes().report()["run"]["backend"], "host");
    let ended = run().arg("--backend=cuda").fails(6);
    assert!(ended.error().contains("sees no GPU"), "{}", ended.err);
}

#[test]
fn a_driver_that_is_too_old_is_named_with_what_it_lacks() {
    let folder = standin("standin-old", &["-DWITHOUT_EVENT_QUERY"]);
    let run = with_libraries(tesserabench("run --backend cuda -b copy"), &[&folder]);
    let ended = run.fails(6);
    assert!(ended.error().contains("has no cuEventQuery"), "{}", ended.err);
}

#[test]
fn kernels_are_checked_and_timed_on_the_device() {
    let run = on_standin(SOME).arg("-pf32").arg("-pf64");
    let report = run.passes().report();
    crate::runs::validate(&report);
    assert_eq!(report["run"]["backend"], "cuda");
    assert_eq!(report["environment"]["libraries"]["nvrtc"], "12.2");
    let device = &report["environment"]["ranks"][0]["device"];
    assert_eq!((&device["kind"], &device["multiprocessors"]), (&"cuda".into(), &4.into()));
    all_right(&report);
    assert_eq!(cases(&report).len(), 22);
    for case in cases(&report) {
        assert_eq!(case["latency"]["definition"], "slowest_device", "{case}");
        assert_eq!(case["latency"], case["device_time"]);
        // The host sees the device's time, and launching and noticing the end besides.
        let median = |key: &str| case[key]["median"].as_f64().unwrap();
        assert!(median("latency_local") >= median("latency"), "{case}");
        let telemetry = &case["telemetry"][0];
        assert_eq!(telemetry["after"]["temperature_celsius"], 40, "{case}");
        // The stand-in draws 100 W. The counter is read outside the time, on a machine that may be busy.
        let number = |key: &str| telemetry[key].as_f64().unwrap();
        let (joules, seconds) = (number("energy_joules"), number("seconds"));
        assert!((90.0 * seconds..100.0 * (seconds + 1.0)).contains(&joules), "{case}");
    }
}

/// Each with the sizes that its keys are set to: 1, odd ones, primes, and rows of full vectors.
#[test]
fn every_kernel_s_own_source_is_right_in_any_order_of_threads() {
    let own = KERNELS.iter().filter(|kernel| matches!(kernel.cuda, Some(Cuda::Own(_))));
    let names: Vec<String> = own.map(|kernel| format!("-b{}", kernel.name)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (seed, sizes) in [
        ("1", "array=8 rows=1 cols=1 tokens=1 heads=1 pairs=1 dim=1"),
        ("2", "array=264 rows=3 cols=33 tokens=3 heads=2 pairs=5 dim=5"),
        ("3", "array=8000 rows=33 cols=127 tokens=7 heads=3 pairs=33 dim=33"),
        ("4", "array=65552 rows=2 cols=1000 tokens=5 heads=8 pairs=64 dim=64"),
        ("5", "array=40024 rows=7 cols=5003 tokens=13 heads=3 pairs=100 dim=200"),
    ] {
        let mut run = on_standin(&format!("--backend cuda --batch 1 {}", names.join(" ")));
        for size in sizes.split(' ') {
            run = run.arg(&format!("--problem-size={size}"));
        }
        let run = run.arg("-pf32").arg("-pf64").env("STANDIN_SEED", seed);
        let report = run.passes().report();
        all_right(&report);
        assert_eq!(cases(&report).len(), 2 * names.len(), "{sizes}");
    }
}

/// The verification finds what is wrong in a kernel: each of these edits of its source, by sed.
#[test]
fn a_wrong_kernel_is_found() {
    for (kernel, wrong, edit) in [
        ("copy", "writes zeros", r"s/= values\[i\]/= uint4{}/"),
        ("copy", "writes nothing", r"s/vectors) ((uint4/vectors * 0) ((uint4/"),
        ("copy", "leaves out a tile", "s/i < UNROLL/i < UNROLL - 1/"),
        ("copy", "leaves out the rest", "s/rest < bytes/rest < 0/"),
        ("triad", "swaps elements", r"s/s \* c.x, b.y/s * c.y, b.y/"),
        (
            "layer_norm",
            "lets the variance cancel",
            r"s/(\(x.at\[i\]\) - mean) \* (.*mean)/\1 * \1 - mean * mean/",
        ),
        ("layer_norm", "sums in whole numbers", "s/Element sum = 0/int sum = 0/"),
        ("layer_norm", "lacks the first barrier", "0,/__syncthreads();/s///"),
        ("layer_norm", "lacks the second barrier", r"/sums\[.*= sum;/{n;d}"),
        ("softmax", "lacks the barrier", "/__syncthreads();/d"),
        ("softmax", "leaves a warp out", "s/int warp = 1/int warp = 2/"),
    ] {
        let sizes = match kernel {
            "copy" | "triad" => "--problem-size array=65544",
            "flash_attention" => {
                "--problem-size heads=2 --problem-size tokens=70 --problem-size dim=40"
            }
            _ => "--problem-size rows=3 --problem-size cols=1000",
        };
        let run = on_standin(&format!("--backend cuda --batch 1 -b {kernel} {sizes}"));
        let ended = run.env("STANDIN_SED", edit).end();
        assert_eq!(ended.code, Some(5), "{kernel} {wrong}: {}", ended.err);
    }
}

#[test]
fn threads_that_wait_for_ever_and_sources_that_do_not_compile_are_errors() {
    let spoilt = |edit: &str| {
        let sizes = "--problem-size rows=3 --problem-size cols=100";
        let run = on_standin(&format!("--backend cuda --batch 1 -b layer_norm {sizes}"));
        run.env("STANDIN_SED", edit).fails(7)
    };
    let ended = spoilt("s/) sum += __shfl/) if (threadIdx.x % 2) sum += __shfl/");
    assert!(ended.out.contains("LAUNCH_FAILED"), "{}", ended.out);
    let ended = spoilt("s/Element mean/Elephant mean/");
    assert!(ended.out.contains("Elephant"), "{}", ended.out);
}

#[test]
fn threads_on_the_cpu_give_each_other_what_they_would_on_a_gpu() {
    let program = folder("standin-semantics").join("semantics");
    let built = Command::new("g++")
        .args(["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror"])
        // In braces the order is defined, and GCC warns all the same.
        .args(["-Wno-sequence-point", "-U_FORTIFY_SOURCE", "-o"])
        .arg(&program)
        .arg("tests/standin/semantics.cpp")
        .status();
    assert!(built.unwrap().success());
    assert!(Command::new(program).status().unwrap().success());
    // Shared memory that the launch sizes, which the stand-in finds in the source.
    let edit = r"s/__shared__ Element parts\[.*/extern __shared__ double raw[]; auto *parts = (Element *)raw;/";
    let run =
        on_standin("--backend cuda --batch 1 -b dot --problem-size rows=3 --problem-size cols=999");
    all_right(&run.env("STANDIN_SED", edit).passes().report());
}

#[test]
fn products_of_every_float_are_exact() {
    let words = "--backend cuda -b gemm --problem-size m=40 --problem-size k=300";
    let run = on_standin(words).arg("-pf32").arg("-pf64").arg("-pf16").arg("-pbf16").arg("-pi8");
    let report = run.passes().report();
    let reason = cases(&report)[4]["reason"].as_str().unwrap();
    assert!(reason.contains("not defined for i8"), "{reason}");
    assert_eq!(report["summary"]["measured"], 4);
    assert!(cases(&report)[..4].iter().all(|case| case["accuracy"]["wrong"] == 0));
}

#[test]
fn one_rank_alone_reduces() {
    let report = on_standin("-b all_reduce --problem-size bytes=0,4,4KiB").passes().report();
    assert_eq!(report["run"]["backend"], "cuda");
    assert_eq!(report["summary"]["measured"], 3);
}

#[test]
fn emulated_ranks_reduce_on_every_axis_and_say_what_they_are() {
    let words = "-b all_reduce --mesh tp=2,dp=2 --axis tp --axis dp --axis tp+dp \
                 --problem-size bytes=4,4004 --problem-size placement=out,in";
    let run = emulated(4, words).arg("-pf32").arg("-pbf16").arg("-pi32");
    let ended = run.passes();
    let report = ended.report();
    all_right(&report);
    assert_eq!(cases(&report).len(), 5 * 2 * 2 * 3);
    assert_eq!(report["run"]["emulated"], true);
    for case in cases(&report) {
        let caveats = case["caveats"].as_array().unwrap();
        assert!(caveats.iter().any(|caveat| caveat["kind"] == "emulated"), "{case}");
        assert!(case["device_time"]["median"].as_f64().unwrap() > 0.0, "{case}");
    }
    assert!(ended.out.contains("EMULATED") && ended.out.contains("emulated"), "{}", ended.out);
}

#[test]
fn a_gpu_has_one_rank_unless_emulation_is_asked_for() {
    let words = "--backend cuda -b all_reduce --problem-size bytes=64 --iterations 5";
    let two = || with_libraries(ranks(2, words), &[everything()]);
    let ended = two().fails(6);
    assert!(ended.error().contains("ranks 0 and 1 both drive"), "{}", ended.err);
    assert!(ended.error().contains("--emulate-ranks"), "{}", ended.err);
    let report = two().env("STANDIN_DEVICES", "2").passes().report();
    all_right(&report);
    assert_eq!(report["run"]["emulated"], false);
    let three = with_libraries(ranks(3, words), &[everything()]).env("STANDIN_DEVICES", "2");
    let ended = three.fails(6);
    assert!(ended.error().contains("rank 2 is number 2 on its node"), "{}", ended.err);
    let ended = tesserabench("run --backend host --emulate-ranks").fails(2);
    assert!(ended.error().contains("--backend cuda"), "{}", ended.err);
}

#[test]
fn whatever_call_fails_it_is_one_sentence() {
    let kernels = "-b copy -b triad -b gemm -b all_reduce --problem-size array=1000 --problem-size m=16 \
                   --problem-size bytes=64";
    // What the symbols of NCCL are for, each in two groups of calls.
    let exchanges = "-b all_reduce -b all_gather -b broadcast -b reduce -b reduce_scatter -b gather \
                     --problem-size bytes=64 --problem-size op=sum,mulsum";
    for library in tesserabench::machine::nvidia::ALL {
        for symbol in library.symbols {
            let work = if library.key == "nccl" { exchanges } else { kernels };
            let words = format!("--backend cuda {work}");
            // Of these an error cannot be told, or only after the work is done.
            let harmless =
                ["Destroy", "Unload", "Free", "Release", "Abort", "GetError", "GetLastError"];
            let harmless = harmless.iter().any(|part| symbol.contains(part));
            let ended = on_standin(&words).env("STANDIN_FAIL", symbol).end();
            let code = ended.code.unwrap_or(-1);
            assert!([0, 6, 7].contains(&code), "{symbol}: exit {code}\n{}", ended.err);
            assert!(!ended.err.contains("panicked"), "{symbol}: {}", ended.err);
            let versions = symbol.ends_with("Version") || *symbol == "cuDeviceGetCount";
            if code == 0 && !harmless && !versions {
                let report = ended.report();
                let skipped = cases(&report).iter().filter(|case| case["outcome"] != "measured");
                let told: Vec<&str> = skipped.filter_map(|case| case["reason"].as_str()).collect();
                assert!(!told.is_empty(), "{symbol} failed and nobody says so\n{}", ended.out);
            }
        }
    }
}

/// The tables of symbols are complete: the stand-in has none that they lack, and the runs above need no
/// other.
#[test]
fn the_stand_in_has_no_symbol_that_is_not_looked_up_first() {
    let output = Command::new("nm")
        .args(["-D", "--defined-only", "--format=just-symbols"])
        .arg(everything().join("standin.so"))
        .output()
        .unwrap();
    let exported = String::from_utf8(output.stdout).unwrap();
    let known = |symbol: &&str| {
        let tables = tesserabench::machine::nvidia::ALL.iter();
        symbol.starts_with("nvml")
            || tables.flat_map(|table| table.symbols).any(|own| own == symbol)
    };
    let (known, unknown): (Vec<&str>, Vec<&str>) = exported.lines().partition(known);
    assert!(known.len() > 50, "{exported}");
    assert_eq!(unknown, Vec::<&str>::new());
}

#[test]
fn too_large_a_problem_is_skipped_with_the_reason() {
    let run = on_standin("-b copy --problem-size array=1KiB,1MiB").env("STANDIN_MEMORY", "200000");
    let report = run.passes().report();
    assert_eq!(cases(&report)[0]["outcome"], "measured");
    let reason = cases(&report)[1]["reason"].as_str().unwrap();
    assert!(reason.contains("1048576 bytes") && reason.contains("smaller problem"), "{reason}");
}

#[test]
fn a_wrong_element_is_found_on_every_kind_of_work() {
    // A product is timed on data whose result nobody knows.
    for (benchmarks, phase) in [
        (
            "-b copy -b triad -b layer_norm -b softmax -b all_reduce -b gemm --problem-size m=16",
            "verify",
        ),
        ("-b copy -b triad -b layer_norm -b softmax -b all_reduce", "measure"),
    ] {
        let sizes = "--problem-size array=1000 --problem-size bytes=64 --problem-size rows=9 --problem-size cols=33";
        let run = on_standin(&format!("{benchmarks} {sizes} --continue-on-error"));
        let report = run.fault(&format!("wrong@0:{phase}")).fails(5).report();
        assert_eq!(cases(&report).len(), benchmarks.matches("-b ").count());
        for case in cases(&report) {
            assert_eq!(case["accuracy"]["wrong"], 1, "{phase} {case}");
        }
    }
}

#[test]
fn launches_that_block_are_refused_in_one_sentence() {
    let ended = on_standin("--backend cuda -b copy").env("STANDIN_BLOCKING", "1").fails(6);
    assert!(ended.error().contains("CUDA_LAUNCH_BLOCKING"), "{}", ended.err);
}

#[test]
fn throttling_is_a_caveat() {
    // HW_THERMAL_SLOWDOWN in nvml.h.
    let run = on_standin("-b copy --problem-size array=1KiB").env("STANDIN_THROTTLE", "64");
    let report = run.passes().report();
    let caveats = cases(&report)[0]["caveats"].as_array().unwrap();
    let throttled = caveats.iter().find(|caveat| caveat["kind"] == "throttled").unwrap();
    assert_eq!(throttled["reasons"][0], "hw_thermal_slowdown");
}

const SUMS: &str = "-b all_reduce --problem-size bytes=64";

#[test]
fn an_error_that_nccl_reports_late_ends_the_job() {
    let ended = emulated(2, SUMS).env("STANDIN_NCCL_ERROR", "3").end();
    assert_eq!(ended.code, Some(7), "{}", ended.err);
    assert!(ended.err.contains("NCCL says"), "{}", ended.err);
}

#[test]
fn a_rank_that_dies_or_hangs_ends_the_job() {
    let ended = emulated(2, SUMS).fault("kill@1:measure").fails(9);
    // MPICH's launcher does not tell which.
    let (named, unnamed) = ("error: rank 1", "error: a rank died silently");
    assert!(ended.err.contains(named) || ended.err.contains(unnamed), "{}", ended.err);
    emulated(2, SUMS).arg("--timeout=6").fault("hang@1:measure").fails(8);
}

#[test]
fn kernels_compile_for_four_generations_without_spills() {
    let words = "inspect --format json --arch sm_75,sm_80,sm_90a,sm_100a";
    let ended = with_libraries(tesserabench(words), &[&wheel("nvrtc")]).passes();
    let facts: Value = serde_json::from_str(&ended.out).unwrap();
    let functions = facts["functions"].as_array().unwrap();
    let own = KERNELS.iter().filter_map(|kernel| match &kernel.cuda {
        Some(Cuda::Own(own)) => Some(own.entries.iter().map(|(_, entry)| entry).collect()),
        _ => None,
    });
    let entries: usize = own.map(|entries: std::collections::HashSet<_>| entries.len()).sum();
    // With the blocking kernel's.
    assert_eq!(functions.len(), 4 * (1 + entries), "{facts}");
    for function in functions {
        let registers = function["registers"].as_u64().unwrap();
        // Two blocks of attention in f64 fit a multiprocessor, four or more of all else.
        let most = if function["kernel"] == "flash_attention" { 128 } else { 64 };
        assert!((1..=most).contains(&registers), "{function}");
        assert_eq!(function["spill_bytes"], 0, "{function}");
    }
    let unknown = with_libraries(tesserabench("inspect --arch sm_1"), &[&wheel("nvrtc")]).fails(6);
    assert!(unknown.error().contains("does not compile for sm_1"), "{}", unknown.err);
    let ended = tesserabench("inspect").fails(6);
    assert!(ended.error().contains("NVRTC cannot be loaded"), "{}", ended.err);
}

#[test]
fn the_real_nccl_is_found_under_its_own_name_and_has_every_symbol() {
    let driver = folder("standin-without-nccl");
    link(&driver, &everything().join("standin.so"), &NAMES[..3]);
    let nccl = wheel("nccl");
    let run = |words: &str| with_libraries(tesserabench(words), &[&driver, &nccl]);
    let facts = run("system-info --format json").passes().out;
    let facts: Value = serde_json::from_str(&facts).unwrap();
    assert_eq!(facts["nvidia"]["nccl"]["version"], "2.32.3", "{facts}");
    assert!(facts["nvidia"]["nccl"]["file"].as_str().unwrap().ends_with("libnccl.so.2"));
    // It wants a real driver, and says so in one sentence.
    let ended = run("run --backend cuda -b all_reduce --problem-size bytes=64").fails(7);
    assert!(ended.error().contains("NCCL says"), "{}", ended.err);
}

/// `scripts/gpu-check` on a machine whose GPU is the stand-in.
#[test]
fn the_checks_for_a_real_gpu_pass_where_speed_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle");
    std::fs::create_dir_all(&bundle).unwrap();
    std::fs::write(bundle.join("COMMIT"), "none").unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_tesserabench"), bundle.join("tesserabench"))
        .unwrap();
    let smi = folder.path().join("nvidia-smi");
    let facts = "Stand-in GPU (computes on the CPU), GPU-0, 0, 1024, 9.0, 100, 1, 1, 1, 1";
    std::fs::write(&smi, format!("#!/bin/sh\necho '{facts}'\n")).unwrap();
    std::fs::set_permissions(&smi, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let checks =
        "system-info,kernels,patterns-2-emulated,operators,shared-gpu-refused,wrong-element,kill";
    let _turn = crate::ranks::turn();
    let ended = Command::new("scripts/gpu-check")
        .args(["--patience=10", "--budget=3600", &format!("--only={checks}")])
        .args([
            "--bundle".as_ref(),
            bundle.as_os_str(),
            "--output".as_ref(),
            folder.path().as_os_str(),
        ])
        .env("PATH", path)
        .env("LD_LIBRARY_PATH", everything())
        .env("TESSERABENCH_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"))
        .env("OMPI_MCA_mpi_yield_when_idle", "1")
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&ended.stdout);
    let logs = std::fs::read_to_string(folder.path().join("logs.txt")).unwrap_or_default();
    assert!(ended.status.success(), "{out}\n{logs}");
    assert_eq!(out.matches(" passed ").count(), 7, "{out}\n{logs}");
}
