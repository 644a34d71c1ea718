//! What every room may use: errors and exit codes, quantities, metrics, caveats, random numbers, bounded files.

pub mod accuracy;
pub mod caveat;
pub mod error;
pub mod failure;
pub mod files;
pub mod metric;
pub mod random;
pub mod units;
