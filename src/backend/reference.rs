//! Inputs whose right results are known exactly, and those results: shared by the backends that compute.

mod buffer_layout;
mod copied;
pub(super) mod expected_results;
mod kernel;
mod operands;

pub(super) use buffer_layout::BufferLayout;
pub(super) use copied::{fill_source, judge_copy, spoil_target};
pub(super) use expected_results::ExpectedResults;
pub(super) use kernel::judge;
pub(super) use operands::{FACTOR, Operands};

pub(super) use crate::benchmark::{Number, with_number};

use crate::base::error::Error;
use crate::benchmark::work::Element;

/// The one sentence for work that a backend cannot do on an element type.
pub(super) fn no_such_type(what: &str, element: Element) -> Error {
    Error::unsupported(format!("{what} is not defined for {}", element.name()))
}
