//! The times of a case's iterations, from what its report holds.

use super::{Case, Definition, Samples};
use crate::base::units::milliseconds;

/// The times of the valid iterations by the headline's definition, in their order, ms. Where the report does
/// not hold the samples, the medians of ten blocks of them; where those were too few for blocks, the median.
pub fn times_ms(case: &Case) -> Vec<f64> {
    let Some(measured) = &case.measured else { return Vec::new() };
    // Where groups ran at once, rounds in which a rank of another group was late are not known to be invalid.
    let each = each(case).filter(|each| each.len() == measured.iterations);
    let latency = &measured.latency;
    each.unwrap_or_else(|| match latency.blocks.is_empty() {
        true => vec![latency.median],
        false => latency.blocks.clone(),
    })
}

/// The time of each valid round, where its stamps are there.
fn each(case: &Case) -> Option<Vec<f64>> {
    let Samples::Inline { start_ns, end_ns, device_ns, .. } = &case.samples else { return None };
    let measured = case.measured.as_ref()?;
    let between = |round: usize| {
        let last = end_ns.iter().filter_map(|row| row.get(round)).max()?;
        let first = start_ns.iter().filter_map(|row| row.get(round)).min()?;
        let nanos = last.saturating_sub(*first) as f64;
        Some(milliseconds(nanos / f64::from(measured.batch.unwrap_or(1).max(1))))
    };
    match measured.latency.definition {
        Definition::LastEndMinusFirstStart => {
            valid_rounds(&case.samples).into_iter().map(between).collect()
        }
        Definition::SlowestDevice if device_ns.is_none() => None,
        Definition::SlowestRank | Definition::SlowestDevice => {
            let slowest = |own: Vec<f64>| own.into_iter().reduce(f64::max);
            own_times_ms(case).into_iter().map(slowest).collect()
        }
        Definition::MeanOfRanksAndIterations | Definition::ByTheTool => None,
    }
}

/// Each rank's own times of one operation, ms, a row for each valid round: on the device where the headline is
/// a time on devices. Empty where the report does not hold the samples.
pub fn own_times_ms(case: &Case) -> Vec<Vec<f64>> {
    let (Samples::Inline { start_ns, end_ns, device_ns, .. }, Some(measured)) =
        (&case.samples, &case.measured)
    else {
        return Vec::new();
    };
    let batch = f64::from(measured.batch.unwrap_or(1).max(1));
    let device = match measured.latency.definition {
        Definition::SlowestDevice => device_ns.as_ref(),
        _ => None,
    };
    let of = |rank: usize, round: usize| {
        let nanos = match device {
            Some(device) => *device.get(rank)?.get(round)?,
            None => end_ns.get(rank)?.get(round)?.saturating_sub(*start_ns.get(rank)?.get(round)?),
        };
        Some(milliseconds(nanos as f64 / batch))
    };
    let row = |round| (0..start_ns.len()).map(|rank| of(rank, round)).collect();
    valid_rounds(&case.samples).into_iter().filter_map(row).collect()
}

/// The rounds that no rank came late to.
fn valid_rounds(samples: &Samples) -> Vec<usize> {
    let Samples::Inline { start_ns, end_ns, invalid_rounds, .. } = samples else {
        return Vec::new();
    };
    let rounds = start_ns.iter().chain(end_ns).map(Vec::len).min().unwrap_or(0);
    (0..rounds).filter(|round| invalid_rounds.binary_search(round).is_err()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{analysed, plan, recording};

    /// A case whose three rounds on two ranks take 40, 60 and 50 us, the second invalid.
    fn case(definition: Definition) -> Case {
        let plan = plan("benchmarks: {barrier: }");
        let mut case = analysed(&plan, &plan.cases[0], recording(&plan, 1e6, 1e6), None);
        let measured = case.measured.as_mut().unwrap();
        measured.latency.definition = definition;
        (measured.iterations, measured.invalid, measured.batch) = (2, 1, Some(10));
        case.samples = Samples::Inline {
            start_ns: vec![vec![0, 100_000, 200_000], vec![10_000, 100_000, 200_000]],
            end_ns: vec![vec![30_000, 160_000, 250_000], vec![40_000, 160_000, 240_000]],
            device_ns: Some(vec![vec![20_000, 1, 30_000], vec![25_000, 1, 10_000]]),
            host_ns: None,
            invalid_rounds: vec![1],
        };
        case
    }

    fn microseconds(case: &Case) -> Vec<f64> {
        times_ms(case).iter().map(|ms| (ms * 1e6).round() / 1e3).collect()
    }

    #[test]
    fn valid_rounds_by_the_headlines_definition() {
        assert_eq!(microseconds(&case(Definition::LastEndMinusFirstStart)), [4.0, 5.0]);
        assert_eq!(microseconds(&case(Definition::SlowestRank)), [3.0, 5.0]);
        assert_eq!(microseconds(&case(Definition::SlowestDevice)), [2.5, 3.0]);
    }

    #[test]
    fn without_all_samples_blocks_stand_for_them() {
        let mut case = case(Definition::SlowestRank);
        case.measured.as_mut().unwrap().iterations = 1;
        assert_eq!(times_ms(&case).len(), 10);
        case.samples = Samples::None;
        assert_eq!(times_ms(&case).len(), 10);
        let latency = &mut case.measured.as_mut().unwrap().latency;
        latency.blocks.clear();
        assert_eq!(times_ms(&case), [case.measured.as_ref().unwrap().latency.median]);
        case.measured = None;
        assert!(times_ms(&case).is_empty());
    }
}
