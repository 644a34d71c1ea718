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
        Samples::Inline { start_ns, end_ns, device_ns, invalid_rounds } => {
            let rounds = start_ns.iter().chain(end_ns).map(Vec::len).min().unwrap_or(0);
            let valid = (0..rounds).filter(|round| invalid_rounds.binary_search(round).is_err());
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
            valid.filter_map(of_round).map(|nanos| milliseconds(nanos as f64 / batch)).collect()
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
