//! How fast a million samples of each rank get to rank 0 and to the disk, and with how much memory.
//!
//! `mpirun -n 64 --oversubscribe gather FOLDER [SAMPLES]`; `scripts/compare-with-peers gather` does it all.
#![expect(clippy::print_stdout, reason = "a table is what this is for")]

use std::error::Error;
use std::time::Instant;

use tesserabench::backend::Sample;
use tesserabench::base::random::Stream;
use tesserabench::plan::config::ThreadLevel;
use tesserabench::run::sidecar::{self, Sidecar};
use tesserabench::world::World;
use tesserabench::world::wire;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: gather FOLDER [SAMPLES]")?;
    let count: usize = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let world = World::join(ThreadLevel::Single)?;
    let ranks: Vec<usize> = (0..world.size()).collect();
    let mut random = Stream::new(1, "gather", &[world.rank() as u64]);
    // Iterations of 5 to 10 us, one after the other, as all_reduce of a few KiB has them.
    let mut now = 1_000_000_000_000_000;
    let samples: Vec<Sample> = (0..count)
        .map(|_| {
            let start = now + 2_000;
            now = start + 5_000 + random.below(5_000) as i64;
            Sample::by_host(start, now, false)
        })
        .collect();
    let bytes = wire::encode(&samples[..count.min(1000)].to_vec())?.len() * count / count.min(1000);
    let path = format!("{folder}/gather.samples.csv.gz");
    let mut sidecar = world.is_root().then(|| Sidecar::at(path.clone().into()));
    let before = memory_mib("VmHWM")?;
    world.barrier();
    let began = Instant::now();
    sidecar::gather(&world, ("gather", 0, &ranks), samples, sidecar.as_mut())??;
    let seconds = began.elapsed().as_secs_f64();
    if sidecar.is_some() {
        let moved = (bytes * ranks.len()) as f64;
        let file = std::fs::metadata(path)?.len() as f64;
        println!(
            "{} ranks x {count} samples: {:.2} GB moved, {:.2} GB written",
            ranks.len(),
            moved / 1e9,
            file / 1e9
        );
        println!(
            "{seconds:.1} s: {:.3} GB/s moved, {:.2} million samples/s",
            moved / 1e9 / seconds,
            (count * ranks.len()) as f64 / 1e6 / seconds
        );
        println!(
            "{:.1} bytes a sample moved, {:.1} written",
            moved / (count * ranks.len()) as f64,
            file / (count * ranks.len()) as f64
        );
        println!(
            "peak memory of rank 0: {before} MiB with its own samples, {} MiB in the end",
            memory_mib("VmHWM")?
        );
    }
    world.leave();
    Ok(())
}

/// A line of /proc/self/status, MiB.
fn memory_mib(key: &str) -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(key)).ok_or("no such line")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse::<u64>()? / 1024)
}
