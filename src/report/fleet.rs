//! What differs between the members of a fleet, which should be alike: nodes, devices, and reports themselves.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Report;
use crate::machine::device::Device;
use crate::machine::environment::{Node, OF_THE_JOB, Rank};

/// The members of a fleet, and in what they differ.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fleet {
    /// How many members of each kind there are.
    pub members: BTreeMap<Member, usize>,
    /// In what they differ.
    pub disparities: Vec<Disparity>,
    /// In what all members of a kind are alike.
    pub alike: BTreeMap<Member, Vec<String>>,
}

/// A kind of member.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Member {
    /// A node; one that several reports are of counts once for each.
    Node,
    /// A GPU.
    Device,
    /// A report.
    Report,
}

/// Something in which members differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Disparity {
    /// What it is: `driver`, `variable NCCL_ALGO`, `PCIe width`.
    pub what: String,
    /// Of what kind of member.
    pub of: Member,
    /// Every value that it has, the most frequent first.
    pub values: Vec<Shared>,
}

/// The members that share a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shared {
    /// The value; null where there is none, such as a variable that is not set.
    pub value: Option<String>,
    /// Who has it.
    pub members: Vec<String>,
    /// Whether one other value is more frequent than any.
    pub minority: bool,
}

/// What is so of one member, by what it is.
type Facts = BTreeMap<String, String>;

impl Fleet {
    /// The fleet that reports are of, each report by its place; `None` where nothing can be held against anything.
    /// Simulated reports know no machine, and imported ones hardly any: they only count as reports.
    pub fn of(reports: &[Report]) -> Option<Self> {
        let known = reports
            .iter()
            .enumerate()
            .filter(|(_, report)| report.topology.is_none() && report.run.imported_from.is_none());
        let mut hosts: BTreeMap<&str, usize> = BTreeMap::new();
        for node in known.clone().flat_map(|(_, report)| &report.environment.nodes) {
            *hosts.entry(&node.host).or_default() += 1;
        }
        let named = |at: usize, host: &str| match hosts.get(host) {
            Some(2..) => format!("{host} in report {at}"),
            _ => host.to_owned(),
        };
        let mut nodes: Vec<(String, Facts)> = Vec::new();
        let mut devices: Vec<(String, Facts)> = Vec::new();
        for (at, report) in known {
            for (place, node) in report.environment.nodes.iter().enumerate() {
                nodes.push((named(at, &node.host), of_node(report, place, node)));
            }
            for rank in report.environment.ranks.iter().filter(|it| it.device.kind == "cuda") {
                let Some(node) = report.environment.nodes.get(rank.node) else { continue };
                let name = format!("{} GPU {}", named(at, &node.host), rank.local_rank);
                devices.push((name, of_device(node, rank)));
            }
        }
        let all = reports.iter().enumerate();
        let all: Vec<(String, Facts)> =
            all.map(|(at, report)| (format!("report {at}"), of_report(report))).collect();
        let mut fleet = Self::default();
        fleet.compare(Member::Node, &nodes);
        fleet.compare(Member::Device, &devices);
        fleet.compare(Member::Report, &all);
        (!fleet.members.is_empty()).then_some(fleet)
    }

    fn compare(&mut self, of: Member, members: &[(String, Facts)]) {
        if members.len() < 2 {
            return;
        }
        self.members.insert(of, members.len());
        let names: BTreeSet<&String> = members.iter().flat_map(|(_, facts)| facts.keys()).collect();
        for what in names {
            let mut shared: BTreeMap<Option<&String>, Vec<String>> = BTreeMap::new();
            for (member, facts) in members {
                shared.entry(facts.get(what)).or_default().push(member.clone());
            }
            if shared.len() < 2 {
                self.alike.entry(of).or_default().push(what.clone());
                continue;
            }
            let mut values: Vec<Shared> = shared
                .into_iter()
                .map(|(value, members)| Shared { value: value.cloned(), members, minority: false })
                .collect();
            values.sort_by_key(|shared| std::cmp::Reverse(shared.members.len()));
            // Of two halves neither is the odd one.
            if values[0].members.len() > values[1].members.len() {
                values[1..].iter_mut().for_each(|shared| shared.minority = true);
            }
            self.disparities.push(Disparity { what: what.clone(), of, values });
        }
    }
}

fn of_node(report: &Report, place: usize, node: &Node) -> Facts {
    let environment = &report.environment;
    let libraries = environment.libraries.iter().map(|(name, is)| (name.clone(), is.clone()));
    let variables = environment.variables.iter();
    let variables = variables.map(|(name, is)| (format!("variable {name}"), is.clone()));
    let mut facts: Facts = libraries.chain(variables).collect();
    for (what, is) in &node.different {
        match is {
            Some(is) => facts.insert(what.clone(), is.clone()),
            None => facts.remove(what),
        };
    }
    OF_THE_JOB.iter().for_each(|name| {
        facts.remove(&format!("variable {name}"));
    });
    let mut note = |what: &str, is: Option<String>| {
        facts.extend(is.map(|is| (what.to_owned(), is)));
    };
    note("operating system", node.os.clone());
    note("processor", node.cpu.clone());
    note("cores", node.cores.map(|cores| cores.to_string()));
    note("memory", node.memory_bytes.map(gibibytes));
    note("MPI", environment.mpi.as_ref().map(|mpi| mpi.library.clone()));
    let mut devices: BTreeMap<&str, usize> = BTreeMap::new();
    for rank in environment.ranks.iter().filter(|rank| rank.node == place) {
        *devices.entry(&rank.device.name).or_default() += 1;
    }
    let devices = devices.into_iter().map(|(name, count)| format!("{count} x {name}"));
    note("devices", Some(devices.collect::<Vec<_>>().join(", ")));
    facts
}

