//! From stamps to times. Pure: what ranks have to tell each other goes through a closure.

use serde::{Deserialize, Serialize};

use crate::backend::Sample;
use crate::base::units::{Nanos, milliseconds};
use crate::plan::config::Protocol;
use crate::report::{Definition, RankTimes, Skew};
use crate::stats;
use crate::world::ReduceOp;

/// Clock errors above this share of the time hide what they are part of: the bound that SC15's rules
/// set for the overhead of measuring (Hoefler and Belli, 2015).
const CLOCK_SHARE: f64 = 0.05;

/// One round as all its ranks saw it, on their common clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    first_start: Nanos,
    last_start: Nanos,
    first_end: Nanos,
    last_end: Nanos,
    /// The longest of the ranks' own times.
    longest: Nanos,
    /// The sum of the ranks' own times.
    total: Nanos,
    /// The longest time on a device, where devices tell.
    device: Option<Nanos>,
    /// The longest time by the host's clock, where devices stamp start and end.
    host: Option<Nanos>,
    /// The rank with the longest own time; of several the lowest.
    slowest: usize,
    /// Whether a rank came late to the start, of whatever group.
    pub(super) late: bool,
}

impl Round {
    /// How long the round took its slowest rank; on the device, where that tells.
    pub(super) fn duration(&self) -> Nanos {
        self.device.unwrap_or(self.longest)
    }
}

/// Numbers of a round of which the largest over all ranks is wanted.
const MAXIMA: usize = 8;

/// Combines this rank's samples of a block with those of the other ranks. `all_reduce` reduces numbers
/// over all ranks in place; their number does not depend on the number of ranks.
pub fn combine(
    samples: &[Sample],
    rank: usize,
    all_reduce: impl Fn(&mut [i64], ReduceOp),
) -> Vec<Round> {
    let mut maxima: Vec<i64> = samples
        .iter()
        .flat_map(|sample| -> [i64; MAXIMA] {
            let own = sample.end - sample.start;
            let [device, host] = [sample.device, sample.host].map(|told| told.unwrap_or(-1));
            let (start, end) = (sample.start, sample.end);
            [-start, start, -end, end, own, device, host, sample.late.into()]
        })
        .collect();
    all_reduce(&mut maxima, ReduceOp::Max);
    let mut totals: Vec<i64> = samples.iter().map(|sample| sample.end - sample.start).collect();
    let own = totals.clone();
    all_reduce(&mut totals, ReduceOp::Sum);
    let rank = i64::try_from(rank).unwrap_or(i64::MAX);
    let is_slowest =
        |(own, of_all): (&i64, &[i64])| if *own == of_all[4] { -rank } else { i64::MIN };
    let mut slowest: Vec<i64> = own.iter().zip(maxima.chunks(MAXIMA)).map(is_slowest).collect();
    all_reduce(&mut slowest, ReduceOp::Max);
    let rows = maxima.chunks(MAXIMA).zip(totals).zip(slowest);
    rows.map(|((of_all, total), slowest)| Round {
        first_start: -of_all[0],
        last_start: of_all[1],
        first_end: -of_all[2],
        last_end: of_all[3],
        longest: of_all[4],
        total,
        device: Some(of_all[5]).filter(|&device| device >= 0),
        host: Some(of_all[6]).filter(|&host| host >= 0),
        slowest: usize::try_from(slowest.saturating_neg()).unwrap_or(0),
        late: of_all[7] > 0,
    })
    .collect()
}

/// What the valid rounds of a case took, for one operation, ns. Rounds with a late rank are left out,
/// and counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Last end minus first start over the ranks.
    pub global: Vec<f64>,
    /// Largest (end minus start) of any rank.
    pub local: Vec<f64>,
    /// Largest time on the device itself of any rank; empty where the devices do not tell.
    pub device: Vec<f64>,
    /// Largest time by the host's clock of any rank, where devices stamp start and end; else empty.
    pub host: Vec<f64>,
    /// Rounds left out because a rank was late.
    pub invalid: usize,
}

impl Times {
    /// Adds rounds whose samples span `batch` operations.
    pub fn add(&mut self, rounds: &[Round], batch: u32) {
        let one = |nanos: Nanos| nanos as f64 / f64::from(batch);
        for round in rounds {
            if round.late {
                self.invalid += 1;
                continue;
            }
            self.global.push(one(round.last_end - round.first_start));
            self.local.push(one(round.longest));
            self.device.extend(round.device.map(one));
            self.host.extend(round.host.map(one));
        }
    }

