//! Reads the reference values of SciPy and NumPy that `scripts/golden-statistics` writes.

use serde_json::Value;

/// The cases of one kind.
pub(super) fn golden(kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("golden.json")).unwrap();
    let cases = all[kind].as_array().cloned().unwrap_or_default();
    assert!(!cases.is_empty(), "no cases of {kind}");
    cases
}

pub(super) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

pub(super) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

pub(super) fn table(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

/// Asserts that `found` is `expected` within a relative error of `share`, or an absolute one of 1e-300.
#[track_caller]
pub(super) fn close(found: f64, expected: f64, share: f64) {
    let allowed = share * expected.abs() + 1e-300;
    assert!((found - expected).abs() <= allowed, "{found:e} is not {expected:e}");
}
