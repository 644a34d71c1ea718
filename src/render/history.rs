//! What a history knows as a document.

use super::document::{Attention, Cell, Document, Section};
use super::open_metrics::open_metrics;
use super::plot::{self, Axis, Chart, Event, Figure, Plot, Style, Tone};
use super::words::{parts, percent, probability, word};
use super::{Format, Render, csv};
use crate::base::error::Result;
use crate::history::{Answer, Change, Content, Effect, Entry, Point, Record, Series, Trend};
use crate::stats::{FEWEST, mean};

const COMMIT: usize = 10;

/// Of a date as reports write it, the day.
const DATE: usize = 10;

/// Most series that are drawn, and most points of each.
const PLOT_LIMIT: usize = 40;
const POINT_LIMIT: usize = 300;

/// Most characters of a line that shows values.
const SPARKS: usize = 40;

/// From the lowest to the highest value.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

impl Render for Answer {
    const OWN: &'static [Format] = &[Format::Csv, Format::OpenMetrics];

    fn document(&self) -> Document {
        let (legend, mut sections) = match &self.content {
            Content::List { reports, .. } => {
                let machines = distinct(reports.iter().map(|entry| entry.record.machine.clone()));
                let list = list(reports, &machines);
                (legend("machine", machines), vec![list])
            }
            content => tables(&trends(content).unwrap_or_default()),
        };
        let last = sections.pop().map(|last| last.with(legend).with(looked_at(&self.content)));
        sections.extend(last);
        let attention = attention(&self.content);
        Document { title: "History".to_owned(), attention, sections, ..Document::default() }
    }

    fn own(&self, format: Format) -> Result<String> {
        match (trends(&self.content), format) {
            (None, _) => Err(format.refused()),
            (Some(trends), Format::OpenMetrics) => {
                Ok(open_metrics(trends.iter().map(|trend| &trend.series)))
            }
            (Some(trends), _) => csv::trends(&trends),
        }
    }
}

/// The series with their changes, where anybody asked for these; `None` of a list of reports.
fn trends(content: &Content) -> Option<Vec<Trend>> {
    let unexamined =
        |series: &Series| Trend { series: series.clone(), looked_at: 0, changes: Vec::new() };
    match content {
        Content::List { .. } => None,
        Content::Trend { trends } => Some(trends.clone()),
        Content::Export { series } => Some(series.iter().map(unexamined).collect()),
    }
}

/// One row a report; machines by number.
fn list(entries: &[Entry], machines: &[String]) -> Section {
    let measured = |record: &Record| {
        Cell::number(record.measured as f64, |_| format!("{} of {}", record.measured, record.cases))
    };
    let incomplete = |record: &Record| if record.incomplete { ", incomplete" } else { "" };
    let section = Section::table(
        "",
        entries.iter().map(|entry| (entry, &entry.record)),
        &[
            ("started", &|(_, record)| record.started.as_str().into()),
            ("commit", &|(_, record)| commit(record.git.as_ref()).into()),
            ("tag", &|(entry, _)| entry.tag.clone().into()),
            ("pins", &|(entry, _)| entry.pins.join(" ").into()),
            ("machine", &|(_, record)| number(&record.machine, machines)),
            ("measured", &|(_, record)| measured(record)),
            ("exit", &|(_, record)| format!("{}{}", record.exit, incomplete(record)).into()),
            ("file", &|(entry, _)| entry.file.as_str().into()),
        ],
    );
    let section = section.map(|section| section.spare(&["pins", "tag", "measured", "commit"]));
    section.unwrap_or_else(|| Section::default().with(["no report"]))
}

