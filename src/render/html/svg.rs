//! A plot as shapes, which the template `plot.svg` writes. Colours are the style sheet's.

use std::fmt::Write as _;

use askama::Template;

use super::scale::Scale;
use super::{harmless, tone};
use crate::base::units::{format_size, significant};
use crate::render::plot::{Axis, Chart, Figure, Forest, Map, Plot, Point, Series, Style};
use crate::render::words::quantity;

/// Size of a chart.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 300.0;

/// Room around what is drawn: for the values on the left, at least, and below, and for half of such a value.
const LEFT: f64 = 64.0;
const BELOW: f64 = 40.0;
const ABOVE: f64 = 12.0;
const RIGHT: f64 = 34.0;

/// Of a forest: the height of a row, and where in it are its name and its interval.
const ROW: f64 = 34.0;
const NAME_AT: f64 = 14.0;
const INTERVAL_AT: f64 = 24.0;

/// Most room for the names of a map's rows.
const NAMES: f64 = 270.0;

/// Sizes of a map's cells.
const CELL: [f64; 2] = [4.0, 26.0];

/// How wide a letter is, about, where it is the largest: on a phone.
const LETTER: f64 = 10.8;

/// Most characters of a name in a drawing; all of it is in its tip.
const NAME_LIMIT: usize = 42;

/// Most values beside an axis, about.
const TICKS: usize = 6;

/// Colours of series, and dashes of guides; more take turns.
const COLOURS: usize = 8;
const GUIDES: usize = 3;

/// Shades of a map.
const SHADES: usize = 8;

/// A plot as shapes.
#[derive(Template)]
#[template(path = "plot.svg", escape = "html", config = "src/render/html/askama.toml")]
pub(super) struct Drawing {
    title: String,
    width: f64,
    height: f64,
    shapes: Vec<Shape>,
    /// What colours stand for.
    pub(super) keys: Vec<Key>,
}

/// What is on a drawing.
enum Shape {
    /// A line or an area; `says` is its tip.
    Path { class: String, path: String, says: String },
    /// A text; the class tells which way it runs.
    Text { class: &'static str, x: f64, y: f64, says: String },
}

/// What a colour stands for.
pub(super) struct Key {
    pub(super) class: String,
    pub(super) says: String,
    /// Whether it is of single dots; else of a line, or of a shade.
    pub(super) is_dot: bool,
}

/// The plot; `None` where no value of it can be drawn.
pub(super) fn draw(plot: &Plot) -> Option<Drawing> {
    let mut drawing = Drawing {
        title: harmless(&plot.title),
        width: WIDTH,
        height: HEIGHT,
        shapes: Vec::new(),
        keys: Vec::new(),
    };
    match &plot.figure {
        Figure::Chart(chart) => drawing.chart(chart)?,
        Figure::Map(map) => drawing.map(map)?,
        Figure::Forest(forest) => drawing.forest(forest)?,
    }
    Some(drawing)
}

impl Drawing {
    fn path(&mut self, class: impl Into<String>, path: String, says: String) {
        self.shapes.push(Shape::Path { class: class.into(), path, says });
    }

    fn text(&mut self, class: &'static str, [x, y]: [f64; 2], says: &str) {
        let says = cut(&harmless(says));
        self.shapes.push(Shape::Text { class, x: tenths(x), y: tenths(y), says });
    }

    fn key(&mut self, class: impl Into<String>, says: &str) {
        self.keys.push(Key { class: class.into(), says: harmless(says), is_dot: false });
    }

    /// The horizontal axis with its values and lines upwards, at the lower end of these places.
    fn below(&mut self, scale: &Scale<'_>, [top, bottom]: [f64; 2], ends: [f64; 2]) {
        // As many as have room beside each other.
        let widest = longest(scale.ticks(TICKS).iter().map(|tick| tick.says.as_str()));
        let room = ((ends[1] - ends[0]) / (widest + LETTER)) as usize;
        for tick in scale.ticks(room.clamp(2, TICKS)) {
            self.path("grid", line([tick.place, top], [tick.place, bottom]), String::new());
            let place = tick.place.min(self.width - longest([tick.says.as_str()]) / 2.0);
            self.text("middle", [place, bottom + 15.0], &tick.says);
        }
        let middle = (ends[0] + ends[1]) / 2.0;
        self.text("middle name", [middle, bottom + 33.0], &scale.title());
    }

