//! A document on the terminal.

use std::io::{ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::{CellAlignment, LineStyle, Table as Grid, TableStyle};

use super::document::{Cell, Document, Table};
use crate::base::plain::{plain, plain_lines, printed};

/// Most facts that are shown; files have all.
const FACT_LIMIT: usize = 60;

/// Most characters of a cell; every row is as wide as the widest.
const CELL_LIMIT: usize = 400;

/// Spaces beside each cell.
const PADDING: usize = 3;

/// One line below the header: the rows are many.
const RULED_HEADER: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Whether lines were lost: see [`said_all`].
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints lines. A reader that has left, as `head` does, is no error; another one is told once on standard error.
pub fn say(lines: &str) {
    write_out(&printed(lines));
}

/// Prints lines that are commands for a CI system.
pub(super) fn command(lines: &str) {
    write_out(&plain_lines(lines));
}

fn write_out(lines: &str) {
    let mut output = std::io::stdout();
    let said = writeln!(output, "{lines}").and_then(|()| output.flush());
    if let Err(why) = said
        && why.kind() != ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        tracing::error!("standard output cannot be written: {why}");
    }
}

/// Prints a line on standard error, whoever reads it or has left.
pub fn remark(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", printed(line));
}

/// Whether all that was to be printed could be, or its reader had left.
pub fn said_all() -> bool {
    !LOST.load(Ordering::Relaxed)
}

/// How many characters a line of the terminal has: what `COLUMNS` says, else what standard output knows.
pub fn width() -> Option<usize> {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let known = || rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    told.or_else(|| known().map(|size| size.ws_col.into())).filter(|&columns| columns > 0)
}

/// The document in lines. Lines are at most as long as `width`, where that is possible; details and rows beyond a section's
/// limit are there only `in_full`.
pub(super) fn draw(document: &Document, width: Option<usize>, in_full: bool) -> String {
    let mut blocks = Vec::new();
    let shown = document.facts.iter().take(FACT_LIMIT).map(|fact| wrapped(fact, 0, width));
    let more = document.facts.len().saturating_sub(FACT_LIMIT);
    let more = (more > 0).then(|| format!("… and {more} more"));
    blocks.push(shown.chain(more).collect::<Vec<_>>());
    for section in document.sections.iter().filter(|section| in_full || !section.detail) {
        let mut lines = Vec::new();
        if !section.title.is_empty() {
            lines.push(wrapped(&section.title, 0, width));
        }
        if let Some(table) = &section.table {
            let limit = section.limit.filter(|_| !in_full).unwrap_or(usize::MAX);
            lines.push(grid(table, limit, width));
            if let Some(more) = table.rows.len().checked_sub(limit).filter(|&more| more > 0) {
                lines.push(format!("… and {more} more; files have all of them (--output)"));
            }
        }
        let notes = section.notes.iter();
        lines.extend(notes.map(|note| wrapped(&note.text, 2 + 4 * note.level, width)));
        blocks.push(lines);
    }
    if !document.verdict.is_empty() {
        blocks.push(vec![wrapped(&document.verdict, 0, width)]);
    }
    blocks.retain(|lines| !lines.is_empty());
    blocks.iter().map(|lines| lines.join("\n")).collect::<Vec<_>>().join("\n\n")
}

/// The first rows of a table. Where it is too wide, columns of words leave it, the widest first: those behind the numbers,
/// then those that name the row. They stand below each row; where the first column is among them, those that name it stand
/// above it, once for rows that share them.
fn grid(table: &Table, limit: usize, width: Option<usize>) -> String {
    let rows = &table.rows[..table.rows.len().min(limit)];
    let text = |row: &[Cell], at: usize| short(&row[at].text);
    let name = |at: usize| plain(&table.columns[at].name).into_owned();
    let length = |at: usize| {
        let cells = rows.iter().map(|row| text(row, at).chars().count());
        cells.chain([name(at).chars().count()]).max().unwrap_or(0) + PADDING
    };
    let mut kept: Vec<(usize, usize)> =
        (0..table.columns.len()).map(|at| (at, length(at))).collect();
    // What a row is called comes before its numbers.
    let numbers = table.columns.iter().position(|column| column.numeric).unwrap_or(1);
    let mut folded = Vec::new();
    while width.is_some_and(|width| kept.iter().map(|(_, length)| length).sum::<usize>() > width) {
        let words = kept.iter().enumerate().filter(|(_, (at, _))| !table.columns[*at].numeric);
        let widest = words.max_by_key(|(_, (at, length))| (*at > numbers, *length));
        let Some((widest, _)) = widest else { break };
        folded.push(kept.remove(widest).0);
    }
    folded.sort_unstable();
    let mut grid = Grid::new();
    grid.load_style(RULED_HEADER);
    grid.set_header(kept.iter().map(|(at, _)| name(*at)));
    for row in rows {
        grid.add_row(kept.iter().map(|(at, _)| text(row, *at)));
    }
    for ((at, _), column) in kept.iter().zip(grid.column_iter_mut()) {
        if table.columns[*at].numeric {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let above = folded.first() == Some(&0);
    // One heading names it for all rows.
    let is_title = |at: usize| above && at < numbers;
    let titles: Vec<String> =
        folded.iter().filter(|at| is_title(**at)).map(|at| name(*at)).collect();
    let beside = |row: &[Cell], of_titles: bool| {
        let told = folded.iter().filter(|at| is_title(**at) == of_titles);
        let told = told.filter(|at| !["", "-"].contains(&row[**at].text.as_str()));
        let cells = told.map(|&at| match of_titles {
            true => text(row, at),
            false => format!("{}: {}", name(at), text(row, at)),
        });
        let cells = cells.collect::<Vec<_>>().join("; ");
        wrapped(&cells, if of_titles { 1 } else { 3 }, width)
    };
    // Without the spaces that fill the last column.
    let drawn = grid.to_string();
    let mut lines = drawn.lines().map(|line| line.trim_end().to_owned());
    let mut all = vec![wrapped(&titles.join("; "), 1, width)];
    all.extend(lines.by_ref().take(2));
    let mut last = String::new();
    for (line, row) in lines.zip(rows) {
        let title = beside(row, true);
        all.extend([if title == last { String::new() } else { title.clone() }, line]);
        all.push(beside(row, false));
        last = title;
    }
    all.retain(|line| !line.is_empty());
    all.join("\n")
}

/// A text behind so many spaces, wrapped between words; what is wrapped stands two spaces further in.
fn wrapped(text: &str, indent: usize, width: Option<usize>) -> String {
    let mut lines = vec![" ".repeat(indent)];
    let mut columns = indent;
    for word in plain(text).split_inclusive(' ') {
        let length = word.trim_end().chars().count();
        if width.is_some_and(|width| columns + length > width && columns > indent + 2) {
            lines.push(" ".repeat(indent + 2));
            columns = indent + 2;
        }
        columns += word.chars().count();
        if let Some(line) = lines.last_mut() {
            line.push_str(word);
        }
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

fn short(text: &str) -> String {
    let text = plain(text);
    match text.char_indices().nth(CELL_LIMIT) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
