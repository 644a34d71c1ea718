//! The name of the machine that a report is of.

use std::collections::{BTreeMap, BTreeSet};

use super::Report;
use crate::base::random::fingerprint;

/// Longest name of a machine, characters.
const MACHINE_LIMIT: usize = 300;

impl Report {
    /// Names its machine, so that figures of two reports are of one machine when the names are the same:
    /// backend, devices, processors, nodes and mesh. Not the names of hosts, which in clouds are new every time, and
    /// no versions, whose change is what a history is to show.
    pub fn machine(&self) -> String {
        let run = &self.run;
        let mut text = run.backend.clone();
        let topology = self.topology.iter().filter(|_| run.simulated);
        text.extend(topology.map(|topology| format!(" {topology}")));
        if run.emulated {
            text.push_str(", emulated");
        }
        if let Some(files) = &run.imported_from {
            let tools: BTreeSet<&str> = files.iter().map(|file| file.tool.as_str()).collect();
            text.push_str(&format!(", imported from {}", Vec::from_iter(tools).join(" and ")));
        }
        let environment = &self.environment;
        let devices = counted(environment.ranks.iter().map(|rank| rank.device.name.clone()));
        let nodes = counted(environment.nodes.iter().map(|node| {
            let cpu = node.cpu.as_deref().unwrap_or("unknown CPU");
            node.cores.map_or_else(|| cpu.to_owned(), |cores| format!("{cores} cores of {cpu}"))
        }));
        for (what, counts) in [("rank", devices), ("node", nodes)] {
            // Nothing of the node that simulates is in a simulated time.
            if what == "node" && run.simulated {
                continue;
            }
            for (name, count) in counts {
                let plural = if count == 1 { "" } else { "s" };
                text.push_str(&format!(", {count} {what}{plural}: {name}"));
            }
        }
        text.push_str(&format!(", mesh {} ({})", self.mesh.shape(), self.mesh.order));
        match text.char_indices().nth(MACHINE_LIMIT) {
            None => text,
            Some((end, _)) => {
                format!("{}… {:016x}", &text[..end], fingerprint(text.bytes()))
            }
        }
    }
}

fn counted(names: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    counts
}
