//! What heartbeats cost: an all_reduce of 8 bytes with and without them, alternated inside one MPI job.
//!
//! `mpirun -n 2 --bind-to core heartbeats single|funneled SILENCE_SECONDS`; `scripts/compare-with-peers heartbeats`
//! does it all. A rank heartbeats five times in SILENCE_SECONDS, at most once a second.
#![expect(clippy::print_stdout, reason = "a table is what this is for")]

use std::error::Error;

use tesserabench::backend::{self, Peers};
use tesserabench::measure::{DeviceSpeed, Method, Repeats, Team, measure};
use tesserabench::plan::config::{Config, from_name};
use tesserabench::plan::{Deadlines, Plan};
use tesserabench::stats;
use tesserabench::watchdog::Watchdog;
use tesserabench::world::World;
use tesserabench::world::clock::{Clocks, CommonTime};
use tesserabench::world::progress::{self, Phase};

/// How often the three runs take turns: with heartbeats, and twice without.
const ALTERNATIONS: usize = 11;

/// How long each takes, seconds.
const SECONDS: f64 = 1.2;

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: heartbeats single|funneled SILENCE_SECONDS";
    let level = std::env::args().nth(1).ok_or(usage)?;
    let silence: f64 = std::env::args().nth(2).ok_or(usage)?.parse()?;
    let config: Config = serde_json::from_str(&format!(
        r#"{{"benchmarks": {{"all_reduce": {{"bytes": 8}}}}, "backend": "host",
            "benchmarking": {{"batch": 100, "min_time": {SECONDS}}}, "deadlines": {{"silence": {silence}}}}}"#,
    ))?;
    let deadlines = Deadlines::resolve(&config, 2, None)?;
    let world = World::join(from_name("level", &level)?)?;
    let plan = Plan::resolve(&config, &world.places())?;
    let backend = backend::open(&plan, &world)?;
    let case = &plan.cases[0];
    let mut prepared = backend.prepare(&case.work, &case.group, Peers::of(&world))?;
    let clocks = Clocks::one(world.size());
    let mut figures: [Vec<[f64; 2]>; 3] = Default::default();
    for alternation in 0..ALTERNATIONS {
        for turn in 0..3 {
            let which = (alternation + turn) % 3;
            progress::enter(Phase::Measure);
            let mut watch = (which == 0).then(|| Watchdog::start(deadlines, 2)).transpose()?;
            if let Some(watch) = &mut watch {
                watch.connect(&world)?;
            }
            let time = CommonTime::of(&world, &case.group.ranks, backend.clock(), &clocks);
            let method = Method {
                case: "heartbeats",
                rank: world.rank(),
                protocol: plan.protocol,
                budget: &plan.budget,
                communicates: true,
                operations: 1,
                repeats: Repeats::Freely,
                device: DeviceSpeed::default(),
                stop_seconds: 0.0,
            };
            let taken =
                measure(Team { all: &world, group: &world }, time, &mut *prepared, method, None)?;
            if let Some((_, Some(recording))) = taken {
                let times = &recording.times.global;
                let mean = times.iter().sum::<f64>() / times.len() as f64;
                figures[which].push([stats::median(times).ok_or("every round was late")?, mean]);
            }
            // Where the server closes first, that is no fault in this phase.
            progress::enter(Phase::Leave);
            world.barrier();
            if let Some(watch) = watch {
                watch.leave();
            }
        }
    }
    if world.is_root() {
        let heartbeats = deadlines.interval(world.size());
        let of = |which: usize, what: usize| {
            figures[which].iter().map(|figure| figure[what]).collect::<Vec<_>>()
        };
        let ratio = |which: usize, what: usize| {
            let ratios: Vec<f64> =
                of(which, what).iter().zip(of(1, what)).map(|(one, other)| one / other).collect();
            let at = |q| stats::quantile(&ratios, q).unwrap_or(f64::NAN);
            format!("{:.3} [{:.3}, {:.3}]", at(0.5), at(0.25), at(0.75))
        };
        let nanos = stats::median(&of(1, 0)).unwrap_or(f64::NAN);
        println!(
            "{level:<9} heartbeat each {heartbeats:>5.2} s: without {nanos:6.1} ns; with/without median {} (A/A {}), mean {} (A/A {})",
            ratio(0, 0),
            ratio(2, 0),
            ratio(0, 1),
            ratio(2, 1)
        );
    }
    drop(prepared);
    world.leave();
    Ok(())
}
