//! What keeps two figures from meaning the same.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

use serde::Serialize;

use crate::base::caveat::Caveat;
use crate::base::error::{Error, Result, suggestion};
use crate::base::units::counted;
use crate::machine::environment::OF_THE_JOB;
use crate::report::{Case, Difference, Report};

/// What differs around two sides, the preventing ones first. `allow` names those that do not prevent.
pub(super) fn around(
    baseline: &[Report],
    candidate: &[Report],
    allow: &[String],
) -> Vec<Difference> {
    let (before, after) = (facts(baseline), facts(candidate));
    let names = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
    let mut differences: Vec<Difference> = names
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|(what, prevents)| {
            let of = |side: &Facts| match side.get(&(what.clone(), *prevents)) {
                Some(all) => all.iter().cloned().collect::<Vec<_>>().join(", "),
                None => "-".to_owned(),
            };
            // `--allow variable` allows all of them.
            let allowed = |name: &String| {
                name == what || what.split_once(' ').is_some_and(|(kind, _)| kind == name)
            };
            Difference {
                what: what.clone(),
                baseline: of(&before),
                candidate: of(&after),
                prevents: *prevents && !allow.iter().any(allowed),
            }
        })
        .collect();
    differences.sort_by_key(|difference| !difference.prevents);
    differences
}

/// Whether nothing around two sides prevents comparing them.
pub fn comparable(one: &[Report], other: &[Report], allow: &[String]) -> bool {
    !around(one, other, allow).iter().any(|difference| difference.prevents)
}

/// What keeps figures of a case apart, beside caveats.
const OF_A_CASE: [&str; 3] = ["definition of time", "protocol", "number of ranks"];

/// What around the sides prevents comparing; variables have their names behind the word.
const AROUND: [&str; 14] = [
    "backend",
    "topology",
    "mpi",
    "thread level",
    "mesh",
    "devices",
    "nodes",
    "processors",
    "variable",
    "driver",
    "cuda",
    "nvrtc",
    "cublaslt",
    "nccl",
];

/// Refuses names that prevent nothing: one that is misspelt would allow nothing, in silence.
///
/// # Errors
/// Usage error, which names what can be allowed.
pub(super) fn check_allowed(allow: &[String]) -> Result<()> {
    let known = AROUND.into_iter().chain(OF_A_CASE).chain(Caveat::INCOMPARABLE);
    let is_known =
        |name: &&String| known.clone().any(|other| other == *name) || name.starts_with("variable ");
    match allow.iter().find(|name| !is_known(name)) {
        Some(name) => Err(Error::usage(format!(
            "--allow '{name}' names nothing that prevents comparing; {}",
            suggestion(name, known)
        ))),
        None => Ok(()),
    }
}

/// What is so around measurements: by name and whether a difference prevents comparing, every value there is.
pub(in crate::analysis) type Facts = BTreeMap<(String, bool), BTreeSet<String>>;

pub(in crate::analysis) fn facts(reports: &[Report]) -> Facts {
    let mut facts = Facts::new();
    for report in reports {
        let mut note = |what: &str, prevents: bool, value: String| {
            facts.entry((what.to_owned(), prevents)).or_default().insert(value);
        };
        let environment = &report.environment;
        note("backend", true, report.run.backend.clone());
        if let Some(topology) = &report.topology {
            note("topology", true, topology.clone());
        }
        if let Some(mpi) = &environment.mpi {
            note("mpi", true, mpi.library.clone());
            note("thread level", true, mpi.thread_level.clone());
        }
        for (library, version) in &environment.libraries {
            note(library, true, version.clone());
        }
        note("mesh", true, format!("{} ({})", report.mesh.shape(), report.mesh.order));
        let devices = devices(report);
        let devices = devices.iter().map(|(name, count)| format!("{count} x {name}"));
        note("devices", true, devices.collect::<Vec<_>>().join(" and "));
        note("nodes", true, environment.nodes.len().to_string());
        for node in &environment.nodes {
            if let (Some(cpu), Some(cores)) = (&node.cpu, node.cores) {
                note("processors", true, format!("{cpu}, {}", counted(cores, "core")));
            }
            note("hosts", false, node.host.clone());
            note("system", false, node.os.clone().unwrap_or_else(|| "unknown".to_owned()));
        }
        for (name, value) in &environment.variables {
            if !OF_THE_JOB.contains(&name.as_str()) {
                note(&format!("variable {name}"), true, value.clone());
            }
        }
        if let Some(toolchain) = &environment.toolchain {
            note("toolchain", false, toolchain.clone());
        }
        note("seed", false, report.run.seed.to_string());
        note("build", false, report.run.build.clone());
        note("commit", false, report.run.git.clone().unwrap_or_else(|| "unknown".to_owned()));
    }
    facts
}

