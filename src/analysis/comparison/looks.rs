//! Confirmation: what is doubtful is measured in more launches and looked at again.
//!
//! Each look tests all cases by all launches that they have by then, at its own share of the false discovery rate. The
//! shares add up to 1, so the rate holds for all looks together, whatever made a case be measured again.

use std::collections::{BTreeMap, BTreeSet};

use super::{Reports, Rules, compare_all_but};
use crate::base::metric::Direction;
use crate::plan::config::ComparedMetric;
use crate::report::{Compared, Comparison, Look, Verdict};

/// The shares of one, two or three looks: most goes to the first, which all cases have. What that comes to:
/// `scripts/peers/gate.rs`, part `confirmation`.
const SHARES: [&[f64]; 3] = [&[1.0], &[0.75, 0.25], &[0.6, 0.2, 0.2]];

/// What a look may spend, and what the last one has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spending {
    /// Its share of the false discovery rate.
    pub(super) share: f64,
    /// That of the last look.
    pub(super) last: f64,
    /// Launches of each side at the last look; 0 where there are no more than there are.
    pub(super) most: [usize; 2],
}

impl Spending {
    /// The only look has all.
    pub(super) const ALL: Self = Self { share: 1.0, last: 1.0, most: [0; 2] };
}

/// A comparison in up to three looks.
#[derive(Debug)]
pub struct Looks {
    /// By what rules; they stay from the first look on.
    pub rules: Rules,
    /// Launches at each look.
    launches: Vec<usize>,
    /// Whether the baseline is measured, too.
    both: bool,
    /// That of the last look.
    comparison: Option<Comparison>,
}

impl Looks {
    /// The first look is at `launches` of each side, the last at `most`, one between them half way. `both` says whether
    /// the baseline gets more launches, too. Points of scaling studies are several cases each: they are looked at
    /// once.
    pub fn new(rules: Rules, launches: usize, most: usize, both: bool) -> Self {
        let more = match rules.metric {
            ComparedMetric::Efficiency => 0,
            ComparedMetric::Latency | ComparedMetric::Throughput => most.saturating_sub(launches),
        };
        let later: BTreeSet<usize> =
            [more.div_ceil(2), more].into_iter().filter(|more| *more > 0).collect();
        let all = [0].into_iter().chain(later).map(|more| launches + more).collect();
        Self { rules, launches: all, both, comparison: None }
    }

    /// Looks at what there is now.
    pub fn look(&mut self, baseline: Reports<'_>, candidate: Reports<'_>) {
        let shares = SHARES[self.launches.len() - 1];
        let (last, most) = (shares[shares.len() - 1], self.launches[self.launches.len() - 1]);
        let mut looks = self.comparison.as_ref().map_or(Vec::new(), |before| before.looks.clone());
        let place = looks.len().min(shares.len() - 1);
        let mut rules = self.rules.clone();
        if shares.len() > 1 {
            let most = [if self.both { most } else { 0 }, most];
            rules.spending = Spending { share: shares[place], last, most };
        }
        let decided: BTreeMap<&str, &Compared> = self
            .comparison
            .iter()
            .flat_map(|before| &before.cases)
            .filter(|case| !is_doubtful(case, self.direction()))
            .map(|case| (case.id.as_str(), case))
            .collect();
        let mut comparison = compare_all_but(&decided, baseline, candidate, &rules);
        if shares.len() > 1 {
            let cases = comparison.cases.len() - decided.len();
            looks.push(Look { launches: self.launches[place], cases, share: shares[place] });
        }
        comparison.looks = looks;
        self.comparison = Some(comparison);
    }

