//! What it costs a group that others of its axis run at once with it.

use std::collections::HashMap;

use crate::benchmark::Problem;
use crate::benchmark::work::{Element, Placement};
use crate::report::{Case, Definition, Measured};

/// What a case has in common with the same by itself.
type Key<'a> = (&'a str, &'a Problem, Option<Element>, Option<Placement>, &'a str);

fn key(case: &Case) -> Key<'_> {
    (&case.benchmark, &case.problem, case.precision, case.placement, &case.group)
}

fn median(measured: &Measured, definition: Definition) -> Option<f64> {
    measured.by(definition).map(|latency| latency.median).filter(|median| *median > 0.0)
}

/// Sets the contention ratio of each case that ran at once with others: its median over that of the same
/// group by itself. Both are times of the headline's definition; where common starts failed for one of them,
/// the slowest rank's own times.
pub fn compare_with_alone(cases: &mut [Case]) {
    let alone: HashMap<Key<'_>, &Measured> = cases
        .iter()
        .filter(|case| !case.concurrent)
        .filter_map(|case| Some((key(case), case.measured.as_deref()?)))
        .collect();
    let ratio = |case: &Case| {
        let together = case.measured.as_ref().filter(|_| case.concurrent)?;
        let by_itself = *alone.get(&key(case))?;
        let same = together.latency.definition == by_itself.latency.definition;
        let definition = if same { together.latency.definition } else { Definition::SlowestRank };
        Some(median(together, definition)? / median(by_itself, definition)?)
    };
    let ratios: Vec<Option<f64>> = cases.iter().map(ratio).collect();
    cases.iter_mut().zip(ratios).for_each(|(case, ratio)| case.contention_ratio = ratio);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{analysed, plan, recording};

    #[test]
    fn a_group_is_compared_with_itself() {
        let plan = plan(
            "mesh: {shape: 'tp=4,dp=2', axes: [tp], concurrent_groups: true}\nbenchmarks: {barrier: }",
        );
        // tp:0-3 and tp:4-7 alone, then at once.
        let nanos = [1e6, 2e6, 3e6, 2e6];
        let measured = plan
            .cases
            .iter()
            .zip(nanos)
            .map(|(case, nanos)| analysed(&plan, case, recording(&plan, nanos, nanos), None));
        let mut cases: Vec<Case> = measured.collect();
        compare_with_alone(&mut cases);
        let ratios: Vec<Option<f64>> = cases.iter().map(|case| case.contention_ratio).collect();
        assert_eq!(ratios, [None, None, Some(3.0), Some(1.0)]);
    }
}
