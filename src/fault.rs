//! Planted faults, for tests of what happens when a rank fails.
//!
//! `TESSERABENCH_FAULT=KIND@RANK:PHASE` makes rank RANK fail when it enters PHASE of its first case:
//! `panic`, `error`, `exit` (leaves without a word), `kill` (SIGKILL), `hang` (never comes back),
//! `wrong` (computes one wrong element), `build` (claims to be another build; phase `join`) or
//! `clock/NS/PPM` (its clock is ahead by NS nanoseconds and gains PPM; phase `join`).
//! Without the variable it costs one read of a static where a phase begins, nothing inside one.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::{Error, Kind, Result};
use crate::progress::Phase;
use crate::units::Nanos;

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
    /// The rank stops doing anything.
    Hang,
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
}

struct Planted {
    fault: Fault,
    rank: usize,
    phase: String,
}

static PLANTED: OnceLock<Option<Planted>> = OnceLock::new();
static RANK: AtomicUsize = AtomicUsize::new(usize::MAX);

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
                "TESSERABENCH_FAULT='{text}' is not KIND@RANK:PHASE, such as panic@1:measure"
            ))
        })?),
    };
    PLANTED.get_or_init(|| planted);
    Ok(())
}

fn parse(text: &str) -> Option<Planted> {
    let (kind, place) = text.split_once('@')?;
    let (rank, phase) = place.split_once(':')?;
    let fault = match kind {
        "panic" => Fault::Panic,
        "error" => Fault::Error,
        "exit" => Fault::Exit,
        "kill" => Fault::Kill,
        "hang" => Fault::Hang,
        "wrong" => Fault::Wrong,
        "build" => Fault::Build,
        kind => {
            let (ahead, ppm) = kind.strip_prefix("clock/")?.split_once('/')?;
            Fault::Clock { ahead: ahead.parse().ok()?, ppm: ppm.parse().ok()? }
        }
    };
    Some(Planted { fault, rank: rank.parse().ok()?, phase: phase.to_owned() })
}

/// Says which rank this is.
pub fn set_rank(rank: usize) {
    RANK.store(rank, Ordering::Relaxed);
}

/// The fault planted for this rank and phase.
fn planted(phase: Phase) -> Option<Fault> {
    let planted = PLANTED.get()?.as_ref()?;
    let here = planted.rank == RANK.load(Ordering::Relaxed) && planted.phase == phase.name();
    here.then_some(planted.fault)
}

/// Whether this rank is to compute a wrong element, or to claim to be another build.
pub fn is_planted(fault: Fault, phase: Phase) -> bool {
    planted(phase) == Some(fault)
}

/// By how much this rank's clock is to be off: nanoseconds ahead, parts per million gained.
pub fn clock() -> Option<(Nanos, Nanos)> {
    match planted(Phase::Join) {
        Some(Fault::Clock { ahead, ppm }) => Some((ahead, ppm)),
        _ => None,
    }
}

/// The error planted for this rank and phase, if there is one.
///
/// # Errors
/// The planted one.
pub fn check(phase: Phase) -> Result<()> {
    match planted(phase) {
        Some(Fault::Error) => {
            Err(Error::new(Kind::CaseFailed, format!("planted error in {}", phase.name())))
        }
        _ => Ok(()),
    }
}

/// Strikes if a fault that ends or stops this process is planted here.
pub fn strike(phase: Phase) {
    match planted(phase) {
        Some(Fault::Panic) => panic!("planted panic in {}", phase.name()),
        Some(Fault::Exit) => std::process::exit(0),
        Some(Fault::Kill) => {
            let killed = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
            panic!("could not kill itself: {killed:?}");
        }
        Some(Fault::Hang) => loop {
            std::thread::sleep(std::time::Duration::from_secs(3600));
        },
        Some(Fault::Error | Fault::Wrong | Fault::Build | Fault::Clock { .. }) | None => {}
    }
}
