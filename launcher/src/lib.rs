//! Starts the ranks of a job, hands their output back line by line, and ends them by a deadline; hears
//! how the ranks are, and tells which of them hold the others up.
//!
//! It knows processes and nothing else: no MPI, no devices, no benchmarks.

mod beat;
mod command;
mod frame;
mod hub;
mod pulse;
mod reap;
mod supervise;
mod token;
mod verdict;

pub use beat::{Activity, Beat};
pub use command::{Launcher, Placement, arguments, find_launcher};
pub use frame::{Frame, Refused, Reply, Word};
pub use hub::{Hub, HubOptions};
pub use pulse::{Order, Pulse, PulseOptions};
pub use reap::die_with_parent;
pub use supervise::{End, Ended, Job, Line, run};
pub use token::Token;
pub use verdict::{Cause, Link, Seen, Verdict, judge};