    /// The times by one definition.
    pub fn by(&self, definition: Definition) -> &[f64] {
        match definition {
            Definition::LastEndMinusFirstStart => &self.global,
            Definition::SlowestRank => &self.local,
            Definition::SlowestDevice => &self.device,
            // Never by this program.
            Definition::MeanOfRanksAndIterations | Definition::ByTheTool => &[],
        }
    }

    /// The best definition that these times allow. A kernel's time is its time on the device, where
    /// that tells: launching it and noticing its end is the host's business. A first start means something
    /// only between ranks that started together, by clocks whose `error` (ns, for one operation) is
    /// small beside the time.
    pub fn definition(&self, communicates: bool, protocol: Protocol, error: f64) -> Definition {
        let median = stats::median(&self.global).unwrap_or(0.0);
        if !communicates && !self.device.is_empty() {
            Definition::SlowestDevice
        } else if protocol == Protocol::Synchronised && error <= CLOCK_SHARE * median {
            Definition::LastEndMinusFirstStart
        } else {
            Definition::SlowestRank
        }
    }
}

/// How far apart the ranks were, in each valid round, for a whole sample, ns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gaps {
    entry: Vec<f64>,
    exit: Vec<f64>,
    after_last_arrival: Vec<f64>,
    imbalance: Vec<f64>,
}

impl Gaps {
    /// Adds rounds of `ranks` ranks.
    pub fn add(&mut self, rounds: &[Round], ranks: usize) {
        for round in rounds.iter().filter(|round| !round.late) {
            self.entry.push((round.last_start - round.first_start) as f64);
            self.exit.push((round.last_end - round.first_end) as f64);
            self.after_last_arrival.push((round.last_end - round.last_start) as f64);
            let mean = round.total as f64 / ranks as f64;
            self.imbalance.push(if mean > 0.0 { round.longest as f64 / mean - 1.0 } else { 0.0 });
        }
    }

    /// Their medians, with the bound of the clocks' error in them, ns.
    pub fn medians(&self, clock_error: Nanos) -> Skew {
        let ms = |nanos: &[f64]| milliseconds(median(nanos));
        Skew {
            entry_ms: ms(&self.entry),
            exit_ms: ms(&self.exit),
            after_last_arrival_ms: ms(&self.after_last_arrival),
            clock_error_ms: milliseconds(clock_error as f64),
            imbalance: median(&self.imbalance),
        }
    }

    /// Median of last end minus first end, ns.
    pub fn exit_nanos(&self) -> f64 {
        median(&self.exit)
    }
}

fn median(values: &[f64]) -> f64 {
    stats::median(values).unwrap_or(0.0)
}

/// One rank's own times in the valid rounds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OwnTimes {
    /// End minus start of one operation, ns.
    nanos: Vec<f64>,
    slowest: usize,
}

impl OwnTimes {
    /// Adds a block of rank `rank`'s samples.
    pub fn add(&mut self, samples: &[Sample], rounds: &[Round], rank: usize, batch: u32) {
        for (sample, round) in samples.iter().zip(rounds).filter(|(_, round)| !round.late) {
            self.nanos.push((sample.end - sample.start) as f64 / f64::from(batch));
            self.slowest += usize::from(round.slowest == rank);
        }
    }

