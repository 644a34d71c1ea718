//! Tests of the OSU micro-benchmarks (7.4), as far as an operation of ours measures the same.

/// A test of the OSU micro-benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OsuTest {
    /// Its title without `OSU MPI` and `Test`.
    pub title: &'static str,
    /// Which size it prints.
    pub size: OsuSize,
    /// Who takes part.
    pub ranks: OsuRanks,
}

impl OsuTest {
    pub(super) const fn new(title: &'static str, size: OsuSize, ranks: OsuRanks) -> Self {
        Self { title, size, ranks }
    }
}

/// Which size OSU prints, as `bytes` counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OsuSize {
    /// The same.
    Whole,
    /// That of one rank's block; `bytes` is that of all.
    Block,
    /// None.
    Absent,
}

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OsuRanks {
    /// Exactly two.
    Two,
    /// Two for each pair that the header names.
    Pairs,
    /// As many as were started.
    All,
}
