//! A comparison for people: the rows that the terminal and Markdown share.

use std::fmt::Write as _;

use super::{Compared, Comparison, Side, Verdict};
use crate::base::metric::Direction;
use crate::base::units::{format_ms, significant};
use crate::plan::config::{ComparedMetric, StatisticalTest};
use crate::report::markdown::{Rows, escape, markdown_table};
use crate::report::plain::plain;
use crate::report::table::draw;

/// Most rows that the terminal shows.
const ROW_LIMIT: usize = 60;

/// Longest p that is shown in full.
const SMALL_P: f64 = 1e-4;

/// What a person reads of it on a terminal.
pub fn comparison_table(comparison: &Comparison) -> String {
    let mut lines: Vec<String> =
        facts(comparison).iter().map(|fact| plain(fact).into_owned()).collect();
    lines.insert(0, "== comparison".to_owned());
    let cases = by_urgency(comparison);
    let rows = Rows {
        header: HEADER.map(str::to_owned).to_vec(),
        rows: cases.iter().take(ROW_LIMIT).map(|case| row(case)).collect(),
    };
    if !rows.rows.is_empty() {
        lines.push(format!("\n{}", draw(&rows, 1..7)));
    }
    if cases.len() > ROW_LIMIT {
        lines.push(format!(
            "… and {} more, the least urgent; all stand in the JSON, CSV or Markdown (--output)",
            cases.len() - ROW_LIMIT
        ));
    }
    lines.push(format!("\n{}", plain(&conclusion(comparison))));
    lines.join("\n")
}

/// The same as a Markdown file.
pub fn comparison_markdown(comparison: &Comparison) -> String {
    let mut text = String::from("# Comparison\n\n");
    for fact in facts(comparison) {
        let _ = writeln!(text, "- {}", escape(&fact));
    }
    let rows = by_urgency(comparison).into_iter().map(row).collect();
    let rows = Rows { header: HEADER.map(str::to_owned).to_vec(), rows };
    let _ = write!(text, "\n{}\n", markdown_table(&rows));
    let _ = writeln!(text, "**{}**", escape(&conclusion(comparison)));
    text
}

/// The cases, the most pressing verdicts first, and of one verdict the largest changes.
pub(super) fn by_urgency(comparison: &Comparison) -> Vec<&Compared> {
    let mut cases: Vec<&Compared> = comparison.cases.iter().collect();
    let size = |case: &Compared| case.worse_percent.map_or(0.0, f64::abs);
    cases.sort_by(|a, b| a.verdict.cmp(&b.verdict).then(size(b).total_cmp(&size(a))));
    cases
}

const HEADER: [&str; 10] = [
    "case", "baseline", "now", "worse by", "ratio", "interval", "p adj.", "delta", "verdict",
    "remarks",
];

fn row(case: &Compared) -> Vec<String> {
    let figure = |value: Option<f64>| match value {
        None => "-".to_owned(),
        Some(value) if case.unit == "ms" => format_ms(value),
        Some(value) => format!("{} {}", significant(value), case.unit),
    };
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let p = match case.verdict {
        Verdict::Improved => case.p_improved_adjusted,
        _ => case.p_adjusted,
    };
    vec![
        case.id.clone(),
        figure(case.baseline),
        figure(case.candidate),
        or_dash(case.worse_percent.map(|percent| format!("{percent:+.1} %"))),
        or_dash(case.ratio.map(|ratio| format!("{ratio:.3}"))),
        or_dash(case.ci.map(|[low, high]| format!("{low:.3} to {high:.3}"))),
        or_dash(p.map(|p| if p < SMALL_P { format!("{p:.0e}") } else { format!("{p:.4}") })),
        or_dash(case.cliffs_delta.map(|delta| format!("{delta:+.2}"))),
        verdict(case),
        remarks(case),
    ]
}

/// The verdict with its severity.
pub(super) fn verdict(case: &Compared) -> String {
    match case.severity {
        Some(severity) => format!("{} ({})", case.verdict.name(), severity.name()),
        None => case.verdict.name().to_owned(),
    }
}

/// Why, and what would tell more.
pub(super) fn remarks(case: &Compared) -> String {
    let needed = case.launches_needed.map(|launches| match launches {
        100.. => "100 launches a side would hardly tell".to_owned(),
        _ => format!("about {launches} launches a side would tell"),
    });
    case.remarks.iter().cloned().chain(needed).collect::<Vec<_>>().join("; ")
}

