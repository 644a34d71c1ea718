//! Where a series changed its level, and whether that is for the better.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::series::Series;
use crate::base::metric::Direction;
use crate::base::parallel::in_parallel;
use crate::stats::{
    Change as ChangePoint, Estimate, FEWEST, MIN_SEGMENT, SERIES_LIMIT, change_points, median,
    quantile_interval, ratio_interval,
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
    /// Neither: the level moved by no more than its uncertainty, the values lie differently around it.
    Spread,
}

/// A change. Of each pair the first is the last report that is surely before it, the second the first that is surely
/// after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// Index of the first point after it, most likely.
    pub index: usize,
    /// The first and the last index that the first point after it may have: where they differ, its place is not known.
    pub places: [usize; 2],
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
    /// How probable a change as clear as this one is in any of the series that were looked at together, if none of
    /// them changes.
    pub p: f64,
    /// The commits.
    pub commits: [Option<String>; 2],
    /// The runs.
    pub runs: [String; 2],
    /// When they began, UTC.
    pub started: [String; 2],
}

impl Change {
    /// So many of the newest reports have come since it can have begun, where they are too few to tell since which.
    pub fn since_one_of(&self, points: usize) -> Option<usize> {
        let is_fresh = points - self.index < MIN_SEGMENT && self.places[0] < self.places[1];
        is_fresh.then_some(points - self.places[0])
    }
}

/// Finds the changes of all series, on as many cores as there are. The more series there are, the clearer must a
/// change be.
pub fn trends(series: Vec<Series>) -> Vec<Trend> {
    let family = series.iter().filter(|series| series.points.len() >= FEWEST).count();
    in_parallel(series, |series| trend(series, family))
}

fn trend(series: Series, family: usize) -> Trend {
    let values: Vec<f64> = series.points.iter().map(|point| point.value).collect();
    // Ratios are what is looked for, where there are ratios.
    let positive = values.iter().all(|value| *value > 0.0);
    let levels: Vec<f64> =
        values.iter().map(|value| if positive { value.ln() } else { *value }).collect();
    let found = change_points(&levels, family);
    let looked_at = values.len().min(SERIES_LIMIT);
    let mut edges = vec![values.len() - looked_at];
    edges.extend(found.iter().map(|change| change.index));
    edges.push(values.len());
    let found = found.iter().zip(edges.windows(3));
    let changes =
        found.filter_map(|(found, edge)| change(&series, &values, *found, edge)).collect();
    Trend { series, looked_at, changes }
}

/// The change at the middle edge of two levels.
fn change(series: &Series, values: &[f64], found: ChangePoint, edge: &[usize]) -> Option<Change> {
    let (before, after) = (&values[edge[0]..edge[1]], &values[edge[1]..edge[2]]);
    let pair = [&series.points[found.places[0] - 1], &series.points[found.places[1]]];
    let estimate = |values: &[f64]| {
        let interval = quantile_interval(values, 0.5, CONFIDENCE)?;
        Some(Estimate { value: median(values)?, low: interval.low, high: interval.high })
    };
    let both = estimate(after).zip(estimate(before));
    let ratio_ci = both.and_then(|(over, under)| ratio_interval(over, under));
    let (before, after) = (median(before)?, median(after)?);
    let is_less = after < before;
    let effect =
        match (found.is_of_level, is_less == (series.direction == Direction::LowerIsBetter)) {
            (false, _) => Effect::Spread,
            (true, true) => Effect::Better,
            (true, false) => Effect::Worse,
        };
    let ratio = (before > 0.0 && after > 0.0).then_some(after / before);
    Some(Change {
        index: found.index,
        places: found.places,
        effect,
        before,
        after,
        ratio,
        ratio_ci,
        p: found.p,
        commits: pair.map(|point| point.git.clone()),
        runs: pair.map(|point| point.run.clone()),
        started: pair.map(|point| point.started.clone()),
    })
}
