//! Ranks with ties.

use super::quantile::sorted_with_index;

/// The ranks of values, from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ranks {
    /// The rank of each value; tied values have their mean rank.
    pub(super) of: Vec<f64>,
    /// The tie term Σ (t³ − t) over ties of t values; 0 without ties.
    pub(super) ties: f64,
}

pub(super) fn ranks(values: &[f64]) -> Ranks {
    let mut of = vec![0.0; values.len()];
    let (mut ties, mut below) = (0.0, 0);
    for tie in sorted_with_index(values).chunk_by(|a, b| a.0 == b.0) {
        let size = tie.len() as f64;
        let rank = below as f64 + (size + 1.0) / 2.0;
        tie.iter().for_each(|&(_, place)| of[place] = rank);
        ties += size * size * size - size;
        below += tie.len();
    }
    Ranks { of, ties }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_the_mean_of_their_ranks() {
        let tied = ranks(&[3.0, 0.0, 3.0, -0.0, 3.0, 9.0]);
        assert_eq!(tied.of, [4.0, 1.5, 4.0, 1.5, 4.0, 6.0]);
        assert_eq!(tied.ties, 6.0 + 24.0);
        assert_eq!(ranks(&[]), Ranks { of: vec![], ties: 0.0 });
    }
}
