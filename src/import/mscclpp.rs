//! The JSON lines of mscclpp-test (`-o FILE`).
//!
//! test/mscclpp-test/common.cc writes them, since 2640578 (2023, v0.2.0) and until 2026 (1f5f065): one object a size, with
//! its keys in alphabetical order. Baselines that people keep have the same keys, others beside them, and fewer digits.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::format::{Format, Kind, Origin};
use super::lines::Line;
use super::log::{self, Log, Outcome, Reading, Setup, Subject, Took};
use super::printed::{Printed, meet};
use crate::base::error::{Error, Result};
use crate::base::serde_words::in_plain_words;
use crate::benchmark::{Counts, Problem};

pub(super) const FORMAT: Format =
    Format { name: "mscclpp-test (-o)", kind: Kind::Lines { signs: &["\"ranksPerNode\""], read } };

/// What its times are.
const TIME: &str = "means over the launches of a graph of kernels, on rank 0";

#[derive(Deserialize)]
struct Row<'a> {
    name: String,
    kernel: u64,
    ranks: usize,
    #[serde(rename = "ranksPerNode")]
    per_node: u64,
    size: u64,
    /// Microseconds.
    #[serde(borrow)]
    time: &'a RawValue,
    #[serde(borrow, rename = "algBw")]
    algbw: &'a RawValue,
}

/// Reads one process's lines; `None` when there is none.
fn read(lines: &[Line<'_>], _: Origin<'_>) -> Result<Option<Log>> {
    let mut log = Log { tool: "mscclpp", time: TIME.to_owned(), ..Log::default() };
    let mut seen = false;
    for line in lines {
        let text = line.text.trim();
        if !text.starts_with('{') || !text.contains("\"name\"") && line.ends {
            continue;
        }
        let row: Row<'_> = match serde_json::from_str(text) {
            Ok(row) => row,
            Err(_) if !line.ends => {
                if seen {
                    log.cut = Some(format!("line {} is cut and left out", line.number));
                }
                continue;
            }
            Err(_) if !seen && !text.contains("\"ranksPerNode\"") => continue,
            Err(why) => return Err(line.refused(Error::usage(in_plain_words(&why.to_string())))),
        };
        seen = true;
        let reading = row.reading(line.number).map_err(|why| line.refused(why))?;
        if let Outcome::LeftOut(why) = &reading.outcome {
            log.cut.get_or_insert(why.clone());
        }
        log.add(reading).map_err(|why| line.refused(why))?;
    }
    Ok(seen.then_some(log))
}

impl Row<'_> {
    fn reading(self, line: usize) -> Result<Reading> {
        let number = |what: &str, value: &RawValue| {
            let wrong = || Error::usage(format!("{what} {} is no number", value.get()));
            Printed::parse(value.get()).ok_or_else(wrong)
        };
        let (time, algbw) = (number("time", self.time)?, number("algBw", self.algbw)?);
        let computed = time.under(1e-3 * self.size as f64);
        let outcome = match computed {
            Some(computed) if !meet(computed.ends(), algbw.ends()) => Outcome::LeftOut(format!(
                "line {line}: algBw is {} GB/s, but size and time give {:.6}; the line is changed",
                algbw.value, computed.value
            )),
            _ => Outcome::Took(Took::by_the_tool(Some(time))),
        };
        let ranks = self.ranks as f64;
        // `getBw` of its tests.
        let bus_factor = match self.name.as_str() {
            "allreduce" => Some(2.0 * (ranks - 1.0) / ranks),
            "allgather" | "alltoall" | "reducescatter" => Some((ranks - 1.0) / ranks),
            "sendrecv" => Some(1.0),
            _ => None,
        };
        let problem = Problem::from([
            ("bytes".to_owned(), self.size.into()),
            ("kernel".to_owned(), self.kernel.into()),
            ("ranks_per_node".to_owned(), self.per_node.into()),
        ]);
        let counts = Counts {
            algorithm_bytes: Some(self.size).filter(|bytes| *bytes > 0),
            bus_factor: bus_factor.filter(|factor| *factor >= 0.0),
            operations_per_run: 1,
            communicates: true,
            ..Counts::default()
        };
        let name = self.name;
        Ok(Reading {
            at: format!("line {line}"),
            test: name.clone(),
            subject: Subject::Theirs { name, problem, precision: None, counts },
            group: log::world(self.ranks)?,
            setup: Setup::new(),
            outcome,
        })
    }
}