    fn chart(&mut self, chart: &Chart) -> Option<()> {
        let points = || chart.series.iter().flat_map(|series| &series.points);
        let (top, bottom) = (ABOVE + 14.0, HEIGHT - BELOW);
        let ys = points()
            .flat_map(|point| [point.y].into_iter().chain(point.interval.into_iter().flatten()));
        let y = Scale::new(&chart.y, ys, [bottom, top])?;
        let beside = y.ticks(TICKS);
        let widest = longest(beside.iter().map(|tick| tick.says.as_str()));
        let (left, right) = ((10.0 + widest).clamp(LEFT, WIDTH / 3.0), WIDTH - RIGHT);
        let x = Scale::new(&chart.x, points().map(|point| point.x), [left, right])?;
        self.below(&x, [top, bottom], [left, right]);
        for tick in beside {
            self.path("grid", line([left, tick.place], [right, tick.place]), String::new());
            self.text("end", [left - 7.0, tick.place + 4.0], &tick.says);
        }
        self.text("start name", [4.0, ABOVE], &y.title());
        for event in &chart.events {
            let Some(place) = x.place(event.x) else { continue };
            let class = format!("event {}", tone(event.tone));
            self.path(class, line([place, top], [place, bottom]), harmless(&event.says));
        }
        let (mut names, mut guides): (Vec<&str>, usize) = (Vec::new(), 0);
        let mut classes: Vec<String> = Vec::new();
        for series in &chart.series {
            let at = names.iter().position(|name| *name == series.name);
            let at = at.unwrap_or(names.len());
            if at == names.len() {
                names.push(&series.name);
                let class = match series.style {
                    Style::Guide => {
                        guides += 1;
                        format!("guide g{}", (guides - 1) % GUIDES)
                    }
                    _ => format!("s{}", (at - guides) % COLOURS),
                };
                let is_dot = series.style == Style::Dots;
                let shape = if is_dot { "dot" } else { "line" };
                self.keys.push(Key {
                    class: format!("{shape} {class}"),
                    says: harmless(&series.name),
                    is_dot,
                });
                classes.push(class);
            }
            self.series(series, &classes[at], (&x, &y), chart);
        }
        // One series needs no key; the title names it.
        if self.keys.len() == 1 {
            self.keys.clear();
        }
        Some(())
    }

    fn series(
        &mut self,
        series: &Series,
        class: &str,
        (x, y): (&Scale<'_>, &Scale<'_>),
        chart: &Chart,
    ) {
        let place = |point: &Point| Some([x.place(point.x)?, y.place(point.y)?]);
        let places: Vec<[f64; 2]> = series.points.iter().filter_map(place).collect();
        let whole = match series.style {
            Style::Dots => String::new(),
            Style::Line | Style::Guide => joined(&places),
            Style::Steps => stairs(&places),
        };
        let says =
            if series.style == Style::Guide { harmless(&series.name) } else { String::new() };
        if !whole.is_empty() {
            self.path(format!("line {class}"), whole, says);
        }
        if matches!(series.style, Style::Guide | Style::Steps) {
            return;
        }
        for point in &series.points {
            let Some([px, py]) = place(point) else { continue };
            let ends = point.interval.map(|ends| ends.map(|end| y.place(end)));
            if let Some([Some(low), Some(high)]) = ends {
                self.path(format!("range {class}"), line([px, low], [px, high]), String::new());
            }
            let mut says = harmless(&point.says);
            for (axis, value) in [(&chart.x, point.x), (&chart.y, point.y)] {
                let _ = write!(says, "\n{}: {}", harmless(&axis.name), told(axis, value));
            }
            if let Some([low, high]) = point.interval {
                let _ = write!(says, "\n{} to {}", told(&chart.y, low), told(&chart.y, high));
            }
            self.path(format!("dot {class}"), format!("M{}h0", at([px, py])), says);
        }
    }

