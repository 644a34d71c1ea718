//! The findings, those of one rule together.

use std::fmt::Write as _;

use super::named;
use crate::base::units::significant;
use crate::plan::mesh::format_ranges;
use crate::render::document::{Attention, Note, Section};
use crate::render::plot::Tone;
use crate::render::words::{few, word};
use crate::report::{Figure, Finding, Severity};

/// Most findings of a rule, and cases of one, that are told in words.
const FINDING_LIMIT: usize = 8;
const CASE_LIMIT: usize = 3;

/// Smaller numbers are shown with an exponent.
const SMALL: f64 = 1e-4;

const TITLE: &str = "findings";

/// What people should look at first in several reports or one: what is serious and the warnings, a line each rule.
pub(in crate::render) fn attention(findings: &[Finding], several: bool) -> Vec<Attention> {
    let of_rules = findings.chunk_by(is_of_one_rule);
    let told = of_rules.filter(|of_rule| of_rule[0].severity < Severity::Info).map(|of_rule| {
        let (rule, first) = (of_rule[0].rule.replace('_', " "), sentence(several, &of_rule[0]));
        let more = match of_rule.len() - 1 {
            0 => String::new(),
            more => format!(" … and {more} more"),
        };
        let is_serious = of_rule[0].severity == Severity::Serious;
        let tone = if is_serious { Tone::Bad } else { Tone::Doubtful };
        Attention { says: format!("{rule}: {first}{more}"), at: TITLE.to_owned(), tone }
    });
    told.collect()
}

/// Whether two findings are told together.
fn is_of_one_rule(a: &Finding, b: &Finding) -> bool {
    (a.severity, &a.rule) == (b.severity, &b.rule)
}

/// The findings, of several reports or one.
pub(in crate::render) fn section(findings: &[Finding], several: bool) -> Option<Section> {
    let mut lines: Vec<Note> = Vec::new();
    for of_rule in findings.chunk_by(is_of_one_rule) {
        let first = &of_rule[0];
        let (severity, rule) = (word(first.severity).to_uppercase(), first.rule.replace('_', " "));
        lines.push(format!("{severity} {rule}: {}", first.says).into());
        let told = of_rule.iter().take(FINDING_LIMIT);
        lines.extend(told.map(|finding| Note::below(sentence(several, finding))));
        if of_rule.len() > FINDING_LIMIT {
            lines.push(Note::below(format!("… and {} more", of_rule.len() - FINDING_LIMIT)));
        }
        lines.push(Note::below(format!("do: {}", first.recommendation)));
    }
    Section::notes(TITLE, lines)
}

/// Where it was found, and the numbers.
fn sentence(several: bool, finding: &Finding) -> String {
    let mut at = Vec::new();
    at.extend(named(several, &finding.reports).map(|reports| match finding.reports.len() {
        1 => format!("report {reports}"),
        _ => format!("reports {reports}"),
    }));
    let hosts = (!finding.hosts.is_empty()).then(|| format!("on {}", few(&finding.hosts, 4)));
    let ranks = (!finding.ranks.is_empty()).then(|| {
        let plural = if finding.ranks.len() == 1 { "rank" } else { "ranks" };
        format!("{plural} {}", format_ranges(finding.ranks.iter().copied()))
    });
    let place: Vec<String> = ranks.into_iter().chain(hosts).collect();
    at.extend((!place.is_empty()).then(|| place.join(" ")));
    let mut text = at.join(", ");
    for (i, figure) in finding.evidence.iter().enumerate() {
        let between = match figure.name.as_str() {
            _ if text.is_empty() => "",
            _ if i == 0 => ": ",
            "of" | "from" | "to" => " ",
            _ => ", ",
        };
        let _ = write!(text, "{between}{}", number(figure));
    }
    if let Some(detail) = &finding.detail {
        let _ = write!(text, " ({detail})");
    }
    if !finding.cases.is_empty() {
        let _ = write!(text, "; {}", few(&finding.cases, CASE_LIMIT));
    }
    text
}

/// A number with its name and unit: `cases 3`, `slower 12.5 %`.
pub(super) fn number(figure: &Figure) -> String {
    let value = figure.value;
    let shown = if value.fract() == 0.0 && value.abs() < 1e15 {
        format!("{value:.0}")
    } else if value.abs() < SMALL {
        format!("{value:.0e}")
    } else {
        significant(value)
    };
    format!("{} {shown} {}", figure.name, figure.unit).trim_end().to_owned()
}
