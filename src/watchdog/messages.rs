//! The failures and messages of ranks at fault.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tesserabench_launcher::{Activity, Cause, Connection, Diagnosis, Heartbeat, RankState};

use super::stack;
use crate::base::error::Kind;
use crate::base::failure::{CaseError, Failure};
use crate::base::units::counted;
use crate::plan::mesh;
use crate::plan::{DeadlineKind, Deadlines};
use crate::world::Member;
use crate::world::progress::{self, Phase};

/// Most lines about ranks that are not at fault.
const OTHERS_LIMIT: usize = 8;

/// Faults found within this time after this process was stopped are consequences of the stop.
const RESUME_WINDOW: Duration = Duration::from_secs(5);

/// What messages need to know about the ranks and the plan.
pub(super) struct FaultMessages {
    pub(super) deadlines: Deadlines,
    pub(super) members: Vec<Member>,
    pub(super) devices: Vec<String>,
    /// The concurrent cases of each task: ranks and name.
    pub(super) tasks: Vec<Vec<(Vec<usize>, String)>>,
    /// When this process resumed after it was stopped for longer than the silence deadline, and for how many seconds
    /// it was stopped.
    pub(super) stopped: Option<(Instant, f64)>,
}

impl FaultMessages {
    pub(super) fn new(deadlines: Deadlines) -> Self {
        let (members, devices, tasks, stopped) = Default::default();
        Self { deadlines, members, devices, tasks, stopped }
    }

    /// The failure that rank 0's heartbeat server has diagnosed, and further lines about the other ranks.
    pub(super) fn of_diagnosis(&self, diagnosis: &Diagnosis) -> (Failure, String) {
        let at_fault: Vec<usize> =
            diagnosis.ranks_at_fault.iter().map(|&rank| rank as usize).collect();
        let first = at_fault.first().copied().unwrap_or(0);
        let state = diagnosis.table.get(first);
        let heartbeat = state.and_then(|state| state.heartbeat);
        let single = at_fault.len() == 1;
        let has = if single { "has" } else { "have" };
        let (kind, what) = match diagnosis.cause {
            Cause::Died => (Kind::RankDied, format!("{has} died")),
            Cause::Silent => {
                let age = state.map_or(0.0, |state| state.age.as_secs_f64());
                let process = self.process_state(first);
                let process = process.map(|state| format!(" (process state: {state})"));
                let text = format!(
                    "{has} sent no heartbeat for {age:.1} s{}, longer than --deadline silence allows",
                    process.unwrap_or_default()
                );
                (Kind::TimedOut, text)
            }
            Cause::Overdue(number) => self.beyond(number, heartbeat, single),
        };
        let present = |state: &&RankState| state.connection != Connection::Left;
        let present = diagnosis.table.iter().filter(present).count();
        let who = match at_fault.len() {
            2.. if at_fault.len() == present => {
                format!("all {present} ranks, none behind another,")
            }
            _ => self.names(&at_fault),
        };
        let position = heartbeat.map(|heartbeat| self.position(&heartbeat));
        // The last heartbeat of a dead or silent rank may be some cases old.
        let outdated = !matches!(diagnosis.cause, Cause::Overdue(_));
        let last = if outdated { "last heartbeat " } else { "" };
        let mut context = position.map_or_else(String::new, |at| format!(", {last}{at}"));
        if outdated {
            context += &format!("; reported by {}", progress::describe());
        }
        let detail = format!("{who} {what}{context}");
        let mut failure = self.failure(kind, first, heartbeat.as_ref(), detail);
        if outdated {
            failure.case = progress::case();
        }
        (failure, self.others(diagnosis, &at_fault))
    }

    /// The failure if this process has just resumed, and missed that the others aborted the job.
    pub(super) fn of_own_stop(&self) -> Option<Failure> {
        let (_, seconds) = self.stopped.filter(|(since, _)| since.elapsed() < RESUME_WINDOW)?;
        let rank = progress::rank().unwrap_or(0);
        let detail = format!(
            "{} was stopped for {seconds:.1} s, longer than --deadline silence allows; reported by {}",
            self.name(rank),
            progress::describe()
        );
        Some(self.failure(Kind::TimedOut, rank, None, detail))
    }

    /// The failure if rank 0's heartbeat server does not reply.
    pub(super) fn of_lost_server(&self) -> Failure {
        let (kind, what) = match self.process_state(0) {
            Some(state) if !state.starts_with(['Z', 'X']) => {
                (Kind::TimedOut, format!("does not respond (process state: {state})"))
            }
            // The state of a process on another node is unknown.
            None if !self.is_on_this_node(0) => (Kind::TimedOut, "does not respond".to_owned()),
            _ => (Kind::RankDied, "died".to_owned()),
        };
        let detail = format!("{} {what}; reported by {}", self.name(0), progress::describe());
        self.failure(kind, 0, None, detail)
    }

    /// The failure if this rank exceeds a deadline, and rank 0 has not aborted the job.
    pub(super) fn of_own_deadline(&self, heartbeat: &Heartbeat) -> Failure {
        let number = heartbeat.overdue.unwrap_or(u8::MAX);
        let (kind, what) = self.beyond(number, Some(*heartbeat), true);
        let rank = heartbeat.rank as usize;
        let who = if self.members.is_empty() { "this process".to_owned() } else { self.name(rank) };
        let detail = format!("{who} {what}, {}", self.position(heartbeat));
        self.failure(kind, rank, Some(heartbeat), detail)
    }

