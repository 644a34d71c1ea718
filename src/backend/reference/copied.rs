//! What is copied from one memory to another, and the check of what arrives.

use crate::base::accuracy::Accuracy;
use crate::world::fault::{Fault, is_planted};
use crate::world::progress::Phase;

/// Bytes that are compared at a time.
const PIECE: usize = 4096;

const WORD: usize = size_of::<u64>();

/// Puts in what is copied in direction number `way`: no two words of 8 bytes are alike.
pub(in crate::backend) fn fill_source(way: usize, source: &mut [u8]) {
    fill(way, 0, source);
}

/// Puts in what cannot be right at any place.
pub(in crate::backend) fn spoil_target(way: usize, target: &mut [u8]) {
    fill(way, 0, target);
    target.iter_mut().for_each(|byte| *byte = !*byte);
}

/// The bytes from word number `first` on. A product with an odd number leads every word to another.
fn fill(way: usize, first: usize, bytes: &mut [u8]) {
    for (number, place) in (first..).zip(bytes.chunks_mut(WORD)) {
        let word = (number as u64 ^ (way as u64) << 62).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        place.copy_from_slice(&word.to_be_bytes()[..place.len()]);
    }
}

/// Compares every byte of what has arrived in direction number `way`. A wrong byte is put in first, if that is planted here.
pub(in crate::backend) fn judge_copy(way: usize, phase: Phase, target: &mut [u8]) -> Accuracy {
    if way == 0 && is_planted(Fault::Wrong, phase) {
        let middle = target.len() / 2;
        target[middle] = !target[middle];
    }
    let mut expected = [0; PIECE];
    Accuracy::sum(target.chunks(PIECE).enumerate().map(|(piece, got)| {
        let expected = &mut expected[..got.len()];
        fill(way, piece * PIECE / WORD, expected);
        if got == expected {
            return Accuracy { checked: got.len() as u64, ..Accuracy::default() };
        }
        let pairs = expected.iter().zip(got);
        Accuracy::compare(pairs.map(|(expected, got)| (f64::from(*expected), f64::from(*got), 0.0)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(way: usize, bytes: usize) -> Vec<u8> {
        let mut source = vec![0; bytes];
        fill_source(way, &mut source);
        source
    }

    #[test]
    fn what_arrives_is_right_and_one_byte_that_does_not_is_named() {
        for bytes in [1, 8, 4095, 4096, 10_000] {
            for way in [0, 1] {
                let mut target = source(way, bytes);
                let right = judge_copy(way, Phase::Verify, &mut target);
                assert_eq!((right.checked, right.wrong), (bytes as u64, 0));
                let at = bytes / 3;
                let mut spoilt = vec![0; bytes];
                spoil_target(way, &mut spoilt);
                target[at] = spoilt[at];
                let wrong = judge_copy(way, Phase::Verify, &mut target);
                assert_eq!((wrong.checked, wrong.wrong), (bytes as u64, 1));
                assert_eq!(wrong.first_wrong.unwrap().index, at as u64);
                assert_eq!(judge_copy(way, Phase::Verify, &mut spoilt).wrong, bytes as u64);
            }
        }
    }

    #[test]
    fn neither_a_shift_nor_the_other_direction_looks_right() {
        let sent = source(0, 1 << 20);
        for shift in [1, 7, 8, 64, 4096, 1 << 16] {
            let mut shifted = [&sent[shift..], &sent[..shift]].concat();
            let wrong = judge_copy(0, Phase::Verify, &mut shifted).wrong;
            assert!(wrong > 1 << 17, "{shift}: {wrong}");
        }
        assert!(judge_copy(1, Phase::Verify, &mut source(0, 1 << 20)).wrong > 1 << 16);
    }
}
