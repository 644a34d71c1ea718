//! A document on the terminal.

use std::io::{ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use comfy_table::{CellAlignment, LineStyle, Table as Grid, TableStyle};

use super::document::{Cell, Column, Document, Section, Table};
use crate::base::plain::{plain, plain_lines, printed};

/// Most facts that are shown; files have all.
const FACT_LIMIT: usize = 60;

/// Most characters of a cell; every row is as wide as the widest.
const CELL_LIMIT: usize = 400;

/// Spaces between columns.
const GAP: usize = 2;

/// Fewest characters that a column is wrapped to.
const LEAST: usize = 8;

/// What a cell may be wrapped after.
const BREAKS: &[char] = &[' ', '/', ','];

/// How much further in the rest of a wrapped text stands.
const HANG: usize = 2;

/// One line below the header: the rows are many.
const RULED_HEADER: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

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
    let details = document.details.iter().filter(|_| in_full);
    let facts: Vec<&String> = document.facts.iter().chain(details).collect();
    let shown = facts.iter().take(FACT_LIMIT).map(|fact| wrapped(fact, 0, width));
    let more = facts.len().saturating_sub(FACT_LIMIT);
    let more = (more > 0).then(|| format!("… and {more} more"));
    blocks.push(shown.chain(more).collect::<Vec<_>>());
    let shown = |section: &&Section| section.has_text() && (in_full || !section.detail);
    for section in document.sections.iter().filter(shown) {
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

/// The first rows of a table. Where it is too wide, columns in which all rows agree become a line above it, but for
/// outcomes; then spare columns leave, which a line below it says; then the cells of the widest columns of words are
/// wrapped, though no word is, nor what people copy; and what is wider still stands in blocks of columns below each other.
fn grid(table: &Table, limit: usize, width: Option<usize>) -> String {
    let rows = &table.rows[..table.rows.len().min(limit)];
    let column = |at: usize| &table.columns[at];
    let length = |at: usize| {
        let cells = rows.iter().map(|row| short(&row[at].text).chars().count());
        cells.chain([plain(&column(at).name).chars().count()]).max().unwrap_or(0) + GAP
    };
    let lengths: Vec<usize> = (0..table.columns.len()).map(length).collect();
    let excess = |kept: &[usize]| {
        let all: usize = kept.iter().map(|at| lengths[*at]).sum();
        width.map_or(0, |width| all.saturating_sub(width + GAP))
    };
    let mut kept: Vec<usize> = (0..table.columns.len()).collect();
    let mut same = Vec::new();
    if excess(&kept) > 0 {
        let agree = |at: usize| rows.iter().all(|row| row[at].text == rows[0][at].text);
        // Of a single row, what names it stays in it.
        let may = |at: usize| !column(at).outcome && (rows.len() > 1 || column(at).spare > 0);
        (same, kept) = kept.into_iter().partition(|&at| at > 0 && may(at) && agree(at));
    }
    let mut gone = Vec::new();
    while excess(&kept) > 0
        && let Some(place) = (0..kept.len()).max_by_key(|&place| column(kept[place]).spare)
        && column(kept[place]).spare > 0
    {
        gone.push(kept.remove(place));
    }
    gone.sort_unstable();
    let mut widths: Vec<usize> = lengths.iter().map(|length| length - GAP).collect();
    // Nobody can copy a word that is cut.
    let least = |at: usize| {
        if column(at).whole {
            return lengths[at] - GAP;
        }
        let cells = rows.iter().map(|row| short(&row[at].text));
        let words = cells.flat_map(|cell| {
            let mut words: Vec<usize> =
                cell.split_inclusive(BREAKS).map(|word| word.trim_end().chars().count()).collect();
            words.iter_mut().skip(1).for_each(|length| *length += HANG);
            words
        });
        words.chain([LEAST, plain(&column(at).name).chars().count()]).max().unwrap_or(LEAST)
    };
    for _ in 0..excess(&kept) {
        let words = kept.iter().copied();
        let words = words.filter(|at| !column(*at).numeric && widths[*at] > least(*at));
        words.max_by_key(|at| widths[*at]).into_iter().for_each(|widest| widths[widest] -= 1);
    }
    let text = |row: &[Cell], at: usize| {
        let text = short(&row[at].text);
        match text.chars().count() > widths[at] {
            true => wrapped_after(&text, 0, Some(widths[at]), BREAKS),
            false => text,
        }
    };
    let told = |at: &usize| format!("{} {}", column(*at).name, rows[0][*at].text);
    let mut parts = Vec::new();
    if !same.is_empty() {
        let same = same.iter().map(told).collect::<Vec<_>>().join("; ");
        let of = if rows.len() == 1 { "this row" } else { "all rows" };
        parts.push(wrapped(&format!("{of}: {same}"), 0, width));
    }
    let blocks = blocks(&kept, |at| widths[at] + GAP, width);
    parts.extend(blocks.iter().map(|block| {
        let rows = rows.iter().map(|row| block.iter().map(|at| text(row, *at)).collect());
        block_of(&block.iter().map(|at| column(*at)).collect::<Vec<_>>(), rows)
    }));
    if !gone.is_empty() {
        let gone = gone.iter().map(|at| column(*at).name.as_str()).collect::<Vec<_>>().join(", ");
        let told = format!("not shown: {gone}; a wider terminal shows more, files have all");
        parts.push(wrapped(&told, 2, width));
    }
    parts.join("\n")
}

/// The columns, of these lengths, in as few blocks as each fit; all begin with the first column.
fn blocks(
    kept: &[usize],
    length: impl Fn(usize) -> usize,
    width: Option<usize>,
) -> Vec<Vec<usize>> {
    let Some((&first, others)) = kept.split_first() else { return Vec::new() };
    let mut blocks = vec![vec![first]];
    let mut used = length(first);
    for &at in others {
        if width.is_some_and(|width| used + length(at) > width + GAP) && used > length(first) {
            blocks.push(vec![first]);
            used = length(first);
        }
        used += length(at);
        blocks.last_mut().into_iter().for_each(|block| block.push(at));
    }
    blocks
}

/// Columns with their headings and rows, without the spaces that fill the last one.
fn block_of(columns: &[&Column], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut grid = Grid::new();
    grid.load_style(RULED_HEADER);
    grid.set_header(columns.iter().map(|column| plain(&column.name)));
    grid.add_rows(rows);
    let last = columns.len().saturating_sub(1);
    for (at, (column, drawn)) in columns.iter().zip(grid.column_iter_mut()).enumerate() {
        drawn.set_padding((0, if at == last { 0 } else { GAP as u16 }));
        if column.numeric {
            drawn.set_cell_alignment(CellAlignment::Right);
        }
    }
    grid.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A text behind so many spaces, wrapped between words; what is wrapped stands two spaces further in.
fn wrapped(text: &str, indent: usize, width: Option<usize>) -> String {
    wrapped_after(text, indent, width, &[' '])
}

/// The same, wrapped after any of these characters.
fn wrapped_after(text: &str, indent: usize, width: Option<usize>, ends: &[char]) -> String {
    let mut lines = vec![" ".repeat(indent)];
    let mut columns = indent;
    for word in plain(text).split_inclusive(ends) {
        let length = word.trim_end().chars().count();
        if width.is_some_and(|width| columns + length > width && columns > indent + HANG) {
            lines.push(" ".repeat(indent + HANG));
            columns = indent + HANG;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::document::Section;

    fn table(width: usize) -> String {
        let rows = [("gemm/a/long/name", 1.0, "FAILED"), ("triad/another", 2.0, "")];
        let section = Section::table(
            "",
            rows,
            &[
                ("case", &|(case, ..)| (*case).into()),
                ("type", &|_| "f32".into()),
                ("value", &|(_, value, _)| Cell::number(*value, |value| format!("{value:.1}"))),
                ("more", &|_| "0123456789".into()),
                ("other", &|(case, ..)| case.replace('/', " ").into()),
                ("outcome", &|(.., outcome)| (*outcome).into()),
            ],
        );
        let section = section.unwrap().spare(&["more", "other"]);
        draw(&Document { sections: vec![section], ..Document::default() }, Some(width), false)
    }

    #[test]
    fn a_single_row_folds_what_could_leave_and_no_outcome_folds() {
        let page = |rows: &[&'static str], width| {
            let section = Section::table(
                "",
                rows,
                &[
                    ("case", &|row| (**row).into()),
                    ("problem", &|_| "bytes=8".into()),
                    ("baseline", &|_| "1.000 ms".into()),
                    ("verdict", &|_| "FAILED".into()),
                    ("id", &|_| "world:0-7".into()),
                ],
            );
            let section = section.unwrap().spare(&["baseline", "id"]).outcome("verdict");
            draw(&Document { sections: vec![section], ..Document::default() }, Some(width), false)
        };
        let one = page(&["x"], 42);
        assert!(one.starts_with("this row: baseline 1.000 ms; id world:0-7\n"), "{one}");
        assert!(one.ends_with("x     bytes=8  FAILED"), "{one}");
        let two = page(&["x", "y"], 42);
        assert!(two.starts_with("all rows: problem bytes=8;"), "{two}");
        assert!(two.contains("x     FAILED\ny     FAILED"), "{two}");
    }

    #[test]
    fn no_word_of_a_cell_is_cut_and_no_line_is_too_long() {
        let section = Section::table(
            "",
            ["world:0-7", "dp:0,2,4,6"],
            &[
                ("benchmark", &|_| "all_reduce".into()),
                ("host", &|group| format!("node.of-{group}").into()),
                ("ranks", &|group| (*group).into()),
                ("median", &|_| Cell::number(1.0, |_| "1.000 ms".to_owned())),
            ],
        );
        let page = Document { sections: section.into_iter().collect(), ..Document::default() };
        for width in 30..60 {
            let page = draw(&page, Some(width), false);
            assert!(page.contains("node.of-world:0-7") && page.contains(" world:0-7"), "{page}");
            assert!(page.lines().all(|line| line.chars().count() <= width), "{width}: {page}");
        }
    }

    #[test]
    fn what_all_rows_share_goes_first_then_what_can_be_spared_and_never_a_failure() {
        assert_eq!(
            table(80).lines().next().unwrap().split_whitespace().collect::<Vec<_>>(),
            ["case", "type", "value", "more", "other", "outcome"]
        );
        let lines = |width| table(width).lines().map(str::to_owned).collect::<Vec<_>>();
        let narrow = lines(58);
        assert_eq!(narrow[0], "all rows: type f32; more 0123456789");
        assert!(narrow[3].contains("gemm a long name") && narrow[3].ends_with("FAILED"));
        let narrower = lines(35);
        assert_eq!(narrower[3], "gemm/a/long/name    1.0  FAILED");
        assert_eq!(narrower[5], "  not shown: other; a wider");
        assert_eq!(
            &lines(28)[4..7],
            ["gemm/a/long/    1.0  FAILED", "  name", "triad/          2.0"]
        );
        for width in 30..100 {
            let lines = lines(width);
            assert!(lines.iter().any(|line| line.contains("FAILED")), "{width}");
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{width}: {lines:#?}");
        }
    }
}
