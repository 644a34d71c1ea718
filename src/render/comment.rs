//! A document as a comment on a pull request: the verdict first, then what needs attention; everything else is folded away.
//!
//! A mark that nobody sees begins it. Whoever posts comments looks for the mark and replaces the comment that has it.

use super::document::{Document, Note, Section, Table};
use super::markdown;
use super::plot::Tone;
use crate::base::error::{Error, Result};
use crate::base::plain::plain;
use crate::base::units::counted;

/// GitHub takes 65,536 characters of a comment. Bytes are counted, here and below: there are never fewer.
const LIMIT: usize = 60_000;

/// It takes 1 MiB of a step's summary.
pub(super) const STEP_LIMIT: usize = 900_000;

/// Most lines that are shown unfolded, and most characters of one.
const ATTENTION_LIMIT: usize = 10;
const LINE_LIMIT: usize = 300;

/// What names the comment of one purpose among all of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker(String);

impl Marker {
    /// A marker of this name.
    ///
    /// # Errors
    /// Usage error for a name that would end the mark, or is empty or long.
    pub fn named(name: &str) -> Result<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/ ".contains(c);
        let fits = (1..=100).contains(&name.len()) && name.chars().all(is_plain);
        match fits && !name.contains("--") {
            true => Ok(Self(name.to_owned())),
            false => Err(Error::usage(format!(
                "the marker '{}' is no name: up to 100 letters, digits and -_.:/, without two hyphens in a row",
                plain(name)
            ))),
        }
    }

    /// That of a kind of result.
    fn usual(document: &Document) -> Self {
        let kind = document.title.to_lowercase();
        Self(if kind == "tesserabench" { "report".to_owned() } else { kind })
    }
}

/// The comment; the mark is that of the kind of result unless another is asked for.
pub(super) fn draw(document: &Document, marker: Option<&Marker>) -> String {
    within(document, marker, LIMIT)
}

/// The same of at most about so many bytes.
pub(super) fn within(document: &Document, marker: Option<&Marker>, limit: usize) -> String {
    let usual = Marker::usual(document);
    let Marker(name) = marker.unwrap_or(&usual);
    let alert = match document.tone() {
        Tone::Plain => "NOTE",
        Tone::Good => "TIP",
        Tone::Doubtful => "WARNING",
        Tone::Bad => "CAUTION",
    };
    let verdict = match document.verdict.as_str() {
        "" => escape(&document.title),
        verdict => format!("{}: {}", escape(&document.title), escape(verdict)),
    };
    let mut text = format!("<!-- tesserabench: {name} -->\n> [!{alert}]\n> **{verdict}**\n");
    text += &attention(document);
    for section in document.sections.iter().filter(|it| it.has_text() && !it.detail) {
        text += &folded(section, limit.saturating_sub(text.len()));
    }
    let facts = document.facts.iter().chain(&document.details).cloned().map(Note::from).collect();
    let facts =
        Section { title: "how it was measured".to_owned(), notes: facts, ..Section::default() };
    if facts.has_text() {
        text += &folded(&facts, limit.saturating_sub(text.len()));
    }
    text
}

/// The first of what needs attention.
fn attention(document: &Document) -> String {
    let told = document.attention.iter().take(ATTENTION_LIMIT);
    let mut lines: Vec<String> = told.map(|item| format!("- {}\n", short(&item.says))).collect();
    let more = document.attention.len().saturating_sub(ATTENTION_LIMIT);
    if more > 0 {
        lines.push(format!("- … and {more} more\n"));
    }
    if lines.is_empty() { String::new() } else { format!("\n{}", lines.concat()) }
}

/// A section to unfold, of at most about so many bytes. What does not fit is counted.
fn folded(section: &Section, limit: usize) -> String {
    let rows = section.table.as_ref().map_or(0, |table| table.rows.len());
    let title = if section.title.is_empty() { "result" } else { &section.title };
    let count = if rows > 0 { format!(" ({})", counted(rows, "row")) } else { String::new() };
    let title = title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut text = format!("\n<details><summary>{}{count}</summary>\n\n", quiet(&plain(&title)));
    let mut room = limit.saturating_sub(text.len());
    let mut left_out = 0;
    let mut add = |lines: &str, text: &mut String| match room.checked_sub(lines.len()) {
        Some(left) => {
            room = left;
            text.push_str(lines);
        }
        None => left_out += lines.lines().count(),
    };
    if let Some(table) = section.table.as_ref().map(slim) {
        let table = quiet(&markdown::rows(&table));
        // A head without its ruler would be no table.
        let head = table.match_indices('\n').nth(1).map_or(table.len(), |(at, _)| at + 1);
        add(&table[..head], &mut text);
        table[head..].split_inclusive('\n').for_each(|row| add(row, &mut text));
        text.push('\n');
    }
    for Note { level, text: note } in &section.notes {
        add(&format!("{}- {}\n", "  ".repeat(*level), short(note)), &mut text);
    }
    if left_out > 0 {
        text +=
            &format!("\n… and {}, for which there is no room here\n", counted(left_out, "line"));
    }
    text + "\n</details>\n"
}

