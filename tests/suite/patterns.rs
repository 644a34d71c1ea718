//! Every pattern in which ranks exchange data, on any number of ranks, with every answer checked.

use serde_json::Value;

use crate::ranks::{Ended, ranks, tesserabench};
use crate::runs::validate;

/// Every benchmark whose ranks exchange elements.
const ELEMENTS: &str = "-b all_reduce -b all_gather -b all_gatherv -b reduce_scatter -b reduce_scatterv \
                        -b broadcast -b reduce -b gather -b gatherv -b scatter -b scatterv -b alltoall -b alltoallv -b sendrecv \
                        -b hypercube -b latency -b bandwidth -b bidirectional -b put -b get -b incast -b outcast";

/// Those that reduce.
const REDUCTIONS: &str = "-b all_reduce -b reduce -b reduce_scatter -b reduce_scatterv";

const TYPES: &str = "-p f32 -p f64 -p f16 -p bf16 -p fp8e4m3 -p fp8e5m2 -p i8 -p i16 -p i32 -p i64 -p u8 -p u16 \
                     -p u32 -p u64";

const FEW: &str = "--iterations 3 --warmup 1";

fn cases(ended: &Ended) -> Vec<Value> {
    let report = ended.report();
    validate(&report);
    report["cases"].as_array().unwrap().clone()
}

/// Cases were measured and are right; those skipped say why in words that `expected` knows. Returns how many
/// were measured.
fn right(cases: &[Value], expected: impl Fn(&Value) -> bool) -> usize {
    let mut measured = 0;
    for case in cases {
        if case["outcome"] == "skipped" {
            assert!(expected(case), "{case:#}");
            continue;
        }
        assert_eq!(case["outcome"], "measured", "{case:#}");
        assert_eq!(case["accuracy"]["wrong"].as_u64().unwrap_or(0), 0, "{case:#}");
        measured += 1;
    }
    measured
}

/// Elements that a case's ranks compared.
fn checked(case: &Value) -> u64 {
    case["accuracy"]["checked"].as_u64().unwrap_or(0)
}

#[test]
fn every_pattern_on_any_number_of_ranks() {
    for n in [2, 3, 4, 5, 8] {
        // Nothing, one element in all, one in each block, an odd number.
        let sizes = format!("bytes=0,4,{},1036", 4 * n);
        let words = format!(
            "{ELEMENTS} -b barrier -b comm_init -b mpi_init {FEW} --problem-size {sizes} --problem-size window=3"
        );
        let ended = ranks(n, &words).arg("--problem-size").arg("placement=out,in").passes();
        let told = ["checked: data of ", "; members of comm_init; no early leaving of barrier"];
        assert!(told.iter().all(|told| ended.out.contains(told)), "{}", ended.out);
        let cases = cases(&ended);
        // 15 in and out of place, 7 between pairs or through a port, 3 without a size.
        assert_eq!(cases.len(), 4 * (2 * 15 + 7) + 3);
        let has_too_few_corners =
            |case: &Value| case["benchmark"] == "hypercube" && !usize::is_power_of_two(n);
        let moves_nothing = |case: &Value| {
            case["reason"].as_str().is_some_and(|reason| reason.contains("nothing would move"))
        };
        let measured = right(&cases, |case| has_too_few_corners(case) || moves_nothing(case));
        // One element is not one for each rank.
        let is_cut = |case: &&Value| case["problem"]["bytes"] == 4 && !whole(case, 4);
        let few = cases.iter().filter(is_cut).filter(|case| !has_too_few_corners(case));
        assert!(few.clone().all(moves_nothing));
        let skipped = few.count() + if usize::is_power_of_two(n) { 0 } else { 8 };
        assert_eq!(measured, cases.len() - skipped);
        for case in cases.iter().filter(|case| case["outcome"] == "measured") {
            let bytes = case["problem"]["bytes"].as_u64().unwrap_or(0);
            let compared = checked(case);
            assert_eq!(compared > 0, bytes >= 4 * n as u64 || whole(case, bytes), "{case:#}");
            let of = match case["benchmark"].as_str().unwrap() {
                "barrier" => "order",
                "comm_init" => "members",
                _ => "data",
            };
            assert!(compared == 0 || case["accuracy"]["of"] == of, "{case:#}");
        }
    }
}

