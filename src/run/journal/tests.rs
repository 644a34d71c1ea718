//! What is written is what is read, whatever happened between.

use super::*;
use crate::analysis::fixture::{analysed, empty_report, plan, recording};
use crate::report::Samples;

const THREE: &str = "benchmarks: {all_reduce: {bytes: '8,64,512'}}\nbackend: simulated";

fn output(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("results.json")
}

fn finished(case: &Case) -> Entry {
    Entry::Case { case: Box::new(case.clone()), time: "t".to_owned(), samples_bytes: 100 }
}

/// A journal of `plan` with this many of its first cases; the cases.
fn written(output: &Path, plan: &Plan, cases: usize) -> Vec<Case> {
    let mut journal = Journal::create(output, plan, &empty_report(plan)).unwrap();
    let hosts = vec!["a".to_owned()];
    let started = "t".to_owned();
    let launch = Launch { started, done: 0, hosts, replicate: 0, run: None };
    journal.append(&Entry::Launch(launch)).unwrap();
    let figures = [1.0 / 3.0, 0.1, 7e9];
    let made = plan.cases.iter().zip(figures).take(cases).map(|(case, nanos)| {
        let mut case = analysed(plan, case, recording(plan, 1e3 + nanos, 1e3 / nanos), None);
        case.samples = Samples::Sidecar { file: "x".to_owned(), rows: 7 };
        journal.append(&finished(&case)).unwrap();
        case
    });
    made.collect()
}

fn append(output: &Path, text: &str) {
    let path = Journal::path_for(output);
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn what_is_written_is_read_to_the_last_digit() {
    let folder = tempfile::tempdir().unwrap();
    let (output, plan) = (output(&folder), plan(THREE));
    assert!(Recovered::read(&output).unwrap().is_none());
    let cases = written(&output, &plan, 3);
    let read = Recovered::read(&output).unwrap().unwrap();
    assert_eq!((&read.plan, &read.report.cases, read.done), (&plan, &cases, 3));
    assert_eq!((read.samples_bytes, read.torn), (100, 0));
    assert_eq!(
        serde_json::to_string(&read.report.cases).unwrap(),
        serde_json::to_string(&cases).unwrap()
    );
}

#[test]
fn a_kernel_that_is_not_here_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan("benchmarks: {triad: {array: 1MiB}}");
    let output = output(&folder);
    written(&output, &plan, 1);
    let path = Journal::path_for(&output);
    let text = std::fs::read_to_string(&path).unwrap().replace("\"triad\"", "\"mine\"");
    std::fs::write(&path, text).unwrap();
    let why = Recovered::read(&output).unwrap_err().message;
    assert!(why.contains("it is of the kernel 'mine', which is not here"), "{why}");
}

#[test]
fn a_case_with_a_figure_that_cannot_be_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let (output, plan) = (output(&folder), plan(THREE));
    let cases = written(&output, &plan, 2);
    let median = cases[0].latency().unwrap().median;
    for (from, to) in [
        (format!("\"median\":{median}"), "\"median\":-1".to_owned()),
        (format!("\"median\":{median}"), "\"median\":null".to_owned()),
        ("\"invalid\":0".to_owned(), "\"invalid\":-1".to_owned()),
    ] {
        let text = std::fs::read_to_string(Journal::path_for(&output)).unwrap();
        assert!(text.contains(&from));
        std::fs::write(Journal::path_for(&output), text.replacen(&from, &to, 1)).unwrap();
        let why = Recovered::read(&output).unwrap_err().message;
        assert!(why.contains("its line 3 is damaged"), "{why}");
        std::fs::write(Journal::path_for(&output), text).unwrap();
    }
}

#[test]
fn a_torn_line_is_dropped_and_the_next_takes_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (output, plan) = (output(&folder), plan(THREE));
    let cases = written(&output, &plan, 2);
    let whole = std::fs::read(Journal::path_for(&output)).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    // Wherever the last line is cut, the case before it is there; as it is where rubbish follows.
    for cut in (last..whole.len()).step_by(97).chain([whole.len() - 1]) {
        std::fs::write(Journal::path_for(&output), &whole[..cut]).unwrap();
        let read = Recovered::read(&output).unwrap().unwrap();
        assert_eq!((read.done, read.torn), (1, (cut - last) as u64));
    }
    let read = Recovered::read(&output).unwrap().unwrap();
    let mut journal = Journal::resume(&output, &read).unwrap();
    journal.append(&finished(&cases[1])).unwrap();
    assert_eq!(std::fs::read(Journal::path_for(&output)).unwrap(), whole);
}

