//! What holds for every file: none makes the program panic, and our own tables come back as they went.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::base::random::hostile::{damaged, few, grafted};
use crate::benchmark;
use crate::benchmark::collective;
use crate::benchmark::work::{Element, Placement};
use crate::plan::config::{Protocol, Values};
use crate::plan::mesh::Group;
use crate::report::{self, Definition};
use log::{Reading, Subject, Took};
use printed::Printed;

/// All that is done with a file's text, but for files.
fn gathered(text: &str, asked: &Asked) -> Result<Vec<report::Case>> {
    let log = formats::read(text, Path::new("log.txt"), asked)?;
    let mut gathering = Gathering::default();
    for reading in log.readings {
        gathering.add((log.tool, &log.time, "log.txt"), reading)?;
    }
    gathering.cases()
}

/// A report with these times in us, as a run of ours might leave it.
fn report(rows: &[(usize, u64, usize, f64)], ranks: usize, axis: &str) -> Report {
    let mut gathering = Gathering::default();
    for &(test, blocks, element, us) in rows {
        let tests: Vec<_> = collective::in_nccl_tests().collect();
        let test = tests[test % tests.len()];
        let element = Element::ALL[element % Element::ALL.len()];
        // Whole blocks: nccl-tests prints what is left when the rest is cut off.
        let bytes = blocks * ranks as u64 * element.bytes();
        let settings = [("bytes".to_owned(), Values::Number(bytes))].into();
        let reading = Reading {
            at: String::new(),
            test: test.name.to_owned(),
            subject: Subject::Ours {
                benchmark: benchmark::find(test.name).unwrap(),
                settings,
                precision: Some(element),
                placement: Some(if blocks % 2 == 0 { Placement::Out } else { Placement::In }),
            },
            group: Group {
                axis: axis.to_owned(),
                ranks: (0..ranks).map(|rank| 2 * rank).collect(),
            },
            setup: Default::default(),
            outcome: Outcome::Took(Took {
                definition: Definition::SlowestRank,
                protocol: Protocol::Synchronised,
                batch: Some(1),
                warmup: Some(5),
                time: Some(Printed::with_decimals(us, 9)),
                algbw: None,
                busbw: None,
                each: Vec::new(),
                spread: None,
                quantiles: Default::default(),
                host_peak_bytes: None,
                checked: true,
            }),
        };
        gathering.add(("tesserabench", "", "log.txt"), reading).unwrap();
    }
    let mut report = import_nothing();
    report.cases = gathering.cases().unwrap();
    report
}

/// Files of the tests.
fn samples() -> Vec<Vec<u8>> {
    let files = std::fs::read_dir("tests/suite/imports").unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let read = |path: &PathBuf| File::read(path, FILE_LIMIT).unwrap().bytes;
    files.iter().map(read).collect()
}

/// The JSON of every tool that writes one, folders as well.
fn json() -> Vec<serde_json::Value> {
    samples().iter().filter_map(|bytes| serde_json::from_slice(bytes).ok()).collect()
}

fn import_nothing() -> Report {
    import([], &Asked::default(), &Config::default()).unwrap()
}

