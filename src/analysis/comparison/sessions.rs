//! Which reports were measured in one session.

use crate::base::units::{format_utc, parse_utc};
use crate::report::{Difference, Report, SESSION};

/// A break that ends a session, seconds.
const BREAK: u64 = 3600;

/// When something was measured: from when to when, in seconds since 1970.
type Time = [u64; 2];

/// Reports by session, in the order of time: those of one session overlap, as when sides were measured in turns, or
/// follow one another within an hour. Reports without times of a measurement are left out: those of models, and those
/// of other tools, which tell no times.
pub fn sessions(reports: Vec<Report>) -> Vec<Vec<Report>> {
    let ends = ends(reports.iter().filter_map(time));
    let mut sessions = vec![Vec::new(); ends.len()];
    for report in reports {
        if let Some(time) = time(&report) {
            sessions[number(&ends, time)].push(report);
        }
    }
    sessions
}

/// Whether part of a candidate was measured in a session that its baseline was not measured in, as a difference; `None`
/// where it was not, and where a report has no time.
pub fn apart(baseline: &[Report], candidate: &[Report]) -> Option<Difference> {
    let times = |side: &[Report]| side.iter().map(time).collect::<Option<Vec<Time>>>();
    let (before, after) = (times(baseline)?, times(candidate)?);
    let ends = ends(before.iter().chain(&after).copied());
    let session = |time: &Time| number(&ends, *time);
    let is_alone = |time: &&Time| before.iter().all(|other| session(other) != session(time));
    let alone = after.iter().filter(is_alone).min()?;
    Some(Difference {
        what: SESSION.to_owned(),
        baseline: format_utc(before.iter().min()?[0]),
        candidate: format_utc(alone[0]),
        prevents: false,
    })
}

fn time(report: &Report) -> Option<Time> {
    let run = &report.run;
    let start =
        parse_utc(&run.started).filter(|_| !run.simulated && run.imported_from.is_none())?;
    Some([start, parse_utc(&run.finished).unwrap_or(start).max(start)])
}

/// When each session ended.
fn ends(times: impl Iterator<Item = Time>) -> Vec<u64> {
    let mut times: Vec<Time> = times.collect();
    times.sort_unstable();
    times.into_iter().fold(Vec::new(), |mut ends, [start, end]| {
        match ends.last_mut().filter(|last| start < **last + BREAK) {
            Some(last) => *last = end.max(*last),
            None => ends.push(end),
        }
        ends
    })
}

/// Which session this was measured in.
fn number(ends: &[u64], [start, _]: Time) -> usize {
    ends.partition_point(|end| *end < start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{empty_report, plan};

    /// A report that was measured from one minute of a day to another.
    fn report([from, to]: [u64; 2]) -> Report {
        let mut report = empty_report(&plan("benchmarks: {gemm: {m: 8}}"));
        let day = parse_utc("2026-01-01T00:00:00Z").unwrap();
        [report.run.started, report.run.finished] = [from, to].map(|m| format_utc(day + 60 * m));
        report.run.simulated = false;
        report
    }

    fn reports<const N: usize>(times: [[u64; 2]; N]) -> Vec<Report> {
        times.map(report).into()
    }

    #[test]
    fn a_break_of_an_hour_ends_a_session() {
        let found = sessions(reports([[200, 230], [0, 50], [40, 45], [109, 130], [189, 199]]));
        let starts =
            |session: &Vec<Report>| session.iter().map(|r| r.run.started.clone()).collect();
        let found: Vec<Vec<String>> = found.iter().map(starts).collect();
        let at = |minute: u64| report([minute, minute]).run.started;
        assert_eq!(found, [[at(200), at(0), at(40), at(109), at(189)].as_slice()]);
        let found = sessions(reports([[0, 50], [111, 120], [110, 115]]));
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn sides_are_apart_where_the_candidate_has_a_session_of_its_own() {
        let is_apart = |before: &[Report], after: &[Report]| apart(before, after).is_some();
        let days = reports([[0, 10], [1440, 1450], [2880, 2890]]);
        assert!(!is_apart(&reports([[0, 50]]), &reports([[5, 55]])), "in turns");
        assert!(!is_apart(&reports([[0, 50]]), &reports([[60, 100]])), "one after the other");
        assert!(is_apart(&reports([[0, 50]]), &reports([[1440, 1450]])), "on two days");
        assert!(is_apart(&days, &reports([[720, 730]])), "between the days of the baseline");
        assert!(!is_apart(&days, &reports([[1455, 1460]])), "on a day of the baseline");
        assert!(is_apart(&days, &reports([[1455, 1460], [4000, 4010]])), "only one of two");
        let difference = apart(&days, &reports([[720, 730]])).unwrap();
        assert!(!difference.prevents && difference.baseline == days[0].run.started);
        let mut model = report([9999, 9999]);
        model.run.simulated = true;
        assert!(!is_apart(&days, &[model]), "a model has no sessions");
    }
}
