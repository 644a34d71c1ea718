//! What profilers export, as what our report on them holds: counters of `perf stat`, kernels of `nsys` and `ncu`.

use std::collections::BTreeMap;

use crate::base::error::{Error, Result};
use crate::report::{CacheHits, CpuCounters, GpuKernel, SimdShare};

/// Bytes of a line of a cache, on every processor whose events are named here.
const LINE_BYTES: f64 = 64.0;

/// Something to count, and the events that count it: the first row of which `perf` knows all, added.
struct Wanted(&'static str, &'static [&'static [&'static str]]);

/// Events by the names that `perf` has for them (`perf list`): its own, Intel's since Skylake, AMD's since Zen 2.
const WANTED: [Wanted; 14] = [
    Wanted("time on CPUs", &[&["task-clock"]]),
    Wanted("instructions", &[&["instructions"]]),
    Wanted("cycles", &[&["cycles"]]),
    Wanted(
        "scalar floating point",
        &[
            &["fp_arith_inst_retired.scalar_single", "fp_arith_inst_retired.scalar_double"],
            &["fp_ops_retired_by_width.scalar_uops_retired"],
        ],
    ),
    Wanted(
        "floating point of 128 bit",
        &[
            &[
                "fp_arith_inst_retired.128b_packed_single",
                "fp_arith_inst_retired.128b_packed_double",
            ],
            &["fp_ops_retired_by_width.pack_128_uops_retired"],
        ],
    ),
    Wanted(
        "floating point of 256 bit",
        &[
            &[
                "fp_arith_inst_retired.256b_packed_single",
                "fp_arith_inst_retired.256b_packed_double",
            ],
            &["fp_ops_retired_by_width.pack_256_uops_retired"],
        ],
    ),
    Wanted(
        "floating point of 512 bit",
        &[
            &[
                "fp_arith_inst_retired.512b_packed_single",
                "fp_arith_inst_retired.512b_packed_double",
            ],
            &["fp_ops_retired_by_width.pack_512_uops_retired"],
        ],
    ),
    Wanted("loads from L1", &[&["L1-dcache-loads"]]),
    Wanted("misses of L1", &[&["L1-dcache-load-misses"]]),
    Wanted(
        "requests of L2",
        &[
            &["l2_rqsts.references"],
            &["l2_cache_req_stat.dc_access_in_l2"],
            &["l2_cache_accesses_from_dc_misses"],
        ],
    ),
    Wanted(
        "misses of L2",
        &[
            &["l2_rqsts.miss"],
            &["l2_cache_req_stat.ls_rd_blk_c"],
            &["l2_cache_misses_from_dc_misses"],
        ],
    ),
    Wanted("loads from the last cache", &[&["LLC-loads"]]),
    Wanted("misses of the last cache", &[&["LLC-load-misses"]]),
    Wanted(
        "lines from memory",
        &[&["ocr.reads_to_core.dram"], &["ls_any_fills_from_sys.dram_io_all"]],
    ),
];

/// The events to count, of those that `perf` counts here, and what has none.
pub fn perf_events(
    mut counts: impl FnMut(&str) -> Result<bool>,
) -> Result<(Vec<String>, Vec<&'static str>)> {
    let (mut events, mut without) = (Vec::new(), Vec::new());
    for Wanted(what, choices) in &WANTED {
        let mut found = None;
        for choice in *choices {
            let mut all = true;
            for event in *choice {
                all = all && counts(event)?;
            }
            if all {
                found = Some(choice);
                break;
            }
        }
        match found {
            Some(choice) => events.extend(choice.iter().map(|event| (*event).to_owned())),
            None => without.push(*what),
        }
    }
    Ok((events, without))
}

