//! On which groups benchmarks are placed.

use crate::config::{Config, ScalingKind};
use crate::error::{Error, Result};
use crate::mesh::{self, Group, Mesh};

/// On which groups benchmarks are placed.
pub(super) struct Placing {
    /// For benchmarks whose ranks exchange data.
    pub(super) collective: Vec<Group>,
    /// For benchmarks that every rank runs by itself.
    pub(super) single: Vec<Group>,
    /// The scaling study, with the numbers of ranks.
    pub(super) scaling: Option<(ScalingKind, Vec<usize>)>,
}

impl Placing {
    /// What a configuration asks for on this mesh.
    ///
    /// # Errors
    /// Usage error for groups that cannot be.
    pub(super) fn resolve(config: &Config, mesh: &Mesh) -> Result<Self> {
        let scaling = scaling(config, mesh.ranks())?;
        if let Some(groups) = &config.mesh.groups {
            if config.mesh.axes.is_some() {
                return Err(Error::usage(
                    "groups are named by an axis or by hand; give --axis or --groups",
                ));
            }
            let groups = Group::parse_list(groups, mesh.ranks())?;
            return Ok(Self { collective: groups.clone(), single: groups, scaling });
        }
        if let Some(axes) = &config.mesh.axes {
            let groups: Vec<Group> = axes
                .iter()
                .map(|axis| mesh.groups(axis))
                .collect::<Result<Vec<_>>>()?
                .into_iter()
                .flatten()
                .collect();
            return Ok(Self { collective: groups.clone(), single: groups, scaling });
        }
        let world = mesh.groups(mesh::WORLD)?;
        let axes = mesh.axes.iter().filter(|axis| axis.size > 1 && config.mesh.shape.is_some());
        let mut collective = Vec::new();
        for axis in axes {
            collective.extend(mesh.groups(&axis.name)?);
        }
        if collective.is_empty() && scaling.is_none() {
            collective = world.clone();
        }
        let single = if scaling.is_none() { world } else { Vec::new() };
        Ok(Self { collective, single, scaling })
    }
}

fn scaling(config: &Config, ranks: usize) -> Result<Option<(ScalingKind, Vec<usize>)>> {
    let Some(kind) = config.scaling.kind else {
        return match config.scaling.ranks {
            Some(_) => Err(Error::usage(
                "--scaling-ranks are the points of a scaling study; add --scaling strong or --scaling weak",
            )),
            None => Ok(None),
        };
    };
    let powers = || (0..).map(|e| 1 << e).take_while(|n| *n < ranks).chain([ranks]).collect();
    let mut points: Vec<usize> = config.scaling.ranks.clone().unwrap_or_else(powers);
    points.sort_unstable();
    points.dedup();
    match points.iter().find(|&&n| n == 0 || n > ranks) {
        Some(n) => Err(Error::usage(format!(
            "--scaling-ranks {n} is not between 1 and the {ranks} ranks of this run; start more ranks or \
             leave it out"
        ))),
        None => Ok(Some((kind, points))),
    }
}
