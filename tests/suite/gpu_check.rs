//! `scripts/gpu-check` on the stand-in of a GPU, with scripts in `gpu_check/` in place of NVIDIA's tools and of PyTorch.
//! `system-info --self-check` beside it.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::cuda::{NAMES, everything, folder, link, with_libraries};
use crate::ranks::{Run, tesserabench};

const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/gpu_check");
const PROFILERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/profilers");

/// The script with these words, where all is small and nothing is in a hurry; its output, and its folder.
fn gpu_check(words: &str, variables: &[(&str, &str)]) -> (Output, tempfile::TempDir) {
    let output = tempfile::tempdir().unwrap();
    let bundle = output.path().join("bundle");
    std::fs::create_dir_all(&bundle).unwrap();
    std::fs::write(bundle.join("COMMIT"), "none").unwrap();
    symlink(env!("CARGO_BIN_EXE_tesserabench"), bundle.join("tesserabench")).unwrap();
    std::fs::copy("scripts/peers/torch_rates.py", bundle.join("torch_rates.py")).unwrap();
    let path = format!("{TOOLS}:{PROFILERS}:{}", std::env::var("PATH").unwrap());
    let _turn = crate::ranks::turn();
    let ended = Command::new("scripts/gpu-check")
        .args(["--rehearse", "--patience=10", "--bundle"])
        .arg(&bundle)
        .arg("--output")
        .arg(output.path())
        .args(words.split_whitespace())
        .env("PATH", path)
        .env("PYTHONPATH", TOOLS)
        .env("LD_LIBRARY_PATH", everything())
        .env("STANDIN_ENERGY", "1")
        .env("TESSERABENCH_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"))
        .env("OMPI_MCA_mpi_yield_when_idle", "1")
        .env_remove("CUDA_VISIBLE_DEVICES")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    (ended, output)
}

/// The outcomes of the checks, in their order.
fn outcomes(output: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(output.join("results.json")).unwrap();
    let record: Value = serde_json::from_str(&text).unwrap();
    let checks = record["checks"].as_array().unwrap().iter();
    checks.map(|check| check["outcome"].as_str().unwrap().to_owned()).collect()
}

/// All of these checks pass.
fn pass(checks: &str, variables: &[(&str, &str)]) -> tempfile::TempDir {
    let (ended, output) = gpu_check(&format!("--budget=3600 --only={checks}"), variables);
    let out = String::from_utf8_lossy(&ended.stdout);
    let err = String::from_utf8_lossy(&ended.stderr);
    let logs = std::fs::read_to_string(output.path().join("logs.txt")).unwrap_or_default();
    assert!(ended.status.success(), "{out}{err}\n{logs}");
    let passed = vec!["passed"; checks.split(',').count()];
    assert_eq!(outcomes(output.path()), passed, "{out}\n{logs}");
    output
}

#[test]
fn the_checks_pass_where_speed_does_not_matter() {
    pass(
        "machine,system-info,self-check,kernels,all-reduce-2,shared-gpu-refused,wrong-element,kill,operators,patterns-2",
        &[],
    );
}

#[test]
fn rates_stand_beside_one_process_of_pytorch_and_below_what_the_hardware_allows() {
    let output = pass("telemetry,copy,gemm-f32,gemm-bf16,triad", &[]);
    let table = std::fs::read_to_string(output.path().join("table.md")).unwrap();
    assert!(table.contains("a rehearsal") && table.contains("torch 0.0"), "{table}");
    // The small arrays of a rehearsal lie in the cache, whose peak is not known.
    assert_eq!(
        (table.matches(", ceiling ").count(), table.matches(", ceiling unknown").count()),
        (4, 2),
        "{table}"
    );
}

/// They let one kernel run at a time, under which none may wait for the host.
#[test]
fn nvidia_s_tools_run_the_program() {
    pass("sanitizer,debugger,nsys,ncu", &[]);
}

#[test]
fn an_instance_of_a_gpu_is_checked_though_nvidia_smi_knows_little_of_it() {
    let instance = "MIG-7374616e-6469-6e2d-6d69-672d30303030";
    let variables = [
        ("CUDA_VISIBLE_DEVICES", instance),
        ("FAKE_INSTANCE", instance),
        ("STANDIN_MIG", "1"),
        ("FAKE_POWER", "[N/A]"),
    ];
    pass("system-info,telemetry", &variables);
}

