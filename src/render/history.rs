//! What a history knows as a document.

use super::document::{Cell, Document, Section};
use super::open_metrics::open_metrics;
use super::{Format, Render, csv};
use crate::base::error::Result;
use crate::base::units::{format_ms, significant};
use crate::history::{Answer, Change, Content, Effect, Entry, Series, Trend};
use crate::stats::mean;

/// Characters of a commit.
const COMMIT: usize = 10;

/// Most characters of a line that shows values.
const SPARKS: usize = 40;

/// From the lowest to the highest value.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

impl Render for Answer {
    const OWN: &'static [Format] = &[Format::Csv, Format::OpenMetrics];

    fn document(&self) -> Document {
        let mut machines = Legend::default();
        let mut sections: Vec<Section> = match &self.content {
            Content::List { reports, .. } => vec![list(reports, &mut machines)],
            Content::Trend { trends } => {
                let values = values(trends, &mut machines);
                values.into_iter().chain(changes(trends, &mut machines)).collect()
            }
            Content::Export { series } => {
                values(&unexamined(series), &mut machines).into_iter().collect()
            }
        };
        let notes = machines.lines().chain(looked_at(&self.content));
        let last = sections.pop().map(|last| last.with(notes));
        sections.extend(last);
        Document { title: "History".to_owned(), sections, ..Document::default() }
    }

    fn own(&self, format: Format) -> Result<String> {
        match (&self.content, format) {
            (Content::Trend { trends }, Format::Csv) => csv::trends(trends),
            (Content::Export { series }, Format::Csv) => csv::trends(&unexamined(series)),
            (Content::Trend { trends }, Format::OpenMetrics) => {
                Ok(open_metrics(trends.iter().map(|trend| &trend.series)))
            }
            (Content::Export { series }, Format::OpenMetrics) => Ok(open_metrics(series.iter())),
            _ => Err(format.refused()),
        }
    }
}

/// Series of which nobody asked for changes.
fn unexamined(series: &[Series]) -> Vec<Trend> {
    let trend =
        |series: &Series| Trend { series: series.clone(), looked_at: 0, changes: Vec::new() };
    series.iter().map(trend).collect()
}

/// One row a report; machines by number.
fn list(entries: &[Entry], machines: &mut Legend) -> Section {
    let names = "started, commit, tag, pins, machine, measured, exit, file";
    let rows = entries.iter().map(|entry| {
        let record = &entry.record;
        let incomplete = if record.incomplete { ", incomplete" } else { "" };
        vec![
            record.started.as_str().into(),
            commit(record.git.as_ref()).into(),
            entry.tag.clone().into(),
            entry.pins.join(" ").into(),
            machines.number(&record.machine),
            Cell::number(record.measured as f64, |_| {
                format!("{} of {}", record.measured, record.cases)
            }),
            format!("{}{incomplete}", record.exit).into(),
            entry.file.as_str().into(),
        ]
    });
    let none = || Section::default().with(["no report"]);
    Section::table("", names, rows).unwrap_or_else(none)
}

/// One row a series.
fn values(trends: &[Trend], machines: &mut Legend) -> Option<Section> {
    let names = "case, machine, values, first, last, over time, changes";
    let rows = trends.iter().map(|Trend { series, changes, .. }| {
        let values: Vec<f64> = series.points.iter().map(|point| point.value).collect();
        let shown = |value: Option<&f64>| quantity(value.copied(), series);
        vec![
            series.case.as_str().into(),
            machines.of(series),
            Cell::count(values.len()),
            shown(values.first()),
            shown(values.last()),
            sparkline(&values).into(),
            Cell::count(changes.len()),
        ]
    });
    Section::table("", names, rows)
}

/// One row a change of a series.
fn changes(trends: &[Trend], machines: &mut Legend) -> Option<Section> {
    let names = "case, machine, change, before, after, p, commits, between";
    let all = trends.iter().flat_map(|trend| trend.changes.iter().map(|c| (&trend.series, c)));
    let rows = all.map(|(series, change)| {
        let [old, new] = change.commits.each_ref().map(|git| commit(git.as_ref()));
        let same = change.commits[0] == change.commits[1];
        let commits = if same { format!("within {old}") } else { format!("{old}..{new}") };
        vec![
            series.case.as_str().into(),
            machines.of(series),
            extent(change).into(),
            quantity(change.before, series),
            quantity(change.after, series),
            Cell::number(change.p, |p| format!("{p:.3}")),
            commits.into(),
            change.started.join(" – ").into(),
        ]
    });
    Section::table("changes", names, rows)
}

/// How far back changes were looked for, where that is not everywhere.
fn looked_at(content: &Content) -> Option<String> {
    let Content::Trend { trends } = content else { return None };
    let newest = trends.iter().find(|trend| trend.looked_at < trend.series.points.len())?.looked_at;
    Some(format!("changes were looked for among the newest {newest} values of each case"))
}

/// `20.1 % worse (× 1.201, 1.19–1.21)`.
fn extent(change: &Change) -> String {
    let name = change.effect.name();
    let (Some(ratio), false) = (change.ratio, change.effect == Effect::Spread) else {
        return name.to_owned();
    };
    let interval =
        change.ratio_ci.map_or_else(String::new, |[low, high]| format!(", {low:.3}–{high:.3}"));
    format!("{} % {name} (×{ratio:.3}{interval})", significant(100.0 * (ratio - 1.0).abs()))
}

fn quantity(value: impl Into<Option<f64>>, series: &Series) -> Cell {
    Cell::number(value, |value| match series.unit.as_str() {
        "ms" => format_ms(value),
        unit => format!("{} {unit}", significant(value)),
    })
}

fn commit(git: Option<&String>) -> String {
    git.map_or_else(|| "-".to_owned(), |git| git.chars().take(COMMIT).collect())
}

/// Values as blocks; where they are many, each block is the mean of neighbours.
fn sparkline(values: &[f64]) -> String {
    let columns = values.len().min(SPARKS);
    let edge = |column: usize| column * values.len() / columns;
    let means: Vec<f64> =
        (0..columns).map(|column| mean(&values[edge(column)..edge(column + 1)])).collect();
    let low = means.iter().copied().fold(f64::INFINITY, f64::min);
    let high = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let block = |value: &f64| {
        let height = if high > low { (value - low) / (high - low) } else { 0.0 };
        BLOCKS[((height * BLOCKS.len() as f64) as usize).min(BLOCKS.len() - 1)]
    };
    means.iter().map(block).collect()
}

/// Machines as numbers.
#[derive(Default)]
struct Legend(Vec<String>);

impl Legend {
    fn number(&mut self, name: &str) -> Cell {
        let at = self.0.iter().position(|known| known == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        });
        Cell::count(at + 1)
    }

    fn of(&mut self, series: &Series) -> Cell {
        self.number(&format!("{}; {}", series.machine, series.method))
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        (1..).zip(&self.0).map(|(number, name)| format!("machine {number}: {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_as_blocks() {
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&[5.0, 5.0]), "▁▁");
        assert_eq!(sparkline(&[0.0, 4.0, 8.0]), "▁▅█");
        let many: Vec<f64> = (0..1000).map(f64::from).collect();
        let blocks = sparkline(&many);
        assert!(
            blocks.chars().count() == SPARKS && blocks.starts_with('▁') && blocks.ends_with('█')
        );
    }
}
