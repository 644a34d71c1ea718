//! A described machine: devices, links and peak rates, each figure with its source (`topologies/*.toml`).

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result, suggestion};
use crate::base::serde_words::in_plain_words;

/// A figure and its source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// The number, in the unit its key names.
    pub value: f64,
    /// Where the number comes from.
    pub source: String,
}

/// A link between two devices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkSpec {
    /// Name, such as `NVLink4` or `InfiniBand NDR`.
    pub name: String,
    /// Bandwidth of a ring that crosses this link, GB/s per device and direction.
    pub gbps: Figure,
    /// Latency of one step over the link, microseconds.
    pub latency_us: Figure,
}

/// Peak rates of the device that one rank drives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceSpec {
    /// Product name.
    pub name: String,
    /// Memory bandwidth, GB/s.
    pub memory_gbps: Figure,
    /// Dense f32 peak, TFLOP/s.
    pub f32_tflops: Figure,
    /// Dense f64 peak, TFLOP/s.
    pub f64_tflops: Figure,
    /// Multiprocessors; only of GPUs.
    pub multiprocessors: Option<Figure>,
}

/// A machine of identical nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Name under which `--topology` finds it.
    pub name: String,
    /// Devices in a node; ranks fill nodes in order.
    pub devices_per_node: usize,
    /// Start-up time of any collective, microseconds.
    pub collective_base_us: Figure,
    /// The device of a rank.
    pub device: DeviceSpec,
    /// The link between devices of one node.
    pub intra: LinkSpec,
    /// The link between devices of different nodes.
    pub inter: LinkSpec,
}

/// The built-in machines, compiled in so that the binary needs no files.
const BUILT_IN: [(&str, &str); 4] = [
    ("dgx-a100", include_str!("../../topologies/dgx-a100.toml")),
    ("dgx-b200", include_str!("../../topologies/dgx-b200.toml")),
    ("dgx-h100", include_str!("../../topologies/dgx-h100.toml")),
    ("dgx-h200", include_str!("../../topologies/dgx-h200.toml")),
];

/// The default machine of the simulated backend.
pub const DEFAULT: &str = "dgx-h100";

/// Largest topology file, bytes.
const FILE_LIMIT: u64 = 1 << 20;

/// Names of the built-in machines.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    BUILT_IN.iter().map(|(name, _)| *name)
}

fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

impl Topology {
    /// The built-in machine `name`.
    pub fn built_in(name: &str) -> Option<Self> {
        Self::parse(name, built_in(name)?).ok()
    }

    /// The built-in machine `name`, or the one in the file of that name.
    ///
    /// # Errors
    /// Usage error for an unknown name, a malformed file, or a figure that is not positive.
    pub fn load(name: &str) -> Result<Self> {
        if let Some(text) = built_in(name) {
            return Self::parse(name, text);
        }
        let path = Path::new(name);
        if !path.exists() {
            return Err(Error::usage(format!(
                "topology '{name}' is neither a built-in machine nor a file; {}",
                suggestion(name, names())
            )));
        }
        Self::parse(name, &crate::base::files::read_bounded(path, FILE_LIMIT)?)
    }

    fn parse(name: &str, text: &str) -> Result<Self> {
        let wrong = |why: String| Error::usage(format!("topology '{name}': {why}"));
        let topology: Self = toml::from_str(text).map_err(|why| {
            let before = why.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            wrong(format!("line {line}: {}", in_plain_words(why.message())))
        })?;
        let multiprocessors = topology.device.multiprocessors.iter();
        let multiprocessors = multiprocessors.map(|figure| ("device.multiprocessors", figure));
        for (key, figure) in topology.figures().into_iter().chain(multiprocessors) {
            if !(figure.value.is_finite() && figure.value > 0.0) {
                return Err(wrong(format!("{key} is {}; it must be positive", figure.value)));
            }
            if figure.source.trim().is_empty() {
                return Err(wrong(format!(
                    "{key} has no source; name where the figure comes from"
                )));
            }
        }
        if topology.devices_per_node == 0 {
            return Err(wrong("devices_per_node is 0; a node has at least one device".to_owned()));
        }
        Ok(topology)
    }

    fn figures(&self) -> [(&'static str, &Figure); 8] {
        [
            ("device.memory_gbps", &self.device.memory_gbps),
            ("device.f32_tflops", &self.device.f32_tflops),
            ("device.f64_tflops", &self.device.f64_tflops),
            ("collective_base_us", &self.collective_base_us),
            ("intra.gbps", &self.intra.gbps),
            ("intra.latency_us", &self.intra.latency_us),
            ("inter.gbps", &self.inter.gbps),
            ("inter.latency_us", &self.inter.latency_us),
        ]
    }

    /// Index of the node that `rank` is on.
    pub fn node(&self, rank: usize) -> usize {
        rank / self.devices_per_node
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::hostile::{foreign_word, mistyped};

    #[test]
    fn every_machine_in_the_folder_is_built_in_and_sound() {
        let mut files: Vec<String> = std::fs::read_dir("topologies")
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        assert_eq!(files, names().collect::<Vec<_>>());
        for name in names() {
            assert_eq!(Topology::load(name).unwrap().name, name);
        }
    }

    #[test]
    fn a_figure_needs_a_source_and_a_positive_value() {
        let text = BUILT_IN[0].1;
        let broken = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            Topology::parse("test", &text.replacen(from, to, 1)).unwrap_err().message
        };
        assert!(broken("value = 1555", "value = -1").contains("memory_gbps"));
        assert!(broken("devices_per_node = 8", "devices_per_node = 0").contains("at least one"));
        assert!(broken("name = ", "nam = ").contains("nam"));
    }

    #[test]
    fn a_wrong_type_is_told_in_plain_words() {
        let whole: serde_json::Value = toml::from_str(BUILT_IN[0].1).unwrap();
        for tree in mistyped(whole) {
            let Ok(text) = toml::to_string(&tree) else { continue };
            let Err(why) = Topology::parse("test", &text) else { continue };
            assert_eq!(foreign_word(&why.message), None, "{}: {text}", why.message);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_it_panic(bytes in crate::base::random::hostile::damaged(BUILT_IN[0].1), words in crate::base::random::hostile::words()) {
            for text in [String::from_utf8_lossy(&bytes).into_owned(), BUILT_IN[0].1.replacen("1555", &words, 1), words] {
                let Ok(machine) = Topology::parse("test", &text) else { continue };
                for name in ["all_reduce", "latency", "hypercube", "alltoall"] {
                    let benchmark = crate::benchmark::find(name).unwrap();
                    let problem = [("bytes".to_owned(), (1u64 << 53).into())].into();
                    let work = benchmark.work(&problem, crate::benchmark::work::Element::F32, crate::benchmark::work::Placement::Out).unwrap();
                    let time = crate::benchmark::model::seconds(&work, &machine, &[0, 1, 5, 8]).unwrap();
                    assert!(time > 0.0, "{name} takes {time} s: {text}");
                }
            }
        }
    }

    #[test]
    fn an_unknown_machine_names_the_nearest() {
        assert!(Topology::load("dgx-h10").unwrap_err().message.contains("'dgx-h100'"));
    }
}
