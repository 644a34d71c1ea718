//! The calls of NCCL that make an exchange on one rank, with the addresses of its data.

use cudarc::driver::sys::CUdeviceptr;

use super::call::Call;
use crate::benchmark::collective::{self, Location, Step};

/// Calls that begin together, one group after another.
pub(super) type Groups = Vec<Vec<Call>>;

/// Where the data of an operation lies on the GPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    /// Address of the input, and of the result.
    pub(super) input: CUdeviceptr,
    pub(super) output: CUdeviceptr,
    /// Bytes of an element.
    pub(super) element: u64,
}

impl Spot {
    fn address(self, at: Location) -> CUdeviceptr {
        match at {
            Location::Input(at) => self.input + at * self.element,
            Location::Output(at) => self.output + at * self.element,
        }
    }

    fn call(self, step: Step) -> Call {
        Call {
            function: step.call,
            input: self.address(step.read),
            output: self.address(step.write),
            count: step.count as usize,
        }
    }
}

/// The calls of one operation on the data at `spot`.
pub(super) fn located(stages: &collective::Stages, spot: Spot) -> Groups {
    let calls = |steps: &Vec<Step>| steps.iter().map(|step| spot.call(*step)).collect();
    stages.iter().map(calls).collect()
}

/// The calls of several operations that run at once: each stage of all of them begins together.
pub(super) fn together(operations: impl Iterator<Item = Groups>) -> Groups {
    let mut together = Groups::new();
    for stages in operations {
        together.resize_with(together.len().max(stages.len()), Vec::new);
        together.iter_mut().zip(stages).for_each(|(all, stage)| all.extend(stage));
    }
    together
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::collective::NcclCall;

    fn step(call: NcclCall, read: u64, write: u64) -> Step {
        Step { call, read: Location::Input(read), write: Location::Output(write), count: 2 }
    }

    #[test]
    fn elements_become_addresses() {
        let spot = Spot { input: 1000, output: 5000, element: 4 };
        let stages = vec![vec![step(NcclCall::Reduce(1), 3, 0)]];
        let function = NcclCall::Reduce(1);
        let call = Call { function, input: 1012, output: 5000, count: 2 };
        assert_eq!(located(&stages, spot), [[call]]);
    }

    #[test]
    fn operations_begin_together_stage_by_stage() {
        let spot = Spot { input: 1000, output: 5000, element: 4 };
        let ping_pong =
            vec![vec![step(NcclCall::Send(1), 0, 0)], vec![step(NcclCall::Receive(1), 0, 0)]];
        let both = together((0..2).map(|_| located(&ping_pong, spot)));
        let functions: Vec<Vec<NcclCall>> =
            both.iter().map(|stage| stage.iter().map(|call| call.function).collect()).collect();
        assert_eq!(functions, [[NcclCall::Send(1); 2], [NcclCall::Receive(1); 2]]);
    }
}
