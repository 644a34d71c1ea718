//! The groups that benchmarks are measured on.

use crate::base::error::{Error, Result};
use crate::base::units::counted;
use crate::plan::config::{Config, ScalingKind};
use crate::plan::mesh::{self, Group, Mesh};
use crate::plan::place::{Distance, Place};

/// Most cases of one plan; more are likely a typing error.
pub(super) const CASE_LIMIT: usize = 100_000;

/// A group, and the set of groups that run concurrently with it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ScheduledGroup {
    pub(super) group: Group,
    /// Groups of one set run concurrently.
    pub(super) set: Option<u32>,
}

pub(super) struct MeasuredGroups {
    /// All ranks.
    pub(super) ranks: usize,
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
        let pairs = config.mesh.pairs.as_ref().map(|text| rounds(text, places)).transpose()?;
        let pairs = pairs.map(|rounds| rounds.into_iter().flat_map(&mut scheduled).collect());
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
        Ok(Self { ranks: mesh.ranks(), collective, single, pairs, scaling })
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
            "--scaling-ranks {n} is not between 1 and the {} of this run; start more ranks or \
             leave it out",
            counted(ranks, "rank")
        ))),
        None => Ok(Some((kind, points))),
    }
}

/// The rounds, each of pairs that run concurrently. Every pair is in exactly one round. With the schedule `all`, as
/// many pairs as possible run concurrently; with `batch=4`, at most four; with `topology`, as many as possible at the
/// same distance: first within sockets, then within nodes, then across the network.
///
/// # Errors
/// Usage error for another schedule, and for more than [`CASE_LIMIT`] pairs.
fn rounds(schedule: &str, places: &[Place]) -> Result<Vec<Vec<Group>>> {
    let ranks = places.len();
    if ranks.saturating_mul(ranks.saturating_sub(1)) / 2 > CASE_LIMIT {
        return Err(Error::usage(format!(
            "{ranks} ranks have more than {CASE_LIMIT} pairs; start fewer ranks, or select pairs with \
             --groups 0-1,2-3"
        )));
    }
    let rounds = round_robin(places.len());
    let distance = |pair: &[usize; 2]| places[pair[0]].distance(places[pair[1]]);
    let batch = schedule.strip_prefix("batch=").and_then(|number| number.parse().ok());
    let rounds: Vec<Vec<[usize; 2]>> = match (schedule, batch) {
        ("all", _) => rounds,
        (_, Some(batch @ 1..)) => {
            rounds.iter().flat_map(|round| round.chunks(batch).map(<[_]>::to_vec)).collect()
        }
        ("topology", _) => Distance::ALL
            .into_iter()
            .flat_map(|class| {
                let of_class = move |round: &Vec<[usize; 2]>| -> Vec<[usize; 2]> {
                    round.iter().copied().filter(|pair| distance(pair) == class).collect()
                };
                rounds.iter().map(of_class).filter(|round| !round.is_empty()).collect::<Vec<_>>()
            })
            .collect(),
        _ => {
            return Err(Error::usage(format!(
                "--pairs {schedule} is not known; write all, batch=4 (at most 4 concurrent pairs) or topology"
            )));
        }
    };
    let group = |pair: [usize; 2]| Group { axis: mesh::PAIRS.to_owned(), ranks: pair.to_vec() };
    Ok(rounds.into_iter().map(|round| round.into_iter().map(group).collect()).collect())
}

/// The circle method of round-robin scheduling (Kirkman, 1847): in each round one slot is fixed, the others rotate
/// by one, and opposite slots form a pair. An odd number of ranks gets an empty slot.
fn round_robin(ranks: usize) -> Vec<Vec<[usize; 2]>> {
    let slots = ranks + ranks % 2;
    (1..slots)
        .map(|round| {
            let at = |slot: usize| if slot == 0 { 0 } else { 1 + (slot - 1 + round) % (slots - 1) };
            let mut pairs: Vec<[usize; 2]> = (0..slots / 2)
                .map(|slot| [at(slot), at(slots - 1 - slot)])
                .filter(|pair| pair.iter().all(|&rank| rank < ranks))
                .map(|[a, b]| [a.min(b), a.max(b)])
                .collect();
            pairs.sort_unstable();
            pairs
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_once_in_rounds_without_a_rank_twice() {
        let sockets = |ranks: usize| -> Vec<Place> {
            let place = |rank| Place { node: rank / 4, socket: Some(rank / 2 % 2) };
            (0..ranks).map(place).collect()
        };
        for ranks in 2..20 {
            for schedule in ["all", "batch=2", "topology"] {
                let rounds = rounds(schedule, &sockets(ranks)).unwrap();
                let mut seen: Vec<Vec<usize>> = Vec::new();
                for round in &rounds {
                    let mut members: Vec<usize> =
                        round.iter().flat_map(|group| group.ranks.clone()).collect();
                    members.sort_unstable();
                    members.dedup();
                    assert_eq!(members.len(), 2 * round.len(), "{ranks} {schedule}");
                    seen.extend(round.iter().map(|group| group.ranks.clone()));
                }
                seen.sort_unstable();
                let all: Vec<Vec<usize>> =
                    (0..ranks).flat_map(|a| (a + 1..ranks).map(move |b| vec![a, b])).collect();
                assert_eq!(seen, all, "{ranks} {schedule}");
            }
            let all = rounds("all", &sockets(ranks)).unwrap();
            assert_eq!(all.len(), ranks - 1 + ranks % 2);
        }
    }

    #[test]
    fn rounds_by_topology_keep_distances_apart() {
        let places: Vec<Place> =
            (0..8).map(|rank| Place { node: rank / 4, socket: Some(rank / 2 % 2) }).collect();
        let distances: Vec<Vec<Distance>> = rounds("topology", &places)
            .unwrap()
            .iter()
            .map(|round| {
                round
                    .iter()
                    .map(|pair| places[pair.ranks[0]].distance(places[pair.ranks[1]]))
                    .collect()
            })
            .collect();
        assert!(distances.iter().all(|round| round.iter().all(|distance| *distance == round[0])));
        assert!(distances.iter().map(|round| round[0]).is_sorted());
    }

    #[test]
    fn schedules_are_read() {
        let places = Place::on_one_node(8);
        let largest = |schedule| rounds(schedule, &places).unwrap().iter().map(Vec::len).max();
        assert_eq!(largest("batch=3"), Some(3));
        for text in ["batch=0", "batch", "every", "batch=-1"] {
            assert!(rounds(text, &places).is_err(), "{text}");
        }
    }
}
