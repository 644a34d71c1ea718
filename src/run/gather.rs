//! Samples on their way from the ranks that took them to rank 0 and to the disk, a block of rounds at a
//! time: nobody but their owner ever holds all of a rank's.

use super::sidecar::{CaseSamples, Sidecar};
use crate::backend::Sample;
use crate::base::error::Result;
use crate::report::Samples;
use crate::world::World;

/// Samples of all ranks that rank 0 holds at a time: about 10 MiB as they are sent, 20 MiB in memory.
const SAMPLES_PER_BLOCK: usize = 1 << 19;

/// Brings `own` samples of every rank of a case, named by its id, its cycle and its world ranks, to rank 0's
/// sidecar. Every rank of `world` calls this; those that were not in the case bring none. What comes of
/// writing is known to rank 0 only, so that the others send on whatever it is.
pub(super) fn samples(
    world: &World,
    (case, cycle, ranks): (&str, usize, &[usize]),
    own: Vec<Sample>,
    mut sidecar: Option<&mut Sidecar>,
) -> Result<Result<Samples>> {
    let rounds = usize::try_from(world.max(own.len() as i64)).unwrap_or(0);
    let per_block = (SAMPLES_PER_BLOCK / ranks.len()).max(1);
    let mut series = CaseSamples::new((case, cycle), ranks, rounds);
    let mut written = Ok(());
    let mut own = own.into_iter();
    for _ in 0..rounds.div_ceil(per_block) {
        // While rank 0 writes, the others leave it their cores.
        world.park();
        let parts = world.gather(own.by_ref().take(per_block).collect::<Vec<_>>())?;
        if let (Some(mut parts), Some(sidecar), Ok(())) = (parts, &mut sidecar, &written) {
            let block: Vec<_> =
                ranks.iter().map(|&rank| std::mem::take(&mut parts[rank])).collect();
            written = series.add(&block, sidecar);
        }
    }
    Ok(written.and_then(|()| match sidecar {
        Some(sidecar) => series.finish(sidecar),
        None => Ok(Samples::None),
    }))
}
