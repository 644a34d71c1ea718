//! Planted faults, to test failure handling.
//!
//! `TESSERABENCH_FAULT=KIND@RANK:MOMENT` makes rank RANK fail at every MOMENT; `/N` after it selects the Nth
//! occurrence, `@GLOB` at the end selects cases by name. A moment is the name of a [`Phase`], or `operation`: just
//! before a warm-up or timed operation. Kinds:
//!
//! - `panic`, `error`, `exit` (exits silently), `kill` (SIGKILL), `stop` (SIGSTOP), `hang`
//! - `slow/MS` (takes MS milliseconds longer), `slow/P%` (an operation takes P percent longer)
//! - `wrong` (one wrong element)
//! - `build` (another build id), `clock/NS/PPM` (its clock is NS nanoseconds ahead and drifts by PPM), `stranger`
//!   (garbage is sent to the heartbeat server); moment `join`
//! - `full` (disk full), `torn` (killed in the middle of a journal line); rank 0, moment `write`
//!
//! Without the variable a moment costs one read of a static; there is no cost between two timestamps.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use serde::Deserialize;
use wildmatch::WildMatch;

use crate::base::caveat::Caveat;
use crate::base::error::{Error, Kind, Result};
use crate::base::units::Nanos;
use crate::plan::config::from_name;
use crate::world::progress::{self, Phase};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fault {
    Panic,
    Error,
    Exit,
    Kill,
    Stop,
    Hang,
    /// Milliseconds.
    Delay(u32),
    /// Percent.
    SlowDown(u32),
    Wrong,
    Build,
    /// Initial offset in ns, and drift in parts per million.
    Clock {
        ahead: Nanos,
        ppm: Nanos,
    },
    Stranger,
    Full,
    Torn,
}

struct Planted {
    /// As it was described.
    text: String,
    fault: Fault,
    rank: usize,
    moment: String,
    /// The occurrence, from 1; every one if absent.
    occurrence: Option<u32>,
    count: AtomicU32,
    /// The cases; all if absent.
    cases: Option<WildMatch>,
}

const OPERATION: &str = "operation";

static PLANTED: OnceLock<Planted> = OnceLock::new();

/// Plants the fault that the environment describes, if any.
///
/// # Errors
/// Usage error for an invalid description: a test must not pass because its fault was misspelt.
pub fn plant() -> Result<()> {
    let text = std::env::var_os("TESSERABENCH_FAULT").filter(|text| !text.is_empty());
    let Some(text) = text else { return Ok(()) };
    let text = text.to_string_lossy();
    let planted = parse(&text).ok_or_else(|| {
        Error::usage(format!(
            "TESSERABENCH_FAULT='{text}' is not KIND@RANK:MOMENT; write for example panic@1:measure"
        ))
    })?;
    let moments = planted.fault.moments();
    if !(moments.is_empty() || moments.contains(&planted.moment.as_str())) {
        return Err(Error::usage(format!(
            "TESSERABENCH_FAULT='{text}': it does nothing at '{}', only at {}",
            planted.moment,
            moments.join(", ")
        )));
    }
    PLANTED.get_or_init(|| planted);
    Ok(())
}

impl Fault {
    /// The moments at which it acts; any where none are named.
    fn moments(self) -> &'static [&'static str] {
        match self {
            Self::Error => &["prepare", "verify", "measure"],
            Self::Wrong => &["verify", "measure"],
            Self::SlowDown(_) => &[OPERATION],
            Self::Build | Self::Clock { .. } | Self::Stranger => &["join"],
            Self::Full | Self::Torn => &["write"],
            Self::Panic | Self::Exit | Self::Kill | Self::Stop | Self::Hang | Self::Delay(_) => &[],
        }
    }
}

fn parse(text: &str) -> Option<Planted> {
    let (kind, place) = text.split_once('@')?;
    let (place, cases) = match place.split_once('@') {
        None => (place, None),
        Some((place, glob)) => (place, Some(WildMatch::new(glob))),
    };
    let (rank, moment) = place.split_once(':')?;
    let (moment, occurrence) = match moment.split_once('/') {
        None => (moment, None),
        Some((moment, number)) => (moment, Some(number.parse().ok().filter(|n| *n > 0)?)),
    };
    let fault = match kind.split_once('/') {
        None => from_name("fault", kind).ok()?,
        Some(("slow", time)) => match time.strip_suffix('%') {
            Some(percent) => Fault::SlowDown(percent.parse().ok()?),
            None => Fault::Delay(time.parse().ok()?),
        },
        Some(("clock", error)) => {
            let (ahead, ppm) = error.split_once('/')?;
            Fault::Clock { ahead: ahead.parse().ok()?, ppm: ppm.parse().ok()? }
        }
        Some(_) => return None,
    };
    if moment != OPERATION {
        Phase::named(moment)?;
    }
    let (rank, moment) = (rank.parse().ok()?, moment.to_owned());
    let text = text.to_owned();
    Some(Planted { text, fault, rank, moment, occurrence, count: AtomicU32::new(0), cases })
}

