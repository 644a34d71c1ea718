//! Kernels of other people: where they are found, what is wrong with one, and that they are checked, timed and reported.

use serde_json::Value;

use crate::cuda::{all_right, cases, everything, on_standin, with_libraries};
use crate::ranks::{Run, tesserabench, under_mpirun};

/// a = b + 2c, on as many axes as it is given.
const MANIFEST: &str = "\
description: a[i] = b[i] + 2*c[i]
sizes:
  n: {help: elements, default: [1000, 1MiB, 64MiB]}
precisions: [fp32]
flops: 2*n
scalars: {s: 2}
inputs:
  b: {shape: [n], fill: {modulo: 251}}
  c: {shape: [n], fill: {uniform: [-1, 1]}}
outputs: {a: {shape: [n]}}
reference: triad
tolerance: 1
cuda:
  source: mine.cu
  entries: {fp32: mine_f32}
  arguments: [a, b, c, s, n]
  grid: ceil_div(n, 256)
  block: 256
";

const SOURCE: &str = "\
extern \"C\" __global__ void mine_f32(float *a, const float *b, const float *c, float s, unsigned long long n) {
    const unsigned long long block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const unsigned long long thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    const unsigned long long i = block * blockDim.x * blockDim.y * blockDim.z + thread;
    if (i < n) a[i] = b[i] + s * c[i];
}
";

/// With a kernel in this folder.
fn with_kernel(run: Run, folder: &str, manifest: &str) -> Run {
    run.file(&format!("{folder}/bench.yaml"), manifest).file(&format!("{folder}/mine.cu"), SOURCE)
}

fn found(report: &Value) -> Vec<&str> {
    let kernels = report["run"]["kernels"].as_array().unwrap();
    kernels.iter().map(|kernel| kernel["folder"].as_str().unwrap()).collect()
}

#[test]
fn a_kernel_in_a_folder_is_listed_with_its_folder() {
    for folder in ["kernels", "src/kernels", "quasim/kernels", "integrations/kernels"] {
        let run = tesserabench("list-benchmarks --filter mine");
        let listed = with_kernel(run, &format!("{folder}/mine"), MANIFEST).passes().out;
        assert!(listed.contains(&format!("a[i] = b[i] + 2*c[i] ({folder}/mine)")), "{listed}");
        assert!(listed.contains("n: elements [1MiB]"), "{listed}");
    }
    for path in ["far", "far/away"] {
        let run = tesserabench(&format!("list-benchmarks --format json --kernel-path {path}"));
        let listed: Value =
            serde_json::from_str(&with_kernel(run, "far/away", MANIFEST).passes().out).unwrap();
        let own = listed.as_array().unwrap().iter().find(|known| known["name"] == "away").unwrap();
        assert_eq!(own["folder"], "far/away");
    }
    let run = tesserabench("list-benchmarks --config c.yaml --filter mine");
    let run = run.file("c.yaml", "kernel_paths: [far]");
    with_kernel(run, "far/mine", MANIFEST).passes();
}

#[test]
fn a_kernel_in_a_folder_is_checked_timed_and_reported() {
    let run = on_standin("--backend cuda mine --problem-size n=1,1000");
    let report = with_kernel(run, "kernels/mine", MANIFEST).passes().report();
    crate::runs::validate(&report);
    all_right(&report);
    assert_eq!(cases(&report)[1]["id"], "mine/f32/n=1000/world:0");
    assert!(cases(&report)[1]["metrics"]["tflops"].as_f64().unwrap() > 0.0);
    assert_eq!(found(&report), ["kernels/mine"]);
    let content = report["run"]["kernels"][0]["content"].as_str().unwrap();
    assert_eq!(content.len(), 16);
    // Three axes, and more than a GPU has.
    for (grid, block, told) in [
        ("[1, \"ceil_div(n, 256)\"]", "[16, 4, 4]", None),
        ("[1, n, 65]", "[1024, 2]", Some("more than a GPU can start")),
        ("[1, 65536]", "1", Some("more than a GPU can start")),
    ] {
        let of_axes = MANIFEST.replace("grid: ceil_div(n, 256)", &format!("grid: {grid}"));
        let of_axes = of_axes.replace("block: 256", &format!("block: {block}"));
        let run =
            on_standin("--backend cuda mine copy --problem-size n=1000 --problem-size array=1KiB");
        let report = with_kernel(run, "kernels/mine", &of_axes).passes().report();
        let reason = cases(&report)[1]["reason"].as_str();
        let is_told = reason.zip(told).is_some_and(|(reason, told)| reason.contains(told));
        assert!(is_told || reason == told, "{reason:?}");
    }
    // Another text is another kernel.
    let run = on_standin("--backend cuda mine --problem-size n=1");
    let other = MANIFEST.replace("elements", "items");
    let report = with_kernel(run, "kernels/mine", &other).passes().report();
    assert_ne!(report["run"]["kernels"][0]["content"], content);
    // CPUs have no form of it.
    let run = tesserabench("run --backend host mine copy --problem-size small --quick");
    let report = with_kernel(run, "kernels/mine", MANIFEST).passes().report();
    assert_eq!(cases(&report)[1]["reason"], "mine has no form for CPUs");
}

