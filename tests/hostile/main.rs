//! Input that is small and asks for much: refused, or done, in bounded memory and processor time.
//!
//! A binary of its own, because it counts all that is allocated.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "what each input took is the record")]
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use tesserabench::analysis::{self, Limits, Reports};
use tesserabench::import::{Asked, FILE_LIMIT, File, import};
use tesserabench::machine::topology::Topology;
use tesserabench::plan::Plan;
use tesserabench::plan::config::Config;
use tesserabench::plan::place::Place;
use tesserabench::report::Report;
use tesserabench::run::journal::{Journal, Recovered};

/// Most bytes that may be allocated at a time for small input; what is read included.
const PEAK_LIMIT: usize = 1 << 30;

/// Most bytes that may be allocated at a time for each byte of a long file, which is far from small.
const PEAK_FACTOR: usize = 20;

/// Most time of the processor that one of these may take: other programs and pauses of the machine do not count.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// What this process has had of the processors.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap()
}

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted; what would be too much is refused, which ends the test.
struct Counting;

// SAFETY: all is done by the system's allocator; a null pointer says that there is no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        if layout.size() > 4 * PEAK_LIMIT {
            return std::ptr::null_mut();
        }
        // SAFETY: as the caller was asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller was asked for.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Does it, and expects it to end with this in its one sentence; with anything when that is empty.
fn bounded(what: &str, limit: usize, expected: &str, work: impl FnOnce() -> Result<(), String>) {
    let (before, began) = (NOW.load(Relaxed), processor_time());
    PEAK.store(before, Relaxed);
    let ended = work().err().unwrap_or_default();
    let (peak, took) = (PEAK.load(Relaxed) - before, processor_time() - began);
    println!("{:>6} MiB {:>6} ms  {what}", peak >> 20, took.as_millis());
    assert!(ended.contains(expected), "{what}: {}", ended.chars().take(500).collect::<String>());
    assert!(!ended.contains('\n'), "{what}: {ended:?}");
    assert!(peak <= limit, "{what} takes {peak} bytes, more than {limit}");
    assert!(took <= TIME_LIMIT, "{what} takes {took:?}");
}

struct Files(tempfile::TempDir);

