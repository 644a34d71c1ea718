//! The terminal.

use std::io::Write as _;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use super::limits::limit_lines;
use super::markdown::{Rows, case_rows, definitions, facts, matrix, scaling_rows, too_few};
use super::plain::{plain, plain_lines};
use super::{Report, markdown};

/// Prints lines. A reader that has left, as `head` does, is no error.
pub fn say(lines: &str) {
    let _ = writeln!(std::io::stdout(), "{}", plain_lines(lines));
}

/// Prints the report for a person.
pub fn print(report: &Report) {
    say(&render(report));
}

/// What a person reads of the report.
pub(super) fn render(report: &Report) -> String {
    let mut lines: Vec<String> =
        facts(report).iter().map(|fact| plain(fact).into_owned()).collect();
    let cases = case_rows(report);
    if !cases.rows.is_empty() {
        lines.push(format!("\n{}", draw(&cases, 4..8)));
        lines.extend(too_few(report).map(|sentence| format!("  {sentence}")));
    }
    if !report.scaling.is_empty() {
        lines.push(format!("\n{}", draw(&scaling_rows(report), 3..8)));
        let definitions = definitions(report);
        lines.extend(definitions.iter().map(|definition| format!("  {}", plain(definition))));
    }
    for pairs in &report.pair_matrices {
        let (title, rows, remarks) = matrix(pairs);
        lines.push(format!("\npairs: {}", plain(&title)));
        lines.extend(rows.map(|rows| draw(&rows, 0..pairs.ranks)));
        lines.extend(remarks.iter().map(|remark| format!("  {}", plain(remark))));
    }
    if !report.limits.is_empty() {
        lines.push("\nlimits:".to_owned());
        lines.extend(limit_lines(&report.limits).iter().map(|line| format!("  {}", plain(line))));
    }
    if !report.caveats.is_empty() {
        lines.push("\nnotes:".to_owned());
        let notes = report.caveats.iter();
        lines.extend(
            notes.map(|caveat| format!("  {}: {}", caveat.mark(), plain(&caveat.to_string()))),
        );
    }
    lines.push(format!("\n{}", report.verdict()));
    lines.join("\n")
}

/// Prints a table; the columns `numbers` are aligned to the right.
pub fn print_table(
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    numbers: std::ops::Range<usize>,
) {
    let header = header.into_iter().map(str::to_owned).collect();
    say(&draw(&Rows { header, rows }, numbers));
}

/// A table in Markdown.
pub fn markdown_table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let header = header.iter().map(|&name| name.to_owned()).collect();
    markdown::markdown_table(&Rows { header, rows })
}

/// Most characters of a cell; every row is as wide as the widest.
const CELL_LIMIT: usize = 400;

/// A text in a cell.
fn cell(text: &str) -> String {
    let text = plain(text);
    match text.char_indices().nth(CELL_LIMIT) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// One line below the header: the rows are many.
const RULED_HEADER: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// The rows as a table; the columns `numbers` are aligned to the right.
pub(super) fn draw(rows: &Rows, numbers: std::ops::Range<usize>) -> String {
    let mut table = Table::new();
    table.load_style(RULED_HEADER).set_header(&rows.header);
    for row in &rows.rows {
        table.add_row(row.iter().map(|text| cell(text)));
    }
    for column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    // Without the spaces that fill the last column.
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
