//! Starts the ranks of a job, hands their output back line by line, and ends them by a deadline; hears
//! how the ranks are, and tells which of them hold the others up.
//!
//! It knows processes and nothing else: no MPI, no devices, no benchmarks.

mod client;
mod command;
mod frame;
mod heartbeat;
mod reap;
mod server;
mod supervise;
mod token;
mod verdict;

pub use client::{Client, ClientOptions, Order};
pub use command::{Launcher, Placement, arguments, find_launcher};
pub use frame::{Frame, Refused, Reply, Word};
pub use heartbeat::{Activity, Heartbeat};
pub use reap::die_with_parent;
pub use server::{Server, ServerOptions};
pub use supervise::{End, Ended, Job, OutputLine, run};
pub use token::Token;
pub use verdict::{Cause, Connection, Seen, Verdict, judge};
