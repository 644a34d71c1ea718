//! Statistics: numbers in, numbers out. Knows nothing of ranks, cases or reports.

mod bootstrap;
mod dependence;
mod fit;
mod order;
mod permutation;
mod ratio;
mod sample;
mod segments;

#[cfg(test)]
pub(crate) use dependence::tests::autoregressive;
pub use bootstrap::{Shift, shift_interval};
pub use dependence::{effective_samples, iterations_needed};
pub use fit::{amdahl_serial_fraction, karp_flatt, slope};
pub use order::{Interval, median, quantile, quantile_interval};
pub use permutation::{permutation_p, smallest_p};
pub use ratio::{Estimate, ratio_interval};
pub use sample::{autocorrelation, mean, variance};
pub use segments::{Steadiness, steadiness};