/// What the ranks of a report drive, and how many of each.
pub(in crate::analysis) fn devices(report: &Report) -> BTreeMap<String, usize> {
    let mut devices = BTreeMap::new();
    for rank in &report.environment.ranks {
        *devices.entry(rank.device.name.clone()).or_default() += 1;
    }
    devices
}

pub(super) fn differs(what: &str, before: &str, after: &str) -> String {
    format!("{what} is {before} in the baseline and {after} now")
}

/// A value by the name that reports have for it.
fn as_in_reports(value: impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What the figures of a measured case mean. Where it is equal, nothing stands [`between`] two cases.
pub(in crate::analysis) fn meaning(case: &Case) -> impl Eq + Hash + use<> {
    let of = case.measured.as_ref().map(|of| (of.latency.definition, of.protocol));
    let serious = case.caveats.iter().filter(|caveat| !caveat.comparable());
    let serious: BTreeSet<String> = serious.map(|caveat| format!("{caveat:?}")).collect();
    (of, case.group_size, serious)
}

/// Why the figures of a case do not mean the same on both sides, each reason by the name that allows it; nothing where
/// they do.
pub(in crate::analysis) fn between(
    baseline: &Case,
    candidate: &Case,
) -> Vec<(&'static str, String)> {
    let (Some(before), Some(after)) = (&baseline.measured, &candidate.measured) else {
        return Vec::new();
    };
    let values = [
        [before.latency.definition, after.latency.definition].map(as_in_reports),
        [before.protocol, after.protocol].map(as_in_reports),
        [baseline.group_size, candidate.group_size].map(as_in_reports),
    ];
    let pairs = OF_A_CASE.into_iter().zip(values);
    let differ = pairs.filter(|(_, [before, after])| before != after);
    let mut reasons: Vec<(&str, String)> = differ
        .map(|(what, [before, after])| (what, differs(&format!("the {what}"), &before, &after)))
        .collect();
    let mut only = |own: &Case, other: &Case, side: &str| {
        let serious = own.caveats.iter().filter(|caveat| !caveat.comparable());
        let alone = serious.filter(|caveat| !other.caveats.contains(caveat));
        let reason = |caveat: &Caveat| format!("{side} only: {} ({caveat})", caveat.mark());
        reasons.extend(alone.map(|caveat| (caveat.mark(), reason(caveat))));
    };
    only(baseline, candidate, "the baseline");
    only(candidate, baseline, "the candidate");
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{empty_report, plan};
    use crate::machine::nvidia;

    #[test]
    fn whatever_prevents_comparing_can_be_allowed() {
        let mut report = empty_report(&plan("benchmarks: {gemm: {m: 8}}"));
        report.topology = Some("dgx-h100".to_owned());
        let keys = nvidia::ALL.iter().map(|library| library.key.to_owned());
        report.environment.libraries.extend(keys.map(|key| (key, "1".to_owned())));
        report.environment.variables.insert("NCCL_ALGO".to_owned(), "Ring".to_owned());
        let facts = facts(&[report]);
        let preventing = facts.into_keys().filter(|(_, prevents)| *prevents);
        let names: Vec<String> = preventing.map(|(name, _)| name).collect();
        assert!(names.len() > 8, "{names:?}");
        assert_eq!(check_allowed(&names), Ok(()));
        let refused = check_allowed(&["protocoll".to_owned()]).unwrap_err();
        assert!(refused.message.ends_with("did you mean 'protocol'?"), "{}", refused.message);
    }
}
