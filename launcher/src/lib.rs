//! Starts the ranks of a job, forwards their output by lines, and enforces a deadline; monitors the ranks'
//! heartbeats, and finds out which of them block the others.
//!
//! It knows processes only: no MPI, no devices, no benchmarks.

mod client;
mod command;
mod diagnosis;
mod frame;
mod reap;
mod server;
mod supervise;
mod token;

pub use client::{Client, ClientEvent, ClientOptions};
pub use command::{Launcher, Placement, arguments, find_launcher};
pub use diagnosis::{Cause, Connection, Diagnosis, RankState, diagnose};
pub use frame::{Activity, Frame, FrameKind, Heartbeat, Reply};
pub use reap::die_with_parent;
pub use server::{Server, ServerOptions};
pub use supervise::{End, Ended, Job, OutputLine, run};
pub use token::Token;
