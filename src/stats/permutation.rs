//! The permutation test of two samples.

use statrs::function::factorial::ln_binomial;

use super::p_value::sequential_p;
use crate::base::random::Stream;

/// Up to this number of relabellings, all are enumerated: ten against ten values.
const EXACT_LIMIT: f64 = 200_000.0;

/// Random relabellings stop after this many hits.
const STOPPING_HITS: usize = 20;

/// Differences below this share of the range are rounding errors.
const ROUNDING: f64 = 1e-9;

/// The one-sided p-value of H₀: `to` lies at most `shift` above `from`. It is the share of relabellings of the
/// pooled values, `to` reduced by `shift`, whose statistic reaches the observed one. The statistic is Welch's t, so
/// that the test is asymptotically valid for samples that differ in variance only (Chung and Romano, 2013).
///
/// Up to ten against ten values all relabellings are enumerated, which is exact. Beyond, random ones are drawn until
/// 20 of l are hits, p = 20/l, or all `draws` are made, p = (hits + 1)/(draws + 1) (Besag and Clifford, 1991):
/// never 0, and valid (Phipson and Smyth, 2010). 1 for fewer than two values on a side.
pub fn permutation_p(
    from: &[f64],
    to: &[f64],
    shift: f64,
    draws: usize,
    random: &mut Stream,
) -> f64 {
    if from.len() < 2 || to.len() < 2 {
        return 1.0;
    }
    let Some(pooled) = Pooled::new(from, to, shift) else { return 1.0 };
    if relabellings(from.len(), to.len()) <= EXACT_LIMIT {
        pooled.exact()
    } else {
        pooled.sequential(draws, random)
    }
}

/// The smallest p-value that [`permutation_p`] can return.
pub fn smallest_p(from: usize, to: usize, draws: usize) -> f64 {
    if from < 2 || to < 2 {
        return 1.0;
    }
    let all = relabellings(from, to);
    if all <= EXACT_LIMIT { all.recip() } else { ((draws + 1) as f64).recip() }
}

/// The number of ways to choose which values are `to`'s.
fn relabellings(from: usize, to: usize) -> f64 {
    ln_binomial((from + to) as u64, to as u64).exp().round()
}

struct Pooled {
    /// Centred on the common mean, in units of the largest distance from it; those of `to` last.
    values: Vec<f64>,
    to: usize,
    sum: f64,
    squares: f64,
    observed: Statistic,
}

/// Welch's t without root and quotient: a larger t is a larger `signed` / `variance`.
#[derive(Clone, Copy)]
struct Statistic {
    /// The square of the difference of means, with its sign.
    signed: f64,
    /// The square of its standard error.
    variance: f64,
}

impl Statistic {
    fn reaches(self, other: Self) -> bool {
        // Both t are infinite or undefined.
        if self.variance == 0.0 && other.variance == 0.0 {
            return self.signed >= other.signed;
        }
        let margin = ROUNDING * (self.signed * other.variance).abs().max(f64::MIN_POSITIVE);
        self.signed * other.variance >= other.signed * self.variance - margin
    }
}

impl Pooled {
    /// `None` if a value is not finite.
    fn new(from: &[f64], to: &[f64], shift: f64) -> Option<Self> {
        let mut values: Vec<f64> =
            from.iter().copied().chain(to.iter().map(|value| value - shift)).collect();
        // Dividing first keeps the sum of large values finite.
        let n = values.len() as f64;
        let mean = values.iter().map(|value| value / n).sum::<f64>();
        values.iter_mut().for_each(|value| *value -= mean);
        let reach = values.iter().fold(0.0f64, |reach, value| reach.max(value.abs()));
        if !reach.is_finite() || values.iter().any(|value| value.is_nan()) {
            return None;
        }
        if reach > 0.0 {
            values.iter_mut().for_each(|value| *value /= reach);
        }
        let sum = values.iter().sum();
        let squares = values.iter().map(|value| value * value).sum();
        let observed = Statistic { signed: 0.0, variance: 0.0 };
        let mut pooled = Self { values, to: to.len(), sum, squares, observed };
        pooled.observed = pooled.statistic_of(&pooled.values[from.len()..]);
        Some(pooled)
    }

    fn statistic_of(&self, to: &[f64]) -> Statistic {
        self.statistic(to.iter().sum(), to.iter().map(|value| value * value).sum())
    }

    /// The statistic if `to`'s values have this sum and this sum of squares.
    fn statistic(&self, sum: f64, squares: f64) -> Statistic {
        let to = self.to as f64;
        let from = self.values.len() as f64 - to;
        let rest = self.sum - sum;
        let difference = sum / to - rest / from;
        // A value below the rounding error counts as 0.
        let part = |squares: f64, sum: f64, n: f64| {
            let squares = squares - sum * sum / n;
            if squares > ROUNDING * ROUNDING { squares / (n * (n - 1.0)) } else { 0.0 }
        };
        let variance = part(squares, sum, to) + part(self.squares - squares, rest, from);
        let difference = if difference.abs() > ROUNDING { difference } else { 0.0 };
        Statistic { signed: difference * difference.abs(), variance }
    }

    fn exact(&self) -> f64 {
        let (hits, all) = self.enumerate(0, self.to, (0.0, 0.0));
        hits as f64 / all as f64
    }

