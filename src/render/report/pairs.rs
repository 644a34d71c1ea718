//! Pair matrices as sections.

use super::type_name;
use crate::base::units::{counted, significant};
use crate::render::document::{Attention, Cell, Section};
use crate::render::plot::{Axis, Figure, Map, Plot, Tone};
use crate::render::words::problem;
use crate::report::PairMatrix;

/// Most ranks whose matrix people can read, and of which a map has cells that can be seen.
const MATRIX_LIMIT: usize = 32;
const MAP_LIMIT: usize = 64;

/// What people should look at first: slow pairs.
pub(super) fn attention(matrix: &PairMatrix) -> impl Iterator<Item = Attention> {
    let at = title(matrix);
    slow_links(matrix).map(move |says| Attention { says, at: at.clone(), tone: Tone::Bad })
}

/// A pair matrix: the bandwidth of each pair where the benchmark has one, else its time. `!` marks slow links.
/// Large ones are left to the report; their slow links are not.
pub(super) fn section(matrix: &PairMatrix) -> Section {
    let by_time = by_time(matrix);
    let values = if by_time { &matrix.median_ms } else { &matrix.busbw_gbps };
    let title = title(matrix);
    let is_slow = |a, b| matrix.slow.iter().any(|link| link.ranks == [a, b]);
    let cell = |a: usize, b: usize| {
        let Some(value) = values[a][b] else { return Cell::default() };
        let mark = if is_slow(a, b) { "!" } else { "" };
        let scale = if by_time { 1e3 } else { 1.0 };
        Cell::number(value * scale, |value| format!("{mark}{}", significant(value)))
            .taken(if is_slow(a, b) { Tone::Bad } else { Tone::Plain })
    };
    let shown = if matrix.ranks <= MATRIX_LIMIT { matrix.ranks } else { 1 };
    let column = |b: usize| (b.to_string(), (0..shown - 1).map(|a| cell(a, b)).collect());
    let ranks = ("rank".to_owned(), (0..shown - 1).map(Cell::count).collect());
    let table = Section::columns(&title, std::iter::once(ranks).chain((1..shown).map(column)));
    let classes = matrix.classes.iter().map(|class| {
        let median = match by_time {
            true => format!("{} us", significant(class.median_ms * 1e3)),
            false => rate_at(matrix, class.median_ms)
                .map_or_else(|| "-".to_owned(), |rate| format!("{} GB/s", significant(rate))),
        };
        format!("{}: {}, median {median}", class.distance.name(), counted(class.pairs, "pair"))
    });
    let section = table.unwrap_or(Section { title, ..Section::default() });
    section.with(classes.chain(slow_links(matrix))).drawn(map(matrix))
}

/// A time says more of a ping-pong, a rate of everything else.
fn by_time(matrix: &PairMatrix) -> bool {
    matrix.benchmark == "latency"
}

fn title(matrix: &PairMatrix) -> String {
    let unit = if by_time(matrix) { "us" } else { "GB/s of a pair in one direction" };
    let (precision, problem) = (type_name(matrix.precision), problem(&matrix.problem));
    format!("pairs: {} {precision} {problem}, {unit}", matrix.benchmark)
}

fn slow_links(matrix: &PairMatrix) -> impl Iterator<Item = String> {
    matrix.slow.iter().map(|link| {
        format!(
            "SLOW: ranks {} and {} take {:.2} times the median of their class ({}), in {:.0} % of the time",
            link.ranks[0],
            link.ranks[1],
            link.effect,
            link.distance.name(),
            100.0 * link.persistence
        )
    })
}

/// The bandwidth of a pair that takes this time, ms: all move as much.
fn rate_at(matrix: &PairMatrix, median_ms: f64) -> Option<f64> {
    let rates = matrix.busbw_gbps.iter().flatten().zip(matrix.median_ms.iter().flatten());
    let moved = rates.filter_map(|(rate, ms)| Some((*rate)? * (*ms)?)).next()?;
    (median_ms > 0.0).then(|| moved / median_ms)
}

/// The whole matrix as a map, slow pairs framed.
fn map(matrix: &PairMatrix) -> Option<Plot> {
    let (values, value) = match by_time(matrix) {
        true => (&matrix.median_ms, Axis::linear("median time", "ms")),
        false => (&matrix.busbw_gbps, Axis::linear("bandwidth", "GB/s")),
    };
    let ranks = || (0..matrix.ranks).map(|rank| rank.to_string());
    let of = |a: usize, b: usize| *values.get(a.min(b))?.get(a.max(b))?;
    let cells = (0..matrix.ranks).map(|a| (0..matrix.ranks).map(|b| of(a, b)).collect());
    let both = |[a, b]: [usize; 2]| [[a, b], [b, a]];
    let map = Map {
        x: Axis::places("rank", ranks()),
        y: Axis::places("rank", ranks()),
        value,
        cells: cells.collect(),
        framed: matrix.slow.iter().flat_map(|link| both(link.ranks)).collect(),
    };
    let about = "Slow pairs are framed.";
    let plot = Plot::of(format!("{} between ranks", matrix.benchmark), about, Figure::Map(map));
    plot.filter(|_| (3..=MAP_LIMIT).contains(&matrix.ranks))
}
