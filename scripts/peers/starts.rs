//! Common starts of more ranks than cores: how many rounds have a late rank when ranks yield their core
//! while they wait for the start, and when they spin.
//!
//! `mpirun --oversubscribe -n 4 starts`; `scripts/compare-with-peers starts` does it all.
#![expect(clippy::print_stdout, reason = "a table is what this is for")]

use std::error::Error;

use tesserabench::backend::{Prepared, Sample, Start};
use tesserabench::base::accuracy::Accuracy;
use tesserabench::base::error::Result as Measured;
use tesserabench::measure::timing::{Times, combine};
use tesserabench::measure::{DeviceSpeed, Method, Repeats, Team, measure};
use tesserabench::plan::Plan;
use tesserabench::plan::config::{Config, Protocol, ThreadLevel};
use tesserabench::stats;
use tesserabench::world::clock::{Clock as _, Clocks, CommonTime, HostClock};
use tesserabench::world::{WaitPolicy, World};

/// How often the two manners take turns.
const ALTERNATIONS: usize = 21;

/// Ten microseconds of a core.
struct Busy {
    clock: HostClock,
    /// Those that had a common start, warming up included.
    samples: Vec<Sample>,
}

impl Prepared for Busy {
    fn verify(&mut self) -> Measured<Accuracy> {
        Ok(Accuracy::default())
    }

    fn arm(&mut self, _: u32) -> Measured<()> {
        Ok(())
    }

    fn fire(&mut self, start: Start) -> Measured<Sample> {
        let late = match start {
            Start::At(at) => self.clock.wait_until(at),
            Start::Now => false,
        };
        let began = self.clock.now();
        while self.clock.now() < began + 10_000 {}
        let sample = Sample::by_host(began, self.clock.now(), late);
        self.samples.extend((start != Start::Now).then_some(sample));
        Ok(sample)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let world = World::join(ThreadLevel::Single)?;
    let config: Config = serde_json::from_str(
        r#"{"benchmarks": {"barrier": null}, "benchmarking": {"timing_iterations": 200}}"#,
    )?;
    let plan = Plan::resolve(&config, &world.places())?;
    let ranks: Vec<usize> = (0..world.size()).collect();
    let manners = [WaitPolicy::Yield, WaitPolicy::Spin];
    let mut invalid: [Vec<f64>; 2] = Default::default();
    let mut seconds: [Vec<f64>; 2] = Default::default();
    let mut given_up = [0; 2];
    for _ in 0..ALTERNATIONS {
        for (which, policy) in manners.into_iter().enumerate() {
            let mut busy = Busy { clock: HostClock::new(policy), samples: Vec::new() };
            let clock = busy.clock.clone();
            let time = CommonTime::of(&world, &ranks, &clock, &Clocks::one(world.size()));
            let method = Method {
                case: "starts",
                rank: world.rank(),
                protocol: Protocol::Synchronised,
                budget: &plan.budget,
                communicates: true,
                operations: 1,
                repeats: Repeats::Freely,
                device: DeviceSpeed::default(),
                stop_seconds: 0.0,
            };
            let taken =
                measure(Team { all: &world, group: &world }, time, &mut busy, method, None)?;
            let reduce = |numbers: &mut [i64], op| world.all_reduce(numbers, op);
            let mut times = Times::default();
            times.add(&combine(&busy.samples, world.rank(), reduce), 1);
            if let Some((_, Some(recording))) = taken {
                invalid[which].push(100.0 * times.invalid as f64 / busy.samples.len() as f64);
                seconds[which].push(recording.warmup_seconds + recording.measuring_seconds);
                given_up[which] += usize::from(recording.protocol != Protocol::Synchronised);
            }
        }
    }
    if world.is_root() {
        println!(
            "{} ranks, {ALTERNATIONS} alternations of 200 rounds; medians [quartiles]",
            world.size()
        );
        for which in [0, 1] {
            let at = |values: &[f64], q| stats::quantile(values, q).unwrap_or(f64::NAN);
            let three = |values: &[f64]| {
                format!("{:.2} [{:.2}, {:.2}]", at(values, 0.5), at(values, 0.25), at(values, 0.75))
            };
            println!(
                "{:>6}: invalid {} %, fell back to barriers {} times, {} s a case",
                format!("{:?}", manners[which]).to_lowercase(),
                three(&invalid[which]),
                given_up[which],
                three(&seconds[which]),
            );
        }
    }
    world.leave();
    Ok(())
}
