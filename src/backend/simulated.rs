//! Virtual time: real ranks and real messages between them, but each operation takes as long as
//! [the model](crate::benchmark::model) says. The same seed gives the same stamps under any MPI.

use std::cell::Cell;

use serde::ser::{Serialize, SerializeTuple as _, Serializer};

use super::{Accuracy, Backend, Device, Peers, Prepared, Sample, Start};
use crate::base::error::{Error, Kind, Result};
use crate::base::random::{Stream, fingerprint};
use crate::base::units::Nanos;
use crate::benchmark::work::{Element, Exchange, Work};
use crate::machine::topology::Topology;
use crate::plan::mesh::Group;
use crate::world::clock::Clock;
use crate::world::wire::encode;

/// Most by which an iteration exceeds the prediction, as a share of it.
const NOISE: f64 = 0.05;

/// Most by which one rank exceeds the others in an iteration, as a share of the prediction.
const RANK_NOISE: f64 = 0.01;

/// How far the clock goes, ns: 100 years, far from where its arithmetic ends.
const LIFE: Nanos = 100 * 365 * 86_400 * 1_000_000_000;

/// One device of a described machine.
pub(super) struct Simulated {
    topology: Topology,
    seed: u64,
    rank: usize,
    clock: VirtualClock,
}

impl Simulated {
    pub(super) fn open(topology: &Topology, seed: u64, rank: usize) -> Self {
        let clock = VirtualClock { now: Cell::new(0) };
        Self { topology: topology.clone(), seed, rank, clock }
    }
}

impl Backend for Simulated {
    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn device(&self) -> Device {
        Device::named("simulated", self.topology.device.name.clone())
    }

    fn settling(&self) -> Nanos {
        0
    }

    fn prepare<'a>(
        &'a self,
        work: &Work,
        group: &Group,
        _: Peers<'a>,
    ) -> Result<Box<dyn Prepared + 'a>> {
        work.check_backend("simulated")?;
        if let Work::Kernel(run) = work {
            let name = &run.kernel.name;
            if run.kernel.command.is_some() {
                return Err(Error::unsupported(format!(
                    "{name} is a program, which is not modelled"
                )));
            }
            if !run.kernel.has_elements() {
                return Err(Error::unsupported(format!(
                    "{name} computes nothing; what a launch costs is not modelled"
                )));
            }
            if run.dependent_accesses().is_some() {
                let why = "the latency of memory is not modelled: a topology has no figure of it";
                return Err(Error::unsupported(why));
            }
            if !Element::WIDE_FLOATS.contains(&run.element) {
                let element = run.element.name();
                return Err(Error::unsupported(format!("kernels are not modelled for {element}")));
            }
        }
        let seconds = crate::benchmark::model::seconds(work, &self.topology, &group.ranks)
            .ok_or_else(|| {
                Error::unsupported(match work {
                    Work::Copy(_) => {
                        "copies between host and GPU, and by copy engines, are not modelled: a topology has no figures of them"
                    }
                    _ => "the start of a library is not modelled",
                })
            })?;
        let name = match work {
            Work::Kernel(run) => encode(&(KERNELS, Unprefixed(&run.sizes), run.element, group)),
            Work::Exchange(exchange) => encode(&(EXCHANGES, told_apart(exchange), group)),
            Work::Nothing | Work::Copy(_) => encode(&(work, group)),
        }?;
        Ok(Box::new(Model {
            machine: self,
            nanos: 1e9 * f64::from(work.operations()) * seconds,
            communicates: work.communicates(),
            case: fingerprint(name),
            iteration: 0,
            batch: 1,
        }))
    }
}

/// The same of an exchange, by all that is modelled.
const EXCHANGES: u8 = 1;

/// What exchanges that are modelled may differ in.
fn told_apart(exchange: &Exchange) -> impl Serialize {
    let Exchange {
        collective,
        element,
        bytes,
        placement,
        operator,
        root,
        completion,
        window,
        offset,
        ref blocks,
        pairs,
        registration: None,
        graph: None,
        splits: false,
    } = *exchange
    else {
        unreachable!("`check_backend` has refused it")
    };
    let (how, many) = ((operator, root, completion), (window, offset, blocks.clone(), pairs));
    (collective, element, bytes, placement, how, many)
}

/// What a case of a kernel is told apart by, beside its sizes, its type and its group: kernels of equal sizes are
/// delayed alike.
const KERNELS: u8 = 2;

/// Numbers one after another, without their number in front.
struct Unprefixed<'a>(&'a [u64]);

impl Serialize for Unprefixed<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut tuple = to.serialize_tuple(self.0.len())?;
        self.0.iter().try_for_each(|number| tuple.serialize_element(number))?;
        tuple.end()
    }
}

/// Work that takes a computed time.
struct Model<'a> {
    machine: &'a Simulated,
    nanos: f64,
    communicates: bool,
    case: u64,
    iteration: u64,
    batch: u32,
}

impl Model<'_> {
    /// A number in `[0, 1)`, mostly small: noise delays far more often a little than a lot.
    fn noise(&self, name: &str, numbers: &[u64]) -> f64 {
        Stream::new(self.machine.seed, name, numbers).unit().powi(4)
    }
}

impl Prepared for Model<'_> {
    /// Nothing is computed, so nothing is checked.
    fn verify(&mut self) -> Result<Accuracy> {
        Ok(Accuracy::default())
    }

    fn arm(&mut self, batch: u32) -> Result<()> {
        self.batch = batch;
        Ok(())
    }

    fn fire(&mut self, start: Start) -> Result<Sample> {
        let clock = &self.machine.clock;
        let late = start.is_late(clock);
        let rank = self.machine.rank as u64;
        // Ranks that exchange data are delayed together.
        let together = if self.communicates { u64::MAX } else { rank };
        let noise = NOISE * self.noise("iteration", &[self.case, self.iteration, together])
            + RANK_NOISE * self.noise("rank", &[self.case, self.iteration, rank]);
        self.iteration += 1;
        let start = clock.now();
        let took = self.nanos * (1.0 + noise) * f64::from(self.batch);
        let end = start.checked_add(took.round() as Nanos).filter(|end| *end < LIFE);
        clock.now.set(end.ok_or_else(|| {
            Error::new(
                Kind::CaseFailed,
                "by this topology the run takes more than 100 years; see whether its figures have the right units",
            )
        })?);
        Ok(Sample::by_host(start, clock.now(), late))
    }
}

/// A clock that moves only when something is run or waited for.
struct VirtualClock {
    now: Cell<Nanos>,
}

impl Clock for VirtualClock {
    fn now(&self) -> Nanos {
        self.now.get()
    }

    fn wait_until(&self, at: Nanos) -> bool {
        let late = self.now() > at;
        self.now.set(self.now().max(at));
        late
    }

    fn precision(&self) -> Nanos {
        1
    }

    fn is_virtual(&self) -> bool {
        true
    }
}
