//! A communicator of the group is made.

use std::rc::Rc;

use super::nccl::{Comm, Id};
use super::timed::Timed;
use super::{Accuracy, Clock as _, Cuda, HostClock, Prepared, Sample, Share, Start, Wait};
use crate::base::error::Result;
use crate::benchmark::collective::ALL_REDUCE;
use crate::benchmark::work::{Element, Exchange};

/// From when every rank knows the new communicator's id until NCCL says that the ranks are connected. What NCCL
/// connects later, when operations first need it (since 2.22), is not in it, nor is the end of communicators.
pub(super) struct Creation<'a> {
    cuda: &'a Cuda,
    clock: HostClock,
    wait: Wait,
    share: Rc<Share<'a>>,
    /// This rank's number in the group, and how many ranks that has.
    place: (usize, usize),
    /// Of the communicators that the next sample makes.
    ids: Vec<Id>,
}

impl<'a> Creation<'a> {
    pub(super) fn new(
        cuda: &'a Cuda,
        place: (usize, usize),
        share: Rc<Share<'a>>,
        wait: Wait,
    ) -> Self {
        let clock = cuda.clock.with_policy(wait.policy());
        Self { cuda, clock, wait, share, place, ids: Vec::new() }
    }

    /// Ends communicators once no rank needs them any more: a rank that is still connecting, or still
    /// receives, would miss one that has gone.
    fn end<T>(&self, made: T) -> Result<()> {
        let (rank, _) = self.place;
        (self.share)(Ok((rank == 0).then(Vec::new)))?;
        drop(made);
        Ok(())
    }
}

impl Prepared for Creation<'_> {
    /// A new communicator is right when it adds up.
    fn verify(&mut self) -> Result<Accuracy> {
        let Self { cuda, place, ref share, wait, .. } = *self;
        let comm = Rc::new(Comm::connect_agreed(place, share, wait, cuda.blocking.clone())?);
        let sum = Exchange::plain(&ALL_REDUCE, Element::F32, 4);
        let sum = super::exchange::prepare(&cuda.gpu, comm, &sum, Rc::clone(share))?;
        let mut sum = Timed::new(self.cuda, sum, self.wait, 1)?;
        let found = sum.verify()?;
        self.end(sum)?;
        Ok(found)
    }

    fn arm(&mut self, batch: u32) -> Result<()> {
        let ids = (0..batch).map(|_| Id::shared(self.place.0, &self.share));
        self.ids = ids.collect::<Result<_>>()?;
        Ok(())
    }

    fn fire(&mut self, start: Start) -> Result<Sample> {
        let late = start.is_late(&self.clock);
        let mut made = Vec::with_capacity(self.ids.len());
        let start = self.clock.now();
        for &id in &self.ids {
            made.push(Comm::connect(self.place, id, self.wait, self.cuda.blocking.clone())?);
        }
        let end = self.clock.now();
        self.end(made)?;
        Ok(Sample::by_host(start, end, late))
    }
}
