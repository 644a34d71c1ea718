//! What of kernels was chosen for the device.

use crate::base::units::significant;
use crate::benchmark::kernel::{ChosenBy, Tuning};
use crate::render::document::Section;
use crate::report::Report;

/// A line for each case of which something could be chosen.
pub(super) fn section(report: &Report) -> Option<Section> {
    let lines = report.cases.iter().filter_map(|case| {
        let tuning = case.measured.as_ref()?.tuning.as_ref()?;
        Some(format!("{}: {}", case.id, line(tuning)))
    });
    Section::notes("tuning", lines).map(Section::in_files)
}

fn line(tuning: &Tuning) -> String {
    let choice: Vec<String> =
        tuning.choice.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let choice = choice.join(" ");
    let (tried, all) = (tuning.tried, tuning.combinations);
    let gain = match (tuning.default_ms, tuning.best_ms) {
        (Some(default), Some(best)) if best > 0.0 => {
            format!(", {}x the speed of the default", significant(default / best))
        }
        _ => String::new(),
    };
    match tuning.by {
        ChosenBy::Default => format!("{choice}, the default of {all} forms; nothing was searched"),
        ChosenBy::Cache => format!("{choice}, the best of {tried} in an earlier search{gain}"),
        ChosenBy::Search => {
            let seconds = significant(tuning.seconds);
            format!("{choice}, the best of {tried} of {all} forms, searched in {seconds} s{gain}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_chosen_and_how() {
        let tuning = Tuning {
            choice: [("tile".to_owned(), 32)].into(),
            by: ChosenBy::Search,
            tried: 3,
            combinations: 4,
            seconds: 0.1234,
            default_ms: Some(3.0),
            best_ms: Some(2.0),
        };
        assert_eq!(
            line(&tuning),
            "tile=32, the best of 3 of 4 forms, searched in 0.1234 s, 1.500x the speed of the default"
        );
        let by = |by| line(&Tuning { by, default_ms: None, ..tuning.clone() });
        assert_eq!(by(ChosenBy::Cache), "tile=32, the best of 3 in an earlier search");
        let default = by(ChosenBy::Default);
        assert_eq!(default, "tile=32, the default of 4 forms; nothing was searched");
    }
}
