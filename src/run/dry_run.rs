//! `run --dry-run`: what a plan would run, and what that takes.

use super::recorder::SAMPLE_BYTES;
use crate::backend::Sample;
use crate::base::units::{counted, format_about, format_size, rounded};
use crate::plan::{BackendSpec, Case, Cycles, Plan};
use crate::render::{self, Cell, Document, Section};

/// Rates of a rank that a guess of the duration rests on: bytes between ranks, bytes in memory and operations each
/// second, and seconds of each call.
struct Rates(f64, f64, f64, f64);

const HOST: Rates = Rates(2e9, 8e9, 5e10, 5e-6);
const GPU: Rates = Rates(5e10, 1e12, 2e13, 3e-5);

/// Seconds to start a rank, and to connect, prepare and write a case with one.
const START_S: f64 = 0.1;
const CASE_S: f64 = 0.05;

/// Prints what a plan would run.
pub fn show(plan: &Plan) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    render::print(&document(plan, cores));
}

/// About how long a plan takes, seconds. On a busy machine it takes longer.
fn guess(plan: &Plan, cores: usize) -> f64 {
    let budget = &plan.budget;
    let sharing = |ranks: usize| ranks.div_ceil(cores) as f64;
    let rounds = |seconds: f64| match &budget.target {
        Some(_) => budget.max_seconds.unwrap_or(seconds),
        None => seconds.clamp(budget.min_seconds, budget.max_seconds.unwrap_or(f64::MAX)),
    };
    let case = |case: &Case| {
        let ranks = case.group.ranks.len();
        let counts = case.work.counts(ranks);
        let (Rates(moved, memory, flops, call), slower) = match plan.backend {
            BackendSpec::Simulated(_) => return CASE_S * sharing(ranks),
            BackendSpec::Host => (HOST, sharing(ranks)),
            BackendSpec::Cuda { .. } => (GPU, 1.0),
        };
        let bytes = |bytes: Option<u64>| bytes.unwrap_or(0) as f64;
        let operation = call
            + bytes(counts.algorithm_bytes) * counts.bus_factor.unwrap_or(1.0) / moved
            + bytes(counts.memory_traffic_bytes) / memory
            + counts.flops.unwrap_or(0.0) / flops;
        let all = f64::from(budget.iterations + 3 * budget.warmup);
        let checks = case.work.footprint(ranks) as f64 / HOST.0;
        CASE_S + slower * (checks + rounds(all * operation))
    };
    let cases: f64 = plan.cases.iter().map(case).sum();
    let all = match plan.cycles {
        Cycles::Times(times) => f64::from(times) * cases,
        Cycles::Seconds(seconds) => seconds.max(cases),
    };
    START_S * sharing(plan.ranks) + all
}

fn document(plan: &Plan, cores: usize) -> Document {
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
            ("skipped", &|case| plan.skipped(case).unwrap_or_default().into()),
        ],
    );
    let largest = plan.cases.iter().map(footprint).max().unwrap_or(0);
    let budget = &plan.budget;
    let rounds = u64::from(budget.iterations);
    let samples: u64 = plan.cases.iter().map(|case| rounds * case.group.ranks.len() as u64).sum();
    let most = budget.max_seconds.map_or_else(String::new, |most| format!(", at most {most} s"));
    let many = counted(rounds, "iteration");
    let (often, about) = match (&budget.target, budget.min_seconds > 0.0) {
        (Some(target), _) => {
            // A share of 0.07 is 7 %, whatever its last bits say.
            let percent = rounded(100.0 * target.half_width, 6);
            (format!("until ± {percent} %, at most {many}{most}"), "at most ")
        }
        (None, true) => (format!("{many} or more, for {} s", budget.min_seconds), "at least "),
        (None, false) => (format!("{many}{most}"), ""),
    };
    let cycles = match plan.cycles {
        Cycles::Times(1) => String::new(),
        Cycles::Times(times) => format!("; all of it {times} times"),
        Cycles::Seconds(seconds) => format!("; again and again for {seconds} s"),
    };
    let up_to = if budget.target.is_some() { "up to " } else { "" };
    let totals = [
        format!(
            "{} on {}, backend {}; {often} each{cycles}",
            counted(plan.cases.len(), "case"),
            counted(plan.ranks, "rank"),
            plan.backend.name(),
        ),
        format!(
            "most memory of one rank: {} for the work, {about}{:.1} MB for its samples",
            format_size(largest),
            (rounds * size_of::<Sample>() as u64) as f64 * 1e-6
        ),
        format!(
            "samples: {about}{samples}, about {:.1} MB as compressed CSV",
            (samples * SAMPLE_BYTES) as f64 * 1e-6
        ),
        format!("takes {up_to}about {}, by a rough guess", format_about(guess(plan, cores))),
    ];
    let table = table.unwrap_or_default().whole("case");
    let cases = table.spare(&["memory of a rank", "ranks", "scaling"]).with(totals);
    Document { sections: vec![cases], ..Document::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::plan;
    use crate::render::snapshots::drawn;

    #[test]
    fn a_guess_follows_the_budget() {
        let about = |yaml: &str| {
            let sizes = format!("benchmarks: {{gemm: {{m: 1024}}}}\n{yaml}");
            format_about(guess(&plan(&sizes), 8))
        };
        let most = |yaml: &str| document(&plan(yaml), 8).sections[0].notes[3].text.clone();
        assert_eq!(about("benchmarking: {min_time: 1m}"), "1m");
        assert_eq!(about("benchmarking: {duration: 2h}"), "2h");
        assert_eq!(about("benchmarking: {timing_iterations: 1000000, max_time: 20}"), "20s");
        assert_eq!(about("backend: simulated"), "1s");
        assert!(most("benchmarking: {precision_target: 1%}").starts_with("takes up to about "));
        let until = document(&plan("benchmarking: {precision_target: 7%}"), 8);
        assert!(until.sections[0].notes[0].text.contains("until ± 7 %,"));
    }

    #[test]
    fn as_pages() {
        let plan = plan("benchmarks: {gemm: {m: [64, 128]}, barrier: }");
        drawn("dry-run", &document(&plan, 2));
    }
}
