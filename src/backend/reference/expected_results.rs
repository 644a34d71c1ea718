//! The right result of an exchange, element by element.

use super::{Number, Operands};
use crate::base::accuracy::Accuracy;
use crate::base::accuracy::WrongElement;
use crate::benchmark::work::{Element, Exchange, Operator, Placement};
use crate::world::fault::{Fault, is_planted};
use crate::world::progress::Phase;

/// What the ranks of an exchange put in, and what then has to come out.
#[derive(Debug, Clone)]
pub(in crate::backend) struct ExpectedResults {
    exchange: Exchange,
    ranks: usize,
    rank: usize,
}

/// What is in the buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend) enum Data {
    /// Values that tell ranks and places apart.
    Known,
    /// One value everywhere that the exchange leaves as it is: what can be timed in place, where results
    /// become inputs.
    FixedPoint,
}

impl ExpectedResults {
    /// For rank `rank` of `ranks`.
    pub(in crate::backend) fn new(exchange: &Exchange, ranks: usize, rank: usize) -> Self {
        Self { exchange: exchange.clone(), ranks, rank }
    }

    /// What is in the buffers in `phase`: while the exchange is verified, or timed.
    pub(in crate::backend) fn data(&self, phase: Phase) -> Data {
        if phase == Phase::Measure && self.exchange.placement == Placement::In {
            Data::FixedPoint
        } else {
            Data::Known
        }
    }

    /// Puts this rank's input into a buffer.
    pub(in crate::backend) fn fill<T: Number>(&self, data: Data, input: &mut [T]) {
        let own = self.stretch::<T>(data, Values::Input, 0, input.len());
        for chunk in input.chunks_mut(own.len().max(1)) {
            chunk.copy_from_slice(&own[..chunk.len()]);
        }
    }

    /// What is where a result goes before it comes. Beside known data it is what cannot be right, so that a result
    /// that never comes is seen; a fixed point is everywhere itself, as the result's place holds the input.
    pub(in crate::backend) fn spoilt<T: Number>(&self, data: Data) -> T {
        T::of(if data == Data::FixedPoint { self.fixed_point() } else { -77 })
    }

    /// The values from index `at`: `len` of them, or so many that they repeat.
    fn stretch<T: Number>(&self, data: Data, values: Values, at: usize, len: usize) -> Vec<T> {
        let operands = Operands::of::<T>(self.exchange.operator, self.ranks);
        let reduces = self.exchange.collective.reduces();
        let period = match data {
            Data::FixedPoint => 1,
            Data::Known if reduces => operands.period(),
            Data::Known => PERIOD,
        };
        let value = |i: usize| match (data, values) {
            (Data::FixedPoint, _) => self.fixed_point(),
            (Data::Known, Values::Input) if reduces => operands.term(self.rank, i),
            (Data::Known, Values::Input) => moved(self.rank, i),
            (Data::Known, Values::Result(Some(from))) => moved(from, i),
            (Data::Known, Values::Result(None)) => operands.result(i),
        };
        let repeats = period * STRETCH.div_ceil(period);
        (at..at + len.min(repeats)).map(|i| T::of(value(i))).collect()
    }

    /// Compares what an operation with root `root` left in `phase`: on known data, or while it was timed. A
    /// wrong element is put in first, if that is planted here.
    pub(in crate::backend) fn judge<T: Number>(
        &self,
        phase: Phase,
        root: usize,
        result: &mut [T],
    ) -> Accuracy {
        let len =
            self.exchange.output(self.ranks, self.rank, root).min(result.len() as u64) as usize;
        if len > 0 && is_planted(Fault::Wrong, phase) {
            let middle = &mut result[len / 2];
            let right = middle.to_f64() as i64;
            // Far enough apart in every type.
            *middle = T::of(if right == 0 { 1 } else { 0 });
        }
        self.compare(self.data(phase), root, result)
    }

    fn fixed_point(&self) -> i64 {
        if self.exchange.collective.reduces() { self.exchange.operator.fixed_point() } else { 1 }
    }

    /// Compares this rank's result of an operation with root `root`. All bits must be right; a mean of
    /// floats may be 2 units in the last place off, as in nccl-tests (`verifiable.cu`): NCCL multiplies by
    /// 1/n beforehand.
    pub(in crate::backend) fn compare<T: Number>(
        &self,
        data: Data,
        root: usize,
        result: &[T],
    ) -> Accuracy {
        let exchange = &self.exchange;
        let rounds = exchange.collective.reduces()
            && exchange.operator == Operator::Avg
            && exchange.element.is_float();
        let tolerance =
            |expected: f64| if rounds { 2.0 * ulp(exchange.element, expected) } else { 0.0 };
        let mut chunks = Vec::new();
        let mut rest = result;
        let mut missing = 0;
        for part in exchange.parts(self.ranks, self.rank, root) {
            let len = part.len as usize;
            let there;
            (there, rest) = rest.split_at(len.min(rest.len()));
            missing += part.len - there.len() as u64;
            let values = Values::Result(part.from);
            let expected = self.stretch::<T>(data, values, part.at as usize, there.len());
            chunks.extend(there.chunks(expected.len().max(1)).map(|got| {
                let expected = &expected[..got.len()];
                // Nearly always; and many times faster than one by one.
                if !rounds && got == expected {
                    return Accuracy { checked: got.len() as u64, ..Accuracy::default() };
                }
                let pairs = expected.iter().zip(got).map(|(expected, got)| {
                    let expected = expected.to_f64();
                    (expected, got.to_f64(), tolerance(expected))
                });
                Accuracy::compare(pairs)
            }));
        }
        let mut accuracy = Accuracy::sum(chunks);
        if missing > 0 {
            // A buffer that is too short is a mistake of this program, and no right result.
            accuracy.wrong += missing;
            accuracy.first_wrong.get_or_insert(WrongElement {
                rank: 0,
                index: accuracy.checked,
                expected: f64::NAN,
                got: f64::NAN,
            });
        }
        accuracy
    }
}

