//! A document as a Markdown page.

use super::document::{Document, Table};
use super::words::meaning;
use crate::base::plain::plain;

/// The page, with all details.
pub(super) fn draw(document: &Document) -> String {
    let mut page = format!("# {}", escape(&document.title));
    if !document.verdict.is_empty() {
        page += &format!(": {}", escape(&document.verdict));
    }
    page.push_str("\n\n");
    for fact in document.facts.iter().chain(&document.details) {
        page += &format!("- {}\n", escape(fact));
    }
    for section in document.sections.iter().filter(|section| section.has_text()) {
        if !section.title.is_empty() {
            page += &format!("\n## {}\n", escape(&section.title));
        }
        if let Some(table) = &section.table {
            page += &format!("\n{}", rows(table));
        }
        let columns = section.table.iter().flat_map(|table| &table.columns);
        let meanings = columns.filter_map(|column| {
            Some(format!("- {}: {}\n", escape(&column.name), meaning(&column.name)?))
        });
        let notes = section.notes.iter();
        let notes =
            notes.map(|note| format!("{}- {}\n", "  ".repeat(note.level), escape(&note.text)));
        let list: String = notes.chain(meanings).collect();
        if !list.is_empty() {
            page += &format!("\n{list}");
        }
    }
    page
}

/// The lines of a table: its head, a ruler, its rows.
pub(super) fn rows(table: &Table) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let ruler = table.columns.iter().map(|column| if column.numeric { "---:" } else { "---" });
    let header = line(table.columns.iter().map(|column| escape(&column.name)).collect());
    let rows = table.rows.iter();
    let rows = rows.map(|row| line(row.iter().map(|cell| escape(&cell.text)).collect()));
    header + &line(ruler.map(str::to_owned).collect()) + &rows.collect::<String>()
}

/// Names come from files and machines: nothing in them may end a cell or become markup.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '~' | '\\' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_cannot_break_the_table() {
        assert_eq!(escape("a|b\n<script>"), "a\\|b\\\\u000a&lt;script>");
        assert_eq!(escape("\x1b[1m&lt;"), "\\\\u001b\\[1m&amp;lt;");
    }
}
