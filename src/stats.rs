//! Statistics on plain numbers: tests, intervals, effect sizes, change points.

mod bootstrap;
mod change;
mod dependence;
mod fit;
#[cfg(test)]
mod golden;
mod groups;
#[cfg(test)]
mod hostile;
mod interval;
mod normality;
mod order;
mod p_value;
mod permutation;
mod rank_sum;
mod sample;
mod segments;
mod shift;
mod step;
mod t_test;

pub use bootstrap::shift_interval;
pub use change::{Change, FEWEST, MIN_SEGMENT, SERIES_LIMIT, change_points};
pub use dependence::{effective_samples, iterations_needed};
pub use fit::{amdahl_serial_fraction, karp_flatt, slope};
pub use groups::{brown_forsythe, friedman};
#[cfg(test)]
pub(crate) use hostile::autoregressive;
pub use interval::{
    Estimate, Interval, independent_median_interval, quantile_interval, ratio_interval,
};
pub use normality::{anderson_darling, shapiro_wilk};
pub use order::{Outliers, median, outliers, quantile};
pub use p_value::{TestResult, benjamini_hochberg, benjamini_yekutieli, binomial_tail};
pub use permutation::{permutation_p, smallest_p};
pub use rank_sum::rank_sum;
pub use sample::{autocorrelation, mean, variance};
pub use segments::{Steadiness, steadiness};
pub use shift::{Magnitude, cliffs_delta, hedges_g, hodges_lehmann};
pub use t_test::{Welch, t_quantile, welch};