    /// The cases to measure again for the next look, and the launches that they have then; `None` where nothing is
    /// doubtful, or no look is left.
    pub fn again(&self) -> Option<(BTreeSet<String>, usize)> {
        let comparison = self.comparison.as_ref()?;
        let launches = *self.launches.get(comparison.looks.len())?;
        let doubtful = comparison.cases.iter().filter(|case| is_doubtful(case, self.direction()));
        let doubtful: BTreeSet<String> = doubtful.map(|case| case.id.clone()).collect();
        (!comparison.looks.is_empty() && !doubtful.is_empty()).then_some((doubtful, launches))
    }

    /// What the last look has found; `None` before the first.
    pub fn comparison(&self) -> Option<&Comparison> {
        self.comparison.as_ref()
    }

    fn direction(&self) -> Direction {
        super::direction(self.rules.metric)
    }
}

/// Whether more launches of the case are worth while: it is open, and may be worse by more than its threshold.
fn is_doubtful(case: &Compared, direction: Direction) -> bool {
    let open = [Verdict::Suspected, Verdict::Unstable, Verdict::Inconclusive, Verdict::Shifted];
    let most = case.ci.map(|[low, high]| match direction {
        Direction::LowerIsBetter => high,
        Direction::HigherIsBetter => low.recip(),
    });
    let may_be_worse = |most: f64| 100.0 * (most - 1.0) > case.threshold_percent;
    case.p.is_some() && open.contains(&case.verdict) && most.is_none_or(may_be_worse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::config::Config;

    fn looks(first: usize, most: usize) -> Looks {
        Looks::new(Rules::resolve(&Config::default()).unwrap(), first, most, true)
    }

    #[test]
    fn more_launches_come_in_two_steps() {
        let launches = |first, most| looks(first, most).launches;
        assert_eq!(launches(5, 15), [5, 10, 15]);
        assert_eq!(launches(5, 8), [5, 7, 8]);
        assert_eq!(launches(5, 6), [5, 6]);
        assert_eq!(launches(5, 5), [5]);
        let mut rules = Rules::resolve(&Config::default()).unwrap();
        rules.metric = ComparedMetric::Efficiency;
        assert_eq!(Looks::new(rules, 5, 15, true).launches, [5]);
    }

    #[test]
    fn the_shares_add_up() {
        for (looks, shares) in SHARES.iter().enumerate() {
            assert_eq!(shares.len(), looks + 1);
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{shares:?}");
        }
    }

    #[test]
    fn what_is_open_and_may_be_worse_is_doubtful() {
        let page = include_str!("../../render/snapshots/comparison.json");
        let page: Comparison = serde_json::from_str(page).unwrap();
        let case = |verdict, ci| Compared {
            verdict,
            ci,
            p: Some(0.5),
            threshold_percent: 5.0,
            ..page.cases[0].clone()
        };
        use Direction::{HigherIsBetter, LowerIsBetter};
        for (verdict, ci, direction, doubtful) in [
            (Verdict::Inconclusive, Some([0.9, 1.06]), LowerIsBetter, true),
            (Verdict::Inconclusive, Some([0.9, 1.04]), LowerIsBetter, false),
            (Verdict::Inconclusive, Some([0.9, 1.04]), HigherIsBetter, true),
            (Verdict::Inconclusive, Some([0.96, 1.1]), HigherIsBetter, false),
            (Verdict::Inconclusive, None, LowerIsBetter, true),
            (Verdict::Suspected, Some([1.06, 1.2]), LowerIsBetter, true),
            (Verdict::Unstable, Some([0.9, 1.2]), LowerIsBetter, true),
            (Verdict::Shifted, Some([1.01, 1.1]), LowerIsBetter, true),
            (Verdict::Regressed, Some([1.06, 1.2]), LowerIsBetter, false),
            (Verdict::Equivalent, Some([0.99, 1.01]), LowerIsBetter, false),
        ] {
            assert_eq!(is_doubtful(&case(verdict, ci), direction), doubtful, "{verdict:?} {ci:?}");
        }
        let untested = Compared { p: None, ..case(Verdict::Inconclusive, None) };
        assert!(!is_doubtful(&untested, LowerIsBetter));
    }
}
