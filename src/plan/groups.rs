//! On which groups benchmarks are placed.

use super::pairs::{self, Schedule};
use crate::base::error::{Error, Result};
use crate::plan::config::{Config, ScalingKind};
use crate::plan::mesh::{self, Group, Mesh};
use crate::plan::place::Place;

/// A group, and the set of groups that it runs with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub(super) group: Group,
    /// Groups of one set run at once.
    pub(super) set: Option<u32>,
}

/// On which groups benchmarks are placed.
pub(super) struct Placing {
    /// For benchmarks whose ranks exchange data.
    pub(super) collective: Vec<Placed>,
    /// For benchmarks that every rank runs by itself.
    pub(super) single: Vec<Placed>,
    /// For benchmarks whose ranks act in pairs, where pairs are asked for.
    pub(super) pairs: Option<Vec<Placed>>,
    /// The scaling study, with the numbers of ranks.
    pub(super) scaling: Option<(ScalingKind, Vec<usize>)>,
}

impl Placing {
    /// What a configuration asks for on this mesh.
    ///
    /// # Errors
    /// Usage error for groups that cannot be.
    pub(super) fn resolve(config: &Config, mesh: &Mesh, places: &[Place]) -> Result<Self> {
        let mut sets = Sets::default();
        let concurrent = config.mesh.concurrent_groups == Some(true);
        let scaling = scaling(config, mesh.ranks())?;
        let pairs = match &config.mesh.pairs {
            Some(text) => {
                let rounds = pairs::rounds(Schedule::parse(text)?, places)?;
                Some(rounds.into_iter().flat_map(|round| sets.at_once(round)).collect())
            }
            None => None,
        };
        let world = mesh.groups(mesh::WORLD)?;
        let default = config.mesh.groups.is_none() && config.mesh.axes.is_none();
        let families: Vec<Vec<Group>> = match (&config.mesh.groups, &config.mesh.axes) {
            (Some(_), Some(_)) => {
                return Err(Error::usage(
                    "groups are named by an axis or by hand; give --axis or --groups",
                ));
            }
            (Some(groups), None) => vec![Group::parse_list(groups, mesh.ranks())?],
            (None, Some(axes)) => {
                // Each axis has every rank in one of its groups.
                mesh::refuse_members(axes.len().saturating_mul(mesh.ranks()))?;
                axes.iter().map(|axis| mesh.groups(axis)).collect::<Result<_>>()?
            }
            (None, None) => {
                let named = config.mesh.shape.is_some();
                let axes = mesh.axes.iter().filter(|axis| axis.size > 1 && named);
                axes.map(|axis| mesh.groups(&axis.name)).collect::<Result<_>>()?
            }
        };
        if concurrent && !families.iter().any(|family| family.len() > 1) {
            return Err(Error::usage(
                "--concurrent-groups runs the groups of an axis at once, and here no axis has several; give \
                 --mesh tp=2,dp=2 or --groups 0-1,2-3",
            ));
        }
        let mut collective = Vec::new();
        for family in families {
            let together = (concurrent && family.len() > 1).then(|| family.clone());
            collective.extend(family.into_iter().map(|group| Placed { group, set: None }));
            if let Some(family) = together {
                refuse_overlap(&family)?;
                collective.extend(sets.at_once(family));
            }
        }
        let alone = |groups: Vec<Group>| -> Vec<Placed> {
            groups.into_iter().map(|group| Placed { group, set: None }).collect()
        };
        let single = match (default, &scaling) {
            (false, _) => collective.clone(),
            (true, None) => alone(world.clone()),
            (true, Some(_)) => Vec::new(),
        };
        if default && collective.is_empty() && scaling.is_none() {
            collective = alone(world);
        }
        Ok(Self { collective, single, pairs, scaling })
    }
}

/// Numbers sets of groups.
#[derive(Default)]
struct Sets(u32);

impl Sets {
    /// The groups as one set; a single one runs alone.
    fn at_once(&mut self, groups: Vec<Group>) -> Vec<Placed> {
        let set = (groups.len() > 1).then_some(self.0);
        self.0 += u32::from(set.is_some());
        groups.into_iter().map(|group| Placed { group, set }).collect()
    }
}

fn refuse_overlap(groups: &[Group]) -> Result<()> {
    let mut ranks: Vec<usize> = groups.iter().flat_map(|group| group.ranks.clone()).collect();
    ranks.sort_unstable();
    match ranks.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => Err(Error::usage(format!(
            "rank {} is in several of the groups, which can then not run at once; leave \
             --concurrent-groups out",
            pair[0]
        ))),
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
