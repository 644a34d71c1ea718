//! Tools whose tests are not ours: nvbandwidth, perftest, IMB, nvbench, Criterion, mscclpp, and memory results.

use serde_json::Value;

use crate::imports::{FOLDER, case, import, is, refused};
use crate::ranks::tesserabench;

fn text(file: &str) -> String {
    std::fs::read_to_string(format!("{FOLDER}/{file}")).unwrap()
}

/// A file of the folder, changed in one place.
fn changed(file: &str, from: &str, to: &str) -> crate::ranks::Run {
    let good = text(file);
    assert!(good.contains(from), "{from}");
    tesserabench("import log").file("log", &good.replacen(from, to, 1))
}

/// The report of an import that is incomplete for this reason.
fn incomplete(run: crate::ranks::Run, why: &str) -> Value {
    let ended = run.fails(10);
    assert!(ended.err.contains(why), "{}", ended.err);
    let report = ended.report();
    assert_eq!(report["run"]["incomplete"], true);
    report
}

#[test]
fn nvbandwidth_has_rates_and_latencies() {
    let ended = import("nvbandwidth.txt", "").passes();
    let to_device = case(&ended, "nvbandwidth.host_to_device_memcpy_ce/groups:0");
    is(&to_device["metrics"]["algbw_gbps"], 55.63);
    assert_eq!(to_device["latency"]["definition"], "by_the_tool");
    assert_eq!((&to_device["latency"]["ci"], &to_device["warmup"]), (&Value::Null, &Value::Null));
    let pair = case(&ended, "nvbandwidth.device_to_device_memcpy_read_ce/column=0,row=1/world:0-1");
    is(&pair["metrics"]["busbw_gbps"], 276.36);
    let both =
        "nvbandwidth.device_to_device_bidirectional_memcpy_read_ce_total/column=1,row=0/world:0-1";
    is(&case(&ended, both)["metrics"]["busbw_gbps"], 529.57);
    let latency = case(&ended, "nvbandwidth.host_device_latency_sm/groups:1");
    is(&latency["latency"]["median"], 772.47e-6);
    assert_eq!(latency["metrics"]["algbw_gbps"], Value::Null);
    let report = ended.report();
    assert_eq!(report["environment"]["nodes"][0]["host"], "node-a");
    assert_eq!(report["environment"]["libraries"]["driver"], "570.124.06");
    assert_eq!(report["environment"]["ranks"][1]["device"]["pci"], "00000000:2a:00");
    let old = import("nvbandwidth-old.txt", "").passes();
    is(&case(&old, "nvbandwidth.device_to_host_memcpy_sm/world:0")["metrics"]["algbw_gbps"], 26.09);
    assert_eq!(old.report()["environment"]["ranks"][0]["device"]["kind"], "cuda");
}

#[test]
fn nvbandwidths_json_says_the_same_as_its_text() {
    let [text, json] =
        ["nvbandwidth.txt", "nvbandwidth.json"].map(|file| import(file, "").passes());
    for id in json.ids() {
        let [text, json] =
            [&text, &json].map(|ended| case(ended, &id)["latency"]["median"].as_f64());
        assert!((text.unwrap() / json.unwrap() - 1.0).abs() < 1e-3, "{id}");
    }
    assert_eq!(json.ids().len(), 8);
    let report =
        incomplete(import("nvbandwidth-old.json", ""), "host_device_latency_sm has no results");
    assert_eq!(report["cases"].as_array().unwrap().len(), 1);
    let summed = changed("nvbandwidth.json", "111.2703", "112.2703");
    incomplete(summed, "host_to_device_memcpy_ce do not add up to the sum 112.2703");
}

#[test]
fn what_is_wrong_with_nvbandwidth_is_named_by_its_line() {
    refused(changed("nvbandwidth.txt", "276.07", "27x.07"), "line 22: '27x.07' is no number");
    refused(changed("nvbandwidth.txt", "    276.07\n", "\n"), "line 22: the row has 2 fields");
    incomplete(
        changed("nvbandwidth.txt", "276.07", "286.07"),
        "line 25: the figures of device_to_device",
    );
    incomplete(
        changed(
            "nvbandwidth.txt",
            "\nRunning host_device",
            "\nERROR: no memory\nRunning host_device",
        ),
        "line 49: device_to_device_bidirectional_memcpy_read_ce failed: no memory",
    );
    let whole = text("nvbandwidth.txt");
    let cut = |end: &str| {
        let at = whole.find(end).unwrap() + end.len();
        tesserabench("import log").file("log", &whole[..at])
    };
    let report = incomplete(
        cut("N/A    276.07\n"),
        "line 20: the table of device_to_device_memcpy_read_ce has no end",
    );
    assert_eq!(report["cases"].as_array().unwrap().len(), 2);
    incomplete(
        cut("Running device_to_device_memcpy_read_ce.\n"),
        "line 19: device_to_device_memcpy_read_ce has no",
    );
    let marked: String =
        whole.lines().map(|line| format!("node-7: \x1b[1m{line}\x1b[0m\n")).collect();
    assert_eq!(tesserabench("import log").file("log", &marked).passes().ids().len(), 12);
    let both = format!("{whole}{}", text("perftest.txt"));
    refused(
        tesserabench("import log").file("log", &both),
        "of perftest (ib_write_bw, ib_read_lat …); part them",
    );
}

