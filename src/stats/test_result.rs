//! The result of a statistical test.

/// A test's statistic and p-value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TestResult {
    /// The statistic of the test.
    pub statistic: f64,
    /// The p-value, in (0, 1].
    pub p: f64,
}
