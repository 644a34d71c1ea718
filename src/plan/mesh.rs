//! Meshes: ranks along named axes, and their groups.
//!
//! The order string lists the axes from fastest to slowest, as in Megatron
//! (`tp-cp-ep-dp-pp`: rank = tp + TP·(cp + CP·(ep + EP·(dp + DP·pp)))). Row-major tools list the fastest axis
//! last.

use std::collections::{BTreeMap, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result, suggestion};
use crate::base::units::counted;

/// The default order, that of Megatron.
pub const DEFAULT_ORDER: &str = "tp-cp-ep-dp-pp";

/// The axis of the group of all ranks.
pub const WORLD: &str = "world";

/// The axis of the groups of `--pairs`.
pub const PAIRS: &str = "pairs";

const GROUPS: &str = "groups";

const AXIS_LIMIT: usize = 32;

/// Most members of the groups of all cases of a plan or file together: 256 MiB.
pub const MEMBER_LIMIT: usize = 1 << 25;

/// A named dimension of the mesh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Axis {
    /// Name, such as `tp`.
    pub name: String,
    /// Number of ranks along the axis.
    pub size: usize,
}

/// Ranks along named axes, fastest axis first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mesh {
    /// The named axes with their sizes, fastest first.
    pub axes: Vec<Axis>,
}

/// Ranks that communicate with each other: those that differ along one axis (or several flattened into one) only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// The axis, or `world`, `pairs`, or `groups` for explicit groups.
    pub axis: String,
    /// World ranks in the order of the axis.
    pub ranks: Vec<usize>,
}

impl Mesh {
    /// Parses `tp=2,dp=2` with the order `tp-cp-ep-dp-pp`, for `ranks` ranks.
    ///
    /// # Errors
    /// Usage error for malformed text, an axis that is not in the order, and sizes whose product is not `ranks`.
    pub fn parse(spec: &str, order: &str, ranks: usize) -> Result<Self> {
        let order = parse_order(order)?;
        let mut axes: Vec<Axis> = Vec::new();
        for part in spec.split(',') {
            let wrong = || {
                Error::usage(format!("mesh part '{part}' is not axis=size; write --mesh tp=2,dp=2"))
            };
            let (name, size) = part.split_once('=').ok_or_else(wrong)?;
            let (name, size) = (name.trim(), size.trim().parse().map_err(|_| wrong())?);
            if !order.contains(&name) {
                return Err(Error::usage(format!(
                    "mesh axis '{name}' is not in the order {}; {} (or add it to --mesh-order)",
                    order.join("-"),
                    suggestion(name, order.iter().copied())
                )));
            }
            if size == 0 || axes.iter().any(|axis| axis.name == name) {
                return Err(Error::usage(format!(
                    "mesh axis '{name}' is given twice or has size 0; each axis needs one size of at least 1"
                )));
            }
            axes.push(Axis { name: name.to_owned(), size });
        }
        axes.sort_by_key(|axis| order.iter().position(|name| *name == axis.name));
        let places = axes.iter().try_fold(1usize, |n, axis| n.checked_mul(axis.size));
        if places != Some(ranks) {
            let number =
                places.map_or("too many places".to_owned(), |places| counted(places, "place"));
            let start = places.map_or_else(String::new, |all| format!(", or write --ranks {all}"));
            return Err(Error::usage(format!(
                "mesh {spec} has {number} for {}; the sizes must multiply to {ranks}{start}",
                counted(ranks, "rank")
            )));
        }
        Ok(Self { axes })
    }

    /// The default mesh: one axis with all ranks.
    pub fn flat(ranks: usize) -> Self {
        Self { axes: vec![Axis { name: WORLD.to_owned(), size: ranks }] }
    }

    /// Number of ranks.
    pub fn ranks(&self) -> usize {
        self.axes.iter().map(|axis| axis.size).product()
    }

