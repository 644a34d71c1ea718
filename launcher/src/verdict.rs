//! From what was last heard of every rank to what is wrong, and with whom. Pure.

use std::time::Duration;

use crate::heartbeat::{Activity, Heartbeat};

/// How a rank is connected to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// It has never been heard.
    Unheard,
    /// It is connected.
    Open,
    /// Its connection ended without a good-bye.
    Lost,
    /// It said good-bye.
    Left,
}

/// What is known of a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What it said last, if anything.
    pub heartbeat: Option<Heartbeat>,
    /// How long ago that was; of a rank never heard, how long it has been waited for.
    pub age: Duration,
    /// How it is connected.
    pub state: Connection,
}

/// What is wrong, and with whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What is wrong.
    pub kind: Cause,
    /// The ranks at fault, ascending; at least one.
    pub culprits: Vec<u32>,
    /// What was known of every rank, by rank.
    pub table: Vec<Seen>,
}

/// What may be wrong with a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its connection broke: the process is gone.
    Gone,
    /// Nothing was heard of it for longer than the limit.
    Silent,
    /// Somebody is beyond the limit of this number.
    Overdue(u8),
}

/// What is wrong, if anything. Ranks are numbered by their place in `table`.
///
/// Whoever is gone, or else silent, is at fault. When some rank is beyond a limit, the fault is rarely
/// its own: it waits, and so do all others, for a rank that is at something of its own or has not come
/// yet. So of the ranks that have not left, those that are [`Working`](Activity::Working) are looked at
/// first, then those never heard, then those [`Together`](Activity::Together), then those
/// [`Waiting`](Activity::Waiting), and only if there is nobody else those [`Apart`](Activity::Apart).
/// Of the first kind that there is, the least advanced by task, step and repetition are named, all of
/// them.
///
/// When every rank that has not left is named, nobody is behind: they hang in what they all are in.
pub fn judge(table: &[Seen], silence: Duration) -> Option<Verdict> {
    let verdict = |kind, culprits: Vec<u32>| Verdict { kind, culprits, table: table.to_vec() };
    let gone = ranks(table, |seen| seen.state == Connection::Lost);
    if !gone.is_empty() {
        return Some(verdict(Cause::Gone, gone));
    }
    let silent = ranks(table, |seen| seen.state != Connection::Left && seen.age > silence);
    if !silent.is_empty() {
        return Some(verdict(Cause::Silent, silent));
    }
    let present = || table.iter().filter(|seen| seen.state != Connection::Left);
    let smallest = present().filter_map(limit).min()?;
    let least = present().map(suspicion).min()?;
    let culprits = ranks(table, |seen| seen.state != Connection::Left && suspicion(seen) == least);
    // A culprit's own limit tells more than that of a rank that waits for it.
    let own = culprits.iter().filter_map(|&rank| limit(&table[rank as usize])).min();
    Some(verdict(Cause::Overdue(own.unwrap_or(smallest)), culprits))
}

fn ranks(table: &[Seen], is_meant: impl Fn(&Seen) -> bool) -> Vec<u32> {
    (0..).zip(table).filter(|(_, seen)| is_meant(seen)).map(|(rank, _)| rank).collect()
}

fn limit(seen: &Seen) -> Option<u8> {
    seen.heartbeat.and_then(|heartbeat| heartbeat.overdue)
}

