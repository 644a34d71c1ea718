//! Rows in the order of the experts that they go to, and where those of each expert end.

use super::*;

pub(super) const CODE: Code = Code {
    host: for_numbers!(host),
    cublas_lt: false,
    check: Check { expected: &[expected_rows, expected_ends], suspects: None },
};

fn host<T: Number>(_: pulp::Arch, inputs: &[View<'_>], _: &[f64], outputs: &mut [ViewMut<'_>]) {
    let [y, ends] = outputs else { return };
    let (x, expert) = (inputs[0].of::<T>(), inputs[1].of::<i32>());
    let (dim, choices) = (inputs[0].shape[1], inputs[1].shape[1]);
    let (y, ends) = (y.of::<T>(), ends.of::<i32>());
    ends.fill(0);
    expert.iter().for_each(|expert| ends[*expert as usize] += 1);
    let mut end = 0;
    for count in &mut *ends {
        end += *count;
        // Where those of this expert begin; it is moved to their end below.
        *count = end - *count;
    }
    for (entry, expert) in expert.iter().enumerate() {
        let place = &mut ends[*expert as usize];
        let row = &x[entry / choices * dim..][..dim];
        y[*place as usize * dim..][..dim].copy_from_slice(row);
        *place += 1;
    }
}

fn expected_rows(inputs: &[Values<'_>], _: &[f64], at: usize, y: &mut [Expected]) {
    let (place, choices) = (at / y.len(), inputs[1].shape[1]);
    let experts = inputs[1].read(0..inputs[1].shape[0] * choices);
    let mut counts = Vec::new();
    for expert in &experts {
        let expert = *expert as usize;
        counts.resize(counts.len().max(expert + 1), 0);
        counts[expert] += 1;
    }
    let mut left = place;
    let mut own = 0;
    while left >= counts[own] {
        left -= counts[own];
        own += 1;
    }
    let mut entries = experts.iter().enumerate().filter(|(_, expert)| **expert as usize == own);
    let row = entries.nth(left).map_or(0, |(entry, _)| entry / choices);
    y.iter_mut().zip(inputs[0].row(row)).for_each(|(y, x)| *y = Expected::of(x));
}

fn expected_ends(inputs: &[Values<'_>], _: &[f64], at: usize, ends: &mut [Expected]) {
    let experts = inputs[1].read(0..inputs[1].shape.iter().product());
    for (own, end) in ends.iter_mut().enumerate() {
        let before = experts.iter().filter(|expert| **expert as usize <= at + own).count();
        *end = Expected::of(before as f64);
    }
}