/// Whether so many bytes are elements of a buffer or message that is not cut into blocks.
fn whole(case: &Value, bytes: u64) -> bool {
    let uncut = [
        "all_reduce",
        "broadcast",
        "reduce",
        "sendrecv",
        "latency",
        "bandwidth",
        "bidirectional",
        "put",
        "get",
        "incast",
        "outcast",
    ];
    let name = case["benchmark"].as_str().unwrap();
    let always = ["barrier", "comm_init"].contains(&name);
    always || (bytes > 0 && uncut.contains(&name))
}

#[test]
fn every_type_is_moved_and_reduced_where_it_can_be() {
    let ended = ranks(3, &format!("{ELEMENTS} {TYPES} {FEW} --problem-size bytes=840")).passes();
    let cases = cases(&ended);
    assert_eq!(cases.len(), 22 * 14);
    let reduces_small = |case: &Value| {
        let small =
            ["f16", "bf16", "fp8e4m3", "fp8e5m2"].contains(&case["precision"].as_str().unwrap());
        let reason = case["reason"].as_str().unwrap();
        (small && reason.contains("not defined for")) || reason.contains("hypercube")
    };
    assert_eq!(right(&cases, reduces_small), 22 * 14 - 14 - 4 * 4);
    assert!(
        cases.iter().filter(|case| case["outcome"] == "measured").all(|case| checked(case) > 0)
    );
}

#[test]
fn every_operator_on_every_type() {
    let operators = "op=sum,prod,max,min,avg,mulsum,land,lor,lxor,band,bor,bxor";
    let words =
        format!("{REDUCTIONS} {TYPES} {FEW} --problem-size bytes=840 --problem-size {operators}");
    let cases = cases(&ranks(3, &words).passes());
    let said = |case: &Value| case["reason"].as_str().unwrap().contains("MPI");
    // 10 operators on 8 types of whole numbers, 4 on 2 floats.
    assert_eq!(right(&cases, said), 4 * (10 * 8 + 4 * 2));
}

#[test]
fn roots_forms_windows_and_offsets() {
    let collectives = "-b all_reduce -b all_gather -b all_gatherv -b reduce_scatter -b reduce_scatterv -b broadcast \
                       -b reduce -b gather -b gatherv -b scatter -b scatterv -b alltoall -b alltoallv";
    let keys = "--problem-size root=1,rotate --problem-size offset=4 --problem-size aggregate=1,3";
    let words = format!("{collectives} {keys} {FEW} --problem-size bytes=480 --continue-on-error");
    let forms = "form=blocking,nonblocking,overlapped";
    let cases = cases(&ranks(3, &words).arg("--problem-size").arg(forms).passes());
    // 6 of the 13 have a root.
    assert_eq!(right(&cases, |_| false), (7 + 6 * 2) * 2 * 3);
    for case in cases.iter().filter(|case| case["problem"]["form"] == "overlapped") {
        let overlap = case["metrics"]["overlap_percent"].as_f64().unwrap();
        assert!((0.0..=100.0).contains(&overlap), "{case:#}");
        assert!(case["overlap"]["alone_ms"].as_f64().unwrap() > 0.0, "{case:#}");
    }
}

