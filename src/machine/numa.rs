//! NUMA nodes of this machine: which cores are near which memory.

use serde::Serialize;

use crate::base::files::value_in;

/// A NUMA node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NumaNode {
    /// Its number.
    pub number: usize,
    /// Its logical cores, such as `0-15,32-47`; empty for memory without cores.
    pub cores: String,
    /// Its memory, bytes; null where the system does not tell.
    pub memory_bytes: Option<u64>,
}

/// The nodes, by number; none where the system does not tell.
pub fn nodes() -> Vec<NumaNode> {
    const FOLDER: &str = "/sys/devices/system/node";
    let entries = std::fs::read_dir(FOLDER).into_iter().flatten().flatten();
    let number = |name: &str| name.strip_prefix("node")?.parse().ok();
    let numbers = entries.filter_map(|entry| number(entry.file_name().to_str()?));
    let node = |number: usize| {
        let folder = format!("{FOLDER}/node{number}");
        let cores = std::fs::read_to_string(format!("{folder}/cpulist")).ok()?;
        let memory = value_in(&format!("{folder}/meminfo"), &format!("Node {number} MemTotal:"));
        let kibibytes = memory.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        let memory_bytes = kibibytes.map(|kibibytes| kibibytes << 10);
        Some(NumaNode { number, cores: cores.trim().to_owned(), memory_bytes })
    };
    let mut nodes: Vec<NumaNode> = numbers.filter_map(node).collect();
    nodes.sort_by_key(|node| node.number);
    nodes
}

/// The node that a device on the PCI bus is at; `None` where the system does not tell.
pub fn node_of_pci(address: &str) -> Option<usize> {
    let file = format!("/sys/bus/pci/devices/{}/numa_node", address.to_lowercase());
    // −1 where it is not known.
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_have_cores_or_memory() {
        for node in nodes() {
            assert!(!node.cores.is_empty() || node.memory_bytes > Some(0), "{node:?}");
        }
    }
}
