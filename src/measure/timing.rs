//! From stamps to times. Pure.

use crate::backend::Sample;

/// What the rounds of a case took. Rounds with a late rank are left out, and counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Times {
    /// Last end minus first start over the ranks, for one operation, ns.
    pub global: Vec<f64>,
    /// Largest (end minus start) of any rank, for one operation, ns.
    pub local: Vec<f64>,
    /// Largest time on the device itself of any rank, for one operation, ns; empty where the devices
    /// do not tell.
    pub device: Vec<f64>,
    /// Each rank's own (end minus start), for one operation, ns, by rank.
    pub per_rank: Vec<Vec<f64>>,
    /// Last start minus first start, ns.
    pub entry_skew: Vec<f64>,
    /// Last end minus first end, ns.
    pub exit_skew: Vec<f64>,
    /// Largest over mean of the ranks' own times, minus 1.
    pub imbalance: Vec<f64>,
    /// Rounds left out because a rank was late.
    pub invalid: usize,
}

/// Computes times from samples by rank and round; `batch` operations make a sample.
pub fn times(samples: &[Vec<Sample>], batch: u32) -> Times {
    let rounds = samples.first().map_or(0, Vec::len);
    let mut times = Times { per_rank: vec![Vec::new(); samples.len()], ..Times::default() };
    let one = |nanos: i64| nanos as f64 / f64::from(batch);
    for round in 0..rounds {
        let row = || samples.iter().map(|rank| rank[round]);
        if row().any(|sample| sample.late) {
            times.invalid += 1;
            continue;
        }
        let range = |value: fn(Sample) -> i64| {
            let (first, last) = (row().map(value).min(), row().map(value).max());
            (first.unwrap_or(0), last.unwrap_or(0))
        };
        let ((first_start, last_start), (first_end, last_end)) =
            (range(|sample| sample.start), range(|sample| sample.end));
        if let Some(device) = row().map(|sample| sample.device).collect::<Option<Vec<_>>>() {
            times.device.push(one(device.into_iter().max().unwrap_or(0)));
        }
        let (mut largest, mut sum) = (0.0f64, 0.0);
        for (own, sample) in times.per_rank.iter_mut().zip(row()) {
            let time = one(sample.end - sample.start);
            largest = largest.max(time);
            sum += time;
            own.push(time);
        }
        times.global.push(one(last_end - first_start));
        times.local.push(largest);
        times.entry_skew.push((last_start - first_start) as f64);
        times.exit_skew.push((last_end - first_end) as f64);
        times.imbalance.push(if sum > 0.0 {
            largest * samples.len() as f64 / sum - 1.0
        } else {
            0.0
        });
    }
    times
}

impl Times {
    /// For each rank the share of rounds in which it was the slowest; ties count for the lowest rank.
    pub fn slowest_shares(&self) -> Vec<f64> {
        let rounds = self.local.len();
        let mut counts = vec![0usize; self.per_rank.len()];
        for (round, largest) in self.local.iter().enumerate() {
            if let Some(rank) = self.per_rank.iter().position(|times| times[round] == *largest) {
                counts[rank] += 1;
            }
        }
        counts.into_iter().map(|count| count as f64 / rounds.max(1) as f64).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(start: i64, end: i64, late: bool) -> Sample {
        Sample { start, end, device: None, late }
    }

    #[test]
    fn last_end_minus_first_start() {
        let samples = [
            vec![sample(100, 200, false), sample(300, 400, true)],
            vec![sample(110, 250, false), sample(300, 400, false)],
        ];
        let times = times(&samples, 1);
        assert_eq!(times.global, [150.0]);
        assert_eq!(times.local, [140.0]);
        assert_eq!(times.per_rank, [[100.0], [140.0]]);
        assert_eq!((times.entry_skew[0], times.exit_skew[0], times.invalid), (10.0, 50.0, 1));
        assert!((times.imbalance[0] - (140.0 / 120.0 - 1.0)).abs() < 1e-12);
        assert_eq!(times.slowest_shares(), [0.0, 1.0]);
    }

    #[test]
    fn the_device_time_is_the_slowest_devices() {
        let on_device = |device| Sample { start: 0, end: 900, device, late: false };
        let both = [vec![on_device(Some(700))], vec![on_device(Some(800))]];
        assert_eq!(times(&both, 10).device, [80.0]);
        let one = [vec![on_device(Some(700))], vec![on_device(None)]];
        assert!(times(&one, 10).device.is_empty());
    }

    proptest! {
        #[test]
        fn the_order_of_ranks_does_not_matter(
            rows in prop::collection::vec((0i64..1000, 1i64..1000, any::<bool>()), 2..6),
        ) {
            let by_rank: Vec<Vec<Sample>> =
                rows.iter().map(|&(start, took, late)| vec![sample(start, start + took, late)]).collect();
            let reversed: Vec<Vec<Sample>> = by_rank.iter().rev().cloned().collect();
            let (one, other) = (times(&by_rank, 1), times(&reversed, 1));
            prop_assert_eq!(&one.global, &other.global);
            prop_assert_eq!(&one.local, &other.local);
            for (global, local) in one.global.iter().zip(&one.local) {
                prop_assert!(global >= local);
            }
        }
    }
}
