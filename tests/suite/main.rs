//! Tests that use the program as people do: they start the built binary, most of them as real ranks.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod analyze;
mod bad_input;
mod commands;
mod confirmation;
mod cuda;
mod cuda_exchanges;
mod failures;
mod gate;
mod history;
mod imports;
mod init_config;
mod kernels;
mod launches;
mod limits;
mod patterns;
mod ranks;
mod runs;
mod simulated;
mod tidy;
mod timing;
mod trials;
mod untrusted;
mod widths;