    /// What it means that one or several ranks exceed the deadline of this number.
    fn beyond(&self, number: u8, heartbeat: Option<Heartbeat>, single: bool) -> (Kind, String) {
        let Some(deadline) = DeadlineKind::numbered(number) else {
            return (Kind::TimedOut, "exceeds a deadline".to_owned());
        };
        let most = self.deadlines.get(deadline);
        let s = if single { "s" } else { "" };
        let how = match heartbeat.map(|heartbeat| heartbeat.activity) {
            _ if self.members.len() < 2 => "hangs".to_owned(),
            Some(Activity::Working) | None => format!("block{s} the other ranks"),
            Some(Activity::Joint) => format!("hang{s} in an operation with other ranks"),
            Some(Activity::Waiting | Activity::Parked) => format!("wait{s} for other ranks"),
        };
        match deadline {
            DeadlineKind::Stop => {
                (Kind::Interrupted, format!("did not stop within {most} s of the request"))
            }
            _ => (Kind::TimedOut, format!("{how} beyond the {most} s of {}", deadline.flag())),
        }
    }

    fn failure(
        &self,
        kind: Kind,
        rank: usize,
        heartbeat: Option<&Heartbeat>,
        detail: String,
    ) -> Failure {
        let at =
            heartbeat.map_or_else(|| progress::position().phase, |at| Phase::numbered(at.stage));
        let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let error = CaseError {
            rank: Some(rank),
            node: known(self.host(rank)),
            device: self.devices.get(rank).and_then(|name| known(name)),
            ..CaseError::now(kind, at.name(), detail)
        };
        let case = heartbeat.map_or_else(progress::case, |beat| self.case(beat).to_owned());
        Failure { case, error }
    }

    /// One indented line for each position at which there are other ranks.
    fn others(&self, diagnosis: &Diagnosis, at_fault: &[usize]) -> String {
        let mut positions: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (rank, state) in diagnosis.table.iter().enumerate() {
            if at_fault == [rank] {
                continue;
            }
            let at = match (state.connection, &state.heartbeat) {
                (Connection::Left, _) => "left in order".to_owned(),
                (_, Some(heartbeat)) => {
                    let unchanged =
                        if heartbeat.unchanged_ms >= 1000 { " for seconds" } else { "" };
                    let case = progress::in_case(self.case(heartbeat));
                    format!("{case}, {}{unchanged}", step(heartbeat))
                }
                (_, None) => "never connected".to_owned(),
            };
            positions.entry(at).or_default().push(rank);
        }
        let rest = positions.len().saturating_sub(OTHERS_LIMIT);
        let lines = positions.into_iter().take(OTHERS_LIMIT);
        let lines = lines.map(|(at, ranks)| format!("\n  {}: {at}", self.names(&ranks)));
        let rest =
            (rest > 0).then(|| format!("\n  other ranks: at {}", counted(rest, "more position")));
        lines.chain(rest).collect()
    }

    fn names(&self, ranks: &[usize]) -> String {
        match ranks {
            [rank] => self.name(*rank),
            _ => format!("ranks {}", mesh::format_ranges(ranks.iter().copied())),
        }
    }

    /// `rank 1 on node7 (NVIDIA H200)`.
    fn name(&self, rank: usize) -> String {
        let device = self.devices.get(rank).map_or_else(String::new, |name| format!(" ({name})"));
        format!("rank {rank} on {}{device}", self.host(rank))
    }

    fn host(&self, rank: usize) -> &str {
        self.members.get(rank).map_or("", |member| &member.host)
    }

    fn is_on_this_node(&self, rank: usize) -> bool {
        progress::place().0 == self.host(rank)
    }

    /// The kernel's state of a rank's process, if it is on this node.
    fn process_state(&self, rank: usize) -> Option<String> {
        let member = self.members.get(rank).filter(|_| self.is_on_this_node(rank))?;
        stack::state_of(member.process)
    }

    /// The case that a rank is in; empty before the first.
    fn case(&self, heartbeat: &Heartbeat) -> &str {
        let Some(task) = (heartbeat.task as usize).checked_sub(1) else { return "" };
        let Some(set) = self.tasks.get(task % self.tasks.len().max(1)) else { return "" };
        let own = set.iter().find(|(ranks, _)| ranks.contains(&(heartbeat.rank as usize)));
        own.or(set.first()).map_or("", |(_, name)| name)
    }

    /// `in case gemm/f32/…, phase measure, round 17, in local work for 12.3 s`.
    fn position(&self, heartbeat: &Heartbeat) -> String {
        let seconds = f64::from(heartbeat.unchanged_ms) / 1e3;
        let case = progress::in_case(self.case(heartbeat));
        format!("{case}, {} for {seconds:.1} s", step(heartbeat))
    }
}

fn step(heartbeat: &Heartbeat) -> String {
    let round =
        if heartbeat.round > 0 { format!(", round {}", heartbeat.round) } else { String::new() };
    let activity = match heartbeat.activity {
        Activity::Working => "in local work",
        Activity::Joint => "in an operation of several ranks",
        Activity::Waiting => "waiting for other ranks",
        Activity::Parked => "parked while others measure",
    };
    format!("phase {}{round}, {activity}", Phase::numbered(heartbeat.stage).name())
}
