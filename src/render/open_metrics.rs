//! Values over time as OpenMetrics, which Prometheus and its like read.

use std::fmt::Write as _;

use crate::base::plain::plain;
use crate::base::units::parse_utc;
use crate::benchmark::metric::{self, Metric};
use crate::history::Series;

/// The values in OpenMetrics' text format, in base units: one gauge a metric, labelled by case, machine and method.
/// Of two values of a series at the same second only the later stays, as the format wants.
pub(super) fn open_metrics<'a>(series: impl Iterator<Item = &'a Series> + Clone) -> String {
    let mut text = String::new();
    for metric in metric::ALL {
        let mut own = series.clone().filter(|series| series.metric == metric.key).peekable();
        if own.peek().is_none() {
            continue;
        }
        let (name, unit, factor) = family(metric);
        let _ = writeln!(text, "# TYPE {name} gauge");
        let _ = writeln!(text, "# UNIT {name} {unit}");
        let _ = writeln!(text, "# HELP {name} {}", escape(metric.definition));
        for series in own {
            let label = |key: &str, value: &str| format!("{key}=\"{}\"", escape(value));
            let labels = [
                label("case", &series.case),
                label("machine", &series.machine),
                label("method", &series.method),
            ];
            for (i, point) in series.points.iter().enumerate() {
                let later = series.points.get(i + 1);
                if later.is_some_and(|later| later.started == point.started) {
                    tracing::warn!(
                        "left out run '{}': another one has a value of '{}' at the same second",
                        point.run,
                        series.case
                    );
                    continue;
                }
                let time = parse_utc(&point.started).unwrap_or(0);
                let _ = writeln!(
                    text,
                    "{name}{{{}}} {} {time}",
                    labels.join(","),
                    point.value * factor
                );
            }
        }
    }
    text.push_str("# EOF\n");
    text
}

/// What a metric is called where units are base units, its unit there, and how many of those make one of its own.
fn family(metric: &Metric) -> (String, &'static str, f64) {
    let (unit, factor) = metric.unit.base();
    let stem = metric.key.strip_suffix(metric.unit.suffix()).unwrap_or(metric.key);
    // Some keys are nothing but their unit.
    let stem = if stem.is_empty() { metric.label } else { stem.trim_end_matches('_') };
    (format!("tesserabench_{stem}_{unit}"), unit, factor)
}

/// A text in a label or a help line.
fn escape(text: &str) -> String {
    plain(text).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Point;

    #[test]
    fn labels_are_escaped_and_units_are_base_units() {
        let point = |run: &str, value| Point {
            started: "1970-01-02T00:00:00Z".to_owned(),
            git: None,
            run: run.to_owned(),
            file: String::new(),
            value,
        };
        let series = |name: &str| Series {
            case: "a\\\"b\nc".to_owned(),
            metric: name.to_owned(),
            unit: String::new(),
            direction: crate::base::metric::Direction::LowerIsBetter,
            machine: "m".to_owned(),
            method: "n".to_owned(),
            points: vec![point("earlier", 7.0), point("later", 2.0)],
        };
        let text = open_metrics([series("latency"), series("gbps")].iter());
        let labels = r#"{case="a\\\"b\\u000ac",machine="m",method="n"}"#;
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines[0], format!("tesserabench_latency_seconds{labels} 0.002 86400"));
        let memory = format!("tesserabench_memory_bytes_per_second{labels} 2000000000 86400");
        assert_eq!(lines[1..], [memory]);
    }

    #[test]
    fn every_metric_has_a_name_of_its_own_that_ends_in_its_unit() {
        let families: Vec<_> = metric::ALL.iter().map(|metric| family(metric)).collect();
        let mut names: Vec<&str> = families.iter().map(|(name, ..)| name.as_str()).collect();
        assert!(families.iter().all(|(name, unit, _)| name.ends_with(unit) && !name.contains(' ')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), metric::ALL.len());
    }
}