#[test]
fn perftest_keeps_ways_and_devices_and_memory_apart() {
    let ended = import("perftest.txt", "").passes();
    let write = case(&ended, "perftest.ib_write_bw/bytes=65536,device=mlx5_0,mtu=4096/world:0-1");
    // 11773.68 MiB/s are printed.
    is(&write["metrics"]["busbw_gbps"], 11773.68 * 1_048_576.0 / 1e9);
    assert_eq!((&write["iterations"], &write["batch"]), (&1.into(), &5000.into()));
    let cuda = "perftest.ib_write_bw/bytes=65536,device=mlx5_1,memory=cuda,mtu=4096/world:0-1";
    assert_eq!(case(&ended, cuda)["outcome"], "measured");
    let both = "perftest.ib_send_bw/bytes=65536,device=mlx5_0,direction=both,link=Ethernet,mtu=1024,qps=4/world:0-1";
    is(&case(&ended, both)["metrics"]["algbw_gbps"], 24.1);
    let latency = case(&ended, "perftest.ib_read_lat/bytes=2,device=mlx5_0,mtu=4096/world:0-1");
    is(&latency["latency"]["median"], 1.96e-3);
    is(&latency["latency"]["max"], 4.12e-3);
    is(&latency["latency"]["p99"], 2.05e-3);
    assert_eq!(
        (&latency["iterations"], &latency["latency"]["std_dev"]),
        (&1000.into(), &Value::Null)
    );
    assert_eq!(latency["metrics"]["busbw_gbps"], Value::Null);
    // Before 2024 MiB were called MB; by time there is only a mean.
    let old = import("perftest-old.txt", "").passes();
    let write = case(&old, "perftest.ib_write_bw/bytes=65536,device=mlx5_0,mtu=4096/world:0-1");
    is(&write["metrics"]["busbw_gbps"], 11771.11 * 1_048_576.0 / 1e9);
    let mean = case(&old, "perftest.ib_send_lat/bytes=8,device=mlx5_0,mtu=4096/world:0-1");
    is(&mean["latency"]["median"], 1.72e-3);
    assert!(mean["caveats"][0]["time"].as_str().unwrap().contains("t_avg"));
}

#[test]
fn what_is_wrong_with_perftest_is_named_by_its_line() {
    let whole = text("perftest.txt");
    let second = whole.find("mlx5_1").unwrap();
    let cut = tesserabench("import log").file("log", &whole[..second]);
    incomplete(cut, "ib_write_bw has no results");
    let row = whole.find(" 65536").unwrap();
    let open = tesserabench("import log").file("log", &whole[..row]);
    incomplete(open, "line 2: the table of ib_write_bw has no end");
    incomplete(changed("perftest.txt", "11773.68", "1177.68 "), "line 22: 1.234");
    refused(
        changed("perftest.txt", " 65536      5000 ", " 65536      5x00 "),
        "line 22: #iterations '5x00'",
    );
    refused(
        changed("perftest.txt", "RDMA_Write BW Test", "RDMA_Odd BW Test"),
        "no title that can be read",
    );
    incomplete(
        changed("perftest.txt", " 65536 ", " Failed status 12: wr_id 0\n#"),
        "line 22: it failed: Failed status 12: wr_id 0",
    );
    // The same again in another way is another run.
    let again = whole.replacen("mlx5_1", "mlx5_0", 1).replacen("initializing CUDA", "", 1);
    let again = again.replacen("creating CUDA Ctx", "", 1).replacen(
        "TX depth        : 128",
        "TX depth        : 64",
        1,
    );
    refused(tesserabench("import log").file("log", &again), "the settings differs: ");
}

