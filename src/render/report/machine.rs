//! What the cases tell of the machine: which ranks are slow, how near kernels come to its bounds, how its GPUs fared.

use std::collections::BTreeMap;

use super::is_of_pair;
use crate::base::units::significant;
use crate::machine::cache::MemoryLevel;
use crate::machine::telemetry::{Reading, Telemetry};
use crate::plan::mesh;
use crate::render::document::Section;
use crate::render::plot::{Axis, Chart, Event, Figure, Map, Plot, Point, Series, Style, Tone};
use crate::report::{Case, Report};
use crate::stats::median;

/// A rank that takes so many times as long as the one in the middle is framed.
const SLOW: f64 = 1.1;

pub(super) fn section(report: &Report) -> Option<Section> {
    let plots: Vec<Plot> =
        mesh(report).into_iter().chain(roofline(report)).chain(sensors(report)).collect();
    let some = !plots.is_empty();
    some.then(|| Section { title: "machine".to_owned(), plots, ..Section::default() })
}

/// The ranks where they stand in the mesh, by how long each takes for what it does alone. Where ranks wait for each
/// other, their own times tell who came last instead.
fn mesh(report: &Report) -> Option<Plot> {
    let (fastest, others) =
        report.mesh.axes.split_first().filter(|(_, others)| !others.is_empty())?;
    let all = report.environment.ranks.len();
    let alone = |case: &&Case| {
        case.counts.is_some_and(|counts| !counts.communicates) && case.participants.len() == all
    };
    let mut ratios: Vec<Vec<f64>> = vec![Vec::new(); all];
    for case in report.cases.iter().filter(alone) {
        let ranks = case.measured.iter().flat_map(|measured| &measured.per_rank);
        let middle = median(&ranks.clone().map(|rank| rank.median_ms).collect::<Vec<_>>());
        let Some(middle) = middle.filter(|middle| *middle > 0.0) else { continue };
        for rank in ranks {
            ratios.get_mut(rank.rank)?.push(rank.median_ms / middle);
        }
    }
    let (rows, columns) = (all.checked_div(fastest.size)?, fastest.size);
    let cell = |row: usize, column: usize| median(ratios.get(row * columns + column)?);
    let name = |mut at: usize| {
        let place = |axis: &mesh::Axis| {
            let here = at % axis.size.max(1);
            at /= axis.size.max(1);
            format!("{}={here}", axis.name)
        };
        others.iter().map(place).collect::<Vec<_>>().join(" ")
    };
    let cells: Vec<Vec<Option<f64>>> =
        (0..rows).map(|row| (0..columns).map(|column| cell(row, column)).collect()).collect();
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| [row, column]));
    let is_slow = |[row, column]: &[usize; 2]| cells[*row][*column].is_some_and(|it| it >= SLOW);
    let map = Map {
        x: Axis::places(&fastest.name, (0..columns).map(|at| at.to_string())),
        y: Axis::places("mesh", (0..rows).map(name)),
        value: Axis::linear("own time, the middle being 1:", "x").covering([1.0, SLOW]),
        framed: places.filter(is_slow).collect(),
        cells: cells.clone(),
    };
    let about = format!(
        "Each rank's own time over that of the rank in the middle, in what all ranks do side by side; framed from {SLOW} \
         times on."
    );
    Plot::of("Ranks in the mesh", about, Figure::Map(map))
}

/// The arithmetic rate of a rank over what it computes for each byte.
fn roofline(report: &Report) -> Option<Plot> {
    let cases = || report.cases.iter().filter(|case| !is_of_pair(case));
    // Of a rank, in units of 1e12 a second.
    let rate = |case: &Case, amount: f64| {
        Some(amount / case.median_ms()? / 1e9).filter(|rate| rate.is_finite() && *rate > 0.0)
    };
    let flops = |case: &Case| rate(case, case.counts?.flops?);
    // What is computed reads and writes each tensor at least once.
    let bytes = |case: &Case| {
        let tensors = || case.footprint.as_ref().map(|footprint| footprint.bytes);
        let counts = case.counts.filter(|counts| !counts.communicates)?;
        rate(case, counts.memory_traffic_bytes.or_else(tensors)? as f64)
    };
    let arithmetic = cases().filter_map(flops).reduce(f64::max)?;
    // What lies in a cache is bounded by that cache. What computes for long on each byte shows no memory's rate.
    let mut roofs: BTreeMap<Option<MemoryLevel>, f64> = BTreeMap::new();
    for case in cases() {
        let level = case.footprint.as_ref().and_then(|footprint| footprint.fits);
        let traffic = case.counts.and_then(|counts| counts.memory_traffic_bytes);
        let Some(rate) = traffic.and_then(|traffic| rate(case, traffic as f64)) else { continue };
        let highest = roofs.entry(level).or_insert(rate);
        *highest = highest.max(rate);
    }
    let mut series: Vec<Series> = Vec::new();
    for case in cases() {
        let Some((y, traffic)) = flops(case).zip(bytes(case)) else { continue };
        let point = Point { x: y / traffic, y, interval: None, says: case.id.clone() };
        match series.iter_mut().find(|series| series.name == case.benchmark) {
            Some(series) => series.points.push(point),
            None => {
                let name = case.benchmark.clone();
                series.push(Series { name, style: Style::Dots, points: vec![point] });
            }
        }
    }
    let intensities: Vec<f64> =
        series.iter().flat_map(|series| &series.points).map(|point| point.x).collect();
    let ridges = || roofs.values().map(|rate| arithmetic / rate);
    // A slope is seen from a quarter of its ridge on.
    let low = ridges().map(|ridge| ridge / 4.0).chain(intensities.iter().copied());
    let low = low.reduce(f64::min)?;
    let high = ridges().map(|ridge| ridge * 4.0).chain(intensities.iter().copied());
    let high = high.reduce(f64::max)?;
    if roofs.is_empty() {
        let name = format!("roof: {} TFLOP/s", significant(arithmetic));
        series.push(Series::guide(name, [low, high].map(|x| [x, arithmetic])));
    }
    for (level, rate) in &roofs {
        let of = level.map_or("memory or caches", MemoryLevel::name);
        let (bytes, flops) = (significant(1e3 * rate), significant(arithmetic));
        let name = format!("roof of {of}: {bytes} GB/s, {flops} TFLOP/s");
        let ends = [low, arithmetic / rate, high];
        series.push(Series::guide(name, ends.map(|x| [x, arithmetic.min(rate * x)])));
    }
    let chart = Chart {
        x: Axis::log("arithmetic for each byte of memory", "FLOP/B"),
        y: Axis::log("arithmetic of a rank", "TFLOP/s"),
        series,
        events: Vec::new(),
    };
    let about = "Roofs are the highest rates of a rank that cases of this report reached, by the level that holds their \
                 tensors; not what the machine is sold for.";
    Plot::of("Roofline", about, Figure::Chart(chart))
}

