//! One load after another, each at the place that the last one found: what a load takes, not how many there can be.

use super::*;

pub(super) const CODE: Code = Code {
    host: Some(Host::Moves(|element| (element == Element::U32).then_some(host as HostOp))),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: None },
};

fn host(_: pulp::Arch, inputs: &[View<'_>], constants: &[f64], outputs: &mut [ViewMut<'_>]) {
    let (chain, steps) = (inputs[0].of::<u32>(), constants[0] as u64);
    let last = (0..steps).fold(0, |place: u32, _| chain[place as usize]);
    outputs[0].of::<u32>()[0] = last;
}

fn expected(inputs: &[Values<'_>], constants: &[f64], _: usize, last: &mut [Expected]) {
    let next = |place: usize| inputs[0].read(place..place + 1)[0] as usize;
    let place = (0..constants[0] as u64).fold(0, |place, _| next(place));
    last.fill(Expected::of(place as f64));
}