    fn map(&mut self, map: &Map) -> Option<()> {
        let (rows, columns) = (map.y.names.len(), map.x.names.len());
        let values = || map.cells.iter().flatten().flatten().copied().filter(|it| it.is_finite());
        let covered = || values().chain(map.value.covers.into_iter().flatten());
        values().next()?;
        let (low, high) = (covered().reduce(f64::min)?, covered().reduce(f64::max)?);
        // Names of rows have as much room as they need, and no more than those of a forest.
        let widest = |axis: &Axis| longest(axis.names.iter().map(String::as_str));
        let left = (14.0 + widest(&map.y)).clamp(84.0, NAMES);
        let room = ((left - 14.0) / LETTER).round() as usize;
        let column = widest(&map.x) + LETTER;
        let wide =
            ((WIDTH - left - RIGHT) / columns as f64).clamp(CELL[0], column.max(2.0 * CELL[1]));
        let tall = (HEIGHT / rows as f64).clamp(CELL[0], CELL[1]);
        let (right, top) = (left + wide * columns as f64, ABOVE + 14.0);
        let bottom = top + tall * rows as f64;
        self.height = bottom + BELOW;
        let x = Scale::new(&map.x, [], [left, right])?;
        let y = Scale::new(&map.y, [], [top, bottom])?;
        self.text("start name", [4.0, ABOVE], &y.title());
        self.text("middle name", [(left + right) / 2.0, bottom + 33.0], &x.title());
        let room_below = ((right - left) / column).floor().clamp(1.0, 16.0);
        for tick in x.ticks(room_below as usize) {
            self.text("middle", [tick.place, bottom + 15.0], &tick.says);
        }
        for tick in y.ticks(16) {
            let fits = tick.says.chars().count() <= room;
            let says = match tick.says.char_indices().nth(room - 1) {
                Some((end, _)) if !fits => format!("{}…", &tick.says[..end]),
                _ => tick.says,
            };
            self.text("end", [left - 7.0, tick.place + 4.0], &says);
        }
        let is_log = map.value.log && low > 0.0;
        let share = |value: f64| match is_log {
            true => (value / low).ln() / (high / low).ln(),
            false => (value - low) / (high - low),
        };
        // Where all values are the same, they have the lightest.
        let shade = |value: f64| ((SHADES as f64 * share(value)) as usize).min(SHADES - 1);
        let cell = |[row, column]: [usize; 2]| {
            let (x, y) = (left + wide * column as f64, top + tall * row as f64);
            format!("M{}h{}v{}h-{}z", at([x, y]), tenths(wide), tenths(tall), tenths(wide))
        };
        for (row, cells) in map.cells.iter().enumerate() {
            for (column, value) in cells.iter().enumerate() {
                let Some(value) = value.filter(|value| value.is_finite()) else { continue };
                let place = |axis: &Axis, at: usize| {
                    format!("{} {}", axis.name, axis.names.get(at).map_or("", String::as_str))
                };
                let says = format!("{}, {}", place(&map.y, row), place(&map.x, column));
                let says = format!("{}\n{}", harmless(&says), told(&map.value, value));
                self.path(format!("cell h{}", shade(value)), cell([row, column]), says);
            }
        }
        for framed in &map.framed {
            self.path("framed", cell(*framed), String::new());
        }
        for step in 0..SHADES {
            let says = match step {
                0 => format!("{} {}", map.value.name, told(&map.value, low)),
                _ if step == SHADES - 1 => told(&map.value, high),
                _ => String::new(),
            };
            self.key(format!("cell h{step}"), &says);
        }
        Some(())
    }

