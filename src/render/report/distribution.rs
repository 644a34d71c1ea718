//! How the times of single cases lie: their distribution, their order, and each rank's own.

use std::collections::BTreeMap;

use crate::base::units::counted;
use crate::render::document::Section;
use crate::render::plot::{Axis, Chart, Event, Figure, Map, Plot, Point, Series, Style, Tone};
use crate::report::{Case, RankTimes, Replicate, Report, Steadiness, own_times_ms, times_ms};
use crate::stats::median;

/// Cases of one benchmark, and of all, that are drawn one by one.
const OF_A_BENCHMARK: usize = 2;
const OF_ALL: usize = 8;

/// Most points of a line, and most columns of a map.
const POINTS: usize = 400;
const COLUMNS: usize = 100;

/// Times of which the longest is so many times the shortest lie far apart.
const FAR: f64 = 5.0;

/// Ranks that differ by less from the one in the middle look alike, as a share.
const ALIKE: f64 = 0.1;

/// Most launches that have a line of their own.
const LAUNCHES: usize = 8;

/// The section: of each benchmark the cases whose times vary the most.
pub(super) fn section(report: &Report) -> Option<Section> {
    let varied = |case| Some((Case::latency(case)?.cv_percent?, case));
    let mut cases: Vec<(f64, &Case)> = report.cases.iter().filter_map(varied).collect();
    let all = cases.len();
    cases.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    cases.retain(|(_, case)| {
        let count = counts.entry(&case.benchmark).or_default();
        *count += 1;
        *count <= OF_A_BENCHMARK
    });
    cases.truncate(OF_ALL);
    let plots: Vec<Plot> = cases.iter().flat_map(|(_, case)| of_case(case)).collect();
    let title = match cases.len() {
        drawn if drawn < all => {
            format!(
                "times: {drawn} of {}, of each benchmark those that vary the most",
                counted(all, "measured case")
            )
        }
        _ => "times".to_owned(),
    };
    (!plots.is_empty()).then(|| Section { title, plots, ..Section::default() })
}

fn of_case(case: &Case) -> Vec<Plot> {
    let all = [distribution(case), sequence(case), ranks_over_time(case), ranks(case)];
    all.into_iter().flatten().collect()
}

/// The valid iterations, where the report has them all.
fn iterations(case: &Case) -> Option<Vec<f64>> {
    let times = times_ms(case);
    let measured = case.measured.as_ref()?;
    (times.len() == measured.iterations && times.len() > 1).then_some(times)
}

/// The share of iterations that took no longer, a line for each launch.
fn distribution(case: &Case) -> Option<Plot> {
    let launches: Vec<(String, Vec<f64>)> = match &case.replication {
        Some(all) if all.launches.len() > 1 => {
            let of = |launch: &Replicate| {
                (format!("launch {}", launch.replicate + 1), launch.times_ms.clone())
            };
            all.launches.iter().take(LAUNCHES).map(of).collect()
        }
        _ => vec![("iterations".to_owned(), iterations(case)?)],
    };
    // Where there are too few iterations for a quantile, it is nowhere.
    let known = case.latency().into_iter().flat_map(|of| {
        [(50, of.p50), (90, of.p90), (95, of.p95), (99, of.p99)]
            .into_iter()
            .filter_map(|(q, value)| value.map(|_| q))
    });
    let known: Vec<usize> = known.collect();
    let mut series = Vec::new();
    for (name, mut times) in launches {
        times.sort_by(f64::total_cmp);
        let count = times.len();
        let share = |at: usize| 100.0 * (at + 1) as f64 / count as f64;
        let point = |at: usize| Point { x: times[at], y: share(at), ..Point::default() };
        let first = times.first().map(|first| Point { x: *first, ..Point::default() });
        let steps = (0..count).step_by(count.div_ceil(POINTS).max(1)).map(point);
        let steps = first.into_iter().chain(steps).collect();
        let quantile = |q: &usize| {
            let at = (q * count).div_ceil(100).max(1) - 1;
            Point { says: format!("{name}: p{q}"), ..point(at) }
        };
        let dots = known.iter().filter(|_| count > 0).map(quantile).collect();
        series.push(Series { name: name.clone(), style: Style::Steps, points: steps });
        series.push(Series { name, style: Style::Dots, points: dots });
    }
    let x = time_axis("time", series.iter().flat_map(|series| &series.points).map(|point| point.x));
    let y = Axis::linear("iterations that took no longer", "%");
    let chart = Chart { x, y, series, events: Vec::new() };
    Plot::of(&case.id, "Distribution of its times.", Figure::Chart(chart))
}

