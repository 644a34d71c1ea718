//! The metrics: one table, and the only place that knows them.
//!
//! Reports, tables, limits, comparisons, the history, its export and imports read it. A new metric is one row.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::work::Counts;
use crate::base::metric::Direction::{self, HigherIsBetter, LowerIsBetter};
use crate::base::metric::Unit;

/// A figure that reports, limits and comparisons speak of.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// The key in the report.
    pub key: &'static str,
    /// The unit people read.
    pub unit: Unit,
    /// Which way it improves.
    pub direction: Direction,
    /// What of a machine bounds it, where something does.
    pub peak: Option<Peak>,
    /// A word for a table cell.
    pub label: &'static str,
    /// What exactly it is.
    pub definition: &'static str,
    compute: fn(&Observed) -> Option<f64>,
    stored: Option<fn(&Metrics) -> Option<f64>>,
}

/// What a described machine can do at best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peak {
    /// The bandwidth of the slowest link between the ranks.
    Link,
    /// The memory bandwidth of all devices.
    Memory,
    /// The arithmetic rate of all devices.
    Arithmetic,
}

/// What the figures of a case follow from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    /// What one operation counts.
    pub counts: Counts,
    /// Ranks that took part.
    pub ranks: usize,
    /// Median time of one operation, ms.
    pub median_ms: f64,
    /// The computation that was made while data moved, where one was.
    pub overlap: Option<Overlap>,
    /// Largest memory of a rank's process, where it is known.
    pub host_peak_bytes: Option<u64>,
    /// Energy of one operation above that of an idle machine, J, where it is known.
    pub operation_joules: Option<f64>,
}

/// A computation while data moves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Overlap {
    /// How long the exchange takes by itself, ms.
    pub alone_ms: f64,
    /// How long was computed before it was waited for, ms.
    pub computed_ms: f64,
}

/// Makes of each row a metric and a field of [`Metrics`]. A row is: name, key, unit, direction, what bounds it, label,
/// definition, how it follows from what was observed.
macro_rules! metrics {
    ($(
        $name:ident $key:ident, $unit:ident, $direction:ident, $peak:expr, $label:literal, $definition:literal,
        $compute:expr;
    )+) => {
        $(
            #[doc = $definition]
            pub static $name: Metric = Metric {
                key: stringify!($key),
                unit: Unit::$unit,
                direction: $direction,
                peak: $peak,
                label: $label,
                definition: $definition,
                compute: $compute,
                stored: Some(|metrics| metrics.$key),
            };
        )+

        /// Every metric of a case, in the order of the report.
        pub static ALL: &[&Metric] = &[&LATENCY, &HOST_PEAK, $(&$name,)+];

        /// Figures at the median time; null where the work has no such figure.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        pub struct Metrics {
            $(
                #[doc = $definition]
                pub $key: Option<f64>,
            )+
        }

        impl Metrics {
            /// Those that follow from what was observed.
            pub fn of(observed: &Observed) -> Self {
                Self { $($key: $name.figure(observed),)+ }
            }
        }
    };
}

