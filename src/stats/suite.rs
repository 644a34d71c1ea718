//! Shifts between two sides in every case of a suite, each with what all cases say of chance.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::interval::Estimate;
use super::p_value::clamp_p;
use super::prior::{Prior, independent, usual, variance_of_logarithms};
use super::t_test::{t_quantile, t_tail};
use super::trimmed::Trimmed;
use crate::base::parallel::in_parallel;
use crate::base::random::Stream;

/// No standard deviation is taken for smaller, as a share: values that never differ are rounded.
const LEAST_DEVIATION: f64 = 1e-12;

/// Differences below this share are rounding errors.
const ROUNDING: f64 = 1e-9;

/// One case: the values of its launches on two sides.
#[derive(Debug, Clone)]
pub struct Sides {
    /// What names its random numbers.
    pub name: u64,
    /// The values of each side (logarithms, for a ratio). Launches may come in any order, in all cases the same.
    pub values: [Vec<f64>; 2],
    /// The step in which they were read: no side varies by less.
    pub step: f64,
}

/// How far the second side of a case lies above the first: the difference of the 20 % trimmed means.
///
/// Its chance is told in two ways, and the larger probability counts:
///
/// - Student's t, after Yuen (1974): winsorised variances of both sides with Satterthwaite's degrees of freedom. Each
///   variance is moderated by those of the other cases (Smyth, 2004), so that two launches of many cases say
///   something. A side's own is not believed below what both sides say together, so that three launches that happen
///   to agree are not taken for quiet.
/// - The same t of launches drawn with replacement from each case's own launches about their centre, over all cases:
///   what tails, modes and unequal spreads do to it.
#[derive(Debug, Clone)]
pub struct Shift {
    /// The difference.
    pub value: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Degrees of freedom of the standard error.
    pub freedom: f64,
    /// The standard deviation of a launch on the calmer side.
    pub deviation: f64,
    /// t where nothing has shifted, ascending.
    chance: Arc<[f64]>,
}

impl Shift {
    /// The p-value of "the second side lies at most `bound` above the first".
    pub fn p_above(&self, bound: f64) -> f64 {
        let t = (self.value - bound) / self.standard_error;
        let hits = self.chance.len() - self.chance.partition_point(|drawn| *drawn < t);
        self.larger(t, hits)
    }

    /// The p-value of "the second side lies at most `bound` below the first".
    pub fn p_below(&self, bound: f64) -> f64 {
        let t = (self.value + bound) / self.standard_error;
        let hits = self.chance.partition_point(|drawn| *drawn <= t);
        self.larger(-t, hits)
    }

    fn larger(&self, t: f64, hits: usize) -> f64 {
        let drawn = (hits + 1) as f64 / (self.chance.len() + 1) as f64;
        clamp_p(t_tail(t, self.freedom).max(drawn))
    }

    /// The p-value of "the sides lie `bound` or more apart": the larger p of both directions (TOST, Schuirmann, 1987).
    pub fn p_apart(&self, bound: f64) -> f64 {
        self.p_above(-bound).max(self.p_below(-bound))
    }

    /// The interval of the shift. Each end is where the p-value of the shift lying beyond it is half of 1 −
    /// `confidence`. `None` for a confidence beyond what can be told.
    pub fn interval(&self, confidence: f64) -> Option<Estimate> {
        let tail = (1.0 - confidence) / 2.0;
        let hits = (tail * (self.chance.len() + 1) as f64) as usize;
        // So many of the drawn may reach the end.
        let hits = hits.checked_sub(1)?;
        let t = t_quantile(1.0 - tail, self.freedom)?;
        let up = t.max(self.chance[self.chance.len() - 1 - hits]);
        let down = t.max(-self.chance[hits]);
        let Self { value, standard_error, .. } = *self;
        let (low, high) = (value - up * standard_error, value + down * standard_error);
        Some(Estimate { value, low, high })
    }
}

