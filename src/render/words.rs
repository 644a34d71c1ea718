//! Words that several pages share.

use serde::Serialize;

use crate::base::plain::name_in_reports;
use crate::base::units::{format_ms, format_size, significant};
use crate::benchmark::work::Element;
use crate::benchmark::{Problem, Setting};

/// Smaller p are shown with an exponent.
const SMALL_P: f64 = 1e-4;

/// What headings of columns mean, where that is not plain; the same in every table.
const MEANINGS: [(&str, &str); 13] = [
    ("± CI", "half the width of the median's confidence interval"),
    ("p95", "95 % of the iterations took no longer"),
    ("of", "what the rate counts"),
    ("between", "standard deviation of the launches' medians"),
    ("reproducible", "whether launches differ by no more than the bound"),
    ("correct", "whether the results agree with a reference; - where that was not checked"),
    ("over", "what the confidence interval is over"),
    ("cv", "standard deviation over mean"),
    ("Karp-Flatt", "the serial fraction that would explain the speed-up"),
    ("worse by", "whichever way the metric improves"),
    ("interval", "confidence interval of the figure before it"),
    ("p adj.", "probability of as much by chance, adjusted for all cases"),
    ("delta", "Cliff's delta of the launches"),
];

/// What the heading of a column means, where that is not plain.
pub(super) fn meaning(heading: &str) -> Option<&'static str> {
    MEANINGS.iter().find(|(known, _)| *known == heading).map(|(_, meaning)| *meaning)
}

/// A problem in one cell: `bytes=64MiB root=1`, `k=512 m=256 n=512`.
pub(super) fn problem(problem: &Problem) -> String {
    let setting = |(key, value): (&String, &Setting)| match (key.as_str(), value) {
        ("bytes" | "array", Setting::Number(bytes)) => format!("{key}={}", format_size(*bytes)),
        _ => format!("{key}={value}"),
    };
    problem.iter().map(setting).collect::<Vec<_>>().join(" ")
}

/// The type of elements in one cell; empty for what has none.
pub(super) fn type_name(element: Option<Element>) -> &'static str {
    element.map_or("", |element| element.name())
}

/// What JSON calls a value of an enumeration, in words.
pub(super) fn word(value: impl Serialize) -> String {
    name_in_reports(&value).replace('_', " ")
}

/// A figure with its unit, as people read it.
pub(super) fn quantity(value: f64, unit: &str) -> String {
    match unit {
        "ms" => format_ms(value),
        unit => format!("{} {unit}", significant(value)),
    }
}

pub(super) fn percent(value: f64) -> String {
    format!("{value:.1} %")
}

/// `1 rank`, `2 ranks`.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The first of some names, and how many there are more.
pub(super) fn few(names: &[String], limit: usize) -> String {
    let mut text = names[..names.len().min(limit)].join(", ");
    if names.len() > limit {
        text += &format!(" … and {} more", names.len() - limit);
    }
    text
}

pub(super) fn probability(p: f64) -> String {
    if p < SMALL_P { format!("{p:.0e}") } else { format!("{p:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_in_one_cell() {
        let of = |pairs: &[(&str, u64)]| -> String {
            problem(
                &pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect(),
            )
        };
        assert_eq!(of(&[("bytes", 64 << 20)]), "bytes=64MiB");
        assert_eq!(of(&[("m", 8), ("k", 2)]), "k=2 m=8");
        assert_eq!(of(&[("m", 8), ("k", 8)]), "k=8 m=8");
        assert_eq!(of(&[]), "");
    }
}
