//! The memory results of the CI of arrow_quant: `memory_benchmark_results.json`.
//!
//! benches/memory_benchmark.py writes them (pallasting/ArrowQuant_V2, 66a3a25): a list of one object for each size of a
//! model, width in bits and implementation. A megabyte is 2^20 bytes there.

use serde::Deserialize;

use super::format::{Format, Kind, Origin};
use super::log::{self, Log, Outcome, Reading, Setup, Subject, Took};
use super::printed::Printed;
use crate::base::error::{Error, Result};
use crate::base::serde_words::in_plain_words;
use crate::benchmark::{Counts, Problem, Setting};

pub(super) const FORMAT: Format = Format {
    name: "memory_benchmark.py",
    kind: Kind::Json {
        signs: &["\"quantization_memory_mb\"", "\"quantization_time_s\"", "\"bit_width\""],
        read,
    },
};

/// What its figures are.
const TIME: &str =
    "of one quantization each; memory is the resident set after it, baseline and all";

#[derive(Deserialize)]
struct Row {
    implementation: String,
    model_size: String,
    bit_width: u64,
    peak_memory_mb: f64,
    quantization_time_s: f64,
}

fn read(text: &str, _: Origin<'_>) -> Result<Log> {
    log::refuse_large(text)?;
    let rows: Vec<Row> = serde_json::from_str(text).map_err(|why| {
        Error::usage(match why.is_data() {
            true => format!(
                "it is not the list that memory_benchmark.py writes: {}",
                in_plain_words(&why.to_string())
            ),
            false => format!("it is not whole JSON: {why}"),
        })
    })?;
    let mut log = Log { tool: "memory_benchmark", time: TIME.to_owned(), ..Log::default() };
    for (row, number) in rows.into_iter().zip(1..) {
        let at = format!("result {number}");
        let bytes = (row.peak_memory_mb * 1_048_576.0).round();
        let seconds = row.quantization_time_s;
        let outcome = if !(0.0..1e9).contains(&seconds) || !(0.0..1e18).contains(&bytes) {
            return Err(Error::usage(format!(
                "{at}: {} MB in {seconds} s are no memory and time",
                row.peak_memory_mb
            )));
        } else if seconds == 0.0 {
            Outcome::LeftOut(format!("{at}: its time is 0"))
        } else {
            Outcome::Took(Took {
                host_peak_bytes: Some(bytes as u64).filter(|bytes| *bytes > 0),
                ..Took::by_the_tool(Some(Printed::with_decimals(1e6 * seconds, 3)))
            })
        };
        let problem = Problem::from([
            ("model_size".to_owned(), Setting::Word(row.model_size)),
            ("bit_width".to_owned(), row.bit_width.into()),
            ("implementation".to_owned(), Setting::Word(row.implementation)),
        ]);
        log.add(Reading {
            at,
            test: "quantization".to_owned(),
            subject: Subject::Theirs {
                name: "quantization".to_owned(),
                problem,
                precision: None,
                counts: Counts { operations_per_run: 1, ..Counts::default() },
            },
            group: log::world(1)?,
            setup: Setup::new(),
            outcome,
        })?;
    }
    Ok(log)
}
