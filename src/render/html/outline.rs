//! A page as a tree of lines, for tests: one that is not well formed, or has other elements than ours, has none.

use std::fmt::Write as _;

/// The elements that pages are made of; those that have no end.
const ELEMENTS: [&str; 38] = [
    "html",
    "head",
    "title",
    "style",
    "body",
    "a",
    "header",
    "p",
    "nav",
    "div",
    "main",
    "h1",
    "h2",
    "ul",
    "li",
    "section",
    "figure",
    "figcaption",
    "strong",
    "svg",
    "path",
    "text",
    "table",
    "caption",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "footer",
    "script",
    "meta",
    "span",
    "details",
    "summary",
    "dl",
    "dt",
    "dd",
];

/// The elements of a page with their classes and texts, each indented by its depth. Geometry, style, script and data are
/// left out.
pub(crate) fn outline(page: &str) -> String {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a document type");
    let (mut open, mut lines): (Vec<&str>, String) = (Vec::new(), String::new());
    while let Some(at) = rest.find('<') {
        let text = rest[..at].trim();
        assert!(!text.contains('>'), "a bare > in {text}");
        if !text.is_empty() {
            let _ = writeln!(lines, "{}{text}", "  ".repeat(open.len()));
        }
        let end = at + rest[at..].find('>').expect("the end of a tag");
        let tag = rest[at + 1..end].trim_end_matches('/');
        let is_empty = rest[at..=end].ends_with("/>");
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "the end of another element");
            continue;
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(ELEMENTS.contains(&name), "element {name} is none of ours");
        let _ = write!(lines, "{}{name}", "  ".repeat(open.len()));
        for (key, value) in parsed(attributes) {
            assert!(!key.starts_with("on") && key != "style", "{tag}");
            let is_link = key == "href" && value.starts_with('#');
            if is_link || ["class", "id", "title", "aria-label"].contains(&key) {
                let _ = write!(lines, " {key}={value}");
            }
            assert!(
                key != "href" || is_link || value.starts_with("data:application/gzip;base64,"),
                "{tag}"
            );
            assert!(key != "src", "{tag}");
        }
        lines.push('\n');
        if ["style", "script"].contains(&name) {
            rest = &rest[rest.find(&format!("</{name}>")).expect("its end")..];
        }
        if name != "meta" && !is_empty {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "open: {open:?}");
    lines
}

/// The attributes of a tag.
fn parsed(mut text: &str) -> Vec<(&str, &str)> {
    let mut all = Vec::new();
    while !text.trim_start().is_empty() {
        text = text.trim_start();
        let end = text.find([' ', '=']).unwrap_or(text.len());
        let (key, after) = text.split_at(end);
        assert!(key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "attribute {key}");
        let Some(quoted) = after.strip_prefix("=\"") else {
            all.push((key, ""));
            text = after;
            continue;
        };
        let end = quoted.find('"').expect("the end of an attribute");
        all.push((key, &quoted[..end]));
        text = &quoted[end + 1..];
    }
    all
}
