//! What people read when a rank is at fault.

use std::collections::BTreeMap;

use tesserabench_launcher::{Activity, Cause, Connection, Heartbeat, Verdict};

use super::stack;
use crate::base::error::Kind;
use crate::base::failure::CaseError;
use crate::base::failure::Failure;
use crate::machine::environment::Environment;
use crate::plan::mesh;
use crate::plan::{Case, DeadlineKind, Deadlines, Plan};
use crate::world::Member;
use crate::world::progress::{self, Phase};

/// Most kinds of places at which the other ranks are that are told apart.
const PLACES: usize = 8;

/// What is known of the ranks and of what they do.
pub(super) struct Ranks {
    /// How long things may take.
    pub(super) deadlines: Deadlines,
    hosts: Vec<String>,
    processes: Vec<u32>,
    devices: Vec<String>,
    /// The cases of each task: its ranks, and its name.
    tasks: Vec<Vec<(Vec<usize>, String)>>,
}

impl Ranks {
    /// Before they have met.
    pub(super) fn new(deadlines: Deadlines) -> Self {
        let (hosts, processes, devices, tasks) = Default::default();
        Self { deadlines, hosts, processes, devices, tasks }
    }

    pub(super) fn meet(&mut self, members: &[Member]) {
        self.hosts = members.iter().map(|member| member.host.clone()).collect();
        self.processes = members.iter().map(|member| member.process).collect();
    }

    pub(super) fn plan(&mut self, plan: &Plan) {
        self.deadlines = plan.deadlines;
        let name = |case: &Case| (case.group.ranks.clone(), case.id.clone());
        let sets = plan.cases.chunk_by(Case::runs_with);
        self.tasks = sets.map(|set| set.iter().map(name).collect()).collect();
    }

    pub(super) fn devices(&mut self, environment: &Environment) {
        self.devices = environment.ranks.iter().map(|rank| rank.device.name.clone()).collect();
    }

    fn host(&self, rank: usize) -> &str {
        self.hosts.get(rank).map_or("", String::as_str)
    }

    /// `rank 1 on node7 (NVIDIA H200)`.
    fn name(&self, rank: usize) -> String {
        let device = self.devices.get(rank).map_or_else(String::new, |name| format!(" ({name})"));
        format!("rank {rank} on {}{device}", self.host(rank))
    }

    /// The case that a rank is in; empty before the first.
    fn case(&self, heartbeat: &Heartbeat) -> &str {
        let Some(task) = (heartbeat.task as usize).checked_sub(1) else { return "" };
        let Some(set) = self.tasks.get(task % self.tasks.len().max(1)) else { return "" };
        let own = set.iter().find(|(ranks, _)| ranks.contains(&(heartbeat.rank as usize)));
        own.or(set.first()).map_or("", |(_, name)| name)
    }

