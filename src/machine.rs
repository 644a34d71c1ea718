//! The machine under test: devices, libraries, memory, GPU telemetry, energy; and descriptions of other machines.

pub mod cache;
pub mod capacity;
pub mod device;
pub mod energy;
pub mod environment;
pub mod kernel;
pub mod memory;
pub mod numa;
pub mod nvidia;
pub mod nvtx;
pub mod probe;
pub mod profiler;
pub mod telemetry;
pub mod topology;