/// The stand-in's compiler makes code that leads to what runs on the CPU, and its driver takes it.
#[test]
fn ready_code_is_loaded_as_it_is() {
    let dump =
        with_libraries(tesserabench("inspect mine --arch sm_90a --dump made"), &[everything()]);
    let made = with_kernel(dump, "kernels/mine", MANIFEST).passes();
    let code =
        |ending: &str| std::fs::read(made.path(&format!("made/mine.sm_90a.{ending}"))).unwrap();
    let with_code = |run: Run, ending: &str, bytes: &[u8]| {
        let manifest = MANIFEST.replace("mine.cu", &format!("mine.{ending}"));
        let bytes = bytes.to_owned();
        let file = format!("kernels/mine/mine.{ending}");
        run.file("kernels/mine/bench.yaml", &manifest)
            .set_up(move |folder| std::fs::write(folder.join(file), bytes).unwrap())
    };
    let words = "--backend cuda mine copy --problem-size n=1000 --problem-size array=1KiB";
    for (ending, compiler) in [("ptx", "the driver, of PTX"), ("cubin", "none, of machine code")] {
        let report = with_code(on_standin(words), ending, &code(ending)).passes().report();
        crate::runs::validate(&report);
        all_right(&report);
        let compile = &cases(&report)[1]["compile"];
        assert_eq!((&compile["compiler"], &compile["registers"]), (&compiler.into(), &16.into()));
        assert_eq!((&compile["level"], &compile["spill_bytes"]), (&Value::Null, &Value::Null));
        let stages = compile["stages"].as_array().unwrap();
        assert_eq!((stages.len(), &stages[0]["stage"]), (1, &"load".into()));
        // Another one's code is another kernel.
        let content = |report: &Value| report["run"]["kernels"][0]["content"].clone();
        let mut other = code(ending);
        other.push(b'\n');
        let changed = with_code(on_standin(words), ending, &other).passes().report();
        assert_ne!(content(&report), content(&changed));
        // A level is for what is compiled.
        let run = on_standin(&format!("{words} --optimization-level O1"));
        let report = with_code(run, ending, &code(ending)).passes().report();
        assert_eq!(cases(&report)[1]["id"], "mine/f32/n=1000/world:0");
    }
    // On another device.
    let old = |ending: &str, told: &str| {
        let run = on_standin(words).env("STANDIN_CAPABILITY", "8");
        let report = with_code(run, ending, &code(ending)).passes().report();
        let reason = cases(&report)[1]["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(told), "{reason}");
    };
    old("ptx", "kernel mine: its PTX is for sm_90a, which does not run on sm_80");
    old("cubin", "kernel mine: its machine code is for sm_90, which does not run on sm_80");
    // What the driver refuses.
    let ptx = String::from_utf8(code("ptx")).unwrap().replace("// standin", "// other");
    let report = with_code(on_standin(words), "ptx", ptx.as_bytes()).passes().report();
    let reason = cases(&report)[1]["reason"].as_str().unwrap();
    assert!(reason.contains("cannot load kernel mine for sm_90a (it is PTX"), "{reason}");
    // What is no such code.
    let cubin = code("cubin");
    for (ending, bytes, told) in [
        ("ptx", &b"int x;"[..], "'source' is 'mine.ptx': it is no PTX"),
        ("ptx", b"\xff", "'source' is 'mine.ptx': it is not UTF-8 text"),
        (
            "ptx",
            b".target sm_80\n.entry other(\n)\n{\n}\n",
            "it has no function 'mine_f32'; it has other",
        ),
        ("cubin", b"int x;", "'source' is 'mine.cubin': it is no machine code for NVIDIA's GPUs"),
        ("cubin", &cubin[..cubin.len() - 1], "'source' is 'mine.cubin': it is a cubin that is cut"),
        ("cubin", b"", "it is no machine code for NVIDIA's GPUs"),
    ] {
        let run = tesserabench("list-benchmarks --kernel-path kernels");
        let ended = with_code(run, ending, bytes).fails(2);
        assert!(ended.err.contains(told), "{told}: {}", ended.err);
        assert_eq!(ended.err.trim().lines().count(), 1, "{}", ended.err);
    }
}

#[test]
fn blocks_are_started_in_clusters_where_there_are_such() {
    let run = |cluster: &str, n: u32| {
        let run = on_standin(&format!("--backend cuda mine copy --problem-size n={n}"));
        let of = MANIFEST.replace("  block: 256", &format!("  block: 256\n  cluster: {cluster}"));
        with_kernel(run, "kernels/mine", &of).arg("--problem-size=array=1KiB")
    };
    let mine = |run: Run| cases(&run.passes().report())[1].clone();
    let right = mine(run("2", 1000));
    assert_eq!((&right["outcome"], &right["accuracy"]["wrong"]), (&"measured".into(), &0.into()));
    // The driver is told.
    for (cluster, code) in [("2", 0), ("4", 7)] {
        let run = on_standin("--backend cuda mine --problem-size n=1000");
        let of = MANIFEST.replace("  block: 256", &format!("  block: 256\n  cluster: {cluster}"));
        let ended = with_kernel(run, "kernels/mine", &of).env("STANDIN_CLUSTER", "2").end();
        assert_eq!(ended.code, Some(code), "{}", ended.err);
    }
    for (cluster, told) in [
        ("[2, 2]", "an axis of the grid has 1 blocks, which is no multiple of the 2"),
        ("n/3", "must be a whole number"),
    ] {
        let ended = run(cluster, 1000).fails(2);
        assert!(ended.error().contains(told), "{}", ended.err);
    }
    let reason = |case: &Value| case["reason"].as_str().unwrap().to_owned();
    let many = reason(&mine(run("16", 4096)));
    assert!(many.contains("clusters of 16 blocks, more than the 8"), "{many}");
    let old = reason(&mine(run("2", 1000).env("STANDIN_CAPABILITY", "8")));
    assert!(old.contains("from compute capability 9.0 on; this one has 8.0"), "{old}");
}

/// The page's function for every type, made of the headers that all kernels may include, in a folder that nobody has named.
#[test]
fn a_template_in_a_folder_is_compiled_for_each_type() {
    let entry = MANIFEST.replace("entries: {fp32: mine_f32}", "entry: mine<T>");
    let manifest = entry
        .replace("[fp32]", "[f32, f64, f16, bf16, fp8e4m3, fp8e5m2, i8, u16, i32, i64]")
        .replace("uniform: [-1, 1]", "modulo: 2")
        .replace("modulo: 251", "modulo: 3")
        .replace("ceil_div(n, 256)", "ceil_div(n*element_bytes, 16384)");
    let precisions = "-pf32,f64,f16,bf16,fp8e4m3,fp8e5m2,i8,u16,i32,i64";
    let run = on_standin("--backend cuda mine --problem-size n=1,1003,40000").arg(precisions);
    let run = with_kernel(run, "kernels/mine", &manifest);
    let report = run.file("kernels/mine/mine.cu", example("cpp")[0]).passes().report();
    all_right(&report);
    assert_eq!(cases(&report).len(), 3 * 10);
    // A function that the source has not.
    let run = on_standin("--backend cuda mine --problem-size n=1");
    let ended = with_kernel(run, "kernels/mine", &entry).fails(7);
    assert!(ended.out.contains("kernel mine does not compile"), "{}", ended.out);
}

#[test]
fn heads_that_cannot_share_and_sizes_of_nothing_are_refused() {
    let sizes = "--problem-size heads=3 --problem-size kv_heads=2";
    let run = tesserabench(&format!("run --backend host -b flash_attention {sizes}"));
    assert!(run.fails(2).error().contains("an argument is 1.5, and must be a whole number"));
    let run = tesserabench("run --backend host -b triad_strided --problem-size stride=0");
    assert!(run.fails(2).error().contains("stride=0 leaves nothing to do"));
}

#[test]
fn wrong_results_of_a_kernel_are_found_and_without_a_reference_that_is_said() {
    let wrong = MANIFEST.replace("[a, b, c, s, n]", "[a, c, b, s, n]");
    let run = on_standin("--backend cuda mine --problem-size n=1000");
    with_kernel(run, "kernels/mine", &wrong).fails(5);
    let unchecked = wrong.replace("reference: triad\ntolerance: 1\n", "");
    let run = on_standin("--backend cuda mine --problem-size n=1000");
    let report = with_kernel(run, "kernels/mine", &unchecked).passes().report();
    let caveats = cases(&report)[0]["caveats"].as_array().unwrap();
    assert!(caveats.iter().any(|caveat| caveat["kind"] == "unchecked"), "{caveats:?}");
    let shapes = MANIFEST.replace("c: {shape: [n]", "c: {shape: [n + 1]");
    let run = on_standin("--backend cuda mine --problem-size n=1000");
    let ended = with_kernel(run, "kernels/mine", &shapes).fails(2);
    assert!(
        ended.error().contains("mine: the shapes of its tensors are not those"),
        "{}",
        ended.err
    );
}

#[test]
fn a_reference_that_looks_up_places_takes_only_its_own_tensors() {
    const EMBEDDING: &str = include_str!("../../kernels/embedding/bench.yaml");
    let run = |manifest: &str| {
        let run = tesserabench("list-benchmarks --kernel-path far");
        run.file("far/mine/bench.yaml", manifest)
            .file("far/mine/kernel.cu", include_str!("../../kernels/embedding/kernel.cu"))
    };
    run(EMBEDDING).passes();
    let far = EMBEDDING.replacen("below: ", "below: 7*", 1);
    assert_ne!(far, EMBEDDING);
    let ended = run(&far).fails(2);
    assert!(
        ended.err.contains(
            "'reference' is 'embedding', which is right for its own sizes, scalars and tensors only"
        ),
        "{}",
        ended.err
    );
    // The programs that are measured beside ours refer to such kernels.
    let peers = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/peers");
    for folder in ["torch", "stream"] {
        tesserabench(&format!("list-benchmarks --kernel-path {peers}/{folder}")).passes();
    }
}

#[test]
fn a_reference_for_other_tensors_is_refused() {
    let program = "sizes: {n: {default: 8}}\ncommand: [\"true\"]\n";
    for (tensors, told) in [
        (
            "inputs: {b: {shape: [n], fill: {modulo: 2}}}\noutputs: {a: {shape: [n]}, c: {shape: [n]}}\nreference: add",
            "'reference' is 'add', which has b of 1 axis, c of 1 axis, output a of 1 axis",
        ),
        (
            "inputs: {a: {shape: [n, 4], fill: {modulo: 2}}, b: {shape: [2, 3], fill: {modulo: 2}}}\n\
             outputs: {c: {shape: [n, 3]}}\nreference: batched_gemm",
            "'reference' is 'batched_gemm', which is right for its own sizes",
        ),
        (
            "inputs: {x: {shape: [n, 4], fill: {modulo: 2}}, c: {shape: [2, 3], fill: {modulo: 2}}, \
             s: {shape: [2, 3], fill: {modulo: 2}}}\noutputs: {y: {shape: [n, 4]}}\nreference: rope",
            "'reference' is 'rope', which is right for its own sizes",
        ),
    ] {
        let run = tesserabench("list-benchmarks --kernel-path far");
        let ended = run.file("far/mine/bench.yaml", &format!("{program}{tensors}\n")).fails(2);
        assert!(ended.err.contains(told), "{}", ended.err);
    }
    // Places that the type does not hold, and more than any memory.
    for (input, code, told) in [
        (
            "{shape: [n], dtype: i8, fill: {below: 100*n}}",
            2,
            "x has 800 places, more than i8 holds",
        ),
        (
            "{shape: [n*2^45], fill: {modulo: 2}}",
            7,
            "not enough free memory: 1 rank would fill 1125899906842624 bytes",
        ),
    ] {
        let manifest = format!("{program}inputs: {{x: {input}}}\n");
        let run = tesserabench("run mine --kernel-path far --backend host --quick");
        let ended = run.file("far/mine/bench.yaml", &manifest).fails(code);
        let told_in = format!("{}{}", ended.out, ended.err);
        assert!(told_in.contains(told), "{told_in}");
    }
}

#[test]
fn many_forms_take_no_memory() {
    let axes: Vec<String> =
        (0..40).map(|axis| format!("x{axis}: [1, 2, 3, 4, 5, 6, 7, 8]")).collect();
    let tuned = format!("{MANIFEST}tune: {{cuda: {{{}}}}}\n", axes.join(", "));
    with_kernel(tesserabench("run mine --dry-run"), "kernels/mine", &tuned).passes();
    let twice = format!("{MANIFEST}tune: {{cuda: {{tile: [1], TILE: [2]}}}}\n");
    let ended =
        with_kernel(tesserabench("list-benchmarks --kernel-path kernels"), "kernels/mine", &twice)
            .fails(2);
    assert!(ended.err.contains("differs in capitals only"), "{}", ended.err);
}

#[test]
fn a_broken_description_is_named_and_the_others_run() {
    for (was, is, expected) in [
        ("sizes:", "size:", "line 2: 'size' is no key here; did you mean 'sizes'?"),
        ("reference: triad", "reference: traid", "line 11: 'reference' is 'traid'"),
        (
            "reference: triad",
            "reference: softmax",
            "'reference' is 'softmax', which has x of 2 axes, output y of 2 axes, 1 scalar",
        ),
        (
            "ceil_div(n, 256)",
            "ceil_div(n, 256",
            "line 17: 'grid': in 'ceil_div(n, 256' it ends at character 16",
        ),
        ("[a, b, c, s, n]", "[a, b, c, s, m]", "line 16: 'arguments' names 'm'"),
        (
            "mine.cu",
            "yours.cu",
            "line 14: 'source' is 'yours.cu': cannot read 'kernels/mine/yours.cu': No such file",
        ),
        (
            "entries:",
            "entry: mine<T>\n  entries:",
            "line 15: 'entry' and 'entries' are both there; leave one out",
        ),
        (
            "  entries: {fp32: mine_f32}\n",
            "",
            "line 14: there is neither 'entry', the function for all types, nor 'entries', one for each",
        ),
        (
            "fp32: mine_f32",
            "f64: mine_f64",
            "line 15: 'entries' has f64, which 'precisions' has not",
        ),
        ("mine.cu", "../mine/mine.cu", "line 14: 'source' is '../mine/mine.cu': it must be a file"),
        ("scalars: {s: 2}", "scalars: {s: two}", "line 6: 's' names 'two', which is no size"),
        ("[fp32]", "[]", "line 4: 'precisions' is empty"),
        ("cuda:", "cudo:", "line 13: 'cudo' is no key here; did you mean 'cuda'?"),
        ("description:", "name: copy\ndescription:", "'copy' is the name of a built-in kernel"),
        ("outputs: {", "outputs: [", "line"),
    ] {
        let broken = MANIFEST.replacen(was, is, 1);
        let others = "run --backend host copy --problem-size small --quick";
        let ended = with_kernel(tesserabench(others), "kernels/mine", &broken).passes();
        let expected = format!("cannot use the kernel 'kernels/mine/bench.yaml': {expected}");
        assert!(
            ended.err.contains("warning") && ended.err.contains(&expected),
            "{is}: {}",
            ended.err
        );
        // Where it was asked for, that is an error: by its name nothing is run, by its path the others are.
        let ended =
            with_kernel(tesserabench("run --backend host mine"), "kernels/mine", &broken).fails(2);
        assert!(ended.error().contains(&expected), "{is}: {}", ended.err);
        let named = tesserabench(&format!("{others} --kernel-path kernels"));
        let report = with_kernel(named, "kernels/mine", &broken).fails(2).report();
        assert_eq!((cases(&report).len(), &cases(&report)[0]["outcome"]), (1, &"measured".into()));
        let refused = report["run"]["kernels"][0]["refused"].as_str().unwrap();
        assert!(refused.contains(&expected), "{refused}");
    }
    let listed = tesserabench("list-benchmarks --kernel-path kernels");
    with_kernel(listed, "kernels/mine", "").fails(2);
    let ended = tesserabench("list-benchmarks --kernel-path empty").file("empty/a", "").fails(2);
    assert!(
        ended.error().contains("'empty': neither it nor a folder in it has a bench.yaml"),
        "{}",
        ended.err
    );
    for (name, told) in [("allreduce", "a built-in benchmark"), ("gemm", "a built-in kernel")] {
        let run = tesserabench(&format!("list-benchmarks --kernel-path far/{name}"));
        let ended = with_kernel(run, &format!("far/{name}"), MANIFEST).fails(2);
        assert!(ended.err.contains(&format!("'{name}' is the name of {told}")), "{}", ended.err);
    }
    // Names from folders cannot control the terminal.
    let run = tesserabench("list-benchmarks --kernel-path far");
    let named = format!("name: own\n{MANIFEST}");
    let ended =
        with_kernel(with_kernel(run, "far/a\u{1b}[31mb", &named), "far/\u{1b}[2Jx", "").fails(2);
    assert!(!ended.out.contains('\u{1b}') && !ended.err.contains('\u{1b}'), "{:?}", ended.err);
    let twice =
        with_kernel(tesserabench("list-benchmarks --filter mine"), "kernels/mine", MANIFEST);
    let ended = with_kernel(twice, "src/kernels/mine", MANIFEST).passes();
    assert!(ended.err.contains("its name is that of 'kernels/mine'"), "{}", ended.err);
}

#[test]
fn a_kernel_that_the_program_has_is_no_stranger() {
    let run = tesserabench("list-benchmarks")
        .file("kernels/copy/bench.yaml", include_str!("../../kernels/copy/bench.yaml"));
    let ended =
        run.file("kernels/copy/kernel.cu", include_str!("../../kernels/copy/kernel.cu")).passes();
    assert_eq!(ended.err, "");
}

#[test]
fn ranks_without_the_kernel_of_rank_0_are_named() {
    let run = |script: &str| {
        let run = under_mpirun(2, "--backend simulated mine --problem-size n=8");
        let run = with_kernel(run, "kernels/mine", MANIFEST);
        let other = MANIFEST.replace("elements", "items");
        with_kernel(run, "other/kernels/mine", &other).through(script)
    };
    run("exec \"$@\"").passes();
    for (folder, why) in
        [("other", "'kernels/mine' is another one"), ("/", "benchmark 'mine' is not known")]
    {
        let ended =
            run(&format!("[ \"$OMPI_COMM_WORLD_RANK$PMI_RANK\" = 0 ] || cd {folder}; exec \"$@\""));
        let ended = ended.end();
        assert!(ended.err.contains("rank 1 on") && ended.err.contains(why), "{}", ended.err);
        assert_ne!(ended.code, Some(0));
    }
}

/// What docs/benchmarks.md shows in blocks of this language.
fn example(language: &str) -> Vec<&'static str> {
    let page = include_str!("../../docs/benchmarks.md");
    let section =
        page.split("\n## ").find(|section| section.starts_with("Your own kernel")).unwrap();
    let blocks = section.split("\n```").skip(1).step_by(2);
    blocks.filter_map(|block| block.strip_prefix(language)).map(str::trim_start).collect()
}

