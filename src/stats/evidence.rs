//! What a test found.

/// A test's statistic, and how often chance alone gives one as extreme.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// The statistic.
    pub statistic: f64,
    /// The p-value, in (0, 1].
    pub p: f64,
}