/// The shift of each case; `None` where a side has fewer than two values, or one that is not finite. About `draws`
/// times launches are drawn for each pair of numbers of launches that occurs.
///
/// Neither the order of a side's launches nor that of the cases matters, and exchanged sides give mirrored shifts.
pub fn shifts(cases: &[Sides], draws: usize, seed: u64) -> Vec<Option<Shift>> {
    let cases: Vec<Option<Case<'_>>> = cases.iter().map(Case::new).collect();
    let known: Vec<&Case<'_>> = cases.iter().flatten().collect();
    let suite = Suite::new(&known);
    let mut chances: BTreeMap<[usize; 2], Arc<[f64]>> = BTreeMap::new();
    let mut shift = |case: &Case<'_>| {
        let launches = case.residuals.each_ref().map(Vec::len);
        let chance =
            chances.entry(launches).or_insert_with(|| suite.chance(&known, launches, draws, seed));
        let Difference { value, standard_error, freedom } =
            suite.difference(case.sides, case.least);
        let deviation = suite.calmer(case).sqrt();
        Shift { value, standard_error, freedom, deviation, chance: Arc::clone(chance) }
    };
    cases.iter().map(|case| case.as_ref().map(&mut shift)).collect()
}

/// A case that can be tested.
struct Case<'a> {
    name: u64,
    /// Each side's values, those of a launch at the same place in all cases.
    values: &'a [Vec<f64>; 2],
    sides: [Trimmed; 2],
    /// Each side's values about their centre, ascending, as far apart as values are about their true centre.
    residuals: [Vec<f64>; 2],
    /// The least variance of a value.
    least: f64,
}

impl<'a> Case<'a> {
    fn new(case: &'a Sides) -> Option<Self> {
        let usable = |side: &Vec<f64>| side.len() > 1 && side.iter().all(|value| value.is_finite());
        if !case.values.iter().all(usable) {
            return None;
        }
        let sides = case.values.each_ref().map(|side| Trimmed::of(side));
        let residuals = [0, 1].map(|side| {
            let Trimmed { mean, n, .. } = sides[side];
            let wider = (n / (n - 1.0)).sqrt();
            let values = case.values[side].iter();
            let mut residuals: Vec<f64> = values.map(|value| wider * (value - mean)).collect();
            residuals.sort_by(f64::total_cmp);
            residuals
        });
        Some(Self {
            name: case.name,
            values: &case.values,
            sides,
            residuals,
            least: case.step.max(LEAST_DEVIATION).powi(2),
        })
    }

    /// Launches of both sides, drawn with replacement. Which side is drawn first does not depend on which it is.
    fn drawn(&self, launches: [usize; 2], random: &mut Stream) -> [Trimmed; 2] {
        let mut draw = |side: usize| {
            let residuals = &self.residuals[side];
            let mut counts = vec![0; residuals.len()];
            (0..launches[side]).for_each(|_| counts[random.below(residuals.len())] += 1);
            Trimmed::of_repeated(residuals, &counts)
        };
        if self.residuals[0] <= self.residuals[1] {
            let first = draw(0);
            [first, draw(1)]
        } else {
            let first = draw(1);
            [draw(0), first]
        }
    }
}

/// What all cases say of how launches differ.
struct Suite {
    /// How those of each side differ.
    own: [Prior; 2],
    /// How those of both do, where the second side's variances are divided by `ratio`.
    both: Prior,
    /// By how much the variances of the second side are larger, in all cases alike, as far as they show it.
    ratio: f64,
}

/// A difference of trimmed means.
struct Difference {
    value: f64,
    standard_error: f64,
    freedom: f64,
}

impl Suite {
    fn new(cases: &[&Case<'_>]) -> Self {
        let side = |side: usize| -> Vec<(f64, f64)> {
            let variance = |case: &&Case<'_>| {
                let Trimmed { variance, freedom, .. } = case.sides[side];
                (variance.max(case.least), freedom)
            };
            cases.iter().map(variance).collect()
        };
        let (first, second) = (side(0), side(1));
        let [one, other] = [0, 1].map(|side| {
            let rows: Vec<&[f64]> = cases.iter().map(|case| case.values[side].as_slice()).collect();
            independent(&rows)
        });
        let own = [Prior::fit(&first, one), Prior::fit(&second, other)];
        let worth = f64::midpoint(one, other);
        // Shrunk towards 1 by what chance makes of it in so many cases (James and Stein, 1961, positive part).
        let apart = (usual(&second) / usual(&first)).ln();
        let chance = (variance_of_logarithms(&first) + variance_of_logarithms(&second)) / worth;
        let ratio = (apart * (1.0 - chance / (apart * apart)).max(0.0)).exp();
        let pairs = first.iter().zip(&second);
        let both: Vec<(f64, f64)> =
            pairs.map(|(first, second)| pooled(*first, *second, ratio)).collect();
        Self { own, both: Prior::fit(&both, worth), ratio }
    }

