//! The report of a run as a document.

mod distribution;
mod energy;
mod kernels;
mod machine;
mod origin;
mod pairs;
mod tuning;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use super::curves::Measurement;
use super::document::{Attention, Cell, Document, Section};
use super::legend::{Legend, Remark};
use super::plot::Tone;
use super::words::{self, change, give_or_take, percent, placed, told_of, type_name, word};
use super::{Format, Render, csv, curves, fleet, google_benchmark, limits, no_json, scaling};
use crate::base::accuracy::Checked;
use crate::base::error::{Exit, Result};
use crate::base::units::{counted, format_ms, significant};
use crate::benchmark::measures::{ACCURACY, OCCUPANCY};
use crate::benchmark::metric::{ENERGY, ENERGY_OF_BYTES, LATENCY, MESSAGES, Metric, OVERLAP};
use crate::machine::environment::Node;
use crate::plan::mesh;
use crate::report::{
    Case, Cycles, Fleet, Latency, Outcome, Replication, Report, Samples, Steadiness,
};
use crate::stats::launches_needed;

/// Fewest independent iterations with an interval of their median at 95 %.
const INDEPENDENT: f64 = 6.0;

impl Render for Report {
    const OWN: &'static [Format] = &[Format::Csv, Format::GoogleBenchmark];

    fn document(&self) -> Document {
        let figures = self.metrics.iter().map(|metric| {
            let better = word(metric.direction);
            format!("{} ({}, {better}): {}", metric.name, metric.unit, metric.definition)
        });
        let of_pairs = self.cases.iter().filter(|case| is_in_matrix(case));
        let of_pairs =
            Legend::of(of_pairs.map(|case| (case.id.clone(), remarks(case, launches(self)))));
        let mut sections = Vec::new();
        let fleet = Fleet::of(std::slice::from_ref(self));
        let ceilings = curves::ceilings(&self.limits);
        let curves =
            curves::plots(self.cases.iter().filter_map(|case| curve(self, case)), &ceilings);
        sections.extend(cases(self).map(|section| section.drawn(curves)));
        sections.extend(scaling::section(&self.scaling));
        let mut matrices: Vec<Section> = self.pair_matrices.iter().map(pairs::section).collect();
        match matrices.pop() {
            Some(last) => matrices.push(last.with(of_pairs.lines())),
            None => matrices.extend(Section::notes("pairs", of_pairs.lines())),
        }
        sections.extend(matrices);
        sections.extend(limits::section(&self.limits));
        sections.extend(distribution::section(self));
        sections.extend(machine::section(self));
        sections.extend(work::section(self));
        sections.extend(tuning::section(self));
        // That all are alike is no news.
        sections.extend(
            fleet::section(fleet.as_ref())
                .map(|section| Section { detail: section.table.is_none(), ..section }),
        );
        sections.extend(kernels::section(self).filter(|_| self.shows(OCCUPANCY)));
        sections.extend(origin::section(self));
        sections.extend(Section::notes("figures", figures).map(Section::in_files));
        Document {
            title: "tesserabench".to_owned(),
            facts: facts(self),
            details: details(self),
            attention: attention(self)
                .into_iter()
                .chain(fleet::attention(fleet.as_ref()))
                .collect(),
            sections,
            verdict: self.verdict(),
            exit: Exit::from_code(self.run.exit),
            unsure: false,
        }
    }

    fn own(&self, format: Format) -> Result<String> {
        match format {
            Format::GoogleBenchmark => google_benchmark::report(self),
            _ => csv::report(self),
        }
    }

    fn carried(&self) -> Result<String> {
        let mut report = self.clone();
        report.cases.iter_mut().for_each(|case| case.samples = Samples::None);
        serde_json::to_string(&report).map_err(no_json)
    }
}

/// The case as a point of a curve.
fn curve<'a>(report: &Report, case: &'a Case) -> Option<Measurement<'a>> {
    let rate =
        report.shown_rate(case).map(|(metric, rate)| (rate, metric.unit.name(), metric.label));
    (!is_of_pair(case)).then_some(Measurement {
        id: &case.id,
        benchmark: &case.benchmark,
        precision: case.precision,
        placement: case.placement,
        problem: &case.problem,
        axis: &case.axis,
        group: ranks(case),
        members: case.participants.len(),
        median_ms: case.median_ms()?,
        interval_ms: case.interval_ms(),
        rate,
    })
}

