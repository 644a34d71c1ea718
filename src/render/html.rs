//! A document as one page for a browser: it needs no other file, and asks nothing of any network.
//!
//! The templates escape every text; the content policy of the page lets nothing load, and no script or style run but the
//! two that are named by their hashes.

#[cfg(test)]
mod outline;
mod scale;
mod svg;

use std::collections::HashMap;
use std::io::Write as _;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::document::{Cell, Document, Section, Table};
use super::plot::{Figure, Plot, Tone};
use super::words::meaning;
use crate::base::error::{Error, Result};
use crate::base::plain::plain;
#[cfg(test)]
pub(crate) use outline::outline;
use svg::Drawing;

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// What the content policy calls them by: SHA-256 in base 64.
const STYLE_HASH: &str = "BCGnr29aknUHd6VZCvZ/HpQBUfVbofrohARUvDTXfwk=";
const SCRIPT_HASH: &str = "Nrj3jVD8+3EQ2knN3uyP1KBlP9ebp6rxJCAniwpAQSk=";

/// Most characters of a text that a page shows; the data that it carries have all of them.
const TEXT_LIMIT: usize = 400;

/// Cells of more characters are wrapped.
const LONG: usize = 48;

/// Plots of a section that are seen at once; a click shows the others, and print has all.
const PLOTS_SHOWN: usize = 8;

/// Most characters of a section's title in the page's list of sections.
const SHORT: usize = 24;

#[derive(Template)]
#[template(path = "page.html", config = "src/render/html/askama.toml")]
struct Page<'a> {
    kind: String,
    headline: String,
    tone: &'static str,
    facts: Vec<String>,
    attention: Vec<Item>,
    parts: Vec<Part<'a>>,
    file: String,
    data: String,
    size: String,
    version: &'static str,
    style: &'static str,
    style_hash: &'static str,
    script: &'static str,
    script_hash: &'static str,
}

/// Something to look at, with a link to where more is said.
struct Item {
    says: String,
    link: String,
    tone: &'static str,
}

/// A section.
struct Part<'a> {
    place: usize,
    title: String,
    short: String,
    plots: Vec<Picture>,
    rows: Option<Rows<'a>>,
    notes: Vec<(bool, String)>,
}

/// A plot.
struct Picture {
    title: String,
    about: String,
    has_shades: bool,
    drawing: Drawing,
}

/// A table, and those of its rows that links lead to.
struct Rows<'a> {
    table: &'a Table,
    linked: HashMap<usize, String>,
}

/// The page, which carries these data.
///
/// # Errors
/// Internal error when it cannot be put together.
pub(super) fn draw(document: &Document, data: &str) -> Result<String> {
    let failed =
        |why: &dyn std::fmt::Display| Error::internal(format!("cannot write a page: {why}"));
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(data.as_bytes()).map_err(|why| failed(&why))?;
    let packed = packed.finish().map_err(|why| failed(&why))?;
    page(document, &packed).render().map_err(|why| failed(&why))
}

fn page<'a>(document: &'a Document, packed: &[u8]) -> Page<'a> {
    let mut parts: Vec<Part<'a>> = (0..).zip(&document.sections).map(part).collect();
    // Of sections that are called alike, the first one leads to all.
    for at in (1..parts.len()).rev() {
        if parts[..at].iter().any(|before| before.short == parts[at].short) {
            parts[at].short.clear();
        }
    }
    let attention = document.attention.iter().map(|item| Item {
        says: harmless(&item.says),
        link: link(&mut parts, &item.at).unwrap_or_default(),
        tone: tone(item.tone),
    });
    let attention = attention.collect();
    let kind = harmless(&document.title);
    let headline = match document.verdict.as_str() {
        "" => kind.clone(),
        verdict => harmless(verdict),
    };
    Page {
        file: format!("{}.json.gz", kind.to_lowercase()),
        kind,
        headline,
        tone: tone(document.tone()),
        facts: document.facts.iter().chain(&document.details).map(|fact| harmless(fact)).collect(),
        attention,
        parts,
        data: STANDARD.encode(packed),
        size: format!("{} kB", packed.len().div_ceil(1000)),
        version: env!("CARGO_PKG_VERSION"),
        style: STYLE,
        style_hash: STYLE_HASH,
        script: SCRIPT,
        script_hash: SCRIPT_HASH,
    }
}

