//! Random numbers: one seed, and from it one independent stream for each named purpose.
//!
//! Streams are named, not numbered, so that adding one does not shift the others.

#[cfg(test)]
pub(crate) mod hostile;

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng as _;

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Stream(Pcg64Mcg);

impl Stream {
    /// The stream of `seed` with this name; `numbers` tell apart iterations or ranks.
    pub fn new(seed: u64, name: &str, numbers: &[u64]) -> Self {
        let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
        let bytes = seed.to_le_bytes().into_iter().chain(name.bytes()).chain(numbers);
        Self(Pcg64Mcg::new(u128::from(fingerprint(bytes)) << 64 | 0x9e37_79b9_7f4a_7c15))
    }

    /// A number in `[0, 1)` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// An index below `n`: the high half of a product, which a remainder takes several times as long as. Its bias is
    /// below n/2^64.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }
}

/// The 64-bit FNV-1a hash: names streams and plans. Not for adversaries.
pub fn fingerprint(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// The same by words of 8 bytes, for much data; `before` is that of what came before, 0 for nothing.
pub fn fingerprint_after(before: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks();
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x100_0000_01b3);
    let hash = words.iter().fold(before, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    rest.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bit_changes_a_fingerprint() {
        let bytes: Vec<u8> = (0..21).collect();
        let whole = fingerprint_after(1, &bytes);
        for at in 0..8 * bytes.len() {
            let mut other = bytes.clone();
            other[at / 8] ^= 1 << (at % 8);
            assert_ne!(fingerprint_after(1, &other), whole, "{at}");
        }
    }

    #[test]
    fn fnv_1a_reference_values() {
        assert_eq!(fingerprint([]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(*b"a"), 0xaf63_dc4c_8601_ec8c);
    }

    #[test]
    fn streams_repeat_and_differ_by_name_and_number() {
        let first = |name, numbers: &[u64]| Stream::new(1, name, numbers).unit();
        assert_eq!(first("a", &[1]), first("a", &[1]));
        assert_ne!(first("a", &[1]), first("a", &[2]));
        assert_ne!(first("a", &[1]), first("b", &[1]));
        let mut stream = Stream::new(7, "mean", &[]);
        let mean = (0..10_000).map(|_| stream.unit()).sum::<f64>() / 1e4;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
    }
}