// What stands under `metrics` of each case.
metrics! {
    ALGBW algbw_gbps, GigabytesPerSecond, HigherIsBetter, None, "algorithm",
        "bytes of the operations / median time",
        |of| Some(of.each_second(of.counts.algorithm_bytes? as f64)? / 1e9);
    BUSBW busbw_gbps, GigabytesPerSecond, HigherIsBetter, Some(Peak::Link), "bus",
        "algbw times the share of the bytes that crosses each link, as in nccl-tests",
        |of| Some(ALGBW.figure(of)? * of.counts.bus_factor?);
    MEMORY gbps, GigabytesPerSecond, HigherIsBetter, Some(Peak::Memory), "memory",
        "bytes read and written by all ranks / median time",
        |of| Some(of.each_second(of.all(of.counts.memory_traffic_bytes? as f64))? / 1e9);
    ACCESS ns_per_access, NanosecondsPerAccess, LowerIsBetter, None, "access",
        "median time / loads of a rank that wait for each other",
        |of| of.each_access(of.counts.dependent_accesses?);
    ARITHMETIC tflops, TeraflopsPerSecond, HigherIsBetter, Some(Peak::Arithmetic), "arithmetic",
        "floating point operations of all ranks / median time",
        |of| Some(of.each_second(of.all(of.counts.flops?))? / 1e12);
    ARITHMETIC_OF_A_RANK rank_tflops, TeraflopsPerSecond, HigherIsBetter, None, "arithmetic of a rank",
        "floating point operations of one rank / median time",
        |of| Some(of.each_second(of.counts.flops?)? / 1e12);
    OVERLAP overlap_percent, Percent, HigherIsBetter, None, "overlap",
        "100 - (median time - time computed meanwhile) / time of the exchange alone, as in the OSU benchmarks",
        Observed::hidden_percent;
    MESSAGES messages_per_s, PerSecond, HigherIsBetter, None, "messages",
        "messages of all senders, where ranks act in pairs / median time",
        |of| of.each_second(of.counts.messages? as f64);
    OPERATIONS throughput_per_s, PerSecond, HigherIsBetter, None, "operations",
        "operations of the group / median time",
        |of| of.each_second(1.0);
    ENERGY joules_per_operation, JoulesPerOperation, LowerIsBetter, None, "energy",
        "energy of the devices above that of an idle machine / operations, those of the warm-up too",
        |of| of.operation_joules;
    ENERGY_OF_BYTES joules_per_gb, JoulesPerGigabyte, LowerIsBetter, None, "traffic",
        "energy of an operation above that of an idle machine / bytes that algbw or memory traffic counts",
        |of| Some(of.operation_joules? / (of.bytes()? / 1e9));
}

/// Median time. Like the next, it has a place of its own in the report.
pub static LATENCY: Metric = Metric {
    key: "latency",
    unit: Unit::Milliseconds,
    direction: LowerIsBetter,
    label: "time",
    definition: "median over iterations of the time of one operation, by the definition the case names",
    compute: |of| Some(of.median_ms),
    ..EFFICIENCY
};

/// Memory of a process.
pub static HOST_PEAK: Metric = Metric {
    key: "host_peak_bytes",
    unit: Unit::Bytes,
    direction: LowerIsBetter,
    label: "memory of a process",
    definition: "largest resident set of any rank's process while the case ran: buffers, libraries and all",
    compute: |of| of.host_peak_bytes.map(|bytes| bytes as f64),
    ..EFFICIENCY
};

/// The efficiency of a point of a scaling study. It is of no single case, so it is not in [`ALL`].
pub static EFFICIENCY: Metric = Metric {
    key: "efficiency",
    unit: Unit::OfIdeal,
    direction: HigherIsBetter,
    peak: None,
    label: "efficiency",
    definition: "share of the ideal that a point of a scaling study reaches, as the study defines it",
    compute: |_| None,
    stored: None,
};

impl Metric {
    /// The metric of a case with this key.
    pub fn find(key: &str) -> Option<&'static Self> {
        ALL.iter().copied().find(|metric| metric.key == key)
    }

    /// The figure; `None` where the work has none.
    pub fn figure(&self, observed: &Observed) -> Option<f64> {
        (self.compute)(observed)
    }

    /// The figure as a report holds it; `None` too for a metric that does not stand under `metrics`.
    pub fn stored(&self, metrics: &Metrics) -> Option<f64> {
        self.stored.and_then(|stored| stored(metrics))
    }

    /// What is divided by the time, where the metric is such a rate.
    pub fn amount(&self) -> Option<&'static str> {
        self.definition.strip_suffix(" / median time")
    }
}

impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Observed {
    /// So much for each second; `None` where that is nothing, or the time is too short for the clock.
    fn each_second(&self, amount: f64) -> Option<f64> {
        (self.median_ms > 0.0 && amount > 0.0).then(|| amount / (self.median_ms / 1e3))
    }

    /// Time of each of so many loads, ns; `None` where there is none, or the time is too short for the clock.
    fn each_access(&self, accesses: u64) -> Option<f64> {
        (self.median_ms > 0.0 && accesses > 0).then(|| 1e6 * self.median_ms / accesses as f64)
    }

    /// What all ranks do together, each as much.
    fn all(&self, of_one: f64) -> f64 {
        self.ranks as f64 * of_one
    }

    /// Bytes that an operation moves between ranks, else between all devices and their memory.
    fn bytes(&self) -> Option<f64> {
        let moved = self.counts.algorithm_bytes.map(|bytes| bytes as f64);
        let bytes = moved.or_else(|| Some(self.all(self.counts.memory_traffic_bytes? as f64)));
        bytes.filter(|bytes| *bytes > 0.0)
    }

    /// Share of the exchange that the computation hides, percent: OSU 7.4, `calculate_and_print_stats` in
    /// util/osu_util_mpi.c.
    fn hidden_percent(&self) -> Option<f64> {
        let Overlap { alone_ms, computed_ms } = self.overlap?;
        let exposed = self.median_ms - computed_ms;
        let known = alone_ms > 0.0 && self.median_ms > 0.0;
        known.then(|| (100.0 * (1.0 - exposed / alone_ms)).clamp(0.0, 100.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::collective::ALL_REDUCE;
    use crate::benchmark::work::{Element, Exchange, Placement, Work};

    fn observed(work: &Work, ranks: usize, median_ms: f64) -> Observed {
        let counts = work.counts(ranks);
        Observed {
            counts,
            ranks,
            median_ms,
            overlap: None,
            host_peak_bytes: None,
            operation_joules: None,
        }
    }

    #[test]
    fn figures_follow_from_counts_and_time() {
        let work = Work::Exchange(Exchange::plain(&ALL_REDUCE, Element::F32, 4_000_000_000));
        let metrics = Metrics::of(&observed(&work, 4, 2e3));
        assert_eq!((metrics.algbw_gbps, metrics.busbw_gbps), (Some(2.0), Some(3.0)));
        let sides = ["m", "n", "k"].map(|side| (side.to_owned(), 1000.into())).into();
        let gemm = crate::benchmark::find("gemm").unwrap();
        let gemm = gemm.work(&sides, Element::F32, Placement::Out).unwrap();
        assert_eq!(Metrics::of(&observed(&gemm, 2, 1e3)).tflops, Some(0.004));
        assert_eq!(Metrics::of(&observed(&gemm, 2, 0.0)), Metrics::default());
        let overlap = Some(Overlap { alone_ms: 2.0, computed_ms: 2.0 });
        let of = Observed { overlap, host_peak_bytes: Some(7), ..observed(&work, 4, 3.0) };
        assert_eq!((OVERLAP.figure(&of), HOST_PEAK.figure(&of)), (Some(50.0), Some(7.0)));
        let of = Observed { operation_joules: Some(8.0), ..of };
        assert_eq!((ENERGY.figure(&of), ENERGY_OF_BYTES.figure(&of)), (Some(8.0), Some(2.0)));
    }

    #[test]
    fn a_report_holds_what_the_table_names() {
        let metrics = serde_json::to_value(Metrics::default()).unwrap();
        let fields: Vec<&String> = metrics.as_object().unwrap().keys().collect();
        let stored: Vec<&&Metric> = ALL.iter().filter(|metric| metric.stored.is_some()).collect();
        assert_eq!(fields.len(), stored.len());
        assert!(stored.iter().all(|metric| fields.iter().any(|field| *field == metric.key)));
        for metric in ALL {
            assert!(metric.key.ends_with(metric.unit.suffix()), "{}", metric.key);
            assert_eq!(Metric::find(metric.key), Some(*metric));
        }
        assert_eq!(
            BUSBW.stored(&Metrics { busbw_gbps: Some(1.0), ..Default::default() }),
            Some(1.0)
        );
    }
}
