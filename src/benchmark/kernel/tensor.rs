//! What a kernel reads and writes, and what is put into it.

use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Formula, KernelRun};
use crate::base::random::Stream;
use crate::benchmark::{Element, Number, bytes_of_mut, numbers_of, numbers_of_mut, with_number};

/// A dense array, the last axis fastest.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// Name, for arguments and messages.
    pub name: String,
    /// Type of its elements.
    pub dtype: Dtype,
    /// Elements along each axis.
    pub shape: Vec<Formula>,
    /// What is in it before the kernel runs.
    pub fill: Fill,
}

/// The type of a tensor's elements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Dtype {
    /// That of the case.
    #[default]
    OfCase,
    /// This one.
    Always(Element),
    /// In a case of the first of a pair the second; otherwise that of the case.
    In(Vec<(Element, Element)>),
}

impl Dtype {
    /// The type in a case of elements of this type.
    fn of(&self, case: Element) -> Element {
        match self {
            Self::OfCase => case,
            Self::Always(element) => *element,
            Self::In(pairs) => pairs.iter().find(|(of, _)| *of == case).map_or(case, |pair| pair.1),
        }
    }
}

/// What is in a tensor before the kernel runs; the same on every rank and in every run.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Fill {
    /// Element i is i modulo this. Exact in every type, and where the periods of two tensors are coprime
    /// no shift hides.
    Modulo(usize),
    /// Random, uniform from the first to the second.
    Uniform(f64, f64),
    /// Random whole numbers from −`most` to `most`, so few that sums of `terms` products with numbers
    /// from −1 to 1 are exact.
    Whole {
        /// The largest.
        most: usize,
        /// Products that are summed.
        terms: Formula,
    },
    /// Random whole numbers from 0 to below this: places in another tensor.
    Below(Formula),
    /// Every whole number from 0 to below the number of elements once, in a random order.
    Permutation,
    /// A random cycle through every element whose place is a multiple of this: each holds the place of the next. The others
    /// are 0.
    Cycle(Formula),
    /// What is no result, so that what the kernel does not write shows.
    #[serde(skip)]
    Spoilt,
}

impl Tensor {
    /// Type of its elements in a case of elements of this type.
    pub fn element_in(&self, case: Element) -> Element {
        self.dtype.of(case)
    }

    /// Puts in what belongs there.
    pub fn fill<T: Number>(&self, run: &KernelRun, values: &mut [T]) {
        let mut random = Stream::new(0, &self.name, &[]);
        match &self.fill {
            &Fill::Modulo(period) => {
                values.iter_mut().enumerate().for_each(|(i, v)| *v = T::of((i % period) as i64));
            }
            &Fill::Uniform(from, to) => {
                values.fill_with(|| T::rounded(from + (to - from) * random.unit()));
            }
            Fill::Whole { most, terms } => {
                let held = self.element_in(run.element).places() - 1;
                let most = (*most).min(usize::try_from(held).unwrap_or(usize::MAX));
                let (most, places) = places::<T>(most, run.value(terms));
                values.fill_with(|| T::of(whole(random.below(places), most)));
            }
            Fill::Below(most) => {
                let places = run.value(most) as usize;
                values.fill_with(|| T::of(random.below(places) as i64));
            }
            Fill::Permutation => {
                values.iter_mut().enumerate().for_each(|(i, v)| *v = T::of(i as i64));
                // Fisher and Yates' shuffle.
                for last in (1..values.len()).rev() {
                    values.swap(last, random.below(last + 1));
                }
            }
            Fill::Cycle(stride) => {
                let stride = run.value(stride) as usize;
                values.fill(T::of(0));
                let places = values.len().div_ceil(stride);
                (0..places).for_each(|i| values[i * stride] = T::of((i * stride) as i64));
                // Sattolo's shuffle, of which every result is one cycle.
                for last in (1..places).rev() {
                    values.swap(last * stride, random.below(last) * stride);
                }
            }
            Fill::Spoilt => bytes_of_mut(values).fill(self.element_in(run.element).spoilt_byte()),
        }
    }
}

/// How many equally likely places whole numbers from −`most` to `most` have: the first ones, and the rest is zero. With
/// the `most` that the type allows.
///
/// Sums stay below 2^24 (7 standard deviations below, for 2^20 terms): f32 accumulators hold them exactly in any
/// order. In the 16-bit types, which hold far fewer whole numbers, entries are −1, 0 and 1, with so many zeros
/// that a sum beyond the type's exact range is 7 standard deviations away; one that occurs is rounded
/// once, at the end.
fn places<T: Number>(most: usize, terms: f64) -> (usize, usize) {
    let narrow = T::EXACT < 1 << 24;
    let most = if narrow || terms > (1 << 20) as f64 { 1 } else { most };
    let share = if narrow { T::EXACT as f64 / (7.0 * terms.sqrt()) } else { 1.0 };
    let zeros = if share < 1.0 { ((2 * most) as f64 / share).ceil() as usize } else { 0 };
    (most, zeros.max(2 * most + 1))
}