impl Files {
    fn with(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn plan(config: &Path, ranks: usize) -> Result<(), String> {
    let config = Config::load(config).map_err(|why| why.message)?;
    let plan = Plan::resolve(&config, &Place::on_one_node(ranks)).map_err(|why| why.message)?;
    for case in &plan.cases {
        case.work.footprint(case.group.ranks.len());
        case.work.counts(case.group.ranks.len());
    }
    Ok(())
}

/// `count` numbers from 0, each `step` further, parted by `with`.
fn numbers(count: usize, step: usize, with: &str) -> String {
    (0..count).map(|i| (i * step).to_string()).collect::<Vec<_>>().join(with)
}

#[test]
fn small_input_does_not_take_much() {
    let files = Files(tempfile::tempdir().unwrap());
    configurations(&files);
    imports(&files);
    others(&files);
    many_cases(&files);
}

/// A report of so many cases of one problem, each of another group.
fn of_cases(files: &Files, cases: usize) -> PathBuf {
    let path = files.0.path().join("measured.json");
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_tesserabench"));
    run.args(["run", "--backend", "simulated", "-b", "gemm", "--problem-size", "m=64", "-q"]);
    assert!(run.args(["--force", "-o"]).arg(&path).output().unwrap().status.success());
    let mut report: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let one = report["cases"][0].clone();
    let of = |rank: usize| {
        let mut case = one.clone();
        case["id"] = format!("gemm/f32/m=64/world:{rank}").into();
        case["participants"][0] = rank.into();
        case
    };
    report["cases"] = (0..cases).map(of).collect();
    report["summary"]["cases"] = cases.into();
    report["summary"]["measured"] = cases.into();
    files.with(&format!("{cases}.json"), report.to_string())
}

/// Reading reports together takes work and memory as there are cases in them.
fn many_cases(files: &Files) {
    let survey = |path: &Path| {
        let (before, began) = (NOW.load(Relaxed), processor_time());
        PEAK.store(before, Relaxed);
        let reports = [Report::load(path).unwrap()];
        let name = [path.display().to_string()];
        let limits = Limits::default();
        let analysis = analysis::survey(Reports { files: &name, reports: &reports }, &limits);
        assert_eq!(analysis.cases.len(), reports[0].cases.len());
        let size = std::fs::metadata(path).unwrap().len() as usize;
        ((PEAK.load(Relaxed) - before) as f64 / size as f64, processor_time() - began)
    };
    let paths = [2000, 8000].map(|cases| of_cases(files, cases));
    let [few, many] = paths.map(|path| {
        let tries: Vec<_> = (0..3).map(|_| survey(&path)).collect();
        let least = tries.iter().map(|(_, took)| *took).min().unwrap();
        (tries[0].0, least)
    });
    println!("{:.1} times the file, {:?} for four times {:?}", many.0, many.1, few.1);
    assert!(many.0 <= 4.5, "a report takes {:.1} times its file", many.0);
    assert!(many.1 < 8 * few.1, "four times the cases take {:?} for {:?}", many.1, few.1);
}

fn configurations(files: &Files) {
    let asked = |what: &str, yaml: String, ranks: usize, expected: &str| {
        let file = files.with("c.yaml", yaml);
        bounded(what, PEAK_LIMIT, expected, || plan(&file, ranks));
    };
    let plain = || "{}".to_owned();
    asked("10^9 ranks", plain(), 1_000_000_000, "at most 1048576 ranks");
    asked(
        "all ranks there are",
        "mesh: {shape: 'tp=8,dp=131072'}".to_owned(),
        usize::MAX,
        "at most 1048576 ranks",
    );
    asked(
        "a mesh of 2^20 ranks",
        "mesh: {shape: 'tp=1024,dp=1024', axes: [tp, dp]}\nbenchmarks: {barrier: }".to_owned(),
        1 << 20,
        "",
    );
    asked(
        "a mesh beyond counting",
        "mesh: {shape: 'tp=4294967296,dp=4294967296'}".to_owned(),
        8,
        "too many",
    );
    asked(
        "pairs of 10^6 ranks",
        "mesh: {pairs: all}\nbenchmarks: {latency: }".to_owned(),
        1_000_000,
        "more than 100000",
    );
    let ranges = "0..5000+1,".repeat(90_000);
    asked(
        "many ranges",
        format!("benchmarks: {{all_reduce: {{bytes: '{ranges}8'}}}}"),
        2,
        "more than 10000 values",
    );
    asked(
        "many counts",
        format!("benchmarks: {{all_reduce: {{aggregate: '{}1'}}}}", "1..1024+1,".repeat(90_000)),
        2,
        "more than 10000 values",
    );
    let sides = "{m: '1..9000+1', n: '1..9000+1', k: '1..9000+1'}";
    asked(
        "a product of ranges",
        format!("benchmarks: {{gemm: {sides}}}"),
        2,
        "more than 100000 problems",
    );
    let (words, names) = ("out,".repeat(100_000), "f32,".repeat(100_000));
    asked(
        "the same again and again",
        format!(
            "precision_policies: [{names}]\nbenchmarks: {{all_reduce: {{placement: '{words}in', bytes: '{}8'}}}}",
            "8,".repeat(9_000)
        ),
        2,
        "",
    );
    asked(
        "many axes",
        format!("mesh: {{axes: [{}world]}}", "world,".repeat(100_000)),
        65_536,
        "members",
    );
    asked(
        "many groups",
        format!("mesh: {{groups: '{}0'}}", "0-65535,".repeat(100_000)),
        65_536,
        "members",
    );
    asked(
        "a group of single ranks",
        format!("mesh: {{groups: '{}'}}\nbenchmarks: {{barrier: }}", numbers(100_000, 2, "+")),
        1 << 20,
        "",
    );
    asked(
        "many sizes on many ranks",
        "benchmarks: {all_reduce: {bytes: '8..40000+8'}}".to_owned(),
        65_536,
        "members",
    );
    asked(
        "an order of many axes",
        format!("mesh: {{shape: 'tp=2', order: 'tp-{}x'}}", numbers(150_000, 1, "-")),
        2,
        "more than 32 axes",
    );
    let (a, b) = ("a".repeat(500_000), "b".repeat(500_000));
    asked(
        "long names",
        format!("mesh: {{shape: '{a}=2', order: '{b}'}}"),
        2,
        "is not in the order",
    );
    asked("a long benchmark", format!("benchmarks: {{{a}: }}"), 2, "cannot use the configuration");
    asked(
        "sizes beyond counting",
        "benchmarks: {incast: {bytes: 8192TiB}}".to_owned(),
        4096,
        "more than can be counted",
    );
    let matrix = format!("{}\n", "9 ".repeat(1400)).repeat(1400);
    let matrix = files.with("matrix", matrix);
    let matrix =
        format!("benchmarks: {{alltoallv: {{matrix: {}, bytes: '8..40000+8'}}}}", matrix.display());
    asked("many sizes of a matrix", matrix, 1400, "members");
}

fn imports(files: &Files) {
    let asked = Asked { ranks: None, benchmark: None };
    let within = |limit: usize, what: &str, text: String, expected: &str| {
        let file = files.with("log", text);
        bounded(what, limit, expected, || {
            import([File::read(&file, FILE_LIMIT)], &asked, &Config::default())
                .map(|_| ())
                .map_err(|why| why.message)
        });
    };
    let imported = |what: &str, text, expected: &str| within(PEAK_LIMIT, what, text, expected);
    let long = |what: &str, text: String, expected: &str| {
        within(PEAK_FACTOR * text.len(), what, text, expected);
    };
    long("empty lines", "\n".repeat(25 << 20), "is not the output");
    long("short lines", "a\n".repeat(12 << 20), "lines");
    imported(
        "many marks",
        (0..1_000_000).map(|i| format!("{i}: x\n")).collect(),
        "is not the output",
    );
    let pairs = "# OSU MPI Multiple Bandwidth / Message Rate Test v7.4\n# [ pairs: 32768 ] [ window size: 64 ]\n# Size MB/s Messages/s\n";
    imported(
        "rows of many ranks",
        format!("{pairs}{}", numbers(100_000, 8, " 1.00 2.00\n")),
        "members",
    );
    let device =
        |i: usize| format!("#  Rank {i} Group 0 Pid 1 on host{i} device 0 [0000:07:00] X\n");
    let columns = "# size count type redop root time algbw busbw #wrong time algbw busbw #wrong\n";
    let row = "8 2 float sum -1 4.00 0.00 0.00 0 4.00 0.00 0.00 0\n";
    let test = "# nThread 1 nGpus 1 minBytes 8\n# Collective test starting: all_reduce_perf\n";
    let devices = |count: usize| (0..count).map(device).collect::<String>();
    imported("many hosts", format!("{test}{}{columns}{row}", devices(65_536)), "");
    imported(
        "too many hosts",
        format!("{test}{}{columns}{row}", devices(70_000)),
        "more than 65536 ranks",
    );
    imported(
        "the same row again",
        format!("{test}{}{columns}{}", devices(2), row.repeat(60_000)),
        "more than 100000 results",
    );
    let own = format!(
        "# tesserabench 1 backend host group tp:{} time slowest_rank\n",
        numbers(30_000, 2, ",")
    );
    imported("a group of single ranks", format!("{own}{test}{columns}{}", row.repeat(50)), "");
    long(
        "a type of a long name",
        format!("{test}{}{columns}{}", devices(2), row.replace("float", &"x".repeat(12 << 20))),
        "",
    );
    let rubbish = format!("[{}[]]", "[],".repeat(5 << 20));
    let perftest = " Dual-port : OFF Device : x\n RDMA_Write BW Test\n";
    long("a wide table", format!("{perftest}#bytes {}", "#x ".repeat(8 << 20)), "64 columns");
    let settings = format!(" Dual-port : OFF Device : {}\n", "x".repeat(5 << 20));
    let columns = "#bytes #iterations BW average[MiB/sec]\n";
    imported(
        "rows with long settings",
        format!(" RDMA_Write BW Test\n{settings}{columns}{}", numbers(50_000, 8, " 100 50.00\n")),
        "",
    );
    let nvbandwidth = "nvbandwidth Version: v0.8\nRunning x.\nx GPU(column) (GB/s)\n";
    long(
        "a table of many GPUs",
        format!("{nvbandwidth}{}\n", numbers(5 << 20, 1, " ")),
        "4096 GPUs",
    );
    let imb = "# Benchmarking Allreduce\n# #processes = 65536\n#bytes #repetitions t_avg[usec]\n";
    imported("IMB on many ranks", format!("{imb}{}", numbers(100_000, 4, " 10 1.00\n")), "members");
    imported(
        "a long calling sequence",
        format!("# Calling sequence was:\n{}{imb}4 10 1.00\n", "# a b\n".repeat(512 << 10)),
        "",
    );
    let nvbench = "{\"meta\":{\"version\":{\"json\":{\"major\":1},\"nvbench\":null}},\"benchmarks\":[{\"name\":\"\",\"states\":[";
    let state = "{\"axis_values\":null,\"summaries\":null},";
    long("states of nothing", format!("{nvbench}{}null]}}]}}", state.repeat(375_000)), "");
    imported(
        "large JSON",
        format!("{nvbench}{}", " ".repeat(65 << 20)),
        "more than 67108864 bytes",
    );
    let tests = "[\"\",\"\"],".repeat(5 << 18);
    long(
        "matrices of nothing",
        format!(
            "{{\"nvbandwidth\":{{\"testcases\":[{{\"name\":\"\",\"status\":\"\",\"bandwidth_matrix\":[{tests}[]]}}]}}}}"
        ),
        "",
    );
    long(
        "JSON of another kind",
        format!("{{\"config\": null, \"x\": {rubbish}}}"),
        "is not the output",
    );
    long(
        "JSON with rubbish",
        format!("{{\"config\": {{}}, \"results\": [], \"x\": {rubbish}}}"),
        "is not the output",
    );
}

fn others(files: &Files) {
    let rubbish = format!("[{}[]]", "[],".repeat(5 << 20));
    let report = |what: &str, text: String, expected: &str| {
        let limit = PEAK_FACTOR * text.len();
        let file = files.with("r.json", text);
        bounded(what, limit, expected, || {
            Report::load(&file).map(|_| ()).map_err(|why| why.message)
        });
    };
    report("no report", rubbish.clone(), "has no schema");
    report(
        "rubbish in a report",
        format!("{{\"schema\": \"tesserabench.report/1\", \"x\": {rubbish}}}"),
        "'run' is missing",
    );
    report("a deep report", format!("{{\"schema\": {}", "[".repeat(12 << 20)), "");
    let output = files.0.path().join("results.json");
    let journal = |what: &str, text: String, expected: &str| {
        let limit = PEAK_FACTOR * text.len();
        std::fs::write(Journal::path_for(&output), text).unwrap();
        bounded(what, limit, expected, || {
            Recovered::read(&output).map(|_| ()).map_err(|why| why.message)
        });
    };
    journal("rubbish in a journal", format!("{{\"run\": {rubbish}}}\n{{}}\n"), "line 1 is damaged");
    journal("a journal of empty lines", "\n".repeat(12 << 20), "line 1 is damaged");
    let topology = |what: &str, text: String, expected: &str| {
        let file = files.with("t.toml", text).display().to_string();
        bounded(what, PEAK_LIMIT, expected, || {
            Topology::load(&file).map(|_| ()).map_err(|why| why.message)
        });
    };
    topology("a deep topology", format!("a = {}", "[".repeat(1_000_000)), "topology");
    topology("a topology of rubbish", format!("a = [{}]", "[],".repeat(300_000)), "topology");
    topology("a topology of dots", format!("a{} = 1", ".a".repeat(400_000)), "topology");
}