/// What people should look at first: failures, slow pairs, broken limits, and doubtful figures.
fn attention(report: &Report) -> Vec<Attention> {
    let ran = report.cases.iter().filter(|case| !is_skipped(case));
    let legend = Legend::of(ran.map(|case| (case.id.clone(), remarks(case, launches(report)))));
    let mut all: Vec<Attention> = legend.attention().collect();
    let others = limits::attention(&report.limits)
        .chain(report.pair_matrices.iter().flat_map(pairs::attention));
    let bad = all.iter().take_while(|it| it.tone == Tone::Bad).count();
    all.splice(bad..bad, others);
    all
}

/// One row a case, but for those that were skipped. Those of pair matrices have tables of their own, unless something is
/// to be said of them.
fn cases(report: &Report) -> Option<Section> {
    let (skipped, rows): (Vec<&Case>, Vec<&Case>) =
        report.cases.iter().filter(|case| !is_in_matrix(case)).partition(|case| is_skipped(case));
    let launches = launches(report);
    let legend = Legend::of(rows.iter().map(|case| (case.id.clone(), remarks(case, launches))));
    let times = report.shows(LATENCY.key);
    // Other tools do not tell their iterations one by one.
    let singly = times && report.run.imported_from.is_none();
    let accuracy = |case: &Case| case.accuracy.clone().filter(|_| report.shows(ACCURACY));
    let shown =
        |case: &Case, metric: &Metric| case.figure(metric).filter(|_| report.shows(metric.key));
    let section = Section::table(
        "cases",
        &rows,
        &[
            ("benchmark", &|case| case.benchmark.as_str().into()),
            ("type", &|case| type_name(case.precision).into()),
            ("problem", &|case| placed(&case.problem, case.placement).into()),
            ("ranks", &|case| ranks(case).into()),
            ("median", &|case| match (case.outcome, case.median_ms()) {
                (Outcome::Measured, median) => Cell::number(median, format_ms),
                (other, _) => Cell::from(word(other).to_uppercase()).taken(Tone::Bad),
            }),
            ("±", &|case| {
                let width = case.median_ms().zip(case.interval_ms()).filter(|_| times);
                let width = width.map(|(median, [low, high])| 50.0 * (high - low) / median);
                width.map(|width| Cell::number(width, give_or_take)).into()
            }),
            ("p95", &|case| {
                case.latency()
                    .and_then(|of| of.p95)
                    .filter(|_| times)
                    .map(|p95| Cell::number(p95, format_ms))
                    .into()
            }),
            ("rate", &|case| {
                let rate = report.shown_rate(case);
                rate.map(|(metric, rate)| Cell::quantity(rate, metric.unit.name())).into()
            }),
            ("iterations", &|case| {
                let count = case.measured.as_ref().filter(|_| singly);
                count.map(|of| Cell::count(of.iterations)).into()
            }),
            ("mean", &|case| spread(case, singly, |of| Some(of.mean))),
            ("sd", &|case| spread(case, singly, |of| of.std_dev)),
            ("min", &|case| spread(case, singly, |of| Some(of.min))),
            ("max", &|case| spread(case, singly, |of| Some(of.max))),
            ("of peak", &|case| {
                let shown = case.efficiency.as_ref().filter(|of| report.shows(&of.metric));
                let share = shown.and_then(|of| of.of_peak_percent);
                share.map(|share| Cell::number(share, percent)).into()
            }),
            ("launches", &|case| {
                case.replication.as_ref().map(|all| Cell::count(all.launches.len())).into()
            }),
            ("between", &|case| {
                let between = |all: &Replication| Cell::number(all.between_percent, percent);
                case.replication.as_ref().map(between).into()
            }),
            ("reproducible", &|case| {
                let is = |all: &Replication| match (all.launches.len(), all.reproducible) {
                    (0 | 1, _) => "-",
                    (_, true) => "yes",
                    (_, false) => "no",
                };
                case.replication.as_ref().map(is).into()
            }),
            ("x alone", &|case| {
                let ratio = |ratio| Cell::number(ratio, |ratio| format!("{ratio:.2}"));
                case.contention_ratio.map(ratio).into()
            }),
            ("messages", &|case| {
                let each_second = |rate: f64| format!("{} M/s", significant(rate / 1e6));
                shown(case, &MESSAGES).map(|rate| Cell::number(rate, each_second)).into()
            }),
            ("hidden", &|case| {
                shown(case, &OVERLAP).map(|share| Cell::number(share, percent)).into()
            }),
            ("energy", &|case| energy(shown(case, &ENERGY), &ENERGY)),
            ("of data", &|case| energy(shown(case, &ENERGY_OF_BYTES), &ENERGY_OF_BYTES)),
            ("correct", &|case| match accuracy(case).map(|accuracy| accuracy.wrong) {
                Some(0) => "yes".into(),
                Some(wrong) => Cell::from(format!("{wrong} wrong")).taken(Tone::Bad),
                None if report.shows(ACCURACY) => "-".into(),
                None => Cell::default(),
            }),
            ("id", &|case| case.id.as_str().into()),
        ],
    );
    let section = section.map(|section| {
        legend.below(
            section
                .with(rates(report, &rows))
                .with(peaks(&rows))
                .with(checked(&rows).filter(|_| report.shows(ACCURACY)))
                .with(cycles(report))
                .with(lacking(report))
                .with(energy::told(&rows).filter(|_| report.shows(ENERGY.key)))
                .with(within(report)),
        )
    });
    let skipped = skipped.into_iter();
    let skipped = skipped.map(|case| (case.benchmark.as_str(), case.reason.as_deref()));
    let section = match section {
        Some(section) => section.with(words::skipped(skipped)),
        None => Section::notes("cases", words::skipped(skipped))?,
    };
    Some(section.outcome("median").spare(&[
        "correct",
        "of peak",
        "between",
        "reproducible",
        "p95",
        "launches",
        "of data",
        "energy",
        "hidden",
        "messages",
        "x alone",
        "id",
        "iterations",
        "mean",
        "sd",
        "min",
        "max",
    ]))
}

