//! From what ranks read to the figures of the report. Knows cases and metrics, not text.

mod case;
#[cfg(test)]
mod fixture;
mod headline;
mod latency;
mod scaling;

pub use case::{Finding, Found, analyse, metrics};
pub use headline::settle;
pub use latency::latency;
pub use scaling::studies;
