//! Kernels of other people: where they are found, what is wrong with one, and that they are checked, timed and reported.

use serde_json::Value;

use crate::cuda::{all_right, cases, on_standin};
use crate::ranks::{Run, tesserabench, under_mpirun};

/// a = b + 2c. The stand-in knows the function by its name.
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
output: {name: a, shape: [n]}
reference: triad
tolerance: 1
cuda:
  source: mine.cu
  entries: {fp32: triad_f32}
  arguments: [a, b, c, s, n]
  grid: ceil_div(n, 256)
  block: 256
";

const SOURCE: &str = "\
extern \"C\" __global__ void triad_f32(float *a, const float *b, const float *c, float s, unsigned long long n) {
    const unsigned long long i = blockIdx.x * 256ull + threadIdx.x;
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
fn a_broken_description_is_named_and_the_others_run() {
    for (was, is, expected) in [
        ("sizes:", "size:", "line 2: 'size' is no key here; did you mean 'sizes'?"),
        ("reference: triad", "reference: traid", "line 11: 'reference' is 'traid'"),
        (
            "reference: triad",
            "reference: softmax",
            "'reference' is 'softmax', which has x of 2 axes, y of 2 axes, 0",
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
        ("mine.cu", "../mine/mine.cu", "line 14: 'source' is '../mine/mine.cu': it must be a file"),
        ("scalars: {s: 2}", "scalars: {s: two}", "line 6: 's' is 'two'; it must be a number"),
        ("[fp32]", "[]", "'precisions' is empty"),
        ("description:", "name: copy\ndescription:", "'copy' is the name of a built-in kernel"),
        ("output: {", "output: [", "line"),
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
