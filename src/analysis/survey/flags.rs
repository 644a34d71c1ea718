//! What speaks against relying on a case.

use super::rules::{DEPENDENT, FALSE_ONES, Rule, SLOWER_PERCENT, WIDE_PERCENT, count, figure};
use crate::analysis::case::INVALID_PERCENT;
use crate::base::caveat::Caveat;
use crate::base::error::Kind;
use crate::report::{Case, Flag, Outcome, Over, Statistics, Steadiness};

/// The flags of a measured case, the gravest first. The larger the first number of one, the worse.
pub(super) fn flags(case: &Case, statistics: &Statistics) -> Vec<Flag> {
    let mut flags: Vec<Flag> =
        case.caveats.iter().filter_map(|caveat| of_caveat(case, caveat)).collect();
    flags.extend(of_outcome(case, statistics));
    flags.extend(of_iterations(case, statistics));
    flags.extend(of_ranks(statistics));
    if case.counts.is_none() {
        flags.push(Rule::NoCounts.flag(vec![count("ranks", case.group_size)]));
    }
    flags.sort_by_key(|flag| flag.severity);
    flags
}

/// What failed although there are times: those of other launches, or times of wrong results.
fn of_outcome(case: &Case, statistics: &Statistics) -> Option<Flag> {
    let rule = match case.error.as_ref().map(|error| error.kind) {
        _ if case.outcome == Outcome::Measured => return None,
        Some(Kind::WrongResult) => Rule::WrongResult,
        _ => Rule::FailedCase,
    };
    Some(rule.flag(vec![count("launches with times", statistics.launches)]))
}

/// What was found while measuring.
fn of_caveat(case: &Case, caveat: &Caveat) -> Option<Flag> {
    match caveat {
        Caveat::Oversubscribed { ranks, cores } => {
            let share = *ranks as f64 / (*cores).max(1) as f64;
            let evidence = vec![figure("ranks a core", share, ""), count("ranks", *ranks)];
            Some(Rule::Oversubscribed.flag(evidence))
        }
        Caveat::Yielding => Some(Rule::Yielding.flag(vec![count("ranks", case.group_size)])),
        Caveat::Quick => {
            let iterations = case.measured.as_ref().map_or(0, |measured| measured.iterations);
            Some(Rule::Quick.flag(vec![count("iterations", iterations)]))
        }
        Caveat::Emulated => Some(Rule::Emulated.flag(vec![count("ranks", case.group_size)])),
        Caveat::Throttled { .. } => {
            let telemetry = case.measured.iter().flat_map(|measured| &measured.telemetry);
            let ranks = telemetry.filter(|rank| !rank.throttled.is_empty()).count().max(1);
            Some(Rule::Throttled.flag(vec![count("ranks", ranks)]))
        }
        Caveat::Unsteady { cv_percent, bound_percent } => Some(Rule::Unsteady.flag(vec![
            figure("variation", *cv_percent, "%"),
            figure("bound", *bound_percent, "%"),
        ])),
        Caveat::NearFloor { percent, .. } => {
            Some(Rule::NearFloor.flag(vec![figure("floor", *percent, "% of a sample")]))
        }
        _ => None,
    }
}

fn of_iterations(case: &Case, statistics: &Statistics) -> Vec<Flag> {
    let mut flags = Vec::new();
    let Statistics { iterations, invalid, effective_samples, .. } = *statistics;
    let (valid, late) = (iterations as f64, invalid as f64);
    // What happens once has neither a level nor an interval, however often it is started.
    let once = case.counts.is_some_and(|counts| counts.happens_once);
    if let (Some(percent), Some(false)) = (statistics.between_percent, statistics.reproducible) {
        flags.push(
            Rule::NotReproducible.flag(vec![
                figure("variation", percent, "%"),
                count("launches", statistics.launches),
            ]),
        );
    }
    if statistics.ci_over != Some(Over::Launches) {
        flags.push(Rule::FewLaunches.flag(vec![count("launches", statistics.launches)]));
    }
    if once {
        return flags;
    }
    if statistics.steady_state == Some(Steadiness::None) {
        let since = statistics.steady_since.unwrap_or(iterations) as f64;
        let before = 100.0 * since / valid.max(1.0);
        flags.push(Rule::NoSteadyState.flag(vec![figure("before the last level", before, "%")]));
    }
    let percent = 100.0 * late / (valid + late).max(1.0);
    if percent > INVALID_PERCENT {
        flags.push(Rule::LateStarts.flag(vec![figure("left out", percent, "%")]));
    }
    match statistics.width_percent {
        None => flags.push(Rule::NoInterval.flag(vec![
            figure("iterations for each independent one", valid / effective_samples.max(1.0), ""),
            count("iterations", iterations),
        ])),
        Some(width) if width > WIDE_PERCENT => {
            flags.push(Rule::WideInterval.flag(vec![figure("width", width, "%")]));
        }
        Some(_) => {}
    }
    let each = valid / effective_samples.max(1.0);
    if each > DEPENDENT {
        flags.push(Rule::Dependent.flag(vec![
            figure("iterations for each independent one", each, ""),
            count("iterations", iterations),
        ]));
    }
    let needed = ["p95", "p99"]
        .into_iter()
        .find_map(|name| Some((name, *statistics.iterations_needed.get(name)?)));
    if let Some((name, needed)) = needed {
        let what = format!("iterations needed for {name}");
        flags.push(
            Rule::FewForQuantile.flag(vec![count(&what, needed), count("iterations", iterations)]),
        );
    }
    flags
}

fn of_ranks(statistics: &Statistics) -> Vec<Flag> {
    let mut flags = Vec::new();
    let Some(spread) = &statistics.rank_spread else { return flags };
    let worst =
        spread.stragglers.iter().max_by(|a, b| a.excess_percent.total_cmp(&b.excess_percent));
    if let Some(worst) = worst {
        flags.push(Rule::Straggler.flag(vec![
            figure("slower", worst.excess_percent, "%"),
            figure("slowest in", 100.0 * worst.slowest_share, "% of iterations"),
            count("rank", worst.rank),
        ]));
    }
    let differ = spread.friedman_p.is_none_or(|p| p <= FALSE_ONES);
    if spread.percent > SLOWER_PERCENT && differ {
        let p = spread.friedman_p.map(|p| figure("Friedman's p", p, ""));
        let evidence = [Some(figure("apart", spread.percent, "%")), p];
        flags.push(Rule::UnequalRanks.flag(evidence.into_iter().flatten().collect()));
    }
    flags
}
