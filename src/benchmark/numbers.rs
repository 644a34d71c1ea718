//! Numbers of a type that is known only when the program runs.

use crate::base::error::{Error, Result};

use super::element::{Element, Number, bytes_of, bytes_of_mut, numbers_of, numbers_of_mut};

/// Numbers, all zero at first.
#[derive(Debug, Clone)]
pub struct Numbers {
    /// Their type.
    pub element: Element,
    // So that they begin where every number may.
    words: Vec<u64>,
    bytes: usize,
}

impl Numbers {
    /// So many.
    ///
    /// # Errors
    /// Unsupported, in one sentence, when the machine has not that much memory.
    pub fn new(element: Element, count: usize) -> Result<Self> {
        let bytes = count.saturating_mul(element.bytes() as usize);
        let (mut words, length) = (Vec::new(), bytes.div_ceil(size_of::<u64>()));
        words.try_reserve_exact(length).map_err(|_| {
            let told = "bytes of memory are not to be had; choose a smaller problem";
            Error::unsupported(format!("{bytes} {told}"))
        })?;
        words.resize(length, 0);
        Ok(Self { element, words, bytes })
    }

    /// As they lie in memory.
    pub fn bytes(&self) -> &[u8] {
        &bytes_of(&self.words)[..self.bytes]
    }

    /// As they lie in memory.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytes_of_mut(&mut self.words)[..self.bytes]
    }

    /// As what they are.
    pub fn of<T: Number>(&self) -> &[T] {
        numbers_of(self.bytes())
    }

    /// As what they are.
    pub fn of_mut<T: Number>(&mut self) -> &mut [T] {
        numbers_of_mut(self.bytes_mut())
    }
}
