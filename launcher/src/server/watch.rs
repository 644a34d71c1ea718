//! Who was heard when, and what follows from it. It knows no sockets, and the time only by being told.

use std::mem;
use std::time::{Duration, Instant};

use crate::frame::{Frame, Reply, Word};
use crate::heartbeat::Heartbeat;
use crate::server::ServerOptions;
use crate::verdict::{Cause, Connection, Seen, Verdict, judge};

/// Ranks whose connections broke for one reason break within this time. Launchers kill the others a second after
/// one has died, and this process with them.
const BREAKING: Duration = Duration::from_millis(200);

/// Shortest time that ranks have to explain themselves.
const EXPLAINING: Duration = Duration::from_secs(3);

/// The ranks of a job, and how far the suspicion against them has come.
#[derive(Debug)]
pub(super) struct Watch {
    interval: Duration,
    silence: Duration,
    seats: Vec<Seat>,
    alarm: Alarm,
    /// Whether some rank was asked to stop, of which all are told.
    stop: bool,
    /// When to look next.
    due: Instant,
}

/// One rank.
#[derive(Debug, Clone)]
struct Seat {
    heartbeat: Option<Heartbeat>,
    heard: Instant,
    link: Connection,
    explains: Explains,
    told_to_stop: bool,
}

/// Whether a rank has explained itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Explains {
    NotAsked,
    /// It is asked in answer to its next frame.
    ToBeAsked,
    Asked,
    Explained,
}

/// How far the suspicion has come.
#[derive(Debug)]
enum Alarm {
    /// Nothing is wrong.
    Quiet,
    /// Something is, but ranks may yet move, come back, or be gone too; `gone` if one is gone already.
    Settling { gone: bool },
    /// The ranks at fault have until then to explain themselves.
    Explaining { verdict: Verdict, until: Instant },
    /// It was said.
    Given,
}

impl Watch {
    /// All ranks are yet to come.
    pub(super) fn new(options: &ServerOptions, now: Instant) -> Self {
        let seat = Seat {
            heartbeat: None,
            heard: now,
            link: Connection::Unheard,
            explains: Explains::NotAsked,
            told_to_stop: false,
        };
        Self {
            interval: options.interval,
            silence: options.silence,
            seats: vec![seat; options.ranks],
            alarm: Alarm::Quiet,
            stop: false,
            due: now + options.interval,
        }
    }

    /// When to look next.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Whether this rank exists and has not come yet; then it has now.
    pub(super) fn admit(&mut self, rank: u32) -> bool {
        let seat =
            self.seats.get_mut(rank as usize).filter(|seat| seat.link == Connection::Unheard);
        seat.map(|seat| seat.link = Connection::Open).is_some()
    }

    /// Notes what an admitted rank says, and answers.
    pub(super) fn hear(&mut self, frame: &Frame, now: Instant) -> Reply {
        let Frame { heartbeat, word } = *frame;
        let seat = &mut self.seats[heartbeat.rank as usize];
        seat.heartbeat = Some(heartbeat);
        seat.heard = now;
        match word {
            Word::Heartbeat => {}
            Word::Explained if seat.explains == Explains::Asked => {
                seat.explains = Explains::Explained;
            }
            Word::Explained => {}
            Word::Leave => seat.link = Connection::Left,
        }
        self.stop |= heartbeat.stop;
        if seat.explains == Explains::ToBeAsked {
            seat.explains = Explains::Asked;
            Reply::Explain
        } else if !seat.told_to_stop && self.stop {
            seat.told_to_stop = true;
            Reply::Stop
        } else {
            Reply::Heard
        }
    }

    /// Notes that the connection of an admitted rank has ended. If that was no good-bye, the next look is due
    /// at once.
    pub(super) fn part(&mut self, rank: u32, now: Instant) {
        let seat = &mut self.seats[rank as usize];
        if seat.link == Connection::Open {
            seat.link = Connection::Lost;
            if matches!(self.alarm, Alarm::Quiet | Alarm::Settling { gone: false }) {
                self.due = self.due.min(now);
            }
        }
    }

