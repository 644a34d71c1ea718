//! The cuda backend without a GPU: against nothing, against NVIDIA's real compiler and NCCL, and against
//! a stand-in driver (`tests/standin/`) that computes on the CPU. The stand-in shows which calls are made, in
//! which order, and what follows from their errors; it says nothing about a real device.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use tesserabench::benchmark::Element;
use tesserabench::benchmark::kernel::{Cuda, KERNELS, Kernel};

use crate::ranks::{Run, ranks, tesserabench};

pub(crate) const NAMES: [&str; 5] =
    ["libcuda.so.1", "libnvrtc.so.12", "libcublasLt.so.12", "libnccl.so.2", "libnvidia-ml.so.1"];

/// An empty folder of this name.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Libraries of these names, all of which are this one.
pub(crate) fn link(folder: &Path, library: &Path, names: &[&str]) {
    for name in names {
        std::os::unix::fs::symlink(library, folder.join(name)).unwrap();
    }
}

/// The stand-in under all libraries' names, in a folder of this name.
pub(crate) fn standin(name: &str, flags: &[&str]) -> PathBuf {
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
pub(crate) fn wheel(name: &str) -> PathBuf {
    let folder = Path::new(".local").join(name).canonicalize();
    folder.expect("NVIDIA's libraries are not here: run scripts/setup --nvidia first")
}

pub(crate) fn with_libraries(run: Run, folders: &[&Path]) -> Run {
    let path = std::env::join_paths(folders).unwrap();
    let run = run.env("LD_LIBRARY_PATH", path.to_str().unwrap());
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
/// Without a search, for which the stand-in would compile every form.
const FEW: &str = "--iterations 4 --warmup 1 --no-autotune";

/// A run of one rank on the stand-in.
pub(crate) fn on_standin(words: &str) -> Run {
    with_libraries(tesserabench(&format!("run {FEW} {words}")), &[everything()])
}

/// The same, where each kernel has only to be right.
pub(crate) fn once_on_standin(words: &str) -> Run {
    let run =
        tesserabench(&format!("run --iterations 1 --warmup 1 --no-autotune --batch 1 {words}"));
    with_libraries(run, &[everything()])
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
    let run = on_standin(SOME).arg("-pf32").arg("-pf64").env("STANDIN_ENERGY", "1");
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
    let computes =
        |kernel: &&Kernel| matches!(kernel.cuda, Some(Cuda::Own(_))) && !kernel.outputs.is_empty();
    let own = || KERNELS.iter().filter(computes);
    let names: Vec<String> = own().map(|kernel| format!("-b{}", kernel.name)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let claimed: usize = own().map(|kernel| kernel.precisions.len()).sum();
    let trials = include_str!("../trials.txt").lines().filter(|line| !line.starts_with('#'));
    for (seed, sizes) in trials.enumerate() {
        let mut run = once_on_standin(&format!("--backend cuda {}", names.join(" ")));
        for size in sizes.split(' ') {
            run = run.arg(&format!("--problem-size={size}"));
        }
        for element in Element::ALL {
            run = run.arg(&format!("-p{}", element.name()));
        }
        let report = run.env("STANDIN_SEED", &seed.to_string()).passes().report();
        let measured = cases(&report).iter().filter(|case| case["outcome"] == "measured");
        assert_eq!(measured.clone().count(), claimed, "{sizes}");
        for case in measured {
            assert_eq!(case["accuracy"]["wrong"], 0, "{case}");
        }
    }
}

/// The verification finds what is wrong in a kernel: each of these edits of its source and the headers, by sed.
#[test]
fn a_wrong_kernel_is_found() {
    for (kernel, wrong, edit) in [
        ("copy", "writes zeros", "s/= of(loaded/= Vector<T>{}; of(loaded/"),
        ("copy", "writes nothing", "s/vectors) ((Vector/vectors * 0) ((Vector/"),
        ("copy", "leaves out a tile", "s/i < UNROLL/i < UNROLL - 1/"),
        ("copy", "leaves out the rest", "s/rest < n/rest < 0/"),
        ("triad", "takes a neighbour", r"s/of(x.at\[i\]/of(x.at[i \/ 2 * 2]/"),
        (
            "layer_norm",
            "lets the variance cancel",
            r"s/(\(x.at\[i\]\) - mean) \* (.*mean)/\1 * \1 - mean * mean/",
        ),
        ("layer_norm", "sums in whole numbers", "s/Wide<T> sum = 0/int sum = 0/"),
        ("layer_norm", "lacks the first barrier", "0,/__syncthreads();/s///"),
        ("layer_norm", "lacks the second barrier", r"/parts\[.*= own;/{n;d}"),
        ("softmax", "lacks the barrier", "/__syncthreads();/d"),
        ("softmax", "leaves a warp out", "s/int warp = 1/int warp = 2/"),
        ("flash_attention", "sees what comes later", "s/causal && query < tokens/false/"),
        ("flash_attention", "has one head of keys", r"s/head \/ sharing/0/"),
        ("flash_attention -pf16", "sees what comes later", "s/hide(scores, work/if (false) &/"),
        ("flash_attention -pbf16", "rounds weights", r"s/multiply.*small\[i\].*//"),
        (
            "flash_attention -pf16",
            "does not wait for values",
            "s/wait_for_copies<1>/wait_for_copies<2>/",
        ),
        ("gemm_mma", "lacks the barrier", "/wait_for_copies<STAGES/{n;n;d}"),
        (
            "gemm_mma",
            "does not wait for copies",
            "s/wait_for_copies<STAGES - 2>/wait_for_copies<STAGES>/",
        ),
        ("gemm_mma", "takes rows of B for columns", "s/load_matrices<true>/load_matrices<false>/"),
        (
            "gemm_mma",
            "leaves out a tile of terms",
            "s/if (begin < terms)/if (begin + DEPTH < terms)/",
        ),
        ("softmax", "sees what comes later", "s/if (at . WIDTH + i >= seen)/if (false)/"),
        ("rms_norm_residual", "forgets x", "s/+= other.at/= other.at/"),
        ("batched_gemm", "lacks the first barrier", "0,/__syncthreads();/s///"),
        ("batched_gemm", "forgets terms", "s/begin + DEPTH < terms/begin + 2 * DEPTH < terms/"),
        ("conv2d", "stands beside its place", "s/ - edge;/;/"),
        ("embedding", "takes another row", r"s/ids\[token\]/ids[token] \/ 2/"),
        ("moe_permute", "mixes an expert's rows", r"s/place += expert.*/place += 0;/"),
        ("cross_entropy", "does not scale down", r"s/sum \*= exp.*//"),
        ("quantise", "rounds towards 0", r"s/magnitude + odd + .* - 1)/magnitude)/"),
        ("dequantise", "has one scale", r"s/scales\[blockIdx.x\]/scales[0]/"),
        ("adamw", "forgets the second moment", r"s/narrow<float>(vs)/((const Moments *)v)[at]/"),
        ("triad_strided", "leaves columns out", r"s/stride + blockIdx.y/stride + blockIdx.y \/ 2/"),
        ("pointer_chase", "ends early", "s/step < steps/step + 1 < steps/"),
        ("copy_random", "does not gather", r"s/return places\[at\]/return at/"),
    ] {
        let sizes = match kernel {
            "copy" | "triad" => "--problem-size array=65544",
            "copy_random" | "triad_strided" | "pointer_chase" => "--problem-size array=8000",
            "flash_attention" | "flash_attention -pf16" | "flash_attention -pbf16" => {
                "--problem-size heads=4 --problem-size kv_heads=2 --problem-size tokens=70 --problem-size dim=40 \
                 --problem-size causal=1"
            }
            "gemm_mma" => r#"--problem-size {"m":65,"n":40,"k":200}"#,
            "batched_gemm" => r#"--problem-size {"batch":2,"m":65,"n":33,"k":100}"#,
            "conv2d" => {
                r#"--problem-size {"images":2,"height":9,"width":11,"channels":5,"filters":7}"#
            }
            "embedding" | "moe_permute" => r#"--problem-size {"tokens":70,"dim":33}"#,
            "adamw" => "--problem-size parameters=1003",
            "cross_entropy" => "--problem-size rows=3 --problem-size cols=5000",
            "softmax" if wrong.ends_with("later") => {
                r#"--problem-size {"rows":3,"cols":1000,"causal":1}"#
            }
            _ => "--problem-size rows=3 --problem-size cols=1000",
        };
        let run = once_on_standin(&format!("--backend cuda -b {kernel} {sizes}"));
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
    let ended = spoilt("s/own = combine(own, __shfl/if (threadIdx.x % 2) &/");
    assert!(ended.out.contains("LAUNCH_FAILED"), "{}", ended.out);
    let ended = spoilt("s/Wide<T> mean/Elephant mean/");
    assert!(ended.out.contains("Elephant"), "{}", ended.out);
}

/// The program of this name in `tests/standin/`.
fn program(name: &str) -> PathBuf {
    let program = folder(&format!("standin-{name}")).join(name);
    let built = Command::new("g++")
        .args(["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror"])
        // In braces the order is defined, and GCC warns all the same.
        .args(["-Wno-sequence-point", "-Wno-unknown-pragmas", "-U_FORTIFY_SOURCE"])
        .args(["-Ikernels/include", "-o"])
        .arg(&program)
        .arg(format!("tests/standin/{name}.cpp"))
        .status();
    assert!(built.unwrap().success());
    program
}

/// Every number of `T`, and those that many floats become, are as that crate has them.
fn narrow_floats_are<T: Copy>(
    (program, name): (&Path, &str),
    (wide, narrow): (impl Fn(T) -> f32, impl Fn(f32) -> T),
    (from_bits, to_bits): (impl Fn(u16) -> T, impl Fn(T) -> u16),
) {
    let written = Command::new(program).arg(name).output().unwrap().stdout;
    let bytes = size_of::<T>();
    let (numbers, rounded) = written.split_at(4 << (8 * bytes));
    for (bits, number) in (0u16..=u16::MAX).zip(numbers.chunks(4)) {
        let (ours, theirs) =
            (f32::from_le_bytes(number.try_into().unwrap()), wide(from_bits(bits)));
        let is_same = ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan();
        assert!(is_same, "{name} {bits:#x} is {theirs}, not {ours}");
    }
    let mut count = 0;
    let floats = (0..1 << 20).flat_map(|upper: u32| [0, 1, 0xfff].map(|lower| upper << 12 | lower));
    for (float, ours) in floats.map(f32::from_bits).zip(rounded.chunks(bytes)) {
        let ours = ours.iter().rev().fold(0, |bits, byte| bits << 8 | u16::from(*byte));
        let theirs = narrow(float);
        let is_same = to_bits(theirs) == ours || float.is_nan() && wide(from_bits(ours)).is_nan();
        assert!(is_same, "{float:e} becomes {ours:#x} in {name}, not {:#x}", to_bits(theirs));
        count += 1;
    }
    assert_eq!((numbers.len(), count), (4 << (8 * bytes), 3 << 20), "{name}");
}

#[test]
fn narrow_floats_on_the_cpu_are_those_of_rust() {
    use float8::{F8E4M3, F8E5M2};
    use half::{bf16, f16};
    let program = program("number");
    let of = |name| (&*program, name);
    narrow_floats_are(of("f16"), (f16::to_f32, f16::from_f32), (f16::from_bits, f16::to_bits));
    narrow_floats_are(of("bf16"), (bf16::to_f32, bf16::from_f32), (bf16::from_bits, bf16::to_bits));
    narrow_floats_are(
        of("e4m3"),
        (|x| F8E4M3::to_f32(&x), F8E4M3::from_f32),
        (|bits| F8E4M3::from_bits(bits as u8), |x| x.to_bits().into()),
    );
    narrow_floats_are(
        of("e5m2"),
        (|x| F8E5M2::to_f32(&x), F8E5M2::from_f32),
        (|bits| F8E5M2::from_bits(bits as u8), |x| x.to_bits().into()),
    );
}

#[test]
fn instructions_of_tensor_cores_have_a_form_on_the_cpu() {
    assert!(Command::new(program("mma")).status().unwrap().success());
}

#[test]
fn threads_on_the_cpu_give_each_other_what_they_would_on_a_gpu() {
    assert!(Command::new(program("semantics")).status().unwrap().success());
    // Shared memory that the launch sizes, which the stand-in finds in the source.
    let edit = r"s/__shared__ W parts\[.*/extern __shared__ double raw[]; auto *parts = (W *)raw;/";
    let run =
        on_standin("--backend cuda --batch 1 -b dot --problem-size rows=3 --problem-size cols=999");
    all_right(&run.env("STANDIN_SED", edit).passes().report());
}

#[test]
fn products_of_every_type_are_exact() {
    let types = "f32,f64,f16,bf16@accum(fp32),tf32,fp8e4m3,i8@accum(i32),fp8e5m2,fp4";
    let run = |sizes: &str| {
        let words = format!("--backend cuda -b gemm --problem-size {sizes}");
        on_standin(&words).arg("-p").arg(types).passes().report()
    };
    // Of 8 bits cuBLASLt takes B column by column, and only whole vectors; the stand-in refuses all else.
    let report = run(r#"{"m":40,"n":48,"k":304}"#);
    assert_eq!(report["summary"]["measured"], 7);
    for case in &cases(&report)[..7] {
        assert_eq!(case["accuracy"]["wrong"], 0, "{case}");
        assert_eq!(case["accuracy"]["checked"], 40 * 48, "{case}");
    }
    let reason = |report: &Value, place: usize, told: &str| {
        let reason = cases(report)[place]["reason"].as_str().unwrap();
        assert!(reason.contains(told), "{reason}");
    };
    reason(&report, 7, "multiplies no two matrices of fp8e5m2; batched_gemm does");
    reason(&report, 8, "not defined for fp4");
    let odd = run(r#"{"m":40,"n":40,"k":300}"#);
    assert_eq!(odd["summary"]["measured"], 6);
    reason(&odd, 5, "fp8e4m3 only where n and k are multiples of 16, and they are 40 and 300");
    let report = run(r#"{"m":40,"n":41,"k":300}"#);
    reason(&report, 6, "i8 only where n and k are multiples of 4, and they are 41 and 300");
    // CPUs have no such product.
    let words = "run --backend host -b gemm -pi8,f32 --problem-size m=8 --quick";
    reason(&tesserabench(words).passes().report(), 0, "gemm on CPUs is not defined for i8");
}

#[test]
fn launches_are_timed_on_a_gpu_and_leave_nothing_to_check() {
    let words = "-b launch_latency -b launch_throughput";
    let report = on_standin(&format!("--backend cuda {words}")).passes().report();
    crate::runs::validate(&report);
    let [one, many] = cases(&report) else { panic!("{report}") };
    // One is launched within the time, which the host reads; the others wait on the device, which tells its own.
    let facts = |case: &Value| (case["id"].clone(), case["latency"]["definition"].clone());
    assert_eq!(
        facts(one),
        ("launch_latency/world:0".into(), "last_end_minus_first_start".into()),
        "{one}"
    );
    assert_eq!(facts(many), ("launch_throughput/world:0".into(), "slowest_device".into()));
    assert!(one["device_time"].is_null() && !many["device_time"].is_null());
    for case in [one, many] {
        assert!(case["accuracy"].is_null(), "{case}");
        let marks = case["caveats"].as_array().unwrap();
        assert!(marks.iter().any(|caveat| caveat["kind"] == "unchecked"), "{case}");
    }
    let report = tesserabench(&format!("run --backend host {words} -b copy --quick"));
    let report = report.arg("--problem-size=array=1KiB").passes().report();
    let reasons: Vec<&str> =
        cases(&report).iter().filter_map(|case| case["reason"].as_str()).collect();
    let none = ["launch_latency has no form for CPUs", "launch_throughput has no form for CPUs"];
    assert_eq!(reasons, none);
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
        stamped_by_devices(case);
    }
    assert!(ended.out.contains("EMULATED") && ended.out.contains("emulated"), "{}", ended.out);
}

/// Start and end are the devices', and the host's time, which holds them, stands beside.
fn stamped_by_devices(case: &Value) {
    assert!(case["device_time"]["median"].as_f64().unwrap() > 0.0, "{case}");
    let stamps = &case["samples"]["inline"];
    let rows = |key: &str| {
        let rows = stamps[key].as_array().unwrap_or_else(|| panic!("no {key}: {case}"));
        rows.iter().flat_map(|row| row.as_array().unwrap()).map(|ns| ns.as_i64().unwrap())
    };
    for (((start, end), device), host) in
        rows("start_ns").zip(rows("end_ns")).zip(rows("device_ns")).zip(rows("host_ns"))
    {
        assert_eq!(end - start, device, "{case}");
        assert!(device <= host, "{case}");
    }
    assert_eq!(case["host_time"]["definition"], "slowest_rank", "{case}");
}

#[test]
fn devices_with_clocks_of_their_own_are_held_against_each_other() {
    let words = "-b all_reduce --problem-size bytes=4KiB";
    // A thousand seconds and more apart: what stands uncorrected would be years.
    let run = emulated(3, words).env("STANDIN_TIMER_AHEAD", "1000");
    let report = run.passes().report();
    let case = &cases(&report)[0];
    stamped_by_devices(case);
    let seconds = |ms: &Value| ms.as_f64().unwrap() / 1e3;
    assert!(seconds(&case["latency"]["max"]) < 100.0, "{case}");
    assert!(seconds(&case["skew"]["clock_error_ms"]) < 100.0, "{case}");
    assert!(seconds(&case["skew"]["clock_error_ms"]) > 0.0, "{case}");
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
    let copies = "-b host_device_bidirectional --problem-size bytes=64 --problem-size engine=ce,sm";
    let graphs = "-b copy --problem-size array=1000 --problem-size graph=2";
    // What the symbols of NCCL are for, each in two groups of calls.
    let exchanges = "-b all_reduce -b all_gather -b broadcast -b reduce -b reduce_scatter -b gather \
                     --problem-size bytes=64 --problem-size op=sum,mulsum";
    let newer = "-b all_reduce -b comm_init --problem-size bytes=64 --problem-size registered=none,local,symmetric \
                 --problem-size by=id,split";
    let mut failing = Vec::new();
    for library in tesserabench::machine::nvidia::ALL {
        let newer = library.newer.iter().map(|(symbol, _)| (symbol, newer));
        let work = |symbol: &str| match symbol {
            _ if library.key == "nccl" => exchanges,
            _ if symbol.contains("Graph") || symbol.contains("Capture") => graphs,
            "cuMemcpyAsync" | "cuStreamWaitEvent" => copies,
            _ if symbol.starts_with("cuMemHost") => copies,
            _ => kernels,
        };
        failing.extend(library.symbols.iter().map(|symbol| (symbol, work(symbol))).chain(newer));
    }
    // As many at a time as have places.
    let failing = std::sync::Mutex::new(failing.into_iter());
    let next = || failing.lock().unwrap().next();
    let run_all = || {
        while let Some((symbol, work)) = next() {
            let words = format!("--backend cuda {work}");
            // Profilers are told by `profile` alone. Of these an error cannot be told, or only after the work is done; without the driver's account of
            // occupancy ours stands alone, only of ready code it says what a function uses, and what is free it says
            // where memory is short.
            let harmless = [
                "FuncGetAttribute",
                "MemGetInfo",
                "Occupancy",
                "Destroy",
                "Unload",
                "Unregister",
                "Free",
                "Release",
                "Deregister",
                "Abort",
                "Finalize",
                "GetStatusName",
                "GetError",
                "GetLastError",
                "Profiler",
            ];
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
    };
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(run_all))));
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
            || tables.clone().flat_map(|table| table.symbols).any(|own| own == symbol)
            || tables.flat_map(|table| table.newer).any(|(own, _)| own == symbol)
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
    assert!(ended.error().contains("--no-blocking-kernel"), "{}", ended.err);
}

/// As under compute-sanitizer and cuda-gdb.
#[test]
fn launches_may_block_where_no_kernel_waits_for_the_host() {
    let words = "--backend cuda --no-blocking-kernel -b copy -b all_reduce --problem-size array=1KiB --problem-size bytes=64";
    let report = on_standin(words).env("STANDIN_BLOCKING", "1").passes().report();
    crate::runs::validate(&report);
    all_right(&report);
    for case in cases(&report) {
        // By the host's clock, for each operation alone, and no figure to stand beside others.
        assert_eq!(case["device_time"], Value::Null, "{case}");
        let caveats = case["caveats"].as_array().unwrap();
        assert!(caveats.iter().any(|caveat| caveat["kind"] == "unqueued"), "{case}");
    }
    let ended = tesserabench("run --backend host -b copy --no-blocking-kernel").fails(2);
    assert!(ended.error().contains("--backend cuda"), "{}", ended.err);
    let file = "backend: cuda\nbenchmarking: {blocking_kernel: false}\n";
    let run =
        with_libraries(tesserabench("--config own.yaml run -b copy --quick"), &[everything()]);
    let ended = run.arg("--problem-size=array=1KiB").file("own.yaml", file).passes();
    assert_eq!(cases(&ended.report())[0]["device_time"], Value::Null);
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

/// A card that its power limit slows down gets the time until its clock has been flat for seconds; without a limit none.
#[test]
fn a_limited_gpu_is_warmed_up_until_its_clock_is_flat() {
    let warmed_up = |clock: &str, reasons: &str| {
        let run = on_standin("-b copy --problem-size array=1KiB");
        let run = run.env("STANDIN_CLOCK", clock).env("STANDIN_THROTTLE", reasons);
        cases(&run.passes().report())[0].clone()
    };
    // SW_POWER_CAP in nvml.h; the highest clock is 1000 MHz.
    assert!(warmed_up("900", "4")["warmup_seconds"].as_f64().unwrap() >= 1.5);
    let (limited, free) = (warmed_up("900", "4"), warmed_up("1000", "0"));
    assert!(limited["warmup"].as_u64() > free["warmup"].as_u64(), "{limited}\n{free}");
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
fn the_real_nccl_is_found_under_its_own_name_and_has_every_symbol() {
    let driver = folder("standin-without-nccl");
    link(&driver, &everything().join("standin.so"), &NAMES[..3]);
    let nccl = wheel("nccl/lib");
    let run = |words: &str| with_libraries(tesserabench(words), &[&driver, &nccl]);
    let facts = run("system-info --format json").passes().out;
    let facts: Value = serde_json::from_str(&facts).unwrap();
    assert_eq!(facts["nvidia"]["nccl"]["version"], "2.32.3", "{facts}");
    assert!(facts["nvidia"]["nccl"]["file"].as_str().unwrap().ends_with("libnccl.so.2"));
    // It wants a real driver, and says so in one sentence.
    let ended = run("run --backend cuda -b all_reduce --problem-size bytes=64").fails(7);
    assert!(ended.error().contains("NCCL says"), "{}", ended.err);
}
