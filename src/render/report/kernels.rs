//! How the kernels of cases came to be machine code, and what they use.

use crate::base::units::format_ms;
use crate::machine::kernel::{Compilation, Level, Stage};
use crate::render::document::{Cell, Section};
use crate::render::words::type_name;
use crate::report::{Case, Report};

/// One row a case whose kernel this program has compiled; for those who look for why.
pub(super) fn section(report: &Report) -> Option<Section> {
    type Row<'a> = (&'a Case, &'a Compilation);
    let cases = report.cases.iter();
    let rows: Vec<Row<'_>> =
        cases.filter_map(|case| Some((case, case.measured.as_ref()?.compile.as_ref()?))).collect();
    let whole = |number: u32| Cell::number(Some(f64::from(number)), |number| number.to_string());
    // The compiler's time was spent only where the machine code was not kept.
    let compiling = |of: &Compilation| -> f64 {
        let compiler = of.stages.iter().filter(|time| time.stage != Stage::Load);
        compiler.map(|time| time.ms).sum()
    };
    let load = |of: &Compilation| {
        let load = of.stages.iter().find(|time| time.stage == Stage::Load);
        Cell::number(load.map(|time| time.ms), format_ms)
    };
    let section = Section::table(
        "kernels",
        &rows,
        &[
            ("benchmark", &|(case, _)| case.benchmark.as_str().into()),
            ("type", &|(case, _)| type_name(case.precision).into()),
            ("arch", &|(_, of)| of.arch.as_str().into()),
            ("level", &|(_, of)| of.level.map_or("", Level::name).into()),
            ("threads", &|(_, of)| whole(of.threads)),
            ("registers", &|(_, of)| whole(of.registers)),
            ("stack", &|(_, of)| whole(of.stack_bytes)),
            ("spilled", &|(_, of)| of.spill_bytes.map(whole).into()),
            ("shared", &|(_, of)| whole(of.shared_bytes)),
            ("blocks/SM", &|(_, of)| {
                of.occupancy.as_ref().map(|occupancy| whole(occupancy.blocks)).into()
            }),
            ("by the driver", &|(_, of)| of.driver_blocks.map(whole).into()),
            ("occupancy", &|(_, of)| {
                let percent = of.occupancy.as_ref().map(|occupancy| occupancy.percent);
                Cell::number(percent, |percent| format!("{percent:.0} %"))
            }),
            ("limited by", &|(_, of)| {
                let limit = of.occupancy.as_ref().map(|occupancy| occupancy.limited_by.clone());
                limit.unwrap_or_default().into()
            }),
            ("compiling", &|(_, of)| Cell::number(Some(compiling(of)), format_ms)),
            ("kept", &|(_, of)| if of.cached { "yes" } else { "no" }.into()),
            ("loading", &|(_, of)| load(of)),
            ("id", &|(case, _)| case.id.as_str().into()),
        ],
    )?;
    let told = "kept: taken from the cache, and compiling was when it was made; SM: multiprocessor";
    Some(section.with([told]).in_files())
}