    /// Looks at all ranks, and says once what is wrong and sure; then the next look is due later.
    pub(super) fn look(&mut self, now: Instant) -> Option<Verdict> {
        self.forgive(now.saturating_duration_since(self.due));
        self.due = now + self.interval;
        self.alarm = match mem::replace(&mut self.alarm, Alarm::Quiet) {
            Alarm::Quiet => match judge(&self.table(now), self.silence) {
                Some(verdict) => self.settle(verdict.kind, now),
                None => Alarm::Quiet,
            },
            Alarm::Settling { gone } => match judge(&self.table(now), self.silence) {
                Some(verdict) if verdict.kind == Cause::Gone && !gone => {
                    self.settle(verdict.kind, now)
                }
                Some(verdict) => self.ask(verdict, now),
                None => Alarm::Quiet,
            },
            other => other,
        };
        match mem::replace(&mut self.alarm, Alarm::Given) {
            Alarm::Explaining { verdict, until } if now >= until || !self.is_owed() => {
                Some(verdict)
            }
            other => {
                self.alarm = other;
                None
            }
        }
    }

    /// When a look comes late, this process did not run; that time was nobody's silence.
    fn forgive(&mut self, late: Duration) {
        if late > self.interval {
            for seat in &mut self.seats {
                seat.heard += late;
            }
        }
    }

    fn table(&self, now: Instant) -> Vec<Seen> {
        let seen = |seat: &Seat| Seen {
            heartbeat: seat.heartbeat,
            age: now.saturating_duration_since(seat.heard),
            state: seat.link,
        };
        self.seats.iter().map(seen).collect()
    }

    fn settle(&mut self, kind: Cause, now: Instant) -> Alarm {
        let gone = kind == Cause::Gone;
        self.due = now + if gone { BREAKING.min(2 * self.interval) } else { self.interval };
        Alarm::Settling { gone }
    }

    /// Only ranks beyond a limit are asked: the others at fault could not answer.
    fn ask(&mut self, verdict: Verdict, now: Instant) -> Alarm {
        if matches!(verdict.kind, Cause::Overdue(_)) {
            for &rank in &verdict.culprits {
                self.seats[rank as usize].explains = Explains::ToBeAsked;
            }
        }
        Alarm::Explaining { verdict, until: now + EXPLAINING.max(3 * self.interval) }
    }

    /// Whether some rank may still explain itself.
    fn is_owed(&self) -> bool {
        let owes = |seat: &Seat| matches!(seat.explains, Explains::ToBeAsked | Explains::Asked);
        self.seats.iter().any(|seat| seat.link == Connection::Open && owes(seat))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::heartbeat::Activity;
    use crate::token::Token;

    const SECOND: Duration = Duration::from_secs(1);

    /// A watch over two ranks that have come, with an interval of 1 s and a silence of 10 s.
    struct Scene {
        watch: Watch,
        now: Instant,
    }

    fn heartbeat(rank: u32, overdue: Option<u8>) -> Heartbeat {
        let activity = if rank == 1 { Activity::Working } else { Activity::Together };
        Heartbeat { rank, task: 0, stage: 0, round: 0, activity, still_ms: 0, overdue, stop: false }
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
            let mut watch = Watch::new(&options, now);
            assert!(watch.admit(0) && watch.admit(1));
            Self { watch, now }
        }

        fn say(&mut self, heartbeat: Heartbeat, word: Word) -> Reply {
            self.watch.hear(&Frame { heartbeat, word }, self.now)
        }

        fn part(&mut self, rank: u32) {
            self.watch.part(rank, self.now);
        }

        /// Waits for the next look and takes it.
        fn look(&mut self) -> Option<Verdict> {
            self.now = self.watch.due();
            self.watch.look(self.now)
        }
    }

    fn wrong(verdict: Option<Verdict>) -> (Cause, Vec<u32>) {
        let verdict = verdict.unwrap();
        (verdict.kind, verdict.culprits)
    }

    #[test]
    fn a_rank_is_admitted_once() {
        let mut scene = Scene::new();
        assert!(!scene.watch.admit(0) && !scene.watch.admit(2));
        scene.say(heartbeat(0, None), Word::Leave);
        scene.part(0);
        assert!(!scene.watch.admit(0));
        assert_eq!(scene.watch.table(scene.now)[0].state, Connection::Left);
    }

