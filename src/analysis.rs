//! From what ranks read to the figures of the report. Knows cases and metrics, not text.

mod case;
mod contention;
#[cfg(test)]
pub(crate) mod fixture;
mod headline;
mod latency;
mod launches;
mod pairs;
mod scaling;
mod times;

pub use case::{Finding, Found, analyse, metrics};
pub use contention::compare_with_alone;
pub use headline::settle;
pub use latency::latency;
pub use launches::merge;
pub use pairs::matrices;
pub use scaling::studies;
pub use times::times_ms;
