//! What holds whatever lies in the folder: good reports are found, bad ones are named, nothing leaves the folder.

use proptest::prelude::*;

use super::tests::{add, commit, place, report, written};
use super::*;
use crate::base::random::hostile::{damaged, few, grafted, words};
use crate::render::Format;
use crate::report::Report;

/// The history of three reports, and the bytes of its index.
fn three() -> (tempfile::TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let reports: Vec<Report> = (0..3).map(|day| report(day, Some(commit(day)), 1.0)).collect();
    add(&folder, &reports, &Label::default());
    let index = std::fs::read(place(&folder).join("index.jsonl")).unwrap();
    (folder, index)
}

/// A file too large to be printed when a test fails.
struct Bytes(Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn a_torn_index_is_made_anew(index in damaged(three().1).prop_map(Bytes)) {
        let (folder, _) = three();
        let all = History::open(&place(&folder)).unwrap().series(&Asked::default()).unwrap();
        std::fs::write(place(&folder).join("index.jsonl"), index.0).unwrap();
        let history = History::open(&place(&folder)).unwrap();
        prop_assert_eq!(history.entries().len(), 3);
        prop_assert_eq!(history.series(&Asked::default()).unwrap(), all);
    }

    #[test]
    fn garbage_beside_reports_is_passed_over(
        files in prop::collection::vec((words(), prop_oneof![damaged("{}"), words().prop_map(String::into_bytes)]), 1..4)
    ) {
        let (folder, _) = three();
        for (name, bytes) in files {
            // What cannot be a name is none.
            let _ = std::fs::write(place(&folder).join("reports").join(name.replace('/', "_") + ".json"), bytes);
        }
        prop_assert_eq!(History::open(&place(&folder)).unwrap().entries().len(), 3);
    }

    #[test]
    fn a_hostile_report_is_refused_or_kept_in_its_folder(
        value in grafted(serde_json::to_value(report(3, Some(commit(3)), 1.0)).unwrap())
    ) {
        let (folder, _) = three();
        let path = written(&folder, &report(3, None, 1.0));
        std::fs::write(&path, value.to_string()).unwrap();
        let before = std::fs::read_dir(folder.path()).unwrap().count();
        let mut history = History::open(&place(&folder)).unwrap();
        let sources = Source::of(&path).unwrap();
        let added = history.add(&sources, &Label::default(), |_, _| ());
        if let Err(why) = added {
            prop_assert!(!why.message.is_empty());
        }
        let series = history.series(&Asked::default()).unwrap();
        let export = Answer::from(Content::Export { series: series.clone() });
        let text = Format::OpenMetrics.write(&export, true).unwrap();
        prop_assert!(text.ends_with("# EOF\n"));
        prop_assert!(text.lines().all(|line| line.starts_with("# ") || line.starts_with("tesserabench_")));
        let trend = Answer::from(Content::Trend { trends: trends(series) });
        prop_assert!(Format::all::<Answer>().all(|format| format.write(&trend, true).is_ok()));
        prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), before);
        drop(history);
        let again = History::open(&place(&folder)).unwrap();
        prop_assert!(again.entries().len() >= 3 && again.damaged().is_empty());
    }

    #[test]
    fn notes_are_read_or_refused(pins in damaged(r#"{"golden": "run-1", "old": "run-0"}"#), name in words()) {
        let (folder, _) = three();
        std::fs::write(place(&folder).join("pins.json"), pins).unwrap();
        if let Ok(mut history) = History::open(&place(&folder)) {
            prop_assert_eq!(history.entries().len(), 3);
            let _ = history.pin(&name, "run-1");
            drop(history);
            History::open(&place(&folder)).unwrap();
        }
        let _ = Baseline::find(&place(&folder), &name);
    }
}
