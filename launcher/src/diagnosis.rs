//! The diagnosis of a fault from the last known state of every rank.

use std::time::Duration;

use crate::frame::{Activity, Heartbeat};

/// The connection of a rank to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// It has not connected yet.
    NeverConnected,
    /// It is connected.
    Open,
    /// The connection broke.
    Lost,
    /// It has left in order.
    Left,
}

/// The last known state of a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RankState {
    /// Its last heartbeat, if any.
    pub heartbeat: Option<Heartbeat>,
    /// Age of the last heartbeat; without one, time since the server opened.
    pub age: Duration,
    /// Its connection.
    pub connection: Connection,
}

/// A fault and the ranks that cause it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The kind of the fault.
    pub cause: Cause,
    /// The ranks at fault, ascending; at least one.
    pub ranks_at_fault: Vec<u32>,
    /// The state of every rank, by rank.
    pub table: Vec<RankState>,
}

/// The kind of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The connection broke: the process has died.
    Died,
    /// There was no heartbeat for longer than the silence limit.
    Silent,
    /// A rank exceeds the limit of this number.
    Overdue(u8),
}

/// The fault, if there is one. The index in `table` is the rank.
///
/// Ranks that have died, or else silent ranks, are at fault. A rank that exceeds a limit rarely causes it: like all
/// others it waits for a rank that does local work or has not connected yet. So the ranks that have not left are
/// considered in this order: [`Working`](Activity::Working), never connected, [`Joint`](Activity::Joint),
/// [`Waiting`](Activity::Waiting), [`Parked`](Activity::Parked). Of the first kind that occurs, all ranks with the least
/// progress by task, stage and round are at fault.
///
/// If that is every rank that has not left, no rank is behind: the operation they are all in hangs.
pub fn diagnose(table: &[RankState], silence: Duration) -> Option<Diagnosis> {
    let diagnosis = |cause, ranks_at_fault: Vec<u32>| Diagnosis {
        cause,
        ranks_at_fault,
        table: table.to_vec(),
    };
    let died = ranks(table, |state| state.connection == Connection::Lost);
    if !died.is_empty() {
        return Some(diagnosis(Cause::Died, died));
    }
    let is_present = |state: &RankState| state.connection != Connection::Left;
    let silent = ranks(table, |state| is_present(state) && state.age > silence);
    if !silent.is_empty() {
        return Some(diagnosis(Cause::Silent, silent));
    }
    let present = || table.iter().filter(|state| is_present(state));
    let smallest = present().filter_map(limit).min()?;
    let first = present().map(fault_order).min()?;
    let at_fault = ranks(table, |state| is_present(state) && fault_order(state) == first);
    // A limit that a rank at fault exceeds itself is more specific than that of a rank that waits for it.
    let own = at_fault.iter().filter_map(|&rank| limit(&table[rank as usize])).min();
    Some(diagnosis(Cause::Overdue(own.unwrap_or(smallest)), at_fault))
}

fn ranks(table: &[RankState], holds: impl Fn(&RankState) -> bool) -> Vec<u32> {
    (0..).zip(table).filter(|(_, state)| holds(state)).map(|(rank, _)| rank).collect()
}

fn limit(state: &RankState) -> Option<u8> {
    state.heartbeat.and_then(|heartbeat| heartbeat.overdue)
}

