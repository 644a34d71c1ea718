//! A comparison as CSV, one row a case.

use super::{Comparison, text};
use crate::base::error::{Error, Result};

const HEADER: [&str; 18] = [
    "id",
    "benchmark",
    "verdict",
    "severity",
    "baseline",
    "candidate",
    "unit",
    "baseline_launches",
    "candidate_launches",
    "ratio",
    "ci_low",
    "ci_high",
    "worse_percent",
    "threshold_percent",
    "p",
    "p_adjusted",
    "cliffs_delta",
    "remarks",
];

/// The cases as rows.
///
/// # Errors
/// Internal error when the rows cannot be formed.
pub fn comparison_csv(comparison: &Comparison) -> Result<String> {
    let wrong = |why: &dyn std::fmt::Display| Error::internal(format!("cannot write CSV: {why}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER).map_err(|why| wrong(&why))?;
    for case in &comparison.cases {
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let row = [
            case.id.clone(),
            case.benchmark.clone(),
            case.verdict.name().to_owned(),
            case.severity.map_or_else(String::new, |severity| severity.name().to_owned()),
            number(case.baseline),
            number(case.candidate),
            case.unit.clone(),
            case.launches[0].to_string(),
            case.launches[1].to_string(),
            number(case.ratio),
            number(case.ci.map(|ci| ci[0])),
            number(case.ci.map(|ci| ci[1])),
            number(case.worse_percent),
            case.threshold_percent.to_string(),
            number(case.p),
            number(case.p_adjusted),
            number(case.cliffs_delta),
            text::remarks(case),
        ];
        writer.write_record(row).map_err(|why| wrong(&why))?;
    }
    let bytes = writer.into_inner().map_err(|why| wrong(&why))?;
    String::from_utf8(bytes).map_err(|why| wrong(&why))
}