/// Without persistent collectives (Open MPI 4.1) and with them (MPICH 4), whose root cannot rotate. Those of
/// MPICH 4.0.2 that gather send what was in the buffers when they were made, which is found; those that scatter
/// end the job, and are not tried.
#[test]
fn persistent_collectives_where_there_are_any() {
    let mpich = std::env::var("TESSERABENCH_MPI").is_ok_and(|mpi| mpi != "openmpi");
    let collectives =
        "-b all_reduce -b all_gather -b reduce_scatter -b gather -b alltoall -b alltoallv";
    let words = format!(
        "{collectives} {FEW} --problem-size bytes=480 --problem-size form=persistent --problem-size \
         root=1,rotate --continue-on-error"
    );
    let ended = ranks(3, &words).end();
    let (mut measured, mut wrong) = (0, 0);
    for case in cases(&ended) {
        let reason = case["reason"].as_str().unwrap_or_default();
        let refused = reason.contains("keeps its root") || (!mpich && reason.contains("MPI 4"));
        let stale = mpich && case["benchmark"] == "gather" && case["outcome"] == "failed";
        measured += usize::from(case["outcome"] == "measured");
        wrong += usize::from(stale);
        assert!(case["outcome"] == "measured" || refused || stale, "{case:#}");
    }
    assert_eq!(measured >= 5, mpich, "{measured}");
    let code = match (measured, wrong) {
        (0, _) => 7,
        (_, 0) => 0,
        _ => 5,
    };
    assert_eq!(ended.code, Some(code), "{}", ended.err);
}

#[test]
fn messages_in_every_form() {
    let run = |benchmarks: &str, keys: &str| {
        let words =
            format!("{benchmarks} {FEW} --problem-size bytes=480 --problem-size offset=4 {keys}");
        let cases = cases(&ranks(4, &words).passes());
        right(&cases, |_| false)
    };
    let forms = "--problem-size form=blocking,nonblocking,persistent --problem-size aggregate=1,3 \
                 --problem-size pairs=1,all";
    assert_eq!(run("-b sendrecv -b latency", forms), 6 + 6);
    let windows = "--problem-size form=nonblocking,persistent --problem-size window=1,7 --problem-size pairs=1,2";
    assert_eq!(run("-b bandwidth -b bidirectional", windows), 16);
    let sides = "--problem-size window=1,7 --problem-size pairs=1,2 --problem-size root=0,3";
    assert_eq!(run("-b put -b get -b incast -b outcast", sides), 8 + 8);
}

/// One wrong element on one rank fails the case and is named, wherever that rank has a result: before the
/// timing, and in what the timing left.
#[test]
fn a_wrong_element_of_every_pattern_and_type_is_named() {
    for phase in ["verify", "measure"] {
        let mut caught: Vec<String> = Vec::new();
        let mut all = 0;
        for rank in 0..2 {
            let words = format!(
                "{ELEMENTS} {TYPES} {FEW} --problem-size bytes=240 --continue-on-error --problem-size \
                 placement=out,in --problem-size window=1"
            );
            let ended = ranks(2, &words).fault(&format!("wrong@{rank}:{phase}")).fails(5);
            let cases = cases(&ended);
            all = cases.iter().filter(|case| case["outcome"] != "skipped").count();
            for case in cases.iter().filter(|case| case["outcome"] == "failed") {
                let accuracy = &case["accuracy"];
                let first = &accuracy["first_wrong"];
                assert_eq!(
                    (&accuracy["wrong"], &first["rank"]),
                    (&1.into(), &rank.into()),
                    "{case:#}"
                );
                assert_ne!(first["expected"], first["got"], "{case:#}");
                assert_eq!(case["error"]["at"], phase, "{case:#}");
                let named = format!(
                    "the first: rank {rank}, index {}, expected {}, got {}",
                    first["index"],
                    first["expected"].as_f64().unwrap(),
                    first["got"].as_f64().unwrap()
                );
                assert!(case["error"]["detail"].as_str().unwrap().contains(&named), "{case:#}");
                caught.push(case["id"].as_str().unwrap().to_owned());
            }
        }
        caught.sort_unstable();
        caught.dedup();
        // 15 patterns in and out of place and 7 others, on 14 types, less what MPI cannot reduce.
        assert_eq!((caught.len(), all), ((2 * 15 + 7) * 14 - 4 * 2 * 4, caught.len()));
    }
}