/// A figure of all iterations of one launch, ms.
fn spread(case: &Case, shown: bool, of: impl Fn(&Latency) -> Option<f64>) -> Cell {
    let figure = case.latency().filter(|_| shown).and_then(of);
    figure.map(|figure| Cell::number(figure, format_ms)).into()
}

fn energy(joules: Option<f64>, metric: &Metric) -> Cell {
    joules.map(|joules| Cell::quantity(joules, metric.unit.name())).into()
}

fn is_of_pair(case: &Case) -> bool {
    case.axis == mesh::PAIRS
}

fn is_in_matrix(case: &Case) -> bool {
    is_of_pair(case) && case.outcome == Outcome::Measured
}

fn is_skipped(case: &Case) -> bool {
    case.outcome == Outcome::Skipped && case.measured.is_none()
}

fn ranks(case: &Case) -> String {
    let at_once = case.concurrent && !is_of_pair(case);
    format!("{}{}", case.group, if at_once { " at once" } else { "" })
}

/// What the rates of each benchmark count.
fn rates(report: &Report, cases: &[&Case]) -> Option<String> {
    let rate = |case| report.shown_rate(case);
    let known = cases.iter().filter_map(|case| Some((rate(case)?.0.label, &*case.benchmark)));
    told_of(known).map(|told| format!("rate: {told}"))
}

/// What `of peak` is a share of.
fn peaks(cases: &[&Case]) -> Option<String> {
    let is_known = |case: &&Case| case.efficiency.as_ref().is_some_and(|of| of.peak.is_some());
    let told = "of peak: of what the devices, or the slowest link, can do at best";
    cases.iter().any(is_known).then(|| told.to_owned())
}

/// What was checked of each benchmark, where that is not the data of all.
fn checked(cases: &[&Case]) -> Option<String> {
    let all =
        || cases.iter().filter_map(|case| Some((case.accuracy.as_ref()?.of, &*case.benchmark)));
    let told = told_of(all().map(|(of, benchmark)| (of.name(), benchmark)));
    told.filter(|_| all().any(|(of, _)| of != Checked::Data)).map(|told| format!("checked: {told}"))
}

