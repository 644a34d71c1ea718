//! The summary of a run as a document.

use super::analysis::{findings, leaderboard, throughput};
use super::document::{Attention, Cell, Document, Section};
use super::plot::Tone;
use super::verdicts::{name, sentence, tone};
use super::words::{change, date, quantity};
use super::{Render, limits};
use crate::base::error::Exit;
use crate::base::units::{counted, format_ms, significant};
use crate::report::{Compared, RunSummary};

const REGRESSIONS: &str = "regressions";

impl Render for RunSummary {
    fn document(&self) -> Document {
        let boards = self.leaderboards.iter().filter_map(|board| leaderboard(board, false));
        let parts = [environment(self), resources(self)].into_iter().flatten();
        let mut sections: Vec<Section> = parts.collect();
        sections.extend(boards.map(|board| Section { detail: false, ..board }));
        sections.extend(throughput(&self.throughput, false));
        sections.extend(
            findings::section(&self.findings, false)
                .map(|section| Section { title: "key findings".to_owned(), ..section }),
        );
        sections.extend(Section::notes("recommendations", self.recommendations.iter().cloned()));
        sections.extend(limits::section(&self.limits));
        sections.extend(regressions(self));
        let mut attention = findings::attention(&self.findings, false);
        attention.iter_mut().for_each(|item| "key findings".clone_into(&mut item.at));
        attention.extend(limits::attention(&self.limits));
        let worse =
            self.regressions.iter().flatten().filter(|case| tone(case.verdict) == Tone::Bad);
        attention.extend(worse.map(|case| Attention {
            says: sentence(case),
            at: REGRESSIONS.to_owned(),
            tone: Tone::Bad,
        }));
        Document {
            title: "Summary".to_owned(),
            facts: vec![format!(
                "run {}, {} to {}; {} of {} can be relied on",
                self.run,
                date(self.started.as_deref()),
                self.finished,
                self.tally.reliable,
                counted(self.tally.measured, "measured case")
            )],
            attention,
            sections,
            verdict: self.verdict.clone(),
            exit: Exit::from_code(self.exit),
            unsure: false,
            ..Document::default()
        }
    }
}

fn environment(summary: &RunSummary) -> Option<Section> {
    Section::table(
        "environment",
        &summary.environment,
        &[("what", &|(what, _)| what.as_str().into()), ("is", &|(_, is)| is.as_str().into())],
    )
}

/// What the run took; a row for each thing that is known.
fn resources(summary: &RunSummary) -> Option<Section> {
    let of = &summary.resources;
    let seconds = |time: f64| format_ms(1e3 * time);
    let peak = of.host_peak_bytes.map(|bytes| {
        let by = of.host_peak_of.as_ref().map(|(case, rank)| format!(" (rank {rank} in {case})"));
        let mebibytes = bytes as f64 / f64::from(1 << 20);
        format!("{mebibytes:.0} MiB{}", by.unwrap_or_default())
    });
    let known = [
        ("measuring", of.measuring_seconds.map(seconds)),
        ("warming up", of.warmup_seconds.map(seconds)),
        ("memory of a rank's process at most", peak),
        (
            "energy of all devices during the cases",
            of.energy_joules.map(|it| format!("{} J", significant(it))),
        ),
        ("power of a GPU at most", of.power_watts.map(|it| format!("{} W", significant(it)))),
        ("temperature of a GPU at most", of.temperature_celsius.map(|it| format!("{it} °C"))),
        ("cases in which a GPU throttled", of.throttled_cases.map(|count| count.to_string())),
    ];
    let known = known.into_iter().filter_map(|(what, is)| Some((what, is?)));
    Section::table(
        "resources",
        known,
        &[("what", &|(what, _)| (*what).into()), ("is", &|(_, is)| is.as_str().into())],
    )
}

/// What is worse than the baseline, or may be; that nothing is.
fn regressions(summary: &RunSummary) -> Option<Section> {
    let worse = summary.regressions.as_ref()?;
    let section = Section::table(
        REGRESSIONS,
        worse,
        &[
            ("case", &|case: &&Compared| case.id.as_str().into()),
            ("baseline", &|case| Cell::number(case.baseline, |it| quantity(it, &case.unit))),
            ("now", &|case| Cell::number(case.candidate, |it| quantity(it, &case.unit))),
            ("worse by", &|case| Cell::number(case.worse_percent, change)),
            ("verdict", &|case| Cell::from(name(case.verdict)).taken(tone(case.verdict))),
        ],
    );
    section.or_else(|| Section::notes(REGRESSIONS, ["nothing is worse than the baseline"]))
}
