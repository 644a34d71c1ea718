//! All pairs of ranks, in rounds of disjoint pairs.

use crate::base::error::{Error, Result};
use crate::plan::mesh::{self, Group};
use crate::plan::place::{Distance, Place};

/// Most cases of one plan; more are likely a typing error.
pub(super) const CASE_LIMIT: usize = 100_000;

/// The rounds, each of pairs that run concurrently. Every pair is in exactly one round. With the schedule `all`, as
/// many pairs as possible run concurrently; with `batch=4`, at most four; with `topology`, as many as possible at the
/// same distance: first within sockets, then within nodes, then across the network.
///
/// # Errors
/// Usage error for another schedule, and for more than [`CASE_LIMIT`] pairs.
pub(super) fn rounds(schedule: &str, places: &[Place]) -> Result<Vec<Vec<Group>>> {
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