    /// The failure, and what people read, when rank 0 has found a rank at fault.
    pub(super) fn judge(&self, verdict: &Verdict) -> (Failure, String) {
        let culprits: Vec<usize> = verdict.culprits.iter().map(|&rank| rank as usize).collect();
        let first = culprits.first().copied().unwrap_or(0);
        let seen = verdict.table.get(first);
        let heartbeat = seen.and_then(|seen| seen.heartbeat);
        let left = |state| matches!(state, Connection::Left);
        let everybody = culprits.len() > 1
            && culprits.len() == verdict.table.iter().filter(|seen| !left(seen.state)).count();
        let who = match culprits[..] {
            [rank] => self.name(rank),
            _ if everybody => format!("all {} ranks, none behind another,", culprits.len()),
            _ => format!("ranks {}", mesh::format_ranges(culprits.iter().copied())),
        };
        let heard = match verdict.kind {
            Cause::Overdue(_) => "",
            Cause::Gone | Cause::Silent => "last heard ",
        };
        let place = heartbeat
            .map_or_else(String::new, |heartbeat| format!(", {heard}{}", self.place(&heartbeat)));
        // What was heard of it last may be some cases ago.
        let now = if heard.is_empty() {
            String::new()
        } else {
            format!("; this is {}", progress::sentence())
        };
        let alone = culprits.len() == 1;
        let has = if alone { "has" } else { "have" };
        let (kind, what) = match verdict.kind {
            Cause::Gone => (Kind::RankDied, format!("{has} died")),
            Cause::Silent => {
                let age = seen.map_or(0.0, |seen| seen.age.as_secs_f64());
                let state = self
                    .state(first)
                    .map_or_else(String::new, |state| format!(" (its process: {state})"));
                (
                    Kind::TimedOut,
                    format!(
                        "{has} said nothing for {age:.1} s{state}, longer than --deadline silence allows"
                    ),
                )
            }
            Cause::Overdue(number) => self.beyond(number, heartbeat, alone),
        };
        let mut message = format!("{who} {what}{place}{now}");
        for (others, at) in self.others(verdict, &culprits) {
            message.push_str(&format!("\n  {others} {at}"));
        }
        let detail = message.lines().next().unwrap_or_default().to_owned();
        let failure = self.failure(kind, first, heartbeat.as_ref(), detail);
        match verdict.kind {
            Cause::Overdue(_) => (failure, message),
            // What was heard of it last is older than what it died in.
            Cause::Gone | Cause::Silent => (Failure { case: progress::case(), ..failure }, message),
        }
    }

    /// When this process itself was stopped, and has missed that the others ended the job.
    pub(super) fn was_stopped(&self, seconds: f64) -> (Failure, String) {
        let rank = progress::rank().unwrap_or(0);
        let message = format!(
            "{} was stopped for {seconds:.1} s, longer than --deadline silence allows; this is {}",
            self.name(rank),
            progress::sentence()
        );
        (self.failure(Kind::TimedOut, rank, None, message.clone()), message)
    }

    /// When rank 0, which hears the others, does not answer.
    pub(super) fn miss_root(&self) -> (Failure, String) {
        let (kind, what) = match self.state(0) {
            Some(state) if !state.starts_with(['Z', 'X']) => {
                (Kind::TimedOut, format!("does not answer any more (its process: {state})"))
            }
            // Of another node's process nothing is known but its silence.
            None if !self.is_here(0) => (Kind::TimedOut, "does not answer any more".to_owned()),
            _ => (Kind::RankDied, "died without a word".to_owned()),
        };
        let message = format!("{} {what}; this is {}", self.name(0), progress::sentence());
        (self.failure(kind, 0, None, message.clone()), message)
    }

    /// When this rank itself is beyond a limit, and nobody has ended the job.
    pub(super) fn overdue(&self, heartbeat: &Heartbeat) -> (Failure, String) {
        let number = heartbeat.overdue.unwrap_or(u8::MAX);
        let (kind, what) = self.beyond(number, Some(*heartbeat), true);
        let rank = heartbeat.rank as usize;
        let who = if self.hosts.is_empty() { "this process".to_owned() } else { self.name(rank) };
        let message = format!("{who} {what}, {}", self.place(heartbeat));
        (self.failure(kind, rank, Some(heartbeat), message.clone()), message)
    }

    /// What it means that a rank, or several of them, are beyond the limit of this number.
    fn beyond(&self, number: u8, heartbeat: Option<Heartbeat>, alone: bool) -> (Kind, String) {
        let Some(limit) = DeadlineKind::ALL.into_iter().find(|limit| *limit as u8 == number) else {
            return (Kind::TimedOut, "is beyond a deadline".to_owned());
        };
        let most = self.deadlines.get(limit);
        let s = if alone { "s" } else { "" };
        let how = match heartbeat.map(|heartbeat| heartbeat.activity) {
            Some(Activity::Working) | None => format!("hold{s} the others up"),
            Some(Activity::Together) => format!("hang{s} with others in an operation of theirs"),
            Some(Activity::Waiting | Activity::Apart) => format!("wait{s} in vain"),
        };
        match limit {
            DeadlineKind::Stop => {
                (Kind::Interrupted, format!("did not stop within {most} s of being asked to"))
            }
            limit if self.hosts.len() < 2 => {
                (Kind::TimedOut, format!("hangs, beyond the {most} s of {}", limit.flag()))
            }
            limit => (Kind::TimedOut, format!("{how} beyond the {most} s of {}", limit.flag())),
        }
    }