    fn difference(&self, sides: [Trimmed; 2], least: f64) -> Difference {
        let [first, second] = sides.map(|side| (side.variance.max(least), side.freedom));
        let (pooled, pooled_freedom) = pooled(first, second, self.ratio);
        let (pooled, pooled_freedom) = self.both.moderated(pooled, pooled_freedom);
        let side = |side: usize, (variance, freedom): (f64, f64), pooled: f64| {
            let (own, own_freedom) = self.own[side].moderated(variance, freedom);
            let n = sides[side].n;
            // Equal but for rounding where there is one case.
            let is_quieter = own < pooled * (1.0 - ROUNDING);
            if is_quieter { (pooled / n, pooled_freedom) } else { (own / n, own_freedom) }
        };
        let (a, b) = (side(0, first, pooled), side(1, second, pooled * self.ratio));
        let both = a.0 + b.0;
        let freedom = 1.0 / ((a.0 / both).powi(2) / a.1 + (b.0 / both).powi(2) / b.1);
        Difference { value: sides[1].mean - sides[0].mean, standard_error: both.sqrt(), freedom }
    }

    /// The variance of a launch on the calmer side.
    fn calmer(&self, case: &Case<'_>) -> f64 {
        let side = |side: usize| {
            let Trimmed { variance, freedom, .. } = case.sides[side];
            self.own[side].moderated(variance.max(case.least), freedom).0
        };
        side(0).min(side(1))
    }

    /// t of launches drawn about their centre, over all cases, ascending.
    fn chance(
        &self,
        cases: &[&Case<'_>],
        launches: [usize; 2],
        draws: usize,
        seed: u64,
    ) -> Arc<[f64]> {
        let each = draws.div_ceil(cases.len());
        let of_case = |case: &Case<'_>| -> Vec<f64> {
            let numbers = [case.name, launches[0] as u64 * launches[1] as u64];
            let mut random = Stream::new(seed, "launches", &numbers);
            let t = |_| {
                let sides = case.drawn(launches, &mut random);
                let Difference { value, standard_error, .. } = self.difference(sides, case.least);
                value / standard_error
            };
            (0..each).map(t).collect()
        };
        let mut drawn = in_parallel(cases.to_vec(), of_case).concat();
        drawn.sort_unstable_by(f64::total_cmp);
        drawn.into()
    }
}

