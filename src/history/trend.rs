//! Where a series changed its level, and whether that is for the better.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::series::Series;
use crate::base::metric::Direction;
use crate::base::parallel::in_parallel;
use crate::base::random::fingerprint;
use crate::stats::{
    Estimate, SERIES_LIMIT, change_points, median, quantile_interval, ratio_interval,
};

/// Confidence of the interval of a change.
const CONFIDENCE: f64 = 0.95;

/// A series with its changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trend {
    /// The series.
    #[serde(flatten)]
    pub series: Series,
    /// Among so many of the newest points changes were looked for.
    pub looked_at: usize,
    /// Its changes, the oldest first.
    pub changes: Vec<Change>,
}

/// Which way a change went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// For the better, as the metric's direction says.
    Better,
    /// For the worse.
    Worse,
    /// Neither: the median stayed, the values lie differently around it.
    Spread,
}

/// A change of level. Of each pair the first is the last report before it, the second the first after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Index of the first point after it.
    pub index: usize,
    /// Which way.
    pub effect: Effect,
    /// Median since the change before.
    pub before: f64,
    /// Median until the next change.
    pub after: f64,
    /// After over before; null where one is not positive.
    pub ratio: Option<f64>,
    /// Its 95 % interval from order statistics of both sides; null where one has fewer than six values.
    pub ratio_ci: Option<[f64; 2]>,
    /// How probable so much difference is in a series without a change.
    pub p: f64,
    /// The commits.
    pub commits: [Option<String>; 2],
    /// The runs.
    pub runs: [String; 2],
    /// When they began, UTC.
    pub started: [String; 2],
}

/// Finds the changes of all series, on as many cores as there are.
pub fn trends(series: Vec<Series>) -> Vec<Trend> {
    in_parallel(series, trend)
}

fn trend(series: Series) -> Trend {
    let values: Vec<f64> = series.points.iter().map(|point| point.value).collect();
    // Ratios are what is looked for, where there are ratios.
    let positive = values.iter().all(|value| *value > 0.0);
    let levels: Vec<f64> =
        values.iter().map(|value| if positive { value.ln() } else { *value }).collect();
    let name = [&series.case, &series.metric, &series.machine, &series.method];
    let seed = fingerprint(name.into_iter().flat_map(|part| part.bytes().chain([0])));
    let found = change_points(&levels, seed);
    let looked_at = values.len().min(SERIES_LIMIT);
    let mut edges = vec![values.len() - looked_at];
    edges.extend(found.iter().map(|change| change.index));
    edges.push(values.len());
    let found = found.iter().zip(edges.windows(3));
    let changes =
        found.filter_map(|(found, edge)| change(&series, &values, found.p, edge)).collect();
    Trend { series, looked_at, changes }
}

/// The change at the middle edge of two levels.
fn change(series: &Series, values: &[f64], p: f64, edge: &[usize]) -> Option<Change> {
    let (before, after) = (&values[edge[0]..edge[1]], &values[edge[1]..edge[2]]);
    let pair = [&series.points[edge[1] - 1], &series.points[edge[1]]];
    let estimate = |values: &[f64]| {
        let interval = quantile_interval(values, 0.5, CONFIDENCE)?;
        Some(Estimate { value: median(values)?, low: interval.low, high: interval.high })
    };
    let both = estimate(after).zip(estimate(before));
    let ratio_ci = both.and_then(|(over, under)| ratio_interval(over, under));
    let (before, after) = (median(before)?, median(after)?);
    let effect = match (series.direction, after.total_cmp(&before)) {
        (_, std::cmp::Ordering::Equal) => Effect::Spread,
        (Direction::LowerIsBetter, std::cmp::Ordering::Less)
        | (Direction::HigherIsBetter, std::cmp::Ordering::Greater) => Effect::Better,
        _ => Effect::Worse,
    };
    let ratio = (before > 0.0 && after > 0.0).then_some(after / before);
    Some(Change {
        index: edge[1],
        effect,
        before,
        after,
        ratio,
        ratio_ci,
        p,
        commits: pair.map(|point| point.git.clone()),
        runs: pair.map(|point| point.run.clone()),
        started: pair.map(|point| point.started.clone()),
    })
}
