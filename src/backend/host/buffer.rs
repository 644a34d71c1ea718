//! Buffers that begin on a page, or a known distance behind it, as the OSU benchmarks' do: where a buffer lies in its page changes the
//! time of a copy by several percent, and should not change from run to run.

use std::ops::{Deref, DerefMut};

use crate::base::error::{Error, Result};

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;

/// Elements that begin on a page.
#[derive(Debug)]
pub(super) struct Buffer<T> {
    storage: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Copy> Buffer<T> {
    /// `len` elements of `value`, `offset` elements behind a page.
    ///
    /// # Errors
    /// Unsupported, in one sentence, when the machine has not that much memory.
    pub(super) fn new(len: usize, offset: usize, value: T) -> Result<Self> {
        let mut storage = Vec::new();
        let spare = PAGE / size_of::<T>() + offset;
        storage.try_reserve_exact(len + spare).map_err(|_| {
            Error::unsupported(format!(
                "{} bytes of memory are not to be had; choose a smaller problem",
                len as u128 * size_of::<T>() as u128
            ))
        })?;
        storage.resize(len + spare, value);
        let start = storage.as_ptr().align_offset(PAGE).min(spare - offset) + offset;
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
            let mut buffer = Buffer::new(len, 0, 7u16).unwrap();
            assert_eq!((buffer.len(), buffer.as_ptr() as usize % PAGE), (len, 0));
            buffer.fill(8);
            assert!(buffer.iter().all(|&value| value == 8));
        }
        assert_eq!(Buffer::new(3, 5, 0u16).unwrap().as_ptr() as usize % PAGE, 10);
        assert!(Buffer::new(usize::MAX / 32, 0, 0u64).is_err());
    }
}