    fn forest(&mut self, forest: &Forest) -> Option<()> {
        let rows = &forest.rows;
        let values = rows.iter().flat_map(|row| {
            [row.value].into_iter().chain(row.interval.into_iter().flatten()).chain(row.band)
        });
        let (left, right) = (10.0, WIDTH - RIGHT);
        let (top, bottom) = (8.0, 8.0 + ROW * rows.len() as f64);
        self.height = bottom + BELOW;
        let x = Scale::new(&forest.value, values.chain([forest.centre]), [left, right])?;
        self.below(&x, [top, bottom], [left, right]);
        let inside = |value: f64| x.place(value).map(|place| place.clamp(left, right));
        for (at_row, row) in rows.iter().enumerate() {
            let y = top + ROW * at_row as f64;
            if let [Some(low), Some(high)] = row.band.map(inside) {
                let (wide, tall) = (tenths(high - low), ROW);
                let band = format!("M{}h{wide}v{tall}h-{wide}z", at([low, y]));
                self.path("band", band, String::new());
            }
        }
        if let Some(centre) = x.place(forest.centre) {
            self.path("centre", line([centre, top], [centre, bottom]), String::new());
        }
        for (at_row, row) in rows.iter().enumerate() {
            let names = top + ROW * at_row as f64 + NAME_AT;
            let y = top + ROW * at_row as f64 + INTERVAL_AT;
            let class = tone(row.tone);
            self.text("start name", [left, names], &row.name);
            self.text("end", [right, names], &row.says);
            let mut says = format!("{}\n{}", harmless(&row.name), harmless(&row.says));
            let _ = write!(says, "\n{}", told(&forest.value, row.value));
            if let Some(ends) = row.interval {
                let _ = write!(
                    says,
                    ", {} to {}",
                    told(&forest.value, ends[0]),
                    told(&forest.value, ends[1])
                );
                if let [Some(low), Some(high)] = ends.map(inside) {
                    self.path(format!("range {class}"), line([low, y], [high, y]), String::new());
                }
            }
            let Some(place) = inside(row.value) else { continue };
            self.path(format!("dot {class}"), format!("M{}h0", at([place, y])), says);
        }
        Some(())
    }
}

/// How much room the longest of some texts takes.
fn longest<'a>(texts: impl IntoIterator<Item = &'a str>) -> f64 {
    LETTER * texts.into_iter().map(|text| text.chars().count()).max().unwrap_or(0) as f64
}

/// A value with its unit.
fn told(axis: &Axis, value: f64) -> String {
    match axis.unit.as_str() {
        _ if !axis.names.is_empty() => {
            harmless(axis.names.get(value as usize).map_or("", String::as_str))
        }
        "B" => format_size(value as u64),
        "" if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value:.0}"),
        "" | "x" => significant(value),
        unit => harmless(&quantity(value, unit)),
    }
}

/// A name as long as there is room for; its end tells more than its beginning.
fn cut(name: &str) -> String {
    let over = name.chars().count().saturating_sub(NAME_LIMIT);
    match over {
        0 => name.to_owned(),
        _ => name
            .chars()
            .take(NAME_LIMIT / 2)
            .chain(['…'])
            .chain(name.chars().skip(over + NAME_LIMIT / 2 + 1))
            .collect(),
    }
}

/// Nobody sees less.
fn tenths(place: f64) -> f64 {
    (10.0 * place).round() / 10.0
}

fn at([x, y]: [f64; 2]) -> String {
    format!("{} {}", tenths(x), tenths(y))
}

fn line(from: [f64; 2], to: [f64; 2]) -> String {
    format!("M{}L{}", at(from), at(to))
}

fn joined(places: &[[f64; 2]]) -> String {
    let all: Vec<String> = places.iter().map(|place| at(*place)).collect();
    if all.len() < 2 { String::new() } else { format!("M{}", all.join("L")) }
}

fn stairs(places: &[[f64; 2]]) -> String {
    let Some((first, others)) = places.split_first() else { return String::new() };
    let steps = others.iter().map(|[x, y]| format!("H{}V{}", tenths(*x), tenths(*y)));
    format!("M{}{}", at(*first), steps.collect::<String>())
}
