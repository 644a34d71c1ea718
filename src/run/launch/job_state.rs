//! What a job's ranks and launcher have reported, and how it ended.

use std::collections::HashMap;

use rustix::process::{Resource, getrlimit};
use tesserabench_launcher::{End, OutputLine};

use crate::base::error::{Error, Exit, Kind, Result};
use crate::base::failure::{CaseError, Failure};
use crate::base::units::format_size;
use crate::plan::{DeadlineKind, Deadlines};
use crate::render::{remark, say};
use crate::run::case_progress::CaseProgress;
use crate::world::supervision::{Note, Token};

#[derive(Default)]
pub(super) struct JobState {
    /// Processes that start MPI, each with its rank where that is known; the ranks that have done so.
    starting: HashMap<u32, Option<usize>>,
    ranks: HashMap<u32, (usize, String)>,
    /// The first process that MPI complained about while it started.
    unstarted: Option<u32>,
    case: String,
    exit: Option<Exit>,
    /// Whether there is a journal of this run, and whether it has become a report.
    journal: bool,
    reported: bool,
    failure: Option<Failure>,
    /// What the launcher prints about the end; shown when nothing better explains it.
    held: Vec<String>,
    /// Whether standard output and standard error have come to the launcher's farewell.
    farewell: [bool; 2],
    named: Option<(usize, String)>,
    progress: Option<CaseProgress>,
}

impl JobState {
    /// Takes in a line of the launcher or of a rank, and shows it if people should see it; whether a case has begun.
    pub(super) fn hear(&mut self, line: OutputLine, token: &Token, shows_output: bool) -> bool {
        match &line {
            // Hydra prints on standard output how a job ended.
            OutputLine::Out(line) if self.is_held(0, is_rule(line)) => self.hold(line),
            OutputLine::Out(line) if shows_output => self.above_bar(|| say(line)),
            OutputLine::Out(_) => {}
            OutputLine::Err(line) => match Note::parse(line, token) {
                Some(note) => self.note(note),
                None if line.starts_with("tesserabench") => self.show(line),
                None => {
                    let starts = |pid: &u32| self.starting.contains_key(pid);
                    self.unstarted = self.unstarted.or_else(|| numbers_in(line).find(starts));
                    if self.is_held(1, is_rule(line) || is_opening(line)) {
                        self.hold(line);
                    } else {
                        self.show(line);
                    }
                }
            },
        }
        self.progress.is_some()
    }

    fn note(&mut self, note: Note) {
        match note {
            Note::Start { pid, rank } => {
                self.starting.insert(pid, rank);
            }
            Note::Rank { rank, pid, host } => {
                self.starting.remove(&pid);
                self.ranks.insert(pid, (rank, host));
            }
            Note::Case { done, total, id } => {
                // The job goes on, so that was no farewell.
                self.farewell = [false; 2];
                self.show_held();
                let progress = self.progress.get_or_insert_with(|| CaseProgress::new(total));
                progress.starts(done, &id);
                self.case = id;
            }
            Note::Ended { done, total, told } => {
                self.progress.iter().for_each(|progress| progress.ends(done, total, &told));
            }
            Note::Journal => self.journal = true,
            Note::Reported => self.reported = true,
            // The first is the cause. Others may follow from it: ranks that were asked to stop then.
            Note::Failure(failure) => match &self.failure {
                Some(known) if known.error.kind.exit() != Exit::Interrupted => {}
                _ => self.failure = Some(*failure),
            },
            Note::Exit(exit) => self.exit = Some(self.exit.map_or(exit, |known| known.worst(exit))),
        }
    }

    /// Whether a stream is at its farewell, once it has begun.
    fn is_held(&mut self, stream: usize, begins: bool) -> bool {
        self.farewell[stream] |= begins;
        self.farewell[stream]
    }

    fn hold(&mut self, line: &str) {
        self.named = self.named.take().or_else(|| self.rank_in(line));
        self.held.push(line.to_owned());
    }

    fn show(&self, line: &str) {
        self.above_bar(|| remark(line));
    }

    fn above_bar(&self, print: impl FnOnce()) {
        match &self.progress {
            Some(progress) => progress.above(print),
            None => print(),
        }
    }

