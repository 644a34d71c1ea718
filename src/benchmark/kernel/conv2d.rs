//! Convolution of images with filters (cross-correlation, as in machine learning), channels last. Around an image are zeros.

use super::*;

pub(super) const CODE: Code = Code {
    host: for_floats!(host),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: Some(suspects) },
};

/// Places, and filters, that are computed at a time.
const PLACES: usize = 4;
const FILTERS: usize = 32;

/// Where windows stand on images.
struct Windows {
    height: usize,
    width: usize,
    channels: usize,
    side: usize,
    stride: usize,
}

impl Windows {
    fn new(images: &[usize], side: usize, stride: usize) -> Self {
        Self { height: images[1], width: images[2], channels: images[3], side, stride }
    }

    /// Numbers of a window.
    fn terms(&self) -> usize {
        self.side * self.side * self.channels
    }

    /// Windows along a length of the image.
    fn along(&self, length: usize) -> usize {
        (length + 2 * ((self.side - 1) / 2) - self.side) / self.stride + 1
    }

    /// The runs of a window's numbers that lie on the image: where in the window, where in the images, and how many.
    fn runs(&self, place: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let (high, broad) = (self.along(self.height), self.along(self.width));
        let edge = (self.side - 1) / 2;
        let (image, top) = (place / broad / high, place / broad % high * self.stride);
        let left = place % broad * self.stride;
        let first = edge.saturating_sub(left);
        let last = self.side.min(self.width + edge - left);
        (0..self.side).filter_map(move |row| {
            let down = (top + row).checked_sub(edge).filter(|down| *down < self.height)?;
            let from = (image * self.height + down) * self.width + left + first - edge;
            let [to, from, count] = [row * self.side + first, from, last - first];
            Some((to * self.channels, from * self.channels, count * self.channels))
        })
    }
}

fn host<T: Stored>(
    cpu: pulp::Arch,
    inputs: &[View<'_>],
    scalars: &[f64],
    outputs: &mut [ViewMut<'_>],
) {
    let windows = Windows::new(inputs[0].shape, inputs[1].shape[1], scalars[0] as usize);
    let filters = inputs[1].shape[0];
    let numbers = &mut vec![T::Wide::of(0); PLACES * windows.terms()];
    let turned = &mut vec![[T::Wide::of(0); FILTERS]; windows.terms()];
    let (x, w, y) = (inputs[0].of::<T>(), inputs[1].of(), outputs[0].of());
    cpu.dispatch(Places { windows, filters, x, w, numbers, turned, y });
}

struct Places<'a, T: Stored> {
    windows: Windows,
    filters: usize,
    x: &'a [T],
    w: &'a [T],
    /// The windows at some places.
    numbers: &'a mut [T::Wide],
    /// Some filters, term by term.
    turned: &'a mut [[T::Wide; FILTERS]],
    y: &'a mut [T],
}

impl<T: Stored> pulp::NullaryFnOnce for Places<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { windows, filters, x, w, numbers, turned, y } = self;
        let terms = windows.terms();
        for first in (0..filters).step_by(FILTERS) {
            let count = FILTERS.min(filters - first);
            for (filter, w) in w[first * terms..].chunks_exact(terms).take(count).enumerate() {
                for (turned, w) in turned.iter_mut().zip(w) {
                    turned[filter] = w.wide();
                }
            }
            for (block, y) in y.chunks_mut(PLACES * filters).enumerate() {
                numbers.fill(T::Wide::of(0));
                let places = y.len() / filters;
                for (at, numbers) in numbers.chunks_exact_mut(terms).take(places).enumerate() {
                    for (to, from, count) in windows.runs(block * PLACES + at) {
                        for (to, x) in numbers[to..to + count].iter_mut().zip(&x[from..]) {
                            *to = x.wide();
                        }
                    }
                }
                let sums = products::<T>(numbers, turned);
                for (y, sums) in y.chunks_exact_mut(filters).zip(sums) {
                    for (y, sum) in y[first..first + count].iter_mut().zip(sums) {
                        *y = T::narrow(sum);
                    }
                }
            }
        }
    }
}

/// The products of windows and filters.
#[inline(always)]
fn products<T: Stored>(
    numbers: &[T::Wide],
    turned: &[[T::Wide; FILTERS]],
) -> [[T::Wide; FILTERS]; PLACES] {
    let mut sums = [[T::Wide::of(0); FILTERS]; PLACES];
    for (term, filters) in turned.iter().enumerate() {
        for (place, sums) in sums.iter_mut().enumerate() {
            let number = numbers[place * turned.len() + term];
            for (sum, filter) in sums.iter_mut().zip(filters) {
                *sum = number.mul_add(*filter, *sum);
            }
        }
    }
    sums
}

/// The window at a place, with zeros around the image.
fn window(windows: &Windows, x: &Values<'_>, place: usize) -> Vec<f64> {
    let mut numbers = vec![0.0; windows.terms()];
    for (to, from, count) in windows.runs(place) {
        numbers[to..to + count].copy_from_slice(&x.read(from..from + count));
    }
    numbers
}

fn expected(inputs: &[Values<'_>], scalars: &[f64], at: usize, y: &mut [Expected]) {
    let windows = Windows::new(inputs[0].shape, inputs[1].shape[1], scalars[0] as usize);
    let (terms, numbers) = (windows.terms(), window(&windows, &inputs[0], at / y.len()));
    for (filter, y) in y.iter_mut().enumerate() {
        *y = Expected::of(scalar_product(
            &numbers,
            &inputs[1].read(filter * terms..(filter + 1) * terms),
        ));
    }
}

fn suspects(inputs: &[Values<'_>], scalars: &[f64], y: &Values<'_>) -> Vec<usize> {
    let windows = Windows::new(inputs[0].shape, inputs[1].shape[1], scalars[0] as usize);
    let (terms, z) = (windows.terms(), freivalds(y.shape[1]));
    let mut joined = vec![0.0; terms];
    for (filter, z) in z.iter().enumerate() {
        let numbers = inputs[1].read(filter * terms..(filter + 1) * terms);
        joined.iter_mut().zip(numbers).for_each(|(joined, number)| *joined += z * number);
    }
    let differs = |place: &usize| {
        scalar_product(&window(&windows, &inputs[0], *place), &joined)
            != scalar_product(&y.row(*place), &z)
    };
    (0..y.shape[0]).filter(differs).collect()
}
