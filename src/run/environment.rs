//! The environment of all ranks, gathered at rank 0.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::error::Result;
use crate::machine::device::{Board, Device};
use crate::machine::environment::{Environment, Mpi, Node, Rank, TOOLCHAIN, this_node, variables};
use crate::plan::mesh;
use crate::world::{World, mpi_library};

pub(super) fn gather(
    world: &World,
    device: Device,
    (libraries, library_files): (BTreeMap<String, String>, BTreeMap<String, String>),
    board: Option<Board>,
) -> Result<Option<Environment>> {
    let variables = variables();
    let facts = world.gather((this_node(), device, board, libraries.clone(), variables.clone()))?;
    let Some(facts) = facts else { return Ok(None) };
    let mut nodes: Vec<Node> = Vec::new();
    let mut ranks: Vec<Rank> = Vec::new();
    for (rank, ((node, device, board, theirs, set), member)) in
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
            let different = different((&theirs, &set), (&libraries, &variables));
            nodes.push(Node { different, ..node });
            nodes.len() - 1
        });
        if device.kind == "cuda" {
            nodes[index].boards.push(board.unwrap_or_default());
        }
        let local_rank = ranks.iter().filter(|other| other.node == index).count();
        let cores = Some(mesh::format_ranges(member.cores.iter().copied()));
        ranks.push(Rank { rank, node: index, local_rank, device, cores });
    }
    let mpi = world.threading().map(|level| Mpi {
        library: mpi_library().unwrap_or_default(),
        thread_level: level.to_owned(),
    });
    let toolchain = Some(TOOLCHAIN.to_owned());
    Ok(Some(Environment { mpi, toolchain, libraries, library_files, nodes, ranks, variables }))
}

/// Libraries and variables of a rank that are otherwise than rank 0's.
fn different(
    (libraries, variables): (&BTreeMap<String, String>, &BTreeMap<String, String>),
    (own_libraries, own_variables): (&BTreeMap<String, String>, &BTreeMap<String, String>),
) -> BTreeMap<String, Option<String>> {
    let of = |theirs: &BTreeMap<String, String>, own: &BTreeMap<String, String>, kind: &str| {
        let names: BTreeSet<&String> = theirs.keys().chain(own.keys()).collect();
        let other = names.into_iter().filter(|name| theirs.get(*name) != own.get(*name));
        other.map(|name| (format!("{kind}{name}"), theirs.get(name).cloned())).collect::<Vec<_>>()
    };
    let libraries = of(libraries, own_libraries, "");
    libraries.into_iter().chain(of(variables, own_variables, "variable ")).collect()
}
