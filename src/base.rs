//! What every room may use: errors and exit codes, quantities, metrics, caveats, random numbers, bounded files,
//! and text made harmless.

pub mod accuracy;
pub mod archive;
pub mod cache;
pub mod caveat;
pub mod error;
pub mod failure;
pub mod files;
pub mod metric;
pub(crate) mod parallel;
pub mod plain;
pub mod random;
pub mod serde_words;
pub mod units;
pub mod yaml;
