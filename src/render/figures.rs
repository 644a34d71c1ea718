//! A case has one median and one rate, on whichever page it stands.

use super::*;
use crate::analysis::fixture::{analysed, empty_report, plan, recording};
use crate::analysis::{Limits, Reports, Rules, compare, merge, studies, survey};
use crate::base::error::Exit;
use crate::plan::config::Config;
use crate::report::{Launch, Report};

/// A report of launches in which every case takes so long, ns; more ranks take less.
fn launches(nanos: &[f64]) -> Report {
    let plan = plan(
        "scaling: {kind: strong, ranks: [1, 2]}\nbenchmarks: {gemm: {m: 64}, all_reduce: {bytes: 4KiB}}",
    );
    let of = |nanos: &f64| {
        let mut report = empty_report(&plan);
        let cases = plan.cases.iter().map(|case| {
            let (ranks, step) = (case.group.ranks.len() as f64, nanos / 1e8);
            let mut recording = recording(&plan, nanos / ranks, 0.9 * nanos / ranks);
            // Apart in the middle, and more so where they are longer.
            let times = recording.times.global.iter_mut().enumerate();
            times.for_each(|(i, time)| *time *= 1.0 + step * (i % 8) as f64);
            analysed(&plan, case, recording, None)
        });
        report.cases = cases.collect();
        report.scaling = studies(&plan, &report.cases);
        let (started, hosts) = ("2026-11-21T00:00:00Z".to_owned(), Vec::new());
        report.run.launches.push(Launch { started, done: 0, hosts, replicate: 0, run: None });
        report.conclude(plan.cases.len(), Exit::Ok);
        report
    };
    merge(nanos.iter().map(of).enumerate().collect(), Exit::Ok).unwrap()
}

/// The cells of these columns in a page's first table that has the first of them, a row each, sorted. A column that
/// nobody needs is not there.
fn column(document: &Document, names: &[&str]) -> Vec<Vec<String>> {
    let mut tables = document.sections.iter().filter_map(|section| section.table.as_ref());
    let place = |table: &Table, name: &str| table.columns.iter().position(|it| it.name == name);
    let table = tables.find(|table| place(table, names[0]).is_some()).unwrap();
    let places: Vec<Option<usize>> = names.iter().map(|name| place(table, name)).collect();
    let cell =
        |row: &Vec<Cell>, at: Option<usize>| at.map_or(String::new(), |at| row[at].text.clone());
    let cells = |row: &Vec<Cell>| places.iter().map(|at| cell(row, *at)).collect();
    let mut rows: Vec<Vec<String>> = table.rows.iter().map(cells).collect();
    rows.sort();
    rows
}

#[test]
fn a_case_has_one_median_and_one_rate_on_every_page() {
    // An even number of launches has none in the middle.
    for nanos in [&[4.0e6, 1.0e6][..], &[1.0e6, 2.0e6, 3.1e6, 7.0e6], &[1.0e6]] {
        let (report, other) = (launches(nanos), launches(&[3e6]));
        let files = ["a.json".to_owned()];
        let of = |report| Reports { files: &files, reports: std::slice::from_ref(report) };
        let analysis = survey(of(&report), &Limits::default()).document();
        let rules = Rules::resolve(&Config::default()).unwrap();
        let comparison = compare(of(&report), of(&other), &rules).document();
        let page = report.document();
        let medians = column(&page, &["id", "median"]);
        assert_eq!(medians, column(&analysis, &["id", "median"]), "{nanos:?}");
        assert_eq!(medians, column(&comparison, &["id", "baseline"]), "{nanos:?}");
        assert_eq!(column(&page, &["id", "±"]), column(&analysis, &["id", "±"]), "{nanos:?}");
        let rates =
            |page| column(page, &["id", "rate"]).into_iter().map(|row| row[1].replace('-', ""));
        assert!(rates(&page).eq(rates(&analysis)), "{nanos:?}");
        let studies = column(&page, &["study", "median"]);
        let told = |row: &Vec<String>| medians.iter().any(|known| known[1] == row[1]);
        assert!(studies.len() > 1 && studies.iter().all(told), "{studies:?} {medians:?}");
        let rows = Format::Csv.write(&report, true).unwrap();
        let mut rows = ::csv::Reader::from_reader(rows.as_bytes());
        let place = rows.headers().unwrap().iter().position(|name| name == "median_ms").unwrap();
        let mut written: Vec<Vec<String>> = rows
            .records()
            .map(|row| row.unwrap())
            .map(|row| vec![row[0].to_owned(), words::quantity(row[place].parse().unwrap(), "ms")])
            .collect();
        written.sort();
        assert_eq!(medians, written);
    }
}