    fn failure(
        &self,
        kind: Kind,
        rank: usize,
        heartbeat: Option<&Heartbeat>,
        detail: String,
    ) -> Failure {
        let at = heartbeat.map_or_else(|| progress::position().phase, phase).name();
        let known = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let error = CaseError {
            rank: Some(rank),
            node: known(Some(self.host(rank))),
            device: known(self.devices.get(rank).map(String::as_str)),
            ..CaseError::now(kind, at, detail)
        };
        Failure {
            case: heartbeat
                .map_or_else(progress::case, |heartbeat| self.case(heartbeat).to_owned()),
            error,
        }
    }

    fn is_here(&self, rank: usize) -> bool {
        progress::place().0 == self.host(rank)
    }

    /// What the kernel says of a rank's process, where it is on this node.
    fn state(&self, rank: usize) -> Option<String> {
        if !self.is_here(rank) {
            return None;
        }
        stack::state_of(*self.processes.get(rank)?)
    }

    /// `in case gemm/f32/…, phase measure, round 17: at something of its own for 12.3 s`.
    fn place(&self, heartbeat: &Heartbeat) -> String {
        format!("{}, {}", self.in_case(heartbeat), at(heartbeat))
    }

    fn in_case(&self, heartbeat: &Heartbeat) -> String {
        match self.case(heartbeat) {
            "" => "before the first case".to_owned(),
            case => format!("in case {case}"),
        }
    }

    /// Where the other ranks are, those at the same place together.
    fn others(&self, verdict: &Verdict, culprits: &[usize]) -> Vec<(String, String)> {
        let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (rank, seen) in verdict.table.iter().enumerate() {
            if culprits.contains(&rank) && culprits.len() == 1 {
                continue;
            }
            let at = match (seen.state, &seen.heartbeat) {
                (Connection::Left, _) => "have left in good order".to_owned(),
                (_, Some(heartbeat)) => {
                    let still = if heartbeat.still_ms >= 1000 { " for seconds" } else { "" };
                    format!("{}, {}{still}", self.in_case(heartbeat), step(heartbeat))
                }
                (_, None) => "have not been heard".to_owned(),
            };
            places.entry(at).or_default().push(rank);
        }
        let rest = places.len().saturating_sub(PLACES);
        let name = |ranks: Vec<usize>| match ranks[..] {
            [rank] => self.name(rank) + ":",
            _ => format!("ranks {}:", mesh::format_ranges(ranks.into_iter())),
        };
        let mut told: Vec<(String, String)> =
            places.into_iter().take(PLACES).map(|(at, ranks)| (name(ranks), at)).collect();
        if rest > 0 {
            told.push(("others are at".to_owned(), format!("{rest} more places")));
        }
        told
    }
}

fn phase(heartbeat: &Heartbeat) -> Phase {
    Phase::ALL.get(usize::from(heartbeat.stage)).copied().unwrap_or(Phase::Join)
}

fn step(heartbeat: &Heartbeat) -> String {
    let round =
        if heartbeat.round > 0 { format!(", round {}", heartbeat.round) } else { String::new() };
    let activity = match heartbeat.activity {
        Activity::Working => "at something of its own",
        Activity::Together => "in an operation of several ranks",
        Activity::Waiting => "waiting for others",
        Activity::Apart => "resting while others measure",
    };
    format!("phase {}{round}, {activity}", phase(heartbeat).name())
}

fn at(heartbeat: &Heartbeat) -> String {
    format!("{} for {:.1} s", step(heartbeat), f64::from(heartbeat.still_ms) / 1e3)
}
