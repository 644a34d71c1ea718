//! The state of all ranks at the server, and when it becomes a diagnosis. The caller passes frames and the time.

use std::mem;
use std::time::{Duration, Instant};

use crate::diagnosis::{Cause, Connection, Diagnosis, RankState, diagnose};
use crate::frame::{Frame, FrameKind, Heartbeat, Reply};
use crate::server::ServerOptions;

/// Time within which connections break that have one common cause. Launchers kill the other ranks, and this process
/// with them, a second after one has died.
const DISCONNECT_WINDOW: Duration = Duration::from_millis(200);

/// Least time that ranks have to report their state.
const REPORT_TIMEOUT: Duration = Duration::from_secs(3);

/// The ranks of a job, and the progress of a diagnosis.
#[derive(Debug)]
pub(super) struct Monitor {
    options: ServerOptions,
    ranks: Vec<Rank>,
    alarm: Alarm,
    /// Whether a stop was requested at some rank; it is passed on to all.
    stop: bool,
    /// When to call [`check`](Self::check) next.
    pub(super) next_check: Instant,
}

#[derive(Debug, Clone)]
struct Rank {
    heartbeat: Option<Heartbeat>,
    last_frame: Instant,
    connection: Connection,
    report: StateReport,
    stop_sent: bool,
}

/// Whether a rank is yet to report its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StateReport {
    NotPending,
    /// The reply to its next frame requests the report.
    ToRequest,
    Requested,
}

#[derive(Debug)]
enum Alarm {
    None,
    /// There is a fault, to be confirmed by the next check; `died` if a rank has died already.
    Confirming {
        died: bool,
    },
    /// The ranks at fault have until then to report their state.
    AwaitingReports {
        diagnosis: Diagnosis,
        until: Instant,
    },
    /// The diagnosis was returned.
    Raised,
}

impl Monitor {
    pub(super) fn new(options: &ServerOptions, now: Instant) -> Self {
        let rank = Rank {
            heartbeat: None,
            last_frame: now,
            connection: Connection::NeverConnected,
            report: StateReport::NotPending,
            stop_sent: false,
        };
        Self {
            options: *options,
            ranks: vec![rank; options.ranks],
            alarm: Alarm::None,
            stop: false,
            next_check: now + options.interval,
        }
    }

    /// Marks a rank as connected; false if there is no such rank, or it has connected before.
    pub(super) fn admit(&mut self, rank: u32) -> bool {
        let rank = self.ranks.get_mut(rank as usize);
        let rank = rank.filter(|rank| rank.connection == Connection::NeverConnected);
        rank.map(|rank| rank.connection = Connection::Open).is_some()
    }

    /// Processes a frame of an admitted rank; returns the reply.
    pub(super) fn on_frame(&mut self, frame: &Frame, now: Instant) -> Reply {
        let Frame { heartbeat, kind } = *frame;
        let rank = &mut self.ranks[heartbeat.rank as usize];
        rank.heartbeat = Some(heartbeat);
        rank.last_frame = now;
        match kind {
            FrameKind::StateReported if rank.report == StateReport::Requested => {
                rank.report = StateReport::NotPending;
            }
            FrameKind::Heartbeat | FrameKind::StateReported => {}
            FrameKind::Leave => rank.connection = Connection::Left,
        }
        self.stop |= heartbeat.stop;
        if rank.report == StateReport::ToRequest {
            rank.report = StateReport::Requested;
            Reply::ReportState
        } else if !rank.stop_sent && self.stop {
            rank.stop_sent = true;
            Reply::Stop
        } else {
            Reply::Ack
        }
    }

    /// Processes the end of an admitted rank's connection. Unless the rank has left, the next check is due at once.
    pub(super) fn on_disconnect(&mut self, rank: u32, now: Instant) {
        let rank = &mut self.ranks[rank as usize];
        if rank.connection == Connection::Open {
            rank.connection = Connection::Lost;
            if matches!(self.alarm, Alarm::None | Alarm::Confirming { died: false }) {
                self.next_check = self.next_check.min(now);
            }
        }
    }

