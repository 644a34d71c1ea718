//! A plot as data: what stands on its axes, and what is drawn between them. Tables beside it say the same in numbers.

/// A picture of figures. Its texts are raw: whatever draws them makes them harmless.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// What is shown.
    pub title: String,
    /// How it is read, where that is not plain, and what was left out.
    pub about: String,
    /// The picture.
    pub figure: Figure,
}

/// The kinds of pictures.
#[derive(Debug, Clone, PartialEq)]
pub enum Figure {
    /// Lines and dots over two axes.
    Chart(Chart),
    /// A value for each row and column, as a shade.
    Map(Map),
    /// An interval a row, around a line.
    Forest(Forest),
}

/// What stands on an axis.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Axis {
    /// What the values are of.
    pub name: String,
    /// Their unit, as reports name it: `ms`, `GB/s`, `B`; empty for a count, `x` for a ratio.
    pub unit: String,
    /// Whether equal ratios are equally far apart.
    pub log: bool,
    /// Values that it reaches at least, so that small differences look small.
    pub covers: Option<[f64; 2]>,
    /// Names of the places 0, 1, 2 …, where places are what stands on it.
    pub names: Vec<String>,
}

/// Lines and dots over two axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is drawn. Those of one name have one colour.
    pub series: Vec<Series>,
    /// Places on the horizontal axis that something is said of.
    pub events: Vec<Event>,
}

/// Points that belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What they are called.
    pub name: String,
    /// How they are drawn.
    pub style: Style,
    /// The points, in the order in which they are joined.
    pub points: Vec<Point>,
}

/// How points are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Each, and a line from one to the next.
    Line,
    /// Each by itself.
    Dots,
    /// As a line that keeps each value until the next.
    Steps,
    /// As a line to hold others against: a bound, an ideal, a fit.
    Guide,
}

/// A point.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Point {
    /// Where it is horizontally.
    pub x: f64,
    /// Where it is vertically.
    pub y: f64,
    /// The ends of the interval of `y`.
    pub interval: Option<[f64; 2]>,
    /// What it is, beside its values.
    pub says: String,
}

/// Something that happened at a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The place.
    pub x: f64,
    /// What happened.
    pub says: String,
    /// How it is to be taken.
    pub tone: Tone,
}

/// A value for each row and column.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// What the columns are; its names are as many.
    pub x: Axis,
    /// What the rows are, likewise.
    pub y: Axis,
    /// What the values are.
    pub value: Axis,
    /// The values, by row and column.
    pub cells: Vec<Vec<Option<f64>>>,
    /// Cells that are framed, by row and column.
    pub framed: Vec<[usize; 2]>,
}

/// An interval a row, around a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest {
    /// What the values are.
    pub value: Axis,
    /// The line.
    pub centre: f64,
    /// The rows, from above.
    pub rows: Vec<Row>,
}

/// A value with its interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What it is of.
    pub name: String,
    /// The value.
    pub value: f64,
    /// The ends of its interval.
    pub interval: Option<[f64; 2]>,
    /// How far from the line does not count.
    pub band: [f64; 2],
    /// What is said of it.
    pub says: String,
    /// How it is to be taken.
    pub tone: Tone,
}

/// How something is to be taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// As good.
    Good,
    /// With caution.
    Doubtful,
    /// As bad.
    Bad,
}

impl Plot {
    /// A plot; `None` of one that has nothing to show.
    pub fn of(title: impl Into<String>, about: impl Into<String>, figure: Figure) -> Option<Self> {
        figure.shows().then(|| Self { title: title.into(), about: about.into(), figure })
    }
}

impl Figure {
    /// Whether anything but guides is in it.
    fn shows(&self) -> bool {
        match self {
            Self::Chart(chart) => {
                chart.series.iter().any(|it| it.style != Style::Guide && !it.points.is_empty())
            }
            Self::Map(map) => map.cells.iter().flatten().any(Option::is_some),
            Self::Forest(forest) => !forest.rows.is_empty(),
        }
    }
}

impl Axis {
    /// An axis on which equal differences are equally far apart.
    pub fn linear(name: &str, unit: &str) -> Self {
        Self { name: name.to_owned(), unit: unit.to_owned(), ..Self::default() }
    }

    /// One on which equal ratios are.
    pub fn log(name: &str, unit: &str) -> Self {
        Self { log: true, ..Self::linear(name, unit) }
    }

    /// The axis, which reaches these values at least.
    pub fn covering(self, values: [f64; 2]) -> Self {
        Self { covers: Some(values), ..self }
    }

    /// One of places that have names.
    pub fn places(name: &str, names: impl IntoIterator<Item = String>) -> Self {
        Self { names: names.into_iter().collect(), ..Self::linear(name, "") }
    }
}

impl Series {
    /// A line to hold others against.
    pub fn guide(name: impl Into<String>, points: impl IntoIterator<Item = [f64; 2]>) -> Self {
        let points = points.into_iter().map(|[x, y]| Point { x, y, ..Point::default() }).collect();
        Self { name: name.into(), style: Style::Guide, points }
    }
}