#[test]
fn damage_in_the_middle_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (output, plan) = (output(&folder), plan(THREE));
    let refused = |text: &str, expected: &str| {
        written(&output, &plan, 1);
        append(&output, text);
        let why = Recovered::read(&output).unwrap_err().message;
        assert!(why.contains("line 4") && why.contains(expected), "{why}");
    };
    refused("{\"case\": {}}\n{}\n", "damaged");
    refused("\n\n", "damaged");
    refused("{\"launch\": 3}\n\n", "damaged");
    let other = "{\"again\": {\"case\": 0, \"turn\": {\"cycle\": 1, \"time\": \"t\", \"median_ms\": null}, \
                 \"error\": null, \"samples_bytes\": 0}}\n";
    refused(other, "out of order");
}

#[test]
fn another_plan_is_named_by_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let (output, first) = (output(&folder), plan(THREE));
    written(&output, &first, 1);
    let read = Recovered::read(&output).unwrap().unwrap();
    let changed = |yaml: &str| {
        let other = plan(yaml);
        let new = (&other, &empty_report(&other));
        difference(new, (&read.plan, &read.report)).unwrap().unwrap_or_default()
    };
    assert_eq!(changed(THREE), "");
    assert_eq!(changed(&format!("{THREE}\ntimeout: 50\nmax_failures: 3")), "");
    assert_eq!(changed(&format!("{THREE}\nseed: 2")), "seed is 2, was 1");
    let more = changed("benchmarks: {all_reduce: {bytes: '8,64'}}\nbackend: simulated");
    assert_eq!(more, "cases is 2 of them, was 3 of them");
    let many = changed(&format!("{THREE}\nprecision_policies: [f64]"));
    assert!(many.contains("cases.0.id") && many.contains("more"), "{many}");
}

/// A journal of three cases that ran twice, and what is in it.
fn whole() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (output, plan) = (output(&folder), plan(&format!("{THREE}\nbenchmarking: {{repeat: 2}}")));
    written(&output, &plan, 3);
    let read = Recovered::read(&output).unwrap().unwrap();
    let mut journal = Journal::resume(&output, &read).unwrap();
    for case in 0..2 {
        let turn = Turn { cycle: 1, time: "t".to_owned(), median_ms: Some(1.0) };
        let again = Entry::Again { case, turn, error: None, samples_bytes: 200 };
        journal.append(&again).unwrap();
    }
    std::fs::read(Journal::path_for(&output)).unwrap()
}

/// All that is done with a journal that was read: a run goes on from it, or its report is written.
fn use_it(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let output = output(&folder);
    std::fs::write(Journal::path_for(&output), bytes).unwrap();
    let Ok(Some(read)) = Recovered::read(&output) else { return };
    assert!(read.report.cases.len() <= read.done && read.length + read.torn <= bytes.len() as u64);
    let current = plan(THREE);
    let new = (&current, &empty_report(&current));
    let _ = difference(new, (&read.plan, &read.report)).unwrap();
    Journal::resume(&output, &read).unwrap();
    let error = CaseError::now(crate::base::error::Kind::TimedOut, "measure", "late".to_owned());
    let case = read.plan.cases.last().map_or_else(String::new, |case| case.id.clone());
    let files = ["json", "csv", "md"].map(|ending| crate::render::Output {
        path: output.with_extension(ending),
        format: crate::render::Format::of::<Report>(&output.with_extension(ending)).unwrap(),
    });
    let outputs = crate::render::Outputs { files: files.to_vec(), ..Default::default() };
    assert_eq!(
        crate::run::recorder::salvage(&outputs, &crate::base::failure::Failure { case, error }),
        Ok(true)
    );
}

proptest::proptest! {
    #![proptest_config(crate::base::random::hostile::few())]

    #[test]
    fn no_damage_makes_it_panic(bytes in crate::base::random::hostile::damaged(whole())) {
        use_it(&bytes);
    }

    #[test]
    fn no_other_values_make_it_panic(
        trees in whole().split_inclusive(|&byte| byte == b'\n').map(|line| {
            let tree: Value = serde_json::from_slice(line).unwrap();
            let grafted = crate::base::random::hostile::grafted(tree.clone());
            proptest::prop_oneof![3 => proptest::prelude::Just(tree), 1 => grafted]
        }).collect::<Vec<_>>(),
    ) {
        let lines: Vec<String> = trees.iter().map(|tree| format!("{tree}\n")).collect();
        use_it(lines.concat().as_bytes());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, text in "\\{\"(run|launch|case|again)\": .{0,80}\\}\n") {
        let folder = tempfile::tempdir().unwrap();
        let output = output(&folder);
        std::fs::write(Journal::path_for(&output), &bytes).unwrap();
        let _ = Recovered::read(&output);
        written(&output, &plan(THREE), 1);
        append(&output, &text);
        append(&output, &String::from_utf8_lossy(&bytes));
        let _ = Recovered::read(&output);
    }
}