/// Values of a buffer.
#[derive(Debug, Clone, Copy)]
enum Values {
    /// This rank's input.
    Input,
    /// A part of a result: from this rank's input, or reduced.
    Result(Option<usize>),
}

/// Least values that are compared at once.
const STRETCH: usize = 4096;

/// How soon what is moved repeats: a prime, so that no block is a whole number of periods.
const PERIOD: usize = 4093;

/// What rank `rank` sends at index `i`: scattered, so that neither a shift nor another rank's values look alike.
/// Small floats round it, on both sides alike.
fn moved(rank: usize, i: usize) -> i64 {
    // The finaliser of MurmurHash3 (Appleby, 2008).
    let mut hash = ((i % PERIOD) as u64) << 32 | rank as u64;
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ hash >> 33).wrapping_mul(factor);
    }
    ((hash >> 33) % 251) as i64
}

/// The distance between floats of a type next to `value`.
fn ulp(element: Element, value: f64) -> f64 {
    let significant = match element {
        Element::F64 => 53,
        Element::F32 => 24,
        Element::F16 => 11,
        Element::Bf16 => 8,
        Element::Fp8E4m3 => 4,
        _ => 3,
    };
    // 1 has the exponent 0; whole numbers are never smaller, and 0 must be exact.
    if value == 0.0 { 0.0 } else { 2f64.powi(value.abs().log2().floor() as i32 + 1 - significant) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::collective::{self, ALL_REDUCE};
    use crate::benchmark::work::Root;

    /// What every rank's result would be, by copying parts of inputs.
    fn simulate(exchange: &Exchange, ranks: usize, rank: usize, root: usize) -> Vec<f32> {
        let input = |from: usize| {
            let len = exchange.input(ranks, from, root) as usize;
            let mut input = vec![0f32; len];
            ExpectedResults::new(exchange, ranks, from).fill(Data::Known, &mut input);
            input
        };
        let inputs: Vec<Vec<f32>> = (0..ranks).map(input).collect();
        let parts = exchange.parts(ranks, rank, root);
        let element = |from: Option<usize>, i: usize| match from {
            Some(from) => inputs[from][i],
            None => inputs.iter().map(|input| input[i]).sum(),
        };
        parts
            .iter()
            .flat_map(|part| {
                (part.at..part.at + part.len)
                    .map(|i| element(part.from, i as usize))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn a_right_result_passes_and_one_wrong_element_is_named() {
        for name in ["all_reduce", "alltoallv", "scatter", "outcast"] {
            let collective = collective::find(name).unwrap();
            let exchange = Exchange::plain(collective, Element::F32, 400);
            let exchange = Exchange { root: Root::Fixed(1), ..exchange };
            let expected = ExpectedResults::new(&exchange, 3, 2);
            let mut result = simulate(&exchange, 3, 2, 1);
            let right = expected.compare(Data::Known, 1, &result);
            assert_eq!((right.wrong, right.checked), (0, result.len() as u64), "{name}");
            result[5] += 1.0;
            let wrong = expected.compare(Data::Known, 1, &result);
            assert_eq!((wrong.wrong, wrong.first_wrong.unwrap().index), (1, 5), "{name}");
            let short = expected.compare(Data::Known, 1, &result[..3]);
            assert_eq!((short.wrong, short.checked), (result.len() as u64 - 3, 3));
        }
    }

    /// Data that stayed where it was, or came from another rank, is not taken for the right one.
    #[test]
    fn what_ranks_send_differs_from_place_to_place() {
        use float8::F8E5M2;
        let of = |rank: usize, at: usize| -> Vec<u8> {
            (at..at + 16).map(|i| <F8E5M2 as Number>::of(moved(rank, i)).to_bits()).collect()
        };
        for ranks in [2, 3, 8, 64] {
            for block in [4, 16, 251, 268, 1 << 14] {
                for rank in 1..ranks {
                    assert_ne!(of(rank, 0), of(0, 0));
                    assert_ne!(of(rank, 0), of(0, rank * block), "{rank} {block}");
                    assert_ne!(of(0, 0), of(0, rank * block), "{rank} {block}");
                }
            }
        }
    }

    #[test]
    fn only_a_mean_of_floats_may_round() {
        let exchange = Exchange {
            operator: Operator::Avg,
            ..Exchange::plain(&ALL_REDUCE, Element::F32, 4 * 7)
        };
        let expected = ExpectedResults::new(&exchange, 3, 0);
        let exact: Vec<f32> = (0..7).map(|i| i as f32).collect();
        let wrong = |result: &[f32]| expected.compare(Data::Known, 0, result).wrong;
        assert_eq!(wrong(&exact), 0);
        let mut near = exact.clone();
        near[4] = 4.0 + 2.0 * 4.0 * f32::EPSILON;
        assert_eq!(wrong(&near), 0);
        near[4] = 4.0 + 3.0 * 4.0 * f32::EPSILON;
        assert_eq!(wrong(&near), 1);
        near[4] = f32::NAN;
        assert_eq!(wrong(&near), 1);
    }
}
