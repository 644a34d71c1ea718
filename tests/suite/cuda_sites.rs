//! What a GPU's site may be like (old or missing libraries, parts of GPUs, sick GPUs, short queues, no memory), on the
//! stand-in: every one is measured right, or is one sentence.

use serde_json::Value;

use crate::cuda::{
    NAMES, all_right, cases, emulated, everything, folder, link, on_standin, once_on_standin,
    standin, with_libraries,
};
use crate::ranks::{Ended, Run, tesserabench, under_mpirun};

const SUM: &str = "--backend cuda -b all_reduce --problem-size bytes=64";
const COPY: &str = "--backend cuda -b copy --problem-size array=1KiB";

/// The reason why the first case of this benchmark was left out.
fn reason(report: &Value, benchmark: &str) -> String {
    let mut found = cases(report).iter().filter(|case| case["benchmark"] == benchmark);
    let case = found.next().unwrap();
    assert_eq!(case["outcome"], "skipped", "{case}");
    let reason = case["reason"].as_str().unwrap();
    assert!(!reason.contains('\n'), "{reason}");
    reason.to_owned()
}

/// It ended with this exit, and says this.
fn says(run: Run, code: i32, told: &str) -> Ended {
    let ended = run.fails(code);
    let all = format!("{}{}", ended.out, ended.err);
    assert!(all.contains(told) && !all.contains("panicked"), "no '{told}' in {all}");
    ended
}

// ---- Codes of errors

#[test]
fn a_code_that_nobody_knows_yet_is_one_sentence() {
    for code in ["8", "9", "99"] {
        let told = format!("NCCL says unknown result code (code {code})");
        for fail in ["ncclAllReduce:1", "ncclCommGetAsyncError:1", "ncclCommInitRankConfig:1"] {
            let run = on_standin(SUM).env("STANDIN_FAIL", &format!("{fail}:{code}"));
            says(run, 7, &told);
        }
        let late = format!("2:{code}");
        says(on_standin(SUM).env("STANDIN_NCCL_ERROR", &late), 7, &told);
    }
    let unknown = "NVRTC_ERROR unknown (code 99)";
    says(on_standin(COPY).env("STANDIN_FAIL", "nvrtcCompileProgram:1:99"), 6, unknown);
    let product = on_standin("--backend cuda -b gemm --problem-size m=16");
    let unknown = "unknown CUBLAS status (code 99)";
    says(product.env("STANDIN_FAIL", "cublasLtMatmul:1:99"), 7, unknown);
}

#[test]
fn errors_of_the_device_say_what_to_do() {
    let fails = |fail: &str| on_standin(COPY).env("STANDIN_FAIL", fail);
    let damaged = "CUDA_ERROR_ECC_UNCORRECTABLE); the GPU's memory is damaged";
    says(fails("cuStreamSynchronize:2:214"), 7, damaged);
    says(fails("cuDevicePrimaryCtxRetain:1:46"), 6, "another process has the GPU to itself");
    let ended = on_standin(COPY).env("STANDIN_LOST", "1").passes();
    assert!(ended.err.contains("fell off the bus") && ended.err.contains("Xid"), "{}", ended.err);
    assert_eq!(cases(&ended.report())[0]["telemetry"], Value::Array(Vec::new()));
}

// ---- Libraries

#[test]
fn an_nccl_that_is_missing_or_too_old_leaves_its_cases_out() {
    let without = folder("standin-no-nccl");
    link(&without, &everything().join("standin.so"), &NAMES[..3]);
    let old = standin("standin-old-nccl", &["-DWITHOUT_COMM_CONFIG"]);
    for (folder, told) in [
        (without, "NCCL cannot be loaded: libnccl.so.2"),
        (old, "has no ncclCommInitRankConfig: NCCL is too old"),
    ] {
        let words = "run --iterations 4 --no-autotune -b copy -b all_reduce \
                     --problem-size array=1KiB --problem-size bytes=64";
        let run = with_libraries(tesserabench(words).arg("--backend=cuda"), &[&folder]);
        let report = run.passes().report();
        assert_eq!(report["summary"]["measured"], 1, "{report}");
        assert!(reason(&report, "all_reduce").contains(told), "{report}");
    }
}

