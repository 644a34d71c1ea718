//! What people read of a result, whatever draws it.

use std::collections::BTreeMap;

use super::plot::{Plot, Tone};
use super::words::quantity;
use crate::base::error::Exit;
use crate::base::units::format_rate;

/// A page about a result. Its texts are raw: whatever draws them makes them harmless.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// What kind of result it is.
    pub title: String,
    /// Where and how the result came about, a line each.
    pub facts: Vec<String>,
    /// More of these, which a terminal leaves out unless everything is asked for.
    pub details: Vec<String>,
    /// What people should look at first, the most pressing first; the sections say it too, with the rest.
    pub attention: Vec<Attention>,
    /// The result.
    pub sections: Vec<Section>,
    /// The result in one line; empty where there is nothing to judge.
    pub verdict: String,
    /// The exit code that the verdict comes with, where it has one.
    pub exit: Option<Exit>,
    /// Whether all that is said is that nothing can be told, though that is no error.
    pub unsure: bool,
}

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// What it is.
    pub says: String,
    /// Where more is said: the `id` of a row, or the title of a section.
    pub at: String,
    /// How it is to be taken.
    pub tone: Tone,
}

/// A part of a page: a table, notes, plots, or several of these.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Section {
    /// Its heading; empty where it needs none.
    pub title: String,
    /// The table.
    pub table: Option<Table>,
    /// Lines below the table.
    pub notes: Vec<Note>,
    /// Pictures of it, where there is room for pictures.
    pub plots: Vec<Plot>,
    /// Most rows of the table that a terminal shows.
    pub limit: Option<usize>,
    /// Whether a terminal leaves it out unless everything is asked for.
    pub detail: bool,
}

/// A line below a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// 0, or 1 for a line that belongs to the last line of level 0.
    pub level: usize,
    /// The line.
    pub text: String,
}

/// Rows of as many cells as there are columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// What stands in each column.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
}

/// What stands in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// Whether its cells are numbers, which are aligned to the right.
    pub numeric: bool,
    /// How soon it leaves a table that is too wide: the larger, the sooner; 0 for one that stays.
    pub spare: usize,
    /// Whether it says what came of each row, so that every row has it.
    pub outcome: bool,
    /// Whether people copy its cells, so that none is wrapped.
    pub whole: bool,
}

/// What a column of rows of `R` is called, and its cell of a row.
pub type Described<'a, R> = (&'a str, &'a dyn Fn(&R) -> Cell);

/// A cell of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    /// What is shown.
    pub text: String,
    /// The number that it shows, in a unit that its column keeps to: what rows are ordered by.
    pub value: Option<f64>,
    /// Its unit, where the prefix is the table's to choose.
    pub unit: Option<String>,
    /// How it is to be taken, where there are colours.
    pub tone: Tone,
}

impl Document {
    /// How the verdict is to be taken.
    pub fn tone(&self) -> Tone {
        match self.exit {
            None => Tone::Plain,
            Some(Exit::Ok) if !self.unsure => Tone::Good,
            Some(Exit::Ok | Exit::Inconclusive | Exit::Unfit) => Tone::Doubtful,
            Some(_) => Tone::Bad,
        }
    }
}

