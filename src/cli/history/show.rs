//! Histories for people.

use crate::base::units::{format_ms, significant};
use crate::history::{Change, Effect, Entry, Series, Trend};
use crate::report::{markdown_table, print_table, say};
use crate::stats::mean;

/// Characters of a commit.
const COMMIT: usize = 10;

/// Most characters of a line that shows values.
const SPARKS: usize = 40;

/// From the lowest to the highest value.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Prints reports; machines by number, explained below.
pub(super) fn list(entries: &[Entry]) {
    let mut machines = Legend::default();
    let rows = entries.iter().map(|entry| {
        let record = &entry.record;
        let incomplete = if record.incomplete { ", incomplete" } else { "" };
        vec![
            record.started.clone(),
            commit(record.git.as_ref()),
            entry.tag.clone().unwrap_or_default(),
            entry.pins.join(" "),
            machines.number(&record.machine),
            format!("{} of {}", record.measured, record.cases),
            format!("{}{incomplete}", record.exit),
            entry.file.clone(),
        ]
    });
    let rows = rows.collect();
    let header = vec!["started", "commit", "tag", "pins", "machine", "measured", "exit", "file"];
    print_table(header, rows, 4..6);
    say(&machines.text("machine"));
}

/// Prints series and their changes.
pub(super) fn trends(trends: &[Trend]) {
    let (series, changes, notes) = rows(trends);
    print_table(SERIES.to_vec(), series, 1..5);
    if !changes.is_empty() {
        say("");
        print_table(CHANGES.to_vec(), changes, 3..5);
    }
    say(&format!("\n{notes}"));
}

/// The same as a page.
pub(super) fn trends_in_markdown(trends: &[Trend]) {
    let (series, changes, notes) = rows(trends);
    say(&markdown_table(&SERIES, series));
    if !changes.is_empty() {
        say(&markdown_table(&CHANGES, changes));
    }
    say(&markdown_table(&["notes"], notes.lines().map(|line| vec![line.to_owned()]).collect()));
}

const SERIES: [&str; 7] = ["case", "machine", "values", "first", "last", "over time", "changes"];

const CHANGES: [&str; 8] =
    ["case", "machine", "change", "before", "after", "p", "commits", "between"];

fn rows(trends: &[Trend]) -> (Vec<Vec<String>>, Vec<Vec<String>>, String) {
    let mut legend = Legend::default();
    let (mut all, mut changes) = (Vec::new(), Vec::new());
    for trend in trends {
        let series = &trend.series;
        let machine = legend.number(&format!("{}; {}", series.machine, series.method));
        let values: Vec<f64> = series.points.iter().map(|point| point.value).collect();
        let shown =
            |value: Option<&f64>| value.map(|&value| quantity(value, series)).unwrap_or_default();
        all.push(vec![
            series.case.clone(),
            machine.clone(),
            values.len().to_string(),
            shown(values.first()),
            shown(values.last()),
            sparkline(&values),
            trend.changes.len().to_string(),
        ]);
        changes.extend(trend.changes.iter().map(|change| row(change, series, &machine)));
    }
    let mut notes = legend.text("machine");
    if let Some(trend) = trends.iter().find(|trend| trend.looked_at < trend.series.points.len()) {
        notes.push_str(&format!(
            "\nchanges were looked for among the newest {} values of each case",
            trend.looked_at
        ));
    }
    (all, changes, notes)
}

fn row(change: &Change, series: &Series, machine: &str) -> Vec<String> {
    let [old, new] = change.commits.each_ref().map(|git| commit(git.as_ref()));
    let commits = if change.commits[0] == change.commits[1] {
        format!("within {old}")
    } else {
        format!("{old}..{new}")
    };
    vec![
        series.case.clone(),
        machine.to_owned(),
        extent(change),
        quantity(change.before, series),
        quantity(change.after, series),
        format!("{:.3}", change.p),
        commits,
        change.started.join(" – "),
    ]
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

fn quantity(value: f64, series: &Series) -> String {
    match series.unit.as_str() {
        "ms" => format_ms(value),
        unit => format!("{} {unit}", significant(value)),
    }
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

/// Long names as numbers.
#[derive(Default)]
struct Legend(Vec<String>);

impl Legend {
    fn number(&mut self, name: &str) -> String {
        let at = self.0.iter().position(|known| known == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        });
        (at + 1).to_string()
    }

    fn text(&self, what: &str) -> String {
        let line = |(i, name): (usize, &String)| format!("{what} {}: {name}", i + 1);
        self.0.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
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
