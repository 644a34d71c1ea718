//! All statistics of a case, in lines.

use super::{is_of_several, named};
use crate::base::units::format_ms;
use crate::render::document::Note;
use crate::render::words::probability;
use crate::report::{Analysis, Examined, Over, Statistics, Steadiness};

/// A line for its name, and one for each kind of figure. Nothing for a case without times.
pub(super) fn lines(analysis: &Analysis, case: &Examined) -> Vec<Note> {
    let Some(statistics) = &case.statistics else { return Vec::new() };
    let reports = named(is_of_several(analysis), &case.reports)
        .map_or_else(String::new, |reports| format!(" (reports {reports})"));
    let mut lines = vec![format!("{}{reports}", case.id).into()];
    let kinds = [
        Some(median(statistics)),
        Some(launches(statistics)),
        Some(iterations(statistics)),
        Some(mean(statistics)),
        Some(format!(
            "quantiles  {}, {}",
            quantile("p95", statistics.p95_ms, statistics),
            quantile("p99", statistics.p99_ms, statistics)
        )),
        Some(outliers(statistics)),
        normality(statistics),
        ranks(statistics),
    ];
    lines.extend(kinds.into_iter().flatten().map(Note::below));
    lines
}

fn median(statistics: &Statistics) -> String {
    let of = match statistics.launches {
        2.. => " of the launches' medians",
        _ => "",
    };
    let median = format!("{}{of}", format_ms(statistics.median_ms));
    let Some([low, high]) = statistics.ci else {
        let why = match statistics.launches {
            1 if !statistics.iterations_needed.contains_key("p50") => "two modes, so no interval",
            1 => "too few independent iterations for an interval",
            _ => "too few launches for an interval",
        };
        return format!("median     {median}; {why}");
    };
    let over = match statistics.ci_over {
        Some(Over::Launches) => "launches",
        _ => "its iterations, within one launch",
    };
    let confidence = 100.0 * statistics.confidence;
    let (low, high) = (format_ms(low), format_ms(high));
    format!("median     {median}, {low} to {high} at {confidence} % over {over}")
}

fn mean(statistics: &Statistics) -> String {
    let spread = match (statistics.std_dev_ms, statistics.cv_percent) {
        (Some(ms), Some(percent)) => format!("{} ({percent:.2} %)", format_ms(ms)),
        _ => "-".to_owned(),
    };
    format!(
        "mean       {}, standard deviation {spread}, from {} to {}",
        format_ms(statistics.mean_ms),
        format_ms(statistics.min_ms),
        format_ms(statistics.max_ms)
    )
}

fn iterations(statistics: &Statistics) -> String {
    let lag = statistics.autocorrelation.map_or_else(String::new, |correlation| {
        format!(", correlation of neighbours {correlation:+.2}")
    });
    let level = match (statistics.steady_state, statistics.steady_since) {
        (Some(Steadiness::Flat), _) => ", one level".to_owned(),
        (Some(Steadiness::Warming), Some(since)) => format!(", faster since iteration {since}"),
        (Some(Steadiness::Slowing), Some(since)) => format!(", slower since iteration {since}"),
        (Some(_), _) => ", no level holds".to_owned(),
        (None, _) => String::new(),
    };
    format!(
        "iterations {}, as informative as {:.1} independent ones; {} left out because a rank came late{lag}{level}",
        statistics.iterations, statistics.effective_samples, statistics.invalid
    )
}

fn quantile(name: &str, value: Option<f64>, statistics: &Statistics) -> String {
    match (value, statistics.iterations_needed.get(name)) {
        (Some(value), _) => format!("{name} {}", format_ms(value)),
        (None, Some(needed)) => format!("{name} needs {needed} iterations"),
        (None, None) => format!("{name} not known"),
    }
}

fn outliers(statistics: &Statistics) -> String {
    match &statistics.outliers {
        Some(found) => format!(
            "outliers   {} mild ({:.1} %) and {} extreme ones ({:.1} %) by Tukey's fences; none left out",
            found.beyond_inner.saturating_sub(found.beyond_outer),
            found.beyond_inner_percent - found.beyond_outer_percent,
            found.beyond_outer,
            found.beyond_outer_percent
        ),
        None => format!(
            "outliers   {} extreme ones by Tukey's fences, none left out; the report does not hold the samples",
            statistics.far_outliers
        ),
    }
}

fn normality(statistics: &Statistics) -> Option<String> {
    let tests = [
        statistics.shapiro_wilk_p.map(|p| format!("Shapiro-Wilk p {}", probability(p))),
        statistics.anderson_darling_p.map(|p| format!("Anderson-Darling p {}", probability(p))),
    ];
    let tests: Vec<String> = tests.into_iter().flatten().collect();
    (!tests.is_empty())
        .then(|| format!("normality  {} (nothing is chosen by it)", tests.join(", ")))
}

fn launches(statistics: &Statistics) -> String {
    match (statistics.between_percent, statistics.reproducible) {
        (Some(percent), Some(reproducible)) => format!(
            "launches   {}, medians vary by {percent:.2} %: {}; what follows is of the one in the middle alone",
            statistics.launches,
            if reproducible { "reproducible" } else { "not reproducible" }
        ),
        _ => "launches   1: how launches differ is not known".to_owned(),
    }
}

fn ranks(statistics: &Statistics) -> Option<String> {
    let spread = statistics.rank_spread.as_ref()?;
    let mut text = format!("ranks      medians {:.1} % apart", spread.percent);
    if let Some(p) = spread.friedman_p {
        text.push_str(&format!(", Friedman's p {}", probability(p)));
    }
    for straggler in &spread.stragglers {
        text.push_str(&format!(
            "; rank {} is slowest in {:.0} % of iterations (by chance {:.0} %), {:.1} % above the others",
            straggler.rank,
            100.0 * straggler.slowest_share,
            100.0 * straggler.expected_share,
            straggler.excess_percent
        ));
    }
    Some(text)
}
