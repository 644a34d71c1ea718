//! What a node is certified to, as data: which limits it keeps, device by device.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LimitCheck, Outcome};
use crate::machine::device::{Board, Device};
use crate::machine::environment::Node;

/// Names the format and its version.
pub const CERTIFICATE_SCHEMA: &str = "tesserabench.certificate/1";

/// The sheet of one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Certificate {
    /// `tesserabench.certificate/1`.
    pub schema: String,
    /// The node.
    pub node: Node,
    /// The report's file.
    pub file: String,
    /// The run's unique name.
    pub run: String,
    /// When it began, UTC; null where that is not known.
    pub started: Option<String>,
    /// When it ended, UTC.
    pub finished: String,
    /// Version and build of the program that measured.
    pub build: String,
    /// Versions of libraries on this node.
    pub libraries: Vec<(String, String)>,
    /// What it comes to.
    pub grade: Grade,
    /// Why it is not passed.
    pub reasons: Vec<String>,
    /// Its devices.
    pub devices: Vec<CertifiedDevice>,
    /// The limits, in the order of the configuration.
    pub limits: Vec<CertifiedLimit>,
    /// Its cases by how they ended.
    pub cases: Vec<(Outcome, usize)>,
    /// Its cases whose results were checked, and those of them that were wrong.
    pub correct: [usize; 2],
    /// Notes on what was measured, each with the number of cases.
    pub caveats: Vec<(String, usize)>,
}

/// What a node or device comes to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Everything was checked and is within its limits.
    Pass,
    /// Something that has to be known for that is not.
    Open,
    /// A limit is broken, a result wrong or a case failed.
    Fail,
}

/// A device of the node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CertifiedDevice {
    /// World rank.
    pub rank: usize,
    /// The device.
    pub device: Device,
    /// Its board.
    pub board: Board,
    /// How many of its own figures were held against a limit.
    pub checked: usize,
    /// How many of these break it.
    pub broken: usize,
    /// What it comes to; `open` where none of its own figures was checked.
    pub grade: Grade,
}

/// A limit, held against all figures of the node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CertifiedLimit {
    /// Its place in the configuration, from 1.
    pub limit: usize,
    /// The limit in words: `tflops of gemm/* at least 40`.
    pub says: String,
    /// How many figures were held against it.
    pub checked: usize,
    /// How many of these keep it.
    pub kept: usize,
    /// How many could not be checked.
    pub unchecked: usize,
    /// The check with the least room, or why there is none.
    pub worst: Option<LimitCheck>,
    /// What it comes to.
    pub grade: Grade,
}