    /// What they come to; they are those of world rank `rank`.
    pub fn summary(&self, rank: usize, confidence: f64) -> RankTimes {
        let rounds = self.nanos.len();
        let enough = rounds >= stats::iterations_needed(&self.nanos, 0.95, confidence);
        RankTimes {
            rank,
            median_ms: milliseconds(median(&self.nanos)),
            p95_ms: stats::quantile(&self.nanos, 0.95).filter(|_| enough).map(milliseconds),
            slowest_share: self.slowest as f64 / rounds.max(1) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use proptest::prelude::*;

    fn sample(start: i64, end: i64, late: bool) -> Sample {
        Sample::by_host(start, end, late)
    }

    /// What rank 0 learns when these ranks combine their samples, `[rank][round]`. The others' numbers
    /// of a reduction are found by running their part with the results so far.
    fn combined(ranks: &[Vec<Sample>]) -> Vec<Round> {
        let done: RefCell<Vec<Vec<i64>>> = RefCell::default();
        for reduction in 0..3 {
            let offered: RefCell<Vec<Vec<i64>>> = RefCell::default();
            let mut kind = ReduceOp::Max;
            for (rank, samples) in ranks.iter().enumerate() {
                let calls = RefCell::new(0);
                let offer = |numbers: &mut [i64], op: ReduceOp| {
                    let call = *calls.borrow();
                    *calls.borrow_mut() += 1;
                    if call < reduction {
                        numbers.copy_from_slice(&done.borrow()[call]);
                    } else if call == reduction {
                        offered.borrow_mut().push(numbers.to_vec());
                        assert_eq!(op, [ReduceOp::Max, ReduceOp::Sum, ReduceOp::Max][call]);
                    }
                };
                combine(samples, rank, offer);
            }
            if reduction == 1 {
                kind = ReduceOp::Sum;
            }
            let reduced = offered.into_inner().into_iter().reduce(|a, b| {
                let both = a.into_iter().zip(b);
                both.map(|(a, b)| if kind == ReduceOp::Max { a.max(b) } else { a + b }).collect()
            });
            done.borrow_mut().push(reduced.unwrap());
        }
        let calls = RefCell::new(0);
        combine(&ranks[0], 0, |numbers, _| {
            numbers.copy_from_slice(&done.borrow()[*calls.borrow()]);
            *calls.borrow_mut() += 1;
        })
    }

    #[test]
    fn last_end_minus_first_start() {
        let ranks = [
            vec![sample(100, 200, false), sample(300, 400, true)],
            vec![sample(110, 250, false), sample(300, 400, false)],
        ];
        let rounds = combined(&ranks);
        let (mut times, mut gaps, mut own) =
            (Times::default(), Gaps::default(), OwnTimes::default());
        times.add(&rounds, 1);
        gaps.add(&rounds, 2);
        own.add(&ranks[1], &rounds, 1, 1);
        assert_eq!(
            (&times.global[..], &times.local[..], times.invalid),
            (&[150.0][..], &[140.0][..], 1)
        );
        let skew = gaps.medians(7);
        let nanos = [skew.entry_ms, skew.exit_ms, skew.after_last_arrival_ms, skew.clock_error_ms]
            .map(|ms| (ms * 1e6).round());
        assert_eq!(nanos, [10.0, 50.0, 140.0, 7.0]);
        assert!((skew.imbalance - (140.0 / 120.0 - 1.0)).abs() < 1e-12);
        let own = own.summary(3, 0.95);
        assert_eq!((own.rank, own.p95_ms, own.slowest_share), (3, None, 1.0));
        assert_eq!((own.median_ms * 1e6).round(), 140.0);
    }

    #[test]
    fn the_device_time_is_the_slowest_devices_and_judges_kernels() {
        let on_device = |device| Sample { device, ..Sample::by_host(0, 900, false) };
        let mut times = Times::default();
        times.add(&combined(&[vec![on_device(Some(700))], vec![on_device(Some(800))]]), 10);
        assert_eq!(times.by(Definition::SlowestDevice), [80.0]);
        let definition = |communicates| times.definition(communicates, Protocol::Synchronised, 0.0);
        assert_eq!(definition(false), Definition::SlowestDevice);
        assert_eq!(definition(true), Definition::LastEndMinusFirstStart);
    }

    #[test]
    fn clocks_that_err_by_much_of_the_time_leave_each_rank_its_own() {
        let mut times = Times::default();
        times.add(&combined(&[vec![sample(0, 1000, false)], vec![sample(0, 1000, false)]]), 1);
        let with = |error| times.definition(true, Protocol::Synchronised, error);
        assert_eq!(with(50.0), Definition::LastEndMinusFirstStart);
        assert_eq!(with(51.0), Definition::SlowestRank);
        assert_eq!(times.definition(true, Protocol::Barrier, 0.0), Definition::SlowestRank);
    }

    proptest! {
        #[test]
        fn the_order_of_ranks_does_not_matter(
            rows in prop::collection::vec((0i64..1000, 1i64..1000, any::<bool>()), 2..6),
        ) {
            let by_rank: Vec<Vec<Sample>> =
                rows.iter().map(|&(start, took, late)| vec![sample(start, start + took, late)]).collect();
            let reversed: Vec<Vec<Sample>> = by_rank.iter().rev().cloned().collect();
            let (one, other) = (combined(&by_rank)[0], combined(&reversed)[0]);
            prop_assert_eq!(Round { slowest: 0, ..one }, Round { slowest: 0, ..other });
            let longest = rows.iter().map(|row| row.1).max().unwrap();
            prop_assert_eq!(one.slowest, rows.iter().position(|row| row.1 == longest).unwrap());
            prop_assert!(one.last_end - one.first_start >= one.longest);
        }
    }
}
