//! Our timed all_reduce against a plain C loop, alternated inside one MPI job.
//!
//! `mpirun -n 2 --bind-to core c-loop PATH/TO/c_loop.so`; `scripts/compare-with-peers c-loop` does it all.
#![expect(unsafe_code, reason = "the peer is C")]
#![expect(clippy::print_stdout, reason = "a table is what this is for")]

use std::error::Error;
use std::ffi::c_int;

use libloading::{Library, Symbol};
use tesserabench::backend::{self, Peers, Sample};
use tesserabench::measure::timing::{Times, combine};
use tesserabench::measure::{DeviceSpeed, Method, Repeats, Team, measure};
use tesserabench::plan::Plan;
use tesserabench::plan::config::{Config, ThreadLevel};
use tesserabench::stats;
use tesserabench::world::World;
use tesserabench::world::clock::{Clocks, CommonTime};

/// How often the three runs take turns at each size.
const ALTERNATIONS: usize = 41;

type CLoop = unsafe extern "C" fn(c_int, c_int, c_int, c_int, *mut i64, *mut i64, *mut u8);

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: c-loop PATH/TO/c_loop.so")?;
    // SAFETY: the library is ours and runs nothing when it is loaded.
    let library = unsafe { Library::new(path)? };
    // SAFETY: c_loop.c defines it with this signature.
    let c_loop: Symbol<'_, CLoop> = unsafe { library.get(b"c_loop")? };

    let world = World::join(ThreadLevel::Single)?;
    let config: Config = serde_json::from_str(
        r#"{"benchmarks": {"all_reduce": {"bytes": "8..4MiB*8,4MiB"}}, "benchmarking": {"warmup_iterations": 3}}"#,
    )?;
    let plan = Plan::resolve(&config, &world.places())?;
    let backend = backend::open(&plan, &world)?;
    if world.is_root() {
        println!(
            "all_reduce f32, {} ranks, {ALTERNATIONS} alternations; median [quartiles]",
            world.size()
        );
        println!(
            "{:>9} {:>5} {:>12} {:>12}  {:<24} C/C (A/A)",
            "bytes", "batch", "ours us", "C us", "ours/C"
        );
    }
    let clocks = Clocks::one(world.size());
    for case in &plan.cases {
        let bytes = case.problem["bytes"].number().ok_or("no bytes")?;
        let mut budget = plan.budget.clone();
        budget.iterations = if bytes <= 64 << 10 { 400 } else { 60 };
        let mut prepared = backend.prepare(&case.work, &case.group, Peers::of(&world))?;
        prepared.verify()?;
        let count = c_int::try_from(bytes / 4)?;
        let mut batch = 1;
        let mut medians: [Vec<f64>; 3] = Default::default();
        for alternation in 0..ALTERNATIONS {
            let mut turns = [None; 3];
            for turn in 0..3 {
                let which = (alternation + turn) % 3;
                let times = if which == 0 {
                    let time = CommonTime::of(&world, &case.group.ranks, backend.clock(), &clocks);
                    let method = Method {
                        case: "c-loop",
                        rank: world.rank(),
                        protocol: plan.protocol,
                        budget: &budget,
                        communicates: true,
                        operations: 1,
                        repeats: Repeats::Freely,
                        device: DeviceSpeed::default(),
                        stop_seconds: 0.0,
                    };
                    let ours = measure(
                        Team { all: &world, group: &world },
                        time,
                        &mut *prepared,
                        method,
                        None,
                    )?
                    .and_then(|(_, recording)| recording);
                    batch = world.broadcast(ours.as_ref().map(|ours| ours.batch))?;
                    // What is too short to time depends on the moment; the turns must be alike.
                    budget.batch = Some(batch);
                    // Rounds that a barrier starts are no longer those of the C loop.
                    let ours = ours.filter(|ours| ours.protocol == plan.protocol);
                    ours.map(|ours| ours.times).unwrap_or_default()
                } else {
                    theirs(&world, &c_loop, (count, budget.warmup, budget.iterations, batch))
                };
                turns[which] = stats::median(&times.global);
            }
            // A turn all of whose rounds were late has nothing to set beside the others.
            if let [Some(ours), Some(first), Some(second)] = turns {
                for (medians, turn) in medians.iter_mut().zip([ours, first, second]) {
                    medians.push(turn);
                }
            }
        }
        if world.is_root() {
            print(bytes, batch, &medians);
        }
    }
    world.leave();
    Ok(())
}

/// The C loop's samples, put together as ours are.
fn theirs(
    world: &World,
    c_loop: &CLoop,
    (count, warmup, rounds, batch): (c_int, u32, u32, u32),
) -> Times {
    let n = rounds as usize;
    let (mut starts, mut ends, mut late) = (vec![0i64; n], vec![0i64; n], vec![0u8; n]);
    // SAFETY: each array has `rounds` elements, and every rank calls with the same numbers.
    unsafe {
        c_loop(
            count,
            warmup.cast_signed(),
            rounds.cast_signed(),
            batch.cast_signed(),
            starts.as_mut_ptr(),
            ends.as_mut_ptr(),
            late.as_mut_ptr(),
        );
    }
    let stamps = starts.into_iter().zip(ends).zip(late);
    let samples: Vec<Sample> =
        stamps.map(|((start, end), late)| Sample::by_host(start, end, late != 0)).collect();
    let rounds = combine(&samples, world.rank(), |numbers, op| world.all_reduce(numbers, op));
    let mut times = Times::default();
    times.add(&rounds, batch);
    times
}

fn print(bytes: u64, batch: u32, [ours, first, second]: &[Vec<f64>; 3]) {
    let ratios = |of: &[f64]| {
        let ratios: Vec<f64> = of.iter().zip(first).map(|(of, to)| of / to).collect();
        let at = |q| stats::quantile(&ratios, q).unwrap_or(f64::NAN);
        format!("{:.3} [{:.3}, {:.3}]", at(0.5), at(0.25), at(0.75))
    };
    let us = |nanos: &[f64]| stats::median(nanos).unwrap_or(f64::NAN) / 1e3;
    let left_out = match ALTERNATIONS - first.len() {
        0 => String::new(),
        left_out => format!("  {left_out} alternations left out: a rank was late in every round"),
    };
    println!(
        "{bytes:>9} {batch:>5} {:>12.3} {:>12.3}  {:<24} {}{left_out}",
        us(ours),
        us(first),
        ratios(ours),
        ratios(second)
    );
}
