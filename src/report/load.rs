//! Reading a report back, and what is refused in it: whoever has a report may rely on the rest.

use std::path::Path;

use serde::Deserialize;

use super::{Case, PairMatrix, Report, SCHEMA, Samples};
use crate::base::error::{Error, Result};
use crate::base::files::read_bounded;

/// Most bytes a report may have that is read back.
pub const FILE_LIMIT: u64 = 1 << 30;

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    /// Usage error for a file that cannot be read, is not a report, or is of another version.
    pub fn load(path: &Path) -> Result<Self> {
        Ok(Self::load_with_text(path)?.0)
    }

    /// Reads a report, and keeps what was read.
    ///
    /// # Errors
    /// As of [`load`](Self::load).
    pub fn load_with_text(path: &Path) -> Result<(Self, String)> {
        let text = read_bounded(path, FILE_LIMIT)?;
        match Self::parse(&text) {
            Ok(report) => {
                if report.cases.iter().any(|case| case.replication.is_some() && case.is_uncounted())
                {
                    tracing::warn!(
                        "'{}' does not say what its cases count, because an older version wrote it: their rates \
                         over launches are left out",
                        path.display()
                    );
                }
                Ok((report, text))
            }
            Err(why) => Err(Error::file("use the report", path, why)),
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        /// What is read first; the rest is passed over, which takes no memory.
        #[derive(Deserialize)]
        struct Head {
            schema: Option<String>,
        }
        let head = serde_json::from_str(text);
        let head: Head = head.or_else(|why: serde_json::Error| match why.is_data() {
            true => Ok(Head { schema: None }),
            false => Err(format!("it is not JSON: {why}")),
        })?;
        match head.schema {
            Some(schema) if schema == SCHEMA => {}
            Some(other) => return Err(format!("its schema is '{other}', not '{SCHEMA}'")),
            None => return Err(format!("it has no schema '{SCHEMA}'")),
        }
        let report: Self = serde_json::from_str(text).map_err(|why| why.to_string())?;
        report.cases.iter().try_for_each(Case::check)?;
        report.pair_matrices.iter().try_for_each(PairMatrix::check)?;
        Ok(report)
    }
}

impl Case {
    /// Whether it was measured and does not say what it counts.
    pub fn is_uncounted(&self) -> bool {
        self.measured.is_some() && self.counts.is_none()
    }

    /// Refuses what no run of ours writes and readers rely on.
    fn check(&self) -> Result<(), String> {
        match &self.samples {
            Samples::Sidecar { file, .. } if !is_beside(file) => Err(format!(
                "the samples of case '{}' are in '{file}', which is no name of a file beside the report or in a \
                 folder there",
                self.id
            )),
            _ => Ok(()),
        }
    }
}

/// Whether this names a file in the folder where it stands, or in folders below.
fn is_beside(name: &str) -> bool {
    let is_plain = |part: &str| !["", ".", ".."].contains(&part) && !part.contains(['\\', '\0']);
    name.split('/').all(is_plain)
}

impl PairMatrix {
    /// Refuses what is no square of so many ranks.
    fn check(&self) -> Result<(), String> {
        let square = |rows: &[Vec<Option<f64>>]| {
            rows.len() == self.ranks && rows.iter().all(|row| row.len() == self.ranks)
        };
        match self.ranks > 0 && square(&self.median_ms) && square(&self.busbw_gbps) {
            true => Ok(()),
            false => Err(format!(
                "the pairs of {} are no square of {} ranks",
                self.benchmark, self.ranks
            )),
        }
    }
}
