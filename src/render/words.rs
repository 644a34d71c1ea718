//! Words that several pages share.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::base::plain::name_in_reports;
use crate::base::units::{counted, format_ms, format_rate, format_size, rounded, significant};
use crate::benchmark::work::{Element, Placement};
use crate::benchmark::{Problem, Setting};

/// Smaller p are shown with an exponent.
const SMALL_P: f64 = 1e-4;

/// What headings of columns mean, where that is not plain; the same in every table.
const MEANINGS: [(&str, &str); 32] = [
    ("±", "half the width of the median's confidence interval"),
    ("p95", "95 % of the iterations took no longer"),
    ("x alone", "how many times as long as alone, where others ran at once"),
    ("hidden", "share of the exchange that the computation hides"),
    ("id", "what limits and filters call the case"),
    ("see", "letters of the remarks"),
    ("between", "standard deviation of the launches' medians"),
    ("reproducible", "whether launches differ by no more than the bound"),
    (
        "correct",
        "whether what was checked is right: data, unless a line below the table says otherwise; - where nothing was checked",
    ),
    ("over", "what the confidence interval is over"),
    ("cv", "standard deviation over mean, in one launch"),
    (
        "Karp-Flatt",
        "the serial share of the time on one rank that would explain the speed-up from the base",
    ),
    ("verdict", "what the tests and the threshold say; Comparing, in the guide, has each word"),
    ("severity", "how far beyond the threshold a regression is"),
    ("ratio", "the figure now over that before"),
    ("iterations", "timed and valid"),
    ("mean", "of the iterations' times"),
    ("sd", "standard deviation of the iterations' times"),
    ("worse by", "whichever way the metric improves"),
    ("interval", "confidence interval of the figure before it"),
    ("in launches", "the least and the most of the launches"),
    ("p adj.", "probability of as much by chance, adjusted for all cases"),
    ("delta", "Cliff's delta of the launches"),
    ("stack", "bytes of each thread in device memory"),
    ("spilled", "bytes of each thread's registers that go to memory, written and read"),
    ("blocks/SM", "blocks that fit a multiprocessor at once, computed"),
    ("by the driver", "the same by the driver's account"),
    (
        "occupancy",
        "warps that fit a multiprocessor at once, of all it can hold; not how busy they are",
    ),
    ("waves", "how often all multiprocessors are filled with blocks"),
    ("tail", "places for blocks that stay empty in the last wave, of those of all waves"),
    ("tile", "elements of the output for each block"),
    ("local", "instructions that load or store a thread's stack"),
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

/// The same with whether it is in place: `bytes=64MiB out`.
pub(super) fn placed(of: &Problem, placement: Option<Placement>) -> String {
    let placement = placement.map_or("", Placement::name);
    format!("{} {placement}", problem(of)).trim().to_owned()
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
    beside(value, unit, value)
}

/// The same; a rate with the prefix that suits the largest one beside it.
pub(super) fn beside(value: f64, unit: &str, largest: f64) -> String {
    match unit {
        "ms" => format_ms(value),
        unit => format_rate(value, unit, largest)
            .unwrap_or_else(|| format!("{} {unit}", significant(value))),
    }
}

/// `95.6 %`; from tenfold on `14x`.
pub(super) fn percent(value: f64) -> String {
    match value.abs() {
        1e3.. => format!("{:.0}x", value / 100.0),
        _ => format!("{:.1} %", rounded(value, 1)),
    }
}

/// A change: `+7.9 %`, `-0.4 %`; from tenfold on `+14x`.
pub(super) fn change(by_percent: f64) -> String {
    let sign = if rounded(by_percent, 1) < 0.0 { "" } else { "+" };
    format!("{sign}{}", percent(by_percent))
}

/// How far a figure may be off: `5.9 %`, `22 %`. Beyond half of it, an interval lies on both sides of it no more.
pub(super) fn give_or_take(percent_of_it: f64) -> String {
    match percent_of_it {
        ..10.0 => percent(percent_of_it),
        ..=50.0 => format!("{percent_of_it:.0} %"),
        _ => "> 50 %".to_owned(),
    }
}

/// The parts of a case's id as people read them: benchmark, type, problem and ranks. All of it is the first where an id
/// is made otherwise.
pub(super) fn parts(id: &str) -> [String; 4] {
    let (name, at_once) = match id.strip_suffix("/concurrent") {
        Some(name) => (name, " at once"),
        None => (id, ""),
    };
    let parts: Vec<&str> = name.split('/').collect();
    match parts[..] {
        [benchmark, ref middle @ .., group] if group.contains(':') && middle.len() <= 2 => {
            let of = |is_problem: bool| {
                let part = middle.iter().find(|part| part.contains('=') == is_problem);
                part.copied().unwrap_or_default()
            };
            let settings = of(true).split(',').map(setting).collect::<Vec<_>>().join(" ");
            [benchmark.to_owned(), of(false).to_owned(), settings, format!("{group}{at_once}")]
        }
        _ => [id.to_owned(), String::new(), String::new(), String::new()],
    }
}

/// `bytes=65536` is `bytes=64KiB`, and `placement=out` is `out`.
fn setting(text: &str) -> String {
    match text.split_once('=') {
        Some((key @ ("bytes" | "array"), value)) => {
            value.parse().map_or(text.to_owned(), |bytes| format!("{key}={}", format_size(bytes)))
        }
        Some(("placement", value)) => value.to_owned(),
        _ => text.to_owned(),
    }
}

/// When something began, or that nobody knows.
pub(super) fn date(known: Option<&str>) -> &str {
    known.unwrap_or("date unknown")
}

/// The first of some names, and how many there are more.
pub(super) fn few(names: &[String], limit: usize) -> String {
    let mut text = names[..names.len().min(limit)].join(", ");
    if names.len() > limit {
        text += &format!(" … and {} more", names.len() - limit);
    }
    text
}

/// What is told of each of some names, in one line: `memory of copy, triad; arithmetic of gemm`. `None` where nothing is.
pub(super) fn told_of<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    all.for_each(|(told, name)| {
        names.entry(told).or_default().insert(name);
    });
    let one = |(told, names): (&str, BTreeSet<&str>)| {
        format!("{told} of {}", names.into_iter().collect::<Vec<_>>().join(", "))
    };
    (!names.is_empty()).then(|| names.into_iter().map(one).collect::<Vec<_>>().join("; "))
}

