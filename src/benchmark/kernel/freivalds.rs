//! Freivalds' check (1977) of a product of matrices: one pass over each matrix instead of the product again.

use super::Values;
use crate::base::random::Stream;

/// A vector whose products with the rows of two matrices differ where the rows do. Its numbers are positive, so that one
/// wrong element always shows, and whole, so that the sums are exact.
pub(super) fn freivalds(length: usize) -> Vec<f64> {
    let mut random = Stream::new(0, "freivalds", &[]);
    (0..length).map(|_| 1.0 + random.below(1000) as f64).collect()
}

/// The product of a matrix with a vector.
pub(super) fn times(matrix: &Values<'_>, vector: &[f64]) -> Vec<f64> {
    (0..matrix.shape[0]).map(|row| scalar_product(&matrix.row(row), vector)).collect()
}

/// The product of two vectors.
pub(super) fn scalar_product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
