//! What people and programs read of a result: one document, drawn by many formats, and a few formats of their own.

mod analysis;
mod badge;
mod certificate;
mod comment;
mod comparison;
mod csv;
mod curves;
mod document;
#[cfg(test)]
mod figures;
mod fleet;
mod folder;
mod gate;
mod github;
mod google_benchmark;
mod history;
#[cfg(test)]
mod hostile;
mod html;
mod junit;
mod legend;
mod limits;
mod markdown;
mod nccl_tests;
mod open_metrics;
mod output;
mod peers;
mod plot;
mod profile;
mod report;
mod scaling;
#[cfg(test)]
pub(crate) mod snapshots;
mod summary;
mod support;
mod terminal;
mod verdicts;
mod words;

use std::path::Path;

use serde::Serialize;

pub use analysis::Backends;
pub use comment::Marker;
pub use comparison::cannot_show;
pub use csv::field as csv_field;
pub use document::{Attention, Cell, Column, Described, Document, Note, Section, Table};
pub use folder::{FILES, KERNELS, PAGE, folder, is_of_results, refuse_foreign};
pub use gate::{Gate, Judged};
pub use github::publish_on_github;
pub use nccl_tests::nccl_tests_table;
pub use output::{Output, Outputs, tell};
pub use plot::{Axis, Chart, Event, Figure, Forest, Map, Plot, Point, Row, Series, Style, Tone};
pub use support::{support_contents, support_files};
pub use terminal::{remark, said_all, say, width as terminal_width};

use crate::base::error::{Error, Result, suggestion};

/// A format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Tables on a terminal.
    Table,
    /// A page.
    Markdown,
    /// A comment on a pull request.
    Comment,
    /// A page with plots, for a browser.
    Html,
    /// All data.
    Json,
    /// The verdict, for a page that shows badges.
    Badge,
    /// Rows for spreadsheets.
    Csv,
    /// What Google Benchmark writes.
    GoogleBenchmark,
    /// Test results.
    Junit,
    /// Metrics for Prometheus and its like.
    OpenMetrics,
    /// Nothing but names.
    NamesOnly,
}

/// A result that can be written in formats.
pub trait Render: Serialize {
    /// Its formats beside those that every result has.
    const OWN: &'static [Format] = &[];

    /// What people read of it.
    fn document(&self) -> Document;

    /// Its data as a page carries them: without what is too much for a page.
    ///
    /// # Errors
    /// Internal error when the text cannot be formed.
    fn carried(&self) -> Result<String> {
        serde_json::to_string(self).map_err(no_json)
    }

    /// What GitHub shows beside the log: workflow commands, a line each.
    fn annotations(&self) -> String {
        github::annotations(&self.document())
    }

    /// Its text in one of its own formats.
    ///
    /// # Errors
    /// Usage error for a format that it does not have; internal error when the text cannot be formed.
    fn own(&self, format: Format) -> Result<String> {
        Err(format.refused())
    }
}

impl Format {
    /// The formats that every result has.
    pub const ANY: [Self; 6] =
        [Self::Table, Self::Markdown, Self::Comment, Self::Html, Self::Json, Self::Badge];

    /// The formats of a kind of result.
    pub fn all<R: Render>() -> impl Iterator<Item = Self> {
        Self::ANY.into_iter().chain(R::OWN.iter().copied())
    }