#[test]
fn each_message_in_flight_is_received_into_memory_of_its_own() {
    let words = format!(
        "-b bandwidth -b bidirectional -b get -b put -b incast {FEW} --problem-size bytes=480"
    );
    for case in cases(&ranks(2, &words).arg("--problem-size=window=1,7").passes()) {
        let window = case["problem"]["window"].as_u64().unwrap_or(1);
        // What is put goes to one place, whatever is in flight: a node has little memory that ranks share.
        let received = match case["benchmark"].as_str().unwrap() {
            "put" => 1,
            "bidirectional" => 2 * window,
            _ => window,
        };
        // Before and after the times are taken.
        assert_eq!(checked(&case), 2 * 120 * received, "{case:#}");
    }
}

#[test]
fn results_are_checked_while_they_are_timed() {
    let words =
        "-b all_reduce --problem-size bytes=80 --iterations 200 --warmup 1 --check-every 20";
    let cases = cases(&ranks(2, words).passes());
    // 20 elements on 2 ranks, before and at least 10 times after.
    assert!(checked(&cases[0]) >= 40 * 11, "{}", cases[0]);
}

#[test]
fn blocks_of_a_reduction_differ_by_the_spread() {
    let words = format!(
        "-b reduce_scatterv {FEW} --problem-size bytes=1200 --problem-size spread=0,50,100 --problem-size \
         placement=out,in"
    );
    let cases = cases(&ranks(3, &words).passes());
    assert_eq!(right(&cases, |_| false), 6);
    for case in &cases {
        // 300 elements in three blocks: of 100 each; of 50, 100, 150; of none, 100, 200. Each is compared twice.
        assert_eq!(checked(case), 2 * 300, "{case:#}");
        let metrics = &case["metrics"];
        let (algbw, busbw) = (metrics["algbw_gbps"].as_f64(), metrics["busbw_gbps"].as_f64());
        assert!((busbw.unwrap() / algbw.unwrap() - 2.0 / 3.0).abs() < 1e-9, "{case:#}");
    }
}

#[test]
fn sizes_of_blocks_from_a_file() {
    let words = format!("-b alltoallv {FEW} --problem-size bytes=1200 --problem-size matrix=m.txt");
    let run = |matrix: &str| ranks(3, &words).file("m.txt", matrix);
    let cases = cases(&run("0 1 2\n2 0 1\n# a remark\n1,2,0\n").passes());
    // Each rank has 3 parts of 400 bytes for others: 300 elements come in on each, and twice compared.
    assert_eq!(checked(&cases[0]), 2 * 3 * 300);
    let algbw = cases[0]["metrics"]["algbw_gbps"].as_f64().unwrap();
    let seconds = cases[0]["latency"]["median"].as_f64().unwrap() * 1e-3;
    assert!((algbw * seconds * 1e9 - 1200.0).abs() < 1e-6);
    for (matrix, said) in
        [("1 2\n3 4\n", "2 rows for 3 ranks"), ("1 2 3\n", "m.txt"), ("a b c", "'a'")]
    {
        let ended = run(matrix).fails(2);
        assert!(ended.error().contains(said), "{}", ended.err);
    }
}