/// A program, with a description of its own.
fn with_program(run: Run, program: &str) -> Run {
    run.file("far/own/bench.yaml", example("yaml")[1]).file("far/own/own.py", program)
}

#[test]
fn the_examples_of_the_page_run() {
    let manifest = example("yaml")[0].replace("scaled_add", "mine_f32");
    let run = on_standin("--backend cuda mine --problem-size n=1000");
    all_right(&with_kernel(run, "kernels/mine", &manifest).passes().report());
    let words = "--backend host own --kernel-path far --iterations 30 --problem-size n=7,1000";
    let ended = with_program(under_mpirun(2, words), example("python")[0]).passes();
    let report = ended.report();
    crate::runs::validate(&report);
    all_right(&report);
    for (case, n) in cases(&report).iter().zip([7, 1000]) {
        // Of both ranks.
        assert_eq!(case["accuracy"]["checked"], 2 * n, "{case}");
        assert_eq!(case["iterations"], 30);
        let marks = case["caveats"].as_array().unwrap();
        assert!(marks.iter().any(|caveat| caveat["kind"] == "self_timed"), "{case}");
        assert!(case["latency"]["median"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(found(&report), ["far/own"]);
}

#[test]
fn a_program_runs_only_from_a_folder_that_is_named() {
    for (folder, path) in [("kernels/own", ""), ("kernels/own", "--kernel-path far")] {
        let run = tesserabench(&format!("run own copy --quick --problem-size small {path}"));
        let run = run.file(&format!("{folder}/bench.yaml"), example("yaml")[1]);
        let run = with_kernel(run, "far/mine", MANIFEST);
        let report = run.file(&format!("{folder}/own.py"), "open('ran', 'w')").passes().report();
        let reason = cases(&report)[1]["reason"].as_str().unwrap();
        assert!(reason.contains("add --kernel-path kernels/own"), "{reason}");
    }
    let dry = tesserabench("run own --dry-run").file("kernels/own/bench.yaml", example("yaml")[1]);
    let dry = dry.passes().out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(dry.contains("programs run only"), "{dry}");
    let listed = tesserabench("list-benchmarks").file("kernels/own/bench.yaml", example("yaml")[1]);
    assert!(listed.passes().out.contains("(kernels/own)"));
}

#[test]
fn what_a_program_is_told() {
    let program = "\
import json, os
told = {name[13:]: value for name, value in os.environ.items() if name.startswith('TESSERABENCH_')}
assert json.loads(told['SIZES']) == {'n': 5}, told
assert (told['RANKS'], told['SEED'], told['ITERATIONS'], told['THREADS'], told['DEVICE']) == ('2', '7', '3', '1', 'cpu'), told
assert told['RANK'] in '01' and told['PRECISION'] == 'f64', told
assert os.environ['OMP_NUM_THREADS'] == '1' and os.environ['PYTHONHASHSEED'] == '7'
assert not any(name.startswith(('OMPI_', 'PMI')) for name in os.environ)
assert os.path.basename(os.getcwd()) == 'own'
for i in range(3):
    print(json.dumps({'latency_ms': 1 + int(told['RANK'])}))
";
    let words =
        "--backend host own --kernel-path far --iterations 3 --problem-size n=5 -p f64 --seed 7";
    let report = with_program(under_mpirun(2, words), program).passes().report();
    let case = &cases(&report)[0];
    // The slowest rank's.
    assert_eq!(case["latency"]["median"], 2.0, "{case}");
    assert_eq!(case["per_rank"][0]["median_ms"], 1.0, "{case}");
    assert!(case["caveats"].as_array().unwrap().iter().any(|caveat| caveat["kind"] == "unchecked"));
}

#[test]
fn what_goes_wrong_with_a_program_is_one_sentence() {
    let times = "[print('{\"latency_ms\": 1}') for _ in range(3)]\n";
    for (program, exit, expected) in [
        ("raise SystemExit(3)", 7, "the program 'own.py' of own ended with exit code 3"),
        (
            "1/0",
            7,
            "ended with exit code 1; the last that it said is: ZeroDivisionError: division by zero",
        ),
        ("import os; os.kill(os.getpid(), 11)", 7, "was ended by signal 11"),
        (
            "print('hello')",
            7,
            "prints 'hello' in line 1; it must print only lines such as {\"latency_ms\": 1.5}",
        ),
        ("print('{\"latency\": 1}')", 7, "prints '{\"latency\": 1}' in line 1"),
        ("print('{\"latency_ms\": -1}')", 7, "prints the latency -1 ms in line 1"),
        ("print('{\"latency_ms\": 1}')", 7, "prints 1 of the 3 latencies"),
        (
            "while True: print('{\"latency_ms\": 1}')",
            7,
            "prints more latencies than the 3 that TESSERABENCH_ITERATIONS asks for",
        ),
        ("print('x' * 1000, flush=True)\nwhile True: pass", 7, "in line 1"),
        (
            "import time; time.sleep(1000)",
            8,
            "hangs beyond the 3 s of --deadline case, in case own/f32/n=5",
        ),
        (
            &format!("{times}print('{{\"output\": [1]}}')"),
            7,
            "prints an output of 1 elements; y has 5",
        ),
        (&format!("{times}print('{{\"output\": [1, 2, 3, 4, 5]}}')"), 5, "5 wrong of 5 elements"),
    ] {
        let words = "run --backend host own --kernel-path far --iterations 3 --problem-size n=5";
        let run = with_program(tesserabench(words), program);
        // On a busy machine others may take as long.
        let run = if exit == 8 { run.arg("--case-timeout=3") } else { run };
        let ended = run.fails(exit);
        assert!(ended.err.contains(expected), "{program}: {}", ended.err);
    }
    // A series starts the ranks, and they the program, each time.
    let words = "run own copy --kernel-path far --iterations 3 --problem-size n=5 --problem-size array=1KiB --launches 2 --ranks 2";
    let report = with_program(tesserabench(words), times).passes().report();
    assert_eq!(cases(&report)[1]["replication"]["launches"].as_array().map(Vec::len), Some(2));
    let simulated =
        tesserabench("run own copy --kernel-path far --backend simulated --problem-size small");
    let report = with_program(simulated, times).passes().report();
    assert_eq!(cases(&report)[1]["reason"], "own is a program, which is not modelled");
    let missing = example("yaml")[1].replace("python3", "no-such-program");
    let run =
        tesserabench("run own --kernel-path far").file("far/own/bench.yaml", &missing).fails(7);
    assert!(run.err.contains("cannot start 'no-such-program'"), "{}", run.err);
}

/// As QuASIM describes it.
const QUASIM: &str = "\
problem_size:
  grid_size: [64, 64]
  max_iterations: 50
  tolerance: 1.0e-5
precisions:
  - fp32
tolerances:
  rmse: 1.0e-3
  relative_error: 1.0e-2
skip_conditions:
  - backend: cuda
    reason: \"CUDA not available\"
    check: \"not torch.cuda.is_available()\"
  - when: max_iterations - 99
    reason: \"too many\"
";

#[test]
fn a_python_function_is_measured_as_a_program() {
    let program = "\
def run_benchmark(grid_size=(1, 1), max_iterations=1):
    print('not a latency')
    assert grid_size == [64, 64], grid_size
    return sum(range(max_iterations))
";
    let words = "run own --backend host --kernel-path integrations/kernels --iterations 4 --problem-size max_iterations=50,100";
    let run = tesserabench(words).file("integrations/kernels/own/poisson.py", program);
    let ended = run.file("integrations/kernels/own/bench.yaml", QUASIM).passes();
    assert_eq!(
        ended.err.matches("own: 'check' in its skip_conditions").count(),
        1,
        "{}",
        ended.err
    );
    let report = ended.report();
    assert_eq!(cases(&report)[0]["outcome"], "measured");
    assert_eq!(cases(&report)[1]["reason"], "own: too many");
    let one = "def run_benchmark(problem_size=1024, iterations=1):\n    assert (problem_size, iterations) == (2048, 1)\n";
    let run = tesserabench("run own --backend host --kernel-path far").file("far/own/it.py", one);
    run.file("far/own/bench.yaml", "problem_size: {size: 2048}").passes();
    // Without a description, too. What it uses is found out.
    for (import, targets) in [("", "cpu"), ("import jax", "both")] {
        let body = if import.is_empty() { "pass" } else { "0" };
        let program = format!(
            "def run_benchmark(iterations=1):\n    {body}\nif False:\n    {import}\n    pass\n"
        );
        let run = on_standin("--backend cuda bare --kernel-path far");
        let report = run.file("far/bare/it.py", &program).end().report();
        let case = &cases(&report)[0];
        match targets {
            "cpu" => assert_eq!(case["reason"], "bare is not for the cuda backend"),
            _ => assert_eq!(case["outcome"], "measured", "{case}"),
        }
    }
}

#[test]
fn a_program_with_numpy_is_checked_where_there_is_numpy() {
    let there = std::process::Command::new("python3").args(["-c", "import numpy"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: Python has no NumPy here");
        return;
    }
    let program = "\
import json, os, time
import numpy
told = os.environ
x = numpy.fromfile(told['TESSERABENCH_INPUTS'] + '/x', dtype=numpy.float32)
for _ in range(int(told['TESSERABENCH_ITERATIONS'])):
    began = time.perf_counter()
    y = x.copy()
    print(json.dumps({'latency_ms': 1e3 * (time.perf_counter() - began)}))
print(json.dumps({'output': y.tolist()}))
";
    let words = "run own --backend host --kernel-path far --iterations 10 --problem-size n=1000";
    all_right(&with_program(tesserabench(words), program).passes().report());
}

#[test]
fn a_folder_that_nobody_has_named_has_no_other_file_read() {
    let linked = tesserabench("list-benchmarks").set_up(|folder| {
        std::fs::create_dir_all(folder.join("kernels/mine")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", folder.join("kernels/mine/bench.yaml"))
            .unwrap();
    });
    let ended = linked.passes();
    assert!(ended.err.contains("name its folder with --kernel-path"), "{}", ended.err);
    assert!(!ended.err.contains("no key here"), "{}", ended.err);
    for (words, told) in
        [("list-benchmarks", true), ("list-benchmarks --kernel-path kernels", false)]
    {
        let run = with_kernel(tesserabench(words), "kernels/mine", MANIFEST);
        let source = format!("#inc\\\nlude \"/etc/hostname\"\n{SOURCE}");
        let ended = run.file("kernels/mine/mine.cu", &source).passes();
        assert_eq!(ended.err.contains("which may lead to other files"), told, "{}", ended.err);
    }
    // Nor does it join a run that names no benchmark.
    let usual = format!("default: true\n{MANIFEST}");
    for (words, joins) in [("run --dry-run", false), ("run --dry-run --kernel-path kernels", true)]
    {
        let run = with_kernel(tesserabench(words), "kernels/mine", &usual);
        assert_eq!(run.passes().out.contains("mine/f32"), joins, "{words}");
    }
}

#[test]
fn a_function_must_take_the_sizes_that_name_its_problem() {
    let run = tesserabench("run --backend host py --kernel-path far --iterations 2 --warmup 0");
    let run = run.file("far/py/bench.yaml", "problem_size: {N: 2000}");
    let ended = run.file("far/py/own.py", "def run_benchmark(n=10):\n    pass\n").end();
    assert_eq!(ended.code, Some(7), "{}", ended.err);
    assert!(
        format!("{}{}", ended.out, ended.err).contains("neither problem_size nor N"),
        "{}",
        ended.out
    );
}
