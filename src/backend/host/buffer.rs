//! Buffers that begin on a page, or a known distance behind it, as the OSU benchmarks' do: where a buffer lies in its page changes the
//! time of a copy by several percent, and should not change from run to run.
#![expect(
    unsafe_code,
    reason = "MPI keeps pointers into memory that is read and filled between its calls"
)]

use std::ops::{Deref, DerefMut};

use crate::base::error::{Error, Result};

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;

/// Elements that begin on a page.
#[derive(Debug)]
pub(super) struct Buffer<T> {
    /// Owns the memory, which is reached through `first` only: pointers made from that stay good when the elements are
    /// borrowed, as they would not if those were borrowed from here.
    _storage: Vec<T>,
    first: *mut T,
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
        let first = storage.as_mut_ptr().wrapping_add(start);
        Ok(Self { _storage: storage, first, len })
    }
}

impl<T> Buffer<T> {
    /// Where the elements begin. What is made from it may be used as long as the buffer lives, and not while the
    /// elements are borrowed.
    pub(super) fn pointer(&self) -> *mut T {
        self.first
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the storage holds so many elements from there on, none of which is left out by `new`. Whoever has
        // made a pointer does not write through it meanwhile, as `pointer` asks for.
        unsafe { std::slice::from_raw_parts(self.pointer(), self.len) }
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and nobody else borrows them.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(), self.len) }
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
        let mut buffer = Buffer::new(3, 0, 1u16).unwrap();
        let kept = buffer.pointer().wrapping_add(1);
        buffer.fill(2);
        // SAFETY: the buffer lives, and nothing borrows from it.
        unsafe { kept.write(kept.read() + 1) };
        assert_eq!(buffer[..], [2, 3, 2]);
        assert_eq!(Buffer::new(3, 5, 0u16).unwrap().as_ptr() as usize % PAGE, 10);
        assert!(Buffer::new(usize::MAX / 32, 0, 0u64).is_err());
    }
}
