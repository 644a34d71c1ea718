//! The groups that benchmarks are measured on.

use super::pairs;
use crate::base::error::{Error, Result};
use crate::plan::config::{Config, ScalingKind};
use crate::plan::mesh::{self, Group, Mesh};
use crate::plan::place::Place;

/// A group, and the set of groups that run concurrently with it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ScheduledGroup {
    pub(super) group: Group,
    /// Groups of one set run concurrently.
    pub(super) set: Option<u32>,
}

pub(super) struct MeasuredGroups {
    /// For benchmarks whose ranks communicate.
    pub(super) collective: Vec<ScheduledGroup>,
    /// For benchmarks that every rank runs by itself.
    pub(super) single: Vec<ScheduledGroup>,
    /// For point-to-point benchmarks, if `--pairs` is given.
    pub(super) pairs: Option<Vec<ScheduledGroup>>,
    /// The scaling study, with its numbers of ranks.
    pub(super) scaling: Option<(ScalingKind, Vec<usize>)>,
}

impl MeasuredGroups {
    pub(super) fn resolve(config: &Config, mesh: &Mesh, places: &[Place]) -> Result<Self> {
        let mut sets = 0;
        // Groups of one set run concurrently; a single group runs alone.
        let mut scheduled = |groups: Vec<Group>| -> Vec<ScheduledGroup> {
            let set = (groups.len() > 1).then_some(sets);
            sets += u32::from(set.is_some());
            groups.into_iter().map(|group| ScheduledGroup { group, set }).collect()
        };
        let concurrent = config.mesh.concurrent_groups == Some(true);
        let scaling = scaling(config, mesh.ranks())?;
        let pairs = match &config.mesh.pairs {
            Some(text) => {
                let rounds = pairs::rounds(text, places)?;
                Some(rounds.into_iter().flat_map(&mut scheduled).collect())
            }
            None => None,
        };
        let families = families(config, mesh)?;
        if concurrent && !families.iter().any(|family| family.len() > 1) {
            return Err(Error::usage(
                "--concurrent-groups needs an axis with several groups, and no axis has several; add --mesh \
                 tp=2,dp=2 or --groups 0-1,2-3",
            ));
        }
        let mut collective = Vec::new();
        for family in families {
            collective.extend(one_by_one(family.clone()));
            if concurrent && family.len() > 1 {
                refuse_overlap(&family)?;
                collective.extend(scheduled(family));
            }
        }
        let default = config.mesh.groups.is_none() && config.mesh.axes.is_none();
        let world = one_by_one(mesh.groups(mesh::WORLD)?);
        let single = match (default, &scaling) {
            (false, _) => collective.clone(),
            (true, None) => world.clone(),
            (true, Some(_)) => Vec::new(),
        };
        if default && collective.is_empty() && scaling.is_none() {
            collective = world;
        }
        Ok(Self { collective, single, pairs, scaling })
    }
}

/// The groups of each selected axis, or the explicit groups; none for a default run without a mesh.
fn families(config: &Config, mesh: &Mesh) -> Result<Vec<Vec<Group>>> {
    match (&config.mesh.groups, &config.mesh.axes) {
        (Some(_), Some(_)) => Err(Error::usage(
            "groups are selected by an axis or explicitly; use --axis or --groups, not both",
        )),
        (Some(groups), None) => Ok(vec![Group::parse_list(groups, mesh.ranks())?]),
        (None, Some(axes)) => {
            // Every rank is in one group of each axis.
            mesh::refuse_members(axes.len().saturating_mul(mesh.ranks()))?;
            axes.iter().map(|axis| mesh.groups(axis)).collect()
        }
        (None, None) => {
            let named = config.mesh.shape.is_some();
            let axes = mesh.axes.iter().filter(|axis| axis.size > 1 && named);
            axes.map(|axis| mesh.groups(&axis.name)).collect()
        }
    }
}

fn one_by_one(groups: Vec<Group>) -> Vec<ScheduledGroup> {
    groups.into_iter().map(|group| ScheduledGroup { group, set: None }).collect()
}

fn refuse_overlap(groups: &[Group]) -> Result<()> {
    let mut ranks: Vec<usize> = groups.iter().flat_map(|group| group.ranks.clone()).collect();
    ranks.sort_unstable();
    match ranks.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => Err(Error::usage(format!(
            "rank {} is in several of the groups, so they cannot run concurrently; leave --concurrent-groups out",
            pair[0]
        ))),
    }
}

fn scaling(config: &Config, ranks: usize) -> Result<Option<(ScalingKind, Vec<usize>)>> {
    let Some(kind) = config.scaling.kind else {
        return match config.scaling.ranks {
            Some(_) => Err(Error::usage(
                "--scaling-ranks needs a scaling study; add --scaling strong or --scaling weak",
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
