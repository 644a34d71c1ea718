//! Starts the ranks of a job, hands their output back line by line, and ends them by a deadline.
//!
//! It knows processes and nothing else: no MPI, no devices, no benchmarks.

mod command;
mod supervise;

pub use command::{Launcher, Placement, arguments, find_launcher};
pub use supervise::{End, Job, Line, run};