/// The table without the columns that a narrow one can spare.
fn slim(table: &Table) -> Table {
    let kept = |at: &usize| table.columns[*at].spare == 0;
    let kept: Vec<usize> = (0..table.columns.len()).filter(kept).collect();
    Table {
        columns: kept.iter().map(|at| table.columns[*at].clone()).collect(),
        rows: table
            .rows
            .iter()
            .map(|row| kept.iter().map(|at| row[*at].clone()).collect())
            .collect(),
    }
}

fn escape(text: &str) -> String {
    quiet(&markdown::escape(text))
}

/// The text in one line that is not too long.
fn short(text: &str) -> String {
    match text.char_indices().nth(LINE_LIMIT) {
        None => escape(text),
        Some((end, _)) => escape(&format!("{}…", &text[..end])),
    }
}

/// Names that begin with @ would call people.
fn quiet(text: &str) -> String {
    text.replace('@', "@<!-- -->")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Exit;
    use crate::render::document::Attention;

    fn document(rows: usize) -> Document {
        let ids = (0..rows).map(|row| format!("case/{row}"));
        let section = Section::table(
            "cases <b>",
            ids,
            &[("problem", &|id: &String| id.as_str().into()), ("id", &|id| id.as_str().into())],
        );
        let attention = |at: usize| Attention {
            says: format!("@all {at}"),
            at: String::new(),
            tone: Tone::Bad,
        };
        Document {
            title: "Comparison".to_owned(),
            verdict: "regression: 1 REGRESSED".to_owned(),
            exit: Some(Exit::Regression),
            attention: (0..12).map(attention).collect(),
            sections: vec![section.unwrap().spare(&["id"])],
            ..Document::default()
        }
    }

    #[test]
    fn the_verdict_comes_first_and_the_rest_is_folded() {
        let text = draw(&document(3), None);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "<!-- tesserabench: comparison -->");
        assert_eq!(lines[1..3], ["> [!CAUTION]", "> **Comparison: regression: 1 REGRESSED**"]);
        assert!(
            text.contains("<details><summary>cases &lt;b&gt; (3 rows)</summary>\n\n| problem |\n")
        );
        assert!(text.contains("- @<!-- -->all 9\n- … and 2 more\n"), "{text}");
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    }

    #[test]
    fn a_comment_fits_and_says_what_is_left_out() {
        let text = draw(&document(10_000), None);
        assert!(text.len() < 65_536);
        let left = text.rsplit("… and ").next().unwrap().split(' ').next().unwrap();
        let shown = text.lines().filter(|line| line.starts_with("| case/")).count();
        assert_eq!(shown + left.parse::<usize>().unwrap(), 10_000);
    }

    #[test]
    fn what_is_not_ascii_fits_too() {
        let ids = (0..40_000).map(|row| format!("µµµµµµµµµµ/{row}"));
        let section = Section::table("cases", ids, &[("id", &|id: &String| id.as_str().into())]);
        let wide = Document { sections: vec![section.unwrap()], ..document(1) };
        let text = within(&wide, None, STEP_LIMIT);
        assert!(text.len() > STEP_LIMIT / 2 && text.len() < 1 << 20, "{}", text.len());
        assert!(draw(&wide, None).len() < 65_536);
    }

    #[test]
    fn a_marker_cannot_end_its_comment() {
        let marker = Marker::named("gpu nightly/h100").unwrap();
        let text = draw(&document(1), Some(&marker));
        assert!(text.starts_with("<!-- tesserabench: gpu nightly/h100 -->\n"));
        for wrong in ["", "a--b", "-->", "é", &"x".repeat(101)] {
            assert!(Marker::named(wrong).is_err(), "{wrong}");
        }
    }
}
