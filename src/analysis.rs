//! From what ranks read to the figures of the report. Knows cases and metrics, not text.

mod case;
mod ceiling;
mod certificate;
mod comparison;
mod contention;
mod efficiency;
mod families;
#[cfg(test)]
pub(crate) mod fixture;
mod headline;
mod latency;
mod launches;
mod limits;
mod pairs;
mod roofline;
mod scaling;
mod summary;
mod survey;

pub use case::{CaseOutcome, analyse};
pub use certificate::certificates;
pub use comparison::{
    Looks, NoiseFloor, Reports, Rules, apart, comparable, compare, noise_floor, sessions,
};
pub use contention::compare_with_alone;
pub use efficiency::hold_against_the_possible;
pub use headline::settle;
pub use latency::latency;
pub use launches::merge;
pub use limits::{Limits, derive_limits};
pub use pairs::matrices;
pub use roofline::place_on_roofline;
pub use scaling::studies;
pub use summary::summarise;
pub use survey::survey;