#[test]
fn groups_alone_and_at_once() {
    let words = format!(
        "--mesh tp=2,dp=2 --axis tp --concurrent-groups -b all_reduce --problem-size bytes=64 {FEW}"
    );
    let ended = ranks(4, &words).passes();
    let cases = cases(&ended);
    assert_eq!(right(&cases, |_| false), 4);
    for (case, concurrent) in cases.iter().zip([false, false, true, true]) {
        assert_eq!(case["concurrent"], concurrent);
        assert_eq!(case["contention_ratio"].is_f64(), concurrent, "{case:#}");
        assert_eq!(case["participants"].as_array().unwrap().len(), 2);
        assert_eq!(case["per_rank"].as_array().unwrap().len(), 2);
    }
    // The same time of both, whichever it is.
    let median = |i: usize, which: &str| cases[i][which]["median"].as_f64().unwrap();
    let ratio = cases[3]["contention_ratio"].as_f64().unwrap();
    let of = |a: &str, b: &str| (ratio - median(3, a) / median(1, b)).abs() < 1e-9;
    let (headline, other) = ("latency", "latency_local");
    let ways = [(headline, headline), (headline, other), (other, headline)];
    assert!(ways.iter().any(|(a, b)| of(a, b)), "{ratio}");
    assert!(
        ended.out.contains("tp:2-3 at once") && ended.out.contains(" x alone"),
        "{}",
        ended.out
    );
    // A wrong result in one group: the other is not measured beside it.
    let ended = ranks(4, &words).arg("--continue-on-error").fault("wrong@3:verify").fails(5);
    let report = ended.report();
    let outcome = |i: usize| report["cases"][i]["outcome"].as_str().unwrap();
    assert_eq!([0, 1, 2, 3].map(outcome), ["measured", "failed", "failed", "failed"]);
    let detail = report["cases"][2]["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("at once with it has wrong results"), "{detail}");
}

#[test]
fn the_order_of_ranks_within_groups_at_once_does_not_matter() {
    let words =
        format!("--groups 3+0,2+1 --concurrent-groups -b all_gather --problem-size bytes=64 {FEW}");
    let cases = cases(&ranks(4, &words).passes());
    assert_eq!(right(&cases, |_| false), 4);
    assert!(cases.iter().all(|case| case["iterations"] == 3));
}

#[test]
fn one_rank_without_memory_leaves_nobody_waiting() {
    let words = "-b put -b get -b all_gather --problem-size form=nonblocking";
    let ended = ranks(2, &format!("{words} {FEW} --problem-size bytes=512TiB")).fails(7);
    let report = ended.report();
    let cases = report["cases"].as_array().unwrap();
    assert!(cases.len() == 3 && cases.iter().all(|case| case["outcome"] == "skipped"), "{report}");
    let ended = ranks(2, &format!("-b put {FEW} --problem-size bytes=64"))
        .fault("error@1:prepare")
        .fails(7);
    assert_eq!(ended.report()["cases"][0]["outcome"], "failed");
}

#[test]
fn every_pair_of_ranks() {
    for (schedule, n) in [("all", 5), ("batch=1", 4), ("topology", 3)] {
        let words =
            format!("-b latency -b bandwidth --pairs {schedule} --problem-size bytes=64 {FEW}");
        let ended = ranks(n, &words).passes();
        let pairs = n * (n - 1) / 2;
        assert_eq!(right(&cases(&ended), |_| false), 2 * pairs, "{schedule}");
        let matrices = ended.report()["pair_matrices"].clone();
        assert_eq!(matrices.as_array().unwrap().len(), 2);
        for matrix in matrices.as_array().unwrap() {
            for (a, b) in (0..n).flat_map(|a| (0..n).map(move |b| (a, b))) {
                assert_eq!(matrix["median_ms"][a][b].is_f64(), a < b, "{matrix:#}");
            }
            let classes = matrix["classes"].as_array().unwrap();
            let counted: u64 = classes.iter().map(|class| class["pairs"].as_u64().unwrap()).sum();
            assert_eq!(counted, pairs as u64);
        }
        assert!(ended.out.contains("pairs: latency f32 bytes=64B, us"), "{}", ended.out);
    }
}

#[test]
fn links_between_nodes_are_a_class_of_their_own() {
    let words =
        "--backend simulated --pairs topology -b latency --problem-size bytes=8 --iterations 20";
    let matrix = &ranks(9, words).passes().report()["pair_matrices"][0];
    let class = |i: usize| {
        (matrix["classes"][i]["distance"].clone(), matrix["classes"][i]["pairs"].clone())
    };
    assert_eq!(class(0), ("node".into(), 28.into()));
    assert_eq!(class(1), ("network".into(), 8.into()));
    assert_eq!(matrix["slow"], Value::Array(Vec::new()));
}

#[test]
fn patterns_that_need_somebody_are_skipped_alone() {
    let words = format!("run -b latency -b all_reduce --backend host {FEW} --problem-size bytes=8");
    let ended = tesserabench(&words).fails(7);
    let report = ended.report();
    assert!(report["cases"].as_array().unwrap().iter().all(|case| case["outcome"] == "skipped"));
}
