//! Every benchmark.

use std::sync::LazyLock;

use super::{Benchmark, WorkKind};
use crate::benchmark::collective::{COLLECTIVES, Collective};
use crate::benchmark::kernel::{KERNELS, Kernel};
use crate::benchmark::work::Element;

/// A benchmark whose ranks exchange data.
fn exchange(collective: &'static Collective) -> Benchmark {
    let Collective { name, aliases, description, keys, default, ref in_place, .. } = *collective;
    Benchmark {
        name: name.into(),
        aliases: aliases.iter().map(|&alias| alias.into()).collect(),
        description: description.into(),
        keys: keys.to_vec(),
        precisions: if keys.is_empty() { Vec::new() } else { Element::ALL.to_vec() },
        placements: in_place.is_some(),
        collective: true,
        default,
        kind: WorkKind::Exchange(collective),
    }
}

impl From<&'static Kernel> for Benchmark {
    fn from(kernel: &'static Kernel) -> Self {
        Self {
            name: kernel.name.clone(),
            aliases: Vec::new(),
            description: kernel.description.clone(),
            keys: kernel.keys.clone(),
            precisions: kernel.precisions.clone(),
            placements: false,
            collective: false,
            default: kernel.default,
            kind: WorkKind::Kernel(kernel),
        }
    }
}

/// Every benchmark.
pub static CATALOGUE: LazyLock<Vec<Benchmark>> = LazyLock::new(|| {
    let collectives = COLLECTIVES.iter().copied().map(exchange);
    collectives.chain(KERNELS.iter().map(Benchmark::from)).collect()
});