const WORDS: &[&str] = &[
    "# nThread 1 nGpus 1 minBytes 8 maxBytes 8 step: 2(factor) warmup iters: 1 iters: 20 agg iters: 1",
    "# Collective test starting: all_gather_perf",
    "#  Rank  0 Group  0 Pid 1 on a device 0 [0000:07:00] X",
    "#  Rank  1 Group  1 Pid 1 on a device 1 [0000:08:00] X",
    "# size count type redop root time algbw busbw #wrong time algbw busbw #wrong",
    "8 2 float sum -1 4.00 0.00 0.00 0 4.00 0.00 0.00 N/A",
    "18446744073709551615 2 int8 none 4294967296 0.00 9e+99 inf nan 4.00 0.00 0.00 0",
    "# Out of bounds values : 0 OK",
    "# tesserabench 1 backend host group world:0-1 time slowest_rank problem spread=1",
    "# tesserabench 1 group x:9-1 time y",
    "# OSU MPI Allreduce Latency Test v7.4",
    "# OSU MPI Multiple Bandwidth / Message Rate Test v7.4",
    "# [ pairs: 18446744073709551615 ] [ window size: 0 ]",
    "# Datatype: MPI_FLOAT.",
    "# Size  Avg Latency(us)  P99 Tail Lat(us)  Iterations",
    "# Size MB/s Messages/s",
    "8 1.00 2.00",
    "8 1.00 2.00 100",
    "nvbandwidth Version: v0.8",
    "Device 0: X (0000:00:00)",
    "Running x.",
    "memcpy CE GPU(row) -> GPU(column) bandwidth (GB/s)",
    "SUM x 18446744073709551616",
    "  0 1",
    "0 N/A 1.00",
    "Dual-port : OFF Device : \u{202e}mlx5_0",
    "RDMA_Write Bidirectional BW Test",
    "#bytes #iterations BW average[MiB/sec] MsgRate[Mpps]",
    "18446744073709551615 5000 1.00 0.00",
    "# Benchmarking Multi-Allgather",
    "# #processes = 65536",
    "# ( 18446744073709551615 groups of 4 processes each running simultaneous )",
    "#bytes #repetitions t_min[usec] t_max[usec] t_avg[usec] Mbytes/sec",
    "18446744073709551615 0 1.00 2.00 1.50 0.00",
    "{\"name\":\"allreduce\",\"kernel\":1,\"ranks\":0,\"ranksPerNode\":0,\"size\":1,\"time\":1e-300,\"algBw\":0}",
    "{\"version\":3,\"config\":{\"nthreads\":9999999999,\"ngpus\":9999999999},\"results\":[]}",
];

proptest! {
    #![proptest_config(few())]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*", lines in prop::collection::vec(prop::sample::select(WORDS), 0..12)) {
        let asked = Asked { ranks: Some(2), benchmark: None };
        let _ = gathered(&text, &asked);
        let _ = gathered(&lines.join("\n"), &Asked::default());
        let _ = gathered(&lines.join("\n"), &asked);
        let _ = gathered(&format!("{}\n{text}", lines.join("\n")), &asked);
    }

    /// What tools have printed, damaged, and one's lines among the other's.
    #[test]
    fn no_damaged_file_makes_it_panic(
        whole in prop::sample::select(samples()).prop_flat_map(damaged), other in prop::sample::select(samples()),
        from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(), ranks in prop::option::of(0usize..100_000),
    ) {
        let asked = Asked { ranks, benchmark: None };
        let _ = gathered(&String::from_utf8_lossy(&whole), &asked);
        let (a, b) = (from.index(other.len()), to.index(whole.len() + 1));
        let spliced = [&whole[..b], &other[a..], &whole[b..]].concat();
        let _ = gathered(&String::from_utf8_lossy(&spliced), &asked);
    }

    #[test]
    fn no_other_values_make_it_panic(tree in prop::sample::select(json()).prop_flat_map(grafted)) {
        let _ = gathered(&tree.to_string(), &Asked::default());
    }

    #[test]
    fn our_own_table_comes_back(
        rows in prop::collection::vec((0usize..11, 1u64..1 << 20, 0usize..14, 0.5f64..1e9), 1..9),
        ranks in prop::sample::select(&[1usize, 2, 4, 8][..]),
        axis in prop::sample::select(&["world", "tp", "groups"][..]),
    ) {
        let report = report(&rows, ranks, axis);
        let table = crate::render::nccl_tests_table(&report);
        let back = gathered(&table, &Asked::default()).unwrap();
        let mut sent: Vec<_> = report.cases.iter().collect();
        let mut back: Vec<_> = back.iter().collect();
        sent.sort_by(|a, b| a.id.cmp(&b.id));
        back.sort_by(|a, b| a.id.cmp(&b.id));
        let ids = |cases: &[&report::Case]| cases.iter().map(|case| case.id.clone()).collect::<Vec<_>>();
        prop_assert_eq!(ids(&sent), ids(&back), "{}", table);
        for (sent, back) in sent.iter().zip(&back) {
            let [sent, back] = [sent, back].map(|case| case.measured.as_ref().unwrap());
            let (sent, back) = (&sent.latency, &back.latency);
            prop_assert_eq!(sent.definition, back.definition);
            // Seven places: two digits where there is an exponent.
            prop_assert!((back.median - sent.median).abs() <= 5e-6 + 0.05 * sent.median, "{}", table);
        }
    }
}