/// Clocks, power and temperature after each case: the rank in the middle, from the least to the most.
fn sensors(report: &Report) -> Vec<Plot> {
    let told = report
        .cases
        .iter()
        .filter_map(|case| Some((&*case.id, &*case.measured.as_ref()?.telemetry)));
    let cases: Vec<(&str, &[Telemetry])> = told.filter(|(_, ranks)| !ranks.is_empty()).collect();
    let throttled = |(at, (_, ranks)): (usize, &(&str, &[Telemetry]))| {
        let one = ranks.iter().find(|rank| !rank.throttled.is_empty())?;
        let says = format!("rank {} throttled: {}", one.rank, one.throttled.join(", "));
        Some(Event { x: at as f64, says, tone: Tone::Bad })
    };
    let events: Vec<Event> = cases.iter().enumerate().filter_map(throttled).collect();
    type Read = fn(&Reading) -> Option<f64>;
    let kinds: [(&str, &str, &str, Read); 3] = [
        ("Clocks", "clock of the multiprocessors", "MHz", |it| it.sm_mhz.map(f64::from)),
        ("Power", "power", "W", |it| it.power_watts),
        ("Temperature", "temperature", "°C", |it| it.temperature_celsius.map(f64::from)),
    ];
    let plots = kinds.into_iter().filter_map(|(title, name, unit, read)| {
        let point = |(at, (id, ranks)): (usize, &(&str, &[Telemetry]))| {
            let values: Vec<f64> = ranks.iter().filter_map(|rank| read(&rank.after)).collect();
            let end = |of: fn(f64, f64) -> f64| values.iter().copied().reduce(of);
            let interval = Some([end(f64::min)?, end(f64::max)?]);
            Some(Point { x: at as f64, y: median(&values)?, interval, says: (*id).to_owned() })
        };
        let points = cases.iter().enumerate().filter_map(point).collect();
        let chart = Chart {
            x: Axis::places("case", (1..=cases.len()).map(|at| at.to_string())),
            y: Axis::linear(name, unit),
            series: vec![Series { name: name.to_owned(), style: Style::Dots, points }],
            events: events.clone(),
        };
        let about = "After each case: the rank in the middle, from the least to the most. Dashed: a rank throttled.";
        Plot::of(title, about, Figure::Chart(chart))
    });
    plots.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::hostile::everything;
    use crate::report::RankTimes;

    #[test]
    fn a_slow_rank_is_framed_where_it_stands() {
        let mut report = everything();
        let ranks = 0..report.environment.ranks.len();
        let case = report
            .cases
            .iter_mut()
            .find(|case| case.benchmark == "gemm" && case.measured.is_some());
        let case = case.unwrap();
        case.participants = ranks.clone().collect();
        let time = |rank| RankTimes {
            rank,
            median_ms: if rank == 5 { 1.2 } else { 1.0 },
            p95_ms: None,
            slowest_share: 0.0,
        };
        case.measured.as_mut().unwrap().per_rank = ranks.map(time).collect();
        let Figure::Map(map) = mesh(&report).unwrap().figure else { panic!("no map") };
        // Of tp=2, dp=4 rank 5 is tp=1, dp=2.
        assert_eq!(
            (map.framed, &*map.y.names[2], map.cells[2][1]),
            (vec![[2, 1]], "dp=2", Some(1.2))
        );
    }

    #[test]
    fn no_kernel_is_above_the_roof() {
        let Some(Plot { figure: Figure::Chart(chart), .. }) = roofline(&with_kernels()) else {
            panic!("no roof")
        };
        let (roof, kernels) = chart.series.split_last().unwrap();
        let [low, ridge, _] = &roof.points[..] else { panic!("{roof:?}") };
        let memory = low.y / low.x;
        for point in kernels.iter().flat_map(|series| &series.points) {
            assert!(point.y <= 1.000_001 * ridge.y.min(memory * point.x), "{point:?}");
        }
    }

    /// A report with kernels of different rates.
    fn with_kernels() -> Report {
        let mut report = everything();
        for (at, case) in report.cases.iter_mut().enumerate() {
            let Some(counts) = &mut case.counts else { continue };
            counts.flops = Some(1e9 * (1 + at % 5) as f64);
            counts.memory_traffic_bytes = Some(1_000_000 * (1 + at as u64 % 3));
        }
        report
    }
}
