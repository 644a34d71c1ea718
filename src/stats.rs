//! Statistics: numbers in, numbers out. Knows nothing of ranks, cases or reports.

mod change;
mod dependence;
mod fit;
mod order;
mod ratio;
mod sample;
mod scale;
mod segments;

pub use change::{Change, change_points};
#[cfg(test)]
pub(crate) use dependence::tests::autoregressive;
pub use dependence::{effective_samples, iterations_needed};
pub use fit::{amdahl_serial_fraction, karp_flatt, slope};
pub use order::{Interval, median, quantile, quantile_interval};
pub use ratio::{Estimate, ratio_interval};
pub use sample::{autocorrelation, mean, variance};
pub use segments::{Steadiness, steadiness};