    fn show_held(&mut self) {
        std::mem::take(&mut self.held).iter().for_each(|line| self.show(line));
    }

    /// The rank that a launcher's line is about. Open MPI names the rank; MPICH a process, which of several may
    /// be one that it has killed itself.
    fn rank_in(&self, line: &str) -> Option<(usize, String)> {
        let by_pid = numbers_in(line).find_map(|pid| self.ranks.get(&pid));
        let by_pid = by_pid.filter(|_| self.ranks.len() == 1);
        let after = line.split_once("process rank ").and_then(|(_, rest)| rest.split(' ').next());
        let rank: Option<usize> = after.and_then(|word| word.parse().ok());
        let by_rank = self.ranks.values().find(|(known, _)| Some(*known) == rank);
        by_pid.or(by_rank).cloned()
    }

    /// The exit of a job that ended like this and whose run has these deadlines; an error when the ranks have not
    /// reported an exit that holds.
    pub(super) fn conclude(&mut self, end: End, deadlines: &Deadlines) -> Result<Exit> {
        self.progress.iter().for_each(CaseProgress::end);
        if end == End::Code(0) || tracing::enabled!(tracing::Level::INFO) {
            self.show_held();
        }
        // A launcher asks its ranks to stop when one of them dies; that is not why the job ended.
        let named = self.named.is_some();
        self.failure = self.failure.take().filter(|failure| {
            failure.error.kind.exit() != Exit::Interrupted || end == End::Interrupted || !named
        });
        let failed = self.failure.as_ref().filter(|_| !self.reported);
        let failed = failed.map(|failure| failure.error.kind.exit());
        // Ranks that are ended because their time is over take that for a request to stop.
        let is_late = matches!(end, End::TimedOut | End::NotStarted);
        let late = |exit: &Exit| is_late && *exit == Exit::Interrupted;
        let exit = failed.or(self.exit).filter(|exit| !late(exit));
        let during = match self.case.as_str() {
            "" => "between cases".to_owned(),
            case => format!("during case {case}"),
        };
        // The launcher reports a process that was killed, and Hydra also one that MPI ended itself while it started.
        let is_death =
            |line: &String| ["on signal", "BAD TERMINATION"].iter().any(|word| line.contains(word));
        let is_own_end = |line: &String| line.starts_with("Abort(") && line.contains("_Init");
        let died = self.held.iter().any(is_death) && !self.held.iter().any(is_own_end);
        // Ranks that the launcher stops because another could not start MPI take that for a request.
        let stopped = exit.is_none_or(|exit| exit == Exit::Interrupted);
        if !self.starting.is_empty() && stopped && !died && matches!(end, End::Code(_)) {
            self.show_held();
            // One that was complained about may have started after all.
            let rank = self.unstarted.and_then(|pid| self.starting.get(&pid).copied().flatten());
            let place = rank.map_or_else(String::new, |rank| format!(" on rank {rank}"));
            let why = format!("MPI could not start{place}; its messages are above{}", file_limit());
            return Err(Error::unfit(why));
        }
        let (kind, why) = match (exit, end, &self.named) {
            // A run that finished all the same was not interrupted.
            (Some(exit), End::TimedOut | End::NotStarted | End::Interrupted, _)
                if exit != Exit::Ok || self.reported =>
            {
                return Ok(exit);
            }
            (_, End::NotStarted, _) => {
                self.show_held();
                let why = format!(
                    "the ranks did not start within {} s and were ended; give more time with {}{}",
                    deadlines.startup,
                    DeadlineKind::Startup.flag(),
                    file_limit()
                );
                (Kind::TimedOut, why)
            }
            (_, End::TimedOut, _) => (
                Kind::TimedOut,
                format!(
                    "the run took longer than its {} s, {during}, and was ended; give more time with --timeout, or \
                     measure less",
                    deadlines.run
                ),
            ),
            (_, End::Interrupted, _) => (Kind::Interrupted, format!("interrupted {during}")),
            (Some(exit), ..) => return Ok(exit),
            (None, End::Code(_), _) if self.ranks.is_empty() && !died => {
                self.show_held();
                let why = "the launcher could not start the ranks; its messages are above";
                return Err(Error::unfit(why));
            }
            (None, _, Some((rank, host))) => {
                (Kind::RankDied, format!("rank {rank} on {host} died silently {during}"))
            }
            (None, End::Code(code), None) => {
                self.show_held();
                let ended = format!("the launcher ended with code {code}");
                (Kind::RankDied, format!("a rank died silently {during}, and {ended}"))
            }
            (None, _, None) => (Kind::RankDied, format!("the launcher was killed {during}")),
        };
        Err(Error::new(kind, why))
    }

