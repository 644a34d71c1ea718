//! Measures machines with many accelerators. `tesserabench --help` says how.

use std::process::ExitCode;

fn main() -> ExitCode {
    tesserabench::cli::main()
}