/// What `perf stat --field-separator=,` has written, where it counted for so many seconds. Its columns are the count, its
/// unit, the event, the time of counting and its share (perf-stat(1), "CSV FORMAT").
///
/// # Errors
/// Usage error for a count that is none.
pub fn read_perf(text: &str, seconds: Option<f64>) -> Result<CpuCounters> {
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    let mut shares = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split(',').collect();
        let wrong = || Error::usage(format!("perf wrote the line '{line}', which is no count"));
        let [count, _, event, ..] = cells[..] else { return Err(wrong()) };
        if count.starts_with('<') {
            continue;
        }
        let count: f64 = count.parse().map_err(|_| wrong())?;
        // Behind a colon stands whether the kernel was counted, too.
        let event = event.split(':').next().unwrap_or(event);
        counts.insert(event, count);
        let share = cells.get(4).and_then(|share| share.parse::<f64>().ok());
        shares.extend(share.filter(|_| event != "task-clock"));
    }
    let count = |wanted: &str| {
        let Wanted(_, choices) = WANTED.iter().find(|Wanted(what, _)| *what == wanted)?;
        choices.iter().find_map(|choice| {
            choice.iter().map(|event| counts.get(event).copied()).sum::<Option<f64>>()
        })
    };
    let ratio = |part: Option<f64>, of: Option<f64>| Some(part? / of.filter(|of| *of > 0.0)?);
    let hits = |asked: &str, missed: &str| {
        let missed = ratio(count(missed), count(asked))?;
        // Counted at different times, more may miss than were asked for.
        Some((100.0 * (1.0 - missed)).max(0.0))
    };
    let widths =
        ["scalar floating point", "floating point of 128 bit", "floating point of 256 bit"];
    let widths = [&widths[..], &["floating point of 512 bit"]].concat();
    let all = widths.iter().map(|width| count(width)).sum::<Option<f64>>();
    let width = |at: usize| ratio(count(widths[at]), all).map(|share| 100.0 * share);
    let bytes = count("lines from memory").map(|lines| LINE_BYTES * lines);
    Ok(CpuCounters {
        // perf counts it in ms.
        cpu_seconds: count("time on CPUs").map(|ms| ms / 1e3),
        instructions: count("instructions"),
        cycles: count("cycles"),
        instructions_per_cycle: ratio(count("instructions"), count("cycles")),
        simd: SimdShare {
            scalar_percent: width(0),
            bits_128_percent: width(1),
            bits_256_percent: width(2),
            bits_512_percent: width(3),
        },
        caches: CacheHits {
            l1_percent: hits("loads from L1", "misses of L1"),
            l2_percent: hits("requests of L2", "misses of L2"),
            last_percent: hits("loads from the last cache", "misses of the last cache"),
        },
        memory_read_bytes: bytes,
        memory_read_gbps: ratio(bytes, seconds).map(|rate| rate / 1e9),
        counted_percent: shares.into_iter().reduce(f64::min),
    })
}

/// The rows of a table as it is printed among other lines, which begins with a column of this name.
fn rows(text: &str, first: &str) -> Result<Vec<BTreeMap<String, String>>> {
    let starts = |line: &&str| line.trim_start_matches('"').starts_with(first);
    let Some(head) = text.lines().position(|line| starts(&line)) else { return Ok(Vec::new()) };
    let table: Vec<&str> = text.lines().skip(head).take_while(|line| line.contains(',')).collect();
    let table = table.join("\n");
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(table.as_bytes());
    let wrong =
        |why: csv::Error| Error::usage(format!("the profiler's table cannot be read: {why}"));
    let head = reader.headers().map_err(wrong)?.clone();
    let row = |row: csv::Result<csv::StringRecord>| {
        let row = row.map_err(wrong)?;
        Ok(head.iter().map(str::to_owned).zip(row.iter().map(str::to_owned)).collect())
    };
    reader.records().map(row).collect()
}

/// A number, in which thousands may be parted.
fn number(row: &BTreeMap<String, String>, column: &str) -> Option<f64> {
    row.get(column)?.replace(',', "").trim().parse().ok().filter(|value: &f64| value.is_finite())
}

fn with_shares(mut kernels: Vec<GpuKernel>) -> Vec<GpuKernel> {
    let all: f64 = kernels.iter().map(|kernel| kernel.total_ms).sum();
    for kernel in &mut kernels {
        kernel.share_percent = if all > 0.0 { 100.0 * kernel.total_ms / all } else { 0.0 };
    }
    kernels.sort_by(|one, other| other.total_ms.total_cmp(&one.total_ms));
    kernels
}

/// What `nsys stats --report cuda_gpu_kern_sum --format csv` prints.
///
/// # Errors
/// Usage error for a table that cannot be read.
pub fn read_nsys(text: &str) -> Result<Vec<GpuKernel>> {
    let kernel = |row: &BTreeMap<String, String>| {
        Some(GpuKernel {
            name: row.get("Name")?.clone(),
            launches: number(row, "Instances")? as u64,
            total_ms: number(row, "Total Time (ns)")? / 1e6,
            ..GpuKernel::default()
        })
    };
    let rows = rows(text, "Time (%)")?;
    let read: Option<Vec<GpuKernel>> = rows.iter().map(kernel).collect();
    read.map(with_shares).ok_or_else(|| {
        Error::usage("the table of nsys has other columns than Name, Instances and Total Time (ns)")
    })
}