/// How often the cases ran, where they ran again and again, and how many kept their time.
fn cycles(report: &Report) -> Option<String> {
    let ran = report.cases.iter().filter(|case| !is_skipped(case));
    let all: Vec<&Cycles> = ran.filter_map(|case| case.cycles.as_ref()).collect();
    let counts = || all.iter().map(|cycles| cycles.count);
    let (least, most) = counts().min().zip(counts().max())?;
    let range = if least < most { format!("{least} to ") } else { String::new() };
    let level =
        |cycles: &Cycles| cycles.drift.as_ref().map(|drift| drift.steady_state == Steadiness::Flat);
    let told = [
        (Some(true), "kept one level"),
        (Some(false), "drifted"),
        (None, "ran too rarely to tell drift"),
    ];
    let told = told.map(|(which, how)| {
        let count = all.iter().filter(|cycles| level(cycles) == which).count();
        (count > 0).then(|| format!("{} {how}", counted(count, "case")))
    });
    let told: Vec<String> = told.into_iter().flatten().collect();
    Some(format!(
        "{range}{}, figures are of the first: {}",
        counted(most, "cycle"),
        told.join(", ")
    ))
}

/// How many iterations the figures take that are missing.
fn lacking(report: &Report) -> Option<String> {
    let times = || report.cases.iter().filter_map(Case::latency);
    let alone = report.cases.iter().filter(|case| !is_of_several(case));
    let most = alone.filter_map(|case| Some((case.measured.as_ref()?.iterations, case.latency()?)));
    let most = most.filter(|(_, of)| of.iterations_needed.contains_key("p50"));
    let interval = most.max_by_key(|(iterations, _)| *iterations).map(|(iterations, of)| {
        let few = (iterations as f64) < INDEPENDENT;
        let count = format!(
            " ({iterations} that depend on each other tell as much as {:.1})",
            of.effective_samples
        );
        format!("{INDEPENDENT} independent ones for ±{}", if few { "" } else { &count })
    });
    let needed = times().filter(|of| of.p95.is_none());
    let needed = needed.filter_map(|of| of.iterations_needed.get("p95").copied());
    let p95 = needed.clone().min().zip(needed.max()).map(|(least, most)| match least == most {
        true => format!("about {least} for p95"),
        false => format!("about {least} to {most} for p95"),
    });
    let needed: Vec<String> = interval.into_iter().chain(p95).collect();
    // Other tools do not tell their iterations one by one.
    let own = report.run.imported_from.is_none();
    let told = || format!("missing figures: too few iterations; it takes {}", needed.join(", "));
    (own && !needed.is_empty()).then(told)
}

/// How many launches the report is of, without those that were to measure some of the cases only: these come last.
fn launches(report: &Report) -> usize {
    let all = all_launches(report);
    report.run.config.benchmarking.launches.map_or(all, |whole| all.min(whole as usize))
}

fn all_launches(report: &Report) -> usize {
    report.run.launches.iter().map(|launch| launch.replicate).collect::<BTreeSet<_>>().len()
}

fn is_of_several(case: &Case) -> bool {
    case.replication.as_ref().is_some_and(|all| all.launches.len() > 1)
}

/// What the intervals hold for.
fn within(report: &Report) -> Option<&'static str> {
    let alone = |case: &Case| !is_of_several(case) && case.interval_ms().is_some();
    report.cases.iter().any(alone).then_some(
        "± holds within this launch; launches differ by more, and --launches tells by how much",
    )
}

