//! Statistics on plain numbers: tests, intervals, effect sizes, change points.

mod change;
mod dependence;
mod effect;
mod fit;
#[cfg(test)]
mod golden;
mod groups;
#[cfg(test)]
mod hostile;
mod interval;
mod modes;
mod normality;
mod order;
mod p_value;
mod prior;
mod rank_sum;
mod sample;
mod segments;
mod step;
mod suite;
mod t_test;
mod trimmed;

pub use change::{Change, FEWEST, MIN_SEGMENT, SERIES_LIMIT, change_points};
pub use dependence::{effective_samples, iterations_needed};
pub use effect::{Magnitude, cliffs_delta, hedges_g};
pub use fit::{amdahl_serial_fraction, karp_flatt, slope};
pub use groups::{brown_forsythe, friedman};
#[cfg(test)]
pub(crate) use hostile::{autoregressive, switching};
pub use interval::{
    Estimate, Interval, independent_median_interval, launches_needed, quantile_interval,
    ratio_interval, undecided_modes,
};
pub use modes::Modes;
pub use normality::{anderson_darling, shapiro_wilk};
pub use order::{Outliers, median, outliers, quantile};
pub use p_value::{TestResult, benjamini_hochberg, benjamini_yekutieli, binomial_tail};
pub use rank_sum::{rank_sum, smallest_rank_sum_p};
pub use sample::{autocorrelation, mean, variance};
pub use segments::{Steadiness, steadiness};
pub use suite::{Shift, Sides, shifts};
pub use t_test::{Welch, t_quantile, welch};
pub use trimmed::trimmed_mean;
