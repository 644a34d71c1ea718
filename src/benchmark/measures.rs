//! Which figures of a run are shown.

use crate::base::error::{Error, Result, suggestion};
use crate::benchmark::metric;

/// What is told of a case and is no metric: how its results compare with their reference, and what its kernel takes of a GPU.
pub const ACCURACY: &str = "accuracy";
/// See [`ACCURACY`].
pub const OCCUPANCY: &str = "occupancy";

/// Names for several figures, beside the metrics' own.
const GROUPS: [(&str, &[&str]); 6] = [
    ("throughput", &["algbw_gbps", "busbw_gbps", "messages_per_s", "throughput_per_s"]),
    ("memory_bandwidth", &["gbps"]),
    ("compute_utilization", &["tflops", "rank_tflops"]),
    ("energy", &["joules_per_operation", "joules_per_gb"]),
    (ACCURACY, &[ACCURACY]),
    (OCCUPANCY, &[OCCUPANCY]),
];

/// Refuses a name that stands for nothing.
///
/// # Errors
/// Usage error, which names the nearest one.
pub fn check(names: &[String]) -> Result<()> {
    let groups = GROUPS.iter().map(|(name, _)| *name);
    let known = metric::ALL.iter().map(|metric| metric.key).chain(groups);
    match names.iter().find(|name| !known.clone().any(|other| other == **name)) {
        Some(name) => Err(Error::usage(format!(
            "'{name}' is nothing that is measured; {}",
            suggestion(name, known)
        ))),
        None if names.is_empty() => {
            Err(Error::usage("no figure is left to show; name one, such as latency"))
        }
        None => Ok(()),
    }
}

/// Whether these names stand for the figure of this key; all do where there are none.
pub fn include(names: Option<&[String]>, key: &str) -> bool {
    let is_in = |name: &String| {
        let group = GROUPS.iter().find(|(group, _)| group == name);
        name == key || group.is_some_and(|(_, keys)| keys.contains(&key))
    };
    names.is_none_or(|names| names.iter().any(is_in))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_metrics_that_there_are() {
        for (_, keys) in GROUPS {
            let known = |key: &&str| metric::Metric::find(key).is_some();
            assert!(keys.iter().all(|key| known(key) || [ACCURACY, OCCUPANCY].contains(key)));
        }
        let names = ["energy", "tflops", "latency"].map(str::to_owned);
        check(&names).unwrap();
        let shown = ["latency", "joules_per_gb", "tflops", "gbps", ACCURACY];
        assert_eq!(shown.map(|key| include(Some(&names), key)), [true, true, true, false, false]);
        assert!(include(None, ACCURACY));
        let why = check(&["enrgy".to_owned()]).unwrap_err().message;
        assert!(why.contains("did you mean 'energy'?"), "{why}");
        assert!(check(&[]).is_err());
    }
}
