//! `run --dry-run`: what a plan would run, and what that takes.

use crate::backend::Sample;
use crate::base::units::format_size;
use crate::plan::{Case, Cycles, Plan};
use crate::render::{self, Cell, Document, Section, counted};

pub(super) fn show(plan: &Plan) {
    render::print(&document(plan));
}

fn document(plan: &Plan) -> Document {
    let footprint = |case: &Case| case.work.footprint(case.group.ranks.len());
    let table = Section::table(
        "",
        &plan.cases,
        &[
            ("case", &|case| case.id.as_str().into()),
            ("ranks", &|case| Cell::count(case.group.ranks.len())),
            ("scaling", &|case| case.study.as_ref().map_or("-", |_| "yes").into()),
            ("memory of a rank", &|case| {
                Cell::number(footprint(case) as f64, |_| format_size(footprint(case)))
            }),
        ],
    );
    let largest = plan.cases.iter().map(footprint).max().unwrap_or(0);
    let budget = &plan.budget;
    let rounds = u64::from(budget.iterations);
    let samples: u64 = plan.cases.iter().map(|case| rounds * case.group.ranks.len() as u64).sum();
    let most = budget.max_seconds.map_or_else(String::new, |most| format!(", at most {most} s"));
    let (often, about) = match (&budget.target, budget.min_seconds > 0.0) {
        (Some(target), _) => {
            let percent = 100.0 * target.half_width;
            (format!("until ± {percent} %, at most {rounds} iterations{most}"), "at most ")
        }
        (None, true) => {
            (format!("{rounds} iterations or more, for {} s", budget.min_seconds), "at least ")
        }
        (None, false) => (format!("{rounds} iterations{most}"), ""),
    };
    let cycles = match plan.cycles {
        Cycles::Times(1) => String::new(),
        Cycles::Times(times) => format!("; all of it {times} times"),
        Cycles::Seconds(seconds) => format!("; again and again for {seconds} s"),
    };
    let totals = [
        format!(
            "{} on {} ranks, backend {}; {often} each{cycles}",
            counted(plan.cases.len(), "case"),
            plan.ranks,
            plan.backend.name(),
        ),
        format!(
            "most memory of one rank: {} for the work, {about}{:.1} MB for its samples",
            format_size(largest),
            (rounds * size_of::<Sample>() as u64) as f64 * 1e-6
        ),
        // scripts/compare-with-peers gather: 13 bytes a row after compression.
        format!(
            "samples: {about}{samples}, about {:.1} MB as compressed CSV",
            samples as f64 * 13e-6
        ),
    ];
    let cases = table.unwrap_or_default().with(totals);
    Document { sections: vec![cases], ..Document::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::plan;
    use crate::render::snapshots::drawn;

    #[test]
    fn as_pages() {
        let plan = plan("benchmarks: {gemm: {m: [64, 128]}, barrier: }");
        drawn("dry-run", &document(&plan));
    }
}
