//! What the devices and the links of a case can do at best.

use std::collections::BTreeMap;

use crate::benchmark::metric::Peak;
use crate::benchmark::peak;
use crate::benchmark::work::Element;
use crate::machine::device::Device;
use crate::machine::topology::{Figure, Topology};
use crate::report::{Case, Report};

/// What the case could reach at best, in GB/s or TFLOP/s, and where that was read: for busbw the slowest link between the
/// ranks, for memory and arithmetic all devices together. That of a described machine, else of what the devices tell of
/// themselves, which is nothing of links.
pub(super) fn ceiling(
    report: &Report,
    case: &Case,
    peak: Peak,
    machine: Option<&Topology>,
) -> Option<Figure> {
    let described = machine.and_then(|machine| of_machine(report, case, peak, machine));
    described.or_else(|| of_devices(report, case, peak))
}

fn of_machine(report: &Report, case: &Case, peak: Peak, machine: &Topology) -> Option<Figure> {
    let (figure, devices) = match (peak, case.precision) {
        (Peak::Link, _) => {
            let node = |&rank: &usize| report.environment.ranks.get(rank).map(|rank| rank.node);
            let mut nodes = case.participants.iter().map(node);
            let first = nodes.next()?;
            let one_node = nodes.all(|node| node == first);
            (if one_node { &machine.intra.gbps } else { &machine.inter.gbps }, 1)
        }
        (Peak::Memory, _) => (&machine.device.memory_gbps, case.group_size),
        (Peak::Arithmetic, Some(Element::F32)) => (&machine.device.f32_tflops, case.group_size),
        (Peak::Arithmetic, Some(Element::F64)) => (&machine.device.f64_tflops, case.group_size),
        // Of other types no peak is described.
        (Peak::Arithmetic, _) => return None,
    };
    Some(Figure { value: figure.value * devices as f64, ..figure.clone() })
}

/// Each device counts once, however many ranks share it.
fn of_devices(report: &Report, case: &Case, peak: Peak) -> Option<Figure> {
    let ranks = case.participants.iter().map(|rank| report.environment.ranks.get(*rank));
    let mut devices: BTreeMap<String, &Device> = BTreeMap::new();
    for (place, rank) in ranks.enumerate() {
        let device = &rank?.device;
        devices.insert(device.uuid.clone().unwrap_or_else(|| place.to_string()), device);
    }
    let of_device = |device: &&Device| match peak {
        Peak::Link => None,
        Peak::Memory => peak::memory(device),
        Peak::Arithmetic => peak::arithmetic(device, case.precision?),
    };
    let figures = devices.values().map(of_device).collect::<Option<Vec<Figure>>>()?;
    let value = figures.iter().map(|figure| figure.value).sum();
    let each = figures.first()?.source.clone();
    let source = if figures.len() == 1 { each } else { format!("{} times {each}", figures.len()) };
    Some(Figure { value, source })
}