/// One line on a case for logs: what changed and how sure that is.
pub(super) fn sentence(case: &Compared) -> String {
    let mut text = format!("{} {}", case.id, verdict(case));
    if let (Some(worse), Some(before), Some(after)) =
        (case.worse_percent, case.baseline, case.candidate)
    {
        let word = if worse >= 0.0 { "worse" } else { "better" };
        let _ = write!(
            text,
            ": {:.1} % {word}, {} {unit} before and {} {unit} now",
            worse.abs(),
            significant(before),
            significant(after),
            unit = case.unit
        );
    }
    if let Some([low, high]) = case.ci {
        let _ = write!(text, ", ratio within {low:.3} to {high:.3}");
    }
    if let Some(p) = case.p_adjusted.filter(|_| case.verdict == Verdict::Regressed) {
        let _ = write!(text, ", adjusted p {p:.2e}");
    }
    match remarks(case) {
        remarks if remarks.is_empty() => text,
        remarks => format!("{text} ({remarks})"),
    }
}

/// What stands above the table.
fn facts(comparison: &Comparison) -> Vec<String> {
    let side = |name: &str, side: &Side| {
        let git = side.git.as_deref().map_or_else(String::new, |git| {
            format!(", commit {}", git.chars().take(12).collect::<String>())
        });
        let plural = if side.launches == 1 { "launch" } else { "launches" };
        format!(
            "{name}: {} ({} {plural}{git}, {})",
            side.files.join(", "),
            side.launches,
            side.started
        )
    };
    let mut facts =
        vec![side("baseline", &comparison.baseline), side("candidate", &comparison.candidate)];
    let metric = match comparison.metric {
        ComparedMetric::Latency => "latency",
        ComparedMetric::Throughput => "throughput",
        ComparedMetric::Efficiency => "scaling efficiency",
    };
    let better = match comparison.direction {
        Direction::LowerIsBetter => "lower",
        Direction::HigherIsBetter => "higher",
    };
    let test = match comparison.test {
        StatisticalTest::Auto | StatisticalTest::Permutation => "permutation test",
        StatisticalTest::TTest => "Welch's t-test",
        StatisticalTest::MannWhitney => "Mann-Whitney test",
    };
    facts.push(format!(
        "{metric}, {better} is better; {test} of launches, at most {} % of regressions expected false",
        (1e6 * comparison.false_discovery_rate).round() / 1e4
    ));
    if let Some(floor) = comparison.noise_floor_percent {
        facts.push(format!(
            "noise floor: {floor:.2} %, what this machine changes by itself; no threshold is below it"
        ));
    }
    let (preventing, others): (Vec<_>, Vec<_>) =
        comparison.differences.iter().partition(|difference| difference.prevents);
    facts.extend(preventing.iter().map(|difference| {
        format!(
            "NOT COMPARABLE: {what} was {} and is {}; --allow '{what}' compares all the same",
            difference.baseline,
            difference.candidate,
            what = difference.what
        )
    }));
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|difference| difference.what.as_str()).collect();
        facts.push(format!("also different: {}", names.join(", ")));
    }
    facts.extend(reach(comparison));
    facts
}

/// What the launches at hand cannot show.
fn reach(comparison: &Comparison) -> Option<String> {
    let reach = &comparison.reach;
    (reach.cases > 0 && reach.fewest_visible > 1).then(|| {
        let together = match reach.fewest_visible > reach.cases {
            true => "nothing can be shown to have changed".to_owned(),
            false => format!(
                "a regression is seen only when at least {} cases regress together",
                reach.fewest_visible
            ),
        };
        let remedy = match reach.launches_needed {
            100.. => "compare fewer cases at once to see a lone one".to_owned(),
            needed => format!("{needed} launches a side would show a lone one"),
        };
        let [before, now] = reach.launches;
        let cases = if reach.cases == 1 { "case" } else { "cases" };
        format!(
            "{before} and {now} launches are few for {} {cases}: {together}; {remedy}",
            reach.cases
        )
    })
}

/// The last line.
pub(super) fn conclusion(comparison: &Comparison) -> String {
    let count = |verdict| comparison.cases.iter().filter(|case| case.verdict == verdict).count();
    let counts: Vec<String> = Verdict::ALL
        .into_iter()
        .filter(|&verdict| count(verdict) > 0)
        .map(|verdict| format!("{} {}", count(verdict), verdict.name()))
        .collect();
    let counts = if counts.is_empty() { "no cases".to_owned() } else { counts.join(", ") };
    let exit = crate::base::error::Exit::from_code(comparison.exit)
        .map_or("unknown exit", crate::base::error::Exit::meaning);
    format!("{exit}: {counts}")
}
