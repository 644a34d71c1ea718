//! Planted faults, for tests of what happens when a rank fails.
//!
//! `TESSERABENCH_FAULT=KIND@RANK:MOMENT` makes rank RANK fail each time it comes to MOMENT, or with `/N` behind
//! it the Nth time, or with `@GLOB` at the end in cases of that name only. A moment is a [`Phase`] by its name, or
//! `operation`: just before a warm-up or timed one. Kinds: `panic`, `error`, `exit` (leaves without a word), `kill` (SIGKILL), `stop` (SIGSTOP), `hang` (never
//! comes back), `slow/MS` (takes MS milliseconds longer), `slow/P%` (an operation takes P percent longer), `wrong` (computes one wrong element), `build`
//! (claims to be another build; moment `join`), `clock/NS/PPM` (its clock is ahead by NS nanoseconds and gains
//! PPM; moment `join`), `stranger` (somebody sends rubbish to the heartbeat port; moment `join`), `full` (the
//! disk is full) and `torn` (killed in the middle of a line of the journal; both rank 0, moment `write`).
//!
//! Without the variable it costs one read of a static where a moment comes, nothing between two stamps.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use wildmatch::WildMatch;

use crate::base::error::{Error, Kind, Result};
use crate::base::units::Nanos;
use crate::world::progress::{self, Phase};

/// What a planted fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The rank panics.
    Panic,
    /// A step returns an error.
    Error,
    /// The process exits without a word.
    Exit,
    /// The process is killed by the operating system.
    Kill,
    /// The process is stopped, as by a debugger.
    Stop,
    /// The rank stops doing anything.
    Hang,
    /// The rank takes so many milliseconds longer.
    Slow(u64),
    /// Its operations take so many percent longer.
    Slower(u32),
    /// One element of a result is wrong.
    Wrong,
    /// The rank claims to be another build.
    Build,
    /// The rank's clock is off.
    Clock {
        /// Nanoseconds by which it is ahead of the others', beside what it has gained.
        ahead: Nanos,
        /// Nanoseconds that it gains in a millisecond: parts per million.
        ppm: Nanos,
    },
    /// Somebody sends rubbish to the port of the heartbeats.
    Stranger,
    /// The disk is full.
    Full,
    /// The process is killed while it writes a line of the journal.
    Torn,
}

struct Planted {
    fault: Fault,
    rank: usize,
    moment: String,
    /// Which time, from 1; every time when absent.
    time: Option<u32>,
    /// How often the moment has come.
    times: AtomicU32,
    /// In which cases; all when absent.
    cases: Option<WildMatch>,
}

/// The moment that is no step of a case.
const OPERATION: &str = "operation";

static PLANTED: OnceLock<Option<Planted>> = OnceLock::new();

/// Reads the environment.
///
/// # Errors
/// Usage error for a description that is not understood: a test must not pass because its fault was
/// misspelt.
pub fn plant() -> Result<()> {
    let planted = match std::env::var("TESSERABENCH_FAULT") {
        Err(_) => None,
        Ok(text) => Some(parse(&text).ok_or_else(|| {
            Error::usage(format!(
                "TESSERABENCH_FAULT='{text}' is not KIND@RANK:MOMENT, such as panic@1:measure"
            ))
        })?),
    };
    PLANTED.get_or_init(|| planted);
    Ok(())
}

fn parse(text: &str) -> Option<Planted> {
    let (kind, place) = text.split_once('@')?;
    let (place, cases) = match place.split_once('@') {
        None => (place, None),
        Some((place, glob)) => (place, Some(WildMatch::new(glob))),
    };
    let (rank, moment) = place.split_once(':')?;
    let (moment, time) = match moment.split_once('/') {
        None => (moment, None),
        Some((moment, time)) => (moment, Some(time.parse().ok().filter(|time| *time > 0)?)),
    };
    let fault = match kind {
        "panic" => Fault::Panic,
        "error" => Fault::Error,
        "exit" => Fault::Exit,
        "kill" => Fault::Kill,
        "stop" => Fault::Stop,
        "hang" => Fault::Hang,
        "wrong" => Fault::Wrong,
        "build" => Fault::Build,
        "stranger" => Fault::Stranger,
        "full" => Fault::Full,
        "torn" => Fault::Torn,
        kind => match kind.split_once('/')? {
            ("slow", time) => match time.strip_suffix('%') {
                Some(percent) => Fault::Slower(percent.parse().ok()?),
                None => Fault::Slow(time.parse().ok()?),
            },
            ("clock", off) => {
                let (ahead, ppm) = off.split_once('/')?;
                Fault::Clock { ahead: ahead.parse().ok()?, ppm: ppm.parse().ok()? }
            }
            _ => return None,
        },
    };
    let known = moment == OPERATION || Phase::ALL.iter().any(|phase| phase.name() == moment);
    let moment = Some(moment.to_owned()).filter(|_| known)?;
    let (rank, times) = (rank.parse().ok()?, AtomicU32::new(0));
    Some(Planted { fault, rank, moment, time, times, cases })
}

/// The fault planted for this rank and moment, whichever time it is.
fn planted(moment: &str) -> Option<&'static Planted> {
    let planted = PLANTED.get()?.as_ref()?;
    let here = planted.moment == moment && progress::rank() == Some(planted.rank);
    let in_case = || planted.cases.as_ref().is_none_or(|glob| glob.matches(&progress::case()));
    (here && in_case()).then_some(planted)
}