    /// Counts the ways to choose `left` more values from index `next` on, in addition to those with these sums: those
    /// that reach the observed statistic, and all.
    fn enumerate(&self, next: usize, left: usize, (sum, squares): (f64, f64)) -> (u64, u64) {
        if left == 0 {
            return (self.statistic(sum, squares).reaches(self.observed).into(), 1);
        }
        (next..=self.values.len() - left).fold((0, 0), |(hits, all), place| {
            let value = self.values[place];
            let sums = (sum + value, squares + value * value);
            let more = self.enumerate(place + 1, left - 1, sums);
            (hits + more.0, all + more.1)
        })
    }

    fn sequential(&self, draws: usize, random: &mut Stream) -> f64 {
        let mut values = self.values.clone();
        let n = values.len();
        sequential_p(draws, STOPPING_HITS, || {
            for place in 0..self.to {
                values.swap(place, place + random.below(n - place));
            }
            self.statistic_of(&values[..self.to]).reaches(self.observed)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DRAWS: usize = 99_999;

    fn p(from: &[f64], to: &[f64], shift: f64) -> f64 {
        permutation_p(from, to, shift, DRAWS, &mut Stream::new(1, "test", &[]))
    }

    #[test]
    fn separated_samples_give_the_smallest_p() {
        let (low, high) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.5]);
        assert_eq!(p(&low, &high, 0.0), 1.0 / 70.0);
        assert_eq!(p(&high, &low, 0.0), 1.0);
        assert_eq!(smallest_p(4, 4, DRAWS), 1.0 / 70.0);
        for (launches, ways) in [(5, 252.0), (6, 924.0), (8, 12870.0), (10, 184_756.0)] {
            assert_eq!(smallest_p(launches, launches, DRAWS), 1.0 / ways);
        }
        assert_eq!((smallest_p(30, 30, DRAWS), smallest_p(1, 30, DRAWS)), (1e-5, 1.0));
        let many = |shift: u32| -> Vec<f64> { (0..12).map(|i| f64::from(i + shift)).collect() };
        assert_eq!(p(&many(0), &many(100), 0.0), 1e-5);
    }

    #[test]
    fn values_that_are_equal_show_nothing() {
        assert_eq!(p(&[1.0; 5], &[1.0; 5], 0.0), 1.0);
        // All of one and all of the other: only the order as it was shows as much, and t has no end.
        assert_eq!(p(&[1.0; 5], &[2.0; 5], 0.0), 1.0 / 252.0);
        assert_eq!(p(&[1.0; 5], &[2.0; 5], 1.0), 1.0);
        assert_eq!(p(&[1.0], &[2.0; 5], 0.0), 1.0);
        assert_eq!(p(&[f64::NAN, 1.0], &[2.0; 5], 0.0), 1.0);
        assert_eq!(p(&[f64::INFINITY, 1.0], &[2.0; 5], 0.0), 1.0);
    }

    /// scipy.stats.permutation_test with Welch's t as statistic, exact; see scripts/golden-statistics.
    #[test]
    fn a_shift_is_taken_off_first() {
        let (from, to) = ([1.0, 2.0, 3.0, 4.5], [2.0, 4.0, 5.0, 6.0]);
        let shifted: Vec<f64> = to.iter().map(|value| value - 1.5).collect();
        assert_eq!(p(&from, &to, 1.5), p(&from, &shifted, 0.0));
        assert!(p(&from, &to, 0.0) < p(&from, &to, 1.5));
    }

    #[test]
    fn drawing_comes_near_counting() {
        let mut random = Stream::new(3, "values", &[]);
        let mut sample =
            |shift: f64| -> Vec<f64> { (0..8).map(|_| random.unit() + shift).collect() };
        let (from, to) = (sample(0.0), sample(0.2));
        let pooled = Pooled::new(&from, &to, 0.0).unwrap();
        let exact = pooled.exact();
        let drawn: Vec<f64> = (0..50)
            .map(|seed| pooled.sequential(DRAWS, &mut Stream::new(seed, "draws", &[])))
            .collect();
        let mean = drawn.iter().sum::<f64>() / 50.0;
        assert!((mean / exact - 1.0).abs() < 0.15, "{mean} {exact}");
    }

    #[test]
    fn false_positives_are_as_rare_as_the_level() {
        // H₀ holds: p at or below 5 % in 5 % of the samples. Binomial(2000, 0.05) exceeds 137 with 1e-4.
        let mut random = Stream::new(5, "values", &[]);
        let mut sample = || -> Vec<f64> { (0..6).map(|_| random.unit()).collect() };
        let small = (0..2000).filter(|_| p(&sample(), &sample(), 0.0) <= 0.05).count();
        assert!((65..=137).contains(&small), "{small}");
    }

    proptest! {
        #[test]
        fn p_is_a_probability(
            from in prop::collection::vec(prop_oneof![-1e3..1e3f64, Just(1.0), any::<f64>()], 0..6),
            to in prop::collection::vec(prop_oneof![-1e3..1e3f64, Just(1.0), any::<f64>()], 0..6),
            shift in -1.0..1.0f64,
        ) {
            let p = p(&from, &to, shift);
            prop_assert!(p > 0.0 && p <= 1.0, "{p}");
            prop_assert!(p >= smallest_p(from.len(), to.len(), DRAWS));
        }
    }
}