    /// The groups of an axis (`tp`), of several axes flattened into one (`tp+dp`), or of `world`. They partition the
    /// ranks. Ranks within a group ascend, so the fastest axis stays fastest in a flattened one.
    ///
    /// # Errors
    /// Usage error for an axis that is not in the mesh.
    pub fn groups(&self, axis: &str) -> Result<Vec<Group>> {
        if axis == WORLD {
            return Ok(vec![Group { axis: axis.to_owned(), ranks: (0..self.ranks()).collect() }]);
        }
        let names: Vec<&str> = axis.split('+').collect();
        for (i, name) in names.iter().enumerate() {
            if !self.axes.iter().any(|axis| axis.name == *name) || names[..i].contains(name) {
                let known = self.axes.iter().map(|axis| axis.name.as_str());
                return Err(Error::usage(format!(
                    "axis '{name}' is not in the mesh or is named twice; {}",
                    suggestion(name, known.filter(|name| *name != WORLD).chain([WORLD]))
                )));
            }
        }
        let varies = |axis: &Axis| names.contains(&axis.name.as_str());
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for rank in 0..self.ranks() {
            // A group is identified by its first rank, whose coordinates along these axes are 0.
            let (mut first, mut stride) = (rank, 1);
            for axis in &self.axes {
                if varies(axis) {
                    first -= rank / stride % axis.size * stride;
                }
                stride *= axis.size;
            }
            groups.entry(first).or_default().push(rank);
        }
        Ok(groups.into_values().map(|ranks| Group { axis: axis.to_owned(), ranks }).collect())
    }
}

fn parse_order(order: &str) -> Result<Vec<&str>> {
    let order: Vec<&str> = order.split('-').take(AXIS_LIMIT + 1).collect();
    if order.len() > AXIS_LIMIT {
        return Err(Error::usage(format!(
            "the mesh order names more than {AXIS_LIMIT} axes; leave some out"
        )));
    }
    for (i, name) in order.iter().enumerate() {
        if [WORLD, PAIRS, GROUPS].contains(name) {
            return Err(Error::usage(format!(
                "an axis cannot be called '{name}', which is a reserved name; choose another name"
            )));
        }
        // Axis names are part of case ids, which are printed and written in lines.
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Error::usage(format!(
                "an axis cannot be called {name:?}; use letters, digits and _"
            )));
        }
        if name.is_empty() || order[..i].contains(name) {
            return Err(Error::usage(format!(
                "mesh order '{}' has an empty or repeated axis; write it as {DEFAULT_ORDER}",
                order.join("-")
            )));
        }
    }
    Ok(order)
}

impl Group {
    /// The group of one rank.
    pub fn alone(rank: usize) -> Self {
        Self { axis: WORLD.to_owned(), ranks: vec![rank] }
    }

    /// Parses explicit groups: commas separate groups, `+` joins ranges within a group. `0-3,8-11` is two groups,
    /// `0-3+8-11` one group of eight ranks.
    ///
    /// # Errors
    /// Usage error for malformed text, a rank outside `0..ranks`, a rank twice in a group, and more than
    /// [`MEMBER_LIMIT`] members.
    pub fn parse_list(text: &str, ranks: usize) -> Result<Vec<Self>> {
        let (mut groups, mut members) = (Vec::new(), 0);
        for text in text.split(',') {
            let wrong = |why: &str| {
                Error::usage(format!(
                    "group '{text}' {why}; write --groups 0-3,8-11 or --groups 0-1+4-5"
                ))
            };
            let (mut group, mut known) = (Vec::new(), HashSet::new());
            for range in text.split('+') {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let number = |digits: &str| digits.trim().parse::<usize>();
                let (Ok(first), Ok(last)) = (number(first), number(last)) else {
                    return Err(wrong("is not a list of ranks"));
                };
                if first > last || last >= ranks {
                    return Err(wrong(&format!("does not lie within the ranks 0-{}", ranks - 1)));
                }
                if !(first..=last).all(|rank| known.insert(rank)) {
                    return Err(wrong("names a rank twice"));
                }
                group.extend(first..=last);
            }
            members += group.len();
            refuse_members(members)?;
            groups.push(Self { axis: GROUPS.to_owned(), ranks: group });
        }
        Ok(groups)
    }

    /// The index of this rank in the group, if it is a member.
    pub fn position(&self, rank: usize) -> Option<usize> {
        self.ranks.iter().position(|&member| member == rank)
    }

    /// The ranks as ranges: `0-3`, `0,2,4`, `0-1,4-5`.
    pub fn rank_ranges(&self) -> String {
        format_ranges(self.ranks.iter().copied())
    }
}

/// Refuses groups with more than [`MEMBER_LIMIT`] members in total, to bound memory.
pub fn refuse_members(members: usize) -> Result<()> {
    if members > MEMBER_LIMIT {
        return Err(Error::usage(format!(
            "the groups of all cases have more than {MEMBER_LIMIT} members in total; use fewer groups or fewer \
             values"
        )));
    }
    Ok(())
}