    /// Its name, the endings of its files, the usual one first, and what it is for.
    fn facts(self) -> (&'static str, &'static [&'static str], &'static str) {
        match self {
            Self::Table => ("table", &[], "For people, on a terminal"),
            Self::Markdown => {
                ("markdown", &["md", "markdown"], "For people, in a file or a comment")
            }
            Self::Comment => ("comment", &["comment.md"], "For a pull request, short and folded"),
            Self::Html => ("html", &["html"], "For people, in a browser, with plots"),
            Self::Json => ("json", &["json"], "For programs, all of it"),
            Self::Badge => ("badge", &["badge.json"], "For shields.io, the verdict in one line"),
            Self::Csv => ("csv", &["csv"], "For programs, one row a case or value"),
            Self::GoogleBenchmark => (
                "google-benchmark",
                &["gbench.json"],
                "For what reads the JSON of Google Benchmark",
            ),
            Self::Junit => ("junit", &["xml"], "For what shows test results"),
            Self::OpenMetrics => ("openmetrics", &[], "For Prometheus and its like, in base units"),
            Self::NamesOnly => ("names-only", &[], "One name a line"),
        }
    }

    /// Its text of a result. On a terminal details are shown only `in_full`; files have them always.
    ///
    /// # Errors
    /// As of [`Render::own`].
    pub fn write<R: Render>(self, result: &R, in_full: bool) -> Result<String> {
        let mut text = match self {
            Self::Table => terminal::draw(&result.document(), terminal::width(), in_full),
            Self::Markdown => markdown::draw(&result.document()),
            Self::Comment => comment::draw(&result.document(), None),
            Self::Html => html::draw(&result.document(), &result.carried()?)?,
            Self::Json => serde_json::to_string_pretty(result).map_err(no_json)?,
            Self::Badge => badge::draw(&result.document()),
            Self::Csv
            | Self::GoogleBenchmark
            | Self::Junit
            | Self::OpenMetrics
            | Self::NamesOnly => result.own(self)?,
        };
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(text)
    }

    /// The same; a comment with this marker.
    ///
    /// # Errors
    /// As of [`Render::own`].
    pub fn write_marked<R: Render>(
        self,
        result: &R,
        in_full: bool,
        marker: Option<&Marker>,
    ) -> Result<String> {
        match (self, marker) {
            (Self::Comment, Some(_)) => Ok(comment::draw(&result.document(), marker)),
            _ => self.write(result, in_full),
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        self.facts().0
    }

    /// What it is for.
    pub fn purpose(self) -> &'static str {
        self.facts().2
    }

    /// The usual ending of its files; none for what no file has a use for.
    pub fn ending(self) -> Option<&'static str> {
        self.facts().1.first().copied()
    }

    /// The endings of files of a kind of result, for people: `.md, .json or .csv`.
    fn endings<R: Render>() -> String {
        let endings = Self::all::<R>().filter_map(Self::ending);
        one_of(endings.map(|ending| format!(".{ending}")))
    }

    /// The format of this name.
    ///
    /// # Errors
    /// Usage error when a result of this kind has no such format, naming the nearest one.
    pub fn named<R: Render>(name: &str) -> Result<Self> {
        let names: Vec<&str> = Self::all::<R>().map(Self::name).collect();
        Self::all::<R>().find(|format| format.name() == name).ok_or_else(|| {
            let near = suggestion(name, names.iter().copied());
            Error::usage(format!("format '{name}' is unknown here ({near})"))
        })
    }

    /// The format that a file's ending names, of those that a result of this kind has.
    pub fn of<R: Render>(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let all = Self::all::<R>().flat_map(|format| {
            format.facts().1.iter().map(move |ending| (format, format!(".{ending}")))
        });
        let fitting = all.filter(|(_, ending)| name.len() > ending.len() && name.ends_with(ending));
        // `.badge.json` tells more than `.json` does.
        fitting.max_by_key(|(_, ending)| ending.len()).map(|(format, _)| format)
    }

    /// The same of a file that must name one.
    ///
    /// # Errors
    /// Usage error when its ending names none.
    pub fn of_file<R: Render>(path: &Path) -> Result<Self> {
        Self::of::<R>(path).ok_or_else(|| {
            let endings: Vec<&str> = Self::all::<R>().filter_map(Self::ending).collect();
            let why = format!("its ending is none of .{}", endings.join(", ."));
            Error::file("write", path, why)
        })
    }

    /// Why a result that has no formats of its own cannot be written so.
    fn refused(self) -> Error {
        let any = one_of(Self::ANY.iter().map(|format| format.name().to_owned()));
        Error::usage(format!("this result cannot be written as {}, only as {any}", self.name()))
    }
}

fn no_json(why: serde_json::Error) -> Error {
    Error::internal(format!("cannot write JSON: {why}"))
}

/// A choice of words: `a, b or c`.
fn one_of(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    match &words[..] {
        [most @ .., last] if !most.is_empty() => format!("{} or {last}", most.join(", ")),
        all => all.concat(),
    }
}

/// Prints a document; with details where more is to be said.
pub fn print(document: &Document) {
    let in_full = tracing::enabled!(tracing::Level::INFO);
    say(&terminal::draw(document, terminal::width(), in_full));
}
