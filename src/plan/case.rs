//! One case of a plan.

use serde::{Deserialize, Serialize};

use super::config::ScalingKind;
use super::mesh::Group;
use crate::benchmark::work::{Element, Placement, Work};
use crate::benchmark::{Asked, Problem};

/// One benchmark with one problem size on one group of ranks: the unit of execution, failure and comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Name, the same in every run.
    pub id: String,
    /// Name of the benchmark.
    pub benchmark: String,
    /// Problem size per rank.
    pub problem: Problem,
    /// The keys of the problem whose numbers follow from the machine, with the word that stood for each.
    #[serde(default)]
    pub asked: Asked,
    /// Element type, if the benchmark has one.
    pub precision: Option<Element>,
    /// In place or out of place, if the benchmark supports both.
    pub placement: Option<Placement>,
    /// What the backend executes.
    pub work: Work,
    /// The ranks that take part.
    pub group: Group,
    /// The set of cases that run concurrently with this one, if any.
    pub set: Option<u32>,
    /// The scaling study that this case is a point of.
    pub study: Option<Study>,
}

/// The identity of a scaling study.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Study {
    /// What stays constant.
    pub kind: ScalingKind,
    /// The constant problem: in total (strong) or per rank (weak).
    pub problem: Problem,
}

impl Case {
    /// Whether the two run concurrently.
    pub fn runs_with(&self, other: &Self) -> bool {
        self.set.is_some()
            && self.set == other.set
            && self.benchmark == other.benchmark
            && self.problem == other.problem
            && (self.precision, self.placement) == (other.precision, other.placement)
    }
}
