//! What a run came to, in short.

use std::collections::BTreeMap;

use super::comparison::differences::devices;
use crate::base::error::Exit;
use crate::base::units::counted;
use crate::machine::telemetry::Reading;
use crate::report::{
    Analysis, Compared, Comparison, Measured, Report, Resources, RunSummary, SUMMARY_SCHEMA,
    Verdict,
};

/// The summary of a report, by what the rules find in it alone and by how it compares with baselines.
pub fn summarise(report: &Report, analysis: &Analysis, compared: &[&Comparison]) -> RunSummary {
    let exits = compared.iter().filter_map(|comparison| Exit::from_code(comparison.exit));
    let own = Exit::from_code(report.run.exit).unwrap_or(Exit::Internal);
    let mut recommendations: Vec<String> = Vec::new();
    for finding in &analysis.findings {
        if !recommendations.contains(&finding.recommendation) {
            recommendations.push(finding.recommendation.clone());
        }
    }
    RunSummary {
        schema: SUMMARY_SCHEMA.to_owned(),
        run: report.run.id.clone(),
        started: report.run.began().map(str::to_owned),
        finished: report.run.finished.clone(),
        verdict: report.verdict(),
        exit: exits.fold(own, Exit::worst).code(),
        cases: report.summary,
        tally: analysis.summary,
        environment: environment(report),
        resources: resources(report),
        leaderboards: analysis.leaderboards.clone(),
        throughput: analysis.throughput.clone(),
        findings: analysis.findings.clone(),
        recommendations,
        limits: report.limits.clone(),
        regressions: (!compared.is_empty()).then(|| worse(compared)),
    }
}

/// The cases that are worse or may be, the most urgent first.
fn worse(compared: &[&Comparison]) -> Vec<Compared> {
    const WORSE: [Verdict; 5] = [
        Verdict::Failed,
        Verdict::Regressed,
        Verdict::Suspected,
        Verdict::Unstable,
        Verdict::Vanished,
    ];
    let all = compared.iter().flat_map(|comparison| &comparison.cases);
    let mut worse: Vec<Compared> =
        all.filter(|case| WORSE.contains(&case.verdict)).cloned().collect();
    let size = |case: &Compared| case.worse_percent.unwrap_or(0.0);
    worse.sort_by(|a, b| a.verdict.cmp(&b.verdict).then(size(b).total_cmp(&size(a))));
    worse
}

