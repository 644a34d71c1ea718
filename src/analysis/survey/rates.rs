//! Benchmarks as a whole, and who is fastest.

use std::collections::BTreeMap;

use super::subject::{Subject, hosts, origin};
use crate::analysis::comparison::differences::devices;
use crate::analysis::families::families;
use crate::benchmark::metric::{ALGBW, ARITHMETIC, MEMORY, Metric, OPERATIONS};
use crate::benchmark::work::Element;
use crate::plan::mesh;
use crate::report::{
    Entry, Examined, Flag, Leaderboard, Measured, Origin, RankedBy, Severity, Statistics,
    Throughput,
};

/// The throughput of each benchmark and type on as many ranks in the same launches. Cases that others ran at once
/// with, and pairs, which have a matrix, are not among them.
pub(super) fn throughput(subjects: &[Subject<'_>]) -> Vec<Throughput> {
    let all = subjects.iter().filter(|subject| counts(subject) && !is_idle(subject));
    let worked = all.filter_map(|subject| {
        let measured = subject.case.measured.as_ref()?;
        let (metric, rate) = work_rate(measured)?;
        let time = subject.examined.statistics.as_ref()?.median_ms;
        Some((&subject.examined, metric, rate * measured.latency.median, time))
    });
    let families = families(worked, |(case, metric, ..)| {
        (&case.reports, &case.benchmark, case.precision, case.ranks, metric.unit.name())
    });
    let whole = |family: Vec<(&Examined, &Metric, f64, f64)>| {
        let (first, metric, ..) = family[0];
        let work: f64 = family.iter().map(|(_, _, work, _)| work).sum();
        let time_ms: f64 = family.iter().map(|(.., time)| time).sum();
        Throughput {
            reports: first.reports.clone(),
            benchmark: first.benchmark.clone(),
            precision: first.precision,
            ranks: first.ranks,
            rate: work / time_ms,
            unit: metric.unit.name().to_owned(),
            of: metric.amount().unwrap_or(metric.definition).to_owned(),
            time_ms,
            cases: family.iter().map(|(case, ..)| case.id.clone()).collect(),
        }
    };
    families.into_iter().map(whole).filter(|known| known.rate.is_finite()).collect()
}

/// Work for each second at the median time.
fn work_rate(measured: &Measured) -> Option<(&'static Metric, f64)> {
    let known: [&'static Metric; 4] = [&ALGBW, &MEMORY, &ARITHMETIC, &OPERATIONS];
    known.into_iter().find_map(|metric| Some((metric, metric.stored(&measured.metrics)?)))
}

fn counts(subject: &Subject<'_>) -> bool {
    !subject.case.concurrent && subject.case.axis != mesh::PAIRS
}

/// Whether it is an exchange of one rank with nobody.
fn is_idle(subject: &Subject<'_>) -> bool {
    subject.case.counts.is_some_and(|counts| counts.communicates) && subject.case.group_size < 2
}

/// The leaderboards with more than one entry: by rate, then by time.
pub(super) fn leaderboards(subjects: &[Subject<'_>]) -> Vec<Leaderboard> {
    [RankedBy::Rate, RankedBy::P50].into_iter().flat_map(|by| boards(subjects, by)).collect()
}

fn boards(subjects: &[Subject<'_>], by: RankedBy) -> impl Iterator<Item = Leaderboard> {
    type Key<'a> = (&'a str, Option<&'static str>, Origin, &'a str);
    let mut boards: BTreeMap<Key<'_>, (Option<Element>, Vec<Entry>)> = BTreeMap::new();
    for subject in subjects.iter().filter(|subject| counts(subject) && !is_idle(subject)) {
        let case = &subject.examined;
        let Some(statistics) = &case.statistics else { continue };
        let Some((value, unit, ci)) = figure(statistics, by) else { continue };
        let serious = |flag: &&Flag| flag.severity < Severity::Info;
        let entry = Entry {
            place: 0,
            reports: case.reports.clone(),
            case: case.id.clone(),
            hosts: hosts(subject.report),
            devices: devices(subject.report).into_keys().collect(),
            value,
            ci,
            marks: case.flags.iter().filter(serious).map(|flag| flag.mark.clone()).collect(),
        };
        let precision = case.precision.map(Element::name);
        let key = (case.benchmark.as_str(), precision, origin(subject.report), unit);
        boards.entry(key).or_insert_with(|| (case.precision, Vec::new())).1.push(entry);
    }
    let boards: Vec<Leaderboard> = boards
        .into_iter()
        .filter(|(_, (_, entries))| entries.len() > 1)
        .map(|((benchmark, _, origin, unit), (precision, entries))| Leaderboard {
            benchmark: benchmark.to_owned(),
            precision,
            by,
            origin,
            unit: unit.to_owned(),
            entries: placed(entries, by),
        })
        .collect();
    boards.into_iter()
}

/// The figure that a case is ranked by, its unit and interval.
fn figure(of: &Statistics, by: RankedBy) -> Option<(f64, &str, Option<[f64; 2]>)> {
    let ci = of.ci.filter(|ci| ci[0] > 0.0);
    match by {
        RankedBy::Rate => {
            let (rate, unit) = of.rate.zip(of.rate_unit.as_deref())?;
            // Rates that follow from one time are inversely proportional to it.
            let at = |ms: f64| rate * of.median_ms / ms;
            Some((rate, unit, ci.map(|[low, high]| [at(high), at(low)])))
        }
        RankedBy::P50 => Some((of.median_ms, "ms", ci)),
    }
}

/// The entries in the order of their places. One whose interval meets that of the first of a place shares it, and
/// the place after is as many further on.
fn placed(mut entries: Vec<Entry>, by: RankedBy) -> Vec<Entry> {
    // What is better is larger.
    let sign = if by == RankedBy::Rate { 1.0 } else { -1.0 };
    entries.sort_by(|a, b| (sign * b.value).total_cmp(&(sign * a.value)));
    let (mut first, mut least) = (1, f64::INFINITY);
    for (at, entry) in entries.iter_mut().enumerate() {
        let ends = entry.ci.unwrap_or([entry.value; 2]).map(|end| sign * end);
        let [low, high] = [ends[0].min(ends[1]), ends[0].max(ends[1])];
        if high < least || at == 0 {
            (first, least) = (at + 1, low);
        }
        entry.place = first;
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_intervals_meet_share_a_place() {
        let entry = |value: f64, ci: Option<[f64; 2]>| Entry {
            place: 0,
            reports: vec![0],
            case: String::new(),
            hosts: Vec::new(),
            devices: Vec::new(),
            value,
            ci,
            marks: Vec::new(),
        };
        let entries = vec![
            entry(7.0, Some([6.0, 8.0])),
            entry(10.0, Some([9.0, 11.0])),
            entry(9.5, Some([8.5, 10.5])),
            // Meets the second, but not the first of the place.
            entry(8.6, Some([8.4, 8.9])),
            entry(1.0, None),
            entry(1.0, None),
        ];
        let times = entries.clone();
        let placed = placed(entries, RankedBy::Rate);
        let places: Vec<(usize, f64)> =
            placed.iter().map(|entry| (entry.place, entry.value)).collect();
        assert_eq!(places, [(1, 10.0), (1, 9.5), (3, 8.6), (4, 7.0), (5, 1.0), (5, 1.0)]);
        let placed = super::placed(times, RankedBy::P50);
        let places: Vec<(usize, f64)> =
            placed.iter().map(|entry| (entry.place, entry.value)).collect();
        assert_eq!(places, [(1, 1.0), (1, 1.0), (3, 7.0), (4, 8.6), (4, 9.5), (6, 10.0)]);
    }
}