    /// Checks all ranks; returns a confirmed diagnosis once. Schedules the next check.
    pub(super) fn check(&mut self, now: Instant) -> Option<Diagnosis> {
        // A late check means that this process was stopped; that time does not count as silence of the ranks.
        let late = now.saturating_duration_since(self.next_check);
        if late > self.options.interval {
            self.ranks.iter_mut().for_each(|rank| rank.last_frame += late);
        }
        self.next_check = now + self.options.interval;
        let fault = diagnose(&self.table(now), self.options.silence);
        let alarm = match (mem::replace(&mut self.alarm, Alarm::Raised), fault) {
            (Alarm::None | Alarm::Confirming { .. }, None) => Alarm::None,
            (Alarm::Confirming { died }, Some(fault)) if died || fault.cause != Cause::Died => {
                self.request_reports(fault, now)
            }
            (Alarm::None | Alarm::Confirming { .. }, Some(fault)) => self.confirm(fault.cause, now),
            (alarm, _) => alarm,
        };
        match alarm {
            Alarm::AwaitingReports { diagnosis, until }
                if now >= until || !self.reports_pending() =>
            {
                Some(diagnosis)
            }
            alarm => {
                self.alarm = alarm;
                None
            }
        }
    }

    fn table(&self, now: Instant) -> Vec<RankState> {
        let state = |rank: &Rank| RankState {
            heartbeat: rank.heartbeat,
            age: now.saturating_duration_since(rank.last_frame),
            connection: rank.connection,
        };
        self.ranks.iter().map(state).collect()
    }

    fn confirm(&mut self, cause: Cause, now: Instant) -> Alarm {
        let died = cause == Cause::Died;
        let wait = if died {
            DISCONNECT_WINDOW.min(2 * self.options.interval)
        } else {
            self.options.interval
        };
        self.next_check = now + wait;
        Alarm::Confirming { died }
    }

    /// Only ranks beyond a limit can report their state; dead and silent ones cannot.
    fn request_reports(&mut self, diagnosis: Diagnosis, now: Instant) -> Alarm {
        if matches!(diagnosis.cause, Cause::Overdue(_)) {
            for &rank in &diagnosis.ranks_at_fault {
                self.ranks[rank as usize].report = StateReport::ToRequest;
            }
        }
        Alarm::AwaitingReports {
            diagnosis,
            until: now + REPORT_TIMEOUT.max(3 * self.options.interval),
        }
    }

