//! The values of a case over time.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use super::History;
use super::index::Row;
use crate::base::error::{Error, Result, suggestion};
use crate::base::metric::Direction;
use crate::benchmark::metric::{self, Metric};

/// A metric of a case on one machine, measured in one way, over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// Id of the case.
    pub case: String,
    /// The metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Which way it improves.
    pub direction: Direction,
    /// The machine.
    pub machine: String,
    /// Protocol and definition of the times, and what else keeps them apart from others of the case.
    pub method: String,
    /// The values, the oldest first.
    pub points: Vec<Point>,
}

/// A value of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// When the run began, UTC.
    pub started: String,
    /// The commit it measured.
    pub git: Option<String>,
    /// Name of the run.
    pub run: String,
    /// The report's file, in the folder `reports`.
    pub file: String,
    /// The value, in the unit of the series.
    pub value: f64,
}

/// Which series are asked for, and how much of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Glob of the cases' ids; all when absent.
    pub case: Option<String>,
    /// The metric; all when absent.
    pub metric: Option<String>,
    /// So many of the newest values; all when absent.
    pub last: Option<usize>,
}

impl History {
    /// The series that are asked for, by case, metric, machine and method.
    ///
    /// # Errors
    /// Usage error for a metric that there is none of, and when no case has such values.
    pub fn series(&self, asked: &Asked) -> Result<Vec<Series>> {
        let glob = WildMatch::new(asked.case.as_deref().unwrap_or("*"));
        let metrics = match &asked.metric {
            Some(name) => vec![Metric::find(name).ok_or_else(|| {
                let near = suggestion(name, metric::ALL.iter().map(|metric| metric.key));
                Error::usage(format!("there is no metric '{name}'; {near}"))
            })?],
            None => metric::ALL.to_vec(),
        };
        let rows = self.index.rows.iter().map(|row| (&row.file, row));
        let rows: BTreeMap<&String, &Row> = rows.collect();
        let mut values = vec![Vec::new(); self.index.series.len()];
        for entry in &self.entries {
            for (number, value) in rows.get(&entry.file).into_iter().flat_map(|row| &row.figures) {
                values.get_mut(*number).into_iter().for_each(|values| values.push((entry, *value)));
            }
        }
        let mut all = Vec::new();
        for (key, &number) in &self.index.series {
            let metric = metrics.iter().find(|metric| metric.key == key.metric);
            let metric = metric.filter(|_| glob.matches(&key.case));
            let values = values.get(number).filter(|values| !values.is_empty());
            let (Some(metric), Some(values)) = (metric, values) else { continue };
            let skipped = values.len().saturating_sub(asked.last.unwrap_or(usize::MAX));
            let points = values[skipped..].iter().map(|(entry, value)| Point {
                started: entry.record.started.clone(),
                git: entry.record.git.clone(),
                run: entry.record.run.clone(),
                file: entry.file.clone(),
                value: *value,
            });
            all.push(Series {
                case: key.case.clone(),
                metric: key.metric.clone(),
                unit: metric.unit.name().to_owned(),
                direction: metric.direction,
                machine: key.machine.clone(),
                method: key.method.clone(),
                points: points.collect(),
            });
        }
        if all.is_empty() {
            return Err(self.lacks(&format!(
                "values{}{}; `history list` shows its reports, `tesserabench verdict` what is in one",
                asked.metric.as_ref().map_or_else(String::new, |metric| format!(" of {metric}")),
                asked.case.as_ref().map_or_else(String::new, |case| format!(" for cases '{case}'")),
            )));
        }
        Ok(all)
    }
}
