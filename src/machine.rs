//! The machine under test: its devices, libraries and memory, what its GPUs report, and descriptions of other machines.

pub mod device;
pub mod environment;
pub mod kernel;
pub mod memory;
pub mod nvidia;
pub mod telemetry;
pub mod topology;
