//! What is printed as JSON; `tesserabench schema history` prints its schema.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Damaged, Entry, Series, Trend};

const SCHEMA: &str = "tesserabench.history/1";

/// What `history list`, `trend` and `export` print as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// `tesserabench.history/1`.
    pub schema: String,
    /// The answer.
    #[serde(flatten)]
    pub content: Content,
}

/// The answer of a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", untagged)]
pub enum Content {
    /// Of `list`.
    List {
        /// The reports, the oldest first.
        reports: Vec<Entry>,
        /// Files that are no usable reports.
        damaged: Vec<Damaged>,
    },
    /// Of `trend`.
    Trend {
        /// The series with their changes.
        trends: Vec<Trend>,
    },
    /// Of `export`.
    Export {
        /// The series.
        series: Vec<Series>,
    },
}

impl From<Content> for Answer {
    fn from(content: Content) -> Self {
        Self { schema: SCHEMA.to_owned(), content }
    }
}
