//! What of kernels was chosen for the device.

use crate::base::units::format_ms;
use crate::benchmark::kernel::{ChosenBy, Tuning};
use crate::render::document::{Cell, Section};
use crate::report::Report;

/// A row for each case of which something could be chosen.
pub(super) fn section(report: &Report) -> Option<Section> {
    let cases = report.cases.iter();
    let rows = cases.filter_map(|case| Some((&case.id, case.measured.as_ref()?.tuning.as_ref()?)));
    let section = Section::table(
        "tuning",
        rows,
        &[
            ("case", &|(id, _)| id.as_str().into()),
            ("form", &|(_, tuning)| form(tuning).into()),
            ("chosen by", &|(_, tuning)| by(tuning).into()),
            ("forms tried", &|(_, tuning)| {
                format!("{} of {}", tuning.tried, tuning.combinations).into()
            }),
            ("search", &|(_, tuning)| match tuning.by {
                ChosenBy::Search => Cell::number(1e3 * tuning.seconds, format_ms),
                ChosenBy::Default | ChosenBy::Cache => Cell::default(),
            }),
            ("speed-up", &|(_, tuning)| {
                let times = tuning.default_ms.zip(tuning.best_ms).filter(|(_, best)| *best > 0.0);
                Cell::number(times.map(|(default, best)| default / best), |it| format!("{it:.3}"))
            }),
        ],
    );
    let about = "speed-up: time of the default form over that of the chosen one, in the search";
    section.map(|section| section.with([about]).in_files())
}

fn form(tuning: &Tuning) -> String {
    let choice = tuning.choice.iter().map(|(name, value)| format!("{name}={value}"));
    choice.collect::<Vec<_>>().join(" ")
}

fn by(tuning: &Tuning) -> &'static str {
    match tuning.by {
        ChosenBy::Default => "default; nothing was searched",
        ChosenBy::Cache => "an earlier search",
        ChosenBy::Search => "a search",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_was_chosen_and_how() {
        let mut report = crate::render::hostile::everything();
        let searched = Tuning {
            choice: [("tile".to_owned(), 32)].into(),
            by: ChosenBy::Search,
            tried: 3,
            combinations: 4,
            seconds: 0.1234,
            default_ms: Some(3.0),
            best_ms: Some(2.0),
        };
        let default = Tuning { by: ChosenBy::Default, default_ms: None, ..searched.clone() };
        let measured = report.cases.iter_mut().filter_map(|case| case.measured.as_mut());
        for (measured, tuning) in measured.zip([searched, default]) {
            measured.tuning = Some(tuning);
        }
        let table = section(&report).unwrap().table.unwrap();
        let texts =
            |row: &Vec<Cell>| row[1..].iter().map(|cell| cell.text.clone()).collect::<Vec<_>>();
        assert_eq!(texts(&table.rows[0]), ["tile=32", "a search", "3 of 4", "123.4 ms", "1.500"]);
        let by_default = ["tile=32", "default; nothing was searched", "3 of 4", "", "-"];
        assert_eq!(texts(&table.rows[1]), by_default);
    }
}