#[test]
fn a_ratio_is_the_quotient_of_the_medians_beside_it_or_says_what_it_is() {
    let rules = Rules::resolve(&Config::default()).unwrap();
    let files = ["a.json".to_owned()];
    let page = |a: &[f64], b: &[f64]| {
        let (a, b) = (launches(a), launches(b));
        let of = |report| Reports { files: &files, reports: std::slice::from_ref(report) };
        let comparison = compare(of(&a), of(&b), &rules);
        let quotients = comparison.cases.iter().all(|case| {
            let quotient = case.candidate.unwrap() / case.baseline.unwrap();
            (case.ratio.unwrap() / quotient - 1.0).abs() < 1e-9
        });
        (
            quotients,
            terminal::draw(&comparison.document(), None, false)
                .contains("trimmed means of the launches"),
        )
    };
    assert_eq!(page(&[1e6], &[1.5e6]), (true, false));
    assert_eq!(page(&[1e6, 4e6], &[1e6, 2e6, 9e6]), (false, true));
}

#[test]
fn launches_that_differ_are_told_at_any_width() {
    let told = |nanos: &[f64]| {
        let page = terminal::draw(&launches(nanos).document(), Some(60), false);
        page.contains("not reproducible: launches vary by")
    };
    assert!(told(&[1e6, 2e6]) && !told(&[1e6, 1e6]) && !told(&[1e6]));
}

#[test]
fn iterations_that_depend_on_each_other_are_told_apart_from_few() {
    let told = |iterations| {
        let mut report = launches(&[1e6]);
        for measured in report.cases.iter_mut().filter_map(|case| case.measured.as_deref_mut()) {
            (measured.iterations, measured.latency.effective_samples) = (iterations, 3.1);
            (measured.latency.ci, measured.latency.half_width_percent) = (None, None);
            measured.latency.iterations_needed.insert("p50".to_owned(), 194);
        }
        terminal::draw(&report.document(), None, false)
    };
    assert!(told(100).contains("for ± (100 that depend on each other tell as much as 3.1)"));
    assert!(
        told(3).contains("it takes 6 independent ones for ±") && !told(3).contains("depend on")
    );
}

#[test]
fn a_page_of_a_model_names_no_machine_and_says_that_it_was_computed() {
    let mut report = launches(&[1e6]);
    report.environment.nodes = vec![crate::machine::environment::this_node()];
    let host = report.environment.nodes[0].host.clone();
    let measured = terminal::draw(&report.document(), None, false);
    assert!(measured.contains(&format!("{host}: ")) && measured.contains("cases measured"));
    (report.run.simulated, report.topology) = (true, Some("dgx-h100".to_owned()));
    let computed = terminal::draw(&report.document(), None, false);
    assert!(!computed.contains(&format!("{host}: ")), "{computed}");
    assert!(
        computed.contains("cases computed from a model") && !computed.contains("cases measured")
    );
}

#[test]
fn what_intervals_hold_for_and_which_launches_are_missing_is_said() {
    let told = |report: &Report| terminal::draw(&report.document(), None, false);
    let (within, missing) = ("± holds within this launch", "launches missing");
    let one = told(&launches(&[1e6]));
    assert!(one.contains(within) && !one.contains(missing), "{one}");
    let mut three = launches(&[1e6, 1e6, 1e6]);
    let page = told(&three);
    assert!(!page.contains(within) && !page.contains(missing), "{page}");
    let replication = three.cases.iter_mut().find_map(|case| case.replication.as_mut()).unwrap();
    replication.launches.pop();
    assert!(told(&three).contains("1 of 3 launches did not measure it and are left out"));
}
