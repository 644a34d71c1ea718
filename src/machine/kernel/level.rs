//! How much the assembler optimises.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much the assembler (ptxas) optimises; NVRTC's earlier stages have no levels.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum Level {
    /// Not at all.
    O0,
    /// A little.
    O1,
    /// Most.
    O2,
    /// Everything.
    #[default]
    O3,
}

impl Level {
    /// All, the usual one first.
    pub const NAMES: &'static [&'static str] = &["O3", "O0", "O1", "O2"];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::O0 => "O0",
            Self::O1 => "O1",
            Self::O2 => "O2",
            Self::O3 => "O3",
        }
    }

    /// The level of this name.
    pub fn find(name: &str) -> Option<Self> {
        [Self::O0, Self::O1, Self::O2, Self::O3].into_iter().find(|level| level.name() == name)
    }

    /// What NVRTC is told.
    pub(super) fn option(self) -> String {
        format!("--ptxas-options=-{}", self.name())
    }
}
