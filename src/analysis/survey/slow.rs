//! Who is slower than others like it.

use super::rules::SLOWER_PERCENT;
use crate::stats;

/// By how much somebody exceeds the others in each case, percent.
pub(super) type Excesses<'a> = Vec<(f64, &'a str)>;

/// A rank, all the ranks of a node, or the hosts of reports, that are slower than the others in more than half of the
/// cases that were looked at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slow {
    /// None where all ranks of the hosts are meant.
    pub(super) ranks: Vec<usize>,
    pub(super) hosts: Vec<String>,
    /// The cases that they are slower in, the worst first.
    pub(super) cases: Vec<String>,
    /// Cases that were looked at.
    pub(super) looked_at: usize,
    /// Median over these of how much they exceed the others, percent.
    pub(super) excess_percent: f64,
}

impl Slow {
    /// These, when they are slow.
    pub(super) fn of(
        ranks: Vec<usize>,
        hosts: Vec<String>,
        mut cases: Excesses<'_>,
    ) -> Option<Self> {
        let all: Vec<f64> = cases.iter().map(|(excess, _)| *excess).collect();
        let excess_percent = stats::median(&all)?;
        cases.retain(|(excess, _)| *excess > SLOWER_PERCENT);
        cases.sort_by(|a, b| b.0.total_cmp(&a.0));
        let is_slow = 2 * cases.len() > all.len();
        let cases = cases.into_iter().map(|(_, case)| case.to_owned()).collect();
        is_slow.then_some(Self { ranks, hosts, cases, looked_at: all.len(), excess_percent })
    }
}

/// How much each value exceeds the median of the others, percent; 0 where that is not positive.
pub(super) fn excesses(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let excess = |own: &f64| {
        let place = sorted.partition_point(|other| other.total_cmp(own).is_lt());
        let other = |at: usize| sorted.get(at + usize::from(at >= place)).copied().unwrap_or(0.0);
        let others = sorted.len().saturating_sub(1);
        let middle = f64::midpoint(other(others.saturating_sub(1) / 2), other(others / 2));
        if middle > 0.0 { 100.0 * (own / middle - 1.0) } else { 0.0 }
    };
    values.iter().map(excess).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_held_against_the_others() {
        assert_eq!(excesses(&[2.0, 1.0]), [100.0, -50.0]);
        // The others of 2 are 1, 1 and 4; of 4 they are 1, 1 and 2.
        assert_eq!(excesses(&[1.0, 4.0, 1.0, 2.0]), [-50.0, 300.0, -50.0, 100.0]);
        assert_eq!(excesses(&[0.0, 0.0, 5.0]), [-100.0, -100.0, 0.0]);
        assert_eq!(excesses(&[3.0]), [0.0]);
        assert!(excesses(&[]).is_empty());
    }
}
