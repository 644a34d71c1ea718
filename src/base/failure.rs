//! What went wrong: in a case, and with a whole job.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::Kind;
use super::units::now;

/// What went wrong in a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseError {
    /// `wrong_result`, `case_failed`, `timed_out`, `rank_died`.
    pub kind: Kind,
    /// World rank where it was found, or that is at fault.
    pub rank: Option<usize>,
    /// Its node.
    #[serde(default)]
    pub node: Option<String>,
    /// What it drives.
    #[serde(default)]
    pub device: Option<String>,
    /// Step of the case.
    pub at: String,
    /// Index of the first wrong element in that rank's result.
    #[serde(default)]
    pub element: Option<u64>,
    /// When it was found, UTC.
    #[serde(default)]
    pub time: Option<String>,
    /// One sentence.
    pub detail: String,
}

impl CaseError {
    /// Found now, in this step of a case.
    pub fn now(kind: Kind, at: &str, detail: String) -> Self {
        let time = Some(now());
        let (rank, node, device, element) = (None, None, None, None);
        Self { kind, rank, node, device, at: at.to_owned(), element, time, detail }
    }
}

/// What ended a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The case that was running; empty before the first.
    pub case: String,
    /// What went wrong.
    pub error: CaseError,
}
