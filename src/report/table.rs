//! The terminal.

use std::io::Write as _;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use super::Report;
use super::markdown::{Rows, case_rows, definitions, facts, matrix, scaling_rows};

/// Prints a line, or several. A reader that has left, as `head` does, is no error.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{}", plain(line));
}

/// Without characters that would command a terminal: names come from files and machines.
fn plain(text: &str) -> String {
    text.replace(|c: char| c.is_control() && !"\n\t".contains(c), "\u{fffd}")
}

/// Prints the report for a person.
pub fn print(report: &Report) {
    for line in facts(report) {
        say(&line);
    }
    let cases = case_rows(report);
    if !cases.rows.is_empty() {
        say(&format!("\n{}", draw(&cases, 4..8)));
    }
    if !report.scaling.is_empty() {
        say(&format!("\n{}", draw(&scaling_rows(report), 3..8)));
        for definition in definitions(report) {
            say(&format!("  {definition}"));
        }
    }
    for pairs in &report.pair_matrices {
        let (title, rows, lines) = matrix(pairs);
        say(&format!("\npairs: {title}"));
        if let Some(rows) = rows {
            say(&draw(&rows, 0..pairs.ranks));
        }
        lines.iter().for_each(|line| say(&format!("  {line}")));
    }
    if !report.caveats.is_empty() {
        say("\nnotes:");
        for caveat in &report.caveats {
            say(&format!("  {}: {caveat}", caveat.mark()));
        }
    }
    say(&format!("\n{}", report.verdict()));
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

/// One line below the header: the rows are many.
const RULED_HEADER: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

fn draw(rows: &Rows, numbers: std::ops::Range<usize>) -> String {
    let mut table = Table::new();
    table.load_style(RULED_HEADER).set_header(&rows.header);
    for row in &rows.rows {
        table.add_row(row);
    }
    for column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    // Without the spaces that fill the last column.
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_command_the_terminal() {
        assert_eq!(plain("a\tH100 \u{1b}]0;x\u{7}\n"), "a\tH100 \u{fffd}]0;x\u{fffd}\n");
    }
}