/// What to say of cases that run while a fault is planted, on whatever rank.
pub fn caveat() -> Option<Caveat> {
    PLANTED.get().map(|planted| Caveat::PlantedFault { fault: planted.text.clone() })
}

/// The fault planted for this rank and moment, at any occurrence.
fn planted(moment: &str) -> Option<&'static Planted> {
    let planted = PLANTED.get()?;
    let here = planted.moment == moment && progress::rank() == Some(planted.rank);
    let in_case = || planted.cases.as_ref().is_none_or(|glob| glob.matches(&progress::case()));
    (here && in_case()).then_some(planted)
}

/// The fault planted for this rank, moment and current occurrence.
fn due(moment: &str) -> Option<Fault> {
    let planted = planted(moment)?;
    let count = planted.count.load(Ordering::Relaxed);
    planted.occurrence.is_none_or(|occurrence| occurrence == count).then_some(planted.fault)
}

/// Whether this fault is planted for this rank and phase. The caller then commits it.
pub(crate) fn is_planted(fault: Fault, phase: Phase) -> bool {
    due(phase.name()) == Some(fault)
}

/// The planted error of this rank's clock: nanoseconds ahead, drift in parts per million.
pub fn clock() -> Option<(Nanos, Nanos)> {
    match planted(Phase::Join.name())?.fault {
        Fault::Clock { ahead, ppm } => Some((ahead, ppm)),
        _ => None,
    }
}

/// Returns the error planted for this rank and phase, if any.
pub fn check(phase: Phase) -> Result<()> {
    match is_planted(Fault::Error, phase) {
        true => Err(Error::new(Kind::CaseFailed, format!("planted error in {}", phase.name()))),
        false => Ok(()),
    }
}

/// Returns the error of a full disk, if it is planted.
pub fn full_disk() -> std::io::Result<()> {
    match due(Phase::Write.name()) {
        Some(Fault::Full) => Err(std::io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    }
}

/// Enters a phase, and commits a fault planted there that ends, stops or delays this process.
pub fn enter(phase: Phase) {
    progress::enter(phase);
    match progress::rank() {
        Some(0) => tracing::info!("phase {}", phase.name()),
        _ => tracing::debug!("phase {}", phase.name()),
    }
    strike_at(phase.name());
}

/// Runs a phase within another one.
pub fn during<T>(phase: Phase, act: impl FnOnce() -> T) -> T {
    let outer = progress::position().phase;
    enter(phase);
    let done = act();
    progress::enter(outer);
    done
}

/// Commits a fault planted before an operation.
pub fn strike_operation() {
    strike_at(OPERATION);
}

/// Prolongs an operation that took `operation` ns, if planted: sleeps, and returns the additional time, ns.
pub fn slow_down(operation: Nanos) -> Nanos {
    let extra = match due(OPERATION) {
        Some(Fault::Delay(milliseconds)) => Nanos::from(milliseconds) * 1_000_000,
        Some(Fault::SlowDown(percent)) => operation.saturating_mul(percent.into()) / 100,
        _ => return 0,
    };
    std::thread::sleep(Duration::from_nanos(extra.unsigned_abs()));
    extra
}

fn strike_at(moment: &str) {
    let Some(planted) = planted(moment) else { return };
    let count = planted.count.fetch_add(1, Ordering::Relaxed) + 1;
    if planted.occurrence.is_some_and(|occurrence| occurrence != count) {
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
        // A delay before the common start would not show: `slow_down` commits it after the operation.
        Fault::Delay(_) if moment == OPERATION => {}
        Fault::Delay(milliseconds) => {
            std::thread::sleep(Duration::from_millis(milliseconds.into()))
        }
        // The others are committed by their callers.
        _ => {}
    }
}

/// Kills this process by SIGKILL.
pub fn kill_self() {
    signal(Signal::KILL);
}

fn signal(signal: Signal) {
    if let Err(why) = kill_process(getpid(), signal) {
        panic!("this process cannot signal itself: {why}");
    }
}

/// Sends garbage to the heartbeat server, as a port scan would.
pub fn send_garbage(address: SocketAddr) {
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
        let read = |text| parse(text).map(|planted| (planted.fault, planted.occurrence));
        assert_eq!(read("kill@1:gather"), Some((Fault::Kill, None)));
        assert_eq!(read("slow/20@0:operation/7"), Some((Fault::Delay(20), Some(7))));
        assert_eq!(read("slow/25%@0:operation@triad*"), Some((Fault::SlowDown(25), None)));
        for text in
            ["kill@1", "kill@x:join", "kill@1:jion", "slow@1:join", "kill@1:join/0", "x@1:join"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