#[test]
fn imb_is_read_as_our_benchmarks_where_they_are_the_same() {
    let ended = import("imb.txt", "").passes();
    is(&case(&ended, "latency/i8/bytes=4096/world:0-1")["latency"]["median"], 1.52e-3);
    let reduce = case(&ended, "all_reduce/f32/bytes=1048576,placement=out/world:0-3");
    is(&reduce["latency"]["median"], 0.41555);
    assert_eq!((&reduce["batch"], &reduce["protocol"]), (&40.into(), &"back-to-back".into()));
    // The block that each rank sends to each is 1 KiB.
    assert_eq!(
        case(&ended, "alltoall/i8/bytes=4096,placement=out/world:0-3")["outcome"],
        "measured"
    );
    assert_eq!(case(&ended, "imb.reduce_scatter/bytes=4/world:0-3")["outcome"], "measured");
    let late = case(&ended, "all_reduce/f32/bytes=4194304,placement=out/world:0-3");
    assert!(late["reason"].as_str().unwrap().starts_with("line 55: time-out"));
    let rate = case(&ended, "imb.biband/bytes=4096/world:0-3");
    is(&rate["metrics"]["messages_per_s"], 3e6);
    is(&rate["metrics"]["algbw_gbps"], 12.288);
    assert_eq!(ended.report()["run"]["imported_from"][0]["version"], "2021.3");
    let old = import("imb-old.txt", "").fails(5);
    let one = case(&old, "imb.pingpong/bytes=4096,group=1,groups=2/world:0-3");
    is(&one["latency"]["median"], 1.62e-3);
    let rotating = case(&old, "broadcast/i8/bytes=1024,root=rotate,placement=out/world:0-3");
    assert_eq!(rotating["accuracy"]["wrong"], 0);
    let wrong = case(&old, "broadcast/i8/bytes=2048,root=rotate,placement=out/world:0-3");
    assert_eq!(wrong["error"]["kind"], "wrong_result");
}

#[test]
fn what_is_wrong_with_imb_is_named_by_its_line() {
    let whole = text("imb.txt");
    let cut = |end: &str| {
        tesserabench("import log").file("log", &whole[..whole.find(end).unwrap() + end.len()])
    };
    incomplete(cut("411.55".replace("411", "415").as_str()), "MPI_Finalize is entered is missing");
    incomplete(cut("# Benchmarking Alltoall"), "Alltoall has no results");
    refused(changed("imb.txt", "415.55", "415.5x"), "line 54: t_avg[usec] '415.5x' is no number");
    refused(changed("imb.txt", "       415.55\n", "\n"), "the row of line 54 has 4 fields");
    incomplete(changed("imb.txt", "2694.74", "2794.74"), "line 38: 2794.74 Mbytes/sec are printed");
    refused(
        changed("imb.txt", "# #processes = 2", "# #processes = x"),
        "does not print how many processes",
    );
}

#[test]
fn nvbench_has_a_case_a_state_and_device() {
    let ended = import("nvbench.json", "").passes();
    let cold = case(&ended, "nvbench.copy_sweep/Elements=1048576,T=I32/groups:0");
    is(&cold["latency"]["median"], 3.96e-3);
    is(&cold["latency"]["mean"], 4e-3);
    is(&cold["latency"]["std_dev"], 0.08e-3);
    is(&cold["metrics"]["gbps"], 2.097152e12 * 4e-6 / 3.96e-6 / 1e9);
    assert_eq!(cold["iterations"], 5120);
    let batch = case(&ended, "nvbench.copy_sweep/Elements=1048576,T=I32,measure=batch/groups:0");
    is(&batch["latency"]["median"], 3.2e-3);
    let skipped = case(&ended, "nvbench.copy_sweep/Elements=4294967296,T=I32/groups:0");
    assert!(skipped["reason"].as_str().unwrap().contains("Insufficient device memory"));
    // Without medians, means: these are not compared with medians.
    let old = import("nvbench-old.json", "").passes();
    is(&case(&old, "nvbench.on_cpu/world:0")["latency"]["median"], 1.0);
    let words = format!("compare {FOLDER}/nvbench.json {FOLDER}/nvbench-old.json --format json");
    let compared: Value = serde_json::from_str(&tesserabench(&words).end().out).unwrap();
    let verdicts = compared["cases"].as_array().unwrap().iter();
    assert!(verdicts.clone().count() > 0);
    assert!(verdicts.into_iter().all(|case| case["verdict"] != "equivalent"), "{compared}");
    refused(
        changed("nvbench.json", "\"major\": 1", "\"major\": 2"),
        "in version 2, and only 1 is read",
    );
    refused(
        changed("nvbench.json", "3.96e-06", "3.96x-06"),
        "state 1 of copy_sweep: nv/cold/time/gpu/median",
    );
    refused(
        changed("nvbench.json", "\n  \"devices\"", "\n  \"devices\": 3, \"x\""),
        "it is not the JSON of nvbench",
    );
    let whole = text("nvbench.json");
    refused(
        tesserabench("import log").file("log", &whole[..whole.len() / 2]),
        "it is not whole JSON",
    );
}

