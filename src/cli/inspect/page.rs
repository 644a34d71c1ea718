//! What people read of a kernel's way to machine code.

use super::facts::{CaseFacts, FunctionFacts, Inspection, Minimum, Schedule, TensorFacts, Uses};
use crate::base::units::{counted, format_ms, format_size, significant};
use crate::machine::kernel::sass::{Class, Sass, Widths};
use crate::machine::kernel::{Level, Stage};
use crate::render::{Cell, Document, Note, Render, Section};

/// Said wherever instructions are counted.
const STATIC: &str =
    "counted in the code, where a loop counts once; how often it runs only a profiler tells";

impl Render for Inspection {
    fn document(&self) -> Document {
        let mut sections: Vec<Section> = Vec::new();
        sections.extend(Section::notes("graph", self.cases.iter().flat_map(graph)));
        sections.extend(self.schedule());
        sections.extend(self.functions());
        sections.extend(Section::notes("instructions", self.named().flat_map(instructions)));
        sections.extend(self.passes());
        Document {
            title: "Kernels".to_owned(),
            sections,
            verdict: format!("compiled by {}", self.compiler),
            ..Document::default()
        }
    }
}

impl Inspection {
    /// The functions of named kernels; they are told of in detail.
    fn named(&self) -> impl Iterator<Item = &FunctionFacts> {
        self.functions.iter().filter(|_| !self.cases.is_empty())
    }