/// The machines and methods, a table with one row a series, and one with one row a change.
fn tables(trends: &[Trend]) -> (Vec<String>, Vec<Section>) {
    let series = || trends.iter().map(|trend| &trend.series);
    let machines = distinct(series().map(|series| series.machine.clone()));
    let methods = distinct(series().map(|series| series.method.clone()));
    let machine = |series: &Series| number(&series.machine, &machines);
    let method = |series: &Series| number(&series.method, &methods);
    let point =
        |series: &Series, point: Option<&Point>| figure(point.map(|point| point.value), series);
    let named = |series: &Series, part: usize| Cell::from(parts(&series.case)[part].as_str());
    let values = Section::table(
        "",
        trends.iter().map(|trend| (&trend.series, trend)),
        &[
            ("benchmark", &|(series, _)| named(series, 0)),
            ("type", &|(series, _)| named(series, 1)),
            ("problem", &|(series, _)| named(series, 2)),
            ("ranks", &|(series, _)| named(series, 3)),
            ("machine", &|(series, _)| machine(series)),
            ("method", &|(series, _)| method(series)),
            ("values", &|(series, _)| Cell::count(series.points.len())),
            ("first", &|(series, _)| point(series, series.points.first())),
            ("last", &|(series, _)| point(series, series.points.last())),
            ("over time", &|(series, _)| sparkline(&values_of(series)).into()),
            ("changes", &|(_, trend)| match trend.looked_at {
                0 => Cell::default(),
                looked_at if looked_at < FEWEST => "-".into(),
                _ => Cell::count(trend.changes.len()),
            }),
            ("id", &|(series, _)| series.case.as_str().into()),
        ],
    );
    let changes = Section::table(
        "changes",
        trends.iter().flat_map(|trend| trend.changes.iter().map(|c| (&trend.series, c))),
        &[
            ("benchmark", &|(series, _)| named(series, 0)),
            ("type", &|(series, _)| named(series, 1)),
            ("problem", &|(series, _)| named(series, 2)),
            ("ranks", &|(series, _)| named(series, 3)),
            ("machine", &|(series, _)| machine(series)),
            ("method", &|(series, _)| method(series)),
            ("change", &|(_, change)| extent(change).into()),
            ("before", &|(series, change)| figure(change.before, series)),
            ("after", &|(series, change)| figure(change.after, series)),
            ("ratio", &|(_, change)| Cell::number(change.ratio, |ratio| format!("{ratio:.3}"))),
            ("interval", &|(_, change)| Cell::range(change.ratio_ci, |end| format!("{end:.3}"))),
            ("p", &|(_, change)| Cell::number(change.p, probability)),
            ("commits", &|(series, change)| commits(series, change).into()),
            ("dates", &|(_, change)| change.started.join(" – ").into()),
            ("id", &|(series, _)| series.case.as_str().into()),
        ],
    );
    let values = values.map(|section| section.spare(&["values", "first", "over time", "id"]));
    let changes = changes.map(|section| {
        section.spare(&["commits", "before", "after", "ratio", "p", "interval", "dates", "id"])
    });
    let legend = [
        legend("machine", machines.clone()),
        legend("method", methods.iter().map(|method| method.replace('_', " ")).collect()),
    ]
    .concat();
    let values = values.map(|section| section.drawn(plots(trends)));
    (legend, values.into_iter().chain(changes).collect())
}

/// What people should look at first: each change for the worse, the newest of a series.
fn attention(content: &Content) -> Vec<Attention> {
    let Content::Trend { trends } = content else { return Vec::new() };
    let newest = trends.iter().filter_map(|trend| Some((&trend.series, trend.changes.last()?)));
    let worse = newest.filter(|(_, change)| change.effect == Effect::Worse);
    let told = worse.map(|(series, change)| Attention {
        says: format!("{}: {}, {}", series.case, extent(change), commits(series, change)),
        at: series.case.clone(),
        tone: Tone::Bad,
    });
    told.collect()
}

/// Each series over its reports, with its changes and the levels between them; those that changed first.
fn plots(trends: &[Trend]) -> Vec<Plot> {
    let mut drawn: Vec<&Trend> = trends.iter().filter(|trend| trend.looked_at > 0).collect();
    drawn.sort_by_key(|trend| trend.changes.is_empty());
    let more = drawn.len().saturating_sub(PLOT_LIMIT);
    let mut plots: Vec<Plot> = drawn.into_iter().take(PLOT_LIMIT).filter_map(plot).collect();
    if let Some(last) = plots.last_mut().filter(|_| more > 0) {
        last.about += &format!(" {more} more series are in the table only.");
    }
    plots
}