/// A line for each reason why cases were skipped, from the benchmark of each case and its reason.
pub(super) fn skipped<'a>(
    cases: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) -> impl Iterator<Item = String> {
    let mut reasons: BTreeMap<&str, (usize, BTreeSet<&str>)> = BTreeMap::new();
    for (benchmark, reason) in cases {
        let (count, benchmarks) = reasons.entry(reason.unwrap_or("no reason")).or_default();
        *count += 1;
        benchmarks.insert(benchmark);
    }
    reasons.into_iter().map(|(reason, (count, benchmarks))| {
        let names: Vec<String> = benchmarks.into_iter().map(str::to_owned).collect();
        format!("{} skipped: {reason} ({})", counted(count, "case"), few(&names, 6))
    })
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

    #[test]
    fn the_parts_of_an_id() {
        let of = |id| parts(id).join("|");
        assert_eq!(
            of("all_reduce/f32/bytes=65536,placement=out/tp:0-1/concurrent"),
            "all_reduce|f32|bytes=64KiB out|tp:0-1 at once"
        );
        assert_eq!(of("barrier/world:0-3"), "barrier|||world:0-3");
        assert_eq!(of("gemm f32 m=8 strong 2/1"), "gemm f32 m=8 strong 2/1|||");
    }

    #[test]
    fn shares_of_any_size() {
        let all = [-0.04, 5.94, 95.55, 14_135.1].map(percent);
        assert_eq!(all, ["0.0 %", "5.9 %", "95.5 %", "141x"]);
        assert_eq!([-0.04, 7.94, 14_135.1].map(change), ["+0.0 %", "+7.9 %", "+141x"]);
        let all = [5.94, 22.4, 50.0, 50.1, 14_135.1].map(give_or_take);
        assert_eq!(all, ["5.9 %", "22 %", "50 %", "> 50 %", "> 50 %"]);
    }
}
