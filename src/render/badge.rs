//! A verdict as a badge: the JSON that shields.io draws from (its schema version 1).

use serde_json::json;

use super::document::Document;
use super::plot::Tone;
use crate::base::plain::plain;

/// The badge: green if all is well, yellow if nothing can be said, red otherwise, blue for what is not judged.
pub(super) fn draw(document: &Document) -> String {
    let color = match document.tone() {
        Tone::Plain => "blue",
        Tone::Good => "brightgreen",
        Tone::Doubtful => "yellow",
        Tone::Bad => "red",
    };
    let message = match document.verdict.as_str() {
        "" => "not judged",
        verdict => verdict,
    };
    let (label, message) = (plain(&document.title), plain(message));
    json!({ "schemaVersion": 1, "label": label, "message": message, "color": color }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Exit;

    #[test]
    fn a_verdict_has_its_colour() {
        let color = |verdict: &str, exit| {
            let verdict = verdict.to_owned();
            let badge = draw(&Document { verdict, exit, ..Document::default() });
            let badge: serde_json::Value = serde_json::from_str(&badge).unwrap();
            format!("{}: {}", badge["color"].as_str().unwrap(), badge["message"].as_str().unwrap())
        };
        assert_eq!(color("3 of 3", Some(Exit::Ok)), "brightgreen: 3 of 3");
        assert_eq!(color("?", Some(Exit::Inconclusive)), "yellow: ?");
        assert_eq!(color("slower", Some(Exit::Regression)), "red: slower");
        assert_eq!(color("", None), "blue: not judged");
        let unsure = Document { exit: Some(Exit::Ok), unsure: true, ..Document::default() };
        assert!(draw(&unsure).contains("\"yellow\""));
    }
}