    fn schedule(&self) -> Option<Section> {
        let rows = self.cases.iter();
        let rows = rows.flat_map(|case| case.schedule.iter().map(move |row| (case, row)));
        type Row<'a> = (&'a CaseFacts, &'a Schedule);
        let whole = |number: u64| Cell::number(Some(number as f64), |number| number.to_string());
        let section = Section::table(
            "schedule",
            rows,
            &[
                ("function", &|(_, row): &Row<'_>| row.function.as_str().into()),
                ("problem", &|(case, _)| words(case).into()),
                ("arch", &|(_, row)| row.arch.as_str().into()),
                ("choice", &|(_, row)| row.choice.as_str().into()),
                ("grid", &|(_, row)| grid(row).into()),
                ("block", &|(_, row)| extents(row.block.map(u64::from)).into()),
                ("tile", &|(_, row)| whole(row.tile)),
                ("shared", &|(_, row)| whole(row.shared_bytes.into())),
                ("blocks/SM", &|(_, row)| {
                    row.occupancy.as_ref().map(|of| whole(of.blocks.into())).into()
                }),
                ("occupancy", &|(_, row)| {
                    let percent = row.occupancy.as_ref().map(|of| of.percent);
                    Cell::number(percent, |percent| format!("{percent:.0} %"))
                }),
                ("limited by", &|(_, row)| {
                    let limit = row.occupancy.as_ref().map(|of| of.limited_by.clone());
                    limit.unwrap_or_default().into()
                }),
                ("waves", &|(_, row)| Cell::number(row.waves, significant)),
                ("tail", &|(_, row)| {
                    Cell::number(row.tail_percent, |percent| format!("{percent:.0} %"))
                }),
            ],
        )?;
        let machines: Vec<String> = {
            let rows = self.cases.iter().take(1).flat_map(|case| &case.schedule);
            let known = rows.filter_map(|row| Some((&row.arch, row.multiprocessors?)));
            known.map(|(arch, count)| format!("{arch}: {count} multiprocessors")).collect()
        };
        let told = (!machines.is_empty()).then(|| machines.join(", "));
        let legend = "tile: elements of the output for each block; waves: how often all multiprocessors are filled; tail: \
                      places that stay empty in the last wave, of all";
        let section = section.with(told).with([legend]);
        Some(section.spare(&["problem", "limited by", "shared", "tile", "occupancy", "choice"]))
    }

    fn functions(&self) -> Option<Section> {
        let whole =
            |number: u32| Cell::number(Some(f64::from(number)), |number| number.to_string());
        let used = |of: &FunctionFacts, count: fn(&Uses) -> u32| -> Cell {
            of.uses.as_ref().map(|uses| whole(count(uses))).into()
        };
        let of_code = |of: &FunctionFacts, count: fn(&Sass) -> u32| -> Cell {
            of.sass.as_ref().map(|sass| whole(count(sass))).into()
        };
        let section = Section::table(
            if self.cases.is_empty() { "" } else { "target" },
            &self.functions,
            &[
                ("kernel", &|of| of.kernel.as_str().into()),
                ("function", &|of| of.function.as_str().into()),
                ("arch", &|of| of.arch.as_str().into()),
                ("registers", &|of| used(of, |uses| uses.registers)),
                ("stack", &|of| used(of, |uses| uses.stack_bytes)),
                ("spilled", &|of| used(of, |uses| uses.spill_bytes)),
                ("shared", &|of| used(of, |uses| uses.shared_bytes)),
                ("SASS", &|of| of_code(of, |sass| sass.instructions)),
                ("PTX", &|of| of.ptx.as_ref().map(|ptx| whole(ptx.instructions)).into()),
                ("tensor", &|of| of_code(of, |sass| sass.count(Class::Tensor))),
                ("async copies", &|of| of_code(of, |sass| sass.count(Class::AsyncCopy))),
                ("barriers", &|of| of_code(of, |sass| sass.count(Class::Barrier))),
                ("local", &|of| of_code(of, |sass| sass.count(Class::Local))),
            ],
        )?;
        let section = section
            .with(["stack, spilled (of a thread) and shared (of a block) are bytes"])
            .with([format!("SASS, PTX and all behind them: instructions, {STATIC}")]);
        Some(section.spare(&["PTX", "async copies", "tensor", "barriers", "stack"]))
    }

    /// One row an architecture: the functions of a kernel are compiled together.
    fn passes(&self) -> Option<Section> {
        let mut rows: Vec<&FunctionFacts> = Vec::new();
        for facts in self.named() {
            let of =
                |facts: &FunctionFacts| (facts.kernel.clone(), facts.arch.clone(), facts.level);
            if !rows.iter().any(|known| of(known) == of(facts)) {
                rows.push(facts);
            }
        }
        let ms = |of: &&FunctionFacts, stage: Stage| {
            let time = of.stages.iter().find(|time| time.stage == stage);
            Cell::number(time.map(|time| time.ms), format_ms)
        };
        Section::table(
            "passes",
            &rows,
            &[
                ("kernel", &|of| of.kernel.as_str().into()),
                ("arch", &|of| of.arch.as_str().into()),
                ("level", &|of| of.level.map_or("", Level::name).into()),
                (Stage::Render.name(), &|of| ms(of, Stage::Render)),
                (Stage::FrontEnd.name(), &|of| ms(of, Stage::FrontEnd)),
                (Stage::Nvvm.name(), &|of| ms(of, Stage::Nvvm)),
                (Stage::Ptxas.name(), &|of| ms(of, Stage::Ptxas)),
                (Stage::Other.name(), &|of| ms(of, Stage::Other)),
            ],
        )
        .map(|section| section.spare(&["render", "level"]))
    }
}

/// The sizes of a case.
fn words(case: &CaseFacts) -> String {
    let sizes = case.problem.iter().map(|(key, value)| format!("{key}={value}"));
    sizes.collect::<Vec<_>>().join(",")
}

fn graph(case: &CaseFacts) -> Vec<Note> {
    let graph = &case.graph;
    let tensors = |tensors: &[TensorFacts]| {
        let one = |TensorFacts { name, shape }: &TensorFacts| {
            let axes: Vec<String> = shape.iter().map(ToString::to_string).collect();
            format!("{name} [{}]", axes.join(", "))
        };
        match tensors.is_empty() {
            true => "nothing".to_owned(),
            false => tensors.iter().map(one).collect::<Vec<_>>().join(", "),
        }
    };
    let head = format!("{} {} {}", case.kernel, case.precision.name(), words(case));
    let mut lines = vec![
        format!("reads {}; writes {}", tensors(&graph.inputs), tensors(&graph.outputs)),
        match graph.flops {
            Some(flops) => format!("{} FLOP, {}", significant(flops), format_size(graph.bytes)),
            None => format!("{}; memory limits it", format_size(graph.bytes)),
        },
    ];
    lines.extend(graph.minimum.iter().map(|minimum| least(case, minimum)));
    lines.push("collectives: none".to_owned());
    if case.schedule.is_empty() {
        lines.push("nothing of it was compiled here, so there is no schedule".to_owned());
    }
    let below = lines.into_iter().map(|text| Note { level: 1, text });
    [Note { level: 0, text: head }].into_iter().chain(below).collect()
}

fn least(case: &CaseFacts, minimum: &Minimum) -> String {
    let memory = format!("memory {}", format_ms(minimum.memory_ms));
    let parts = match minimum.arithmetic_ms {
        Some(ms) => format!("{memory}, arithmetic {}", format_ms(ms)),
        None if case.graph.flops.is_none() => memory,
        None => format!("{memory}; no peak in {} is described", case.precision.name()),
    };
    format!("at least {} at the peaks of {} ({parts})", format_ms(minimum.ms()), minimum.machine)
}

fn grid(row: &Schedule) -> String {
    match row.cluster {
        Some(cluster) => format!("{} in clusters of {}", extents(row.grid), extents(cluster)),
        None => extents(row.grid),
    }
}

fn extents([x, y, z]: [u64; 3]) -> String {
    match (y, z) {
        (1, 1) => x.to_string(),
        (_, 1) => format!("{x}x{y}"),
        _ => format!("{x}x{y}x{z}"),
    }
}

/// What stands in a function, by class and by width of what it moves.
fn instructions(facts: &FunctionFacts) -> Vec<Note> {
    let Some(sass) = &facts.sass else { return Vec::new() };
    let mut classes: Vec<(&Class, &u32)> = sass.classes.iter().collect();
    classes.sort_by_key(|(class, count)| (std::cmp::Reverse(**count), **class));
    let classes = classes.iter().map(|(class, count)| format!("{} {count}", class.name()));
    let widths = |what: &str, widths: &Widths| {
        let each = widths.iter().rev().map(|(bytes, count)| format!("{count} of {bytes} B"));
        let each: Vec<String> = each.collect();
        (!each.is_empty()).then(|| format!("{what}: {}", each.join(", ")))
    };
    let moved = [
        widths("loads", &sass.global_loads),
        widths("stores", &sass.global_stores),
        widths("shared loads", &sass.shared_loads),
        widths("shared stores", &sass.shared_stores),
    ];
    let moved: Vec<String> = moved.into_iter().flatten().collect();
    let head = format!(
        "{} {}: {}",
        facts.function,
        facts.arch,
        counted(u64::from(sass.instructions), "instruction")
    );
    let below = [classes.collect::<Vec<_>>().join(", "), moved.join("; ")];
    let below = below.into_iter().filter(|text| !text.is_empty());
    let below = below.map(|text| Note { level: 1, text });
    [Note { level: 0, text: head }].into_iter().chain(below).collect()
}
