//! Time and rate over the size of the problem, as plots: one line for each group or pattern.

use std::collections::{BTreeMap, BTreeSet};

use wildmatch::WildMatch;

use super::plot::{Axis, Chart, Figure, Plot, Point, Series, Style};
use super::words::{quantity, type_name};
use crate::base::units::counted;
use crate::benchmark::work::{Element, Placement};
use crate::benchmark::{Problem, Setting, find};
use crate::report::{Basis, LimitCheck};

/// Most names of lines. Where there are more, groups of one axis and size share a name, or else of one axis.
const NAMED: usize = 8;

/// Most lines of a plot.
const LINE_LIMIT: usize = 64;

/// A case that was measured.
pub(super) struct Measurement<'a> {
    pub(super) id: &'a str,
    pub(super) benchmark: &'a str,
    pub(super) precision: Option<Element>,
    pub(super) placement: Option<Placement>,
    pub(super) problem: &'a Problem,
    pub(super) axis: &'a str,
    pub(super) group: String,
    /// Ranks of the group.
    pub(super) members: usize,
    pub(super) median_ms: f64,
    pub(super) interval_ms: Option<[f64; 2]>,
    /// With its unit, and what it counts.
    pub(super) rate: Option<(f64, &'a str, &'a str)>,
}

/// A figure of a case with its interval.
type Value<'a> = dyn Fn(&Measurement<'_>) -> Option<(f64, Option<[f64; 2]>)> + 'a;

/// A bound that a figure was held against.
pub(super) struct Ceiling<'a> {
    cases: &'a str,
    value: f64,
    unit: &'a str,
    source: &'a str,
}

/// The bounds that limits went by.
pub(super) fn ceilings(limits: &[LimitCheck]) -> Vec<Ceiling<'_>> {
    let known = limits.iter().filter_map(|check| match &check.basis {
        Basis::Ceiling { ceiling: Some(value), source, .. } => Some(Ceiling {
            cases: &check.case,
            value: *value,
            unit: &check.unit,
            source: source.as_deref().unwrap_or("no source"),
        }),
        _ => None,
    });
    known.collect()
}

/// The plots of every benchmark that was measured at several sizes: its time, and the rate people know it by.
pub(super) fn plots<'a>(
    all: impl IntoIterator<Item = Measurement<'a>>,
    ceilings: &[Ceiling<'_>],
) -> Vec<Plot> {
    let mut benchmarks: BTreeMap<&str, Vec<Measurement<'a>>> = BTreeMap::new();
    // A rank that exchanges with nobody is on no curve of those who do.
    let exchanges = |case: &Measurement<'_>| {
        case.members > 1 || !find(case.benchmark).is_some_and(|benchmark| benchmark.collective)
    };
    for one in all.into_iter().filter(exchanges) {
        benchmarks.entry(one.benchmark).or_default().push(one);
    }
    let of = |cases: &Vec<Measurement<'a>>| of_benchmark(cases, ceilings);
    benchmarks.values().flat_map(of).collect()
}

fn of_benchmark(cases: &[Measurement<'_>], ceilings: &[Ceiling<'_>]) -> Vec<Plot> {
    let Some(size) = size_of(cases) else { return Vec::new() };
    let unit = if ["bytes", "array"].contains(&size) { "B" } else { "" };
    let x = Axis::log(if unit == "B" { "size" } else { size }, unit);
    let (lines, left_out) = lines(cases, size);
    // One size of each line is of a problem that is divided, and no sweep.
    if lines.iter().all(|(_, line)| line.len() < 2) {
        return Vec::new();
    }
    let about = match left_out {
        0 => String::new(),
        left_out => format!("{left_out} more groups are in the table only."),
    };
    let benchmark = cases[0].benchmark;
    // Messages are of the group; what kernels work on is of each rank.
    let exchanges = find(benchmark).is_some_and(|benchmark| benchmark.collective);
    let parts = !exchanges && cases.iter().any(|case| case.members > 1);
    let told = |of_parts: &str| match (parts, about.as_str()) {
        (false, about) => about.to_owned(),
        (true, about) => format!("{of_parts} {about}").trim_end().to_owned(),
    };
    let about_rate = told("The size is of each rank's part, the rate of all ranks together.");
    let about_time = told("The size is of each rank's part.");
    let chart = |y: Axis, value: &Value<'_>| {
        let series = lines.iter().map(|(name, line)| {
            let point = |case: &&Measurement<'_>| {
                let (y, interval) = value(case)?;
                let x = case.problem.get(size)?.number()? as f64;
                Some(Point { x, y, interval, says: case.id.to_owned() })
            };
            let points = line.iter().filter_map(point).collect();
            Series { name: name.clone(), style: Style::Line, points }
        });
        Chart { x: x.clone(), y, series: series.collect(), events: Vec::new() }
    };
    let time =
        chart(Axis::log("median time", "ms"), &|case| Some((case.median_ms, case.interval_ms)));
    let rate = cases.iter().find_map(|case| case.rate).map(|(_, unit, label)| {
        let name = format!("{label} rate").trim().to_owned();
        // What takes longer has the lower rate.
        let mut rate = chart(Axis::log(&name, unit), &|case| {
            let (rate, ..) = case.rate.filter(|(_, its, _)| *its == unit)?;
            let at = |ms: f64| rate * case.median_ms / ms;
            Some((rate, case.interval_ms.map(|[low, high]| [at(high), at(low)])))
        });
        rate.series.extend(guides(cases, size, ceilings.iter().filter(|it| it.unit == unit)));
        Plot::of(format!("{benchmark}: {name}"), about_rate, Figure::Chart(rate))
    });
    let time = Plot::of(format!("{benchmark}: time"), about_time, Figure::Chart(time));
    time.into_iter().chain(rate.flatten()).collect()
}