/// The least is the first to be at fault: by kind, then task, step and repetition.
fn suspicion(seen: &Seen) -> (u8, u32, u8, u64) {
    let Some(heartbeat) = seen.heartbeat else {
        return (1, 0, 0, 0);
    };
    let kind = match heartbeat.activity {
        Activity::Working => 0,
        Activity::Together => 2,
        Activity::Waiting => 3,
        Activity::Apart => 4,
    };
    (kind, heartbeat.task, heartbeat.stage, heartbeat.round)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SILENCE: Duration = Duration::from_secs(10);

    /// A rank from a picture: what it does, where (task.step.repetition), `!2` when it is beyond limit 2,
    /// `12s` when it was heard so long ago, and how it is connected when it is not open.
    fn seen(picture: &str) -> Seen {
        let mut heartbeat = Heartbeat {
            rank: 0,
            task: 0,
            stage: 0,
            round: 0,
            activity: Activity::Working,
            still_ms: 0,
            overdue: None,
            stop: false,
        };
        let mut seen =
            Seen { heartbeat: None, age: Duration::from_secs(1), state: Connection::Open };
        for word in picture.split_whitespace() {
            match word {
                "working" => heartbeat.activity = Activity::Working,
                "together" => heartbeat.activity = Activity::Together,
                "waiting" => heartbeat.activity = Activity::Waiting,
                "apart" => heartbeat.activity = Activity::Apart,
                "unheard" => seen.state = Connection::Unheard,
                "lost" => seen.state = Connection::Lost,
                "left" => seen.state = Connection::Left,
                limit if limit.starts_with('!') => heartbeat.overdue = limit[1..].parse().ok(),
                age if age.ends_with('s') => {
                    seen.age = Duration::from_secs(age.trim_end_matches('s').parse().unwrap());
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
        Seen { heartbeat: (seen.state != Connection::Unheard).then_some(heartbeat), ..seen }
    }

    fn verdict(picture: &[&str]) -> Option<(Cause, Vec<u32>)> {
        let table: Vec<Seen> = picture.iter().map(|rank| seen(rank)).collect();
        let verdict = judge(&table, SILENCE)?;
        assert_eq!(verdict.table, table);
        Some((verdict.kind, verdict.culprits))
    }

    /// What is the case, the ranks as they were last heard, and who is at fault for what.
    type Situation = (&'static str, &'static [&'static str], Option<(Cause, &'static [u32])>);

    #[rustfmt::skip]
    const SITUATIONS: &[Situation] = &[
        ("all is well",
         &["working 3.1.7", "together 3.1.8", "waiting 3.1.8", "apart 3.0.0"],
         None),
        ("all have left",
         &["working 9.0.0 left", "working 9.0.0 left 99s"],
         None),
        ("one has not connected yet, in time",
         &["working 0.0.0", "unheard 9s"],
         None),
        ("rank 2 hangs before the operation that the others are in",
         &["together 3.1.7 !2", "together 3.1.7 !2", "working 3.1.6", "together 3.1.7"],
         Some((Cause::Overdue(2), &[2]))),
        ("rank 2 hangs at something of its own, the others are in the operation",
         &["together 3.1.7 !2", "together 3.1.7 !2", "working 3.1.7 !1", "together 3.1.7 !2"],
         Some((Cause::Overdue(1), &[2]))),
        ("rank 2 works and is within its own limit, but nobody else gets on",
         &["waiting 3.1.7 !5", "waiting 3.1.7 !5", "working 3.1.6", "waiting 3.1.7 !5"],
         Some((Cause::Overdue(5), &[2]))),
        ("two work, one of them an operation behind",
         &["working 3.1.7", "together 3.1.7 !2", "working 3.1.6", "together 3.1.7 !2"],
         Some((Cause::Overdue(2), &[2]))),
        ("an operation that all have entered hangs",
         &["together 3.1.7 !2", "together 3.1.7 !2", "together 3.1.7", "together 3.1.7 !2"],
         Some((Cause::Overdue(2), &[0, 1, 2, 3]))),
        ("an operation hangs that two are in, while the others rest",
         &["together 3.1.7 !2", "together 3.1.7 !2", "apart 3.0.0", "apart 3.0.0 !4"],
         Some((Cause::Overdue(2), &[0, 1]))),
        ("one is still in the operation before",
         &["together 3.1.7 !2", "together 3.1.6 !2", "together 3.1.7 !2"],
         Some((Cause::Overdue(2), &[1]))),
        ("a parked rank never came; it rests by what it says, so those who wait for it are named",
         &["waiting 4.0.0 !3", "waiting 4.0.0 !3", "apart 3.0.0", "waiting 4.0.0 !3"],
         Some((Cause::Overdue(3), &[0, 1, 3]))),
        ("everybody rests",
         &["apart 3.0.0 !4", "apart 2.0.0 !4", "apart 3.0.0 !4"],
         Some((Cause::Overdue(4), &[1]))),
        ("everybody waits at different places",
         &["waiting 3.2.0 !3", "waiting 3.1.9 !3", "waiting 3.2.0", "waiting 4.0.0 !3"],
         Some((Cause::Overdue(3), &[1]))),
        ("one was never heard while the others wait",
         &["waiting 1.0.0 !3", "together 0.0.0 !2", "unheard 9s"],
         Some((Cause::Overdue(2), &[2]))),
        ("who has left is at no fault for those who hang",
         &["working 1.0.0 left !7", "waiting 5.0.0 !3", "waiting 5.0.0 !3"],
         Some((Cause::Overdue(3), &[1, 2]))),
        ("a stopped process is silent, and the others hang for it",
         &["together 3.1.7 !2", "working 3.1.7 11s", "together 3.1.7 !2"],
         Some((Cause::Silent, &[1]))),
        ("two of four are silent",
         &["together 3.1.7", "together 3.1.7 12s", "together 3.1.7", "together 3.1.7 13s"],
         Some((Cause::Silent, &[1, 3]))),
        ("one never connected",
         &["waiting 0.0.0", "unheard 11s"],
         Some((Cause::Silent, &[1]))),
        ("a killed process is gone, whatever the others are",
         &["together 3.1.7 !2", "together 3.1.7 99s", "together 3.1.7 lost 2s"],
         Some((Cause::Gone, &[2]))),
        ("two were killed together, one has left before",
         &["waiting 3.1.7 lost", "working 3.1.7 left 99s", "working 3.1.7 lost"],
         Some((Cause::Gone, &[0, 2]))),
    ];

    #[test]
    fn every_situation_has_its_culprits() {
        for (case, picture, expected) in SITUATIONS {
            let expected = expected.map(|(kind, culprits)| (kind, culprits.to_vec()));
            assert_eq!(verdict(picture), expected, "{case}");
        }
    }

    fn ranks_seen() -> impl Strategy<Value = Seen> {
        let activities =
            [Activity::Working, Activity::Together, Activity::Waiting, Activity::Apart];
        let place = (0..3_u32, 0..2_u8, 0..3_u64);
        let heartbeat = (place, prop::sample::select(activities.to_vec()), any::<Option<u8>>());
        let heartbeat = heartbeat.prop_map(|((task, stage, round), activity, overdue)| {
            let still_ms = 0;
            Heartbeat { rank: 0, task, stage, round, activity, still_ms, overdue, stop: false }
        });
        let open = (heartbeat.clone(), 0..11_u64)
            .prop_map(|(heartbeat, age)| (Some(heartbeat), age, Connection::Open));
        let ended =
            (heartbeat, 0..99_u64, prop::sample::select(vec![Connection::Lost, Connection::Left]))
                .prop_map(|(heartbeat, age, state)| (Some(heartbeat), age, state));
        let unheard = (0..11_u64).prop_map(|age| (None, age, Connection::Unheard));
        let seen = prop_oneof![12 => open, 2 => ended, 1 => unheard];
        seen.prop_map(|(heartbeat, age, state)| Seen {
            heartbeat,
            age: Duration::from_secs(age),
            state,
        })
    }

    proptest! {
        #[test]
        fn somebody_is_at_fault_and_nobody_who_left(
            table in prop::collection::vec(ranks_seen(), 0..9),
        ) {
            if let Some(verdict) = judge(&table, SILENCE) {
                prop_assert!(!verdict.culprits.is_empty());
                prop_assert!(verdict.culprits.is_sorted());
                for rank in verdict.culprits {
                    prop_assert!(table[rank as usize].state != Connection::Left);
                }
            } else {
                let is_well = |seen: &Seen| {
                    seen.state == Connection::Left
                        || limit(seen).is_none() && seen.state != Connection::Lost && seen.age <= SILENCE
                };
                prop_assert!(table.iter().all(is_well));
            }
        }

        #[test]
        fn who_is_at_fault_does_not_depend_on_the_numbers_of_the_ranks(
            (table, order) in prop::collection::vec(ranks_seen(), 1..9).prop_flat_map(|table| {
                let order: Vec<u32> = (0..).take(table.len()).collect();
                (Just(table), Just(order).prop_shuffle())
            }),
        ) {
            let moved: Vec<Seen> = order.iter().map(|&rank| table[rank as usize]).collect();
            let named = |verdict: Option<Verdict>| {
                verdict.map(|verdict| (verdict.kind, verdict.culprits))
            };
            let moved = named(judge(&moved, SILENCE)).map(|(kind, culprits)| {
                let mut back: Vec<u32> =
                    culprits.into_iter().map(|rank| order[rank as usize]).collect();
                back.sort_unstable();
                (kind, back)
            });
            prop_assert_eq!(moved, named(judge(&table, SILENCE)));
        }
    }
}
