//! A case that ran more than once: in several launches, or in cycles of one.
//!
//! Launches stay apart: iterations of one launch are no replicates of each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Case, CaseError, Outcome, Report};
use crate::stats::{Steadiness, median, steadiness};

/// Most turns that are kept; beyond that every second one is let go, so that memory stays flat however
/// long a run takes. All of them stand in the journal while the run goes on.
const MOST_TURNS: usize = 4096;

/// One start of all ranks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Launch {
    /// When it began, UTC.
    pub started: String,
    /// Cases that had been finished before it, counted through all cycles.
    pub done: usize,
    /// The ranks' nodes, in the order of their first rank.
    pub hosts: Vec<String>,
    /// Which of the launches of `--launches`, from 0; those that are resumed keep theirs.
    #[serde(default)]
    pub replicate: usize,
    /// The run that this launch was by itself, where it is one of several.
    pub run: Option<String>,
}

/// The same case in each launch of `--launches`, and how far they agree. The case's other figures are those of
/// the launch in the middle, the faster of two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Replication {
    /// The launches that measured it, in their order.
    pub launches: Vec<Replicate>,
    /// Median of their medians, ms.
    pub median_ms: f64,
    /// Its interval from order statistics over launches; null for fewer than six at 95 %.
    pub ci: Option<[f64; 2]>,
    /// Standard deviation of their medians as percent of the mean of these: what differs from start to start. Null for
    /// one launch.
    pub between_percent: Option<f64>,
    /// Whether that is at most what the configuration allows, 5 % unless it says otherwise; false for fewer than two launches, which do not tell.
    pub reproducible: bool,
}

/// A case in one launch of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Replicate {
    /// Which launch, from 0.
    pub replicate: usize,
    /// Median time, ms, by the definition that the case's headline has.
    pub median_ms: f64,
    /// Median of the slowest rank's own times, ms; null where they are not known.
    #[serde(default)]
    pub local_median_ms: Option<f64>,
    /// Valid iterations.
    pub iterations: usize,
    /// Rounds left out because a rank came late.
    pub invalid: usize,
    /// Times of its valid iterations, ms, in order; without samples in the report the medians of ten blocks.
    pub times_ms: Vec<f64>,
}

/// What came of a case in all cycles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cycles {
    /// How often it ran, the first time included.
    pub count: usize,
    /// How often it failed.
    pub failed: usize,
    /// The cycle of its first failure, counted from 0; `error` of the case says what it was.
    pub first_failure: Option<usize>,
    /// Every so many cycles there is a turn below.
    pub every: usize,
    /// Some of the turns, in order.
    pub turns: Vec<Turn>,
    /// Whether its time changed; null when there are too few turns to tell.
    pub drift: Option<Drift>,
}

/// One turn of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Turn {
    /// Counted from 0.
    pub cycle: usize,
    /// When it was over, UTC.
    pub time: String,
    /// Median time, ms; null when it was not measured.
    pub median_ms: Option<f64>,
}

/// How a case's time changed from turn to turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// Whether the turns keep one level.
    pub steady_state: Steadiness,
    /// The cycle since which it keeps the last level.
    pub since: usize,
    /// When that was, UTC.
    pub time: String,
    /// How far the median of the later turns is from that of the earlier ones, percent; 0 when it is flat.
    pub change_percent: f64,
}

impl Cycles {
    /// After the first time.
    pub fn new(first: Turn, failed: bool) -> Self {
        let first_failure = failed.then_some(0);
        Self {
            count: 1,
            failed: failed.into(),
            first_failure,
            every: 1,
            turns: vec![first],
            drift: None,
        }
    }

    /// Adds the next turn.
    pub fn add(&mut self, turn: Turn, error: Option<&CaseError>) {
        self.count += 1;
        if error.is_some() {
            self.failed += 1;
            self.first_failure.get_or_insert(turn.cycle);
        }
        if !turn.cycle.is_multiple_of(self.every) {
            return;
        }
        self.turns.push(turn);
        if self.turns.len() > MOST_TURNS {
            self.every *= 2;
            self.turns.retain(|turn| turn.cycle.is_multiple_of(self.every));
        }
    }

    /// Judges what there is.
    pub fn conclude(&mut self) {
        let known = self.turns.iter().filter_map(|turn| Some((turn, turn.median_ms?)));
        let (turns, medians): (Vec<&Turn>, Vec<f64>) = known.unzip();
        self.drift = steadiness(&medians).map(|(steady_state, since)| {
            let (earlier, later) = medians.split_at(since);
            let change = median(later).zip(median(earlier)).map_or(0.0, |(l, e)| l / e - 1.0);
            Drift {
                steady_state,
                since: turns[since].cycle,
                time: turns[since].time.clone(),
                change_percent: 100.0 * change,
            }
        });
    }
}

impl Case {
    /// Its median time, ms, over its launches where there were several. `None` for a case without times.
    pub fn median_ms(&self) -> Option<f64> {
        let headline = self.measured.as_ref()?.latency.median;
        Some(self.replication.as_ref().map_or(headline, |replication| replication.median_ms))
    }

    /// The interval of its median, ms: of one launch within it, of several over them. `None` where there are too few
    /// iterations or launches: the iterations of one tell nothing of the median of several.
    pub fn interval_ms(&self) -> Option<[f64; 2]> {
        let latency = &self.measured.as_ref()?.latency;
        match &self.replication {
            Some(replication) if replication.launches.len() > 1 => replication.ci,
            _ => latency.ci,
        }
    }

    /// Adds a later turn; its first failure is the case's.
    pub fn turn(&mut self, turn: Turn, error: Option<CaseError>) {
        if let Some(cycles) = &mut self.cycles {
            cycles.add(turn, error.as_ref());
        }
        if let (Some(error), None) = (error, &self.error) {
            self.outcome = Outcome::Failed;
            self.error = Some(error);
        }
    }
}

impl Report {
    /// Adds a finished case, which may run again.
    pub fn push(&mut self, mut case: Case, time: &str, repeats: bool) {
        case.cycles = repeats.then(|| {
            let median_ms = case.latency().map(|latency| latency.median);
            let first = Turn { cycle: 0, time: time.to_owned(), median_ms };
            Cycles::new(first, case.error.is_some())
        });
        self.cases.push(case);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(cycle: usize, median_ms: f64) -> Turn {
        Turn { cycle, time: format!("t{cycle}"), median_ms: Some(median_ms) }
    }

    #[test]
    fn a_step_is_named_with_its_time() {
        let mut cycles = Cycles::new(turn(0, 1.0), false);
        for cycle in 1..100 {
            let noise = 1e-3 * (cycle % 7) as f64;
            cycles.add(turn(cycle, if cycle < 60 { 1.0 } else { 1.2 } + noise), None);
        }
        cycles.conclude();
        let drift = cycles.drift.unwrap();
        assert_eq!(drift.steady_state, Steadiness::None);
        assert_eq!((drift.since, drift.time.as_str()), (60, "t60"));
        assert!((drift.change_percent - 20.0).abs() < 1.0, "{drift:?}");
    }

    #[test]
    fn memory_stays_flat_and_all_are_counted() {
        let mut cycles = Cycles::new(turn(0, 1.0), false);
        for cycle in 1..100_000 {
            cycles.add(turn(cycle, 1.0), None);
        }
        assert_eq!(cycles.count, 100_000);
        assert!(cycles.turns.len() <= MOST_TURNS && cycles.turns.len() > MOST_TURNS / 4);
        assert_eq!(cycles.turns[1].cycle, cycles.every);
    }
}