/// What went wrong with a case, and what is to be said of its figures.
fn remarks(case: &Case, launches: usize) -> Vec<Remark> {
    let wrong = match (case.outcome, &case.reason, &case.error) {
        (Outcome::Failed, _, Some(error)) => {
            let says = format!("FAILED{}: {}", first_failure(case), error.detail);
            Some(Remark::alone(says).taken(Tone::Bad))
        }
        (Outcome::TimedOut, _, Some(error)) => {
            Some(Remark::alone(format!("TIMED OUT: {}", error.detail)).taken(Tone::Bad))
        }
        (Outcome::Skipped, Some(reason), _) => Some(Remark::of(format!("SKIPPED: {reason}"))),
        _ => None,
    };
    let drift = case.cycles.iter().filter_map(|cycles| cycles.drift.as_ref());
    let drift = drift.filter(|drift| drift.steady_state != Steadiness::Flat).map(|drift| {
        let how = change(drift.change_percent);
        let how = format!("{how} since cycle {} at {}", drift.since, drift.time);
        Remark::reaching("drift", how, drift.change_percent.abs()).taken(Tone::Doubtful)
    });
    let several = case.replication.iter().filter(|all| all.launches.len() > 1);
    let differ = several.filter(|all| !all.reproducible).filter_map(|all| {
        let between = all.between_percent?;
        let how = format!("launches vary by {}", percent(between));
        Some(Remark::reaching("not reproducible", how, between).taken(Tone::Doubtful))
    });
    let missing = case.replication.iter().map(|all| {
        let whole = all.launches.iter().filter(|launch| launch.replicate < launches);
        launches.saturating_sub(whole.count())
    });
    let missing = missing.filter(|missing| *missing > 0).map(|missing| {
        let how = format!("{missing} of {launches} launches did not measure it and are left out");
        Remark::reaching("launches missing", how, missing as f64).taken(Tone::Doubtful)
    });
    let all = wrong.into_iter().chain(drift).chain(differ).chain(missing);
    all.chain(caveats(case)).collect()
}

fn caveats(case: &Case) -> impl Iterator<Item = Remark> {
    case.caveats.iter().map(|caveat| {
        // Where nothing is to be done, it is as it was meant to be.
        let tone = if caveat.advice().is_empty() { Tone::Plain } else { Tone::Doubtful };
        Remark::reaching(caveat.mark(), caveat, caveat.extent()).taken(tone)
    })
}

/// When a case that ran again and again failed first.
fn first_failure(case: &Case) -> String {
    let cycles = case.cycles.as_ref().zip(case.error.as_ref());
    let first = cycles.and_then(|(cycles, error)| {
        let time = error.time.as_deref().unwrap_or("an unknown time");
        let (failed, count) = (cycles.failed, cycles.count);
        Some(format!(
            " {failed} of {}, first in cycle {} at {time}",
            counted(count, "time"),
            cycles.first_failure?
        ))
    });
    first.unwrap_or_default()
}

/// Where and with what the run was made, a line each.
fn facts(report: &Report) -> Vec<String> {
    let run = &report.run;
    let named = [("run", &run.config.name), ("about", &run.config.description)];
    let named =
        named.into_iter().filter_map(|(what, text)| Some(format!("{what}: {}", text.as_ref()?)));
    let mut lines: Vec<String> = named.collect();
    match &run.imported_from {
        Some(files) => lines.extend(files.iter().map(|from| {
            let version = from.version.as_deref().unwrap_or("of unknown version");
            format!("imported from {}: {} {version}", from.file, from.tool)
        })),
        None => lines.push(format!(
            "{}, mesh {} (order {}), backend {}, seed {}",
            counted(report.environment.ranks.len(), "rank"),
            report.mesh.shape(),
            report.mesh.order,
            run.backend,
            run.seed
        )),
    }
    if let Some(names) = &run.config.measure {
        lines.push(format!("shows {} (--measure); the report as JSON holds all", names.join(", ")));
    }
    let launches = launches(report);
    if launches > 1 {
        let more = match all_launches(report) - launches {
            0 => String::new(),
            more => format!(" and {more} of doubtful cases only"),
        };
        let confidence = report.cases.iter().find_map(|case| Some(case.latency()?.confidence));
        let needed = launches_needed(confidence.unwrap_or(0.95));
        lines.push(format!(
            "{launches} launches{more}: medians, rates and ± are over launches (± takes {needed}); other figures are of the \
             launch in the middle"
        ));
    }
    // A model computes for another machine than this one.
    if report.topology.is_none() {
        lines.extend(machine(report));
    }
    let mut gpus: BTreeMap<&str, usize> = BTreeMap::new();
    for rank in report.environment.ranks.iter().filter(|rank| rank.device.kind == "cuda") {
        *gpus.entry(&rank.device.name).or_default() += 1;
    }
    let libraries = report.environment.libraries.iter();
    let libraries = libraries.map(|(name, version)| format!("{name} {version}"));
    let libraries = libraries.collect::<Vec<_>>().join(", ");
    let libraries = Some(libraries).filter(|all| !all.is_empty());
    let libraries = libraries.map_or_else(String::new, |all| format!("; {all}"));
    lines.extend(gpus.into_iter().map(|(name, count)| match run.emulated {
        true => format!("{name}, shared by all ranks{libraries}"),
        false => format!("{count} x {name}{libraries}"),
    }));
    if run.emulated {
        lines.push(
            "EMULATED: ranks shared a GPU; times between them say nothing about a machine"
                .to_owned(),
        );
    }
    if let Some(topology) = &report.topology {
        lines.push(format!(
            "SIMULATED: the times come from a model of '{topology}', not from a clock"
        ));
    }
    lines.extend(run.imported_from.as_ref().map(|_| match run.began() {
        None => format!("imported at {}; the log has no date", run.started),
        Some(_) => format!("{} to {}, as the log tells", run.started, run.finished),
    }));
    lines
}

