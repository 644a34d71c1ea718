//! Machine code of kernels: kept by content, described in reports, and no worse than it was.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tesserabench::benchmark::kernel::{Cuda, KERNELS};

use crate::cuda::{all_right, cases, on_standin, wheel, with_libraries};
use crate::ranks::{Run, tesserabench};

/// What functions have committed to, by name and architecture.
const COMMITTED: &str = "tests/machine-code.json";

/// Kernels whose threads move 16 bytes at once, the widest load of any generation.
const WIDE: [&str; 16] = [
    "add",
    "copy",
    "dot",
    "gelu",
    "layer_norm",
    "mul",
    "norm",
    "reduce_max",
    "reduce_sum",
    "rms_norm",
    "rms_norm_residual",
    "scale",
    "softmax",
    "swiglu",
    "triad",
    "rope",
];

/// Kernels that use tensor cores for narrow types, from Ampere on.
const ON_TENSOR_CORES: [&str; 4] = ["batched_gemm", "conv2d", "flash_attention", "gemm_mma"];

/// What a function may use at most, and which instructions it has at least: loads of 16 bytes or more, products on tensor
/// cores, copies that no thread waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Limits {
    registers: u64,
    stack_bytes: u64,
    spill_bytes: u64,
    wide_loads: u64,
    tensor: u64,
    async_copies: u64,
}

/// The program with NVIDIA's compiler and disassembler, and nothing else of theirs.
fn with_compiler(words: &str) -> Run {
    let disassembler = wheel("nvdisasm/bin");
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", disassembler.display());
    with_libraries(tesserabench(words), &[&wheel("nvrtc/lib")]).env("PATH", &path)
}

fn limits(function: &Value) -> Limits {
    let count = |key: &str| function[key].as_u64().unwrap();
    let loads = &function["sass"]["global_loads"];
    let class = |class: &str| function["sass"]["classes"][class].as_u64().unwrap_or(0);
    Limits {
        registers: count("registers"),
        stack_bytes: count("stack_bytes"),
        spill_bytes: count("spill_bytes"),
        // Blackwell has some of 32.
        wide_loads: ["16", "32"].map(|width| loads[width].as_u64().unwrap_or(0)).iter().sum(),
        tensor: class("tensor"),
        async_copies: class("async_copy"),
    }
}

