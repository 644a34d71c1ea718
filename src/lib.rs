//! Measures machines with many accelerators: how fast, how close to the possible, how well it scales.
//!
//! `mpirun`, Slurm or the program itself starts one process (a *rank*) per device. The ranks arrange
//! themselves in a mesh, start each operation together, record its start and end, and send these times to
//! rank 0, which computes figures and writes a report.
//!
//! # The way of a run
//!
//! ```text
//! cli ─▶ plan ─▶ run ─┬─▶ measure ─▶ backend      on every rank
//!                     ├─▶ world                   between ranks
//!                     ├─▶ analysis ─▶ report      on rank 0
//!                     └─▶ render                  what people read
//! ```
//!
//! # The map
//!
//! Lowest layer first. A room (a top-level module) uses only rooms listed before it, and of those only the ones
//! it names; `tests/suite/tidy.rs` holds the same table and fails on any other use. The crate `launcher/` stands
//! below them all: it starts and ends jobs, carries heartbeats and decides which rank is at fault.
//!
//! | room | what it is | uses |
//! |---|---|---|
//! | [`base`] | errors and exit codes, quantities, metrics, caveats, random numbers, bounded files | |
//! | [`stats`] | statistics on plain numbers; the only user of statrs | base |
//! | [`machine`] | devices, libraries, memory, telemetry, kernels' machine code, described machines | base |
//! | [`benchmark`] | what can be measured: each benchmark with its sizes, what it counts, and a model of its time | base, machine |
//! | [`plan`] | what to run, as values: configuration, mesh, nodes and sockets of ranks, cases, deadlines | base, machine, benchmark |
//! | [`world`] | this process among the ranks: messages, clocks, progress, planted faults, aborting | base, stats, plan |
//! | [`watchdog`] | the threads that send heartbeats, judge the ranks and end the job at a deadline | base, machine, plan, world |
//! | [`backend`] | runs the operations: `host` on CPUs and MPI, `cuda` on NVIDIA GPUs and NCCL, `simulated` in virtual time | base, stats, machine, benchmark, plan, world |
//! | [`report`] | the result as data | base, stats, machine, benchmark, plan |
//! | [`measure`] | common starts, warm-up, the timed loop, written once for all backends, and when it stops | base, stats, machine, benchmark, plan, world, backend, report |
//! | [`analysis`] | from samples to figures; scaling, launches, comparison, survey, limits | base, stats, machine, benchmark, plan, measure, report |
//! | [`history`] | reports over time: an append-only folder, its index, change points, baselines | base, stats, benchmark, report, analysis |
//! | [`render`] | what people and programs read of a result: one document, one file a format | base, stats, machine, benchmark, plan, report, history |
//! | [`run`] | a run: starting the ranks once or several times, one rank's life, what rank 0 keeps and writes | base, machine, plan, world, watchdog, backend, measure, report, analysis, history, render |
//! | [`import`] | other tools' results as our report | base, machine, benchmark, plan, report, analysis |
//! | [`cli`] | arguments as typed; one file a command; the only user of clap | all above but watchdog and measure |
//!
//! # What always holds
//!
//! - All ranks make the same sequence of collective calls. After each step that can fail on one rank,
//!   [`World::unanimous`](world::World::unanimous) makes one rank's error every rank's error.
//! - Nothing allocates, logs, formats or talks to another rank between the stamps of a sample unless it is
//!   the work itself.
//! - A rank that is not in a case sleeps; it does not spin on the cores under test.
//! - `stats` knows no ranks, `report` depends on no backend and contains no formulas, `measure` knows no MPI,
//!   the launcher knows no benchmarks.
//! - Every sample is kept in the file. Rounds in which a rank came late to the start are marked, counted and
//!   not used in statistics.
//! - A finished case is on disk before the next one starts.
//! - Each outside thing lives in one room; `tests/suite/tidy.rs` holds that table too.
//!
//! # Why
//!
//! - *Why does dropping a `World` not call `MPI_Finalize`?* It waits for all ranks. A rank that unwinds would
//!   wait for ranks that never come, and the job would hang instead of failing.
//! - *Why are errors of MPI fatal?* rsmpi discards return codes; anything else would make failures silent.
//! - *Why MPI at thread level single, with a watchdog thread beside it?* On Open MPI 4.1 an 8-byte
//!   message takes half as long again with the next level, while a thread that never calls MPI costs nothing that can be measured
//!   (docs/results). MPI's standard wants the next level; nccl-tests and every program on CUDA have such
//!   threads at this one. `--thread-level funneled` follows the standard, `--heartbeats off` starts no threads.
//! - *Why last end minus first start?* It is what the slowest rank makes everybody wait; a mean over ranks
//!   hides it. It needs a common clock: where the clocks of different machines cannot be brought together
//!   well enough, the whole sweep reports the slowest rank's own time, with a caveat.
//! - *Why does every rank keep its own samples until a case is over?* While it runs, ranks combine a few
//!   numbers for each round, however many ranks there are; rank 0 then takes the samples in blocks.
//! - *Why is efficiency measured against a separate case?* Throughput of rank 0 in the same case already
//!   includes the contention, so the ratio would be near 100 % by construction.

pub mod analysis;
pub mod backend;
pub mod base;
pub mod benchmark;
pub mod cli;
pub mod history;
pub mod import;
pub mod machine;
pub mod measure;
pub mod plan;
pub mod render;
pub mod report;
pub mod run;
pub mod stats;
pub mod watchdog;
pub mod world;