fn plot(trend: &Trend) -> Option<Plot> {
    let series = &trend.series;
    let from = series.points.len().saturating_sub(POINT_LIMIT);
    let points = &series.points[from..];
    let point = |(at, point): (usize, &Point)| plot::Point {
        x: at as f64,
        y: point.value,
        interval: None,
        says: format!("{}, commit {}", point.run, commit(point.git.as_ref())),
    };
    let values = plot::Series {
        name: series.metric.clone(),
        style: Style::Line,
        points: points.iter().enumerate().map(point).collect(),
    };
    let changes = || trend.changes.iter().filter(|change| change.index > from);
    let event = |change: &Change| Event {
        x: (change.index - from) as f64 - 0.5,
        says: format!("{}, {}", extent(change), commits(series, change)),
        tone: match change.effect {
            Effect::Better => Tone::Good,
            Effect::Worse => Tone::Bad,
            Effect::Spread => Tone::Doubtful,
        },
    };
    let edges = changes().map(|change| change.index - from).chain([points.len()]);
    let levels =
        changes().take(1).map(|change| change.before).chain(changes().map(|change| change.after));
    let starts = std::iter::once(0).chain(changes().map(|change| change.index - from));
    let level = |((start, end), level): ((usize, usize), f64)| {
        let ends = [start as f64 - 0.5, end as f64 - 0.5];
        plot::Series::guide("median between changes", ends.map(|x| [x, level]))
    };
    let levels = starts.zip(edges).zip(levels).map(level);
    let dates = points.iter().map(|point| point.started.chars().take(DATE).collect());
    let chart = Chart {
        x: Axis::places("report", dates),
        y: Axis::linear(&series.metric, &series.unit),
        series: std::iter::once(values).chain(levels).collect(),
        events: changes().map(event).collect(),
    };
    let [benchmark, of, problem, ranks] = parts(&series.case);
    let names = [benchmark, of, problem, ranks].into_iter().filter(|part| !part.is_empty());
    let changed = (!chart.events.is_empty()).then_some("Upright: where it changed.");
    let left_out = (from > 0).then_some("The newest reports; older ones are left out.");
    let about: Vec<&str> = changed.into_iter().chain(left_out).collect();
    Plot::of(names.collect::<Vec<_>>().join(" "), about.join(" "), Figure::Chart(chart))
}

/// What the numbers of machines or methods stand for.
fn legend(what: &str, names: Vec<String>) -> Vec<String> {
    (1..).zip(names).map(|(number, name)| format!("{what} {number}: {name}")).collect()
}

/// `within 0123456789`, `0123456789..9876543210`, and `since one of the last 3` where that is all that is known.
fn commits(series: &Series, change: &Change) -> String {
    let [old, new] = change.commits.each_ref().map(|git| commit(git.as_ref()));
    let range = match change.commits[0] == change.commits[1] {
        true => format!("within {old}"),
        false => format!("{old}..{new}"),
    };
    match change.since_one_of(series.points.len()) {
        Some(last) => format!("{range}, since one of the last {last}"),
        None => range,
    }
}

/// Where changes were not looked for, among too few reports or too far back; and what is not known yet of those that
/// were found.
fn looked_at(content: &Content) -> Vec<String> {
    let Content::Trend { trends } = content else { return Vec::new() };
    let few = trends.iter().any(|trend| trend.looked_at < FEWEST);
    let few = few.then(|| format!("-: too few reports; it takes {FEWEST} to find a change"));
    let newest = trends.iter().find(|trend| trend.looked_at < trend.series.points.len());
    let newest = newest.map(|trend| {
        format!("changes were looked for among the newest {} values of each case", trend.looked_at)
    });
    let changes = || {
        let of = |trend: &'_ Trend| trend.series.points.len();
        trends.iter().flat_map(move |trend| trend.changes.iter().map(move |c| (c, of(trend))))
    };
    let known = changes().next().map(|_| {
        "p: of a change as clear as this in any of these series, if none changes".to_owned()
    });
    let fresh = changes().any(|(change, points)| change.since_one_of(points).is_some());
    let fresh =
        fresh.then(|| "since one of the last reports: which one is not known yet".to_owned());
    let lone = changes().any(|(change, points)| change.index + 1 == points);
    let lone = lone.then(|| {
        "the last report alone may be an outlier; the next one tells whether it is a change"
            .to_owned()
    });
    [few, newest, known, fresh, lone].into_iter().flatten().collect()
}

