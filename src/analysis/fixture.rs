//! Cases as tests need them.

use super::{CaseOutcome, analyse};
use crate::base::caveat::Caveat;
use crate::machine::environment::Environment;
use crate::measure::Recording;
use crate::measure::timing::Times;
use crate::plan::config::Config;
use crate::plan::place::Place;
use crate::plan::{Case, Plan};
use crate::report::TimingOverhead;
use crate::report::{self, Report, Samples, Skew};

/// The plan of a configuration for 8 ranks.
pub(crate) fn plan(yaml: &str) -> Plan {
    let config: Config = serde_saphyr::from_str(yaml).unwrap();
    Plan::resolve(&config, &Place::on_one_node(8)).unwrap()
}

/// 40 rounds of about `global` ns, and of about `local` ns for the slowest rank by itself.
pub(crate) fn recording(plan: &Plan, global: f64, local: f64) -> Recording {
    let around = |nanos: f64| (0..40).map(|i| nanos * (1.0 + 0.001 * f64::from(i % 5))).collect();
    Recording {
        protocol: plan.protocol,
        clock_error: 0,
        batch: 1,
        warmup: 5,
        warmup_seconds: 0.1,
        measuring_seconds: 1.0,
        times: Times { global: around(global), local: around(local), ..Times::default() },
        remarks: Default::default(),
        accuracy: Default::default(),
        skew: Skew::default(),
        per_rank: Vec::new(),
        telemetry: Vec::new(),
        operations: 45,
        draws: Vec::new(),
        memory: Vec::new(),
    }
}

/// The case of the report, with floors of 100 ns for a sample and 2 us for the exit of a barrier.
pub(crate) fn analysed(
    plan: &Plan,
    case: &Case,
    recording: Recording,
    crowding: Option<Caveat>,
) -> report::Case {
    let outcome = CaseOutcome::Measured(Box::new(recording));
    analyse(plan, case, &floors(), outcome, (crowding, Samples::None))
}

/// The floors of [`analysed`].
pub(crate) fn floors() -> TimingOverhead {
    TimingOverhead {
        empty_sample_ns: 100.0,
        barrier_exit_skew_ns: 2000.0,
        ..TimingOverhead::default()
    }
}

/// The report of a run of `plan` before its first case.
pub(crate) fn empty_report(plan: &Plan) -> Report {
    let environment = Environment {
        mpi: None,
        toolchain: None,
        libraries: Default::default(),
        library_files: Default::default(),
        nodes: Vec::new(),
        ranks: Vec::new(),
        variables: Default::default(),
    };
    crate::report::empty(plan, &Config::default(), environment, floors())
}