/// The setting of the problem that is its size: bytes, else the one with the most values. `None` where all have one.
fn size_of<'a>(cases: &[Measurement<'a>]) -> Option<&'a str> {
    let mut values: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for (key, value) in cases.iter().flat_map(|case| case.problem) {
        values.entry(key).or_default().extend(value.number());
    }
    let bytes = |key: &str| ["bytes", "array"].contains(&key);
    let several = values.iter().filter(|(_, values)| values.len() > 1);
    several.max_by_key(|(key, values)| (bytes(key), values.len())).map(|(key, _)| *key)
}

/// The cases by all but their size, each line with its name, and how many lines were left out.
fn lines<'a, 'b>(
    cases: &'b [Measurement<'a>],
    size: &str,
) -> (Vec<(String, Vec<&'b Measurement<'a>>)>, usize) {
    let facts = |case: &Measurement<'_>| -> BTreeMap<String, String> {
        let side = case.problem.get(size).and_then(Setting::number);
        // Other sides of a square say nothing more.
        let others = case.problem.iter();
        let others = others.filter(|(key, value)| *key != size && value.number() != side);
        let others = others.map(|(key, value)| (format!("3 {key}"), format!("{key}={value}")));
        let placement = case.placement.map_or("", Placement::name).to_owned();
        let fixed = [
            ("1".to_owned(), type_name(case.precision).to_owned()),
            ("2".to_owned(), placement),
            ("4".to_owned(), case.group.clone()),
        ];
        others.chain(fixed).collect()
    };
    let all: Vec<BTreeMap<String, String>> = cases.iter().map(facts).collect();
    let varies = |key: &String| all.iter().any(|facts| facts.get(key) != all[0].get(key));
    let named = |at: usize, group: &dyn Fn(&Measurement<'_>) -> String| {
        let parts = all[at].iter().filter(|(key, _)| varies(key));
        let parts =
            parts.map(|(key, value)| if key == "4" { group(&cases[at]) } else { value.clone() });
        let name = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        if name.is_empty() { cases[at].benchmark.to_owned() } else { name }
    };
    let by_group = |case: &Measurement<'_>| case.group.clone();
    let by_size =
        |case: &Measurement<'_>| format!("{}, {}", case.axis, counted(case.members, "rank"));
    let by_axis = |case: &Measurement<'_>| format!("{} groups", case.axis);
    let ways: [&dyn Fn(&Measurement<'_>) -> String; 2] = [&by_group, &by_size];
    let few = |way: &&&dyn Fn(&Measurement<'_>) -> String| {
        let names: BTreeSet<String> = (0..cases.len()).map(|at| named(at, **way)).collect();
        names.len() <= NAMED
    };
    let shown = ways.iter().find(few).copied().unwrap_or(&by_axis);
    let mut lines: Vec<(String, Vec<usize>)> = Vec::new();
    for at in 0..cases.len() {
        let name = named(at, &by_group);
        match lines.iter_mut().find(|(known, _)| *known == name) {
            Some((_, line)) => line.push(at),
            None => lines.push((name, vec![at])),
        }
    }
    if lines.len() > NAMED {
        // So that an axis has the same colour in each plot.
        lines.sort_by_key(|(_, line)| (cases[line[0]].axis, cases[line[0]].members));
    }
    let left_out = lines.len().saturating_sub(LINE_LIMIT);
    let lines = lines.into_iter().take(LINE_LIMIT).map(|(_, line)| {
        let name = named(line[0], shown);
        let mut line: Vec<&Measurement<'_>> = line.iter().map(|at| &cases[*at]).collect();
        line.sort_by_key(|case| case.problem.get(size).and_then(Setting::number));
        (name, line)
    });
    (lines.collect(), left_out)
}

/// The ceilings of these cases, across all sizes.
fn guides<'a>(
    cases: &[Measurement<'_>],
    size: &str,
    ceilings: impl Iterator<Item = &'a Ceiling<'a>>,
) -> Vec<Series> {
    let sizes = || cases.iter().filter_map(|case| case.problem.get(size)?.number());
    let Some((least, most)) = sizes().min().zip(sizes().max()) else { return Vec::new() };
    let mut told: Vec<Series> = Vec::new();
    for ceiling in ceilings {
        let glob = WildMatch::new(ceiling.cases);
        let name =
            format!("ceiling {} ({})", quantity(ceiling.value, ceiling.unit), ceiling.source);
        if cases.iter().any(|case| glob.matches(case.id)) && told.iter().all(|it| it.name != name) {
            let ends = [least, most].map(|size| [size as f64, ceiling.value]);
            told.push(Series::guide(name, ends));
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A case of so many bytes on a group, which takes as many microseconds, give or take a tenth.
    fn case<'a>(id: &'a str, problem: &'a Problem, axis: &'a str, group: &str) -> Measurement<'a> {
        let median_ms = problem["bytes"].number().unwrap() as f64 / 1e3;
        Measurement {
            id,
            benchmark: "all_reduce",
            precision: Some(Element::F32),
            placement: None,
            problem,
            axis,
            group: group.to_owned(),
            members: 1 + group.matches(['-', ',']).count(),
            median_ms,
            interval_ms: Some([0.9 * median_ms, 1.1 * median_ms]),
            rate: Some((1.0 / median_ms, "GB/s", "bus")),
        }
    }

    fn problems(sizes: &[u64]) -> Vec<Problem> {
        sizes.iter().map(|bytes| [("bytes".to_owned(), (*bytes).into())].into()).collect()
    }

    fn charts(plots: Vec<Plot>) -> Vec<Chart> {
        let chart = |plot: Plot| match plot.figure {
            Figure::Chart(chart) => chart,
            other => panic!("{other:?}"),
        };
        plots.into_iter().map(chart).collect()
    }

    fn names(chart: &Chart) -> Vec<&str> {
        chart.series.iter().map(|series| series.name.as_str()).collect()
    }

    #[test]
    fn each_group_has_a_line_by_size_and_the_rate_its_ceiling() {
        let problems = problems(&[1024, 8]);
        let groups = ["tp:0-1", "tp:2-3"];
        let cases = || {
            groups.iter().flat_map(|group| problems.iter().map(|of| case("a/b", of, "tp", group)))
        };
        let ceiling = |cases| Ceiling { cases, value: 2.0, unit: "GB/s", source: "a sheet" };
        let plots = charts(plots(cases(), &[ceiling("a/*"), ceiling("a/*"), ceiling("other/*")]));
        let [time, rate] = &plots[..] else { panic!("{plots:?}") };
        assert_eq!(names(time), groups);
        assert_eq!(names(rate)[2..], ["ceiling 2.000 GB/s (a sheet)"]);
        let first = &time.series[0].points;
        assert_eq!(first.iter().map(|point| point.x).collect::<Vec<_>>(), [8.0, 1024.0]);
        // The shortest time is the highest rate.
        let (point, rate) = (&first[0], &rate.series[0].points[0]);
        let [low, high] = rate.interval.unwrap();
        assert!(low < rate.y && rate.y < high && (high - 1.0 / (0.9 * point.y)).abs() < 1e-9);
    }

    #[test]
    fn many_groups_share_the_name_of_their_axis_and_too_many_are_told() {
        let problems = problems(&[8, 64]);
        let of = |count: usize, more: &dyn Fn(usize) -> usize| {
            let group = |at| format!("tp:{at}{}", ",x".repeat(more(at)));
            let groups: Vec<String> = (0..count).map(group).collect();
            let all = groups
                .iter()
                .flat_map(|group| problems.iter().map(|of| case("a", of, "tp", group)));
            let plots = plots(all, &[]);
            (plots[0].about.clone(), charts(plots).remove(0))
        };
        let (about, nine) = of(9, &|_| 1);
        assert!(about.is_empty() && nine.series.len() == 9);
        assert!(names(&nine).iter().all(|name| *name == "tp, 2 ranks"));
        let (_, unlike) = of(9, &|at| at % 2 + 1);
        assert_eq!(names(&unlike)[4..6], ["tp, 2 ranks", "tp, 3 ranks"]);
        let (_, all_unlike) = of(9, &|at| at + 1);
        assert!(names(&all_unlike).iter().all(|name| *name == "tp groups"));
        let (about, many) = of(LINE_LIMIT + 3, &|_| 1);
        assert_eq!(
            (many.series.len(), &*about),
            (LINE_LIMIT, "3 more groups are in the table only.")
        );
    }

    #[test]
    fn a_problem_that_ranks_share_is_no_sweep() {
        let problems = problems(&[8, 64]);
        let groups = ["world:0", "world:0-1"];
        let cases = problems.iter().zip(groups).map(|(of, group)| case("a", of, "world", group));
        assert!(plots(cases, &[]).is_empty());
    }
}
