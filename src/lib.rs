//! Measures machines with many accelerators: how fast, how close to the possible, how well it scales.
//!
//! `mpirun`, Slurm or the program itself starts one process (a *rank*) per device. The ranks arrange
//! themselves in a mesh, start each operation together, stamp it, and gather every stamp at rank 0, which
//! computes figures and writes a report.
//!
//! # The way of a run
//!
//! ```text
//! cli ─▶ config ─▶ plan ─▶ session ─┬─▶ measure ─▶ backend      on every rank
//!                                   ├─▶ world ─▶ wire           between ranks
//!                                   └─▶ recorder ─▶ analysis ─▶ stats
//!                                                └▶ report      on rank 0
//! ```
//!
//! # The map
//!
//! - [`cli`]: arguments as typed; one file a command. The only user of clap. Starts the ranks with the
//!   crate `launcher`, the only user of tokio.
//! - [`config`]: what may be asked for, from files and flags; as typed, not yet checked against a machine.
//! - [`error`], [`units`], [`metric`], [`caveat`]: one error type with its exit codes; quantities; what
//!   figures mean and which way they improve; reasons why a figure may mislead.
//! - [`mesh`], [`place`]: ranks along named axes, and the groups that gives; where ranks are, and what lies
//!   between them.
//! - [`work`], [`benchmark`]: what can be timed, with FLOPs, bytes and bus factors beside it; the names and
//!   problem sizes under which people ask for it.
//! - [`plan`]: the cases to run, resolved before any rank starts; a case is a value.
//! - [`world`]: this process among the ranks; every wait goes through one place. Control messages only.
//! - [`wire`]: values as bytes between ranks. The only user of bincode.
//! - [`clock`], [`measure`]: stamps, one time for ranks with different clocks; common starts, the timed
//!   loop, written once for all backends, when it stops, and what it costs.
//! - [`backend`]: interprets work: `host` on CPUs and MPI, `cuda` on NVIDIA GPUs and NCCL, `simulated` in
//!   virtual time.
//! - [`kernel`], [`nvidia`]: CUDA C++ to machine code, without a GPU; NVIDIA's libraries, found at run
//!   time and checked before the first call.
//! - [`telemetry`], [`memory`]: what a GPU says of itself around a case, and what memory it takes.
//! - [`topology`], [`predict`]: described machines, and how long work takes on them.
//! - [`session`], [`recorder`]: one rank's life; what rank 0 keeps and writes.
//! - [`gather`], [`journal`], [`sidecar`]: samples on their way to rank 0; finished cases on disk before
//!   the next begins; samples too many for the report.
//! - [`stats`], [`analysis`]: numbers in, numbers out; from recordings to figures, from reports to
//!   comparisons and findings.
//! - [`import`]: other tools' results as our report.
//! - [`report`]: the result as data, and its forms: table, JSON, CSV, Markdown.
//! - [`history`]: reports over time: a folder that only grows, its index, change points, baselines. The only
//!   user of git as a program.
//! - [`environment`]: what a reader needs to believe a number.
//! - [`progress`], [`watch`]: what this rank is doing, and the thread that tells it and ends the job when a
//!   deadline passes.
//! - [`ending`], [`supervision`], [`fault`]: how a job ends before its time, what a rank tells the process that
//!   started it, and faults planted by tests.
//! - [`random`]: one seed, named streams.
//!
//! # What always holds
//!
//! - All ranks make the same sequence of collective calls. After each step that can fail on one rank,
//!   [`World::unanimous`](world::World::unanimous) makes one rank's error every rank's error.
//! - Nothing allocates, logs, formats or talks to another rank between the stamps of a sample unless it is
//!   the work itself.
//! - A rank that is not in a case sleeps; it does not spin on the cores under test.
//! - `stats` never sees a rank, `report` never sees a backend's inside or a formula, `measure` never sees
//!   MPI, the launcher never sees a benchmark.
//! - A sample is never dropped. Rounds in which a rank came late to the start are left out of statistics
//!   and counted.
//! - A finished case is on disk before the next one starts.
//! - Each outside thing lives in one room; `tests/suite/tidy.rs` holds the table and enforces it.
//!
//! # Why
//!
//! - *Why is dropping a `World` nothing?* `MPI_Finalize` waits for all ranks. A rank that unwinds would
//!   wait for ranks that never come, and the job would hang instead of failing.
//! - *Why are errors of MPI fatal?* rsmpi discards return codes; anything else would make failures silent.
//! - *Why MPI at thread level single, with a watchdog thread beside it?* On Open MPI 4.1 the next level costs
//!   half as much again at 8 bytes, while a thread that never calls MPI costs nothing that can be measured
//!   (docs/results). MPI's standard wants the next level; nccl-tests and every program on CUDA have such
//!   threads at this one. `--thread-level funneled` keeps to the letter, `--heartbeats off` has no threads.
//! - *Why last end minus first start?* It is what the slowest rank makes everybody wait; a mean over ranks
//!   hides it. It needs a common clock: where the clocks of different machines cannot be brought together
//!   well enough, the whole sweep reports the slowest rank's own time, with a caveat.
//! - *Why does every rank keep its own samples until a case is over?* While it runs, ranks combine a few
//!   numbers for each round, however many ranks there are; rank 0 then takes the samples in blocks.
//! - *Why is efficiency measured against a separate case?* Throughput of rank 0 in the same case already
//!   holds the contention, so the ratio would be near 100 % by construction.
//! - *Why several launches?* Where memory lies and which connections are made is settled at the start, and moves
//!   medians by more than iterations within a launch show: launches are the replicates, never pooled.

pub mod analysis;
pub mod backend;
pub mod benchmark;
pub mod caveat;
pub mod cli;
pub mod clock;
pub mod config;
pub mod ending;
pub mod environment;
pub mod error;
pub mod fault;
pub mod gather;
pub mod history;
pub mod import;
pub mod journal;
pub mod kernel;
pub mod measure;
pub mod memory;
pub mod mesh;
pub mod metric;
pub mod nvidia;
pub mod place;
pub mod plan;
pub mod predict;
pub mod progress;
pub mod random;
pub mod recorder;
pub mod report;
pub mod session;
pub mod sidecar;
pub mod stats;
pub mod supervision;
pub mod telemetry;
pub mod topology;
pub mod units;
pub mod watch;
pub mod wire;
pub mod work;
pub mod world;