/// The fault planted for this rank and moment, when its time is now.
fn due(moment: &str) -> Option<Fault> {
    let planted = planted(moment)?;
    let now = planted.times.load(Ordering::Relaxed);
    planted.time.is_none_or(|time| time == now).then_some(planted.fault)
}

/// Whether this rank is to do wrong in a way that is planted where it does it.
pub fn is_planted(fault: Fault, phase: Phase) -> bool {
    due(phase.name()) == Some(fault)
}

/// By how much this rank's clock is to be off: nanoseconds ahead, parts per million gained.
pub fn clock() -> Option<(Nanos, Nanos)> {
    match planted(Phase::Join.name())?.fault {
        Fault::Clock { ahead, ppm } => Some((ahead, ppm)),
        _ => None,
    }
}

/// The error planted for this rank and phase, if there is one.
///
/// # Errors
/// The planted one.
pub fn check(phase: Phase) -> Result<()> {
    match due(phase.name()) {
        Some(Fault::Error) => {
            Err(Error::new(Kind::CaseFailed, format!("planted error in {}", phase.name())))
        }
        _ => Ok(()),
    }
}

/// The error of a disk that is to be full.
///
/// # Errors
/// The planted one.
pub fn full_disk() -> std::io::Result<()> {
    match due(Phase::Write.name()) {
        Some(Fault::Full) => Err(std::io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    }
}

/// Enters a step of the case: a fault strikes that ends or stops this process, if one is planted here.
pub fn enter(phase: Phase) {
    progress::enter(phase);
    strike_at(phase.name());
}

/// Runs a step within another one.
pub fn during<T>(phase: Phase, act: impl FnOnce() -> T) -> T {
    let outer = progress::position().phase;
    enter(phase);
    let done = act();
    progress::enter(outer);
    done
}

/// An operation comes: likewise.
pub fn strike_operation() {
    strike_at(OPERATION);
}

/// By how much longer an operation has taken that took so many nanoseconds, nanoseconds; that time has passed
/// then.
pub fn linger(operation: Nanos) -> Nanos {
    let longer: Nanos = match due(OPERATION) {
        Some(Fault::Slow(milliseconds)) => {
            Nanos::try_from(milliseconds).unwrap_or(0).saturating_mul(1_000_000)
        }
        Some(Fault::Slower(percent)) => operation.saturating_mul(percent.into()) / 100,
        _ => 0,
    };
    if let Ok(nanos) = u64::try_from(longer)
        && nanos > 0
    {
        std::thread::sleep(Duration::from_nanos(nanos));
    }
    longer
}

fn strike_at(moment: &str) {
    let Some(planted) = planted(moment) else { return };
    let now = planted.times.fetch_add(1, Ordering::Relaxed) + 1;
    if planted.time.is_some_and(|time| time != now) {
        return;
    }
    match planted.fault {
        Fault::Panic => panic!("planted panic in {moment}"),
        Fault::Exit => std::process::exit(0),
        Fault::Kill => signal(Signal::KILL),
        Fault::Stop => signal(Signal::STOP),
        Fault::Hang => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
        // Before the operation, when all start together, it would show nowhere.
        Fault::Slow(_) | Fault::Slower(_) if moment == OPERATION => {}
        Fault::Slow(milliseconds) => std::thread::sleep(Duration::from_millis(milliseconds)),
        Fault::Error
        | Fault::Slower(_)
        | Fault::Wrong
        | Fault::Build
        | Fault::Clock { .. }
        | Fault::Stranger
        | Fault::Full
        | Fault::Torn => {}
    }
}

/// Ends this process as the operating system does.
pub fn die() {
    signal(Signal::KILL);
}

fn signal(signal: Signal) {
    if let Err(why) = kill_process(getpid(), signal) {
        panic!("cannot send itself a signal: {why}");
    }
}

/// Sends rubbish to the port of the heartbeats, as a port scan would.
pub fn come_as_stranger(address: SocketAddr) {
    std::thread::spawn(move || {
        for _ in 0..3 {
            if let Ok(mut stream) = TcpStream::connect(address) {
                let _ = stream.write_all(&[b'x'; 4096]);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_description_makes_it_panic(
            words in proptest::collection::vec(crate::base::random::hostile::words(), 4),
            kind in "(kill|slow|clock|hang)", moment in "(join|operation|measure)",
        ) {
            let [a, b, c, d] = &words[..] else { unreachable!() };
            for text in [a.clone(), format!("{a}@{b}:{c}/{d}"), format!("{kind}/{a}/{b}@{c}:{moment}/{d}"), format!("{kind}/{a}@1:{moment}")] {
                let _ = parse(&text);
            }
        }
    }

    #[test]
    fn descriptions_are_read_or_refused() {
        let read = |text| parse(text).map(|planted| (planted.fault, planted.time));
        assert_eq!(read("kill@1:gather"), Some((Fault::Kill, None)));
        assert_eq!(read("slow/20@0:operation/7"), Some((Fault::Slow(20), Some(7))));
        assert_eq!(read("slow/25%@0:operation@triad*"), Some((Fault::Slower(25), None)));
        for text in
            ["kill@1", "kill@x:join", "kill@1:jion", "slow@1:join", "kill@1:join/0", "x@1:join"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