    fn reports_pending(&self) -> bool {
        let pending = |rank: &Rank| rank.report != StateReport::NotPending;
        self.ranks.iter().any(|rank| rank.connection == Connection::Open && pending(rank))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::frame::Activity;
    use crate::token::Token;

    const SECOND: Duration = Duration::from_secs(1);

    /// A monitor of two connected ranks, with an interval of 1 s and a silence of 10 s.
    struct Scene {
        monitor: Monitor,
        now: Instant,
    }

    fn heartbeat(rank: u32, overdue: Option<u8>) -> Heartbeat {
        let activity = if rank == 1 { Activity::Working } else { Activity::Joint };
        Heartbeat {
            rank,
            task: 0,
            stage: 0,
            round: 0,
            activity,
            unchanged_ms: 0,
            overdue,
            stop: false,
        }
    }

    impl Scene {
        fn new() -> Self {
            let now = Instant::now();
            let options = ServerOptions {
                address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                ranks: 2,
                token: Token::from_bytes([0; 16]),
                interval: SECOND,
                silence: 10 * SECOND,
            };
            let mut monitor = Monitor::new(&options, now);
            assert!(monitor.admit(0) && monitor.admit(1));
            Self { monitor, now }
        }

        fn send(&mut self, heartbeat: Heartbeat, kind: FrameKind) -> Reply {
            self.monitor.on_frame(&Frame { heartbeat, kind }, self.now)
        }

        fn disconnect(&mut self, rank: u32) {
            self.monitor.on_disconnect(rank, self.now);
        }

        /// Waits for the next check and runs it.
        fn check(&mut self) -> Option<Diagnosis> {
            self.now = self.monitor.next_check;
            self.monitor.check(self.now)
        }
    }

    fn fault(diagnosis: Option<Diagnosis>) -> (Cause, Vec<u32>) {
        let diagnosis = diagnosis.unwrap();
        (diagnosis.cause, diagnosis.ranks_at_fault)
    }

    #[test]
    fn a_rank_is_admitted_once() {
        let mut scene = Scene::new();
        assert!(!scene.monitor.admit(0) && !scene.monitor.admit(2));
        scene.send(heartbeat(0, None), FrameKind::Leave);
        scene.disconnect(0);
        assert!(!scene.monitor.admit(0));
        assert_eq!(scene.monitor.table(scene.now)[0].connection, Connection::Left);
    }

    #[test]
    fn a_rank_at_fault_reports_its_state_before_it_is_named() {
        let mut scene = Scene::new();
        scene.send(heartbeat(0, Some(3)), FrameKind::Heartbeat);
        assert_eq!(scene.send(heartbeat(1, None), FrameKind::Heartbeat), Reply::Ack);
        assert_eq!((scene.check(), scene.check()), (None, None));
        assert_eq!(scene.send(heartbeat(0, Some(3)), FrameKind::Heartbeat), Reply::Ack);
        assert_eq!(scene.send(heartbeat(1, None), FrameKind::Heartbeat), Reply::ReportState);
        assert_eq!(scene.send(heartbeat(1, None), FrameKind::Heartbeat), Reply::Ack);
        assert_eq!(scene.check(), None);
        assert_eq!(scene.send(heartbeat(1, None), FrameKind::StateReported), Reply::Ack);
        assert_eq!(fault(scene.check()), (Cause::Overdue(3), vec![1]));
        scene.disconnect(1);
        assert_eq!((scene.check(), scene.check(), scene.check()), (None, None, None));
    }

    #[test]
    fn a_missing_report_times_out() {
        let mut scene = Scene::new();
        scene.send(heartbeat(0, Some(3)), FrameKind::Heartbeat);
        scene.send(heartbeat(1, None), FrameKind::Heartbeat);
        let checks = (1..).find_map(|check| scene.check().map(|diagnosis| (check, diagnosis)));
        let (check, diagnosis) = checks.unwrap();
        assert_eq!(check, 5, "two checks to confirm, then three seconds");
        assert_eq!(fault(Some(diagnosis)), (Cause::Overdue(3), vec![1]));
    }

    #[test]
    fn a_rank_that_makes_progress_is_not_at_fault() {
        let mut scene = Scene::new();
        scene.send(heartbeat(0, Some(3)), FrameKind::Heartbeat);
        assert_eq!(scene.check(), None);
        scene.send(heartbeat(0, None), FrameKind::Heartbeat);
        assert_eq!((scene.check(), scene.check()), (None, None));
        assert_eq!(scene.send(heartbeat(1, None), FrameKind::Heartbeat), Reply::Ack);
    }

    #[test]
    fn ranks_that_die_together_are_named_together() {
        let mut scene = Scene::new();
        scene.send(heartbeat(0, Some(3)), FrameKind::Heartbeat);
        assert_eq!(scene.check(), None);
        let died = scene.now;
        scene.disconnect(0);
        assert_eq!(scene.check(), None, "it was confirming another fault");
        scene.disconnect(1);
        assert_eq!(fault(scene.check()), (Cause::Died, vec![0, 1]));
        assert!(scene.now - died < SECOND, "launchers kill the others a second later");
    }

    #[test]
    fn a_death_is_checked_at_once() {
        let mut scene = Scene::new();
        let died = scene.now;
        scene.disconnect(1);
        // Launchers signal the others to stop, and these pass it on.
        scene.send(Heartbeat { stop: true, ..heartbeat(0, None) }, FrameKind::Heartbeat);
        assert_eq!(scene.check(), None);
        assert_eq!(fault(scene.check()), (Cause::Died, vec![1]));
        assert!(scene.now - died < SECOND, "launchers kill the others a second later");
    }

    #[test]
    fn silence_is_noticed_unless_the_monitor_itself_was_stopped() {
        let mut scene = Scene::new();
        scene.now = scene.monitor.next_check + 100 * SECOND;
        assert_eq!(scene.monitor.check(scene.now), None);
        for _ in 0..8 {
            assert_eq!(scene.check(), None);
        }
        scene.send(heartbeat(0, None), FrameKind::Heartbeat);
        assert_eq!((scene.check(), scene.check()), (None, None));
        assert_eq!(fault(scene.check()), (Cause::Silent, vec![1]));
    }

    #[test]
    fn a_stop_is_sent_to_each_rank_once() {
        let mut scene = Scene::new();
        scene.send(heartbeat(0, None), FrameKind::Heartbeat);
        let asked = Heartbeat { stop: true, ..heartbeat(1, None) };
        assert_eq!(scene.send(asked, FrameKind::Heartbeat), Reply::Stop);
        assert_eq!(scene.check(), None);
        let asked = Heartbeat { stop: true, ..heartbeat(0, None) };
        assert_eq!(scene.send(asked, FrameKind::Heartbeat), Reply::Stop);
        assert_eq!(scene.send(asked, FrameKind::Heartbeat), Reply::Ack);
        assert_eq!((scene.check(), scene.check()), (None, None));
    }

    #[test]
    fn there_is_no_fault_after_all_have_left() {
        let mut scene = Scene::new();
        for rank in 0..2 {
            scene.send(heartbeat(rank, Some(1)), FrameKind::Leave);
            scene.disconnect(rank);
        }
        for _ in 0..30 {
            assert_eq!(scene.check(), None);
        }
    }
}