/// The number in a place.
fn whole(place: usize, most: usize) -> i64 {
    if place <= 2 * most { place as i64 - most as i64 } else { 0 }
}

/// An input as a host operation sees it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    element: Element,
    bytes: &'a [u8],
    /// Elements along each axis.
    pub shape: &'a [usize],
}

impl<'a> View<'a> {
    /// Of a tensor's elements.
    pub fn new(element: Element, bytes: &'a [u8], shape: &'a [usize]) -> Self {
        Self { element, bytes, shape }
    }

    /// Its elements, whose type the operation knows.
    pub fn of<T: Number>(&self) -> &'a [T] {
        assert_eq!(self.element.bytes() as usize, size_of::<T>(), "an input of other elements");
        numbers_of(self.bytes)
    }
}

/// An output as a host operation sees it.
#[derive(Debug)]
pub struct ViewMut<'a> {
    element: Element,
    bytes: &'a mut [u8],
    /// Elements along each axis.
    pub shape: &'a [usize],
}

impl<'a> ViewMut<'a> {
    /// Of a tensor's elements.
    pub fn new(element: Element, bytes: &'a mut [u8], shape: &'a [usize]) -> Self {
        Self { element, bytes, shape }
    }

    /// Its elements, whose type the operation knows.
    pub fn of<T: Number>(&mut self) -> &mut [T] {
        assert_eq!(self.element.bytes() as usize, size_of::<T>(), "an output of other elements");
        numbers_of_mut(self.bytes)
    }
}

/// A tensor as a reference sees it: whatever its type, numbers of 64 bits.
pub struct Values<'a> {
    data: Box<dyn Fn(Range<usize>) -> Vec<f64> + 'a>,
    /// Elements along each axis.
    pub shape: &'a [usize],
}

impl<'a> Values<'a> {
    /// Of a tensor's elements.
    pub fn new<T: Number>(data: &'a [T], shape: &'a [usize]) -> Self {
        let read = |range: Range<usize>| data[range].iter().map(|value| value.to_f64()).collect();
        Self { data: Box::new(read), shape }
    }

    /// Of elements of this type, as they lie in memory.
    pub fn of_bytes(element: Element, bytes: &'a [u8], shape: &'a [usize]) -> Self {
        with_number!(element, T => Self::new(numbers_of::<T>(bytes), shape))
    }

    /// The elements in `range`.
    pub fn read(&self, range: Range<usize>) -> Vec<f64> {
        (self.data)(range)
    }

    /// Row `row` of a matrix.
    pub fn row(&self, row: usize) -> Vec<f64> {
        let width = self.shape.last().copied().unwrap_or(1);
        self.read(row * width..(row + 1) * width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::bf16;

    #[test]
    fn a_cycle_comes_by_every_place_once() {
        let kernel =
            crate::benchmark::kernel::KERNELS.iter().find(|one| one.name == "pointer_chase");
        for (bytes, stride) in [(8, 1), (4096, 1), (4096, 3), (40_000, 32)] {
            let sizes = [("array", bytes), ("stride", stride)];
            let problem = sizes.map(|(key, size)| (key.to_owned(), size.into())).into();
            let run = kernel.unwrap().run(&problem, Element::U32).unwrap();
            let chain = run.filled(run.inputs().next().unwrap()).unwrap();
            let chain = chain.of::<u32>();
            let places = (bytes as usize / 4).div_ceil(stride as usize);
            let (mut seen, mut place) = (vec![false; places], 0);
            for _ in 0..places {
                assert_eq!(place % stride as usize, 0);
                assert!(!std::mem::replace(&mut seen[place / stride as usize], true));
                place = chain[place] as usize;
            }
            assert_eq!((place, run.dependent_accesses()), (0, Some(places as u64 - 1)));
        }
    }

    #[test]
    fn narrow_types_get_entries_whose_sums_they_hold() {
        let (most, count) = places::<bf16>(4095, 8192.0);
        let mut random = Stream::new(0, "test", &[]);
        let mut entries = || whole(random.below(count), most);
        let mut zeros = 0;
        for _ in 0..256 {
            let products = (0..8192).map(|_| entries() * entries());
            let sum: i64 = products.inspect(|product| zeros += usize::from(*product == 0)).sum();
            assert!(sum.abs() <= 256, "{sum}");
        }
        assert!(zeros < 256 * 8192 * 24 / 25, "{zeros}");
        assert_eq!(places::<f32>(4095, 8192.0), (4095, 8191));
    }
}
