//! The times of a case's iterations, as its report holds them.

use crate::report::{Case, Definition, Samples};
use crate::stats;
use crate::units::milliseconds;

/// Times of one operation, ms, in order, by the definition of the case's headline; where the report does not
/// hold the samples, the medians of ten blocks of them. Their median is the headline's. Empty for a case that
/// has no times.
pub fn times_ms(case: &Case) -> Vec<f64> {
    let Some(measured) = &case.measured else { return Vec::new() };
    let latency = &measured.latency;
    let times = match &case.samples {
        Samples::Inline { start_ns, end_ns, device_ns, .. } => {
            let valid = valid_rounds(&case.samples);
            let of_round = |round: usize| {
                let at = |column: &[Vec<i64>]| -> Vec<i64> {
                    column.iter().filter_map(|rank| rank.get(round).copied()).collect()
                };
                let (starts, ends) = (at(start_ns), at(end_ns));
                let own = ends.iter().zip(&starts).map(|(end, start)| end.saturating_sub(*start));
                match latency.definition {
                    Definition::LastEndMinusFirstStart => {
                        Some(ends.iter().max()?.saturating_sub(*starts.iter().min()?))
                    }
                    Definition::SlowestRank => own.max(),
                    Definition::SlowestDevice => at(device_ns.as_ref()?).into_iter().max(),
                    Definition::MeanOfRanksAndIterations => None,
                }
            };
            let batch = f64::from(measured.batch.unwrap_or(1));
            valid
                .into_iter()
                .filter_map(of_round)
                .map(|nanos| milliseconds(nanos as f64 / batch))
                .collect()
        }
        Samples::Sidecar { .. } | Samples::None => latency.blocks.clone(),
    };
    match stats::median(&times) {
        Some(median) if median > 0.0 => {
            times.iter().map(|time| time * (latency.median / median)).collect()
        }
        _ => vec![latency.median],
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