    #[test]
    fn a_rank_at_fault_explains_itself_before_it_is_named() {
        let mut scene = Scene::new();
        scene.say(heartbeat(0, Some(3)), Word::Heartbeat);
        assert_eq!(scene.say(heartbeat(1, None), Word::Heartbeat), Reply::Heard);
        assert_eq!((scene.look(), scene.look()), (None, None));
        assert_eq!(scene.say(heartbeat(0, Some(3)), Word::Heartbeat), Reply::Heard);
        assert_eq!(scene.say(heartbeat(1, None), Word::Heartbeat), Reply::Explain);
        assert_eq!(scene.say(heartbeat(1, None), Word::Heartbeat), Reply::Heard);
        assert_eq!(scene.look(), None);
        assert_eq!(scene.say(heartbeat(1, None), Word::Explained), Reply::Heard);
        assert_eq!(wrong(scene.look()), (Cause::Overdue(3), vec![1]));
        scene.part(1);
        assert_eq!((scene.look(), scene.look(), scene.look()), (None, None, None));
    }

    #[test]
    fn nobody_is_waited_for_without_end() {
        let mut scene = Scene::new();
        scene.say(heartbeat(0, Some(3)), Word::Heartbeat);
        scene.say(heartbeat(1, None), Word::Heartbeat);
        let looks = (1..).find_map(|look| scene.look().map(|verdict| (look, verdict)));
        let (look, verdict) = looks.unwrap();
        assert_eq!(look, 5, "two to be sure, then three seconds");
        assert_eq!(wrong(Some(verdict)), (Cause::Overdue(3), vec![1]));
    }

    #[test]
    fn a_rank_that_moves_on_is_forgotten() {
        let mut scene = Scene::new();
        scene.say(heartbeat(0, Some(3)), Word::Heartbeat);
        assert_eq!(scene.look(), None);
        scene.say(heartbeat(0, None), Word::Heartbeat);
        assert_eq!((scene.look(), scene.look()), (None, None));
        assert_eq!(scene.say(heartbeat(1, None), Word::Heartbeat), Reply::Heard);
    }

    #[test]
    fn ranks_that_die_together_are_named_together() {
        let mut scene = Scene::new();
        scene.say(heartbeat(0, Some(3)), Word::Heartbeat);
        assert_eq!(scene.look(), None);
        let died = scene.now;
        scene.part(0);
        assert_eq!(scene.look(), None, "it was settling for another reason");
        scene.part(1);
        assert_eq!(wrong(scene.look()), (Cause::Gone, vec![0, 1]));
        assert!(scene.now - died < SECOND, "launchers kill the others a second later");
    }

    #[test]
    fn a_death_is_looked_at_at_once() {
        let mut scene = Scene::new();
        let died = scene.now;
        scene.part(1);
        // Launchers tell the others to end, which they say.
        scene.say(Heartbeat { stop: true, ..heartbeat(0, None) }, Word::Heartbeat);
        assert_eq!(scene.look(), None);
        assert_eq!(wrong(scene.look()), (Cause::Gone, vec![1]));
        assert!(scene.now - died < SECOND, "launchers kill the others a second later");
    }

    #[test]
    fn silence_is_noticed_but_not_that_of_a_watch_that_slept() {
        let mut scene = Scene::new();
        scene.now = scene.watch.due() + 100 * SECOND;
        assert_eq!(scene.watch.look(scene.now), None);
        for _ in 0..8 {
            assert_eq!(scene.look(), None);
        }
        scene.say(heartbeat(0, None), Word::Heartbeat);
        assert_eq!((scene.look(), scene.look()), (None, None));
        assert_eq!(wrong(scene.look()), (Cause::Silent, vec![1]));
    }

    #[test]
    fn a_stop_goes_round_once() {
        let mut scene = Scene::new();
        scene.say(heartbeat(0, None), Word::Heartbeat);
        let asked = Heartbeat { stop: true, ..heartbeat(1, None) };
        assert_eq!(scene.say(asked, Word::Heartbeat), Reply::Stop);
        assert_eq!(scene.look(), None);
        let asked = Heartbeat { stop: true, ..heartbeat(0, None) };
        assert_eq!(scene.say(asked, Word::Heartbeat), Reply::Stop);
        assert_eq!(scene.say(asked, Word::Heartbeat), Reply::Heard);
        assert_eq!((scene.look(), scene.look()), (None, None));
    }

    #[test]
    fn all_quiet_when_all_have_left() {
        let mut scene = Scene::new();
        for rank in 0..2 {
            scene.say(heartbeat(rank, Some(1)), Word::Leave);
            scene.part(rank);
        }
        for _ in 0..30 {
            assert_eq!(scene.look(), None);
        }
    }
}