#[test]
fn what_there_was_no_time_for_is_not_passed() {
    // However fast the machine is: the hanging run alone takes longer.
    let (ended, output) = gpu_check("--budget=14 --only=hang,telemetry", &[]);
    let out = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.status.code(), Some(4), "{out}");
    assert_eq!(outcomes(output.path()), ["not run", "not run"], "{out}");
    assert!(out.contains("2 not run"), "{out}");
    let (ended, output) = gpu_check("--only=system-info", &[("FAKE_NAME", "Another GPU")]);
    let out = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.status.code(), Some(1), "{out}");
    assert_eq!(outcomes(output.path()), ["failed"], "{out}");
}

#[test]
fn without_a_gpu_nothing_is_passed() {
    let (ended, output) = gpu_check("--only=machine,kill", &[("CUDA_VISIBLE_DEVICES", "")]);
    let out = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.status.code(), Some(6), "{out}");
    assert_eq!(outcomes(output.path()), ["skipped", "skipped"], "{out}");
    assert!(out.contains("it would do this: kill one of 2 ranks"), "{out}");
    for words in ["--only=nothing", "--binary=x"] {
        assert_eq!(gpu_check(words, &[]).0.status.code(), Some(2));
    }
}

fn self_check(words: &str) -> Run {
    tesserabench(&format!("system-info --self-check {words}"))
}

/// The checks of each device as name and outcome, and the exit code that is told.
fn checked(out: &str) -> (Vec<Vec<(String, String)>>, i64) {
    let whole: Value = serde_json::from_str(out).unwrap();
    let word = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
    let of = |device: &Value| {
        let checks = device["checks"].as_array().unwrap().iter();
        checks.map(|check| (word(check, "name"), word(check, "outcome"))).collect()
    };
    let devices = whole["devices"].as_array().unwrap().iter().map(of).collect();
    (devices, whole["exit"].as_i64().unwrap())
}

#[test]
fn cpus_check_themselves_where_there_is_no_gpu() {
    let ended = self_check("").passes();
    for line in
        ["ok       triad", "ok       gemm", "ok       clock", "not run  all_reduce", "not run  GPU"]
    {
        assert!(ended.out.contains(line), "{line}: {}", ended.out);
    }
    // A wrong file of the user's has no part in it.
    let ended = self_check("--format json").env("TESSERABENCH_CONFIG", "none.yaml").passes();
    let (devices, exit) = checked(&ended.out);
    assert_eq!((devices.len(), exit), (1, 0), "{}", ended.out);
    // What is wrong is told, and where the report of it is.
    let ended = self_check("").fault("wrong@0:verify@copy*").fails(5);
    assert!(
        ended.out.contains("failed   copy          1 wrong of 262144 elements"),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("ok       triad"), "{}", ended.out);
    let kept = ended.out.lines().find_map(|line| line.split_once("its report: ")).unwrap().1;
    let kept = Path::new(kept.trim());
    assert!(kept.exists(), "{kept:?}");
    std::fs::remove_dir_all(kept.parent().unwrap()).unwrap();
}

#[test]
fn each_gpu_checks_itself() {
    let run = |words: &str| with_libraries(self_check(words), &[everything()]);
    let ended = run("--format json").env("STANDIN_DEVICES", "2").passes();
    let (devices, exit) = checked(&ended.out);
    assert_eq!((devices.len(), exit), (2, 0), "{}", ended.out);
    let names = ["triad", "copy", "gemm", "all_reduce", "device clock", "events", "telemetry"];
    for device in devices {
        assert_eq!(device.len(), names.len(), "{device:?}");
        assert!(
            names.iter().all(|name| device.contains(&((*name).into(), "ok".into()))),
            "{device:?}"
        );
    }
    // What is not there cannot be checked, and is no failure.
    let some = folder("standin-without-libraries");
    link(&some, &everything().join("standin.so"), &NAMES[..2]);
    let ended = with_libraries(self_check(""), &[&some]).passes();
    for line in [
        "ok       triad",
        "not run  gemm",
        "not run  all_reduce",
        "not run  device clock",
        "not run  telemetry",
    ] {
        assert!(ended.out.contains(line), "{line}: {}", ended.out);
    }
    // Without a compiler nothing runs.
    let none = folder("standin-without-compiler");
    link(&none, &everything().join("standin.so"), &NAMES[..1]);
    let ended = with_libraries(self_check(""), &[&none]).fails(6);
    assert!(ended.out.contains("failed   run"), "{}", ended.out);
}