#[test]
fn folders_of_criterion_hold_every_sample() {
    let ended = import("criterion", "").passes();
    let id = "criterion.fib_big/function=recursive,parameter=20/world:0";
    let fib = case(&ended, id);
    assert_eq!((&fib["iterations"], &fib["batch"]), (&40.into(), &Value::Null));
    assert!(fib["latency"]["ci"].is_array() && fib["device_time"].is_null());
    let median = fib["latency"]["median"].as_f64().unwrap();
    assert!((25e-3..25.6e-3).contains(&median), "{median}");
    let copy = case(&ended, "criterion.copy/function=memcpy,parameter=4096/world:0");
    is(&copy["metrics"]["algbw_gbps"], 4096.0 / copy["latency"]["median"].as_f64().unwrap() / 1e6);
    let old = import("criterion-old", "").passes();
    assert_eq!(old.ids(), [id]);
    // A folder is a side of a comparison, too.
    let words = format!("compare {FOLDER}/criterion {FOLDER}/criterion-old --format json");
    let compared: Value = serde_json::from_str(&tesserabench(&words).end().out).unwrap();
    let found = compared["cases"].as_array().unwrap().iter().find(|case| case["id"] == id);
    assert!(found.is_some(), "{compared}");
    refused(
        tesserabench("import empty").set_up(|own| std::fs::create_dir(own.join("empty")).unwrap()),
        "holds no results of a known tool",
    );
    let report = incomplete(
        tesserabench("import c")
            .file("c/fib/new/sample.json", "{}")
            .file("c/gcd/new/benchmark.json", r#"{"group_id":"gcd"}"#)
            .file("c/gcd/new/sample.json", "[[1.0,2.0],[5.0,10.0]]"),
        "fib/new/benchmark.json is missing",
    );
    assert_eq!(report["cases"][0]["id"], "criterion.gcd/world:0");
    let uneven = tesserabench("import c")
        .file("c/gcd/new/benchmark.json", r#"{"group_id":"gcd"}"#)
        .file("c/gcd/new/sample.json", "[[1.0,2.0],[5.0]]");
    refused(uneven, "gcd/new/sample.json: there are 2 numbers of iterations and 1 times");
}

#[test]
fn mscclpps_lines_are_kept_apart_by_kernel() {
    let ended = import("mscclpp.jsonl", "").passes();
    let id = "mscclpp.allreduce/bytes=8192,kernel=2,ranks_per_node=8/world:0-7";
    is(&case(&ended, id)["latency"]["median"], 6.51e-3);
    is(&case(&ended, id)["metrics"]["busbw_gbps"], 8192.0 / 6.51e-6 / 1e9 * 1.75);
    assert_eq!(ended.ids().len(), 3);
    let words =
        format!("compare {FOLDER}/mscclpp-baseline.jsonl {FOLDER}/mscclpp.jsonl --format json");
    let compared: Value = serde_json::from_str(&tesserabench(&words).end().out).unwrap();
    assert!(
        compared["cases"].as_array().unwrap().iter().any(|case| case["id"] == id),
        "{compared}"
    );
    let whole = text("mscclpp.jsonl");
    let cut = tesserabench("import log").file("log", &whole[..whole.len() - 30]);
    incomplete(cut, "line 3 is cut and left out");
    incomplete(changed("mscclpp.jsonl", "\"time\":7.25", "\"time\":8.25"), "line 2: algBw is");
    refused(changed("mscclpp.jsonl", "\"kernel\":4", "\"kernel\":\"4\""), "line 2: ");
}

#[test]
fn memory_results_have_memory_and_time() {
    let ended = import("memory.json", "").passes();
    let rust = case(
        &ended,
        "memory_benchmark.quantization/bit_width=2,implementation=rust,model_size=100M/world:0",
    );
    assert_eq!(rust["memory"][0]["host_peak_bytes"], 201.5 * 1_048_576.0);
    is(&rust["latency"]["median"], 1250.0);
    refused(
        changed("memory.json", "640.75", "\"much\""),
        "it is not the list that memory_benchmark.py writes",
    );
    refused(changed("memory.json", "11.5", "-11.5"), "result 2: 640.75 MB in -11.5 s");
}

#[test]
fn rccl_tests_may_have_one_half() {
    refused(import("rccl.txt", ""), "--benchmark");
    let ended = import("rccl.txt", "-b all_reduce").passes();
    let id = "all_reduce/f32/bytes=1048576,placement=in/world:0-1";
    is(&case(&ended, id)["latency"]["median"], 0.0779);
    assert_eq!(ended.ids().len(), 2);
    let from = &ended.report()["run"]["imported_from"][0];
    assert_eq!(
        (&from["tool"], &from["version"]),
        (&"rccl-tests".into(), &"develop:ae3e635".into())
    );
}

#[test]
fn imports_go_into_a_history_and_out_as_google_benchmarks_json() {
    for file in
        ["nvbandwidth.txt", "perftest.txt", "imb.txt", "nvbench.json", "criterion", "mscclpp.jsonl"]
    {
        let ended = import(file, "-o r.json -o r.gbench.json").passes();
        let written: Value = serde_json::from_str(&ended.read("r.gbench.json")).unwrap();
        let runs = written["benchmarks"].as_array().unwrap();
        let report: Value = serde_json::from_str(&ended.read("r.json")).unwrap();
        assert_eq!(runs.len(), report["cases"].as_array().unwrap().len());
        assert!(runs.iter().all(|run| run["real_time"].is_f64() && run["time_unit"] == "ns"));
        let added =
            tesserabench("history add r.json --dir h").file("r.json", &ended.read("r.json"));
        added.passes();
        let analysed = tesserabench("analyze r.json").file("r.json", &ended.read("r.json")).end();
        assert!(analysed.code.is_some_and(|code| code != 1 && code != 2), "{}", analysed.err);
    }
}

#[test]
fn marks_and_colours_of_launchers_are_taken_off() {
    for file in ["nvbandwidth.txt", "perftest.txt", "imb.txt", "mscclpp.jsonl"] {
        let plain = import(file, "").passes().ids();
        let marks: [fn(&str) -> String; 3] = [
            |line| format!("[1,0]<stdout>:{line}\n"),
            |line| format!("2026-01-02T03:04:05.678Z {line}\r\n"),
            |line| format!("0: \x1b[32m{line}\x1b[0m\n"),
        ];
        for mark in marks {
            let marked: String = text(file).lines().map(mark).collect();
            let ended = tesserabench("import log").file("log", &marked).passes();
            assert_eq!(ended.ids(), plain, "{file}");
        }
        let odd: String = text(file).lines().map(|line| format!("<<x>> {line}\n")).collect();
        let ended = tesserabench("import log").file("log", &odd).fails(2);
        assert!(ended.error().contains("line "), "{file}: {}", ended.err);
    }
}

#[test]
fn runs_of_two_hosts_are_not_put_together() {
    let one = text("nvbandwidth.txt");
    let other = one.replace("node-a", "node-b");
    let both = tesserabench("import log").file("log", &format!("{one}{other}"));
    refused(both, "the machine differs: 2 x NVIDIA H100 80GB HBM3 on node-a there");
    let twice = tesserabench("import log").file("log", &format!("{one}{one}")).passes();
    let case = case(&twice, "nvbandwidth.host_to_device_memcpy_ce/groups:0");
    assert_eq!(case["iterations"], 2);
    let imb = text("imb.txt");
    let off = imb.replace("# IMB-MPI1 ", "# IMB-MPI1 -off_cache -1 ");
    refused(
        tesserabench("import log").file("log", &format!("{imb}{off}")),
        "the command differs: ",
    );
}

#[test]
fn several_launches_are_repetitions_of_google_benchmark() {
    let words =
        "run --backend simulated --quick -b gemm --problem-size m=64 --launches 3 -o r.gbench.json";
    let written: Value =
        serde_json::from_str(&tesserabench(words).passes().read("r.gbench.json")).unwrap();
    let runs = written["benchmarks"].as_array().unwrap();
    let of = |kind: &str| runs.iter().filter(|run| run["run_type"] == kind).collect::<Vec<_>>();
    let (repetitions, aggregates) = (of("iteration"), of("aggregate"));
    assert!(repetitions.iter().all(|run| run["repetitions"] == 3));
    assert_eq!((repetitions.len(), &repetitions[2]["repetition_index"]), (3, &2.into()));
    let names: Vec<&Value> = aggregates.iter().map(|run| &run["aggregate_name"]).collect();
    assert_eq!(names, ["mean", "median", "stddev", "cv"]);
    let sum: f64 = repetitions.iter().map(|run| run["real_time"].as_f64().unwrap()).sum();
    is(&aggregates[0]["real_time"], sum / 3.0);
}
