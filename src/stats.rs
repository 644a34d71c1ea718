//! Statistics: numbers in, numbers out. Knows nothing of ranks, cases or reports.

mod bootstrap;
mod fit;
mod order;
mod sample;

pub use bootstrap::ratio_of_medians;
pub use fit::{amdahl_serial_fraction, karp_flatt};
pub use order::{Interval, median, quantile, quantile_interval, samples_needed};
pub use sample::{autocorrelation, mean, variance};
