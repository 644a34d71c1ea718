//! The machine under test: devices, libraries, memory, GPU telemetry; and descriptions of other machines.

pub mod device;
pub mod environment;
pub mod kernel;
pub mod memory;
pub mod nvidia;
pub mod telemetry;
pub mod topology;