/// Formats ascending numbers as ranges: `0-3`, `0,2,4`, `0-1,4-5`.
pub fn format_ranges(numbers: impl Iterator<Item = usize>) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let run = |(first, last)| {
        if first == last { format!("{first}") } else { format!("{first}-{last}") }
    };
    runs.into_iter().map(run).collect::<Vec<_>>().join(",")
}

impl std::fmt::Display for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.axis, self.rank_ranges())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn members(mesh: &Mesh, axis: &str) -> Vec<Vec<usize>> {
        mesh.groups(axis).unwrap().into_iter().map(|group| group.ranks).collect()
    }

    /// Megatron-LM, parallel_state.py, docstring of initialize_model_parallel: TP2 PP4 on 16 GPUs.
    #[test]
    fn megatrons_own_example() {
        let mesh = Mesh::parse("tp=2,pp=4,dp=2", DEFAULT_ORDER, 16).unwrap();
        let pairs =
            |firsts: [usize; 8], step| firsts.map(|first| vec![first, first + step]).to_vec();
        assert_eq!(members(&mesh, "tp"), pairs([0, 2, 4, 6, 8, 10, 12, 14], 1));
        assert_eq!(members(&mesh, "dp"), pairs([0, 1, 4, 5, 8, 9, 12, 13], 2));
        assert_eq!(
            members(&mesh, "pp"),
            [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]].map(Vec::from).to_vec()
        );
        assert_eq!(members(&mesh, "tp+dp")[0], [0, 1, 2, 3]);
        assert_eq!(members(&mesh, "tp+pp")[0], [0, 1, 4, 5, 8, 9, 12, 13]);
    }

    #[test]
    fn order_string_says_what_is_fastest() {
        let mesh = Mesh::parse("tp=2,dp=2", "dp-tp", 4).unwrap();
        assert_eq!(members(&mesh, "tp"), [vec![0, 2], vec![1, 3]]);
    }

    #[test]
    fn bad_meshes_are_usage_errors() {
        for (spec, order) in [
            ("tp=3", DEFAULT_ORDER),
            ("tp=2,dp=3", DEFAULT_ORDER),
            ("tp=2,tp=2", DEFAULT_ORDER),
            ("tp=0,dp=4", DEFAULT_ORDER),
            ("tp", DEFAULT_ORDER),
            ("xp=4", DEFAULT_ORDER),
            ("tp=4", "tp-tp"),
            ("tp=99999999999,dp=99999999999", DEFAULT_ORDER),
        ] {
            assert!(Mesh::parse(spec, order, 4).is_err(), "{spec} {order}");
        }
    }

    #[test]
    fn explicit_groups() {
        let groups = Group::parse_list("0-1+4-5,3", 6).unwrap();
        assert_eq!(groups[0].ranks, [0, 1, 4, 5]);
        assert_eq!(groups[0].to_string(), "groups:0-1,4-5");
        assert_eq!(groups[1].ranks, [3]);
        for text in ["0-6", "2-1", "0-1+1", "", "a"] {
            assert!(Group::parse_list(text, 6).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn groups_partition_the_ranks(
            sizes in prop::collection::vec(1usize..5, 5),
            picked in prop::collection::vec(any::<bool>(), 5),
            order in Just(DEFAULT_ORDER.split('-').collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let spec: Vec<String> =
                order.iter().zip(&sizes).map(|(name, size)| format!("{name}={size}")).collect();
            let ranks = sizes.iter().product();
            let mesh = Mesh::parse(&spec.join(","), &order.join("-"), ranks).unwrap();
            let names: Vec<&str> =
                order.iter().zip(&picked).filter(|(_, p)| **p).map(|(name, _)| *name).collect();
            prop_assume!(!names.is_empty());
            let size: usize =
                sizes.iter().zip(&picked).filter(|(_, p)| **p).map(|(size, _)| size).product();
            let groups = mesh.groups(&names.join("+")).unwrap();
            let mut seen: Vec<usize> = groups.iter().flat_map(|group| group.ranks.clone()).collect();
            prop_assert!(groups.iter().all(|group| group.ranks.len() == size));
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..ranks).collect::<Vec<_>>());
        }
    }
}
