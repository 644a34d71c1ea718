//! What rules have in common: bounds that several hold to, and how a finding is made of a concern.

use crate::base::caveat::Concern;
use crate::report::{Figure, Finding};

/// Probability below which a test counts, after adjusting for all of its kind.
pub(super) const FALSE_ONES: f64 = 0.05;

/// How much slower than the others a rank must be to count, percent. A choice: devices of one kind and make
/// differ by less.
pub(super) const SLOWER_PERCENT: f64 = 5.0;

pub(super) use crate::base::caveat::says;

/// A finding that nothing is said of yet but the rule and these numbers.
pub(super) fn finding(concern: Concern, reports: &[usize], evidence: Vec<Figure>) -> Finding {
    Finding {
        rule: concern.name.to_owned(),
        says: (concern.sentence)(),
        severity: concern.severity,
        reports: reports.to_vec(),
        cases: Vec::new(),
        ranks: Vec::new(),
        hosts: Vec::new(),
        evidence,
        detail: None,
        recommendation: concern.advice.to_owned(),
    }
}

/// A number with its name and unit.
pub(super) fn figure(name: &str, value: f64, unit: &str) -> Figure {
    Figure { name: name.to_owned(), value, unit: unit.to_owned() }
}

/// How many of something.
pub(super) fn count(name: &str, value: usize) -> Figure {
    figure(name, value as f64, "")
}
