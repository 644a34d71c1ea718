//! Buffers that begin on a page, as the OSU benchmarks' do: where a buffer lies in its page changes the
//! time of a copy by several percent, and should not change from run to run.

use std::ops::{Deref, DerefMut};

use crate::error::{Error, Result};

/// Bytes of a page.
const PAGE: usize = 4096;

/// Elements that begin on a page.
pub(super) struct Buffer<T> {
    storage: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy> Buffer<T> {
    /// `len` elements of `value`.
    ///
    /// # Errors
    /// Unsupported, in one sentence, when the machine has not that much memory.
    pub(super) fn new(len: usize, value: T) -> Result<Self> {
        let mut storage = Vec::new();
        let spare = PAGE / size_of::<T>();
        storage.try_reserve_exact(len + spare).map_err(|_| {
            Error::unsupported(format!(
                "{} bytes of memory are not to be had; choose a smaller problem",
                len as u128 * size_of::<T>() as u128
            ))
        })?;
        storage.resize(len + spare, value);
        let start = storage.as_ptr().align_offset(PAGE).min(spare);
        Ok(Self { storage, start, len })
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.storage[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.storage[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_begins_on_a_page_even_when_it_is_empty() {
        for len in [0, 1, 1000, 1 << 20] {
            let mut buffer = Buffer::new(len, 7u16).unwrap();
            assert_eq!((buffer.len(), buffer.as_ptr() as usize % PAGE), (len, 0));
            buffer.fill(8);
            assert!(buffer.iter().all(|&value| value == 8));
        }
        assert!(Buffer::new(usize::MAX / 32, 0u64).is_err());
    }
}