fn part((place, section): (usize, &Section)) -> Part<'_> {
    let title = harmless(&section.title);
    let end = title.find([':', ',']).unwrap_or(title.len());
    let notes = section.notes.iter().map(|note| (note.level > 0, harmless(&note.text)));
    Part {
        place,
        short: title[..end].chars().take(SHORT).collect(),
        title,
        plots: section.plots.iter().filter_map(picture).collect(),
        rows: section.table.as_ref().map(|table| Rows { table, linked: HashMap::new() }),
        notes: notes.collect(),
    }
}

fn picture(plot: &Plot) -> Option<Picture> {
    Some(Picture {
        title: harmless(&plot.title),
        about: harmless(&plot.about),
        has_shades: matches!(plot.figure, Figure::Map(_)),
        drawing: svg::draw(plot)?,
    })
}

/// The name of the row or section on the page that is called so, which a link can lead to from now on.
fn link(parts: &mut [Part<'_>], at: &str) -> Option<String> {
    for part in parts.iter_mut() {
        let Some(rows) = &mut part.rows else { continue };
        let Some(id) = rows.table.columns.iter().position(|it| it.name == "id") else { continue };
        if let Some(row) = rows.table.rows.iter().position(|row| row[id].text == at) {
            let name = format!("s{}r{row}", part.place);
            return Some(rows.linked.entry(row).or_insert(name).clone());
        }
    }
    let title = harmless(at);
    parts.iter().find(|part| part.title == title).map(|part| format!("s{}", part.place))
}

impl Part<'_> {
    fn name(&self) -> String {
        if self.title.is_empty() { format!("part {}", self.place + 1) } else { self.title.clone() }
    }
}

impl Rows<'_> {
    /// What a cell looks like.
    fn class(&self, column: &usize, cell: &Cell) -> String {
        let column = &self.table.columns[*column];
        let is_long = cell.text.chars().count() > LONG;
        let classes = [
            (column.numeric, "num"),
            (column.name == "id", "id"),
            (is_long, "long"),
            (cell.tone != Tone::Plain, tone(cell.tone)),
        ];
        let classes: Vec<&str> =
            classes.into_iter().filter_map(|(is, class)| is.then_some(class)).collect();
        classes.join(" ")
    }
}

/// A text on one line, without what acts instead of being seen, and not without end.
fn harmless(text: &str) -> String {
    let text = plain(text);
    match text.char_indices().nth(TEXT_LIMIT) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// The style sheet's name.
fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Doubtful => "doubtful",
        Tone::Bad => "bad",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::render::document::Attention;

    /// The rows that are linked to, and the data that the page carries.
    #[test]
    fn links_lead_to_rows_and_sections_and_the_data_come_out_as_they_went_in() {
        let ids = ["a/<b>", "c"];
        let section = Section::table("cases", ids, &[("id", &|id| (*id).into())]).unwrap();
        let attention =
            |at: &str| Attention { says: format!("see {at}"), at: at.to_owned(), tone: Tone::Bad };
        let document = Document {
            attention: ["c", "cases", "nowhere"].map(attention).to_vec(),
            sections: vec![section],
            ..Document::default()
        };
        let page = draw(&document, "{\"schema\": 1}").unwrap();
        for link in [
            "<a href=\"#s0r1\">see c</a>",
            "<a href=\"#s0\">see cases</a>",
            "<li class=\"bad\">see nowhere</li>",
            "<tr id=\"s0r1\"><td class=\"id\">c</td>",
            "<td class=\"id\">a/&#60;b&#62;</td>",
        ] {
            assert!(page.contains(link), "{link}: {page}");
        }
        let data = page.split_once("base64,").unwrap().1.split('"').next().unwrap();
        let mut text = String::new();
        let packed = STANDARD.decode(data).unwrap();
        flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "{\"schema\": 1}");
    }

    #[test]
    fn the_content_policy_names_this_style_and_this_script() {
        for (text, hash) in [(STYLE, STYLE_HASH), (SCRIPT, SCRIPT_HASH)] {
            let mut sum = Command::new("sha256sum");
            let mut sum = sum.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            sum.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            let digits = sum.wait_with_output().unwrap().stdout;
            let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16);
            let bytes: Vec<u8> = digits[..64].chunks(2).map(|two| byte(two).unwrap()).collect();
            assert_eq!(STANDARD.encode(bytes), hash, "write this hash beside {}", &text[..40]);
            assert!(!text.contains("</"), "the end of an element ends it wherever it stands");
        }
    }
}