/// The variance of both sides together and its degrees of freedom; `ratio` times as large on the second.
fn pooled(first: (f64, f64), second: (f64, f64), ratio: f64) -> (f64, f64) {
    let freedom = first.1 + second.1;
    ((first.1 * first.0 + second.1 * second.0 / ratio) / freedom, freedom)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DRAWS: usize = 20_000;

    /// `cases` of normal noise with a deviation of 1 %; launches as given, the first `shifted` by `shift`.
    fn suite(
        cases: usize,
        launches: [usize; 2],
        shifted: usize,
        shift: f64,
        seed: u64,
    ) -> Vec<Sides> {
        let mut random = Stream::new(seed, "suite", &[]);
        (0..cases)
            .map(|case| {
                let centre = |side: usize| if side == 1 && case < shifted { shift } else { 0.0 };
                let values = [0, 1].map(|side| {
                    (0..launches[side]).map(|_| centre(side) + 0.01 * normal(&mut random)).collect()
                });
                Sides { name: case as u64, values, step: 0.0 }
            })
            .collect()
    }

    /// Nearly: the sum of twelve uniform values.
    fn normal(random: &mut Stream) -> f64 {
        (0..12).map(|_| random.unit()).sum::<f64>() - 6.0
    }

    fn lone(from: &[f64], to: &[f64]) -> Option<Shift> {
        let sides = Sides { name: 1, values: [from.to_vec(), to.to_vec()], step: 0.0 };
        shifts(&[sides], DRAWS, 1).remove(0)
    }

    fn adjusted(cases: &[Sides], bound: f64) -> Vec<f64> {
        // 20 hits for a lone one of ten.
        let p = shifts(cases, 400 * cases.len(), 1)
            .into_iter()
            .map(|shift| shift.unwrap().p_above(bound));
        crate::stats::benjamini_hochberg(&p.collect::<Vec<_>>())
    }

    #[test]
    fn three_launches_of_thirty_cases_show_a_lone_shift() {
        let p = adjusted(&suite(30, [3, 3], 1, 0.15, 1), 0.05);
        assert!(p[0] < 0.01, "{}", p[0]);
        assert!(p[1..].iter().all(|p| *p > 0.05), "{p:?}");
    }

    #[test]
    fn false_alarms_are_as_rare_as_the_level() {
        // Binomial(200, 0.05) exceeds 22 with probability 1e-4.
        for launches in [[3, 3], [9, 5], [24, 3]] {
            let alarmed = |seed: &u64| {
                adjusted(&suite(10, launches, 0, 0.0, *seed), 0.0).iter().any(|p| *p <= 0.05)
            };
            let alarmed = (0..200).filter(alarmed).count();
            assert!(alarmed <= 22, "{alarmed} at {launches:?}");
        }
    }

    #[test]
    fn one_disturbed_launch_hides_nothing() {
        let calm = [0.0, 0.01, -0.01, 0.02, 0.0];
        let shifted = [0.3, 0.31, 0.29, 0.32, 1.4];
        let shift = lone(&calm, &shifted).unwrap();
        assert!((shift.value - 0.307).abs() < 0.01, "{}", shift.value);
        assert!(shift.p_above(0.05) < 0.05, "{}", shift.p_above(0.05));
    }

    #[test]
    fn launches_that_happen_to_agree_are_not_quiet() {
        // Of two modes, as the first side shows, the second side's three launches are all in one.
        let modes = [0.0, 0.1, 0.0, 0.1, 0.1, 0.0, 0.1, 0.0];
        let shift = lone(&modes, &[0.1, 0.1001, 0.0999]).unwrap();
        assert!(shift.p_above(0.0) > 0.05, "{}", shift.p_above(0.0));
    }

    #[test]
    fn cases_that_differ_in_nothing_are_one() {
        let launches = [0.0, 0.01, 0.02, 0.0, 0.01, 0.02];
        let case = |name| Sides {
            name,
            values: [launches.to_vec(), launches.map(|value| value + 0.26).to_vec()],
            step: 0.0,
        };
        for shift in shifts(&[case(1), case(2)], DRAWS, 1) {
            let shift = shift.unwrap();
            assert!(shift.p_above(0.05) < 0.01, "{}", shift.p_above(0.05));
            assert!(shift.interval(0.95).is_some());
        }
    }

    #[test]
    fn a_step_of_the_clock_is_no_shift() {
        let sides = Sides { name: 1, values: [vec![0.0; 3], vec![0.1; 3]], step: 0.1 };
        let shift = shifts(std::slice::from_ref(&sides), DRAWS, 1).remove(0).unwrap();
        assert!(shift.p_above(0.0) > 0.05, "{}", shift.p_above(0.0));
        let fine = shifts(&[Sides { step: 1e-3, ..sides }], DRAWS, 1).remove(0).unwrap();
        assert!(fine.p_above(0.0) < 1e-3, "{}", fine.p_above(0.0));
    }

    #[test]
    fn too_few_or_undefined_values_have_no_shift() {
        assert!(lone(&[1.0], &[2.0, 3.0]).is_none());
        assert!(lone(&[1.0, f64::NAN], &[2.0, 3.0]).is_none());
        assert!(shifts(&[], DRAWS, 1).is_empty());
        let equal = lone(&[0.1; 4], &[0.1; 4]).unwrap();
        assert_eq!((equal.value, equal.p_above(0.0)), (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn interval_and_p_agree_in_any_order_and_mirrored(
            from in prop::collection::vec(-1.0..1.0f64, 2..7),
            to in prop::collection::vec(-1.0..1.0f64, 2..7),
            bound in 0.0..0.5f64,
        ) {
            let shift = lone(&from, &to).unwrap();
            let mirrored = lone(&to, &from).unwrap();
            let backwards = |side: &[f64]| side.iter().rev().copied().collect::<Vec<_>>();
            let reordered = lone(&backwards(&from), &backwards(&to)).unwrap();
            let p = shift.p_above(bound);
            prop_assert!(p > 0.0 && p <= 1.0);
            prop_assert_eq!(p, reordered.p_above(bound));
            prop_assert!((p - mirrored.p_below(bound)).abs() < 1e-3, "{} {}", p, mirrored.p_below(bound));
            let interval = shift.interval(0.9).unwrap();
            prop_assert!(interval.low <= shift.value && shift.value <= interval.high);
            // Away from the edge itself.
            prop_assume!((interval.low - bound).abs() > 1e-6);
            prop_assert_eq!(interval.low > bound, p <= 0.05, "{} {:?} {}", p, interval, bound);
        }
    }
}
