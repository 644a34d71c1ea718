//! The figures of a case by their metric, and the one rate by which people know a benchmark.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Case, Latency, Measured, Report};
use crate::base::metric::{Direction, Unit};
use crate::benchmark::measures;
use crate::benchmark::metric::{
    self, ACCESS, ALGBW, ARITHMETIC, BUSBW, MEMORY, Metric, Metrics, OPERATIONS, Observed,
};
use crate::machine::energy::Energy;

/// What a figure means, and which way it improves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MetricFacts {
    /// The key in the report.
    pub name: String,
    /// The unit people read.
    pub unit: String,
    /// Which way it improves.
    pub direction: Direction,
    /// What exactly it is.
    pub definition: String,
}

impl MetricFacts {
    /// Those of every metric of a case.
    pub fn all() -> Vec<Self> {
        let of = |metric: &&Metric| Self {
            name: metric.key.to_owned(),
            unit: metric.unit.name().to_owned(),
            direction: metric.direction,
            definition: metric.definition.to_owned(),
        };
        metric::ALL.iter().map(of).collect()
    }
}

impl Report {
    /// Whether it shows the figure of this key, as it was asked for.
    pub fn shows(&self, key: &str) -> bool {
        measures::include(self.run.config.measure.as_deref(), key)
    }

    /// The rate that stands for a case among those that it shows, or the time of one access. Everything has operations each
    /// second, which say no more than the time, unless they are asked for.
    pub fn shown_rate(&self, case: &Case) -> Option<(&'static Metric, f64)> {
        if let Some(time) = case.figure(&ACCESS).filter(|_| self.shows(ACCESS.key)) {
            return Some((&ACCESS, time));
        }
        if self.run.config.measure.is_none() {
            return case.quoted_rate().filter(|(metric, _)| metric.unit != Unit::PerSecond);
        }
        let rates = [&BUSBW, &MEMORY, &ARITHMETIC, &ALGBW, &OPERATIONS];
        let shown = rates.into_iter().filter(|metric| self.shows(metric.key));
        // One rank alone moves nothing over any link.
        let shown = shown.filter(|metric| case.group_size > 1 || *metric != &BUSBW);
        shown.map(|metric| Some((metric, case.rate(metric)?))).find_map(|rate| rate)
    }
}

impl Case {
    /// Its time; `None` for a case without.
    pub fn latency(&self) -> Option<&Latency> {
        self.measured.as_ref().map(|measured| &measured.latency)
    }

    /// What its figures follow from at this median time; without counts in old reports. `None` for a case without times.
    pub fn observed(&self, median_ms: f64) -> Option<Observed> {
        let measured = self.measured.as_ref()?;
        Some(Observed {
            counts: self.counts.unwrap_or_default(),
            ranks: self.group_size,
            median_ms,
            overlap: measured.overlap,
            host_peak_bytes: measured.memory.iter().map(|rank| rank.host_peak_bytes).max(),
            operation_joules: measured.energy.as_ref().and_then(Energy::of_operation),
        })
    }

    /// Brings its metrics to the headline's time.
    pub fn renew_metrics(&mut self) {
        let median = self.latency().map(|latency| latency.median);
        let metrics = median.and_then(|median| Some(Metrics::of(&self.observed(median)?)));
        if let (Some(measured), Some(metrics)) = (&mut self.measured, metrics) {
            measured.metrics = metrics;
        }
    }

    /// Its figure at the headline's time.
    pub fn headline(&self, metric: &Metric) -> Option<f64> {
        let measured = self.measured.as_ref()?;
        let kept = metric.stored(&measured.metrics);
        kept.or_else(|| metric.figure(&self.observed(measured.latency.median)?))
    }

    /// Its figure: over launches where there were several.
    pub fn figure(&self, metric: &Metric) -> Option<f64> {
        match &self.replication {
            None => self.headline(metric),
            Some(replication) => metric.figure(&self.observed(replication.median_ms)?),
        }
    }