fn environment(report: &Report) -> BTreeMap<String, String> {
    let of = &report.environment;
    let mut facts: BTreeMap<String, String> = BTreeMap::new();
    let mut note = |what: &str, is: String| {
        if !is.is_empty() {
            facts.insert(what.to_owned(), is);
        }
    };
    let hosts: Vec<&str> = of.nodes.iter().map(|node| node.host.as_str()).collect();
    note("nodes", hosts.join(", "));
    let devices = devices(report).into_iter().map(|(name, count)| format!("{count} x {name}"));
    note("devices", devices.collect::<Vec<_>>().join(", "));
    let mut kinds: Vec<String> = Vec::new();
    for node in &of.nodes {
        let cores = node.cores.map(|cores| counted(cores, "core"));
        let all = [node.cpu.clone(), cores, node.os.clone()];
        let kind = all.into_iter().flatten().collect::<Vec<_>>().join(", ");
        if !kind.is_empty() && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    note("machines", kinds.join("; "));
    note("backend", report.run.backend.clone());
    note("simulated machine", report.topology.clone().unwrap_or_default());
    note("mesh", format!("{} (order {})", report.mesh.shape(), report.mesh.order));
    note("MPI", of.mpi.as_ref().map(|mpi| mpi.library.clone()).unwrap_or_default());
    note("build", report.run.build.clone());
    of.libraries.iter().for_each(|(name, version)| note(name, version.clone()));
    of.variables.iter().for_each(|(name, value)| note(&format!("variable {name}"), value.clone()));
    facts
}

fn resources(report: &Report) -> Resources {
    let measured =
        || report.cases.iter().filter_map(|case| Some((case, case.measured.as_deref()?)));
    let sum = |of: fn(&Measured) -> Option<f64>| {
        measured().filter_map(|(_, measured)| of(measured)).reduce(|a, b| a + b)
    };
    let most = measured().flat_map(|(case, of)| of.memory.iter().map(move |rank| (case, rank)));
    let most = most.max_by_key(|(_, rank)| rank.host_peak_bytes);
    let telemetry = || measured().flat_map(|(_, of)| &of.telemetry);
    let highest = |of: fn(&Reading) -> Option<f64>| {
        telemetry().filter_map(|rank| of(&rank.after)).reduce(f64::max)
    };
    let throttled =
        measured().filter(|(_, of)| of.telemetry.iter().any(|it| !it.throttled.is_empty()));
    Resources {
        measuring_seconds: sum(|of| of.measuring_seconds),
        warmup_seconds: sum(|of| of.warmup_seconds),
        host_peak_bytes: most.map(|(_, rank)| rank.host_peak_bytes),
        host_peak_of: most.map(|(case, rank)| (case.id.clone(), rank.rank)),
        energy_joules: sum(|of| of.energy.as_ref()?.joules),
        power_watts: highest(|reading| reading.power_watts),
        temperature_celsius: telemetry().filter_map(|rank| rank.after.temperature_celsius).max(),
        throttled_cases: (telemetry().count() > 0).then(|| throttled.count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{analysed, empty_report, plan, recording};
    use crate::analysis::{Limits, Reports, survey};
    use crate::machine::energy::{Counted, Draw, Energy};
    use crate::machine::memory::RankMemory;
    use crate::machine::telemetry::Telemetry;

    #[test]
    fn resources_are_sums_and_peaks_and_null_where_nobody_tells() {
        let plan = plan("benchmarks: {triad: {array: '1MiB,2MiB'}}");
        let mut report = empty_report(&plan);
        for case in &plan.cases {
            report.cases.push(analysed(&plan, case, recording(&plan, 1e6, 1e6), None));
        }
        assert_eq!(resources(&report).energy_joules, None);
        assert_eq!(resources(&report).throttled_cases, None);
        for (at, case) in (1_u32..).zip(&mut report.cases) {
            let measured = case.measured.as_mut().unwrap();
            measured.memory =
                vec![RankMemory { rank: 3, host_peak_bytes: 100 * u64::from(at), device: None }];
            let reading = || Reading { temperature_celsius: Some(50 + at), ..Reading::default() };
            measured.telemetry = vec![Telemetry::between(0, reading(), reading(), 2.0)];
            let draw = Draw {
                of: Counted::Gpu,
                package: None,
                rank: 0,
                joules: Some(10.0),
                missing: None,
                seconds: 2.0,
                idle_watts: Some(1.0),
            };
            measured.energy = Energy::of(4, vec![draw]);
        }
        let told = resources(&report);
        assert_eq!((told.energy_joules, told.temperature_celsius), (Some(20.0), Some(52)));
        assert_eq!((told.host_peak_bytes, told.throttled_cases), (Some(200), Some(0)));
        assert_eq!(told.host_peak_of, Some((report.cases[1].id.clone(), 3)));
        let energy = report.kernels()[0].cases[0].energy.clone().unwrap();
        assert_eq!((energy.joules, energy.of_operation()), (Some(10.0), Some(2.0)));
    }

    #[test]
    fn what_to_do_is_told_once() {
        let plan = plan("benchmarks: {triad: {array: '1MiB,2MiB'}}");
        let mut report = empty_report(&plan);
        for case in &plan.cases {
            report.cases.push(analysed(&plan, case, recording(&plan, 1e6, 1e6), None));
        }
        let files = ["a.json".to_owned()];
        let reports = std::slice::from_ref(&report);
        let mut analysis = survey(Reports { files: &files, reports }, &Limits::default());
        let findings = analysis.findings.clone();
        assert!(!findings.is_empty());
        analysis.findings.extend(findings);
        let summary = summarise(&report, &analysis, &[]);
        let mut told = summary.recommendations.clone();
        told.dedup();
        assert!(summary.recommendations.len() < analysis.findings.len());
        assert_eq!(told, summary.recommendations);
        assert_eq!(summary.regressions, None);
    }
}
