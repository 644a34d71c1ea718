//! A run: one rank's life, and what rank 0 keeps and writes.

pub mod environment;
pub mod gather;
pub mod journal;
pub mod recorder;
pub mod session;
pub mod sidecar;