/// What measuring itself cost, when the run was made, and by which build, a line each.
fn details(report: &Report) -> Vec<String> {
    let run = &report.run;
    let mut lines = Vec::new();
    if let (None, Some(floors)) = (&report.topology, &report.floors) {
        let skew = format!(", barrier exit skew {}", format_ms(floors.barrier_exit_skew_ns / 1e6));
        let drift = format!(
            "; {} clocks, drift up to {:.1} ppm, synchronised",
            floors.clocks, floors.clock_drift_ppm
        );
        lines.push(format!(
            "floors: clock step {} ns, empty sample {} ns{}{}",
            floors.clock_step_ns,
            floors.empty_sample_ns,
            if report.environment.ranks.len() > 1 { &skew } else { "" },
            if floors.clocks > 1 { &drift } else { "" }
        ));
    }
    if run.imported_from.is_none() {
        lines.push(format!("{} to {}, build {}", run.started, run.finished, run.build));
    }
    lines
}

/// The nodes and the MPI, a line each.
fn machine(report: &Report) -> impl Iterator<Item = String> {
    let environment = &report.environment;
    let node = |node: &Node| match node {
        Node { host, cores: Some(cores), cpu: Some(cpu), os: Some(os), memory_bytes, .. } => {
            let gib = memory_bytes.unwrap_or(0) as f64 / f64::from(1 << 30);
            format!("{host}: {}, {cpu}, {gib:.0} GiB, {os}", counted(*cores, "core"))
        }
        _ => node.host.clone(),
    };
    let mpi = environment.mpi.iter();
    let mpi = mpi.map(|mpi| format!("{} (thread level {})", mpi.library, mpi.thread_level));
    // What other tools print does not always name the host.
    environment.nodes.iter().map(node).filter(|told| !told.is_empty()).chain(mpi)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Drift, Turn};

    #[test]
    fn cycles_and_their_drift_need_no_wide_terminal() {
        let mut report = crate::render::hostile::everything();
        for (number, case) in report.cases.iter_mut().filter(|case| !is_skipped(case)).enumerate() {
            let turn = Turn { cycle: 0, time: "t".to_owned(), median_ms: Some(1.0) };
            let drift = |steady_state| {
                let time = "noon".to_owned();
                Some(Drift { steady_state, since: 60, time, change_percent: 20.0 })
            };
            let drift = match number {
                0 => drift(Steadiness::None),
                1 => None,
                _ => drift(Steadiness::Flat),
            };
            let count = if number == 0 { 100 } else { 99 };
            case.cycles = Some(Cycles { count, drift, ..Cycles::new(turn, false) });
        }
        let flat = report.cases.iter().filter(|case| !is_skipped(case)).count() - 2;
        let page = Format::Table.write(&report, false).unwrap();
        let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
        let told = format!(
            "99 to 100 cycles, figures are of the first: {flat} cases kept one level, 1 case drifted, 1 case ran too \
             rarely to tell drift"
        );
        assert!(words.contains(&told), "{page}");
        assert!(words.contains("drift: +20.0 % since cycle 60 at noon"), "{page}");
        // A measured pair stands in a matrix only; what is to be said of it is said all the same.
        let pair = report.cases.iter_mut().rev().find(|case| is_in_matrix(case)).unwrap();
        pair.cycles.as_mut().unwrap().drift.as_mut().unwrap().steady_state = Steadiness::Slowing;
        let page = Format::Table.write(&report, false).unwrap();
        assert_eq!(page.matches("drift: ").count(), 2, "{page}");
    }
}