/// What `ncu --import FILE --csv --page raw --print-units base` prints: a row for each launch, below one with units.
///
/// # Errors
/// Usage error for a table that cannot be read.
pub fn read_ncu(text: &str) -> Result<Vec<GpuKernel>> {
    const TIME: &str = "gpu__time_duration.sum";
    const PARTS: [&str; 3] = [
        "sm__throughput.avg.pct_of_peak_sustained_elapsed",
        "gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed",
        "sm__warps_active.avg.pct_of_peak_sustained_active",
    ];
    let rows = rows(text, "ID")?;
    let mut kernels: BTreeMap<String, (Vec<f64>, [Vec<f64>; 3])> = BTreeMap::new();
    for row in rows.iter().filter(|row| number(row, "ID").is_some()) {
        let of_row = row.get("Kernel Name").cloned().zip(number(row, TIME));
        let (name, ns) = of_row.ok_or_else(|| {
            Error::usage(format!("the table of ncu has no Kernel Name or no {TIME}"))
        })?;
        let (times, parts) = kernels.entry(name).or_default();
        times.push(ns);
        parts.iter_mut().zip(PARTS).for_each(|(part, column)| part.extend(number(row, column)));
    }
    let mean = |values: &[f64]| {
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    let kernel =
        |(name, (times, [sm, memory, occupancy])): (String, (Vec<f64>, [Vec<f64>; 3]))| GpuKernel {
            name,
            launches: times.len() as u64,
            total_ms: times.iter().sum::<f64>() / 1e6,
            share_percent: 0.0,
            sm_percent: mean(&sm),
            memory_percent: mean(&memory),
            occupancy_percent: mean(&occupancy),
        };
    Ok(with_shares(kernels.into_iter().map(kernel).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_perf_become_shares_and_what_was_not_counted_is_null() {
        let text = "# started on Mon Nov 30\n\n2000.00,msec,task-clock,2000000000,100.00,0.9,CPUs utilized\n\
                    6000,,instructions:u,1000,50.00,3.0,insn per cycle\n2000,,cycles:u,1000,60.00,,\n\
                    10,,fp_arith_inst_retired.scalar_single,9,40.00,,\n0,,fp_arith_inst_retired.scalar_double,9,40.00,,\n\
                    0,,fp_arith_inst_retired.128b_packed_single,9,40.00,,\n0,,fp_arith_inst_retired.128b_packed_double,9,40.00,,\n\
                    30,,fp_arith_inst_retired.256b_packed_single,9,40.00,,\n0,,fp_arith_inst_retired.256b_packed_double,9,40.00,,\n\
                    60,,fp_arith_inst_retired.512b_packed_single,9,40.00,,\n0,,fp_arith_inst_retired.512b_packed_double,9,40.00,,\n\
                    1000,,L1-dcache-loads,9,70.00,,\n100,,L1-dcache-load-misses,9,70.00,,\n\
                    <not counted>,,l2_rqsts.references,0,0.00,,\n<not supported>,,LLC-loads,0,100.00,,\n\
                    1000000000,,ocr.reads_to_core.dram,9,70.00,,\n";
        let counters = read_perf(text, Some(2.0)).unwrap();
        assert_eq!((counters.cpu_seconds, counters.instructions_per_cycle), (Some(2.0), Some(3.0)));
        let SimdShare { scalar_percent, bits_128_percent, bits_256_percent, bits_512_percent } =
            counters.simd;
        assert_eq!([scalar_percent, bits_128_percent], [Some(10.0), Some(0.0)]);
        assert_eq!([bits_256_percent, bits_512_percent], [Some(30.0), Some(60.0)]);
        let CacheHits { l1_percent, l2_percent, last_percent } = counters.caches;
        assert_eq!([l1_percent, l2_percent, last_percent], [Some(90.0), None, None]);
        assert_eq!((counters.memory_read_gbps, counters.counted_percent), (Some(32.0), Some(40.0)));
        let nothing = read_perf("<not supported>,,cycles,0,100.00,,\n", None).unwrap();
        assert_eq!(nothing, CpuCounters::default());
        assert!(!nothing.has_counted() && read_perf("x\n", None).is_err());
    }

    #[test]
    fn events_are_those_that_perf_counts() {
        let amd = |event: &str| Ok(event.starts_with("fp_ops") || event == "cycles");
        let (events, without) = perf_events(amd).unwrap();
        assert_eq!(events[0], "cycles");
        assert!(events.contains(&"fp_ops_retired_by_width.pack_512_uops_retired".to_owned()));
        assert!(without.contains(&"lines from memory") && !without.contains(&"cycles"));
    }

    #[test]
    fn kernels_of_nsys_and_ncu_are_read_among_other_lines() {
        let text = "Processing [rank-0.sqlite] with [cuda_gpu_kern_sum.py]...\n\
                    Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name\n\
                    75.0,3000000,3,1000000.0,1000000.0,1,2,0.0,\"void gemm<float, 4>(int)\"\n25.0,1000000,1,1,1,1,1,0,copy\n\n";
        let kernels = read_nsys(text).unwrap();
        assert_eq!(kernels[0].name, "void gemm<float, 4>(int)");
        assert_eq!((kernels[0].launches, kernels[0].total_ms), (3, 3.0));
        assert_eq!((kernels[1].share_percent, kernels[1].sm_percent), (25.0, None));
        assert!(read_nsys("nothing\n").unwrap().is_empty());
        let text = "==PROF== Connected\n\"ID\",\"Kernel Name\",\"gpu__time_duration.sum\",\"sm__throughput.avg.pct_of_peak_sustained_elapsed\"\n\
                    \"\",\"\",\"ns\",\"%\"\n\"0\",\"copy\",\"1,000\",\"40.5\"\n\"1\",\"copy\",\"3,000\",\"41.5\"\n";
        let kernels = read_ncu(text).unwrap();
        assert_eq!((kernels[0].launches, kernels[0].total_ms), (2, 0.004));
        assert_eq!((kernels[0].sm_percent, kernels[0].occupancy_percent), (Some(41.0), None));
    }
}