/// An axis of these times: by ratios where they lie far apart.
fn time_axis(name: &str, times: impl Iterator<Item = f64> + Clone) -> Axis {
    let (low, high) = (times.clone().fold(f64::INFINITY, f64::min), times.fold(0.0, f64::max));
    Axis { log: low > 0.0 && high > FAR * low, ..Axis::linear(name, "ms") }
}

/// The times one after the other; the medians of blocks of them where the report has no others.
fn sequence(case: &Case) -> Option<Plot> {
    let latency = case.latency()?;
    let each = iterations(case).filter(|times| times.len() <= POINTS);
    let (what, about, times) = match each {
        Some(times) => ("iteration", "Its times in their order.", times),
        None => (
            "block",
            "Medians of ten blocks of its iterations, in their order.",
            latency.blocks.clone(),
        ),
    };
    let point = |(at, y): (usize, &f64)| Point { x: (at + 1) as f64, y: *y, ..Point::default() };
    let points: Vec<Point> = times.iter().enumerate().map(point).collect();
    let is_flat = latency.steady_state == Some(Steadiness::Flat);
    let since = latency.steady_since.filter(|_| is_flat && what == "iteration");
    let since = since.filter(|since| *since > 0);
    let event = since.map(|since| Event {
        x: since as f64 + 0.5,
        says: format!("one level since iteration {}", since + 1),
        tone: Tone::Plain,
    });
    let ends = [points.first()?.x, points.last()?.x].map(|x| [x, latency.median]);
    let own = Series { name: what.to_owned(), style: Style::Dots, points };
    let chart = Chart {
        x: Axis::linear(what, ""),
        y: time_axis("time", times.iter().copied()),
        series: vec![own, Series::guide("median", ends)],
        events: event.into_iter().collect(),
    };
    Plot::of(&case.id, about, Figure::Chart(chart))
}

/// Each rank's own times, in their order.
fn ranks_over_time(case: &Case) -> Option<Plot> {
    let rounds = own_times_ms(case);
    let ranks = &case.participants;
    if ranks.len() < 2 || rounds.len() < 2 {
        return None;
    }
    let bins = rounds.len().min(COLUMNS);
    let bin = |at: usize| at * rounds.len() / bins..(at + 1) * rounds.len() / bins;
    let cell = |rank: usize, at: usize| {
        let rounds = rounds[bin(at)].iter();
        median(&rounds.filter_map(|row| row.get(rank).copied()).collect::<Vec<_>>())
    };
    let cells = (0..ranks.len()).map(|rank| (0..bins).map(|at| cell(rank, at)).collect()).collect();
    let names = (0..bins).map(|at| match bin(at).len() {
        1 => bin(at).end.to_string(),
        _ => format!("{} to {}", bin(at).start + 1, bin(at).end),
    });
    let about = match rounds.len().div_ceil(bins) {
        1 => "Each rank's own time of each iteration.".to_owned(),
        most => format!(
            "Each rank's own times, binned: a column is the median of up to {most} iterations."
        ),
    };
    let map = Map {
        x: Axis::places("iteration", names),
        y: Axis::places("rank", ranks.iter().map(usize::to_string)),
        value: time_axis("own time", rounds.iter().flatten().copied()),
        cells,
        framed: Vec::new(),
    };
    Plot::of(&case.id, about, Figure::Map(map))
}

/// Each rank's own median and 95 % quantile.
fn ranks(case: &Case) -> Option<Plot> {
    let ranks = &case.measured.as_ref()?.per_rank;
    if ranks.len() < 2 {
        return None;
    }
    let point = |(at, rank): (usize, &RankTimes)| Point {
        x: at as f64,
        y: rank.median_ms,
        interval: rank.p95_ms.map(|p95| [rank.median_ms, p95]),
        says: format!("slowest in {:.0} % of the iterations", 100.0 * rank.slowest_share),
    };
    let points = ranks.iter().enumerate().map(point).collect();
    let middle = median(&ranks.iter().map(|rank| rank.median_ms).collect::<Vec<_>>())?;
    let series = vec![Series { name: "ranks".to_owned(), style: Style::Dots, points }];
    let x = Axis::places("rank", ranks.iter().map(|rank| rank.rank.to_string()));
    let y = Axis::linear("own median time", "ms");
    let y = y.covering([(1.0 - ALIKE) * middle, (1.0 + ALIKE) * middle]);
    let to_p95 = ranks.iter().any(|rank| rank.p95_ms.is_some());
    let about = if to_p95 {
        "Each rank's own median, and up to its p95."
    } else {
        "Each rank's own median."
    };
    let chart = Chart { x, y, series, events: Vec::new() };
    Plot::of(&case.id, about, Figure::Chart(chart))
}