    /// Its rate of this kind, over launches where there were several.
    pub fn rate(&self, metric: &Metric) -> Option<f64> {
        let Measured { latency, metrics, .. } = self.measured.as_deref()?;
        let scale = if latency.median > 0.0 { self.median_ms()? / latency.median } else { 1.0 };
        Some(metric.stored(metrics)? / scale)
    }

    /// The rate that people quote for it, likewise. `None` for a case without times.
    pub fn quoted_rate(&self) -> Option<(&'static Metric, f64)> {
        let communicates = self.counts.is_none_or(|counts| counts.communicates);
        [&BUSBW, &MEMORY, &ARITHMETIC, &ALGBW, &OPERATIONS]
            .into_iter()
            // One rank alone moves nothing over any link.
            .filter(|metric| self.group_size > 1 || *metric != &BUSBW)
            .filter(|metric| !communicates || *metric != &ALGBW)
            .find_map(|metric| Some((metric, self.rate(metric)?)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::analysis::fixture::{analysed, empty_report, plan, recording};
    use crate::machine::memory::RankMemory;

    #[test]
    fn json_and_csv_have_the_metrics_of_the_table_and_no_others() {
        let plan = plan("benchmarks: {triad: {array: 1MiB}}");
        let mut report = empty_report(&plan);
        report.cases.push(analysed(&plan, &plan.cases[0], recording(&plan, 1e6, 1e6), None));
        let measured = report.cases[0].measured.as_mut().unwrap();
        measured.memory.push(RankMemory { rank: 0, host_peak_bytes: 1 << 30, device: None });
        let case = serde_json::to_value(&report.cases[0]).unwrap();
        let rows = crate::render::Format::Csv.write(&report, true).unwrap();
        let mut reader = csv::Reader::from_reader(rows.as_bytes());
        let row = reader.records().next().unwrap().unwrap();
        let header = reader.headers().unwrap();
        let column = |name: &str| {
            let place = header.iter().position(|column| column == name).unwrap();
            row[place].parse::<f64>().ok()
        };
        for metric in metric::ALL {
            let (json, csv) = match metric.key {
                "latency" => (&case["latency"]["median"], "median_ms"),
                "host_peak_bytes" => (&case["memory"][0]["host_peak_bytes"], metric.key),
                key => (case["metrics"].get(key).unwrap(), key),
            };
            let figure = report.cases[0].figure(metric);
            assert_eq!((json.as_f64(), column(csv)), (figure, figure), "{}", metric.key);
        }
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let mut found = [keys(&case["metrics"]), keys(&case["memory"][0])].concat();
        // What a device has taken is a block of its own.
        found.retain(|key| !["rank", "device"].contains(&key.as_str()));
        assert!(found.iter().all(|key| Metric::find(key).is_some()), "{found:?}");
        let facts: Vec<&str> = report.metrics.iter().map(|facts| facts.name.as_str()).collect();
        assert_eq!(facts, metric::ALL.iter().map(|metric| metric.key).collect::<Vec<_>>());
    }

    #[test]
    fn figures_over_launches_follow_from_counts() {
        let plan = plan("benchmarks: {triad: {array: 1MiB}}");
        let mut case = analysed(&plan, &plan.cases[0], recording(&plan, 1e6, 1e6), None);
        let kept = case.figure(&MEMORY).unwrap();
        case.replication = Some(crate::report::Replication {
            launches: Vec::new(),
            median_ms: 2.0 * case.measured.as_ref().unwrap().latency.median,
            ci: None,
            between_percent: Some(0.0),
            reproducible: false,
        });
        assert!((case.figure(&MEMORY).unwrap() / kept - 0.5).abs() < 1e-9);
        assert_eq!(case.headline(&MEMORY), Some(kept));
        // Of an old report only what it holds.
        case.counts = None;
        assert_eq!((case.figure(&MEMORY), case.headline(&MEMORY)), (None, Some(kept)));
    }
}