impl Section {
    /// A section with a table of rows: what each column is called, and its cell of a row. `None` without rows.
    pub fn table<R>(
        title: &str,
        rows: impl IntoIterator<Item = R>,
        columns: &[Described<'_, R>],
    ) -> Option<Self> {
        let rows: Vec<R> = rows.into_iter().collect();
        let cells =
            |(name, cell): &Described<'_, R>| ((*name).to_owned(), rows.iter().map(cell).collect());
        Self::columns(title, columns.iter().map(cells))
    }

    /// The same of columns that are known cell by cell, without those that are empty in every row. One in which a cell
    /// is a number is a column of numbers.
    pub fn columns(
        title: &str,
        columns: impl IntoIterator<Item = (String, Vec<Cell>)>,
    ) -> Option<Self> {
        let mut table = Table::default();
        for (name, cells) in columns {
            if cells.iter().all(|cell| cell.text.is_empty()) {
                continue;
            }
            let numeric = cells.iter().any(|cell| cell.value.is_some());
            table.columns.push(Column { name, numeric, spare: 0, outcome: false, whole: false });
            table.rows.resize_with(cells.len(), Vec::new);
            table.rows.iter_mut().zip(cells).for_each(|(row, cell)| row.push(cell));
        }
        table.with_one_prefix();
        let some = !table.rows.is_empty();
        some.then(|| Self { title: title.to_owned(), table: Some(table), ..Self::default() })
    }

    /// A section of notes; `None` without any.
    pub fn notes<T: Into<Note>>(title: &str, notes: impl IntoIterator<Item = T>) -> Option<Self> {
        let notes: Vec<Note> = notes.into_iter().map(Into::into).collect();
        let some = !notes.is_empty();
        some.then(|| Self { title: title.to_owned(), notes, ..Self::default() })
    }

    /// The section with these notes below it.
    pub fn with<T: Into<Note>>(mut self, notes: impl IntoIterator<Item = T>) -> Self {
        self.notes.extend(notes.into_iter().map(Into::into));
        self
    }

    /// The section with these pictures.
    pub fn drawn(mut self, plots: impl IntoIterator<Item = Plot>) -> Self {
        self.plots.extend(plots);
        self
    }

    /// The section with one more column, unless that is empty: before that of ids, which is wide.
    pub fn and(mut self, name: &str, cells: Vec<Cell>) -> Self {
        let more = Self::columns("", [(name.to_owned(), cells)]).and_then(|section| section.table);
        if let (Some(table), Some(more)) = (&mut self.table, more) {
            let ids = table.columns.iter().position(|column| column.name == "id");
            let at = ids.unwrap_or(table.columns.len());
            table.columns.splice(at..at, more.columns);
            let rows = table.rows.iter_mut().zip(more.rows);
            rows.for_each(|(row, cells)| drop(row.splice(at..at, cells)));
        }
        self
    }

    /// The section, whose columns of these names leave a table that is too wide, the last one first.
    pub fn spare(mut self, names: &[&str]) -> Self {
        for column in self.table.iter_mut().flat_map(|table| &mut table.columns) {
            let place = names.iter().position(|name| *name == column.name);
            column.spare = place.map_or(0, |place| place + 1);
        }
        self
    }

    /// The section, whose column of this name says what came of each row.
    pub fn outcome(mut self, name: &str) -> Self {
        for column in self.table.iter_mut().flat_map(|table| &mut table.columns) {
            column.outcome |= column.name == name;
        }
        self
    }

    /// The section, of whose column of this name no cell is wrapped.
    pub fn whole(mut self, name: &str) -> Self {
        for column in self.table.iter_mut().flat_map(|table| &mut table.columns) {
            column.whole |= column.name == name;
        }
        self
    }

    /// The section, of which a terminal shows so many rows.
    pub fn at_most(self, limit: usize) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Whether anything of it can be read where there are no pictures.
    pub fn has_text(&self) -> bool {
        self.table.is_some() || !self.notes.is_empty()
    }

    /// The section, which a terminal leaves out.
    pub fn in_files(self) -> Self {
        Self { detail: true, ..self }
    }
}

impl Table {
    /// Gives a benchmark's rates of one unit the prefix of the largest: they are read against each other.
    fn with_one_prefix(&mut self) {
        let benchmark = self.columns.iter().position(|column| column.name == "benchmark");
        let of = |row: &[Cell]| benchmark.map(|at| row[at].text.clone());
        let mut largest: BTreeMap<(Option<String>, String), f64> = BTreeMap::new();
        for row in &self.rows {
            for (unit, value) in row.iter().filter_map(|cell| cell.unit.clone().zip(cell.value)) {
                let most = largest.entry((of(row), unit)).or_default();
                *most = most.max(value);
            }
        }
        for row in &mut self.rows {
            let benchmark = of(row);
            for cell in row {
                let Some((unit, value)) = cell.unit.clone().zip(cell.value) else { continue };
                let most = largest[&(benchmark.clone(), unit.clone())];
                cell.text =
                    format_rate(value, &unit, most).unwrap_or(std::mem::take(&mut cell.text));
            }
        }
    }
}

impl Note {
    /// A line that belongs to the one above it.
    pub fn below(text: impl Into<String>) -> Self {
        Self { level: 1, text: text.into() }
    }
}

impl<T: Into<String>> From<T> for Note {
    fn from(text: T) -> Self {
        Self { level: 0, text: text.into() }
    }
}

impl Cell {
    /// A number; `-` where there is none.
    pub fn number(value: impl Into<Option<f64>>, show: impl Fn(f64) -> String) -> Self {
        let value = value.into();
        Self { text: value.map_or_else(|| "-".to_owned(), show), value, ..Self::default() }
    }

    /// A number of this unit; `-` where there is none. Those of one benchmark and unit have one prefix in a table.
    pub fn quantity(value: impl Into<Option<f64>>, unit: &str) -> Self {
        let cell = Self::number(value, |value| quantity(value, unit));
        Self { unit: Some(unit.to_owned()), ..cell }
    }

    /// A count.
    pub fn count(count: usize) -> Self {
        Self::number(count as f64, |_| count.to_string())
    }

    /// A range, `low to high`; `-` where there is none.
    pub fn range(ends: Option<[f64; 2]>, show: impl Fn(f64) -> String) -> Self {
        let text =
            ends.map_or_else(|| "-".to_owned(), |[a, b]| format!("{} to {}", show(a), show(b)));
        Self { text, value: ends.map(|[low, _]| low), ..Self::default() }
    }

    /// The cell, to be taken so.
    pub fn taken(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// Empty where there is nothing.
impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(some: Option<T>) -> Self {
        some.map(Into::into).unwrap_or_default()
    }
}
