//! The environment of all ranks, gathered at rank 0.

use std::collections::BTreeMap;

use crate::base::error::Result;
use crate::machine::device::Device;
use crate::machine::environment::{Environment, Mpi, Node, Rank, TOOLCHAIN, this_node, variables};
use crate::plan::mesh;
use crate::world::{World, mpi_library};

pub(super) fn gather(
    world: &World,
    device: Device,
    libraries: BTreeMap<String, String>,
) -> Result<Option<Environment>> {
    let facts = world.gather((this_node(), device, libraries.clone()))?;
    let Some(facts) = facts else { return Ok(None) };
    let mut nodes: Vec<Node> = Vec::new();
    let mut ranks: Vec<Rank> = Vec::new();
    for (rank, ((node, device, theirs), member)) in
        facts.into_iter().zip(world.members()).enumerate()
    {
        if theirs != libraries {
            let [theirs, own] = [&theirs, &libraries].map(|libraries| {
                let named = libraries.iter().map(|(name, version)| format!("{name} {version}"));
                named.collect::<Vec<_>>().join(", ")
            });
            tracing::warn!("rank {rank} has {theirs}; rank 0 has {own}");
        }
        let index = nodes.iter().position(|known| known.host == node.host).unwrap_or_else(|| {
            nodes.push(node);
            nodes.len() - 1
        });
        let local_rank = ranks.iter().filter(|other| other.node == index).count();
        let cores = Some(mesh::format_ranges(member.cores.iter().copied()));
        ranks.push(Rank { rank, node: index, local_rank, device, cores });
    }
    let mpi = world.threading().map(|level| Mpi {
        library: mpi_library().unwrap_or_default(),
        thread_level: level.to_owned(),
    });
    let (toolchain, variables) = (Some(TOOLCHAIN.to_owned()), variables());
    Ok(Some(Environment { mpi, toolchain, libraries, nodes, ranks, variables }))
}
