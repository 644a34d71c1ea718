//! Outputs that are written around the caches.
#![expect(unsafe_code, reason = "stores around the caches have no safe form")]

use super::Number;

/// Elements that are computed before they are written. So few, and always as many, that the compiler keeps them in
/// registers.
const BLOCK: usize = 64;

/// On a boundary of every vector: what is stored in wide ones and loaded in narrow ones must not lie across two.
#[repr(align(64))]
struct Block<T>([T; BLOCK]);

/// Fills `to`: `of` computes what follows the given element, with the widest vectors of `cpu`. With `is_streaming` the
/// stores go around the caches: that spares reading what is overwritten, and is faster where `to` fits no cache.
#[inline(always)]
pub(super) fn fill<T: Number>(
    cpu: pulp::Arch,
    to: &mut [T],
    is_streaming: bool,
    of: impl FnMut(usize, &mut [T]),
) {
    cpu.dispatch(Filling { to, is_streaming, of });
}

struct Filling<'a, T, F> {
    to: &'a mut [T],
    is_streaming: bool,
    of: F,
}

impl<T: Number, F: FnMut(usize, &mut [T])> pulp::NullaryFnOnce for Filling<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { to, is_streaming, mut of } = self;
        if !is_streaming {
            return of(0, to);
        }
        let mut computed = Block([T::default(); BLOCK]);
        let (mut at, mut blocks) = (0, to.chunks_exact_mut(BLOCK));
        for block in &mut blocks {
            of(at, &mut computed.0);
            store(&computed, block);
            at += BLOCK;
        }
        of(at, blocks.into_remainder());
        finish();
    }
}

/// Copies a block around the caches, if it lies on a boundary of vectors.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn store<T: Number>(from: &Block<T>, to: &mut [T]) {
    use std::arch::x86_64::{__m128i, _mm_load_si128, _mm_stream_si128};
    let (source, target) = (from.0.as_ptr().cast::<__m128i>(), to.as_mut_ptr().cast::<__m128i>());
    if !target.is_aligned() || to.len() != BLOCK {
        return to.copy_from_slice(&from.0);
    }
    for at in 0..size_of::<Block<T>>() / size_of::<__m128i>() {
        // SAFETY: both have the bytes of a block, on boundaries of vectors; numbers have no padding; every such CPU has
        // the instruction.
        unsafe { _mm_stream_si128(target.add(at), _mm_load_si128(source.add(at))) };
    }
}

/// Orders the stores before what follows.
#[cfg(target_arch = "x86_64")]
fn finish() {
    // SAFETY: every such CPU has the instruction.
    unsafe { std::arch::x86_64::_mm_sfence() };
}

/// Copies a block: Rust has no stores around the caches for this CPU.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn store<T: Number>(from: &Block<T>, to: &mut [T]) {
    to.copy_from_slice(&from.0);
}

#[cfg(not(target_arch = "x86_64"))]
fn finish() {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills `len` elements of an array with their numbers, and checks that nothing else is touched.
    fn filled<T: Number + PartialEq + std::fmt::Debug>(
        len: usize,
        is_streaming: bool,
        number: fn(usize) -> T,
    ) {
        for first in 0..17 {
            let (end, mut array) = (first + len, vec![T::default(); len + 20]);
            fill(pulp::Arch::new(), &mut array[first..end], is_streaming, |at, block| {
                for (place, element) in block.iter_mut().enumerate() {
                    *element = number(at + place);
                }
            });
            let expected = |at: usize| {
                if (first..end).contains(&at) { number(at - first) } else { T::default() }
            };
            assert_eq!(
                array,
                (0..len + 20).map(expected).collect::<Vec<_>>(),
                "{len} from {first}"
            );
        }
    }

    #[test]
    fn every_element_is_written_once_wherever_the_array_starts_and_ends() {
        for len in [1, 7, 33, BLOCK, 3 * BLOCK + 5] {
            for is_streaming in [false, true] {
                filled::<f64>(len, is_streaming, |at| at as f64 + 1.0);
                filled::<u16>(len, is_streaming, |at| at as u16 + 1);
                filled::<u8>(len, is_streaming, |at| (at % 251) as u8 + 1);
            }
        }
    }
}