/// Sorts ranks so that those at fault come first: by kind, then task, stage and round.
fn fault_order(state: &RankState) -> (u8, u32, u8, u64) {
    let Some(heartbeat) = state.heartbeat else {
        return (1, 0, 0, 0);
    };
    let kind = match heartbeat.activity {
        Activity::Working => 0,
        Activity::Joint => 2,
        Activity::Waiting => 3,
        Activity::Parked => 4,
    };
    (kind, heartbeat.task, heartbeat.stage, heartbeat.round)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SILENCE: Duration = Duration::from_secs(10);

    /// A rank from a picture: its activity, its progress (task.stage.round), `!2` if it exceeds limit 2, `12s` for the
    /// age of its last heartbeat, and its connection if it is not open.
    fn state(picture: &str) -> RankState {
        let mut heartbeat = Heartbeat {
            rank: 0,
            task: 0,
            stage: 0,
            round: 0,
            activity: Activity::Working,
            unchanged_ms: 0,
            overdue: None,
            stop: false,
        };
        let mut state = RankState {
            heartbeat: None,
            age: Duration::from_secs(1),
            connection: Connection::Open,
        };
        for word in picture.split_whitespace() {
            match word {
                "working" => heartbeat.activity = Activity::Working,
                "joint" => heartbeat.activity = Activity::Joint,
                "waiting" => heartbeat.activity = Activity::Waiting,
                "parked" => heartbeat.activity = Activity::Parked,
                "unconnected" => state.connection = Connection::NeverConnected,
                "lost" => state.connection = Connection::Lost,
                "left" => state.connection = Connection::Left,
                limit if limit.starts_with('!') => heartbeat.overdue = limit[1..].parse().ok(),
                age if age.ends_with('s') => {
                    state.age = Duration::from_secs(age.trim_end_matches('s').parse().unwrap());
                }
                place => {
                    let mut parts = place.split('.');
                    let mut part = || parts.next().unwrap().parse::<u64>().unwrap();
                    heartbeat.task = part().try_into().unwrap();
                    heartbeat.stage = part().try_into().unwrap();
                    heartbeat.round = part();
                }
            }
        }
        RankState {
            heartbeat: (state.connection != Connection::NeverConnected).then_some(heartbeat),
            ..state
        }
    }

    fn diagnosed(picture: &[&str]) -> Option<(Cause, Vec<u32>)> {
        let table: Vec<RankState> = picture.iter().map(|rank| state(rank)).collect();
        let diagnosis = diagnose(&table, SILENCE)?;
        assert_eq!(diagnosis.table, table);
        Some((diagnosis.cause, diagnosis.ranks_at_fault))
    }

    /// A description, the last states of the ranks, and the expected diagnosis.
    type Situation = (&'static str, &'static [&'static str], Option<(Cause, &'static [u32])>);

    #[rustfmt::skip]
    const SITUATIONS: &[Situation] = &[
        ("all is well",
         &["working 3.1.7", "joint 3.1.8", "waiting 3.1.8", "parked 3.0.0"],
         None),
        ("all have left",
         &["working 9.0.0 left", "working 9.0.0 left 99s"],
         None),
        ("one has not connected yet, in time",
         &["working 0.0.0", "unconnected 9s"],
         None),
        ("rank 2 hangs before the operation that the others are in",
         &["joint 3.1.7 !2", "joint 3.1.7 !2", "working 3.1.6", "joint 3.1.7"],
         Some((Cause::Overdue(2), &[2]))),
        ("rank 2 hangs at something of its own, the others are in the operation",
         &["joint 3.1.7 !2", "joint 3.1.7 !2", "working 3.1.7 !1", "joint 3.1.7 !2"],
         Some((Cause::Overdue(1), &[2]))),
        ("rank 2 works within its own limit, but blocks the others",
         &["waiting 3.1.7 !5", "waiting 3.1.7 !5", "working 3.1.6", "waiting 3.1.7 !5"],
         Some((Cause::Overdue(5), &[2]))),
        ("two work, one of them an operation behind",
         &["working 3.1.7", "joint 3.1.7 !2", "working 3.1.6", "joint 3.1.7 !2"],
         Some((Cause::Overdue(2), &[2]))),
        ("an operation that all have entered hangs",
         &["joint 3.1.7 !2", "joint 3.1.7 !2", "joint 3.1.7", "joint 3.1.7 !2"],
         Some((Cause::Overdue(2), &[0, 1, 2, 3]))),
        ("an operation hangs that two are in, while the others rest",
         &["joint 3.1.7 !2", "joint 3.1.7 !2", "parked 3.0.0", "parked 3.0.0 !4"],
         Some((Cause::Overdue(2), &[0, 1]))),
        ("one is still in the operation before",
         &["joint 3.1.7 !2", "joint 3.1.6 !2", "joint 3.1.7 !2"],
         Some((Cause::Overdue(2), &[1]))),
        ("a parked rank never wakes up; its heartbeats are in order, so the ranks that wait for it are named",
         &["waiting 4.0.0 !3", "waiting 4.0.0 !3", "parked 3.0.0", "waiting 4.0.0 !3"],
         Some((Cause::Overdue(3), &[0, 1, 3]))),
        ("everybody rests",
         &["parked 3.0.0 !4", "parked 2.0.0 !4", "parked 3.0.0 !4"],
         Some((Cause::Overdue(4), &[1]))),
        ("everybody waits at different places",
         &["waiting 3.2.0 !3", "waiting 3.1.9 !3", "waiting 3.2.0", "waiting 4.0.0 !3"],
         Some((Cause::Overdue(3), &[1]))),
        ("one never connected while the others wait",
         &["waiting 1.0.0 !3", "joint 0.0.0 !2", "unconnected 9s"],
         Some((Cause::Overdue(2), &[2]))),
        ("who has left is at no fault for those who hang",
         &["working 1.0.0 left !7", "waiting 5.0.0 !3", "waiting 5.0.0 !3"],
         Some((Cause::Overdue(3), &[1, 2]))),
        ("a stopped process is silent, and the others hang for it",
         &["joint 3.1.7 !2", "working 3.1.7 11s", "joint 3.1.7 !2"],
         Some((Cause::Silent, &[1]))),
        ("two of four are silent",
         &["joint 3.1.7", "joint 3.1.7 12s", "joint 3.1.7", "joint 3.1.7 13s"],
         Some((Cause::Silent, &[1, 3]))),
        ("one never connected",
         &["waiting 0.0.0", "unconnected 11s"],
         Some((Cause::Silent, &[1]))),
        ("a killed process is gone, whatever the others are",
         &["joint 3.1.7 !2", "joint 3.1.7 99s", "joint 3.1.7 lost 2s"],
         Some((Cause::Died, &[2]))),
        ("two were killed together, one has left before",
         &["waiting 3.1.7 lost", "working 3.1.7 left 99s", "working 3.1.7 lost"],
         Some((Cause::Died, &[0, 2]))),
    ];

    #[test]
    fn every_situation_has_its_diagnosis() {
        for (case, picture, expected) in SITUATIONS {
            let expected = expected.map(|(cause, ranks_at_fault)| (cause, ranks_at_fault.to_vec()));
            assert_eq!(diagnosed(picture), expected, "{case}");
        }
    }

    fn states() -> impl Strategy<Value = RankState> {
        let activities = [Activity::Working, Activity::Joint, Activity::Waiting, Activity::Parked];
        let place = (0..3_u32, 0..2_u8, 0..3_u64);
        let heartbeat = (place, prop::sample::select(activities.to_vec()), any::<Option<u8>>());
        let heartbeat = heartbeat.prop_map(|((task, stage, round), activity, overdue)| {
            let unchanged_ms = 0;
            Heartbeat { rank: 0, task, stage, round, activity, unchanged_ms, overdue, stop: false }
        });
        let open = (heartbeat.clone(), 0..11_u64)
            .prop_map(|(heartbeat, age)| (Some(heartbeat), age, Connection::Open));
        let ended =
            (heartbeat, 0..99_u64, prop::sample::select(vec![Connection::Lost, Connection::Left]))
                .prop_map(|(heartbeat, age, state)| (Some(heartbeat), age, state));
        let unconnected = (0..11_u64).prop_map(|age| (None, age, Connection::NeverConnected));
        let state = prop_oneof![12 => open, 2 => ended, 1 => unconnected];
        state.prop_map(|(heartbeat, age, connection)| RankState {
            heartbeat,
            age: Duration::from_secs(age),
            connection,
        })
    }

    proptest! {
        #[test]
        fn a_fault_has_ranks_and_none_that_left(
            table in prop::collection::vec(states(), 0..9),
        ) {
            if let Some(diagnosis) = diagnose(&table, SILENCE) {
                prop_assert!(!diagnosis.ranks_at_fault.is_empty());
                prop_assert!(diagnosis.ranks_at_fault.is_sorted());
                for rank in diagnosis.ranks_at_fault {
                    prop_assert!(table[rank as usize].connection != Connection::Left);
                }
            } else {
                let is_well = |state: &RankState| {
                    state.connection == Connection::Left
                        || limit(state).is_none() && state.connection != Connection::Lost && state.age <= SILENCE
                };
                prop_assert!(table.iter().all(is_well));
            }
        }

        #[test]
        fn who_is_at_fault_does_not_depend_on_the_numbers_of_the_ranks(
            (table, order) in prop::collection::vec(states(), 1..9).prop_flat_map(|table| {
                let order: Vec<u32> = (0..).take(table.len()).collect();
                (Just(table), Just(order).prop_shuffle())
            }),
        ) {
            let moved: Vec<RankState> = order.iter().map(|&rank| table[rank as usize]).collect();
            let named = |diagnosis: Option<Diagnosis>| {
                diagnosis.map(|diagnosis| (diagnosis.cause, diagnosis.ranks_at_fault))
            };
            let moved = named(diagnose(&moved, SILENCE)).map(|(cause, ranks_at_fault)| {
                let mut back: Vec<u32> =
                    ranks_at_fault.into_iter().map(|rank| order[rank as usize]).collect();
                back.sort_unstable();
                (cause, back)
            });
            prop_assert_eq!(moved, named(diagnose(&table, SILENCE)));
        }
    }
}