/// `20.1 % worse`.
fn extent(change: &Change) -> String {
    let name = word(change.effect);
    match change.ratio.filter(|_| change.effect != Effect::Spread) {
        Some(ratio) => format!("{} {name}", percent(100.0 * (ratio - 1.0).abs())),
        None => name,
    }
}

fn figure(value: impl Into<Option<f64>>, series: &Series) -> Cell {
    Cell::quantity(value, &series.unit)
}

fn commit(git: Option<&String>) -> String {
    git.map_or_else(|| "-".to_owned(), |git| git.chars().take(COMMIT).collect())
}

fn values_of(series: &Series) -> Vec<f64> {
    series.points.iter().map(|point| point.value).collect()
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

/// Each name once, in the order of the first.
fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    names.fold(Vec::new(), |mut known, name| {
        if !known.contains(&name) {
            known.push(name);
        }
        known
    })
}

fn number(name: &str, names: &[String]) -> Cell {
    let at = names.iter().position(|known| known == name);
    Cell::number(at.map(|at| (at + 1) as f64), |number| number.to_string())
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

    #[test]
    fn too_few_reports_show_no_number_of_changes() {
        let text = include_str!("snapshots/history-trend.json");
        let page = |looked_at| {
            let answer: Answer = serde_json::from_str(text).unwrap();
            let Content::Trend { mut trends } = answer.content else { unreachable!() };
            trends[0].looked_at = looked_at;
            let page = Answer::from(Content::Trend { trends }).document();
            let table = page.sections[0].table.as_ref().unwrap();
            let at = table.columns.iter().position(|column| column.name == "changes").unwrap();
            let notes = &page.sections.last().unwrap().notes;
            let few = notes.iter().any(|note| note.text.contains("too few reports"));
            (table.rows[0][at].text.clone(), few)
        };
        assert_eq!(page(9), ("-".to_owned(), true));
        assert_eq!(page(10), ("1".to_owned(), false));
    }

    #[test]
    fn what_is_not_known_of_a_fresh_change_is_said() {
        let notes = |index: usize| {
            let text = include_str!("snapshots/history-trend.json");
            let answer: Answer = serde_json::from_str(text).unwrap();
            let Content::Trend { mut trends } = answer.content else { unreachable!() };
            trends[0].changes[0].index = index;
            looked_at(&Content::Trend { trends }).join("\n")
        };
        let told = |index| ["not known yet", "outlier"].map(|text| notes(index).contains(text));
        assert_eq!([4, 5, 7].map(told), [[false, false], [true, false], [true, true]]);
    }

    #[test]
    fn one_machine_has_one_number_whatever_the_method() {
        let text = include_str!("snapshots/history-trend.json");
        let answer: Answer = serde_json::from_str(text).unwrap();
        let Content::Trend { mut trends } = answer.content else { unreachable!() };
        trends.push(trends[0].clone());
        trends[1].series.method = "barrier, slowest_rank".to_owned();
        let page = Answer::from(Content::Trend { trends }).document();
        let table = page.sections[0].table.as_ref().unwrap();
        let place = |name: &str| table.columns.iter().position(|it| it.name == name).unwrap();
        let of = |name| table.rows.iter().map(|row| row[place(name)].text.clone()).collect();
        let (machines, methods): (Vec<String>, Vec<String>) = (of("machine"), of("method"));
        assert_eq!(machines, ["1", "1"]);
        assert_eq!(methods, ["1", "2"]);
        let notes = &page.sections.last().unwrap().notes;
        assert!(notes.iter().any(|note| note.text == "method 2: barrier, slowest rank"));
    }
}