    /// Why a run ended whose journal has not become a report; `None` where there is nothing to keep.
    pub(super) fn unreported(&mut self, ended: &Result<Exit>) -> Option<Failure> {
        if !self.journal || self.reported {
            return None;
        }
        Some(self.failure.take().unwrap_or_else(|| {
            let (kind, why) = match ended {
                Err(why) => (why.kind, why.message.clone()),
                Ok(exit) => {
                    let meaning = exit.meaning();
                    (Kind::RankDied, format!("the ranks ended without a report ({meaning})"))
                }
            };
            let (rank, node) = self.named.clone().unzip();
            let error = CaseError { rank, node, ..CaseError::now(kind, "unknown", why) };
            Failure { case: self.case.clone(), error }
        }))
    }
}

/// What a limit of file size may do to MPI, whose launchers and libraries write files of some MB while they start, and
/// of which some wait for ever when they cannot.
fn file_limit() -> String {
    let limit = getrlimit(Resource::Fsize).current.map(format_size);
    let told =
        |limit| format!("; files may have {limit} here (ulimit -f), and MPI's may need more");
    limit.map_or_else(String::new, told)
}

fn numbers_in(line: &str) -> impl Iterator<Item = u32> {
    line.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok())
}

/// Whether a line is a rule: launchers print how a job ended between two of them.
fn is_rule(line: &str) -> bool {
    line.len() >= 40 && (line.bytes().all(|b| b == b'-') || line.bytes().all(|b| b == b'='))
}

/// Whether a launcher begins to report how the job ended, without a rule.
fn is_opening(line: &str) -> bool {
    let openings = ["mpirun", "prterun", "mpiexec", "[mpiexec@", "[proxy:", "Abort(", "srun:"];
    openings.iter().any(|opening| line.starts_with(opening)) || line.contains("MPI_Abort")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::config::Config;

    #[test]
    fn who_has_started_after_all_is_not_named() {
        let mut state = JobState::default();
        for (pid, rank) in [(70, 0), (71, 1)] {
            state.note(Note::Start { pid, rank: Some(rank) });
        }
        let token = Token::random().unwrap();
        state.hear(OutputLine::Err("[host:70] a warning".to_owned()), &token, true);
        state.note(Note::Rank { rank: 0, pid: 70, host: "host".to_owned() });
        let deadlines = Deadlines::resolve(&Config::default(), 2, None).unwrap();
        let why = state.conclude(End::Code(1), &deadlines).unwrap_err();
        assert_eq!(why.message, "MPI could not start; its messages are above");
    }

    #[test]
    fn a_start_that_mpi_ended_itself_is_no_silent_death() {
        let banner = "=".repeat(60);
        let bad =
            OutputLine::Out("=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES".to_owned());
        let abort =
            "Abort(270126991): Fatal error in internal_Init_thread: Other MPI error, error stack:";
        let abort = OutputLine::Err(abort.to_owned());
        // Hydra prints the banner when it sees the process end before it hears of the abort.
        for (told, kind) in [(Some(abort), Kind::Unfit), (None, Kind::RankDied)] {
            let mut state = JobState::default();
            state.note(Note::Start { pid: 70, rank: Some(0) });
            let token = Token::random().unwrap();
            for line in told.into_iter().chain([OutputLine::Out(banner.clone()), bad.clone()]) {
                state.hear(line, &token, true);
            }
            let deadlines = Deadlines::resolve(&Config::default(), 2, None).unwrap();
            assert_eq!(state.conclude(End::Code(1), &deadlines).unwrap_err().kind, kind);
        }
    }
}
