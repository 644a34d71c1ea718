//! What else is known of the kernels of cases: the memory that they take, where it lies, what bounds them, and whether
//! they leave the same bits each time.

use crate::base::units::format_size;
use crate::machine::cache::MemoryLevel;
use crate::render::document::{Cell, Section};
use crate::render::words::{percent, placed, type_name};
use crate::report::{Case, Footprint, Report, Roof};

/// One row a measured kernel; for those who look for why.
pub(super) fn section(report: &Report) -> Option<Section> {
    type Row<'a> = (&'a Case, &'a Footprint);
    let is_kernel = |case: &&Case| {
        case.measured.is_some() && case.counts.is_some_and(|counts| !counts.communicates)
    };
    let kernels = report.cases.iter().filter(is_kernel);
    let rows: Vec<Row<'_>> =
        kernels.filter_map(|case| Some((case, case.footprint.as_ref()?))).collect();
    let asked = |of: &Footprint| {
        let words = of.asked.iter().map(|(key, word)| format!("{key}={word}"));
        words.collect::<Vec<_>>().join(" ")
    };
    let section = Section::table(
        "work of kernels",
        &rows,
        &[
            ("benchmark", &|(case, _)| case.benchmark.as_str().into()),
            ("type", &|(case, _)| type_name(case.precision).into()),
            ("problem", &|(case, _)| placed(&case.problem, case.placement).into()),
            ("asked", &|(_, of)| asked(of).into()),
            ("tensors", &|(_, of)| Cell::number(of.bytes as f64, |_| format_size(of.bytes))),
            ("fits", &|(_, of)| of.fits.map(MemoryLevel::name).unwrap_or_default().into()),
            ("bound by", &|(_, of)| of.bound.map(Roof::name).unwrap_or_default().into()),
            ("of best", &|(case, _)| {
                let share = case.efficiency.as_ref().and_then(|of| of.of_best_percent);
                share.map(|share| Cell::number(share, percent)).into()
            }),
            ("peak", &|(case, _)| {
                let of = case.efficiency.as_ref();
                of.and_then(|of| of.source.as_deref()).unwrap_or_default().into()
            }),
            ("deterministic", &|(case, _)| {
                let is = |is| if is { "yes" } else { "no" };
                case.accuracy.as_ref().and_then(|of| of.deterministic).map(is).into()
            }),
            ("id", &|(case, _)| case.id.as_str().into()),
        ],
    )?;
    let any = |has: fn(&Row<'_>) -> bool| rows.iter().any(has);
    let told = [
        (
            any(|(case, _)| case.accuracy.as_ref().is_some_and(|of| of.deterministic.is_some())),
            "deterministic: the same bits when it was verified and when it was timed last",
        ),
        (
            any(|(_, of)| of.fits.is_some()),
            "fits: the nearest level whose share of a rank holds all tensors",
        ),
        (
            any(|(_, of)| of.bound.is_some()),
            "bound by: on the roofline of the highest rates of this run, by type and level",
        ),
        (
            any(|(case, _)| {
                case.efficiency.as_ref().is_some_and(|of| of.of_best_percent.is_some())
            }),
            "of best: a rank's rate beside the highest of this run, of arithmetic by type or of memory by level",
        ),
    ];
    let told = told.into_iter().filter(|(is_shown, _)| *is_shown).map(|(_, told)| told);
    Some(section.with(told).in_files())
}
