//! A communicator of the group is made.

use std::rc::Rc;

use super::nccl::{Comm, Id};
use super::timed::Timed;
use super::{Accuracy, Clock as _, Cuda, HostClock, Prepared, Sample, Share, Start, Wait};
use crate::base::error::Result;
use crate::benchmark::collective::ALL_REDUCE;
use crate::benchmark::work::{Element, Exchange};

/// From when every rank knows the new communicator's id, or has the one that it is split of, until NCCL says that the ranks
/// are connected. What NCCL
/// connects later, when operations first need it (since 2.22), is not in it, nor is the end of communicators.
pub(super) struct Creation<'a> {
    cuda: &'a Cuda,
    clock: HostClock,
    wait: Wait,
    share: Share<'a>,
    /// This rank's number in the group, and how many ranks that has.
    place: (usize, usize),
    /// What the communicators are split of; each has an id of its own otherwise.
    parent: Option<Rc<Comm>>,
    /// What the communicators of the next sample are made of.
    next: Vec<Source>,
}

/// What a communicator is made of.
enum Source {
    Id(Id),
    Split(Rc<Comm>),
}

impl<'a> Creation<'a> {
    pub(super) fn new(
        cuda: &'a Cuda,
        place: (usize, usize),
        share: Share<'a>,
        wait: Wait,
        parent: Option<Rc<Comm>>,
    ) -> Self {
        let clock = cuda.clock.with_policy(wait.policy());
        Self { cuda, clock, wait, share, place, parent, next: Vec::new() }
    }

    /// Ends communicators once no rank needs them any more: a rank that is still connecting, or still
    /// receives, would miss one that has gone.
    fn end<T>(&self, made: T) -> Result<()> {
        let (rank, _) = self.place;
        self.share.first(Ok((rank == 0).then(Vec::new)))?;
        drop(made);
        Ok(())
    }
}

impl Prepared for Creation<'_> {
    /// A new communicator is right when it adds up.
    fn verify(&mut self) -> Result<Accuracy> {
        let Self { cuda, place, share, wait, .. } = *self;
        let comm = match &self.parent {
            None => Comm::connect_agreed(place, share, wait, cuda.blocking.clone()),
            Some(parent) => parent.split_agreed(share),
        };
        let comm = Rc::new(comm?);
        let sum = Exchange::plain(&ALL_REDUCE, Element::F32, 4);
        let sum = super::exchange::prepare(&cuda.gpu, comm, &sum, share)?;
        let mut sum = Timed::new(self.cuda, sum, self.wait, (1, None))?;
        let taken = cuda.taken.get();
        let found = sum.verify()?;
        self.end(sum)?;
        // What it took went with it.
        cuda.taken.set(taken);
        Ok(found)
    }

    fn arm(&mut self, batch: u32) -> Result<()> {
        let source = |_| match &self.parent {
            None => Id::shared(self.place.0, self.share).map(Source::Id),
            Some(parent) => Ok(Source::Split(Rc::clone(parent))),
        };
        self.next = (0..batch).map(source).collect::<Result<_>>()?;
        Ok(())
    }

    fn fire(&mut self, start: Start) -> Result<Sample> {
        let late = start.is_late(&self.clock);
        let mut made = Vec::with_capacity(self.next.len());
        let start = self.clock.now();
        for source in &self.next {
            made.push(match source {
                Source::Id(id) => {
                    Comm::connect(self.place, *id, self.wait, self.cuda.blocking.clone())?
                }
                Source::Split(parent) => parent.split()?,
            });
        }
        let end = self.clock.now();
        self.end(made)?;
        Ok(Sample::by_host(start, end, late))
    }
}