#[test]
#[ignore = "it compiles every kernel four times, which takes minutes: scripts/test inspect"]
fn machine_code_of_four_generations_is_no_worse_than_it_was() {
    let words = "inspect --format json --arch sm_75,sm_80,sm_90a,sm_100a";
    let ended = with_compiler(words).passes();
    let facts: Value = serde_json::from_str(&ended.out).unwrap();
    let functions = facts["functions"].as_array().unwrap();
    let own = KERNELS.iter().filter_map(|kernel| match &kernel.cuda {
        Some(Cuda::Own(own)) => Some(own.entries.iter().map(|(_, entry)| entry).collect()),
        _ => None,
    });
    let entries: usize = own.map(|entries: std::collections::HashSet<_>| entries.len()).sum();
    // With the blocking kernel's, that of the clock's step, and that of copies.
    assert_eq!(functions.len(), 4 * (3 + entries));
    let mut found: BTreeMap<String, BTreeMap<String, Limits>> = BTreeMap::new();
    for function in functions {
        let of = |key: &str| function[key].as_str().unwrap().to_owned();
        let sass = &function["sass"];
        // Of an empty kernel there is hardly anything.
        let least = if of("kernel").starts_with("launch_") { 0 } else { 10 };
        assert!(sass["instructions"].as_u64().unwrap() > least, "{function}");
        assert_eq!(sass["classes"].get("local"), None, "local memory: {function}");
        assert_eq!(function["spill_bytes"], 0, "{function}");
        let limits = limits(function);
        if WIDE.contains(&function["kernel"].as_str().unwrap()) {
            assert!(limits.wide_loads > 0, "no loads of 16 bytes: {function}");
        }
        let is_of = |types: &[&str]| {
            types.iter().any(|name| of("function").ends_with(&format!("<{name}>")))
        };
        let kernel = of("kernel");
        if ON_TENSOR_CORES.contains(&kernel.as_str()) && of("arch") != "sm_75" {
            let feeds = sass["opcodes"]["LDSM"].as_u64().unwrap_or(0);
            let is_narrow = is_of(&["f16", "bf16", "e4m3", "e5m2"]);
            assert_eq!(is_narrow, limits.tensor > 0 && feeds > 0, "tensor cores: {function}");
            // 8-bit floats become f16 on their way to shared memory.
            assert_eq!(is_of(&["f16", "bf16"]), limits.async_copies > 0, "copies: {function}");
        }
        found.entry(of("function")).or_default().insert(of("arch"), limits);
    }
    if std::env::var_os("UPDATE_MACHINE_CODE").is_some() {
        // A line for each function, so that a difference shows which.
        let line =
            |(name, limits)| format!("  {name:?}: {}", serde_json::to_string(limits).unwrap());
        let lines: Vec<String> = found.iter().map(line).collect();
        std::fs::write(COMMITTED, format!("{{\n{}\n}}\n", lines.join(",\n"))).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap();
    let committed: BTreeMap<String, BTreeMap<String, Limits>> =
        serde_json::from_str(&committed).unwrap();
    let wrong: Vec<String> = worse(&committed, &found);
    assert!(
        wrong.is_empty(),
        "{}\nUPDATE_MACHINE_CODE=1 scripts/test inspect commits to what was found",
        wrong.join("\n")
    );
}

/// In which ways what was found is worse than what was committed to.
fn worse(
    committed: &BTreeMap<String, BTreeMap<String, Limits>>,
    found: &BTreeMap<String, BTreeMap<String, Limits>>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for name in committed.keys().chain(found.keys()).collect::<std::collections::BTreeSet<_>>() {
        let (Some(before), Some(now)) = (committed.get(name), found.get(name)) else {
            wrong.push(format!("{name} is only in one of {COMMITTED} and the program"));
            continue;
        };
        for (arch, now) in now {
            let is_worse = |before: &Limits| {
                now.registers > before.registers
                    || now.stack_bytes > before.stack_bytes
                    || now.spill_bytes > before.spill_bytes
                    || now.wide_loads < before.wide_loads
                    || now.tensor < before.tensor
                    || now.async_copies < before.async_copies
            };
            if before.get(arch).is_none_or(is_worse) {
                wrong.push(format!("{name} {arch}: {now:?}, committed {:?}", before.get(arch)));
            }
        }
    }
    wrong
}

#[test]
fn worse_machine_code_is_seen() {
    let limits = Limits {
        registers: 30,
        stack_bytes: 0,
        spill_bytes: 0,
        wide_loads: 4,
        tensor: 2,
        async_copies: 1,
    };
    let of =
        |limits| BTreeMap::from([("f".to_owned(), BTreeMap::from([("sm_80".to_owned(), limits)]))]);
    let check = |now| worse(&of(limits), &of(now)).len();
    assert_eq!(check(limits), 0);
    assert_eq!(check(Limits { registers: 29, wide_loads: 5, ..limits }), 0);
    assert_eq!(check(Limits { registers: 31, ..limits }), 1);
    assert_eq!(check(Limits { stack_bytes: 8, ..limits }), 1);
    assert_eq!(check(Limits { spill_bytes: 8, ..limits }), 1);
    assert_eq!(check(Limits { wide_loads: 3, ..limits }), 1);
    assert_eq!(check(Limits { tensor: 1, ..limits }), 1);
    assert_eq!(check(Limits { async_copies: 0, ..limits }), 1);
    assert_eq!(worse(&of(limits), &BTreeMap::new()).len(), 1);
}

#[test]
fn a_kernel_is_followed_to_its_machine_code() {
    let words =
        "inspect gelu gemm --arch sm_90a --problem-size array=1MiB --dump stages --format json";
    let ended = with_compiler(words).passes();
    let facts: Value = serde_json::from_str(&ended.out).unwrap();
    let case = &facts["cases"][0];
    assert_eq!(case["graph"]["bytes"], 2 << 20, "{case}");
    let schedule = &case["schedule"][0];
    assert_eq!(schedule["grid"][0], 64, "{case}");
    // 132 multiprocessors hold more blocks than there are.
    assert!(schedule["waves"].as_f64().unwrap() < 1.0, "{case}");
    let memory = case["graph"]["minimum"][0]["memory_ms"].as_f64().unwrap();
    assert!((memory - 2_097_152.0 / 3350e9 * 1e3).abs() < 1e-9, "{case}");
    // cuBLASLt's own kernels are not looked into.
    assert_eq!(facts["cases"][1]["schedule"], serde_json::json!([]));
    let functions = facts["functions"].as_array().unwrap();
    assert!(functions.iter().all(|function| function["kernel"] == "gelu"), "{facts}");
    for function in functions {
        assert!(function["ptx"]["operations"]["ld.global"].as_u64().unwrap() > 0, "{function}");
        let stages: Vec<&str> = function["stages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["stage"].as_str().unwrap())
            .collect();
        assert_eq!(stages, ["render", "front_end", "nvvm", "ptxas", "other"]);
    }
    let dumped = |name: &str| ended.path("stages").join(name);
    for name in
        ["gelu.cu", "gelu.sm_90a.ptx", "gelu.sm_90a.cubin", "gelu.sm_90a.sass", "inspection.json"]
    {
        assert!(dumped(name).metadata().unwrap().len() > 100, "{name}");
    }
    let cubin = std::fs::read(dumped("gelu.sm_90a.cubin")).unwrap();
    assert_eq!(&cubin[..4], b"\x7fELF");
}

/// NVIDIA's own PTX and machine code, as somebody else's kernel.
#[test]
fn ready_code_is_looked_into() {
    let made = with_compiler("inspect copy --arch sm_80,sm_90a --dump stages").passes();
    let code = |ending: &str| std::fs::read(made.path("stages").join(ending)).unwrap();
    let (ptx, cubin) = (code("copy.sm_80.ptx"), code("copy.sm_90a.cubin"));
    let text = String::from_utf8(ptx.clone()).unwrap();
    let entry = text.lines().find_map(|line| line.split_once(".entry ")).unwrap().1;
    let entry = entry.trim_end_matches('(').to_owned();
    for (ending, bytes, archs) in
        [("ptx", ptx, &["sm_80", "sm_90a"][..]), ("cubin", cubin, &["sm_90a"])]
    {
        let manifest = include_str!("../../kernels/copy/bench.yaml")
            .replace("kernel.cu", &format!("mine.{ending}"))
            .replace("entry: copy<T>", &format!("entry: {entry}"));
        let words = "inspect mine --arch sm_80,sm_90a --format json";
        let run = with_compiler(words).file("kernels/mine/bench.yaml", &manifest);
        let file = format!("kernels/mine/mine.{ending}");
        let run = run.set_up(move |folder| std::fs::write(folder.join(file), bytes).unwrap());
        let facts: Value = serde_json::from_str(&run.passes().out).unwrap();
        let functions = facts["functions"].as_array().unwrap();
        let found: Vec<&str> = functions.iter().map(|it| it["arch"].as_str().unwrap()).collect();
        assert_eq!(found, archs);
        for function in functions {
            assert_eq!(function["function"], *entry, "{function}");
            assert!(function.get("registers").is_none(), "{function}");
            let of = if ending == "ptx" { "ptx" } else { "sass" };
            assert!(function[of]["instructions"].as_u64().unwrap() > 10, "{function}");
        }
    }
}

#[test]
fn without_a_compiler_or_a_disassembler_it_is_one_sentence() {
    let unknown = with_compiler("inspect gelu --arch sm_1").fails(6);
    assert!(unknown.error().contains("does not compile for sm_1"), "{}", unknown.err);
    let ended = tesserabench("inspect").fails(6);
    assert!(ended.error().contains("NVRTC cannot be loaded"), "{}", ended.err);
    let compiler = wheel("nvrtc/lib");
    let run = with_libraries(tesserabench("inspect gelu --arch sm_80 --format json"), &[&compiler]);
    let ended = run.env("PATH", "/nowhere").passes();
    assert_eq!(ended.err.matches("nvdisasm is not on PATH").count(), 1, "{}", ended.err);
    let facts: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(facts["functions"][0]["sass"], Value::Null);
    let ended = tesserabench("inspect all_reduce").fails(2);
    assert!(ended.error().contains("all_reduce is no kernel"), "{}", ended.err);
}

const GELU: &str = "--backend cuda -b gelu --problem-size array=64KiB --force";

#[test]
fn machine_code_is_kept_and_what_is_damaged_is_made_anew() {
    let compile = |ended: &crate::ranks::Ended| {
        let report = ended.report();
        all_right(&report);
        crate::runs::validate(&report);
        cases(&report)[0]["compile"].clone()
    };
    let entries = |ended: &crate::ranks::Ended| {
        let folder = ended.path("cache").join("machine-code");
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let ended = on_standin(GELU).passes();
    let made = compile(&ended);
    assert_eq!(made["cached"], false, "{made}");
    let stages = ["render", "front_end", "nvvm", "ptxas", "other", "load"];
    let of = |compile: &Value| -> Vec<String> {
        let stages = compile["stages"].as_array().unwrap().iter();
        stages.map(|it| it["stage"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of(&made), stages);
    assert_eq!((&made["registers"], &made["threads"]), (&16.into(), &256.into()), "{made}");
    // Those of the stand-in, which counts threads only.
    assert_eq!((&made["driver_blocks"], &made["occupancy"]["blocks"]), (&8.into(), &8.into()));
    // The blocking kernel, and the step of the clock, too.
    assert_eq!(entries(&ended).len(), 3);
    let ended = on_standin(GELU).after(ended).passes();
    let kept = compile(&ended);
    assert_eq!(kept["cached"], true, "{kept}");
    assert_eq!(of(&kept), stages);
    for path in entries(&ended) {
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let ended = on_standin(GELU).after(ended).passes();
    assert_eq!(compile(&ended)["cached"], false);
    // Another level is other machine code, and another case.
    let levels = on_standin(&format!("{GELU} --optimization-level O1,O3")).after(ended).passes();
    let report = levels.report();
    let of = |case: &Value| {
        (case["id"].clone(), case["compile"]["level"].clone(), case["compile"]["cached"].clone())
    };
    let found: Vec<_> = cases(&report).iter().map(of).collect();
    let id = |keys: &str| Value::from(format!("gelu/f32/{keys}/world:0"));
    assert_eq!(
        found,
        [
            (id("array=65536,optimization=O1"), "O1".into(), false.into()),
            (id("array=65536"), "O3".into(), true.into())
        ]
    );
    assert_eq!(entries(&levels).len(), 4);
    let clean = |words: &str, ended| {
        let run = with_libraries(tesserabench(words), &[Path::new("/nowhere")]);
        run.after(ended).passes()
    };
    let kept = clean("clean-cache", levels);
    assert!(kept.out.contains("removed 0 files"), "{}", kept.out);
    let dry = clean("clean-cache --older-than 0 --dry-run", kept);
    assert!(dry.out.contains("would remove 4 files"), "{}", dry.out);
    let gone = clean("clean-cache --older-than 0 --cache-dir cache", dry);
    assert!(gone.out.contains("removed 4 files"), "{}", gone.out);
    assert_eq!(entries(&gone), [] as [std::path::PathBuf; 0]);
}

#[test]
fn without_a_cache_and_with_an_old_compiler_it_works_and_is_said() {
    let run = on_standin(GELU).env("TESSERABENCH_CACHE_DIR", "open").set_up(|folder| {
        let open = folder.join("open");
        std::fs::create_dir(&open).unwrap();
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(open, std::fs::Permissions::from_mode(0o777)).unwrap();
    });
    let ended = run.env("STANDIN_OLD_COMPILER", "1").passes();
    all_right(&ended.report());
    assert_eq!(ended.err.matches("compiled anew each time").count(), 1, "{}", ended.err);
    let stages = ended.report()["cases"][0]["compile"]["stages"].clone();
    let stages: Vec<&str> =
        stages.as_array().unwrap().iter().map(|it| it["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["render", "other", "load"]);
}

#[test]
fn levels_without_anything_to_compile_are_refused() {
    let ended = tesserabench("run -b barrier --optimization-level O1").fails(2);
    assert!(ended.error().contains("none is chosen"), "{}", ended.err);
    let ended = tesserabench("run -b gelu --optimization-level O9").fails(2);
    assert!(ended.error().contains("optimization=O9 is not possible"), "{}", ended.err);
    let words = "run --quick -b gelu --problem-size array=1KiB --optimization-level O1";
    let ended = tesserabench(words).fails(7);
    let report = ended.report();
    let reason = report["cases"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("the host backend compiles nothing"), "{reason}");
}