fn of_device(node: &Node, rank: &Rank) -> Facts {
    let Device { name, memory_bytes, compute_capability, multiprocessors, clock_mhz, .. } =
        &rank.device;
    let board = node.boards.get(rank.local_rank).cloned().unwrap_or_default();
    let on = |is: bool| if is { "on" } else { "off" }.to_owned();
    let facts = [
        ("product", Some(name.clone())),
        ("memory", memory_bytes.map(gibibytes)),
        ("compute capability", compute_capability.clone()),
        ("multiprocessors", multiprocessors.map(|count| count.to_string())),
        ("highest clock", clock_mhz.map(|clock| format!("{clock} MHz"))),
        ("firmware", board.firmware),
        ("PCIe generation", board.pcie_generation.map(|it| it.to_string())),
        ("PCIe width", board.pcie_width.map(|width| format!("x{width}"))),
        ("NVLinks that are up", board.nvlinks.map(|count| count.to_string())),
        ("ECC", board.ecc.map(on)),
        ("power limit", board.power_limit_watts.map(|watts| format!("{watts:.0} W"))),
    ];
    facts.into_iter().filter_map(|(what, is)| Some((what.to_owned(), is?))).collect()
}

fn of_report(report: &Report) -> Facts {
    let run = &report.run;
    let facts = [
        ("backend", Some(run.backend.clone())),
        ("simulated machine", report.topology.clone()),
        ("version", Some(run.version.clone())),
        ("build", Some(run.build.clone())),
        ("commit of the working folder", run.git.clone()),
        ("mesh", Some(format!("{} (order {})", report.mesh.shape(), report.mesh.order))),
        ("ranks", Some(report.environment.ranks.len().to_string())),
        ("toolchain", report.environment.toolchain.clone()),
    ];
    facts.into_iter().filter_map(|(what, is)| Some((what.to_owned(), is?))).collect()
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.0} GiB", bytes as f64 / f64::from(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::device::Board;

    fn report(hosts: &[&str]) -> Report {
        let mut report = Report::default();
        let environment = &mut report.environment;
        environment.libraries.insert("driver".to_owned(), "570".to_owned());
        environment.variables.insert("SLURM_JOB_ID".to_owned(), hosts.concat());
        for (node, host) in hosts.iter().enumerate() {
            let board = Board { pcie_width: Some(16), ..Board::default() };
            environment.nodes.push(Node {
                host: (*host).to_owned(),
                boards: vec![board; 2],
                ..Node::default()
            });
            for local_rank in 0..2 {
                let device = Device::named("cuda", "GPU".to_owned());
                let rank = 2 * node + local_rank;
                environment.ranks.push(Rank { rank, node, local_rank, device, cores: None });
            }
        }
        report
    }

    fn told(fleet: &Fleet) -> Vec<String> {
        let of = |disparity: &Disparity| {
            let values = disparity.values.iter().map(|shared| {
                let value = shared.value.as_deref().unwrap_or("-");
                let mark = if shared.minority { "!" } else { "" };
                format!("{value}{mark} {}", shared.members.join("+"))
            });
            format!("{}: {}", disparity.what, values.collect::<Vec<_>>().join(", "))
        };
        fleet.disparities.iter().map(of).collect()
    }

    #[test]
    fn the_odd_node_and_the_odd_device_of_one_report_are_named() {
        let mut report = report(&["a", "b", "c"]);
        let nodes = &mut report.environment.nodes;
        nodes[1].different.insert("driver".to_owned(), Some("550".to_owned()));
        nodes[1].different.insert("variable NCCL_ALGO".to_owned(), Some("Ring".to_owned()));
        nodes[2].boards[1].pcie_width = Some(8);
        let fleet = Fleet::of(&[report]).unwrap();
        let expected = [
            "driver: 570 a+c, 550! b",
            "variable NCCL_ALGO: - a+c, Ring! b",
            "PCIe width: x16 a GPU 0+a GPU 1+b GPU 0+b GPU 1+c GPU 0, x8! c GPU 1",
        ];
        assert_eq!(told(&fleet), expected);
        assert!(fleet.alike[&Member::Node].contains(&"devices".to_owned()));
        assert_eq!(fleet.members[&Member::Device], 6);
    }

    #[test]
    fn of_two_halves_neither_is_the_odd_one_and_jobs_have_numbers() {
        let (one, mut two) = (report(&["a"]), report(&["b"]));
        two.environment.libraries.insert("driver".to_owned(), "550".to_owned());
        two.run.version = "2".to_owned();
        let fleet = Fleet::of(&[one.clone(), two]).unwrap();
        assert_eq!(told(&fleet), ["driver: 550 b, 570 a", "version:  report 0, 2 report 1"]);
        // One machine again and again is told apart by its reports.
        let mut again = one.clone();
        again.environment.libraries.insert("driver".to_owned(), "550".to_owned());
        let fleet = Fleet::of(&[one.clone(), again]).unwrap();
        assert_eq!(told(&fleet), ["driver: 550 a in report 1, 570 a in report 0"]);
        assert_eq!(Fleet::of(&[Report::default()]), None);
    }
}
