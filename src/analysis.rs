//! From recordings to figures: knows cases and metrics, not text.

mod case;
mod scaling;

pub use case::{Finding, analyse, headline, needs_sidecar};
pub use scaling::{Series, studies};
