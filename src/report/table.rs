//! The terminal.
#![expect(clippy::print_stdout, reason = "this is where a person reads the result")]

use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};

use super::markdown::{Rows, case_rows, definitions, facts, scaling_rows};
use super::Report;

/// Prints the report for a person.
pub fn print(report: &Report) {
    for line in facts(report) {
        println!("{line}");
    }
    println!("\n{}", draw(&case_rows(report), 4..8));
    if !report.scaling.is_empty() {
        println!("\n{}", draw(&scaling_rows(report), 3..8));
        for definition in definitions(report) {
            println!("  {definition}");
        }
    }
    if !report.caveats.is_empty() {
        println!("\nnotes:");
        for caveat in &report.caveats {
            println!("  {}: {caveat}", caveat.mark());
        }
    }
    println!("\n{}", report.verdict());
}

/// Prints what a plan would run: one row a case, then lines of totals.
pub fn print_plan(header: Vec<&'static str>, rows: Vec<Vec<String>>, totals: &[String]) {
    println!("{}", draw(&Rows { header, rows }, 3..5));
    for line in totals {
        println!("{line}");
    }
}

fn draw(rows: &Rows, numbers: std::ops::Range<usize>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(&rows.header);
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