/// An unversioned name elsewhere does not win over the folder that comes first.
#[test]
fn libraries_are_found_folder_by_folder_and_named_in_the_report() {
    let (first, second) = (folder("standin-first"), folder("standin-second"));
    let library = everything().join("standin.so");
    std::fs::copy(&library, first.join("libcublasLt.so.12")).unwrap();
    std::fs::copy(&library, second.join("libcublasLt.so")).unwrap();
    std::fs::copy(&library, second.join("libcublasLt.so.13")).unwrap();
    let run = tesserabench("system-info --format json");
    let facts = with_libraries(run, &[&first, &second, everything()]).passes().out;
    let facts: Value = serde_json::from_str(&facts).unwrap();
    let file = facts["nvidia"]["cublaslt"]["file"].as_str().unwrap();
    assert!(file.ends_with("standin-first/libcublasLt.so.12"), "{file}");
    let files = on_standin(COPY).passes().report()["environment"]["library_files"].clone();
    for name in ["cuda", "nvrtc", "cublaslt", "nccl"] {
        assert!(files[name].as_str().unwrap().ends_with("standin.so"), "{files}");
    }
}

#[test]
fn a_gpu_that_the_compiler_does_not_know_yet_gets_ptx() {
    let cache = tempfile::tempdir().unwrap();
    let run = || {
        let run = on_standin("--backend cuda -b copy -b softmax --problem-size array=1000");
        let run = run.arg("--problem-size").arg(r#"{"rows":3,"cols":100}"#);
        let run = run.env("TESSERABENCH_CACHE_DIR", cache.path().to_str().unwrap());
        run.env("STANDIN_CAPABILITY", "15")
    };
    for is_cached in [false, true] {
        let report = run().passes().report();
        all_right(&report);
        for case in cases(&report) {
            let compile = &case["compile"];
            let told = "the driver, of PTX for sm_120 by NVRTC 12.2";
            assert_eq!((&compile["compiler"], &compile["arch"]), (&told.into(), &"sm_150a".into()));
            assert_eq!(
                (&compile["cached"], &compile["registers"]),
                (&is_cached.into(), &16.into())
            );
            assert!(compile["spill_bytes"].is_null() && compile["level"].is_null(), "{compile}");
        }
    }
    let old = on_standin(COPY).env("STANDIN_CAPABILITY", "7");
    says(old, 6, "NVRTC 12.2 does not compile for sm_70 any more, only for sm_75 and newer");
}

// ---- Queues

#[test]
fn a_sample_that_does_not_fit_the_launch_queue_is_refused() {
    let report = on_standin(COPY).arg("--batch=1001").fails(7).report();
    let told = "1001 operations does not fit the device's queue before it starts; use --batch 1000";
    assert!(reason(&report, "copy").contains(told), "{report}");
    let report = on_standin(SUM).arg("--batch=167").fails(7).report();
    assert!(reason(&report, "all_reduce").contains("--batch 166 or less"), "{report}");
    let product = on_standin("--backend cuda -b gemm --problem-size m=16").arg("--batch=334");
    assert!(reason(&product.fails(7).report(), "gemm").contains("--batch 333 or less"));
    all_right(&on_standin(COPY).arg("--batch=1000").passes().report());
    all_right(&on_standin(SUM).arg("--batch=166").passes().report());
}

#[test]
fn a_queue_that_is_shorter_than_known_is_one_sentence() {
    let run = on_standin(COPY).arg("--batch=100").env("STANDIN_QUEUE", "50");
    says(run, 7, "the GPU did not take 100 operations of a sample into its queue within 2 s");
}

#[test]
fn nccl_s_own_queue_of_work_limits_large_groups() {
    let sums = |aggregate: &str| on_standin(&format!("{SUM} --problem-size aggregate={aggregate}"));
    let report = sums("1024").arg("--batch=3").fails(7).report();
    assert!(reason(&report, "all_reduce").contains("use --batch 2 or less"), "{report}");
    all_right(&sums("1024").arg("--batch=2").passes().report());
    // One that is smaller than is known is waited for until the blocking kernel gives up.
    let run = sums("256").arg("--batch=10").env("STANDIN_NCCL_FIFO", "100000");
    says(run, 7, "the GPU did not take 10 operations of a sample into its queue within 2 s");
}

// ---- Communicators

#[test]
fn communicators_end_in_good_order_and_nobody_waits_for_one_that_has_gone() {
    let words =
        "-b all_reduce -b comm_init --mesh tp=2,dp=2 --axis tp --axis dp --problem-size bytes=64";
    let told = |run: Run| run.env("STANDIN_NCCL_TELLS", "1").passes().err;
    let err = told(emulated(4, words));
    assert!(err.contains("was destroyed") && !err.contains("was aborted"), "{err}");
    let err = told(
        emulated(2, "-b all_reduce --problem-size bytes=64").env("STANDIN_NCCL_ABSENT", "1@1"),
    );
    assert!(err.contains("was aborted") && !err.contains("was destroyed"), "{err}");
}

#[test]
fn an_abort_does_not_wait_behind_a_closed_blocking_kernel() {
    // Rank 0 has queued what it sends, and fails of what it receives; the first time that is verified.
    let run = emulated(2, "-b latency --problem-size bytes=64").env("STANDIN_NCCL_TELLS", "1");
    let ended = says(run.env("STANDIN_FAIL", "ncclRecv:2@0"), 7, "NCCL says internal error");
    assert!(ended.err.contains("a communicator was aborted\n"), "{}", ended.err);
    assert!(!ended.err.contains("behind a closed blocking kernel"), "{}", ended.err);
}

#[test]
fn nccl_without_memory_leaves_the_case_out_on_all_ranks() {
    for (variable, phase) in
        [("STANDIN_NCCL_BYTES", "connect the ranks"), ("STANDIN_NCCL_LATE_BYTES", "queue")]
    {
        for rank in [0, 1] {
            let words = "-b all_reduce -b broadcast -b copy --problem-size bytes=64 --problem-size array=1KiB";
            let run = emulated(2, words).env(variable, &format!("2000000000@{rank}"));
            let report = run.passes().report();
            for benchmark in ["all_reduce", "broadcast"] {
                let reason = reason(&report, benchmark);
                for told in [phase, "Failed to CUDA calloc 2000000000 bytes", "has free: 10"] {
                    assert!(reason.contains(told), "no '{told}' in {reason}");
                }
            }
            assert_eq!(report["summary"]["measured"], 1, "{report}");
        }
    }
}

/// NCCL on the other rank knows before the launcher and the watchdog do, but not why.
#[test]
fn a_rank_that_dies_in_the_middle_of_an_exchange_is_what_the_job_ends_with() {
    for (heartbeats, death) in [("on", "3@1"), ("off", "3@1"), ("on", "3@0")] {
        let run = emulated(2, "-b all_reduce --problem-size bytes=64");
        let run = run.arg("--heartbeats").arg(heartbeats).env("STANDIN_NCCL_DEATH", death);
        let ended = run.fails(9);
        assert!(!ended.err.contains("NCCL says"), "{}", ended.err);
    }
}

// ---- Which GPU

#[test]
fn gpus_are_named_by_number_and_by_uuid() {
    let run = |shown: &str| {
        let run = on_standin(COPY).env("STANDIN_DEVICES", "3");
        run.env("CUDA_VISIBLE_DEVICES", shown)
    };
    let uuid = "GPU-7374616e-6469-6e2d-6770-752d3030303";
    for shown in ["2", &format!("{uuid}2"), "2,0", "2,7"] {
        let device = run(shown).passes().report()["environment"]["ranks"][0]["device"].clone();
        assert_eq!(device["uuid"], format!("{uuid}2"), "{shown}");
        assert_eq!(device["pci"], "0000:03:00.0", "{shown}");
    }
    let ended = run("7").fails(6);
    assert!(ended.error().contains("CUDA_VISIBLE_DEVICES hides them"), "{}", ended.err);
}

/// Ranks under a launcher, each of which this shell command makes see its own GPU.
fn with_own_gpu(words: &str, shown: &str) -> Run {
    let words = format!("--iterations 4 --warmup 1 --no-autotune {words}");
    let script = format!("export CUDA_VISIBLE_DEVICES={shown}; exec \"$@\"");
    with_libraries(under_mpirun(2, &words).through(&script), &[everything()])
}

const OWN_RANK: &str = "${OMPI_COMM_WORLD_RANK:-$PMI_RANK}";

#[test]
fn ranks_may_see_their_own_gpu_only() {
    let report = with_own_gpu(SUM, OWN_RANK).env("STANDIN_DEVICES", "2").passes().report();
    all_right(&report);
    let of = |rank: usize| report["environment"]["ranks"][rank]["device"]["pci"].clone();
    assert_eq!((of(0), of(1)), ("0000:01:00.0".into(), "0000:02:00.0".into()));
}

#[test]
fn parts_of_a_gpu_are_named_as_such() {
    let uuid = "MIG-7374616e-6469-6e2d-6d69-672d3030303";
    let part = |run: Run| run.env("STANDIN_MIG", "2").env("STANDIN_NCCL_VERSION", "23007");
    let report = part(on_standin(COPY)).passes().report();
    assert_eq!(report["environment"]["ranks"][0]["device"]["uuid"], format!("{uuid}0"));
    let is_marked = |case: &Value| {
        let caveats = case["caveats"].as_array().unwrap();
        caveats.iter().any(|caveat| caveat["kind"] == "instance")
    };
    assert!(is_marked(&cases(&report)[0]), "{report}");
    assert_eq!(cases(&report)[0]["telemetry"][0]["after"]["temperature_celsius"], 40);
    assert!(!is_marked(&cases(&on_standin(COPY).passes().report())[0]));
    // Two ranks on parts of one GPU; without CUDA_VISIBLE_DEVICES both get the first.
    let two = || part(with_own_gpu(SUM, &format!("{uuid}{OWN_RANK}")));
    let report = two().passes().report();
    all_right(&report);
    let of = |rank: usize| report["environment"]["ranks"][rank]["device"]["uuid"].clone();
    assert_eq!((of(0), of(1)), (format!("{uuid}0").into(), format!("{uuid}1").into()));
    says(two().env("STANDIN_NCCL_VERSION", "22809"), 7, "Duplicate GPU detected");
    says(part(with_own_gpu(SUM, "''")), 6, "ranks 0 and 1 both drive");
}

// ---- Sensors

#[test]
fn power_is_that_of_the_moment_where_nvml_knows_it() {
    for (known, watts, instant) in [
        ("instant", 120.0.into(), true),
        ("mean", 100.0.into(), false),
        ("none", Value::Null, false),
    ] {
        let report = on_standin(COPY).env("STANDIN_POWER", known).passes().report();
        let reading = &cases(&report)[0]["telemetry"][0]["after"];
        assert_eq!(
            (&reading["power_watts"], &reading["power_is_instant"]),
            (&watts, &instant.into())
        );
    }
}

#[test]
fn system_info_warns_of_a_driver_that_goes_to_sleep() {
    let out = |persistent: &str| {
        let run = with_libraries(tesserabench("system-info"), &[everything()]);
        run.env("STANDIN_PERSISTENT", persistent).env("STANDIN_DEVICES", "2").passes().out
    };
    assert!(out("0").contains("persistence mode is off on GPU 0-1"), "{}", out("0"));
    assert!(!out("1").contains("persistence"), "{}", out("1"));
}

#[test]
fn a_rate_that_no_gpu_can_reach_is_no_result() {
    // 16 MB/s of memory; the tensors are beyond the cache.
    let copy = "--backend cuda copy --problem-size array=32MiB";
    let slow = once_on_standin(copy).env("STANDIN_MEMORY_CLOCK", "1000");
    says(slow, 5, "% of what its devices can do (2 x 1 MHz x 64 bits");
    let report = once_on_standin(copy).passes().report();
    let efficiency = &cases(&report)[0]["efficiency"];
    assert_eq!(efficiency["peak"], 160.0, "{efficiency}");
}
